/* What the files of the asynchronous Redis client share: redis.c (which server does what),
 * redis_conn.c (one server's connection), redis_pipe.c (pipelines),
 * redis_call.c (commands to a cluster). */
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

/* What one Redis has, or a whole cluster, whose nodes share it. */
struct redis_front {
	struct redis_finder *finder;
	struct redis_ear ear;
	uint64_t version; /* of what it found last */
	uint64_t moved;	  /* slots that a node said are elsewhere, sooner than the finder */
	uint64_t told;	  /* what the finder was told of them */
	struct redis_map *map;
	struct redis_tls *tls;
	struct redis_ballast *ballast;
	void (*before_write)(void *);
	void *before_write_arg;
	TAILQ_HEAD(, redis_pipe) sent; /* oldest first */
	struct redis_pipe *failed;     /* to be told at the next turn */
	ev_timer tick, often,
		soon; /* tick: redis_every(); often: while something has a deadline */
	unsigned every_ms;
	ev_prepare flush;
	struct buf command; /* being formatted */
	bool cluster;
	struct redis *node[REDIS_NODES_MAX]; /* of a cluster; as many as REDIS_HOLDERS_MAX */
	size_t nodes;
	/* For each slot of a cluster: the epoch of the node that held the slot until it moved, and the time
	 * (monotonic µs) until which counters of that epoch are read. */
	struct redis_former {
		uint64_t epoch, until_us;
	} *former;
	struct redis *owner[]; /* of each slot of a cluster, or NULL */
};

/* One server and the connection to it; of a cluster its front, which has none, or a node. */
struct redis {
	struct tag tag;
	struct redis_front *f;
	const struct redis_options *o;
	struct ev_loop *loop;
	uint64_t deadline_us;
	struct metrics *metrics;
	bool node;   /* one of a cluster's */
	bool placed; /* it is known where: */
	struct redis_place place;
	uint64_t kept_us; /* a node that a redirection named: until then, listed or not */
	/* A node that became known, or got its first slots: until then, what is for it waits for its connection
	 * and its epoch. 0: they are known, or the connection failed. */
	uint64_t coming_us;
	char text[REDIS_URL_TEXT_MAX];
	/* the connection */
	redisAsyncContext *ac;
	struct redis_reading reading;
	bool connected; /* handshake done */
	bool open;	/* the circuit: fail at once */
	bool probing;
	bool refused; /* this connection's AUTH, SELECT or ROLE */
	bool wrong;   /* it says that it is no master: the connection ends at the next tick */
	bool demoted; /* its last word was that: up again when it takes a write */
	bool said_down, ending;
	uint64_t say_at_us; /* not before then another reason: */
	char said[96];
	uint64_t connect_began_us, retry_at_us, probe_at_us, probed_us;
	unsigned retry_ms; /* so long after the next attempt comes another; 0: RETRY_MS */
	struct redis_life life;
	uint64_t last_epoch; /* the last one that was known; 0: none was */
	bool life_asked, said_epoch;
	/* While the epoch of a cluster's node gets another key: its earlier keys, and whether one of them has
	 * the epoch. */
	char earlier[2][REDIS_LIFE_KEY_MAX];
	char spare_written[REDIS_LIFE_KEY_MAX]; /* the second key that this worker wrote last; "": none */
	bool witnessed;
	long long epoch_once; /* as read first of two times */
	bool retagged; /* the keys have changed while the epoch was looked for or asked for */
	bool missing;  /* the first key, as read after a connect */
	uint64_t renew_at_us; /* monotonic µs at which the keys' lifetime is renewed; 0: at once */
	bool evicts;	     /* it forgets keys when its memory is full */
	uint64_t used_bytes; /* of its memory; 0: not known, or it evicts */
	uint64_t life_asked_us, time_asked_us;
	/* what it said to the last write; REDIS_TAKES also where none was asked for */
	enum redis_refusal refusal;
	char refused_with[96];
	bool write_asked;
	uint64_t write_at_us;
	ev_io rd, wr;
	bool unsent, flushing;
};

struct redis_pipe {
	struct tag tag;
	struct redis *r;
	redis_cb *cb, *late;
	void *arg;
	redis_hash_cb *hash_cb; /* instead of cb: the whole is one HGETALL, or a GET */
	bool single;		/* a GET */
	size_t fields, bytes;
	const redisReply *hash; /* during on_reply() */
	TAILQ_ENTRY(redis_pipe) of_sent;
	struct redis_pipe *next; /* failed */
	uint64_t deadline_us;
	bool listed, answered;
	bool timed_out; /* it was told so */
	bool soon;	/* in f->failed, which frees it */
	int err;
	size_t n, cap, waits;
	size_t writes_away;		   /* that were redirected and are not yet answered */
	unsigned round;			   /* another one with each such write */
	LIST_HEAD(, redis_call) calls;	   /* of a cluster, not yet answered */
	struct redis_reply_ints replies[]; /* cap of them, then what arg points to */
};

static inline bool
conn_up(const struct redis *r)
{
	return r->connected && !r->open;
}

/* Commands can be sent to it: it is up, or its first connection is being made. */
static inline bool
conn_takes(const struct redis *r)
{
	return conn_up(r) || (r->ac && redis_coming(r));
}

/* ---- redis_conn.c ---- */

void redis_conn_tick(struct redis *r);
/* It is not up, or was asked something of its own. */
bool redis_conn_waits(const struct redis *r);
/* Writes what this turn of the loop has queued. */
void redis_conn_flush(struct redis *r);
/* It is elsewhere now, or nowhere: NULL. */
void redis_conn_place(struct redis *r, const struct redis_place *p);
void redis_conn_late(struct redis *r);
/* Other slots are the ones of the keys of the node's epoch. */
void redis_conn_tags(struct redis *r, const char *tag, const char *spare_tag);
void redis_conn_end(struct redis *r);

/* ---- redis_pipe.c ---- */

/* What is past its deadline is told so. */
void redis_pipes_late(struct redis *r, uint64_t now_us);
/* What failed before it was sent is told so. */
void redis_pipes_failed(struct redis *r);
/* None of them is told any more. */
void redis_pipes_end(struct redis *r);

/* One command of it is answered, or never will be. */
void redis_pipe_settle(struct redis_pipe *p);
void redis_pipe_read(struct redis_reply_ints *to, const redisReply *reply);
/* A master that became a replica: whatever is written there is lost. */
void redis_pipe_role(struct redis *r, const redisReply *reply);
/* The bytes of a command, until the next one. */
struct span redis_pipe_format(struct buf *b, int argc, const char **argv, const size_t *lens);

/* ---- redis_call.c ---- */

/* A command to a cluster; to this node, but an MGET to those that hold its keys. */
void redis_call_begin(struct redis_pipe *p, struct redis *node, int argc, const char **argv,
	const size_t *lens);
/* What is not answered opens the circuit of its node. */
void redis_calls_late(struct redis_pipe *p);

/* ---- redis.c ---- */

/* The node at this place, made where there is none; NULL: there are too many. */
struct redis *redis_node_at(struct redis *front, const struct redis_place *p);
/* The epoch of this node of a cluster is not known because the map is not: what is for the node waits, for a
 * second at most. */
void redis_awaited(struct redis *r);
/* A node said that the slot is there; NULL: there are too many. */
void redis_slot_at(struct redis *front, unsigned slot, struct redis *node);

#endif
