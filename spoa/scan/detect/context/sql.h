/* The statements of SQL that name the columns of the values behind them: COPY as PostgreSQL's
 * dumps have it, and INSERT. Any thread. */
#ifndef SCAN_DETECT_CONTEXT_SQL_H
#define SCAN_DETECT_CONTEXT_SQL_H

#include "base/span.h"

/* True for "COPY t (a, b) FROM stdin;" if *cut parts the rows below it: a tab, or a comma for
 * "WITH (FORMAT csv)" (PostgreSQL, COPY). *line and *cut become those of the list of names. */
bool sql_copy(struct span *line, char *cut);

/* Finds the next "INTO t (a, b) … VALUES (" at or behind *at, over several lines too. *names
 * becomes the list of names, parted by commas, and *values the offset of the first tuple. *at
 * moves there, or to the end of `t` if there is none: false. */
bool sql_insert(struct span t, size_t *at, struct span *names, size_t *values);

/* Returns where the literal or expression that begins at `at` ends: at a comma, a closing
 * parenthesis or the line's end. t.n if it does not end within `most` bytes. */
size_t sql_literal_end(struct span t, size_t at, size_t most);

/* Returns the offset of the quote of N'…', E'…' or _utf8'…', or `at`. */
size_t sql_string_begin(struct span t, size_t at);

/* Returns the offset of the first byte from `at` on that is no blank and no line's end. */
size_t sql_past_blanks(struct span t, size_t at);

#endif
