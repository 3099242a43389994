/* The words around a value, which raise or lower its score. Not included outside detect/. */
#ifndef SCAN_DETECT_CONTEXT_CONTEXT_H
#define SCAN_DETECT_CONTEXT_CONTEXT_H

#include <string.h>

#include "scan/detect/context/columns.h"

enum { CONTEXT_BYTES = 64 }; /* read on either side of a candidate */

/* ---- a list of words ---- */

/* The first bytes of a word, at most eight, up to a space. One comparison without case rejects
 * nearly all of a text. */
struct word_head {
	uint64_t bytes, mask;
};

static inline struct word_head
word_head_of(struct span word)
{
	const char *blank = memchr(word.p, ' ', word.n);
	size_t n = blank ? (size_t)(blank - word.p) : word.n;
	struct word_head h = { 0, 0 };

	n = n < sizeof(h.bytes) ? n : sizeof(h.bytes);
	memcpy(&h.bytes, word.p, n);
	memset(&h.mask, 0xDF, n);
	return h;
}

/* Returns the bytes at i < t.n that are compared with the first bytes of words. */
static inline uint64_t
word_head_at(struct span t, size_t i)
{
	uint64_t bytes = 0;

	if (t.n - i >= sizeof(bytes))
		memcpy(&bytes, t.p + i, sizeof(bytes));
	else
		memcpy(&bytes, t.p + i, t.n - i);
	return bytes;
}

static inline bool
word_head_is(const struct word_head *h, uint64_t bytes)
{
	return !((bytes ^ h->bytes) & h->mask);
}

struct word_link {
	struct word_head head;
	uint16_t next; /* index, plus 1, of the next word with the same low five bits of its
			* first byte; 0: none */
};

struct words {
	const struct word_link *links; /* one link for each word */
	/* index, plus 1, of the first word whose first byte has these low five bits; 0: none */
	uint16_t from[32];
	const struct span *v; /* lower-case ASCII; a space stands for any run of separators */
	size_t n;
	/* bit set of the words' first bytes in both cases, for early rejection */
	uint64_t first[4];
	/* bit set of the low five bits of second bytes, indexed by the low five bits of the
	 * first byte */
	uint32_t second[32];
};

/* ---- context.c ---- */

/* An entity's words for and against, and how much a nearby word adds to or takes from the score. */
struct context_rule {
	struct words words, against;
	float boost, penalty;
};

/* Returns the score of a candidate after its context was read: the words on both sides and in
 * `before`. Only the list with the nearest word counts. */
float context_score(const struct context_rule *c, struct span text, struct span before,
	size_t start, size_t end, float score);
/* The same in two parts. context_verdict() returns 1 if the nearest word is in `words`, -1 if
 * it is in `against`, 0 if there is none. `col`: the column of the candidate; NULL: it is in no
 * table. */
int context_verdict(const struct words *words, const struct words *against, struct span text,
	struct span before, const struct column *col, size_t start, size_t end);
float context_apply(const struct context_rule *c, int verdict, float score);

/* Returns true if a letter directly before or after the candidate continues a word of the
 * candidate. The words in the window then differ from those of the text. */
bool context_touches(struct span t, size_t start, size_t end);
/* Returns true if a word begins at `at`. */
bool context_word_begins(struct span t, size_t at);

#endif
