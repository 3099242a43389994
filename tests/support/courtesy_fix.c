/* The shipped list of polite phrases, loaded by the setup of a test. */
#include <stdio.h>

#include "support/courtesy_fix.h"

struct arena courtesy_arena;

const struct courtesy *courtesy;

int
courtesy_setup(void **state)
{
	struct diag d;

	(void)state;
	arena_init(&courtesy_arena, 0, false);
	diag_init(&d);
	courtesy = courtesy_load(&courtesy_arena, NULL, &d);
	if (!courtesy)
		fprintf(stderr, "%.*s\n", SPAN_ARG(buf_view(&d.text)));
	diag_free(&d);
	return courtesy ? 0 : -1;
}

int
courtesy_teardown(void **state)
{
	(void)state;
	arena_reset(&courtesy_arena);
	return 0;
}
