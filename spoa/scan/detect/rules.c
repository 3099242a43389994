/* Completes a loaded rule set: its indexes and its version. The version is a hash over the
 * compiled rules, not over the text of their files, so that comments and the order of keys do
 * not change it.
 *
 * detect_used_new() makes a second rule set for the entities that a policy uses. Any entity may
 * compete with any other for the same bytes. Therefore a text is first searched with the second
 * rule set, which stops only at places where a used entity may begin, and ends at the first
 * candidate. Most texts have no candidate. Only a text with a candidate is searched for all
 * entities. */
#include <sodium.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/fnv.h"
#include "scan/detect/custom/custom_stage.h"
#include "scan/detect/engine.h"
#include "scan/detect/names/names.h"

/* Returns true if all words have a slot in the index. A word of one byte, or with a space as
 * its second byte, has none. */
static bool
has_slots(const struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].n < 2 || w->v[i].p[1] == ' ')
			return false;
	return w->n > 0;
}

/* Indexes the words of a list. Returns the list's bit, or CONTEXT_NONE if the list is not
 * indexed. */
static uint8_t
index_list(struct detect_rules *r, const struct words *w, uint8_t *next)
{
	if (*next == CONTEXT_NONE || !has_slots(w))
		return CONTEXT_NONE;
	context_index_add(&r->context_index, &r->arena, w, *next);
	return (*next)++;
}

/* Indexes the words of the patterns' entities. Lists of which a pattern needs a word come first. */
static void
index_context(struct detect_rules *r)
{
	uint8_t next = 0;

	context_index_begin(&r->context_index);
	memset(r->context_bit, CONTEXT_NONE, sizeof(r->context_bit));
	memset(r->against_bit, CONTEXT_NONE, sizeof(r->against_bit));
	for (int wanting = 1; wanting >= 0; wanting--)
		for (size_t i = 0; i < r->npatterns; i++) {
			size_t entity = r->patterns[i].entity;
			const struct entity_rule *e = &r->entities[entity];
			if (wanting && !r->patterns[i].needs_context &&
				r->patterns[i].score >= e->threshold)
				continue;
			if (r->context_bit[entity] == CONTEXT_NONE)
				r->context_bit[entity] =
					index_list(r, &e->context.words, &next);
			if (!wanting && r->against_bit[entity] == CONTEXT_NONE)
				r->against_bit[entity] =
					index_list(r, &e->context.against, &next);
		}
}

/* Builds the lists of patterns and the prefilter that the scan uses. */
static int
index_patterns(struct detect_rules *r)
{
	r->anywhere = arena_array(&r->arena, r->npatterns, sizeof(uint16_t));
	r->seeds = arena_array(&r->arena, r->npatterns, sizeof(uint16_t));
	for (size_t e = 0; e < DETECT_ENTITIES_MAX; e++)
		r->context_best[e] = -1.0f;
	for (size_t i = 0; !arena_failed(&r->arena) && i < r->npatterns; i++) {
		struct pattern *p = &r->patterns[i];
		p->context_bit = p->needs_context && p->score < r->entities[p->entity].threshold
					 ? r->context_bit[p->entity]
					 : CONTEXT_NONE;
		if (p->context_bit != CONTEXT_NONE) {
			context_index_need(&r->context_index, p->context_bit);
			if (p->score > r->context_best[p->entity])
				r->context_best[p->entity] = p->score;
		}
		if (p->kind == START_ANYWHERE)
			r->anywhere[r->nanywhere++] = (uint16_t)i;
		if (p->kind == START_SEED)
			r->seeds[r->nseeds++] = (uint16_t)i;
	}
	if (arena_failed(&r->arena))
		return ERR_NOMEM;
	int err = prefilter_build(
		&r->prefilter, &r->arena, r->patterns, r->npatterns, r->nentities);
	return err ? err : open_finish(r);
}

static void
hash_bytes(crypto_hash_sha256_state *h, const void *p, size_t n)
{
	uint64_t len = n;

	crypto_hash_sha256_update(h, (const unsigned char *)&len, sizeof(len));
	if (n)
		crypto_hash_sha256_update(h, p, n);
}

static void
hash_str(crypto_hash_sha256_state *h, const char *s)
{
	hash_bytes(h, s, strlen(s));
}

static void
hash_spans(crypto_hash_sha256_state *h, const struct span *v, size_t n)
{
	hash_bytes(h, &n, sizeof(n));
	for (size_t i = 0; i < n; i++)
		hash_bytes(h, v[i].p, v[i].n);
}

static void
hash_rules(struct detect_rules *r)
{
	const struct prefilter *f = &r->prefilter;
	crypto_hash_sha256_state h;
	unsigned char digest[crypto_hash_sha256_BYTES];

	crypto_hash_sha256_init(&h);
	hash_str(&h, "tollgate detectors 1");
	for (size_t i = 0; i < r->nentities; i++) {
		const struct entity_rule *e = &r->entities[i];
		const float numbers[] = { e->threshold, e->context.boost, e->context.penalty };
		hash_str(&h, e->name);
		hash_str(&h, e->class);
		hash_bytes(&h, numbers, sizeof(numbers));
		hash_bytes(&h, &e->separators, sizeof(e->separators));
		hash_bytes(&h, &e->spreads, sizeof(e->spreads));
		hash_bytes(&h, e->is, e->nis * sizeof(*e->is));
		hash_spans(&h, e->context.words.v, e->context.words.n);
		hash_spans(&h, e->context.against.v, e->context.against.n);
		hash_spans(&h, e->samples, e->nsamples);
	}
	for (size_t i = 0; i < r->npatterns; i++) {
		const struct pattern *p = &r->patterns[i];
		const unsigned numbers[] = { p->entity, p->keyed, p->needs_context, p->clear,
			p->kind, p->runs, p->alone, p->has_then, p->back_max };
		hash_str(&h, p->regex);
		hash_str(&h, p->check ? p->check->name : "");
		hash_bytes(&h, numbers, sizeof(numbers));
		hash_bytes(&h, p->back_set, sizeof(p->back_set));
		hash_bytes(&h, p->back_one, sizeof(p->back_one));
		hash_bytes(&h, p->then, sizeof(p->then));
		hash_bytes(&h, &p->score, sizeof(p->score));
	}
	for (size_t i = 0; i < 1u << LITERAL_BITS; i++)
		for (const struct literal *l = f->literals[i]; l; l = l->next) {
			hash_bytes(&h, &l->pattern, sizeof(l->pattern));
			hash_bytes(&h, &l->name, sizeof(l->name));
			hash_bytes(&h, l->text.p, l->text.n);
		}
	for (size_t b = 0; b < 256; b++)
		hash_bytes(&h, f->byte_patterns[b], f->nbyte_patterns[b] * sizeof(uint16_t));
	if (r->names) {
		hash_bytes(&h, r->finders, sizeof(r->finders));
		hash_bytes(&h, names_digest(r->names), crypto_hash_sha256_BYTES);
	}
	crypto_hash_sha256_final(&h, digest);
	sodium_bin2hex(r->version, sizeof(r->version), digest, sizeof(digest));
}

int
rules_finish(struct detect_rules *r)
{
	index_context(r);
	int err = index_patterns(r);
	if (!err)
		hash_rules(r);
	return err;
}

void
detect_free(struct detect_rules **r)
{
	if (!*r)
		return;
	bool owns = !(*r)->borrows;
	for (size_t i = 0; owns && (*r)->patterns && i < (*r)->npatterns; i++)
		pcre2_code_free((*r)->patterns[i].code);
	if (owns) {
		custom_free(&(*r)->custom);
		names_free(&(*r)->names_own);
	}
	arena_reset(&(*r)->arena);
	free(*r);
	*r = NULL;
}

bool
detect_jit(const struct detect_rules *r)
{
	for (size_t i = 0; i < r->npatterns; i++)
		if (r->patterns[i].code && !r->patterns[i].jit)
			return false;
	return true;
}

static uint64_t
hash_text(uint64_t hash, const char *s)
{
	return fnv64_step(fnv64_bytes(hash, s, strlen(s)), 0xff);
}

static uint64_t
hash_words(uint64_t hash, const struct span *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = fnv64_step(fnv64_bytes(hash, v[i].p, v[i].n), 0xff);
	return fnv64_step(hash, n);
}

uint64_t
detect_entity_meaning(const struct detect_rules *r, size_t entity)
{
	const struct entity_rule *e = &r->entities[entity];
	const float numbers[] = { e->context.boost, e->context.penalty };
	uint64_t h = hash_text(FNV64_BASIS, e->name);

	h = fnv64_bytes(h, numbers, sizeof(numbers));
	h = hash_words(h, e->context.words.v, e->context.words.n);
	h = hash_words(h, e->context.against.v, e->context.against.n);
	h = hash_words(h, e->samples, e->nsamples);
	h = fnv64_step(h, (uint64_t)e->separators << 8 | (uint64_t)e->spreads);
	for (size_t i = 0; i < r->npatterns; i++) {
		const struct pattern *p = &r->patterns[i];
		const unsigned how[] = { p->keyed, p->needs_context, p->clear, p->kind, p->runs,
			p->alone, p->has_then, p->back_max };
		if (p->entity != entity)
			continue;
		h = hash_text(h, p->regex);
		h = hash_text(h, p->check ? p->check->name : "");
		h = fnv64_bytes(h, how, sizeof(how));
		h = fnv64_bytes(h, &p->score, sizeof(p->score));
	}
	for (size_t i = 0; r->names && i < FINDERS; i++)
		if (r->finders[i] == entity + 1)
			h = fnv64_bytes(h, names_digest(r->names), crypto_hash_sha256_BYTES);
	return custom_meaning(r, entity, h);
}

const char *
detect_version(const struct detect_rules *r)
{
	return r->version;
}

/* ---- a search for some of the entities ---- */

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
					: literal_byte((unsigned char)l->text.p[3]);
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

/* Copies the patterns of these entities. number[i] becomes the index, plus 1, of the copy of
 * pattern i of r. */
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

/* Returns a rule set with the rules of these entities only. Entities have the same numbers as
 * in r, whose memory the result uses. */
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
	to->custom = r->custom; /* the thresholds select the entities */
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
	if (4 * theirs > 3 * r->npatterns) /* a separate search would save little */
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
