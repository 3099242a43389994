/* MCP requests: reads the message, applies rules of phase: tool, and formats denials as
 * JSON-RPC. The bytes are read by scan/mcp/, which serves both the decision and the message
 * that is sent. Also sessions, pinned descriptions, and header fields that repeat arguments. */
#include "gate/exchange.h"
#include "gate/gate_private.h"

#include "base/caps.h"
#include "base/codec/uri.h"
#include "base/err.h"
#include "gate/toolpins/tool_pins.h"
#include "policy/policy.h"
#include "policy/rule.h"
#include "scan/mcp/message.h"
#include "scan/mcp/session.h"

bool
request_is_mcp(const struct request *r)
{
	return r->found.route && dialect_is_of_mcp(r->found.endpoint.family) &&
	       !r->found.observed && !r->found.probe;
}

/* The agent's verdict cannot have status 200. So the relay sends the message again, and a
 * denial is then a JSON-RPC reply. */
bool
request_message_waits(const struct request *r)
{
	return r->gate && !r->run.resumed && request_is_mcp(r) &&
	       r->in.body_state != BODY_STATE_NONE;
}

/* ---- pinned descriptions ---- */

bool
request_is_pinned(const struct request *r)
{
	return r->gate && r->gate->shared->tool_pins && request_is_mcp(r);
}

/* Compares a tool's entry in a list, or the instructions in a reply to initialize, with the
 * pinned text: struct tool_filter. */
static enum tool_state
pin_seen(void *arg, struct span method, struct span name, struct span entry)
{
	const struct request *r = arg;
	const struct target *to = request_target(r);
	const struct tool_pin_of of = { .kind = span_is(method, "tools/call") ? PIN_TOOL
						: span_is(method, "prompts/get")
							? PIN_PROMPT
							: PIN_INSTRUCTIONS,
		.server = span_str(to ? to->name : NULL),
		.name = name };

	return tool_pins_see(r->gate->shared->tool_pins, &of, entry);
}

/* Looks up the state and description of the tool as last listed. */
static void
find_pin(struct request *r, struct found_message *f)
{
	struct tool_pins *p = r->gate->shared->tool_pins;
	const struct tool_pin_of of = { .kind = f->said.about == MCP_ABOUT_TOOL ? PIN_TOOL
										: PIN_PROMPT,
		.server = f->call.server,
		.name = f->said.name };

	if (f->said.about != MCP_ABOUT_TOOL && f->said.about != MCP_ABOUT_PROMPT)
		return;
	f->call.state = tool_pins_state(p, &of);
	if (r->snap->policy->ntool_rules)
		f->call.description = tool_pins_description(p, &of, &r->arena);
}

/* ---- rules with phase: tool ---- */

void
request_count_uri(struct request *r, enum metric result)
{
	if (r->gate)
		metric_add(r->gate->metrics, result, 1);
}

/* Adds the redactions of those rules that apply to found entities, and their tags, to the
 * verdict. */
static bool
add_to_verdict(struct request *r, const struct entity_set *found, const struct tool_verdict *t)
{
	struct policy_verdict *v = &r->found.verdict;

	if (!request_add_tags(r, t->ruled.tags, t->ruled.ntags))
		return false;
	if (found && redactions_add(&v->redact, &t->redact, found)) {
		if (!v->redacts)
			v->ruled.rule = t->ruled.rule;
		v->redacts = true;
		v->ruled.effect = RULE_REDACT;
	}
	return true;
}

static enum step_result
judge_call(struct request *r, struct found_message *f, bool *permitted)
{
	struct tool_verdict *v = arena_new(&r->arena, struct tool_verdict);
	struct answer_request asked;
	struct policy_facts facts;

	request_asked_facts(r, &facts);
	if (!v || policy_answer_request(r->snap->policy, &facts, &r->arena, &asked) ||
		policy_tool(r->snap->policy, &asked, &f->call, &r->arena, v) ||
		!add_to_verdict(r, facts.entities, v))
		return request_overload(r);
	f->ruled = v;
	*permitted = v->permitted;
	if (v->ruled.effect != RULE_DENY)
		return STEP_NEXT;
	if (f->call.odd_uri)
		request_count_uri(r, M_URI_REFUSED);
	const struct rule *rule = v->ruled.rule;
	const char *scope = rule && !v->ruled.failed ? rule->scope : NULL;
	f->as_error = v->error;
	request_deny(r, 403, scope ? "insufficient_scope" : "content_policy_violation",
		rule ? rule->name : "", span_str(v->ruled.reason));
	request_denial_scope(r, scope);
	return STEP_DECIDED;
}

/* Judges each resource of a list as its own subscription, then the call as a whole. */
static enum step_result
judge_each(struct request *r, struct found_message *f, bool *permitted)
{
	const struct tool_call all = f->call;

	for (size_t i = 0; i < f->said.nuris; i++) {
		f->call.uri = f->said.uris[i];
		f->call.odd_uri = !uri_is_normal(f->call.uri);
		if (judge_call(r, f, permitted) == STEP_DECIDED)
			return STEP_DECIDED;
	}
	f->call = all;
	return judge_call(r, f, permitted);
}

static bool
names_odd_uri(const struct found_message *f)
{
	bool odd = f->call.odd_uri;

	for (size_t i = 0; i < f->said.nuris && !odd; i++)
		odd = !uri_is_normal(f->said.uris[i]);
	return odd;
}

enum step_result
request_message_passes(struct request *r)
{
	const struct target *to = r->found.verdict.changes.target;
	struct found_message *f = r->found.message;
	bool permitted = false;

	if (!f || f->said.kind == MCP_RESPONSE)
		return STEP_NEXT;
	if (r->found.joined && r->found.joined->goes != JOINED_TO_ONE)
		f->call.server = SPAN_LIT(""); /* the message is for no single server */
	else if (to)
		f->call.server = span_str(to->name);
	if (r->found.joined && r->found.joined->goes == JOINED_TO_ONE && to != r->found.pin.to)
		return request_deny(r, 403, "permission_denied", "",
			SPAN_LIT("the policy does not permit this server"));
	if (request_is_pinned(r))
		find_pin(r, f);
	if ((r->snap->policy->ntool_rules || f->call.state == TOOL_CHANGED) &&
		judge_each(r, f, &permitted) == STEP_DECIDED)
		return STEP_DECIDED;
	if (names_odd_uri(f))
		request_count_uri(r, M_URI_PASSED);
	if (f->said.about == MCP_ABOUT_UNKNOWN && !permitted)
		return request_deny(r, 403, "permission_denied", "",
			SPAN_LIT("this MCP method is unknown to the gateway; ask its operators "
				 "for a rule that permits it"));
	if (!f->said.plain_name && f->said.name.n)
		return request_deny(r, 403, "permission_denied", "",
			SPAN_LIT(
				"the name must consist of letters, digits and _ . / - and have "
				"at most 128 bytes"));
	return STEP_NEXT;
}

/* Sets *out to the redactions of the call's result; NULL: none. */
static int
own_redacts(const struct found_message *f, struct arena *own, const struct tool_redacts **out)
{
	const struct tool_verdict *v = f ? f->ruled : NULL;

	if (!v || !entities_any(&v->redact.of))
		return 0;
	struct tool_redacts *t = arena_new(own, struct tool_redacts);
	if (!t)
		return ERR_NOMEM;
	t->rule = v->ruled.rule;
	t->redact = v->redact;
	*out = t;
	return 0;
}

int
request_messages(struct request *r, const struct answer_request *asked, struct arena *own,
	struct guard_messages *out)
{
	const struct found_message *f = r->found.message;
	const struct target *to = request_target(r);
	const struct policy *p = r->snap->policy;
	struct tool_redacts *others;
	bool redacts = false;
	int err;

	*out = (struct guard_messages){ .is = request_is_mcp(r) };
	if (!out->is)
		return 0;
	out->server = span_str(to ? to->name : NULL);
	out->awaited = f ? f->said.kind == MCP_REQUEST : span_is(r->in.head.method, "GET");
	out->filters = r->found.route->uses.calls || request_is_pinned(r);
	if (request_is_pinned(r)) {
		out->state = pin_seen;
		out->arg = r;
	}
	if (f && f->said.kind == MCP_REQUEST)
		out->id = arena_dup(own, f->said.id);
	/* A redacted result must keep the form that the tool's description declares. */
	if (f && f->said.about == MCP_ABOUT_TOOL && r->found.route->response & RESP_INSPECT &&
		request_is_pinned(r))
		out->tool = tool_pins_text(r->gate->shared->tool_pins,
			&(struct tool_pin_of){ PIN_TOOL, f->call.server, f->said.name }, own);
	for (size_t i = 0; i < p->ntool_rules; i++)
		redacts |= p->tool_rules[i].redacts;
	if (!r->found.route->uses.calls || !redacts)
		return 0;
	if ((err = own_redacts(f, own, &out->own)))
		return err;
	others = arena_new(own, struct tool_redacts);
	err = others ? policy_tool_unknown(p, asked, out->server, own, others) : ERR_NOMEM;
	if (!err && others->rule)
		out->others = others;
	/* The result of a task is the result of an earlier call, which the message does not
	 * name. */
	if (out->others && f && span_starts(f->said.method, SPAN_LIT("tasks/")))
		out->own = out->others;
	return err;
}

/* ---- sessions ---- */

void
request_session_key(const struct request *r, unsigned char out[SHA256_BYTES])
{
	const struct target *to = request_target(r);
	const struct mcp_session_of of = { .person = r->found.identity.person,
		.agent = r->found.identity.agent,
		.route = span_str(r->found.route->name),
		/* no provider has this name */
		.server = request_is_joined(r) ? SPAN_LIT("(joined)")
					       : span_str(to ? to->name : NULL) };

	mcp_session_key(r->gate->shared->session_key, &of, out);
}

/* Keeps a keyed hash of the session's id for records, because the id is a credential. */
void
request_note_session(struct request *r, struct span id)
{
	hmac_sha256(r->gate->shared->prompt_key, id, r->found.session_hmac);
	r->found.has_session = true;
}

static const char session_field[] = "mcp-session-id";

enum step_result
request_read_session(struct request *r)
{
	unsigned char key[SHA256_BYTES];
	struct span given;
	int n = r->gate ? http_field_one(&r->in.head, session_field, &given) : 0;

	r->found.session = (struct span){ NULL, 0 };
	r->found.no_session = false;
	if (n < 0)
		return request_deny(r, 400, "invalid_request", "",
			SPAN_LIT("several Mcp-Session-Id fields; send one"));
	if (request_is_joined(r))
		return request_read_joined(r, n ? span_trim(given, " \t") : SPAN_LIT(""));
	if (n == 0)
		return STEP_NEXT;
	request_session_key(r, key);
	struct span id;
	bool own = mcp_session_check(key, span_trim(given, " \t"), &id);
	explicit_bzero(key, sizeof(key));
	if (own) {
		request_note_session(r, id);
		r->found.session = arena_dup(&r->arena, id);
		return r->found.session.n ? STEP_NEXT : request_overload(r);
	}
	/* If a rule may ask the caller to log in, that comes before the unknown session. */
	r->found.no_session = true;
	return r->found.identity.verified ? request_no_session(r) : STEP_NEXT;
}

enum step_result
request_no_session(struct request *r)
{
	return request_deny(r, 404, "session_not_found", "",
		SPAN_LIT("you have no session with this id; send initialize to begin a new "
			 "one"));
}

bool
request_is_session(const struct request *r, struct span field)
{
	return r->found.session.n && span_ieq(field, span_str(session_field));
}

/* ---- header fields ---- */

bool
request_is_param(const struct request *r, struct span field)
{
	return r->found.message && mcp_is_param(field);
}

struct span
request_param_sent(
	struct request *r, struct span field, struct span value, const struct mcp_message *now)
{
	if (r->out.sends != SENDS_REWRITTEN)
		return value;
	return now ? mcp_param_sent(field, value, r->found.message->said.arguments,
			     now->arguments, &r->arena)
		   : SPAN_LIT("");
}

const struct mcp_message *
request_message_sent(struct request *r)
{
	struct mcp_message *now;
	struct mcp_error why;

	if (!r->found.message || r->out.sends != SENDS_REWRITTEN)
		return NULL;
	now = arena_new(&r->arena, struct mcp_message);
	if (!now || mcp_read(buf_view(&r->out.rewritten), &r->arena, now, &why))
		return NULL;
	return now;
}

bool
request_params_may_go(struct request *r)
{
	const struct mcp_message *now = request_message_sent(r);

	for (size_t i = 0; i < r->in.head.nfields; i++) {
		const struct http_field *f = &r->in.head.fields[i];
		if (request_is_param(r, f->name) && f->value.n &&
			!request_param_sent(r, f->name, f->value, now).n)
			return false;
	}
	return true;
}
