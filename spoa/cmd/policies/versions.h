/* The policies that were in force, by their records and kept texts. */
#ifndef CMD_POLICIES_VERSIONS_H
#define CMD_POLICIES_VERSIONS_H

#include <jansson.h>

#include "cmd/records/query.h"
#include "base/codec/yaml.h"
#include "record/archive/kept_policy.h"

/* Reads the records of type `policy` of the query's time, oldest first, as a list. A record is left
 * out if the record before it in the same journal names the same text: a rotated key and a restart
 * change no policy. The caller's; NULL after a message. */
json_t *versions_read(struct query *q);
/* The last record of another version than `version`, which is in force; NULL: there is none. Lives
 * in *list. */
json_t *versions_before(const json_t *list, const char *version);
/* The last record of `version`. */
json_t *versions_last(const json_t *list, const char *version);
/* The tree of a kept text, in the arena: of the version, and with `hash` not NULL of that SHA-256.
 * NULL: it is not kept, or cannot be read; *why says so. */
const struct yaml_node *versions_tree(struct arena *a, const struct kept_places *places,
	const char *version, const char *hash, struct buf *why);
/* Finds the version that a person wrote: a version, a label such as default@8f3c12ab90de, or the
 * first 6 digits or more. False: no kept text has it, or several have; *why says which. */
bool versions_find(const struct kept_places *places, const char *given, char version[65],
	struct buf *why);
/* Returns true for a file that an operator writes: `policy show` prints it, and `policy back` may
 * write it. */
bool versions_has_file(const struct set_file *f);

#endif
