/* Begins a relayed request that may be sent to several targets, and accepts its attempts. */
#include "scenario/relay_attempts.h"

void
attempts_start(struct stage *s, unsigned attempts)
{
	s->options.pool = 0;
	s->gate.plan.asks = s->gate.plan.timed = true;
	s->gate.plan.holds = attempts > 1;
	s->gate.plan.body_mode = BODY_SWAP;
	s->gate.plan.body = SPAN_LIT("HELLO");
	s->gate.attempts = attempts;
	s->gate.last = AGAIN_STAYS;
	stage_start(s);
}

struct peer
attempts_accept(struct stage *s)
{
	struct peer up = egress_accept(s);

	until(s, heard(&up, "\r\n\r\nHELLO"));
	return up;
}
