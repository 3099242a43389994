/* A decision as its record describes it, in the form of facts that rules can read again.
 * For `audit explain` and `policy replay`. */
#ifndef CMD_RECORDS_RECORDED_H
#define CMD_RECORDS_RECORDED_H

#include <jansson.h>

#include "cmd/alone.h"
#include "policy/verdict/explain.h"
#include "record/archive/kept_policy.h"
#include "scan/text/body.h"

/* A decision that was read back. It borrows from the record and from the arena given to
 * recorded_read(). */
struct recorded {
	int64_t attempt; /* the number of a later attempt, which has a record of its own, from
			  * 2; else 0 */
	const char *id, *decided_at, *decision, *label; /* "" if the record lacks the value */
	bool before_rules;				/* decided without evaluating a rule */
	bool same_version;				/* the record names the version of the
							 * given policy */
	const char *effect, *rule;			/* the result of the rules */
	const char
		*outcomes; /* one letter for each rule (explain_letters); NULL: not recorded */
	bool no_route;	   /* no route of the given policy matches */
	bool all_searched;
	bool no_roles; /* the record does not state where some entities were found */
	struct entity_set searched; /* the entities that were searched for, if not all */
	/* the text of the policy that decided is kept, and meant is its entry of p->meant */
	bool compares;
	json_t *meant;
	struct policy_facts facts;
	struct slot_set missing;
	const struct cel_value *data[CAP_DATA];
	/* the objects that `facts` points to */
	struct identity identity;
	struct body body;
	struct entity_set entities;
	uint16_t roles[DETECT_ENTITIES_MAX];
};

/* Reads the record of a policy that came into force: the entities that later decisions
 * searched for. They are kept in p->searched. */
void recorded_policy(struct policy_alone *p, json_t *record);
/* Notes in p->meant how the policy that made this decision finds each entity, from its text that
 * is kept at one of the places. Later, decisions count as uncertain if a rule of *p reads an
 * entity that *p finds otherwise, because the recorded requests were not searched for it. */
void recorded_meanings(struct policy_alone *p, const char *config,
	const struct kept_places *places, const json_t *record);
/* Returns true for a record of a decision by rules, of a request or of a later attempt. */
bool recorded_decides(const json_t *record);
/* Returns true if the request was relayed, so that a response may exist. */
bool recorded_relayed(const json_t *record);
/* Reads the record as facts for p. Everything lives in the arena or in `record`. Returns
 * false if it is no record of a decision, or if memory is exhausted. */
bool recorded_read(
	struct recorded *out, json_t *record, const struct policy_alone *p, struct arena *a);
/* Evaluates the rules again. *unsure gets the reason why the result may differ from the
 * original one, or NULL if it cannot. Returns 0 or ERR_NOMEM. */
int recorded_decide(const struct recorded *r, const struct policy_alone *p, struct arena *a,
	struct policy_verdict *out, const char **unsure);

/* ---- responses ---- */

/* A completion that was read back, with the values of its request that rules on responses
 * read. Borrows as struct recorded does. */
struct recorded_answer {
	bool judged; /* rules were evaluated, and the completion has the values that they read
		      */
	bool same_version;
	enum answer_when when; /* point at which rules were last evaluated */
	const char *effect, *rule, *outcomes;
	json_t *tags; /* NULL: none */
	struct answer_facts facts;
	bool origins_held; /* tool.origins is known for each call */
	struct answer_request asked;
	bool left_held; /* the reasons why placeholders stayed in the calls are recorded */
	bool arguments_held;   /* the arguments of tool calls are known */
	bool arguments_sealed; /* the arguments are sealed, and recorded_open() did not open them */
	bool all_searched;
	struct entity_set searched;
	struct slot_set missing;
	const char *unsure; /* why no rule's result is certain; NULL: each is */
	const struct recorded *request;
	uint16_t roles[DETECT_ENTITIES_MAX];
};
/* Opens the sealed arguments of calls, if the key can, and adds them to the record as
 * older, unsealed records have them: as calls[].arguments and, in a response,
 * answer.verdict.tool_arguments. Nothing is added if the kept text is cut differently from
 * what the rules read. */
struct opening;
void recorded_open(struct opening *o, json_t *record);
/* Reads a completion, and from its decision the values of the request that rules on
 * responses read. Returns false if memory is exhausted. */
bool recorded_answer_read(struct recorded_answer *out, json_t *completion, json_t *decision,
	const struct recorded *request, const struct policy_alone *p, struct arena *a);
/* As recorded_decide(), for rules on responses. */
int recorded_answer_decide(const struct recorded_answer *r, const struct policy_alone *p,
	struct arena *a, struct answer_verdict *out, const char **unsure);

#endif
