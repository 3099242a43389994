/* A decision's record as facts that rules can read again: for audit explain and
 * policy replay. */
#ifndef CMD_RECORDS_RECORDED_H
#define CMD_RECORDS_RECORDED_H

#include <jansson.h>

#include "cmd/alone.h"
#include "policy/verdict/explain.h"

struct recorded {
	int64_t attempt; /* from 2 on: of a later one, which has a record of its own */
	const char *id, *decided_at, *decision, *label; /* "" where the record lacks it */
	bool before_rules;				/* decided without asking a rule */
	bool same_version;				/* as the policy given */
	const char *effect, *rule;			/* what the rules said */
	const char *outcomes; /* a letter a rule (explain_letters); NULL: not recorded */
	bool no_route;	      /* no route of the policy given matches */
	bool all_searched;
	bool no_roles; /* something was found of which the record does not say where */
	struct entity_set searched; /* where not all were */
	struct policy_facts facts;
	struct slot_set missing;
	const struct cel_value *data[CAP_DATA];
	/* what the facts point to */
	struct identity identity;
	struct body body;
	struct entity_set entities;
	uint16_t roles[DETECT_ENTITIES_MAX];
};

/* The record of a policy that came into force: what decisions after it were searched for. */
void recorded_policy(struct policy_alone *p, json_t *record);
/* A record of what rules decided: of a request, or of a later attempt of one. */
bool recorded_decides(const json_t *record);
/* An answer may have come of it: it went through the relay. */
bool recorded_relayed(const json_t *record);
/* Reads what the record holds, as facts for p. Everything lives in the arena or in
 * `record`. False: it is no record of a decision, or out of memory. */
bool recorded_read(
	struct recorded *out, json_t *record, const struct policy_alone *p, struct arena *a);
/* The rules again. `unsure`: why that may not be what they would have said, NULL: it is. 0 or
 * ERR_NOMEM. */
int recorded_decide(const struct recorded *r, const struct policy_alone *p, struct arena *a,
	struct policy_verdict *out, const char **unsure);


/* ---- answers: recorded_answer.c ---- */

struct recorded_answer {
	bool judged; /* rules were asked: the completion says what they read */
	bool same_version;
	enum answer_when when; /* the rules were asked last */
	const char *effect, *rule, *outcomes;
	json_t *tags; /* NULL: none */
	struct answer_facts facts;
	struct answer_request asked;
	bool arguments_held;   /* of tool calls */
	bool arguments_sealed; /* they are kept, and recorded_open() did not open them */
	bool all_searched;
	struct entity_set searched;
	struct slot_set missing;
	const char *unsure; /* no rule is sure: why; NULL */
	const struct recorded *request;
	uint16_t roles[DETECT_ENTITIES_MAX];
};
/* What calls were made with is sealed: of a record whose texts the key opens they become
 * members of it (calls[].arguments, and of an answer what rules read,
 * answer.verdict.tool_arguments), as records of before have them. Where they are cut or not as
 * rules read them, nothing does. */
struct opening;
void recorded_open(struct opening *o, json_t *record);
/* Reads a completion, and of the decision before it what rules on answers read of the request.
 * False: out of memory. */
bool recorded_answer_read(struct recorded_answer *out, json_t *completion, json_t *decision,
	const struct recorded *request, const struct policy_alone *p, struct arena *a);
/* As recorded_decide(). */
int recorded_answer_decide(const struct recorded_answer *r, const struct policy_alone *p,
	struct arena *a, struct answer_verdict *out, const char **unsure);

#endif
