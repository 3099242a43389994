/* Compares a request with a model's context window and largest output (policies/models.yaml). A
 * prompt is too long only if even the lowest possible count exceeds the window. The parts that
 * the count leaves out (formatting around segments, images, files, reasoning that the provider
 * signed and may skip) only increase the real number. Tokens are counted only if the number of
 * bytes does not decide. */
#include "base/tokens/bpe.h"
#include "base/tokens/split.h"
#include "gate/gate_private.h"
#include "gate/limits/limits.h"
#include "scan/text/table.h"

/* above LONG_BYTES, a sample of SAMPLE_BYTES decides whether to count */
enum { LONG_BYTES = 64 << 10, SAMPLE_BYTES = 1024 };

/* Returns true if the model responds to the request as a whole. A batch's requests have limits
 * of their own. */
static bool
is_sized(const struct request *r)
{
	const struct token_models *m = r->snap->models;
	const struct body *b = &r->in.body;

	return m && m->nsizes && r->in.have_body && r->in.body_state == BODY_STATE_WHOLE &&
	       r->found.endpoint.table && r->found.endpoint.table->cap &&
	       b->marks.nrequests < 2 && b->prompts < 2 && !dialect_batches(&r->found.endpoint);
}

/* Returns true if the provider shortens the prompt itself: truncation (Responses API),
 * prompt_truncation (Cohere), context_management (Anthropic, Responses API). */
static bool
is_cut_there(const struct body *b)
{
	static const char *const on[] = { "auto", "AUTO", "AUTO_PRESERVE_ORDER" };
	static const char *const names[] = { "truncation", "prompt_truncation" };

	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		if (s->role == ROLE_KEY && s->key == SEGMENT_NO_KEY &&
			span_is(s->text, "context_management"))
			return true;
		if (s->role != ROLE_KEY && s->key < b->nsegments &&
			b->segments[s->key].key == SEGMENT_NO_KEY &&
			SPAN_IN(b->segments[s->key].text, names) && SPAN_IN(s->text, on))
			return true;
	}
	return false;
}

/* ---- the lowest possible count ---- */

static uint64_t
tokens_of(const struct ranks *ranks, struct span text)
{
	static const struct split_pattern all = { .name = "", .kind = SPLIT_PLAIN };
	struct bpe_count n = { 0 };
	uint64_t pieces = 0;

	if (ranks && bpe_count(ranks, text, &n) == 0 && !n.bounded)
		return n.tokens;
	/* Without the model's vocabulary, each piece counts as one token: pieces are cut where
	 * all known vocabularies cut. */
	for (size_t at = 0; at < text.n; at = split_next(&all, text, at))
		pieces++;
	return pieces;
}

static bool
is_prompt(const struct body *b, const struct segment *s)
{
	const struct segment *key = body_key_of(b, s);

	if (s->opaque || s->counted || s->sealed || s->reserved)
		return false;
	switch (s->role) {
	case ROLE_SYSTEM:
	case ROLE_USER:
	case ROLE_ASSISTANT:
	case ROLE_TOOL_CALL:
	case ROLE_TOOL_RESULT:
	case ROLE_DOCUMENT: return true;
	case ROLE_TOOL_DEFINITION: return key && span_is(key->text, "description");
	default: return false;
	}
}

/* Counts the prompt's tokens by script with one vocabulary. Kept for the next target with the
 * same vocabulary. */
static const uint64_t *
count_texts(struct request *r, const struct ranks *ranks)
{
	struct found_fit *f = &r->found.fit;
	const struct body *b = &r->in.body;
	size_t block = 0;

	if (f->known && f->by == ranks)
		return f->tokens;
	*f = (struct found_fit){ .by = ranks, .known = true };
	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		while (block < b->nreasoning && b->reasoning[block].last <= i)
			block++;
		if (is_prompt(b, s) &&
			!(block < b->nreasoning && b->reasoning[block].first <= i))
			f->tokens[text_script(s->text)] += tokens_of(ranks, s->text);
	}
	return f->tokens;
}

/* Returns a lower factor, as far below the average as the upper one is above it; in
 * thousandths. */
static uint64_t
least_factor(const struct token_meter *m, enum text_script s)
{
	uint64_t mean = m->family->factor[s].mean, most = m->family->factor[s].most;

	return m->own ? 1000 : 2 * mean > most ? 2 * mean - most : 0;
}

static uint64_t
least_tokens(struct request *r, const struct token_meter *m, struct span model)
{
	const uint64_t *tokens = count_texts(r, m->ranks);
	uint64_t sum = 0, dearest = 0;
	enum text_script script = SCRIPT_PROSE;

	for (enum text_script s = 0; s < TEXT_SCRIPTS; s++) {
		uint64_t here = tokens[s] * least_factor(m, s);
		sum += here;
		script = here > dearest ? s : script;
		dearest = here > dearest ? here : dearest;
	}
	int64_t least = (int64_t)(sum / 1000), learned = least, most = least;
	if (!m->own && r->gate)
		learned_apply(
			&r->gate->shared->learned, learned_key(model, script), &learned, &most);
	return (uint64_t)(learned < least ? learned : least);
}

/* A quick check for long prompts: the bytes and a sample of the longest segment. Assumes 1.6
 * times the sample's density, which covers segments that are denser than 19 of 20. */
static bool
may_be_more(const struct request *r, const struct token_meter *m, uint64_t window)
{
	struct token_family f = *m->family;
	const struct token_meter by_bytes = { .family = &f };
	const struct body *b = &r->in.body;
	const struct segment *longest = NULL;
	struct token_sum sample = { 0 };
	uint64_t bytes = 0;

	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		if (!is_prompt(b, s))
			continue;
		bytes += s->text.n;
		longest = longest && longest->text.n >= s->text.n ? longest : s;
	}
	if (!longest || !longest->text.n)
		return false;
	for (enum text_script k = 0; k < TEXT_SCRIPTS; k++)
		f.factor[k].most = (uint32_t)least_factor(m, k);
	struct span part = span_cut(longest->text, 0, SAMPLE_BYTES);
	token_sum_text(&by_bytes, part, &sample);
	return bytes / part.n * sample.most / 10 * 16 > window * 1000;
}

/* Returns 0 if the prompt may fit, else the lowest possible count, which exceeds the window. */
static uint64_t
over_window(struct request *r, struct span model, uint64_t window)
{
	struct token_meter m = token_meter_of(r->snap->encodings, r->snap->models, model);
	size_t bytes = r->in.raw.n;
	struct token_sum s = { 0 };

	token_sum_estimate(&m, bytes, &s);
	if (token_sum_tokens(s.bound) <= (int64_t)window ||
		(bytes > LONG_BYTES && !may_be_more(r, &m, window)) ||
		is_cut_there(&r->in.body))
		return 0;
	uint64_t least = least_tokens(r, &m, model);
	return least > window ? least : 0;
}

/* ---- results ---- */

/* If the body names no model, the model is known from the route's target. */
static struct span
model_sent(const struct request *r, struct span instead)
{
	const struct target *t = request_target(r);

	if (instead.n)
		return instead;
	return !r->in.body.model.n && t->model ? span_str(t->model) : r->in.body.model;
}

uint64_t
request_output_ceiling(const struct request *r, struct span model)
{
	const struct token_models *m = r->snap->models;
	int64_t stated = r->in.have_body ? r->in.body.output_cap_tokens : -1;

	if (stated < 0 || !m || (uint64_t)stated <= m->least_output || !is_sized(r))
		return 0;
	uint64_t most = model_size_of(m, model_sent(r, model)).output;
	return most && (uint64_t)stated > most ? most : 0;
}

struct span
limits_model_at(const struct request *r, const struct target *t)
{
	return t->model ? span_str(t->model) : request_asked_model(r);
}

enum target_out
limits_fit(struct request *r, const struct target *t)
{
	struct span model = limits_model_at(r, t);

	if (r->found.pin.to && r->found.pin.to != t)
		return TARGET_PINNED;
	if (request_is_too_long(r, t))
		return TARGET_WINDOW;
	if (!is_sized(r))
		return TARGET_IN;
	if (r->in.raw.n > r->snap->models->least_bytes) {
		uint64_t window = model_size_of(r->snap->models, model).window;
		if (window && over_window(r, model, window))
			return TARGET_WINDOW;
	}
	/* without a relay, bodies cannot be changed */
	if (r->gate && !gate_cfg(r->gate)->relay && request_output_ceiling(r, model))
		return TARGET_OUTPUT;
	return TARGET_IN;
}

static enum step_result
deny_fit(struct request *r, struct span model, uint64_t window)
{
	uint64_t least = over_window(r, model, window);

	return request_deny(r, 400, "context_length_exceeded", "",
		dialect_too_long(r->found.endpoint.dialect, r->found.endpoint.name, least,
			window, &r->arena));
}

/* Returns the largest window among the permitted targets if all are too small; 0: one is large
 * enough. */
static uint64_t
none_reads_it(const struct request *r, struct span *model)
{
	const struct policy_verdict *v = &r->found.verdict;
	uint64_t largest = 0;

	for (size_t i = 0; i < v->ncandidates; i++) {
		const struct policy_candidate *c = &v->candidates[i];
		if (c->fate == CANDIDATE_DENIED || c->fate == CANDIDATE_ROUTED ||
			(c->fate == CANDIDATE_OUT && c->out == TARGET_PINNED))
			continue;
		if (c->fate != CANDIDATE_OUT || c->out != TARGET_WINDOW)
			return 0;
		struct span name =
			c->target->model ? span_str(c->target->model) : r->in.body.model;
		uint64_t window = model_size_of(r->snap->models, name).window;
		if (window >= largest)
			*model = name;
		largest = window > largest ? window : largest;
	}
	return largest;
}

enum step_result
limits_too_long(struct request *r)
{
	const struct token_models *m = r->snap->models;
	struct amendment am;
	uint64_t window;
	struct span model = r->in.body.model;

	if (!is_sized(r) || r->in.raw.n <= m->least_bytes)
		return STEP_NEXT;
	if (r->found.verdict.none_in)
		return (window = none_reads_it(r, &model)) ? deny_fit(r, model, window)
							   : STEP_NEXT;
	request_amendment(r, &am);
	model = model_sent(r, am.model);
	window = model_size_of(m, model).window;
	return window && over_window(r, model, window) ? deny_fit(r, model, window) : STEP_NEXT;
}

static uint64_t
window_of(const struct request *r, const struct target *t)
{
	const struct token_models *m = r->snap->models;

	return m ? model_size_of(m, limits_model_at(r, t)).window : 0;
}

void
request_was_too_long(struct request *r)
{
	uint64_t window = window_of(r, request_target(r));

	if (window > r->found.fit.passed)
		r->found.fit.passed = window;
}

bool
request_is_too_long(const struct request *r, const struct target *t)
{
	uint64_t window = r->found.fit.passed ? window_of(r, t) : 0;

	return window && window <= r->found.fit.passed;
}
