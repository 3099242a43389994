/* One call of identity_verify(), as the files for each kind of credential see it. For identity/
 * only. */
#ifndef POLICY_IDENTITY_ATTEMPT_H
#define POLICY_IDENTITY_ATTEMPT_H

#include "policy/identity/idcache.h"
#include "policy/identity/identity.h"

/* The keys of all entries. Immutable, shared by all workers of a snapshot. */
struct identity_keys {
	size_t n;
	struct entry_keys {
		struct jwks *jwks;
		struct keyset *keyset; /* instead of jwks, if the keys are at a URL */
		struct apikeys *apikeys;
		struct hmac_keys *hmac;
	} * entry; /* one for each of policy->identities */
};

/* Arguments of identity_verify(). Lives on its stack. */
struct attempt {
	const struct policy *p;
	const struct identity_keys *k;
	struct identity_cache *cache; /* NULL: nothing is cached */
	struct credentials *c;
	int64_t now_ns, now_s;
	struct arena *a;
	struct identity *out;
	const char **why;
	bool *hit;
};

/* Returns true if two entries look for credentials in the same place. */
static inline bool
same_place(const struct identity_entry *a, const struct identity_entry *b)
{
	if (a->query || b->query)
		return a->query && b->query && !strcmp(a->query, b->query);
	return a->header && b->header && !strcmp(a->header, b->header);
}

/* token.c: verifies a token from that place and, if it is bound to a certificate, its holder.
 * Returns 0, ERR_AUTH with *t->why, IDENTITY_MISSED, IDENTITY_KEYLESS or ERR_NOMEM. */
int verify_token(
	const struct attempt *t, const struct identity_entry *place, struct span token);

#endif
