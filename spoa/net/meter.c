/* Metering of responses (design rule 8). The parse of an event is skipped where
 * the word "usage" cannot occur in it: tokens are the many, usage is one event. */
#include "net/meter.h"

#include "base/caps.h"
#include "base/err.h"

void
meter_init(struct meter *m, const struct dialect *d, bool is_sse, bool hide_usage)
{
	*m = (struct meter){ .dialect = d, .sse = is_sse, .hide = is_sse && hide_usage };
	sse_init(&m->events, 0);
	buf_init(&m->body, CAP_USAGE_BODY_BYTES);
	arena_init(&m->scratch, 4 * CAP_SSE_EVENT_BYTES, true);
}

void
meter_free(struct meter *m)
{
	sse_free(&m->events);
	buf_free(&m->body);
	arena_reset(&m->scratch);
}

/* False only where no spelling of the key "usage" is in the JSON text. */
static bool
may_hold_usage(struct span data)
{
	return data.n &&
	       (memmem(data.p, data.n, "usage", 5) || memmem(data.p, data.n, "\\u", 2));
}

static void
read_event(struct meter *m, const struct sse_event *ev, struct buf *out)
{
	struct span edited;
	int edit = 0;

	if (ev->has_data && may_hold_usage(ev->data)) {
		dialect_event_usage(m->dialect, ev->type, ev->data, &m->scratch, &m->usage);
		if (m->hide)
			edit = dialect_hide_usage(m->dialect, ev->data, &m->scratch, &edited);
	}
	if (m->hide && edit == 1)
		sse_rewrite(ev, edited, out);
	else if (m->hide && edit != 2)
		buf_span(out, ev->raw);
	arena_reset(&m->scratch);
}

static int
feed_events(struct meter *m, struct span bytes, struct buf *out)
{
	struct sse_event ev;
	int r;

	while ((r = sse_next(&m->events, &bytes, &ev)) > 0) {
		if (r == SSE_EVENT) {
			read_event(m, &ev, out);
			continue;
		}
		m->unread += ev.over_ends;
		if (m->hide)
			buf_span(out, ev.raw);
	}
	return r;
}

static void
keep_body(struct meter *m, struct span bytes)
{
	if (m->body_over)
		return;
	buf_span(&m->body, bytes);
	if (buf_failed(&m->body)) {
		m->body_over = true;
		buf_free(&m->body);
	}
}

int
meter_feed(struct meter *m, struct span bytes, struct buf *out)
{
	int err = 0;

	if (!m->hide)
		buf_span(out, bytes);
	if (m->sse)
		err = feed_events(m, bytes, out);
	else
		keep_body(m, bytes);
	/* Without editing, nothing but the reading is lost. */
	return buf_failed(out) || (m->hide && err < 0) ? ERR_NOMEM : 0;
}

int
meter_end(struct meter *m, struct buf *out, struct usage *usage)
{
	struct sse_event ev;

	m->unread += m->sse && m->events.over;
	if (m->sse && sse_end(&m->events, &ev) == SSE_EVENT)
		read_event(m, &ev, out);
	if (!m->sse && !m->body_over && m->body.n) {
		arena_reset(&m->scratch);
		m->scratch.cap_bytes = 4 * (size_t)CAP_USAGE_BODY_BYTES;
		if (dialect_usage(m->dialect, buf_view(&m->body), &m->scratch, &m->usage) < 0)
			m->usage.known = false;
	}
	*usage = m->usage;
	return buf_failed(out) ? ERR_NOMEM : 0;
}
