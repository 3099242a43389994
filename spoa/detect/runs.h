/* Runs of digits: which patterns may begin at one, told from what is nearest to it
 * by a few look-ups, before any automaton is walked. Never fewer than match there.
 * Not included outside detect/. */
#ifndef DETECT_RUNS_H
#define DETECT_RUNS_H

#include "base/span.h"
#include "detect/outline.h"

enum {
	DIGIT_RUN_MAX = 31, /* runs this long or longer share a bit */
	RUN_WORDS = 4,
	RUN_BITS = 64 * RUN_WORDS,
	RUN_NONE = 0xFFFF, /* of a pattern that does not begin at digits */
	RUN_EDGE = 256,	   /* no byte before the run */
};

enum run_kind { RUN_OTHER, RUN_DIGIT, RUN_LETTER, RUN_HIGH, RUN_KINDS };

/* Patterns, as bits; where there are more, the last bit of their kind is shared. */
struct run_set {
	uint64_t v[RUN_WORDS];
};

struct run_index {
	unsigned far, words;   /* words of patterns that need no context; of all */
	struct run_set shared; /* bits of more than one pattern */
	struct run_set before[2]
			     [RUN_EDGE + 1]; /* by a digit two bytes before; the byte before */
	struct run_set before_2[RUN_EDGE + 1]; /* by the byte before that */
	struct run_set lead[10];	       /* by the run's first digit */
	/* By its length, the class of the byte behind, what follows that; */
	struct run_set behind[DIGIT_RUN_MAX + 1][OUTLINE_CLASSES][RUN_KINDS];
	/* if a digit does, by that class and the length of the second run, */
	struct run_set second[OUTLINE_CLASSES][DIGIT_RUN_MAX + 1];
	struct run_set third[OUTLINE_CLASSES]; /* and by the class behind that */
	struct run_set always;		       /* those that need no context */
	struct run_set *near; /* by near_bit: those that need this entity's words */
};

struct detect_rules;

/* After outlines were built. 0 or ERR_NOMEM. */
int runs_index(struct detect_rules *r);

/* Those in `of`, up to its words, that the n digits at `at` may begin; n: all there are.
 * False: none. */
bool runs_begin(const struct detect_rules *r, struct span text, size_t at, size_t n,
	const struct run_set *of, unsigned words, struct run_set *out);

static inline bool
run_set_has(const struct run_set *s, unsigned bit)
{
	return s->v[bit / 64] >> (bit % 64) & 1;
}

static inline bool
run_sets_meet(const struct run_set *a, const struct run_set *b)
{
	uint64_t any = 0;

	for (unsigned k = 0; k < RUN_WORDS; k++)
		any |= a->v[k] & b->v[k];
	return any != 0;
}

static inline void
run_set_join(struct run_set *to, const struct run_set *from)
{
	for (unsigned k = 0; k < RUN_WORDS; k++)
		to->v[k] |= from->v[k];
}

#endif
