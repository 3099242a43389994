/* The daemons of a group that this daemon remembers on its disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "operator/group/remembered.h"

static struct remembered r;

static void
shows(const char *want)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	remembered_write(&r, &b);
	if (!span_is(buf_view(&b), want))
		fail_msg("%.*s, not %s", SPAN_ARG(buf_view(&b)), want);
	buf_free(&b);
}

static void
file_is_written_for_a_new_name_and_each_hour(void **state)
{
	(void)state;
	r.n = 0;
	assert_true(remembered_see(&r, SPAN_LIT("a"), 1000000));
	assert_false(remembered_see(&r, SPAN_LIT("a"), 1003599));
	assert_true(remembered_see(&r, SPAN_LIT("b"), 1003599));
	assert_true(remembered_see(&r, SPAN_LIT("a"), 1003600));
	/* the clock was ahead and is corrected */
	assert_true(remembered_see(&r, SPAN_LIT("b"), 900000));
	assert_false(remembered_see(&r, SPAN_LIT("no name"), 1003600));
	shows("a 1003600\nb 900000\n");
}

static void
names_are_forgotten(void **state)
{
	(void)state;
	r.n = 0;
	remembered_read(&r, SPAN_LIT("a 1000\nb 2000\nc 3000\nd 4000\n"));
	assert_true(remembered_forget(&r, SPAN_LIT("b")));
	assert_false(remembered_forget(&r, SPAN_LIT("b")));
	shows("a 1000\nd 4000\nc 3000\n");
	remembered_trim(&r, 3000 + REMEMBERED_S);
	shows("c 3000\nd 4000\n");
	remembered_trim(&r, 4001 + REMEMBERED_S);
	shows("");
}

static void
invalid_lines_are_ignored(void **state)
{
	(void)state;
	r.n = 0;
	remembered_read(&r, SPAN_LIT("a 5000\n\nb\nc x\nd -1\n 7\ne 99999999999999999999\n../f 5000\ng 6000"));
	shows("a 5000\ng 6000\n");
}

static void
oldest_name_makes_room(void **state)
{
	char name[16];

	(void)state;
	r.n = 0;
	for (int i = 0; i < REMEMBERED_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		remembered_see(&r, span_str(name), 10000000 + (i == 7 ? -1 : i));
	}
	assert_true(remembered_see(&r, SPAN_LIT("new"), 20000000));
	assert_int_equal(r.n, REMEMBERED_MAX);
	assert_string_equal(r.v[7].node, "new");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_is_written_for_a_new_name_and_each_hour),
		cmocka_unit_test(names_are_forgotten),
		cmocka_unit_test(invalid_lines_are_ignored),
		cmocka_unit_test(oldest_name_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
