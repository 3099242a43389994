/* The verdict on one call: rules with `phase: tool` are evaluated from top to bottom. The same
 * function evaluates a tools/call of MCP and a call in a model's response, and also entries of
 * lists (of MCP, and tools that a chat request offers), whose arguments are unknown. The same
 * facts give the same verdict.
 *
 * A rule whose condition does not read mcp.method is for calls only (struct tool_call has a
 * name or URI), so that `deny: true` does not end handshakes. A rule that reads mcp.method is
 * evaluated for each MCP request. */
#ifndef POLICY_VERDICT_TOOL_H
#define POLICY_VERDICT_TOOL_H

#include "policy/verdict/answer.h"

/* tool.state: compares the description with its pin. */
enum tool_state { TOOL_UNPINNED, TOOL_NEW, TOOL_APPROVED, TOOL_CHANGED, TOOL_UNLISTED };
extern const char *const tool_states[]; /* "", "new", "approved", "changed", "unlisted" */
extern const char tool_odd_uri[];	/* why a call with such a URI is denied */

enum tool_as {
	TOOL_CALLED,
	TOOL_LISTED, /* listed by an MCP server: arguments, and fields of a body, are unknown */
	TOOL_OFFERED, /* offered by a chat request: arguments are unknown */
	/* as TOOL_OFFERED, but the provider runs the tool, so there is no later call to deny */
	TOOL_HOSTED,
};

/* A call. Borrowed for the time of a function call. Empty spans: not set. */
struct tool_call {
	enum tool_as as;
	/* of MCP; for an entry of a list, the method that would use it, such as tools/call; ""
	 * in a response and for tools that a chat request offers */
	struct span method;
	struct span name;   /* name of the tool or prompt */
	struct span server; /* name of the provider; "" in a response */
	struct span uri;    /* URI of the resource */
	bool odd_uri;	    /* the URI has several spellings: base/codec/uri.h */
	struct span description;
	struct span arguments; /* arguments as written: JSON, or text that is not JSON */
	/* the arguments exceed the bound on what is kept, so reading them fails (prose: ok
	 * what) */
	bool lost;
	struct span meant; /* this and the next: as in struct answer_tool */
	const struct cel_value *origins;
	/* placeholders that stay in the arguments: bit N is enum placeholder_left N */
	unsigned left;
	bool undescribed; /* the descriptions of the request's tools exceed that bound */
	enum tool_state state;
	bool any; /* TOOL_HOSTED: any tool of the server, because the request names none */
};

/* The result of policy_tool(). */
struct tool_verdict {
	struct rule_outcome ruled; /* `rule` NULL: no rule, or `changed` or `odd_uri` */
	bool permitted;		   /* a rule permits it, which unknown methods need */
	bool changed;		   /* denied because its description is not the approved one */
	bool odd_uri; /* denied because servers may read its URI differently from the rules */
	bool hide;    /* the denial also removes it from lists */
	/* deny: {as: error}; otherwise the denial is a result that the agent reads */
	bool error;
	/* the value of tool.origins, if a rule read it; otherwise its type is CEL_NULL */
	struct cel_value origins;
	/* for a denial by a rule that reads tool.origins: the argument and its source; in the
	 * arena; empty: none */
	struct span because;
	/* applies to all findings in arguments and results */
	struct redactions redact;
};

/* Returns true for a call, false for a protocol message such as tools/list. */
static inline bool
tool_is_call(const struct tool_call *c)
{
	return c->name.n || c->uri.n;
}

/* deny and permit end the evaluation; redact and tag add up. A call that no rule denies is passed, whatever the policy's default is. There are two exceptions. A tool whose description changed is denied and hidden, unless a permit that reads tool.state ended the evaluation. A URI with several spellings is denied and hidden if a rule reads URIs (`uses.uris`). A rule that fails
 * counts as its on_error. Shadow mode works as in policy_decide().
 *
 * `asked` is that of policy_answer_request(). `trace` and `tags` live in the arena. Returns 0
 * or ERR_NOMEM. */
int policy_tool(const struct policy *p, const struct answer_request *asked,
	const struct tool_call *c, struct arena *a, struct tool_verdict *out);

/* Sets the description that the request gave to the tool. If the request has several tools of
 * this name, their descriptions are joined, one per line. */
void policy_describe(const struct answer_request *asked, struct arena *a, struct tool_call *c);
/* policy_tool() for a call in a response: no server and no state, and the description of the
 * request. */
int policy_called(const struct policy *p, const struct answer_request *asked,
	const struct answer_tool *t, struct arena *a, struct tool_verdict *out);

/* Redactions in results. */
struct tool_redacts {
	const struct rule *rule; /* the first rule that redacts; NULL: nothing is replaced */
	struct redactions redact;
};
/* For results of calls that are unknown here, such as those that a GET stream of this server
 * delivers: the redactions of all rules that may match a call. Returns 0 or ERR_NOMEM. */
int policy_tool_unknown(const struct policy *p, const struct answer_request *asked,
	struct span server, struct arena *a, struct tool_redacts *out);

/* Evaluates the entries of a list, one after the other. Values that do not change between
 * entries are made once. Only denials with `hide` and changed descriptions count. A rule that
 * may or may not match, because something is unknown, hides nothing; if it may permit, rules
 * after it hide nothing either. Returns NULL if memory is exhausted. */
struct tool_list;
struct tool_list *tool_list_new(
	const struct policy *p, const struct answer_request *asked, struct arena *a);
/* Returns true if the entry is hidden. An entry that cannot be evaluated is hidden. *rule is
 * the rule that hides it, or NULL if its description changed or its URI has several
 * spellings. */
bool tool_list_hides(struct tool_list *l, const struct tool_call *c, const struct rule **rule);
/* Judges a tool that the provider runs (TOOL_HOSTED). A denial without `hide` refuses the
 * request that offers the tool. A permit or denial that depends on arguments does not count.
 * For `any`, a rule that denies some tools of this server denies the call. *rule is the rule
 * that hides or refuses, or NULL if the URI has several spellings. */
enum tool_hosted { HOSTED_SHOWN, HOSTED_HIDDEN, HOSTED_REFUSED };
enum tool_hosted tool_list_hosted(
	struct tool_list *l, const struct tool_call *c, const struct rule **rule);

#endif
