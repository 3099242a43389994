/* An incremental parser for event streams (WHATWG HTML 9.2.6). Lines end with CR LF, LF or CR;
 * an empty line ends a block; a leading BOM is ignored.
 *
 * The end of a block needs no lookahead: a CR ends it immediately, so that no event is delayed by
 * a byte. If the input was split between CR and LF, the LF is a block of its own without data.
 * Only whole blocks are interpreted. */
#include "base/codec/sse.h"

#include "base/caps.h"
#include "base/err.h"

static const char bom[3] = "\xEF\xBB\xBF";
enum { BOM_OVER = 4, KEPT_BYTES = 16 << 10, PIECE_BYTES = 256, SIMPLE_BYTES = 1024 };

void
sse_init(struct sse *s, size_t cap_bytes)
{
	*s = (struct sse){ .first = true };
	s->cap_bytes = cap_bytes ? cap_bytes : CAP_SSE_EVENT_BYTES;
	buf_init(&s->block, 0);
	buf_init(&s->data, 0);
}

void
sse_free(struct sse *s)
{
	buf_free(&s->block);
	buf_free(&s->data);
}

/* Returns the bytes before the next line end, or some of them. Only PIECE_BYTES are searched at
 * a time: otherwise a stream whose lines end with CR would be searched for LF to its end at each
 * line. */
static size_t
line_rest(struct span in)
{
	struct span piece = span_cut(in, 0, PIECE_BYTES);

	piece.n = span_chr(piece, '\n');
	return span_chr(piece, '\r');
}

/* Returns the bytes of `in` up to the end of the current block. *ends: the end was found. */
static size_t
sse_block_end(struct sse *s, struct span in, bool *ends)
{
	size_t i = 0;

	*ends = false;
	while (i < in.n) {
		if (s->bom >= sizeof(bom) && !s->cr) {
			size_t n = line_rest(span_cut(in, i, in.n));
			s->line += n;
			i += n;
			if (n)
				continue;
		}
		char c = in.p[i++];
		if (s->cr) {
			s->cr = false;
			if (c == '\n')
				continue;
		}
		if (c != '\n' && c != '\r') {
			s->line++;
			if (s->bom < sizeof(bom))
				s->bom = c == bom[s->bom] ? s->bom + 1 : BOM_OVER;
			if (s->bom == sizeof(bom)) {
				s->bom = BOM_OVER;
				s->line = 0;
			}
			continue;
		}
		s->bom = BOM_OVER;
		if (s->line) {
			s->line = 0;
			s->cr = c == '\r';
			continue;
		}
		*ends = true;
		if (c == '\r' && i < in.n && in.p[i] == '\n')
			i++;
		else if (c == '\r')
			s->lead_lf = true;
		break;
	}
	return i;
}

size_t
sse_line(struct span in)
{
	size_t n = 0, piece;

	while ((piece = line_rest(span_cut(in, n, in.n))) == PIECE_BYTES)
		n += piece;
	return n + piece;
}

/* Removes a line with its terminator from *rest. *text is the line without the terminator. */
static struct span
next_sse_line(struct span *rest, struct span *text)
{
	size_t n = sse_line(*rest);

	*text = span_cut(*rest, 0, n);
	if (n < rest->n)
		n += rest->p[n] == '\r' && n + 1 < rest->n && rest->p[n + 1] == '\n' ? 2 : 1;
	struct span line = span_cut(*rest, 0, n);
	*rest = span_cut(*rest, n, rest->n);
	return line;
}

/* line = name [ ":" [ " " ] value ]; a comment has an empty name. */
static struct span
sse_field(struct span line, struct span *value)
{
	size_t colon = span_chr(line, ':');

	*value = span_cut(line, colon + 1, line.n);
	if (value->n && value->p[0] == ' ')
		*value = span_cut(*value, 1, value->n);
	return span_cut(line, 0, colon);
}

/* Makes an event of its lines. The data of several lines are joined in s->data; the data of one
 * line are a view of raw. */
static int
interpret_event(struct sse *s, struct span raw, struct sse_event *ev)
{
	struct span line, value;
	bool marked = s->first && span_starts(raw, span_of(bom, sizeof(bom)));
	struct span rest = span_cut(raw, marked ? sizeof(bom) : 0, raw.n);
	size_t lines = 0;

	*ev = (struct sse_event){ .raw = raw, .bom = marked };
	s->first = false;
	while (rest.n) {
		next_sse_line(&rest, &line);
		struct span name = sse_field(line, &value);
		if (span_is(name, "data")) {
			if (lines == 1) {
				buf_clear(&s->data);
				buf_span(&s->data, ev->data);
			}
			if (lines >= 1) {
				buf_putc(&s->data, '\n');
				buf_span(&s->data, value);
			}
			ev->data = value;
			ev->has_data = true;
			lines++;
		} else if (span_is(name, "event")) {
			ev->type = value;
		} else if (span_is(name, "id") && span_chr(value, '\0') == value.n) {
			ev->id = value;
		}
	}
	if (lines > 1) {
		if (buf_failed(&s->data))
			return ERR_NOMEM;
		ev->data = buf_view(&s->data);
	}
	return SSE_EVENT;
}

/* Recognizes the usual form of an event: one line of data and an empty line, both ended by LF
 * and received together. Returns its bytes, or 0 if the event must be parsed. */
static size_t
simple_event(const struct sse *s, struct span in, struct sse_event *ev)
{
	struct span line = span_cut(in, 0, SIMPLE_BYTES);

	if (s->first || s->over || s->block.n || s->line || s->cr ||
		s->cap_bytes < SIMPLE_BYTES || !span_starts(in, SPAN_LIT("data: ")))
		return 0;
	line.n = span_chr(line, '\n');
	if (line.n + 1 >= in.n || in.p[line.n] != '\n' || in.p[line.n + 1] != '\n' ||
		memchr(line.p, '\r', line.n))
		return 0;
	*ev = (struct sse_event){ .raw = span_cut(in, 0, line.n + 2),
		.has_data = true,
		.data = span_cut(line, strlen("data: "), line.n) };
	return ev->raw.n;
}

int
sse_next(struct sse *s, struct span *in, struct sse_event *ev)
{
	bool ends;

	/* the memory of a long event is not kept for short ones */
	if (s->done && s->block.size > KEPT_BYTES)
		buf_free(&s->block);
	else if (s->done)
		buf_clear(&s->block);
	s->done = false;
	if (in->n == 0)
		return SSE_MORE;
	if (s->lead_lf) {
		s->lead_lf = false;
		if (in->p[0] == '\n') {
			*ev = (struct sse_event){ .raw = span_cut(*in, 0, 1) };
			*in = span_cut(*in, 1, in->n);
			return SSE_EVENT;
		}
	}
	size_t n = simple_event(s, *in, ev);
	if (n) {
		*in = span_cut(*in, n, in->n);
		return SSE_EVENT;
	}
	n = sse_block_end(s, *in, &ends);
	struct span taken = span_cut(*in, 0, n);
	*in = span_cut(*in, n, in->n);
	/* The LF after the last CR does not count, because it may arrive alone. */
	n -= ends && span_ends(taken, SPAN_LIT("\r\n"));
	bool fits = !s->over && n <= s->cap_bytes && s->block.n <= s->cap_bytes - n;
	if (fits && ends && s->block.n == 0)
		return interpret_event(s, taken, ev);
	if (s->block.n || fits) {
		buf_span(&s->block, taken);
		if (buf_failed(&s->block))
			return ERR_NOMEM;
		if (fits && !ends)
			return SSE_MORE;
		taken = buf_view(&s->block);
		s->done = true;
	}
	if (fits)
		return interpret_event(s, taken, ev);
	s->first = false;
	s->over = !ends;
	*ev = (struct sse_event){ .raw = taken, .over_ends = ends };
	return SSE_OVER;
}

int
sse_end(struct sse *s, struct sse_event *ev)
{
	if (s->done)
		buf_clear(&s->block);
	s->done = true;
	return s->block.n ? interpret_event(s, buf_view(&s->block), ev) : SSE_MORE;
}

void
sse_rewrite(const struct sse_event *ev, struct span data, struct buf *out)
{
	struct span rest = ev->raw, text, value;
	bool written = false;
	size_t bom_bytes = ev->bom ? sizeof(bom) : 0, from = out->n;

	while (rest.n) {
		struct span line = next_sse_line(&rest, &text);
		size_t lead = bom_bytes;
		bom_bytes = 0;
		/* The line between a CR and this LF was dropped. The added LF keeps the empty
		 * line a line of its own. */
		if (line.p[0] == '\n' && out->n > from &&
			span_ends(buf_view(out), SPAN_LIT("\r")))
			buf_putc(out, '\n');
		if (!span_is(sse_field(span_cut(text, lead, text.n), &value), "data")) {
			buf_span(out, line);
			continue;
		}
		if (written)
			continue;
		written = true;
		buf_span(out, span_cut(text, 0, lead));
		struct span left = data, end = span_cut(line, text.n, line.n);
		do {
			buf_str(out, "data: ");
			buf_span(out, span_next(&left, '\n'));
			buf_span(out, left.p && end.n == 0 ? SPAN_LIT("\n") : end);
		} while (left.p);
	}
}
