/* Updates a target after an attempt: averages, the breaker, the budget of repeats. Each value
 * is one word or a few, changed by compare and swap. If two workers see the same failure,
 * only one of them opens the breaker.
 *
 * The first section has the callers of a target, and how the last attempt of each ended. A slot
 * is a word that is changed by compare and swap. It is reused only if its caller neither asked
 * nor got a response for ten seconds. Therefore a flood of new names cannot displace callers
 * who count, and cannot make the failures of a few callers half of what is left. With more than
 * 64 callers in ten seconds, those in the slots stand for all.
 *
 * The last section (share.h) converts words to facts and back, and merges facts. A word that
 * differs from the one seen in the last turn was changed here: a fact with a new stamp. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/notice.h"
#include "base/stops.h"
#include "gate/targets/entry.h"
#include "gate/targets/share.h"

/* ---- callers ---- */

struct target_counts {
	unsigned one, other;
};
/* Facts that show whether failures are the target's or single callers'. */
struct callers_blame {
	/* only one caller was seen, or at least two callers, and half of all, failed last */
	bool half;
	bool single; /* only one caller was seen */
	bool one;    /* nobody else failed */
	bool some;   /* some callers, but not all, failed */
	/* the sum of failures in a row; each caller counts at most half of `enough` */
	unsigned weight;
};
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

/* Returns the sums of those seconds of the window that are not before since_s. */
static struct target_counts
target_window_sum(const struct target_window *w, uint32_t now_s, uint32_t since_s)
{
	return sum_without(w, now_s, since_s, UINT32_MAX);
}

/* Returns true if one more repeat is allowed: repeats may be a fifth of the first attempts,
 * or a small number. A few repeats are always allowed: as many as open a breaker, and
 * TARGET_BUDGET_LEAST more. A breaker that needs more failures than TARGET_WINDOW_LEAST is
 * opened by its share of failures first. */
static bool
target_budget_fits(struct target_counts sum, const struct target_load *beside)
{
	uint64_t may = (sum.one + beside->first) / TARGET_BUDGET_SHARE,
		 least = beside->failures < TARGET_WINDOW_LEAST ? beside->failures
								: TARGET_WINDOW_LEAST;

	least += TARGET_BUDGET_LEAST;

	return sum.other + beside->repeats < (may > least ? may : least);
}

/* Adds to the counts of this second. Returns false and adds nothing if `beside` is given and
 * the sum leaves no room for a repeat. */
static bool
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

/* Returns the caller's slot, and takes a free one if the caller has none. Returns
 * TARGET_CALLERS if none is free. */
static size_t
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
static const struct target_window *
callers_budget(const struct target_callers *c, uint32_t caller)
{
	return &c->budget[caller_slot_of(c, caller)];
}

static unsigned
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

/* Notes that the caller's last attempt failed or succeeded. Returns the failures in a row. */
static unsigned
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

/* Takes over from another daemon how a caller's last attempt ended, at the second at_s. */
static void
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

static void
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

/* Returns the caller with the most failures in a row, or 0 if nobody has any. */
static uint32_t
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

/* Returns true if no caller who asked within the window has fewer failures in a row. */
static bool
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

static void
callers_unrefuse(struct target_callers *c)
{
	for (size_t i = 0; i < TARGET_CALLERS; i++)
		atomic_store_explicit(&c->refused[i], 0, memory_order_relaxed);
}

/* Notes that the caller's attempt put the target out, or probed it in vain while it was out. */
static void
callers_refused(struct target_callers *c, uint32_t caller, uint32_t now_s)
{
	size_t at = callers_slot(c, caller, now_s);

	if (at < TARGET_CALLERS)
		atomic_store_explicit(&c->refused[at], now_s, memory_order_relaxed);
}

/* Returns when that was, or 0. For caller 0: the latest time of any caller. */
static uint32_t
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

/* Looks at the callers whose last attempt ended in the window. For the weight, failures after
 * since_s count at any age. */
static struct callers_blame
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

/* Returns true if more than half of the attempts of the last three seconds succeeded. */
static bool
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

/* Call it before a word that holds the target back is set. Notes the time if the target was
 * healthy so far. */
static void
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

/* ---- facts that daemons share ---- */

/* A stamp may be this much ahead of Redis' clock: it may come from an earlier server. */
#define SLACK_US 60000000u
#define STALE_US 600000000u /* a breaker whose time ended this long ago means nothing */
#define WANT_US	 3000000u
/* In `more` of FACT_OPEN: open only for the callers who failed there. */
#define MORE_FOR_ONE 32u

static const struct {
	char letter;
	/* largest value, above Redis' clock; 0: the value is not a time but 0 or 1 */
	uint64_t most_us;
	uint64_t more;
	size_t word; /* offset in struct target_state */
} kinds[FACTS] = { [FACT_HAND] = { 'h', 0, 0, offsetof(struct target_state, by_hand) },
	[FACT_OPEN] = { 'o', TARGET_OPEN_MOST_US, 63, offsetof(struct target_state, open) },
	[FACT_THROTTLED] = { 't', TARGET_THROTTLED_US, 0,
		offsetof(struct target_state, throttled_until) },
	[FACT_KEY] = {
		'k', TARGET_KEY_PROBE_US, 0, offsetof(struct target_state, key_probe) } };

static bool
read_node(struct span node, char out[FACT_NODE_BYTES])
{
	if (!node.n || node.n >= FACT_NODE_BYTES || !span_is_alnum(node, ".-_"))
		return false;
	memcpy(out, node.p, node.n);
	out[node.n] = 0;
	return true;
}

static bool
read_fact(struct span word, uint64_t redis_us, struct target_facts *out)
{
	struct span letter = span_next(&word, ':'), stamp = span_next(&word, ':'),
		    value = span_next(&word, ':'), more = span_next(&word, ':');
	size_t kind = 0;

	while (kind < FACTS && !(letter.n == 1 && letter.p[0] == kinds[kind].letter))
		kind++;
	if (kind == FACTS || out->of[kind].stamp)
		return false;
	struct target_fact *f = &out->of[kind];
	uint64_t most = kinds[kind].most_us ? redis_us + kinds[kind].most_us + SLACK_US : 1;
	return span_u64(stamp, &f->stamp) == 0 && f->stamp && f->stamp <= redis_us + SLACK_US &&
	       span_u64(value, &f->value) == 0 && f->value <= most &&
	       span_u64(more, &f->more) == 0 && f->more <= kinds[kind].more &&
	       read_node(word, f->node);
}

int
target_facts_read(struct span text, uint64_t redis_us, struct target_facts *out)
{
	*out = (struct target_facts){ 0 };
	if (text.n >= FACTS_TEXT_BYTES || !span_is(span_next(&text, ' '), "1"))
		return ERR_SYNTAX;
	while (text.p) {
		if (read_fact(span_next(&text, ' '), redis_us, out))
			continue;
		*out = (struct target_facts){ 0 };
		return ERR_SYNTAX;
	}
	return 0;
}

void
target_facts_write(const struct target_facts *f, struct buf *out)
{
	buf_putc(out, '1');
	for (size_t i = 0; i < FACTS; i++)
		if (f->of[i].stamp)
			buf_printf(out, " %c:%" PRIu64 ":%" PRIu64 ":%" PRIu64 ":%s",
				kinds[i].letter, f->of[i].stamp, f->of[i].value, f->of[i].more,
				f->of[i].node);
}

/* ---- facts and the table's words ---- */

static _Atomic uint64_t *
fact_word_of(struct target_state *s, enum target_fact_kind kind)
{
	return (_Atomic uint64_t *)(void *)((char *)s + kinds[kind].word);
}

int64_t
target_offset(const int64_t *was, uint64_t sent_us, uint64_t got_us, uint64_t redis_us)
{
	int64_t least = (int64_t)redis_us - (int64_t)got_us,
		most = (int64_t)redis_us - (int64_t)sent_us;

	if (!was)
		return least + (most - least) / 2;
	return *was < least ? least : *was > most ? most : *was;
}

/* Converts a time of ours to Redis' clock, or back. Never returns 0. */
static uint64_t
shift_clock(uint64_t us, int64_t by)
{
	int64_t t = (int64_t)us + by;

	return t < 1 ? 1 : (uint64_t)t;
}

static void
found_out(const struct target_sharing *w, struct target_state *s, enum target_fact_kind kind,
	uint64_t word, uint64_t stamp, struct target_fact *f)
{
	uint64_t us = kind == FACT_OPEN ? word >> OPEN_BITS : word;

	*f = (struct target_fact){ .stamp = stamp };
	if (kind == FACT_HAND)
		f->value = word & 1;
	else if (us)
		f->value = shift_clock(us, w->offset_us);
	if (kind == FACT_OPEN && us)
		f->more = (word & OPEN_FOR_ONE ? MORE_FOR_ONE : 0) |
			  (uint64_t)atomic_load(&s->opens) << 1 | (word & OPEN_BY_SHARE);
	if (kind == FACT_THROTTLED && us)
		f->value = (f->value & ~THROTTLED_FOR_ONE) | (word & THROTTLED_FOR_ONE);
	snprintf(f->node, sizeof(f->node), "%s", w->node);
}

/* A total order, equal in all daemons. */
static bool
fact_beats(const struct target_fact *x, const struct target_fact *y)
{
	return x->stamp != y->stamp   ? x->stamp > y->stamp
	       : x->value != y->value ? x->value > y->value
	       : x->more != y->more   ? x->more > y->more
				      : strcmp(x->node, y->node) > 0;
}

static void
log_target_fact(const struct target_state *s, const struct target_fact *f, const char *what)
{
	log_event(LOG_WARN, "target.told", LS("target", s->name), LS("state", what),
		LS("by", f->node));
}

/* Sets the target's word to the fact of another daemon. If the word has changed since it was
 * read, the change is later and is shared in the next turn. */
static void
obey_fact(const struct target_sharing *w, struct target_state *s, enum target_fact_kind kind,
	const struct target_fact *f, uint64_t *seen)
{
	static const char *const on[FACTS] = { [FACT_OPEN] = "open", [FACT_KEY] = "out" };
	static const char *const off[FACTS] = { [FACT_OPEN] = "closed", [FACT_KEY] = "back" };
	uint64_t us = f->value ? shift_clock(f->value, -w->offset_us) : 0, word = us,
		 was = *seen;

	if (kind == FACT_HAND) {
		uint64_t at = shift_clock(f->stamp, -w->offset_us);
		at = at < w->now_us ? at : w->now_us;
		stop_at("target-obeys");
		if (!target_by_hand(w->table, s, seen, f->value, at))
			return;
		if ((was & 1) != f->value)
			log_target_fact(s, f, f->value ? "ejected" : "admitted");
		if (!f->value)
			target_notice(s, NOTICED_HAND, true, "");
		*seen = at << 1 | f->value;
		return;
	}
	if (kind == FACT_OPEN && us)
		word = us << OPEN_BITS | (f->more & MORE_FOR_ONE ? OPEN_FOR_ONE : 0) |
		       (f->more & OPEN_BY_SHARE);
	if (kind == FACT_THROTTLED && us)
		word = (us & ~THROTTLED_FOR_ONE) | (f->value & THROTTLED_FOR_ONE);
	if (word)
		target_falls_ill(s, w->now_us);
	if (was == word || !atomic_compare_exchange_strong(fact_word_of(s, kind), &was, word))
		return;
	*seen = word;
	if (kind == FACT_OPEN) {
		atomic_store(&s->failures, 0);
		atomic_store(&s->successes, 0);
		if (f->more & MORE_FOR_ONE)
			atomic_store(&s->open_for, callers_most(&s->callers));
		else if (us)
			atomic_store(&s->open_for, 0);
		if (us)
			atomic_store(&s->opens, (unsigned)(f->more >> 1) & TARGET_OPENS_MOST);
		else
			atomic_store(&s->closed_us, w->now_us);
		if (!us && !(was & OPEN_FOR_ONE))
			callers_forget(&s->callers);
	}
	if (on[kind] && (!was || !word || kind == FACT_OPEN))
		log_target_fact(s, f, word ? on[kind] : off[kind]);
	if (on[kind] && !word)
		target_notice(s, kind == FACT_OPEN ? NOTICED_OPEN : NOTICED_KEY, true, "");
}

static bool
is_fact_believed(const struct target_sharing *w, const struct target_state *s,
	enum target_fact_kind kind, const struct target_fact *f, uint64_t redis_us)
{
	if (kind == FACT_OPEN && f->value && f->value + STALE_US < redis_us)
		return false;
	return (kind != FACT_OPEN && kind != FACT_KEY) || !f->value ||
	       !target_comes_through(s, w->now_us);
}

/* Returns the time of a change made here. An operator's change has the time of the command,
 * because another daemon may have received a later one. Any other change has the time of this
 * turn. */
static uint64_t
found_at(const struct target_sharing *w, enum target_fact_kind kind, uint64_t word,
	const struct target_fact *mine, const struct target_fact *theirs)
{
	uint64_t at = w->now_us, past = mine->stamp;

	if (kind == FACT_HAND)
		at = word >> 1;
	else if (theirs->stamp > past)
		past = theirs->stamp;
	at = shift_clock(at, w->offset_us);
	return at > past ? at : past + 1;
}

bool
target_share(const struct target_sharing *w, struct target_state *s, struct target_known *known,
	const struct target_facts *found)
{
	static const struct target_facts nothing;
	uint64_t redis_us = shift_clock(w->now_us, w->offset_us), word;
	bool admitted = false, later = false;

	found = found ? found : &nothing;
	for (enum target_fact_kind i = 0; i < FACTS; i++) {
		struct target_fact *mine = &known->facts.of[i];
		const struct target_fact *theirs = &found->of[i];
		/* The stamp is of another server, or of one whose clock was set back. */
		if (mine->stamp > redis_us + SLACK_US)
			mine->stamp = redis_us;
		word = atomic_load(fact_word_of(s, i));
		if (word != known->seen[i] || (admitted && !word)) {
			found_out(w, s, i, word, found_at(w, i, word, mine, theirs), mine);
			known->seen[i] = word;
			admitted |= i == FACT_HAND && !(word & 1);
		}
		if (i == FACT_THROTTLED && theirs->stamp > mine->stamp && theirs->value &&
			theirs->value < mine->value && mine->value > redis_us &&
			!(mine->value & ~theirs->value & THROTTLED_FOR_ONE)) {
			/* the later end stays, unless a state for all replaces one for a
			 * single caller */
			mine->stamp = theirs->stamp + 1;
		} else if (fact_beats(theirs, mine)) {
			*mine = *theirs;
			if (is_fact_believed(w, s, i, mine, redis_us))
				obey_fact(w, s, i, mine, &known->seen[i]);
		}
		later |= fact_beats(mine, theirs);
	}
	return later;
}

/* ---- the callers that other daemons saw ---- */

/* Parses "1", and " HASH:SECOND:FAILURES" for each caller. */
static int
read_callers(struct span text, uint32_t redis_s, struct callers_known *out)
{
	out->n = 0;
	if (!text.n)
		return 0;
	if (text.n >= CALLERS_TEXT_BYTES || !span_is(span_next(&text, ' '), "1"))
		return ERR_SYNTAX;
	while (text.p) {
		struct span word = span_next(&text, ' '), hash = span_next(&word, ':'),
			    second = span_next(&word, ':');
		uint64_t who, at, failures;
		if (out->n == TARGET_CALLERS || span_u64(hash, &who) < 0 || !who ||
			who > UINT32_MAX || span_u64(second, &at) < 0 ||
			at > redis_s + SLACK_US / 1000000 || span_u64(word, &failures) < 0 ||
			failures > 255)
			return ERR_SYNTAX;
		out->of[out->n++] = (struct caller_known){ (uint32_t)who, (unsigned)failures,
			at < redis_s ? redis_s - (uint32_t)at : 0 };
	}
	return 0;
}

/* Returns the entry of this caller in the list, or NULL. */
static const struct caller_known *
caller_in(const struct callers_known *k, uint32_t caller)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->of[i].caller == caller)
			return &k->of[i];
	return NULL;
}

static bool
one_failed(const struct callers_known *k)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->of[i].failures && k->of[i].age_s < TARGET_WINDOW_S)
			return true;
	return false;
}

int
target_share_callers(const struct target_sharing *w, struct target_state *s, struct span text,
	struct buf *out)
{
	uint32_t now_s = target_second(w->now_us),
		 redis_s = (uint32_t)(shift_clock(w->now_us, w->offset_us) / 1000000);
	struct callers_known there, here;
	bool later = false;
	int err = read_callers(text, redis_s, &there);

	callers_list(&s->callers, now_s, &here);
	if (err || (!one_failed(&there) && !one_failed(&here)))
		return err;
	for (size_t i = 0; i < there.n; i++) {
		const struct caller_known *c = &there.of[i];
		if (c->age_s < TARGET_WINDOW_S)
			callers_told(
				&s->callers, c->caller, c->failures, now_s, now_s - c->age_s);
	}
	for (size_t i = 0; i < here.n && !later; i++) {
		const struct caller_known *c = caller_in(&there, here.of[i].caller);
		later = !c || c->age_s > here.of[i].age_s + 1;
	}
	if (!later)
		return 0;
	callers_list(&s->callers, now_s, &here);
	buf_putc(out, '1');
	for (size_t i = 0; i < here.n; i++)
		buf_printf(out, " %" PRIu32 ":%" PRIu32 ":%u", here.of[i].caller,
			redis_s - here.of[i].age_s, here.of[i].failures);
	return 0;
}

/* ---- one probe of all daemons ---- */

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
