/* A deterministic automaton over many patterns. A walk from some place of a text, with one
 * table lookup a byte, names the patterns that PCRE2 should try there. The automaton accepts
 * everything that the patterns match, and little else. Constructs that a regular language
 * cannot express (look-arounds in the middle, back references, atomic groups) are widened,
 * never narrowed, so a pattern that would match is always named. Private to detect/. */
#ifndef SCAN_DETECT_PREFILTER_AUTOMATON_H
#define SCAN_DETECT_PREFILTER_AUTOMATON_H

#include "base/arena.h"
#include "base/regex/regex.h"
#include "base/span.h"

/* ---- the bytes before a match ---- */

/* The condition on the bytes before a match, as far as an automaton can check it. Sets of bytes
 * are masks of 256 bits. */
struct automaton_edges {
	uint64_t not_before[4]; /* no byte of this set is directly before the match */
	/* if `needs_before`: a byte of this set is directly before the match */
	uint64_t before[4];
	uint64_t not_before_2[4]; /* no byte of this set is before the match after a digit */
	bool needs_before;
};

/* Reads the condition from a pattern's tree. */
void automaton_edges_of(const struct regex_node *tree, struct automaton_edges *out);

/* ---- from trees to an automaton ---- */

/* One pattern to put into an automaton. */
struct automaton_input {
	uint16_t pattern;
	const char *regex;
	bool utf;
	const uint64_t
		/* at most back_max bytes of this set can be between the match's beginning and
		 * the walk's */
		*back_set;
	unsigned back_max;
};

enum {
	AUTOMATON_CLASSES = 32, /* classes of bytes; the last two: end of text, beginning */
	AUTOMATON_END = 30,
	AUTOMATON_BEGIN = 31,
	AUTOMATON_STATES_MAX = 4096,
	AUTOMATON_RUNS = 32,	 /* a run of fewer digits is skipped with one lookup */
	AUTOMATON_WALK_MAX = 48, /* bytes; patterns that are still possible then are named */
};

/* A list of patterns: patterns[from] to patterns[from + n - 1] of the automaton. */
struct automaton_list {
	uint32_t from;
	uint16_t n;
};

/* An automaton. Immutable. A state below `live` has a row in `next`; any other state ends the
 * walk. Every state has a list of patterns. Owner: the arena of automaton_build(). */
struct automaton {
	uint8_t class_of[256];
	uint16_t (*next)[AUTOMATON_CLASSES];
	uint16_t live, states;
	/* first state; indexes: whether a digit is two bytes before the walk; the class of the
	 * byte directly before the walk */
	uint16_t initial[2][AUTOMATON_CLASSES];
	/* state after a run of digits; indexes: as in `initial`, then the length of the run */
	uint16_t after[2][AUTOMATON_CLASSES][AUTOMATON_RUNS];
	struct automaton_list *lists; /* one for each state */
	uint16_t *patterns;	      /* the contents of the lists; each list is ascending */
	size_t nlisted;		      /* length of `patterns` */
};

/* Builds an automaton of the inputs. A pattern that the regex reader does not understand is in
 * every list. Returns 0 or ERR_NOMEM. */
int automaton_build(
	struct arena *a, const struct automaton_input *in, size_t n, struct automaton *out);

/* Returns the patterns that may match around `at`, where a run of `digits` digits begins; 0:
 * the length is unknown. `more`: the text may continue, so its end excludes no pattern. */
static inline const struct automaton_list *
automaton_walk(const struct automaton *o, struct span t, size_t at, size_t digits, bool more)
{
	unsigned before = at ? o->class_of[(unsigned char)t.p[at - 1]] : AUTOMATON_BEGIN;
	unsigned digit = at > 1 && t.p[at - 2] >= '0' && t.p[at - 2] <= '9';
	size_t end = t.n - at > AUTOMATON_WALK_MAX ? at + AUTOMATON_WALK_MAX : t.n;

	digits = digits < AUTOMATON_RUNS ? digits : 0;
	uint16_t s = o->after[digit][before][digits];
	for (at += digits; s < o->live && at < end; at++)
		s = o->next[s][o->class_of[(unsigned char)t.p[at]]];
	if (s < o->live && end == t.n && !more)
		s = o->next[s][AUTOMATON_END];
	return &o->lists[s];
}

#endif
