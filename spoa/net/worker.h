/* A worker: one thread with its own loop, agent connections, relay connections,
 * gate, Redis connection and counters. Main reaches it by mail only. */
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

enum worker_order {
	/* The hand-over to another process: agent_freeze(), whose end is `still`; then either
	 * agent_forget_handed(), whose end is `handed`, or agent_thaw(). */
	WORKER_FREEZE,
	WORKER_THAW,
	WORKER_HANDED,
	WORKER_END_SOCKETS, /* after WORKER_HANDED: WebSockets end between two responses */
	WORKER_DRAIN,
	/* Once all workers are quiet: a ticket of one may be on its way to the relay
	 * connections of another. */
	WORKER_DRAIN_RELAY,
	/* Ends connections, exchanges and tickets at once; each leaves its record. `idle`
	 * follows when what they waited for has answered. */
	WORKER_ABORT,
	WORKER_STOP, /* ends its loop; then join */
	WORKER_ORDERS
};

/* So far a clock may be from Redis' before somebody is told. */
#define CLOCK_OFF_US 5000000

struct worker {
	struct tag tag;
	unsigned index;
	pthread_t thread;
	bool running;
	struct ev_loop *loop;
	ev_async wake;
	ev_timer pulse;
	ev_check turn_begins; /* events came */
	ev_prepare turn_ends; /* all are served */
	uint64_t turn_began_us;
	struct mailbox mail;
	struct metrics metrics;
	uint64_t counted; /* all of them, at the last pulse */
	const struct config *cfg;
	struct redis *redis; /* NULL: none configured */
	struct redis *cache; /* where answers are kept; NULL: in this process */
	struct gate *gate;
	struct agent *agent;
	struct relay *relay; /* NULL: none configured */
	/* published for other threads */
	_Atomic bool redis_ok;
	_Atomic bool evicts;   /* redis_evicts() */
	_Atomic int refusal;   /* redis_refuses() */
	_Atomic int64_t skew_us; /* redis_skew_us() */
	_Atomic int64_t redis_off_us; /* redis_clock_us(); INT64_MIN: none is known */
	_Atomic bool counting; /* quota_company() */
	_Atomic uint64_t company, known, reduced_s;
	_Atomic int64_t came, expected;
	_Atomic bool still;  /* agent_is_still() */
	_Atomic bool handed; /* the agent serves no connection any more */
	_Atomic bool quiet; /* no agent connection, no request, no exchange */
	_Atomic bool idle;  /* quiet, and the relay has ended too */
	_Atomic size_t alive;
	_Atomic uint64_t snapshots; /* that it has taken over since the start */
	_Atomic uint64_t turn_longest_us; /* since start */
	/* said of its Redis, by the first worker for all */
	enum redis_refusal said_refusal;
	bool said_skew;
	bool draining, relay_draining;
	uint64_t sockets_until_us; /* monotonic; draining, WebSockets stay open until then */
	struct {
		struct mail mail;
		int fds[CONFIG_LISTENERS_MAX];
		size_t n;
	} accept;
	struct mail orders[WORKER_ORDERS];
};

/* Makes everything but the thread. `table`: the in-process quota table; `finder`: where Redis
 * is; the one that is configured, the other NULL. 0 or negative. */
int worker_init(struct worker *w, unsigned index, const struct config *cfg,
	struct gate_shared *shared, struct snapshot *snap, struct quota_table *table,
	struct redis_finder *finder, struct redis_finder *cache_finder);
/* relay_fd is every worker's, own_relay_fd this one's alone (-1: none). */
int worker_listen(struct worker *w, int relay_fd, int own_relay_fd);
/* Before or after worker_start(), from any thread: the agent accepts HAProxy's connections. The
 * descriptors stay the caller's. */
void worker_accept(struct worker *w, const int *agent_fds, size_t n);
int worker_start(struct worker *w);
/* Any thread. */
void worker_snapshot(struct worker *w, struct snapshot *snap);
/* Any thread: the worker serves a connection that another process began. `p->fd` is the worker's
 * from then on; the views are copied. 0 or ERR_NOMEM. */
int worker_adopt(struct worker *w, const struct agent_parcel *p);
/* Any thread. Each once; the orders of a hand-over again after the worker has carried them out. */
void worker_order(struct worker *w, enum worker_order o);
/* Once the loops of all workers have ended, or never ran. */
void worker_free(struct worker *w);

#endif
