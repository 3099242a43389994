/* The entities of a rule set, by their index. */
#ifndef SCAN_DETECT_RULES_ENTITIES_H
#define SCAN_DETECT_RULES_ENTITIES_H

#include "base/span.h"
#include "scan/text/mention.h"

#define DETECT_ENTITIES_MAX 1024

struct detect_rules;

/* Which values of an entity are looked for in all of the request. */
enum spreads {
	SPREADS_NONE,
	SPREADS_DISTINCT, /* those that are no ordinary word or number */
	SPREADS_ALL,
};

size_t detect_entity_count(const struct detect_rules *r);
const char *detect_entity_name(const struct detect_rules *r, size_t entity);
const char *detect_entity_class(const struct detect_rules *r, size_t entity);
float detect_entity_threshold(const struct detect_rules *r, size_t entity);
/* Values of this entity are equal whatever separators they are written with (cards,
 * phones, IBANs): see scan/text/placeholder.h. */
bool detect_entity_folds(const struct detect_rules *r, size_t entity);
/* Returns true if every value of this entity that was found once is replaced wherever it occurs: secrets
 * and identifiers, but not names, dates, ages and places. */
bool detect_entity_spreads(const struct detect_rules *r, size_t entity);
/* Returns how this value of the entity spreads. SPREADS_DISTINCT: the value spreads because it is no ordinary
 * word or number, such as a name of two words. Secrets are the same byte by byte, others in any case, those
 * that fold however they are separated. */
enum spreads detect_value_spreads(const struct detect_rules *r, size_t entity,
	struct span value, enum mention_how *how);
/* Whether it is as an entity is named: UPPER_CASE, digits and _, up to 63 bytes. */
bool detect_entity_is_name(struct span name);
/* Index by name, or -1. */
int detect_entity_find(const struct detect_rules *r, struct span name);
/* An entity that only others report (external recognizers): its index, the old one
 * where it is known already, or -1 (no such name: UPPER_CASE, up to 63 bytes; or too
 * many). Before the rules are shared between threads. */
int detect_entity_add(struct detect_rules *r, const char *name, const char *class);
/* Whether patterns of the rules find it, and nothing else does (word lists, finders): then
 * what has its shape is all that could be it. */
bool detect_entity_by_pattern(const struct detect_rules *r, size_t entity);

#endif
