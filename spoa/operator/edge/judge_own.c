/* The person's own rules around the stanza: what they take from it, or what it takes from them.
 */
#include <stdio.h>

#include "base/scoped.h"
#include "operator/edge/judge_private.h"

/* A line that the shipped section of this kind has, the first time it is said here; without a
 * gate, which is a finding of its own, that of any. */
static bool
is_shipped(const struct judge *j, const struct haproxy_section *s, const struct haproxy_line *l)
{
	const struct haproxy_section *of = shipped_of(j, s);

	for (size_t i = 0; i < j->pieces.n; i++)
		for (size_t k = 0; k < j->pieces.section[i].n; k++) {
			const struct haproxy_line *want = &j->pieces.section[i].line[k];
			if ((!j->gate || of == &j->pieces.section[i]) && line_says(l, want) &&
				find_saying(s, want) == l)
				return true;
		}
	return false;
}

/* ---- the line to write ---- */

/* The next word as it is written, quotes and all; empty: no more. */
static struct span
written_word(struct span *rest)
{
	*rest = span_trim(*rest, " \t\r");
	size_t n = unquoted_at(*rest, " \t#");
	struct span word = span_cut(*rest, 0, n);

	*rest = span_cut(*rest, n, rest->n);
	return word;
}

/* What leaves these out; in a part of `if`, from `from` on, not what it says already. */
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

void
mended(const struct haproxy_line *l, const char *a, const char *b, char *out)
{
	size_t at = condition_at(l), n = 0, part = 1;
	bool unless = at < l->n && span_is(l->word[at], "unless");
	struct span rest = l->source, word;

	SCOPED_BUF(text, MENDED_BYTES - 1);
	for (; !l->secret && (word = written_word(&rest)).n; n++) {
		bool or = n > at && (span_is(word, "or") || span_is(word, "||"));
		if (or &&!unless)
			put_left_out(&text, part, "!", a, b);
		buf_printf(&text, "%.*s ", SPAN_ARG(word));
		if (or || n == at)
			part = text.n;
	}
	if (n != l->n) { /* a secret, or words of a variable */
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
	snprintf(out, MENDED_BYTES, "%.*s", SPAN_ARG(span_trim(buf_view(&text), " ")));
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

/* A frontend of the gate whose requests have not met this rule of the second pass's frontend
 * before they come there; NULL: each has. */
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

/* Why a rule that answers does so on the relay's second pass; NULL: it does not, or the first
 * pass would have met the same answer. s: the frontend of that pass, or a provider's backend. */
static const char *
ends_inner(struct judge *j, const struct haproxy_section *s, const struct haproxy_line *l)
{
	const struct haproxy_section *other;
	bool differs;

	if (!j->inner || l->negated || !rule_answers(l) || fits_only(s, l, INNER) ||
		!runs_on_inner(j, s, l, &differs) || is_shipped(j, s, l) || is_guard(j, l))
		return NULL;
	if (s == j->inner && always_on_inner(j, s, l))
		return "the relay's second pass comes in here, by tollgate-inner";
	if (differs)
		return is_before_set_src(j, s, l)
			       ? "the relay's second pass comes in by a unix socket: no TLS, no "
				 "HTTP/2, no port, no credential of the caller, and above the "
				 "stanza no address"
			       : "the relay's second pass comes in by a unix socket: no TLS, no "
				 "HTTP/2, no port, no credential of the caller";
	other = s == j->inner && engine_of(s) ? not_met_in(j, l) : NULL;
	if (!other)
		return NULL;
	return arena_printf(&j->pieces.arena,
		"the relay's second pass comes in here, and what came by frontend %.*s has "
		"not met this rule",
		SPAN_ARG(other->name))
		.p;
}

int
rule_status(const struct haproxy_line *l)
{
	static const struct {
		const char *action, *word;
		int status; /* without the word */
	} rows[] = { { "redirect", "code", 302 }, { "deny", "deny_status", 403 },
		{ "tarpit", "deny_status", 500 }, { "return", "status", 200 },
		{ "auth", NULL, 401 } };
	struct span action = span_is(l->word[0], "redirect") ? l->word[0] : haproxy_word(l, 1);
	uint64_t status;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (!span_is(action, rows[i].action))
			continue;
		struct span said = rows[i].word ? value_after(l, 2, rows[i].word) : SPAN_LIT("");
		if (!said.n && span_is(action, "deny"))
			said = value_after(l, 2, "status");
		return said.n && span_u64(said, &status) == 0 ? (int)status : rows[i].status;
	}
	return 0;
}

/* What a caller gets of a rule that answers. */
static const char *
answer_of(struct judge *j, const struct haproxy_line *l)
{
	int status = rule_status(l);

	return status ? arena_printf(&j->pieces.arena, "answered %d", status).p
		      : "ended without an answer";
}

static void
judge_inner_rules(struct judge *j, const struct haproxy_section *s)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;
	char line[MENDED_BYTES];
	const char *why;

	while ((l = haproxy_next(&w)))
		if ((why = ends_inner(j, s, l))) {
			mended(l, INNER_TEST, NULL, line);
			found(j, l, line, "%s %s by line %u: %s",
				always_on_inner(j, s, l) || spares_acme(s, l, false) ||
						spares_acme(s, l, true)
					? "each relayed request is"
					: "relayed requests that this rule fits are",
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
	char line[MENDED_BYTES];
	bool differs;

	if (!j->gate || !joint_stanza(j->gate) || (j->inner && j->gate != j->inner))
		return;
	for (size_t i = 0; i < j->gate->n; i++) {
		const struct haproxy_line *l = &j->gate->line[i];
		bool knows = knows_inner(j->gate, l);
		if (!span_is(l->word[0], "http-request") || find_saying(j->shipped_gate, l) ||
			ends_inner(j, j->gate, l) || fits_only(j->gate, l, INNER) ||
			(knows && !(j->inner && runs_on_inner(j, j->gate, l, &differs))))
			continue;
		/* set-src of the stanza gives the second pass its client back, ports and
		 * certificate not */
		if (!SPAN_IN(haproxy_word(l, 1), once_actions) &&
			!(l < j->engine && reads_client(j->gate, l)))
			continue;
		mended(l, INNER_TEST, NULL, line);
		found(j, l, line,
			"this rule runs again on the relay's second pass, which has no "
			"client%s",
			knows ? ": its condition does not keep it from there" : "");
	}
}

/* ---- rules that decide in the gate's place ---- */

/* The line writes a variable that the gate obeys. The path is for logs alone: docs/haproxy.md
 * has a person set it for what is not the gate's. */
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

/* Whether an engine of that name in that file writes txn.tollgate.* by its prefix, which is
 * the agent's name where none is said (SPOE.txt 2.2). What its messages write by converters is
 * a finding here. */
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
				", and the guards obey that: use a variable of another name",
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
			"the engine %.*s writes txn.tollgate.* (its var-prefix), and the "
			"guards obey that: give it a prefix of its own",
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
			if (writes_verdict(l) && !is_shipped(j, s, l))
				found(j, l, NULL,
					"txn.tollgate.* and " GATED_VARIABLE
					" are tollgate's word, and the guards obey it: with "
					"this rule they obey HAProxy; use a variable of "
					"another name");
			else if (writes_header(l) && !is_shipped(j, s, l))
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

/* The line with a condition that leaves the gate's alone there; NULL: above the ACL that names
 * what passes there is no such condition. */
static const char *
sparing(const struct judge *j, const struct haproxy_line *l, char *line)
{
	const struct haproxy_line *once = decided_once(j->gate);
	const struct haproxy_line *acl = haproxy_own(j->gate, "acl", "tollgate");

	if (acl && l >= j->gate->line && l < acl)
		return NULL;
	mended(l, !once || is_before(j->gate, l, once) ? "tollgate" : GATED_ACL,
		joint_stanza(j->gate) ? "tollgate-inner" : NULL, line);
	return line;
}

/* The rule leaves alone what passes the gate, on each pass that comes by this frontend. */
static bool
leaves_alone(const struct judge *j, const struct haproxy_line *l)
{
	return spares_the_gate(j->gate, l) &&
	       (!joint_stanza(j->gate) || spares(j->gate, l, INNER));
}

/* After `allow` HAProxy looks at no further http-request rule of the frontend. */
void
rule_ends_before(struct judge *j)
{
	const struct haproxy_line *last = last_of_stanza(j, "http-request"), *l;
	struct haproxy_walk w = haproxy_walk(j->gate);
	char line[MENDED_BYTES];

	while (last && (l = haproxy_next(&w)))
		if (is_before(j->gate, l, last) && !l->negated &&
			haproxy_begins(l, "http-request", "allow") &&
			!leaves_alone(j, l))
			found(j, l, sparing(j, l, line),
				"`allow` ends the rules before the stanza's (line %u is its "
				"last): what it allows is not asked, keeps the caller's own "
				"credentials or loses its backend; move it after them, or "
				"leave the gate's alone",
				last->line);
}

/* A hit is answered before any use_backend is looked at: the decision and the guard are not
 * asked. */
void
rule_cached_answers(struct judge *j)
{
	struct haproxy_walk w = haproxy_walk(j->gate);
	const struct haproxy_line *l;
	char line[MENDED_BYTES];

	while ((l = haproxy_next(&w)))
		if (!l->negated && haproxy_begins(l, "http-request", "cache-use") &&
			!leaves_alone(j, l))
			found(j, l, sparing(j, l, line),
				"what this cache holds of a provider is answered to whoever "
				"asks for it, also where the policy denies it: take the rule "
				"out, or leave the gate's alone");
}

/* Rules of these names that come after the question to the daemon. */
static void
found_after(struct judge *j, const char *const *names, size_t n, bool inner, const char *why)
{
	char line[MENDED_BYTES];
	bool asked = false;

	for (size_t i = 0; j->gate && i < j->gate->n; i++) {
		const struct haproxy_line *l = &j->gate->line[i];
		struct span name = haproxy_word(l, 1);
		if (span_is(name, "send-spoe-group"))
			asked = true;
		else if (asked && span_is(l->word[0], "http-request") &&
			 span_find(name, names, n) < n && !spares_the_gate(j->gate, l) &&
			 !find_saying(j->shipped_gate, l)) {
			if (inner)
				mended(l, INNER_TEST, NULL, line);
			found(j, l,
				!inner			? sparing(j, l, line)
				: joint_stanza(j->gate) ? line
							: NULL,
				"%s", why);
		}
	}
}

/* The policy does not see their effect, and where the second pass has a frontend of its own
 * nothing that takes the relay has it. */
void
rule_changed_after(struct judge *j)
{
	static const char *const headers[] = { "add-header", "del-header", "replace-header",
		"replace-value", "set-header" };

	static const char *const shaping[] = { "replace-path", "replace-pathq", "replace-uri",
		"set-path", "set-pathq", "set-query", "set-uri", "set-method", "normalize-uri",
		"set-src" };

	if (j->gate && joint_stanza(j->gate)) {
		found_after(j, shaping, COUNT_OF(shaping), false,
			"this comes after the stanza's question: the policy sees the request "
			"as it was before. Move it above the stanza where the policy should "
			"see its effect, or leave it, if it is for the provider only; if it is "
			"for other hosts only");
		return;
	}
	found_after(j, shaping, COUNT_OF(shaping), false,
		"this comes after the stanza's question: the policy sees the request as it was "
		"before, and so does the provider if the request takes the relay. Move it "
		"above the stanza, or into the provider's backend; if it is for other hosts "
		"only");
	found_after(j, headers, COUNT_OF(headers), false,
		"this comes after the stanza's question: what takes the relay reaches the "
		"provider without its effect. Move it above the stanza, or into the provider's "
		"backend; if it is for other hosts only");
}

/* They refuse a request which has been counted by then. */
void
rule_refused_after(struct judge *j)
{
	static const char *const refusing[] = { "auth", "deny", "reject", "silent-drop",
		"tarpit" };

	found_after(j, refusing, COUNT_OF(refusing), true,
		"this comes after the stanza's question: whom it refuses has been decided, "
		"counted by limits and recorded as passed by then. Move it above the stanza");
}

/* ---- what pages may read ---- */

static void
judge_origins(struct judge *j, const struct haproxy_section *s, bool gate)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;
	char line[MENDED_BYTES];

	while ((l = haproxy_next(&w))) {
		bool after = span_is(l->word[0], "http-after-response");
		if (!(after || (gate && span_is(l->word[0], "http-response"))) ||
			!(span_is(haproxy_word(l, 1), "set-header") ||
				span_is(haproxy_word(l, 1), "add-header")) ||
			!span_ieq(
				haproxy_word(l, 2), SPAN_LIT("access-control-allow-origin")) ||
			spares(NULL, l, DECIDED | GATED) || is_shipped(j, s, l))
			continue;
		mended(l, "{ var(txn.tollgate.via) -m found }", NULL, line);
		found(j, l, line,
			"this says which pages may read the answers of the gate: "
			"/etc/haproxy/tollgate/origins.lst does; add the origins to that file, "
			"or leave the gate's answers alone");
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
