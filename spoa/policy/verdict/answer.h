/* The verdict on a response: rules with `phase: response` are evaluated from top to bottom on
 * what the response contains so far and on the request as it was decided. The functions change
 * nothing else and may be called again: the same facts give the same verdict.
 *
 * A whole response is evaluated once (ANSWER_WHOLE). A stream is evaluated whenever an entity
 * or class is new, before its text is sent (ANSWER_NEW), at the end of each block
 * (ANSWER_BLOCK), and at its own end (ANSWER_END). A rule that reads totals or the injection
 * score (directly or by a class) is not evaluated at ANSWER_NEW. A rule that reads the finish
 * reason is evaluated only once there is one, or at the end. By then its text has been sent, so
 * a policy does not load if such a rule redacts.
 *
 * The route states if its responses are read, and what is searched for: RESP_INSPECT and struct
 * answer_uses. */
#ifndef POLICY_VERDICT_ANSWER_H
#define POLICY_VERDICT_ANSWER_H

#include "policy/verdict/decide.h"

enum answer_when { ANSWER_WHOLE, ANSWER_NEW, ANSWER_BLOCK, ANSWER_END };
extern const char *const answer_when_names[]; /* "whole", "new", "block", "end" */

/* A call in a response, with complete arguments. */
struct tool_verdict;

struct answer_tool {
	struct span name;
	struct span arguments; /* as the model wrote them: JSON, or text that is not JSON */
	/* the arguments exceed the bound on what is kept, so reading them fails (prose: ok
	 * what) */
	bool lost;
	/* the arguments with the values that placeholders stand for, as tool.origins reads them;
	 * empty: as written */
	struct span meant;
	/* replay: tool.origins as recorded; NULL: the values are looked up */
	const struct cel_value *origins;
	unsigned left; /* as in struct tool_call */
	const uint32_t *slot; /* ANSWER_SLOTS numbers that name the call; NULL: not set */
	/* its rules were evaluated as it ended, and are not evaluated again */
	bool let_go;
};

/* The known facts about a response. Borrowed for the time of a call. */
struct answer_facts {
	const struct detect_rules *rules; /* names of the entities */
	struct entity_set entities;	  /* found, with scores over their thresholds */
	/* roles of the segments with each entity, as in struct policy_facts: assistant,
	 * tool_call; NULL: any */
	const uint16_t *roles;
	double injection; /* the highest score so far */
	/* facts of the response so far; tokens as counted or as stated by the provider */
	int64_t bytes, tokens;
	struct span finish_reason, model; /* "": unknown */
	int status;			  /* the provider's */
	bool streamed;
	bool evasion;		  /* as `evasion` of struct policy_facts */
	const struct span *media; /* kinds of parts that are not text */
	size_t nmedia;
	const struct span *speech; /* about the transcribed sounds of a whole response */
	size_t nspeech;
	const struct answer_tool *tools;
	size_t ntools;
	bool asks_all; /* evaluate calls again that were released */
};

/* The sources of a request's texts, for tool.origins. In the arena of the struct answer_request. */
struct answer_origins {
	bool asked;	     /* the route's rules ask */
	bool unseen;	     /* MCP: the person's text is not part of the request */
	struct origins *index; /* NULL: no texts */
	const char *why;     /* why reading the field fails; NULL: it does not */
};

/* The request's facts that response and tool rules read. Lives in the arena it was made in, and
 * borrows from the policy. */
struct answer_request {
	const struct route *route;
	/* the caller's identity: shadow mode applies to verified callers only */
	bool verified;
	/* the provider keeps the response, so no call can be removed from it */
	bool keeps_turn;
	struct answer_kept { /* A kept value: one for each of policy.answer_slots. */
		struct cel_value value;
		bool present;
	} * kept;
	/* descriptions of tools, if a rule with phase: tool reads tool.description */
	struct tools_told told;
	struct answer_origins origins;
};

/* Returns 0 or ERR_NOMEM. */
int tools_told_copy(const struct tools_told *from, struct arena *a, struct tools_told *to);

/* The result of policy_answer(). */
struct answer_verdict {
	struct rule_outcome ruled;
	/* Of the findings so far. The latest verdict also applies to later findings of the same
	 * entities. */
	struct redactions redact;
	struct entity_set classes_hit; /* bit i: policy class i is in response.classes */
	/* for each of the facts' tools, the verdict of rules with phase: tool; NULL: not
	 * evaluated. of_tools is NULL if no call was evaluated */
	const struct tool_verdict **of_tools;
};

/* Copies the facts of a permitted request that response rules read. `target` is where the
 * request is sent, and `body` names the model that was asked for. Returns 0 or ERR_NOMEM. */
int policy_answer_request(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct answer_request *out);

/* Evaluates the response rules. `deny` ends the evaluation; redact and tag add up. A response
 * that no rule denies is passed, whatever the policy's default is. A rule that fails counts as
 * its on_error. Shadow mode works as in policy_decide(). If the route has `uses.calls`, each
 * call is evaluated too (policy/verdict/tool.h), except at ANSWER_NEW. A denied call denies the
 * response. Redactions of tool rules are not searched for here. `trace` and `tags` live in the
 * arena. Returns 0 or ERR_NOMEM. */
int policy_answer(const struct policy *p, const struct answer_request *asked,
	const struct answer_facts *f, enum answer_when when, struct arena *a,
	struct answer_verdict *out);

#endif
