/* The map of placeholder numbers: open addressing over (entity, value),
 * hashed with a key of its own, so that a prompt cannot be built to collide.
 * Separate from splicing because redaction of text, of bodies and of the
 * command line share the numbering, not the escaping. */
#include "scan/text/placeholder.h"

#include <sodium.h>

#include "base/among.h"
#include "base/attr.h"
#include "base/random.h"
#include "scan/text/spelling.h"

struct slot {
	struct span key; /* entity, NUL, value; of a taken one its text */
	struct span text;
};

/* A placeholder that was given away, in order. */
struct given {
	struct given *next;
	struct span text, value;
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
	struct given *given, **given_end;
	size_t taken, floor; /* no number up to floor is given away */
};

enum {
	FIRST_SIZE = 64,
	TAKEN_MAX = 10000, /* texts remembered one by one; beyond, `floor` rises */
	DIGITS_MAX = 9,	   /* no request reaches a longer number */
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
	p->given_end = &p->given;
	random_bytes(p->hash_key, sizeof(p->hash_key));
	return p;
}

static struct slot *
placeholder_slot(const struct placeholders *p, struct slot *slots, size_t size, struct span key)
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
grow_placeholders(struct placeholders *p)
{
	struct slot *slots = arena_array(p->arena, p->size * 2, sizeof(struct slot));

	if (!slots)
		return false;
	for (size_t i = 0; i < p->size; i++)
		if (p->slots[i].key.p)
			*placeholder_slot(p, slots, p->size * 2, p->slots[i].key) = p->slots[i];
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
	while (text.p && placeholder_slot(p, p->slots, p->size, text)->key.p);
	return text;
}

static bool
add_placeholder(struct placeholders *p, struct span key, struct span text)
{
	if (p->used * 2 >= p->size && !grow_placeholders(p))
		return false;
	*placeholder_slot(p, p->slots, p->size, key) = (struct slot){ key, text };
	p->used++;
	return true;
}

/* Any name may be taken: SPELLING_NAME_MOST bounds it. */
static uint32_t
any_name(const void *of UNUSED, uint32_t node, char c UNUSED)
{
	return node;
}

/* name = what is no digit alone, "_", at most DIGITS_MAX digits: no request reaches a longer
 * number. Emphasis after it reads as underscores. */
static bool
has_number(const void *of UNUSED, uint32_t node UNUSED, struct span name)
{
	size_t n = span_back_set(name, name.n, 0, "_"), digits = 0;

	while (digits < n && is_digit(name.p[n - 1 - digits]))
		digits++;
	return digits > 0 && digits <= DIGITS_MAX && digits < n &&
	       name.p[n - 1 - digits] == '_';
}

static bool
take_one(struct placeholders *p, const struct spelling *s)
{
	char as_ours[SPELLING_NAME_MOST + 2];
	size_t n = span_back_set(span_of(s->name, s->name_n), s->name_n, 0, "_"), digits = n;
	struct span own = span_of(as_ours, n + 2);
	uint64_t number = 0;

	as_ours[0] = '<';
	memcpy(as_ours + 1, s->name, n);
	as_ours[n + 1] = '>';
	if (placeholder_slot(p, p->slots, p->size, own)->key.p)
		return true;
	if (p->taken < TAKEN_MAX) {
		own = arena_dup(p->arena, own);
		p->taken++;
		return own.p && add_placeholder(p, own, own);
	}
	while (is_digit(s->name[digits - 1]))
		digits--;
	span_u64(span_of(s->name + digits, n - digits), &number);
	if (number > p->floor)
		p->floor = (size_t)number;
	return true;
}

void
placeholders_taken(struct placeholders *p, struct span text)
{
	static const struct spelling_names names = { .next = any_name, .whole = has_number };
	struct spelling s;

	for (size_t at = 0; at < text.n;) {
		if (!spelling_begins[(unsigned char)text.p[at]]) {
			at++;
		} else if (!spelling_at(span_cut(text, at, text.n), 0, true, &names, &s)) {
			at++;
		} else {
			if (!take_one(p, &s))
				return; /* the arena latched it */
			at += s.raw;
		}
	}
	for (struct counter *c = p->counters; c; c = c->next)
		if (c->last < p->floor)
			c->last = p->floor;
}

struct span
placeholder_key(struct arena *a, struct span entity, struct span value, bool fold)
{
	char *key = arena_alloc(a, entity.n + 1 + value.n);
	size_t n = entity.n + 1, folded = 0;

	if (!key)
		return (struct span){ NULL, 0 };
	memcpy(key, entity.p, entity.n);
	/* Letters and digits only, letters in upper case; a value without any stays. */
	for (size_t i = 0; fold && i < value.n; i++)
		if (is_alnum(value.p[i]))
			key[n + folded++] = to_upper(value.p[i]);
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
	const struct slot *s = placeholder_slot(p, p->slots, p->size, own);
	if (s->key.p)
		return s->text;
	struct span text = next_text(p, entity);
	/* With `fold` the key holds less than the value. */
	value = fold ? arena_dup(p->arena, value) : span_cut(own, entity.n + 1, own.n);
	struct given *g = arena_new(p->arena, struct given);
	if (!text.p || !add_placeholder(p, own, text) || !g || !value.p ||
		arena_failed(p->arena))
		return none;
	/* Equal values are spelled as the first one was. */
	*g = (struct given){ .text = text, .value = value };
	*p->given_end = g;
	p->given_end = &g->next;
	return text;
}

void
placeholders_each(const struct placeholders *p, placeholder_seen *seen, void *arg)
{
	for (const struct given *g = p->given; g; g = g->next)
		if (!placeholder_slot(p, p->slots, p->size, g->text)->key.p)
			seen(arg, g->text, g->value);
}
