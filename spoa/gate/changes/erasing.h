/* Carries out erasures. An order in the live state makes this daemon delete the person's
 * shares from its file, with a record, and the person's content from its caches and from
 * those in Redis. If one of them cannot be reached, the deletion is tried again. */
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
	/* Deletes the content from the memory of this process. */
	void (*here)(void *arg, enum live_part part, const unsigned char name[LIVE_NAME_BYTES]);
	/* Deletes the content from Redis and waits for the reply. Returns 0, or a negative
	 * error with *why. */
	int (*there)(void *arg, enum live_part part, const unsigned char name[LIVE_NAME_BYTES],
		struct buf *why);
	/* Starts a thread that calls erasing_forget(), unless one is running. */
	void (*soon)(void *arg);
};

/* A file of shares, and the chain that states what is erased from it. */
struct erasing_place {
	struct shares *shares;
	struct audit *audit; /* NULL: no records are written */
};

/* The file of shares of the other instance of the node. The instance that runs erases from its own
 * file itself. */
struct erasing_other {
	/* Opens the file to read only. Returns NULL if there is none. */
	struct shares *(*look)(void *arg);
	/* Opens file and chain. Returns 0, or an errno: EBUSY while that instance runs. */
	int (*open)(void *arg, struct erasing_place *out);
	void (*close)(void *arg, struct erasing_place *p);
	void *arg;
};

/* owner: the server. Several threads use it: see `lock` and `telling`. */
struct erasing {
	struct live *live;     /* NULL: run-time changes are disabled */
	struct shares *shares; /* NULL: no content is sealed */
	struct audit *audit;   /* NULL: no records are written */
	const struct erasing_other *other; /* NULL: there is no other instance */
	/* path of the journal, beside which the file of shares is; NULL: no journal */
	const char *journal;
	pthread_mutex_t lock;  /* held while erasures are carried out */
	/* errno of the last failure to erase shares; EBUSY: the other instance runs; 0: none */
	_Atomic int failed;
	/* guarded by `lock`; NULL: the daemon does not serve yet */
	const struct erasing_caches *caches;
	void *arg;			     /* the argument of the functions in `caches` */
	/* guarded by `lock`: erasing_now() has run; it has run with caches */
	bool began, used_caches;
	_Atomic bool pending;		     /* erasing_forget() must run, perhaps again */
	pthread_mutex_t telling;	     /* guards `why` */
	/* why Redis could not be reached for this part; "": it was reached */
	char why[LIVE_PARTS][256];
};

/* Carries out all erasures that are not done yet. Waits for the disk that holds the shares,
 * but not for the journal: the records are written later. Any thread except workers. */
void erasing_now(struct erasing *e);
/* Calls erasing_now() if an earlier erasure failed. */
void erasing_again(struct erasing *e);
/* Sets the functions that erasures use from now on. NULL: erasing_forget() must not run
 * afterwards. */
void erasing_serves(struct erasing *e, const struct erasing_caches *caches, void *arg);
/* Deletes from Redis what is left there. Only one thread at a time may call it, and it must
 * have returned before erasing_serves() is called with NULL. */
void erasing_forget(struct erasing *e);
/* Returns true, with *why, if that part of an erasure could not be carried out. Any thread. */
bool erasing_away(struct erasing *e, enum live_part part, struct buf *why);

#endif
