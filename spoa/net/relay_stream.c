/* Keeps event streams of MCP alive, which may be silent for hours. HAProxy, other proxies and
 * clients take silence for a broken connection. Therefore a comment (WHATWG HTML 9.2.6) is
 * inserted now and then, but only where an event ends, so that no reader finds it inside an
 * event.
 *
 * Example: after an event that ends with two line feeds and keep_alive_us of silence, the client
 * gets ": keep-alive" and an empty line. */
#include "base/clock.h"
#include "net/relay_conn.h"

#define COMMENT	 ": keep-alive\n\n"
#define OPENS_US 200000 /* µs; an `endpoint` event arrives with the head, or right after it */

static bool
is_stream(const struct edge *c)
{
	return c->plan && c->plan->sessions && c->answer.streams &&
	       c->answer.life == RESPONSE_BEGUN && c->result.status / 100 == 2 &&
	       (c->answer.framing == HTTP_CHUNKED || c->answer.framing == HTTP_UNTIL_CLOSE);
}

bool
stream_stays(const struct edge *c)
{
	return is_stream(c) && c->plan->stays;
}

void
stream_begins(struct edge *c)
{
	memset(c->answer.tail, '\n', sizeof(c->answer.tail));
	if (stream_stays(c) && c->guard)
		c->answer.opens_us = clock_mono_us() + OPENS_US;
}

/* Its head waits a moment for its first event: that of the older transport is a 502. */
bool
stream_opens(const struct edge *c)
{
	return c->answer.opens_us && stream_stays(c) && !c->answer.sent &&
	       !c->result.response_bytes;
}

void
stream_passes(struct edge *c, struct span bytes)
{
	enum { TAIL = sizeof(c->answer.tail) };
	size_t n = bytes.n < TAIL ? bytes.n : TAIL;

	memmove(c->answer.tail, c->answer.tail + n, TAIL - n);
	if (n)
		memcpy(c->answer.tail + TAIL - n, bytes.p + bytes.n - n, n);
}

static bool
is_line_end(char c)
{
	return c == '\n' || c == '\r';
}

/* The head waits up to OPENS_US for the first event, because the first event of the older MCP
 * transport (`endpoint`) leads to a 502. */
static bool
ends_event(const char tail[4])
{
	size_t last = tail[3] == '\n' && tail[2] == '\r' ? 2 : 1;

	return is_line_end(tail[3]) && is_line_end(tail[3 - last]);
}

uint64_t
stream_due(const struct edge *c)
{
	bool may = c->state == EDGE_EXCHANGE && c->relay->options.keep_alive_us &&
		   is_stream(c) && c->answer.events && !c->reading.away &&
		   edge_unsent(c) == 0 && !c->held && ends_event(c->answer.tail) &&
		   !again_holds(c);

	if (c->state == EDGE_EXCHANGE && stream_opens(c))
		return c->answer.opens_us;
	return may ? c->active_us + c->relay->options.keep_alive_us : UINT64_MAX;
}

void
stream_keep_alive(struct edge *c)
{
	char line[HTTP_CHUNK_MAX];
	struct span text = SPAN_LIT(COMMENT);

	if (stream_opens(c)) {
		c->answer.opens_us = 0;
		edge_flush(c);
		return;
	}
	if (c->answer.framing == HTTP_CHUNKED)
		buf_put(&c->out, line, http_chunk_line(line, text.n));
	buf_span(&c->out, text);
	if (c->answer.framing == HTTP_CHUNKED)
		buf_str(&c->out, "\r\n");
	stream_passes(c, text);
	edge_flush(c);
}
