/* What a client of MCP is told instead of an answer: an error of JSON-RPC, or a result of a
 * tool that says so (isError), which an agent reads and goes on. */
#ifndef SCAN_MCP_REFUSAL_H
#define SCAN_MCP_REFUSAL_H

#include "base/buf.h"
#include "scan/mcp/message.h"

struct mcp_refusal {
	struct span id; /* of the request, as it is written; empty: null */
	bool result;	/* an isError result of a tool */
	enum mcp_era era;
	enum mcp_code code; /* of an error */
	const char *reason; /* our code: "content_policy_violation"; NULL: none is said */
	struct span requested; /* the revision, of MCP_CODE_VERSION */
	struct span message,
		decision; /* never text of the request; the decision's id may be empty */
};

/* What a denied message is answered with: a request for a tool with a result, another request
 * with an error -32010. A notification and a response have no answer: *status is that of HTTP.
 */
void mcp_denied(const struct mcp_message *m, struct mcp_refusal *out, int *status);

/* One line of JSON, at most CAP_ERROR_BYTES: the message is cut until it fits. */
void mcp_refuse(const struct mcp_refusal *r, struct buf *out);
/* The same as an event of a stream. */
void mcp_refuse_event(const struct mcp_refusal *r, struct buf *out);

/* Whether a code of ours says that data or a rule decided so: the answer is denied. Others say
 * that it could not be had. */
bool mcp_is_denial(const char *code);
/* In place of the answer to a request whose denial begins as `of`. `message` and `id` as the
 * dialects' error documents have them; as an event, where it is in a stream. */
void mcp_answer_refused(const struct mcp_refusal *of, const char *code, struct span message,
	struct span id, bool event, struct buf *out);

#endif
