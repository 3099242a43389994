/* Records read back: steps/record.c wrote them. A field that a record does not hold
 * is missing, never guessed. */
#include "cmd/records/recorded.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "cmd/eval.h"
#include "codec/json_text.h"
#include "identity/claims.h"
#include "policy/data.h"
#include "policy/own.h"
#include "policy/section.h"
#include "text/body.h"

/* ---- members ---- */

static struct span
span_in(json_t *o, const char *name)
{
	return json_span(json_object_get(o, name));
}

static struct cel_value *
strings(json_t *list, struct arena *a)
{
	struct cel_value *v = arena_array(a, json_array_size(list), sizeof(*v));

	for (size_t i = 0; v && i < json_array_size(list); i++)
		v[i] = cel_string(json_span(json_array_get(list, i)));
	return v;
}

static const char *
method_of(const char *name)
{
	size_t i = 0;

	while (i < ID_NONE && strcmp(identity_words[i], name) != 0)
		i++;
	return identity_words[i];
}

static bool
read_identity(struct recorded *out, json_t *record, struct arena *a)
{
	json_t *o = json_object_get(record, "identity"), *attributes;
	struct identity *id = &out->identity;
	struct cel_value v;
	const char *why;

	id->method = method_of(json_text_in(o, "method"));
	for (size_t i = 0; i < IDENTITY_TEXTS; i++)
		*identity_text(id, i) = span_in(o, identity_texts[i].name);
	id->clearance = (int64_t)json_integer_value(json_object_get(o, "clearance"));
	id->roles = strings(json_object_get(o, "roles"), a);
	id->nroles = json_array_size(json_object_get(o, "roles"));
	id->verified = !json_object_get(record, "attributed");
	if (!(attributes = json_object_get(o, "attributes")))
		return true;
	if (!json_is_object(attributes) || !eval_read(a, attributes, false, &v, &why))
		return false;
	id->attributes = v.list.v;
	id->nattributes = v.list.n;
	return true;
}

static void
read_tags(struct recorded *out, json_t *record, struct arena *a)
{
	json_t *list = json_object_get(record, "request_tags"), *one;
	struct span *tags = arena_array(a, json_array_size(list), sizeof(*tags));
	size_t i;

	json_array_foreach(list, i, one) if (tags) tags[i] = json_span(one);
	out->facts.tags = tags;
	out->facts.ntags = tags ? json_array_size(list) : 0;
}

static bool
read_parameters(struct recorded *out, json_t *record, struct arena *a)
{
	json_t *o = json_object_get(json_object_get(record, "request"), "parameters"), *value;
	struct body_param *params = arena_array(a, json_object_size(o), sizeof(*params));
	const char *name;
	size_t n = 0;

	if (!params)
		return false;
	json_object_foreach(o, name, value)
	{
		struct body_param *p = &params[n++];
		p->name = span_str(name);
		p->kind = json_is_string(value)	   ? PARAM_STRING
			  : json_is_boolean(value) ? PARAM_BOOL
			  : json_is_null(value)	   ? PARAM_NULL
						   : PARAM_NUMBER;
		if (json_is_string(value))
			p->text = json_span(value);
		else if (json_is_boolean(value))
			p->text = json_is_true(value) ? SPAN_LIT("true") : SPAN_LIT("false");
		else if (json_is_number(value))
			p->text = arena_printf(a, "%.17g", json_number_value(value));
	}
	out->body.params = params;
	out->body.nparams = n;
	return true;
}

static bool
read_body(struct recorded *out, json_t *record, struct arena *a)
{
	json_t *prompt = json_object_get(record, "prompt"),
	       *verdict = json_object_get(record, "verdict"),
	       *media = json_object_get(prompt, "media");
	struct span *kinds = arena_array(a, json_array_size(media), sizeof(*kinds));
	size_t n = 0;

	for (size_t i = 0; kinds && i < json_array_size(media); i++, n++)
		kinds[i] = json_span(json_array_get(media, i));
	out->body.unread = (struct unread){ .media = kinds, .nmedia = n };
	out->facts.unread = &out->body.unread;
	json_t *refs = json_object_get(prompt, "references"), *count;
	const char *kind;
	out->body.refs = arena_array(a, json_object_size(refs), sizeof(*out->body.refs));
	json_object_foreach(refs, kind, count)
	{
		struct span kept = arena_dup(a, span_str(kind));
		if (out->body.refs && kept.p)
			out->body.refs[out->body.nrefs++] =
				(struct body_ref){ kept.p, (size_t)json_integer_value(count) };
	}
	/* As the caller asked: what rules made of it they did not read. */
	out->body.model = json_object_get(verdict, "asked_model")
				  ? span_in(verdict, "asked_model")
				  : span_in(record, "model");
	out->facts.tokens =
		(int64_t)json_integer_value(json_object_get(prompt, "estimated_input_tokens"));
	out->facts.bytes = (int64_t)json_integer_value(json_object_get(prompt, "bytes"));
	out->facts.whole = !json_object_get(prompt, "head_only");
	if (json_object_get(prompt, "segments"))
		out->facts.body = &out->body;
	return kinds && read_parameters(out, record, a);
}

/* A record of before roles were kept holds none: then they are missing. */
uint16_t
recorded_roles(json_t *o, const char *name)
{
	json_t *one;
	size_t i;
	uint16_t roles = 0;

	json_array_foreach(json_object_get(o, name), i,
		one) for (unsigned k = 0; k < ROLE_COUNT;
			  k++) if (json_is_string(one) &&
				   !strcmp(json_string_value(one), role_name((enum seg_role)k)))
		roles |= (uint16_t)(1u << k);
	return roles;
}

/* Under another policy a threshold may be higher; what was below the one of then is not
 * in the record. */
static void
read_entities(struct recorded *out, json_t *record, const struct policy_alone *p)
{
	json_t *value;
	const char *name;

	json_object_foreach(json_object_get(record, "entities"), name, value)
	{
		int e = detect_entity_find(p->rules, span_str(name));
		double score = json_number_value(json_object_get(value, "score"));
		if (e < 0 || (!out->same_version && p->p->thresholds &&
				     score + 0.005 < (double)p->p->thresholds[e]))
			continue;
		entity_add(&out->entities, (size_t)e);
		out->roles[e] = recorded_roles(value, "roles");
		out->no_roles |= !out->roles[e];
	}
	out->facts.roles = out->roles;
}

/* ---- what was searched ---- */

void
recorded_policy(struct policy_alone *p, json_t *record)
{
	json_t *names = json_object_get(record, "entities");

	if (strcmp(json_text_in(record, "type"), "policy") != 0)
		return;
	if (!p->searched)
		p->searched = json_object();
	if (names)
		json_object_set(p->searched, json_text_in(record, "searched"), names);
	json_object_update(p->searched, json_object_get(record, "answers"));
}

void
recorded_searched(const struct policy_alone *p, const char *hash, struct entity_set *out)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(p->searched, hash), i, one)
	{
		int e = detect_entity_find(p->rules, json_span(one));
		if (e >= 0)
			entity_add(out, (size_t)e);
	}
}

/* A record without the member is of a version that searched for all. */
static void
read_searched(struct recorded *out, json_t *record, const struct policy_alone *p)
{
	json_t *hash = json_object_get(record, "searched");

	out->all_searched = !hash || !strcmp(json_text_in(record, "searched"), "all");
	recorded_searched(p, json_text_in(record, "searched"), &out->searched);
}

/* ---- what is missing ---- */

/* The slots that are read back. Another, which this reader does not know, is missing. */
static bool
slot_is_read(size_t slot)
{
	return slot <= V_IDENTITY_ATTRIBUTES || policy_slot_parameter(slot) != NULL ||
	       slot == V_PROMPT_CLASSES || slot == V_PROMPT_ENTITIES ||
	       slot == V_PROMPT_MEDIA || slot == V_PROMPT_REFERENCES ||
	       slot == V_PROMPT_TOKENS || slot == V_PROMPT_BYTES ||
	       slot == V_PROMPT_INJECTION || slot == V_PROMPT_EVASION || slot == V_MODEL_NAME ||
	       slot == V_ROUTE_NAME || slot == V_REQUEST_METHOD || slot == V_REQUEST_HOST ||
	       slot == V_REQUEST_PATH || slot == V_REQUEST_CONVERSATION ||
	       slot == V_REQUEST_TAGS || slot == V_TARGET_NAME || slot == V_TARGET_REGION ||
	       slot == V_TARGET_EXTERNAL || slot == V_NOW;
}

/* By the names of p: a source that the record does not hold is missing. */
static void
read_data(struct recorded *out, json_t *record, const struct policy *p, struct arena *a)
{
	json_t *held = json_object_get(record, "data"), *v;

	for (size_t i = 0; i < p->ndata; i++) {
		struct cel_value *to = arena_new(a, struct cel_value);
		v = json_object_get(held, p->data[i].name);
		if (v && to && data_json(v, CAP_DATA_DEPTH + 1, a, to) == 0)
			out->data[i] = to;
		out->missing.in[V_COUNT + i] = !out->data[i];
	}
	out->facts.data = out->data;
}

static void
read_missing(struct recorded *out, json_t *record, const struct policy_alone *p)
{
	json_t *list = json_object_get(record, "not_held"), *one;
	size_t i;

	for (size_t slot = 0; slot < V_COUNT; slot++)
		out->missing.in[slot] = !slot_is_read(slot);
	/* No condition read it then. */
	out->missing.in[V_REQUEST_CONVERSATION] =
		!json_object_get(json_object_get(record, "request"), "conversation");
	/* Another policy may take others. */
	out->missing.in[V_REQUEST_TAGS] = !out->same_version;
	json_array_foreach(list, i,
		one) for (size_t slot = 0; slot < V_COUNT;
			  slot++) if (json_is_string(one) && !strcmp(policy_env.vars[slot].path,
								     json_string_value(one)))
		out->missing.in[slot] = true;
	for (size_t k = 0; out->no_roles && k < p->p->nclasses; k++)
		out->missing.in[V_PROMPT_CLASSES] |= p->p->classes[k].roles != 0;
	if (json_object_get(record, "injection") &&
		recorded_roles(record, "injection_roles") == p->p->inject_roles)
		return;
	/* Not scored, or other texts: no rule read it then. */
	out->missing.in[V_PROMPT_INJECTION] = true;
	for (size_t k = 0; k < p->p->nclasses; k++)
		out->missing.in[V_PROMPT_CLASSES] |= p->p->classes[k].injection > 0;
}

/* ---- the route ---- */

static void
read_route(struct recorded *out, json_t *record, const struct policy *p)
{
	const struct policy_facts *f = &out->facts;
	const char *name = json_text_in(record, "route");
	bool held = !out->missing.in[V_REQUEST_METHOD] && !out->missing.in[V_REQUEST_HOST] &&
		    !out->missing.in[V_REQUEST_PATH];

	if (!out->same_version && held) {
		out->facts.route = policy_route(p, f->method, f->host, f->path);
	} else {
		for (size_t i = 0; i < p->nroutes && !out->facts.route; i++)
			if (!strcmp(p->routes[i].name, name))
				out->facts.route = &p->routes[i];
	}
	out->no_route = !out->facts.route;
}

bool
recorded_read(
	struct recorded *out, json_t *record, const struct policy_alone *p, struct arena *a)
{
	json_t *request = json_object_get(record, "request"),
	       *verdict = json_object_get(record, "verdict");

	memset(out, 0, sizeof(*out));
	if (strcmp(json_text_in(record, "type"), "decision") != 0)
		return false;
	out->id = json_text_in(record, "id");
	out->decided_at = json_text_in(record, "decided_at");
	out->decision = json_text_in(record, "decision");
	out->label = json_text_in(record, "policy");
	out->before_rules = !verdict;
	out->effect = json_text_in(verdict, "effect");
	out->rule = json_text_in(verdict, "rule");
	out->outcomes = json_string_value(json_object_get(verdict, "outcomes"));
	out->same_version = !strcmp(json_text_in(record, "policy_version"), p->p->version);
	out->facts.identity = &out->identity;
	out->facts.entities = &out->entities;
	out->facts.rules = p->rules;
	out->facts.method = span_in(request, "method");
	out->facts.host = span_in(request, "host");
	out->facts.path = span_in(request, "path");
	out->facts.conversation = span_in(request, "conversation");
	read_tags(out, record, a);
	out->facts.injection = json_number_value(json_object_get(record, "injection"));
	out->facts.evasion = json_is_true(json_object_get(record, "evasion"));
	if (clock_parse(out->decided_at, strlen(out->decided_at), &out->facts.now_wall_ns) <
			0 ||
		!read_identity(out, record, a) || !read_body(out, record, a))
		return false;
	read_entities(out, record, p);
	read_searched(out, record, p);
	read_missing(out, record, p);
	read_data(out, record, p->p, a);
	read_route(out, record, p->p);
	return !arena_failed(a);
}

/* Why the fate of a rule that was reached is not sure, or what it would have replaced. */
static const char *
rule_unsure(const struct recorded *r, const struct policy_alone *p, const struct rule *rule,
	struct arena *a)
{
	const struct cel_env *env = p->p->env;
	struct entity_set used = rule->redact;
	const char *what = NULL;

	for (size_t slot = 0; rule->when && slot < env->n && !what; slot++)
		if (r->missing.in[slot] && cel_reads(rule->when, slot))
			what = env->vars[slot].path;
	if (what)
		return arena_printf(a, "%s was not recorded", what).p;
	if (r->all_searched)
		return NULL;
	if (!policy_names_used(p->p, p->rules, rule->when, &used))
		return "not all entities were searched for";
	for (size_t e = 0; e < detect_entity_count(p->rules) && !what; e++)
		if (entity_in(&used, e) && !entity_in(&r->searched, e))
			what = detect_entity_name(p->rules, e);
	return what ? arena_printf(a, "%s was not searched for", what).p : NULL;
}

int
recorded_decide(const struct recorded *r, const struct policy_alone *p, struct arena *a,
	struct policy_verdict *out, const char **unsure)
{
	int err = policy_decide(p->p, &r->facts, a, out);

	*unsure = NULL;
	for (size_t i = 0; err == 0 && i < p->p->nrules && !*unsure; i++)
		if (out->trace[i].fate != RULE_NOT_REACHED && out->trace[i].fate != RULE_WAITS)
			*unsure = rule_unsure(r, p, &p->p->rules[i], a);
	return err;
}
