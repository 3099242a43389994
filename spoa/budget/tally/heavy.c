/* Sets of entries by the hash of a name, as a cache has them. A frequent name is found in its
 * set; a rare one is pushed out by the next rare one. */
#include "budget/tally/heavy.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "base/hash.h"

/* The order of names: by cost, then by tokens and requests, which weigh as a billionth of a
 * dollar. */
static uint64_t
heavy_weight(const uint64_t v[HEAVY_VALUES])
{
	uint64_t sum = 0;

	for (size_t i = 0; i < HEAVY_UNPRICED; i++)
		sum += v[i];
	return sum;
}

static void
add_values(uint64_t to[HEAVY_VALUES], const uint64_t v[HEAVY_VALUES])
{
	for (size_t i = 0; i < HEAVY_VALUES; i++)
		to[i] += v[i];
}

/* The entry of the name in its set, or a free one, or that with the lowest cost, which is added
 * to `other`. */
static struct heavy_entry *
entry_in_set(struct heavy_bank *b, uint64_t hash, struct span name)
{
	struct heavy_entry *set = b->entry[hash % HEAVY_SETS], *least = set;

	for (struct heavy_entry *e = set; e < set + HEAVY_WAYS; e++)
		if (e->hash == hash && !memcmp(e->name, name.p, name.n) && !e->name[name.n])
			return e;
	for (struct heavy_entry *e = set; e < set + HEAVY_WAYS && least->hash; e++)
		if (!e->hash || heavy_weight(e->v) < heavy_weight(least->v))
			least = e;
	if (least->hash)
		add_values(b->other, least->v);
	*least = (struct heavy_entry){ .hash = hash };
	memcpy(least->name, name.p, name.n);
	return least;
}

void
heavy_add(struct heavy *h, struct span name, const uint64_t v[HEAVY_VALUES])
{
	if (!name.n)
		return;
	uint64_t turn = atomic_load_explicit(&h->turn, memory_order_acquire);
	struct heavy_bank *b = &h->bank[turn % COUNT_OF(h->bank)];
	if (atomic_load_explicit(&b->turn, memory_order_relaxed) != turn + 1) {
		memset(b->other, 0, sizeof(b->other));
		memset(b->entry, 0, sizeof(b->entry));
		atomic_store_explicit(&b->turn, turn + 1, memory_order_relaxed);
	}
	bool fits = name.n < SERIES_LABEL_BYTES;
	add_values(fits ? entry_in_set(b, hash_words(0, name) | 1, name)->v : b->other, v);
	uint64_t changes = atomic_load_explicit(&b->changes, memory_order_relaxed);
	atomic_store_explicit(&b->changes, changes + 1, memory_order_release);
}

void
heavy_turn(struct heavy *h)
{
	atomic_fetch_add_explicit(&h->turn, 1, memory_order_release);
}

/* ---- all workers ---- */

/* The bank of the turn that ended. NULL: nothing was added in it. */
static const struct heavy_bank *
ended_bank(const struct heavy *h)
{
	uint64_t turn = atomic_load_explicit(&h->turn, memory_order_relaxed);
	const struct heavy_bank *b = &h->bank[(turn - 1) % COUNT_OF(h->bank)];

	atomic_load_explicit(&b->changes, memory_order_acquire);
	return turn && atomic_load_explicit(&b->turn, memory_order_relaxed) == turn ? b : NULL;
}

static int
heavy_by_name(const void *a, const void *b)
{
	const struct heavy_entry *x = a, *y = b;

	return x->hash != y->hash ? (x->hash > y->hash) - (x->hash < y->hash)
				  : strcmp(x->name, y->name);
}

static int
heavy_by_weight(const void *a, const void *b)
{
	const struct heavy_entry *x = a, *y = b;
	uint64_t u = heavy_weight(x->v), v = heavy_weight(y->v);

	return u != v ? (u < v) - (u > v) : strcmp(x->name, y->name);
}

/* Copies the entries of a bank that have a name; of other entries the values are added to
 * `other`. */
static size_t
copy_entries(const struct heavy_bank *b, struct heavy_entry *all, uint64_t other[HEAVY_VALUES])
{
	const struct heavy_entry *e = b->entry[0], *end = e + HEAVY_SETS * HEAVY_WAYS;
	size_t n = 0;

	add_values(other, b->other);
	for (; e < end; e++) {
		if (!e->hash)
			continue;
		if (all && utf8_valid(span_str(e->name)))
			all[n++] = *e;
		else
			add_values(other, e->v);
	}
	return n;
}

/* Adds up the entries of one name. Returns how many names there are. */
static size_t
merge_names(struct heavy_entry *all, size_t n)
{
	size_t kept = 0;

	if (n)
		qsort(all, n, sizeof(*all), heavy_by_name);
	for (size_t i = 0; i < n; i++)
		if (kept && !heavy_by_name(&all[kept - 1], &all[i]))
			add_values(all[kept - 1].v, all[i].v);
		else
			all[kept++] = all[i];
	if (kept)
		qsort(all, kept, sizeof(*all), heavy_by_weight);
	return kept;
}

void
heavy_each(const struct heavy *const *h, size_t n, size_t most, heavy_fn *fn, void *arg)
{
	struct heavy_entry *all = calloc(n * HEAVY_SETS * HEAVY_WAYS + 1, sizeof(*all));
	uint64_t other[HEAVY_VALUES] = { 0 };
	const struct heavy_bank *b;
	size_t nall = 0;

	for (size_t i = 0; i < n; i++)
		if ((b = ended_bank(h[i])))
			nall += copy_entries(b, all ? all + nall : NULL, other);
	nall = merge_names(all, nall);
	for (size_t i = 0; i < nall; i++)
		if (i < most)
			fn(arg, all[i].name, all[i].v);
		else
			add_values(other, all[i].v);
	if (heavy_weight(other))
		fn(arg, "other", other);
	free(all);
}
