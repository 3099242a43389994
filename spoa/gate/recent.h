/* The last decisions of a worker, for `tollgate top`: ids and words that the record has too,
 * cut. A ring of fixed size. owner: worker, which alone writes and never waits; any thread
 * reads. */
#ifndef GATE_RECENT_H
#define GATE_RECENT_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/caps.h"

struct request;

/* Numbers, id and texts of a decision, as words: recent.c's struct shown. */
enum { RECENT_WORDS = 32 };

struct recent {
	_Atomic uint64_t total; /* decisions so far: the next goes to slot total % CAP_RECENT */
	struct recent_slot {
		_Atomic uint64_t turn; /* 2n + 1 while decision n is written, 2n + 2 after it */
		_Atomic uint64_t word[RECENT_WORDS];
	} slot[CAP_RECENT];
};

/* The worker's own thread, once for each verdict that is final. */
void recent_add(struct recent *rec, const struct request *r);
/* {"decisions":N,"recent":[{…}, …]}, oldest first; any thread. What is written over meanwhile
 * is left out. */
void recent_write(const struct recent *rec, struct buf *out);

#endif
