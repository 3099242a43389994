/* A hash table in which each pair has four adjacent places. If all four are taken, a new pair
 * replaces one of them. */
#include "base/seen.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/err.h"

_Static_assert(SEEN_HASH == crypto_shorthash_siphashx24_BYTES, "the hash is SipHash's");

static unsigned char *
seen_place(const struct seen *s, const unsigned char *hash, unsigned i)
{
	return (unsigned char *)(uintptr_t)s->v[(hash[0] * 4u + i) % SEEN_TEXTS];
}

struct seen *
seen_new(void)
{
	struct seen *s = calloc(1, sizeof(*s));

	if (s)
		randombytes_buf(s->key, sizeof(s->key));
	return s;
}

bool
seen_has(const struct seen *s, unsigned char kind, struct span one, struct span other,
	unsigned char hash[SEEN_HASH])
{
	unsigned char v[2 + SEEN_BYTES] = { kind, (unsigned char)one.n };
	size_t n = 2;

	INVARIANT(one.n <= UINT8_MAX && one.n + other.n <= SEEN_BYTES);
	if (one.n)
		memcpy(v + n, one.p, one.n);
	n += one.n;
	if (other.n)
		memcpy(v + n, other.p, other.n);
	n += other.n;
	crypto_shorthash_siphashx24(hash, v, n, s->key);
	for (unsigned i = 0; i < 4; i++)
		if (!memcmp(seen_place(s, hash, i), hash, SEEN_HASH))
			return true;
	return false;
}

void
seen_add(struct seen *s, const unsigned char hash[SEEN_HASH])
{
	static const unsigned char nothing[SEEN_HASH];
	unsigned i = 0;

	while (i < 4 && memcmp(seen_place(s, hash, i), nothing, SEEN_HASH) != 0)
		i++;
	memcpy(seen_place(s, hash, i < 4 ? i : hash[1] % 4), hash, SEEN_HASH);
}
