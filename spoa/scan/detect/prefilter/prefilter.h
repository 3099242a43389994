/* Where in a text which patterns are worth a try: by the literals, the runs of digits and
 * the bytes that they may begin with, and by automata that hold what they match. Built
 * once from the patterns of a rule set, then immutable. Not included outside detect/. */
#ifndef SCAN_DETECT_PREFILTER_PREFILTER_H
#define SCAN_DETECT_PREFILTER_PREFILTER_H

#include "base/block.h"
#include "scan/detect/prefilter/digit_index.h"
#include "scan/detect/prefilter/pattern.h"

/* Early reject of a literal. */
struct literal_head {
	uint64_t head, mask; /* of the first eight bytes, without case, as read from memory */
	const struct literal *literal;
	bool begins; /* only where a word begins, for its own sake or its pattern's */
	bool whole;  /* what the head and `begins` say is all there is */
};

/* Patterns whose starts are alike share an automaton: digits alone, with letters after them,
 * with any bytes before them; words of letters and digits, walked from their first letter;
 * those of an entity that has many, the last such automaton for the rest of them. Those of a
 * byte have one of its own. */
enum {
	AUTOMATON_DIGITS,
	AUTOMATON_LETTERS,
	AUTOMATON_BACK,
	AUTOMATON_WORD,
	AUTOMATON_MANY,
	AUTOMATA = AUTOMATON_MANY + 3
};

enum { BYTES_DIGIT, BYTES_UPPER, BYTES_LOWER, BYTES_PATTERN };

struct prefilter {
	/* literals; the loader fills these two */
	uint32_t fourth[1u << LITERAL_BITS]; /* by hash: bits of fourth bytes; 0: no literal */
	struct literal **literals;	     /* 1 << LITERAL_BITS slots, by hash */
	struct literal_head *heads; /* those of slot h: from slots[h] to slots[h + 1] */
	uint16_t *slots;
	uint64_t inner[(1u << LITERAL_BITS) /
		       64]; /* slots with literals that begin inside words */
	/* bytes; the loader fills these two */
	uint16_t *byte_patterns[256];
	size_t nbyte_patterns[256];
	struct automaton *byte_automata[256];
	struct block_sets bytes; /* the sets BYTES_… */
	/* runs of digits */
	struct automaton automata[AUTOMATA];
	uint8_t automata_of[PATTERN_SET_BITS]; /* as bits, by a pattern's pattern_bit */
	struct pattern_set word_patterns;      /* the patterns in AUTOMATON_WORD, by that */
	struct digit_index digits;
	uint16_t *pattern_bit; /* of each pattern that begins at digits */
	size_t word_back_max;  /* of the patterns in AUTOMATON_WORD */
};

/* The patterns of a rule set, whose `index` is their place in v, of `entities` entities.
 * Reads what their regular expressions say of themselves (edges, lead, digit) and builds
 * the rest of *f from it. Memory is the arena's. 0 or ERR_NOMEM. */
int prefilter_build(
	struct prefilter *f, struct arena *a, struct pattern *v, size_t n, size_t entities);

#endif
