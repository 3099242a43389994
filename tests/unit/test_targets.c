/* The table of targets: its state after attempts, with a clock that the tests set. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/caps.h"
#include "base/clock.h"
#include "gate/targets/state.h"

#define S 1000000ull
static struct target_table *table;
static uint64_t now;
static const struct target with_breaker = {
	.name = "a", .model = "m", .breaker = { .on = true, .failures = 5, .open_us = 5 * S }
};
static const struct target without = { .name = "a", .model = "m" };

static int
fresh(void **state)
{
	(void)state;
	target_table_free(&table);
	table = target_table_new();
	now = 1000 * S;
	return table ? 0 : -1;
}

static int
gone(void **state)
{
	(void)state;
	target_table_free(&table);
	return 0;
}

static struct target_state *
a_target(void)
{
	return target_state(table, "a", "m");
}

static enum target_condition
condition(void)
{
	return target_condition(a_target(), true, now, NULL, NULL);
}

/* One attempt that begins and ends now. */
static enum target_begun
ends(const struct target *t, enum attempt_cause cause, int status, bool our_key, uint64_t asked)
{
	struct target_attempt a;
	enum target_begun b = target_begin(&a, a_target(), t, NULL, now);

	if (b == TARGET_BEGUN)
		target_over(&a,
			&(struct target_end){ .cause = cause,
				.status = status,
				.our_key = our_key,
				.asked_us = asked },
			now);
	return b;
}

static void
fails(int times)
{
	while (times--)
		ends(&with_breaker, CAUSE_PERHAPS_BILLED, 500, false, 0);
}

static enum target_begun
succeeds(void)
{
	return ends(&with_breaker, CAUSE_DONE, 200, false, 0);
}

static uint64_t
back(void)
{
	uint64_t us;

	target_condition(a_target(), true, now, &us, NULL);
	return us;
}

/* ---- names ---- */

static void
entry_is_found_by_provider_and_model(void **state)
{
	(void)state;
	struct target_state *s = target_state(table, "a", "m");
	assert_ptr_equal(s, target_state(table, "a", "m"));
	assert_string_equal(target_name(s), "a/m");
	assert_ptr_not_equal(s, target_state(table, "a", "n"));
	assert_ptr_not_equal(s, target_state(table, "b", "m"));
	assert_string_equal(target_name(target_state(table, "a", NULL)), "a");
	assert_ptr_equal(target_state(table, "a", ""), target_state(table, "a", NULL));
}

static void
targets_over_the_limit_share_an_entry_that_is_never_out(void **state)
{
	char name[32];

	(void)state;
	for (int i = 0; i < CAP_TARGETS + 20; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		target_state(table, name, NULL);
	}
	struct target_state *s = target_state(table, "further", "m");
	assert_ptr_equal(s, target_state(table, "other", "n"));
	for (int i = 0; i < 30; i++) {
		struct target_attempt a;
		assert_int_equal(target_begin(&a, s, &with_breaker, NULL, now), TARGET_BEGUN);
		target_over(&a,
			&(struct target_end){
				.cause = CAUSE_REFUSED_US, .our_key = true, .status = 401 },
			now);
	}
	assert_int_equal(target_condition(s, true, now, NULL, NULL), TARGET_CLOSED);
	assert_false(target_eject(table, SPAN_LIT("further/m")));
}

static void
too_long_name_has_no_entry_of_its_own(void **state)
{
	char name[2 * TARGET_NAME_BYTES];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = 0;
	assert_string_equal(target_name(target_state(table, "a", name)), "other");
	assert_false(target_eject(table, span_str(name)));
}

/* ---- the breaker ---- */

static void
breaker_opens_after_five_consecutive_failures(void **state)
{
	(void)state;
	fails(4);
	succeeds();
	fails(4);
	assert_int_equal(condition(), TARGET_CLOSED);
	fails(1);
	assert_int_equal(condition(), TARGET_OPEN);
	assert_int_equal(succeeds(), TARGET_NO_PROBE);
	assert_in_range(back() - now, 4 * S, 6 * S);
}

/* Each row states the effect of one more end after four failures. */
static void
breaker_counts_only_failures_of_the_target(void **state)
{
	static const struct {
		const char *what;
		enum attempt_cause cause;
		int status;
		bool our_key, quiet;
		uint64_t asked;
		enum target_condition after;
	} rows[] = {
		{ "never sent is a failure", CAUSE_NEVER_SENT, 503, false, false, 0,
			TARGET_OPEN },
		{ "a cut is one", CAUSE_PERHAPS_BILLED, 0, false, false, 0, TARGET_OPEN },
		{ "a 429 that names no time is one", CAUSE_THROTTLED, 429, false, false, 0,
			TARGET_OPEN },
		{ "a 429 that names one only throttles", CAUSE_THROTTLED, 429, false, false, S,
			TARGET_THROTTLED },
		{ "a 401 puts it out", CAUSE_REFUSED_US, 401, true, false, 0, TARGET_OUT },
		{ "a 403 that names no key is a failure", CAUSE_REFUSED_US, 403, false, false,
			0, TARGET_OPEN },
		{ "a model that is not there is none", CAUSE_REFUSED_US, 404, false, false, 0,
			TARGET_CLOSED },
		{ "the caller's own 4xx is none", CAUSE_FINAL, 400, false, false, 0,
			TARGET_CLOSED },
		{ "a caller who went away is none", CAUSE_ABORTED, 0, false, false, 0,
			TARGET_CLOSED },
		{ "a failed count_tokens is none", CAUSE_PERHAPS_BILLED, 500, false, true, 0,
			TARGET_CLOSED },
		{ "a refused key of count_tokens is none", CAUSE_REFUSED_US, 401, true, true, 0,
			TARGET_CLOSED },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct target_attempt a;
		fresh(state);
		fails(4);
		target_begin(&a, a_target(), &with_breaker, NULL, now);
		a.quiet = rows[i].quiet;
		target_over(&a,
			&(struct target_end){ .cause = rows[i].cause,
				.status = rows[i].status,
				.our_key = rows[i].our_key,
				.asked_us = rows[i].asked },
			now);
		if (condition() != rows[i].after)
			fail_msg("%s", rows[i].what);
	}
}

static void
breaker_opens_if_half_of_twenty_attempts_fail(void **state)
{
	(void)state;
	for (int i = 0; i < 9; i++) {
		succeeds();
		fails(1);
	}
	fails(1);
	assert_int_equal(condition(), TARGET_CLOSED);
	fails(1);
	assert_int_equal(condition(), TARGET_OPEN_SHARE);
}

static void
failures_older_than_ten_seconds_do_not_count(void **state)
{
	(void)state;
	for (int i = 0; i < 9; i++) {
		succeeds();
		fails(1);
	}
	assert_true(target_errors(a_target(), now) == 0.5);
	now += 10 * S;
	assert_true(target_errors(a_target(), now) == 0.0);
	fails(2);
	assert_int_equal(condition(), TARGET_CLOSED);
}

static void
two_successful_probes_close_the_breaker(void **state)
{
	struct target_attempt probe, other;
	struct target_end done = { .cause = CAUSE_DONE, .status = 200 };
	double ramp;

	(void)state;
	fails(5);
	now = back();
	assert_int_equal(condition(), TARGET_PROBE_DUE);
	assert_int_equal(target_begin(&probe, a_target(), &with_breaker, NULL, now), 0);
	assert_int_equal(condition(), TARGET_PROBED);
	assert_int_equal(
		target_begin(&other, a_target(), &with_breaker, NULL, now), TARGET_NO_PROBE);
	target_over(&probe, &done, now);
	assert_int_equal(condition(), TARGET_PROBE_DUE);
	succeeds();
	assert_int_equal(condition(), TARGET_RAMP);
	now += 5 * S;
	target_condition(a_target(), true, now, NULL, &ramp);
	assert_true(ramp == 0.5);
	now += 5 * S;
	assert_int_equal(condition(), TARGET_CLOSED);
}

static void
failed_probe_doubles_the_pause_up_to_five_minutes(void **state)
{
	uint64_t least = 4 * S, most = 6 * S;

	(void)state;
	fails(5);
	for (int i = 0; i < 12; i++) {
		assert_in_range(back() - now, least, most);
		now = back();
		fails(1);
		assert_int_equal(condition(), TARGET_OPEN);
		least = 2 * least < 240 * S ? 2 * least : 240 * S;
		most = 2 * most < 300 * S ? 2 * most : 300 * S;
	}
}

static void
failure_in_the_ramp_lengthens_the_pause(void **state)
{
	(void)state;
	fails(5);
	now = back();
	succeeds();
	succeeds();
	now += S;
	fails(5);
	assert_in_range(back() - now, 8 * S, 12 * S);
	/* and after a quiet time it is the initial one again */
	now = back();
	succeeds();
	succeeds();
	now += 11 * S;
	succeeds();
	fails(5);
	assert_in_range(back() - now, 4 * S, 6 * S);
}

static void
old_failures_do_not_reopen_the_breaker(void **state)
{
	(void)state;
	for (int i = 0; i < 15; i++) {
		succeeds();
		fails(1);
	}
	now = back();
	succeeds();
	succeeds();
	now += S;
	fails(1);
	assert_int_equal(condition(), TARGET_RAMP);
}

static void
lost_probe_is_replaced_by_another(void **state)
{
	struct target_attempt lost, other;

	(void)state;
	fails(5);
	now = back();
	target_begin(&lost, a_target(), &with_breaker, NULL, now);
	now += TARGET_PROBE_LEASE_US;
	assert_int_equal(target_begin(&other, a_target(), &with_breaker, NULL, now), 0);
	/* a late end of the first probe does not free the other's place */
	target_over(&lost, &(struct target_end){ .cause = CAUSE_ABORTED }, now);
	assert_int_equal(condition(), TARGET_PROBED);
	target_over(&other, &(struct target_end){ .cause = CAUSE_ABORTED }, now);
	assert_int_equal(condition(), TARGET_PROBE_DUE);
}

static void
attempts_in_flight_when_it_opened_change_nothing(void **state)
{
	struct target_attempt old[8];
	struct target_end cut = { .cause = CAUSE_PERHAPS_BILLED },
			  done = { .cause = CAUSE_DONE };
	uint64_t then;

	(void)state;
	for (size_t i = 0; i < 8; i++)
		target_begin(&old[i], a_target(), &with_breaker, NULL, now);
	fails(5);
	then = back();
	for (size_t i = 0; i < 4; i++)
		target_over(&old[i], &cut, now);
	assert_int_equal(back(), then);
	now = then;
	target_over(&old[4], &done, now);
	target_over(&old[5], &done, now);
	assert_int_equal(condition(), TARGET_PROBE_DUE);
	target_over(&old[6], &cut, now);
	assert_int_equal(condition(), TARGET_PROBE_DUE);
	target_over(&old[7], &cut, now);
	assert_int_equal(target_under_way(a_target()), 0);
}

static void
target_without_a_breaker_is_never_out(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++)
		assert_int_equal(ends(&without, i & 1 ? CAUSE_NEVER_SENT : CAUSE_REFUSED_US,
					 401, true, 0),
			TARGET_BEGUN);
	ends(&without, CAUSE_THROTTLED, 429, false, 30 * S);
	assert_int_equal(target_condition(a_target(), false, now, NULL, NULL), TARGET_CLOSED);
	assert_true(target_errors(a_target(), now) > 0);
}

/* ---- throttled, out, ejected ---- */

static void
throttled_target_rests_as_long_as_it_asks_up_to_a_minute(void **state)
{
	(void)state;
	ends(&with_breaker, CAUSE_THROTTLED, 429, false, 7 * S);
	assert_int_equal(condition(), TARGET_THROTTLED);
	assert_int_equal(back(), now + 7 * S);
	assert_int_equal(succeeds(), TARGET_NO_PROBE);
	now += 7 * S;
	assert_int_equal(condition(), TARGET_CLOSED);
	ends(&with_breaker, CAUSE_THROTTLED, 429, false, 86400 * S);
	assert_int_equal(back(), now + 60 * S);
}

static void
shorter_wait_does_not_shorten_a_longer_one(void **state)
{
	struct target_attempt a;

	(void)state;
	target_begin(&a, a_target(), &with_breaker, NULL, now);
	ends(&with_breaker, CAUSE_THROTTLED, 429, false, 20 * S);
	target_over(&a,
		&(struct target_end){ .cause = CAUSE_THROTTLED, .status = 429, .asked_us = S },
		now);
	assert_int_equal(back(), now + 20 * S);
}

static void
refused_key_is_tried_each_minute(void **state)
{
	(void)state;
	ends(&with_breaker, CAUSE_REFUSED_US, 401, true, 0);
	assert_int_equal(condition(), TARGET_OUT);
	assert_int_equal(back(), now + 60 * S);
	now += 60 * S;
	assert_int_equal(condition(), TARGET_PROBE_DUE);
	ends(&with_breaker, CAUSE_REFUSED_US, 401, true, 0);
	assert_int_equal(back(), now + 60 * S);
	now += 60 * S;
	fails(1);
	assert_int_equal(condition(), TARGET_OUT);
	now += 60 * S;
	succeeds();
	assert_int_equal(condition(), TARGET_CLOSED);
}

static void
reload_or_admit_restores_a_refused_key(void **state)
{
	(void)state;
	ends(&with_breaker, CAUSE_REFUSED_US, 402, true, 0);
	target_reloaded(table, "ab");
	target_reloaded(table, "a/m");
	assert_int_equal(condition(), TARGET_OUT);
	target_reloaded(table, "a");
	assert_int_equal(condition(), TARGET_CLOSED);
	ends(&with_breaker, CAUSE_REFUSED_US, 402, true, 0);
	target_reloaded(table, NULL);
	assert_int_equal(condition(), TARGET_CLOSED);
	ends(&with_breaker, CAUSE_REFUSED_US, 402, true, 0);
	assert_true(target_admit(table, SPAN_LIT("a/m")));
	assert_int_equal(condition(), TARGET_CLOSED);
	fails(5);
	assert_true(target_admit(table, SPAN_LIT("a")));
	assert_int_equal(condition(), TARGET_CLOSED);
	fails(1);
	assert_int_equal(condition(), TARGET_CLOSED);
}

static void
ejected_target_is_out_until_admitted(void **state)
{
	uint64_t us;

	(void)state;
	assert_false(target_any_ejected(table));
	assert_true(target_eject(table, SPAN_LIT("a/m")));
	assert_true(target_any_ejected(table));
	now += 100000 * S;
	assert_int_equal(target_condition(a_target(), false, now, &us, NULL), TARGET_BY_HAND);
	assert_true(us == UINT64_MAX);
	target_reloaded(table, NULL);
	assert_int_equal(condition(), TARGET_BY_HAND);
	target_admit(table, SPAN_LIT("a/m"));
	assert_int_equal(condition(), TARGET_CLOSED);
	assert_false(target_any_ejected(table));
	assert_false(target_admit(table, SPAN_LIT("nobody/m")));
	assert_false(target_eject(table, SPAN_LIT("")));
	assert_false(target_eject(table, SPAN_LIT("/m")));
}

static void
ejected_provider_disables_all_its_models(void **state)
{
	(void)state;
	assert_true(target_eject(table, SPAN_LIT("a")));
	assert_int_equal(condition(), TARGET_BY_HAND);
	assert_int_equal(
		target_condition(target_state(table, "a", "later"), true, now, NULL, NULL),
		TARGET_BY_HAND);
	assert_int_equal(
		target_condition(target_state(table, "ab", NULL), true, now, NULL, NULL),
		TARGET_CLOSED);
	target_admit(table, SPAN_LIT("a"));
	assert_int_equal(condition(), TARGET_CLOSED);
}

/* ---- latency ---- */

static void
latency_rises_at_once_and_falls_over_ten_seconds(void **state)
{
	struct target_attempt a;
	static const struct {
		uint64_t after_s, took_us, least, most;
	} rows[] = {
		{ 0, 200000, 200000, 200000 },
		{ 0, 900000, 900000, 900000 },	     /* up at once */
		{ 10, 200000, 440000, 470000 },	     /* down by 1 - 1/e */
		{ 1, 60000000, 60000000, 60000000 }, /* a failure is the slowest */
		{ 40, 200000, 1200000, 1400000 },
	};

	(void)state;
	assert_int_equal(target_latency_us(a_target(), TARGET_SMALL, now), 1000000);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		now += rows[i].after_s * S;
		target_begin(&a, a_target(), &with_breaker, NULL, now);
		target_first_content(&a, TARGET_SMALL, rows[i].took_us, now);
		target_first_content(
			&a, TARGET_SMALL, 1, now); /* only the first content counts */
		assert_in_range(target_latency_us(a_target(), TARGET_SMALL, now), rows[i].least,
			rows[i].most);
		target_over(&a, &(struct target_end){ .cause = CAUSE_DONE }, now);
	}
	assert_int_equal(target_latency_us(a_target(), TARGET_LARGE, now), 1000000);
}

static void
fast_failure_counts_as_the_first_byte_timeout(void **state)
{
	struct target_attempt a;

	(void)state;
	target_begin(&a, a_target(), &with_breaker, NULL, now);
	target_over(&a,
		&(struct target_end){
			.cause = CAUSE_THROTTLED, .status = 429, .head_us = 10 * S },
		now);
	assert_int_equal(target_latency_us(a_target(), TARGET_SMALL, now), 10 * S);
	fails(1);
	assert_int_equal(target_latency_us(a_target(), TARGET_SMALL, now), 60 * S);
	/* the value fades, so that the target is tried again */
	now += 50 * S;
	assert_in_range(target_latency_us(a_target(), TARGET_SMALL, now), 300000, 500000);
}

static void
sizes_are_distinguished_at_4k_and_32k_tokens(void **state)
{
	(void)state;
	assert_int_equal(target_size(0), TARGET_SMALL);
	assert_int_equal(target_size(4096), TARGET_SMALL);
	assert_int_equal(target_size(4097), TARGET_MIDDLE);
	assert_int_equal(target_size(32768), TARGET_MIDDLE);
	assert_int_equal(target_size(32769), TARGET_LARGE);
}

/* ---- in flight, room ---- */

static void
attempts_in_flight_are_counted_exactly(void **state)
{
	struct target_attempt a = { 0 }, b;
	struct target_end done = { .cause = CAUSE_DONE };

	(void)state;
	target_over(&a, &done, now);
	target_begin(&a, a_target(), &with_breaker, NULL, now);
	target_begin(&b, a_target(), &with_breaker, NULL, now);
	assert_int_equal(target_under_way(a_target()), 2);
	target_first_content(&a, TARGET_SMALL, 5, now);
	assert_int_equal(target_under_way(a_target()), 2);
	target_over(&a, &done, now);
	target_over(&a, &done, now);
	assert_int_equal(target_under_way(a_target()), 1);
	target_over(&b, &done, now);
	target_first_content(&b, TARGET_SMALL, 5, now);
	assert_int_equal(target_under_way(a_target()), 0);
}

static void
concurrent_limit_applies_to_the_provider(void **state)
{
	struct target m = with_breaker, n = with_breaker;
	struct target_attempt a, b, c;

	(void)state;
	m.concurrent = n.concurrent = 2;
	n.model = "n";
	struct target_state *of_m = target_state_of(table, &m),
			    *of_n = target_state_of(table, &n);
	assert_int_equal(target_begin(&a, of_m, &m, NULL, now), TARGET_BEGUN);
	assert_true(target_has_room(of_n, &n));
	assert_int_equal(target_begin(&b, of_n, &n, NULL, now), TARGET_BEGUN);
	assert_false(target_has_room(of_n, &n));
	assert_int_equal(target_begin(&c, of_m, &m, NULL, now), TARGET_NO_ROOM);
	assert_int_equal(target_under_way(of_m), 1);
	target_over(&b, &(struct target_end){ .cause = CAUSE_ABORTED }, now);
	assert_int_equal(target_begin(&c, of_m, &m, NULL, now), TARGET_BEGUN);
}

static void
as_many_requests_wait_as_fit_in_the_queue(void **state)
{
	struct target m = with_breaker;

	(void)state;
	m.concurrent = 2;
	struct target_state *s = target_state_of(table, &m);
	assert_true(target_queue(s, &m));
	assert_true(target_queue(s, &m));
	assert_false(target_queue(s, &m));
	target_unqueue(s);
	assert_true(target_queue(s, &m));
	m.concurrent = 100000;
	int n = 2;
	while (target_queue(s, &m))
		n++;
	assert_int_equal(n, CAP_TARGET_QUEUE);
}

/* ---- displayed state ---- */

/* A target without its credential gets no request, however well it worked. */
static void
target_without_a_credential_is_keyless_and_not_up(void **state)
{
	static const struct target t = { .name = "k", .model = "m" };
	struct target_state *s = target_state_of(table, &t);
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (int keyless = 1; keyless >= 0; keyless--) {
		target_named(s, keyless);
		buf_clear(&b);
		target_table_json(&b, table, now);
		target_table_metrics(&b, table, now);
		buf_putc(&b, '\0');
		assert_non_null(
			strstr(buf_view(&b).p, keyless ? "\"k/m\",\"state\":\"keyless\""
						       : "\"k/m\",\"state\":\"closed\""));
		assert_non_null(strstr(
			buf_view(&b).p, keyless ? "tollgate_target_up{target=\"k/m\"} 0\n"
						: "tollgate_target_up{target=\"k/m\"} 1\n"));
	}
	buf_free(&b);
}

/* Returns the time that is shown for a/m, and its state in shown_state. */
static int64_t
since(char shown_state[16])
{
	struct buf b;
	int64_t ns = 0;

	buf_init(&b, 0);
	target_table_json(&b, table, now);
	json_t *o = json_loadb(buf_view(&b).p, b.n, 0, NULL);
	const json_t *a = json_array_get(o, 0);
	const char *text = json_string_value(json_object_get(a, "since"));
	snprintf(shown_state, 16, "%s", json_string_value(json_object_get(a, "state")));
	if (text)
		assert_int_equal(clock_parse(text, strlen(text), &ns), 0);
	json_decref(o);
	buf_free(&b);
	return ns;
}

static void
time_of_the_unhealthy_state_is_shown(void **state)
{
	int64_t before = clock_wall_ns(), first;
	char shown[16];

	(void)state;
	fails(4);
	assert_int_equal(since(shown), 0);
	fails(1);
	first = since(shown);
	assert_string_equal(shown, "open");
	assert_true(first >= before && first <= clock_wall_ns());
	/* a failed probe does not change the time */
	now += 10 * S;
	fails(1);
	assert_true(since(shown) == first);
	assert_string_equal(shown, "open");
	target_admit(table, SPAN_LIT("a/m"));
	assert_int_equal(since(shown), 0);
	fails(5);
	assert_true(since(shown) > first);
	target_admit(table, SPAN_LIT("a/m"));
	/* for each model of an ejected provider */
	before = clock_wall_ns();
	target_eject(table, SPAN_LIT("a"));
	assert_true(since(shown) >= before);
	assert_string_equal(shown, "ejected");
}

static void
state_is_shown_as_json_with_its_reason(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	target_table_json(&b, table, now);
	assert_true(span_is(buf_view(&b), "[]"));
	buf_clear(&b);
	fails(5);
	target_eject(table, SPAN_LIT("b\"x"));
	target_table_json(&b, table, now);
	json_t *o = json_loadb(buf_view(&b).p, b.n, 0, NULL);
	assert_non_null(o);
	assert_int_equal(json_array_size(o), 2);
	json_t *a = json_array_get(o, 0);
	assert_string_equal(json_string_value(json_object_get(a, "target")), "a/m");
	assert_string_equal(json_string_value(json_object_get(a, "state")), "open");
	assert_string_equal(
		json_string_value(json_object_get(a, "last_failure")), "perhaps_billed");
	assert_int_equal(json_integer_value(json_object_get(a, "last_status")), 500);
	assert_true(json_number_value(json_object_get(a, "back_in_s")) >= 4.0);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(o, 1), "state")), "ejected");
	json_decref(o);
	buf_clear(&b);
	target_table_metrics(&b, table, now);
	buf_putc(&b, '\0');
	assert_non_null(strstr(buf_view(&b).p, "tollgate_target_up{target=\"a/m\"} 0\n"));
	assert_non_null(strstr(buf_view(&b).p,
		"tollgate_target_attempts_total{target=\"a/m\",cause=\"perhaps_billed\"} 5\n"));
	assert_null(strstr(buf_view(&b).p, "cause=\"done\""));
	assert_non_null(strstr(buf_view(&b).p, "tollgate_target_up{target=\"b\\\"x\"} 0\n"));
	assert_null(strstr(buf_view(&b).p, "{target=\"a\"}"));
	target_admit(table, SPAN_LIT("a"));
	buf_clear(&b);
	target_table_metrics(&b, table, now);
	buf_putc(&b, '\0');
	assert_non_null(strstr(buf_view(&b).p, "tollgate_target_up{target=\"a/m\"} 1\n"));
	buf_free(&b);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, gone)
	const struct CMUnitTest tests[] = {
		T(entry_is_found_by_provider_and_model),
		T(targets_over_the_limit_share_an_entry_that_is_never_out),
		T(too_long_name_has_no_entry_of_its_own),
		T(breaker_opens_after_five_consecutive_failures),
		T(breaker_counts_only_failures_of_the_target),
		T(breaker_opens_if_half_of_twenty_attempts_fail),
		T(failures_older_than_ten_seconds_do_not_count),
		T(two_successful_probes_close_the_breaker),
		T(failed_probe_doubles_the_pause_up_to_five_minutes),
		T(failure_in_the_ramp_lengthens_the_pause),
		T(old_failures_do_not_reopen_the_breaker),
		T(lost_probe_is_replaced_by_another),
		T(attempts_in_flight_when_it_opened_change_nothing),
		T(target_without_a_breaker_is_never_out),
		T(throttled_target_rests_as_long_as_it_asks_up_to_a_minute),
		T(shorter_wait_does_not_shorten_a_longer_one),
		T(refused_key_is_tried_each_minute),
		T(reload_or_admit_restores_a_refused_key),
		T(ejected_target_is_out_until_admitted),
		T(ejected_provider_disables_all_its_models),
		T(latency_rises_at_once_and_falls_over_ten_seconds),
		T(fast_failure_counts_as_the_first_byte_timeout),
		T(sizes_are_distinguished_at_4k_and_32k_tokens),
		T(attempts_in_flight_are_counted_exactly),
		T(concurrent_limit_applies_to_the_provider),
		T(as_many_requests_wait_as_fit_in_the_queue),
		T(target_without_a_credential_is_keyless_and_not_up),
		T(time_of_the_unhealthy_state_is_shown),
		T(state_is_shown_as_json_with_its_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
