/* A decided or deferred request on its way through the relay. Private to gate/. One allocation,
 * owned by its request; thread: the request's worker, except `aside`. */
#ifndef GATE_EXCHANGE_H
#define GATE_EXCHANGE_H

#include "answer/guard/guard.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "base/tag.h"
#include "budget/quota/quota_cell.h"
#include "budget/tally/awaited.h"
#include "gate/auth/caller_token.h"
#include "gate/cache/cache.h"
#include "gate/gate_private.h"
#include "gate/targets/next.h"
#include "policy/prices.h"
#include "scan/dialect/refusal.h"

enum { KEPT_SAVED_MAX = 2 * OWNED_MAX };

/* `own` is the arena of everything that outlives the request's first arena. owner:
 * engine/exchange.c; tests/data/members.txt has the files that write each member. */
struct exchange {
	struct tag tag;
	struct request *r;
	struct ticket ticket;
	char ticket_text[TICKET_TEXT];
	size_t waiting_bytes; /* counted as waiting until the relay takes the ticket up */
	/* the relay took the ticket up and waits for the decision's record; NULL: nobody waits
	 */
	struct gate_claim *claim;
	struct exchange_plan plan;
	/* The response's half: the facts that its rules read, the values to restore, and the
	 * guard that the whole response passes through. */
	struct answer_request asked, shadow_asked;
	struct guard_messages messages; /* how MCP messages of the response are read */
	bool has_shadow;     /* the shadow policy has rules on responses and a matching route */
	struct vault *vault; /* values to restore in the response; NULL: none */
	/* gate/kept_placeholders.c: tables to store under ids that the response makes */
	struct exchange_kept {
		bool saves;
		struct span table, holder; /* in `own` */
		size_t looked;		   /* number of ids processed so far */
		struct file_name saved[KEPT_SAVED_MAX];
		/* total count; beyond the array's size, the oldest was overwritten */
		size_t nsaved;
	} kept;
	const struct vault *of_session; /* WebSocket: the session's vault; NULL: none */
	/* form of the response; from FORM_NONE: not translated */
	struct translate_plan translate;
	struct url_lead lead;			 /* guard_plan.lead */
	struct span rpc_ids;			 /* dialect_rpc_ids() of the request */
	unsigned char session_key[SHA256_BYTES]; /* request_session_key(), if plan.sessions */
	/* engine/exchange.c, engine/attempts.c: the gateway's credential in the plan's head. */
	struct {
		unsigned generation; /* version of the credential that the head contains */
		bool mended;	     /* the provider refused it, and a newer one may be used */
	} credential;
	/* engine/on_behalf.c: the caller's token at a provider with `exchange` */
	struct on_behalf {
		/* the caller's own token, in the plan's arena, and its end in wall seconds (0:
		 * never); empty: this provider needs none */
		struct span token;
		int64_t expires_s;
		struct caller_ask *ask; /* in flight; NULL: none */
		void (*then)(struct exchange *x);
		const struct caller_token_facts *facts; /* of the token that is sent; NULL: none */
	} on_behalf;
	bool hide_usage; /* the caller did not ask for usage: remove it */
	bool may_reason; /* the model may reason without showing it */
	bool asks_stream; /* the request asks for a stream */
	uint64_t responses; /* number of responses that are generated at the same time */
	/* the response only acknowledges the request, and the result is fetched later */
	bool made_later;
	bool https;	   /* the caller reached the gateway by https */
	bool lists_models; /* list of models: the caller sees those that the rules permit */
	/* engine/attempts.c; NULL: there is only one attempt. With it, `plan` and `asked` point
	 * into `own`. */
	struct attempts *tries;
	struct arena own;
	enum attempt_said said;
	enum refusal refusal; /* without `tries`: the kind of the error response */
	struct guard *guard;
	struct { /* engine/answer.c: the response's sounds are being transcribed */
		void (*back)(void *arg); /* NULL: no */
		void *arg;
		bool waits;
	} hearing;
	struct session *session; /* WebSocket: engine/session.c; NULL: none */
	/* WebSocket: turns that ended; bytes of base64 audio and pictures from and to the
	 * client */
	struct {
		uint64_t turns, media_in, media_out;
		uint64_t redactions;		/* redactions in messages that belong to no
						 * response */
		struct messages_joined *joined; /* belongs to the session */
	} socket;
	/* the entry in the table of open requests; NULL: not sent, or over */
	struct provider_entry *provider;
	uint64_t sent_us; /* monotonic; 0: not sent */
	struct awaited_request awaited; /* listed while no byte of a response has arrived */
	/* waiting for an identical request: engine/together.c has the picture */
	struct together {
		enum together_life {
			TOGETHER_NONE,
			/* asks Redis whether it may send the request for all daemons */
			TOGETHER_ASKS,
			/* looks in the cache, because the request that it waited for has ended
			 */
			TOGETHER_LOOKS,
			/* sends the request, and holds the claim in Redis */
			TOGETHER_LEADS,
			TOGETHER_LEADS_HERE,  /* sends the request for this daemon only */
			TOGETHER_FOLLOWS,     /* waits for a request of this daemon */
			TOGETHER_FOLLOWS_AWAY /* waits for a request of another daemon */
		} life;
		TAILQ_ENTRY(exchange) of_all; /* gate.together */
		/* the requests of this daemon that wait for this one */
		struct cache_flight flight;
		uint64_t follows; /* id of the leader in this daemon */
		/* monotonic: begin and end of the wait (0: none), next look or renewal */
		uint64_t since_us, until_us, next_us;
		int64_t claim;	 /* content of its key in Redis */
		unsigned rounds; /* requests waited for so far */
		/* the leaders failed: continues if the caller's retry budget allows */
		bool draws;
		/* called when the wait ends; NULL: not waiting */
		void (*then)(struct exchange *x);
		/* called when engine/together.c has looked for a similar request */
		void (*meant)(struct exchange *x, bool found);
		/* the prompt's vector, 32-bit floats: engine/together.c; empty: none */
		struct buf vector;
	} together;
	struct join *join; /* engine/join.c: several MCP servers are asked; NULL: none */
	struct { /* engine/gate.c: work on a helper thread */
		struct work work;
		struct mail back;
		void (*run)(void *arg);
		void (*done)(void *arg);
		void *arg;
		bool out; /* the guard belongs to a helper */
	} aside;
	/* BODY_COPY: hash of what is forwarded, which must equal the decided body's */
	struct sha256 hmac;
	/* Set by gate_body() and gate_refuse(). */
	void (*verdict)(void *arg, const struct exchange_denial *denial);
	void *verdict_arg;
	struct exchange_denial denial;
	/* delivers the verdict from the worker's mailbox */
	struct mail later;
	/* Set by gate_finish(): the source of the usage. */
	enum used_by {
		USED_NOT_SENT, /* nothing was sent */
		USED_NOTHING,  /* sent, but no tokens were used */
		USED_SAID,     /* reported by the provider */
		USED_SEEN,     /* counted from what was seen, at most */
		USED_RESERVED, /* unknown: the reservation is charged */
	} used_by;
	struct usage used;
	/* the cost of USED_SAID; cached, because metrics, limits and record all ask */
	struct {
		bool known, priced;
		struct priced of;
	} cost;
	struct exchange_result result;
	void (*done)(void *arg, int err);
	void *done_arg;
};

/* Corrections of counters when a reservation becomes the amount used: limits/dims.c. */
enum { CORRECTIONS_MAX = 2 * QUOTA_DIMS_MAX };

/* ---- engine/attempts.c: a request that may be sent to a provider more than once. The relay
 * reports how an attempt ended. The engine settles that attempt and chooses what is next; for
 * another target the steps run again from *policy* on. ---- */

enum { ATTEMPT_TARGET_BYTES = 160 };

/* An attempt that was begun, as records list it. */
struct attempt {
	char target[ATTEMPT_TARGET_BYTES]; /* PROVIDER/MODEL, printable */
	const struct target *to;
	enum attempt_cause cause;
	uint64_t begun_us, took_us;
	uint64_t asked_us; /* wait in µs that its error response asks for; 0: none */
	enum attempt_refused refused;
	int status; /* the provider's; 0: none */
	uint64_t tokens, nanousd;
	bool priced;	   /* nanousd is valid */
	bool maybe_billed; /* the attempt's cost is unknown, so its reservation stays charged */
};

/* The life of a request with attempts:
 *
 *    UNDER_WAY ──(gate_again: none is next)──────────────────────────→ STANDS
 *        │ ↑                                                             ↑
 *        │ └──(its plan is made)── BETWEEN ──(the steps refuse it)───────┤
 *        └──────(gate_again)──────────↑                                  │
 *        └──────(gate_stands: its first content)─────────────────────────┘
 *
 * owner: the exchange. */
struct attempts {
	struct tag tag;
	struct exchange *x;
	enum attempts_life {
		/* an attempt is in progress; the data for a further one is kept */
		ATTEMPTS_UNDER_WAY,
		ATTEMPTS_BETWEEN, /* v[n - 1] is settled; the steps run for the next one */
		ATTEMPTS_STANDS	  /* v[n - 1] is the last one */
	} life;
	struct attempt v[RETRY_ATTEMPTS_MAX];
	/* the attempts of `v` in the form that targets_next() reads */
	struct next_attempt tried[RETRY_ATTEMPTS_MAX];
	unsigned n; /* attempts begun */
	uint64_t begun_us;
	/* bits by target: usable, but not while the same target is tried again */
	uint16_t kept_back;
	bool settled; /* v[n - 1] is settled */
	bool free;    /* v[n - 1] certainly cost nothing, and another target is next */
	bool let_go;  /* an attempt reached a provider, or may have */
	/* charges of settled attempts that no record holds yet: items of a JSON list */
	struct buf charges;
	size_t held; /* bytes of exchange.own counted as held */
	/* The results of the steps for v[n - 1], while the steps run for another target */
	struct {
		struct request_found found;
		struct decision decision;
		struct span model, asked_model;
	} was;
	/* gives the relay its next action */
	void (*next)(void *arg, enum again what);
	void *next_arg;
	enum again last; /* the reply to the relay if no target is left */
	/* why there is no further attempt; NULL: v[n - 1] did not fail */
	const char *no_further;
	ev_timer pause; /* runs before the same target is tried again */
};

#endif
