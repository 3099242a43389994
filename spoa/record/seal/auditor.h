/* An auditor's pair of keys, X25519, made offline:
 *   openssl genpkey -algorithm X25519 -aes256 -out auditor.key
 *   openssl pkey -in auditor.key -pubout
 * The gateway has the public half alone. */
#ifndef RECORD_SEAL_AUDITOR_H
#define RECORD_SEAL_AUDITOR_H

#include "base/buf.h"
#include "record/seal/hpke.h"

#define AUDITOR_ID_LEN	 16
#define AUDITORS_MAX	 16
#define AUDITOR_NAME_MAX 64

struct auditor {
	char name[AUDITOR_NAME_MAX + 1]; /* of [A-Za-z0-9_.-] */
	unsigned char key[HPKE_KEY_BYTES];
	/* names the key: the begin of SHA-256("tollgate-auditor-key-v1" ‖ 0x00 ‖ key), in hex
	 */
	char id[AUDITOR_ID_LEN + 1];
};

/* What tollgate.yaml's public_key says: the base64 line of openssl's PEM (DER, 44 bytes), the
 * PEM itself, or 32 bytes in base64. 0, or ERR_SYNTAX with *why: no such key, or one of small
 * order. */
int auditor_read(
	struct span name, struct span public_key, struct auditor *out, struct buf *why);
/* A private key's file, PEM, as openssl writes it, with a passphrase or without (`passphrase`
 * NULL: none was given); *id gets what auditor.id is of its public half. 0, or negative with
 * *why: it cannot be read, is no X25519 key, others than its owner may read it (ERR_AUTH), it
 * wants a passphrase or another one (ERR_AUTH). */
int auditor_private(const char *file, const char *passphrase, unsigned char key[HPKE_KEY_BYTES],
	char id[AUDITOR_ID_LEN + 1], struct buf *why);

#endif
