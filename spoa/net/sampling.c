/* When a sample is due, and of which tables. */
#include "net/sampling.h"

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/server.h"

static size_t
tables(struct server *s, const struct tallies *out[WORKERS_MAX])
{
	for (unsigned i = 0; i < s->nworkers; i++)
		out[i] = gate_tally(s->workers[i].gate);
	return s->nworkers;
}

static void
sample(struct sampling *g)
{
	const struct tallies *t[WORKERS_MAX];
	size_t n = tables(g->s, t);

	rates_sample(g->rates, t, n, clock_wall_ns(), clock_mono_us());
}

static void
on_timer(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	sample(TAGGED(sampling, w->data));
}

int
sampling_start(struct sampling *g, struct server *s, struct ev_loop *loop)
{
	if (!s->shared_cfg->has_admin && !s->shared_cfg->has_admin_tcp)
		return 0;
	g->rates = rates_new();
	if (!g->rates)
		return ERR_NOMEM;
	g->s = s;
	g->loop = loop;
	TAG(sampling, g);
	ev_timer_init(&g->timer, on_timer, RATES_STEP_S, RATES_STEP_S);
	g->timer.data = g;
	ev_timer_start(loop, &g->timer);
	sample(g);
	return 0;
}

void
sampling_stop(struct sampling *g)
{
	if (g->s)
		ev_timer_stop(g->loop, &g->timer);
	g->s = NULL;
}

void
sampling_free(struct sampling *g)
{
	rates_free(&g->rates);
}

void
sampling_now(struct server *s, struct buf *out)
{
	const struct tallies *t[WORKERS_MAX];

	if (s->sampling.rates)
		rates_now(s->sampling.rates, t, tables(s, t), clock_wall_ns(), clock_mono_us(),
			out);
	else
		buf_str(out, "null");
}
