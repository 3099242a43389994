/* The header traceparent (W3C Trace Context 3.2). */
#include "base/codec/trace.h"

#include "base/among.h"

/* Returns true for lower-case hexadecimal digits that are not all 0. */
static bool
is_trace_id(struct span s)
{
	return span_all(s, is_lower_hex) && span_past_set(s, 0, "0") < s.n;
}

/* traceparent = version "-" trace-id "-" parent-id "-" flags; a version above 00 may have more. */
struct span
trace_read(struct span v)
{
	const struct span none = { NULL, 0 };

	v = span_trim(v, " \t");
	if (v.n < TRACE_BYTES ||
		(v.n > TRACE_BYTES && (v.p[TRACE_BYTES] != '-' || !memcmp(v.p, "00", 2))) ||
		v.p[2] != '-' || v.p[35] != '-' || v.p[52] != '-' || !memcmp(v.p, "ff", 2) ||
		!is_trace_id(span_cut(v, 3, 35)) || !is_trace_id(span_cut(v, 36, 52)) ||
		!span_all(span_cut(v, 0, 2), is_lower_hex) ||
		!span_all(span_cut(v, 53, 55), is_lower_hex))
		return none;
	return span_cut(v, 0, TRACE_BYTES);
}
