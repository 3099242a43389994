/* Generated tables in every frame that programs and people write: CSV with line breaks in
 * quotes, the boxes of databases, the print of pandas, wikis, LaTeX, SQL. Their marked values
 * are findings only because of the names of their columns. */
#ifndef TESTS_SUPPORT_FRAME_DOCS_H
#define TESTS_SUPPORT_FRAME_DOCS_H

#include "base/buf.h"
#include "base/mem.h"

enum { FRAME_ROWS = 512, FRAME_COLUMNS = 6, FRAME_VALUES = FRAME_ROWS * FRAME_COLUMNS };

struct frame_doc {
	struct buf text;
	size_t n; /* marked values */
	struct frame_value {
		size_t start, end;
	} v[FRAME_VALUES];
};

/* A kind of frame. It has these parts of text: `top`; the names of the columns with `head`
 * before, `head_cut` between and `head_end` after them (`head` NULL: no names); `ruler`; for
 * each row `begin`, its cells with `cut` between them, and `end`; `bottom`. A part may contain
 * signs. %N is the list of names, and %L the same on lines of their own. %i is the row's
 * number, and %I the same with the width of two digits. %Rabcd is a ruler that begins with a, is drawn with b, has c between columns and ends
 * with d; %r is the same without spaces around the cells. */
struct frame_kind {
	const char *name;
	const char *top, *head, *head_cut, *head_end, *ruler, *begin, *cut, *end, *bottom;
	unsigned how;
};

extern const struct frame_kind frame_kinds[];
extern const size_t frame_kinds_n;

enum { FRAME_PLACES = 3 };

/* Fills `d` with a table of the kind. `place`: 0 alone, 1 below a sentence, 2 between
 * paragraphs. */
void frame_doc_make(struct frame_doc *d, const struct frame_kind *k, unsigned place,
	size_t rows, uint64_t seed);

#endif
