/* The step *read*: decompresses the body and reads it into segments. It denies only bodies that
 * cannot be read safely. For uninspected parts, the policy step applies the outcome. */
#include "gate/steps/steps.h"

#include "base/caps.h"
#include "base/codec/inflate.h"
#include "base/codec/uri.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/push.h"
#include "gate/files/files.h"
#include "gate/limits/limits.h"
#include "policy/env.h"
#include "policy/policy.h"
#include "scan/dialect/live.h"
#include "scan/text/model_names.h"
#include "scan/text/named.h"
#include "scan/text/opaque.h"
#include "scan/text/table.h"

/* Leaves the body to the relay, which reads it again, so that a helper thread can search it. */
static void
leave_to_relay(struct request *r)
{
	buf_free(&r->out.decoded);
	r->out.decoded.cap = r->snap->cfg->body_bytes;
	r->in.raw = r->in.body_raw = (struct span){ NULL, 0 };
	r->in.body_state = BODY_STATE_PARTIAL;
}

/* Returns true if the body is too long for a worker. A helper thread searches long bodies, but
 * only those that the relay read. */
static bool
is_too_long_here(const struct request *r)
{
	return offload_leaves(r) && !r->found.observed &&
	       r->in.body_state == BODY_STATE_WHOLE &&
	       r->in.body_raw.n > request_inline_most(r);
}

static enum step_result
decode_request(struct request *r)
{
	uint64_t ratio = r->snap->cfg ? r->snap->cfg->inflate_ratio : CAP_INFLATE_RATIO;
	bool leave = offload_leaves(r);

	if (leave)
		r->out.decoded.cap = request_inline_most(r);
	int err = inflate_all(r->in.coding, r->in.body_raw, ratio, &r->out.decoded);
	if (leave && err == ERR_LIMIT) {
		leave_to_relay(r);
		return STEP_NEXT;
	}
	switch (err) {
	case 0:
		r->in.raw = buf_view(&r->out.decoded);
		r->out.sends = SENDS_DECODED; /* a decompressed body is sent decompressed */
		return STEP_NEXT;
	case ERR_LIMIT:
		return request_deny(r, 413, "request_too_large", "",
			SPAN_LIT("the body is too large after decompression; send a shorter "
				 "one"));
	case ERR_UNSUPPORTED:
		return request_deny(r, 415, "unsupported_encoding", "",
			SPAN_LIT("the Content-Encoding is unknown or stacked; send gzip, "
				 "deflate, br or none"));
	case ERR_NOMEM: return request_overload(r);
	default:
		return request_deny(r, 400, "invalid_encoding", "",
			SPAN_LIT("the body does not match its Content-Encoding"));
	}
}

bool
request_unread(struct request *r, const struct unread *u)
{
	struct unread *all = &r->in.unread;
	int err = 0;

	for (size_t i = 0; i < u->nmedia && !err; i++) {
		err = opaque_add(all, &r->arena, &u->media[i], 0);
		if (!err && !ARENA_PUSH(&r->arena, r->in.media, r->in.nmedia, r->in.media_room,
				    8, u->media[i].kind))
			err = ERR_NOMEM;
	}
	all->bytes += u->bytes;
	all->sealed += u->sealed;
	all->sealed_bytes += u->sealed_bytes;
	r->in.unreadable |= all->nmedia > 0;
	return !err;
}

/* Keeps only the about twenty parameters that conditions can read. Records and rules search all
 * parameters for each name, which would be slow for a body of half a million members. */
static void
keep_parameters(struct body *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->nparams; i++)
		for (size_t slot = V_REQ_TEMPERATURE; slot < V_COUNT; slot++) {
			struct span name = policy_slot_parameter(slot);
			if (!name.n || !span_eq(b->params[i].name, name))
				continue;
			b->params[n++] = b->params[i];
			break;
		}
	b->nparams = n;
}

/* Searches the received part of an observed body as plain text, for the record. The body is not
 * parsed as a document, because rules that read one would wait for the rest, which the gateway
 * never receives. */
static enum step_result
read_prefix(struct request *r)
{
	struct span text = r->in.prefix;
	struct segment *s = arena_new(&r->arena, struct segment);

	if (!s)
		return request_overload(r);
	if (text.n == 0 || r->in.coding.n)
		return STEP_NEXT;
	/* remove an incomplete character at the end */
	for (size_t i = 1; i <= 4 && i <= text.n; i++) {
		unsigned char c = (unsigned char)text.p[text.n - i];
		if ((c & 0xc0) == 0x80)
			continue;
		text.n -= c >= 0xc0 ? i : 0;
		break;
	}
	if (!utf8_valid(text))
		return STEP_NEXT;
	*s = (struct segment){ .role = ROLE_OTHER,
		.form = SEG_TEXT,
		.key = SEGMENT_NO_KEY,
		.end = (uint32_t)text.n,
		.text = text };
	r->in.body = (struct body){ .table = r->found.endpoint.table,
		.format = BODY_TEXT,
		.segments = s,
		.nsegments = 1,
		.inspected_bytes = text.n,
		.output_cap_tokens = -1,
		.choices = 1 };
	r->in.have_body = true;
	return STEP_NEXT;
}

/* Returns the vocabulary that all models in the body share; NULL: unknown, or they differ. */
static const struct ranks *
ranks_of_ids(const struct request *r)
{
	const struct body_marks *m = &r->in.body.marks;
	const struct ranks *ranks = request_own_ranks(r, r->in.body.model);

	for (size_t i = 0; i < m->nmodels; i++)
		if (!m->model[i].null && request_own_ranks(r, m->model[i].name) != ranks)
			return NULL;
	return ranks;
}

/* Returns true if the request may have no body. The endpoint decides, not the Content-Type:
 * Python's SDKs declare JSON when they cancel something without a body. Every MCP POST has a
 * message. */
static bool
needs_none(const struct request *r)
{
	static const char *const bodyless[] = { "GET", "HEAD", "DELETE", "OPTIONS" };
	const struct http_field *ct = http_field_nth(&r->in.head, "content-type", 0);

	return (SPAN_IN(r->in.head.method, bodyless) || r->found.endpoint.may_be_empty || !ct ||
		       ct->value.n == 0) &&
	       !(request_is_mcp(r) && span_is(r->in.head.method, "POST"));
}

/* The gateway's own code, for logs and records. */
static const char *
code_of(enum mcp_code code)
{
	switch (code) {
	case MCP_CODE_PARSE: return "invalid_json";
	case MCP_CODE_HEADER: return "header_mismatch";
	case MCP_CODE_VERSION: return "unsupported_version";
	default: return "invalid_request";
	}
}

/* Reads in.raw as a message and compares it with the header fields. Returns STEP_NEXT, or
 * denies as the specification demands. */
static enum step_result
request_read_message(struct request *r)
{
	struct found_message *f = arena_new(&r->arena, struct found_message);

	if (!f)
		return request_overload(r);
	int err = mcp_read(r->in.raw, &r->arena, &f->said, &f->wrong);
	if (!err)
		err = mcp_headers(&r->in.head, &f->said, &r->arena, &f->wrong);
	if (err == ERR_NOMEM)
		return request_overload(r);
	r->found.message = f;
	enum step_result joined =
		!err && r->found.joined ? request_join_message(r, f) : STEP_NEXT;
	f->call = (struct tool_call){
		.method = f->said.method,
		.name = f->said.about == MCP_ABOUT_RESOURCE ? SPAN_LIT("") : f->said.name,
		.uri = f->said.about == MCP_ABOUT_RESOURCE ? f->said.name : SPAN_LIT(""),
		.server = span_str(
			r->found.pin.to ? r->found.pin.to->name : r->found.route->targets->name),
		.description = SPAN_LIT(""),
		.arguments = f->said.arguments,
	};
	f->call.odd_uri =
		f->call.uri.n && !(f->said.refers ? uri_template_is_normal(f->call.uri)
						  : uri_is_normal(f->call.uri));
	r->found.call = (struct found_call){ .is = tool_is_call(&f->call) && !f->said.refers };
	if (err)
		return request_deny(r, (enum deny_status)f->wrong.status,
			code_of(f->wrong.code), "", span_str(f->wrong.why));
	return joined;
}

/* Denies a response in the background that the client could not fetch: the policy has no route for
 * a GET of it. */
static enum step_result
deny_unfetched(struct request *r)
{
	const char *name = r->found.endpoint.name;
	struct span method = SPAN_LIT("GET");

	if (!name || (strcmp(name, "responses") != 0 && strcmp(name, "interactions") != 0) ||
		r->in.message || r->found.observed ||
		!dialect_in_background(&r->in.body, r->in.raw, &r->arena))
		return STEP_NEXT;
	struct span path = arena_printf(&r->arena, "%.*s/x", SPAN_ARG(r->in.head.path));
	if (!path.p || policy_route(r->snap->policy, method, r->in.host, path))
		return STEP_NEXT;
	return request_deny(r, 400, "background_without_route", "",
		SPAN_LIT("background: the policy has no route for GET of the response's path, so "
			 "the response could never be fetched; send the request without "
			 "`background: true`"));
}

static enum step_result
read_request_body(struct request *r)
{
	struct span type = { NULL, 0 };
	struct body_refusal why = { 0 };

	bool none = r->in.body_state == BODY_STATE_NONE;
	if (r->found.observed && r->in.body_state == BODY_STATE_PARTIAL)
		return read_prefix(r);
	if (request_message_waits(r) || is_too_long_here(r))
		leave_to_relay(r);
	if (r->in.body_state == BODY_STATE_PARTIAL || (none && needs_none(r)))
		return STEP_NEXT;
	r->in.raw = r->in.body_raw;
	if (r->in.coding.n && r->in.body_raw.n) {
		enum step_result d = decode_request(r);
		if (d != STEP_NEXT || r->in.body_state == BODY_STATE_PARTIAL)
			return d;
	}
	if (r->in.body_raw.n == 0 && needs_none(r)) {
		r->in.body_state = BODY_STATE_NONE;
		return STEP_NEXT;
	}
	if (request_is_mcp(r)) {
		enum step_result d = request_read_message(r);
		if (d != STEP_NEXT)
			return d;
	}
	http_field_one(&r->in.head, "content-type", &type);
	int err = body_read(
		r->found.endpoint.table, type, r->in.raw, &r->arena, &r->in.body, &why);
	if (err == 0)
		err = endpoint_settle(
			&r->found.endpoint, r->in.head.path, &r->arena, &r->in.body, &why);
	if (err == 0 && none)
		return STEP_NEXT;
	if (err == 0 && r->in.names && r->in.names->n)
		err = body_name_keys(&r->in.body, r->in.names, &r->arena);
	if (err == 0 && r->in.body.nids)
		err = body_decode_ids(&r->in.body, r->in.raw, ranks_of_ids(r), &r->arena);
	if (err == 0) {
		if (request_files_wait(r)) {
			leave_to_relay(r);
			r->in.body = (struct body){ 0 };
			return STEP_NEXT;
		}
		r->in.have_body = true;
		if (r->found.message && r->found.message->said.about == MCP_ABOUT_TOOL) {
			r->in.body.tools = &r->found.message->said.name;
			r->in.body.ntools = 1;
		}
		if (r->snap->policy->reads_conversation)
			r->in.conversation = dialect_conversation(&r->in.body);
		keep_parameters(&r->in.body);
		if (deny_unfetched(r) == STEP_DECIDED)
			return STEP_DECIDED;
		return request_unread(r, &r->in.body.unread) ? request_hold_work(r)
							     : request_overload(r);
	}
	if (err == ERR_NOMEM || why.status == 0)
		return request_overload(r);
	if (why.unreadable) {
		r->in.unreadable = true;
		r->in.body = (struct body){ 0 };
		return STEP_NEXT;
	}
	return request_refuse(r, &why);
}

/* Reads the model of a session from the query of its handshake, or takes that of the first
 * message. Denies joining a call that began elsewhere. */
static enum step_result
read_session(struct request *r)
{
	struct body *b = &r->in.body;
	const struct segment *v = r->in.target;

	if (r->in.socket && !live_endpoint(&r->found.endpoint))
		return request_deny(r, 501, "not_implemented", "",
			SPAN_LIT("this path has no WebSocket endpoint"));
	if (!r->in.have_body) {
		b->output_cap_tokens = -1;
		b->choices = 1;
		b->table = r->found.endpoint.table;
	}
	for (size_t i = 0; i < r->in.ntarget; i++) {
		/* the name suffices, with or without a value */
		if (v[i].role == ROLE_KEY && span_is(v[i].text, "call_id"))
			return request_deny(r, 403, "permission_denied", "",
				SPAN_LIT("the gateway cannot join a call that began elsewhere; "
					 "remove call_id"));
		if (v[i].role != ROLE_QUERY || v[i].key == SEGMENT_NO_KEY)
			continue;
		struct span key = v[v[i].key].text;
		if (span_is(key, "model") && b->model.n)
			return request_deny(r, 400, "ambiguous_model", "",
				SPAN_LIT("the query names two models; name one"));
		if (span_is(key, "model"))
			b->model = v[i].text;
	}
	if (r->in.refused.status)
		return request_deny(r, (enum deny_status)r->in.refused.status, r->in.refused.code, "",
			span_str(r->in.refused.why));
	if (!b->model.n)
		b->model = r->in.session_model;
	if (policy_route_as(r->found.route, b->model) != r->found.route)
		return request_deny(r, 501, "not_implemented", "",
			SPAN_LIT("an alias from `models` cannot be used in a session; name the "
				 "provider's model"));
	return STEP_NEXT;
}

/* Adds models in the query, because some servers read them. */
static bool
add_query_models(struct request *r)
{
	const struct segment *v = r->in.target;

	for (size_t i = 0; i < r->in.ntarget && !r->found.endpoint.table->no_models; i++)
		if (v[i].role == ROLE_QUERY && v[i].key != SEGMENT_NO_KEY &&
			model_key_path(v[v[i].key].text) &&
			model_add_other(&r->in.body, v[i].text, &r->arena))
			return false;
	return true;
}

/* Copies the body, so that in.body_raw outlives the frame. Returns false if a limit of
 * held bytes is reached, or memory ran out. A compressed body is not copied: the relay
 * would have to decompress it again. */
static bool
request_keep_body(struct request *r)
{
	struct span body = r->in.body_raw;

	if (!body.n || r->out.kept.p || r->in.coding.n)
		return true;
	if (!request_hold(r, body.n))
		return false;
	char *p = mem_get(body.n);
	if (!p) {
		request_unhold(r, body.n);
		return false;
	}
	memcpy(p, body.p, body.n);
	r->in.body_raw = r->out.kept = span_of(p, body.n);
	return true;
}

enum step_result
step_read(struct request *r)
{
	struct body_refusal why;

	/* keep a copy first, because segments point into the body */
	if (r->gate && !r->run.resumed && r->in.body_state == BODY_STATE_WHOLE &&
		request_repeats(r) && !is_too_long_here(r) && !request_keep_body(r))
		return request_overheld(r);
	enum step_result s = request_is_mcp(r) ? request_read_session(r) : STEP_NEXT;
	if (s == STEP_NEXT && r->found.endpoint.beside && !r->found.route->beside)
		s = request_deny(r, 403, "webrtc_not_permitted", "",
			SPAN_LIT("a session over WebRTC or SIP, or a secret for one, bypasses "
				 "the gateway: use the WebSocket endpoint, or ask its "
				 "operators for "
				 "realtime: {webrtc: permit} on the route"));
	if (s == STEP_NEXT)
		s = read_request_body(r);
	for (size_t i = 0; r->in.sound == SOUND_WRITTEN && i < r->in.body.nsegments; i++)
		r->in.body.segments[i].spoken = true;

	if (s == STEP_NEXT && (r->in.socket || r->in.message))
		s = read_session(r);
	if (s == STEP_NEXT && !add_query_models(r))
		return request_overload(r);

	if (s == STEP_NEXT && (!r->in.have_body || r->in.body_state == BODY_STATE_PARTIAL) &&
		endpoint_settle(
			&r->found.endpoint, r->in.head.path, &r->arena, &r->in.body, &why) < 0)
		return request_overload(r);
	/* an alias leads to the route of its model */
	r->found.route = policy_route_as(r->found.route, request_asked_model(r));
	/* a denied body was not searched, so its model name is dropped */
	if (s == STEP_DECIDED)
		r->in.body.model = (struct span){ NULL, 0 };
	r->in.read_model = r->in.body.model;
	if (r->gate)
		hmac_sha256(r->gate->shared->prompt_key, r->in.raw, r->found.raw_hmac);
	return s;
}
