/* Tables in a text: which header a value is under. A row is a line cut by tabs,
 * '|', ';', ',' or gaps of two and more blanks; its header is the first line, of those
 * without a break above it, that has as many fields, where it reads like names; or, for tabs, a
 * line "COPY t (a, b) FROM stdin" with as many names. Rules
 * drawn with '-', '=', ':', '+' and '|' belong to any table. What is remembered makes
 * the whole linear as long as places are asked for in order. */
#ifndef SCAN_DETECT_CONTEXT_COLUMNS_H
#define SCAN_DETECT_CONTEXT_COLUMNS_H

#include "base/span.h"

enum {
	COLUMN_LINE = 2048,   /* bytes; a longer line is no row */
	COLUMN_HEAD = 1024,   /* bytes of a header that is kept for a later part of the text */
	COLUMN_FIELDS = 64,   /* a line of more is no row */
	COLUMN_NAME = 48,     /* bytes of a header's field */
	COLUMN_WIDTHS = 4,    /* numbers of fields a table's headers are known of */
	COLUMN_CUTS = 5,      /* kinds of separators */
	COLUMN_HEADERS = 256, /* columns that are read as key=value */
};

/* What parts a line: separators by kind, 0 where there is none; `plain`: no quote and no
 * backslash, so that their number tells the fields. */
struct column_parts {
	unsigned n[COLUMN_CUTS];
	bool plain;
};

/* The table that a text's parts have in common. A text may be scanned in parts (windows of a
 * long request, the pieces of a stream); the header of a table is in one part and its rows are
 * in later ones. This holds what the parts so far say of the next part's first byte.
 *
 * A table begins with a line whose fields read like names, parted by one kind of separator. It
 * ends at a line without that separator that is no ruler (an empty line, a sentence, a code
 * fence), and at a line longer than COLUMN_LINE. A line of names with another number of fields
 * begins the next table, and so does one with as many fields whose first field is among the
 * header's; other names directly below a table with as many columns are a row of it. A header
 * longer than COLUMN_HEAD is not kept. Zeroed: no text was passed. owner: whoever scans the
 * parts. */
struct column_table {
	char head[COLUMN_HEAD]; /* the header's line, */
	size_t head_n;		/* its bytes; 0: no table is in progress */
	unsigned cut, fields;	/* its separator, and its number of fields */
	char line[COLUMN_LINE]; /* the line in which the next part begins, as far as it came */
	size_t line_n;	     /* bytes of that line before the next part; may be more than fit */
	bool more;	     /* the next part is not the last: its last line may go on */
	uint64_t keys;	     /* columns whose name a keyed rule knows, and */
	const void *keys_of; /* the rule set that was asked; NULL: none yet */
};

/* Moves the table past these bytes, which end where the next part begins. */
void columns_pass(struct column_table *t, struct span text);

struct columns {
	struct span text;
	struct column_table *table; /* of the parts before; NULL: the text is a whole one */
	bool inside; /* the text's first line is not a whole one, and its beginning not known */
	size_t lead; /* bytes of the first line that came before the text, in joined[] */
	size_t joined_n;	  /* 0: nothing was joined yet */
	char joined[COLUMN_LINE]; /* the first line from its beginning; lead > 0 */
	bool known;		  /* [line, line_end) was looked at */
	size_t line, line_end;
	size_t parts_of; /* of this line, and one: */
	struct column_parts parts;
	bool row; /* it has a header: */
	unsigned cut, fields;
	size_t header; /* the line where it begins, */
	size_t split;  /* the header whose fields are in name[], and one */
	unsigned split_cut, names;
	struct span name[COLUMN_FIELDS];
	unsigned field;	 /* the field asked for last, */
	size_t field_at; /* and where in its line it begins */
	struct column_run {
		size_t from, to; /* lines without a break, known so far */
		unsigned widths;
		struct {
			size_t line;
			unsigned fields;
			bool names;
		} width[COLUMN_WIDTHS];
	} run[COLUMN_CUTS];
	size_t heads; /* places where a header's field begins like a key */
	size_t head[COLUMN_HEADERS];
	size_t judged;	  /* the end of the line judged last, */
	bool judged_head; /* and whether it may be a header */
	bool lists;	  /* a key may be in the names of an INSERT */
};

/* Where a place is in a table. */
struct column {
	struct span name; /* its header's field, without blanks and quotes; n 0: in no table */
	unsigned index;
	size_t line, line_end;
};

/* Before another text. `table`: as struct columns has it; must outlive the questions. */
void columns_begin(
	struct columns *c, struct span text, bool inside, struct column_table *table);
/* False: not in a row below a header. True: its names are in name[]. */
bool columns_row(struct columns *c, size_t at);
/* Whether `at` is in a row below a header whose line holds `head`. */
bool columns_below(struct columns *c, size_t at, size_t head);
/* As columns_row(), and the column; false also where that has no name. */
bool columns_at(struct columns *c, size_t at, struct column *out);

/* Whether `at` is known to be in no row that has a header. */
static inline bool
columns_no_row(const struct columns *c, size_t at)
{
	return c->known && at >= c->line && at < c->line_end && !c->row;
}

void columns_judge_head(struct columns *c, size_t at);
void columns_judge_list(struct columns *c, size_t at);
/* A key of the rules begins at `at`: remembered if its line may be a header, or if an INSERT
 * may name it. */
static inline void
columns_head(struct columns *c, size_t at)
{
	if (at >= c->judged || c->judged_head)
		columns_judge_head(c, at);
	if (!c->lists)
		columns_judge_list(c, at);
}
/* Calls `take` with each cell under the headers that are remembered, with each cell under the header of a
 * table that began before the text, and with each literal of an SQL INSERT. The names of an INSERT are not
 * kept for a later part of the text. If `take` returns false, the search stops. `keys` says for the last two which of n names
 * are keys (a bit each). It is asked once for each table and rule set `of`.
 */
typedef bool columns_take(void *arg, struct span name, size_t start, size_t end);
typedef uint64_t columns_keys(void *arg, const struct span *name, unsigned n);
void columns_cells(
	struct columns *c, columns_take *take, columns_keys *keys, const void *of, void *arg);

#endif
