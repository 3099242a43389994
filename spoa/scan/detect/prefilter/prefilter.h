/* Determines which patterns are worth trying at which places of a text: by the literals, digit
 * runs and bytes with which matches can begin, and by automata of the patterns. Built once for
 * a rule set, then immutable; any thread. Private to detect/. */
#ifndef SCAN_DETECT_PREFILTER_PREFILTER_H
#define SCAN_DETECT_PREFILTER_PREFILTER_H

#include "base/block.h"
#include "scan/detect/prefilter/digit_index.h"
#include "scan/detect/prefilter/pattern.h"

/* A literal's first bytes, for early rejection. */
struct literal_head {
	/* the first eight bytes without case, as loaded from memory, and the mask of the bytes
	 * that count */
	uint64_t head, mask;
	const struct literal *literal;
	/* counts only at the beginning of a word, because of the literal or its pattern */
	bool begins;
	bool whole; /* a match of `head` and `begins` is a match of the literal */
};

/* The literals whose first three bytes have one hash. */
struct literal_slot {
	/* bits of the fifth bytes (literal_byte()): of all literals, and of those that can begin
	 * inside a word. All bits are set for a literal of four bytes or less. */
	uint32_t fifth, fifth_inner;
	uint16_t from, to; /* heads[from] to heads[to - 1] */
};

/* Automata of patterns that begin at digits. Patterns with similar beginnings share one: digits
 * alone; digits followed by letters; any bytes before the digits; words of letters and digits,
 * walked from their first letter. An entity with many patterns has an automaton of its own; the
 * last automaton serves all further such entities. Patterns that begin at a byte have other
 * automata (byte_automata). */
enum {
	AUTOMATON_DIGITS,
	AUTOMATON_LETTERS,
	AUTOMATON_BACK,
	AUTOMATON_WORD,
	AUTOMATON_MANY,
	AUTOMATA = AUTOMATON_MANY + 3
};

/* Indexes of the sets in prefilter.bytes. */
enum { BYTES_DIGIT, BYTES_UPPER, BYTES_LOWER, BYTES_PATTERN };

/* All tables. Owner: the rule set, in its arena. */
struct prefilter {
	/* Literals. The loader fills `fourth` and `literals`. */
	/* index: the hash of a literal; the bits of the fourth bytes of such literals; 0: no
	 * literal has this hash */
	uint32_t fourth[1u << LITERAL_BITS];
	struct literal **literals; /* 1 << LITERAL_BITS lists, by hash */
	struct literal_head *heads;
	struct literal_slot *slots; /* 1 << LITERAL_BITS, by hash */
	/* Patterns that begin at a byte, indexed by the byte. The loader fills the first two
	 * members. */
	uint16_t *byte_patterns[256];
	size_t nbyte_patterns[256];
	struct automaton *byte_automata[256];
	struct block_sets bytes; /* the sets BYTES_*, for the block classifier */
	/* Patterns that begin at digits. */
	struct automaton automata[AUTOMATA];
	/* index: pattern_bit of a pattern; a bit for each automaton that contains the
	 * pattern */
	uint8_t automata_of[PATTERN_SET_BITS];
	/* the patterns in AUTOMATON_WORD, as bits numbered by pattern_bit */
	struct pattern_set word_patterns;
	struct digit_index digits;
	/* bit of a pattern that begins at digits, by the pattern's index */
	uint16_t *pattern_bit;
	size_t word_back_max; /* highest back_max of the patterns in AUTOMATON_WORD */
};

/* Builds *f for the patterns of a rule set, whose `index` is their place in v. `entities`:
 * number of entities. Also sets what the patterns' regular expressions imply: edges and
 * digit_offset. Memory is in the arena. Returns 0 or ERR_NOMEM. */
int prefilter_build(
	struct prefilter *f, struct arena *a, struct pattern *v, size_t n, size_t entities);

/* Returns the maximum number of bytes from the beginning of a match up to and including its first
 * digit; example: 4 for "ab?-?\d". 0: some match has no digit, or has it beyond 4,096 bytes. */
uint16_t pattern_digit_offset(const struct regex_node *tree);

#endif
