/* An entry of the table, for table.c and state.c alone. */
#ifndef TARGETS_ENTRY_H
#define TARGETS_ENTRY_H

#include <pthread.h>
#include <stdatomic.h>

#include "targets/state.h"

/* Ten seconds of two counts, a second each: the second << 32 | one << 16 | other. */
struct target_window {
	_Atomic uint64_t second[TARGET_WINDOW_S];
};

struct target_state {
	char name[TARGET_NAME_BYTES]; /* PROVIDER or PROVIDER/MODEL; does not change any more */
	size_t provider_bytes;
	uint64_t hash;		       /* of the name: the same in every daemon */
	struct target_state *provider; /* the entry without a model; may be itself */
	bool shared;		       /* of all that have no place */
	/* average << 32 | when in ms, in µs; 0: unknown */
	_Atomic uint64_t latency[TARGET_SIZES];
	_Atomic int64_t under_way;
	struct target_window tries;  /* attempts, of them failed */
	struct target_window budget; /* first attempts, others */
	/* the breaker: until when << 1 | by its share alone; 0: closed */
	_Atomic uint64_t open;
	_Atomic uint64_t closed_us;		     /* when it closed last */
	_Atomic uint64_t probe_until;		     /* somebody tries it; 0: nobody does */
	_Atomic unsigned failures, successes, opens; /* in a row */
	_Atomic uint64_t throttled_until;
	_Atomic uint64_t
		key_probe; /* out by our key or credit: when it is tried; 0: it is not */
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

struct target_table {
	_Atomic size_t n; /* entries that may be read */
	_Atomic size_t ejected;
	/* entry's index + 1, by the hash of its name; 0: free */
	_Atomic uint16_t slot[2 * CAP_TARGETS];
	pthread_mutex_t making;
	struct target_state entry[CAP_TARGETS + 1]; /* [0]: all without a place */
};

/* It is ejected, or no more; nothing else changes. */
enum target_told { TOLD_OPEN, TOLD_KEY, TOLD_HAND };
/* Somebody is told (base/notice.h), once: that it is out, or that what was told is over. */
void target_notice(struct target_state *s, enum target_told told, bool over, const char *why);
void target_by_hand(
	struct target_table *t, struct target_state *s, bool ejected, uint64_t at_us);
/* Of it or of its provider, what was said last. NULL: it is not ejected. */
static inline const struct target_state *
target_ejected(const struct target_state *s)
{
	const struct target_state *of = s->provider;
	uint64_t own = atomic_load_explicit(&s->by_hand, memory_order_relaxed),
		 all = atomic_load_explicit(&of->by_hand, memory_order_relaxed);

	return !((own > all ? own : all) & 1) ? NULL : own > all ? s : of;
}
/* Before a word that holds it back is set: notes the time, where it was well until now. */
void target_falls_ill(struct target_state *s, uint64_t now_us);
/* What held it back is over. */
void target_clear(struct target_state *s);
/* A request would go there, were it not out: from rank.c, for who asks for the lease. */
void target_wanted(const struct target_state *s, uint64_t now_us);
/* Within three seconds more than half of what was sent there came through. */
bool target_comes_through(const struct target_state *s, uint64_t now_us);

#endif
