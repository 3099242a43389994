/* The shipped injection model, loaded for a test. Includes no cmocka header, because the test
 * does. */
#ifndef SUPPORT_INJECT_FIX_H
#define SUPPORT_INJECT_FIX_H

#include "scan/inject/inject_model.h"

static struct arena arena;
static const struct inject *inject;

static int
load(void **state)
{
	struct buf why;

	(void)state;
	arena_init(&arena, 0, false);
	buf_init(&why, 0);
	inject = inject_load(&arena, NULL, &why);
	if (!inject)
		print_error("%.*s\n", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	return inject ? 0 : -1;
}

static int
unload(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

#endif
