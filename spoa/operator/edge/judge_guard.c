/* Rules about credentials and guards: which sections hold a credential, whether a guard
 * precedes it, and which ways around the gate lead to a provider.
 *
 * The guard is the shipped pair of lines at the head of a provider's backend. They refuse
 * requests that did not pass the gate. Without the guard, any request that another rule routes
 * to the backend is answered with the company's key. */
#include <stdio.h>

#include "base/scoped.h"
#include "operator/edge/judge_private.h"

/* ---- the guard ---- */

/* Actions after which HAProxy evaluates no further http-request rule of this section. */
static const char *const final_actions[] = { "allow", "auth", "deny", "redirect", "reject",
	"return", "silent-drop", "tarpit", "use-service" };
static const char *const refusals[] = { "deny", "reject", "return", "silent-drop", "tarpit" };

/* Returns true if the line refuses under the same condition as the shipped line. The operator
 * may choose the kind of refusal. */
static bool
guards_as(const struct haproxy_line *l, const struct haproxy_line *shipped)
{
	size_t a = condition_at(l), b = condition_at(shipped);

	if (l->negated || !span_is(l->word[0], "http-request") ||
		!SPAN_IN(haproxy_word(l, 1), refusals) || l->n - a != shipped->n - b)
		return false;
	for (size_t i = 0; a + i < l->n; i++)
		if (!span_eq(l->word[a + i], shipped->word[b + i]))
			return false;
	return true;
}

bool
is_guard(const struct judge *j, const struct haproxy_line *l)
{
	for (size_t i = 0; i < j->shipped_guard->n; i++)
		if (guards_as(l, &j->shipped_guard->line[i]))
			return true;
	return false;
}

/* The result of guard_of() for a section. All NULL: the guard is present and
 * effective. */
struct guarded {
	const struct haproxy_line *missing; /* the first shipped line that the section lacks */
	/* a rule that ends the evaluation before the guard */
	const struct haproxy_line *before;
	/* a guard line inside an .if whose condition is unknown */
	const struct haproxy_line *maybe;
};

static struct guarded
guard_of(const struct judge *j, const struct haproxy_section *s)
{
	struct guarded g = { .missing = NULL };

	for (size_t k = 0; k < j->shipped_guard->n; k++) {
		const struct haproxy_line *want = &j->shipped_guard->line[k], *l, *ends = NULL;
		struct haproxy_walk w = haproxy_walk(s);
		while ((l = haproxy_next(&w)) && !guards_as(l, want)) {
			bool guard = k > 0 && guards_as(l, &j->shipped_guard->line[0]);
			if (!ends && !guard && span_is(l->word[0], "http-request") &&
				SPAN_IN(haproxy_word(l, 1), final_actions) &&
				!SPAN_IN(haproxy_word(l, 1), refusals))
				ends = l;
		}
		if (!l && !g.missing)
			g.missing = want;
		else if (l && ends && !g.before)
			g.before = ends;
		else if (l && l->maybe)
			g.maybe = l;
	}
	return g;
}

bool
speaks_http(const struct haproxy_section *s)
{
	const struct haproxy_line *mode = haproxy_last(s, "mode", NULL);

	return mode && span_is(haproxy_word(mode, 1), "http");
}

bool
unguarded_by_wish(const struct haproxy_section *s)
{
	static const char mark[] = "tollgate: no guard";

	return memmem(s->head->source.p, s->head->source.n, mark, sizeof(mark) - 1) != NULL;
}

/* Reports a backend with a credential whose guard is missing or is never evaluated. */
static void
judge_backend(struct judge *j, const struct haproxy_section *s)
{
	const struct haproxy_line *credential = credential_of(s);
	struct guarded g = guard_of(j, s);
	const struct haproxy_line *mode = haproxy_last(s, "mode", NULL);
	const char *paste;

	if (!credential || unguarded_by_wish(s))
		return;
	paste = arena_dup(&j->pieces.arena, shipped_piece(PIECE_GUARD)).p;
	if (g.missing)
		found(j, s->head, paste,
			"%.*s holds a credential (line %u) but has no guard: any request that "
			"reaches this backend receives the provider's response. Add the "
			"guard; or, if this is no provider, append `# tollgate: no guard` to "
			"this line",
			SPAN_ARG(s->name), credential->line);
	else if (!speaks_http(s))
		found(j, mode ? mode : s->head, "mode http",
			"%.*s holds a credential (line %u) but is not in HTTP mode, so "
			"HAProxy never evaluates its guard. Set the mode; or, if this is no "
			"provider, append `# tollgate: no guard` to the backend's line",
			SPAN_ARG(s->name), credential->line);
	else if (g.before)
		found(j, g.before, paste,
			"%.*s: this rule ends the evaluation before the guard: move the guard "
			"above it",
			SPAN_ARG(s->name));
	else if (g.maybe)
		found(j, g.maybe, paste,
			"%.*s: the guard is inside an .if whose condition tollgate cannot "
			"evaluate: move the guard out of the .if",
			SPAN_ARG(s->name));
}

void
rule_credential_unguarded(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++)
		if (is_back(&j->h->section[i]))
			judge_backend(j, &j->h->section[i]);
}

/* A frontend would set the credential for all of its backends, and before the gate deletes the
 * caller's own. */
void
rule_credential_in_front(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		const struct haproxy_line *l =
			s->kind == HAPROXY_FRONTEND ? credential_of(s) : NULL;
		if (l && !unguarded_by_wish(s))
			found(j, l, NULL,
				"frontend %.*s sets a credential for every backend behind it: "
				"set it in the provider's backend, below the guard; or, if "
				"this is no credential, append `# tollgate: no credential` to "
				"this line",
				SPAN_ARG(s->name));
	}
}

/* ---- ways around the gate ---- */

/* Finds the line with which a frontend answers every request, typically a redirect to TLS.
 * NULL if no line does. Challenges of ACME may be excepted, because they reach no
 * provider. If an `allow` precedes the rule, other http-request rules are not evaluated for
 * what it allows, but `redirect` lines are. */
const struct haproxy_line *
answers_all(const struct haproxy_section *s)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l, *answers = NULL, *plain = NULL;
	bool tls = false, allowed = false;

	while ((l = haproxy_next(&w))) {
		size_t at = condition_at(l);
		bool redirect = span_is(l->word[0], "redirect");
		struct span action = haproxy_word(l, 1);
		for (size_t i = 2; i < l->n && span_is(l->word[0], "bind"); i++)
			tls |= span_is(l->word[i], "ssl") || span_is(l->word[i], "quic4");
		if (!redirect && !span_is(l->word[0], "http-request"))
			continue;
		allowed |= !redirect && span_is(action, "allow");
		if (l->maybe || line_holds(l, "ignore-empty") ||
			!(redirect || (!allowed && (SPAN_IN(action, refusals) ||
							   span_is(action, "redirect")))))
			continue;
		if (at == l->n || excludes_only_acme(s, l, false))
			answers = l;
		else if (excludes_only_acme(s, l, true))
			plain = l;
	}
	if (!speaks_http(s))
		return NULL;
	return answers ? answers : tls ? NULL : plain;
}

/* A computed name may be any backend, with two exceptions: the policy's own variable, and a map
 * that can be read and whose value is the whole name. */
bool
may_make(struct span made, struct span name)
{
	const char *p = NULL, *from, *end;
	char file[4096];
	bool may = true;

	if (span_is(made, "%[var(txn.tollgate.backend)]"))
		return false;
	for (size_t i = 0; i + 5 < made.n; i++)
		p = memcmp(made.p + i, ",map", 4) == 0 ? made.p + i : p;
	from = p ? strchr(p, '(') : NULL;
	end = from ? strchr(from, ')') : NULL;
	if (!end || made.p + made.n != end + 2 || end[1] != ']' ||
		!span_starts(made, SPAN_LIT("%[")) || memmem(made.p + 2, made.n - 2, "%[", 2) ||
		strncmp(p, ",map_regm", 9) == 0)
		return true;
	snprintf(file, sizeof(file), "%.*s", (int)strcspn(from + 1, ",)"), from + 1);
	SCOPED_BUF(text, JUDGE_TEXT_BYTES);
	if (buf_file(&text, file))
		may = memmem(buf_view(&text).p, text.n, name.p, name.n) != NULL ||
		      /* the converter's default value */
		      memmem(made.p, made.n, name.p, name.n) != NULL;
	return may;
}

/* Returns true if the rule applies only to requests that have passed the gate. Without
 * the engine, the names mean nothing. `acl tollgate` counts as long as no rule lets it
 * match more requests than before. */
static bool
requires_the_gate(const struct haproxy_section *s, const struct haproxy_line *l)
{
	unsigned decided = INNER | (engine_of(s) ? GATED : 0);

	return condition_requires(s, l, decided) ||
	       (engine_of(s) && condition_requires(s, l, decided | NAMED) &&
		       !scope_widened_before(s, l));
}

const struct haproxy_line *
way_to(const struct haproxy_section *front, const struct haproxy_section *back)
{
	struct haproxy_walk w = haproxy_walk(front);
	const struct haproxy_line *l;

	if (front == back)
		return front->head;
	while ((l = haproxy_next(&w))) {
		struct span to = haproxy_word(l, 1);
		bool made = to.n && memmem(to.p, to.n, "%[", 2) != NULL;
		if (l->negated ||
			!(span_is(l->word[0], "use_backend") ||
				span_is(l->word[0], "default_backend")) ||
			requires_the_gate(front, l))
			continue;
		if (span_eq(to, back->name) || (made && may_make(to, back->name)))
			return l;
	}
	return NULL;
}

/* Returns true if every request of the frontend passes the gate, because no ACL selects some of
 * them. */
static bool
gates_all(const struct haproxy_section *s)
{
	const struct haproxy_line *acl = haproxy_own(s, "acl", "tollgate");

	return engine_of(s) &&
	       (!acl || (acl->n == 3 && span_is(haproxy_word(acl, 2), "always_true")));
}

/* Reports each frontend that leads to this backend and whose requests bypass the gate.
 * `guarded`: the backend refuses them with 503, which is advice; otherwise they reach the
 * provider. */
static void
judge_ways(struct judge *j, const struct haproxy_section *back, bool guarded)
{
	const char *paste = arena_dup(&j->pieces.arena, shipped_piece(PIECE_GUARD)).p;

	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *front = &j->h->section[i];
		const struct haproxy_line *l;
		const char *api = dialect_of_servers(back, true);
		if (!is_front(front) || (front == j->inner && !engine_of(front)) ||
			gates_all(front) || (guarded && engine_of(front)) ||
			answers_all(front) || !(l = way_to(front, back)))
			continue;
		if (guarded)
			found(j, l, NULL,
				"%.*s has no stanza and leads to %.*s, whose guard answers "
				"all of its requests with 503: run `tollgate init --frontend "
				"%.*s` to add the stanza",
				SPAN_ARG(front->name), SPAN_ARG(back->name),
				SPAN_ARG(front->name));
		else
			found(j, l, engine_of(back) ? NULL : paste,
				"requests of frontend %.*s%s reach %.*s, a provider's backend "
				"without key and guard, so the provider answers them "
				"uninspected. %s add the guard to the backend (tollgate init "
				"--backend %.*s=%s). If the backend is no provider, or is the "
				"old entrance of a cutover, append `# tollgate: no guard` to "
				"its line instead",
				SPAN_ARG(front->name),
				engine_of(front) ? " that bypass the gate" : "",
				SPAN_ARG(back->name),
				engine_of(front) ? "Let them pass the gate (tollgate init "
						   "--host), or"
						 : "Add the stanza to the frontend (tollgate "
						   "init --frontend), or",
				SPAN_ARG(back->name), api ? api : "API");
	}
}

/* Returns the address of a server line, or an empty span for other lines. */
static struct span
server_of(const struct haproxy_line *l)
{
	static const char *const ways[] = { "dispatch", "server", "server-template" };
	size_t way = span_find(l->word[0], ways, COUNT_OF(ways));

	return way < COUNT_OF(ways) ? haproxy_word(l, way + 1) : span_of("", 0);
}

/* Returns true if the section has a server that a provider's backend has, too. */
static bool
leads_to_provider(const struct judge *j, const struct haproxy_section *s)
{
	struct haproxy_walk w = haproxy_walk(s), v;
	const struct haproxy_line *l, *k;

	while ((l = haproxy_next(&w)))
		for (size_t i = 0; server_of(l).n && i < j->h->n; i++) {
			const struct haproxy_section *p = &j->h->section[i];
			if (p == s || !is_provider(j, p) || unguarded_by_wish(p))
				continue;
			for (v = haproxy_walk(p); (k = haproxy_next(&v));)
				if (span_ieq(server_of(k), server_of(l)))
					return true;
		}
	return false;
}

static void
judge_ungated(struct judge *j, bool guarded)
{
	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		struct guarded g;
		if (!is_back(s) || unguarded_by_wish(s) || (guarded && engine_of(s)) ||
			is_ours(s) ||
			!(is_provider(j, s) || dialect_of_servers(s, false) ||
				leads_to_provider(j, s)))
			continue;
		g = guard_of(j, s);
		/* A backend with a key and without a guard is an error of another rule. In TCP
		 * mode the guard is not evaluated. */
		bool asked = !g.missing && !g.before && speaks_http(s);
		if (guarded ? asked : !asked && !credential_of(s))
			judge_ways(j, s, guarded);
	}
}

void
rule_ungated_provider(struct judge *j)
{
	judge_ungated(j, false);
}

void
rule_ungated_guarded(struct judge *j)
{
	judge_ungated(j, true);
}
