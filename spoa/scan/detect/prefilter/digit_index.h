/* Runs of digits: which patterns may begin at one, told from what is nearest to it
 * by a few look-ups, before any automaton is walked. Never fewer than match there.
 * Not included outside detect/. */
#ifndef SCAN_DETECT_PREFILTER_DIGIT_INDEX_H
#define SCAN_DETECT_PREFILTER_DIGIT_INDEX_H

#include "base/span.h"
#include "scan/detect/prefilter/automaton.h"

enum {
	DIGIT_RUN_MAX = 31, /* runs this long or longer share a bit */
	PATTERN_SET_WORDS = 4,
	PATTERN_SET_BITS = 64 * PATTERN_SET_WORDS,
	RUN_EDGE = 256, /* no byte before the run */
};

/* What kind a byte two places after a run is. */
enum run_kind { RUN_OTHER, RUN_DIGIT, RUN_LETTER, RUN_HIGH, RUN_KINDS };

/* Patterns, as bits; where there are more, the last bit of their kind is shared. */
struct pattern_set {
	uint64_t v[PATTERN_SET_WORDS];
};

struct digit_index {
	uint8_t class_of[256];	   /* a byte's, as in the automata */
	uint8_t kind_of[256];	   /* enum run_kind */
	unsigned far;		   /* words of patterns that need no context */
	struct pattern_set shared; /* bits of more than one pattern */
	struct pattern_set
		before[2][RUN_EDGE + 1]; /* by a digit two bytes before; the byte before */
	struct pattern_set before_2[RUN_EDGE + 1]; /* by the byte before that */
	struct pattern_set first_digit[10];	   /* by the run's first digit */
	/* By its length, the class of the byte after, what follows that; */
	struct pattern_set after[DIGIT_RUN_MAX + 1][AUTOMATON_CLASSES][RUN_KINDS];
	/* if a digit does, by that class and the length of the second run, */
	struct pattern_set second[AUTOMATON_CLASSES][DIGIT_RUN_MAX + 1];
	struct pattern_set third[AUTOMATON_CLASSES]; /* and by the class after that */
	struct pattern_set always;		     /* those that need no context */
	/* The same without context, a word each: nearly always the answer. */
	struct digit_index_alone {
		uint64_t before[2][RUN_EDGE + 1], before_2[RUN_EDGE + 1], first_digit[10];
		uint64_t after[DIGIT_RUN_MAX + 1][AUTOMATON_CLASSES][RUN_KINDS];
	} alone;
	struct pattern_set
		*by_context; /* by context_bit: those that need this entity's words */
};

struct prefilter;
struct pattern;

/* After the automata of f were built, from the same patterns. 0 or ERR_NOMEM. */
int digit_index_build(struct prefilter *f, struct arena *a, const struct pattern *v, size_t n);

static inline bool
pattern_set_has(const struct pattern_set *s, unsigned bit)
{
	return s->v[bit / 64] >> (bit % 64) & 1;
}

static inline bool
pattern_sets_meet(const struct pattern_set *a, const struct pattern_set *b)
{
	uint64_t any = 0;

	for (unsigned k = 0; k < PATTERN_SET_WORDS; k++)
		any |= a->v[k] & b->v[k];
	return any != 0;
}

static inline bool
pattern_set_within(const struct pattern_set *s, const struct pattern_set *other)
{
	uint64_t any = 0;

	for (unsigned k = 0; k < PATTERN_SET_WORDS; k++)
		any |= s->v[k] & ~other->v[k];
	return any == 0;
}

/* Leaves what is in both; false: nothing. */
static inline bool
pattern_set_keep(struct pattern_set *s, const struct pattern_set *with)
{
	uint64_t any = 0;

	for (unsigned k = 0; k < PATTERN_SET_WORDS; k++)
		any |= s->v[k] &= with->v[k];
	return any != 0;
}

/* Leaves what is not in the other; false: nothing. */
static inline bool
pattern_set_drop(struct pattern_set *s, const struct pattern_set *other)
{
	uint64_t any = 0;

	for (unsigned k = 0; k < PATTERN_SET_WORDS; k++)
		any |= s->v[k] &= ~other->v[k];
	return any != 0;
}

static inline void
pattern_set_join(struct pattern_set *to, const struct pattern_set *from)
{
	for (unsigned k = 0; k < PATTERN_SET_WORDS; k++)
		to->v[k] |= from->v[k];
}

/* Those in `of` that the n digits at `at` may begin; n: all there are. `alone`: of those
 * that need context, none is in it. False: none. */
static inline bool
digit_index_look(const struct digit_index *x, struct span text, size_t at, size_t n,
	const struct pattern_set *of, bool alone, struct pattern_set *out)
{
	const unsigned char *p = (const unsigned char *)text.p;
	size_t end = at + n, more = end + 1;
	unsigned class = end < text.n ? x->class_of[p[end]] : AUTOMATON_END;
	unsigned kind = more < text.n ? x->kind_of[p[more]] : RUN_OTHER;
	bool digit = at > 1 && x->kind_of[p[at - 2]] == RUN_DIGIT;
	uint64_t any = 0;

	n = n < DIGIT_RUN_MAX ? n : DIGIT_RUN_MAX;
	unsigned byte = at ? p[at - 1] : RUN_EDGE, second_byte = at > 1 ? p[at - 2] : RUN_EDGE;
	if (alone &&
		!(x->alone.after[n][class][kind] & x->alone.before[digit][byte] &
			x->alone.before_2[second_byte] & x->alone.first_digit[p[at] - '0']))
		return false;
	const struct pattern_set *before = &x->before[digit][byte];
	const struct pattern_set *before_2 = &x->before_2[second_byte];
	const struct pattern_set *first_digit = &x->first_digit[p[at] - '0'];
	const struct pattern_set *after = &x->after[n][class][kind];
	for (unsigned k = 0; k < PATTERN_SET_WORDS; k++)
		any |= out->v[k] = of->v[k] & before->v[k] & before_2->v[k] &
				   first_digit->v[k] & after->v[k];
	if (!any || kind != RUN_DIGIT || n == DIGIT_RUN_MAX)
		return any != 0;
	while (more < text.n && more - end <= DIGIT_RUN_MAX && x->kind_of[p[more]] == RUN_DIGIT)
		more++;
	n = more - end - 1;
	const struct pattern_set *second = &x->second[class][n];
	class = more < text.n ? x->class_of[p[more]] : AUTOMATON_END;
	const struct pattern_set *third = n < DIGIT_RUN_MAX ? &x->third[class] : second;
	any = 0;
	for (unsigned k = 0; k < PATTERN_SET_WORDS; k++)
		any |= out->v[k] &= second->v[k] & third->v[k];
	return any != 0;
}

#endif
