/* Updates a target after an attempt: averages, the breaker, the budget of repeats. Each value
 * is one word or a few, changed by compare and swap. If two workers see the same failure,
 * only one of them opens the breaker. */
#include <math.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/notice.h"
#include "gate/targets/callers.h"
#include "gate/targets/share.h"

/* ---- repeats ---- */

static uint32_t
asking_caller(const struct target_asks *asks)
{
	return asks && asks->caller ? asks->caller : 1;
}

static struct target_load
least_of(const struct target_asks *asks, const struct target *t)
{
	struct target_load l = *asks->beside;

	if (t->breaker.on && t->breaker.failures > l.failures)
		l.failures = t->breaker.failures;
	return l;
}

/* Returns true if this caller has no reason to avoid the target. */
static bool
is_well(const struct target_state *s, uint32_t caller, enum target_condition c)
{
	return (c == TARGET_CLOSED || c == TARGET_RAMP) &&
	       !callers_failures(&s->callers, caller);
}

bool
target_may_repeat(const struct target_state *s, const struct target *t,
	const struct target_asks *asks, uint64_t now_us)
{
	uint32_t caller = asking_caller(asks);

	if (asks->free &&
		is_well(s, caller,
			target_condition_for(s, caller, t->breaker.on, now_us, NULL, NULL)))
		return true;
	const struct target_load beside = least_of(asks, t);
	return target_budget_fits(target_window_sum(callers_budget(&s->callers, caller),
					  target_second(now_us), 0),
		&beside);
}

struct target_load
target_load(const struct target_state *s, uint32_t caller, uint64_t now_us)
{
	struct target_counts sum = target_window_sum(
		callers_budget(&s->callers, caller ? caller : 1), target_second(now_us), 0);

	return (struct target_load){ sum.one, sum.other, 0 };
}

double
target_errors(const struct target_state *s, uint64_t now_us)
{
	struct target_counts c = target_window_sum(&s->tries, target_second(now_us), 0);

	return c.one ? c.other >= c.one ? 1.0 : (double)c.other / c.one : 0.0;
}

bool
target_comes_through(const struct target_state *s, uint64_t now_us)
{
	uint32_t now_s = target_second(now_us);
	struct target_counts c = target_window_sum(&s->tries, now_s, now_s - 2);

	return c.one > 2 * c.other;
}

/* ---- latency ---- */

enum target_size
target_size(int64_t tokens)
{
	return tokens <= 4096 ? TARGET_SMALL : tokens <= 32768 ? TARGET_MIDDLE : TARGET_LARGE;
}

/* Returns the average after this time: it decays to 1/e in ten seconds. */
static uint64_t
aged_latency(uint64_t packed, uint32_t now_ms)
{
	uint32_t age = now_ms - (uint32_t)packed;

	if ((int32_t)age <= 0)
		return packed >> 32;
	return (uint64_t)((double)(packed >> 32) * exp(-(double)age / 10000.0));
}

uint64_t
target_latency_us(const struct target_state *s, enum target_size size, uint64_t now_us)
{
	uint64_t v = target_word(&s->latency[size]);

	return v ? aged_latency(v, (uint32_t)(now_us / 1000)) : TARGET_UNKNOWN_US;
}

/* A larger value replaces the average at once. A smaller one lowers it by as much as the old
 * average has decayed. */
static void
latency_add(struct target_state *s, enum target_size size, uint64_t us, uint64_t now_us)
{
	uint32_t now_ms = (uint32_t)(now_us / 1000);
	uint64_t v = target_word(&s->latency[size]), next;

	us = us < 1 ? 1 : us > UINT32_MAX ? UINT32_MAX : us;
	do {
		uint64_t was = v >> 32, mean = us, left = aged_latency(v, now_ms);
		if (v && us < was)
			mean = left +
			       (uint64_t)((double)us * (1.0 - (double)left / (double)was));
		mean = mean < 1 ? 1 : mean > UINT32_MAX ? UINT32_MAX : mean;
		next = mean << 32 | now_ms;
	} while (!atomic_compare_exchange_weak(&s->latency[size], &v, next));
}

/* ---- the breaker ---- */

/* The time doubles with each opening, plus or minus a fifth. */
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
target_notice(struct target_state *s, enum target_noticed kind, bool over, const char *why)
{
	static const char *const what[][2] = { [NOTICED_OPEN] = { "target_open",
						       "target_closed" },
		[NOTICED_KEY] = { "target_out", "target_back" },
		[NOTICED_HAND] = { "target_ejected", "target_admitted" } };
	unsigned was = over ? atomic_fetch_and(&s->noticed, ~(1u << kind))
			    : atomic_fetch_or(&s->noticed, 1u << kind);

	if ((was >> kind & 1) != over || !notice_wanted(NOTICE_BREAKER))
		return;
	const struct notice_of of = { .kind = NOTICE_BREAKER,
		.over = over,
		.what = what[kind][over],
		.name = span_str(s->name),
		.since_ns = over ? atomic_load(&s->ill_ns) : 0 };
	const struct log_field numbers[] = { LS("why", why),
		LS("last_failure", attempt_causes[atomic_load(&s->why) & 0xff]) };
	notice_send(&of, numbers, over ? 0 : 2, "target %s %s%s", s->name,
		over ? "serves again" : "is out: ", over ? "" : why);
}

/* Opens the breaker. A breaker that is open for all callers is not narrowed to one. */
static void
open_breaker(
	struct target_state *s, const struct target_attempt *a, uint64_t bits, uint64_t now_us)
{
	uint64_t was = target_word(&s->open);
	bool by_share = bits & OPEN_BY_SHARE, widens = was & ~bits & OPEN_FOR_ONE;
	unsigned opens = atomic_load(&s->opens);
	uint64_t us = open_for(a->open_us, opens, target_mixed(now_us ^ s->hash));

	target_falls_ill(s, now_us);
	if (was >> OPEN_BITS <= now_us || widens)
		atomic_store(&s->open_for, bits & OPEN_FOR_ONE ? a->caller : 0);
	if ((was >> OPEN_BITS > now_us && !widens) ||
		!atomic_compare_exchange_strong(
			&s->open, &was, (now_us + us) << OPEN_BITS | bits))
		return;
	atomic_store(&s->opens, opens < TARGET_OPENS_MOST ? opens + 1 : opens);
	atomic_store(&s->failures, 0);
	atomic_store(&s->successes, 0);
	log_event(LOG_WARN, "target.open", LS("target", s->name),
		LS("why", by_share ? "half of its responses fail" : "failures in a row"),
		LS("last", attempt_causes[atomic_load(&s->why) & 0xff]),
		LS("callers", bits & OPEN_FOR_ONE ? "one" : "all"), LI("for_ms", us / 1000));
	target_notice(s, NOTICED_OPEN, false,
		by_share ? "half of its responses fail" : "failures in a row");
}

static void
probe_given_back(struct target_state *s, struct target_attempt *a)
{
	uint64_t mine = a->probe_us;

	if (mine)
		atomic_compare_exchange_strong(&s->probe_until, &mine, 0);
	a->probe_us = 0;
}

/* Returns true if the breaker may close: two probes succeeded, or it is open for one caller
 * and another caller's attempt succeeded. */
static bool
is_over(struct target_state *s, bool probe, uint32_t caller, uint64_t open, uint64_t now_us)
{
	uint32_t whom = atomic_load_explicit(&s->open_for, memory_order_relaxed);

	if (probe)
		return atomic_fetch_add(&s->successes, 1) + 1 >= TARGET_PROBES;
	return open & OPEN_FOR_ONE && whom && whom != caller && open >> OPEN_BITS <= now_us;
}

static void
came_through(struct target_state *s, struct target_attempt *a, uint64_t now_us)
{
	bool probe = a->probe_us != 0;
	uint32_t now_s = target_second(now_us);
	uint64_t open = target_word(&s->open);

	target_window_add(&s->tries, now_s, (struct target_counts){ 1, 0 }, NULL);
	callers_ended(&s->callers, a->caller, false, now_s);
	if (atomic_load_explicit(&s->well_s, memory_order_relaxed) != now_s)
		atomic_store_explicit(&s->well_s, now_s, memory_order_relaxed);
	if (!a->breaks)
		return;
	if (atomic_load_explicit(&s->failures, memory_order_relaxed))
		atomic_store(&s->failures, 0);
	if (probe && atomic_exchange(&s->key_probe, 0)) {
		callers_unrefuse(&s->callers);
		log_event(LOG_WARN, "target.back", LS("target", s->name));
		target_notice(s, NOTICED_KEY, true, "");
	} else if (open && is_over(s, probe, a->caller, open, now_us) &&
		   atomic_compare_exchange_strong(&s->open, &open, 0)) {
		atomic_store(&s->closed_us, now_us);
		if (!(open & OPEN_FOR_ONE))
			callers_forget(&s->callers);
		log_event(LOG_WARN, "target.closed", LS("target", s->name));
		target_notice(s, NOTICED_OPEN, true, "");
	}
	probe_given_back(s, a);
	if (!open && atomic_load_explicit(&s->opens, memory_order_relaxed) &&
		now_us - target_word(&s->closed_us) > TARGET_RAMP_US)
		atomic_store(&s->opens, 0);
}

/* Feeds a failure that is not a probe's to a breaker that is closed, or open for one caller.
 */
static void
feeds_breaker(struct target_state *s, struct target_attempt *a, enum attempt_cause cause,
	const struct callers_blame *b, uint64_t now_us)
{
	uint32_t now_s = target_second(now_us);
	uint64_t closed = target_word(&s->closed_us);
	struct target_counts c =
		target_window_sum(&s->tries, now_s, closed ? target_second(closed) + 1 : 0);

	if (cause == CAUSE_NEVER_SENT && atomic_fetch_add(&s->failures, 1) + 1 >= a->failures)
		open_breaker(s, a, 0, now_us);
	else if (!b->half)
		return;
	else if (!b->one && b->weight >= a->failures)
		open_breaker(s, a, b->some ? OPEN_BY_SHARE : 0, now_us);
	else if (target_word(&s->open) || !b->single)
		return;
	else if (callers_failures(&s->callers, a->caller) >= a->failures)
		open_breaker(s, a, OPEN_FOR_ONE, now_us);
	else if (c.one >= TARGET_WINDOW_LEAST && c.other * 2 >= c.one)
		open_breaker(s, a, OPEN_BY_SHARE | OPEN_FOR_ONE, now_us);
}

static void
target_failed(struct target_state *s, struct target_attempt *a, enum attempt_cause cause,
	const struct callers_blame *b, uint64_t now_us)
{
	uint64_t open = target_word(&s->open);
	bool its_own = b->half || cause == CAUSE_NEVER_SENT;

	target_window_add(&s->tries, target_second(now_us),
		(struct target_counts){ a->heard ? 0 : 1, its_own }, NULL);
	if (!a->breaks)
		return;
	if (a->probe_us && target_word(&s->key_probe)) {
		/* the failure may be this caller's, so others may probe at once */
	} else if (a->probe_us) {
		atomic_store(&s->early_us, now_us + TARGET_EARLY_US);
		open_breaker(s, a, open & OPEN_FOR_ONE, now_us);
	} else if (!open || open & OPEN_FOR_ONE) {
		feeds_breaker(s, a, cause, b, now_us);
	}
	probe_given_back(s, a);
}

/* Never shortens the time, and never narrows it from all callers to one. */
static void
note_throttled(struct target_state *s, uint64_t asked_us, const struct callers_blame *b,
	uint64_t now_us)
{
	uint64_t most = asked_us < TARGET_THROTTLED_US ? asked_us : TARGET_THROTTLED_US,
		 one = b->one ? THROTTLED_FOR_ONE : 0, until = (now_us + most) & ~UINT64_C(1);
	uint64_t was = target_word(&s->throttled_until), next;

	if (!b->half)
		return;
	target_falls_ill(s, now_us);
	do {
		uint64_t both = was > now_us ? was & one : one;
		next = (was > until ? was & ~UINT64_C(1) : until) | both;
	} while (next != was && !atomic_compare_exchange_weak(&s->throttled_until, &was, next));
}

static void
out_by_key(struct target_state *s, int status, uint64_t now_us)
{
	static const char why[] = "the provider refuses the key, or its credit is used up: "
				  "replace the key or add credit";

	target_falls_ill(s, now_us);
	if (!atomic_exchange(&s->key_probe, now_us + TARGET_KEY_PROBE_US))
		log_event(LOG_ERROR, "target.out", LS("target", s->name), LI("status", status),
			LS("why", why));
	target_notice(s, NOTICED_KEY, false, why);
}

/* Returns until when the caller must leave the probe of a target that is out to others; 0: not
 * at all. */
static uint64_t
yields_probe(const struct target_state *s, uint32_t caller, uint64_t now_us)
{
	uint32_t at_s = callers_refused_at(&s->callers, caller), now_s = target_second(now_us);

	if (!at_s || now_s - at_s >= TARGET_KEY_PROBE_US / 1000000)
		return 0;
	return now_us - now_us % 1000000 + TARGET_KEY_PROBE_US -
	       (now_s - at_s) * UINT64_C(1000000);
}

/* Returns true if another probe is in flight that this caller must wait for. */
static bool
is_probed(const struct target_state *s, uint64_t probe, uint32_t caller, uint64_t now_us)
{
	return probe > now_us &&
	       !(probe & PROBE_YIELDS && caller && !callers_refused_at(&s->callers, caller));
}

enum target_condition
target_condition_for(const struct target_state *s, uint32_t caller, bool breaker,
	uint64_t now_us, uint64_t *back_us, double *ramp)
{
	uint64_t key = target_word(&s->key_probe), open = target_word(&s->open),
		 throttle = target_word(&s->throttled_until),
		 probe = target_word(&s->probe_until), closed = target_word(&s->closed_us),
		 back = 0;
	uint32_t whom = atomic_load_explicit(&s->open_for, memory_order_relaxed);
	enum target_condition c = TARGET_CLOSED;

	/* A state that holds for another caller only does not matter. If another daemon
	 * reported it, the caller may be unknown here; then it holds for callers who failed
	 * here. */
	if (open & OPEN_FOR_ONE && caller &&
		(whom ? whom != caller : !callers_failures(&s->callers, caller)))
		open = 0;
	if (throttle & THROTTLED_FOR_ONE && caller && !callers_failures(&s->callers, caller))
		throttle = 0;

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
	} else if (open >> OPEN_BITS > now_us) {
		/* an early probe may close the breaker at any moment */
		c = open & OPEN_BY_SHARE ? TARGET_OPEN_SHARE
		    : probe > now_us	 ? TARGET_PROBED
					 : TARGET_OPEN;
		back = open >> OPEN_BITS;
	} else if ((throttle & ~THROTTLED_FOR_ONE) > now_us) {
		c = TARGET_THROTTLED;
		back = throttle & ~THROTTLED_FOR_ONE;
	} else if (key || open) {
		bool ours = target_word(&s->leases_until) <= now_us ||
			    target_word(&s->lease_until) > now_us;
		/* a caller whose attempts failed there leaves the probe to callers without
		 * failures */
		ours = ours && (!caller || callers_first_to_probe(
						   &s->callers, caller, target_second(now_us)));
		uint64_t yields = key ? yields_probe(s, caller, now_us) : 0;
		bool probed = is_probed(s, probe, caller, now_us);
		c = yields ? TARGET_OUT : probed || !ours ? TARGET_PROBED : TARGET_PROBE_DUE;
		back = yields ? yields : probed ? probe : ours ? 0 : now_us + TARGET_SHARE_US;
	} else if (closed && now_us - closed < TARGET_RAMP_US &&
		   !(caller && whom && whom != caller)) {
		c = TARGET_RAMP;
		if (ramp)
			*ramp = (double)(now_us - closed) / TARGET_RAMP_US;
	}
	if (back_us)
		*back_us = back;
	return c;
}

bool
target_may_early(
	const struct target_state *s, uint32_t caller, uint64_t now_us, uint32_t *well_s)
{
	*well_s = atomic_load_explicit(&s->well_s, memory_order_relaxed);
	return target_condition_for(s, caller, true, now_us, NULL, NULL) == TARGET_OPEN &&
	       target_word(&s->throttled_until) <= now_us &&
	       target_word(&s->early_us) <= now_us &&
	       callers_first_to_probe(&s->callers, caller, target_second(now_us));
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

/* Counts a first attempt, or takes a repeat from the caller's budget. Returns false if the
 * budget is used up. */
static bool
draw_budget(struct target_state *s, const struct target *t, uint32_t caller,
	const struct target_asks *asks, bool well, uint32_t now_s)
{
	bool again = asks && asks->beside;
	struct target_load beside = { 0 };
	struct target_window *w = &s->callers.budget[callers_slot(&s->callers, caller, now_s)];

	if (again && asks->free && well)
		return true;
	if (again)
		beside = least_of(asks, t);
	return target_window_add(
		w, now_s, (struct target_counts){ !again, again }, again ? &beside : NULL);
}

bool
target_draw(struct target_state *s, const struct target *t, const struct target_asks *asks,
	uint64_t now_us)
{
	return draw_budget(s, t, asking_caller(asks), asks, false, target_second(now_us));
}

enum target_begun
target_begin(struct target_attempt *a, struct target_state *s, const struct target *t,
	const struct target_asks *asks, uint64_t now_us)
{
	uint32_t caller = asking_caller(asks);
	enum target_condition c =
		target_condition_for(s, caller, t->breaker.on, now_us, NULL, NULL);
	uint32_t now_s = target_second(now_us), well_s;
	uint64_t probe = target_word(&s->probe_until);

	if (c == TARGET_PROBE_DUE && asks && asks->quiet)
		c = TARGET_CLOSED; /* shows nothing, so another request probes the target */
	else if (c == TARGET_OPEN && asks && asks->early &&
		 target_may_early(s, caller, now_us, &well_s))
		c = TARGET_PROBE_DUE;
	*a = (struct target_attempt){ .caller = caller,
		.breaks = t->breaker.on && !s->shared,
		.quiet = asks && asks->quiet,
		.failures = t->breaker.failures ? t->breaker.failures : 1,
		.open_us = t->breaker.open_us ? t->breaker.open_us : 5000000 };
	if (c == TARGET_PROBE_DUE) {
		uint64_t until = (now_us + TARGET_PROBE_LEASE_US) & ~PROBE_YIELDS;
		if (callers_refused_at(&s->callers, caller))
			until |= PROBE_YIELDS;
		if (is_probed(s, probe, caller, now_us) ||
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
	if (!draw_budget(s, t, caller, asks, is_well(s, caller, c), now_s)) {
		atomic_fetch_sub(&s->provider->all_under_way, 1);
		probe_given_back(s, a);
		return TARGET_NO_BUDGET;
	}
	atomic_fetch_add(&s->under_way, 1);
	INVARIANT(!a->of);
	a->of = s;
	return TARGET_BEGUN;
}

void
target_first_content(
	struct target_attempt *a, enum target_size size, uint64_t took_us, uint64_t now_us)
{
	if (!a->of || a->heard || a->quiet)
		return;
	uint64_t had = target_word(&a->of->content_ms[size]), ms = took_us / 1000 + 1;

	atomic_store_explicit(
		&a->of->content_ms[size], had ? (3 * had + ms) / 4 : ms, memory_order_relaxed);
	latency_add(a->of, size, took_us, now_us);
	came_through(a->of, a, now_us);
	a->heard = true;
}

/* Conclusions about the target from the end of an attempt. */
enum conclusion { NOTHING, WELL, FAILED, THROTTLED, KEY };

static enum conclusion
conclusion_of(const struct target_end *e)
{
	if (e->refused && !e->our_key)
		return NOTHING;
	switch (e->cause) {
	case CAUSE_DONE: return WELL;
	case CAUSE_NEVER_SENT:
	case CAUSE_PERHAPS_BILLED: return FAILED;
	case CAUSE_THROTTLED: return e->asked_us ? THROTTLED : FAILED;
	case CAUSE_REFUSED_US: return e->our_key ? KEY : e->status == 403 ? FAILED : NOTHING;
	default: /* caused by the caller */ return NOTHING;
	}
}

void
target_over(struct target_attempt *a, const struct target_end *e, uint64_t now_us)
{
	struct target_state *s = a->of;
	enum conclusion t = a->quiet ? NOTHING : conclusion_of(e);
	struct callers_blame b = { .half = true };
	bool vain = a->probe_us && t != WELL && !a->heard;

	if (!s)
		return;
	if (t == FAILED || t == THROTTLED) {
		callers_ended(&s->callers, a->caller, true, target_second(now_us));
		b = callers_blame(&s->callers, target_second(now_us), atomic_load(&s->well_s),
			a->failures);
	}
	if (t == FAILED || t == THROTTLED || t == KEY || e->refused == REFUSED_HERE)
		atomic_store(&s->why, (unsigned)e->status << 8 | e->cause);
	/* a failure of one caller alone does not make the target slow for others */
	if ((t == FAILED || t == THROTTLED || t == KEY) &&
		(b.half || e->cause == CAUSE_NEVER_SENT))
		latency_add(s, e->size, e->head_us ? e->head_us : TARGET_FIRST_BYTE_US, now_us);
	if (t == WELL && !a->heard)
		came_through(s, a, now_us);
	else if (t == FAILED)
		target_failed(s, a, e->cause, &b, now_us);
	else if (t == THROTTLED)
		note_throttled(s, e->asked_us, &b, now_us);
	else if (t == KEY && a->breaks)
		out_by_key(s, e->status, now_us);
	if (t == KEY || (vain && target_word(&s->key_probe)))
		callers_refused(&s->callers, a->caller, target_second(now_us));
	atomic_fetch_add_explicit(&s->ended[e->cause], 1, memory_order_relaxed);
	probe_given_back(s, a);
	int64_t here = atomic_fetch_sub(&s->under_way, 1);
	int64_t all = atomic_fetch_sub(&s->provider->all_under_way, 1);
	INVARIANT(here > 0 && all > 0);
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
	int64_t queued = atomic_fetch_sub(&s->provider->queued, 1);

	INVARIANT(queued > 0);
}

/* ---- one probe of all daemons ---- */

#define WANT_US 3000000u

/* Returns true if the target may be probed at by_us. */
static bool
is_due(const struct target_state *s, uint64_t by_us)
{
	uint64_t open = target_word(&s->open), key = target_word(&s->key_probe);

	return (open || key) && open >> OPEN_BITS <= by_us && key <= by_us &&
	       target_word(&s->throttled_until) <= by_us;
}

static bool
was_wanted(const struct target_state *s, uint64_t now_us)
{
	uint64_t us = target_word(&s->wanted_us);

	return us && now_us < us + WANT_US;
}

/* Written rarely, because all workers that rank read the word. */
void
target_wanted(const struct target_state *s, uint32_t caller, uint64_t now_us)
{
	struct target_state *mark = (struct target_state *)(uintptr_t)s;

	callers_slot(&mark->callers, caller ? caller : 1, target_second(now_us));
	if (now_us >= target_word(&s->wanted_us) + WANT_US / 10)
		atomic_store_explicit(&mark->wanted_us, now_us, memory_order_relaxed);
}

void
target_leases(struct target_state *s, uint64_t until_us)
{
	atomic_store(&s->leases_until, until_us);
}

bool
target_wants_lease(const struct target_state *s, uint64_t now_us)
{
	return target_word(&s->lease_until) <= now_us && was_wanted(s, now_us) &&
	       is_due(s, now_us + TARGET_SHARE_US);
}

void
target_leased(struct target_state *s, uint64_t until_us)
{
	atomic_store(&s->lease_until, until_us);
}

bool
target_lease_over(struct target_state *s, uint64_t now_us)
{
	if (target_word(&s->lease_until) <= now_us ||
		(is_due(s, now_us + TARGET_SHARE_US) &&
			(was_wanted(s, now_us) || target_word(&s->probe_until) > now_us)))
		return false;
	atomic_store(&s->lease_until, 0);
	return true;
}
