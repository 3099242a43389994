/* Converts between the raw spelling of a JSON string and its text (RFC 8259 section 7): decodes,
 * and maps offsets back. The functions are for strings that json_next() has accepted. With any
 * other bytes they stay inside these bytes and return an arbitrary result. */
#include "base/codec/json.h"

#include "base/ascii.h"
#include "base/codec/utf8.h"
#include "base/err.h"

static uint32_t
unit4(const char *p)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++)
		unit = unit << 4 | ((uint32_t)hex_value(p[i]) & 0xf);
	return unit;
}

struct json_unit
json_unit_at(const char *p, const char *end)
{
	struct json_unit u = { .raw = 1, .decoded = 1, .out = { *p } };

	if (*p != '\\' || end - p < 2)
		return u;
	u.raw = 2;
	switch (p[1]) {
	case 'b': u.out[0] = '\b'; return u;
	case 'f': u.out[0] = '\f'; return u;
	case 'n': u.out[0] = '\n'; return u;
	case 'r': u.out[0] = '\r'; return u;
	case 't': u.out[0] = '\t'; return u;
	case 'u': break;
	default: u.out[0] = p[1]; return u;
	}
	if (end - p < 6) {
		u.raw = (size_t)(end - p);
		return u;
	}
	uint32_t cp = unit4(p + 2);
	u.raw = 6;
	bool high = cp >= 0xd800 && cp < 0xdc00 && end - p >= 12 && !memcmp(p + 6, "\\u", 2);
	uint32_t low = high ? unit4(p + 8) : 0;
	if (low >= 0xdc00 && low < 0xe000) {
		cp = 0x10000 + ((cp & 0x3ff) << 10) + (low & 0x3ff);
		u.raw = 12;
	}
	u.decoded = utf8_encode(cp, u.out);
	return u;
}

struct span
json_text(struct arena *a, struct span in, const struct json_event *ev)
{
	struct span raw = span_cut(in, ev->start, ev->end);

	if (!ev->escaped)
		return raw;
	/* An escape is never shorter than the character that it encodes. */
	char *to = arena_alloc(a, raw.n);
	if (!to)
		return (struct span){ NULL, 0 };
	const char *p = raw.p, *end = raw.p + raw.n;
	size_t n = 0;
	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		size_t plain = (size_t)((slash ? slash : end) - p);
		memcpy(to + n, p, plain);
		n += plain;
		p += plain;
		if (slash) {
			struct json_unit u = json_unit_at(p, end);
			memcpy(to + n, u.out, u.decoded);
			n += u.decoded;
			p += u.raw;
		}
	}
	return span_of(to, n);
}

size_t
json_raw_offset(struct span raw, size_t decoded_offset)
{
	size_t at = 0, left = decoded_offset;

	while (at < raw.n) {
		struct span rest = span_cut(raw, at, raw.n);
		size_t plain = span_chr(span_cut(rest, 0, left), '\\');
		at += plain;
		left -= plain;
		if (at == raw.n || raw.p[at] != '\\')
			break; /* every byte up to the offset was plain */
		struct json_unit u = json_unit_at(raw.p + at, raw.p + raw.n);
		if (u.decoded > left)
			break;
		left -= u.decoded;
		at += u.raw;
	}
	return at;
}

bool
json_member(struct json *j, struct arena *a, struct span in, struct json_member *m,
	struct json_event *ev, int *err)
{
	if (*err || json_next(j, ev) != JSON_KEY) {
		*err = *err ? *err : json_error(j, NULL, NULL);
		return false;
	}
	m->start = ev->start - 1;
	m->key = json_text(a, in, ev);
	*err = m->key.p ? 0 : ERR_NOMEM;
	json_next(j, ev);
	return *err == 0;
}
