/* Literals in conditions that no route or provider of the policy can give. */
#ifndef POLICY_ADVICE_LITERALS_H
#define POLICY_ADVICE_LITERALS_H

#include "policy/config/read.h"
#include "policy/policy.h"

/* Calls note() for each. */
void policy_literals(const struct policy *p,
	void (*note)(void *arg, const struct yaml_node *at, const char *text), void *arg);

#endif
