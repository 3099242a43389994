/* Writes the members of decisions and completions; the audit thread adds version, node, boot,
 * sequence, previous hash and time. A decision's record holds every value that a rule may read,
 * so that the decision can be evaluated again. Lists are cut at a stated length and have their
 * true count. record_request.c writes the request's part.
 *
 * A completion has the response: its findings, usage and cost, the attempts, and the verdict of
 * the rules with the facts they read, so that the rules can be evaluated again. Counts and names
 * only, never values.
 *
 * Each tool call has an entry: an MCP message, a call in a model's response, or a request to a
 * business API whose route names its operation. The decision has what is known then. The
 * completion repeats the request's entry with the result, and has one for each call in the
 * response. Arguments appear only as a keyed hash. */
#include "gate/steps/record.h"

#include <stdio.h>

#include "answer/guard/guard.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "gate/exchange.h"
#include "gate/limits/limits.h"
#include "policy/prices.h"
#include "policy/rule.h"
#include "policy/verdict/explain.h"
#include "policy/verdict/tool.h"

/* ---- kept texts ---- */

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

/* ---- rules ---- */

enum { RULES_MAX = 4096, SCORE_DIGITS = 6 };

/* Lists the rules that matched or failed. `trace` may be NULL. */
static void
record_rules(struct buf *b, const struct rule_trace *trace, size_t nrules)
{
	size_t n = 0;

	for (size_t i = 0; trace && i < nrules && n < LIST_MAX; i++) {
		const struct rule_trace *t = &trace[i];
		if (t->fate != RULE_MATCHED && t->fate != RULE_ERROR)
			continue;
		put_object_item(b, RF_RULES, n++);
		put_name(b, RF_RULES_NAME, t->rule->name);
		put_name(b, RF_RULES_FATE, t->fate == RULE_MATCHED ? "matched" : "error");
		put_str(b, RF_RULES_ERROR, t->error);
		buf_putc(b, '}');
	}
	put_end(b, n);
}

/* If rules in shadow would have decided otherwise: writes the effect and the rule. */
static void
record_would(struct buf *b, const struct rule_outcome *o, enum record_field effect,
	enum record_field rule)
{
	if (!o->shadowed)
		return;
	put_name(b, effect, rule_effect_name(o->shadow_effect));
	put_name(b, rule, o->shadow_rule ? o->shadow_rule->name : NULL);
}

/* Writes the result of each rule as a letter (explain_letters), for at most 4,096 rules. */
static void
record_outcomes(
	struct buf *b, enum record_field field, const struct rule_trace *trace, size_t nrules)
{
	if (!trace || nrules > RULES_MAX)
		return;
	put_member_key(b, field);
	buf_putc(b, '"');
	for (size_t i = 0; i < nrules; i++)
		buf_putc(b, explain_letters[trace[i].fate]);
	buf_putc(b, '"');
}

/* Writes, for example, {"EMAIL_ADDRESS": {"roles": ["assistant"], "with": "mask"}} */
static void
put_entities(struct buf *b, const struct answer_facts *f, const struct answer_verdict *v)
{
	bool any = false;

	for (size_t e = 0; f->rules && e < detect_entity_count(f->rules); e++) {
		if (!entity_in(&f->entities, e))
			continue;
		if (!any)
			put_object(b, RF_ANSWER_VERDICT_ENTITIES);
		any = true;
		key_in_map(b, span_str(detect_entity_name(f->rules, e)));
		buf_putc(b, '{');
		put_roles(b, RF_ENTITIES_ROLES, f->roles ? f->roles[e] : 0);
		if (entity_in(&v->redact.of, e) && v->ruled.effect != RULE_DENY)
			put_name(b, RF_ENTITIES_WITH, style_names[v->redact.with[e]]);
		buf_putc(b, '}');
	}
	if (any)
		buf_putc(b, '}');
}

/* Writes the names of called tools that a record may hold. Returns false if the list is
 * incomplete, so that a replay must not use it. */
static bool
put_verdict_calls(struct buf *b, const struct guard_report *a)
{
	const struct answer_facts *f = a->facts;
	size_t n = 0;

	for (size_t i = 0; i < f->ntools && n < LIST_MAX; i++)
		if (span_find(f->tools[i].name, a->tools, a->ntools) < a->ntools)
			put_text_item(b, RF_ANSWER_VERDICT_TOOL_CALLS, n++, f->tools[i].name);
	put_end(b, n);
	return n == f->ntools;
}

static void
put_facts(struct buf *b, const struct guard_report *a)
{
	const struct answer_facts *f = a->facts;
	size_t nmedia = f->nmedia < LIST_MAX ? f->nmedia : LIST_MAX, n = 0;

	put_entities(b, f, &a->verdict);
	put_member_key(b, RF_ANSWER_VERDICT_INJECTION);
	buf_printf(b, "%.*f", SCORE_DIGITS, f->injection);
	put_int(b, RF_ANSWER_VERDICT_BYTES, f->bytes);
	put_int(b, RF_ANSWER_VERDICT_TOKENS, f->tokens);
	put_utf8(b, RF_ANSWER_VERDICT_FINISH_REASON, f->finish_reason);
	put_int(b, RF_ANSWER_VERDICT_STATUS, f->status);
	put_flag(b, RF_ANSWER_VERDICT_EVASION, f->evasion);
	put_spans(b, RF_ANSWER_VERDICT_MEDIA, f->media, nmedia);
	put_spans(b, RF_ANSWER_VERDICT_SPEECH, f->speech, f->nspeech);
	bool calls = put_verdict_calls(b, a);
	/* lists that are cut are named, so that a replay does not use them */
	const struct {
		bool held;
		enum policy_slot slot;
	} lists[] = { { calls, V_RESPONSE_TOOL_CALLS },
		{ nmedia == f->nmedia, V_RESPONSE_MEDIA },
		{ f->finish_reason.n <= VALUE_MAX, V_RESPONSE_FINISH } };
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		if (!lists[i].held)
			put_text_item(b, RF_ANSWER_VERDICT_NOT_HELD, n++,
				span_str(policy_env.vars[lists[i].slot].path));
	put_end(b, n);
}

/* Writes the last verdict, if the response was judged several times and the sum differs: a
 * replay evaluates the last one. */
static void
put_last(struct buf *b, const struct guard_report *a)
{
	const struct rule_outcome *v = &a->verdict.ruled, *all = &a->sum.ruled;

	if (v->effect == all->effect && v->rule == all->rule && v->ntags == all->ntags)
		return;
	put_name(b, RF_ANSWER_VERDICT_DECISION, rule_effect_name(v->effect));
	put_name(b, RF_ANSWER_VERDICT_RULE, v->rule ? v->rule->name : NULL);
	put_member_key(b, RF_ANSWER_VERDICT_TAGS);
	buf_putc(b, '[');
	for (size_t i = 0; i < v->ntags; i++) {
		buf_str(b, i ? "," : "");
		buf_json_str(b, span_str(v->tags[i]));
	}
	buf_putc(b, ']');
}

void
record_answer_verdict(struct buf *b, const struct policy *p, const struct route *route,
	const struct guard_report *a)
{
	put_object(b, RF_ANSWER_VERDICT);
	put_name(b, RF_ANSWER_VERDICT_WHEN, answer_when_names[a->when]);
	put_last(b, a);
	record_outcomes(
		b, RF_ANSWER_VERDICT_OUTCOMES, a->verdict.ruled.trace, p->nanswer_rules);
	record_rules(b, a->verdict.ruled.trace, p->nanswer_rules);
	put_facts(b, a);
	put_name(b, RF_ANSWER_VERDICT_SEARCHED, route->find_all ? "all" : route->uses.searched);
	put_flag(b, RF_ANSWER_VERDICT_SCORED, route->uses.injection);
	buf_putc(b, '}');
}

/* For GET /policy/rules: counts the rule that applied, and the rule in shadow that would have.
 */
static void
record_rule_did(const struct request *r, const struct rule_outcome *o)
{
	const struct rule *would = o->shadowed ? o->shadow_rule : NULL;
	const int64_t now_ms = r->now_wall_ns / 1000000;

	rule_tally_add(&r->gate->tally.rules, o->rule ? o->rule->name : NULL,
		o->effect == RULE_DENY	   ? RULE_DID_DENY
		: o->effect == RULE_REDACT ? RULE_DID_REDACT
					   : RULE_DID_PERMIT,
		now_ms);
	rule_tally_add(
		&r->gate->tally.rules, would ? would->name : NULL, RULE_DID_WOULD, now_ms);
}

/* ---- the response ---- */

static void
put_answer_findings(const struct request *r, const struct guard_report *a, struct buf *b)
{
	for (size_t i = 0; i < a->nfound; i++) {
		uint16_t e = a->found[i].entity;
		put_object_item(b, RF_ANSWER_FINDINGS, i);
		put_name(b, RF_ANSWER_FINDINGS_ENTITY, detect_entity_name(r->snap->rules, e));
		put_int(b, RF_ANSWER_FINDINGS_COUNT, (int64_t)a->found[i].n);
		if (a->judged && a->sum.redact && entity_in(&a->sum.redact->of, e))
			put_name(b, RF_ANSWER_FINDINGS_WITH,
				style_names[a->sum.redact->with[e]]);
		buf_putc(b, '}');
	}
	put_end(b, a->nfound);
}

/* Writes the verdict of all evaluations together. */
static void
put_answer_verdict(const struct request *r, const struct guard_report *a, struct buf *b)
{
	const struct rule_outcome *v = &a->sum.ruled;

	record_rule_did(r, v);
	put_name(b, RF_ANSWER_DECISION, rule_effect_name(v->effect));
	if (v->effect == RULE_DENY)
		put_int(b, RF_ANSWER_DENIED_WITH, a->verdict.ruled.status);
	put_name(b, RF_ANSWER_RULE, v->rule ? v->rule->name : NULL);
	record_would(b, v, RF_ANSWER_WOULD, RF_ANSWER_WOULD_RULE);
	put_names(b, RF_ANSWER_TAGS, v->tags, v->ntags);
	put_classes(b, RF_ANSWER_CLASSES, r->snap->policy, &a->sum.classes_hit);
}

/* Writes how the shadow policy judges the same response. */
static void
put_answer_shadow(const struct request *r, const struct guard_report *a, struct buf *b)
{
	const struct rule_outcome *mine = &a->sum.ruled, *its = &a->shadow.ruled;
	static const struct redactions none;
	const struct redactions *redact = a->sum.redact ? a->sum.redact : &none,
				*redacts = a->shadow.redact ? a->shadow.redact : &none;
	const char *differs[4];
	size_t n = 0;

	if (!a->shadow.any)
		return;
	if (mine->effect != its->effect)
		differs[n++] = "decision";
	if (strcmp(mine->rule ? mine->rule->name : "", its->rule ? its->rule->name : "") != 0)
		differs[n++] = "rule";
	if (memcmp(redact, redacts, sizeof(*redact)) != 0)
		differs[n++] = "redactions";
	bool tags = mine->ntags != its->ntags;
	for (size_t i = 0; i < its->ntags && !tags; i++)
		tags = span_find(span_str(its->tags[i]), mine->tags, mine->ntags) ==
		       mine->ntags;
	if (tags)
		differs[n++] = "tags";
	put_object(b, RF_ANSWER_SHADOW_POLICY);
	put_member_key(b, RF_SHADOW_POLICY_POLICY);
	buf_json_str(b, span_str(r->snap->shadow_policy->label));
	put_name(b, RF_SHADOW_POLICY_DECISION, rule_effect_name(its->effect));
	put_utf8(b, RF_SHADOW_POLICY_RULE, span_str(its->rule ? its->rule->name : NULL));
	put_names(b, RF_SHADOW_POLICY_DIFFERS, differs, n);
	buf_putc(b, '}');
}

/* Writes hashes of the response's texts. */
static void
put_answer_texts(const struct request *r, const struct guard *g, struct buf *b)
{
	struct guard_transcript s;
	size_t n = 0;

	for (; guard_transcript(g, n, &s); n++) {
		put_object_item(b, RF_ANSWER_TEXTS, n);
		put_name(b, RF_ANSWER_TEXTS_KIND, answer_kind_name(s.kind));
		put_int(b, RF_ANSWER_TEXTS_CHOICE, s.choice);
		put_count(b, RF_ANSWER_TEXTS_PART, s.part);
		put_int(b, RF_ANSWER_TEXTS_BYTES, (int64_t)s.bytes);
		put_text_hash(b, RF_ANSWER_TEXTS_HMAC_SHA256, r, s.hmac);
		buf_putc(b, '}');
	}
	put_end(b, n);
	put_flag(b, RF_ANSWER_TEXTS_CUT, guard_transcript_cut(g));
}

/* Names the contents that a translated response lost. */
static void
put_losses(const struct guard_report *a, struct buf *b)
{
	const char *names[LOSSES];
	size_t n = 0;

	for (size_t i = 0; i < LOSSES; i++)
		if (a->losses >> i & 1)
			names[n++] = translate_losses[i];
	put_names(b, RF_ANSWER_TRANSLATED_WITHOUT, names, n);
}

/* Writes the numbers of placeholders that stayed, by reason, if there are any. */
static void
put_left(struct buf *b, enum record_field f, const uint64_t left[LEFT_REASONS])
{
	bool any = false;

	for (size_t i = 0; i < LEFT_REASONS; i++) {
		if (!left[i])
			continue;
		if (!any)
			put_object(b, f);
		any = true;
		key_in_map(b, span_str(placeholder_left_names[i]));
		buf_int(b, (int64_t)left[i]);
	}
	if (any)
		buf_putc(b, '}');
}

/* Writes the member `answer` of a completion. */
static void
record_answer(struct request *r, struct buf *b)
{
	const struct guard *g = r->x ? r->x->guard : NULL;

	if (!g)
		return;
	const struct guard_report *a = guard_report(g);
	put_object(b, RF_ANSWER);
	put_flag(b, RF_ANSWER_STREAMED, a->streamed);
	put_flag(b, RF_ANSWER_INSPECTED, a->inspected);
	put_flag(b, RF_ANSWER_PROVIDER_ERROR, a->provider_error);
	put_utf8(b, RF_ANSWER_MODEL, span_str(a->model));
	put_name(b, RF_ANSWER_FINISH_REASON, a->finish);
	put_names(b, RF_ANSWER_TOOL_CALLS, a->tools, a->ntools);
	if (a->judged)
		put_answer_verdict(r, a, b);
	put_answer_shadow(r, a, b);
	put_answer_findings(r, a, b);
	if (a->judged)
		record_answer_verdict(b, r->snap->policy, r->found.route, a);
	if (r->found.route->record_answer != KEPT_OFF)
		put_answer_texts(r, g, b);
	if (r->found.seal)
		record_kept(b, RF_ANSWER_KEPT, &r->found.seal->answer);
	put_count(b, RF_ANSWER_REDACTIONS, a->redactions);
	put_count(b, RF_ANSWER_RESTORATIONS, a->restorations);
	put_count(b, RF_ANSWER_LEFT_IN_URLS, a->left_in_urls);
	put_left(b, RF_ANSWER_LEFT_IN_CALLS, a->left_in_calls);
	put_count(b, RF_ANSWER_UNRESOLVED, a->unresolved);
	put_count(b, RF_ANSWER_SIGNED_DROPPED, a->signed_dropped);
	put_losses(a, b);
	put_count(b, RF_ANSWER_TOOLS_HIDDEN, a->tools_hidden);
	put_count(b, RF_ANSWER_TEXT_BYTES, a->text_bytes);
	put_count(b, RF_ANSWER_EVENTS, a->events);
	put_count(b, RF_ANSWER_OPAQUE_BYTES, a->opaque_bytes);
	put_count(b, RF_ANSWER_SEALED_BYTES, a->sealed_bytes);
	put_count(b, RF_ANSWER_NOT_INSPECTED_BYTES,
		a->inspected ? a->unread_bytes + a->apart_bytes : 0);
	put_name(b, RF_ANSWER_NOT_INSPECTED_WHY, a->inspected ? a->unread_why : NULL);
	if (a->first_text_us > r->begun_us)
		put_int(b, RF_ANSWER_FIRST_TEXT_US, (int64_t)(a->first_text_us - r->begun_us));
	buf_putc(b, '}');
}

/* ---- usage ---- */

/* total input, output and cached tokens have fields of their own */
/* clang-format off */
static const enum record_field part_fields[PRICE_KINDS] = {
	[PRICE_WRITE] = RF_USAGE_CACHE_WRITE_TOKENS, [PRICE_WRITE_1H] = RF_USAGE_CACHE_WRITE_1H_TOKENS,
	[PRICE_AUDIO_IN] = RF_USAGE_AUDIO_INPUT_TOKENS, [PRICE_IMAGE_IN] = RF_USAGE_IMAGE_INPUT_TOKENS,
	[PRICE_CACHED_AUDIO] = RF_USAGE_CACHED_AUDIO_TOKENS, [PRICE_CACHED_IMAGE] = RF_USAGE_CACHED_IMAGE_TOKENS,
	[PRICE_REASONING] = RF_USAGE_REASONING_TOKENS, [PRICE_AUDIO_OUT] = RF_USAGE_AUDIO_OUTPUT_TOKENS,
	[PRICE_IMAGE_OUT] = RF_USAGE_IMAGE_OUTPUT_TOKENS, [PRICE_IMAGES] = RF_USAGE_IMAGES,
	[PRICE_SEARCHES] = RF_USAGE_SEARCHES, [PRICE_MAPS] = RF_USAGE_MAPS,
	[PRICE_SESSIONS] = RF_USAGE_SESSIONS, [PRICE_FILES] = RF_USAGE_FILE_SEARCHES,
	[PRICE_DRAWN] = RF_USAGE_TOOL_IMAGES, [PRICE_SECONDS] = RF_USAGE_SECONDS,
	[PRICE_CHARACTERS] = RF_USAGE_CHARACTERS, [PRICE_STORED] = RF_USAGE_CACHE_TOKEN_SECONDS
};
/* clang-format on */

/* Writes the estimate that limits count if the provider reports nothing: the tokens that
 * were seen, at most, and their highest price. */
static void
put_estimate(const struct request *r, struct buf *b)
{
	if (!r->x || r->x->used_by != USED_SEEN)
		return;
	const struct usage *u = &r->x->used;
	struct price_row row;
	struct price_usage most = { .n = { [PRICE_INPUT] = (uint64_t)u->input_tokens,
					    [PRICE_OUTPUT] = (uint64_t)u->output_tokens } };
	struct price_cost cost;

	put_object(b, RF_ESTIMATED_USAGE);
	put_int(b, RF_ESTIMATED_USAGE_INPUT_TOKENS, u->input_tokens);
	put_int(b, RF_ESTIMATED_USAGE_OUTPUT_TOKENS, u->output_tokens);
	if (request_price(r, request_priced_model(r), &row)) {
		request_pieces(r, &row, &most);
		price_worst(&row, &most, PRICE_MAY_ANY, &cost);
		put_int(b, RF_ESTIMATED_USAGE_COST_NANOUSD, (int64_t)cost.nanousd);
	}
	buf_putc(b, '}');
}

/* Writes the reservation, which limits keep if nothing else is known. */
static void
put_reserved(const struct request *r, struct buf *b)
{
	if (!r->x || r->x->used_by != USED_RESERVED || r->found.file.kept)
		return;
	put_object(b, RF_RESERVED_USAGE);
	put_int(b, RF_ESTIMATED_USAGE_INPUT_TOKENS, r->found.input_tokens);
	put_int(b, RF_ESTIMATED_USAGE_OUTPUT_TOKENS, r->found.output_tokens);
	put_count(b, RF_ESTIMATED_USAGE_COST_NANOUSD, r->found.most_nanousd);
	buf_putc(b, '}');
}

/* Writes what a cached response saved, and its age. */
static void
put_saved(const struct request *r, const struct usage *u, struct buf *b)
{
	struct priced p;

	put_int(b, RF_CACHE_AGE, r->found.cache.age_s);
	if (r->found.cache.looks == LOOKS_FOR_OTHERS) {
		put_name(b, RF_CACHE_BY, cached_by(&r->found.cache));
		put_member_key(b, RF_CACHE_DISTANCE);
		buf_printf(b, "%.6f", r->found.cache.distance);
	}
	put_object(b, RF_SAVED);
	if (u->known) {
		put_int(b, RF_SAVED_INPUT_TOKENS, u->input_tokens);
		put_int(b, RF_SAVED_OUTPUT_TOKENS, u->output_tokens);
		if (request_cost(r, u, &p))
			put_int(b, RF_SAVED_COST_NANOUSD, (int64_t)p.cost.nanousd);
	}
	buf_putc(b, '}');
}

/* PROVIDER/MODEL that embedded the prompt: the prompt was sent there, too. */
static void
put_embedded_by(const struct request *r, struct buf *b)
{
	const struct target *by = r->found.cache.embedded.by;
	char name[160];

	if (!by)
		return;
	snprintf(name, sizeof(name), "%s/%s", by->name, by->model);
	put_name(b, RF_CACHE_EMBEDDED_BY, name);
}

/* Writes the usage and its cost. */
static void
record_usage(const struct request *r, const struct usage *u, struct buf *b)
{
	struct price_usage used = usage_split(u);
	struct priced p;

	if (r->found.cache.state)
		put_name(b, RF_CACHE, cached_names[r->found.cache.state]);
	put_name(b, RF_CACHE_WHY, r->found.cache.why);
	put_count(b, RF_CACHE_WAITED, r->found.cache.waited_ms);
	put_embedded_by(r, b);
	put_count(b, RF_CACHE_EMBEDDED, r->found.cache.embedded.tokens);
	put_count(b, RF_CACHE_EMBEDDED_COST, r->found.cache.embedded.nanousd);
	if (r->found.cache.state == CACHED_HIT) { /* a cached response uses nothing */
		put_saved(r, u, b);
		return;
	}
	if (r->found.endpoint.stored) { /* counted when it was created */
		put_flag(b, RF_STORED, true);
		return;
	}
	if (!u->known) {
		/* an error, or a request that was not sent, used nothing */
		put_flag(b, RF_USAGE_UNKNOWN, !r->x || r->x->used_by >= USED_SEEN);
		put_estimate(r, b);
		put_reserved(r, b);
		return;
	}
	put_object(b, RF_USAGE);
	put_int(b, RF_USAGE_INPUT_TOKENS, u->input_tokens);
	put_int(b, RF_USAGE_OUTPUT_TOKENS, u->output_tokens);
	put_int(b, RF_USAGE_CACHED_TOKENS, u->cached_tokens);
	for (enum price_kind k = 0; k < PRICE_KINDS; k++)
		if (part_fields[k])
			put_count(b, part_fields[k], used.n[k]);
	if (used.service)
		put_name(b, RF_USAGE_SERVICE, price_service_names[used.service]);
	put_flag(b, RF_USAGE_US_ONLY, used.us_only);
	buf_putc(b, '}');
	if (request_cost(r, u, &p)) {
		size_t n = 0;
		put_int(b, RF_COST_NANOUSD, (int64_t)p.cost.nanousd);
		put_object(b, RF_PRICE);
		put_name(b, RF_PRICE_MODEL, p.row->model);
		put_name(b, RF_PRICE_FROM, p.row->from);
		buf_putc(b, '}');
		for (enum price_kind k = 0; k < PRICE_KINDS; k++)
			if (p.cost.unpriced >> k & 1)
				put_text_item(b, RF_UNPRICED, n++, span_str(price_names[k]));
		put_end(b, n);
	}
	put_flag(b, RF_PRICE_UNKNOWN, p.unknown);
}

/* ---- attempts ---- */

/* Lists all attempts. */
static void
record_attempts(const struct request *r, struct buf *b)
{
	const struct attempts *t = r->x ? r->x->tries : NULL;

	for (size_t i = 0; t && i < t->n; i++) {
		const struct attempt *a = &t->v[i];
		put_object_item(b, RF_ATTEMPTS, i);
		put_utf8(b, RF_ATTEMPTS_TARGET, span_str(a->target));
		if (a->to->region[0])
			put_utf8(b, RF_ATTEMPTS_REGION, span_str(a->to->region));
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
	put_name(b, RF_NO_FURTHER, t ? t->no_further : NULL);
}

/* Writes the members of a later attempt's decision: its number, the attempts before it, and
 * their charges. */
static void
record_attempt(const struct request *r, struct buf *b)
{
	struct attempts *t = r->x->tries;

	put_int(b, RF_ATTEMPT, t->n + 1);
	record_attempts(r, b);
	if (!t->charges.n)
		return;
	put_item(b, RF_SETTLED, 0);
	buf_span(b, buf_view(&t->charges));
	buf_putc(b, ']');
	buf_clear(&t->charges); /* the charges are in this record now */
}

/* ---- tool calls ---- */

enum { OFFERED_MAX = 64 }; /* names of tools that a request offers */

enum called_by { BY_MCP, BY_ANSWER, BY_API };
static const char *const called_by[] = { "mcp", "answer", "api" };

static void
put_head(const struct request *r, struct buf *b, enum called_by by, struct span server,
	struct span method, struct span tool, const char *operation)
{
	put_name(b, RF_CALLS_BY, called_by[by]);
	put_utf8(b, RF_CALLS_SERVER, server);
	put_utf8(b, RF_CALLS_METHOD, method);
	put_utf8(b, RF_CALLS_TOOL, tool);
	if (!operation)
		operation = policy_operation(r->snap->policy, server, tool);
	if (operation)
		put_utf8(b, RF_CALLS_OPERATION, span_str(operation));
}

static const char *
decision_of(const struct request *r)
{
	return decision_names[r->out.decision.kind];
}

/* ---- the request's own call ---- */

/* Returns true for a business API: the route states the operation, and no model family's
 * dialect reads the request. */
static bool
is_api_call(const struct request *r)
{
	const struct route *route = r->found.route;

	return route && route->about.operation && r->found.endpoint.family &&
	       !strcmp(dialect_name(r->found.endpoint.family), "rest");
}

static struct span
server_of(const struct request *r)
{
	const struct target *to = request_target(r);

	return span_str(to ? to->name : NULL);
}

/* Returns a name that the caller chose, as records may hold it: redacted if it has a finding.
 */
static struct span
shown_name(struct request *r, struct span name)
{
	name = cut_utf8(name, VALUE_MAX);
	return name.n && request_may_hold(r, name) ? SPAN_LIT("<redacted>") : name;
}

static void
search_call_names(struct request *r)
{
	struct found_call *c = &r->found.call;
	const struct found_message *m = r->found.message;

	if (c->known || !m)
		return;
	c->known = true;
	/* the operation is looked up by the real name, even if that is redacted */
	c->operation = policy_operation(r->snap->policy, server_of(r), m->call.name);
	c->method = shown_name(r, m->call.method);
	c->tool = shown_name(r, m->call.name);
	c->resource = shown_name(r, m->call.uri);
}

static void
put_message(const struct request *r, struct buf *b)
{
	const struct found_message *m = r->found.message;
	const struct tool_verdict *v = m->ruled;
	unsigned char hash[SHA256_BYTES];

	put_name(b, RF_CALLS_STATE, tool_states[m->call.state]);
	if (v) {
		record_would(b, &v->ruled, RF_CALLS_WOULD, RF_CALLS_WOULD_RULE);
		if (r->snap->policy->ntool_rules)
			record_outcomes(b, RF_CALLS_OUTCOMES, v->ruled.trace,
				r->snap->policy->ntool_rules);
	}
	if (v && v->origins.type == CEL_MAP) {
		SCOPED_BUF(text, CAP_ORIGIN_RECORD);
		cel_json(&v->origins, &text);
		if (!buf_failed(&text)) {
			put_object(b, RF_CALLS_ORIGINS);
			buf_span(b, span_cut(buf_view(&text), 1, buf_view(&text).n));
		}
	}
	if (!m->call.arguments.n)
		return;
	put_int(b, RF_CALLS_ARGUMENTS_BYTES, (int64_t)m->call.arguments.n);
	if (r->found.route->record_tools == KEPT_OFF)
		return;
	hmac_sha256(r->gate->shared->prompt_key, m->call.arguments, hash);
	put_text_hash(b, RF_CALLS_ARGUMENTS_HMAC, r, hash);
}

/* Begins the entry of the request's own call. Returns false if the request is no call. */
static bool
begin_own_call(const struct request *r, struct buf *b, size_t n)
{
	const struct found_call *c = &r->found.call;

	if (!c->is && !is_api_call(r))
		return false;
	put_object_item(b, RF_CALLS, n);
	if (c->is) {
		put_head(r, b, BY_MCP, server_of(r), c->method, c->tool, c->operation);
		put_utf8(b, RF_CALLS_RESOURCE, c->resource);
	} else {
		put_head(r, b, BY_API, server_of(r), SPAN_LIT(""),
			span_str(r->found.route->name), r->found.route->about.operation);
	}
	return true;
}

static void
put_session(const struct request *r, struct buf *b)
{
	if (r->found.has_session)
		put_text_hash(b, RF_SESSION, r, r->found.session_hmac);
}

/* Writes an entry for each tool call: that of an MCP request, and those of a response. */
static void
record_calls(struct request *r, struct buf *b)
{
	const char *rule = r->out.decision.rule;

	put_session(r, b);
	if (r->found.call.is)
		search_call_names(r);
	if (!begin_own_call(r, b, 0))
		return;
	put_name(b, RF_CALLS_DECISION, decision_of(r));
	if (r->found.call.is && r->found.message->ruled && r->found.message->ruled->ruled.rule)
		rule = r->found.message->ruled->ruled.rule->name;
	put_name(b, RF_CALLS_RULE, rule);
	if (r->found.call.is)
		put_message(r, b);
	buf_putc(b, '}');
	put_end(b, 1);
}

static void count_called(
	struct request *r, struct guard *g, const struct guard_called *c, bool ended);

/* ---- calls in a response, and results ---- */

static void
put_result(const struct request *r, const struct exchange_result *res,
	const struct guard_report *a, struct buf *b)
{
	bool denied = a && a->judged && a->sum.ruled.effect == RULE_DENY;

	put_name(b, RF_CALLS_DECISION, denied ? "deny" : decision_of(r));
	if (denied)
		put_name(b, RF_CALLS_RULE, a->sum.ruled.rule ? a->sum.ruled.rule->name : NULL);
	if (a && a->judged)
		put_classes(b, RF_CALLS_CLASSES, r->snap->policy, &a->sum.classes_hit);
	put_int(b, RF_CALLS_RESULT_BYTES, (int64_t)res->response_bytes);
	put_int(b, RF_CALLS_DURATION_US, (int64_t)(clock_mono_us() - r->begun_us));
	buf_putc(b, '}');
}

static void
put_called(struct request *r, struct guard *g, const struct guard_called *c, bool ended,
	struct buf *b)
{
	unsigned char hash[SHA256_BYTES];
	bool denied = c->judged && c->ruled.effect == RULE_DENY;

	put_head(r, b, BY_ANSWER, SPAN_LIT(""), SPAN_LIT(""), span_str(c->name), NULL);
	put_utf8(b, RF_CALLS_WRAPS, span_str(guard_called_wraps(g, c)));
	/* if the response is denied, none of its calls is made */
	put_name(b, RF_CALLS_DECISION,
		c->judged && !ended ? rule_effect_name(c->ruled.effect)
		: ended		    ? "deny"
				    : "permit");
	if (c->judged && (denied || !ended))
		put_name(b, RF_CALLS_RULE, c->ruled.rule ? c->ruled.rule->name : NULL);
	if (c->judged)
		record_would(b, &c->ruled, RF_CALLS_WOULD, RF_CALLS_WOULD_RULE);
	put_name(b, RF_CALLS_OUTCOMES, c->outcomes);
	put_count(b, RF_CALLS_ARGUMENTS_BYTES, c->bytes);
	uint64_t left[LEFT_REASONS];
	for (size_t i = 0; i < LEFT_REASONS; i++)
		left[i] = c->left[i];
	put_left(b, RF_CALLS_LEFT, left);
	if (c->origins.n) {
		put_object(b, RF_CALLS_ORIGINS);
		buf_span(b, span_cut(c->origins, 1, c->origins.n));
	}
	if (r->found.route->record_tools != KEPT_OFF) {
		guard_called_hash(g, c, hash);
		put_text_hash(b, RF_CALLS_ARGUMENTS_HMAC, r, hash);
	}
	buf_putc(b, '}');
}

/* Does the same in a completion, with the result of the call. */
static void
record_called(struct request *r, const struct exchange_result *res, struct buf *b)
{
	struct guard *g = r->x ? r->x->guard : NULL;
	const struct guard_report *a = g ? guard_report(g) : NULL;
	bool ended = a && a->judged && a->sum.ruled.effect == RULE_DENY;
	size_t n = 0;

	put_session(r, b);
	if (begin_own_call(r, b, n)) {
		put_result(r, res, a, b);
		n++;
	}
	for (size_t i = 0; a && i < a->ncalled; i++) {
		put_object_item(b, RF_CALLS, n++);
		put_called(r, g, &a->called[i], ended, b);
		count_called(r, g, &a->called[i], ended);
	}
	put_end(b, n);
	put_count(b, RF_CALLS_OVER, a ? a->called_over : 0);
}

/* ---- for /metrics ---- */

static void
count_call_decision(
	struct request *r, struct span server, struct span tool, enum call_decision d)
{
	static const enum heavy_value of[CALL_DECISIONS] = { HEAVY_PERMIT, HEAVY_REDACT,
		HEAVY_DENY };
	static const char plain[] = "_-./:"; /* other bytes may be part of a secret */
	uint64_t v[HEAVY_VALUES] = { [0] = 0 };
	char name[SERIES_LABEL_BYTES];

	call_tally_add(&r->gate->tally.calls, server, tool, d);
	v[of[d]] = 1;
	int n = span_is_alnum(tool, plain) && span_is_alnum(server, plain)
			? snprintf(name, sizeof(name), "%.*s/%.*s", SPAN_ARG(server),
				  SPAN_ARG(tool))
			: -1;
	bool fits = n > 0 && n < (int)sizeof(name);
	heavy_add(&r->gate->tally.heavy[HEAVY_TOOL],
		fits ? span_of(name, (size_t)n) : SERIES_OTHER, v);
}

void
request_count_call(struct request *r)
{
	static const enum call_decision of[] = { [D_PERMIT] = CALL_PERMIT,
		[D_REDACT] = CALL_REDACT,
		[D_DENY] = CALL_DENY,
		[D_OBSERVED] = CALL_PERMIT };
	enum decision_kind kind = r->out.decision.kind;

	if (kind == D_DEFER || kind == D_NONE || request_tried(r))
		return;
	if (r->found.call.is) {
		search_call_names(r);
		struct span tool = r->found.call.tool;
		count_call_decision(
			r, server_of(r), tool.n ? tool : r->found.call.method, of[kind]);
	} else if (is_api_call(r)) {
		count_call_decision(r, server_of(r), span_str(r->found.route->name), of[kind]);
	}
}

/* Counts a call in a response, under the tool that it calls by another one. The name was chosen by
 * the model and may be anything. */
static void
count_called(struct request *r, struct guard *g, const struct guard_called *c, bool ended)
{
	enum rule_effect e = c->judged ? c->ruled.effect : RULE_PERMIT;
	const char *wraps = guard_called_wraps(g, c);
	struct span tool = span_str(wraps ? wraps : c->name);

	if (c->judged)
		record_rule_did(r, &c->ruled);
	if (!ended && e != RULE_DENY)
		call_tally_left(&r->gate->tally.calls, tool, c->left);
	count_call_decision(r, SPAN_LIT(""), tool,
		ended || e == RULE_DENY ? CALL_DENY
		: e == RULE_REDACT	? CALL_REDACT
					: CALL_PERMIT);
}

/* ---- offered tools ---- */

/* Lists the names of tools that a request offers. */
static void
record_offered(struct request *r, struct buf *b)
{
	const struct body *body = &r->in.body;
	size_t n = 0, over = 0;

	for (size_t i = 0; r->in.have_body && i < body->nsegments; i++) {
		if (!limits_names_tool(body, &body->segments[i]))
			continue;
		if (n == OFFERED_MAX)
			over++;
		else
			put_text_item(b, RF_OFFERED, n++,
				shown_name(r, cut_utf8(body->segments[i].text,
						      GUARD_NAME_BYTES - 1)));
	}
	put_end(b, n);
	put_count(b, RF_OFFERED_OVER, over);
}

/* ---- the decision and the completion ---- */

enum { DATA_MAX = 8192 /* bytes of one value of `data` */ };

/* Writes charges as text. If this daemon is killed, the next one reads them from the journal.
 */
static void
put_charges(const struct request *r, struct buf *b, enum record_field f)
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

enum { COUNTED_MOST = 64 /* ids in one record */ };

/* Writes the ids of earlier settlements that Redis has (quota_take_counted()). */
static void
put_counted(struct request *r, struct buf *b)
{
	struct quota_counted v[COUNTED_MOST];
	size_t n = r->gate->quota ? quota_take_counted(r->gate->quota, v, COUNTED_MOST) : 0;
	char text[SPAN_DECIMAL];

	INVARIANT(!r->run.counted);
	if (n && !(r->run.counted = malloc(n * sizeof(v[0])))) {
		quota_counted_noted(r->gate->quota, v, n, false);
		return;
	}
	r->run.ncounted = n;
	for (size_t i = 0; i < n; i++) {
		r->run.counted[i] = v[i];
		put_text_item(b, RF_COUNTED, i,
			span_of(text, span_decimal(text, (int64_t)v[i].id)));
	}
	put_end(b, n);
}

static void
put_quota(const struct request *r, struct buf *b)
{
	const struct quota_dim *d;
	char when[CLOCK_RFC3339_LEN];
	size_t n = 0;

	for (size_t k = 0; (d = request_dim(r, k)); k++) {
		put_object_item(b, RF_LIMITS, n++);
		put_name(b, RF_LIMITS_LIMIT, d->name);
		put_name(b, RF_LIMITS_KIND, limit_kinds[d->counts].name);
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
put_candidates(const struct request *r, struct buf *b)
{
	static const char *const fates[] = { "chosen", "left", "denied", "routed elsewhere",
		"out" };
	const struct policy_target_facts *at = r->found.at;

	if (r->found.verdict.ncandidates < 2 && !r->found.ranks)
		return;
	for (size_t i = 0; i < r->found.verdict.ncandidates; i++) {
		const struct policy_candidate *c = &r->found.verdict.candidates[i];
		size_t k = (size_t)(c->target - r->found.route->targets);
		put_object_item(b, RF_CANDIDATES, i);
		put_name(b, RF_CANDIDATES_TARGET, c->target->name);
		put_name(b, RF_CANDIDATES_MODEL, c->target->model);
		put_name(b, RF_CANDIDATES_FATE, fates[c->fate]);
		if (c->fate == CANDIDATE_DENIED || c->fate == CANDIDATE_ROUTED)
			put_name(b, RF_CANDIDATES_RULE, c->rule ? c->rule->name : "default");
		if (r->found.ranks) {
			put_name(b, RF_CANDIDATES_OUT, target_outs[r->found.ranks[k].out]);
			put_name(b, RF_CANDIDATES_STATE, r->found.ranks[k].state);
			if (r->found.ranks[k].place != k)
				put_int(b, RF_CANDIDATES_PLACE, r->found.ranks[k].place);
		}
		if (at) {
			put_billionths(b, RF_CANDIDATES_PRICE, at[k].price);
			put_billionths(b, RF_CANDIDATES_LATENCY, at[k].latency);
			put_billionths(b, RF_CANDIDATES_ERRORS, at[k].errors);
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

enum { UNSENT_MAX = 64 /* names of headers that are not sent, in one record */ };

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
	struct span name;
	n = 0;
	for (size_t at = 0; n < UNSENT_MAX && request_unsent_header(r, &at, &name); n++)
		put_text_item(b, RF_UNSENT_HEADERS, n, name);
	put_end(b, n);
}

/* Writes the rules' verdict, whatever the decision became, and the rules that matched or
 * failed. */
static void
put_verdict(const struct request *r, struct buf *b)
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
			key_in_map(b, span_str(p->data[i].name));
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
put_shadow(const struct request *r, struct buf *b)
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
	struct held_attributes attributes;
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
	held_attributes(r, &attributes);
	record_not_held(r, &attributes, b);
	put_changes(r, b);
	record_request(r, b);
	record_identity(r, &attributes, b);
	buf_free(&attributes.json);
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
	put_count(b, RF_INVISIBLE, r->found.invisible);
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

/* The facts of the caller's token at the provider, and its hash in place of the token. */
static void
put_caller_token(const struct request *r, struct buf *b)
{
	const struct caller_token_facts *f = r->x ? r->x->on_behalf.facts : NULL;
	char when[CLOCK_RFC3339_LEN];

	if (!f)
		return;
	clock_rfc3339(f->ends_s * 1000000000, when);
	put_object(b, RF_CALLER_TOKEN);
	put_utf8(b, RF_CALLER_TOKEN_SUBJECT, span_str(f->subject));
	put_utf8(b, RF_CALLER_TOKEN_ACTOR, span_str(f->actor));
	put_utf8(b, RF_CALLER_TOKEN_AUDIENCE, span_str(f->audience));
	put_utf8(b, RF_CALLER_TOKEN_SCOPE, span_str(f->scope));
	put_utf8(b, RF_CALLER_TOKEN_ISSUER, span_str(f->issuer));
	put_name(b, RF_CALLER_TOKEN_HASH, f->hash);
	put_name(b, RF_CALLER_TOKEN_ENDS, when);
	buf_putc(b, '}');
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
	put_caller_token(r, b);
	put_tags(r, b);
	record_called(r, res, b);
	put_str(b, RF_TRACEPARENT, request_trace(r));
	put_int(b, RF_RESPONSE_BYTES, (int64_t)res->response_bytes);
	record_usage(r, &res->usage, b);
	record_answer(r, b);
	if (r->found.seal)
		record_kept(b, RF_TOOLS_KEPT, &r->found.seal->tools);
	put_charges(r, b, RF_SETTLED);
	put_counted(r, b);
	record_attempts(r, b);
	put_int(b, RF_DURATION_US, (int64_t)(clock_mono_us() - r->begun_us));
}
