/* What live.c, merge.c and sync.c share. */
#ifndef GATE_CHANGES_LIVE_PRIVATE_H
#define GATE_CHANGES_LIVE_PRIVATE_H

#include <pthread.h>

#include "gate/changes/gone.h"
#include "gate/changes/live.h"

struct live {
	unsigned char key[SHA256_BYTES];
	const char *node;
	struct metrics *metrics;
	pthread_mutex_t lock; /* of what follows; no worker takes it */
	struct live_file *file;
	struct live_entry **v; /* sorted by field */
	size_t n, room;
	struct gone_list gone;
	bool kept;  /* all of them are on disk */
	bool begun; /* the file was not there: all that is known is what Redis says */
	_Atomic uint64_t changes; /* counts up with each entry that was put */
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
/* On disk: the lines, or where a write before them failed, all that is in force and they. */
bool live_keep(struct live *l, struct span lines);
/* The next view. Out of memory: the view in force stays, and the next change tries again. */
void live_publish(struct live *l);
/* Frees views that nobody reads any more. */
void live_drop_old(struct live *l);

#endif
