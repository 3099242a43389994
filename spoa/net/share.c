/* The counters of share.h: relaxed atomics, since a stale one costs a connection
 * in the wrong place and nothing else. */
#include "net/share.h"

#define CLOSED UINT64_MAX /* never waited for; 0: the place was never used */

struct share share_agents, share_relays;

static void
put(struct share *s, int slot, uint64_t value)
{
	if (slot >= 0)
		atomic_store_explicit(&s->load[slot], value, memory_order_relaxed);
}

int
share_join(struct share *s)
{
	for (int i = 0; i < SHARE_SLOTS; i++) {
		bool no = false;
		if (atomic_compare_exchange_strong(&s->taken[i], &no, true)) {
			put(s, i, CLOSED); /* until it listens */
			return i;
		}
	}
	return -1;
}

void
share_leave(struct share *s, int slot)
{
	put(s, slot, CLOSED);
	if (slot >= 0)
		atomic_store(&s->taken[slot], false);
}

void
share_set(struct share *s, int slot, size_t conns)
{
	put(s, slot, conns + 1);
}

void
share_close(struct share *s, int slot)
{
	put(s, slot, CLOSED);
}

bool
share_less(struct share *s, int slot, size_t conns)
{
	for (int i = 0; i < SHARE_SLOTS && slot >= 0; i++) {
		uint64_t other = atomic_load_explicit(&s->load[i], memory_order_relaxed);
		if (other == 0)
			break; /* places are taken from the front */
		if (i != slot && other < conns + 1)
			return true;
	}
	return false;
}
