/* The one list of names that carry credentials, and how headers and query parsers
 * spell them; see the header for who obeys it. */
#include "codec/credentials.h"

#include "base/ascii.h"
#include "codec/uri.h"

/* Headers first: those of the vendors, of gateways in front of them (Azure, AWS, GCP,
 * Kong, Cloudflare), of proxies that sign people in, and what accounts are billed by.
 * Then the names that only a query gives this meaning. */
/* clang-format off */
const struct credential_name credential_names[] = {
	{ "authorization",             CREDENTIAL_BOTH },
	{ "access-key",                CREDENTIAL_BOTH },
	{ "access-key-id",             CREDENTIAL_BOTH },
	{ "access-token",              CREDENTIAL_BOTH },
	{ "admin-key",                 CREDENTIAL_BOTH },
	{ "admin-token",               CREDENTIAL_BOTH },
	{ "anthropic-key",             CREDENTIAL_BOTH },
	{ "api-key",                   CREDENTIAL_BOTH },
	{ "api-token",                 CREDENTIAL_BOTH },
	{ "app-key",                   CREDENTIAL_BOTH },
	{ "app-token",                 CREDENTIAL_BOTH },
	{ "auth-key",                  CREDENTIAL_BOTH },
	{ "auth-token",                CREDENTIAL_BOTH },
	{ "authentication",            CREDENTIAL_BOTH },
	{ "authorization-token",       CREDENTIAL_BOTH },
	{ "bearer",                    CREDENTIAL_BOTH },
	{ "bearer-token",              CREDENTIAL_BOTH },
	{ "bot-token",                 CREDENTIAL_BOTH },
	{ "client-key",                CREDENTIAL_BOTH },
	{ "cookie",                    CREDENTIAL_BOTH },
	{ "credential",                CREDENTIAL_BOTH },
	{ "credentials",               CREDENTIAL_BOTH },
	{ "functions-key",             CREDENTIAL_BOTH },
	{ "gateway-token",             CREDENTIAL_BOTH },
	{ "github-token",              CREDENTIAL_BOTH },
	{ "gitlab-token",              CREDENTIAL_BOTH },
	{ "hf-token",                  CREDENTIAL_BOTH },
	{ "id-token",                  CREDENTIAL_BOTH },
	{ "jwt",                       CREDENTIAL_BOTH },
	{ "jwt-assertion",             CREDENTIAL_BOTH },
	{ "jwt-token",                 CREDENTIAL_BOTH },
	{ "master-key",                CREDENTIAL_BOTH },
	{ "oauth-token",               CREDENTIAL_BOTH },
	{ "openai-key",                CREDENTIAL_BOTH },
	{ "passwd",                    CREDENTIAL_BOTH },
	{ "password",                  CREDENTIAL_BOTH },
	{ "private-key",               CREDENTIAL_BOTH },
	{ "private-token",             CREDENTIAL_BOTH },
	{ "proxy-token",               CREDENTIAL_BOTH },
	{ "refresh-token",             CREDENTIAL_BOTH },
	{ "secret",                    CREDENTIAL_BOTH },
	{ "secret-key",                CREDENTIAL_BOTH },
	{ "security-token",            CREDENTIAL_BOTH },
	{ "service-key",               CREDENTIAL_BOTH },
	{ "service-token",             CREDENTIAL_BOTH },
	{ "session-token",             CREDENTIAL_BOTH },
	{ "subscription-key",          CREDENTIAL_BOTH },
	{ "user-key",                  CREDENTIAL_BOTH },
	{ "user-token",                CREDENTIAL_BOTH },
	{ "vault-token",               CREDENTIAL_BOTH },
	{ "virtual-key",               CREDENTIAL_BOTH },
	{ "^auth",                     CREDENTIAL_BOTH },
	{ "^key",                      CREDENTIAL_BOTH },
	{ "^token",                    CREDENTIAL_BOTH },
	{ "^x-auth",                   CREDENTIAL_BOTH },
	{ "^x-key",                    CREDENTIAL_BOTH },
	{ "^x-token",                  CREDENTIAL_BOTH },
	{ "access-client-id",          CREDENTIAL_HEADER },
	{ "amzn-oidc-data",            CREDENTIAL_HEADER },
	{ "helicone-auth",             CREDENTIAL_HEADER },
	{ "ms-client-principal",       CREDENTIAL_HEADER },
	{ "^dpop",                     CREDENTIAL_HEADER },
	{ "^sec-websocket-protocol",   CREDENTIAL_HEADER },
	{ "openai-organization",       CREDENTIAL_HEADER },
	{ "openai-project",            CREDENTIAL_HEADER },
	{ "anthropic-organization-id", CREDENTIAL_HEADER },
	{ "anthropic-workspace-id",    CREDENTIAL_HEADER },
	{ "goog-user-project",         CREDENTIAL_HEADER },
	{ "amz-signature",             CREDENTIAL_QUERY },
	{ "goog-signature",            CREDENTIAL_QUERY },
	{ "^sig",                      CREDENTIAL_QUERY },
	/* what names another method: Google's $httpMethod, and headers in a query */
	{ "^http-method",              CREDENTIAL_QUERY },
	{ "http-method-override",      CREDENTIAL_QUERY },
	{ NULL, 0 },
};
/* clang-format on */

static bool
is_dash(char c)
{
	return c == '-' || c == '_';
}

/* From the end: `name` is `row`, or ends so, whatever dashes are between the letters
 * where the row has one, and after them. `loose`: anywhere, and any sign for a dash. */
static bool
matches(struct span name, const char *row, bool loose)
{
	bool whole = *row == '^';
	const char *from = row + whole, *at = from + strlen(from);
	size_t n = name.n;

	for (bool dash = true;; dash = at > from && at[-1] == '-') {
		while (n && (loose ? !is_alnum(name.p[n - 1]) && name.p[n - 1] > 0
				   : dash && is_dash(name.p[n - 1])))
			n--;
		at -= at > from && at[-1] == '-';
		if (at == from)
			return !whole || n == 0;
		if (n == 0 || !span_ieq(span_of(&name.p[n - 1], 1), span_of(at - 1, 1)))
			return false;
		n--;
		at--;
	}
}

static bool
named(struct span name, unsigned where)
{
	for (const struct credential_name *c = credential_names; c->name; c++)
		if ((c->where & where) && matches(name, c->name, where == CREDENTIAL_QUERY))
			return true;
	return false;
}

bool
header_overrides(struct span name)
{
	static const char *const names[] = { "http-method-override", "http-method",
		"method-override", "^x-method", "^x-original-method", "^x-rewrite-method",
		"original-url", "original-uri", "original-path", "rewrite-url", "rewrite-uri",
		"rewrite-path", "^x-override-url", "^x-override-uri", "^x-http-url-override",
		"^x-http-path-override", "^x-http-host-override", "http-destinationurl",
		"^x-forwarded-url", "^x-forwarded-uri", "^x-forwarded-path", "forwarded-prefix",
		"forwarded-method", "original-host", "^x-proxy-url", "^x-proxy-uri",
		"arbitrary-url", "unencoded-url", "^x-request-uri", "^x-request-url",
		"^x-request-path", "^x-host-override", "^x-url-override" };

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (matches(name, names[i], false))
			return true;
	return false;
}

bool
credential_header(struct span name)
{
	return named(name, CREDENTIAL_HEADER);
}

/* ---- queries ---- */

enum { NAME_MAX_BYTES = 128 }; /* no name of the list is as long, escapes undone */

/* The next byte with its escape undone, and that of the escape it may spell. */
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

/* "key", "key[]", "key[a]" and, where a NUL ends names, "key\0x". */
static bool
is_parameter(const char *name, size_t n)
{
	struct span s = span_of(name, n);
	size_t nul = span_chr(s, '\0'), bracket = span_chr(s, '[');

	return span_ieq(s, SPAN_LIT("_method")) || named(s, CREDENTIAL_QUERY) ||
	       named(span_cut(s, 0, nul), CREDENTIAL_QUERY) ||
	       (bracket && named(span_cut(s, 0, bracket), CREDENTIAL_QUERY));
}

/* Parsers that decode before they split see a separator that was escaped, too. */
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

/* The piece before the next separator; *query is what is after it. */
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
#include "codec/provider_keys.inc"
};

bool
credential_of_provider(struct span value)
{
	struct span scheme = SPAN_LIT("bearer ");

	if (span_istarts(value, scheme))
		value = span_trim(span_cut(value, scheme.n, value.n), " ");
	for (size_t i = 0; i < COUNT_OF(provider_keys); i++)
		if (span_istarts(value, span_str(provider_keys[i])))
			return true;
	return false;
}
