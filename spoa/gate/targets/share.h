/* What daemons tell each other of a target, as a text of Redis, and how what another said and
 * what is known here become one. Of each fact the latest holds, so it does not matter who wrote
 * last: whoever knows a later one than what it reads writes it again. Without I/O: sync.c reads
 * and writes. Times in texts are Redis' own, in microseconds; nothing of a daemon's clock. */
#ifndef GATE_TARGETS_SHARE_H
#define GATE_TARGETS_SHARE_H

#include "gate/targets/state.h"

enum target_fact_kind {
	FACT_HAND,	/* ejected: 1, admitted: 0 */
	FACT_OPEN,	/* until when, 0: closed; opens in a row << 1 | by its share alone */
	FACT_THROTTLED, /* until when */
	FACT_KEY,	/* out by key or credit: when it is tried next; 0: it is not */
	FACTS
};
enum { FACT_NODE_BYTES = 65, FACTS_TEXT_BYTES = 640 };

struct target_fact {
	uint64_t stamp; /* when it came to be; 0: nothing is known */
	uint64_t value, more;
	char node[FACT_NODE_BYTES]; /* who found it out */
};
struct target_facts {
	struct target_fact of[FACTS];
};

/* "1", and for each that is known " LETTER:STAMP:VALUE:MORE:NODE". Of redis_us: what no daemon
 * would write then is refused too. ERR_SYNTAX, with *out all zeros. */
int target_facts_read(struct span text, uint64_t redis_us, struct target_facts *out);
void target_facts_write(const struct target_facts *f, struct buf *out);

/* What is known here of one target; zeros at first. */
struct target_known {
	struct target_facts facts;
	uint64_t seen[FACTS]; /* the table's words when they were last looked at */
};

struct target_sharing {
	struct target_table *table;
	const char *node;
	uint64_t now_us;   /* monotonic */
	int64_t offset_us; /* Redis' clock less it */
};

/* Returns Redis' clock minus our monotonic clock. TIME was sent at sent_us, its reply redis_us was read
 * at got_us. The former result `was` changes only as far as the reply proves it wrong, so that one
 * late reply does not shift this daemon's times against those of other daemons. NULL: no former
 * result. */
int64_t target_offset(
	const int64_t *was, uint64_t sent_us, uint64_t got_us, uint64_t redis_us);

/* What changed here since the last turn becomes a fact, and what is later in *found (NULL:
 * Redis was not asked) comes into force here, but for a breaker or a key that fails elsewhere
 * alone: what comes through here goes on. True: known->facts is to be written. */
bool target_share(const struct target_sharing *w, struct target_state *s,
	struct target_known *known, const struct target_facts *found);

/* ---- who asks it, elsewhere ---- */

enum { CALLERS_TEXT_BYTES = 64 * 26 + 2 };
/* Where a caller's last attempt of ten seconds failed, here or in *text (empty: nobody wrote
 * one): of each caller the later end holds, and the text of all that are known is appended to
 * *out where some of them are not in *text. ERR_SYNTAX: no daemon wrote that text. */
int target_share_callers(const struct target_sharing *w, struct target_state *s,
	struct span text, struct buf *out);

/* ---- one probe of all daemons ---- */

/* Daemons that share ask before they probe, until then; 0: each for itself. */
void target_leases(struct target_state *s, uint64_t until_us);
/* Its time is over, or within a turn, requests want it, and nobody here has the lease. */
bool target_wants_lease(const struct target_state *s, uint64_t now_us);
void target_leased(struct target_state *s, uint64_t until_us);
/* We have it and need it no more: it is ours no longer. */
bool target_lease_over(struct target_state *s, uint64_t now_us);

#endif
