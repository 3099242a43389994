/* The gate of one worker, as its own files see it. */
#ifndef GATE_GATE_PRIVATE_H
#define GATE_GATE_PRIVATE_H

#include "base/clock.h"
#include "base/tag.h"
#include "base/tokens/estimate.h"
#include "budget/tally/tally.h"
#include "gate/changes/live.h"
#include "gate/plan.h"
#include "gate/hold.h"
#include "gate/request.h"
#include "gate/sources/data.h"
#include "gate/sources/extract.h"
#include "gate/sources/kept.h"
#include "gate/sources/pins.h"
#include "gate/targets/state.h"
#include "gate/ticket.h"

enum { WARNED = 4096, LEARNED = 4096, PROVIDER_LINES = 256 };

/* gate/limits/amendment.c */
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
	_Atomic uint64_t dear_us;      /* monotonic: when a text that a worker may have read was dear; 0: never */
	unsigned char prompt_key[32];  /* for keyed hashes of prompts */
	unsigned char session_key[32]; /* for ids of sessions of MCP */
	unsigned char probe_secret[32]; /* makes keys of probes */
	bool has_probe_secret;		/* false: no state_key, no request is a probe */
	struct nonce_window *nonces;   /* of signed headers */
	/* callers near a limit that were warned of: gate/limits/warn.c */
	_Atomic uint64_t warned[WARNED], warned_lines;
	_Atomic uint64_t provider_lines[PROVIDER_LINES]; /* gate/engine/used.c */
	struct token_learned learned;			 /* how far estimates were off */
	struct target_table *targets;			 /* how each of them does */
	struct pin_table *pins;				 /* what belongs to which */
	struct cache *cache;				 /* of answers; NULL: none */
	struct kept_tables *kept; /* what placeholders of kept conversations stand for */
	struct shares *shares; /* gate/sealing; NULL: no texts are kept */
	struct seals *seals;
	struct texts *texts;
	struct tool_pins *tool_pins;	/* of MCP servers; NULL: none */
	struct pool *helpers;		/* threads for long bodies; NULL: workers take turns */
	_Atomic uint64_t work_until_us; /* gate_hurry(); 0: it goes on */
	bool tells;			/* records have notes: record/audit/note.h */
};

struct gate {
	struct tag tag;
	const struct request_calls *calls;
	struct ev_loop *loop;
	unsigned worker;
	struct gate_shared *shared;
	struct snapshot *snap; /* the one in force for new requests */
	struct metrics *metrics;
	struct quota *quota;
	uint64_t over_us; /* monotonic: when a limit of requests last refused; 0: never */
	struct recognizers *recognizers;
	struct data_cache *data;
	struct extractor extractor;
	struct pins pins;
	struct http_client
		*http; /* to HAProxy's inner bind, for embeddings; NULL: not needed yet */
	struct {
		unsigned failures; /* in a row */
		uint64_t until_us; /* nobody is asked before */
	} vectors;
	struct sealer *sealer;	   /* NULL: no texts are kept */
	struct redis *cache_redis; /* where answers are kept; NULL: in shared->cache */
	struct mailbox *mail;	   /* this worker's */
	struct tickets tickets;
	struct learned_place learned[LEARNED];
	TAILQ_HEAD(, exchange) together; /* of requests that are the same: engine/together.c */
	TAILQ_HEAD(, request) parked;	 /* answered through the agent, waiting; oldest first */
	_Atomic size_t alive;		 /* requests and exchanges that still hold memory */
	ev_timer tick; /* every 10 ms while something waits: see gate_tick() */
	struct request *turns, **turns_end; /* long classifications, one piece a turn */
	ev_timer turn;
	struct tallies tally; /* what it decided, for /metrics and top */
};

/* Tokens that the provider reported, by route, provider and model. */
struct guard_report;
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
/* A NOTIFY's compressed body is the relay's to bring again where it is long. */
bool offload_leaves(const struct request *r);
/* How long a body may be that a worker looks at itself: less for a minute after a text was dear. */
size_t request_inline_most(const struct request *r);
/* A text of n bytes was searched with so many units of work. On any thread. */
void request_text_took(const struct request *r, size_t n, uint64_t units);
/* `request`: or the daemon stops, and gave it a last tenth of a second. For effort_watch(). */
bool offload_over(const void *request);
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
static inline const struct config *
gate_cfg(const struct gate *g)
{
	return g->shared->cfg;
}

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

/* attempt.c: 1, or more where the caller's SDK says that it repeats a request. */
unsigned request_attempt(const struct request *r);

#endif
