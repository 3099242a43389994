/* A decided (or deferred) request on its way through the relay. Private to
 * gate/. One allocation, owned by its request. */
#ifndef GATE_EXCHANGE_H
#define GATE_EXCHANGE_H

#include "answer/guard/guard.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "base/tag.h"
#include "budget/quota/quota_cell.h"
#include "gate/cache/cache.h"
#include "gate/gate_private.h"
#include "gate/targets/next.h"
#include "policy/prices.h"

enum { KEPT_SAVED_MAX = 2 * OWNED_MAX };

struct exchange {
	struct tag tag;
	struct request *r;
	struct ticket ticket;
	char ticket_text[TICKET_TEXT];
	size_t waiting_bytes;	  /* held until the ticket is taken up */
	struct gate_claim *claim; /* took the ticket up, waits for the decision's record */
	struct exchange_plan plan;
	/* the answer's half: what its rules read of the request, what is put back, and the
	 * guard that all of it goes through */
	struct answer_request asked, shadow_asked;
	struct guard_messages messages; /* how its messages of MCP are read */
	bool has_shadow; /* the shadow policy has rules on answers, and a route for it */
	struct vault *vault;
	struct exchange_kept { /* gate/kept_placeholders.c: what the names that it makes go on with */
		bool saves;
		struct span table, holder; /* in `own` */
		size_t looked;		   /* at so many names */
		struct file_name saved[KEPT_SAVED_MAX];
		size_t nsaved; /* all; beyond the room the oldest was overwritten */
	} kept;
	const struct vault *of_session; /* of a WebSocket: its session's; NULL: none */
	struct translate_plan translate;	 /* of its answer; from FORM_NONE: none */
	struct span rpc_ids;			 /* dialect_rpc_ids() of the request */
	unsigned char session_key[SHA256_BYTES]; /* request_session_key(), of plan.sessions */
	struct {				 /* of ours, in the plan's head */
		unsigned generation;
		bool mended; /* the provider refused it, and another may be taken */
	} credential;
	bool hide_usage;
	bool may_reason;   /* the model, where nobody sees it */
	bool made_later;   /* the answer only says that the request is taken on */
	bool lists_models; /* of which the caller sees those that the rules permit */
	/* of attempts.c; NULL: there is one. With them `plan` and `asked` point into `own`. */
	struct attempts *tries;
	struct arena own;
	enum attempt_said said;
	struct guard *guard;
	struct session *session; /* of a WebSocket: engine/session.c */
	struct { /* of it: turns that ended; audio and pictures, as base64, from the client, to it */
		uint64_t turns, media_in, media_out;
		uint64_t redactions; /* outside of any answer */
		struct messages_joined *joined; /* the session's */
	} socket;
	struct provider_entry *provider; /* under way there; NULL: not, or over */
	uint64_t sent_us;
	struct together { /* gate/engine/together.c */
		enum together_life {
			TOGETHER_NONE,
			TOGETHER_ASKS,	      /* Redis, whether it may ask the model for all */
			TOGETHER_LOOKS,	      /* the one that it waited for has ended */
			TOGETHER_LEADS,	      /* it asks the model, and says so in Redis */
			TOGETHER_LEADS_HERE,  /* for this daemon alone */
			TOGETHER_FOLLOWS,     /* waits for one of this daemon */
			TOGETHER_FOLLOWS_AWAY /* for one of another daemon */
		} life;
		TAILQ_ENTRY(exchange) of_all; /* gate.together */
		struct cache_flight flight;   /* others of this daemon wait for this one */
		uint64_t follows, since_us, until_us, next_us;
		int64_t claim;	 /* what its key in Redis holds */
		unsigned rounds; /* that it waited for */
		bool draws;	 /* those failed: it goes on as its caller's budget allows */
		void (*then)(struct exchange *x); /* NULL: it does not wait */
		void (*meant)(struct exchange *x, bool found);
		struct buf vector; /* engine/meaning.c: of its prompt, 32-bit floats; empty:
				      none */
	} together;
	struct { /* gate/engine/offload.c */
		struct work work;
		struct mail back;
		void (*run)(void *arg);
		void (*done)(void *arg);
		void *arg;
		bool out; /* the guard is a helper's */
	} aside;
	struct sha256 hmac; /* BODY_COPY: of what passes, to equal the decided body's */
	/* gate_body, gate_refuse */
	void (*verdict)(void *arg, const struct exchange_denial *denial);
	void *verdict_arg;
	struct exchange_denial denial;
	struct mail later;
	/* gate_finish */
	enum used_by {
		USED_NOT_SENT, /* nothing, nor the request */
		USED_NOTHING,  /* no tokens */
		USED_SAID,     /* what the provider says */
		USED_SEEN,     /* what was seen, at most */
		USED_RESERVED, /* nobody knows: what was reserved */
	} used_by;
	struct usage used;
	/* what USED_SAID costs: metrics, limits and record ask */
	struct {
		bool known, priced;
		struct priced of;
	} cost;
	struct exchange_result result;
	void (*done)(void *arg, int err);
	void *done_arg;
};

/* Of counters, where what was reserved becomes what was used: limits/settle.c. */
enum { CORRECTIONS_MAX = 2 * QUOTA_DIMS_MAX };

/* ---- attempts.c: a request that may go to a provider more than once (design section 10). The
 * relay says how an attempt ended; it is settled, what is next is asked, and the steps run
 * again for it from *policy* on. ---- */

enum { ATTEMPT_TARGET_BYTES = 160 };

/* One that was begun, as its record says it. */
struct attempt {
	char target[ATTEMPT_TARGET_BYTES]; /* PROVIDER/MODEL, printable */
	const struct target *to;
	enum attempt_cause cause;
	uint64_t begun_us, took_us;
	uint64_t asked_us; /* the wait that its answer asks for */
	bool our_key;	   /* it names our key or credit */
	int status;
	uint64_t tokens, nanousd;
	bool priced;	   /* nanousd is known */
	bool maybe_billed; /* nobody says what it cost: what was reserved stays */
};

/*    UNDER_WAY ──(gate_again: none is next)──────────────────────────→ STANDS
 *        │ ↑                                                             ↑
 *        │ └──(its plan is made)── BETWEEN ──(the steps refuse it)───────┤
 *        └──────(gate_again)──────────↑                                  │
 *        └──────(gate_stands: its first content)─────────────────────────┘ */
struct attempts {
	struct tag tag;
	struct exchange *x;
	enum attempts_life {
		ATTEMPTS_UNDER_WAY, /* what another would need is kept */
		ATTEMPTS_BETWEEN,   /* v[n - 1] is settled; the steps run for the next one */
		ATTEMPTS_STANDS	    /* v[n - 1] is the last one */
	} life;
	struct attempt v[RETRY_ATTEMPTS_MAX];
	struct next_attempt tried[RETRY_ATTEMPTS_MAX];
	unsigned n;
	uint64_t begun_us;
	uint16_t kept_back; /* targets that are left, but not while the same one is tried again
			     */
	bool settled;	    /* v[n - 1] is */
	bool free;   /* v[n - 1] is certain to have cost nothing, and another target is next */
	bool let_go; /* one of them reached a provider, or may have */
	struct buf charges; /* of settled ones that no record holds yet: texts of a list */
	size_t held;	    /* bytes of exchange.own that are held */
	/* what the steps said for v[n - 1], while they run for another */
	struct {
		struct request_found found;
		struct decision decision;
		struct span model, asked_model;
	} was;
	void (*next)(void *arg, enum again what);
	void *next_arg;
	enum again last;	/* what is said where there is no other */
	const char *no_further; /* and why there is none; NULL: v[n - 1] did not fail */
	ev_timer pause;		/* before the same target again */
};

#endif
