/* What a completion says of the answer: what it was, what was found in it and what became of
 * that. Counts and names, never values; texts where the route has them recorded. */
#include "gate/exchange.h"
#include "policy/prices.h"
#include "steps/record.h"
#include "verdict/explain.h"

static void
put_found(const struct request *r, const struct guard_report *a, struct buf *b)
{
	for (size_t i = 0; i < a->nfound; i++) {
		put_item(b, "findings", i);
		buf_putc(b, '{');
		put_str(b, "entity",
			span_str(detect_entity_name(r->snap->rules, a->found[i].entity)));
		put_int(b, "count", (int64_t)a->found[i].n);
		if (a->judged && entity_in(&a->sum.redact, a->found[i].entity))
			put_str(b, "with",
				span_str(style_names[a->sum.with[a->found[i].entity]]));
		buf_putc(b, '}');
	}
	put_end(b, a->nfound);
}

static void
put_classes(const struct request *r, const struct guard_report *a, struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < r->snap->policy->nclasses; i++)
		if (entity_in(&a->sum.classes_hit, i))
			put_text_item(
				b, "classes", n++, span_str(r->snap->policy->classes[i].name));
	put_end(b, n);
}

/* What the rules said. */
static void
put_verdict(const struct guard_report *a, struct buf *b)
{
	static const char *const effects[] = { [RULE_DENY] = "deny",
		[RULE_PERMIT] = "permit",
		[RULE_REDACT] = "redact",
		[RULE_CHANGE] = "change" };
	const struct guard_sum *v = &a->sum;

	if (!a->judged)
		return;
	put_str(b, "decision", span_str(effects[v->effect]));
	if (v->effect == RULE_DENY)
		put_int(b, "denied_with", a->verdict.status);
	put_str(b, "rule", span_str(v->rule ? v->rule->name : NULL));
	if (v->shadowed) {
		put_str(b, "would", span_str(effects[v->shadow_effect]));
		put_str(b, "would_rule",
			span_str(v->shadow_rule ? v->shadow_rule->name : NULL));
	}
	for (size_t i = 0; i < v->ntags; i++)
		put_text_item(b, "tags", i, span_str(v->tags[i]));
	put_end(b, v->ntags);
}

/* What the shadow policy says of the same answer. */
static void
put_shadow(const struct request *r, const struct guard_report *a, struct buf *b)
{
	const struct guard_sum *mine = &a->sum, *its = &a->shadow;
	const char *differs[4];
	size_t n = 0;

	if (!its->any)
		return;
	if (mine->effect != its->effect)
		differs[n++] = "decision";
	if (strcmp(mine->rule ? mine->rule->name : "", its->rule ? its->rule->name : "") != 0)
		differs[n++] = "rule";
	if (memcmp(&mine->redact, &its->redact, sizeof(mine->redact)) ||
		memcmp(mine->with, its->with, sizeof(mine->with)))
		differs[n++] = "redactions";
	bool tags = mine->ntags != its->ntags;
	for (size_t i = 0; i < its->ntags && !tags; i++)
		tags = span_find(span_str(its->tags[i]), mine->tags, mine->ntags) ==
		       mine->ntags;
	if (tags)
		differs[n++] = "tags";
	put_object(b, "shadow_policy");
	key(b, "policy");
	buf_json_str(b, span_str(r->snap->shadow_policy->label));
	put_str(b, "decision", span_str(rule_effect_name(its->effect)));
	put_utf8(b, "rule", span_str(its->rule ? its->rule->name : NULL));
	for (size_t i = 0; i < n; i++)
		put_text_item(b, "differs", i, span_str(differs[i]));
	put_end(b, n);
	buf_putc(b, '}');
}

/* The texts: hashes of them, and as the route says so what went. */
static void
put_said(const struct guard *g, bool texts, struct buf *b)
{
	static const char *const kinds[] = { [KIND_TEXT] = "text",
		[KIND_REASONING] = "reasoning",
		[KIND_SIGNED] = "signed",
		[KIND_REFUSAL] = "refusal",
		[KIND_ARGUMENTS] = "arguments",
		[KIND_INPUT] = "arguments",
		[KIND_OTHER] = "other" };
	struct guard_said s;
	size_t n = 0, left = TEXT_MAX;
	bool cut = guard_said_cut(g);

	for (; guard_said(g, n, &s); n++) {
		put_item(b, "texts", n);
		buf_putc(b, '{');
		put_str(b, "kind", span_str(kinds[s.kind]));
		put_int(b, "choice", s.choice);
		put_count(b, "part", s.part);
		put_int(b, "bytes", (int64_t)s.bytes);
		put_hash(b, "hmac_sha256", s.hmac);
		struct span kept = cut_escaped(s.text, left);
		if (texts) {
			size_t before = b->n;
			key(b, "text");
			buf_json_str(b, kept);
			left -= b->n - before < left ? b->n - before : left;
		}
		cut |= kept.n < s.text.n;
		buf_putc(b, '}');
	}
	put_end(b, n);
	put_flag(b, "texts_cut", cut);
}

void
record_answer(struct request *r, struct buf *b)
{
	const struct guard *g = r->x ? r->x->guard : NULL;

	if (!g)
		return;
	const struct guard_report *a = guard_report(g);
	put_object(b, "answer");
	put_flag(b, "streamed", a->streamed);
	put_flag(b, "inspected", a->inspected);
	put_flag(b, "provider_error", a->provider_error);
	put_utf8(b, "model", span_str(a->model));
	put_str(b, "finish_reason", span_str(a->finish));
	for (size_t i = 0; i < a->ntools; i++)
		put_text_item(b, "tool_calls", i, span_str(a->tools[i]));
	put_end(b, a->ntools);
	put_verdict(a, b);
	if (a->judged)
		put_classes(r, a, b);
	put_shadow(r, a, b);
	put_found(r, a, b);
	if (a->judged)
		record_answer_verdict(b, r->snap->policy, r->found.route, a);
	put_said(g, r->found.route->record_answer == PROMPT_REDACTED, b);
	put_count(b, "redactions", a->redactions);
	put_count(b, "restorations", a->restorations);
	put_count(b, "left_in_urls", a->left_in_urls);
	put_count(b, "signed_dropped", a->signed_dropped);
	put_count(b, "text_bytes", a->text_bytes);
	put_count(b, "events", a->events);
	put_count(b, "opaque_bytes", a->opaque_bytes);
	put_count(b, "sealed_bytes", a->sealed_bytes);
	put_count(
		b, "not_inspected_bytes", a->inspected ? a->unread_bytes + a->apart_bytes : 0);
	put_str(b, "not_inspected_why", span_str(a->inspected ? a->unread_why : NULL));
	if (a->first_text_us > r->begun_us)
		put_int(b, "first_text_us", (int64_t)(a->first_text_us - r->begun_us));
	buf_putc(b, '}');
}

/* ---- usage ---- */

/* Member names of the parts; totals and what was cached have their own. */
static const char *const part_names[PRICE_KINDS] = { [PRICE_WRITE] = "cache_write_tokens",
	[PRICE_WRITE_1H] = "cache_write_1h_tokens",
	[PRICE_AUDIO_IN] = "audio_input_tokens",
	[PRICE_IMAGE_IN] = "image_input_tokens",
	[PRICE_REASONING] = "reasoning_tokens",
	[PRICE_AUDIO_OUT] = "audio_output_tokens",
	[PRICE_IMAGE_OUT] = "image_output_tokens",
	[PRICE_IMAGES] = "images",
	[PRICE_SEARCHES] = "searches",
	[PRICE_MAPS] = "maps",
	[PRICE_SESSIONS] = "sessions",
	[PRICE_FILES] = "file_searches",
	[PRICE_DRAWN] = "tool_images",
	[PRICE_SECONDS] = "seconds",
	[PRICE_CHARACTERS] = "characters",
	[PRICE_STORED] = "cache_token_seconds" };

static void
put_cost(const struct priced *p, struct buf *b)
{
	size_t n = 0;

	put_int(b, "cost_nanousd", (int64_t)p->cost.nanousd);
	put_object(b, "price");
	put_str(b, "model", span_str(p->row->model));
	put_str(b, "from", span_str(p->row->from));
	buf_putc(b, '}');
	for (enum price_kind k = 0; k < PRICE_KINDS; k++)
		if (p->cost.unpriced >> k & 1)
			put_text_item(b, "unpriced", n++, span_str(price_names[k]));
	put_end(b, n);
}

/* What limits count where the provider does not say: what was seen, at most, and the most that
 * this may have cost. */
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

	put_object(b, "estimated_usage");
	put_int(b, "input_tokens", u->input_tokens);
	put_int(b, "output_tokens", u->output_tokens);
	if (request_price(r, request_priced_model(r), &row)) {
		request_pieces(r, &row, &most);
		price_worst(&row, &most, PRICE_MAY_ANY, &cost);
		put_int(b, "cost_nanousd", (int64_t)cost.nanousd);
	}
	buf_putc(b, '}');
}

/* What limits keep where nobody knows more: what was reserved. */
static void
put_reserved(const struct request *r, struct buf *b)
{
	if (!r->x || r->x->used_by != USED_RESERVED || r->found.file.kept)
		return;
	put_object(b, "reserved_usage");
	put_int(b, "input_tokens", r->found.input_tokens);
	put_int(b, "output_tokens", r->found.output_tokens);
	put_count(b, "cost_nanousd", r->found.most_nanousd);
	buf_putc(b, '}');
}

void
record_usage(const struct request *r, const struct usage *u, struct buf *b)
{
	struct price_usage used = usage_split(u);
	struct priced p;

	if (r->found.endpoint.stored) { /* counted when it was made */
		put_flag(b, "stored", true);
		return;
	}
	if (!u->known) {
		/* An error, or what was never sent, used nothing. */
		put_flag(b, "usage_unknown", !r->x || r->x->used_by >= USED_SEEN);
		put_estimate(r, b);
		put_reserved(r, b);
		return;
	}
	put_object(b, "usage");
	put_int(b, "input_tokens", u->input_tokens);
	put_int(b, "output_tokens", u->output_tokens);
	put_int(b, "cached_tokens", u->cached_tokens);
	for (enum price_kind k = 0; k < PRICE_KINDS; k++)
		if (part_names[k])
			put_count(b, part_names[k], used.n[k]);
	if (used.service)
		put_str(b, "service", span_str(price_service_names[used.service]));
	put_flag(b, "us_only", used.us_only);
	buf_putc(b, '}');
	if (request_cost(r, u, &p))
		put_cost(&p, b);
	put_flag(b, "price_unknown", p.unknown);
}
