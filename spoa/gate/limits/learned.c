/* `reserve: learned` of a route: what a model's answers to a caller really take, so that no
 * more is held than that. What is held is the cap that is sent: an answer cannot be longer.
 * Learned is the length that 19 of 20 answers stay under; half as much again is held. An answer
 * that our cap has cut doubles it. owner: worker. */
#include "base/sha256.h"
#include "gate/gate_private.h"
#include "gate/limits/limits.h"
#include "scan/text/table.h"

enum {
	SAMPLES = 8,	/* before them the request's own cap is held */
	LEAST_CAP = 64, /* tokens */
	LEAST_STEP = 8,
	MOST_CAP = 10000000,
};

/* Route, model and person share a place with nobody; who comes to another's begins anew. */
static struct learned_place *
learned_place_of(const struct request *r)
{
	unsigned char h[SHA256_BYTES];
	struct sha256 s;
	uint64_t key;

	sha256_begin(&s);
	sha256_add(&s, span_str(r->found.route->name));
	sha256_add(&s, span_of("", 1));
	sha256_add(&s, r->in.body.model);
	sha256_add(&s, span_of("", 1));
	sha256_add(&s, r->found.identity.person);
	sha256_end(&s, h);
	memcpy(&key, h, sizeof(key));
	struct learned_place *p = &r->gate->learned[key % LEARNED];
	if (p->key != key)
		*p = (struct learned_place){ .key = key };
	return p;
}

static uint64_t
cap_of(const struct learned_place *p)
{
	uint64_t cap = p->tokens + p->tokens / 2;

	return cap > LEAST_CAP ? cap : LEAST_CAP;
}

bool
limits_learned(struct request *r)
{
	if (r->found.route->reserve != RESERVE_LEARNED || r->found.learned_cap || !r->in.have_body ||
		r->in.body_state == BODY_STATE_PARTIAL || r->in.body.choices > 1 ||
		r->in.body.prompts > 1 || r->in.body.marks.nrequests > 1 ||
		!r->found.endpoint.table->cap)
		return false;
	const struct learned_place *p = learned_place_of(r);
	if (p->samples < SAMPLES || (int64_t)cap_of(p) >= r->found.output_tokens)
		return false;
	r->found.learned_cap = cap_of(p);
	return true;
}

void
limits_learn(struct request *r, uint64_t output_tokens)
{
	if (r->found.route->reserve != RESERVE_LEARNED)
		return;
	struct learned_place *p = learned_place_of(r);
	uint64_t step = p->tokens / 8 > LEAST_STEP ? p->tokens / 8 : LEAST_STEP;
	if (p->samples == 0)
		p->tokens = output_tokens;
	else if (r->found.learned_cap && output_tokens >= r->found.learned_cap)
		p->tokens = 2 * r->found.learned_cap;
	else if (output_tokens > p->tokens)
		p->tokens += output_tokens - p->tokens < 19 * step ? output_tokens - p->tokens
								   : 19 * step;
	else if (p->tokens > step)
		p->tokens -= (step + 18) / 19;
	p->tokens = p->tokens < MOST_CAP ? p->tokens : MOST_CAP;
	p->samples += p->samples < SAMPLES;
}
