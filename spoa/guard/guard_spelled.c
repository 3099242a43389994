/* A call's arguments are the text of a JSON document. What its escapes spell is scanned, since
 * that is what the tool gets: a name after \n, or one with \u00e9 in it, and no value that
 * begins with the n of an escape. What goes is as it was written (RFC 8259 7). */
#include "base/ascii.h"
#include "guard/guard_private.h"

enum { U_ESCAPE = 6 }; /* bytes of \u00e9 */

/* The four digits of \u00e9 at `in`; -1: none. */
static int32_t
code_unit(struct span in)
{
	int32_t value = 0;

	if (in.n < U_ESCAPE || in.p[0] != '\\' || in.p[1] != 'u')
		return -1;
	for (size_t i = 2; i < U_ESCAPE; i++) {
		int digit = hex_value(in.p[i]);
		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static bool
is_half(int32_t unit, int32_t first)
{
	return unit >= first && unit < first + 0x400;
}

/* May become code_unit(), if more comes. */
static bool
may_be_unit(struct span in)
{
	if (in.n >= U_ESCAPE || (in.n > 0 && in.p[0] != '\\') || (in.n > 1 && in.p[1] != 'u'))
		return false;
	for (size_t i = 2; i < in.n; i++)
		if (hex_value(in.p[i]) < 0)
			return false;
	return true;
}

/* unit = byte | "\" one of the letters below | "\u" 4 hexdigits, of pairs two
 * Its raw bytes, and in out[*n] what it spells: 4 at most. 0: more is needed. */
static size_t
next_unit(struct span in, bool final, char out[4], size_t *n)
{
	static const char letters[] = "\"\\/bfnrt", spell[] = "\"\\/\b\f\n\r\t";
	int32_t unit = code_unit(in), second;

	*n = 1;
	out[0] = in.p[0];
	if (in.p[0] != '\\')
		return 1;
	if (unit < 0) {
		if (!final && may_be_unit(in))
			return 0;
		const char *at =
			in.n > 1 ? memchr(letters, in.p[1], sizeof(letters) - 1) : NULL;
		out[0] = at ? spell[at - letters] : in.p[0];
		return at ? 2 : 1;
	}
	struct span rest = span_cut(in, U_ESCAPE, in.n);
	if (is_half(unit, 0xD800)) {
		if (!final && may_be_unit(rest))
			return 0;
		second = code_unit(rest);
		if (is_half(second, 0xDC00)) {
			*n = utf8_encode(0x10000u + ((uint32_t)(unit - 0xD800) << 10) +
						 (uint32_t)(second - 0xDC00),
				out);
			return (size_t)2 * U_ESCAPE;
		}
	}
	if (is_half(unit, 0xD800) || is_half(unit, 0xDC00))
		unit = 0xFFFD;
	*n = utf8_encode((uint32_t)unit, out);
	return U_ESCAPE;
}

void
spelled_feed(struct spelled *s, struct span raw, bool final, struct buf *out)
{
	char said[4];
	size_t n, len;

	buf_span(&s->raw, raw);
	struct span all = buf_view(&s->raw);
	while (s->read < all.n &&
		(len = next_unit(span_cut(all, s->read, all.n), final, said, &n)) > 0) {
		buf_put(out, said, n);
		s->read += len;
	}
}

struct span
spelled_next(struct spelled *s, size_t bytes)
{
	struct span all = span_cut(buf_view(&s->raw), 0, s->read);
	size_t at = 0, n;
	char said[4];

	while (s->ahead < bytes && at < all.n) {
		at += next_unit(span_cut(all, at, all.n), true, said, &n);
		s->ahead += n;
	}
	s->ahead -= bytes < s->ahead ? bytes : s->ahead;
	return span_cut(all, 0, at);
}

void
spelled_drop(struct spelled *s, size_t raw_bytes)
{
	buf_consume(&s->raw, raw_bytes);
	s->read -= raw_bytes;
}

/* ---- arguments as a whole ---- */

static bool
is_spelled(const struct answer_text *t)
{
	return t->kind == KIND_ARGUMENTS && !t->deep && memchr(t->text.p, '\\', t->text.n);
}

struct span
guard_spelled(struct guard *g, const struct answer_text *t, struct span text)
{
	struct spelled s = { .read = 0 };
	struct buf said;

	if (!text.n || !is_spelled(t))
		return text;
	buf_init(&s.raw, 0);
	buf_init(&said, 0);
	spelled_feed(&s, text, true, &said);
	struct span all = { NULL, 0 };
	if (!buf_failed(&s.raw) && !buf_failed(&said))
		all = arena_dup(&g->work, buf_view(&said));
	buf_free(&s.raw);
	buf_free(&said);
	if (!all.p)
		guard_no_memory(g);
	return all;
}

void
guard_unspell(const struct answer_text *t, struct findings *found)
{
	size_t raw = 0, said = 0, n;
	char unit[4];

	if (!found->n || !is_spelled(t))
		return;
	for (size_t i = 0; i < 2 * found->n; i++) {
		struct finding *f = &found->v[i / 2];
		size_t *at = i % 2 ? &f->end : &f->start;
		while (said < *at && raw < t->text.n) {
			raw += next_unit(span_cut(t->text, raw, t->text.n), true, unit, &n);
			said += n;
		}
		*at = raw;
	}
}
