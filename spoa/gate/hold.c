/* Counters of held bytes. */
#include "gate/hold.h"

static bool
take(_Atomic size_t *c, size_t cap, size_t own, size_t n)
{
	size_t before = atomic_fetch_add_explicit(c, n, memory_order_relaxed);

	if ((n <= cap && before <= cap - n) || (own && before <= own))
		return true;
	atomic_fetch_sub_explicit(c, n, memory_order_relaxed);
	return false;
}

bool
hold_take(struct holds *h, size_t slot, size_t own, size_t n)
{
	if (!take(&h->all, h->cap_all, 0, n))
		return false;
	if (slot < HOLD_SLOTS && !take(&h->slot[slot], h->cap_slot, own, n)) {
		atomic_fetch_sub_explicit(&h->all, n, memory_order_relaxed);
		return false;
	}
	return true;
}

void
hold_give(struct holds *h, size_t slot, size_t n)
{
	atomic_fetch_sub_explicit(&h->all, n, memory_order_relaxed);
	if (slot < HOLD_SLOTS)
		atomic_fetch_sub_explicit(&h->slot[slot], n, memory_order_relaxed);
}
