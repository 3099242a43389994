/* The thread tg-adopt: waits until the other instance's journal is not locked, and then takes
 * over what that instance has left (adopting.h). The lock is free from the moment at which the
 * other process has ended, however it ended. */
#include "operator/server/adopting.h"

#include "base/clock.h"
#include "base/err.h"
#include "operator/server/recall.h"
#include "operator/server/server.h"
#include "record/journal/journal.h"

enum {
	LOOK_US = 100000,
	AGAIN_US = 60000000, /* pause after a journal that could not be read */
	NICE = 10,
};

static uint64_t
adopt(void *arg)
{
	struct adopting *a = arg;
	struct server *s = a->server;
	const struct config *other = config_part(s->shared_cfg, CONFIG_OTHER);

	if (!atomic_load(&s->decides) || atomic_load(&s->draining))
		return SERVICE_WHEN_WOKEN; /* the other instance decides, or this one ends */
	if (!journal_is_free(other->journal))
		return clock_mono_us() + LOOK_US;
	if (!recall_other(
		    a->after, s->shared_cfg, &s->workers[0], s->table, s->audit, &s->metrics))
		return clock_mono_us() + AGAIN_US;
	recall_after_free(&a->after);
	return SERVICE_WHEN_WOKEN;
}

int
adopting_start(struct adopting *a, struct server *s, struct buf *why)
{
	const struct service_options o = {
		.name = "tg-adopt", .turn = adopt, .arg = a, .nice = NICE
	};

	a->server = s;
	if (!a->after || service_start(&a->service, &o) == 0)
		return 0;
	buf_str(why, "the thread that takes over the other instance's usage cannot be started: "
		     "the system is out of threads or memory");
	return ERR_NOMEM;
}

void
adopting_stop(struct adopting *a)
{
	service_stop(&a->service);
	recall_after_free(&a->after);
}
