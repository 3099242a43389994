/* Lists without what their reader may not use: pages of MCP's lists and the tools that a chat
 * request offers, as edits of their bytes. All that stays is byte for byte what the server
 * said, cursors too: a page may be empty and go on. */
#ifndef POLICY_VERDICT_TOOL_FILTER_H
#define POLICY_VERDICT_TOOL_FILTER_H

#include "policy/verdict/tool.h"
#include "scan/text/body.h"

struct tool_filter {
	struct tool_list *judge;
	struct span server; /* the provider's name */
	/* The pin of an entry: of tools/call a tool's name, of prompts/get a prompt's, and its
	 * object as it was written; of initialize no name, and the string of instructions.
	 * NULL: there are no pins. */
	enum tool_state (*state)(
		void *arg, struct span method, struct span name, struct span entry);
	void *arg;
};

/* In order, without overlap, for splice_apply(). In the arena. */
struct tool_cuts {
	struct splice *v;
	size_t n, room;
	size_t hidden, shown; /* entries */
	/* of the message of a list: an answer (result or error), to the request whose id is as
	 * it is written; empty: it says none */
	bool answers;
	struct span id;
	/* of a chat request */
	const struct rule *by;	    /* the first that hides something; NULL: none */
	bool refuses;		    /* it offers what may be neither run nor taken out */
	const struct rule *refused; /* that says so; NULL: a server's URI is odd */
	bool odd_uri;		    /* one of them is */
	struct tools_told told;	    /* of those whose calls come to the caller */
};

/* Of one JSON-RPC message, a body or the data of an event, whichever of the lists its result
 * has: tools, resources, resourceTemplates, prompts; and of initialize and server/discover the
 * instructions, which are an empty text where they are hidden. Each entry is judged as the call that
 * would use it: tools/call, resources/read, prompts/get; a template by its text. One that says
 * no name is cut. What may be cached is for this caller (`cacheScope` becomes private). 0,
 * ERR_NOMEM, ERR_LIMIT, or ERR_SYNTAX and the like: it is no strict JSON, or a list is none; it
 * must not go on then. */
int tool_filter_list(
	const struct tool_filter *f, struct span json, struct arena *a, struct tool_cuts *out);

/* Of a chat request, from its opening brace on; what is after its closing one is not read. Each
 * tool that it offers is judged by its name. One that the provider runs itself is judged here for
 * good (tool_list_hosted()): by its type (web_search), its member (Gemini's googleSearch), or as
 * `mcp` of the server that it names, and by each name that the request allows of that server;
 * resource.uri is where the server is. What is left is sound: a list of which nothing is left goes
 * with what says something of its tools, and so does a choice of a tool that is gone. `server` and
 * `state` are not read. As above. */
int tool_filter_offered(const struct tool_filter *f, struct span request, struct arena *a,
	struct tool_cuts *out);

#endif
