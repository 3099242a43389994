/* A policy's own classes, and loading rules and policy together. */
#ifndef POLICY_OWN_H
#define POLICY_OWN_H

#include "policy/policy.h"
#include "scan/detect/custom/custom.h"

/* Reads the classes that have detectors of their own. Every mistake goes to *d; what is
 * good is returned, in the arena. */
const struct detect_extra *policy_own(
	struct arena *a, const struct yaml_node *root, const char *file, struct diag *d);

/* The rule files of `detectors` (NULL: those compiled in) with the policy's own classes,
 * and the policy. NULL with every mistake in *d and *rules NULL; else *rules is the
 * caller's, and must live as long as the policy. `cfg` as for policy_load. */
const struct policy *policy_open(struct arena *a, const char *file, const struct config *cfg,
	const char *detectors, struct detect_rules **rules, struct diag *d);

/* Of a class that is a mapping: injection's {score: N}; the entity that words, patterns or files
 * of its own find, NULL where there are none. */
bool class_is_score(const struct yaml_node *n);
const char *class_own_entity(struct arena *a, const struct yaml_node *n);

#endif
