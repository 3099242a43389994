/* credentials: {PROVIDER: {KIND: {…}}}. A table says what each kind takes. */
#include "policy/config/credentials.h"

#include <stddef.h>

#include "base/ascii.h"
#include "base/attr.h"
#include "base/codec/credentials.h"
#include "base/fetch/http_client.h"
#include "policy/config/read.h"

enum { FIELDS_MAX = 8, TEXT_MAX = 1024 };

/* ---- what a text may be: NULL, or what is wrong with it ---- */

/* It goes into a header, and between the slashes of what is signed. */
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
		       : "a host's name is expected, as its backend sends it";
}

static const char *
printable_value(const char *s)
{
	for (const char *p = s; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			return "printable ASCII is expected";
	return NULL;
}

/* A secret goes there: in clear only within this machine. */
static const char *
token_url(const char *s)
{
	const char *why = http_url_check(s);

	if (why || !url_leaves_in_clear(s))
		return why;
	return "https, unix:/SOCKET:/PATH or an http listener of this machine is expected: a "
	       "secret goes there";
}

static const char *
https_url(const char *s)
{
	return strncmp(s, "https://", 8) ? "https is expected" : http_url_check(s);
}

static const char *
header_set(const char *s)
{
	for (size_t i = 0; credential_set[i]; i++)
		if (!strcmp(s, credential_set[i]))
			return NULL;
	return "one of authorization, api-key, x-api-key, x-goog-api-key and "
	       "x-amz-security-token is expected: HAProxy lets no other pass";
}

/* ---- the table ---- */

#define AT(field) offsetof(struct provider_credential, field)

/* clang-format off */
static const struct kind {
	const char *name; /* NULL: its keys are the provider's own */
	struct field {
		const char *name;
		size_t place;
		bool file, needed;
		const char *fallback;
		const char *(*wrong)(const char *s);
	} fields[FIELDS_MAX];
} kinds[BY_KINDS] = {
	[BY_SIGV4] = { "sigv4", {
		{ "region",  AT(region),  false, true,  NULL,      scope_name },
		{ "service", AT(service), false, false, "bedrock", scope_name },
		{ "host",    AT(host),    false, false, NULL,      host_name },
		{ "file",    AT(file),    true,  true,  NULL,      NULL },
		{ "profile", AT(profile), false, false, "default", printable_value } } },
	[BY_VERTEX] = { "vertex", {
		{ "service_account_file", AT(file), true, true, NULL, NULL },
		{ "url",       AT(url),       false, true,  NULL, token_url },
		{ "ca_file",   AT(ca_file),   true,  false, NULL, NULL },
		{ "scope",     AT(scope),     false, false, "https://www.googleapis.com/auth/cloud-platform", printable_value },
		{ "token_uri", AT(token_uri), false, false, NULL, https_url } } },
	[BY_ENTRA] = { "entra", {
		{ "tenant",             AT(token_uri), false, true, NULL, scope_name },
		{ "client_id",          AT(client_id), false, true, NULL, scope_name },
		{ "client_secret_file", AT(file),      true,  true, NULL, NULL },
		{ "authority",          AT(url),       false, true, NULL, token_url },
		{ "ca_file",            AT(ca_file),   true, false, NULL, NULL },
		{ "scope",              AT(scope),     false, false, "https://cognitiveservices.azure.com/.default", printable_value } } },
	[BY_FILE] = { NULL, {
		{ "header", AT(header), false, true,  NULL, header_set },
		{ "file",   AT(file),   true,  true,  NULL, NULL },
		{ "prefix", AT(prefix), false, false, NULL, printable_value } } },
};
/* clang-format on */

static void
read_field(struct arena *a, struct diag *d, const struct yaml_node *n, const struct field *f,
	struct provider_credential *c)
{
	const struct yaml_node *v = yaml_get(n, f->name);
	const char **out = (const char **)(void *)((char *)c + f->place), *why = NULL;

	*out = f->fallback;
	if (!v) {
		if (f->needed)
			diag_at(d, n->key ? n->key : n, "%s: is missing", f->name);
		return;
	}
	if (f->file ? !read_path(a, d, v, out) : !read_text(d, v, f->name, out))
		return;
	if (strlen(*out) > TEXT_MAX)
		why = "longer than 1024 bytes";
	else if (f->wrong)
		why = f->wrong(*out);
	if (why)
		diag_at(d, v, "%s: %s", f->name, why);
}

static void
read_kind(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct provider_credential *c)
{
	const struct kind *k = &kinds[c->kind];
	const char *names[FIELDS_MAX + 1];
	size_t count = 0;

	while (count < FIELDS_MAX && k->fields[count].name) {
		names[count] = k->fields[count].name;
		count++;
	}
	names[count] = NULL;
	if (k->name && !read_map(d, n, k->name, names, NULL))
		return;
	for (size_t i = 0; i < count; i++)
		read_field(a, d, n, &k->fields[i], c);
}

/* What the texts of a kind say together. */
static bool
complete(struct arena *a, struct provider_credential *c)
{
	if (c->kind == BY_SIGV4 && !c->host && c->region)
		c->host =
			arena_printf(a, "%s-runtime.%s.amazonaws.com", c->service, c->region).p;
	if (c->kind == BY_ENTRA && c->url && c->token_uri) {
		struct span base = span_str(c->url);
		while (base.n && base.p[base.n - 1] == '/')
			base.n--;
		c->url = arena_printf(
			a, "%.*s/%s/oauth2/v2.0/token", SPAN_ARG(base), c->token_uri)
				 .p;
	}
	return !arena_failed(a);
}

static void
read_one(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct provider_credential *c)
{
	static const char *const accepted[] = { "sigv4", "vertex", "entra", "header", "file",
		"prefix", NULL };
	const struct yaml_node *inner = NULL;

	if (!read_map(d, n, "credentials", accepted, NULL))
		return;
	c->kind = BY_FILE;
	for (size_t i = 0; i < BY_FILE; i++) {
		const struct yaml_node *v = yaml_get(n, kinds[i].name);
		if (v && (inner || n->count > 1))
			diag_at(d, v->key,
				"credentials: %s stands alone: a provider has one credential",
				kinds[i].name);
		if (v && !inner) {
			c->kind = (enum provider_credential_kind)i;
			inner = v;
		}
	}
	read_kind(a, d, inner ? inner : n, c);
	if (!complete(a, c))
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

/* ---- comparing, copying ---- */

static const size_t texts[] = { AT(provider), AT(file), AT(region), AT(service), AT(host),
	AT(profile), AT(url), AT(ca_file), AT(scope), AT(token_uri), AT(client_id), AT(header),
	AT(prefix) };

static const char *const *
text_at(const struct provider_credential *c, size_t i)
{
	return (const char *const *)(const void *)((const char *)c + texts[i]);
}

bool
credential_same(const struct provider_credential *x, const struct provider_credential *y)
{
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (!str_same(*text_at(x, i), *text_at(y, i)))
			return false;
	return x->kind == y->kind;
}

struct provider_credential *
credential_copy(struct arena *a, const struct provider_credential *c)
{
	struct provider_credential *out = arena_new(a, struct provider_credential);

	if (!out)
		return NULL;
	out->kind = c->kind;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (*text_at(c, i))
			*(const char **)(void *)((char *)out + texts[i]) =
				arena_strdup(a, *text_at(c, i));
	return arena_failed(a) ? NULL : out;
}
