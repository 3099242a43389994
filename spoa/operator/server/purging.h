/* Keys and overrides that are over since a day are purged: looked for every ten seconds, on the
 * main thread. */
#ifndef OPERATOR_SERVER_PURGING_H
#define OPERATOR_SERVER_PURGING_H

#include <ev.h>

#include "base/tag.h"

struct server;

/* owner: main */
struct purging {
	struct tag tag;
	struct server *s; /* NULL: not started */
	struct ev_loop *loop;
	ev_timer timer;
};

void purging_start(struct purging *p, struct server *s, struct ev_loop *loop);
void purging_stop(struct purging *p);

#endif
