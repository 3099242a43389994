/* A decided (or deferred) request on its way through the relay. Private to
 * gate/. One allocation, owned by its request. */
#ifndef GATE_EXCHANGE_H
#define GATE_EXCHANGE_H

#include "base/pool.h"
#include "base/sha256.h"
#include "base/tag.h"
#include "gate/gate_private.h"
#include "guard/guard.h"
#include "policy/prices.h"
#include "quota/quota_cell.h"

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
	bool has_shadow; /* the shadow policy has rules on answers, and a route for it */
	struct vault *vault;
	struct span rpc_ids; /* dialect_rpc_ids() of the request */
	struct { /* of ours, in the plan's head */
		unsigned generation;
		bool mended; /* the provider refused it, and another may be taken */
	} credential;
	bool hide_usage;
	bool may_reason;   /* the model, where nobody sees it */
	bool made_later;   /* the answer only says that the request is taken on */
	bool lists_models; /* of which the caller sees those that the rules permit */
	/* gate/attempts.h; NULL: there is one. With them `plan` and `asked` point into `own`. */
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

/* limits/settle.c: what was reserved becomes what was used. How many corrections of the
 * counters that takes: they are sent after the completion was handed to the audit thread. */
enum { CORRECTIONS_MAX = 2 * QUOTA_DIMS_MAX };
size_t exchange_settle(struct request *r, struct change out[CORRECTIONS_MAX]);

/* gate/head.c: the head to send upstream. 0 or ERR_NOMEM. */
int exchange_head(struct request *r, struct arena *a, struct http_head *out);
/* True where a header that is not of the list holds the credential that verified, or a key of
 * ours, or names another method or path: HAProxy's rules do not look for these. */
bool head_must_change(struct request *r);

#endif
