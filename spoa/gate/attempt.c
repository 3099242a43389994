/* Which try of one request it is: SDKs say so when they repeat. It is marked, and changes
 * nothing: each that is let go to a provider is charged. */
#include "base/ascii.h"
#include "gate/gate_private.h"

/* At most three digits in front of anything else; 0: none. */
static unsigned
number_in_header(struct span s)
{
	size_t digits = span_past(s, 0, is_digit);
	uint64_t v;

	if (digits == 0 || digits > 3 || span_u64(span_cut(s, 0, digits), &v) < 0)
		return 0;
	return (unsigned)v;
}

unsigned
request_attempt(const struct request *r)
{
	struct span v;

	/* OpenAI's and Anthropic's count repeats. */
	if (http_field_one(&r->in.head, "x-stainless-retry-count", &v) > 0)
		return number_in_header(v) + 1;
	/* amz-sdk-request: attempt=2; max=3 */
	if (http_field_one(&r->in.head, "amz-sdk-request", &v) <= 0)
		return 1;
	while (v.n) {
		struct span part = span_trim(span_next(&v, ';'), " \t");
		if (span_starts(part, SPAN_LIT("attempt=")))
			return number_in_header(span_cut(part, 8, part.n)) > 1
				       ? number_in_header(span_cut(part, 8, part.n))
				       : 1;
	}
	return 1;
}
