/* The figures for operators that a request adds to: counters of /metrics, series by route,
 * provider and model, heavy hitters, what each rule did, and the list of recent decisions. */
#include "answer/guard/guard.h"
#include "base/caps.h"
#include "base/clock.h"
#include "gate/engine/engine.h"
#include "gate/sealing/sealing.h"
#include "policy/policy.h"
#include "policy/prices.h"
#include "policy/rule.h"

void
gate_count_decision(const struct request *r)
{
	/* clang-format off */
	static const struct { int status; enum metric m; } by_status[] = {
#define F(X, status, ...) { status, M_DENY_##status },
		DENY_STATUS(F, )
#undef F
	};
	static const struct { enum metric is, would; } by_kind[] = {
		[D_PERMIT] = { M_DECIDE_PERMIT, M_OBSERVED_PERMIT },
		[D_REDACT] = { M_DECIDE_REDACT, M_OBSERVED_REDACT },
		[D_DENY] = { M_DECIDE_DENY, M_OBSERVED_DENY },
		[D_DEFER] = { M_DECIDE_DEFER, M_OBSERVED_UNKNOWN },
		[D_OBSERVED] = { .is = M_DECIDE_OBSERVED },
	};
	/* clang-format on */
	struct metrics *m = r->gate->metrics;
	const struct decision *d = &r->out.decision;

	if (d->kind != D_NONE)
		metric_inc(m, by_kind[d->kind].is);
	if (d->kind == D_OBSERVED) {
		metric_inc(m, M_VIA_OBSERVE);
		metric_inc(m, by_kind[r->out.would.kind].would);
	}
	if (d->kind == D_PERMIT || d->kind == D_REDACT) {
		metric_inc(m, d->via == VIA_DIRECT ? M_VIA_DIRECT : M_VIA_RELAY);
		if (r->found.have_verdict && r->found.verdict.ruled.shadowed)
			metric_inc(m, M_SHADOWED);
	}
	for (size_t i = 0; d->kind == D_DENY && i < COUNT_OF(by_status); i++)
		if (by_status[i].status == d->status)
			metric_inc(m, by_status[i].m);
	if (d->kind == D_DENY && d->status == 401)
		metric_inc(m, M_AUTH_FAILED);
}

/* Returns the model as a label of /metrics, which others may read: only if a request with it
 * was permitted and the name has no finding. Others are "other". *room is false if it is not a
 * label for lack of room. request_hide_model() has hidden names with a finding, but if the
 * classifier failed, nobody has searched them yet. */
static struct span
model_label(struct request *r, bool permitted, bool *room)
{
	struct series *s = &r->gate->tally.series;
	struct span model = r->in.body.model;

	if (!model.n || series_has_model(s, model))
		return model;
	if (!permitted || !series_may_be_model(model))
		return SERIES_OTHER;
	*room = s->nmodels < CAP_SERIES_MODELS;
	if (!*room || request_may_hold(r, model) || request_credential_in(r, model))
		return SERIES_OTHER;
	return series_add_model(s, model) ? model : SERIES_OTHER;
}

/* Keeps what a request adds to its team, person and key. */
static void
keep_heavy(struct request *r, const struct series_part *parts, size_t n)
{
	static const uint8_t of[SERIES_VALUES] = { [SERIES_PERMIT] = 1 + HEAVY_PERMIT,
		[SERIES_REDACT] = 1 + HEAVY_REDACT,
		[SERIES_DENY] = 1 + HEAVY_DENY,
		[SERIES_OBSERVED] = 1 + HEAVY_OBSERVED,
		[SERIES_INPUT] = 1 + HEAVY_INPUT,
		[SERIES_OUTPUT] = 1 + HEAVY_OUTPUT,
		[SERIES_COST] = 1 + HEAVY_NANOUSD,
		[SERIES_UNPRICED] = 1 + HEAVY_UNPRICED };

	for (size_t i = 0; i < n; i++)
		if (of[parts[i].v]) {
			r->out.heavy[of[parts[i].v] - 1] += parts[i].n;
			r->out.has_heavy = true;
		}
}

void
gate_count_heavy(struct request *r)
{
	if (!r->out.has_heavy) /* `tollgate decide` has no gate, and counts nothing */
		return;
	struct heavy *h = r->gate->tally.heavy;
	heavy_add(&h[HEAVY_TEAM], r->found.identity.team, r->out.heavy);
	heavy_add(&h[HEAVY_PERSON], request_person_shown(r), r->out.heavy);
	heavy_add(&h[HEAVY_KEY], r->found.identity.key_id, r->out.heavy);
	memset(r->out.heavy, 0, sizeof(r->out.heavy));
	r->out.has_heavy = false;
}

static void
count_series(struct request *r, const struct series_part *parts, size_t n)
{
	enum series_value v = parts[0].v;
	bool permitted = v != SERIES_DENY && v != SERIES_OBSERVED;
	bool room = true;
	const struct span label[SERIES_LABELS] = {
		[SERIES_ROUTE] = span_str(r->found.route ? r->found.route->name : NULL),
		[SERIES_PROVIDER] = request_provider(r),
		[SERIES_MODEL] = model_label(r, permitted, &room),
	};

	team_tally_add(&r->gate->tally.teams, r->found.identity.team, parts, n);
	if (v != SERIES_STREAMED && v != SERIES_WHOLE)
		keep_heavy(r, parts, n);
	if ((!series_count(&r->gate->tally.series, label, parts, n) || !room) &&
		v < SERIES_INPUT)
		metric_inc(r->gate->metrics, M_LABELS_OVER);
}

void
gate_count_answer(struct request *r, const struct guard_report *a)
{
	uint64_t now_us = clock_mono_us();

	metric_add(r->gate->metrics, M_ANSWERS_REDACTED, a->redactions);
	metric_add(r->gate->metrics, M_ANSWERS_RESTORED, a->restorations);
	metric_add(r->gate->metrics, M_ANSWERS_UNRESOLVED, a->unresolved);
	metric_add(r->gate->metrics, M_OVERWORKED, a->overworked);
	metric_add(r->gate->metrics, M_TOOLS_HIDDEN, a->tools_hidden);
	if (a->streamed) {
		metric_add(r->gate->metrics, M_STREAM_TEXT, a->held_of_bytes);
		metric_add(r->gate->metrics, M_STREAM_HELD, a->held_byte_us / 1000);
		metric_add(r->gate->metrics, M_STREAM_MOST, a->held_max_bytes);
	}
	if (!a->first_text_us)
		return;
	const struct series_part parts[] = { { a->streamed ? SERIES_STREAMED : SERIES_WHOLE,
						     1 },
		{ SERIES_WAIT_US, a->first_text_us - r->begun_us },
		{ SERIES_TEXT_US, now_us - a->first_text_us } };
	bool timed = a->streamed && a->first_text_us >= r->begun_us;
	count_series(r, parts, timed ? COUNT_OF(parts) : 1);
	if (r->found.cache.state != CACHED_HIT && a->first_text_us >= r->begun_us)
		provider_took(provider_entry(&r->gate->tally.providers, request_provider(r)),
			a->streamed, a->first_text_us - r->begun_us, now_us - r->begun_us);
}

void
gate_count_tokens(struct request *r, const struct usage *u)
{
	struct metrics *m = r->gate->metrics;
	const struct found_tokens *t = &r->found.tokens;
	const struct price_usage used = usage_split(u);
	struct series_part parts[10];
	size_t n = 0;
	struct priced c;

	if (r->found.tokens_by && u->input_tokens > 0) {
		uint64_t took = (uint64_t)u->input_tokens,
			 said = (uint64_t)r->found.prompt_tokens;
		metric_inc(m, t->estimated ? M_TOKENS_ESTIMATED : M_TOKENS_COUNTED);
		metric_add(m, said > took ? M_TOKENS_OVER : M_TOKENS_UNDER,
			said > took ? said - took : took - said);
		if (u->input_tokens > r->found.input_tokens)
			metric_inc(m, M_TOKENS_SHORT);
		parts[n++] = (struct series_part){ SERIES_ESTIMATE, said };
		if (t->estimated)
			learned_add(&r->gate->shared->learned, t->key, t->mean, t->most,
				u->input_tokens);
	}
	metric_add(m, M_TOKENS_INPUT, (uint64_t)u->input_tokens);
	metric_add(m, M_TOKENS_OUTPUT, (uint64_t)u->output_tokens);
	parts[n++] = (struct series_part){ SERIES_INPUT, (uint64_t)u->input_tokens };
	parts[n++] = (struct series_part){ SERIES_OUTPUT, (uint64_t)u->output_tokens };
	parts[n++] = (struct series_part){ SERIES_USAGES, 1 };
	parts[n++] = (struct series_part){ SERIES_CACHED, used.n[PRICE_CACHED] };
	parts[n++] = (struct series_part){ SERIES_WRITTEN,
		used.n[PRICE_WRITE] + used.n[PRICE_WRITE_1H] };
	parts[n++] = (struct series_part){ SERIES_REASONING, used.n[PRICE_REASONING] };
	parts[n++] = (struct series_part){ SERIES_AUDIO,
		used.n[PRICE_AUDIO_IN] + used.n[PRICE_AUDIO_OUT] };
	if (request_cost(r, u, &c))
		parts[n++] = (struct series_part){ SERIES_COST, c.cost.nanousd };
	if (c.unknown || c.cost.unpriced)
		parts[n++] = (struct series_part){ SERIES_UNPRICED, 1 };
	count_series(r, parts, n);
	gate_count_heavy(r);
}

/* Counts the other rules that matched a request which was let through, such as rules that
 * route. */
static void
count_applied(const struct request *r, const char *decided, int64_t ms)
{
	const struct rule_trace *t =
		r->found.have_verdict ? r->found.verdict.ruled.trace : NULL;

	if (!t || (r->out.decision.kind != D_PERMIT && r->out.decision.kind != D_REDACT))
		return;
	for (const struct rule_trace *end = t + r->snap->policy->nrules; t < end; t++)
		if (t->fate == RULE_MATCHED && !t->rule->shadow && t->rule->name != decided)
			rule_tally_add(
				&r->gate->tally.rules, t->rule->name, RULE_DID_APPLY, ms);
}

/* Counts the rule that decided, the other rules that applied, and the rule in shadow that would
 * have decided otherwise. */
static void
gate_rules_did(const struct request *r, const char *rule)
{
	static const enum rule_did did[] = { [D_PERMIT] = RULE_DID_PERMIT,
		[D_REDACT] = RULE_DID_REDACT,
		[D_DENY] = RULE_DID_DENY,
		[D_OBSERVED] = RULE_DID_WOULD };
	struct rule_tally *t = &r->gate->tally.rules;
	int64_t ms = r->now_wall_ns / 1000000;

	rule_tally_add(t, rule, did[r->out.decision.kind], ms);
	count_applied(r, rule, ms);
	if (r->found.have_verdict && r->found.verdict.ruled.shadow_rule &&
		r->found.verdict.ruled.shadowed)
		rule_tally_add(t, r->found.verdict.ruled.shadow_rule->name, RULE_DID_WOULD, ms);
}

void
gate_show_decision(struct request *r)
{
	static const enum series_value value[] = { [D_PERMIT] = SERIES_PERMIT,
		[D_REDACT] = SERIES_REDACT,
		[D_DENY] = SERIES_DENY,
		[D_OBSERVED] = SERIES_OBSERVED };
	const struct decision *d = &r->out.decision;
	/* for an observed request: the decision that is not enforced */
	const struct decision *by = d->kind == D_OBSERVED ? &r->out.would : d;
	const struct decided shown = { .at_ns = r->now_wall_ns,
		.took_us = r->out.took_us,
		.decision = decision_names[d->kind],
		.via = via_names[d->via],
		.status = d->kind == D_DENY ? d->status : 0,
		.id = r->id,
		.rule = by->rule,
		.code = by->code,
		.person = request_person_shown(r),
		.route = span_str(r->found.route ? r->found.route->name : NULL),
		.target = request_provider(r),
		.model = r->in.body.model };

	gate_rules_did(r, by->rule);
	count_series(r, &(struct series_part){ value[d->kind], 1 }, 1);
	if (r->run.resumed &&
		r->out.shown_in) /* listed already; a later denial ends the entry */
		return;
	uint64_t n = recent_add(&r->gate->tally.recent, &shown);
	if (d->via == VIA_RELAY && d->kind != D_DENY) {
		r->out.shown_in = &r->gate->tally.recent;
		r->out.shown_as = n;
		recent_end(r->out.shown_in, n, RECENT_UNDER_WAY);
	}
}

void
gate_show_providers(struct gate *g)
{
	const struct policy *p = g->snap->policy;

	for (size_t i = 0; i < p->nroutes; i++)
		for (size_t k = 0; k < p->routes[i].ntargets; k++)
			provider_entry(
				&g->tally.providers, span_str(p->routes[i].targets[k].name));
}

void
gate_heavy_turn(struct gate *g)
{
	for (size_t k = 0; k < HEAVY_KINDS; k++)
		heavy_turn(&g->tally.heavy[k]);
}
