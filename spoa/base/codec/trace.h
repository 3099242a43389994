/* The caller's trace: the header traceparent (W3C Trace Context 3.2). */
#ifndef BASE_CODEC_TRACE_H
#define BASE_CODEC_TRACE_H

#include <stdbool.h>

#include "base/span.h"

enum { TRACE_BYTES = 55, TRACE_ID_AT = 3, TRACE_PARENT_AT = 36 };

/* Returns true if the sender records the trace: the flag sampled (2.2.5.1), which is the lowest
 * bit of the last hexadecimal digit. `value` is what trace_read() returned. */
static inline bool
trace_sampled(const char value[TRACE_BYTES])
{
	char digit = value[TRACE_BYTES - 1];

	return (digit <= '9') == (digit & 1);
}

#endif
