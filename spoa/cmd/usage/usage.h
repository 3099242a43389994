/* tollgate usage: orders groups of sums, divides them into pages, and prints a page. */
#ifndef CMD_USAGE_USAGE_H
#define CMD_USAGE_USAGE_H

#include "cmd/records/query.h"
#include "record/audit/usage.h"

/* ---- order and pages ---- */

enum usage_order {
	ORDER_COST,
	ORDER_REQUESTS,
	ORDER_REFUSED,
	ORDER_REDACTED,
	ORDER_TOKENS,
	ORDER_LAST,
	ORDER_PROMPT,
	ORDER_DEAREST, /* the request that cost most */
	ORDER_TIME, /* the median of the total time */
	ORDER_REFUSED_MORE, /* refusals above the rate of the period before */
	ORDER_NAME,
	ORDERS
};

/* The period of the same length directly before the query's own. */
struct usage_before {
	struct usage_table table;
	char since[CLOCK_RFC3339_LEN], until[CLOCK_RFC3339_LEN]; /* "": no such period */
	/* The time of the first record in the period; "": the period has no record. */
	char first[CLOCK_RFC3339_LEN];
};

struct usage_page {
	enum usage_order order;
	const struct usage_before *before; /* for ORDER_REFUSED_MORE; NULL: unknown */
	uint64_t limit;	   /* most groups of a page; 0: all */
	const char *after; /* the previous page's cursor; NULL: the first page */
	const char *match; /* only groups with a value that contains this text, without regard
			      to case; NULL: all */
	/* the result: */
	const struct usage_group **row; /* n groups of the table; the caller frees the list */
	size_t n, groups;		/* n: groups of the page; groups: all that match */
	bool more;
};
/* Sorts groups by cost, the highest first. */
void usage_sort(struct usage_table *t);
/* Finds the page. Returns 0, ERR_SYNTAX if `after` is no cursor, or ERR_NOMEM. */
int usage_paged(const struct usage_table *t, struct usage_page *p);

/* ---- output ---- */

enum usage_form { FORM_TEXT, FORM_CSV, FORM_JSON };
/* Writes the page in a form. `since` and `until` NULL: no bound. Returns false if memory is
 * exhausted. */
bool usage_print(const struct usage_table *t, const struct usage_before *before,
	const struct usage_page *p, enum usage_form form, const char *since, const char *until,
	struct buf *out);

#endif
