/* Takes a sample of what was decided each ten seconds, for GET /series and /now
 * (tally/rates.h). On the main thread; without an admin server there is none. */
#ifndef NET_SAMPLING_H
#define NET_SAMPLING_H

#include <ev.h>

#include "base/buf.h"
#include "base/tag.h"
#include "tally/rates.h"

struct server;

/* owner: main */
struct sampling {
	struct tag tag;
	struct server *s;
	struct ev_loop *loop;
	ev_timer timer;
	struct rates *rates; /* NULL: there is none */
};

/* 0 or ERR_NOMEM. The rates are there until sampling_free(). */
int sampling_start(struct sampling *g, struct server *s, struct ev_loop *loop);
void sampling_stop(struct sampling *g);
void sampling_free(struct sampling *g);
/* As rates_now(); null where there are none. Any thread. */
void sampling_now(struct server *s, struct buf *out);

#endif
