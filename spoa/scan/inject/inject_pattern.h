/* Patterns over words: data in policies/detectors/injection/patterns.yaml. They look at the
 * words that the walk hands on, so that what hides a word from a reader of bytes does not
 * hide it from them, and they cost next to nothing where none of their words is there.
 * Mentions are the same over what is around a quotation (mentions.yaml). */
#ifndef SCAN_INJECT_INJECT_PATTERN_H
#define SCAN_INJECT_INJECT_PATTERN_H

#include "base/codec/yaml.h"
#include "scan/inject/inject_walk.h"

enum { PATTERNS_MAX = 64, PATTERN_STEPS = 6, PATTERN_GAP_MAX = 16 };

struct inject_pattern {
	const char *id;
	unsigned steps, gap;
	const struct yaml_node *match, *no_match; /* examples; NULL: none */
};

struct pattern_word {
	uint32_t hash;
	uint8_t pattern, step;
};

struct inject_patterns {
	struct inject_pattern v[PATTERNS_MAX];
	size_t n;
	struct pattern_word *word; /* by hash, then pattern, then the last step first */
	size_t nwords;
	uint16_t first[257]; /* by the hash's upper byte: the first of `word` */
	uint64_t watch[INJECT_WATCH / 64];
	uint64_t suspects;  /* of patterns, those that make a text suspect whatever the model
			       says, */
	uint64_t weak;	    /* and those that make a doubtful one suspect, no more */
	uint64_t commands;  /* of mentions, those that say that what is quoted is to be done, */
	uint64_t alone;	    /* those that count in a sentence of few words only, */
	uint64_t addresses; /* those that tell the assistant what to be, */
	uint64_t reports;   /* those whose sentence counts as a quotation, */
	uint64_t unquoted;  /* and those that need no quotation marks */
};

/* What of each pattern was seen so far; zero at the beginning of a text. */
struct pattern_state {
	uint32_t at[PATTERNS_MAX][PATTERN_STEPS]; /* number of the word and one */
	uint64_t found;				  /* bit: pattern */
};

/* `least`: words that one has at least. False with *d filled. */
bool inject_patterns_load(struct inject_patterns *p, struct arena *a, const char *name,
	struct span text, size_t least, struct diag *d);
/* The word number `index` has this hash, which `watch` knows. */
void inject_pattern_word(const struct inject_patterns *p, struct pattern_state *s,
	uint32_t hash, uint32_t index);

#endif
