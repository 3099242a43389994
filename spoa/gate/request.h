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

#include "audit/audit.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "base/tag.h"
#include "codec/trace.h"
#include "gate/gate.h"
#include "gate/overlay.h"
#include "gate/snapshot.h"
#include "quota/quota.h"
#include "sources/data.h"
#include "sources/recognise.h"
#include "text/inner.h"
#include "text/needles.h"
#include "text/style.h"
#include "tokens/estimate.h"
#include "verdict/decide.h"

/* OBSERVED: a cutover's; what would have been decided is next to it, enforced is nothing. */
enum decision_kind { D_NONE, D_PERMIT, D_REDACT, D_DENY, D_DEFER, D_OBSERVED };
enum decision_via { VIA_NONE, VIA_DIRECT, VIA_RELAY, VIA_OBSERVE };

#define DECISION_ID_LEN 26 /* ULID: 48 bits of milliseconds, 80 random bits */

struct decision {
	enum decision_kind kind;
	enum decision_via via;
	int status;		/* deny */
	const char *code;	/* deny: error code; NULL: follows from the status */
	struct span message;	/* deny: for the caller; never prompt text */
	const char *rule;	/* that decided; "" where none did */
	uint64_t retry_after_s; /* 0: none */
	bool final;		/* 429: to wait so long is no matter of retries */
};

/* What an external recogniser's part in a decision was. */
struct recognition {
	const struct external *x;
	enum ask_outcome outcome; /* the worst of its calls */
	enum outcome applied;	  /* where it did not answer */
	size_t texts, cached;	  /* asked about; of them remembered */
	uint64_t us;
};

enum body_state {
	BODY_STATE_NONE,   /* proved absent */
	BODY_STATE_WHOLE,  /* in.raw is all of it */
	BODY_STATE_PARTIAL /* cut, chunked or without length: the relay's */
};

/* What may be kept of the path: only what was looked through and holds nothing. */
enum path_state { PATH_UNREAD, PATH_CLEAN, PATH_FOUND };

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
	WAIT_EXTERNAL,
	WAIT_QUOTA,
	WAIT_AUDIT
};

/* The decision's record on its way to the disk. */
struct record {
	struct tag tag;
	struct audit_entry entry;
	struct request *r; /* NULL: it went on without */
};

/* What a second policy says next to the one in force. */
enum { SHADOW_DECISION = 1, SHADOW_RULE = 2, SHADOW_REDACTIONS = 4, SHADOW_ROUTE = 8 };
struct shadow {
	bool asked, failed; /* failed: it could not say */
	enum rule_effect effect;
	int status;	  /* deny */
	const char *rule; /* the snapshot's */
	unsigned differs;
};

struct request {
	struct tag tag;
	struct gate *gate; /* NULL in `tollgate decide` */
	unsigned worker;
	struct snapshot *snap;
	struct arena arena;
	char id[DECISION_ID_LEN + 1];
	int64_t now_wall_ns;
	uint64_t begun_us;
	struct exchange *x; /* where it goes through the relay */

	/* What came in and how it reads. Borrows the SPOE frame or the relay's buffer, and
	 * the arena: request_let_go() drops it at once. */
	struct request_in {
		struct http_head head;
		struct span src;	 /* text form of the client's address */
		struct span certificate; /* the client's, DER */
		bool certificate_refused;
		bool ended;	    /* its end was seen with what came */
		bool trailers;	    /* some may come after the body */
		struct span prefix; /* where `body_raw` is not known to be whole: what came */
		struct span host;   /* lower case, without port */
		struct span coding; /* Content-Encoding where it is not identity */
		int64_t declared_length; /* Content-Length; -1: none */
		enum body_state body_state;
		struct span body_raw; /* as it arrived, possibly encoded */
		struct span raw;      /* the decoded body */
		struct body body;
		bool have_body;	      /* *body is valid */
		bool unreadable;      /* permitted as such */
		struct unread unread; /* of target and body */
		struct segment *target;
		size_t ntarget;
		struct needles credentials; /* the one that verified, plain and in digits */
		struct span asked_model;    /* where another is sent */
		struct span conversation;   /* as the body calls it */
	} in;

	/* What was found in its texts: all of it points into the segments of `in`, and is
	 * dropped with them. */
	struct request_scan {
		struct hit *hits;
		size_t nhits, hits_size;
		size_t target_done, body_done; /* segments */
		/* in the segment under way: next window, last finding */
		size_t from, end;
		/* where findings of the next count from; the last one's end */
		size_t keep, seen;
		struct inner inner; /* its text, where that is JSON */
		/* segments without an answer, for on_failure.classifier: redact */
		const struct segment **failed;
		size_t nfailed, failed_size;
		struct external_job *job; /* recognisers are being asked */
		struct hit *extra;	  /* what they found, in the order of classification */
		size_t nextra;
		struct mention_job *mentions; /* values that were found are being looked for */
		/* what is redacted, further mentions too; hits: malloc */
		struct overlay overlay;
		struct recognition *recognitions;
		size_t nrecognitions;
	} scan;

	/* What the steps found out. Stays until the end; texts in it are copied where the
	 * arena goes. */
	struct {
		bool observed; /* a cutover's request: identity/observe.h */
		const struct route *route;
		struct endpoint endpoint; /* of its dialect; the caller's errors are in it */
		struct identity identity;
		bool identified;		      /* the step ran and *identity is valid */
		unsigned char raw_hmac[SHA256_BYTES]; /* of in.raw */
		enum path_state path_state;
		char trace[TRACE_BYTES]; /* of request_trace(); begins with NUL: none */
		/* limits/tokens.c: as conditions read them, and as counted, before what was
		 * learned corrects it */
		int64_t prompt_tokens;
		const struct token_family *tokens_by; /* NULL: by bytes */
		struct found_tokens {
			int64_t mean, most;
			uint64_t key; /* of what is learned */
			bool estimated;
			/* not counted: by its bytes, `bound` at most, `reserve` after what was
			 * learned; bound 0 once it is known that this is reserved */
			bool by_bytes;
			int64_t bound, reserve;
			bool late; /* counted after it was reserved so */
		} tokens;
		/* the texts of such a prompt, and what is no text of it: counted where the
		 * answer brings no usage */
		struct found_texts {
			struct span *text;
			size_t n;
			struct token_sum rest;
		} texts;
		struct entity_set entities;
		uint16_t *roles; /* by entity: bit by enum seg_role; NULL: none was found */
		double injection;		     /* the highest score of a segment */
		const char *injection_pattern;	     /* that matched in it, or NULL */
		bool classifier_failed;
		bool evasion;	     /* prompt.evasion */
		size_t ncredentials; /* of the overlay: HIT_CREDENTIAL */
		/* blocks of reasoning that a provider signed: taken out; left with what would
		 * be replaced */
		size_t reasoning_dropped, reasoning_left;
		/* by place in the policy's `data` */
		const struct cel_value *data[CAP_DATA];
		struct data_value *data_held[CAP_DATA];
		uint64_t required;   /* bit by external: a rule may require its answer */
		uint64_t considered; /* likewise: what it is for was looked for */
		struct policy_verdict verdict;
		bool have_verdict;
		struct shadow shadow;
		struct span conversation; /* request.conversation */
		struct span *tags;	  /* request.tags */
		size_t ntags;
		uint64_t learned_cap; /* of a route with reserve: learned; 0: none */
		/* output_default is sent where the body states no cap; what it is, 0: none was
		 */
		bool sends_default;
		uint64_t default_cap;
		bool bounded; /* a limit applies that counts what an answer takes */
		/* of it: what a record may hold, once looked through */
		enum {
			CONVERSATION_UNREAD,
			CONVERSATION_HELD,
			CONVERSATION_OUT
		} conversation_state;
		int64_t input_tokens, output_tokens; /* estimated, reserved */
		/* [0] what the head alone decides, [1] what needs the body: an empty one, until
		 * request_quota() */
		struct quota_request *quota[2];
		bool quota_failed;
		/* limits/: the policy's that apply, of this run and model; in the arena */
		struct found_limits {
			struct policy_limit_hit *hit;
			size_t n, nall; /* nall: those of the API key too */
			struct span model;
			bool known, resumed;
		} limits;
		/* limits that refuse without being counted: the request alone is over it; its
		 * model has no price */
		const struct limit *message_over, *unpriced;
		/* of the models to fall back on the one whose price was reserved; empty: the
		 * body's */
		struct span priced_model;
		/* what is paid by the piece, at most, and the service; where the policy has
		 * prices */
		struct price_usage offered;
		struct price_asked asked; /* but its region */
		bool offered_known;
		bool mcp; /* an MCP client's message: no model runs for it */
		/* limits/batch.c: what a batch's file takes; of its job, what all take */
		struct {
			enum { FILE_NONE, FILE_ASKED, FILE_KNOWN, FILE_UNKNOWN } state;
			uint64_t input_tokens, output_tokens, nanousd; /* 0: no price */
			bool kept;				       /* and not charged */
		} file;
		uint64_t most_nanousd; /* that it costs; 0: no price */
		/* at_limit or at_soft, once taken: NULL none */
		struct {
			const struct limit *limit;
			const struct limit_change *change;
			bool soft;
			uint64_t amount; /* of the limit, where it is let past; else 0 */
		} fell;
	} found;

	/* What goes out: the decision, and what is sent instead of what came. */
	struct {
		struct decision decision;
		struct decision would; /* where that is D_OBSERVED: what it would have been */
		struct buf decoded;
		struct redactor *redactor;
		struct buf rewritten;  /* redacted or otherwise edited body */
		struct buf new_target; /* redacted path and query */
		bool edited;	/* `rewritten` is the body to send, even where it is empty */
		bool swap_body; /* send `rewritten` or `decoded` instead of what arrived */
		bool ask_usage;
		bool redacted;	  /* something was */
		bool told;	  /* the ACK carried every variable there was */
		uint64_t took_us; /* from arrival to the verdict */
		struct recent *shown_in; /* where operators see what came of it; NULL */
		uint64_t shown_as;
	} out;

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
		struct request *turn_next;	  /* waits for the loop's next turn */
		struct keyset_waiter keys_waiter; /* WAIT_KEYS */
		bool waited_for_keys;
		struct data_wait data_wait[CAP_DATA];
		unsigned data_waits;
		bool data_asked;
		struct offload {
			struct work work;
			struct mail back;
			int result;		/* enum step_result */
			_Atomic bool pointless; /* nobody waits for it any more */
		} offload;
		struct record *record; /* while the disk is asked */
		struct audit_entry completion;
		bool recorded;			  /* the decision's record is durable */
		enum decision_kind recorded_kind; /* what the record says */
		size_t held_bytes, held_slot;
		size_t held_work; /* of them: arena, decoded and rewritten body */
		/* `decide`: the answer that was given for a recogniser, or for its i-th text */
		bool (*given)(void *arg, const char *name, size_t i, struct span *answer);
		void *given_arg;
	} run;
};

/* limits/tokens.c: keeps found.texts, in `own`; and counts them, if there are any. */
void request_keep_texts(struct request *r, struct arena *own);
bool request_count_kept(struct request *r);

/* ---- the steps: steps/ ---- */
/* REWRITES: on with the rewrite step, which was before. */
enum step_result { STEP_NEXT, STEP_WAIT, STEP_DECIDED, STEP_REWRITES };
struct step {
	const char *name;
	enum step_result (*run)(struct request *r);
	bool looks_at_all; /* of the body: a helper thread's, where it is long */
	uint8_t stage;	   /* enum tally_stage (tally/tally.h) that its time counts for */
};
extern const struct step steps[];
/* How many; where a deferred request resumes, and one that goes as another than it asked for. */
extern const size_t nsteps, step_read_at, step_rewrite_at;

/* What they hold for a request goes: calls that are out are over by then. */
void request_drop_job(struct request *r);
void request_drop_mentions(struct request *r);
void request_drop_data(struct request *r);
/* Limits that the caller is near, and how much of them is used: "team 93%"; empty: none. */
struct span request_limit_warning(struct request *r);
/* Where this run counts; NULL: out of memory. */
struct quota_request *request_quota(struct request *r);
/* Releases what an unfinished request still holds in the quota. */
void request_release(struct request *r);
/* The model's name is copied, and hidden where something was found in it: after the rules read
 * it, and before a record or a variable says it. */
void request_hide_model(struct request *r);
/* Hands the decision's record to the audit thread, of a request that waits for it or no
 * longer does. 0 or ERR_NOMEM. */
int request_record(struct request *r);
/* The record is written without the request, which goes on at once and may move
 * to another worker: nothing of it is touched when the disk answers. */
void request_record_leave(struct request *r);
/* Writes the completion record; the request ends once it is durable. */
void request_complete(
	struct request *r, const struct exchange_result *res, const char *outcome);
/* How findings of this entity were replaced: a style's name, or NULL where they were
 * not. */
const char *request_redacted_with(const struct request *r, size_t entity);
/* What conditions read, as known so far. */
void request_facts(struct request *r, struct policy_facts *f);
/* What they read, once the body may have been changed; `body` is the caller's, and lives as
 * long as the facts do. */
void request_asked_facts(struct request *r, struct policy_facts *f, struct body *body);
/* Turns the facts that rules on answers read into those of the shadow policy's: its route and
 * target, and what was brought of its data, in data[CAP_DATA] that is all NULL. False: it has
 * no such rules, or no such route. */
bool request_shadow_facts(
	const struct request *r, struct policy_facts *f, const struct cel_value **data);

/* An entity was found in a text of these roles. False: out of memory. */
bool request_found(struct request *r, size_t entity, unsigned roles);
/* Whether the detectors find something in it, or cannot say. */
bool request_may_hold(struct request *r, struct span text);

/* ---- request.c ---- */
/* Decides a denial; `message` is a fixed phrase or lives in the arena. Who gets a 503 may come
 * again after a second. */
enum step_result request_deny(
	struct request *r, int status, const char *code, const char *rule, struct span message);
/* Out of memory or over the arena's cap: a 503. */
enum step_result request_overload(struct request *r);
/* Over a cap of held bytes: a 503 too. */
enum step_result request_overheld(struct request *r);
/* The 400 of request_read_length(), and that of a head over CAP_HEADERS. */
enum step_result request_bad_length(struct request *r);
enum step_result request_many_fields(struct request *r);
const struct on_failure *request_on_failure(const struct request *r);
/* Sets path and query, copied as one run of bytes, as the offsets of target
 * segments count. */
bool request_set_target(struct request *r, struct span path, struct span query, bool has_query);
/* Content-Length into in.declared_length, -1 where there is none; whether the
 * body is chunked. 0 or ERR_AMBIGUOUS: several, no number, or both. */
int request_read_length(struct request *r, bool *chunked);
/* Copies the rest of the head into the arena, without the body: the frame may go. */
bool request_own_head(struct request *r);
/* Drops what came in and what points into it; what relay and records still need is in
 * `own`, which becomes the request's arena and may have overflowed. */
void request_let_go(struct request *r, struct arena *own);
/* Where it goes, as HAProxy names it; NULL: HAProxy's own routing decides. */
const char *request_backend(const struct request *r);
/* NULL: out of memory. */
struct request *request_new(struct snapshot *snap, unsigned worker);
/* With everything it holds. */
void request_free(struct request **r);
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
/* What an answer's usage costs, at the prices of the decision's time. As policy_cost(). */
struct priced;
bool request_cost(const struct request *r, const struct usage *u, struct priced *out);
extern const char *const decision_names[]; /* by enum decision_kind */
extern const char *const via_names[];	   /* by enum decision_via */

/* ---- answer.c ---- */
struct vault;
struct guard_plan;
struct answer_request;
/* A GET of a list of models, where a rule reads the model's name: the rules are asked about
 * each, and what they deny is taken out of the answer. */
bool request_lists_models(const struct request *r);
/* A rule reads model.name. */
bool request_model_matters(const struct request *r);
/* What is put back into its answer, in place of what *out was; NULL: nothing. 0 or
 * ERR_NOMEM. */
int request_vault(struct request *r, struct vault **out);
/* How its answer is read, all of it but what the exchange knows; `path` is the one that was
 * sent. What it points to is borrowed. 0 or ERR_NOMEM. */
int request_guard_plan(struct request *r, struct span path, const struct answer_request *asked,
	const struct vault *vault, struct guard_plan *out);

/* ---- changes.c ---- */
/* What is to be changed in the body; false: nothing. */
bool request_amendment(const struct request *r, struct amendment *am);
/* What an answer of `model` may take where no cap is stated; empty: of those that the body
 * names the most, or the least. */
uint64_t request_output_default(const struct request *r, struct span model, bool most);
/* The headers that rules set, from (0, 0) on; the first of a name counts. NULL: the end. */
const struct header *request_header(const struct request *r, size_t *rule, size_t *at);
bool request_sets_header(const struct request *r, struct span name);

/* ---- head.c ---- */
/* Path and query as the provider gets them: redacted where something was, without parameters
 * that carry credentials. A view, or of the request's arena; empty where that failed. */
struct span request_target_sent(struct request *r);

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
