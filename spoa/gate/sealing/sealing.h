/* What is kept of a request's texts, as `record` of its route says: sealed (record/seal/seal.h)
 * as they go, for the holder that the caller is, and said in the records. The worker's own
 * thread. */
#ifndef GATE_SEALING_SEALING_H
#define GATE_SEALING_SEALING_H

#include "gate/request.h"

enum { CONVERSATION_DIGITS = 32 };

/* Before a record is made: the holder's share, which its hashes and its pseudonym come from,
 * until request_seal_wipe(). 0, or negative: no record can be made. */
int request_seal_holder(struct request *r);
void request_seal_wipe(struct request *r);
/* Returns true if records name persons by pseudonyms. */
bool request_pseudonyms(const struct request *r);
/* The name of the person as records have it; "" where it has none there yet. */
struct span request_person_shown(const struct request *r);
/* A keyed hash of a text under the daemon's key becomes one that is the holder's, where it has
 * a share. */
void request_seal_hash(const struct request *r, const unsigned char h[SHA256_BYTES],
	unsigned char out[SHA256_BYTES]);
/* A charge as records have it: what a limit counts for a person is named by his share where he
 * is (record/seal/counters.h). 0: it cannot be named. */
size_t request_charge_text(
	const struct request *r, const struct quota_dim *d, char out[QUOTA_TEXT_MAX]);
/* request.conversation as records have it: where it is our hash, of the person too, and he is
 * named by a word, one of it under his share's key; "" where that is not known. */
struct span request_conversation_shown(
	const struct request *r, char own[CONVERSATION_DIGITS + 1]);

/* The decision's texts, whole: their parts go with its entry. 0, or negative: they cannot be
 * kept. */
int request_seal_decision(struct request *r, struct audit_entry *e);
/* An answer begins, and what its guard is to keep is said in *plan, which has the rest; what
 * was kept of one before is dropped. Likewise. */
struct guard_plan;
int request_seal_answer(struct request *r, struct guard_plan *plan);
/* What the guard has copied since, in full parts: they go to the disk, and wait for no record.
 */
int request_seal_more(struct request *r);
/* The rest, with the completion's entry. `whole`: the answer came to its end. */
int request_seal_end(struct request *r, bool whole, struct audit_entry *e);
/* What the last record said is forgotten. */
void request_seal_drop(struct request *r);
/* With the request. */
void request_seal_free(struct request *r);

#endif
