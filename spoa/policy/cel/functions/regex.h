/* Regular expressions of matches(): the syntax of RE2, run by PCRE2 within limits. */
#ifndef POLICY_CEL_FUNCTIONS_REGEX_H
#define POLICY_CEL_FUNCTIONS_REGEX_H

#include "base/arena.h"

struct cel_regex;

/* Returns NULL, or why (static text) some text can make matching take far longer than its
 * length. A pattern with a repetition that is too large to be judged is refused too. */
const char *cel_regex_risk(struct span pattern);

/* Compiles a pattern in the arena. Returns NULL with *why (static text). */
const struct cel_regex *cel_regex_compile(
	struct arena *a, struct span pattern, const char **why);
/* Returns 1 if the pattern matches somewhere, 0 if not, ERR_LIMIT (match limits), ERR_ENCODING
 * (not UTF-8) or ERR_NOMEM. Uses the thread's scratch memory, then *spilled bytes of `a`. */
int cel_regex_match(
	const struct cel_regex *re, struct span subject, struct arena *a, size_t *spilled);

#endif
