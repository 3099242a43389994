/* Shared by the files of the asynchronous client: redis.c (which server does what), redis_conn.c
 * (the connection to one server) and redis_pipe.c (pipelines, and commands to a cluster). */
#ifndef BASE_REDIS_REDIS_PRIVATE_H
#define BASE_REDIS_REDIS_PRIVATE_H

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/redis/redis.h"
#include "base/redis/redis_find.h"
#include "base/redis/redis_map.h"
#include "base/redis/redis_replies.h"
#include "base/redis/redis_tls.h"
#include "base/tag.h"

/* The state of one Redis or of a whole cluster, whose nodes share it. owner: the redis that
 * redis_new_at() returned. */
struct redis_front {
	struct redis_finder *finder;
	struct redis_listener listener;
	uint64_t version; /* version of the map that was read last from the finder */
	/* number of slots of which a redirection showed, before the finder's map, that they
	 * have moved */
	uint64_t moved;
	uint64_t told;	  /* number of reports of the finder that were read */
	struct redis_map *map;
	struct redis_tls *tls;
	struct redis_ballast *ballast;
	void (*before_write)(void *);
	void *before_write_arg;
	TAILQ_HEAD(, redis_pipe) sent; /* oldest first */
	struct redis_pipe *failed;     /* pipelines whose callbacks get an error at the next turn */
	ev_timer tick, often,
		/* tick: redis_tick_every(); often: while anything has a deadline; soon: for `failed` */
		soon;
	unsigned every_ms;
	ev_prepare flush;
	struct buf command; /* the command that is being formatted */
	bool cluster;
	struct redis *node[REDIS_NODES_MAX]; /* the nodes of a cluster, at most REDIS_HOLDERS_MAX */
	size_t nodes;
	/* For each slot of a cluster: the epoch of the node that held the slot until it moved,
	 * and the time (monotonic µs) until which counters of that epoch are read. */
	struct redis_former {
		uint64_t epoch, until_us;
	} *former;
	struct redis *owner[]; /* the node of each slot of a cluster, or NULL */
};

/* One server and the connection to it. For a cluster: the whole, which has no connection, or one
 * node. */
struct redis {
	struct tag tag;
	struct redis_front *f;
	const struct redis_options *o;
	struct ev_loop *loop;
	uint64_t deadline_us;
	struct metrics *metrics;
	bool node;   /* a node of a cluster */
	bool placed; /* the place is known: */
	struct redis_place place;
	/* for a node that a redirection named: kept until then even if no map lists it;
	 * monotonic µs */
	uint64_t kept_us;
	/* A node that became known, or got its first slots: commands for it wait until then for
	 * its connection and its epoch; monotonic µs. 0: both are known, or the connection
	 * failed. */
	uint64_t coming_us;
	char text[REDIS_URL_TEXT_MAX];
	/* The connection. */
	redisAsyncContext *ac;
	struct redis_reading reading;
	bool connected; /* the handshake is done */
	bool open;	/* the circuit is open: commands fail at once */
	bool probing;
	bool refused; /* AUTH, SELECT or ROLE was refused on this connection */
	/* the server has reported that it is not a master: the connection ends at the next tick */
	bool wrong;
	/* its last connection ended for this reason: up again when it accepts a write */
	bool demoted;
	bool said_down, ending;
	uint64_t say_at_us; /* another reason is not logged before then; monotonic µs */
	char said[96];
	uint64_t connect_began_us, retry_at_us, probe_at_us, probed_us;
	unsigned retry_ms; /* ms between this attempt to connect and the next; 0: RETRY_MS */
	struct redis_life life;
	uint64_t last_epoch; /* the last epoch that was known; 0: none */
	bool life_asked, said_epoch;
	/* While the key of a node's epoch changes: the earlier keys, and whether one of them has
	 * the epoch. */
	char earlier[2][REDIS_LIFE_KEY_MAX];
	/* the second key that this worker wrote last; "": none */
	char spare_written[REDIS_LIFE_KEY_MAX];
	bool witnessed;
	long long epoch_once; /* the epoch of the first of two reads */
	bool retagged; /* the keys have changed while the epoch was being determined */
	bool missing;  /* the first key was missing after the connect */
	/* when the lifetime of the keys is renewed, monotonic µs; 0: at once */
	uint64_t renew_at_us;
	bool evicts;	     /* the server evicts keys when its memory is full */
	uint64_t used_bytes; /* memory in use, bytes; 0: unknown, or the server evicts */
	uint64_t life_asked_us, time_asked_us;
	/* The server's answer to the last test write. REDIS_TAKES also if there was none. */
	enum redis_refusal refusal;
	char refused_with[96];
	bool write_asked;
	uint64_t write_at_us;
	ev_io rd, wr;
	bool unsent, flushing;
};

/* One pipeline. owner: the client; freed when every command has its reply and the callback has
 * run. */
struct redis_pipe {
	struct tag tag;
	struct redis *r;
	redis_cb *cb, *late;
	void *arg;
	redis_hash_cb *hash_cb; /* instead of cb: the pipeline is one HGETALL or GET */
	bool single;		/* it is a GET */
	size_t fields, bytes;
	const redisReply *hash; /* valid during on_reply() */
	TAILQ_ENTRY(redis_pipe) of_sent;
	struct redis_pipe *next; /* next in f->failed */
	uint64_t deadline_us;
	bool listed, answered;
	bool timed_out; /* the callback got ERR_TIMEOUT */
	bool soon;	/* in f->failed, which frees it */
	int err;
	size_t n, cap, waits;
	size_t writes_away;		   /* writes that were redirected and have no reply yet */
	unsigned round;			   /* changes with each such write */
	LIST_HEAD(, redis_call) calls;	   /* in a cluster: the commands without a reply */
	/* `cap` replies, followed by the bytes that arg points to */
	struct redis_reply_ints replies[];
};

static inline bool
conn_up(const struct redis *r)
{
	return r->connected && !r->open;
}

/* Returns true if commands can be sent: the server is up, or its first connection is being
 * made. */
static inline bool
conn_takes(const struct redis *r)
{
	return conn_up(r) || (r->ac && redis_coming(r));
}

/* ---- redis_conn.c ---- */

/* Connects, probes, and asks for what is missing. Called at each tick. */
void redis_conn_tick(struct redis *r);
/* Returns true if the connection is not up, or a question of its own has no reply yet. */
bool redis_conn_waits(const struct redis *r);
/* Writes the commands that this turn of the loop has queued. */
void redis_conn_flush(struct redis *r);
/* Sets the place of the server. NULL: it has none any more. */
void redis_conn_place(struct redis *r, const struct redis_place *p);
/* Opens the circuit, because no reply arrived within the deadline. */
void redis_conn_late(struct redis *r);
/* Sets the tags for the keys of the node's epoch, when it got other slots. */
void redis_conn_tags(struct redis *r, const char *tag, const char *spare_tag);
/* Closes the connection permanently. */
void redis_conn_end(struct redis *r);

/* ---- redis_pipe.c ---- */

/* Calls the callbacks of pipelines past their deadline with ERR_TIMEOUT. */
void redis_pipes_late(struct redis *r, uint64_t now_us);
/* Calls the callbacks of pipelines that failed before they were sent. */
void redis_pipes_failed(struct redis *r);

/* Converts a reply. */
void redis_pipe_read(struct redis_reply_ints *to, const redisReply *reply);
/* Notes if the reply reports that the master has become a replica, whose data would be lost. */
void redis_pipe_role(struct redis *r, const redisReply *reply);

/* ---- redis.c ---- */

/* Returns the node at this place, and makes it if there is none. NULL: there are too many, or
 * memory is exhausted. */
struct redis *redis_node_at(struct redis *front, const struct redis_place *p);
/* Makes commands for this node of a cluster wait, for a second at most, because the map and thus
 * its epoch are not known yet. */
void redis_hold_commands(struct redis *r);
/* Notes that a node has redirected the slot to `node`. NULL: ignored. */
void redis_note_moved_slot(struct redis *front, unsigned slot, struct redis *node);

#endif
