/* A secret of the operator's own, kept in a file: what keyed hashes of redacted
 * values are made with (redact.key_file), and of texts (audit.hash_key). */
#ifndef BASE_KEYFILE_H
#define BASE_KEYFILE_H

#include "base/buf.h"

#define KEYFILE_BYTES 32

/* Whether others than its owner may read or write the file, by its mode; *why says so, and
 * what it holds. */
bool keyfile_wide(const char *file, unsigned mode, const char *what, struct buf *why);
/* A regular file's text, up to the buffer's cap. `secret`: what it holds, for the message
 * where others than its owner may read it; NULL: they may. 0, or negative with the file and
 * what is wrong in *why. */
int keyfile_text(const char *file, const char *secret, struct buf *text, struct buf *why);
/* The same of its first line, which is a passphrase: nothing else is left in the buffer. */
int keyfile_passphrase(const char *file, struct buf *text, struct buf *why);
/* Any text of 32 to 4096 bytes, blanks at its ends not counted, in a regular file
 * that nobody but its owner may read; the key is derived from it. 0, or negative
 * with the file and what is wrong in *why. */
int keyfile_load(const char *file, unsigned char key[KEYFILE_BYTES], struct buf *why);
/* The same for another use, which `context` names: no use's key tells another's. */
int keyfile_derive(const char *file, const char *context, unsigned char key[KEYFILE_BYTES],
	struct buf *why);
/* A new file, durable on return. 0, or negative with *why: it exists, or cannot be written. */
int keyfile_new(const char *file, unsigned mode, struct span text, struct buf *why);
/* Makes such a file, of 32 random bytes in hexadecimal, mode 0600. 0, or negative with *why: it
 * exists, or cannot be written. */
int keyfile_create(const char *file, struct buf *why);

/* ---- the key of the keyed hashes of texts (audit.hash_key) ---- */

#define HASHKEY_ID_LEN 16

struct hashkey {
	unsigned char key[KEYFILE_BYTES];
	char id[HASHKEY_ID_LEN + 1]; /* names the key and tells nothing of it: the begin of
					SHA-256("tollgate-hash-key-id-v1" ‖ 0x00 ‖ key) */
	bool derived;		     /* from the signing key's file */
};
#define HASHKEYS_MAX 16 /* in one file */

/* A file of 64 hexadecimal digits, which are the key, that nobody but its owner may read; each
 * further line is a key that was in force before. 0, or negative with the file and what is
 * wrong in *why; so do the others. */
int hashkey_load(const char *file, struct hashkey *out, struct buf *why);
/* All of them, at most HASHKEYS_MAX: how many. */
int hashkeys_load(const char *file, struct hashkey *out, struct buf *why);
/* Where there is no such file: from the bytes of the signing key's. */
int hashkey_derive(const char *signing, struct hashkey *out, struct buf *why);
/* Makes one: at random, or with `from` what hashkey_derive() has of that file. */
int hashkey_create(const char *file, const char *from, struct hashkey *out, struct buf *why);
/* A new one before those that the file has. Whatever fails, the file is as it was. */
int hashkey_replace(const char *file, struct hashkey *out, struct buf *why);

#endif
