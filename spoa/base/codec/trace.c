/* The traceparent field (W3C Trace Context 3.2). */
#include "base/codec/trace.h"

#include "base/ascii.h"

/* n digits of lower-case hexadecimal, not all of them 0. */
static bool
is_trace_id(struct span s)
{
	bool any = false;

	for (size_t i = 0; i < s.n; i++) {
		if (!is_hex(s.p[i]) || is_upper(s.p[i]))
			return false;
		any |= s.p[i] != '0';
	}
	return any;
}

/* traceparent = version "-" trace-id "-" parent-id "-" flags; a version above 00 may have more.
 */
struct span
trace_read(struct span v)
{
	const struct span none = { NULL, 0 };

	v = span_trim(v, " \t");
	if (v.n < TRACE_BYTES ||
		(v.n > TRACE_BYTES && (v.p[TRACE_BYTES] != '-' || !memcmp(v.p, "00", 2))) ||
		v.p[2] != '-' || v.p[35] != '-' || v.p[52] != '-' || !memcmp(v.p, "ff", 2) ||
		!is_trace_id(span_cut(v, 3, 35)) || !is_trace_id(span_cut(v, 36, 52)))
		return none;
	for (size_t i = 0; i < 2; i++)
		if (!is_hex(v.p[i]) || is_upper(v.p[i]) || !is_hex(v.p[53 + i]) ||
			is_upper(v.p[53 + i]))
			return none;
	return span_cut(v, 0, TRACE_BYTES);
}
