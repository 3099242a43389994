/* What the words around a value say of it. Not included outside detect/. */
#ifndef SCAN_DETECT_CONTEXT_CONTEXT_H
#define SCAN_DETECT_CONTEXT_CONTEXT_H

#include <string.h>

#include "scan/detect/context/columns.h"

enum { CONTEXT_BYTES = 64 }; /* read on either side of a candidate */

/* ---- a list of words ---- */

/* The first bytes of a word, up to a blank and eight at most: one comparison, without case,
 * rejects nearly all of a text. */
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

/* What a word that begins at i < t.n is compared by. */
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
	uint16_t next; /* the next word whose first byte has these five bits, and one */
};

struct words {
	const struct word_link *links; /* of each word */
	uint16_t from[32];	       /* the first of them by the five bits, and one */
	const struct span *v; /* lower-case ASCII; a space is for any run of separators */
	size_t n;
	uint64_t first[4];   /* first bytes, both cases: the early reject */
	uint32_t second[32]; /* second bytes' low five bits, by those of the first */
};

/* ---- context.c ---- */

/* An entity's words, and what one of them near by adds or takes. */
struct context_rule {
	struct words words, against;
	float boost, penalty;
};

/* The score of a candidate after its context: words on both sides and in
 * `before`; the nearer of the two lists counts. */
float context_score(const struct context_rule *c, struct span text, struct span before,
	size_t start, size_t end, float score);
/* The same in two parts: 1 where a word speaks for it, -1 against, else 0; `col`, where
 * the text is a table, says what is above. */
int context_verdict(const struct words *words, const struct words *against, struct span text,
	struct span before, const struct column *col, size_t start, size_t end);
float context_apply(const struct context_rule *c, int verdict, float score);

/* Whether a letter of the text touches one of the candidate: a word next to it is whole only
 * once that is cut away. */
bool context_touches(struct span t, size_t start, size_t end);
/* Whether a word begins there. */
bool context_word_begins(struct span t, size_t at);

#endif
