/* One identity_verify(), as the files that look at a kind of credential each see it. For
 * identity/ alone. */
#ifndef POLICY_IDENTITY_ATTEMPT_H
#define POLICY_IDENTITY_ATTEMPT_H

#include "policy/identity/idcache.h"
#include "policy/identity/identity.h"

struct identity_keys {
	size_t n;
	struct entry_keys {
		struct jwks *jwks;
		struct keyset *keyset; /* instead, at a URL */
		struct apikeys *apikeys;
		struct hmac_keys *hmac;
	} * entry; /* as in policy->identities */
};

/* One identity_verify(). */
struct attempt {
	const struct policy *p;
	const struct identity_keys *k;
	struct identity_cache *cache; /* may be NULL */
	struct credentials *c;
	int64_t now_ns, now_s;
	struct arena *a;
	struct identity *out;
	const char **why;
	bool *hit;
};

/* Whether two entries look in the same place. */
static inline bool
same_place(const struct identity_entry *a, const struct identity_entry *b)
{
	if (a->query || b->query)
		return a->query && b->query && !strcmp(a->query, b->query);
	return a->header && b->header && !strcmp(a->header, b->header);
}

/* token.c: a token in that place, and whether it is bound to the certificate of its holder. 0,
 * ERR_AUTH with *t->why, IDENTITY_MISSED, IDENTITY_KEYLESS or ERR_NOMEM. */
int verify_token(
	const struct attempt *t, const struct identity_entry *place, struct span token);

#endif
