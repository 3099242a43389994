/* All parts of sealing in one daemon, as tollgate.yaml configures them. */
#ifndef RECORD_SEAL_STORE_H
#define RECORD_SEAL_STORE_H

#include "policy/config/config.h"
#include "record/seal/seal.h"

struct seal_store {
	struct seals *seals;
	struct shares *shares;
	struct texts *texts;
	uint64_t lost; /* shares that were given but are missing; lost_why: the reason */
	struct buf lost_why;
	/* why not all erasures of the journal were applied; empty: all were */
	struct buf unerased_why;
};

/* Reads the auditors of a configuration into `out`; *n is their number. Returns 0, or
 * ERR_SYNTAX with the reason in *why; *at (may be NULL) is the node of the auditor that is
 * wrong. */
int seal_auditors(const struct config *cfg, struct auditor out[AUDITORS_MAX], size_t *n,
	const struct yaml_node **at, struct buf *why);
/* Opens the configuration's file of shares, also to write to it. *lost and *lost_why as for
 * shares_open(). */
struct shares *seal_shares_open(const struct config *cfg, uint64_t *lost, struct buf *lost_why,
	struct buf *why);
/* Opens everything. Call it after the journal is locked. Returns NULL with the reason in
 * *why. */
struct seal_store *seal_store_open(const struct config *cfg, struct buf *why);
/* Call it after everything that seals, and after the audit, has stopped. Sets *s to NULL. */
void seal_store_close(struct seal_store **s);

#endif
