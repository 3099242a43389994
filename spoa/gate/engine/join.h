/* Responses of several MCP servers as one, for engine/together.c and engine/exchange.c. Worker. */
#ifndef GATE_ENGINE_JOIN_H
#define GATE_ENGINE_JOIN_H

#include <stdbool.h>

struct exchange;

/* Returns true if the permitted request must be sent to several servers. */
bool join_asks(const struct exchange *x);
/* Asks the servers. When all have responded, or mcp.list_deadline has passed, the plan has the
 * response, and together.then() is called. That may happen within the call. */
void join_begin(struct exchange *x);
/* Puts the response into the plan if the gateway responds to a message of a joined route. */
void join_here(struct exchange *x);
void join_free(struct exchange *x);

#endif
