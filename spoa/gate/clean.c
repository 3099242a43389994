/* A table by hash, in which each text has four places next to each other; where they are
 * taken, what comes later takes one of them. */
#include "gate/clean.h"

#include <sodium.h>
#include <stdlib.h>

_Static_assert(CLEAN_HASH == crypto_shorthash_siphashx24_BYTES, "the hash is SipHash's");

static unsigned char *
place(const struct clean_texts *c, const unsigned char *hash, unsigned i)
{
	return (unsigned char *)(uintptr_t)c->known[(hash[0] * 4u + i) % CLEAN_TEXTS];
}

struct clean_texts *
clean_texts_new(void)
{
	struct clean_texts *c = calloc(1, sizeof(*c));

	if (c)
		randombytes_buf(c->key, sizeof(c->key));
	return c;
}

bool
clean_known(const struct clean_texts *c, struct span before, struct span text, bool all,
	unsigned char hash[CLEAN_HASH])
{
	unsigned char v[2 + CLEAN_BYTES] = { all, (unsigned char)before.n };
	size_t n = 2;

	if (before.n)
		memcpy(v + n, before.p, before.n);
	n += before.n;
	if (text.n)
		memcpy(v + n, text.p, text.n);
	n += text.n;
	crypto_shorthash_siphashx24(hash, v, n, c->key);
	for (unsigned i = 0; i < 4; i++)
		if (!memcmp(place(c, hash, i), hash, CLEAN_HASH))
			return true;
	return false;
}

void
clean_add(struct clean_texts *c, const unsigned char hash[CLEAN_HASH])
{
	static const unsigned char nothing[CLEAN_HASH];
	unsigned i = 0;

	while (i < 4 && memcmp(place(c, hash, i), nothing, CLEAN_HASH) != 0)
		i++;
	memcpy(place(c, hash, i < 4 ? i : hash[1] % 4), hash, CLEAN_HASH);
}
