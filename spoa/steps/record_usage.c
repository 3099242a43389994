/* What a completion says of usage: the provider's totals, their parts that are priced apart,
 * and what all of it cost, by which row of the price list. */
#include "policy/prices.h"
#include "steps/record.h"

/* Member names of the parts; totals and what was cached have their own. */
static const char *const part_names[PRICE_KINDS] = { [PRICE_WRITE] = "cache_write_tokens",
	[PRICE_WRITE_1H] = "cache_write_1h_tokens",
	[PRICE_AUDIO_IN] = "audio_input_tokens",
	[PRICE_IMAGE_IN] = "image_input_tokens",
	[PRICE_REASONING] = "reasoning_tokens",
	[PRICE_AUDIO_OUT] = "audio_output_tokens",
	[PRICE_IMAGE_OUT] = "image_output_tokens",
	[PRICE_IMAGES] = "images",
	[PRICE_SEARCHES] = "searches",
	[PRICE_SESSIONS] = "sessions" };

static void
put_cost(const struct priced *p, struct buf *b)
{
	size_t n = 0;

	put_int(b, "cost_nanousd", (int64_t)p->cost.nanousd);
	put_object(b, "price");
	put_str(b, "model", span_str(p->row->model));
	put_str(b, "from", span_str(p->row->from));
	buf_putc(b, '}');
	for (enum price_kind k = 0; k < PRICE_KINDS; k++)
		if (p->cost.unpriced >> k & 1)
			put_text_item(b, "unpriced", n++, span_str(price_names[k]));
	put_end(b, n);
}

void
record_usage(const struct request *r, const struct usage *u, struct buf *b)
{
	struct price_usage used = usage_split(u);
	struct priced p;

	if (!u->known) {
		put_flag(b, "usage_unknown", true);
		return;
	}
	put_object(b, "usage");
	put_int(b, "input_tokens", u->input_tokens);
	put_int(b, "output_tokens", u->output_tokens);
	put_int(b, "cached_tokens", u->cached_tokens);
	for (enum price_kind k = 0; k < PRICE_KINDS; k++)
		if (part_names[k])
			put_count(b, part_names[k], used.n[k]);
	if (used.service)
		put_str(b, "service", span_str(price_service_names[used.service]));
	buf_putc(b, '}');
	if (request_cost(r, u, &p))
		put_cost(&p, b);
	put_flag(b, "price_unknown", p.unknown);
}
