/* Remarks on a valid policy. None of them changes a decision: each names a
 * consequence that the file alone does not show. */
#include "policy/advice/notes.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/clock.h"
#include "base/codec/credentials.h"
#include "base/scoped.h"
#include "policy/advice/literals.h"
#include "policy/advice/price_notes.h"
#include "policy/config/read.h"
#include "policy/identity/observe.h"
#include "scan/detect/custom/custom.h"
#include "scan/dialect/dialect.h"

/* Who gets them as one text each. */
struct told {
	void (*note)(void *arg, const char *text);
	void *arg;
};

void
note_say(const struct noting *to, const struct yaml_node *at, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	to->note(to->arg, at, text);
}

/* The place as a text in front of it. */
static void
at_place(void *arg, const struct yaml_node *at, const char *text)
{
	const struct told *r = arg;
	char line[1024];

	if (at)
		snprintf(line, sizeof(line), "%s:%u:%u: %s", at->file, at->line, at->column,
			text);
	r->note(r->arg, at ? line : text);
}

/* The entries get their persons' names from one place. */
static bool
same_names(const struct identity_entry *a, const struct identity_entry *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == ID_JWT)
		return !strcmp(a->issuer, b->issuer);
	return a->kind != ID_SIGNED || !strcmp(a->keys_file, b->keys_file);
}

/* Whoever writes the file of API keys names persons in full, and nobody has no issuer. */
static bool
names_freely(const struct identity_entry *e)
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

static void
realms(const struct noting *r)
{
	const struct identity_entry *first = NULL;

	for (size_t i = 0; i < r->p->nidentities; i++) {
		const struct identity_entry *e = &r->p->identities[i];
		if (!names_freely(e))
			continue;
		first = first ? first : e;
		if (same_names(first, e))
			continue;
		note_say(r, e->at,
			"is alice of %.100s alice of %.100s? For limits, records, sealing and "
			"erasure they are one person; if they can be two, set realm",
			issuer_shown(e), issuer_shown(first));
		return;
	}
}

/* Claims, headers, fields of certificates and of keys that mostly hold a person's name. */
static const char *const names_of_persons[] = { "name", "given_name", "family_name",
	"middle_name", "nickname", "preferred_username", "username", "user_name", "unique_name",
	"upn", "email", "emails", "mail", "phone_number", "picture", "profile", "birthdate",
	"address", "displayname", "display_name", "login", "sub", "act", "owner", "person",
	"subject.cn", "subject.uid", "subject.emailaddress", "san.email", "san.uri", "spiffe" };

/* What records keep of a person who is to stand there by a pseudonym. */
static void
named_all_the_same(const struct noting *r, const struct identity_entry *e)
{
	char lower[32];

	for (size_t i = 0; i < e->nrecorded; i++) {
		const char *name = e->recorded[i];
		bool person = e->claims.person && !strcmp(e->claims.person, name);
		snprintf(lower, sizeof(lower), "%s", name);
		ascii_lower(lower, strlen(lower));
		if (person || SPAN_IN(span_str(lower), names_of_persons))
			note_say(r, e->at,
				"record: %.100s looks like a person's name: records contain it in "
				"plain text in spite of audit.persons: pseudonym, also after an "
				"erasure",
				name);
	}
}

static void
identities(const struct noting *r)
{
	realms(r);
	for (size_t i = 0; i < r->p->nidentities; i++)
		if (r->cfg && r->cfg->audit_persons == PERSONS_PSEUDONYM)
			named_all_the_same(r, &r->p->identities[i]);
	for (size_t i = 0; i < r->p->nidentities; i++) {
		const struct identity_entry *e = &r->p->identities[i];
		if (e->header && !credential_header(span_str(e->header)))
			note_say(r, e->at,
				"header %s is none that the HAProxy files delete: every route "
				"goes through the relay%s",
				e->header,
				r->cfg && !r->cfg->relay
					? ", and the configuration has none: 503"
					: "");
	}
	if (r->cfg && r->cfg->demo_issuer)
		note_say(r, NULL, "demo_issuer is set: whoever holds its key is anybody");
}

/* Rules that a file would concern where nobody reads files. */
static void
files_unread(const struct noting *r)
{
	if (!r->cfg || r->cfg->extract.path)
		return;
	for (size_t i = 0; i < r->p->nrules; i++) {
		const struct rule *rule = &r->p->rules[i];
		if (rule->strips || (rule->change && rule->change->require & REQUIRE_OCR))
			note_say(r, rule->at,
				"rule %s: the configuration has no extract.listen: PDF files and "
				"pictures stay unread",
				rule->name);
	}
}

static void
shadow(const struct noting *r)
{
	if (r->p->shadow)
		note_say(r, NULL,
			"mode: shadow: denials and redactions by rules are recorded, not "
			"enforced, for verified callers");
	for (size_t i = 0; i < r->p->nall_rules; i++)
		if (r->p->rules[i].shadow)
			note_say(r, r->p->rules[i].at, "rule %s: in shadow",
				r->p->rules[i].name);
}

/* Whose backend is a provider's, too, is mostly one with a key. */
static void
observes(const struct noting *r)
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
			"observe: backend %s is where route %s goes, too: with the guard it is "
			"a 503 for whom is observed, with a key check --haproxy refuses it",
			o->backend, shared);
}

static void
relay(const struct noting *r)
{
	if (!r->cfg || r->cfg->relay)
		return;
	for (size_t i = 0; i < r->p->nrules; i++) {
		const struct rule_change *x = r->p->rules[i].change;
		bool changes = x && (x->model || x->max_output_tokens || x->nheaders);
		if (r->p->rules[i].redacts || changes)
			note_say(r, r->p->rules[i].at,
				"rule %s: %s, and the configuration has no relay: 503",
				r->p->rules[i].name,
				changes ? "changes the request" : "redacts");
	}
	for (const struct route *t = r->p->routes; t < r->p->routes + r->p->nroutes; t++) {
		bool relayed = false;
		for (size_t k = 0; k < t->ntargets; k++)
			relayed |= t->targets[k].relay;
		if (t->response || relayed)
			note_say(r, t->at,
				"route %s: %s, and the configuration has no relay: 503",
				t->name,
				t->response ? "reads the response"
					    : "has a target with via: relay");
	}
}

/* Rules on answers: what they bring with them. */
static void
answers(const struct noting *r)
{
	for (size_t i = 0; i < r->p->nanswer_rules; i++)
		if (r->p->answer_rules[i].reads_late)
			note_say(r, r->p->answer_rules[i].at,
				"rule %s: in a stream it is asked when a block has ended (%s), "
				"and what has gone until then is not called back",
				r->p->answer_rules[i].name,
				r->p->answer_rules[i].reads_finish
					? "once there is a finish reason"
					: "its totals and scores are known then");
	for (size_t i = 0; i < r->p->nroutes; i++)
		if (r->p->routes[i].uses.any)
			note_say(r, r->p->routes[i].at,
				"route %s: takes the relay: rules with phase: %s read its "
				"answers",
				r->p->routes[i].name,
				r->p->routes[i].uses.calls ? "response or tool" : "response");
}

/* A URI that servers read in another way than a rule is refused where a rule reads one. */
static void
odd_uris(const struct noting *r)
{
	for (size_t i = 0; i < r->p->nroutes; i++)
		if (r->p->routes[i].uses.uris)
			note_say(r, r->p->routes[i].at,
				"route %s: a rule reads resource.uri or tool.server: a URI "
				"that is not in its normal form is refused, and such a "
				"resource is in no list",
				r->p->routes[i].name);
}

/* What servers of MCP say of their tools is compared with what they said first. */
static void
pins(const struct noting *r)
{
	for (size_t i = 0; r->cfg && !r->cfg->state_key && i < r->p->nroutes; i++) {
		const struct route *t = &r->p->routes[i];
		if (!t->dialect || !dialect_is_of_mcp(t->dialect))
			continue;
		note_say(r, t->at,
			"route %s: without state_key pins of its tools are %s: other daemons "
			"see and approve their own",
			t->name,
			r->cfg->pins_file ? "a file of this daemon" : "gone at a restart");
		return;
	}
}

/* A client of MCP logs in once it is answered 401. */
static void
logins(const struct noting *r)
{
	for (size_t i = 0; i < r->p->nrules; i++)
		if (r->p->rules[i].effect == RULE_DENY && r->p->rules[i].status == 401)
			return;
	for (size_t i = 0; i < r->p->nroutes; i++)
		if (r->p->routes[i].login)
			note_say(r, r->p->routes[i].at,
				"route %s: has login, and no rule denies with status 401: who "
				"comes without a token is not asked for one (when: "
				"'identity.method == \"none\"', deny: {status: 401})",
				r->p->routes[i].name);
}

/* Returns true if each request of the route must be translated for the target, which only the
 * relay does. */
static bool
always_translated(const struct route *r, const struct target *to)
{
	return r->translates && to->forms && !(to->forms & forms_of_dialect(r->dialect));
}

/* The gateway counts the requests of the target that are in flight, or how they ended: of several
 * targets, of one with a breaker and of one with `concurrent`. That takes the relay. */
static bool
counts_attempts(const struct noting *r, const struct route *t, const struct target *to)
{
	bool relay = !r->cfg || r->cfg->relay;

	return relay && !t->direct && to->name[0] &&
	       (t->ntargets > 1 || to->breaker.on || to->concurrent);
}

/* Whatever the request, the route takes the relay. */
static bool
always_relayed(const struct noting *r, const struct route *t)
{
	return t->response || t->retry.attempts > 1 || t->told_of_end || t->websocket ||
	       r->p->unusual_credential || (t->dialect && dialect_is_of_mcp(t->dialect));
}

/* Notes routes that take the relay only because a provider has a breaker or `concurrent`. */
static void
counted_attempts(const struct noting *r)
{
	for (const struct route *t = r->p->routes; t < r->p->routes + r->p->nroutes; t++)
		for (size_t k = 0; k < t->ntargets; k++) {
			const struct target *to = &t->targets[k];
			if (always_relayed(r, t) || to->relay || !counts_attempts(r, t, to) ||
				!(to->breaker.on || to->concurrent))
				continue;
			note_say(r, t->at, "route %s: takes the relay: provider %s has %s",
				t->name, to->name,
				to->breaker.on ? "a breaker" : "concurrent");
			break;
		}
}

/* HAProxy has no rule for interim heads, and for trailers only since 3.2. */
static void
direct(const struct noting *r)
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
			"answers, and before HAProxy 3.2 their trailers, pass unread; via: "
			"relay of a provider keeps them out",
			t->name, to->name[0] ? to->name : "a backend of no provider");
	}
}

static bool
has_target(const struct route *t, const struct rule_change *x)
{
	for (size_t i = 0; i < t->ntargets; i++)
		for (size_t k = 0; k < x->ntargets; k++)
			if (policy_target_is(&t->targets[i], x->targets[k]))
				return true;
	return false;
}

/* Routes that a rule would leave without a target. */
static void
stranded(const struct noting *r)
{
	for (size_t i = 0; i < r->p->nrules; i++) {
		const struct rule *rule = &r->p->rules[i];
		char names[256] = "";
		size_t n = 0;
		for (size_t k = 0; rule->change && rule->change->ntargets && k < r->p->nroutes;
			k++)
			if (!has_target(&r->p->routes[k], rule->change) && n < sizeof(names))
				n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s",
					n ? ", " : "", r->p->routes[k].name);
		if (n)
			note_say(r, rule->at,
				"rule %s: of its targets these routes have none, and where it "
				"matches there it denies: %s",
				rule->name, names);
	}
}

static void
one_external(const struct noting *r, const struct external *x)
{
	const char *name = x->rec.name;
	bool whole = recognizer_whole(&x->rec),
	     redacts = x->own_outcome && x->outcome == OUT_REDACT;

	if (url_leaves_in_clear(x->url))
		note_say(
			r, x->at, "external %s: texts go to another machine without TLS", name);
	if (r->cfg && x->timeout_us > r->cfg->agent_deadline_us / 4 * 3)
		note_say(r, x->at,
			"external %s: timeout is over three quarters of agent.deadline, and is "
			"cut to that",
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
			"external %s: where it is silent and on_failure says redact, texts go "
			"whole",
			name);
}

/* Conditions that search for more than is named. */
static void
searches(const struct noting *r)
{
	static const char says[] = "%s %s: may depend on any entity (\"NAME\" in %s.entities "
				   "or in %s.classes names one): all are searched";
	struct entity_set named = { { 0 } };

	for (size_t i = 0; i < r->p->nall_rules; i++) {
		const struct rule *x = &r->p->rules[i];
		if (!policy_names_used(r->p, r->rules, x->when, &named))
			note_say(r, x->at, says, "rule", x->name, "prompt", "prompt");
		if (!policy_answer_names_used(r->p, r->rules, x->when, &named))
			note_say(r, x->at, says, "rule", x->name, "response", "response");
	}
	for (size_t i = 0; i < r->p->nlimits; i++)
		if (!policy_limit_names_used(r->p, r->rules, &r->p->limits[i], &named))
			note_say(r, r->p->limits[i].at, says, "limit", r->p->limits[i].name,
				"prompt", "prompt");
	for (size_t i = 0; i < r->p->nexternals; i++)
		if (!policy_names_used(r->p, r->rules, r->p->externals[i].when, &named))
			note_say(r, r->p->externals[i].at, says, "external",
				r->p->externals[i].rec.name, "prompt", "prompt");
}

/* A rule after one that always ends is never asked. */
static void
unreached_of(const struct noting *r, const struct rule *rules, size_t n)
{
	const struct rule *end = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct rule *x = &rules[i];
		bool always = !x->when || !strcmp(x->when_text, "true");
		if (end)
			note_say(r, x->at,
				"rule %s: is never asked: rule %s before it always ends",
				x->name, end->name);
		else if (always && !x->shadow &&
			 (x->effect == RULE_DENY || x->effect == RULE_PERMIT))
			end = x;
	}
}

/* A caller says "NaN", and the comparison is false. */
static void
numbers(const struct noting *r)
{
	for (size_t i = 0; i < r->p->nall_rules; i++) {
		const struct rule *x = &r->p->rules[i];
		bool permits = x->effect == RULE_PERMIT;
		if (x->when && cel_lets_nan(x->when, !permits))
			note_say(r, x->at,
				"rule %s: double() makes a number of the text \"NaN\", for "
				"which %s: %s",
				x->name, permits ? "it permits" : "it does not match",
				permits ? "compare without a negation, as in double(x) <= 100.0"
					: "write !(double(x) <= 100.0) for double(x) > 100.0");
	}
}

/* What providers run themselves, as requests offer it: its call has been made when it is seen.
 */
static const char *const theirs[] = { "web_search", "web_search_preview", "web_fetch",
	"file_search", "code_interpreter", "image_generation", "google_search", "googleSearch",
	"url_context", "urlContext", "google_maps", "googleMaps", "mcp" };

struct too_late {
	const struct noting *r;
	const struct rule *rule;
};

static void
too_late(void *arg, struct span name)
{
	const struct too_late *of = arg;

	if (SPAN_IN(name, theirs))
		note_say(of->r, of->rule->at,
			"rule %s: reads tool.arguments, which of a %.*s that the provider runs "
			"itself come after the call: a rule on its name alone reaches what a "
			"request offers",
			of->rule->name, SPAN_ARG(name));
}

static void
run_elsewhere(const struct noting *r)
{
	for (size_t i = 0; i < r->p->ntool_rules; i++) {
		struct too_late of = { r, &r->p->tool_rules[i] };
		if (of.rule->when && cel_reads(of.rule->when, V_TOOL_ARGUMENTS))
			cel_compared(of.rule->when, V_TOOL_NAME, too_late, &of);
	}
}

/* The route before this one that takes the method at that path, or NULL. Those of some hosts
 * only leave the others to it. */
static const struct route *
taken_by(const struct policy *p, size_t i, const char *method, const char *path)
{
	for (const struct route *o = p->routes; o < p->routes + i; o++) {
		struct span of = method ? span_str(method) : SPAN_LIT("");
		bool has = !o->nmethods || span_find(of, o->methods, o->nmethods) < o->nmethods;
		if (has && !o->nhosts && policy_route_has_path(o, of, span_str(path)))
			return o;
	}
	return NULL;
}

/* The route that takes all of its whole paths before it, or NULL. One without methods has all.
 */
static const struct route *
covered_by(const struct policy *p, size_t i)
{
	const struct route *t = &p->routes[i], *by = NULL;

	if (!t->npaths || t->nprefixes || t->api || t->nhosts)
		return NULL;
	for (size_t k = 0; k < t->npaths; k++)
		for (size_t m = 0; m < t->nmethods || m == 0; m++)
			if (!(by = taken_by(
				      p, i, t->nmethods ? t->methods[m] : NULL, t->paths[k])))
				return NULL;
	return by;
}

/* Routes that no request, or none that was meant, takes. */
static void
routes(const struct noting *r)
{
	for (size_t i = 0; i < r->p->nroutes; i++) {
		const struct route *t = &r->p->routes[i], *by = covered_by(r->p, i);
		if (by)
			note_say(r, t->at,
				"route %s: no request comes here: route %s before it takes "
				"them",
				t->name, by->name);
		if (!t->targets->known[0])
			note_say(r, t->at,
				"route %s: names neither targets nor a backend: HAProxy's own "
				"rules choose where it goes, and no record says where that was",
				t->name);
		for (size_t k = 0; k < t->npaths; k++)
			if (strchr(t->paths[k], '*'))
				note_say(r, t->at,
					"route %s: path %s has a * that stands for itself: "
					"path_prefix takes all that is below a path",
					t->name, t->paths[k]);
	}
}

/* What a session says aloud nobody here hears. */
static void
sockets(const struct noting *r)
{
	const struct rule *redacts = NULL;

	for (size_t i = 0; i < r->p->nanswer_rules && !redacts; i++)
		if (r->p->answer_rules[i].effect == RULE_REDACT)
			redacts = &r->p->answer_rules[i];
	for (size_t i = 0; i < r->p->nroutes; i++) {
		const struct route *t = &r->p->routes[i];
		if (t->beside)
			note_say(r, t->at,
				"route %s: realtime: webrtc: permit: what is said in sessions "
				"over WebRTC and SIP, and in those that a secret opens, is not "
				"inspected, redacted, metered or ended by the gateway: records "
				"end with the request that opens them",
				t->name);
		if (!t->websocket)
			continue;
		if (r->cfg && !r->cfg->state_key &&
			t->dialect == dialect_find(SPAN_LIT("gemini")))
			note_say(r, t->at,
				"route %s: websocket: without state_key a session is resumed on "
				"the daemon that began it alone, and not after its restart",
				t->name);
		if (!t->response)
			note_say(r, t->at,
				"route %s: websocket: what the provider says goes unread, and "
				"no turn says what it took: response: [meter] is missing",
				t->name);
		if (t->on_failure.unreadable != OUT_DENY)
			note_say(r, t->at,
				"route %s: websocket: audio passes unheard: a rule on its "
				"transcript can only end the session",
				t->name);
		if (t->on_failure.unreadable != OUT_DENY && redacts)
			note_say(r, redacts->at,
				"rule %s: what it would replace in a transcript of route %s "
				"was said aloud: it ends the session",
				redacts->name, t->name);
	}
}

void
policy_notes(const struct policy *p, const struct config *cfg, const struct detect_rules *rules,
	void (*note)(void *arg, const char *text), void *arg)
{
	struct told to = { note, arg };
	const struct noting r = { at_place, &to, p, cfg, rules };

	shadow(&r);
	files_unread(&r);
	observes(&r);
	identities(&r);
	relay(&r);
	answers(&r);
	odd_uris(&r);
	pins(&r);
	logins(&r);
	direct(&r);
	counted_attempts(&r);
	stranded(&r);
	policy_target_notes(p, cfg, &r);
	policy_limit_notes(&r);
	for (size_t i = 0; i < p->nexternals; i++)
		one_external(&r, &p->externals[i]);
	routes(&r);
	sockets(&r);
	unreached_of(&r, p->rules, p->nrules);
	unreached_of(&r, p->answer_rules, p->nanswer_rules);
	unreached_of(&r, p->tool_rules, p->ntool_rules);
	run_elsewhere(&r);
	numbers(&r);
	policy_literals(&r);
	policy_price_notes(p, clock_wall_ns(), &r);
	searches(&r);
	detect_own_costs(rules, at_place, &to);
}
