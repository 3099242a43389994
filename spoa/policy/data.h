/* Data from outside that conditions read as data.NAME: files of the policy, which are read
 * with it; hashes in Redis and documents behind URLs, which the gate brings. */
#ifndef POLICY_DATA_H
#define POLICY_DATA_H

#include <jansson.h>

#include "policy/policy.h"

/* JSON as a condition reads it: objects are maps, numbers without fraction ints. ERR_LIMIT:
 * nested in more than `depth` levels, and what is deeper is null. In the arena, which the
 * caller checks. */
int data_json(json_t *v, unsigned depth, struct arena *a, struct cel_value *out);
/* The same of what others read too, perhaps without the case of keys: its maps are `caseless`. */
int data_json_of_others(json_t *v, unsigned depth, struct arena *a, struct cel_value *out);
/* A file's row for that key; NULL: it has none. */
const struct cel_value *data_row(const struct data_source *s, struct span key);

#endif
