/* Writes a value as JSON: bytes in base64, timestamps and durations as their text, NaN and
 * infinities as strings, keys of maps always as strings. */
#include <math.h>

#include "base/codec/base64.h"

#include "policy/cel/value.h"

#define JSON_DEPTH 600

/* Writes numbers, null and booleans as they are, other scalars in quotes. */
static void
write_scalar(struct buf *out, const struct cel_value *v)
{
	char text[CEL_TEXT];
	size_t n = cel_write(v, text);
	bool quoted = v->type > CEL_DOUBLE || (v->type == CEL_DOUBLE && !isfinite(v->d));

	if (quoted)
		buf_putc(out, '"');
	buf_put(out, text, n);
	if (v->type == CEL_DOUBLE && !quoted && !memchr(text, '.', n) && !memchr(text, 'e', n))
		buf_str(out, ".0");
	if (quoted)
		buf_putc(out, '"');
}

static void write_value(struct buf *out, const struct cel_value *v, unsigned depth);

/* Writes the elements of a list, or the pairs of a map. */
static void
write_items(struct buf *out, const struct cel_value *v, unsigned depth)
{
	bool map = v->type == CEL_MAP;

	buf_putc(out, map ? '{' : '[');
	for (size_t i = 0; i < v->list.n; i++) {
		if (i)
			buf_putc(out, ',');
		if (map) {
			const struct cel_value *key = &v->list.v[2 * i];
			const char *quote = key->type == CEL_STRING ? "" : "\"";
			buf_str(out, quote);
			write_value(out, key, depth + 1);
			buf_str(out, quote);
			buf_putc(out, ':');
		}
		write_value(out, &v->list.v[map ? 2 * i + 1 : i], depth + 1);
	}
	buf_putc(out, map ? '}' : ']');
}

static void
write_value(struct buf *out, const struct cel_value *v, unsigned depth)
{
	if (depth > JSON_DEPTH || out->failed) {
		out->failed = true;
		return;
	}
	switch (v->type) {
	case CEL_STRING:
	case CEL_TYPE:
	case CEL_ERROR: buf_json_str(out, v->s); break;
	case CEL_BYTES:
		buf_putc(out, '"');
		base64_put(out, v->s.p, v->s.n);
		buf_putc(out, '"');
		break;
	case CEL_LIST:
	case CEL_MAP: write_items(out, v, depth); break;
	case CEL_DYN: buf_str(out, "null"); break;
	default: write_scalar(out, v); break;
	}
}

void
cel_json(const struct cel_value *v, struct buf *out)
{
	write_value(out, v, 0);
}
