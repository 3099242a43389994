/* Limits: the arithmetic of the windows, compared with a model that remembers every charge, and
 * the table across threads. */
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "budget/quota/quota_known.h"
#include "budget/quota/quota_table.h"

/* ---- the window ---- */

static uint64_t rnd_state = 88172645463325252u;

static uint64_t
rnd(uint64_t below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state % below;
}

struct charge {
	int64_t at_ms;
	uint64_t n;
};

static void
dim_set(struct quota_dim *d, const char *name, uint64_t limit, uint64_t window_s, uint64_t n)
{
	*d = (struct quota_dim){
		.limit = limit, .span.window_s = window_s, .n = n, .name = name
	};
	snprintf(d->key, sizeof(d->key), "tollgate:q:{%s:0123}", name);
}

/* The dimension of tokens settles at this number, the others at what they reserved. */
static void
settle_tokens(struct quota *qt, struct quota_request *q, uint64_t tokens, uint64_t now_us)
{
	for (size_t k = 0; k < q->ndims; k++)
		q->dim[k].actual = q->dim[k].unit == QUOTA_TOKENS ? tokens : q->dim[k].n;
	quota_settle(qt, q, now_us);
}

static bool
reserve_at(struct quota_table *t, struct quota_request *q, uint64_t limit, uint64_t window_s,
	uint64_t n, int64_t now_ms)
{
	memset(q, 0, sizeof(*q));
	q->ndims = 1;
	dim_set(&q->dim[0], "p", limit, window_s, n);
	table_reserve(t, q, now_ms);
	assert_int_not_equal(q->result, QUOTA_FAILED);
	return q->result == QUOTA_ADMITTED;
}

/* Returns the most that was admitted within any window of this length. */
static uint64_t
worst_window(const struct charge *v, size_t n, int64_t window_ms)
{
	uint64_t sum = 0, worst = 0;

	for (size_t i = 0, from = 0; i < n; i++) {
		sum += v[i].n;
		while (v[from].at_ms <= v[i].at_ms - window_ms)
			sum -= v[from++].n;
		worst = sum > worst ? sum : worst;
	}
	return worst;
}

static void
window_never_holds_more_than_the_limit(void **state)
{
	static struct charge v[5000];
	size_t refused = 0;

	(void)state;
	for (int round = 0; round < 30; round++) {
		static const uint64_t windows[] = { 1, 10, 60, 3600 };
		uint64_t window_s = windows[rnd(4)], limit = 1 + rnd(1000);
		uint64_t largest = 1 + rnd(limit);
		int64_t now = 1790000000000 + (int64_t)rnd(100000),
			step = (int64_t)window_s * 100;
		struct quota_table *t = quota_table_new(NULL);
		struct quota_request q;
		size_t n = 0;
		for (int i = 0; i < 2000; i++) {
			uint64_t want = 1 + rnd(largest);
			now += (int64_t)rnd(rnd(8) ? 3 : (uint64_t)step * 2);
			if (reserve_at(t, &q, limit, window_s, want, now)) {
				assert_int_equal(q.retry_after_s, 0);
				assert_true(q.dim[0].remaining <= limit - want);
				v[n++] = (struct charge){ now, want };
				continue;
			}
			/* Retry-After is long enough, and correct. */
			refused++;
			assert_true(q.retry_after_s > 0);
			assert_true(q.retry_after_s <= window_s * 102 / 100 + 1);
			if (rnd(4))
				continue;
			now += (int64_t)q.retry_after_s * 1000;
			if (!reserve_at(t, &q, limit, window_s, want, now))
				fail_msg("refused after the time it said: window %llu limit "
					 "%llu n "
					 "%llu",
					(unsigned long long)window_s, (unsigned long long)limit,
					(unsigned long long)want);
			v[n++] = (struct charge){ now, want };
		}
		/* the window, plus a hundredth for the way to the provider */
		uint64_t worst = worst_window(v, n, (int64_t)window_s * 1010);
		if (worst > limit)
			fail_msg("%llu within a window of a limit of %llu",
				(unsigned long long)worst, (unsigned long long)limit);
		quota_table_free(&t);
	}
	assert_true(refused > 1000);
}

/* A refund releases only its own amount, and no more leaves the window with its slice. */
static void
settled_amounts_count_as_long_as_others(void **state)
{
	static struct charge v[3000];
	size_t refused = 0;

	(void)state;
	for (int round = 0; round < 30; round++) {
		uint64_t window_s = round % 2 ? 10 : 60, limit = 100 + rnd(1000);
		int64_t now = 1790000000000 + (int64_t)rnd(100000);
		struct quota_table *t = quota_table_new(NULL);
		struct quota_request q;
		size_t n = 0;
		for (int i = 0; i < 3000; i++) {
			now += (int64_t)rnd(window_s * 10);
			uint64_t want = 1 + rnd(limit / 4);
			if (!reserve_at(t, &q, limit, window_s, want, now)) {
				refused++;
				continue;
			}
			struct change c = { .dim = q.dim[0], .at = q.dim[0].at };
			uint64_t used = rnd(want + 1);
			c.own = (int64_t)used - (int64_t)want;
			table_change(t, &c);
			v[n++] = (struct charge){ now, used };
		}
		assert_true(worst_window(v, n, (int64_t)window_s * 1010) <= limit);
		quota_table_free(&t);
	}
	assert_true(refused > 1000);
}

/* The notes on slices free an amount early only if they match the count. The clock is in slice
 * 5 of the sub-bucket 1000, and the oldest one is 990. */
static void
note_frees_only_the_amount_it_names(void **state)
{
	static const struct {
		const char *name;
		int64_t oldest, note[QUOTA_SLICES];
		size_t rows;
		uint64_t used;
	} rows[] = {
		{ "an amount without a note", 40, { 0 }, 1, 40 },
		{ "notes that were not read", 40, { 40 }, 0, 40 },
		{ "an amount that left", 40, { [2] = 40 }, 1, 0 },
		{ "the last slice that left", 40, { [4] = 40 }, 1, 0 },
		{ "the slice of the clock", 40, { [5] = 40 }, 1, 40 },
		{ "a later slice", 40, { [15] = 40 }, 1, 40 },
		{ "a part without a note, as of an older daemon", 40, { [2] = 15 }, 1, 25 },
		{ "notes above the count", 40, { [2] = 35, [9] = 6 }, 1, 40 },
		{ "a note below zero", 40, { [1] = -5, [2] = 30 }, 1, 10 },
		{ "a count below zero", -40, { [2] = 30 }, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t near[WINDOW_NEIGHBOURS] = { rows[i].oldest }, retry_ms;
		const struct window_counts c = { .near = near,
			.slices = rows[i].note,
			.rows = rows[i].rows };
		struct quota_dim d;
		dim_set(&d, "p", 100, 60, 0);
		d.at.bucket = 1000;
		int64_t w = window_width_ms(&d);
		assert_true(window_judge(&d, &c, 1000 * w + w * 11 / 32, &retry_ms));
		if (d.used != rows[i].used)
			fail_msg("%s: %llu", rows[i].name, (unsigned long long)d.used);
	}
}

/* A caller that sends as fast as possible gets the limit, except the hundredth and the slice
 * that is leaving. */
static void
callers_get_most_of_the_limit(void **state)
{
	struct quota_table *t = quota_table_new(NULL);
	struct quota_request q;
	uint64_t admitted = 0;
	enum { LIMIT = 1000, WINDOWS = 100 };

	(void)state;
	for (int64_t ms = 0; ms < WINDOWS * 10000; ms += 5)
		admitted += reserve_at(t, &q, LIMIT, 10, 1, 1790000000000 + ms);
	double part = (double)admitted / (LIMIT * WINDOWS);
	if (part < 0.98 || part > 0.99)
		fail_msg("%f of the limit", part);
	quota_table_free(&t);
}

/* Just before Retry-After is too early. Only whole seconds are reported. */
static void
request_just_before_retry_after_is_refused(void **state)
{
	struct quota_request q;

	(void)state;
	for (int k = 0; k < 300; k++) {
		struct quota_table *t = quota_table_new(NULL);
		int64_t now = 1790000000000 + (int64_t)rnd(60000);
		uint64_t first = 1 + rnd(10);
		assert_true(reserve_at(t, &q, 10, 60, first, now));
		now += (int64_t)rnd(50000);
		uint64_t want = 11 - first + rnd(first);
		assert_false(reserve_at(t, &q, 10, 60, want, now));
		int64_t wait = (int64_t)q.retry_after_s * 1000;
		assert_true(wait > 1000);
		assert_false(reserve_at(t, &q, 10, 60, want, now + wait - 1000));
		assert_true(reserve_at(t, &q, 10, 60, want, now + wait));
		quota_table_free(&t);
	}
}

/* The same with several full buckets: everything is free at the reported second of the reset,
 * and not one second earlier. */
static void
window_is_empty_at_its_reported_reset(void **state)
{
	struct quota_request q;

	(void)state;
	for (int k = 0; k < 300; k++) {
		struct quota_table *t = quota_table_new(NULL);
		int64_t now = 1790000000000 + (int64_t)rnd(60000);
		for (int i = 0; i < 4; i++, now += (int64_t)rnd(15000))
			assert_true(reserve_at(t, &q, 10, 60, 2, now));
		now += (int64_t)rnd(5000);
		/* admitted, or refused and therefore not counted */
		bool fits = rnd(2);
		assert_int_equal(reserve_at(t, &q, 10, 60, fits ? 1 : 3, now), fits);
		int64_t reset = ((int64_t)q.dim[0].reset_ms + 999) / 1000 * 1000;
		assert_false(reserve_at(t, &q, 10, 60, 10, now + reset - 1000));
		assert_true(reserve_at(t, &q, 10, 60, 10, now + reset));
		quota_table_free(&t);
	}
}

/* Calendar windows of hours to months: requests are admitted at the end of the window, and not
 * a second earlier. */
static void
calendar_limit_admits_at_its_reported_second(void **state)
{
	struct quota_request q;

	(void)state;
	for (int k = 0; k < 400; k++) {
		struct quota_table *t = quota_table_new(NULL);
		int64_t now = 1790000000000 + (int64_t)rnd(40000000000);
		for (int i = 0; i < 4; i++) {
			memset(&q, 0, sizeof(q));
			q.ndims = 1;
			dim_set(&q.dim[0], "p", 10, 0, 10);
			q.dim[0].unit = k & 1 ? QUOTA_NANOUSD : QUOTA_REQUESTS;
			q.dim[0].span.kind = QUOTA_CALENDAR;
			q.dim[0].span.calendar = (enum quota_calendar)(k / 2 % 4);
			table_reserve(t, &q, now);
			assert_int_equal(
				q.result, i == 1 || i == 2 ? QUOTA_REFUSED : QUOTA_ADMITTED);
			if (i == 1) {
				assert_int_equal(
					(q.dim[0].reset_ms + 999) / 1000, q.retry_after_s);
				now += (int64_t)q.retry_after_s * 1000 - 1000;
			} else {
				now += i == 2 ? 1000 : 0;
			}
			/* i 2: a second before; i 3: at the end */
		}
		quota_table_free(&t);
	}
}

/* A charge is admitted only if the clock is in the window that was counted, to the
 * millisecond. */
static void
charge_is_valid_only_in_its_own_window(void **state)
{
	static const struct {
		const char *name;
		enum quota_window_kind kind;
		enum quota_calendar calendar;
		int64_t begins_ms,
			ends_ms; /* end of the window that contains 1790000000; 0: a bucket */
	} rows[] = {
		{ "a minute's bucket", QUOTA_ROLLING, QUOTA_HOUR, 0, 0 },
		{ "an hour", QUOTA_CALENDAR, QUOTA_HOUR, 1789999200000, 1790002800000 },
		{ "a day", QUOTA_CALENDAR, QUOTA_DAY, 1789948800000, 1790035200000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct quota_dim d;
		dim_set(&d, "p", 10, 60, 1);
		d.span.kind = rows[i].kind;
		d.span.calendar = rows[i].calendar;
		d.at = cell_place(&d, 1790000000000, 1);
		int64_t begins = rows[i].begins_ms, ends = rows[i].ends_ms;
		if (rows[i].kind == QUOTA_ROLLING) {
			begins = d.at.bucket * window_width_ms(&d);
			ends = begins + window_width_ms(&d);
		}
		if (cell_in_time(&d, begins - 1) || !cell_in_time(&d, begins) ||
			!cell_in_time(&d, ends - 1) || cell_in_time(&d, ends))
			fail_msg("%s", rows[i].name);
	}
}

/* A peer whose clock is ahead has charged the next bucket, which counts. */
static void
charge_of_a_peer_whose_clock_is_ahead_counts(void **state)
{
	struct quota_table *t = quota_table_new(NULL);
	struct quota_request q;

	(void)state;
	assert_true(reserve_at(t, &q, 10, 60, 6, 1790000004000 + 6060));
	assert_false(reserve_at(t, &q, 10, 60, 5, 1790000004000));
	assert_true(reserve_at(t, &q, 10, 60, 4, 1790000004000));
	quota_table_free(&t);
}

static void
add(struct quota_table *t, const struct quota_dim *d, int64_t bucket, int64_t delta)
{
	struct change c = { .dim = *d, .at.bucket = bucket, .own = delta };

	table_change(t, &c);
}

static void
corrections_apply_to_the_bucket_of_the_charge(void **state)
{
	struct quota_table *t = quota_table_new(NULL);
	struct quota_request q, probe;
	int64_t now = 1790000000000;

	(void)state;
	assert_true(reserve_at(t, &q, 100, 60, 60, now));
	struct quota_dim d = q.dim[0];
	add(t, &d, d.at.bucket, -40);
	reserve_at(t, &probe, 100, 60, 0, now);
	assert_int_equal(probe.dim[0].remaining, 80);
	add(t, &d, d.at.bucket, 70);
	reserve_at(t, &probe, 100, 60, 0, now);
	assert_int_equal(probe.dim[0].remaining, 10);
	/* An increase is also charged to a bucket without a charge. */
	add(t, &d, d.at.bucket + 12, 30);
	reserve_at(t, &probe, 100, 60, 0, now + 12 * 6060);
	assert_int_equal(probe.dim[0].remaining, 70);
	/* A decrease never is: it would hide later charges. */
	add(t, &d, d.at.bucket + 13, -30);
	reserve_at(t, &probe, 100, 60, 0, now + 13 * 6060);
	assert_int_equal(probe.dim[0].remaining, 70);
	/* An old bucket is not confused with the one in its place. */
	add(t, &d, d.at.bucket + 12 - 16, 50);
	reserve_at(t, &probe, 100, 60, 0, now + 13 * 6060);
	assert_int_equal(probe.dim[0].remaining, 70);
	quota_table_free(&t);
}

/* ---- the table, across threads ---- */

enum { THREADS = 3, PER_THREAD = 4000, THREAD_LIMIT = 5000 };

struct teller {
	pthread_t thread;
	struct mailbox mail;
	struct quota *quota;
	struct quota_request q;
	bool waiting;
	uint64_t admitted, refused;
};

static void
told(struct quota_request *q)
{
	struct teller *me = q->arg;

	me->waiting = false;
	if (q->result == QUOTA_ADMITTED)
		me->admitted++;
	else
		me->refused++;
}

static atomic_int tellers_left;

static void *
teller_run(void *arg)
{
	struct teller *me = arg;

	for (int i = 0; i < PER_THREAD; i++) {
		me->q = (struct quota_request){ .ndims = 2, .done = told, .arg = me };
		dim_set(&me->q.dim[0], "all", THREAD_LIMIT, 3600, 1);
		dim_set(&me->q.dim[1], "tokens", 1u << 30, 3600, 10);
		me->q.dim[1].unit = QUOTA_TOKENS;
		me->waiting = true;
		quota_reserve(me->quota, &me->q);
		while (me->waiting)
			if (mailbox_drain(&me->mail, NULL) == 0)
				sched_yield();
		if (me->q.result == QUOTA_ADMITTED && i % 3 == 0)
			settle_tokens(me->quota, &me->q, 4, clock_mono_us());
	}
	atomic_fetch_sub(&tellers_left, 1);
	return NULL;
}

static void
threads_share_a_limit(void **state)
{
	static struct teller tellers[THREADS];
	struct mailbox owner;
	struct metrics m = { 0 };
	uint64_t admitted = 0, refused = 0;

	(void)state;
	mailbox_init(&owner, NULL, NULL);
	struct quota_table *t = quota_table_new(&owner);
	atomic_store(&tellers_left, THREADS);
	for (int i = 0; i < THREADS; i++) {
		mailbox_init(&tellers[i].mail, NULL, NULL);
		tellers[i].quota = quota_new(NULL, t, &tellers[i].mail, &m);
		pthread_create(&tellers[i].thread, NULL, teller_run, &tellers[i]);
	}
	while (atomic_load(&tellers_left) > 0)
		if (mailbox_drain(&owner, NULL) == 0)
			sched_yield();
	for (int i = 0; i < THREADS; i++) {
		pthread_join(tellers[i].thread, NULL);
		admitted += tellers[i].admitted;
		refused += tellers[i].refused;
	}
	while (mailbox_drain(&owner, NULL))
		;
	assert_int_equal(admitted, THREAD_LIMIT);
	assert_int_equal(admitted + refused, THREADS * PER_THREAD);
	for (int i = 0; i < THREADS; i++)
		quota_free(&tellers[i].quota);
	quota_table_free(&t);
}

/* Many callers request the largest number at once, under a limit whose model never ends. Unused
 * amounts are in the counters only for a moment, and no sum of them overflows. */
static void
largest_possible_sums_are_refused(void **state)
{
	enum { SUBS = WINDOW_NEIGHBOURS };
	const int64_t most = INT64_MAX / 4;
	static struct quota_known known;
	struct quota_dim d;
	int64_t near[SUBS] = { 0 }, retry_ms, own, used;

	(void)state;
	dim_set(&d, "big", 100, 60, 1);
	near[3] = near[4] = most;
	struct window_counts c = { .own = 4 * most, .near = near };
	assert_false(window_judge(&d, &c, 0, &retry_ms));
	assert_int_equal(d.remaining, 0);
	d.span.kind = QUOTA_CALENDAR;
	d.unit = QUOTA_TOKENS;
	d.orphan = QUOTA_ORPHAN_DROP;
	d.at.end_s = 60;
	const int64_t read[] = { most, 4 * most, most };
	own = 4 * most;
	cell_sums(&d, false, read, 3, &own, &used);
	assert_int_equal(own, INT64_MAX);
	c = (struct window_counts){ .own = own, .near = &used };
	assert_false(cell_judge(&d, &c, 0, &retry_ms));
	assert_int_equal(d.remaining, 0);
	/* requests of this worker in flight */
	dim_set(&d, "big", 100, 60, (uint64_t)most);
	for (int i = 0; i < 5; i++)
		known_sent(&known, &d, false);
	d.n = 1;
	assert_true(known_ask(&known, &d, 0, KNOWN_FRESH_US, &retry_ms) != KNOWN_ROOM);
}

/* ---- a clock that was wrong ---- */

/* Returns how much of a limit of 50 is admitted at that time, in requests of 1. */
static uint64_t
admitted_at(struct quota_table *t, const struct quota_dim *of, int64_t now_ms)
{
	struct quota_request q;
	uint64_t n = 0;

	for (int i = 0; i < 200; i++) {
		memset(&q, 0, sizeof(q));
		q.ndims = 1;
		q.dim[0] = *of;
		table_reserve(t, &q, now_ms);
		n += q.result == QUOTA_ADMITTED;
	}
	return n;
}

static void
limit_applies_in_each_window_of_a_wrong_clock(void **state)
{
	enum { HOUR_S = 3600, DAY_S = 86400 };
	static const struct {
		const char *name;
		enum quota_window_kind kind;
		enum quota_calendar calendar;
		uint64_t window_s;
		int64_t at_s[6]; /* of the clock, one after the other; 0: no more */
		uint64_t want[6];
	} rows[] = {
		{ "a day, and the clock was 20 days ahead", QUOTA_CALENDAR, QUOTA_DAY, 0,
			{ 20 * DAY_S, 1, 20 * DAY_S + 1, 2 }, { 50, 50, 0, 0 } },
		{ "a day, and the clock was 20 days behind", QUOTA_CALENDAR, QUOTA_DAY, 0,
			{ 1, -20 * DAY_S, 2, -20 * DAY_S + 1 }, { 50, 50, 0, 0 } },
		{ "an hour, and the clock was set five times", QUOTA_CALENDAR, QUOTA_HOUR, 0,
			{ 1, HOUR_S, 9 * HOUR_S, -5 * HOUR_S, 400 * DAY_S, 2 },
			{ 50, 50, 50, 50, 50, 0 } },
		{ "a month, and the clock was a year ahead", QUOTA_CALENDAR, QUOTA_MONTH, 0,
			{ 366 * DAY_S, 1, 2 }, { 50, 50, 0 } },
		{ "a rolling minute, and the clock was 20 days ahead", QUOTA_ROLLING, 0, 60,
			{ 20 * DAY_S, 1, 20 * DAY_S + 1, 2 }, { 50, 50, 0, 0 } },
		{ "a rolling minute, and the clock was 20 days behind", QUOTA_ROLLING, 0, 60,
			{ 1, -20 * DAY_S, 2, -20 * DAY_S + 1 }, { 50, 50, 0, 0 } },
		{ "a rolling day, and the clock was 16 buckets ahead", QUOTA_ROLLING, 0, DAY_S,
			{ 16 * 8726, 1, 16 * 8726 + 1, 2 }, { 50, 50, 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct quota_table *t = quota_table_new(NULL);
		struct quota_dim d;
		dim_set(&d, "wrong", 50, rows[i].window_s, 1);
		d.span.kind = rows[i].kind;
		d.span.calendar = rows[i].calendar;
		d.unit = QUOTA_TOKENS;
		d.hash = 7;
		for (size_t k = 0; k < 6 && rows[i].at_s[k]; k++) {
			int64_t at_ms = (1790000000ll + rows[i].at_s[k]) * 1000;
			uint64_t n = admitted_at(t, &d, at_ms);
			if (n != rows[i].want[k])
				fail_msg("%s: step %zu admitted %llu, not %llu", rows[i].name,
					k, (unsigned long long)n,
					(unsigned long long)rows[i].want[k]);
		}
		quota_table_free(&t);
	}
}

/* The table removes a few entries with each request: here it has gone through all twice. */
static void
clock_that_was_ahead_removes_no_count(void **state)
{
	struct quota_table *t = quota_table_new(NULL);
	struct quota_dim d, other;
	const int64_t now_ms = 1790000000ll * 1000;

	(void)state;
	dim_set(&d, "wrong", 50, 60, 1);
	d.hash = 7;
	other = d;
	strcpy(other.key, "tollgate:q:{other:0123}");
	other.hash = 8;
	assert_int_equal(admitted_at(t, &d, now_ms), 50);
	for (int i = 0; i < 2 * 16384 / 200; i++)
		admitted_at(t, &other, now_ms + 20 * CLOCK_DAY_NS / 1000000);
	assert_int_equal(admitted_at(t, &d, now_ms + 1000), 0);
	quota_table_free(&t);
}

static void
notes_outside_the_window_take_no_memory(void **state)
{
	enum { BUCKET_MS = 6060, BUCKETS = 40, ENTRY = 2048 };
	struct quota_table *t = quota_table_new(NULL);
	struct quota_dim d;
	const size_t before = mallinfo2().uordblks;

	(void)state;
	dim_set(&d, "fast", 1000, 60, 1);
	for (int i = 0; i < BUCKETS; i++) {
		struct quota_request q = { .ndims = 1, .dim = { d } };
		table_reserve(t, &q, 1790000000000 + i * BUCKET_MS);
		assert_int_equal(q.result, QUOTA_ADMITTED);
	}
	assert_true(mallinfo2().uordblks - before <
		    ENTRY + (WINDOW_ROWS + 2) * QUOTA_SLICES * sizeof(int64_t) * 5 / 4);
	quota_table_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_never_holds_more_than_the_limit),
		cmocka_unit_test(settled_amounts_count_as_long_as_others),
		cmocka_unit_test(note_frees_only_the_amount_it_names),
		cmocka_unit_test(callers_get_most_of_the_limit),
		cmocka_unit_test(request_just_before_retry_after_is_refused),
		cmocka_unit_test(window_is_empty_at_its_reported_reset),
		cmocka_unit_test(calendar_limit_admits_at_its_reported_second),
		cmocka_unit_test(charge_is_valid_only_in_its_own_window),
		cmocka_unit_test(charge_of_a_peer_whose_clock_is_ahead_counts),
		cmocka_unit_test(corrections_apply_to_the_bucket_of_the_charge),
		cmocka_unit_test(threads_share_a_limit),
		cmocka_unit_test(largest_possible_sums_are_refused),
		cmocka_unit_test(limit_applies_in_each_window_of_a_wrong_clock),
		cmocka_unit_test(clock_that_was_ahead_removes_no_count),
		cmocka_unit_test(notes_outside_the_window_take_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
