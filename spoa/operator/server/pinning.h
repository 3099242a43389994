/* Pins of MCP tools. They begin when a policy in force has a route of the dialect mcp, at the
 * start or at a reload, and then stay for the life of the process. On the main thread, except
 * for the last two functions. */
#ifndef OPERATOR_SERVER_PINNING_H
#define OPERATOR_SERVER_PINNING_H

#include <pthread.h>
#include <stdbool.h>

#include "base/buf.h"

struct server;
struct snapshot;
struct tool_pins;
struct tool_pins_sync;

/* owner: main, except for `sync` */
struct pinning {
	struct tool_pins *pins;
	pthread_mutex_t lock;
	/* guarded by `lock`; NULL: not started, or the pins are only in memory */
	struct tool_pins_sync *sync;
	bool begun;
};

/* Creates the pins, before any worker starts. Returns 0, or a negative error with *why. */
int pinning_start(struct server *s, struct buf *why);
/* Starts them if the next snapshot needs them. */
void pinning_again(struct server *s, const struct snapshot *next);

/* Returns the thread that stores and shares the pins, or NULL. Valid as long as the server. */
struct tool_pins_sync *pinning_sync(struct server *s);
/* Returns true, with *why, if the disk or Redis does not accept the pins. */
bool pinning_away(struct server *s, struct buf *why);

#endif
