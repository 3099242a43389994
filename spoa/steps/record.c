/* What a record says (the inside; the audit thread adds version, node, boot,
 * sequence, previous hash and time). Every value a rule may read is here, so
 * that a decision can be evaluated again; prompt text is only hashed, with a key,
 * or stored redacted where the route says so. Lists are cut at a stated length
 * and carry their true count. */
#include "steps/steps.h"

#include <math.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/sha256.h"
#include "cel/net.h"
#include "policy/explain.h"
#include "steps/record_put.h"

enum { LIST_MAX = 64, TEXT_MAX = 32 << 10, ATTRIBUTES_MAX = 8192, OUTCOMES_MAX = 4096 };

static void
put_identity(struct request *r, struct buf *b)
{
	const struct identity *id = &r->found.identity;

	key(b, "identity");
	buf_putc(b, '{');
	put_str(b, "method", span_str(id->method));
	put_utf8(b, "person", id->person);
	put_utf8(b, "agent", id->agent);
	put_utf8(b, "department", id->department);
	put_utf8(b, "team", id->team);
	put_utf8(b, "tier", id->tier);
	put_int(b, "clearance", id->clearance);
	if (id->nroles) {
		key(b, "roles");
		buf_putc(b, '[');
		for (size_t i = 0; i < id->nroles && i < LIST_MAX; i++) {
			buf_str(b, i ? "," : "");
			buf_json_str(b, cut(id->roles[i].s, VALUE_MAX));
		}
		buf_putc(b, ']');
		if (id->nroles > LIST_MAX)
			put_int(b, "roles_total", (int64_t)id->nroles);
	}
	if (id->nattributes) {
		struct cel_value v = { .type = CEL_MAP,
			.list = { id->attributes, id->nattributes } };
		struct buf attrs;
		buf_init(&attrs, ATTRIBUTES_MAX);
		cel_json(&v, &attrs);
		if (!buf_failed(&attrs)) {
			key(b, "attributes");
			buf_span(b, buf_view(&attrs));
		} else {
			put_int(b, "attributes_total", (int64_t)id->nattributes);
		}
		buf_free(&attrs);
	}
	put_utf8(b, "issuer", id->issuer);
	put_utf8(b, "key", id->key_id);
	buf_putc(b, '}');
	if (r->found.identified && !id->verified)
		put_str(b, "attributed", SPAN_LIT("service-account"));
}

/* Within what readers of JSON take: 18 digits, or a double that is not infinite. */
static bool
readable_number(struct span s)
{
	char text[65];
	bool whole = true;

	if (s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	for (size_t i = 0; i < s.n; i++)
		whole = whole && !strchr(".eE", text[i]);
	return whole ? s.n <= 18 : isfinite(strtod(text, NULL));
}

/* The parameter of that slot where a record may hold it: numbers, booleans, and
 * the words of closed lists. Any other string, and the names of other members,
 * may be text. */
static const struct body_param *
param_of(const struct request *r, size_t slot)
{
	struct span name = span_str(policy_slot_parameter(slot));
	bool words = slot == V_REQ_SERVICE_TIER || slot == V_REQ_TOOL_CHOICE ||
		     slot == V_REQ_REASONING || slot == V_REQ_VERBOSITY;

	for (size_t i = 0; i < r->in.body.nparams; i++) {
		const struct body_param *p = &r->in.body.params[i];
		if (!span_eq(p->name, name))
			continue;
		if (p->text.n > 64 || (p->kind == PARAM_NUMBER && !readable_number(p->text)) ||
			(p->kind == PARAM_STRING && !words))
			return NULL;
		for (size_t k = 0; p->kind == PARAM_STRING && k < p->text.n; k++)
			if (!is_lower(p->text.p[k]) && p->text.p[k] != '_')
				return NULL;
		return p;
	}
	return NULL;
}

static void
put_params(struct request *r, struct buf *b)
{
	size_t n = 0;

	for (size_t slot = 0; r->in.have_body && r->in.body.nparams && slot < V_COUNT; slot++) {
		const struct body_param *p =
			policy_slot_parameter(slot) ? param_of(r, slot) : NULL;
		if (!p)
			continue;
		if (n++ == 0) {
			key(b, "parameters");
			buf_putc(b, '{');
		}
		key(b, policy_slot_parameter(slot));
		if (p->kind == PARAM_STRING)
			buf_json_str(b, p->text);
		else if (p->kind == PARAM_NULL)
			buf_str(b, "null");
		else
			buf_span(b, p->text);
	}
	if (n)
		buf_putc(b, '}');
}

/* HMAC-SHA-256 under a key derived from the audit key: the same text has the same
 * hash in one node's journal, and nobody without the key can test a guess. */
static void
put_hash(struct buf *b, const char *name, const unsigned char h[SHA256_BYTES])
{
	key(b, name);
	buf_putc(b, '"');
	buf_hex(b, h, SHA256_BYTES);
	buf_putc(b, '"');
}

/* The path as far as it was looked through and nothing was found in the target; else
 * its length and hash. The query and header values stay out always. */
static void
put_path(struct request *r, struct buf *b)
{
	unsigned char h[SHA256_BYTES];

	put_str(b, "path", request_path_shown(r));
	if (request_path_state(r) == PATH_CLEAN)
		return;
	put_int(b, "path_bytes", (int64_t)r->in.head.path.n);
	hmac_sha256(r->gate->shared->prompt_key, r->in.head.path, h);
	put_hash(b, "path_hmac_sha256", h);
}

/* Of a request that no rule saw, method and host are its sender's free choice. An
 * address is no text: it would be found as one. */
static void
put_chosen(struct request *r, struct buf *b, const char *name, struct span s)
{
	struct cel_value ip;
	bool text = s.n && cel_ip_parse(span_trim(s, "[]"), &ip) < 0;
	bool out = !r->found.have_verdict && text && request_may_hold(r, cut(s, VALUE_MAX));

	put_str(b, name, out ? SPAN_LIT("<redacted>") : s);
}

static void
put_request(struct request *r, struct buf *b)
{
	key(b, "request");
	buf_putc(b, '{');
	if (request_is_method(r->in.head.method))
		put_chosen(r, b, "method", r->in.head.method);
	put_chosen(r, b, "host", r->in.host);
	put_path(r, b);
	put_str(b, "src", r->in.src);
	if (r->in.declared_length >= 0)
		put_int(b, "content_length", r->in.declared_length);
	put_params(r, b);
	buf_putc(b, '}');
}

/* One entity's findings of one list. */
struct tally {
	size_t n, samples;
	double best;
	unsigned sources; /* bit by recogniser */
};

static void
tally(struct tally *t, const struct hit *hits, size_t n, size_t entity)
{
	for (size_t i = 0; i < n; i++) {
		const struct finding *f = &hits[i].f;
		if (f->entity != entity || hits[i].kind >= HIT_POSSIBLE)
			continue;
		t->n++;
		t->samples += (f->flags & FINDING_SAMPLE) != 0;
		if ((double)f->score > t->best)
			t->best = (double)f->score;
		t->sources |= 1u << (f->flags >> FINDING_SOURCE_SHIFT);
	}
}

/* Further mentions of one entity's values that are replaced too. */
static size_t
tally_mentions(const struct request *r, size_t entity)
{
	size_t n = 0;

	for (size_t i = 0; i < r->scan.overlay.nhits; i++)
		n += r->scan.overlay.hits[i].of && r->scan.overlay.hits[i].f.entity == entity;
	return n;
}

/* "by": the recognisers that found it, where there are any. */
static void
put_sources(struct request *r, struct buf *b, unsigned sources)
{
	const struct policy *p = r->snap->policy;
	size_t n = 0;

	for (size_t i = 0; i < p->nexternals; i++)
		if (sources >> p->externals[i].rec.source & 1) {
			buf_str(b, n++ ? "," : ",\"by\":[");
			buf_json_str(b, span_str(p->externals[i].rec.name));
		}
	if (n)
		buf_putc(b, ']');
}

/* Who was asked, and what came of it. */
static void
put_recognitions(struct request *r, struct buf *b)
{
	static const char *const applied[] = { "deny", "permit", "redact" };

	if (r->scan.nrecognitions == 0)
		return;
	key(b, "recognisers");
	buf_putc(b, '[');
	for (size_t i = 0; i < r->scan.nrecognitions; i++) {
		const struct recognition *c = &r->scan.recognitions[i];
		buf_str(b, i ? ",{" : "{");
		put_str(b, "name", span_str(c->x->rec.name));
		put_str(b, "outcome", span_str(ask_outcome_names[c->outcome]));
		if (c->outcome != ASK_ANSWERED)
			put_str(b, "applied", span_str(applied[c->applied]));
		put_int(b, "texts", (int64_t)c->texts);
		put_int(b, "remembered", (int64_t)c->cached);
		put_int(b, "us", (int64_t)c->us);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

/* As a rule read it: it has no further digits. */
static void
put_injection(struct request *r, struct buf *b)
{
	if (!r->snap->policy->scores)
		return;
	key(b, "injection");
	buf_printf(b, "%.6f", r->found.injection);
	if (r->found.injection_pattern) {
		key(b, "injection_reason");
		buf_printf(b, "\"pattern:%s\"", r->found.injection_pattern);
	}
}

/* How often each entity was found, with its best score. */
static void
put_findings(struct request *r, struct buf *b)
{
	bool first = true;
	struct buf names;

	buf_init(&names, 4096);
	request_classes(r, &names);
	key(b, "classes");
	buf_putc(b, '[');
	struct span rest = buf_view(&names);
	while (rest.n) {
		buf_str(b, first ? "" : ",");
		buf_json_str(b, span_next(&rest, ','));
		first = false;
	}
	buf_putc(b, ']');
	buf_free(&names);
	put_injection(r, b);
	if (r->scan.nhits + r->scan.nextra == 0)
		return;
	key(b, "entities");
	buf_putc(b, '{');
	for (size_t e = 0; e < detect_entity_count(r->snap->rules); e++) {
		struct tally t = { 0 };
		if (!entity_in(&r->found.entities, e))
			continue;
		tally(&t, r->scan.hits, r->scan.nhits, e);
		tally(&t, r->scan.extra, r->scan.nextra, e);
		if (t.n == 0)
			continue;
		key(b, detect_entity_name(r->snap->rules, e));
		size_t further = tally_mentions(r, e);
		buf_printf(b, "{\"count\":%zu,\"score\":%.2f", t.n + further, t.best);
		if (further)
			buf_printf(b, ",\"mentions\":%zu", further);
		if (t.samples)
			buf_printf(b, ",\"samples\":%zu", t.samples);
		put_sources(r, b, t.sources);
		const char *with = request_redacted_with(r, e);
		if (with)
			buf_printf(b, ",\"with\":\"%s\"", with);
		buf_putc(b, '}');
	}
	buf_putc(b, '}');
}

/* What nobody could read. Kinds of opaque parts are fixed words. */
static void
put_unread(struct request *r, struct buf *b)
{
	const struct unread *u = &r->in.unread;

	put_int(b, "opaque_bytes", (int64_t)u->bytes);
	put_int(b, "opaque_parts", (int64_t)u->nmedia);
	if (u->nmedia) {
		key(b, "media");
		buf_putc(b, '[');
		for (size_t i = 0; i < u->nmedia && i < LIST_MAX; i++) {
			buf_str(b, i ? "," : "");
			buf_json_str(b, u->media[i]);
		}
		buf_putc(b, ']');
	}
	if (u->sealed) {
		put_int(b, "sealed_bytes", (int64_t)u->sealed_bytes);
		put_int(b, "sealed_parts", (int64_t)u->sealed);
	}
}

static void
put_not_inspected(struct request *r, struct buf *b)
{
	key(b, "not_inspected");
	buf_str(b, "[\"header values\"");
	if (r->in.unreadable && !r->in.have_body && r->in.raw.n)
		buf_str(b, ",\"body\"");
	if (r->in.unread.nmedia)
		buf_str(b, ",\"opaque parts\"");
	if (r->in.unread.sealed)
		buf_str(b, ",\"sealed parts\"");
	buf_putc(b, ']');
}

static void
put_prompt(struct request *r, struct buf *b)
{
	bool none = r->in.body_state == BODY_STATE_NONE,
	     any = r->in.unread.nmedia || r->in.unread.sealed;

	if (none && !any)
		return;
	key(b, "prompt");
	buf_putc(b, '{');
	if (none || r->in.body_state == BODY_STATE_PARTIAL || !r->in.raw.p) {
		put_flag(b, "not_read", !none);
		put_flag(b, "head_only", r->in.body_state == BODY_STATE_PARTIAL);
		if (any)
			put_unread(r, b);
		buf_putc(b, '}');
		return;
	}
	put_hash(b, "hmac_sha256", r->found.raw_hmac);
	put_int(b, "bytes", (int64_t)r->in.raw.n);
	put_str(b, "encoding", r->in.coding);
	if (r->in.have_body) {
		put_int(b, "segments", (int64_t)r->in.body.nsegments);
		put_int(b, "inspected_bytes", (int64_t)r->in.body.inspected_bytes);
		put_unread(r, b);
	}
	put_flag(b, "unreadable", r->in.unreadable);
	put_int(b, "estimated_input_tokens", r->found.input_tokens);
	put_int(b, "reserved_output_tokens", r->found.output_tokens);
	/* What is left in a signed block is not redacted. */
	if (r->in.have_body && r->found.route->record == PROMPT_REDACTED &&
		r->out.decision.kind != D_DENY && r->found.reasoning_left == 0) {
		struct span text = r->out.edited ? buf_view(&r->out.rewritten) : r->in.raw,
			    kept = cut_escaped(text, TEXT_MAX);
		key(b, "text");
		buf_json_str(b, kept);
		put_flag(b, "text_cut", kept.n < text.n);
	}
	buf_putc(b, '}');
}

static void
put_quota(struct request *r, struct buf *b)
{
	bool first = true;

	for (int i = 0; i < 2; i++)
		for (size_t k = 0; k < r->found.quota[i].ndims; k++) {
			const struct quota_dim *d = &r->found.quota[i].dim[k];
			if (first) {
				key(b, "limits");
				buf_putc(b, '[');
			}
			buf_printf(b, "%s{", first ? "" : ",");
			put_str(b, "limit", span_str(d->name));
			put_str(b, "kind",
				d->kind == QUOTA_TOKENS ? SPAN_LIT("tokens")
							: SPAN_LIT("requests"));
			put_int(b, "of", (int64_t)d->limit);
			put_int(b, "window_s", (int64_t)d->window_s);
			put_int(b, "taken", d->charged ? (int64_t)d->n : 0);
			if (d->reset_ms)
				put_int(b, "remaining", (int64_t)d->remaining);
			buf_putc(b, '}');
			first = false;
		}
	if (!first)
		buf_putc(b, ']');
	put_flag(b, "quota_unavailable", r->found.quota_failed);
}

static void
put_policy(struct request *r, struct buf *b)
{
	const struct policy *p = r->snap->policy;

	put_str(b, "policy", span_str(p->label));
	put_str(b, "policy_version", span_str(p->version));
	put_flag(b, "shadow", p->shadow);
	if (r->found.route) {
		put_str(b, "route", span_str(r->found.route->name));
		put_str(b, "target", span_str(request_target(r)->name));
		put_str(b, "backend", span_str(request_target(r)->backend));
	}
	put_utf8(b, "model", r->in.body.model);
}

static void
put_names(struct buf *b, const char *name, const char *const *v, size_t n)
{
	if (n == 0)
		return;
	key(b, name);
	buf_putc(b, '[');
	for (size_t i = 0; i < n && i < LIST_MAX; i++) {
		buf_str(b, i ? "," : "");
		buf_json_str(b, span_str(v[i]));
	}
	buf_putc(b, ']');
}

/* Where a route has a choice: who was considered, and why they left. */
static void
put_candidates(struct request *r, struct buf *b)
{
	static const char *const fates[] = { "chosen", "left", "denied", "routed elsewhere" };

	if (r->found.verdict.ncandidates < 2)
		return;
	key(b, "candidates");
	buf_putc(b, '[');
	for (size_t i = 0; i < r->found.verdict.ncandidates; i++) {
		const struct policy_candidate *c = &r->found.verdict.candidates[i];
		buf_str(b, i ? ",{" : "{");
		put_str(b, "target", span_str(c->target->name));
		put_str(b, "model", span_str(c->target->model));
		put_str(b, "fate", span_str(fates[c->fate]));
		if (c->fate == CANDIDATE_DENIED || c->fate == CANDIDATE_ROUTED)
			put_str(b, "rule", span_str(c->rule ? c->rule->name : "default"));
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

/* The headers' values are the policy's, which the version names. */
static void
put_changes(struct request *r, struct buf *b)
{
	const struct policy_verdict *v = &r->found.verdict;
	const struct header *h;
	size_t n = 0;

	if (!r->found.have_verdict)
		return;
	put_candidates(r, b);
	put_names(b, "tags", v->tags, v->ntags);
	if (r->out.decision.kind == D_DENY)
		return;
	put_utf8(b, "requested_model", r->in.asked_model);
	if (v->changes.max_output_tokens)
		put_int(b, "max_output_tokens", (int64_t)v->changes.max_output_tokens);
	for (size_t rule = 0, at = 0; (h = request_header(r, &rule, &at)); n++) {
		if (n == 0) {
			key(b, "set_headers");
			buf_putc(b, '[');
		}
		buf_str(b, n ? "," : "");
		buf_json_str(b, span_str(h->name));
	}
	if (n)
		buf_putc(b, ']');
}

/* What the rules said, whatever came of it: effect, rule, and the fate of each rule
 * as a letter (explain_letters). */
static void
put_verdict(struct request *r, struct buf *b)
{
	const struct policy_verdict *v = &r->found.verdict;

	if (!r->found.have_verdict)
		return;
	key(b, "verdict");
	buf_putc(b, '{');
	put_str(b, "effect", span_str(rule_effect_name(v->effect)));
	put_str(b, "rule", span_str(v->rule ? v->rule->name : "default"));
	if (r->in.asked_model.p) { /* what is sent is another */
		key(b, "asked_model");
		buf_json_str(b, cut(r->in.asked_model, VALUE_MAX));
	}
	if (v->trace && r->snap->policy->nrules <= OUTCOMES_MAX) {
		key(b, "outcomes");
		buf_putc(b, '"');
		for (size_t i = 0; i < r->snap->policy->nrules; i++)
			buf_putc(b, explain_letters[v->trace[i].fate]);
		buf_putc(b, '"');
	}
	buf_putc(b, '}');
}

/* What put_str() writes byte by byte. */
static bool
held_ascii(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((signed char)s.p[i] < 0)
			return false;
	return s.n <= VALUE_MAX;
}

static bool
held_roles(const struct identity *id)
{
	for (size_t i = 0; i < id->nroles; i++)
		if (id->roles[i].s.n > VALUE_MAX)
			return false;
	return id->nroles <= LIST_MAX;
}

static bool
held_attributes(const struct identity *id)
{
	struct cel_value v = { .type = CEL_MAP, .list = { id->attributes, id->nattributes } };
	struct buf attrs;

	buf_init(&attrs, ATTRIBUTES_MAX);
	if (id->nattributes)
		cel_json(&v, &attrs);
	bool held = !buf_failed(&attrs);
	buf_free(&attrs);
	return held;
}

static bool
held_parameter(const struct request *r, size_t slot)
{
	struct span name = span_str(policy_slot_parameter(slot));

	for (size_t i = 0; r->in.have_body && i < r->in.body.nparams; i++)
		if (span_eq(r->in.body.params[i].name, name))
			return param_of(r, slot) != NULL;
	return true;
}

/* Whether the record has the slot's value as conditions read it. */
static bool
held(struct request *r, size_t slot)
{
	const struct identity *id = &r->found.identity;

	switch (slot) {
	case V_IDENTITY_PERSON: return id->person.n <= VALUE_MAX;
	case V_IDENTITY_AGENT: return id->agent.n <= VALUE_MAX;
	case V_IDENTITY_DEPARTMENT: return id->department.n <= VALUE_MAX;
	case V_IDENTITY_TEAM: return id->team.n <= VALUE_MAX;
	case V_IDENTITY_TIER: return id->tier.n <= VALUE_MAX;
	case V_IDENTITY_ROLES: return held_roles(id);
	case V_IDENTITY_ATTRIBUTES: return held_attributes(id);
	case V_PROMPT_MEDIA: return r->in.unread.nmedia <= LIST_MAX;
	case V_MODEL_NAME:
		return r->in.body.model.n <= VALUE_MAX && r->in.asked_model.n <= VALUE_MAX &&
		       !span_is(r->in.body.model, "<redacted>") &&
		       !span_is(r->in.asked_model, "<redacted>");
	case V_REQUEST_METHOD: return held_ascii(r->in.head.method);
	case V_REQUEST_HOST: return held_ascii(r->in.host);
	case V_REQUEST_PATH:
		return held_ascii(r->in.head.path) && request_path_state(r) == PATH_CLEAN;
	default: return !policy_slot_parameter(slot) || held_parameter(r, slot);
	}
}

/* Fields of conditions that this record could not hold. */
static void
put_not_held(struct request *r, struct buf *b)
{
	size_t n = 0;

	for (size_t slot = 0; r->found.have_verdict && slot < V_COUNT; slot++) {
		if (held(r, slot))
			continue;
		if (n++ == 0) {
			key(b, "not_held");
			buf_putc(b, '[');
		} else {
			buf_putc(b, ',');
		}
		buf_json_str(b, span_str(policy_env.vars[slot].path));
	}
	if (n)
		buf_putc(b, ']');
}

/* Which rules matched, and those that failed with why. */
static void
put_rules(struct request *r, struct buf *b)
{
	size_t n = 0;

	if (!r->found.have_verdict)
		return;
	/* The trace left with the frame where the relay refuses what was permitted. */
	for (size_t i = 0;
		r->found.verdict.trace && i < r->snap->policy->nrules && n < LIST_MAX; i++) {
		const struct rule_trace *t = &r->found.verdict.trace[i];
		if (t->fate != RULE_MATCHED && t->fate != RULE_ERROR)
			continue;
		if (n++ == 0) {
			key(b, "rules");
			buf_putc(b, '[');
		} else {
			buf_putc(b, ',');
		}
		buf_putc(b, '{');
		put_str(b, "name", span_str(t->rule->name));
		put_str(b, "fate",
			t->fate == RULE_MATCHED ? SPAN_LIT("matched") : SPAN_LIT("error"));
		put_str(b, "error", t->error);
		buf_putc(b, '}');
	}
	if (n)
		buf_putc(b, ']');
	if (r->found.verdict.shadowed) {
		static const char *const effect[] = { "deny", "permit", "redact" };
		key(b, "would_be");
		buf_putc(b, '{');
		put_str(b, "decision", span_str(effect[r->found.verdict.shadow_effect]));
		if (r->found.verdict.shadow_rule)
			put_str(b, "rule", span_str(r->found.verdict.shadow_rule->name));
		const struct policy_changes *would = &r->found.verdict.shadow_changes;
		if (would->target)
			put_str(b, "target", span_str(would->target->name));
		put_str(b, "model", span_str(would->model));
		if (would->max_output_tokens)
			put_int(b, "max_output_tokens", (int64_t)would->max_output_tokens);
		buf_putc(b, '}');
	}
}

void
record_decision(struct request *r, struct buf *b)
{
	const struct decision *d = &r->out.decision;
	char when[CLOCK_RFC3339_LEN];

	buf_str(b, "\"type\":\"decision\"");
	put_str(b, "id", span_str(r->id));
	clock_rfc3339(r->now_wall_ns, when);
	put_str(b, "decided_at", span_str(when));
	put_str(b, "decision", span_str(decision_names[d->kind]));
	if (d->kind == D_DENY) {
		put_int(b, "status", d->status);
		put_str(b, "code", span_str(d->code));
		put_utf8(b, "reason", d->message);
	}
	put_str(b, "rule", span_str(d->rule));
	if (d->via == VIA_DIRECT) {
		put_str(b, "via", SPAN_LIT("direct"));
		put_str(b, "state", SPAN_LIT("released to HAProxy"));
	} else if (d->via == VIA_RELAY) {
		put_str(b, "via", SPAN_LIT("relay"));
	}
	put_policy(r, b);
	put_str(b, "searched",
		r->found.route && r->found.route->find_all ? SPAN_LIT("all")
					       : span_str(r->snap->searched));
	put_verdict(r, b);
	put_rules(r, b);
	put_not_held(r, b);
	put_changes(r, b);
	put_request(r, b);
	put_identity(r, b);
	put_findings(r, b);
	if (r->in.body.nreasoning) {
		key(b, "signed_reasoning");
		buf_printf(b, "{\"blocks\":%zu,\"dropped\":%zu,\"left\":%zu}",
			r->in.body.nreasoning, r->found.reasoning_dropped,
			r->found.reasoning_left);
	}
	if (r->found.ncredentials)
		put_int(b, "credentials", (int64_t)r->found.ncredentials);
	put_flag(b, "evasion", r->found.evasion);
	put_flag(b, "classifier_failed", r->found.classifier_failed);
	put_recognitions(r, b);
	put_flag(b, "low_confidence",
		request_silence(r, OUT_PERMIT) ||
			(r->found.have_verdict && r->out.decision.kind != D_DENY &&
				request_on_failure(r)->classifier == OUT_PERMIT &&
				request_unanswered(r)));
	record_data(r, b);
	record_shadow(r, b);
	put_prompt(r, b);
	put_quota(r, b);
	put_not_inspected(r, b);
}

void
record_completion(struct request *r, const struct exchange_result *res, const char *outcome,
	struct buf *b)
{
	buf_str(b, "\"type\":\"completion\"");
	put_str(b, "id", span_str(r->id));
	put_str(b, "outcome", span_str(outcome));
	if (res->status)
		put_int(b, "status", res->status);
	put_str(b, "why", span_str(res->why));
	put_policy(r, b);
	key(b, "identity");
	buf_putc(b, '{');
	put_str(b, "method", span_str(r->found.identity.method));
	put_utf8(b, "person", r->found.identity.person);
	buf_putc(b, '}');
	put_int(b, "response_bytes", (int64_t)res->response_bytes);
	if (res->usage.known) {
		key(b, "usage");
		buf_putc(b, '{');
		put_int(b, "input_tokens", res->usage.input_tokens);
		put_int(b, "output_tokens", res->usage.output_tokens);
		put_int(b, "cached_tokens", res->usage.cached_tokens);
		buf_putc(b, '}');
	} else {
		put_flag(b, "usage_unknown", true);
	}
	put_int(b, "duration_us", (int64_t)(clock_mono_us() - r->begun_us));
}
