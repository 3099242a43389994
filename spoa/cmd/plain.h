/* Text of others on a terminal: names of people and models come from callers, and an escape
 * sequence in one would be obeyed. */
#ifndef CMD_PLAIN_H
#define CMD_PLAIN_H

#include <stdio.h>

#include "base/buf.h"

/* Appends at most `columns` columns of s: ASCII and letters as they are, a '?' for each
 * control, for what nobody sees and for what is no UTF-8. How many columns it took. */
size_t plain_put(struct buf *out, struct span s, size_t columns);
/* All of s as one word: its blanks are underscores, so that columns stay columns; nothing: "-".
 */
void plain_word(struct buf *out, struct span s);
/* A JSON text in which what plain_put() does not show is escaped: the same value. */
void plain_json(struct buf *out, struct span s);
/* A JSON text without blanks, for people: a member a line, broken where its strings break,
 * ASCII. Whatever it holds is shown: numbers as they are written, NUL, what no library reads.
 */
void plain_tree(struct buf *out, struct span s);
/* Lines as plain_put() shows them, each ended by a newline. */
void plain_lines(struct buf *out, struct span s);
/* The same, printed; a JSON text as plain_json() shows it, as a line. */
void plain_print(FILE *to, struct span lines);
void plain_print_json(struct span s);

#endif
