/* The key pair of an auditor, X25519, made offline:
 *   openssl genpkey -algorithm X25519 -aes256 -out auditor.key
 *   openssl pkey -in auditor.key -pubout
 * The gateway has only the public key. */
#ifndef RECORD_SEAL_AUDITOR_H
#define RECORD_SEAL_AUDITOR_H

#include "base/buf.h"
#include "record/seal/hpke.h"

#define AUDITOR_ID_LEN	 16
#define AUDITORS_MAX	 16
#define AUDITOR_NAME_MAX 64

struct auditor {
	char name[AUDITOR_NAME_MAX + 1]; /* characters of [A-Za-z0-9_.-] */
	unsigned char key[HPKE_KEY_BYTES];
	/* names the key: the beginning of SHA-256("tollgate-auditor-key-v1" ‖ 0x00 ‖ key) in
	 * hexadecimal */
	char id[AUDITOR_ID_LEN + 1];
};

/* Parses `public_key` of tollgate.yaml: the base64 line of openssl's PEM (DER, 44 bytes), the
 * PEM itself, or 32 bytes in base64. Returns 0, or ERR_SYNTAX with the reason in *why if it
 * is no such key or a point of small order. */
int auditor_read(
	struct span name, struct span public_key, struct auditor *out, struct buf *why);
/* Reads a private key from a PEM file of openssl, encrypted or not. `passphrase` NULL: none
 * was given. Sets `id` to the id of its public key. The caller erases `key`. Returns 0, or a
 * negative error with the reason in *why; ERR_AUTH: others can read the file, or the
 * passphrase is missing or wrong. */
int auditor_private(const char *file, const char *passphrase, unsigned char key[HPKE_KEY_BYTES],
	char id[AUDITOR_ID_LEN + 1], struct buf *why);

#endif
