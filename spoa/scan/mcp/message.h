/* One message of the Model Context Protocol over streamable HTTP: JSON-RPC 2.0, one object a
 * body. mcp_read() is the only reader: the code that decides about a message and the code that
 * forwards it use the same struct, so both see the same method, name and arguments. Supported
 * are the revisions with sessions (up to 2025-11-25) and 2026-07-28 without, where each request
 * states its revision in params._meta. Pure; any thread. */
#ifndef SCAN_MCP_MESSAGE_H
#define SCAN_MCP_MESSAGE_H

#include "base/arena.h"
#include "base/codec/http.h"
#include "base/span.h"

/* Error codes: JSON-RPC 2.0 5.1, and MCP's own. -32000 to -32019 are free for
 * implementations. */
enum mcp_code {
	MCP_CODE_PARSE = -32700,
	MCP_CODE_REQUEST = -32600,
	MCP_CODE_METHOD = -32601,
	MCP_CODE_PARAMS = -32602,
	MCP_CODE_INTERNAL = -32603,
	MCP_CODE_DENIED = -32010,  /* tollgate's own: a rule denied the message */
	MCP_CODE_HEADER = -32020,  /* a header is missing, or differs from the body */
	MCP_CODE_VERSION = -32022, /* a revision that tollgate does not support */
};

enum mcp_kind {
	MCP_REQUEST,
	MCP_NOTIFICATION,
	MCP_RESPONSE, /* the client's response to a request of the server */
};

/* Revisions with sessions, and revisions without (from 2026-07-28). */
enum mcp_era { MCP_SESSIONS, MCP_STATELESS };

/* The subject of a client's method. */
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

/* A message that mcp_read() has accepted, or the readable part of a rejected one. Spans point
 * into the body or into the arena. */
struct mcp_message {
	enum mcp_kind kind;
	enum mcp_era era;
	enum mcp_about about;
	/* the response is a list of tools, resources, templates or prompts */
	bool lists;
	bool begins;	    /* the method is initialize */
	struct span id;	    /* as written, a string with its quotes; empty: none */
	struct span method; /* decoded; empty in a response */
	/* Decoded: params.name of a tool or prompt, params.uri of a resource. Empty: the method
	 * names nothing. */
	struct span name;
	/* the name is from params.ref (completion/complete), so nothing is called */
	bool refers;
	const struct span
		/* decoded URIs of resources that subscriptions/listen subscribes to; NULL:
		 * none */
		*uris;
	size_t nuris;
	/* a tool's or prompt's name matches [A-Za-z0-9_./-]{1,128}; true for URIs */
	bool plain_name;
	/* JSON as written; empty: absent */
	struct span params, arguments, input_responses, result;
	struct span version; /* revision in params._meta, decoded; empty: absent */
};

/* Why a message was rejected, in the specification's terms. */
struct mcp_error {
	int status; /* HTTP status */
	enum mcp_code code;
	const char *why; /* a constant string */
	/* offset in the body; 0: unknown */
	size_t at;
};

/* Reads a body. Returns 0, ERR_NOMEM, or ERR_SYNTAX with *why filled. *out then has the id, if
 * it could be read. Spans in *out point into the body or into the arena.
 *
 * The reader rejects text that is not strict JSON, keys that occur twice at any depth, and keys
 * that differ only by case from a key of MCP. It also rejects arrays of messages, ids that are
 * neither string nor integer, requests without an id, params that are not an object, and names
 * that are not a string. A less strict reader behind the gateway could understand such a
 * message differently. */
int mcp_read(struct span body, struct arena *a, struct mcp_message *out, struct mcp_error *why);

/* The supported revisions as a JSON list, for MCP_CODE_VERSION (-32022). */
extern const char mcp_versions[];

/* ---- the headers of the request ----
 *
 * Some header fields repeat parts of the body. Servers and proxies route by the headers, so
 * headers and body must be equal; otherwise the gateway could permit one call and the server
 * execute another. A difference is refused with -32020. Revision 2026-07-28, "Transports",
 * "Streamable HTTP". */

/* Compares Mcp-Protocol-Version, Mcp-Method, Mcp-Name and Mcp-Param-* with the message, and
 * sets m->era, which a header can determine. A field may occur once. Revision 2026-07-28
 * requires the first three; earlier revisions compare those that are present. The value of
 * Mcp-Param-X must equal a string, number or boolean of the arguments: the argument named X (in
 * any case) if one exists, else any. Returns 0, ERR_NOMEM, or ERR_SYNTAX with *why filled
 * (MCP_CODE_HEADER, MCP_CODE_VERSION, or MCP_CODE_PARAMS). */
int mcp_headers(const struct http_head *h, struct mcp_message *m, struct arena *a,
	struct mcp_error *why);

/* Returns true if the field's name begins with Mcp-Param-. */
bool mcp_is_param(struct span field);
/* Returns the value to send in a Mcp-Param-* field after values of the arguments were replaced.
 * `was` and `now` are the arguments before and after. The result is in the arena, or `value`
 * itself if unchanged. Empty: no argument has the value, or no memory. */
struct span mcp_param_sent(struct span field, struct span value, struct span was,
	struct span now, struct arena *a);

#endif
