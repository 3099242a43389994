/* HPKE in base mode for one message (RFC 9180 section 6.1): DHKEM(X25519, HKDF-SHA256),
 * HKDF-SHA256, AES-256-GCM; suite id 0x0020 0x0001 0x0002. Shares are sealed to auditors with
 * it; WebCrypto can open them. */
#ifndef RECORD_SEAL_HPKE_H
#define RECORD_SEAL_HPKE_H

#include "base/span.h"

#define HPKE_KEY_BYTES 32 /* X25519, public and private */
#define HPKE_TAG_BYTES 16

/* Seals `plain` to the public key `to`. `out` has room for plain.n + HPKE_TAG_BYTES bytes;
 * `enc` gets the ephemeral public key. Returns 0, ERR_SYNTAX (`to` is a point of small order)
 * or ERR_NOMEM. */
int hpke_seal(const unsigned char to[HPKE_KEY_BYTES], struct span info, struct span aad,
	struct span plain, unsigned char enc[HPKE_KEY_BYTES], unsigned char *out);
/* Seals with a given ephemeral private key, for the RFC's test vectors. */
int hpke_seal_by(const unsigned char ephemeral[HPKE_KEY_BYTES],
	const unsigned char to[HPKE_KEY_BYTES], struct span info, struct span aad,
	struct span plain, unsigned char enc[HPKE_KEY_BYTES], unsigned char *out);
/* Opens `sealed` with the private key. `out` has room for sealed.n - HPKE_TAG_BYTES bytes.
 * Returns 0, ERR_AUTH (sealed to another key, or changed), ERR_SYNTAX (too short) or
 * ERR_NOMEM. */
int hpke_open(const unsigned char key[HPKE_KEY_BYTES], const unsigned char enc[HPKE_KEY_BYTES],
	struct span info, struct span aad, struct span sealed, unsigned char *out);

#endif
