/* Rules about the operator's own lines around the stanza: lines that run twice, lines that
 * decide in place of the gate, and lines whose effect the policy does not see. */
#include <stdio.h>

#include "base/scoped.h"
#include "operator/edge/judge_private.h"

/* Returns true if the line belongs to the shipped section, at its first occurrence. If the
 * files have no gate at all, which is a finding of its own, the lines of every shipped section
 * count. */
static bool
is_shipped(const struct judge *j, const struct haproxy_section *s, const struct haproxy_line *l)
{
	const struct haproxy_section *of = shipped_of(j, s);

	for (size_t i = 0; i < j->pieces.n; i++)
		for (size_t k = 0; k < j->pieces.section[i].n; k++) {
			const struct haproxy_line *want = &j->pieces.section[i].line[k];
			if ((!j->gate || of == &j->pieces.section[i]) &&
				line_matches(l, want) && find_matching(s, want) == l)
				return true;
		}
	return false;
}

/* ---- the corrected line ---- */

/* Returns the next word as written, with its quotes, or an empty span. */
static struct span
written_word(struct span *rest)
{
	*rest = span_trim(*rest, " \t\r");
	size_t n = unquoted_at(*rest, " \t#");
	struct span word = span_cut(*rest, 0, n);

	*rest = span_cut(*rest, n, rest->n);
	return word;
}

/* Appends the terms that exclude a and b, each after `before` ("!" or "or "), unless the branch
 * that begins at `from` has the term already. */
static void
put_left_out(struct buf *out, size_t from, const char *before, const char *a, const char *b)
{
	const char *const acls[] = { a, b };
	char term[256];

	for (size_t i = 0; i < COUNT_OF(acls) && acls[i]; i++) {
		int n = snprintf(term, sizeof(term), " %s%s ", before, acls[i]);
		struct span part = span_cut(buf_view(out), from - 1, out->n);
		if (!memmem(part.p, part.n, term, (size_t)n))
			buf_str(out, term + 1);
	}
}

enum { EXCEPTED_BYTES = 4096 };

/* Writes the line with its condition extended so that it excludes a and b (b may be NULL): to
 * each branch of `if`, or as further branches of `unless`. `out` has EXCEPTED_BYTES. */
static void
with_exceptions(const struct haproxy_line *l, const char *a, const char *b, char *out)
{
	size_t at = condition_at(l), n = 0, part = 1;
	bool unless = at < l->n && span_is(l->word[at], "unless");
	struct span rest = l->source, word;

	SCOPED_BUF(text, EXCEPTED_BYTES - 1);
	for (; !l->secret && (word = written_word(&rest)).n; n++) {
		bool or = n > at && (span_is(word, "or") || span_is(word, "||"));
		if (or &&!unless)
			put_left_out(&text, part, "!", a, b);
		buf_printf(&text, "%.*s ", SPAN_ARG(word));
		if (or || n == at)
			part = text.n;
	}
	/* The line holds a secret or words from a variable, so only its condition is shown. */
	if (n != l->n) {
		buf_clear(&text);
		buf_str(&text, "... ");
		part = text.n;
	}
	if (at == l->n) {
		buf_str(&text, b ? "if " : "unless ");
		part = text.n;
	}
	put_left_out(&text, part,
		at < l->n && unless ? "or "
		: at < l->n || b    ? "!"
				    : "",
		a, b);
	snprintf(out, EXCEPTED_BYTES, "%.*s", SPAN_ARG(span_trim(buf_view(&text), " ")));
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

/* Returns true if the rule's condition reads the client's address or connection, in braces or
 * by an ACL of the section. */
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

/* Returns true if the condition refers to the inner bind, directly or by an ACL. */
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

bool
rule_answers(const struct haproxy_line *l)
{
	static const char *const actions[] = { "auth", "deny", "redirect", "reject", "return",
		"silent-drop", "tarpit", "use-service" };
	bool tcp = span_is(l->word[0], "tcp-request") || span_is(l->word[0], "tcp-response");

	if (span_is(l->word[0], "redirect"))
		return true;
	return (tcp || span_is(l->word[0], "http-request") ||
		       span_is(l->word[0], "http-response")) &&
	       SPAN_IN(haproxy_word(l, 1 + tcp), actions);
}

#define INNER_TEST "{ so_name tollgate-inner }"

/* Returns a frontend of the gate whose requests have not met this rule before the second pass,
 * or NULL if each frontend has the rule. */
static const struct haproxy_section *
not_met_in(const struct judge *j, const struct haproxy_line *l)
{
	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		struct haproxy_walk w = haproxy_walk(s);
		const struct haproxy_line *k;
		bool met = !engine_of(s) || s == j->inner;
		while (!met && (k = haproxy_next(&w)))
			met = same_line(k, l);
		if (!met)
			return s;
	}
	return NULL;
}

/* Returns why a rule answers requests in the relay's second pass that it did not answer in the
 * first, or NULL. `s` is the frontend of that pass or a provider's backend. */
static const char *
ends_inner(struct judge *j, const struct haproxy_section *s, const struct haproxy_line *l)
{
	const struct haproxy_section *other;
	bool differs;

	if (!j->inner || l->negated || !rule_answers(l) || condition_requires(s, l, INNER) ||
		!runs_on_inner(j, s, l, &differs) || is_shipped(j, s, l) || is_guard(j, l))
		return NULL;
	if (s == j->inner && always_on_inner(j, s, l))
		return "the relay's second pass arrives in this frontend, on the bind "
		       "tollgate-inner";
	if (differs)
		return is_before_set_src(j, s, l)
			       ? "the relay's second pass arrives over a Unix socket, without "
				 "TLS, HTTP/2, a port, the caller's credential and, above the "
				 "stanza, the client's address"
			       : "the relay's second pass arrives over a Unix socket, without "
				 "TLS, HTTP/2, a port and the caller's credential";
	other = s == j->inner && engine_of(s) ? not_met_in(j, l) : NULL;
	if (!other)
		return NULL;
	return arena_printf(&j->pieces.arena,
		"the relay's second pass arrives in this frontend, and requests of frontend "
		"%.*s have not met this rule before",
		SPAN_ARG(other->name))
		.p;
}

int
rule_status(const struct haproxy_line *l)
{
	static const struct {
		const char *action, *word;
		int status; /* the default status if the line sets none */
	} rows[] = { { "redirect", "code", 302 }, { "deny", "deny_status", 403 },
		{ "tarpit", "deny_status", 500 }, { "return", "status", 200 },
		{ "auth", NULL, 401 } };
	struct span action = span_is(l->word[0], "redirect") ? l->word[0] : haproxy_word(l, 1);
	uint64_t status;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (!span_is(action, rows[i].action))
			continue;
		struct span said =
			rows[i].word ? value_after(l, 2, rows[i].word) : SPAN_LIT("");
		if (!said.n && span_is(action, "deny"))
			said = value_after(l, 2, "status");
		return said.n && span_u64(said, &status) == 0 ? (int)status : rows[i].status;
	}
	return 0;
}

/* Describes what the caller receives from a rule that answers. */
static const char *
answer_of(struct judge *j, const struct haproxy_line *l)
{
	int status = rule_status(l);

	return status ? arena_printf(&j->pieces.arena, "answered %d", status).p
		      : "closed without a response";
}

static void
judge_inner_rules(struct judge *j, const struct haproxy_section *s)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;
	char line[EXCEPTED_BYTES];
	const char *why;

	while ((l = haproxy_next(&w)))
		if ((why = ends_inner(j, s, l))) {
			with_exceptions(l, INNER_TEST, NULL, line);
			found(j, l, line, "%s %s by line %u: %s",
				always_on_inner(j, s, l) || excludes_only_acme(s, l, false) ||
						excludes_only_acme(s, l, true)
					? "every relayed request is"
					: "relayed requests that match this rule are",
				answer_of(j, l), l->line, why);
		}
}

void
rule_inner_answered(struct judge *j)
{
	if (!j->inner)
		return;
	judge_inner_rules(j, j->inner);
	for (size_t i = 0; i < j->h->n; i++)
		if (&j->h->section[i] != j->inner && is_provider(j, &j->h->section[i]))
			judge_inner_rules(j, &j->h->section[i]);
}

void
rule_own_rules_twice(struct judge *j)
{
	char line[EXCEPTED_BYTES];
	bool differs;

	if (!j->gate || !joint_stanza(j->gate) || (j->inner && j->gate != j->inner))
		return;
	for (size_t i = 0; i < j->gate->n; i++) {
		const struct haproxy_line *l = &j->gate->line[i];
		bool knows = knows_inner(j->gate, l);
		if (!span_is(l->word[0], "http-request") || find_matching(j->shipped_gate, l) ||
			ends_inner(j, j->gate, l) || condition_requires(j->gate, l, INNER) ||
			(knows && !(j->inner && runs_on_inner(j, j->gate, l, &differs))))
			continue;
		/* The stanza's set-src restores the client's address in the second pass, but
		 * not the port or the client certificate. */
		if (!SPAN_IN(haproxy_word(l, 1), once_actions) &&
			!(l < j->engine && reads_client(j->gate, l)))
			continue;
		with_exceptions(l, INNER_TEST, NULL, line);
		found(j, l, line,
			"this rule runs again in the relay's second pass, which has no client "
			"connection%s. Exclude that pass",
			knows ? ", because its condition does not exclude that pass" : "");
	}
}

/* ---- rules that decide in place of the gate ---- */

/* Returns true if the line writes a variable that the gate's rules read. txn.tollgate.path is
 * allowed: it is only for logs, and docs/haproxy.md asks operators to set it for requests
 * outside the gate. */
static bool
writes_verdict(const struct haproxy_line *l)
{
	struct haproxy_written w = { .word = 0 };
	struct span name;

	while (haproxy_written(l, &w, &name)) {
		/* ptxn is the transaction of the parent stream, from HAProxy 3.1 on */
		if (span_starts(name, SPAN_LIT("ptxn.")))
			name = span_cut(name, 1, name.n);
		if (span_is(name, GATED_VARIABLE) ||
			(span_starts(name, SPAN_LIT("txn.tollgate.")) &&
				!span_is(name, "txn.tollgate.path")))
			return true;
	}
	return false;
}

/* Returns true if the rule sets or deletes an x-tollgate-* header. These headers control the
 * relay's second pass. */
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

/* Returns true if a Lua script names our variables and sets variables. A script that cannot be
 * read is not checked. */
static bool
script_writes(const struct haproxy_line *l)
{
	bool ours = false;

	if (!span_starts(l->word[0], SPAN_LIT("lua-load")) || l->n < 2)
		return false;
	SCOPED_BUF(text, 1 << 20);
	if (buf_file(&text, haproxy_word(l, 1).p)) {
		struct span v = buf_view(&text);
		ours = memmem(v.p, v.n, "txn.tollgate", 12) != NULL &&
		       memmem(v.p, v.n, "set_var", 7) != NULL;
	}
	return ours;
}

/* Returns true if the engine of this name writes txn.tollgate.* through its var-prefix, whose
 * default is the agent's name (SPOE.txt 2.2). Reports lines of the engine that write such a
 * variable by a converter. */
static bool
engine_writes(struct judge *j, const struct haproxy *spoe, struct span engine)
{
	const struct haproxy_section *s = &spoe->section[0];
	bool here = engine.n == 0, ours = false;

	for (size_t i = 0; i < s->n; i++) {
		struct span first = s->line[i].word[0];
		if (here && writes_verdict(&s->line[i]))
			found(j, &s->line[i], NULL,
				"this line of the engine %.*s writes txn.tollgate.* "
				"or " GATED_VARIABLE
				", and the guards trust that variable: use another name",
				SPAN_ARG(engine));
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

	if (!haproxy_begins(l, "filter", "spoe"))
		return;
	if (read_engine(l, &spoe) && engine_writes(j, &spoe, engine) &&
		!span_is(engine, "tollgate"))
		found(j, l, NULL,
			"the engine %.*s writes txn.tollgate.* through its var-prefix, and "
			"the guards trust these variables: set another prefix",
			SPAN_ARG(engine));
	haproxy_free(&spoe);
}

void
rule_own_variables(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++)
		for (size_t k = 0; k < j->h->section[i].n; k++) {
			const struct haproxy_section *s = &j->h->section[i];
			const struct haproxy_line *l = &s->line[k];
			judge_engine(j, l);
			if (writes_verdict(l) && !is_shipped(j, s, l) &&
				!(engine_of(s) && is_exception(l)))
				found(j, l, NULL,
					"txn.tollgate.* and " GATED_VARIABLE
					" hold tollgate's verdict, and the guards trust them. "
					"With this rule, HAProxy sets the verdict itself: use "
					"a variable of another name");
			else if (writes_header(l) && !is_shipped(j, s, l))
				found(j, l, NULL,
					"x-tollgate-* headers control the relay's second "
					"pass: use a header of another name");
			else if (script_writes(l))
				found(j, l, NULL,
					"this script names txn.tollgate and sets variables, "
					"and the guards trust those variables: use a variable "
					"of another name");
		}
}

/* Writes the line with a condition that excludes the gate's requests and returns it. Returns
 * NULL above `acl tollgate`, where no condition can select these requests yet. */
static const char *
line_without_gate(const struct judge *j, const struct haproxy_line *l, char *line)
{
	const struct haproxy_line *once = decided_once(j->gate);
	const struct haproxy_line *acl = haproxy_own(j->gate, "acl", "tollgate");

	if (acl && l >= j->gate->line && l < acl)
		return NULL;
	with_exceptions(l, !once || is_before(j->gate, l, once) ? "tollgate" : GATED_ACL,
		joint_stanza(j->gate) ? "tollgate-inner" : NULL, line);
	return line;
}

/* Returns true if the rule excludes the requests of the gate in each pass that arrives in this
 * frontend. */
static bool
leaves_alone(const struct judge *j, const struct haproxy_line *l)
{
	return excludes_the_gate(j->gate, l) &&
	       (!joint_stanza(j->gate) || condition_excludes(j->gate, l, INNER));
}

/* After `allow`, HAProxy evaluates no further http-request rule of the frontend. */
void
rule_ends_before(struct judge *j)
{
	const struct haproxy_line *last = last_of_stanza(j, "http-request"), *l;
	struct haproxy_walk w = haproxy_walk(j->gate);
	char line[EXCEPTED_BYTES];

	while (last && (l = haproxy_next(&w)))
		if (is_before(j->gate, l, last) && !l->negated &&
			haproxy_begins(l, "http-request", "allow") && !leaves_alone(j, l))
			found(j, l, line_without_gate(j, l, line),
				"`allow` ends the evaluation before the stanza's last rule "
				"(line %u), so the requests that it allows skip the gate, "
				"keep the caller's credentials or have no backend. Move the "
				"rule below the stanza, or exclude the gate's requests",
				last->line);
}

/* A cache hit is answered before use_backend is evaluated, so neither the verdict nor the guard
 * applies. */
void
rule_cached_answers(struct judge *j)
{
	struct haproxy_walk w = haproxy_walk(j->gate);
	const struct haproxy_line *l;
	char line[EXCEPTED_BYTES];

	while ((l = haproxy_next(&w)))
		if (!l->negated && haproxy_begins(l, "http-request", "cache-use") &&
			!leaves_alone(j, l))
			found(j, l, line_without_gate(j, l, line),
				"this cache answers any caller with stored responses of "
				"providers, even if the policy denies the request. Delete the "
				"rule, or exclude the gate's requests");
}

/* Reports rules with these actions that run after the stanza has sent the request to the
 * daemon. */
static void
found_after(struct judge *j, const char *const *names, size_t n, const char *why)
{
	char line[EXCEPTED_BYTES];
	bool asked = false;

	for (size_t i = 0; j->gate && i < j->gate->n; i++) {
		const struct haproxy_line *l = &j->gate->line[i];
		struct span name = haproxy_word(l, 1);
		if (asks_daemon(l))
			asked = true;
		else if (asked && span_is(l->word[0], "http-request") &&
			 span_find(name, names, n) < n && !excludes_the_gate(j->gate, l) &&
			 !find_matching(j->shipped_gate, l))
			found(j, l, line_without_gate(j, l, line), "%s", why);
	}
}

/* The policy does not see the effect of these rules. If the second pass has a frontend of its
 * own, relayed requests do not have the effect either. */
void
rule_changed_after(struct judge *j)
{
	static const char *const headers[] = { "add-header", "del-header", "replace-header",
		"replace-value", "set-header" };

	static const char *const shaping[] = { "replace-path", "replace-pathq", "replace-uri",
		"set-path", "set-pathq", "set-query", "set-uri", "set-method", "normalize-uri",
		"set-src" };

	if (j->gate && joint_stanza(j->gate)) {
		found_after(j, shaping, COUNT_OF(shaping),
			"this rule runs after the stanza, so the policy decides on the "
			"request without the change. Move the rule above the stanza if the "
			"policy should see the change. If it is only for the provider, leave "
			"it. If it is for other hosts only, exclude the gate's requests");
		return;
	}
	found_after(j, shaping, COUNT_OF(shaping),
		"this rule runs after the stanza, so the policy decides on the request "
		"without the change, and relayed requests are sent without it. Move the rule "
		"above the stanza or into the provider's backend. If it is for other hosts only, "
		"exclude the gate's requests");
	found_after(j, headers, COUNT_OF(headers),
		"this rule runs after the stanza, so relayed requests are sent without its "
		"effect. Move the rule above the stanza or into the provider's backend. If it "
		"is for other hosts only, exclude the gate's requests");
}

/* ---- origins that may read responses ---- */

static void
judge_origins(struct judge *j, const struct haproxy_section *s, bool gate)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;
	char line[EXCEPTED_BYTES];

	while ((l = haproxy_next(&w))) {
		bool after = span_is(l->word[0], "http-after-response");
		if (!(after || (gate && span_is(l->word[0], "http-response"))) ||
			!(span_is(haproxy_word(l, 1), "set-header") ||
				span_is(haproxy_word(l, 1), "add-header")) ||
			!span_ieq(
				haproxy_word(l, 2), SPAN_LIT("access-control-allow-origin")) ||
			condition_excludes(NULL, l, DECIDED | GATED) || is_shipped(j, s, l))
			continue;
		with_exceptions(l, "{ var(txn.tollgate.via) -m found }", NULL, line);
		found(j, l, line,
			"this rule lets pages read the gate's responses, which only "
			"/etc/haproxy/tollgate/origins.lst should decide. Add the origins to "
			"that file, or exclude the gate's responses");
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
