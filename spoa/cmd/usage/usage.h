/* tollgate usage: its sums in order, page by page, and how they are shown. */
#ifndef CMD_USAGE_USAGE_H
#define CMD_USAGE_USAGE_H

#include "cmd/records/query.h"
#include "record/audit/usage.h"

/* ---- order and pages ---- */

enum usage_order {
	ORDER_COST,
	ORDER_REQUESTS,
	ORDER_REFUSED,
	ORDER_TOKENS,
	ORDER_LAST,
	ORDER_NAME,
	ORDERS
};
extern const char *const usage_order_names[ORDERS];

struct usage_page {
	enum usage_order order;
	uint64_t limit;	   /* groups; 0: all */
	const char *after; /* the cursor of the page before; NULL: from the first on */
	const char *match; /* groups one of whose values holds this, in small or large letters;
			      NULL: all */
	/* what comes of it */
	const struct usage_group *
		*row;	  /* n of them, of the table's; the caller frees the list */
	size_t n, groups; /* shown; in all that match */
	bool more;
};
/* The dearest first. */
void usage_sort(struct usage_table *t);
/* Finds the page. 0, ERR_SYNTAX: `after` is no cursor; ERR_NOMEM. */
int usage_paged(const struct usage_table *t, struct usage_page *p);
/* Where the next page goes on; nothing where this is the last. */
void usage_cursor(const struct usage_page *p, struct buf *out);

/* ---- reading ---- */

/* Adds what the query asks for: of whole blocks of a journal from the files beside segments,
 * the rest of the lines. 0, or an exit code after a message. */
int usage_read(struct usage_table *t, struct query *q);

/* ---- what is shown ---- */

enum usage_form { FORM_TEXT, FORM_CSV, FORM_JSON };
/* False: no memory. */
bool usage_print(const struct usage_table *t, const struct usage_page *p, enum usage_form form,
	const char *since, const char *until, struct buf *out);

#endif
