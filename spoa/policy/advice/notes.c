/* The notes of `tollgate check` on a valid policy. A note names a consequence that the file
 * does not show: data may reach someone who was not meant, or a request always fails. No note
 * changes a decision. Each function below looks for one such consequence and writes one note
 * for each place. */
#include "policy/advice/notes.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/credentials.h"
#include "base/codec/uri.h"
#include "base/scoped.h"
#include "policy/cel/cel.h"
#include "policy/config/config.h"
#include "policy/config/read.h"
#include "policy/entities.h"
#include "policy/env.h"
#include "policy/external.h"
#include "policy/identity/observe.h"
#include "policy/identity_entry.h"
#include "policy/limit.h"
#include "policy/on_failure.h"
#include "policy/policy.h"
#include "policy/prices.h"
#include "policy/route.h"
#include "policy/rule.h"
#include "policy/section.h"
#include "policy/target.h"
#include "scan/detect/custom/custom.h"
#include "scan/dialect/dialect.h"
#include "scan/dialect/form.h"
#include "scan/recognizer/recognizer.h"

enum { LIMITS_A_REQUEST = 16 }; /* QUOTA_DIMS_MAX of budget/quota/quota.h */

/* Receives each note as one line of text. */
struct note_lines {
	void (*note)(void *arg, const char *text);
	void *arg;
};

/* Formats a note and passes it on. A text over 511 bytes is cut. */
__attribute__((format(printf, 3, 4))) static void
note_say(const struct noting *to, const struct yaml_node *at, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	to->note(to->arg, at, text);
}

/* Writes "file:line:column: " before the text if the note has a place. */
static void
note_with_place(void *arg, const struct yaml_node *at, const char *text)
{
	const struct note_lines *r = arg;
	char line[1024];

	if (at)
		snprintf(line, sizeof(line), "%s:%u:%u: %s", at->file, at->line, at->column,
			text);
	r->note(r->arg, at ? line : text);
}

/* ---- identity ---- */

/* Returns true if both entries take names of persons from the same issuer or key file. */
static bool
has_same_names(const struct identity_entry *a, const struct identity_entry *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == ID_JWT)
		return !strcmp(a->issuer, b->issuer);
	return a->kind != ID_SIGNED || !strcmp(a->keys_file, b->keys_file);
}

/* Returns true if an issuer outside the gateway chooses the entry's names. The file of API keys
 * names persons in full, and `none` has no issuer. */
static bool
names_come_from_issuer(const struct identity_entry *e)
{
	return !e->realm && e->kind != ID_API_KEY && e->kind != ID_NONE;
}

static const char *
issuer_shown(const struct identity_entry *e)
{
	return e->kind == ID_JWT      ? e->issuer
	       : e->kind == ID_SIGNED ? "signed_headers"
				      : "client_certificate";
}

/* Two issuers without a realm: a name of one is the same person as that name of the other. */
static void
note_realms(const struct noting *r)
{
	const struct identity_entry *first = NULL;

	for (size_t i = 0; i < r->p->nidentities; i++) {
		const struct identity_entry *e = &r->p->identities[i];
		if (!names_come_from_issuer(e))
			continue;
		first = first ? first : e;
		if (has_same_names(first, e))
			continue;
		note_say(r, e->at,
			"alice of %.100s and alice of %.100s are one person for limits, "
			"records, "
			"sealing and erasure: if they can be two persons, set realm",
			issuer_shown(e), issuer_shown(first));
		return;
	}
}

/* Claims, headers, and fields of certificates and keys that usually hold a person's name. */
static const char *const names_of_persons[] = { "name", "given_name", "family_name",
	"middle_name", "nickname", "preferred_username", "username", "user_name", "unique_name",
	"upn", "email", "emails", "mail", "phone_number", "picture", "profile", "birthdate",
	"address", "displayname", "display_name", "login", "sub", "act", "owner", "person",
	"subject.cn", "subject.uid", "subject.emailaddress", "san.email", "san.uri", "spiffe" };

/* With pseudonyms, a recorded claim must not contain the name in plain text. */
static void
note_recorded_names(const struct noting *r, const struct identity_entry *e)
{
	char lower[32];

	for (size_t i = 0; i < e->nrecorded; i++) {
		const char *name = e->recorded[i];
		bool person = e->claims.person && !strcmp(e->claims.person, name);
		snprintf(lower, sizeof(lower), "%s", name);
		ascii_lower(lower, strlen(lower));
		if (person || SPAN_IN(span_str(lower), names_of_persons))
			note_say(r, e->at,
				"record: %.100s looks like a person's name: records contain it "
				"in "
				"plain text in spite of audit.persons: pseudonym, also after "
				"an "
				"erasure",
				name);
	}
}

static void
note_identities(const struct noting *r)
{
	note_realms(r);
	for (size_t i = 0; i < r->p->nidentities; i++)
		if (r->cfg && r->cfg->audit_persons == PERSONS_PSEUDONYM)
			note_recorded_names(r, &r->p->identities[i]);
	for (size_t i = 0; i < r->p->nidentities; i++) {
		const struct identity_entry *e = &r->p->identities[i];
		if (e->header && !credential_header(span_str(e->header)))
			note_say(r, e->at,
				"HAProxy's files do not delete header %s: every request must "
				"use the "
				"relay, which deletes it%s",
				e->header,
				r->cfg && !r->cfg->relay
					? ", and without relay.listen it is refused with 503"
					: "");
	}
	if (r->cfg && r->cfg->demo_issuer)
		note_say(r, NULL,
			"demo_issuer is set: anyone who holds its key can be any person: "
			"remove it "
			"before production");
}

/* ---- rules ---- */

/* Without an extractor, rules on files cannot read them. */
static void
note_files_uninspected(const struct noting *r)
{
	if (!r->cfg || r->cfg->extract.path)
		return;
	for (size_t i = 0; i < r->p->nrules; i++) {
		const struct rule *rule = &r->p->rules[i];
		if (rule->strips || (rule->change && rule->change->require & REQUIRE_OCR))
			note_say(r, rule->at,
				"rule %s: PDF files and pictures are not inspected: "
				"tollgate.yaml has "
				"no extract.listen",
				rule->name);
	}
}

static void
note_shadow(const struct noting *r)
{
	if (r->p->shadow)
		note_say(r, NULL,
			"mode: shadow: denials and redactions by rules are recorded, not "
			"enforced, for verified callers");
	for (size_t i = 0; i < r->p->nall_rules; i++)
		if (r->p->rules[i].shadow)
			note_say(r, r->p->rules[i].at,
				"rule %s: is in shadow mode: its effects are recorded, not "
				"enforced",
				r->p->rules[i].name);
}

/* A provider's backend usually adds the provider's key. */
static void
note_observed(const struct noting *r)
{
	const struct observe *o = &r->p->observe;
	const char *shared = NULL;
	SCOPED_BUF(says, 480);

	observe_says(r->p, clock_wall_ns(), &says);
	if (says.n)
		note_say(r, o->at, "observe: %.*s", SPAN_ARG(buf_view(&says)));
	for (size_t i = 0; o->backend && i < r->p->nroutes && !shared; i++)
		for (size_t k = 0; k < r->p->routes[i].ntargets; k++) {
			const struct target *t = &r->p->routes[i].targets[k];
			if (t->backend && !strcmp(t->backend, o->backend))
				shared = r->p->routes[i].name;
		}
	if (shared)
		note_say(r, o->at,
			"observe: backend %s is also used by route %s: observed callers get "
			"503 if "
			"the backend has the guard, and check --haproxy refuses it if it sets "
			"a key: "
			"give observed callers a backend of their own",
			o->backend, shared);
}

/* The effect of a rule on responses may come after bytes that were sent. */
static void
note_late_rules(const struct noting *r)
{
	for (size_t i = 0; i < r->p->nanswer_rules; i++)
		if (r->p->answer_rules[i].reads_late)
			note_say(r, r->p->answer_rules[i].at,
				"rule %s: in a stream, the rule is evaluated at the end of a "
				"block "
				"(%s): "
				"earlier blocks have already been sent to the caller",
				r->p->answer_rules[i].name,
				r->p->answer_rules[i].reads_finish
					? "once the finish reason is known"
					: "once its totals and scores are known");
}

/* A rule after one that always ends the evaluation is never evaluated. */
static void
note_unreached_rules(const struct noting *r, const struct rule *rules, size_t n)
{
	const struct rule *end = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct rule *x = &rules[i];
		bool always = !x->when || !strcmp(x->when_text, "true");
		if (end)
			note_say(r, x->at,
				"rule %s: is never evaluated: rule %s before it always ends "
				"the "
				"evaluation",
				x->name, end->name);
		else if (always && !x->shadow &&
			 (x->effect == RULE_DENY || x->effect == RULE_PERMIT))
			end = x;
	}
}

/* double("NaN") makes every comparison false, so a caller who sends "NaN" passes the rule. */
static void
note_nan(const struct noting *r)
{
	for (size_t i = 0; i < r->p->nall_rules; i++) {
		const struct rule *x = &r->p->rules[i];
		bool permits = x->effect == RULE_PERMIT;
		if (x->when && cel_lets_nan(x->when, !permits))
			note_say(r, x->at,
				"rule %s: if a caller sends \"NaN\" where the condition calls "
				"double(), the rule %s: %s",
				x->name, permits ? "permits" : "does not match",
				permits ? "compare without a negation, as in double(x) <= 100.0"
					: "write !(double(x) <= 100.0) for double(x) > 100.0");
	}
}

/* Tools that providers run themselves, by the names in requests. Such a call has been made
 * before the gateway sees its arguments. */
static const char *const provider_tools[] = { "web_search", "web_search_preview", "web_fetch",
	"file_search", "code_interpreter", "image_generation", "google_search", "googleSearch",
	"url_context", "urlContext", "google_maps", "googleMaps", "mcp" };

struct late_arguments {
	const struct noting *r;
	const struct rule *rule;
};

static void
note_late_arguments(void *arg, struct span name)
{
	const struct late_arguments *of = arg;

	if (SPAN_IN(name, provider_tools))
		note_say(of->r, of->rule->at,
			"rule %s: the provider runs %.*s itself, and its tool.arguments are "
			"known "
			"only after the call: write a rule on the tool's name alone, which "
			"hides the "
			"tool from requests",
			of->rule->name, SPAN_ARG(name));
}

static void
note_provider_tools(const struct noting *r)
{
	for (size_t i = 0; i < r->p->ntool_rules; i++) {
		struct late_arguments of = { r, &r->p->tool_rules[i] };
		if (of.rule->when && cel_reads(of.rule->when, V_TOOL_ARGUMENTS))
			cel_compared(of.rule->when, V_TOOL_NAME, note_late_arguments, &of);
	}
}

static bool
route_has_target(const struct route *t, const struct rule_change *x)
{
	for (size_t i = 0; i < t->ntargets; i++)
		for (size_t k = 0; k < x->ntargets; k++)
			if (policy_target_is(&t->targets[i], x->targets[k]))
				return true;
	return false;
}

/* A rule that leaves a route without a target denies the request. */
static void
note_no_target_left(const struct noting *r)
{
	for (size_t i = 0; i < r->p->nrules; i++) {
		const struct rule *rule = &r->p->rules[i];
		char names[256] = "";
		size_t n = 0;
		for (size_t k = 0; rule->change && rule->change->ntargets && k < r->p->nroutes;
			k++)
			if (!route_has_target(&r->p->routes[k], rule->change) &&
				n < sizeof(names))
				n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s",
					n ? ", " : "", r->p->routes[k].name);
		if (n)
			note_say(r, rule->at,
				"rule %s: if it matches on a route that has none of its "
				"targets, it "
				"denies the request: %s",
				rule->name, names);
	}
}

/* ---- routes ---- */

/* Returns why only the relay can serve requests of the route, or NULL. Rules are judged apart.
 */
static const char *
relay_needed_for(const struct route *t)
{
	for (size_t k = 0; k < t->ntargets; k++)
		if (t->targets[k].relay)
			return "has a target with via: relay";
	return t->told_of_end	       ? "has a limit in dollars or on concurrent requests"
	       : t->response	       ? "reads the response"
	       : t->retry.attempts > 1 ? "may try several targets"
	       : t->translates	       ? "translates requests"
				       : NULL;
}

/* Without relay.listen, each request that needs the relay is refused with 503. */
static void
note_no_relay(const struct noting *r)
{
	static const char listen[] = "and tollgate.yaml has no relay.listen";

	if (!r->cfg || r->cfg->relay)
		return;
	for (size_t i = 0; i < r->p->nrules; i++) {
		const struct rule_change *x = r->p->rules[i].change;
		bool changes = x && (x->model || x->max_output_tokens || x->nheaders);
		if (r->p->rules[i].redacts || changes)
			note_say(r, r->p->rules[i].at,
				"rule %s: %s, %s: its requests are refused with 503",
				r->p->rules[i].name,
				changes ? "changes the request" : "redacts", listen);
	}
	for (const struct route *t = r->p->routes; t < r->p->routes + r->p->nroutes; t++) {
		const char *why = relay_needed_for(t);
		if (why)
			note_say(r, t->at,
				"route %s: %s, %s: its requests are refused with 503", t->name,
				why, listen);
		for (size_t k = 0; k < t->naliases; k++)
			note_say(r, t->at,
				"route %s: model %s is sent under another name, %s: its "
				"requests "
				"are refused with 503",
				t->name, t->aliases[k].alias, listen);
	}
}

static bool
asks_callers_token(const struct target *t)
{
	return t->credential &&
	       (t->credential->kind == BY_EXCHANGE || t->credential->kind == BY_ON_BEHALF);
}

/* A caller without a token has none to exchange. */
static void
note_tokenless(const struct noting *r)
{
	const struct identity_entry *other = NULL;

	for (size_t i = 0; i < r->p->nidentities && !other; i++)
		if (r->p->identities[i].kind != ID_JWT)
			other = &r->p->identities[i];
	for (const struct route *t = r->p->routes; other && t < r->p->routes + r->p->nroutes;
		t++)
		for (size_t k = 0; k < t->ntargets; k++)
			if (asks_callers_token(&t->targets[k])) {
				note_say(r, t->at,
					"route %s: provider %s is called with the caller's own "
					"token, so callers that identity admits without a "
					"token "
					"get 401",
					t->name, t->targets[k].name);
				break;
			}
}

/* Descriptions of MCP tools are pinned, so that a server that changes one is noticed. */
static void
note_pins(const struct noting *r)
{
	for (size_t i = 0; r->cfg && !r->cfg->state_key && i < r->p->nroutes; i++) {
		const struct route *t = &r->p->routes[i];
		if (!t->dialect || !dialect_is_of_mcp(t->dialect))
			continue;
		note_say(r, t->at,
			"route %s: without state_key the pins of its tools are %s: a changed "
			"tool may "
			"be accepted as a new one",
			t->name,
			r->cfg->pins_file ? "kept by this daemon alone" : "lost at a restart");
		return;
	}
}

/* Returns true if each request of the route must be translated for the target, which only the
 * relay does. */
static bool
always_translated(const struct route *r, const struct target *to)
{
	return r->translates && to->forms && !(to->forms & forms_of_dialect(r->dialect));
}

/* Returns true if the gateway counts the target's requests in flight or their results, which
 * only the relay does: the route has several targets, or the target has a breaker or
 * `concurrent`. */
static bool
counts_attempts(const struct noting *r, const struct route *t, const struct target *to)
{
	bool relay = !r->cfg || r->cfg->relay;

	return relay && !t->direct && to->name[0] &&
	       (t->ntargets > 1 || to->breaker.on || to->concurrent);
}

/* Returns true if the relay serves each request of the route. */
static bool
always_relayed(const struct noting *r, const struct route *t)
{
	return t->response || t->retry.attempts > 1 || t->told_of_end || t->websocket ||
	       r->p->unusual_credential || (t->dialect && dialect_is_of_mcp(t->dialect));
}

/* HAProxy has no rule for interim responses, and has one for trailers only since version 3.2.
 */
static void
note_direct(const struct noting *r)
{
	for (const struct route *t = r->p->routes; t < r->p->routes + r->p->nroutes; t++) {
		const struct target *to = NULL;
		for (size_t k = 0; k < t->ntargets && !to; k++)
			if (t->targets[k].external && !t->targets[k].relay &&
				!always_translated(t, &t->targets[k]) &&
				!counts_attempts(r, t, &t->targets[k]))
				to = &t->targets[k];
		if (!to || always_relayed(r, t))
			continue;
		note_say(r, t->at,
			"route %s: goes direct to %s, which is external: 103 heads of its "
			"responses, "
			"and before HAProxy 3.2 their trailers, are not inspected: set via: "
			"relay "
			"for the provider",
			t->name, to->name[0] ? to->name : "a backend of no provider");
	}
}

static bool
covers_host(const struct route *a, const char *host)
{
	/* hosts that *.x matches are those whose part behind the star is below x too */
	const char *name = strncmp(host, "*.", 2) != 0 ? host : host + 2;

	for (size_t i = 0; i < a->nhosts; i++)
		if (!strcmp(a->hosts[i], host) ||
			(!strncmp(a->hosts[i], "*.", 2) &&
				policy_host_in(span_str(name), &a->hosts[i], 1)))
			return true;
	return !a->nhosts;
}

/* Returns true if `a` matches all paths below the prefix, or of the API. */
static bool
covers_prefix(const struct route *a, const char *prefix, const struct dialect *api)
{
	struct span path = span_str(prefix);

	for (size_t i = 0; i < a->nprefixes; i++) {
		struct span own = span_str(a->prefixes[i]);
		if (a->api ? a->api == api && !strcmp(a->prefixes[i], prefix)
			   : span_starts(path, own) &&
					(own.p[own.n - 1] == '/' || path.n == own.n ||
						path.p[own.n] == '/'))
			return true;
	}
	return a->api && a->api == api && !a->nprefixes;
}

/* Returns the first route above `of` that takes all requests of this method that `of` matches by
 * one of its paths or prefixes. method "": any. */
static const struct route *
taker_of(const struct noting *r, const struct route *of, const char *method, const char *path,
	const char *prefix)
{
	for (const struct route *a = r->p->routes; a < of; a++) {
		bool takes = !a->nmethods ||
			     (*method && span_find(span_str(method), a->methods, a->nmethods) <
						 a->nmethods);
		for (size_t i = 0; i < of->nhosts && takes; i++)
			takes = covers_host(a, of->hosts[i]);
		if (!takes || (a->nhosts && !of->nhosts))
			continue;
		if (path ? policy_route_has_path(a, span_str(method), span_str(path))
			 : covers_prefix(a, prefix, of->api))
			return a;
	}
	return NULL;
}

/* Returns the last of the routes that together take all requests of route `of` before it, or NULL
 * if some request reaches the route. A route without methods has all methods. */
static const struct route *
covered_by(const struct noting *r, const struct route *of)
{
	bool whole_api = of->api && !of->nprefixes;
	const struct route *by = NULL;

	for (size_t i = 0; i < of->npaths + of->nprefixes + whole_api; i++)
		for (size_t m = 0; m < of->nmethods || m == 0; m++) {
			const char *path = i < of->npaths ? of->paths[i] : NULL;
			const char *prefix = path || whole_api ? "/"
							       : of->prefixes[i - of->npaths];
			by = taker_of(r, of, of->nmethods ? of->methods[m] : "", path, prefix);
			if (!by)
				return NULL;
		}
	return by;
}

/* Clients write mcp__NAME__ before the name of a tool, and models take 64 letters in all. */
static void
note_joined_names(const struct noting *r, const struct route *t)
{
	enum { LETTERS = 44 };

	for (size_t i = 0; t->joined && i < t->ntargets; i++)
		if (strlen(t->targets[i].name) >= LETTERS)
			note_say(r, t->targets[i].at,
				"route %s: the name of provider %s is before the name of each of "
				"its tools, and models take 64 letters: choose a shorter one",
				t->name, t->targets[i].name);
}

static void
note_routes(const struct noting *r)
{
	for (size_t i = 0; i < r->p->nroutes; i++) {
		const struct route *t = &r->p->routes[i], *by = covered_by(r, t);
		if (by)
			note_say(r, t->at,
				"route %s: no request reaches it: route %s above it matches "
				"all of them: move it up, or remove it",
				t->name, by->name);
		note_joined_names(r, t);
		if (!t->targets->known[0])
			note_say(r, t->at,
				"route %s: has neither targets nor a backend: HAProxy's own "
				"rules "
				"choose where its requests are sent, and records do not name "
				"the "
				"place",
				t->name);
		for (size_t k = 0; k < t->npaths; k++)
			if (strchr(t->paths[k], '*'))
				note_say(r, t->at,
					"route %s: path %s matches only a path with a literal "
					"*: "
					"write path_prefix for all paths below it",
					t->name, t->paths[k]);
	}
}

/* Audio of a session is sent before its transcript is known. */
static void
note_sockets(const struct noting *r)
{
	const struct rule *redacts = NULL;

	for (size_t i = 0; i < r->p->nanswer_rules && !redacts; i++)
		if (r->p->answer_rules[i].effect == RULE_REDACT)
			redacts = &r->p->answer_rules[i];
	for (size_t i = 0; i < r->p->nroutes; i++) {
		const struct route *t = &r->p->routes[i];
		if (t->beside)
			note_say(r, t->at,
				"route %s: realtime: webrtc: permit: the gateway does not "
				"inspect, "
				"redact, meter or end sessions over WebRTC and SIP, or "
				"sessions that a "
				"client secret opens: records end with the request that opens "
				"them",
				t->name);
		if (t->uses.speech && !r->p->ntranscribers)
			note_say(r, t->at,
				"route %s: a rule reads response.speech, and nobody transcribes: "
				"responses with sound fail: add transcribers",
				t->name);
		if (!t->websocket)
			continue;
		if (!t->response)
			note_say(r, t->at,
				"route %s: websocket: responses of the provider are not "
				"inspected, "
				"and turns have no token counts: set response: [meter]",
				t->name);
		if (t->on_failure.unreadable != OUT_DENY)
			note_say(r, t->at,
				"route %s: websocket: audio is not inspected: a rule on its "
				"transcript can only end the session",
				t->name);
		if (t->on_failure.unreadable != OUT_DENY && redacts)
			note_say(r, redacts->at,
				"rule %s: ends sessions of route %s instead of redacting a "
				"transcript, because the audio has already been sent",
				redacts->name, t->name);
	}
}

/* ---- recognizers ---- */

static void
note_external(const struct noting *r, const struct external *x)
{
	const char *name = x->rec.name;
	bool whole = recognizer_whole(&x->rec),
	     redacts = x->own_outcome && x->outcome == OUT_REDACT;

	if (url_leaves_in_clear(x->url))
		note_say(r, x->at,
			"external %s: prompts are sent to another machine without TLS: use an "
			"https "
			"URL",
			name);
	if (x->rec.shape == SHAPE_JSON && !x->rec.score && !x->rec.closed)
		note_say(r, x->at,
			"external %s: a label that is not in map counts as nothing found: add the "
			"labels of harmless texts to map, with the value null, so that any other "
			"label counts as no response",
			name);
	for (size_t i = 0; i < r->p->nroutes && !x->own_outcome; i++) {
		const struct on_failure *of = &r->p->routes[i].on_failure;
		redacts |= of->classifier == OUT_REDACT;
		for (size_t k = 0; k < of->nby_class; k++)
			redacts |= of->by_class[k].outcome == OUT_REDACT;
	}
	for (size_t e = 0; e < detect_entity_count(r->rules); e++)
		whole |= entity_in(&x->entities, e) && !detect_entity_by_pattern(r->rules, e);
	if (redacts && whole)
		note_say(r, x->at,
			"external %s: on_failure: redact removes nothing that only this "
			"recognizer "
			"finds: if the recognizer does not respond, prompts are sent "
			"unchanged: write deny",
			name);
}

/* ---- limits ---- */

/* Returns true if the limit may count a request of the route. The answer is true if the
 * condition cannot be decided without a request. */
static bool
limit_may_reach(const struct limit *l, const struct route *route)
{
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);

	return policy_may_reach(&a, l->when, route);
}

/* Returns true if requests of the route may have a body: only these cost tokens. */
static bool
route_takes_body(const struct route *t)
{
	for (size_t i = 0; i < t->nmethods; i++)
		if (strcmp(t->methods[i], "GET") && strcmp(t->methods[i], "HEAD") &&
			strcmp(t->methods[i], "OPTIONS"))
			return true;
	return t->nmethods == 0;
}

/* Returns a target that the limit may reach and that has no price for the model, or NULL. */
static const struct target *
unpriced(const struct noting *r, const struct limit *l, const char *model)
{
	for (const struct route *t = r->p->routes; t < r->p->routes + r->p->nroutes; t++) {
		if (!limit_may_reach(l, t) || !t->dialect || !dialect_has_model(t->dialect))
			continue;
		for (size_t k = 0; k < t->ntargets; k++)
			if (!policy_price(r->p, &t->targets[k], span_str(model), INT64_MAX))
				return &t->targets[k];
	}
	return NULL;
}

static void
note_limit_model(
	const struct noting *r, const struct limit *l, const struct limit_change *x, bool soft)
{
	bool usd = false;

	for (size_t i = 0; i < r->p->nlimits; i++)
		usd |= limit_has(r->p->limits[i].of, COUNTS_MONEY);
	const struct target *none = x && x->model && usd ? unpriced(r, l, x->model) : NULL;
	if (none)
		note_say(r, l->at,
			"limit %s: %s: %s has no price at %s: a limit in dollars refuses its "
			"requests: add the price, or set unknown_price",
			l->name, soft ? "at_soft" : "at_limit", x->model,
			none->name[0] ? none->name : "its target");
}

static void
note_limits(const struct noting *r)
{
	const struct policy *p = r->p;

	for (const struct limit *l = p->limits; l < p->limits + p->nlimits; l++) {
		bool tokens =
			limit_has(l->of, COUNTS_OUTPUT) && !limit_has(l->of, COUNTS_MONEY);
		if (tokens && l->amount <= policy_output_least(p))
			note_say(r, l->at,
				"limit %s: a request without a cap on its output reserves "
				"output_default, %" PRIu64
				" tokens, and exceeds the limit: raise the limit, or lower "
				"output_default",
				l->name, policy_output_least(p));
		note_limit_model(r, l, l->at_limit, false);
		note_limit_model(r, l, l->at_soft, true);
	}
	if (p->nlimits > LIMITS_A_REQUEST)
		note_say(r, p->limits[LIMITS_A_REQUEST].at,
			"a request to which more than %d limits apply is refused with 503: "
			"narrow "
			"the limits with when",
			LIMITS_A_REQUEST);
}

/* ---- literals that can never be equal to their field ---- */

/* `route.name == "chta"` is valid CEL and never matches. There is one row in `slots` for each
 * field whose values the policy or the protocol limits. A field whose value a caller may choose
 * freely has no row, so every note is certain. */

/* The condition and the field whose literals are looked at. */
struct literals {
	const struct noting *to;
	struct policy_condition of;
	const struct slot *slot;
};

/* Returns true if a request can have this value. Offers the possible values to `near`, which
 * finds the one that is spelled most like it. */
typedef bool can_be(const struct policy *p, struct span value, struct nearest *near);

static bool
can_be_route(const struct policy *p, struct span value UNUSED, struct nearest *near)
{
	return nearest_find(near, p->routes, p->nroutes, sizeof(*p->routes)) < p->nroutes;
}

static bool
is_target_or_region(const struct policy *p, bool region, struct nearest *near)
{
	for (size_t i = 0; i < p->nroutes; i++)
		for (size_t k = 0; k < p->routes[i].ntargets; k++) {
			const struct target *t = &p->routes[i].targets[k];
			if (nearest_is(near, region ? t->region : t->name))
				return true;
		}
	return false;
}

static bool
can_be_target(const struct policy *p, struct span value UNUSED, struct nearest *near)
{
	return is_target_or_region(p, false, near);
}

static bool
can_be_region(const struct policy *p, struct span value UNUSED, struct nearest *near)
{
	return is_target_or_region(p, true, near);
}

/* The caller chooses the model, so any name is possible if some route has a dialect with
 * models. */
static bool
can_be_model(const struct policy *p, struct span value UNUSED, struct nearest *near UNUSED)
{
	for (size_t i = 0; i < p->nroutes; i++)
		if (!p->routes[i].dialect || dialect_has_model(p->routes[i].dialect))
			return true;
	return false;
}

/* The gateway refuses methods that are not upper case, CONNECT and TRACE before any rule. */
static bool
can_be_method(const struct policy *p, struct span value, struct nearest *near)
{
	bool served = !span_is(value, "CONNECT") && !span_is(value, "TRACE");

	for (size_t i = 0; i < value.n; i++)
		served = served && (is_upper(value.p[i]) || is_one_of(value.p[i], "-_"));
	for (const struct route *r = p->routes; r < p->routes + p->nroutes; r++) {
		if (r->nmethods == 0 && served)
			return true;
		for (size_t k = 0; k < r->nmethods; k++)
			if (nearest_is(near, r->methods[k]))
				return true;
	}
	return false;
}

static bool
can_be_host(const struct policy *p, struct span value, struct nearest *near)
{
	for (const struct route *r = p->routes; r < p->routes + p->nroutes; r++) {
		if (r->nhosts == 0 || policy_host_in(value, r->hosts, r->nhosts))
			return true;
		for (size_t k = 0; k < r->nhosts; k++)
			nearest_try(near, r->hosts[k]);
	}
	return false;
}

static bool
can_be_path(const struct policy *p, struct span value, struct nearest *near)
{
	for (const struct route *r = p->routes; r < p->routes + p->nroutes; r++) {
		if (policy_route_has_path(r, SPAN_LIT(""), value))
			return true;
		for (size_t k = 0; k < r->npaths; k++)
			nearest_try(near, r->paths[k]);
	}
	return false;
}

static bool
can_be_identity_method(
	const struct policy *p UNUSED, struct span value UNUSED, struct nearest *near)
{
	for (size_t i = 0; identity_words[i]; i++)
		if (nearest_is(near, identity_words[i]))
			return true;
	return false;
}

static bool
can_be_tool_state(const struct policy *p UNUSED, struct span value UNUSED, struct nearest *near)
{
	static const char *const states[] = { "new", "approved", "changed", "unlisted" };

	return nearest_find(near, states, COUNT_OF(states), sizeof(*states)) < COUNT_OF(states);
}

/* The gateway refuses a URI that is not in its normal form. Connectors have ids without a
 * colon. */
static bool
can_be_uri(const struct policy *p UNUSED, struct span value, struct nearest *near UNUSED)
{
	return uri_template_is_normal(value) || uri_lacks_slash(value) ||
	       span_chr(value, ':') == value.n;
}

/* clang-format off */
static const struct slot { size_t slot; const char *name; can_be *can; } slots[] = {
	{ V_IDENTITY_METHOD, "identity.method", can_be_identity_method },
	{ V_ROUTE_NAME,     "route.name",     can_be_route  },
	{ V_TARGET_NAME,    "target.name",    can_be_target },
	{ V_TARGET_REGION,  "target.region",  can_be_region },
	{ V_MODEL_NAME,     "model.name",     can_be_model  },
	{ V_REQUEST_METHOD, "request.method", can_be_method },
	{ V_REQUEST_HOST,   "request.host",   can_be_host   },
	{ V_REQUEST_PATH,   "request.path",   can_be_path   },
	{ V_TOOL_SERVER,    "tool.server",    can_be_target },
	{ V_TOOL_STATE,     "tool.state",     can_be_tool_state },
	{ V_RESOURCE_URI,   "resource.uri",   can_be_uri    },
};
/* clang-format on */

/* Writes the note. The literal "" is left out: it tests whether the field has a value. */
static void
note_literal(void *arg, struct span value)
{
	const struct literals *l = arg;
	struct nearest near = nearest_to(value);

	if (value.n && !l->slot->can(l->to->p, value, &near))
		note_say(l->to, l->of.at, "%s %s: no %s can be \"%.*s\"%s", l->of.what,
			l->of.name, l->slot->name, value.n > 100 ? 100 : (int)value.n, value.p,
			nearest_hint(&near));
}

/* One note for each literal in a condition that no route, target or request of this policy can
 * have. */
static void
policy_literals(const struct noting *to)
{
	struct literals l = { .to = to };

	while (policy_condition_next(to->p, &l.of))
		for (size_t i = 0; l.of.when && i < COUNT_OF(slots); i++) {
			l.slot = &slots[i];
			cel_compared(l.of.when, slots[i].slot, note_literal, &l);
		}
}

/* ---- prices ---- */

enum { OLD_DAYS = 90 }; /* days since the list's `as_of` */

/* Borrowed for one call of policy_price_notes(). */
struct pricing {
	const struct policy *p;
	int64_t now_ns; /* wall clock */
	const struct noting *to;
};

static const char *
cost_without_price(const struct pricing *c)
{
	return c->p->unknown_price ? "it costs unknown_price"
				   : "limits in dollars refuse it: add the price";
}

/* Returns true if the list of some target has a price for the model now. */
static bool
has_price(const struct pricing *c, const char *model)
{
	for (size_t i = 0; i < c->p->nroutes; i++)
		for (size_t k = 0; k < c->p->routes[i].ntargets; k++)
			if (price_find(c->p->routes[i].targets[k].prices, span_str(model),
				    c->now_ns))
				return true;
	return false;
}

static void
note_model_price(const struct pricing *c, const struct yaml_node *at, const char *what,
	const char *name, const char *model)
{
	if (model && !has_price(c, model))
		note_say(c->to, at, "%s %s: model %s has no price in %s: %s", what, name, model,
			c->p->prices->file, cost_without_price(c));
}

/* Returns true if a route before `route` has the same target by an alias: one note is enough.
 */
static bool
is_noted_before(const struct pricing *c, size_t route, const struct target *t)
{
	for (size_t i = 0; i < route; i++)
		for (size_t a = 0; a < c->p->routes[i].naliases; a++)
			for (size_t k = 0; k < c->p->routes[i].aliases[a].ntargets; k++)
				if (c->p->routes[i].aliases[a].targets[k].at == t->at)
					return true;
	return false;
}

static void
note_target_prices(const struct pricing *c, size_t route, const struct target *v, size_t n)
{
	for (const struct target *t = v; t < v + n; t++)
		if (t->model && !price_find(t->prices, span_str(t->model), c->now_ns) &&
			!is_noted_before(c, route, t))
			note_say(c->to, t->at, "target %s: model %s has no price in %s: %s",
				t->name, t->model, c->p->prices->file, cost_without_price(c));
}

static void
note_all_targets(const struct pricing *c)
{
	for (size_t i = 0; i < c->p->nroutes; i++) {
		const struct route *r = &c->p->routes[i];
		const struct cache_semantic *s = r->cache.semantic;
		note_target_prices(c, i, r->targets, r->ntargets);
		/* Requests for embeddings are charged, but no limit refuses them. */
		if (s && !price_find(s->at.prices, span_str(s->at.model), c->now_ns))
			note_say(c->to, s->at.at,
				"route %s: cache: embeddings model %s has no price in %s: %s",
				r->name, s->at.model, c->p->prices->file,
				c->p->unknown_price ? "it costs unknown_price"
						    : "its cost is not counted");
		for (size_t k = 0; k < r->naliases; k++)
			note_target_prices(c, i, r->aliases[k].targets, r->aliases[k].ntargets);
	}
}

/* Returns the first limit in dollars that may count requests of the route, or NULL. Messages to
 * MCP servers and requests without a body cost nothing. */
static const struct limit *
limit_in_dollars(const struct policy *p, const struct route *r)
{
	if ((r->dialect && dialect_is_of_mcp(r->dialect)) || !route_takes_body(r))
		return NULL;
	for (const struct limit *l = p->limits; l < p->limits + p->nlimits; l++)
		if (limit_has(l->of, COUNTS_MONEY) && limit_may_reach(l, r))
			return l;
	return NULL;
}

/* A provider that the list does not have, on a route with a limit in dollars. */
static void
note_unlisted(const struct pricing *c)
{
	for (size_t i = 0; !c->p->unknown_price && i < c->p->nroutes; i++) {
		const struct route *r = &c->p->routes[i];
		const struct limit *usd = limit_in_dollars(c->p, r);
		for (size_t k = 0; usd && k < r->ntargets; k++)
			if (!r->targets[k].prices)
				note_say(c->to, r->at,
					"route %s: %s%shas no price list: limit %s refuses "
					"every "
					"request: add the provider to the list, or set "
					"unknown_price",
					r->name, r->targets[k].name,
					r->targets[k].name[0] ? " " : "", usd->name);
	}
}

static void
note_list_age(const struct pricing *c)
{
	const struct prices *list = c->p->prices;
	int64_t at;

	if (clock_parse_day(list->as_of, strlen(list->as_of), &at))
		return;
	int64_t days = (c->now_ns - at) / CLOCK_DAY_NS;
	if (days > OLD_DAYS)
		note_say(c->to, NULL,
			"%s: the prices are as of %s, %lld days ago: compare them with the "
			"providers' pages",
			list->file, list->as_of, (long long)days);
}

void
policy_price_notes(const struct policy *p, int64_t now_wall_ns, const struct noting *to)
{
	const struct pricing c = { p, now_wall_ns, to };

	if (!p->prices)
		return;
	note_list_age(&c);
	note_all_targets(&c);
	for (size_t i = 0; i < p->nrules; i++)
		if (p->rules[i].change)
			note_model_price(&c, p->rules[i].at, "rule", p->rules[i].name,
				p->rules[i].change->model);
	for (size_t i = 0; i < p->nlimits; i++) {
		const struct limit *l = &p->limits[i];
		if (l->at_soft)
			note_model_price(&c, l->at, "limit", l->name, l->at_soft->model);
		if (l->at_limit)
			note_model_price(&c, l->at, "limit", l->name, l->at_limit->model);
	}
	note_unlisted(&c);
}

/* ---- entities ---- */

/* Returns the number of special entities below a general one. *named: the policy's lists name
 * all of them, too. */
static size_t
special_below(const struct noting *r, size_t general, bool *named)
{
	struct entity_set below = { { 0 } };
	size_t n = 0;

	*named = true;
	detect_entity_below(r->rules, general, below.bit);
	for (size_t e = 0; e < detect_entity_count(r->rules); e++)
		if (e != general && entity_in(&below, e)) {
			*named = *named && entity_in(&r->p->lists, e);
			n++;
		}
	return n;
}

/* General entities in the policy's lists: each also means the special ones below it. */
static void
note_general(const struct noting *r)
{
	SCOPED_BUF(names, 0);

	for (size_t e = 0; e < detect_entity_count(r->rules); e++) {
		bool named;
		size_t n = entity_in(&r->p->lists, e) ? special_below(r, e, &named) : 0;
		if (n && !named)
			buf_printf(&names, "%s%s (%zu)", names.n ? ", " : "",
				detect_entity_name(r->rules, e), n);
	}
	if (names.n)
		note_say(r, NULL,
			"entities that include others (how many): %.*s. `tollgate detectors show "
			"NAME` lists them; `without:` of a class removes one",
			SPAN_ARG(buf_view(&names)));
}

/* ---- all notes ---- */

void
policy_notes(const struct policy *p, const struct config *cfg, const struct detect_rules *rules,
	void (*note)(void *arg, const char *text), void *arg)
{
	struct note_lines to = { note, arg };
	const struct noting r = { note_with_place, &to, p, cfg, rules };

	note_shadow(&r);
	note_files_uninspected(&r);
	note_observed(&r);
	note_identities(&r);
	note_no_relay(&r);
	note_tokenless(&r);
	note_late_rules(&r);
	note_pins(&r);
	note_direct(&r);
	note_no_target_left(&r);
	note_limits(&r);
	for (size_t i = 0; i < p->nexternals; i++)
		note_external(&r, &p->externals[i]);
	note_routes(&r);
	note_sockets(&r);
	note_unreached_rules(&r, p->rules, p->nrules);
	note_unreached_rules(&r, p->answer_rules, p->nanswer_rules);
	note_unreached_rules(&r, p->tool_rules, p->ntool_rules);
	note_provider_tools(&r);
	note_nan(&r);
	note_general(&r);
	policy_literals(&r);
	policy_price_notes(p, clock_wall_ns(), &r);
	detect_own_costs(rules, note_with_place, &to);
}
