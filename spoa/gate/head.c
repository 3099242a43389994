/* The head that the relay sends upstream: the caller's head without its credentials, hop-by-hop
 * and framing fields (RFC 9110 7.6.1), and fields that a rewritten or decoded body makes wrong.
 * Added are the headers of rules, the gateway's own credential, and the fields that the inner
 * pass of HAProxy reads. */
#include <stdlib.h>

#include "base/among.h"
#include "base/codec/credentials.h"
#include "base/err.h"
#include "gate/auth/auth.h"
#include "gate/exchange.h"
#include "policy/policy.h"
#include "policy/rule.h"

/* Returns true if an earlier rule sets the header. */
static bool
set_before(const struct policy_changes *c, size_t rule, const char *name)
{
	for (size_t i = 0; i < rule; i++) {
		const struct rule_change *x = c->rules[i]->change;
		for (size_t k = 0; k < x->nheaders; k++)
			if (!strcmp(x->headers[k].name, name))
				return true;
	}
	return false;
}

const struct header *
request_header(const struct request *r, size_t *rule, size_t *at)
{
	const struct policy_changes *c = &r->found.verdict.changes;

	for (; *rule < c->nrules; ++*rule, *at = 0) {
		const struct rule_change *x = c->rules[*rule]->change;
		while (*at < x->nheaders) {
			const struct header *h = &x->headers[(*at)++];
			if (!set_before(c, *rule, h->name))
				return h;
		}
	}
	return NULL;
}

static bool
request_sets_header(const struct request *r, struct span name)
{
	const struct header *h;

	for (size_t rule = 0, at = 0; (h = request_header(r, &rule, &at));)
		if (span_ieq(name, span_str(h->name)))
			return true;
	return false;
}

/* Removed in every case. */
static const char *const hop_by_hop[] = { "connection", "keep-alive", "proxy-connection", "te",
	"trailer", "transfer-encoding", "upgrade", "content-length", "expect" };
/* Headers of browsers and other clients that no provider needs: the beginnings of their names.
 * A record does not list them. */
static const char *const usual[] = { "accept-language", "sec-", "dnt", "pragma", "priority",
	"upgrade-insecure-requests", "x-tollgate-" };
enum { UNSENT_NAME_BYTES = 64 };
/* Removed if the body changes: digests of a body that is no longer sent (RFC 9530, RFC 3230,
 * RFC 1864). */
static const char *const of_the_body[] = { "content-encoding", "content-digest", "repr-digest",
	"digest", "content-md5", "want-content-digest" };

/* By form: the prefix of the header fields of its providers, and a field that they require. */
static const struct {
	const char *begin;
	struct header wants;
} of_forms[FORMS] = {
	[FORM_CHAT] = { "openai-", { NULL, NULL } },
	[FORM_RESPONSES] = { "openai-", { NULL, NULL } },
	[FORM_MESSAGES] = { "anthropic-", { "anthropic-version", "2023-06-01" } },
	[FORM_GENERATE] = { "x-goog-", { NULL, NULL } },
	[FORM_CONVERSE] = { "x-amz", { NULL, NULL } },
	[FORM_EMBEDDINGS] = { "openai-", { NULL, NULL } },
};

/* Returns true if the request is translated and the field belongs to some provider's API: the
 * target's own fields are added again. */
static bool
is_of_form(const struct found_form *f, struct span name)
{
	for (size_t i = 0; f && i < FORMS; i++)
		if (of_forms[i].begin && span_istarts(name, span_str(of_forms[i].begin)))
			return true;
	return f && span_ieq(name, SPAN_LIT("content-type"));
}

/* Returns true if the Connection field names the field, which makes it hop-by-hop. */
static bool
in_connection(const struct http_head *h, struct span name)
{
	const struct http_field *f;

	for (size_t i = 0; (f = http_field_nth(h, "connection", i)); i++) {
		struct span rest = f->value;
		while (rest.n)
			if (span_ieq(span_trim(span_next(&rest, ','), " \t"), name))
				return true;
	}
	return false;
}

/* Compares names as a backend behind CGI or WSGI does, where x_api_key is x-api-key. */
static bool
begins_as(struct span name, struct span with)
{
	if (name.n < with.n)
		return false;
	for (size_t i = 0; i < with.n; i++) {
		char c = name.p[i] == '_' ? '-' : name.p[i],
		     w = with.p[i] == '_' ? '-' : with.p[i];
		if (!span_ieq(span_of(&c, 1), span_of(&w, 1)))
			return false;
	}
	return true;
}

static bool
is_credential(const struct policy *p, struct span name)
{
	for (size_t i = 0; i < p->ncredential_headers; i++) {
		struct span h = span_str(p->credential_headers[i]);
		if (name.n == h.n && begins_as(name, h))
			return true;
	}
	for (size_t i = 0; i < p->ncredential_prefixes; i++)
		if (begins_as(name, span_str(p->credential_prefixes[i])))
			return true;
	return credential_header(name) || credential_argument(name);
}

/* Returns true if the field's name or value holds the verified credential or a tg_ key. */
static bool
field_holds_credential(const struct request *r, struct span name, struct span value)
{
	return request_credential_in(r, name) || request_credential_escaped_in(r, value);
}

/* Returns true if the policy adds the header to those that the target receives. */
static bool
target_adds(const struct target *to, struct span name)
{
	for (size_t i = 0; to && i < to->nheaders; i++)
		if (span_ieq(name, span_str(to->headers[i])))
			return true;
	return false;
}

/* Returns true if the target is outside and its API does not need the header. */
static bool
stays_inside(const struct target *to, struct span name)
{
	return !(to && to->all_headers) && !field_is_sent(name) && !target_adds(to, name);
}

bool
head_must_change(const struct request *r)
{
	const struct target *to = request_target(r);

	for (size_t i = 0; i < r->in.head.nfields; i++) {
		const struct http_field *f = &r->in.head.fields[i];
		if (header_overrides(f->name) || credential_argument(f->name))
			return true;
		/* on the direct path, HAProxy would delete the header */
		if (to && !to->all_headers && target_adds(to, f->name) && !field_is_sent(f->name))
			return true;
		if (field_holds_credential(r, f->name, f->value) &&
			!is_credential(r->snap->policy, f->name))
			return true;
	}
	return false;
}

bool
request_unsent_header(const struct request *r, size_t *at, struct span *name)
{
	const struct target *to = request_target(r);

	while (*at < r->in.head.nfields) {
		const struct http_field *f = &r->in.head.fields[(*at)++];
		*name = f->name;
		if (stays_inside(to, f->name) && f->name.n <= UNSENT_NAME_BYTES &&
			span_all(f->name, is_tchar) && !caller_field(f->name) &&
			!SPAN_AMONG(f->name, hop_by_hop, span_ieq) &&
			!SPAN_AMONG(f->name, usual, span_istarts) &&
			!header_overrides(f->name) && !in_connection(&r->in.head, f->name) &&
			!is_credential(r->snap->policy, f->name) &&
			!request_credential_in(r, f->name))
			return true;
	}
	return false;
}

/* Returns true if the response must not be compressed: it is read, or its content decides
 * whether another attempt follows. */
static bool
asks_unencoded(const struct request *r)
{
	return request_reads_answer(r) || request_repeats(r);
}

bool
request_sends(const struct request *r, struct span name, struct span value)
{
	if (name.n == 0 || SPAN_AMONG(name, hop_by_hop, span_ieq) || in_connection(&r->in.head, name))
		return false;
	if (begins_as(name, SPAN_LIT("x-tollgate-")) || header_overrides(name))
		return false;
	/* the relay makes its own WebSocket handshake */
	if (r->in.socket && begins_as(name, SPAN_LIT("sec-websocket-")))
		return false;
	if (stays_inside(request_target(r), name))
		return false;
	/* Mcp-Param-api-key is an argument of the call, and was inspected as one */
	bool credential = is_credential(r->snap->policy, name) && !request_is_param(r, name);
	if (credential || field_holds_credential(r, name, value))
		return false;
	return !is_of_form(r->found.form, name) &&
	       !auth_drops(request_auth(r, request_target(r)), name) &&
	       !(r->out.sends != SENDS_RECEIVED && SPAN_AMONG(name, of_the_body, span_ieq)) &&
	       !request_sets_header(r, name) &&
	       !(asks_unencoded(r) && span_ieq(name, SPAN_LIT("accept-encoding")));
}

static void
add_head_field(struct http_head *h, const char *name, struct span value)
{
	if (value.n)
		h->fields[h->nfields++] = (struct http_field){ span_str(name), value };
}

/* Adds the headers of rules. Names and values belong to the policy's snapshot. */
static void
add_set(const struct request *r, struct http_head *out)
{
	size_t rule = 0, at = 0;
	const struct header *h;

	while ((h = request_header(r, &rule, &at)))
		add_head_field(out, h->name, span_str(h->value));
}

static void
add_form_fields(const struct request *r, struct http_head *out)
{
	const struct header *h = r->found.form ? &of_forms[r->found.form->to].wants : NULL;

	if (!h)
		return;
	add_head_field(out, "content-type", SPAN_LIT("application/json"));
	if (h->name && !request_sets_header(r, span_str(h->name)))
		add_head_field(out, h->name, span_str(h->value));
}

struct span
request_target_sent(struct request *r)
{
	struct span target =
		r->out.new_target.n
			? buf_view(&r->out.new_target)
			: span_of(r->in.head.path.p,
				  r->in.head.path.n +
					  (r->in.head.has_query ? 1 + r->in.head.query.n : 0));
	size_t path = span_chr(target, '?');
	struct span query = span_cut(target, path + 1, target.n);

	if (!credential_query(query))
		return target;
	char *out = arena_alloc(&r->arena, target.n);
	if (!out)
		return (struct span){ NULL, 0 };
	memcpy(out, target.p, path + 1);
	size_t left = credential_query_without(query, out + path + 1);
	return span_of(out, left ? path + 1 + left : path);
}

/* ---- the gateway's own credential ---- */

/* Adds the credential last, because it may be a signature of the whole head. */
static int
add_credential(struct request *r, struct arena *a, struct http_head *out)
{
	struct auth *auth = request_auth(r, request_target(r));
	struct exchange_plan *plan = &r->x->plan;
	unsigned char body[SHA256_BYTES] = { 0 };
	struct auth_fields fields;

	plan->credential = auth != NULL && r->out.decision.kind != D_DEFER;
	r->x->on_behalf.token = (struct span){ NULL, 0 };
	if (!plan->credential)
		return 0;
	if (auth_asks_caller(auth)) { /* on_behalf_begin() adds it */
		r->x->on_behalf.token = arena_dup(a, r->found.caller_token);
		r->x->on_behalf.expires_s = r->found.identity.expires_s;
		return arena_failed(a) ? ERR_NOMEM : 0;
	}
	/* Hash of the bytes that are sent. BODY_COPY forwards exactly the decided bytes. */
	if (auth_signs_body(auth))
		sha256(plan->body_mode == BODY_SWAP    ? plan->body
			: plan->body_mode == BODY_COPY ? r->in.body_raw
						       : SPAN_LIT(""),
			body);
	int err = auth_fields(auth, a, out, body, &fields);
	r->x->credential.generation = fields.generation;
	for (size_t i = 0; i < fields.n && !err; i++)
		out->fields[out->nfields++] = fields.field[i];
	return err;
}

/* Returns true if an event stream in the response has no end of its own (GET,
 * subscriptions/listen). Streams that the server begins by itself: GET (2025),
 * subscriptions/listen (2026). */
static bool
request_stays(const struct request *r)
{
	const struct found_message *f = r->found.message;

	return request_is_mcp(r) &&
	       (span_is(r->in.head.method, "GET") ||
		       (f && span_is(f->said.method, "subscriptions/listen")));
}

/* Returns how a denial of the response begins, in `own`; NULL: no id waits for a response, or
 * out of memory. */
static const struct mcp_refusal *
request_message_refusal(const struct request *r, struct arena *own)
{
	struct mcp_refusal *out;
	int status;

	if (!r->found.message || r->found.message->said.kind != MCP_REQUEST ||
		!(out = arena_new(own, struct mcp_refusal)))
		return NULL;
	*out = (struct mcp_refusal){ 0 };
	mcp_denied(&r->found.message->said, out, &status);
	out->id = arena_dup(own, out->id);
	out->code = MCP_CODE_DENIED;
	return out;
}

int
exchange_head(struct request *r, struct arena *a, struct http_head *out)
{
	const struct target *to = request_target(r);
	size_t more = 6 + AUTH_FIELDS, rule = 0, at = 0;

	while (request_header(r, &rule, &at))
		more++;
	*out = (struct http_head){ .method = arena_dup(a, r->in.head.method) };
	out->fields = arena_array(a, r->in.head.nfields + more, sizeof(*out->fields));
	if (!out->fields)
		return ERR_NOMEM;
	struct span target = arena_dup(a, request_target_sent(r));
	out->has_query = span_chr(target, '?') < target.n;
	out->path = span_next(&target, '?');
	out->query = target;
	const struct mcp_message *now = request_message_sent(r);
	for (size_t i = 0; i < r->in.head.nfields; i++) {
		const struct http_field *f = &r->in.head.fields[i];
		struct span value = f->value;
		if (request_is_param(r, f->name))
			value = request_param_sent(r, f->name, value, now);
		if (request_is_session(r, f->name))
			value = r->found.session;
		if (r->found.joined && !request_joined_field(r, f->name, &value))
			continue;
		if (request_sends(r, f->name, value))
			out->fields[out->nfields++] =
				(struct http_field){ arena_dup(a, f->name),
					arena_dup(a, value) };
	}
	r->x->plan.mcp = request_message_refusal(r, a);
	r->x->plan.listens = r->found.message &&
			     span_is(r->found.message->said.method, "subscriptions/listen");
	r->x->plan.sessions = request_is_mcp(r);
	r->x->plan.stays = request_stays(r);
	/* a plan that waits for the body has no response yet */
	if (r->x->plan.sessions && r->out.decision.kind != D_DEFER)
		request_session_key(r, r->x->session_key);
	add_set(r, out);
	add_form_fields(r, out);
	if (asks_unencoded(r))
		add_head_field(out, "accept-encoding", SPAN_LIT("identity"));
	add_head_field(out, "x-tollgate-id", arena_dup(a, span_str(r->id)));
	add_head_field(out, "x-tollgate-src", arena_dup(a, r->in.src));
	if (r->found.probe_stops)
		add_head_field(out, "x-tollgate-backend", SPAN_LIT(PROBE_BACKEND));
	else if (to && to->backend)
		add_head_field(out, "x-tollgate-backend", span_str(to->backend));
	int err = add_credential(r, a, out);
	return err ? err : arena_failed(a) || arena_failed(&r->arena) ? ERR_NOMEM : 0;
}

/* Returns the value of the parameter `alt`, by which Gemini's client chooses the stream's
 * format. */
static struct span
query_alt(struct span query)
{
	while (query.n) {
		struct span member = span_next(&query, '&');
		if (span_is(span_next(&member, '='), "alt"))
			return member;
	}
	return query;
}

bool
request_streams_array(const struct request *r)
{
	return !span_is(query_alt(r->in.head.query), "sse");
}
