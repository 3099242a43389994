/* HPKE in base mode, one message (RFC 9180, section 6.1): DHKEM(X25519, HKDF-SHA256),
 * HKDF-SHA256, AES-256-GCM; suite id 0x0020 0x0001 0x0002. What shares are sealed to auditors
 * with; WebCrypto opens the same. */
#ifndef RECORD_SEAL_HPKE_H
#define RECORD_SEAL_HPKE_H

#include "base/span.h"

#define HPKE_KEY_BYTES 32 /* X25519, public and private */
#define HPKE_TAG_BYTES 16

/* `out` takes plain.n + HPKE_TAG_BYTES. 0; ERR_SYNTAX: the public key is a point of small
 * order; ERR_NOMEM. */
int hpke_seal(const unsigned char to[HPKE_KEY_BYTES], struct span info, struct span aad,
	struct span plain, unsigned char enc[HPKE_KEY_BYTES], unsigned char *out);
/* The same with this ephemeral private key: for the RFC's vectors. */
int hpke_seal_by(const unsigned char ephemeral[HPKE_KEY_BYTES],
	const unsigned char to[HPKE_KEY_BYTES], struct span info, struct span aad,
	struct span plain, unsigned char enc[HPKE_KEY_BYTES], unsigned char *out);
/* `out` takes sealed.n - HPKE_TAG_BYTES. 0; ERR_AUTH: it is not sealed to this key, or was
 * changed; ERR_SYNTAX: too short; ERR_NOMEM. */
int hpke_open(const unsigned char key[HPKE_KEY_BYTES], const unsigned char enc[HPKE_KEY_BYTES],
	struct span info, struct span aad, struct span sealed, unsigned char *out);

#endif
