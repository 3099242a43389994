/* Messages of a WebSocket session. A client's message that may hold text is decided as a
 * request of its own, by the same steps. A provider's message passes through the guard of the
 * response that it belongs to. The handshake's request keeps its place and reservation as long
 * as the WebSocket is open; each turn has its own reservation, which is settled by its usage.
 *
 * Also the handles by which sessions of Gemini's Live are resumed. With the provider's handle
 * alone, anyone who has it could read another person's conversation. So a client receives the
 * handle bound to the caller, like ids of MCP sessions, and the provider receives its own
 * handle back. Nothing is stored. */
#include <stdlib.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/sse.h"
#include "base/codec/ws.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "gate/engine/session.h"
#include "gate/sealing/sealing.h"
#include "gate/steps/steps.h"
#include "scan/dialect/denial.h"
#include "scan/dialect/live.h"
#include "scan/mcp/session.h"
#include "scan/text/placeholder.h"

/* Replaces the handle in the message by `text`. Returns false if memory ran out. */
static bool
other_handle(
	struct span *message, const struct live_handle *h, struct span text, struct buf *out)
{
	buf_span(out, span_cut(*message, 0, h->start));
	buf_json(out, text);
	buf_span(out, span_cut(*message, h->end, message->n));
	*message = buf_view(out);
	return !buf_failed(out);
}

/* Tags new placeholders of a resumed session. The placeholders of the earlier session are
 * unknown here, but are part of the history that the provider keeps; tagged ones cannot equal
 * them. The tag's key belongs to the caller, so a value has the same tag each time they resume.
 */
static void
session_tags(const struct session *s, const unsigned char key[SHA256_BYTES])
{
	unsigned char tag[SHA256_BYTES];

	_Static_assert(SHA256_BYTES == PLACEHOLDER_TAG_KEY, "a hash is such a key");
	hmac_sha256(key, SPAN_LIT("tollgate-session-placeholders-v1"), tag);
	placeholders_tag(s->placeholders, tag);
	explicit_bzero(tag, sizeof(tag));
}

/* Replaces a bound handle in a client's message by the provider's, in `out`. Returns NULL, or
 * why the message is denied. */
static const char *
session_resumes(const struct session *s, struct span *message, struct buf *out)
{
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);
	struct request *r = s->x->r;
	unsigned char key[SHA256_BYTES];
	struct span id;

	struct live_handle h = live_handle(&r->found.endpoint, true, *message, &a);
	if (h.odd)
		return "the message must have exactly one handle of a session to resume, as a "
		       "string";
	if (!h.text.n)
		return NULL;
	if (!r->found.identity.verified)
		return "resuming a session needs a credential";
	request_session_key(r, key);
	bool own = mcp_session_check(key, h.text, &id);
	if (own)
		session_tags(s, key);
	explicit_bzero(key, sizeof(key));
	if (!own)
		return "this handle was not given to you on this route; begin a new "
		       "session";
	return other_handle(message, &h, id, out) ? NULL : "out of memory";
}

/* Binds the provider's handle in its message to the session's caller, in `out`. Returns false
 * if there are two, or memory ran out. */
static bool
session_binds(const struct session *s, struct span *message, struct buf *out)
{
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);
	struct request *r = s->x->r;
	unsigned char key[SHA256_BYTES];

	struct live_handle h = live_handle(&r->found.endpoint, false, *message, &a);
	if (!h.text.n && !h.odd)
		return true;
	if (h.odd)
		return false;
	request_session_key(r, key);
	struct span bound = mcp_session_bind(key, h.text, &a);
	explicit_bzero(key, sizeof(key));
	/* without memory `bound` is empty, so the client gets no handle */
	return other_handle(message, &h, bound, out);
}

/* ---- messages ---- */

/* A guard reads a provider's messages as events of a stream: put_event(). */
static const struct guard_head events_head = { .status = 200,
	.content_type = { "text/event-stream", 17 },
	.content_encoding = { "", 0 } };

static void message_decided(void *arg, const struct exchange_denial *denial);
static void turns_are_joined(struct session *s, const struct said *last);

/* ---- the end of a session ---- */

enum socket_goes
session_ends(struct session *s, unsigned code, bool denied, const char *why)
{
	s->end = (struct socket_end){ code, denied, why };
	return SOCKET_ENDS;
}

/* Sends the client an event with the code and message, for the decision `of`. */
static void
session_sends_denial(struct session *s, const struct exchange_plan *of, const char *code,
	struct span message)
{
	const struct denial d = { .dialect = of->dialect,
		.endpoint = of->endpoint,
		.code = code,
		.message = message,
		.id = of->id };
	SCOPED_BUF(event, 4 * CAP_ERROR_BYTES);

	denial_socket(&d, &event);
	s->calls.emit(s->calls.arg, true, false, buf_view(&event));
}

/* Sends an error in the dialect's form, then closes the session. */
enum socket_goes
session_denies(struct session *s, const char *code, const char *why)
{
	session_sends_denial(s, &s->x->plan, code, span_str(why));
	return session_ends(s, WS_POLICY, true, why);
}

/* Moves a message along DECIDED, ANSWERED (only a turn), OVER. Any other move aborts. */
static void
said_enter(struct said *m, enum said_life to)
{
	INVARIANT(to > m->life && (to != SAID_ANSWERED || m->turn));
	m->life = to;
}

static void
said_free(struct said *m)
{
	INVARIANT(m->life == SAID_OVER && m->of->asking != m);
	LIST_REMOVE(m, all);
	mem_put(m->body, m->n);
	TAG_CLEAR(said, m);
	free(m);
}

/* Ends the handshake's exchange when all messages are over. */
static void
finish_session(struct session *s)
{
	struct exchange *x = s->x;

	if (!s->finishing || !LIST_EMPTY(&s->said))
		return;
	INVARIANT(x->done && x->session == s);
	s->finishing = false;
	gate_finish(x, &s->result, x->done, x->done_arg);
}

static void
said_done(void *arg, int err UNUSED)
{
	struct said *m = TAGGED(said, arg);
	struct session *s = m->of;

	said_free(m);
	finish_session(s);
}

static void
said_over(struct said *m, const struct exchange_result *res)
{
	struct session *s = m->of;

	said_enter(m, SAID_OVER);
	if (s->asking == m)
		s->asking = NULL;
	m->answer.guard = NULL;
	gate_finish(m->x, res, said_done, m);
}

/* Ends a turn, because its response or the WebSocket ended. */
static void
turn_ends(struct said *m, enum exchange_end end, const char *why)
{
	struct exchange_result res = {
		.end = end, .status = 200, .output_begun = true, .why = why
	};

	INVARIANT(m->turn && m->life == SAID_ANSWERED);
	if (m->answer.guard) {
		res.usage = guard_usage(m->answer.guard);
		res.response_bytes = guard_report(m->answer.guard)->text_bytes;
	}
	m->of->x->socket.turns += end == END_COMPLETE;
	said_over(m, &res);
}

bool
session_finish(struct exchange *x, const struct exchange_result *res, void (*done)(void *, int),
	void *arg)
{
	struct session *s = x->session;
	struct exchange_result never = { .end = END_NEVER_SENT,
		.why = "the WebSocket was closed" };

	if (!s || LIST_EMPTY(&s->said))
		return false;
	INVARIANT(!s->finishing && !x->done);
	x->done = done;
	x->done_arg = arg;
	s->result = *res;
	s->held.waits = s->voice.client.waits = false;
	s->finishing = true;
	for (struct said *m = LIST_FIRST(&s->said), *next; m; m = next) {
		next = LIST_NEXT(m, all);
		if (m->life == SAID_ANSWERED)
			turn_ends(m,
				res->end == END_COMPLETE || res->end == END_ANSWER_DENIED
					? END_CLIENT_ABORT
					: res->end,
				res->why ? res->why : "the WebSocket was closed");
		else if (m->life != SAID_OVER)
			said_over(m, &never);
	}
	return true;
}

/* ---- a message as a request ---- */

/* Makes the request of a message, in the state of a deferred one: the head counts as decided,
 * because the handshake's was. */
static struct request *
message_request(struct session *s, bool turn)
{
	struct request *of = s->x->r, *r;

	if (!s->placeholders && !(s->placeholders = placeholders_open()))
		return NULL;
	if (!(r = request_new(of->snap, of->worker, of->calls)))
		return NULL;
	r->gate = of->gate;
	r->run.erasures = of->run.erasures;
	r->gate->alive++;
	r->run.held_slot = HOLD_SLOTS;
	request_enter(r, LIFE_ANSWERED);
	r->run.stage_us = r->run.run_us = r->begun_us;
	r->in.head = of->in.head;
	r->in.host = of->in.host;
	r->in.src = of->in.src;
	r->in.message = turn ? MESSAGE_OF_TURN : MESSAGE_ALONE;
	r->in.session = span_str(of->id);
	r->in.session_model = of->in.body.model;
	r->in.joined = &s->joined;
	r->in.placeholders = s->placeholders;
	r->in.names = &s->names;
	r->in.body_state = BODY_STATE_PARTIAL;
	r->found.route = of->found.route;
	r->found.endpoint = of->found.endpoint;
	r->found.identity = of->found.identity;
	r->found.identified = true;
	request_decide(r, D_DEFER, VIA_RELAY, "");
	return r;
}

/* Determines reasons to deny a message whatever rules state: the caller is not admitted any
 * more, or the handle belongs to another caller. The message may be replaced by another one, in
 * `own`. */
static void
message_refused(
	const struct session *s, struct request *r, struct span *message, struct buf *own)
{
	const char *why = request_identity_again(r);

	if (why)
		r->in.refused = (struct message_refusal){ 401, "invalid_credentials", why };
	else if ((why = session_resumes(s, message, own)))
		r->in.refused = (struct message_refusal){ 403, "permission_denied", why };
}

/* Begins the decision; message_decided() follows. NULL: out of memory, or over a limit of held
 * bytes. */
struct said *
session_asks(struct session *s, bool binary, struct span message, bool turn,
	enum sound_state sound)
{
	struct said *m = calloc(1, sizeof(*m));
	struct request *r = m ? message_request(s, turn) : NULL;
	SCOPED_BUF(own, 0);

	if (!r) {
		free(m);
		return NULL;
	}
	r->in.sound = sound;
	message_refused(s, r, &message, &own);
	m->body = mem_get(message.n);
	m->n = message.n;
	if (!m->body || request_hold_identity(r) == STEP_DECIDED ||
		!request_hold(r, sizeof(*r) + message.n) || !(m->x = exchange_new(r))) {
		mem_put(m->body, m->n);
		free(m);
		gate_request_end(r);
		return NULL;
	}
	TAG(said, m);
	memcpy(m->body, message.p, message.n);
	m->x->of_session = s->vault;
	m->of = s;
	m->binary = binary;
	m->turn = turn;
	LIST_INSERT_HEAD(&s->said, m, all);
	gate_body(m->x, span_of(m->body, m->n), message_decided, m);
	return m;
}

static void session_goes_on(struct session *s);

/* Sends the denial to the client as an event with its code and message. */
static enum socket_goes
message_denied(struct said *m)
{
	struct session *s = m->of;
	const struct decision *d = &m->x->r->out.decision;
	const char *code = d->code	      ? d->code
			   : d->status == 429 ? "rate_limit_exceeded"
					      : "content_policy_violation";

	session_sends_denial(s, &m->x->plan, code, d->message);
	return session_ends(s, d->status == 503 ? WS_TRY_AGAIN : WS_POLICY, true,
		d->status == 503
			? "the gateway could not decide on a message; connect again later"
		: d->status == 401 ? "the credential is no longer valid"
		: d->status == 429 ? "a limit is reached"
				   : "the policy denies a message");
}

/* Notes the types of tools' arguments that a message states. A later message replaces them, as a
 * provider does. */
static void
note_session_types(struct session *s, struct span message)
{
	static const char *const keys[] = { "\"properties\"", "\"parameter_definitions\"" };
	struct arena own;

	if (!memmem(message.p, message.n, keys[0], strlen(keys[0])) &&
		!memmem(message.p, message.n, keys[1], strlen(keys[1])))
		return;
	arena_init(&own, CAP_REQUEST_ARENA, true);
	const struct argument_types *types = argument_types_read(message, &own);
	vault_note_types(s->vault, types ? types : s->argument_types, false);
	if (!types) {
		arena_reset(&own);
		return;
	}
	if (s->argument_types)
		arena_reset(&s->types);
	s->types = own;
	s->argument_types = types;
}

/* Adds the message's values to those restored in responses, also in responses in progress,
 * which may use them. Returns false if memory ran out. */
static bool
message_given(struct session *s, const struct request *r)
{
	if (!s->vault)
		return true;
	note_session_types(s, r->in.raw);
	if (r->out.decision.kind == D_REDACT && vault_fill(s->vault, s->placeholders))
		return false;
	request_occurrences(r, s->vault);
	return true;
}

static bool
turn_begins(struct said *m)
{
	said_enter(m, SAID_ANSWERED);
	if (!m->x->plan.reads_answer)
		return true;
	if (gate_answer(m->x, &events_head, &m->answer.guard))
		return false;
	if (m->answer.aside)
		guard_stands_alone(m->answer.guard);
	return true;
}

static void
message_decided(void *arg, const struct exchange_denial *denial)
{
	struct said *m = TAGGED(said, arg);
	struct session *s = m->of;
	struct exchange_result res = { .end = denial ? END_DENIED : END_COMPLETE };
	enum socket_goes goes = SOCKET_GOES;
	bool of_client = !m->silent;

	INVARIANT(m->life == SAID_DECIDED && !s->finishing);
	INVARIANT(!of_client || s->asking == m);
	if (denial) {
		goes = message_denied(m);
		s->unpaid |= m->silent && !m->voice;
	} else {
		struct request *of = s->x->r, *r = m->x->r;
		if (!of->in.body.model.n) /* the session's model from now on */
			of->in.body.model = arena_dup(&of->arena, r->in.body.model);
		known_names_keep(&s->names, &r->in.body);
		bool given = message_given(s, r);
		if (m->voice && given)
			goes = voice_permitted(m);
		else if (of_client && given)
			s->calls.emit(s->calls.arg, false, m->binary, m->x->plan.body);
		if (!given || (m->turn && !turn_begins(m)))
			goes = session_ends(s, WS_TRY_AGAIN, false, "out of memory");
		else if (m->turn && of_client)
			turns_are_joined(s, m);
	}
	bool written = m->voice && !of_client;
	if (of_client)
		s->asking = NULL;
	if (m->life == SAID_DECIDED)
		said_over(m, &res);
	if (of_client)
		s->calls.back(s->calls.arg, true, goes);
	if (!s->finishing && s->held.waits && goes == SOCKET_GOES)
		session_goes_on(s);
	else if (!of_client && (!written || goes != SOCKET_GOES))
		s->calls.back(s->calls.arg, false, goes);
	if (!s->finishing && goes == SOCKET_GOES)
		voice_goes_on(s);
}

/* ---- turns ---- */

/* Counts turns that are being decided or answered: responses, or (aside) transcripts. */
static size_t
turns_of(const struct session *s, bool aside)
{
	const struct said *m;
	size_t n = 0;

	LIST_FOREACH (m, &s->said, all)
		n += m->turn && m->answer.aside == aside && m->life != SAID_OVER;
	return n;
}

/* Returns the turn whose response the event belongs to; NULL: none. A response's id names the
 * turn from its first event on. Without an id, the event belongs to the last turn that has
 * begun with an id, else to the oldest one asked for: responses without ids follow each other.
 */
static struct said *
turn_of(const struct session *s, const struct live_event *e)
{
	struct said *m, *asked = NULL;

	LIST_FOREACH (m, &s->said, all) {
		if (!m->turn || m->life != SAID_ANSWERED || m->answer.aside != e->aside)
			continue;
		if (e->response.n ? span_eq(span_of(m->answer.id, m->answer.nid), e->response)
				  : m->answer.nid > 0)
			return m;
		if (!m->answer.nid)
			asked = m;
	}
	if (asked && e->response.n && (e->begins || e->ends)) {
		INVARIANT(!asked->answer.nid && e->response.n <= sizeof(asked->answer.id));
		memcpy(asked->answer.id, e->response.p, e->response.n);
		asked->answer.nid = e->response.n;
	}
	return asked;
}

/* Ends a turn that used nothing: the provider refused it, or responds to it together with a
 * later one. */
static void
turn_is_void(struct said *m, int status)
{
	const struct exchange_result res = { .end = END_COMPLETE,
		.status = status,
		.output_begun = false,
		.usage = { .known = status < 400 } };

	said_over(m, &res);
}

/* If responses have no ids, the provider makes one at a time. Turns asked for during a response
 * are answered together after it, so only the first and the last stay open. */
static void
turns_are_joined(struct session *s, const struct said *last)
{
	struct said *first = NULL, *m, *next;

	if (live_has_ids(&s->x->r->found.endpoint))
		return;
	LIST_FOREACH (m, &s->said, all)
		if (m->turn && m->life == SAID_ANSWERED)
			first = m;
	for (m = LIST_FIRST(&s->said); m; m = next) {
		next = LIST_NEXT(m, all);
		if (m->turn && m->life == SAID_ANSWERED && m != last && m != first)
			turn_is_void(m, 200);
	}
}

size_t
session_turns(const struct session *s)
{
	return turns_of(s, false);
}

/* ---- the client's messages ---- */

static enum outcome
unreadable_is(const struct session *s)
{
	return request_on_failure(s->x->r)->unreadable;
}

static enum socket_goes
media_goes(struct session *s, bool to_client, uint64_t bytes)
{
	if (unreadable_is(s) == OUT_DENY && !(to_client && s->x->r->found.route->audio))
		return session_denies(s, "unreadable_content",
			"audio and images cannot be inspected and are not permitted; "
			"on_failure: {unreadable: permit} permits them");
	*(to_client ? &s->x->socket.media_out : &s->x->socket.media_in) += bytes;
	s->joined.closed |= !to_client;
	return SOCKET_GOES;
}

/* Returns true if the policy is newer than the one that decided the handshake. */
static bool
is_outdated(const struct session *s)
{
	return s->x->r->gate->snap != s->x->r->snap;
}

/* Ends the session of an erased person: another turn's record would have the new pseudonym, and
 * `socket.of` would link it to the old one. */
static bool
session_is_erased(struct session *s)
{
	if (!request_erased(s->x->r))
		return false;
	session_ends(s, WS_RESTART, false, "the texts of this person were erased");
	return true;
}

static enum socket_goes
too_many_turns(struct session *s)
{
	return session_denies(s, "rate_limit_exceeded",
		"too many responses in progress; wait for one to end");
}

static enum socket_goes
client_message(struct session *s, bool binary, struct span message)
{
	SCOPED_BUF(own, 0);
	struct arena a;

	/* the relay reads the next message after this one */
	INVARIANT(!s->asking && !s->finishing);
	if (session_is_erased(s))
		return SOCKET_ENDS;
	arena_init(&a, CAP_REQUEST_ARENA, true);
	struct live_event e = live_client(&s->x->r->found.endpoint, message, &a);
	arena_reset(&a);
	if (is_outdated(s) && (e.is == LIVE_TEXT || !turns_of(s, false)))
		return session_ends(s, WS_RESTART, false, "the policy has changed");
	enum socket_goes goes;
	if (s->x->r->found.route->audio &&
		voice_from_client(s, binary, &message, &e, &own, &goes))
		return goes;
	goes = e.is == LIVE_MEDIA ? media_goes(s, false, e.media_bytes) : SOCKET_GOES;
	if (goes != SOCKET_GOES)
		return goes;
	if (e.is != LIVE_TEXT) {
		s->calls.emit(s->calls.arg, false, binary, message);
		return SOCKET_GOES;
	}
	if (e.asks && turns_of(s, false) >= CAP_SOCKET_TURNS)
		return too_many_turns(s);
	s->asking = session_asks(s, binary, message, e.asks, SOUND_NONE);
	return s->asking ? SOCKET_WAITS
			 : session_ends(s, WS_TRY_AGAIN, false, "the gateway's memory is full");
}

void
session_client_again(struct session *s, bool binary, struct span message)
{
	enum socket_goes goes = client_message(s, binary, message);

	if (goes != SOCKET_WAITS)
		s->calls.back(s->calls.arg, true, goes);
}

/* ---- the provider's messages ---- */

/* Writes a message as an event of a stream, the format that guards read. Line ends in JSON are
 * white space. */
static void
put_event(struct buf *out, struct span message)
{
	buf_str(out, "data: ");
	char *to = buf_reserve(out, message.n);
	for (size_t i = 0; to && i < message.n; i++)
		to[i] = message.p[i] == '\n' || message.p[i] == '\r' ? ' ' : message.p[i];
	if (to)
		buf_commit(out, message.n);
	buf_str(out, "\n\n");
}

static int
emit_events(struct session *s, bool binary, struct span events)
{
	struct sse_event ev;
	struct sse sse;
	int r;

	sse_init(&sse, CAP_SOCKET_MESSAGE_MAX * 2);
	while ((r = sse_next(&sse, &events, &ev)) > 0)
		if (r != SSE_OVER && ev.has_data && ev.data.n)
			s->calls.emit(s->calls.arg, true, binary, ev.data);
	sse_free(&sse);
	return r;
}

static enum socket_goes
guard_refuses(struct session *s, const struct guard *g, enum guard_result why)
{
	const struct guard_report *r = guard_report(g);

	switch (why) {
	case GUARD_DENIED:
		return session_denies(s, "content_policy_violation",
			r->verdict.ruled.reason ? r->verdict.ruled.reason
						: "the policy denies this response");
	case GUARD_UNREAD:
		return session_denies(
			s, "classifier_unavailable", "the response could not be inspected");
	case GUARD_NO_MEMORY:
	case GUARD_STOPPED: return session_ends(s, WS_TRY_AGAIN, false, "out of memory");
	default:
		return session_ends(s, WS_INTERNAL, false,
			"the provider sent a message outside its protocol");
	}
}

/* How a message belongs to a response: more follows, it is the last part, it is alone; or there
 * is no message, because the response was over before. */
enum part { PART_OF_MORE, PART_LAST, PART_ALONE, PART_NONE };

/* Passes a message through the guard and on to the client. *heard: the response's text is
 * spoken, too. */
static enum socket_goes
guard_takes(struct session *s, struct guard *g, bool *heard, bool binary, struct span message,
	enum part part)
{
	SCOPED_BUF(event, 0);
	SCOPED_BUF(out, 0);
	const struct guard_report *report = guard_report(g);
	uint64_t before = report->opaque_bytes;
	size_t redactions = report->redactions;

	if (part != PART_NONE)
		put_event(&event, message);
	enum guard_result r =
		buf_failed(&event) ? GUARD_NO_MEMORY : guard_feed(g, buf_view(&event), &out);
	if (!r && part != PART_OF_MORE)
		r = guard_end(g, &out);
	if (r == GUARD_CUT && part != PART_LAST)
		r = GUARD_PASS;
	uint64_t media = report->opaque_bytes - before;
	enum socket_goes goes = media ? media_goes(s, true, media) : SOCKET_GOES;
	*heard = *heard || live_is_heard(message);
	/* masked in the transcript, the value would still be heard */
	if (goes == SOCKET_GOES && *heard && report->redactions > redactions)
		goes = session_denies(s, "content_policy_violation",
			"a value that must be replaced was already spoken");
	if (goes != SOCKET_GOES)
		return goes;
	emit_events(s, binary, buf_view(&out));
	return r ? guard_refuses(s, g, r) : SOCKET_GOES;
}

/* Passes on a message outside any response, with a guard of its own. */
static enum socket_goes
message_alone(struct session *s, bool binary, struct span message, const struct live_event *e)
{
	struct guard *g = NULL;
	bool heard = false;

	if (!s->x->plan.reads_answer) {
		s->calls.emit(s->calls.arg, true, binary, message);
		return SOCKET_GOES;
	}
	if (gate_answer(s->x, &events_head, &g))
		return session_ends(s, WS_TRY_AGAIN, false, "out of memory");
	if (!e->response.n) /* otherwise it is part of a response that never began */
		guard_stands_alone(g);
	enum socket_goes goes = guard_takes(s, g, &heard, binary, message, PART_ALONE);
	size_t redactions = guard_report(g)->redactions;
	s->x->socket.redactions += redactions;
	if (goes != SOCKET_GOES)
		return goes; /* the session's completion counts its findings */
	metric_add(s->x->r->gate->metrics, M_ANSWERS_REDACTED, redactions);
	guard_drop(&s->x->guard);
	return goes;
}

static enum socket_goes
turn_takes(struct said *m, bool binary, struct span message, const struct live_event *e)
{
	bool ends = (e->ends && !e->more) || (e->usage && m->answer.over);
	enum part part = ends ? PART_LAST : PART_OF_MORE;
	enum socket_goes goes = SOCKET_GOES;
	struct session *s = m->of;

	if (m->answer.guard)
		goes = guard_takes(
			s, m->answer.guard, &m->answer.heard_too, binary, message, part);
	else
		s->calls.emit(s->calls.arg, true, binary, message);
	m->answer.over |= e->more;
	if (goes == SOCKET_GOES && ends && e->error)
		turn_is_void(m, 400);
	else if (goes == SOCKET_GOES && ends)
		turn_ends(m, END_COMPLETE, NULL);
	else if (goes != SOCKET_GOES)
		turn_ends(m, END_ANSWER_DENIED, s->end.why);
	return goes;
}

/* Ends a turn whose response is over but whose usage did not arrive, and passes on what the
 * guard held. */
static enum socket_goes
turn_is_left(struct said *m, bool binary)
{
	enum socket_goes goes = SOCKET_GOES;
	struct session *s = m->of;

	if (m->answer.guard)
		goes = guard_takes(s, m->answer.guard, &m->answer.heard_too, binary,
			SPAN_LIT(""), PART_NONE);
	turn_ends(m, goes == SOCKET_GOES ? END_COMPLETE : END_ANSWER_DENIED,
		goes == SOCKET_GOES ? NULL : s->end.why);
	return goes;
}

/* Ends the oldest transcript without an end, to make room. Returns false if that ended the
 * session. */
static bool
oldest_is_left(struct session *s, bool binary)
{
	struct said *m, *oldest = NULL;

	if (turns_of(s, true) < CAP_SOCKET_TURNS)
		return true;
	LIST_FOREACH (m, &s->said, all)
		if (m->answer.aside && m->life == SAID_ANSWERED)
			oldest = m;
	return !oldest || turn_is_left(oldest, binary) == SOCKET_GOES;
}

/* Makes a turn for a response, or its usage, that has none: the provider began by itself, or
 * the turn is being decided. The message waits until then. */
static enum socket_goes
turn_is_asked(struct session *s, bool binary, struct span message, const struct live_event *e)
{
	struct said *m;

	LIST_FOREACH (m, &s->said, all)
		if (m->turn && m->life == SAID_DECIDED && m->answer.aside == e->aside)
			break;
	if (!m) {
		if (is_outdated(s))
			return session_ends(s, WS_RESTART, false, "the policy has changed");
		if (e->aside && !oldest_is_left(s, binary))
			return SOCKET_ENDS;
		if (!e->aside && turns_of(s, false) >= CAP_SOCKET_TURNS)
			return too_many_turns(s);
		if (!e->aside && e->begins && voice_forbids(s))
			return session_denies(s, "unreadable_content",
				"the provider responds to sound before its transcript was "
				"inspected");
		if (!(m = session_asks(s, false, SPAN_LIT("{}"), true, SOUND_NONE)))
			return session_ends(s, WS_TRY_AGAIN, false,
				"the gateway holds too many bytes; send less or retry later");
		m->silent = true;
		m->answer.aside = e->aside;
		m->answer.over = !e->begins; /* only its usage is missing */
	}
	INVARIANT(!s->held.waits);
	s->held.message = message;
	s->held.binary = binary;
	s->held.waits = true;
	return SOCKET_WAITS;
}

/* Ends the oldest turn that was asked for and has not begun, because an error replies to it. */
static void
error_answers(struct session *s)
{
	struct said *m, *asked = NULL;

	LIST_FOREACH (m, &s->said, all)
		if (m->turn && m->life == SAID_ANSWERED && !m->answer.nid && !m->answer.aside)
			asked = m;
	if (asked)
		turn_is_void(asked, 400);
}

static enum socket_goes
provider_passes(struct session *s, bool binary, struct span message)
{
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);
	SCOPED_BUF(bound, 0);

	if (session_is_erased(s))
		return SOCKET_ENDS;
	struct live_event e = live_provider(&s->x->r->found.endpoint, message, &a);
	/* an event of its response waits in the guard, so this message follows it */
	struct said *of = e.is != LIVE_TEXT ? turn_of(s, &e) : NULL;
	if (of && of->answer.guard && guard_held(of->answer.guard))
		return turn_takes(of, binary, message, &e);
	if (e.is != LIVE_TEXT) {
		enum socket_goes goes =
			e.is == LIVE_MEDIA ? media_goes(s, true, e.media_bytes) : SOCKET_GOES;
		if (goes == SOCKET_GOES)
			s->calls.emit(s->calls.arg, true, binary, message);
		return goes;
	}
	if (e.response.n > CAP_SOCKET_RESPONSE_ID)
		return session_ends(s, WS_INTERNAL, false,
			"the provider sent a response id that is too long");
	if (e.error && !e.aside) {
		error_answers(s);
		return message_alone(s, binary, message, &e);
	}
	struct said *m = turn_of(s, &e);
	/* the usage of the previous response did not arrive */
	if (m && m->answer.over && e.begins) {
		enum socket_goes goes = turn_is_left(m, binary);
		if (goes != SOCKET_GOES)
			return goes;
		m = turn_of(s, &e);
	}
	if (!m && !e.error && (e.begins || (e.ends && !e.more) || e.usage))
		return turn_is_asked(s, binary, message, &e);
	if (!session_binds(s, &message, &bound))
		return session_ends(s, WS_INTERNAL, false,
			"the provider sent a message outside its protocol");
	return m ? turn_takes(m, binary, message, &e) : message_alone(s, binary, message, &e);
}

static enum socket_goes
provider_message(struct session *s, bool binary, struct span message)
{
	enum socket_goes goes = provider_passes(s, binary, message);

	return goes == SOCKET_GOES && s->x->r->found.route->audio
		       ? voice_from_provider(s, message)
		       : goes;
}

/* The turn of the waiting message is decided: passes the message on. */
static void
session_goes_on(struct session *s)
{
	s->held.waits = false;
	enum socket_goes goes = provider_message(s, s->held.binary, s->held.message);
	if (goes != SOCKET_WAITS)
		s->calls.back(s->calls.arg, false, goes);
}

/* ---- the relay's side ---- */

int
gate_socket_begin(struct exchange *x, const struct socket_calls *calls)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return ERR_NOMEM;
	if (x->r->found.route->response & RESP_RESTORE &&
		!(s->vault = route_vault(x->r->found.route))) {
		free(s);
		return ERR_NOMEM;
	}
	if (s->vault) { /* an empty vault may have values before a response ends */
		vault_count_unknown(s->vault, x->r->snap->rules, true);
		vault_note_types(s->vault, NULL, false);
	}
	TAG(session, s);
	INVARIANT(!x->session && x->plan.socket_bytes);
	x->of_session = s->vault;
	s->x = x;
	s->calls = *calls;
	LIST_INIT(&s->said);
	x->session = s;
	x->socket.joined = &s->joined;
	return 0;
}

enum socket_goes
gate_message(struct exchange *x, bool from_client, bool binary, struct span message)
{
	INVARIANT(x->session && x->session->x == x && x->r->run.life == LIFE_ANSWERED);
	return from_client ? client_message(x->session, binary, message)
			   : provider_message(x->session, binary, message);
}

const struct socket_end *
gate_socket_end(const struct exchange *x)
{
	return &x->session->end;
}

bool
gate_socket_rests(const struct exchange *x)
{
	return LIST_EMPTY(&x->session->said);
}

bool
gate_socket_over(struct exchange *x)
{
	return session_is_erased(x->session) || voice_is_late(x->session);
}
