/* Answers for the tests of guard/: a policy's rules, a provider's bytes, and how a guard is
 * made for them. */
#ifndef SUPPORT_ANSWER_FIX_H
#define SUPPORT_ANSWER_FIX_H

#include "guard/guard.h"
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

#define FRAMES "application/vnd.amazon.eventstream" /* `in` has an event a line */

struct answer_case {
	const char *name, *rules, *dialect, *path, *type, *in;
	const char *want; /* text by channel, then what the report says */
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

/* A policy with these rules, and what they read of a request. */
static inline void
load(const char *rules, struct policy_fix *f, struct arena *a, struct answer_request *asked)
{
	struct identity id = { .verified = true };
	struct buf text;

	buf_init(&text, 0);
	buf_printf(&text, "%s%s%c", H, rules, 0);
	if (!fix_load(f, &fix_config, buf_view(&text).p))
		fail_msg("%.*s", SPAN_ARG(buf_view(&f->d.text)));
	arena_init(a, 0, false);
	struct policy_facts facts = { .identity = &id,
		.route = &f->p->routes[0],
		.whole = true,
		.rules = detect_fix()->rules };
	assert_int_equal(policy_answer_request(f->p, &facts, a, asked), 0);
	buf_free(&text);
}

#endif
