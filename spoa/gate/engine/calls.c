/* What requests ask of those above them, as one table: request.h. */
#include "gate/engine/engine.h"
#include "gate/files/files.h"
#include "gate/sealing/sealing.h"

static void
let_request_go(struct request *r, struct arena *own)
{
	request_drop_job(r);
	request_drop_files(r);
	request_drop_mentions(r);
	request_keep_texts(r, own);
}

static void
request_ends(struct request *r)
{
	gate_count_heavy(r);
	request_unqueue(r);
	request_attempt_over(r, CAUSE_ABORTED, 0, false, 0);
	request_drop_job(r);
	request_drop_files(r);
	request_drop_mentions(r);
	request_drop_data(r);
	limits_free_calls(r);
	request_seal_free(r);
}

const struct request_calls gate_calls = {
	.let_go = let_request_go,
	.ends = request_ends,
	.forget = request_drop_mentions,
	.back = request_back,
	.recorded = gate_recorded,
	.completed = exchange_completed,
	.completed_later = exchange_completed_later,
	.over = gate_request_end,
};
