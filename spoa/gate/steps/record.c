/* Writes the members of records; the audit thread adds version, node, boot, sequence, previous
 * hash and time. A decision's record holds every value that a rule may read, so that the
 * decision can be evaluated again. Lists are cut at a stated length and have their true count.
 */
#include "gate/steps/record.h"

#include "base/caps.h"
#include "base/clock.h"
#include "gate/exchange.h"
#include "gate/limits/limits.h"
#include "policy/verdict/explain.h"

enum { DATA_MAX = 8192 /* bytes of one value of `data` */ };

/* Writes charges as text. If this daemon is killed, the next one reads them from the journal.
 */
static void
put_charges(struct request *r, struct buf *b, enum record_field f)
{
	const struct quota_dim *d;
	char text[QUOTA_TEXT_MAX];
	size_t n = 0;

	for (size_t k = 0; (d = request_dim(r, k)); k++) {
		size_t bytes = d->charged ? request_charge_text(r, d, text) : 0;
		if (bytes)
			put_text_item(b, f, n++, span_of(text, bytes));
	}
	/* charges of earlier attempts, whatever they are corrected to */
	struct span others = f == RF_SETTLED ? request_settled_charges(r) : SPAN_LIT("");
	if (others.n) {
		put_item(b, f, n++);
		buf_span(b, others);
	}
	put_end(b, n);
}

static void
put_quota(struct request *r, struct buf *b)
{
	const struct quota_dim *d;
	char when[CLOCK_RFC3339_LEN];
	size_t n = 0;

	for (size_t k = 0; (d = request_dim(r, k)); k++) {
		put_object_item(b, RF_LIMITS, n++);
		put_name(b, RF_LIMITS_LIMIT, d->name);
		put_name(b, RF_LIMITS_KIND, limits_kinds[d->counts]);
		put_int(b, RF_LIMITS_OF, (int64_t)d->limit);
		if (d->span.kind == QUOTA_CALENDAR)
			put_name(b, RF_LIMITS_WINDOW, limits_calendar(d));
		else if (d->span.kind == QUOTA_ROLLING)
			put_int(b, RF_LIMITS_WINDOW_S, (int64_t)d->span.window_s);
		put_int(b, RF_LIMITS_TAKEN, d->charged ? (int64_t)d->n : 0);
		if (d->reset_ms)
			put_int(b, RF_LIMITS_REMAINING, (int64_t)d->remaining);
		if (d->span.kind == QUOTA_ROLLING && d->charged) {
			/* by Redis' clock, because the daemons' clocks differ */
			clock_rfc3339(d->counted_ms * 1000000, when);
			put_name(b, RF_LIMITS_COUNTED_AT, when);
		}
		buf_putc(b, '}');
	}
	put_end(b, n);
	put_count(b, RF_RESERVED_NANOUSD, n ? r->found.most_nanousd : 0);
	put_charges(r, b, RF_RESERVED);
	if (request_tried(r))
		record_attempt(r, b);
	put_flag(b, RF_QUOTA_UNAVAILABLE, r->found.quota_failed);
	put_flag(b, RF_QUOTA_ALONE, r->found.quota[0]->alone || r->found.quota[1]->alone);
	put_count(b, RF_LEARNED_CAP, r->found.learned_cap);
	put_count(b, RF_DEFAULT_CAP, r->found.default_cap);
	put_count(b, RF_TARGET_CAP, r->found.target_cap);
	if (r->found.fell.change) {
		put_object(b, r->found.fell.soft ? RF_AT_SOFT : RF_AT_LIMIT);
		put_name(b, RF_AT_SOFT_LIMIT, r->found.fell.limit->name);
		put_name(b, RF_AT_SOFT_MODEL, r->found.fell.change->model);
		put_count(b, RF_AT_SOFT_MAX_OUTPUT_TOKENS,
			r->found.fell.change->max_output_tokens);
		buf_putc(b, '}');
	}
}

/* Writes the route's description: use case, risk, operation, reviewer. */
static void
put_about(const struct about *a, struct buf *b)
{
	const char *const said[] = { a->use_case, a->risk, a->operation, a->reviewer };
	static const enum record_field fields[] = { RF_ABOUT_USE_CASE, RF_ABOUT_RISK,
		RF_ABOUT_OPERATION, RF_ABOUT_REVIEWER };
	bool any = false;

	for (size_t i = 0; i < COUNT_OF(said); i++) {
		if (said[i] && !any)
			put_object(b, RF_ABOUT);
		any |= said[i] != NULL;
		if (said[i])
			put_utf8(b, fields[i], span_str(said[i]));
	}
	if (any)
		buf_putc(b, '}');
}

static void
put_at(const struct target *t, struct buf *b)
{
	put_name(b, RF_TARGET, t->known);
	if (t->known_region[0])
		put_utf8(b, RF_REGION, span_str(t->known_region));
}

static void
put_policy(struct request *r, struct buf *b)
{
	const struct policy *p = r->snap->policy;

	put_name(b, RF_POLICY, p->label);
	put_name(b, RF_POLICY_VERSION, p->version);
	put_flag(b, RF_SHADOW, p->shadow);
	put_flag(b, RF_OBSERVING, p->observe.backend && r->now_wall_ns < p->observe.until_ns);
	if (r->found.route)
		put_name(b, RF_ROUTE, r->found.route->name);
	if (r->found.route && r->out.decision.kind != D_OBSERVED)
		put_at(request_target(r), b);
	if (r->found.route)
		put_about(&r->found.route->about, b);
	put_name(b, RF_BACKEND, request_backend(r));
	put_utf8(b, RF_MODEL, r->in.body.model);
}

/* Writes nine decimals. The value is a whole number of billionths, so it is read back as the
 * same double. */
static void
put_billionths(struct buf *b, enum record_field f, double v)
{
	put_member_key(b, f);
	buf_printf(b, "%.9f", v);
}

/* If the route has a choice: the targets considered, with the reason why they were not chosen.
 */
static void
put_candidates(struct request *r, struct buf *b)
{
	static const char *const fates[] = { "chosen", "left", "denied", "routed elsewhere",
		"out" };
	const struct policy_target_facts *at = r->found.at;

	if (r->found.verdict.ncandidates < 2 && !r->found.ranks)
		return;
	for (size_t i = 0; i < r->found.verdict.ncandidates; i++) {
		const struct policy_candidate *c = &r->found.verdict.candidates[i];
		put_object_item(b, RF_CANDIDATES, i);
		put_name(b, RF_CANDIDATES_TARGET, c->target->name);
		put_name(b, RF_CANDIDATES_MODEL, c->target->model);
		put_name(b, RF_CANDIDATES_FATE, fates[c->fate]);
		if (c->fate == CANDIDATE_DENIED || c->fate == CANDIDATE_ROUTED)
			put_name(b, RF_CANDIDATES_RULE, c->rule ? c->rule->name : "default");
		if (r->found.ranks) {
			put_name(b, RF_CANDIDATES_OUT, target_outs[r->found.ranks[i].out]);
			put_name(b, RF_CANDIDATES_STATE, r->found.ranks[i].state);
			if (r->found.ranks[i].place != i)
				put_int(b, RF_CANDIDATES_PLACE, r->found.ranks[i].place);
		}
		if (at) {
			put_billionths(b, RF_CANDIDATES_PRICE, at[i].price);
			put_billionths(b, RF_CANDIDATES_LATENCY, at[i].latency);
			put_billionths(b, RF_CANDIDATES_ERRORS, at[i].errors);
		}
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

static void
put_tags(const struct request *r, struct buf *b)
{
	if (r->found.have_verdict)
		put_names(
			b, RF_TAGS, r->found.verdict.ruled.tags, r->found.verdict.ruled.ntags);
	put_spans(b, RF_REQUEST_TAGS, r->found.tags, r->found.ntags);
}

/* Writes the changes that rules make. Values of headers are in the policy, which the version
 * names. */
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
	put_utf8(b, RF_REQUESTED_MODEL, r->in.asked_model);
	if (r->found.form) {
		const struct translated_request *made = &r->found.form->made;
		put_name(b, RF_TRANSLATED_TO, form_name(r->found.form->to));
		put_names(b, RF_TRANSLATED_WITHOUT, made->dropped, made->ndropped);
	}
	put_count(b, RF_MAX_OUTPUT_TOKENS, v->changes.max_output_tokens);
	for (size_t rule = 0, at = 0; (h = request_header(r, &rule, &at)); n++)
		put_text_item(b, RF_SET_HEADERS, n, span_str(h->name));
	put_end(b, n);
}

/* Writes the rules' verdict, whatever the decision became, and the rules that matched or
 * failed. */
static void
put_verdict(struct request *r, struct buf *b)
{
	const struct policy_verdict *v = &r->found.verdict;
	const struct policy_changes *would = &v->shadow_changes;

	if (!r->found.have_verdict)
		return;
	put_object(b, RF_VERDICT);
	put_name(b, RF_VERDICT_EFFECT, rule_effect_name(v->ruled.effect));
	put_name(b, RF_VERDICT_RULE, v->ruled.rule ? v->ruled.rule->name : "default");
	if (r->in.asked_model.p) { /* another model is sent */
		put_member_key(b, RF_VERDICT_ASKED_MODEL);
		buf_json_str(b, cut_utf8(r->in.asked_model, VALUE_MAX));
	}
	record_outcomes(b, RF_VERDICT_OUTCOMES, v->ruled.trace, r->snap->policy->nrules);
	buf_putc(b, '}');
	/* the trace is gone if the relay denies what was permitted */
	record_rules(b, v->ruled.trace, r->snap->policy->nrules);
	if (!v->ruled.shadowed)
		return;
	put_object(b, RF_WOULD_BE);
	record_would(b, &v->ruled, RF_WOULD_BE_DECISION, RF_WOULD_BE_RULE);
	put_name(b, RF_WOULD_BE_TARGET, would->target ? would->target->name : NULL);
	put_name(b, RF_WOULD_BE_MODEL, would->model);
	put_count(b, RF_WOULD_BE_MAX_OUTPUT_TOKENS, would->max_output_tokens);
	buf_putc(b, '}');
}

/* Returns the policy's data that the rules read, or those on the response will read; bits by
 * index. */
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

/* Writes values of `data` that rules read. A value that is too long is only named. */
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
			if (n++ == 0)
				put_object(b, RF_DATA);
			key_in_map(b, p->data[i].name);
			buf_span(b, buf_view(&text));
		}
		buf_free(&text);
	}
	if (n)
		buf_putc(b, '}');
	put_names(b, RF_DATA_LEFT_OUT, left, left_out);
}

/* Writes the shadow policy's verdict. */
static void
put_shadow(struct request *r, struct buf *b)
{
	static const char *const names[] = { "decision", "rule", "redactions", "route" };
	const struct shadow *s = &r->found.shadow;
	const char *differs[4];
	size_t n = 0;

	if (s->state == SHADOW_NOT_ASKED)
		return;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (s->differs >> i & 1)
			differs[n++] = names[i];
	put_object(b, RF_SHADOW_POLICY);
	put_member_key(b, RF_SHADOW_POLICY_POLICY);
	buf_json_str(b, span_str(r->snap->shadow_policy->label));
	put_flag(b, RF_SHADOW_POLICY_FAILED, s->state == SHADOW_FAILED);
	if (s->state == SHADOW_DECIDED) {
		put_name(b, RF_SHADOW_POLICY_DECISION, rule_effect_name(s->effect));
		put_count(b, RF_SHADOW_POLICY_STATUS, (uint64_t)s->status);
		put_utf8(b, RF_SHADOW_POLICY_RULE, span_str(s->rule));
	}
	put_names(b, RF_SHADOW_POLICY_DIFFERS, differs, n);
	buf_putc(b, '}');
}

/* Writes a decision's denial and rule, for the real decision or the one that an observed
 * request would have had. */
static void
put_denial(const struct decision *d, struct buf *b)
{
	if (d->kind == D_DENY) {
		put_int(b, RF_STATUS, d->status);
		put_name(b, RF_CODE, d->code);
		put_utf8(b, RF_REASON, d->message);
	}
	put_name(b, RF_RULE, d->rule);
}

void
record_kept(struct buf *b, enum record_field first, const struct kept_text *k)
{
	enum { K_HOW = 1, K_FORM, K_SEAL, K_STEP, K_SHARE, K_BYTES, K_AT, K_SHA256, K_CUT };
	const struct sealed *s = &k->said;

	if (!k->t)
		return;
	put_object(b, first);
	put_name(b, first + K_HOW, k->how == KEPT_FULL ? "full" : "redacted");
	put_name(b, first + K_FORM, k->texts ? "texts" : NULL);
	put_name(b, first + K_SEAL, s->seal);
	put_int(b, first + K_STEP, (int64_t)s->step);
	put_int(b, first + K_SHARE, (int64_t)s->share);
	put_int(b, first + K_BYTES, (int64_t)s->bytes);
	for (size_t i = 0; i < s->nat; i++) {
		put_item(b, first + K_AT, i);
		buf_int(b, (int64_t)s->at[i]);
	}
	put_end(b, s->nat);
	put_hash(b, first + K_SHA256, s->sha256);
	put_flag(b, first + K_CUT, s->cut);
	buf_putc(b, '}');
}

/* Lists earlier messages of the WebSocket that have no record of their own, and empties the
 * list. */
static void
put_joined(const struct request *r, struct messages_joined *with, struct buf *b)
{
	bool hashes = r->found.route->record_prompt != KEPT_OFF;
	char when[CLOCK_RFC3339_LEN];

	for (size_t i = 0; i < with->n; i++) {
		const struct message_joined *m = &with->v[i];
		put_object_item(b, RF_SOCKET_WITH, i);
		clock_rfc3339(m->at_ns, when);
		put_name(b, RF_SOCKET_WITH_AT, when);
		put_int(b, RF_SOCKET_WITH_BYTES, (int64_t)m->bytes);
		if (hashes)
			put_text_hash(b, RF_SOCKET_WITH_HMAC, r, m->hmac);
		if (r->snap->policy->scores) {
			put_member_key(b, RF_SOCKET_WITH_INJECTION);
			buf_printf(b, "%.6f", m->injection);
		}
		put_name(b, RF_SOCKET_WITH_RULE, m->rule);
		buf_putc(b, '}');
	}
	put_end(b, with->n);
	with->n = 0;
}

/* For a message: the id of its handshake. For the completion of a handshake: counts of the
 * session. */
static void
put_socket(const struct request *r, bool ended, struct buf *b)
{
	bool open = ended && r->in.socket && r->x && r->x->session;

	if (!r->in.message && !open)
		return;
	put_object(b, RF_SOCKET);
	put_utf8(b, RF_SOCKET_OF, r->in.session);
	put_flag(b, RF_SOCKET_TURN, r->in.message == MESSAGE_OF_TURN);
	if (r->in.joined)
		put_joined(r, r->in.joined, b);
	if (open) {
		put_joined(r, r->x->socket.joined, b);
		put_int(b, RF_SOCKET_TURNS, (int64_t)r->x->socket.turns);
		put_count(b, RF_SOCKET_MEDIA_IN, r->x->socket.media_in);
		put_count(b, RF_SOCKET_MEDIA_OUT, r->x->socket.media_out);
		put_count(b, RF_SOCKET_REDACTIONS, r->x->socket.redactions);
	}
	buf_putc(b, '}');
}

void
record_decision(struct request *r, struct buf *b)
{
	const struct decision *d = &r->out.decision;
	char when[CLOCK_RFC3339_LEN];

	put_name(b, RF_TYPE,
		r->found.probe	   ? "probe"
		: request_tried(r) ? "attempt"
				   : "decision");
	put_name(b, RF_ID, r->id);
	clock_rfc3339(r->now_wall_ns, when);
	put_name(b, RF_DECIDED_AT, when);
	put_name(b, RF_DECISION, decision_names[d->kind]);
	put_denial(d, b);
	if (d->kind == D_OBSERVED) {
		const struct decision *would = &r->out.would;
		put_object(b, RF_WOULD);
		put_name(b, RF_WOULD_DECISION,
			would->kind == D_DEFER ? "unknown" : decision_names[would->kind]);
		put_denial(would, b);
		buf_putc(b, '}');
	}
	put_name(b, RF_VIA, via_names[d->via]);
	if (d->via == VIA_DIRECT || d->via == VIA_OBSERVE)
		put_name(b, RF_STATE, "released to HAProxy");
	put_policy(r, b);
	put_flag(b, RF_ERASED, r->run.erased);
	put_socket(r, false, b);
	put_name(b, RF_SEARCHED,
		r->found.route && r->found.route->find_all ? "all" : r->snap->searched);
	put_verdict(r, b);
	record_not_held(r, b);
	put_changes(r, b);
	record_request(r, b);
	record_identity(r, b);
	record_calls(r, b);
	record_offered(r, b);
	record_findings(r, b);
	if (r->in.body.nreasoning) {
		put_object(b, RF_SIGNED_REASONING);
		put_int(b, RF_SIGNED_REASONING_BLOCKS, (int64_t)r->in.body.nreasoning);
		put_int(b, RF_SIGNED_REASONING_DROPPED, (int64_t)r->found.reasoning_dropped);
		put_int(b, RF_SIGNED_REASONING_LEFT, (int64_t)r->found.reasoning_left);
		buf_putc(b, '}');
	}
	put_count(b, RF_HIDDEN_TOOLS, r->found.offer.hidden);
	static const char *const kept[] = {
		[KEPT_GOES_ON] = "continued", [KEPT_TAGGED] = "tagged", [KEPT_LOST] = "lost"
	};
	if (r->found.kept.state > KEPT_BEGINS)
		put_str(b, RF_PLACEHOLDERS, span_str(kept[r->found.kept.state]));
	put_count(b, RF_CREDENTIALS, r->found.ncredentials);
	put_flag(b, RF_EVASION, r->found.evasion);
	put_flag(b, RF_CLASSIFIER_FAILED, r->found.search != SEARCH_WHOLE);
	record_recognitions(r, b);
	put_flag(b, RF_LOW_CONFIDENCE,
		request_silence(r, OUT_PERMIT) ||
			(r->found.have_verdict && r->out.decision.kind != D_DENY &&
				r->found.unclassified == OUT_PERMIT && request_unanswered(r)));
	put_data(r, b);
	put_shadow(r, b);
	record_prompt(r, b);
	if (r->found.seal)
		record_kept(b, RF_TOOLS_KEPT, &r->found.seal->tools);
	put_quota(r, b);
	record_not_inspected(r, b);
}

void
record_completion(struct request *r, const struct exchange_result *res, const char *outcome,
	struct buf *b)
{
	put_name(b, RF_TYPE, r->found.probe ? "probe" : "completion");
	put_name(b, RF_ID, r->id);
	put_name(b, RF_OUTCOME, outcome);
	put_count(b, RF_STATUS, (uint64_t)res->status);
	put_name(b, RF_WHY, res->why);
	put_policy(r, b);
	put_flag(b, RF_ERASED, r->run.erased);
	put_socket(r, true, b);
	put_object(b, RF_IDENTITY);
	put_name(b, RF_IDENTITY_METHOD, r->found.identity.method);
	put_utf8(b, RF_IDENTITY_PERSON, request_person_shown(r));
	put_utf8(b, RF_IDENTITY_AGENT, r->found.identity.agent);
	put_utf8(b, RF_IDENTITY_TEAM, r->found.identity.team);
	put_utf8(b, RF_IDENTITY_KEY, r->found.identity.key_id);
	buf_putc(b, '}');
	put_tags(r, b);
	record_called(r, res, b);
	put_str(b, RF_TRACEPARENT, request_trace(r));
	put_int(b, RF_RESPONSE_BYTES, (int64_t)res->response_bytes);
	record_usage(r, &res->usage, b);
	record_answer(r, b);
	if (r->found.seal)
		record_kept(b, RF_TOOLS_KEPT, &r->found.seal->tools);
	put_charges(r, b, RF_SETTLED);
	record_attempts(r, b);
	put_int(b, RF_DURATION_US, (int64_t)(clock_mono_us() - r->begun_us));
}
