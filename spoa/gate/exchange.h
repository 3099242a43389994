/* A decided (or deferred) request on its way through the relay. Private to
 * gate/. One allocation, owned by its request. */
#ifndef GATE_EXCHANGE_H
#define GATE_EXCHANGE_H

#include "answer/guard/guard.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "base/tag.h"
#include "budget/quota/quota_cell.h"
#include "gate/gate_private.h"
#include "gate/targets/next.h"
#include "policy/prices.h"

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
	struct span rpc_ids; /* dialect_rpc_ids() of the request */
	unsigned char session_key[SHA256_BYTES]; /* request_session_key(), of plan.sessions */
	struct { /* of ours, in the plan's head */
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
	struct provider_entry *provider; /* under way there; NULL: not, or over */
	uint64_t sent_us;
	struct { /* gate/offload.c */
		struct work work;
		struct mail back;
		void (*run)(void *arg);
		void (*done)(void *arg);
		void *arg;
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

/* Makes the exchange of a request whose decision goes via relay, issues its
 * ticket, and lets go of the SPOP frame. 0, ERR_NOMEM, ERR_FULL, ERR_LIMIT. */
int exchange_open(struct request *r);
void exchange_free(struct request *r);
/* The decision's record is durable, or will not be in time (err): a claim that waits for it
 * goes on. The request may be another worker's then. */
void exchange_recorded(struct request *r, int err);
/* Nobody came for the ticket in time: it expired, and its caller answers for it. */
void exchange_uncollected(struct ticket *t, uint64_t now_us);
/* The completion record came back (err: its last byte must not be sent). */
void exchange_completed(struct request *r, int err);
/* The same from the worker's mailbox, where no audit is configured. */
void exchange_completed_later(struct request *r);
/* gate_finish came while a step was pending: true where it goes on from here. */
bool exchange_finish_late(struct request *r);

/* gate/answer.c: what is known of the request when its answer is read, in the arena that stays.
 * 0 or ERR_NOMEM. */
int exchange_expect(struct request *r, struct exchange *x, struct arena *own);

/* gate/used.c: the provider's part is over: counts what came of it. */
void exchange_answered(struct exchange *x);
/* The same of an attempt that another follows: the request is still under way. */
void exchange_attempted(struct exchange *x);
void exchange_left(struct exchange *x);

/* gate/used.c: who says what it used, and *u where it is known or estimated. */
enum used_by exchange_used(
	const struct request *r, const struct exchange_result *res, struct usage *u);

/* gate/limits/settle.c: what was reserved becomes what was used. How many corrections of the
 * counters that takes: they are sent after the completion was handed to the audit thread. */
enum { CORRECTIONS_MAX = 2 * QUOTA_DIMS_MAX };
size_t exchange_settle(struct request *r, struct change out[CORRECTIONS_MAX]);
/* gate/limits/calls.c */
/* An attempt's answer begins: what the one before it let go is not made. */
void limits_answer_begins(struct request *r);
/* `arg` is found.calls: the call goes, and takes one of what was left (NULL), or why it does
 * not. On any thread, one at a time. */
const char *limits_may_call(void *arg, struct span name);
/* One that goes unasked. */
void limits_called(struct request *r, struct span name);
/* What was let go counts, at the answer's end. */
void limits_count_calls(struct request *r);
void limits_free_calls(struct request *r);

/* gate/head.c: the head to send upstream. 0 or ERR_NOMEM. */
int exchange_head(struct request *r, struct arena *a, struct http_head *out);
/* True where a header that is not of the list holds the credential that verified, or a key of
 * ours, or names another method or path: HAProxy's rules do not look for these. */
bool head_must_change(struct request *r);

/* ---- attempts.c: a request that may go to a provider more than once (design section 10). The relay
 * says how an attempt ended; it is settled, what is next is asked, and the steps run again for it
 * from *policy* on. ---- */

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
	enum {
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
	bool settled;  /* v[n - 1] is */
	bool free;     /* v[n - 1] is certain to have cost nothing, and another target is next */
	bool let_go;   /* one of them reached a provider, or may have */
	struct buf charges; /* of settled ones that no record holds yet: texts of a list */
	size_t held;   /* bytes of exchange.own that are held */
	/* what the steps said for v[n - 1], while they run for another */
	struct {
		struct request_found found;
		struct decision decision;
		struct span model, asked_model;
	} was;
	void (*next)(void *arg, enum again what);
	void *next_arg;
	enum again last; /* what is said where there is no other */
	const char *no_further; /* and why there is none; NULL: v[n - 1] did not fail */
	ev_timer pause;	 /* before the same target again */
};

/* Its decision went to the relay: makes x->tries, and the plan of the first attempt, where
 * request_repeats(). 0, ERR_NOMEM or ERR_LIMIT. */
int attempts_open(struct request *r, struct exchange *x);
/* gate_finish() came: nothing is begun any more, and what was said for an attempt that was not
 * is forgotten. */
void attempts_stop(struct exchange *x);
/* The relay refuses the request before anything of its first plan went: there was no attempt.
 */
void attempts_none(struct exchange *x);
/* Its exchange ends: what was said for the last one that was made holds. */
void attempts_over(struct exchange *x);
/* How the last one ended; its use, as exchange_used() said it, may be put right. */
void attempts_ended(struct exchange *x);
void attempts_free(struct exchange *x);

/* gate/limits/settle.c: what the attempt took of limits of tokens and money, by x->used_by, and the
 * charge as text to *said; what counts requests stays. How many corrections. */
size_t exchange_settle_attempt(
	struct request *r, struct buf *said, struct change out[CORRECTIONS_MAX]);
/* gate/limits/settle.c: tokens and dollars that x->used_by means. */
void exchange_took(struct request *r, struct attempt *a);
/* gate/limits/fall.c: what the steps made for one target is made anew, for another. */
void request_forget_target(struct request *r);

#endif
