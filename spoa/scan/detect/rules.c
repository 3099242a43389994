/* A loaded rule set: its indexes and its version. The
 * version is a hash over what was compiled, not over the text, so that comments
 * and the order of keys do not change it. */
#include <sodium.h>
#include <stdlib.h>

#include "base/err.h"
#include "scan/detect/custom/custom_stage.h"
#include "scan/detect/engine.h"
#include "scan/detect/names/names.h"

/* A word of one byte, or with a blank in the second place, has no slot in the index. */
static bool
has_slots(const struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].n < 2 || w->v[i].p[1] == ' ')
			return false;
	return w->n > 0;
}

/* The bit of a list, whose words are indexed. */
static uint8_t
index_list(struct detect_rules *r, const struct words *w, uint8_t *next)
{
	if (*next == CONTEXT_NONE || !has_slots(w))
		return CONTEXT_NONE;
	context_index_add(&r->context_index, &r->arena, w, *next);
	return (*next)++;
}

/* Indexes the words of the patterns' entities: first of those of which a pattern needs one. */
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

/* The lists that the scan walks. */
static int
index_patterns(struct detect_rules *r)
{
	r->anywhere = arena_array(&r->arena, r->npatterns, sizeof(uint16_t));
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

const char *
detect_version(const struct detect_rules *r)
{
	return r->version;
}
