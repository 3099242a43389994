/* The quota of one worker, for the files of this folder. */
#ifndef BUDGET_QUOTA_QUOTA_PRIVATE_H
#define BUDGET_QUOTA_QUOTA_PRIVATE_H

#include "base/owner.h"
#include "budget/quota/quota_known.h"
#include "budget/quota/quota_ledger.h"
#include "budget/quota/quota_lives.h"
#include "budget/quota/quota_table.h"

enum { TURN_ITEMS = 256 /* dims of a pipeline; further ones go into another */ };

struct quota {
	struct tag tag;
	struct owner thread;
	struct redis *redis;
	struct quota_request *first, **last; /* requests of this turn */
	struct part *part;		     /* the part that is being filled; quota_part.h */
	struct quota_known *known;
	struct quota_ledger *ledger;
	struct quota_lives *lives;
	struct quota_notes *notes;
	struct late {
		struct late *next;
		struct change change;
	} * late, **last_late; /* corrections that wait for Redis, oldest first */
	size_t nlate;
	uint64_t late_us; /* they are not sent before this time */
	uint64_t last_id; /* the last id that was drawn; the first one is random */
	struct counted {  /* settlements that Redis has and no record states; a ring */
		struct quota_counted *v;
		size_t first, n;
	} counted;
	uint64_t eval_us; /* Redis forbade EVAL: it is not sent before this time */
	bool said_eval;	  /* the log has that Redis forbids EVAL */
	bool said_full;	  /* the log has that the ledger is full */
	struct quota_table *table;
	struct mailbox *self;
	struct metrics *metrics;
};

/* ---- quota.c ---- */
/* Moves the request to its next state. Aborts if no request can do so from its present state.
 */
void quota_enter(struct quota_request *q, enum quota_life next);
/* Runs done() at once. */
void quota_end(struct quota_request *q);
/* Runs done() in a later turn. */
void quota_tell(struct quota *qt, struct quota_request *q);
/* Redis did not answer: decides by what the limits allow alone, or QUOTA_FAILED. `now`:
 * done() may run inside this call. */
void quota_fail(struct quota *qt, struct quota_request *q, bool now);
/* Takes back a charge that was counted but is in no ledger: its reply arrived after the
 * request had ended. */
void quota_take_back(struct quota *qt, const struct quota_dim *d, uint64_t now_us);

/* Adds to the ledger. Returns false if the amount will not be counted again when that epoch
 * of Redis' data is lost. */
bool quota_note(struct quota *qt, const struct quota_dim *d, const struct quota_place *at,
	struct cell c, int64_t delta, uint64_t epoch);

/* Notes that an amount is counted at that place, whose slice is known. The note is sent
 * later. */
void notes_add(
	struct quota *qt, const struct quota_dim *d, const struct quota_place *at, int64_t n);
/* Removes the notes of a sub-bucket: its charges then leave the window with the sub-bucket.
 */
void notes_drop(struct quota *qt, const char *name, uint64_t epoch, int64_t bucket);

/* ---- quota_redis.c ---- */
bool counts_new(struct quota *qt); /* Returns false if memory is exhausted. */
void counts_free(struct quota *qt);
/* Returns the epoch of the server that has the dim's keys; if none is known, one without an
 * epoch. */
const struct redis_life *counts_life(const struct quota *qt, const struct quota_dim *d);
/* Returns true if that server answers and its epoch is known. */
bool counts_reach(const struct quota *qt, const struct quota_dim *d);
/* Queues the request. It is written at the end of a turn of the loop, after all corrections.
 */
void counts_queue(struct quota *qt, struct quota_request *q);

/* ---- quota_part.c ---- */
/* From now on, readers include the cells of long deadlines. */
void counts_longs(
	struct redis_pipe *p, const struct redis_life *life, uint64_t epoch, int64_t now_s);

/* ---- corrections in quota_redis.c ---- */
/* The number of commands that cell_add() writes. */
enum add { ADD_ONLY = 1, ADD_WITH_TTL = 3 };
void cell_add(struct redis_pipe *p, const struct quota_dim *d, const struct quota_place *at,
	struct cell c, int64_t delta, int64_t now_ms, enum add how);
/* Adds to any key, which is created with this TTL. */
void key_add(struct redis_pipe *p, const char *key, size_t kn, int64_t delta, int64_t ttl_s,
	enum add how);
/* Writes SET key v EX ttl_s. */
void key_set(struct redis_pipe *p, const char *key, size_t kn, int64_t v, int64_t ttl_s);
/* Writes "tollgate:NAME:EPOCH", a key about an epoch. Returns its length. */
size_t life_key(char out[CELL_KEY_TEXT], const char *name, const struct redis_life *life,
	uint64_t epoch);
/* Sets a new revision, so that workers read known buckets again. */
void counts_revise(struct redis_pipe *p, const struct redis_life *life, uint64_t epoch);
/* Sends a correction. */
void counts_change(struct quota *qt, const struct change *c);
/* Returns the next id of this worker, above 0 and at most INT64_MAX. */
uint64_t quota_draw_id(struct quota *qt);
/* Keeps the correction until Redis answers again. */
void counts_keep(struct quota *qt, const struct change *c);
/* Gives the key of the dim's own cell a TTL. */
void counts_make(struct quota *qt, const struct quota_dim *d);

#endif
