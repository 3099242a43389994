/* The window of nonces: buckets of eight words. A word has 40 bits of the nonce's hash and 24
 * bits of the second until which it counts. A worker stores a word by compare-and-swap and then
 * counts again: if two workers stored the same nonce at the same time, at most one of them
 * counts a single word. */
#include "policy/identity/nonce.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/sha256.h"
#include "base/wall.h"

enum { BUCKET = 8, UNTIL_BITS = 24 };
#define UNTIL_MASK ((UINT64_C(1) << UNTIL_BITS) - 1)

/* Shared by all workers without a lock. */
struct nonce_window {
	size_t buckets;	     /* a power of two */
	uint64_t started_us; /* monotonic */
	_Atomic uint64_t v[];
};

struct nonce_window *
nonce_window_new(size_t entries, uint64_t started_us)
{
	size_t buckets = 1;

	while (buckets * BUCKET < entries)
		buckets *= 2;
	struct nonce_window *w = calloc(1, sizeof(*w) + buckets * BUCKET * sizeof(w->v[0]));
	if (!w)
		return NULL;
	w->buckets = buckets;
	w->started_us = started_us;
	return w;
}

void
nonce_window_free(struct nonce_window **w)
{
	free(*w);
	*w = NULL;
}

int64_t
nonce_window_started(const struct nonce_window *w)
{
	return ((int64_t)w->started_us + wall_offset_us()) / 1000000;
}

/* Returns true if a word still counts. The 24 bits wrap around after 194 days, so a time more
 * than half of that ahead is past. */
static bool
live(uint64_t word, uint64_t now)
{
	uint64_t ahead = ((word & UNTIL_MASK) - now) & UNTIL_MASK;

	return word && ahead > 0 && ahead < UNTIL_MASK / 2;
}

/* Returns the number of live words in the bucket that have the same hash. */
static unsigned
count_nonce(_Atomic uint64_t *bucket, uint64_t word, uint64_t now)
{
	unsigned n = 0;

	for (int i = 0; i < BUCKET; i++) {
		uint64_t v = atomic_load(&bucket[i]);
		n += live(v, now) && v >> UNTIL_BITS == word >> UNTIL_BITS;
	}
	return n;
}

int
nonce_take(struct nonce_window *w, struct span nonce, int64_t now_s, int64_t until_s)
{
	unsigned char h[SHA256_BYTES];
	uint64_t hash, now = (uint64_t)now_s & UNTIL_MASK;

	INVARIANT(w->buckets && !(w->buckets & (w->buckets - 1)));
	sha256(nonce, h);
	memcpy(&hash, h, sizeof(hash));
	_Atomic uint64_t *bucket = &w->v[(hash & (w->buckets - 1)) * BUCKET];
	memcpy(&hash, h + sizeof(hash), sizeof(hash));
	uint64_t word = (hash << UNTIL_BITS | ((uint64_t)until_s & UNTIL_MASK));

	word += !word; /* 0 marks a free word */
	if (count_nonce(bucket, word, now))
		return ERR_DUPLICATE;
	for (int i = 0; i < BUCKET; i++) {
		uint64_t old = atomic_load(&bucket[i]);
		if (live(old, now) || !atomic_compare_exchange_strong(&bucket[i], &old, word))
			continue;
		return count_nonce(bucket, word, now) == 1 ? 0 : ERR_DUPLICATE;
	}
	return ERR_LIMIT;
}
