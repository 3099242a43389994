/* JSON Web Key sets (RFC 7517): public keys that verify tokens. A key serves the algorithm in
 * its `alg`, or all algorithms of its type (RFC 8725 3.1); an issuer's entry can permit fewer.
 * Immutable, shared by all threads. */
#ifndef BASE_FETCH_JWKS_H
#define BASE_FETCH_JWKS_H

#include "base/buf.h"
#include "base/span.h"

/* clang-format off */
/*  id       name     kty    curve      hash      */
#define JWS_ALG_TABLE(X) \
  X(RS256,  "RS256", "RSA", "",        "SHA256") /* RFC 7518 3.3 */ \
  X(RS384,  "RS384", "RSA", "",        "SHA384") \
  X(RS512,  "RS512", "RSA", "",        "SHA512") \
  X(PS256,  "PS256", "RSA", "",        "SHA256") /* RFC 7518 3.5 */ \
  X(PS384,  "PS384", "RSA", "",        "SHA384") \
  X(PS512,  "PS512", "RSA", "",        "SHA512") \
  X(ES256,  "ES256", "EC",  "P-256",   "SHA256") /* RFC 7518 3.4 */ \
  X(ES384,  "ES384", "EC",  "P-384",   "SHA384") \
  X(ES512,  "ES512", "EC",  "P-521",   "SHA512") \
  X(EDDSA,  "EdDSA", "OKP", "Ed25519", NULL)     /* RFC 8037 3.1 */ \
  X(HS256,  "HS256", "oct", "",        "SHA256") /* RFC 7518 3.2; only with a configured secret */ \
  X(HS384,  "HS384", "oct", "",        "SHA384") \
  X(HS512,  "HS512", "oct", "",        "SHA512")
/* clang-format on */

enum jws_alg {
#define X(id, name, kty, crv, md) JWS_##id,
	JWS_ALG_TABLE(X)
#undef X
		JWS_ALGS
};
/* The algorithms with public keys, and those with a shared secret, as bits. */
#define JWS_PUBLIC ((1u << JWS_HS256) - 1)
#define JWS_SECRET (1u << JWS_HS256 | 1u << JWS_HS384 | 1u << JWS_HS512)

/* Returns the algorithm, or JWS_ALGS if it is unknown ("none" included). */
enum jws_alg jws_alg_find(struct span name);
/* Returns the name; NULL after the last algorithm. */
const char *jws_alg_name(enum jws_alg alg);

struct jwks;

/* Reads a JWKS document. Keys of other types or uses, weak RSA keys and numbers that are not a
 * key are skipped (RFC 7517 5). Refused are a private key, a `kid` that occurs twice for one
 * algorithm, and a set without a usable key. Returns NULL with a message in *why. */
struct jwks *jwks_load(struct span text, struct buf *why);
struct jwks *jwks_load_file(const char *file, struct buf *why);
/* Makes a set of a shared secret of at least 32 bytes, for the HS algorithms whose hash is not
 * longer than the secret (RFC 7518 3.2). */
struct jwks *jwks_secret(struct span secret, struct buf *why);
void jwks_free(struct jwks **k);
size_t jwks_count(const struct jwks *k);

/* Verifies `signature` over `text` with the key that `kid` names (empty: the only key of that
 * algorithm). Returns 0; ERR_NOTFOUND if there is no such key, or several without a kid; or
 * ERR_AUTH if the signature is wrong. */
int jwks_verify(const struct jwks *k, struct span kid, enum jws_alg alg, struct span text,
	struct span signature);

#endif
