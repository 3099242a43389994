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

enum { KINDS_NAMED = 7 };

extern const char *const answer_kinds[KINDS_NAMED];

/* Returns the plan for a case: inspection, and denial of uninspected content. */
struct guard_plan answer_plan(const struct answer_case *r, const struct policy *p,
	const struct answer_request *asked, struct detect_scratch *scratch);

/* Compiles a policy with these rules, and what they read from a request. */
void answer_load(
	const char *rules, struct policy_fix *f, struct arena *a, struct answer_request *asked);

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

/* Compiles the policy of the case and makes the plan, which the test may change. */
void guard_rig_load(struct guard_rig *r, const struct answer_case *c);

/* Makes the guard, for a response with status 200. */
void guard_rig_begin(struct guard_rig *r, const struct answer_case *c);

/* guard_rig_load() and guard_rig_begin(). */
void guard_rig_open(struct guard_rig *r, const struct answer_case *c);

/* Feeds bytes, unless the response has ended. Appends the output to r->out. */
void guard_rig_feed(struct guard_rig *r, struct span in);

/* Ends the response, unless it has ended before. */
void guard_rig_end(struct guard_rig *r);

/* Frees everything that guard_rig_load() and guard_rig_begin() made. */
void guard_rig_close(struct guard_rig *r);

#endif
