/* The header fields of requests, by what they mean for the cache. A field that chooses a model,
 * a deployment, an account or the form of the response belongs to the key. A field that
 * describes the client, its connection or a trace does not matter. A field that is not listed
 * has no cache, so that one that a provider introduces tomorrow cannot be missed. Sources: the
 * reference of each API, and what its SDKs, proxies and tracers send. */
#include "base/among.h"
#include "base/search.h"
#include "gate/cache/key.h"

/* Sorted by name. A name that ends with '*' stands for all names that begin so, and no other
 * name of the table begins so. */
static const struct cache_field {
	const char *name;
	bool keyed;
	/* Parts of the value, between commas and semicolons, that do not matter; with blanks
	 * between them, and '*' at the end as in names. A value with other parts is keyed.
	 * NULL: there are none. */
	const char *harmless;
} cache_fields[] = {
	/* clang-format off */
	{ "accept",                                      true,  "*/* application/json text/event-stream application/vnd.amazon.eventstream q=* charset=utf-8" },
	{ "accept-charset",                              true,  "utf-8 * q=*" },
	{ "accept-encoding",                             false, NULL },
	{ "accept-language",                             true,  "*" },
	{ "akamai-origin-hop",                           false, NULL },
	{ "amz-sdk-invocation-id",                       false, NULL },
	{ "amz-sdk-request",                             false, NULL },
	{ "anthropic-beta",                              true,  NULL },
	{ "anthropic-dangerous-direct-browser-access",   false, NULL },
	{ "anthropic-version",                           true,  NULL },
	{ "azureml-model-deployment",                    true,  NULL },
	{ "b3",                                          false, NULL },
	{ "baggage",                                     true,  "sentry-*" },
	{ "cache-control",                               false, NULL }, /* gate/cached.c obeys it */
	{ "cdn-loop",                                    false, NULL },
	{ "cf-connecting-ip",                            false, NULL },
	{ "cf-connecting-ipv6",                          false, NULL },
	{ "cf-ipcountry",                                false, NULL },
	{ "cf-pseudo-ipv4",                              false, NULL },
	{ "cf-ray",                                      false, NULL },
	{ "cf-visitor",                                  false, NULL },
	{ "cloudfront-*",                                false, NULL },
	{ "content-digest",                              false, NULL },
	{ "content-encoding",                            false, NULL }, /* the decoded body is compared */
	{ "content-length",                              false, NULL },
	{ "content-md5",                                 false, NULL },
	{ "content-type",                                true,  "application/json charset=utf-8" },
	{ "correlation-context",                         true,  NULL },
	{ "date",                                        false, NULL },
	{ "digest",                                      false, NULL },
	{ "dnt",                                         false, NULL },
	{ "early-data",                                  false, NULL },
	{ "elastic-apm-traceparent",                     false, NULL },
	{ "extra-parameters",                            true,  NULL }, /* Azure: unknown members */
	{ "fastly-client-ip",                            false, NULL },
	{ "forwarded",                                   true,  "for=* by=* proto=*" }, /* and host= */
	{ "grpc-trace-bin",                              false, NULL },
	{ "host",                                        true,  NULL },
	{ "http-referer",                                false, NULL },
	{ "idempotency-key",                             false, NULL },
	{ "newrelic",                                    false, NULL },
	{ "openai-beta",                                 true,  NULL },
	{ "openai-organization",                         true,  NULL },
	{ "openai-project",                              true,  NULL },
	{ "origin",                                      false, NULL },
	{ "pragma",                                      false, NULL },
	{ "priority",                                    false, NULL },
	{ "referer",                                     false, NULL },
	{ "repr-digest",                                 false, NULL },
	{ "request-id",                                  false, NULL },
	{ "sec-ch-ua*",                                  false, NULL },
	{ "sec-fetch-*",                                 false, NULL },
	{ "sec-gpc",                                     false, NULL },
	{ "sentry-trace",                                false, NULL },
	{ "traceparent",                                 false, NULL },
	{ "tracestate",                                  false, NULL },
	{ "true-client-ip",                              false, NULL },
	{ "uber-trace-id",                               false, NULL },
	{ "user-agent",                                  false, NULL },
	{ "via",                                         false, NULL },
	{ "want-content-digest",                         false, NULL },
	{ "x-amz-cf-id",                                 false, NULL },
	{ "x-amz-content-sha256",                        false, NULL },
	{ "x-amz-date",                                  false, NULL },
	{ "x-amz-user-agent",                            false, NULL },
	{ "x-amzn-bedrock-guardrailidentifier",          true,  NULL },
	{ "x-amzn-bedrock-guardrailversion",             true,  NULL },
	{ "x-amzn-bedrock-performanceconfig-latency",    true,  NULL },
	{ "x-amzn-bedrock-service-tier",                 true,  NULL },
	{ "x-amzn-bedrock-trace",                        true,  NULL },
	{ "x-amzn-sagemaker-inference-component",        true,  NULL },
	{ "x-amzn-sagemaker-target-container-hostname",  true,  NULL },
	{ "x-amzn-sagemaker-target-model",               true,  NULL },
	{ "x-amzn-sagemaker-target-variant",             true,  NULL },
	{ "x-amzn-trace-id",                             false, NULL },
	{ "x-appgw-trace-id",                            false, NULL },
	{ "x-azure-clientip",                            false, NULL },
	{ "x-azure-fdid",                                false, NULL },
	{ "x-azure-ref",                                 false, NULL },
	{ "x-azure-requestchain",                        false, NULL },
	{ "x-azure-socketip",                            false, NULL },
	{ "x-b3-*",                                      false, NULL },
	{ "x-client-name",                               false, NULL },
	{ "x-client-request-id",                         false, NULL },
	{ "x-cloud-trace-context",                       false, NULL },
	{ "x-correlation-id",                            false, NULL },
	{ "x-datadog-*",                                 false, NULL },
	{ "x-envoy-attempt-count",                       false, NULL },
	{ "x-envoy-decorator-operation",                 false, NULL },
	{ "x-envoy-expected-rq-timeout-ms",              false, NULL },
	{ "x-envoy-external-address",                    false, NULL },
	{ "x-envoy-internal",                            false, NULL },
	{ "x-envoy-peer-metadata",                       false, NULL },
	{ "x-envoy-peer-metadata-id",                    false, NULL },
	{ "x-fern-*",                                    false, NULL }, /* Cohere's SDKs */
	{ "x-forwarded-client-cert",                     true,  NULL },
	{ "x-forwarded-email",                           true,  NULL },
	{ "x-forwarded-for",                             false, NULL },
	{ "x-forwarded-groups",                          true,  NULL },
	{ "x-forwarded-host",                            true,  NULL },
	{ "x-forwarded-port",                            false, NULL },
	{ "x-forwarded-prefix",                          true,  NULL },
	{ "x-forwarded-proto",                           false, NULL },
	{ "x-forwarded-scheme",                          false, NULL },
	{ "x-forwarded-server",                          false, NULL },
	{ "x-forwarded-ssl",                             false, NULL },
	{ "x-forwarded-user",                            true,  NULL },
	{ "x-goog-api-client",                           false, NULL },
	{ "x-goog-fieldmask",                            true,  NULL },
	{ "x-goog-request-params",                       true,  NULL },
	{ "x-goog-user-project",                         true,  NULL },
	{ "x-hf-bill-to",                                true,  NULL },
	{ "x-idempotency-key",                           false, NULL },
	{ "x-ms-client-request-id",                      false, NULL },
	{ "x-ms-return-client-request-id",               false, NULL },
	{ "x-ms-useragent",                              false, NULL },
	{ "x-newrelic-*",                                false, NULL },
	{ "x-openai-client-user-agent",                  false, NULL },
	{ "x-original-forwarded-for",                    false, NULL },
	{ "x-original-host",                             true,  NULL },
	{ "x-ot-span-context",                           false, NULL },
	{ "x-policy-id",                                 true,  NULL }, /* Azure: which content filter */
	{ "x-real-ip",                                   false, NULL },
	{ "x-request-id",                                false, NULL },
	{ "x-requested-with",                            false, NULL },
	{ "x-scheme",                                    false, NULL },
	{ "x-server-timeout",                            false, NULL }, /* Google's SDKs */
	{ "x-stainless-*",                               false, NULL }, /* OpenAI's, Anthropic's and Groq's SDKs */
	{ "x-title",                                     false, NULL }, /* OpenRouter: who asks, for its rankings */
	{ "x-varnish",                                   false, NULL },
	{ "x-vertex-ai-llm-request-type",                true,  NULL },
	{ "x-vertex-ai-llm-shared-request-type",         true,  NULL },
	/* clang-format on */
};

/* True if the text is the pattern, or begins with it where the pattern ends with '*'. */
static bool
is_or_begins(struct span s, struct span pattern)
{
	if (pattern.n > 1 && pattern.p[pattern.n - 1] == '*')
		return span_istarts(s, span_cut(pattern, 0, pattern.n - 1));
	return span_ieq(s, pattern);
}

const char *
cache_field_name(size_t i)
{
	return i < COUNT_OF(cache_fields) ? cache_fields[i].name : NULL;
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

enum cache_field_kind
cache_field_kind(struct span name, struct span value)
{
	char lower[64];
	const struct cache_field *f;

	if (!name.n || name.n > sizeof(lower))
		return CACHE_FIELD_UNKNOWN;
	for (size_t i = 0; i < name.n; i++)
		lower[i] = to_lower(name.p[i]);
	name.p = lower;
	/* '*' is before all that names have: the last row that is not after the name */
	size_t i = SEARCH_FIRST(COUNT_OF(cache_fields), k,
		span_order(span_str(cache_fields[k].name), name) <= 0);
	if (!i || !is_or_begins(name, span_str((f = &cache_fields[i - 1])->name)))
		return CACHE_FIELD_UNKNOWN;
	return !f->keyed || is_value_harmless(value, f->harmless) ? CACHE_FIELD_LEFT
								  : CACHE_FIELD_KEYED;
}
