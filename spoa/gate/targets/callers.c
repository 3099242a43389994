/* The callers of a target: gate/targets/callers.h. */

#include "gate/targets/callers.h"

#define SECOND_MASK  UINT32_C(0xffffff)
#define FAILURES_MAX 0xffu

static uint32_t
caller_of(uint64_t w)
{
	return (uint32_t)(w >> 32);
}

static unsigned
failures_of(uint64_t w)
{
	return (unsigned)(w >> 24 & FAILURES_MAX);
}

/* Returns the seconds since the last attempt ended, or SECOND_MASK if none did. */
static uint32_t
age_of(uint64_t w, uint32_t now_s)
{
	return w & SECOND_MASK ? (now_s - (uint32_t)w) & SECOND_MASK : SECOND_MASK;
}

static bool
asked_lately(const struct target_callers *c, size_t i, uint32_t now_s)
{
	uint32_t s = atomic_load_explicit(&c->asked[i], memory_order_relaxed);

	return s && now_s - s < TARGET_WINDOW_S;
}

/* ---- windows of ten seconds ---- */

/* Adds up the seconds of the window that are not before since_s, except the second `without`
 * (UINT32_MAX: none). */
static struct target_counts
sum_without(const struct target_window *w, uint32_t now_s, uint32_t since_s, uint32_t without)
{
	struct target_counts c = { 0, 0 };

	for (size_t i = 0; i < TARGET_WINDOW_S; i++) {
		uint64_t v = target_word(&w->second[i]);
		uint32_t s = (uint32_t)(v >> 32);
		if (s > now_s || now_s - s >= TARGET_WINDOW_S || s < since_s || s == without)
			continue;
		c.one += (unsigned)(v >> 16 & 0xffff);
		c.other += (unsigned)(v & 0xffff);
	}
	return c;
}

struct target_counts
target_window_sum(const struct target_window *w, uint32_t now_s, uint32_t since_s)
{
	return sum_without(w, now_s, since_s, UINT32_MAX);
}

bool
target_budget_fits(struct target_counts sum, const struct target_load *beside)
{
	uint64_t may = (sum.one + beside->first) / TARGET_BUDGET_SHARE,
		 least = beside->failures < TARGET_WINDOW_LEAST ? beside->failures
								: TARGET_WINDOW_LEAST;

	least += TARGET_BUDGET_LEAST;

	return sum.other + beside->repeats < (may > least ? may : least);
}

bool
target_window_add(struct target_window *w, uint32_t now_s, struct target_counts add,
	const struct target_load *beside)
{
	_Atomic uint64_t *at = &w->second[now_s % TARGET_WINDOW_S];
	uint64_t v = target_word(at), next;

	do {
		uint64_t one = v >> 16 & 0xffff, other = v & 0xffff;
		if (v >> 32 < now_s)
			one = other = 0;
		if (beside) {
			struct target_counts sum = sum_without(w, now_s, 0, now_s);
			sum.one += (unsigned)one;
			sum.other += (unsigned)other;
			if (!target_budget_fits(sum, beside))
				return false;
		}
		one = one + add.one > 0xffff ? 0xffff : one + add.one;
		other = other + add.other > 0xffff ? 0xffff : other + add.other;
		next = (v >> 32 > now_s ? v >> 32 : now_s) << 32 | one << 16 | other;
	} while (!atomic_compare_exchange_weak(at, &v, next));
	return true;
}

/* ---- slots ---- */

/* Returns the caller's slot, or else a slot that the caller may take, or TARGET_CALLERS. A
 * slot that was never used ends the search, so a used slot never becomes unused again. */
static size_t
find_slot(const struct target_callers *c, uint32_t caller, uint32_t now_s, bool *is_his,
	uint64_t *seen)
{
	size_t at = caller % TARGET_CALLERS, free = TARGET_CALLERS;

	*is_his = false;
	for (size_t i = 0; i < TARGET_CALLERS; i++, at = (at + 1) % TARGET_CALLERS) {
		uint64_t w = target_word(&c->ended[at]);
		if (caller_of(w) == caller) {
			*is_his = true;
			return at;
		}
		bool old = age_of(w, now_s) >= TARGET_WINDOW_S && !asked_lately(c, at, now_s);
		if (w && (!old || free < TARGET_CALLERS))
			continue;
		free = at;
		*seen = w;
		if (!w)
			break;
	}
	return free;
}

size_t
callers_slot(struct target_callers *c, uint32_t caller, uint32_t now_s)
{
	bool is_his;
	uint64_t seen;
	size_t at;

	do
		at = find_slot(c, caller, now_s, &is_his, &seen);
	while (!is_his && at < TARGET_CALLERS &&
		!atomic_compare_exchange_strong(&c->ended[at], &seen, (uint64_t)caller << 32));
	if (at < TARGET_CALLERS && !is_his)
		atomic_store_explicit(&c->refused[at], 0, memory_order_relaxed);
	if (at < TARGET_CALLERS &&
		atomic_load_explicit(&c->asked[at], memory_order_relaxed) != now_s)
		atomic_store_explicit(&c->asked[at], now_s, memory_order_relaxed);
	return at;
}

static size_t
caller_slot_of(const struct target_callers *c, uint32_t caller)
{
	bool is_his;
	uint64_t seen;
	size_t at = find_slot(c, caller, 0, &is_his, &seen);

	return is_his ? at : TARGET_CALLERS;
}

/* Returns the caller's budget, or the common budget of all callers without a slot. */
const struct target_window *
callers_budget(const struct target_callers *c, uint32_t caller)
{
	return &c->budget[caller_slot_of(c, caller)];
}

unsigned
callers_failures(const struct target_callers *c, uint32_t caller)
{
	size_t at = caller_slot_of(c, caller);

	return at < TARGET_CALLERS ? failures_of(target_word(&c->ended[at])) : 0;
}

static uint64_t
slot_word(uint32_t caller, unsigned failures, uint32_t at_s)
{
	return (uint64_t)caller << 32 | (uint64_t)failures << 24 | (at_s & SECOND_MASK);
}

unsigned
callers_ended(struct target_callers *c, uint32_t caller, bool failed, uint32_t now_s)
{
	size_t at = callers_slot(c, caller, now_s);
	unsigned n;

	if (at == TARGET_CALLERS)
		return 0;
	uint64_t w = target_word(&c->ended[at]), next;
	do {
		if (caller_of(w) != caller)
			return 0;
		n = failures_of(w);
		n = !failed ? 0 : n < FAILURES_MAX ? n + 1 : n;
		next = slot_word(caller, n, now_s);
	} while (w != next && !atomic_compare_exchange_weak(&c->ended[at], &w, next));
	return n;
}

void
callers_told(struct target_callers *c, uint32_t caller, unsigned failures, uint32_t now_s,
	uint32_t at_s)
{
	bool is_his;
	uint64_t w;
	size_t at = find_slot(c, caller, now_s, &is_his, &w);

	if (at == TARGET_CALLERS)
		return;
	if (is_his)
		w = target_word(&c->ended[at]);
	/* our information is as new */
	if (is_his && (caller_of(w) != caller || age_of(w, now_s) <= now_s - at_s))
		return;
	atomic_compare_exchange_strong(&c->ended[at], &w, slot_word(caller, failures, at_s));
}

void
callers_list(const struct target_callers *c, uint32_t now_s, struct callers_known *out)
{
	out->n = 0;
	for (size_t i = 0; i < TARGET_CALLERS; i++) {
		uint64_t w = target_word(&c->ended[i]);
		uint32_t age = age_of(w, now_s);
		if (age < TARGET_WINDOW_S)
			out->of[out->n++] =
				(struct caller_known){ caller_of(w), failures_of(w), age };
	}
}

uint32_t
callers_most(const struct target_callers *c)
{
	uint64_t most = 0;

	for (size_t i = 0; i < TARGET_CALLERS; i++) {
		uint64_t w = target_word(&c->ended[i]);
		if (failures_of(w) > failures_of(most))
			most = w;
	}
	return caller_of(most);
}

bool
callers_first_to_probe(const struct target_callers *c, uint32_t caller, uint32_t now_s)
{
	unsigned own = callers_failures(c, caller);

	for (size_t i = 0; own && i < TARGET_CALLERS; i++) {
		uint64_t w = target_word(&c->ended[i]);
		if (w && failures_of(w) < own && asked_lately(c, i, now_s))
			return false;
	}
	return true;
}

void
callers_forget(struct target_callers *c)
{
	for (size_t i = 0; i < TARGET_CALLERS; i++)
		atomic_fetch_and(&c->ended[i], ~UINT64_C(0xffffffff));
}

void
callers_unrefuse(struct target_callers *c)
{
	for (size_t i = 0; i < TARGET_CALLERS; i++)
		atomic_store_explicit(&c->refused[i], 0, memory_order_relaxed);
}

void
callers_refused(struct target_callers *c, uint32_t caller, uint32_t now_s)
{
	size_t at = callers_slot(c, caller, now_s);

	if (at < TARGET_CALLERS)
		atomic_store_explicit(&c->refused[at], now_s, memory_order_relaxed);
}

uint32_t
callers_refused_at(const struct target_callers *c, uint32_t caller)
{
	uint32_t latest = 0;

	if (caller) {
		size_t at = caller_slot_of(c, caller);
		return at == TARGET_CALLERS
			       ? 0
			       : atomic_load_explicit(&c->refused[at], memory_order_relaxed);
	}
	for (size_t i = 0; i < TARGET_CALLERS; i++) {
		uint32_t s = atomic_load_explicit(&c->refused[i], memory_order_relaxed);
		latest = s > latest ? s : latest;
	}
	return latest;
}

struct callers_blame
callers_blame(const struct target_callers *c, uint32_t now_s, uint32_t since_s, unsigned enough)
{
	unsigned ended = 0, failed = 0, all_failed = 0, most = (enough + 1) / 2;
	struct callers_blame b = { 0 };

	for (size_t i = 0; i < TARGET_CALLERS; i++) {
		uint64_t w = target_word(&c->ended[i]);
		uint32_t age = age_of(w, now_s);
		unsigned n = failures_of(w);
		ended += age < TARGET_WINDOW_S;
		if (!n || (age >= TARGET_WINDOW_S && age >= now_s - since_s))
			continue;
		failed += age < TARGET_WINDOW_S;
		all_failed++;
		b.weight += n < most ? n : most;
	}
	b.single = ended < 2;
	b.one = all_failed < 2;
	b.some = failed < ended;
	b.half = ended < 2 || (failed >= 2 && 2 * failed >= ended);
	return b;
}
