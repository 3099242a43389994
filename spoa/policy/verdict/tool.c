/* The verdict on a call. As for requests, two outcomes are followed in one pass: the enforced
 * one, and the one without shadow mode. For an entry of a list, only the first is. */
#include "policy/verdict/tool.h"

#include "base/err.h"
#include "policy/route.h"
#include "policy/rule.h"
#include "policy/verdict/pass.h"

const char *const tool_states[] = { "", "new", "approved", "changed", "unlisted" };
const char tool_odd_uri[] = "the URI is not in its normal form, so the server may understand "
			    "it differently from a rule";

/* State of policy_tool(). Lives in its arena. */
struct judging {
	const struct policy *p;
	const struct answer_request *asked;
	const struct tool_call *c;
	struct facts_view view;
	struct tracks k;
};

static bool
call_fits_rule(const struct rule *r, const struct tool_call *c)
{
	return r->reads_method || tool_is_call(c);
}

/* ---- a call ---- */

/* Returns true if the tool's description changed and neither a denial nor a permit that reads
 * tool.state decided the call. */
static bool
description_changed(const struct tool_call *c, const struct rule *permit, bool denied)
{
	return c->state == TOOL_CHANGED && !denied && !(permit && permit->reads_state);
}

/* Returns true if the URI has several spellings and a rule reads URIs: the server may read
 * another URI than the rule did. */
static bool
odd_uri(const struct policy *p, const struct answer_request *asked, const struct tool_call *c)
{
	return c->odd_uri && asked->route && asked->route->uses.uris &&
	       !(p->shadow && asked->verified);
}

static enum rule_effect
conclude_call(const struct judging *j, const struct track *t, const struct rule **rule,
	bool *pin, bool *uri)
{
	bool denied = t->over && t->effect == RULE_DENY;

	*pin = description_changed(j->c, t->over ? t->ended : NULL, denied);
	*uri = !denied && !*pin && odd_uri(j->p, j->asked, j->c);
	*rule = *pin || *uri ? NULL : t->over ? t->ended : t->first_redact;
	return denied || *pin || *uri	     ? RULE_DENY
	       : entities_any(&t->redact.of) ? RULE_REDACT
					     : RULE_PERMIT;
}

static void
fill_tool_verdict(struct judging *j, struct tool_verdict *v)
{
	const struct track *t = &j->k.enforced, *full = &j->k.full;
	bool pin, uri;

	v->ruled.effect = conclude_call(j, t, &v->ruled.rule, &v->changed, &v->odd_uri);
	v->ruled.shadow_effect = conclude_call(j, full, &v->ruled.shadow_rule, &pin, &uri);
	tracks_fill(t, full, &v->ruled);
	v->permitted = v->ruled.effect != RULE_DENY && t->over;
	if (v->ruled.effect == RULE_DENY) {
		const struct rule *r = v->ruled.rule;
		bool own = r && r->effect == RULE_DENY;
		v->hide = v->changed || v->odd_uri || (own && !v->ruled.failed && r->hides);
		v->error = own && r->as_error;
		v->ruled.reason =
			v->changed   ? "the tool's description differs from the approved one"
			: v->odd_uri ? tool_odd_uri
			: v->ruled.failed ? "a rule of the policy could not be evaluated"
					  : r->reason;
	} else {
		v->redact = t->redact;
	}
	outcome_tag(&v->ruled, v->ruled.trace, j->p->ntool_rules);
}

int
policy_tool(const struct policy *p, const struct answer_request *asked,
	const struct tool_call *c, struct arena *a, struct tool_verdict *out)
{
	struct judging *j = arena_new(a, struct judging);

	memset(out, 0, sizeof(*out));
	if (outcome_begin(&out->ruled, p->tool_rules, p->ntool_rules, p->ntool_rules, a) || !j)
		return ERR_NOMEM;
	j->p = p;
	j->asked = asked;
	j->c = c;
	facts_tool(&j->view, p, asked, c, a);
	for (size_t i = 0; i < p->ntool_rules && !j->k.enforced.over; i++) {
		const struct rule *r = &p->tool_rules[i];
		struct rule_trace *t = &out->ruled.trace[i];
		int hit = call_fits_rule(r, c) ? facts_test(&j->view, r->when, &t->error) : 0;
		/* redacts all findings in arguments and results */
		tracks_rule(&j->k, p, asked->verified, r, hit, &r->redact, t);
	}
	fill_tool_verdict(j, out);
	return arena_failed(a) ? ERR_NOMEM : 0;
}

void
policy_describe(const struct answer_request *asked, struct arena *a, struct tool_call *c)
{
	const struct tools_told *told = &asked->told;
	bool any = false;

	c->description = SPAN_LIT("");
	for (size_t i = 0; i < told->n; i++) {
		if (!span_eq(told->v[i].name, c->name))
			continue;
		struct span more = told->v[i].description, all = c->description;
		if (any && (more.n || all.n)) {
			char *to = arena_alloc(a, all.n + more.n + 1);
			if (!to)
				return;
			memcpy(to, all.p, all.n);
			to[all.n] = '\n';
			memcpy(to + all.n + 1, more.p, more.n);
			more = span_of(to, all.n + more.n + 1);
		}
		c->description = more;
		any = true;
	}
	c->undescribed = told->cut;
}

int
policy_called(const struct policy *p, const struct answer_request *asked,
	const struct answer_tool *t, struct arena *a, struct tool_verdict *out)
{
	struct tool_call c = { .name = t->name, .arguments = t->arguments, .lost = t->lost };

	policy_describe(asked, a, &c);
	return policy_tool(p, asked, &c, a, out);
}

/* ---- unknown calls ---- */

static bool
known_of_all(void *ctx, size_t slot)
{
	(void)ctx;
	return slot == V_TOOL_SERVER ||
	       (!policy_slot_reads_tool(slot) && !policy_slot_reads_body(slot));
}

int
policy_tool_unknown(const struct policy *p, const struct answer_request *asked,
	struct span server, struct arena *a, struct tool_redacts *out)
{
	const struct tool_call c = { .server = server,
		.method = SPAN_LIT(""),
		.name = SPAN_LIT(""),
		.uri = SPAN_LIT(""),
		.description = SPAN_LIT(""),
		.arguments = SPAN_LIT("") };
	struct facts_view *view = arena_new(a, struct facts_view);
	struct cel_activation act = { .ctx = view, .lookup = facts_lookup };
	struct track t = { 0 };

	*out = (struct tool_redacts){ 0 };
	if (!view)
		return ERR_NOMEM;
	facts_tool(view, p, asked, &c, a);
	for (size_t i = 0; i < p->ntool_rules; i++) {
		const struct rule *r = &p->tool_rules[i];
		if (r->redacts && !rule_lifted(p, asked->verified, r) &&
			(!r->when || cel_partial(r->when, &act, known_of_all, a) != 0))
			track_redact(&t, r, &r->redact);
	}
	out->rule = t.first_redact;
	out->redact = t.redact;
	return arena_failed(a) ? ERR_NOMEM : 0;
}

/* ---- entries of lists ---- */

struct tool_list {
	const struct policy *p;
	const struct answer_request *asked;
	struct facts_view view;
};

struct tool_list *
tool_list_new(const struct policy *p, const struct answer_request *asked, struct arena *a)
{
	struct tool_list *l = arena_new(a, struct tool_list);

	if (!l)
		return NULL;
	l->p = p;
	l->asked = asked;
	facts_tool(&l->view, p, asked, NULL, a);
	return l;
}

/* Returns true for fields that are known before the call is made. For tools that a chat request
 * offers, the request itself is known. */
static bool
is_known_slot(void *ctx, size_t slot)
{
	const struct tool_call *c = ((const struct facts_view *)ctx)->call;

	if (slot == V_TOOL_ARGUMENTS)
		return false;
	if (slot == V_TOOL_NAME || slot == V_TOOL_DESCRIPTION)
		return !c->any;
	return c->as != TOOL_LISTED || policy_slot_reads_tool(slot) ||
	       !policy_slot_reads_body(slot);
}

/* Returns true if the rule names the server and, in a way that cannot be checked, its tools. A
 * rule that names tools alone may mean those of other servers. */
static bool
denies_some(const struct rule *r, const struct tool_call *c)
{
	return c->any &&
	       (cel_reads(r->when, V_TOOL_NAME) || cel_reads(r->when, V_TOOL_DESCRIPTION)) &&
	       (cel_reads(r->when, V_TOOL_SERVER) || cel_reads(r->when, V_RESOURCE_URI));
}

/* Returns true for a rule that fails although everything that it reads is known. There is no
 * later call that it could deny. */
static bool
fails_for_good(const struct rule *r, const struct tool_call *c)
{
	return c->as == TOOL_HOSTED && !c->any && !r->skip_on_error &&
	       !cel_reads(r->when, V_TOOL_ARGUMENTS);
}

struct entry {
	bool may, may_state;	   /* a permit that may match comes before */
	const struct rule *permit; /* the permit that ended the evaluation */
	const struct rule *denial;
};

static void
judge_entry(struct tool_list *l, const struct tool_call *c, struct entry *e)
{
	struct cel_activation act = { .ctx = &l->view, .lookup = facts_lookup };

	*e = (struct entry){ 0 };
	facts_call(&l->view, c);
	for (size_t i = 0; i < l->p->ntool_rules && !e->permit && !e->denial; i++) {
		const struct rule *r = &l->p->tool_rules[i];
		bool ends = r->effect == RULE_DENY || r->effect == RULE_PERMIT;
		if (!ends || !call_fits_rule(r, c) ||
			rule_end_lifted(l->p, l->asked->verified, r))
			continue;
		int hit = r->when ? cel_partial(r->when, &act, is_known_slot, l->view.a) : 1;
		if (r->effect == RULE_PERMIT && hit < 0) {
			e->may = true;
			e->may_state |= r->reads_state;
		} else if (r->effect == RULE_PERMIT && hit > 0) {
			e->permit = r;
		} else if (hit > 0 || (hit < 0 && r->effect == RULE_DENY &&
					      (denies_some(r, c) || fails_for_good(r, c)))) {
			e->denial = r;
		}
	}
}

bool
tool_list_hides(struct tool_list *l, const struct tool_call *c, const struct rule **rule)
{
	struct entry e;

	judge_entry(l, c, &e);
	*rule = e.denial && e.denial->hides && !e.may ? e.denial : NULL;
	return arena_failed(l->view.a) || *rule || odd_uri(l->p, l->asked, c) ||
	       (description_changed(c, e.permit, false) && !e.may_state);
}

enum tool_hosted
tool_list_hosted(struct tool_list *l, const struct tool_call *c, const struct rule **rule)
{
	struct entry e;

	judge_entry(l, c, &e);
	*rule = e.denial;
	if (arena_failed(l->view.a))
		return HOSTED_REFUSED;
	if (e.denial)
		return e.denial->hides ? HOSTED_HIDDEN : HOSTED_REFUSED;
	return odd_uri(l->p, l->asked, c) ? HOSTED_REFUSED : HOSTED_SHOWN;
}
