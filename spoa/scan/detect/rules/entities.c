/* Describes the entities of a rule set to other layers: by index, by name, and how their values
 * spread over a request. */
#include "base/ascii.h"
#include "base/err.h"
#include "scan/detect/rules/rule.h"

/* A value without words needs this many digits to be distinct. Shorter numbers are years,
 * amounts and postal codes. */
enum { DISTINCT_DIGITS = 6 };

size_t
detect_entity_count(const struct detect_rules *r)
{
	return r->nentities;
}

const char *
detect_entity_name(const struct detect_rules *r, size_t entity)
{
	INVARIANT(entity < r->nentities);
	return r->entities[entity].name;
}

const char *
detect_entity_class(const struct detect_rules *r, size_t entity)
{
	INVARIANT(entity < r->nentities);
	return r->entities[entity].class;
}

float
detect_entity_threshold(const struct detect_rules *r, size_t entity)
{
	INVARIANT(entity < r->nentities);
	return r->entities[entity].threshold;
}

bool
detect_entity_folds(const struct detect_rules *r, size_t entity)
{
	INVARIANT(entity < r->nentities);
	return r->entities[entity].separators;
}

bool
detect_entity_spreads(const struct detect_rules *r, size_t entity)
{
	INVARIANT(entity < r->nentities);
	return r->entities[entity].spreads == SPREADS_ALL;
}

/* Returns true if a value hardly occurs by chance twice in a request: two or more words;
 * letters together with digits; or many digits. Words joined by - or _ count as one:
 * release-please, json_schema. */
static bool
is_distinct(struct span value)
{
	size_t digits = 0, letters = 0, words = 0;
	bool within = false;

	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];
		bool letter = is_alpha(c) || is_high(c);
		words += letter && !within;
		within = letter || (within && (c == '-' || c == '_'));
		letters += letter;
		digits += is_digit(c);
	}
	return words > 1 || digits >= DISTINCT_DIGITS ||
	       (digits && letters && digits + letters >= MENTION_LEAST);
}

enum spreads
detect_value_spreads(const struct detect_rules *r, size_t entity, struct span value,
	enum mention_how *how)
{
	INVARIANT(entity < r->nentities);
	const struct entity_rule *e = &r->entities[entity];
	*how = e->separators		     ? MENTION_FOLDED
	       : !strcmp(e->class, "secret") ? MENTION_EXACT
					     : MENTION_CASELESS;
	return e->spreads == SPREADS_DISTINCT && !is_distinct(value) ? SPREADS_NONE : e->spreads;
}

bool
detect_entity_is_name(struct span name)
{
	bool good = name.n > 0 && name.n < 64 && is_upper(name.p[0]);

	for (size_t i = 0; i < name.n; i++)
		good = good && (is_upper(name.p[i]) || is_digit(name.p[i]) || name.p[i] == '_');
	return good;
}

int
detect_entity_find(const struct detect_rules *r, struct span name)
{
	for (size_t i = 0; i < r->nentities; i++)
		if (span_is(name, r->entities[i].name))
			return (int)i;
	return -1;
}

void
detect_entity_above(const struct detect_rules *r, size_t entity, uint64_t *set)
{
	INVARIANT(entity < r->nentities);
	const struct entity_rule *e = &r->entities[entity];
	uint64_t bit = UINT64_C(1) << (entity % 64);

	if (set[entity / 64] & bit)
		return;
	set[entity / 64] |= bit;
	for (size_t i = 0; i < e->nis; i++)
		detect_entity_above(r, e->is[i], set);
}

void
detect_entity_below(const struct detect_rules *r, size_t entity, uint64_t *set)
{
	for (size_t i = 0; i < r->nentities; i++) {
		uint64_t above[DETECT_ENTITIES_MAX / 64] = { 0 };
		detect_entity_above(r, i, above);
		if (above[entity / 64] >> (entity % 64) & 1)
			set[i / 64] |= UINT64_C(1) << (i % 64);
	}
}

int
detect_entity_add(struct detect_rules *r, const char *name, const char *class)
{
	struct span s = span_str(name);
	int known = detect_entity_find(r, s);

	if (known >= 0)
		return known;
	if (!detect_entity_is_name(s) || r->nentities == DETECT_ENTITIES_MAX)
		return -1;
	const char *own = arena_strdup(&r->arena, name),
		   *group = arena_strdup(&r->arena, class ? class : "");
	if (!own || !group)
		return -1;
	r->entities[r->nentities] = (struct entity_rule){
		.name = own, .class = group, .spreads = strcmp(group, "secret") ? SPREADS_DISTINCT : SPREADS_ALL
	};
	return (int)r->nentities++;
}

bool
detect_entity_by_pattern(const struct detect_rules *r, size_t entity)
{
	if (r->entities[entity].own)
		return false;
	for (size_t f = 0; f < COUNT_OF(r->finders); f++)
		if (r->finders[f] == entity + 1)
			return false;
	for (size_t i = 0; i < r->npatterns; i++)
		if (r->patterns[i].entity == entity)
			return true;
	return false;
}
