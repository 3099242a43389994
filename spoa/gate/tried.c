/* Which attempts a request has behind it: of engine/attempts.c, which makes them. */
#include "gate/exchange.h"

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
