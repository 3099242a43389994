/* A worker is one thread with its own event loop, agent connections, relay connections, gate,
 * Redis connections and counters. Workers share no mutable state: the main thread reaches a
 * worker only by mail (mailbox.h), and reads only the members that the worker publishes as
 * atomics. */
#ifndef NET_WORKER_H
#define NET_WORKER_H

#include <ev.h>
#include <pthread.h>

#include "base/mailbox.h"
#include "base/metrics.h"
#include "base/redis/redis.h"
#include "base/tag.h"
#include "gate/engine/gate.h"
#include "gate/snapshot.h"
#include "net/agent.h"
#include "net/relay.h"
#include "policy/config/config.h"

enum worker_order {
	/* The hand-over to another process begins with WORKER_FREEZE, which calls
	 * agent_freeze(); `still` reports its end. Then follows either WORKER_HANDED, which
	 * calls agent_forget_handed() and sets `handed`, or WORKER_THAW, which calls
	 * agent_thaw(). */
	WORKER_FREEZE,
	WORKER_THAW,
	WORKER_HANDED,
	/* after WORKER_HANDED: a drain closes WebSockets too, between two responses */
	WORKER_END_SOCKETS,
	/* Stops accepting SPOP connections and ends those that are open; `quiet` reports the
	 * end. */
	WORKER_DRAIN,
	/* Sent once all workers are quiet, because a ticket that one worker issued may still be
	 * on its way to the relay connections of another. */
	WORKER_DRAIN_RELAY,
	/* Ends connections, exchanges and tickets at once; each leaves its record. `idle` is set
	 * once the record and Redis have answered for all of them. */
	WORKER_ABORT,
	WORKER_STOP, /* ends the worker's loop; then the main thread joins it */
	WORKER_ORDERS
};

/* µs; if the daemon's clock differs by more than this from Redis' clock, worker 0 logs
 * clock.off. */
#define CLOCK_OFF_US 5000000

/* Owner: the worker's thread, except for the atomic members, which any thread may read. Main
 * allocates the structure and sets it up before worker_start(). */
struct worker {
	struct tag tag;
	unsigned index;
	pthread_t thread;
	bool running;
	struct ev_loop *loop;
	ev_async wake;
	ev_timer pulse;
	ev_check turn_begins; /* runs first in each turn of the loop, when events have arrived */
	ev_prepare turn_ends; /* runs last, when all events were served */
	uint64_t turn_began_us; /* monotonic µs; 0: no turn has begun yet */
	struct mailbox mail;
	struct metrics metrics;
	uint64_t counted; /* the sum of all counters at the last pulse */
	const struct config *cfg;
	struct redis *redis; /* NULL: no Redis is configured */
	/* Redis of the response cache; NULL: responses are stored in this process */
	struct redis *cache;
	struct gate *gate;
	struct agent *agent;
	struct relay *relay; /* NULL: no relay is configured */
	/* The pulse publishes these for other threads. */
	_Atomic bool redis_ok; /* true also if no Redis is configured */
	_Atomic bool evicts;   /* redis_evicts() */
	_Atomic int refusal;   /* redis_refuses(), an enum redis_refusal */
	_Atomic int64_t skew_us; /* redis_skew_us() */
	_Atomic int64_t redis_off_us; /* redis_clock_us(); INT64_MIN: unknown */
	_Atomic bool counting; /* quota_company(), as are the next five */
	_Atomic uint64_t company, known, reduced_s;
	_Atomic int64_t came, expected;
	_Atomic bool still;  /* agent_is_still() */
	/* the agent has handed its connections to another process and serves none */
	_Atomic bool handed;
	_Atomic bool quiet; /* while draining: no agent connection and no request is left */
	_Atomic bool idle;  /* quiet, and the relay has ended all exchanges too */
	/* worker_aside(), worker_give_back(): set by main, and carried out by the pulse */
	_Atomic bool aside, gives_back;
	/* worker_move(), which main sets and the pulse carries out: the worker that gets a
	 * connection (NULL: none), and the difference of the two loads */
	struct worker *_Atomic moves_to;
	_Atomic double differs;
	struct worker *moving_to;    /* for the connection that the agent moves now */
	_Atomic unsigned in_transit; /* connections on their way to another worker */
	_Atomic double load;	     /* agent_load(); the pulse publishes it */
	_Atomic size_t alive; /* gate_alive(): requests, tickets and exchanges of the gate */
	/* snapshots of the policy that the worker has taken over since its start */
	_Atomic uint64_t snapshots;
	_Atomic uint64_t turn_longest_us; /* the longest turn of the loop since the start */
	/* The state that worker 0 has last logged about Redis, for all workers, so that only
	 * changes are logged. */
	enum redis_refusal said_refusal;
	bool said_skew;
	bool draining, relay_draining;
	/* monotonic µs; a worker that drains leaves WebSockets open until then */
	uint64_t sockets_until_us;
	struct {
		struct mail mail;
		int fds[CONFIG_LISTENERS_MAX];
		size_t n;
	} accept;
	struct mail orders[WORKER_ORDERS];
};

/* Initializes everything except the thread. `table` is the in-process quota table and `finder`
 * finds Redis: one of them is configured, the other is NULL. `cache_finder` is NULL if the
 * response cache does not use Redis. Returns 0 or a negative `enum err`; call worker_free() in
 * both cases. */
int worker_init(struct worker *w, unsigned index, const struct config *cfg,
	struct gate_shared *shared, struct snapshot *snap, struct quota_table *table,
	struct redis_finder *finder, struct redis_finder *cache_finder);
/* Adds the relay's listening sockets. All workers accept on `relay_fd`; only this worker accepts
 * on `own_relay_fd` (-1: none). Returns 0 or ERR_FULL. The descriptors stay the caller's. */
int worker_listen(struct worker *w, int relay_fd, int own_relay_fd);
/* Makes the agent accept HAProxy's connections on `n` sockets, at most CONFIG_LISTENERS_MAX. Any
 * thread may call this once, before or after worker_start(). The descriptors stay the caller's. */
void worker_accept(struct worker *w, const int *agent_fds, size_t n);
/* Starts the thread. Returns 0 or a negative error. */
int worker_start(struct worker *w);
/* Gives the worker a new snapshot of the policy. Any thread. If there is no memory, an event is
 * logged and the worker keeps the previous policy. */
void worker_snapshot(struct worker *w, struct snapshot *snap);
/* Makes the worker serve a connection that another process began. Any thread. Takes over `p->fd`
 * and copies the views. Returns 0 or ERR_NOMEM. */
int worker_adopt(struct worker *w, const struct agent_parcel *p);
/* Sends an order; the worker carries it out later. Any thread. Each order may be sent once. The
 * orders of a hand-over may be sent again after the worker has carried them out. */
void worker_order(struct worker *w, enum worker_order o);
/* Makes the agent step aside, or serve again (agent_aside()), within a tenth of a second. Any
 * thread. */
void worker_aside(struct worker *w, bool aside);
/* Makes the agent give connections back (agent_give_back()), in the same time. Any thread. */
void worker_give_back(struct worker *w);
/* Makes the agent move one connection to another worker (agent_move()), in the same time.
 * `difference` is by how much its load exceeds the other's. Any thread. */
void worker_move(struct worker *w, struct worker *to, double difference);
/* Frees everything. The loops of all workers must have ended, or never have run. */
void worker_free(struct worker *w);

#endif
