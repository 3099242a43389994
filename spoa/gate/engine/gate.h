/* The gate: takes a request (from the agent or the relay), runs the steps of
 * gate/steps/steps.c in order, and answers with a verdict. One gate a worker; no lock.
 *
 * A request that must pass the relay becomes an `exchange`: it waits under its
 * ticket until the relay claims it, and ends with exactly one gate_finish. */
#ifndef GATE_ENGINE_GATE_H
#define GATE_ENGINE_GATE_H

#include <ev.h>

#include "base/codec/spop.h"
#include "base/mailbox.h"
#include "base/tag.h"
#include "gate/plan.h"

struct gate;
struct exchange;
struct request;

/* ---- the agent's side ---- */

/* The verdict: actions for one ACK, within the room given. May run inside
 * gate_notify. */
typedef void gate_verdict_cb(void *arg, const struct spop_action *actions, size_t n);

/* A NOTIFY: its messages' memory must live until the verdict, or gate_forget.
 * Returns the request while it waits, NULL where the verdict was given already. */
struct request *gate_notify(struct gate *g, const struct spop_message *messages, size_t n,
	size_t ack_room, gate_verdict_cb *cb, void *arg);
/* HAProxy's connection went away: the callback will not run. */
void gate_forget(struct request *r);

/* ---- the relay's side ---- */

/* Claiming a ticket moves the request here from the worker that decided it: the
 * answer comes later, never inside the call. Embedded in the relay's connection; the relay
 * keeps it alive until done() ran. err: 0, ERR_AUTH (unknown, used, wrong node, method or
 * length), ERR_TIMEOUT (expired). */
struct gate_claim {
	struct tag tag;
	struct mail mail;
	struct span ticket, method;
	int64_t content_length; /* as it arrived; -1: chunked or none */
	void (*done)(struct gate_claim *c, int err, struct exchange *x);
	void *arg;
	/* gate's own */
	struct gate *from, *was;
	struct ticket *ticket_taken;
	unsigned char key[16];
	struct exchange *x;
	int err;
};
void gate_claim(struct gate *g, struct gate_claim *c);
/* Nobody waits for done() any more, which comes soon, perhaps within the call. */
void gate_claim_gone(struct gate_claim *c);
const struct exchange_plan *gate_plan(const struct exchange *x);

/* Capped memory (design rule 14): before the relay holds n more bytes of this
 * request's body. False: over the cap, answer with gate_refuse(503). The bytes
 * are given back by the gate when the exchange ends. */
bool gate_hold(struct exchange *x, size_t n);
/* Gives n of them back before that. */
void gate_unhold(struct exchange *x, size_t n);

/* BODY_COPY: the next body bytes, before they are forwarded. With `last`: 0 the
 * last bytes may go; ERR_AUTH: not the body that was decided, abort upstream. */
int gate_body_bytes(struct exchange *x, struct span bytes, bool last);

/* BODY_DEFER: the whole body (the relay's memory, kept until `verdict` ran).
 * verdict: plan changed (BODY_COPY of the same bytes becomes BODY_SWAP with
 * `body` in every case), or denial != NULL. The decision's record is durable by
 * then. Never called inside gate_body. */
void gate_body(struct exchange *x, struct span body,
	void (*verdict)(void *arg, const struct exchange_denial *denial), void *arg);
/* The relay refuses (408 never came, 413 over the cap, 503 held bytes, 400
 * framing): composes the denial in the dialect, and records it where no decision is on record.
 * One that is gets the completion `abandoned`, with `why`. */
void gate_refuse(struct exchange *x, int status, const char *code, const char *why,
	void (*verdict)(void *arg, const struct exchange_denial *denial), void *arg);

/* plan->asks: settles the attempt and makes the plan of the next. next() is never run inside,
 * and not after gate_finish(). */
void gate_again(struct exchange *x, const struct attempt_end *e,
	void (*next)(void *arg, enum again what), void *arg);
/* plan->asks: the attempt under way is the last one, all of the request was sent: what another
 * would need is let go. `sent_us`: when; 0: the answer had begun before. */
void gate_stands(struct exchange *x, uint64_t sent_us);

/* Header lines for the response's head: x-tollgate-* for HAProxy to turn into
 * variables. None where the ACK has said all of it. */
struct span gate_response_fields(struct exchange *x);

/* x-tollgate-cost of a whole answer with this usage, as a header line; empty where the route
 * does not show it or it is not known. Alive as long as the exchange. */
struct span gate_cost_field(struct exchange *x, const struct usage *u);

/* plan->replays: moves the answer, as HTTP, to *to. Once. */
struct buf;
void gate_replay(struct exchange *x, struct buf *to);

/* The head of the provider's answer is here. *out is what its body goes through, alive as
 * long as the exchange; NULL: through nothing. 0, or ERR_NOMEM. */
struct guard;
struct guard_head;
int gate_answer(struct exchange *x, const struct guard_head *h, struct guard **out);

/* After the guard was fed, on the worker: what is kept of the answer goes on its way. False: it
 * cannot be kept, and no more of it may go. */
bool gate_keep(struct exchange *x);

/* plan->sessions: what the caller gets for the Mcp-Session-Id of an answer; empty: nothing.
 * Alive as long as the exchange. */
struct span gate_session(struct exchange *x, struct span id);

/* plan->credential: the head of an answer of 401 or 403, once, before gate_again(). */
void gate_refused(struct exchange *x, const struct http_head *h);

/* A first byte of the request went to the provider; the first one of its answer's body came, or
 * its end where it has none: an event stream's, or not. Each once. */
void gate_sent(struct exchange *x);
void gate_heard(struct exchange *x, bool streamed);

/* run(arg) on a helper thread, then back(arg) here: in between guard and exchange are the
 * helper's, and gate_finish() must wait. False: there are no helpers, and nothing runs. */
bool gate_aside(struct exchange *x, void (*run)(void *arg), void (*back)(void *arg), void *arg);

/* May be called at any time after the claim, also while gate_body or gate_refuse
 * is under way: then their callback does not run any more, and the body must live
 * until done(). Settles or releases the reservation and writes the completion record; done()
 * (NULL: do not wait) runs when it is durable, or when audit's declared outcome
 * says to go on; with err != 0 the response's last byte must not be sent. The
 * exchange is freed after done. Never called inside. */
void gate_finish(struct exchange *x, const struct exchange_result *r,
	void (*done)(void *arg, int err), void *arg);

/* ---- engine/session.c: messages of a WebSocket, each decided before it goes ---- */

struct socket_calls;
struct socket_end;
enum socket_goes;
/* The provider's 101 is here. 0 or ERR_NOMEM. `calls` are copied. */
int gate_socket_begin(struct exchange *x, const struct socket_calls *calls);
/* A whole message of one side, a view that must last until `back`, where it waits. */
enum socket_goes gate_message(
	struct exchange *x, bool from_client, bool binary, struct span message);
/* After SOCKET_ENDS. */
const struct socket_end *gate_socket_end(const struct exchange *x);
/* Returns true if the session is to end though neither side sends a message: as
 * gate_socket_end() says. */
bool gate_socket_over(struct exchange *x);
/* No answer is under way: it may end without a loss. */
bool gate_socket_rests(const struct exchange *x);

/* ---- life ---- */

struct gate_shared;
struct snapshot;
struct audit;
struct config;
struct metrics;
struct redis;
struct quota;
struct quota_table;
struct recognizers;

/* Made once, before any gate; `cfg` of start-up. `prompt_key`: 32 bytes. */
struct gate_shared *gate_shared_new(
	const struct config *cfg, struct audit *audit, const unsigned char prompt_key[32]);
/* The keyed hash of a text as records have it. Any thread. */
void gate_text_hash(const struct gate_shared *s, struct span text, unsigned char out[32]);
/* What sessions of MCP are bound with, before any gate: a key that all daemons have. Without it
 * they are of this process only. */
void gate_shared_sessions(struct gate_shared *s, const unsigned char key[32]);
/* The secret that keys of probes are made with (policy/identity/probekey.h), before any worker
 * runs. Without it no request is a probe. */
void gate_shared_probes(struct gate_shared *s, const unsigned char secret[32]);
/* Keys and overrides made at run time, before any gate; NULL: none. */
struct live;
void gate_shared_live(struct gate_shared *s, struct live *live);
/* Answers are kept, before any gate. And where: on the gate's worker, before it runs; NULL: in
 * this process. */
struct cache;
void gate_shared_cache(struct gate_shared *s, struct cache *cache);
/* What placeholders of kept conversations stand for is shared by the daemons that have this
 * secret; before any gate. 0 or ERR_NOMEM. */
int gate_shared_kept(struct gate_shared *s, const unsigned char secret[32]);
struct kept_tables *gate_kept(const struct gate_shared *s);
void gate_cache_redis(struct gate *g, struct redis *redis);
/* Texts of requests are sealed, before any gate. */
struct seals;
struct shares;
struct texts;
void gate_shared_seals(
	struct gate_shared *s, struct seals *seals, struct shares *shares, struct texts *texts);
/* Records have notes from here on (record/audit/note.h); before the workers start. */
void gate_shared_tell(struct gate_shared *s);
/* What MCP servers said of their tools, before any gate; NULL: nothing is compared. */
struct tool_pins;
void gate_shared_tool_pins(struct gate_shared *s, struct tool_pins *pins);
void gate_shared_free(struct gate_shared **s);
/* How each target does; as long as what all gates share. Any thread. */
struct target_table;
struct target_table *gate_targets(const struct gate_shared *s);

/* Threads for long bodies, which workers else read and classify in turns with other
 * requests. Started before any worker runs; stopped once none does any more and before
 * their gates are freed. 0 or ERR_NOMEM. */
int gate_helpers_start(struct gate_shared *s);
void gate_helpers_stop(struct gate_shared *s);
/* The daemon begins to stop: what helpers look at for requests is given up after a tenth of a
 * second, with a 503: nothing of them was sent. Any thread. */
void gate_helpers_hurry(struct gate_shared *s);

/* Bytes held by all requests. Any thread. */
size_t gate_held_bytes(const struct gate_shared *s);

/* On the worker's own thread or before it runs. `mail` is the worker's mailbox,
 * drained by its loop. Takes a reference of `snap`. */
struct gate *gate_new(struct ev_loop *loop, struct gate_shared *shared, unsigned worker,
	struct snapshot *snap, struct redis *redis, struct quota_table *table,
	struct mailbox *mail, struct metrics *m);
/* What counts its limits. The worker's own thread. */
struct quota *gate_quota(struct gate *g);
/* New requests decide by this one from now on. */
void gate_snapshot(struct gate *g, struct snapshot *snap);
/* The daemon drains; to be called again and again. HAProxy goes to the relay at
 * once or, where the caller went away, never: a ticket that is out now is taken
 * up within two seconds or abandoned. */
void gate_hasten(struct gate *g);
/* The daemon ends now: every ticket is abandoned. What waits has been forgotten or
 * finished by those who asked; gate_alive() falls to 0 as their answers come in. */
void gate_abort(struct gate *g);
/* For counts; any thread, while the gate lives. */
const struct recognizers *gate_recognizers(const struct gate *g);
/* What it decided; any thread, while the gate lives. */
struct tallies;
const struct tallies *gate_tally(const struct gate *g);
/* Calls heavy_turn() for each kind of heavy hitters. The main thread. */
void gate_heavy_turn(struct gate *g);
/* Requests and exchanges that are not finished. */
size_t gate_alive(const struct gate *g);
/* After gate_alive() fell to 0. */
void gate_free(struct gate **g);

#endif
