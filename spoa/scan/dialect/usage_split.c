/* What a usage says, with each token in one kind only: what is a part of another count is taken
 * out of it once, whatever the family calls parts (scan/dialect/usage_rows.c). */
#include "scan/dialect/dialect.h"

/* At most what is left of the whole. */
static void
take_part(struct price_usage *s, enum price_kind k, uint64_t *left)
{
	s->n[k] = s->n[k] > *left ? *left : s->n[k];
	*left -= s->n[k];
}

struct price_usage
usage_split(const struct usage *u)
{
	/* what costs most first */
	static const enum price_kind prompt[] = { PRICE_WRITE_1H, PRICE_WRITE, PRICE_AUDIO_IN,
		PRICE_IMAGE_IN, PRICE_CACHED };
	static const enum price_kind answer[] = { PRICE_AUDIO_OUT, PRICE_IMAGE_OUT,
		PRICE_REASONING };
	struct price_usage s = u->details;

	if (!u->known)
		return (struct price_usage){ 0 };
	uint64_t in = (uint64_t)u->input_tokens, out = (uint64_t)u->output_tokens;
	/* what is kept for an hour is a part of what was written */
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
