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
	ORDER_PROMPT,
	ORDER_NAME,
	ORDERS
};
extern const char *const usage_order_names[ORDERS];

struct usage_page {
	enum usage_order order;
	uint64_t limit;	   /* groups; 0: all */
	const char *after; /* the cursor of the page before; NULL: from the first on */
	const char *match; /* only groups with a value that contains this text, without regard
			      to case; NULL: all */
	/* the result */
	const struct usage_group *
		*row;	  /* n of them, of the table's; the caller frees the list */
	size_t n, groups; /* shown; in all that match */
	bool more;
};
/* Sorts groups by cost, the highest first. */
void usage_sort(struct usage_table *t);
/* Finds the page. Returns 0, ERR_SYNTAX if `after` is no cursor, or ERR_NOMEM. */
int usage_paged(const struct usage_table *t, struct usage_page *p);
/* Appends the cursor of the next page; nothing after the last page. */
void usage_cursor(const struct usage_page *p, struct buf *out);

/* ---- reading ---- */

/* The period of the same length directly before the query's own. */
struct usage_before {
	struct usage_table table;
	char since[CLOCK_RFC3339_LEN], until[CLOCK_RFC3339_LEN]; /* "": the query has none */
	/* The time of the first record in the period; "": the period has no record. */
	char first[CLOCK_RFC3339_LEN];
};

/* Sums up the records that the query asks for: from the files of sums beside segments for whole
 * segments and blocks, and from lines for the rest. The period before is summed up in `before`,
 * unless that is NULL. Returns 0, or an exit code after a message. */
int usage_read(struct usage_table *t, struct usage_before *before, const struct query *asked);

/* ---- figures: means, percentiles, maxima, growth ---- */

enum { USAGE_FIGURES = 17, USAGE_FIGURE_MAX = 64 };
const char *usage_figure_name(size_t i); /* in JSON and CSV */
const char *usage_figure_head(size_t i); /* in lines */
bool usage_figure_is_text(size_t i);	 /* an id; the others are numbers */
bool usage_figure_is_growth(size_t i);
/* Returns true if text output has a column for the figure, because a record has a value for it.
 * `before`: the output compares with an earlier period. */
bool usage_figure_shown(size_t i, const struct usage_sums *total, bool before);
/* Returns the figure as text, in `out` or in `u`, or NULL if there is none. `before` has the
 * group's sums of the period before; NULL: it has none. */
const char *usage_figure(size_t i, const struct usage_sums *u, const struct usage_sums *before,
	char out[USAGE_FIGURE_MAX]);

/* ---- what is shown ---- */

enum usage_form { FORM_TEXT, FORM_CSV, FORM_JSON };
/* Writes the page in a form. `since` and `until` NULL: no bound. Returns false without memory.
 */
bool usage_print(const struct usage_table *t, const struct usage_before *before,
	const struct usage_page *p, enum usage_form form, const char *since, const char *until,
	struct buf *out);

#endif
