/* What a frame says besides its payload: comments, ids and whatever fields an event of SSE has
 * (WHATWG HTML 9.2.6), and the headers of a message of AWS' streams. Looked through like names
 * and keys, and replaced where they stand. */
#include "base/ascii.h"
#include "base/err.h"
#include "codec/eventstream.h"
#include "codec/utf8.h"
#include "guard/guard_private.h"

enum { RETRY_DIGITS = 6 };

static enum guard_result
edit(struct guard *g, struct span text, struct span *now)
{
	struct answer_text t = {
		.kind = KIND_OTHER, .copy = true, .aside = true, .text = text
	};

	*now = text;
	return guard_edit_alone(g, &t, now);
}

/* ---- SSE ---- */

/* The payload is read as what it is; a type is one of the format's words, an id the provider's,
 * and milliseconds are digits. */
static bool
is_read(struct span line)
{
	static const char *const words[] = { "event", "id" };
	size_t colon = span_chr(line, ':');
	struct span name = span_cut(line, 0, colon);
	struct span value = span_trim(span_cut(line, colon + 1, line.n), " ");
	bool digits = value.n <= RETRY_DIGITS && span_past(value, 0, is_digit) == value.n;

	return (span_is(name, "data") && colon < line.n) ||
	       (SPAN_IN(name, words) && answer_is_word(value)) ||
	       (span_is(name, "retry") && digits);
}

static enum guard_result
lines(struct guard *g, struct frame *f)
{
	struct splice *v = NULL;
	size_t n = 0, room = 0;

	for (size_t at = f->bom ? 3 : 0, end; at < f->raw.n; at = end + 1) {
		end = at + sse_line(span_cut(f->raw, at, f->raw.n));
		struct span line = span_cut(f->raw, at, end), now;
		if (!line.n || is_read(line))
			continue;
		if (edit(g, line, &now))
			return g->failed;
		if (span_eq(now, line))
			continue;
		v = arena_grow(&g->work, v, n, &room, sizeof(*v), 8);
		if (!v)
			return guard_no_memory(g);
		v[n++] = (struct splice){ at, end, now };
	}
	if (!n)
		return g->failed;
	struct buf b;
	buf_init(&b, 0);
	if (splice_apply(f->raw, v, n, &b))
		guard_no_memory(g);
	return guard_take(g, &b, &f->raw);
}

/* ---- AWS' headers ---- */

/* Appends a header as it goes; *any: not as it came. */
static enum guard_result
header(struct guard *g, const struct eventstream_field *h, struct buf *out, bool *any)
{
	struct span now = h->text;

	if (!answer_is_word(h->name) &&
		guard_unread(g, h->name.n, "a header of an event whose name is no word"))
		return g->failed;
	if (h->is_text && utf8_valid(h->text) && !answer_is_word(h->text) &&
		edit(g, h->text, &now))
		return g->failed;
	if (span_eq(now, h->text)) {
		buf_span(out, h->raw);
		return g->failed;
	}
	*any = true;
	eventstream_put(out, h->name, now);
	return g->failed;
}

static enum guard_result
rewrite(struct guard *g, struct frame *f, struct span headers, struct span payload)
{
	struct eventstream_message m;
	struct buf b;

	buf_init(&b, 0);
	if (eventstream_write(&b, headers, payload))
		guard_no_memory(g);
	if (guard_take(g, &b, &f->raw) || eventstream_read(f->raw, &m))
		return guard_no_memory(g);
	f->data = m.payload;
	f->said = m.error_message;
	return g->failed;
}

static enum guard_result
headers(struct guard *g, struct frame *f)
{
	struct eventstream_message m;
	struct eventstream_field h;
	struct buf changed;
	bool any = false;

	if (eventstream_read(f->raw, &m))
		return guard_fail(g, GUARD_BROKEN, "the stream's framing is malformed");
	buf_init(&changed, 0);
	for (struct span rest = m.headers;
		rest.n && !g->failed && !eventstream_next(&rest, &h);)
		header(g, &h, &changed, &any);
	if (buf_failed(&changed))
		guard_no_memory(g);
	if (any && !g->failed)
		rewrite(g, f, buf_view(&changed), m.payload);
	buf_free(&changed);
	return g->failed;
}

enum guard_result
guard_metadata(struct guard *g, struct frame *f)
{
	if (!guard_inspects(g) || !f->raw.n)
		return g->failed;
	switch (g->frames.kind) {
	case FRAMES_SSE: return lines(g, f);
	case FRAMES_EVENTSTREAM: return headers(g, f);
	default: return g->failed;
	}
}
