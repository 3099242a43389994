/* Responses for the tests of guard/: the rules of a policy, the bytes of a provider, and a
 * guard for them. */
#ifndef SUPPORT_ANSWER_FIX_H
#define SUPPORT_ANSWER_FIX_H

#include "answer/guard/guard.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/rule.h"
#include "support/policy_fix.h"

#define H      POLICY_HEAD
#define REDACT "rules: [{name: a, phase: response, redact: {classes: [pii]}}]\n"
#define DENY                                                                                   \
	"rules: [{name: a, phase: response, when: '\"US_SSN\" in response.entities', deny: "   \
	"{reason: no numbers}}]\n"
#define MAIL "jane.doe@example.org"

#define CHUNK(text)                                                                            \
	"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text         \
	"\"}}]}\n\n"
#define STOP                                                                                   \
	"data: "                                                                               \
	"{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"   \
	"\n\n"                                                                                 \
	"data: [DONE]\n\n"

#define FRAMES "application/vnd.amazon.eventstream" /* `in` has one event per line */

struct answer_case {
	const char *name, *rules, *dialect, *path, *type, *in;
	const char *want; /* texts by channel, followed by the report */
};

static const char *const answer_kinds[] = { "text", "reasoning", "signed", "refusal",
	"arguments", "input", "other" };

static inline struct guard_plan
plan_of(const struct answer_case *r, const struct policy *p, const struct answer_request *asked,
	struct detect_scratch *scratch)
{
	struct guard_plan plan = { .format = answer_format_find(
					   span_str(r->dialect), span_str(r->path)),
		.dialect = dialect_find(span_str(r->dialect)),
		.path = span_str(r->path),
		.policy = p,
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

/* Compiles a policy with these rules, and what they read from a request. */
static inline void
load(const char *rules, struct policy_fix *f, struct arena *a, struct answer_request *asked)
{
	struct identity id = { .verified = true };
	struct buf text;

	buf_init(&text, 0);
	buf_printf(&text, "%s%s%c", H, rules, 0);
	fix_must_load(f, buf_view(&text).p);
	arena_init(a, 0, false);
	struct policy_facts facts = { .identity = &id,
		.route = &f->p->routes[0],
		.whole = true,
		.rules = detect_fix()->rules };
	assert_int_equal(policy_answer_request(f->p, &facts, a, asked), 0);
	buf_free(&text);
}

/* The guard of a case, and everything that the guard needs. */
struct guard_rig {
	struct detect_scratch *scratch;
	struct answer_request asked;
	struct policy_fix f;
	struct arena a;
	struct guard_plan plan; /* may be changed before guard_rig_begin() */
	struct guard *g;
	struct buf out;
	enum guard_result got; /* the result that ended the response, or GUARD_PASS */
};

static inline void
guard_rig_load(struct guard_rig *r, const struct answer_case *c)
{
	*r = (struct guard_rig){ .scratch = detect_scratch_new(detect_fix()->rules) };
	load(c->rules, &r->f, &r->a, &r->asked);
	r->plan = plan_of(c, r->f.p, &r->asked, r->scratch);
	buf_init(&r->out, 0);
	r->got = GUARD_PASS;
}

static inline void
guard_rig_begin(struct guard_rig *r, const struct answer_case *c)
{
	struct guard_head head = { .status = 200, .content_type = span_str(c->type) };

	r->g = guard_new(&r->plan, &head);
	assert_non_null(r->g);
}

static inline void
guard_rig_open(struct guard_rig *r, const struct answer_case *c)
{
	guard_rig_load(r, c);
	guard_rig_begin(r, c);
}

static inline void
guard_rig_feed(struct guard_rig *r, struct span in)
{
	if (!r->got)
		r->got = guard_feed(r->g, in, &r->out);
}

static inline void
guard_rig_end(struct guard_rig *r)
{
	if (!r->got)
		r->got = guard_end(r->g, &r->out);
}

static inline void
guard_rig_close(struct guard_rig *r)
{
	guard_drop(&r->g);
	detect_scratch_free(&r->scratch);
	arena_reset(&r->a);
	buf_free(&r->out);
	fix_done(&r->f);
}

#endif
