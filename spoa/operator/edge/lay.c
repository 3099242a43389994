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

/* Writes `acl tollgate` with the chosen hosts, or with those that the stanza of `s` lacks. Two ACLs
 * of one name are alternatives. */
static void
put_hosts(const struct lay *l, const struct haproxy_section *s, struct span indent, struct buf *out)
{
	/* second pass: *.name, which stands for all hosts below `name` */
	for (int below = 0; below < 2; below++) {
		bool begun = false;
		for (size_t i = 0; i < l->nhost; i++) {
			const char *host = l->host[i];
			if ((*host == '*') != below || (s && lay_gates_host(s, span_str(host))))
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
			buf_str(out, "  # requests to these hosts pass the gate\n");
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

/* the lines of a piece to take: all, those for responses, or the others */
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
			put_hosts(l, NULL, indent, out);
		else
			buf_printf(out, "%.*s%.*s\n", SPAN_ARG(indent), SPAN_ARG(line));
		if (span_starts(line,
			    SPAN_LIT("http-request set-var(" GATED_VARIABLE ") bool(true)")))
			lay_exceptions(l, indent, out);
	}
}

/* Returns the value of a variable that HAProxy's files or environment set, or an empty span. */
static struct span
variable_of(const struct haproxy *h, const char *name)
{
	struct span value = { NULL, 0 };

	for (size_t i = 0; i < h->nvariable; i++) {
		struct span rest = h->variable[i];
		if (span_is(span_next(&rest, '='), name))
			value = rest;
	}
	return value;
}

/* Writes the lines of the shipped piece that `global` lacks. inner: tollgate.cfg provides the
 * frontend of the second pass, so the switch is needed. */
static void
put_global(struct lay *l, const struct haproxy_section *s, bool inner, struct buf *out)
{
	struct span piece = shipped_piece(PIECE_GLOBAL);

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
			buf_printf(out, "%.*s%.*s\n", SPAN_ARG(indent_of(s)), SPAN_ARG(line));
		else if (!has_line(s, line))
			buf_printf(&l->notes,
				"%s:%u: this line was left unchanged; tollgate ships `%.*s`\n",
				own->file, own->line, SPAN_ARG(line));
	}
}

/* Writes the folder of the daemon's sockets, unless a line of the operator sets it. */
static void
put_sockets(struct lay *l, const struct haproxy *h, struct buf *out)
{
	struct span set = variable_of(h, SOCKETS_VARIABLE);

	if (!l->sockets || span_is(set, l->sockets))
		return;
	if (set.p)
		buf_printf(&l->notes,
			SOCKETS_VARIABLE " is %.*s; for your chroot, the daemon's sockets are in "
					 "%s: correct the value, or agent.listen and "
					 "relay.listen in /etc/tollgate/tollgate.yaml\n",
			SPAN_ARG(set), l->sockets);
	else
		buf_printf(out,
			"%.*ssetenv " SOCKETS_VARIABLE
			" %s  # the folder of the daemon's sockets, as HAProxy sees it\n",
			SPAN_ARG(indent_of(haproxy_global(h))), l->sockets);
	l->lays_sockets |= !set.p;
}

/* Adds lines to `global`. stanza: a frontend gets the stanza. */
static void
lay_global(struct lay *l, const struct haproxy *h, bool stanza, bool inner)
{
	const struct haproxy_section *s = haproxy_global(h);

	SCOPED_BUF(lines, 4096);
	SCOPED_BUF(out, 4096);
	if (stanza)
		put_global(l, s, inner, &lines);
	put_sockets(l, h, &lines);
	if (lines.n)
		buf_printf(&out, "%s%.*s", s ? "" : "global\n", SPAN_ARG(buf_view(&lines)));
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
		LAY_BEGIN " answers, laid by tollgate init\ndefaults %s from %s  # rules "
			  "for responses of the gate\n",
		name, from);
	piece_lines(l, NULL, shipped_piece(PIECE_STANZA), ANSWERS, &out);
	buf_printf(&out,
		"defaults %s from %s  # the sections below keep your own defaults\n" LAY_END
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

/* ---- renewal of an older stanza ---- */

/* Renews the stanza of an earlier version in place.
 *
 * A line that an earlier version laid becomes this version's line for the same purpose, or is
 * dropped if there is none. New lines are added next to lines of their kind. Lines that init
 * did not lay stay. If a stanza has no line of an earlier version, it lacks only those that
 * shipped_later() names; the same is true of the complete example's second frontend. A stanza
 * whose frontend receives the second pass keeps that layout, because the operator's rules below
 * may depend on it. */

enum { LINES_MAX = 128 }; /* lines of the stanza and its routes */

/* State of renewing one section. */
struct renewal {
	struct lay *lay;
	const struct haproxy *h;
	const struct haproxy_section *s;
	struct haproxy pieces; /* the stanza's current lines, parsed */
	/* the section's line for each current line; NULL: none */
	const struct haproxy_line *own[LINES_MAX];
	enum whose {
		/* the operator's */
		WHOSE_THEIRS,
		WHOSE_OURS, /* equals a current line, or becomes one */
		/* the line is from an earlier version, and not yet assigned to a current
		 * line */
		WHOSE_EARLIER,
	} *
		whose; /* one entry for each line of the section */
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

/* Returns the first line of an earlier version that is of the same kind of shipped_later(), or
 * NULL. */
static const struct haproxy_line *
find_earlier_kind(const struct renewal *r, const struct haproxy_line *want)
{
	enum shipped_later kind = shipped_later(want->source);

	for (size_t i = 0; kind && i < r->s->n; i++)
		if (r->whose[i] == WHOSE_EARLIER &&
			shipped_later(r->s->line[i].source) == kind &&
			span_eq(haproxy_word(&r->s->line[i], 1), haproxy_word(want, 1)))
			return &r->s->line[i];
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
	       is_exception(l) ||
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
	/* Three passes in the order of the lines: a line replaces an earlier one of the same
	 * purpose, then one of the same shipped_later(), then one with the same first two words. */
	for (int pass = 0; pass < 3; pass++)
		for (size_t i = 0; i < today->n && i < LINES_MAX; i++) {
			const struct haproxy_line *want = &today->line[i];
			if (r->own[i])
				continue;
			r->own[i] = pass == 1 ? find_earlier_kind(r, want)
					      : find_alike(r, want, WHOSE_EARLIER,
							pass ? 2 : words_of_purpose(want));
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

/* Renews a stanza of an earlier version: each line becomes this version's line in its place,
 * and new lines are added next to similar ones. `s` is a frontend with the stanza, or the
 * relay's frontend of the complete example. Compares the section's tollgate lines with the
 * lines that this version ships: replaces a line that differs, adds a missing line, and drops
 * an earlier version's line that no current line continues. */
static void
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

/* Adds the hosts of --host that an existing stanza lacks, below its last `acl tollgate`. */
static void
lay_hosts(struct lay *l, const struct haproxy_section *s)
{
	const struct haproxy_line *last = NULL;
	struct span indent = indent_of(s);

	for (size_t i = 0; i < s->n; i++)
		if (haproxy_begins(&s->line[i], "acl", "tollgate"))
			last = &s->line[i];
	if (!last || !l->nasked)
		return;
	SCOPED_BUF(text, 64 << 10);
	put_hosts(l, s, indent, &text);
	if (text.n)
		lay_add(l, (struct lay_edit){ .file = last->file,
				   .after = last->line,
				   .text = buf_view(&text) });
}

/* ---- all edits ---- */

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
	bool stanza = false;

	if (inner && !engine_of(inner))
		lay_renew(l, h, inner);
	for (size_t i = 0; i < l->nfront; i++)
		stanza |= !engine_of(l->front[i]) && !answers_all(l->front[i]);
	lay_global(l, h, stanza, !inner);
	for (size_t i = 0; i < l->nfront; i++)
		if (engine_of(l->front[i])) {
			/* the complete example has no `acl tollgate` and is not renewed as a
			 * bolt-on */
			if (haproxy_own(l->front[i], "acl", "tollgate")) {
				lay_renew(l, h, l->front[i]);
				lay_hosts(l, l->front[i]);
			}
		} else if (!answers_all(l->front[i])) {
			lay_frontend(l, h, l->front[i]);
		}
	for (size_t i = 0; i < h->n; i++)
		if (lay_guards(l, &h->section[i]))
			lay_backend(l, &h->section[i], lay_is_chosen(l, &h->section[i]));
}
