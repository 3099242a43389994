/* Counters of held bytes: hold.h. First the lock-free counters of the daemon and of identities,
 * then the bytes of one request, which are counted in both. */
#include <sodium.h>

#include "base/clock.h"
#include "base/err.h"
#include "gate/gate_private.h"
#include "gate/hold.h"

/* ---- owners of slots ---- */

#define OWNER_ONE   UINT64_C(1)
#define OWNER_COUNT ((UINT64_C(1) << 24) - 1)

void
holds_init(struct holds *h)
{
	_Static_assert(sizeof(h->key) == crypto_shorthash_KEYBYTES, "a key of SipHash");
	randombytes_buf(h->key, sizeof(h->key));
}

/* Adds a request to a slot if it still belongs to `owner`. */
static bool
join_at(struct holds *h, size_t slot, uint64_t owner)
{
	uint64_t now = atomic_load(&h->owner[slot]);

	while ((now & ~OWNER_COUNT) == owner && (now & OWNER_COUNT) < OWNER_COUNT)
		if (atomic_compare_exchange_weak(&h->owner[slot], &now, now + OWNER_ONE))
			return true;
	return false;
}

/* Takes a slot that has no requests and no expired tickets of its last owner. */
static bool
take_free(struct holds *h, size_t slot, uint64_t owner, uint64_t now_us)
{
	uint64_t now = atomic_load(&h->owner[slot]);

	return !(now & OWNER_COUNT) && atomic_load(&h->forgiven_us[slot]) <= now_us &&
	       atomic_compare_exchange_strong(&h->owner[slot], &now, owner + OWNER_ONE);
}

size_t
hold_join(struct holds *h, struct span who, uint64_t now_us)
{
	unsigned char hash[crypto_shorthash_BYTES];
	uint64_t owner, first;

	crypto_shorthash(hash, (const unsigned char *)(who.n ? who.p : ""), who.n, h->key);
	memcpy(&owner, hash, sizeof(owner));
	first = owner % HOLD_SLOTS;
	/* never 0, the owner of an empty slot */
	owner = (owner | (OWNER_COUNT + 1)) & ~OWNER_COUNT;
	for (size_t i = 0; i < HOLD_PROBES; i++)
		if (join_at(h, (first + i) % HOLD_SLOTS, owner))
			return (first + i) % HOLD_SLOTS;
	for (size_t i = 0; i < HOLD_PROBES; i++) {
		size_t slot = (first + i) % HOLD_SLOTS;
		if (take_free(h, slot, owner, now_us) || join_at(h, slot, owner))
			return slot;
	}
	/* All 32 places are taken: share the first one. */
	for (size_t i = 0;; i++) {
		size_t slot = (first + i) % HOLD_SLOTS;
		if (join_at(h, slot, atomic_load(&h->owner[slot]) & ~OWNER_COUNT))
			return slot;
	}
}

void
hold_leave(struct holds *h, size_t slot)
{
	uint64_t was = slot < HOLD_SLOTS ? atomic_fetch_sub(&h->owner[slot], OWNER_ONE) : 1;

	INVARIANT(was & OWNER_COUNT); /* the slot counted this request */
}

/* ---- bytes ---- */

/* Adds n to a counter unless it would exceed `cap`. */
static bool
take_held(_Atomic size_t *c, size_t cap, size_t n)
{
	size_t before = atomic_fetch_add_explicit(c, n, memory_order_relaxed);

	if (n <= cap && before <= cap - n)
		return true;
	atomic_fetch_sub_explicit(c, n, memory_order_relaxed);
	return false;
}

/* Returns how many bytes a request counts in its slot: at most half of the slot's limit. */
static size_t
holds_bytes(const struct holds *h, size_t bytes)
{
	return bytes < h->cap_slot / 2 ? bytes : h->cap_slot / 2;
}

/* Returns true if three quarters of the daemon's limit are taken and this slot has a quarter of
 * its own: the rest is for identities that hold less. A slot's only request is exempt. */
static bool
holds_much(const struct holds *h, size_t slot, size_t own, size_t n)
{
	size_t all = atomic_load_explicit(&h->all, memory_order_relaxed), mine;

	if (slot >= HOLD_SLOTS || all <= h->cap_all / 4 * 3)
		return false;
	mine = atomic_load_explicit(&h->slot[slot], memory_order_relaxed);
	return mine > holds_bytes(h, own) && mine + n > h->cap_slot / 4;
}

bool
hold_take(struct holds *h, size_t slot, size_t own, size_t n)
{
	if (holds_much(h, slot, own, n) || !take_held(&h->all, h->cap_all, n))
		return false;
	if (slot < HOLD_SLOTS && !take_held(&h->slot[slot], h->cap_slot,
					 holds_bytes(h, own + n) - holds_bytes(h, own))) {
		atomic_fetch_sub_explicit(&h->all, n, memory_order_relaxed);
		return false;
	}
	return true;
}

void
hold_give(struct holds *h, size_t slot, size_t own, size_t n)
{
	INVARIANT(n <= own);
	size_t all = atomic_fetch_sub_explicit(&h->all, n, memory_order_relaxed);
	INVARIANT(all >= n);
	if (slot < HOLD_SLOTS)
		atomic_fetch_sub_explicit(&h->slot[slot],
			holds_bytes(h, own) - holds_bytes(h, own - n), memory_order_relaxed);
}

/* ---- tickets ---- */

bool
hold_wait(struct holds *h, size_t slot, size_t n)
{
	return slot >= HOLD_SLOTS || take_held(&h->waiting[slot], h->cap_waiting, n) ||
	       take_held(&h->waiting[slot], n, n);
}

void
hold_expired(struct holds *h, size_t slot, uint64_t now_us)
{
	uint64_t was, then, most = now_us + (uint64_t)HOLD_EXPIRED_MAX * HOLD_FORGIVE_US;

	if (slot >= HOLD_SLOTS)
		return;
	was = atomic_load_explicit(&h->forgiven_us[slot], memory_order_relaxed);
	do {
		then = (was > now_us ? was : now_us) + HOLD_FORGIVE_US;
		then = then < most ? then : most;
	} while (!atomic_compare_exchange_weak_explicit(
		&h->forgiven_us[slot], &was, then, memory_order_relaxed, memory_order_relaxed));
}

uint64_t
hold_refused_us(struct holds *h, size_t slot, uint64_t now_us)
{
	bool tight = atomic_load_explicit(&h->all, memory_order_relaxed) > h->cap_all / 2;
	uint64_t many = tight ? HOLD_EXPIRED_FEW : HOLD_EXPIRED_MANY;
	uint64_t free_us = now_us + many * HOLD_FORGIVE_US, then;

	if (slot >= HOLD_SLOTS)
		return 0;
	/* Its next ticket would be refused after all the work on the request. */
	if (atomic_load_explicit(&h->waiting[slot], memory_order_relaxed) >
		h->cap_waiting / 4 * (tight ? 1 : 3))
		return 1;
	then = atomic_load_explicit(&h->forgiven_us[slot], memory_order_relaxed);
	return then > free_us ? then - free_us : 0;
}

/* ---- bytes of one request ---- */

bool
request_hold(struct request *r, size_t n)
{
	if (!hold_take(&r->gate->shared->holds, r->run.held_slot, r->run.held_bytes, n)) {
		metric_inc(r->gate->metrics, M_HELD_REFUSED);
		return false;
	}
	r->run.held_bytes += n;
	return true;
}

void
request_unhold(struct request *r, size_t n)
{
	INVARIANT(n <= r->run.held_bytes);
	hold_give(&r->gate->shared->holds, r->run.held_slot, r->run.held_bytes, n);
	r->run.held_bytes -= n;
}

enum step_result
request_hold_identity(struct request *r)
{
	struct holds *holds = &r->gate->shared->holds;
	size_t n = r->run.held_bytes;

	if (r->run.held_slot < HOLD_SLOTS)
		return STEP_NEXT;
	request_unhold(r, r->run.held_bytes);
	/* An observed request has no identity; a cutover has many callers, so each address
	 * counts alone. */
	struct span who = r->found.observed	       ? r->in.src
			  : r->found.identity.person.n ? r->found.identity.person
						       : r->found.identity.agent;
	uint64_t now_us = clock_mono_us(), refused_us;
	r->run.held_slot = hold_join(holds, who, now_us);
	refused_us = hold_refused_us(holds, r->run.held_slot, now_us);
	if (refused_us)
		metric_inc(r->gate->metrics, M_HELD_REFUSED);
	if (refused_us || !request_hold(r, n)) {
		request_overheld(r);
		if (refused_us) {
			request_denial_says(
				r, SPAN_LIT("too many of your requests wait or were abandoned; "
					    "send fewer at the same time and retry later"));
			request_denial_retry(r, 1 + refused_us / 1000000, false);
		}
		return STEP_DECIDED;
	}
	return STEP_NEXT;
}

enum step_result
request_hold_work(struct request *r)
{
	size_t n = r->out.decoded.size + r->out.rewritten.size + r->arena.used_bytes;

	if (!r->gate || n <= r->run.held_work)
		return STEP_NEXT;
	if (!request_hold(r, n - r->run.held_work))
		return request_overheld(r);
	r->run.held_work = n;
	return STEP_NEXT;
}

void
request_unhold_work(struct request *r)
{
	INVARIANT(r->run.held_work <= r->run.held_bytes);
	request_unhold(r, r->run.held_work);
	r->run.held_work = 0;
}
