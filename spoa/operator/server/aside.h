/* Which of several daemons HAProxy asks. HAProxy keeps its SPOP connections, and asks a daemon as
 * long as the health check succeeds, whether the daemon can decide or not.
 *
 * A daemon steps aside while it refuses every request for a reason of its own, and another daemon
 * of the group is ready: its health checks fail, and it closes its connections between frames. If
 * no other daemon is known to be ready, for example because Redis is unavailable, the daemon
 * answers. Redis itself is never a reason, because it is unavailable to all daemons.
 *
 * A daemon that serves alone gives connections back if another daemon beside it has been ready
 * for GROUP_BACK_S: HAProxy does not open connections to a restarted daemon while it has others. */
#ifndef OPERATOR_SERVER_ASIDE_H
#define OPERATOR_SERVER_ASIDE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct server;
struct group_member;

enum { ASIDE_WINDOW_S = 10, ASIDE_MINUTE_S = 60 };

/* owner: main; the members that `lock` guards are read by other threads */
struct aside {
	pthread_mutex_t lock;
	/* Guarded by `lock`: this daemon has stepped aside, since when, why, and which daemon is
	 * ready instead. */
	bool aside;
	int64_t since_ns;
	char why[256], node[65];
	/* Guarded by `lock`: this daemon can decide, since when (monotonic µs), and HAProxy's
	 * questions of the last ASIDE_WINDOW_S and of the last minute; when the number of
	 * questions last grew (monotonic µs; 0: it is 0). */
	bool ready;
	uint64_t ready_us, asked, minute, asked_us;
	/* monotonic µs: until then, a daemon whose reason is over stays aside; when it last gave
	 * connections back */
	uint64_t calm_us, gave_us;
	unsigned tries; /* connections were given back so often, and the other got no request */
	/* sums of questions at the end of each of the last seconds, in a ring */
	uint64_t counted[ASIDE_MINUTE_S], second;
	uint64_t sum; /* questions since the start, as last read */
};

/* Decides whether this daemon steps aside, serves, or gives connections back. */
void aside_look(struct server *s);
/* Sets the members that tell other daemons whether this one is ready. Any thread. */
void aside_publish(struct server *s, struct group_member *out);
/* Appends a line for /readyz if this daemon has stepped aside. Any thread may call this function
 * and the next two. */
void aside_say(struct server *s, struct buf *out);
/* Appends the value of "aside" in /status: {"since","why","node"}, or null. */
void aside_json(struct server *s, struct buf *out);
/* Appends tollgate_aside to /metrics. */
void aside_metrics(struct server *s, struct buf *out);

#endif
