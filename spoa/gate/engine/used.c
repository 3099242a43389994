/* The result of an exchange. First, what it used in tokens if the provider does not report it:
 * nothing, at most what was seen, or the whole reservation. Then counts and log lines about
 * providers. */
#include <stdlib.h>

#include "answer/guard/guard.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/tokens/estimate.h"
#include "base/utf8.h"
#include "budget/tally/awaited.h"
#include "gate/engine/session.h"
#include "policy/rule.h"
#include "record/audit/note.h"

enum {
	BYTES_A_TOKEN = 3, /* the same ratio by which requests are estimated */
	/* upper bound of the tokens of a turn or a tool call besides its text */
	TEXT_OVERHEAD = 16
};

/* Returns true if everything the model made was visible: only text, in a stream as far as it
 * arrived, or in a whole response. `hidden`: the model may also have reasoned invisibly. */
static bool
saw_all(const struct exchange *x, const struct exchange_result *res,
	const struct guard_report *a, bool hidden)
{
	return (hidden || (!x->may_reason && !a->sealed_bytes)) && !a->opaque_bytes &&
	       !a->unread_bytes && !a->blind && (a->streamed || res->end == END_COMPLETE);
}

/* The state of a stream that the gateway closed before its end, because the caller left or a rule
 * denied the response. */
enum stopped {
	STOPPED_NOT,  /* it was not closed, or the provider's work cannot be bounded by time */
	STOPPED_ENDS, /* the provider stops to generate, and bills what it had generated */
	STOPPED_BILLED /* the provider bills the whole response */
};

static enum stopped
how_stopped(const struct request *r, const struct exchange_result *res)
{
	const struct exchange *x = r->x;
	const struct target *t = request_target(r);
	const struct dialect *sent =
		x->translate.sent ? x->translate.sent : r->found.endpoint.dialect;

	if ((res->end != END_CLIENT_ABORT && res->end != END_ANSWER_DENIED) || !x->sent_us ||
		!x->plan.reads_answer || x->made_later || !x->asks_stream)
		return STOPPED_NOT;
	return t && (t->bills_on || (!t->dialect && dialect_bills_on(sent))) ? STOPPED_BILLED
									      : STOPPED_ENDS;
}

/* Returns the most output tokens that the model can have generated since the request was sent,
 * in all responses together. */
static int64_t
unseen_output(const struct request *r)
{
	const struct snapshot *s = r->snap;
	uint64_t rate = s->models ? model_size_of(s->models, request_priced_model(r)).rate
				  : MODEL_RATE_DEFAULT;
	uint64_t us = clock_mono_us() - r->x->sent_us;
	unsigned __int128 all = (unsigned __int128)us * rate * r->x->responses / 1000000 + 1;

	return all < INT64_MAX / 2 ? (int64_t)all : INT64_MAX / 2;
}

/* Returns the output tokens that the provider reported before the rest of the stream. */
static int64_t
reported_output(const struct usage *u)
{
	return u->output_seen && !u->spoilt ? u->output_tokens : 0;
}

/* Returns an upper bound of the output tokens: one for each byte and the unseen ones, but not
 * above the reservation. A text that is longer even by the usual estimate exceeds the
 * reservation: then the provider did not obey the output limit. */
static int64_t
most_output(const struct request *r, int64_t counted, uint64_t bytes, int64_t unseen)
{
	int64_t likely = counted + (int64_t)(bytes / BYTES_A_TOKEN),
		most = counted + (int64_t)bytes + unseen, reserved = r->found.output_tokens;

	if (likely > reserved)
		return likely;
	return most < reserved ? most : reserved;
}

/* Counts a whole response with the model's own vocabulary; -1: unknown. */
static int64_t
counted_tokens(const struct request *r, const struct guard_report *a)
{
	const struct snapshot *s = r->snap;
	struct token_sum sum = { 0 };
	struct span rest = a->heard;

	if (!s->models || !rest.n || a->streamed)
		return -1;
	struct token_meter m = token_meter_of(s->encodings, s->models, r->in.body.model);
	if (!m.own)
		return -1;
	while (rest.n) {
		token_sum_text(&m, span_next(&rest, '\0'), &sum);
		token_sum_plain(&sum, TEXT_OVERHEAD);
	}
	return token_sum_tokens(sum.most);
}

/* Returns true if the connection closed before a response's head. HAProxy reports that with a
 * status on a new connection, and without one on a reused connection. */
static bool
closed_unheard(const struct exchange_result *res)
{
	return res->end == END_PROVIDER_ABORT && !res->status && res->code &&
	       !strcmp(res->code, "provider_aborted");
}

enum used_by
exchange_used(const struct request *r, const struct exchange_result *res, struct usage *u)
{
	const struct exchange *x = r->x;
	const struct guard_report *a = x->guard ? guard_report(x->guard) : NULL;

	*u = res->usage;
	/* made and counted earlier, or not made at all */
	if (r->found.endpoint.stored || r->found.cache.state == CACHED_HIT)
		return USED_NOTHING;
	if (r->out.decision.kind == D_DEFER || r->out.decision.kind == D_DENY ||
		res->end == END_NEVER_SENT || res->end == END_DENIED || res->end == END_RULED)
		return USED_NOT_SENT;
	/* Turns are charged separately, except for one that no limit admitted while it was in
	 * flight. Without a session there are none. */
	if (r->in.socket && (res->status == 101 || !x->session))
		return x->session && x->session->unpaid ? USED_RESERVED : USED_NOTHING;
	if (r->found.endpoint.free && res->status)
		return USED_NOTHING;
	if (res->usage.known)
		return USED_SAID;
	if (res->end == END_ANSWER_RULED)
		return USED_RESERVED;
	/* an error document with a success status: nothing was made */
	if ((res->status >= 400 && !res->output_begun) || closed_unheard(res) ||
		(a && a->provider_error && !a->finish[0] && !a->events))
		return USED_NOTHING;
	enum stopped how = how_stopped(r, res);
	bool stopped = how == STOPPED_ENDS, arrived = a && res->status;
	if ((!arrived && !stopped) || x->made_later || how == STOPPED_BILLED)
		return USED_RESERVED;
	if (arrived && !saw_all(x, res, a, stopped) &&
		reported_output(&res->usage) <= r->found.output_tokens)
		return USED_RESERVED;
	/* the first event of a stream may state the input */
	if (u->spoilt || !(stopped && u->input_seen && u->input_tokens > 0)) {
		if (u->spoilt || u->input_tokens < r->found.input_tokens)
			u->input_tokens = r->found.input_tokens;
		u->cached_tokens = 0;
	}
	/* the bound by bytes, or the count if that is lower */
	int64_t before = reported_output(&res->usage), n = arrived ? counted_tokens(r, a) : -1;
	bool hidden = !arrived || x->may_reason || a->sealed_bytes;
	u->output_tokens = most_output(r, before,
		arrived ? a->output_bytes - (before ? a->counted_bytes : 0) : 0,
		stopped && hidden ? unseen_output(r) : 0);
	if (n >= 0 && n < u->output_tokens)
		u->output_tokens = n;
	return USED_SEEN;
}

/* ---- providers: counts by provider and status, and the time until the response began. An
 * error, and a late begin, are logged, each once a minute. ---- */

#define MINUTE_US 60000000
/* From this time on a response begins late. A stream sends its first content at once; a whole
 * response is made before it begins. */
#define SLOW_STREAM_US 10000000
#define SLOW_WHOLE_US  30000000

/* Returns true for the first event of this provider and kind in the current minute, of all
 * workers. */
static bool
may_log(struct gate_shared *s, struct span provider, uint64_t kind)
{
	uint64_t h = (span_hash(provider) ^ kind * 0x9e3779b97f4a7c15) | 1,
		 minute = clock_mono_us() / MINUTE_US,
		 name = (h * 0x9e3779b97f4a7c15 & ~UINT64_C(0xffffff)) | (minute & 0xffffff);

	return atomic_exchange_explicit(&s->provider_lines[(h >> 8) % PROVIDER_LINES], name,
		       memory_order_relaxed) != name;
}

static void
cut_name(char out[AWAITED_NAME], struct span name)
{
	if (name.n >= AWAITED_NAME) {
		name = span_cut(name, 0, AWAITED_NAME - 1);
		name.n = utf8_prefix(name);
	}
	if (name.n)
		memcpy(out, name.p, name.n);
	out[name.n] = '\0';
}

static void
list_awaited(struct exchange *x)
{
	const struct request *r = x->r;
	struct awaited_request *a = &x->awaited;

	a->since_us = x->sent_us;
	memcpy(a->id, r->id, sizeof(a->id));
	cut_name(a->route, span_str(r->found.route ? r->found.route->name : NULL));
	cut_name(a->provider, request_provider(r));
	cut_name(a->model, r->in.body.model);
	awaited_add(r->gate->awaited, a);
}

void
gate_sent(struct exchange *x)
{
	if (x->provider)
		return; /* called again, for another connection */
	x->provider = provider_entry(&x->r->gate->tally.providers, request_provider(x->r));
	x->sent_us = clock_mono_us();
	provider_sent(x->provider);
	list_awaited(x);
}

void
gate_heard(struct exchange *x, bool streamed)
{
	struct request *r = x->r;
	struct span name = request_provider(r);

	if (!x->provider)
		return;
	awaited_remove(r->gate->awaited, &x->awaited);
	uint64_t us = clock_mono_us() - x->sent_us;
	provider_heard(x->provider, streamed, us);
	gate_exemplar(r, &x->provider->first_byte_of[streamed], us / 1000);
	if (us >= (streamed ? SLOW_STREAM_US : SLOW_WHOLE_US) &&
		may_log(r->gate->shared, name, 0))
		log_event(LOG_WARN, "provider.slow", LSP("provider", name),
			LI("first_byte_ms", us / 1000), LS("id", r->id));
}

/* Ends the entry in the operators' list. */
static void
show_end(struct request *r, int end)
{
	if (r->out.shown_in)
		recent_end(r->out.shown_in, r->out.shown_as, end);
	r->out.shown_in = NULL;
}

static void
no_longer_there(struct exchange *x)
{
	if (x->provider)
		provider_over(x->provider);
	x->provider = NULL;
	awaited_remove(x->r->gate->awaited, &x->awaited);
}

void
exchange_left(struct exchange *x)
{
	show_end(x->r, RECENT_NEVER_SENT);
	no_longer_there(x);
}

/* Returns the provider's status, or a code for what happened in place of one; -1: nothing was
 * sent. */
static int
provider_outcome(const struct exchange *x)
{
	const struct exchange_result *res = &x->result;
	int failure = provider_failure(res->code);

	if (x->r->found.probe) /* a probe is not a caller's request */
		return -1;
	if (failure)
		return failure;
	if (!x->provider || !res->status || res->end == END_RULED ||
		res->end == END_ANSWER_RULED)
		return -1;
	if (res->status < 400 && x->guard && guard_report(x->guard)->provider_error)
		return PROVIDER_SAID_ERROR;
	return res->status;
}

void
exchange_answered(struct exchange *x)
{
	struct request *r = x->r;
	int status = provider_outcome(x);

	switch (x->result.end) {
	case END_CLIENT_ABORT: show_end(r, RECENT_CLIENT_ABORT); break;
	case END_ANSWER_DENIED: show_end(r, RECENT_ANSWER_DENIED); break;
	case END_RULED:
	case END_ANSWER_RULED: show_end(r, RECENT_RULED); break;
	default:
		if (x->plan.replays)
			status = x->result.status;
		show_end(r, status > 0 ? status : RECENT_NEVER_SENT);
		break;
	}
	if (!x->tries || !x->tries->settled)
		exchange_attempted(x);
}

void
exchange_attempted(struct exchange *x)
{
	struct request *r = x->r;
	struct span name = request_provider(r);
	int status = provider_outcome(x);
	char text[16];

	if (status >= 0)
		provider_answered(x->provider ? x->provider
					      : provider_entry(&r->gate->tally.providers, name),
			status, clock_wall_ns() / 1000000);
	no_longer_there(x);
	if (status >= 0 && provider_means(status) &&
		may_log(r->gate->shared, name, (uint64_t)status + 1))
		log_event(LOG_WARN, "provider.failing", LSP("provider", name),
			LS("status", provider_status_text(status, text)),
			LS("means", provider_means(status)), LS("id", r->id));
}

/* ---- notes for telemetry, and counts of rules ---- */

_Static_assert(NOTE_ID == DECISION_ID_LEN && (int)NOTE_TRACE == (int)TRACE_BYTES,
	"the note has the same sizes");
_Static_assert((int)NOTE_STAGES >= (int)STAGES, "room for each stage");
_Static_assert((int)NOTE_ATTEMPTS >= (int)RETRY_ATTEMPTS_MAX, "room for each attempt");

void
gate_shared_tell(struct gate_shared *s)
{
	s->tells = true;
}
