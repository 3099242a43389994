/* The outline of a pattern: a regular language that holds everything the pattern
 * matches, and little else. Outlines of many patterns become one automaton whose walk
 * from a start says, byte by byte and at no more cost than a table look-up each, which
 * patterns are worth PCRE2's time there. What a regular language cannot say (look-arounds
 * in the middle, back references, atomic groups) is widened, never narrowed: a pattern
 * that would match is always among those named. Not included outside detect/. */
#ifndef DETECT_OUTLINE_H
#define DETECT_OUTLINE_H

#include "base/arena.h"
#include "base/span.h"
#include "regex/regex.h"

/* ---- outline_edges.c: what stands around a match ---- */

/* What stands before a match, as far as an outline knows it. */
struct outline_edges {
	uint64_t not_before[4];	  /* no such byte before it */
	uint64_t before[4];	  /* if `needs_before`: such a byte before it */
	uint64_t not_before_2[4]; /* none of these before it, with a digit before that */
	bool needs_before;
};

enum { OUTLINE_PAIRS = 3, OUTLINE_ROW = 8 };

/* What must follow a match: a byte of `allowed` or the end; not one of first[k] and then
 * one of second[k]; and not one byte each of all of row. The sets are the tree's. */
struct outline_tail {
	uint64_t allowed[4];
	bool end;
	size_t npairs, nrow;
	const uint64_t *first[OUTLINE_PAIRS], *second[OUTLINE_PAIRS];
	const uint64_t *row[OUTLINE_ROW];
};

void outline_edges_of(const struct regex_node *tree, struct outline_edges *out);
void outline_tail_of(const struct regex_node *tree, struct outline_tail *out);

/* ---- outline.c: trees to an automaton ---- */

struct outline_input {
	uint16_t pattern;
	const char *regex;
	bool utf;
	const uint64_t
		*back_set; /* bytes that may lie between the match's start and the walk's */
	unsigned back_max;
};

enum {
	OUTLINE_CLASSES = 32, /* of bytes, the last two: end of text, beginning */
	OUTLINE_END = 30,
	OUTLINE_BEGIN = 31,
	OUTLINE_STATES_MAX = 4096,
	OUTLINE_RUNS = 32,     /* of digits, stepped over at once below this length */
	OUTLINE_WALK_MAX = 48, /* bytes; patterns still possible there are named */
};

struct outline_list {
	uint32_t from;
	uint16_t n;
};

/* Immutable. States below `live` have a row of `next`; the others end the walk. Each
 * has its list of patterns. */
struct outline {
	uint8_t class_of[256];
	uint16_t (*next)[OUTLINE_CLASSES];
	uint16_t live, states;
	uint16_t initial[2]
			[OUTLINE_CLASSES]; /* by: a digit two bytes before; the byte before */
	uint16_t after[2][OUTLINE_CLASSES][OUTLINE_RUNS]; /* and a run of so many digits */
	struct outline_list *lists;			  /* of states from `live` on */
	uint16_t *patterns;				  /* what the lists hold, ascending */
	size_t nlisted;					  /* all of them */
};

/* An automaton over the inputs; patterns whose outline is not understood are in every
 * list. 0 or ERR_NOMEM. */
int outline_build(
	struct arena *a, const struct outline_input *in, size_t n, struct outline *out);

/* The patterns that may match around `at`, where a run of `digits` digits begins; 0:
 * not known. */
static inline const struct outline_list *
outline_walk(const struct outline *o, struct span t, size_t at, size_t digits)
{
	unsigned before = at ? o->class_of[(unsigned char)t.p[at - 1]] : OUTLINE_BEGIN;
	unsigned digit = at > 1 && t.p[at - 2] >= '0' && t.p[at - 2] <= '9';
	size_t end = t.n - at > OUTLINE_WALK_MAX ? at + OUTLINE_WALK_MAX : t.n;

	digits = digits < OUTLINE_RUNS ? digits : 0;
	uint16_t s = o->after[digit][before][digits];
	for (at += digits; s < o->live && at < end; at++)
		s = o->next[s][o->class_of[(unsigned char)t.p[at]]];
	if (s < o->live && end == t.n)
		s = o->next[s][OUTLINE_END];
	return &o->lists[s];
}

#endif
