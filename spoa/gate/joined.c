/* Messages to several MCP servers that callers see as one (route.mcp): the session that names
 * the servers' sessions, the server to which a message belongs, and the message as that server
 * knows it. From then on the request is the same as on a route with one server: rules, pins,
 * limits and records read the server's own names. engine/join.c asks several servers at the same time. */
#include "base/among.h"
#include "base/err.h"
#include "base/scoped.h"
#include "gate/exchange.h"
#include "gate/gate_private.h"
#include "policy/policy.h"
#include "scan/mcp/join.h"
#include "scan/mcp/session.h"

bool
request_is_joined(const struct request *r)
{
	return request_is_mcp(r) && r->found.route->joined;
}

/* ---- sessions: a line for each server, with its name, its revision, its lists and its session's id ---- */

static const char list_letters[MCP_JOIN_LISTS + 1] = "tp";

static size_t
joined_target(const struct route *route, struct span name)
{
	size_t i = 0;

	while (i < route->ntargets && !span_is(name, route->targets[i].name))
		i++;
	return i;
}

/* Reads the lines of a session. A server that the policy no longer has is left out. */
static void
read_session_lines(struct request *r, struct span text)
{
	while (text.n) {
		struct span line = span_next(&text, '\n');
		size_t i = joined_target(r->found.route, span_next(&line, '\t'));
		struct span version = span_next(&line, '\t'), lists = span_next(&line, '\t');
		if (i < r->found.route->ntargets)
			r->found.joined->of[i] = (struct joined_session){
				.in = true, .id = line, .version = version
			};
		for (size_t k = 0; k < MCP_JOIN_LISTS && i < r->found.route->ntargets; k++)
			r->found.joined->of[i].has[k] =
				span_chr(lists, list_letters[k]) < lists.n;
	}
}

struct span
request_joined_session(const struct request *r, const struct joined_session *of,
	struct arena *a)
{
	const struct route *route = r->found.route;
	unsigned char key[SHA256_BYTES];

	SCOPED_BUF(text, MCP_SEALED_MAX);
	for (size_t i = 0; i < route->ntargets; i++) {
		if (!of[i].in)
			continue;
		buf_printf(&text, "%s\t%.*s\t", route->targets[i].name,
			SPAN_ARG(of[i].version));
		for (size_t k = 0; k < MCP_JOIN_LISTS; k++)
			if (of[i].has[k])
				buf_putc(&text, list_letters[k]);
		buf_printf(&text, "\t%.*s\n", SPAN_ARG(of[i].id));
	}
	if (buf_failed(&text))
		return (struct span){ NULL, 0 };
	request_session_key(r, key);
	struct span sealed = mcp_seal(key, buf_view(&text), a);
	explicit_bzero(key, sizeof(key));
	return sealed;
}

enum step_result
request_read_joined(struct request *r, struct span given)
{
	struct found_joined *f = r->found.joined = arena_new(&r->arena, struct found_joined);
	unsigned char key[SHA256_BYTES];

	if (!f)
		return request_overload(r);
	/* `policy test` and `decide` have no sessions: each server is in it */
	*f = (struct found_joined){ .goes = JOINED_HERE, .begun = !r->gate };
	for (size_t i = 0; i < r->found.route->ntargets; i++)
		f->of[i].in = !r->gate;
	if (!given.n)
		return STEP_NEXT;
	request_session_key(r, key);
	struct span text = mcp_unseal(key, given, &r->arena);
	explicit_bzero(key, sizeof(key));
	if (!text.p) {
		r->found.no_session = true;
		return r->found.identity.verified ? request_no_session(r) : STEP_NEXT;
	}
	request_note_session(r, given);
	f->begun = true;
	read_session_lines(r, text);
	return STEP_NEXT;
}

/* ---- messages ---- */

static const struct joined_method {
	const char *method;
	enum joined_goes goes;
} methods[] = {
	{ "initialize", JOINED_TO_ALL },
	{ "notifications/initialized", JOINED_TO_ALL },
	{ "notifications/cancelled", JOINED_TO_ALL },
	{ "tools/list", JOINED_TO_ALL },
	{ "tools/call", JOINED_TO_ONE },
	{ "prompts/list", JOINED_TO_ALL },
	{ "prompts/get", JOINED_TO_ONE },
	{ "ping", JOINED_HERE },
};

static const struct joined_method *
joined_method(struct span name)
{
	for (size_t i = 0; i < COUNT_OF(methods); i++)
		if (span_is(name, methods[i].method))
			return &methods[i];
	return NULL;
}

/* Chooses the server that the name's beginning names, and removes that beginning. Names of
 * providers on a joined route have no __, so at most one fits. */
static enum step_result
choose_server(struct request *r, struct found_message *f)
{
	const struct route *route = r->found.route;
	struct found_joined *j = r->found.joined;
	size_t n = 0, i;

	for (i = 0; i < route->ntargets; i++) {
		struct span name = span_str(route->targets[i].name);
		struct span rest = span_cut(f->said.name, name.n, f->said.name.n);
		n = name.n + strlen(MCP_JOIN_BETWEEN);
		if (span_starts(f->said.name, name) &&
			span_starts(rest, SPAN_LIT(MCP_JOIN_BETWEEN)) && f->said.name.n > n)
			break;
	}
	if (i == route->ntargets || !j->of[i].in || !j->of[i].may)
		return request_deny(r, 403, "permission_denied", "",
			SPAN_LIT("no server of your session has this tool or prompt: list "
				 "them again"));
	SCOPED_BUF(own, r->out.decoded.cap);
	int err = mcp_join_unname(r->in.raw, n, &r->arena, &own);
	if (err)
		return request_overload(r);
	struct buf was = r->out.decoded;
	r->out.decoded = own;
	own = was;
	r->in.raw = buf_view(&r->out.decoded);
	r->out.sends = SENDS_DECODED;
	enum mcp_era era = f->said.era;
	if (mcp_read(r->in.raw, &r->arena, &f->said, &f->wrong))
		return request_overload(r);
	f->said.era = era;
	j->name = f->said.name;
	r->found.session = j->of[i].id;
	r->found.pin.to = &route->targets[i];
	return STEP_NEXT;
}

enum step_result
request_join_message(struct request *r, struct found_message *f)
{
	const struct joined_method *m = joined_method(f->said.method);
	struct found_joined *j = r->found.joined;

	if (f->said.kind == MCP_RESPONSE)
		return request_deny(r, 400, "invalid_request", "",
			SPAN_LIT("servers of a joined route cannot ask the client, so there "
				 "is nothing to respond to"));
	if (f->said.era == MCP_STATELESS || (!m && f->said.kind == MCP_REQUEST)) {
		f->said.about = MCP_ABOUT_UNKNOWN;
		return request_deny(r, 403, "permission_denied", "",
			SPAN_LIT("a route that joins MCP servers offers tools and prompts, by "
				 "revisions up to 2025-11-25: begin with initialize"));
	}
	if (!f->said.begins && !j->begun && !r->found.no_session)
		return request_deny(r, 400, "session_required", "",
			SPAN_LIT("Mcp-Session-Id is missing: begin with initialize, and send "
				 "the id of its response"));
	j->goes = m ? m->goes : JOINED_HERE;
	struct policy_facts facts;
	request_facts(r, &facts);
	for (size_t i = 0; i < r->found.route->ntargets; i++)
		j->of[i].may = policy_has_server(
			r->snap->policy, &r->found.route->targets[i], &facts, &r->arena);
	/* the body's bytes are released before the servers are asked */
	f->said.id = arena_dup(&r->arena, f->said.id);
	f->said.params = arena_dup(&r->arena, f->said.params);
	f->said.method = arena_dup(&r->arena, f->said.method);
	if (arena_failed(&r->arena))
		return request_overload(r);
	return j->goes == JOINED_TO_ONE ? choose_server(r, f) : STEP_NEXT;
}

const struct target *
request_joined_target(const struct request *r)
{
	bool one = r->found.joined && r->found.joined->goes == JOINED_TO_ONE;

	return one ? r->found.pin.to : NULL;
}

/* ---- the head ---- */

bool
request_joined_field(const struct request *r, struct span name, struct span *value)
{
	const struct found_joined *j = r->found.joined;
	size_t i = (size_t)(request_target(r) - r->found.route->targets);

	if (!j || i >= r->found.route->ntargets)
		return true;
	if (span_ieq(name, SPAN_LIT("mcp-session-id")))
		*value = j->of[i].id;
	else if (span_ieq(name, SPAN_LIT("mcp-protocol-version")) && j->of[i].version.n)
		*value = j->of[i].version;
	else if (span_ieq(name, SPAN_LIT("mcp-name")) && j->name.n)
		*value = j->name;
	else if (span_ieq(name, SPAN_LIT("last-event-id")))
		return false;
	return value->n > 0;
}
