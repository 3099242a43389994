/* A policy in several files: what `include` names, or the files of a folder, as one tree,
 * of which every node knows the file it is in. */
#ifndef POLICY_CONFIG_INCLUDE_H
#define POLICY_CONFIG_INCLUDE_H

#include "base/codec/yaml.h"

/* The whole tree of the policy at `named`: a file with all it includes, or a folder. A folder
 * stands for its policy.yaml; where it has none, for all its *.yaml in the order of their
 * names. Lists (identity, routes, rules, limits) are those of the included files, in their
 * order, then the file's own; of mappings (classes, providers, …) and single values nothing
 * may be said twice. NULL with every mistake in *d. In the arena. */
const struct yaml_node *policy_tree(struct arena *a, const char *named, struct diag *d);

#endif
