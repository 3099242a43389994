/* Makes keys, key sets and tokens with OpenSSL's EVP, independently of the code under test. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "support/jwt_make.h"

void
put_b64url(struct buf *b, const void *p, size_t n)
{
	size_t size = sodium_base64_encoded_len(n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *to = buf_reserve(b, size);

	sodium_bin2base64(to, size, p, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	buf_commit(b, size - 1);
}

struct jwt_key
jwt_key_new(enum jwt_key_kind kind, unsigned bits)
{
	struct jwt_key k = { kind, NULL };

	switch (kind) {
	case KEY_RSA: k.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits); break;
	case KEY_EC: k.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"); break;
	case KEY_ED: k.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"); break;
	}
	INVARIANT(k.pkey);
	return k;
}

void
put_bn(struct buf *b, const struct jwt_key *k, const char *param, int pad)
{
	unsigned char bytes[1024];
	BIGNUM *v = NULL;

	INVARIANT(EVP_PKEY_get_bn_param(k->pkey, param, &v) == 1);
	int n = pad ? BN_bn2binpad(v, bytes, pad) : BN_bn2bin(v, bytes);
	put_b64url(b, bytes, (size_t)n);
	BN_free(v);
}

void
put_jwk(struct buf *b, const struct jwt_key *k, const char *kid, const char *more)
{
	unsigned char raw[32];
	size_t n = sizeof(raw);

	buf_str(b, "{");
	switch (k->kind) {
	case KEY_RSA:
		buf_str(b, "\"kty\":\"RSA\",\"n\":\"");
		put_bn(b, k, OSSL_PKEY_PARAM_RSA_N, 0);
		buf_str(b, "\",\"e\":\"");
		put_bn(b, k, OSSL_PKEY_PARAM_RSA_E, 0);
		break;
	case KEY_EC:
		buf_str(b, "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"");
		put_bn(b, k, OSSL_PKEY_PARAM_EC_PUB_X, 32);
		buf_str(b, "\",\"y\":\"");
		put_bn(b, k, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
		break;
	case KEY_ED:
		INVARIANT(EVP_PKEY_get_raw_public_key(k->pkey, raw, &n) == 1);
		buf_str(b, "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
		put_b64url(b, raw, n);
		break;
	}
	buf_str(b, "\"");
	if (kid)
		buf_printf(b, ",\"kid\":\"%s\"", kid);
	buf_str(b, more ? more : "");
	buf_str(b, "}");
}

size_t
jwt_sign_raw(const struct jwt_key *k, struct span text, unsigned char sig[1024])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = 1024;

	INVARIANT(EVP_DigestSignInit(ctx, NULL, k->kind == KEY_ED ? NULL : EVP_sha256(), NULL,
			  k->pkey) == 1);
	INVARIANT(EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text.p, text.n) == 1);
	EVP_MD_CTX_free(ctx);
	return n;
}

size_t
jwt_sign(const struct jwt_key *k, struct span text, unsigned char sig[1024])
{
	size_t n = jwt_sign_raw(k, text, sig);

	if (k->kind != KEY_EC)
		return n;
	const unsigned char *at = sig;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &at, (long)n);
	unsigned char raw[64];
	INVARIANT(s && BN_bn2binpad(ECDSA_SIG_get0_r(s), raw, 32) == 32 &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(s), raw + 32, 32) == 32);
	ECDSA_SIG_free(s);
	memcpy(sig, raw, 64);
	return 64;
}

void
put_signed_text(struct buf *b, struct span header, struct span payload)
{
	put_b64url(b, header.p, header.n);
	buf_putc(b, '.');
	put_b64url(b, payload.p, payload.n);
}

void
put_jwt(struct buf *b, const struct jwt_key *k, struct span header, struct span payload)
{
	unsigned char sig[1024];

	put_signed_text(b, header, payload);
	size_t n = jwt_sign(k, buf_view(b), sig);
	buf_putc(b, '.');
	put_b64url(b, sig, n);
}
