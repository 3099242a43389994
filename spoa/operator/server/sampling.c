/* Takes the samples at their times, and writes the views of the admin server on them. */
#include "operator/server/sampling.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "operator/group/group.h"
#include "operator/server/server.h"
#include "policy/policy.h"
#include "policy/rule.h"
#include "policy/section.h"
#include "policy/verdict/explain.h"

enum { MINUTE_LOOKS = RATES_STEP_S * RATES_MINUTE };

/* Collects the workers' tables; `t` is room for them. */
static struct rates_source
source_of(struct server *s, const struct tallies *t[WORKERS_MAX])
{
	for (unsigned i = 0; i < s->nworkers; i++)
		t[i] = gate_tally(s->workers[i].gate);
	return (struct rates_source){ t, s->nworkers, server_counted(s, M_CACHE_HITS) };
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
	static const char *const names[RULE_DIDS] = { "permit", "redact", "deny", "would" };

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
	const char *journal = config_is_second() ? cfg->other_journal : cfg->journal;
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

/* Runs about once a second: ends a temporary log level, compares rules' counts, samples rates
 * every RATES_STEP_S and closes a minute of the trends every MINUTE_LOOKS. */
void
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
