/* What telemetry is told of a request next to its record. */
#include <stdlib.h>

#include "answer/guard/guard.h"
#include "base/clock.h"
#include "gate/exchange.h"
#include "record/audit/note.h"

struct audit_note *
request_note(struct request *r)
{
	struct audit_note *n = r->gate->shared->tells ? calloc(1, sizeof(*n)) : NULL;
	struct span model = r->in.body.model, trace;

	if (!n)
		return NULL;
	memcpy(n->id, r->id, sizeof(n->id));
	trace = request_trace(r);
	if (trace.n)
		memcpy(n->trace, trace.p, sizeof(n->trace));
	n->begun_us = r->begun_us;
	n->begun_ns = r->now_wall_ns;
	if (r->found.endpoint.family)
		n->format = dialect_name(r->found.endpoint.family);
	n->endpoint = r->found.endpoint.name;
	if (model.n && !series_has_model(&r->gate->tally.series, model))
		model = SERIES_OTHER;
	memcpy(n->model, model.p ? model.p : "", model.n);
	memcpy(n->stage_us, r->run.took_us, sizeof(r->run.took_us));
	return n;
}

struct audit_note *
request_end_note(struct request *r, const struct exchange_result *res, const char *outcome)
{
	struct audit_note *n = request_note(r);
	const struct exchange *x = r->x;
	const struct attempts *t = x ? x->tries : NULL;

	if (!n)
		return NULL;
	n->completion = true;
	n->outcome = outcome;
	n->status = res->status;
	n->ended_us = clock_mono_us();
	n->sent_us = x ? x->sent_us : 0;
	if (x && x->guard) {
		const struct guard_report *a = guard_report(x->guard);
		n->first_us = a->streamed ? a->first_text_us : 0;
		n->events = a->streamed ? a->events : 0;
	}
	n->used = res->usage.known;
	n->input_tokens = res->usage.input_tokens;
	n->output_tokens = res->usage.output_tokens;
	for (; t && n->attempts < t->n; n->attempts++) {
		n->attempt[n->attempts].begun_us = t->v[n->attempts].begun_us;
		n->attempt[n->attempts].took_us = t->v[n->attempts].took_us;
	}
	return n;
}
