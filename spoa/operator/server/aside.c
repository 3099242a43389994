/* Decides five times a second which daemon HAProxy should ask, and carries it out by the workers'
 * agents. The other daemons are known from the group (operator/group/). */
#include "operator/server/aside.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "operator/group/group.h"
#include "operator/server/server.h"
#include "policy/config/read.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "record/audit/audit.h"

/* a daemon whose reason is over stays aside for this time, because a disk may be full again */
#define CALM_ASIDE_US (2 * SECOND_US)
/* time between two times of giving back; it doubles while the other daemon gets no request */
#define GIVE_US	      (SECOND_US / 2)
#define GIVE_MOST_US  (300 * SECOND_US)
/* A daemon serves alone if it had at least so many questions in ASIDE_WINDOW_S, and so many times
 * as many as another daemon. */
enum { ALONE_LEAST = 4, ALONE_TIMES = 4 };

/* Returns true if the policy refuses every request that cannot be recorded. */
static bool
refuses_unrecorded(const struct policy *p)
{
	bool all = p->on_failure.audit == OUT_DENY;

	for (size_t i = 0; i < p->nroutes; i++)
		all = all && p->routes[i].on_failure.audit == OUT_DENY;
	return all;
}

/* Returns true if this daemon refuses every request for a reason of its own. */
static bool
refuses_alone(struct server *s, struct buf *why)
{
	if (!s->audit || !audit_away(s->audit) || !refuses_unrecorded(s->snap->policy))
		return false;
	audit_away_put(s->audit, why);
	return true;
}

/* Returns true if every worker can count limits in Redis. */
static bool
counts_in_redis(const struct server *s)
{
	bool all = true;

	for (unsigned i = 0; i < s->nworkers; i++) {
		const struct worker *w = &s->workers[i];
		all = all && atomic_load_explicit(&w->redis_ok, memory_order_relaxed) &&
		      !atomic_load_explicit(&w->refusal, memory_order_relaxed) &&
		      !atomic_load_explicit(&w->counting, memory_order_relaxed);
	}
	return all;
}

/* Returns HAProxy's questions of the last ASIDE_WINDOW_S, and sets *minute to those of the last
 * minute. */
static uint64_t
questions_lately(struct aside *a, uint64_t sum, uint64_t now_us, uint64_t *minute)
{
	uint64_t second = now_us / SECOND_US;

	if (!a->second || second - a->second > ASIDE_MINUTE_S) {
		a->second = second - ASIDE_MINUTE_S;
		if (second < ASIDE_MINUTE_S)
			a->second = 0;
	}
	for (; a->second < second; a->second++)
		a->counted[a->second % ASIDE_MINUTE_S] = sum;
	/* the oldest sum is at the place of the second that has begun */
	*minute = sum - a->counted[second % ASIDE_MINUTE_S];
	return sum - a->counted[(second - ASIDE_WINDOW_S) % ASIDE_MINUTE_S];
}

/* Sets the state that other daemons read of this one. Returns true if it should be published
 * immediately. */
static bool
set_ready(struct aside *a, bool ready, uint64_t asked, uint64_t minute, uint64_t sum,
	uint64_t now_us)
{
	SCOPED_LOCK(&a->lock);
	bool changed = ready != a->ready;
	if (changed)
		a->ready_us = now_us;
	a->ready = ready;
	a->asked = asked;
	a->minute = minute;
	if (sum != a->sum)
		a->asked_us = now_us;
	a->sum = sum;
	return changed;
}

static void
step_aside(struct server *s, bool aside, struct span why, const char *node)
{
	struct aside *a = &s->aside;

	{
		SCOPED_LOCK(&a->lock);
		a->aside = aside;
		a->since_ns = clock_wall_ns();
		if (aside) {
			span_copy(span_cut(why, 0, sizeof(a->why) - 1), a->why, sizeof(a->why));
			snprintf(a->node, sizeof(a->node), "%s", node);
		}
	}
	for (unsigned i = 0; i < s->nworkers; i++)
		worker_aside(&s->workers[i], aside);
	if (aside)
		log_event(LOG_WARN, "aside.begin", LS("why", a->why), LS("ready", a->node));
	else
		log_event(LOG_INFO, "aside.end", LS("was", a->why));
}

/* Gives connections back if this daemon serves alone beside one that is ready. While that has no
 * effect, because HAProxy does not ask the other daemon, it happens less and less often. */
static void
share_connections(struct server *s, const struct group_ready *others, uint64_t now_us)
{
	struct aside *a = &s->aside;
	uint64_t wait_us = GIVE_US << (a->tries < 8 ? a->tries : 8);

	if (!others->beside || a->asked < ALONE_LEAST ||
		others->asked * ALONE_TIMES > a->asked) {
		a->tries = 0;
		return;
	}
	if (a->gave_us && now_us - a->gave_us < (wait_us < GIVE_MOST_US ? wait_us : GIVE_MOST_US))
		return;
	a->gave_us = now_us;
	a->tries++;
	log_event(LOG_INFO, "spop.given_back", LS("to", others->beside_node),
		LI("asked", a->asked), LI("asked_there", others->asked));
	for (unsigned i = 0; i < s->nworkers; i++)
		worker_give_back(&s->workers[i]);
}

void
aside_look(struct server *s)
{
	struct aside *a = &s->aside;
	struct group_ready others;
	uint64_t now_us = clock_mono_us(), sum = server_counted(s, M_SPOP_NOTIFY), minute,
		 asked = questions_lately(a, sum, now_us, &minute);
	bool serves = atomic_load(&s->decides) && !atomic_load(&s->draining);

	SCOPED_BUF(why, sizeof(a->why));
	bool retired = atomic_load_explicit(&s->retired, memory_order_relaxed);
	bool refuses = serves && !retired && refuses_alone(s, &why);
	if (retired)
		buf_str(&why, "its node is retired");
	if (refuses)
		a->calm_us = now_us + CALM_ASIDE_US;
	if (set_ready(a, serves && !refuses && !retired && !a->aside && counts_in_redis(s), asked, minute, sum,
		    now_us))
		group_self_changed(s->group);
	bool another = group_ready(s->group, &others) && others.others;
	/* Others must have been read after they could read that this daemon is not ready, so
	 * that two daemons with the same trouble do not both step aside. */
	bool aside = a->aside ? another && serves && now_us < a->calm_us
			      : another && refuses && !others.self;
	aside = aside || retired;
	if (aside != a->aside)
		step_aside(s, aside, buf_view(&why), retired ? "" : others.node);
	else if (a->ready && another)
		share_connections(s, &others, now_us);
}

void
aside_publish(struct server *s, struct group_member *out)
{
	struct aside *a = &s->aside;

	SCOPED_LOCK(&a->lock);
	out->ready = a->ready && !atomic_load(&s->draining);
	out->asked = a->asked;
	out->minute = a->minute;
	out->idle_s = a->asked_us ? (int64_t)((clock_mono_us() - a->asked_us) / SECOND_US) : -1;
	out->ready_s = a->ready ? (clock_mono_us() - a->ready_us) / SECOND_US : 0;
}

void
aside_say(struct server *s, struct buf *out)
{
	struct aside *a = &s->aside;

	SCOPED_LOCK(&a->lock);
	if (a->aside && a->node[0])
		buf_printf(out,
			"aside: HAProxy asks another daemon (node %s is ready), because %s\n",
			a->node, a->why);
}

void
aside_json(struct server *s, struct buf *out)
{
	struct aside *a = &s->aside;

	SCOPED_LOCK(&a->lock);
	if (!a->aside) {
		buf_str(out, "null");
		return;
	}
	json_put_open(out, NULL, '{');
	json_put_time(out, "since", a->since_ns);
	json_put_str(out, "why", a->why);
	json_put_opt(out, "node", a->node[0] ? a->node : NULL);
	json_put_close(out, '}');
}

void
aside_metrics(struct server *s, struct buf *out)
{
	struct aside *a = &s->aside;

	metrics_head(out, "aside", "gauge",
		"1 while the daemon fails HAProxy's health check for this reason, so that "
		"HAProxy asks another daemon.");
	SCOPED_LOCK(&a->lock);
	buf_printf(out, "tollgate_aside{reason=\"journal\"} %d\n", a->aside);
	buf_printf(out, "tollgate_aside{reason=\"stop\"} %d\n", atomic_load(&s->draining));
}
