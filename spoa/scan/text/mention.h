/* Finds further occurrences of values that detectors found elsewhere. A text is read once,
 * whatever the number of values (Aho and Corasick, "Efficient string matching", CACM 18.6). An
 * occurrence counts only if it begins and ends where a token does: no letter or digit continues
 * across its ends. A value is also found in the spelling that it has inside JSON strings and
 * URLs. */
#ifndef SCAN_TEXT_MENTION_H
#define SCAN_TEXT_MENTION_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

/* When two spellings are the same value. */
enum mention_how {
	MENTION_EXACT, /* byte by byte, also in base64 or hexadecimal; for user:password also the
			* password alone */
	/* The following two apply to values that contain a digit or '@'; other values are
	 * compared exactly. */
	MENTION_CASELESS, /* ASCII letters in any case */
	MENTION_FOLDED, /* only letters and digits count, in any case: 4111-1111 equals 41111111 */
	MENTION_ANYWHERE, /* byte by byte, also inside tokens; add these values before the others */
};
enum {
	MENTION_LEAST = 4, /* symbols; a shorter value is too common to be searched for */
	MENTION_FOLDS = 64 /* symbols; a longer value is compared with its separators */
};

struct mention {
	size_t start, end; /* bytes of the text, end exclusive */
	uint32_t tag;	   /* the tag that the value was added with */
};

/* The values and the automata that find them. The caller of mention_set_new() owns the set. One
 * thread fills it; after mention_build() returned 0, several threads may scan with it. */
struct mention_set;

/* Returns NULL if memory is exhausted. */
struct mention_set *mention_set_new(void);
/* Frees the set and zeroes the values in it. Accepts a pointer to NULL. */
void mention_set_free(struct mention_set **s);

/* Adds a value. `value` must stay valid until the set is built. If a value is added twice, the
 * first tag counts. E-mail addresses are not added once the set is crowded: their detector finds
 * them by shape everywhere, and the room is kept for values that were found only by their
 * context. Returns 0, ERR_NOMEM, or ERR_LIMIT if CAP_MENTION_BYTES is exceeded. */
int mention_add(struct mention_set *s, struct span value, enum mention_how how, uint32_t tag);
bool mention_set_empty(const struct mention_set *s);
/* Returns true if more than a quarter of CAP_MENTION_BYTES is used. Then do not add values that
 * detectors find by themselves, such as names. */
bool mention_set_crowded(const struct mention_set *s);
/* Builds the automata. Call after the last value was added, until the result is 0; each call
 * handles about `steps` bytes of the values. Returns 0 when done, 1 if more work is left, or
 * ERR_NOMEM. */
int mention_build(struct mention_set *s, size_t steps);
/* Returns the bytes of memory that the set uses. */
size_t mention_set_bytes(const struct mention_set *s);

/* The scan of one text. `v` holds the occurrences found before `at`, sorted and not overlapping. */
struct mention_scan {
	const struct mention_set *set;
	struct span text;
	size_t at;
	struct mention *v;
	size_t n, size;
	/* private: the automata's states */
	uint32_t node[MENTION_ANYWHERE];
	size_t symbols, gap, skip;    /* for the folded text: symbols read, separators in a row,
				       * bytes of a separator left to skip */
	size_t places[MENTION_FOLDS]; /* offsets of the last symbols in the text */
};

/* Begins a scan. A zeroed struct is valid; the memory of an earlier scan is reused. Free it with
 * mention_scan_free(). */
void mention_begin(struct mention_scan *s, const struct mention_set *set, struct span text);
/* Scans the next `bytes` bytes; at the end s->at is text.n. Returns 0, ERR_NOMEM, or ERR_LIMIT
 * if the text has more than CAP_MENTIONS occurrences. */
int mention_next(struct mention_scan *s, size_t bytes);
void mention_scan_free(struct mention_scan *s);

#endif
