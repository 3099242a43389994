/* A loaded rule set: its indexes, its version and what others may ask of it. The
 * version is a hash over what was compiled, not over the text, so that comments
 * and the order of keys do not change it. */
#include <sodium.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/err.h"
#include "detect/rule.h"

/* Whether p begins where a word of letters and digits does, with a letter. */
static bool
begins_a_word(const struct pattern *p)
{
	if (p->back_max == 0)
		return false;
	for (unsigned c = 0; c < 256; c++)
		if (is_alnum((char)c) ? !set_has(p->edges.not_before, (char)c)
				      : set_has(p->back_set, (char)c))
			return false;
	for (char c = '0'; c <= '9'; c++)
		if (set_has(p->first, c))
			return false;
	return true;
}

/* The outline of each entity that has many patterns at digits; 0: another's. */
static void
number_many(const struct detect_rules *r, uint8_t of[DETECT_ENTITIES_MAX])
{
	enum { MANY = 5 };
	uint16_t n[DETECT_ENTITIES_MAX] = { 0 };
	uint8_t next = OUTLINE_MANY;

	for (size_t i = 0; i < r->npatterns; i++)
		if (r->patterns[i].kind == START_DIGITS)
			n[r->patterns[i].entity]++;
	for (size_t e = 0; e < r->nentities; e++) {
		of[e] = n[e] < MANY ? 0 : next;
		next = (uint8_t)(next + (of[e] && next + 1 < OUTLINES));
	}
}

/* Patterns that walk alike share an automaton; those that do not would multiply its
 * states. */
static int
outline_of(const struct pattern *p, const uint8_t many[DETECT_ENTITIES_MAX])
{
	if (p->kind != START_DIGITS)
		return -1;
	if (many[p->entity])
		return many[p->entity];
	if (begins_a_word(p))
		return OUTLINE_WORD;
	if (p->back_max > 1)
		return OUTLINE_BACK;
	return p->has_then && set_has(p->then, 'A') ? OUTLINE_LETTERS : OUTLINE_DIGITS;
}

static int
build_outlines(struct detect_rules *r)
{
	struct outline_input *in = calloc(r->npatterns + 1, sizeof(*in));
	uint8_t many[DETECT_ENTITIES_MAX];
	int err = in ? 0 : ERR_NOMEM;

	number_many(r, many);
	for (int k = 0; k < OUTLINES && !err; k++) {
		size_t n = 0;
		for (size_t i = 0; i < r->npatterns; i++) {
			const struct pattern *p = &r->patterns[i];
			if (outline_of(p, many) != k)
				continue;
			bool word = k == OUTLINE_WORD;
			in[n++] = (struct outline_input){ p->index, p->regex, p->back_set,
				word ? 0 : p->back_max };
			if (word && p->back_max > r->word_back_max)
				r->word_back_max = p->back_max;
		}
		err = outline_build(&r->arena, in, n, &r->outlines[k]);
	}
	free(in);
	return err;
}

/* Bytes that begin the same patterns share an outline. */
static int
build_byte_outlines(struct detect_rules *r)
{
	int err = 0;

	for (unsigned c = 0; c < 256 && !err; c++) {
		size_t n = r->nbyte_patterns[c];
		const uint16_t *v = r->byte_patterns[c];
		for (unsigned k = 0; k < c && n; k++)
			if (r->nbyte_patterns[k] == n &&
				!memcmp(v, r->byte_patterns[k], n * sizeof(*v)))
				r->byte_outlines[c] = r->byte_outlines[k];
		if (n == 0 || r->byte_outlines[c])
			continue;
		struct outline_input *in = calloc(n, sizeof(*in));
		r->byte_outlines[c] = arena_new(&r->arena, struct outline);
		if (!in || !r->byte_outlines[c]) {
			free(in);
			return ERR_NOMEM;
		}
		for (size_t i = 0; i < n; i++) {
			const struct pattern *p = &r->patterns[v[i]];
			in[i] = (struct outline_input){ p->index, p->regex, p->back_set,
				p->back_max };
		}
		err = outline_build(&r->arena, in, n, r->byte_outlines[c]);
		free(in);
	}
	return err;
}

/* What the sieve looks for. */
static void
index_bytes(struct detect_rules *r)
{
	for (unsigned c = 0; c < 256; c++) {
		r->sieve_of[c] = (uint8_t)((r->nbyte_patterns[c] > 0) | is_digit((char)c) << 1 |
					   is_upper((char)c) << 2 | is_lower((char)c) << 3);
		if (r->nbyte_patterns[c])
			r->sieve_halves[c >> 7][c & 15] |= (uint8_t)(1u << (c >> 4 & 7));
	}
}

/* Whether a literal is looked for only where no letter stands before it, or as in
 * homePhone. */
static bool
begins_words(const struct detect_rules *r, const struct literal *l)
{
	const struct pattern *p = &r->patterns[l->pattern];

	if (l->name)
		return true;
	for (unsigned c = 'A'; c <= 'z'; c++)
		if (is_alpha((char)c) && !set_has(p->edges.not_before, (char)c))
			return false;
	return p->back_max == 0;
}

static bool
only_letters(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alpha(s.p[i]))
			return false;
	return true;
}

static void
index_literals(struct detect_rules *r)
{
	size_t n = 0;

	for (size_t h = 0; h < 1u << LITERAL_BITS; h++)
		for (const struct literal *l = r->literals[h]; l; l = l->next)
			n++;
	r->heads = arena_array(&r->arena, n + 1, sizeof(*r->heads));
	r->slots = arena_array(&r->arena, (1u << LITERAL_BITS) + 1, sizeof(*r->slots));
	n = 0;
	for (size_t h = 0; !arena_failed(&r->arena) && h < 1u << LITERAL_BITS; h++) {
		r->slots[h] = (uint16_t)n;
		for (const struct literal *l = r->literals[h]; l; l = l->next, n++) {
			struct literal_head *x = &r->heads[n];
			size_t len = l->text.n < sizeof(x->head) ? l->text.n : sizeof(x->head);
			memcpy(&x->head, l->text.p, len);
			memset(&x->mask, 0xDF, len);
			x->literal = l;
			x->begins = begins_words(r, l);
			x->whole = l->caseless && l->text.n == len && (x->begins || !l->name) &&
				   only_letters(l->text);
			if (!x->begins)
				r->inner[h / 64] |= UINT64_C(1) << (h % 64);
		}
		r->slots[h + 1] = (uint16_t)n;
	}
}

/* What the regex says of the bytes before a match, and of a digit in it; where it is not
 * understood, nothing. */
static void
read_tree(struct pattern *p)
{
	struct arena tmp;

	arena_init(&tmp, 0, false);
	const struct outline_node *tree = outline_parse(&tmp, p->regex);
	if (tree) {
		outline_edges_of(tree, &p->edges);
		if (p->kind == START_LITERAL && p->back_max == 0)
			p->digit = pattern_digit(tree);
	}
	arena_reset(&tmp);
}

/* The lists that the scan walks. */
static int
index_patterns(struct detect_rules *r)
{
	r->anywhere = arena_array(&r->arena, r->npatterns, sizeof(uint16_t));
	for (size_t e = 0; e < DETECT_ENTITIES_MAX; e++)
		r->near_score[e] = -1.0f;
	index_bytes(r);
	for (size_t i = 0; !arena_failed(&r->arena) && i < r->npatterns; i++) {
		struct pattern *p = &r->patterns[i];
		p->near_bit = p->near && p->score < r->entities[p->entity].threshold
				      ? r->near_bit[p->entity]
				      : NEAR_NONE;
		if (p->near_bit != NEAR_NONE && p->score > r->near_score[p->entity])
			r->near_score[p->entity] = p->score;
		read_tree(p);
		p->lead = pattern_lead(p->regex, &p->lead_plain);
		if (p->clear)
			for (unsigned c = '0'; c <= 'z'; c++)
				if (is_alnum((char)c) || c == '_')
					set_add(p->edges.not_before, (unsigned char)c);
		if (p->kind == START_ANYWHERE)
			r->anywhere[r->nanywhere++] = (uint16_t)i;
	}
	index_literals(r);
	int err = arena_failed(&r->arena) ? ERR_NOMEM : build_outlines(r);
	if (!err)
		err = runs_index(r);
	return err ? err : build_byte_outlines(r);
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
		hash_bytes(&h, &e->spreads, sizeof(e->spreads));
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
	near_index_words(r);
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
	for (size_t i = 0; (*r)->patterns && i < (*r)->npatterns; i++)
		pcre2_code_free((*r)->patterns[i].code);
	custom_free(&(*r)->custom);
	arena_reset(&(*r)->arena);
	names_free(&(*r)->names_own);
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

bool
detect_entity_spreads(const struct detect_rules *r, size_t entity, enum mention_how *how)
{
	INVARIANT(entity < r->nentities);
	const struct entity_rule *e = &r->entities[entity];
	*how = e->separators		     ? MENTION_FOLDED
	       : !strcmp(e->class, "secret") ? MENTION_EXACT
					     : MENTION_CASELESS;
	return e->spreads;
}

int
detect_entity_find(const struct detect_rules *r, struct span name)
{
	for (size_t i = 0; i < r->nentities; i++)
		if (span_is(name, r->entities[i].name))
			return (int)i;
	return -1;
}

int
detect_entity_add(struct detect_rules *r, const char *name, const char *class)
{
	struct span s = span_str(name);
	int known = detect_entity_find(r, s);
	bool good = s.n > 0 && s.n < 64 && is_upper(s.p[0]);

	if (known >= 0)
		return known;
	for (size_t i = 0; i < s.n; i++)
		good = good && (is_upper(s.p[i]) || is_digit(s.p[i]) || s.p[i] == '_');
	if (!good || r->nentities == DETECT_ENTITIES_MAX)
		return -1;
	const char *own = arena_strdup(&r->arena, name),
		   *group = arena_strdup(&r->arena, class ? class : "");
	if (!own || !group)
		return -1;
	r->entities[r->nentities] = (struct entity_rule){
		.name = own, .class = group, .spreads = !strcmp(group, "secret")
	};
	return (int)r->nentities++;
}

bool
detect_entity_by_pattern(const struct detect_rules *r, size_t entity)
{
	if (r->entities[entity].own)
		return false;
	for (size_t f = 0; f < sizeof(r->finders) / sizeof(r->finders[0]); f++)
		if (r->finders[f] == entity + 1)
			return false;
	for (size_t i = 0; i < r->npatterns; i++)
		if (r->patterns[i].entity == entity)
			return true;
	return false;
}

const char *
detect_version(const struct detect_rules *r)
{
	return r->version;
}
