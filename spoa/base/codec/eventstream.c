/* The binary framing of AWS' streams ("Amazon Event Stream" of the Smithy specification). These
 * functions see whole messages; other code splits a stream into messages. */
#include "base/codec/eventstream.h"

#include <zlib.h>

#include "base/err.h"

enum { CRC_BYTES = 4 };

static uint32_t
u32_at(struct span s, size_t at)
{
	const unsigned char *p = (const unsigned char *)s.p + at;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void
put_u32(struct buf *out, uint32_t v)
{
	const unsigned char b[] = { (unsigned char)(v >> 24), (unsigned char)(v >> 16),
		(unsigned char)(v >> 8), (unsigned char)v };

	buf_put(out, b, sizeof(b));
}

uint32_t
eventstream_crc(uint32_t crc, struct span piece)
{
	return (uint32_t)crc32_z(crc, (const unsigned char *)piece.p, piece.n);
}

bool
eventstream_crc_is(uint32_t crc, struct span last_four)
{
	return last_four.n == CRC_BYTES && u32_at(last_four, 0) == crc;
}

int
eventstream_prelude(struct span prelude, size_t *total_bytes)
{
	INVARIANT(prelude.n >= EVENTSTREAM_PRELUDE);
	size_t total = u32_at(prelude, 0), headers = u32_at(prelude, 4);

	if (eventstream_crc(0, span_cut(prelude, 0, 8)) != u32_at(prelude, 8))
		return ERR_SYNTAX;
	if (total < EVENTSTREAM_LEAST || headers > EVENTSTREAM_HEADERS ||
		headers > total - EVENTSTREAM_LEAST ||
		total - EVENTSTREAM_LEAST - headers > EVENTSTREAM_PAYLOAD)
		return ERR_SYNTAX;
	*total_bytes = total;
	return 0;
}

/* Removes a value from *rest: a byte with the type, then the data. Types: 0 true, 1 false, 2 to
 * 5 integers of 1, 2, 4 and 8 bytes, 6 bytes and 7 string after a length of two bytes, 8
 * timestamp, 9 UUID. */
static int
read_header_value(struct span *rest, int *type, struct span *text)
{
	static const unsigned char sizes[] = { 0, 0, 1, 2, 4, 8, 0, 0, 8, 16 };

	if (rest->n < 1 || (unsigned char)rest->p[0] >= COUNT_OF(sizes))
		return ERR_SYNTAX;
	*type = rest->p[0];
	size_t from = 1, n = sizes[*type];
	if (*type == 6 || *type == 7) {
		if (rest->n < 3)
			return ERR_SYNTAX;
		n = (size_t)(unsigned char)rest->p[1] << 8 | (unsigned char)rest->p[2];
		from = 3;
		if (n > EVENTSTREAM_VALUE_MOST)
			return ERR_SYNTAX;
	}
	if (rest->n - from < n)
		return ERR_SYNTAX;
	*text = span_cut(*rest, from, from + n);
	*rest = span_cut(*rest, from + n, rest->n);
	return 0;
}

static struct span *
header_named(struct eventstream_message *m, struct span name)
{
	const struct {
		const char *name;
		struct span *to;
	} known[] = {
		{ ":message-type", &m->message_type },
		{ ":event-type", &m->event_type },
		{ ":exception-type", &m->exception_type },
		{ ":error-code", &m->error_code },
		{ ":error-message", &m->error_message },
	};

	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (span_is(name, known[i].name))
			return known[i].to;
	return NULL;
}

enum { BYTES = 6, STRING = 7 };

/* Removes a header from *rest: length of the name, name, value. *type is the type of the value. */
static int
next_header(struct span *rest, struct eventstream_field *f, int *type)
{
	size_t n = rest->n ? (unsigned char)rest->p[0] : 0;
	struct span all = *rest;

	if (n == 0 || rest->n - 1 < n)
		return ERR_SYNTAX;
	f->name = span_cut(*rest, 1, 1 + n);
	*rest = span_cut(*rest, 1 + n, rest->n);
	if (read_header_value(rest, type, &f->text))
		return ERR_SYNTAX;
	f->raw = span_cut(all, 0, all.n - rest->n);
	f->is_text = *type == BYTES || *type == STRING;
	return 0;
}

int
eventstream_next(struct span *rest, struct eventstream_field *f)
{
	return next_header(rest, f, &(int){ 0 });
}

static int
read_event_headers(struct eventstream_message *m)
{
	struct eventstream_field f;
	int type;

	for (struct span rest = m->headers; rest.n;) {
		if (next_header(&rest, &f, &type))
			return ERR_SYNTAX;
		struct span *to = header_named(m, f.name);
		if (!to)
			continue;
		if (to->p || type != STRING)
			return ERR_SYNTAX;
		*to = f.text;
	}
	return 0;
}

int
eventstream_read(struct span message, struct eventstream_message *m)
{
	size_t total, end = message.n - CRC_BYTES;

	*m = (struct eventstream_message){ .headers = { NULL, 0 } };
	if (message.n < EVENTSTREAM_LEAST || eventstream_prelude(message, &total) ||
		total != message.n ||
		!eventstream_crc_is(eventstream_crc(0, span_cut(message, 0, end)),
			span_cut(message, end, message.n)))
		return ERR_SYNTAX;
	size_t headers_end = EVENTSTREAM_PRELUDE + u32_at(message, 4);
	m->headers = span_cut(message, EVENTSTREAM_PRELUDE, headers_end);
	m->payload = span_cut(message, headers_end, end);
	return read_event_headers(m);
}

void
eventstream_header(struct buf *headers, const char *name, struct span text)
{
	eventstream_put(headers, span_str(name), text);
}

void
eventstream_put(struct buf *headers, struct span name, struct span text)
{
	struct span n = span_cut(name, 0, 255);

	text = span_cut(text, 0, EVENTSTREAM_VALUE_MOST);
	buf_putc(headers, (char)n.n);
	buf_span(headers, n);
	buf_putc(headers, 7);
	buf_putc(headers, (char)(text.n >> 8));
	buf_putc(headers, (char)text.n);
	buf_span(headers, text);
}

int
eventstream_write(struct buf *out, struct span headers, struct span payload)
{
	size_t from = out->n;

	if (headers.n > EVENTSTREAM_HEADERS || payload.n > EVENTSTREAM_PAYLOAD)
		return ERR_LIMIT;
	put_u32(out, (uint32_t)(EVENTSTREAM_LEAST + headers.n + payload.n));
	put_u32(out, (uint32_t)headers.n);
	put_u32(out, eventstream_crc(0, span_cut(buf_view(out), from, out->n)));
	buf_span(out, headers);
	buf_span(out, payload);
	put_u32(out, eventstream_crc(0, span_cut(buf_view(out), from, out->n)));
	return buf_failed(out) ? ERR_NOMEM : 0;
}
