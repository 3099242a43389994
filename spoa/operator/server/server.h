/* The daemon: builds snapshots, starts and stops workers, handles signals. Runs
 * on the main thread. */
#ifndef OPERATOR_SERVER_SERVER_H
#define OPERATOR_SERVER_SERVER_H

#include "budget/quota/quota.h"
#include "budget/recall/startpoints.h"
#include "budget/trends/cached_share.h"
#include "gate/changes/erasing.h"
#include "net/worker.h"
#include "gate/sources/extract_health.h"
#include "operator/handover/handover.h"
#include "operator/server/degraded.h"
#include "operator/server/looks.h"
#include "operator/server/observing.h"
#include "operator/server/pinning.h"
#include "operator/server/reload.h"
#include "operator/server/sampling.h"

enum { WORKERS_MAX = 64 };

struct server {
	const char *config_file;
	const struct server_front *front_of;
	void *front;			 /* what it started; NULL: not yet, or no longer */
	struct snapshot *snap;		 /* in force; guarded by `lock` for the admin thread */
	pthread_mutex_t lock;		 /* not on the request path */
	const struct config *shared_cfg; /* of start-up */
	struct gate_shared *shared;
	struct reloading reloading;
	struct looks looks;
	struct handover handover;
	struct erasing erasing;
	enum observe_state observe_said;
	struct degraded degraded;
	struct extract_health files;	   /* of tollgate-extract */
	_Atomic bool stranger_there;	   /* any thread reads */
	_Atomic int64_t certificate_end_s; /* of admin.tls; 0: none */
	struct auths *auths;
	struct keysets *keysets; /* of issuers at URLs */
	struct audit *audit;
	struct otlp *otlp;
	bool telling;		       /* that thread runs */
	struct anchors *anchors;       /* NULL: no places */
	struct index_thread *indexing; /* NULL: no records */
	struct witnessing *witnessing; /* NULL: no witness */
	struct keep *keep;	       /* NULL: no retention */
	struct seal_store *sealing;    /* NULL: no auditors */
	struct shares *shares;	       /* of it */
	struct http_thread *outbound;  /* NULL: nobody is told */
	struct notify *notify;	       /* NULL: no webhook */
	struct live *live;	       /* NULL: no state_key */
	struct live_sync *live_sync;   /* NULL: no Redis */
	struct pinning pinning;
	struct target_sync *target_sync; /* NULL: no Redis */
	struct group *group;		 /* NULL: no Redis */
	struct quota_table *table;
	struct recall *recall;			    /* until the workers run */
	struct startpoints_from starts_from;	    /* until `startpoints` runs */
	struct startpoints *startpoints;
	struct redis_finder *finder, *cache_finder; /* NULL: none configured */
	struct cache *cache;			    /* of answers */
	struct caches *caches;			    /* the admin's; NULL: it has none yet */
	struct quota_daemon quota_daemon;
	struct metrics metrics; /* of main, audit and admin */
	struct sampling sampling;
	struct cached_shares *cached_shares;
	struct series_sum *series; /* the admin's: what of them /metrics tells apart */
	struct worker *workers;
	unsigned nworkers;
	_Atomic uint64_t snapshots; /* sent to each worker since the start */
	_Atomic bool draining;
	_Atomic bool decides; /* false: this instance waits for its hand-over, or handed over */
	_Atomic int64_t
		log_until_ns; /* then the level is that of tollgate.yaml again; 0: never */
	uint64_t started_us;
	int64_t started_wall_ns;
};

/* What is in front of the daemon, layers above this one: the admin server. */
struct server_front {
	/* Opens its sockets, once all but this runs. NULL with a message in *why. */
	void *(*start)(const struct config *cfg, struct server *s, struct buf *why);
	/* Accepts on them, once this instance is to decide. 0, or a negative error with *why. */
	int (*serve)(void *front, struct buf *why);
	void (*reloaded)(void *front, const struct config *cfg); /* on the main thread */
	void (*handed)(void *front); /* the listening sockets are another process' now */
	void (*stop)(void *front);				 /* NULL: nothing */
};

/* Another process decides on these sockets and did not hand over: a restart is of no use. */
enum { EXIT_ANOTHER_DECIDES = 3 };

/* Runs until SIGTERM or SIGINT, or until the other instance decides. `take`: takes over from an
 * instance that decides, without `tollgate upgrade`. Exit code of the command. */
int server_run(const char *config_file, bool take, const struct server_front *front);

/* Tells systemd, where it asks for it. */
void server_notify(const char *state);

/* The snapshot in force, a reference of the caller's. Any thread. */
struct snapshot *server_snapshot(struct server *s);
/* The same, until the scope ends. */
#define SCOPED_SNAPSHOT(name, server)                                                          \
	__attribute__((cleanup(snapshot_unref))) struct snapshot *name = server_snapshot(server)
/* So often, of all threads together; 0 of METRIC_COUNT, which is none. Any thread. */
uint64_t server_counted(const struct server *s, enum metric m);
/* For the admin thread. The text of /readyz; true: ready. */
bool server_ready(struct server *s, struct buf *out);
void server_status(struct server *s, struct buf *out); /* JSON */
void server_recent(struct server *s, struct buf *out); /* JSON */
/* What is degraded, readiness part by part, rates and latencies, targets, how much waits. */
void server_now(struct server *s, struct buf *out); /* JSON */
/* Members of an object that is open: what the cache gave and saved since the start. Any thread.
 */
void server_cached(struct server *s, struct buf *out);
/* Prometheus text; with exemplars it is what openmetrics_write() takes. */
void server_metrics(struct server *s, struct buf *out, bool exemplars);
/* How the targets of the policy in force do; either may be NULL. Any thread. */
void server_targets(struct server *s, struct buf *json, struct buf *metrics);
/* Whether the policy in force has a target of this name; the nearest that it has. Any thread.
 */
struct nearest;
bool server_target_find(struct server *s, const char *name, struct nearest *near);

#endif
