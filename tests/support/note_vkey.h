/* Writes a key as NAME+ID+BASE64(type ‖ key), which the program only reads. */
#ifndef TESTS_NOTE_VKEY_H
#define TESTS_NOTE_VKEY_H

#include "base/codec/base64.h"
#include "record/proof/note.h"

/* Appends the verifier key of a signer with this name. */
void note_vkey(
	struct buf *out, enum note_type type, struct span name, const struct pubkey *key);

#endif
