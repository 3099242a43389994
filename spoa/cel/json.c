/* A value as JSON text: bytes in base64, timestamps and durations as their text,
 * NaN and infinities as strings, keys of maps always as strings. */
#include <math.h>

#include "cel/cel.h"
#include "cel/net.h"
#include "cel/number.h"
#include "cel/time.h"

#define JSON_DEPTH 600

static void
base64(struct buf *out, struct span s)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.n; i += 3) {
		uint32_t v = (uint32_t)(unsigned char)s.p[i] << 16;
		size_t n = s.n - i < 3 ? s.n - i : 3;
		for (size_t j = 1; j < n; j++)
			v |= (uint32_t)(unsigned char)s.p[i + j] << (16 - 8 * j);
		for (size_t j = 0; j < 4; j++)
			buf_putc(out, j <= n ? digits[v >> (18 - 6 * j) & 63] : '=');
	}
}

static void
write_double(struct buf *out, double d)
{
	char text[CEL_DOUBLE_TEXT];
	size_t n = cel_double_write(d, text);

	if (isnan(d) || isinf(d)) {
		buf_json_str(out, span_of(text, n));
		return;
	}
	buf_put(out, text, n);
	if (!memchr(text, '.', n) && !memchr(text, 'e', n))
		buf_str(out, ".0");
}

static void
write_time(struct buf *out, const struct cel_value *v)
{
	char text[CEL_TIME_TEXT];

	buf_put(out, text, cel_time_write(v, text));
}

static void
write_net(struct buf *out, const struct cel_value *v)
{
	char text[CEL_NET_TEXT];

	buf_json_str(out, span_of(text, cel_net_write(v, text)));
}

static void write_value(struct buf *out, const struct cel_value *v, unsigned depth);

static void
write_list(struct buf *out, const struct cel_value *v, unsigned depth)
{
	buf_putc(out, '[');
	for (size_t i = 0; i < v->list.n; i++) {
		if (i)
			buf_putc(out, ',');
		write_value(out, &v->list.v[i], depth + 1);
	}
	buf_putc(out, ']');
}

static void
write_key(struct buf *out, const struct cel_value *k, unsigned depth)
{
	if (k->type == CEL_STRING) {
		buf_json_str(out, k->s);
		return;
	}
	buf_putc(out, '"');
	write_value(out, k, depth);
	buf_putc(out, '"');
}

static void
write_map(struct buf *out, const struct cel_value *v, unsigned depth)
{
	buf_putc(out, '{');
	for (size_t i = 0; i < v->list.n; i++) {
		if (i)
			buf_putc(out, ',');
		write_key(out, &v->list.v[2 * i], depth + 1);
		buf_putc(out, ':');
		write_value(out, &v->list.v[2 * i + 1], depth + 1);
	}
	buf_putc(out, '}');
}

static void
write_value(struct buf *out, const struct cel_value *v, unsigned depth)
{
	if (depth > JSON_DEPTH || out->failed) {
		out->failed = true;
		return;
	}
	switch (v->type) {
	case CEL_BOOL: buf_str(out, v->b ? "true" : "false"); break;
	case CEL_INT: buf_printf(out, "%lld", (long long)v->i); break;
	case CEL_UINT: buf_printf(out, "%llu", (unsigned long long)v->u); break;
	case CEL_DOUBLE: write_double(out, v->d); break;
	case CEL_STRING:
	case CEL_TYPE:
	case CEL_ERROR: buf_json_str(out, v->s); break;
	case CEL_BYTES:
		buf_putc(out, '"');
		base64(out, v->s);
		buf_putc(out, '"');
		break;
	case CEL_TIMESTAMP:
	case CEL_DURATION:
		buf_putc(out, '"');
		write_time(out, v);
		buf_putc(out, '"');
		break;
	case CEL_IP:
	case CEL_CIDR: write_net(out, v); break;
	case CEL_LIST: write_list(out, v, depth); break;
	case CEL_MAP: write_map(out, v, depth); break;
	case CEL_NULL:
	case CEL_DYN: buf_str(out, "null"); break;
	}
}

void
cel_json(const struct cel_value *v, struct buf *out)
{
	write_value(out, v, 0);
}
