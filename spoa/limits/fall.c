/* at_limit and at_soft: instead of a refusal another model and a shorter answer, once. */
#include "limits/limits.h"

static bool
add_tags(struct request *r, const struct limit_change *x)
{
	struct policy_verdict *v = &r->found.verdict;
	const char **tags = arena_array(&r->arena, v->ntags + x->ntags, sizeof(*tags));

	if (!tags)
		return false;
	size_t n = v->ntags;
	if (n)
		memcpy(tags, v->tags, n * sizeof(*tags));
	for (size_t i = 0; i < x->ntags; i++) {
		bool twice = false;
		for (size_t k = 0; k < n; k++)
			twice |= !strcmp(tags[k], x->tags[i]);
		if (!twice)
			tags[n++] = x->tags[i];
	}
	v->tags = tags;
	v->ntags = n;
	return true;
}

/* What was written for the first try is written anew. */
void
limits_forget_rewrite(struct request *r)
{
	bool decoded = r->out.decoded.n && r->in.raw.p == buf_view(&r->out.decoded).p;

	buf_free(&r->out.rewritten);
	buf_free(&r->out.new_target);
	r->out.edited = false;
	r->out.ask_usage = false;
	r->out.swap_body = decoded;
}

bool
limits_fall(struct request *r, const struct limit *l, bool soft)
{
	const struct limit_change *x = soft ? l->at_soft : l->at_limit;
	bool changes = x && (x->model || x->max_output_tokens);

	if (!changes || r->found.fell.change || r->in.body_state == BODY_STATE_PARTIAL)
		return false;
	if (!add_tags(r, x))
		return false;
	/* with another amount at run time it is a copy, which goes before the request does */
	const struct limit *of = limits_of(r, l->name);
	r->found.fell.limit = of ? of : l;
	r->found.fell.change = x;
	r->found.fell.soft = soft;
	limits_forget_rewrite(r);
	return true;
}

void
limits_admitted(struct request *r, struct quota_request *q)
{
	for (size_t i = 0; i < q->ndims; i++) {
		struct quota_dim *d = &q->dim[i];
		const struct limit *l = d->of;
		if (l && d->soft_reached && l->at_soft)
			add_tags(r, l->at_soft);
		if (l && l == r->found.fell.limit && r->found.fell.amount) {
			d->limit = r->found.fell.amount;
			d->remaining = 0;
		}
	}
}
