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
/* The value of a field of the call. */
struct cel_value facts_of_tool(struct facts_view *v, enum policy_slot slot, bool *present);
/* The value of a field of the answer. */
struct cel_value facts_of_answer(struct facts_view *v, enum policy_slot slot);
/* Adds the classes of which something is among what was found (NULL: nothing), in a text of
 * their roles, or that the injection score reaches. */
void facts_find_classes(const struct policy *p, const struct entity_set *found,
	const uint16_t *roles, double injection, struct entity_set *hit);
/* Lists of texts, of names. */
struct cel_value facts_texts(struct facts_view *v, const struct span *text, size_t n);
struct cel_value facts_classes(struct facts_view *v, const struct entity_set *hit);
struct cel_value facts_entities(
	struct facts_view *v, const struct detect_rules *rules, const struct entity_set *found);
/* Goes on with another candidate. */
void facts_target(struct facts_view *v, const struct target *target);
/* A cel_activation's lookup; ctx is the view. */
struct cel_value facts_lookup(void *ctx, size_t slot, bool *present);
/* 1 true, 0 false, negative with *error filled; `when` NULL is true. */
int facts_test(struct facts_view *v, const struct cel_program *when, struct span *error);

#endif
