/* The entities of a rule set, by index. The index is below detect_entity_count() and does not
 * change. Reading is safe in any thread. */
#ifndef SCAN_DETECT_RULES_ENTITIES_H
#define SCAN_DETECT_RULES_ENTITIES_H

#include "base/span.h"
#include "scan/text/mention.h"

#define DETECT_ENTITIES_MAX 1024

struct detect_rules;

/* Which values of an entity are searched for in the whole request after one was found. */
enum spreads {
	SPREADS_NONE,
	SPREADS_DISTINCT, /* values that are no ordinary word or number */
	SPREADS_ALL,
};

/* The number of entities; then name, class ("secret", …; "" if none) and threshold (0..1) of
 * one entity. Strings live as long as the rules. */
size_t detect_entity_count(const struct detect_rules *r);
const char *detect_entity_name(const struct detect_rules *r, size_t entity);
const char *detect_entity_class(const struct detect_rules *r, size_t entity);
float detect_entity_threshold(const struct detect_rules *r, size_t entity);
/* Returns true if values of the entity are equal whatever separators they have (cards, phones,
 * IBANs): see scan/text/placeholder.h. */
bool detect_entity_folds(const struct detect_rules *r, size_t entity);
/* Returns true if every value of this entity that was found once is replaced wherever it
 * occurs: secrets and identifiers, but not names, dates, ages and places. */
bool detect_entity_spreads(const struct detect_rules *r, size_t entity);
/* Returns how this value of the entity spreads. SPREADS_DISTINCT: the value spreads because it
 * is no ordinary word or number, such as a name of two words. *how: how occurrences are
 * compared. Secrets are compared byte by byte, values with separators without separators, all
 * others without case. */
enum spreads detect_value_spreads(const struct detect_rules *r, size_t entity,
	struct span value, enum mention_how *how);
/* Returns true if the name is valid for an entity: upper-case letters, digits and _, beginning
 * with a letter, up to 63 bytes. */
bool detect_entity_is_name(struct span name);
/* Returns the index of the entity with this name, or -1. */
int detect_entity_find(const struct detect_rules *r, struct span name);
/* The graph of entities (`is` in rule files): a US_PASSPORT is a PASSPORT. A general entity
 * contains the special ones below it. These functions add the entity itself and all entities
 * below it, or above it, to `set`: a bit for each, DETECT_ENTITIES_MAX bits. */
void detect_entity_below(const struct detect_rules *r, size_t entity, uint64_t *set);
void detect_entity_above(const struct detect_rules *r, size_t entity, uint64_t *set);
/* Adds an entity that only external recognizers report. Returns its index (the existing one if
 * the name is known), or -1 if the name is invalid, there are too many entities, or memory is
 * exhausted. Call this before the rules are shared between threads. */
int detect_entity_add(struct detect_rules *r, const char *name, const char *class);
/* Returns true if only patterns find the entity: no word list, no finder, not a policy's own
 * class. Any value must then have the shape of a pattern. */
bool detect_entity_by_pattern(const struct detect_rules *r, size_t entity);

#endif
