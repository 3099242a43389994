/* The shipped rules: their own examples, and the engine's promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "detect/detect.h"

static void
every_rules_own_examples_hold(void **state)
{
	struct buf errors;

	(void)state;
	buf_init(&errors, 0);
	struct detect_rules *r = detect_load(NULL, &errors);
	if (!r)
		fail_msg("%.*s", SPAN_ARG(buf_view(&errors)));
	int failed = detect_self_test(r, &errors);
	if (failed)
		fail_msg("%d:\n%.*s", failed, SPAN_ARG(buf_view(&errors)));
	detect_free(&r);
	buf_free(&errors);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rules_own_examples_hold),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
