/* The stanza: is it there, whole, in order, before the person's own routes, and does it name
 * what passes the gate in a way that no spelling of a path gets around? */
#include <stdio.h>

#include "base/codec/credentials.h"
#include "operator/edge/judge_private.h"

/* Lines of the shipped sections that a person's may lack or write otherwise: where it listens,
 * what passes, where it routes without the policy's word, comments for readers. */
static bool
is_free(const struct judge *j, const struct haproxy_line *want)
{
	static const char *const free[] = { "bind", "errorfile", "filter", "log-format", "option",
		"timeout" };
	struct span first = want->word[0];

	if (SPAN_IN(first, free))
		return true;
	if (span_is(first, "acl"))
		return span_is(haproxy_word(want, 1), "tollgate");
	if (span_is(first, "http-after-response"))
		return true; /* rule_answer_lines says so */
	return !j->bolt_on && span_is(first, "use_backend") && line_holds(want, "path");
}

/* Words that are the person's own: how long a body may take, where the list of origins is. */
static const struct {
	const char *action, *before;
} own_words[] = {
	{ "wait-for-body", "time" },
	{ "set-var(txn.tollgate.origin)", "-f" },
};

const char *
before_own_word(const struct haproxy_line *want)
{
	for (size_t i = 0; i < COUNT_OF(own_words); i++)
		if (span_is(haproxy_word(want, 1), own_words[i].action))
			return own_words[i].before;
	return NULL;
}

/* The expression of credentials as it was before MCP, which lacks its beginning: it deletes
 * more.
 */
static bool
is_older_expression(struct span word, struct span want)
{
	struct span begins = SPAN_LIT(CREDENTIAL_BEGINS);

	return span_starts(want, begins) && span_eq(word, span_cut(want, begins.n, want.n));
}

bool
line_says(const struct haproxy_line *l, const struct haproxy_line *want)
{
	const char *before = before_own_word(want);

	if (l->n != want->n || (!before && l->negated != want->negated))
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (!span_eq(l->word[i], want->word[i]) &&
			!is_older_expression(l->word[i], want->word[i]) &&
			!(before && i && span_is(want->word[i - 1], before)))
			return false;
	return true;
}

bool
line_deletes_arguments(const struct haproxy_line *l, const struct haproxy_line *want)
{
	return l->n > 2 && want->n > 2 && is_older_expression(l->word[2], want->word[2]);
}

const struct haproxy_line *
find_saying(const struct haproxy_section *s, const struct haproxy_line *want)
{
	const struct haproxy_section *d = s->defaults;

	for (size_t i = 0; i < s->n; i++)
		if (!s->line[i].negated && line_says(&s->line[i], want))
			return &s->line[i];
	/* what init lays for responses above the frontend */
	return d && span_starts(d->name, SPAN_LIT("tollgate-gate")) ? find_saying(d, want) : NULL;
}

/* A line of s that was meant to be this one: the same words up to what it acts on. */
static const struct haproxy_line *
find_changed(const struct haproxy_section *s, const struct haproxy_line *want)
{
	size_t key =
		span_is(want->word[0], "use_backend") || span_is(want->word[0], "acl") ? 2 : 3;

	for (size_t i = 0; i < s->n; i++) {
		const struct haproxy_line *l = &s->line[i];
		size_t k = 0;
		while (k < key && k < l->n && k < want->n && span_eq(l->word[k], want->word[k]))
			k++;
		if (k == key)
			return l;
	}
	return NULL;
}

static const char *
stanza_and_routes(struct judge *j)
{
	return arena_printf(&j->pieces.arena, "%.*s%.*s", SPAN_ARG(shipped_piece(PIECE_STANZA)),
		SPAN_ARG(shipped_piece(PIECE_ROUTES)))
		.p;
}

void
rule_stanza_absent(struct judge *j)
{
	if (j->gate)
		return;
	const char *paste = stanza_and_routes(j);
	for (size_t i = 0; i < j->h->n; i++)
		if (is_front(&j->h->section[i])) {
			found(j, j->h->section[i].head, paste,
				"no frontend loads the SPOE engine of tollgate: nothing is "
				"asked. In the frontend whose requests pass the gate (this is "
				"the first), after its bind lines and before its first "
				"use_backend");
			return;
		}
	found(j, NULL, paste,
		"no frontend loads the SPOE engine of tollgate: nothing is asked");
}

static bool
condition_reads_path(const struct haproxy_line *l)
{
	for (size_t i = 2; i < l->n; i++)
		if (reads_path(l->word[i]) &&
			(span_is(l->word[i - 1], "{") || span_is(l->word[i - 1], "!{")))
			return true;
	return false;
}

/* Lines of one frontend against the shipped one's. */
static void
judge_lines(
	struct judge *j, const struct haproxy_section *s, const struct haproxy_section *shipped)
{
	for (size_t i = 0; s && shipped && i < shipped->n; i++) {
		const struct haproxy_line *want = &shipped->line[i];
		const struct haproxy_line *l = find_saying(s, want);
		if (is_free(j, want) || (l && !l->maybe) || (!l && shipped_later(want->source)))
			continue;
		const char *paste = arena_dup(&j->pieces.arena, want->source).p;
		const struct haproxy_line *changed = l ? NULL : find_changed(s, want);
		if (l)
			found(j, l, paste,
				"whether this line is there depends on an .if that cannot be "
				"known here");
		else if (changed && condition_reads_path(changed) &&
			 !condition_reads_path(want))
			found(j, changed, paste,
				"this line of the stanza is scoped by path: //v1, /./v1 and "
				"/%%761 are spellings that it misses");
		else if (changed)
			found(j, changed, paste, "this is not what the stanza's line says");
		else
			found(j, s->head, paste, "a line of the stanza is missing in %.*s",
				SPAN_ARG(s->name));
	}
}

/* ACLs of one name are alternatives: a second one opens what the shipped one says. One of a
 * name that HAProxy has takes its place. */
static void
judge_second_acls(struct judge *j)
{
	static const char *const names[] = { "tollgate-inner", GATED_ACL, "METH_CONNECT",
		"METH_TRACE", "METH_OPTIONS" };

	for (size_t i = 0; j->gate && i < j->gate->n; i++) {
		const struct haproxy_line *l = &j->gate->line[i];
		if (span_is(l->word[0], "acl") && SPAN_IN(haproxy_word(l, 1), names) &&
			!find_saying(j->shipped_gate, l) &&
			(j->shipped_gate != j->shipped_edge ||
				span_starts(haproxy_word(l, 1), SPAN_LIT("METH_"))))
			found(j, l, NULL,
				"a second ACL of the name %.*s: the stanza's lines take what "
				"it names for what the shipped one says; give it another name",
				SPAN_ARG(haproxy_word(l, 1)));
	}
}

static bool
asks(const struct haproxy_section *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (span_is(haproxy_word(&s->line[i], 1), "send-spoe-group") &&
			span_is(haproxy_word(&s->line[i], 2), "tollgate"))
			return true;
	return false;
}

void
rule_stanza_lines(struct judge *j)
{
	if (j->gate && !asks(j->gate)) {
		found(j, j->engine, stanza_and_routes(j),
			"%.*s loads the SPOE engine of tollgate and never asks it: its "
			"requests are not read, and no guard lets them through",
			SPAN_ARG(j->gate->name));
		return;
	}
	judge_lines(j, j->gate, j->shipped_gate);
	judge_second_acls(j);
}

/* What callers are told of an answer: without these lines nothing passes that should not. */
void
rule_answer_lines(struct judge *j)
{
	char paste[16384] = "";
	size_t n = 0;
	bool origin = false;

	for (size_t i = 0; j->gate && asks(j->gate) && i < j->shipped_gate->n; i++) {
		const struct haproxy_line *want = &j->shipped_gate->line[i];
		if (!span_is(want->word[0], "http-after-response") ||
			shipped_later(want->source) || find_saying(j->gate, want))
			continue;
		origin |= line_holds(want, "access-control-");
		n += (size_t)snprintf(
			paste + n, sizeof(paste) - n, "%.*s\n", SPAN_ARG(want->source));
		if (n >= sizeof(paste))
			break;
	}
	if (*paste)
		found(j, j->gate->head, paste,
			"callers of %.*s are not told what the stanza of this version tells "
			"them%s",
			SPAN_ARG(j->gate->name),
			origin ? "; pages of the origins in origins.lst cannot read their "
				 "answers"
			       : "");
}

static void
judge_order(
	struct judge *j, const struct haproxy_section *s, const struct haproxy_section *shipped)
{
	const struct haproxy_line *last = NULL;

	for (size_t i = 0; s && shipped && i < shipped->n; i++) {
		const struct haproxy_line *want = &shipped->line[i];
		const struct haproxy_line *l = is_free(j, want) ? NULL : find_saying(s, want);
		if (!l && shipped_later(want->source))
			continue;
		/* rules of one kind run in their order, kinds in HAProxy's */
		if (!l || (last && !span_eq(l->word[0], last->word[0])))
			last = NULL;
		if (l && last && l < last)
			found(j, l, arena_dup(&j->pieces.arena, want->source).p,
				"out of order: the stanza has this after line %u", last->line);
		if (l)
			last = l;
	}
}

/* The frontend of the second pass; where that is the gate's own its lines are the stanza's. */
void
rule_inner_lines(struct judge *j)
{
	if (!j->inner || engine_of(j->inner))
		return;
	judge_lines(j, j->inner, j->shipped_inner);
	judge_order(j, j->inner, j->shipped_inner);
}

void
rule_stanza_order(struct judge *j)
{
	judge_order(j, j->gate, j->shipped_gate);
}

const struct haproxy_line *
last_of_stanza(const struct judge *j, const char *word)
{
	const struct haproxy_line *last = NULL;

	for (size_t i = 0; j->gate && i < j->shipped_gate->n; i++) {
		const struct haproxy_line *want = &j->shipped_gate->line[i];
		const struct haproxy_line *l = span_is(want->word[0], word) && !is_free(j, want)
						       ? find_saying(j->gate, want)
						       : NULL;
		last = l && (!last || l > last) ? l : last;
	}
	return last;
}

void
rule_routes_after_own(struct judge *j)
{
	const struct haproxy_line *last = last_of_stanza(j, "use_backend");
	const char *paste = arena_dup(&j->pieces.arena, shipped_piece(PIECE_ROUTES)).p;

	for (size_t i = 0; last && i < j->gate->n; i++) {
		const struct haproxy_line *l = &j->gate->line[i];
		if (l < last && span_is(l->word[0], "use_backend") &&
			!spares_the_gate(j->gate, l) && !find_saying(j->shipped_gate, l))
			found(j, l, paste,
				"this use_backend comes before the stanza's last one (line "
				"%u): what it names does not pass the gate. Move the stanza's "
				"lines above it",
				last->line);
	}
}
