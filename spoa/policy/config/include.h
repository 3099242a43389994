/* A policy in several files, joined to one tree: the files that `include` names, or the files
 * of a folder. Each node keeps the file and position that it was read from. */
#ifndef POLICY_CONFIG_INCLUDE_H
#define POLICY_CONFIG_INCLUDE_H

#include "base/codec/yaml.h"

/* Returns the tree of the policy at `named`, a file or a folder. A folder stands for its
 * policy.yaml, or without one for all its *.yaml in the order of their names. Lists (identity,
 * routes, rules, limits) contain the entries of included files first, then the file's own. A
 * key of a mapping (classes, providers, …) or a single value may occur in one file only.
 * Returns NULL with all errors in *d. The tree lives in the arena. */
const struct yaml_node *policy_tree(struct arena *a, const char *named, struct diag *d);

#endif
