/* Writes an entry for each tool call: an MCP message, a call in a model's response, or a
 * request to a business API whose route names its operation. The decision has what is known
 * then. The completion repeats the request's entry with the result, and has one for each call
 * in the response. Arguments appear only as a keyed hash. */
#include "gate/steps/record.h"

#include <stdio.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "gate/exchange.h"
#include "gate/limits/limits.h"
#include "policy/verdict/explain.h"
#include "policy/verdict/tool.h"

enum { OFFERED_MAX = 64 }; /* names of tools that a request offers */

enum called_by { BY_MCP, BY_ANSWER, BY_API };
static const char *const called_by[] = { "mcp", "answer", "api" };

/* ---- parts of an entry ---- */

static void
put_head(struct request *r, struct buf *b, enum called_by by, struct span server,
	struct span method, struct span tool, const char *operation)
{
	put_name(b, RF_CALLS_BY, called_by[by]);
	put_utf8(b, RF_CALLS_SERVER, server);
	put_utf8(b, RF_CALLS_METHOD, method);
	put_utf8(b, RF_CALLS_TOOL, tool);
	if (!operation)
		operation = policy_operation(r->snap->policy, server, tool);
	if (operation)
		put_utf8(b, RF_CALLS_OPERATION, span_str(operation));
}

static const char *
decision_of(const struct request *r)
{
	return decision_names[r->out.decision.kind];
}

/* ---- the request's own call ---- */

/* Returns true for a business API: the route states the operation, and no model family's
 * dialect reads the request. */
static bool
is_api_call(const struct request *r)
{
	const struct route *route = r->found.route;

	return route && route->about.operation && r->found.endpoint.family &&
	       !strcmp(dialect_name(r->found.endpoint.family), "rest");
}

static struct span
server_of(const struct request *r)
{
	const struct target *to = request_target(r);

	return span_str(to ? to->name : NULL);
}

/* Returns a name that the caller chose, as records may hold it: redacted if it has a finding.
 */
static struct span
shown_name(struct request *r, struct span name)
{
	name = cut_utf8(name, VALUE_MAX);
	return name.n && request_may_hold(r, name) ? SPAN_LIT("<redacted>") : name;
}

static void
search_call_names(struct request *r)
{
	struct found_call *c = &r->found.call;
	const struct found_message *m = r->found.message;

	if (c->known || !m)
		return;
	c->known = true;
	/* the operation is looked up by the real name, even if that is redacted */
	c->operation = policy_operation(r->snap->policy, server_of(r), m->call.name);
	c->method = shown_name(r, m->call.method);
	c->tool = shown_name(r, m->call.name);
	c->resource = shown_name(r, m->call.uri);
}

static void
put_message(struct request *r, struct buf *b)
{
	const struct found_message *m = r->found.message;
	const struct tool_verdict *v = m->ruled;
	unsigned char hash[SHA256_BYTES];

	put_name(b, RF_CALLS_STATE, tool_states[m->call.state]);
	if (v) {
		record_would(b, &v->ruled, RF_CALLS_WOULD, RF_CALLS_WOULD_RULE);
		if (r->snap->policy->ntool_rules)
			record_outcomes(b, RF_CALLS_OUTCOMES, v->ruled.trace,
				r->snap->policy->ntool_rules);
	}
	if (!m->call.arguments.n)
		return;
	put_int(b, RF_CALLS_ARGUMENTS_BYTES, (int64_t)m->call.arguments.n);
	if (r->found.route->record_tools == KEPT_OFF)
		return;
	hmac_sha256(r->gate->shared->prompt_key, m->call.arguments, hash);
	put_text_hash(b, RF_CALLS_ARGUMENTS_HMAC, r, hash);
}

/* Begins the entry of the request's own call. Returns false if the request is no call. */
static bool
begin_own_call(struct request *r, struct buf *b, size_t n)
{
	const struct found_call *c = &r->found.call;

	if (!c->is && !is_api_call(r))
		return false;
	put_object_item(b, RF_CALLS, n);
	if (c->is) {
		put_head(r, b, BY_MCP, server_of(r), c->method, c->tool, c->operation);
		put_utf8(b, RF_CALLS_RESOURCE, c->resource);
	} else {
		put_head(r, b, BY_API, server_of(r), SPAN_LIT(""),
			span_str(r->found.route->name), r->found.route->about.operation);
	}
	return true;
}

static void
put_session(const struct request *r, struct buf *b)
{
	if (r->found.has_session)
		put_text_hash(b, RF_SESSION, r, r->found.session_hmac);
}

void
record_calls(struct request *r, struct buf *b)
{
	const char *rule = r->out.decision.rule;

	put_session(r, b);
	if (r->found.call.is)
		search_call_names(r);
	if (!begin_own_call(r, b, 0))
		return;
	put_name(b, RF_CALLS_DECISION, decision_of(r));
	if (r->found.call.is && r->found.message->ruled && r->found.message->ruled->ruled.rule)
		rule = r->found.message->ruled->ruled.rule->name;
	put_name(b, RF_CALLS_RULE, rule);
	if (r->found.call.is)
		put_message(r, b);
	buf_putc(b, '}');
	put_end(b, 1);
}

static void count_called(struct request *r, const struct guard_called *c, bool ended);

/* ---- calls in a response, and results ---- */

static void
put_result(const struct request *r, const struct exchange_result *res,
	const struct guard_report *a, struct buf *b)
{
	bool denied = a && a->judged && a->sum.ruled.effect == RULE_DENY;

	put_name(b, RF_CALLS_DECISION, denied ? "deny" : decision_of(r));
	if (denied)
		put_name(b, RF_CALLS_RULE, a->sum.ruled.rule ? a->sum.ruled.rule->name : NULL);
	if (a && a->judged)
		put_classes(b, RF_CALLS_CLASSES, r->snap->policy, &a->sum.classes_hit);
	put_int(b, RF_CALLS_RESULT_BYTES, (int64_t)res->response_bytes);
	put_int(b, RF_CALLS_DURATION_US, (int64_t)(clock_mono_us() - r->begun_us));
	buf_putc(b, '}');
}

static void
put_called(struct request *r, const struct guard *g, const struct guard_called *c, bool ended,
	struct buf *b)
{
	unsigned char hash[SHA256_BYTES];
	bool denied = c->judged && c->ruled.effect == RULE_DENY;

	put_head(r, b, BY_ANSWER, SPAN_LIT(""), SPAN_LIT(""), span_str(c->name), NULL);
	/* if the response is denied, none of its calls is made */
	put_name(b, RF_CALLS_DECISION,
		c->judged && !ended ? rule_effect_name(c->ruled.effect)
		: ended		    ? "deny"
				    : "permit");
	if (c->judged && (denied || !ended))
		put_name(b, RF_CALLS_RULE, c->ruled.rule ? c->ruled.rule->name : NULL);
	if (c->judged)
		record_would(b, &c->ruled, RF_CALLS_WOULD, RF_CALLS_WOULD_RULE);
	put_name(b, RF_CALLS_OUTCOMES, c->outcomes);
	put_count(b, RF_CALLS_ARGUMENTS_BYTES, c->bytes);
	if (r->found.route->record_tools != KEPT_OFF) {
		guard_called_hash(g, c, hash);
		put_text_hash(b, RF_CALLS_ARGUMENTS_HMAC, r, hash);
	}
	buf_putc(b, '}');
}

void
record_called(struct request *r, const struct exchange_result *res, struct buf *b)
{
	const struct guard *g = r->x ? r->x->guard : NULL;
	const struct guard_report *a = g ? guard_report(g) : NULL;
	bool ended = a && a->judged && a->sum.ruled.effect == RULE_DENY;
	size_t n = 0;

	put_session(r, b);
	if (begin_own_call(r, b, n)) {
		put_result(r, res, a, b);
		n++;
	}
	for (size_t i = 0; a && i < a->ncalled; i++) {
		put_object_item(b, RF_CALLS, n++);
		put_called(r, g, &a->called[i], ended, b);
		count_called(r, &a->called[i], ended);
	}
	put_end(b, n);
	put_count(b, RF_CALLS_OVER, a ? a->called_over : 0);
}

/* ---- for /metrics ---- */

static void
count_call_decision(
	struct request *r, struct span server, struct span tool, enum call_decision d)
{
	static const enum heavy_value of[CALL_DECISIONS] = { HEAVY_PERMIT, HEAVY_REDACT,
		HEAVY_DENY };
	static const char plain[] = "_-./:"; /* other bytes may be part of a secret */
	uint64_t v[HEAVY_VALUES] = { [0] = 0 };
	char name[SERIES_LABEL_BYTES];

	call_tally_add(&r->gate->tally.calls, server, tool, d);
	v[of[d]] = 1;
	int n = span_is_alnum(tool, plain) && span_is_alnum(server, plain)
			? snprintf(name, sizeof(name), "%.*s/%.*s", SPAN_ARG(server),
				  SPAN_ARG(tool))
			: -1;
	bool fits = n > 0 && n < (int)sizeof(name);
	heavy_add(&r->gate->tally.heavy[HEAVY_TOOL],
		fits ? span_of(name, (size_t)n) : SERIES_OTHER, v);
}

void
request_count_call(struct request *r)
{
	static const enum call_decision of[] = { [D_PERMIT] = CALL_PERMIT,
		[D_REDACT] = CALL_REDACT,
		[D_DENY] = CALL_DENY,
		[D_OBSERVED] = CALL_PERMIT };
	enum decision_kind kind = r->out.decision.kind;

	if (kind == D_DEFER || kind == D_NONE || request_tried(r))
		return;
	if (r->found.call.is) {
		search_call_names(r);
		struct span tool = r->found.call.tool;
		count_call_decision(
			r, server_of(r), tool.n ? tool : r->found.call.method, of[kind]);
	} else if (is_api_call(r)) {
		count_call_decision(r, server_of(r), span_str(r->found.route->name), of[kind]);
	}
}

/* Counts a call in a response. Its name was chosen by the model and may be anything. */
static void
count_called(struct request *r, const struct guard_called *c, bool ended)
{
	enum rule_effect e = c->judged ? c->ruled.effect : RULE_PERMIT;

	if (c->judged)
		record_rule_did(r, &c->ruled);
	count_call_decision(r, SPAN_LIT(""), span_str(c->name),
		ended || e == RULE_DENY ? CALL_DENY
		: e == RULE_REDACT	? CALL_REDACT
					: CALL_PERMIT);
}

/* ---- offered tools ---- */

void
record_offered(struct request *r, struct buf *b)
{
	const struct body *body = &r->in.body;
	size_t n = 0, over = 0;

	for (size_t i = 0; r->in.have_body && i < body->nsegments; i++) {
		if (!limits_names_tool(body, &body->segments[i]))
			continue;
		if (n == OFFERED_MAX)
			over++;
		else
			put_text_item(b, RF_OFFERED, n++,
				shown_name(r, cut_utf8(body->segments[i].text,
						      GUARD_NAME_BYTES - 1)));
	}
	put_end(b, n);
	put_count(b, RF_OFFERED_OVER, over);
}
