/* Regular expressions of matches(): RE2's syntax, run by PCRE2 within limits. */
#ifndef POLICY_CEL_FUNCTIONS_REGEX_H
#define POLICY_CEL_FUNCTIONS_REGEX_H

#include "base/arena.h"

struct cel_regex;

/* NULL, or why (static text) some text can make matching take time far beyond its length.
 * One that repeats something and is too large to be judged is refused too. */
const char *cel_regex_risk(struct span pattern);

/* The pattern in the arena; NULL with *why (static text). */
const struct cel_regex *cel_regex_compile(
	struct arena *a, struct span pattern, const char **why);
/* 1: matches somewhere, 0: does not, ERR_LIMIT: over the match limits,
 * ERR_ENCODING: not UTF-8, ERR_NOMEM. Scratch memory: the thread's own, then *spilled bytes of
 * `a`. */
int cel_regex_match(
	const struct cel_regex *re, struct span subject, struct arena *a, size_t *spilled);

#endif
