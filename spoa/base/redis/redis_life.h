/* The epoch of a Redis' data, and its clock.
 *
 * A Redis that restarts, is flushed, or is replaced by a replica has lost some or all counts. An
 * amount that is given back must not be subtracted from counts that never contained it.
 * Therefore the data have an epoch: a random number in the key "tollgate:epoch:RUNID", which all
 * daemons read and which is lost together with the data.
 *
 * No I/O, except in redis_room_read(); base/redis/redis_conn.c asks the server. */
#ifndef BASE_REDIS_REDIS_LIFE_H
#define BASE_REDIS_REDIS_LIFE_H

#include "base/redis/redis_options.h"

enum { REDIS_RUNID_MAX = 48, REDIS_LIFE_KEY_MAX = 80 };
/* owner: the connection. */
struct redis_life {
	char tag[16];	/* for a cluster's node "{DIGITS}", in one of its slots; otherwise "" */
	/* "tollgate:epoch:TAG:RUNID"; without a tag, "tollgate:epoch:RUNID" */
	char key[REDIS_LIFE_KEY_MAX];
	/* A second tag and a second key, with the same value, if a cluster's node has at least
	 * two slots; otherwise "". If the first slot moves to another node, the second key shows
	 * that this node has lost nothing. */
	char spare_tag[16], spare[REDIS_LIFE_KEY_MAX];
	char run_id[REDIS_RUNID_MAX + 1]; /* of the server, as last read; "": not yet */
	uint64_t epoch; /* the key's value; 0: unknown */
	/* Redis' TIME minus our monotonic clock, in µs: the limits that all replies allow, and
	 * their middle */
	int64_t least_us, most_us, offset_us;
	int64_t lag_us; /* how long a command takes to arrive, in µs */
	uint64_t clock; /* changes if no offset fits all replies, because a clock was set */
};

/* Returns the value of a line "NAME:VALUE" of an INFO reply, as a part of it; empty: there is
 * none. */
struct span redis_info_value(struct span info, const char *name);
/* Reads the run_id from the reply to INFO server and sets the keys. Returns false if it has
 * none. */
bool redis_life_named(struct redis_life *l, struct span info);
/* Sets the tags. The keys follow once the run_id is known. */
void redis_life_tag(struct redis_life *l, const char *tag, const char *spare_tag);
/* Returns the server's eviction policy from the reply to INFO memory, as a part of it. Empty:
 * the server evicts nothing. */
struct span redis_life_evicts(struct span info);
/* Returns the bytes that the server uses, from the same reply; 0: not reported. */
uint64_t redis_life_used(struct span info);
/* Why a server that replies refuses writes, by the first word of its errors. */
enum redis_refusal {
	REDIS_TAKES,
	REDIS_FULL,
	REDIS_UNSAVED,
	REDIS_UNCOPIED,
	REDIS_FORBIDDEN,
	REDIS_REPLICA,
	REDIS_LOADING,
	REDIS_BUSY,
	REDIS_REFUSES, /* any other error */
	REDIS_REFUSALS
};
enum redis_refusal redis_life_refusal(struct span error);
/* An explanation of each refusal, with what to do. */
extern const char *const redis_refusal_texts[REDIS_REFUSALS];

/* Returns a random value for a new epoch: never 0, and positive as int64_t. */
uint64_t redis_life_draw(void);
/* Converts TIME's two numbers, seconds and microseconds, to *at_us. Returns false if they are
 * not a plausible time. */
bool redis_life_time_read(const int64_t time[2], int64_t *at_us);
/* Notes that Redis' clock was at_us in the reply to a command sent at sent_us and received at
 * got_us (both monotonic). */
void redis_life_saw(struct redis_life *l, uint64_t sent_us, uint64_t got_us, int64_t at_us);
/* Returns Redis' clock, in ms since 1970, at the arrival of a command that is sent at mono_us. */
int64_t redis_life_ms(const struct redis_life *l, uint64_t mono_us);

/* ---- the memory that a server may use and uses ---- */

/* From the reply to INFO and, for a server on this machine, from the memory limit of its cgroup
 * (v2). Any thread. */
struct redis_room {
	uint64_t used;	   /* bytes in use */
	uint64_t most;	   /* limit in bytes; 0: unknown */
	/* "maxmemory" or "cgroup": the origin of `most`, which is the lower limit */
	const char *bound;
};

/* Returns true if the server is reached over a unix socket or a loopback address. */
bool redis_is_here(const struct redis_options *o);
/* Reads the limits from an INFO reply. `here`: redis_is_here(). */
void redis_room_read(struct span info, bool here, struct redis_room *out);
/* Writes a sentence, without a newline, and returns true if the server may need over 80 % of its
 * limit. The need is the present use after this node's stream has grown from `stream` to
 * `stream_most` bytes (0: it does not grow), or `filled` bytes if that is more. Returns false if
 * the limit suffices or is unknown. */
bool redis_room_short(const struct redis_room *r, uint64_t stream, uint64_t stream_most,
	uint64_t filled, struct buf *out);

#endif
