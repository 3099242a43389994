/* Loads the shipped list of polite phrases at the first call and keeps it. */
#include "support/courtesy_shipped.h"

const struct courtesy *
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
