/* Replaces reservations by the amounts that an exchange used: nothing if nothing was sent, the
 * used amount if it is known, else the reservation. */
#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "gate/exchange.h"
#include "gate/limits/limits.h"
#include "gate/sealing/sealing.h"
#include "policy/prices.h"

/* Tokens used, if known. If the provider reported nothing: the reservation, with the prompt as
 * counted since. */
struct took {
	uint64_t input, output;
};

/* Returns the cost in nanodollars. If a part has no price, at least the reservation. */
static uint64_t
spent_nanousd(const struct request *r, const struct took *t, uint64_t reserved)
{
	const struct exchange *x = r->x;
	struct price_usage used = { 0 };
	struct priced p;
	struct price_row row;
	struct price_cost cost;

	if (x->used_by == USED_SAID) {
		if (!request_cost(r, &x->used, &p))
			return reserved;
		cost = p.cost;
	} else {
		if (!request_price(r, request_priced_model(r), &row))
			return reserved;
		if (x->used_by == USED_SEEN)
			used = usage_split(&x->used);
		used.n[PRICE_INPUT] = t->input;
		used.n[PRICE_OUTPUT] = t->output;
		request_pieces(r, &row, &used);
		price_worst(&row, &used, PRICE_MAY_ANY, &cost);
	}
	if (cost.unpriced)
		return reserved > cost.nanousd ? reserved : cost.nanousd;
	return cost.nanousd;
}

/* Returns what the cache charged for the prompt's vector: once, whatever became of the request.
 */
static uint64_t
vector_cost(const struct request *r, const struct quota_dim *d)
{
	const struct found_cache *f = &r->found.cache;

	if (request_settled(r))
		return 0;
	switch ((enum limit_of)d->counts) {
	case LIMIT_TOKENS:
	case LIMIT_INPUT_TOKENS: return f->embedded.tokens;
	case LIMIT_USD: return f->embedded.nanousd;
	default: return 0;
	}
}

/* Returns the amount that a counter is charged in the end. */
static uint64_t
amount_used(const struct request *r, const struct took *t, const struct quota_dim *d)
{
	const struct exchange *x = r->x;

	if (d->unit == QUOTA_CONCURRENT)
		return 0;
	if (d->unit == QUOTA_REQUESTS || (x->used_by == USED_RESERVED && !r->found.tokens.late))
		return d->n;
	if (x->used_by <= USED_NOTHING)
		return 0;
	switch ((enum limit_of)d->counts) {
	case LIMIT_INPUT_TOKENS: return t->input;
	case LIMIT_OUTPUT_TOKENS: return t->output;
	case LIMIT_USD: return spent_nanousd(r, t, d->n);
	default: return t->input + t->output;
	}
}

size_t
exchange_settle(struct request *r, struct change *out)
{
	struct exchange *x = r->x;
	size_t n = 0;

	bool not_sent = x->used_by == USED_NOT_SENT && !(x->tries && x->tries->let_go) &&
			!r->found.charges_denied;
	if (not_sent && !r->found.cache.embedded.tokens) {
		for (int i = 0; i < 2; i++)
			quota_release(r->gate->quota, r->found.quota[i], clock_mono_us());
		return 0;
	}
	bool kept = x->used_by == USED_RESERVED && limits_keep_file(r);
	bool late = x->used_by == USED_RESERVED && r->found.tokens.late;
	const struct took t = { (uint64_t)(late ? r->found.input_tokens : x->used.input_tokens),
		(uint64_t)(late ? r->found.output_tokens : x->used.output_tokens) };
	r->found.file.kept = kept;
	if (late && r->found.most_nanousd)
		r->found.most_nanousd = spent_nanousd(r, &t, r->found.most_nanousd);
	if (x->used_by == USED_SAID)
		limits_learn(r, (uint64_t)x->used.output_tokens);
	for (int i = 0; i < 2; i++) {
		struct quota_request *q = r->found.quota[i];
		for (size_t k = 0; k < q->ndims; k++)
			q->dim[k].actual =
				(not_sent || (kept && limits_counts_text(q->dim[k].counts))
						? 0
						: amount_used(r, &t, &q->dim[k])) +
				vector_cost(r, &q->dim[k]);
		n += quota_settled(q, out + n);
	}
	INVARIANT(n <= CORRECTIONS_MAX);
	return n;
}

size_t
exchange_settle_attempt(struct request *r, struct buf *said, struct change *out)
{
	const struct exchange *x = r->x;
	const struct took t = { (uint64_t)x->used.input_tokens,
		(uint64_t)x->used.output_tokens };
	char text[QUOTA_TEXT_MAX];
	size_t n = 0, kept = 0;

	if (x->used_by == USED_SAID)
		limits_learn(r, (uint64_t)x->used.output_tokens);
	/* the shared empty constant must not be written, so swap the two */
	if (!r->found.quota[0]->ndims) {
		struct quota_request *none = r->found.quota[0];
		r->found.quota[0] = r->found.quota[1];
		r->found.quota[1] = none;
	}
	struct quota_request *once = r->found.quota[0];
	INVARIANT(once->ndims <= QUOTA_DIMS_MAX && r->found.quota[1]->ndims <= QUOTA_DIMS_MAX);
	for (int i = 0; i < 2; i++) {
		struct quota_request *q = r->found.quota[i];
		size_t ndims = q->ndims;
		for (size_t k = 0; k < ndims; k++) {
			struct quota_dim d = q->dim[k];
			bool of_request =
				d.unit == QUOTA_REQUESTS || d.unit == QUOTA_CONCURRENT;
			if (of_request && kept < QUOTA_DIMS_MAX) {
				once->dim[kept++] = d;
				continue;
			}
			if (!d.charged)
				continue;
			d.actual = amount_used(r, &t, &d) + vector_cost(r, &d);
			INVARIANT(n < CORRECTIONS_MAX);
			out[n++] = cell_settle(&d);
			size_t bytes = d.n ? request_charge_text(r, &d, text) : 0;
			if (bytes)
				json_put_text(said, NULL, span_of(text, bytes));
		}
		if (ndims)
			q->ndims = 0;
	}
	if (kept)
		once->ndims = kept;
	return n;
}

void
exchange_took(struct request *r, struct attempt *a)
{
	const struct exchange *x = r->x;
	const struct took t = { (uint64_t)x->used.input_tokens,
		(uint64_t)x->used.output_tokens };

	if (x->used_by <= USED_NOTHING)
		return;
	if (x->used_by == USED_RESERVED) {
		const struct took most = { (uint64_t)r->found.input_tokens,
			(uint64_t)r->found.output_tokens };
		a->tokens = most.input + most.output;
		a->nanousd = r->found.most_nanousd;
		if (r->found.tokens.late && a->nanousd) /* as in exchange_settle() */
			a->nanousd = spent_nanousd(r, &most, a->nanousd);
		a->priced = a->nanousd > 0;
		return;
	}
	a->tokens = t.input + t.output;
	a->nanousd = spent_nanousd(r, &t, UINT64_MAX);
	a->priced = a->nanousd != UINT64_MAX;
}
