/* JSON Web Key sets (RFC 7517): public verification keys, each bound to exactly
 * one algorithm at load (RFC 8725 3.1). Immutable, shared by all threads. */
#ifndef STORE_JWKS_H
#define STORE_JWKS_H

#include "base/buf.h"
#include "base/span.h"

enum jws_alg { JWS_RS256, JWS_ES256, JWS_EDDSA, JWS_ALGS };
/* "RS256", "ES256", "EdDSA"; JWS_ALGS where unknown (none, HS256, … included). */
enum jws_alg jws_alg_find(struct span name);

struct jwks;

/* Reads a JWKS document. Keys of other types or uses are passed over; a private
 * key, a weak RSA key, a `kid` given twice for one algorithm or a set without a
 * usable key is refused. NULL with a message in *why. */
struct jwks *jwks_load(struct span text, struct buf *why);
struct jwks *jwks_load_file(const char *file, struct buf *why);
void jwks_free(struct jwks **k);
size_t jwks_count(const struct jwks *k);

/* Verifies `signature` over `text` with the key that `kid` names (empty: the only
 * key of that algorithm). 0; ERR_NOTFOUND: no such key, or several without kid;
 * ERR_AUTH: the signature is wrong. */
int jwks_verify(const struct jwks *k, struct span kid, enum jws_alg alg, struct span text,
	struct span signature);

#endif
