/* The daemon: builds snapshots, starts and stops the workers and all other parts, and handles
 * signals. On the main thread unless stated otherwise. */
#ifndef OPERATOR_SERVER_SERVER_H
#define OPERATOR_SERVER_SERVER_H

#include "budget/quota/quota.h"
#include "budget/recall/startpoints.h"
#include "budget/tally/awaited.h"
#include "budget/trends/cached_share.h"
#include "gate/changes/erasing.h"
#include "net/worker.h"
#include "gate/sources/extract_health.h"
#include "operator/group/remembered.h"
#include "operator/handover/handover.h"
#include "operator/server/adopting.h"
#include "operator/server/aside.h"
#include "operator/server/degraded.h"
#include "operator/server/looks.h"
#include "operator/server/observing.h"
#include "operator/server/other_chain.h"
#include "operator/server/pinning.h"
#include "operator/server/reload.h"
#include "operator/server/sampling.h"
#include "record/archive/keep.h"

enum { WORKERS_MAX = 64 };

/* The daemon. owner: main. Other threads read members that the start sets once; members that
 * change are atomic or name their lock. */
struct server {
	const char *config_file;
	const struct server_front *front_of;
	/* the result of front_of->start(); NULL: not started, or stopped */
	void *front;
	struct snapshot *snap; /* the snapshot in force; guarded by `lock` */
	pthread_mutex_t lock;  /* the request path does not take it */
	/* the configuration of the start, which reloads do not change */
	const struct config *shared_cfg;
	struct gate_shared *shared;
	struct reloading reloading;
	struct looks looks;
	struct handover handover;
	struct erasing erasing;
	enum observe_state observe_said;
	struct degraded degraded;
	struct aside aside;
	struct extract_health files; /* health of tollgate-extract */
	_Atomic bool stranger_there; /* a file in the journal's folder is not a segment */
	/* Unix seconds; end of admin.tls' certificate; 0: none */
	_Atomic int64_t certificate_end_s;
	struct auths *auths;
	struct keysets *keysets; /* keys of issuers that are fetched from URLs */
	struct audit *audit;
	struct otlp *otlp;
	bool telling;		       /* the thread that sends telemetry runs */
	struct anchors *anchors;       /* NULL: no anchors are configured */
	/* of both instances' journals; NULL: the daemon writes no records */
	struct index_thread *indexing[CONFIG_PARTS];
	struct recheck *rechecking;    /* NULL: the daemon writes no records */
	struct witnessing *witnessing; /* NULL: the daemon is no witness */
	/* of both instances' journals; NULL: no retention is configured */
	struct keep *keep[CONFIG_PARTS];
	struct other_chain other_chain;
	struct keep_lender other_lender; /* lends other_chain */
	struct seal_store *sealing;    /* NULL: no auditors are configured */
	struct shares *shares;	       /* the shares of `sealing` */
	struct http_thread *outbound;  /* NULL: nothing is sent */
	struct notify *notify;	       /* NULL: no webhook is configured */
	struct live *live;	       /* NULL: no state_key */
	struct live_sync *live_sync;   /* NULL: no Redis */
	struct pinning pinning;
	struct target_sync *target_sync; /* NULL: no Redis */
	struct group *group;		 /* NULL: no Redis */
	struct quota_table *table;
	struct recall *recall; /* exists until the workers run */
	struct adopting adopting;
	struct startpoints_from starts_from; /* used until `startpoints` runs */
	struct startpoints *startpoints;
	struct redis_finder *finder, *cache_finder; /* NULL: not configured */
	struct cache *cache;			    /* the response cache */
	struct cache *memo;			    /* gate/memo.h; NULL: off */
	/* jobs of the admin server; NULL: not started yet */
	struct caches *caches;
	struct quota_daemon quota_daemon;
	/* this daemon's node is retired, so that it accepts no requests; any node is retired */
	_Atomic bool retired, any_gone;
	/* owner: main; the daemons of this Redis, and whether their file was read */
	struct remembered remembered;
	bool remembers;
	struct metrics metrics; /* counters of main, audit and admin threads */
	struct sampling sampling;
	struct cached_shares *cached_shares;
	struct series_sum *series; /* sums for /metrics, which the admin thread writes */
	struct worker *workers;
	unsigned nworkers;
	/* number of snapshots sent to each worker since the start */
	_Atomic uint64_t snapshots;
	_Atomic bool draining;
	/* false: this instance waits for its hand-over, or has handed over */
	_Atomic bool decides;
	_Atomic int64_t
		/* wall time at which the configured log level applies again; 0: it applies now
		 */
		log_until_ns;
	uint64_t started_us;
	int64_t started_wall_ns;
};

/* The layer in front of the daemon, which is above this one: the admin server. */
struct server_front {
	/* Opens its sockets, once everything else runs. Returns NULL with a message in *why. */
	void *(*start)(const struct config *cfg, struct server *s, struct buf *why);
	/* Accepts connections, once this instance is about to decide. Returns 0, or a negative
	 * error with *why. */
	int (*serve)(void *front, struct buf *why);
	/* Called on the main thread when another configuration is in force. */
	void (*reloaded)(void *front, const struct config *cfg);
	/* stops accepting, because another process has the listening sockets */
	void (*handed)(void *front);
	/* releases everything; `front` may be NULL */
	void (*stop)(void *front);
};

/* Exit code: another process decides on these sockets and did not hand over, so a restart does
 * not help. */
enum { EXIT_ANOTHER_DECIDES = 3 };

/* Runs the daemon until SIGTERM or SIGINT, or until the other instance decides. `take`: takes
 * over from an instance that decides, without `tollgate upgrade`. Returns the exit code. */
int server_run(const char *config_file, bool take, const struct server_front *front);

/* Sends a state to systemd, if systemd has asked for it (sd_notify(3)). */
void server_notify(const char *state);

/* Returns a reference to the snapshot in force, which the caller releases. Any thread. */
struct snapshot *server_snapshot(struct server *s);
/* Declares a reference to the snapshot in force, which is released at the end of the scope. */
#define SCOPED_SNAPSHOT(name, server)                                                          \
	__attribute__((cleanup(snapshot_unref))) struct snapshot *name = server_snapshot(server)
/* Adds up the state of retention of both journals. Returns false if none is configured. Any
 * thread. */
bool server_retention(const struct server *s, struct keep_state *out);
/* Returns a counter's sum over all threads; 0 for METRIC_COUNT. Any thread. */
uint64_t server_counted(const struct server *s, enum metric m);
/* Writes the text of /readyz. Returns true if the daemon is ready. For the admin thread, as the
 * next two. */
bool server_ready(struct server *s, struct buf *out);
/* For group_start(): appends what other daemons see of this one, if this instance decides and its
 * node is not retired. The other instance has the same admin socket. Any thread. */
void server_member(void *server, struct buf *out);
void server_status(struct server *s, struct buf *out); /* JSON */
void server_recent(struct server *s, struct buf *out); /* JSON */
/* Writes degraded parts, readiness by part, rates and latencies, targets, and sizes of queues.
 */
void server_now(struct server *s, struct buf *out); /* JSON */
/* Writes members about hits and savings of the response cache since the start. Any thread. */
void server_cached(struct server *s, struct buf *out);
/* Writes /metrics in Prometheus' text format. With exemplars, the text is input for
 * openmetrics_write(). */
void server_metrics(struct server *s, struct buf *out, bool exemplars);
/* Writes the health of the targets of the policy in force; either buffer may be NULL. Any
 * thread. */
void server_targets(struct server *s, struct buf *json, struct buf *metrics);

/* Requests that have not ended. */
struct server_work {
	uint64_t in_flight;
	size_t awaited;		       /* the requests among them that wait for a provider */
	struct awaited_request oldest; /* the one that waits longest; since_us 0: none waits */
};
/* Call it while the workers exist. Any thread. */
void server_work(struct server *s, struct server_work *out);
/* Returns true if the policy in force has a target of this name; *near receives the nearest
 * name. Any thread. */
struct nearest;
bool server_target_find(struct server *s, const char *name, struct nearest *near);

#endif
