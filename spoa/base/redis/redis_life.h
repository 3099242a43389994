/* One life of a Redis' data, and its clock. A Redis that restarts, is flushed or
 * replaced by a replica has forgotten some counts or all; whatever is given back
 * must not fall on counts that it was not taken from. So there is an epoch: a
 * number by chance in "tollgate:epoch:RUNID", which all daemons read and which
 * goes with the data. Without I/O but for redis_room_read(); base/redis/redis.c asks. */
#ifndef BASE_REDIS_REDIS_LIFE_H
#define BASE_REDIS_REDIS_LIFE_H

#include "base/redis/redis_options.h"

enum { REDIS_RUNID_MAX = 48, REDIS_LIFE_KEY_MAX = 80 };
struct redis_life {
	char tag[16];	/* of a cluster's node "{DIGITS}", in a slot that it has; else "" */
	char key[REDIS_LIFE_KEY_MAX]; /* "tollgate:epoch:TAG:RUNID", without a tag "tollgate:epoch:RUNID" */
	/* A second tag and a second key, with the same value, if a cluster's node has at least two slots; else
	 * "". If the first slot moves to another node, the second key shows that this node has lost
	 * nothing. */
	char spare_tag[16], spare[REDIS_LIFE_KEY_MAX];
	char run_id[REDIS_RUNID_MAX + 1]; /* of the server, as last read; "": not yet */
	uint64_t epoch; /* its value; 0: not known */
	/* Redis' TIME less our monotonic clock: what all replies allow, and its middle */
	int64_t least_us, most_us, offset_us;
	int64_t lag_us; /* how long a command is under way */
	uint64_t clock; /* another number where no offset explains all replies: one was set */
};

/* The value of a line "NAME:VALUE" of a reply to INFO, of which it is part; empty: there is none.
 */
struct span redis_info_value(struct span info, const char *name);
/* The keys, from the reply to INFO server: false where it names no run_id. */
bool redis_life_named(struct redis_life *l, struct span info);
/* The keys for these tags, once the run_id is known. */
void redis_life_tag(struct redis_life *l, const char *tag, const char *spare_tag);
/* By which policy the server forgets keys when its memory is full, from the reply to INFO
 * memory; empty: it forgets none. Part of `info`. */
struct span redis_life_evicts(struct span info);
/* How many bytes it uses, from the same; 0: it does not say. */
uint64_t redis_life_used(struct span info);
/* Why a server that answers takes no writes: by the word that its errors begin with. */
enum redis_refusal {
	REDIS_TAKES,
	REDIS_FULL,
	REDIS_UNSAVED,
	REDIS_UNCOPIED,
	REDIS_FORBIDDEN,
	REDIS_REPLICA,
	REDIS_LOADING,
	REDIS_BUSY,
	REDIS_REFUSES, /* whatever else */
	REDIS_REFUSALS
};
enum redis_refusal redis_life_refusal(struct span error);
/* What that means, and what to do, in words. */
extern const char *const redis_refusal_texts[REDIS_REFUSALS];

/* A value for an epoch that begins: never 0, positive as int64_t. */
uint64_t redis_life_draw(void);
/* TIME's two numbers, seconds and microseconds, as *at_us; false: no clock says so. */
bool redis_life_time_read(const int64_t time[2], int64_t *at_us);
/* Redis' clock said at_us to a command sent at sent_us and answered at got_us (both
 * monotonic). */
void redis_life_saw(struct redis_life *l, uint64_t sent_us, uint64_t got_us, int64_t at_us);
/* Redis' clock, in ms since 1970, when a command that is sent at mono_us arrives. */
int64_t redis_life_ms(const struct redis_life *l, uint64_t mono_us);

/* ---- how much memory it may take, and how much of it is in use ---- */

/* By what INFO says, and for a server on this machine by the memory limit of its cgroup (v2).
 * Any thread. */
struct redis_room {
	uint64_t used;	   /* bytes */
	uint64_t most;	   /* bytes; 0: no bound is known */
	const char *bound; /* "maxmemory", "cgroup": which one `most` is, the lower one */
};

/* The server is reached over a unix socket or this machine's own addresses. */
bool redis_is_here(const struct redis_options *o);
/* `info`: the reply to INFO. `here`: redis_is_here(). */
void redis_room_read(struct span info, bool here, struct redis_room *out);
/* Writes a sentence, without a newline, if what the server may need is over 80 % of the bound:
 * what is in use once this node's stream of `stream` bytes has `stream_most` (0: it stays as it
 * is), or `filled` bytes if that is more. False: it is not, or no bound is known. */
bool redis_room_short(const struct redis_room *r, uint64_t stream, uint64_t stream_most,
	uint64_t filled, struct buf *out);

#endif
