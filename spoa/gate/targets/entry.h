/* The entry of a target. Only the files of this folder include this header. */
#ifndef GATE_TARGETS_ENTRY_H
#define GATE_TARGETS_ENTRY_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/caps.h"
#include "gate/targets/state.h"

static inline uint64_t
target_word(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

/* Returns a hash of x: the last step of SplitMix64. */
static inline uint64_t
target_mixed(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Two counts for each of the last ten seconds. A word is second << 32 | one << 16 | other. */
struct target_window {
	_Atomic uint64_t second[TARGET_WINDOW_S];
};

enum { TARGET_CALLERS = 64 };
/* The callers of a target, at most TARGET_CALLERS. A slot is one word: the caller's hash <<
 * 32 | failures in a row << 24 | the second in which the last attempt ended (0: none has
 * ended). */
struct target_callers {
	_Atomic uint64_t ended[TARGET_CALLERS];
	_Atomic uint32_t asked[TARGET_CALLERS]; /* the second of the caller's last request */
	/* the second in which an attempt of the caller put the target out, or probed it in vain
	 * while it was out; 0: never */
	_Atomic uint32_t refused[TARGET_CALLERS];
	/* first attempts and repeats of each caller; the last element counts for all callers
	 * without a slot */
	struct target_window budget[TARGET_CALLERS + 1];
};

/* The state of one target. All threads read and write it with atomics; an entry is never freed.
 */
struct target_state {
	char name[TARGET_NAME_BYTES]; /* PROVIDER or PROVIDER/MODEL; never changes */
	size_t provider_bytes;
	uint64_t hash; /* hash of the name; equal in all daemons */
	/* the provider's entry, which has no model; may be this entry */
	struct target_state *provider;
	/* this entry stands for all targets beyond CAP_TARGETS */
	bool shared;
	/* time to the first content, by size of the prompt: average in µs << 32 | when in ms;
	 * 0: not known */
	_Atomic uint64_t latency[TARGET_SIZES]; /* a failure counts as slow */
	_Atomic uint64_t
		/* average of the measured times in ms; 0: none was measured */
		content_ms[TARGET_SIZES];
	_Atomic int64_t under_way;
	struct target_window tries; /* attempts, and how many of them failed */
	struct target_callers callers;
	/* the breaker: monotonic µs until which it is open << 2 | OPEN_BY_SHARE |
	 * OPEN_FOR_ONE; 0: closed */
	_Atomic uint64_t open;
	/* with OPEN_FOR_ONE the only caller it is open for, also during the ramp; 0: for all
	 */
	_Atomic uint32_t open_for;
	_Atomic uint64_t closed_us; /* monotonic µs: when the breaker last closed; 0: never */
	/* until when a probe is in flight; 0: no probe; the lowest bit is PROBE_YIELDS */
	_Atomic uint64_t probe_until;
	_Atomic uint64_t early_us; /* no early probe before this time */
	_Atomic uint32_t well_s;   /* the second of the last good response */
	/* failures in a row that no caller can have caused */
	_Atomic unsigned failures;
	/* probes that succeeded in a row; times that it opened in a row */
	_Atomic unsigned successes, opens;
	_Atomic uint64_t throttled_until; /* the lowest bit is THROTTLED_FOR_ONE */
	_Atomic uint64_t
		/* out because of our key or credit: when the next probe may begin; 0: not out
		 */
		key_probe;
	/* when an operator last changed it << 1 | ejected; 0: never */
	_Atomic uint64_t by_hand;
	/* share.h: until when a probe needs a lease, until when this daemon has the lease,
	 * and when a request last wanted the target */
	_Atomic uint64_t leases_until, lease_until, wanted_us;
	_Atomic bool named;		/* a route names it, not only one of its models */
	_Atomic bool keyless;		/* set by target_named(); for display only */
	_Atomic uint64_t ended[CAUSES]; /* attempts that ended since the start, by cause */
	_Atomic unsigned why;		/* the last failure: HTTP status << 8 | cause */
	/* wall clock when it became unhealthy, and when it was ejected; for display, valid
	 * only while it is so */
	/* bits of enum target_noticed: notices that were sent and have not been withdrawn */
	_Atomic unsigned noticed;
	_Atomic int64_t ill_ns, ejected_ns;
	/* in a provider's entry: the sums of all its models */
	_Atomic int64_t all_under_way, queued;
};

/* A model that a target does not have, or an endpoint at which it refuses the gateway's key.
 * The place is free after `until_us`. */
struct target_lack {
	/* hash of provider, model and endpoint, or of target and endpoint */
	_Atomic uint64_t key;
	/* the key without the endpoint */
	_Atomic uint64_t any;
	_Atomic uint64_t until_us;
	_Atomic uint32_t caller; /* the caller who got the error; 0: more than one caller did */
};

/* owner: the process. Readers take no lock. */
struct target_table {
	/* entries that may be read; a new entry is complete before n counts it */
	_Atomic size_t n;
	_Atomic size_t ejected;
	_Atomic size_t nlacks; /* places of `lack` that were ever used */
	struct target_lack lack[CAP_TARGET_LACKS];
	/* hash table: the entry's index + 1, by the hash of its name; 0: free */
	_Atomic uint16_t slot[2 * CAP_TARGETS];
	pthread_mutex_t making; /* held while an entry or a lack is made */
	/* [0] stands for all targets without an entry */
	struct target_state entry[CAP_TARGETS + 1];
};

/* Reasons of notices. A notice changes nothing else. */
enum target_noticed { NOTICED_OPEN, NOTICED_KEY, NOTICED_HAND };
/* Sends a notice (base/notice.h) that the target is out, or that the reason is over. Each is
 * sent once. */
void target_notice(
	struct target_state *s, enum target_noticed kind, bool over, const char *why);
/* Sets whether the target is ejected by hand. at_us: when the operator asked for it. If `was`
 * is given and the current value is another one, the value stays and the result is false. */
bool target_by_hand(struct target_table *t, struct target_state *s, const uint64_t *was,
	bool ejected, uint64_t at_us);

/* Returns the entry, the target's or its provider's, by which the target is ejected; the
 * later change counts. Returns NULL if the target is not ejected. */
static inline const struct target_state *
target_ejected(const struct target_state *s)
{
	const struct target_state *of = s->provider;
	uint64_t own = target_word(&s->by_hand), all = target_word(&of->by_hand);

	return !((own > all ? own : all) & 1) ? NULL : own > all ? s : of;
}

/* Notes that a request of this caller would use the target if it were not out. rank.c calls
 * this, so that a daemon with requests asks for the lease of the probe. */
void target_wanted(const struct target_state *s, uint32_t caller, uint64_t now_us);

/* Bits of target_state.open and throttled_until. The FOR_ONE bits: the state holds for one
 * caller only. */
#define OPEN_BY_SHARE	  UINT64_C(1)
#define OPEN_FOR_ONE	  UINT64_C(2)
#define OPEN_BITS	  2
#define THROTTLED_FOR_ONE UINT64_C(1)
/* In probe_until: the prober's earlier attempt kept the target out, so any other caller may
 * probe as well. */
#define PROBE_YIELDS	  UINT64_C(1)
#define TARGET_OPENS_MOST 15u

/* ---- callers ---- */

/* Returns the second of a monotonic time, counted so that 0 is never a valid second. */
static inline uint32_t
target_second(uint64_t now_us)
{
	return (uint32_t)(now_us / 1000000) + TARGET_WINDOW_S;
}

/* ---- state.c, for share.c ---- */

/* Call it before a word that holds the target back is set. Notes the time if the target was
 * healthy so far. */
void target_falls_ill(struct target_state *s, uint64_t now_us);
/* Returns true if more than half of the attempts of the last three seconds succeeded. */
bool target_comes_through(const struct target_state *s, uint64_t now_us);

#endif
