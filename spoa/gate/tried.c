/* How often a request was tried. A caller's SDK repeats a request and marks it in a header; the
 * mark is recorded and changes nothing, because each attempt that reaches a provider is
 * charged. The gateway's own attempts are made by engine/attempts.c; lower levels ask about
 * them here. */
#include "base/ascii.h"
#include "gate/exchange.h"
#include "gate/gate_private.h"

/* Reads a number of at most three digits at the beginning of `s`; 0: none. */
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

	/* OpenAI's and Anthropic's SDKs count repeats from 0. */
	if (http_field_one(&r->in.head, "x-stainless-retry-count", &v) > 0)
		return number_in_header(v) + 1;
	/* AWS' SDKs: amz-sdk-request: attempt=2; max=3 */
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

/* ---- attempts of the gateway ---- */

bool
request_repeats(const struct request *r)
{
	const struct route *route = r->found.route;

	return route && route->retry.attempts > 1 && !r->found.observed && !r->found.probe &&
	       !r->in.socket && !r->in.message && !r->found.document.n &&
	       r->found.cache.state != CACHED_HIT && (!r->gate || gate_cfg(r->gate)->relay) &&
	       !request_lists_models(r);
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
