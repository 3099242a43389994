/* tollgate decide: decides one request offline, without HAProxy, Redis or a journal, with the
 * steps of the daemon.
 *
 * The input is a JSON object with the members of a request. Identities, external
 * recognizers and data sources can be given too, in place of the credentials and services
 * that the daemon would use. The member "tool" is a tool call, which the rules with phase:
 * tool evaluate: with a server or a method it is a call by MCP, otherwise one in a model's
 * response. The member "response" is the response to the request: {"status", "headers", "body"}.
 * The daemon's own guard evaluates it.
 *
 * The output is the decision and what led to it, as JSON. */
#include "cmd/policies/decide.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer/guard/guard.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/http.h"
#include "base/codec/json_text.h"
#include "base/codec/uri.h"
#include "base/scoped.h"
#include "cmd/cmd.h"
#include "cmd/eval.h"
#include "cmd/given.h"
#include "gate/engine/engine.h"
#include "policy/config/read.h"
#include "policy/data.h"
#include "policy/external.h"
#include "policy/identity/claims.h"
#include "policy/policy.h"
#include "policy/rule.h"
#include "policy/section.h"
#include "policy/verdict/explain.h"

/* ---- output ---- */

/* Returns s as a JSON string, or "" if s is not UTF-8. The caller owns the result. */
static json_t *
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

/* Returns `v`, or releases it and returns NULL if it is empty. */
static json_t *
decide_unless_empty(json_t *v)
{
	if (json_array_size(v) || json_object_size(v))
		return v;
	json_decref(v);
	return NULL;
}

static json_t *
recognizers_json(const struct request *r)
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

/* Adds the findings of a list, each once, with their places. */
static void
add_counted(struct request *r, const struct hit *v, size_t nv, json_t *list)
{
	struct hit *own = arena_array(&r->arena, nv, sizeof(*own));

	for (size_t i = 0, n; own && i < nv; i += n) {
		size_t kept = 0;
		for (n = 0; i + n < nv && v[i + n].segment == v[i].segment; n++)
			if (hit_counts(&v[i + n]))
				own[kept++] = v[i + n];
		if (kept)
			add_hits(r, own, kept, list, finding_json);
	}
}

static json_t *
findings_json(struct request *r)
{
	json_t *list = json_array();

	add_counted(r, r->scan.hits, r->scan.nhits, list);
	add_counted(r, r->scan.border, r->scan.nborder, list);
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
classes_json(const struct request *r)
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
changes_json(const struct request *r)
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
		json_pack("{so so so* so* so* so* so* so* so* so* ss* so* so*}", "classes",
			classes_json(r), "findings", findings_json(r), "signed_reasoning",
			reasoning, "hidden_tools",
			r->found.offer.hidden ? json_integer((json_int_t)r->found.offer.hidden)
					      : NULL,
			"mentions", decide_unless_empty(mentions_json(r)), "injection",
			p->scores ? json_real(r->found.injection) : NULL, "injection_reason",
			pattern ? json_sprintf("pattern:%s", pattern) : NULL, "evasion",
			r->found.evasion ? json_true() : NULL, "invisible",
			r->found.invisible ? json_integer((json_int_t)r->found.invisible) : NULL,
			"recognisers",
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
	return json_sprintf("%.*s is observed, and the caller has no key of this gateway: the "
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

	request_asked_facts(r, &f);
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

/* ---- the tool call ---- */

static const char *const tool_members[] = { "name", "server", "arguments", "state", "description",
	"uri", "method", "left", NULL };

/* Reads `left`, a list of reasons. Returns NULL, or an error. */
static const char *
read_left(json_t *in, struct tool_call *c)
{
	json_t *list = json_object_get(in, "left"), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		size_t k = span_find(json_span(one), placeholder_left_names, LEFT_REASONS);
		if (k == LEFT_REASONS)
			return "tool.left may have url, host, tool, size and unknown";
		c->left |= 1u << k;
	}
	return list && !json_is_array(list) ? "tool.left must be a list" : NULL;
}

static const char *
read_texts_of(json_t *in, struct tool_call *c)
{
	const struct {
		const char *name;
		struct span *to;
	} texts[] = { { "name", &c->name }, { "server", &c->server },
		{ "description", &c->description }, { "uri", &c->uri },
		{ "method", &c->method } };
	json_t *v;

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if ((v = json_object_get(in, texts[i].name)) && !json_is_string(v))
			return "tool: name, server, description, uri and method must be strings";
		*texts[i].to = v ? json_span(v) : SPAN_LIT("");
	}
	bool template = span_is(c->method, "completion/complete");
	c->odd_uri = c->uri.n &&
		     !(template ? uri_template_is_normal(c->uri) : uri_is_normal(c->uri));
	if (!c->method.n && c->uri.n)
		c->method = SPAN_LIT("resources/read");
	else if (!c->method.n && c->server.n)
		c->method = SPAN_LIT("tools/call");
	return NULL;
}

static const char *
read_decided_call(struct request *r, json_t *in, struct tool_call *c)
{
	json_t *v, *arguments = json_object_get(in, "arguments");
	struct span state = json_span(json_object_get(in, "state"));
	const char *name;

	if (!json_is_object(in))
		return "tool must be an object";
	json_object_foreach(in, name, v)
	{
		if (!read_listed(tool_members, span_str(name)))
			return "tool may have name, server, arguments, state, description, "
			       "uri, method and left";
	}
	while (!span_is(state, tool_states[c->state]))
		if (c->state++ == TOOL_UNLISTED)
			return "tool.state must be new, approved, changed or unlisted";
	if (arguments) {
		char *text = json_dumps(arguments, JSON_ENCODE_ANY | JSON_COMPACT);
		c->arguments = arena_dup(&r->arena, span_str(text));
		free(text);
	}
	const char *why = read_left(in, c);
	return why ? why : read_texts_of(in, c);
}

static json_t *
redactions(const struct request *r, const struct tool_verdict *v)
{
	json_t *list = json_array();

	for (size_t e = 0; e < detect_entity_count(r->snap->rules); e++)
		if (entity_in(&v->redact.of, e))
			json_array_append_new(
				list, json_pack("{ss ss}", "entity",
					      detect_entity_name(r->snap->rules, e), "with",
					      style_names[v->redact.with[e]]));
	return list;
}

static json_t *
result_json(const struct request *r, const struct tool_verdict *v, bool hidden)
{
	bool denied = v->ruled.effect == RULE_DENY;

	SCOPED_BUF(origins, 0);
	if (v->origins.type == CEL_MAP)
		cel_json(&v->origins, &origins);
	return json_pack("{ss ss ss* ss* sb so* so* ss* so* so*}", "decision",
		rule_effect_name(v->ruled.effect), "rule",
		v->ruled.rule ? v->ruled.rule->name : "", "as",
		!denied	   ? NULL
		: v->error ? "error"
			   : "result",
		"reason", denied ? v->ruled.reason : NULL, "hidden", hidden, "redacts",
		decide_unless_empty(redactions(r, v)), "tags",
		decide_unless_empty(decide_names(v->ruled.tags, v->ruled.ntags)), "shadow",
		!v->ruled.shadowed     ? NULL
		: v->ruled.shadow_rule ? v->ruled.shadow_rule->name
				       : "none",
		"origins",
		v->origins.type == CEL_MAP
			? json_loadb(buf_view(&origins).p, buf_view(&origins).n, 0, NULL)
			: NULL,
		"because", v->because.n ? json_stringn(v->because.p, v->because.n) : NULL);
}

const char *
decide_tool(struct request *r, json_t *in, json_t *result, json_t *explain, bool *matched)
{
	const struct policy *p = r->snap->policy;
	json_t *tool = json_object_get(in, "tool");
	struct answer_request asked;
	struct tool_verdict v;
	struct policy_facts f;
	struct tool_call c = { 0 };
	const struct rule *by;

	if (!tool)
		return NULL;
	const char *why = read_decided_call(r, tool, &c);
	if (why || r->out.decision.kind == D_DENY)
		return why;
	request_asked_facts(r, &f);
	if (policy_answer_request(p, &f, &r->arena, &asked))
		return "out of memory";
	if (!c.method.n && !c.description.n)
		policy_describe(&asked, &r->arena, &c);
	if (policy_tool(p, &asked, &c, &r->arena, &v))
		return "out of memory";
	/* evaluate the tool also as the entry of an MCP list, or of the tools that a chat
	 * request offers */
	struct tool_call entry = c;
	entry.as = c.method.n ? TOOL_LISTED : TOOL_OFFERED;
	struct tool_list *l = tool_list_new(p, &asked, &r->arena);
	bool hidden = !l || tool_list_hides(l, &entry, &by);
	json_object_set_new(result, "tool", result_json(r, &v, hidden));
	for (size_t i = 0; matched && i < p->ntool_rules; i++)
		matched[i] |= v.ruled.trace[i].fate == RULE_MATCHED;
	if (explain)
		json_object_set_new(
			explain, "tool", policy_tool_explain(p, &asked, &c, &v, &r->arena));
	return NULL;
}

/* ---- the request ---- */

/* Reads a string member; a missing one is empty. Returns false if the member is no string. */
static bool
decide_member(json_t *o, const char *name, struct span *out)
{
	json_t *v = json_object_get(o, name);

	*out = (struct span){ NULL, 0 };
	if (!v)
		return true;
	if (!json_is_string(v))
		return false;
	*out = json_span(v);
	return true;
}

static void
add_field(struct request *r, const char *name, json_t *value)
{
	r->in.head.fields[r->in.head.nfields++] =
		(struct http_field){ span_str(name), json_span(value) };
}

/* Returns the number of values of a member of `headers`; 0: the member has no strings. */
static size_t
values_of(json_t *v)
{
	size_t n = json_array_size(v);

	if (json_is_string(v))
		return 1;
	for (size_t i = 0; i < n; i++)
		if (!json_is_string(json_array_get(v, i)))
			return 0;
	return n;
}

/* Reads {"name": "value"} or {"name": ["value", ...]}. The host is a member of the request
 * itself. */
static const char *
read_headers(struct request *r, json_t *in)
{
	json_t *headers = json_object_get(in, "headers"), *host = json_object_get(in, "host"),
	       *v;
	const char *name;
	size_t total = 1;
	bool has_host = false;

	if (headers && !json_is_object(headers))
		return "headers must be an object";
	if (host && !json_is_string(host))
		return "host must be a string";
	json_object_foreach(headers, name, v)
	{
		if (values_of(v) == 0 && !(json_is_array(v) && json_array_size(v) == 0))
			return "a header's value must be a string or a list of strings";
		total += values_of(v);
	}
	r->in.head.fields = arena_array(&r->arena, total, sizeof(*r->in.head.fields));
	if (!r->in.head.fields)
		return "out of memory";
	json_object_foreach(headers, name, v)
	{
		has_host = has_host || span_ieq(span_str(name), SPAN_LIT("host"));
		if (json_is_string(v))
			add_field(r, name, v);
		for (size_t i = 0; i < json_array_size(v); i++)
			add_field(r, name, json_array_get(v, i));
	}
	if (host && !has_host)
		add_field(r, "host", host);
	return NULL;
}

/* Decodes base64 into the arena, and skips the spaces that `ignored` lists. Returns NULL,
 * or the reason for the failure: `bad`, or that memory is exhausted. */
static const char *
decide_base64(struct arena *a, struct span b64, const char *ignored, const char *bad,
	struct span *out)
{
	unsigned char *to = arena_alloc(a, b64.n + 1);
	size_t n = 0;

	if (!to)
		return "out of memory";
	if (sodium_base642bin(to, b64.n + 1, b64.p, b64.n, ignored, &n, NULL,
		    sodium_base64_VARIANT_ORIGINAL))
		return bad;
	*out = span_of(to, n);
	return NULL;
}

static const char *
read_decided_body(struct request *r, json_t *in)
{
	struct span text, b64;

	if (!decide_member(in, "body", &text))
		return "body must be a string";
	if (!decide_member(in, "body_base64", &b64))
		return "body_base64 must be a string";
	if (text.p && b64.p)
		return "give body or body_base64, not both";
	if (!text.p && !b64.p)
		return NULL;
	const char *bad = b64.p ? decide_base64(&r->arena, b64, "\r\n",
					  "body_base64 is not base64", &text)
				: NULL;
	if (bad)
		return bad;
	r->in.body_raw = text;
	r->in.body_state = BODY_STATE_WHOLE;
	return NULL;
}

/* Reads the PEM (RFC 7468) of one certificate, or only its base64. */
static const char *
read_certificate(struct request *r, json_t *in)
{
	static const struct span begin = { "-----BEGIN CERTIFICATE-----", 27 };
	struct span text;

	if (!decide_member(in, "client_certificate", &text))
		return "client_certificate must be a string";
	if (!text.p)
		return NULL;
	text = span_trim(text, " \t\r\n");
	if (span_starts(text, begin))
		text = span_cut(text, begin.n, text.n);
	text = span_cut(text, 0, span_chr(text, '-'));
	return decide_base64(
		&r->arena, text, " \t\r\n", "client_certificate is no PEM", &r->in.certificate);
}

static const char *
read_request(struct request *r, json_t *in)
{
	struct span target, when, src;

	if (!decide_member(in, "method", &r->in.head.method))
		return "method must be a string";
	if (!r->in.head.method.n)
		r->in.head.method = SPAN_LIT("POST");
	if (!decide_member(in, "path", &target))
		return "path must be a string";
	if (!target.n)
		return "path is missing";
	bool has_query = span_chr(target, '?') < target.n;
	struct span path = span_next(&target, '?');
	if (!request_set_target(r, path, target, has_query))
		return "out of memory";
	if (!decide_member(in, "src", &src))
		return "src must be a string";
	r->in.src = src;
	if (!decide_member(in, "time", &when) ||
		(when.p && clock_parse(when.p, when.n, &r->now_wall_ns) < 0))
		return "time must be RFC 3339, such as 2026-11-20T08:00:00Z";
	const char *why = read_headers(r, in);
	if (!why)
		why = read_certificate(r, in);
	return why ? why : read_decided_body(r, in);
}

/* ---- an identity in place of a credential ---- */

static const char *
read_roles(struct request *r, json_t *given)
{
	json_t *list = json_object_get(given, "roles");
	struct cel_value *roles = arena_array(&r->arena, json_array_size(list), sizeof(*roles));

	if (list && !json_is_array(list))
		return "identity.roles must be a list of strings";
	for (size_t i = 0; roles && i < json_array_size(list); i++) {
		json_t *one = json_array_get(list, i);
		if (!json_is_string(one))
			return "identity.roles must be a list of strings";
		roles[i] = cel_string(json_span(one));
	}
	r->found.identity.roles = roles;
	r->found.identity.nroles = json_array_size(list);
	return roles ? NULL : "out of memory";
}

static const char *
read_attributes(struct request *r, json_t *given)
{
	json_t *map = json_object_get(given, "attributes");
	struct cel_value v;
	const char *why;

	if (!map)
		return NULL;
	if (!json_is_object(map))
		return "identity.attributes must be an object";
	if (!eval_read(&r->arena, map, false, &v, &why))
		return why;
	r->found.identity.attributes = v.list.v;
	r->found.identity.nattributes = v.list.n;
	return NULL;
}

static const char *
read_method(struct request *r, json_t *given)
{
	struct span named;

	if (!decide_member(given, "method", &named))
		return "identity.method must be a string";
	if (!named.p)
		named = SPAN_LIT("jwt");
	for (size_t i = 0; identity_words[i]; i++)
		if (span_is(named, identity_words[i])) {
			r->found.identity.method = identity_words[i];
			r->found.identity.verified = i != ID_NONE;
			return NULL;
		}
	return "identity.method must be jwt, signed_headers, client_certificate, api_key or "
	       "none";
}

/* Sets the identity as it would be after its credential was verified. */
static const char *
read_identity(struct request *r, json_t *in)
{
	static const char *const request_members[] = { "method", "person", "agent", "department", "team",
		"tier", "roles", "clearance", "attributes", NULL };
	struct identity *id = &r->found.identity;
	json_t *given = json_object_get(in, "identity"), *v;
	const char *name;

	if (!given)
		return NULL;
	if (!json_is_object(given))
		return "identity must be an object";
	json_object_foreach(given, name, v)
	{
		if (!read_listed(request_members, span_str(name)))
			return "identity may have method, person, agent, department, team, "
			       "tier, roles, clearance and attributes";
	}
	for (size_t i = 0; i < IDENTITY_TEXTS; i++)
		if (!decide_member(given, identity_texts[i].name, identity_text(id, i)))
			return "identity: person, agent, department, team and tier must be "
			       "strings";
	if ((v = json_object_get(given, "clearance")) && !json_is_integer(v))
		return "identity.clearance must be an integer";
	id->clearance = v ? (int64_t)json_integer_value(v) : 0;
	const char *why = read_method(r, given);
	if (!why)
		why = read_roles(r, given);
	if (!why)
		why = read_attributes(r, given);
	r->found.identified = !why;
	return why;
}

/* ---- external recognizers ---- */

/* "classifier": {NAME: RESPONSE} gives the responses of external recognizers. For a
 * recognizer that gets one text for each call, RESPONSE is a list. */
struct given {
	json_t *by_name;
	char *text;
};

static bool
give_external(void *arg, const char *name, size_t i, struct span *answer)
{
	struct given *g = arg;
	json_t *v = json_object_get(g->by_name, name);

	if (v && i != SIZE_MAX)
		v = json_array_get(v, i);
	free(g->text);
	g->text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	*answer = span_str(g->text);
	return g->text != NULL;
}

/* Applies the refusals that the daemon decides before the steps. */
static enum step_result
check_head(struct request *r)
{
	bool chunked;

	if (r->in.head.nfields > CAP_HEADERS)
		return request_many_fields(r);
	if (request_read_length(r, &chunked) < 0)
		return request_bad_length(r);
	/* the input has the complete body, so its declared length does not matter */
	if (r->in.body_state == BODY_STATE_WHOLE)
		r->in.declared_length = (int64_t)r->in.body_raw.n;
	return STEP_NEXT;
}

/* Reads "data": {NAME: value}, the contents of the policy's data sources. Other names are
 * ignored. */
static const char *
read_data(struct request *r, json_t *in)
{
	json_t *given = json_object_get(in, "data"), *v;
	const struct policy *p = r->snap->policy;

	if (given && !json_is_object(given))
		return "data must be an object";
	for (size_t i = 0; i < p->ndata; i++) {
		if (!(v = json_object_get(given, p->data[i].name)))
			continue;
		struct cel_value *to = arena_new(&r->arena, struct cel_value);
		if (!to || data_json(v, CAP_DATA_DEPTH + 1, &r->arena, to) < 0)
			return "data: a value is too deep or too large";
		r->found.data[i] = to;
	}
	return NULL;
}

struct request *
decide_run(struct snapshot *snap, json_t *in, const char **why)
{
	struct given answers = { .by_name = json_object_get(in, "classifier") };
	struct request *r = request_new(snap, 0, &gate_calls);

	if (!r) {
		*why = "out of memory";
		return NULL;
	}
	*why = read_request(r, in);
	if (!*why)
		*why = read_identity(r, in);
	if (!*why)
		*why = read_data(r, in);
	if (!*why && answers.by_name && !json_is_object(answers.by_name))
		*why = "classifier must be an object";
	if (*why) {
		request_free(&r);
		return NULL;
	}
	bool identified = r->found.identified;
	r->run.given = give_external;
	r->run.given_arg = &answers;
	enum step_result s = check_head(r);
	for (size_t i = 0; s != STEP_DECIDED && i < STEPS_COUNT; i++)
		if (!identified || steps[i].run != step_identity) {
			s = steps[i].run(r);
			if (s == STEP_REROUTES)
				i = STEP_AT_policy - 1;
		}
	if (s == STEP_DECIDED)
		request_observed(r);
	r->run.given = NULL;
	free(answers.text);
	return r;
}

/* ---- the response ---- */

/* The response of the input. Borrows from the JSON and from the request's arena. */
struct given_answer {
	struct guard_head head;
	struct http_field fields[CAP_HEADERS];
	size_t nfields;
	struct span body;
};

static const char *
read_answer_headers(json_t *in, struct given_answer *out)
{
	json_t *headers = json_object_get(in, "headers"), *v;
	const char *name;

	if (headers && !json_is_object(headers))
		return "response.headers must be an object";
	json_object_foreach(headers, name, v)
	{
		if (!json_is_string(v))
			return "response.headers: a header's value must be a string";
		if (span_ieq(span_str(name), SPAN_LIT("content-type")))
			out->head.content_type = json_span(v);
		if (span_ieq(span_str(name), SPAN_LIT("content-encoding")))
			out->head.content_encoding = json_span(v);
		if (out->nfields == CAP_HEADERS)
			return "response.headers has too many headers";
		out->fields[out->nfields++] =
			(struct http_field){ span_str(name), json_span(v) };
	}
	return NULL;
}

static const char *
read_decided_answer(struct request *r, json_t *in, struct given_answer *out)
{
	json_t *text = json_object_get(in, "body"), *b64 = json_object_get(in, "body_base64");
	if (text && b64)
		return "response: give body or body_base64, not both";
	if (text && !json_is_string(text))
		return "response.body must be a string";
	if (b64 && !json_is_string(b64))
		return "response.body_base64 must be a string";
	out->body = json_span(text);
	return b64 ? decide_base64(&r->arena, json_span(b64), "\r\n",
			     "response.body_base64 is not base64", &out->body)
		   : NULL;
}

static const char *
read_given(struct request *r, json_t *in, struct given_answer *out)
{
	static const char *const known[] = { "status", "headers", "body", "body_base64", NULL };
	json_t *status = json_object_get(in, "status"), *v;
	const char *name;

	*out = (struct given_answer){ .head = {
				       .status = 200,
				       .content_type = SPAN_LIT("application/json"),
				       .content_encoding = SPAN_LIT(""),
			       } };
	if (!json_is_object(in))
		return "response must be an object";
	json_object_foreach(in, name, v)
	{
		if (!read_listed(known, span_str(name)))
			return "response may have status, headers, body and body_base64";
	}
	json_int_t number = status ? json_integer_value(status) : 200;
	if (number < 100 || number > 599)
		return "response.status must be a number from 100 to 599";
	out->head.status = (int)number;
	const char *why = read_answer_headers(in, out);
	return why ? why : read_decided_answer(r, in, out);
}

/* ---- result ---- */

/* The result of the guard: the report, and the response that the caller would get. */
struct answered {
	enum guard_result result;
	const struct guard_report *report;
	struct buf out;
};

static json_t *
unless_0(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : NULL;
}

static json_t *
answer_findings_json(const struct request *r, const struct guard_report *a)
{
	const struct answer_verdict *v = &a->verdict;
	json_t *list = json_array();

	for (size_t i = 0; i < a->nfound; i++) {
		size_t e = a->found[i].entity;
		bool replaced = v->ruled.effect == RULE_REDACT && entity_in(&v->redact.of, e);
		json_array_append_new(
			list, json_pack("{ss ss? sI ss*}", "entity",
				      detect_entity_name(r->snap->rules, e), "class",
				      policy_class_of(r->snap->policy, r->snap->rules, e),
				      "count", (json_int_t)a->found[i].n, "with",
				      replaced ? style_names[v->redact.with[e]] : NULL));
	}
	return list;
}

static json_t *
answer_classes_json(const struct request *r, const struct answer_verdict *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->snap->policy->nclasses; i++)
		if (entity_in(&v->classes_hit, i))
			json_array_append_new(
				list, json_string(r->snap->policy->classes[i].name));
	return list;
}

/* Adds the decision in the form in which the relay would refuse the response. */
static void
add_decision(json_t *o, const struct answered *x, const struct given_answer *g)
{
	static const struct {
		int status;
		const char *code;
	} refusals[] = {
		[GUARD_UNREAD] = { 503, "classifier_unavailable" },
		[GUARD_BROKEN] = { 503, "provider_error" },
		[GUARD_FOREIGN] = { 502, "provider_error" },
		[GUARD_CUT] = { 503, "provider_aborted" },
		[GUARD_NO_MEMORY] = { 503, "overloaded" },
	};
	const struct answer_verdict *v = &x->report->verdict;
	/* nothing is reported about a call after it was removed */
	const struct guard_sum *sum = &x->report->sum;
	bool taken =
		v->ruled.effect == RULE_PERMIT && sum->any && sum->ruled.effect == RULE_REDACT;
	const struct rule *by = taken ? sum->ruled.rule : v->ruled.rule;
	const char *rule = by ? by->name : "", *reason = x->report->why;
	int status = g->head.status;
	const char *decision = rule_effect_name(taken ? sum->ruled.effect : v->ruled.effect),
		   *code = NULL;

	if (x->result == GUARD_DENIED) {
		status = v->ruled.status;
		code = "content_policy_violation";
		reason = v->ruled.reason;
	} else if (x->result) {
		decision = "deny";
		status = refusals[x->result].status;
		code = refusals[x->result].code;
		rule = "";
	}
	json_object_update_new(
		o, json_pack("{ss si ss ss* ss*}", "decision", decision, "status", status,
			   "rule", rule, "code", code, "reason", x->result ? reason : NULL));
}

static json_t *
answer_result_json(const struct request *r, const struct given_answer *g, const struct answered *x)
{
	const struct guard_report *a = x->report;
	const struct answer_verdict *v = &a->verdict;
	bool changed = !span_eq(buf_view(&x->out), g->body);
	json_t *o = json_object();

	add_decision(o, x, g);
	json_object_update_new(o,
		json_pack("{sb sb so so so* so* so* so* so*}", "inspected", a->inspected,
			"streamed", a->streamed, "classes", answer_classes_json(r, v), "findings",
			answer_findings_json(r, a), "tags",
			decide_unless_empty(decide_names(v->ruled.tags, v->ruled.ntags)),
			"redactions", unless_0(a->redactions), "restorations",
			unless_0(a->restorations), "injection",
			r->found.route->uses.injection ? json_real(a->injection) : NULL,
			"tool_calls", decide_unless_empty(decide_names(a->tools, a->ntools))));
	json_object_update_new(
		o, json_pack("{ss* ss* so* so* ss* ss* so*}", "model",
			   a->model[0] ? a->model : NULL, "finish_reason",
			   a->finish[0] ? a->finish : NULL, "provider_error",
			   a->provider_error ? json_true() : NULL, "not_inspected_bytes",
			   unless_0(a->unread_bytes + a->opaque_bytes), "not_inspected_why",
			   a->unread_why, "shadow",
			   !v->ruled.shadowed	  ? NULL
			   : v->ruled.shadow_rule ? v->ruled.shadow_rule->name
						  : "none",
			   "body", changed ? decide_text(buf_view(&x->out)) : NULL));
	return o;
}

const char *
decide_answer(struct request *r, json_t *in, json_t *result, json_t *explain, bool *matched)
{
	json_t *response = json_object_get(in, "response");
	struct answer_request asked = { 0 };
	struct policy_facts f;
	struct translate_plan translate;
	struct guard_plan plan;
	struct vault *vault = NULL;
	struct guard *g = NULL;
	struct given_answer given;
	struct answered x = { 0 };

	if (!response)
		return NULL;
	const char *why = read_given(r, response, &given);
	if (why || r->out.decision.kind == D_DENY)
		return why;
	buf_init(&x.out, 0);
	request_asked_facts(r, &f);
	why = "out of memory";
	request_translate_plan(r, &r->arena, &translate);
	if (policy_answer_request(r->snap->policy, &f, &r->arena, &asked) ||
		request_vault(r, &vault, &r->arena) ||
		request_guard_plan(r, r->in.head.path, &asked, vault, &translate, &plan))
		goto out;
	plan.hide_usage = r->out.ask_usage;
	if (!(g = guard_new(&plan, &given.head)))
		goto out;
	why = NULL;
	x.result = guard_fields(g, given.fields, given.nfields);
	if (!x.result)
		x.result = guard_feed(g, given.body, &x.out);
	if (!x.result)
		x.result = guard_end(g, &x.out);
	const struct guard_report *a = x.report = guard_report(g);
	json_object_set_new(result, "response", answer_result_json(r, &given, &x));
	for (size_t i = 0; a->judged && matched && i < r->snap->policy->nanswer_rules; i++)
		matched[i] |= a->verdict.ruled.trace[i].fate == RULE_MATCHED;
	if (a->judged && explain)
		json_object_set_new(explain, "response",
			policy_answer_explain(r->snap->policy, &asked, a->facts, &a->verdict,
				NULL, &r->arena));
out:
	guard_drop(&g);
	vault_free(&vault);
	buf_free(&x.out);
	return why;
}

/* ---- the command ---- */

static int
decide_and_print(struct snapshot *snap, json_t *in, bool explain)
{
	const char *why;
	struct request *r = decide_run(snap, in, &why);

	if (!r)
		return cmd_fail("decide", "standard input: %s", why);
	json_auto_t *o = decide_result(r);
	json_t *told = explain ? decide_explain(r) : NULL;
	why = decide_answer(r, in, o, told, NULL);
	why = why ? why : decide_tool(r, in, o, told, NULL);
	if (explain)
		json_object_set_new(o, "explain", told);
	if (why) {
		request_free(&r);
		return cmd_fail("decide", "standard input: %s", why);
	}
	json_dumpf(o, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	const char *answer = json_str_in(json_object_get(o, "response"), "decision"),
		   *tool = json_str_in(json_object_get(o, "tool"), "decision");
	bool denied = r->out.decision.kind == D_DENY || (answer && !strcmp(answer, "deny")) ||
		      (tool && !strcmp(tool, "deny"));
	int code = denied ? EXIT_NO : EXIT_DONE;
	request_free(&r);
	return code;
}

/* Notes key files that are missing and without which serve would not start or would behave
 * differently. Used without a configuration. */
static void
say_missing_keys(const struct policy *p)
{
	const char *said = "";

	for (size_t i = 0; i < p->nidentities; i++) {
		const struct identity_entry *e = &p->identities[i];
		if (e->kind != ID_API_KEY || !strcmp(e->keys_file, said) ||
			access(e->keys_file, F_OK) == 0)
			continue;
		said = e->keys_file;
		cmd_fail("decide", "%s: does not exist, so no API key is accepted: "
				   "tollgate key new creates it", said);
	}
	if (p->hashes)
		cmd_fail("decide", "with: hash: without a configuration (-c FILE) the key "
				   "consists of zeros, so the hashes differ from the "
				   "daemon's");
}

struct snapshot *
decide_load(const char *what, const char *config, const char *policy)
{
	if (sodium_init() < 0) {
		cmd_fail(what, "libsodium cannot be initialized");
		return NULL;
	}
	SCOPED_DIAG(d);
	struct snapshot *snap = snapshot_load(config, policy, 1, NULL, &d);
	if (!snap)
		cmd_mistakes(what, &d);
	return snap;
}

/* Runs --policy -: standard input is {"request": ..., "policy": TEXT}. Without a text, the
 * configured policy decides. */
static int
decide_given(const char *config, bool explain)
{
	json_error_t err;
	json_auto_t *in = json_loadf(stdin, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &err);
	json_t *text = json_object_get(in, "policy"), *request = json_object_get(in, "request");
	struct snapshot *snap = NULL;
	int code = EXIT_CANNOT;

	if (!json_is_object(request))
		cmd_fail("decide", "standard input: request must be an object");
	else if (text && !json_is_string(text))
		cmd_fail("decide", "standard input: policy must be a string");
	else if (!text || given_policy("decide", config, json_span(text)))
		snap = decide_load("decide", config_find(config), NULL);
	if (snap)
		code = decide_and_print(snap, request, explain);
	snapshot_unref(&snap);
	return code;
}

int
cmd_decide(int argc, char **argv)
{
	const char *policy = NULL, *config = NULL;
	bool explain = false;
	const struct cmd_option options[] = { { "policy", .text = &policy },
		{ "c", .text = &config }, { "explain", .flag = &explain }, { .name = NULL } };
	char **operands;

	if (cmd_options("decide", argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	if (policy && !strcmp(policy, "-"))
		return decide_given(config, explain);
	if (!policy && !config) {
		config = config_find(NULL);
		if (!config)
			return cmd_no_config("decide", NULL, ", or a policy with --policy");
	}
	struct snapshot *snap = decide_load("decide", config, policy);
	if (!snap)
		return EXIT_CANNOT;
	if (!config)
		say_missing_keys(snap->policy);
	json_error_t err;
	json_auto_t *in = json_loadf(stdin, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &err);
	int code = in && json_is_object(in) ? decide_and_print(snap, in, explain)
					    : cmd_fail("decide", "standard input: %s",
						      in ? "must be a JSON object" : err.text);
	snapshot_unref(&snap);
	return code;
}
