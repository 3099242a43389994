/* Data that conditions read as data.NAME. Files are read with the policy. Hashes in Redis and
 * documents behind URLs are fetched by the gate for each request. */
#ifndef POLICY_DATA_H
#define POLICY_DATA_H

#include <jansson.h>

#include "base/arena.h"
#include "policy/cel/cel.h"

/* One source of `data`, which conditions read as data.NAME. */
enum data_kind { DATA_FILE, DATA_REDIS, DATA_URL };
struct data_source {
	const char *name;
	const struct yaml_node *at;
	enum data_kind kind;
	const char *place; /* path, Redis key or URL */
	/* a file's mapping, sorted by its keys. With `key`, data.NAME is the row for the value
	 * of that slot, such as identity.person */
	struct cel_value whole;
	bool has_key;
	size_t key;
	/* for a source with a URL: header line with the token, and authorities; NULL: none */
	const char *authorization, *ca_file;
	uint64_t ttl_us, timeout_us;
	bool skip; /* on_failure: skip: the value is missing; otherwise the request gets 503 */
	bool read; /* a condition reads it */
};

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
