/* Ed25519 keys (RFC 8032) in files that openssl reads and writes: the private
 * one PEM PKCS#8 (RFC 8410), mode 0600; the public one PEM SubjectPublicKeyInfo,
 * possibly several in one file (a key that was replaced still verifies what it
 * signed). A key's id is the first 16 hex digits of SHA-256 over the raw 32
 * public bytes. */
#ifndef RECORD_JOURNAL_SIGNKEY_H
#define RECORD_JOURNAL_SIGNKEY_H

#include "base/buf.h"

#define SIGNKEY_PUBLIC_BYTES 32
#define SIGNKEY_SECRET_BYTES 64
#define SIGNKEY_SIG_BYTES    64
#define SIGNKEY_ID_LEN	     16
#define SIGNKEYS_MAX	     64 /* public keys in one file: further ones are an error */

struct pubkey {
	unsigned char raw[SIGNKEY_PUBLIC_BYTES];
	char id[SIGNKEY_ID_LEN + 1];
};

/* owner: audit. Never copied; signkey_wipe when done. */
struct signkey {
	struct pubkey pub;
	unsigned char secret[SIGNKEY_SECRET_BYTES]; /* libsodium's form: seed and public key */
};

/* All: 0 or a count, or a negative error with a sentence in *why. */

/* Reads a private key. ERR_AUTH where the file is open to group or others,
 * ERR_SYNTAX where it holds no Ed25519 key, ERR_IO. */
int signkey_load(const char *file, struct signkey *out, struct buf *why);
/* The same of a key that the first line of the file `passphrase` opens, mode 0600 too; NULL:
 * none is needed. `encrypted`: a key that needs none is refused then (ERR_BAD_STATE). */
int signkey_open(const char *file, const char *passphrase, bool encrypted, struct signkey *out,
	struct buf *why);
void signkey_wipe(struct signkey *k);
/* From a 32-byte seed (RFC 8032 5.1.5), for tests. */
void signkey_from_seed(const unsigned char seed[32], struct signkey *out);
void signkey_sign(
	const struct signkey *k, struct span text, unsigned char sig[SIGNKEY_SIG_BYTES]);

/* Of the raw 32 bytes: its id too. */
void pubkey_from_raw(const unsigned char raw[SIGNKEY_PUBLIC_BYTES], struct pubkey *out);
/* Its id, from its bytes. */
void pubkey_name(struct pubkey *k);
/* Every public key of a file, in its order: their number, at least one. */
int pubkeys_load(const char *file, struct pubkey *out, size_t max, struct buf *why);
bool pubkey_verify(
	const struct pubkey *k, struct span text, const unsigned char sig[SIGNKEY_SIG_BYTES]);

/* A new pair: `file`, mode 0600, and `file`.pub, mode 0644, both synced.
 * ERR_DUPLICATE where either exists: nothing is overwritten. Encrypted (PKCS #8, scrypt,
 * AES-256-CBC) with the first line of the file `passphrase`, unless that is NULL. */
int signkey_create(const char *file, struct pubkey *out, struct buf *why);
int signkey_create_locked(
	const char *file, const char *passphrase, struct pubkey *out, struct buf *why);

/* A new pair in the place of one: that is FILE.old then, what was FILE.old is FILE.old.1 (or the
 * next number that is free), and FILE.pub holds all public keys, the newest first. Whatever
 * fails, a key is at `file`. */
int signkey_replace(
	const char *file, const char *passphrase, struct pubkey *out, struct buf *why);

#endif
