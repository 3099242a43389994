/* Pins of tools: begun where the policy in force has a provider of the dialect mcp, at the
 * start or at a reload, and from then on. On the main thread, but for the last two. */
#ifndef OPERATOR_SERVER_PINNING_H
#define OPERATOR_SERVER_PINNING_H

#include <pthread.h>
#include <stdbool.h>

#include "base/buf.h"

struct server;
struct snapshot;
struct tool_pins;
struct tool_pins_sync;

struct pinning {
	struct tool_pins *pins;
	pthread_mutex_t lock;
	struct tool_pins_sync *sync; /* under the lock; NULL: not begun, or memory alone */
	bool begun;
};

/* 0, or ERR_IO and the like with *why. Before any worker. */
int pinning_start(struct server *s, struct buf *why);
/* Of a snapshot that comes into force. */
void pinning_again(struct server *s, const struct snapshot *next);

/* NULL: nothing is kept or shared. As long as the server. */
struct tool_pins_sync *pinning_sync(struct server *s);
/* Whether disk or Redis does not take them: *why. */
bool pinning_away(struct server *s, struct buf *why);

#endif
