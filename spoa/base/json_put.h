/* JSON written into a buffer, the comma with it: each function writes one first where what is
 * there ends with a value (RFC 8259). So no caller counts members, and what is left out leaves
 * nothing.
 *
 * `name` is ours (nothing in it needs escaping), or NULL: an element of an array, or the
 * document. */
#ifndef BASE_JSON_PUT_H
#define BASE_JSON_PUT_H

#include "base/buf.h"

/* '{' or '[' after its name; the caller closes it. */
void json_put_open(struct buf *b, const char *name, char bracket);
/* '}' or ']'. */
void json_put_close(struct buf *b, char bracket);
/* The name alone: the value is the caller's to write. */
void json_put_name(struct buf *b, const char *name);
/* A name of outside, escaped. */
void json_put_member(struct buf *b, struct span name);
void json_put_text(struct buf *b, const char *name, struct span value);
void json_put_str(struct buf *b, const char *name, const char *value);
/* null where there is no text (NULL). */
void json_put_opt(struct buf *b, const char *name, const char *value);
void json_put_int(struct buf *b, const char *name, int64_t value);
void json_put_uint(struct buf *b, const char *name, uint64_t value);
void json_put_bool(struct buf *b, const char *name, bool value);
/* A wall time, as clock_rfc3339() writes it; null where there is none (0). */
void json_put_time(struct buf *b, const char *name, int64_t wall_ns);
void json_put_null(struct buf *b, const char *name);
/* A value that is JSON already. */
void json_put_raw(struct buf *b, const char *name, struct span json);
/* A value as printf writes it: a number with its digits, a text in \"…\" that needs no
 * escaping. */
__attribute__((format(printf, 3, 4))) void json_put_printf(
	struct buf *b, const char *name, const char *fmt, ...);

/* A piece of a document that shows its shape, ' for its quotes: "{'type':'text','text':%w". A
 * place takes the next argument: %t a struct span, as a string; %w one that is the inside of a
 * string already; %j one that is JSON; %s a const char * of ours; %u a uint64_t. */
void json_put_form(struct buf *b, const char *form, ...);
void json_put_vform(struct buf *b, const char *form, va_list args);

#endif
