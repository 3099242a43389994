/* Log lines if stderr stalls, is full, is closed, or accepts only a part. Each test has a
 * stderr of its own; messages of the test are sent to the original one. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/log.h"

/* The longest wait for a condition, on any machine. */
enum { PATIENT_US = 30000000 };

enum { LINES = 10000, PIPE_BYTES = 60000 /* nearly all that a pipe can hold */ };

static int before; /* the original stderr */
static uint64_t lost_before;

static void
stderr_is(int fd)
{
	before = dup(STDERR_FILENO);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	close(fd);
	lost_before = log_dropped();
	assert_int_equal(log_start(), 0);
}

static void
stderr_back(void)
{
	dup2(before, STDERR_FILENO);
	close(before);
}

static uint64_t
dropped(void)
{
	return log_dropped() - lost_before;
}

/* Reads until the mark is in the output, or the writer is gone. */
static void
read_until(int fd, struct buf *out, const char *mark)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (!mark || !out->n || !memmem(out->p, out->n, mark, strlen(mark))) {
		assert_int_equal(poll(&readable, 1, PATIENT_US / 1000), 1);
		char *to = buf_reserve(out, 65536);
		ssize_t n = read(fd, to, 65536);
		if (n == 0)
			break;
		assert_true(n > 0);
		buf_commit(out, (size_t)n);
	}
}

struct seen {
	uint64_t lines, told; /* lines= of log.dropped */
	uint64_t last;	      /* number of the last line of the test */
};

/* Asserts that every line is complete, and that the test's lines are in order. */
static struct seen
look_at(struct span text)
{
	struct seen s = { 0 };

	while (text.n) {
		struct span line = span_next(&text, '\n');
		unsigned long long n = 0, i = 0;
		char copy[256];
		snprintf(copy, sizeof(copy), "%.*s", SPAN_ARG(line));
		assert_true(span_starts(line, SPAN_LIT("time=")));
		if (strstr(copy, "event=log.dropped")) {
			assert_int_equal(sscanf(strstr(copy, "lines="), "lines=%llu", &n), 1);
			s.told += n;
			continue;
		}
		assert_non_null(strstr(copy, "event=row i="));
		assert_int_equal(sscanf(strstr(copy, " i="), " i=%llu end=here", &i), 1);
		assert_non_null(strstr(copy, "end=here"));
		assert_true(i > s.last);
		s.last = i;
		s.lines++;
	}
	return s;
}

static void
say(enum log_level level, uint64_t i)
{
	log_event(level, "row", LI("i", i), LS("end", "here"));
}

/* The writer is blocked by a full pipe, and no more lines are accepted. Returns the number of
 * the last line. */
static uint64_t
say_until_full(int fd)
{
	uint64_t i = 0, until = clock_mono_us() + PATIENT_US;
	int had = -1, has = 0;

	for (; has < PIPE_BYTES || has != had; had = has) {
		assert_true(clock_mono_us() < until);
		for (int k = 0; k < LINES; k++)
			say(LOG_INFO, ++i);
		usleep(10000);
		assert_int_equal(ioctl(fd, FIONREAD, &has), 0);
	}
	for (uint64_t was = dropped() - 1; dropped() != was + LINES;) {
		assert_true(clock_mono_us() < until);
		was = dropped();
		for (int k = 0; k < LINES; k++)
			say(LOG_INFO, ++i);
	}
	return i;
}

static void
stalled_reader_loses_lines_and_blocks_nothing(void **state)
{
	static const int flags[] = { 0, O_NONBLOCK };

	(void)state;
	for (size_t row = 0; row < 2; row++) {
		struct buf text;
		char mark[32];
		int p[2];
		assert_int_equal(pipe2(p, flags[row]), 0);
		stderr_is(p[1]);
		uint64_t i = say_until_full(p[0]);
		/* room is kept for more severe lines */
		uint64_t full = dropped();
		say(LOG_INFO, ++i);
		assert_int_equal(dropped(), full + 1);
		say(LOG_ERROR, ++i);
		assert_int_equal(dropped(), full + 1);
		buf_init(&text, 64 << 20);
		snprintf(mark, sizeof(mark), " i=%llu ", (unsigned long long)i);
		read_until(p[0], &text, mark);
		log_stop(PATIENT_US);
		stderr_back();
		read_until(p[0], &text, NULL);
		struct seen s = look_at(buf_view(&text));
		assert_int_equal(s.lines + s.told, i);
		assert_int_equal(s.told, dropped());
		assert_int_equal(s.last, i);
		buf_free(&text);
		close(p[0]);
	}
}

static void
lines_that_cannot_be_written_are_counted(void **state)
{
	static const char *const rows[] = { "a full disk", "nobody reads any more" };

	(void)state;
	for (size_t row = 0; row < 2; row++) {
		int p[2] = { -1, -1 }, q[2];
		struct buf text;
		assert_int_equal(pipe2(p, 0), 0);
		if (row == 0) {
			close(p[1]);
			p[1] = open("/dev/full", O_WRONLY);
		}
		close(p[0]);
		stderr_is(p[1]);
		for (uint64_t i = 1; i <= 10; i++)
			say(LOG_ERROR, i);
		for (int i = 0; i < PATIENT_US / 1000 && dropped() < 10; i++)
			usleep(1000);
		if (dropped() != 10)
			fail_msg("%s: %d dropped", rows[row], (int)dropped());
		/* the first line that can be written reports the loss */
		assert_int_equal(pipe2(q, 0), 0);
		dup2(q[1], STDERR_FILENO);
		close(q[1]);
		say(LOG_INFO, 11);
		log_stop(PATIENT_US);
		stderr_back();
		buf_init(&text, 1 << 20);
		read_until(q[0], &text, NULL);
		struct seen s = look_at(buf_view(&text));
		assert_int_equal(s.told, 10);
		assert_int_equal(s.lines, 1);
		buf_free(&text);
		close(q[0]);
	}
}

/* The disk had room for a part of a line: the next line begins on its own. */
static void
line_after_a_partial_one_is_complete(void **state)
{
	char file[] = "/tmp/tg-log-XXXXXX", text[1024];
	int fd = mkstemp(file);
	struct rlimit was, small;

	(void)state;
	assert_true(fd >= 0);
	getrlimit(RLIMIT_FSIZE, &was);
	small = was;
	small.rlim_cur = 100;
	stderr_is(dup(fd));
	setrlimit(RLIMIT_FSIZE, &small);
	say(LOG_INFO, 1);
	say(LOG_INFO, 2);
	for (int i = 0; i < PATIENT_US / 1000 && dropped() < 1; i++)
		usleep(1000);
	setrlimit(RLIMIT_FSIZE, &was);
	say(LOG_INFO, 3);
	log_stop(PATIENT_US);
	stderr_back();
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = 0;
	assert_int_equal(dropped(), 1);
	char *second = strchr(text, '\n') + 1, *third = strchr(second, '\n') + 1;
	assert_int_equal(third - text, 101); /* cut at 100 bytes */
	struct seen s = look_at(span_str(third));
	assert_int_equal(s.told, 1);
	assert_int_equal(s.last, 3);
	close(fd);
	unlink(file);
}

static void
log_level_can_change_at_run_time(void **state)
{
	struct buf text;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, 0), 0);
	stderr_is(p[1]);
	say(LOG_DEBUG, 1);
	log_set_level(LOG_DEBUG);
	assert_int_equal(log_level(), LOG_DEBUG);
	say(LOG_DEBUG, 2);
	log_set_level(LOG_ERROR);
	say(LOG_WARN, 3);
	say(LOG_ERROR, 4);
	log_set_level(LOG_INFO);
	log_stop(PATIENT_US);
	stderr_back();
	buf_init(&text, 1 << 20);
	read_until(p[0], &text, NULL);
	struct seen s = look_at(buf_view(&text));
	assert_int_equal(s.lines, 2);
	assert_non_null(memmem(text.p, text.n, "i=2 ", 4));
	assert_int_equal(s.last, 4);
	buf_free(&text);
	close(p[0]);
}

/* Last test, because the writer thread is left blocked. */
static void
end_does_not_wait_for_a_reader(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, 0), 0);
	stderr_is(p[1]);
	for (uint64_t i = 1; i <= 5000; i++)
		say(LOG_INFO, i);
	uint64_t began = clock_mono_us();
	log_stop(50000);
	assert_true(clock_mono_us() - began >= 40000); /* and it returns */
	stderr_back();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stalled_reader_loses_lines_and_blocks_nothing),
		cmocka_unit_test(lines_that_cannot_be_written_are_counted),
		cmocka_unit_test(line_after_a_partial_one_is_complete),
		cmocka_unit_test(log_level_can_change_at_run_time),
		cmocka_unit_test(end_does_not_wait_for_a_reader),
	};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
