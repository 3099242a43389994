/* The rows of tables in a text, for the files that read columns: lines, runs of adjacent rows,
 * and headers. Offsets are those of struct columns' text. */
#ifndef SCAN_DETECT_CONTEXT_ROWS_H
#define SCAN_DETECT_CONTEXT_ROWS_H

#include "scan/detect/context/columns.h"

/* Offsets of headers that are not in the text: CARRIED + k is head[k] of the table that began
 * before the text, and ABOVE is in above[]. */
enum { CARRIED = -8, ABOVE = -2 };

static inline bool
is_before_text(size_t header)
{
	return header >= (size_t)CARRIED && header != SIZE_MAX;
}

/* Returns the byte that ends the lines of a text: a line feed, or a carriage return if the text
 * has no line feed. `was`: the result for an earlier part. Returns 0 as long as no line has
 * ended. */
char rows_line_mark(struct span t, char was);
/* Returns the byte that ends the lines of c's text. */
char rows_mark(struct columns *c);
bool rows_line_start(struct span t, size_t i, char mark);
/* Returns the offset of the first byte of the line around `at`, or an offset within it if the
 * line is too long. `mark`: the byte that ends a line. */
size_t rows_line_begin(struct span t, size_t at, char mark);

/* Returns the line [from, to) of the text. The first line is returned from its beginning, which
 * may be before the text. Returns an empty span if the line is longer than a row may be. */
struct span rows_line(struct columns *c, size_t from, size_t to);
/* Returns the offset of the end of the row that begins at `from`, or SIZE_MAX if it is too
 * long. */
size_t rows_end(struct columns *c, size_t from);
/* Returns the offset of the first byte of the row around `at`, or an offset within it if it is
 * too long. */
size_t rows_start(struct columns *c, size_t at);
/* Returns the row of several lines that begins at or before `at` and ends at or after it, or
 * NULL. */
const struct column_row *rows_of_lines(struct columns *c, size_t at);

/* Returns the number of bytes of the line at `from` that are before the text. */
static inline size_t
rows_lead(const struct columns *c, size_t from)
{
	return from == 0 ? c->lead : 0;
}

/* Returns true if the line that ends at `end` may continue in the next part of the text. */
static inline bool
rows_goes_on(const struct columns *c, size_t end)
{
	return c->table && c->table->more && end == c->text.n;
}

/* Returns the separators of the line at `from`. The result is valid until the next call for
 * another line. */
const struct fields_parts *rows_parts(struct columns *c, size_t from, struct span line);
/* Returns the header of the frame that began before the text, or SIZE_MAX. */
size_t rows_carried(const struct columns *c, unsigned frame);
/* Extends the run of the frame to the line [line, end), and upwards to its first line. */
struct column_run *rows_run_to(struct columns *c, unsigned frame, size_t line, size_t end);
/* Returns the header of the row [from, end) in a frame, or SIZE_MAX: it is above the row, or
 * the row itself. */
size_t rows_header(
	struct columns *c, unsigned frame, size_t from, size_t end, struct span line);
/* The same for a line that may be a header: returns the line itself if it is one. */
size_t rows_own_header(
	struct columns *c, unsigned frame, size_t from, size_t end, struct span line);
/* Returns the line of a header, and in FRAME_RULED also the ruler below it. */
struct span rows_header_line(struct columns *c, unsigned frame, size_t header);
/* Returns true if the text may have a ruler of columns. */
bool rows_may_be_ruled(struct columns *c);

/* Splits the header into name[]. */
void rows_split_header(struct columns *c, size_t header, unsigned frame);
/* Forgets the names of columns, which may be views of a text that is gone. */
void rows_forget_header(struct columns *c);

#endif
