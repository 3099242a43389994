/* The caller's trace (W3C Trace Context 3.2, traceparent): what records and HAProxy's log say
 * of it. The field itself goes to the provider as it came. */
#include "base/ascii.h"
#include "gate/request.h"

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

/* version "-" trace-id "-" parent-id "-" flags; a version above 00 may have more. */
static bool
is_traceparent(struct span v)
{
	if (v.n < TRACE_BYTES ||
		(v.n > TRACE_BYTES && (v.p[TRACE_BYTES] != '-' || !memcmp(v.p, "00", 2))) ||
		v.p[2] != '-' || v.p[35] != '-' || v.p[52] != '-' || !memcmp(v.p, "ff", 2) ||
		!is_trace_id(span_cut(v, 3, 35)) || !is_trace_id(span_cut(v, 36, 52)))
		return false;
	for (size_t i = 0; i < 2; i++)
		if (!is_hex(v.p[i]) || is_upper(v.p[i]) || !is_hex(v.p[53 + i]) ||
			is_upper(v.p[53 + i]))
			return false;
	return true;
}

struct span
request_trace(struct request *r)
{
	struct span v;

	if (!r->found.trace[0] && http_field_one(&r->in.head, "traceparent", &v) == 1) {
		v = span_trim(v, " \t");
		if (is_traceparent(v))
			memcpy(r->found.trace, v.p, TRACE_BYTES);
	}
	return span_of(r->found.trace, r->found.trace[0] ? TRACE_BYTES : 0);
}
