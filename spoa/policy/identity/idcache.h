/* Verified tokens of one worker and one snapshot, by SHA-256 of the whole token
 * and the entry that verified it. Times are checked on every hit; failures are
 * never here. */
#ifndef POLICY_IDENTITY_IDCACHE_H
#define POLICY_IDENTITY_IDCACHE_H

#include "policy/identity/identity.h"

struct token_times { /* wall seconds; 0: absent */
	int64_t exp, nbf, iat;
};

struct cached {
	unsigned char key[32];
	const struct identity_entry *entry;
	struct identity identity;
	struct token_times times;
	unsigned generation; /* of the issuer's keys at a URL; 0 without one */
	struct arena arena;
	bool used;
	bool referenced; /* since the hand last passed: clock eviction */
};

/* NULL: not there. */
struct cached *idcache_find(struct identity_cache *c, const unsigned char key[32]);
/* Keeps a copy; silently not, where memory is short. */
void idcache_put(struct identity_cache *c, const unsigned char key[32],
	const struct identity_entry *e, const struct identity *id, const struct token_times *t,
	unsigned generation);

#endif
