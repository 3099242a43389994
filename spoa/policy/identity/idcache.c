/* A table of fixed size with eight entries in each set (open addressing). A clock hand in each
 * set evicts entries that were not used since it last passed. */
#include "policy/identity/idcache.h"

#include <stdlib.h>

#include "base/err.h"
#include "policy/identity/claims.h"

enum { WAYS = 8 };

/* Owner: one worker. */
struct identity_cache {
	size_t sets;
	unsigned *hand;
	struct cached *v;
};

struct identity_cache *
identity_cache_new(size_t entries)
{
	struct identity_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->sets = entries < WAYS ? 1 : entries / WAYS;
	c->v = calloc(c->sets * WAYS, sizeof(*c->v));
	c->hand = calloc(c->sets, sizeof(*c->hand));
	if (!c->v || !c->hand)
		identity_cache_free(&c);
	return c;
}

static void
drop_cached(struct cached *e)
{
	if (e->used)
		arena_reset(&e->arena);
	memset(e, 0, sizeof(*e));
}

void
identity_cache_free(struct identity_cache **cp)
{
	struct identity_cache *c = *cp;

	if (!c)
		return;
	for (size_t i = 0; c->v && i < c->sets * WAYS; i++)
		drop_cached(&c->v[i]);
	free(c->v);
	free(c->hand);
	free(c);
	*cp = NULL;
}

static size_t
cache_set_of(const struct identity_cache *c, const unsigned char key[32])
{
	uint64_t h;

	memcpy(&h, key, sizeof(h));
	INVARIANT(c->sets > 0);
	return (size_t)(h % c->sets);
}

struct cached *
idcache_find(struct identity_cache *c, const unsigned char key[32])
{
	struct cached *set = &c->v[cache_set_of(c, key) * WAYS];

	for (int i = 0; i < WAYS; i++)
		if (set[i].used && memcmp(set[i].key, key, 32) == 0) {
			set[i].referenced = true;
			return &set[i];
		}
	return NULL;
}

void
idcache_put(struct identity_cache *c, const unsigned char key[32],
	const struct identity_entry *e, const struct identity *id, const struct token_times *t,
	unsigned generation)
{
	size_t s = cache_set_of(c, key);
	struct cached *set = &c->v[s * WAYS], *at = idcache_find(c, key);

	for (int i = 0; i < WAYS && !at; i++)
		if (!set[i].used)
			at = &set[i];
	while (!at) {
		struct cached *candidate = &set[c->hand[s]++ % WAYS];
		if (!candidate->referenced)
			at = candidate;
		candidate->referenced = false;
	}
	INVARIANT(at >= set && at < set + WAYS); /* idcache_find() searches only this set */
	drop_cached(at);
	arena_init(&at->arena, 64 << 10, true);
	at->used = true;
	if (identity_copy(id, &at->arena, &at->identity) < 0) {
		drop_cached(at);
		return;
	}
	memcpy(at->key, key, 32);
	at->entry = e;
	at->times = *t;
	at->generation = generation;
}
