/* How a request waits: gate/wait.h. */
#include "gate/wait.h"

#include "base/clock.h"
#include "base/err.h"
#include "gate/gate_private.h"

const struct wait_kind wait_kinds[] = {
#define X(name, flags, failed, code, why) [WAIT_##name] = { flags, failed, code, why },
	REQUEST_WAITS(X)
#undef X
};

enum step_result
request_waits(struct request *r, enum request_wait what)
{
	INVARIANT(what != WAIT_NONE);
	INVARIANT(r->run.life == LIFE_STEPS || what == WAIT_AUDIT);
	r->waiting.what = what;
	return STEP_WAIT;
}

void
request_waited(struct request *r)
{
	r->waiting.what = WAIT_NONE;
}

void
request_asked(struct request *r)
{
	r->waiting.outstanding++;
}

void
request_answered(struct request *r)
{
	INVARIANT(r->waiting.outstanding > 0);
	r->waiting.outstanding--;
}

void
gate_tick(struct gate *g)
{
	if (!ev_is_active(&g->tick))
		ev_timer_again(g->loop, &g->tick);
}

void
request_unpark(struct request *r)
{
	struct waiting *w = &r->waiting;

	INVARIANT(!w->parked || !TAILQ_EMPTY(&r->gate->parked));
	if (w->parked)
		TAILQ_REMOVE(&r->gate->parked, r, waiting.of_parked);
	w->parked = false;
}

void
request_park(struct request *r)
{
	struct waiting *w = &r->waiting;

	INVARIANT(w->what != WAIT_NONE);
	/* something resumes the request; a helper is asked only after this call */
	INVARIANT(r->queued || w->outstanding > 0 || w->what == WAIT_HELPER);
	if (r->run.resumed &&
		w->what != WAIT_ROOM) /* checked again at each tick, so its time runs */
		request_unpark(r);
	if (w->parked || (r->run.resumed && wait_kinds[w->what].flags & WAITS_UNTIMED))
		return;
	w->parked_us = clock_mono_us();
	if (r->run.late) /* HAProxy's remaining time: a fifth of its own timeout */
		w->parked_us -= gate_cfg(r->gate)->agent_deadline_us / 4 * 3;
	w->parked = true;
	TAILQ_INSERT_TAIL(&r->gate->parked, r, waiting.of_parked);
	gate_tick(r->gate);
}

struct request *
request_overdue(const struct gate *g, uint64_t now_us)
{
	struct request *r = TAILQ_FIRST(&g->parked);

	return r && r->waiting.parked_us + gate_cfg(g)->agent_deadline_us <= now_us ? r : NULL;
}
