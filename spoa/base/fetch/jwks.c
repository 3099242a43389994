/* Key sets, and verification of signatures, with OpenSSL's EVP functions: RFC 7518 (RSA, EC,
 * HMAC) and RFC 8037 (Ed25519).
 *
 * jwks_load() converts each key of a document to an EVP_PKEY, and skips keys that cannot
 * verify. jwks_verify() finds the key by its `kid` and the algorithm, converts an ECDSA
 * signature to DER, and verifies it. */
#include "base/fetch/jwks.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/caps.h"
#include "base/file_set.h"
#include "base/codec/json_text.h"
#include "base/codec/jws.h"
#include "base/err.h"
#include "base/scoped.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 4096, EC_BYTES_MAX = 66, JWKS_BYTES_MAX = 4 << 20 };

struct key {
	char *kid;     /* id of the key; "": the key has no id */
	/* the algorithms that the key may be used for; a bit for each enum jws_alg */
	unsigned algs;
	EVP_PKEY *pkey;
	unsigned char *secret; /* a shared secret, in place of pkey; NULL: a public key */
	size_t nsecret;
};

struct jwks {
	struct key *keys;
	size_t n;
};

static const struct {
	const char *name, *kty, *crv, *md;
} algs[] = {
#define X(id, name, kty, crv, md) { name, kty, crv, md },
	JWS_ALG_TABLE(X)
#undef X
};

enum jws_alg
jws_alg_find(struct span name)
{
	for (int i = 0; i < JWS_ALGS; i++)
		if (span_is(name, algs[i].name))
			return (enum jws_alg)i;
	return JWS_ALGS;
}

const char *
jws_alg_name(enum jws_alg alg)
{
	return alg < JWS_ALGS ? algs[alg].name : NULL;
}

/* Returns the hash; NULL for EdDSA, which hashes by itself. */
static const EVP_MD *
alg_digest(enum jws_alg alg)
{
	return algs[alg].md ? EVP_get_digestbyname(algs[alg].md) : NULL;
}

/* ---- loading ---- */

static int
decode_member(json_t *o, const char *name, struct arena *a, struct span *out)
{
	struct span v = span_str(json_text_in(o, name));

	return v.n && b64url_decode(v, a, out) == 0 ? 0 : ERR_SYNTAX;
}

static EVP_PKEY *
from_params(const char *type, OSSL_PARAM_BLD *bld)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY *pkey = NULL;

	if (!ctx || !params || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static EVP_PKEY *
rsa_key(json_t *o, struct arena *a, const char **why)
{
	struct span n, e;
	EVP_PKEY *pkey = NULL;

	if (decode_member(o, "n", a, &n) || decode_member(o, "e", a, &e)) {
		*why = "an RSA key needs n and e in base64url";
		return NULL;
	}
	BIGNUM *bn = BN_bin2bn((const unsigned char *)n.p, (int)n.n, NULL);
	BIGNUM *be = BN_bin2bn((const unsigned char *)e.p, (int)e.n, NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	if (!bn || !be || !bld)
		goto out;
	if (BN_num_bits(bn) < RSA_BITS_MIN || BN_num_bits(bn) > RSA_BITS_MAX) {
		*why = "RSA keys must have 2048 to 4096 bits";
		goto out;
	}
	if (!BN_is_odd(be) || BN_is_one(be) || BN_num_bits(be) > 32) {
		*why = "an RSA exponent must be odd, above 1 and within 32 bits";
		goto out;
	}
	if (OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be))
		pkey = from_params("RSA", bld);
out:
	OSSL_PARAM_BLD_free(bld);
	BN_free(bn);
	BN_free(be);
	return pkey;
}

static const struct curve {
	const char *crv, *group;
	size_t bytes; /* bytes of one coordinate of a point */
} curves[] = {
	{ "P-256", "prime256v1", 32 },
	{ "P-384", "secp384r1", 48 },
	{ "P-521", "secp521r1", 66 },
};

static EVP_PKEY *
ec_key(json_t *o, struct arena *a, const char **why)
{
	/* 4: an uncompressed point (SEC 1 2.3.3) */
	unsigned char point[1 + 2 * EC_BYTES_MAX] = { 4 };
	const struct curve *c = curves;
	struct span x, y;
	EVP_PKEY *pkey = NULL;

	while (strcmp(c->crv, json_text_in(o, "crv")))
		c++;
	if (decode_member(o, "x", a, &x) || decode_member(o, "y", a, &y) || x.n != c->bytes ||
		y.n != c->bytes) {
		*why = "an EC key needs x and y, each as long as its curve's field";
		return NULL;
	}
	memcpy(point + 1, x.p, x.n);
	memcpy(point + 1 + x.n, y.p, y.n);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	if (bld &&
		OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, c->group, 0) &&
		OSSL_PARAM_BLD_push_octet_string(
			bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * x.n))
		pkey = from_params("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	return pkey;
}

static EVP_PKEY *
okp_key(json_t *o, struct arena *a, const char **why)
{
	struct span x;

	if (decode_member(o, "x", a, &x) || x.n != 32) {
		*why = "an Ed25519 key needs x of 32 bytes";
		return NULL;
	}
	return EVP_PKEY_new_raw_public_key(
		EVP_PKEY_ED25519, NULL, (const unsigned char *)x.p, x.n);
}

static const struct {
	const char *kty;
	EVP_PKEY *(*make)(json_t *o, struct arena *a, const char **why);
} kinds[] = {
	{ "RSA", rsa_key },
	{ "EC", ec_key },
	{ "OKP", okp_key },
};

/* Returns the algorithms that the key may be used for; 0: none. */
static unsigned
algs_of(json_t *o)
{
	const char *alg = json_text_in(o, "alg");
	unsigned set = 0;

	for (unsigned i = 0; i < JWS_ALGS; i++)
		if (JWS_PUBLIC >> i & 1 && !strcmp(json_text_in(o, "kty"), algs[i].kty) &&
			!strcmp(json_text_in(o, "crv"), algs[i].crv) &&
			(!*alg || !strcmp(alg, algs[i].name)))
			set |= 1u << i;
	return set;
}

/* If a key lists its operations, verifying must be one of them (RFC 7517 4.3). */
static bool
may_verify(json_t *ops)
{
	json_t *one;
	size_t i;

	if (!ops)
		return true;
	json_array_foreach(ops, i, one)
	{
		if (json_is_string(one) && !strcmp(json_string_value(one), "verify"))
			return true;
	}
	return false;
}

/* Adds a key. Returns 1 if it was added; 0 if it was skipped, with *passed if the key itself is
 * faulty; or a negative error with *why. */
static int
add_jwk(struct jwks *k, json_t *o, struct arena *a, const char **passed, const char **why)
{
	const char *use = json_text_in(o, "use");

	if (!json_is_object(o)) {
		*why = "a key must be an object";
		return ERR_SYNTAX;
	}
	if (json_object_get(o, "d")) {
		*why = "the set contains a private key: publish only the public half";
		return ERR_SYNTAX;
	}
	static const char *const texts[] = { "kty", "use", "alg", "crv", "kid" };
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		json_t *v = json_object_get(o, texts[i]);
		if (v && !json_is_string(v)) {
			*why = "kty, use, alg, crv and kid must be strings";
			return ERR_SYNTAX;
		}
	}
	if ((*use && strcmp(use, "sig")) || !may_verify(json_object_get(o, "key_ops")))
		return 0;
	unsigned set = algs_of(o);
	if (!set)
		return 0;
	size_t kind = 0;
	while (strcmp(json_text_in(o, "kty"), kinds[kind].kty))
		kind++;
	EVP_PKEY *pkey = kinds[kind].make(o, a, why);
	if (!pkey) { /* outside the supported ranges, so skipped (RFC 7517 5) */
		*passed = *why ? *why : "the key's numbers are not a valid key";
		*why = NULL;
		return 0;
	}
	char *kid = strdup(json_text_in(o, "kid"));
	if (!kid) {
		EVP_PKEY_free(pkey);
		*why = "out of memory";
		return ERR_NOMEM;
	}
	for (size_t j = 0; j < k->n; j++)
		if (*kid && k->keys[j].algs & set && !strcmp(k->keys[j].kid, kid))
			*why = "two keys have the same kid and algorithm";
	k->keys[k->n++] = (struct key){ .kid = kid, .algs = set, .pkey = pkey };
	return *why ? ERR_DUPLICATE : 1;
}

struct jwks *
jwks_load(struct span text, struct buf *why)
{
	json_error_t err;
	json_auto_t *doc =
		json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &err);
	json_t *keys = json_object_get(doc, "keys");
	struct jwks *k = calloc(1, sizeof(*k));
	const char *bad = NULL, *passed = NULL;

	SCOPED_ARENA(a, JWKS_BYTES_MAX, false);
	if (!doc) /* only the line: the author of a policy under test may name a secret file here */
		buf_printf(why, "line %d: no JSON", err.line);
	else if (!json_is_array(keys))
		buf_str(why, "not a key set: a JSON object with a list `keys` is expected");
	else if (json_array_size(keys) > CAP_JWKS_KEYS)
		buf_printf(why, "more than %d keys", CAP_JWKS_KEYS);
	else if (k)
		k->keys = calloc(json_array_size(keys) + 1, sizeof(*k->keys));
	for (size_t i = 0; k && k->keys && !bad && i < json_array_size(keys); i++)
		if (add_jwk(k, json_array_get(keys, i), &a, &passed, &bad) < 0)
			buf_printf(why, "key %zu: %s", i + 1, bad);
	if (k && k->keys && !bad && k->n == 0) {
		bad = "empty";
		buf_printf(why, "the set has no key for RS, PS, ES256 to 512 or EdDSA%s%s",
			passed ? ": " : "", passed ? passed : "");
	}
	if (!k || !k->keys || bad)
		jwks_free(&k);
	return k;
}

struct jwks *
jwks_load_file(const char *file, struct buf *why)
{
	struct jwks *k = NULL;

	SCOPED_BUF(text, JWKS_BYTES_MAX);
	if (!file_set_read_as(FILE_ROTATES, &text, file))
		buf_printf(why, "%s", strerror(errno));
	else if (buf_failed(&text))
		buf_printf(why, "over %d bytes", JWKS_BYTES_MAX);
	else
		k = jwks_load(buf_view(&text), why);
	return k;
}

struct jwks *
jwks_secret(struct span secret, struct buf *why)
{
	struct jwks *k = calloc(1, sizeof(*k));
	unsigned set = 0;

	for (unsigned i = 0; i < JWS_ALGS; i++)
		if (JWS_SECRET >> i & 1 &&
			(size_t)EVP_MD_get_size(alg_digest((enum jws_alg)i)) <= secret.n)
			set |= 1u << i;
	if (!set)
		buf_str(why, "a shared secret needs at least 32 bytes");
	if (k && set)
		k->keys = calloc(1, sizeof(*k->keys));
	if (!k || !k->keys) {
		free(k);
		return NULL;
	}
	k->n = 1;
	k->keys[0] = (struct key){
		.kid = strdup(""), .algs = set, .secret = malloc(secret.n), .nsecret = secret.n
	};
	if (!k->keys[0].kid || !k->keys[0].secret)
		jwks_free(&k);
	else
		memcpy(k->keys[0].secret, secret.p, secret.n);
	return k;
}

void
jwks_free(struct jwks **kp)
{
	struct jwks *k = *kp;

	if (!k)
		return;
	for (size_t i = 0; i < k->n; i++) {
		free(k->keys[i].kid);
		EVP_PKEY_free(k->keys[i].pkey);
		if (k->keys[i].secret)
			sodium_memzero(k->keys[i].secret, k->keys[i].nsecret);
		free(k->keys[i].secret);
	}
	free(k->keys);
	free(k);
	*kp = NULL;
}

size_t
jwks_count(const struct jwks *k)
{
	return k->n;
}

/* ---- verifying ---- */

static const struct key *
find_jwk(const struct jwks *k, struct span kid, enum jws_alg alg)
{
	const struct key *found = NULL;

	if (alg >= JWS_ALGS)
		return NULL;
	for (size_t i = 0; i < k->n; i++) {
		const struct key *key = &k->keys[i];
		/* A configured secret is the issuer's only one, whatever the kid is. */
		if (!(key->algs >> alg & 1) ||
			(kid.n && !key->secret && !span_is(kid, key->kid)))
			continue;
		if (found)
			return NULL; /* without a kid, only a single key matches */
		found = key;
	}
	return found;
}

/* Converts r and s, each as long as the field (RFC 7518 3.4), to the DER that OpenSSL expects. */
static int
ecdsa_der(const struct key *key, struct span raw, unsigned char **der)
{
	int bytes = (EVP_PKEY_get_bits(key->pkey) + 7) / 8, n = -1;

	*der = NULL;
	if (raw.n != 2 * (size_t)bytes)
		return -1;
	BIGNUM *r = BN_bin2bn((const unsigned char *)raw.p, bytes, NULL);
	BIGNUM *s = BN_bin2bn((const unsigned char *)raw.p + bytes, bytes, NULL);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	if (r && s && sig && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL;
		n = i2d_ECDSA_SIG(sig, der);
	}
	ECDSA_SIG_free(sig);
	BN_free(r);
	BN_free(s);
	return n;
}

static bool
mac_fits(const struct key *key, enum jws_alg alg, struct span text, struct span signature)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	return HMAC(alg_digest(alg), key->secret, (int)key->nsecret,
		       (const unsigned char *)text.p, text.n, mac, &n) &&
	       signature.n == n && sodium_memcmp(mac, signature.p, n) == 0;
}

/* Sets MGF1 with the same hash, and a salt as long as the hash (RFC 7518 3.5). */
static bool
use_pss(EVP_PKEY_CTX *ctx, enum jws_alg alg)
{
	if (alg < JWS_PS256 || alg > JWS_PS512)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

int
jwks_verify(const struct jwks *k, struct span kid, enum jws_alg alg, struct span text,
	struct span signature)
{
	const struct key *key = find_jwk(k, kid, alg);
	unsigned char *der = NULL;
	EVP_PKEY_CTX *how = NULL;
	int n;

	if (!key)
		return ERR_NOTFOUND;
	if (key->secret)
		return mac_fits(key, alg, text, signature) ? 0 : ERR_AUTH;
	if (alg >= JWS_ES256 && alg <= JWS_ES512) {
		n = ecdsa_der(key, signature, &der);
		if (n < 0)
			return ERR_AUTH;
		signature = span_of(der, (size_t)n);
	}
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx &&
		  EVP_DigestVerifyInit(ctx, &how, alg_digest(alg), NULL, key->pkey) == 1 &&
		  use_pss(how, alg) &&
		  EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
			  (const unsigned char *)text.p, text.n) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	return ok ? 0 : ERR_AUTH;
}
