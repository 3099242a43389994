/* Reads `rules`: conditions and effects. `deny` and `permit` end the evaluation, and other
 * effects add up: other targets (`route`), another model, a cap on the output, tags, recognizers
 * that must answer (`require`), and headers toward the provider. Combinations that one rule cannot
 * have are refused. The statuses of a denial are a fixed list, because HAProxy's shipped files
 * have one line for each of them. */
#include "policy/build.h"

#include <stdio.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/codec/credentials.h"
#include "base/deny_status.h"
#include "base/scoped.h"
#include "policy/config/config.h"
#include "policy/data.h"
#include "policy/env.h"
#include "policy/external.h"
#include "policy/policy.h"

enum { TAGS_MAX = 16, HEADERS_MAX = 16, HEADER_BYTES = 1024, MODEL_BYTES = 128 };

/* Headers that a rule cannot set: they frame or encode the message, or the relay rewrites
 * them. */
static const char *const fixed_headers[] = { "connection", "keep-alive", "proxy-connection",
	"te", "trailer", "transfer-encoding", "upgrade", "content-length", "expect", "host",
	"content-type", "content-encoding", "accept-encoding", "content-digest", "repr-digest",
	"digest", "content-md5", "http2-settings", NULL };

bool
build_model(struct builder *b, const struct yaml_node *n, const char **out)
{
	if (!read_text(b->d, n, "model", out))
		return false;
	bool ok = n->s.n <= MODEL_BYTES && span_past(n->s, 0, is_graph) == n->s.n;
	if (!ok)
		diag_at(b->d, n,
			"model: the name of a model, at most %d printable bytes without "
			"spaces, is expected",
			MODEL_BYTES);
	return ok;
}

bool
build_reads_target(const struct cel_program *prog)
{
	bool reads = false;

	for (size_t slot = V_TARGET_NAME; prog && slot <= V_TARGET_ERRORS; slot++)
		reads |= cel_reads(prog, slot);
	return reads;
}

/* ---- route ---- */

/* Reports a target that no route and no alias has, because the rule would then deny every
 * request. */
static void
known_target(struct builder *b, const struct yaml_node *n)
{
	struct nearest near = nearest_to(n->s);

	for (size_t i = 0; i < b->p->nroutes; i++)
		for (size_t k = 0; k < b->p->routes[i].ntargets; k++)
			if (nearest_is(&near, b->p->routes[i].targets[k].name) ||
				policy_target_is(&b->p->routes[i].targets[k], n->s.p))
				return;
	for (size_t i = 0; i < b->naliases; i++)
		for (size_t k = 0; k < b->aliases[i].ntargets; k++)
			if (policy_target_is(&b->aliases[i].targets[k], n->s.p))
				return;
	diag_at(b->d, n, "targets: no route has target %s%s", n->s.p, nearest_hint(&near));
}

static void
read_route_effect(struct builder *b, const struct yaml_node *n, struct rule_change *x)
{
	const struct yaml_node *to, *model;

	if (!build_section(b, n, SECTION_EFFECT_ROUTE, NULL))
		return;
	to = yaml_get(n, "targets");
	model = yaml_get(n, "model");
	if (!to && !model)
		diag_at(b->d, n->key, "route: targets or model is missing");
	if (model)
		build_model(b, model, &x->model);
	const struct yaml_node *c = build_each(b, to, "targets", &x->targets, &x->ntargets);
	for (; c; c = yaml_next(to, c))
		known_target(b, c);
}

/* ---- tag, require ---- */

void
build_tags(struct builder *b, const struct yaml_node *n, const char ***tags, size_t *ntags)
{
	const struct yaml_node *c = build_each(b, n, "tag", tags, ntags);
	const char *name;

	if (c && *ntags > TAGS_MAX)
		diag_at(b->d, n, "tag: more than %d", TAGS_MAX);
	for (; c; c = yaml_next(n, c))
		build_name(b, c, 64, &name);
}

static void
read_tag_effect(struct builder *b, const struct yaml_node *n, struct rule_change *x)
{
	build_tags(b, n, &x->tags, &x->ntags);
}

static void
read_require_effect(struct builder *b, const struct yaml_node *n, struct rule_change *x)
{
	const struct policy *p = b->p;
	const struct yaml_node *c = build_each(b, n, "require", NULL, NULL);

	for (; c; c = yaml_next(n, c)) {
		struct nearest near = nearest_to(c->s);
		size_t i =
			nearest_find(&near, p->externals, p->nexternals, sizeof(*p->externals));
		if (i < p->nexternals)
			x->require |= 1ull << i;
		else if (span_is(c->s, "ocr"))
			x->require |= REQUIRE_OCR;
		else
			diag_at(b->d, c,
				"require: %s is not a recognizer of detectors.external%s",
				c->s.p, nearest_hint(&near));
	}
}

/* ---- set_headers ---- */

const char *
build_header_fault(const struct policy *p, struct span name)
{
	bool credential =
		credential_header(name) ||
		span_find(name, p->credential_headers, p->ncredential_headers) <
			p->ncredential_headers ||
		span_among(name, p->credential_prefixes, p->ncredential_prefixes, span_starts);
	if (name.n == 0 || name.n > 64 ||
		strspn(name.p, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != name.n)
		return "is not a header name: at most 64 letters, digits and - _ . are "
		       "expected";
	if (span_starts(name, SPAN_LIT("x-tollgate-")))
		return "is a header of tollgate";
	if (read_listed(fixed_headers, name))
		return "belongs to the connection or to the body";
	if (credential)
		return "carries credentials: set the provider's in its HAProxy backend";
	return NULL;
}

static bool
header_value(struct builder *b, const struct yaml_node *n, const char **out)
{
	if (!read_text(b->d, n, n->key->s.p, out))
		return false;
	bool ok = n->s.n <= HEADER_BYTES && n->s.p[0] != ' ' && n->s.p[n->s.n - 1] != ' ';
	for (size_t i = 0; i < n->s.n; i++)
		ok = ok && n->s.p[i] >= ' ' && n->s.p[i] <= '~';
	if (!ok)
		diag_at(b->d, n,
			"%s: one line of printable ASCII, at most %d bytes, without spaces "
			"around it, is expected",
			n->key->s.p, HEADER_BYTES);
	return ok;
}

static void
read_set_headers(struct builder *b, const struct yaml_node *n, struct rule_change *x)
{
	struct header *h;

	if (n->kind != YAML_MAPPING || n->count == 0) {
		diag_at(b->d, n,
			"set_headers: a mapping of names to values is expected, found %s",
			n->kind == YAML_MAPPING ? "an empty one" : yaml_type_name(n));
		return;
	}
	if (n->count > HEADERS_MAX) {
		diag_at(b->d, n, "set_headers: more than %d", HEADERS_MAX);
		return;
	}
	if (!(h = build_array(b, n, n->count, sizeof(*h))))
		return;
	x->headers = h;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		char *name = arena_strdup(b->a, c->key->s.p);
		ascii_lower(name, span_str(name).n);
		const char *fault = name ? build_header_fault(b->p, span_str(name)) : "";
		if (fault) {
			diag_at(b->d, c->key, "set_headers: %s %s", c->key->s.p, fault);
			continue;
		}
		for (size_t i = 0; i < x->nheaders; i++)
			if (!strcmp(h[i].name, name))
				diag_at(b->d, c->key, "set_headers: %s is listed twice", name);
		h[x->nheaders].name = name;
		if (header_value(b, c, &h[x->nheaders].value))
			x->nheaders++;
	}
}

/* ---- all effects that do not end the evaluation ---- */

/* Reads the effects of a rule except deny, permit and redact. */
static void
build_change(struct builder *b, const struct yaml_node *n, struct rule *r)
{
	static const struct {
		const char *key;
		void (*read)(struct builder *, const struct yaml_node *, struct rule_change *);
	} effects[] = {
		{ "route", read_route_effect },
		{ "tag", read_tag_effect },
		{ "require", read_require_effect },
		{ "set_headers", read_set_headers },
	};
	struct rule_change *x = build_array(b, n, 1, sizeof(*x));
	const struct yaml_node *c;
	bool any = false;

	for (size_t i = 0; x && i < COUNT_OF(effects); i++)
		if ((c = yaml_get(n, effects[i].key))) {
			effects[i].read(b, c, x);
			any = true;
		}
	if (x && (c = yaml_get(n, "max_output_tokens"))) {
		read_uint(b->d, c, 1, 10000000, &x->max_output_tokens);
		any = true;
	}
	if (!any)
		return;
	r->change = x;
	b->p->changes = true;
	b->p->nheader_rules += x->nheaders > 0;
	b->p->requires |= x->require != 0;
	b->p->ocr |= (x->require & REQUIRE_OCR) != 0;
}

/* Effects that a rule with `deny` cannot have. */
static const char *const not_denied[] = { "permit", "redact", "route", "max_output_tokens",
	"require", "set_headers", NULL };

/* Keys of `deny` for rules on calls only. */
static const char *const of_calls[] = { "as", "hide" };

static const struct {
	int status;
	enum deny_by by;
} statuses[] = {
#define F(X, status, by, ...) { status, DENY_BY_##by },
	DENY_STATUS(F, )
#undef F
};

const struct cel_program *
build_expression(struct builder *b, const struct yaml_node *n, const char *what,
	enum cel_type want, bool *reads_body)
{
	struct cel_error err = { 0 };

	if (n->kind != YAML_SCALAR || yaml_is_null(n)) {
		diag_at(b->d, n, "%s: %s is expected, found %s", what,
			want == CEL_BOOL ? "a condition" : "an expression", yaml_type_name(n));
		return NULL;
	}
	const struct cel_program *prog = cel_compile(b->a, b->p->env, n->s, want, &err);
	if (!prog) {
		if (b->p->ndata == 0 && !strncmp(err.message, "data.", 5))
			snprintf(err.message, sizeof(err.message),
				"data: the policy has no data source of that name");
		diag_within(b->d, n, err.line, err.column, "%s: %s", what, err.message);
		return NULL;
	}
	for (size_t slot = 0; slot < V_COUNT; slot++) {
		bool answer = policy_slot_reads_answer(slot) && b->phase != PHASE_RESPONSE,
		     tool = policy_slot_reads_tool(slot) && b->phase != PHASE_TOOL;
		if (!(answer || tool) || !cel_reads(prog, slot))
			continue;
		diag_at(b->d, n, "%s: %s is %s read it", what, b->p->env->vars[slot].path,
			answer ? "known once the response has arrived: only rules with phase: "
				 "response can"
			       : "a field of a call: only rules with phase: tool and limits "
				 "that count requests can");
		return NULL;
	}
	b->p->scores |= cel_reads(prog, V_PROMPT_INJECTION);
	b->p->reads_tokens |= cel_reads(prog, V_PROMPT_TOKENS);
	b->p->reads_results |= cel_reads(prog, V_PROMPT_TOOL_RESULTS);
	for (size_t slot = V_TARGET_PRICE; slot <= V_TARGET_ERRORS; slot++)
		b->p->reads_target_state |= cel_reads(prog, slot);
	b->p->reads_conversation |= cel_reads(prog, V_REQUEST_CONVERSATION);
	for (size_t i = 0; i < b->p->ndata; i++)
		b->p->data[i].read |= cel_reads(prog, V_COUNT + i);
	for (size_t slot = 0; slot < V_COUNT; slot++)
		*reads_body |= policy_slot_reads_body(slot) && cel_reads(prog, slot);
	return prog;
}

const struct cel_program *
build_condition(struct builder *b, const struct yaml_node *n, bool *reads_body)
{
	return build_expression(b, n, "when", CEL_BOOL, reads_body);
}

static void
denied_status(struct builder *b, const struct yaml_node *c, struct rule *r)
{
	int64_t status = 0;

	if (r->phase == PHASE_TOOL) {
		diag_at(b->d, c->key,
			"status: a denied call has no HTTP status: write as: result, which "
			"the agent reads before it continues, or as: error, a JSON-RPC error");
		return;
	}
	bool number = yaml_int(c, &status);
	SCOPED_BUF(accepted, 0);
	for (size_t i = 0; i < COUNT_OF(statuses); i++) {
		if (statuses[i].by > DENY_BY_DEFAULT)
			continue;
		if (number && status == statuses[i].status) {
			r->status = statuses[i].status;
			return;
		}
		buf_printf(&accepted, "%s%d", accepted.n ? ", " : "", statuses[i].status);
	}
	diag_at(b->d, c, "status: one of %.*s is expected, found %s",
		SPAN_ARG(buf_view(&accepted)), yaml_found(c));
}

/* deny: {status: 403, scope: …}: the client must log in again with this scope. The response is
 * always an HTTP status, because clients log in again only after one. */
static void
lacks_scope(struct builder *b, const struct yaml_node *n, struct rule *r)
{
	const struct yaml_node *c = yaml_get(n, "scope"), *as = yaml_get(n, "as");

	if (r->phase == PHASE_RESPONSE) {
		diag_at(b->d, c->key,
			"scope: a response cannot lack a scope: use phase: request or tool");
		return;
	}
	r->scope = build_scope(b, c);
	if (as)
		diag_at(b->d, as->key,
			"as: a missing scope is reported by HTTP 403, so that the client logs "
			"in again: remove as");
	if (r->status != 403)
		diag_at(b->d, c->key, "scope: needs status: 403, found %d", r->status);
}

/* deny: true, or {status, reason, …}. */
static void
read_deny(struct builder *b, const struct yaml_node *n, struct rule *r)
{
	const struct yaml_node *c;
	bool yes;

	r->status = 403;
	r->reason = "denied by policy";
	if (n->kind == YAML_SCALAR) {
		if (read_bool(b->d, n, &yes) && !yes)
			diag_at(b->d, n,
				"deny: true, or {status, reason}, is expected, found false");
		return;
	}
	if (!build_section(b, n, SECTION_DENY, r))
		return;
	for (size_t i = 0; i < COUNT_OF(of_calls) && r->phase != PHASE_TOOL; i++)
		if ((c = yaml_get(n, of_calls[i])))
			diag_at(b->d, c->key, "%s: is for rules with phase: tool only",
				of_calls[i]);
	if ((c = yaml_get(n, "reason")) && (c->s.n > 256 || strpbrk(r->reason, "\r\n")))
		diag_at(b->d, c, "reason: one line of at most 256 bytes is expected");
	if ((c = yaml_get(n, "status")))
		denied_status(b, c, r);
	if (yaml_get(n, "scope"))
		lacks_scope(b, n, r);
}

/* with: last4: each entity that the rule names must be one whose last four digits reveal
 * little. For a class, one such member is enough, and the other members get placeholders. */
static void
check_last4(struct builder *b, const struct yaml_node *with, const struct yaml_node *entities,
	const struct entity_set *all)
{
	bool any = false;

	for (size_t e = 0; e < detect_entity_count(b->rules); e++)
		any |= entity_in(all, e) &&
		       style_keeps_last4(span_str(detect_entity_name(b->rules, e)));
	for (const struct yaml_node *c = entities ? yaml_first(entities) : NULL; c;
		c = yaml_next(entities, c))
		if (c->kind == YAML_SCALAR && detect_entity_find(b->rules, c->s) >= 0 &&
			!style_keeps_last4(c->s)) {
			diag_at(b->d, c,
				"%s: last4 is possible for CREDIT_CARD, PHONE_NUMBER, "
				"IBAN_CODE and US_BANK_NUMBER only",
				c->s.p);
			any = true;
		}
	if (!any)
		diag_at(b->d, with,
			"with: last4: no entity of this rule can keep its last four digits");
}

/* redact: {classes: …, entities: …, media: …, with: …} */
static void
build_redact(struct builder *b, const struct yaml_node *n, struct rule *r)
{
	const struct yaml_node *classes, *entities, *with;

	if (!build_section(b, n, SECTION_REDACT, r))
		return;
	if ((classes = yaml_get(n, "classes"))) {
		build_class_members(b, classes, &r->redact);
		/* A finding is replaced in all segments. A class with `roles` means some
		 * segments only, so its name would promise less than the rule does. */
		for (const struct yaml_node *c = yaml_first(classes); c;
			c = yaml_next(classes, c))
			for (size_t k = 0; k < b->p->nclasses; k++)
				if (b->p->classes[k].roles &&
					span_is(c->s, b->p->classes[k].name))
					diag_at(b->d, c,
						"classes: %s has roles, but values are "
						"replaced in segments of all roles: name the "
						"classes that it consists of",
						c->s.p);
	}
	if ((entities = yaml_get(n, "entities")))
		build_entities(b, entities, "entities", &r->redact);
	if (!classes && !entities && !yaml_get(n, "media"))
		diag_at(b->d, n->key, "redact: classes, entities or media is missing");
	if (r->strips && r->phase != PHASE_REQUEST)
		diag_at(b->d, yaml_get(n, "media"),
			"media: is for rules with phase: request only");
	if (!(with = yaml_get(n, "with")))
		return;
	if (r->with == STYLE_LAST4)
		check_last4(b, with, entities, &r->redact);
	if (r->with != STYLE_HASH)
		return;
	b->p->hashes = true;
	if (b->cfg && !b->cfg->redact_key_file)
		diag_at(b->d, with, "with: hash needs redact.key_file in %s", b->cfg->file);
}

/* Reads all effects of a rule. If a rule has several, the last one assigned to r->effect is the
 * strongest. */
static void
build_effects(struct builder *b, const struct yaml_node *n, struct rule *r)
{
	const struct yaml_node *denied = yaml_get(n, "deny"), *c;
	bool yes;

	r->effect = RULE_CHANGE;
	build_change(b, n, r);
	if ((c = yaml_get(n, "redact"))) {
		r->effect = RULE_REDACT;
		r->redacts = true;
		build_redact(b, c, r);
	}
	if ((c = yaml_get(n, "permit"))) {
		r->effect = RULE_PERMIT;
		if (read_bool(b->d, c, &yes) && !yes)
			diag_at(b->d, c, "permit: true is expected, found false");
	}
	if (denied) {
		r->effect = RULE_DENY;
		read_deny(b, denied, r);
	}
	for (size_t i = 0; denied && not_denied[i]; i++)
		if ((c = yaml_get(n, not_denied[i])))
			diag_at(b->d, c->key,
				"%s: the rule already denies the request: remove one of the "
				"two",
				not_denied[i]);
	if (r->effect == RULE_CHANGE && !r->change)
		diag_at(b->d, n,
			r->phase == PHASE_TOOL
				? "the rule has no effect: deny, permit, redact or tag is "
				  "expected"
			: r->phase == PHASE_RESPONSE
				? "the rule has no effect: deny, redact or tag is expected"
				: "the rule has no effect: deny, permit, redact, route, "
				  "max_output_tokens, tag, require or set_headers is "
				  "expected");
}

/* require: ocr reads pictures before segments are searched and data are fetched, so its
 * condition cannot use their results. */
static void
check_ocr(struct builder *b, const struct yaml_node *n, const struct rule *r)
{
	static const enum policy_slot later[] = { V_PROMPT_CLASSES, V_PROMPT_ENTITIES,
		V_PROMPT_INJECTION, V_PROMPT_EVASION, V_PROMPT_INVISIBLE };

	if (!r->change || !(r->change->require & REQUIRE_OCR) || !r->when)
		return;
	for (size_t i = 0; i < COUNT_OF(later); i++)
		if (cel_reads(r->when, later[i]))
			diag_at(b->d, yaml_get(n, "require"),
				"require: ocr: the condition reads %s, which is known only "
				"after pictures are read",
				policy_env.vars[later[i]].path);
	for (size_t slot = V_COUNT; slot < b->p->env->n; slot++)
		if (cel_reads(r->when, slot))
			diag_at(b->d, yaml_get(n, "require"),
				"require: ocr: the condition reads %s, which is fetched only "
				"after pictures are read",
				b->p->env->vars[slot].path);
}

/* Reads one rule of the list. */
static void
build_rule(struct builder *b, const struct yaml_node *n, struct rule *r)
{
	const struct yaml_node *c;

	r->at = n;
	r->name = "";
	if (!build_section(b, n, SECTION_RULE, r))
		return;
	build_own_name(b, n, 64, &r->name, b->p->rules, b->p->nrules, sizeof(*r));
	b->phase = r->phase;
	if ((c = yaml_get(n, "when"))) {
		r->when = build_condition(b, c, &r->reads_body);
		r->reads_target = build_reads_target(r->when);
		b->p->rules_read_target |= r->reads_target && r->phase == PHASE_REQUEST;
		r->when_text = c->kind == YAML_SCALAR ? c->s.p : "";
	}
	build_effects(b, n, r);
	check_ocr(b, n, r);
	if (r->phase == PHASE_RESPONSE)
		build_answer_rule(b, n, r);
	else if (r->phase == PHASE_TOOL)
		build_tool_rule(b, n, r);
	b->phase = PHASE_REQUEST;
}

void
build_rules(struct builder *b, const struct yaml_node *at)
{
	struct rule *all = build_list(b, at, "rules", sizeof(*all)), *sorted;
	size_t n, k = 0, ends[PHASE_TOOL + 1];

	if (!all)
		return;
	b->p->rules = all;
	for (const struct yaml_node *c = at->child; c; c = c->next) {
		build_rule(b, c, &all[b->p->nrules]);
		b->p->nrules++;
	}
	n = b->p->nrules;
	/* Each phase gets a list of its own, in the order of the file. */
	sorted = build_array(b, at, n, sizeof(*sorted));
	for (int phase = PHASE_REQUEST; sorted && phase <= PHASE_TOOL; phase++) {
		for (size_t i = 0; i < n; i++)
			if (all[i].phase == (enum rule_phase)phase)
				sorted[k++] = all[i];
		ends[phase] = k;
	}
	if (!sorted)
		return;
	b->p->rules = sorted;
	b->p->nall_rules = n;
	b->p->nrules = ends[PHASE_REQUEST];
	b->p->answer_rules = sorted + ends[PHASE_REQUEST];
	b->p->nanswer_rules = ends[PHASE_RESPONSE] - ends[PHASE_REQUEST];
	b->p->tool_rules = sorted + ends[PHASE_RESPONSE];
	b->p->ntool_rules = ends[PHASE_TOOL] - ends[PHASE_RESPONSE];
}
