/* What the two files that read limits share. Not for other folders. */
#ifndef POLICY_SECTIONS_LIMITS_H
#define POLICY_SECTIONS_LIMITS_H

#include "policy/build.h"

#define LIMIT_NANO 1000000000ull
enum { LIMIT_USD_MAX = 100000000 };

/* In the limit's unit: a whole number, or of dollars nano-dollars. */
bool limit_amount(
	struct builder *b, const struct yaml_node *n, enum limit_of of, uint64_t *out);
void limit_window(struct builder *b, const struct yaml_node *n, struct limit *l);
/* Everything else; what it counts is known by then. */
void limit_terms(struct builder *b, const struct yaml_node *n, struct limit *l);

#endif
