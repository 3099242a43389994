/* The verdicts on requests, calls and responses. Rules are evaluated from top to bottom, and two
 * outcomes are followed in one pass (struct tracks): the enforced one, and the one without shadow
 * mode, so that a shadow period shows the effect of enforcing. For an entry of a list of tools,
 * only the first is followed.
 *
 * The first sections have what all rules share, then rules with `phase: tool` (tool.h), rules with
 * `phase: response` (answer.h), and the rules on requests. The results of the rules on a request
 * lead to a target: which candidates are left, in which order, and how the rules change the
 * request. */
#include "policy/verdict/decide.h"

#include "base/err.h"
#include "base/scoped.h"
#include "policy/cel/value.h"
#include "policy/data.h"
#include "policy/external.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/rule.h"
#include "policy/target.h"
#include "policy/transcriber.h"
#include "policy/verdict/answer.h"
#include "policy/verdict/facts.h"
#include "policy/verdict/origins.h"
#include "policy/verdict/tool.h"

/* ---- two outcomes in one pass ---- */

/* One outcome in progress. */
struct track {
	const struct rule *ended; /* deny or permit */
	bool over;
	enum rule_effect effect;
	bool failed;
	const struct rule *first_redact;
	struct redactions redact;
	unsigned strips;
};

/* Two outcomes of one evaluation: the enforced one, and the one without shadow mode. */
struct tracks {
	struct track enforced, full;
};

/* The rules evaluated with one target, or with all targets if no rule reads the target. */
struct evaluation {
	struct tracks k;
	bool waiting_end; /* a waiting rule may end the enforced outcome */
	bool waiting_any; /* a rule waits, or a rule redacts in a body that is not read yet */
	struct rule_trace *trace;
};

/* State of policy_decide(). Lives in its arena. */
struct pass {
	const struct policy *p;
	const struct policy_facts *f;
	struct facts_view view;
	const struct target *targets;
	size_t ntargets;
	struct evaluation *e; /* one evaluation, or one for each target */
	bool each;
	bool verified; /* the caller's identity: shadow mode applies to verified callers only */
	struct policy_verdict *out;
};

static inline const struct track *
pass_track(const struct evaluation *e, bool full)
{
	return full ? &e->k.full : &e->k.enforced;
}

/* Returns true if the changes by this rule are only recorded. */
static inline bool
pass_unchanged(const struct pass *ps, const struct rule *r)
{
	return r->shadow || ps->p->shadow;
}

/* Returns true if a match of this rule is only recorded, as in shadow mode: its denial or
 * redaction, also the redaction of a permit. */
static bool
rule_lifted(const struct policy *p, bool verified, const struct rule *r)
{
	return (r->shadow || p->shadow) && verified;
}

/* Returns true if the effect with which this rule ends the evaluation is only recorded. */
static bool
rule_end_lifted(const struct policy *p, bool verified, const struct rule *r)
{
	return r->effect == RULE_PERMIT ? r->shadow : rule_lifted(p, verified, r);
}

/* The first rule that ends the evaluation, and the first style for each entity, count. `found`
 * may be NULL. */
static void
track_end(struct track *t, const struct rule *r, enum rule_effect effect, bool failed)
{
	if (t->over)
		return;
	t->over = true;
	t->ended = r;
	t->effect = effect;
	t->failed = failed;
}

static void
track_redact(struct track *t, const struct rule *r, const struct entity_set *found)
{
	bool any = false;

	if (t->over)
		return;
	t->strips |= r->strips;
	for (size_t i = 0; i < DETECT_ENTITIES_MAX / 64; i++) {
		uint64_t hit = found ? r->redact.bit[i] & found->bit[i] : 0;
		any |= hit != 0;
		for (uint64_t more = hit & ~t->redact.of.bit[i]; more; more &= more - 1)
			t->redact.with[64 * i + (size_t)__builtin_ctzll(more)] =
				(uint8_t)r->with;
		t->redact.of.bit[i] |= hit;
	}
	if (any && !t->first_redact)
		t->first_redact = r;
}

/* Adds the effects of a rule that matched to both tracks. */
static void
rule_matched(struct tracks *k, const struct policy *p, bool verified, const struct rule *r,
	const struct entity_set *found)
{
	if (r->redacts) {
		track_redact(&k->full, r, found);
		if (!rule_lifted(p, verified, r) && !(r->effect == RULE_PERMIT && r->shadow))
			track_redact(&k->enforced, r, found);
	}
	if (r->effect != RULE_DENY && r->effect != RULE_PERMIT)
		return;
	track_end(&k->full, r, r->effect, false);
	if (!rule_end_lifted(p, verified, r))
		track_end(&k->enforced, r, r->effect, false);
}

/* Adds the result of a rule to its trace and to both tracks. `hit` is that of facts_test(). A
 * failure denies, unless the rule has on_error: skip. */
static void
tracks_rule(struct tracks *k, const struct policy *p, bool verified, const struct rule *r,
	int hit, const struct entity_set *found, struct rule_trace *t)
{
	t->fate = hit > 0 ? RULE_MATCHED : hit == 0 ? RULE_NO_MATCH : RULE_ERROR;
	if (hit > 0)
		rule_matched(k, p, verified, r, found);
	if (hit >= 0 || r->skip_on_error)
		return;
	/* a failed rule did not match, so shadow mode does not lift it */
	track_end(&k->full, r, RULE_DENY, true);
	track_end(&k->enforced, r, RULE_DENY, true);
}

/* Fills the rest of *o, after both effects and rules were set. */
static void
tracks_fill(const struct track *enforced, const struct track *full, struct rule_outcome *o)
{
	o->failed = enforced->failed;
	o->shadowed = o->shadow_effect != o->effect || o->shadow_rule != o->rule ||
		      full->strips != enforced->strips ||
		      memcmp(&full->redact, &enforced->redact, sizeof(full->redact)) != 0;
}

/* Makes room for the results of n rules and for all tags of the first `tagging` rules. Returns
 * 0 or ERR_NOMEM. */
static int
outcome_begin(struct rule_outcome *o, const struct rule *rules, size_t n, size_t tagging,
	struct arena *a)
{
	size_t ntags = 0;

	o->effect = o->shadow_effect = RULE_PERMIT;
	o->trace = arena_array(a, n, sizeof(*o->trace));
	for (size_t i = 0; o->trace && i < n; i++)
		o->trace[i].rule = &rules[i];
	for (size_t i = 0; i < tagging; i++)
		ntags += rules[i].change ? rules[i].change->ntags : 0;
	o->tags = arena_array(a, ntags, sizeof(*o->tags));
	return o->trace && o->tags ? 0 : ERR_NOMEM;
}

/* Adds the tags of the rules that matched, without duplicates. */
static void
outcome_tag(struct rule_outcome *o, const struct rule_trace *trace, size_t nrules)
{
	for (size_t t = 0; t < nrules; t++) {
		const struct rule_change *x = trace[t].rule->change;
		if (trace[t].fate == RULE_MATCHED && x)
			o->ntags = tags_join(o->tags, o->ntags, SIZE_MAX, x->tags, x->ntags);
	}
}

size_t
tags_join(const char **tags, size_t n, size_t room, const char *const *more, size_t nmore)
{
	for (size_t i = 0; i < nmore && n < room; i++)
		if (span_find(span_str(more[i]), tags, n) == n)
			tags[n++] = more[i];
	return n;
}

bool
redactions_add(
	struct redactions *r, const struct redactions *more, const struct entity_set *found)
{
	bool any = false;

	for (size_t i = 0; i < DETECT_ENTITIES_MAX / 64; i++) {
		uint64_t added = more->of.bit[i] & ~r->of.bit[i];
		if (found)
			added &= found->bit[i];
		for (uint64_t left = added; left; left &= left - 1) {
			size_t e = 64 * i + (size_t)__builtin_ctzll(left);
			r->with[e] = more->with[e];
		}
		r->of.bit[i] |= added;
		any |= added != 0;
	}
	return any;
}

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

/* ---- calls: one call ---- */

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
	if (j->view.known[V_TOOL_ORIGINS]) {
		const struct rule *by = out->ruled.effect == RULE_DENY ? out->ruled.rule : NULL;
		out->origins = j->view.value[V_TOOL_ORIGINS];
		if (by && by->when && cel_reads(by->when, V_TOOL_ORIGINS))
			out->because = origins_because(&out->origins, a);
	}
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
	struct tool_call c = { .name = t->name,
		.arguments = t->arguments,
		.meant = t->meant,
		.origins = t->origins,
		.lost = t->lost,
		.left = t->left };

	policy_describe(asked, a, &c);
	return policy_tool(p, asked, &c, a, out);
}

/* ---- calls: unknown calls ---- */

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

/* ---- calls: entries of lists ---- */

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

	if (slot == V_TOOL_ARGUMENTS || slot == V_TOOL_LEFT || slot == V_TOOL_ORIGINS)
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
	       !cel_reads(r->when, V_TOOL_ARGUMENTS) && !cel_reads(r->when, V_TOOL_LEFT) &&
	       !cel_reads(r->when, V_TOOL_ORIGINS);
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

const char *const answer_when_names[] = { "whole", "new", "block", "end" };

/* ---- responses: kept facts of the request ---- */

int
tools_told_copy(const struct tools_told *from, struct arena *a, struct tools_told *to)
{
	*to = *from;
	to->room = from->n;
	to->v = arena_array(a, from->n, sizeof(*to->v));
	for (size_t i = 0; to->v && i < from->n; i++) {
		to->v[i].name = arena_dup(a, from->v[i].name);
		to->v[i].description = arena_dup(a, from->v[i].description);
	}
	return arena_failed(a) ? ERR_NOMEM : 0;
}

int
policy_answer_request(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct answer_request *out)
{
	bool described = false;

	*out = (struct answer_request){
		.route = f->route,
		.verified = f->identity && f->identity->verified,
		.kept = arena_array(a, p->nanswer_slots, sizeof(*out->kept)),
	};
	if (!out->kept)
		return ERR_NOMEM;
	for (size_t i = 0; i < p->ntool_rules; i++)
		described |= p->tool_rules[i].when &&
			     cel_reads(p->tool_rules[i].when, V_TOOL_DESCRIPTION);
	if (f->told && described && tools_told_copy(f->told, a, &out->told))
		return ERR_NOMEM;
	if (f->route && f->route->uses.origins && !f->entries)
		origins_of_request(p, f, a, &out->origins);
	if (p->nanswer_slots == 0)
		return arena_failed(a) ? ERR_NOMEM : 0;
	SCOPED_ARENA(own, 0, true);
	struct facts_view *v = arena_new(&own, struct facts_view);
	if (v)
		facts_init(v, p, f, &own);
	for (size_t i = 0; v && i < p->nanswer_slots; i++) {
		size_t slot = p->answer_slots[i];
		struct cel_value got = facts_lookup(v, slot, &out->kept[i].present);
		/* a file's value lives as long as the policy */
		out->kept[i].value =
			slot >= V_COUNT && p->data[slot - V_COUNT].kind == DATA_FILE
				? got
				: cel_copy(&got, a);
	}
	return arena_failed(&own) || arena_failed(a) ? ERR_NOMEM : 0;
}

/* ---- responses: the rules ---- */

/* State of policy_answer(). Lives in its arena. */
struct answer_judging {
	const struct policy *p;
	const struct answer_request *asked;
	const struct answer_facts *f;
	enum answer_when when;
	struct facts_view view;
	struct tracks k;
};

/* Returns the effect of a track. A response that no rule denies is permitted. */
static enum rule_effect
conclude_answer(const struct track *t, const struct rule **rule)
{
	*rule = t->over ? t->ended : t->first_redact;
	return t->over ? RULE_DENY : entities_any(&t->redact.of) ? RULE_REDACT : RULE_PERMIT;
}

/* ---- responses: their calls ---- */

static int
one_call(struct answer_judging *j, size_t i, struct arena *a, struct answer_verdict *v)
{
	const struct answer_tool *t = &j->f->tools[i];
	struct tool_verdict *got = arena_new(a, struct tool_verdict);

	if (!got || policy_called(j->p, j->asked, t, a, got) < 0)
		return ERR_NOMEM;
	v->of_tools[i] = got;
	if (got->ruled.shadow_effect == RULE_DENY)
		track_end(&j->k.full, got->ruled.shadow_rule, RULE_DENY, got->ruled.failed);
	if (got->ruled.effect == RULE_DENY)
		track_end(&j->k.enforced, got->ruled.rule, RULE_DENY, got->ruled.failed);
	outcome_tag(&v->ruled, got->ruled.trace, j->p->ntool_rules);
	return 0;
}

/* Evaluates the calls by the rules with phase: tool. A denied call denies the response. In a
 * stream, a call's arguments are complete when its block has ended. */
static int
judge_calls(struct answer_judging *j, struct arena *a, struct answer_verdict *v)
{
	int err = 0;

	if (j->when == ANSWER_NEW || !j->asked->route || !j->asked->route->uses.calls)
		return 0;
	v->of_tools = arena_array(a, j->f->ntools, sizeof(*v->of_tools));
	if (!v->of_tools)
		return ERR_NOMEM;
	for (size_t i = 0; i < j->f->ntools && !err && !j->k.enforced.over; i++)
		if (!j->f->tools[i].let_go || j->f->asks_all)
			err = one_call(j, i, a, v);
	return err;
}

int
policy_answer(const struct policy *p, const struct answer_request *asked,
	const struct answer_facts *f, enum answer_when when, struct arena *a,
	struct answer_verdict *out)
{
	struct answer_judging *j = arena_new(a, struct answer_judging);
	bool over = when == ANSWER_WHOLE || when == ANSWER_END;

	memset(out, 0, sizeof(*out));
	if (outcome_begin(&out->ruled, p->answer_rules, p->nanswer_rules,
		    p->nanswer_rules + p->ntool_rules, a) ||
		!j)
		return ERR_NOMEM;
	j->p = p;
	j->asked = asked;
	j->f = f;
	j->when = when;
	facts_answer(&j->view, p, asked, f, a);
	for (size_t i = 0; i < p->nanswer_rules && !j->k.enforced.over; i++) {
		const struct rule *r = &p->answer_rules[i];
		struct rule_trace *t = &out->ruled.trace[i];
		if ((r->reads_late && when == ANSWER_NEW) ||
			(r->reads_finish && !over && f->finish_reason.n == 0))
			t->fate = RULE_WAITS;
		else
			tracks_rule(&j->k, p, asked->verified, r,
				facts_test(&j->view, r->when, &t->error), &f->entities, t);
	}
	int err = judge_calls(j, a, out);
	const struct track *t = &j->k.enforced;
	out->ruled.effect = conclude_answer(t, &out->ruled.rule);
	out->ruled.shadow_effect = conclude_answer(&j->k.full, &out->ruled.shadow_rule);
	tracks_fill(t, &j->k.full, &out->ruled);
	out->classes_hit = j->view.answer_classes;
	if (out->ruled.effect == RULE_DENY) {
		const struct rule *r = out->ruled.rule;
		out->ruled.status = r && r->effect == RULE_DENY ? r->status : 403;
		out->ruled.reason = out->ruled.failed
					    ? "a rule of the policy could not be evaluated"
					    : r->reason;
	}
	out->redact = t->redact;
	outcome_tag(&out->ruled, out->ruled.trace, p->nanswer_rules);
	return arena_failed(a) ? ERR_NOMEM : err;
}

const char *const target_outs[TARGET_OUTS] = { "", "tried", "ejected", "busy", "window",
	"output", "pinned", "keyless", "limit", "form" };

/* The result for the enforced or the full tracks. */
struct choice {
	size_t at;		 /* index of the chosen target, or of the denied one */
	enum rule_effect effect; /* deny: no target is left */
	const struct rule *rule;
	bool routed;  /* no target is left, and no rule denied one */
	bool none_in; /* the rules leave targets, but none is available */
	struct policy_changes changes;
};

/* ---- requests: the choice of a target ---- */

static const struct evaluation *
evaluation_at(const struct pass *ps, size_t at)
{
	return &ps->e[ps->each ? at : 0];
}

/* Returns the change by rule `i` if it matched and counts for this track, or NULL. */
static const struct rule_change *
change_of_rule(const struct pass *ps, const struct evaluation *e, size_t i, bool full)
{
	const struct rule *r = &ps->p->rules[i];

	if (!r->change || e->trace[i].fate != RULE_MATCHED)
		return NULL;
	return full || !pass_unchanged(ps, r) ? r->change : NULL;
}

/* Returns the number of rules that count: those up to the rule that ended the track. On the
 * enforced track, later rules were not reached. */
static size_t
rules_until(const struct pass *ps, const struct evaluation *e, bool full)
{
	const struct rule *end = full ? e->k.full.ended : NULL;

	return end ? (size_t)(end - ps->p->rules) + 1 : ps->p->nrules;
}

enum { PLACES = 256 }; /* values of policy_rank.place */

/* Returns true if the rule's targets contain this one, and sets *place to its index. */
static bool
names_target(const struct rule_change *x, const struct target *t, size_t *place)
{
	for (*place = 0; *place < x->ntargets; ++*place)
		if (policy_target_is(t, x->targets[*place]))
			return true;
	return false;
}

/* Returns the rule whose targets leave this target out, or NULL. *place is the place by the
 * first rule with targets if the route chooses by order, else the place before rules were
 * evaluated. */
static const struct rule *
routed_away(const struct pass *ps, size_t at, bool full, size_t *place)
{
	const struct evaluation *e = evaluation_at(ps, at);
	size_t n = ps->p->changes ? rules_until(ps, e, full) : 0;
	bool placed = ps->f->route && ps->f->route->choose.by != CHOOSE_ORDER;

	*place = ps->f->ranks ? ps->f->ranks[at].place : at;
	for (size_t i = 0; i < n; i++) {
		const struct rule_change *x = change_of_rule(ps, e, i, full);
		size_t k;
		if (!x || x->ntargets == 0)
			continue;
		if (!names_target(x, &ps->targets[at], &k))
			return &ps->p->rules[i];
		if (!placed)
			*place += k * PLACES;
		placed = true;
	}
	return NULL;
}

/* Collects the changes by the rules for the target at `at`. */
static void
collect_changes(const struct pass *ps, size_t at, bool full, struct policy_changes *c)
{
	const struct evaluation *e = evaluation_at(ps, at);
	size_t n = ps->p->changes ? rules_until(ps, e, full) : 0;

	c->target = &ps->targets[at];
	for (size_t i = 0; i < n; i++) {
		const struct rule *r = &ps->p->rules[i];
		const struct rule_change *x = r->change;
		if (!x || e->trace[i].fate != RULE_MATCHED)
			continue;
		if (full || !rule_lifted(ps->p, ps->verified, r))
			c->require |= x->require;
		if (!full && pass_unchanged(ps, r))
			continue;
		if (x->model && !c->model) {
			c->model = x->model;
			c->model_rule = r;
		}
		if (x->max_output_tokens &&
			(!c->max_output_tokens || x->max_output_tokens < c->max_output_tokens))
			c->max_output_tokens = x->max_output_tokens;
		if (x->nheaders) {
			INVARIANT(c->nrules < ps->p->nheader_rules);
			c->rules[c->nrules++] = r;
		}
	}
	if (!c->model)
		c->model = c->target->model;
}

/* Returns the effect of a track and sets *rule to its rule. */
static enum rule_effect
pass_conclude(const struct pass *ps, const struct track *t, const struct rule **rule)
{
	enum rule_effect e = t->over		     ? t->effect
			     : ps->p->default_permit ? RULE_PERMIT
						     : RULE_DENY;

	*rule = t->ended;
	if (e == RULE_PERMIT && entities_any(&t->redact.of)) {
		*rule = t->first_redact;
		return RULE_REDACT;
	}
	return e;
}

/* Chooses a target. Returns 0 or ERR_NOMEM. */
static int
pass_choose(const struct pass *ps, bool full, struct policy_candidate *candidates,
	struct choice *out)
{
	const struct policy_rank *ranks = ps->f->ranks;
	size_t best = 0, denied = ps->ntargets, kept_out = ps->ntargets;
	bool any = false;
	const struct rule *rule;

	*out = (struct choice){ 0 };
	for (size_t i = 0; i < ps->ntargets; i++) {
		const struct evaluation *e = evaluation_at(ps, i);
		struct policy_candidate *c = &candidates[i];
		size_t place;
		*c = (struct policy_candidate){
			.target = &ps->targets[i], .trace = e->trace, .fate = CANDIDATE_LEFT
		};
		if (pass_conclude(ps, pass_track(e, full), &rule) == RULE_DENY) {
			c->fate = CANDIDATE_DENIED;
			c->rule = rule;
			denied = denied < i ? denied : i;
		} else if ((rule = routed_away(ps, i, full, &place))) {
			c->fate = CANDIDATE_ROUTED;
			c->rule = rule;
		} else if (ranks && ranks[i].out) {
			c->fate = CANDIDATE_OUT;
			c->out = ranks[i].out;
			kept_out = kept_out < i ? kept_out : i;
		} else if (!any || place < best) {
			any = true;
			best = place;
			out->at = i;
		}
	}
	out->none_in = !any && kept_out < ps->ntargets;
	if (out->none_in)
		denied = kept_out;
	if (!any && denied == ps->ntargets) {
		out->routed = true;
		out->effect = RULE_DENY;
		out->rule = candidates[0].rule;
	} else {
		out->at = any ? out->at : denied;
		INVARIANT(out->at < ps->ntargets);
		out->effect = pass_conclude(
			ps, pass_track(evaluation_at(ps, out->at), full), &out->rule);
	}
	if (any)
		candidates[out->at].fate = CANDIDATE_CHOSEN;
	out->changes.rules =
		arena_array(ps->view.a, ps->p->nheader_rules, sizeof(*out->changes.rules));
	if (!out->changes.rules)
		return ERR_NOMEM;
	collect_changes(ps, out->at, full, &out->changes);
	return 0;
}

/* Returns true if the body may still change the choice. */
static bool
pass_waits(const struct pass *ps, const struct policy_candidate *candidates)
{
	for (size_t i = 0; i < ps->ntargets; i++) {
		const struct evaluation *e = evaluation_at(ps, i);
		bool out = candidates[i].fate == CANDIDATE_ROUTED ||
			   (candidates[i].fate == CANDIDATE_DENIED && e->k.enforced.over);
		if (out ? e->waiting_end : e->waiting_any)
			return true;
	}
	return false;
}

/* Collects tags, and the recognizers that may be required. Returns 0 or ERR_NOMEM. */
static int
pass_collect(const struct pass *ps)
{
	struct policy_verdict *v = ps->out;
	size_t n = 0;

	if (!ps->p->changes)
		return 0;
	for (size_t i = 0; i < ps->p->nrules; i++) {
		const struct rule *r = &ps->p->rules[i];
		bool matched = false;
		for (size_t k = 0; k < (ps->each ? ps->ntargets : 1); k++)
			matched |= ps->e[k].trace[i].fate == RULE_MATCHED;
		if (r->change && matched && !rule_lifted(ps->p, ps->verified, r))
			v->may_require |= r->change->require;
		n += r->change ? r->change->ntags : 0;
	}
	v->ruled.tags = arena_array(ps->view.a, n, sizeof(*v->ruled.tags));
	if (!v->ruled.tags)
		return ERR_NOMEM;
	outcome_tag(&v->ruled, v->ruled.trace, ps->p->nrules);
	return 0;
}

/* ---- requests: the rules ---- */

/* Returns the result of a rule that does not read the target, if it was evaluated for an
 * earlier target. Returns 2 if it was not. */
static int
known_rule(const struct pass *ps, size_t at, size_t i, struct span *error)
{
	if (ps->p->rules[i].reads_target)
		return 2;
	for (size_t k = 0; k < at; k++) {
		const struct rule_trace *t = &ps->e[k].trace[i];
		*error = t->error;
		switch (t->fate) {
		case RULE_NO_MATCH: return 0;
		case RULE_MATCHED: return 1;
		case RULE_ERROR: return -1;
		default: break;
		}
	}
	return 2;
}

/* Evaluates one rule for the target at `at`. */
static void
decide_rule(struct pass *ps, size_t at, size_t i)
{
	struct evaluation *e = &ps->e[at];
	const struct rule *r = &ps->p->rules[i];
	struct rule_trace *t = &e->trace[i];

	if (!ps->f->whole && r->reads_body) {
		t->fate = RULE_WAITS;
		e->waiting_any = true;
		if ((r->effect == RULE_DENY || r->effect == RULE_PERMIT) &&
			!rule_end_lifted(ps->p, ps->verified, r))
			e->waiting_end = true;
		return;
	}
	int hit = at ? known_rule(ps, at, i, &t->error) : 2;
	if (hit == 2)
		hit = facts_test(&ps->view, r->when, &t->error);
	e->waiting_any |= hit > 0 && r->redacts && !ps->f->whole;
	/* collect_changes() collects its changes by the rule's fate */
	tracks_rule(&e->k, ps->p, ps->verified, r, hit, ps->f->entities, t);
}

static int
evaluate_target(struct pass *ps, size_t at)
{
	struct evaluation *e = &ps->e[at];

	e->trace = arena_array(ps->view.a, ps->p->nrules, sizeof(*e->trace));
	if (!e->trace)
		return ERR_NOMEM;
	if (at)
		facts_target(&ps->view, &ps->targets[at]);
	for (size_t i = 0; i < ps->p->nrules; i++) {
		e->trace[i].rule = &ps->p->rules[i];
		if (!e->k.enforced.over)
			decide_rule(ps, at, i);
	}
	return 0;
}

static bool
same_changes(const struct policy_changes *x, const struct policy_changes *y)
{
	return x->target == y->target && x->model == y->model &&
	       x->max_output_tokens == y->max_output_tokens && x->require == y->require &&
	       x->nrules == y->nrules;
}

/* Fills the verdict from the tracks. */
static int
fill_pass(struct pass *ps)
{
	struct policy_verdict *v = ps->out;
	struct choice now, would;

	v->ncandidates = ps->ntargets;
	v->candidates = arena_array(ps->view.a, 2 * ps->ntargets, sizeof(*v->candidates));
	if (!v->candidates || pass_choose(ps, false, v->candidates, &now) < 0 ||
		pass_choose(ps, true, v->candidates + ps->ntargets, &would) < 0)
		return ERR_NOMEM;
	const struct track *t = &ps->e[ps->each ? now.at : 0].k.enforced,
			   *full = &ps->e[ps->each ? would.at : 0].k.full;
	v->ruled.trace = v->candidates[now.at].trace;
	v->ruled.effect = now.effect;
	v->ruled.rule = now.rule;
	v->changes = now.changes;
	v->none_in = now.none_in;
	v->ruled.shadow_effect = would.effect;
	v->ruled.shadow_rule = would.rule;
	tracks_fill(t, full, &v->ruled);
	v->ruled.shadowed |= !same_changes(&now.changes, &would.changes);
	if (v->ruled.shadowed)
		v->shadow_changes = would.changes;
	v->classes_hit = ps->view.classes_hit;
	v->ruled.failed &= !now.routed;
	if (v->ruled.effect == RULE_DENY) {
		const struct rule *r = v->ruled.rule;
		bool own = !now.routed && r && r->effect == RULE_DENY;
		v->ruled.status = own ? r->status : 403;
		v->ruled.reason =
			now.routed ? "the rules of the policy leave no target for this request"
			: v->ruled.failed ? "a rule of the policy could not be evaluated"
			: own		  ? r->reason
					  : "no rule of the policy permits this request";
	} else {
		v->redact = t->redact;
		v->redacts = v->ruled.effect == RULE_REDACT;
		v->strips = t->strips;
	}
	if (!ps->f->whole)
		v->waits = pass_waits(ps, v->candidates);
	return pass_collect(ps);
}

int
policy_decide(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct policy_verdict *out)
{
	static const struct target nowhere = {
		.name = "", .region = "", .external = true, .weight = 1, .priority = 1
	};
	struct pass *ps = arena_new(a, struct pass);
	int err = 0;

	memset(out, 0, sizeof(*out));
	if (!ps)
		return ERR_NOMEM;
	ps->p = p;
	ps->f = f;
	ps->out = out;
	ps->targets = f->route ? f->route->targets : &nowhere;
	ps->ntargets = f->route ? f->route->ntargets : 1;
	if (f->only) {
		ps->targets = f->only;
		ps->ntargets = 1;
	}
	ps->verified = f->identity && f->identity->verified;
	ps->each = ps->ntargets > 1 && p->rules_read_target;
	size_t n = ps->each ? ps->ntargets : 1;
	ps->e = arena_array(a, n, sizeof(*ps->e));
	if (!ps->e)
		return ERR_NOMEM;
	facts_init(&ps->view, p, f, a);
	ps->view.target = ps->targets;
	for (size_t i = 0; i < n && err == 0; i++)
		err = evaluate_target(ps, i);
	if (err == 0)
		err = fill_pass(ps);
	for (size_t i = 0; i < p->ndata; i++)
		out->data_read |= (uint32_t)ps->view.known[V_COUNT + i] << i;
	return arena_failed(a) ? ERR_NOMEM : err;
}

struct cel_value
policy_data(const struct policy *p, const struct policy_facts *f, size_t i, struct arena *a)
{
	struct facts_view *v = arena_new(a, struct facts_view);
	bool present;

	if (!v)
		return (struct cel_value){ .type = CEL_MAP };
	facts_init(v, p, f, a);
	return facts_lookup(v, V_COUNT + i, &present);
}

bool
policy_has_server(const struct policy *p, const struct target *t, const struct policy_facts *f,
	struct arena *a)
{
	struct facts_view *v = t->when ? arena_new(a, struct facts_view) : NULL;
	struct span error;

	if (!t->when)
		return true;
	if (!v)
		return false;
	facts_init(v, p, f, a);
	return facts_test(v, t->when, &error) == 1;
}

/* Returns true if the condition holds or fails. `when` NULL: always */
static bool
may_hold(const struct policy *p, const struct cel_program *when, const struct policy_facts *f,
	struct arena *a)
{
	struct facts_view *v = when ? arena_new(a, struct facts_view) : NULL;
	struct span error;

	if (!v)
		return true;
	facts_init(v, p, f, a);
	return facts_test(v, when, &error) != 0;
}

/* A condition that reads the target is tried with each of them. */
bool
policy_asks(const struct policy *p, const struct external *x, const struct policy_facts *f,
	struct arena *a)
{
	struct span error;

	if (!x->reads_target || !f->route)
		return may_hold(p, x->when, f, a);
	struct facts_view *v = arena_new(a, struct facts_view);
	if (!v)
		return true;
	facts_init(v, p, f, a);
	for (size_t i = 0; i < f->route->ntargets; i++) {
		facts_target(v, &f->route->targets[i]);
		if (facts_test(v, x->when, &error) != 0)
			return true;
	}
	return false;
}

bool
policy_transcribes(const struct policy *p, const struct transcriber *t,
	const struct policy_facts *f, struct arena *a)
{
	return may_hold(p, t->when, f, a);
}

int
policy_requires(
	const struct policy *p, const struct policy_facts *f, struct arena *a, uint64_t *which)
{
	struct policy_verdict *v = p->requires ? arena_new(a, struct policy_verdict) : NULL;

	*which = 0;
	if (!p->requires)
		return 0;
	if (!v || policy_decide(p, f, a, v) < 0)
		return ERR_NOMEM;
	*which = v->may_require;
	return 0;
}

void
policy_verdict_forget(struct policy_verdict *v)
{
	v->ruled.trace = NULL;
	v->candidates = NULL;
	v->ruled.tags = NULL;
	v->ncandidates = v->ruled.ntags = 0;
	v->changes.rules = v->shadow_changes.rules = NULL;
	v->changes.nrules = v->shadow_changes.nrules = 0;
}
