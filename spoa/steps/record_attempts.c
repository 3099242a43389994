/* What records say of a request that went, or may have gone, to more than one target. */
#include "gate/attempts.h"
#include "steps/record.h"

void
record_attempts(struct request *r, struct buf *b)
{
	const struct attempts *t = r->x ? r->x->tries : NULL;

	for (size_t i = 0; t && i < t->n; i++) {
		const struct attempt *a = &t->v[i];
		put_object_item(b, RF_ATTEMPTS, i);
		put_utf8(b, RF_ATTEMPTS_TARGET, span_str(a->target));
		put_name(b, RF_ATTEMPTS_CAUSE, attempt_causes[a->cause]);
		put_int(b, RF_ATTEMPTS_MS, (int64_t)(a->took_us / 1000));
		put_count(b, RF_ATTEMPTS_STATUS, (uint64_t)a->status);
		put_count(b, RF_ATTEMPTS_TOKENS, a->tokens);
		if (a->priced)
			put_int(b, RF_ATTEMPTS_COST, (int64_t)a->nanousd);
		put_flag(b, RF_ATTEMPTS_MAYBE_BILLED, a->maybe_billed);
		buf_putc(b, '}');
	}
	put_end(b, t ? t->n : 0);
}

void
record_attempt(struct request *r, struct buf *b)
{
	struct attempts *t = r->x->tries;

	put_int(b, RF_ATTEMPT, t->n + 1);
	if (!t->charges.n)
		return;
	put_item(b, RF_SETTLED, 0);
	buf_span(b, buf_view(&t->charges));
	buf_putc(b, ']');
	buf_clear(&t->charges); /* this record has them */
}
