/* What the policy in force says about one call: its rules of `phase: tool`, top to bottom. A
 * tools/call of MCP and a call in a model's answer are judged by the same function, and so are
 * entries of lists (MCP's, and the tools that a chat request offers), of which nobody knows yet
 * what they will be called with. Pure: same facts, same verdict.
 *
 * Asked are the rules that fit: one whose condition does not read mcp.method is for calls
 * (struct tool_call has a name or a URI), so that `deny: true` ends no handshake; one that
 * reads it is asked about each MCP request. */
#ifndef POLICY_VERDICT_TOOL_H
#define POLICY_VERDICT_TOOL_H

#include "policy/verdict/answer.h"

/* Of the pin of its description: tool.state. */
enum tool_state { TOOL_UNPINNED, TOOL_NEW, TOOL_APPROVED, TOOL_CHANGED, TOOL_UNLISTED };
extern const char *const tool_states[]; /* "", "new", "approved", "changed", "unlisted" */
extern const char tool_odd_uri[];	/* why one is denied */

enum tool_as {
	TOOL_CALLED,
	TOOL_LISTED,  /* in an MCP list: unknown are arguments, and what a body holds */
	TOOL_OFFERED, /* by a chat request: unknown are the arguments */
	TOOL_HOSTED,  /* likewise, and the provider runs it: no call comes that could be denied
		       */
};

/* Borrowed for the call; "": there is none. */
struct tool_call {
	enum tool_as as;
	struct span method; /* of MCP; of a list's entry the one that would use it, such as
			       tools/call; "" in an answer and of what a chat request offers */
	struct span name;   /* the tool's or the prompt's */
	struct span server; /* the provider's name; "" in an answer */
	struct span uri;    /* the resource's */
	bool odd_uri;	    /* of which there are several spellings: base/codec/uri_normal.h */
	struct span description;
	struct span arguments; /* as they were written: JSON, or text that is none */
	bool lost;	  /* the arguments are longer than what is kept: reading them fails */
	bool undescribed; /* so is what describes the tools of the request */
	enum tool_state state;
	bool any; /* TOOL_HOSTED: some tool of that server; the request does not say which */
};

struct tool_verdict {
	struct rule_outcome ruled; /* `rule` NULL: none, or `changed` */
	bool permitted;		   /* by a rule: what a method that nobody knows needs */
	bool changed;		   /* denied since its description is not the one approved */
	bool odd_uri; /* denied since servers read its URI in more ways than the rules did */
	bool hide;    /* the denial takes it out of lists too */
	bool error;   /* deny: {as: error}; else the denial is a result that the agent reads */
	/* Of whatever is found in arguments and results: not only of what was. */
	struct redactions redact;
};

/* Whether it is a call, in contrast to a message of the protocol such as tools/list. */
static inline bool
tool_is_call(const struct tool_call *c)
{
	return c->name.n || c->uri.n;
}

/* Deny and permit end the evaluation, redact and tag add up, and what no rule denies passes,
 * whatever the policy's default is; but a tool whose description changed is denied and hidden,
 * unless a permit ended it that reads tool.state, and so is an odd URI where a rule reads one
 * (`uses.uris`). A rule that fails at run time counts as its on_error. Shadow lifts as in
 * policy_decide().
 *
 * `asked`: policy_answer_request() of the request. `trace` and `tags` live in the arena. 0, or
 * ERR_NOMEM. */
int policy_tool(const struct policy *p, const struct answer_request *asked,
	const struct tool_call *c, struct arena *a, struct tool_verdict *out);

/* What the request said of the tool: of all that it called so, a line each. */
void policy_describe(const struct answer_request *asked, struct arena *a, struct tool_call *c);
/* The same of a call in a model's answer: no server, no state; its description is the
 * request's.
 */
int policy_called(const struct policy *p, const struct answer_request *asked,
	const struct answer_tool *t, struct arena *a, struct tool_verdict *out);

/* What such rules replace in results, of whatever is found there. */
struct tool_redacts {
	const struct rule *rule; /* the first of them; NULL: nothing is replaced */
	struct redactions redact;
};
/* In results of calls of this server that nobody here knows, such as those that a stream of GET
 * brings: what any rule replaces that may match one. 0, or ERR_NOMEM. */
int policy_tool_unknown(const struct policy *p, const struct answer_request *asked,
	struct span server, struct arena *a, struct tool_redacts *out);

/* The same of a list's entries, one after the other: what does not change from one to the next
 * is made once. Only denials with `hide` count, and changed descriptions. A rule that may match
 * or not, depending on what is unknown, hides nothing, and one that may permit keeps those
 * after it from hiding. NULL: ERR_NOMEM. */
struct tool_list;
struct tool_list *tool_list_new(
	const struct policy *p, const struct answer_request *asked, struct arena *a);
/* Whether it is not shown: an entry that cannot be judged is not. *rule hides it; NULL: its
 * description changed, or its URI is odd. */
bool tool_list_hides(struct tool_list *l, const struct tool_call *c, const struct rule **rule);
/* The same of a tool that the provider runs, as TOOL_HOSTED. What denies it without `hide`
 * refuses the request that offers it. A permit that depends on arguments permits nothing, and a
 * denial that does denies nothing. Of `any` a rule that denies some tools of that very server
 * denies it. *rule: that hides or refuses; NULL: its URI is odd. */
enum tool_hosted { HOSTED_SHOWN, HOSTED_HIDDEN, HOSTED_REFUSED };
enum tool_hosted tool_list_hosted(
	struct tool_list *l, const struct tool_call *c, const struct rule **rule);

#endif
