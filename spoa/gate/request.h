/* One request on its way through the steps: the request as it arrived, the findings of each
 * step, and the decision. Private to gate/ and to `tollgate decide`. owner: the worker that
 * received the request.
 *
 * The steps of steps[] run in order. A step that must wait (for Redis, the audit thread, and so
 * on) parks the request, and the callback resumes it. If the agent's frame does not hold the
 * whole body, the steps run twice: first on the head alone, and again when the relay has read
 * the body. */
#ifndef GATE_REQUEST_H
#define GATE_REQUEST_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "base/codec/spop.h"
#include "base/mailbox.h"
#include "base/pool.h"
#include "base/tag.h"
#include "budget/tally/tally.h"
#include "gate/plan.h"
#include "gate/request_found.h"
#include "gate/request_in.h"
#include "gate/snapshot.h"
#include "gate/targets/state.h"
#include "gate/wait.h"
#include "policy/route.h"
#include "record/audit/audit.h"
#include "scan/text/style.h"

#define DECISION_ID_LEN 26 /* a ULID: 48 bits of milliseconds, 80 random bits */

/* The life of a request:
 *
 *        ┌─── gate_body, gate_refuse ───┐
 *        ↓                              │
 *   → STEPS ───────(verdict)──────→ ANSWERED ──(direct or denied, gate_finish,──→ ENDED
 *        │                                      the ticket expired)                 ↑
 *        ├──(gate_finish)──→ FINISH ──(the result that the step waited for)─────────┤
 *        └──(gate_forget)───────────────────────────────────────────────────────────┘
 *
 * A result that arrives after STEPS is too late for the decision; request_back() corrects what
 * it counted. An ENDED request is freed when nothing is pending. */
enum request_life {
	LIFE_STEPS, /* steps run, or one step waits: gate/wait.h */
	/* the verdict was given; via the relay: a ticket or an exchange holds the request */
	LIFE_ANSWERED,
	/* the relay's exchange is over, but a result for a step is still outstanding */
	LIFE_FINISH,
	/* nothing refers to the request any more, except its last records on their way to disk
	 */
	LIFE_ENDED,
};

/* The body that the relay sends to the provider. */
enum body_sends {
	SENDS_RECEIVED,	 /* the bytes as they arrived */
	SENDS_DECODED,	 /* out.decoded: without Content-Encoding */
	SENDS_REWRITTEN, /* out.rewritten, even if it is empty */
};

/* How far the decision's record is. */
enum record_life {
	RECORD_NONE, /* not written; run.record shows whether it is on its way */
	RECORD_DURABLE,
	RECORD_LEFT,	    /* being written without the request: request_record_leave() */
	RECORD_LEFT_UNDONE, /* written, with a completion that states that the request was
			     * abandoned */
};

/* The decision's record on its way to disk. It has its own allocation, because it may outlive
 * the request. owner: step_audit.c */
struct record {
	struct tag tag;
	struct audit_entry entry;
	struct request *r; /* NULL: the request continued without waiting for the record */
	/* A completion for a request that was recorded but will not be forwarded. It is written
	 * as soon as the decision's record is durable. */
	struct audit_entry undone;
	struct gate *gate; /* owner of `undone`; NULL: there is no such completion */
};

/* Calls to higher levels: to steps/ and limits/, which keep data for a request, and to engine/,
 * which continues it. A lower level cannot call a higher one directly, so each request carries
 * this table. engine/gate.c defines it. */
struct request_calls {
	/* called by request_let_go(): drops what would point into freed memory */
	void (*let_go)(struct request *r, struct arena *own);
	void (*ends)(struct request *r); /* called by request_free() */
	/* Drops what was found for one target, because another target is tried. */
	void (*forget)(struct request *r);
	/* The result of a pending call arrived. The step continues; if the verdict was already
	 * given, only the counts are corrected. The request may be freed when this call
	 * returns. */
	void (*back)(struct request *r);
	/* The decision's record is durable (err 0) or failed, after the agent's ACK was sent.
	 */
	void (*recorded)(struct request *r, int err);
	/* The completion's record is durable. err not 0: the response's last byte must not be
	 * sent. `completed_later` does the same from the worker's mailbox if no audit is
	 * configured. */
	void (*completed)(struct request *r, int err);
	void (*completed_later)(struct request *r);
	/* Frees a request whose verdict was given and whose records are all written. */
	void (*over)(struct request *r);
};

/* owner: request.c, except for the parts, which state their owners. tests/data/members.txt has the
 * files that write each member. */
struct request {
	struct tag tag;
	const struct request_calls *calls;
	struct gate *gate;     /* NULL in `tollgate decide` */
	unsigned worker;       /* index */
	struct snapshot *snap; /* holds a reference: the policy never changes under a request */
	struct arena arena;    /* freed with the request; request_let_go() replaces it */
	char id[DECISION_ID_LEN + 1]; /* the decision's id, which the caller sees */
	int64_t now_wall_ns;	      /* the believed wall time at its begin: base/wall.h */
	uint64_t begun_us;	      /* monotonic */
	struct exchange *x;	      /* NULL: the request does not use the relay */

	struct request_in in;
	struct request_scan scan;
	struct request_found found;

	/* The decision, and the bytes that are sent in place of the received ones. */
	struct {
		struct decision decision;
		/* if `decision` is D_OBSERVED: the decision that would have been enforced */
		struct decision would;
		struct buf decoded; /* the body after Content-Encoding */
		/* assigns placeholders; NULL: nothing was replaced */
		struct redactor *redactor;
		/* The placeholders that earlier turns of the conversation use, with those of
		 * this turn. In the arena, or in.placeholders. NULL: numbering begins with this
		 * request */
		struct placeholders *placeholders;
		struct buf rewritten;  /* the edited body */
		struct buf new_target; /* path and query after redaction */
		struct buf replay;     /* CACHED_HIT: the whole HTTP response */
		/* the normalized prompt, if found.cache.has_near or has_meaning */
		struct buf prompt;
		enum body_sends sends;
		bool ask_usage; /* the body was edited to ask the provider for usage */
		bool redacted;	/* a value was replaced */
		bool told;	/* the ACK carried all variables */
		/* a copy of the received body, for a further attempt; empty: none */
		struct span kept;
		/* the decision record's receipt, if the route gives receipts */
		struct span receipt;
		uint64_t took_us; /* from arrival to the verdict */
		/* the operators' list that shows the result; NULL: not listed */
		struct recent *shown_in;
		uint64_t shown_as; /* the entry's number in it */
		bool has_heavy;	   /* a value of `heavy` is not 0 */
		/* decisions, tokens and cost that gate_count_heavy() has not counted yet */
		uint64_t heavy[HEAVY_VALUES];
	} out;

	/* The place taken at the chosen target: gate/limits/target_choice.c. */
	struct target_attempt attempt;
	/* the target in whose queue the request waits; NULL: none */
	struct target_state *queued;

	struct waiting waiting; /* the wait of a step, and outstanding results */

	/* Progress through the steps. Only the engine writes here, except where noted. */
	struct {
		enum request_life life;
		size_t step;  /* index into steps[] */
		bool resumed; /* true in the second run, which has the body that the relay read
			       */
		/* the agent's deadline passed, and the request continues all the same */
		bool late;
		/* set if the verdict came inside gate_notify(); NULL outside it */
		bool *answered_flag;
		/* why the request is not forwarded whatever its record states; NULL: it is */
		const char *withdrawn;
		void (*done)(struct request *r); /* called when the verdict is given */
		void (*agent_cb)(void *arg, const struct spop_action *actions,
			size_t n); /* sends the ACK */
		void *agent_arg;
		size_t ack_room; /* bytes that the agent's frame can hold */
		/* monotonic: when the current stage and the current run of steps (re)started */
		uint64_t stage_us, run_us;
		uint32_t took_us[STAGES];	  /* time spent in each stage so far */
		struct request *turn_next;	  /* next in gate.turns, if WAIT_TURN */
		struct keyset_waiter keys_waiter; /* WAIT_KEYS */
		bool waited_for_keys; /* true: a missing key is not waited for again */
		struct data_wait
			data_wait[CAP_DATA]; /* WAIT_DATA: by index in the policy's `data` */
		unsigned data_waits;
		bool data_asked;
		/* a question to Redis in progress: gate/limits/step_pins.c; in the arena */
		struct pins_asked *pins;
		struct kept_asked *kept; /* the pending question of gate/kept_placeholders.c;
					  * NULL: none */
		struct offload {	 /* WAIT_HELPER: engine/gate.c */
			struct work work;
			struct mail back;
			/* the steps that the helper ran, one after the other from run.step on,
			 * and when each ended */
			struct offload_ran {
				int result; /* enum step_result */
				uint64_t ended_us;
			} steps[4];
			unsigned nsteps;
			/* the caller left; the helper's result will be dropped */
			_Atomic bool pointless;
		} offload;
		struct record *record; /* the record while the audit thread has it; else NULL */
		struct audit_entry completion;
		/* the settlements that the completion states as counted, until it is durable;
		 * owned; NULL: none */
		struct quota_counted *counted;
		size_t ncounted;
		/* the error for which the response's text could not be kept; 0: none */
		int unkept;
		enum record_life on_record;
		enum decision_kind recorded_kind; /* the decision that the record states */
		uint64_t erasures; /* live_erasures_came() when the holder was last looked up */
		bool erased;	   /* the holder was erased after the request began */
		/* counted in gate/hold.h; slot HOLD_SLOTS: no caller yet */
		size_t held_bytes, held_slot;
		size_t held_work; /* part of held_bytes: arena, decoded and rewritten body */
		/* `decide`: the answer given on the command line for recognizer `name`, or for
		 * its i-th segment */
		bool (*given)(void *arg, const char *name, size_t i, struct span *answer);
		void *given_arg;
	} run;
};

/* Returns the counters that this run charges, made at the first call in the arena; NULL: out of
 * memory. */
struct quota_request *request_quota(struct request *r);

/* Returns the k-th counter that the request charges, those that the head alone determines
 * first. NULL: there are no more. */
static inline const struct quota_dim *
request_dim(const struct request *r, size_t k)
{
	const struct quota_request *head = r->found.quota[0], *body = r->found.quota[1];

	return k < head->ndims		       ? &head->dim[k]
	       : k - head->ndims < body->ndims ? &body->dim[k - head->ndims]
					       : NULL;
}

/* Returns true if a record of the decision was written or is being written. Another decision
 * would be the second under the same id. */
static inline bool
request_on_record(const struct request *r)
{
	return r->run.on_record != RECORD_NONE;
}

/* Fills in the facts that conditions read, as far as they are known now. Borrows from the
 * request. */
void request_facts(struct request *r, struct policy_facts *f);
/* Fills in the facts that conditions read after the body may have been changed: the model is
 * the one that the caller asked for. Borrows from the request. */
void request_asked_facts(struct request *r, struct policy_facts *f);

/* Adds an entity that was found in a segment with one of these roles (bits by enum seg_role).
 * Returns false if memory ran out. */
bool request_add_entity(struct request *r, size_t entity, unsigned roles);
/* Returns true if the detectors find something in the text, or could not finish it. */
bool request_may_hold(struct request *r, struct span text);

/* ---- mcp_message.c: the dialect mcp ---- */
/* Returns true if the request is an MCP client's message or stream. */
bool request_is_mcp(const struct request *r);
/* Returns true if the MCP server's descriptions of its tools are compared with the earlier
 * ones. */
bool request_is_pinned(const struct request *r);
/* Returns true if the decision must wait for the relay: only the relay can send a JSON-RPC
 * error with status 200. */
bool request_message_waits(const struct request *r);
/* Keeps a keyed hash of the session's id, as records name the session. */
void request_note_session(struct request *r, struct span id);
/* Reads Mcp-Session-Id into found.session. Returns STEP_NEXT, or denies with 400 (several
 * fields) or 404 (the session is not the caller's). */
enum step_result request_read_session(struct request *r);
/* Denies with 404. For found.no_session: called after the rules if the caller is not verified.
 */
enum step_result request_no_session(struct request *r);
/* Returns true if the field is Mcp-Session-Id, in whose place found.session is sent to the
 * server. */
bool request_is_session(const struct request *r, struct span field);
/* Writes the key that binds sessions to the caller, route and server. */
void request_session_key(const struct request *r, unsigned char out[SHA256_BYTES]);
/* Applies the rules with phase: tool, after the rules on requests. Adds their redactions and
 * tags to the verdict. Denies unknown methods that no such rule permits, and names with
 * characters outside [A-Za-z0-9_./-]. */
enum step_result request_message_passes(struct request *r);
/* Fills in how messages of the response are read. `asked`: the facts that rules read. *out
 * borrows from `own` and from the request. Returns 0 or ERR_NOMEM. */
struct guard_messages;
int request_messages(struct request *r, const struct answer_request *asked, struct arena *own,
	struct guard_messages *out);
/* Returns true for Mcp-Param-*, a field that repeats an argument of the call. */
bool request_is_param(const struct request *r, struct span field);
/* Returns the value to send in such a field; empty: the field cannot be sent. `now`:
 * request_message_sent(). */
struct span request_param_sent(
	struct request *r, struct span field, struct span value, const struct mcp_message *now);
/* Returns the message as it was rewritten, in the arena; NULL: it was not rewritten, or cannot
 * be read. */
const struct mcp_message *request_message_sent(struct request *r);
/* Returns false if the value of one of these fields cannot be sent after redaction. */
bool request_params_may_go(struct request *r);

/* ---- joined.c: several MCP servers as one ---- */
/* Returns true if the route joins MCP servers. */
bool request_is_joined(const struct request *r);
/* Makes found.joined, and reads the caller's session id (empty: none) into it. Returns STEP_NEXT,
 * or denies with 404 (not the
 * caller's). */
enum step_result request_read_joined(struct request *r, struct span given);
/* Finds out where the message goes. A call loses its server's name (in.raw, found.message), and
 * found.pin is the server. Returns STEP_NEXT, or denies. */
enum step_result request_join_message(struct request *r, struct found_message *f);
/* Returns the caller's id for the servers' sessions, by target; empty: too long, or no memory. */
struct span request_joined_session(const struct request *r, const struct joined_session *of,
	struct arena *a);
/* Returns the server to which a message of a joined route belongs; NULL: none, or no such route.
 */
const struct target *request_joined_target(const struct request *r);
/* Sets the value of a field that the server knows in its own form. Returns false if the server
 * does not get the field. */
bool request_joined_field(const struct request *r, struct span name, struct span *value);

/* ---- request.c ---- */
/* Denies with the refusal of a reader of bodies or paths. */
enum step_result request_refuse(struct request *r, const struct body_refusal *why);
/* Denies with 413, because the request itself reaches `limit`: "2 MB of …". */
enum step_result request_too_complex(struct request *r, const char *limit);
/* Denies with 503 because memory ran out, or with 413 if the arena of the request is full. */
enum step_result request_overload(struct request *r);
/* Denies with 503: over a limit of held bytes. */
enum step_result request_overheld(struct request *r);
/* Deny with 400: after ERR_AMBIGUOUS of request_read_length(), and for a head over CAP_HEADERS.
 */
enum step_result request_bad_length(struct request *r);
enum step_result request_many_fields(struct request *r);
/* Adds tags of a rule or a limit to the verdict, each once. Returns false if memory ran out. */
bool request_add_tags(struct request *r, const char *const *more, size_t nmore);
/* Returns the route's on_failure, or the policy's if no route matched yet. */
const struct on_failure *request_on_failure(const struct request *r);
/* Sets path and query, copied as one run of bytes, because the offsets of the target's segments
 * count over both. Returns false if memory ran out. */
bool request_set_target(struct request *r, struct span path, struct span query, bool has_query);
/* Reads Content-Length into in.declared_length (-1: none), and whether the body is chunked.
 * Returns 0, or ERR_AMBIGUOUS if there are several lengths, no number, or both a length and
 * chunks (RFC 9112 6.3). */
int request_read_length(struct request *r, bool *chunked);
/* Frees the copy that request_keep_body() made. */
void request_drop_kept(struct request *r);
/* Drops what arrived and all that points into it. Copies what the relay and records still need
 * into `own`, which becomes the request's arena. The caller must check `own` for overflow. */
void request_let_go(struct request *r, struct arena *own);
/* Returns HAProxy's name of the backend; NULL: HAProxy's own rules choose. */
const char *request_backend(const struct request *r);
/* Moves the request along an arrow of the picture above enum request_life. Any other move
 * aborts the program. */
void request_enter(struct request *r, enum request_life to);
/* Makes a request, with a reference to `snap`. NULL: out of memory. */
struct request *request_new(
	struct snapshot *snap, unsigned worker, const struct request_calls *calls);
/* Frees the request and all it holds, and sets *r to NULL. */
void request_free(struct request **r);
/* Returns the owner of the request's texts: the person, else the key's id, else "anonymous". */
struct span request_holder(const struct request *r);
/* Returns true if the holder was erased after the request began. Then the request writes no
 * hash and no sealed text, and stores no content. Call on the worker's thread. */
bool request_erased(struct request *r);
/* Returns whether path or query hold a finding. Once PATH_FOUND, always PATH_FOUND. */
enum path_state request_path_state(struct request *r);
/* Returns the path as records and logs may hold it, or "<unread>" or "<redacted>".
 * prose: ok unread */
struct span request_path_shown(struct request *r);
/* Returns the caller's traceparent; empty if there is none, several, or no valid one. Valid
 * until the request ends. */
struct span request_trace(struct request *r);
/* Returns true for a word of capitals, - and _, at most CAP_METHOD_BYTES: only such a method
 * may be recorded. */
bool request_is_method(struct span m);
/* Appends the names of the policy's classes that have a finding, separated by commas. */
void request_classes(const struct request *r, struct buf *out);
/* Returns the target to which the request is sent; NULL: no route matched. */
const struct target *request_target(const struct request *r);
/* Returns the provider's name in metrics; empty: none. */
struct span request_provider(const struct request *r);
/* Returns the gateway's credential for the target; NULL: HAProxy adds it, or there is none. */
struct auth *request_auth(const struct request *r, const struct target *to);
/* Returns the model whose price applies to the response's usage: the model that the response
 * names if the price list has a row for it, else the model for which dollars were reserved,
 * else the body's. */
struct span request_priced_model(const struct request *r);
/* Adds what is paid by the piece (images, seconds, …) to *most, as far as `row` prices it, and
 * the service tier. */
void request_pieces(
	const struct request *r, const struct price_row *row, struct price_usage *most);
/* Finds the price row of a model at the request's target, at the prices of the decision's time.
 * If the price depends on options that the request leaves open, *out has the highest. Returns
 * false if there is no row. */
bool request_price(const struct request *r, struct span model, struct price_row *out);
/* Finds the price row of a model at another target, as request_price() does. */
bool request_price_at(const struct request *r, const struct target *to, struct span model,
	struct price_row *out);
/* Computes what a response's usage costs, at the prices of the decision's time. As
 * policy_cost(). */
struct priced;
bool request_cost(const struct request *r, const struct usage *u, struct priced *out);

/* ---- head.c ---- */
/* The backend that a relayed probe names if it stops before the provider. HAProxy has no
 * backend of this name. */
#define PROBE_BACKEND "tollgate-probe"
/* Builds the head to send upstream, in `a`. Returns 0 or ERR_NOMEM. */
int exchange_head(struct request *r, struct arena *a, struct http_head *out);
/* Returns true if a header field that is not on HAProxy's list holds the verified credential or
 * a tg_ key, or names another method or path. HAProxy's rules do not remove such fields, so the
 * relay must send the head. */
bool head_must_change(const struct request *r);
/* Finds the next header of the request, from *at on, that is not sent because the target is
 * outside. Skips those that every request of a browser or a proxy has: addresses, languages and
 * the like. Returns false at the end. */
bool request_unsent_header(const struct request *r, size_t *at, struct span *name);
/* Returns path and query as the provider receives them: redacted, and without parameters that
 * carry credentials. A view of the head or in the arena; empty if memory ran out. */
struct span request_target_sent(struct request *r);
/* Returns true if the field of the caller's head is sent to the provider. Call after the target
 * is chosen. */
bool request_sends(const struct request *r, struct span name, struct span value);
/* Iterates over the headers that rules set: begin with *rule = *at = 0. The first of each name
 * counts. Returns NULL at the end. */
const struct header *request_header(const struct request *r, size_t *rule, size_t *at);
/* Returns true if Gemini's stream is requested as a JSON array of responses instead of events.
 */
bool request_streams_array(const struct request *r);

/* ---- tried.c: attempts, by the caller and by the gateway ---- */
/* Returns true if the request may be sent to a provider more than once. Such a request uses the
 * relay. */
bool request_repeats(const struct request *r);
/* Returns true after the first attempt: the steps now decide for another target. */
bool request_tried(const struct request *r);
/* Returns true if an attempt is settled. Then quota[0] has what is reserved for the request
 * itself. */
bool request_settled(const struct request *r);
/* Returns the charges of settled attempts that no record holds yet: items of a JSON list,
 * without brackets. */
struct span request_settled_charges(const struct request *r);
/* Returns the number of the current attempt, from 1, and PROVIDER/MODEL in *target; 0: attempts
 * are not counted. */
unsigned request_attempts(const struct request *r, const char **target);

/* Returns the model as the caller named it. */
static inline struct span
request_asked_model(const struct request *r)
{
	return r->in.asked_model.p ? r->in.asked_model : r->in.body.model;
}

/* ---- cached.c ---- */
/* The step *cache*. Returns STEP_WAIT while Redis is asked. */
enum step_result step_cache(struct request *r);
/* Looks for a response under found.cache.key. Returns true if the result is known at once;
 * else looked() runs later, never inside the call, and not if the exchange ended meanwhile. On
 * a hit found.cache.state is CACHED_HIT and out.replay holds the response. looked NULL: the
 * waiting step continues. */
bool request_cache_look(struct request *r, void (*looked)(struct request *r));
/* Looks for a response to a prompt of the same meaning, stored under `key`, at this distance.
 * Reports the result as request_cache_look() does. */
void request_cache_look_at(struct request *r, const unsigned char key[CACHE_KEY_BYTES],
	double distance, void (*looked)(struct request *r));
/* Returns true if the response would be stored, as far as that is known before it arrives. */
bool request_cache_keeps(const struct request *r);
/* Counts an ended exchange for metrics, and stores its response if its route has a cache.
 * Returns true if it was stored. */
bool request_cache_answer(struct request *r);

/* ---- kept_placeholders.c ---- */
/* Reads the placeholder tables of the conversation that the request continues, on a route with
 * `restore`. Returns STEP_NEXT, STEP_WAIT (call again when the reply arrived), or denies if
 * memory ran out. */
enum step_result request_kept_tables(struct request *r);
/* Fills in r->out.placeholders before a value is replaced. Returns false if memory ran out. */
bool request_kept_open(struct request *r);
/* Notes in the vault how values occurred in the earlier turns of that conversation. */
struct vault;
void request_kept_occurrences(const struct request *r, struct vault *v);
/* Call after the rewrite. Stores this turn's placeholders under the ids that the request names,
 * and keeps in *x (memory in `own`) what is stored under ids that the response makes. Returns 0
 * or ERR_NOMEM. */
int exchange_keep_placeholders(struct request *r, struct exchange *x, struct arena *own);
/* Stores the table under the ids that the response made since the last call. Call before the
 * caller receives them. */
void exchange_save_placeholders(struct exchange *x);

/* ---- facts.c ---- */

/* Returns true if the gateway must read the response: for the route's rules or usage, for the
 * cache, to restore the requested model name, to translate it, to change the provider's URLs,
 * or because it is MCP. */
static inline bool
request_reads_answer(const struct request *r)
{
	const struct route *route = r->found.route;

	return !r->found.probe &&
	       (route->response || route->cache.ttl_us || route->alias || route->translates ||
		       request_is_mcp(r) || r->found.endpoint.leads);
}

/* Returns true for a GET of a list of models if a rule reads the model's name. The rules then
 * decide about each model, and denied models are removed from the response. */
bool request_lists_models(const struct request *r);
/* Returns true if the caller may use `model`, as if request `r` named that model and asked for
 * nothing else. */
bool request_may_use(void *r, struct span model, struct arena *a);
/* Returns true for a GET of the list of models, or of one model. */
bool request_asks_of_models(const struct request *r);
/* Returns true if the caller reached the gateway by https: x-forwarded-proto states it, or else
 * HAProxy. Without either, https is assumed. */
bool request_is_https(const struct request *r);
/* Returns true if a rule reads model.name. */
bool request_model_matters(const struct request *r);

/* Counts a request with a URI that can be spelled in several ways: M_URI_REFUSED or
 * M_URI_PASSED. */
void request_count_uri(struct request *r, enum metric result);

/* ---- credential.c ---- */
/* Keeps the verified credential, with its forms in base64 and hexadecimal. Returns 0 or
 * ERR_NOMEM. */
int request_keep_credential(struct request *r, struct span value);
/* Returns true if the text holds the request's credential or any tg_ key, plain, in base64 or
 * in hexadecimal. */
bool request_credential_in(const struct request *r, struct span text);
/* Searches as request_credential_in() does, also after undoing percent and backslash escapes,
 * up to three levels. */
bool request_credential_escaped_in(const struct request *r, struct span text);
/* Receives one credential, as a view of the text. A result other than 0 ends the search. */
typedef int credential_fn(void *arg, struct span credential);
/* Calls take() for credentials in hexadecimal of any case and in escapes. Returns 0, or
 * take()'s result. */
int request_credentials_hidden(
	const struct request *r, struct span text, credential_fn *take, void *arg);

#endif
