/* The step *policy*: evaluates the rules on the findings of earlier steps, and turns the
 * verdict into a decision. If the chosen target is not available, it chooses again.
 *
 * The first section makes request.tags: labels that callers put into a request's body, selected
 * by the policy's list, as "NAME:VALUE". The caller chooses the value, so a tag with a finding
 * is dropped. */
#include <stdio.h>

#include "base/utf8.h"
#include "gate/files/files.h"
#include "gate/limits/limits.h"
#include "gate/steps/steps.h"
#include "policy/policy.h"
#include "policy/rule.h"
#include "scan/text/table.h"

/* ---- the caller's tags ---- */

/* clang-format off */
/* Fields that name the user, in this order: OpenAI's two, Anthropic's. */
static const struct { const char *object, *name; } users[] = {
	{ NULL,       "user" },
	{ NULL,       "safety_identifier" },
	{ "metadata", "user_id" },
};
/* Objects that hold labels: OpenAI, Anthropic and Mistral; Bedrock; Vertex AI. */
static const char *const holders[] = { "metadata", "requestMetadata", "labels" };
/* clang-format on */

/* Returns true if the segment is the value of `name` in the body itself, or in its member
 * `object`. */
static bool
is_member(const struct body *b, const struct segment *s, const char *object, const char *name)
{
	if (s->role == ROLE_KEY || s->key == SEGMENT_NO_KEY)
		return false;
	const struct segment *key = &b->segments[s->key];
	if (!span_is(key->text, name))
		return false;
	if (!object || key->key == SEGMENT_NO_KEY)
		return !object && key->key == SEGMENT_NO_KEY;
	const struct segment *of = &b->segments[key->key];
	return of->key == SEGMENT_NO_KEY && span_is(of->text, object);
}

static const struct segment *
find_tag_segment(const struct body *b, const char *object, const char *name)
{
	for (size_t i = 0; i < b->nsegments; i++)
		if (is_member(b, &b->segments[i], object, name))
			return &b->segments[i];
	return NULL;
}

/* Returns true if the segment has a finding, or repeats a value found elsewhere. */
static bool
found_in(const struct request *r, const struct segment *s)
{
	for (size_t i = 0; i < r->scan.nhits; i++) {
		const struct hit *h = &r->scan.hits[i];
		struct span value = span_cut(h->segment->text, h->f.start, h->f.end);
		if (h->segment == s ||
			(value.n && memmem(s->text.p, s->text.n, value.p, value.n)))
			return true;
	}
	return false;
}

/* Sets found.tags, if the policy lists tags and the body is whole. Call after the body
 * was searched. */
static void
request_tags(struct request *r)
{
	const struct policy *p = r->snap->policy;

	r->found.ntags = 0;
	if (!p->ntags || !r->in.have_body || r->in.body_state == BODY_STATE_PARTIAL)
		return;
	r->found.tags = arena_array(&r->arena, p->ntags, sizeof(*r->found.tags));
	for (size_t i = 0; r->found.tags && i < p->ntags; i++) {
		const char *metadata = p->tags[i].metadata,
			   *name = metadata ? metadata : users[0].name;
		const struct segment *s = NULL;
		for (size_t k = 0; !metadata && k < COUNT_OF(users) && !s; k++)
			s = find_tag_segment(&r->in.body, users[k].object, users[k].name);
		for (size_t k = 0; metadata && k < COUNT_OF(holders) && !s; k++)
			s = find_tag_segment(&r->in.body, holders[k], metadata);
		if (!s || s->text.n > TAG_VALUE_MAX || !utf8_line(s->text) || found_in(r, s) ||
			request_credential_in(r, s->text) || request_may_hold(r, s->text))
			continue;
		char text[TAG_NAME_MAX + 1 + TAG_VALUE_MAX + 1];
		int n = snprintf(
			text, sizeof(text), "%s:%.*s", name, (int)s->text.n, s->text.p);
		r->found.tags[r->found.ntags++] =
			arena_dup(&r->arena, span_of(text, (size_t)n));
	}
}

/* ---- the step ---- */

/* Returns true if a line of a batch's file is a request that a model responds to, not a
 * training example. */
static bool
is_answered(const struct request_mark *q)
{
	return q->table->cap && !q->table->lenient;
}

/* Returns the sum of the output limits of the body's requests, as they are sent; output_default
 * for those without a limit. */
static uint64_t
caps_together(const struct request *r)
{
	const struct body_marks *m = &r->in.body.marks;
	bool lines = r->found.endpoint.table->line;
	struct amendment am;
	uint64_t all = 0;
	size_t k = 0;

	request_amendment(r, &am);
	uint64_t otherwise = request_output_default(r, am.model, true);
	for (size_t i = 0; i < m->nrequests || i == 0; i++) {
		int64_t most = m->nrequests < 2 ? r->in.body.output_cap_tokens : -1;
		for (; k < m->ncaps && m->cap[k].request <= i; k++)
			most = m->cap[k].tokens > most ? m->cap[k].tokens : most;
		if (lines && !(i < m->nrequests && is_answered(&m->request[i])))
			continue;
		most = dialect_amended_cap(&am, most);
		if (__builtin_add_overflow(all, most >= 0 ? (uint64_t)most : otherwise, &all))
			return UINT64_MAX;
	}
	return all;
}

/* Returns true if the body, or a line of a batch's file, asks for a response of a model. */
static bool
asks_answer(const struct request *r)
{
	const struct body_marks *m = &r->in.body.marks;

	for (size_t i = 0; r->found.endpoint.table->line && i < m->nrequests; i++)
		if (is_answered(&m->request[i]))
			return true;
	return r->found.endpoint.table->cap || endpoint_makes_images(&r->found.endpoint);
}

void
request_estimate_tokens(struct request *r)
{
	if (r->found.tokens.by_bytes)
		r->found.tokens_by = NULL;
	r->found.tokens.by_bytes = false;
	if (!r->found.tokens_by)
		r->found.input_tokens = r->found.prompt_tokens =
			(int64_t)((r->in.raw.n + 2) / 3);
	if (request_tokens_needed(r) || r->found.tokens_by)
		request_count_tokens(r);
	r->found.output_tokens = 0;
	/* a WebSocket reserves one response ahead as long as it is open */
	bool ahead = r->in.socket && r->in.body.model.n;
	if (!(r->in.have_body || ahead) || !asks_answer(r))
		return;
	uint64_t n = r->in.body.choices > 1 ? (uint64_t)r->in.body.choices : 1;
	uint64_t prompts = r->in.body.prompts > 1 ? (uint64_t)r->in.body.prompts : 1;
	uint64_t all;
	if (__builtin_mul_overflow(caps_together(r), n, &all) ||
		__builtin_mul_overflow(all, prompts, &all) || all > INT64_MAX / 4)
		all = INT64_MAX / 4;
	r->found.output_tokens = (int64_t)all;
}

static enum step_result
deny_by_rule(struct request *r)
{
	const struct policy_verdict *v = &r->found.verdict;
	const char *name = v->ruled.rule ? v->ruled.rule->name : "default";
	int status = v->ruled.status ? v->ruled.status : 403;
	const char *code = NULL;
	struct span why = v->ruled.reason && v->ruled.reason[0]
				  ? span_str(v->ruled.reason)
				  : SPAN_LIT("the policy does not permit this request; ask the "
					     "gateway's operators");

	const char *scope = v->ruled.rule && !v->ruled.failed ? v->ruled.rule->scope : NULL;
	if (scope)
		code = "insufficient_scope";
	else if (status == 403)
		code = v->ruled.rule && v->ruled.rule->reads_body ? "content_policy_violation"
								  : "permission_denied";
	request_deny(r, (enum deny_status)status, code, name, why);
	request_denial_scope(r, scope);
	if (status == 429)
		request_denial_retry(r, 1, false);
	return STEP_DECIDED;
}

/* Returns true if the verdict removes everything that could not be inspected. */
static bool
request_files_go(const struct request *r)
{
	size_t unread = 0;

	for (size_t i = 0; i < r->in.nfiles; i++) {
		const struct file *f = &r->in.files[i];
		if (!f->why)
			continue;
		if (!f->media.part)
			return false;
		unread++;
	}
	return r->found.verdict.strips && unread == r->in.unread.nmedia &&
	       r->in.sound != SOUND_HEARD;
}

/* Returns true if a session's message has sound that was not transcribed, and the route permits
 * sound by its transcript alone. */
static bool
session_unheard(const struct request *r)
{
	bool any = false;

	for (size_t i = 0; r->in.message && i < r->in.unread.nmedia; i++)
		any |= span_is(r->in.unread.media[i].kind, "audio");
	return any && r->found.route->audio >= AUDIO_JUDGED;
}

/* Denies requests that the rules permit but that must not pass. Returns STEP_NEXT if there is
 * no reason. */
static enum step_result
may_pass(struct request *r)
{
	const struct on_failure *of = request_on_failure(r);

	if (r->found.no_session)
		return request_no_session(r);
	bool unreadable =
		r->in.unreadable && (of->unreadable == OUT_DENY || session_unheard(r)) &&
		!request_files_go(r);
	if (unreadable && r->in.body.ids_bytes)
		return request_deny(r, 403, "unreadable_content", "",
			SPAN_LIT("the request contains token ids that cannot be decoded for "
				 "this "
				 "model; send text instead"));
	if (unreadable)
		return request_deny(r, 403, "unreadable_content", "", request_unread_files(r));
	bool failed = r->found.search != SEARCH_WHOLE && r->found.unclassified == OUT_DENY;
	if (failed && r->found.search == SEARCH_TOO_DEAR)
		return request_deny(r, 413, "request_too_complex", "",
			SPAN_LIT("a text in the request takes too much work to inspect; change "
				 "it, "
				 "because a retry has the same result"));
	if (failed && r->found.search == SEARCH_LIMITED)
		return request_too_complex(r, r->found.search_limit);
	if (failed || request_silence(r, OUT_DENY) || request_unmet(r))
		return request_deny(r, 503, "classifier_unavailable", "",
			SPAN_LIT("the content could not be inspected; retry later"));
	return request_message_passes(r);
}

/* Decides for an observed request, which is forwarded unchanged: nothing is prepared. */
static enum step_result
only_said(struct request *r, bool whole)
{
	const struct policy_verdict *v = &r->found.verdict;
	bool waits = !whole && v->waits,
	     key = r->in.have_body && request_credential_escaped_in(r, r->in.raw);

	if (may_pass(r) == STEP_DECIDED || request_filter_offered(r) == STEP_DECIDED)
		return STEP_DECIDED;
	bool changes = v->redacts || key || r->found.offer.ncuts;
	request_decide(r,
		waits	  ? D_DEFER
		: changes ? D_REDACT
			  : D_PERMIT,
		VIA_NONE,
		waits		? ""
		: v->ruled.rule ? v->ruled.rule->name
				: "default");
	return STEP_DECIDED;
}

/* Hides the model's name if it has a finding or is a found value, because it is the caller's
 * text and appears in records and variables. */
void
request_hide_model(struct request *r)
{
	struct span model = r->in.body.model = arena_dup(&r->arena, r->in.body.model);
	bool hide = request_credential_in(r, model);

	for (size_t i = 0; model.n && !hide && i < r->scan.nhits; i++) {
		const struct hit *h = &r->scan.hits[i];
		struct span text = h->segment->text;
		hide = (h->in_target && request_names_model(r, h->segment)) ||
		       span_eq(span_cut(text, h->f.start, h->f.end), model) ||
		       (h->segment->reserved && !h->in_target && span_eq(text, model));
	}
	if (hide)
		r->in.body.model = SPAN_LIT("<redacted>");
}

/* Returns true if both verdicts lead to the same result. */
static bool
same_verdict(const struct policy_verdict *x, const struct policy_verdict *y)
{
	const struct policy_changes *cx = &x->changes, *cy = &y->changes;

	if (x->ruled.effect != y->ruled.effect || x->redacts != y->redacts ||
		x->strips != y->strips || cx->target != cy->target ||
		!str_same(cx->model, cy->model) ||
		cx->max_output_tokens != cy->max_output_tokens || cx->require != cy->require ||
		cx->nrules != cy->nrules)
		return false;
	for (size_t i = 0; i < cx->nrules; i++)
		if (cx->rules[i] != cy->rules[i])
			return false;
	return memcmp(&x->redact, &y->redact, sizeof(x->redact)) == 0;
}

/* The verdict denies another model of the body: the record, the shadow and the caller's error
 * name this model. */
static enum step_result
deny_model(struct request *r, struct span model, const struct policy_verdict *v)
{
	r->in.body.model = model;
	r->found.verdict = *v;
	return STEP_NEXT;
}

/* Decides for each model that a body of many requests names. If one is denied, all are denied.
 * Other differences between models cannot be applied to one body. Returns STEP_NEXT if the
 * verdict stands. */
static enum step_result
decide_each_model(struct request *r, struct policy_facts *f)
{
	const struct model_mark *m = r->in.body.marks.model;
	size_t n = r->in.have_body ? r->in.body.marks.nmodels : 0, other = 0;

	for (size_t i = 1; i < n && r->found.verdict.ruled.effect != RULE_DENY; i++) {
		struct policy_verdict v;
		bool seen = m[i].null || span_eq(m[i].name, r->in.body.model);
		for (size_t k = i; k-- > 0 && !seen;)
			seen = span_eq(m[k].name, m[i].name);
		if (seen)
			continue;
		if (policy_route_as(r->found.route, m[i].name) != r->found.route)
			return request_deny(r, 400, "ambiguous_model", "",
				SPAN_LIT("the body names models with different targets; "
					 "send separate requests"));
		if (++other >= CAP_MODELS)
			return request_deny(r, 400, "ambiguous_model", "",
				SPAN_LIT("the body names too many models; send separate "
					 "requests"));
		f->model = m[i].name;
		int err = policy_decide(r->snap->policy, f, &r->arena, &v);
		if (err < 0)
			return request_overload(r);
		if (v.ruled.effect == RULE_DENY)
			return deny_model(r, m[i].name, &v);
		f->model = r->in.body.model;
		if (!same_verdict(&v, &r->found.verdict))
			return request_deny(r, 400, "ambiguous_model", "",
				SPAN_LIT("different rules apply to the models in this body; "
					 "send separate requests"));
	}
	return STEP_NEXT;
}

/* Adds redactions and required recognizers for a model that is only named. */
static void
add_verdict(struct policy_verdict *v, const struct policy_verdict *more)
{
	v->changes.require |= more->changes.require;
	if (more->redacts)
		redactions_add(&v->redact, &more->redact, NULL);
	if (more->redacts && v->ruled.effect == RULE_PERMIT) {
		v->ruled.effect = RULE_REDACT;
		v->ruled.rule = more->ruled.rule;
	}
	v->redacts |= more->redacts;
	v->strips |= more->strips;
}

/* Decides for models that are named in unknown members. If one is denied, the request is
 * denied. */
static enum step_result
decide_other_models(struct request *r, struct policy_facts *f)
{
	const struct body *b = &r->in.body;

	if (!b->nothers || !request_model_matters(r))
		return STEP_NEXT;
	if (b->nothers > CAP_MODELS)
		return request_deny(r, 413, "request_too_complex", "",
			SPAN_LIT("the body names too many models; send separate requests"));
	for (size_t i = 0; i < b->nothers && r->found.verdict.ruled.effect != RULE_DENY; i++) {
		struct policy_verdict v;
		if (span_eq(b->others[i], b->model))
			continue;
		f->model = b->others[i];
		if (policy_decide(r->snap->policy, f, &r->arena, &v) < 0)
			return request_overload(r);
		if (v.ruled.effect == RULE_DENY)
			return deny_model(r, b->others[i], &v);
		f->model = b->model;
		add_verdict(&r->found.verdict, &v);
	}
	return STEP_NEXT;
}

/* Returns true if the API key may use all models that the request names. A key with a list of
 * models may not ask for a response without naming a model, because the provider would choose
 * one. */
static bool
key_allows_models(const struct request *r)
{
	const struct identity *id = &r->found.identity;
	const struct model_mark *m = r->in.body.marks.model;
	struct span model = r->in.body.model;

	if (id->nmodels == 0)
		return true;
	if (model.n ? !identity_has_model(id, model)
		    : r->in.have_body && r->found.endpoint.table->cap)
		return false;
	for (size_t i = 0; r->in.have_body && i < r->in.body.marks.nmodels; i++)
		if (!m[i].null && !identity_has_model(id, m[i].name))
			return false;
	for (size_t i = 0; i < r->in.body.nothers; i++)
		if (!identity_has_model(id, r->in.body.others[i]))
			return false;
	return true;
}

static enum step_result
judge_request(struct request *r)
{
	struct policy_facts f;
	const struct policy_verdict *v = &r->found.verdict;
	enum begun begun;

	if (!key_allows_models(r)) {
		struct span models =
			request_listed(r, r->found.identity.models, r->found.identity.nmodels);
		struct span why = arena_printf(&r->arena,
			"the API key is not permitted to use this model: its models are %.*s",
			SPAN_ARG(models));
		request_hide_model(r);
		return request_deny(r, 403, "permission_denied", "", why);
	}
	request_estimate_tokens(r);
	request_conversation(r);
	request_tags(r);
	request_unqueue(r);
	if (r->waiting.what == WAIT_ROOM)
		request_waited(r);
	r->found.passed = 0;
	do {
		if (!request_rank(r))
			return request_overload(r);
		request_facts(r, &f);
		if (policy_decide(r->snap->policy, &f, &r->arena, &r->found.verdict) < 0)
			return request_overload(r);
		r->found.have_verdict = true;
		if (f.whole && v->none_in && limits_unpin(r))
			begun = BEGUN_NOT;
		else
			begun = f.whole ? request_begin(r) : BEGUN;
		if (begun == BEGUN_WAITS)
			return STEP_WAIT;
	} while (begun == BEGUN_NOT);
	if (f.whole && (decide_each_model(r, &f) != STEP_NEXT ||
			       decide_other_models(r, &f) != STEP_NEXT)) {
		r->in.body.model = (struct span){ NULL, 0 };
		return STEP_DECIDED;
	}
	/* a verified agent receives the denial as JSON-RPC, through the relay */
	bool told_later = request_message_waits(r) && r->found.identity.verified;
	bool denied = v->ruled.effect == RULE_DENY && (f.whole || (!v->waits && !told_later));
	if (f.whole || denied)
		request_shadow(r, &f);
	request_hide_model(r);
	if (denied)
		return deny_by_rule(r);
	if (r->found.observed)
		return only_said(r, f.whole);
	if (f.whole && limits_too_long(r) == STEP_DECIDED)
		return STEP_DECIDED;
	if (f.whole && v->none_in)
		return request_none_in(r);
	if (!f.whole) {
		request_decide(r, D_DEFER, VIA_RELAY, "");
		return STEP_NEXT;
	}
	return may_pass(r);
}

/* Evaluates the policy. If a request is denied whose text took too much work, its limits of
 * requests are charged first. */
enum step_result
step_policy(struct request *r)
{
	enum step_result s = judge_request(r);

	r->found.charges_denied = s == STEP_DECIDED && r->gate &&
				  r->found.search == SEARCH_TOO_DEAR && !r->found.observed &&
				  r->out.decision.kind == D_DENY &&
				  r->in.message != MESSAGE_ALONE;
	return r->found.charges_denied ? STEP_CHARGES : s;
}
