/* Watches the share of each route in two windows: the last 15 minutes, kept minute by minute,
 * and everything before them, which fades with time. No minute is in both windows, so a fall is
 * compared with the earlier share only. */
#include "budget/trends/cached_share.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/scoped.h"
#include "budget/tally/names.h"

#define MINUTE_US   UINT64_C(60000000)
#define MINUTE_FADE 0.998556956 /* 0.5 to the power of 1 / CACHED_SHARE_HALVES_MIN */
#define TIMES_MOST  6

enum { REQUESTS, INPUT, CACHED, PARTS };
static const enum series_value part_series[PARTS] = { SERIES_USAGES, SERIES_INPUT,
	SERIES_CACHED };

/*  well ──(fell, for SURE_MIN << times)──→ fallen ──(back or near, for SURE_MIN; or nothing to
 *   ↑                                         │       be known for a day)
 *   └─────────────────────────────────────────┘
 *
 * If the share falls again within a day, the fall must last twice as long as before. A batch
 * job that runs each hour is therefore reported a few times, and not each hour. */
struct watched_route {
	char name[SERIES_LABEL_BYTES];
	uint64_t sum[PARTS],
		counted[PARTS]; /* the workers' sums, now and at the previous look */
	uint64_t minute[CACHED_SHARE_RECENT_MIN][PARTS];
	double before[PARTS];
	unsigned known_min;   /* minutes since the route was first seen */
	unsigned turning_min; /* minutes for which the share has looked fallen, or back */
	unsigned rest_min;    /* minutes without a known share (fallen), or since the last
			       * fall ended */
	unsigned times;	      /* falls within the last day */
	struct cached_share is;
};

/* owner: the thread that calls cached_shares_look(). Threads that read take the lock. */
struct cached_shares {
	pthread_mutex_t lock;
	uint64_t due_us; /* monotonic, of the next look; 0: there was no look yet */
	size_t at;	 /* index of the newest minute */
	_Atomic size_t n;
	struct watched_route route[CACHED_SHARE_ROUTES + 1]; /* [0]: all other routes */
};

struct cached_shares *
cached_shares_new(void)
{
	struct cached_shares *c = calloc(1, sizeof(*c));

	if (c)
		pthread_mutex_init(&c->lock, NULL);
	return c;
}

void
cached_shares_free(struct cached_shares **c)
{
	if (*c)
		pthread_mutex_destroy(&(*c)->lock);
	free(*c);
	*c = NULL;
}

/* ---- windows ---- */

static void
sum_routes(struct cached_shares *c, const struct tallies *const *t, size_t n)
{
	const struct names names = { .n = &c->n,
		.entries = c->route,
		.size = sizeof(*c->route),
		.room = COUNT_OF(c->route),
		.name_bytes = SERIES_LABEL_BYTES };

	for (size_t i = 0; i < c->n; i++)
		memset(c->route[i].sum, 0, sizeof(c->route[i].sum));
	for (size_t w = 0; w < n; w++) {
		const struct series *s = &t[w]->series;
		size_t entries = atomic_load_explicit(&s->n, memory_order_acquire);
		for (size_t i = 1; i < entries; i++) { /* entry 0 belongs to no route */
			struct watched_route *r = names_entry(
				&names, span_str(s->entry[i].key.label[SERIES_ROUTE]));
			for (size_t p = 0; p < PARTS; p++)
				r->sum[p] += tally_value(&s->entry[i].v[part_series[p]]);
		}
	}
}

/* Moves the window forward. Minutes that leave it are added to `before`, which fades. */
static void
pass_minutes(struct cached_shares *c, uint64_t minutes)
{
	for (; minutes; minutes--) {
		c->at = (c->at + 1) % CACHED_SHARE_RECENT_MIN;
		for (size_t i = 1; i < c->n; i++) {
			struct watched_route *r = &c->route[i];
			for (size_t p = 0; p < PARTS; p++) {
				r->before[p] = r->before[p] * MINUTE_FADE +
					       (double)r->minute[c->at][p];
				r->minute[c->at][p] = 0;
			}
			r->known_min++;
		}
	}
}

/* ---- falls ---- */

static bool
is_enough(const double v[PARTS])
{
	return v[REQUESTS] >= CACHED_SHARE_REQUESTS && v[INPUT] >= CACHED_SHARE_TOKENS;
}

static void
judge_route(struct watched_route *r)
{
	double recent[PARTS] = { 0 };

	for (size_t m = 0; m < CACHED_SHARE_RECENT_MIN; m++)
		for (size_t p = 0; p < PARTS; p++)
			recent[p] += (double)r->minute[m][p];
	bool known = is_enough(recent) && is_enough(r->before) &&
		     r->known_min >= CACHED_SHARE_FIRST_MIN;
	double from = known ? 100 * r->before[CACHED] / r->before[INPUT] : 0,
	       to = known ? 100 * recent[CACHED] / recent[INPUT] : 0;
	bool fell = known && to < from / 2 && from - to >= CACHED_SHARE_POINTS,
	     back = known && (to >= from * 3 / 4 || from - to < CACHED_SHARE_NEAR);

	r->turning_min = (r->is.fallen ? back : fell) ? r->turning_min + 1 : 0;
	if (r->is.fallen) {
		r->is.to = known ? (unsigned)(to + .5) : r->is.to;
		r->rest_min = known ? 0 : r->rest_min + 1;
		if (r->turning_min < CACHED_SHARE_SURE_MIN &&
			r->rest_min < CACHED_SHARE_DAY_MIN)
			return;
		r->is.fallen = false;
		r->turning_min = r->rest_min = 0;
		return;
	}
	r->times = ++r->rest_min > CACHED_SHARE_DAY_MIN ? 0 : r->times;
	if (r->turning_min < (unsigned)CACHED_SHARE_SURE_MIN << r->times)
		return;
	r->is = (struct cached_share){ true, (unsigned)(from + .5), (unsigned)(to + .5) };
	r->times += r->times < TIMES_MOST;
	r->turning_min = r->rest_min = 0;
}

void
cached_shares_look(
	struct cached_shares *c, const struct tallies *const *t, size_t n, uint64_t now_us)
{
	if (now_us < c->due_us)
		return;
	/* If the machine slept for longer than `most` minutes, earlier values have faded to
	 * nothing. */
	uint64_t passed = c->due_us ? 1 + (now_us - c->due_us) / MINUTE_US : 0,
		 most = 20 * CACHED_SHARE_HALVES_MIN;
	SCOPED_LOCK(&c->lock);
	c->due_us = c->due_us ? c->due_us + passed * MINUTE_US : now_us + MINUTE_US;
	sum_routes(c, t, n);
	pass_minutes(c, passed < most ? passed : most);
	for (size_t i = 1; i < c->n; i++) {
		struct watched_route *r = &c->route[i];
		for (size_t p = 0; p < PARTS; p++) {
			INVARIANT(r->sum[p] >= r->counted[p]); /* workers' tables only grow */
			r->minute[c->at][p] += r->sum[p] - r->counted[p];
			r->counted[p] = r->sum[p];
		}
		if (passed)
			judge_route(r);
	}
}

bool
cached_shares_of(struct cached_shares *c, const char *route, struct cached_share *out)
{
	char name[SERIES_LABEL_BYTES];
	bool found = false;

	snprintf(
		name, sizeof(name), "%s", route); /* labels of series are cut in the same way */
	SCOPED_LOCK(&c->lock);
	for (size_t i = 1; i < c->n && !found; i++) {
		found = !strcmp(c->route[i].name, name);
		if (found)
			*out = c->route[i].is;
	}
	return found;
}
