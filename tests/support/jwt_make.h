/* Keys, key sets and tokens for tests, made with OpenSSL's EVP. */
#ifndef TESTS_JWT_MAKE_H
#define TESTS_JWT_MAKE_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/err.h"

enum jwt_key_kind { KEY_RSA, KEY_EC, KEY_ED };

struct jwt_key {
	enum jwt_key_kind kind;
	EVP_PKEY *pkey;
};

/* Appends n bytes in base64url without padding. */
void put_b64url(struct buf *b, const void *p, size_t n);

/* Makes a key. `bits` is for RSA only. The caller frees k.pkey. */
struct jwt_key jwt_key_new(enum jwt_key_kind kind, unsigned bits);

/* Appends a number of the public key in base64url. `pad`: its length in bytes, 0: no padding.
 */
void put_bn(struct buf *b, const struct jwt_key *k, const char *param, int pad);

/* Appends the public key as a member of a set. kid NULL: no kid. `more`: further members. */
void put_jwk(struct buf *b, const struct jwt_key *k, const char *kid, const char *more);

/* Returns the signature as EVP makes it: DER for ES256. */
size_t jwt_sign_raw(const struct jwt_key *k, struct span text, unsigned char sig[1024]);

/* Returns the signature in the form of JWS. */
size_t jwt_sign(const struct jwt_key *k, struct span text, unsigned char sig[1024]);

/* Appends "header.payload" of two texts. */
void put_signed_text(struct buf *b, struct span header, struct span payload);

/* Appends a whole token. */
void put_jwt(struct buf *b, const struct jwt_key *k, struct span header, struct span payload);

#endif
