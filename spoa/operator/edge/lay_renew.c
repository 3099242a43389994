/* Renews the stanza of an earlier version in place.
 *
 * A line that an earlier version laid becomes this version's line for the same purpose, or is
 * dropped if there is none. New lines are added next to lines of their kind. Lines that init
 * did not lay stay. If a stanza has no line of an earlier version, it lacks only those that
 * shipped_later() names; the same is true of the complete example's second frontend. A stanza
 * whose frontend receives the second pass keeps that layout, because the operator's rules below
 * may depend on it. */
#include <stdio.h>

#include "base/scoped.h"
#include "operator/edge/judge_private.h"
#include "operator/edge/lay.h"

enum { LINES_MAX = 128 }; /* lines of the stanza and its routes */

/* State of renewing one section. */
struct renewal {
	struct lay *lay;
	const struct haproxy *h;
	const struct haproxy_section *s;
	struct haproxy pieces; /* the stanza's current lines, parsed */
	/* for each current line, the section's line for it; NULL: none */
	const struct haproxy_line *own[LINES_MAX];
	enum whose {
		/* the operator's */
		WHOSE_THEIRS,
		WHOSE_OURS, /* equals a current line, or becomes one */
		/* from an earlier version, and not yet assigned to a current line */
		WHOSE_EARLIER,
	} *
		whose; /* for each line of the section */
};

/* Returns the number of first words that state a line's purpose, without its condition. */
static size_t
words_of_purpose(const struct haproxy_line *l)
{
	return span_is(l->word[0], "use_backend")		? 2
	       : span_is(haproxy_word(l, 1), "send-spoe-group") ? 4
								: 3;
}

/* Returns the section's first line of this owner whose first n words equal those of a current
 * line, or NULL. */
static const struct haproxy_line *
find_alike(const struct renewal *r, const struct haproxy_line *want, enum whose whose, size_t n)
{
	for (size_t i = 0; i < r->s->n; i++) {
		size_t k = 0;
		if (r->whose[i] != whose)
			continue;
		while (k < n && span_eq(haproxy_word(&r->s->line[i], k), haproxy_word(want, k)))
			k++;
		if (k == n)
			return &r->s->line[i];
	}
	return NULL;
}

/* Returns true if the operator has a line for this purpose that init did not lay in this form.
 */
static bool
person_has_changed(const struct renewal *r, const struct haproxy_line *want)
{
	const struct haproxy_line *l =
		find_alike(r, want, WHOSE_THEIRS, words_of_purpose(want));

	return l &&
	       (span_is(want->word[0], "http-after-response") || line_holds(l, "tollgate"));
}

/* Writes the shipped line with the indent of `like`, and with the operator's own value from it
 * if `renews` is set. */
static void
put_indented(const struct haproxy_line *like, const struct haproxy_line *want, bool renews,
	struct buf *out)
{
	struct span text = span_trim(want->source, " \t"), source = like->source;
	const char *before = renews ? word_before_own_value(want) : NULL;
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

/* Returns the line next to which a new line belongs: the nearest earlier line of its kind,
 * otherwise the nearest later one, otherwise any earlier line. *after is true if the new line
 * goes below it. */
static const struct haproxy_line *
line_beside(const struct renewal *r, const struct haproxy_section *today, size_t i, bool *after)
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

/* Returns the place above a line and above the comments that belong to it, unless an .if is in
 * between. */
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

	next = renews ? r->own[i] : line_beside(r, today, i, &after);
	if (!next || (!renews && person_has_changed(r, want) &&
			     !line_holds(want, GATED_VARIABLE) && !shipped_later(want->source)))
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

/* Returns true for lines that the operator chooses: addresses, options, what passes the gate,
 * and the routes of the complete example. */
static bool
is_theirs(const struct haproxy_line *l)
{
	static const char *const words[] = { "bind", "option", "filter", "errorfile" };

	return SPAN_IN(l->word[0], words) || haproxy_begins(l, "acl", "tollgate") ||
	       (span_is(l->word[0], "use_backend") && reads_path(haproxy_word(l, 4)));
}

/* Returns the current lines of the stanza, or of the complete example's second frontend. */
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

/* Determines the owner of each line of the section. Returns true if the stanza is from an
 * earlier version. */
static bool
sort_lines(struct renewal *r, const struct haproxy_section *today)
{
	bool older = older_stanza(r->s) || !engine_of(r->s);

	for (size_t i = 0; i < today->n && i < LINES_MAX; i++) {
		const struct haproxy_line *own = r->own[i] =
			find_matching(r->s, &today->line[i]);
		if (own && own >= r->s->line && own < r->s->line + r->s->n)
			r->whose[own - r->s->line] = WHOSE_OURS;
	}
	for (size_t i = 0; i < r->s->n; i++) {
		const struct haproxy_line *l = &r->s->line[i];
		if (r->whose[i] == WHOSE_THEIRS && !l->negated && !is_theirs(l) &&
			shipped_earlier(lay_plain(r->lay->arena, l->source)))
			r->whose[i] = WHOSE_EARLIER;
		older |= r->whose[i] == WHOSE_EARLIER;
	}
	/* first by purpose, then by kind, in the order of the lines */
	for (int kind = 0; kind < 2; kind++)
		for (size_t i = 0; i < today->n && i < LINES_MAX; i++) {
			const struct haproxy_line *want = &today->line[i];
			if (r->own[i])
				continue;
			r->own[i] = find_alike(
				r, want, WHOSE_EARLIER, kind ? 2 : words_of_purpose(want));
			if (r->own[i])
				r->whose[r->own[i] - r->s->line] = WHOSE_OURS;
		}
	return older;
}

/* Renews the fetch of `acl tollgate`; the hosts are the operator's. The fetch of 0.1 did not
 * match a host with a trailing dot, so such a request bypassed the gate. */
static void
renew_hosts(struct renewal *r, const struct haproxy_line *l)
{
	static const char was[] = "req.hdr(host),host_only";

	if (!haproxy_begins(l, "acl", "tollgate") || !span_is(haproxy_word(l, 2), was))
		return;
	/* NULL: the operator quoted the text, and the line stays */
	const char *at = memmem(l->source.p, l->source.n, was, sizeof(was) - 1);
	if (!at)
		return;
	SCOPED_BUF(text, 64 << 10);
	size_t n = (size_t)(at - l->source.p) + sizeof(was) - 1;
	buf_printf(&text, "%.*s,rtrim(.)%.*s\n", SPAN_ARG(span_cut(l->source, 0, n)),
		SPAN_ARG(span_cut(l->source, n, l->source.n)));
	lay_add(r->lay, (struct lay_edit){ .file = l->file,
				.after = l->line - 1,
				.drop = true,
				.text = buf_view(&text) });
}

/* Compares the section's tollgate lines with the lines that this version ships: replaces a line
 * that differs, adds a missing line, and drops an earlier version's line that no current line
 * continues. */
void
lay_renew(struct lay *l, const struct haproxy *h, const struct haproxy_section *s)
{
	struct renewal r = { .lay = l, .h = h, .s = s };
	const struct haproxy_section *today = lines_of_today(&r);
	bool same[LINES_MAX], older;

	r.whose = arena_array(l->arena, s->n + 1, sizeof(*r.whose));
	if (!r.whose || !today) {
		haproxy_free(&r.pieces);
		return;
	}
	older = sort_lines(&r, today);
	for (size_t i = 0; i < today->n && i < LINES_MAX; i++)
		same[i] = r.own[i] && line_matches(r.own[i], &today->line[i]) &&
			  !line_deletes_arguments(r.own[i], &today->line[i]);
	for (size_t i = 0; i < today->n && i < LINES_MAX; i++)
		if (!same[i] && !is_theirs(&today->line[i]) &&
			(older || r.own[i] || shipped_later(today->line[i].source)))
			renew_line(&r, today, i);
	for (size_t i = 0; i < s->n; i++) {
		renew_hosts(&r, &s->line[i]);
		if (r.whose[i] == WHOSE_EARLIER)
			lay_add(l, (struct lay_edit){ .file = s->line[i].file,
					   .after = s->line[i].line - 1,
					   .drop = true });
	}
	haproxy_free(&r.pieces);
}
