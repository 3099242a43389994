/* Writes a key as NAME+ID+BASE64(type ‖ key), which the program only reads. */
#ifndef TESTS_NOTE_VKEY_H
#define TESTS_NOTE_VKEY_H

#include "base/codec/base64.h"
#include "record/proof/note.h"

static void
note_vkey(struct buf *out, enum note_type type, struct span name, const struct pubkey *key)
{
	unsigned char id[4], typed[1 + SIGNKEY_PUBLIC_BYTES] = { (unsigned char)type };

	note_key_id(type, name, key, id);
	memcpy(typed + 1, key->raw, sizeof(key->raw));
	buf_span(out, name);
	buf_putc(out, '+');
	buf_hex(out, id, sizeof(id));
	buf_putc(out, '+');
	base64_put(out, typed, sizeof(typed));
}

#endif
