/* Said once when it is there, and once when it has gone. */
#include "operator/server/strangers.h"

#include "base/attr.h"
#include "base/log.h"
#include "policy/config/config.h"
#include "record/journal/recover.h"

#define FIRST_S 1.
#define EVERY_S 2.

static void
on_strangers_timer(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	struct strangers *s = TAGGED(strangers, w->data);
	bool was = atomic_load_explicit(&s->there, memory_order_relaxed);
	struct buf why;

	buf_init(&why, 8192);
	bool there = journal_has_stranger(s->cfg->journal, s->cfg->node, &why);
	if (there && !was)
		log_event(LOG_WARN, "audit.stranger", LSP("why", buf_view(&why)));
	else if (was && !there)
		log_event(LOG_INFO, "audit.stranger_gone");
	atomic_store_explicit(&s->there, there, memory_order_relaxed);
	buf_free(&why);
}

void
strangers_start(struct strangers *s, const struct config *cfg, struct ev_loop *loop)
{
	if (!cfg->journal)
		return;
	s->cfg = cfg;
	s->loop = loop;
	TAG(strangers, s);
	ev_timer_init(&s->timer, on_strangers_timer, FIRST_S, EVERY_S);
	s->timer.data = s;
	ev_timer_start(loop, &s->timer);
}

void
strangers_stop(struct strangers *s)
{
	if (s->cfg)
		ev_timer_stop(s->loop, &s->timer);
	s->cfg = NULL;
}
