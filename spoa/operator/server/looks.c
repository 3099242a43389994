/* The daemon's periodic tasks. A task that has nothing to do returns at once. */
#include "operator/server/looks.h"

#include "base/attr.h"
#include "base/clock.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "gate/changes/live.h"
#include "operator/server/server.h"
#include "record/audit/audit.h"
#include "record/journal/recover.h"

enum { PURGED_AT_ONCE = 256 }; /* one record has room for this many names */

/* Returns free memory to the system in a second without requests and relayed bytes, and once
 * until the next request. Allocations wait meanwhile, for a tenth of a second or more after a
 * burst. */
static void
memory_look(struct server *s)
{
	static const enum metric of[] = { M_DECIDE_PERMIT, M_DECIDE_REDACT, M_DECIDE_DENY,
		M_DECIDE_OBSERVED, M_DECIDE_DEFER, M_RELAY_BYTES_UP, M_RELAY_BYTES_DOWN };
	struct looks *l = &s->looks;
	uint64_t counted = 0;

	for (size_t i = 0; i < COUNT_OF(of); i++)
		counted += server_counted(s, of[i]);
	if (counted == l->counted && counted != l->given_back) {
		mem_give_back();
		l->given_back = counted;
	}
	l->counted = counted;
}

static void
caching_look(struct server *s)
{
	const struct tallies *t[WORKERS_MAX];

	for (unsigned i = 0; i < s->nworkers; i++)
		t[i] = gate_tally(s->workers[i].gate);
	cached_shares_look(s->cached_shares, t, s->nworkers, clock_mono_us());
}

/* Logs when a file appears in the journal's folder that is not a segment, because the next
 * start would then fail, and when it is gone. */
static void
strangers_look(struct server *s)
{
	bool was = atomic_load_explicit(&s->stranger_there, memory_order_relaxed);

	if (!s->shared_cfg->journal)
		return;
	SCOPED_BUF(why, 8192);
	bool there = journal_has_stranger(s->shared_cfg->journal, s->shared_cfg->node, &why);
	if (there && !was)
		log_event(LOG_WARN, "audit.stranger", LSP("why", buf_view(&why)));
	else if (was && !there)
		log_event(LOG_INFO, "audit.stranger_gone");
	atomic_store_explicit(&s->stranger_there, there, memory_order_relaxed);
}

/* Removes keys and overrides that ended more than a day ago. Each removal is recorded with the
 * names. Nothing in force changes, so nobody waits for the record. */
static void
purging_look(struct server *s)
{
	struct audit_entry *e = NULL;

	if (!s->live || (s->audit && !audit_ready(s->audit)))
		return;
	SCOPED_BUF(ids, 0);
	size_t n = live_purge(s->live, wall_least_ns(), PURGED_AT_ONCE, &ids);
	if (n)
		log_event(LOG_INFO, "live.purged", LI("entries", n));
	if (n && s->audit && (e = audit_entry_new())) {
		json_put_form(&e->fields,
			"'type':'change','what':'live','change':'purge','entries':%u,"
			"'ids':[%j]",
			(uint64_t)n, buf_view(&ids));
		audit_append(s->audit, e);
	}
}

/* Carries out erasures that the disk did not accept before. */
static void
erasing_look(struct server *s)
{
	erasing_again(&s->erasing);
}

static void
files_look(struct server *s)
{
	extract_health_look(&s->files, s->looks.loop, s->shared_cfg->extract.path);
}

/* clang-format off */
static const struct {
	double first_s, every_s;
	void (*look)(struct server *s);
} rows[LOOKS] = {
	{ 1.,  1.,  sampling_look },
	{ 1.,  1.,  clock_look },
	{ 1.,  1.,  observing_look },
	{ 10., 10., purging_look },
	{ 10., 10., erasing_look },
	{ 1.,  1.,  caching_look },
	{ .1,  1.,  files_look },
	{ 1.,  1.,  degraded_look },
	{ 1.,  2.,  strangers_look },
	{ 10., 10., reload_keep_look },
	{ 1.,  1.,  memory_look },
};
/* clang-format on */

static void
on_look_due(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	const struct looks *l = TAGGED(looks, w->data);

	rows[w - l->timer].look(l->s);
}

void
looks_begin(struct looks *l, struct server *s, struct ev_loop *loop)
{
	TAG(looks, l);
	l->s = s;
	l->loop = loop;
	for (size_t i = 0; i < LOOKS; i++) {
		ev_timer_init(&l->timer[i], on_look_due, rows[i].first_s, rows[i].every_s);
		l->timer[i].data = l;
		ev_timer_start(loop, &l->timer[i]);
	}
}

void
looks_end(struct looks *l)
{
	for (size_t i = 0; l->s && i < LOOKS; i++)
		ev_timer_stop(l->loop, &l->timer[i]);
	l->s = NULL;
}
