/* What the steps found out of a request, what is decided of it, and what a second policy would
 * have decided. */
#ifndef GATE_REQUEST_FOUND_H
#define GATE_REQUEST_FOUND_H

#include "answer/translate/request.h"
#include "base/caps.h"
#include "base/codec/trace.h"
#include "base/sha256.h"
#include "base/tokens/estimate.h"
#include "budget/quota/quota.h"
#include "gate/cache/entry.h"
#include "gate/sources/data.h"
#include "policy/identity/probekey.h"
#include "policy/verdict/tool.h"
#include "record/seal/counters.h"
#include "record/seal/seal.h"
#include "scan/dialect/owned.h"
#include "scan/mcp/message.h"

struct request;

/* OBSERVED: a cutover's; what would have been decided is next to it, enforced is nothing. */
enum decision_kind { D_NONE, D_PERMIT, D_REDACT, D_DENY, D_DEFER, D_OBSERVED };
enum decision_via { VIA_NONE, VIA_DIRECT, VIA_RELAY, VIA_OBSERVE };

struct decision {
	enum decision_kind kind;
	enum decision_via via;
	int status;		/* deny */
	const char *code;	/* deny: error code; NULL: follows from the status */
	struct span message;	/* deny: for the caller; never prompt text */
	const char *rule;	/* that decided; "" where none did */
	uint64_t retry_after_s; /* 0: none */
	bool final;		/* 429: to wait so long is no matter of retries */
	const char *scope; /* deny: that the caller's token lacks; NULL: it is about none */
};

extern const char *const decision_names[]; /* by enum decision_kind */
extern const char *const cached_names[];   /* by enum cached */
extern const char *const via_names[];	   /* by enum decision_via */

/* What a second policy says next to the one in force. */
enum { SHADOW_DECISION = 1, SHADOW_RULE = 2, SHADOW_REDACTIONS = 4, SHADOW_ROUTE = 8 };
struct shadow {
	bool asked, failed; /* failed: it could not say */
	enum rule_effect effect;
	int status;	  /* deny */
	const char *rule; /* the snapshot's */
	unsigned differs;
};

/* What may be kept of the path: only what was looked through and holds nothing. */
enum path_state { PATH_UNREAD, PATH_CLEAN, PATH_FOUND };

/* gate/sealing: what is kept of its texts. */
struct found_seal {
	bool has_holder; /* a share: hash_key follows from it, while a record is made */
	uint64_t share;	 /* its number, which stays; 0: no record was made with one */
	unsigned char hash_key[SHA256_BYTES];
	char pseudonym[PSEUDONYM_LEN + 1]; /* audit.persons: pseudonym; "": not */
	struct counter_key counter;	   /* with it: what hides names of counters */
	struct kept_text {
		struct sealing *t; /* NULL: nothing is */
		struct sealed said;
		enum record_text how;
		bool texts; /* lines of JSON, no copy of bytes */
	} prompt, answer, tools;
	bool runs; /* of the answer its runs of text: things are put back in it */
};

/* What the steps found out. Stays until the end; texts in it are copied where the
 * arena goes. */
struct request_found {
	bool observed; /* a cutover's request: policy/identity/observe.h */
	enum probe_kind probe; /* of tollgate check --probe: step_identity.c */
	bool probe_stops;      /* before the provider */
	const struct route *route;
	struct endpoint endpoint; /* of its dialect; the caller's errors are in it */
	struct identity identity;
	bool identified;      /* the step ran and *identity is valid */
	bool presented;	      /* of a route with `login`: a header had some credential */
	struct span document; /* that answers it: it goes nowhere */
	bool counted;	      /* which is how many tokens it is, by our count */
	unsigned char raw_hmac[SHA256_BYTES]; /* of in.raw */
	enum path_state path_state;
	char trace[TRACE_BYTES]; /* of request_trace(); begins with NUL: none */
	/* gate/limits/tokens.c: as conditions read them, and as counted, before what was
	 * learned corrects it */
	int64_t prompt_tokens;
	const struct token_family *tokens_by; /* NULL: by bytes */
	struct found_tokens {
		int64_t mean, most;
		uint64_t key; /* of what is learned */
		bool estimated;
		/* not counted: at most its bytes are reserved, `bound`; 0 once it is known
		 * that this is */
		bool by_bytes;
		int64_t bound;
		bool late; /* counted after it was reserved so */
	} tokens;
	/* gate/limits/fit.c: the texts of the prompt, counted for windows */
	struct found_fit {
		const struct ranks *by;
		bool known;
		uint64_t tokens[TEXT_SCRIPTS];
		uint64_t passed; /* the largest window that a provider said it is over */
	} fit;
	/* the texts of such a prompt, and what is no text of it: counted where the
	 * answer brings no usage */
	struct found_texts {
		struct span *text;
		size_t n;
		struct token_sum rest;
	} texts;
	struct entity_set entities;
	uint16_t *roles;  /* by entity: bit by enum seg_role; NULL: none was found */
	double injection; /* the highest score of a segment */
	const char *injection_pattern; /* that matched in it, or NULL */
	bool classifier_failed;
	bool overworked; /* since a text takes more work than its length allows */
	bool too_dear;	 /* the request is overworked and denied, and its limits of requests are charged */
	/* where it did, or a recognizer is silent: of what our own detectors found */
	enum outcome unclassified;
	const struct policy_class *unclassified_by; /* NULL: of none of those that count */
	bool evasion;				    /* prompt.evasion */
	size_t ncredentials;			    /* of the overlay: HIT_CREDENTIAL */
	/* blocks of reasoning that a provider signed: taken out; left with what would
	 * be replaced */
	size_t reasoning_dropped, reasoning_left;
	/* by place in the policy's `data` */
	const struct cel_value *data[CAP_DATA];
	struct data_value *data_held[CAP_DATA];
	uint64_t required;   /* bit by external: a rule may require its answer */
	uint64_t considered; /* likewise: what it is for was looked for */
	/* gate/limits/step_pins.c: where what it names or holds was made; NULL: nowhere, or not
	 * known */
	struct {
		bool asked;			 /* of a route with several targets */
		bool turn_is_kept; /* a later request can ask for the response by its id; set while
				      the request's body is there */
		unsigned char who[SHA256_BYTES]; /* of who asks */
		const struct target *to;
		bool seals; /* only reasoning that was signed or sealed says so */
		bool drops; /* which goes, as that target takes nothing now */
	} pin;
	/* gate/kept_placeholders.c: how its placeholders go on from earlier turns */
	struct found_kept {
		enum dialect_keeping keeps; /* what is kept of it */
		enum kept_state {
			KEPT_NOT,     /* nothing is, and it goes on with nothing */
			KEPT_BEGINS,  /* it is a first turn */
			KEPT_GOES_ON, /* numbers count on */
			KEPT_TAGGED,  /* new values get tagged placeholders */
			KEPT_LOST,    /* likewise: a table that it goes on with is not there */
		} state;
	} kept;
	struct policy_rank *ranks; /* of the route's targets; in the arena. NULL: its order */
	const struct policy_target_facts *at; /* likewise; NULL: not looked at */
	uint16_t passed; /* bit by target: it was chosen in this run, and could not be had */
	uint16_t early;	 /* likewise: no other is left, and it is asked before its time */
	uint32_t caller; /* request_caller(), once its targets were ranked */
	struct decision *over; /* by limits of targets that were left for them; in the arena.
				  NULL: of none */
	uint64_t chance;       /* by which they are drawn, once a request; 0: not yet */
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
	uint64_t target_cap; /* of its model, under which stated caps were lowered; 0: none */
	bool bounded;	     /* a limit applies that counts what an answer takes */
	/* of it: what a record may hold, once looked through */
	enum {
		CONVERSATION_UNREAD,
		CONVERSATION_HELD,
		CONVERSATION_HASHED, /* ours: of the person, too */
		CONVERSATION_OUT
	} conversation_state;
	int64_t input_tokens, output_tokens; /* estimated, reserved */
	/* [0] what the head alone decides, [1] what needs the body: an empty one, until
	 * request_quota() */
	struct quota_request *quota[2];
	bool quota_failed;
	struct call_limits *calls; /* gate/limits/tool_calls.c; NULL: none */
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
	/* of the dialect mcp, in the arena: what came, or what is wrong with it; NULL: none, or
	 * not read yet */
	struct found_message {
		struct mcp_message said;
		struct tool_call call; /* as rules with phase: tool and limits read it */
		bool as_error;	       /* denied so by such a rule: no result */
		const struct tool_verdict *ruled; /* what those rules said; NULL: not asked */
		struct mcp_error wrong;		  /* code 0: nothing */
	} * message;
	/* gate/limits/target_form.c: that it is sent in another form, in the arena; NULL: it is not */
	struct found_form {
		enum form from, to;
		bool refused; /* that cannot hold it: `made` says where and why */
		bool thread;  /* since it asks for a thread, and the target keeps none */
		struct translated_request made;
	} * form;
	/* gate/cached.c: whether it was answered before */
	struct found_cache {
		enum cached { CACHED_NONE, CACHED_OFF, CACHED_MISS, CACHED_HIT } state;
		const char *why;    /* CACHED_OFF: fixed, or of the request's arena */
		bool keeps;	    /* its answer may be kept under `key` */
		uint64_t max_age_s; /* that its caller takes; UINT64_MAX: any */
		unsigned char key[CACHE_KEY_BYTES];
		enum form form; /* of its answer, as its provider writes it */
		struct cache_stamp stamp;
		bool stream, array, wants_usage;   /* how it is asked for: struct cache_hit */
		uint64_t looked_us;		   /* monotonic: when there was none */
		void (*looked)(struct request *r); /* instead of the step, of one in Redis */
		/* route.cache.near: what it is near by; its prompt is out.prompt */
		bool has_near;
		unsigned char near_key[CACHE_KEY_BYTES];
		/* route.cache.semantic: the set of those that it may mean the same as; what it
		 * asked for the vector of out.prompt */
		bool has_meaning;
		unsigned char meaning_key[CACHE_KEY_BYTES];
		struct {
			uint64_t tokens, nanousd;
			const struct target *by; /* NULL: nobody was asked */
		} embedded;
		bool gone;	 /* there is nothing under look_key */
		bool by_meaning; /* CACHED_HIT */
		/* what is looked for now: the answer to it; where one to a near one is; that */
		enum cache_looks { LOOKS_FOR_IT, LOOKS_FOR_NEAR, LOOKS_FOR_OTHERS } looks;
		unsigned char look_key[CACHE_KEY_BYTES];
		double distance;    /* CACHED_HIT; 0: the very same was asked */
		int64_t age_s;	    /* CACHED_HIT */
		uint32_t waited_ms; /* for another request that asked the same */
	} cache;
	struct found_seal *seal; /* NULL: no texts of any route are kept */
	bool no_session;	 /* it names one that is not its caller's */
	/* gate/limits/offered.c: tools that it offers and rules hide, of this attempt */
	struct found_offer {
		struct splice *cut; /* in the arena */
		size_t ncuts, hidden;
		const struct rule *by;	/* the first that hides one; NULL: none */
		struct tools_told told; /* in the arena; of a body that is one request */
	} offer;
	/* What of it stays to the end, for the completion's entry: the names as records may
	 * hold them, "" where there are none. `is`: it is a call. */
	struct found_call {
		bool is, known; /* known: the names were looked through */
		struct span method, tool, resource;
		const char *operation; /* NULL: it has none */
	} call;
	struct span session; /* the server's id of the session that it names; empty: none */
	bool has_session;    /* its keyed hash is there, which stays */
	unsigned char session_hmac[SHA256_BYTES];
	/* gate/limits/batch.c: what a batch's file takes; of its job, what all take */
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
};

#endif
