/* The quota of one worker, as its own files see it. */
#ifndef BUDGET_QUOTA_QUOTA_PRIVATE_H
#define BUDGET_QUOTA_QUOTA_PRIVATE_H

#include "base/owner.h"
#include "budget/quota/quota_known.h"
#include "budget/quota/quota_ledger.h"
#include "budget/quota/quota_lives.h"
#include "budget/quota/quota_table.h"

enum { TURN_ITEMS = 256 /* dims of a pipeline; then another begins */ };

struct quota {
	struct tag tag;
	struct owner thread;
	struct redis *redis;
	struct quota_request *first, **last; /* asked for in this turn */
	struct part *part;		     /* being written; quota_part.h */
	struct quota_known *known;
	struct quota_ledger *ledger;
	struct quota_lives *lives;
	struct quota_notes *notes;
	struct late {
		struct late *next;
		struct change change;
	} * late, **last_late; /* corrections that wait for Redis, oldest first */
	size_t nlate;
	uint64_t late_us; /* not before are they sent */
	uint64_t last_id; /* id of the last correction; the first one is random */
	uint64_t eval_us; /* Redis forbade EVAL: it is not sent before this time */
	bool said_eval;	  /* the log has that Redis forbids EVAL */
	bool said_full;	  /* the ledger, once */
	struct quota_table *table;
	struct mailbox *self;
	struct metrics *metrics;
};

/* ---- quota.c ---- */
/* Moves the request on. Stops the program if no request goes from its state to `next`. */
void quota_enter(struct quota_request *q, enum quota_life next);
/* Runs done(), here and now. */
void quota_end(struct quota_request *q);
/* The request's answer, at a later turn. */
void quota_tell(struct quota *qt, struct quota_request *q);
/* No answer: what the limits allow on their own, or QUOTA_FAILED. `now`: done() may run
 * inside. */
void quota_fail(struct quota *qt, struct quota_request *q, bool now);
/* Takes back a charge that was counted and is in no ledger, of a request that did not go: its
 * answer came too late. */
void quota_take_back(struct quota *qt, const struct quota_dim *d, uint64_t now_us);

/* That much more, or less, is let go at that cell. False: it will not be counted again where
 * that life of Redis' data is lost. */
bool quota_note(struct quota *qt, const struct quota_dim *d, const struct quota_place *at,
	struct cell c, int64_t delta, uint64_t epoch);

/* ---- quota_notes.c ---- */
struct quota_notes *notes_new(void);
/* Notes that an amount is counted at that place, whose slice is known. It is sent later. */
void notes_add(
	struct quota *qt, const struct quota_dim *d, const struct quota_place *at, int64_t n);
/* Returns true if a note that was not sent is n or more: it is smaller by n now. */
bool notes_take(
	struct quota *qt, const struct quota_dim *d, const struct quota_place *at, int64_t n);
/* Sends what waits, if reservations are sent too, or if it has waited for long. */
void notes_send(struct quota *qt, uint64_t now_us);
/* Adds the command that reduces a note before a refund. */
void notes_reduce(struct redis_pipe *p, const struct change *c);
/* Removes the notes of a sub-bucket: what is charged in it leaves the window with it. */
void notes_drop(struct quota *qt, const char *name, uint64_t epoch, int64_t bucket);
/* Its reply; NULL: there is none. If it is not known that a smaller count has a smaller note, the
 * notes of its sub-bucket are removed. If the command made the key, that gets a TTL. */
void notes_reduced(struct quota *qt, const struct change *c, const struct redis_reply_ints *reply);

/* ---- quota_redis.c ---- */
bool counts_new(struct quota *qt); /* false: no memory */
void counts_free(struct quota *qt);
/* Of the server that holds the dim's keys; where none is known one without an epoch. */
const struct redis_life *counts_life(const struct quota *qt, const struct quota_dim *d);
/* That server answers, and its life is known. */
bool counts_reach(const struct quota *qt, const struct quota_dim *d);
/* Puts the request into the turn's queue: written after all corrections, at
 * the end of a turn of the loop. */
void counts_queue(struct quota *qt, struct quota_request *q);

/* ---- quota_part.c ---- */
/* Who reads from now on reads what is held until long deadlines too. */
void counts_longs(
	struct redis_pipe *p, const struct redis_life *life, uint64_t epoch, int64_t now_s);

/* ---- quota_change.c ---- */
/* Commands of which cell_add() makes so many. */
enum add { ADD_ONLY = 1, ADD_WITH_TTL = 3 };
void cell_add(struct redis_pipe *p, const struct quota_dim *d, const struct quota_place *at,
	struct cell c, int64_t delta, int64_t now_ms, enum add how);
/* The same for any key, which is created with this TTL. id: a key in the same slot. Redis adds only
 * if that key does not exist, and creates it for five minutes. Empty: always adds. */
void key_add(struct redis_pipe *p, const char *key, size_t kn, struct span id, int64_t delta,
	int64_t ttl_s, enum add how);
/* SET key v EX ttl_s */
void key_set(struct redis_pipe *p, const char *key, size_t kn, int64_t v, int64_t ttl_s);
/* "tollgate:NAME:EPOCH": what is told of a life's counters. */
size_t life_key(char out[CELL_KEY_TEXT], const char *name, const struct redis_life *life,
	uint64_t epoch);
/* Whoever knows closed buckets reads them again. */
void counts_revise(struct redis_pipe *p, const struct redis_life *life, uint64_t epoch);
/* Sends a correction. */
void counts_change(struct quota *qt, const struct change *c);
/* Keeps it until Redis is back. */
void counts_keep(struct quota *qt, const struct change *c);
/* The key of the dim's own cell has a TTL from now on. */
void counts_make(struct quota *qt, const struct quota_dim *d);
void counts_send_late(struct quota *qt);
void counts_free_late(struct quota *qt);

#endif
