/* One message of the Model Context Protocol over streamable HTTP: JSON-RPC 2.0, one object a
 * body. Span in, struct out: the one reader for who decides on a message and who sends it on,
 * so that both read the same method, name and arguments. Revisions 2025-03-26 to 2025-11-25
 * (sessions) and 2026-07-28 (none; each request says its revision in params._meta). */
#ifndef SCAN_MCP_MESSAGE_H
#define SCAN_MCP_MESSAGE_H

#include "base/arena.h"
#include "base/span.h"

/* JSON-RPC 2.0 5.1; MCP's own; -32000 to -32019 are an implementation's. */
enum mcp_code {
	MCP_CODE_PARSE = -32700,
	MCP_CODE_REQUEST = -32600,
	MCP_CODE_METHOD = -32601,
	MCP_CODE_PARAMS = -32602,
	MCP_CODE_INTERNAL = -32603,
	MCP_CODE_DENIED = -32010, /* ours: a rule says no */
	MCP_CODE_HEADER =
		-32020, /* a header is missing, or says something else than the body */
	MCP_CODE_VERSION = -32022, /* a revision that nobody here speaks */
};

enum mcp_kind {
	MCP_REQUEST,
	MCP_NOTIFICATION,
	MCP_RESPONSE, /* to a request of the server's */
};

enum mcp_era { MCP_SESSIONS, MCP_STATELESS };

/* What the methods of clients are about. */
enum mcp_about {
	MCP_ABOUT_UNKNOWN, /* no revision has this method */
	MCP_ABOUT_NOTHING, /* initialize, ping, … */
	MCP_ABOUT_TOOLS,
	MCP_ABOUT_TOOL,
	MCP_ABOUT_RESOURCES,
	MCP_ABOUT_RESOURCE,
	MCP_ABOUT_PROMPTS,
	MCP_ABOUT_PROMPT,
};

struct mcp_message {
	enum mcp_kind kind;
	enum mcp_era era;
	enum mcp_about about;
	bool lists;	    /* its answer is a list of tools, resources, templates or prompts */
	bool begins;	    /* initialize */
	struct span id;	    /* as it is written, a string with its quotes; empty: none */
	struct span method; /* decoded; empty in a response */
	/* decoded: params.name of a tool or prompt, params.uri of a resource; empty: the method
	 * has none */
	struct span name;
	bool refers; /* its name is that of params.ref, and no call of it */
	const struct span
		*uris; /* of resources that it subscribes to, several at once; decoded */
	size_t nuris;
	bool plain_name; /* a tool's or prompt's is [A-Za-z0-9_./-]{1,128} */
	/* JSON as it is written; empty: not there */
	struct span params, arguments, input_responses, result;
	struct span version; /* params._meta's, decoded; empty: none */
};

/* What the specification says of a message that is none. */
struct mcp_error {
	int status; /* of HTTP */
	enum mcp_code code;
	const char *why; /* a fixed phrase */
	size_t at;
};

/* Reads a body. What is returned in *out points into it, or into the arena. 0, ERR_NOMEM, or
 * ERR_SYNTAX with *why filled; *out holds its id then, where that could be read. Refused are:
 * what is no strict JSON, keys given twice at any depth, keys that differ from those read here
 * only by case (-32600), arrays, ids that are no string or integer, requests without one,
 * params that are no object, a name that is no string. */
int mcp_read(struct span body, struct arena *a, struct mcp_message *out, struct mcp_error *why);

/* JSON-RPC's name of it, and whether a revision is one that is spoken here. */
bool mcp_version_known(struct span version);
bool mcp_version_stateless(struct span version);
/* As a JSON list, for -32022. */
extern const char mcp_versions[];

#endif
