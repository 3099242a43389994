/* The fields of an answer's head, before it goes: whatever a provider or an MCP server says in
 * one that no table knows is looked through like names and keys, and replaced in place.
 */
#include "codec/http.h"
#include "guard/guard_private.h"

/* Fields whose words are HTTP's, or numbers, hashes and ids of what is on the way: RFC 9110,
 * the W3C's, proxies', providers'. docs/answers.md names all of them. */
static const char *const known[] = { "accept-ranges", "age", "allow", "alt-svc",
	"cache-control", "connection", "content-digest", "content-encoding", "content-language",
	"content-length", "content-md5", "content-range", "content-security-policy",
	"content-security-policy-report-only", "content-type", "cross-origin-embedder-policy",
	"cross-origin-opener-policy", "cross-origin-resource-policy", "date", "digest", "etag",
	"expires", "keep-alive", "last-modified", "mcp-protocol-version", "mcp-session-id",
	"openai-processing-ms", "openai-version", "permissions-policy", "pragma",
	"referrer-policy", "repr-digest", "request-id", "retry-after",
	"strict-transport-security", "timing-allow-origin", "trace-id", "traceparent",
	"tracestate", "transfer-encoding", "upgrade", "vary", "x-cloud-trace-context",
	"x-content-type-options", "x-frame-options", "x-request-id", "x-robots-tag",
	"x-runtime", "x-trace-id", "x-xss-protection" };
/* Of these, values without blanks and @: words, numbers, ids. */
static const char *const families[] = { "access-control-", "anthropic-ratelimit-", "cf-",
	"sec-websocket-", "x-amz-", "x-amzn-", "x-envoy-", "x-goog-", "x-ms-", "x-ratelimit-",
	"x-tollgate-", "x-vercel-" };
/* But for what people say of what they store. */
static const char *const metadata[] = { "x-amz-meta-", "x-goog-meta-", "x-ms-meta-" };

const char *
guard_field_passes(size_t i)
{
	if (i < COUNT_OF(known))
		return known[i];
	i -= COUNT_OF(known);
	return i < COUNT_OF(families) ? families[i] : NULL;
}

static bool
begins_as(struct span name, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_istarts(name, span_str(v[i])))
			return true;
	return false;
}

static bool
passes(struct span name, struct span value)
{
	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (span_ieq(name, span_str(known[i])))
			return true;
	bool free = memchr(value.p, ' ', value.n) || memchr(value.p, '\t', value.n) ||
		    memchr(value.p, '@', value.n);
	return !free && begins_as(name, families, COUNT_OF(families)) &&
	       !begins_as(name, metadata, COUNT_OF(metadata));
}

enum guard_result
guard_fields(struct guard *g, struct http_field *v, size_t n)
{
	for (size_t i = 0; i < n && guard_inspects(g) && !g->failed; i++) {
		struct answer_text t = {
			.kind = KIND_OTHER, .copy = true, .aside = true, .text = v[i].value
		};
		struct span now;
		if (!v[i].value.n || passes(v[i].name, v[i].value) ||
			guard_edit_alone(g, &t, &now) || span_eq(now, v[i].value))
			continue;
		v[i].value = arena_dup(&g->life, now);
		if (!v[i].value.p)
			guard_no_memory(g);
	}
	arena_reset(&g->work);
	return g->failed;
}
