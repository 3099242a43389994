/* The policy step: evaluates the rules on what the steps before found, turns the
 * verdict into a decision, and rewrites body and target where it says so. */
#include "gate/request.h"

#include <stdlib.h>

#include "base/caps.h"
#include "base/err.h"
#include "gate/exchange.h"
#include "policy/credentials.h"

void
request_facts(struct request *r, struct policy_facts *f)
{
	*f = (struct policy_facts){
		.identity = &r->identity,
		.route = r->route,
		.target = request_target(r),
		.method = r->head.method,
		.host = r->host,
		.path = r->head.path,
		.now_wall_ns = r->now_wall_ns,
		.whole = r->body_state != BODY_STATE_PARTIAL,
		.body = r->have_body ? &r->body : NULL,
		.unread = &r->unread,
		.entities = &r->found,
		.rules = r->snap->rules,
		.tokens = r->input_tokens,
		.bytes = (int64_t)r->raw.n,
		.injection = r->injection,
		.evasion = r->evasion,
		.data = r->data,
	};
}

void
request_estimate_tokens(struct request *r)
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
	struct span raw; /* what they edit */
	struct splice *v;
	size_t n, size;
	bool keys; /* a key is among them */
};

/* Room for n more at v + n. */
static struct splice *
edits_room(struct edits *e, size_t n)
{
	if (e->n + n > e->size) {
		size_t size = 2 * e->size > e->n + n ? 2 * e->size : e->n + n + 16;
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
edit_segment(struct request *r, struct edits *e, const struct segment *s,
	const struct text_edit *edits, size_t n)
{
	struct splice *sp = edits_room(e, n);
	size_t made = 0;

	if (!sp)
		return ERR_NOMEM;
	if (s->reserved)
		return ERR_BAD_STATE;
	int err = segment_splices(s, e->raw, edits, n, &r->arena, sp, &made);
	e->n += err ? 0 : made;
	e->keys = e->keys || s->role == ROLE_KEY;
	return err;
}

/* Names and paths: where nothing may not stand. */
static bool
is_name(const struct segment *s)
{
	return s->role == ROLE_KEY || s->role == ROLE_PATH;
}

/* A further mention of a value is named as the value is, however it is spelled. */
static struct span
replacement(struct request *r, const struct hit *h)
{
	const struct segment *s = h->segment;
	const struct finding *f = &h->f;
	const struct hit *named = h->of ? h->of : h;
	struct span value = span_cut(named->segment->text, named->f.start, named->f.end);

	if (h->kind == HIT_UNKNOWN)
		return redactor_get(r->redactor, STYLE_PLACEHOLDER, SPAN_LIT("UNCLASSIFIED"),
			s->text, false, is_name(s));
	if (h->kind == HIT_CREDENTIAL)
		return redactor_get(r->redactor, STYLE_PLACEHOLDER, SPAN_LIT("CREDENTIAL"),
			value, false, is_name(s));
	return redactor_get(r->redactor, (enum redact_style)r->verdict.with[f->entity],
		span_str(detect_entity_name(r->snap->rules, f->entity)), value,
		detect_entity_folds(r->snap->rules, f->entity), is_name(s));
}

/* What the caller wrote may look like a placeholder of ours. What the model wrote
 * repeats those of the turns before, which the same values get again. */
static void
note_taken(struct request *r)
{
	for (size_t i = 0; i < r->ntarget; i++)
		redactor_taken(r->redactor, r->target[i].text);
	for (size_t i = 0; r->have_body && i < r->body.nsegments; i++) {
		const struct segment *s = &r->body.segments[i];
		if (s->role != ROLE_ASSISTANT && s->role != ROLE_TOOL_CALL)
			redactor_taken(r->redactor, s->text);
	}
}

/* The hits of one segment stand together, in its order. */
static int
edit_hits(struct request *r, const struct overlay *o, struct edits *body, struct edits *target)
{
	int err = 0;

	for (size_t i = 0, n; err == 0 && i < o->nhits; i += n) {
		const struct hit *h = &o->hits[i];
		for (n = 1; i + n < o->nhits && h[n].segment == h->segment; n++)
			;
		struct text_edit *te = arena_array(&r->arena, n, sizeof(*te));
		if (!te)
			return ERR_NOMEM;
		for (size_t k = 0; k < n; k++)
			te[k] = (struct text_edit){ h[k].f.start, h[k].f.end,
				replacement(r, &h[k]) };
		err = edit_segment(r, h->in_target ? target : body, h->segment, te, n);
	}
	return err;
}

/* Segments that go whole. */
static int
edit_wholes(
	struct request *r, const struct overlay *o, struct edits *body, struct edits *target)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < o->nwholes; i++) {
		const struct hit *h = &o->wholes[i];
		const struct segment *s = h->segment;
		struct text_edit all = { 0, s->text.n, replacement(r, h) };
		err = edit_segment(r, h->in_target ? target : body, s, &all, 1);
	}
	return err;
}

/* Model and cap: what the dialect reads, which no redaction touches. */
static int
edit_members(struct request *r, struct edits *e)
{
	struct amendment am;
	struct splice *sp;

	if (!request_amendment(r, &am))
		return 0;
	if (!(sp = edits_room(e, AMEND_MAX)))
		return ERR_NOMEM;
	int made = dialect_amend(&r->body, &am, &r->arena, sp);
	if (made < 0)
		return made;
	e->n += (size_t)made;
	return 0;
}

static int
drop_reasoning(struct request *r, struct edits *e)
{
	struct splice *sp;

	if (r->reasoning_dropped == 0)
		return 0;
	if (!(sp = edits_room(e, r->body.nreasoning)))
		return ERR_NOMEM;
	e->n += body_drop_reasoning(&r->body, r->raw, sp);
	return 0;
}

/* A rewritten key may equal another: then what would be sent is ambiguous. */
static int
keys_still_differ(struct request *r)
{
	struct body again;
	struct body_refusal why = { 0 };
	struct span type = { NULL, 0 };

	http_field_one(&r->head, "content-type", &type);
	int err = body_read(r->dialect, type, buf_view(&r->rewritten), &r->arena, &again, &why);
	return err && why.status ? ERR_BAD_STATE : err;
}

/* Exactly as much as the result takes. */
static bool
room_for(const struct edits *e, struct buf *out)
{
	size_t n = e->raw.n;

	for (size_t i = 0; i < e->n; i++)
		n += e->v[i].with.n - (e->v[i].end - e->v[i].start);
	return buf_reserve(out, n) != NULL;
}

/* Builds `rewritten` and `new_target`. 0 or negative. */
static int
rewrite(struct request *r)
{
	struct edits body = { .raw = r->raw }, target = { 0 };
	const struct overlay *o = &r->overlay;
	int err = 0;

	target.raw = span_of(
		r->head.path.p, r->head.path.n + (r->head.has_query ? 1 + r->head.query.n : 0));
	r->redacted = o->nhits || o->nwholes;
	if (r->redacted) {
		r->redactor = redactor_new(
			&r->arena, r->snap->hash_key_set ? r->snap->hash_key : NULL);
		if (!r->redactor)
			return ERR_NOMEM;
		note_taken(r);
	}
	err = edit_hits(r, o, &body, &target);
	if (err == 0)
		err = edit_wholes(r, o, &body, &target);
	if (err == 0)
		err = drop_reasoning(r, &body);
	if (err == 0)
		err = edit_members(r, &body);
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
	if (err == 0 && body.n && !room_for(&body, &r->rewritten))
		err = ERR_NOMEM;
	if (err == 0 && body.n)
		err = splice_apply(body.raw, body.v, body.n, &r->rewritten);
	if (err == 0 && target.n)
		err = splice_apply(target.raw, target.v, target.n, &r->new_target);
	if (err == 0 && body.n)
		r->swap_body = r->edited = true;
	if (buf_failed(&r->rewritten) || buf_failed(&r->new_target) || arena_failed(&r->arena))
		err = ERR_NOMEM;
	if (err == 0 && body.keys)
		err = keys_still_differ(r);
	free(body.v);
	free(target.v);
	return err;
}

const char *
request_redacted_with(const struct request *r, size_t entity)
{
	if (r->decision.kind != D_REDACT || !r->verdict.redacts ||
		!entity_in(&r->verdict.redact, entity))
		return NULL;
	return style_names[r->verdict.with[entity]];
}

static bool
must_relay(struct request *r)
{
	return r->resumed || r->swap_body || r->new_target.n || r->route->response ||
	       r->verdict.changes.nrules || r->snap->policy->unusual_credential ||
	       request_target(r)->relay || credential_query(r->head.query) ||
	       head_carries_credential(r) || r->body_state == BODY_STATE_PARTIAL;
}

/* What lets a request that the rules permit not pass all the same. */
static enum step_result
may_pass(struct request *r)
{
	const struct on_failure *of = request_on_failure(r);

	if (r->unreadable && of->unreadable == OUT_DENY)
		return request_deny(r, 403, "unreadable_content", "",
			SPAN_LIT("the request holds parts that cannot be read (images, audio, "
				 "files or unknown)"));
	if ((r->classifier_failed && of->classifier == OUT_DENY) ||
		request_silence(r, OUT_DENY) || request_unmet(r)) {
		request_deny(r, 503, "classifier_unavailable", "",
			SPAN_LIT("the content could not be classified"));
		r->decision.retry_after_s = 1;
		return STEP_DECIDED;
	}
	return STEP_NEXT;
}

static struct span
target_to_send(const struct request *r)
{
	size_t query = r->head.has_query ? 1 + r->head.query.n : 0;

	return r->new_target.n ? buf_view(&r->new_target)
			       : span_of(r->head.path.p, r->head.path.n + query);
}

enum step_result
step_rewrite(struct request *r)
{
	const struct on_failure *of = request_on_failure(r);

	if (r->body_state == BODY_STATE_PARTIAL)
		return STEP_NEXT;
	if (request_settle_reasoning(r) < 0)
		return request_deny(r, 403, "signed_content",
			r->verdict.rule ? r->verdict.rule->name : "",
			SPAN_LIT("reasoning that the provider signed holds data that must not "
				 "pass, "
				 "and it can neither be changed nor left out"));
	int err = rewrite(r);
	if (err == ERR_BAD_STATE)
		return request_deny(r, 403, "content_policy_violation",
			r->verdict.rule ? r->verdict.rule->name : "",
			SPAN_LIT("data that must be redacted stands where it cannot be (a key, "
				 "the model's name, the path)"));
	if (err < 0)
		return request_overload(r);
	/* Also not in an opaque part, or escaped in the path. */
	if ((r->have_body &&
		    request_credential_in(r, r->edited ? buf_view(&r->rewritten) : r->raw)) ||
		request_credential_escaped_in(r, target_to_send(r)))
		return request_deny(r, 403, "content_policy_violation", "",
			SPAN_LIT("a credential stands where it cannot be replaced"));
	request_amended(r);
	bool redacts = r->verdict.redacts && r->verdict.effect == RULE_REDACT;
	if ((r->classifier_failed && of->classifier == OUT_REDACT) ||
		(r->redacted && request_silence(r, OUT_REDACT)))
		redacts = true;
	r->decision.kind =
		redacts || r->ncredentials || r->reasoning_dropped ? D_REDACT : D_PERMIT;
	r->decision.rule = r->verdict.rule ? r->verdict.rule->name : "default";
	r->decision.via = must_relay(r) ? VIA_RELAY : VIA_DIRECT;
	return r->gate && !request_hold_work(r) ? request_overheld(r) : STEP_NEXT;
}

/* The model's name is the caller's text and goes to record and variables: not
 * where something was found in it, or it is what was found. */
static void
hide_model(struct request *r)
{
	struct span model = r->body.model;
	bool hide = request_credential_in(r, model);

	for (size_t i = 0; model.n && !hide && i < r->nhits; i++) {
		const struct hit *h = &r->hits[i];
		struct span text = h->segment->text;
		hide = span_eq(span_cut(text, h->f.start, h->f.end), model) ||
		       (h->segment->reserved && !h->in_target && span_eq(text, model));
	}
	if (hide)
		r->body.model = SPAN_LIT("<redacted>");
}

enum step_result
step_policy(struct request *r)
{
	struct policy_facts f;

	request_estimate_tokens(r);
	request_facts(r, &f);
	if (policy_decide(r->snap->policy, &f, &r->arena, &r->verdict) < 0)
		return request_overload(r);
	r->have_verdict = true;
	if (f.whole || (!r->verdict.waits && r->verdict.effect == RULE_DENY))
		request_shadow(r, &f);
	r->body.model = arena_dup(&r->arena, r->body.model);
	hide_model(r);
	if (!f.whole) {
		if (!r->verdict.waits && r->verdict.effect == RULE_DENY)
			return deny_by_rule(r);
		r->decision.kind = D_DEFER;
		r->decision.rule = "";
		r->decision.via = VIA_RELAY;
		return STEP_NEXT;
	}
	return r->verdict.effect == RULE_DENY ? deny_by_rule(r) : may_pass(r);
}
