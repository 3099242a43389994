/* Periodic tasks on the main thread: a row for each in looks.c. */
#ifndef OPERATOR_SERVER_LOOKS_H
#define OPERATOR_SERVER_LOOKS_H

#include <ev.h>
#include <stdint.h>

#include "base/tag.h"

struct server;

/* number of rows */
enum { LOOKS = 14 };

/* owner: main */
struct looks {
	struct tag tag;
	struct server *s; /* NULL: not started */
	struct ev_loop *loop;
	ev_timer timer[LOOKS];
	/* decisions and relayed bytes, at the last check and when free memory was last returned
	 */
	uint64_t counted, given_back;
};

/* Starts the timers. */
void looks_begin(struct looks *l, struct server *s, struct ev_loop *loop);
/* Stops the timers. */
void looks_end(struct looks *l);

#endif
