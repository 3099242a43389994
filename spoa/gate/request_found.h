/* The results of the steps for a request, the decision, and the verdict of a second (shadow)
 * policy. */
#ifndef GATE_REQUEST_FOUND_H
#define GATE_REQUEST_FOUND_H

#include "base/caps.h"
#include "base/codec/trace.h"
#include "base/sha256.h"
#include "budget/quota/quota.h"
#include "gate/cache/entry.h"
#include "gate/decision.h"
#include "gate/request_limits.h"
#include "gate/sources/data.h"
#include "policy/identity/probekey.h"
#include "policy/route.h"
#include "policy/verdict/tool.h"
#include "record/seal/counters.h"
#include "record/seal/seal.h"
#include "scan/dialect/owned.h"
#include "scan/mcp/join.h"
#include "scan/mcp/message.h"

struct request;

extern const char *const cached_names[]; /* indexed by enum cached */
/* Returns to which prompt the hit is a response: "near" or "semantic" for another one. */
struct found_cache;
const char *cached_by(const struct found_cache *f);

/* steps/shadow.c: the shadow policy's verdict, and bits that name in what it differs from the policy in force.
 */
enum { SHADOW_DECISION = 1, SHADOW_RULE = 2, SHADOW_REDACTIONS = 4, SHADOW_ROUTE = 8 };
struct shadow {
	enum { SHADOW_NOT_ASKED, SHADOW_FAILED, SHADOW_DECIDED } state;
	enum rule_effect effect;
	int status;	  /* status of a denial */
	const char *rule; /* points into the snapshot */
	unsigned differs;
};

/* Whether records may hold the path: only if it was searched and has no finding. */
enum path_state { PATH_UNREAD, PATH_CLEAN, PATH_FOUND };

/* The request's texts as kept for auditors. In the arena. owner: gate/sealing/sealing.c */
struct found_seal {
	/* a share was opened: hash_key follows from it and is erased after the record is made
	 */
	bool has_holder;
	uint64_t share; /* the share's number, which stays; 0: no record used a share */
	unsigned char hash_key[SHA256_BYTES];
	/* the person's pseudonym with audit.persons: pseudonym; "": none */
	char pseudonym[PSEUDONYM_LEN + 1];
	struct counter_key
		counter; /* encrypts the names of counters, if the holder has a share */
	struct kept_text {
		struct sealing *t; /* NULL: no text is kept */
		struct sealed said;
		enum record_text how;
		bool texts; /* lines of JSON, not a copy of the body's bytes */
	} prompt, answer, tools;
	/* keep the response's segments instead of its bytes, because values are restored in
	 * them */
	bool runs;
};

/* gate/joined.c: a message to several MCP servers that the caller sees as one. */
struct found_joined {
	enum joined_goes {
		JOINED_TO_ONE, /* to found.pin.to, as on a route with one server */
		JOINED_TO_ALL, /* engine/join.c asks each server, and joins the responses */
		JOINED_HERE    /* the gateway responds */
	} goes;
	bool begun; /* the caller's session id names the sessions below */
	/* by target: the server's session */
	struct joined_session {
		bool in;  /* the server is in the session */
		bool may; /* target.when: the caller has the server */
		struct span id, version; /* empty: none */
		bool has[MCP_JOIN_LISTS];
	} of[TARGETS_MAX];
	/* Mcp-Name as the server knows it; empty: the message names nothing */
	struct span name;
};

/* The results of the steps. Lives until the request ends: strings are copied into the new arena
 * when request_let_go() drops the old one. owner: worker. */
struct request_found {
	/* a cutover's request, which is recorded but not enforced: policy/identity/observe.h */
	bool observed;
	enum probe_kind probe;	   /* a request of `tollgate check --probe`: step_identity.c */
	bool probe_stops;	   /* the probe must not reach the provider */
	const struct route *route; /* NULL: not matched yet */
	struct endpoint endpoint;  /* endpoint of the request's dialect; error bodies have
				    * its format */
	struct identity identity;
	bool identified; /* the step ran and `identity` is valid */
	struct span caller_token; /* the caller's verified JWT; empty: another credential */
	bool presented;	 /* on a route with `login`: a header held some credential */
	/* the response, made by the gateway itself: nothing is sent upstream; empty: none */
	struct span document;
	bool counted;			      /* `document` is a token count */
	unsigned char raw_hmac[SHA256_BYTES]; /* keyed hash of in.raw */
	enum path_state path_state;
	char trace[TRACE_BYTES]; /* request_trace(); begins with NUL: none */
	/* prompt_tokens: as conditions read it. tokens: as gate/limits/tokens.c counted it,
	 * before the learned correction. */
	int64_t prompt_tokens;
	const struct token_family *tokens_by; /* NULL: estimated from bytes */
	struct found_tokens tokens;
	struct found_fit fit;
	struct found_texts texts;
	struct entity_set entities;    /* found in any segment */
	uint16_t *roles;	       /* for each entity, bits by enum seg_role; NULL: no
					* entity was found */
	double injection;	       /* the highest score of a segment, 0 to 1 */
	const char *injection_pattern; /* the pattern that matched in that segment, or NULL */
	/* Whether the detectors searched all segments. The states are in ascending order. */
	enum {
		SEARCH_WHOLE,	 /* no segment failed, or none was searched yet */
		SEARCH_FAILED,	 /* a segment could not be searched */
		SEARCH_LIMITED,	 /* a segment reaches a limit, `search_limit` */
		SEARCH_TOO_DEAR, /* a segment takes more work than its length allows */
	} search;
	/* transcribes the sounds of the response; NULL: none, or no rule reads response.speech */
	const struct transcriber *hears;
	const char *search_limit; /* SEARCH_LIMITED: "100,000 findings" */
	bool charges_denied; /* SEARCH_TOO_DEAR and denied: its limits of requests are charged
			      */
	/* the outcome that on_failure demands if the classifier failed or a recognizer did not
	 * reply; 0: nothing */
	enum outcome unclassified;
	/* the class whose recognizer did not reply; NULL: no class that a rule reads */
	const struct policy_class *unclassified_by;
	bool evasion; /* the condition prompt.evasion */
	size_t invisible; /* the condition prompt.invisible */
	/* credentials in the overlay: HIT_CREDENTIAL */
	size_t ncredentials;
	/* signed blocks of reasoning: how many were removed, and how many stay although they
	 * hold a value to replace */
	size_t reasoning_dropped, reasoning_left;
	/* values of the policy's data sources, by their index; NULL: unknown */
	const struct cel_value *data[CAP_DATA];
	struct data_value *data_held[CAP_DATA]; /* references that keep `data` alive */
	uint64_t required;   /* bits by recognizer: a rule may require its reply */
	uint64_t considered; /* bits by recognizer: a step has decided whether to ask it */
	struct found_pin pin;
	/* gate/kept_placeholders.c: how placeholders continue those of earlier turns */
	struct found_kept {
		enum dialect_keeping keeps; /* whether the provider keeps the conversation */
		enum kept_state {
			KEPT_NOT,     /* nothing is kept, and no earlier turn is named */
			KEPT_BEGINS,  /* a first turn */
			KEPT_GOES_ON, /* the earlier table was found: numbers continue */
			KEPT_TAGGED,  /* new values get placeholders with a tag */
			KEPT_LOST, /* KEPT_TAGGED, because an earlier turn's table is missing */
		} state;
	} kept;
	/* the order of the route's targets, in the arena; NULL: the route's own */
	struct policy_rank *ranks;
	/* facts about the targets for rules, in the arena; NULL: not made */
	const struct policy_target_facts *at;
	uint16_t passed; /* bits by target: chosen in this run, but unavailable */
	uint16_t early;	 /* bits by target: tried before its time, because no other is left */
	uint32_t caller; /* request_caller(), once the targets were ranked */
	/* the denial of a limit at a target that was left for it, in the arena; NULL: none */
	struct decision *over;
	/* the random number by which targets are drawn, one for each request; 0: not drawn */
	uint64_t chance;
	struct policy_verdict verdict; /* valid if have_verdict is true */
	bool have_verdict;
	struct shadow shadow;
	struct span conversation; /* the condition request.conversation */
	struct span *tags;	  /* the condition request.tags */
	size_t ntags;
	uint64_t learned_cap; /* output limit of a route with reserve: learned; 0: none */
	/* sends_default: output_default is sent, because the body states no output limit.
	 * default_cap: the value of output_default; 0: none */
	bool sends_default;
	uint64_t default_cap;
	/* the model's own limit, to which stated limits were lowered; 0: none */
	uint64_t target_cap;
	bool bounded; /* a limit that counts the response's tokens applies */
	/* Whether a record may hold `conversation`, after it was searched */
	enum {
		CONVERSATION_UNREAD,
		CONVERSATION_HELD,
		/* a hash of it, because the name holds a finding or names a person */
		CONVERSATION_HASHED,
		CONVERSATION_OUT
	} conversation_state;
	int64_t input_tokens, output_tokens; /* estimated input; reserved output */
	/* counters: [0] known from the head alone, [1] those that need the body. Empty until
	 * request_quota() */
	struct quota_request *quota[2];
	bool quota_failed; /* Redis did not answer */
	/* limits on tool calls: gate/limits/tool_calls.c; NULL: none */
	struct call_limits *calls;
	struct found_limits limits;
	/* Limits that refuse without a counter: a single request exceeds message_over; the
	 * model has no price for `unpriced` */
	const struct limit *message_over, *unpriced;
	/* the model whose price was reserved, of those that fallbacks may use; empty: the
	 * body's */
	struct span priced_model;
	/* offered: pieces (images, seconds, …) at most, and the service tier, if the policy has
	 * prices. asked: options that select a price */
	struct price_usage offered;
	struct price_asked asked; /* the options that select a price, without the region */
	bool offered_known;
	bool mcp; /* an MCP client's message: no model runs for it */
	/* step_read.c: the MCP message, or the error in it, in the arena. NULL: no MCP message, or
	 * not read yet */
	struct found_message {
		struct mcp_message said; /* the message as it was read */
		struct tool_call call;	 /* the call as limits and rules with phase: tool
					  * read it */
		bool as_error;		 /* denied as a JSON-RPC error, not as a tool result */
		/* verdict of the rules with phase: tool; NULL: not evaluated */
		const struct tool_verdict *ruled;
		struct mcp_error wrong; /* code 0: no error */
	} * message;
	struct found_joined *joined; /* in the arena; NULL: no joined route */
	struct found_form *form; /* in the arena; NULL: sent as it arrived */
	/* gate/cached.c: the lookup in the response cache */
	struct found_cache {
		enum cached { CACHED_NONE, CACHED_OFF, CACHED_MISS, CACHED_HIT } state;
		const char *why;    /* CACHED_OFF: the reason; a constant, or in the arena */
		bool keeps;	    /* the response may be stored under `key` */
		uint64_t max_age_s; /* oldest response that the caller accepts; UINT64_MAX: any
				     */
		unsigned char key[CACHE_KEY_BYTES];
		enum form form; /* form of the stored response, as its provider wrote it */
		struct cache_stamp stamp;
		/* how the response is requested: struct cache_hit */
		bool stream, array, wants_usage;
		uint64_t looked_us; /* monotonic: when a miss was found */
		/* called instead of the step after a lookup in Redis; NULL: the step continues
		 */
		void (*looked)(struct request *r);
		/* route.cache.near: near_key is the key of a pointer to a similar prompt's
		 * response. out.prompt has the prompt */
		bool has_near;
		unsigned char near_key[CACHE_KEY_BYTES];
		/* route.cache.semantic: meaning_key names the set of prompts that may have the
		 * same meaning; `embedded` is the cost of out.prompt's vector */
		bool has_meaning;
		unsigned char meaning_key[CACHE_KEY_BYTES];
		struct {
			uint64_t tokens, nanousd;
			const struct target *by; /* NULL: no vector was requested */
		} embedded;
		bool gone;	 /* nothing is stored under look_key */
		bool by_meaning; /* CACHED_HIT: found by its meaning */
		/* The purpose of look_key: the response itself, the key of a similar prompt's
		 * response, or that response */
		enum cache_looks { LOOKS_FOR_IT, LOOKS_FOR_NEAR, LOOKS_FOR_OTHERS } looks;
		unsigned char look_key[CACHE_KEY_BYTES];
		/* CACHED_HIT: to the stored prompt; 0: the identical request */
		double distance;
		int64_t age_s;	    /* CACHED_HIT: of the response */
		uint32_t waited_ms; /* time spent waiting for an identical request */
	} cache;
	struct found_seal *seal; /* NULL: no route keeps texts */
	bool no_session;	 /* the request names a session that is not its caller's */
	struct found_offer offer;
	/* steps/record.c: an MCP message as completions record it: names as records may hold them, "" if
	 * none. `is`: the message is a call. */
	struct found_call {
		bool is, known; /* known: the names were searched */
		struct span method, tool, resource;
		const char *operation; /* NULL: none */
	} call;
	struct span session; /* the server's id of the session; empty: none */
	bool has_session;    /* session_hmac, the keyed hash of it, is valid */
	unsigned char session_hmac[SHA256_BYTES];
	struct found_file file;
	uint64_t most_nanousd; /* upper bound of its cost; 0: no price */
	struct found_fell fell;
};

#endif
