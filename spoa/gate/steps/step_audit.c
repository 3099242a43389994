/* The audit step: the decision's record is durable before the verdict is given. Also the record
 * of a request's end, and the notes that telemetry receives beside the records. */
#include <stdlib.h>

#include "answer/guard/guard.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "gate/exchange.h"
#include "gate/sealing/sealing.h"
#include "gate/steps/steps.h"
#include "record/audit/note.h"
#include "record/audit/record_terms.h"
#include "record/journal/chain.h"

/* Makes the note for telemetry, which the audit entry owns; NULL: no telemetry, or out of
 * memory. */
static struct audit_note *
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

/* Adds the result to the note of a completion. */
static struct audit_note *
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

/* ---- the decision's record ---- */

enum { RECORD_BYTES = 2048 }; /* the usual size of a record */

static void
record_failed(struct request *r)
{
	metric_inc(r->gate->metrics, M_AUDIT_FAILED);
	if (request_on_failure(r)->audit == OUT_PERMIT)
		return;
	request_release(r);
	if (r->out.decision.kind == D_DENY)
		return; /* a denial stays a denial, recorded or not */
	request_deny(r, 503, "audit_unavailable", "", SPAN_LIT(WHY_NOT_RECORDED));
}

static void
record_free(struct record *rec)
{
	buf_free(&rec->entry.fields);
	text_parts_free(&rec->entry.parts);
	free(rec->entry.note);
	buf_free(&rec->undone.fields);
	free(rec->undone.note);
	TAG_CLEAR(record, rec);
	free(rec);
}

static void
undone_recorded(struct audit_entry *e, int err)
{
	struct record *rec = TAGGED_OF(record, undone, e);

	INVARIANT(!rec->r && rec->gate->alive > 0);
	if (err)
		metric_inc(rec->gate->metrics, M_AUDIT_FAILED);
	rec->gate->alive--;
	record_free(rec);
}

static void
decision_recorded(struct audit_entry *e, int err)
{
	struct record *rec = TAGGED_OF(record, entry, e);
	struct request *r = rec->r;
	char hex[2 * CHAIN_HASH_BYTES + 1];

	INVARIANT(!r || (r->run.record == rec && !rec->gate));
	INVARIANT(!rec->gate || rec->gate->alive > 0);
	if (rec->gate && !err) {
		audit_append(rec->gate->shared->audit, &rec->undone);
		return;
	}
	if (rec->gate)
		rec->gate->alive--;
	if (r && !err && r->found.route && r->found.route->receipt) {
		/* NODE/SEQ/HASH of the decision's record */
		chain_hex(e->hash, hex);
		r->out.receipt = arena_printf(&r->arena, "%s/%llu/%s", gate_cfg(r->gate)->node,
			(unsigned long long)e->seq, hex);
	}
	record_free(rec);
	if (!r)
		return;
	r->run.record = NULL;
	if (r->run.on_record < RECORD_LEFT)
		r->run.on_record = err ? RECORD_NONE : RECORD_DURABLE;
	/* the ACK was sent before the record was durable */
	if (r->run.life == LIFE_ANSWERED && r->x && !r->run.resumed) {
		if (err)
			metric_inc(r->gate->metrics, M_AUDIT_FAILED);
		request_answered(r);
		r->calls->recorded(r, err);
		return;
	}
	if (r->run.life == LIFE_STEPS) {
		if (err)
			record_failed(r);
		request_waited(r);
		r->run.step = STEPS_COUNT;
	}
	r->calls->back(r);
}

/* Writes the record's members, and seals the texts that are kept. */
static int
make_decision(struct request *r, struct audit_entry *e)
{
	buf_init(&e->fields, CAP_RECORD_BYTES);
	buf_reserve(&e->fields, RECORD_BYTES);
	int err = request_seal_holder(r);
	if (!err)
		err = request_seal_decision(r, e);
	if (!err)
		record_decision(r, &e->fields);
	request_seal_wipe(r);
	request_seal_drop(r);
	return err ? err : buf_failed(&e->fields) ? ERR_NOMEM : 0;
}

int
request_record(struct request *r)
{
	struct gate *g = r->gate;
	struct record *rec = calloc(1, sizeof(*rec));

	INVARIANT(!r->run.record && r->run.life != LIFE_ENDED);
	if (!rec)
		return ERR_NOMEM;
	TAG(record, rec);
	int err = make_decision(r, &rec->entry);
	if (err) {
		record_free(rec);
		return err;
	}
	rec->entry.reply_to = g->mail;
	rec->entry.done = decision_recorded;
	rec->entry.note = request_tried(r) || r->found.probe ? NULL : request_note(r);
	rec->r = r;
	r->run.record = rec;
	r->run.recorded_kind = r->out.decision.kind;
	request_asked(r);
	audit_append(g->shared->audit, &rec->entry);
	return 0;
}

/* Counts a request that ended with an error, by the same rule as --outcome error. */
static void
count_failed(struct request *r, const struct exchange_result *res, const char *outcome)
{
	const struct guard *g = r->x ? r->x->guard : NULL;
	const struct record_end end = { .outcome = span_str(outcome),
		.why = span_str(res->why),
		.status = res->status,
		.said_error = g && guard_report(g)->provider_error };

	if (!r->found.probe && record_ended_so(&end, SPAN_LIT("error")))
		metric_inc(r->gate->metrics, M_FAILED);
}

void
request_record_leave(struct request *r, const char *undone)
{
	struct exchange_result res = { .end = END_NEVER_SENT, .why = undone };
	struct record *rec = r->run.record;

	INVARIANT(rec && rec->r == r && !rec->gate);
	if (undone) {
		request_release(r);
		buf_init(&rec->undone.fields, CAP_RECORD_BYTES);
		record_completion(r, &res, "abandoned", &rec->undone.fields);
		rec->undone.reply_to = r->gate->mail;
		rec->undone.done = undone_recorded;
		rec->undone.note = request_end_note(r, &res, "abandoned");
		rec->gate = r->gate;
		rec->gate->alive++; /* gate_alive() counts it, so a stop waits */
	}
	rec->r = NULL;
	r->run.record = NULL;
	r->run.on_record = undone ? RECORD_LEFT_UNDONE : RECORD_LEFT;
	request_answered(r);
	request_waited(r);
}

/* Returns true if a rule may have read something that only a record of its own can hold. */
static bool
says_something(const struct request *r)
{
	const struct policy_verdict *v = &r->found.verdict;
	const struct body *b = &r->in.body;
	bool tools = false;

	for (size_t i = 0; i < b->nsegments; i++)
		tools |= b->segments[i].role >= ROLE_TOOL_CALL &&
			 b->segments[i].role <= ROLE_TOOL_DEFINITION;
	return tools || b->nparams || b->nrefs || r->in.unread.nmedia || r->in.unread.sealed ||
	       r->scan.nhits || r->scan.nextra || r->scan.nborder || r->scan.nrecognitions ||
	       r->found.ncredentials || r->found.evasion || r->found.search != SEARCH_WHOLE ||
	       r->found.shadow.differs || r->found.shadow.state == SHADOW_FAILED ||
	       v->ruled.shadowed || v->ruled.ntags || v->data_read;
}

/* Adds the message to the list in the session's next record, if it only adds to a turn, is
 * forwarded unchanged and has no findings. That record is durable before the message that asks
 * for a response is forwarded. */
static bool
joins_next(struct request *r)
{
	struct messages_joined *to = r->in.joined;

	INVARIANT(r->in.message != MESSAGE_ALONE || to->n <= CAP_SOCKET_JOINED);
	const struct route *route = r->found.route;

	if (r->in.message != MESSAGE_ALONE || r->out.decision.kind != D_PERMIT ||
		r->out.sends == SENDS_REWRITTEN || !r->in.have_body || says_something(r) ||
		record_text_sealed(route->record_prompt) ||
		record_text_sealed(route->record_tools) || to->closed ||
		to->n == CAP_SOCKET_JOINED || !audit_ready(r->gate->shared->audit))
		return false;
	struct message_joined *m = &to->v[to->n++];
	*m = (struct message_joined){ .at_ns = r->now_wall_ns,
		.bytes = r->in.raw.n,
		.injection = r->found.injection,
		.rule = r->out.decision.rule };
	memcpy(m->hmac, r->found.raw_hmac, sizeof(m->hmac));
	return true;
}

/* Denies a request that needs the relay: for a redaction, a partial body, or a response that is
 * read. */
static void
deny_without_relay(struct request *r)
{
	bool redacts = r->out.decision.kind == D_REDACT;

	if (gate_cfg(r->gate)->relay) {
		request_overload(r);
		request_denial_says(
			r, SPAN_LIT("the gateway's relay is full; retry in a few seconds"));
		return;
	}
	request_deny(r, 503, "relay_missing", r->out.decision.rule,
		redacts ? SPAN_LIT("data in this request must be replaced, which needs the "
				   "gateway's "
				   "relay; its operators must set relay.listen")
			: SPAN_LIT("this request needs the gateway's relay; its operators must "
				   "set "
				   "relay.listen"));
}

enum step_result
step_audit(struct request *r)
{
	struct gate *g = r->gate;

	request_observed(r);
	if (!g)
		return STEP_NEXT;
	/* the record must not state `relay` if no ticket is free */
	bool has_room = gate_cfg(g)->relay && g->tickets.n < g->tickets.cap;
	if (r->out.decision.via == VIA_RELAY && !r->run.resumed && !has_room) {
		request_release(r);
		deny_without_relay(r);
	}
	request_count_call(r);
	if (r->out.decision.kind == D_DEFER || !g->shared->audit || joins_next(r))
		return STEP_NEXT;
	if (request_record(r) < 0) {
		record_failed(r);
		return STEP_NEXT;
	}
	/* A request that is permitted through the relay comes back before anything of it is
	 * sent, so the disk can work meanwhile: the relay's claim waits for the record, not the
	 * ACK. If the disk refuses writes, the ACK waits, to report that. */
	if (r->out.decision.via == VIA_RELAY && r->out.decision.kind != D_DENY &&
		!r->run.resumed && audit_ready(g->shared->audit))
		return STEP_NEXT;
	return request_waits(r, WAIT_AUDIT);
}

static void
completion_recorded(struct audit_entry *e, int err)
{
	struct request *r = TAGGED(request, e->arg);

	INVARIANT(e == &r->run.completion);
	request_answered(r);
	free(e->note);
	e->note = NULL;
	if (r->run.counted)
		quota_counted_noted(r->gate->quota, r->run.counted, r->run.ncounted, !err);
	free(r->run.counted);
	r->run.counted = NULL;
	if (!err)
		err = r->run.unkept;
	if (err)
		metric_inc(r->gate->metrics, M_AUDIT_FAILED);
	r->calls->completed(r, err && request_on_failure(r)->audit == OUT_DENY ? err : 0);
	if (r->run.life == LIFE_ENDED)
		r->calls->over(r);
}

void
request_complete(struct request *r, const struct exchange_result *res, const char *outcome)
{
	struct gate *g = r->gate;

	INVARIANT(r->run.completion.fields.n == 0);
	int err = request_seal_holder(r);
	if (!err)
		err = request_seal_end(r, res->end == END_COMPLETE, &r->run.completion);
	r->run.unkept = err;
	if (err)
		/* a text that did not reach its end is not recorded as kept */
		request_seal_drop(r);
	record_completion(r, res, outcome, &r->run.completion.fields);
	count_failed(r, res, outcome);
	request_seal_wipe(r);
	request_seal_drop(r);
	r->run.completion.reply_to = g->mail;
	r->run.completion.done = completion_recorded;
	r->run.completion.arg = r;
	r->run.completion.note = r->found.probe ? NULL : request_end_note(r, res, outcome);
	request_asked(r);
	if (g->shared->audit) {
		audit_append(g->shared->audit, &r->run.completion);
		return;
	}
	r->calls->completed_later(r);
}
