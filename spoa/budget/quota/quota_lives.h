/* The epochs of Redis' data, and how a worker enters one. In the code an epoch is a "life".
 *
 * A Redis that returns empty, old, or as another server has another epoch, in which nothing
 * is counted. Before a worker reserves anything there, it passes these states:
 *
 *   ASKS       if sums are from a journal, asks whether they were already added there.
 *   PUBLISHES  adds the sums of its ledger for windows that have not ended.
 *   SETTLES    registers its name, and waits until as many workers have arrived as before.
 *   SETTLED    everything that any of them admitted is counted again: reservations begin.
 *
 * A worker that takes part is in "tollgate:members:EPOCH". It renews its name every BEAT_US.
 * While no requests arrive, the worker of its daemon that watches renews the names of all of
 * them every REST_US (quota_beside()). A name is valid for MEMBER_MS. If not all have arrived after SETTLE_US,
 * the others continue, and for one window they spend only the share of a rolling limit that
 * belongs to the workers that arrived.
 *
 * A worker in its first epoch knows no others. It waits for its daemon's other workers, and
 * for those of as many daemons as tollgate.yaml states (quota_together()). If the number is
 * not stated and no worker continues in that epoch yet ("tollgate:begun:EPOCH"), it waits 2 s
 * for others to arrive.
 *
 * If adding fails halfway, it is not known what was counted. The epoch is then abandoned and
 * another one is set, in which all workers begin again. owner: worker. */
#ifndef BUDGET_QUOTA_QUOTA_LIVES_H
#define BUDGET_QUOTA_QUOTA_LIVES_H

#include "budget/quota/quota.h"

/* A pure state machine, so that tests can try all orders of events. */
enum life_state { LIFE_ASKS, LIFE_PUBLISHES, LIFE_SETTLES, LIFE_SETTLED };
struct life_facts {
	bool added;		/* all of the ledger is added */
	int64_t expected, came; /* numbers of workers; expected 0: none are awaited */
	/* the first epoch of a worker that does not know how many there are; another worker
	 * already continues in it */
	bool guesses, begun;
	uint64_t waited_us;
};
/* Returns the state that follows from the facts; may be the same. */
enum life_state life_next(enum life_state now, const struct life_facts *f);
/* Call it at each beat. Returns true once if more workers take part than tollgate.yaml
 * accounts for, and have for longer than a killed worker is counted. *since_us belongs to the
 * caller; 0 at first. */
enum { LIVES_UNKNOWN_US = 5000000 };
bool lives_unknown(uint64_t *since_us, int64_t members, int64_t known, uint64_t now_us);

struct quota_lives;
struct quota_lives *lives_new(void);
void lives_free(struct quota_lives **l);
/* As quota_together(). */
void lives_together(struct quota_lives *l, unsigned workers, unsigned daemons);
/* As quota_beside(). */
void lives_beside(struct quota_lives *l, struct quota_daemon *d, unsigned place);
/* Call it once each turn of the loop, before anything is reserved. Looks for new epochs,
 * advances their states, and renews this worker's name. */
void lives_turn(struct quota *qt, uint64_t now_us);
/* Removes this worker's name at its end, so that nobody waits for it in the next epoch. Its
 * usage is counted there when a daemon reads it from the journal
 * (budget/recall/quota_recall.h). */
void lives_leave(struct quota *qt);
/* As quota_retire(). */
void lives_retire(struct quota *qt);
/* A reply shows that the epoch has ended: asks for the next one, also on behalf of the
 * daemon's other workers. */
void lives_ended(struct quota *qt, struct redis *node, uint64_t epoch);
/* Returns true if the epoch of the dim's server is SETTLED. */
bool lives_settled(const struct quota *qt, const struct quota_dim *d);
/* Returns true if the epochs of all servers that answer are SETTLED. */
bool lives_all_settled(const struct quota *qt);
/* Returns true if the keys of the epoch got another name less than 3 s ago. Keys that a
 * worker wrote under the old name may be missing. */
bool lives_tagged_anew(const struct quota *qt, uint64_t epoch, uint64_t now_us);
/* Call it after sums of the other instance's journal were added to the ledger: asks of each
 * epoch whether they are counted there, and adds them if not. */
void lives_other_added(struct quota *qt);
/* Call it if an amount was noted that may not be counted anywhere: the ledger's entries of
 * former epochs are looked for once more. */
void lives_look_again(struct quota *qt);
/* Returns the part of `apart`, the amount set apart for all daemons, that this daemon may
 * spend alone: its workers' part of all workers that Redis showed. If `guessed` (the number
 * of daemons is not configured), the result is 0 as long as Redis has shown none. */
uint64_t lives_alone(const struct quota_lives *l, uint64_t apart, bool guessed);
/* Fills *out for quota_company(). */
void lives_company(const struct quota_lives *l, uint64_t now_us, struct quota_company *out);
/* If workers are missing that may have admitted requests, reduces the rolling limits of the
 * request, each once. The rest of each limit is left to the missing workers until they arrive
 * or the window has passed. */
void lives_share(const struct quota *qt, struct quota_request *q, uint64_t now_us);

#endif
