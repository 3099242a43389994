/* The fields of an answer's head, before it goes: whatever a provider or an MCP server says in
 * one that no table knows is looked through like names and keys, and replaced in place.
 */
#include "codec/http.h"
#include "guard/guard_private.h"

/* Fields whose words are HTTP's, or numbers, hashes and ids of what is on the way: RFC 9110,
 * the W3C's, proxies', providers'. */
static const char *const known[] = { "accept-ranges", "age", "allow", "alt-svc",
	"cache-control", "connection", "content-digest", "content-encoding", "content-language",
	"content-length", "content-md5", "content-range", "content-security-policy",
	"content-security-policy-report-only", "content-type", "cross-origin-embedder-policy",
	"cross-origin-opener-policy", "cross-origin-resource-policy", "date", "digest", "etag",
	"expires", "keep-alive", "last-modified", "mcp-protocol-version", "mcp-session-id",
	"nel", "openai-processing-ms", "openai-version", "permissions-policy", "pragma",
	"referrer-policy", "report-to", "reporting-endpoints", "repr-digest", "request-id",
	"retry-after", "server", "server-timing", "strict-transport-security",
	"timing-allow-origin", "trace-id", "traceparent", "tracestate", "trailer",
	"transfer-encoding", "upgrade", "vary", "via", "www-authenticate", "x-cache",
	"x-cloud-trace-context", "x-content-type-options", "x-frame-options", "x-powered-by",
	"x-request-id", "x-robots-tag", "x-runtime", "x-served-by", "x-trace-id",
	"x-xss-protection" };
static const char *const families[] = { "access-control-", "anthropic-ratelimit-", "cf-",
	"sec-websocket-", "x-amz-", "x-amzn-", "x-envoy-", "x-goog-", "x-ms-", "x-ratelimit-",
	"x-tollgate-", "x-vercel-" };

static bool
is_known(struct span name)
{
	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (span_ieq(name, span_str(known[i])))
			return true;
	for (size_t i = 0; i < COUNT_OF(families); i++)
		if (span_istarts(name, span_str(families[i])))
			return true;
	return false;
}

enum guard_result
guard_fields(struct guard *g, struct http_field *v, size_t n)
{
	for (size_t i = 0; i < n && guard_inspects(g) && !g->failed; i++) {
		struct answer_text t = {
			.kind = KIND_OTHER, .copy = true, .aside = true, .text = v[i].value
		};
		struct span now;
		if (is_known(v[i].name) || guard_edit_alone(g, &t, &now) ||
			span_eq(now, v[i].value))
			continue;
		v[i].value = arena_dup(&g->life, now);
		if (!v[i].value.p)
			guard_no_memory(g);
	}
	arena_reset(&g->work);
	return g->failed;
}
