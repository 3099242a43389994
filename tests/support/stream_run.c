/* Feeds a text to a stream in pieces, and checks the order and the offsets of its output. */
#include <stdlib.h>

#include "support/stream_run.h"

int
stream_run_take(void *arg, const struct stream_piece *p)
{
	struct stream_run *r = arg;

	r->pieces++;
	r->wrong |= p->start != r->text.n || p->text.n == 0;
	buf_span(&r->text, p->text);
	if (p->kind == PIECE_TEXT) {
		buf_span(&r->out, p->text);
	} else if (p->kind == PIECE_UNREAD) {
		r->unread += p->text.n;
		if (!p->more)
			buf_putc(&r->out, '!');
	} else if (p->more) {
		r->wrong |= r->n == 0 || r->found[r->n - 1].end != p->start;
		if (r->n)
			r->found[r->n - 1].end = p->finding.end;
	} else if (r->n < STREAM_FOUND_MAX) {
		r->wrong |=
			p->finding.start != p->start || p->finding.end != p->start + p->text.n;
		r->found[r->n++] = p->finding;
		buf_putc(&r->out, '?');
	}
	return 0;
}

int
stream_run(struct stream_run *r, const struct detect_rules *rules,
	struct detect_scratch *scratch, const struct detect_options *opt, struct span text,
	const size_t *at, size_t nat, size_t each)
{
	struct detect_stream *s = detect_stream_new(rules, opt);
	int err = 0;

	if (!s)
		abort();
	r->n = r->pieces = r->unread = r->held = 0;
	r->wrong = false;
	buf_clear(&r->text);
	buf_clear(&r->out);
	for (size_t from = 0, i = 0; !err && from < text.n;) {
		size_t to = text.n;
		if (each)
			to = from + each;
		else if (i < nat)
			to = at[i++];
		struct span delta = span_cut(text, from, to);
		/* An allocation of its own, so that a sanitizer sees reads beyond its end. */
		char *copy = malloc(delta.n + 1);
		if (!copy)
			abort();
		if (delta.n)
			memcpy(copy, delta.p, delta.n);
		err = detect_stream_feed(
			s, scratch, span_of(copy, delta.n), stream_run_take, r);
		free(copy);
		if (detect_stream_held(s) > r->held)
			r->held = detect_stream_held(s);
		r->wrong |= !err && detect_stream_held(s) + r->text.n != from + delta.n;
		from += delta.n;
		if (r->given)
			r->given[from] = r->text.n;
	}
	if (!err)
		err = detect_stream_finish(s, scratch, stream_run_take, r);
	detect_stream_free(&s);
	return err;
}

bool
stream_run_same(const struct stream_run *a, const struct stream_run *b)
{
	if (a->n != b->n || a->unread != b->unread ||
		!span_eq(buf_view(&a->text), buf_view(&b->text)) ||
		!span_eq(buf_view(&a->out), buf_view(&b->out)))
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->found[i].entity != b->found[i].entity ||
			a->found[i].start != b->found[i].start ||
			a->found[i].end != b->found[i].end ||
			a->found[i].flags != b->found[i].flags ||
			a->found[i].score < b->found[i].score ||
			a->found[i].score > b->found[i].score)
			return false;
	return true;
}
