/* Percent encoding and forms: RFC 3986 section 2, WHATWG URL section 5. */
#include "base/codec/uri.h"

#include "base/ascii.h"
#include "base/codec/utf8.h"
#include "base/err.h"

bool
uri_unreserved(char c)
{
	return is_alnum(c) || is_one_of(c, "-._~");
}

int
uri_escape_at(const char *p, const char *end)
{
	if (end - p < 3 || p[0] != '%')
		return -1;
	int high = hex_value(p[1]), low = hex_value(p[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

struct span
uri_unescape(struct span s, struct arena *a)
{
	char *out = arena_alloc(a, s.n);
	size_t n = 0;

	for (size_t i = 0; out && i < s.n; n++) {
		int c = uri_escape_at(s.p + i, s.p + s.n);
		out[n] = c < 0 ? s.p[i] : (char)c;
		i += c < 0 ? 1 : 3;
	}
	return span_of(out, n);
}

int
uri_decode(struct span in, bool plus, struct arena *a, struct span *out)
{
	bool copy = span_chr(in, '%') != in.n || (plus && span_chr(in, '+') != in.n);

	*out = in;
	if (copy) {
		char *to = arena_alloc(a, in.n);
		const char *end = in.p + in.n;
		size_t n = 0;
		if (!to)
			return ERR_NOMEM;
		for (const char *p = in.p; p < end; p++) {
			char c = *p;
			if (c == '+' && plus) {
				c = ' ';
			} else if (c == '%') {
				int byte = uri_escape_at(p, end);
				if (byte < 0)
					return ERR_SYNTAX;
				c = (char)byte;
				p += 2;
			}
			to[n++] = c;
		}
		*out = span_of(to, n);
	}
	return utf8_valid(*out) ? 0 : ERR_ENCODING;
}

void
uri_encode(struct buf *out, struct span in, bool plus)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];
		if (uri_unreserved((char)c)) {
			buf_putc(out, (char)c);
		} else if (c == ' ' && plus) {
			buf_putc(out, '+');
		} else {
			char esc[3] = { '%', digits[c >> 4], digits[c & 15] };
			buf_put(out, esc, 3);
		}
	}
}

bool
uri_pair_next(struct span *rest, struct uri_pair *pair)
{
	while (rest->n) {
		struct span one = span_next(rest, '&');
		if (!one.n)
			continue;
		size_t eq = span_chr(one, '=');
		pair->has_value = eq < one.n;
		pair->name = span_cut(one, 0, eq);
		pair->value = span_cut(one, eq + 1, one.n);
		return true;
	}
	return false;
}
