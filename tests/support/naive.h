/* Finds what the rules find in a slow and simple way, for comparison with the engine. PCRE2's
 * interpreter matches every pattern, compiled separately, at every byte; then the validator and
 * the score are applied. It shares with the engine only the rules, the table of validators and
 * the scoring of context. It has no start conditions, prefilter, automata, JIT or index of
 * context words. */
#ifndef SUPPORT_NAIVE_H
#define SUPPORT_NAIVE_H

#include "base/ascii.h"
#include "base/err.h"
#include "scan/detect/engine.h"

struct naive {
	const struct detect_rules *rules;
	pcre2_code **codes;
	pcre2_match_data *data;
	pcre2_match_context *context;
	const struct literal *keys[4096]; /* literals of the rules for key=value */
	size_t nkeys;
};

/* Frees the search. */
void naive_free(struct naive *v);

/* Prepares the search with these rules. */
void naive_init(struct naive *v, const struct detect_rules *rules);

/* Returns the first byte that only one of engine and naive scan covers, or text.n if there is
 * none. *missed: the engine does not cover it. Texts that reach a limit are not compared. */
size_t naive_differs(struct naive *v, struct detect_scratch *s, struct span text,
	struct span before, bool *missed);

#endif
