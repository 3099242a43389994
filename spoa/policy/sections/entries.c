/* Reads `identity` of a policy: which credentials the gateway looks for, where, and which
 * issuer or key file verifies them. The keys themselves are read by policy/identity/identity.c,
 * once for each snapshot. RFC 7519, RFC 8725. */
#include "base/ascii.h"
#include "base/codec/cert.h"
#include "base/codec/credentials.h"
#include "base/fetch/http_client.h"
#include "base/fetch/jwks.h"
#include "policy/build.h"
#include "policy/config/config.h"
#include "policy/config/secret.h"
#include "policy/identity_entry.h"
#include "policy/policy.h"

static const char *const demo_keys[] = { "issuer", "audience", "jwks", NULL };

/* RFC 7519 4.1.2 (sub), RFC 8693 4.1 (act) */
static const struct claim_map default_claims = { .person = "sub", .agent = "act.sub" };

/* the claims of the demo issuer's tokens, as in the manual's example */
static const struct claim_map demo_claims = { "sub", "act.sub", "roles", "dept", "clearance",
	"team", "plan" };

static bool
header_ok(struct span s)
{
	return s.n > 0 && s.n <= 64 && span_past(s, 0, is_tchar) == s.n;
}

static void
header_name(struct builder *b, const struct yaml_node *n, const char **out)
{
	/* these fields frame or route the request and cannot be removed from it */
	static const char *const reserved[] = { "host", "connection", "content-length",
		"content-type", "content-encoding", "transfer-encoding", "te", "trailer",
		"upgrade", "expect", "keep-alive", "proxy-connection" };

	if (n->kind != YAML_SCALAR || !header_ok(n->s)) {
		diag_at(b->d, n, "%.*s: the name of a header is expected, found %s",
			SPAN_ARG(read_name(n, "header")), yaml_found(n));
		return;
	}
	char *lower = arena_strdup(b->a, n->s.p);
	if (!lower) {
		diag_at(b->d, n, "out of memory");
		return;
	}
	ascii_lower(lower, strlen(lower));
	if (SPAN_IN(span_str(lower), reserved) ||
		span_starts(span_str(lower), SPAN_LIT("x-tollgate-")))
		diag_at(b->d, n, "%.*s: %s cannot carry a credential",
			SPAN_ARG(read_name(n, "header")), lower);
	*out = lower;
}

static void
entry_header(struct builder *b, const struct yaml_node *n, const char **out)
{
	*out = "authorization";
	if (n)
		header_name(b, n, out);
}

/* query: NAME: a URL parameter with the credential. The gateway removes such parameters before
 * it sends the request to a provider. */
static void
entry_parameter(struct builder *b, const struct yaml_node *n, struct identity_entry *e)
{
	bool name = n->kind == YAML_SCALAR && header_ok(n->s);

	if (!name || !credential_query(n->s)) {
		diag_at(b->d, n,
			"query: a parameter that carries credentials (key, token, "
			"access_token, api_key, jwt or similar) is expected, found %s",
			name ? n->s.p : yaml_found(n));
		return;
	}
	e->header = NULL;
	e->query = arena_strdup(b->a, n->s.p);
	if (!e->query)
		diag_at(b->d, n, "out of memory");
}

static void
read_jwks(struct builder *b, const struct yaml_node *n, struct identity_entry *e)
{
	bool url = n->kind == YAML_SCALAR &&
		   (strstr(n->s.p, "://") || !strncmp(n->s.p, "unix:", 5));
	const char *why = url ? http_url_check(n->s.p) : NULL;

	if (!url)
		build_rotating_path(b, n, &e->jwks_file);
	else if (!strncmp(n->s.p, "http:", 5))
		diag_at(b->d, n,
			"jwks: an https URL is expected, because this server decides which "
			"tokens are accepted");
	else if (why)
		diag_at(b->d, n, "jwks: %s", why);
	else
		e->jwks_url = arena_dup(b->a, n->s).p;
}

static void
claim_path(struct builder *b, const struct yaml_node *c)
{
	/* a path: names with single dots between them */
	if (c->s.p[0] == '.' || c->s.p[c->s.n - 1] == '.' || strstr(c->s.p, ".."))
		diag_at(b->d, c,
			"%s: a claim, or a path of claims such as act.sub, is expected, found "
			"%s",
			c->key->s.p, c->s.p);
}

static void
certificate_field(struct builder *b, const struct yaml_node *c)
{
	if (!cert_field_known(c->s))
		diag_at(b->d, c, "%s: a field of the certificate is expected (%s), found %s",
			c->key->s.p, cert_field_names(), c->s.p);
}

/* Calls fits() for each claim or field of the map, and skips its other keys. */
static void
claim_members(struct builder *b, const struct yaml_node *n, enum section_name which,
	void (*fits)(struct builder *b, const struct yaml_node *c))
{
	static const char *const not_fields[] = { "trust_domain", "realm", "record" };

	for (const struct yaml_node *c = n->child; c; c = c->next)
		if (section_field(which, c->key->s) && !SPAN_IN(c->key->s, not_fields) &&
			c->kind == YAML_SCALAR && c->s.n && !yaml_is_null(c))
			fits(b, c);
}

/* algorithms: with a key set RS, PS, ES and EdDSA are possible, with a secret HS. A public key
 * of a key set is never used as a secret. */
static void
algorithm_set(struct builder *b, const struct yaml_node *n, unsigned possible, unsigned *out)
{
	const struct yaml_node *c = build_each(b, n, "algorithms", NULL, NULL);

	*out = 0;
	for (; c; c = yaml_next(n, c)) {
		enum jws_alg alg = jws_alg_find(c->s);
		if (alg != JWS_ALGS && possible >> alg & 1)
			*out |= 1u << alg;
		else if (alg != JWS_ALGS)
			diag_at(b->d, c, "algorithms: %s needs %s", c->s.p,
				possible == JWS_PUBLIC ? "secret, not jwks"
						       : "jwks, not secret");
		else
			diag_at(b->d, c,
				"algorithms: RS256, RS384, RS512, PS256, PS384, PS512, ES256, "
				"ES384, ES512, EdDSA, or with secret HS256, HS384, HS512 is "
				"expected, found %s",
				c->s.p);
	}
}

static void
issuer_from(struct builder *b, const struct yaml_node *n, const char *what,
	struct identity_entry *e)
{
	const struct yaml_node *at = n->key ? n->key : n, *keys = yaml_get(n, "jwks"),
			       *secret = yaml_get(n, "secret"), *c;

	if ((c = read_needed(b->d, n, at, what, "issuer")))
		read_text(b->d, c, "issuer", &e->issuer);
	if ((c = read_needed(b->d, n, at, what, "audience")))
		read_texts(b->a, b->d, c, "audience", &e->audiences, &e->naudiences);
	if (!keys && !secret)
		diag_at(b->d, at, "%s: jwks is missing: add a file or an https URL", what);
	else if (keys && secret)
		diag_at(b->d, secret->key,
			"secret: the issuer already has jwks: remove one of the two");
	else if (keys)
		read_jwks(b, keys, e);
	else
		read_secret(b->a, b->d, secret, &e->secret);
}

static void
entry_demo(struct builder *b, const struct yaml_node *n, const struct yaml_node *flag,
	struct identity_entry *e)
{
	static const char *const given[] = { "issuer", "audience", "jwks", "secret" };

	for (size_t i = 0; i < COUNT_OF(given); i++) {
		const struct yaml_node *c = yaml_get(n, given[i]);
		if (c)
			diag_at(b->d, c->key, "%s: demo_issuer already sets it: remove it",
				given[i]);
	}
	if (!b->cfg || !b->cfg->demo_issuer) {
		diag_at(b->d, flag, "demo_issuer: tollgate.yaml has no demo_issuer");
		return;
	}
	const struct yaml_node *root = yaml_load_rotating(b->a, b->cfg->demo_issuer, b->d);
	if (root && read_map(b->d, root, "demo issuer", demo_keys, NULL))
		issuer_from(b, root, "demo issuer", e);
	e->claims = demo_claims;
}

static void
entry_jwt(struct builder *b, const struct yaml_node *n, struct identity_entry *e)
{
	static const char *const of_url[] = { "ca_file", "refresh", "max_stale" };
	const struct yaml_node *c;
	bool is_demo = false;

	unsigned possible = yaml_get(n, "secret") ? JWS_SECRET : JWS_PUBLIC;
	e->algorithms = possible;
	e->leeway_s = 60;
	e->refresh_us = 300 * SECOND_US;
	e->stale_us = 86400 * SECOND_US;
	e->claims = default_claims;
	if (!build_section(b, n, SECTION_JWT, e))
		return;
	entry_header(b, yaml_get(n, "header"), &e->header);
	if ((c = yaml_get(n, "query"))) {
		if (yaml_get(n, "header"))
			diag_at(b->d, c->key,
				"query: the entry already has header: write a second entry "
				"for the parameter");
		entry_parameter(b, c, e);
	}
	if ((c = yaml_get(n, "demo_issuer")))
		read_bool(b->d, c, &is_demo);
	if (is_demo)
		entry_demo(b, n, c, e);
	else
		issuer_from(b, n, "jwt", e);
	for (size_t i = 0; i < COUNT_OF(of_url) && !e->jwks_url; i++)
		if ((c = yaml_get(n, of_url[i])))
			diag_at(b->d, c->key, "%s: is only for a jwks that is a URL",
				of_url[i]);
	if ((c = yaml_get(n, "algorithms")))
		algorithm_set(b, c, possible, &e->algorithms);
	if (!(c = yaml_get(n, "claims")))
		return;
	e->claims = default_claims;
	if (build_section(b, c, SECTION_CLAIMS, &e->claims))
		claim_members(b, c, SECTION_CLAIMS, claim_path);
}

static void
api_key(struct builder *b, const struct yaml_node *n, struct identity_entry *e)
{
	if (!build_section(b, n, SECTION_API_KEY, e))
		return;
	entry_header(b, yaml_get(n, "header"), &e->header);
	read_needed(b->d, n, n->key, "api_key", "keys");
}

static void
signed_headers(struct builder *b, const struct yaml_node *n, struct identity_entry *e)
{
	const struct yaml_node *c;

	e->prefix = "x-identity-";
	e->header = "x-identity-signature";
	e->max_skew_s = 60;
	if (!build_section(b, n, SECTION_SIGNED_HEADERS, e))
		return;
	if ((c = yaml_get(n, "prefix"))) {
		header_name(b, c, &e->prefix);
		size_t len = strlen(e->prefix);
		if (len < 3 || e->prefix[len - 1] != '-')
			diag_at(b->d, c,
				"prefix: the beginning of header names, ending with '-', is "
				"expected, found %s",
				e->prefix);
		e->header = arena_printf(b->a, "%ssignature", e->prefix).p;
	}
	if ((c = yaml_get(n, "signature")))
		header_name(b, c, &e->header);
	read_needed(b->d, n, n->key, "signed_headers", "keys");
}

static void
client_certificate(struct builder *b, const struct yaml_node *n, struct identity_entry *e)
{
	e->claims = (struct claim_map){ .person = "subject.CN" };
	for (size_t i = 0; i + 1 < b->p->nidentities; i++)
		if (b->p->identities[i].kind == ID_CERTIFICATE)
			diag_at(b->d, n->key,
				"client_certificate: the list already has such an entry, "
				"which always decides: remove one of the two");
	if (yaml_is_null(n) || !build_section(b, n, SECTION_CLIENT_CERTIFICATE, e))
		return;
	claim_members(b, n, SECTION_CLIENT_CERTIFICATE, certificate_field);
	if (e->trust_domain && strpbrk(e->trust_domain, "/:"))
		diag_at(b->d, yaml_get(n, "trust_domain"),
			"trust_domain: a domain such as acme.org, without scheme and path, is "
			"expected, found %s",
			e->trust_domain);
}

static void
entry_none(struct builder *b, const struct yaml_node *n, const struct yaml_node *item,
	struct identity_entry *e)
{
	e->person = "service-account";
	if (item->next)
		diag_at(b->d, n->key,
			"none: must be the last entry, because entries after it are never "
			"tried");
	if (!yaml_is_null(n))
		build_section(b, n, SECTION_NONE, e);
}

/* realm and record of an entry. A realm cannot contain '/', so that REALM/NAME belongs to one
 * realm, whatever the name is. */
static void
realm_and_record(struct builder *b, const struct yaml_node *n, struct identity_entry *e)
{
	enum { REALM_MAX = 64 };
	const struct yaml_node *c;
	struct span realm = span_str(e->realm);

	if (e->realm && (realm.n < 1 || realm.n > REALM_MAX || !is_alnum(realm.p[0]) ||
				!span_is_alnum(realm, ".-_")))
		diag_at(b->d, yaml_get(n, "realm"),
			"realm: 1 to %d letters, digits, '.', '-' and '_', beginning with a "
			"letter or digit, are expected, found %s",
			REALM_MAX, e->realm);
	if ((c = yaml_get(n, "record")))
		read_texts(b->a, b->d, c, "record", &e->recorded, &e->nrecorded);
}

/* Collects the entries' headers, parameters and prefixes, which no provider may receive.
 * Headers of the fixed list are left out, because they are always removed. */
static void
collect_credential_names(struct builder *b, const struct yaml_node *at)
{
	struct policy *p = b->p;
	const char **names = build_array(b, at, p->nidentities, sizeof(const char *));

	if (!names)
		return;
	for (size_t i = 0; i < p->nidentities; i++) {
		const char *h = p->identities[i].header;
		if (h && !credential_header(span_str(h)) &&
			span_find(span_str(h), names, p->ncredential_headers) ==
				p->ncredential_headers)
			names[p->ncredential_headers++] = h;
	}
	const char **parameters = build_array(b, at, p->nidentities + 1, sizeof(const char *));
	for (size_t i = 0, n = 0; parameters && i < p->nidentities; i++)
		if (p->identities[i].query)
			parameters[n++] = p->identities[i].query;
	p->credential_parameters = parameters;
	p->unusual_credential = p->ncredential_headers > 0;
	p->credential_headers = names;
	const char **prefixes = build_array(b, at, p->nidentities, sizeof(const char *));
	for (size_t i = 0; prefixes && i < p->nidentities; i++)
		if (p->identities[i].prefix)
			prefixes[p->ncredential_prefixes++] = p->identities[i].prefix;
	p->credential_prefixes = prefixes;
}

void
build_identity(struct builder *b, const struct yaml_node *n)
{
	struct yaml_node at = build_at(b, n);
	struct identity_entry *entries;
	void (*const build[])(struct builder *, const struct yaml_node *,
		struct identity_entry *) = { [ID_JWT] = entry_jwt,
		[ID_SIGNED] = signed_headers,
		[ID_CERTIFICATE] = client_certificate,
		[ID_API_KEY] = api_key };

	if (n && !read_list(b->d, n, "identity"))
		n = NULL;
	entries = build_array(b, &at, n ? n->count : 0, sizeof(*entries));
	if (!entries)
		return;
	b->p->identities = entries;
	for (const struct yaml_node *c = n ? n->child : NULL; c; c = c->next) {
		struct identity_entry *e = &entries[b->p->nidentities];
		if (!read_map(b->d, c, "identity", identity_words, NULL))
			continue;
		if (c->count != 1) {
			diag_at(b->d, c,
				"identity: one of jwt, signed_headers, client_certificate, "
				"api_key, none is expected for each entry, found %zu",
				c->count);
			continue;
		}
		for (unsigned k = 0; identity_words[k]; k++)
			if (span_is(c->child->key->s, identity_words[k])) {
				e->kind = (enum identity_kind)k;
				e->at = c->child->key;
				b->p->nidentities++;
				if (e->kind == ID_NONE)
					entry_none(b, c->child, c, e);
				else
					build[k](b, c->child, e);
				if (e->kind != ID_NONE)
					realm_and_record(b, c->child, e);
			}
	}
	collect_credential_names(b, &at);
}
