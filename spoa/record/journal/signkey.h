/* Ed25519 keys (RFC 8032) in files that openssl reads and writes. The private key is PEM
 * PKCS#8 (RFC 8410), mode 0600. The public key is PEM SubjectPublicKeyInfo; a file may have
 * several, because a replaced key still verifies what it signed. The id of a key is the first
 * 16 hexadecimal digits of the SHA-256 of its 32 raw public bytes. */
#ifndef RECORD_JOURNAL_SIGNKEY_H
#define RECORD_JOURNAL_SIGNKEY_H

#include "base/buf.h"

#define SIGNKEY_PUBLIC_BYTES 32
#define SIGNKEY_SECRET_BYTES 64
#define SIGNKEY_SIG_BYTES    64
#define SIGNKEY_ID_LEN	     16
#define SIGNKEYS_MAX	     64 /* public keys in one file, at most; more are an error */

struct pubkey {
	unsigned char raw[SIGNKEY_PUBLIC_BYTES];
	char id[SIGNKEY_ID_LEN + 1];
};

/* A private key. owner: audit. Never copy it; call signkey_wipe() when it is no longer
 * needed. */
struct signkey {
	struct pubkey pub;
	/* libsodium's form: seed, then public key */
	unsigned char secret[SIGNKEY_SECRET_BYTES];
};

/* The functions that read or write files return 0 or a count, or a negative error with the
 * reason in *why. */

/* Reads an unencrypted private key. Returns ERR_AUTH if the group or others can read the
 * file, ERR_SYNTAX if it has no Ed25519 key, or ERR_IO. */
int signkey_load(const char *file, struct signkey *out, struct buf *why);
/* Reads a private key, which the first line of the file `passphrase` (mode 0600) decrypts if
 * the key is encrypted. NULL: no passphrase. With `encrypted`, an unencrypted key is refused
 * with ERR_BAD_STATE if a passphrase is given. */
int signkey_open(const char *file, const char *passphrase, bool encrypted, struct signkey *out,
	struct buf *why);
/* Erases the key. */
void signkey_wipe(struct signkey *k);
/* Makes a key from a 32-byte seed (RFC 8032 5.1.5), for tests. */
void signkey_from_seed(const unsigned char seed[32], struct signkey *out);
/* Signs `text`. */
void signkey_sign(
	const struct signkey *k, struct span text, unsigned char sig[SIGNKEY_SIG_BYTES]);

/* Makes a public key from its 32 raw bytes. */
void pubkey_from_raw(const unsigned char raw[SIGNKEY_PUBLIC_BYTES], struct pubkey *out);
/* Computes the id from the raw bytes. */
void pubkey_name(struct pubkey *k);
/* Reads every public key of a file, in order. Returns their number, at least one. */
int pubkeys_load(const char *file, struct pubkey *out, size_t max, struct buf *why);
/* Returns true if `sig` is a signature of `text` by the key. */
bool pubkey_verify(
	const struct pubkey *k, struct span text, const unsigned char sig[SIGNKEY_SIG_BYTES]);

/* Makes a new key pair: `file`, mode 0600, and FILE.pub, mode 0644, both synced. If either
 * exists, returns ERR_DUPLICATE and overwrites nothing. With `passphrase` not NULL, the
 * private key is encrypted with the first line of that file (PKCS #8, scrypt, AES-256-CBC). */
int signkey_create(const char *file, struct pubkey *out, struct buf *why);
int signkey_create_locked(
	const char *file, const char *passphrase, struct pubkey *out, struct buf *why);

/* Replaces a key pair. The previous private key becomes FILE.old, an existing FILE.old
 * becomes FILE.old.1 (or the next free number), and FILE.pub has all public keys, the newest
 * first. Whatever fails, `file` has a usable key. */
int signkey_replace(
	const char *file, const char *passphrase, struct pubkey *out, struct buf *why);

#endif
