/* Key sets and signatures on OpenSSL's EVP. RFC 7518 (RSA, EC), RFC 8037
 * (Ed25519). */
#include "store/jwks.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/caps.h"
#include "base/err.h"
#include "codec/jws.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 4096, P256_BYTES = 32, JWKS_BYTES_MAX = 4 << 20 };

struct key {
	char *kid; /* "" where absent */
	enum jws_alg alg;
	EVP_PKEY *pkey;
};

struct jwks {
	struct key *keys;
	size_t n;
};

enum jws_alg
jws_alg_find(struct span name)
{
	static const char *const names[JWS_ALGS] = { "RS256", "ES256", "EdDSA" };

	for (int i = 0; i < JWS_ALGS; i++)
		if (span_is(name, names[i]))
			return (enum jws_alg)i;
	return JWS_ALGS;
}

/* ---- loading ---- */

static const char *
str(json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static int
decoded(json_t *o, const char *name, struct arena *a, struct span *out)
{
	struct span v = span_str(str(o, name));

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

	if (decoded(o, "n", a, &n) || decoded(o, "e", a, &e)) {
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

static EVP_PKEY *
ec_key(json_t *o, struct arena *a, const char **why)
{
	unsigned char point[1 + 2 * P256_BYTES] = { 4 }; /* uncompressed: SEC 1 2.3.3 */
	struct span x, y;
	EVP_PKEY *pkey = NULL;

	if (decoded(o, "x", a, &x) || decoded(o, "y", a, &y) || x.n != P256_BYTES ||
		y.n != P256_BYTES) {
		*why = "a P-256 key needs x and y of 32 bytes";
		return NULL;
	}
	memcpy(point + 1, x.p, x.n);
	memcpy(point + 1 + P256_BYTES, y.p, y.n);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	if (bld &&
		OSSL_PARAM_BLD_push_utf8_string(
			bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
		OSSL_PARAM_BLD_push_octet_string(
			bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)))
		pkey = from_params("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	return pkey;
}

static EVP_PKEY *
okp_key(json_t *o, struct arena *a, const char **why)
{
	struct span x;

	if (decoded(o, "x", a, &x) || x.n != 32) {
		*why = "an Ed25519 key needs x of 32 bytes";
		return NULL;
	}
	return EVP_PKEY_new_raw_public_key(
		EVP_PKEY_ED25519, NULL, (const unsigned char *)x.p, x.n);
}

/* clang-format off */
static const struct {
	const char *kty, *crv, *alg;
	enum jws_alg bound;
	EVP_PKEY *(*make)(json_t *o, struct arena *a, const char **why);
} kinds[] = {
	{ "RSA", "",        "RS256", JWS_RS256, rsa_key },
	{ "EC",  "P-256",   "ES256", JWS_ES256, ec_key  },
	{ "OKP", "Ed25519", "EdDSA", JWS_EDDSA, okp_key },
};
/* clang-format on */

/* RFC 7517 4.3: where its operations are listed, verifying is one. */
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

/* 1: added, 0: passed over, negative: *why says what is wrong. */
static int
add_key(struct jwks *k, json_t *o, struct arena *a, const char **why)
{
	const char *use = str(o, "use"), *alg = str(o, "alg");

	if (!json_is_object(o)) {
		*why = "a key must be an object";
		return ERR_SYNTAX;
	}
	if (json_object_get(o, "d")) {
		*why = "a private key stands in the set; publish the public half only";
		return ERR_SYNTAX;
	}
	static const char *const texts[] = { "kty", "use", "alg", "crv", "kid" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *v = json_object_get(o, texts[i]);
		if (v && !json_is_string(v)) {
			*why = "kty, use, alg, crv and kid must be strings";
			return ERR_SYNTAX;
		}
	}
	if ((*use && strcmp(use, "sig")) || !may_verify(json_object_get(o, "key_ops")))
		return 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(str(o, "kty"), kinds[i].kty) || strcmp(str(o, "crv"), kinds[i].crv))
			continue;
		if (*alg && strcmp(alg, kinds[i].alg))
			return 0; /* RS512, PS256, …: not for us */
		EVP_PKEY *pkey = kinds[i].make(o, a, why);
		if (!pkey) {
			if (!*why)
				*why = "the key's numbers are not a valid key";
			return ERR_SYNTAX;
		}
		char *kid = strdup(str(o, "kid"));
		if (!kid) {
			EVP_PKEY_free(pkey);
			*why = "out of memory";
			return ERR_NOMEM;
		}
		for (size_t j = 0; j < k->n; j++)
			if (*kid && k->keys[j].alg == kinds[i].bound &&
				!strcmp(k->keys[j].kid, kid))
				*why = "two keys have the same kid and algorithm";
		k->keys[k->n++] = (struct key){ kid, kinds[i].bound, pkey };
		return *why ? ERR_DUPLICATE : 1;
	}
	return 0;
}

struct jwks *
jwks_load(struct span text, struct buf *why)
{
	json_error_t err;
	struct arena a;
	json_t *doc = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &err);
	json_t *keys = json_object_get(doc, "keys");
	struct jwks *k = calloc(1, sizeof(*k));
	const char *bad = NULL;

	arena_init(&a, JWKS_BYTES_MAX, false);
	if (!doc)
		buf_printf(why, "line %d: %s", err.line, err.text);
	else if (!json_is_array(keys))
		buf_str(why, "not a key set: a JSON object with a list `keys`");
	else if (json_array_size(keys) > CAP_JWKS_KEYS)
		buf_printf(why, "more than %d keys", CAP_JWKS_KEYS);
	else if (k)
		k->keys = calloc(json_array_size(keys) + 1, sizeof(*k->keys));
	for (size_t i = 0; k && k->keys && !bad && i < json_array_size(keys); i++)
		if (add_key(k, json_array_get(keys, i), &a, &bad) < 0)
			buf_printf(why, "key %zu: %s", i + 1, bad);
	if (k && k->keys && !bad && k->n == 0) {
		bad = "empty";
		buf_str(why, "no key for RS256, ES256 or EdDSA in it");
	}
	if (!k || !k->keys || bad)
		jwks_free(&k);
	json_decref(doc);
	arena_reset(&a);
	return k;
}

struct jwks *
jwks_load_file(const char *file, struct buf *why)
{
	struct buf text;
	struct jwks *k = NULL;

	buf_init(&text, JWKS_BYTES_MAX);
	FILE *f = fopen(file, "re");
	char *to = f ? buf_reserve(&text, JWKS_BYTES_MAX) : NULL;
	if (!f) {
		buf_printf(why, "%s", strerror(errno));
	} else if (to) {
		buf_commit(&text, fread(to, 1, JWKS_BYTES_MAX, f));
		k = jwks_load(buf_view(&text), why);
	}
	if (f)
		fclose(f);
	buf_free(&text);
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
find(const struct jwks *k, struct span kid, enum jws_alg alg)
{
	const struct key *found = NULL;

	for (size_t i = 0; i < k->n; i++) {
		if (k->keys[i].alg != alg || (kid.n && !span_is(kid, k->keys[i].kid)))
			continue;
		if (found)
			return NULL; /* without kid only a single key fits */
		found = &k->keys[i];
	}
	return found;
}

/* RFC 7518 3.4: r and s of 32 bytes each; OpenSSL wants DER. */
static int
es256_der(struct span raw, unsigned char **der)
{
	int n = -1;

	*der = NULL;
	if (raw.n != 2 * P256_BYTES)
		return -1;
	BIGNUM *r = BN_bin2bn((const unsigned char *)raw.p, P256_BYTES, NULL);
	BIGNUM *s = BN_bin2bn((const unsigned char *)raw.p + P256_BYTES, P256_BYTES, NULL);
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

int
jwks_verify(const struct jwks *k, struct span kid, enum jws_alg alg, struct span text,
	struct span signature)
{
	const struct key *key = find(k, kid, alg);
	unsigned char *der = NULL;
	int n;

	if (!key)
		return ERR_NOTFOUND;
	if (alg == JWS_ES256) {
		n = es256_der(signature, &der);
		if (n < 0)
			return ERR_AUTH;
		signature = span_of(der, (size_t)n);
	}
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const EVP_MD *md = alg == JWS_EDDSA ? NULL : EVP_sha256();
	bool ok = ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, key->pkey) == 1 &&
		  EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
			  (const unsigned char *)text.p, text.n) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	return ok ? 0 : ERR_AUTH;
}
