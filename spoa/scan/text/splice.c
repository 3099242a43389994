/* Converts edits of decoded text into edits of raw bytes, and applies them. Each segment is
 * walked once, whatever the number of its findings.
 *
 * Example: in the JSON string "a\u00e9b", the edit of the decoded bytes [1, 3) becomes an edit
 * of the six raw bytes \u00e9. */
#include <stdlib.h>

#include "base/codec/json.h"
#include "base/codec/uri.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/scoped.h"
#include "scan/text/body.h"

/* A position in raw and decoded bytes at the same time. */
struct cursor {
	enum seg_form form;
	const char *p, *end;
	size_t decoded;
};

/* Moves over the escape at the cursor. */
static void
step_escape(struct cursor *c)
{
	size_t raw = 1, decoded = 1;

	if (c->form == SEG_JSON) {
		struct json_unit u = json_unit_at(c->p, c->end);
		raw = u.raw;
		decoded = u.decoded;
	} else if (uri_escape_at(c->p, c->end) >= 0) {
		raw = 3;
	}
	c->p += raw;
	c->decoded += decoded;
}

/* Moves to the first unit that begins at or after the decoded offset `want`. */
static void
seek(struct cursor *c, size_t want)
{
	char mark = c->form == SEG_JSON ? '\\' : '%';

	while (c->p < c->end && c->decoded < want) {
		size_t plain = (size_t)(c->end - c->p);
		if (plain > want - c->decoded)
			plain = want - c->decoded;
		const char *escape = memchr(c->p, mark, plain);
		if (escape)
			plain = (size_t)(escape - c->p);
		c->p += plain;
		c->decoded += plain;
		if (escape)
			step_escape(c);
		INVARIANT(c->p <= c->end);
	}
}

static struct span
escaped(enum seg_form form, struct span text, struct arena *a)
{
	if (form == SEG_TEXT)
		return arena_dup(a, text);
	SCOPED_BUF(out, 0);
	if (form == SEG_JSON)
		buf_json(&out, text);
	else
		uri_encode(&out, text, form == SEG_FORM);
	return arena_kept(a, &out);
}

/* Writes one edit for a whole number or list of token ids. A number with placeholders is no
 * number, so it becomes a string. If the edited text is another reading of the number than its
 * literal, only the first placeholder remains. A list of token ids becomes its text. */
static int
splice_value(const struct segment *s, struct span raw, const struct text_edit *edits, size_t n,
	struct arena *a, struct splice *out)
{
	size_t at = 0;
	struct span text = s->form == SEG_TOKENS ? s->text : span_cut(raw, s->start, s->end);

	if (edits[n - 1].to > text.n || !span_starts(s->text, text)) {
		text = SPAN_LIT("");
		n = 1;
	}
	SCOPED_BUF(b, 0);
	buf_putc(&b, '"');
	for (size_t i = 0; i < n; i++) {
		buf_json(&b, span_cut(text, at, edits[i].from));
		buf_json(&b, edits[i].with);
		at = edits[i].to;
	}
	buf_json(&b, span_cut(text, at, text.n));
	buf_putc(&b, '"');
	*out = (struct splice){ s->start, s->end, arena_kept(a, &b) };
	return out->with.p ? 0 : ERR_NOMEM;
}

int
segment_splices(const struct segment *s, struct span raw, const struct text_edit *edits,
	size_t n, struct arena *a, struct splice *out, size_t *nout)
{
	struct cursor c = { s->form, raw.p + s->start, raw.p + s->end, 0 };
	size_t last = 0;

	*nout = 0;
	for (size_t i = 0; i < n; i++) {
		size_t from = edits[i].from, to = edits[i].to;
		if (to < from || to > s->text.n)
			return ERR_RANGE;
		from = utf8_begin(s->text, from);
		while (utf8_begin(s->text, to) < to)
			to++;
		if (from < last)
			return ERR_RANGE;
		last = to;
		out[i].start = from;
		out[i].end = to;
	}
	if (s->form == SEG_NUMBER || s->form == SEG_TOKENS) {
		*nout = 1;
		return splice_value(s, raw, edits, n, a, out);
	}
	for (size_t i = 0; i < n; i++) {
		struct splice *o = &out[i];
		if (s->escaped) {
			seek(&c, o->start);
			o->start = (size_t)(c.p - raw.p);
			seek(&c, o->end);
			o->end = (size_t)(c.p - raw.p);
		} else {
			o->start += s->start;
			o->end += s->start;
		}
		o->with = escaped(s->form, edits[i].with, a);
		if (!o->with.p)
			return ERR_NOMEM;
	}
	*nout = n;
	return 0;
}

static int
edit_by_start(const void *a, const void *b)
{
	const struct splice *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

int
splice_apply(struct span raw, struct splice *edits, size_t n, struct buf *out)
{
	size_t at = 0, size = raw.n;

	if (n > 1)
		qsort(edits, n, sizeof(*edits), edit_by_start);
	for (size_t i = 0; i < n; i++) {
		if (edits[i].start < at || edits[i].end < edits[i].start ||
			edits[i].end > raw.n)
			return ERR_RANGE;
		at = edits[i].end;
		size = size - (edits[i].end - edits[i].start) + edits[i].with.n;
	}
	buf_reserve(out, size);
	size_t had = out->n;
	at = 0;
	for (size_t i = 0; i < n; i++) {
		buf_put(out, raw.p + at, edits[i].start - at);
		buf_span(out, edits[i].with);
		at = edits[i].end;
	}
	buf_span(out, span_cut(raw, at, raw.n));
	INVARIANT(buf_failed(out) || out->n - had == size); /* no byte is lost or written twice */
	return buf_failed(out) ? ERR_NOMEM : 0;
}
