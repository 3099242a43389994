/* Facts of a request as values of conditions: one view a decision, each value
 * made when a condition first asks for it. Not for other folders. */
#ifndef POLICY_VERDICT_FACTS_H
#define POLICY_VERDICT_FACTS_H

#include "policy/verdict/tool.h"

struct facts_view {
	const struct policy *p;
	const struct policy_facts *f;
	const struct target *target; /* NULL: no route */
	struct arena *a;
	struct entity_set classes_hit;
	/* of an answer; NULL: there is none yet */
	const struct answer_facts *answer;
	struct entity_set answer_classes;
	const struct tool_call *call; /* NULL: it is about none */
	struct cel_value value[V_ALL];
	bool present[V_ALL];
	bool known[V_ALL];
};

void facts_init(struct facts_view *v, const struct policy *p, const struct policy_facts *f,
	struct arena *a);
/* The same of an answer; what its rules read of the request was kept. */
void facts_answer(struct facts_view *v, const struct policy *p,
	const struct answer_request *asked, const struct answer_facts *f, struct arena *a);
/* The same of a call. */
void facts_tool(struct facts_view *v, const struct policy *p,
	const struct answer_request *asked, const struct tool_call *c, struct arena *a);
/* Goes on with another call. */
void facts_call(struct facts_view *v, const struct tool_call *c);
/* Goes on with another candidate. */
void facts_target(struct facts_view *v, const struct target *target);
/* A cel_activation's lookup; ctx is the view. */
struct cel_value facts_lookup(void *ctx, size_t slot, bool *present);
/* 1 true, 0 false, negative with *error filled; `when` NULL is true. */
int facts_test(struct facts_view *v, const struct cel_program *when, struct span *error);

#endif
