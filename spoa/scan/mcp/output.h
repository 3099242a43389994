/* Results of tools and the form that their tool promises (outputSchema): clients refuse what
 * does not fit, and some end the agent's run. JSON Schema 2020-12, as far as a text that was
 * replaced may break it. */
#ifndef SCAN_MCP_OUTPUT_H
#define SCAN_MCP_OUTPUT_H

#include "base/span.h"

/* `was` and `now` are messages with a result, the same but for texts that were replaced; `tool`
 * is what the server said of the tool. False: a text in structuredContent is not what the
 * schema says there any more (type, enum, const, format, pattern, lengths, a key it does not
 * have). Forms that nobody here reads are taken to be kept, but for a pattern that is not any
 * text. True where there is no schema, no such content, or no JSON. */
bool mcp_output_fits(struct span tool, struct span was, struct span now);

#endif
