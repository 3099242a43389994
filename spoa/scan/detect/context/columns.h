/* Tables in a text: which header a value is under. A row is a line cut by tabs,
 * '|', ';', ',' or gaps of two and more blanks; its header is the first line, of those
 * without a break above it, that has as many fields, where it reads like names. Rules
 * drawn with '-', '=', ':', '+' and '|' belong to any table. What is remembered makes
 * the whole linear as long as places are asked for in order. */
#ifndef SCAN_DETECT_CONTEXT_COLUMNS_H
#define SCAN_DETECT_CONTEXT_COLUMNS_H

#include "base/span.h"

enum {
	COLUMN_LINE = 2048,  /* bytes; a longer line is no row */
	COLUMN_FIELDS = 64,  /* a line of more is no row */
	COLUMN_NAME = 48,    /* bytes of a header's field */
	COLUMN_WIDTHS = 4,   /* numbers of fields a table's headers are known of */
	COLUMN_CUTS = 5,     /* kinds of separators */
	COLUMN_HEADERS = 64, /* columns that are read as key=value */
};

/* What parts a line: separators by kind, 0 where there is none; `plain`: no quote and no
 * backslash, so that their number tells the fields. */
struct column_parts {
	unsigned n[COLUMN_CUTS];
	bool plain;
};

struct columns {
	struct span text;
	bool inside; /* the text's first line is not a whole one */
	bool known;  /* [line, line_end) was looked at */
	size_t line, line_end;
	size_t parts_of; /* of this line, and one: */
	struct column_parts parts;
	bool row; /* it has a header: */
	unsigned cut, fields;
	size_t header; /* the line where it begins, */
	size_t split;  /* the header whose fields are in name[], and one */
	unsigned split_cut, names;
	struct span name[COLUMN_FIELDS];
	unsigned field; /* the field asked for last */
	size_t field_at;
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
};

/* Where a place is in a table. */
struct column {
	struct span name; /* its header's field, without blanks and quotes; n 0: in no table */
	unsigned index;
	size_t line, line_end;
};

/* Before another text. */
void columns_begin(struct columns *c, struct span text, bool inside);
/* False: not in a row below a header. True: its names are in name[]. */
bool columns_row(struct columns *c, size_t at);
/* The same, and the column; false also where that has no name. */
bool columns_at(struct columns *c, size_t at, struct column *out);

/* Whether `at` is known to be in no row that has a header. */
static inline bool
columns_no_row(const struct columns *c, size_t at)
{
	return c->known && at >= c->line && at < c->line_end && !c->row;
}

void columns_judge_head(struct columns *c, size_t at);
/* A key of the rules begins at `at`: remembered if its line may be a header. */
static inline void
columns_head(struct columns *c, size_t at)
{
	if (at >= c->judged || c->judged_head)
		columns_judge_head(c, at);
}
/* Calls `take` with each cell under the headers remembered; false stops. */
typedef bool columns_take(void *arg, struct span name, size_t start, size_t end);
void columns_cells(struct columns *c, columns_take *take, void *arg);

#endif
