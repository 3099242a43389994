/* Results that one scan of a text keeps about the values in the text. Each key in `key:key:key:…` has a value of
 * up to 511 bytes, most of which is the value of the next key too: with these memos a scan reads
 * such bytes once, not once for each key. A memo never changes what is found. */
#ifndef SCAN_DETECT_VALIDATE_VALUE_MEMO_H
#define SCAN_DETECT_VALIDATE_VALUE_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* How many bytes of a value are of each class; `other`: of no other class, and ASCII. */
struct mix {
	size_t lower, upper, digit, other, foreign;
};

/* The bytes of one value, counted. The next value's counts are made of these. */
struct value_counts {
	const char *from, *to; /* borrowed; the bytes that are counted */
	struct mix mix;
	uint16_t of[256];
	uint64_t sum; /* of count * log2(count) over the bytes, in units of 2^-32 */
};

/* The first place of some kind in a text, as far as it was looked for. */
struct value_place {
	const char *from, *to;	 /* borrowed; no such place begins in [from, to), */
	const char *start, *end; /* and this one begins at `to`; NULL: not known yet */
};

/* Returns how many bytes of a place of the kind begin `rest`, the text from there to its end; 0: none
 * does. Reads a bounded number of bytes. */
typedef size_t value_begins_fn(struct span rest);

/* The first token of a text that was drawn by chance, as far as the scan looked for one. */
struct drawn_place {
	const char *from, *to;	 /* borrowed; no such token begins in [from, to), */
	const char *start, *end; /* and this one begins at `to`; NULL: not known yet */
};

/* owner: one scan of one text. All zero: nothing is known. */
struct value_memo {
	struct value_counts counts;
	struct value_place placeholder, sequence;
	struct drawn_place drawn;
	struct {
		const char *p; /* borrowed; NULL: none was judged yet */
		size_t n;
		bool near; /* check_chance() looks for a value after this name */
	} name;
	struct {
		size_t from, to; /* no value without quotes ends in [from, to) */
		bool lone;	 /* as ends_bare() was asked */
	} bare;
};

struct mix mix_of(struct span s);
/* Counts the bytes of s, part of the text that the memo belongs to. Returns their classes. */
struct mix value_counts(struct value_memo *m, struct span s);
/* Returns what entropy() returns of s. */
float value_entropy(struct value_memo *m, struct span s);
/* Returns true if s holds a byte of the set. */
bool value_has_any(struct value_memo *m, struct span s, const char *set);
/* Returns true if a place of the kind is inside s. `text`: what s is part of. */
bool value_holds(
	struct value_place *memo, struct span text, struct span s, value_begins_fn *begins);

#endif
