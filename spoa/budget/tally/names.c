/* Tables by name, and the slots of rings that one thread writes and other threads read. */
#include "budget/tally/names.h"

#include "base/err.h"

void
slot_write(_Atomic uint64_t *turn, _Atomic uint64_t *word, uint64_t n, const void *from,
	size_t bytes)
{
	const char *p = from;
	uint64_t one;

	INVARIANT(bytes % sizeof(one) == 0); /* a rest would not be copied */
	atomic_store_explicit(turn, 2 * n + 1, memory_order_relaxed);
	for (size_t i = 0; i < bytes / sizeof(one); i++) {
		memcpy(&one, p + i * sizeof(one), sizeof(one));
		atomic_store_explicit(&word[i], one, memory_order_release);
	}
	atomic_store_explicit(turn, 2 * n + 2, memory_order_release);
}

bool
slot_read(const _Atomic uint64_t *turn, const _Atomic uint64_t *word, uint64_t n, void *to,
	size_t bytes)
{
	uint64_t one;

	if (atomic_load_explicit(turn, memory_order_acquire) != 2 * n + 2)
		return false;
	for (size_t i = 0; i < bytes / sizeof(one); i++) {
		one = atomic_load_explicit(&word[i], memory_order_acquire);
		memcpy((char *)to + i * sizeof(one), &one, sizeof(one));
	}
	return tally_value(turn) == 2 * n + 2;
}

void *
names_entry(const struct names *t, struct span name)
{
	size_t n = atomic_load_explicit(t->n, memory_order_relaxed);
	char *first = t->entries, *e = first + t->size;

	INVARIANT(n <= t->room);
	for (size_t i = 1; i < n; i++, e += t->size)
		if (name.n < t->name_bytes && !memcmp(e, name.p, name.n) && !e[name.n])
			return e;
	if (n == 0) {
		memcpy(first, "other", sizeof("other"));
		n = 1;
	}
	if (n < t->room && name.n < t->name_bytes)
		memcpy(first + n++ * t->size, name.p, name.n);
	else
		e = first;
	atomic_store_explicit(t->n, n, memory_order_release);
	return e;
}
