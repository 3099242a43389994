/* An asynchronous Redis client on a libev loop (hiredis 0.14 and 1.x), for one server, the
 * master that Sentinels name, or a cluster. The client connects and reconnects by itself and
 * gives every pipeline a deadline. While a server is away or silent, its circuit breaker is
 * open: callers fail at once. owner: one thread. */
#ifndef BASE_REDIS_REDIS_H
#define BASE_REDIS_REDIS_H

#include <ev.h>
#include <stdatomic.h>

#include "base/metrics.h"
#include "base/redis/redis_life.h"
#include "base/span.h"

struct redis;
struct redis_finder;

/* Begins to connect at once, and never waits. Returns NULL if memory is exhausted. */
struct redis *redis_new_at(struct ev_loop *loop, struct redis_finder *finder,
	uint64_t deadline_us, struct metrics *m);
/* Closes the connections. Pending pipelines and hashes end without their callbacks. */
void redis_free(struct redis **r);
/* Returns true if the server is connected and its circuit is closed. For a cluster: if every
 * slot has a node, and each of these nodes is up. */
bool redis_up(const struct redis *r);
/* Returns true if redis_up() is true and the epochs are known. */
bool redis_ready(const struct redis *r);

/* Returns true if one of the servers evicts keys when its memory is full, as reported at the
 * last connect. */
bool redis_evicts(const struct redis *r);

/* For redis_options.may_evict: returns the memory in use, in bytes, of the fullest server that
 * evicts nothing. The value is at most a second old. 0: every server evicts, or none has
 * reported it. */
uint64_t redis_used_bytes(const struct redis *r);

/* Returns why one of the servers refuses writes, which is checked once a second. The server's
 * own error is in *said (prose: ok said), valid until the next turn of the loop. */
enum redis_refusal redis_refuses(const struct redis *r, const char **said);
/* Returns our wall clock minus the clock of the server that differs most, in µs; 0: unknown. */
int64_t redis_skew_us(const struct redis *r);
/* Sets *off_us to Redis' clock minus the monotonic clock, of a server that is connected. Returns
 * false if it is unknown. */
bool redis_clock_us(const struct redis *r, int64_t *off_us);

/* Returns the server that holds this key: r itself, or a node of the cluster; NULL: unknown.
 * Valid until the next turn of the loop. */
struct redis *redis_at(struct redis *r, struct span key);

/* Sets `out` to the servers that hold keys: r itself, or the nodes of the cluster. Returns their
 * number. Valid until the next turn of the loop. */
enum { REDIS_HOLDERS_MAX = 64 };
size_t redis_holders(struct redis *r, struct redis *out[REDIS_HOLDERS_MAX]);
/* Returns a number that changes whenever slots of the cluster are known to have moved. */
uint64_t redis_moves(const struct redis *r);
/* Returns the epoch of the server that held this key before its slot moved, less than a minute
 * ago. Counters of that epoch have moved along with the slot. 0: the slot did not move. */
uint64_t redis_former_epoch(const struct redis *r, struct span key);
/* Returns how long a reply is waited for, in µs. */
uint64_t redis_deadline_us(const struct redis *r);

/* Returns the epoch of this server's data (see redis_at) and its clock, which are asked for at
 * each connect. The epoch is 0 while it is unknown, and always for a cluster as a whole. */
const struct redis_life *redis_life(const struct redis *r);
/* Returns true for a node of a cluster that became known, or got its first slots, less than a
 * second ago, and whose connection or epoch is still being established. Commands for the node
 * wait. */
bool redis_coming(const struct redis *r);
/* Returns true while an epoch is being asked for: it will soon be known, or the circuit opens. */
bool redis_life_asked(const struct redis *r);
/* Reports that a reader saw another epoch, or none: `epoch` has ended, and the next one is asked
 * for. */
void redis_life_ended(struct redis *r, uint64_t epoch);
/* Reports the reply to a TIME that was sent at sent_us (monotonic): seconds and microseconds. */
void redis_life_time(struct redis *r, uint64_t sent_us, const int64_t time[2]);
/* Sets a function that runs at the end of each turn of the loop, before the commands that the
 * turn queued are written. There is one; NULL: none. */
void redis_before_write(struct redis *r, void (*cb)(void *arg), void *arg);

/* Makes the loop take a turn at least every `ms` milliseconds. At most 1000, because some
 * questions are asked once a second. The default is 100. */
void redis_tick_every(struct redis *r, unsigned ms);
/* Makes the loops of all users of the same finder take a turn soon. */
void redis_wake_users(struct redis *r);

enum { REDIS_LIST_MAX = 24 };

/* The reply to one command: an integer or a list of integers. In MGET's reply, strings are read
 * as integers, and nil is 0. A reply to EXEC is ERR_SYNTAX if one of its commands failed. */
struct redis_reply_ints {
	/* 0, or: ERR_FULL, the server is at its maxmemory and the command did nothing;
	 * ERR_SYNTAX, Redis returned an error or another type; in a cluster also ERR_IO or
	 * ERR_TIMEOUT, this command's node did not reply */
	int err;
	/* with ERR_SYNTAX: the reply was nil, which is not an error: nothing exists, or it was
	 * not done */
	bool nil;
	/* with ERR_SYNTAX: Redis does not know the command, or its ACL forbids it */
	bool forbidden;
	/* with ERR_SYNTAX: the command did nothing, because its slot is moving and its keys are
	 * not all on one node (TRYAGAIN) */
	bool split;
	size_t n;
	int64_t i, list[REDIS_LIST_MAX];
};

/* A pipeline: begin, add commands, send.
 *
 * The callback runs exactly once, on the loop, never inside redis_send(). It gets err 0 and one
 * reply for each command, valid during the call, or ERR_TIMEOUT, or ERR_IO (circuit open,
 * connection lost). Late replies are dropped unless redis_late() was called. cb NULL: the
 * replies are not needed.
 *
 * In a cluster, each command is sent to the node that holds its first argument; an MGET to the
 * nodes that hold its keys; an EVAL to the node of its first key. Commands to one node stay in
 * order, and follow a slot that has moved. If one of the nodes fails, the pipeline fails. */
typedef void redis_cb(void *arg, int err, const struct redis_reply_ints *replies, size_t n);
struct redis_pipe;
/* Begins a pipeline of at most `commands` commands. The callback's arg is a copy of `bytes`
 * bytes at arg, freed with the pipeline. Aborts the process if memory is exhausted. */
struct redis_pipe *redis_begin(
	struct redis *r, size_t commands, redis_cb *cb, const void *arg, size_t bytes);
void redis_command(struct redis_pipe *p, int argc, const char **argv, const size_t *lens);
/* Adds a command to this server (see redis_at), whatever its arguments are: for TIME. */
void redis_command_at(struct redis_pipe *p, struct redis *node, int argc, const char **argv,
	const size_t *lens);
void redis_send(struct redis_pipe *p);
/* Sends one command whose reply is not needed. */
void redis_send_only(struct redis *r, int argc, const char **argv, const size_t *lens);
/* Call this before redis_send(). If the callback got ERR_TIMEOUT, `late` runs once after it,
 * with the same arg: with err 0 when everything has been replied to after all, or with an error
 * when no reply will arrive. In the latter case it may only free what arg holds, because the
 * owner of the pipeline may be gone. */
void redis_late(struct redis_pipe *p, redis_cb *late);

/* A stream that gives way when its server is at its maxmemory: its oldest entries are trimmed,
 * so that counters can be written. owner: the writer of the stream, which outlives each redis. */
struct redis_ballast {
	char key[96];
	_Atomic uint64_t entries; /* approximate number of entries */
	_Atomic uint64_t given;	  /* entries trimmed to make room, since the start */
};
/* Sets the stream. b NULL: no stream gives way. Call this before the first command. */
void redis_ballast(struct redis *r, struct redis_ballast *b);
/* Sends a command that trims the stream, ahead of later commands: an eighth of its entries at
 * the first try (1), half of them at each later one. Returns false if nothing can be trimmed. */
bool redis_give_way(struct redis *r, unsigned try);
/* Notes that entries were trimmed. Any thread. */
void redis_ballast_trimmed(struct redis_ballast *b, uint64_t gone);
/* Returns how many of n entries stay at that try; n if none may be trimmed. */
uint64_t redis_ballast_left(uint64_t n, unsigned try);

/* Sends HGETALL. The callback runs exactly once, on the loop, never inside this call. It gets
 * err 0 and n pairs of field and value (n may be 0), valid during the call. Otherwise it gets
 * ERR_SYNTAX if the key holds something else; ERR_LIMIT for more than `fields` fields or `bytes`
 * bytes; or an error of a pipeline. */
typedef void redis_hash_cb(void *arg, int err, const struct span *pairs, size_t n);
void redis_hash(struct redis *r, struct span key, size_t fields, size_t bytes,
	redis_hash_cb *cb, void *arg);
/* As redis_hash(), for another command whose reply is a list of pairs. */
void redis_pairs(struct redis *r, int argc, const char **argv, const size_t *lens,
	size_t fields, size_t bytes, redis_hash_cb *cb, void *arg);
/* As redis_hash(), for GET: the reply is one pair with an empty field, or none. */
void redis_value(struct redis *r, struct span key, size_t bytes, redis_hash_cb *cb, void *arg);

#endif
