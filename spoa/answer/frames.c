/* Cuts a stream into frames, and writes frames.
 *
 * base/codec/sse.c reads server-sent events. For the other three framings frame_end() finds the
 * end of a frame, and take_frame() keeps the bytes until the end has arrived. A frame that is
 * complete in the input is a view of the input, without a copy. A frame over the limit is
 * returned in pieces. The CRC of an event stream is checked over all pieces.
 *
 * frames_array_end() reads as much of RFC 8259 section 5 as is needed to separate the elements
 * of an array: strings, containers and commas. A JSON reader checks the inside of an element.
 * Brackets must match here too, so that both readers find the same elements. The reader counts
 * the spaces and the comma before an element as part of the element. The first element that is
 * sent has no comma, and every later one has a comma; separate() ensures this in what is
 * written. */
#include "answer/frames.h"
#include "base/ascii.h"
#include "base/codec/base64.h"
#include "base/codec/eventstream.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/scoped.h"

/* ---- the elements of an array ---- */

/* Notes the kind of the bracket that was just opened. Returns false if the nesting is too
 * deep. */
static bool
note_kind(struct frames *f, bool object)
{
	size_t at = f->array.scan.depth - 1;

	if (at >= CAP_JSON_DEPTH)
		return false;
	uint64_t bit = (uint64_t)1 << at % 64;
	if (object)
		f->array.objects[at / 64] |= bit;
	else
		f->array.objects[at / 64] &= ~bit;
	return true;
}

/* Returns true if the bracket that was just closed has the kind of its opening bracket. */
static bool
closes_kind(const struct frames *f, bool object)
{
	size_t at = f->array.scan.depth;

	INVARIANT(at < CAP_JSON_DEPTH);
	return (f->array.objects[at / 64] >> at % 64 & 1) == object;
}

/* Reads a byte of an object, array or string. Returns 0 or ERR_SYNTAX. */
static int
element_byte(struct frames *f, char c)
{
	struct json_scan *s = &f->array.scan;
	bool fine = true;

	switch (json_scan_byte(s, c)) {
	case JSON_BYTE_OPENS: fine = note_kind(f, c == '{'); break;
	case JSON_BYTE_CLOSES: fine = closes_kind(f, c == '}'); break;
	default: break;
	}
	if (!s->string && !s->depth)
		f->array.at = ARRAY_AFTER;
	return fine ? 0 : ERR_SYNTAX;
}

/* Reads a byte between elements that is not a space. Returns 0 or ERR_SYNTAX. */
static int
byte_between(struct frames *f, char c)
{
	bool first = f->array.at == ARRAY_BEGUN, after = f->array.at == ARRAY_AFTER;

	if (c == ']' && (first || after)) {
		f->array.at = ARRAY_CLOSED;
	} else if (c == ',' && after) {
		f->array.at = ARRAY_COMMA;
	} else if (after) {
		return ERR_SYNTAX;
	} else if (is_one_of(c, "{[\"")) {
		f->array.at = ARRAY_ELEMENT;
		return element_byte(f, c);
	} else if (is_alnum(c) || c == '-') {
		f->array.at = ARRAY_SCALAR;
	} else {
		return ERR_SYNTAX;
	}
	return 0;
}

/* Returns how many bytes of `in` belong to the current frame, and sets *ends if the frame ends
 * with them. A frame is the opening bracket; or an element with the spaces and the comma before
 * it; or the closing bracket; or spaces after that. Sets *err to ERR_SYNTAX if the array is
 * invalid, else to 0. */
static size_t
frames_array_end(struct frames *f, struct span in, bool *ends, int *err)
{
	size_t i = 0;

	*err = 0;
	*ends = f->array.at == ARRAY_CLOSED;
	if (*ends) {
		/* Spaces after the array are a frame of their own; more input is not awaited. */
		i = span_past(span_cut(in, 0, f->cap_bytes), 0, is_space);
		*err = i == 0 ? ERR_SYNTAX : 0;
		return i;
	}
	while (i < in.n && !*ends && !*err) {
		char c = in.p[i];
		if (f->array.at == ARRAY_SCALAR) {
			if (is_space(c) || c == ',' || c == ']') {
				f->array.at = ARRAY_AFTER; /* c belongs to the next frame */
				*ends = true;
				return i;
			}
			if (!is_alnum(c) && !is_one_of(c, "+-."))
				*err = ERR_SYNTAX;
		} else if (f->array.at == ARRAY_ELEMENT) {
			*err = element_byte(f, c);
			*ends = f->array.at == ARRAY_AFTER;
		} else if (f->array.at == ARRAY_BEFORE && c == '[') {
			f->array.at = ARRAY_BEGUN;
			*ends = true;
		} else if (!is_space(c)) {
			*err = f->array.at == ARRAY_BEFORE ? ERR_SYNTAX : byte_between(f, c);
			*ends = f->array.at == ARRAY_CLOSED;
		}
		i++;
	}
	return i;
}

/* Returns an element's frame without the spaces and the comma before it. */
static struct span
frames_array_element(struct span raw)
{
	size_t at = span_past(raw, 0, is_space);

	if (at < raw.n && raw.p[at] == ',')
		at = span_past(raw, at + 1, is_space);
	return span_cut(raw, at, raw.n);
}

/* ---- reading ---- */

enum { KEPT_BYTES = 16 << 10 }; /* room of a block that is kept between frames */

void
frames_init(struct frames *f, enum frames_kind kind, size_t cap_bytes)
{
	*f = (struct frames){ .kind = kind };
	f->cap_bytes = cap_bytes ? cap_bytes : CAP_SSE_EVENT_BYTES;
	sse_init(&f->sse, f->cap_bytes);
	buf_init(&f->block, 0);
}

void
frames_free(struct frames *f)
{
	sse_free(&f->sse);
	buf_free(&f->block);
}

/* ---- meaning of a frame ---- */

static int
read_message(struct frame *out)
{
	struct eventstream_message m;

	if (eventstream_read(out->raw, &m))
		return ERR_SYNTAX;
	bool error = span_is(m.message_type, "error");
	out->exception = error || span_is(m.message_type, "exception");
	out->type = error ? m.error_code : out->exception ? m.exception_type : m.event_type;
	out->data = m.payload;
	out->said = m.error_message;
	out->has_data = true;
	return FRAME_WHOLE;
}

/* Sets the meaning of out->raw, a complete frame. Returns FRAME_WHOLE or an error. */
static int
interpret(const struct frames *f, struct frame *out)
{
	switch (f->kind) {
	case FRAMES_LINES:
		out->data = span_trim(out->raw, " \t\r\n");
		out->has_data = out->data.n > 0;
		return FRAME_WHOLE;
	case FRAMES_ARRAY:
		out->has_data = f->array.at == ARRAY_AFTER;
		if (out->has_data)
			out->data = frames_array_element(out->raw);
		return FRAME_WHOLE;
	case FRAMES_EVENTSTREAM: return read_message(out);
	case FRAMES_SSE: break;
	}
	return FRAME_WHOLE;
}

/* ---- end of a frame ---- */

/* Reads the length of the current message from its prelude. Returns FRAME_MORE if the prelude
 * is incomplete, FRAME_WHOLE if the length is known, or an error. */
static int
message_length(struct frames *f, struct span *in)
{
	struct span prelude = span_cut(*in, 0, EVENTSTREAM_PRELUDE);

	if (f->message.total)
		return FRAME_WHOLE;
	INVARIANT(f->block.n < EVENTSTREAM_PRELUDE && !f->over);
	if (f->block.n || in->n < EVENTSTREAM_PRELUDE) {
		prelude = span_cut(*in, 0, EVENTSTREAM_PRELUDE - f->block.n);
		*in = span_cut(*in, prelude.n, in->n);
		buf_span(&f->block, prelude);
		if (buf_failed(&f->block))
			return ERR_NOMEM;
		if (f->block.n < EVENTSTREAM_PRELUDE)
			return FRAME_MORE;
		prelude = buf_view(&f->block);
	}
	return eventstream_prelude(prelude, &f->message.total) ? ERR_SYNTAX : FRAME_WHOLE;
}

/* Returns how many bytes of `in` belong to the current frame. Sets *ends if the frame ends with
 * them. */
static size_t
frame_end(struct frames *f, struct span in, bool *ends, int *err)
{
	size_t n;

	*err = 0;
	switch (f->kind) {
	case FRAMES_ARRAY: return frames_array_end(f, in, ends, err);
	case FRAMES_EVENTSTREAM:
		INVARIANT(f->message.total >= f->message.gone + f->block.n);
		n = f->message.total - f->message.gone - f->block.n;
		*ends = n <= in.n;
		return *ends ? n : in.n;
	default:
		n = span_chr(in, '\n');
		*ends = n < in.n;
		return *ends ? n + 1 : n;
	}
}

/* Adds a piece of a frame over the limit to the CRC, and compares the CRC after the last piece.
 * The last four bytes of a message are its CRC. Returns 0 or ERR_SYNTAX. */
static int
check_piece(struct frames *f, const struct frame *out)
{
	if (f->kind != FRAMES_EVENTSTREAM)
		return 0;
	size_t end = f->message.total - sizeof(f->message.last), from = f->message.gone;
	size_t before = from < end ? end - from : 0;
	struct span sum = span_cut(out->raw, before, out->raw.n);
	INVARIANT(out->raw.n <= f->message.total - from);
	INVARIANT((from > end ? from - end : 0) + sum.n <= sizeof(f->message.last));
	f->message.crc = eventstream_crc(f->message.crc, span_cut(out->raw, 0, before));
	if (sum.n)
		memcpy(f->message.last + (from > end ? from - end : 0), sum.p, sum.n);
	f->message.gone += out->raw.n;
	return out->over_ends && !eventstream_crc_is(f->message.crc,
					 span_of(f->message.last, sizeof(f->message.last)))
		       ? ERR_SYNTAX
		       : 0;
}

static int
piece(struct frames *f, struct frame *out, bool ends)
{
	if (f->kind == FRAMES_ARRAY && !f->over) {
		size_t n = frames_array_element(out->raw).n;
		bool bracket = f->array.at == ARRAY_BEGUN || f->array.at == ARRAY_CLOSED;
		if (bracket || out->raw.n - n > f->cap_bytes)
			return ERR_SYNTAX; /* too many spaces */
	}
	out->over = true;
	out->over_begins = !f->over;
	out->over_ends = ends;
	f->over = !ends;
	return check_piece(f, out) ? ERR_SYNTAX : FRAME_OVER;
}

/* Takes the bytes up to the frame's end, or all of them. */
static int
take_frame(struct frames *f, struct span *in, struct frame *out)
{
	bool ends, big = f->kind == FRAMES_EVENTSTREAM && f->message.total > f->cap_bytes;
	int r;
	size_t n = frame_end(f, *in, &ends, &r);

	if (r)
		return r;
	INVARIANT(n <= in->n);
	out->raw = span_cut(*in, 0, n);
	*in = span_cut(*in, n, in->n);
	bool fits = !big && !f->over && n <= f->cap_bytes && f->block.n <= f->cap_bytes - n;
	if (f->block.n || (fits && !ends)) {
		buf_span(&f->block, out->raw);
		if (buf_failed(&f->block))
			return ERR_NOMEM;
		if (fits && !ends)
			return FRAME_MORE;
		out->raw = buf_view(&f->block);
		f->done = true;
	}
	r = fits ? interpret(f, out) : piece(f, out, ends);
	if (ends)
		f->message.total = f->message.gone = f->message.crc = 0;
	return r;
}

static void
drop_block(struct frames *f)
{
	if (!f->done)
		return;
	f->done = false;
	if (f->block.size > KEPT_BYTES)
		buf_free(&f->block);
	else
		buf_clear(&f->block);
}

static int
of_sse(struct frames *f, int r, const struct sse_event *ev, struct frame *out)
{
	if (r <= 0)
		return r;
	*out = (struct frame){ .raw = ev->raw,
		.has_data = ev->has_data,
		.bom = ev->bom,
		.type = ev->type,
		.data = ev->data };
	if (r == SSE_EVENT)
		return FRAME_WHOLE;
	out->over = true;
	out->over_begins = !f->over;
	out->over_ends = ev->over_ends;
	f->over = !ev->over_ends;
	return FRAME_OVER;
}

int
frames_next(struct frames *f, struct span *in, struct frame *out)
{
	struct sse_event ev;
	int r;

	*out = (struct frame){ .has_data = false };
	if (f->err)
		return f->err;
	drop_block(f);
	if (f->kind == FRAMES_SSE)
		r = of_sse(f, sse_next(&f->sse, in, &ev), &ev, out);
	else if (in->n == 0)
		r = FRAME_MORE;
	else if (f->kind != FRAMES_EVENTSTREAM || (r = message_length(f, in)) == FRAME_WHOLE)
		r = take_frame(f, in, out);
	if (r < 0) {
		f->err = r;
		*out = (struct frame){ .has_data = false };
	}
	return r;
}

int
frames_end(struct frames *f, struct frame *out)
{
	struct sse_event ev;

	*out = (struct frame){ .unended = true };
	if (f->err)
		return f->err;
	drop_block(f);
	if (f->kind == FRAMES_SSE) {
		if (f->over)
			return ERR_TRUNCATED;
		int r = of_sse(f, sse_end(&f->sse, &ev), &ev, out);
		out->unended = r > 0;
		return r;
	}
	out->raw = buf_view(&f->block);
	f->done = true;
	if (f->kind == FRAMES_LINES)
		return out->raw.n ? interpret(f, out) : FRAME_MORE;
	bool whole = f->kind == FRAMES_ARRAY ? f->array.at == ARRAY_CLOSED
					     : f->message.total == 0 && out->raw.n == 0;
	return whole ? FRAME_MORE : ERR_TRUNCATED;
}

/* ---- Bedrock's invoke streams ---- */

/* Finds the string member `bytes` of an object. Returns 0, ERR_NOTFOUND or ERR_NOMEM. */
static int
find_bytes(struct arena *a, struct span in, struct json_event *found)
{
	struct json *j = json_open(a, in);
	struct json_member m;
	struct json_event ev;
	int r = ERR_NOTFOUND, err = 0;

	if (!j)
		return ERR_NOMEM;
	if (json_next(j, &ev) != JSON_OBJECT)
		return ERR_NOTFOUND;
	while (json_member(j, a, in, &m, &ev, &err))
		if (span_is(m.key, "bytes") && ev.tok == JSON_STRING) {
			*found = ev;
			r = 0;
		} else {
			json_skip(j, &ev);
		}
	return json_next(j, &ev) == JSON_END ? r : ERR_NOTFOUND;
}

int
frame_unwrap(struct frame *f, struct buf *scratch)
{
	struct json_event ev = { .tok = JSON_END };
	size_t n;

	if (f->exception || !f->has_data)
		return ERR_NOTFOUND;
	SCOPED_ARENA(a, 0, true);
	int r = find_bytes(&a, f->data, &ev);
	if (r)
		return r;
	struct span text = json_text(&a, f->data, &ev);
	buf_clear(scratch);
	char *to = text.p ? buf_reserve(scratch, text.n + 1) : NULL;
	if (!to)
		return ERR_NOMEM;
	if (base64_get(text, to, text.n + 1, &n))
		return ERR_SYNTAX;
	buf_commit(scratch, n);
	f->wrapped = span_cut(f->data, ev.start, ev.end);
	f->data = buf_view(scratch);
	return 0;
}

size_t
frame_copy(struct frame *f, char *to)
{
	struct span raw = f->raw, *views[] = { &f->type, &f->data, &f->said, &f->wrapped };
	size_t n = raw.n;

	if (to) {
		memcpy(to, raw.p, raw.n);
		f->raw.p = to;
	}
	for (size_t i = 0; i < COUNT_OF(views); i++) {
		struct span *s = views[i];
		if (!s->n)
			continue;
		bool within = s->p >= raw.p && s->p + s->n <= raw.p + raw.n;
		size_t at = within ? (size_t)(s->p - raw.p) : n;
		if (to && !within)
			memcpy(to + at, s->p, s->n);
		if (to)
			s->p = to + at;
		n += within ? 0 : s->n;
	}
	return n;
}

/* ---- writing ---- */

void
frame_writer_init(struct frame_writer *w, enum frames_kind kind)
{
	*w = (struct frame_writer){ .kind = kind };
}

/* ---- writing: arrays ---- */

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

/* ---- writing: unchanged frames ---- */

void
frame_pass(struct frame_writer *w, const struct frame *f, struct buf *out)
{
	if (w->kind == FRAMES_ARRAY)
		pass_of_array(w, f, out);
	else
		buf_span(out, f->raw);
	w->unended = f->unended || (f->over && !f->over_ends);
}

/* ---- writing: other payloads ---- */

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

/* ---- writing: frames of ours ---- */

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
