/* The shipped list of polite phrases, read once, for fuzz targets. */
#ifndef TESTS_COURTESY_SHIPPED_H
#define TESTS_COURTESY_SHIPPED_H

#include "base/err.h"
#include "policy/courtesy.h"

static const struct courtesy *
shipped_courtesy(void)
{
	static struct arena a;
	static const struct courtesy *c;
	struct diag d;

	if (!c) {
		arena_init(&a, 0, false);
		diag_init(&d);
		c = courtesy_load(&a, NULL, &d);
		diag_free(&d);
		INVARIANT(c);
	}
	return c;
}

#endif
