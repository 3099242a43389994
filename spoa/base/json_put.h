/* Writes JSON into a buffer (RFC 8259). Use these functions for all JSON that the program makes.
 * They write the commas, and they escape strings from outside. A caller does not count members,
 * and an omitted member leaves nothing behind.
 *
 * A comma is written if the buffer ends with a value: a quote, a closing bracket, a letter or a
 * digit. A buffer may therefore begin with a part of an object, and documents may follow each
 * other on lines of their own.
 *
 * `name` is a constant of the program and is not escaped. If it is NULL, the value is an element
 * of an array, or the document.
 *
 * Use other means for these (prose: ok long):
 * - bytes that other code compares or searches, such as the head of a record
 * (record/journal/chain.c), which is written and read by one table of literals;
 * - an edit of a document from outside (scan/text/splice.c), because the rest keeps its bytes;
 * - a constant document, such as a schema, which is one literal;
 * - a line of the log (base/log.c), because one loop writes JSON or key=value pairs. */
#ifndef BASE_JSON_PUT_H
#define BASE_JSON_PUT_H

#include "base/buf.h"

/* Writes the name and '{' or '['. The caller closes it. */
void json_put_open(struct buf *b, const char *name, char bracket);
/* Writes '}' or ']'. */
void json_put_close(struct buf *b, char bracket);
/* Writes the name only. The caller writes the value. */
void json_put_name(struct buf *b, const char *name);
/* Writes a name that comes from outside, escaped. The caller writes the value. */
void json_put_member(struct buf *b, struct span name);
/* Writes a string, escaped. */
void json_put_text(struct buf *b, const char *name, struct span value);
void json_put_str(struct buf *b, const char *name, const char *value);
/* Writes a string, or null if `value` is NULL. */
void json_put_opt(struct buf *b, const char *name, const char *value);
void json_put_int(struct buf *b, const char *name, int64_t value);
void json_put_uint(struct buf *b, const char *name, uint64_t value);
void json_put_bool(struct buf *b, const char *name, bool value);
/* Writes a wall time in the form of clock_rfc3339(), or null if it is 0. */
void json_put_time(struct buf *b, const char *name, int64_t wall_ns);
void json_put_null(struct buf *b, const char *name);
/* Writes a value that is JSON already. */
void json_put_raw(struct buf *b, const char *name, struct span json);
/* Writes a value that printf formats: a number, or a string in \"…\" that needs no escaping. */
__attribute__((format(printf, 3, 4))) void json_put_printf(
	struct buf *b, const char *name, const char *fmt, ...);

/* Writes a piece of a document that shows its shape, with ' for each quote:
 * "{'type':'text','text':%t". Each of these takes the next argument (prose: ok long):
 *   %t  a struct span, written as a string and escaped
 *   %w  a struct span that is the inside of a string already
 *   %j  a struct span that is JSON
 *   %s  a const char * of the program, written as a string without escaping
 *   %u  a uint64_t
 *
 * The piece may end inside a container or a string. */
void json_put_form(struct buf *b, const char *form, ...);
void json_put_vform(struct buf *b, const char *form, va_list args);

#endif
