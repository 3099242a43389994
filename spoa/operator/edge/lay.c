/* The lines that the frontend and each backend get, and where they go. */
#include <stdio.h>

#include "base/scoped.h"
#include "operator/edge/judge_private.h"
#include "operator/edge/lay.h"

/* As the section's first line is indented. */
static struct span
indent_of(const struct haproxy_section *s)
{
	struct span source = s && s->n ? s->line[0].source : SPAN_LIT("    x");
	size_t n = 0;

	while (n < source.n && (source.p[n] == ' ' || source.p[n] == '\t'))
		n++;
	return span_cut(source, 0, n);
}

void
lay_add(struct lay *l, struct lay_edit edit)
{
	struct lay_edit *all =
		arena_grow(l->arena, l->edit, l->nedit, &l->edit_room, sizeof(*all), 64);

	if (!all)
		return;
	edit.text = arena_dup(l->arena, edit.text);
	l->edit = all;
	all[l->nedit++] = edit;
}

static void
insert_text(struct lay *l, const char *file, unsigned after, const struct buf *text)
{
	if (text->n)
		lay_add(l, (struct lay_edit){
				   .file = file, .after = after, .text = buf_view(text) });
}

/* A place in a section that is in none of its .if: what is laid there is there whatever they
 * say. Before or after that block. */
static unsigned
outside(const struct haproxy *h, const struct haproxy_section *s, unsigned after, bool before)
{
	for (size_t i = 0; i < h->nblock; i++) {
		const struct haproxy_block *b = &h->block[i];
		if (!strcmp(b->file, s->head->file) && b->from > s->head->line &&
			b->from <= after && after < b->to)
			return before ? b->from - 1 : b->to;
	}
	return after;
}

/* Whether a line of the section says this already; spacing and comments do not count. */
static bool
has_line(const struct haproxy_section *s, struct span line)
{
	struct haproxy one;
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;
	bool found = false;

	haproxy_init(&one);
	struct haproxy_line want = { .file = "", .line = 1, .source = line };
	if (haproxy_words(&one, &want))
		while (!found && (l = haproxy_next(&w))) {
			found = l->n == want.n;
			for (size_t i = 0; found && i < l->n; i++)
				found = span_eq(l->word[i], want.word[i]);
		}
	haproxy_free(&one);
	return found;
}

/* Those lines of a piece that the section lacks, without comments; the relay's bind for one
 * frontend alone. */
static void
piece_lines(struct lay *l, const struct haproxy_section *s, struct span piece, bool bind,
	struct buf *out)
{
	struct span indent = indent_of(s);

	while (piece.n) {
		struct span line = span_trim(span_next(&piece, '\n'), " \t");
		struct span acl = SPAN_LIT("acl tollgate ");
		if (line.n == 0 || *line.p == '#' || (s && has_line(s, line)) ||
			(!bind && span_starts(line, SPAN_LIT("bind "))))
			continue;
		buf_span(out, indent);
		if (l->host && span_starts(line, acl))
			buf_printf(out, "acl tollgate req.hdr(host),host_only,rtrim(.) %s-i %s",
				*l->host == '*' ? "-m end " : "", l->host + (*l->host == '*'));
		else
			buf_span(out, line);
		buf_putc(out, '\n');
	}
}

static void
lay_global(struct lay *l, const struct haproxy *h)
{
	const struct haproxy_section *s = haproxy_global(h);
	struct span piece = shipped_piece(PIECE_GLOBAL);

	SCOPED_BUF(out, 4096);
	if (!s)
		buf_str(&out, "global\n");
	while (piece.n) {
		struct span line = span_trim(span_next(&piece, '\n'), " \t"), rest = line;
		struct span word = span_next(&rest, ' ');
		const struct haproxy_line *own = NULL;
		if (line.n == 0 || *line.p == '#')
			continue;
		for (size_t i = 0; s && i < s->n; i++)
			if (span_eq(s->line[i].word[0], word))
				own = &s->line[i];
		if (!own)
			buf_printf(&out, "%.*s%.*s\n", SPAN_ARG(indent_of(s)), SPAN_ARG(line));
		else if (!has_line(s, line))
			buf_printf(&l->notes,
				"%s:%u: left as it is; tollgate's own is `%.*s`\n", own->file,
				own->line, SPAN_ARG(line));
	}
	if (s)
		insert_text(l, s->head->file,
			outside(h, s, s->n ? s->line[s->n - 1].line : s->head->line, false),
			&out);
	else if (h->n)
		insert_text(l, h->section[0].head->file, 0, &out);
}

/* After the bind lines; before the first use_backend. */
static void
lay_frontend(
	struct lay *l, const struct haproxy *h, const struct haproxy_section *s, bool inner)
{
	unsigned bind = s->head->line, route = 0, last = s->head->line;
	bool compresses = haproxy_last(s, "compression", NULL) != NULL, named = false;

	for (size_t i = 0; i < s->n; i++) {
		struct span word = s->line[i].word[0];
		if (span_is(word, "bind"))
			bind = s->line[i].line;
		if (!route &&
			(span_is(word, "use_backend") || span_is(word, "default_backend")))
			route = s->line[i].line;
		named |= span_is(word, "filter") &&
			 span_starts(haproxy_word(&s->line[i], 1), SPAN_LIT("comp"));
		last = s->line[i].line;
	}
	route = route ? outside(h, s, route - 1, true) : outside(h, s, last, false);
	bind = outside(h, s, bind, false);
	if (bind > route) /* ACLs are known from their line on */
		bind = route;
	SCOPED_BUF(out, 1 << 20);
	if (compresses && !named)
		buf_printf(&out, "%.*sfilter compression\n", SPAN_ARG(indent_of(s)));
	piece_lines(l, s, shipped_piece(PIECE_STANZA), inner, &out);
	insert_text(l, s->head->file, bind, &out);
	buf_clear(&out);
	piece_lines(l, s, shipped_piece(PIECE_ROUTES), false, &out);
	insert_text(l, s->head->file, route, &out);
}

/* The guard at the head; what a provider's answers need, where the person says nothing else. */
static void
lay_backend(struct lay *l, const struct haproxy_section *s, bool provider)
{
	static const char *const pages[] = { "502", "503", "504" };
	struct span indent = indent_of(s);

	SCOPED_BUF(out, 64 << 10);
	piece_lines(l, s, shipped_piece(PIECE_GUARD), false, &out);
	if (provider && out.n && !haproxy_own(s, "timeout", "server"))
		buf_printf(&out, "%.*stimeout server 10m\n", SPAN_ARG(indent));
	for (size_t i = 0; provider && out.n && i < COUNT_OF(pages); i++)
		if (!haproxy_own(s, "errorfile", pages[i]))
			buf_printf(&out, "%.*serrorfile %s /etc/haproxy/tollgate/503.http\n",
				SPAN_ARG(indent), pages[i]);
	insert_text(l, s->head->file, s->head->line, &out);
}

bool
lay_is_chosen(const struct lay *l, const struct haproxy_section *s)
{
	for (size_t i = 0; i < l->nbackend; i++)
		if (l->backend[i].section == s)
			return true;
	return false;
}

/* How many rules of the frontend answer a request by themselves: each may end the second pass.
 */
static size_t
answers_of(const struct haproxy_section *s)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *line;
	size_t n = 0;

	while ((line = haproxy_next(&w)))
		n += !line->negated && rule_answers(line);
	return n;
}

/* Where the relay's bind goes: into the frontend without rules that answer, else the one with
 * the fewest, whichever was named first. */
static const struct haproxy_section *
bind_into(const struct lay *l)
{
	const struct haproxy_section *best = NULL;

	for (size_t i = 0; i < l->nfront; i++)
		if (!engine_of(l->front[i]) && !answers_all(l->front[i]) &&
			(!best || answers_of(l->front[i]) < answers_of(best)))
			best = l->front[i];
	return best;
}

void
lay_edits(struct lay *l, const struct haproxy *h)
{
	const struct haproxy_section *inner = NULL, *to;
	bool global = false;

	for (size_t i = 0; i < h->n && !inner; i++)
		inner = inner_bind_of(&h->section[i]) ? &h->section[i] : NULL;
	to = inner ? NULL : bind_into(l);
	if (inner && !engine_of(inner))
		lay_renew(l, h, inner);
	for (size_t i = 0; i < l->nfront; i++)
		if (engine_of(l->front[i])) {
			/* the complete example's names no part: its stanza is no bolt-on's */
			if (haproxy_own(l->front[i], "acl", "tollgate"))
				lay_renew(l, h, l->front[i]);
		} else if (!answers_all(l->front[i])) {
			if (!global)
				lay_global(l, h);
			global = true;
			lay_frontend(l, h, l->front[i], l->front[i] == to);
		}
	for (size_t i = 0; i < h->n; i++) {
		const struct haproxy_section *s = &h->section[i];
		bool chosen = lay_is_chosen(l, s);
		if (is_back(s) && (chosen || (credential_of(s) && !unguarded_by_wish(s))) &&
			!span_starts(s->name, SPAN_LIT("tollgate-")))
			lay_backend(l, s, chosen);
	}
}
