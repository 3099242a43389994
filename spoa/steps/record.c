/* What a record says (the inside; the audit thread adds version, node, boot,
 * sequence, previous hash and time). Every value a rule may read is here, so
 * that a decision can be evaluated again. Lists are cut at a stated length
 * and carry their true count. */
#include "steps/record.h"

#include "base/caps.h"
#include "base/clock.h"
#include "limits/limits.h"
#include "verdict/explain.h"

enum { OUTCOMES_MAX = 4096, DATA_MAX = 8192 };

/* For a daemon that starts after this one was killed. */
static void
put_charges(struct request *r, struct buf *b, const char *name)
{
	size_t n = 0;

	for (int i = 0; i < 2; i++)
		for (size_t k = 0; k < r->found.quota[i]->ndims; k++) {
			char text[QUOTA_TEXT_MAX];
			const struct quota_dim *d = &r->found.quota[i]->dim[k];
			if (quota_recalled(d))
				put_text_item(
					b, name, n++, span_of(text, quota_write(d, text)));
		}
	put_end(b, n);
}

/* By the counters' clock: those of the daemons differ. */
static void
put_counted_at(struct buf *b, int64_t counted_ms)
{
	char when[CLOCK_RFC3339_LEN];

	clock_rfc3339(counted_ms * 1000000, when);
	put_str(b, "counted_at", span_str(when));
}

static void
put_quota(struct request *r, struct buf *b)
{
	size_t n = 0;

	for (int i = 0; i < 2; i++)
		for (size_t k = 0; k < r->found.quota[i]->ndims; k++) {
			const struct quota_dim *d = &r->found.quota[i]->dim[k];
			put_item(b, "limits", n++);
			buf_putc(b, '{');
			put_str(b, "limit", span_str(d->name));
			put_str(b, "kind", span_str(limits_kinds[d->counts]));
			put_int(b, "of", (int64_t)d->limit);
			if (d->span.kind == QUOTA_CALENDAR)
				put_str(b, "window", span_str(limits_calendar(d)));
			else if (d->span.kind == QUOTA_ROLLING)
				put_int(b, "window_s", (int64_t)d->span.window_s);
			put_int(b, "taken", d->charged ? (int64_t)d->n : 0);
			if (d->reset_ms)
				put_int(b, "remaining", (int64_t)d->remaining);
			if (d->span.kind == QUOTA_ROLLING && d->charged)
				put_counted_at(b, d->counted_ms);
			buf_putc(b, '}');
		}
	put_end(b, n);
	put_charges(r, b, "reserved");
	put_flag(b, "quota_unavailable", r->found.quota_failed);
	put_flag(b, "quota_alone", r->found.quota[0]->alone || r->found.quota[1]->alone);
	put_count(b, "learned_cap", r->found.learned_cap);
	put_count(b, "default_cap", r->found.default_cap);
	if (r->found.fell.change) {
		put_object(b, r->found.fell.soft ? "at_soft" : "at_limit");
		put_str(b, "limit", span_str(r->found.fell.limit->name));
		put_str(b, "model", span_str(r->found.fell.change->model));
		put_count(b, "max_output_tokens", r->found.fell.change->max_output_tokens);
		buf_putc(b, '}');
	}
}

static void
put_policy(struct request *r, struct buf *b)
{
	const struct policy *p = r->snap->policy;

	put_str(b, "policy", span_str(p->label));
	put_str(b, "policy_version", span_str(p->version));
	put_flag(b, "shadow", p->shadow);
	put_flag(b, "observing", p->observe.backend && r->now_wall_ns < p->observe.until_ns);
	if (r->found.route)
		put_str(b, "route", span_str(r->found.route->name));
	if (r->found.route && r->out.decision.kind != D_OBSERVED)
		put_str(b, "target", span_str(request_target(r)->name));
	put_str(b, "backend", span_str(request_backend(r)));
	put_utf8(b, "model", r->in.body.model);
}

static void
put_names(struct buf *b, const char *name, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n && i < LIST_MAX; i++) {
		put_text_item(b, name, i, span_str(v[i]));
	}
	put_end(b, n);
}

/* Where a route has a choice: who was considered, and why they left. */
static void
put_candidates(struct request *r, struct buf *b)
{
	static const char *const fates[] = { "chosen", "left", "denied", "routed elsewhere" };

	if (r->found.verdict.ncandidates < 2)
		return;
	for (size_t i = 0; i < r->found.verdict.ncandidates; i++) {
		const struct policy_candidate *c = &r->found.verdict.candidates[i];
		put_item(b, "candidates", i);
		buf_putc(b, '{');
		put_str(b, "target", span_str(c->target->name));
		put_str(b, "model", span_str(c->target->model));
		put_str(b, "fate", span_str(fates[c->fate]));
		if (c->fate == CANDIDATE_DENIED || c->fate == CANDIDATE_ROUTED)
			put_str(b, "rule", span_str(c->rule ? c->rule->name : "default"));
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

static void
put_tags(const struct request *r, struct buf *b)
{
	if (r->found.have_verdict)
		put_names(b, "tags", r->found.verdict.tags, r->found.verdict.ntags);
	for (size_t i = 0; i < r->found.ntags; i++)
		put_text_item(b, "request_tags", i, r->found.tags[i]);
	put_end(b, r->found.ntags);
}

/* The headers' values are the policy's, which the version names. */
static void
put_changes(struct request *r, struct buf *b)
{
	const struct policy_verdict *v = &r->found.verdict;
	const struct header *h;
	size_t n = 0;

	if (!r->found.have_verdict)
		return;
	put_candidates(r, b);
	put_tags(r, b);
	if (r->out.decision.kind == D_DENY || r->out.decision.kind == D_OBSERVED)
		return;
	put_utf8(b, "requested_model", r->in.asked_model);
	put_count(b, "max_output_tokens", v->changes.max_output_tokens);
	for (size_t rule = 0, at = 0; (h = request_header(r, &rule, &at)); n++) {
		put_text_item(b, "set_headers", n, span_str(h->name));
	}
	put_end(b, n);
}

/* What the rules said, whatever came of it: effect, rule, and the fate of each rule
 * as a letter (explain_letters). */
static void
put_verdict(struct request *r, struct buf *b)
{
	const struct policy_verdict *v = &r->found.verdict;

	if (!r->found.have_verdict)
		return;
	put_object(b, "verdict");
	put_str(b, "effect", span_str(rule_effect_name(v->effect)));
	put_str(b, "rule", span_str(v->rule ? v->rule->name : "default"));
	if (r->in.asked_model.p) { /* what is sent is another */
		key(b, "asked_model");
		buf_json_str(b, cut(r->in.asked_model, VALUE_MAX));
	}
	if (v->trace && r->snap->policy->nrules <= OUTCOMES_MAX) {
		key(b, "outcomes");
		buf_putc(b, '"');
		for (size_t i = 0; i < r->snap->policy->nrules; i++)
			buf_putc(b, explain_letters[v->trace[i].fate]);
		buf_putc(b, '"');
	}
	buf_putc(b, '}');
}

/* Which rules matched, and those that failed with why. */
static void
put_rules(struct request *r, struct buf *b)
{
	if (!r->found.have_verdict)
		return;
	/* The trace left with the frame where the relay refuses what was permitted. */
	record_rules(b, r->found.verdict.trace, r->snap->policy->nrules);
	if (r->found.verdict.shadowed) {
		put_object(b, "would_be");
		put_str(b, "decision",
			span_str(rule_effect_name(r->found.verdict.shadow_effect)));
		if (r->found.verdict.shadow_rule)
			put_str(b, "rule", span_str(r->found.verdict.shadow_rule->name));
		const struct policy_changes *would = &r->found.verdict.shadow_changes;
		if (would->target)
			put_str(b, "target", span_str(would->target->name));
		put_str(b, "model", span_str(would->model));
		put_count(b, "max_output_tokens", would->max_output_tokens);
		buf_putc(b, '}');
	}
}

/* Of the policy's data, a bit each: read by the rules, or by those on the answer. */
static uint32_t
data_read(const struct request *r)
{
	const struct policy *p = r->snap->policy;
	uint32_t read = r->found.verdict.data_read;

	if (r->found.route && r->found.route->uses.any && r->out.decision.kind != D_DENY)
		for (size_t i = 0; i < p->nanswer_slots; i++)
			if (p->answer_slots[i] >= V_COUNT)
				read |= 1u << (p->answer_slots[i] - V_COUNT);
	return read;
}

/* What rules read from outside. A value that is too long is named only. */
static void
put_data(struct request *r, struct buf *b)
{
	const struct policy *p = r->snap->policy;
	const char *left[CAP_DATA];
	struct policy_facts f;
	size_t n = 0, left_out = 0;

	uint32_t read = r->found.have_verdict ? data_read(r) : 0;
	if (!read)
		return;
	request_facts(r, &f);
	for (size_t i = 0; i < p->ndata; i++) {
		struct buf text;
		if (!(read >> i & 1))
			continue;
		struct cel_value v = policy_data(p, &f, i, &r->arena);
		buf_init(&text, DATA_MAX);
		cel_json(&v, &text);
		if (buf_failed(&text)) {
			left[left_out++] = p->data[i].name;
		} else {
			if (n++ == 0) {
				put_object(b, "data");
			}
			key(b, p->data[i].name);
			buf_span(b, buf_view(&text));
		}
		buf_free(&text);
	}
	if (n)
		buf_putc(b, '}');
	put_names(b, "data_left_out", left, left_out);
}

/* What a second policy says. */
static void
put_shadow(struct request *r, struct buf *b)
{
	static const char *const names[] = { "decision", "rule", "redactions", "route" };
	const struct shadow *s = &r->found.shadow;
	const char *differs[4];
	size_t n = 0;

	if (!s->asked)
		return;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (s->differs >> i & 1)
			differs[n++] = names[i];
	put_object(b, "shadow_policy");
	key(b, "policy");
	buf_json_str(b, span_str(r->snap->shadow_policy->label));
	put_flag(b, "failed", s->failed);
	if (!s->failed) {
		put_str(b, "decision", span_str(rule_effect_name(s->effect)));
		put_count(b, "status", (uint64_t)s->status);
		put_utf8(b, "rule", span_str(s->rule));
	}
	put_names(b, "differs", differs, n);
	buf_putc(b, '}');
}

/* What an observed request would have come to. */
static void
put_would(struct request *r, struct buf *b)
{
	const struct decision *d = &r->out.would;

	if (r->out.decision.kind != D_OBSERVED)
		return;
	put_object(b, "would");
	put_str(b, "decision",
		d->kind == D_DEFER ? SPAN_LIT("unknown") : span_str(decision_names[d->kind]));
	if (d->kind == D_DENY) {
		put_int(b, "status", d->status);
		put_str(b, "code", span_str(d->code));
		put_utf8(b, "reason", d->message);
	}
	put_str(b, "rule", span_str(d->rule));
	buf_putc(b, '}');
}

void
record_decision(struct request *r, struct buf *b)
{
	const struct decision *d = &r->out.decision;
	char when[CLOCK_RFC3339_LEN];

	buf_str(b, "\"type\":\"decision\"");
	put_str(b, "id", span_str(r->id));
	clock_rfc3339(r->now_wall_ns, when);
	put_str(b, "decided_at", span_str(when));
	put_str(b, "decision", span_str(decision_names[d->kind]));
	if (d->kind == D_DENY) {
		put_int(b, "status", d->status);
		put_str(b, "code", span_str(d->code));
		put_utf8(b, "reason", d->message);
	}
	put_str(b, "rule", span_str(d->rule));
	put_would(r, b);
	if (d->via == VIA_DIRECT || d->via == VIA_OBSERVE) {
		put_str(b, "via", span_str(via_names[d->via]));
		put_str(b, "state", SPAN_LIT("released to HAProxy"));
	} else if (d->via == VIA_RELAY) {
		put_str(b, "via", SPAN_LIT("relay"));
	}
	put_policy(r, b);
	put_str(b, "searched",
		r->found.route && r->found.route->find_all ? SPAN_LIT("all")
							   : span_str(r->snap->searched));
	put_verdict(r, b);
	put_rules(r, b);
	record_not_held(r, b);
	put_changes(r, b);
	record_request(r, b);
	record_identity(r, b);
	record_findings(r, b);
	if (r->in.body.nreasoning) {
		key(b, "signed_reasoning");
		buf_printf(b, "{\"blocks\":%zu,\"dropped\":%zu,\"left\":%zu}",
			r->in.body.nreasoning, r->found.reasoning_dropped,
			r->found.reasoning_left);
	}
	put_count(b, "credentials", r->found.ncredentials);
	put_flag(b, "evasion", r->found.evasion);
	put_flag(b, "classifier_failed", r->found.classifier_failed);
	record_recognitions(r, b);
	put_flag(b, "low_confidence",
		request_silence(r, OUT_PERMIT) ||
			(r->found.have_verdict && r->out.decision.kind != D_DENY &&
				request_on_failure(r)->classifier == OUT_PERMIT &&
				request_unanswered(r)));
	put_data(r, b);
	put_shadow(r, b);
	record_prompt(r, b);
	put_quota(r, b);
	record_not_inspected(r, b);
}

void
record_completion(struct request *r, const struct exchange_result *res, const char *outcome,
	struct buf *b)
{
	buf_str(b, "\"type\":\"completion\"");
	put_str(b, "id", span_str(r->id));
	put_str(b, "outcome", span_str(outcome));
	put_count(b, "status", (uint64_t)res->status);
	put_str(b, "why", span_str(res->why));
	put_policy(r, b);
	put_object(b, "identity");
	put_str(b, "method", span_str(r->found.identity.method));
	put_utf8(b, "person", r->found.identity.person);
	put_utf8(b, "team", r->found.identity.team);
	buf_putc(b, '}');
	put_tags(r, b);
	put_str(b, "traceparent", request_trace(r));
	put_int(b, "response_bytes", (int64_t)res->response_bytes);
	record_usage(r, &res->usage, b);
	record_answer(r, b);
	put_charges(r, b, "settled");
	put_int(b, "duration_us", (int64_t)(clock_mono_us() - r->begun_us));
}
