/* Reads decisions and completions back from their records, and evaluates rules on them again.
 * gate/steps/record.c wrote the records.
 *
 * A value that the record lacks is marked as missing; it is never guessed. If a condition
 * reads a missing value, the result of its rule is uncertain, and recorded_unsure() returns
 * the reason. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/scoped.h"
#include "cmd/eval.h"
#include "cmd/records/opening.h"
#include "cmd/records/recorded.h"
#include "policy/data.h"
#include "policy/identity/claims.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/rule.h"
#include "policy/section.h"
#include "record/audit/record_fields.h"
#include "scan/detect/detect.h"
#include "scan/inject/inject.h"
#include "scan/text/body.h"
#include "scan/text/placeholder.h"

/* ---- members of a record ---- */

static struct span *
recorded_spans(json_t *list, struct arena *a, size_t *n)
{
	struct span *v = arena_array(a, json_array_size(list), sizeof(*v));

	*n = v ? json_array_size(list) : 0;
	for (size_t i = 0; i < *n; i++)
		v[i] = json_span(json_array_get(list, i));
	return v;
}

static bool
read_identity(struct recorded *out, json_t *record, struct arena *a)
{
	json_t *roles = record_get(record, RF_IDENTITY_ROLES),
	       *attributes = record_get(record, RF_IDENTITY_ATTRIBUTES);
	struct identity *id = &out->identity;
	struct cel_value v;
	const char *why;
	size_t method = 0;

	while (method < ID_NONE &&
		!record_is(record, RF_IDENTITY_METHOD, identity_words[method]))
		method++;
	id->method = identity_words[method];
	for (size_t i = 0; i < IDENTITY_TEXTS; i++)
		*identity_text(id, i) = json_span(json_object_get(
			record_get(record, RF_IDENTITY), identity_texts[i].name));
	id->clearance = record_int(record, RF_IDENTITY_CLEARANCE);
	id->nroles = json_array_size(roles);
	struct cel_value *names = arena_array(a, id->nroles, sizeof(*names));
	for (size_t i = 0; names && i < id->nroles; i++)
		names[i] = cel_string(json_span(json_array_get(roles, i)));
	id->roles = names;
	id->verified = !record_get(record, RF_ATTRIBUTED);
	if (!attributes)
		return true;
	if (!json_is_object(attributes) || !eval_read(a, attributes, false, &v, &why))
		return false;
	id->attributes = v.list.v;
	id->nattributes = v.list.n;
	return true;
}

static bool
read_parameters(struct recorded *out, json_t *record, struct arena *a)
{
	json_t *o = record_get(record, RF_REQUEST_PARAMETERS), *value;
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
read_recorded_body(struct recorded *out, json_t *record, struct arena *a)
{
	json_t *refs = record_get(record, RF_PROMPT_REFERENCES), *count;
	const char *kind;

	out->facts.media =
		recorded_spans(record_get(record, RF_PROMPT_MEDIA), a, &out->facts.nmedia);
	out->facts.speech =
		recorded_spans(record_get(record, RF_PROMPT_SPEECH), a, &out->facts.nspeech);
	out->facts.speech_seconds =
		json_integer_value(record_get(record, RF_PROMPT_SPEECH_SECONDS));
	out->facts.macros = json_is_true(record_get(record, RF_PROMPT_MACROS));
	out->facts.results = recorded_spans(
		record_get(record, RF_PROMPT_TOOL_RESULTS), a, &out->facts.nresults);
	out->facts.tags =
		recorded_spans(record_get(record, RF_REQUEST_TAGS), a, &out->facts.ntags);
	out->body.refs = arena_array(a, json_object_size(refs), sizeof(*out->body.refs));
	json_object_foreach(refs, kind, count)
	{
		struct span kept = arena_dup(a, span_str(kind));
		if (out->body.refs && kept.p)
			out->body.refs[out->body.nrefs++] =
				(struct body_ref){ kept.p, (size_t)json_integer_value(count) };
	}
	/* The model that the caller requested. Rules did not read the model that they
	 * chose. */
	out->body.model = record_span(record,
		record_get(record, RF_VERDICT_ASKED_MODEL) ? RF_VERDICT_ASKED_MODEL : RF_MODEL);
	out->facts.model = out->body.model;
	out->facts.tokens = record_int(record, RF_PROMPT_ESTIMATED_INPUT_TOKENS);
	out->facts.bytes = record_int(record, RF_PROMPT_BYTES);
	out->facts.whole = !record_get(record, RF_PROMPT_HEAD_ONLY);
	if (record_get(record, RF_PROMPT_SEGMENTS))
		out->facts.body = &out->body;
	return read_parameters(out, record, a);
}

/* Records of older versions hold no roles. The roles are then missing. */
static uint16_t
recorded_roles(json_t *list)
{
	json_t *one;
	size_t i;
	uint16_t roles = 0;

	json_array_foreach(list, i, one)
	{
		for (unsigned k = 0; k < ROLE_COUNT; k++)
			if (span_is(json_span(one), role_name((enum seg_role)k)))
				roles |= (uint16_t)(1u << k);
	}
	return roles;
}

/* Another policy may have a lower threshold than the recorded decision used. The record
 * does not contain entities below the threshold that applied then. */
static void
read_entities(struct recorded *out, json_t *record, const struct policy_alone *p)
{
	json_t *value;
	const char *name;

	json_object_foreach(record_get(record, RF_ENTITIES), name, value)
	{
		int e = detect_entity_find(p->rules, span_str(name));
		double score = json_number_value(record_in(value, RF_ENTITIES_SCORE));
		if (e < 0 || (!out->same_version && p->p->thresholds &&
				     score + 0.005 < (double)p->p->thresholds[e]))
			continue;
		entity_add(&out->entities, (size_t)e);
		out->roles[e] = recorded_roles(record_in(value, RF_ENTITIES_ROLES));
		out->no_roles |= !out->roles[e];
	}
	out->facts.roles = out->roles;
}

/* ---- searched entities ---- */

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

static void
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

/* ---- how entities were found ---- */

/* Returns an object: for each entity a text that is equal if both policies find the same values
 * of it, and the threshold of its score. */
static json_t *
meanings_of(const struct policy_alone *p)
{
	struct detect_options o = policy_detect_options(p->p);
	json_t *all = json_object();

	for (size_t e = 0; e < detect_entity_count(p->rules); e++) {
		const char *name = detect_entity_name(p->rules, e);
		json_object_set_new(all, name,
			json_pack("[of]",
				json_sprintf("%016llx %d %d",
					(unsigned long long)detect_entity_meaning(p->rules, e),
					o.skip_samples,
					o.labeled_names && !strcmp(name, "PERSON")),
				(double)p->p->thresholds[e]));
	}
	if (p->p->inject)
		json_object_set_new(all, "prompt.injection",
			json_sprintf("%s %llx", inject_version(p->p->inject),
				(unsigned long long)p->p->inject_off));
	return all;
}

void
recorded_meanings(struct policy_alone *p, const char *config, const struct kept_places *places,
	const json_t *record)
{
	const char *version = record_text(record, RF_POLICY_VERSION);
	struct policy_alone then = { .p = NULL };
	json_t *meant = NULL;

	if (!p->meant)
		p->meant = json_pack("{so}", p->version, meanings_of(p));
	if (!*version || json_object_get(p->meant, version))
		return;
	SCOPED_BUF(why, 4096);
	if (places->journal &&
		policy_alone_kept(&then, config, places, version, NULL, &why) == 0)
		meant = meanings_of(&then);
	json_object_set_new(p->meant, version, meant ? meant : json_null());
	policy_alone_free(&then);
}

/* Returns why a rule's result on the recorded findings is uncertain: this policy finds one of the
 * entities in `of` otherwise. Returns NULL if it finds them as the policy that decided. */
static const char *
found_otherwise(const struct recorded *r, const struct policy_alone *p,
	const struct entity_set *of, bool any, struct arena *a)
{
	const json_t *now = json_object_get(p->meant, p->version);

	for (size_t e = 0; r->compares && e < detect_entity_count(p->rules); e++) {
		const char *name = detect_entity_name(p->rules, e);
		json_t *then = json_object_get(r->meant, name),
		       *is = json_object_get(now, name);
		if (!any && !entity_in(of, e))
			continue;
		if (!then)
			return arena_printf(a, "%s was not searched for", name).p;
		if (!json_equal(json_array_get(then, 0), json_array_get(is, 0)) ||
			json_real_value(json_array_get(then, 1)) >
				json_real_value(json_array_get(is, 1)))
			return arena_printf(a, "%s was searched for in another way", name).p;
	}
	return NULL;
}

static bool
scores_otherwise(const struct recorded *r, const struct policy_alone *p)
{
	return r->compares &&
	       !json_equal(json_object_get(r->meant, "prompt.injection"),
		       json_object_get(json_object_get(p->meant, p->version),
			       "prompt.injection"));
}

/* ---- missing values ---- */

/* Reads the values of data sources by the names that p has. A source that the record lacks
 * is missing. */
static void
read_data(struct recorded *out, json_t *record, const struct policy *p, struct arena *a)
{
	json_t *held = record_get(record, RF_DATA), *v;

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
recorded_not_held(json_t *list, struct slot_set *missing)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		for (size_t slot = 0; slot < V_COUNT; slot++)
			missing->in[slot] |=
				span_is(json_span(one), policy_env.vars[slot].path);
	}
}

static void
read_missing(struct recorded *out, json_t *record, const struct policy_alone *p)
{
	bool *missing = out->missing.in;

	/* Every value without a field in the record is missing, except for the target's
	 * values, which the policy defines. */
	for (size_t slot = 0; slot < V_COUNT; slot++)
		missing[slot] = !policy_slot_parameter(slot).n && slot != V_TARGET_REGION &&
				slot != V_TARGET_EXTERNAL;
	for (size_t f = 0; f < RECORD_FIELDS_COUNT; f++)
		if (record_rows[f].slot < V_COUNT && record_rows[f].in & RECORD_DECISION)
			missing[record_rows[f].slot] = false;
	/* no condition read the conversation when the request was decided */
	missing[V_REQUEST_CONVERSATION] = !record_get(record, RF_REQUEST_CONVERSATION);
	missing[V_PROMPT_TOOL_RESULTS] = !out->same_version && !out->facts.nresults;
	/* another policy may use other tags */
	missing[V_REQUEST_TAGS] = !out->same_version;
	recorded_not_held(record_get(record, RF_NOT_HELD), &out->missing);
	for (size_t k = 0; out->no_roles && k < p->p->nclasses; k++)
		missing[V_PROMPT_CLASSES] |= p->p->classes[k].roles != 0;
	if (record_get(record, RF_INJECTION) &&
		recorded_roles(record_get(record, RF_INJECTION_ROLES)) == p->p->inject_roles &&
		!scores_otherwise(out, p))
		return;
	/* no rule read the score then, or it was computed otherwise or on other texts */
	missing[V_PROMPT_INJECTION] = true;
	for (size_t k = 0; k < p->p->nclasses; k++)
		missing[V_PROMPT_CLASSES] |= p->p->classes[k].injection > 0;
}

/* ---- the route ---- */

static void
read_route(struct recorded *out, json_t *record, const struct policy *p)
{
	const struct policy_facts *f = &out->facts;
	const char *name = record_text(record, RF_ROUTE);
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
	out->facts.route = policy_route_as(out->facts.route, out->body.model);
}

/* ---- the route's targets ---- */

static enum target_out
out_of(const char *word)
{
	size_t i = TARGET_OUTS;

	while (--i > TARGET_IN && strcmp(target_outs[i], word) != 0)
		;
	return (enum target_out)i;
}

/* Reads the state of the candidates at the time of the decision, if the route's targets
 * have not changed. The state of a target that was added later is unknown. */
static void
read_targets(struct recorded *out, json_t *record, struct arena *a)
{
	json_t *list = record_get(record, RF_CANDIDATES), *c;
	const struct route *route = out->facts.route;
	size_t n = route ? route->ntargets : 0, i;
	struct policy_rank *ranks = arena_array(a, n, sizeof(*ranks));
	struct policy_target_facts *at = arena_array(a, n, sizeof(*at));
	bool same = ranks && at && n && json_array_size(list) == n, known = same;

	json_array_foreach(list, i, c)
	{
		json_t *place = record_in(c, RF_CANDIDATES_PLACE);
		same = same && !strcmp(route->targets[i].name,
				       json_text_in(c, record_rows[RF_CANDIDATES_TARGET].name));
		const char *model = json_string_value(record_in(c, RF_CANDIDATES_MODEL));
		same = same && str_same(route->targets[i].model, model);
		known = known && record_in(c, RF_CANDIDATES_PRICE);
		if (!same)
			break;
		ranks[i] = (struct policy_rank){
			.place = place ? (uint8_t)json_integer_value(place) : (uint8_t)i,
			.out = out_of(json_text_in(c, record_rows[RF_CANDIDATES_OUT].name))
		};
		at[i] = (struct policy_target_facts){ .price = json_number_value(record_in(
							      c, RF_CANDIDATES_PRICE)),
			.latency = json_number_value(record_in(c, RF_CANDIDATES_LATENCY)),
			.errors = json_number_value(record_in(c, RF_CANDIDATES_ERRORS)) };
	}
	out->facts.ranks = same ? ranks : NULL;
	out->facts.at = same && known ? at : NULL;
	for (size_t slot = V_TARGET_PRICE; slot <= V_TARGET_ERRORS; slot++)
		out->missing.in[slot] = !out->facts.at;
}

bool
recorded_decides(const json_t *record)
{
	return record_is(record, RF_TYPE, "decision") || record_is(record, RF_TYPE, "attempt");
}

/* A later attempt that was denied was never sent; the response belongs to the attempt
 * before. */
bool
recorded_relayed(const json_t *record)
{
	return recorded_decides(record) && record_is(record, RF_VIA, "relay") &&
	       !(record_get(record, RF_ATTEMPT) && record_is(record, RF_DECISION, "deny"));
}

bool
recorded_read(
	struct recorded *out, json_t *record, const struct policy_alone *p, struct arena *a)
{
	memset(out, 0, sizeof(*out));
	if (!recorded_decides(record))
		return false;
	out->attempt = record_int(record, RF_ATTEMPT);
	out->id = record_text(record, RF_ID);
	out->decided_at = record_text(record, RF_DECIDED_AT);
	out->decision = record_text(record, RF_DECISION);
	out->label = record_text(record, RF_POLICY);
	out->before_rules = !record_get(record, RF_VERDICT);
	out->effect = record_text(record, RF_VERDICT_EFFECT);
	out->rule = record_text(record, RF_VERDICT_RULE);
	out->outcomes = json_string_value(record_get(record, RF_VERDICT_OUTCOMES));
	out->same_version = record_is(record, RF_POLICY_VERSION, p->version);
	out->facts.identity = &out->identity;
	out->facts.entities = &out->entities;
	out->facts.rules = p->rules;
	out->facts.method = record_span(record, RF_REQUEST_METHOD);
	out->facts.host = record_span(record, RF_REQUEST_HOST);
	out->facts.path = record_span(record, RF_REQUEST_PATH);
	out->facts.conversation = record_span(record, RF_REQUEST_CONVERSATION);
	out->facts.injection = json_number_value(record_get(record, RF_INJECTION));
	out->facts.evasion = json_is_true(record_get(record, RF_EVASION));
	out->facts.invisible = (size_t)record_int(record, RF_INVISIBLE);
	if (clock_parse(out->decided_at, strlen(out->decided_at), &out->facts.now_wall_ns) <
			0 ||
		!read_identity(out, record, a) || !read_recorded_body(out, record, a))
		return false;
	read_entities(out, record, p);
	/* older versions, which searched for all entities, wrote no such member */
	out->all_searched =
		!record_get(record, RF_SEARCHED) || record_is(record, RF_SEARCHED, "all");
	recorded_searched(p, record_text(record, RF_SEARCHED), &out->searched);
	if (p->meant && !out->same_version) {
		json_t *meant = json_object_get(
			p->meant, record_text(record, RF_POLICY_VERSION));
		out->compares = json_is_object(meant);
		out->meant = meant;
	}
	read_missing(out, record, p);
	read_data(out, record, p->p, a);
	read_route(out, record, p->p);
	read_targets(out, record, a);
	return !arena_failed(a);
}

static const char *
recorded_unsure(const struct recorded *r, const struct recorded_answer *answer,
	const struct policy_alone *p, const struct rule *rule, struct arena *a)
{
	const struct cel_env *env = p->p->env;
	const struct slot_set *missing = answer ? &answer->missing : &r->missing;
	struct entity_set none = { { 0 } }, used = rule->redact, asked = answer ? none : used;

	bool any = false;
	if (r->compares) {
		struct entity_set of = rule->redact;
		any = !policy_names_used(p->p, p->rules, rule->when, &of);
		any |= answer && !policy_answer_names_used(p->p, p->rules, rule->when, &of);
		const char *why = found_otherwise(r, p, &of, any, a);
		if (why)
			return why;
	}
	if (answer && rule->reads_score && missing->in[V_RESPONSE_INJECTION])
		return "response.injection was not recorded";
	/* the only reason that --key can remove */
	if (answer && answer->arguments_sealed && rule->when &&
		((missing->in[V_TOOL_ARGUMENTS] && cel_reads(rule->when, V_TOOL_ARGUMENTS)) ||
			(cel_reads(rule->when, V_RESPONSE_TOOL_CALLS) &&
				strstr(rule->when_text, "arguments"))))
		return "arguments of tool calls are unknown: they are sealed, and were not "
		       "opened in the form that rules read";
	for (size_t slot = 0; rule->when && slot < env->n; slot++)
		if (missing->in[slot] && cel_reads(rule->when, slot))
			return arena_printf(a, "%s was not recorded", env->vars[slot].path).p;
	if (answer && rule->when && answer->facts.ntools && !answer->arguments_held &&
		cel_reads(rule->when, V_RESPONSE_TOOL_CALLS) &&
		strstr(rule->when_text, "arguments"))
		return "arguments of tool calls are not recorded";
	if ((answer && !answer->all_searched &&
		    !policy_answer_names_used(p->p, p->rules, rule->when, &used)) ||
		(!r->all_searched && !policy_names_used(p->p, p->rules, rule->when, &asked)))
		return "not all entities were searched for";
	for (size_t e = 0; e < detect_entity_count(p->rules); e++)
		if ((answer && !answer->all_searched && entity_in(&used, e) &&
			    !entity_in(&answer->searched, e)) ||
			(!r->all_searched && entity_in(&asked, e) &&
				!entity_in(&r->searched, e)))
			return arena_printf(
				a, "%s was not searched for", detect_entity_name(p->rules, e))
				.p;
	return NULL;
}

int
recorded_decide(const struct recorded *r, const struct policy_alone *p, struct arena *a,
	struct policy_verdict *out, const char **unsure)
{
	int err = policy_decide(p->p, &r->facts, a, out);

	*unsure = NULL;
	for (size_t i = 0; err == 0 && i < p->p->nrules && !*unsure; i++)
		if (out->ruled.trace[i].fate != RULE_NOT_REACHED &&
			out->ruled.trace[i].fate != RULE_WAITS)
			*unsure = recorded_unsure(r, NULL, p, &p->p->rules[i], a);
	return err;
}

/* ---- completions: rules with phase: response ---- */

/* ---- sealed arguments ---- */

/* Returns the next line of the kept tool calls (gate/sealing) that holds the arguments of a
 * call of this kind, or NULL if there is none. */
static json_t *
next_arguments(struct span *text, const char *by)
{
	while (text->n) {
		struct span line = span_next(text, '\n');
		json_t *o = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
		if (json_is_string(json_object_get(o, "arguments")) &&
			str_same(json_str_in(o, "by"), by))
			return o;
		json_decref(o);
	}
	return NULL;
}

static void
set_call_arguments(json_t *record, struct span text)
{
	const struct span all = text;
	const char *ways[] = { "answer", "mcp" };
	json_t *call;
	size_t i;

	for (size_t w = 0; w < COUNT_OF(ways); w++) {
		text = all;
		json_array_foreach(record_get(record, RF_CALLS), i, call)
		{
			if (!span_is(json_span(record_in(call, RF_CALLS_BY)), ways[w]))
				continue;
			json_auto_t *said = next_arguments(&text, ways[w]);
			if (said)
				json_object_set(call, record_rows[RF_CALLS_ARGUMENTS].name,
					json_object_get(said, "arguments"));
		}
	}
}

/* Sets the arguments to the form that rules read: all of them, as the model wrote them, if
 * the response was complete. */
static void
set_read_arguments(json_t *record, struct span text, bool full)
{
	json_t *names = record_get(record, RF_ANSWER_VERDICT_TOOL_CALLS), *name;
	const char *when = record_text(record, RF_ANSWER_VERDICT_WHEN);
	bool over = !strcmp(when, answer_when_names[ANSWER_WHOLE]) ||
		    !strcmp(when, answer_when_names[ANSWER_END]);
	json_auto_t *list = json_array();
	size_t i;

	if (!names || !over || (!full && record_get(record, RF_ANSWER_FINDINGS)))
		return;
	json_array_foreach(names, i, name)
	{
		json_auto_t *said = next_arguments(&text, "answer");
		if (!said || !json_equal(json_object_get(said, "tool"), name))
			return;
		json_array_append(list, json_object_get(said, "arguments"));
	}
	json_auto_t *more = next_arguments(&text, "answer");
	if (!more)
		json_object_set(record_get(record, RF_ANSWER_VERDICT),
			record_rows[RF_ANSWER_VERDICT_TOOL_ARGUMENTS].name, list);
}

void
recorded_open(struct opening *o, json_t *record)
{
	const json_t *kept = opening_kept(record, SEAL_TOOLS);

	if (!str_same(json_str_in(kept, "form"), "texts") ||
		json_is_true(json_object_get(kept, "cut")))
		return;
	SCOPED_BUF(text, 0);
	SCOPED_BUF(why, 4096);
	if (opening_text(o, record, SEAL_TOOLS, &text, &why) != OPENING_OPENED)
		return;
	set_call_arguments(record, buf_view(&text));
	set_read_arguments(record, buf_view(&text), str_same(json_str_in(kept, "how"), "full"));
}

/* ---- found entities ---- */

/* The record has no scores. If this policy demands a higher score than the rule files, an
 * entity that was found then may not count now. */
static void
read_answer_entities(struct recorded_answer *out, json_t *record, const struct policy_alone *p,
	struct arena *a)
{
	json_t *value;
	const char *name;

	json_object_foreach(record_get(record, RF_ANSWER_VERDICT_ENTITIES), name, value)
	{
		int e = detect_entity_find(p->rules, span_str(name));
		if (e < 0)
			continue;
		if (!out->same_version &&
			p->p->thresholds[e] > detect_entity_threshold(p->rules, (size_t)e))
			out->unsure =
				arena_printf(a, "the score of %s was not recorded", name).p;
		entity_add(&out->facts.entities, (size_t)e);
		out->roles[e] = recorded_roles(record_in(value, RF_ENTITIES_ROLES));
	}
	out->facts.roles = out->roles;
	out->facts.rules = p->rules;
}

/* Fills in the reasons for which placeholders stayed in the calls. Returns false unless the record
 * lists exactly the calls that the verdict was made on. */
static bool
read_calls_left(struct answer_tool *tools, size_t n, json_t *record)
{
	json_t *call;
	size_t i, at = 0;

	json_array_foreach(record_get(record, RF_CALLS), i, call)
	{
		if (!span_is(json_span(record_in(call, RF_CALLS_BY)), "answer"))
			continue;
		if (at == n ||
			!span_eq(json_span(record_in(call, RF_CALLS_TOOL)), tools[at].name))
			return false;
		json_t *left = record_in(call, RF_CALLS_LEFT);
		for (size_t k = 0; k < LEFT_REASONS; k++)
			if (json_object_get(left, placeholder_left_names[k]))
				tools[at].left |= 1u << k;
		at++;
	}
	return at == n;
}

/* Fills in tool.origins of the calls. Returns false unless the record has it for each call. */
static bool
read_calls_origins(struct answer_tool *tools, size_t n, json_t *record, struct arena *a)
{
	json_t *call;
	size_t i, at = 0;

	json_array_foreach(record_get(record, RF_CALLS), i, call)
	{
		json_t *held = record_in(call, RF_CALLS_ORIGINS);
		if (!span_is(json_span(record_in(call, RF_CALLS_BY)), "answer"))
			continue;
		if (at == n || !held ||
			!span_eq(json_span(record_in(call, RF_CALLS_TOOL)), tools[at].name))
			return false;
		struct cel_value *v = arena_new(a, struct cel_value);
		if (!v || data_json_of_others(held, CAP_DATA_DEPTH, a, v) < 0)
			return false;
		tools[at++].origins = v;
	}
	return at == n;
}

static void
read_recorded_lists(struct recorded_answer *out, json_t *record, struct arena *a)
{
	json_t *calls = record_get(record, RF_ANSWER_VERDICT_TOOL_CALLS),
	       *arguments = record_get(record, RF_ANSWER_VERDICT_TOOL_ARGUMENTS);
	struct answer_tool *tools = arena_array(a, json_array_size(calls), sizeof(*tools));

	out->arguments_held = json_array_size(arguments) == json_array_size(calls);
	out->arguments_sealed = !out->arguments_held && opening_kept(record, SEAL_TOOLS);
	for (size_t i = 0; tools && i < json_array_size(calls); i++)
		tools[i] = (struct answer_tool){ .name = json_span(json_array_get(calls, i)),
			.arguments = json_span(json_array_get(arguments, i)),
			.lost = !out->arguments_held };
	out->facts.media = recorded_spans(
		record_get(record, RF_ANSWER_VERDICT_MEDIA), a, &out->facts.nmedia);
	out->facts.speech = recorded_spans(
		record_get(record, RF_ANSWER_VERDICT_SPEECH), a, &out->facts.nspeech);
	out->facts.tools = tools;
	out->facts.ntools = json_array_size(calls);
	out->origins_held = tools && read_calls_origins(tools, out->facts.ntools, record, a);
	out->left_held = tools && read_calls_left(tools, out->facts.ntools, record);
}

bool
recorded_answer_read(struct recorded_answer *out, json_t *record, json_t *decision,
	const struct recorded *request, const struct policy_alone *p, struct arena *a)
{
	const char *when = record_text(record, RF_ANSWER_VERDICT_WHEN);

	memset(out, 0, sizeof(*out));
	out->judged = record_get(record, RF_ANSWER_VERDICT) != NULL;
	out->request = request;
	out->same_version = request->same_version;
	while (out->when < ANSWER_END && strcmp(answer_when_names[out->when], when) != 0)
		out->when++;
	/* The last verdict, if it differs from the overall result. */
	bool last = record_get(record, RF_ANSWER_VERDICT_DECISION) != NULL;
	out->effect = !out->judged ? "permit"
		      : last	   ? record_text(record, RF_ANSWER_VERDICT_DECISION)
				   : record_text(record, RF_ANSWER_DECISION);
	out->rule = record_text(record, last ? RF_ANSWER_VERDICT_RULE : RF_ANSWER_RULE);
	out->tags = record_get(record, last ? RF_ANSWER_VERDICT_TAGS : RF_ANSWER_TAGS);
	out->outcomes = json_string_value(record_get(record, RF_ANSWER_VERDICT_OUTCOMES));
	read_answer_entities(out, record, p, a);
	out->all_searched = record_is(record, RF_ANSWER_VERDICT_SEARCHED, "all");
	recorded_searched(p, record_text(record, RF_ANSWER_VERDICT_SEARCHED), &out->searched);
	out->facts.injection =
		json_number_value(record_get(record, RF_ANSWER_VERDICT_INJECTION));
	out->facts.bytes = record_int(record, RF_ANSWER_VERDICT_BYTES);
	out->facts.tokens = record_int(record, RF_ANSWER_VERDICT_TOKENS);
	out->facts.finish_reason = record_span(record, RF_ANSWER_VERDICT_FINISH_REASON);
	out->facts.model = record_span(record, RF_ANSWER_MODEL);
	out->facts.status = (int)record_int(record, RF_ANSWER_VERDICT_STATUS);
	out->facts.streamed = json_is_true(record_get(record, RF_ANSWER_STREAMED));
	out->facts.evasion = json_is_true(record_get(record, RF_ANSWER_VERDICT_EVASION));
	out->missing = request->missing;
	for (size_t slot = 0; slot < V_COUNT; slot++)
		if (policy_slot_reads_answer(slot))
			out->missing.in[slot] = false;
	recorded_not_held(record_get(record, RF_ANSWER_VERDICT_NOT_HELD), &out->missing);
	out->missing.in[V_RESPONSE_INJECTION] =
		!json_is_true(record_get(record, RF_ANSWER_VERDICT_SCORED)) ||
		scores_otherwise(request, p);
	read_recorded_lists(out, record, a);
	for (size_t slot = V_TOOL_NAME; slot <= V_MCP_METHOD; slot++)
		out->missing.in[slot] = false; /* known for tool calls of a model */
	out->missing.in[V_TOOL_DESCRIPTION] = out->facts.ntools > 0;
	out->missing.in[V_TOOL_LEFT] = out->facts.ntools > 0 && !out->left_held;
	out->missing.in[V_TOOL_ORIGINS] = out->facts.ntools > 0 && !out->origins_held;
	out->missing.in[V_TOOL_NAME] = out->missing.in[V_RESPONSE_TOOL_CALLS];
	out->missing.in[V_TOOL_ARGUMENTS] = out->facts.ntools && !out->arguments_held;
	/* as rules on responses read it: with the target that the request was sent to */
	struct policy_facts f = request->facts;
	for (size_t i = 0; f.route && i < f.route->ntargets; i++)
		if (record_is(decision, RF_TARGET, f.route->targets[i].name))
			f.target = &f.route->targets[i];
	return policy_answer_request(p->p, &f, a, &out->asked) == 0 && !arena_failed(a);
}

int
recorded_answer_decide(const struct recorded_answer *r, const struct policy_alone *p,
	struct arena *a, struct answer_verdict *out, const char **unsure)
{
	int err = policy_answer(p->p, &r->asked, &r->facts, r->when, a, out);

	*unsure = r->unsure;
	for (size_t i = 0; err == 0 && i < p->p->nanswer_rules && !*unsure; i++)
		if (out->ruled.trace[i].fate != RULE_NOT_REACHED &&
			out->ruled.trace[i].fate != RULE_WAITS)
			*unsure = recorded_unsure(r->request, r, p, &p->p->answer_rules[i], a);
	bool calls = r->asked.route && r->asked.route->uses.calls && r->facts.ntools;
	for (size_t i = 0; err == 0 && calls && i < p->p->ntool_rules && !*unsure; i++)
		*unsure = recorded_unsure(r->request, r, p, &p->p->tool_rules[i], a);
	return err;
}
