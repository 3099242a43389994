/* A hash table of answers with a list in the order of their use. Keys are hashes
 * already: their first bytes choose the slot. */
#include "gate/sources/answers.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/caps.h"

enum { SLOTS_MAX = 1 << 16 };

struct answer {
	struct answer *next; /* in its slot */
	TAILQ_ENTRY(answer) by_use;
	unsigned char key[SHA256_BYTES];
	uint64_t until_us;
	size_t n;
	struct finding v[];
};

struct answers {
	size_t entries, n, slots;
	uint64_t ttl_us;
	size_t *total;
	TAILQ_HEAD(, answer) uses; /* oldest first */
	struct answer *slot[];
};

struct answers *
answers_new(size_t entries, uint64_t ttl_us, size_t *total)
{
	size_t slots = 64;

	while (slots < entries && slots < SLOTS_MAX)
		slots *= 2;
	struct answers *a = calloc(1, sizeof(*a) + slots * sizeof(struct answer *));
	if (!a)
		return NULL;
	a->entries = entries;
	a->slots = slots;
	a->ttl_us = ttl_us;
	a->total = total;
	TAILQ_INIT(&a->uses);
	return a;
}

static size_t
bytes_of(size_t n)
{
	return sizeof(struct answer) + n * sizeof(struct finding);
}

static struct answer **
answer_place(struct answers *a, const unsigned char key[SHA256_BYTES])
{
	uint64_t h;

	memcpy(&h, key, sizeof(h));
	struct answer **p = &a->slot[h & (a->slots - 1)];
	while (*p && memcmp((*p)->key, key, SHA256_BYTES) != 0)
		p = &(*p)->next;
	return p;
}

static void
drop_old_answer(struct answers *a, struct answer *e)
{
	*answer_place(a, e->key) = e->next;
	TAILQ_REMOVE(&a->uses, e, by_use);
	a->n--;
	*a->total -= bytes_of(e->n);
	free(e);
}

void
answers_free(struct answers **ap)
{
	struct answers *a = *ap;

	if (!a)
		return;
	while (!TAILQ_EMPTY(&a->uses))
		drop_old_answer(a, TAILQ_FIRST(&a->uses));
	free(a);
	*ap = NULL;
}

bool
answers_get(struct answers *a, const unsigned char key[SHA256_BYTES], uint64_t now_us,
	struct arena *arena, struct findings *out)
{
	struct answer *e = *answer_place(a, key);

	*out = (struct findings){ 0 };
	if (e && e->until_us <= now_us) {
		drop_old_answer(a, e);
		e = NULL;
	}
	if (!e)
		return false;
	TAILQ_REMOVE(&a->uses, e, by_use);
	TAILQ_INSERT_TAIL(&a->uses, e, by_use);
	if (e->n == 0)
		return true;
	struct finding *v = arena_array(arena, e->n, sizeof(*v));
	if (!v)
		return false;
	memcpy(v, e->v, e->n * sizeof(*v));
	*out = (struct findings){ .v = v, .n = e->n };
	return true;
}

void
answers_put(struct answers *a, const unsigned char key[SHA256_BYTES], uint64_t now_us,
	const struct findings *f)
{
	size_t bytes = bytes_of(f->n);
	struct answer *old = *answer_place(a, key);

	if (old)
		drop_old_answer(a, old);
	while (a->n && (a->n >= a->entries || *a->total + bytes > CAP_RECOGNIZER_CACHE))
		drop_old_answer(a, TAILQ_FIRST(&a->uses));
	if (a->n >= a->entries || *a->total + bytes > CAP_RECOGNIZER_CACHE)
		return;
	struct answer *e = malloc(bytes);
	if (!e)
		return;
	memcpy(e->key, key, SHA256_BYTES);
	e->until_us = now_us + a->ttl_us;
	e->n = f->n;
	if (f->n)
		memcpy(e->v, f->v, f->n * sizeof(*f->v));
	struct answer **p = answer_place(a, key);
	e->next = *p; /* NULL */
	*p = e;
	TAILQ_INSERT_TAIL(&a->uses, e, by_use);
	a->n++;
	*a->total += bytes;
}
