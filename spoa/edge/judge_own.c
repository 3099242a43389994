/* The person's own rules around the stanza: what they take from it, or what it takes from them.
 */
#include <stdio.h>

#include "edge/judge_private.h"

/* A line of the shipped files, wherever it is. */
static bool
is_shipped(const struct judge *j, const struct haproxy_line *l)
{
	for (size_t i = 0; i < j->pieces.n; i++)
		for (size_t k = 0; k < j->pieces.section[i].n; k++)
			if (line_says(l, &j->pieces.section[i].line[k]))
				return true;
	return false;
}

/* The last line of the gate that is the shipped one's and begins with this word; NULL: none. */
static const struct haproxy_line *
last_of_stanza(const struct judge *j, const char *word)
{
	const struct haproxy_line *last = NULL;

	for (size_t i = 0; j->gate && i < j->shipped_gate->n; i++) {
		const struct haproxy_line *want = &j->shipped_gate->line[i];
		const struct haproxy_line *l =
			span_is(want->word[0], word) ? find_saying(j->gate, want) : NULL;
		last = l && (!last || l > last) ? l : last;
	}
	return last;
}

/* ---- rules that run twice ---- */

static const char *const once_actions[] = { "auth", "redirect", "track-sc0", "track-sc1",
	"track-sc2", "sc-inc-gpc0", "sc-inc-gpc1", "sc-inc-gpc", "sc-add-gpc" };
static bool
is_client(struct span fetch)
{
	return span_starts(fetch, SPAN_LIT("src")) || span_starts(fetch, SPAN_LIT("ssl_")) ||
	       span_starts(fetch, SPAN_LIT("dst"));
}

/* In braces, or by an ACL of the section. */
static bool
reads_client(const struct haproxy_section *s, const struct haproxy_line *l)
{
	for (size_t k = 3; k < l->n; k++) {
		struct span before = l->word[k - 1], name = l->word[k];
		if ((span_is(before, "{") || span_is(before, "!{")) && is_client(name))
			return true;
		if (span_starts(name, SPAN_LIT("!")))
			name = span_cut(name, 1, name.n);
		for (size_t i = 0; i < s->n; i++)
			if (span_is(s->line[i].word[0], "acl") &&
				span_eq(haproxy_word(&s->line[i], 1), name) &&
				is_client(haproxy_word(&s->line[i], 2)))
				return true;
	}
	return false;
}

/* The condition names the inner bind, or an ACL that does. */
static bool
knows_inner(const struct haproxy_section *s, const struct haproxy_line *l)
{
	if (line_holds(l, "tollgate-inner"))
		return true;
	for (size_t i = 0; i < s->n; i++) {
		const struct haproxy_line *acl = &s->line[i];
		struct span name = haproxy_word(acl, 1);
		if (!span_is(acl->word[0], "acl") || !line_holds(acl, "tollgate-inner"))
			continue;
		for (size_t k = 2; k < l->n; k++)
			if (span_eq(l->word[k], name) ||
				(l->word[k].n == name.n + 1 && span_ends(l->word[k], name)))
				return true;
	}
	return false;
}

void
rule_own_rules_twice(struct judge *j)
{
	for (size_t i = 0; j->gate && j->bolt_on && i < j->gate->n; i++) {
		const struct haproxy_line *l = &j->gate->line[i];
		if (find_saying(j->shipped_gate, l) || knows_inner(j->gate, l))
			continue;
		if (!span_is(l->word[0], "http-request"))
			continue;
		/* set-src of the stanza gives the second pass its client back, ports and
		 * certificate not */
		if (SPAN_IN(haproxy_word(l, 1), once_actions) ||
			(l < j->engine && reads_client(j->gate, l)))
			found(j, l, "unless { so_name tollgate-inner }",
				"this rule runs again on the relay's second pass, which has no "
				"client: add the condition (it has one? then `!{ so_name "
				"tollgate-inner }` within)");
	}
}

/* ---- rules that decide in the gate's place ---- */

/* The line writes a variable that the gate obeys. The path is for logs alone: README has a
 * person set it for what is not the gate's. */
static bool
writes_verdict(const struct haproxy_line *l)
{
	struct haproxy_written w = { .word = 0 };
	struct span name;

	while (haproxy_written(l, &w, &name)) {
		if (span_starts(name, SPAN_LIT("ptxn."))) /* of the parent, from 3.1 on */
			name = span_cut(name, 1, name.n);
		if (span_is(name, GATED_VARIABLE) ||
			(span_starts(name, SPAN_LIT("txn.tollgate.")) &&
				!span_is(name, "txn.tollgate.path")))
			return true;
	}
	return false;
}

/* The rule makes or takes a header by which the relay's second pass is told where to go. */
static bool
writes_header(const struct haproxy_line *l)
{
	struct span action = haproxy_word(l, 1), name = haproxy_word(l, 2);

	return span_is(l->word[0], "http-request") &&
	       (span_ends(action, SPAN_LIT("-header")) || span_is(action, "replace-value")) &&
	       (span_istarts(name, SPAN_LIT("x-tollgate-")) ||
		       span_istarts(name, SPAN_LIT("^x-tollgate")) ||
		       span_istarts(name, SPAN_LIT("x_tollgate_")));
}

/* A script that names our variables; one that cannot be read is not judged. */
static bool
script_writes(const struct haproxy_line *l)
{
	struct buf text;
	bool ours = false;

	if (!span_starts(l->word[0], SPAN_LIT("lua-load")) || l->n < 2)
		return false;
	buf_init(&text, 1 << 20);
	if (buf_file(&text, haproxy_word(l, 1).p)) {
		struct span v = buf_view(&text);
		ours = memmem(v.p, v.n, "txn.tollgate", 12) != NULL &&
		       memmem(v.p, v.n, "set_var", 7) != NULL;
	}
	buf_free(&text);
	return ours;
}

/* Whether an engine of that name in that file writes txn.tollgate.*: by its prefix, which is
 * the agent's name where none is said (SPOE.txt 2.2). */
static bool
engine_writes(struct haproxy *spoe, struct span engine)
{
	const struct haproxy_section *s = &spoe->section[0];
	bool here = engine.n == 0, ours = false;

	for (size_t i = 0; i < s->n; i++) {
		struct span first = s->line[i].word[0];
		if (first.n > 2 && *first.p == '[')
			here = span_eq(span_cut(first, 1, first.n - 1), engine);
		else if (here && span_is(first, "spoe-agent"))
			ours = span_is(haproxy_word(&s->line[i], 1), "tollgate");
		else if (here && span_is(first, "option") &&
			 span_is(haproxy_word(&s->line[i], 1), "var-prefix"))
			ours = span_is(haproxy_word(&s->line[i], 2), "tollgate");
	}
	return ours;
}

static void
judge_engine(struct judge *j, const struct haproxy_line *l)
{
	struct span engine = last_value(l, "engine");
	struct haproxy spoe;

	if (!span_is(l->word[0], "filter") || !span_is(haproxy_word(l, 1), "spoe") ||
		span_is(engine, "tollgate"))
		return;
	if (read_engine(l, &spoe) && engine_writes(&spoe, engine))
		found(j, l, NULL,
			"the engine %.*s writes txn.tollgate.* (its var-prefix), and the "
			"guards "
			"obey that: give it a prefix of its own",
			SPAN_ARG(engine));
	haproxy_free(&spoe);
}

void
rule_own_variables(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++)
		for (size_t k = 0; k < j->h->section[i].n; k++) {
			const struct haproxy_line *l = &j->h->section[i].line[k];
			judge_engine(j, l);
			if (writes_verdict(l) && !is_shipped(j, l))
				found(j, l, NULL,
					"txn.tollgate.* and " GATED_VARIABLE
					" are tollgate's word, and the guards obey it: with "
					"this rule they obey HAProxy; use a variable of "
					"another name");
			else if (writes_header(l) && !is_shipped(j, l))
				found(j, l, NULL,
					"x-tollgate-* is what the relay's second pass is told "
					"by: use a header of another name");
			else if (script_writes(l))
				found(j, l, NULL,
					"this script names txn.tollgate and sets variables: "
					"the guards would obey it; use a variable of another "
					"name");
		}
}

/* The condition that leaves the gate's alone at this line. */
static const char *
sparing(const struct judge *j, const struct haproxy_line *l)
{
	const struct haproxy_line *once = decided_once(j->gate);

	return !once || is_before(j->gate, l, once) ? "if !tollgate !tollgate-inner"
						    : "if !" GATED_ACL " !tollgate-inner";
}

/* After `allow` HAProxy looks at no further http-request rule of the frontend. */
void
rule_ends_before(struct judge *j)
{
	const struct haproxy_line *last = last_of_stanza(j, "http-request"), *l;
	struct haproxy_walk w = haproxy_walk(j->gate);

	while (last && (l = haproxy_next(&w)))
		if (is_before(j->gate, l, last) && !l->negated &&
			span_is(l->word[0], "http-request") &&
			span_is(haproxy_word(l, 1), "allow") &&
			!(spares_the_gate(j->gate, l) && spares_the_inner(j->gate, l)))
			found(j, l, sparing(j, l),
				"`allow` ends the rules before the stanza's (line %u is its "
				"last): "
				"what it allows is not asked, keeps the caller's own "
				"credentials "
				"or loses its backend; move it after them, or add the "
				"condition "
				"(to each part of an `or`)",
				last->line);
}

/* A hit is answered before any use_backend is looked at: the decision and the guard are not
 * asked. */
void
rule_cached_answers(struct judge *j)
{
	struct haproxy_walk w = haproxy_walk(j->gate);
	const struct haproxy_line *l;

	while ((l = haproxy_next(&w)))
		if (!l->negated && span_is(l->word[0], "http-request") &&
			span_is(haproxy_word(l, 1), "cache-use") &&
			!(spares_the_gate(j->gate, l) && spares_the_inner(j->gate, l)))
			found(j, l, sparing(j, l),
				"what this cache holds of a provider is answered to whoever "
				"asks for it, also where the policy denies it: add the "
				"condition (to each part of an `or`), or take the rule out");
}

/* Rules of these names that come after the question to the daemon. */
static void
found_after(struct judge *j, const char *const *names, size_t n, const char *condition,
	const char *why)
{
	bool asked = false;

	for (size_t i = 0; j->gate && i < j->gate->n; i++) {
		const struct haproxy_line *l = &j->gate->line[i];
		struct span name = haproxy_word(l, 1);
		if (span_is(name, "send-spoe-group"))
			asked = true;
		else if (asked && span_is(l->word[0], "http-request") &&
			 span_find(name, names, n) < n && !spares_the_gate(j->gate, l) &&
			 !find_saying(j->shipped_gate, l))
			found(j, l, condition ? condition : sparing(j, l), "%s", why);
	}
}

/* The policy does not see their effect. */
void
rule_changed_after(struct judge *j)
{
	static const char *const shaping[] = { "replace-path", "replace-pathq", "replace-uri",
		"set-path", "set-pathq", "set-query", "set-uri", "set-method", "normalize-uri",
		"set-src" };

	found_after(j, shaping, COUNT_OF(shaping), NULL,
		"this comes after the stanza's question: the policy sees the request as it was "
		"before. Move it above the stanza where the policy should see its effect, or "
		"add the condition");
}

/* They refuse a request which has been counted by then. */
void
rule_refused_after(struct judge *j)
{
	static const char *const refusing[] = { "auth", "deny", "reject", "silent-drop",
		"tarpit" };

	found_after(j, refusing, COUNT_OF(refusing), "unless { so_name tollgate-inner }",
		"this comes after the stanza's question: whom it refuses has been decided, "
		"counted by limits and recorded as passed by then. Move it above the stanza, "
		"and where it reads the client, which the relay's second pass has not there, "
		"add the condition");
}

/* ---- what pages may read ---- */

static void
judge_origins(struct judge *j, const struct haproxy_section *s, bool gate)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;

	while ((l = haproxy_next(&w))) {
		bool after = span_is(l->word[0], "http-after-response");
		if (!(after || (gate && span_is(l->word[0], "http-response"))) ||
			!(span_is(haproxy_word(l, 1), "set-header") ||
				span_is(haproxy_word(l, 1), "add-header")) ||
			!span_ieq(
				haproxy_word(l, 2), SPAN_LIT("access-control-allow-origin")) ||
			spares_the_decided(l) || is_shipped(j, l))
			continue;
		found(j, l, "unless { var(txn.tollgate.via) -m found }",
			"this says which pages may read the answers of the gate: "
			"/etc/haproxy/tollgate/origins.lst does; add the condition, or the "
			"origins to that file");
	}
}

void
rule_own_origins(struct judge *j)
{
	for (size_t i = 0; j->gate && i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		if (s == j->gate || is_provider(j, s))
			judge_origins(j, s, s == j->gate);
	}
}
