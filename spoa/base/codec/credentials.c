/* The list of names that carry credentials, and the matching of header names and query
 * parameters against the list. Headers are matched strictly, as HAProxy's expression does. Query
 * parameters are matched loosely, because parsers of queries accept many spellings. Example:
 * "api%5Fkey", "Api-Key" and "api_key[]" all match "api-key". */
#include "base/codec/credentials.h"

#include "base/among.h"
#include "base/ascii.h"
#include "base/codec/uri.h"

/* The first rows are headers of the vendors, of gateways in front of them (Azure, AWS, GCP,
 * Kong, Cloudflare), of proxies that log people in, and of billing accounts. The last rows are
 * names that have this meaning only in a query. */
/* clang-format off */
#define N(name) name, sizeof(name) - 1
const struct credential_name credential_names[] = {
	{ N("authorization"),             CREDENTIAL_BOTH },
	{ N("access-key"),                CREDENTIAL_BOTH },
	{ N("access-key-id"),             CREDENTIAL_BOTH },
	{ N("access-token"),              CREDENTIAL_BOTH },
	{ N("admin-key"),                 CREDENTIAL_BOTH },
	{ N("admin-token"),               CREDENTIAL_BOTH },
	{ N("anthropic-key"),             CREDENTIAL_BOTH },
	{ N("api-key"),                   CREDENTIAL_BOTH },
	{ N("api-token"),                 CREDENTIAL_BOTH },
	{ N("app-key"),                   CREDENTIAL_BOTH },
	{ N("app-token"),                 CREDENTIAL_BOTH },
	{ N("auth-key"),                  CREDENTIAL_BOTH },
	{ N("auth-token"),                CREDENTIAL_BOTH },
	{ N("authentication"),            CREDENTIAL_BOTH },
	{ N("authorization-token"),       CREDENTIAL_BOTH },
	{ N("bearer"),                    CREDENTIAL_BOTH },
	{ N("bearer-token"),              CREDENTIAL_BOTH },
	{ N("bot-token"),                 CREDENTIAL_BOTH },
	{ N("client-key"),                CREDENTIAL_BOTH },
	{ N("cookie"),                    CREDENTIAL_BOTH },
	{ N("credential"),                CREDENTIAL_BOTH },
	{ N("credentials"),               CREDENTIAL_BOTH },
	{ N("functions-key"),             CREDENTIAL_BOTH },
	{ N("gateway-token"),             CREDENTIAL_BOTH },
	{ N("github-token"),              CREDENTIAL_BOTH },
	{ N("gitlab-token"),              CREDENTIAL_BOTH },
	{ N("hf-token"),                  CREDENTIAL_BOTH },
	{ N("id-token"),                  CREDENTIAL_BOTH },
	{ N("jwt"),                       CREDENTIAL_BOTH },
	{ N("jwt-assertion"),             CREDENTIAL_BOTH },
	{ N("jwt-token"),                 CREDENTIAL_BOTH },
	{ N("master-key"),                CREDENTIAL_BOTH },
	{ N("oauth-token"),               CREDENTIAL_BOTH },
	{ N("openai-key"),                CREDENTIAL_BOTH },
	{ N("passwd"),                    CREDENTIAL_BOTH },
	{ N("password"),                  CREDENTIAL_BOTH },
	{ N("private-key"),               CREDENTIAL_BOTH },
	{ N("private-token"),             CREDENTIAL_BOTH },
	{ N("proxy-token"),               CREDENTIAL_BOTH },
	{ N("refresh-token"),             CREDENTIAL_BOTH },
	{ N("secret"),                    CREDENTIAL_BOTH },
	{ N("secret-key"),                CREDENTIAL_BOTH },
	{ N("security-token"),            CREDENTIAL_BOTH },
	{ N("service-key"),               CREDENTIAL_BOTH },
	{ N("service-token"),             CREDENTIAL_BOTH },
	{ N("session-token"),             CREDENTIAL_BOTH },
	{ N("subscription-key"),          CREDENTIAL_BOTH },
	{ N("user-key"),                  CREDENTIAL_BOTH },
	{ N("user-token"),                CREDENTIAL_BOTH },
	{ N("vault-token"),               CREDENTIAL_BOTH },
	{ N("virtual-key"),               CREDENTIAL_BOTH },
	{ N("^auth"),                     CREDENTIAL_BOTH },
	{ N("^key"),                      CREDENTIAL_BOTH },
	{ N("^token"),                    CREDENTIAL_BOTH },
	{ N("^x-auth"),                   CREDENTIAL_BOTH },
	{ N("^x-key"),                    CREDENTIAL_BOTH },
	{ N("^x-token"),                  CREDENTIAL_BOTH },
	{ N("access-client-id"),          CREDENTIAL_HEADER },
	{ N("amzn-oidc-data"),            CREDENTIAL_HEADER },
	{ N("helicone-auth"),             CREDENTIAL_HEADER },
	{ N("ms-client-principal"),       CREDENTIAL_HEADER },
	{ N("^dpop"),                     CREDENTIAL_HEADER },
	{ N("^sec-websocket-protocol"),   CREDENTIAL_HEADER },
	{ N("openai-organization"),       CREDENTIAL_HEADER },
	{ N("openai-project"),            CREDENTIAL_HEADER },
	{ N("anthropic-organization-id"), CREDENTIAL_HEADER },
	{ N("anthropic-workspace-id"),    CREDENTIAL_HEADER },
	{ N("goog-user-project"),         CREDENTIAL_HEADER },
	{ N("amz-signature"),             CREDENTIAL_QUERY },
	{ N("goog-signature"),            CREDENTIAL_QUERY },
	{ N("^sig"),                      CREDENTIAL_QUERY },
	/* names that select another method: Google's $httpMethod, and headers in a query */
	{ N("^http-method"),              CREDENTIAL_QUERY },
	{ N("http-method-override"),      CREDENTIAL_QUERY },
	{ NULL, 0, 0 },
};
/* clang-format on */

static bool
is_dash(char c)
{
	return c == '-' || c == '_';
}

/* Compares from the end. Returns true if `name` is the row's name or ends with it. Between
 * letters, dashes match where the row has a dash, and any dashes match at the end. `loose`: any
 * signs match anywhere. */
static bool
matches_provider_key(struct span name, const struct credential_name *row, bool loose)
{
	bool whole = *row->name == '^';
	const char *from = row->name + whole, *at = row->name + row->n;
	size_t n = name.n;

	for (bool dash = true;; dash = at > from && at[-1] == '-') {
		while (n && (loose ? !is_alnum(name.p[n - 1]) && name.p[n - 1] > 0
				   : dash && is_dash(name.p[n - 1])))
			n--;
		at -= at > from && at[-1] == '-';
		if (at == from)
			return !whole || n == 0;
		if (n == 0 || to_lower(name.p[n - 1]) != at[-1])
			return false;
		n--;
		at--;
	}
}

static bool
is_credential_name(struct span name, const struct credential_name *c, unsigned where)
{
	bool loose = where == CREDENTIAL_QUERY;
	char last = 0;

	/* The last letter is compared first, because most rows differ there. */
	for (size_t n = name.n; n && !last; n--)
		if (loose ? is_alnum(name.p[n - 1]) || name.p[n - 1] <= 0
			  : !is_dash(name.p[n - 1]))
			last = to_lower(name.p[n - 1]);
	for (; c->name; c++)
		if (c->name[c->n - 1] == last && (c->where & where) &&
			matches_provider_key(name, c, loose))
			return true;
	return false;
}

bool
header_overrides(struct span name)
{
	/* clang-format off */
#define H(name) { N(name), CREDENTIAL_HEADER }
	static const struct credential_name rows[] = {
		H("http-method-override"), H("http-method"), H("method-override"), H("^x-method"),
		H("^x-original-method"), H("^x-rewrite-method"), H("original-url"), H("original-uri"),
		H("original-path"), H("rewrite-url"), H("rewrite-uri"), H("rewrite-path"),
		H("^x-override-url"), H("^x-override-uri"), H("^x-http-url-override"),
		H("^x-http-path-override"), H("^x-http-host-override"), H("http-destinationurl"),
		H("^x-forwarded-url"), H("^x-forwarded-uri"), H("^x-forwarded-path"), H("forwarded-prefix"),
		H("forwarded-method"), H("original-host"), H("^x-proxy-url"), H("^x-proxy-uri"),
		H("arbitrary-url"), H("unencoded-url"), H("^x-request-uri"), H("^x-request-url"),
		H("^x-request-path"), H("^x-host-override"), H("^x-url-override"),
		{ NULL, 0, 0 },
	};
	/* clang-format on */

	return is_credential_name(name, rows, CREDENTIAL_HEADER);
}

const char *const credential_set[] = { "authorization", "api-key", "x-api-key",
	"x-goog-api-key", "x-amz-security-token", NULL };

static const struct span mcp_prefix = { "mcp-", 4 };

bool
credential_header(struct span name)
{
	return !span_istarts(name, mcp_prefix) &&
	       is_credential_name(name, credential_names, CREDENTIAL_HEADER);
}

bool
credential_argument(struct span name)
{
	return span_istarts(name, mcp_prefix) &&
	       is_credential_name(name, credential_names, CREDENTIAL_HEADER);
}

/* ---- queries ---- */

enum { NAME_MAX_BYTES = 128 }; /* bytes; longer than any name of the list, with escapes decoded */

/* Returns the next byte with its escape decoded, also if the decoded byte begins another
 * escape. */
static char
next_byte(struct span *s)
{
	char c = *s->p;
	int byte = uri_escape_at(s->p, s->p + s->n);

	*s = span_cut(*s, byte < 0 ? 1 : 3, s->n);
	while (byte == '%' && s->n >= 2) {
		char again[3] = { '%', s->p[0], s->p[1] };
		int deeper = uri_escape_at(again, again + 3);
		if (deeper < 0)
			break;
		byte = deeper;
		*s = span_cut(*s, 2, s->n);
	}
	return byte < 0 ? c : (char)byte;
}

static bool
in_query(struct span name)
{
	return is_credential_name(name, credential_names, CREDENTIAL_QUERY);
}

/* Recognizes "key", "key[]", "key[a]" and, for parsers that end a name at a NUL, "key\0x". */
static bool
is_parameter(const char *name, size_t n)
{
	struct span s = span_of(name, n);
	size_t nul = span_chr(s, '\0'), bracket = span_chr(s, '[');

	return span_ieq(s, SPAN_LIT("_method")) || in_query(s) ||
	       in_query(span_cut(s, 0, nul)) || (bracket && in_query(span_cut(s, 0, bracket)));
}

/* Returns true if a pair carries a credential. Escaped separators count too, because some
 * parsers decode before they split. */
static bool
is_pair(struct span pair)
{
	char name[NAME_MAX_BYTES];
	size_t n = 0;
	bool value = false;

	while (pair.n) {
		char c = next_byte(&pair);
		bool ends = c == '&' || c == ';';
		if (!value && (ends || c == '=')) {
			if (n <= sizeof(name) && is_parameter(name, n))
				return true;
			n = 0;
		}
		value = ends ? false : value || c == '=';
		if (value || ends)
			continue;
		if (n < sizeof(name))
			name[n] = c;
		n++;
	}
	return !value && n <= sizeof(name) && is_parameter(name, n);
}

/* Returns the piece before the next separator and leaves the rest in *query. */
static struct span
piece_next(struct span *query)
{
	size_t n = 0;

	while (n < query->n && query->p[n] != '&' && query->p[n] != ';')
		n++;
	struct span piece = span_cut(*query, 0, n);
	*query = span_cut(*query, n + 1, query->n);
	return piece;
}

bool
credential_query(struct span query)
{
	while (query.n)
		if (is_pair(piece_next(&query)))
			return true;
	return false;
}

size_t
credential_query_without(struct span query, char *out)
{
	size_t n = 0;

	while (query.n) {
		const char *before = query.p - 1;
		struct span piece = piece_next(&query);
		if (is_pair(piece))
			continue;
		if (n)
			out[n++] = *before;
		memcpy(out + n, piece.p, piece.n);
		n += piece.n;
	}
	return n;
}

static const char *const provider_keys[] = {
#include "base/codec/provider_keys.inc"
};

bool
credential_of_provider(struct span value)
{
	struct span scheme = SPAN_LIT("bearer ");

	if (span_istarts(value, scheme))
		value = span_trim(span_cut(value, scheme.n, value.n), " ");
	return SPAN_AMONG(value, provider_keys, span_istarts);
}

/* ---- headers for providers outside ---- */

/* Most names are from requests of the SDKs that docs/clients.md lists; each other row has its
 * source. transfer-encoding and host are HAProxy's own on the direct path. */
/* clang-format off */
const char *const sent_fields[] = {
	"accept",
	"accept-encoding",
	"amz-sdk-*",
	"anthropic-beta",
	"anthropic-dangerous-direct-browser-access",
	"anthropic-version",
	"azureml-model-deployment",            /* Azure Machine Learning: which deployment */
	"cache-control",
	"content-*",
	"extra-parameters",                    /* Azure AI Inference: treatment of unknown fields */
	"host",
	"idempotency-key",
	"if-*",                                /* RFC 9110 13.1: downloads of files */
	"last-event-id",                       /* MCP: resumes a stream */
	"mcp-*",
	"openai-beta",
	"prefer",                              /* RFC 7240 */
	"range",
	"traceparent",                         /* W3C Trace Context: random ids only */
	"transfer-encoding",
	"user-agent",
	"x-amz-content-sha256",
	"x-amz-date",
	"x-amz-target",
	"x-amz-user-agent",
	"x-amzn-bedrock-*",
	"x-amzn-sagemaker-*",
	"x-client-request-id",                 /* OpenAI: an id for support */
	"x-fern-*",
	"x-goog-api-client",
	"x-goog-fieldmask",                    /* Google: members of the response */
	"x-goog-request-params",               /* Google: routing of an RPC */
	"x-goog-upload-*",
	"x-ms-client-request-id",
	"x-ms-oai-image-generation-deployment",
	"x-ms-useragent",
	"x-policy-id",                         /* Azure OpenAI: content filter of the request */
	"x-server-timeout",
	"x-stainless-*",
	"x-vertex-ai-llm-*",
	NULL,
};
/* clang-format on */

bool
field_is_sent(struct span name)
{
	char first = name.n ? to_lower(*name.p) : 0;

	for (const char *const *f = sent_fields; *f; f++) {
		const char *p = *f;
		size_t i = 0;
		if (*p != first)
			continue;
		while (i < name.n && *p && *p != '*' && to_lower(name.p[i]) == *p) {
			i++;
			p++;
		}
		if (*p == '*' || (!*p && i == name.n))
			return true;
	}
	return false;
}

/* clang-format off */
static const char *const caller_fields[] = {
	"cf-connecting-ip*",
	"cf-ip*",
	"cf-pseudo-ipv4",
	"client-ip",
	"cloudfront-viewer-*",
	"cluster-client-ip",
	"do-connecting-ip",
	"fastly-client-ip",
	"fly-client-ip",
	"forwarded",
	"forwarded-for",
	"from",
	"proxy-client-ip",
	"referer",
	"remote-addr",
	"true-client-ip",
	"via",
	"wl-proxy-client-ip",
	"x-akamai-edgescape",
	"x-appengine-*",
	"x-azure-clientip",
	"x-azure-socketip",
	"x-client-ip",
	"x-cluster-client-ip",
	"x-envoy-external-address",
	"x-forward-for",
	"x-forwarded*",
	"x-nf-client-connection-ip",
	"x-original-*",
	"x-proxyuser-ip",
	"x-real-ip",
	"x-remote-addr",
	"x-remote-ip",
	"x-source-ip",
	"x-vercel-forwarded-for",
	"x-vercel-ip-*",
	NULL,
};
/* clang-format on */

bool
caller_field(struct span name)
{
	for (const char *const *f = caller_fields; *f; f++) {
		const char *p = *f;
		size_t i = 0;
		for (; i < name.n && *p && *p != '*'; i++, p++)
			if (to_lower(name.p[i]) != *p && !(*p == '-' && name.p[i] == '_'))
				break;
		if (*p == '*' || (!*p && i == name.n))
			return true;
	}
	return false;
}
