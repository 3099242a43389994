/* Sealing of a request's contents, as `record` of its route asks. The prompt, the response,
 * and the arguments and results of tool calls are encrypted as they pass
 * (record/seal/seal.h), with the caller as the holder, and the records name the sealed texts.
 * All functions run on the worker's thread. */
#ifndef GATE_SEALING_SEALING_H
#define GATE_SEALING_SEALING_H

#include "gate/request.h"

enum { CONVERSATION_DIGITS = 32 };

/* Loads the holder's share, which the record's hashes and the person's pseudonym depend on.
 * Call it before a record is made; request_seal_wipe() erases the key again. Returns 0, or a
 * negative error: then no record can be made. */
int request_seal_holder(struct request *r);
void request_seal_wipe(struct request *r);
/* Returns true if records name persons by pseudonyms. */
bool request_pseudonyms(const struct request *r);
/* Returns the person's name as records write it; empty if no share could be made for the
 * person. */
struct span request_person_shown(const struct request *r);
/* Makes the hash of a text that a record holds. `h` is a keyed hash under the daemon's key.
 * If the holder has a share, `out` is a hash of `h` under the share's key, otherwise `h`
 * itself. */
void request_seal_hash(const struct request *r, const unsigned char h[SHA256_BYTES],
	unsigned char out[SHA256_BYTES]);
/* Writes a charge as records have it. If the limit counts for a person whose name is hidden,
 * the counter is named by the person's share (record/seal/counters.h). Returns the length, or
 * 0 if the counter cannot be named. */
size_t request_charge_text(
	const struct request *r, const struct quota_dim *d, char out[QUOTA_TEXT_MAX]);
/* Returns request.conversation as records have it. If the id is our hash, which depends on
 * the person, and the person's name is hidden, the result is a hash of the id under the
 * share's key, written to `own`. It is empty if the share is not known. */
struct span request_conversation_shown(
	const struct request *r, char own[CONVERSATION_DIGITS + 1]);

/* Seals the decision's texts. They are added to the decision's entry `e`. Returns 0, or a
 * negative error: the texts cannot be kept. */
int request_seal_decision(struct request *r, struct audit_entry *e);
/* Begins to seal a response. Sets in *plan, which is complete otherwise, what the guard keeps
 * of the response. The contents of an earlier attempt's response are dropped. Returns as
 * request_seal_decision(). */
struct guard_plan;
int request_seal_answer(struct request *r, struct guard_plan *plan);
/* Seals what the guard has copied, once that fills a part of TEXTS_PART_MAX. The part is sent
 * to the disk and waits for no record. Returns as request_seal_decision(). */
int request_seal_more(struct request *r);
/* Seals the rest with the completion's entry. `whole`: the response was complete. Returns as
 * request_seal_decision(). */
int request_seal_end(struct request *r, bool whole, struct audit_entry *e);
/* Forgets what was sealed for the last record. */
void request_seal_drop(struct request *r);
/* Frees everything, together with the request. */
void request_seal_free(struct request *r);

#endif
