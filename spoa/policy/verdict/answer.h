/* What the policy in force says about an answer: its rules of `phase: response`, top to
 * bottom, on what the answer holds so far and on the request as it was decided. Touches
 * nothing else and may be asked again and again: same facts, same verdict.
 *
 * A whole answer is asked about once (ANSWER_WHOLE). A stream is asked about whenever an
 * entity or class is new, before its text goes (ANSWER_NEW), at the end of each block
 * (ANSWER_BLOCK) and at its own end (ANSWER_END). A rule that reads totals, the injection
 * score (by itself or by a class) or the finish reason is not asked at ANSWER_NEW; one that
 * reads the finish reason not before there is one, or the end. What such a rule would have
 * replaced has gone by then: policies do not load where it redacts.
 *
 * Which routes' answers are read for it, and what is searched for in them, is compiled into
 * the route: RESP_INSPECT, struct answer_uses. */
#ifndef POLICY_VERDICT_ANSWER_H
#define POLICY_VERDICT_ANSWER_H

#include "policy/verdict/decide.h"

enum answer_when { ANSWER_WHOLE, ANSWER_NEW, ANSWER_BLOCK, ANSWER_END };
extern const char *const answer_when_names[]; /* "whole", "new", "block", "end" */

/* A call whose arguments are there to their end. */
struct tool_verdict;

struct answer_tool {
	struct span name;
	struct span arguments; /* as the model wrote them: JSON, or text that is none */
	bool lost; /* the arguments are longer than what is kept: reading them fails */
	const uint32_t *slot; /* whose call it is, ANSWER_SLOTS numbers; NULL: not said */
	bool let_go;	      /* its rules were asked as it ended: they are not again */
};

/* What is known of an answer. Borrowed for the call. */
struct answer_facts {
	const struct detect_rules *rules; /* names of the entities */
	struct entity_set entities;	  /* found, over their thresholds */
	const uint16_t *roles; /* as struct policy_facts: assistant, tool_call; NULL: any */
	double injection;      /* the highest score so far */
	int64_t bytes, tokens; /* of the answer so far; tokens as counted or stated */
	struct span finish_reason, model; /* "": not known */
	int status;			  /* the provider's */
	bool streamed;
	bool evasion;		  /* as struct policy_facts */
	const struct span *media; /* kinds of opaque parts */
	size_t nmedia;
	const struct answer_tool *tools;
	size_t ntools;
	bool asks_all; /* of them, those that were let go too */
};

/* What the response rules read of the request. Lives in the arena it was made in and in
 * the policy. */
struct answer_request {
	const struct route *route;
	bool verified;	     /* its caller's identity: what shadow may lift */
	bool keeps_turn;     /* the provider is to keep the answer: no call can be taken out */
	struct answer_kept { /* as policy.answer_slots */
		struct cel_value value;
		bool present;
	} * kept;
	struct tools_told told; /* where a rule with phase: tool reads tool.description */
};

/* 0 or ERR_NOMEM. */
int tools_told_copy(const struct tools_told *from, struct arena *a, struct tools_told *to);

struct answer_verdict {
	struct rule_outcome ruled;
	/* Of what was found: of the latest verdict they hold for findings of the same entities
	 * that come after it. */
	struct redactions redact;
	struct entity_set classes_hit; /* bit i: policy class i is in response.classes */
	/* By place in the facts' tools, what rules with phase: tool said of each: NULL where it
	 * was not asked about. `of_tools` NULL: no call was */
	const struct tool_verdict **of_tools;
};

/* Copies what the response rules read of these facts, of a request that is let go: `target`
 * is where it goes, `body` names the model that was asked for. 0, or ERR_NOMEM. */
int policy_answer_request(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct answer_request *out);

/* Deny ends the evaluation, redact and tag add up, and what no rule denies passes, whatever
 * the policy's default is. A rule that fails at run time counts as its on_error. Shadow lifts
 * as in policy_decide(). Where the route has `uses.calls` each call is asked about too
 * (policy/verdict/tool.h), but not at ANSWER_NEW: a call that is denied denies the answer, by
 * that rule; what such a rule redacts is not looked for. `trace` and `tags` live in the arena.
 * 0, or ERR_NOMEM. */
int policy_answer(const struct policy *p, const struct answer_request *asked,
	const struct answer_facts *f, enum answer_when when, struct arena *a,
	struct answer_verdict *out);

#endif
