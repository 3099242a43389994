/* Said once when it is there, and once when it has gone. */
#include "operator/server/looks.h"

#include "base/log.h"
#include "base/scoped.h"
#include "operator/server/server.h"
#include "record/journal/recover.h"

void
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
