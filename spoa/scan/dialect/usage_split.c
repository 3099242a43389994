/* Splits a usage so that each token is counted in one kind only. Example: 100 input tokens of
 * which 80 were cached become 20 PRICE_INPUT and 80 PRICE_CACHED. Which counts are parts of
 * which total is the same for all families, because usage_rows.c maps them to common fields. */
#include "scan/dialect/dialect.h"

/* Limits a part to the rest of the total, and subtracts the part from the rest. */
static void
take_part(struct price_usage *s, enum price_kind k, uint64_t *left)
{
	s->n[k] = s->n[k] > *left ? *left : s->n[k];
	*left -= s->n[k];
}

struct price_usage
usage_split(const struct usage *u)
{
	/* the most expensive kinds first, so that they are kept if the parts exceed the
	 * total */
	static const enum price_kind prompt[] = { PRICE_WRITE_1H, PRICE_WRITE, PRICE_AUDIO_IN,
		PRICE_IMAGE_IN, PRICE_CACHED };
	static const enum price_kind answer[] = { PRICE_AUDIO_OUT, PRICE_IMAGE_OUT,
		PRICE_REASONING };
	struct price_usage s = u->details;

	if (!u->known)
		return (struct price_usage){ 0 };
	uint64_t in = (uint64_t)u->input_tokens, out = (uint64_t)u->output_tokens;
	/* the tokens kept for an hour are included in the written ones */
	s.n[PRICE_WRITE] -=
		s.n[PRICE_WRITE] > s.n[PRICE_WRITE_1H] ? s.n[PRICE_WRITE_1H] : s.n[PRICE_WRITE];
	for (size_t i = 0; i < COUNT_OF(prompt); i++)
		take_part(&s, prompt[i], &in);
	for (size_t i = 0; i < COUNT_OF(answer); i++)
		take_part(&s, answer[i], &out);
	s.n[PRICE_INPUT] = in;
	s.n[PRICE_OUTPUT] = out;
	s.n[PRICE_REQUESTS] = 1;
	return s;
}
