/* tollgate quota: arguments that are refused before a daemon is contacted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/run_cmd.h"

static void
whole_key_is_refused_and_not_printed(void **state)
{
	(void)state;
	assert_int_equal(tollgate("", "quota", "get", "--key", "tg_abc_secret", NULL), 2);
	assert_non_null(
		strstr(cmd_err, "quota: this is a key or a part of one: give its ID"));
	assert_null(strstr(cmd_err, "secret"));
}

static void
unknown_option_is_named(void **state)
{
	(void)state;
	assert_int_equal(tollgate("", "quota", "get", "--person", "a", "--usr", "4", NULL), 2);
	assert_non_null(strstr(cmd_err, "tollgate: --usr: no such option; see --help\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_key_is_refused_and_not_printed),
		cmocka_unit_test(unknown_option_is_named),
	};
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
