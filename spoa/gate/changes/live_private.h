/* The set of entries as live.c, erased.c and sync.c share it. */
#ifndef GATE_CHANGES_LIVE_PRIVATE_H
#define GATE_CHANGES_LIVE_PRIVATE_H

#include <pthread.h>

#include "base/redis/redis_service.h"
#include "gate/changes/gone.h"
#include "gate/changes/live.h"
#include "gate/store/store.h"

/* owner: main. Bounds: CAP_LIVE_ENTRIES + CAP_LIVE_ENDED keys and overrides, CAP_LIVE_ERASURES
 * erasures, CAP_LIVE_GONE names of purged entries. */
struct live {
	unsigned char key[SHA256_BYTES];
	const char *node;
	struct metrics *metrics;
	/* guards the members below, except atomics; workers do not take it */
	pthread_mutex_t lock;
	struct store store; /* the file of entries */
	struct live_entry **v; /* sorted by field */
	size_t n, room;
	size_t nerasures; /* number of erasures among the entries */
	/* number of erasures that were put into `v`, including replacements */
	uint64_t ncame;
	_Atomic uint64_t came; /* number of these that the published view has */
	struct gone_list gone;
	_Atomic uint64_t changes; /* incremented with each entry that is put */
	void (*erase)(void *arg); /* set by live_on_erasure(); NULL: no call */
	void *erase_arg;
	uint64_t *refused; /* hashes of the entries that the last merge refused, sorted */
	size_t nrefused;
	struct live_view *old; /* views that a worker may still read */
	_Atomic(struct live_view *) now;
	/* one for each worker; NULL: the worker reads no view */
	_Atomic(const struct live_view *) reads[LIVE_READERS];
};

/* Call these with the lock held. */

/* Returns the index of the field, or where it would be inserted. */
size_t live_place(const struct live *l, const char *field, bool *found);

/* Writes to Redis which erasures were carried out here, unless Redis has this already.
 * Returns false if Redis does not answer. */
bool live_erased_note(struct live *l, struct redis_service *service);

#endif
