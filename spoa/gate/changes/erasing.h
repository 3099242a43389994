/* Carries erasures out: what the live state says is to be erased goes from this daemon's file
 * of shares, is on record, and is noted as done. */
#ifndef GATE_CHANGES_ERASING_H
#define GATE_CHANGES_ERASING_H

#include <pthread.h>

#include "base/buf.h"

struct audit;
struct live;
struct shares;

struct erasing {
	struct live *live;     /* NULL: there are none */
	struct shares *shares; /* NULL: no seal: */
	struct audit *audit;   /* NULL: no records */
	const char *journal;   /* likewise */
	pthread_mutex_t lock;  /* one at a time */
	_Atomic int failed;    /* errno of the last that could not be; 0: none */
};

/* All that are not done yet, of which there may be none. Waits for the disk of the shares, not
 * for the journal: the records are written when that takes them. Any thread but workers. */
void erasing_now(struct erasing *e);
/* The same where some could not be. */
void erasing_again(struct erasing *e);
/* One could not be carried out: true, with *why. Any thread. */
bool erasing_away(struct erasing *e, struct buf *why);

#endif
