/* at_limit and at_soft: instead of a refusal another model and a shorter answer, once. */
#include "gate/exchange.h"
#include "gate/limits/limits.h"

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

/* ---- another target: rules, edits and limits are made anew for it; what was read and found stays ---- */

/* Marks that edits left in the body. */
static void
forget_marks(struct body *b)
{
	for (size_t i = 0; i < b->nreasoning; i++)
		b->reasoning[i].dropped = false;
	for (size_t i = 0; b->nids && i < b->nsegments; i++)
		if (b->segments[i].form == SEG_TOKENS)
			b->segments[i].candidate = false;
}

void
request_forget_target(struct request *r)
{
	struct request_found *f = &r->found;

	limits_forget_rewrite(r);
	r->calls->forget(r);
	if (r->in.have_body)
		forget_marks(&r->in.body);
	r->in.body.model = r->in.read_model;
	r->in.asked_model = (struct span){ NULL, 0 };
	r->out.redactor = NULL;
	r->out.redacted = false;
	r->out.decision = (struct decision){ 0 };
	f->have_verdict = false;
	f->ncredentials = f->reasoning_dropped = f->reasoning_left = 0;
	f->offer = (struct found_offer){ 0 };
	f->tokens_by = NULL;
	f->tokens = (struct found_tokens){ 0 };
	f->texts = (struct found_texts){ 0 };
	f->learned_cap = f->default_cap = 0;
	f->sends_default = f->bounded = f->quota_failed = false;
	f->limits = (struct found_limits){ 0 };
	f->priced_model = (struct span){ NULL, 0 };
	memset(&f->fell, 0, sizeof(f->fell));
}
