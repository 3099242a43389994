/* Remembers what a text was found to hold, so that a text that comes again, as the turns of a
 * conversation do, is not read again.
 *
 * A result is stored under a keyed hash (BLAKE2b, RFC 7693) of everything that it depends on: the
 * text, what stands before it, the kind of the search, and the snapshot. So a change of the policy
 * or of the detectors begins with no results. No text is stored: results have places and numbers.
 * What depends on other texts of the request (borders between parts, names that occur elsewhere,
 * columns over several windows) is computed each time.
 *
 * Requests of all callers share the results. A caller could learn from the time that a request
 * takes whether a text of its own was seen before, which `memo: off` prevents. */
#ifndef GATE_MEMO_H
#define GATE_MEMO_H

#include "base/arena.h"
#include "base/seen.h"
#include "base/span.h"
#include "base/tokens/estimate.h"
#include "scan/detect/rules/finding.h"
#include "scan/inject/inject.h"

struct cache;
struct request;

/* Shorter texts are searched about as fast as they are looked up, or remembered by base/seen.h. */
enum { MEMO_LEAST = SEEN_BYTES + 1, MEMO_KEY = 32, MEMO_SCORES = 4 };

/* What a search of one text found. Offsets are in that text. */
struct text_found {
	struct findings found;
	size_t invisible; /* characters that show nothing: invisible_count() */
	uint64_t units;	  /* work of the search: base/effort.h */
	unsigned nscores;
	struct inject_result score[MEMO_SCORES];
};

/* What the result depends on besides the snapshot. Every member is a part of the key. */
struct memo_of {
	char what;	    /* 's': a search; 't': a count of tokens */
	unsigned char kind; /* options of the search */
	uint16_t roles;	    /* roles that are scored */
	const void *by;	    /* of the snapshot: the vocabulary; NULL: none */
	struct span before, text;
};

/* Returns true, with the key, if results of such a text are remembered. */
bool memo_key(const struct request *r, const struct memo_of *of, unsigned char key[MEMO_KEY]);

/* Returns true, with *out, if the result is known. The findings are in the arena. */
bool memo_search(
	const struct request *r, const unsigned char key[MEMO_KEY], struct arena *a, struct text_found *out);
void memo_searched(
	const struct request *r, const unsigned char key[MEMO_KEY], const struct text_found *f);

/* Adds a text to the sum, as token_sum_text() does. */
void memo_tokens(const struct request *r, const struct token_meter *m, struct span text,
	struct token_sum *sum);

#endif
