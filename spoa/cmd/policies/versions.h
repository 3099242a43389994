/* The policy versions that were in force, from their records and kept texts. */
#ifndef CMD_POLICIES_VERSIONS_H
#define CMD_POLICIES_VERSIONS_H

#include <jansson.h>

#include "cmd/records/query.h"
#include "base/codec/yaml.h"
#include "record/archive/kept_policy.h"

/* Reads the records of type `policy` in the query's period, oldest first, as a list. A
 * record is omitted if the record before it in the same journal names the same text,
 * because a rotated key and a restart change no policy. The caller owns the result. Returns
 * NULL after a message. */
json_t *versions_read(struct query *q);
/* Returns the last record with another version than `version`, which is in force, or NULL
 * if there is none. The record lives in *list. */
json_t *versions_before(const json_t *list, const char *version);
/* Returns the last record of `version`, or NULL. The record lives in *list. */
json_t *versions_last(const json_t *list, const char *version);
/* Parses the kept text of the version, which must have the SHA-256 `hash` unless that is
 * NULL. Returns the tree, in the arena, or NULL with *why if the text is not kept or cannot
 * be read. */
const struct yaml_node *versions_tree(struct arena *a, const struct kept_places *places,
	const char *version, const char *hash, struct buf *why);
/* Finds the version that a person wrote: a version, a label such as default@8f3c12ab90de,
 * or at least its first 6 digits. Returns false with *why if no kept text or more than one
 * has it. */
bool versions_find(const struct kept_places *places, const char *given, char version[65],
	struct buf *why);
/* Returns true for a file that an operator writes: `policy show` prints the file, and
 * `policy back` may write it. */
bool versions_has_file(const struct set_file *f);

#endif
