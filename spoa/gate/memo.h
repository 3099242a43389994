/* Remembers the findings, scores and token counts of a text, so that a text that comes again, as
 * the turns of a conversation do, is not read again.
 *
 * A result is stored under a keyed hash (BLAKE2b, RFC 7693) of everything that it depends on: the
 * text, its context, the kind of the search, and the snapshot. So a change of the policy or of the
 * detectors begins without results. No text is stored: results are places and numbers. (Transcripts,
 * which are texts, are in the same store, encrypted: gate/files/speech.c.) Anything
 * that depends on other texts of the request (borders between parts, names that occur elsewhere,
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
#include "scan/detect/detect.h"
#include "scan/inject/inject.h"

struct cache;
struct request;
struct segment;

/* Shorter texts are searched about as fast as they are looked up, or remembered by base/seen.h. */
enum { MEMO_LEAST = SEEN_BYTES + 1, MEMO_KEY = 32, MEMO_SCORES = 4 };

/* The result of a search of one text. Offsets are in that text. */
struct text_found {
	struct findings found;
	size_t invisible; /* characters that show nothing: invisible_count() */
	uint64_t units;	  /* work of the search: base/effort.h */
	unsigned nscores;
	struct inject_result score[MEMO_SCORES];
};

enum memo_what {
	MEMO_SEARCH,	  /* a search with its scores */
	MEMO_TOKENS,	  /* a count of tokens */
	MEMO_CREDENTIALS, /* the text contains no credential of the caller */
	MEMO_MENTIONS,	  /* the text contains no value of a set */
};

/* Everything that a result depends on besides the snapshot. Each member is a part of the key. */
struct memo_of {
	enum memo_what what;
	unsigned char kind; /* options of the search */
	uint16_t roles;	    /* roles that are scored */
	const void *by;	    /* of the snapshot: the vocabulary; NULL: none */
	struct span before; /* context, or the hash of what is sought */
	struct span text;
};
/* The hash of a segment's text, made at the first use. owner: the request. */
struct memo_text {
	struct span of; /* the text that was hashed; p NULL: none yet */
	unsigned char hash[MEMO_KEY];
};

/* Returns true unless nothing is remembered for this request. */
bool memo_on(const struct request *r);
/* Returns true, with the key, if results of such a text are remembered. `s`: the segment that
 * the text belongs to; NULL: none. */
bool memo_key(struct request *r, const struct segment *s, const struct memo_of *of,
	unsigned char key[MEMO_KEY]);

/* Returns true, with *out, if the result is known. The findings are in the arena. */
bool memo_search(const struct request *r, const unsigned char key[MEMO_KEY], struct arena *a,
	struct text_found *out);
void memo_searched(
	const struct request *r, const unsigned char key[MEMO_KEY], const struct text_found *f);

/* Adds a text to the sum, as token_sum_text() does. */
void memo_tokens(struct request *r, const struct segment *s, const struct token_meter *m,
	struct span text, struct token_sum *sum);

/* Returns true if nothing was found in the text. */
bool memo_is_clean(const struct request *r, const unsigned char key[MEMO_KEY]);
void memo_is_now_clean(const struct request *r, const unsigned char key[MEMO_KEY]);

#endif
