/* An asynchronous Redis on a libev loop (hiredis 0.14 and 1.x): one server, the master
 * that Sentinels name, or a cluster. Connects by itself and again, gives every pipeline a
 * deadline, and breaks the circuit while a server is away or silent, so that callers fail
 * at once. owner: one thread. */
#ifndef BASE_REDIS_REDIS_H
#define BASE_REDIS_REDIS_H

#include <ev.h>
#include <stdatomic.h>

#include "base/metrics.h"
#include "base/redis/redis_life.h"
#include "base/span.h"

struct redis;
struct redis_finder;

/* Connecting begins at once, and never waits. NULL: out of memory. */
struct redis *redis_new_at(struct ev_loop *loop, struct redis_finder *finder,
	uint64_t deadline_us, struct metrics *m);
/* Whatever is pending, pipelines and hashes, ends without its callback. */
void redis_free(struct redis **r);
/* Of a cluster: every slot has a node, and each of them is up. */
bool redis_up(const struct redis *r);
/* Up, and the epochs are known. */
bool redis_ready(const struct redis *r);

/* One of its servers forgets keys when its memory is full, as it said at a connect. */
bool redis_evicts(const struct redis *r);

/* Of redis_options.may_evict: how much memory is in use in the fullest of its servers that
 * forgets nothing, a second ago at most; 0: each of them forgets, or none has said. */
uint64_t redis_used_bytes(const struct redis *r);

/* Why one of its servers takes no writes, asked once a second; *said: its own words, until the
 * next turn of the loop. */
enum redis_refusal redis_refuses(const struct redis *r, const char **said);
/* Our wall clock less that of the server that is furthest from it; 0: none is known. */
int64_t redis_skew_us(const struct redis *r);
/* Redis' clock less the monotonic one, of a server that is connected; false: none is known. */
bool redis_clock_us(const struct redis *r, int64_t *off_us);

/* The server that holds this key: r itself, or a node of the cluster that r is; NULL: none
 * is known. Until the next turn of the loop. */
struct redis *redis_at(struct redis *r, struct span key);

/* The servers that hold keys: r itself, or the nodes of the cluster that r is. How many. Until
 * the next turn of the loop. */
enum { REDIS_HOLDERS_MAX = 64 };
size_t redis_holders(struct redis *r, struct redis *out[REDIS_HOLDERS_MAX]);
/* Another number where it is known that slots of a cluster moved. */
uint64_t redis_moves(const struct redis *r);
/* The epoch of the server that held this key until the slot of the key moved, less than a minute ago, to the
 * server that holds it now; 0: the slot did not move. Counters of that epoch have moved along with the slot. */
uint64_t redis_former_epoch(const struct redis *r, struct span key);
/* How long an answer is waited for. */
uint64_t redis_deadline_us(const struct redis *r);

/* Which life of its data this server (redis_at) is in, and its clock: asked at each connect.
 * Its epoch is 0 while that is not known, and always of a cluster as a whole. */
const struct redis_life *redis_life(const struct redis *r);
/* It is a node of a cluster that became known, or got its first slots, less than a second ago, and its
 * connection is being made, or its epoch asked for: what is for it waits. */
bool redis_coming(const struct redis *r);
/* An epoch is being asked for: it will be known soon, or the circuit opens. */
bool redis_life_asked(const struct redis *r);
/* A reader saw another epoch, or none: this one has ended, the next is asked for. */
void redis_life_ended(struct redis *r, uint64_t epoch);
/* The reply to a TIME that was sent at sent_us (monotonic): seconds and microseconds. */
void redis_life_time(struct redis *r, uint64_t sent_us, const int64_t time[2]);
/* `cb` runs at the end of each turn of the loop, before what the turn queued is written.
 * One; NULL: none any more. */
void redis_before_write(struct redis *r, void (*cb)(void *arg), void *arg);

/* A turn of the loop comes at least so often, whatever happens; a second at most, or what is
 * asked once a second comes later. 100 at first. */
void redis_every(struct redis *r, unsigned ms);
/* A turn of the loops of all who share its finder, soon. */
void redis_wake_all(struct redis *r);

enum { REDIS_LIST_MAX = 24 };

/* One command's reply: an integer, or a list of integers (MGET: strings are read
 * as integers, nil as 0; EXEC: ERR_SYNTAX where one of its commands failed). */
struct redis_reply_ints {
	int err; /* ERR_FULL: it is at its maxmemory, and the command did nothing; ERR_SYNTAX: Redis answered with an error or something else; of a cluster
		    also ERR_IO, ERR_TIMEOUT: this command's node did not answer */
	bool nil; /* ERR_SYNTAX that is none: there is nothing, or it was not done */
	bool forbidden; /* ERR_SYNTAX: Redis does not know the command, or its ACL forbids it */
	bool split; /* ERR_SYNTAX: the command did nothing, because its slot is moving and its keys
		     * are not all on one node (TRYAGAIN) */
	size_t n;
	int64_t i, list[REDIS_LIST_MAX];
};

/* A pipeline: begin, add commands, send. The callback runs exactly once, on the
 * loop, never inside redis_send: err 0 with one reply a command (valid during the
 * call), or ERR_TIMEOUT, ERR_IO (circuit open, connection lost). Late replies are
 * dropped, but for redis_late(). cb NULL: fire and forget. Of a cluster each command goes to
 * the node that holds its first argument (an MGET to those that hold its keys, an EVAL to that
 * of its first key), what goes to one node in its order, and follows where a slot moved. Where
 * one of these nodes fails, the pipeline does. */
typedef void redis_cb(void *arg, int err, const struct redis_reply_ints *replies, size_t n);
struct redis_pipe;
/* `commands`: how many will be added at most. The callback's arg is a copy of the `bytes`
 * at arg, freed with the pipeline. Aborts where memory is out. */
struct redis_pipe *redis_begin(
	struct redis *r, size_t commands, redis_cb *cb, const void *arg, size_t bytes);
void redis_command(struct redis_pipe *p, int argc, const char **argv, const size_t *lens);
/* To this server (redis_at), whatever its arguments: TIME. */
void redis_command_at(struct redis_pipe *p, struct redis *node, int argc, const char **argv,
	const size_t *lens);
void redis_send(struct redis_pipe *p);
/* One command whose reply nobody waits for. */
void redis_tell(struct redis *r, int argc, const char **argv, const size_t *lens);
/* Before it is sent: where the callback was told ERR_TIMEOUT, this one runs once after it, with
 * the same arg: err 0 when all has been answered after all; or when nothing will be, and then
 * it only frees what arg holds, as the pipeline's owner may be gone. */
void redis_late(struct redis_pipe *p, redis_cb *late);

/* A stream that gives way if its server is at its maxmemory: its oldest entries are trimmed,
 * so that counters can be written. owner: who writes the stream, and outlives each redis. */
struct redis_ballast {
	char key[96];
	_Atomic uint64_t entries; /* about as many are in it */
	_Atomic uint64_t given;	  /* as many were trimmed for room, since the start */
};
/* b NULL: nothing gives way. Before the first command. */
void redis_ballast(struct redis *r, struct redis_ballast *b);
/* Sends a command that trims the stream, before what is sent later: an eighth of its entries at
 * the first try (1), half of them at each later one. False: there is nothing to trim. */
bool redis_give_way(struct redis *r, unsigned try);
/* Notes that so many entries were trimmed. Any thread. */
void redis_ballast_trimmed(struct redis_ballast *b, uint64_t gone);
/* As many entries stay at that try; n if none may go. */
uint64_t redis_ballast_left(uint64_t n, unsigned try);

/* HGETALL: the callback runs exactly once, on the loop, never inside: err 0 with n pairs of
 * field and value (n may be 0), valid during the call; ERR_SYNTAX: the key holds something
 * else; ERR_LIMIT: more than `fields` of them or more than `bytes`; else as for a pipeline. */
typedef void redis_hash_cb(void *arg, int err, const struct span *pairs, size_t n);
void redis_hash(struct redis *r, struct span key, size_t fields, size_t bytes,
	redis_hash_cb *cb, void *arg);
/* The same of another command whose reply is a list of pairs. */
void redis_pairs(struct redis *r, int argc, const char **argv, const size_t *lens,
	size_t fields, size_t bytes, redis_hash_cb *cb, void *arg);
/* GET, likewise: one pair, whose field is empty, or none. */
void redis_value(struct redis *r, struct span key, size_t bytes, redis_hash_cb *cb, void *arg);

#endif
