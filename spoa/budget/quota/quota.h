/* Rate limits: reserve before, settle after (design rule 8). Each limit value
 * counts in ten sub-buckets of its window; a request is admitted where its own
 * bucket and the ten before it, read AFTER its own increment, hold no more than
 * the limit, so no rolling window exceeds it. With Redis, each turn of the loop
 * sends one pipeline, and windows follow Redis' clock. Only additions that may be
 * sent again use a script. Without Redis, the same arithmetic runs in the process,
 * by the monotonic clock. */
#ifndef BUDGET_QUOTA_QUOTA_H
#define BUDGET_QUOTA_QUOTA_H

#include "base/mailbox.h"
#include "base/redis/redis.h"
#include "base/tag.h"

#define QUOTA_DIMS_MAX	  16
#define QUOTA_SUB_BUCKETS 10
#define QUOTA_SLICES	  16 /* of a sub-bucket */
#define QUOTA_KEY_MAX	  96

enum quota_unit { QUOTA_REQUESTS, QUOTA_TOKENS, QUOTA_NANOUSD, QUOTA_CONCURRENT };
enum quota_window_kind { QUOTA_ROLLING, QUOTA_CALENDAR, QUOTA_IN_FLIGHT };
enum quota_calendar { QUOTA_HOUR, QUOTA_DAY, QUOTA_WEEK, QUOTA_MONTH };
/* What becomes of a reservation whose daemon and disk are lost. */
enum quota_orphan { QUOTA_ORPHAN_CHARGE, QUOTA_ORPHAN_DROP };
/* While the store does not answer. */
enum quota_away { QUOTA_AWAY_DENY, QUOTA_AWAY_ALLOW, QUOTA_AWAY_SHARE };

struct quota_span {
	enum quota_window_kind kind;
	uint64_t window_s; /* rolling */
	enum quota_calendar calendar;
	/* of the calendar; borrowed from the snapshot. NULL: UTC */
	const struct cel_zone *zone;
};

/* Where a charge is counted: given back there and nowhere else. */
struct quota_place {
	int64_t bucket; /* the sub-bucket; of a calendar when its window begins, s since 1970 */
	uint64_t epoch; /* the life of Redis' data; 0 in process */
	/* rolling: the slice of the sub-bucket, from 1, in which an admitted charge was counted;
	 * 0: it leaves the window with its sub-bucket */
	int64_t slice;
	int64_t end_s;	/* of a calendar: when its window ends */
	/* reserved: until it is settled or the window ends, or until a deadline */
	enum quota_hold {
		QUOTA_HOLD_NONE,
		QUOTA_HOLD_WINDOW,
		QUOTA_HOLD_SHORT,
		QUOTA_HOLD_LONG
	} hold;
	int64_t until; /* the deadline's bucket: quota_cell.h */
	/* on Redis: it is in a worker's ledger, and so counted in each later life of the data
	 */
	bool noted;
};

struct quota_dim {
	enum quota_unit unit;
	struct quota_span span;
	/* "tollgate:q:{LIMIT:HASH}", HASH = 24 hex digits of SHA-256 over the
	 * values of `per` and what is counted: no name of a person in Redis */
	char key[QUOTA_KEY_MAX];
	uint64_t limit;
	uint64_t soft; /* the count from which the soft limit is reached; 0: there is none */
	uint64_t n;    /* what this request takes */
	uint64_t reduced_s; /* out: seconds for which `limit` is came / expected of the limit
			     * (quota_company); 0: it is the limit */
	int64_t came, expected;
	/* What was really used of it: before quota_settle(). Of requests n, of those in
	 * flight 0. */
	uint64_t actual;
	/* How long this request may live: its route's deadline and some. 0: nobody tells of
	 * its end, it is charged at once and for good. */
	uint64_t hold_s;
	enum quota_orphan orphan;
	enum quota_away away;
	/* QUOTA_AWAY_SHARE: what this daemon may spend on its own, and what is set apart of the
	 * limit for all daemons: as long as Redis answers it is not spent */
	uint64_t share, apart;
	bool guessed; /* the share is all of it: nobody says how many daemons there are */
	/* It was charged before, at `from`: that is given back as this is charged. */
	bool moves;
	struct quota_place from;
	uint64_t hash;	   /* of the key; the quota's own, as is: */
	/* An epoch whose counters count too, because the slot of the key has moved since; 0: there is none. */
	uint64_t former;
	int64_t asked_s;   /* Redis' clock as it was asked */
	enum dim_verdict { /* of the last reply */
		DIM_ADMITS,
		DIM_OVER,
		DIM_UNDECIDED, /* what was known did not decide */
		DIM_STALE,     /* counted in another window than that of Redis' clock */
		DIM_FULL,      /* Redis is at its maxmemory: not all was counted */
		DIM_LOST,
	} verdict;
	struct quota_place at; /* out: charged here */
	bool charged;	       /* out: counted and not yet released */
	bool rough;	       /* it may fit earlier than is known: window_judge() */
	/* out, of an admitted rolling one: the clock of where it is counted, after it was; no
	 * window of this clock holds more than the limit */
	int64_t counted_ms;
	/* out, with this request's own where it is admitted: */
	uint64_t used, held; /* what is spent, what is reserved and not settled */
	bool soft_reached;
	uint64_t remaining; /* limit - count, 0 if over */
	/* until the window's end; of a rolling one until all of it has rolled past today's
	 * use; 0: the counts were not read, and nothing is known of what remains */
	uint64_t reset_ms;
	const char *name; /* limit's name, borrowed from the snapshot */
	/* The caller's own, as is: the policy's limit, NULL where it is none of its, and what it
	 * counts. */
	const struct limit *of;
	unsigned char counts;
};

enum quota_result {
	QUOTA_ADMITTED,
	QUOTA_REFUSED,
	QUOTA_UNREACHABLE, /* refused for good: one dim takes more than its limit */
	QUOTA_FAILED,
};

/* The life of a reservation (quota_enter()):
 *
 *	IDLE ──→ QUEUED ──→ ASKED ──→ TOLD ──→ IDLE
 *	            ↑          │
 *	            └──────────┘ another try
 */
enum quota_life {
	QUOTA_IDLE,   /* the caller's: nothing was asked for, or done() runs or ran */
	QUOTA_QUEUED, /* it is in its worker's list, until the end of the turn */
	QUOTA_ASKED,  /* Redis or the table has it */
	QUOTA_TOLD,   /* it is decided, and done() runs next */
	QUOTA_LIVES
};

struct quota_request {
	struct tag tag;
	enum quota_life life; /* the quota's own. QUOTA_IDLE at first */
	size_t ndims;
	/* out */
	enum quota_result result;
	bool alone;		/* QUOTA_ADMITTED, from this daemon's own share */
	size_t refused_by;	/* index of the tightest dim that refused */
	uint64_t retry_after_s; /* QUOTA_REFUSED: whole true seconds, 1 at least */
	void (*done)(struct quota_request *q);
	void *arg;
	/* the quota's own */
	struct mail mail;
	struct quota *quota;
	struct quota_request *next; /* waits for the end of the turn */
	unsigned tries, unanswered; /* dims */
	bool looks;		    /* reads without counting */
	bool looked;		    /* just now */
	bool doubts;		    /* what was known did not decide: the next try reads */
	/* It is refused, and reads when it fits: the time that is known before; 0: it is not. */
	uint64_t over_s;
	uint64_t queued_us;
	struct quota_dim dim[QUOTA_DIMS_MAX]; /* at the end: few are written */
};

struct quota;
/* One a worker. `redis` NULL: counts in process, in the table (made once, owned by one
 * worker, reached through mailboxes). With Redis it holds what this daemon spends on its own
 * while Redis does not answer; NULL: nothing. */
struct quota_table;
struct quota_table *quota_table_new(struct mailbox *owner);
void quota_table_free(struct quota_table **t);
struct quota *quota_new(struct redis *redis, struct quota_table *table, struct mailbox *self,
	struct metrics *m);
/* Before its Redis is freed. What waits ends without its callback. */
void quota_free(struct quota **q);

/* How many workers this daemon has, and how many daemons share its Redis: the first reservation
 * in a life of its data waits until all of them are there, or 5 s; daemons 0, nobody knows:
 * where nobody goes on in that life, 2 s. At first: for nobody. Before the loop runs. */
void quota_together(struct quota *qt, unsigned workers, unsigned daemons);
/* What the workers of a daemon tell each other of their Redis, so that one of them looks at it
 * while nothing is asked for, and the others rest (lives/README.md). Zeroed at first, outlives
 * them; they share a redis_finder. Before the loop runs; without it a worker never rests. `place` is the
 * worker's in the daemon; the first one, 0, has the ledger into which the journal is read. */
struct quota_daemon {
	uint64_t node;		     /* hash of the node's name; 0: workers have names by chance */
	uint64_t process;	     /* drawn at the start */
	_Atomic uint64_t watcher;    /* name of the one who looks; 0: nobody yet */
	_Atomic uint64_t watched_us; /* when Redis last answered it */
	_Atomic uint64_t members;    /* as one counted last: 16 bits, then 48 of the epoch */
	_Atomic uint64_t retired;    /* of these, workers that retired */
	_Atomic uint64_t doubts;     /* how often one found its life ended, or silence */
};
void quota_beside(struct quota *qt, struct quota_daemon *d, unsigned place);
/* This worker admits no further request, for example after a hand-over. The other daemons do not count the
 * worker in redis.daemons and in shares, but wait for its usage in a new epoch until it exits. Its
 * settlements continue. */
void quota_retire(struct quota *qt);
/* Who shares its Redis, for those who ask. */
struct quota_company {
	bool counting; /* nothing is let go yet: who else is there is waited for */
	/* that were there for 5 s and more than are known of; 0: no more */
	uint64_t workers;
	uint64_t known; /* of this daemon, or of as many as tollgate.yaml says */
	/* seconds for which a rolling limit is reduced to came / expected of it, because the other
	 * workers have not reported since Redis lost its data; 0: none is */
	uint64_t reduced_s;
	int64_t came, expected;
};
void quota_company(const struct quota *qt, struct quota_company *out);
/* Returns came / expected of the limit. `expected` is above 0. */
uint64_t life_share(uint64_t limit, int64_t came, int64_t expected);
/* Returns the ledger of the usage that this worker admitted. A start adds to the ledger before the loop runs
 * (budget/recall/quota_recall.h). NULL: counts are kept in the process. */
struct quota_ledger;
struct quota_ledger *quota_ledger_of(struct quota *qt);

/* Counts every dim, reads, decides; done() runs later on this worker's loop,
 * never inside. Where one dim is over, all are released by this call itself. On
 * QUOTA_FAILED (store silent past its deadline) nothing is un-counted until the
 * store says, later, that it was counted. *q must live until done() ran. */
void quota_reserve(struct quota *qt, struct quota_request *q);
/* What is left of the dim, or until its soft limit is reached, as this worker heard within the
 * last minute, less what it asked for since; 0 where it heard nothing. Nothing is sent. */
uint64_t quota_left(const struct quota *qt, struct quota_dim *d);
/* Returns true if this worker knows what is left of limits: with Redis every worker does, without Redis only
 * the owner of the table. */
bool quota_hears(const struct quota *qt);
/* Returns true if the dim may be over: it had no room for n more when this worker last heard of it,
 * within the last minute, or this worker does not hear. Nothing is sent. */
bool quota_may_be_over(const struct quota *qt, struct quota_dim *d);
/* A charge that counts now still counts in this bucket. */
bool quota_current(const struct quota *qt, const struct quota_dim *d, uint64_t now_us);
/* Gives back what dims that move were charged before, where they are not reserved after
 * all. Fire and forget. */
void quota_unmove(struct quota *qt, struct quota_request *q, uint64_t now_us);
/* Corrects each charged dim of an admitted reservation to its `actual`: the difference
 * goes to the same window while it lives, more is added unconditionally. Fire and
 * forget. */
void quota_settle(struct quota *qt, struct quota_request *q, uint64_t now_us);
/* Counts d->n at once and for good, over the limit too: what happened. Fire and forget. */
void quota_add(struct quota *qt, const struct quota_dim *d, uint64_t now_us);
/* In two: the dims are settled, and how many corrections that takes, at most one a dim;
 * quota_change() is each. */
struct change;
size_t quota_settled(struct quota_request *q, struct change *out);
/* Corrects what was charged at its place, or what is more now where that is gone. */
void quota_change(struct quota *qt, const struct change *c, uint64_t now_us);
/* Gives back every charged dim. Fire and forget; idempotent. */
void quota_release(struct quota *qt, struct quota_request *q, uint64_t now_us);

/* A charge as one text of a record; 0: it has no room. */
enum { QUOTA_TEXT_MAX = QUOTA_KEY_MAX + 160 };
size_t quota_write(const struct quota_dim *d, char out[QUOTA_TEXT_MAX]);
/* False: none of ours. */
bool quota_read(struct span s, struct quota_dim *d);

#endif
