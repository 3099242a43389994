/* The caller's trace: the field traceparent (W3C Trace Context 3.2). */
#ifndef BASE_CODEC_TRACE_H
#define BASE_CODEC_TRACE_H

#include <stdbool.h>

#include "base/span.h"

enum { TRACE_BYTES = 55, TRACE_ID_AT = 3, TRACE_PARENT_AT = 36 };

/* The first TRACE_BYTES of a value that is valid, without blanks around: a later version may
 * say more after them. A view; empty: it is none. */
struct span trace_read(struct span value);
/* What trace_read() took: whether its sender keeps it (the flag sampled, 2.2.5.1), the lowest
 * bit of the last hex digit. */
static inline bool
trace_sampled(const char value[TRACE_BYTES])
{
	char digit = value[TRACE_BYTES - 1];

	return (digit <= '9') == (digit & 1);
}

#endif
