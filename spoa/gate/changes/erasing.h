/* Carries erasures out: what the live state says is to be erased goes from this daemon's file
 * of shares, which is on record, and from its caches and those in Redis. What could not be
 * reached is tried again. */
#ifndef GATE_CHANGES_ERASING_H
#define GATE_CHANGES_ERASING_H

#include <pthread.h>

#include "base/buf.h"
#include "gate/changes/entry.h"

struct audit;
struct live;
struct shares;

/* What has copies of a person's content besides the file of shares. */
struct erasing_caches {
	/* Deletes what this process has, before it returns. */
	void (*here)(void *arg, enum live_part part, const unsigned char name[LIVE_NAME_BYTES]);
	/* Deletes what Redis has; waits for it. 0, or negative with *why. */
	int (*there)(void *arg, enum live_part part, const unsigned char name[LIVE_NAME_BYTES],
		struct buf *why);
	/* Has erasing_forget() called on a thread that may wait, unless it runs there already. */
	void (*soon)(void *arg);
};

struct erasing {
	struct live *live;     /* NULL: there are none */
	struct shares *shares; /* NULL: no seal: */
	struct audit *audit;   /* NULL: no records */
	const char *journal;   /* likewise */
	pthread_mutex_t lock;  /* one at a time */
	_Atomic int failed;    /* errno of the last that could not be; 0: none */
	const struct erasing_caches *caches; /* under `lock`; NULL: not yet, or no more */
	void *arg;			     /* theirs */
	_Atomic bool pending;		     /* caches are to be asked, or asked again */
	pthread_mutex_t telling;	     /* of what follows */
	char why[LIVE_PARTS][256];	     /* it could not be reached; "": it was */
};

/* All that are not done yet, of which there may be none. Waits for the disk of the shares, not
 * for the journal: the records are written when that takes them. Any thread but workers. */
void erasing_now(struct erasing *e);
/* The same where some could not be. */
void erasing_again(struct erasing *e);
/* Whose caches they are from now on; NULL: none, and erasing_forget() does not run any more. */
void erasing_serves(struct erasing *e, const struct erasing_caches *caches, void *arg);
/* Deletes from Redis what is left there. One thread at a time, and erasing_serves() waits for
 * its end. */
void erasing_forget(struct erasing *e);
/* That part of one could not be carried out: true, with *why. Any thread. */
bool erasing_away(struct erasing *e, enum live_part part, struct buf *why);

#endif
