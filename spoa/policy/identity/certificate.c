/* Client certificates, which HAProxy verified. */
#include "base/codec/cert.h"
#include "base/err.h"
#include "base/sha256.h"
#include "policy/identity/attempt.h"
#include "policy/identity/claims.h"

static const char *
cert_times(const struct token_times *t, int64_t now_s)
{
	if (now_s >= t->exp)
		return "the client certificate has expired";
	return now_s < t->nbf ? "the client certificate is not valid yet" : NULL;
}

int
verify_certificate(const struct attempt *t, const struct identity_entry *e)
{
	unsigned char key[SHA256_BYTES];
	struct cert cert;

	*t->why = "the client certificate was not verified by HAProxy";
	if (t->c->certificate_refused)
		return ERR_AUTH;
	sha256(t->c->certificate, key);
	struct cached *known = t->cache ? idcache_find(t->cache, key) : NULL;
	if (known && known->entry == e) {
		*t->hit = true;
		*t->why = cert_times(&known->times, t->now_s);
		return *t->why ? ERR_AUTH : identity_copy(&known->identity, t->a, t->out);
	}
	int err = cert_read(t->c->certificate, t->a, &cert);
	*t->why = "the client certificate cannot be read";
	if (err)
		return err == ERR_NOMEM ? err : ERR_AUTH;
	struct token_times times = { .exp = cert.not_after_s, .nbf = cert.not_before_s };
	*t->why = cert_times(&times, t->now_s);
	if (*t->why)
		return ERR_AUTH;
	*t->why = "the client certificate is of another trust domain";
	bool several;
	struct span id = cert_one(&cert, "spiffe", &several); /* spiffe://DOMAIN/path */
	id = span_cut(id, strlen("spiffe://"), id.n);
	if (e->trust_domain && !span_is(span_next(&id, '/'), e->trust_domain))
		return ERR_AUTH;
	*t->out = (struct identity){ .method = "client_certificate",
		.verified = true,
		.expires_s = times.exp,
		.issuer = cert_one(&cert, "issuer.CN", &several),
		.key_id = cert_one(&cert, "serial", &several) };
	err = claims_from_cert(&e->claims, &cert, t->a, t->out, t->why);
	if (err == 0)
		err = claims_in_realm(t->p, e, t->a, t->out, t->why);
	if (err == 0 && t->cache)
		idcache_put(t->cache, key, e, t->out, &times, 0);
	return err;
}
