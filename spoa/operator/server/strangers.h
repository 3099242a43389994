/* A file in the journal's folder that is no segment, with which the next start would be refused:
 * looked for every two seconds, on the main thread. */
#ifndef OPERATOR_SERVER_STRANGERS_H
#define OPERATOR_SERVER_STRANGERS_H

#include <ev.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/tag.h"

struct config;

/* owner: main */
struct strangers {
	struct tag tag;
	const struct config *cfg; /* NULL: not started */
	struct ev_loop *loop;
	ev_timer timer;
	_Atomic bool there; /* any thread reads */
};

void strangers_start(struct strangers *s, const struct config *cfg, struct ev_loop *loop);
void strangers_stop(struct strangers *s);

#endif
