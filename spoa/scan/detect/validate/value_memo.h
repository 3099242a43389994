/* Results that one scan of a text keeps about the values in the text. Each key in
 * `key:key:key:…` has a value of up to 511 bytes, most of which belong to the value of the next
 * key too. With these memos, a scan reads such bytes once, not once for each key. A memo never
 * changes the findings. */
#ifndef SCAN_DETECT_VALIDATE_VALUE_MEMO_H
#define SCAN_DETECT_VALIDATE_VALUE_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* The number of bytes of a value, by class. `foreign`: beyond ASCII; `other`: all other bytes. */
struct mix {
	size_t lower, upper, digit, other, foreign;
};

/* The counts of the bytes of one value. The counts of the next value are derived from these. */
struct value_counts {
	const char *from, *to; /* borrowed; the bytes that are counted */
	struct mix mix;
	uint16_t of[256];
	uint64_t sum; /* sum of count * log2(count) over all byte values, in units of 2^-32 */
};

/* The first place of some kind in a text, as far as the text was searched. */
struct value_place {
	const char *from, *to;	 /* borrowed; no place of the kind begins in [from, to) */
	const char *start, *end; /* the first place, which begins at `to`; NULL: not known yet */
};

/* Returns the length of a place of the kind with which `rest` begins, or 0. `rest` is the text
 * from a place to its end. Reads a bounded number of bytes. */
typedef size_t value_begins_fn(struct span rest);

/* The first token of a text that was drawn by chance, as far as the text was searched. */
struct drawn_place {
	/* borrowed; no token that was drawn by chance begins in [from, to) */
	const char *from, *to;
	/* the first such token, which begins at `to`; NULL: not known yet */
	const char *start, *end;
};

enum { VALUE_NAMES = 8 /* names whose kind is remembered */ };

/* owner: one scan of one text. All zero: nothing is known. */
struct value_memo {
	struct value_counts counts;
	struct value_place placeholder, sequence;
	struct drawn_place drawn;
	/* Names that were judged last, by their text: the names of a file are few, and each pattern asks. */
	struct name_kind {
		const char *p; /* borrowed; NULL: none yet */
		size_t n;
		uint8_t kind;	       /* enum key_kind */
		bool near_known, near; /* check_chance() looks for a value after this name */
	} names[VALUE_NAMES];
	struct {
		size_t from, to; /* no value without quotes ends in [from, to) */
		bool lone;	 /* the argument of ends_bare() */
	} bare;
};

struct mix mix_of(struct span s);
/* Counts the bytes of s, part of the text that the memo belongs to. Returns their classes. */
struct mix value_counts(struct value_memo *m, struct span s);
/* Returns what shannon_entropy() returns of s. */
float value_entropy(struct value_memo *m, struct span s);
/* Returns true if s holds a byte of the set. */
bool value_has_any(struct value_memo *m, struct span s, const char *set);
/* Returns true if a place of the kind is inside s, a part of `text`. */
bool value_holds(
	struct value_place *memo, struct span text, struct span s, value_begins_fn *begins);

#endif
