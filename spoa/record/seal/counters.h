/* What records call the counter of a limit that counts a person, where they name persons by
 * pseudonyms. Its own name is "tollgate:q:{LIMIT:HASH}" (budget/quota/quota.h), and HASH can be
 * tried with a guessed name. In records it is "tollgate:q:{LIMIT:~SHARE.BLOCK}": SHARE is the
 * number of the person's share B, BLOCK the base64 of one block of AES-256: HASH's 12 bytes and
 * 4 zero bytes, under K = HMAC-SHA-256(HMAC-SHA-256(B, "counter"), the request's id). No other
 * name has ":~". In one request's records a counter has one name, in those of two requests
 * another in each. With B goes K, and nobody makes either name of the other. */
#ifndef RECORD_SEAL_COUNTERS_H
#define RECORD_SEAL_COUNTERS_H

#include "record/seal/shares.h"

/* One request's, of one person. */
struct counter_key {
	uint64_t share;			 /* its number; 0: none */
	unsigned char key[SHA256_BYTES]; /* to be wiped */
};

void counter_key_of(const struct share *b, struct span id, struct counter_key *out);
bool counter_is_hidden(const char *name);
/* In place, in `size` bytes. False: it is no counter's name, no memory, no room, and it is as
 * it was. */
bool counter_hide(const struct counter_key *k, char *name, size_t size);
/* Back, where it is hidden; `id` is that of its record's request. 0, or it is as it was:
 * ERR_NOTFOUND (that share was erased or is lost), ERR_AUTH (it is not what was written),
 * ERR_NOMEM. */
int counter_show(struct shares *s, struct span id, char *name, size_t size);

#endif
