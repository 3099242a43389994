/* Rules about the stanza itself: whether it is present, complete and in order, and whether it
 * precedes the operator's own routes.
 *
 * The shipped lines are the reference. An operator's line matches a shipped one word by word,
 * except where line_matches() permits a different value. */
#include <stdio.h>

#include "base/codec/credentials.h"
#include "operator/edge/judge_private.h"

/* Returns true for shipped lines that an operator may omit or change: addresses, timeouts, what
 * passes the gate, routes of the complete example, and lines for responses. */
static bool
is_free(const struct judge *j, const struct haproxy_line *want)
{
	static const char *const free[] = { "bind", "errorfile", "filter", "log-format",
		"option", "timeout" };
	struct span first = want->word[0];

	if (SPAN_IN(first, free))
		return true;
	if (span_is(first, "acl"))
		return span_is(haproxy_word(want, 1), "tollgate");
	if (span_is(first, "http-after-response"))
		return true; /* rule_answer_lines() reports these */
	return !j->bolt_on && span_is(first, "use_backend") && line_holds(want, "path");
}

/* Values that the operator may choose: how long HAProxy waits for a body, and the path of the
 * list of origins. */
static const struct {
	const char *action, *before;
} own_words[] = {
	{ "wait-for-body", "time" },
	{ "set-var(txn.tollgate.origin)", "-f" },
};

const char *
word_before_own_value(const struct haproxy_line *want)
{
	for (size_t i = 0; i < COUNT_OF(own_words); i++)
		if (span_is(haproxy_word(want, 1), own_words[i].action))
			return own_words[i].before;
	return NULL;
}

/* Returns true for the credential expression of versions before MCP. It lacks the beginning of
 * today's and so deletes more headers. */
static bool
is_older_expression(struct span word, struct span want)
{
	struct span begins = SPAN_LIT(CREDENTIAL_BEGINS);

	return span_starts(want, begins) && span_eq(word, span_cut(want, begins.n, want.n));
}

bool
line_matches(const struct haproxy_line *l, const struct haproxy_line *want)
{
	const char *before = word_before_own_value(want);

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
find_matching(const struct haproxy_section *s, const struct haproxy_line *want)
{
	const struct haproxy_section *d = s->defaults;

	for (size_t i = 0; i < s->n; i++)
		if (!s->line[i].negated && line_matches(&s->line[i], want))
			return &s->line[i];
	/* `tollgate init` lays the lines for responses into these defaults above the frontend
	 */
	return d && span_starts(d->name, SPAN_LIT("tollgate-gate")) ? find_matching(d, want)
								    : NULL;
}

/* Returns a line that was probably meant to be the shipped one, because its first words are
 * equal, or NULL. */
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
				"no frontend loads the SPOE engine of tollgate, so no request "
				"is inspected. Add these lines to the frontend whose requests "
				"should pass the gate (this is the first one), below its bind "
				"lines and above its first use_backend");
			return;
		}
	found(j, NULL, paste,
		"no frontend loads the SPOE engine of tollgate, so no request is inspected. "
		"Add a frontend with these lines");
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

/* Reports each shipped line that the frontend lacks or has changed. */
static void
judge_lines(
	struct judge *j, const struct haproxy_section *s, const struct haproxy_section *shipped)
{
	for (size_t i = 0; s && shipped && i < shipped->n; i++) {
		const struct haproxy_line *want = &shipped->line[i];
		const struct haproxy_line *l = find_matching(s, want);
		if (is_free(j, want) || (l && !l->maybe) || (!l && shipped_later(want->source)))
			continue;
		const char *paste = arena_dup(&j->pieces.arena, want->source).p;
		const struct haproxy_line *changed = l ? NULL : find_changed(s, want);
		if (l)
			found(j, l, paste,
				"this line of the stanza is inside an .if whose condition "
				"tollgate cannot evaluate: move the line out of the .if");
		else if (changed && condition_reads_path(changed) &&
			 !condition_reads_path(want))
			found(j, changed, paste,
				"this line of the stanza tests the path, and callers can "
				"write the path as //v1, /./v1 or /%%761 to avoid the match. "
				"Restore the shipped line");
		else if (changed)
			found(j, changed, paste,
				"this line of the stanza was changed. "
				"Restore the shipped line");
		else
			found(j, s->head, paste,
				"%.*s lacks a line of the stanza. Add the "
				"line",
				SPAN_ARG(s->name));
	}
}

/* ACLs with the same name are alternatives, so a second one matches more requests than the
 * shipped one. An ACL with the name of a predefined one replaces the predefined one. */
static void
judge_second_acls(struct judge *j)
{
	static const char *const names[] = { "tollgate-inner", GATED_ACL, "METH_CONNECT",
		"METH_TRACE", "METH_OPTIONS" };

	for (size_t i = 0; j->gate && i < j->gate->n; i++) {
		const struct haproxy_line *l = &j->gate->line[i];
		if (span_is(l->word[0], "acl") && SPAN_IN(haproxy_word(l, 1), names) &&
			!find_matching(j->shipped_gate, l) &&
			(j->shipped_gate != j->shipped_edge ||
				span_starts(haproxy_word(l, 1), SPAN_LIT("METH_"))))
			found(j, l, NULL,
				"a second ACL has the name %.*s, so the stanza's lines match "
				"more requests than intended: give this ACL another name",
				SPAN_ARG(haproxy_word(l, 1)));
	}
}

bool
asks_daemon(const struct haproxy_line *l)
{
	return span_is(haproxy_word(l, 1), "send-spoe-group") &&
	       span_is(haproxy_word(l, 2), "tollgate");
}

static bool
sends_group(const struct haproxy_section *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (asks_daemon(&s->line[i]))
			return true;
	return false;
}

void
rule_stanza_lines(struct judge *j)
{
	if (j->gate && !sends_group(j->gate)) {
		found(j, j->engine, stanza_and_routes(j),
			"%.*s loads the SPOE engine of tollgate but never sends a request to "
			"it, so its requests are not inspected and the guards refuse them. "
			"Add the stanza",
			SPAN_ARG(j->gate->name));
		return;
	}
	judge_lines(j, j->gate, j->shipped_gate);
	judge_second_acls(j);
}

/* These lines only add headers for callers, so their absence is advice. */
void
rule_answer_lines(struct judge *j)
{
	char paste[16384] = "";
	size_t n = 0;
	bool origin = false;

	for (size_t i = 0; j->gate && sends_group(j->gate) && i < j->shipped_gate->n; i++) {
		const struct haproxy_line *want = &j->shipped_gate->line[i];
		if (!span_is(want->word[0], "http-after-response") ||
			shipped_later(want->source) || find_matching(j->gate, want))
			continue;
		origin |= line_holds(want, "access-control-");
		n += (size_t)snprintf(
			paste + n, sizeof(paste) - n, "%.*s\n", SPAN_ARG(want->source));
		if (n >= sizeof(paste))
			break;
	}
	if (*paste)
		found(j, j->gate->head, paste,
			"callers of %.*s lack response headers that the stanza of this "
			"version sets%s. Add the lines",
			SPAN_ARG(j->gate->name),
			origin ? "; pages of the origins in origins.lst cannot read responses"
			       : "");
}

static void
judge_order(
	struct judge *j, const struct haproxy_section *s, const struct haproxy_section *shipped)
{
	const struct haproxy_line *last = NULL;

	for (size_t i = 0; s && shipped && i < shipped->n; i++) {
		const struct haproxy_line *want = &shipped->line[i];
		const struct haproxy_line *l = is_free(j, want) ? NULL : find_matching(s, want);
		if (!l && shipped_later(want->source))
			continue;
		/* HAProxy runs rules of one kind in their order and the kinds in a fixed order,
		 * so only lines of one kind are compared. */
		if (!l || (last && !span_eq(l->word[0], last->word[0])))
			last = NULL;
		if (l && last && l < last)
			found(j, l, arena_dup(&j->pieces.arena, want->source).p,
				"this line of the stanza must stand below line %u. Move the "
				"line",
				last->line);
		if (l)
			last = l;
	}
}

/* If the second pass arrives in the gate's own frontend, the stanza's rules cover it. */
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
						       ? find_matching(j->gate, want)
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
			!excludes_the_gate(j->gate, l) && !find_matching(j->shipped_gate, l))
			found(j, l, paste,
				"this use_backend stands above the stanza's last one (line "
				"%u), so its requests bypass the gate. Move the stanza's "
				"lines above it",
				last->line);
	}
}
