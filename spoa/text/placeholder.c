/* The map of placeholder numbers: open addressing over (entity, value),
 * hashed with a key of its own, so that a prompt cannot be built to collide.
 * Separate from splicing because redaction of text, of bodies and of the
 * command line share the numbering, not the escaping. */
#include "text/placeholder.h"

#include <sodium.h>

#include "base/ascii.h"
#include "base/random.h"

struct slot {
	struct span key; /* entity, NUL, value */
	struct span text;
};

struct counter {
	struct counter *next;
	struct span entity;
	size_t last;
};

struct placeholders {
	struct arena *arena;
	unsigned char hash_key[crypto_shorthash_KEYBYTES];
	struct slot *slots;
	size_t size, used; /* size is a power of two */
	struct counter *counters;
	size_t taken, floor; /* no number up to floor is given away */
};

enum {
	FIRST_SIZE = 64,
	TAKEN_MAX = 10000, /* texts remembered one by one; beyond, `floor` rises */
	DIGITS_MAX = 9,	   /* no request reaches a longer number */
	NAME_MAX_BYTES = 64,
};

struct placeholders *
placeholders_new(struct arena *a)
{
	struct placeholders *p = arena_new(a, struct placeholders);

	if (!p)
		return NULL;
	p->arena = a;
	p->size = FIRST_SIZE;
	p->slots = arena_array(a, p->size, sizeof(struct slot));
	if (!p->slots)
		return NULL;
	random_bytes(p->hash_key, sizeof(p->hash_key));
	return p;
}

static struct slot *
slot_of(const struct placeholders *p, struct slot *slots, size_t size, struct span key)
{
	unsigned char h[crypto_shorthash_BYTES];
	uint64_t at;

	crypto_shorthash(h, (const unsigned char *)key.p, key.n, p->hash_key);
	memcpy(&at, h, sizeof(at));
	for (at &= size - 1; slots[at].key.p; at = (at + 1) & (size - 1))
		if (span_eq(slots[at].key, key))
			break;
	return &slots[at];
}

static bool
grow(struct placeholders *p)
{
	struct slot *slots = arena_array(p->arena, p->size * 2, sizeof(struct slot));

	if (!slots)
		return false;
	for (size_t i = 0; i < p->size; i++)
		if (p->slots[i].key.p)
			*slot_of(p, slots, p->size * 2, p->slots[i].key) = p->slots[i];
	p->slots = slots;
	p->size *= 2;
	return true;
}

static struct counter *
counter_of(struct placeholders *p, struct span entity)
{
	struct counter *c = p->counters;

	while (c && !span_eq(c->entity, entity))
		c = c->next;
	if (!c) {
		c = arena_new(p->arena, struct counter);
		if (!c)
			return NULL;
		c->entity = arena_dup(p->arena, entity);
		c->last = p->floor;
		c->next = p->counters;
		p->counters = c;
	}
	return c;
}

/* The next text of the entity that the caller's own text does not hold. */
static struct span
next_text(struct placeholders *p, struct span entity)
{
	struct counter *c = counter_of(p, entity);
	struct span text = { NULL, 0 };

	if (!c)
		return text;
	do
		text = arena_printf(p->arena, "<%.*s_%zu>", SPAN_ARG(entity), ++c->last);
	while (text.p && slot_of(p, p->slots, p->size, text)->key.p);
	return text;
}

static bool
add(struct placeholders *p, struct span key, struct span text)
{
	if (p->used * 2 >= p->size && !grow(p))
		return false;
	*slot_of(p, p->slots, p->size, key) = (struct slot){ key, text };
	p->used++;
	return true;
}

/* Bytes of the placeholder that begins at t.p[0], its number in *n; 0: none does. */
static size_t
looks_like_one(struct span t, size_t *n)
{
	size_t i = 1, digits = 0;

	while (i < t.n && i <= NAME_MAX_BYTES &&
		(is_upper(t.p[i]) || is_digit(t.p[i]) || t.p[i] == '_'))
		i++;
	if (i >= t.n || t.p[i] != '>')
		return 0;
	while (is_digit(t.p[i - digits - 1]))
		digits++;
	if (digits == 0 || digits > DIGITS_MAX || t.p[i - digits - 1] != '_')
		return 0;
	*n = 0;
	for (size_t k = i - digits; k < i; k++)
		*n = *n * 10 + (size_t)(t.p[k] - '0');
	return i + 1;
}

void
placeholders_taken(struct placeholders *p, struct span text)
{
	const char *at;

	while (text.n && (at = memchr(text.p, '<', text.n))) {
		text = span_cut(text, (size_t)(at - text.p), text.n);
		size_t number, n = looks_like_one(text, &number);
		struct span own = span_cut(text, 0, n);
		if (n && !slot_of(p, p->slots, p->size, own)->key.p) {
			if (p->taken < TAKEN_MAX) {
				own = arena_dup(p->arena, own);
				if (!own.p || !add(p, own, own))
					return; /* the arena latched it */
				p->taken++;
			} else if (number > p->floor) {
				p->floor = number;
			}
		}
		text = span_cut(text, n ? n : 1, text.n);
	}
	for (struct counter *c = p->counters; c; c = c->next)
		if (c->last < p->floor)
			c->last = p->floor;
}

/* Letters and digits of v only, letters in upper case; a value without any stays. */
static size_t
fold_value(char *to, struct span v)
{
	size_t n = 0;

	for (size_t i = 0; i < v.n; i++)
		if (is_alnum(v.p[i]))
			to[n++] = to_upper(v.p[i]);
	return n;
}

struct span
placeholder_key(struct arena *a, struct span entity, struct span value, bool fold)
{
	char *key = arena_alloc(a, entity.n + 1 + value.n);
	size_t n = entity.n + 1, folded;

	if (!key)
		return (struct span){ NULL, 0 };
	memcpy(key, entity.p, entity.n);
	folded = fold ? fold_value(key + n, value) : 0;
	if (!folded && value.n)
		memcpy(key + n, value.p, value.n);
	return span_of(key, n + (folded ? folded : value.n));
}

struct span
placeholder_get(struct placeholders *p, struct span entity, struct span value, bool fold)
{
	const struct span none = { NULL, 0 };
	struct span own = placeholder_key(p->arena, entity, value, fold);

	if (!own.p)
		return none;
	const struct slot *s = slot_of(p, p->slots, p->size, own);
	if (s->key.p)
		return s->text;
	struct span text = next_text(p, entity);
	return text.p && add(p, own, text) && !arena_failed(p->arena) ? text : none;
}
