/* The message that an MCP client receives instead of a response: a JSON-RPC error, or a tool's
 * result with isError, which an agent can read before it continues. Any thread. */
#ifndef SCAN_MCP_REFUSAL_H
#define SCAN_MCP_REFUSAL_H

#include "base/buf.h"
#include "scan/mcp/message.h"

/* One refusal. The spans belong to the caller. */
struct mcp_refusal {
	struct span id; /* the request's id as written; empty: null */
	bool result;	/* true: a tool's result with isError; false: an error */
	enum mcp_era era;
	enum mcp_code code; /* code of an error */
	/* tollgate's code, such as "content_policy_violation"; NULL: left out */
	const char *reason;
	struct span requested; /* MCP_CODE_VERSION: the requested revision */
	struct span message,
		/* `message` must not contain text of the request; `decision` is the decision's
		 * id, or empty */
		decision;
};

/* Fills *out with the refusal of a denied message: a tool call gets a result, any other request
 * the error -32010. An unknown method gets -32601. Notifications and responses get no message,
 * only the HTTP status in *status. */
void mcp_denied(const struct mcp_message *m, struct mcp_refusal *out, int *status);

/* Appends one line of JSON of at most CAP_ERROR_BYTES. `message` is truncated until the line
 * fits. */
void mcp_refuse(const struct mcp_refusal *r, struct buf *out);
/* Appends the same line as an SSE event. */
void mcp_refuse_event(const struct mcp_refusal *r, struct buf *out);

/* Returns true if this code of tollgate means that a rule or a finding denied the response. For
 * other codes the response was not available. */
bool mcp_is_denial(const char *code);
/* Returns true if the refusal of a response with this code is a tool's result. `sent`: the
 * request was sent to the server. A tool may have run then, so its caller gets a result, which
 * invites no further call, and not an error. */
bool mcp_refuses_by_result(const struct mcp_refusal *of, const char *code, bool sent);
/* Appends the refusal of a response. `of`: the refusal as mcp_denied() filled it for the
 * request. `message` and `id` (the decision's) as in dialect_error(). `event`: the response is
 * a stream. */
void mcp_answer_refused(const struct mcp_refusal *of, const char *code, struct span message,
	struct span id, bool sent, bool event, struct buf *out);

#endif
