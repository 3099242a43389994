/* Validators of recovery keys: seed phrases of wallets (BIP 39), BitLocker's recovery password. */
#include <sodium.h>
#include <string.h>

#include "base/among.h"
#include "base/ascii.h"
#include "scan/detect/validate/check.h"

static const char *const seed_words[] = {
#include "scan/detect/validate/seed_words.inc"
};

enum {
	SEED_WORDS = sizeof(seed_words) / sizeof(seed_words[0]),
	SEED_LEAST = 12, /* words of the shortest phrase */
	SEED_MOST = 24,
	SEED_RUN = 32, /* words that are read; words of the label may precede the phrase */
	WORD_BITS = 11,
	BITLOCKER_GROUP = 6, /* digits; each group is a multiple of 11 below 720,896 (65,536 * 11) */
};

/* Words of the list that follow each other in a text. */
struct seed_run {
	uint16_t word[SEED_RUN];
	size_t start[SEED_RUN], end[SEED_RUN], n;
};

/* Returns the place of a word in the list, or -1. */
static int
seed_word(struct span s)
{
	size_t low = 0, high = SEED_WORDS;

	while (low < high) {
		size_t mid = (low + high) / 2;
		struct span w = span_str(seed_words[mid]);
		int order = memcmp(w.p, s.p, w.n < s.n ? w.n : s.n);
		if (order == 0 && w.n == s.n)
			return (int)mid;
		if (order < 0 || (order == 0 && w.n < s.n))
			low = mid + 1;
		else
			high = mid;
	}
	return -1;
}

/* Returns true if the checksum of the n words is right: the last n / 3 bits are the first ones of the
 * SHA-256 digest of the other bits (BIP 39, Generating the mnemonic). */
static bool
seed_is_valid(const uint16_t *word, size_t n)
{
	unsigned char bits[SEED_MOST * WORD_BITS / 8 + 1] = { 0 }, hash[crypto_hash_sha256_BYTES];
	size_t sum = n / 3, data = n * WORD_BITS - sum;

	for (size_t i = 0; i < n * WORD_BITS; i++)
		if (word[i / WORD_BITS] >> (WORD_BITS - 1 - i % WORD_BITS) & 1)
			bits[i / 8] |= (unsigned char)(0x80 >> i % 8);
	crypto_hash_sha256(hash, bits, data / 8);
	bool valid = bits[data / 8] >> (8 - sum) == hash[0] >> (8 - sum);
	sodium_memzero(bits, sizeof(bits));
	return valid;
}

/* Reads words of the list from `at` on, until another word. Returns the end of the text that was
 * read. Numbers and punctuation may stand between: "1. abandon 2. ability". */
static size_t
seed_read(struct span t, size_t at, size_t to, struct seed_run *r)
{
	r->n = 0;
	while (at < to && r->n < SEED_RUN) {
		while (at < to && !is_alpha(t.p[at]))
			at++;
		size_t end = span_past(span_cut(t, 0, to), at, is_lower);
		int word = seed_word(span_cut(t, at, end));
		if (word < 0)
			return span_past(span_cut(t, 0, to), at, is_alpha);
		r->word[r->n] = (uint16_t)word;
		r->start[r->n] = at;
		r->end[r->n++] = at = end;
	}
	return at;
}

static enum check_result
check_seed(struct candidate *c)
{
	struct seed_run r = { .n = 0 };
	size_t at = c->start;

	while (at < c->end && r.n < SEED_LEAST) {
		size_t next = seed_read(c->text, at, c->end, &r);
		at = next > at ? next : at + 1;
	}
	if (r.n < SEED_LEAST)
		return CHECK_NO;
	for (size_t n = SEED_MOST; n >= SEED_LEAST; n -= 3)
		for (size_t i = 0; i + n <= r.n; i++)
			if (seed_is_valid(r.word + i, n)) {
				c->start = r.start[i];
				c->end = r.end[i + n - 1];
				return CHECK_VALID;
			}
	/* A word was mistyped or changed, but the others still tell the seed. */
	c->start = r.start[0];
	c->end = r.end[r.n - 1];
	return CHECK_SHAPE;
}

static enum check_result
check_bitlocker(struct candidate *c)
{
	unsigned value = 0, digits = 0;

	for (size_t i = c->start; i < c->end; i++) {
		if (!is_digit(c->text.p[i]))
			continue;
		value = value * 10 + (unsigned)(c->text.p[i] - '0');
		if (++digits % BITLOCKER_GROUP)
			continue;
		if (value % 11 || value >= 65536 * 11)
			return CHECK_NO;
		value = 0;
	}
	return CHECK_VALID;
}

/* The validators of this file (check.h). */
const struct check checks_seed[] = {
	{ "seed", check_seed, "words of BIP 39, and its checksum", NULL },
	{ "bitlocker", check_bitlocker, "each group is a multiple of 11", NULL },
	{ NULL, NULL, NULL, NULL },
};
