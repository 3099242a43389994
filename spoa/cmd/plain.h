/* Prints text that comes from callers on a terminal, without the escape sequences that a
 * terminal would obey. */
#ifndef CMD_PLAIN_H
#define CMD_PLAIN_H

#include <stdio.h>

#include "base/buf.h"

/* Appends at most `columns` columns of s. ASCII and letters are copied. Each control
 * character, invisible character and invalid UTF-8 sequence becomes '?'. Returns the number
 * of columns appended. */
size_t plain_put(struct buf *out, struct span s, size_t columns);
/* Appends all of s as one word: spaces become underscores, so that a table keeps its
 * columns. An empty s becomes "-". */
void plain_word(struct buf *out, struct span s);
/* Appends a JSON text in which every character that plain_put() would not copy is escaped.
 * The value is unchanged. */
void plain_json(struct buf *out, struct span s);
/* Appends a compact JSON text for people: one member a line, broken also where a string
 * contains a newline, all in ASCII. Works on any bytes: numbers stay as they are written,
 * and NUL and invalid JSON are printed too. */
void plain_tree(struct buf *out, struct span s);
/* Appends the lines of s as plain_put() shows them, each ended by a newline. */
void plain_lines(struct buf *out, struct span s);
/* Print lines as plain_lines(), and a JSON text as plain_json() with a newline. */
void plain_print(FILE *to, struct span lines);
void plain_print_json(struct span s);

#endif
