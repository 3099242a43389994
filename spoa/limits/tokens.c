/* How many tokens a request is, before its provider says so: its texts by the model's own
 * vocabulary or near it, what a chat, tools, images and files add by the family's table. Only
 * where something of the policy asks. */
#include "gate/gate_private.h"
#include "limits/limits.h"
#include "tokens/estimate.h"

/* One reading of a body's segments, in their order. */
struct count {
	const struct body *b;
	const struct token_meter *m;
	struct token_sum sum;
	bool chat, tools; /* it has messages, definitions of tools */
};

static const struct segment *
key_of(const struct count *c, const struct segment *s)
{
	return s && s->key != SEGMENT_NO_KEY && s->key < c->b->nsegments
		       ? &c->b->segments[s->key]
		       : NULL;
}

static bool
is_named(const struct segment *key, const char *name)
{
	return key && span_is(key->text, name);
}

/* The key of the document's own object that it is under. */
static bool
is_under(const struct count *c, const struct segment *s, const char *name)
{
	const struct segment *top = s;

	for (int depth = 0; depth < 64 && key_of(c, top); depth++)
		top = key_of(c, top);
	return is_named(top, name);
}

/* A key in a definition of a tool: a parameter's name, or a word of JSON Schema. */
static void
add_tool_key(struct count *c, const struct segment *s)
{
	const struct token_family *f = c->m->family;

	if (is_named(s, "properties")) {
		token_sum_plain(&c->sum, f->properties);
	} else if (is_named(key_of(c, s), "properties")) {
		token_sum_plain(&c->sum, f->property);
		token_sum_text(c->m, s->text, &c->sum);
	} else if (is_named(s, "enum")) {
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
	/* a parameter may be called so too */
	if (is_named(key, "name") && !is_named(key_of(c, key), "properties"))
		token_sum_plain(&c->sum, f->function);
	else if (is_named(key, "enum"))
		token_sum_plain(&c->sum, f->enum_item);
	else if (is_named(key, "required") || (is_named(key, "type") && s->reserved))
		return;
	token_sum_text(c->m, s->text, &c->sum);
}

static void
add_segment(struct count *c, const struct segment *s)
{
	const struct segment *key = key_of(c, s);

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
		if (!is_named(key, "role"))
			return;
		token_sum_plain(&c->sum, c->m->family->message);
		c->chat = true;
	} else if (is_named(key, "name") && s->role != ROLE_TOOL_CALL &&
		   s->role != ROLE_OTHER) {
		token_sum_plain(&c->sum, c->m->family->named);
	}
	token_sum_text(c->m, s->text, &c->sum);
}

/* Of opaque parts how many there are of each kind is known, and their bytes together. */
static void
add_media(struct count *c, const struct unread *u)
{
	const struct token_family *f = c->m->family;
	size_t images = 0, sounds = 0, others = 0;

	for (size_t i = 0; i < u->nmedia; i++) {
		images += span_is(u->media[i], "image");
		sounds += span_is(u->media[i], "audio");
	}
	others = u->nmedia - images - sounds;
	token_sum_plain(&c->sum, (int64_t)images * f->image);
	if (sounds || others)
		token_sum_bytes(&c->sum, u->bytes, others ? f->file_kb : f->audio_kb);
	/* what the provider sealed is its own, three bytes of base64 and more a token */
	token_sum_plain(&c->sum, (int64_t)(u->sealed_bytes / 3));
	c->sum.estimated |= u->nmedia || u->sealed;
}

static void
count_body(struct request *r, const struct token_meter *m, struct token_sum *out)
{
	struct count c = { .b = &r->in.body, .m = m };

	for (size_t i = 0; i < r->in.body.nsegments; i++)
		add_segment(&c, &r->in.body.segments[i]);
	if (c.chat)
		token_sum_plain(&c.sum, m->family->reply);
	add_media(&c, &r->in.body.unread);
	c.sum.estimated |= c.tools;
	*out = c.sum;
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

void
request_count_tokens(struct request *r)
{
	const struct snapshot *s = r->snap;
	struct token_sum sum = { 0 };

	if (!r->in.have_body || !s->models)
		return;
	struct span model = r->in.body.model;
	struct token_meter m = token_meter_of(s->encodings, s->models, model);
	if (r->found.tokens_by == m.family)
		return;
	count_body(r, &m, &sum);
	struct found_tokens *t = &r->found.tokens;
	*t = (struct found_tokens){
		.mean = token_sum_tokens(sum.mean),
		.most = token_sum_tokens(sum.most),
		.key = learned_key(model, token_sum_script(&sum)),
		.estimated = sum.estimated,
	};
	r->found.tokens_by = m.family;
	int64_t mean = t->mean;
	r->found.input_tokens = t->most;
	if (sum.estimated && r->gate)
		learned_apply(&r->gate->shared->learned, t->key, &mean, &r->found.input_tokens);
	/* Once rules were asked, what they read stays, and the record says it. */
	if (!r->found.have_verdict || !s->policy->reads_tokens)
		r->found.prompt_tokens = mean;
}
