/* A deterministic automaton over many patterns. Its walk from a start says, at a table
 * look-up a byte, which patterns are worth PCRE2's time there. It accepts everything that
 * they match, and little else: what a regular language cannot say (look-arounds in the
 * middle, back references, atomic groups) is widened, never narrowed, so that a pattern
 * that would match is always among those named. Not included outside detect/. */
#ifndef SCAN_DETECT_PREFILTER_AUTOMATON_H
#define SCAN_DETECT_PREFILTER_AUTOMATON_H

#include "base/arena.h"
#include "base/regex/regex.h"
#include "base/span.h"

/* ---- automaton_edges.c: what is around a match ---- */

/* What comes before a match, as far as an automaton knows it. */
struct automaton_edges {
	uint64_t not_before[4];	  /* no such byte before it */
	uint64_t before[4];	  /* if `needs_before`: such a byte before it */
	uint64_t not_before_2[4]; /* none of these before it, with a digit before that */
	bool needs_before;
};

enum { AUTOMATON_PAIRS = 3, AUTOMATON_ROW = 8 };

/* What must follow a match: a byte of `allowed` or the end; not one of first[k] and then
 * one of second[k]; and not one byte each of all of row. The sets are the tree's. */
struct automaton_tail {
	uint64_t allowed[4];
	bool end;
	size_t npairs, nrow;
	const uint64_t *first[AUTOMATON_PAIRS], *second[AUTOMATON_PAIRS];
	const uint64_t *row[AUTOMATON_ROW];
};

void automaton_edges_of(const struct regex_node *tree, struct automaton_edges *out);
void automaton_tail_of(const struct regex_node *tree, struct automaton_tail *out);

/* ---- automaton.c: trees to an automaton ---- */

struct automaton_input {
	uint16_t pattern;
	const char *regex;
	bool utf;
	const uint64_t
		*back_set; /* bytes that may lie between the match's start and the walk's */
	unsigned back_max;
};

enum {
	AUTOMATON_CLASSES = 32, /* of bytes, the last two: end of text, beginning */
	AUTOMATON_END = 30,
	AUTOMATON_BEGIN = 31,
	AUTOMATON_STATES_MAX = 4096,
	AUTOMATON_RUNS = 32,	 /* of digits, stepped over at once below this length */
	AUTOMATON_WALK_MAX = 48, /* bytes; patterns still possible there are named */
};

struct automaton_list {
	uint32_t from;
	uint16_t n;
};

/* Immutable. States below `live` have a row of `next`; the others end the walk. Each
 * has its list of patterns. */
struct automaton {
	uint8_t class_of[256];
	uint16_t (*next)[AUTOMATON_CLASSES];
	uint16_t live, states;
	uint16_t initial[2]
			[AUTOMATON_CLASSES]; /* by: a digit two bytes before; the byte before */
	uint16_t after[2][AUTOMATON_CLASSES][AUTOMATON_RUNS]; /* and a run of so many digits */
	struct automaton_list *lists;			      /* of states from `live` on */
	uint16_t *patterns; /* what the lists hold, ascending */
	size_t nlisted;	    /* all of them */
};

/* An automaton over the inputs; patterns that are not understood are in every
 * list. 0 or ERR_NOMEM. */
int automaton_build(
	struct arena *a, const struct automaton_input *in, size_t n, struct automaton *out);

/* The patterns that may match around `at`, where a run of `digits` digits begins; 0:
 * not known. `more`: the text may go on, so that its end excludes none. */
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
