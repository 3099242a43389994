/* How the cache treats header fields of requests. A field that selects a model, a deployment, an
 * account or the form of the response belongs to the key. A field that describes the client, its
 * connection or a trace does not matter. A request with a field that is not listed is not cached,
 * because a provider may introduce a field that changes responses. Sources: the reference of each
 * API, and the fields that its SDKs, proxies and tracers send. */
#include "base/among.h"
#include "base/search.h"
#include "gate/cache/key.h"

/* clang-format off */
#define FIELD(name, begins, keyed, harmless) { name, sizeof(name) - 1, begins, keyed, harmless }
#define KEYED(name) FIELD(name, false, true, NULL)
#define LEFT(name) FIELD(name, false, false, NULL)
#define BEGIN(name) FIELD(name, true, false, NULL)
#define UNLESS(name, harmless) FIELD(name, false, true, harmless)

/* Sorted by name. */
static const struct cache_field {
	const char *name;
	unsigned char n; /* length of the name */
	bool begins;	 /* the row stands for all names that begin with `name` */
	bool keyed;
	/* Values that do not change a response, separated by spaces; `abc*` matches every
	 * value that begins with abc. The field's value is split at commas and semicolons. If
	 * a part is not listed here, the field is in the key. If this is NULL, the field is
	 * in the key with any value. */
	const char *harmless;
} cache_fields[] = {
	UNLESS("accept", "*/* application/json text/event-stream application/vnd.amazon.eventstream q=* charset=utf-8"),
	UNLESS("accept-charset", "utf-8 * q=*"),
	LEFT("accept-encoding"),
	UNLESS("accept-language", "*"),
	LEFT("akamai-origin-hop"),
	LEFT("amz-sdk-invocation-id"),
	LEFT("amz-sdk-request"),
	KEYED("anthropic-beta"),
	LEFT("anthropic-dangerous-direct-browser-access"),
	KEYED("anthropic-version"),
	KEYED("azureml-model-deployment"),
	LEFT("b3"),
	UNLESS("baggage", "sentry-*"),
	LEFT("cache-control"), /* gate/cached.c obeys it */
	LEFT("cdn-loop"),
	LEFT("cf-connecting-ip"),
	LEFT("cf-connecting-ipv6"),
	LEFT("cf-ipcountry"),
	LEFT("cf-pseudo-ipv4"),
	LEFT("cf-ray"),
	LEFT("cf-visitor"),
	BEGIN("cloudfront-"),
	LEFT("content-digest"),
	LEFT("content-encoding"), /* the decoded body is compared */
	LEFT("content-length"),
	LEFT("content-md5"),
	UNLESS("content-type", "application/json charset=utf-8"),
	KEYED("correlation-context"),
	LEFT("date"),
	LEFT("digest"),
	LEFT("dnt"),
	LEFT("early-data"),
	LEFT("elastic-apm-traceparent"),
	KEYED("extra-parameters"), /* Azure: how to treat unknown members */
	LEFT("fastly-client-ip"),
	UNLESS("forwarded", "for=* by=* proto=*"), /* host= is in the key */
	LEFT("grpc-trace-bin"),
	KEYED("host"),
	LEFT("http-referer"),
	LEFT("idempotency-key"),
	LEFT("newrelic"),
	KEYED("openai-beta"),
	KEYED("openai-organization"),
	KEYED("openai-project"),
	LEFT("origin"),
	LEFT("pragma"),
	LEFT("priority"),
	LEFT("referer"),
	LEFT("repr-digest"),
	LEFT("request-id"),
	BEGIN("sec-ch-ua"),
	BEGIN("sec-fetch-"),
	LEFT("sec-gpc"),
	LEFT("sentry-trace"),
	LEFT("traceparent"),
	LEFT("tracestate"),
	LEFT("true-client-ip"),
	LEFT("uber-trace-id"),
	LEFT("user-agent"),
	LEFT("via"),
	LEFT("want-content-digest"),
	LEFT("x-amz-cf-id"),
	LEFT("x-amz-content-sha256"),
	LEFT("x-amz-date"),
	LEFT("x-amz-user-agent"),
	KEYED("x-amzn-bedrock-guardrailidentifier"),
	KEYED("x-amzn-bedrock-guardrailversion"),
	KEYED("x-amzn-bedrock-performanceconfig-latency"),
	KEYED("x-amzn-bedrock-service-tier"),
	KEYED("x-amzn-bedrock-trace"),
	KEYED("x-amzn-sagemaker-inference-component"),
	KEYED("x-amzn-sagemaker-target-container-hostname"),
	KEYED("x-amzn-sagemaker-target-model"),
	KEYED("x-amzn-sagemaker-target-variant"),
	LEFT("x-amzn-trace-id"),
	LEFT("x-appgw-trace-id"),
	LEFT("x-azure-clientip"),
	LEFT("x-azure-fdid"),
	LEFT("x-azure-ref"),
	LEFT("x-azure-requestchain"),
	LEFT("x-azure-socketip"),
	BEGIN("x-b3-"),
	LEFT("x-client-name"),
	LEFT("x-client-request-id"),
	LEFT("x-cloud-trace-context"),
	LEFT("x-correlation-id"),
	BEGIN("x-datadog-"),
	LEFT("x-envoy-attempt-count"),
	LEFT("x-envoy-decorator-operation"),
	LEFT("x-envoy-expected-rq-timeout-ms"),
	LEFT("x-envoy-external-address"),
	LEFT("x-envoy-internal"),
	LEFT("x-envoy-peer-metadata"),
	LEFT("x-envoy-peer-metadata-id"),
	BEGIN("x-fern-"), /* Cohere's SDKs */
	KEYED("x-forwarded-client-cert"),
	KEYED("x-forwarded-email"),
	LEFT("x-forwarded-for"),
	KEYED("x-forwarded-groups"),
	KEYED("x-forwarded-host"),
	LEFT("x-forwarded-port"),
	KEYED("x-forwarded-prefix"),
	LEFT("x-forwarded-proto"),
	LEFT("x-forwarded-scheme"),
	LEFT("x-forwarded-server"),
	LEFT("x-forwarded-ssl"),
	KEYED("x-forwarded-user"),
	LEFT("x-goog-api-client"),
	KEYED("x-goog-fieldmask"),
	KEYED("x-goog-request-params"),
	KEYED("x-goog-user-project"),
	KEYED("x-hf-bill-to"),
	LEFT("x-idempotency-key"),
	LEFT("x-ms-client-request-id"),
	LEFT("x-ms-return-client-request-id"),
	LEFT("x-ms-useragent"),
	BEGIN("x-newrelic-"),
	LEFT("x-openai-client-user-agent"),
	LEFT("x-original-forwarded-for"),
	KEYED("x-original-host"),
	LEFT("x-ot-span-context"),
	KEYED("x-policy-id"), /* Azure: selects the content filter */
	LEFT("x-real-ip"),
	LEFT("x-request-id"),
	LEFT("x-requested-with"),
	LEFT("x-scheme"),
	LEFT("x-server-timeout"), /* Google's SDKs */
	BEGIN("x-stainless-"), /* OpenAI's, Anthropic's and Groq's SDKs */
	LEFT("x-title"), /* OpenRouter: the client's name, for its rankings */
	LEFT("x-varnish"),
	KEYED("x-vertex-ai-llm-request-type"),
	KEYED("x-vertex-ai-llm-shared-request-type"),
};
/* clang-format on */

/* Returns true if the text equals the pattern, or begins with it if the pattern ends with
 * '*'. */
static bool
is_or_begins(struct span s, struct span pattern)
{
	if (pattern.n > 1 && pattern.p[pattern.n - 1] == '*')
		return span_istarts(s, span_cut(pattern, 0, pattern.n - 1));
	return span_ieq(s, pattern);
}

const char *
cache_field_name(size_t i, bool *begins)
{
	if (i >= COUNT_OF(cache_fields))
		return NULL;
	*begins = cache_fields[i].begins;
	return cache_fields[i].name;
}

bool
cache_field_listed(struct span name, const char *const *list, size_t n)
{
	return span_among(name, list, n, is_or_begins);
}

static bool
is_part_harmless(struct span part, struct span harmless)
{
	while (harmless.n)
		if (is_or_begins(part, span_next(&harmless, ' ')))
			return true;
	return false;
}

static bool
is_value_harmless(struct span value, const char *harmless)
{
	bool all = harmless != NULL;

	while (all && value.n) {
		struct span item = span_next(&value, ',');
		while (all && item.n)
			all = is_part_harmless(
				span_trim(span_next(&item, ';'), " \t"), span_str(harmless));
	}
	return all;
}

/* Returns the row of a name in lower case, or NULL. */
static const struct cache_field *
find_cache_field(struct span name)
{
	/* the last row that does not sort after the name; the row may be a beginning of the
	 * name */
	size_t i = SEARCH_FIRST(COUNT_OF(cache_fields), k,
		span_order(span_of(cache_fields[k].name, cache_fields[k].n), name) <= 0);
	const struct cache_field *f = i ? &cache_fields[i - 1] : NULL;

	if (!f || f->n > name.n || (f->n < name.n && !f->begins))
		return NULL;
	return memcmp(f->name, name.p, f->n) == 0 ? f : NULL;
}

enum cache_field_kind
cache_field_kind(struct span name, struct span value)
{
	char lower[64];

	if (!name.n || name.n > sizeof(lower))
		return CACHE_FIELD_UNKNOWN;
	for (size_t i = 0; i < name.n; i++)
		lower[i] = to_lower(name.p[i]);
	name.p = lower;
	const struct cache_field *f = find_cache_field(name);
	if (!f)
		return CACHE_FIELD_UNKNOWN;
	return !f->keyed || is_value_harmless(value, f->harmless) ? CACHE_FIELD_LEFT
								  : CACHE_FIELD_KEYED;
}
