/* The counts that this worker last read from Redis. They serve two purposes:
 *
 * A request that will be refused anyway is refused without counting, because a reservation
 * that cannot succeed takes room from others until it is given back.
 *
 * A charge need not read its neighbor buckets again. The neighbors were read after Redis'
 * clock had entered the bucket of the charge. All admitted charges in them were counted by
 * then, because an admission requires that the clock is still in its bucket after counting.
 * Later changes only make the neighbors smaller (refunds). The exception is a settlement
 * above the reservation, which sets a new revision that every reservation reads. A known
 * neighbor is thus an upper bound as long as epoch and revision are the same and Redis' clock
 * was not set. It is read again after KNOWN_AGE_US, and before a refusal.
 *
 * owner: worker. */
#ifndef BUDGET_QUOTA_QUOTA_KNOWN_H
#define BUDGET_QUOTA_QUOTA_KNOWN_H

#include "budget/quota/quota_cell.h"
#include "budget/quota/quota_window.h"

enum {
	KNOWN_PLACES = 16384, /* number of places; only the pages in use take memory */
	KNOWN_WAYS = 8,	      /* places that a key may have */
	KNOWN_LIVES = 16,
	KNOWN_LOOKS = 64,
	/* a refusal may use counts of this age; then they are read again */
	KNOWN_FRESH_US = 25000,
	/* a charge may use counts of this age */
	KNOWN_AGE_US = 5000000,
	/* counts of this age may show whether there is room */
	KNOWN_LEFT_US = 60000000,
};

/* The counts of one dim in a reply. For a dim that is not rolling: as for cell_judge(). */
struct known_counts {
	int64_t own;	     /* the bucket of dim->at */
	const int64_t *near; /* WINDOW_NEIGHBOURS counts; NULL: not read */
	/* with `near`: the notes of the first `rows` sub-buckets, as in window_counts */
	const int64_t *slices;
	size_t rows;
	int64_t revision;    /* the revision when `near` was read */
	bool longs;	     /* there may be cells of long deadlines */
};

/* The counts of one key. */
struct known_place {
	uint64_t asked; /* value of quota_known.asked when the key was last asked for */
	char key[QUOTA_KEY_MAX];
	struct quota_place at; /* the bucket of `own` */
	int64_t own, near[WINDOW_NEIGHBOURS];
	int64_t slices[QUOTA_SLICES];  /* notes of the oldest of `near` */
	const struct known_look *look; /* NULL: the notes of the others were not read */
	int64_t under_way; /* the amount asked for that has no reply yet */
	uint64_t read_us;  /* monotonic, when `near` was read; 0: never */
	uint64_t heard_us; /* monotonic, when any count was read; 0: never */
	/* a charge to `at` may use `near` while revision and clock are the same */
	bool closed;
	int64_t revision;
	uint64_t clock;
	/* by kind: the cell whose key this worker created; 0: none */
	int64_t made[CELL_SLICES + 1];
};

/* The notes of all sub-buckets of a key, read without counting. The retry time of a refusal
 * needs them, at most KNOWN_FRESH_US old. */
struct known_look {
	const struct known_place *of;
	uint64_t read_us; /* equal to the place's read_us */
	int64_t slices[WINDOW_ROWS * QUOTA_SLICES];
};

/* All places of a worker: a set-associative table. */
struct quota_known {
	/* one for each epoch of Redis' data, or of a cluster's node */
	struct known_life {
		uint64_t epoch;
		int64_t revision; /* the revision that was last read */
		uint64_t clock;	  /* the clock, as in struct redis_life */
		/* seconds since 1970 until which cells of long deadlines may exist */
		int64_t longs_s;
	} life[KNOWN_LIVES];
	uint64_t asked; /* number of requests so far */
	struct known_look look[KNOWN_LOOKS]; /* the latest ones */
	size_t nlook;			     /* number of looks that were read so far */
	/* hashes of the places' keys; those of a set are in one cache line */
	uint64_t hash[KNOWN_PLACES];
	/* by hash of the key; if a set is full, the place that was asked for longest ago is
	 * replaced */
	struct known_place place[KNOWN_PLACES];
};

enum known_answer {
	KNOWN_ROOM, /* there is room, as far as is known */
	KNOWN_FULL, /* full when it was read, a moment ago */
	KNOWN_OLD,  /* full when it was read; read it again */
};

/* Takes revision, clock and longs of an epoch from a reply. */
void known_lives(struct quota_known *k, const struct known_life *l);
/* Returns the time until which CELL_LONG may exist in this epoch, in seconds since 1970; 0:
 * none exists; negative: not known. */
int64_t known_longs(const struct quota_known *k, uint64_t epoch);
/* Returns whether the dim would be over at d->at now. Fills the results of window_judge(). */
enum known_answer known_ask(struct quota_known *k, struct quota_dim *d, int64_t now_ms,
	uint64_t now_us, int64_t *retry_ms);
/* Fills the dim from counts read less than KNOWN_LEFT_US ago. Returns false if there are
 * none. */
bool known_left(struct quota_known *k, struct quota_dim *d, int64_t now_ms, uint64_t now_us);
/* Sets the neighbors of d->at and the notes of the oldest one, if a charge may use them and
 * they were read after since_us; otherwise returns false. Valid until the next known_sent()
 * or known_read(). */
bool known_near(const struct quota_known *k, const struct quota_dim *d, uint64_t since_us,
	struct window_counts *out);
/* Returns the amount spent in the dim's calendar window as last read; 0: not known. */
int64_t known_used(const struct quota_known *k, const struct quota_dim *d);
/* Returns true if its counts were read after since_us. */
bool known_fresh(const struct quota_known *k, const struct quota_dim *d, uint64_t since_us);
/* Counts the amount that is sent as in flight, until known_read() or known_lost(). */
void known_sent(struct quota_known *k, const struct quota_dim *d, bool looks);
/* Notes that this worker corrected a charge at a place. */
void known_corrected(struct quota_known *k, const struct quota_dim *d,
	const struct quota_place *at, struct cell c, int64_t delta);
/* Takes the counts at d->at. `closed`: they were read after Redis' clock had entered d->at,
 * by a worker that set the key's TTL. */
void known_read(struct quota_known *k, const struct quota_dim *d, bool looks,
	const struct known_counts *c, bool closed, uint64_t now_us);
/* known_made() returns true if this worker created the key of that cell; known_makes() notes
 * that it did. */
bool known_made(const struct quota_known *k, const struct quota_dim *d,
	const struct quota_place *at, struct cell c);
void known_makes(struct quota_known *k, const struct quota_dim *d, const struct quota_place *at,
	struct cell c);
/* The request got no reply. */
void known_lost(struct quota_known *k, const struct quota_dim *d, bool looks);

#endif
