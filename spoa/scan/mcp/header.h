/* The header fields of an MCP request, which say again what its body says: servers and what is
 * before them route by them. They must be equal, or two readers of one request would see two.
 * Revision 2026-07-28, "Transports", "Streamable HTTP"; -32020 where they are not. */
#ifndef SCAN_MCP_HEADER_H
#define SCAN_MCP_HEADER_H

#include "base/codec/http.h"
#include "scan/mcp/message.h"

/* Holds Mcp-Protocol-Version, Mcp-Method, Mcp-Name and Mcp-Param-* against the message, whose
 * era a header may say too. Each may be given once. In revision 2026-07-28 the first three must
 * be there; before, those that are. A Mcp-Param-X is a text, number or truth value of the
 * call's arguments: of that named X, in any case, where there is one. 0, ERR_NOMEM, or
 * ERR_SYNTAX with *why filled (-32020, -32022). */
int mcp_headers(const struct http_head *h, struct mcp_message *m, struct arena *a,
	struct mcp_error *why);

bool mcp_is_param(struct span field);
/* What goes in a Mcp-Param-* field whose arguments were `was` and are sent as `now`, the same
 * but for values that were replaced: in the arena, or the value itself. Empty: it cannot be
 * said. */
struct span mcp_param_sent(struct span field, struct span value, struct span was,
	struct span now, struct arena *a);

#endif
