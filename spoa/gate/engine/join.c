/* Several MCP servers as one (gate/joined.c): asks each server through HAProxy's inner bind, and
 * responds for all of them. This happens in the relay, after the decision was recorded. Each
 * server's response passes the guard as on a route with one server, so its list is filtered by
 * rules and pins under the server's own names, before the names become longer. A server that
 * does not respond in time, or not with a list, is left out. */
#include "gate/engine/join.h"

#include <stdlib.h>

#include "base/among.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "gate/engine/engine.h"
#include "policy/policy.h"
#include "scan/mcp/join.h"

enum {
	IDLE = 8,		   /* connections kept open */
	PAGE_BYTES = 2 << 20,	   /* longest response of a server */
	SERVER_BYTES = 4 << 20,	   /* longest list of a server */
	ALL_BYTES = 8 << 20,	   /* longest joined list */
	PAGES = 64,		   /* most pages of a server's list */
	READ_BYTES = 16 << 20,	   /* memory for reading one response */
	SESSION_ID = 1024,	   /* longest id of a server's session */
	VERSION = 32		   /* longest name of a revision */
};

/* One server that is asked. owner: the join. */
struct join_member {
	struct tag tag;
	struct join *of;
	const struct target *to;
	struct http_head head;
	struct answer_request asked;
	struct guard_messages messages;
	struct buf entries; /* the list so far */
	unsigned pages;
	enum { MEMBER_NOT_ASKED, MEMBER_ASKED, MEMBER_GOOD, MEMBER_OUT } state;
	const char *why; /* MEMBER_OUT: a constant */
};

/* All servers of one message. owner: the exchange; worker. */
struct join {
	struct tag tag;
	struct exchange *x;
	struct span id, params, method; /* the caller's, in the request's arena */
	enum mcp_join_list list;	/* MCP_JOIN_LISTS: the message asks for none */
	uint64_t end_us;		/* monotonic */
	unsigned waits;			/* servers that were asked and have not responded */
	const struct target *was;	/* the target of the decision */
	struct buf out;			/* the joined response */
	/* the sessions that begin, by target */
	struct joined_session begun[TARGETS_MAX];
	size_t n;
	struct join_member m[TARGETS_MAX];
};

/* The id of the gateway's own requests. A client's id is never sent beside it. */
static const char own_id[] = "\"tollgate\"";

static bool
joins_list(const struct join *j)
{
	return j->list < MCP_JOIN_LISTS;
}

/* Returns the list that the method asks for; MCP_JOIN_LISTS: none. */
static enum mcp_join_list
list_of(struct span method)
{
	struct span member = span_next(&method, '/');
	size_t i = 0;

	while (i < MCP_JOIN_LISTS &&
		!(span_is(member, mcp_join_lists[i]) && span_is(method, "list")))
		i++;
	return (enum mcp_join_list)i;
}

static bool
join_begins(const struct join *j)
{
	return span_is(j->method, "initialize");
}

/* Makes the member's server the target of the request, as the head, the guard and the pins read
 * it. */
static void
act_for_server(struct join *j, const struct target *to)
{
	j->x->r->found.verdict.changes.target = to;
}

/* ---- the end ---- */

static void
put_servers_left_out(const struct join *j, struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < j->n; i++) {
		if (j->m[i].state != MEMBER_OUT)
			continue;
		if (!any)
			json_put_form(out, "'_meta':{'tollgate/left_out':[");
		any = true;
		json_put_str(out, NULL, j->m[i].to->name);
	}
	if (any)
		buf_str(out, "]}");
}

static size_t
count_responses(const struct join *j)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n; i++)
		n += j->m[i].state == MEMBER_GOOD;
	return n;
}

static void
put_joined_list(const struct join *j, struct buf *out)
{
	bool any = false;

	json_put_form(out, "{'jsonrpc':'2.0','id':%j,'result':{%s:[", j->id,
		mcp_join_lists[j->list]);
	for (size_t i = 0; i < j->n; i++) {
		const struct buf *b = &j->m[i].entries;
		if (j->m[i].state != MEMBER_GOOD || !b->n)
			continue;
		if (any)
			buf_putc(out, ',');
		any = true;
		buf_span(out, buf_view(b));
	}
	buf_putc(out, ']');
	put_servers_left_out(j, out);
	buf_str(out, "}}");
}

/* The revisions with sessions. The last one is the gateway's own answer to another one. */
static const char *const revisions[] = { "2025-03-26", "2025-06-18", "2025-11-25" };

/* Returns the revision that the caller asks for, if it is known, else the newest one. */
static const char *
joined_revision(const struct join *j)
{
	size_t i = 0;

	SCOPED_ARENA(a, READ_BYTES, false);
	struct span asked = span_trim(mcp_join_member(j->params, "protocolVersion", &a), "\"");
	while (i < COUNT_OF(revisions) - 1 && !span_is(asked, revisions[i]))
		i++;
	return revisions[i];
}

static void
put_begun(struct join *j, struct buf *out)
{
	struct exchange *x = j->x;
	struct arena *a = &x->r->arena;
	struct span id = request_joined_session(x->r, j->begun, a);

	if (!id.n) {
		out->failed = true;
		return;
	}
	x->plan.own_fields = arena_printf(a, "mcp-session-id: %.*s\r\n", SPAN_ARG(id));
	json_put_form(out,
		"{'jsonrpc':'2.0','id':%j,'result':{'protocolVersion':%s,"
		"'serverInfo':{'name':'tollgate','version':'1'},'capabilities':{",
		j->id, joined_revision(j));
	for (size_t k = 0; k < MCP_JOIN_LISTS; k++) {
		bool has = false;
		for (size_t i = 0; i < TARGETS_MAX; i++)
			has |= j->begun[i].has[k];
		if (has)
			json_put_raw(out, mcp_join_lists[k], SPAN_LIT("{}"));
	}
	buf_putc(out, '}');
	put_servers_left_out(j, out);
	buf_str(out, "}}");
}

/* An error in place of the joined result. */
static void
put_join_refusal(struct join *j, int code, const char *reason, struct span message, struct buf *out)
{
	const struct mcp_refusal why = { .id = j->id,
		.code = code,
		.reason = reason,
		.message = message,
		.decision = span_str(j->x->r->id) };

	mcp_refuse(&why, out);
}

/* No server responded: the client begins again. */
static void
put_none_responds(struct join *j, struct buf *out)
{
	j->x->plan.own_status = 503;
	j->x->plan.retry_after_s = 1;
	put_join_refusal(j, MCP_CODE_INTERNAL, "provider_error",
		SPAN_LIT("no MCP server of this route responds; retry later"), out);
}

/* The caller may use none of the servers. */
static void
put_no_server(struct join *j, struct buf *out)
{
	put_join_refusal(j, MCP_CODE_DENIED, "permission_denied",
		SPAN_LIT("the policy gives you no MCP server of this route"), out);
}

static void
join_over(struct join *j)
{
	struct exchange *x = j->x;
	void (*then)(struct exchange *) = x->together.then;

	INVARIANT(then && !j->waits);
	x->together.then = NULL;
	act_for_server(j, j->was);
	x->plan.own_status = 200;
	if (!joins_list(j) && !join_begins(j))
		x->plan.own_status = 202;
	else if (!j->n && join_begins(j))
		put_no_server(j, &j->out);
	else if (j->n && !count_responses(j))
		put_none_responds(j, &j->out);
	else if (join_begins(j))
		put_begun(j, &j->out);
	else
		put_joined_list(j, &j->out);
	if (buf_failed(&j->out)) {
		buf_free(&j->out);
		buf_init(&j->out, ALL_BYTES);
		put_none_responds(j, &j->out);
	}
	x->plan.document = buf_view(&j->out);
	for (size_t i = 0; i < j->n; i++)
		buf_free(&j->m[i].entries);
	then(x);
}

/* ---- what a server responds ---- */

static void
leave_server_out(struct join_member *m, const char *why)
{
	m->state = MEMBER_OUT;
	m->why = why;
	buf_free(&m->entries);
	log_event(LOG_WARN, "join.left_out", LS("server", m->to->name), LS("why", why));
	metric_inc(m->of->x->r->gate->metrics, M_JOIN_LEFT_OUT);
}

/* Passes the response through a guard, as on a route with this server alone. Returns NULL, or
 * why it is not used. */
static const char *
guard_response(struct join_member *m, const struct http_answer *a, struct buf *out)
{
	struct request *r = m->of->x->r;
	const struct translate_plan none = { .from = FORM_NONE };
	const struct guard_head head = { .status = a->status,
		.content_type = http_answer_field(a, "content-type"),
		.content_encoding = http_answer_field(a, "content-encoding") };
	struct guard_plan plan;

	if (request_guard_plan(r, m->head.path, &m->asked, NULL, &none, &plan))
		return "no memory";
	plan.mcp = m->of->x->plan.mcp;
	plan.messages = m->messages;
	if (plan.messages.filters) {
		plan.policy = r->snap->policy;
		plan.asked = &m->asked;
	}
	struct guard *g = guard_new(&plan, &head);
	if (!g)
		return "no memory";
	enum guard_result is = guard_feed(g, a->body, out);
	if (is == GUARD_PASS)
		is = guard_end(g, out);
	const struct guard_report *report = guard_report(g);
	metric_add(r->gate->metrics, M_TOOLS_HIDDEN, report->tools_hidden);
	metric_add(r->gate->metrics, M_ANSWERS_REDACTED, report->redactions);
	const char *why = is == GUARD_PASS ? NULL
			  : is == GUARD_DENIED ? "a rule denies its response"
					       : "its response cannot be read";
	guard_drop(&g);
	return buf_failed(out) ? "no memory" : why;
}

/* Notes the session that the server has begun. */
static const char *
note_begun_session(struct join_member *m, const struct http_answer *a, const struct mcp_joined *is)
{
	struct join *j = m->of;
	struct arena *own = &j->x->r->arena;
	struct span id = span_trim(http_answer_field(a, "mcp-session-id"), " \t");
	size_t i = (size_t)(m->to - j->x->r->found.route->targets);
	bool known = false;

	for (size_t k = 0; k < COUNT_OF(revisions); k++)
		known |= span_is(is->version, revisions[k]);
	if (!known)
		return "it does not serve a joined_revision with sessions";
	if (id.n > SESSION_ID || !span_all(id, is_graph))
		return "its session id is not valid";
	if (!is->has[MCP_JOIN_TOOLS] && !is->has[MCP_JOIN_PROMPTS])
		return "it has neither tools nor prompts";
	j->begun[i] = (struct joined_session){
		.in = true, .id = arena_dup(own, id), .version = arena_dup(own, is->version)
	};
	memcpy(j->begun[i].has, is->has, sizeof(is->has));
	return arena_failed(own) ? "no memory" : NULL;
}

static const char *ask_joined_server(struct join_member *m, struct span cursor);

/* Returns NULL if the response is used, or why it is not. */
static const char *
take_server_response(struct join_member *m, const struct http_answer *a)
{
	struct join *j = m->of;
	struct mcp_joined is;

	if (a->err)
		return a->why;
	if (a->status / 100 != 2)
		return a->status == 404 ? "it does not know the session"
					: "it responds with an error";
	if (!joins_list(j) && !join_begins(j))
		return NULL;
	SCOPED_BUF(passed, 2 * PAGE_BYTES);
	const char *why = guard_response(m, a, &passed);
	if (why)
		return why;
	SCOPED_ARENA(scratch, READ_BYTES, false);
	bool events = span_ieq(http_media_type(http_answer_field(a, "content-type")),
		SPAN_LIT("text/event-stream"));
	size_t held = m->entries.size;
	int err = mcp_join_read(buf_view(&passed), events, span_str(own_id),
		span_str(m->to->name), joins_list(j) ? j->list : MCP_JOIN_TOOLS, &scratch, &m->entries, &is);
	/* given back when the request ends */
	if (m->entries.size > held && !request_hold(j->x->r, m->entries.size - held))
		return "limits.held is reached";
	if (err || !is.found)
		return is.error ? "it responds with an error" : "its response cannot be read";
	if (join_begins(j))
		return note_begun_session(m, a, &is);
	if (!is.next.n)
		return NULL;
	return ++m->pages < PAGES ? ask_joined_server(m, is.next) : "its list has no end";
}

static void
server_responded(void *arg, const struct http_answer *a)
{
	struct join_member *m = TAGGED(join_member, arg);
	struct join *j = m->of;
	struct request *r = j->x->r;

	j->waits--;
	if (r->run.life != LIFE_ANSWERED || !j->x->together.then) { /* the caller left */
		if (!j->waits)
			request_back(r);
		return;
	}
	act_for_server(j, m->to);
	m->state = MEMBER_GOOD;
	const char *why = take_server_response(m, a);
	if (why)
		leave_server_out(m, why);
	if (j->waits)
		return;
	request_answered(r);
	join_over(j);
}

/* ---- asking ---- */

/* Names the request that the caller cancels. Its id is unknown to all servers but one. */
static void
put_canceled(const struct join *j, struct buf *body)
{
	SCOPED_ARENA(a, READ_BYTES, false);
	struct span id = mcp_join_member(j->params, "requestId", &a);
	json_put_form(body, "{'jsonrpc':'2.0','method':'notifications/cancelled','params':{");
	if (id.n)
		json_put_raw(body, "requestId", id);
	buf_str(body, "}}");
}

static void
put_joined_message(const struct join *j, struct span cursor, struct buf *body)
{
	if (join_begins(j))
		json_put_form(body,
			"{'jsonrpc':'2.0','id':'tollgate','method':'initialize','params':{"
			"'protocolVersion':%s,'capabilities':{},"
			"'clientInfo':{'name':'tollgate','version':'1'}}}",
			joined_revision(j));
	else if (joins_list(j) && cursor.n)
		json_put_form(body,
			"{'jsonrpc':'2.0','id':'tollgate','method':%t,'params':{'cursor':%t}}",
			j->method, cursor);
	else if (joins_list(j))
		json_put_form(body, "{'jsonrpc':'2.0','id':'tollgate','method':%t}", j->method);
	else if (span_is(j->method, "notifications/cancelled"))
		put_canceled(j, body);
	else
		json_put_form(body, "{'jsonrpc':'2.0','method':'notifications/initialized'}");
}

/* Sends the message to the server. Returns NULL, or why it cannot be sent. */
static const char *
ask_joined_server(struct join_member *m, struct span cursor)
{
	struct join *j = m->of;
	struct request *r = j->x->r;
	struct gate *g = r->gate;
	uint64_t now_us = clock_mono_us();
	const struct http_head *h = &m->head;

	if (now_us >= j->end_us)
		return "it did not respond in time";
	SCOPED_ARENA(a, READ_BYTES, true);
	SCOPED_BUF(body, 0);
	put_joined_message(j, cursor, &body);
	const char **fields = arena_array(&a, h->nfields, sizeof(*fields));
	struct span url = arena_printf(&a, "unix:%s:%.*s%s%.*s",
		gate_cfg(g)->relay_egress.path, SPAN_ARG(h->path), h->has_query ? "?" : "",
		SPAN_ARG(h->query));
	for (size_t i = 0; fields && i < h->nfields; i++)
		fields[i] = arena_printf(&a, "%.*s: %.*s", SPAN_ARG(h->fields[i].name),
			SPAN_ARG(h->fields[i].value))
				    .p;
	if (arena_failed(&a) || buf_failed(&body) || !fields || !url.p)
		return "no memory";
	const struct http_call_options o = { .url = url.p,
		.body = buf_view(&body),
		.fields = fields,
		.nfields = h->nfields,
		.deadline_us = j->end_us - now_us,
		.answer_bytes = PAGE_BYTES };
	if (!http_call(g->http, &o, server_responded, m))
		return "no memory";
	m->state = MEMBER_ASKED;
	j->waits++;
	return NULL;
}

/* Returns true if a rule that reads mcp.method denies the message for this server. */
static bool
is_server_denied(struct join_member *m)
{
	struct request *r = m->of->x->r;
	const struct tool_call call = { .method = m->of->method,
		.server = span_str(m->to->name),
		.name = SPAN_LIT(""),
		.uri = SPAN_LIT(""),
		.description = SPAN_LIT("") };
	struct tool_verdict v;

	if (!r->snap->policy->ntool_rules)
		return false;
	return policy_tool(r->snap->policy, &m->asked, &call, &r->arena, &v) ||
	       v.ruled.effect == RULE_DENY;
}

/* Returns true if the rules on requests leave the server to the caller. */
static bool
rules_permit(const struct request *r, const struct target *to)
{
	const struct policy_verdict *v = &r->found.verdict;

	for (size_t i = 0; i < v->ncandidates; i++)
		if (v->candidates[i].target == to)
			return v->candidates[i].fate != CANDIDATE_DENIED &&
			       v->candidates[i].fate != CANDIDATE_ROUTED;
	return true;
}

/* Returns NULL, or why the server is left out. */
static const char *
begin_server(struct join_member *m)
{
	struct exchange *x = m->of->x;
	struct request *r = x->r;
	struct policy_facts f;

	act_for_server(m->of, m->to);
	request_asked_facts(r, &f);
	if (policy_answer_request(r->snap->policy, &f, &r->arena, &m->asked) ||
		request_messages(r, &m->asked, &r->arena, &m->messages) ||
		exchange_head(r, &r->arena, &m->head))
		return "no memory";
	if (is_server_denied(m)) {
		m->state = MEMBER_NOT_ASKED;
		return NULL;
	}
	return ask_joined_server(m, SPAN_LIT(""));
}

bool
join_asks(const struct exchange *x)
{
	const struct found_joined *f = x->r->found.joined;

	return f && f->goes == JOINED_TO_ALL && x->r->out.decision.kind != D_DENY &&
	       x->r->out.decision.kind != D_DEFER;
}

void
join_begin(struct exchange *x)
{
	struct request *r = x->r;
	const struct route *route = r->found.route;
	struct gate *g = r->gate;
	struct join *j = calloc(1, sizeof(*j));

	INVARIANT(!x->join && x->together.then && route->ntargets <= TARGETS_MAX);
	if (!g->http)
		g->http = http_client_new(g->loop, IDLE);
	if (!j || !g->http || x->plan.unrecorded) {
		free(j);
		void (*then)(struct exchange *) = x->together.then;
		x->together.then = NULL;
		x->plan.own_status = 503;
		then(x);
		return;
	}
	TAG(join, j);
	x->join = j;
	j->x = x;
	j->was = r->found.verdict.changes.target;
	j->id = r->found.message->said.id;
	j->params = r->found.message->said.params;
	j->method = r->found.message->said.method;
	j->list = list_of(j->method);
	j->end_us = clock_mono_us() + route->list_deadline_us;
	buf_init(&j->out, ALL_BYTES);
	for (size_t i = 0; i < route->ntargets; i++) {
		struct join_member *m = &j->m[j->n];
		const struct joined_session *s = &r->found.joined->of[i];
		if (joins_list(j) && !s->has[j->list])
			continue;
		if (!s->may || (!join_begins(j) && !s->in) || !rules_permit(r, &route->targets[i]))
			continue;
		TAG(join_member, m);
		m->of = j;
		m->to = &route->targets[i];
		buf_init(&m->entries, SERVER_BYTES);
		j->n++;
		const char *why = begin_server(m);
		if (why)
			leave_server_out(m, why);
	}
	x->plan.credential = false;
	if (j->waits)
		request_asked(r);
	else
		join_over(j);
}

void
join_free(struct exchange *x)
{
	struct join *j = x->join;

	if (!j)
		return;
	INVARIANT(!j->waits);
	for (size_t i = 0; i < j->n; i++)
		buf_free(&j->m[i].entries);
	buf_free(&j->out);
	TAG_CLEAR(join, j);
	free(j);
	x->join = NULL;
}

void
join_here(struct exchange *x)
{
	struct request *r = x->r;
	const struct found_joined *f = r->found.joined;
	const struct found_message *m = r->found.message;

	if (!f || f->goes != JOINED_HERE || r->out.decision.kind == D_DENY ||
		r->out.decision.kind == D_DEFER)
		return;
	x->plan.own_status = 202;
	if (!m) { /* GET and DELETE */
		x->plan.own_status = 405;
		x->plan.own_fields = SPAN_LIT("allow: POST\r\n");
	} else if (m->said.kind == MCP_REQUEST) { /* ping */
		x->plan.own_status = 200;
		x->plan.document = arena_printf(&r->arena,
			"{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{}}",
			SPAN_ARG(m->said.id));
	}
}
