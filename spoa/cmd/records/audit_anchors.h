/* Verifies anchor records (responses of time-stamping authorities and witnesses) for `audit
 * verify`. */
#ifndef CMD_RECORDS_AUDIT_ANCHORS_H
#define CMD_RECORDS_AUDIT_ANCHORS_H

#include "cmd/records/audit.h"
#include "record/journal/verify.h"
#include "record/proof/note.h"

#define ANCHORS_BACK 1024 /* number of past checkpoints that are kept; a response arrives
			   * within seconds */

/* Keys and certificates of the outside places. Owned by the command. */
struct anchor_keys {
	const char *tsa_ca; /* NULL: signatures of time stamps are not verified */
	struct pubkey witness[SIGNKEYS_MAX];
	size_t nwitness;
};

/* Loads the keys that the arguments name. Returns 0, or an error with *why. */
int anchor_keys_read(const struct audit_args *a, struct anchor_keys *out, struct buf *why);

/* The check of one chain's anchor records. */
struct anchors_check {
	const struct anchor_keys *keys;
	struct verifier *verifier; /* gets the findings */
	uint64_t seen, verified; /* anchor records; those of them whose signature was verified */
	uint64_t bad_seq;	 /* sequence number of the first wrong one; 0: none */
	const char *bad;
	size_t n, next;
	struct anchored {
		uint64_t size;
		struct merkle_hash root;
		unsigned char note[SHA256_BYTES]; /* SHA-256 of the note */
	} back[ANCHORS_BACK];
};

/* Callbacks for verify_options.record and .each. */
void anchors_check_record(
	struct anchors_check *c, const struct chain_line *l, struct span line);
void anchors_check_each(struct anchors_check *c, uint64_t seq);

#endif
