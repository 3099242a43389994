/* Data that conditions read as data.NAME. Files are read with the policy. Hashes in Redis and
 * documents behind URLs are fetched by the gate for each request. */
#ifndef POLICY_DATA_H
#define POLICY_DATA_H

#include <jansson.h>

#include "policy/policy.h"

/* Converts JSON to a CEL value in the arena: objects become maps, numbers without fraction
 * become ints. Returns 0, ERR_NOMEM, or ERR_LIMIT if the value is nested deeper than `depth`;
 * deeper values become null. */
int data_json(json_t *v, unsigned depth, struct arena *a, struct cel_value *out);
/* Converts JSON as data_json() does, but makes `caseless` maps, because other programs that
 * read this JSON may ignore the case of keys. */
int data_json_of_others(json_t *v, unsigned depth, struct arena *a, struct cel_value *out);
/* Returns the row of a file for the key, or NULL. */
const struct cel_value *data_row(const struct data_source *s, struct span key);

#endif
