/* Patterns over words, from policies/detectors/injection/patterns.yaml. A pattern sees the
 * normalized words of the walk, so hiding a word from byte-wise readers does not hide it here.
 * A text without any of their words costs almost nothing. Mentions are the same kind of
 * patterns for the text around a quotation (mentions.yaml). */
#ifndef SCAN_INJECT_INJECT_PATTERN_H
#define SCAN_INJECT_INJECT_PATTERN_H

#include "base/codec/yaml.h"
#include "scan/inject/inject_walk.h"

enum { PATTERNS_MAX = 64, PATTERN_STEPS = 6, PATTERN_GAP_MAX = 16 };

/* A pattern: step 0 matches one of a list of words, step 1 one of the next list, at most gap[1]
 * other words later, and so on. */
struct inject_pattern {
	const char *id;
	unsigned steps;
	uint8_t gap[PATTERN_STEPS]; /* most words before the step; gap[0] is unused */
	const struct yaml_node *match, *no_match; /* examples in the YAML; NULL: none */
};

/* A word of a step. Different patterns and steps can share a hash. */
struct pattern_word {
	uint32_t hash;
	uint8_t pattern, step;
};

enum { PATTERN_INDEX = 12 };

/* A set of patterns. The masks have one bit a pattern. */
struct inject_patterns {
	struct inject_pattern v[PATTERNS_MAX];
	size_t n;
	struct pattern_word *word; /* sorted by hash, then pattern, then descending step */
	size_t nwords;
	/* index in `word` of the first entry, by the upper PATTERN_INDEX bits of the hash */
	uint16_t first[(1 << PATTERN_INDEX) + 1];
	uint64_t watch[INJECT_WATCH / 64];
	/* patterns that raise the score even if the model is sure that the text is harmless */
	uint64_t suspects;
	/* patterns that raise a doubtful text to INJECT_SUSPECT, not to INJECT_BLOCK */
	uint64_t weak;
	uint64_t commands;  /* mentions that ask the assistant to act on the quotation */
	uint64_t alone;	    /* mentions that count only in a sentence of a few words */
	uint64_t addresses; /* mentions that give the assistant a role ("you are …") */
	uint64_t reports;   /* mentions whose sentence counts as a quotation */
	uint64_t unquoted;  /* mentions that count without quotation marks */
};

/* The progress of each pattern; all zero at the beginning of a text. */
struct pattern_state {
	/* number of the word that matched the step, plus 1; 0: none */
	uint32_t at[PATTERNS_MAX][PATTERN_STEPS];
	uint64_t found; /* bits of complete patterns */
};

/* Reads a file of patterns. `least`: the minimum number of steps. Returns false on errors,
 * which are in *d. */
bool inject_patterns_load(struct inject_patterns *p, struct arena *a, const char *name,
	struct span text, size_t least, struct diag *d);
/* Reports word number `index`, whose hash has a bit in `watch`. */
void inject_pattern_word(const struct inject_patterns *p, struct pattern_state *s,
	uint32_t hash, uint32_t index);

#endif
