/* Which frontend, which host, which backends; and the lines that each of them gets. */
#include <stdio.h>

#include "edge/judge.h"
#include "edge/lay.h"
#include "edge/shipped.h"

/* What a backend speaks, by what its name, its servers or its key's header hold. */
static const struct {
	const char *holds, *dialect;
} clues[] = {
	{ "anthropic", "anthropic" },
	{ "claude", "anthropic" },
	{ "openai", "openai" },
	{ "gpt", "openai" },
	{ "vllm", "openai" },
	{ "mistral", "openai" },
	{ "groq", "openai" },
};

static bool
holds(struct span s, const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i + n <= s.n; i++)
		if (span_ieq(span_cut(s, i, i + n), span_of(text, n)))
			return true;
	return false;
}

static const char *
dialect_of(const struct haproxy_section *s)
{
	for (size_t i = 0; i < COUNT_OF(clues); i++) {
		if (holds(s->name, clues[i].holds))
			return clues[i].dialect;
		for (size_t k = 0; k < s->n; k++)
			if (span_is(s->line[k].word[0], "server") &&
				holds(haproxy_word(&s->line[k], 2), clues[i].holds))
				return clues[i].dialect;
	}
	return NULL;
}

static bool
is_front(const struct haproxy_section *s)
{
	return s->kind == HAPROXY_FRONTEND || s->kind == HAPROXY_LISTEN;
}

static bool
speaks_http(const struct haproxy_section *s)
{
	const struct haproxy_line *mode = haproxy_last(s, "mode", NULL);

	return mode && span_is(haproxy_word(mode, 1), "http");
}

static bool
loads_engine(const struct haproxy_section *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (span_is(s->line[i].word[0], "filter") &&
			span_is(haproxy_word(&s->line[i], 1), "spoe") &&
			span_is(haproxy_word(&s->line[i], 3), "tollgate"))
			return true;
	return false;
}

static void
choose_frontend(struct lay *l, const struct haproxy *h, const char *named)
{
	const struct haproxy_section *only = NULL;
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++) {
		const struct haproxy_section *s = &h->section[i];
		if (!is_front(s) || !speaks_http(s))
			continue;
		if (loads_engine(s))
			l->laid = true;
		if (loads_engine(s) || (named && span_is(s->name, named)))
			l->front = s;
		only = s;
		n++;
	}
	if (l->front)
		return;
	if (n == 1 && !named) {
		l->front = only;
		return;
	}
	if (n == 0)
		buf_str(&l->choices,
			"no frontend speaks HTTP (mode http): README has a complete "
			"example for a HAProxy without one\n");
	else
		buf_printf(&l->choices, "--frontend %s%s; these speak HTTP:\n",
			named ? named : "NAME", named ? ": there is none" : "");
	for (size_t i = 0; i < h->n; i++)
		if (is_front(&h->section[i]) && speaks_http(&h->section[i]))
			buf_printf(&l->choices, "    --frontend %s\n", h->section[i].name.p);
}

/* The hosts that a frontend's ACLs name, each once: how many. */
static size_t
hosts_of(const struct haproxy_section *s, struct span *host, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct haproxy_line *line = &s->line[i];
		if (!span_is(line->word[0], "acl") ||
			!holds(haproxy_word(line, 2), "hdr(host)"))
			continue;
		for (size_t k = 3; k < line->n; k++) {
			struct span w = line->word[k];
			size_t at = 0;
			while (at < n && !span_ieq(host[at], w))
				at++;
			if (at == n && n < most && w.n && *w.p != '-')
				host[n++] = w;
		}
	}
	return n;
}

static void
choose_host(struct lay *l, const char *named)
{
	struct span host[16];

	l->host = named;
	if (named || !l->front || l->laid)
		return;
	size_t n = hosts_of(l->front, host, COUNT_OF(host));
	if (n == 1) {
		l->host = host[0].p;
		return;
	}
	buf_printf(&l->choices, "--host NAME: requests to it pass the gate%s\n",
		n ? "; these hosts are named in the frontend:" : "");
	for (size_t i = 0; i < n; i++)
		buf_printf(&l->choices, "    --host %s\n", host[i].p);
}

/* False: there is no room for it, and that was said. */
static bool
add_backend(struct lay *l, const struct haproxy_section *s, const char *dialect)
{
	for (size_t i = 0; i < l->nbackend; i++)
		if (l->backend[i].section == s) {
			buf_printf(&l->choices, "--backend %s: named twice\n", s->name.p);
			return true;
		}
	if (l->nbackend == LAY_BACKENDS_MAX) {
		buf_clear(&l->choices);
		buf_printf(&l->choices,
			"more than %d backends hold a credential: --backend NAME=DIALECT, "
			"once for each that the policy may name, %d at most; the others get "
			"the guard\n",
			LAY_BACKENDS_MAX, LAY_BACKENDS_MAX);
		return false;
	}
	l->backend[l->nbackend++] = (struct lay_backend){ s->name.p, dialect, s };
	return true;
}

/* A backend, or a listen that is not the gate, with somewhere to go. */
static bool
may_be_provider(const struct lay *l, const struct haproxy_section *s)
{
	bool server = false;

	for (size_t i = 0; i < s->n; i++)
		server |= span_is(s->line[i].word[0], "server") ||
			  span_is(s->line[i].word[0], "server-template");
	return server && (s->kind == HAPROXY_BACKEND || s->kind == HAPROXY_LISTEN) &&
	       s != l->front && !span_starts(s->name, SPAN_LIT("tollgate-"));
}

static void
ask_backend(struct lay *l, const struct haproxy *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++) {
		if (!may_be_provider(l, &h->section[i]))
			continue;
		if (n++ == 0)
			buf_str(&l->choices, "--backend NAME=DIALECT: no backend sets a "
					     "provider's key; which "
					     "of these lead to a model, and do they speak "
					     "openai, anthropic or "
					     "rest?\n");
		buf_printf(&l->choices, "    --backend %s=openai\n", h->section[i].name.p);
	}
	if (n == 0)
		buf_str(&l->choices,
			"no backend has a server: first write that of the provider, with its "
			"key and its server (README has one)\n");
}

static void
choose_backends(struct lay *l, const struct haproxy *h, const struct lay_wish *wish)
{
	for (size_t i = 0; i < wish->nbackend; i++) {
		const struct haproxy_section *s =
			backend_named(h, span_str(wish->backend[i].name));
		if (s)
			add_backend(l, s, wish->backend[i].dialect);
		else
			buf_printf(&l->choices, "--backend %s: HAProxy's files have none\n",
				wish->backend[i].name);
	}
	for (size_t i = 0; wish->nbackend == 0 && i < h->n; i++) {
		const struct haproxy_section *s = &h->section[i];
		bool back = s->kind == HAPROXY_BACKEND || s->kind == HAPROXY_LISTEN;
		if (!back || span_starts(s->name, SPAN_LIT("tollgate-")) || !credential_of(s))
			continue;
		const char *dialect = dialect_of(s);
		if (dialect && !add_backend(l, s, dialect))
			return;
		if (!dialect)
			buf_printf(&l->choices,
				"--backend %s=DIALECT: it holds a credential (line %u), and "
				"what "
				"it speaks is not clear: openai, anthropic or rest\n",
				s->name.p, credential_of(s)->line);
	}
	if (l->nbackend || l->choices.n)
		return;
	ask_backend(l, h);
}

/* The guard of a backend and the stanza of a frontend cannot be one: the guard would come
 * before what asks. */
static void
refuse_both(struct lay *l)
{
	const struct haproxy_section *s = l->front;
	const struct haproxy_line *key = s ? credential_of(s) : NULL;
	bool provider = false;

	for (size_t i = 0; i < l->nbackend; i++)
		provider |= l->backend[i].section == s;
	if (!s || l->laid || s->kind != HAPROXY_LISTEN || !(key || provider))
		return;
	buf_printf(&l->choices, "listen %s is where clients come in and ", s->name.p);
	if (key)
		buf_printf(&l->choices, "holds a credential (line %u)", key->line);
	else
		buf_str(&l->choices, "a provider's backend");
	buf_str(&l->choices,
		": make a frontend and a backend of it, with the key in the backend\n");
}

void
lay_choose(struct lay *l, const struct haproxy *h, const struct lay_wish *wish, struct arena *a)
{
	*l = (struct lay){ .arena = a };
	buf_init(&l->choices, 1 << 20);
	buf_init(&l->notes, 64 << 10);
	choose_frontend(l, h, wish->frontend);
	choose_host(l, wish->host);
	choose_backends(l, h, wish);
	refuse_both(l);
}

void
lay_free(struct lay *l)
{
	buf_free(&l->choices);
	buf_free(&l->notes);
}

/* ---- where what goes ---- */

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
insert(struct lay *l, const char *file, unsigned after, const struct buf *text)
{
	if (text->n)
		lay_add(l, (struct lay_edit){
				   .file = file, .after = after, .text = buf_view(text) });
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

/* Those lines of a piece that the section lacks, without comments. */
static void
piece_lines(struct lay *l, const struct haproxy_section *s, struct span piece, struct buf *out)
{
	struct span indent = indent_of(s);

	while (piece.n) {
		struct span line = span_trim(span_next(&piece, '\n'), " \t");
		struct span acl = SPAN_LIT("acl tollgate ");
		if (line.n == 0 || *line.p == '#' || (s && has_line(s, line)))
			continue;
		buf_span(out, indent);
		if (l->host && span_starts(line, acl))
			buf_printf(out, "acl tollgate req.hdr(host),host_only -i %s", l->host);
		else
			buf_span(out, line);
		buf_putc(out, '\n');
	}
}

static const struct haproxy_section *
global_of(const struct haproxy *h)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->section[i].kind == HAPROXY_GLOBAL)
			return &h->section[i];
	return NULL;
}

static void
lay_global(struct lay *l, const struct haproxy *h)
{
	const struct haproxy_section *s = global_of(h);
	struct span piece = shipped_piece(PIECE_GLOBAL);
	struct buf out;

	buf_init(&out, 4096);
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
		insert(l, s->head->file, s->n ? s->line[s->n - 1].line : s->head->line, &out);
	else if (h->n)
		insert(l, h->section[0].head->file, 0, &out);
	buf_free(&out);
}

/* After the bind lines; before the first use_backend. */
static void
lay_frontend(struct lay *l)
{
	const struct haproxy_section *s = l->front;
	unsigned bind = s->head->line, route = 0, last = s->head->line;
	bool compresses = haproxy_last(s, "compression", NULL) != NULL, named = false;
	struct buf out;

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
	buf_init(&out, 1 << 20);
	if (compresses && !named)
		buf_printf(&out, "%.*sfilter compression\n", SPAN_ARG(indent_of(s)));
	piece_lines(l, s, shipped_piece(PIECE_STANZA), &out);
	insert(l, s->head->file, bind, &out);
	buf_clear(&out);
	piece_lines(l, s, shipped_piece(PIECE_ROUTES), &out);
	insert(l, s->head->file, route ? route - 1 : last, &out);
	buf_free(&out);
}

static bool
page_of(const struct haproxy_section *s, const char *status)
{
	struct haproxy_walk w = { .chain = { s }, .depth = 1 };
	const struct haproxy_line *line;

	while ((line = haproxy_next(&w)))
		if (span_is(line->word[0], "errorfile") &&
			span_is(haproxy_word(line, 1), status))
			return true;
	return false;
}

/* The guard at the head; what a provider's answers need, where the person says nothing else. */
static void
lay_backend(struct lay *l, const struct haproxy_section *s, bool provider)
{
	static const char *const pages[] = { "502", "503", "504" };
	struct span indent = indent_of(s);
	struct buf out;
	bool slow = false;

	buf_init(&out, 64 << 10);
	piece_lines(l, s, shipped_piece(PIECE_GUARD), &out);
	for (size_t i = 0; i < s->n; i++)
		slow |= span_is(s->line[i].word[0], "timeout") &&
			span_is(haproxy_word(&s->line[i], 1), "server");
	if (provider && out.n && !slow)
		buf_printf(&out, "%.*stimeout server 10m\n", SPAN_ARG(indent));
	for (size_t i = 0; provider && out.n && i < COUNT_OF(pages); i++)
		if (!page_of(s, pages[i]))
			buf_printf(&out, "%.*serrorfile %s /etc/haproxy/tollgate/503.http\n",
				SPAN_ARG(indent), pages[i]);
	insert(l, s->head->file, s->head->line, &out);
	buf_free(&out);
}

static bool
is_provider(const struct lay *l, const struct haproxy_section *s)
{
	for (size_t i = 0; i < l->nbackend; i++)
		if (l->backend[i].section == s)
			return true;
	return false;
}

void
lay_edits(struct lay *l, const struct haproxy *h)
{
	if (!l->laid) {
		lay_global(l, h);
		lay_frontend(l);
	}
	for (size_t i = 0; i < h->n; i++) {
		const struct haproxy_section *s = &h->section[i];
		bool back = s->kind == HAPROXY_BACKEND || s->kind == HAPROXY_LISTEN;
		if (back &&
			(is_provider(l, s) || (credential_of(s) && !unguarded_by_wish(s))) &&
			!span_starts(s->name, SPAN_LIT("tollgate-")))
			lay_backend(l, s, is_provider(l, s));
	}
}
