/* A mistake in a shipped detector's file: every test program that loads the shipped detectors reports it and ends. The
 * table of shipped files is this program's own, so tests/support/shipped_once.c loads a file that is not valid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "base/scoped.h"
#include "scan/detect/detect.h"
#include "scan/detect/engine.h"

static const char mistake[] = "entity: BADGE\npatterns:\n  - {regx: 'B-[0-9]{4}', start: {bytes: B}}\n";
const struct detect_file detect_builtin[] = { { "badge.yaml", mistake, sizeof(mistake) - 1 } };
const size_t detect_builtin_count = 1;

enum { HANGS_AFTER_S = 60 };

static void
an_invalid_shipped_file_is_reported_at_each_load(void **state)
{
	struct detect_rules *none = NULL;

	(void)state;
	alarm(HANGS_AFTER_S); /* a program that waits for its own mutex is killed */
	for (int i = 0; i < 3; i++) {
		SCOPED_BUF(errors, 1 << 16);
		assert_null(detect_load(NULL, &errors));
		buf_putc(&errors, '\0');
		assert_non_null(strstr(buf_view(&errors).p, "badge.yaml:3"));
		assert_non_null(strstr(buf_view(&errors).p, "regx"));
		detect_free(&none);
	}
	alarm(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_invalid_shipped_file_is_reported_at_each_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
