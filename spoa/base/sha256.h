/* SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104), with the processor's own instructions if it
 * has them. Nothing is allocated. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <openssl/sha.h>

#include "base/span.h"

#define SHA256_BYTES 32

struct sha256 {
	SHA256_CTX ctx;
};

void sha256_begin(struct sha256 *h);
void sha256_add(struct sha256 *h, struct span s);
/* Writes the hash and wipes *h. */
void sha256_end(struct sha256 *h, unsigned char out[SHA256_BYTES]);

void sha256(struct span s, unsigned char out[SHA256_BYTES]);
/* Parses 64 hexadecimal digits. Returns false if `hex` is anything else. */
bool sha256_read(struct span hex, unsigned char out[SHA256_BYTES]);
/* Add the text with sha256_add() between hmac_begin() and hmac_end(), which wipes *h. `out` may
 * be the key. */
void hmac_begin(struct sha256 *h, const unsigned char key[SHA256_BYTES]);
void hmac_end(struct sha256 *h, const unsigned char key[SHA256_BYTES],
	unsigned char out[SHA256_BYTES]);
void hmac_sha256(
	const unsigned char key[SHA256_BYTES], struct span s, unsigned char out[SHA256_BYTES]);

#endif
