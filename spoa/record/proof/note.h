/* Checkpoints as signed notes (C2SP signed-note, tlog-checkpoint): text of three lines (origin,
 * number of leaves, base64 root), an empty line, then lines "— NAME BASE64(id ‖ signature)". An
 * Ed25519 key's id is SHA-256(NAME ‖ 0x0A ‖ 0x01 ‖ key)[:4], a cosigner's (tlog-cosignature)
 * has 0x04 for 0x01 and signs "cosignature/v1\ntime T\n" ‖ the text; its value is an 8-byte
 * time ‖ signature. Pure. */
#ifndef RECORD_PROOF_NOTE_H
#define RECORD_PROOF_NOTE_H

#include "base/buf.h"
#include "base/codec/note_name.h"
#include "record/journal/signkey.h"
#include "record/proof/merkle.h"

#define NOTE_MAX	   (64u << 10) /* a larger note is refused */
#define NOTE_SIGNATURES	   64
#define NOTE_SIGNATURE_MAX (8u << 10) /* bytes of one, decoded */

enum note_type { NOTE_ED25519 = 1, NOTE_COSIGNATURE = 4 };

struct note_signature {
	struct span line, name; /* views into the note, the line without its newline */
	unsigned char id[4];
	size_t n; /* bytes of the value, without the id */
	/* Its first ones: an Ed25519 signature, or time and signature of a cosigner. */
	unsigned char value[8 + SIGNKEY_SIG_BYTES];
};

struct checkpoint {
	struct span origin; /* views into the note */
	uint64_t size;
	struct merkle_hash root;
	struct span text;	/* what is signed: the three lines with their newlines */
	struct span signatures; /* the lines after the empty one */
};

/* 0, ERR_SYNTAX (no note, no checkpoint; *why says which line), ERR_LIMIT. Extension lines are
 * read over; they are in `text`. At least one signature line is there. */
int checkpoint_parse(struct span note, struct checkpoint *out, const char **why);
/* Appends the three lines. */
void checkpoint_text(
	struct buf *out, struct span origin, uint64_t size, const struct merkle_hash *root);
/* Cuts the first signature line off. 1: *out; 0: none is left; ERR_SYNTAX, ERR_LIMIT. */
int note_signature_next(struct span *lines, struct note_signature *out);
/* Appends a signature line over `text` by key under `name`; a note is the text, an empty line
 * and one or more of them. */
void note_sign(struct buf *out, struct span text, struct span name, const struct signkey *key);
/* The same as a cosigner at `time` (seconds of Unix, below 2^63). */
void note_cosign(struct buf *out, struct span text, struct span name, uint64_t time,
	const struct signkey *key);
/* A signature under `name` by one of the keys holds: which one. NULL: there is none by them, or
 * one that says it is theirs does not hold (signed-note: then the whole note is refused). */
const struct pubkey *checkpoint_signer(
	const struct checkpoint *c, struct span name, const struct pubkey *keys, size_t nkeys);
/* A cosignature under `name` by `key` holds: its time; 0: none does. */
uint64_t checkpoint_cosigned(
	const struct checkpoint *c, struct span name, const struct pubkey *key);
void note_key_id(
	enum note_type type, struct span name, const struct pubkey *key, unsigned char id[4]);
/* A key as others write it, NAME+ID+BASE64(type ‖ key). 0, or ERR_SYNTAX; *name is a view. */
int note_vkey_parse(
	struct span vkey, enum note_type *type, struct span *name, struct pubkey *key);

#endif
