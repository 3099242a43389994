/* Writes frames. The reader counts the spaces and the comma before an array's element as part
 * of the element (frames_array.h). The first element that is sent has no comma, and every later
 * one has a comma. separate() ensures this. */
#include "answer/frame_write.h"

#include "answer/frames_array.h"
#include "base/codec/base64.h"
#include "base/codec/eventstream.h"
#include "base/err.h"
#include "base/scoped.h"

void
frame_writer_init(struct frame_writer *w, enum frames_kind kind)
{
	*w = (struct frame_writer){ .kind = kind };
}

/* ---- arrays ---- */

/* Writes what precedes an element. `lead` is that part as the reader saw it. */
static void
separate(struct frame_writer *w, struct span lead, struct buf *out)
{
	size_t comma = span_chr(lead, ',');

	if (!w->begun)
		buf_putc(out, '[');
	w->begun = true;
	if (w->any && comma == lead.n)
		buf_putc(out, ',');
	if (w->any)
		comma = lead.n;
	buf_span(out, span_cut(lead, 0, comma));
	buf_span(out, span_cut(lead, comma + 1, lead.n));
	w->any = true;
}

static struct span
lead_of(struct span raw)
{
	return span_cut(raw, 0, raw.n - frames_array_element(raw).n);
}

static void
pass_of_array(struct frame_writer *w, const struct frame *f, struct buf *out)
{
	struct span rest = f->raw;

	if (f->has_data || f->over_begins) {
		struct span lead = lead_of(f->raw);
		separate(w, lead, out);
		rest = span_cut(f->raw, lead.n, f->raw.n);
	} else if (!f->over && span_ends(f->raw, SPAN_LIT("["))) {
		if (w->begun)
			return; /* we sent a bracket already */
		w->begun = true;
	} else if (!f->over && span_ends(f->raw, SPAN_LIT("]"))) {
		w->closed = true;
	}
	buf_span(out, rest);
}

/* ---- unchanged frames ---- */

void
frame_pass(struct frame_writer *w, const struct frame *f, struct buf *out)
{
	if (w->kind == FRAMES_ARRAY)
		pass_of_array(w, f, out);
	else
		buf_span(out, f->raw);
	w->unended = f->unended || (f->over && !f->over_ends);
}

/* ---- other payloads ---- */

static void
wrap(struct span before, struct span data, struct span after, struct buf *out)
{
	buf_span(out, before);
	base64_put(out, data.p, data.n);
	buf_span(out, after);
}

static int
rewrite_message(const struct frame *f, struct span data, struct buf *out)
{
	struct eventstream_message m;

	if (eventstream_read(f->raw, &m))
		return ERR_SYNTAX;
	if (!f->wrapped.p)
		return eventstream_write(out, m.headers, data);
	size_t from = (size_t)(f->wrapped.p - m.payload.p);
	SCOPED_BUF(payload, 0);
	wrap(span_cut(m.payload, 0, from), data,
		span_cut(m.payload, from + f->wrapped.n, m.payload.n), &payload);
	return buf_failed(&payload) ? ERR_NOMEM
				    : eventstream_write(out, m.headers, buf_view(&payload));
}

int
frame_rewrite(struct frame_writer *w, const struct frame *f, struct span data, struct buf *out)
{
	size_t from;
	int r = 0;

	if (!f->has_data) {
		frame_pass(w, f, out);
		return buf_failed(out) ? ERR_NOMEM : 0;
	}
	switch (w->kind) {
	case FRAMES_SSE:
		sse_rewrite(&(struct sse_event){ .raw = f->raw, .bom = f->bom }, data, out);
		break;
	case FRAMES_LINES:
		from = (size_t)(f->data.p - f->raw.p);
		buf_span(out, span_cut(f->raw, 0, from));
		buf_span(out, data);
		buf_span(out, span_cut(f->raw, from + f->data.n, f->raw.n));
		break;
	case FRAMES_ARRAY:
		separate(w, lead_of(f->raw), out);
		buf_span(out, data);
		break;
	case FRAMES_EVENTSTREAM: r = rewrite_message(f, data, out); break;
	}
	w->unended = f->unended;
	return r == 0 && buf_failed(out) ? ERR_NOMEM : r;
}

/* ---- frames of ours ---- */

static void
write_event(struct span type, struct span data, struct buf *out)
{
	if (type.n) {
		buf_str(out, "event: ");
		buf_span(out, type);
		buf_putc(out, '\n');
	}
	do {
		buf_str(out, "data: ");
		buf_span(out, span_next(&data, '\n'));
		buf_putc(out, '\n');
	} while (data.p);
	buf_putc(out, '\n');
}

static int
write_message(const struct frame_writer *w, bool error, struct span type, struct span data,
	struct buf *out)
{
	SCOPED_BUF(headers, 0);
	SCOPED_BUF(payload, 0);

	eventstream_header(&headers, error ? ":exception-type" : ":event-type", type);
	eventstream_header(&headers, ":content-type", SPAN_LIT("application/json"));
	eventstream_header(
		&headers, ":message-type", error ? SPAN_LIT("exception") : SPAN_LIT("event"));
	if (w->wrap && !error) {
		wrap(SPAN_LIT("{\"bytes\":\""), data, SPAN_LIT("\"}"), &payload);
		data = buf_view(&payload);
	}
	return buf_failed(&headers) || buf_failed(&payload)
		       ? ERR_NOMEM
		       : eventstream_write(out, buf_view(&headers), data);
}

static int
write_own(
	struct frame_writer *w, bool error, struct span type, struct span data, struct buf *out)
{
	bool in_frame = w->kind == FRAMES_ARRAY || w->kind == FRAMES_EVENTSTREAM;

	if ((w->unended && in_frame) || w->closed)
		return ERR_BAD_STATE;
	if (w->unended)
		buf_str(out, w->kind == FRAMES_SSE ? "\n\n" : "\n");
	w->unended = false;
	switch (w->kind) {
	case FRAMES_SSE: write_event(type, data, out); break;
	case FRAMES_LINES:
		buf_span(out, data);
		buf_putc(out, '\n');
		break;
	case FRAMES_ARRAY:
		separate(w, SPAN_LIT(""), out);
		buf_span(out, data);
		break;
	case FRAMES_EVENTSTREAM: return write_message(w, error, type, data, out);
	}
	return buf_failed(out) ? ERR_NOMEM : 0;
}

int
frame_write(struct frame_writer *w, struct span type, struct span data, struct buf *out)
{
	return write_own(w, false, type, data, out);
}

int
frame_write_error(struct frame_writer *w, struct span type, struct span data, struct buf *out)
{
	return write_own(w, true, type, data, out);
}
