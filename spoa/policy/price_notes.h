/* Remarks on what a policy says of prices. */
#ifndef POLICY_PRICE_NOTES_H
#define POLICY_PRICE_NOTES_H

#include "policy/policy.h"

/* Calls note() for each; `at` NULL: about the list. */
void policy_price_notes(const struct policy *p, int64_t now_wall_ns,
	void (*note)(void *arg, const struct yaml_node *at, const char *text), void *arg);

#endif
