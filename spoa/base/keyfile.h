/* Secrets of the operator in files of their own: the keys for keyed hashes of redacted values
 * (redact.key_file) and of texts (audit.hash_key), and passphrases. */
#ifndef BASE_KEYFILE_H
#define BASE_KEYFILE_H

#include "base/buf.h"

#define KEYFILE_BYTES 32

/* Checks a file's mode. Returns true, with a message in *why, if anyone except its owner may
 * read or write the file. `what` names the contents in the message. */
bool keyfile_wide(const char *file, unsigned mode, const char *what, struct buf *why);
/* Reads the text of a regular file, up to the buffer's limit. `secret` names the contents; the
 * file must then be accessible to its owner only. NULL: others may read it. Returns 0, or a
 * negative error with file and reason in *why. */
int keyfile_text(const char *file, const char *secret, struct buf *text, struct buf *why);
/* As keyfile_text(), for a passphrase: only the first line stays in the buffer. */
int keyfile_passphrase(const char *file, struct buf *text, struct buf *why);
/* Derives a key from a text of 32 to 4096 bytes, not counting white space at its ends, in a
 * regular file that only its owner may access. Returns 0, or a negative error with file and
 * reason in *why. */
int keyfile_load(const char *file, unsigned char key[KEYFILE_BYTES], struct buf *why);
/* As keyfile_load(), for the use that `context` names. A key of one use reveals nothing about
 * the keys of other uses. */
int keyfile_derive(const char *file, const char *context, unsigned char key[KEYFILE_BYTES],
	struct buf *why);
/* Creates a file, which is durable on return. Returns 0, or a negative error with *why if the
 * file exists or cannot be written. */
int keyfile_new(const char *file, unsigned mode, struct span text, struct buf *why);
/* Creates a key file of 32 random bytes in hexadecimal, with mode 0600. Returns as
 * keyfile_new(). */
int keyfile_create(const char *file, struct buf *why);

/* ---- the key of the keyed hashes of texts (audit.hash_key) ---- */

#define HASHKEY_ID_LEN 16

/* One hash key. owner: the caller, which zeroes `key` after use. */
struct hashkey {
	unsigned char key[KEYFILE_BYTES];
	/* Identifies the key without revealing it: the first 16 hexadecimal digits of
	 * SHA-256("tollgate-hash-key-id-v1" ‖ 0x00 ‖ key). */
	char id[HASHKEY_ID_LEN + 1];
	bool derived;		     /* made from the signing key's file */
};
#define HASHKEYS_MAX 16 /* keys in one file, at most */

/* Loads the key in force, which is the first line of a file that only its owner may access: 64
 * hexadecimal digits. Each further line is an earlier key. Returns 0, or a negative error with
 * file and reason in *why, as do the functions below. */
int hashkey_load(const char *file, struct hashkey *out, struct buf *why);
/* Loads all keys of the file, at most HASHKEYS_MAX. Returns their number. */
int hashkeys_load(const char *file, struct hashkey *out, struct buf *why);
/* Used if there is no such file: derives the key from the bytes of the signing key's file. */
int hashkey_derive(const char *signing, struct hashkey *out, struct buf *why);
/* Creates the file with a random key or, if `from` is not NULL, with the key that
 * hashkey_derive() returns for `from`. Sets only the id in *out. */
int hashkey_create(const char *file, const char *from, struct hashkey *out, struct buf *why);
/* Puts a new key before the keys of the file. On any failure the file stays as it was. Sets only
 * the id in *out. */
int hashkey_replace(const char *file, struct hashkey *out, struct buf *why);

#endif
