/* Keeps the callers that reached a level of a limit in a ring for each worker, and writes them
 * as JSON: one row for each caller and limit, with the newest level. */
#include "budget/tally/near.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/json_put.h"
#include "budget/tally/names.h"

enum { LIMIT, PERSON, TEAM, ROUTE, TEXTS };
static const char *const names[TEXTS] = { "limit", "person", "team", "route" };
enum { MOST = 48 };

struct kept {
	uint64_t caller, millionths;
	int64_t at_ns, reset_ns;
	uint8_t n[TEXTS], pad[4];
	char text[TEXTS][MOST];
};
_Static_assert(sizeof(struct kept) <= NEAR_WORDS * sizeof(uint64_t), "a slot holds it");

void
near_add(struct near *near, const struct near_told *t)
{
	const struct span text[TEXTS] = { t->limit, t->person, t->team, t->route };
	uint64_t n = tally_value(&near->total);
	struct near_slot *slot = &near->slot[n % CAP_NEAR];
	struct kept k = { .caller = t->caller,
		.millionths = t->millionths,
		.at_ns = t->at_ns,
		.reset_ns = t->reset_ns };

	for (size_t i = 0; i < TEXTS; i++) {
		size_t most = text[i].n > MOST ? utf8_before(text[i].p, MOST) : text[i].n;
		INVARIANT(most <= MOST);
		if (most)
			memcpy(k.text[i], text[i].p, most);
		k.n[i] = (uint8_t)most;
	}
	slot_write(&slot->turn, slot->word, n, &k, sizeof(k));
	atomic_store_explicit(&near->total, n + 1, memory_order_release);
}

/* Groups the entries of one caller, the newest first. */
static int
by_caller(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return x->caller != y->caller ? (x->caller > y->caller) - (x->caller < y->caller)
				      : (x->at_ns < y->at_ns) - (x->at_ns > y->at_ns);
}

static int
by_fullness(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return x->millionths != y->millionths
		       ? (x->millionths < y->millionths) - (x->millionths > y->millionths)
		       : by_caller(a, b);
}

static void
put_one(struct buf *out, const struct kept *k)
{
	json_put_open(out, NULL, '{');
	for (size_t i = 0; i < TEXTS; i++) {
		struct span text = span_of(k->text[i], k->n[i]);
		if (text.n)
			json_put_text(out, names[i], utf8_valid(text) ? text : SPAN_LIT("?"));
	}
	json_put_uint(out, "used_percent", k->millionths / 10000);
	json_put_time(out, "at", k->at_ns);
	json_put_time(out, "resets_at", k->reset_ns);
	json_put_close(out, '}');
}

void
near_json(struct buf *out, const struct near *const *near, size_t n, size_t from, size_t count,
	int64_t now_ns)
{
	struct kept *all = calloc(n * CAP_NEAR + 1, sizeof(*all));
	size_t nall = 0, kept = 0;

	for (size_t i = 0; all && i < n; i++) {
		uint64_t total = atomic_load_explicit(&near[i]->total, memory_order_acquire);
		for (uint64_t k = total > CAP_NEAR ? total - CAP_NEAR : 0; k < total; k++) {
			const struct near_slot *slot = &near[i]->slot[k % CAP_NEAR];
			nall += slot_read(
					&slot->turn, slot->word, k, &all[nall], sizeof(*all)) &&
				all[nall].reset_ns > now_ns;
		}
	}
	if (nall)
		qsort(all, nall, sizeof(*all), by_caller);
	for (size_t i = 0; i < nall; i++)
		if (!kept || all[kept - 1].caller != all[i].caller)
			all[kept++] = all[i];
	if (kept)
		qsort(all, kept, sizeof(*all), by_fullness);
	json_put_form(out, "{'total':%u,'near':[", (uint64_t)kept);
	for (size_t i = from; i < kept && i - from < count; i++)
		put_one(out, &all[i]);
	buf_str(out, "]}\n");
	free(all);
}
