/* The map of placeholder numbers: an open hash table over (entity, value) and over placeholders.
 * The hash has a random key, so that a prompt cannot be built to collide. Redaction of texts, of
 * bodies and on the command line use the same numbering, but escape differently; therefore the
 * numbering is separate from splicing. */
#include "scan/text/placeholder.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/among.h"
#include "base/attr.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/random.h"
#include "base/sha256.h"
#include "scan/text/spelling.h"

const char *const placeholder_left_names[LEFT_REASONS] = {
#define X(id, name, what) name,
	PLACEHOLDER_LEFT(X)
#undef X
};
const char *const placeholder_left_words[LEFT_REASONS] = {
#define X(id, name, what) what,
	PLACEHOLDER_LEFT(X)
#undef X
};

/* A slot of the table; key.p NULL: free. There are three kinds:
 * - a value: `key` is entity, NUL, value; `text` is its placeholder.
 * - a placeholder that stands for a value: `key` is the placeholder, text.p is NULL.
 * - a reserved placeholder that stands for no value: `key` and `text` are both the placeholder. */
struct slot {
	struct span key;
	struct span text;
};

/* A placeholder that was given, in a list in the order of giving. */
struct given {
	struct given *next;
	struct span text, entity, value;
};

/* The last number that was given for an entity. */
struct counter {
	struct counter *next;
	struct span entity;
	size_t last;
};

struct placeholders {
	struct arena *arena;
	unsigned char hash_key[crypto_shorthash_KEYBYTES];
	struct slot *slots;
	size_t size, used; /* size is a power of two; at most half of the slots are used */
	struct counter *counters;
	struct given *given, **given_end;
	struct given *urls; /* only `text` is set */
	size_t ngiven, nurls;
	size_t taken, floor; /* number of reserved placeholders; no number up to floor is given */
	bool tags;
	unsigned char tag_key[PLACEHOLDER_TAG_KEY];
	struct shared_map *shared; /* the map of placeholders_open() that this one belongs to;
				    * NULL: a map of one request */
};

/* A map with its own memory, shared by threads. */
struct shared_map {
	struct arena arena, key; /* key: memory for the key of the current lookup */
	pthread_mutex_t mutex;
	struct placeholders *map;
};

enum {
	FIRST_SIZE = 64,
	TAKEN_MAX = 10000, /* reserved placeholders that are stored one by one; beyond, `floor`
			    * rises */
	DIGITS_MAX = 9,	   /* digits of a number; no request reaches a longer one */
	TAG_CHARS = 8	   /* characters of a tag; each character encodes 5 bits of a hash */
};

/* ---- maps ---- */

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

struct placeholders *
placeholders_open(void)
{
	struct shared_map *m = calloc(1, sizeof(*m));

	if (!m || pthread_mutex_init(&m->mutex, NULL) != 0) {
		free(m);
		return NULL;
	}
	arena_init(&m->arena, 2 * (size_t)CAP_VAULT_BYTES, true);
	arena_init(&m->key, 0, true);
	m->map = placeholders_new(&m->arena);
	if (!m->map) {
		arena_reset(&m->arena);
		pthread_mutex_destroy(&m->mutex);
		free(m);
		return NULL;
	}
	m->map->shared = m;
	random_bytes(m->map->tag_key, sizeof(m->map->tag_key));
	return m->map;
}

void
placeholders_close(struct placeholders **p)
{
	struct shared_map *m = *p ? (*p)->shared : NULL;

	*p = NULL;
	if (!m)
		return;
	arena_reset(&m->arena);
	arena_reset(&m->key);
	pthread_mutex_destroy(&m->mutex);
	free(m);
}

static void
lock_placeholders(const struct placeholders *p)
{
	if (p->shared)
		pthread_mutex_lock(&p->shared->mutex);
}

static void
unlock_placeholders(const struct placeholders *p)
{
	if (p->shared)
		pthread_mutex_unlock(&p->shared->mutex);
}

void
placeholders_tag(struct placeholders *p, const unsigned char key[PLACEHOLDER_TAG_KEY])
{
	lock_placeholders(p);
	p->tags = true;
	memcpy(p->tag_key, key, sizeof(p->tag_key));
	unlock_placeholders(p);
}

/* ---- slots and numbers ---- */

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

/* Returns true if the placeholder was given, or is in the caller's own text. */
static bool
is_known_text(const struct placeholders *p, struct span text)
{
	return placeholder_slot(p, p->slots, p->size, text)->key.p != NULL;
}

/* Returns the entity's next placeholder that is not in the caller's own text; p NULL if the
 * arena failed. */
static struct span
next_text(struct placeholders *p, struct span entity)
{
	struct counter *c = counter_of(p, entity);
	struct span text = { NULL, 0 };

	if (!c)
		return text;
	do
		text = arena_printf(p->arena, "<%.*s_%zu>", SPAN_ARG(entity), ++c->last);
	while (text.p && is_known_text(p, text));
	return text;
}

/* Returns a placeholder <ENTITY_TAG_1>. Its number distinguishes values that have equal tags by
 * chance. `key` is the value's key, from which the tag is computed. */
static struct span
tagged_text(struct placeholders *p, struct span entity, struct span key)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned char h[SHA256_BYTES];
	char tag[TAG_CHARS];
	struct span text;
	size_t n = 0;

	hmac_sha256(p->tag_key, key, h);
	for (size_t i = 0; i < sizeof(tag); i++)
		tag[i] = digits[h[i] & 31];
	do
		text = arena_printf(
			p->arena, "<%.*s_%.*s_%zu>", SPAN_ARG(entity), TAG_CHARS, tag, ++n);
	while (text.p && is_known_text(p, text));
	return text;
}

static bool
add_placeholder(struct placeholders *p, struct span key, struct span text)
{
	if (p->used * 2 >= p->size && !grow_placeholders(p))
		return false;
	INVARIANT(p->used < p->size); /* a free slot ends each search */
	*placeholder_slot(p, p->slots, p->size, key) = (struct slot){ key, text };
	p->used++;
	return true;
}

/* ---- placeholders in the caller's own text ---- */

/* Accepts any name; SPELLING_NAME_MOST limits its length. */
static uint32_t
any_name(const void *of UNUSED, uint32_t node, char c UNUSED)
{
	return node;
}

/* Returns true if the name has the form of a placeholder: other characters, "_", and 1 to
 * DIGITS_MAX digits. Underscores after the number are Markdown emphasis. */
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
slot_is_taken(const struct slot *s)
{
	return s->key.p && s->text.p == s->key.p;
}

/* Reserves one placeholder. `given`: if it was given for a value, it keeps that value. Returns
 * false if memory is exhausted. */
static bool
take_one(struct placeholders *p, const struct spelling *s, bool given)
{
	char as_ours[SPELLING_NAME_MOST + 2];
	size_t n = span_back_set(span_of(s->name, s->name_n), s->name_n, 0, "_"), digits = n;
	struct span own = span_of(as_ours, n + 2);
	uint64_t number = 0;

	as_ours[0] = '<';
	memcpy(as_ours + 1, s->name, n);
	as_ours[n + 1] = '>';
	struct slot *was = placeholder_slot(p, p->slots, p->size, own);
	if (was->key.p) {
		if (!given)
			was->text = was->key;
		return true;
	}
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

static void
raise_counters(struct placeholders *p)
{
	for (struct counter *c = p->counters; c; c = c->next)
		if (c->last < p->floor)
			c->last = p->floor;
}

static void
take_all(struct placeholders *p, struct span text, bool given)
{
	static const struct spelling_names names = { .next = any_name, .whole = has_number };
	struct spelling s;

	for (size_t at = 0; at < text.n;) {
		if (!spelling_begins[(unsigned char)text.p[at]]) {
			at++;
		} else if (!spelling_at(span_cut(text, at, text.n), 0, true, &names, &s)) {
			at++;
		} else {
			if (!take_one(p, &s, given))
				return; /* the arena has recorded the failure */
			at += s.raw;
		}
	}
	raise_counters(p);
}

void
placeholders_taken(struct placeholders *p, struct span text)
{
	lock_placeholders(p);
	take_all(p, text, p->shared != NULL);
	unlock_placeholders(p);
}

void
placeholders_repeated(struct placeholders *p, struct span text)
{
	lock_placeholders(p);
	take_all(p, text, true);
	unlock_placeholders(p);
}

/* ---- placeholders for values ---- */

struct span
placeholder_key(struct arena *a, struct span entity, struct span value, bool fold)
{
	char *key = arena_alloc(a, entity.n + 1 + value.n);
	size_t n = entity.n + 1, folded = 0;

	if (!key)
		return (struct span){ NULL, 0 };
	memcpy(key, entity.p, entity.n);
	/* Letters and digits only, letters in upper case. A value without any is used whole. */
	for (size_t i = 0; fold && i < value.n; i++)
		if (is_alnum(value.p[i]))
			key[n + folded++] = to_upper(value.p[i]);
	if (!folded && value.n)
		memcpy(key + n, value.p, value.n);
	return span_of(key, n + (folded ? folded : value.n));
}

static bool
note_given(struct placeholders *p, struct span text, struct span entity, struct span value)
{
	struct given *g = arena_new(p->arena, struct given);

	if (!g || !add_placeholder(p, text, (struct span){ NULL, 0 }))
		return false;
	*g = (struct given){ .text = text, .entity = entity, .value = value };
	INVARIANT(!*p->given_end);
	*p->given_end = g;
	p->given_end = &g->next;
	p->ngiven++;
	return true;
}

/* Returns the key of a value. In a shared map, which lives long, the key is in memory that the
 * next lookup reuses. */
static struct span
look_up_key(struct placeholders *p, struct span entity, struct span value, bool fold)
{
	if (!p->shared)
		return placeholder_key(p->arena, entity, value, fold);
	arena_reset(&p->shared->key);
	return placeholder_key(&p->shared->key, entity, value, fold);
}

static struct span
get_placeholder(struct placeholders *p, struct span entity, struct span value, bool fold)
{
	const struct span none = { NULL, 0 };
	struct span own = look_up_key(p, entity, value, fold);

	if (!own.p)
		return none;
	const struct slot *s = placeholder_slot(p, p->slots, p->size, own);
	if (s->key.p)
		return s->text;
	if (p->shared)
		own = arena_dup(p->arena, own);
	bool full = p->shared && p->ngiven >= CAP_KEPT_VALUES;
	struct span text = p->tags || full ? tagged_text(p, entity, own) : next_text(p, entity);
	if (full)
		return text;
	/* With `fold`, the key does not hold the whole value. */
	value = fold ? arena_dup(p->arena, value) : span_cut(own, entity.n + 1, own.n);
	/* The first spelling of a value is kept for all equal values. */
	if (!text.p || !value.p || !add_placeholder(p, own, text) ||
		!note_given(p, text, span_cut(own, 0, entity.n), value) ||
		arena_failed(p->arena))
		return none;
	return text;
}

struct span
placeholder_get(struct placeholders *p, struct span entity, struct span value, bool fold)
{
	lock_placeholders(p);
	struct span text = get_placeholder(p, entity, value, fold);
	unlock_placeholders(p);
	return text;
}

/* ---- URLs with placeholders ---- */

/* A URL is also a key without a text, so that it is in the list once. */
static void
note_own_url(struct placeholders *p, struct span url)
{
	if (p->nurls == PLACEHOLDER_URLS || !url.n ||
		placeholder_slot(p, p->slots, p->size, url)->key.p)
		return;
	struct given *g = arena_new(p->arena, struct given);
	url = arena_dup(p->arena, url);
	if (!g || !url.p || !add_placeholder(p, url, (struct span){ NULL, 0 }))
		return;
	*g = (struct given){ .next = p->urls, .text = url };
	p->urls = g;
	p->nurls++;
}

void
placeholders_url(struct placeholders *p, struct span url)
{
	lock_placeholders(p);
	note_own_url(p, url);
	unlock_placeholders(p);
}

/* ---- placeholders of earlier requests ---- */

/* Lets the entity's numbers continue after that of the placeholder: "<" entity "_" 1*DIGIT ">".
 * Returns false if memory is exhausted. */
static bool
goes_on_after(struct placeholders *p, struct span text, struct span entity)
{
	struct span number = span_cut(text, entity.n + 2, text.n - 1);
	uint64_t n;

	if (text.n < entity.n + 4 || number.n > DIGITS_MAX || !span_all(number, is_digit) ||
		span_u64(number, &n))
		return true; /* the placeholder has a tag */
	struct counter *c = counter_of(p, entity);
	if (c && c->last < n)
		c->last = (size_t)n;
	return c != NULL;
}

/* Adds a placeholder of an earlier request; see placeholders_add(). If the placeholder already
 * stands for another value, it stands for none from now on. */
static bool
add_known(struct placeholders *p, struct span text, struct span entity, struct span value)
{
	struct slot *was = placeholder_slot(p, p->slots, p->size, text);

	if (was->key.p && !value.p)
		was->text = was->key;
	if (!was->key.p && p->shared && !(text = arena_dup(p->arena, text)).p)
		return false;
	if (!value.p)
		return was->key.p || add_placeholder(p, text, text);
	struct span key = look_up_key(p, entity, value, false);
	if (!key.p)
		return false;
	const struct slot *named = placeholder_slot(p, p->slots, p->size, key);
	bool known = named->key.p != NULL, same = known && span_eq(named->text, text);
	if (was->key.p) {
		if (!same)
			was->text = was->key;
		return true;
	}
	if (p->shared && !(key = arena_dup(p->arena, key)).p)
		return false;
	return (known || add_placeholder(p, key, text)) &&
	       note_given(p, text, span_cut(key, 0, entity.n),
		       span_cut(key, entity.n + 1, key.n)) &&
	       goes_on_after(p, text, entity);
}

bool
placeholders_add(
	struct placeholders *p, struct span text, struct span entity, struct span value)
{
	lock_placeholders(p);
	bool ok = true;
	if (!value.p && text.n && text.p[0] != '<')
		note_own_url(p, text);
	else
		ok = (p->shared && p->ngiven >= CAP_KEPT_VALUES) ||
		     add_known(p, text, entity, value);
	unlock_placeholders(p);
	return ok;
}

static bool
stays_given(const struct placeholders *p, const struct given *g)
{
	return !slot_is_taken(placeholder_slot(p, p->slots, p->size, g->text));
}

void
placeholders_each(const struct placeholders *p, placeholder_seen *seen, void *arg)
{
	lock_placeholders(p);
	for (const struct given *g = p->given; g; g = g->next)
		if (stays_given(p, g))
			seen(arg, g->text, g->value);
	for (const struct given *g = p->urls; g; g = g->next)
		seen(arg, g->text, (struct span){ NULL, 0 });
	unlock_placeholders(p);
}

void
placeholders_all(const struct placeholders *p, placeholder_kept *kept, void *arg)
{
	const struct span none = { NULL, 0 };

	lock_placeholders(p);
	for (const struct given *g = p->given; g; g = g->next)
		if (stays_given(p, g))
			kept(arg, g->text, g->entity, g->value);
	for (const struct given *g = p->urls; g; g = g->next)
		kept(arg, g->text, none, none);
	for (size_t i = 0; i < p->size; i++)
		if (slot_is_taken(&p->slots[i]))
			kept(arg, p->slots[i].key, none, none);
	unlock_placeholders(p);
}

size_t
placeholders_floor(const struct placeholders *p)
{
	return p->floor;
}

void
placeholders_raise(struct placeholders *p, size_t floor)
{
	lock_placeholders(p);
	if (p->floor < floor)
		p->floor = floor;
	raise_counters(p);
	unlock_placeholders(p);
}
