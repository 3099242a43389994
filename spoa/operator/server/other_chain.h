/* The chain of the other instance of the node, while no process of that instance runs: the
 * instance that decides opens it for a moment, to write records that belong into it, and closes
 * it again. The chain then begins with a boot record whose `written_by` names this instance.
 * While the chain is open, the other instance cannot start; it waits (audit_start()). */
#ifndef OPERATOR_SERVER_OTHER_CHAIN_H
#define OPERATOR_SERVER_OTHER_CHAIN_H

#include <pthread.h>

#include "base/keyfile.h"
#include "gate/changes/erasing.h"
#include "record/audit/audit.h"
#include "record/journal/keyring.h"

/* owner: the server. Several threads open the chain, one at a time. */
struct other_chain {
	struct config cfg; /* the other instance's, with `written_by`; journal NULL: none */
	struct hashkey hash;
	/* the usage in the journal is counted; until then, the chain is not opened, because
	 * retention could remove what is not counted yet */
	_Atomic bool counted;
	pthread_mutex_t lock; /* held while the chain is open */
	struct audit *audit;  /* NULL: closed */
	/* counters of audit_start(); not shown, because the daemon's own counters are */
	struct metrics metrics;
	pthread_mutex_t known; /* guards `ring` and `has_ring` */
	struct keyring ring;
	bool has_ring;
	_Atomic uint64_t copied; /* audit_copied() when the chain was closed */
	/* erases from the other instance's file of shares, with records in its chain */
	struct erasing_other erases;
};

/* `cfg` must live as long as *o. The chain is only used if the other instance has ever written
 * a journal: other_chain_exists(). */
void other_chain_init(
	struct other_chain *o, const struct config *cfg, const struct hashkey *hash);
/* The chain must be closed. */
void other_chain_free(struct other_chain *o);
bool other_chain_exists(const struct other_chain *o);
/* Opens the chain. Waits while another thread has it open. Returns NULL with *why empty if a
 * process of the other instance runs, or if the chain is not `counted`; or with the reason. */
struct audit *other_chain_open(struct other_chain *o, struct buf *why);
/* Closes the chain. Waits up to a second for the Redis Stream. */
void other_chain_close(struct other_chain *o);
/* Copies the keys with which the chain was signed. Returns false if they are not known yet, or
 * if a process of the other instance runs. Any thread. */
bool other_chain_keys(struct other_chain *o, struct keyring *out);
/* The last record that the Redis Stream is known to have, as audit_copied(). Any thread. */
uint64_t other_chain_copied(const struct other_chain *o);

#endif
