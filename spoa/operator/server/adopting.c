/* The thread tg-adopt: waits until the other instance's journal is not locked, and then takes
 * over what that instance has left (adopting.h). The lock is free from the moment at which the
 * other process has ended, however it ended. */
#include "operator/server/adopting.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/scoped.h"
#include "operator/server/recall.h"
#include "operator/server/server.h"
#include "record/anchors/anchors.h"
#include "record/journal/journal.h"

enum {
	LOOK_US = 100000,
	AGAIN_US = 60000000, /* pause after a journal that could not be read */
	ANCHOR_LOOKS = 200,  /* how often anchors are looked for, at most */
	ANCHOR_LOOK_US = 10000,
	NICE = 10,
};

/* ---- the end of the other chain ---- */

/* The other chain, while it is open for its anchors. */
struct last_anchors {
	struct audit *audit;
	_Atomic unsigned records; /* that the places of anchors have caused */
};

static bool
note_of_end(void *arg, struct buf *out, uint64_t *size)
{
	const struct last_anchors *l = arg;

	return audit_note(l->audit, out, size);
}

static void
append_to_other(void *arg, struct audit_entry *e)
{
	struct last_anchors *l = arg;

	audit_append(l->audit, e);
	atomic_fetch_add(&l->records, 1);
}

/* Sends the end of the chain to the places of `anchors`. A place that does not respond soon gets
 * a later end, when the chain is opened at the next start of this instance. */
static void
anchor_end(struct adopting *a, struct audit *audit)
{
	struct other_chain *o = &a->server->other_chain;
	struct last_anchors l = { .audit = audit };
	const struct anchors_audit to = { note_of_end, append_to_other, &l };

	SCOPED_BUF(why, 4096);
	struct anchors *places =
		o->cfg.nanchors ? anchors_start(&o->cfg, &to, &o->metrics, &why) : NULL;
	for (int i = 0; places && i < ANCHOR_LOOKS && !service_stopping(&a->service) &&
			atomic_load(&l.records) < o->cfg.nanchors;
		i++)
		usleep(ANCHOR_LOOK_US);
	anchors_stop(&places);
}

/* Closes what the other instance has left open: the last segment of its journal, which its process
 * perhaps did not close; the copies in the Redis Stream; the anchors. Returns the monotonic µs of
 * the next attempt, or SERVICE_WHEN_WOKEN if all is done. */
static uint64_t
complete_chain(struct adopting *a)
{
	SCOPED_BUF(why, 4096);
	struct other_chain *o = &a->server->other_chain;
	struct audit *audit = other_chain_open(o, &why);
	if (!audit)
		return clock_mono_us() + (why.n ? AGAIN_US : LOOK_US);
	anchor_end(a, audit);
	other_chain_close(o);
	return SERVICE_WHEN_WOKEN;
}

static uint64_t
adopt(void *arg)
{
	struct adopting *a = arg;
	struct server *s = a->server;

	if (!atomic_load(&s->decides) || atomic_load(&s->draining))
		return SERVICE_WHEN_WOKEN; /* the other instance decides, or this one ends */
	if (!journal_is_free(s->other_chain.cfg.journal))
		return clock_mono_us() + LOOK_US;
	if (a->after && !recall_other(a->after, s->shared_cfg, &s->workers[0], s->table,
				s->audit, &s->metrics))
		return clock_mono_us() + AGAIN_US;
	recall_after_free(&a->after);
	atomic_store(&s->other_chain.counted, true);
	return complete_chain(a);
}

int
adopting_start(struct adopting *a, struct server *s, struct buf *why)
{
	const struct service_options o = {
		.name = "tg-adopt", .turn = adopt, .arg = a, .nice = NICE
	};

	a->server = s;
	if (!other_chain_exists(&s->other_chain) || service_start(&a->service, &o) == 0)
		return 0;
	buf_str(why, "the thread that takes over what the other instance has left cannot be "
		     "started: the system is out of threads or memory");
	return ERR_NOMEM;
}

void
adopting_stop(struct adopting *a)
{
	service_stop(&a->service);
	recall_after_free(&a->after);
}
