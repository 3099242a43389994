/* at_limit and at_soft: instead of a refusal another model and a shorter answer, once. */
#include "gate/exchange.h"
#include "gate/limits/limits.h"

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

	if (!changes || r->found.fell.change || r->in.body_state == BODY_STATE_PARTIAL ||
		!request_add_tags(r, x->tags, x->ntags))
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
			request_add_tags(r, l->at_soft->tags, l->at_soft->ntags);
		if (l && l == r->found.fell.limit && r->found.fell.amount) {
			d->limit = r->found.fell.amount;
			d->remaining = 0;
		}
	}
}

/* ---- another target: rules, edits and limits are made anew for it; what was read and found stays ---- */

void
request_forget_target(struct request *r)
{
	struct request_found *f = &r->found;
	struct body *b = &r->in.body;

	limits_forget_rewrite(r);
	r->calls->forget(r);
	/* marks that edits left in the body */
	for (size_t i = 0; r->in.have_body && i < b->nreasoning; i++)
		b->reasoning[i].dropped = false;
	for (size_t i = 0; r->in.have_body && b->nids && i < b->nsegments; i++)
		if (b->segments[i].form == SEG_TOKENS)
			b->segments[i].candidate = false;
	b->model = r->in.read_model;
	r->in.asked_model = (struct span){ NULL, 0 };
	r->out.redactor = NULL;
	r->out.placeholders = NULL;
	r->out.redacted = false;
	r->out.decision = (struct decision){ 0 };
	f->have_verdict = false;
	f->ncredentials = f->reasoning_dropped = f->reasoning_left = 0;
	f->offer = (struct found_offer){ 0 };
	f->form = NULL;
	f->tokens_by = NULL;
	f->tokens = (struct found_tokens){ 0 };
	f->texts = (struct found_texts){ 0 };
	f->learned_cap = f->default_cap = 0;
	f->sends_default = f->bounded = f->quota_failed = false;
	f->limits = (struct found_limits){ 0 };
	f->priced_model = (struct span){ NULL, 0 };
	memset(&f->fell, 0, sizeof(f->fell));
}
