/* State of targets that daemons share: the texts, which change wins, what is accepted, and one
 * probe for all daemons. The same through a Redis, with foreign content and while it is
 * unavailable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/stops.h"
#include "gate/targets/entry.h"
#include "gate/targets/rank.h"
#include "gate/targets/share.h"
#include "gate/targets/sync.h"
#include "support/redis_rig.h"
#include "support/temp_dir.h"

#define S   1000000ull
#define NOW (1000000 * S) /* Redis' clock in the rows */

static const struct target the_target = {
	.name = "a", .model = "m", .breaker = { .on = true, .failures = 2, .open_us = 5 * S }
};

/* A daemon: its table, what it has learned, and its own clock. */
struct one {
	struct target_table *table;
	struct target_known known;
	const char *node;
	int64_t offset_us;
	int64_t error_us; /* error of its estimated offset */
};
static struct one x, y;
static uint64_t redis_now;
static char callers_text[CALLERS_TEXT_BYTES];
static struct target_facts written; /* the content of Redis */

static uint64_t
now_of(const struct one *d)
{
	return (uint64_t)((int64_t)redis_now - d->offset_us);
}

static struct target_state *
target_of(struct one *d)
{
	return target_state(d->table, "a", "m");
}

static enum target_condition
condition(struct one *d)
{
	return target_condition(target_of(d), true, now_of(d), NULL, NULL);
}

static int
two(void **state)
{
	(void)state;
	target_table_free(&x.table);
	target_table_free(&y.table);
	x = (struct one){ .table = target_table_new(), .node = "x", .offset_us = 17 * S };
	y = (struct one){
		.table = target_table_new(), .node = "y", .offset_us = -999 * (int64_t)S
	};
	redis_now = NOW;
	written = (struct target_facts){ 0 };
	callers_text[0] = 0;
	return x.table && y.table ? 0 : -1;
}

static int
none(void **state)
{
	(void)state;
	target_table_free(&x.table);
	target_table_free(&y.table);
	return 0;
}

/* The text passes through writing and reading. Returns false if nothing was written. */
static bool
turn(struct one *d)
{
	const struct target_sharing w = { .table = d->table,
		.node = d->node,
		.now_us = now_of(d),
		.offset_us = d->offset_us + d->error_us };
	struct buf text, callers;

	buf_init(&callers, CALLERS_TEXT_BYTES);
	assert_int_equal(
		target_share_callers(&w, target_of(d), span_str(callers_text), &callers), 0);
	if (callers.n)
		snprintf(callers_text, sizeof(callers_text), "%.*s", (int)callers.n,
			buf_view(&callers).p);
	buf_free(&callers);
	if (!target_share(&w, target_of(d), &d->known, &written))
		return false;
	buf_init(&text, FACTS_TEXT_BYTES);
	target_facts_write(&d->known.facts, &text);
	assert_int_equal(target_facts_read(buf_view(&text), redis_now, &written), 0);
	buf_free(&text);
	return true;
}

static void
ends(struct one *d, const struct target_end *e)
{
	struct target_attempt a;

	assert_int_equal(
		target_begin(&a, target_of(d), &the_target, NULL, now_of(d)), TARGET_BEGUN);
	target_over(&a, e, now_of(d));
}

static void
fails(struct one *d, int times)
{
	while (times--)
		ends(d, &(struct target_end){ .cause = CAUSE_PERHAPS_BILLED, .status = 500 });
}

static void
succeeds(struct one *d)
{
	ends(d, &(struct target_end){ .cause = CAUSE_DONE, .status = 200 });
}

/* A request learns the state. */
static enum target_out
ranked(struct one *d)
{
	struct rank_target t = { .target = &the_target, .state = target_of(d) };
	struct policy_rank out;

	targets_rank(&(struct rank_ask){ .now_us = now_of(d), .random = 1 }, &t, 1, &out);
	return out.out;
}

static void
by_hand(struct one *d, bool eject)
{
	struct target_state *s = target_of(d);

	assert_true((eject ? target_eject : target_admit)(d->table, SPAN_LIT("a/m")));
	atomic_store(&s->by_hand, now_of(d) << 1 | eject);
}

/* ---- texts ---- */

static void
invalid_target_text_is_refused(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{ "1", true },
		{ "1 h:5:1:0:n", true },
		{ "1 o:999999999999:1000300000000:33:node-1.x_y t:5:7:0:n k:5:0:0:n", true },
		{ "", false },
		{ "2 h:5:1:0:n", false },
		{ "11", false },
		{ "1 ", false },
		{ "1  h:5:1:0:n", false },
		{ "1 h:5:1:0:n ", false },
		{ "1 x:5:1:0:n", false },
		{ "1 hh:5:1:0:n", false },
		{ "1 h:5:1:0:n h:6:0:0:n", false }, /* twice */
		{ "1 h:0:1:0:n", false },	    /* a change without a time */
		{ "1 h:5:2:0:n", false },
		{ "1 h:5:1:1:n", false },
		{ "1 h:5:1:0:", false },
		{ "1 h:5:1:0", false },
		{ "1 h:5:1:0:a:b", false },
		{ "1 h:-5:1:0:n", false },
		{ "1 h:5:1:0:a\nb", false },
		{ "1 h:18446744073709551615:1:0:n",
			false },		      /* no later change could follow it */
		{ "1 h:1000061000000:1:0:n", false }, /* in the future */
		{ "1 o:5:1000400000000:2:n", false }, /* a pause longer than any possible one */
		{ "1 t:5:1000200000000:0:n", false },
		{ "1 o:5:6:64:n", false },
		{ "1 h:5:1:0:"
		  "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
			false },
	};
	struct target_facts f, empty = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int err = target_facts_read(span_str(rows[i].text), NOW, &f);
		if (!err != rows[i].ok)
			fail_msg("%s: %d", rows[i].text, err);
		if (err)
			assert_memory_equal(&f, &empty, sizeof(f));
	}
	assert_int_equal(target_facts_read(SPAN_LIT("1 h:5:1:0:n\0"), NOW, &f), ERR_SYNTAX);
}

static void
written_text_is_read_and_cut_text_is_refused_or_different(void **state)
{
	const char *text = "1 h:5:1:0:n o:999999999999:1000300000000:33:node-1 "
			   "t:999999999999:1000060000000:0:n k:7:0:0:n";
	struct target_facts f;
	struct buf out;

	(void)state;
	buf_init(&out, FACTS_TEXT_BYTES);
	assert_int_equal(target_facts_read(span_str(text), NOW, &f), 0);
	target_facts_write(&f, &out);
	assert_true(span_is(buf_view(&out), text));
	for (size_t n = 0; n < strlen(text); n++) {
		struct buf again;
		if (target_facts_read(span_of(text, n), NOW, &f))
			continue;
		buf_init(&again, FACTS_TEXT_BYTES);
		target_facts_write(&f, &again);
		assert_true(span_eq(buf_view(&again), span_of(text, n)));
		buf_free(&again);
	}
	buf_free(&out);
}

/* ---- shared changes ---- */

static void
target_failing_at_one_daemon_rests_at_the_other(void **state)
{
	uint64_t there, here;

	(void)state;
	assert_false(turn(&x)); /* nothing to write */
	fails(&x, 2);
	assert_int_equal(condition(&x), TARGET_OPEN);
	assert_true(turn(&x));
	redis_now += S;
	assert_false(turn(&y));
	assert_int_equal(condition(&y), TARGET_OPEN);
	target_condition(target_of(&x), true, now_of(&x), &there, NULL);
	target_condition(target_of(&y), true, now_of(&y), &here, NULL);
	assert_int_equal(there - now_of(&x),
		here - now_of(&y)); /* the clocks differ, the times do not */
	assert_false(turn(&x));
	/* the second opening, known to both daemons, lasts twice as long */
	redis_now += 10 * S;
	fails(&y, 1);
	target_condition(target_of(&y), true, now_of(&y), &here, NULL);
	assert_true(here - now_of(&y) >= 8 * S);
	turn(&y);
	turn(&x);
	assert_int_equal(condition(&x), TARGET_OPEN);
	/* a closed breaker is closed at all daemons, with a ramp */
	redis_now += 20 * S;
	succeeds(&x);
	succeeds(&x);
	assert_int_equal(condition(&x), TARGET_RAMP);
	turn(&x);
	turn(&y);
	assert_int_equal(condition(&y), TARGET_RAMP);
	assert_false(turn(&x));
	assert_false(turn(&y));
}

static void
target_working_here_does_not_rest_for_another_daemon(void **state)
{
	(void)state;
	succeeds(&y);
	fails(&x, 2);
	turn(&x);
	assert_false(turn(&y));
	assert_int_equal(condition(&y), TARGET_CLOSED);
	assert_false(turn(&x)); /* the state stays with its daemon */
	assert_int_equal(condition(&x), TARGET_OPEN);
	/* nor because of an invalid key of another daemon */
	two(NULL);
	succeeds(&y);
	ends(&x, &(struct target_end){
			 .cause = CAUSE_REFUSED_US, .status = 401, .our_key = true });
	turn(&x);
	turn(&y);
	assert_int_equal(condition(&y), TARGET_CLOSED);
	assert_int_equal(condition(&x), TARGET_OUT);
}

static void
refused_and_restored_keys_are_shared(void **state)
{
	(void)state;
	ends(&x, &(struct target_end){
			 .cause = CAUSE_REFUSED_US, .status = 401, .our_key = true });
	turn(&x);
	turn(&y);
	assert_int_equal(condition(&y), TARGET_OUT);
	target_reloaded(y.table, "a");
	turn(&y);
	turn(&x);
	assert_int_equal(condition(&x), TARGET_CLOSED);
}

static void
longest_requested_wait_applies_to_all(void **state)
{
	uint64_t us;

	(void)state;
	succeeds(&y); /* the wait belongs to the account, so successes do not end it */
	ends(&x, &(struct target_end){
			 .cause = CAUSE_THROTTLED, .status = 429, .asked_us = 30 * S });
	ends(&y, &(struct target_end){
			 .cause = CAUSE_THROTTLED, .status = 429, .asked_us = 2 * S });
	turn(&x);
	redis_now += S;
	for (int i = 0; i < 3; i++) {
		turn(&y);
		turn(&x);
	}
	assert_int_equal(condition(&y), TARGET_THROTTLED);
	target_condition(target_of(&y), true, now_of(&y), &us, NULL);
	assert_int_equal(us - now_of(&y), 29 * S);
	assert_false(turn(&x) || turn(&y));
}

static void
latest_manual_change_applies_to_all(void **state)
{
	(void)state;
	by_hand(&x, true);
	turn(&x);
	turn(&y);
	assert_int_equal(condition(&y), TARGET_BY_HAND);
	assert_true(target_any_ejected(y.table));
	/* a daemon that starts */
	target_table_free(&y.table);
	y = (struct one){ .table = target_table_new(), .node = "y" };
	assert_false(turn(&y));
	assert_int_equal(condition(&y), TARGET_BY_HAND);
	by_hand(&y, false);
	turn(&y);
	turn(&x);
	assert_int_equal(condition(&x), TARGET_CLOSED);
	assert_false(target_any_ejected(x.table));
	/* admitted before the other daemon's ejection was known */
	by_hand(&x, true);
	turn(&x);
	redis_now += S / 2;
	by_hand(&y, false);
	turn(&y);
	turn(&x);
	assert_int_equal(condition(&x), TARGET_CLOSED);
}

static void
last_change_of_provider_or_model_applies(void **state)
{
	static const struct {
		const char *said[3]; /* -: ejected, +: admitted */
		bool out;
	} rows[] = { { { "-a", "+a/m" }, false }, { { "-a", "+a/m", "-a" }, true },
		{ { "-a/m", "-a", "+a/m" }, false }, { { "-a/m", "-a", "+a" }, false },
		{ { "-a", "+a", "-a/m" }, true }, { { "-a", "+a/m", "+a" }, false } };

	(void)state;
	target_of(&x);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (size_t k = 0; k < 3 && rows[i].said[k]; k++) {
			const char *name = rows[i].said[k] + 1;
			(rows[i].said[k][0] == '-' ? target_eject : target_admit)(
				x.table, span_str(name));
			usleep(10);
		}
		assert_int_equal(condition(&x), rows[i].out ? TARGET_BY_HAND : TARGET_CLOSED);
		target_admit(x.table, SPAN_LIT("a"));
		assert_false(target_any_ejected(x.table));
		usleep(10);
	}
}

/* Each daemon receives the other's change late. */
static void
later_change_applies_however_late_it_is_shared(void **state)
{
	for (int i = 0; i < 8; i++) {
		bool ejects = i & 1, x_first = i & 2, x_shares_last = i & 4;
		struct one *first = x_first ? &x : &y, *later = x_first ? &y : &x;
		two(state);
		if (!ejects) { /* both daemons know an older change */
			by_hand(&x, false);
			turn(&x);
			turn(&y);
			redis_now += S;
		}
		by_hand(first, !ejects);
		redis_now += S / 2;
		by_hand(later, ejects);
		redis_now += S / 3;
		turn(x_shares_last ? &y : &x);
		turn(x_shares_last ? &x : &y);
		redis_now += S;
		turn(&x);
		turn(&y);
		assert_int_equal(condition(&x), ejects ? TARGET_BY_HAND : TARGET_CLOSED);
		assert_int_equal(condition(&y), condition(&x));
		assert_false(turn(&x) || turn(&y));
	}
}

/* The daemon receives Redis' reply to TIME this much later than Redis sent it. */
static void
waits_for_redis(struct one *d, uint64_t wait_us)
{
	int64_t was = d->offset_us + d->error_us;
	uint64_t sent_us = now_of(d);

	d->error_us = target_offset(&was, sent_us, sent_us + wait_us, redis_now) - d->offset_us;
}

/* A daemon that had to wait for a processor counts half of the wait as travel time. */
static void
later_change_applies_after_a_delayed_turn(void **state)
{
	static const uint64_t pauses_us[] = { 1, 1000, 50000, 200000 };

	for (size_t i = 0; i < COUNT_OF(pauses_us); i++)
		for (int ejects = 0; ejects < 2; ejects++) {
			two(state);
			if (!ejects) {
				by_hand(&x, false);
				turn(&x);
				turn(&y);
				redis_now += S;
			}
			by_hand(&x, !ejects);
			turn(&x);
			redis_now += pauses_us[i];
			by_hand(&y, ejects);
			waits_for_redis(&y, S / 2);
			turn(&y);
			redis_now += S;
			waits_for_redis(&y, 100);
			turn(&x);
			turn(&y);
			assert_int_equal(
				condition(&x), ejects ? TARGET_BY_HAND : TARGET_CLOSED);
			assert_int_equal(condition(&y), condition(&x));
		}
}

static void
offset_changes_only_as_far_as_a_reply_proves(void **state)
{
	static const struct {
		int64_t was;
		uint64_t sent_us, got_us, redis_us;
		int64_t want;
	} rows[] = {
		{ 500, 1000, 1200, 1600, 500 }, /* 400 to 600 are possible */
		{ 400, 1000, 1200, 1600, 400 },
		{ 399, 1000, 1200, 1600, 400 },
		{ 700, 1000, 1200, 1600, 600 },
		{ -100, 1000, 1000, 900, -100 },
		{ 0, 1000, 1000, 900, -100 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(target_offset(&rows[i].was, rows[i].sent_us, rows[i].got_us,
					 rows[i].redis_us),
			rows[i].want);
	assert_int_equal(target_offset(NULL, 1000, 1200, 1600), 500);
}

/* A manual change while a turn has the earlier content of Redis. */
static void
admits_meanwhile(const char *point)
{
	if (strcmp(point, "target-obeys") != 0)
		return;
	stops_hook = NULL;
	by_hand(&y, false);
}

static void
change_during_a_turn_is_not_overwritten(void **state)
{
	(void)state;
	by_hand(&x, true);
	turn(&x);
	redis_now += S / 10;
	stops_hook = admits_meanwhile;
	turn(&y);
	assert_null(stops_hook);
	assert_int_equal(condition(&y), TARGET_CLOSED);
	turn(&y);
	turn(&x);
	assert_int_equal(condition(&x), TARGET_CLOSED);
	assert_int_equal(condition(&y), TARGET_CLOSED);
	assert_false(target_any_ejected(x.table) || target_any_ejected(y.table));
}

/* The time of the ejection is limited to the turn in which it was read. Otherwise no change
 * made here would apply. */
static void
ejection_by_a_clock_ahead_can_be_reversed(void **state)
{
	struct target_state *provider = target_state(x.table, "a", NULL);
	const struct target_sharing w = {
		.table = x.table, .node = "x", .now_us = now_of(&x), .offset_us = x.offset_us
	};
	struct target_known known = { .seen = { 0 } };
	struct target_facts found;

	(void)state;
	target_of(&x);
	assert_int_equal(
		target_facts_read(SPAN_LIT("1 h:1000030000000:1:0:z"), redis_now, &found), 0);
	target_share(&w, provider, &known, &found);
	assert_int_equal(condition(&x), TARGET_BY_HAND);
	redis_now += S;
	by_hand(&x, false);
	assert_int_equal(condition(&x), TARGET_CLOSED);
}

static void
admit_overrides_the_state_of_another_daemon(void **state)
{
	(void)state;
	fails(&x, 2);
	turn(&x);
	redis_now += S / 2;
	by_hand(&y, false); /* before it was known */
	turn(&y);
	turn(&x);
	assert_true(condition(&x) <= TARGET_RAMP);
	assert_int_equal(condition(&y), TARGET_CLOSED);
}

static void
lost_or_outdated_state_in_redis_is_written_again(void **state)
{
	struct target_facts old;

	(void)state;
	by_hand(&x, true);
	turn(&x);
	old = written;
	written = (struct target_facts){ 0 };
	assert_true(turn(&x));
	redis_now += S;
	by_hand(&x, false);
	turn(&x);
	turn(&y);
	written = old;
	assert_true(turn(&y));
	assert_int_equal(condition(&y), TARGET_CLOSED);
	assert_false(turn(&x));
}

static void
redis_with_a_clock_behind_changes_nothing(void **state)
{
	(void)state;
	by_hand(&x, true);
	turn(&x);
	written = (struct target_facts){ 0 };
	redis_now -= 7200 * S;
	x.offset_us -= 7200 * (int64_t)S;
	y.offset_us -= 7200 * (int64_t)S;
	assert_true(turn(&x));
	turn(&y);
	assert_int_equal(condition(&y), TARGET_BY_HAND);
	by_hand(&y, false);
	turn(&y);
	turn(&x);
	assert_int_equal(condition(&x), TARGET_CLOSED);
}

static void
old_open_state_does_not_affect_a_starting_daemon(void **state)
{
	(void)state;
	fails(&x, 2);
	turn(&x);
	redis_now += 3600 * S;
	turn(&y);
	assert_int_equal(condition(&y), TARGET_CLOSED);
}

/* ---- one probe for all ---- */

static void
only_the_daemon_with_the_lease_probes(void **state)
{
	(void)state;
	fails(&x, 2);
	turn(&x);
	turn(&y);
	redis_now += 10 * S;
	assert_int_equal(condition(&y),
		TARGET_PROBE_DUE); /* if Redis is unavailable, each daemon probes */
	target_leases(target_of(&x), now_of(&x) + 2 * S);
	target_leases(target_of(&y), now_of(&y) + 2 * S);
	assert_int_equal(condition(&x), TARGET_PROBED);
	assert_int_equal(condition(&y), TARGET_PROBED);
	assert_false(
		target_wants_lease(target_of(&y), now_of(&y))); /* no request needs the lease */
	assert_int_equal(ranked(&y), TARGET_EJECTED);
	assert_true(target_wants_lease(target_of(&y), now_of(&y)));
	target_leased(target_of(&y), now_of(&y) + 29 * S);
	assert_false(target_wants_lease(target_of(&y), now_of(&y)));
	assert_int_equal(ranked(&y), TARGET_IN);
	assert_int_equal(ranked(&x), TARGET_EJECTED);
	assert_false(target_lease_over(target_of(&y), now_of(&y)));
	succeeds(&y);
	assert_int_equal(condition(&y), TARGET_PROBE_DUE); /* the second of two probes */
	succeeds(&y);
	assert_true(target_lease_over(target_of(&y), now_of(&y)));
	assert_false(target_lease_over(target_of(&y), now_of(&y)));
}

static void
unused_lease_is_returned(void **state)
{
	struct target_attempt a;

	(void)state;
	fails(&x, 2);
	redis_now += 4 * S - S / 2;
	ranked(&x);
	redis_now += S / 2;
	assert_true(
		target_wants_lease(target_of(&x), now_of(&x) + 2 * S)); /* within one turn */
	redis_now += 2 * S;
	target_leased(target_of(&x), now_of(&x) + 29 * S);
	assert_int_equal(
		target_begin(&a, target_of(&x), &the_target, NULL, now_of(&x)), TARGET_BEGUN);
	redis_now += 10 * S;
	assert_false(target_lease_over(target_of(&x), now_of(&x))); /* the probe is in flight */
	target_over(&a, &(struct target_end){ .cause = CAUSE_ABORTED }, now_of(&x));
	assert_true(target_lease_over(target_of(&x), now_of(&x)));
}

/* ---- through a Redis ---- */

static struct redis_rig redis;
static struct metrics metrics;
static struct target_sync *xs, *ys;

static struct target_sync *
begins(struct one *d)
{
	struct redis_options o;
	struct buf why;

	buf_init(&why, 4096);
	assert_int_equal(redis_options_url(&o, redis.url), 0);
	target_of(d);
	struct target_sync *s = target_sync_start(d->table, d->node, &o, &metrics, &why);
	assert_non_null(s);
	target_sync_first(s, 30 * S);
	buf_free(&why);
	return s;
}

static bool
becomes(struct one *d, enum target_condition c)
{
	for (int i = 0; i < 3000; i++) {
		if (target_condition(target_of(d), true, clock_mono_us(), NULL, NULL) == c)
			return true;
		usleep(10000);
	}
	return false;
}

static int
with_redis(void **state)
{
	if (two(state) || temp_dir_make(state))
		return -1;
	if (redis_rig_installed()) {
		redis_rig_start(&redis, dir);
		xs = begins(&x);
		ys = begins(&y);
	}
	return 0;
}

static int
without(void **state)
{
	target_sync_stop(&xs);
	target_sync_stop(&ys);
	redis_rig_stop(&redis);
	none(state);
	return temp_dir_remove(state);
}

#define NEEDS_REDIS                                                                            \
	(void)state;                                                                           \
	if (!redis_rig_installed()) {                                                          \
		print_message("SKIP: redis-server is not installed\n");                        \
		skip();                                                                        \
	}

static void
daemons_share_state_through_redis(void **state)
{
	NEEDS_REDIS;
	target_eject(x.table, SPAN_LIT("a/m"));
	target_sync_soon(xs);
	assert_true(becomes(&y, TARGET_BY_HAND));
	assert_true(redis_rig_do(&redis, "TTL " TARGET_FACTS_KEY "a/m") > 2600000);
	/* a starting daemon knows the state after its first read */
	target_sync_stop(&ys);
	target_table_free(&y.table);
	y.table = target_table_new();
	ys = begins(&y);
	assert_int_equal(target_condition(target_of(&y), true, clock_mono_us(), NULL, NULL),
		TARGET_BY_HAND);
	target_admit(y.table, SPAN_LIT("a/m"));
	assert_true(becomes(&x, TARGET_CLOSED));
}

static void
foreign_content_in_redis_is_counted_and_replaced(void **state)
{
	NEEDS_REDIS;
	uint64_t before = atomic_load(&metrics.v[M_TARGETS_JUNK]);
	redis_rig_do(&redis, "DEL " TARGET_FACTS_KEY "a/m");
	redis_rig_do(&redis, "LPUSH " TARGET_FACTS_KEY "a/m x");
	for (int i = 0; i < 3000 && atomic_load(&metrics.v[M_TARGETS_JUNK]) == before; i++)
		usleep(10000);
	assert_true(atomic_load(&metrics.v[M_TARGETS_JUNK]) > before);
	/* although no daemon has a change to write */
	for (int i = 0; i < 3000; i++, usleep(10000))
		if (redis_rig_do(&redis, "STRLEN " TARGET_FACTS_KEY "a/m") == 1)
			break;
	assert_int_equal(redis_rig_do(&redis, "STRLEN " TARGET_FACTS_KEY "a/m"), 1);
	redis_rig_do(&redis, "SETRANGE " TARGET_FACTS_KEY "a/m 5000000 x");
	target_eject(x.table, SPAN_LIT("a/m"));
	assert_true(becomes(&y, TARGET_BY_HAND));
}

static void
only_one_daemon_has_the_lease(void **state)
{
	uint64_t now = clock_mono_us();

	NEEDS_REDIS;
	for (int i = 0; i < 2; i++) {
		struct target_attempt a;
		target_begin(&a, target_of(&x), &the_target, NULL, now - 20 * S);
		target_over(
			&a, &(struct target_end){ .cause = CAUSE_NEVER_SENT }, now - 20 * S);
	}
	assert_true(becomes(&y, TARGET_PROBED));
	for (int i = 0; i < 3000; i++) {
		struct rank_target t = { .target = &the_target };
		struct policy_rank in[2];
		struct one *d[2] = { &x, &y };
		for (int k = 0; k < 2; k++) {
			t.state = target_of(d[k]);
			targets_rank(
				&(struct rank_ask){ .now_us = clock_mono_us() }, &t, 1, &in[k]);
		}
		assert_true(in[0].out != TARGET_IN || in[1].out != TARGET_IN);
		if (in[0].out == TARGET_IN || in[1].out == TARGET_IN)
			i = i < 2700 ? 2700 : i; /* nor the other daemon in its next turns */
		else
			assert_true(i < 2700);
		usleep(10000);
	}
	assert_true(target_wants_lease(target_of(&x), clock_mono_us()) !=
		    target_wants_lease(target_of(&y), clock_mono_us()));
}

static void
daemons_continue_alone_without_redis(void **state)
{
	NEEDS_REDIS;
	redis_rig_stop(&redis);
	target_eject(x.table, SPAN_LIT("a/m"));
	usleep(1200000); /* one turn, which changes nothing */
	assert_true(becomes(&x, TARGET_BY_HAND));
	assert_true(becomes(&y, TARGET_CLOSED));
	redis_rig_start(&redis, dir); /* empty */
	assert_true(becomes(&y, TARGET_BY_HAND));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invalid_target_text_is_refused),
		cmocka_unit_test(written_text_is_read_and_cut_text_is_refused_or_different),
#define ROW(f) cmocka_unit_test_setup_teardown(f, two, none)
		ROW(target_failing_at_one_daemon_rests_at_the_other),
		ROW(target_working_here_does_not_rest_for_another_daemon),
		ROW(refused_and_restored_keys_are_shared),
		ROW(longest_requested_wait_applies_to_all),
		ROW(latest_manual_change_applies_to_all),
		ROW(last_change_of_provider_or_model_applies),
		ROW(later_change_applies_however_late_it_is_shared),
		ROW(later_change_applies_after_a_delayed_turn),
		ROW(offset_changes_only_as_far_as_a_reply_proves),
		ROW(change_during_a_turn_is_not_overwritten),
		ROW(ejection_by_a_clock_ahead_can_be_reversed),
		ROW(admit_overrides_the_state_of_another_daemon),
		ROW(lost_or_outdated_state_in_redis_is_written_again),
		ROW(redis_with_a_clock_behind_changes_nothing),
		ROW(old_open_state_does_not_affect_a_starting_daemon),
		ROW(only_the_daemon_with_the_lease_probes),
		ROW(unused_lease_is_returned),
#define REDIS(f) cmocka_unit_test_setup_teardown(f, with_redis, without)
		REDIS(daemons_share_state_through_redis),
		REDIS(foreign_content_in_redis_is_counted_and_replaced),
		REDIS(only_one_daemon_has_the_lease),
		REDIS(daemons_continue_alone_without_redis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
