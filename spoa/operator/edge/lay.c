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

/* A block of lines with its marks. */
static void
insert_block(struct lay *l, const struct haproxy_section *s, const char *name, const char *file,
	unsigned after, const struct buf *text)
{
	struct span indent = indent_of(s);

	if (!text->n)
		return;
	SCOPED_BUF(out, 1 << 20);
	buf_printf(&out,
		"%.*s" LAY_BEGIN " %s, laid by tollgate init\n%.*s%.*s" LAY_END " %s\n",
		SPAN_ARG(indent), name, SPAN_ARG(buf_view(text)), SPAN_ARG(indent), name);
	lay_add(l, (struct lay_edit){ .file = file, .after = after, .text = buf_view(&out) });
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

/* What names the hosts that pass; ACLs of one name are alternatives. */
static void
put_hosts(const struct lay *l, struct span indent, struct buf *out)
{
	for (int below = 0; below < 2; below++) { /* *.name: all below it */
		bool begun = false;
		for (size_t i = 0; i < l->nhost; i++) {
			const char *host = l->host[i];
			if ((*host == '*') != below)
				continue;
			if (!begun)
				buf_printf(out,
					"%.*sacl tollgate req.hdr(host),host_only,rtrim(.) %s-i",
					SPAN_ARG(indent), below ? "-m end " : "");
			begun = true;
			buf_printf(out, " %s", host + below);
		}
		if (begun)
			buf_putc(out, '\n');
	}
}

/* Those lines of a piece that the section lacks, without the lines that are comments. */
static void
piece_lines(
	struct lay *l, const struct haproxy_section *s, struct span piece, struct buf *out)
{
	struct span indent = indent_of(s);

	while (piece.n) {
		struct span line = span_trim(span_next(&piece, '\n'), " \t");
		if (line.n == 0 || *line.p == '#' || (s && has_line(s, line)))
			continue;
		if (l->nhost && span_starts(line, SPAN_LIT("acl tollgate ")))
			put_hosts(l, indent, out);
		else
			buf_printf(out, "%.*s%.*s\n", SPAN_ARG(indent), SPAN_ARG(line));
	}
}

/* inner: whether the second pass gets the frontend of tollgate.cfg. */
static void
lay_global(struct lay *l, const struct haproxy *h, bool inner)
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
		bool set = span_is(word, "setenv");
		if (line.n == 0 || *line.p == '#' || (set && !inner))
			continue;
		l->lays_switch |= set;
		for (size_t i = 0; s && i < s->n; i++)
			if (span_eq(s->line[i].word[0], word) &&
				(!set || span_is(haproxy_word(&s->line[i], 1), INNER_SWITCH)))
				own = &s->line[i];
		if (!own)
			buf_printf(&out, "%.*s%.*s\n", SPAN_ARG(indent_of(s)), SPAN_ARG(line));
		else if (!has_line(s, line))
			buf_printf(&l->notes,
				"%s:%u: left as it is; tollgate's own is `%.*s`\n", own->file,
				own->line, SPAN_ARG(line));
	}
	if (s)
		insert_block(l, s, "global", s->head->file,
			outside(h, s, s->n ? s->line[s->n - 1].line : s->head->line, false),
			&out);
	else if (h->n)
		insert_block(l, NULL, "global", h->section[0].head->file, 0, &out);
}

/* Before this line of the frontend the stanza stands: it routes, it lets requests pass all that
 * comes after it, or it gives them another host than the one that names what passes. */
static bool
ends_place(const struct haproxy_line *l)
{
	return !l->negated &&
	       (span_is(l->word[0], "use_backend") ||
		       haproxy_begins(l, "http-request", "allow") || rule_changes_host(l));
}

/* Below the person's own rules, so that whom they refuse nobody asks about. */
static void
lay_frontend(struct lay *l, const struct haproxy *h, const struct haproxy_section *s)
{
	unsigned last = s->head->line, place;
	bool compresses = haproxy_last(s, "compression", NULL) != NULL, named = false;
	const struct haproxy_line *end = NULL;

	for (size_t i = 0; i < s->n; i++) {
		named |= haproxy_begins(&s->line[i], "filter", "compression") ||
			 haproxy_begins(&s->line[i], "filter", "comp-req");
		if (!end && ends_place(&s->line[i]))
			end = &s->line[i];
		last = end ? last : s->line[i].line;
	}
	place = outside(h, s, last, false);
	if (end && outside(h, s, end->line - 1, true) < place)
		place = outside(h, s, end->line - 1, true);
	SCOPED_BUF(out, 1 << 20);
	if (compresses && !named)
		buf_printf(&out, "%.*sfilter compression\n", SPAN_ARG(indent_of(s)));
	piece_lines(l, s, shipped_piece(PIECE_STANZA), &out);
	piece_lines(l, s, shipped_piece(PIECE_ROUTES), &out);
	insert_block(l, s, "stanza", s->head->file, place, &out);
}

/* The guard at the head; what a provider's answers need, where the person says nothing else. */
static void
lay_backend(struct lay *l, const struct haproxy_section *s, bool provider)
{
	static const char *const pages[] = { "502", "503", "504" };
	struct span indent = indent_of(s);

	SCOPED_BUF(out, 64 << 10);
	piece_lines(l, s, shipped_piece(PIECE_GUARD), &out);
	if (provider && out.n && !haproxy_own(s, "timeout", "server"))
		buf_printf(&out, "%.*stimeout server 10m\n", SPAN_ARG(indent));
	for (size_t i = 0; provider && out.n && i < COUNT_OF(pages); i++)
		if (!haproxy_own(s, "errorfile", pages[i]))
			buf_printf(&out, "%.*serrorfile %s /etc/haproxy/tollgate/503.http\n",
				SPAN_ARG(indent), pages[i]);
	insert_block(l, s, "guard", s->head->file, s->head->line, &out);
}

bool
lay_guards(const struct lay *l, const struct haproxy_section *s)
{
	return is_back(s) && !span_starts(s->name, SPAN_LIT("tollgate-")) &&
	       (lay_is_chosen(l, s) || (credential_of(s) && !unguarded_by_wish(s)));
}

bool
lay_is_chosen(const struct lay *l, const struct haproxy_section *s)
{
	for (size_t i = 0; i < l->nbackend; i++)
		if (l->backend[i].section == s)
			return true;
	return false;
}

void
lay_edits(struct lay *l, const struct haproxy *h)
{
	const struct haproxy_section *inner = NULL;
	bool global = false;

	for (size_t i = 0; i < h->n && !inner; i++)
		inner = inner_bind_of(&h->section[i]) ? &h->section[i] : NULL;
	if (inner && !engine_of(inner))
		lay_renew(l, h, inner);
	for (size_t i = 0; i < l->nfront; i++)
		if (engine_of(l->front[i])) {
			/* the complete example's names no part: its stanza is no bolt-on's */
			if (haproxy_own(l->front[i], "acl", "tollgate"))
				lay_renew(l, h, l->front[i]);
		} else if (!answers_all(l->front[i])) {
			if (!global)
				lay_global(l, h, !inner);
			global = true;
			lay_frontend(l, h, l->front[i]);
		}
	for (size_t i = 0; i < h->n; i++)
		if (lay_guards(l, &h->section[i]))
			lay_backend(l, &h->section[i], lay_is_chosen(l, &h->section[i]));
}
