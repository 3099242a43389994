/* Combines what is redacted: findings of the detectors and of external recognizers, and
 * segments that are redacted as a whole. Where two sources overlap, the detectors' findings
 * keep their places. */
#include "gate/steps/steps.h"

#include <stdlib.h>

#include "base/err.h"

const struct segment *
request_segment(const struct request *r, size_t i)
{
	if (i < r->in.ntarget)
		return &r->in.target[i];
	i -= r->in.ntarget;
	return r->in.have_body && i < r->in.body.nsegments ? &r->in.body.segments[i] : NULL;
}

bool
request_in_target(const struct request *r, const struct segment *s)
{
	return s >= r->in.target && s < r->in.target + r->in.ntarget;
}

bool
request_segment_before(
	const struct request *r, const struct segment *a, const struct segment *b)
{
	bool a_target = request_in_target(r, a), b_target = request_in_target(r, b);

	return a_target != b_target ? a_target : a < b;
}

int
request_order_hits(const void *x, const void *y, void *arg)
{
	const struct hit *a = x, *b = y;

	if (a->segment != b->segment)
		return request_segment_before(arg, a->segment, b->segment) ? -1 : 1;
	if (a->f.start != b->f.start)
		return a->f.start < b->f.start ? -1 : 1;
	if (a->f.end != b->f.end)
		return a->f.end > b->f.end ? -1 : 1; /* the longer one first */
	return (int)a->f.entity - (int)b->f.entity;
}

bool
request_goes(const struct request *r, const struct hit *h)
{
	return h->kind >= HIT_POSSIBLE ||
	       (r->found.verdict.redacts &&
		       entity_in(&r->found.verdict.redact.of, h->f.entity));
}

/* Fills in the segments that are redacted as a whole, once each: a recognizer judged the whole
 * segment or did not reply, or the detectors could not search it. */
static int
collect_wholes(struct request *r, bool failed, struct overlay *o)
{
	size_t most = (failed ? r->scan.nfailed : 0) + r->scan.nextra, k = 0, n = 0;
	struct hit *v = arena_array(&r->arena, most, sizeof(*v));

	o->wholes = v;
	if (!v)
		return ERR_NOMEM;
	for (size_t i = 0; i < r->scan.nextra; i++)
		if ((r->scan.extra[i].kind == HIT_WHOLE ||
			    r->scan.extra[i].kind == HIT_UNKNOWN) &&
			request_goes(r, &r->scan.extra[i]))
			v[n++] = r->scan.extra[i];
	for (k = 0; failed && k < r->scan.nfailed; k++) {
		const struct segment *s = r->scan.failed[k];
		v[n++] = (struct hit){ s, request_in_target(r, s),
			{ .start = 0, .end = s->text.n }, HIT_UNKNOWN, NULL, { NULL, 0 } };
	}
	qsort_r(v, n, sizeof(*v), request_order_hits, r);
	for (size_t i = 0; i < n; i++)
		if (!o->nwholes || v[o->nwholes - 1].segment != v[i].segment)
			v[o->nwholes++] = v[i];
	return 0;
}

/* Example: own = [4,8), extra = [2,6) and [7,12): the result is [2,4) of extra, [4,8) of own,
 * [8,12) of extra. */
size_t
hits_lay_over(const struct hit *own, size_t nown, const struct hit *extra, size_t nextra,
	struct hit *out)
{
	size_t n = 0, k = 0, free_from = 0;

	for (size_t i = 0; i < nextra; i++) {
		size_t at = extra[i].f.start > free_from ? extra[i].f.start : free_from,
		       end = extra[i].f.end;
		while (k < nown && own[k].f.end <= at)
			out[n++] = own[k++];
		while (k < nown && own[k].f.start < end) {
			if (own[k].f.start > at) {
				out[n] = extra[i];
				out[n].f.start = at;
				out[n++].f.end = own[k].f.start;
			}
			if (own[k].f.end > at)
				at = own[k].f.end;
			out[n++] = own[k++];
		}
		if (at < end) {
			out[n] = extra[i];
			out[n++].f.start = at;
		}
		free_from = end > at ? end : at;
	}
	while (k < nown)
		out[n++] = own[k++];
	return n;
}

/* Copies the hits of segment s from *at on that are parts to redact, and returns their number.
 */
static size_t
copy_segment_hits(const struct request *r, const struct hit *list, size_t n, size_t *at,
	const struct segment *s, struct hit *out)
{
	size_t made = 0;

	for (; *at < n && list[*at].segment == s; (*at)++)
		if ((list[*at].kind == HIT_SPAN || list[*at].kind == HIT_POSSIBLE) &&
			request_goes(r, &list[*at]))
			out[made++] = list[*at];
	return made;
}

int
request_overlay(struct request *r, bool failed, struct overlay *o)
{
	size_t most = r->scan.nhits + r->scan.nextra, i = 0, k = 0, w = 0;
	struct hit *own = arena_array(&r->arena, most, sizeof(*own)),
		   *extra = arena_array(&r->arena, r->scan.nextra, sizeof(*extra));

	*o = (struct overlay){ 0 };
	/* each own hit can cut an extra one in two */
	o->hits = arena_array(&r->arena, 2 * most, sizeof(*o->hits));
	if (!own || !extra || !o->hits || collect_wholes(r, failed, o) < 0)
		return ERR_NOMEM;
	while (i < r->scan.nhits || k < r->scan.nextra) {
		const struct segment *s = i < r->scan.nhits ? r->scan.hits[i].segment : NULL;
		if (!s || (k < r->scan.nextra &&
				  request_segment_before(r, r->scan.extra[k].segment, s)))
			s = r->scan.extra[k].segment;
		size_t nown = copy_segment_hits(r, r->scan.hits, r->scan.nhits, &i, s, own),
		       nextra = copy_segment_hits(
			       r, r->scan.extra, r->scan.nextra, &k, s, extra);
		while (w < o->nwholes && request_segment_before(r, o->wholes[w].segment, s))
			w++;
		if (w < o->nwholes && o->wholes[w].segment == s)
			continue;
		o->nhits += hits_lay_over(own, nown, extra, nextra, o->hits + o->nhits);
	}
	return 0;
}
