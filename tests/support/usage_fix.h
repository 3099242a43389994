/* Dialects by name, and the usage of one event of theirs. */
#ifndef TESTS_USAGE_FIX_H
#define TESTS_USAGE_FIX_H

#include "dialect/dialect.h"

static inline const struct dialect *
dialect(const char *name)
{
	return dialect_find(span_str(name));
}

static inline void
event(const char *d, const char *type, const char *data, struct usage *u)
{
	struct arena a;

	arena_init(&a, 0, false);
	dialect_event_usage(dialect(d), span_str(type), span_str(data), &a, u);
	arena_reset(&a);
}

#endif
