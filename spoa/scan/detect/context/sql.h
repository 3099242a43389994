/* The statements of SQL that name the columns of the values behind them: COPY as PostgreSQL's
 * dumps have it, and INSERT. Any thread. */
#ifndef SCAN_DETECT_CONTEXT_SQL_H
#define SCAN_DETECT_CONTEXT_SQL_H

#include "base/span.h"

/* True for "COPY t (a, b) FROM stdin;" if *cut is a tab, which parts the rows below it
 * (PostgreSQL, COPY, text format). *line and *cut become those of the list of names. */
bool sql_copy(struct span *line, char *cut);

/* True for "INSERT INTO t (a, b) VALUES". *line becomes the list of names, parted by commas,
 * and *values the offset in the line behind the last word. */
bool sql_insert(struct span *line, size_t *values);

/* Returns where the literal that begins at `at` ends: behind a string's closing quote, else at
 * a comma, a parenthesis or the line's end. t.n if it does not end within `most` bytes. */
size_t sql_literal_end(struct span t, size_t at, size_t most);

/* Returns the offset of the first byte from `at` on that is no blank and no line's end. */
size_t sql_past_blanks(struct span t, size_t at);

#endif
