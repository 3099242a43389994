/* An older stanza, renewed where it is: each of its lines that says what ours said becomes what
 * ours says now, and new lines come next to those of their kind. One that decides once what
 * passes lacks those alone that came later; so does the complete example's second frontend. A
 * stanza in whose frontend the second pass comes in keeps that: the person's rules below it may
 * count on it. */
#include <stdio.h>

#include "base/scoped.h"
#include "operator/edge/judge_private.h"
#include "operator/edge/lay.h"

enum { LINES_MAX = 128 }; /* of the stanza and its routes */

struct renewal {
	struct lay *lay;
	const struct haproxy *h;
	const struct haproxy_section *s;
	struct haproxy pieces;			   /* the stanza's lines of today */
	const struct haproxy_line *own[LINES_MAX]; /* what the section has of each */
};

/* A line of the section that says this; free words of the person's own aside. */
static const struct haproxy_line *
find_text(struct renewal *r, struct span text)
{
	struct haproxy_line want = { .file = "", .line = 1, .source = text };

	return text.n && haproxy_words(&r->pieces, &want) ? find_saying(r->s, &want) : NULL;
}

/* Another line that does the same thing, as the person has it. */
static bool
has_alike(const struct haproxy_section *s, const struct haproxy_line *want)
{
	size_t key = span_is(want->word[0], "use_backend") ? 2 : 3;

	for (size_t i = 0; i < s->n; i++) {
		size_t k = 0;
		while (k < key && span_eq(haproxy_word(&s->line[i], k), haproxy_word(want, k)))
			k++;
		if (k == key)
			return true;
	}
	return false;
}

/* Text with the indent of a line, and the person's own word in it. */
static void
put_indented(const struct haproxy_line *like, const struct haproxy_line *want, bool renews,
	struct buf *out)
{
	struct span text = span_trim(want->source, " \t"), source = like->source;
	const char *before = renews ? before_own_word(want) : NULL;
	struct span theirs = before ? value_after(like, 2, before) : span_of("", 0),
		    ours = before ? value_after(want, 2, before) : theirs;
	const char *p = ours.n ? memmem(text.p, text.n, ours.p, ours.n) : NULL;
	size_t n = 0;

	while (n < source.n && (source.p[n] == ' ' || source.p[n] == '\t'))
		n++;
	buf_span(out, span_cut(source, 0, n));
	if (p && theirs.n) {
		buf_put(out, text.p, (size_t)(p - text.p));
		buf_span(out, theirs);
		text = span_cut(text, (size_t)(p - text.p) + ours.n, text.n);
	}
	buf_span(out, text);
	buf_putc(out, '\n');
}

/* The nearest line of its kind that is there: before it, else after it; else the one before it.
 */
static const struct haproxy_line *
neighbour(const struct renewal *r, const struct haproxy_section *today, size_t i, bool *after)
{
	struct span kind = today->line[i].word[0];

	*after = true;
	for (size_t k = i; k-- > 0;)
		if (r->own[k] && span_eq(today->line[k].word[0], kind))
			return r->own[k];
	*after = false;
	for (size_t k = i + 1; k < today->n; k++)
		if (r->own[k] && span_eq(today->line[k].word[0], kind))
			return r->own[k];
	*after = true;
	for (size_t k = i; k-- > 0;)
		if (r->own[k])
			return r->own[k];
	return NULL;
}

/* The place before a line and before the comments above it, which are about it: none in whose
 * way an .if is. */
static unsigned
before_comments(const struct renewal *r, const struct haproxy_line *l)
{
	unsigned after = !strcmp(r->s->head->file, l->file) ? r->s->head->line : 0;

	for (size_t i = 0; i < r->s->n; i++)
		if (!strcmp(r->s->line[i].file, l->file) && r->s->line[i].line < l->line &&
			r->s->line[i].line > after)
			after = r->s->line[i].line;
	for (size_t i = 0; i < r->h->nblock; i++) {
		const struct haproxy_block *b = &r->h->block[i];
		if (!strcmp(b->file, l->file) && b->from < l->line && b->to > after)
			return l->line - 1;
	}
	return after ? after : l->line - 1;
}

static void
renew_line(struct renewal *r, const struct haproxy_section *today, size_t i)
{
	const struct haproxy_line *want = &today->line[i], *next;
	bool renews = r->own[i] != NULL, after = false;

	next = renews ? r->own[i] : neighbour(r, today, i, &after);
	if (!next || (!renews && has_alike(r->s, want) && !line_holds(want, GATED_VARIABLE) &&
			     !shipped_later(want->source)))
		return;
	SCOPED_BUF(text, 64 << 10);
	put_indented(next, want, renews, &text);
	lay_add(r->lay, (struct lay_edit){ .file = next->file,
				.after = renews	 ? next->line - 1
					 : after ? next->line
						 : before_comments(r, next),
				.drop = renews,
				.text = buf_view(&text) });
}

/* Where it listens, what passes and what callers are told is the person's; what the relay is
 * told is not. */
static bool
is_theirs(const struct haproxy_line *l)
{
	if (shipped_later(l->source))
		return false;
	static const char *const words[] = { "bind", "option", "filter",
		"http-after-response" };

	return SPAN_IN(l->word[0], words) || haproxy_begins(l, "acl", "tollgate");
}

/* The stanza's lines of today, or of the complete example's second frontend. */
static const struct haproxy_section *
lines_of_today(struct renewal *r)
{
	const struct haproxy_section *today = NULL;

	haproxy_init(&r->pieces);
	bool joint = joint_stanza(r->s) || older_stanza(r->s);
	SCOPED_BUF(text, 1 << 20);
	buf_printf(&text, "frontend stanza\n%.*s%.*s",
		SPAN_ARG(shipped_piece(joint ? PIECE_JOINT_STANZA : PIECE_STANZA)),
		SPAN_ARG(shipped_piece(joint ? PIECE_JOINT_ROUTES : PIECE_ROUTES)));
	haproxy_read_text(&r->pieces, "bolt-on.cfg", buf_view(&text));
	haproxy_read_text(&r->pieces, "haproxy.cfg", shipped("haproxy/haproxy.cfg"));
	for (size_t i = 0; i < r->pieces.n; i++)
		if (span_is(r->pieces.section[i].name, engine_of(r->s) ? "stanza" : "egress"))
			today = &r->pieces.section[i];
	return today;
}

void
lay_renew(struct lay *l, const struct haproxy *h, const struct haproxy_section *s)
{
	struct renewal r = { .lay = l, .h = h, .s = s };
	bool same[LINES_MAX] = { false }, older = older_stanza(s);
	const struct haproxy_section *today = lines_of_today(&r);

	SCOPED_BUF(text, 1 << 20);
	for (size_t i = 0; today && i < today->n && i < LINES_MAX; i++) {
		buf_clear(&text);
		shipped_older(span_trim(today->line[i].source, " \t"), &text);
		r.own[i] = find_saying(s, &today->line[i]);
		same[i] = r.own[i] && !line_deletes_arguments(r.own[i], &today->line[i]);
		if (!r.own[i] && older)
			r.own[i] = find_text(&r, arena_dup(l->arena, buf_view(&text)));
	}
	for (size_t i = 0; today && i < today->n && i < LINES_MAX; i++)
		if (!same[i] && !is_theirs(&today->line[i]) &&
			(older || r.own[i] || shipped_later(today->line[i].source)))
			renew_line(&r, today, i);
	haproxy_free(&r.pieces);
}
