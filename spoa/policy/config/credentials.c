/* Reads `credentials` of tollgate.yaml, {PROVIDER: {KIND: {…}}}: credentials that the relay
 * adds to requests, because HAProxy cannot compute them or does not hold them. */
#include "policy/config/credentials.h"

#include "base/ascii.h"
#include "base/codec/credentials.h"
#include "base/fetch/http_client.h"
#include "policy/config/read.h"
#include "policy/config/rows.h"

enum { TEXT_MAX = 1024 }; /* bytes of one string */

/* ---- checks of strings: each returns NULL, or the reason why a string is wrong ---- */

/* The string becomes part of a header and of the signed scope, where '/' separates. */
static const char *
scope_name(const char *s)
{
	return span_is_alnum(span_str(s), "._-") ? NULL
						 : "letters, digits, . _ and - are expected";
}

static const char *
host_name(const char *s)
{
	return span_is_alnum(span_str(s), ".-:")
		       ? NULL
		       : "a host name is expected, as the backend sends it";
}

static const char *
printable_value(const char *s)
{
	while (is_graph(*s) || *s == ' ')
		s++;
	return *s ? "printable ASCII is expected" : NULL;
}

/* A secret is sent to this URL, so plain http is accepted within this machine only. */
static const char *
token_url(const char *s)
{
	const char *why = http_url_check(s);

	if (why || !url_leaves_in_clear(s))
		return why;
	return "https, unix:/SOCKET:/PATH or an http listener of this machine is expected, "
	       "because a secret is sent there";
}

static const char *
https_url(const char *s)
{
	return strncmp(s, "https://", 8) ? "https is expected" : http_url_check(s);
}

static const char *
header_set(const char *s)
{
	return read_listed(credential_set, span_str(s))
		       ? NULL
		       : "one of authorization, api-key, x-api-key, x-goog-api-key and "
			 "x-amz-security-token is expected: HAProxy deletes all other headers";
}

/* ---- kinds ---- */

/* clang-format off */
#define A_NAME(member)   A_TEXT_TO(provider_credential, member, TEXT_MAX), NULL
#define A_SECRET(member) A_FILE_TO(provider_credential, member, TEXT_MAX), NULL
static const struct section kinds[BY_KINDS] = {
	[BY_SIGV4] = { "sigv4", .bare = true, .fields = {
		{ "region",  A_NAME(region), scope_name, .needed = true },
		{ "service", A_NAME(service), scope_name, "bedrock" },
		{ "host",    A_NAME(host), host_name },
		{ "file",    A_SECRET(file), .needed = true },
		{ "profile", A_NAME(profile), printable_value, "default" } } },
	[BY_VERTEX] = { "vertex", .bare = true, .fields = {
		{ "service_account_file", A_SECRET(file), .needed = true },
		{ "url",       A_NAME(url), token_url, .needed = true },
		{ "ca_file",   A_SECRET(ca_file) },
		{ "scope",     A_NAME(scope), printable_value, "https://www.googleapis.com/auth/cloud-platform" },
		{ "token_uri", A_NAME(token_uri), https_url } } },
	[BY_ENTRA] = { "entra", .bare = true, .fields = {
		{ "tenant",    A_NAME(token_uri), scope_name, .needed = true },
		{ "client_id", A_NAME(client_id), scope_name, .needed = true },
		{ "client_secret_file", A_SECRET(file), .needed = true },
		{ "authority", A_NAME(url), token_url, .needed = true },
		{ "ca_file",   A_SECRET(ca_file) },
		{ "scope",     A_NAME(scope), printable_value, "https://cognitiveservices.azure.com/.default" } } },
	/* BY_FILE has its keys next to the names of the other kinds */
	[BY_FILE] = { "credentials", .bare = true, .fields = {
		{ "sigv4", OTHER(""), NULL }, { "vertex", OTHER(""), NULL }, { "entra", OTHER(""), NULL },
		{ "header", A_NAME(header), header_set, .needed = true },
		{ "file",   A_SECRET(file), .needed = true },
		{ "prefix", A_NAME(prefix), printable_value } } },
};
/* clang-format on */

/* Completes strings that are derived from others: the host of sigv4, and the token URL of
 * entra. Returns false if memory is exhausted. */
static bool
derive_credential(struct arena *a, struct provider_credential *c)
{
	if (c->kind == BY_SIGV4 && !c->host && c->region)
		c->host =
			arena_printf(a, "%s-runtime.%s.amazonaws.com", c->service, c->region).p;
	if (c->kind == BY_ENTRA && c->url && c->token_uri) {
		struct span base = span_trim(span_str(c->url), "/");
		c->url = arena_printf(
			a, "%.*s/%s/oauth2/v2.0/token", SPAN_ARG(base), c->token_uri)
				 .p;
	}
	return !arena_failed(a);
}

/* Reads the credential of one provider. */
static void
read_one(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct provider_credential *c)
{
	const struct yaml_node *inner = NULL;

	c->kind = BY_FILE;
	for (size_t i = 0; i < BY_FILE; i++) {
		const struct yaml_node *v = yaml_get(n, kinds[i].name);
		if (v && (inner || n->count > 1))
			diag_at(d, v->key,
				"credentials: %s must be the only key: a provider has one "
				"credential",
				kinds[i].name);
		if (v && !inner) {
			c->kind = (enum provider_credential_kind)i;
			inner = v;
		}
	}
	if (!inner || fields_known(d, n, &kinds[BY_FILE]))
		fields_read(a, d, inner ? inner : n, &kinds[c->kind], c);
	if (!derive_credential(a, c))
		diag_at(d, n, "out of memory");
}

void
credentials_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct provider_credential **out, size_t *count)
{
	if (!read_map(d, n, "credentials", NULL, NULL))
		return;
	if (n->count > CREDENTIALS_MAX) {
		diag_at(d, n, "credentials: more than %d", CREDENTIALS_MAX);
		return;
	}
	*out = read_array(a, d, n, n->count + 1, sizeof(**out));
	if (!*out)
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		struct provider_credential *one = &(*out)[*count];
		one->provider = c->key->s.p;
		one->at = c->key;
		one->index = (*count)++;
		read_one(a, d, c, one);
	}
}

/* ---- compare and copy ---- */

bool
credential_same(const struct provider_credential *x, const struct provider_credential *y)
{
	return x->kind == y->kind && str_same(x->provider, y->provider) &&
	       fields_same(&kinds[x->kind], x, y);
}

struct provider_credential *
credential_copy(struct arena *a, const struct provider_credential *c)
{
	struct provider_credential *out = arena_new(a, struct provider_credential);

	if (!out)
		return NULL;
	out->kind = c->kind;
	out->provider = arena_strdup(a, c->provider);
	for (const struct field *f = kinds[c->kind].fields; f->key; f++) {
		const char *text = *(const char *const *)((const char *)c + f->place);
		if (f->kind != FIELD_OTHER && text)
			*(const char **)(void *)((char *)out + f->place) =
				arena_strdup(a, text);
	}
	return arena_failed(a) ? NULL : out;
}
