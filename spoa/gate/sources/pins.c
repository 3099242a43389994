/* Pins: a table of words, which readers check by a sum, and MGET and SET in Redis. */
#include "gate/sources/pins.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/err.h"

enum { WAYS = 8, KEPT_S = 31 * 86400, REDIS_KEY = sizeof("tollgate:pin:") + 2 * PIN_KEY_BYTES };

/* If two threads write one place at the same time, the sum does not match and the place counts as
 * empty. */
struct pin_table {
	struct pin {
		_Atomic uint64_t target, until_s, sum;
	} v[CAP_PINS];
};

uint64_t
pin_target(struct span provider, struct span model)
{
	uint64_t p = span_hash(provider), m = model.n ? span_hash(model) : 0;

	p = (p ^ p >> 32) & 0x7fffffff; /* integers in Redis are signed */
	m = (m ^ m >> 32) & 0xffffffff;
	return (p ? p : 1) << 32 | m;
}

bool
pin_same_provider(uint64_t a, uint64_t b)
{
	return a >> 32 == b >> 32;
}

struct pin_table *
pin_table_new(void)
{
	return calloc(1, sizeof(struct pin_table));
}

void
pin_table_free(struct pin_table **t)
{
	free(*t);
	*t = NULL;
}

static uint64_t
key_half(const struct pin_key *k, size_t from)
{
	uint64_t v;

	memcpy(&v, k->h + from, sizeof(v));
	return v;
}

static struct pin *
pin_set_of(struct pin_table *t, const struct pin_key *k)
{
	return &t->v[key_half(k, 8) % (CAP_PINS / WAYS) * WAYS];
}

static uint64_t
sum_of(const struct pin_key *k, uint64_t target, uint64_t until_s)
{
	return key_half(k, 0) ^ key_half(k, 8) * 0x165667B19E3779F9u ^
	       target * 0x9E3779B97F4A7C15u ^ until_s * 0xC2B2AE3D27D4EB4Fu;
}

static uint64_t
find_pin_target(struct pin_table *t, const struct pin_key *k, int64_t now_s)
{
	struct pin *set = pin_set_of(t, k);

	for (size_t i = 0; i < WAYS; i++) {
		uint64_t target = atomic_load_explicit(&set[i].target, memory_order_relaxed),
			 until = atomic_load_explicit(&set[i].until_s, memory_order_relaxed);
		if (until > (uint64_t)now_s &&
			atomic_load_explicit(&set[i].sum, memory_order_relaxed) ==
				sum_of(k, target, until))
			return target;
	}
	return 0;
}

static void
keep_pin_target(struct pin_table *t, const struct pin_key *k, uint64_t target, int64_t now_s)
{
	struct pin *set = pin_set_of(t, k), *take = set;
	uint64_t until = (uint64_t)now_s + KEPT_S;

	for (size_t i = 0; i < WAYS; i++) {
		uint64_t was = atomic_load_explicit(&set[i].target, memory_order_relaxed),
			 ends = atomic_load_explicit(&set[i].until_s, memory_order_relaxed);
		if (atomic_load_explicit(&set[i].sum, memory_order_relaxed) ==
			sum_of(k, was, ends)) {
			take = &set[i];
			break;
		}
		if (ends < atomic_load_explicit(&take->until_s, memory_order_relaxed))
			take = &set[i];
	}
	atomic_store_explicit(&take->target, target, memory_order_relaxed);
	atomic_store_explicit(&take->until_s, until, memory_order_relaxed);
	atomic_store_explicit(&take->sum, sum_of(k, target, until), memory_order_relaxed);
}

static size_t
redis_key(const struct pin_key *k, char out[REDIS_KEY])
{
	size_t n = (size_t)snprintf(out, REDIS_KEY, "tollgate:pin:");

	for (size_t i = 0; i < PIN_KEY_BYTES; i++)
		n += (size_t)snprintf(out + n, REDIS_KEY - n, "%02x", k->h[i]);
	return n;
}

/* ---- Redis ---- */

struct asking {
	struct pin_wait *w;
	struct pin_table *table;
	int64_t now_s;
};

static void
pins_came(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	struct asking *a = arg;
	struct pin_wait *w = a->w;

	INVARIANT(w->n > 0 && w->n <= PINS_AT_ONCE && w->done);
	for (size_t i = 0; !err && n && !replies[0].err && i < w->n && i < replies[0].n; i++) {
		w->target[i] = replies[0].list[i] > 0 ? (uint64_t)replies[0].list[i] : 0;
		if (w->target[i])
			keep_pin_target(a->table, &w->key[i], w->target[i], a->now_s);
	}
	w->done(w);
}

_Static_assert(PINS_AT_ONCE <= (int)REDIS_LIST_MAX, "one MGET has them");

bool
pins_get(const struct pins *p, struct pin_wait *w, int64_t now_s)
{
	char text[PINS_AT_ONCE][REDIS_KEY];
	const char *argv[1 + PINS_AT_ONCE] = { "MGET" };
	size_t lens[1 + PINS_AT_ONCE] = { 4 };
	struct asking a = { w, p->table, now_s };
	bool known = false;

	INVARIANT(w->n <= PINS_AT_ONCE);
	for (size_t i = 0; i < w->n; i++) {
		w->target[i] = find_pin_target(p->table, &w->key[i], now_s);
		known |= w->target[i] != 0;
	}
	if (known || !w->n || !p->redis || !redis_up(p->redis))
		return true;
	for (size_t i = 0; i < w->n; i++) {
		lens[1 + i] = redis_key(&w->key[i], text[i]);
		argv[1 + i] = text[i];
	}
	struct redis_pipe *pipe = redis_begin(p->redis, 1, pins_came, &a, sizeof(a));
	redis_command(pipe, (int)(1 + w->n), argv, lens);
	redis_send(pipe);
	return false;
}

void
pins_put(const struct pins *p, const struct pin_key *k, uint64_t target, int64_t now_s)
{
	char key[REDIS_KEY], value[SPAN_DECIMAL], ttl[SPAN_DECIMAL];

	keep_pin_target(p->table, k, target, now_s);
	if (!p->redis || !redis_up(p->redis))
		return;
	size_t kn = redis_key(k, key), vn = span_decimal(value, (int64_t)target),
	       tn = span_decimal(ttl, KEPT_S);
	redis_send_only(p->redis, 5, (const char *[]){ "SET", key, value, "EX", ttl },
		(const size_t[]){ 3, kn, vn, 2, tn });
}
