/* Verified tokens of one worker and one snapshot. The key is the SHA-256 of the whole token or
 * certificate. Times are checked at every use. Failures are never cached. */
#ifndef POLICY_IDENTITY_IDCACHE_H
#define POLICY_IDENTITY_IDCACHE_H

#include "policy/identity/identity.h"

struct token_times { /* wall seconds; 0: absent */
	int64_t exp, nbf, iat;
};

/* One entry. Its identity lives in `arena`. */
struct cached {
	unsigned char key[32];
	const struct identity_entry *entry;
	struct identity identity;
	struct token_times times;
	unsigned generation; /* generation of the issuer's keys at a URL; 0: no URL */
	struct arena arena;
	bool used;
	bool referenced; /* used since the clock hand last passed */
};

/* Returns NULL if there is no such entry. The result is valid until the next idcache_put(). */
struct cached *idcache_find(struct identity_cache *c, const unsigned char key[32]);
/* Keeps a copy of the identity. If memory is exhausted, nothing is kept. */
void idcache_put(struct identity_cache *c, const unsigned char key[32],
	const struct identity_entry *e, const struct identity *id, const struct token_times *t,
	unsigned generation);

#endif
