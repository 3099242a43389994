/* The facts that daemons share about a target: their text in Redis, and the rules that merge
 * two states.
 *
 * Of each fact, the latest counts, so the order of writes does not matter: a daemon that
 * knows a later fact than it reads writes its own again. These functions do no I/O; sync.c
 * reads and writes. Times in texts are Redis' clock in µs and never a daemon's clock. */
#ifndef GATE_TARGETS_SHARE_H
#define GATE_TARGETS_SHARE_H

#include "gate/targets/state.h"

enum target_fact_kind {
	FACT_HAND,	/* value 1: ejected, 0: admitted */
	/* value: until when, 0: closed; more: MORE_FOR_ONE | times that it opened in a row <<
	 * 1 | opened by its share of failures */
	FACT_OPEN,
	FACT_THROTTLED, /* value: until when */
	/* value: when a target that is out by key or credit may be probed; 0: not out */
	FACT_KEY,
	FACTS
};
enum { FACT_NODE_BYTES = 65, FACTS_TEXT_BYTES = 640 };

struct target_fact {
	uint64_t stamp; /* time at which the fact arose; 0: nothing is known */
	uint64_t value, more;
	char node[FACT_NODE_BYTES]; /* the daemon that found it */
};
struct target_facts {
	struct target_fact of[FACTS];
};

/* A text is "1", and " LETTER:STAMP:VALUE:MORE:NODE" for each known fact. redis_us: Redis'
 * clock now; values that no daemon would write at that time are refused. Returns 0, or
 * ERR_SYNTAX and *out is all zeros. */
int target_facts_read(struct span text, uint64_t redis_us, struct target_facts *out);
void target_facts_write(const struct target_facts *f, struct buf *out);

/* The facts that this daemon knows about one target; zeros at first. owner: the thread
 * tg-targets. */
struct target_known {
	struct target_facts facts;
	uint64_t seen[FACTS]; /* the target's words in the table when they were last read */
};

struct target_sharing {
	struct target_table *table;
	const char *node;
	uint64_t now_us;   /* monotonic */
	int64_t offset_us; /* Redis' clock minus now_us */
};

/* Returns Redis' clock minus our monotonic clock. TIME was sent at sent_us, and its reply
 * redis_us was read at got_us. The former result `was` (NULL: none) changes only as far as
 * the reply contradicts it, so that one late reply does not shift this daemon's times against
 * those of other daemons. */
int64_t target_offset(
	const int64_t *was, uint64_t sent_us, uint64_t got_us, uint64_t redis_us);

/* Merges one target. A change here since the last turn becomes a fact. A later fact in *found
 * (NULL: Redis was not asked) comes into force here. The exception is a breaker or a key that
 * fails only elsewhere: if attempts succeed here, they continue. Returns true if known->facts
 * must be written. */
bool target_share(const struct target_sharing *w, struct target_state *s,
	struct target_known *known, const struct target_facts *found);

/* ---- the callers that other daemons saw ---- */

enum { CALLERS_TEXT_BYTES = 64 * 26 + 2 };
/* Merges the callers of one target, if the last attempt of one of them failed within ten
 * seconds here or in `text` (empty: Redis has none). For each caller, the later attempt
 * counts. Appends the text of all known callers to *out if `text` lacks some. Returns 0, or
 * ERR_SYNTAX if no daemon wrote `text`. */
int target_share_callers(const struct target_sharing *w, struct target_state *s,
	struct span text, struct buf *out);

/* ---- one probe of all daemons ---- */

/* Until then daemons must have a lease to probe the target; 0: each daemon probes on its own.
 */
void target_leases(struct target_state *s, uint64_t until_us);
/* Returns true if the target may be probed now or within a turn, requests want it, and this
 * daemon has no lease. */
bool target_wants_lease(const struct target_state *s, uint64_t now_us);
/* This daemon has the lease until then. */
void target_leased(struct target_state *s, uint64_t until_us);
/* Returns true if this daemon has a lease that it no longer needs; the lease is dropped then.
 */
bool target_lease_over(struct target_state *s, uint64_t now_us);

#endif
