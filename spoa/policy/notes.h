/* What is valid but worth knowing about a policy: printed by check, logged by
 * serve at start and reload. */
#ifndef POLICY_NOTES_H
#define POLICY_NOTES_H

#include "policy/policy.h"

/* Calls note() once a remark, "file:line:column: text" where it has a place. */
void policy_notes(const struct policy *p, const struct config *cfg,
	const struct detect_rules *rules, void (*note)(void *arg, const char *text), void *arg);

/* notes_limits.c: those on limits; `at` NULL: of no place. */
void policy_limit_notes(const struct policy *p, const struct config *cfg,
	void (*note)(void *arg, const struct yaml_node *at, const char *text), void *arg);

#endif
