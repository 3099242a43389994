/* A process ends at the point that is configured, when it reaches the point for the configured
 * time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/stops.h"

static int
passed(const char *point, unsigned after)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		stops_hook = stops_kill;
		stops_point = point;
		stops_after = after;
		for (int i = 0; i < 3; i++) {
			stop_at("a");
			stop_at("b");
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void
process_ends_at_a_named_point(void **state)
{
	(void)state;
	stop_at("a"); /* without a configured point, nothing happens */
	assert_int_equal(passed("a", 1), -SIGKILL);
	assert_int_equal(passed("b", 3), -SIGKILL);
	assert_int_equal(passed("b", 4), 0);
	assert_int_equal(passed("c", 1), 0);
	assert_int_equal(passed(NULL, 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(process_ends_at_a_named_point) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
