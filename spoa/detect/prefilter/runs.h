/* Runs of digits: which patterns may begin at one, told from what is nearest to it
 * by a few look-ups, before any automaton is walked. Never fewer than match there.
 * Not included outside detect/. */
#ifndef DETECT_RUNS_H
#define DETECT_RUNS_H

#include "base/span.h"
#include "detect/prefilter/outline.h"

enum {
	DIGIT_RUN_MAX = 31, /* runs this long or longer share a bit */
	RUN_WORDS = 4,
	RUN_BITS = 64 * RUN_WORDS,
	RUN_EDGE = 256, /* no byte before the run */
};

/* What a byte is behind the byte behind a run. */
enum run_kind { RUN_OTHER, RUN_DIGIT, RUN_LETTER, RUN_HIGH, RUN_KINDS };

/* Patterns, as bits; where there are more, the last bit of their kind is shared. */
struct run_set {
	uint64_t v[RUN_WORDS];
};

struct run_index {
	uint8_t class_of[256]; /* a byte's, as in the outlines */
	uint8_t kind_of[256];  /* enum run_kind */
	unsigned far;	       /* words of patterns that need no context */
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
	/* The same without context, a word each: nearly always the answer. */
	struct run_far {
		uint64_t before[2][RUN_EDGE + 1], before_2[RUN_EDGE + 1], lead[10];
		uint64_t behind[DIGIT_RUN_MAX + 1][OUTLINE_CLASSES][RUN_KINDS];
	} alone;
	struct run_set *near; /* by near_bit: those that need this entity's words */
};

struct prefilter;
struct pattern;

/* After the outlines of f were built, from the same patterns. 0 or ERR_NOMEM. */
int runs_index(struct prefilter *f, struct arena *a, const struct pattern *v, size_t n);

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

static inline bool
run_set_within(const struct run_set *s, const struct run_set *other)
{
	uint64_t any = 0;

	for (unsigned k = 0; k < RUN_WORDS; k++)
		any |= s->v[k] & ~other->v[k];
	return any == 0;
}

/* Leaves what is in both; false: nothing. */
static inline bool
run_sets_cut(struct run_set *s, const struct run_set *with)
{
	uint64_t any = 0;

	for (unsigned k = 0; k < RUN_WORDS; k++)
		any |= s->v[k] &= with->v[k];
	return any != 0;
}

/* Leaves what is not in the other; false: nothing. */
static inline bool
run_set_drop(struct run_set *s, const struct run_set *other)
{
	uint64_t any = 0;

	for (unsigned k = 0; k < RUN_WORDS; k++)
		any |= s->v[k] &= ~other->v[k];
	return any != 0;
}

static inline void
run_set_join(struct run_set *to, const struct run_set *from)
{
	for (unsigned k = 0; k < RUN_WORDS; k++)
		to->v[k] |= from->v[k];
}

/* Those in `of` that the n digits at `at` may begin; n: all there are. `alone`: of those
 * that need context, none is in it. False: none. */
static inline bool
runs_begin(const struct run_index *x, struct span text, size_t at, size_t n,
	const struct run_set *of, bool alone, struct run_set *out)
{
	const unsigned char *p = (const unsigned char *)text.p;
	size_t end = at + n, more = end + 1;
	unsigned class = end < text.n ? x->class_of[p[end]] : OUTLINE_END;
	unsigned kind = more < text.n ? x->kind_of[p[more]] : RUN_OTHER;
	bool digit = at > 1 && x->kind_of[p[at - 2]] == RUN_DIGIT;
	uint64_t any = 0;

	n = n < DIGIT_RUN_MAX ? n : DIGIT_RUN_MAX;
	unsigned byte = at ? p[at - 1] : RUN_EDGE, second_byte = at > 1 ? p[at - 2] : RUN_EDGE;
	if (alone && !(x->alone.behind[n][class][kind] & x->alone.before[digit][byte] &
			     x->alone.before_2[second_byte] & x->alone.lead[p[at] - '0']))
		return false;
	const struct run_set *before = &x->before[digit][byte];
	const struct run_set *before_2 = &x->before_2[second_byte];
	const struct run_set *lead = &x->lead[p[at] - '0'];
	const struct run_set *behind = &x->behind[n][class][kind];
	for (unsigned k = 0; k < RUN_WORDS; k++)
		any |= out->v[k] =
			of->v[k] & before->v[k] & before_2->v[k] & lead->v[k] & behind->v[k];
	if (!any || kind != RUN_DIGIT || n == DIGIT_RUN_MAX)
		return any != 0;
	while (more < text.n && more - end <= DIGIT_RUN_MAX && x->kind_of[p[more]] == RUN_DIGIT)
		more++;
	n = more - end - 1;
	const struct run_set *second = &x->second[class][n];
	class = more < text.n ? x->class_of[p[more]] : OUTLINE_END;
	const struct run_set *third = n < DIGIT_RUN_MAX ? &x->third[class] : second;
	any = 0;
	for (unsigned k = 0; k < RUN_WORDS; k++)
		any |= out->v[k] &= second->v[k] & third->v[k];
	return any != 0;
}

#endif
