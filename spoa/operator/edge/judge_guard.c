/* Which sections hold a credential, whether a guard stands before it, and which ways around the
 * gate lead to a provider. A request without any key got the provider's answer through a
 * backend whose guard was forgotten. */
#include <stdio.h>

#include "base/scoped.h"
#include "operator/edge/judge_private.h"

/* ---- the guard ---- */

/* Rules after which HAProxy looks at no further http-request rule of this section. */
static const char *const final_actions[] = { "allow", "auth", "deny", "redirect", "reject",
	"return", "silent-drop", "tarpit", "use-service" };
static const char *const refusals[] = { "deny", "reject", "return", "silent-drop", "tarpit" };

/* Refuses under the very condition of the shipped line; how it refuses is the person's. */
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

/* Reads the http-request rules of a section up to the guards: which were found, and what ends
 * the rules before them. */
struct guarded {
	const struct haproxy_line *missing; /* the shipped line that is not there */
	const struct haproxy_line *before;  /* ends the rules before a guard */
	const struct haproxy_line *maybe;   /* the guard is in an .if that cannot be judged */
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
			"%.*s holds a credential (line %u) and lacks the guard: any request "
			"that reaches it gets the provider's answer (it is no provider? say `# "
			"tollgate: no guard` on this line)",
			SPAN_ARG(s->name), credential->line);
	else if (!speaks_http(s))
		found(j, mode ? mode : s->head, "mode http",
			"%.*s holds a credential (line %u) and does not speak HTTP: its guard "
			"is never asked (it is no provider? say `# tollgate: no guard` on the "
			"backend's line)",
			SPAN_ARG(s->name), credential->line);
	else if (g.before)
		found(j, g.before, paste,
			"%.*s: this rule ends the rules before the guard is asked: the guard "
			"comes first",
			SPAN_ARG(s->name));
	else if (g.maybe)
		found(j, g.maybe, paste,
			"%.*s: whether the guard is there depends on an .if that cannot be "
			"known here",
			SPAN_ARG(s->name));
}

void
rule_credential_unguarded(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++)
		if (is_back(&j->h->section[i]))
			judge_backend(j, &j->h->section[i]);
}

/* In a frontend it would go to every backend behind it, and be set before the gate deletes
 * what the caller sent. */
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
				"set it in the provider's backend, after the guard (it is "
				"none? say `# tollgate: no credential` on this line)",
				SPAN_ARG(s->name));
	}
}

/* ---- ways around the gate ---- */

/* A rule of the frontend answers all that comes in: redirects to TLS, mostly, and leaves alone
 * the challenges of ACME, which are no provider's. What `allow` lets through before is asked by
 * none but `redirect` alone. */
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
		if (at == l->n || spares_acme(s, l, false))
			answers = l;
		else if (spares_acme(s, l, true))
			plain = l;
	}
	if (!speaks_http(s))
		return NULL;
	return answers ? answers : tls ? NULL : plain;
}

/* Where a rule chooses the backend by a name that it makes: any; the policy's; or one of a map,
 * where that can be read and its value is the whole name. */
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
		      memmem(made.p, made.n, name.p, name.n) != NULL; /* its default */
	return may;
}

/* The line by which requests that did not pass the gate may come from this frontend to that
 * backend; NULL: none. */
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
			is_of_the_gate(front, l))
			continue;
		if (span_eq(to, back->name) || (made && may_make(to, back->name)))
			return l;
	}
	return NULL;
}

/* All that comes in here passes the gate: nothing names a part of it. */
static bool
gates_all(const struct haproxy_section *s)
{
	const struct haproxy_line *acl = haproxy_own(s, "acl", "tollgate");

	return engine_of(s) &&
	       (!acl || (acl->n == 3 && span_is(haproxy_word(acl, 2), "always_true")));
}

/* Each way from a frontend to this backend that is not the gate's. */
static void
judge_ways(struct judge *j, const struct haproxy_section *back, bool guarded)
{
	const char *paste = arena_dup(&j->pieces.arena, shipped_piece(PIECE_GUARD)).p;

	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *front = &j->h->section[i];
		const struct haproxy_line *l;
		if (!is_front(front) || (front == j->inner && !engine_of(front)) ||
			gates_all(front) || (guarded && engine_of(front)) ||
			answers_all(front) || !(l = way_to(front, back)))
			continue;
		if (guarded)
			found(j, l, NULL,
				"%.*s has no stanza and leads to %.*s, whose guard answers "
				"each of its requests with a 503: `tollgate init --frontend "
				"%.*s` lays it there too",
				SPAN_ARG(front->name), SPAN_ARG(back->name),
				SPAN_ARG(front->name));
		else
			found(j, l, engine_of(back) ? NULL : paste,
				"what %s of %.*s leads to %.*s, a provider's backend without "
				"key and guard: it is answered unread. Lay the stanza there "
				"(tollgate init --frontend), or the guard into the backend (it "
				"is no provider, or the old way in of a cutover? say `# "
				"tollgate: no guard` on the backend's line)",
				engine_of(front) ? "does not pass the gate" : "comes in",
				SPAN_ARG(front->name), SPAN_ARG(back->name));
	}
}

/* Where a server line leads; empty: it is none. */
static struct span
server_of(const struct haproxy_line *l)
{
	static const char *const ways[] = { "dispatch", "server", "server-template" };
	size_t way = span_find(l->word[0], ways, COUNT_OF(ways));

	return way < COUNT_OF(ways) ? haproxy_word(l, way + 1) : span_of("", 0);
}

/* It leads where a provider's backend leads. */
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
		/* with a key and without its guard it is an error whoever comes; TCP asks none
		 */
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
