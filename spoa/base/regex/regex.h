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
	/* The part of PCRE2's syntax whose cost can be limited: for example, there are no back
	 * references. A set of the tree may be larger than in the expression, but never
	 * smaller, so that two disjoint sets are disjoint in the expression too. Open
	 * repetitions become limited. */
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
	/* limit of repetitions for +, * and {n,} after a character, in a policy's own
	 * pattern */
	REGEX_OPEN = 128,
	/* limit of repetitions for +, * and {n,} after a group, in a policy's own pattern */
	REGEX_OPEN_GROUP = 16,
};

/* A node of a tree, in the arena of the caller. */
struct regex_node {
	enum regex_kind kind;
	/* child: NULL for SET and EDGE; next: the next sibling */
	struct regex_node *child, *next;
	struct span name;		 /* the name of this group; borrowed from the text */
	/* SET: matches one of these bytes, or a character that begins with one of them */
	uint64_t set[4];
	char exact[4];		      /* SET: the character, if it is the only one */
	/* SET: number of bytes in `exact`; 0: the set has several characters */
	uint8_t nexact;
	uint8_t bytes_min, bytes_max; /* SET: least and most bytes of a character in the set */
	bool dot;		      /* SET: written as "." */
	bool letter;		      /* SET: one letter in both cases */
	bool possessive;	      /* REPEAT: never gives back what it has matched */
	/* LOOK: `child` must be before this place; `child` must not match */
	bool behind, negative;
	bool boundary;		      /* EDGE: \b */
	uint32_t min, max;	      /* REPEAT: least and most repetitions of `child` */
};

struct regex {
	const struct regex_node *root;
	/* The expression to compile with PCRE2. REGEX_OWN: open repetitions are limited.
	 * REGEX_RE2: syntax that PCRE2 reads differently is rewritten. In the arena, with a NUL
	 * after it. */
	struct span text;
	const char *why; /* NULL, or a fixed phrase */
	size_t at;	 /* offset of the byte that `why` refers to */
};

/* Parses an expression. Returns false, with why and where, if it is refused. `utf`: s consists
 * of characters, with Unicode's classes and cases; otherwise bytes. RULE supports only bytes. */
bool regex_read(
	struct arena *a, struct span s, enum regex_syntax syntax, bool utf, struct regex *out);

#endif
