/* A search for some of the entities: what a policy uses. Any entity may compete with any
 * other for the same bytes, so a text that holds one of these is searched for all. Most texts
 * hold none: for them the first search is all. It has a prefilter of its own, which stops only
 * where one of these may begin, and ends at the first of them. */
#include <stdlib.h>

#include "base/err.h"
#include "scan/detect/engine.h"

static inline bool
has_entity(const uint64_t *entities, size_t e)
{
	return entities[e / 64] >> (e % 64) & 1;
}

static void
copy_literals(struct detect_rules *to, const struct detect_rules *r, const uint16_t *number)
{
	for (size_t h = 0; h < 1u << LITERAL_BITS; h++) {
		struct literal **end = &to->prefilter.literals[h];
		for (const struct literal *l = r->prefilter.literals[h]; l; l = l->next) {
			struct literal *copy;
			if (!number[l->pattern] ||
				!(copy = arena_new(&to->arena, struct literal)))
				continue;
			*copy = *l;
			copy->pattern = (uint16_t)(number[l->pattern] - 1);
			copy->next = NULL;
			*end = copy;
			end = &copy->next;
			to->prefilter.fourth[h] |=
				l->text.n == LITERAL_MIN
					? ~0u
					: literal_fourth((unsigned char)l->text.p[3]);
		}
	}
}

static void
copy_bytes(struct detect_rules *to, const struct detect_rules *r, const uint16_t *number)
{
	for (unsigned c = 0; c < 256; c++) {
		size_t n = r->prefilter.nbyte_patterns[c];
		to->prefilter.byte_patterns[c] = arena_array(&to->arena, n, sizeof(uint16_t));
		for (size_t i = 0; to->prefilter.byte_patterns[c] && i < n; i++) {
			uint16_t as = number[r->prefilter.byte_patterns[c][i]];
			if (as)
				to->prefilter
					.byte_patterns[c][to->prefilter.nbyte_patterns[c]++] =
					(uint16_t)(as - 1);
		}
	}
}

/* The patterns of these entities; `number`: what each of r is called here, and one. */
static void
copy_patterns(struct detect_rules *to, const struct detect_rules *r, const uint64_t *entities,
	uint16_t *number)
{
	for (size_t i = 0; i < r->npatterns; i++) {
		const struct pattern *p = &r->patterns[i];
		if (!has_entity(entities, p->entity))
			continue;
		struct pattern *copy = &to->patterns[to->npatterns];
		*copy = *p;
		copy->index = (uint16_t)to->npatterns++;
		to->any_keyed |= p->keyed;
		number[i] = (uint16_t)to->npatterns;
	}
}

/* The rules of these entities alone. Entities are numbered as in r, whose memory it uses. */
static struct detect_rules *
rules_of(const struct detect_rules *r, const uint64_t *entities)
{
	struct detect_rules *to = calloc(1, sizeof(*to));
	uint16_t *number = calloc(r->npatterns + 1, sizeof(*number));
	int err = to && number ? 0 : ERR_NOMEM;

	if (err)
		goto out;
	arena_init(&to->arena, 64u << 20, false);
	to->borrows = true;
	to->entities = r->entities;
	to->nentities = r->nentities;
	to->patterns = arena_array(&to->arena, r->npatterns, sizeof(*to->patterns));
	to->prefilter.literals =
		arena_array(&to->arena, 1u << LITERAL_BITS, sizeof(*to->prefilter.literals));
	if (!to->patterns || !to->prefilter.literals) {
		err = ERR_NOMEM;
		goto out;
	}
	copy_patterns(to, r, entities, number);
	copy_literals(to, r, number);
	copy_bytes(to, r, number);
	to->custom = r->custom; /* thresholds say which of it */
	for (size_t f = 0; f < FINDERS; f++)
		if (r->finders[f] && has_entity(entities, r->finders[f] - 1u)) {
			to->finders[f] = r->finders[f];
			to->names = r->names;
		}
	err = arena_failed(&to->arena) ? ERR_NOMEM : rules_finish(to);
out:
	free(number);
	if (err && to)
		detect_free(&to);
	return to;
}

struct detect_used *
detect_used_new(const struct detect_rules *r, const uint64_t *entities, const float *thresholds)
{
	struct detect_used *u = calloc(1, sizeof(*u));
	size_t theirs = 0;

	if (!u)
		return NULL;
	memcpy(u->entities, entities, sizeof(u->entities));
	for (size_t i = 0; i < r->npatterns; i++)
		theirs += has_entity(entities, r->patterns[i].entity);
	if (4 * theirs > 3 * r->npatterns) /* a search for them alone saves little */
		return u;
	u->thresholds = calloc(r->nentities + 1, sizeof(*u->thresholds));
	for (size_t e = 0; u->thresholds && e < r->nentities; e++) {
		float t = thresholds ? thresholds[e] : r->entities[e].threshold;
		u->thresholds[e] = has_entity(entities, e) ? t : 2.0f;
	}
	u->rules = u->thresholds ? rules_of(r, entities) : NULL;
	if (!u->rules)
		detect_used_free(&u);
	return u;
}

void
detect_used_free(struct detect_used **up)
{
	struct detect_used *u = *up;

	if (!u)
		return;
	if (u->rules)
		detect_free(&u->rules);
	free(u->thresholds);
	free(u);
	*up = NULL;
}

void
used_filter(const struct detect_used *u, struct findings *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++)
		if (has_entity(u->entities, f->v[i].entity))
			f->v[kept++] = f->v[i];
	f->n = kept;
}
