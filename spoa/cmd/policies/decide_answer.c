/* Evaluates the response to a request that was decided offline, with the daemon's own
 * guard. The input has the member "response": {"status", "headers", "body"}. */
#include <jansson.h>
#include "answer/guard/guard.h"
#include "base/codec/http.h"
#include "base/codec/json_text.h"
#include "cmd/policies/decide.h"
#include "gate/engine/engine.h"
#include "policy/config/read.h"
#include "policy/verdict/explain.h"

/* ---- input ---- */

/* The response of the input. Borrows from the JSON and from the request's arena. */
struct given {
	struct guard_head head;
	struct http_field fields[CAP_HEADERS];
	size_t nfields;
	struct span body;
};

static const char *
read_headers(json_t *in, struct given *out)
{
	json_t *headers = json_object_get(in, "headers"), *v;
	const char *name;

	if (headers && !json_is_object(headers))
		return "response.headers must be an object";
	json_object_foreach(headers, name, v)
	{
		if (!json_is_string(v))
			return "response.headers: a header's value must be a string";
		if (span_ieq(span_str(name), SPAN_LIT("content-type")))
			out->head.content_type = json_span(v);
		if (span_ieq(span_str(name), SPAN_LIT("content-encoding")))
			out->head.content_encoding = json_span(v);
		if (out->nfields == CAP_HEADERS)
			return "response.headers has too many headers";
		out->fields[out->nfields++] =
			(struct http_field){ span_str(name), json_span(v) };
	}
	return NULL;
}

static const char *
read_decided_answer(struct request *r, json_t *in, struct given *out)
{
	json_t *text = json_object_get(in, "body"), *b64 = json_object_get(in, "body_base64");
	if (text && b64)
		return "response: give body or body_base64, not both";
	if (text && !json_is_string(text))
		return "response.body must be a string";
	if (b64 && !json_is_string(b64))
		return "response.body_base64 must be a string";
	out->body = json_span(text);
	return b64 ? decide_base64(&r->arena, json_span(b64), "\r\n",
			     "response.body_base64 is not base64", &out->body)
		   : NULL;
}

static const char *
read_given(struct request *r, json_t *in, struct given *out)
{
	static const char *const known[] = { "status", "headers", "body", "body_base64", NULL };
	json_t *status = json_object_get(in, "status"), *v;
	const char *name;

	*out = (struct given){ .head = {
				       .status = 200,
				       .content_type = SPAN_LIT("application/json"),
				       .content_encoding = SPAN_LIT(""),
			       } };
	if (!json_is_object(in))
		return "response must be an object";
	json_object_foreach(in, name, v)
	{
		if (!read_listed(known, span_str(name)))
			return "response may have status, headers, body and body_base64";
	}
	json_int_t number = status ? json_integer_value(status) : 200;
	if (number < 100 || number > 599)
		return "response.status must be a number from 100 to 599";
	out->head.status = (int)number;
	const char *why = read_headers(in, out);
	return why ? why : read_decided_answer(r, in, out);
}

/* ---- result ---- */

/* The result of the guard: the report, and the response that the caller would get. */
struct answered {
	enum guard_result result;
	const struct guard_report *report;
	struct buf out;
};

static json_t *
unless_0(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : NULL;
}

static json_t *
findings_json(const struct request *r, const struct guard_report *a)
{
	const struct answer_verdict *v = &a->verdict;
	json_t *list = json_array();

	for (size_t i = 0; i < a->nfound; i++) {
		size_t e = a->found[i].entity;
		bool replaced = v->ruled.effect == RULE_REDACT && entity_in(&v->redact.of, e);
		json_array_append_new(
			list, json_pack("{ss ss? sI ss*}", "entity",
				      detect_entity_name(r->snap->rules, e), "class",
				      policy_class_of(r->snap->policy, r->snap->rules, e),
				      "count", (json_int_t)a->found[i].n, "with",
				      replaced ? style_names[v->redact.with[e]] : NULL));
	}
	return list;
}

static json_t *
classes_json(const struct request *r, const struct answer_verdict *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->snap->policy->nclasses; i++)
		if (entity_in(&v->classes_hit, i))
			json_array_append_new(
				list, json_string(r->snap->policy->classes[i].name));
	return list;
}

/* Adds the decision in the form in which the relay would refuse the response. */
static void
add_decision(json_t *o, const struct answered *x, const struct given *g)
{
	static const struct {
		int status;
		const char *code;
	} refusals[] = {
		[GUARD_UNREAD] = { 503, "classifier_unavailable" },
		[GUARD_BROKEN] = { 503, "provider_error" },
		[GUARD_FOREIGN] = { 502, "provider_error" },
		[GUARD_CUT] = { 503, "provider_aborted" },
		[GUARD_NO_MEMORY] = { 503, "overloaded" },
	};
	const struct answer_verdict *v = &x->report->verdict;
	/* nothing is reported about a call after it was removed */
	const struct guard_sum *sum = &x->report->sum;
	bool taken =
		v->ruled.effect == RULE_PERMIT && sum->any && sum->ruled.effect == RULE_REDACT;
	const struct rule *by = taken ? sum->ruled.rule : v->ruled.rule;
	const char *rule = by ? by->name : "", *reason = x->report->why;
	int status = g->head.status;
	const char *decision = rule_effect_name(taken ? sum->ruled.effect : v->ruled.effect),
		   *code = NULL;

	if (x->result == GUARD_DENIED) {
		status = v->ruled.status;
		code = "content_policy_violation";
		reason = v->ruled.reason;
	} else if (x->result) {
		decision = "deny";
		status = refusals[x->result].status;
		code = refusals[x->result].code;
		rule = "";
	}
	json_object_update_new(
		o, json_pack("{ss si ss ss* ss*}", "decision", decision, "status", status,
			   "rule", rule, "code", code, "reason", x->result ? reason : NULL));
}

static json_t *
result_json(const struct request *r, const struct given *g, const struct answered *x)
{
	const struct guard_report *a = x->report;
	const struct answer_verdict *v = &a->verdict;
	bool changed = !span_eq(buf_view(&x->out), g->body);
	json_t *o = json_object();

	add_decision(o, x, g);
	json_object_update_new(o,
		json_pack("{sb sb so so so* so* so* so* so*}", "inspected", a->inspected,
			"streamed", a->streamed, "classes", classes_json(r, v), "findings",
			findings_json(r, a), "tags",
			decide_unless_empty(decide_names(v->ruled.tags, v->ruled.ntags)),
			"redactions", unless_0(a->redactions), "restorations",
			unless_0(a->restorations), "injection",
			r->found.route->uses.injection ? json_real(a->injection) : NULL,
			"tool_calls", decide_unless_empty(decide_names(a->tools, a->ntools))));
	json_object_update_new(
		o, json_pack("{ss* ss* so* so* ss* ss* so*}", "model",
			   a->model[0] ? a->model : NULL, "finish_reason",
			   a->finish[0] ? a->finish : NULL, "provider_error",
			   a->provider_error ? json_true() : NULL, "not_inspected_bytes",
			   unless_0(a->unread_bytes + a->opaque_bytes), "not_inspected_why",
			   a->unread_why, "shadow",
			   !v->ruled.shadowed	  ? NULL
			   : v->ruled.shadow_rule ? v->ruled.shadow_rule->name
						  : "none",
			   "body", changed ? decide_text(buf_view(&x->out)) : NULL));
	return o;
}

const char *
decide_answer(struct request *r, json_t *in, json_t *result, json_t *explain, bool *matched)
{
	json_t *response = json_object_get(in, "response");
	struct answer_request asked = { 0 };
	struct policy_facts f;
	struct body body;
	struct translate_plan translate;
	struct guard_plan plan;
	struct vault *vault = NULL;
	struct guard *g = NULL;
	struct given given;
	struct answered x = { 0 };

	if (!response)
		return NULL;
	const char *why = read_given(r, response, &given);
	if (why || r->out.decision.kind == D_DENY)
		return why;
	buf_init(&x.out, 0);
	request_asked_facts(r, &f, &body);
	why = "out of memory";
	request_translate_plan(r, &r->arena, &translate);
	if (policy_answer_request(r->snap->policy, &f, &r->arena, &asked) ||
		request_vault(r, &vault) ||
		request_guard_plan(r, r->in.head.path, &asked, vault, &translate, &plan))
		goto out;
	plan.hide_usage = r->out.ask_usage;
	if (!(g = guard_new(&plan, &given.head)))
		goto out;
	why = NULL;
	x.result = guard_fields(g, given.fields, given.nfields);
	if (!x.result)
		x.result = guard_feed(g, given.body, &x.out);
	if (!x.result)
		x.result = guard_end(g, &x.out);
	const struct guard_report *a = x.report = guard_report(g);
	json_object_set_new(result, "response", result_json(r, &given, &x));
	for (size_t i = 0; a->judged && matched && i < r->snap->policy->nanswer_rules; i++)
		matched[i] |= a->verdict.ruled.trace[i].fate == RULE_MATCHED;
	if (a->judged && explain)
		json_object_set_new(explain, "response",
			policy_answer_explain(r->snap->policy, &asked, a->facts, &a->verdict,
				NULL, &r->arena));
out:
	guard_drop(&g);
	vault_free(&vault);
	buf_free(&x.out);
	return why;
}
