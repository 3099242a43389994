/* Which changes of files are noticed, and when. Real files on a real loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/watch.h"
#include "support/temp_dir.h"

/* The check that runs every half second runs every 50 ms here (the linker's --wrap). */
void __real_ev_timer_again(struct ev_loop *loop, ev_timer *t);
void __wrap_ev_timer_again(struct ev_loop *loop, ev_timer *t);

void
__wrap_ev_timer_again(struct ev_loop *loop, ev_timer *t)
{
	t->repeat = 0.05;
	__real_ev_timer_again(loop, t);
}

static char last[256];
static unsigned changes;

static void
changed(void *arg, const char *file)
{
	(void)arg;
	changes++;
	snprintf(last, sizeof(last), "%s", file);
}

static void
stop(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)t;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void
run_for(struct ev_loop *loop, double s)
{
	ev_timer t;

	ev_timer_init(&t, stop, s, 0.);
	ev_timer_start(loop, &t);
	ev_run(loop, 0);
	ev_timer_stop(loop, &t);
}

/* A change counts once it was seen in two checks. */
static unsigned
noticed(struct ev_loop *loop)
{
	unsigned before = changes;

	for (int i = 0; i < 1500 && changes == before; i++)
		run_for(loop, 0.02);
	return changes - before;
}

static void
change_of_a_file_or_folder_is_noticed_once(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct watch *w = watch_new(loop, changed, NULL);
	char files[1024];
	size_t n = 0;

	(void)state;
	put("a.yaml", "1");
	assert_int_equal(mkdir(path("d"), 0700), 0);
	put("d/one.yaml", "1");
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = { "a.yaml", "absent", "d" };
		n += (size_t)snprintf(files + n, sizeof(files) - n, "%s", path(names[i])) + 1;
	}
	/* A duplicate counts once. */
	n += (size_t)snprintf(files + n, sizeof(files) - n, "%s", path("a.yaml")) + 1;
	assert_true(watch_files(w, span_of(files, n), false, INT64_MAX));
	assert_int_equal(watch_count(w), 3);
	run_for(loop, 0.2);
	assert_int_equal(changes, 0);
	put("a.yaml", "22");
	assert_int_equal(noticed(loop), 1);
	assert_string_equal(last, path("a.yaml"));
	run_for(loop, 0.2);
	assert_int_equal(changes, 1);
	/* Replaced by another file of the same size. */
	put("b", "33");
	assert_int_equal(rename(path("b"), path("a.yaml")), 0);
	assert_int_equal(noticed(loop), 1);
	put("absent", "");
	assert_int_equal(noticed(loop), 1);
	put("d/ignored.txt", "1");
	put("d/two.yaml", "1");
	assert_int_equal(noticed(loop), 1);
	assert_string_equal(last, path("d"));
	unlink(path("a.yaml"));
	assert_int_equal(noticed(loop), 1);
	watch_nothing(w);
	put("a.yaml", "4444");
	run_for(loop, 0.2);
	assert_int_equal(changes, 5);
	watch_free(&w);
	ev_loop_destroy(loop);
}

static void
change_during_reading_is_noticed(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct watch *w = watch_new(loop, changed, NULL);
	char file[160];

	(void)state;
	put("c", "1");
	snprintf(file, sizeof(file), "%s", path("c"));
	struct span files = span_of(file, strlen(file) + 1);
	assert_true(watch_files(w, files, false, 0));
	assert_int_equal(noticed(loop), 1);
	/* Earlier files stay watched if requested. */
	put("e", "1");
	char other[160];
	snprintf(other, sizeof(other), "%s", path("e"));
	assert_true(watch_files(w, span_of(other, strlen(other) + 1), true, INT64_MAX));
	assert_int_equal(watch_count(w), 2);
	assert_true(watch_files(w, span_of(other, strlen(other) + 1), false, INT64_MAX));
	assert_int_equal(watch_count(w), 1);
	watch_free(&w);
	ev_loop_destroy(loop);
}

/* The clock was set back since. */
static void
file_with_a_time_in_the_future_has_not_changed(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct watch *w = watch_new(loop, changed, NULL);
	char file[160];
	const struct timespec later = { .tv_sec = time(NULL) + 864000 },
			      times[2] = { later, later };

	(void)state;
	put("f", "1");
	snprintf(file, sizeof(file), "%s", path("f"));
	assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
	unsigned before = changes;
	assert_true(watch_files(w, span_of(file, strlen(file) + 1), false, clock_wall_ns()));
	run_for(loop, 0.5);
	assert_int_equal(changes, before);
	put("f", "22");
	assert_int_equal(noticed(loop), 1);
	watch_free(&w);
	ev_loop_destroy(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(change_of_a_file_or_folder_is_noticed_once),
		cmocka_unit_test(change_during_reading_is_noticed),
		cmocka_unit_test(file_with_a_time_in_the_future_has_not_changed),
	};

	return cmocka_run_group_tests_name("watch", tests, temp_dir_make, temp_dir_remove);
}
