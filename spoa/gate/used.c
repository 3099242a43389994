/* What an exchange used, in tokens, where its provider does not say (design rule 8): nothing,
 * what was seen of it at most, or all that was reserved. */
#include "gate/exchange.h"
#include "tokens/estimate.h"

enum {
	BYTES_A_TOKEN = 3, /* as requests are estimated */
	TEXT_OVERHEAD = 16 /* more than a turn, or a call of a tool, takes besides its text */
};

/* A success by its status that is an error document: nothing was made. */
static bool
provider_error(const struct guard_report *a)
{
	return a->provider_error && !a->finish[0] && !a->events;
}

/* All that was made can be in what was read: text, of a stream as far as it came, or of an
 * answer that is whole. */
static bool
saw_all(const struct exchange *x, const struct exchange_result *res,
	const struct guard_report *a)
{
	return !x->may_reason && !a->opaque_bytes && !a->sealed_bytes && !a->unread_bytes &&
	       !a->blind && (a->streamed || res->end == END_COMPLETE);
}

/* What the provider counted before the rest was said. */
static int64_t
said(const struct usage *u)
{
	return u->output_seen && !u->spoilt ? u->output_tokens : 0;
}

/* A token is a byte at least. More than was reserved it is only where the text is long even by
 * the measure that requests have: then there was no cap that the provider obeyed. */
static int64_t
most(const struct request *r, int64_t counted, uint64_t bytes)
{
	int64_t likely = counted + (int64_t)(bytes / BYTES_A_TOKEN),
		reserved = r->found.output_tokens;

	if (likely > reserved)
		return likely;
	return counted + (int64_t)bytes < reserved ? counted + (int64_t)bytes : reserved;
}

/* Of a whole answer by the model's own tokenizer, where that is known; -1: it is not. */
static int64_t
counted(const struct request *r, const struct guard_report *a)
{
	const struct snapshot *s = r->snap;
	struct token_sum sum = { 0 };
	struct span rest = a->heard;

	if (!s->models || !rest.n || a->streamed)
		return -1;
	struct token_meter m = token_meter_of(s->encodings, s->models, r->in.body.model);
	if (!m.own)
		return -1;
	while (rest.n) {
		token_sum_text(&m, span_next(&rest, '\0'), &sum);
		token_sum_plain(&sum, TEXT_OVERHEAD);
	}
	return token_sum_tokens(sum.most);
}

/* What the bytes allow; less where the tokens of these texts are known. */
static int64_t
output_of(const struct request *r, const struct usage *u, const struct guard_report *a)
{
	uint64_t bytes = a->output_bytes - (said(u) ? a->counted_bytes : 0);
	int64_t by_bytes = most(r, said(u), bytes), n = counted(r, a);

	return n >= 0 && n < by_bytes ? n : by_bytes;
}

/* The provider, or HAProxy before it, closed before the head of an answer: on a connection of its
 * own HAProxy says so with a status, on one that was used before it closes likewise. */
static bool
closed_unheard(const struct exchange_result *res)
{
	return res->end == END_PROVIDER_ABORT && !res->status && res->code &&
	       !strcmp(res->code, "provider_aborted");
}

enum used_by
exchange_used(const struct request *r, const struct exchange_result *res, struct usage *u)
{
	const struct exchange *x = r->x;
	const struct guard_report *a = x->guard ? guard_report(x->guard) : NULL;

	*u = res->usage;
	/* it was made, and counted, before; or nothing is made */
	if (r->found.endpoint.stored)
		return USED_NOTHING;
	if (r->out.decision.kind == D_DEFER || r->out.decision.kind == D_DENY ||
		res->end == END_NEVER_SENT || res->end == END_DENIED)
		return USED_NOT_SENT;
	if (r->found.endpoint.free && res->status)
		return USED_NOTHING;
	if (res->usage.known)
		return USED_SAID;
	if ((res->status >= 400 && !res->output_begun) || closed_unheard(res) ||
		(a && provider_error(a)))
		return USED_NOTHING;
	if (!a || !res->status || x->made_later)
		return USED_RESERVED;
	if (!saw_all(x, res, a) && said(&res->usage) <= r->found.output_tokens)
		return USED_RESERVED;
	if (u->spoilt || u->input_tokens < r->found.input_tokens)
		u->input_tokens = r->found.input_tokens;
	u->output_tokens = output_of(r, &res->usage, a);
	return USED_SEEN;
}
