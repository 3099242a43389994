/* The result of rules, for requests, responses and calls: two outcomes in one pass, the
 * enforced one and the one without shadow mode, so that a shadow period shows the effect of
 * enforcing. */
#include "base/err.h"
#include "policy/rule.h"
#include "policy/verdict/pass.h"

bool
rule_lifted(const struct policy *p, bool verified, const struct rule *r)
{
	return (r->shadow || p->shadow) && verified;
}

bool
rule_end_lifted(const struct policy *p, bool verified, const struct rule *r)
{
	return r->effect == RULE_PERMIT ? r->shadow : rule_lifted(p, verified, r);
}

void
track_end(struct track *t, const struct rule *r, enum rule_effect effect, bool failed)
{
	if (t->over)
		return;
	t->over = true;
	t->ended = r;
	t->effect = effect;
	t->failed = failed;
}

void
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

void
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

void
tracks_fill(const struct track *enforced, const struct track *full, struct rule_outcome *o)
{
	o->failed = enforced->failed;
	o->shadowed = o->shadow_effect != o->effect || o->shadow_rule != o->rule ||
		      full->strips != enforced->strips ||
		      memcmp(&full->redact, &enforced->redact, sizeof(full->redact)) != 0;
}

int
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

void
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
