/* The state of each target (provider and model): its latency, its attempts in flight, its
 * failures. The process has one table. Every worker reads and writes it with atomics, without
 * a lock, and nothing is freed. Times are passed in: monotonic µs, never 0. The functions
 * under "an attempt" report what happens to an attempt; gate/targets/rank.h and next.h read
 * the state.
 *
 * A target is in one of these states:
 *
 *
 *               failures in a row of half its callers
 *     closed ───────────────────────────────────────────► open ◄──────────┐
 *       ▲  ▲                                                │ time passes │ the probe fails
 *       │  └── ramp: ten seconds of a growing share         ▼             │
 *       └───────── two probes succeed ──────────────── half open ─────────┘
 *
 * A target can also be throttled (for as long as it asked), out (because of our key or
 * credit: one probe each minute), or ejected (by an operator). While it is out, a caller whose
 * attempt there ended without success sends no other probe for a minute, and a probe of such a
 * caller does not hold back the probes of others.
 *
 * Failures that a caller's requests may have caused count for that caller. A target is open
 * or throttled for all callers only if the last attempts of at least two callers, and of half
 * of those seen in ten seconds, failed. If only one caller was seen, the state holds for that
 * caller. Failures that no caller can cause count at once. */
#ifndef GATE_TARGETS_STATE_H
#define GATE_TARGETS_STATE_H

#include "base/buf.h"
#include "policy/target.h"

/* Size classes of requests, by prompt tokens. */
enum target_size { TARGET_SMALL, TARGET_MIDDLE, TARGET_LARGE, TARGET_SIZES };
enum target_size target_size(int64_t prompt_tokens);

enum {
	TARGET_WINDOW_S = 10, /* failures and repeats count for this many seconds */
	/* attempts in the window before a share of failures counts */
	TARGET_WINDOW_LEAST = 20,
	TARGET_PROBES = 2, /* successful probes in a row that close the breaker */
	/* repeats in a window that are always allowed, besides as many as open a breaker */
	TARGET_BUDGET_LEAST = 3,
	TARGET_BUDGET_SHARE = 5, /* one repeat for this many first attempts */
	TARGET_NAME_BYTES = 160, /* targets with longer names share one entry */
};
#define TARGET_RAMP_US	      10000000
#define TARGET_OPEN_MOST_US   300000000
#define TARGET_THROTTLED_US   60000000 /* the longest time, whatever the target asks for */
#define TARGET_KEY_PROBE_US   60000000
#define TARGET_PROBE_LEASE_US 30000000 /* a probe without a result is given up after this */
/* interval at which daemons share: gate/targets/share.h */
#define TARGET_SHARE_US 1000000
#define TARGET_EARLY_US 1000000 /* pause after an early probe that failed */
/* a target is not asked for a model that it lacks for this long */
#define TARGET_LACKS_US 300000000
/* nor at an endpoint at which it refuses the gateway's key */
#define TARGET_REFUSES_US TARGET_KEY_PROBE_US
#define TARGET_UNKNOWN_US 1000000 /* latency of a target that was never asked */
#define TARGET_FIRST_BYTE_US                                                                   \
	60000000 /* the latency that a failure counts as, if the route sets no limit */

struct target_table;
struct target_state;

struct target_table *target_table_new(void); /* Returns NULL if memory is exhausted. */
void target_table_free(struct target_table **t);
/* Returns the entry of provider and model (NULL or "": the provider's entry) and makes it if
 * necessary. Any thread. Beyond CAP_TARGETS, all further targets share one entry, which is
 * never out. */
struct target_state *target_state(
	struct target_table *t, const char *provider, const char *model);
static inline struct target_state *
target_state_of(struct target_table *t, const struct target *of)
{
	return target_state(t, of->name, of->model);
}
/* Returns PROVIDER or PROVIDER/MODEL. */
const char *target_name(const struct target_state *s);

/* ---- an attempt ---- */

/* One attempt at a target, in the caller's memory. Zeros: no attempt. */
struct target_attempt {
	struct target_state *of; /* NULL: not in flight */
	uint64_t probe_us;	 /* the end of the probe's time; 0: not a probe */
	uint32_t caller;
	bool heard, breaks; /* the content has begun; the target has a breaker */
	/* the end of this attempt shows nothing about the model: the request counts tokens or
	 * lists models, or the mistake in it was ours */
	bool quiet;
	unsigned failures;
	uint64_t open_us;
};

/* Attempts of one caller at a target in the window, or at the other targets of a route
 * together. */
struct target_load {
	uint64_t first, repeats; /* attempts that were a request's first one, and repeats */
	unsigned failures;	 /* the most failures that a breaker of the route waits for */
};
struct target_load target_load(const struct target_state *s, uint32_t caller, uint64_t now_us);

/* The caller of an attempt. */
struct target_asks {
	uint32_t caller; /* a hash of the person, whatever key they use; 0: unknown */
	/* attempts at the route's other targets, because the budget of repeats counts all of
	 * them; NULL: this is a first attempt */
	const struct target_load *beside;
	/* the previous attempt cost nothing, so this one needs no budget at a healthy target
	 */
	bool free;
	bool early; /* no other target is left: may be an early probe */
	/* the attempt will be quiet (struct target_attempt), so it cannot probe the target */
	bool quiet;
};

/* Begins an attempt, before anything is sent. Only TARGET_BEGUN puts it in flight. Otherwise
 * nothing is counted, and another target is tried. `asks` may be NULL: a first attempt of an
 * unknown caller. */
enum target_begun {
	TARGET_BEGUN,
	/* the provider's `concurrent` is reached; the request may wait: target_queue() */
	TARGET_NO_ROOM,
	TARGET_NO_BUDGET, /* not a first attempt, and the budget of repeats is used up */
	TARGET_NO_PROBE	  /* the target is open, or another request is probing it */
};
enum target_begun target_begin(struct target_attempt *a, struct target_state *s,
	const struct target *t, const struct target_asks *asks, uint64_t now_us);
/* Reports the first content event took_us after the request's last byte; for a response that
 * is not a stream, its head. Further calls for this attempt do nothing. */
void target_first_content(
	struct target_attempt *a, enum target_size size, uint64_t took_us, uint64_t now_us);

/* How far a refusal reaches, if the provider refuses a request because of the gateway. */
enum attempt_refused {
	REFUSED_NOT,
	REFUSED_ONLY, /* only this request or its model: nothing is known about others */
	REFUSED_HERE, /* the key or account at this endpoint; no code names either */
	REFUSED_KEY,  /* the error's code names the key or the credit */
};
struct target_end {
	enum attempt_cause cause;
	int status;   /* 0: no response */
	bool our_key; /* REFUSED_KEY, or target_refuses() returned true */
	/* REFUSED_ONLY or REFUSED_HERE: the target did not fail */
	enum attempt_refused refused;
	uint64_t asked_us; /* wait that Retry-After asks for; 0: none */
	enum target_size size;
	uint64_t head_us; /* the route's limit until the head; 0: TARGET_FIRST_BYTE_US */
};
/* Ends an attempt, with whatever cause: CAUSE_DONE at the end of a stream, CAUSE_ABORTED if
 * the caller left. Sets *a to zeros; a second call does nothing. */
void target_over(struct target_attempt *a, const struct target_end *e, uint64_t now_us);

/* Takes a place in the provider's short queue, where a request waits for room or for the
 * provider's return. The queue has as many places as `concurrent`, at most CAP_TARGET_QUEUE.
 * Returns false if the queue is full. A waiting request calls target_begin() from time to
 * time. */
bool target_queue(struct target_state *s, const struct target *t);
bool target_may_queue(const struct target_state *s, const struct target *t);
void target_unqueue(struct target_state *s);

/* ---- reading the state ---- */

/* Returns the average time to the first content in µs, which decays with age, or
 * TARGET_UNKNOWN_US. */
uint64_t target_latency_us(
	const struct target_state *s, enum target_size size, uint64_t now_us);
/* Returns the share of attempts in the window that failed, 0 to 1. */
double target_errors(const struct target_state *s, uint64_t now_us);
int64_t target_under_way(const struct target_state *s); /* the result is never negative */
bool target_has_room(const struct target_state *s, const struct target *t);
/* Returns true if a repeat may begin. Counts nothing; target_begin() does. */
bool target_may_repeat(const struct target_state *s, const struct target *t,
	const struct target_asks *asks, uint64_t now_us);

/* Counts a repeat that was begun already against the caller's budget. Returns false if the
 * budget is used up. */
bool target_draw(struct target_state *s, const struct target *t, const struct target_asks *asks,
	uint64_t now_us);

enum target_condition {
	TARGET_CLOSED,
	TARGET_RAMP,	   /* recovered less than ten seconds ago */
	TARGET_PROBE_DUE,  /* one request may probe the target */
	TARGET_PROBED,	   /* a probe is in flight */
	TARGET_OPEN,	   /* open because of failures in a row */
	TARGET_OPEN_SHARE, /* open only because of the share of failures */
	TARGET_THROTTLED,
	TARGET_OUT, /* out because of the gateway's key or credit */
	TARGET_BY_HAND,
	TARGET_CONDITIONS
};
/* the names in JSON: "closed", "half_open", … */
extern const char *const target_conditions[TARGET_CONDITIONS];
/* Returns the state for that caller; 0 is a caller without a history here. `breaker` false
 * ignores everything except an ejection. *back_us (may be NULL) is when the target may be
 * tried again; 0: now, UINT64_MAX: not known. *ramp (may be NULL) is the progress of
 * TARGET_RAMP, 0 to 1, otherwise 1. */
enum target_condition target_condition_for(const struct target_state *s, uint32_t caller,
	bool breaker, uint64_t now_us, uint64_t *back_us, double *ramp);
static inline enum target_condition
target_condition(const struct target_state *s, bool breaker, uint64_t now_us, uint64_t *back_us,
	double *ramp)
{
	return target_condition_for(s, 0, breaker, now_us, back_us, ramp);
}
/* Returns true if the target is out only because of failures and may be probed early.
 * *well_s: the second of its last good response. */
bool target_may_early(
	const struct target_state *s, uint32_t caller, uint64_t now_us, uint32_t *well_s);

/* ---- what a target refuses (table.c) ---- */

/* A request as far as the provider's refusal may concern others too. */
struct target_request {
	struct span model;
	/* the endpoint's name, which the dialect or the policy gives; empty: any endpoint */
	struct span endpoint;
	uint32_t caller;
};
/* target_lacks() notes for TARGET_LACKS_US that the provider returned an error to this caller
 * because it lacks the model at this endpoint. If only one caller got the error, the model is
 * missing only for that caller. */
void target_lacks(struct target_table *t, const struct target_state *s,
	const struct target_request *of, uint64_t now_us);
/* Notes for TARGET_REFUSES_US that the provider refused the gateway's key or account to this
 * caller at this endpoint, with an error that does not name the key. The note holds for all
 * callers at the endpoint as soon as two got the error. Returns true if another caller got
 * such an error at another endpoint of the target since its last good response: then the key
 * is bad for all. */
bool target_refuses(struct target_table *t, const struct target_state *s,
	const struct target_request *of, int status, uint64_t now_us);
/* Forgets both after a good response to this request. */
void target_has(
	struct target_table *t, const struct target_state *s, const struct target_request *of);
/* Returns "no_model" or "no_access" if the target would refuse the request, as far as is known,
 * or NULL. */
const char *target_is_without(const struct target_table *t, const struct target_state *s,
	const struct target_request *of, uint64_t now_us);

/* ---- by hand, and a reload ---- */

/* Ejects the target; PROVIDER means all its models. Returns false if there is no such target.
 * Any thread. */
bool target_eject(struct target_table *t, struct span name);
/* Admits the target and forgets everything that holds it back. Returns as target_eject(). */
bool target_admit(struct target_table *t, struct span name);
/* Returns true if any target is ejected. Costs one load. */
bool target_any_ejected(const struct target_table *t);
/* Call it after a reload, or if the credential of `provider` (NULL: of all) has changed.
 * Targets that are out because of our key or credit are tried at once. Any thread. */
void target_reloaded(struct target_table *t, const char *provider);

/* ---- all targets ---- */

/* Notes that a route of the policy names the target, so that it is listed even if it was
 * never asked. `keyless`: the gateway has no usable credential for it. */
void target_named(struct target_state *s, bool keyless);
/* Returns the i-th entry in the order of creation, or NULL after the last. */
const struct target_state *target_at(const struct target_table *t, size_t i);
/* Append a JSON list with one object for each target, and metrics by target and cause. */
void target_table_json(struct buf *out, const struct target_table *t, uint64_t now_us);
void target_table_metrics(struct buf *out, const struct target_table *t, uint64_t now_us);

#endif
