/* What is known of each target (provider, model): how soon it answers, what it has under way,
 * whether it fails. One table of the process: every worker reads and writes it, by atomics; no
 * lock, nothing is ever freed. Time is given: monotonic microseconds, never 0. What happens to
 * an attempt is told by the calls under "an attempt"; gate/targets/rank.h and next.h read the rest.
 *
 * A target is in one of these:
 *
 *               failures in a row of half its callers
 *     closed ───────────────────────────────────────────► open ◄──────────┐
 *       ▲  ▲                                                │ its time    │ the probe fails
 *       │  └── ramp: ten seconds of a growing share         ▼             │
 *       └───────── two probes come through ───────────── half open ───────┘
 *
 * Besides: throttled (for as long as it asked), out (our key or credit: a probe each minute),
 * ejected (somebody said so).
 *
 * What one caller's requests cause counts for him: a target is open or throttled for all where
 * at least two callers, and half of those it heard of in ten seconds, ended on a failure. Where
 * one is all there is it is so for him alone (callers.c). What no caller can cause counts at
 * once. */
#ifndef GATE_TARGETS_STATE_H
#define GATE_TARGETS_STATE_H

#include "base/buf.h"
#include "policy/policy.h"

/* Prompt tokens up to which a request counts as of that size. */
enum target_size { TARGET_SMALL, TARGET_MIDDLE, TARGET_LARGE, TARGET_SIZES };
enum target_size target_size(int64_t prompt_tokens);

enum {
	TARGET_WINDOW_S = 10,	  /* failures and repeats count for so long */
	TARGET_WINDOW_LEAST = 20, /* attempts of it before half of them failed means anything */
	TARGET_PROBES = 2,	  /* in a row that close it */
	TARGET_BUDGET_LEAST = 3,  /* repeats in a window, besides those that open a breaker */
	TARGET_BUDGET_SHARE = 5,  /* one in so many first attempts */
	TARGET_NAME_BYTES = 160,  /* longer ones have no entry of their own */
};
#define TARGET_RAMP_US	      10000000
#define TARGET_OPEN_MOST_US   300000000
#define TARGET_THROTTLED_US   60000000 /* at most, whatever it asks */
#define TARGET_KEY_PROBE_US   60000000
#define TARGET_PROBE_LEASE_US 30000000	/* a probe of which nothing is heard is given up */
#define TARGET_SHARE_US	      1000000	/* so often daemons tell each other: gate/targets/share.h */
#define TARGET_EARLY_US	      1000000	/* after a probe before its time that failed */
#define TARGET_LACKS_US	      300000000 /* a model that is not there is not asked for there */
#define TARGET_UNKNOWN_US     1000000	/* first content of one that was never asked */
#define TARGET_FIRST_BYTE_US                                                                   \
	60000000 /* what a failure counts as where the route bounds none                       \
		  */

struct target_table;
struct target_state;

struct target_table *target_table_new(void); /* NULL: out of memory */
void target_table_free(struct target_table **t);
/* The entry of provider and model (NULL or "": none of its own), made where it is not there.
 * Any thread. Beyond CAP_TARGETS all further ones are one entry, which is never out. */
struct target_state *target_state(
	struct target_table *t, const char *provider, const char *model);
static inline struct target_state *
target_state_of(struct target_table *t, const struct target *of)
{
	return target_state(t, of->name, of->model);
}
/* PROVIDER or PROVIDER/MODEL. */
const char *target_name(const struct target_state *s);

/* ---- an attempt ---- */

/* One attempt at a target, the caller's memory; zeros: none. */
struct target_attempt {
	struct target_state *of; /* NULL: not under way */
	uint64_t probe_us;	 /* it is a probe, whose lease ends then; 0: it is none */
	uint32_t caller;
	bool heard, breaks; /* its content came; its target has a breaker */
	bool quiet; /* tells nothing of the model, whatever its end: counts tokens, lists, was sent
		       with what of ours is mended since */
	unsigned failures;
	uint64_t open_us;
};

/* What a target had of one caller in the window, or the other targets of a route together. */
struct target_load {
	uint64_t first, repeats; /* attempts that are a request's first one, and others */
	unsigned failures;	 /* the most that a breaker of the route waits for */
};
struct target_load target_load(const struct target_state *s, uint32_t caller, uint64_t now_us);

/* Who asks, and what for. */
struct target_asks {
	uint32_t caller; /* a hash of who it is: of a person, whatever his keys; 0: nobody */
	/* of the route's other targets, since repeats are a fifth of his first attempts at all
	   of them; NULL: it is a first attempt */
	const struct target_load *beside;
	bool free; /* the attempt before it cost nothing: it draws on no budget at a target that
		      is well */
	bool early; /* no other target is left: it may be a probe before its time */
};

/* Before anything of it is sent. Only TARGET_BEGUN makes it one that is under way; what is not
 * begun costs nothing, and another target is looked for. `asks` NULL: nobody's first one. */
enum target_begun {
	TARGET_BEGUN,
	TARGET_NO_ROOM,	  /* `concurrent` of its provider: it may wait: target_queue() */
	TARGET_NO_BUDGET, /* not a first attempt, and there were enough of those */
	TARGET_NO_PROBE	  /* it is open, or somebody else tries it */
};
enum target_begun target_begin(struct target_attempt *a, struct target_state *s,
	const struct target *t, const struct target_asks *asks, uint64_t now_us);
/* The first content event came, so long after the request's last byte; of a whole answer its
 * head. Once; further calls do nothing. */
void target_first_content(
	struct target_attempt *a, enum target_size size, uint64_t took_us, uint64_t now_us);

struct target_end {
	enum attempt_cause cause;
	int status;	   /* 0: no answer */
	bool our_key;	   /* 401, 402, or an error that names key or credit */
	uint64_t asked_us; /* Retry-After; 0: it named none */
	enum target_size size;
	uint64_t head_us; /* that the route allows; 0: TARGET_FIRST_BYTE_US */
};
/* The end of it, whatever it was; also CAUSE_DONE at the stream's end, CAUSE_ABORTED. *a is
 * zeros after it, and a second call does nothing. */
void target_over(struct target_attempt *a, const struct target_end *e, uint64_t now_us);

/* A place in the short queue at the provider, for room or for its being back: as many as its
 * `concurrent`, at most CAP_TARGET_QUEUE. False: it is full. One that waits looks whether
 * target_begin() lets it now. */
bool target_queue(struct target_state *s, const struct target *t);
bool target_may_queue(const struct target_state *s, const struct target *t);
void target_unqueue(struct target_state *s);

/* ---- what of it is read ---- */

/* Seconds to first content times a million: the average, aged; TARGET_UNKNOWN_US. */
uint64_t target_latency_us(
	const struct target_state *s, enum target_size size, uint64_t now_us);
/* The share of attempts that failed in the window, 0 to 1. */
double target_errors(const struct target_state *s, uint64_t now_us);
int64_t target_under_way(const struct target_state *s); /* never negative */
bool target_has_room(const struct target_state *s, const struct target *t);
/* Whether an attempt that is no first one may begin: a look, target_begin() takes. */
bool target_may_repeat(const struct target_state *s, const struct target *t,
	const struct target_asks *asks, uint64_t now_us);

/* Takes a repeat from the caller's budget, for one that was begun already. */
bool target_draw(struct target_state *s, const struct target *t, const struct target_asks *asks,
	uint64_t now_us);

enum target_condition {
	TARGET_CLOSED,
	TARGET_RAMP,	   /* it is back for less than ten seconds */
	TARGET_PROBE_DUE,  /* one request may try it */
	TARGET_PROBED,	   /* one does */
	TARGET_OPEN,	   /* failures in a row */
	TARGET_OPEN_SHARE, /* by its share of failures alone */
	TARGET_THROTTLED,
	TARGET_OUT, /* by our key or credit */
	TARGET_BY_HAND,
	TARGET_CONDITIONS
};
extern const char *const target_conditions[TARGET_CONDITIONS]; /* "closed", "half_open", … */
/* For that caller; 0: for one of whom nothing but failures is known. `breaker`: false ignores
 * all but TARGET_BY_HAND. *back_us (NULL or not): when it may be tried again; 0: now,
 * UINT64_MAX: nobody knows. *ramp: of TARGET_RAMP, how far, 0 to 1; else 1. */
enum target_condition target_condition_for(const struct target_state *s, uint32_t caller,
	bool breaker, uint64_t now_us, uint64_t *back_us, double *ramp);
static inline enum target_condition
target_condition(const struct target_state *s, bool breaker, uint64_t now_us, uint64_t *back_us,
	double *ramp)
{
	return target_condition_for(s, 0, breaker, now_us, back_us, ramp);
}
/* It is out by failures alone, and may be asked as a probe before its time. *well_s: the second
 * in which an answer of it came last. */
bool target_may_early(
	const struct target_state *s, uint32_t caller, uint64_t now_us, uint32_t *well_s);

/* ---- models that a target does not have (table.c) ---- */

/* Its provider says so of that model to this caller (TARGET_LACKS_US), or it answers with it:
 * what was said is over. Said to one caller it is so for him, said to two for all. */
void target_lacks(struct target_table *t, const struct target_state *s, struct span model,
	uint32_t caller, uint64_t now_us);
void target_has(struct target_table *t, const struct target_state *s, struct span model);
bool target_is_without(const struct target_table *t, const struct target_state *s,
	struct span model, uint32_t caller, uint64_t now_us);

/* ---- by hand, and a reload ---- */

/* Of that name (PROVIDER: all of its models). False: there is none. Any thread. */
bool target_eject(struct target_table *t, struct span name);
/* All that holds it back is forgotten. */
bool target_admit(struct target_table *t, struct span name);
/* One is ejected by hand. One load: for routes that look at nothing else. */
bool target_any_ejected(const struct target_table *t);
/* The configuration was read again, or a provider's credential is another (NULL: of all): those
 * out by our key or credit are tried at once. Any thread. */
void target_reloaded(struct target_table *t, const char *provider);

/* ---- all of them ---- */

/* A route of the policy names it: it is shown, asked or not; and whether we have no credential
 * for it that may be used now. */
void target_named(struct target_state *s, bool keyless);
/* The i-th entry, in the order of their making; NULL: there are no more. */
const struct target_state *target_at(const struct target_table *t, size_t i);
/* shown.c: a JSON list, an object each; and metrics by target and cause. */
void target_table_json(struct buf *out, const struct target_table *t, uint64_t now_us);
void target_table_metrics(struct buf *out, const struct target_table *t, uint64_t now_us);

#endif
