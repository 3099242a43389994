/* The last decisions of a worker, for `tollgate top`: ids and words that the record has too,
 * cut. A ring of fixed size. owner: worker, which alone writes and never waits; any thread
 * reads. */
#ifndef BUDGET_TALLY_RECENT_H
#define BUDGET_TALLY_RECENT_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/caps.h"

enum {
	RECENT_ID = 26,	  /* letters of an id */
	RECENT_WORDS = 32 /* numbers, id and texts of a decision: recent.c's struct shown */
};

struct decided {
	int64_t at_ns;
	uint64_t took_us;
	const char *decision, *via; /* words that live as long as the daemon; via "": none */
	int status;		    /* deny; 0 */
	const char *id;		    /* RECENT_ID letters */
	const char *rule;	    /* "" or NULL: none did, and `code` says why */
	const char *code;
	struct span person, route, target, model;
};

/* What came of one that the relay took: a status of the provider's, an enum provider_failure
 * (budget/tally/providers.h), or one of these. */
enum recent_end {
	RECENT_UNDER_WAY = 10,
	RECENT_CLIENT_ABORT,
	RECENT_NEVER_SENT,
	RECENT_ANSWER_DENIED,
	RECENT_RULED, /* HAProxy answered by itself */
	RECENT_ENDS
};

struct recent {
	_Atomic uint64_t total; /* decisions so far: the next goes to slot total % CAP_RECENT */
	struct recent_slot {
		_Atomic uint64_t turn; /* 2n + 1 while decision n is written, 2n + 2 after it */
		_Atomic uint64_t word[RECENT_WORDS];
		_Atomic uint64_t end; /* n + 1 << 16 | what came of it: any worker's */
	} slot[CAP_RECENT];
};

/* The worker's own thread, once for each verdict that is final. The decision's number. */
uint64_t recent_add(struct recent *rec, const struct decided *d);
/* What came of decision n. Any worker, one at a time. */
void recent_end(struct recent *rec, uint64_t n, int end);
/* {"decisions":N,"recent":[{…}, …]}, oldest first; any thread. What is written over meanwhile
 * is left out. */
void recent_write(const struct recent *rec, struct buf *out);

/* What of a decision other tables of the admin server are made of. */
struct recent_seen {
	int64_t at_ns;
	uint32_t took_us;
	struct span route, target, model; /* cut; valid until fn returns */
};
void recent_each(const struct recent *rec, void (*fn)(void *arg, const struct recent_seen *d),
	void *arg);

#endif
