/* What an attempt tells of its target: averages, the breaker, the budget of repeats. Each is
 * one word or a few that are changed by compare and swap; where two workers see the same
 * failure, one of them opens the breaker. */
#include <math.h>

#include "base/clock.h"
#include "base/notice.h"
#include "targets/entry.h"

static uint64_t
get(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

/* ---- ten seconds of two counts ---- */

static uint32_t
second_of(uint64_t now_us)
{
	return (uint32_t)(now_us / 1000000) + TARGET_WINDOW_S;
}

struct counts {
	unsigned one, other;
};

/* Of the window's seconds after `since_s`, without one of them (or UINT32_MAX). */
static struct counts
window_sum(const struct target_window *w, uint32_t now_s, uint32_t since_s, uint32_t without)
{
	struct counts c = { 0, 0 };

	for (size_t i = 0; i < TARGET_WINDOW_S; i++) {
		uint64_t v = get(&w->second[i]);
		uint32_t s = (uint32_t)(v >> 32);
		if (s > now_s || now_s - s >= TARGET_WINDOW_S || s < since_s || s == without)
			continue;
		c.one += (unsigned)(v >> 16 & 0xffff);
		c.other += (unsigned)(v & 0xffff);
	}
	return c;
}

/* Repeats are a fifth of first attempts, or a few. */
static bool
budget_fits(struct counts sum, const struct target_load *beside)
{
	uint64_t may = (sum.one + beside->first) / TARGET_BUDGET_SHARE;

	return sum.other + beside->repeats <
	       (may > TARGET_BUDGET_LEAST ? may : TARGET_BUDGET_LEAST);
}

/* Adds to this second's counts. False, and nothing is added: the sum before it does not fit. */
static bool
window_add(struct target_window *w, uint32_t now_s, struct counts add,
	const struct target_load *beside)
{
	_Atomic uint64_t *at = &w->second[now_s % TARGET_WINDOW_S];
	uint64_t v = get(at), next;

	do {
		uint64_t one = v >> 16 & 0xffff, other = v & 0xffff;
		if (v >> 32 < now_s)
			one = other = 0;
		if (beside) {
			struct counts sum = window_sum(w, now_s, 0, now_s);
			sum.one += (unsigned)one;
			sum.other += (unsigned)other;
			if (!budget_fits(sum, beside))
				return false;
		}
		one = one + add.one > 0xffff ? 0xffff : one + add.one;
		other = other + add.other > 0xffff ? 0xffff : other + add.other;
		next = (v >> 32 > now_s ? v >> 32 : now_s) << 32 | one << 16 | other;
	} while (!atomic_compare_exchange_weak(at, &v, next));
	return true;
}

bool
target_may_repeat(
	const struct target_state *s, const struct target_load *beside, uint64_t now_us)
{
	return budget_fits(window_sum(&s->budget, second_of(now_us), 0, UINT32_MAX), beside);
}

struct target_load
target_load(const struct target_state *s, uint64_t now_us)
{
	struct counts sum = window_sum(&s->budget, second_of(now_us), 0, UINT32_MAX);

	return (struct target_load){ sum.one, sum.other };
}

double
target_errors(const struct target_state *s, uint64_t now_us)
{
	struct counts c = window_sum(&s->tries, second_of(now_us), 0, UINT32_MAX);

	return c.one ? c.other >= c.one ? 1.0 : (double)c.other / c.one : 0.0;
}

bool
target_comes_through(const struct target_state *s, uint64_t now_us)
{
	uint32_t now_s = second_of(now_us);
	struct counts c = window_sum(&s->tries, now_s, now_s - 2, UINT32_MAX);

	return c.one > 2 * c.other;
}

/* ---- how soon ---- */

enum target_size
target_size(int64_t tokens)
{
	return tokens <= 4096 ? TARGET_SMALL : tokens <= 32768 ? TARGET_MIDDLE : TARGET_LARGE;
}

/* What is left of it after so long: decays over ten seconds. */
static uint64_t
aged(uint64_t packed, uint32_t now_ms)
{
	uint32_t age = now_ms - (uint32_t)packed;

	if ((int32_t)age <= 0)
		return packed >> 32;
	return (uint64_t)((double)(packed >> 32) * exp(-(double)age / 10000.0));
}

uint64_t
target_latency_us(const struct target_state *s, enum target_size size, uint64_t now_us)
{
	uint64_t v = get(&s->latency[size]);

	return v ? aged(v, (uint32_t)(now_us / 1000)) : TARGET_UNKNOWN_US;
}

/* Upwards at once; downwards by as much as the old one has aged. */
static void
latency_add(struct target_state *s, enum target_size size, uint64_t us, uint64_t now_us)
{
	uint32_t now_ms = (uint32_t)(now_us / 1000);
	uint64_t v = get(&s->latency[size]), next;

	us = us < 1 ? 1 : us > UINT32_MAX ? UINT32_MAX : us;
	do {
		uint64_t was = v >> 32, mean = us, left = aged(v, now_ms);
		if (v && us < was)
			mean = left +
			       (uint64_t)((double)us * (1.0 - (double)left / (double)was));
		mean = mean < 1 ? 1 : mean > UINT32_MAX ? UINT32_MAX : mean;
		next = mean << 32 | now_ms;
	} while (!atomic_compare_exchange_weak(&s->latency[size], &v, next));
}

/* ---- the breaker ---- */

/* SplitMix64's last step. */
static uint64_t
mixed(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Doubled each time, give or take a fifth. */
static uint64_t
open_for(uint64_t first_us, unsigned opens, uint64_t random)
{
	uint64_t us = first_us;

	while (opens-- && us < TARGET_OPEN_MOST_US)
		us *= 2;
	us = us < TARGET_OPEN_MOST_US ? us : TARGET_OPEN_MOST_US;
	us = us / 5 * 4 + random % (us / 5 * 2 + 1);
	return us < TARGET_OPEN_MOST_US ? us : TARGET_OPEN_MOST_US;
}

void
target_falls_ill(struct target_state *s, uint64_t now_us)
{
	enum target_condition c = target_condition(s, true, now_us, NULL, NULL);

	if (c == TARGET_CLOSED || c == TARGET_RAMP)
		atomic_store(&s->ill_ns, clock_wall_ns());
}

void
target_notice(struct target_state *s, enum target_told told, bool over, const char *why)
{
	static const char *const what[][2] = { [TOLD_OPEN] = { "target_open", "target_closed" },
		[TOLD_KEY] = { "target_out", "target_back" },
		[TOLD_HAND] = { "target_ejected", "target_admitted" } };
	unsigned was = over ? atomic_fetch_and(&s->told, ~(1u << told))
			    : atomic_fetch_or(&s->told, 1u << told);

	if ((was >> told & 1) != over || !notice_wanted(NOTICE_BREAKER))
		return;
	const struct notice_of of = { .kind = NOTICE_BREAKER,
		.over = over,
		.what = what[told][over],
		.name = span_str(s->name),
		.since_ns = over ? atomic_load(&s->ill_ns) : 0 };
	const struct log_field numbers[] = { LS("why", why),
		LS("last_failure", attempt_causes[atomic_load(&s->why) & 0xff]) };
	notice_send(&of, numbers, over ? 0 : 2, "target %s %s%s", s->name,
		over ? "serves again" : "is out: ", over ? "" : why);
}

static void
trip(struct target_state *s, const struct target_attempt *a, bool by_share, uint64_t now_us)
{
	uint64_t was = get(&s->open);
	unsigned opens = atomic_load(&s->opens);
	uint64_t us = open_for(a->open_us, opens, mixed(now_us ^ s->hash));

	target_falls_ill(s, now_us);
	if (was >> 1 > now_us ||
		!atomic_compare_exchange_strong(&s->open, &was, (now_us + us) << 1 | by_share))
		return;
	atomic_store(&s->opens, opens < 16 ? opens + 1 : opens);
	atomic_store(&s->failures, 0);
	atomic_store(&s->successes, 0);
	log_event(LOG_WARN, "target.open", LS("target", s->name),
		LS("why", by_share ? "half of its answers fail" : "failures in a row"),
		LS("last", attempt_causes[atomic_load(&s->why) & 0xff]),
		LI("for_ms", us / 1000));
	target_notice(s, TOLD_OPEN, false,
		by_share ? "half of its answers fail" : "failures in a row");
}

static void
probe_given_back(struct target_state *s, struct target_attempt *a)
{
	uint64_t mine = a->probe_us;

	if (mine)
		atomic_compare_exchange_strong(&s->probe_until, &mine, 0);
	a->probe_us = 0;
}

static void
came_through(struct target_state *s, struct target_attempt *a, uint64_t now_us)
{
	bool probe = a->probe_us != 0;
	uint64_t open = get(&s->open);

	window_add(&s->tries, second_of(now_us), (struct counts){ 1, 0 }, NULL);
	if (!a->breaks)
		return;
	if (probe && atomic_exchange(&s->key_probe, 0)) {
		log_event(LOG_WARN, "target.back", LS("target", s->name));
		target_notice(s, TOLD_KEY, true, "");
	} else if (probe && open && open >> 1 <= now_us &&
		 atomic_fetch_add(&s->successes, 1) + 1 >= TARGET_PROBES &&
		 atomic_compare_exchange_strong(&s->open, &open, 0)) {
		atomic_store(&s->closed_us, now_us);
		atomic_store(&s->failures, 0);
		log_event(LOG_WARN, "target.closed", LS("target", s->name));
		target_notice(s, TOLD_OPEN, true, "");
	}
	probe_given_back(s, a);
	if (open)
		return;
	if (atomic_load_explicit(&s->failures, memory_order_relaxed))
		atomic_store(&s->failures, 0);
	if (atomic_load_explicit(&s->opens, memory_order_relaxed) &&
		now_us - get(&s->closed_us) > TARGET_RAMP_US)
		atomic_store(&s->opens, 0);
}

static void
failed(struct target_state *s, struct target_attempt *a, uint64_t now_us)
{
	uint32_t now_s = second_of(now_us);
	uint64_t closed = get(&s->closed_us);

	window_add(&s->tries, now_s, (struct counts){ a->heard ? 0 : 1, 1 }, NULL);
	if (!a->breaks)
		return;
	if (a->probe_us && get(&s->key_probe)) {
		atomic_store(&s->key_probe, now_us + TARGET_KEY_PROBE_US);
	} else if (a->probe_us) {
		trip(s, a, false, now_us);
	} else if (!get(&s->open)) {
		struct counts c = window_sum(
			&s->tries, now_s, closed ? second_of(closed) + 1 : 0, UINT32_MAX);
		if (atomic_fetch_add(&s->failures, 1) + 1 >= a->failures)
			trip(s, a, false, now_us);
		else if (c.one >= TARGET_WINDOW_LEAST && c.other * 2 >= c.one)
			trip(s, a, true, now_us);
	}
	probe_given_back(s, a);
}

/* Never shortened. */
static void
throttled(struct target_state *s, uint64_t asked_us, uint64_t now_us)
{
	uint64_t until =
		now_us + (asked_us < TARGET_THROTTLED_US ? asked_us : TARGET_THROTTLED_US);
	uint64_t was = get(&s->throttled_until);

	target_falls_ill(s, now_us);
	while (was < until && !atomic_compare_exchange_weak(&s->throttled_until, &was, until))
		;
}

static void
out_by_key(struct target_state *s, int status, uint64_t now_us)
{
	static const char why[] = "it takes our key no more, or its credit is used up";

	target_falls_ill(s, now_us);
	if (!atomic_exchange(&s->key_probe, now_us + TARGET_KEY_PROBE_US))
		log_event(LOG_ERROR, "target.out", LS("target", s->name), LI("status", status),
			LS("why", why));
	target_notice(s, TOLD_KEY, false, why);
}

void
target_clear(struct target_state *s)
{
	atomic_store(&s->open, 0);
	atomic_store(&s->probe_until, 0);
	atomic_store(&s->failures, 0);
	atomic_store(&s->successes, 0);
	atomic_store(&s->opens, 0);
	atomic_store(&s->throttled_until, 0);
	atomic_store(&s->key_probe, 0);
	target_notice(s, TOLD_OPEN, true, "");
	target_notice(s, TOLD_KEY, true, "");
	for (size_t i = 0; i < TARGET_WINDOW_S; i++)
		atomic_store(&s->tries.second[i], 0);
}

enum target_condition
target_condition(const struct target_state *s, bool breaker, uint64_t now_us, uint64_t *back_us,
	double *ramp)
{
	uint64_t key = get(&s->key_probe), open = get(&s->open),
		 throttle = get(&s->throttled_until), probe = get(&s->probe_until),
		 closed = get(&s->closed_us), back = 0;
	enum target_condition c = TARGET_CLOSED;

	if (ramp)
		*ramp = 1.0;
	if (target_ejected(s)) {
		c = TARGET_BY_HAND;
		back = UINT64_MAX;
	} else if (!breaker || s->shared) {
		c = TARGET_CLOSED;
	} else if (key > now_us) {
		c = TARGET_OUT;
		back = key;
	} else if (open >> 1 > now_us) {
		c = open & 1 ? TARGET_OPEN_SHARE : TARGET_OPEN;
		back = open >> 1;
	} else if (throttle > now_us) {
		c = TARGET_THROTTLED;
		back = throttle;
	} else if (key || open) {
		bool ours = get(&s->leases_until) <= now_us || get(&s->lease_until) > now_us;
		c = probe > now_us || !ours ? TARGET_PROBED : TARGET_PROBE_DUE;
		back = probe > now_us ? probe : ours ? 0 : now_us + TARGET_SHARE_US;
	} else if (closed && now_us - closed < TARGET_RAMP_US) {
		c = TARGET_RAMP;
		if (ramp)
			*ramp = (double)(now_us - closed) / TARGET_RAMP_US;
	}
	if (back_us)
		*back_us = back;
	return c;
}

/* ---- an attempt ---- */

int64_t
target_under_way(const struct target_state *s)
{
	return atomic_load_explicit(&s->under_way, memory_order_relaxed);
}

bool
target_has_room(const struct target_state *s, const struct target *t)
{
	return !t->concurrent || atomic_load_explicit(&s->provider->all_under_way,
					 memory_order_relaxed) < (int64_t)t->concurrent;
}

enum target_begun
target_begin(struct target_attempt *a, struct target_state *s, const struct target *t,
	const struct target_load *beside, uint64_t now_us)
{
	enum target_condition c = target_condition(s, t->breaker.on, now_us, NULL, NULL);
	uint32_t now_s = second_of(now_us);
	uint64_t probe = get(&s->probe_until);

	*a = (struct target_attempt){ .breaks = t->breaker.on && !s->shared,
		.failures = t->breaker.failures ? t->breaker.failures : 1,
		.open_us = t->breaker.open_us ? t->breaker.open_us : 5000000 };
	if (c == TARGET_PROBE_DUE) {
		uint64_t until = now_us + TARGET_PROBE_LEASE_US;
		if (probe > now_us ||
			!atomic_compare_exchange_strong(&s->probe_until, &probe, until))
			return TARGET_NO_PROBE;
		a->probe_us = until;
	} else if (c != TARGET_CLOSED && c != TARGET_RAMP && c != TARGET_OPEN_SHARE) {
		return TARGET_NO_PROBE;
	}
	if (atomic_fetch_add(&s->provider->all_under_way, 1) >= (int64_t)t->concurrent &&
		t->concurrent) {
		atomic_fetch_sub(&s->provider->all_under_way, 1);
		probe_given_back(s, a);
		return TARGET_NO_ROOM;
	}
	if (!window_add(&s->budget, now_s, (struct counts){ !beside, !!beside }, beside)) {
		atomic_fetch_sub(&s->provider->all_under_way, 1);
		probe_given_back(s, a);
		return TARGET_NO_BUDGET;
	}
	atomic_fetch_add(&s->under_way, 1);
	a->of = s;
	return TARGET_BEGUN;
}

void
target_first_content(
	struct target_attempt *a, enum target_size size, uint64_t took_us, uint64_t now_us)
{
	if (!a->of || a->heard || a->quiet)
		return;
	latency_add(a->of, size, took_us, now_us);
	came_through(a->of, a, now_us);
	a->heard = true;
}

/* What the end tells of the target. */
enum told { NOTHING, WELL, FAILED, THROTTLED, KEY };

static enum told
told(const struct target_end *e)
{
	switch (e->cause) {
	case CAUSE_DONE: return WELL;
	case CAUSE_NEVER_SENT:
	case CAUSE_PERHAPS_BILLED: return FAILED;
	case CAUSE_THROTTLED: return e->asked_us ? THROTTLED : FAILED;
	case CAUSE_REFUSED_US: return e->our_key ? KEY : e->status == 403 ? FAILED : NOTHING;
	default: /* the caller's doing */ return NOTHING;
	}
}

void
target_over(struct target_attempt *a, const struct target_end *e, uint64_t now_us)
{
	struct target_state *s = a->of;
	enum told t = a->quiet ? NOTHING : told(e);

	if (!s)
		return;
	if (t == FAILED || t == THROTTLED || t == KEY) {
		atomic_store(&s->why, (unsigned)e->status << 8 | e->cause);
		latency_add(s, e->size,
			e->head_us ? e->head_us : TARGET_FIRST_BYTE_US, now_us);
	}
	if (t == WELL && !a->heard)
		came_through(s, a, now_us);
	else if (t == FAILED)
		failed(s, a, now_us);
	else if (t == THROTTLED)
		throttled(s, e->asked_us, now_us);
	else if (t == KEY && a->breaks)
		out_by_key(s, e->status, now_us);
	atomic_fetch_add_explicit(&s->ended[e->cause], 1, memory_order_relaxed);
	probe_given_back(s, a);
	atomic_fetch_sub(&s->under_way, 1);
	atomic_fetch_sub(&s->provider->all_under_way, 1);
	*a = (struct target_attempt){ 0 };
}

static int64_t
queue_room(const struct target *t)
{
	return t->concurrent && t->concurrent < CAP_TARGET_QUEUE ? t->concurrent
								 : CAP_TARGET_QUEUE;
}

bool
target_may_queue(const struct target_state *s, const struct target *t)
{
	return atomic_load_explicit(&s->provider->queued, memory_order_relaxed) < queue_room(t);
}

bool
target_queue(struct target_state *s, const struct target *t)
{
	if (atomic_fetch_add(&s->provider->queued, 1) < queue_room(t))
		return true;
	atomic_fetch_sub(&s->provider->queued, 1);
	return false;
}

void
target_unqueue(struct target_state *s)
{
	atomic_fetch_sub(&s->provider->queued, 1);
}
