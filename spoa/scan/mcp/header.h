/* Header fields of an MCP request that repeat parts of the body. Servers and proxies route by
 * the headers, so headers and body must be equal; otherwise the gateway could permit one call
 * and the server execute another. A difference is refused with -32020. Revision 2026-07-28,
 * "Transports", "Streamable HTTP". Pure; any thread. */
#ifndef SCAN_MCP_HEADER_H
#define SCAN_MCP_HEADER_H

#include "base/codec/http.h"
#include "scan/mcp/message.h"

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
