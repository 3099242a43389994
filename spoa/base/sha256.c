/* SHA-256 with OpenSSL's digest functions. Most hashing is of request bodies and tokens, for
 * which libsodium takes five times as long on processors with SHA instructions, and EVP costs
 * two allocations for each digest. OpenSSL deprecates these functions in favor of EVP, but they
 * are correct. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/sha256.h"

#include <sodium.h>
#include <string.h>

#include "base/err.h"

enum { BLOCK_BYTES = 64 };

void
sha256_begin(struct sha256 *h)
{
	INVARIANT(SHA256_Init(&h->ctx) == 1);
}

void
sha256_add(struct sha256 *h, struct span s)
{
	if (s.n)
		INVARIANT(SHA256_Update(&h->ctx, s.p, s.n) == 1);
}

void
sha256_end(struct sha256 *h, unsigned char out[SHA256_BYTES])
{
	INVARIANT(SHA256_Final(out, &h->ctx) == 1);
	explicit_bzero(h, sizeof(*h));
}

void
sha256(struct span s, unsigned char out[SHA256_BYTES])
{
	struct sha256 h;

	sha256_begin(&h);
	sha256_add(&h, s);
	sha256_end(&h, out);
}

bool
sha256_read(struct span hex, unsigned char out[SHA256_BYTES])
{
	size_t n = 0;

	return hex.n == 2 * SHA256_BYTES &&
	       sodium_hex2bin(out, SHA256_BYTES, hex.p, hex.n, NULL, &n, NULL) == 0 &&
	       n == SHA256_BYTES;
}

/* HMAC = H((K ^ opad) H((K ^ ipad) text)), for a K that is not longer than a block (RFC 2104
 * 2). */
static void
add_padded(struct sha256 *h, const unsigned char key[SHA256_BYTES], unsigned char with)
{
	unsigned char pad[BLOCK_BYTES];

	memset(pad, with, sizeof(pad));
	for (size_t i = 0; i < SHA256_BYTES; i++)
		pad[i] ^= key[i];
	sha256_begin(h);
	sha256_add(h, span_of((const char *)pad, sizeof(pad)));
	explicit_bzero(pad, sizeof(pad));
}

void
hmac_begin(struct sha256 *h, const unsigned char key[SHA256_BYTES])
{
	add_padded(h, key, 0x36);
}

void
hmac_end(struct sha256 *h, const unsigned char key[SHA256_BYTES],
	unsigned char out[SHA256_BYTES])
{
	unsigned char inner[SHA256_BYTES]; /* not in *out, which may be the key */

	sha256_end(h, inner);
	add_padded(h, key, 0x5c);
	sha256_add(h, span_of((const char *)inner, SHA256_BYTES));
	sha256_end(h, out);
}

void
hmac_sha256(
	const unsigned char key[SHA256_BYTES], struct span s, unsigned char out[SHA256_BYTES])
{
	struct sha256 h;

	hmac_begin(&h, key);
	sha256_add(&h, s);
	hmac_end(&h, key, out);
}
