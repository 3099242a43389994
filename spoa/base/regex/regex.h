/* Regular expressions as trees. One reader for all who write them: rule files, a policy's own
 * patterns, matches(). What a tree is good for is its consumers' business: an automaton
 * (detect/), what a search may cost (detect/, cel/). */
#ifndef BASE_REGEX_REGEX_H
#define BASE_REGEX_REGEX_H

#include "base/arena.h"
#include "base/span.h"

enum regex_syntax {
	/* PCRE2's (pcre2pattern(3)): a tree that accepts at least as much.
	 * Possessive and atomic is greedy, a back reference is anything that its group matches,
	 * assertions other than look-arounds are edges. What is not known is refused. */
	REGEX_RULE,
	/* The part of PCRE2's whose cost can be bounded: nothing that remembers what matched.
	 * Sets may be too large, never too small: what follows from two of them being disjoint
	 * holds. Open repetitions become bounded. */
	REGEX_OWN,
	/* RE2's (https://github.com/google/re2/wiki/Syntax) over UTF-8. What RE2 does not have
	 * is refused, so that a policy means the same in every implementation of CEL. Sets may
	 * be too large. */
	REGEX_RE2,
};

enum regex_kind { REGEX_SET, REGEX_CAT, REGEX_ALT, REGEX_REPEAT, REGEX_LOOK, REGEX_EDGE };

#define REGEX_FOREVER UINT32_MAX

enum {
	REGEX_DEPTH = 32, /* of brackets in a policy's own pattern */
	REGEX_OPEN = 128, /* what + and * after a character, and {n,}, repeat at most there */
	REGEX_OPEN_GROUP = 16, /* the same after a group */
};

struct regex_node {
	enum regex_kind kind;
	struct regex_node *child, *next; /* of all but SET and EDGE; `next` is the sibling */
	struct span name;		 /* of the group that this is; borrowed from the text */
	uint64_t set[4];	      /* SET: one of these bytes, or characters that begin so */
	char exact[4];		      /* SET: the only character, */
	uint8_t nexact;		      /* and its bytes; 0: one of several */
	uint8_t bytes_min, bytes_max; /* SET: of the character */
	bool dot;		      /* SET: written as "." */
	bool letter;		      /* SET: that letter in either case */
	bool possessive;	      /* REPEAT */
	bool behind, negative;	      /* LOOK at `child` */
	bool boundary;		      /* EDGE: \b */
	uint32_t min, max;	      /* REPEAT */
};

struct regex {
	const struct regex_node *root;
	/* For PCRE2: OWN with open repetitions bounded, RE2 with what means something else
	 * there written differently. In the arena, with a NUL behind it. */
	struct span text;
	const char *why; /* static */
	size_t at;	 /* the byte that `why` speaks of */
};

/* False where it is refused: why and where. `utf`: s is characters, with Unicode's classes and
 * cases; otherwise bytes. RULE knows bytes alone: to it the others are refused. */
bool regex_read(
	struct arena *a, struct span s, enum regex_syntax syntax, bool utf, struct regex *out);

#endif
