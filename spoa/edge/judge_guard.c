/* Which sections hold a credential, and whether a guard stands before it. A request without
 * any key got the provider's answer through a backend whose guard was forgotten. */
#include <stdio.h>

#include "edge/judge_private.h"

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
	struct span guard = shipped_piece(PIECE_GUARD);
	char paste[4096];

	if (!credential || unguarded_by_wish(s))
		return;
	snprintf(paste, sizeof(paste), "%.*s", SPAN_ARG(guard));
	if (g.missing)
		found(j, s->head, paste,
			"%.*s holds a credential (line %u) and lacks the guard: any request "
			"that "
			"reaches it gets the provider's answer (it is no provider? say `# "
			"tollgate: no guard` on this line)",
			SPAN_ARG(s->name), credential->line);
	else if (!mode || !span_is(haproxy_word(mode, 1), "http"))
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
				"set "
				"it in the provider's backend, after the guard",
				SPAN_ARG(s->name));
	}
}
