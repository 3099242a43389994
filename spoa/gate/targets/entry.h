/* An entry of the table, for table.c and state.c alone. */
#ifndef GATE_TARGETS_ENTRY_H
#define GATE_TARGETS_ENTRY_H

#include <pthread.h>
#include <stdatomic.h>

#include "gate/targets/state.h"

static inline uint64_t
target_word(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

/* SplitMix64's last step. */
static inline uint64_t
target_mixed(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Ten seconds of two counts, a second each: the second << 32 | one << 16 | other. */
struct target_window {
	_Atomic uint64_t second[TARGET_WINDOW_S];
};

enum { TARGET_CALLERS = 64 };
/* Who asked, in slots of a word each: his hash << 32 | failures in a row << 24 | the second in
 * which his last attempt ended (0: none did). */
struct target_callers {
	_Atomic uint64_t ended[TARGET_CALLERS];
	_Atomic uint32_t asked[TARGET_CALLERS]; /* the second of his last request */
	/* his first attempts, others; the last: of all who have no slot */
	struct target_window budget[TARGET_CALLERS + 1];
};

struct target_state {
	char name[TARGET_NAME_BYTES]; /* PROVIDER or PROVIDER/MODEL; does not change any more */
	size_t provider_bytes;
	uint64_t hash;		       /* of the name: the same in every daemon */
	struct target_state *provider; /* the entry without a model; may be itself */
	bool shared;		       /* of all that have no place */
	/* average << 32 | when in ms, in µs; 0: unknown */
	_Atomic uint64_t latency[TARGET_SIZES]; /* a failure counts as slow */
	_Atomic uint64_t
		content_ms[TARGET_SIZES]; /* a mean of what was measured; 0: nothing was */
	_Atomic int64_t under_way;
	struct target_window tries; /* attempts, of them failed */
	struct target_callers callers;
	/* the breaker: until when << 2 | OPEN_BY_SHARE | OPEN_FOR_ONE; 0: closed */
	_Atomic uint64_t open;
	_Atomic uint32_t open_for;  /* with OPEN_FOR_ONE for whom, and then its ramp; 0: all */
	_Atomic uint64_t closed_us; /* when it closed last */
	_Atomic uint64_t probe_until;	   /* somebody tries it; 0: nobody does */
	_Atomic uint64_t early_us;	   /* no probe before its time until then */
	_Atomic uint32_t well_s;	   /* when an answer came last */
	_Atomic unsigned failures;	   /* in a row that no caller can cause */
	_Atomic unsigned successes, opens; /* in a row */
	_Atomic uint64_t throttled_until;  /* the lowest bit: THROTTLED_FOR_ONE */
	_Atomic uint64_t
		key_probe;	  /* out by our key or credit: when it is tried; 0: it is not */
	_Atomic uint64_t by_hand; /* when it was last said << 1 | ejected; 0: nothing was */
	/* share.c: until when a probe needs a lease, until when we have it, and when a request
	   last found it out */
	_Atomic uint64_t leases_until, lease_until, wanted_us;
	_Atomic bool named;		/* by a route, and not only for its models */
	_Atomic bool keyless;		/* as target_named() said; only shown */
	_Atomic uint64_t ended[CAUSES]; /* attempts, by cause, since start */
	_Atomic unsigned why;		/* the last failure: status << 8 | cause */
	/* wall time of when it stopped being well, and of when it was ejected; only shown, and
	   only while it is so */
	_Atomic unsigned told; /* bits of enum target_told: noticed, and not yet over */
	_Atomic int64_t ill_ns, ejected_ns;
	/* of a provider's entry: of all its models */
	_Atomic int64_t all_under_way, queued;
};

/* A model that a target does not have; free where `until_us` is over. */
struct target_lack {
	_Atomic uint64_t key; /* of target and model */
	_Atomic uint64_t until_us;
	_Atomic uint32_t caller; /* who was told so; 0: more than one */
};

struct target_table {
	_Atomic size_t n; /* entries that may be read */
	_Atomic size_t ejected;
	_Atomic size_t nlacks; /* places of `lack` that were ever used */
	struct target_lack lack[CAP_TARGET_LACKS];
	/* entry's index + 1, by the hash of its name; 0: free */
	_Atomic uint16_t slot[2 * CAP_TARGETS];
	pthread_mutex_t making;
	struct target_state entry[CAP_TARGETS + 1]; /* [0]: all without a place */
};

/* It is ejected, or no more; nothing else changes. */
enum target_told { TOLD_OPEN, TOLD_KEY, TOLD_HAND };
/* Somebody is told (base/notice.h), once: that it is out, or that what was told is over. */
void target_notice(struct target_state *s, enum target_told told, bool over, const char *why);
/* Sets whether the target is ejected by hand. If `was` is given and the value is another one by now,
 * that value stays and the result is false. */
bool target_by_hand(struct target_table *t, struct target_state *s, const uint64_t *was,
	bool ejected, uint64_t at_us);
/* Of it or of its provider, what was said last. NULL: it is not ejected. */
static inline const struct target_state *
target_ejected(const struct target_state *s)
{
	const struct target_state *of = s->provider;
	uint64_t own = target_word(&s->by_hand), all = target_word(&of->by_hand);

	return !((own > all ? own : all) & 1) ? NULL : own > all ? s : of;
}
/* Before a word that holds it back is set: notes the time, where it was well until now. */
void target_falls_ill(struct target_state *s, uint64_t now_us);
/* What held it back is over. */
void target_clear(struct target_state *s);
/* A request of that caller would go there, were it not out: from rank.c, for who asks for the
 * lease, and who may be the probe. */
void target_wanted(const struct target_state *s, uint32_t caller, uint64_t now_us);
/* Within three seconds more than half of what was sent there came through. */
bool target_comes_through(const struct target_state *s, uint64_t now_us);

/* Bits of target_state.open, and of throttled_until: it is so for one caller, and for no other.
 */
#define OPEN_BY_SHARE	  UINT64_C(1)
#define OPEN_FOR_ONE	  UINT64_C(2)
#define OPEN_BITS	  2
#define THROTTLED_FOR_ONE UINT64_C(1)
#define TARGET_OPENS_MOST 15u

/* ---- callers.c ---- */

static inline uint32_t
target_second(uint64_t now_us)
{
	return (uint32_t)(now_us / 1000000) + TARGET_WINDOW_S;
}
struct target_counts {
	unsigned one, other;
};
/* Of the window's seconds after `since_s`. */
struct target_counts target_window_sum(
	const struct target_window *w, uint32_t now_s, uint32_t since_s);
/* Repeats are a fifth of first attempts, or a few. */
bool target_budget_fits(struct target_counts sum, const struct target_load *beside);
/* Adds to this second's counts. False, and nothing is added: the sum before it does not fit;
 * `beside` NULL: it always does. */
bool target_window_add(struct target_window *w, uint32_t now_s, struct target_counts add,
	const struct target_load *beside);

/* His slot, taken where he has none and one is free; TARGET_CALLERS: none is. */
size_t callers_slot(struct target_callers *c, uint32_t caller, uint32_t now_s);
/* His budget; that of all who have no slot. */
const struct target_window *callers_budget(const struct target_callers *c, uint32_t caller);
/* Those whose last attempt ended in the window, so many seconds ago. */
struct callers_known {
	size_t n;
	struct caller_known {
		uint32_t caller;
		unsigned failures;
		uint32_t age_s;
	} of[TARGET_CALLERS];
};
void callers_list(const struct target_callers *c, uint32_t now_s, struct callers_known *out);
/* Who has the most failures in a row; 0: none has any. */
uint32_t callers_most(const struct target_callers *c);
/* His last attempt ended then, so many failures in a row: what a daemon found out. */
void callers_told(struct target_callers *c, uint32_t caller, unsigned failures, uint32_t now_s,
	uint32_t at_s);
/* His last attempt failed, or came through: his failures in a row. */
unsigned callers_ended(struct target_callers *c, uint32_t caller, bool failed, uint32_t now_s);
unsigned callers_failures(const struct target_callers *c, uint32_t caller);
/* Nobody who asked in the window has fewer failures in a row. */
bool callers_first_to_probe(const struct target_callers *c, uint32_t caller, uint32_t now_s);
/* Nothing is known any more of how their attempts ended. */
void callers_forget(struct target_callers *c);

struct callers_blame {
	bool half;	 /* one caller is all there is, or two and half of all failed last */
	bool single;	 /* one is all there is */
	bool one;	 /* nobody else failed */
	bool some;	 /* but not all */
	unsigned weight; /* failures in a row together, of no caller more than half of `enough`
			  */
};
/* Of those whose last attempt ended in the window. Failures after `since_s` have weight,
 * however old. */
struct callers_blame callers_blame(
	const struct target_callers *c, uint32_t now_s, uint32_t since_s, unsigned enough);

#endif
