/* Literals in conditions that no route or provider of the policy can give. */
#ifndef POLICY_ADVICE_LITERALS_H
#define POLICY_ADVICE_LITERALS_H

#include "policy/advice/notes.h"
#include "policy/config/read.h"

/* A remark for each. */
void policy_literals(const struct noting *to);

#endif
