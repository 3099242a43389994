/* Tables in a text: finds the header that a value is under. A row is a line that is divided by
 * the separator of a frame (columns.c has the list): tabs, '|', the bars of a box, ';', ',', '&' of
 * LaTeX, or gaps of at least two spaces. A row has several lines if a cell in quotes contains line
 * ends. The lines above a row, up to the first line that is no row, belong to the table. The header
 * is the first of these lines that has as many fields, if the line reads like names. With tabs, a
 * line "COPY t (a, b) FROM stdin" with as many names is a header too. Rulers drawn with '-', '=',
 * ':', '+', '|' and the lines of boxes belong to any table, and so does \hline. Results are cached, so the work is linear as long as places are asked for in ascending
 * order. */
#ifndef SCAN_DETECT_CONTEXT_COLUMNS_H
#define SCAN_DETECT_CONTEXT_COLUMNS_H

#include "base/span.h"

enum {
	COLUMN_LINE = 2048,   /* bytes; a longer line is no row */
	COLUMN_HEAD = 1024,   /* bytes of a header that is kept for a later part of the text */
	COLUMN_FIELDS = 64,   /* a line with more fields is no row */
	COLUMN_NAME = 48,     /* bytes of a header's field, at most */
	COLUMN_WIDTHS = 4,    /* numbers of fields for which a run's header is known */
	COLUMN_CUTS = 7,      /* frames of lines, each with its kind of separator */
	COLUMN_NAMES = 2048,  /* bytes of an INSERT's names */
	COLUMN_LIST = 768,    /* bytes of names that are kept for a later part of the text */
};

/* A place in the tuples of an INSERT. */
struct tuple_place {
	enum {
		TUPLE_NONE,   /* after the last tuple */
		TUPLE_NEXT,   /* before a tuple */
		TUPLE_FIELD,  /* in a literal, outside its strings */
		TUPLE_STRING, /* in a string of a literal */
		TUPLE_END,    /* after a tuple */
	} in;
	unsigned field, depth; /* the literal's number; its open parentheses */
	bool begun;	       /* a byte of the literal was passed */
};

/* The list that the parts of a text have in common: an SQL INSERT, a table of HTML, or items below
 * a name. n 0: none. It is found if it begins in a part of at least COLUMN_LINE bytes. */
struct column_list {
	enum list_kind { LIST_TUPLES, LIST_MARKUP, LIST_ITEMS } kind;
	char names[COLUMN_LIST]; /* separated by commas */
	size_t n;
	struct tuple_place place; /* at the next part's first byte */
	uint64_t keys; /* names that are keys of a rule; of: as in struct column_table */
	const void *keys_of;
};

/* The beginning of an INSERT whose names or VALUES are in a later part of the text. It is in the list's `names`, from
 * INTO on, because no list has begun. All zero: there is none. */
struct column_insert {
	size_t n;      /* bytes */
	unsigned into; /* letters of INTO that the last bytes were */
	bool word;     /* the last byte is part of a word */
};

/* The separators of a line, by kind; 0: the line has none of the kind. `plain`: the line has
 * neither a quote nor a backslash, so the number of fields follows from the number of
 * separators. */
struct column_parts {
	unsigned n[COLUMN_CUTS];
	bool plain;
};

/* The table that the parts of a text have in common. A text may be scanned in parts: windows of
 * a long request, or pieces of a stream. The header of a table may be in one part and its rows
 * in later parts. This struct holds the state at the first byte of the next part.
 *
 * A table begins with a line whose fields read like names, divided by one kind of separator.
 * The table ends at a line that has no such separator and is no ruler (an empty line, a
 * sentence, a code fence), and at a line longer than COLUMN_LINE. A line of names with another
 * number of fields begins the next table. A line of names with as many fields begins the next
 * table only if its first field is among the header's; otherwise the line is a row. A header
 * longer than COLUMN_HEAD is not kept. All zero: no text was passed yet. owner: the scanner of
 * the parts. */
struct column_table {
	char head[COLUMN_HEAD]; /* the header's line */
	size_t head_n;		/* bytes of the header; 0: no table is in progress */
	unsigned cut, fields;	/* the header's separator, and its number of fields */
	char line[COLUMN_LINE]; /* the line in which the next part begins, up to that part */
	size_t line_n;	     /* bytes of that line before the next part; may be more than fit */
	char mark;	     /* the byte that ends a line; 0: not known yet */
	bool record;	     /* the line before is in a record of psql's expanded print */
	bool more;	     /* the next part is not the last: its last line may continue */
	uint64_t keys;	     /* columns whose name is a key of a rule, a bit for each */
	const void *keys_of; /* the rule set that `keys` is of; NULL: not known yet */
	struct column_list list;
	struct column_insert insert;
};

/* Moves the table past `text`, which ends where the next part begins. */
void columns_pass(struct column_table *t, struct span text);

struct columns {
	struct span text;
	/* the table that the earlier parts of the text are in; NULL: the text is complete */
	struct column_table *table;
	bool inside; /* the text begins inside a line whose beginning is not known */
	size_t lead; /* bytes of the first line that are before the text, in joined[] */
	size_t joined_n;	  /* bytes in joined[]; 0: not filled yet */
	char joined[COLUMN_LINE]; /* the first line from its beginning, if lead > 0 */
	char mark;		  /* the byte that ends a line; 0: not known yet */
	struct column_rows {
		bool known; /* they were searched for */
		size_t n, room;
		struct column_row {
			size_t from, to;
		} *v; /* rows of several lines, in their order; `to` is the last line's end */
	} rows;
	bool known;		  /* the members below describe the line [line, line_end) */
	size_t line, line_end;
	size_t parts_of; /* offset of the line that `parts` describes, plus 1 */
	struct column_parts parts;
	bool row;	      /* the line has a header */
	unsigned cut, fields; /* if the line is a row: its separator and its number of fields */
	size_t header;	      /* offset of the header's line */
	unsigned index;	      /* 1: the first field of the row has no name; else 0 */
	size_t split;	      /* offset of the header whose fields are in name[], plus 1 */
	unsigned split_cut, names;
	struct span name[COLUMN_FIELDS];
	unsigned field;	 /* the field that was asked for last */
	size_t field_at; /* offset of that field in its line */
	struct column_run {
		size_t from, to; /* adjacent rows that were examined */
		unsigned widths;
		struct {
			size_t line;
			unsigned fields;
			bool names;
		} width[COLUMN_WIDTHS];
	} run[COLUMN_CUTS];
	size_t heads; /* number of places in head[]: keys of rules in lines that may be headers */
	size_t *head, heads_room;
	size_t *items, nitems, items_room; /* keys of rules above a list of values */
	size_t items_end;		   /* the end of the last of these lists */
	size_t *pairs, npairs, pairs_room; /* lines "name | value" whose name is a key of a rule */
	size_t record_from, record_to; /* lines that were examined last; record_to 0: none */
	bool record;		       /* these lines are a record */
	bool lost;			   /* there was no memory for a place */
	size_t judged;	  /* end of the line that columns_judge_head() examined last */
	bool judged_head; /* the line that ends at `judged` may be a header */
	bool lists;	  /* a key may be in the names of an INSERT */
	bool markup;	  /* a key may be in a row of HTML */
};

/* The column of a place in a table. */
struct column {
	struct span name; /* the header's field without spaces and quotes; n 0: in no table */
	unsigned index;
	size_t line, line_end;
};

/* Begins another text. `table`: as in struct columns; must stay valid as long as c is used. */
void columns_begin(
	struct columns *c, struct span text, bool inside, struct column_table *table);
/* Returns true if the text, whose earlier parts `t` has passed, ends in the tuples of an INSERT or may do so. */
bool columns_in_tuples(const struct column_table *t, struct span text);
/* Returns true if the text, likewise, may end in such a record. */
bool columns_in_record(const struct column_table *t, struct span text);
/* Returns true if `at` is in a row below a header. The header's names are then in name[]. */
bool columns_row(struct columns *c, size_t at);
/* Returns true if `at` is in a row below a header, and the place `head` is in the header's line. */
bool columns_below(struct columns *c, size_t at, size_t head);
/* The same as columns_row(), with the column in *out. Returns false if the column has no name. */
bool columns_at(struct columns *c, size_t at, struct column *out);

/* Returns true if it is known already that `at` is in no row below a header. */
static inline bool
columns_no_row(const struct columns *c, size_t at)
{
	return c->known && at >= c->line && at < c->line_end && !c->row;
}

void columns_judge_head(struct columns *c, size_t at);
void columns_judge_list(struct columns *c, size_t at);
void columns_judge_items(struct columns *c, size_t at);
/* Records a key of the rules that begins at `at`, if its line may be a header. Notes if the key may
 * be in the names of an INSERT or in a row of HTML, or if a list of values follows it. */
static inline void
columns_head(struct columns *c, size_t at)
{
	if (at >= c->judged || c->judged_head)
		columns_judge_head(c, at);
	if (!c->lists || !c->markup)
		columns_judge_list(c, at);
	if (at >= c->items_end && !(at < c->judged && c->judged_head))
		columns_judge_items(c, at);
}
/* Frees the recorded places. */
void columns_free(struct columns *c);
/* Calls `take` with each cell under the recorded headers, and under the header of a table that began
 * before the text. The same for each literal of an SQL INSERT, for each cell of a table of HTML, and
 * for each item of a list below a key. If `take` returns false, the search stops.
 * `keys` returns which of n names are keys, a bit for each. For the table
 * that began before the text, the result is kept for the rule set `of`. */
typedef bool columns_take(void *arg, struct span name, size_t start, size_t end);
typedef uint64_t columns_keys(void *arg, const struct span *name, unsigned n);
void columns_cells(
	struct columns *c, columns_take *take, columns_keys *keys, const void *of, void *arg);

#endif
