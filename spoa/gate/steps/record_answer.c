/* Writes a response's part of a completion: its findings, usage and cost, the attempts, and the
 * verdict of the rules with the facts they read, so that the rules can be evaluated again.
 * Counts and names only, never values. */
#include "answer/guard/guard.h"
#include "base/utf8.h"
#include "gate/exchange.h"
#include "gate/steps/record.h"
#include "policy/prices.h"
#include "policy/verdict/explain.h"

enum { RULES_MAX = 4096, SCORE_DIGITS = 6 };

void
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

void
record_would(struct buf *b, const struct rule_outcome *o, enum record_field effect,
	enum record_field rule)
{
	if (!o->shadowed)
		return;
	put_name(b, effect, rule_effect_name(o->shadow_effect));
	put_name(b, rule, o->shadow_rule ? o->shadow_rule->name : NULL);
}

void
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
		key_in_map(b, detect_entity_name(f->rules, e));
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

void
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

void
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
		put_name(b, RF_CACHE_BY, r->found.cache.by_meaning ? "semantic" : "near");
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

void
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

void
record_attempts(struct request *r, struct buf *b)
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

void
record_attempt(struct request *r, struct buf *b)
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
