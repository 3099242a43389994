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

/* Functions that delete a person's content from caches. */
struct erasing_caches {
	/* Deletes it from the memory of this process. */
	void (*here)(void *arg, enum live_part part, const unsigned char name[LIVE_NAME_BYTES]);
	/* Deletes it from Redis, and waits for the reply. 0, or negative with *why. */
	int (*there)(void *arg, enum live_part part, const unsigned char name[LIVE_NAME_BYTES],
		struct buf *why);
	/* Makes a thread that may wait call erasing_forget(), unless one is running. */
	void (*soon)(void *arg);
};

struct erasing {
	struct live *live;     /* NULL: there are none */
	struct shares *shares; /* NULL: no seal: */
	struct audit *audit;   /* NULL: no records */
	const char *journal;   /* likewise */
	pthread_mutex_t lock;  /* one at a time */
	_Atomic int failed;    /* errno of the last that could not be; 0: none */
	const struct erasing_caches *caches; /* under `lock`; NULL: the daemon does not serve */
	void *arg;			     /* their argument */
	bool began, used_caches; /* under `lock`: erasing_now() has run; it has run with caches */
	_Atomic bool pending;		     /* erasing_forget() must run, perhaps again */
	pthread_mutex_t telling;	     /* guards `why` */
	char why[LIVE_PARTS][256];	     /* why Redis could not be reached; "": it was */
};

/* All that are not done yet, of which there may be none. Waits for the disk of the shares, not
 * for the journal: the records are written when that takes them. Any thread but workers. */
void erasing_now(struct erasing *e);
/* The same where some could not be. */
void erasing_again(struct erasing *e);
/* Sets the functions that erasures use from now on. NULL: erasing_forget() must not run after this. */
void erasing_serves(struct erasing *e, const struct erasing_caches *caches, void *arg);
/* Deletes from Redis what is left there. One thread at a time; it has ended before erasing_serves()
 * is called with NULL. */
void erasing_forget(struct erasing *e);
/* Returns true, with *why, if that part of an erasure could not be carried out. Any thread. */
bool erasing_away(struct erasing *e, enum live_part part, struct buf *why);

#endif
