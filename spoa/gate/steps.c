/* The steps of a decision, in the order of the path, and those of them that read
 * the head: framing, declared body, route, identity. Whatever can be refused from the head
 * alone is refused here, before a byte of the body is looked at. */
#include "gate/request.h"

#include <stdio.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/log.h"
#include "gate/gate_private.h"

/* clang-format off */
const struct step steps[] = {
	{ "framing",  step_framing,  false }, /* what is ambiguous: 400, 501 */
	{ "target",   step_target,   false }, /* what data is in path and query */
	{ "declared", step_declared, false }, /* the body as the head describes it: 413, 415 */
	{ "match",    step_match,    false }, /* which route: 404 */
	{ "identity", step_identity, false }, /* who is asking; may wait for an issuer's keys: 401, 403, 503 */
	{ "read",     step_read,     true  }, /* the body's segments; skipped while it is not whole */
	{ "classify", step_classify, true  }, /* what data is inside */
	{ "data",     step_data,     false }, /* what conditions read from outside; may wait for it: 503 */
	{ "external", step_external, false }, /* what others find in it; may wait for them */
	{ "policy",   step_policy,   true  }, /* what the policy in force says */
	{ "mentions", step_mentions, true  }, /* where else what is redacted stands, and credentials */
	{ "rewrite",  step_rewrite,  true  }, /* the body and the target to send */
	{ "quota",    step_quota,    false }, /* reserve; may wait for Redis */
	{ "audit",    step_audit,    false }, /* the record is durable; waits for the disk */
};
/* clang-format on */
const size_t nsteps = sizeof(steps) / sizeof(steps[0]);

_Static_assert(STEP_READ == 5, "steps[STEP_READ] must be step_read");

/* What a policy's routes may name. */
bool
request_is_method(struct span m)
{
	for (size_t i = 0; i < m.n; i++)
		if (!is_upper(m.p[i]) && m.p[i] != '-' && m.p[i] != '_')
			return false;
	return m.n > 0 && m.n <= CAP_METHOD_BYTES;
}

static bool
method_is(const struct request *r, const char *m)
{
	return span_is(r->in.head.method, m);
}

static enum step_result
bad_request(struct request *r, const char *code, const char *why)
{
	return request_deny(r, 400, code, "", span_str(why));
}

/* RFC 9110 8.4: one known coding, or none. */
static enum step_result
check_coding(struct request *r)
{
	struct span v;
	int n = http_field_one(&r->in.head, "content-encoding", &v);

	if (n < 0)
		return request_deny(r, 415, "unsupported_encoding", "",
			SPAN_LIT("several Content-Encoding fields"));
	v = span_trim(v, " \t");
	if (v.n == 0 || span_ieq(v, SPAN_LIT("identity")))
		return STEP_NEXT;
	static const char *const known[] = { "gzip", "x-gzip", "deflate", "br" };
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (span_ieq(v, span_str(known[i]))) {
			r->in.coding = v;
			return STEP_NEXT;
		}
	return request_deny(r, 415, "unsupported_encoding", "",
		SPAN_LIT("the Content-Encoding is unknown or stacked; send gzip, deflate, br "
			 "or none"));
}

/* "Host: Example.com:8443" → "example.com"; "[::1]:80" → "[::1]". */
static struct span
host_name(struct request *r, struct span v)
{
	size_t end = v.n;

	if (v.n && v.p[0] == '[')
		end = span_chr(v, ']') + 1;
	else
		end = span_chr(v, ':');
	struct span h = arena_dup(&r->arena, span_cut(v, 0, end));
	ascii_lower((char *)h.p, h.n);
	/* One trailing dot names the same host (RFC 1034 3.1). */
	if (h.n > 1 && h.p[h.n - 1] == '.')
		h.n--;
	return h;
}

/* Each names a field to drop; nobody has more than a few, and every one costs a
 * look at all fields. */
static bool
many_connection_options(const struct request *r)
{
	const struct http_field *f;
	size_t n = 0;

	for (size_t i = 0; (f = http_field_nth(&r->in.head, "connection", i)); i++)
		for (struct span rest = f->value; rest.n; n++)
			span_next(&rest, ',');
	return n > CAP_CONNECTION_OPTIONS;
}

enum step_result
step_framing(struct request *r)
{
	struct span v;
	struct body_refusal why = { 0 };
	struct unread unread = { 0 };

	if (!request_is_method(r->in.head.method))
		return bad_request(r, "invalid_method", "the method is no word of capitals");
	if (method_is(r, "CONNECT") || method_is(r, "TRACE"))
		return request_deny(r, 501, "not_implemented", "",
			SPAN_LIT("CONNECT and TRACE are not served here"));
	if (http_field_nth(&r->in.head, "upgrade", 0))
		return request_deny(
			r, 501, "not_implemented", "", SPAN_LIT("Upgrade is not served here"));
	if (many_connection_options(r))
		return bad_request(r, "invalid_request", "too many Connection options");
	if (http_field_one(&r->in.head, "host", &v) < 0)
		return bad_request(r, "ambiguous_host", "several Host fields");
	/* RFC 9110 7.2: a Host has no userinfo; where there is one it is a credential. */
	if (span_chr(v, '@') < v.n)
		return bad_request(r, "invalid_host", "the Host field holds userinfo");
	r->in.host = host_name(r, v);
	if (http_field_one(&r->in.head, "content-type", &v) < 0)
		return bad_request(r, "ambiguous_content_type", "several Content-Type fields");
	if (r->in.head.path.n + r->in.head.query.n > CAP_TARGET_BYTES)
		return bad_request(r, "target_too_long", "the path and query are too long");
	if (target_read(&r->in.head, &r->arena, &r->in.target, &r->in.ntarget, &unread, &why) <
		0)
		return why.status ? request_deny(r, why.status, why.code, "",
					    arena_dup(&r->arena, span_str(why.why)))
				  : request_overload(r);
	if (!request_unread(r, &unread))
		return request_overload(r);
	return arena_failed(&r->arena) ? request_overload(r) : STEP_NEXT;
}

enum step_result
step_declared(struct request *r)
{
	enum step_result coded = check_coding(r);
	if (coded != STEP_NEXT)
		return coded;
	uint64_t cap = r->snap->cfg ? r->snap->cfg->body_bytes : CAP_BODY_BYTES;
	if (r->in.declared_length >= 0 && (uint64_t)r->in.declared_length > cap)
		return request_deny(r, 413, "request_too_large", "",
			arena_printf(&r->arena, "the body is larger than %llu bytes",
				(unsigned long long)cap));
	return STEP_NEXT;
}

/* A path segment that chose the route is read by routing: a finding in it is
 * denied, not rewritten. */
static void
reserve_matched(struct request *r)
{
	size_t matched = 0;

	for (size_t i = 0; i < r->found.route->npaths; i++)
		if (span_is(r->in.head.path, r->found.route->paths[i]))
			matched = r->in.head.path.n;
	for (size_t i = 0; i < r->found.route->nprefixes && matched == 0; i++)
		if (span_starts(r->in.head.path, span_str(r->found.route->prefixes[i])))
			matched = strlen(r->found.route->prefixes[i]);
	for (size_t i = 0; i < r->in.ntarget; i++)
		if (r->in.target[i].role == ROLE_PATH && r->in.target[i].start < matched)
			r->in.target[i].reserved = true;
}

enum step_result
step_match(struct request *r)
{
	r->found.route =
		policy_route(r->snap->policy, r->in.head.method, r->in.host, r->in.head.path);
	if (!r->found.route)
		return request_deny(r, 404, "no_route", "",
			SPAN_LIT("no route of the policy matches this method, host and path"));
	r->found.dialect = r->found.route->dialect ? r->found.route->dialect
						   : dialect_for_path(r->in.head.path);
	reserve_matched(r);
	return STEP_NEXT;
}

/* An API key with scopes is for the routes they name. */
static bool
in_scope(const struct request *r)
{
	for (size_t i = 0; i < r->found.identity.nscopes; i++)
		if (!strcmp(r->found.identity.scopes[i], r->found.route->name))
			return true;
	return r->found.identity.nscopes == 0;
}

/* The issuer's keys came, or did not. */
static void
keys_came(struct mail *m, void *consumer)
{
	struct request *r = CONTAINER_OF(m, struct request, run.keys_waiter.mail);

	(void)consumer;
	r->run.pending--;
	if (r->run.answered) {
		request_late(r);
		return;
	}
	r->run.wait = WAIT_NONE;
	gate_resume(r);
}

/* The token's key is not known, or no key of its issuer: what the issuer says now decides,
 * once. */
static enum step_result
without_key(struct request *r, const struct credentials *given, int missing)
{
	r->found.identity = (struct identity){ .method = "none" };
	if (r->gate && !r->run.waited_for_keys) {
		r->run.waited_for_keys = true;
		r->run.keys_waiter.mail.run = keys_came;
		r->run.keys_waiter.to = r->gate->mail;
		r->run.keys_waiter.since_us = r->begun_us;
		r->run.pending++;
		r->run.wait = WAIT_KEYS;
		if (keyset_wait(given->missed, &r->run.keys_waiter))
			return STEP_WAIT;
		r->run.pending--;
		r->run.wait = WAIT_NONE;
	}
	if (missing == IDENTITY_MISSED)
		return request_deny(
			r, 401, NULL, "", SPAN_LIT("the credential does not verify"));
	enum step_result d = request_deny(r, 503, "identity_unavailable", "",
		SPAN_LIT("the issuer's keys are not known"));
	r->out.decision.retry_after_s = 1;
	return d;
}

enum step_result
step_identity(struct request *r)
{
	const char *why = "";
	bool hit = false;
	struct snapshot_local *mine = snapshot_mine(r->snap, r->worker);

	if (!mine)
		return request_overload(r);
	struct credentials given = { .head = &r->in.head,
		.certificate = r->in.certificate,
		.certificate_refused = r->in.certificate_refused,
		.nonces = r->gate ? r->gate->shared->nonces : NULL };
	int err = identity_verify(r->snap->policy, r->snap->keys, r->gate ? mine->cache : NULL,
		&given, r->now_wall_ns, &r->arena, &r->found.identity, &why, &hit);
	if (err == IDENTITY_MISSED || err == IDENTITY_KEYLESS) {
		log_event(LOG_INFO, "credential.refused", LS("id", r->id), LS("why", why));
		return without_key(r, &given, err);
	}
	if (err == ERR_AUTH) {
		log_event(LOG_INFO, "credential.refused", LS("id", r->id), LS("why", why));
		r->found.identity = (struct identity){ .method = "none" };
		return request_deny(
			r, 401, NULL, "", SPAN_LIT("the credential does not verify"));
	}
	if (err < 0)
		return request_overload(r);
	r->found.identified = true;
	if (request_keep_credential(r, given.verified) < 0)
		return request_overload(r);
	if (!in_scope(r))
		return request_deny(r, 403, "permission_denied", "",
			SPAN_LIT("the API key is not for this route"));
	return r->gate ? request_hold_identity(r) : STEP_NEXT;
}
