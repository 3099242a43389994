/* The gate: takes a request from the agent or the relay, runs the steps of gate/steps/steps.c
 * in order, and returns a verdict. One gate for each worker; no locks.
 *
 * A request that must use the relay becomes an `exchange`. It waits under its ticket until the
 * relay claims it, and ends with exactly one gate_finish(). */
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

/* Receives the verdict: actions for one ACK, which fit the room given. May run inside
 * gate_notify(). */
typedef void gate_verdict_cb(void *arg, const struct spop_action *actions, size_t n);

/* Takes a NOTIFY. The messages' memory must live until the verdict or gate_forget(). Returns
 * the request while it waits, or NULL if the verdict was already given. */
struct request *gate_notify(struct gate *g, const struct spop_message *messages, size_t n,
	size_t ack_room, gate_verdict_cb *cb, void *arg);
/* HAProxy's connection closed: the callback will not run. */
void gate_forget(struct request *r);

/* ---- the relay's side ---- */

/* A claim of a ticket. It moves the request here from the worker that decided it. done() runs
 * later, never inside gate_claim(). The claim is part of the relay's connection, which must
 * live until done() ran. err: 0, ERR_AUTH (unknown or used ticket, wrong node, method or
 * length) or ERR_TIMEOUT (expired). */
struct gate_claim {
	struct tag tag;
	struct mail mail;
	struct span ticket, method;
	int64_t content_length; /* length of the body in bytes as it arrived; -1: chunked, or
				 * no body */
	void (*done)(struct gate_claim *c, int err, struct exchange *x);
	void *arg;
	/* internal to the gate */
	struct gate *from, *was;
	struct ticket *ticket_taken;
	unsigned char key[16];
	struct exchange *x;
	int err;
};
void gate_claim(struct gate *g, struct gate_claim *c);
/* The relay does not need the result any more. done() still runs soon, perhaps inside the call.
 */
void gate_claim_gone(struct gate_claim *c);
/* Returns the exchange's plan; valid as long as the exchange, but gate_body() and gate_again()
 * change it. */
const struct exchange_plan *gate_plan(const struct exchange *x);

/* Call before the relay holds n more bytes of this request's body, because memory is limited.
 * Returns false if a limit is reached: reply with gate_refuse(503). The gate gives the bytes
 * back when the exchange ends. */
bool gate_hold(struct exchange *x, size_t n);
/* Gives n of them back earlier. */
void gate_unhold(struct exchange *x, size_t n);

/* BODY_COPY: call with the next body bytes before they are forwarded. With `last`, returns 0 if
 * the last bytes may be forwarded, or ERR_AUTH if the body differs from the decided one: abort
 * the connection upstream. */
int gate_body_bytes(struct exchange *x, struct span bytes, bool last);

/* BODY_DEFER: the whole body, in the relay's memory, which must live until `verdict` ran.
 * verdict(): either the plan changed (to BODY_SWAP with `body`), or denial is not NULL. The
 * decision's record is durable by then. Never called inside gate_body(). */
void gate_body(struct exchange *x, struct span body,
	void (*verdict)(void *arg, const struct exchange_denial *denial), void *arg);
/* The relay refuses the request (408: the body did not arrive, 413: over the limit, 503: held
 * bytes, 400: framing). Makes the denial in the caller's dialect, and records it if no decision
 * was recorded. A recorded request gets the completion `abandoned` with `why`. */
void gate_refuse(struct exchange *x, int status, const char *code, const char *why,
	void (*verdict)(void *arg, const struct exchange_denial *denial), void *arg);

/* If plan->asks: settles the attempt and makes the plan of the next one. next() never runs
 * inside the call, and not after gate_finish(). */
void gate_again(struct exchange *x, const struct attempt_end *e,
	void (*next)(void *arg, enum again what), void *arg);
/* If plan->asks: the current attempt is the last one, and the whole request was sent. Releases
 * what another attempt would need. `sent_us`: when it was sent, monotonic; 0: the response had
 * begun before. */
void gate_stands(struct exchange *x, uint64_t sent_us);

/* Returns header lines for the response's head: x-tollgate-*, which HAProxy turns into
 * variables. Empty if the ACK had all of them. */
struct span gate_response_fields(struct exchange *x);

/* Returns x-tollgate-cost for a whole response with this usage, as a header line; empty if the
 * route does not show costs or the cost is unknown. Valid as long as the exchange. */
struct span gate_cost_field(struct exchange *x, const struct usage *u);

/* If plan->replays: moves the response (HTTP) to *to. Call once. */
struct buf;
void gate_replay(struct exchange *x, struct buf *to);

/* Call when the head of the provider's response arrived. *out: the guard that its body must
 * pass through, valid as long as the exchange; NULL: none. Returns 0 or ERR_NOMEM. */
struct guard;
struct guard_head;
int gate_answer(struct exchange *x, const struct guard_head *h, struct guard **out);
/* Call when the body of a whole response has arrived, before guard_end(): asks for the transcripts
 * of its sounds, if a rule reads response.speech. Returns true if back() will run on the loop;
 * until then the guard must not be used and the exchange must not end. Returns false if there is
 * nothing to wait for. */
bool gate_hear(struct exchange *x, void (*back)(void *arg), void *arg);
/* If plan.leads is set: changes the provider's URLs in the fields of the response's head to the
 * gateway's. The values live as long as the exchange. Returns false if memory is out. */
bool gate_lead(struct exchange *x, struct http_field *fields, size_t n);

/* Call on the worker after the guard was fed: sends the kept text of the response to the store.
 * Returns false if the text cannot be kept; then no more of the response may be sent. */
bool gate_keep(struct exchange *x);

/* If plan->sessions: returns the Mcp-Session-Id that the caller receives for the server's `id`;
 * empty: remove the field. Valid as long as the exchange. */
struct span gate_session(struct exchange *x, struct span id);

/* If plan->credential: the head of a 401 or 403 response. Call once, before gate_again(). */
void gate_refused(struct exchange *x, const struct http_head *h);

/* Unless plan->asks: the type and the document of an error response, together or one after the
 * other. gate_again() gets them with the other attempts. */
void gate_failed(struct exchange *x, int status, struct span type, struct span coding,
	struct span document);

/* gate_sent(): a first byte of the request was sent to the provider. gate_heard(): the first
 * byte of the response's body arrived, or its end if it has none; `streamed`: it is an event
 * stream. Call each once. */
void gate_sent(struct exchange *x);
void gate_heard(struct exchange *x, bool streamed);

/* Runs run(arg) on a helper thread, then back(arg) here. Until then guard and exchange belong
 * to the helper, and gate_finish() must wait. Returns false if there are no helpers; then
 * nothing runs. */
bool gate_aside(struct exchange *x, void (*run)(void *arg), void (*back)(void *arg), void *arg);

/* Ends the exchange. May be called at any time after the claim, also while gate_body() or
 * gate_refuse() is in progress: then their callback does not run any more, and the body must
 * live until done(). Settles or releases the reservation and writes the completion record.
 * done() (NULL: do not wait) runs when the record is durable, or when audit's configured
 * outcome permits to continue. If err is not 0, the response's last byte must not be sent. The
 * exchange is freed after done(), which is never called inside gate_finish(). */
void gate_finish(struct exchange *x, const struct exchange_result *r,
	void (*done)(void *arg, int err), void *arg);

/* ---- engine/session.c: messages of a WebSocket, each decided before it is forwarded ---- */

struct socket_calls;
struct socket_end;
enum socket_goes;
/* Call when the provider's 101 arrived. `calls` are copied. Returns 0 or ERR_NOMEM. */
int gate_socket_begin(struct exchange *x, const struct socket_calls *calls);
/* Decides a whole message of one side. The view must last until `back` if the result is
 * SOCKET_WAITS. */
enum socket_goes gate_message(
	struct exchange *x, bool from_client, bool binary, struct span message);
/* Returns why the session ends, after SOCKET_ENDS or gate_socket_over(). */
const struct socket_end *gate_socket_end(const struct exchange *x);
/* Returns true if the session must end although neither side sends a message: as
 * gate_socket_end() describes. */
bool gate_socket_over(struct exchange *x);
/* Returns true if no response is in progress, so that the session can end without a loss. */
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

/* Made once, before any gate. `cfg`: the configuration of the start. `prompt_key`: 32 bytes.
 * NULL: out of memory. */
struct gate_shared *gate_shared_new(
	const struct config *cfg, struct audit *audit, const unsigned char prompt_key[32]);
/* Writes the keyed hash of a text as records have it. Any thread. */
void gate_text_hash(const struct gate_shared *s, struct span text, unsigned char out[32]);
/* Sets the key that binds MCP sessions, which all daemons share. Call before any gate. Without
 * it sessions are valid in this process only. */
void gate_shared_sessions(struct gate_shared *s, const unsigned char key[32]);
/* Sets the secret for keys of `tollgate check --probe` (policy/identity/probekey.h). Call
 * before any worker runs. Without it no request is a probe. */
void gate_shared_probes(struct gate_shared *s, const unsigned char secret[32]);
/* Sets the keys and overrides made at run time. Call before any gate; NULL: none. */
struct live;
void gate_shared_live(struct gate_shared *s, struct live *live);
/* Enables the response cache. Call before any gate. gate_cache_redis(): stores responses in
 * Redis; call on the gate's worker before it runs; NULL: in this process. */
struct cache;
void gate_shared_cache(struct gate_shared *s, struct cache *cache);
/* `memo`: the store of gate/memo.h, which the caller frees last. Call before the workers start. */
void gate_shared_memo(struct gate_shared *s, struct cache *memo);
/* Shares the values behind placeholders of kept conversations with all daemons that have this
 * secret. Call before any gate. Returns 0 or ERR_NOMEM. */
int gate_shared_kept(struct gate_shared *s, const unsigned char secret[32]);
struct kept_tables *gate_kept(const struct gate_shared *s);
void gate_cache_redis(struct gate *g, struct redis *redis);
/* Enables sealed texts of requests. Call before any gate. */
struct seals;
struct shares;
struct texts;
void gate_shared_seals(
	struct gate_shared *s, struct seals *seals, struct shares *shares, struct texts *texts);
/* Adds notes to records from now on (record/audit/note.h). Call before the workers start. */
void gate_shared_tell(struct gate_shared *s);
/* Sets the tool descriptions that MCP servers gave earlier. Call before any gate; NULL: nothing
 * is compared. */
struct tool_pins;
void gate_shared_tool_pins(struct gate_shared *s, struct tool_pins *pins);
void gate_shared_free(struct gate_shared **s);
/* Returns the health of each target; valid as long as `s`. Any thread. */
struct target_table;
struct target_table *gate_targets(const struct gate_shared *s);

/* Starts threads for long bodies, which workers otherwise read and search in turns with other
 * requests. Start before any worker runs. Stop when no worker runs any more and before their
 * gates are freed. Returns 0 or ERR_NOMEM. */
int gate_helpers_start(struct gate_shared *s);
void gate_helpers_stop(struct gate_shared *s);
/* The daemon begins to stop: helpers give up requests after 0.1 s with a 503; nothing of them
 * was sent. Any thread. */
void gate_helpers_hurry(struct gate_shared *s);

/* Returns the bytes held for all requests. Any thread. */
size_t gate_held_bytes(const struct gate_shared *s);

/* Makes a worker's gate. Call on the worker's own thread or before it runs. `mail` is the
 * worker's mailbox, which its loop drains. Takes a reference to `snap`. NULL: out of memory. */
struct gate *gate_new(struct ev_loop *loop, struct gate_shared *shared, unsigned worker,
	struct snapshot *snap, struct redis *redis, struct quota_table *table,
	struct mailbox *mail, struct metrics *m);
/* Returns the object that counts the gate's limits. The worker's own thread. */
struct quota *gate_quota(struct gate *g);
/* New requests use this snapshot from now on. */
void gate_snapshot(struct gate *g, struct snapshot *snap);
/* The daemon drains; may be called repeatedly. HAProxy connects to the relay at once, or never
 * if its client left: an open ticket is taken up within two seconds or abandoned. */
void gate_hasten(struct gate *g);
/* The daemon ends now: abandons every ticket. The agent and the relay must have forgotten or
 * finished their requests. gate_alive() falls to 0 as replies arrive. */
void gate_abort(struct gate *g);
/* For counts. Any thread, while the gate lives. */
const struct recognizers *gate_recognizers(const struct gate *g);
/* Returns the counts of decisions. Any thread, while the gate lives. */
struct tallies;
const struct tallies *gate_tally(const struct gate *g);
/* Returns the requests that wait for a provider. Any thread, while the gate lives. */
struct awaited;
struct awaited *gate_awaited(const struct gate *g);
/* Calls heavy_turn() for each kind of heavy hitters. The main thread. */
void gate_heavy_turn(struct gate *g);
/* Returns the number of requests and exchanges that are not finished. */
size_t gate_alive(const struct gate *g);
/* Call when gate_alive() fell to 0. Sets *g to NULL. */
void gate_free(struct gate **g);

#endif
