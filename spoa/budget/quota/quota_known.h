/* What this worker last read of the counts on Redis. It serves twice:
 *
 * What will be refused anyway is refused without counting: a doomed reservation takes
 * room from others until it is given back.
 *
 * A charge does not read its neighbours again. They were read after Redis' clock had
 * entered the bucket that is charged, so every charge that is admitted in them was
 * counted by then: an admission needs the clock in its bucket after it has counted.
 * What changes them later only makes them less (refunds), or is a settlement of more than
 * was reserved; that sets a new revision, which every reservation reads. A neighbour is
 * so an upper bound as long as epoch and revision are the same and Redis' clock has not
 * been set, and is read again after KNOWN_AGE_US in any case, and before a refusal.
 *
 * owner: worker. */
#ifndef BUDGET_QUOTA_QUOTA_KNOWN_H
#define BUDGET_QUOTA_QUOTA_KNOWN_H

#include "budget/quota/quota_cell.h"
#include "budget/quota/quota_window.h"

enum {
	KNOWN_PLACES = 16384, /* only what is used of them takes memory */
	KNOWN_WAYS = 8,	      /* places that a key may have */
	KNOWN_LIVES = 16,
	KNOWN_LOOKS = 64,
	/* So long a refusal rests on what was read; then it is read again. */
	KNOWN_FRESH_US = 25000,
	/* So long a charge rests on it, at most. */
	KNOWN_AGE_US = 5000000,
	/* So long it says whether there is ample room. */
	KNOWN_LEFT_US = 60000000,
};

/* What a reply says of one dim. Of one that is no rolling window: as cell_judge(). */
struct known_counts {
	int64_t own;	     /* the bucket dim->at */
	const int64_t *near; /* WINDOW_NEIGHBOURS of them; NULL: not read */
	/* with `near`: what is noted of so many sub-buckets, as in window_counts */
	const int64_t *slices;
	size_t rows;
	int64_t revision;    /* of the moment of `near` */
	bool longs;	     /* there may be cells of long deadlines */
};

struct known_place {
	uint64_t asked; /* when last, as quota_known counts */
	char key[QUOTA_KEY_MAX];
	struct quota_place at; /* the bucket of `own` */
	int64_t own, near[WINDOW_NEIGHBOURS];
	int64_t slices[QUOTA_SLICES];  /* of the oldest of `near` */
	const struct known_look *look; /* NULL: no slices of the others were read */
	int64_t under_way; /* asked for and not answered */
	uint64_t read_us;  /* `near`; 0: never */
	uint64_t heard_us; /* any of them; likewise */
	bool closed;	   /* a charge to `at` may rest on `near`, while these are the same: */
	int64_t revision;
	uint64_t clock;
	int64_t made[CELL_SLICES + 1]; /* by kind: the cell whose key this worker made, 0: none */
};

/* The slices of all sub-buckets of a place, as a look read them. The retry time of a refusal needs
 * them, within KNOWN_FRESH_US. */
struct known_look {
	const struct known_place *of;
	uint64_t read_us; /* as the place's */
	int64_t slices[WINDOW_ROWS * QUOTA_SLICES];
};

struct quota_known {
	/* of a life of Redis' data, or of a node's: by its epoch */
	struct known_life {
		uint64_t epoch;
		int64_t revision; /* as last read */
		uint64_t clock;	  /* redis_life's */
		int64_t longs_s;  /* until when there may be cells of long deadlines */
	} life[KNOWN_LIVES];
	uint64_t asked; /* so often in all */
	struct known_look look[KNOWN_LOOKS]; /* the newest ones */
	size_t nlook;			     /* so many were read in all */
	/* of the keys of the places: those of a set are one line of the cache */
	uint64_t hash[KNOWN_PLACES];
	/* by the key's hash; where more share places, those that were asked for last */
	struct known_place place[KNOWN_PLACES];
};

enum known_answer {
	KNOWN_ROOM, /* as far as is known */
	KNOWN_FULL, /* read a moment ago */
	KNOWN_OLD,  /* full when it was read: to be read again */
};

/* A reply says so of this life. */
void known_lives(struct quota_known *k, const struct known_life *l);
/* Until when there may be CELL_LONG in this life of Redis' data, s since 1970; 0: none;
 * below: not known. */
int64_t known_longs(const struct quota_known *k, uint64_t epoch);
/* Would the dim be over at d->at at this moment? Fills what window_judge() fills. */
enum known_answer known_ask(struct quota_known *k, struct quota_dim *d, int64_t now_ms,
	uint64_t now_us, int64_t *retry_ms);
/* The dim as it was last heard of, which is not long ago; false: it was not. */
bool known_left(struct quota_known *k, struct quota_dim *d, int64_t now_ms, uint64_t now_us);
/* Sets the neighbours of d->at and the slices of the oldest, where a charge may rest on them and
 * they were read since then; else returns false. Valid until the next known_sent() or
 * known_read(). */
bool known_near(const struct quota_known *k, const struct quota_dim *d, uint64_t since_us,
	struct window_counts *out);
/* What was used of the dim's window of the calendar, as last read; 0: not known. */
int64_t known_used(const struct quota_known *k, const struct quota_dim *d);
/* Its counts were read since then. */
bool known_fresh(const struct quota_known *k, const struct quota_dim *d, uint64_t since_us);
/* Counts what is sent, until known_read() or known_lost(). */
void known_sent(struct quota_known *k, const struct quota_dim *d, bool looks);
/* This worker corrected what was charged at a place. */
void known_corrected(struct quota_known *k, const struct quota_dim *d,
	const struct quota_place *at, struct cell c, int64_t delta);
/* The counts at d->at. `closed`: they were read after Redis' clock had entered d->at, by
 * who set the key's TTL. */
void known_read(struct quota_known *k, const struct quota_dim *d, bool looks,
	const struct known_counts *c, bool closed, uint64_t now_us);
/* Whether this worker made the key of that cell, and that it did now. */
bool known_made(const struct quota_known *k, const struct quota_dim *d,
	const struct quota_place *at, struct cell c);
void known_makes(struct quota_known *k, const struct quota_dim *d, const struct quota_place *at,
	struct cell c);
void known_lost(struct quota_known *k, const struct quota_dim *d, bool looks);

#endif
