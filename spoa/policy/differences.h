/* The differences between two policies, by section and name. They show whether the file on disk is what
 * is in force, and what a new text would change. */
#ifndef POLICY_DIFFERENCES_H
#define POLICY_DIFFERENCES_H

#include "base/codec/yaml.h"

enum difference_kind { DIFFERENCE_CHANGED, DIFFERENCE_ADDED, DIFFERENCE_REMOVED };

struct difference {
	const char *section; /* top-level key: "rules", "limits", "classes", … */
	const char *name;    /* of the entry; NULL: the whole section, such as `default` */
	enum difference_kind kind;
};

struct differences {
	const struct difference *v; /* in the arena, by section in the order of the policies */
	size_t n;
};

/* Compares two trees of policy_tree(); NULL is an empty policy. Two nodes are equal if the
 * policy's version (policy/version.c) cannot tell them apart: comments, layout, quoting and the
 * order of keys do not count. Entries of lists are matched by their `name`, or by their place if
 * they have none; if only the order of the entries differs, one difference without a name is
 * reported. False: out of memory. */
bool policy_differences(struct arena *a, const struct yaml_node *before,
	const struct yaml_node *after, struct differences *out);
/* "rules no-secrets, pii (new); limits team (removed)". Nothing if there is no difference. */
void policy_differences_print(const struct differences *d, struct buf *out);

#endif
