/* What live.c, merge.c, erased.c and sync.c share. */
#ifndef GATE_CHANGES_LIVE_PRIVATE_H
#define GATE_CHANGES_LIVE_PRIVATE_H

#include <pthread.h>

#include "base/redis/turns.h"
#include "gate/changes/gone.h"
#include "gate/changes/live.h"
#include "gate/store/store.h"

struct live {
	unsigned char key[SHA256_BYTES];
	const char *node;
	struct metrics *metrics;
	pthread_mutex_t lock; /* of what follows; no worker takes it */
	struct store store; /* its file */
	struct live_entry **v; /* sorted by field */
	size_t n, room;
	size_t nerasures; /* of them */
	uint64_t ncame;	       /* how many erasures were put into `v`, replacements included */
	_Atomic uint64_t came; /* how many of them the view has */
	struct gone_list gone;
	_Atomic uint64_t changes; /* counts up with each entry that was put */
	void (*erase)(void *arg); /* live_on_erasure() */
	void *erase_arg;
	uint64_t *refused; /* hashes of what the last merge refused, sorted */
	size_t nrefused;
	struct live_view *old; /* views that a worker may still read */
	_Atomic(struct live_view *) now;
	_Atomic(const struct live_view *) reads[LIVE_READERS]; /* by worker; NULL: none */
};

/* All with the lock. */

/* Where the field is, or belongs. */
size_t live_place(const struct live *l, const char *field, bool *found);
/* Takes the entry, or leaves it where there is no room: false. */
bool live_set(struct live *l, struct live_entry *e);
/* Takes the entry at that place out. */
void live_take_out(struct live *l, size_t at);
/* The next view. Out of memory: the view in force stays, and the next change tries again. */
void live_publish(struct live *l);
/* Frees views that nobody reads any more. */
void live_drop_old(struct live *l);

/* Without the lock: an erasure came into force. */
void live_erasure_came(struct live *l);
/* Notes in Redis what was carried out here and is not noted there. False: Redis is away. */
bool live_erased_note(struct live *l, struct turns *turns);

#endif
