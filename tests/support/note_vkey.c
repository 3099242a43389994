/* Writes the verifier key of a signed note. */
#include "support/note_vkey.h"

void
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
