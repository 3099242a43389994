/* Facts as CEL values: of the request, of a response, and of a call. A field without a value is
 * "", [] or 0, and has() is false. Only a parameter that is absent or not a scalar is an error.
 * Each value is made when a condition first reads it. */
#include <stdlib.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/scoped.h"
#include "policy/data.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/target.h"
#include "policy/verdict/facts.h"
#include "policy/verdict/origins.h"
#include "scan/dialect/dialect.h"
#include "scan/text/body.h"
#include "scan/text/placeholder.h"

/* Returns true if a member of the class was found; for a class with roles, in a segment of one
 * of them. */
static bool
class_member_found(
	const struct policy_class *k, const struct entity_set *found, const uint16_t *roles)
{
	for (size_t i = 0; i < DETECT_ENTITIES_MAX / 64; i++) {
		uint64_t both = k->entities.bit[i] & found->bit[i];
		if (both && (!k->roles || !roles))
			return true;
		for (; both; both &= both - 1)
			if (roles[i * 64 + (size_t)__builtin_ctzll(both)] & k->roles)
				return true;
	}
	return false;
}

static bool
class_found(const struct policy_class *k, const struct entity_set *found, const uint16_t *roles,
	double injection)
{
	return (found && class_member_found(k, found, roles)) ||
	       (k->injection > 0 && injection >= k->injection);
}

/* Adds the classes with a finding (`found` NULL: none) in a segment of their roles, or whose
 * score the injection score reaches. */
static void
facts_find_classes(const struct policy *p, const struct entity_set *found,
	const uint16_t *roles, double injection, struct entity_set *hit)
{
	for (size_t k = 0; k < p->nclasses; k++)
		if (class_found(&p->classes[k], found, roles, injection))
			entity_add(hit, k);
}

enum outcome
policy_unclassified(const struct policy *p, const struct on_failure *of,
	const struct entity_set *found, const uint16_t *roles, double injection,
	const struct policy_class **by)
{
	static const unsigned strict[] = { [OUT_PERMIT] = 0, [OUT_REDACT] = 1, [OUT_DENY] = 2 };
	enum outcome most = of->classifier;

	*by = NULL;
	for (size_t i = 0; i < of->nby_class; i++) {
		const struct class_outcome *c = &of->by_class[i];
		if (!class_found(&p->classes[c->class], found, roles, injection) ||
			(*by && strict[c->outcome] <= strict[most]))
			continue;
		*by = &p->classes[c->class];
		most = c->outcome;
	}
	return most;
}

void
facts_init(struct facts_view *v, const struct policy *p, const struct policy_facts *f,
	struct arena *a)
{
	v->p = p;
	v->f = f;
	v->target = f->target || !f->route ? f->target : f->route->targets;
	v->a = a;
	v->answer = NULL;
	v->asked = NULL;
	v->call = f->call;
	memset(&v->classes_hit, 0, sizeof(v->classes_hit));
	memset(v->known, 0, sizeof(v->known));
	facts_find_classes(p, f->entities, f->roles, f->injection, &v->classes_hit);
}

void
facts_target(struct facts_view *v, const struct target *target)
{
	v->target = target;
	for (size_t slot = V_TARGET_NAME; slot <= V_TARGET_ERRORS; slot++)
		v->known[slot] = false;
}

/* ---- lists ---- */

static struct cel_value
facts_classes(struct facts_view *v, const struct entity_set *hit)
{
	struct cel_value *list = arena_array(v->a, v->p->nclasses, sizeof(*list));
	size_t n = 0;

	for (size_t k = 0; list && k < v->p->nclasses; k++)
		if (entity_in(hit, k))
			list[n++] = cel_string(span_str(v->p->classes[k].name));
	return cel_list(list, n);
}

/* Returns the names of the entities that were found, and of the general ones above them. */
static struct cel_value
facts_entities(
	struct facts_view *v, const struct detect_rules *rules, const struct entity_set *found)
{
	size_t count = found && rules ? detect_entity_count(rules) : 0, n = 0;
	struct cel_value *list = arena_array(v->a, count, sizeof(*list));
	struct entity_set named = { { 0 } };

	for (size_t e = 0; e < count; e++)
		if (entity_in(found, e))
			detect_entity_above(rules, e, named.bit);
	for (size_t e = 0; list && e < count; e++)
		if (entity_in(&named, e))
			list[n++] = cel_string(span_str(detect_entity_name(rules, e)));
	return cel_list(list, n);
}

/* Returns a list of strings. */
static struct cel_value
facts_texts(struct facts_view *v, const struct span *text, size_t n)
{
	struct cel_value *list = arena_array(v->a, n, sizeof(*list));

	for (size_t i = 0; list && i < n; i++)
		list[i] = cel_string(text[i]);
	return cel_list(list, list ? n : 0);
}

/* Begins a view of a response or call: request fields have the values that were kept. */
static void
begin_with_kept(struct facts_view *v, const struct policy *p,
	const struct answer_request *asked, struct arena *a)
{
	static const struct policy_facts nothing;

	facts_init(v, p, &nothing, a);
	v->asked = asked;
	memset(&v->answer_classes, 0, sizeof(v->answer_classes));
	for (size_t i = 0; i < p->nanswer_slots; i++) {
		size_t slot = p->answer_slots[i];
		v->known[slot] = true;
		v->value[slot] = asked->kept[i].value;
		v->present[slot] = asked->kept[i].present;
	}
}

void
facts_answer(struct facts_view *v, const struct policy *p, const struct answer_request *asked,
	const struct answer_facts *f, struct arena *a)
{
	begin_with_kept(v, p, asked, a);
	v->answer = f;
	facts_find_classes(p, &f->entities, f->roles, f->injection, &v->answer_classes);
}

void
facts_tool(struct facts_view *v, const struct policy *p, const struct answer_request *asked,
	const struct tool_call *c, struct arena *a)
{
	begin_with_kept(v, p, asked, a);
	v->call = c;
}

void
facts_call(struct facts_view *v, const struct tool_call *c)
{
	memset(&v->known[V_TOOL_NAME], 0, (V_MCP_METHOD + 1 - V_TOOL_NAME) * sizeof(*v->known));
	v->call = c;
}

/* Returns true for arguments with more values than any real call has. Each value takes a
 * hundred bytes when it is read. */
static bool
has_too_many(struct span text)
{
	bool string = false;
	size_t n = 0;

	for (size_t i = 0; i < text.n && n <= CAP_ARGUMENT_VALUES; i++) {
		if (text.p[i] == '"')
			string = !string;
		else if (string)
			i += text.p[i] == '\\';
		else
			n += text.p[i] == ',' || text.p[i] == '[' || text.p[i] == '{';
	}
	return n > CAP_ARGUMENT_VALUES;
}

/* Returns the arguments as a map. Text that is not JSON, or JSON that servers may read
 * differently (equal keys, nested too deeply), is returned as a string. A condition that reads
 * a member of it then fails, and the rule's on_error applies. */
static struct cel_value
facts_arguments(struct facts_view *v, struct span text)
{
	struct cel_value got = { .type = CEL_MAP };
	json_t *o;

	if (text.n == 0)
		return got;
	if (has_too_many(text))
		return cel_string(text);
	o = json_loadb(text.p, text.n,
		JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (!o || data_json_of_others(o, CAP_DATA_DEPTH, v->a, &got) < 0)
		got = cel_string(text);
	json_decref(o);
	return got;
}

static struct cel_value
tool_calls(struct facts_view *v)
{
	size_t n = v->answer->ntools;
	struct cel_value *list = arena_array(v->a, n, sizeof(*list)),
			 *pairs = arena_array(v->a, 4 * n, sizeof(*pairs));

	for (size_t i = 0; list && pairs && i < n; i++, pairs += 4) {
		pairs[0] = cel_string(SPAN_LIT("name"));
		pairs[1] = cel_string(v->answer->tools[i].name);
		pairs[2] = cel_string(SPAN_LIT("arguments"));
		if (!v->answer->tools[i].lost)
			pairs[3] = facts_arguments(v, v->answer->tools[i].arguments);
		list[i] = (struct cel_value){ .type = CEL_MAP,
			.list = { pairs, v->answer->tools[i].lost ? 1 : 2 } };
	}
	return cel_list(list, list && pairs ? n : 0);
}

/* Returns the value of a field of the response. */
static struct cel_value
facts_of_answer(struct facts_view *v, enum policy_slot slot)
{
	static const struct answer_facts nothing;
	const struct answer_facts *f = v->answer;

	if (!f)
		f = v->answer = &nothing;
	switch (slot) {
	case V_RESPONSE_CLASSES: return facts_classes(v, &v->answer_classes);
	case V_RESPONSE_ENTITIES: return facts_entities(v, f->rules, &f->entities);
	case V_RESPONSE_MEDIA: return facts_texts(v, f->media, f->nmedia);
	case V_RESPONSE_SPEECH: return facts_texts(v, f->speech, f->nspeech);
	case V_RESPONSE_INJECTION: return cel_double(f->injection);
	case V_RESPONSE_BYTES: return cel_int(f->bytes);
	case V_RESPONSE_TOKENS: return cel_int(f->tokens);
	case V_RESPONSE_FINISH: return cel_string(f->finish_reason);
	case V_RESPONSE_MODEL: return cel_string(f->model);
	case V_RESPONSE_STATUS: return cel_int(f->status);
	case V_RESPONSE_EVASION: return cel_bool(f->evasion);
	case V_RESPONSE_TOOL_CALLS: return tool_calls(v);
	default: return cel_bool(f->streamed);
	}
}

/* Returns the reasons for which placeholders stay in a call. */
static struct cel_value
left_in_call(struct facts_view *v, unsigned left)
{
	struct cel_value *list = arena_array(v->a, LEFT_REASONS, sizeof(*list));
	size_t n = 0;

	for (unsigned i = 0; list && i < LEFT_REASONS; i++)
		if (left >> i & 1)
			list[n++] = cel_string(span_str(placeholder_left_names[i]));
	return cel_list(list, n);
}

/* Returns tool.origins. */
static struct cel_value
call_origins(struct facts_view *v)
{
	static const struct answer_origins none;
	bool present;

	if (v->call && v->call->origins)
		return *v->call->origins;
	struct cel_value arguments = v->call && v->call->meant.n && !v->call->lost
					     ? facts_arguments(v, v->call->meant)
					     : facts_lookup(v, V_TOOL_ARGUMENTS, &present);

	return origins_of_call(
		v->p, v->asked ? &v->asked->origins : &none, &arguments, v->a);
}

/* Returns the value of a field of the call. */
static struct cel_value
facts_of_tool(struct facts_view *v, enum policy_slot slot, bool *present)
{
	static const struct tool_call nothing;
	const struct tool_call *c = v->call ? v->call : &nothing;

	switch (slot) {
	case V_TOOL_NAME: return cel_string(c->name);
	case V_TOOL_SERVER: return cel_string(c->server);
	case V_TOOL_DESCRIPTION:
		if (!c->undescribed)
			return cel_string(c->description);
		*present = false;
		return (struct cel_value){ .type = CEL_ERROR,
			.s = SPAN_LIT("the descriptions of the request's tools are longer than "
				      "the gateway keeps") };
	case V_TOOL_ORIGINS: return call_origins(v);
	case V_TOOL_LEFT: return left_in_call(v, c->left);
	case V_TOOL_STATE: return cel_string(span_str(tool_states[c->state]));
	case V_RESOURCE_URI: return cel_string(c->uri);
	case V_MCP_METHOD: return cel_string(c->method);
	default: break;
	}
	*present = c->arguments.n > 0 && !c->lost;
	if (c->lost)
		return (struct cel_value){ .type = CEL_ERROR,
			.s = SPAN_LIT("tool.arguments is longer than the gateway keeps") };
	return facts_arguments(v, c->arguments);
}

/* Returns the kinds of references, each once. */
static struct cel_value
reference_kinds(struct facts_view *v)
{
	size_t n = v->f->body ? v->f->body->nrefs : 0;
	struct cel_value *list = arena_array(v->a, n, sizeof(*list));

	for (size_t i = 0; list && i < n; i++)
		list[i] = cel_string(span_str(v->f->body->refs[i].kind));
	return cel_list(list, list ? n : 0);
}

/* Returns the names of the tools whose results the body contains, each once. */
static struct cel_value
tool_results(struct facts_view *v)
{
	const struct policy_facts *f = v->f;
	struct cel_value *list = NULL;
	struct span *names = NULL;
	size_t n = f->nresults;
	int err = 0;

	if (!f->body)
		return cel_list(NULL, 0);
	SCOPED_ARENA(own, CAP_REQUEST_ARENA, true);
	if (!f->results)
		err = dialect_results(f->body, f->raw, &own, &names, &n);
	if (!err && (list = arena_array(v->a, n, sizeof(*list))))
		for (size_t i = 0; i < n; i++)
			list[i] = cel_string(
				arena_dup(v->a, (f->results ? f->results : names)[i]));
	if (err == ERR_LIMIT)
		return (struct cel_value){ .type = CEL_ERROR,
			.s = SPAN_LIT("prompt.tool_results: results of too many tools") };
	if (err)
		return (struct cel_value){ .type = CEL_ERROR,
			.s = SPAN_LIT("prompt.tool_results cannot be read") };
	return cel_list(list, list ? n : 0);
}

/* ---- parameters ---- */

static struct cel_value
parameter_value(struct facts_view *v, size_t slot, bool *present)
{
	struct span name = policy_slot_parameter(slot);
	const struct body *b = v->f->body;
	const struct body_param *found = NULL;

	for (size_t i = 0; b && i < b->nparams && !found; i++)
		if (span_eq(b->params[i].name, name))
			found = &b->params[i];
	*present = found != NULL;
	if (!found)
		return (struct cel_value){ .type = CEL_ERROR,
			.s = arena_printf(v->a, "request.%.*s is not given", SPAN_ARG(name)) };
	switch (found->kind) {
	case PARAM_STRING: return cel_string(found->text);
	case PARAM_BOOL: return cel_bool(span_is(found->text, "true"));
	case PARAM_NULL: return (struct cel_value){ .type = CEL_NULL };
	case PARAM_NUMBER: break;
	}
	struct span literal = arena_dup(v->a, found->text);
	return cel_double(literal.p ? strtod(literal.p, NULL) : 0.0);
}

/* ---- all slots ---- */

static struct cel_value
identity_value(const struct identity *id, enum policy_slot slot)
{
	static const struct identity nobody = { .method = "none" };

	if (!id)
		id = &nobody;
	switch (slot) {
	case V_IDENTITY_METHOD: return cel_string(span_str(id->method));
	case V_IDENTITY_PERSON: return cel_string(id->person);
	case V_IDENTITY_AGENT: return cel_string(id->agent);
	case V_IDENTITY_DEPARTMENT: return cel_string(id->department);
	case V_IDENTITY_TEAM: return cel_string(id->team);
	case V_IDENTITY_TIER: return cel_string(id->tier);
	case V_IDENTITY_ROLES: return cel_list(id->roles, id->nroles);
	case V_IDENTITY_CLEARANCE: return cel_int(id->clearance);
	default:
		return (struct cel_value){ .type = CEL_MAP,
			.list = { id->attributes, id->nattributes } };
	}
}

static struct cel_value
timestamp_value(int64_t ns)
{
	struct cel_value v = { .type = CEL_TIMESTAMP };

	v.t.s = ns / 1000000000;
	v.t.ns = (int32_t)(ns % 1000000000);
	if (v.t.ns < 0) {
		v.t.s--;
		v.t.ns += 1000000000;
	}
	return v;
}

/* Returns the value of a data source. A source without a value is an empty map: has(data.x) is
 * false, and data.x.y fails. */
static struct cel_value
data_value(struct facts_view *v, size_t i)
{
	const struct data_source *s = &v->p->data[i];
	const struct cel_value *found = v->f->data ? v->f->data[i] : NULL;
	bool present;

	if (!found && s->kind == DATA_FILE && s->has_key)
		found = data_row(s, facts_lookup(v, s->key, &present).s);
	else if (!found && s->kind == DATA_FILE)
		found = &s->whole;
	return found ? *found : (struct cel_value){ .type = CEL_MAP };
}

static struct cel_value
target_number(const struct facts_view *v, enum policy_slot slot)
{
	const struct policy_target_facts *at =
		v->f->at && v->f->route && v->target
			? &v->f->at[v->target - v->f->route->targets]
			: &(struct policy_target_facts){ 0 };

	return cel_double(slot == V_TARGET_PRICE     ? at->price
			  : slot == V_TARGET_LATENCY ? at->latency
						     : at->errors);
}

static struct cel_value
fact_value(struct facts_view *v, enum policy_slot slot, bool *present)
{
	const struct policy_facts *f = v->f;
	struct span model = f->model;

	if (slot <= V_IDENTITY_ATTRIBUTES)
		return identity_value(f->identity, slot);
	if (slot >= V_COUNT)
		return data_value(v, slot - V_COUNT);
	if (policy_slot_parameter(slot).n)
		return parameter_value(v, slot, present);
	if (policy_slot_reads_answer(slot))
		return facts_of_answer(v, slot);
	if (policy_slot_reads_tool(slot))
		return facts_of_tool(v, slot, present);
	switch (slot) {
	case V_PROMPT_CLASSES: return facts_classes(v, &v->classes_hit);
	case V_PROMPT_ENTITIES: return facts_entities(v, f->rules, f->entities);
	case V_PROMPT_MEDIA: return facts_texts(v, f->media, f->nmedia);
	case V_PROMPT_SPEECH: return facts_texts(v, f->speech, f->nspeech);
	case V_PROMPT_MACROS: return cel_bool(f->macros);
	case V_PROMPT_SPEECH_SECONDS: return cel_int(f->speech_seconds);
	case V_PROMPT_REFERENCES: return reference_kinds(v);
	case V_PROMPT_TOOL_RESULTS: return tool_results(v);
	case V_PROMPT_TOKENS: return cel_int(f->tokens);
	case V_PROMPT_BYTES: return cel_int(f->bytes);
	case V_PROMPT_INJECTION: return cel_double(f->injection);
	case V_PROMPT_EVASION: return cel_bool(f->evasion);
	case V_PROMPT_INVISIBLE: return cel_int((int64_t)f->invisible);
	case V_MODEL_NAME: return cel_string(model);
	case V_ROUTE_NAME: return cel_string(span_str(f->route ? f->route->name : NULL));
	case V_REQUEST_METHOD: return cel_string(f->method);
	case V_REQUEST_HOST: return cel_string(f->host);
	case V_REQUEST_PATH: return cel_string(f->path);
	case V_REQUEST_CONVERSATION: return cel_string(f->conversation);
	case V_REQUEST_TAGS: return facts_texts(v, f->tags, f->ntags);
	case V_TARGET_NAME: return cel_string(span_str(v->target ? v->target->name : NULL));
	case V_TARGET_REGION: return cel_string(span_str(v->target ? v->target->region : NULL));
	case V_TARGET_EXTERNAL: return cel_bool(!v->target || v->target->external);
	/* the model that the target receives: its own, else the request's */
	case V_TARGET_MODEL:
		return cel_string(
			v->target && v->target->model ? span_str(v->target->model) : model);
	case V_TARGET_PRICE:
	case V_TARGET_LATENCY:
	case V_TARGET_ERRORS: return target_number(v, slot);
	default: return timestamp_value(f->now_wall_ns);
	}
}

static bool
has_content(const struct cel_value *v)
{
	switch (v->type) {
	case CEL_STRING: return v->s.n > 0;
	case CEL_LIST:
	case CEL_MAP: return v->list.n > 0;
	case CEL_INT: return v->i != 0;
	case CEL_DOUBLE: return v->d != 0;
	default: return true;
	}
}

struct cel_value
facts_lookup(void *ctx, size_t slot, bool *present)
{
	struct facts_view *v = ctx;

	INVARIANT(slot < V_COUNT + v->p->ndata);
	if (!v->known[slot]) {
		bool given = true;
		v->value[slot] = fact_value(v, (enum policy_slot)slot, &given);
		v->present[slot] =
			given && (policy_slot_parameter(slot).n || has_content(&v->value[slot]));
		v->known[slot] = true;
	}
	*present = v->present[slot];
	return v->value[slot];
}

int
facts_test(struct facts_view *v, const struct cel_program *when, struct span *error)
{
	struct cel_activation act = { .ctx = v, .lookup = facts_lookup };
	struct cel_value got = { .type = CEL_NULL };

	if (!when)
		return 1;
	int err = cel_eval(when, &act, v->a, &got);
	if (err < 0) {
		*error = got.type == CEL_ERROR ? got.s : span_str(err_str(err));
		return err;
	}
	if (got.type != CEL_BOOL) {
		*error = SPAN_LIT("the condition is neither true nor false");
		return ERR_SYNTAX;
	}
	return got.b;
}
