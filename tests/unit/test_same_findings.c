/* The detectors find the same as when tests/data/findings.txt was made. A change that must not
 * change findings is checked with these lines; another change regenerates them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "support/findings_run.h"

#define KEPT "tests/data/findings.txt"

static void
findings_equal_the_stored_lines(void **state)
{
	struct findings_run *run = findings_new(NULL);
	char *found = NULL, *got = NULL, *want = NULL;
	size_t size = 0, got_room = 0, want_room = 0;
	FILE *kept = fopen(KEPT, "r"), *to = open_memstream(&found, &size);

	(void)state;
	if (!kept || !to)
		fail_msg("%s: run from the tree's top", KEPT);
	findings_own(run, to);
	findings_free(run);
	fclose(to);
	to = fmemopen(found, size, "r");
	for (int line = 1;; line++) {
		bool more = getline(&got, &got_room, to) > 0;
		bool same = more == (getline(&want, &want_room, kept) > 0);

		if (same && !more)
			break;
		if (!same || strcmp(got, want))
			fail_msg("line %d of " KEPT " is\n  %swhere the detectors say\n  %s"
				 "If that is meant: build/tests/support/findings >" KEPT,
				line, feof(kept) ? "(none)\n" : want, feof(to) ? "(none)\n" : got);
	}
	fclose(kept);
	fclose(to);
	free(found);
	free(got);
	free(want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(findings_equal_the_stored_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
