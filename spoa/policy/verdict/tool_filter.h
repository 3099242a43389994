/* Lists without entries that the reader may not use: pages of MCP lists, and tools that a chat
 * request offers. The result is a list of edits. All other bytes stay as the server sent them,
 * also cursors: a page may be empty and have a next page. */
#ifndef POLICY_VERDICT_TOOL_FILTER_H
#define POLICY_VERDICT_TOOL_FILTER_H

#include "policy/verdict/tool.h"
#include "scan/text/body.h"

/* How entries are judged. Borrowed for the time of a call. */
struct tool_filter {
	struct tool_list *judge;
	struct span server; /* name of the provider */
	/* Returns the state of an entry's pin: for tools/call by the tool's name, for
	 * prompts/get by the prompt's, with the object as written; for initialize without a
	 * name, with the string of instructions. NULL: there are no pins. */
	enum tool_state (*state)(
		void *arg, struct span method, struct span name, struct span entry);
	void *arg;
};

/* The edits, in order and without overlap, for splice_apply(). In the arena. */
struct tool_cuts {
	struct splice *v;
	size_t n, room;
	size_t hidden, shown; /* numbers of entries */
	/* set for a JSON-RPC message: whether it is a response (result or error), and the id of
	 * its request as written; empty: no id */
	bool answers;
	struct span id;
	/* set for a chat request: */
	const struct rule *by; /* first rule that hides something; NULL: none */
	bool refuses;	       /* offers a tool that is denied and cannot be removed */
	/* rule that denies it; NULL: a server's URI has several spellings */
	const struct rule *refused;
	bool odd_uri; /* some URI has several spellings */
	/* descriptions of tools whose calls are sent to the caller */
	struct tools_told told;
};

/* Filters one JSON-RPC message, a body or the data of an event. Its result may have the lists
 * tools, resources, resourceTemplates and prompts, and for initialize and server/discover the
 * instructions, which become an empty string if they are hidden. Each entry is judged as the
 * call that would use it: tools/call, resources/read, prompts/get; a template by its text. An
 * entry without a name is removed. A result that may be cached is only for this caller
 * (`cacheScope` becomes private). Returns 0, ERR_NOMEM, ERR_LIMIT, or an error such as
 * ERR_SYNTAX if the message is not strict JSON or a list is not a list. The caller must not
 * forward the message after an error. */
int tool_filter_list(
	const struct tool_filter *f, struct span json, struct arena *a, struct tool_cuts *out);

/* Filters a chat request, from its opening brace on; bytes after its closing brace are not
 * read. Each offered tool is judged by its name. A tool that the provider runs itself is judged only here (tool_list_hosted()): by its type (web_search) or by its member (Gemini's googleSearch). A tool of an MCP server is judged as `mcp` of the server that it names, and by each name that the request allows of that server; resource.uri is the address of the server. The result is a valid
 * request: an empty list is removed together with members about its tools, and so is a choice
 * of a tool that was removed. `server` and `state` of *f are not used. Returns as above. */
int tool_filter_offered(const struct tool_filter *f, struct span request, struct arena *a,
	struct tool_cuts *out);

#endif
