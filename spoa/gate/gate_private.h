/* The gate of one worker and what all gates share, as the files of gate/ see them. */
#ifndef GATE_GATE_PRIVATE_H
#define GATE_GATE_PRIVATE_H

#include "base/clock.h"
#include "base/tag.h"
#include "base/tokens/estimate.h"
#include "budget/tally/tally.h"
#include "gate/cache/cache_store.h"
#include "gate/changes/live.h"
#include "gate/plan.h"
#include "gate/hold.h"
#include "gate/request.h"
#include "gate/sources/data.h"
#include "gate/sources/extract.h"
#include "gate/sources/kept.h"
#include "gate/sources/pins.h"
#include "gate/sources/transcribe.h"
#include "gate/targets/state.h"
#include "gate/ticket.h"

enum { WARNED = 4096, LEARNED = 4096, PROVIDER_LINES = 256 };

/* reserve: learned (gate/limits/amendment.c): the lengths of responses to one caller. */
struct learned_place {
	uint64_t key;	  /* hash of route, model and person */
	uint64_t tokens;  /* a length that 19 of 20 responses do not exceed */
	unsigned samples; /* counted up to SAMPLES */
};

/* The objects that all gates of the daemon share. Main sets it up before any worker runs;
 * afterwards only atomics and the objects with locks of their own change. */
struct gate_shared {
	const struct config
		*cfg;	     /* the configuration of the start: listeners, deadlines, node */
	struct audit *audit; /* NULL: no audit section */
	/* keys and overrides made at run time; NULL: no state_key is configured */
	struct live *live;
	struct holds holds;	 /* bytes held for requests */
	struct gate *gates[256]; /* one for each worker */
	unsigned ngates;
	/* monotonic: when a segment short enough for a worker took much work; 0: never */
	_Atomic uint64_t dear_us;
	unsigned char prompt_key[32];	/* key for hashes of prompts */
	unsigned char session_key[32];	/* key for ids of MCP sessions */
	unsigned char probe_secret[32]; /* makes keys for `tollgate check --probe` */
	/* false: no state_key is configured, and no request is a probe */
	bool has_probe_secret;
	struct nonce_window *nonces; /* against replay of signed headers */
	/* gate/limits/warn.c: warnings already given, and log lines in the current second */
	_Atomic uint64_t warned[WARNED], warned_lines;
	/* warnings that the older instance gave before a hand-over: not given again */
	_Atomic uint64_t warned_before[WARNED];
	/* gate/engine/used.c: log lines about providers already written */
	_Atomic uint64_t provider_lines[PROVIDER_LINES];
	struct token_learned learned; /* by how much token estimates differed from the
				       * providers' counts */
	struct target_table *targets; /* health of each target */
	/* the target at which each object (file, batch, …) was made */
	struct pin_table *pins;
	struct cache *cache;	  /* stored responses; NULL: no cache */
	struct cache *memo;	  /* results of searches: gate/memo.h; NULL: memo: off */
	struct kept_tables *kept; /* values behind the placeholders of kept conversations */
	struct shares *shares;	  /* gate/sealing; NULL: no texts are kept */
	struct seals *seals;
	struct texts *texts;
	struct tool_pins *tool_pins; /* tool descriptions of MCP servers; NULL: none */
	/* threads for long bodies; NULL: workers search them in turns */
	struct pool *helpers;
	/* monotonic end of helpers' work: gate_helpers_hurry(); 0: none */
	_Atomic uint64_t work_until_us;
	/* records carry notes for telemetry: record/audit/note.h */
	bool tells;
};

/* One worker's gate. owner: worker; only `alive`, `awaited` and `tally` are read by others. */
struct gate {
	struct tag tag;
	const struct request_calls *calls;
	struct ev_loop *loop;
	unsigned worker;
	struct gate_shared *shared;
	struct snapshot *snap; /* the snapshot in force for new requests */
	struct metrics *metrics;
	struct quota *quota;
	uint64_t over_us; /* monotonic: when a limit in requests last refused; 0: never */
	struct recognizers *recognizers;
	struct data_cache *data;
	struct extractor extractor;
	struct transcribers *transcribers;
	struct pins pins;
	/* client of HAProxy's inner bind, for embeddings; NULL: not needed yet */
	struct http_client *http;
	struct {		   /* failures to get the vector of a prompt */
		unsigned failures; /* failures in a row */
		uint64_t until_us; /* monotonic: no vector is requested before */
	} vectors;
	struct sealer *sealer;		/* NULL: no texts are kept */
	struct cache_store cache_store; /* where responses are stored */
	struct mailbox *mail;		/* this worker's mailbox */
	struct tickets tickets;
	struct learned_place learned[LEARNED];
	TAILQ_HEAD(, exchange)
	together;		      /* exchanges for identical requests: engine/together.c */
	TAILQ_HEAD(, request) parked; /* waiting requests of the agent; oldest first */
	_Atomic size_t alive;	      /* requests and exchanges that still hold memory */
	ev_timer tick;		      /* every 10 ms while something waits: gate_tick() */
	/* requests with WAIT_TURN, which work one turn at a time */
	struct request *turns, **turns_end;
	/* runs the first of `turns` */
	ev_timer turn;
	struct awaited *awaited; /* requests for which a provider has not begun to respond */
	struct tallies tally; /* counts of decisions, for /metrics and `tollgate top` */
};

struct guard_report;
/* Starts the clock of the stages: the relay has brought the body. */
static inline void
gate_stages_begin(struct request *r)
{
	r->run.stage_us = r->run.run_us = clock_mono_us();
}
/* Remembers the request as an example for a histogram's bucket, if the caller's trace is
 * sampled: another trace would lead nowhere. */
static inline void
gate_exemplar(const struct request *r, struct exemplars *e, uint64_t us_or_ms)
{
	if (r->found.trace[0] && trace_sampled(r->found.trace))
		exemplar_put(e, us_or_ms, r->found.trace + TRACE_ID_AT, r->id,
			r->now_wall_ns / 1000000);
}
/* Returns true if a long compressed body of an agent's frame is left for the relay to send
 * again. */
bool offload_leaves(const struct request *r);
/* Returns how long a body may be for the worker to search it itself, in bytes: CAP_INLINE_DEAR
 * for a minute after a segment took much work, else CAP_INLINE_BODY. */
size_t request_inline_most(const struct request *r);
/* Notes that a segment of n bytes took so many units of work. Any thread. */
void request_text_took(const struct request *r, size_t n, uint64_t units);
/* For effort_watch(), on a helper thread: `request` is a struct request. Returns true if its
 * result is no longer wanted, or the daemon stops and the last 0.1 s is over. */
bool offload_over(const void *request);
/* A turn of a step that works long. On a worker a turn is over after 10 ms, checked every 32 KB
 * of work; turn_next() makes the step continue in a later iteration of the loop. On a helper
 * thread a turn is over if offload_over(). */
struct turn {
	uint64_t began_us;
	size_t work; /* bytes since the clock was last read */
};
/* Begins a turn. */
struct turn turn_begin(const struct request *r);
/* Adds `work` bytes. Returns true if the turn is over. */
bool turn_over(const struct request *r, struct turn *t, size_t work);
/* Queues the request for another turn. Returns STEP_WAIT. */
enum step_result turn_next(struct request *r);
/* Runs the first request of gate.turns: the callback of gate.turn. */
void turn_due(struct ev_loop *loop, ev_timer *w, int revents);
static inline const struct config *
gate_cfg(const struct gate *g)
{
	return g->shared->cfg;
}

/* Counts n bytes as held for this request. Returns false if a limit is reached; then nothing
 * was counted. */
bool request_hold(struct request *r, size_t n);
/* Counts n bytes less. */
void request_unhold(struct request *r, size_t n);
/* Once the caller is known, counts what is held for the caller too. Denies with 503 if that
 * exceeds the caller's limit, or if too many of the caller's tickets expired. */
enum step_result request_hold_identity(struct request *r);
/* Counts the memory that decoding, reading and rewriting took besides the received bytes, until
 * request_unhold_work(). A small compressed body, or one with a million keys, may need far more
 * than its own size. Denies with 503 if a limit is reached. */
enum step_result request_hold_work(struct request *r);
void request_unhold_work(struct request *r);

/* tried.c: returns 1, or more if the caller's SDK states that it repeats a request. */
unsigned request_attempt(const struct request *r);

#endif
