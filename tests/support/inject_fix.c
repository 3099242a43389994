/* The shipped injection model, loaded by the setup of a test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/inject_fix.h"

static struct arena inject_arena;

const struct inject *inject;

int
inject_setup(void **state)
{
	struct buf why;

	(void)state;
	arena_init(&inject_arena, 0, false);
	buf_init(&why, 0);
	inject = inject_load(&inject_arena, NULL, &why);
	if (!inject)
		print_error("%.*s\n", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	return inject ? 0 : -1;
}

int
inject_teardown(void **state)
{
	(void)state;
	arena_reset(&inject_arena);
	return 0;
}
