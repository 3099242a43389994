/* Quotas: reserve before a request is sent, settle when its usage is known.
 *
 * A rolling limit counts in sub-buckets, ten for each window. A request is admitted if its
 * own bucket and the ten before it, read AFTER its own increment, together hold no more than
 * the limit. No rolling window can therefore exceed the limit. With Redis, each iteration of
 * the event loop (a turn) sends one pipeline, and windows follow Redis' clock. Only additions
 * that may be sent again use a script. Without Redis, the same arithmetic runs in this
 * process, by the monotonic clock.
 *
 * A dim (dimension) is one limit that applies to a request, with the counter that it is
 * charged to. A "life" is an epoch of Redis' data (README.md). Functions of struct quota are
 * called on its worker's thread. */
#ifndef BUDGET_QUOTA_QUOTA_H
#define BUDGET_QUOTA_QUOTA_H

#include "base/mailbox.h"
#include "base/redis/redis.h"
#include "base/tag.h"

#define QUOTA_DIMS_MAX	  16
#define QUOTA_SUB_BUCKETS 10
#define QUOTA_SLICES	  16 /* slices of a sub-bucket */
#define QUOTA_KEY_MAX	  96

enum quota_unit { QUOTA_REQUESTS, QUOTA_TOKENS, QUOTA_NANOUSD, QUOTA_CONCURRENT };
enum quota_window_kind { QUOTA_ROLLING, QUOTA_CALENDAR, QUOTA_IN_FLIGHT };
enum quota_calendar { QUOTA_HOUR, QUOTA_DAY, QUOTA_WEEK, QUOTA_MONTH };
/* Treatment of a reservation whose daemon and disk are lost. */
enum quota_orphan { QUOTA_ORPHAN_CHARGE, QUOTA_ORPHAN_DROP };
/* Treatment of requests while Redis does not answer. */
enum quota_away { QUOTA_AWAY_DENY, QUOTA_AWAY_ALLOW, QUOTA_AWAY_SHARE };

struct quota_span {
	enum quota_window_kind kind;
	uint64_t window_s; /* width of a rolling window */
	enum quota_calendar calendar;
	/* time zone of a calendar; borrowed from the snapshot. NULL: UTC */
	const struct cel_zone *zone;
};

/* The place where a charge is counted. The charge is corrected and given back there and
 * nowhere else. */
struct quota_place {
	/* rolling: the sub-bucket; calendar: begin of its window, seconds since 1970 */
	int64_t bucket;
	uint64_t epoch; /* epoch of Redis' data; 0: counted in this process */
	/* rolling: the slice of the sub-bucket, from 1, in which an admitted charge was
	 * counted; 0: the charge leaves the window with its sub-bucket */
	int64_t slice;
	int64_t end_s; /* calendar: end of its window, seconds since 1970 */
	/* how long the amount is reserved: not at all (charged at once), until it is settled
	 * or the window ends, or until a near or a distant deadline */
	enum quota_hold {
		QUOTA_HOLD_NONE,
		QUOTA_HOLD_WINDOW,
		QUOTA_HOLD_SHORT,
		QUOTA_HOLD_LONG
	} hold;
	int64_t until; /* the deadline's bucket: quota_cell.h */
	/* on Redis: the charge is in a worker's ledger and is therefore counted in each later
	 * epoch, too */
	bool noted;
};

/* One dimension of a request. The caller fills it before quota_reserve(); members marked
 * "out" are results. */
struct quota_dim {
	enum quota_unit unit;
	struct quota_span span;
	/* "tollgate:q:{LIMIT:HASH}". HASH is 24 hex digits of SHA-256 over the values of
	 * `per` and what is counted, so that Redis has no name of a person. */
	char key[QUOTA_KEY_MAX];
	uint64_t limit;
	uint64_t soft; /* the count at which the soft limit is reached; 0: none */
	uint64_t n;    /* the amount that this request takes */
	/* out: for these seconds `limit` is came / expected of the configured limit
	 * (quota_company); 0: not reduced */
	uint64_t reduced_s;
	int64_t came, expected;
	/* The amount really used, set before quota_settle(): n for requests, 0 for requests
	 * in flight. */
	uint64_t actual;
	/* the longest life of this request in seconds: its route's deadline and a margin. 0:
	 * nobody reports its end, so it is charged at once and finally */
	uint64_t hold_s;
	enum quota_orphan orphan;
	enum quota_away away;
	/* for QUOTA_AWAY_SHARE: the amount that this daemon may spend alone, and the part of
	 * the limit that is set apart for all daemons. That part is not spent while Redis
	 * answers. */
	uint64_t share, apart;
	/* the number of daemons is not configured, so the share is the whole part */
	bool guessed;
	/* The dim was charged before, at `from`; that charge is given back when this one is
	 * made. */
	bool moves;
	struct quota_place from;
	/* hash of the key; this and the members below belong to the quota */
	uint64_t hash;
	/* The id under which Redis counts the settlement of an admitted charge once, however
	 * often it is sent; it is in the record, so that a later daemon can send the settlement
	 * again. 0: the charge is not on Redis, or is settled. */
	uint64_t id;
	/* an epoch whose counters count too, because the slot of the key has moved since; 0:
	 * none */
	uint64_t former;
	int64_t asked_s;   /* Redis' clock when the request was sent, in seconds */
	enum dim_verdict { /* from the last reply */
		DIM_ADMITS,
		DIM_OVER,
		DIM_UNDECIDED, /* the known counts did not decide */
		DIM_STALE,     /* counted in another window than Redis' clock is in */
		DIM_FULL,      /* Redis has reached maxmemory, so not all was counted */
		DIM_LOST,      /* no valid reply */
	} verdict;
	struct quota_place at; /* out: the place of the charge */
	bool charged;	       /* out: counted and not given back */
	bool rough;	       /* the request may fit earlier than stated: window_judge() */
	/* out, for an admitted rolling dim: the clock of the counts after the charge, in ms.
	 * No window by this clock holds more than the limit. */
	int64_t counted_ms;
	/* out, including this request's own amount if it is admitted */
	uint64_t used, held; /* the amounts spent, and reserved but not settled */
	bool soft_reached;
	uint64_t remaining; /* limit - count, at least 0 */
	/* ms until the window ends; for a rolling window until all present use has left it;
	 * 0: the counts were not read and `remaining` is not known */
	uint64_t reset_ms;
	const char *name; /* limit's name, borrowed from the snapshot */
	/* The caller's: the policy's limit (NULL if the limit is not the policy's), and what
	 * it counts. */
	const struct limit *of;
	unsigned char counts;
	/* the share of cached input that counts, in hundredths of a percent; 0: all of it */
	uint16_t cached;
};

enum quota_result {
	QUOTA_ADMITTED,
	QUOTA_REFUSED,
	QUOTA_UNREACHABLE, /* never fits: one dim takes more than its limit */
	QUOTA_FAILED,	   /* Redis did not answer in time */
};

/* The states of a reservation (quota_enter()). prose: ok told
 *
 *	IDLE ──→ QUEUED ──→ ASKED ──→ TOLD ──→ IDLE
 *	            ↑          │
 *	            └──────────┘ another try
 */
enum quota_life {
	/* belongs to the caller: nothing was asked, or done() is running or has run */
	QUOTA_IDLE,
	QUOTA_QUEUED, /* waits in its worker's list until the end of the turn */
	QUOTA_ASKED,  /* Redis or the table has it */
	QUOTA_TOLD,   /* decided; done() runs next */
	QUOTA_LIVES
};

/* One reservation, in the caller's memory until done() has run. */
struct quota_request {
	struct tag tag;
	enum quota_life life; /* internal; QUOTA_IDLE at first */
	size_t ndims;
	/* out */
	enum quota_result result;
	bool alone; /* QUOTA_ADMITTED from this daemon's own share */
	/* index of the dim with the longest wait among those that refused */
	size_t refused_by;
	uint64_t retry_after_s; /* for QUOTA_REFUSED: whole seconds, at least 1 */
	void (*done)(struct quota_request *q);
	void *arg;
	/* internal */
	struct mail mail;
	struct quota *quota;
	struct quota_request *next; /* the next request of this turn */
	unsigned tries, unanswered; /* dims without a reply */
	bool looks;		    /* reads without counting */
	bool looked;		    /* the last try was a read */
	/* the known counts did not decide, so the next try reads */
	bool doubts;
	/* the request is refused, and is reading only to find out when it fits: the known
	 * wait in seconds; 0: it is not */
	uint64_t over_s;
	uint64_t queued_us;
	struct quota_dim dim[QUOTA_DIMS_MAX]; /* last, because only a few are used */
};

struct quota;
/* One for each worker. `redis` NULL: counts are in `table`, which is made once, owned by one
 * worker and reached through mailboxes. With Redis, the table counts what this daemon spends
 * alone while Redis does not answer; NULL: nothing. Returns NULL if memory is exhausted. */
struct quota_table;
struct quota_table *quota_table_new(struct mailbox *owner);
void quota_table_free(struct quota_table **t);
struct quota *quota_new(struct redis *redis, struct quota_table *table, struct mailbox *self,
	struct metrics *m);
/* Call it before its Redis is freed. Waiting requests end without their callback. */
void quota_free(struct quota **q);

/* Sets how many workers this daemon has and how many daemons share its Redis. The first
 * reservation in an epoch waits until all of them have arrived, at most 5 s. If `daemons` is
 * 0, the number is not known: the worker waits 2 s, unless another worker already continues
 * in that epoch. By default nothing is waited for. Call it before the loop runs. */
void quota_together(struct quota *qt, unsigned workers, unsigned daemons);
/* State that the workers of a daemon share about their Redis, so that one of them watches it
 * while no requests arrive and the others rest (lives/README.md). Zeroed at first; it
 * outlives the workers, which share a redis_finder. Call quota_beside() before the loop runs;
 * without it a worker never rests. `place` is the worker's index in the daemon. Worker 0 has
 * the ledger into which the journal is read. */
enum { QUOTA_WORKERS_MAX = 64, QUOTA_NAMES_MAX = 512, QUOTA_GONE_MAX = 64 };
struct quota_daemon {
	/* hash of the node's name; 0: workers have random names, and each renews its own */
	uint64_t node;
	uint64_t process;	     /* random, drawn at the start */
	_Atomic uint64_t watcher;    /* name of the worker that watches; 0: none yet */
	_Atomic uint64_t watched_us; /* monotonic, when Redis last answered the watcher */
	/* number of members at the last count << 48 | the lower 48 bits of the epoch */
	_Atomic uint64_t members;
	_Atomic uint64_t retired; /* number of these workers that have retired */
	/* incremented when a worker finds that its epoch ended or that Redis does not answer
	 */
	_Atomic uint64_t doubts;
	/* For each worker: the epochs in which it takes part, up to the first 0. The worker
	 * writes its row. The watching worker renews the names of the others by it. */
	_Atomic uint64_t in[QUOTA_WORKERS_MAX][REDIS_HOLDERS_MAX + 1];
	/* The names of all members that the watching worker read last. `names_at` is odd while
	 * they are written, and changes with each writing. */
	_Atomic uint64_t names_at, nnames, name[QUOTA_NAMES_MAX];
	/* Daemons that share this Redis, as their list there has them, also those that are away;
	 * 0: not known. Written by the main thread. */
	_Atomic uint64_t daemons;
	/* Daemons that used this Redis within the longest window and are not retired, once the
	 * others had time to start; 0: not known. Written by the main thread. */
	_Atomic uint64_t fleet;
	/* quota_node_gone() of nodes that an operator has retired, up to the first 0: their workers
	 * are not awaited. Written by the main thread. */
	_Atomic uint64_t gone[QUOTA_GONE_MAX];
};
/* Returns the value of `gone` for the node whose name has this hash; not 0. */
uint64_t quota_node_gone(uint64_t node);
void quota_beside(struct quota *qt, struct quota_daemon *d, unsigned place);
/* This worker admits no further requests, for example after a hand-over. Other daemons do not
 * count it in redis.daemons and in shares. Until it exits, they wait for its usage in a new
 * epoch. Its settlements continue. */
void quota_retire(struct quota *qt);
/* The workers that share its Redis, for status. */
struct quota_company {
	bool counting; /* nothing is admitted yet, because the other workers are awaited */
	/* workers beyond those configured that have been present for more than 5 s; 0: none
	 */
	uint64_t workers;
	/* workers of this daemon, or of as many daemons as tollgate.yaml states */
	uint64_t known;
	/* for these seconds a rolling limit is reduced to came / expected of it, because the
	 * other workers have not arrived since Redis lost its data; 0: not reduced */
	uint64_t reduced_s;
	int64_t came, expected;
};
/* Fills *out; all zeros without Redis. */
void quota_company(const struct quota *qt, struct quota_company *out);
/* Returns came / expected of the limit. `expected` must be above 0. */
uint64_t life_share(uint64_t limit, int64_t came, int64_t expected);
/* Returns the ledger of the usage that this worker admitted. At a start, the journal's usage
 * is added to it before the loop runs (budget/recall/quota_recall.h). Returns NULL if counts
 * are in the process. */
struct quota_ledger;
struct quota_ledger *quota_ledger_of(struct quota *qt);
/* Call it on the worker's thread after the sums of the other instance's journal were added to
 * the ledger while the worker runs: they are added to Redis, unless they are counted there. */
void quota_other_added(struct quota *qt);
/* Call it on the worker's thread when the other instance decides: this worker no longer has the
 * sums of that instance's journal. */
void quota_drop_other(struct quota *qt);

/* Counts every dim, reads the other counters, and decides. done() runs later on this worker's
 * loop, never inside this call. If one dim is over, this call gives all of them back itself.
 * After QUOTA_FAILED (Redis did not answer in time), the counts are given back only when a
 * late reply shows that they were made. *q must live until done() has run. */
void quota_reserve(struct quota *qt, struct quota_request *q);
/* Returns the amount left of the dim, or left until its soft limit, from replies of the last
 * minute, minus what this worker has asked for since. Returns 0 if there was no reply. Sends
 * nothing. */
uint64_t quota_left(const struct quota *qt, struct quota_dim *d);
/* Returns true if this worker knows what is left of limits: with Redis every worker does,
 * without Redis only the owner of the table. */
bool quota_hears(const struct quota *qt);
/* Returns true if the dim may be over: it had no room for n more in the last minute, or this
 * worker does not know. Sends nothing. */
bool quota_may_be_over(const struct quota *qt, struct quota_dim *d);
/* Returns true if a charge at d->at is in the same window as a charge made now. */
bool quota_current(const struct quota *qt, const struct quota_dim *d, uint64_t now_us);
/* Gives back the former charges of dims that move, if the dims are not reserved after all.
 * Returns at once; no result is reported. */
void quota_unmove(struct quota *qt, struct quota_request *q, uint64_t now_us);
/* Corrects each charged dim of an admitted reservation to its `actual`. The difference is
 * counted in the same window while that exists; usage above the reservation is added
 * unconditionally. Returns at once; no result is reported. */
void quota_settle(struct quota *qt, struct quota_request *q, uint64_t now_us);
/* Counts d->n at once and finally, even above the limit, because the usage has already
 * happened. Returns at once; no result is reported. */
void quota_add(struct quota *qt, const struct quota_dim *d, uint64_t now_us);
/* The two steps of quota_settle(). quota_settled() settles the dims and returns the number of
 * corrections in `out`, at most one for each dim; quota_change() sends one. */
struct change;
size_t quota_settled(struct quota_request *q, struct change *out);
/* Corrects a charge at its place. If the place no longer exists, usage above the charge is
 * counted at the present place. */
void quota_change(struct quota *qt, const struct change *c, uint64_t now_us);
/* Sends the settlement of a charge again that an earlier daemon recorded, and of which no record
 * states that Redis has it. `c` is as cell_settle() returned it, with the id of the record.
 * Redis ignores a settlement that it has. */
void quota_repeat(struct quota *qt, const struct change *c);
/* Gives back every charged dim. Returns at once; no result is reported. A second call does
 * nothing. */
void quota_release(struct quota *qt, struct quota_request *q, uint64_t now_us);

/* Settlements that Redis has, by their ids. A record states them, so that a start does not send
 * them again. quota_take_counted() moves up to `most` ids into *out and returns their number.
 * When the record is durable, pass them to quota_counted_noted(), which removes the ids from
 * Redis; if it is not written, pass `noted` false. */
struct quota_counted {
	uint64_t id, epoch;
	char key[QUOTA_KEY_MAX];
};
size_t quota_take_counted(struct quota *qt, struct quota_counted *out, size_t most);
void quota_counted_noted(
	struct quota *qt, const struct quota_counted *v, size_t n, bool noted);

/* Writes a charge as one text of a record. Returns its length, or 0 if it does not fit. */
enum { QUOTA_TEXT_MAX = QUOTA_KEY_MAX + 184 };
size_t quota_write(const struct quota_dim *d, char out[QUOTA_TEXT_MAX]);
/* Reads such a text. Returns false if it is not valid. */
bool quota_read(struct span s, struct quota_dim *d);

#endif
