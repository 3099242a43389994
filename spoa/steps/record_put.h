/* Writing the members of a record, each with its comma, texts cut at a length: for
 * steps/record.c alone. */
#ifndef STEPS_RECORD_PUT_H
#define STEPS_RECORD_PUT_H

#include <inttypes.h>

#include "base/buf.h"

enum { VALUE_MAX = 1024 }; /* bytes of a text */

/* Names of members are ours: nothing in them needs escaping. */
static inline void
key(struct buf *b, const char *name)
{
	size_t n = strlen(name);
	bool first = !b->n || buf_view(b).p[b->n - 1] == '{';
	char *to = buf_reserve(b, n + 4);

	if (!to)
		return;
	if (!first)
		*to++ = ',';
	*to++ = '"';
	memcpy(to, name, n);
	to[n] = '"';
	to[n + 1] = ':';
	buf_commit(b, n + 3 + !first);
}

/* As much of it as takes at most `max` bytes of a JSON string. */
static inline struct span
cut_escaped(struct span s, size_t max)
{
	size_t n = 0, i = 0;

	for (; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		n += c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t' ? 2
		     : c < 0x20							  ? 6
										  : 1;
		if (n > max)
			break;
	}
	while (i && i < s.n && ((unsigned char)s.p[i] & 0xc0) == 0x80)
		i--;
	return span_cut(s, 0, i);
}

/* UTF-8 cut at a character. */
static inline struct span
cut(struct span s, size_t max)
{
	if (s.n <= max)
		return s;
	while (max && ((unsigned char)s.p[max] & 0xc0) == 0x80)
		max--;
	return span_cut(s, 0, max);
}

/* Header values may hold any byte; records are UTF-8. */
static inline void
put_str(struct buf *b, const char *name, struct span s)
{
	char clean[VALUE_MAX];

	if (s.n == 0)
		return;
	s = cut(s, VALUE_MAX);
	for (size_t i = 0; i < s.n; i++)
		clean[i] = (signed char)s.p[i] < 0 ? '?' : s.p[i];
	key(b, name);
	buf_json_str(b, span_of(clean, s.n));
}

/* Text known to be UTF-8 (claims, model names). */
static inline void
put_utf8(struct buf *b, const char *name, struct span s)
{
	if (s.n == 0)
		return;
	key(b, name);
	buf_json_str(b, cut(s, VALUE_MAX));
}

static inline void
put_int(struct buf *b, const char *name, int64_t v)
{
	key(b, name);
	buf_int(b, v);
}

static inline void
put_flag(struct buf *b, const char *name, bool v)
{
	if (!v)
		return;
	key(b, name);
	buf_str(b, "true");
}

#endif
