/* What the steps made of a request for one target is made anew for another: rules, edits, limits.
 * What was read and found of it stays. Apart from the steps, which know one run. */
#include "gate/attempts.h"
#include "limits/limits.h"

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
	request_drop_mentions(r);
	if (r->in.have_body)
		forget_marks(&r->in.body);
	r->in.body.model = r->in.read_model;
	r->in.asked_model = (struct span){ NULL, 0 };
	r->out.redactor = NULL;
	r->out.redacted = false;
	r->out.decision = (struct decision){ 0 };
	f->have_verdict = false;
	f->ncredentials = f->reasoning_dropped = f->reasoning_left = 0;
	f->tokens_by = NULL;
	f->tokens = (struct found_tokens){ 0 };
	f->texts = (struct found_texts){ 0 };
	f->learned_cap = f->default_cap = 0;
	f->sends_default = f->bounded = f->quota_failed = false;
	f->limits = (struct found_limits){ 0 };
	f->priced_model = (struct span){ NULL, 0 };
	memset(&f->fell, 0, sizeof(f->fell));
}
