/* A secret of the operator's own, kept in a file: what keyed hashes of redacted
 * values are made with (redact.key_file). */
#ifndef STORE_KEYFILE_H
#define STORE_KEYFILE_H

#include "base/buf.h"

#define KEYFILE_BYTES 32

/* Whether others than its owner may read or write the file, by its mode; *why says so, and
 * what it holds. */
bool keyfile_wide(const char *file, unsigned mode, const char *what, struct buf *why);
/* A regular file's text, up to the buffer's cap. `secret`: what it holds, for the message
 * where others than its owner may read it; NULL: they may. 0, or negative with the file and
 * what is wrong in *why. */
int keyfile_text(const char *file, const char *secret, struct buf *text, struct buf *why);
/* Any text of 32 to 4096 bytes, blanks at its ends not counted, in a regular file
 * that nobody but its owner may read; the key is derived from it. 0, or negative
 * with the file and what is wrong in *why. */
int keyfile_load(const char *file, unsigned char key[KEYFILE_BYTES], struct buf *why);
/* The same for another use, which `context` names: no use's key tells another's. */
int keyfile_derive(const char *file, const char *context, unsigned char key[KEYFILE_BYTES],
	struct buf *why);
/* Makes such a file, of 32 random bytes in hexadecimal, mode 0600. 0, or negative with *why: it
 * exists, or cannot be written. */
int keyfile_create(const char *file, struct buf *why);

#endif
