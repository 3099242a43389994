/* Which try of one request it is: SDKs say so when they repeat. It is marked, and changes
 * nothing: each that is let go to a provider is charged. */
#include "base/ascii.h"
#include "gate/exchange.h"
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

/* Which attempts a request has behind it: of engine/attempts.c, which makes them. */

bool
request_repeats(const struct request *r)
{
	const struct route *route = r->found.route;

	return route && route->retry.attempts > 1 && !r->found.observed && !r->found.probe && !r->in.socket &&
	       !r->in.message && !r->found.document.n && r->found.cache.state != CACHED_HIT &&
	       (!r->gate || gate_cfg(r->gate)->relay) && !request_lists_models(r);
}

bool
request_tried(const struct request *r)
{
	return r->x && r->x->tries && r->x->tries->n;
}

bool
request_settled(const struct request *r)
{
	return request_tried(r) && (r->x->tries->n > 1 || r->x->tries->settled);
}

struct span
request_settled_charges(const struct request *r)
{
	return request_tried(r) ? buf_view(&r->x->tries->charges) : (struct span){ NULL, 0 };
}

unsigned
request_attempts(const struct request *r, const char **target)
{
	const struct attempts *t = r->x ? r->x->tries : NULL;

	if (!t || !t->n)
		return 0;
	*target = t->v[t->n - 1].target;
	return t->n;
}
