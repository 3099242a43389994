/* Computes the lines that the frontend and each backend get, and where they are inserted. */
#include <stdio.h>

#include "base/scoped.h"
#include "operator/edge/judge_private.h"
#include "operator/edge/lay.h"

/* Returns the indent of the section's first line. */
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

/* Inserts a block of lines between its marks. */
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

/* Returns a line of the section after which text can be inserted outside every .if, so that the
 * text always applies. If `after` is inside an .if, the result is before or behind that block.
 */
static unsigned
place_outside_ifs(
	const struct haproxy *h, const struct haproxy_section *s, unsigned after, bool before)
{
	for (size_t i = 0; i < h->nblock; i++) {
		const struct haproxy_block *b = &h->block[i];
		if (!strcmp(b->file, s->head->file) && b->from > s->head->line &&
			b->from <= after && after < b->to)
			return before ? b->from - 1 : b->to;
	}
	return after;
}

/* Returns true if the section has this line, apart from spaces and comments. */
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

/* Writes `acl tollgate` with the chosen hosts. Two ACLs of one name are alternatives. */
static void
put_hosts(const struct lay *l, struct span indent, struct buf *out)
{
	/* second pass: *.name, which stands for all hosts below `name` */
	for (int below = 0; below < 2; below++) {
		bool begun = false;
		for (size_t i = 0; i < l->nhost; i++) {
			const char *host = l->host[i];
			if ((*host == '*') != below)
				continue;
			if (!begun)
				buf_printf(out,
					"%.*sacl tollgate req.hdr(host),host_only,rtrim(.) "
					"%s-i",
					SPAN_ARG(indent), below ? "-m end " : "");
			begun = true;
			buf_printf(out, " %s", host + below);
		}
		if (begun)
			buf_str(out, "  # what passes\n");
	}
}

/* Returns true for a line of the stanza that may be in `defaults`: it names no ACL, and its
 * order relative to the operator's rules does not matter. */
static bool
is_answer_line(struct span line)
{
	static const char *const words[] = { "http-after-response", "http-response", "option" };

	return SPAN_IN(span_next(&line, ' '), words);
}

/* which lines of a piece: all, those for responses, or the others */
enum part { ALL, ANSWERS, OTHERS };

/* Writes the selected lines of a piece that the section lacks, without comment lines. */
static void
piece_lines(struct lay *l, const struct haproxy_section *s, struct span piece, enum part part,
	struct buf *out)
{
	struct span indent = indent_of(s);

	while (piece.n) {
		struct span line = span_trim(span_next(&piece, '\n'), " \t");
		if (line.n == 0 || *line.p == '#' || (s && has_line(s, line)) ||
			(part != ALL && is_answer_line(line) != (part == ANSWERS)))
			continue;
		if (l->nhost && span_starts(line, SPAN_LIT("acl tollgate ")))
			put_hosts(l, indent, out);
		else
			buf_printf(out, "%.*s%.*s\n", SPAN_ARG(indent), SPAN_ARG(line));
	}
}

/* Adds the lines of `global`. inner: tollgate.cfg provides the frontend of the second pass, so
 * the switch is needed. */
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
				"%s:%u: this line was left unchanged; tollgate ships `%.*s`\n",
				own->file, own->line, SPAN_ARG(line));
	}
	if (s)
		insert_block(l, s, "global", s->head->file,
			place_outside_ifs(
				h, s, s->n ? s->line[s->n - 1].line : s->head->line, false),
			&out);
	else if (h->n)
		insert_block(l, NULL, "global", h->section[0].head->file, 0, &out);
}

/* ---- defaults for responses ---- */

static bool
in_block(const struct haproxy *h, const struct haproxy_line *l)
{
	for (size_t i = 0; i < h->nblock; i++)
		if (!strcmp(h->block[i].file, l->file) && h->block[i].from < l->line &&
			l->line < h->block[i].to)
			return true;
	return false;
}

static size_t
sections_named(const struct haproxy *h, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		n += h->section[i].kind == HAPROXY_DEFAULTS &&
		     span_is(h->section[i].name, name);
	return n;
}

/* Returns NAME, NAME-2 and so on: the first name that no defaults section has. */
static const char *
free_name(struct lay *l, const struct haproxy *h, const char *name, size_t nth)
{
	for (;; nth++) {
		const char *is = nth ? arena_printf(l->arena, "%s-%zu", name, nth + 1).p : name;
		if (arena_failed(l->arena) || !sections_named(h, is))
			return is;
	}
}

/* Returns the defaults of the frontend if new defaults can inherit from them, otherwise NULL.
 * They cannot if they have rules (`defaults` do not inherit rules from others), if two have the
 * same name, if one is inside an .if, or if the section is a `listen`, which takes no rules
 * from defaults (configuration.txt 4). */
static const struct haproxy_section *
defaults_base(const struct haproxy *h, const struct haproxy_section *s)
{
	static const char *const rules[] = { "acl", "http-after-response", "http-request",
		"http-response", "tcp-request", "tcp-response" };
	const struct haproxy_section *base = s->defaults;

	if (base && span_starts(base->name, SPAN_LIT("tollgate-rest")))
		base = base->defaults;
	if (!base || s->kind != HAPROXY_FRONTEND || s->head->maybe || in_block(h, s->head) ||
		(h->version[0] && !haproxy_version_atleast(h, 2, 6, 0)))
		return NULL;
	for (const struct haproxy_section *d = base; d; d = d->defaults) {
		if (d->head->maybe || in_block(h, d->head))
			return NULL;
		for (size_t i = 0; i < d->n; i++)
			if (SPAN_IN(d->line[i].word[0], rules))
				return NULL;
	}
	if (base->name.n ? sections_named(h, base->name.p) > 1 : base->head->n > 1)
		return NULL;
	return base;
}

/* Lays the `answers` block below the defaults of the frontend, unless it exists, and returns
 * the name of the defaults with the lines for responses. Returns NULL if these lines must be in
 * the stanza.
 *
 * The block also names a third section, equal to the original, with which everything below
 * begins. Otherwise HAProxy would warn of a `defaults` section that some proxies name and
 * others inherit implicitly. */
static const char *
lay_answers(struct lay *l, const struct haproxy *h, const struct haproxy_section *s)
{
	const struct haproxy_section *base = defaults_base(h, s);
	const char *name;

	if (!base || l->nbase == LAY_BASES_MAX)
		return NULL;
	for (size_t i = 0; i < l->nbase; i++)
		if (l->base[i] == base)
			return l->answers[i];
	for (size_t i = 0; i < h->n && &h->section[i] < s; i++)
		if (h->section[i].defaults == base && h->section[i].kind == HAPROXY_DEFAULTS &&
			span_starts(h->section[i].name, SPAN_LIT("tollgate-gate")))
			return h->section[i].name.p;
	const char *from = base->name.p;
	if (!base->name.n) {
		from = free_name(l, h, "tollgate-base", l->nbase);
		SCOPED_BUF(line, 4096);
		buf_printf(&line, "defaults %s  " LAY_WAS "%.*s\n", from,
			SPAN_ARG(base->head->source));
		lay_add(l, (struct lay_edit){ .file = base->head->file,
				   .after = base->head->line - 1,
				   .drop = true,
				   .text = buf_view(&line) });
	}
	name = free_name(l, h, "tollgate-gate", l->nbase);
	SCOPED_BUF(out, 1 << 20);
	buf_printf(&out,
		LAY_BEGIN " answers, laid by tollgate init\ndefaults %s from %s  # what "
			  "callers of the gate are told\n",
		name, from);
	piece_lines(l, NULL, shipped_piece(PIECE_STANZA), ANSWERS, &out);
	buf_printf(&out,
		"defaults %s from %s  # what comes below begins as it did before\n" LAY_END
		" answers\n",
		free_name(l, h, "tollgate-rest", l->nbase), from);
	unsigned last = base->n ? base->line[base->n - 1].line : base->head->line;
	lay_add(l, (struct lay_edit){ .file = base->head->file,
			   .after = place_outside_ifs(h, base, last, false),
			   .text = buf_view(&out) });
	l->base[l->nbase] = base;
	l->answers[l->nbase++] = name;
	return name;
}

/* Writes the frontend's line with other defaults. */
static void
put_front_head(const struct haproxy_section *s, const char *defaults, struct buf *out)
{
	size_t from = 1;

	while (from < s->head->n && !span_is(s->head->word[from], "from"))
		from++;
	for (size_t i = 0; i < from; i++)
		buf_printf(out, "%.*s ", SPAN_ARG(s->head->word[i]));
	buf_printf(out, "from %s ", defaults);
	for (size_t i = from + 2; i < s->head->n; i++)
		buf_printf(out, "%.*s ", SPAN_ARG(s->head->word[i]));
	buf_printf(out, " " LAY_WAS "%.*s\n", SPAN_ARG(s->head->source));
}

/* ---- the frontend ---- */

/* Returns true if the stanza must be above this line: a route, an `allow`, or a rule that
 * changes the host by which `acl tollgate` selects. */
static bool
ends_place(const struct haproxy_line *l)
{
	return !l->negated &&
	       (span_is(l->word[0], "use_backend") ||
		       haproxy_begins(l, "http-request", "allow") || rule_changes_host(l));
}

/* Adds the stanza below the operator's rules, so that requests which those refuse never reach
 * the daemon. */
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
	place = place_outside_ifs(h, s, last, false);
	if (end && place_outside_ifs(h, s, end->line - 1, true) < place)
		place = place_outside_ifs(h, s, end->line - 1, true);
	SCOPED_BUF(out, 1 << 20);
	const char *answers = lay_answers(l, h, s);
	if (answers) {
		put_front_head(s, answers, &out);
		lay_add(l, (struct lay_edit){ .file = s->head->file,
				   .after = s->head->line - 1,
				   .drop = true,
				   .text = buf_view(&out) });
	}
	buf_clear(&out);
	if (compresses && !named)
		buf_printf(&out, "%.*sfilter compression\n", SPAN_ARG(indent_of(s)));
	piece_lines(l, s, shipped_piece(PIECE_STANZA), answers ? OTHERS : ALL, &out);
	piece_lines(l, s, shipped_piece(PIECE_ROUTES), ALL, &out);
	insert_block(l, s, "stanza", s->head->file, place, &out);
}

/* Adds the guard at the head of the backend. A provider's backend also gets a timeout and error
 * pages, unless the operator has set them. */
static void
lay_backend(struct lay *l, const struct haproxy_section *s, bool provider)
{
	static const char *const pages[] = { "502", "503", "504" };
	struct span indent = indent_of(s);

	SCOPED_BUF(out, 64 << 10);
	piece_lines(l, s, shipped_piece(PIECE_GUARD), ALL, &out);
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
	const struct haproxy_section *inner = inner_of(h);
	bool global = false;

	if (inner && !engine_of(inner))
		lay_renew(l, h, inner);
	for (size_t i = 0; i < l->nfront; i++)
		if (engine_of(l->front[i])) {
			/* the complete example has no `acl tollgate` and is not renewed as a
			 * bolt-on */
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
