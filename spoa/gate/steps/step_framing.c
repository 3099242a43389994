/* The step *framing*: denies a head that is ambiguous or not supported, and reads path and
 * query into segments. Also the step *declared*, which checks the body's description in the
 * head. */
#include "gate/steps/steps.h"

#include "gate/limits/limits.h"

#include "base/ascii.h"
#include "base/caps.h"
#include "policy/policy.h"

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

/* Each option names a field to remove, which costs a search of all fields. No client needs more
 * than a few. */
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

/* A WebSocket would stay uninspected for as long as it is open. */
static enum step_result
refuse_socket(struct request *r)
{
	r->found.observed = false;
	return request_deny(r, 501, "not_implemented", "",
		SPAN_LIT("WebSockets are not available during a cutover"));
}

enum step_result
step_framing(struct request *r)
{
	struct span v;
	struct body_refusal why = { 0 };
	struct unread unread = { 0 };

	if (r->gate && request_attempt(r) > 1)
		metric_inc(r->gate->metrics, M_REPEATED);
	if (!request_is_method(r->in.head.method))
		return bad_request(
			r, "invalid_method", "the method must consist of capital letters");
	if (method_is(r, "CONNECT") || method_is(r, "TRACE"))
		return request_deny(r, 501, "not_implemented", "",
			SPAN_LIT("the gateway does not support CONNECT and TRACE"));
	if (http_field_nth(&r->in.head, "upgrade", 0) && !r->in.socket)
		return request_deny(r, 501, "not_implemented", "",
			SPAN_LIT("the gateway supports Upgrade only for WebSockets"));
	if (many_connection_options(r))
		return bad_request(
			r, "invalid_request", "too many Connection options; send fewer");
	if (http_field_one(&r->in.head, "host", &v) < 0)
		return bad_request(r, "ambiguous_host", "several Host fields; send one");
	/* RFC 9110 7.2: Host has no userinfo, which would be a credential */
	if (span_chr(v, '@') < v.n)
		return bad_request(
			r, "invalid_host", "the Host field contains userinfo; remove it");
	r->in.host = host_name(r, v);
	if (request_observe(r) == STEP_DECIDED)
		return STEP_DECIDED;
	if (r->found.observed && r->in.socket)
		return refuse_socket(r);
	if (http_field_one(&r->in.head, "content-type", &v) < 0)
		return bad_request(
			r, "ambiguous_content_type", "several Content-Type fields; send one");
	if (r->in.head.path.n + r->in.head.query.n > CAP_TARGET_BYTES)
		return bad_request(r, "target_too_long",
			"the path and query are too long; send parameters in the body");
	if (target_read(&r->in.head, r->snap->policy->credential_parameters, true, &r->arena,
		    &r->in.target, &r->in.ntarget, &unread, &why) < 0)
		return why.status ? request_refuse(r, &why) : request_overload(r);
	if (!request_unread(r, &unread))
		return request_overload(r);
	return arena_failed(&r->arena) ? request_overload(r) : STEP_NEXT;
}

/* ---- the step *declared* ---- */

/* RFC 9110 8.4: accepts one known coding, or none. */
static enum step_result
check_coding(struct request *r)
{
	struct span v;
	int n = http_field_one(&r->in.head, "content-encoding", &v);

	if (n < 0)
		return request_deny(r, 415, "unsupported_encoding", "",
			SPAN_LIT("several Content-Encoding fields; send one"));
	v = span_trim(v, " \t");
	if (v.n == 0 || span_ieq(v, SPAN_LIT("identity")))
		return STEP_NEXT;
	static const char *const known[] = { "gzip", "x-gzip", "deflate", "br" };
	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (span_ieq(v, span_str(known[i]))) {
			r->in.coding = v;
			return STEP_NEXT;
		}
	return request_deny(r, 415, "unsupported_encoding", "",
		SPAN_LIT("the Content-Encoding is unknown or stacked; send gzip, deflate, br "
			 "or none"));
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
