/* Sets of entities, and the classes of a policy, which are named sets of entities. A set is a
 * value without pointers. */
#ifndef POLICY_ENTITIES_H
#define POLICY_ENTITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/detect/detect.h"

#define CLASSES_MAX 64
/* A set of entities, one bit for each number of detect_entity_find(). */
struct entity_set {
	uint64_t bit[DETECT_ENTITIES_MAX / 64];
};
static inline bool
entity_in(const struct entity_set *s, size_t e)
{
	return s->bit[e / 64] >> (e % 64) & 1;
}
static inline void
entity_add(struct entity_set *s, size_t e)
{
	s->bit[e / 64] |= 1ull << (e % 64);
}
static inline bool
entities_any(const struct entity_set *s)
{
	uint64_t all = 0;

	for (size_t i = 0; i < DETECT_ENTITIES_MAX / 64; i++)
		all |= s->bit[i];
	return all != 0;
}
static inline void
entities_join(struct entity_set *to, const struct entity_set *from)
{
	for (size_t i = 0; i < DETECT_ENTITIES_MAX / 64; i++)
		to->bit[i] |= from->bit[i];
}

struct policy_class {
	const char *name;
	struct entity_set entities;
	double injection; /* least injection score of the class; 0: the class has no score */
	/* bit by enum seg_role: findings count only in segments of these roles; 0: in all */
	uint16_t roles;
};

/* Writes 16 hexadecimal digits of a hash over the names of the set. */
void policy_entities_hash(
	const struct detect_rules *r, const struct entity_set *set, char out[17]);

#endif
