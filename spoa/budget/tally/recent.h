/* The last CAP_RECENT decisions of a worker, for `tollgate top`: ids and names that the record
 * has, too, cut to a fixed length. owner: worker, the only thread that writes, without waiting;
 * any thread reads. */
#ifndef BUDGET_TALLY_RECENT_H
#define BUDGET_TALLY_RECENT_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/caps.h"

enum {
	RECENT_ID = 26,	  /* characters of an id */
	RECENT_WORDS = 32 /* 8-byte words of a decision: struct shown in recent.c */
};

struct decided {
	int64_t at_ns;
	uint64_t took_us;
	const char *decision, *via; /* constant words; via "": none */
	int status;		    /* status of a denial; 0: not denied */
	const char *id;		    /* RECENT_ID characters */
	const char *rule;	    /* "" or NULL: no rule decided, and `code` has the reason */
	const char *code;
	struct span person, route, target, model;
};

/* The result of a request that the relay sent: a status of the provider, an enum
 * provider_failure (budget/tally/providers.h), or one of these. */
enum recent_end {
	RECENT_UNDER_WAY = 10,
	RECENT_CLIENT_ABORT,
	RECENT_NEVER_SENT,
	RECENT_ANSWER_DENIED,
	RECENT_RULED, /* HAProxy responded without a provider */
	RECENT_ENDS
};

struct recent {
	_Atomic uint64_t total; /* decisions so far: the next goes to slot total % CAP_RECENT */
	struct recent_slot {
		_Atomic uint64_t turn; /* 2n + 1 while decision n is written, 2n + 2 after it */
		_Atomic uint64_t word[RECENT_WORDS];
		_Atomic uint64_t end; /* n + 1 << 16 | result; any worker writes it */
	} slot[CAP_RECENT];
};

/* Adds a final decision and returns its number. The worker's own thread. */
uint64_t recent_add(struct recent *rec, const struct decided *d);
/* Sets the result of decision n. Any worker, one at a time. */
void recent_end(struct recent *rec, uint64_t n, int end);
/* Writes {"decisions":N,"recent":[{…}, …]}, the oldest first. A decision that is overwritten
 * meanwhile is left out. Any thread. */
void recent_write(const struct recent *rec, struct buf *out);

/* The part of a decision that tables of the admin server are made from. */
struct recent_seen {
	int64_t at_ns;
	uint32_t took_us;
	struct span route, target, model; /* cut; valid until fn returns */
};
/* Calls fn() for each decision of the ring, the oldest first. Any thread. */
void recent_each(const struct recent *rec, void (*fn)(void *arg, const struct recent_seen *d),
	void *arg);

#endif
