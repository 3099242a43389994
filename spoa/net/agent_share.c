/* How many connections each worker's agent has, so that they come out even.
 *
 * All workers wait on the same listening sockets, and left to chance the one
 * that wakes first takes nearly all (measured: 67 of 74). HAProxy's connections
 * live long, so that worker would do nearly all the work. One counter a worker,
 * written by its owner, read by the others when they accept. */
#include "net/agent_int.h"

#include <stdatomic.h>

#define SLOTS  256
#define CLOSED UINT64_MAX

static atomic_bool taken[SLOTS];
static _Atomic uint64_t load[SLOTS]; /* connections + 1, CLOSED, or 0: never used */

static void
put(int slot, uint64_t value)
{
	if (slot >= 0)
		atomic_store_explicit(&load[slot], value, memory_order_relaxed);
}

int
share_join(void)
{
	for (int i = 0; i < SLOTS; i++) {
		bool no = false;
		if (atomic_compare_exchange_strong(&taken[i], &no, true)) {
			put(i, CLOSED); /* until it listens */
			return i;
		}
	}
	return -1;
}

void
share_leave(int slot)
{
	put(slot, CLOSED);
	if (slot >= 0)
		atomic_store(&taken[slot], false);
}

void
share_set(int slot, size_t conns)
{
	put(slot, conns + 1);
}

void
share_close(int slot)
{
	put(slot, CLOSED);
}

bool
share_less(int slot, size_t conns)
{
	for (int i = 0; i < SLOTS && slot >= 0; i++) {
		uint64_t other = atomic_load_explicit(&load[i], memory_order_relaxed);
		if (other == 0)
			break; /* slots are taken from the front */
		if (i != slot && other < conns + 1)
			return true;
	}
	return false;
}
