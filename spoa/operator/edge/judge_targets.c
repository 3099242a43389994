/* What attempts and credentials of the policy's targets need of HAProxy: that it says why one
 * failed, that it does not repeat one itself, that it sets what the relay hands it. */
#include <stdio.h>

#include "base/codec/credentials.h"
#include "operator/edge/judge_private.h"

/* ---- which targets, and which backends ---- */

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

/* A request of the route may have a second attempt. */
static bool
may_repeat(const struct route *r)
{
	return r->retry.attempts > 1;
}

/* The route sends to this backend, as far as the policy says; where HAProxy's own routing
 * decides, to any that may be a provider's. */
static bool
leads_to(const struct judge *j, const struct route *r, const struct haproxy_section *s)
{
	for (size_t i = 0; i < r->ntargets; i++)
		if (r->targets[i].backend ? span_is(s->name, r->targets[i].backend)
					  : is_provider(j, s))
			return true;
	return false;
}

/* The first route of which a request may be tried again and goes there; NULL: none. */
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
				"%.*s: `%.*s` sends a request again that the provider has had, "
				"and may charge twice; with the attempts of the policy it "
				"multiplies. What fails is tried again by the relay "
				"(`retry` of a route)",
				SPAN_ARG(s->name), SPAN_ARG(l->word[k]));
	}
}

/* Servers that a request may be given to: neither those of last resort nor those that are off.
 */
static unsigned
servers_of(const struct haproxy_section *s)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;
	unsigned n = 0;

	while ((l = haproxy_next(&w))) {
		bool off = false;
		for (size_t i = 3; i < l->n; i++)
			off |= span_is(l->word[i], "backup") || span_is(l->word[i], "disabled");
		if (span_is(l->word[0], "server-template"))
			n += 2; /* several, or nobody would write it */
		else if (span_is(l->word[0], "server") && !off)
			n++;
	}
	return n;
}

/* Each retry is given to another server. */
static bool
redispatches(const struct haproxy_section *s, uint64_t retries)
{
	const struct haproxy_line *l = haproxy_last(s, "option", "redispatch");
	struct span every = l ? haproxy_word(l, 2) : span_of("", 0);

	/* without a number the last retry alone (configuration.txt 4.2) */
	return l &&
	       (span_is(every, "1") || (retries == 1 && (!every.n || span_is(every, "-1"))));
}

enum { RETRIES = 3 }; /* HAProxy's own */

void
rule_retries(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		const struct route *r =
			is_back(s) && !is_ours(s) ? repeating_route(j, s) : NULL;
		const struct haproxy_line *l = r ? haproxy_last(s, "retries", NULL) : NULL;
		unsigned servers = r ? servers_of(s) : 0;
		uint64_t retries = RETRIES;
		if (l && span_u64(haproxy_word(l, 1), &retries) != 0)
			continue;
		if (servers == 1 && retries > 0)
			found(j, l ? l : s->head, "retries 0",
				"%.*s has one server, and HAProxy waits a second before each "
				"of its %llu retries of it (%s): route %s has other attempts, "
				"which come that much later",
				SPAN_ARG(s->name), (unsigned long long)retries,
				l ? "`retries`" : "its default", r->name);
		else if (servers > 1 && (retries == 0 || !redispatches(s, retries)))
			found(j, l ? l : s->head, "retries 1\noption redispatch 1",
				"%.*s has several servers, and where one cannot be reached "
				"HAProxy %s: route %s goes to its next target meanwhile or "
				"after that",
				SPAN_ARG(s->name),
				retries ? "tries the same again, after a second each"
					: "tries no other",
				r->name);
	}
}

/* ---- the second pass ---- */

/* The frontend of tollgate.cfg has no routes of its own: those of the person's frontend are for
 * what goes direct. */
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
				"route %s of the policy names no backend, and this frontend has no "
				"rule that does: what takes the relay is answered 503. Write "
				"`backend` or `targets` into the route",
				r->name);
	}
}

/* Those lines of a frontend, such as the relay's second pass, that came later and are not
 * there, to paste; what is written otherwise is not there. */
static const struct haproxy_section *
lacks_later(const struct judge *j, const struct haproxy_section *of, enum shipped_later which,
	char *paste, size_t size)
{
	const struct haproxy_section *want = of ? shipped_of(j, of) : NULL;
	size_t n = 0;

	*paste = 0;
	for (size_t i = 0; want && i < want->n && n < size; i++) {
		const struct haproxy_line *l = &want->line[i];
		const struct haproxy_line *own = find_saying(of, l);
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
				"%.*s does not say whether a provider answered or HAProxy did, "
				"and why: each failure on route %s counts as perhaps charged. "
				"After the line that deletes x-tollgate- from answers "
				"(`tollgate init --write` puts them there)",
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
				"%.*s refuses each Upgrade: the WebSockets of route %s are a "
				"501. After the line that sets txn.tollgate.via to refused "
				"(`tollgate init --write` puts it there)",
				SPAN_ARG(s->name), j->policy->routes[i].name);
			return;
		}
}

/* ---- where the caller comes from ---- */

/* Returns the first target outside that a request reaches by this backend (s NULL: by any); NULL: there is none. */
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
			"%.*s sends Referer, X-Forwarded-For and other headers that say where "
			"a caller comes from to providers outside, if a request is sent "
			"direct. After the line that deletes credentials (`tollgate init "
			"--write` puts it there)",
			SPAN_ARG(s->name));
}

/* The line adds such a header: by an option, which HAProxy does after all rules, or as a rule.
 * *name: the header. */
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

/* Deleted by the stanza afterwards, on either path: what a rule of a frontend or its defaults
 * adds above it. */
static bool
stanza_deletes(const struct haproxy_section *s, const struct haproxy_line *l)
{
	const struct haproxy_line *deletes = NULL;

	for (size_t i = 0; i < s->n; i++)
		if (shipped_later(s->line[i].source) == LATER_CALLER)
			deletes = &s->line[i];
	return deletes && !span_is(l->word[0], "option") && is_before(s, l, deletes);
}

/* One finding a line: defaults are those of many sections. */
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
				"this adds %.*s after tollgate has deleted such headers, and "
				"provider %s outside receives the caller's address from it "
				"(%.*s): write the line into the backends of your own servers "
				"instead, or name them in a `defaults` of their own",
				SPAN_ARG(name), *t->name ? t->name : t->known,
				SPAN_ARG(s->name));
		}
	}
}

/* Only on the second pass: before it, the head that the relay sends is known already. */
void
rule_argument_lines(struct judge *j)
{
	const struct haproxy_section *want = j->inner ? shipped_of(j, j->inner) : NULL;
	const struct route *r = NULL;

	for (size_t i = 0; j->policy && i < j->policy->nroutes && !r; i++)
		if (dialect_is_of_mcp(j->policy->routes[i].dialect))
			r = &j->policy->routes[i];
	for (size_t i = 0; want && r && i < want->n; i++) {
		const struct haproxy_line *own = find_saying(j->inner, &want->line[i]);
		if (!own || !line_deletes_arguments(own, &want->line[i]))
			continue;
		found(j, own, arena_dup(&j->pieces.arena, want->line[i].source).p,
			"this deletes fields such as Mcp-Param-Api-Key, which are arguments of "
			"tools: servers of route %s may refuse such calls (`tollgate init "
			"--write` renews the line)",
			r->name);
	}
}

/* Returns the next target with a credential of ours, from {0, 0} on; NULL: there are no more. */
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
			"(credentials of %s) and does not set it: the provider gets none. The "
			"set-var lines come before what deletes x-tollgate-, the set-header "
			"lines after what deletes credentials (`tollgate init --write` puts "
			"them there)",
			SPAN_ARG(s->name), t->name, j->cfg ? j->cfg->file : "tollgate.yaml");
}

/* Whose key it would be depends on which rule comes last, and both may go. */
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
				"provider %s has a credential of tollgate.yaml and names no "
				"backend: whichever HAProxy's own routing takes would be sent "
				"it; name one in the policy",
				t->name);
		else if (l)
			found(j, l, NULL,
				"%s sets a credential of its own, and provider %s has one of "
				"tollgate.yaml (credentials): take one of the two out",
				t->backend, t->name);
	}
}

/* The last line of the section that says which Host is sent; NULL: it is the caller's. */
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

/* Signed is the host that tollgate.yaml names; the provider checks the one that comes. */
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
		/* under a condition, or made of samples: nobody knows here */
		if (!s || !host || again || (l && l->n > 4) || span_chr(sent, '%') < sent.n ||
			(l && !span_is(l->word[1], "set-header")) ||
			(l && span_ieq(sent, span_str(host))))
			continue;
		found(j, l ? l : s->head,
			arena_printf(&j->pieces.arena, "http-request set-header host %s", host)
				.p,
			"%s sends the Host %.*s, and requests of provider %s are signed for %s "
			"(credentials of %s, sigv4: host): the provider refuses each",
			t->backend, SPAN_ARG(l ? sent : SPAN_LIT("that the caller sent")),
			t->name, host, j->cfg ? j->cfg->file : "tollgate.yaml");
	}
}
