/* Tables in a text: finds the header that a value is under. A row is a line that is divided by
 * the separator of a frame or at the places of columns (fields.h has the frames). A row has
 * several lines if a cell in quotes contains line ends. The lines above a row, up to the first
 * line that is no row, belong to the table. The header is the first of these lines that has as
 * many fields, if the line reads like names. Rulers belong to any table. Tables whose cells are
 * marked, as in HTML and SQL, are read by marked.h.
 *
 * One reader serves a whole text and its parts: it reads from a line upwards to the first line
 * of the table, or to the text's first line, which may be in a table that began before. For a
 * later part, the headers that this reader finds at the end of the part are kept. Results are
 * cached, so the work is linear as long as places are asked for in ascending order. */
#ifndef SCAN_DETECT_CONTEXT_COLUMNS_H
#define SCAN_DETECT_CONTEXT_COLUMNS_H

#include "base/span.h"
#include "scan/detect/context/fields.h"
#include "scan/detect/context/marked.h"

enum {
	COLUMN_HEAD = 1024, /* bytes of a header that is kept for a later part of the text */
	COLUMN_HEADS = 3,   /* headers that are kept: a line may be one in several frames */
	COLUMN_KEPT = 1280, /* bytes of all of them */
	COLUMN_WIDTHS = 4,  /* numbers of fields for which a run's header is known */
};

/* The table that the parts of a text have in common. A text may be scanned in parts: windows of
 * a long request, or pieces of a stream. The header of a table may be in one part and its rows
 * in later parts. This struct holds the state at the first byte of the next part. A header
 * longer than COLUMN_HEAD is not kept. All zero: no text was passed yet. owner: the scanner of
 * the parts. */
struct column_table {
	struct column_head {
		unsigned frame, fields; /* 0 fields: a line above a ruler that may follow */
		/* bytes in kept[]: the line, and in FRAME_RULED the ruler after it; n 0: none
		 */
		uint16_t from, n;
		uint64_t keys;	     /* columns whose name is a key of a rule, a bit for each */
		const void *keys_of; /* the rule set that `keys` is of; NULL: not known yet */
	} head[COLUMN_HEADS];
	char kept[COLUMN_KEPT];
	char line[COLUMN_LINE]; /* the line in which the next part begins, up to that part */
	size_t line_n; /* bytes of that line before the next part; may be more than fit */
	char mark;     /* the byte that ends a line; 0: not known yet */
	bool record;   /* the line before is in a record, as of psql's expanded print */
	bool more;     /* the next part is not the last: its last line may continue */
	/* the items below a name: found if the name is in a part of at least COLUMN_LINE bytes
	 */
	struct column_items {
		char name[COLUMN_NAME];
		size_t n; /* 0: none */
	} items;
	struct marked_table marked;
};

/* Moves the table past `text`, which ends where the next part begins. */
void columns_pass(struct column_table *t, struct span text);

struct columns {
	struct span text;
	/* the table that the earlier parts of the text are in; NULL: the text is complete */
	struct column_table *table;
	bool inside;	 /* the text begins inside a line whose beginning is not known */
	size_t lead;	 /* bytes of the first line that are before the text, in joined[] */
	size_t joined_n; /* bytes in joined[]; 0: not filled yet */
	char joined[COLUMN_LINE]; /* the first line from its beginning, if lead > 0 */
	char mark;		  /* the byte that ends a line; 0: not known yet */
	enum { RULED_UNKNOWN, RULED_NO, RULED_YES } ruled; /* the text has a ruler of columns */
	size_t above_n;					   /* bytes in above[] */
	char above[COLUMN_HEAD]; /* a line and a ruler that are not both in the text */
	struct column_rows {
		bool known; /* they were searched for */
		size_t n, room;
		struct column_row {
			size_t from, to;
		} * v; /* rows of several lines, in their order; `to` is the last line's end */
	} rows;
	bool known; /* the members below describe the line [line, line_end) */
	size_t line, line_end;
	size_t parts_of; /* offset of the line that `parts` describes, plus 1 */
	struct fields_parts parts;
	bool row;		/* the line has a header */
	unsigned frame;		/* if the line is a row */
	size_t header;		/* offset of the header's line */
	unsigned index;		/* 1: the first field of the row has no name; else 0 */
	unsigned fields, field; /* the row's fields, and the one that was asked for last */
	struct field_place place[COLUMN_FIELDS];
	size_t split; /* offset of the header whose fields are in name[], plus 1 */
	unsigned split_cut, names;
	struct span name[COLUMN_FIELDS];
	struct column_run {
		size_t from, to; /* adjacent rows that were examined */
		size_t last;	 /* FRAME_RULED: the last of them */
		unsigned widths;
		struct {
			size_t line;
			unsigned fields;
			bool names;
		} width[COLUMN_WIDTHS];
	} run[COLUMN_FRAMES];
	struct column_keys {
		size_t n, room, *v;
	} heads,		       /* keys of rules in lines that may be headers */
		items,		       /* keys of rules above a list of values */
		pairs;		       /* lines "name | value" whose name is a key of a rule */
	size_t items_end;	       /* the end of the last of these lists */
	size_t record_from, record_to; /* lines that were examined last; record_to 0: none */
	bool record;		       /* these lines are a record */
	bool lost;		       /* there was no memory for a place */
	size_t judged;	  /* end of the line that columns_judge_head() examined last */
	bool judged_head; /* the line that ends at `judged` may be a header */
	bool lists;	  /* a key may be in a table of JSON */
	bool marked;	  /* a key may be in a table whose cells are marked */
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
/* Returns true if the text, whose earlier parts `t` has passed, ends in a table or may do so.
 * Then c describes the text. */
bool columns_ends_inside(struct columns *c, struct span text, struct column_table *t);
/* Returns true if `at` is in a row below a header. The header's names are then in name[]. */
bool columns_row(struct columns *c, size_t at);
/* Returns true if `at` is in a row below a header, and the place `head` is in the header's
 * line. */
bool columns_below(struct columns *c, size_t at, size_t head);
/* The same as columns_row(), with the column in *out. Returns false if the column has no name.
 */
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
/* Records a key of the rules that begins at `at`, if its line may be a header. Notes if the key
 * may be in a table of JSON or in one whose cells are marked, or if a list of values follows
 * it. */
static inline void
columns_head(struct columns *c, size_t at)
{
	if (at >= c->judged || c->judged_head)
		columns_judge_head(c, at);
	if (!c->lists || !c->marked)
		columns_judge_list(c, at);
	if (at >= c->items_end && !(at < c->judged && c->judged_head))
		columns_judge_items(c, at);
}
/* Frees the recorded places. */
void columns_free(struct columns *c);
/* Calls `take` with each cell under the recorded headers, and under the header of a table that
 * began before the text. The same for each literal of an SQL INSERT, for each cell of a table
 * of HTML, and for each item of a list below a key. If `take` returns false, the search stops.
 * `keys` returns which of n names are keys, a bit for each. For the table
 * that began before the text, the result is kept for the rule set `of`. */
typedef bool columns_take(void *arg, struct span name, size_t start, size_t end);
typedef uint64_t columns_keys(void *arg, const struct span *name, unsigned n);
void columns_cells(
	struct columns *c, columns_take *take, columns_keys *keys, const void *of, void *arg);

#endif
