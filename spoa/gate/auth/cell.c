/* Each word is stored with release and loaded with acquire, so that neither passes the counter:
 * a reader that saw one word of the next value sees the counter of it too. */
#include "gate/auth/cell.h"

#include <sched.h>
#include <sodium.h>

enum { WORD = sizeof(uint64_t), HEAD = CELL_PARTS * sizeof(uint16_t), SPINS = 100 };

static void
store(struct cell *c, const struct cell_value *v, size_t bytes)
{
	unsigned now = atomic_load_explicit(&c->sequence, memory_order_relaxed);

	atomic_store_explicit(&c->sequence, now + 1, memory_order_relaxed);
	for (size_t i = 0; i < COUNT_OF(c->words); i++) {
		uint64_t word = 0;
		if (i * WORD < bytes)
			memcpy(&word, (const char *)v + i * WORD,
				sizeof(*v) - i * WORD < WORD ? sizeof(*v) - i * WORD : WORD);
		atomic_store_explicit(&c->words[i], word, memory_order_release);
	}
	atomic_store_explicit(&c->sequence, now + 2, memory_order_release);
}

bool
cell_put(struct cell *c, const struct span parts[CELL_PARTS])
{
	struct cell_value v = { { 0 }, { 0 } };
	size_t n = 0;

	for (size_t i = 0; i < CELL_PARTS; i++) {
		if (parts[i].n > CELL_BYTES - n)
			return false;
		v.n[i] = (uint16_t)parts[i].n;
		if (parts[i].n)
			memcpy(v.text + n, parts[i].p, parts[i].n);
		n += parts[i].n;
	}
	store(c, &v, sizeof(v));
	sodium_memzero(&v, sizeof(v));
	return true;
}

void
cell_wipe(struct cell *c)
{
	static const struct cell_value none;

	store(c, &none, 0);
}

/* The lengths are in the first word: of the rest only what they say is copied. */
void
cell_get(struct cell *c, struct cell_value *out)
{
	_Static_assert(HEAD <= WORD, "lengths in a word");

	for (unsigned tries = 0;; tries++) {
		unsigned before = atomic_load_explicit(&c->sequence, memory_order_acquire);
		uint64_t word = atomic_load_explicit(&c->words[0], memory_order_acquire);
		size_t bytes = HEAD;
		memcpy(out, &word, WORD);
		for (size_t i = 0; i < CELL_PARTS; i++)
			bytes += out->n[i];
		if (bytes > sizeof(*out))
			bytes = sizeof(*out);
		for (size_t at = WORD; at < bytes; at += WORD) {
			word = atomic_load_explicit(&c->words[at / WORD], memory_order_acquire);
			memcpy((char *)out + at, &word,
				sizeof(*out) - at < WORD ? sizeof(*out) - at : WORD);
		}
		if (!(before & 1) &&
			atomic_load_explicit(&c->sequence, memory_order_relaxed) == before)
			return;
		if (tries >= SPINS)
			sched_yield();
	}
}

struct span
cell_part(const struct cell_value *v, size_t i)
{
	size_t at = 0;

	for (size_t k = 0; k < i; k++)
		at += v->n[k];
	return span_of(v->text + at, v->n[i]);
}
