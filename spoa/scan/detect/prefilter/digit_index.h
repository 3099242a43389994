/* An index of digit runs. A few lookups by the bytes around a run find the patterns that may
 * begin there, before any automaton is walked. The result always contains every pattern that
 * matches. Private to detect/.
 *
 * Example: in "tel 0170 5551234" the run "0170" is looked up by its length 4, by the space
 * before, and by the space and the digit after. */
#ifndef SCAN_DETECT_PREFILTER_DIGIT_INDEX_H
#define SCAN_DETECT_PREFILTER_DIGIT_INDEX_H

#include "base/span.h"
#include "scan/detect/prefilter/automaton.h"

enum {
	DIGIT_RUN_MAX = 31, /* runs of this length or longer share an entry */
	PATTERN_SET_WORDS = 4,
	PATTERN_SET_BITS = 64 * PATTERN_SET_WORDS,
	RUN_EDGE = 256, /* index for "no byte": the text begins */
};

/* The kind of a byte two places after a run. */
enum run_kind { RUN_OTHER, RUN_DIGIT, RUN_LETTER, RUN_HIGH, RUN_KINDS };

/* A set of patterns that begin at digits, one bit a pattern. If there are too many patterns,
 * the surplus ones of a kind share the last bit of this kind. */
struct pattern_set {
	uint64_t v[PATTERN_SET_WORDS];
};

/* The index. Owner: the prefilter; immutable. */
struct digit_index {
	uint8_t class_of[256]; /* class of a byte, as in the automata */
	uint8_t kind_of[256];  /* enum run_kind of a byte */
	/* number of words of a set for patterns that need no context */
	unsigned far;
	struct pattern_set shared; /* bits that several patterns share */
	/* indexes: whether a digit is two bytes before the run; the byte directly before the
	 * run */
	struct pattern_set before[2][RUN_EDGE + 1];
	struct pattern_set before_2[RUN_EDGE + 1]; /* index: the byte two places before the run */
	struct pattern_set first_digit[10];	   /* index: the first digit of the run */
	/* indexes: the run's length; the class of the byte after the run; the kind of the byte
	 * after that byte */
	struct pattern_set after[DIGIT_RUN_MAX + 1][AUTOMATON_CLASSES][RUN_KINDS];
	/* for a run that one byte separates from a second run of digits; indexes: the class of
	 * that byte; the length of the second run */
	struct pattern_set second[AUTOMATON_CLASSES][DIGIT_RUN_MAX + 1];
	/* for two runs as in `second`; index: the class of the byte after the second run */
	struct pattern_set third[AUTOMATON_CLASSES];
	struct pattern_set always; /* the patterns that need no context */
	/* The first word of the same sets. If no context word is near, this word usually shows
	 * that no pattern is possible. */
	struct digit_index_alone {
		uint64_t before[2][RUN_EDGE + 1], before_2[RUN_EDGE + 1], first_digit[10];
		uint64_t after[DIGIT_RUN_MAX + 1][AUTOMATON_CLASSES][RUN_KINDS];
	} alone;
	/* index: context_bit of a list; the patterns that need a word of this list */
	struct pattern_set *by_context;
};

struct prefilter;
struct pattern;


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

/* Removes the bits that are not in `with`. Returns false if none is left. */
static inline bool
pattern_set_keep(struct pattern_set *s, const struct pattern_set *with)
{
	uint64_t any = 0;

	for (unsigned k = 0; k < PATTERN_SET_WORDS; k++)
		any |= s->v[k] &= with->v[k];
	return any != 0;
}

/* Removes the bits of `other`. Returns false if none is left. */
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

/* Sets *out to the patterns of `of` that may begin at the run of n digits at `at`; n is the
 * run's full length. `alone`: `of` contains no pattern that needs context. Returns false if
 * there is none. */
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
