/* The gate of one worker, as its own files see it. */
#ifndef GATE_GATE_PRIVATE_H
#define GATE_GATE_PRIVATE_H

#include "base/clock.h"
#include "base/tag.h"
#include "base/tokens/estimate.h"
#include "budget/tally/tally.h"
#include "gate/changes/live.h"
#include "gate/gate.h"
#include "gate/hold.h"
#include "gate/request.h"
#include "gate/sources/data.h"
#include "gate/sources/pins.h"
#include "gate/targets/state.h"
#include "gate/ticket.h"

enum { WARNED = 4096, LEARNED = 4096, PROVIDER_LINES = 256 };

/* gate/limits/learned.c */
struct learned_place {
	uint64_t key;
	uint64_t tokens; /* that most answers stay under */
	unsigned samples;
};

/* What all gates of the daemon share. Set up by main before any worker runs. */
struct gate_shared {
	const struct config *cfg; /* of start-up: listeners, deadlines, node */
	struct audit *audit;	  /* NULL: no audit section */
	struct live *live;	  /* keys and overrides made at run time; NULL: no state_key */
	struct holds holds;	  /* bytes held */
	struct gate *gates[256];
	unsigned ngates;
	unsigned char prompt_key[32];  /* for keyed hashes of prompts */
	unsigned char session_key[32]; /* for ids of sessions of MCP */
	struct nonce_window *nonces;   /* of signed headers */
	/* callers near a limit that were warned of: gate/limits/warn.c */
	_Atomic uint64_t warned[WARNED], warned_lines;
	_Atomic uint64_t provider_lines[PROVIDER_LINES]; /* gate/used.c */
	struct token_learned learned;			 /* how far estimates were off */
	struct target_table *targets;			 /* how each of them does */
	struct pin_table *pins;				 /* what belongs to which */
	struct tool_pins *tool_pins;			 /* of MCP servers; NULL: none */
	struct pool *helpers;		/* threads for long bodies; NULL: workers take turns */
	_Atomic uint64_t work_until_us; /* gate_hurry(); 0: it goes on */
	bool tells;			/* records have notes: record/audit/note.h */
};

struct gate {
	struct tag tag;
	struct ev_loop *loop;
	unsigned worker;
	struct gate_shared *shared;
	struct snapshot *snap; /* the one in force for new requests */
	struct metrics *metrics;
	struct quota *quota;
	struct recognisers *recognisers;
	struct data_cache *data;
	struct pins pins;
	struct mailbox *mail; /* this worker's */
	struct tickets tickets;
	struct learned_place learned[LEARNED];
	TAILQ_HEAD(, request) parked; /* answered through the agent, waiting; oldest first */
	_Atomic size_t alive;	      /* requests and exchanges that still hold memory */
	ev_timer tick;		      /* every 10 ms while something waits: see gate_tick() */
	struct request *turns, **turns_end; /* long classifications, one piece a turn */
	ev_timer turn;
	struct tallies tally; /* what it decided, for /metrics and top */
};

/* used.c: counts for the rule that decided, and for one in shadow that would have. */
void gate_rules_did(const struct request *r, const char *rule);

/* Something waits that has a deadline: a request, a ticket, or what a recogniser is asked. */
void gate_tick(struct gate *g);
/* Runs the steps from r->run.step until one waits or the decision is made. */
void gate_run(struct request *r);
/* Tokens that the provider reported, by route, provider and model. */
struct guard_report;
struct span request_provider(const struct request *r);
void gate_count_answer(struct request *r, const struct guard_report *a);
void gate_count_tokens(struct request *r, const struct usage *u);
/* The time of the stages counts from now: the relay brought the body. */
static inline void
gate_stages_begin(struct request *r)
{
	r->run.stage_us = r->run.run_us = clock_mono_us();
}
/* The newest request that took so long of those whose trace its caller keeps: another's leads
 * nowhere. */
static inline void
gate_exemplar(const struct request *r, struct exemplars *e, uint64_t us_or_ms)
{
	if (r->found.trace[0] && trace_sampled(r->found.trace))
		exemplar_put(e, us_or_ms, r->found.trace + TRACE_ID_AT, r->id,
			r->now_wall_ns / 1000000);
}
/* The step under way ended so: a denial skips what is left but the record. */
void gate_advance(struct request *r, enum step_result s);
/* Who took up the ticket waits for the decision's record, no longer than the agent would. */
void gate_await_record(struct request *r);
/* It came back after the ACK. */
void gate_recorded(struct request *r, int err);
/* One that was pending is back: the step goes on, or, after the verdict, what it brought
 * is put right. The request may be gone then. */
void request_back(struct request *r);
/* gate/offload.c: the next step is for a helper thread; and there it goes: nothing of the
 * request may be touched after that. */
bool offload_wanted(const struct request *r);
void offload_step(struct request *r);
/* A NOTIFY's compressed body is the relay's to bring again where it is long. */
bool offload_leaves(const struct request *r);
/* On a helper thread: nobody waits for what the step finds out. */
bool offload_pointless(const struct request *r);
/* A step's turn is over after 10 ms, looked at every 32 KB of work; the step goes on
 * in a later turn of the loop. On a helper thread it is over when the work is pointless. */
struct turn {
	uint64_t began_us;
	size_t work; /* bytes since the clock was read */
};
struct turn turn_begin(const struct request *r);
bool turn_over(const struct request *r, struct turn *t, size_t work);
enum step_result turn_next(struct request *r);
void turn_due(struct ev_loop *loop, ev_timer *w, int revents);
/* Frees a request whose verdict was given and whose entries came back. */
void gate_request_end(struct request *r);
static inline const struct config *
gate_cfg(const struct gate *g)
{
	return g->shared->cfg;
}

/* Nobody waits for the verdict any more, or another was given: what the steps
 * still bring is undone. `why`: a fixed phrase for the record. */
void request_withdraw(struct request *r, const char *why);
/* A pending answer came after the verdict. */
void request_late(struct request *r);
/* Bytes held for this request; false: over a cap. */
bool request_hold(struct request *r, size_t n);
void request_unhold(struct request *r, size_t n);
/* Once the caller is known: what is held counts for it too. Decides a 503 where that is
 * too much, or where too many tickets of its were never taken up. */
enum step_result request_hold_identity(struct request *r);
/* What decoding, reading and rewriting took, on top of what arrived: held until
 * request_unhold_work(), when the arena goes. A small compressed body, or one of a million
 * keys, may need far more than its own size. Decides a 503 where that is too much. */
enum step_result request_hold_work(struct request *r);
void request_unhold_work(struct request *r);
/* The denial as status, document and header lines, in the caller's dialect. */
void request_denial(struct request *r, struct exchange_denial *out);
/* "x-tollgate-…: …\r\n" lines for the edge to turn into variables. */
struct span request_fields(struct request *r);
/* Of them those that say which attempt answered. */
struct span request_attempt_fields(struct request *r);

/* vars.c: the variables of a verdict (prefix txn.tollgate.), one table for both ways they
 * travel: SPOP actions, and response header fields from the relay. */
enum { VARS_MAX = 33 };

struct var {
	const char *name;  /* of the variable */
	const char *field; /* x-tollgate-FIELD; NULL: not sent that way */
	bool is_int;
	int64_t i;
	struct span s; /* printable, within CAP_VAR_BYTES; `error` and `challenge` within their
			  own caps */
};

/* In order of importance: what does not fit an ACK is dropped from the end. */
size_t request_vars(struct request *r, struct var out[VARS_MAX]);

#endif
