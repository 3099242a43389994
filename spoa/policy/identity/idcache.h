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

#endif
