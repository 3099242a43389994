/* Names of counters in records, for limits that count a person, if records name persons by
 * pseudonyms.
 *
 * A counter's own name is "tollgate:q:{LIMIT:HASH}" (budget/quota/quota.h), and HASH can be
 * checked against a guessed name. In records it is "tollgate:q:{LIMIT:~SHARE.BLOCK}". SHARE
 * is the number of the person's share B. BLOCK is the base64 of one AES-256 block: the 12
 * bytes of HASH and 4 zero bytes, encrypted with K = HMAC-SHA-256(HMAC-SHA-256(B, "counter"),
 * the request's id). No other name contains ":~". A counter has the same name in all records
 * of one request, and another name in each other request. When B is erased, K is lost, too,
 * and neither name can be derived from the other. */
#ifndef RECORD_SEAL_COUNTERS_H
#define RECORD_SEAL_COUNTERS_H

#include "record/seal/shares.h"

/* The key for one request of one person. */
struct counter_key {
	uint64_t share;			 /* number of share B; 0: none */
	unsigned char key[SHA256_BYTES]; /* erase it after use */
};

/* Derives the key from share B and the request's id. */
void counter_key_of(const struct share *b, struct span id, struct counter_key *out);
/* Returns true if a name in a record is hidden. */
bool counter_is_hidden(const char *name);
/* Hides a name in place; `name` has `size` bytes. Returns false and leaves the name unchanged
 * if it is no counter's name, or if memory or room is missing. */
bool counter_hide(const struct counter_key *k, char *name, size_t size);
/* Restores a hidden name in place; `id` is the id of its record's request. Does nothing to
 * other names. Returns 0, or leaves the name unchanged and returns ERR_NOTFOUND (the share
 * was erased or is lost), ERR_AUTH (the name was changed) or ERR_NOMEM. */
int counter_show(struct shares *s, struct span id, char *name, size_t size);

#endif
