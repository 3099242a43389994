/* Facts as values of conditions: one view for each decision. Each value is made when a condition
 * first reads it. For verdict/ only. */
#ifndef POLICY_VERDICT_FACTS_H
#define POLICY_VERDICT_FACTS_H

#include "policy/env.h"
#include "policy/verdict/tool.h"

/* One view. Lives in the arena of the decision. */
struct facts_view {
	const struct policy *p;
	const struct policy_facts *f;
	const struct target *target; /* NULL: no route */
	struct arena *a;
	struct entity_set classes_hit;
	/* facts of a response; NULL: none yet */
	const struct answer_facts *answer;
	struct entity_set answer_classes;
	const struct answer_request *asked; /* NULL: the decision is about a request */
	const struct tool_call *call; /* NULL: the decision is not about a call */
	struct cel_value value[V_ALL];
	bool present[V_ALL];
	bool known[V_ALL];
};

/* Begins a view of a request. The first target of the route is used unless the facts name
 * one. */
void facts_init(struct facts_view *v, const struct policy *p, const struct policy_facts *f,
	struct arena *a);
/* Begins a view of a response. The request's facts that its rules read were kept in *asked. */
void facts_answer(struct facts_view *v, const struct policy *p,
	const struct answer_request *asked, const struct answer_facts *f, struct arena *a);
/* Begins a view of a call. */
void facts_tool(struct facts_view *v, const struct policy *p,
	const struct answer_request *asked, const struct tool_call *c, struct arena *a);
/* Continues with another call. */
void facts_call(struct facts_view *v, const struct tool_call *c);
/* Continues with another target. */
void facts_target(struct facts_view *v, const struct target *target);
/* The lookup function of a cel_activation; `ctx` is the view. */
struct cel_value facts_lookup(void *ctx, size_t slot, bool *present);
/* Evaluates a condition. Returns 1 for true, 0 for false, or a negative error with *error.
 * `when` NULL is true. */
int facts_test(struct facts_view *v, const struct cel_program *when, struct span *error);

#endif
