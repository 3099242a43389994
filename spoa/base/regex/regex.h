/* Parses regular expressions into trees, for all users: rule files, a policy's own patterns,
 * matches(). The users of the trees build automata (detect/) or determine the cost of a search
 * (detect/, cel/). */
#ifndef BASE_REGEX_REGEX_H
#define BASE_REGEX_REGEX_H

#include "base/arena.h"
#include "base/span.h"

enum regex_syntax {
	/* PCRE2's syntax (pcre2pattern(3)). The tree accepts at least what the expression
	 * accepts: possessive and atomic groups are greedy, a back reference is anything that
	 * its group matches, and assertions other than look-arounds are edges. Unknown syntax is
	 * refused. */
	REGEX_RULE,
	/* The part of PCRE2's syntax whose cost can be limited, without anything that remembers
	 * a match. Sets may be too large but never too small, so that conclusions from disjoint
	 * sets hold. Open repetitions become limited. */
	REGEX_OWN,
	/* RE2's syntax (https://github.com/google/re2/wiki/Syntax) over UTF-8. Syntax that RE2
	 * does not have is refused, so that a policy means the same in every implementation of
	 * CEL. Sets may be too large. */
	REGEX_RE2,
};

enum regex_kind { REGEX_SET, REGEX_CAT, REGEX_ALT, REGEX_REPEAT, REGEX_LOOK, REGEX_EDGE };

#define REGEX_FOREVER UINT32_MAX

enum {
	REGEX_DEPTH = 32, /* nested brackets in a policy's own pattern */
	/* the limit of + and * after a character, and of {n,}, in a policy's own pattern */
	REGEX_OPEN = 128,
	REGEX_OPEN_GROUP = 16, /* the same limit after a group */
};

/* A node of a tree, in the arena of the caller. */
struct regex_node {
	enum regex_kind kind;
	/* in all kinds except SET and EDGE; `next` is the sibling */
	struct regex_node *child, *next;
	struct span name;		 /* the name of this group; borrowed from the text */
	uint64_t set[4]; /* SET: one of these bytes, or characters that begin with them */
	char exact[4];		      /* SET: the only character, */
	uint8_t nexact;		      /* and its number of bytes; 0: one of several */
	uint8_t bytes_min, bytes_max; /* SET: bytes of the character */
	bool dot;		      /* SET: written as "." */
	bool letter;		      /* SET: this letter in both cases */
	bool possessive;	      /* REPEAT */
	bool behind, negative;	      /* LOOK at `child` */
	bool boundary;		      /* EDGE: \b */
	uint32_t min, max;	      /* REPEAT */
};

struct regex {
	const struct regex_node *root;
	/* The text for PCRE2. OWN: with limited repetitions. RE2: syntax that PCRE2 reads
	 * differently is rewritten. In the arena, with a NUL after it. */
	struct span text;
	const char *why; /* NULL, or a fixed phrase */
	size_t at;	 /* offset of the byte that `why` refers to */
};

/* Parses an expression. Returns false, with why and where, if it is refused. `utf`: s consists
 * of characters, with Unicode's classes and cases; otherwise bytes. RULE supports only bytes. */
bool regex_read(
	struct arena *a, struct span s, enum regex_syntax syntax, bool utf, struct regex *out);

#endif
