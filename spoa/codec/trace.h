/* The caller's trace: the field traceparent (W3C Trace Context 3.2). */
#ifndef CODEC_TRACE_H
#define CODEC_TRACE_H

#include "base/span.h"

enum { TRACE_BYTES = 55, TRACE_ID_AT = 3, TRACE_PARENT_AT = 36, TRACE_FLAGS_AT = 53 };

/* The first TRACE_BYTES of a value that is valid, without blanks around: a later version may
 * say more after them. A view; empty: it is none. */
struct span trace_read(struct span value);

#endif
