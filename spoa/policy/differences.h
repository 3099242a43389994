/* Differences between two policies by section and name. They show if the file on disk differs
 * from the policy in force, and what a new text would change. */
#ifndef POLICY_DIFFERENCES_H
#define POLICY_DIFFERENCES_H

#include "base/codec/yaml.h"

enum difference_kind { DIFFERENCE_CHANGED, DIFFERENCE_ADDED, DIFFERENCE_REMOVED };

struct difference {
	const char *section; /* top-level key: "rules", "limits", "classes", … */
	const char *name;    /* name of the entry; NULL: the whole section, such as `default` */
	enum difference_kind kind;
};

struct differences {
	const struct difference *v; /* n differences in the arena, by section in the order of
				     * the policies */
	size_t n;
};

/* Compares two trees of policy_tree(); NULL is an empty policy. Two nodes are equal if they
 * give the same policy version: comments, layout, quoting and the order of keys do not count.
 * Entries of lists are matched by their `name`, or by their place if they have none. If only
 * the order of the entries differs, one difference without a name is reported. Returns false if
 * memory is exhausted. */
bool policy_differences(struct arena *a, const struct yaml_node *before,
	const struct yaml_node *after, struct differences *out);
/* Appends text such as "rules no-secrets, pii (new); limits team (removed)", or nothing if the
 * policies are equal. */
void policy_differences_print(const struct differences *d, struct buf *out);

#endif
