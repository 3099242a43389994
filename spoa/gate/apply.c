/* The policy step: evaluates the rules on what the steps before found, turns the
 * verdict into a decision, and rewrites body and target where it says so. */
#include "gate/request.h"

#include <stdlib.h>

#include "base/caps.h"
#include "base/err.h"
#include "gate/exchange.h"

void
request_facts(struct request *r, struct policy_facts *f)
{
	*f = (struct policy_facts){
		.identity = &r->identity,
		.route = r->route,
		.method = r->head.method,
		.host = r->host,
		.path = r->head.path,
		.now_wall_ns = r->now_wall_ns,
		.whole = r->body_state != BODY_STATE_PARTIAL,
		.body = r->have_body ? &r->body : NULL,
		.entities = &r->found,
		.rules = r->snap->rules,
		.tokens = r->input_tokens,
		.bytes = (int64_t)r->raw.n,
	};
}

/* Bytes ÷ 3 until exact counting exists; every record says `estimated`. */
static void
estimate_tokens(struct request *r)
{
	uint64_t cap = r->snap->policy->output_default;

	r->input_tokens = (int64_t)((r->raw.n + 2) / 3);
	r->output_tokens = 0;
	if (!r->have_body || !dialect_is_json(r->dialect))
		return;
	if (r->body.output_cap_tokens >= 0)
		cap = (uint64_t)r->body.output_cap_tokens;
	uint64_t n = r->body.choices > 1 ? (uint64_t)r->body.choices : 1;
	uint64_t all;
	if (__builtin_mul_overflow(cap, n, &all) || all > INT64_MAX / 4)
		all = INT64_MAX / 4;
	r->output_tokens = (int64_t)all;
}

static enum step_result
deny_by_rule(struct request *r)
{
	const struct policy_verdict *v = &r->verdict;
	const char *name = v->rule ? v->rule->name : "default";
	int status = v->status ? v->status : 403;
	const char *code = NULL;
	struct span why =
		v->reason && v->reason[0]
			? span_str(v->reason)
			: SPAN_LIT("the policy in force does not permit this request");

	if (status == 403)
		code = v->rule && v->rule->reads_body ? "content_policy_violation"
						      : "permission_denied";
	request_deny(r, status, code, name, why);
	if (status == 429 || status == 503)
		r->decision.retry_after_s = 1;
	return STEP_DECIDED;
}

/* Edits of body and target are collected apart. */
struct edits {
	struct splice *v;
	size_t n, size;
};

/* Room for n more; NULL: out of memory. */
static struct splice *
edits_room(struct edits *e, size_t n)
{
	if (e->size - e->n < n) {
		size_t size = 2 * e->size + n + 16;
		void *v = realloc(e->v, size * sizeof(*e->v));
		if (!v)
			return NULL;
		e->v = v;
		e->size = size;
	}
	return &e->v[e->n];
}

/* All edits of one segment at once: an escaped text is walked once, however many
 * findings it has, and a number's are one. */
static int
edit_segment(struct request *r, struct edits *e, const struct segment *s, struct span raw,
	const struct text_edit *texts, size_t n)
{
	struct splice *sp = edits_room(e, n);
	size_t made;

	if (!sp)
		return ERR_NOMEM;
	int err = segment_splices(s, raw, texts, n, &r->arena, sp, &made);
	if (err == 0)
		e->n += made;
	return err;
}

/* The findings of one segment stand together in r->hits, in order. */
static int
edit_hits(struct request *r, struct edits *body, struct edits *target, struct span target_raw)
{
	struct text_edit *texts = arena_array(&r->arena, r->nhits, sizeof(*texts));
	size_t n = 0;
	int err = texts ? 0 : ERR_NOMEM;

	for (size_t i = 0; err == 0 && i < r->nhits; i++) {
		const struct hit *h = &r->hits[i];
		if (entity_in(&r->verdict.redact, h->f.entity)) {
			if (h->segment->reserved)
				return ERR_BAD_STATE;
			texts[n].from = h->f.start;
			texts[n].to = h->f.end;
			texts[n++].with = placeholder_get(r->placeholders,
				span_str(detect_entity_name(r->snap->rules, h->f.entity)),
				span_cut(h->segment->text, h->f.start, h->f.end),
				detect_entity_folds(r->snap->rules, h->f.entity));
		}
		if (n && (i + 1 == r->nhits || r->hits[i + 1].segment != h->segment)) {
			err = edit_segment(r, h->in_target ? target : body, h->segment,
				h->in_target ? target_raw : r->raw, texts, n);
			n = 0;
		}
	}
	return err;
}

/* on_failure.classifier: redact. The whole segment goes. */
static int
edit_failed(struct request *r, struct edits *body, struct edits *target, struct span target_raw)
{
	for (size_t i = 0; i < r->nfailed; i++) {
		const struct segment *s = r->failed[i];
		bool in_target = s >= r->target && s < r->target + r->ntarget;
		if (s->reserved)
			return ERR_BAD_STATE;
		struct span with = placeholder_get(
			r->placeholders, SPAN_LIT("UNCLASSIFIED"), s->text, false);
		int err = edit_segment(r, in_target ? target : body, s,
			in_target ? target_raw : r->raw,
			&(struct text_edit){ 0, s->text.n, with }, 1);
		if (err)
			return err;
	}
	return 0;
}

/* The order in which segments were classified: the target's, then the body's. */
static bool
segment_before(const struct request *r, const struct segment *a, const struct segment *b)
{
	bool a_target = a >= r->target && a < r->target + r->ntarget;
	bool b_target = b >= r->target && b < r->target + r->ntarget;

	return a_target != b_target ? a_target : a < b;
}

/* Hits of a failed segment are covered by its own edit. Both lists are in the
 * order of classification. */
static void
drop_hits_of_failed(struct request *r)
{
	size_t kept = 0, k = 0;

	for (size_t i = 0; i < r->nhits; i++) {
		const struct segment *s = r->hits[i].segment;
		while (k < r->nfailed && segment_before(r, r->failed[k], s))
			k++;
		if (k == r->nfailed || r->failed[k] != s)
			r->hits[kept++] = r->hits[i];
	}
	r->nhits = kept;
}

int
request_rewrite(struct request *r)
{
	struct edits body = { 0 }, target = { 0 };
	struct span target_raw = span_of(
		r->head.path.p, r->head.path.n + (r->head.has_query ? 1 + r->head.query.n : 0));
	bool failed = r->classifier_failed && request_on_failure(r)->classifier == OUT_REDACT;
	int err = 0;

	if (r->verdict.redacts || failed) {
		r->placeholders = placeholders_new(&r->arena);
		if (!r->placeholders)
			return ERR_NOMEM;
	}
	if (failed)
		drop_hits_of_failed(r);
	if (r->verdict.redacts)
		err = edit_hits(r, &body, &target, target_raw);
	if (err == 0 && failed)
		err = edit_failed(r, &body, &target, target_raw);
	if (err == 0 && r->have_body && (r->route->response & RESP_METER)) {
		struct splice *sp = edits_room(&body, 1);
		int asked = sp ? dialect_ask_usage(&r->body, r->raw, &r->arena, sp) : ERR_NOMEM;
		if (asked > 0) {
			body.n++;
			r->ask_usage = true;
		} else if (asked < 0) {
			err = asked;
		}
	}
	if (err == 0 && body.n)
		err = splice_apply(r->raw, body.v, body.n, &r->rewritten);
	if (err == 0 && target.n)
		err = splice_apply(target_raw, target.v, target.n, &r->new_target);
	if (err == 0 && body.n)
		r->swap_body = true;
	if (buf_failed(&r->rewritten) || buf_failed(&r->new_target) || arena_failed(&r->arena))
		err = ERR_NOMEM;
	free(body.v);
	free(target.v);
	return err;
}

static bool
must_relay(const struct request *r)
{
	return r->resumed || r->swap_body || r->new_target.n || r->route->response ||
	       r->snap->policy->unusual_credential || query_has_credential(r->head.query) ||
	       r->body_state == BODY_STATE_PARTIAL;
}

static enum step_result
decide_permit(struct request *r)
{
	const struct on_failure *of = request_on_failure(r);

	if (r->unreadable && of->unreadable == OUT_DENY)
		return request_deny(r, 403, "unreadable_content", "",
			SPAN_LIT("the request holds parts that cannot be read (images, audio, "
				 "files or unknown)"));
	if (r->classifier_failed && of->classifier == OUT_DENY) {
		request_deny(r, 503, "classifier_unavailable", "",
			SPAN_LIT("the content could not be classified"));
		r->decision.retry_after_s = 1;
		return STEP_DECIDED;
	}
	int err = request_rewrite(r);
	if (err == ERR_BAD_STATE)
		return request_deny(r, 403, "content_policy_violation",
			r->verdict.rule ? r->verdict.rule->name : "",
			SPAN_LIT("data that must be redacted stands where it cannot be (a key, "
				 "the model's name, the path)"));
	if (err < 0)
		return request_overload(r);
	bool redacts = r->verdict.redacts && r->verdict.effect == RULE_REDACT;
	if (r->classifier_failed && of->classifier == OUT_REDACT)
		redacts = true;
	r->decision.kind = redacts ? D_REDACT : D_PERMIT;
	r->decision.rule = r->verdict.rule ? r->verdict.rule->name : "default";
	r->decision.via = must_relay(r) ? VIA_RELAY : VIA_DIRECT;
	return STEP_NEXT;
}

enum step_result
step_policy(struct request *r)
{
	struct policy_facts f;

	estimate_tokens(r);
	request_facts(r, &f);
	if (policy_decide(r->snap->policy, &f, &r->arena, &r->verdict) < 0)
		return request_overload(r);
	r->have_verdict = true;
	r->body.model = arena_dup(&r->arena, r->body.model);
	if (!f.whole) {
		if (!r->verdict.waits && r->verdict.effect == RULE_DENY)
			return deny_by_rule(r);
		r->decision.kind = D_DEFER;
		r->decision.rule = "";
		r->decision.via = VIA_RELAY;
		return STEP_NEXT;
	}
	return r->verdict.effect == RULE_DENY ? deny_by_rule(r) : decide_permit(r);
}
