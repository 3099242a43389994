/* Names of errors, and the end of the road for broken invariants. */
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

const char *
err_str(int err)
{
	switch (err) {
#define X(name, value, text) \
	case value: return text;
		ERR_TABLE(X)
#undef X
	default: return err < 0 ? "unknown error" : "success";
	}
}

void
invariant_failed(const char *expr, const char *file, int line)
{
	fprintf(stderr, "tollgate: invariant broken: %s at %s:%d\n", expr, file, line);
	abort();
}
