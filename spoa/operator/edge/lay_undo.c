/* Finds the lines that an earlier `tollgate init` laid, for `tollgate init --undo`.
 *
 * A line that names tollgate is compared with haproxy/bolt-on.cfg and joint.cfg, and with
 * haproxy/laid.lst for earlier versions. A line that anybody may have written (an option, a
 * timeout, tune.*) counts as laid if it is next to such a line and the copy that init kept has
 * none. A changed line has its former text in a comment. */
#include <stdio.h>

#include "base/among.h"
#include "base/scoped.h"
#include "operator/edge/judge_private.h"
#include "operator/edge/lay.h"

/* The kind of a line of the file. */
enum undo_kind {
	UNDO_KEPT,
	UNDO_EMPTY,   /* the line has only spaces */
	UNDO_COMMENT, /* a comment */
	UNDO_LAID,    /* shipped_laid() or shipped_earlier() matches */
	UNDO_GUARD,   /* laid as well, and a guard that protects a provider's backend */
	UNDO_PLAIN,   /* a line of undo_plain[], which init or the operator may have written */
};

/* Lines that init lays and that do not name tollgate. */
static const struct undo_plain {
	const char *text;
	/* the first words of such a line, whatever its value; b may be NULL */
	const char *a, *b;
	bool above, below; /* init lays other lines above it, or below it */
	/* a line in `defaults` does not count as the operator's own */
	bool section_only;
} undo_plain[] = {
	{ "tune.bufsize 262144", "tune.bufsize", NULL, false, false, false },
	{ "tune.maxrewrite 16384", "tune.maxrewrite", NULL, false, false, false },
	{ "option http-no-delay", "option", "http-no-delay", true, true, false },
	{ "option idle-close-on-response", "option", "idle-close-on-response", true, true,
		false },
	{ "filter compression", "filter", "compression", false, true, false },
	{ "timeout server 10m", "timeout", "server", true, false, true },
};

/* One line of the file. */
struct undo_line {
	/* the line as written; and without indent, comment and double spaces */
	struct span source, text;
	enum undo_kind kind;
	const struct undo_plain *plain;
	struct span former; /* the former text in the line's mark; p NULL: no mark */
	bool drop;
};

/* State of undoing one file. */
struct undo {
	struct lay *lay;
	const struct lay_undo *asked;
	const char *file;
	struct undo_line *line; /* line[0] is the first line of the file */
	size_t n;
};

/* ---- the kind of a line ---- */

struct span
lay_plain(struct arena *a, struct span source)
{
	struct span s = span_trim(span_cut(source, 0, unquoted_at(source, "#")), " \t\r");
	struct span copy = arena_dup(a, s);
	char *p = (char *)copy.p;
	size_t n = 0;

	for (size_t i = 0; i < copy.n; i++) {
		char c = p[i] == '\t' ? ' ' : p[i];
		if (c != ' ' || !n || p[n - 1] != ' ')
			p[n++] = c;
	}
	return span_of(p, n);
}

static bool
shipped_laid(struct span line)
{
	for (enum shipped_piece i = PIECE_GLOBAL; line.n && i <= PIECE_JOINT_ROUTES; i++)
		for (struct span piece = shipped_piece(i); piece.n;) {
			struct span l = span_next(&piece, '\n');
			l = span_cut(l, 0, unquoted_at(l, "#"));
			if (span_eq(span_trim(l, " \t"), line))
				return true;
		}
	return false;
}

static void
find_kind(struct undo *u, struct undo_line *l)
{
	const struct span was = SPAN_LIT(LAY_WAS);
	struct span comment = span_cut(l->source, unquoted_at(l->source, "#"), l->source.n);

	l->text = lay_plain(u->lay->arena, l->source);
	if (!l->text.n) {
		l->kind = comment.n ? UNDO_COMMENT : UNDO_EMPTY;
		return;
	}
	if (span_starts(comment, was))
		l->former = span_cut(comment, was.n, comment.n);
	for (size_t i = 0; i < COUNT_OF(undo_plain); i++)
		if (span_is(l->text, undo_plain[i].text)) {
			l->kind = UNDO_PLAIN;
			l->plain = &undo_plain[i];
		}
	if (!l->plain && (shipped_earlier(l->text) || shipped_laid(l->text)))
		l->kind = span_holds(l->text, SPAN_LIT("return status 503")) &&
					  !span_holds(l->text, SPAN_LIT("x-tollgate-leaving"))
				  ? UNDO_GUARD
				  : UNDO_LAID;
}

static void
read_lines(struct undo *u, struct span text)
{
	size_t room = 1;

	for (size_t i = 0; i < text.n; i++)
		room += text.p[i] == '\n';
	u->line = arena_array(u->lay->arena, room, sizeof(*u->line));
	while (u->line && text.n) {
		u->line[u->n].source = span_next(&text, '\n');
		find_kind(u, &u->line[u->n++]);
	}
}

/* ---- blocks between marks ---- */

__attribute__((format(printf, 3, 4))) static void
not_sure(struct undo *u, size_t i, const char *fmt, ...)
{
	char why[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	buf_printf(&u->lay->choices, "%s:%zu: %s\n", u->file, i + 1, why);
}

static bool
is_mark(const struct undo_line *l, const char *mark)
{
	return l->kind == UNDO_COMMENT &&
	       span_starts(span_trim(l->source, " \t"), span_str(mark));
}

/* Returns true if the comment is one that haproxy/bolt-on.cfg has. */
static bool
is_our_comment(struct span comment)
{
	struct span text = shipped("haproxy/bolt-on.cfg");

	while (text.n)
		if (span_eq(span_trim(span_next(&text, '\n'), " \t"), comment))
			return true;
	return false;
}

/* Marks the lines of a block that init may have laid. Lines that an operator added inside the
 * block stay. */
static void
undo_block(struct undo *u, size_t from, size_t to)
{
	for (size_t i = from; i <= to; i++) {
		struct undo_line *l = &u->line[i];
		bool mark = is_mark(l, LAY_BEGIN) || is_mark(l, LAY_END);
		l->drop = mark || l->kind >= UNDO_LAID || l->kind == UNDO_EMPTY ||
			  (l->kind == UNDO_COMMENT &&
				  is_our_comment(span_trim(l->source, " \t\r")));
	}
}

/* Returns NAME of `# tollgate: begin NAME, …`. */
static struct span
undo_mark_name(const struct undo_line *l, const char *mark)
{
	struct span name = span_trim(l->source, " \t\r");

	name = span_cut(name, strlen(mark), name.n);
	return span_next(&name, ',');
}

/* Pairs each begin mark with the end mark of the same name and drops what is between. A mark
 * without its counterpart is reported and left, because a guess could delete lines of the user.
 * */
static void
drop_blocks(struct undo *u)
{
	size_t begin = SIZE_MAX;

	for (size_t i = 0; i <= u->n; i++) {
		bool begins = i < u->n && is_mark(&u->line[i], LAY_BEGIN);
		bool ends = i < u->n && is_mark(&u->line[i], LAY_END);
		struct span opened = begin == SIZE_MAX
					     ? SPAN_LIT("")
					     : undo_mark_name(&u->line[begin], LAY_BEGIN);
		if (ends && begin != SIZE_MAX &&
			span_eq(opened, undo_mark_name(&u->line[i], LAY_END))) {
			undo_block(u, begin, i);
			begin = SIZE_MAX;
			continue;
		}
		if (begin != SIZE_MAX && (begins || ends || i == u->n))
			not_sure(u, begin,
				"the block that begins here has no `" LAY_END "%.*s`",
				SPAN_ARG(opened));
		else if (ends)
			not_sure(u, i, "the block that ends here has no `" LAY_BEGIN "%.*s`",
				SPAN_ARG(undo_mark_name(&u->line[i], LAY_END)));
		begin = begins ? i : ends ? SIZE_MAX : begin;
	}
}

/* ---- lines that do not name tollgate ---- */

static const struct haproxy_section *
section_at(const struct undo *u, size_t i)
{
	const struct haproxy *h = u->asked->h;
	const struct haproxy_section *s = NULL;

	for (size_t k = 0; k < h->n; k++)
		if (!strcmp(h->section[k].head->file, u->file) &&
			h->section[k].head->line <= i + 1)
			s = &h->section[k];
	return s;
}

/* Returns the section as it was before init, or NULL. *known is false if no kept copy contains
 * the section. */
static const struct haproxy_section *
section_before(const struct undo *u, const struct haproxy_section *s, bool *known)
{
	const struct haproxy *h = u->asked->before;

	*known = h->n && s && s->kind == HAPROXY_GLOBAL;
	for (size_t k = 0; s && k < h->n; k++)
		if (h->section[k].kind == s->kind && span_eq(h->section[k].name, s->name)) {
			*known = true;
			return &h->section[k];
		}
	return NULL;
}

/* Returns true if the nearest significant line above (step -1) or below (1) was laid by init.
 * Empty lines, comments and plain lines are skipped. */
static bool
laid_next_to(const struct undo *u, size_t i, int step)
{
	for (i += (size_t)step; i < u->n; i += (size_t)step)
		if (u->line[i].kind >= UNDO_LAID && u->line[i].kind != UNDO_PLAIN)
			return true;
		else if (u->line[i].kind == UNDO_KEPT)
			return false;
	return false;
}

static void
drop_plain(struct undo *u, size_t i)
{
	const struct undo_plain *p = u->line[i].plain;
	bool known, global = !p->above && !p->below;
	const struct haproxy_section *s = section_at(u, i), *was = section_before(u, s, &known);
	const struct haproxy_line *had = !was		   ? NULL
					 : p->section_only ? haproxy_own(was, p->a, p->b)
							   : haproxy_last(was, p->a, p->b);
	bool above = p->above && laid_next_to(u, i, -1),
	     below = p->below && laid_next_to(u, i, 1);

	if (had || (global && (!s || s->kind != HAPROXY_GLOBAL)) || !(global || above || below))
		return;
	/* Without a kept copy, a plain line between two laid lines counts as laid; others may
	 * be the operator's. */
	u->line[i].drop =
		known || (below && (above || !p->above)) || (above && laid_next_to(u, i, 1));
	if (!u->line[i].drop)
		buf_printf(&u->lay->notes,
			"%s:%zu: `%s` stays, because no kept copy shows whether it was there "
			"before init; delete the line if you do not need it\n",
			u->file, i + 1, p->text);
}

/* Drops the line `global` itself if init wrote it and all of its lines are dropped. */
static void
drop_own_global(struct undo *u)
{
	const struct haproxy_section *s = haproxy_global(u->asked->h);
	bool all = s && s->n && !strcmp(s->head->file, u->file) && u->asked->before->n &&
		   !haproxy_global(u->asked->before);

	for (size_t i = 0; all && i < s->n; i++)
		all = u->line[s->line[i].line - 1].drop;
	if (all)
		u->line[s->head->line - 1].drop = true;
}

/* ---- remaining lines that need dropped ones ---- */

/* Returns what of tollgate a line needs: a file, a backend, the engine, an ACL in its
 * condition, or NULL. Inside braces the words are an anonymous ACL's, so `tollgate` is not an
 * ACL's name there. */
static const char *
names_ours(const struct haproxy_section *s, const struct haproxy_line *l)
{
	static const char *const acls[] = { "tollgate", "tollgate-inner", "tollgate-gated" };
	static const char *const backends[] = { "tollgate-agent", "tollgate-relay",
		"tollgate-deny" };
	static const char *const files[] = { "/etc/haproxy/tollgate/",
		"/run/tollgate/inner.sock" };
	bool condition = false;
	unsigned braces = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct span w = l->word[i];
		for (size_t k = 0; k < COUNT_OF(files); k++)
			if (span_holds(w, span_str(files[k])))
				return files[k];
		for (size_t k = 0; i && k < COUNT_OF(backends); k++)
			if (span_is(w, backends[k]))
				return backends[k];
		if (i && span_is(w, "tollgate") &&
			(span_is(l->word[i - 1], "engine") ||
				span_is(l->word[i - 1], "send-spoe-group")))
			return "the SPOE engine tollgate";
		condition |= span_is(w, "if") || span_is(w, "unless");
		if (!condition)
			continue;
		if (w.n && w.p[w.n - 1] == '{')
			braces++;
		else if (span_is(w, "}") && braces)
			braces--;
		while (w.n && *w.p == '!')
			w = span_cut(w, 1, w.n);
		for (size_t k = 0; !braces && k < COUNT_OF(acls); k++)
			if (span_is(w, acls[k]))
				return acls[k];
	}
	if (is_back(s) && rule_answers(l) &&
		(line_holds(l, "did not inspect this request") ||
			line_holds(l, "did not pass the gate") || /* before 0.3 */
			line_holds(l, "(txn.tollgate.via)")))
		return "the gate";
	return NULL;
}

/* Returns true if the section's defaults were laid or named by init. */
static bool
begins_with_ours(const struct haproxy_line *head)
{
	for (size_t i = 1; i + 1 < head->n; i++)
		if (span_is(head->word[i], "from") &&
			(span_starts(head->word[i + 1], SPAN_LIT("tollgate-base")) ||
				span_starts(head->word[i + 1], SPAN_LIT("tollgate-gate")) ||
				span_starts(head->word[i + 1], SPAN_LIT("tollgate-rest"))))
			return true;
	return false;
}

static void
find_left(struct undo *u)
{
	const struct haproxy *h = u->asked->h;

	for (size_t i = 0; i < h->n; i++) {
		const struct haproxy_line *head = h->section[i].head;
		if (!strcmp(head->file, u->file) && head->line <= u->n &&
			!u->line[head->line - 1].drop && begins_with_ours(head))
			not_sure(u, head->line - 1,
				"this section uses defaults of tollgate init: name other "
				"defaults");
		for (size_t k = 0; k < h->section[i].n; k++) {
			const struct haproxy_line *l = &h->section[i].line[k];
			if (strcmp(l->file, u->file) || l->line > u->n ||
				u->line[l->line - 1].drop ||
				u->line[l->line - 1].kind == UNDO_GUARD)
				continue;
			const char *names = names_ours(&h->section[i], l);
			if (names)
				not_sure(u, l->line - 1,
					"this line needs %s, which undo removes, and init did "
					"not lay the line in this form: change or delete it",
					names);
		}
	}
}

/* ---- the edits ---- */

/* Returns the line's text without `from NAME`. */
static struct span
without_from(struct span s)
{
	const char *p = s.n ? memmem(s.p, s.n, " from ", 6) : NULL;

	return p ? span_cut(s, 0, (size_t)(p - s.p)) : s;
}

/* Returns true if an operator's line has the name of defaults that init laid. */
static bool
has_our_defaults(const struct undo_line *l)
{
	return span_holds(l->text, SPAN_LIT(" from tollgate-gate")) ||
	       span_starts(l->text, SPAN_LIT("defaults tollgate-base"));
}

/* Writes the former text from a line's mark: the whole line, or only its value. If the operator
 * changed the value after init, the line stays without the mark. */
static void
put_former(struct undo *u, size_t i, struct buf *out)
{
	const struct undo_line *l = &u->line[i];
	struct span rest = l->text, word = span_next(&rest, ' ');
	struct span former = lay_plain(u->lay->arena, l->former);
	bool ours = has_our_defaults(l);
	size_t indent = 0;

	while (indent < l->source.n && strchr(" \t", l->source.p[indent]))
		indent++;
	if (ours && !span_is(word, "defaults") &&
		!span_eq(without_from(l->text), without_from(former)))
		not_sure(u, i,
			"this line was changed after init: delete its mark and its "
			"`from`");
	if (!strchr(" \t", *l->former.p))
		buf_span(out, span_cut(l->source, 0, indent));
	if (l->kind == UNDO_KEPT && !ours) {
		buf_span(out, l->text);
		buf_printf(&u->lay->notes,
			"%s:%zu: `%.*s` stays, because it was changed after init; before init "
			"it was `%.*s`\n",
			u->file, i + 1, SPAN_ARG(l->text), SPAN_ARG(former));
	} else if (span_starts(former, word)) {
		buf_span(out, l->former);
	} else {
		buf_printf(out, "%.*s %.*s", SPAN_ARG(word), SPAN_ARG(l->former));
	}
	buf_putc(out, '\n');
}

static void
undo_edit(struct undo *u, size_t i)
{
	struct lay_edit edit = { .file = u->file, .after = (unsigned)i, .drop = true };

	SCOPED_BUF(text, 64 << 10);
	if (u->line[i].former.n)
		put_former(u, i, &text);
	edit.text = buf_view(&text);
	lay_add(u->lay, edit);
}

/* Reports a backend with a provider's key that loses its guard, or keeps it. */
static void
note_guard(struct undo *u, size_t i)
{
	const struct haproxy_section *s = section_at(u, i);

	if (!span_holds(u->line[i].text, SPAN_LIT("did not inspect this request")) &&
		!span_holds(u->line[i].text, SPAN_LIT("did not pass the gate"))) /* before 0.3 */
		return; /* the guard's second line was reported with the first */
	if (s && credential_of(s) && !u->asked->keep_guards)
		buf_printf(&u->lay->notes,
			"%s:%zu: backend %.*s has no guard any more: every request that your "
			"own rules send there uses its key\n",
			u->file, i + 1, SPAN_ARG(s->name));
	if (u->asked->keep_guards)
		buf_printf(&u->lay->notes,
			"%s:%zu: backend %.*s keeps its guard and answers 503 until you "
			"delete the lines with `gateway_unavailable`\n",
			u->file, i + 1, s ? (int)s->name.n : 0, s ? s->name.p : "");
}

void
lay_undo(struct lay *l, const struct lay_undo *asked, const char *file, struct span text)
{
	struct undo u = { .lay = l, .asked = asked, .file = file };

	read_lines(&u, text);
	drop_blocks(&u);
	for (size_t i = 0; i < u.n; i++)
		if (u.line[i].kind == UNDO_LAID || u.line[i].kind == UNDO_GUARD ||
			u.line[i].former.p)
			u.line[i].drop = true;
	for (size_t i = 0; i < u.n; i++)
		if (u.line[i].kind == UNDO_PLAIN && !u.line[i].drop)
			drop_plain(&u, i);
	drop_own_global(&u);
	find_left(&u);
	for (size_t i = 0; i < u.n; i++) {
		if (u.line[i].kind == UNDO_GUARD) {
			note_guard(&u, i);
			u.line[i].drop = !asked->keep_guards;
		}
		if (u.line[i].drop)
			undo_edit(&u, i);
	}
}
