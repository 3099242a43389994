/* The daemon's periodic tasks. A task that has nothing to do returns immediately.
 *
 * Two tasks are here as well. The end of an observation depends only on the clock, so the state is
 * checked each second and logged when it changes. Samples are taken at their times, and this file
 * writes the views of the admin server on them. */
#include "operator/server/looks.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "gate/changes/live.h"
#include "operator/group/group.h"
#include "operator/server/fleet.h"
#include "operator/server/observing.h"
#include "operator/server/sampling.h"
#include "operator/server/server.h"
#include "policy/policy.h"
#include "policy/rule.h"
#include "policy/section.h"
#include "policy/verdict/explain.h"
#include "record/audit/audit.h"
#include "record/journal/recover.h"

/* ---- observed hosts ---- */

/* Logs the state if it has changed. */
static void
observing_look(struct server *s)
{
	static const char *const events[] = { [OBSERVE_ON] = "observe",
		[OBSERVE_NEAR] = "observe.near",
		[OBSERVE_OVER] = "observe.over" };
	const struct policy *p = s->snap->policy;
	int64_t now = wall_now_ns(), days;
	enum observe_state state = observe_state(p, now, &days);

	if (state == s->observe_said)
		return;
	s->observe_said = state;
	if (state == OBSERVE_NONE)
		return;
	SCOPED_BUF(says, 4096);
	observe_says(p, now, &says);
	log_event(LOG_WARN, events[state], LSP("note", buf_view(&says)));
}

void
observing_again(struct server *s)
{
	s->observe_said = OBSERVE_NONE;
	observing_look(s);
}

/* ---- samples ---- */

enum { MINUTE_LOOKS = RATES_STEP_S * RATES_MINUTE };

/* Collects the workers' tables; `t` is room for them. */
static struct rates_source
source_of(struct server *s, const struct tallies *t[WORKERS_MAX])
{
	for (unsigned i = 0; i < s->nworkers; i++)
		t[i] = gate_tally(s->workers[i].gate);
	return (struct rates_source){ t, s->nworkers, server_counted(s, M_CACHE_HITS),
		server_counted(s, M_FAILED) };
}

/* ---- rules ---- */

static void
sum_rule(struct server *s, const struct rule *rule, struct rule_sum *out)
{
	const struct rule_tally *t[WORKERS_MAX];

	for (unsigned i = 0; i < s->nworkers; i++)
		t[i] = &gate_tally(s->workers[i].gate)->rules;
	rule_tally_sum(t, s->nworkers, rule->name, out);
}

/* If another policy is in force, remembers the rules' sums, from which counts of this policy
 * start. */
static void
look_at_rules(struct server *s)
{
	struct sampling *g = &s->sampling;
	SCOPED_SNAPSHOT(snap, s);
	const struct policy *p = snap->policy;

	if (strcmp(g->version, p->version) != 0) {
		size_t n = p->nall_rules;
		struct rule_sum *base = calloc(n + 1, sizeof(*base));
		for (size_t i = 0; base && i < n; i++)
			sum_rule(s, &p->rules[i], &base[i]);
		pthread_mutex_lock(&g->lock);
		free(g->base);
		g->base = base;
		g->nbase = base ? n : 0;
		snprintf(g->version, sizeof(g->version), "%s", p->version);
		g->version_ns = clock_wall_ns();
		pthread_mutex_unlock(&g->lock);
	}
}

static void
put_hits(struct buf *out, const char *name, const struct rule_sum *now,
	const struct rule_sum *before)
{
	static const char *const names[RULE_DIDS] = { "permit", "redact", "deny", "would",
		"apply" };

	json_put_open(out, name, '{');
	for (size_t d = 0; d < RULE_DIDS; d++)
		json_put_uint(out, names[d], now->v[d] - (before ? before->v[d] : 0));
	json_put_close(out, '}');
}

static void
put_rule(
	struct server *s, const struct rule *rule, const struct rule_sum *base, struct buf *out)
{
	struct rule_sum now;

	sum_rule(s, rule, &now);
	json_put_form(out, "{'name':%t,'phase':%s,'effect':%s", span_str(rule->name),
		phase_words[rule->phase],
		rule->redacts ? "redact" : rule_effect_name(rule->effect));
	json_put_bool(out, "shadow", rule->shadow);
	json_put_opt(out, "when", rule->when_text);
	put_hits(out, "since_start", &now, NULL);
	put_hits(out, "since_version", &now, base);
	json_put_time(out, "last", (int64_t)now.last_ms * 1000000);
	json_put_close(out, '}');
}

void
sampling_rules(struct server *s, struct buf *out)
{
	struct sampling *g = &s->sampling;
	SCOPED_SNAPSHOT(snap, s);
	const struct policy *p = snap->policy;

	pthread_mutex_lock(&g->lock);
	bool same = !strcmp(g->version, p->version);
	json_put_form(out, "{'policy':%t,'version':%t,'mode':%s", span_str(p->label),
		span_str(p->version), p->shadow ? "shadow" : "enforce");
	json_put_time(out, "started", s->started_wall_ns);
	json_put_time(out, "version_since", same ? g->version_ns : clock_wall_ns());
	json_put_str(out, "default", p->default_permit ? "permit" : "deny");
	json_put_opt(
		out, "shadow_policy", snap->shadow_policy ? snap->shadow_policy->label : NULL);
	json_put_open(out, "rules", '[');
	for (size_t i = 0; i < p->nall_rules; i++)
		put_rule(s, &p->rules[i], same && i < g->nbase ? &g->base[i] : NULL, out);
	buf_str(out, "]}\n");
	pthread_mutex_unlock(&g->lock);
}

void
sampling_near(struct server *s, size_t from, size_t count, struct buf *out)
{
	const struct near *near[2 * WORKERS_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < s->nworkers; i++) {
		near[n++] = &gate_tally(s->workers[i].gate)->near;
		near[n++] = &gate_tally(s->workers[i].gate)->near_rates;
	}
	near_json(out, near, n, from, count, wall_now_ns());
}

void
sampling_fullest(struct server *s, size_t count, struct buf *out)
{
	const struct fullest *f[WORKERS_MAX];

	for (unsigned i = 0; i < s->nworkers; i++)
		f[i] = &gate_tally(s->workers[i].gate)->fullest;
	fullest_json(out, f, s->nworkers, count, wall_now_ns() / 1000000);
}

/* ---- each second ---- */

/* Opens the trends once this instance decides. Until then, the other instance writes the file.
 */
static void
open_trends(struct server *s)
{
	const struct config *cfg = s->shared_cfg;

	if (s->sampling.trends || handover_joined(&s->handover))
		return;
	const char *journal =
		config_part(cfg, config_is_second() ? CONFIG_OTHER : CONFIG_OWN)->journal;
	SCOPED_BUF(file, 4096);
	buf_printf(&file, "%s.trends", journal ? journal : "");
	buf_putc(&file, '\0');
	s->sampling.trends = trends_open(journal ? buf_view(&file).p : NULL);
}

static void
add_minute(struct server *s, const struct rates_source *from)
{
	if (s->sampling.trends && s->handover.state != HANDOVER_GONE)
		trends_minute(s->sampling.trends, s->sampling.rates, from, wall_now_ns());
}

/* Called each second: ends a temporary log level, compares rules' counts, samples rates every
 * RATES_STEP_S, and closes a minute of the trends every MINUTE_LOOKS. */
static void
sampling_look(struct server *s)
{
	const struct tallies *t[WORKERS_MAX];
	int64_t until_ns = atomic_load(&s->log_until_ns);

	if (!s->sampling.rates)
		return;
	if (until_ns && wall_now_ns() >= until_ns &&
		atomic_compare_exchange_strong(&s->log_until_ns, &until_ns, 0)) {
		log_set_level(s->shared_cfg->log_level);
		log_event(LOG_INFO, "log.level", LS("level", log_level_names[log_level()]),
			LS("why", "the time of the temporary log level ended: the configured "
				  "level applies again"));
	}
	look_at_rules(s);
	open_trends(s);
	unsigned looks = s->sampling.looks++;
	if (looks % MINUTE_LOOKS == MINUTE_LOOKS - 1)
		for (unsigned i = 0; i < s->nworkers; i++)
			gate_heavy_turn(s->workers[i].gate);
	if (looks % RATES_STEP_S == 0) {
		const struct rates_source from = source_of(s, t);
		rates_sample(s->sampling.rates, &from, clock_wall_ns(), clock_mono_us());
		if (looks && looks % MINUTE_LOOKS == 0)
			add_minute(s, &from);
	}
}

/* The names of a minute are read a second after their bank was turned (heavy.h). If the daemon
 * stops in this second, this bank is added before the next one is turned. */
void
sampling_end(struct server *s)
{
	const struct tallies *t[WORKERS_MAX];
	unsigned looks = s->sampling.looks;

	if (!s->sampling.rates || !s->sampling.trends)
		return;
	const struct rates_source from = source_of(s, t);
	rates_sample(s->sampling.rates, &from, clock_wall_ns(), clock_mono_us());
	if (looks && looks % MINUTE_LOOKS == 0)
		add_minute(s, &from);
	for (unsigned i = 0; i < s->nworkers; i++)
		gate_heavy_turn(s->workers[i].gate);
	add_minute(s, &from);
}

int
sampling_start(struct server *s)
{
	if (!s->shared_cfg->has_admin && !s->shared_cfg->has_admin_tcp)
		return 0;
	s->sampling.rates = rates_new();
	if (!s->sampling.rates)
		return ERR_NOMEM;
	pthread_mutex_init(&s->sampling.lock, NULL);
	sampling_look(s);
	return 0;
}

void
sampling_free(struct sampling *g)
{
	if (g->rates)
		pthread_mutex_destroy(&g->lock);
	rates_free(&g->rates);
	struct trends *trends = g->trends;
	trends_close(&trends);
	g->trends = NULL;
	free(g->base);
	g->base = NULL;
}

void
sampling_trends(struct server *s, const struct trends_asked *asked, struct buf *out)
{
	struct trends *const own = s->sampling.trends;

	buf_putc(out, '{');
	bool together = group_trends_json(s->group, asked, wall_now_ns(), out);
	if (!together) {
		trends_json(&own, 1, asked, wall_now_ns(), out);
		json_put_form(out, "'daemons':[{'node':%t", span_str(s->shared_cfg->node));
		json_put_bool(out, "here", true);
		json_put_bool(out, "missing", false);
		buf_str(out, "}]");
	}
	json_put_bool(out, "alone", !together);
	buf_str(out, "}\n");
}

void
sampling_now(struct server *s, struct buf *out)
{
	const struct tallies *t[WORKERS_MAX];
	const struct rates_source from = source_of(s, t);

	if (s->sampling.rates)
		rates_now(s->sampling.rates, &from, clock_wall_ns(), clock_mono_us(), out);
	else
		buf_str(out, "null");
}

/* ---- the tasks ---- */

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

/* If the busiest worker has more than 1.25 times the mean load, it gives a connection to the
 * least busy one. */
static void
balance_look(struct server *s)
{
	struct worker *most = s->workers, *least = s->workers;
	double sum = 0;

	for (unsigned i = 0; i < s->nworkers; i++) {
		struct worker *w = &s->workers[i];
		sum += atomic_load(&w->load);
		if (atomic_load(&w->load) > atomic_load(&most->load))
			most = w;
		if (atomic_load(&w->load) < atomic_load(&least->load))
			least = w;
	}
	double load = atomic_load(&most->load);
	if (load * s->nworkers > 1.25 * sum)
		worker_move(most, least, load - atomic_load(&least->load));
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
	{ .2,  .2,  aside_look },
	{ .1,  1,   fleet_look },
	{ 1.,  .5,  balance_look },
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
