/* A guard for a response of a test: compiles the policy of a case, makes a plan, feeds the
 * guard and collects its output and result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/answer_fix.h"

const char *const answer_kinds[KINDS_NAMED] = { "text", "reasoning", "signed", "refusal",
	"arguments", "input", "other" };

struct guard_plan
answer_plan(const struct answer_case *r, const struct policy *p,
	const struct answer_request *asked, struct detect_scratch *scratch)
{
	struct guard_plan plan = { .format = answer_format_find(
					   span_str(r->dialect), span_str(r->path)),
		.dialect = dialect_find(span_str(r->dialect)),
		.path = span_str(r->path),
		.policy = p,
		.tools = p->tools,
		.ntools = p->ntools,
		.rules = detect_fix()->rules,
		.scratch = scratch,
		.inspects = true,
		.options = policy_detect_options(p),
		.asked = asked,
		.unread = OUT_DENY };

	if (!plan.dialect)
		plan.dialect = dialect_find(SPAN_LIT("rest"));
	return plan;
}

void
answer_load(
	const char *rules, struct policy_fix *f, struct arena *a, struct answer_request *asked)
{
	struct identity id = { .verified = true };

	fix_load_rules(f, rules);
	arena_init(a, 0, false);
	struct policy_facts facts = { .identity = &id,
		.route = &f->p->routes[0],
		.whole = true,
		.rules = detect_fix()->rules };
	assert_int_equal(policy_answer_request(f->p, &facts, a, asked), 0);
}

void
guard_rig_load(struct guard_rig *r, const struct answer_case *c)
{
	*r = (struct guard_rig){ .scratch = detect_scratch_new(detect_fix()->rules) };
	answer_load(c->rules, &r->f, &r->a, &r->asked);
	r->plan = answer_plan(c, r->f.p, &r->asked, r->scratch);
	buf_init(&r->out, 0);
	r->got = GUARD_PASS;
}

void
guard_rig_begin(struct guard_rig *r, const struct answer_case *c)
{
	struct guard_head head = { .status = 200, .content_type = span_str(c->type) };

	r->g = guard_new(&r->plan, &head);
	assert_non_null(r->g);
}

void
guard_rig_open(struct guard_rig *r, const struct answer_case *c)
{
	guard_rig_load(r, c);
	guard_rig_begin(r, c);
}

void
guard_rig_feed(struct guard_rig *r, struct span in)
{
	if (!r->got)
		r->got = guard_feed(r->g, in, &r->out);
}

void
guard_rig_end(struct guard_rig *r)
{
	if (!r->got)
		r->got = guard_end(r->g, &r->out);
}

void
guard_rig_close(struct guard_rig *r)
{
	guard_drop(&r->g);
	detect_scratch_free(&r->scratch);
	arena_reset(&r->a);
	buf_free(&r->out);
	fix_done(&r->f);
}
