/* Checks a tool's result against the tool's outputSchema (JSON Schema 2020-12) after the
 * gateway has replaced texts in the result. Clients reject results that violate the schema, and
 * some then end the agent's run. Only violations that a replaced text can cause are checked. */
#ifndef SCAN_MCP_OUTPUT_H
#define SCAN_MCP_OUTPUT_H

#include "base/span.h"

/* Returns false if a replaced text in structuredContent violates the schema: type, enum, const,
 * format, pattern, lengths, or a key that the schema does not allow. `was` and `now`: the
 * message with the result before and after the replacement. `tool`: the server's description of
 * the tool. Any `format`, and any `pattern` except those that match every text, counts as
 * violated, because neither is evaluated. Other keywords are ignored, as if they were
 * satisfied. Returns true if there is no schema, no structuredContent, or no JSON. Any thread. */
bool mcp_output_fits(struct span tool, struct span was, struct span now);

#endif
