/* A loaded rule set: its indexes, its version and what others may ask of it. The
 * version is a hash over what was compiled, not over the text, so that comments
 * and the order of keys do not change it. */
#include <sodium.h>
#include <stdlib.h>

#include "base/err.h"
#include "detect/rule.h"

uint16_t
rules_follow(unsigned char next, unsigned char after)
{
	static const char marks[] = " .-/";
	const char *at = next ? strchr(marks, (int)next) : NULL;
	unsigned bit = next >= 0x80 ? 0 : is_alpha((char)next) ? 1 : next == '_' ? 2 : 3;

	if (at)
		bit = 4 + 2 * (unsigned)(at - marks) + (is_digit((char)after) ? 1 : 0);
	return (uint16_t)(1u << bit);
}

static bool
may_follow(const struct pattern *p, unsigned run, unsigned char next, unsigned char after)
{
	if (p->alone >> run & 1 && !is_alnum((char)next))
		return true;
	if (!(p->runs >> run & 1))
		return false;
	return !p->has_then ||
	       (set_has(p->then, (char)next) &&
		       (is_alnum((char)next) || next >= 0x80 || is_digit((char)after)));
}

static uint16_t
follows_of(const struct pattern *p, unsigned run)
{
	uint16_t bits = 0;

	for (unsigned next = 0; next < 256; next++) {
		if (may_follow(p, run, (unsigned char)next, 'x'))
			bits |= rules_follow((unsigned char)next, 'x');
		if (may_follow(p, run, (unsigned char)next, '0'))
			bits |= rules_follow((unsigned char)next, '0');
	}
	return bits;
}

/* The lists that the scan walks. */
static void
index_patterns(struct detect_rules *r)
{
	for (unsigned n = 1; n <= DIGIT_RUN_MAX; n++)
		r->digit_patterns[n] =
			arena_array(&r->arena, r->npatterns, sizeof(struct digit_start));
	r->anywhere = arena_array(&r->arena, r->npatterns, sizeof(uint16_t));
	for (unsigned c = 0; c < 256; c++)
		r->special[c] = is_digit((char)c) || r->nbyte_patterns[c];
	for (size_t i = 0; !arena_failed(&r->arena) && i < r->npatterns; i++) {
		const struct pattern *p = &r->patterns[i];
		for (unsigned n = 1; p->kind == START_DIGITS && n <= DIGIT_RUN_MAX; n++)
			if ((p->runs | p->alone) >> n & 1)
				r->digit_patterns[n][r->ndigit_patterns[n]++] =
					(struct digit_start){ (uint16_t)i, follows_of(p, n),
						p->near ? r->near_bit[p->entity] : NEAR_NONE };
		if (p->kind == START_ANYWHERE)
			r->anywhere[r->nanywhere++] = (uint16_t)i;
	}
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
hash_pattern(crypto_hash_sha256_state *h, const struct pattern *p)
{
	const unsigned numbers[] = { p->entity, p->keyed, p->near, p->clear, p->kind, p->runs,
		p->alone, p->has_then, p->back_max };

	hash_str(h, p->regex);
	hash_str(h, p->check ? p->check->name : "");
	hash_bytes(h, numbers, sizeof(numbers));
	hash_bytes(h, p->back_set, sizeof(p->back_set));
	hash_bytes(h, p->then, sizeof(p->then));
	hash_bytes(h, &p->score, sizeof(p->score));
}

static void
hash_rules(struct detect_rules *r)
{
	crypto_hash_sha256_state h;
	unsigned char digest[crypto_hash_sha256_BYTES];

	crypto_hash_sha256_init(&h);
	hash_str(&h, "tollgate detectors 1");
	for (size_t i = 0; i < r->nentities; i++) {
		const struct entity_rule *e = &r->entities[i];
		const float numbers[] = { e->threshold, e->boost, e->penalty };
		hash_str(&h, e->name);
		hash_str(&h, e->class);
		hash_bytes(&h, numbers, sizeof(numbers));
		hash_bytes(&h, &e->separators, sizeof(e->separators));
		hash_spans(&h, e->context.v, e->context.n);
		hash_spans(&h, e->against.v, e->against.n);
		hash_spans(&h, e->samples, e->nsamples);
	}
	for (size_t i = 0; i < r->npatterns; i++)
		hash_pattern(&h, &r->patterns[i]);
	for (size_t i = 0; i < 1u << LITERAL_BITS; i++)
		for (const struct literal *l = r->literals[i]; l; l = l->next) {
			hash_bytes(&h, &l->pattern, sizeof(l->pattern));
			hash_bytes(&h, &l->name, sizeof(l->name));
			hash_bytes(&h, l->text.p, l->text.n);
		}
	for (size_t b = 0; b < 256; b++)
		hash_bytes(&h, r->byte_patterns[b], r->nbyte_patterns[b] * sizeof(uint16_t));
	crypto_hash_sha256_final(&h, digest);
	sodium_bin2hex(r->version, sizeof(r->version), digest, sizeof(digest));
}

void
rules_finish(struct detect_rules *r)
{
	context_index(r);
	index_patterns(r);
	if (!arena_failed(&r->arena))
		hash_rules(r);
}

void
detect_free(struct detect_rules **r)
{
	if (!*r)
		return;
	for (size_t i = 0; (*r)->patterns && i < (*r)->npatterns; i++)
		pcre2_code_free((*r)->patterns[i].code);
	custom_free(&(*r)->custom);
	arena_reset(&(*r)->arena);
	free(*r);
	*r = NULL;
}

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

int
detect_entity_find(const struct detect_rules *r, struct span name)
{
	for (size_t i = 0; i < r->nentities; i++)
		if (span_is(name, r->entities[i].name))
			return (int)i;
	return -1;
}

const char *
detect_version(const struct detect_rules *r)
{
	return r->version;
}
