/* Tables whose cells are marked: HTML and BBCode, MediaWiki, AsciiDoc, lists of RST, and SQL's
 * INSERT. One reader takes a text byte by byte. Its state is all that is kept between
 * the parts of a text, so a text has the same cells whole, in pieces and in a stream, wherever
 * it is cut.
 *
 * The names of the columns are the first row whose cells read like names, or SQL's list of
 * names. A later row of names in <th> replaces them. marked.c has a table of the frames. */
#ifndef SCAN_DETECT_CONTEXT_MARKED_H
#define SCAN_DETECT_CONTEXT_MARKED_H

#include "base/span.h"

enum {
	MARKED_NAMES = 768, /* bytes of a table's names; a table with longer ones is not read */
	MARKED_TOKEN = 24,  /* bytes of a mark */
};

/* The state between two bytes. All zero: at the beginning of a text. owner: the scanner. */
struct marked_table {
	uint8_t frame;		/* number of the frame, from 1 on; 0: outside a table */
	uint8_t in, after;	/* enum marked_place; `after`: behind the tag */
	uint8_t next;		/* after the cell that ended: enum marked_follow */
	bool open;		/* tags: a row has begun; else the tag may be any other */
	bool line;		/* the mark that may open a table begins its line */
	bool token_done;	/* the tag's name has ended */
	bool inside_line;	/* bytes other than spaces precede in the line */
	bool collect;		/* the row's cells may be the names */
	bool all_heads;		/* all cells of the row are marked as names */
	bool seen, equals;	/* the cell's text has a byte that is no space; a '=' */
	bool closed;		/* the cell has ended */
	bool renamed;		/* the names are new; the caller clears it */
	bool passed;		/* bytes of the cell were in an earlier part */
	char last;		/* the byte before */
	uint8_t token_n, depth; /* bytes in `token`; open parentheses */
	char token[MARKED_TOKEN];
	uint16_t walked;	  /* SQL: bytes since INTO, or since the names */
	uint16_t line_field;	  /* cells of the row before the line */
	uint16_t field, fields;	  /* cells of the row, and names; 0 fields: no names yet */
	uint16_t names_n, row_n;  /* bytes of the names, and of the row's after them */
	uint16_t cell_at;	  /* of the row's: the cell's first */
	uint64_t keys;		  /* names that are keys of a rule */
	const void *keys_of;	  /* the rule set that `keys` is of; NULL: not known yet */
	char names[MARKED_NAMES]; /* each with a line feed after it */
};

/* A cell below a name. `start`: the first byte, or of this part of the text. The cell may have
 * quotes and spaces around it. */
struct marked_cell {
	unsigned field;
	size_t start, end;
	bool begun; /* the cell began before the text */
};

/* Finds the next cell below a name, from *at on, which moves behind it. The text's last cell
 * may continue. Returns false at the text's end. */
bool marked_next(struct marked_table *s, struct span t, size_t *at, struct marked_cell *out);
/* Returns true if the text, whose earlier parts `s` has passed, ends in a table or may do so.
 * `lines`: the text has line ends. */
bool marked_ends_inside(const struct marked_table *s, struct span text, bool lines);
/* Fills name[] with the names, at most `most`. They borrow from `s`. Returns their number. */
unsigned marked_names(const struct marked_table *s, struct span *name, unsigned most);

#endif
