/* Classes with their own detectors, and loading detection rules and a policy together. */
#ifndef POLICY_OWN_H
#define POLICY_OWN_H

#include "scan/detect/custom/custom.h"

struct config;
struct policy;
struct yaml_node;

/* Reads the classes that have detectors of their own. Errors are added to *d; the correct ones
 * are returned, in the arena. */
const struct detect_extra *policy_own(
	struct arena *a, const struct yaml_node *root, const char *file, struct diag *d);

/* Loads the rule files of folder `detectors` (NULL: the built-in ones) with the policy's own
 * classes, and the policy. Returns NULL with errors in *d and *rules NULL. On success, the
 * caller owns *rules, which must live as long as the policy. `cfg` as for policy_load(). */
const struct policy *policy_open(struct arena *a, const char *file, const struct config *cfg,
	const char *detectors, struct detect_rules **rules, struct diag *d);

/* For a class that is a mapping: class_is_score() returns true for {score: N}, a class by
 * injection score. class_own_entity() returns the entity that its own words, patterns or files
 * find, or NULL if it has none. */
bool class_is_score(const struct yaml_node *n);
const char *class_own_entity(struct arena *a, const struct yaml_node *n);

#endif
