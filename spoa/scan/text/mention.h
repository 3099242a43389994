/* Further places of values that were found: a text is read once, whatever the number
 * of values (Aho and Corasick, "Efficient string matching", CACM 18.6). A place counts
 * where the value begins and ends as a token does: no letter or digit goes on across
 * its ends. A value also counts in the spelling it has inside JSON strings and URLs. */
#ifndef SCAN_TEXT_MENTION_H
#define SCAN_TEXT_MENTION_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

/* When two spellings are one value. */
enum mention_how {
	MENTION_EXACT, /* byte by byte, and in base64 or hexadecimal; of user:password the password alone too */
	/* of values with a digit or '@': */
	MENTION_CASELESS, /* ASCII letters in any case */
	MENTION_FOLDED, /* only letters and digits count, in any case: 4111-1111 and 41111111 */
	MENTION_ANYWHERE, /* byte by byte, inside tokens too; to be added before the others */
};
enum {
	MENTION_LEAST = 4, /* symbols: a shorter value is too common to follow */
	MENTION_FOLDS = 64 /* symbols: a longer one is compared with its separators */
};

struct mention {
	size_t start, end; /* bytes of the text, end exclusive */
	uint32_t tag;	   /* the value's */
};

/* The values, and what finds them. owner: whoever holds it. */
struct mention_set;

/* NULL: no memory. */
struct mention_set *mention_set_new(void);
/* Zeroes it: it holds the values. */
void mention_set_free(struct mention_set **s);

/* `value` must live until the set is built. Of equal values the first one's tag counts. An
 * e-mail address is found by its shape wherever it is, so of very many the last ones are
 * left to their detector: there is room for values that only their surroundings gave away.
 * 0, ERR_NOMEM, or ERR_LIMIT (over CAP_MENTION_BYTES). */
int mention_add(struct mention_set *s, struct span value, enum mention_how how, uint32_t tag);
bool mention_set_empty(const struct mention_set *s);
/* Whether a quarter of the room is taken: values that detectors find by themselves, such as
 * names, are then better left to them. */
bool mention_set_crowded(const struct mention_set *s);
/* After the last value, until it is 0: about `steps` bytes of the values a call. 1: there is
 * more to do; ERR_NOMEM. */
int mention_build(struct mention_set *s, size_t steps);
/* Bytes that it takes. */
size_t mention_set_bytes(const struct mention_set *s);

/* One text's pass. `v` is what was found up to `at`, sorted, not overlapping. */
struct mention_scan {
	const struct mention_set *set;
	struct span text;
	size_t at;
	struct mention *v;
	size_t n, size;
	/* its own */
	uint32_t node[MENTION_ANYWHERE];
	size_t symbols, gap, skip;    /* of the folded text */
	size_t places[MENTION_FOLDS]; /* of the last symbols in the text */
};

/* Keeps the memory of a pass before; zeroed at first. */
void mention_begin(struct mention_scan *s, const struct mention_set *set, struct span text);
/* Over the next `bytes`; at the end s->at is text.n. 0, ERR_NOMEM, or ERR_LIMIT (over
 * CAP_MENTIONS in this text). */
int mention_next(struct mention_scan *s, size_t bytes);
void mention_scan_free(struct mention_scan *s);

#endif
