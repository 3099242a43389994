/* One request on its way through the steps: what came in, what each step found,
 * what was decided. Private to gate/ and to `tollgate decide`. owner: worker.
 *
 * The steps of steps[] run in order; a step that must wait (Redis, audit) parks
 * the request and its callback resumes it. A request whose body is not whole
 * runs them twice: on the head alone, and again when the relay brings the body. */
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
#include "record/audit/audit.h"
#include "scan/text/style.h"

#define DECISION_ID_LEN 26 /* ULID: 48 bits of milliseconds, 80 random bits */

/*        ┌─── gate_body, gate_refuse ───┐
 *        ↓                              │
 *   → STEPS ───────(verdict)──────→ ANSWERED ──(direct or denied, gate_finish,──→ ENDED
 *        │                                      the ticket expired)                 ↑
 *        ├──(gate_finish)──→ FINISH ──(what the step waited for comes)──────────────┤
 *        └──(gate_forget)───────────────────────────────────────────────────────────┘
 * What comes after STEPS is late, and put right: request_back(). ENDED is freed once nothing
 * is pending. */
enum request_life {
	LIFE_STEPS,    /* steps run, or one waits: run.wait */
	LIFE_ANSWERED, /* the verdict is given. Via relay: under its ticket, or an exchange's */
	LIFE_FINISH,   /* the relay's exchange is over; a step's answer is still out */
	LIFE_ENDED,    /* nobody knows it any more; its last records may be on their way */
};

/* What a step waits for, each with the agent's deadline. */
enum request_wait {
	WAIT_NONE,
	WAIT_KEYS,
	WAIT_TURN,
	WAIT_HELPER, /* a helper thread owns the request */
	WAIT_DATA,
	WAIT_PINS,
	WAIT_EXTERNAL,
	WAIT_FILES, /* with extract.deadline, not the agent's */
	WAIT_CACHE,
	WAIT_ROOM, /* at a provider with `concurrent`, or for a target that is out: looked at
		      each tick */
	WAIT_QUOTA,
	WAIT_AUDIT
};

/* The decision's record on its way to the disk. */
struct record {
	struct tag tag;
	struct audit_entry entry;
	struct request *r; /* NULL: it went on without */
	/* Where it will not be let go: the completion, written once the decision is durable. */
	struct audit_entry undone;
	struct gate *gate; /* of `undone`; NULL: there is none */
};

/* What those above are asked: steps and limits, which keep things for a request, and the
 * engine, which goes on with it. Handed down with each request, since nobody calls who is
 * above; engine/calls.c has the table. */
struct request_calls {
	void (*let_go)(struct request *r, struct arena *own); /* in request_let_go() */
	void (*ends)(struct request *r);		      /* in request_free() */
	/* What it found for one target is found anew, for another. */
	void (*forget)(struct request *r);
	/* One that was pending is back: the step goes on, or, after the verdict, what it
	 * brought is put right. The request may be gone then. */
	void (*back)(struct request *r);
	/* Its decision's record came back after the ACK. */
	void (*recorded)(struct request *r, int err);
	/* The completion record came back (err: its last byte must not be sent); later: from
	 * the worker's mailbox, where no audit is configured. */
	void (*completed)(struct request *r, int err);
	void (*completed_later)(struct request *r);
	/* Frees a request whose verdict was given and whose entries came back. */
	void (*over)(struct request *r);
};

struct request {
	struct tag tag;
	const struct request_calls *calls;
	struct gate *gate; /* NULL in `tollgate decide` */
	unsigned worker;
	struct snapshot *snap;
	struct arena arena;
	char id[DECISION_ID_LEN + 1];
	int64_t now_wall_ns;
	uint64_t begun_us;
	struct exchange *x; /* where it goes through the relay */

	struct request_in in;
	struct request_scan scan;
	struct request_found found;

	/* What goes out: the decision, and what is sent instead of what came. */
	struct {
		struct decision decision;
		struct decision would; /* where that is D_OBSERVED: what it would have been */
		struct buf decoded;
		struct redactor *redactor;
		/* of the conversation that goes on: what its earlier turns were given, and
		 * this one; in the arena, or in.placeholders. NULL: of this request alone */
		struct placeholders *placeholders;
		struct buf rewritten;  /* redacted or otherwise edited body */
		struct buf new_target; /* redacted path and query */
		struct buf replay;     /* found.cache's HIT: an answer of HTTP, whole */
		struct buf prompt;     /* found.cache.has_near */
		bool edited;	/* `rewritten` is the body to send, even where it is empty */
		bool swap_body; /* send `rewritten` or `decoded` instead of what arrived */
		bool ask_usage;
		bool redacted;	     /* something was */
		bool told;	     /* the ACK carried every variable there was */
		struct span kept;    /* a copy of the body that came, where it may go again */
		struct span receipt; /* of the decision's record, where the route gives one */
		uint64_t took_us;    /* from arrival to the verdict */
		struct recent *shown_in; /* where operators see what came of it; NULL */
		uint64_t shown_as;
		bool has_heavy; /* a value of `heavy` is not 0 */
		uint64_t heavy[HEAVY_VALUES]; /* not counted yet: gate_count_heavy() */
	} out;

	/* The place that it has at the target that was chosen: gate/limits/targets.c. */
	struct target_attempt attempt;
	struct target_state *queued; /* and in the queue for one; NULL */

	/* How far it is: the engine's. */
	struct {
		enum request_life life;
		size_t step;
		enum request_wait wait;
		bool resumed; /* the second run, with the relay's body */
		bool late;    /* the agent's deadline is over, and it goes all the same */
		bool *answered_flag;   /* tells gate_notify that the verdict came inside it */
		unsigned pending;      /* quota and audit calls that still hold memory of this
					  request */
		const char *withdrawn; /* not let go whatever the record says: why */
		void (*done)(struct request *r); /* the verdict is given */
		void (*agent_cb)(void *arg, const struct spop_action *actions, size_t n);
		void *agent_arg;
		size_t ack_room;
		TAILQ_ENTRY(request) of_parked; /* the gate's */
		bool parked;
		uint64_t parked_us;
		/* monotonic: since when the stage under way, and the run of steps, last */
		uint64_t stage_us, run_us;
		uint32_t took_us[STAGES];	  /* each stage, so far */
		struct request *turn_next;	  /* waits for the loop's next turn */
		struct keyset_waiter keys_waiter; /* WAIT_KEYS */
		bool waited_for_keys;
		struct data_wait data_wait[CAP_DATA];
		unsigned data_waits;
		bool data_asked;
		struct pins_asked *pins; /* gate/limits/pins.c; in the arena */
		struct kept_asked *kept; /* gate/kept.c; likewise */
		struct offload {
			struct work work;
			struct mail back;
			int result;		/* enum step_result */
			_Atomic bool pointless; /* nobody waits for it any more */
		} offload;
		struct record *record; /* while the disk is asked */
		struct audit_entry completion;
		int unkept;    /* why its answer's text could not be kept */
		bool recorded; /* the decision's record is durable */
		bool left;     /* it is written without the request: request_record_leave() */
		bool undone;   /* and its completion with it */
		enum decision_kind recorded_kind; /* what the record says */
		uint64_t erasures; /* live_erasures_came() at the last look for the holder */
		bool erased;	   /* the holder was erased after the request began */
		size_t held_bytes, held_slot;
		size_t held_work; /* of them: arena, decoded and rewritten body */
		/* `decide`: the answer that was given for a recognizer, or for its i-th text */
		bool (*given)(void *arg, const char *name, size_t i, struct span *answer);
		void *given_arg;
	} run;
};

/* What a step says. */
/* REWRITES, REROUTES: on with the rewrite step, or that of the policy, which were before. CHARGES:
 * the request is denied, and the quota step charges it first (found.too_dear). */
enum step_result {
	STEP_NEXT,
	STEP_WAIT,
	STEP_DECIDED,
	STEP_REWRITES,
	STEP_REROUTES,
	STEP_CHARGES
};

/* Where this run counts; NULL: out of memory. */
struct quota_request *request_quota(struct request *r);
/* The k-th of all that it is charged, what the head alone decides first; NULL: no more. */
static inline const struct quota_dim *
request_dim(const struct request *r, size_t k)
{
	const struct quota_request *head = r->found.quota[0], *body = r->found.quota[1];

	return k < head->ndims		       ? &head->dim[k]
	       : k - head->ndims < body->ndims ? &body->dim[k - head->ndims]
					       : NULL;
}
/* Another decision of it would be the second under one id. */
static inline bool
request_on_record(const struct request *r)
{
	return r->run.recorded || r->run.left;
}
/* notes.c: what telemetry is told of it next to its record, the caller's to free; NULL:
 * nothing. */
struct audit_note *request_note(struct request *r);
struct audit_note *request_end_note(
	struct request *r, const struct exchange_result *res, const char *outcome);
/* What conditions read, as known so far. */
void request_facts(struct request *r, struct policy_facts *f);
/* What they read, once the body may have been changed; `body` is the caller's, and lives as
 * long as the facts do. */
void request_asked_facts(struct request *r, struct policy_facts *f, struct body *body);

/* An entity was found in a text of these roles. False: out of memory. */
bool request_add_entity(struct request *r, size_t entity, unsigned roles);
/* Whether the detectors find something in it, or cannot say. */
bool request_may_hold(struct request *r, struct span text);

/* ---- message.c: the dialect mcp ---- */
bool request_is_mcp(const struct request *r);
/* And what its server says of its tools is compared with what it said before. */
bool request_is_pinned(const struct request *r);
/* And an event stream in answer has no end of its own. */
bool request_stays(const struct request *r);
/* Only the relay can answer what it says: it waits for that. */
bool request_message_waits(const struct request *r);
/* Whose session it is, as records say it: a keyed hash of that id. */
void request_note_session(struct request *r, struct span id);
/* The session that it names is its caller's: found.session. STEP_NEXT, 404 or 400. */
enum step_result request_read_session(struct request *r);
/* found.no_session: the 404, after the rules where its caller is nobody. */
enum step_result request_no_session(struct request *r);
/* Its Mcp-Session-Id, which goes to the server as found.session. */
bool request_is_session(const struct request *r, struct span field);
/* What binds the sessions of its caller. */
void request_session_key(const struct request *r, unsigned char out[SHA256_BYTES]);
/* Reads in.raw, and holds the header fields against it. STEP_NEXT, or what the specification
 * says of what is no message. */
enum step_result request_read_message(struct request *r);
/* Once the rules on requests have spoken: those with phase: tool, whose redactions and tags go
 * to the verdict. Methods that nobody knows and none of them permits, and names in other
 * letters, do not pass. */
enum step_result request_message_passes(struct request *r);
/* The denial as JSON-RPC, and its status. False: it answers no message. */
bool request_message_denial(const struct request *r, int *status, struct buf *out);
/* How a denial of its answer begins; NULL: nobody waits for one by an id, or no memory. */
const struct mcp_refusal *request_message_refusal(const struct request *r, struct arena *own);
/* How the messages of its answer are read; what it points to is in the arena. `asked`: what
 * rules read of the request. 0, or ERR_NOMEM. */
struct guard_messages;
int request_messages(struct request *r, const struct answer_request *asked, struct arena *own,
	struct guard_messages *out);
/* Mcp-Param-*: a field that says an argument again, and what is sent in it; empty: it cannot be
 * said. `now`: request_message_sent(). */
bool request_is_param(const struct request *r, struct span field);
struct span request_param_sent(
	struct request *r, struct span field, struct span value, const struct mcp_message *now);
/* The message as it was rewritten; NULL: it was not. */
const struct mcp_message *request_message_sent(struct request *r);
bool request_params_may_go(struct request *r);

/* ---- request.c ---- */
/* Decides a denial; `message` is a fixed phrase or lives in the arena. Who gets a 503 may come
 * again after a second. */
enum step_result request_deny(
	struct request *r, int status, const char *code, const char *rule, struct span message);
/* As what reads a body or a path says. */
enum step_result request_refuse(struct request *r, const struct body_refusal *why);
/* Out of memory or over the arena's cap: a 503. */
enum step_result request_overload(struct request *r);
/* Over a cap of held bytes: a 503 too. */
enum step_result request_overheld(struct request *r);
/* The 400 of request_read_length(), and that of a head over CAP_HEADERS. */
enum step_result request_bad_length(struct request *r);
enum step_result request_many_fields(struct request *r);
/* Tags of a rule or a limit, each once, for the verdict's. False: no memory. */
bool request_add_tags(struct request *r, const char *const *more, size_t nmore);
const struct on_failure *request_on_failure(const struct request *r);
/* Sets path and query, copied as one run of bytes, as the offsets of target
 * segments count. */
bool request_set_target(struct request *r, struct span path, struct span query, bool has_query);
/* Content-Length into in.declared_length, -1 where there is none; whether the
 * body is chunked. 0 or ERR_AMBIGUOUS: several, no number, or both. */
int request_read_length(struct request *r, bool *chunked);
/* Copies the rest of the head into the arena, without the body: the frame may go. */
bool request_own_head(struct request *r);
/* The body outlives the frame: in.body_raw becomes a copy. False: over a cap, no memory. */
bool request_keep_body(struct request *r);
void request_drop_kept(struct request *r);
/* Drops what came in and what points into it; what relay and records still need is in
 * `own`, which becomes the request's arena and may have overflowed. */
void request_let_go(struct request *r, struct arena *own);
/* Where it goes, as HAProxy names it; NULL: HAProxy's own routing decides. */
const char *request_backend(const struct request *r);
/* Moves the request along an arrow of the picture above enum request_life. Any other move aborts. */
void request_enter(struct request *r, enum request_life to);
/* NULL: out of memory. */
struct request *request_new(
	struct snapshot *snap, unsigned worker, const struct request_calls *calls);
/* With everything it holds. */
void request_free(struct request **r);
/* Whose its texts are: the person, else the key's id, else "anonymous". */
struct span request_holder(const struct request *r);
/* Returns true if the holder was erased after the request began. Then the request writes no hash and no
 * sealed text, and stores no content. On the worker's thread. */
bool request_erased(struct request *r);
/* Looks for findings in the target since; what it said once holds. */
enum path_state request_path_state(struct request *r);
/* The path as records and logs may hold it, or "<unread>" or "<redacted>". */
struct span request_path_shown(struct request *r);
/* The caller's traceparent; empty where there is none, several, or none that is valid. Stays
 * until the request ends. */
struct span request_trace(struct request *r);
/* A word of capitals: a method is no place for text. */
bool request_is_method(struct span m);
/* Names of the classes with a finding, comma-separated, at most n bytes. */
void request_classes(const struct request *r, struct buf *out);
/* Where it goes; NULL: no route. */
const struct target *request_target(const struct request *r);
/* Its provider as metrics name it; empty: none. */
struct span request_provider(const struct request *r);
/* The credential of ours that goes there; NULL: HAProxy has it. */
struct auth *request_auth(const struct request *r, const struct target *to);
/* By whose price an answer's usage is charged: the model that the answer names where that has a
 * row of its own, else the one that was reserved for, else the body's. */
struct span request_priced_model(const struct request *r);
/* Adds to bounds of its usage what is paid by the piece, as far as that has a price, and at
 * which service. */
void request_pieces(
	const struct request *r, const struct price_row *row, struct price_usage *most);
/* The row for a model where it goes, at the prices of the decision's time, of what it may have
 * asked for the dearest. False: there is none. */
bool request_price(const struct request *r, struct span model, struct price_row *out);
/* The same, were it sent to that target. */
bool request_price_at(const struct request *r, const struct target *to, struct span model,
	struct price_row *out);
/* What an answer's usage costs, at the prices of the decision's time. As policy_cost(). */
struct priced;
bool request_cost(const struct request *r, const struct usage *u, struct priced *out);

/* ---- head.c ---- */
/* The backend that a relayed probe which stops before the provider asks for: HAProxy has none of
 * that name. */
#define PROBE_BACKEND "tollgate-probe"
/* The head to send upstream. 0 or ERR_NOMEM. */
int exchange_head(struct request *r, struct arena *a, struct http_head *out);
/* True where a header that is not of the list holds the credential that verified, or a key of
 * ours, or names another method or path: HAProxy's rules do not look for these. */
bool head_must_change(struct request *r);
/* Path and query as the provider gets them: redacted where something was, without parameters
 * that carry credentials. A view, or of the request's arena; empty where that failed. */
struct span request_target_sent(struct request *r);
/* True if the field of the caller's head goes to the provider, after the target is chosen. */
bool request_sends(struct request *r, struct span name, struct span value);
/* The headers that rules set, from (0, 0) on; the first of a name counts. NULL: the end. */
const struct header *request_header(const struct request *r, size_t *rule, size_t *at);
bool request_sets_header(const struct request *r, struct span name);
/* Gemini's stream is asked for as a list of answers, and not as events. */
bool request_streams_array(const struct request *r);

/* ---- tried.c ---- */
/* It may go to a provider more than once, and takes the relay for that. */
bool request_repeats(const struct request *r);
/* The first attempt was made: it is decided once more, for another target. */
bool request_tried(const struct request *r);
/* One of them is settled: what is reserved for the request itself is in quota[0]. */
bool request_settled(const struct request *r);
/* Charges of settled attempts that no record has yet: the texts of a JSON list. */
struct span request_settled_charges(const struct request *r);
/* Which attempt this is from 1 on, 0: they are not counted; and PROVIDER/MODEL of it. */
unsigned request_attempts(const struct request *r, const char **target);

/* The model as the caller named it. */
static inline struct span
request_asked_model(const struct request *r)
{
	return r->in.asked_model.p ? r->in.asked_model : r->in.body.model;
}

/* ---- cached.c ---- */
/* One of the steps. */
enum step_result step_cache(struct request *r);
/* Looks for one that has a key: true where that is known at once, else looked() runs once, not
 * inside, unless its exchange ended meanwhile. found.cache.state is CACHED_HIT then, with
 * out.replay, or not. looked NULL: the step that waits goes on. */
bool request_cache_look(struct request *r, void (*looked)(struct request *r));
/* One that is said to mean the same. */
void request_cache_look_at(struct request *r, const unsigned char key[CACHE_KEY_BYTES],
	double distance, void (*looked)(struct request *r));
/* Whether its answer would be kept, as far as that can be known before it is there. */
bool request_cache_keeps(const struct request *r);
/* Counts an exchange that ended, and keeps its answer where its route has a cache: whether. */
bool request_cache_answer(struct request *r);

/* ---- kept.c ---- */
/* Reads the tables of the placeholders that the request goes on with, on a route that
 * restores. STEP_NEXT, STEP_WAIT: it is to be called again; or refused, out of memory. */
enum step_result request_kept_tables(struct request *r);
/* Before something is replaced: r->out.placeholders. False: out of memory. */
bool request_kept_open(struct request *r);
/* Once it was rewritten: adds what this turn gave away to the names that it says, and has in
 * *x, in `own`, what the names of its response go on with. 0 or ERR_NOMEM. */
int exchange_keep_placeholders(struct request *r, struct exchange *x, struct arena *own);
/* Saves that under the names that the response has made since, before the caller gets them. */
void exchange_save_placeholders(struct exchange *x);

/* ---- facts.c ---- */
/* The route has it read, it says the name that was asked for, it may come in another form, or
 * it is a message of MCP. */
static inline bool
request_reads_answer(const struct request *r)
{
	const struct route *route = r->found.route;

	return !r->found.probe && (route->response || route->cache.ttl_us || route->alias ||
					  route->translates || request_is_mcp(r));
}
/* A GET of a list of models, where a rule reads the model's name: the rules are asked about
 * each, and what they deny is taken out of the answer. */
bool request_lists_models(const struct request *r);
/* As if the request, `r`, named the model, and nothing else were asked for. */
bool request_may_use(void *r, struct span model, struct arena *a);
/* own_answer.c: found.document, where its target speaks another form and the gate can answer.
 * False: it is none of such requests, or (found.document's arena says so) there is no memory.
 */
bool request_answers(struct request *r);
/* A GET of the list of models, or of one. */
bool request_asks_of_models(const struct request *r);
/* A rule reads model.name. */
bool request_model_matters(const struct request *r);

/* ---- message.c ---- */
/* One with a URI of several spellings: M_URI_REFUSED, M_URI_PASSED. */
void request_count_uri(struct request *r, enum metric result);

/* ---- credential.c ---- */
/* Keeps the credential that verified, and how it reads in base64 and hexadecimal. */
int request_keep_credential(struct request *r, struct span value);
/* Whether text holds the request's, or a key of ours, also in hexadecimal. */
bool request_credential_in(const struct request *r, struct span text);
/* With percent escapes undone, too, three times. */
bool request_credential_escaped_in(const struct request *r, struct span text);
/* Takes one of them, as it is in the text; not 0 ends it. */
typedef int credential_fn(void *arg, struct span credential);
/* Those in hexadecimal of any case and in percent escapes: 0, or what take() said. */
int request_credentials_hidden(
	const struct request *r, struct span text, credential_fn *take, void *arg);

#endif
