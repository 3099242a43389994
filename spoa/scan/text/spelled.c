/* Resolves JSON escapes one unit at a time, so that the caller knows which raw bytes spelled
 * which text. base/codec/json.c is separate: it refuses text that is not JSON and needs the
 * whole document. */
#include "scan/text/spelled.h"

#include "base/ascii.h"
#include "base/utf8.h"
#include "base/scoped.h"

enum { U_ESCAPE = 6 }; /* bytes of \u00e9 */

/* Returns the code unit of \u00e9 at the beginning of `in`, or -1. */
static int32_t
code_unit(struct span in)
{
	return span_starts(in, SPAN_LIT("\\u")) ? span_hex(in, 2, U_ESCAPE - 2) : -1;
}

static bool
is_half(int32_t unit, int32_t first)
{
	return unit >= first && unit < first + 0x400;
}

/* Returns true if `in` may become a \u escape after more input. */
static bool
may_be_unit(struct span in)
{
	return in.n < U_ESCAPE && span_starts(SPAN_LIT("\\u"), span_cut(in, 0, 2)) &&
	       span_past(in, 2, is_hex) >= in.n;
}

size_t
spelled_unit(struct span in, bool final, char out[SPELLED_MOST], size_t *n)
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

/* Reads units of the level below, byte by byte, until their bytes form a unit of this level.
 * Example at level 2: the raw bytes \\n are the unit \n one level below, which spells a line
 * feed. */
size_t
spelled_deep(struct span in, unsigned level, char out[SPELLED_MOST], size_t *n)
{
	char less[2 * U_ESCAPE], unit[SPELLED_MOST];
	size_t ends[2 * U_ESCAPE], m = 0, at = 0, len = 0;

	if (level <= 1 || in.p[0] != '\\') {
		*n = 1;
		out[0] = in.p[0];
		return level ? spelled_unit(in, true, out, n) : 1;
	}
	while (!len) {
		size_t raw = spelled_deep(span_cut(in, at, in.n), level - 1, unit, n);
		if (m == 0 && (*n > 1 || unit[0] != '\\')) {
			memcpy(out, unit, *n);
			return raw;
		}
		bool last = *n > 1 || at + raw == in.n || m + 1 == sizeof(less);
		if (*n == 1) {
			less[m] = unit[0];
			ends[m++] = at += raw;
		}
		len = spelled_unit(span_of(less, m), last, out, n);
	}
	return ends[len - 1];
}

void
spelled_json(struct buf *b, unsigned levels)
{
	for (; levels; levels--) {
		SCOPED_BUF(deeper, 0);
		buf_json(&deeper, buf_view(b));
		deeper.failed |= b->failed;
		buf_clear(b);
		buf_move(b, &deeper);
	}
}

void
spelled_feed(struct spelled *s, struct span raw, bool final, struct buf *out)
{
	char said[SPELLED_MOST];
	size_t n, len;

	buf_span(&s->raw, raw);
	struct span all = buf_view(&s->raw);
	while (s->read < all.n &&
		(len = spelled_unit(span_cut(all, s->read, all.n), final, said, &n)) > 0) {
		buf_put(out, said, n);
		s->read += len;
	}
}

struct span
spelled_next(struct spelled *s, size_t bytes)
{
	struct span all = span_cut(buf_view(&s->raw), 0, s->read);
	size_t at = 0, n;
	char said[SPELLED_MOST];

	while (s->ahead < bytes && at < all.n) {
		at += spelled_unit(span_cut(all, at, all.n), true, said, &n);
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
