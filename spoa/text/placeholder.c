/* The map behind placeholder numbers: open addressing over (entity, value),
 * hashed with a key of its own, so that a prompt cannot be built to collide.
 * Separate from splicing because redaction of text, of bodies and of the
 * command line share the numbering, not the escaping. */
#include "text/placeholder.h"

#include <sodium.h>

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
};

enum { FIRST_SIZE = 64 };

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

static size_t
next_number(struct placeholders *p, struct span entity)
{
	struct counter *c = p->counters;

	while (c && !span_eq(c->entity, entity))
		c = c->next;
	if (!c) {
		c = arena_new(p->arena, struct counter);
		if (!c)
			return 0;
		c->entity = arena_dup(p->arena, entity);
		c->next = p->counters;
		p->counters = c;
	}
	return ++c->last;
}

/* Letters and digits only, letters in upper case; a value without any stays. */
static size_t
fold_into(char *to, struct span v)
{
	size_t n = 0;

	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];
		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'))
			to[n++] = c;
	}
	if (n == 0 && v.n) {
		memcpy(to, v.p, v.n);
		n = v.n;
	}
	return n;
}

struct span
placeholder_get(struct placeholders *p, struct span entity, struct span value, bool fold)
{
	const struct span none = { NULL, 0 };
	char *key = arena_alloc(p->arena, entity.n + 1 + value.n);
	size_t n = entity.n + 1;

	if (!key)
		return none;
	memcpy(key, entity.p, entity.n);
	key[entity.n] = '\0';
	if (fold) {
		n += fold_into(key + n, value);
	} else if (value.n) {
		memcpy(key + n, value.p, value.n);
		n += value.n;
	}
	if (p->used * 2 >= p->size && !grow(p))
		return none;
	struct slot *s = slot_of(p, p->slots, p->size, span_of(key, n));
	if (s->key.p)
		return s->text;
	size_t number = next_number(p, entity);
	struct span text = arena_printf(p->arena, "<%.*s_%zu>", SPAN_ARG(entity), number);
	if (arena_failed(p->arena))
		return none;
	*s = (struct slot){ span_of(key, n), text };
	p->used++;
	return text;
}
