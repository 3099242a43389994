/* What `audit verify` looks at in anchor records: audit_anchors.c. */
#ifndef CMD_RECORDS_AUDIT_ANCHORS_H
#define CMD_RECORDS_AUDIT_ANCHORS_H

#include "cmd/records/audit.h"
#include "record/journal/verify.h"
#include "record/proof/note.h"

#define ANCHORS_BACK 1024 /* checkpoints that are looked back at: an answer takes seconds */

/* Keys and certificates of those outside, where they are given. */
struct anchor_keys {
	const char *tsa_ca; /* NULL: signatures of time stamps are not looked at */
	struct pubkey witness[SIGNKEYS_MAX];
	size_t nwitness;
};

/* What the arguments name; 0, or an error with *why. */
int anchor_keys_read(const struct audit_args *a, struct anchor_keys *out, struct buf *why);

/* Held against one chain. */
struct anchors_check {
	const struct anchor_keys *keys;
	struct verifier *verifier; /* is told what is found */
	uint64_t seen, verified; /* taken ones; those whose signature was looked at and holds */
	uint64_t bad_seq;	 /* the first that does not hold; 0: none */
	const char *bad;
	size_t n, next;
	struct anchored {
		uint64_t size;
		struct merkle_hash root;
		unsigned char note[SHA256_BYTES]; /* its hash */
	} back[ANCHORS_BACK];
};

/* As verify_options.record and .each. */
void anchors_check_record(
	struct anchors_check *c, const struct chain_line *l, struct span line);
void anchors_check_each(struct anchors_check *c, uint64_t seq);

#endif
