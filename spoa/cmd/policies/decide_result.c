/* Writes the output of `tollgate decide`: the decision and what led to it, as JSON. */
#include <jansson.h>
#include <stdio.h>

#include "base/scoped.h"
#include "cmd/policies/decide.h"
#include "gate/engine/engine.h"
#include "policy/section.h"
#include "policy/verdict/explain.h"

json_t *
decide_text(struct span s)
{
	json_t *v = json_stringn(s.p ? s.p : "", s.n);

	return v ? v : json_string("");
}

json_t *
decide_names(const char *const *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(v[i]));
	return list;
}

json_t *
decide_unless_empty(json_t *v)
{
	if (json_array_size(v) || json_object_size(v))
		return v;
	json_decref(v);
	return NULL;
}

static json_t *
recognizers_json(struct request *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->scan.nrecognitions; i++) {
		const struct recognition *c = &r->scan.recognitions[i];
		const char *did = c->outcome != ASK_ANSWERED ? outcome_words[c->applied] : NULL;
		json_array_append_new(
			list, json_pack("{ss ss ss* sI}", "name", c->x->rec.name, "outcome",
				      ask_outcome_names[c->outcome], "applied", did, "texts",
				      (json_int_t)c->texts));
	}
	return list;
}

static json_t *
identity_json(const struct identity *id)
{
	json_t *roles = json_array();

	for (size_t i = 0; i < id->nroles; i++)
		json_array_append_new(roles, decide_text(id->roles[i].s));
	return json_pack("{sssosososososIsosb}", "method", id->method, "person",
		decide_text(id->person), "agent", decide_text(id->agent), "department",
		decide_text(id->department), "team", decide_text(id->team), "tier",
		decide_text(id->tier), "clearance", (json_int_t)id->clearance, "roles", roles,
		"verified", id->verified);
}

static json_t *
finding_json(struct request *r, const struct hit *h)
{
	const struct policy *p = r->snap->policy;
	const char *by = NULL;

	for (size_t i = 0; i < p->nexternals; i++)
		if (p->externals[i].rec.source == (unsigned)h->f.flags >> FINDING_SOURCE_SHIFT)
			by = p->externals[i].rec.name;
	return json_pack("{ss ss? sf ss ss so* ss* ss*}", "entity",
		detect_entity_name(r->snap->rules, h->f.entity), "class",
		policy_class_of(p, r->snap->rules, h->f.entity), "score", (double)h->f.score,
		"in", h->in_target ? "target" : "body", "role", role_name(h->segment->role),
		"sample", h->f.flags & FINDING_SAMPLE ? json_true() : NULL, "by", by, "with",
		request_redacted_with(r, h->f.entity));
}

/* Adds the positions of one segment's n hits in the raw bytes. */
static void
add_hits(struct request *r, const struct hit *h, size_t n, json_t *list,
	json_t *(*hit_json)(struct request *, const struct hit *))
{
	struct span target =
		span_of(r->in.head.path.p, r->in.head.path.n + 1 + r->in.head.query.n);
	struct text_edit *edits = arena_array(&r->arena, n, sizeof(*edits));
	struct splice *at = arena_array(&r->arena, n, sizeof(*at));
	size_t made = 0;

	for (size_t i = 0; edits && i < n; i++)
		edits[i] = (struct text_edit){ h[i].f.start, h[i].f.end, SPAN_LIT("") };
	if (!edits || !at ||
		segment_splices(h->segment, h->in_target ? target : r->in.raw, edits, n,
			&r->arena, at, &made) < 0)
		made = 0;
	for (size_t i = 0; i < n; i++) {
		json_t *o = hit_json(r, &h[i]);
		if (made) { /* all findings in one number share a place */
			const struct splice *where = &at[i < made ? i : made - 1];
			json_object_set_new(o, "start", json_integer((json_int_t)where->start));
			json_object_set_new(o, "end", json_integer((json_int_t)where->end));
		}
		json_array_append_new(list, o);
	}
}

static json_t *
findings_json(struct request *r)
{
	json_t *list = json_array();

	for (size_t i = 0, n; i < r->scan.nhits; i += n) {
		for (n = 1; i + n < r->scan.nhits &&
			    r->scan.hits[i + n].segment == r->scan.hits[i].segment;
			n++)
			;
		add_hits(r, &r->scan.hits[i], n, list, finding_json);
	}
	/* these hits may overlap each other and those above */
	for (size_t i = 0; i < r->scan.nextra; i++)
		if (r->scan.extra[i].kind < HIT_POSSIBLE)
			add_hits(r, &r->scan.extra[i], 1, list, finding_json);
	return list;
}

static json_t *
mention_json(struct request *r, const struct hit *h)
{
	return json_pack("{ssssss}", "entity",
		h->of ? detect_entity_name(r->snap->rules, h->f.entity) : "CREDENTIAL", "in",
		h->in_target ? "target" : "body", "role", role_name(h->segment->role));
}

/* Returns the places that are replaced although they are no findings: further mentions of a
 * found value. */
static json_t *
mentions_json(struct request *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->scan.overlay.nhits; i++)
		if (r->scan.overlay.hits[i].of ||
			r->scan.overlay.hits[i].kind == HIT_CREDENTIAL)
			add_hits(r, &r->scan.overlay.hits[i], 1, list, mention_json);
	return list;
}

static json_t *
classes_json(struct request *r)
{
	json_t *list = json_array();

	SCOPED_BUF(b, 0);
	request_classes(r, &b);
	struct span rest = buf_view(&b);
	while (rest.n)
		json_array_append_new(list, decide_text(span_next(&rest, ',')));
	return list;
}

static json_t *
candidates_json(const struct request *r)
{
	static const char *const fates[] = { "chosen", "left", "denied", "routed elsewhere",
		"out" };
	json_t *list = json_array();

	for (size_t i = 0; i < r->found.verdict.ncandidates; i++) {
		const struct policy_candidate *c = &r->found.verdict.candidates[i];
		bool out = c->fate == CANDIDATE_DENIED || c->fate == CANDIDATE_ROUTED;
		const char *rule = c->rule ? c->rule->name : "default";
		json_array_append_new(
			list, json_pack("{ss ss* ss ss*}", "target", c->target->name, "model",
				      c->target->model, "fate", fates[c->fate], "rule",
				      out ? rule : NULL));
	}
	return list;
}

/* Returns what the rules change besides the body. */
static json_t *
changes_json(struct request *r)
{
	const struct policy_verdict *v = &r->found.verdict;
	bool sent = r->out.decision.kind != D_DENY && r->out.decision.kind != D_OBSERVED;
	json_t *said = json_array(), *headers = json_object();
	const struct header *h;

	for (size_t i = 0; i < r->found.ntags; i++)
		json_array_append_new(said, decide_text(r->found.tags[i]));
	for (size_t rule = 0, at = 0; sent && (h = request_header(r, &rule, &at));)
		json_object_set_new(headers, h->name, json_string(h->value));
	return json_pack("{so* so* so* so* so* so*}", "candidates",
		v->ncandidates > 1 ? candidates_json(r) : NULL, "tags",
		decide_unless_empty(decide_names(v->ruled.tags, v->ruled.ntags)),
		"request_tags", decide_unless_empty(said), "requested_model",
		sent && r->in.asked_model.n ? decide_text(r->in.asked_model) : NULL,
		"max_output_tokens",
		sent && v->changes.max_output_tokens
			? json_integer((json_int_t)v->changes.max_output_tokens)
			: NULL,
		"set_headers", decide_unless_empty(headers));
}

/* Returns the decision that an observed request would have got, and where the request is
 * sent. */
static json_t *
observed_json(const struct request *r)
{
	const struct decision *d = &r->out.would;
	bool denied = d->kind == D_DENY;
	json_t *would = json_pack("{ss si ss* ss so*}", "decision",
		d->kind == D_DEFER ? "unknown" : decision_names[d->kind], "status",
		denied ? d->status : 200, "code", denied ? d->code : NULL, "rule",
		d->rule ? d->rule : "", "reason", denied ? decide_text(d->message) : NULL);

	return json_pack("{so ss}", "would", would, "backend", request_backend(r));
}

json_t *
decide_result(struct request *r)
{
	const struct decision *d = &r->out.decision;
	const struct policy *p = r->snap->policy;
	const struct route *route = r->found.route;
	const struct policy_verdict *v = r->found.have_verdict ? &r->found.verdict : NULL;
	const char *pattern = r->found.injection_pattern, *shadow = NULL;
	bool sent = d->kind != D_DENY;
	/* how reasoning with a provider's signature was treated */
	json_t *reasoning =
		r->in.body.nreasoning
			? json_pack("{si si si}", "blocks", (int)r->in.body.nreasoning,
				  "dropped", (int)r->found.reasoning_dropped, "left",
				  (int)r->found.reasoning_left)
			: NULL;

	if (v && v->ruled.shadowed)
		shadow = v->ruled.shadow_rule ? v->ruled.shadow_rule->name : "default";
	json_t *o = json_pack("{ss si ss so ss so ss ss* so}", "decision",
		decision_names[d->kind], "status", sent ? 200 : d->status, "rule",
		d->rule ? d->rule : "", "reason", decide_text(d->message), "policy", p->label,
		"identity", identity_json(&r->found.identity), "route",
		route ? route->name : "", "target",
		route && route->targets->name[0] ? request_target(r)->name : NULL, "model",
		decide_text(r->in.body.model));
	if (d->kind == D_OBSERVED)
		json_object_update_new(o, observed_json(r));
	if (v)
		json_object_update_new(o, changes_json(r));
	if (r->found.form && sent)
		json_object_set_new(
			o, "translated_to", json_string(form_name(r->found.form->to)));
	json_object_update_new(o,
		json_pack("{so so so* so* so* so* so* so* so* ss* so* so*}", "classes",
			classes_json(r), "findings", findings_json(r), "signed_reasoning",
			reasoning, "hidden_tools",
			r->found.offer.hidden ? json_integer((json_int_t)r->found.offer.hidden)
					      : NULL,
			"mentions", decide_unless_empty(mentions_json(r)), "injection",
			p->scores ? json_real(r->found.injection) : NULL, "injection_reason",
			pattern ? json_sprintf("pattern:%s", pattern) : NULL, "evasion",
			r->found.evasion ? json_true() : NULL, "recognisers",
			r->scan.nrecognitions ? recognizers_json(r) : NULL, "shadow", shadow,
			"body",
			sent && r->out.sends == SENDS_REWRITTEN
				? decide_text(buf_view(&r->out.rewritten))
				: NULL,
			"path",
			sent && r->out.new_target.n ? decide_text(buf_view(&r->out.new_target))
						    : NULL));
	return o;
}

static json_t *
explain_observed(const struct request *r)
{
	const struct decision *d = &r->out.would;
	char denied[16] = "";

	if (d->kind == D_DENY)
		snprintf(denied, sizeof(denied), " %d", d->status);
	return json_sprintf("%.*s is observed, and the caller has no key of tollgate: the "
			    "request is sent to %s unchanged; without observe: %s%s %s",
		SPAN_ARG(r->in.host), request_backend(r), decision_names[d->kind], denied,
		d->kind == D_DENY && d->code ? d->code : d->rule);
}

/* Returns the result of each rule, and the final decision if it differs from that of the
 * rules. */
json_t *
decide_explain(struct request *r)
{
	struct policy_facts f;
	struct body asked;

	request_asked_facts(r, &f, &asked);
	json_t *o = policy_explain(r->snap->policy, &f,
		r->found.have_verdict ? &r->found.verdict : NULL, NULL, &r->arena);
	bool otherwise = r->out.decision.kind == D_DENY &&
			 (!r->found.have_verdict || r->found.verdict.ruled.effect != RULE_DENY);
	if (o && r->out.decision.kind == D_OBSERVED)
		json_object_set_new(o, "observed", explain_observed(r));
	if (o && otherwise)
		json_object_set_new(o, "refused",
			json_sprintf("%s the rules: %d %s, %.*s",
				r->found.have_verdict ? "after" : "before",
				r->out.decision.status,
				r->out.decision.code ? r->out.decision.code : "",
				SPAN_ARG(r->out.decision.message)));
	return o ? o : json_null();
}
