/* The attempts of a request that may go to a provider more than once (design section 10). The
 * relay says how one ended; here it is settled, what is next is asked, and the steps run again
 * for it from *policy* on. Private to gate/, limits/ and steps/. owner: worker. */
#ifndef GATE_ATTEMPTS_H
#define GATE_ATTEMPTS_H

#include "gate/exchange.h"
#include "targets/next.h"

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
	bool settled;  /* v[n - 1] is */
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
	ev_timer pause;	 /* before the same target again */
};

/* Its decision went to the relay: makes x->tries, and the plan of the first attempt, where
 * request_repeats(). 0, ERR_NOMEM or ERR_LIMIT. */
int attempts_open(struct request *r, struct exchange *x);
/* gate_finish() came: nothing is begun any more, and what was said for an attempt that was not
 * is forgotten. */
void attempts_stop(struct exchange *x);
/* Its exchange ends: what was said for the last one that was made holds. */
void attempts_over(struct exchange *x);
/* How the last one ended; its use, as exchange_used() said it, may be put right. */
void attempts_ended(struct exchange *x);
void attempts_free(struct exchange *x);

/* limits/settle.c: what the attempt took of limits of tokens and money, by x->used_by, and the
 * charge as text to *said; what counts requests stays. How many corrections. */
size_t exchange_settle_attempt(
	struct request *r, struct buf *said, struct change out[CORRECTIONS_MAX]);
/* limits/settle.c: tokens and dollars that x->used_by means. */
void exchange_took(struct request *r, struct attempt *a);
/* steps/again.c: what the steps made for one target is made anew, for another. */
void request_forget_target(struct request *r);

#endif
