/* Rules about what the policy's targets need from HAProxy.
 *
 * If a route allows several attempts, HAProxy must report why an attempt failed and must not
 * retry by itself. If tollgate.yaml has a credential for a target, HAProxy must set the header
 * that the relay sends. External providers must not receive headers with the caller's origin.
 */
#include <stdio.h>

#include "base/codec/credentials.h"
#include "operator/edge/judge_private.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/target.h"
#include "scan/dialect/dialect.h"

/* ---- which targets, and which backends ---- */

/* A position in the policy's list of targets. */
struct targets_at {
	size_t route, target;
};

/* Returns the next target of the policy, from {0, 0} on; NULL: there are no more. */
static const struct target *
next_target(const struct judge *j, struct targets_at *at)
{
	for (; j->policy && at->route < j->policy->nroutes; at->route++, at->target = 0)
		if (at->target < j->policy->routes[at->route].ntargets)
			return &j->policy->routes[at->route].targets[at->target++];
	return NULL;
}

/* Returns true if a request of the route may have a second attempt. */
static bool
may_repeat(const struct route *r)
{
	return r->retry.attempts > 1;
}

/* Returns true if the route may send to this backend. If the policy leaves the choice to
 * HAProxy's routing, every provider's backend counts. */
static bool
leads_to(const struct judge *j, const struct route *r, const struct haproxy_section *s)
{
	for (size_t i = 0; i < r->ntargets; i++)
		if (r->targets[i].backend ? span_is(s->name, r->targets[i].backend)
					  : is_provider(j, s))
			return true;
	return false;
}

/* Returns the first route with several attempts that may send to this backend, or NULL. */
static const struct route *
repeating_route(const struct judge *j, const struct haproxy_section *s)
{
	for (size_t i = 0; j->policy && i < j->policy->nroutes; i++)
		if (may_repeat(&j->policy->routes[i]) && leads_to(j, &j->policy->routes[i], s))
			return &j->policy->routes[i];
	return NULL;
}

/* ---- HAProxy's own retries ---- */

void
rule_retried_answers(struct judge *j)
{
	static const char *const unsent[] = { "conn-failure", "none" };

	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		const struct haproxy_line *l = haproxy_last(s, "retry-on", NULL);
		size_t k = 1;
		if (!l || !is_back(s) || is_ours(s) ||
			!(is_provider(j, s) || repeating_route(j, s)))
			continue;
		while (k < l->n && SPAN_IN(l->word[k], unsent))
			k++;
		if (k < l->n)
			found(j, l, "retry-on conn-failure",
				"%.*s: `%.*s` repeats requests that the provider may have "
				"received and charged, in addition to the policy's attempts. "
				"Limit it to connection failures, and let the relay repeat "
				"(`retry` of a route)",
				SPAN_ARG(s->name), SPAN_ARG(l->word[k]));
	}
}

/* ---- the second pass ---- */

/* The inner frontend of tollgate.cfg has no routes of its own, and the routes of the operator's
 * frontend apply only to requests without the relay. */
void
rule_inner_routes(struct judge *j)
{
	struct haproxy_walk w = haproxy_walk(j->inner);
	const struct haproxy_line *l;

	if (!j->inner || engine_of(j->inner))
		return;
	while ((l = haproxy_next(&w)))
		if (span_is(l->word[0], "default_backend") ||
			(span_is(l->word[0], "use_backend") &&
				!line_holds(l, "txn.tollgate.backend")))
			return;
	for (size_t i = 0; j->policy && i < j->policy->nroutes; i++) {
		const struct route *r = &j->policy->routes[i];
		bool named = true;
		for (size_t k = 0; k < r->ntargets; k++)
			named &= r->targets[k].backend != NULL;
		if (!named || r->ntargets == 0)
			found(j, j->inner->head, NULL,
				"route %s of the policy names no backend, and this frontend "
				"has no route of its own, so relayed requests get 503. Set "
				"`backend` or `targets` in the route",
				r->name);
	}
}

/* Collects in `paste` the shipped lines of this kind that the frontend lacks, or has inside an
 * .if of unknown condition. Returns the frontend if there is such a line, otherwise NULL. */
static const struct haproxy_section *
lacks_later(const struct judge *j, const struct haproxy_section *of, enum shipped_later which,
	char *paste, size_t size)
{
	const struct haproxy_section *want = of ? shipped_of(j, of) : NULL;
	size_t n = 0;

	*paste = 0;
	for (size_t i = 0; want && i < want->n && n < size; i++) {
		const struct haproxy_line *l = &want->line[i];
		const struct haproxy_line *own = find_matching(of, l);
		if (shipped_later(l->source) == which && (!own || own->maybe))
			n += (size_t)snprintf(
				paste + n, size - n, "%.*s\n", SPAN_ARG(l->source));
	}
	return n ? of : NULL;
}

void
rule_attempt_lines(struct judge *j)
{
	char paste[2048];
	const struct haproxy_section *s =
		lacks_later(j, j->inner, LATER_SAID, paste, sizeof(paste));

	for (size_t i = 0; s && j->policy && i < j->policy->nroutes; i++)
		if (may_repeat(&j->policy->routes[i])) {
			found(j, s->head, paste,
				"%.*s does not report whether the provider or HAProxy "
				"answered, so each failure on route %s counts as possibly "
				"charged. Run `tollgate init --write`, or add below the line "
				"that deletes x-tollgate- from responses",
				SPAN_ARG(s->name), j->policy->routes[i].name);
			return;
		}
}

void
rule_socket_lines(struct judge *j)
{
	char paste[2048];
	const struct haproxy_section *s =
		lacks_later(j, j->gate, LATER_SOCKET, paste, sizeof(paste));

	for (size_t i = 0; s && j->policy && i < j->policy->nroutes; i++)
		if (j->policy->routes[i].websocket) {
			found(j, s->head, paste,
				"%.*s refuses every Upgrade, so WebSockets of route %s get "
				"501. Run `tollgate init --write`, or add below the line that "
				"sets txn.tollgate.via to refused",
				SPAN_ARG(s->name), j->policy->routes[i].name);
			return;
		}
}

/* ---- the caller's origin ---- */

/* Returns the first external target that a request reaches through this backend (NULL: any
 * backend), or NULL. */
static const struct target *
outside_target(const struct judge *j, const struct haproxy_section *s)
{
	const struct target *t;

	for (struct targets_at at = { 0, 0 }; (t = next_target(j, &at));)
		if (t->external &&
			(!s || (t->backend ? span_is(s->name, t->backend) : is_provider(j, s))))
			break;
	return t;
}

void
rule_caller_lines(struct judge *j)
{
	char paste[4096];
	const struct haproxy_section *s =
		lacks_later(j, j->gate, LATER_CALLER, paste, sizeof(paste));

	if (s && outside_target(j, NULL))
		found(j, s->head, paste,
			"%.*s sends Referer, X-Forwarded-For and other headers with the "
			"caller's origin to external providers if a request does not take the "
			"relay. Run `tollgate init --write`, or add below the line that "
			"deletes credentials",
			SPAN_ARG(s->name));
}

/* Returns true if the line adds a header with the caller's origin, as an option, which HAProxy
 * applies after all rules, or as a rule. Stores the header's name in *name. */
static bool
adds_caller(const struct haproxy_line *l, struct span *name)
{
	static const struct {
		const char *option, *header;
	} options[] = { { "forwardfor", "X-Forwarded-For" }, { "forwarded", "Forwarded" },
		{ "originalto", "X-Original-To" } };
	struct span word = haproxy_word(l, 1), own = last_value(l, "header");

	for (size_t i = 0; !l->negated && i < COUNT_OF(options); i++)
		if (haproxy_begins(l, "option", options[i].option)) {
			*name = own.n ? own : span_str(options[i].header);
			return true;
		}
	*name = haproxy_word(l, 2);
	return span_is(l->word[0], "http-request") &&
	       (span_is(word, "set-header") || span_is(word, "add-header")) &&
	       caller_field(*name);
}

/* Returns true if the stanza deletes the header afterwards: the line is a rule above the
 * stanza, in the frontend or its defaults. */
static bool
stanza_deletes(const struct haproxy_section *s, const struct haproxy_line *l)
{
	const struct haproxy_line *deletes = NULL;

	for (size_t i = 0; i < s->n; i++)
		if (shipped_later(s->line[i].source) == LATER_CALLER)
			deletes = &s->line[i];
	return deletes && !span_is(l->word[0], "option") && is_before(s, l, deletes);
}

/* Each line is reported once, even if it is in defaults that many sections use. */
void
rule_caller_address(struct judge *j)
{
	const struct haproxy_line *said[32];
	size_t n = 0;

	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		const struct target *t =
			is_back(s) && !is_ours(s) ? outside_target(j, s) : NULL;
		if (!t && !(is_front(s) && engine_of(s) && (t = outside_target(j, NULL))))
			continue;
		struct haproxy_walk w = haproxy_walk(s);
		const struct haproxy_line *l;
		struct span name;
		while ((l = haproxy_next(&w))) {
			bool again = !adds_caller(l, &name) || stanza_deletes(s, l);
			for (size_t k = 0; k < n; k++)
				again |= said[k] == l;
			if (again || n == COUNT_OF(said))
				continue;
			said[n++] = l;
			found(j, l, NULL,
				"this line adds %.*s after tollgate has deleted such headers, "
				"so the external provider %s receives the caller's address "
				"(%.*s). Move the line to the backends of your own servers, "
				"or give these a `defaults` section of their own",
				SPAN_ARG(name), *t->name ? t->name : t->known,
				SPAN_ARG(s->name));
		}
	}
}

/* Only the second pass matters: in the first, the relay has the complete head already. */
void
rule_argument_lines(struct judge *j)
{
	const struct haproxy_section *want = j->inner ? shipped_of(j, j->inner) : NULL;
	const struct route *r = NULL;

	for (size_t i = 0; j->policy && i < j->policy->nroutes && !r; i++)
		if (dialect_is_of_mcp(j->policy->routes[i].dialect))
			r = &j->policy->routes[i];
	for (size_t i = 0; want && r && i < want->n; i++) {
		const struct haproxy_line *own = find_matching(j->inner, &want->line[i]);
		if (!own || !line_deletes_arguments(own, &want->line[i]))
			continue;
		found(j, own, arena_dup(&j->pieces.arena, want->line[i].source).p,
			"this line deletes fields such as Mcp-Param-Api-Key, which are "
			"arguments of tools, so servers of route %s may refuse such calls. "
			"Run `tollgate init --write`, or replace the line",
			r->name);
	}
}

/* Returns the next target whose credential is in tollgate.yaml, from {0, 0} on; NULL: there are
 * no more. */
static const struct target *
next_credential(const struct judge *j, struct targets_at *at)
{
	const struct target *t;

	while ((t = next_target(j, at)) && !t->credential)
		;
	return t;
}

void
rule_credential_lines(struct judge *j)
{
	char paste[4096];
	const struct haproxy_section *s =
		lacks_later(j, j->inner, LATER_CREDENTIAL, paste, sizeof(paste));
	const struct target *t = next_credential(j, &(struct targets_at){ 0, 0 });

	if (s && t)
		found(j, s->head, paste,
			"%.*s deletes the credential that the relay adds for provider %s "
			"(credentials of %s) and does not set it, so the provider receives "
			"none. Run `tollgate init --write`, or add the set-var lines above "
			"the line that deletes x-tollgate- and the set-header lines below the "
			"line that deletes credentials",
			SPAN_ARG(s->name), t->name, j->cfg ? j->cfg->file : "tollgate.yaml");
}

/* With two credentials, the order of rules decides which is sent, and both may be. */
void
rule_credential_twice(struct judge *j)
{
	const struct target *t;

	for (struct targets_at at = { 0, 0 }; (t = next_credential(j, &at));) {
		const struct haproxy_section *s =
			t->backend ? backend_named(j->h, span_str(t->backend)) : NULL;
		const struct haproxy_line *l = s ? credential_of(s) : NULL;
		bool again = false;
		const struct target *before;
		for (struct targets_at b = { 0, 0 };
			(before = next_credential(j, &b)) && before != t;)
			again |= before->backend && t->backend
					 ? !strcmp(before->backend, t->backend)
					 : before->backend == t->backend;
		if (again)
			continue;
		if (!t->backend)
			found(j, NULL, NULL,
				"provider %s has a credential in tollgate.yaml but names no "
				"backend, so HAProxy's routing decides which backend receives "
				"the credential: name a backend in the policy",
				t->name);
		else if (l)
			found(j, l, NULL,
				"%s sets a credential, and provider %s has another one in "
				"tollgate.yaml (credentials): delete one of the two",
				t->backend, t->name);
	}
}

/* Returns the section's last line that changes Host, or NULL if the caller's Host is sent. */
static const struct haproxy_line *
host_of(const struct haproxy_section *s)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l, *last = NULL;

	while ((l = haproxy_next(&w)))
		if (span_is(haproxy_word(l, 0), "http-request") &&
			span_ends(haproxy_word(l, 1), SPAN_LIT("-header")) &&
			span_ieq(haproxy_word(l, 2), SPAN_LIT("host")))
			last = l;
	return last;
}

/* The signature covers the host in tollgate.yaml, and the provider verifies it against the Host
 * that it receives. */
void
rule_signed_host(struct judge *j)
{
	const struct target *t;

	for (struct targets_at at = { 0, 0 }; (t = next_credential(j, &at));) {
		const char *host = t->credential->kind == BY_SIGV4 ? t->credential->host : NULL;
		const struct haproxy_section *s =
			t->backend ? backend_named(j->h, span_str(t->backend)) : NULL;
		const struct haproxy_line *l = s && host ? host_of(s) : NULL;
		struct span sent = l ? haproxy_word(l, 3) : span_of("", 0);
		bool again = false;
		const struct target *before;
		for (struct targets_at b = { 0, 0 };
			(before = next_credential(j, &b)) && before != t;)
			again |= !strcmp(before->name, t->name);
		/* a Host under a condition, or one computed from samples, is unknown here */
		if (!s || !host || again || (l && l->n > 4) || span_chr(sent, '%') < sent.n ||
			(l && !span_is(l->word[1], "set-header")) ||
			(l && span_ieq(sent, span_str(host))))
			continue;
		found(j, l ? l : s->head,
			arena_printf(&j->pieces.arena, "http-request set-header host %s", host)
				.p,
			"%s sends the Host %.*s, but requests of provider %s are signed for "
			"%s (credentials of %s, sigv4: host), so the provider refuses them. "
			"Set the signed host",
			t->backend, SPAN_ARG(l ? sent : SPAN_LIT("that the caller sent")),
			t->name, host, j->cfg ? j->cfg->file : "tollgate.yaml");
	}
}
