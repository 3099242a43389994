/* Carries erasures out: what the live state says is to be erased goes from this daemon's file
 * of shares, is on record, and is noted as done (gate/changes/live.h). */
#ifndef OPERATOR_SERVER_ERASING_H
#define OPERATOR_SERVER_ERASING_H

#include <pthread.h>

#include "base/buf.h"

struct server;

struct erasing {
	pthread_mutex_t lock; /* one at a time */
	_Atomic int failed;   /* errno of the last that could not be; 0: none */
};

/* All that are not done yet, of which there may be none. Waits for the disk of the shares, not
 * for the journal: the records are written when that takes them. Any thread but workers. */
void erasing_now(struct server *s);
/* One could not be carried out: true, with *why. Any thread. */
bool erasing_away(struct server *s, struct buf *why);

#endif
