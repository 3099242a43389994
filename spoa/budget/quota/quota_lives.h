/* The lives of Redis' data, as this worker takes part in them.
 *
 * A Redis that came back empty, old, or as another server has another epoch: a new life, in
 * which nothing is counted. Before this worker reserves anything there,
 *
 *   ASKS        where its journal says what the daemon before it let go, it asks whether that
 * was added there before PUBLISHES   it adds what its ledger says it let go in windows that are
 * not over SETTLES     it says that it came, and waits until as many came as took part before
 *   SETTLED     all that any of them let go is counted again: as if nothing had happened
 *
 * Who takes part says so in "tollgate:members:EPOCH", every BEAT_US, or REST_US while nothing
 * is asked of it and another worker of its daemon watches (quota_beside()), and is not counted
 * there MEMBER_MS after its last word. Where not all have come after SETTLE_US, the others go
 * on, and for one window of a rolling limit spend only the share of it that those have who
 * came.
 *
 * A worker whose first life it is knows nobody: it waits for its daemon's other workers, and
 * for those of as many daemons as tollgate.yaml says (quota_together()). Where it does not say,
 * and nobody goes on in that life yet ("tollgate:begun:EPOCH"), for whoever comes in 2 s.
 *
 * Where adding fails halfway nobody knows what was counted: that life is given up, and another
 * epoch set in which all begin anew. owner: worker. */
#ifndef BUDGET_QUOTA_QUOTA_LIVES_H
#define BUDGET_QUOTA_QUOTA_LIVES_H

#include "budget/quota/quota.h"

/* What a worker does in a life, apart from how it asks: tests walk all orders of it. */
enum life_state { LIFE_ASKS, LIFE_PUBLISHES, LIFE_SETTLES, LIFE_SETTLED };
struct life_facts {
	bool added;		/* all of its ledger is */
	int64_t expected, came; /* workers; none expected: nobody is waited for */
	/* first life of a worker that nobody told how many there are; another one goes on
	   in it already */
	bool guesses, begun;
	uint64_t waited_us;
};
enum life_state life_next(enum life_state now, const struct life_facts *f);
/* At each beat: whether more workers take part than are known of by tollgate.yaml, and have for
 * longer than one that was killed is counted. True once; *since_us is the caller's, 0 at first.
 */
enum { LIVES_UNKNOWN_US = 5000000 };
bool lives_unknown(uint64_t *since_us, int64_t members, int64_t known, uint64_t now_us);

struct quota_lives;
struct quota_lives *lives_new(void);
void lives_free(struct quota_lives **l);
/* quota_together(). */
void lives_together(struct quota_lives *l, unsigned workers, unsigned daemons);
/* quota_beside(). */
void lives_beside(struct quota_lives *l, struct quota_daemon *d, unsigned place);
/* Once a turn of the loop, before anything is reserved: looks for new lives, goes on with
 * them, and tells the others that this worker is there. */
void lives_turn(struct quota *qt, uint64_t now_us);
/* It ends: nobody waits for it in the next life. What it let go is counted there once a daemon
 * reads it in the journal (budget/recall/quota_recall.h). */
void lives_leave(struct quota *qt);
/* quota_retire(). */
void lives_retire(struct quota *qt);
/* What came back says that the life is over: the next one is asked for, by the daemon's other
 * workers too. */
void lives_ended(struct quota *qt, struct redis *node, uint64_t epoch);
/* Whether the life that the dim's server is in is SETTLED. */
bool lives_settled(const struct quota *qt, const struct quota_dim *d);
/* Of all servers that are there. */
bool lives_all_settled(const struct quota *qt);
/* The keys of the epoch have had another name for less than 3 s: what a worker has written there may be
 * missing. */
bool lives_tagged_anew(const struct quota *qt, uint64_t epoch, uint64_t now_us);
/* Something was noted that may be counted nowhere: the ledgers' entries of former lives are
 * looked for once more. */
void lives_look_again(struct quota *qt);
/* What this daemon may spend on its own of what is set apart for all: as many of their workers
 * as it has, of those that Redis showed. `guessed`: nobody says how many daemons there are; as
 * long as Redis showed nobody it is nothing. */
uint64_t lives_alone(const struct quota_lives *l, uint64_t apart, bool guessed);
void lives_company(const struct quota_lives *l, uint64_t now_us, struct quota_company *out);
/* If workers are missing that may have admitted requests, reduces the rolling limits of the request,
 * each once: the rest of each is left to the missing ones, until they come or the window has passed. */
void lives_share(const struct quota *qt, struct quota_request *q, uint64_t now_us);

#endif
