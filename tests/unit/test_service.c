/* A service takes its turns at the times that the turns return, earlier if it is woken, and ends when it is stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/service.h"
#include "support/moved_clock.h"

#define HOUR_US 3600000000ull

/* A service that counts its turns. */
struct counted {
	struct service service;
	_Atomic unsigned turns, lasts;
	_Atomic uint64_t every_us, turn_takes_us; /* every_us 0: SERVICE_WHEN_WOKEN */
	_Atomic uint64_t at_us;			  /* time at which the newest turn began */
	atomic_bool saw_stop, signals_blocked;
	char name[16];
	int nice;
};

static uint64_t
count_turn(void *arg)
{
	struct counted *c = arg;
	sigset_t blocked;

	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	pthread_getname_np(pthread_self(), c->name, sizeof(c->name));
	c->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
	atomic_store(&c->signals_blocked,
		sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGPIPE));
	atomic_store(&c->at_us, clock_mono_us());
	atomic_fetch_add(&c->turns, 1);
	for (uint64_t us = 0; us < c->turn_takes_us && !service_stopping(&c->service);
		us += 1000)
		usleep(1000);
	atomic_store(&c->saw_stop, service_stopping(&c->service));
	return c->every_us ? clock_mono_us() + c->every_us : SERVICE_WHEN_WOKEN;
}

static void
count_last(void *arg)
{
	struct counted *c = arg;

	atomic_fetch_add(&c->lasts, 1);
}

static void
start(struct counted *c, uint64_t first_us)
{
	const struct service_options o = { .name = "tg-counted", .first_us = first_us,
		.turn = count_turn, .last = count_last, .arg = c, .nice = 3 };

	assert_int_equal(service_start(&c->service, &o), 0);
}

static void
expect_turns(struct counted *c, unsigned n)
{
	for (int i = 0; i < 10000 && atomic_load(&c->turns) < n; i++)
		usleep(1000);
	assert_true(atomic_load(&c->turns) >= n);
}

static void
turns_run_at_the_times_that_they_return(void **state UNUSED)
{
	struct counted c = { .every_us = 20000 };
	uint64_t began_us = clock_mono_us();

	start(&c, began_us + 30000);
	expect_turns(&c, 1);
	assert_true(c.at_us >= began_us + 30000);
	expect_turns(&c, 4);
	assert_true(c.at_us >= began_us + 30000 + 3 * 20000);
	service_stop(&c.service);
	assert_int_equal(c.lasts, 1);
}

static void
turn_without_a_next_time_waits_for_a_wake(void **state UNUSED)
{
	struct counted c = { .every_us = 0 };

	start(&c, 0);
	expect_turns(&c, 1);
	usleep(30000);
	assert_int_equal(c.turns, 1);
	service_wake(&c.service);
	expect_turns(&c, 2);
	service_stop(&c.service);
	assert_int_equal(c.turns, 2);
}

static void
wake_ends_a_wait_of_an_hour(void **state UNUSED)
{
	struct counted c = { .every_us = HOUR_US };

	start(&c, clock_mono_us() + HOUR_US);
	service_wake(&c.service);
	expect_turns(&c, 1);
	service_wake(&c.service);
	expect_turns(&c, 2);
	service_stop(&c.service);
}

static void
wakes_during_a_turn_cause_one_more_turn(void **state UNUSED)
{
	struct counted c = { .every_us = HOUR_US, .turn_takes_us = HOUR_US };

	start(&c, 0);
	expect_turns(&c, 1);
	for (int i = 0; i < 3; i++)
		service_wake(&c.service);
	atomic_store(&c.turn_takes_us, 0); /* the turn in progress ends */
	expect_turns(&c, 2);
	usleep(50000);
	assert_int_equal(c.turns, 2);
	service_stop(&c.service);
}

static void
stop_ends_a_waiting_service(void **state UNUSED)
{
	struct counted c = { .every_us = HOUR_US };

	start(&c, 0);
	expect_turns(&c, 1);
	service_stop(&c.service);
	assert_int_equal(c.turns, 1);
	assert_int_equal(c.lasts, 1);
}

static void
turn_in_progress_sees_the_stop_and_is_the_last(void **state UNUSED)
{
	struct counted c = { .turn_takes_us = HOUR_US, .every_us = 1 };

	start(&c, 0);
	expect_turns(&c, 1);
	assert_false(service_stopping(&c.service));
	service_wake(&c.service);
	service_stop(&c.service);
	assert_true(c.saw_stop);
	assert_int_equal(c.turns, 1);
	assert_int_equal(c.lasts, 1);
}

static void
service_stopped_before_its_first_turn_runs_only_its_last_function(void **state UNUSED)
{
	struct counted c = { .every_us = HOUR_US };

	start(&c, clock_mono_us() + HOUR_US);
	service_stop(&c.service);
	assert_int_equal(c.turns, 0);
	assert_int_equal(c.lasts, 1);
}

static void
second_stop_and_stop_without_start_do_nothing(void **state UNUSED)
{
	struct counted c = { .every_us = HOUR_US };

	service_wake(&c.service);
	service_stop(&c.service);
	start(&c, 0);
	service_stop(&c.service);
	service_stop(&c.service);
	service_wake(&c.service);
	assert_int_equal(c.lasts, 1);
	unsigned n = c.turns;
	start(&c, 0); /* a stopped service can be started again */
	expect_turns(&c, n + 1);
	service_stop(&c.service);
	assert_int_equal(c.lasts, 2);
}

static void
thread_has_its_name_and_priority_and_gets_no_signals(void **state UNUSED)
{
	struct counted c = { .every_us = HOUR_US };

	start(&c, 0);
	expect_turns(&c, 1);
	service_stop(&c.service);
	assert_string_equal(c.name, "tg-counted");
	assert_int_equal(c.nice, 3); /* not added to the priority of the process */
	assert_true(c.signals_blocked);
}

static void
wall_clock_set_back_an_hour_delays_no_turn(void **state UNUSED)
{
	struct counted c = { .every_us = 20000 };

	start(&c, 0);
	expect_turns(&c, 1);
	atomic_store(&wall_off_ns, -(int64_t)HOUR_US * 1000);
	expect_turns(&c, c.turns + 3);
	atomic_store(&wall_off_ns, (int64_t)HOUR_US * 1000);
	uint64_t began_us = clock_mono_us();
	unsigned n = c.turns;
	expect_turns(&c, n + 3);
	assert_true(clock_mono_us() - began_us >= 2 * 20000); /* and does not make it earlier */
	atomic_store(&wall_off_ns, 0);
	service_stop(&c.service);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_run_at_the_times_that_they_return),
		cmocka_unit_test(turn_without_a_next_time_waits_for_a_wake),
		cmocka_unit_test(wake_ends_a_wait_of_an_hour),
		cmocka_unit_test(wakes_during_a_turn_cause_one_more_turn),
		cmocka_unit_test(stop_ends_a_waiting_service),
		cmocka_unit_test(turn_in_progress_sees_the_stop_and_is_the_last),
		cmocka_unit_test(
			service_stopped_before_its_first_turn_runs_only_its_last_function),
		cmocka_unit_test(second_stop_and_stop_without_start_do_nothing),
		cmocka_unit_test(thread_has_its_name_and_priority_and_gets_no_signals),
		cmocka_unit_test(wall_clock_set_back_an_hour_delays_no_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
