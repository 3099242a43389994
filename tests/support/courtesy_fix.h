/* The shipped list of polite phrases, for tests. */
#ifndef TESTS_COURTESY_FIX_H
#define TESTS_COURTESY_FIX_H

#include <stdio.h>

#include "policy/courtesy.h"

static struct arena arena;
static const struct courtesy *courtesy;

static int
set_up(void **state)
{
	struct diag d;

	(void)state;
	arena_init(&arena, 0, false);
	diag_init(&d);
	courtesy = courtesy_load(&arena, NULL, &d);
	if (!courtesy)
		fprintf(stderr, "%.*s\n", SPAN_ARG(buf_view(&d.text)));
	diag_free(&d);
	return courtesy ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

#endif
