/* The read step: decodes the body and reads it into segments. It decides nothing but
 * refusals of what cannot be read safely; what an unreadable part leads to is the policy
 * step's to say. */
#include "gate/steps/steps.h"

#include "base/caps.h"
#include "base/codec/inflate.h"
#include "base/codec/utf8.h"
#include "base/err.h"
#include "base/push.h"
#include "gate/files/files.h"
#include "gate/limits/limits.h"
#include "scan/dialect/live.h"
#include "scan/text/model_names.h"
#include "scan/text/opaque.h"
#include "scan/text/table.h"

/* The relay brings the body once more, and a helper thread reads it. */
static void
leave_to_relay(struct request *r)
{
	buf_free(&r->out.decoded);
	r->out.decoded.cap = r->snap->cfg->body_bytes;
	r->in.raw = r->in.body_raw = (struct span){ NULL, 0 };
	r->in.body_state = BODY_STATE_PARTIAL;
}

/* A helper thread looks at a long body, and only at one that the relay read. */
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
		r->out.swap_body = true; /* decoded bodies go out decoded */
		return STEP_NEXT;
	case ERR_LIMIT:
		return request_deny(r, 413, "request_too_large", "",
			SPAN_LIT("the decoded body is too large"));
	case ERR_UNSUPPORTED:
		return request_deny(r, 415, "unsupported_encoding", "",
			SPAN_LIT("the Content-Encoding is unknown or stacked"));
	case ERR_NOMEM: return request_overload(r);
	default:
		return request_deny(r, 400, "invalid_encoding", "",
			SPAN_LIT("the body is not what its Content-Encoding says"));
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

/* Conditions read some twenty by name, and each looks through all there are: a body of half
 * a million members is not looked through for each of them, by record and rules. */
static void
keep_parameters(struct body *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->nparams; i++)
		for (size_t slot = V_REQ_TEMPERATURE; slot < V_COUNT; slot++) {
			const char *name = policy_slot_parameter(slot);
			if (!name || !span_is(b->params[i].name, name))
				continue;
			b->params[n++] = b->params[i];
			break;
		}
	b->nparams = n;
}

/* What came of a body that goes on by without us is searched as the text that it is, for the
 * record: it is no document, and rules that read one wait for the rest, which never comes. */
static enum step_result
read_prefix(struct request *r)
{
	struct span text = r->in.prefix;
	struct segment *s = arena_new(&r->arena, struct segment);

	if (!s)
		return request_overload(r);
	if (text.n == 0 || r->in.coding.n)
		return STEP_NEXT;
	/* cut within a character */
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

/* The vocabulary of all models that the body names; NULL: it is not known exactly. */
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

/* A request that declares a type is held to it even where it has no body at all
 * (HTTP/2 may leave the length out); one that declares none has none. Of MCP every POST brings
 * a message. */
static bool
needs_none(const struct request *r)
{
	static const char *const bodyless[] = { "GET", "HEAD", "DELETE", "OPTIONS" };
	const struct http_field *ct = http_field_nth(&r->in.head, "content-type", 0);

	return (SPAN_IN(r->in.head.method, bodyless) || !ct || ct->value.n == 0) &&
	       !(request_is_mcp(r) && span_is(r->in.head.method, "POST"));
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

/* The model of a session is in the query of its handshake, or in its first message. A call that
 * somebody began elsewhere is nobody's here. */
static enum step_result
read_session(struct request *r)
{
	struct body *b = &r->in.body;
	const struct segment *v = r->in.target;

	if (r->in.socket && !live_endpoint(&r->found.endpoint))
		return request_deny(r, 501, "not_implemented", "",
			SPAN_LIT("there are no WebSockets on this path"));
	if (!r->in.have_body) {
		b->output_cap_tokens = -1;
		b->choices = 1;
		b->table = r->found.endpoint.table;
	}
	for (size_t i = 0; i < r->in.ntarget; i++) {
		/* with a value or without */
		if (v[i].role == ROLE_KEY && span_is(v[i].text, "call_id"))
			return request_deny(r, 403, "permission_denied", "",
				SPAN_LIT("a call that was begun elsewhere is not joined here"));
		if (v[i].role != ROLE_QUERY || v[i].key == SEGMENT_NO_KEY)
			continue;
		struct span key = v[v[i].key].text;
		if (span_is(key, "model") && b->model.n)
			return request_deny(r, 400, "ambiguous_model", "",
				SPAN_LIT("the query names two models"));
		if (span_is(key, "model"))
			b->model = v[i].text;
	}
	if (r->in.refused.status)
		return request_deny(r, r->in.refused.status, r->in.refused.code, "",
			span_str(r->in.refused.why));
	if (!b->model.n)
		b->model = r->in.session_model;
	if (policy_route_as(r->found.route, b->model) != r->found.route)
		return request_deny(r, 501, "not_implemented", "",
			SPAN_LIT("a name of `models` cannot be put into a session"));
	return STEP_NEXT;
}

/* Some servers take the model from the query. */
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

enum step_result
step_read(struct request *r)
{
	struct body_refusal why;

	/* Segments point into what they were read from. */
	if (r->gate && !r->run.resumed && r->in.body_state == BODY_STATE_WHOLE &&
		request_repeats(r) && !is_too_long_here(r) && !request_keep_body(r))
		return request_overheld(r);
	enum step_result s = request_is_mcp(r) ? request_read_session(r) : STEP_NEXT;
	if (s == STEP_NEXT && r->found.endpoint.beside && !r->found.route->beside)
		s = request_deny(r, 403, "webrtc_not_permitted", "",
			SPAN_LIT("a session over WebRTC or SIP, or a secret for a session, "
				 "passes beside the gateway: use the WebSocket endpoint, or set "
				 "realtime: {webrtc: permit} on the route"));
	if (s == STEP_NEXT)
		s = read_request_body(r);

	if (s == STEP_NEXT && (r->in.socket || r->in.message))
		s = read_session(r);
	if (s == STEP_NEXT && !add_query_models(r))
		return request_overload(r);

	if (s == STEP_NEXT && (!r->in.have_body || r->in.body_state == BODY_STATE_PARTIAL) &&
		endpoint_settle(
			&r->found.endpoint, r->in.head.path, &r->arena, &r->in.body, &why) < 0)
		return request_overload(r);
	/* From here on it goes where what it asked for goes. */
	r->found.route = policy_route_as(r->found.route, request_asked_model(r));
	/* Nobody looked through it. */
	if (s == STEP_DECIDED)
		r->in.body.model = (struct span){ NULL, 0 };
	r->in.read_model = r->in.body.model;
	if (r->gate)
		hmac_sha256(r->gate->shared->prompt_key, r->in.raw, r->found.raw_hmac);
	return s;
}
