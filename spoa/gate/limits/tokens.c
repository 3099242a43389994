/* Counts a request's tokens before its provider reports them: segments with the model's own
 * vocabulary or a similar one; chat formatting, tools, images and files by the model family's
 * table. Counts only if a rule or limit needs the number. If all limits have ample room, one
 * token for each byte is reserved instead of a count. */
#include "base/tokens/estimate.h"
#include "gate/gate_private.h"
#include "gate/limits/limits.h"
#include "gate/memo.h"
#include "policy/policy.h"

/* One pass over a body's segments, in order. */
struct count {
	struct request *r; /* NULL: the texts are not counted */
	const struct body *b;
	const struct token_meter *m;
	/* count segments with the vocabulary; estimate them from bytes; skip them */
	enum { COUNT_EXACTLY, COUNT_BYTES, COUNT_NONE } texts;
	struct span *kept; /* COUNT_NONE: receives the segments unless NULL */
	size_t nkept;
	struct token_sum sum;
	bool chat, tools; /* the body has messages, tool definitions */
};

static void
add_text(struct count *c, const struct segment *s)
{
	struct span text = s->text;

	if (c->texts == COUNT_EXACTLY)
		memo_tokens(c->r, s, c->m, text, &c->sum);
	else if (c->texts == COUNT_BYTES)
		token_sum_estimate(c->m, text.n, &c->sum);
	else if (c->kept)
		c->kept[c->nkept++] = text;
	else
		c->nkept++;
}

static bool
is_named_key(const struct segment *key, const char *name)
{
	return key && span_is(key->text, name);
}

/* Returns true if the segment is below member `name` of the body. */
static bool
is_under(const struct count *c, const struct segment *s, const char *name)
{
	const struct segment *top = s;

	for (int depth = 0; depth < 64 && body_key_of(c->b, top); depth++)
		top = body_key_of(c->b, top);
	return is_named_key(top, name);
}

/* Adds a key in a tool definition: a parameter's name, or a word of JSON Schema. */
static void
add_tool_key(struct count *c, const struct segment *s)
{
	const struct token_family *f = c->m->family;

	if (is_named_key(s, "properties")) {
		token_sum_plain(&c->sum, f->properties);
	} else if (is_named_key(body_key_of(c->b, s), "properties")) {
		token_sum_plain(&c->sum, f->property);
		add_text(c, s);
	} else if (is_named_key(s, "enum")) {
		token_sum_plain(&c->sum, f->enum_key);
	}
}

static void
add_tool_value(struct count *c, const struct segment *s, const struct segment *key)
{
	const struct token_family *f = c->m->family;

	if (!c->tools)
		token_sum_plain(&c->sum, f->tools);
	c->tools = true;
	/* a parameter may also be called `name` */
	if (is_named_key(key, "name") && !is_named_key(body_key_of(c->b, key), "properties"))
		token_sum_plain(&c->sum, f->function);
	else if (is_named_key(key, "enum"))
		token_sum_plain(&c->sum, f->enum_item);
	else if (is_named_key(key, "required") || (is_named_key(key, "type") && s->reserved))
		return;
	add_text(c, s);
}

static void
add_segment(struct count *c, const struct segment *s)
{
	const struct segment *key = body_key_of(c->b, s);

	if (s->role == ROLE_KEY) {
		if (is_under(c, s, "tools") || is_under(c, s, "functions"))
			add_tool_key(c, s);
		return;
	}
	if (s->opaque || s->counted || (s->sealed && s->role == ROLE_OTHER))
		return;
	if (s->role == ROLE_TOOL_DEFINITION) {
		add_tool_value(c, s, key);
		return;
	}
	if (s->role == ROLE_OTHER && s->reserved) {
		if (!is_named_key(key, "role"))
			return;
		token_sum_plain(&c->sum, c->m->family->message);
		c->chat = true;
	} else if (is_named_key(key, "name") && s->role != ROLE_TOOL_CALL &&
		   s->role != ROLE_OTHER) {
		token_sum_plain(&c->sum, c->m->family->named);
	}
	add_text(c, s);
}

/* Adds opaque parts: the number of each kind is known, and the bytes of all together. */
static void
add_media(struct count *c, const struct unread *u)
{
	const struct token_family *f = c->m->family;
	size_t images = 0, sounds = 0, others = 0;

	for (size_t i = 0; i < u->nmedia; i++) {
		images += span_is(u->media[i].kind, "image");
		sounds += span_is(u->media[i].kind, "audio");
	}
	others = u->nmedia - images - sounds;
	token_sum_plain(&c->sum, (int64_t)images * f->image);
	if (sounds || others)
		token_sum_bytes(&c->sum, u->bytes, others ? f->file_kb : f->audio_kb);
	/* sealed data: at least three bytes of base64 for each token */
	token_sum_plain(&c->sum, (int64_t)(u->sealed_bytes / 3));
	c->sum.estimated |= u->nmedia || u->sealed;
}

/* ---- reranking ---- */

/* A reranker reads the first text once with each of the others, and providers count it so. */
static const struct {
	const char *once, *each;
} pairs[] = {
	{ "query", "documents" },
	{ "query", "texts" },
	{ "text_1", "text_2" },
};

/* Returns a bit for each pair whose first member the body has. */
static unsigned
pairs_begun(const struct body *b)
{
	unsigned begun = 0;

	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *key = body_key_of(b, &b->segments[i]);
		for (size_t k = 0; key && b->segments[i].role != ROLE_KEY && k < COUNT_OF(pairs); k++)
			begun |= (unsigned)is_named_key(key, pairs[k].once) << k;
	}
	return begun;
}

/* Returns the number of texts in the other member of a pair. An object with several texts counts
 * once for each. */
static size_t
texts_of_pair(const struct count *c, size_t pair)
{
	size_t n = 0;

	for (size_t i = 0; i < c->b->nsegments; i++)
		n += c->b->segments[i].role != ROLE_KEY &&
		     is_under(c, &c->b->segments[i], pairs[pair].each);
	return n;
}

static bool
has_pairs(const struct body *b)
{
	const struct count c = { .b = b };
	unsigned begun = pairs_begun(b);

	for (size_t i = 0; begun && i < COUNT_OF(pairs); i++)
		if (begun >> i & 1 && texts_of_pair(&c, i) > 1)
			return true;
	return false;
}

static void
add_times(uint64_t *to, uint64_t one, uint64_t times)
{
	uint64_t sum;

	if (__builtin_mul_overflow(one, times, &sum) || __builtin_add_overflow(*to, sum, to) ||
		*to > INT64_MAX)
		*to = INT64_MAX;
}

/* Adds the first text of a pair once more for each of the others. */
static void
count_pairs(struct count *c)
{
	unsigned begun = pairs_begun(c->b);

	for (size_t k = 0; begun && k < COUNT_OF(pairs); k++) {
		size_t n = begun >> k & 1 ? texts_of_pair(c, k) : 0;
		struct count first = { .r = c->r, .b = c->b, .m = c->m, .texts = c->texts };
		for (size_t i = 0; n > 1 && i < c->b->nsegments; i++) {
			const struct segment *s = &c->b->segments[i];
			if (s->role != ROLE_KEY &&
				is_named_key(body_key_of(c->b, s), pairs[k].once))
				add_text(&first, s);
		}
		if (n < 2)
			continue;
		add_times(&c->sum.mean, first.sum.mean, n - 1);
		add_times(&c->sum.most, first.sum.most, n - 1);
		add_times(&c->sum.bound, first.sum.bound, n - 1);
	}
}

static void
count_body(struct count *c)
{
	for (size_t i = 0; i < c->b->nsegments; i++)
		add_segment(c, &c->b->segments[i]);
	if (c->texts != COUNT_NONE)
		count_pairs(c);
	if (c->chat)
		token_sum_plain(&c->sum, c->m->family->reply);
	add_media(c, &c->b->unread);
	c->sum.estimated |= c->tools;
}

static struct token_meter
prompt_meter(const struct request *r)
{
	return token_meter_of(r->snap->encodings, r->snap->models, r->in.body.model);
}

/* Stores the count. The reservation is corrected by what was learned about similar prompts. */
static void
prompt_counted(struct request *r, const struct token_family *by, const struct token_sum *sum,
	enum text_script script)
{
	struct found_tokens *t = &r->found.tokens;
	int64_t mean = token_sum_tokens(sum->mean);

	*t = (struct found_tokens){
		.mean = mean,
		.most = token_sum_tokens(sum->most),
		.key = learned_key(r->in.body.model, script),
		.estimated = sum->estimated,
	};
	r->found.tokens_by = by;
	r->found.input_tokens = t->most;
	if (sum->estimated && r->gate)
		learned_apply(&r->gate->shared->learned, t->key, &mean, &r->found.input_tokens);
	/* after the rules were evaluated, the number that they read stays, because the record
	 * has it */
	if (!r->found.have_verdict || !r->snap->policy->reads_tokens)
		r->found.prompt_tokens = mean;
}

const struct ranks *
request_own_ranks(const struct request *r, struct span model)
{
	const struct snapshot *s = r->snap;

	if (!s->models || !s->encodings || !model.n)
		return NULL;
	struct token_meter m = token_meter_of(s->encodings, s->models, model);
	return m.own ? m.ranks : NULL;
}

bool
request_tokens_needed(const struct request *r)
{
	const struct policy *p = r->snap->policy, *shadow = r->snap->shadow_policy;

	return r->in.have_body && r->in.body_state == BODY_STATE_WHOLE &&
	       (p->reads_tokens || (shadow && shadow->reads_tokens));
}

/* Returns the script of the largest share. */
static enum text_script
token_sum_script(const struct token_sum *sum)
{
	enum text_script best = SCRIPT_PROSE;

	for (enum text_script s = 0; s < TEXT_SCRIPTS; s++)
		if (sum->by_script[s] > sum->by_script[best])
			best = s;
	return best;
}

void
request_count_tokens(struct request *r)
{
	if (!r->in.have_body || !r->snap->models)
		return;
	struct token_meter m = prompt_meter(r);
	struct count c = { .r = r, .b = &r->in.body, .m = &m };
	if (r->found.tokens_by == m.family && !r->found.tokens.by_bytes)
		return;
	count_body(&c);
	prompt_counted(r, m.family, &c.sum, token_sum_script(&c.sum));
}

/* ---- bounds instead of counts ---- */

/* Returns true if the count can wait: the response will report the real number, and if not, the
 * kept segments suffice to count later. Long bodies are counted now. */
static bool
may_estimate(const struct request *r)
{
	const struct body *b = &r->in.body;
	const struct endpoint *e = &r->found.endpoint;

	return r->gate && r->snap->models && r->out.decision.via == VIA_RELAY &&
	       r->found.route->response & RESP_METER && !request_tokens_needed(r) &&
	       !r->found.fell.change && r->in.raw.n <= CAP_ESTIMATED_BODY && !b->unread.nmedia &&
	       !b->unread.sealed && b->marks.nmodels < 2 && b->marks.nrequests < 2 &&
	       r->found.file.state == FILE_NONE && !dialect_batches(e) &&
	       !dialect_batch_file(e, b) && !e->free && !e->stored && !e->unseen && !has_pairs(b);
}

/* Reserves one token for each byte: input_tokens is the bound until limits_count_prompt().
 * Returns false if the prompt must be counted. */
static bool
request_bound_tokens(struct request *r)
{
	struct found_tokens *t = &r->found.tokens;

	if (!may_estimate(r))
		return false;
	struct token_meter m = prompt_meter(r);
	struct count c = { .b = &r->in.body, .m = &m, .texts = COUNT_BYTES };
	count_body(&c);
	prompt_counted(r, m.family, &c.sum, TEXT_SCRIPTS);
	t->by_bytes = true;
	t->bound = token_sum_tokens(c.sum.bound);
	if (t->bound > r->found.input_tokens)
		r->found.input_tokens = t->bound;
	return true;
}

void
request_keep_texts(struct request *r, struct arena *own)
{
	size_t bytes = 0;

	if (!r->found.tokens.by_bytes || !r->in.have_body)
		return;
	struct token_meter m = prompt_meter(r);
	struct count c = { .b = &r->in.body, .m = &m, .texts = COUNT_NONE };
	count_body(&c);
	struct span *text = arena_array(own, c.nkept, sizeof(*text));
	if (!text)
		return; /* the arena remembers the failure */
	c = (struct count){ .b = c.b, .m = c.m, .texts = c.texts, .kept = text };
	count_body(&c);
	for (size_t i = 0; i < c.nkept; i++)
		bytes += text[i].n;
	/* segments kept for a ticket are counted as held, like the whole arena */
	if (r->run.resumed && !request_hold(r, bytes)) {
		request_count_tokens(r);
		r->found.tokens.late = true;
		return;
	}
	for (size_t i = 0; i < c.nkept; i++)
		text[i] = arena_dup(own, text[i]);
	r->found.texts = (struct found_texts){ text, c.nkept, c.sum };
}

bool
request_count_kept(struct request *r)
{
	const struct found_texts *k = &r->found.texts;
	struct token_sum sum = k->rest;

	if (!r->found.tokens.by_bytes || !k->text)
		return false;
	struct token_meter m = prompt_meter(r);
	for (size_t i = 0; i < k->n; i++)
		memo_tokens(r, NULL, &m, k->text[i], &sum);
	prompt_counted(r, m.family, &sum, token_sum_script(&sum));
	r->found.tokens.late = true;
	return true;
}

/* ---- the step *tokens* ----
 *
 * Counts the prompt if a limit in tokens or dollars applies and no rule needed the count
 * before, or leaves the decision to the quota step, which knows the rest of each limit. The
 * count is a step of its own, because a helper thread counts long prompts. */

static bool
counts_prompt(const struct limit *l)
{
	return limit_has(l->of, COUNTS_INPUT);
}

/* Returns true if a limit that counts the prompt applies. Overrides do not matter here. */
static bool
limit_applies(struct request *r)
{
	const struct identity *id = &r->found.identity;
	const struct found_limits *l = &r->found.limits;
	struct policy_facts f;
	bool any = false;

	for (size_t i = 0; i < id->nlimits; i++)
		any |= counts_prompt(&id->limits[i]);
	if (any || !r->snap->policy->counts_tokens)
		return any;
	/* jobs are charged the file's cost by their own limits */
	if (dialect_batch_file(&r->found.endpoint, &r->in.body))
		return true;
	request_facts(r, &f);
	if (limits_apply(r, &f))
		return false; /* the next step will report the error */
	for (size_t i = 0; i < l->n; i++)
		any |= counts_prompt(l->hit[i].limit);
	return any;
}

enum step_result
step_tokens(struct request *r)
{
	/* a message that only adds to a turn reserves nothing */
	if (r->in.message != MESSAGE_ALONE && !r->found.tokens_by && r->in.have_body &&
		r->in.body_state == BODY_STATE_WHOLE &&
		!dialect_is_of_mcp(r->found.endpoint.family) && limit_applies(r) &&
		!request_bound_tokens(r))
		request_count_tokens(r);
	return STEP_NEXT;
}
