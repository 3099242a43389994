/* What a provider did with what it was sent: counted by provider and status, and how soon its
 * answer began; an error, and an answer that begins late, are a log line, once a minute each. */
#include "base/clock.h"
#include "base/log.h"
#include "gate/exchange.h"

#define MINUTE_US 60000000
/* From here on an answer begins late: a stream says its first word at once, a whole one is made
 * before it begins. */
#define SLOW_STREAM_US 10000000
#define SLOW_WHOLE_US  30000000

/* The first of its provider and kind in this minute, of all workers. */
static bool
may_log(struct gate_shared *s, struct span provider, uint64_t kind)
{
	uint64_t h = (span_hash(provider) ^ kind * 0x9e3779b97f4a7c15) | 1,
		 minute = clock_mono_us() / MINUTE_US,
		 name = (h * 0x9e3779b97f4a7c15 & ~UINT64_C(0xffffff)) | (minute & 0xffffff);

	return atomic_exchange_explicit(&s->provider_lines[(h >> 8) % PROVIDER_LINES], name,
		       memory_order_relaxed) != name;
}

void
gate_sent(struct exchange *x)
{
	if (x->provider)
		return; /* again, on another connection */
	x->provider = provider_entry(&x->r->gate->tally.providers, request_provider(x->r));
	x->sent_us = clock_mono_us();
	provider_sent(x->provider);
}

void
gate_heard(struct exchange *x, bool streamed)
{
	struct request *r = x->r;
	struct span name = request_provider(r);

	if (!x->provider)
		return;
	uint64_t us = clock_mono_us() - x->sent_us;
	provider_heard(x->provider, streamed, us);
	if (us >= (streamed ? SLOW_STREAM_US : SLOW_WHOLE_US) &&
		may_log(r->gate->shared, name, 0))
		log_event(LOG_WARN, "provider.slow", LSP("provider", name),
			LI("first_byte_ms", us / 1000), LS("id", r->id));
}

/* It is no longer under way. */
static void
show_end(struct request *r, int end)
{
	if (r->out.shown_in)
		recent_end(r->out.shown_in, r->out.shown_as, end);
	r->out.shown_in = NULL;
}

void
exchange_left(struct exchange *x)
{
	show_end(x->r, RECENT_NEVER_SENT);
	if (x->provider)
		provider_over(x->provider);
	x->provider = NULL;
}

/* A status of the provider's, or what came in place of one; -1: nothing did. */
static int
outcome(const struct exchange *x)
{
	const struct exchange_result *res = &x->result;
	int failure = provider_failure(res->code);

	if (failure)
		return failure;
	if (!x->provider || !res->status)
		return -1;
	if (res->status < 400 && x->guard && guard_report(x->guard)->provider_error)
		return PROVIDER_SAID_ERROR;
	return res->status;
}

void
exchange_answered(struct exchange *x)
{
	struct request *r = x->r;
	struct span name = request_provider(r);
	int status = outcome(x);
	char text[16];

	if (status >= 0)
		provider_answered(x->provider ? x->provider
					      : provider_entry(&r->gate->tally.providers, name),
			status, clock_wall_ns() / 1000000);
	switch (x->result.end) {
	case END_CLIENT_ABORT: show_end(r, RECENT_CLIENT_ABORT); break;
	case END_ANSWER_DENIED: show_end(r, RECENT_ANSWER_DENIED); break;
	default: show_end(r, status > 0 ? status : RECENT_NEVER_SENT); break;
	}
	exchange_left(x);
	if (status >= 0 && provider_means(status) &&
		may_log(r->gate->shared, name, (uint64_t)status + 1))
		log_event(LOG_WARN, "provider.failing", LSP("provider", name),
			LS("status", provider_status_text(status, text)),
			LS("means", provider_means(status)), LS("id", r->id));
}
