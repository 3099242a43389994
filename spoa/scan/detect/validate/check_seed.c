/* Validators of recovery keys: seed phrases of wallets (BIP 39), BitLocker's recovery password. */
#include <sodium.h>
#include <string.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/effort.h"
#include "scan/detect/validate/check.h"
#include "scan/detect/validate/seed.h"

static const char *const seed_words[] = {
#include "scan/detect/validate/seed_words.inc"
};

enum {
	SEED_WORDS = sizeof(seed_words) / sizeof(seed_words[0]),
	SEED_LEAST = 12, /* words of the shortest phrase */
	SEED_MOST = 24,
	SEED_RUN = 32, /* words that are read; words of the label may precede the phrase */
	SEED_HELD = 4, /* words of the list after which a sentence that continues is held */
	SEED_LETTERS = 8, /* of the longest word */
	SEED_GAP = 10, /* bytes between two words of a phrase without a label: "1. legal", "legal", "winner" */
	WORD_BITS = 11,
	BITLOCKER_GROUP = 6, /* digits; each group is a multiple of 11 below 720,896 (65,536 * 11) */
};

uint64_t seed_heads[1024];
/* The first four letters of the words; no two words have the same (BIP 39). */
static uint32_t seed_keys[SEED_WORDS];

/* Returns the first four letters as a number, in the order of the list. */
static uint32_t
seed_key(struct span s)
{
	uint32_t key = 0;

	for (size_t i = 0; i < 4; i++)
		key = key << 8 | (i < s.n ? (unsigned char)to_lower(s.p[i]) : 0);
	return key;
}

__attribute__((constructor)) static void
fill_seed_heads(void)
{
	for (size_t i = 0; i < SEED_WORDS; i++) {
		/* A word of three letters is followed by one of these. The hash of a line break is that
		 * of *. */
		static const char after[] = " ,.\"*)-:;|/_'`<]&}?!";
		char four[4];
		memcpy(four, seed_words[i], 4);
		for (const char *c = four[3] ? after + sizeof(after) - 2 : after; *c; c++) {
			if (!seed_words[i][3])
				four[3] = *c;
			uint32_t hash = seed_head_hash(four);
			seed_heads[hash / 64] |= UINT64_C(1) << (hash % 64);
		}
		seed_keys[i] = seed_key(span_str(seed_words[i]));
	}
}

/* Words of the list that follow each other in a text. */
struct seed_run {
	uint16_t word[SEED_RUN];
	size_t start[SEED_RUN], end[SEED_RUN], n;
};

/* Returns the place in the list of the first word whose first four letters are not before those of s. */
static size_t
seed_place(struct span s)
{
	uint32_t key = seed_key(s);
	size_t low = 0, high = SEED_WORDS;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (seed_keys[mid] < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Returns the place of a word in the list, or -1. */
static int
seed_word(struct span s)
{
	char four[4] = "    ";

	if (s.n < 3 || s.n > SEED_LETTERS)
		return -1;
	memcpy(four, s.p, s.n < sizeof(four) ? s.n : sizeof(four));
	size_t at = seed_may_begin(four) ? seed_place(s) : SEED_WORDS;
	return at < SEED_WORDS && span_ieq(span_str(seed_words[at]), s) ? (int)at : -1;
}

/* Returns true if a word of the list begins with s. */
static bool
begins_seed_word(struct span s)
{
	size_t at = s.n <= SEED_LETTERS ? seed_place(s) : SEED_WORDS;

	return at < SEED_WORDS && strlen(seed_words[at]) >= s.n &&
	       span_ieq(span_of(seed_words[at], s.n), s);
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
 * read. Numbers and punctuation, at most `gap` bytes, may stand between: "1. abandon 2. ability". */
static size_t
seed_read(struct span t, size_t at, size_t to, size_t gap, struct seed_run *r)
{
	r->n = 0;
	while (at < to && r->n < SEED_RUN) {
		size_t after = at;
		while (at < to && !is_alpha(t.p[at]))
			at++;
		if (r->n && at - after > gap)
			return after;
		size_t end = span_past(span_cut(t, 0, to), at, is_alpha);
		int word = seed_word(span_cut(t, at, end));
		if (word < 0)
			return span_past(span_cut(t, 0, to), at, is_alpha);
		r->word[r->n] = (uint16_t)word;
		r->start[r->n] = at;
		r->end[r->n++] = at = end;
	}
	return at;
}

/* Returns true if the words are in the order of the list. A phrase of twelve is so in one of 500
 * million cases; lists of words are. */
static bool
words_in_order(const uint16_t *word, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (word[i] <= word[i - 1])
			return false;
	return true;
}

/* Returns true if enough of the words differ. Code repeats a few names. */
static bool
words_differ(const uint16_t *word, size_t n)
{
	size_t other = 0;

	for (size_t i = 0; i < n; i++) {
		size_t k = 0;
		while (k < i && word[k] != word[i])
			k++;
		other += k == i;
	}
	return 4 * other >= 3 * n;
}

/* Returns true if the text between two words is that of a list or of a sentence, as in "1. legal",
 * "legal, winner" and quotes of a program. */
static bool
is_list_gap(struct span gap)
{
	bool digit = false, mark = false;

	for (size_t i = 0; i < gap.n; i++) {
		digit |= is_digit(gap.p[i]);
		mark |= is_one_of(gap.p[i], ".:)#*-");
		if (!is_digit(gap.p[i]) && !is_one_of(gap.p[i], " \t\r\n,;|\"'`.:)#*-"))
			return false;
	}
	return !mark || digit || memchr(gap.p, '\n', gap.n);
}

/* Returns true if the words of the phrase are separated like those of a list, or all in one way. */
static bool
is_separated(const struct seed_run *r, size_t i, size_t n, struct span t)
{
	struct span first = span_cut(t, r->end[i], r->start[i + 1]);

	for (; n > 1; i++, n--) {
		struct span gap = span_cut(t, r->end[i], r->start[i + 1]);
		if (!is_list_gap(gap) && !(gap.n == 1 && gap.p[0] != '.' && span_eq(gap, first)))
			return false;
	}
	return true;
}

/* Sets the ends of the candidate to the longest phrase with a valid checksum. `bare`: no label precedes
 * it, so its words and what separates them must be those of a phrase. Returns false if there is none. */
static bool
seed_find(const struct seed_run *r, bool bare, struct candidate *c)
{
	for (size_t n = SEED_MOST; n >= SEED_LEAST; n -= 3)
		for (size_t i = 0; i + n <= r->n; i++)
			if (!words_in_order(r->word + i, n) && seed_is_valid(r->word + i, n) &&
				(!bare || (words_differ(r->word + i, n) &&
						  is_separated(r, i, n, c->text)))) {
				c->start = r->start[i];
				c->end = r->end[i + n - 1];
				return true;
			}
	return false;
}

static enum check_result
check_seed(struct candidate *c)
{
	struct seed_run r = { .n = 0 };
	size_t at = c->start;

	while (at < c->end && r.n < SEED_LEAST) {
		size_t next = seed_read(c->text, at, c->end, c->end, &r);
		at = next > at ? next : at + 1;
	}
	if (r.n < SEED_LEAST)
		return CHECK_NO;
	if (seed_find(&r, false, c))
		return CHECK_VALID;
	/* A word was mistyped or changed, but the others still tell the seed. */
	c->start = r.start[0];
	c->end = r.end[r.n - 1];
	return CHECK_SHAPE;
}

/* Returns the beginning of the word before `at`, which is in the list and at most SEED_GAP bytes before,
 * or `at`. */
static size_t
seed_before(struct span t, size_t at)
{
	size_t end = at;

	while (end > 0 && at - end <= SEED_GAP && !is_alpha(t.p[end - 1]))
		end--;
	size_t start = span_back(t, end, end > SEED_LETTERS ? end - SEED_LETTERS - 1 : 0, is_alpha);
	return at - end <= SEED_GAP && seed_word(span_cut(t, start, end)) >= 0 ? start : at;
}

/* A phrase without a label. More than SEED_RUN words are a list of words. */
static enum check_result
check_bare_seed(struct candidate *c)
{
	struct seed_run r;

	if (seed_before(c->text, c->start) < c->start)
		return CHECK_NO;
	seed_read(c->text, c->start, c->end, SEED_GAP, &r);
	return valid_if(r.n >= SEED_LEAST && r.n < SEED_RUN && seed_find(&r, true, c));
}

/* Returns true if the text after the phrase's words is known, so that none is added. */
static bool
bare_seed_ended(const struct candidate *c)
{
	struct seed_run r;
	size_t end = seed_read(c->text, c->start, c->text.n, SEED_GAP, &r);

	return r.n == SEED_RUN || end < c->text.n;
}

/* Returns false if fewer than SEED_LEAST words around the one at `at` may be in the list, by their first
 * letters alone. */
static bool
may_be_row(struct span t, size_t at)
{
	size_t n = 1, i = at, end;

	for (; n < SEED_LEAST; n++) {
		end = i = span_past(t, i, is_alpha);
		while (i < t.n && i - end <= SEED_GAP && !is_alpha(t.p[i]))
			i++;
		if (i + 4 > t.n)
			break;
		if (i - end > SEED_GAP || !seed_may_begin(t.p + i))
			break;
	}
	n += i + 4 > t.n; /* the last word */
	for (i = at; n < SEED_LEAST; n++) {
		end = i;
		while (i > 0 && end - i <= SEED_GAP && !is_alpha(t.p[i - 1]))
			i--;
		size_t start = span_back(t, i, i > SEED_LETTERS ? i - SEED_LETTERS : 0, is_alpha);
		if (end - i > SEED_GAP || start == i || start + 4 > t.n ||
			!seed_may_begin(t.p + start))
			break;
		i = start;
	}
	return n >= SEED_LEAST;
}

bool
seed_row(struct span t, size_t *from, size_t *to)
{
	struct seed_run after;
	size_t before, n = 0;

	if (!may_be_row(t, *from))
		return false;

	while (n <= SEED_RUN && (before = seed_before(t, *from)) < *from) {
		*from = before;
		n++;
	}
	*to = seed_read(t, *to, t.n, SEED_GAP, &after);
	effort_add((n + after.n + 1) * SEED_LETTERS);
	return n + after.n >= SEED_LEAST;
}

size_t
seed_open(struct span t)
{
	size_t start = span_back(t, t.n, t.n > SEED_LETTERS ? t.n - SEED_LETTERS - 1 : 0, is_alpha), n = 0;
	size_t before;

	if (start < t.n && !begins_seed_word(span_cut(t, start, t.n)))
		return t.n;
	while ((before = seed_before(t, start)) < start && n++ < SEED_RUN)
		start = before;
	/* Inside a sentence, a word before is not in the list. */
	size_t mark = start > 1 && t.p[start - 1] == ' ' ? start - 1 : 0;
	mark -= mark > 1 && t.p[mark - 1] == ',';
	bool inside = mark && is_alpha(t.p[mark - 1]);
	return n >= (inside ? SEED_HELD : 1) && n <= SEED_RUN ? start : t.n;
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
	{ "bare_seed", check_bare_seed, "a checksum of BIP 39", bare_seed_ended },
	{ "bitlocker", check_bitlocker, "each group is a multiple of 11", NULL },
	{ NULL, NULL, NULL, NULL },
};
