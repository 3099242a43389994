/* Compiles a policy: reads the top-level keys and calls the sections in the order that they
 * need (classes before the rules that name them, providers before routes). All errors are
 * reported; after any error, no policy is returned. The version is SHA-256 over the meaning of
 * the policy. Mappings are sorted by key, sequences keep their order, and scalars count by
 * their text, so comments, layout, quoting, anchors and the order of keys do not matter. The
 * version also covers the detectors, the price list, the polite phrases of a cache, and the
 * injection model if it is used, because with other detectors the same text has another
 * meaning. The length precedes every piece, so that two trees never have the same
 * serialization.
 *
 * After the sections, two questions about the whole policy are answered. build_used() determines
 * the entities that the policy can use: all that a condition, a recognizer's condition or an
 * effect names, directly or by a class. The gateway searches only for these, unless a condition
 * may depend on any entity. build_answers() determines the routes that rules on responses and on
 * calls may reach. If a rule may read the responses of a route, these are inspected in any case.
 * Conditions are evaluated with the fields that are known for all requests of a route; if the
 * result is unknown, the rule may reach the route. */
#include "policy/policy.h"
#include "policy/transcriber.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/sha256.h"
#include "base/wall.h"
#include "policy/build.h"
#include "policy/config/config.h"
#include "policy/config/include.h"
#include "policy/courtesy.h"
#include "policy/env.h"
#include "policy/external.h"
#include "policy/limit.h"
#include "scan/inject/inject.h"

/* Argument of cel_names(). */
struct naming {
	const struct policy *p;
	const struct detect_rules *r;
	struct entity_set *out;
};

static void
name_entity(void *arg, struct span name)
{
	const struct naming *n = arg;
	int e = detect_entity_find(n->r, name);

	if (e >= 0)
		detect_entity_below(n->r, (size_t)e, n->out->bit);
}

static void
name_class(void *arg, struct span name)
{
	const struct naming *n = arg;

	for (size_t k = 0; k < n->p->nclasses; k++)
		if (span_is(name, n->p->classes[k].name))
			entities_join(n->out, &n->p->classes[k].entities);
}

/* Adds the entities that a condition names in the given slots. Returns false if it may depend on
 * any entity. */
static bool
names_used(struct naming *n, const struct cel_program *when, enum policy_slot entities,
	enum policy_slot classes, enum policy_slot evasion)
{
	return !when ||
	       (cel_names(when, entities, name_entity, n) &&
		       cel_names(when, classes, name_class, n) && !cel_reads(when, evasion));
}

bool
policy_names_used(const struct policy *p, const struct detect_rules *r,
	const struct cel_program *when, struct entity_set *out)
{
	struct naming n = { p, r, out };

	return names_used(&n, when, V_PROMPT_ENTITIES, V_PROMPT_CLASSES, V_PROMPT_EVASION);
}

bool
policy_answer_names_used(const struct policy *p, const struct detect_rules *r,
	const struct cel_program *when, struct entity_set *out)
{
	struct naming n = { p, r, out };

	return names_used(
		&n, when, V_RESPONSE_ENTITIES, V_RESPONSE_CLASSES, V_RESPONSE_EVASION);
}

bool
policy_condition_next(const struct policy *p, struct policy_condition *c)
{
	size_t i = c->next, per = c->per;

	if (i < p->nall_rules) {
		const struct rule *r = &p->rules[i];
		*c = (struct policy_condition){ "rule", r->name, r->at, r->when, i + 1, 0 };
		return true;
	}
	i -= p->nall_rules;
	if (i < p->nlimits) {
		const struct limit *l = &p->limits[i];
		bool more = per < l->nper;
		*c = (struct policy_condition){ "limit", l->name, l->at,
			per ? l->per[per - 1] : l->when, more ? c->next : c->next + 1,
			more ? per + 1 : 0 };
		return true;
	}
	i -= p->nlimits;
	if (i < p->nexternals) {
		const struct external *x = &p->externals[i];
		*c = (struct policy_condition){ "external", x->rec.name, x->at, x->when,
			c->next + 1, 0 };
		return true;
	}
	i -= p->nexternals;
	if (i < p->ntranscribers) {
		const struct transcriber *t = &p->transcribers[i];
		*c = (struct policy_condition){ "transcriber", t->name, t->at, t->when,
			c->next + 1, 0 };
		return true;
	}
	return false;
}

void
policy_entities_hash(const struct detect_rules *r, const struct entity_set *set, char out[17])
{
	unsigned char digest[SHA256_BYTES];
	struct sha256 h;

	sha256_begin(&h);
	for (size_t e = 0; e < detect_entity_count(r); e++)
		if (entity_in(set, e)) {
			sha256_add(&h, span_str(detect_entity_name(r, e)));
			sha256_add(&h, SPAN_LIT("\n"));
		}
	sha256_end(&h, digest);
	for (size_t i = 0; i < 8; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* A condition, and the field in which names are checked. A misspelled "NAME" in prompt.classes is
 * valid CEL and never matches. */
struct named {
	const struct builder *b;
	const struct policy_condition *of;
	enum policy_slot field;
};

/* Reports a class or entity that does not exist. */
static void
known_name(void *arg, struct span name)
{
	const struct named *m = arg;
	const struct policy *p = m->b->p;
	bool class = m->field == V_PROMPT_CLASSES || m->field == V_RESPONSE_CLASSES;
	size_t n = class ? p->nclasses : detect_entity_count(m->b->rules);
	struct nearest near = nearest_to(name);

	for (size_t i = 0; i < n; i++)
		if (nearest_is(&near,
			    class ? p->classes[i].name : detect_entity_name(m->b->rules, i)))
			return;
	diag_at(m->b->d, m->of->at, "%s %s: no %s can be \"%.*s\"%s", m->of->what, m->of->name,
		policy_env.vars[m->field].path, SPAN_ARG(name), nearest_hint(&near));
}

/* Reports names of classes and entities that nothing can have. Called after all conditions and
 * classes are compiled. */
static void
build_names(struct builder *b)
{
	static const enum policy_slot fields[] = { V_PROMPT_CLASSES, V_PROMPT_ENTITIES,
		V_RESPONSE_CLASSES, V_RESPONSE_ENTITIES };

	for (struct policy_condition c = { 0 }; policy_condition_next(b->p, &c);)
		for (size_t i = 0; c.when && i < COUNT_OF(fields); i++) {
			struct named m = { b, &c, fields[i] };
			cel_names(c.when, fields[i], known_name, &m);
		}
}

/* Adds the classes that on_failure.classifier names. */
static void
use_on_failure(struct policy *p, const struct on_failure *of)
{
	for (size_t i = 0; i < of->nby_class; i++)
		entities_join(&p->used, &p->classes[of->by_class[i].class].entities);
}

static void
build_used(struct builder *b)
{
	struct policy *p = b->p;
	bool all = false;

	/* entities in requests; build_answers() determines those in responses */
	for (struct policy_condition c = { 0 }; policy_condition_next(p, &c);)
		all |= !policy_names_used(p, b->rules, c.when, &p->used);
	/* arguments of calls are part of requests */
	for (size_t i = 0; i < p->nall_rules; i++)
		if (p->rules[i].phase != PHASE_RESPONSE)
			entities_join(&p->used, &p->rules[i].redact);
	use_on_failure(p, &p->on_failure);
	for (size_t i = 0; i < p->nroutes; i++)
		use_on_failure(p, &p->routes[i].on_failure);
	p->uses_all = all;
}

/* Effects that come too late for a response, and all but the first for a call. */
static const char *const of_requests[] = { "permit", "route", "max_output_tokens", "require",
	"set_headers", NULL };

/* ---- rules on responses and calls: one rule ---- */

/* Argument of cel_names(): some name is a class with an injection score. */
struct scored {
	const struct policy *p;
	bool any;
};

static void
name_scored(void *arg, struct span name)
{
	struct scored *s = arg;

	for (size_t k = 0; k < s->p->nclasses; k++)
		s->any |=
			s->p->classes[k].injection > 0 && span_is(name, s->p->classes[k].name);
}

/* Returns true if the condition may depend on the injection score, directly or by a class. */
static bool
reads_score(const struct policy *p, const struct rule *r)
{
	struct scored s = { p, false };

	if (!r->when)
		return false;
	if (cel_reads(r->when, V_RESPONSE_INJECTION))
		return true;
	if (!cel_names(r->when, V_RESPONSE_CLASSES, name_scored, &s))
		for (size_t k = 0; k < p->nclasses; k++)
			s.any |= p->classes[k].injection > 0;
	return s.any;
}

/* Returns the first field that a stream has only at the end of a block, or NULL. */
static const char *
late_field(const struct rule *r)
{
	static const enum policy_slot late[] = { V_RESPONSE_FINISH, V_RESPONSE_BYTES,
		V_RESPONSE_TOKENS };

	for (size_t i = 0; r->when && i < COUNT_OF(late); i++)
		if (cel_reads(r->when, late[i]))
			return policy_env.vars[late[i]].path;
	return r->reads_score ? policy_env.vars[V_RESPONSE_INJECTION].path : NULL;
}

/* Reports effects that the rule's phase cannot have. */
static void
not_of_requests(struct builder *b, const struct yaml_node *n, size_t from, const char *says)
{
	const struct yaml_node *c;

	for (size_t i = from; of_requests[i]; i++)
		if ((c = yaml_get(n, of_requests[i])))
			diag_at(b->d, c->key, "%s: a rule with %s", of_requests[i], says);
}

void
build_tool_rule(struct builder *b, const struct yaml_node *n, struct rule *r)
{
	not_of_requests(b, n, 1, "phase: tool may permit, deny, redact and tag");
	r->reads_method = r->when && cel_reads(r->when, V_MCP_METHOD);
	r->reads_state = r->when && cel_reads(r->when, V_TOOL_STATE);
}

void
build_answer_rule(struct builder *b, const struct yaml_node *n, struct rule *r)
{
	const struct yaml_node *c;

	r->reads_score = reads_score(b->p, r);
	const char *late = late_field(r);
	not_of_requests(b, n, 0, "phase: response may deny, redact and tag");
	r->reads_finish = r->when && cel_reads(r->when, V_RESPONSE_FINISH);
	r->reads_late = late != NULL;
	if (late && (c = yaml_get(n, "redact")))
		diag_at(b->d, c->key,
			"redact: the rule reads %s, which a stream has only at the end of a "
			"block, after its text was sent: use deny or tag",
			late);
}

/* ---- rules on responses and calls: the routes they reach ---- */

/* A route and one of its targets, whose fields are known for every request. */
struct reach {
	const struct route *route;
	const struct target *target;
	bool mcp;     /* calls are MCP calls, otherwise calls in responses of a model */
	bool offered; /* tools that a request offers: their server may be named there */
};

static bool
is_mcp(const struct route *r)
{
	return r->dialect && span_is(span_str("mcp"), dialect_name(r->dialect));
}

/* Returns true if the field has the same value for every request of the route. */
static bool
reach_known(void *ctx, size_t slot)
{
	const struct reach *x = ctx;
	const struct route *r = x->route;

	switch (slot) {
	case V_TOOL_SERVER: return !x->offered;
	case V_RESOURCE_URI: return !x->mcp && !x->offered;
	/* placeholders are restored only in calls of models */
	case V_TOOL_LEFT: return x->mcp || (!x->offered && !(r->response & RESP_RESTORE));
	case V_TOOL_STATE:
	case V_MCP_METHOD: return !x->mcp; /* a request that is no MCP message has no method */
	case V_ROUTE_NAME:
	case V_TARGET_NAME:
	case V_TARGET_REGION:
	case V_TARGET_EXTERNAL: return true;
	case V_REQUEST_METHOD: return r->nmethods == 1;
	case V_REQUEST_PATH: return r->npaths == 1 && r->nprefixes == 0 && !r->api;
	default: return false;
	}
}

static struct cel_value
reach_value(void *ctx, size_t slot, bool *present)
{
	const struct reach *x = ctx;
	const char *s;

	*present = true;
	switch (slot) {
	case V_ROUTE_NAME: s = x->route->name; break;
	case V_TARGET_NAME: s = x->target->name; break;
	case V_TARGET_REGION: s = x->target->region; break;
	case V_REQUEST_METHOD: s = x->route->methods[0]; break;
	case V_REQUEST_PATH: s = x->route->paths[0]; break;
	case V_TOOL_SERVER: s = x->mcp ? x->target->name : ""; break;
	case V_TOOL_LEFT: return cel_list(NULL, 0);
	case V_TOOL_STATE:
	case V_RESOURCE_URI:
	case V_MCP_METHOD: s = ""; break;
	default: return cel_bool(x->target->external);
	}
	*present = s && s[0];
	return cel_string(span_str(s));
}

/* Returns true if the condition may be true for a request of the route to any of its
 * targets. */
static bool
may_reach(struct arena *a, const struct cel_program *when, const struct route *route,
	bool offered)
{
	for (size_t i = 0; i < route->ntargets; i++) {
		struct reach x = { route, &route->targets[i], is_mcp(route), offered };
		struct cel_activation act = { .ctx = &x, .lookup = reach_value };
		if (!when || cel_partial(when, &act, reach_known, a) != 0)
			return true;
	}
	return false;
}

bool
policy_may_reach(struct arena *a, const struct cel_program *when, const struct route *route)
{
	return may_reach(a, when, route, false);
}

/* Adds the parts of responses that a rule uses. */
static void
add_uses(struct builder *b, const struct rule *r, struct answer_uses *u)
{
	u->any = true;
	entities_join(&u->entities, &r->redact);
	u->all |= !policy_answer_names_used(b->p, b->rules, r->when, &u->entities);
	u->injection |= r->reads_score;
	u->calls |= r->phase == PHASE_TOOL;
	u->left |= r->phase == PHASE_TOOL && r->when && cel_reads(r->when, V_TOOL_LEFT);
	u->arguments |= u->left;
	u->origins |= r->phase == PHASE_TOOL && r->when && cel_reads(r->when, V_TOOL_ORIGINS);
	u->arguments |= u->origins;
	u->arguments |= r->phase == PHASE_TOOL &&
			(r->redacts || (r->when && cel_reads(r->when, V_TOOL_ARGUMENTS)));
	u->tool_calls |= u->calls || (r->when && cel_reads(r->when, V_RESPONSE_TOOL_CALLS));
	u->media |= r->when && cel_reads(r->when, V_RESPONSE_MEDIA);
	u->speech |= r->when && cel_reads(r->when, V_RESPONSE_SPEECH);
}

/* Returns true if limits count the calls in the route's responses. With `response: ignore`,
 * they do not. */
static bool
counts_calls(struct builder *b, const struct route *route)
{
	bool model = !route->dialect || dialect_has_model(route->dialect);

	if (is_mcp(route) || !model || route->response_ignore)
		return false;
	for (size_t i = 0; i < b->p->nlimits; i++)
		if (b->p->limits[i].reads_tool &&
			policy_may_reach(b->a, b->p->limits[i].when, route))
			return true;
	return false;
}

/* Determines which rules may reach the route, and inspects its responses if any does. */
static void
build_route_uses(struct builder *b, struct route *route)
{
	const struct rule *first = NULL;
	/* a dialect without models has no calls in responses */
	bool mcp = is_mcp(route),
	     calls = !route->dialect || mcp || dialect_has_model(route->dialect);

	/* rules with phase: tool follow those with phase: response */
	for (size_t i = 0; i < b->p->nanswer_rules + b->p->ntool_rules; i++) {
		const struct rule *r = &b->p->answer_rules[i];
		if (r->phase == PHASE_TOOL && !calls)
			continue;
		if (r->phase == PHASE_TOOL && !mcp)
			route->uses.offered |= may_reach(b->a, r->when, route, true);
		if (r->phase == PHASE_TOOL && r->when && !r->shadow &&
			may_reach(b->a, r->when, route, !mcp))
			route->uses.uris |= cel_reads(r->when, V_RESOURCE_URI) ||
					    cel_reads(r->when, V_TOOL_SERVER);
		if (!policy_may_reach(b->a, r->when, route))
			continue;
		first = first ? first : r;
		add_uses(b, r, &route->uses);
	}
	if (counts_calls(b, route)) {
		route->uses.any = route->uses.calls = route->uses.tool_calls = true;
		route->response |= RESP_INSPECT;
		policy_entities_hash(b->rules, &route->uses.entities, route->uses.searched);
	}
	if (!first)
		return;
	if (route->response_ignore)
		diag_at(b->d, route->response_ignore,
			"response: ignore: rule %s, at %s:%u:%u, reads the responses of this "
			"route: use response: [inspect]",
			first->name, first->at->file, first->at->line, first->at->column);
	route->response |= RESP_INSPECT;
	if (route->uses.all || route->find_all)
		snprintf(route->uses.searched, sizeof(route->uses.searched), "all");
	else
		policy_entities_hash(b->rules, &route->uses.entities, route->uses.searched);
}

static void
build_answers(struct builder *b)
{
	struct policy *p = b->p;
	uint16_t *slots = arena_array(b->a, p->env->n, sizeof(*slots));
	size_t n = 0;

	for (size_t i = 0; i < p->nroutes; i++)
		build_route_uses(b, &b->routes[i]);
	/* keep the request's fields that these rules read */
	for (size_t slot = 0; slots && slot < p->env->n; slot++) {
		bool reads = false;
		for (size_t i = 0; i < p->nanswer_rules + p->ntool_rules; i++)
			reads |= p->answer_rules[i].when &&
				 cel_reads(p->answer_rules[i].when, slot);
		if (reads && !policy_slot_reads_answer(slot) && !policy_slot_reads_tool(slot))
			slots[n++] = (uint16_t)slot;
	}
	p->answer_slots = slots;
	p->nanswer_slots = slots ? n : 0;
}

/* Hashes one piece: its kind, its length and its bytes. */
static bool
hash_piece(EVP_MD_CTX *h, char kind, struct span s)
{
	char head[32];
	int n = snprintf(head, sizeof(head), "%c%zu:", kind, s.n);

	return EVP_DigestUpdate(h, head, (size_t)n) == 1 &&
	       (s.n == 0 || EVP_DigestUpdate(h, s.p, s.n) == 1);
}

static int
version_by_key(const void *x, const void *y)
{
	const struct yaml_node *a = *(const struct yaml_node *const *)x;
	const struct yaml_node *b = *(const struct yaml_node *const *)y;

	return strcmp(a->key->s.p, b->key->s.p); /* yaml.c refuses NUL */
}

/* Hashes a tree of nodes. */
static bool
hash_tree(EVP_MD_CTX *h, const struct yaml_node *n)
{
	static const struct span none = { NULL, 0 };
	bool map = n->kind == YAML_MAPPING;
	size_t count = 0;

	if (n->kind == YAML_SCALAR && yaml_is_null(n))
		return hash_piece(h, 'n', none);
	/* a block scalar ends with a newline, and the same text in quotes does not */
	if (n->kind == YAML_SCALAR)
		return hash_piece(h, 's', span_trim(n->s, " \t\r\n"));
	const struct yaml_node **c = calloc(n->count + 1, sizeof(const struct yaml_node *));
	bool ok = c != NULL && hash_piece(h, map ? '{' : '[', none);
	for (const struct yaml_node *x = n->child; ok && x; x = x->next)
		c[count++] = x;
	if (ok && map)
		qsort(c, count, sizeof(*c), version_by_key);
	for (size_t i = 0; ok && i < count; i++)
		ok = (!map || hash_piece(h, 'k', c[i]->key->s)) && hash_tree(h, c[i]);
	free(c);
	return ok && hash_piece(h, map ? '}' : ']', none);
}

/* Hashes the polite phrases that routes with `near` or `semantic` use. */
static bool
hash_phrases(const struct builder *b, EVP_MD_CTX *h)
{
	bool ok = true;

	for (size_t i = 0; ok && i < b->p->nroutes; i++) {
		const struct route_cache *c = &b->routes[i].cache;
		if (c->near || c->semantic)
			ok = hash_piece(h, 'c', span_str(b->routes[i].name));
		if (ok && c->near)
			ok = hash_tree(h, c->near->tree);
		if (ok && c->semantic)
			ok = hash_tree(h, c->semantic->words->tree);
	}
	return ok;
}

/* Sets p->version and p->label. Returns false if memory is exhausted. */
static bool
build_version(struct builder *b, const struct yaml_node *root)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	EVP_MD_CTX *h = EVP_MD_CTX_new();
	bool ok =
		h && EVP_DigestInit_ex(h, EVP_sha256(), NULL) == 1 &&
		hash_piece(h, 'v', SPAN_LIT("tollgate-policy-1")) && hash_tree(h, root) &&
		hash_piece(h, 'd', span_str(detect_version(b->rules))) &&
		(!b->prices_root || (hash_piece(h, 'p', SPAN_LIT("prices")) &&
					    hash_tree(h, b->prices_root))) &&
		hash_phrases(b, h) &&
		(!b->p->scores || hash_piece(h, 'i', span_str(inject_version(b->p->inject)))) &&
		EVP_DigestFinal_ex(h, md, &len) == 1 && len == 32;

	EVP_MD_CTX_free(h);
	for (size_t i = 0; ok && i < len; i++)
		snprintf(b->p->version + 2 * i, 3, "%02x", md[i]);
	if (ok) {
		struct span label = arena_printf(b->a, "%s@%.12s", b->p->name, b->p->version);
		b->p->label = label.p;
		ok = label.p != NULL;
	}
	return ok;
}

/* ---- functions for all sections ---- */

bool
build_section(struct builder *b, const struct yaml_node *n, enum section_name which, void *out)
{
	return n && section_read(b->a, b->d, n, which, out);
}

void *
build_array(struct builder *b, const struct yaml_node *at, size_t n, size_t size)
{
	return read_array(b->a, b->d, at, n, size);
}

void *
build_list(struct builder *b, const struct yaml_node *n, const char *what, size_t size)
{
	return n && read_list(b->d, n, what) ? build_array(b, n, n->count, size) : NULL;
}

const struct yaml_node *
build_each(struct builder *b, const struct yaml_node *n, const char *what, const char ***out,
	size_t *count)
{
	return read_each(b->a, b->d, n, what, out, count);
}

struct yaml_node
build_at(const struct builder *b, const struct yaml_node *n)
{
	return n ? *n : (struct yaml_node){ .line = 1, .column = 1, .file = b->file };
}

bool
build_name(struct builder *b, const struct yaml_node *n, size_t max, const char **out)
{
	bool ok = n->kind == YAML_SCALAR && n->s.n > 0 && n->s.n <= max &&
		  span_is_alnum(n->s, "._-:/");

	if (ok)
		*out = n->s.p;
	else
		diag_at(b->d, n,
			"a name of 1 to %zu letters, digits and . _ - : / is expected, found "
			"%s",
			max, yaml_found(n));
	return ok;
}

bool
build_path(struct builder *b, const struct yaml_node *n, const char **out)
{
	if (!read_path(b->a, b->d, n, out))
		return false;
	diag_reads(b->d, *out);
	return true;
}

bool
build_rotating_path(struct builder *b, const struct yaml_node *n, const char **out)
{
	if (!read_path(b->a, b->d, n, out))
		return false;
	diag_rotates(b->d, *out);
	return true;
}

bool
build_own_name(struct builder *b, const struct yaml_node *n, size_t max, const char **out,
	const void *taken, size_t ntaken, size_t stride)
{
	const struct yaml_node *c = read_needed(b->d, n, n, NULL, "name");

	if (!c || !build_name(b, c, max, out))
		return false;
	for (size_t i = 0; i < ntaken; i++) {
		struct {
			const char *name;
			const struct yaml_node *at;
		} other;
		memcpy(&other, (const char *)taken + i * stride, sizeof(other));
		if (other.name && !strcmp(other.name, *out)) {
			diag_at(b->d, c, "name: %s is already used, at %s:%u:%u", *out,
				other.at->file, other.at->line, other.at->column);
			return false;
		}
	}
	return true;
}

bool
build_backend(struct builder *b, const struct yaml_node *n, const char **out)
{
	struct nearest near = nearest_to(n->s);

	if (!build_name(b, n, 128, out))
		return false;
	if (!b->cfg || nearest_find(&near, b->cfg->backends, b->cfg->nbackends,
			       sizeof(char *)) < b->cfg->nbackends)
		return true;
	diag_at(b->d, n, "backend: %s is not one of the backends in %s%s", *out, b->cfg->file,
		nearest_hint(&near));
	return false;
}

/* on_failure.classifier: an outcome, or a mapping of classes to outcomes. */
static void
classifier_failure(struct builder *b, const struct yaml_node *n, struct on_failure *out)
{
	struct class_outcome *v;
	unsigned word;

	out->by_class = NULL;
	out->nby_class = 0;
	out->classifier = OUT_DENY;
	if (n->kind != YAML_MAPPING) {
		if (read_word(b->d, n, outcome_words, &word))
			out->classifier = (enum outcome)word;
		return;
	}
	if (n->count == 0)
		diag_at(b->d, n, "classifier: the mapping is empty");
	out->by_class = v = build_array(b, n, n->count, sizeof(*v));
	for (const struct yaml_node *c = n->child; c && v; c = c->next) {
		struct nearest near = nearest_to(c->key->s);
		size_t k = nearest_find(
			&near, b->p->classes, b->p->nclasses, sizeof(*b->p->classes));
		if (!read_word(b->d, c, outcome_words, &word))
			continue;
		if (span_is(c->key->s, "default"))
			out->classifier = (enum outcome)word;
		else if (k < b->p->nclasses)
			v[out->nby_class++] = (struct class_outcome){ k, (enum outcome)word };
		else
			diag_at(b->d, c->key,
				"classifier: a class or default is expected, found %s%s",
				c->key->s.p, nearest_hint(&near));
	}
}

void
build_on_failure(struct builder *b, const struct yaml_node *n, struct on_failure *out)
{
	const struct yaml_node *quota = yaml_get(n, "quota"),
			       *classifier = yaml_get(n, "classifier");

	if (!build_section(b, n, SECTION_ON_FAILURE, out))
		return;
	if (quota)
		build_quota_failure(b, quota, out);
	if (classifier)
		classifier_failure(b, classifier, out);
}

/* ---- observe ---- */

/* Reads `observe` of a policy: hosts whose callers without a key are passed to `backend` until
 * a date, while a deployment moves to the gateway. */

/* until: 2026-12-31: the end of the observation, at most OBSERVE_DAYS_MAX days ahead. */
static void
observe_until(struct builder *b, const struct yaml_node *n, struct observe *o)
{
	char latest[CLOCK_RFC3339_LEN];
	int64_t most = wall_now_ns() + OBSERVE_DAYS_MAX * CLOCK_DAY_NS;

	clock_rfc3339(most, latest);
	if (n->kind != YAML_SCALAR || (clock_parse_day(n->s.p, n->s.n, &o->until_ns) < 0 &&
					      clock_parse(n->s.p, n->s.n, &o->until_ns) < 0))
		diag_at(b->d, n,
			"until: a date such as 2026-12-31 (its first moment, UTC) or a time "
			"such as 2026-12-31T18:00:00Z is expected, found %s",
			yaml_found(n));
	else if (o->until_ns > most)
		diag_at(b->d, n,
			"until: %s is more than %d days ahead: the last possible day is %.10s",
			n->s.p, OBSERVE_DAYS_MAX, latest);
}

static void
build_observe(struct builder *b, const struct yaml_node *n)
{
	static const char *const needed[] = { "hosts", "backend", "until" };
	struct observe *o = &b->p->observe;
	const struct yaml_node *c;

	if (!n || !build_section(b, n, SECTION_OBSERVE, NULL))
		return;
	o->at = n->key;
	for (size_t i = 0; i < COUNT_OF(needed); i++)
		if (!yaml_get(n, needed[i]))
			diag_at(b->d, n->key, "observe: %s is missing", needed[i]);
	build_hosts(b, yaml_get(n, "hosts"), "hosts", &o->hosts, &o->nhosts);
	if ((c = yaml_get(n, "backend")))
		build_backend(b, c, &o->backend);
	if ((c = yaml_get(n, "until")))
		observe_until(b, c, o);
}

/* ---- conversation ---- */

/* Reads `conversation` of a policy: the fields of a request that name its conversation, in the
 * order in which they are tried, as in [{header: x-session}, dialect, hash]. */

static void
conversation_header(
	struct builder *b, const struct yaml_node *n, struct conversation_source *out)
{
	char *name = NULL;

	if (!build_section(b, n, SECTION_CONVERSATION, out))
		return;
	if (!out->header) {
		diag_at(b->d, n, "conversation: header is missing");
		return;
	}
	name = arena_strdup(b->a, out->header);
	if (!name)
		return;
	struct span s = span_str(name);
	ascii_lower(name, s.n);
	if (s.n > 64 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != s.n ||
		span_starts(s, SPAN_LIT("x-tollgate-")))
		diag_at(b->d, yaml_get(n, "header"),
			"header: the name of a header that callers send is expected, found %s",
			name);
	out->header = name;
}

/* n NULL: the default. */
static void
build_conversation(struct builder *b, const struct yaml_node *n)
{
	struct policy *p = b->p;

	if (!n) {
		p->conversation[p->nconversation++].kind = CONVERSATION_DIALECT;
		p->conversation[p->nconversation++].kind = CONVERSATION_HASH;
		return;
	}
	if (!read_list(b->d, n, "conversation"))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		size_t last = p->nconversation;
		if (last == CONVERSATION_MAX) {
			diag_at(b->d, c, "conversation: more than %d", CONVERSATION_MAX);
			return;
		}
		if (last && p->conversation[last - 1].kind == CONVERSATION_HASH)
			diag_at(b->d, c,
				"conversation: hash always finds a conversation, so entries "
				"after hash are never tried");
		struct conversation_source *s = &p->conversation[p->nconversation++];
		if (c->kind == YAML_MAPPING)
			conversation_header(b, c, s);
		else if (c->kind == YAML_SCALAR && span_is(c->s, "dialect"))
			s->kind = CONVERSATION_DIALECT;
		else if (c->kind == YAML_SCALAR && span_is(c->s, "hash"))
			s->kind = CONVERSATION_HASH;
		else
			diag_at(b->d, c,
				"conversation: dialect, hash or {header: NAME} is expected, "
				"found %s",
				yaml_found(c));
	}
	if (n->count == 0)
		diag_at(b->d, n, "conversation: the list is empty");
}

/* ---- tags ---- */

/* Reads `tags` of a policy: fields of a request that become tags of its record, as in [user,
 * {metadata: project}]. */

#define USER "user"

/* A metadata name must be one that can be written before a colon, because a tag is
 * NAME:VALUE. */
static void
tag_of_metadata(struct builder *b, const struct yaml_node *n, struct tag_source *out)
{
	static const char accepted[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_-.";

	if (!build_section(b, n, SECTION_TAG, out))
		return;
	if (!out->metadata) {
		diag_at(b->d, n, "tags: metadata is missing");
		return;
	}
	size_t len = strlen(out->metadata);
	if (!len || len > TAG_NAME_MAX || strspn(out->metadata, accepted) != len)
		diag_at(b->d, yaml_get(n, "metadata"),
			"metadata: a name of at most %d letters, digits, _, - and . is "
			"expected, found %.80s",
			TAG_NAME_MAX, out->metadata);
	else
		out->metadata = arena_strdup(b->a, out->metadata);
}

static const char *
tag_name(const struct tag_source *s)
{
	return s->metadata ? s->metadata : USER;
}

static void
build_tag_sources(struct builder *b, const struct yaml_node *n)
{
	struct policy *p = b->p;

	if (!n || !read_list(b->d, n, "tags"))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		if (p->ntags == TAG_SOURCES_MAX) {
			diag_at(b->d, c, "tags: more than %d", TAG_SOURCES_MAX);
			return;
		}
		struct tag_source *s = &p->tags[p->ntags++];
		if (c->kind == YAML_MAPPING)
			tag_of_metadata(b, c, s);
		else if (c->kind != YAML_SCALAR || !span_is(c->s, USER))
			diag_at(b->d, c, "tags: user or {metadata: NAME} is expected, found %s",
				yaml_found(c));
		for (size_t i = 0; i + 1 < p->ntags; i++)
			if (!strcmp(tag_name(&p->tags[i]), tag_name(s)))
				diag_at(b->d, c, "tags: %s is listed twice", tag_name(s));
	}
	if (n->count == 0)
		diag_at(b->d, n, "tags: the list is empty");
}

/* ---- whole policy ---- */

static void
build_head(struct builder *b, const struct yaml_node *root)
{
	const struct yaml_node *c;
	int64_t version;

	if (!(c = yaml_get(root, "tollgate")))
		diag_at(b->d, root,
			"tollgate: the version of the language is missing: add tollgate: 1");
	else if (!yaml_int(c, &version) || version != 1)
		diag_at(b->d, c, "tollgate: 1 is expected, found %s", yaml_found(c));
	if ((c = read_needed(b->d, root, root, NULL, "name")))
		build_name(b, c, 64, &b->p->name);
}

const struct policy *
policy_compile(struct arena *a, const struct yaml_node *root, const char *file,
	const struct config *cfg, struct detect_rules *rules, struct diag *d)
{
	/* checks of the whole policy, made only if all sections are correct */
	static void (*const of_all[])(
		struct builder *) = { build_names, build_used, build_answers, build_aliases };
	unsigned errors = d->errors;
	struct policy *p = arena_new(a, struct policy);
	struct builder b = { .a = a, .d = d, .file = file, .cfg = cfg, .rules = rules, .p = p };
	const struct yaml_node *c;

	if (!p) {
		diag_at(d, root, "out of memory");
		return NULL;
	}
	p->file = arena_strdup(a, file);
	p->name = "";
	p->output_default = 4096;
	p->tool_calls_default = 10;
	if (!build_section(&b, root, SECTION_POLICY, p))
		return NULL;
	if ((c = yaml_get(root, "include")))
		diag_at(d, c->key, "include: is only possible in a file");
	build_head(&b, root);
	build_observe(&b, yaml_get(root, "observe"));
	build_identity(&b, yaml_get(root, "identity"));
	build_data(&b, yaml_get(root, "data"));
	build_conversation(&b, yaml_get(root, "conversation"));
	build_tag_sources(&b, yaml_get(root, "tags"));
	build_output_default(&b, yaml_get(root, "output_default"));
	if ((c = yaml_get(root, "detectors")) && c->kind == YAML_MAPPING)
		build_external(&b, yaml_get(c, "external"));
	build_transcribers(&b, yaml_get(root, "transcribers"));
	build_classes(&b, yaml_get(root, "classes"));
	build_detectors(&b, yaml_get(root, "detectors"));
	build_section(&b, yaml_get(root, "placeholder"), SECTION_PLACEHOLDER, p);
	build_on_failure(&b, yaml_get(root, "on_failure"), &p->on_failure);
	build_prices(&b, root);
	build_providers(&b, yaml_get(root, "providers"));
	build_credentials(&b);
	build_tools(&b, yaml_get(root, "tools"));
	build_labels(&b, yaml_get(root, "labels"));
	if ((c = yaml_get(root, "routes")))
		build_routes(&b, c);
	else
		diag_at(d, root,
			"routes is missing, so every request would be refused: add a route");
	build_models(&b, yaml_get(root, "models"));
	build_operations(&b, yaml_get(root, "operations"));
	build_rules(&b, yaml_get(root, "rules"));
	build_limits(&b, yaml_get(root, "limits"));
	for (size_t i = 0; i < COUNT_OF(of_all) && d->errors == errors; i++)
		of_all[i](&b);
	if (d->errors == errors && (!build_version(&b, root) || arena_failed(a)))
		diag_at(d, root, "out of memory");
	return d->errors == errors ? p : NULL;
}

const struct policy *
policy_load(struct arena *a, const char *file, const struct config *cfg,
	struct detect_rules *rules, struct diag *d)
{
	const struct yaml_node *root = policy_tree(a, file, d);

	return root ? policy_compile(a, root, file, cfg, rules, d) : NULL;
}
