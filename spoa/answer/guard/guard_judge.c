/* The facts that rules read about a response, and their verdicts. Also keeps the calls and
 * texts that rules read, and the finish reason and the model for the record. guard_text.c
 * edits.
 *
 * guard_found() notes each finding. guard_judge() collects the facts and asks the policy; the
 * verdict stays valid until the next one. Verdicts add up in report.sum. */
#include <stdlib.h>

#include "answer/guard/guard_private.h"
#include "base/clock.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/verdict/tool.h"
#include "scan/inject/inject.h"

enum {
	KEPT_MAX = 64,			 /* calls and texts kept for rules */
	TOOLS_OF_KEPT = NAME_PIECES + 1, /* names of one kept call at most */
	KEPT_BYTES = 64 << 10,		 /* bytes of each text that are kept */
	OVERLAP_BYTES = 4 << 10,	 /* bytes by which two windows overlap */
	BYTES_A_TOKEN = 3,
};

/* ---- facts ---- */

static enum seg_role
role_of(enum answer_kind kind)
{
	return kind_is_call(kind) ? ROLE_TOOL_CALL : ROLE_ASSISTANT;
}

bool
guard_found(struct guard *g, size_t entity, enum answer_kind kind)
{
	struct guard_report *r = &g->report;
	size_t i = 0;

	if (!g->roles)
		g->roles = arena_array(&g->life, DETECT_ENTITIES_MAX, sizeof(*g->roles));
	if (!g->roles) {
		guard_no_memory(g);
		return true;
	}
	bool is_new = !(g->roles[entity] >> role_of(kind) & 1);
	entity_add(&g->entities, entity);
	g->roles[entity] |= (uint16_t)(1u << role_of(kind));
	while (i < r->nfound && r->found[i].entity != entity)
		i++;
	if (i == r->nfound && i < GUARD_ENTITIES)
		r->found[r->nfound++] = (struct guard_count){ (uint16_t)entity, 0 };
	if (i < r->nfound)
		r->found[i].n++;
	return is_new;
}

/* Collects the complete calls; nothing can be decided about half a call. If a name arrived in
 * pieces, each piece is a call too, since clients may join the pieces or take one of them.
 * Returns their number. */
static size_t
kept_calls(struct guard *g, struct answer_tool *tools)
{
	bool over = g->report.when == ANSWER_WHOLE || g->report.when == ANSWER_END;
	struct kept_text *k;
	size_t n = 0;

	LIST_FOREACH (k, &g->kept, all) {
		struct answer_tool t = { .name = buf_view(&k->name),
			.arguments = buf_view(&k->text),
			.lost = buf_failed(&k->text),
			.slot = k->slot };
		if (k->kind != KIND_ARGUMENTS || !t.name.n || !(over || k->over || k->whole))
			continue;
		struct span all = t.name;
		t.let_go = guard_called_was(g, t.name, k);
		tools[n++] = t;
		for (size_t i = 0, from = 0; k->nnames > 1 && i < k->nnames; i++) {
			t.name = span_cut(all, from, k->name_ends[i]);
			t.let_go = guard_called_was(g, t.name, k);
			from = k->name_ends[i];
			tools[n++] = t;
		}
	}
	/* the list has the newest call first, so the tools are reversed */
	for (size_t i = 0; i < n / 2; i++) {
		struct answer_tool last = tools[n - 1 - i];
		tools[n - 1 - i] = tools[i];
		tools[i] = last;
	}
	return n;
}

static void
score_text(struct guard *g, struct span text)
{
	struct inject_result got = inject_score(
		g->plan.policy->inject, text, INJECT_TOOL, g->plan.policy->inject_off);

	if (got.score > g->report.injection)
		g->report.injection = got.score;
}

static void
score(struct guard *g)
{
	struct kept_text *k;

	if (!g->plan.scores)
		return;
	LIST_FOREACH (k, &g->kept, all)
		if (k->kind != KIND_ARGUMENTS && !k->scored) {
			score_text(g, buf_view(&k->text));
			k->scored = true;
		}
}

/* Returns the facts, in the memory of the verdict. NULL: out of memory. */
static const struct answer_facts *
facts(struct guard *g)
{
	const struct guard_report *r = &g->report;
	struct answer_tool *tools =
		arena_array(&g->judged, g->nkept * TOOLS_OF_KEPT + 1, sizeof(*tools));
	struct answer_facts *f = arena_new(&g->judged, struct answer_facts);
	struct span *media = arena_array(&g->judged, MEDIAS, sizeof(*media));
	size_t nmedia = 0;

	if (!tools || !f || !media)
		return NULL;
	size_t ntools = kept_calls(g, tools);
	if (g->denied_call.name.n)
		tools[ntools++] = g->denied_call;
	for (unsigned m = 0; m < MEDIAS; m++)
		if (g->media >> m & 1)
			media[nmedia++] = span_str(answer_media_names[m]);
	*f = (struct answer_facts){
		.rules = g->plan.rules,
		.entities = g->entities,
		.roles = g->roles,
		.injection = r->injection,
		.bytes = (int64_t)r->text_bytes,
		.tokens = r->usage.known || r->usage.output_seen
				  ? r->usage.output_tokens
				  : (int64_t)r->text_bytes / BYTES_A_TOKEN,
		.finish_reason = span_str(r->finish),
		.model = span_str(r->model),
		.status = g->status,
		.streamed = r->streamed,
		.evasion = g->evasion,
		.media = media,
		.nmedia = nmedia,
		.tools = tools,
		.ntools = ntools,
	};
	return f;
}

/* ---- verdicts ---- */

/* Adds an outcome to a sum. `effect` is what happened to the response. */
static void
sum_outcome(struct guard *g, struct guard_sum *s, const struct rule_outcome *o,
	enum rule_effect effect)
{
	struct rule_outcome *all = &s->ruled;

	if (!s->any || effect_strength(effect) > effect_strength(all->effect)) {
		all->effect = effect;
		all->rule = o->rule;
	}
	if (o->shadowed && (!all->shadowed || effect_strength(o->shadow_effect) >
						      effect_strength(all->shadow_effect))) {
		all->shadowed = true;
		all->shadow_effect = o->shadow_effect;
		all->shadow_rule = o->shadow_rule;
	}
	if (o->ntags && !all->tags)
		all->tags = arena_array(&g->life, GUARD_TAGS, sizeof(*all->tags));
	if (all->tags)
		all->ntags = tags_join(all->tags, all->ntags, GUARD_TAGS, o->tags, o->ntags);
	else if (o->ntags)
		guard_no_memory(g);
	s->any = true;
}

void
guard_sum_call(struct guard *g, const struct tool_verdict *v, enum call_verdict is)
{
	sum_outcome(g, &g->report.sum, &v->ruled, is == CALL_GOES ? RULE_PERMIT : RULE_REDACT);
}

static void
sum_up(struct guard *g, struct guard_sum *s, const struct answer_verdict *v)
{
	sum_outcome(g, s, &v->ruled, v->ruled.effect);
	bool redacts = entities_any(&v->redact.of);
	if (redacts && !s->redact)
		s->redact = arena_new(&g->life, struct redactions);
	if (redacts && !s->redact) {
		guard_no_memory(g);
	} else if (redacts) { /* the latest style applies */
		struct redactions all = v->redact;
		redactions_add(&all, s->redact, NULL);
		*s->redact = all;
	}
	entities_join(&s->classes_hit, &v->classes_hit);
}

enum guard_result
guard_judge(struct guard *g, enum answer_when when)
{
	struct guard_report *r = &g->report;

	if (!guard_inspects(g) || g->failed)
		return g->failed;
	if (when != ANSWER_NEW)
		score(g);
	arena_reset(&g->judged);
	r->judged = false;
	r->when = when;
	r->facts = facts(g);
	if (!r->facts || policy_answer(g->plan.policy, g->plan.asked, r->facts, when,
				 &g->judged, &r->verdict))
		return guard_no_memory(g);
	r->judged = true;
	guard_message_judged(g, &r->verdict);
	sum_up(g, &r->sum, &r->verdict);
	guard_called_judged(g, r->facts, r->verdict.of_tools);
	/* the second policy; if it fails, its verdict is unknown */
	struct answer_verdict *other =
		g->plan.shadow ? arena_new(&g->judged, struct answer_verdict) : NULL;
	struct answer_facts all = *r->facts;
	all.asks_all = true; /* the second policy was not asked about calls before */
	if (other && !policy_answer(g->plan.shadow, g->plan.shadow_asked, &all, when,
			     &g->judged, other))
		sum_up(g, &r->shadow, other);
	if (r->verdict.ruled.effect == RULE_DENY)
		return guard_fail(
			g, GUARD_DENIED, "a rule with phase: response denies the response");
	return g->failed;
}

enum guard_result
guard_deny(struct guard *g, const char *why)
{
	struct answer_verdict *v = &g->report.verdict;

	v->ruled.effect = RULE_DENY;
	v->ruled.status = 403;
	v->ruled.reason = why;
	sum_up(g, &g->report.sum, v);
	return guard_fail(g, GUARD_DENIED, why);
}

/* ---- content kept for the rules ---- */

/* Returns true if text of this kind and place belongs to *k. Name and arguments of a call may
 * be in different members, so the last number may differ. */
static bool
is_kept_as(const struct kept_text *k, enum answer_kind kind, const uint32_t slot[ANSWER_SLOTS])
{
	uint32_t a = k->slot[ANSWER_NUMBERS], b = slot[ANSWER_NUMBERS];
	bool named = kind == KIND_ARGUMENTS && (!a || !b);

	return !k->whole && k->kind == kind && (a == b || named) &&
	       !memcmp(k->slot, slot, ANSWER_NUMBERS * sizeof(*slot));
}

/* Copies the name of the same call from another member. */
static void
keep_other_name(const struct guard *g, struct kept_text *k)
{
	const struct kept_text *o;

	LIST_FOREACH (o, &g->kept, all)
		if (o != k && !o->whole && o->kind == KIND_ARGUMENTS && k->kind == o->kind &&
			!memcmp(o->slot, k->slot, ANSWER_NUMBERS * sizeof(*k->slot))) {
			buf_span(&k->name, buf_view(&o->name));
			memcpy(k->name_ends, o->name_ends, sizeof(k->name_ends));
			k->nnames = o->nnames;
			return;
		}
}

static struct kept_text *
kept_of(struct guard *g, enum answer_kind kind, const uint32_t slot[ANSWER_SLOTS])
{
	struct kept_text *k;

	LIST_FOREACH (k, &g->kept, all)
		if (is_kept_as(k, kind, slot)) {
			if (slot[ANSWER_NUMBERS])
				k->slot[ANSWER_NUMBERS] = slot[ANSWER_NUMBERS];
			k->over = false;
			return k;
		}
	if (g->nkept == KEPT_MAX)
		return NULL;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	g->nkept++;
	k->kind = kind;
	memcpy(k->slot, slot, sizeof(k->slot));
	buf_init(&k->name, 256);
	buf_init(&k->text, KEPT_BYTES);
	sha256_begin(&k->hash);
	LIST_INSERT_HEAD(&g->kept, k, all);
	keep_other_name(g, k);
	return k;
}

/* Keeps text for the injection score in a window. A full window is scored, and its end
 * stays. */
static void
keep_scored(struct guard *g, struct kept_text *k, struct span text)
{
	while (text.n) {
		size_t room = KEPT_BYTES - k->text.n, n = text.n < room ? text.n : room;
		buf_span(&k->text, span_cut(text, 0, n));
		k->scored = false;
		if (buf_failed(&k->text)) {
			guard_no_memory(g);
			return;
		}
		text = span_cut(text, n, text.n);
		if (text.n) {
			score_text(g, buf_view(&k->text));
			buf_consume(&k->text, k->text.n - OVERLAP_BYTES);
		}
	}
}

void
guard_keep_ended(struct guard *g, const struct answer_document *d)
{
	struct kept_text *k;

	LIST_FOREACH (k, &g->kept, all)
		k->over |= !d || answer_ends(d, k->slot);
}

static void
keep_arguments(struct kept_text *k, struct span text)
{
	buf_span(&k->text, text);
	sha256_add(&k->hash, text);
	k->bytes += text.n;
}

void
guard_keep(struct guard *g, const struct answer_text *t, struct span text)
{
	bool call = kind_is_call(t->kind);
	struct kept_text *k;

	/* arguments that arrive as values with paths are not JSON, so a rule that reads them
	 * fails */
	if (t->piece && guard_inspects(g)) {
		LIST_FOREACH (k, &g->kept, all)
			if (k->kind == KIND_ARGUMENTS && !k->whole && k->slot[0] == t->slot[0])
				k->parts = k->text.failed = true;
		return;
	}
	if (!guard_inspects(g) || t->aside || t->deep || !(call || g->plan.scores))
		return;
	k = kept_of(g, call ? KIND_ARGUMENTS : t->kind, t->slot);
	if (k && !call)
		keep_scored(g, k, text);
	else if (k)
		keep_arguments(k, text);
	else if (!k && !call)
		/* there are more texts than are kept, so each piece is scored alone */
		score_text(g, text);
}

/* ---- names, calls and errors for the record ---- */

/* Copies a word of the provider for records: printable, cut to `size`, and redacted if it has a
 * finding. */
void
guard_word(struct guard *g, char *to, size_t size, struct span word)
{
	if (g->plan.rules && !detect_is_clean(g->plan.rules, g->plan.scratch, word, &g->work))
		word = SPAN_LIT("<redacted>");
	size_t n = word.n < size - 1 ? word.n : size - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = (char)(word.p[i] > ' ' && word.p[i] < 0x7f ? word.p[i] : '_');
	to[n] = '\0';
}

void
guard_note_tool(struct guard *g, struct span name)
{
	struct guard_report *r = &g->report;
	size_t i = 0;

	while (i < r->ntools && !span_is(name, r->tools[i]))
		i++;
	if (i < r->ntools || i == GUARD_TOOLS || !name.n)
		return;
	char *to = arena_alloc(&g->life, GUARD_NAME_BYTES);
	if (to) {
		guard_word(g, to, GUARD_NAME_BYTES, name);
		r->tools[r->ntools++] = to;
	}
}

/* Adds a piece of the name. Returns false if there is no room. */
static bool
keep_name(struct kept_text *k, struct span name)
{
	struct span all = buf_view(&k->name);
	size_t last = k->nnames > 1 ? k->name_ends[k->nnames - 2] : 0;

	if (!name.n || (k->nnames && (span_eq(name, all) ||
					     span_eq(name, span_cut(all, last, all.n)))))
		return true;
	if (k->nnames == NAME_PIECES)
		return false;
	buf_span(&k->name, name);
	k->name_ends[k->nnames++] = k->name.n;
	return !buf_failed(&k->name);
}

static void
keep_call(struct guard *g, const struct answer_call *c)
{
	struct kept_text *k = guard_inspects(g) ? kept_of(g, KIND_ARGUMENTS, c->slot) : NULL;

	guard_count(g, c->name);
	guard_restore_call(g, c);
	bool kept = k != NULL;
	LIST_FOREACH (k, &g->kept, all)
		if (kept && is_kept_as(k, KIND_ARGUMENTS, c->slot))
			kept = keep_name(k, c->name);
	/* the rules cannot see this call */
	if (!kept && g->plan.reads_calls && c->name.n)
		guard_unread(g, c->name.n,
			"the response has more tool calls, or longer tool names, than rules "
			"can read");
	guard_note_tool(g, c->name);
}

/* Keeps arguments that are a JSON value and therefore complete. The next event may have another
 * call with the same numbers. */
static void
guard_keep_input(struct guard *g, const struct answer_input *in)
{
	struct kept_text *k = guard_inspects(g) ? kept_of(g, KIND_ARGUMENTS, in->slot) : NULL;

	/* Anthropic's blocks begin with an empty value, and their arguments follow */
	if (g->report.streamed && span_is(in->json, "{}"))
		return;
	if (!k)
		return;
	keep_arguments(k, in->json);
	k->whole = true;
}

/* Keeps each call with the arguments of its object. Gemini's calls have no numbers and are
 * distinguished in this way only. */
static void
keep_calls(struct guard *g, const struct answer_document *d)
{
	size_t done = 0;

	if (d->odd_call && g->plan.asked && g->plan.asked->route &&
		g->plan.asked->route->uses.calls)
		guard_fail(g, GUARD_BROKEN, "the name of a tool call is not a string");
	for (size_t i = 0; i < d->ncalls; i++) {
		keep_call(g, &d->calls[i]);
		for (; done < d->ninputs && d->inputs[done].object <= d->calls[i].object;
			done++)
			guard_keep_input(g, &d->inputs[done]);
	}
	for (; done < d->ninputs; done++)
		guard_keep_input(g, &d->inputs[done]);
	/* calls of one document with the same place stay one call */
	for (size_t i = 0; i < d->ninputs; i++)
		if (!g->report.streamed || !span_is(d->inputs[i].json, "{}"))
			guard_restore_over(g, KIND_ARGUMENTS, d->inputs[i].slot);
}

void
guard_note_error(struct guard *g, struct span document, struct span type)
{
	if (g->error.n)
		return;
	struct span data = span_cut(document, 0, GUARD_ERROR_MAX);
	buf_span(&g->error, data);
	buf_span(&g->error, span_cut(type, 0, GUARD_ERROR_TYPE_MAX));
	struct span all = buf_view(&g->error);
	g->report.error = span_cut(all, 0, data.n);
	g->report.error_type = span_cut(all, data.n, all.n);
}

void
guard_note(struct guard *g, const struct answer_document *d)
{
	struct guard_report *r = &g->report;

	if (d->finish.n)
		guard_word(g, r->finish, sizeof(r->finish), d->finish);
	if (d->model.n && !r->model[0])
		guard_word(g, r->model, sizeof(r->model), d->model);
	bool says = d->ncalls > 0, made = d->opaque_bytes || d->ncalls;
	for (size_t i = 0; (d->error || !r->content) && i < d->ntexts; i++) {
		says |= !d->texts[i].aside;
		made |= d->texts[i].kind != KIND_OTHER && d->texts[i].text.n;
	}
	r->content |= made && !d->error;
	for (size_t i = 0; i < d->ntexts; i++)
		r->refused |= d->texts[i].kind == KIND_REFUSAL && d->texts[i].text.n;
	/* generated content is charged, even beside an error */
	r->provider_error |= d->error && (r->streamed || !made);
	r->opaque_bytes += d->opaque_bytes;
	r->sealed_bytes += d->sealed_bytes;
	g->media |= d->media;
	guard_called_note(g, d);
	keep_calls(g, d);
	if (!r->first_text_us && says)
		r->first_text_us = clock_mono_us();
	for (size_t i = 0; !guard_reads(g) && i < d->ntexts; i++) {
		if (d->texts[i].aside)
			continue;
		r->text_bytes += d->texts[i].text.n;
		guard_heard(g, &d->texts[i]);
		guard_transcribe(g, &d->texts[i], d->texts[i].text);
	}
}
