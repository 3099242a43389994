/* Checkpoints as signed notes (C2SP signed-note, tlog-checkpoint). A note is a text of three
 * lines (origin, number of leaves, root in base64), an empty line, then lines "— NAME
 * BASE64(id ‖ signature)".
 *
 * The id of an Ed25519 key is SHA-256(NAME ‖ 0x0A ‖ 0x01 ‖ key)[:4]. The id of a cosigner's
 * key (tlog-cosignature) has 0x04 instead of 0x01. A cosigner signs "cosignature/v1\ntime
 * T\n" ‖ the text, and the value in its line is an 8-byte time ‖ signature. These functions
 * use no file and no clock. */
#ifndef RECORD_PROOF_NOTE_H
#define RECORD_PROOF_NOTE_H

#include "base/buf.h"
#include "base/codec/note_name.h"
#include "record/journal/signkey.h"
#include "record/proof/merkle.h"

#define NOTE_MAX (64u << 10) /* bytes; a larger note is refused */
/* signature lines in a note, at most */
#define NOTE_SIGNATURES	   64
#define NOTE_SIGNATURE_MAX (8u << 10) /* bytes of a decoded signature, at most */

enum note_type { NOTE_ED25519 = 1, NOTE_COSIGNATURE = 4 };

/* A signature line. */
struct note_signature {
	struct span line, name; /* borrow from the note; the line has no newline */
	unsigned char id[4];
	size_t n; /* bytes of the value without the id; may be more than `value` holds */
	/* The first bytes of the value: an Ed25519 signature, or time and signature of a
	 * cosigner. */
	unsigned char value[8 + SIGNKEY_SIG_BYTES];
};

/* A parsed checkpoint. Borrows from the note. */
struct checkpoint {
	struct span origin; /* the first line */
	uint64_t size;	    /* leaves */
	struct merkle_hash root;
	/* the signed text: the three lines with their newlines, and extension lines */
	struct span text;
	struct span signatures; /* the lines after the empty line */
};

/* Parses a note. Returns 0, ERR_SYNTAX (not a checkpoint) or ERR_LIMIT, with the reason and
 * the line in *why, a constant string. Extension lines are not interpreted; they are part of
 * `text`. On success there is at least one signature line. */
int checkpoint_parse(struct span note, struct checkpoint *out, const char **why);
/* Appends the three lines. */
void checkpoint_text(
	struct buf *out, struct span origin, uint64_t size, const struct merkle_hash *root);
/* Cuts the first signature line off *lines. Returns 1 and *out, 0 if no line is left,
 * ERR_SYNTAX or ERR_LIMIT. */
int note_signature_next(struct span *lines, struct note_signature *out);
/* Appends a signature line over `text` by `key` under `name`. A note is the text, an empty
 * line, and one or more signature lines. */
void note_sign(struct buf *out, struct span text, struct span name, const struct signkey *key);
/* Appends a cosignature line with `time` (Unix seconds, below 2^63). Sets out->failed if
 * memory is exhausted. */
void note_cosign(struct buf *out, struct span text, struct span name, uint64_t time,
	const struct signkey *key);
/* Returns the key that signed the checkpoint under `name`. Returns NULL if none of the keys
 * did, or if a line with the id of one of the keys does not verify (signed-note requires that
 * such a note is refused). */
const struct pubkey *checkpoint_signer(
	const struct checkpoint *c, struct span name, const struct pubkey *keys, size_t nkeys);
/* Returns the time of a valid cosignature under `name` by `key` in Unix seconds, or 0 if
 * there is none. */
uint64_t checkpoint_cosigned(
	const struct checkpoint *c, struct span name, const struct pubkey *key);
/* Computes the key's id for a note. */
void note_key_id(
	enum note_type type, struct span name, const struct pubkey *key, unsigned char id[4]);
/* Parses a verifier key, NAME+ID+BASE64(type ‖ key). Returns 0 or ERR_SYNTAX. *name borrows
 * from `vkey`. */
int note_vkey_parse(
	struct span vkey, enum note_type *type, struct span *name, struct pubkey *key);

#endif
