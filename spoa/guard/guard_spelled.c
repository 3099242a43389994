/* A call's arguments are the text of a JSON document. What its escapes spell is scanned, since
 * that is what the tool gets: a name after \n, or one with \u00e9 in it, and no value that
 * begins with the n of an escape. What goes is as it was written (RFC 8259 7). */
#include "guard/guard_private.h"

static bool
is_spelled(const struct answer_text *t)
{
	return t->kind == KIND_ARGUMENTS && !t->deep && memchr(t->text.p, '\\', t->text.n);
}

struct span
guard_spelled(struct guard *g, const struct answer_text *t, struct span text)
{
	char unit[SPELLED_MOST];
	struct buf said;
	size_t n;

	if (!text.n || !is_spelled(t))
		return text;
	buf_init(&said, 0);
	for (size_t at = 0; at < text.n;) {
		at += spelled_unit(span_cut(text, at, text.n), true, unit, &n);
		buf_put(&said, unit, n);
	}
	struct span all;
	return guard_take(g, &said, &all) ? span_of(NULL, 0) : all;
}

void
guard_unspell(const struct answer_text *t, struct findings *found)
{
	size_t raw = 0, said = 0, n;
	char unit[SPELLED_MOST];

	if (!found->n || !is_spelled(t))
		return;
	for (size_t i = 0; i < 2 * found->n; i++) {
		struct finding *f = &found->v[i / 2];
		size_t *at = i % 2 ? &f->end : &f->start;
		while (said < *at && raw < t->text.n) {
			raw += spelled_unit(span_cut(t->text, raw, t->text.n), true, unit, &n);
			said += n;
		}
		*at = raw;
	}
}
