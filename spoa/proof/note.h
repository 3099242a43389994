/* Checkpoints as signed notes (C2SP signed-note, tlog-checkpoint): text of three lines (origin,
 * number of leaves, base64 root), an empty line, then lines "— NAME BASE64(id ‖ signature)". An
 * Ed25519 key's id is SHA-256(NAME ‖ 0x0A ‖ 0x01 ‖ key)[:4], a cosigner's (tlog-cosignature)
 * has 0x04 for 0x01 and signs "cosignature/v1\ntime T\n" ‖ the text; its value is an 8-byte
 * time ‖ signature. Pure. */
#ifndef PROOF_NOTE_H
#define PROOF_NOTE_H

#include "base/buf.h"
#include "proof/merkle.h"
#include "store/signkey.h"

#define NOTE_MAX	(64u << 10) /* a larger note is refused */
#define NOTE_SIGNATURES 64
#define NOTE_NAME_MAX	255

struct note_signature {
	struct span name;
	unsigned char id[4];
	struct span value; /* decoded, without the id: 64 bytes, a cosignature's 72; in the
			      arena of the caller's buffer */
};

struct checkpoint {
	struct span origin; /* views into the note */
	uint64_t size;
	struct merkle_hash root;
	struct span text;	/* what is signed: the three lines with their newlines */
	struct span signatures; /* the lines behind the empty one */
};

/* 0, ERR_SYNTAX (no note, no checkpoint; *why says which line), ERR_LIMIT. Extension lines are
 * read over; they are in `text`. */
int checkpoint_parse(struct span note, struct checkpoint *out, const char **why);
/* Appends the three lines. */
void checkpoint_text(
	struct buf *out, struct span origin, uint64_t size, const struct merkle_hash *root);
/* Appends a signature line over `text` by key under `name`. */
void note_sign(struct buf *out, struct span text, struct span name, const struct signkey *key);
/* The same as a cosigner at `time` (seconds of Unix). */
void note_cosign(struct buf *out, struct span text, struct span name, uint64_t time,
	const struct signkey *key);
/* A signature under `name` by one of the keys holds: which one; NULL: none does. */
const struct pubkey *checkpoint_signer(
	const struct checkpoint *c, struct span name, const struct pubkey *keys, size_t nkeys);
/* A cosignature under `name` by `key` holds: its time; 0: none does. */
uint64_t checkpoint_cosigned(
	const struct checkpoint *c, struct span name, const struct pubkey *key);
/* A key's name: no blank, no plus, valid UTF-8, not empty. */
bool note_name_valid(struct span name);

#endif
