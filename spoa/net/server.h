/* The daemon: builds snapshots, starts and stops workers, handles signals. Runs
 * on the main thread. */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "net/degraded.h"
#include "net/observing.h"
#include "net/pinning.h"
#include "net/purging.h"
#include "net/reload.h"
#include "net/strangers.h"
#include "net/worker.h"
#include "quota/quota.h"

enum { WORKERS_MAX = 64 };

struct server {
	const char *config_file;
	struct snapshot *snap;		 /* in force; guarded by `lock` for the admin thread */
	pthread_mutex_t lock;		 /* not on the request path */
	const struct config *shared_cfg; /* of start-up */
	struct gate_shared *shared;
	struct reloading reloading;
	struct observing observing;
	struct purging purging;
	struct degraded degraded;
	struct strangers strangers;
	struct auths *auths;
	struct keysets *keysets; /* of issuers at URLs */
	struct audit *audit;
	struct anchors *anchors;       /* NULL: no places */
	struct index_thread *indexing; /* NULL: no records */
	struct witnessing *witnessing; /* NULL: no witness */
	struct keep *keep;	       /* NULL: no retention */
	struct live *live;	     /* NULL: no state_key */
	struct live_sync *live_sync; /* NULL: no Redis */
	struct pinning pinning;
	struct target_sync *target_sync; /* NULL: no Redis */
	struct quota_table *table;
	struct recall *recall; /* until the workers run */
	struct redis_finder *finder;
	struct quota_daemon quota_daemon;
	struct metrics metrics;	   /* of main, audit and admin */
	struct series_sum *series; /* the admin's: what of them /metrics tells apart */
	struct worker *workers;
	unsigned nworkers;
	_Atomic bool draining;
	uint64_t started_us;
	int64_t started_wall_ns;
};

/* Runs until SIGTERM or SIGINT. Exit code of the command. */
int server_run(const char *config_file);

/* Tells systemd, where it asks for it. */
void server_notify(const char *state);

/* The snapshot in force, a reference of the caller's. Any thread. */
struct snapshot *server_snapshot(struct server *s);
/* For the admin thread. The text of /readyz; true: ready. */
bool server_ready(struct server *s, struct buf *out);
void server_status(struct server *s, struct buf *out);	/* JSON */
void server_recent(struct server *s, struct buf *out);	/* JSON */
void server_metrics(struct server *s, struct buf *out); /* Prometheus text */
/* How the targets of the policy in force do; either may be NULL. Any thread. */
void server_targets(struct server *s, struct buf *json, struct buf *metrics);

#endif
