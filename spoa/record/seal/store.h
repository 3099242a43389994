/* All that sealing takes, of one daemon, as tollgate.yaml has it. */
#ifndef RECORD_SEAL_STORE_H
#define RECORD_SEAL_STORE_H

#include "policy/config/config.h"
#include "record/seal/seal.h"

struct seal_store {
	struct seals *seals;
	struct shares *shares;
	struct texts *texts;
	uint64_t lost; /* shares that were given and are not here, and why */
	struct buf lost_why;
	struct buf unerased_why; /* why not all erasures of the journal are known; empty: they are */
};

/* The auditors of a configuration, *n of them. 0, or ERR_SYNTAX with *why; `at` (may be NULL)
 * is whose it is. */
int seal_auditors(const struct config *cfg, struct auditor out[AUDITORS_MAX], size_t *n,
	const struct yaml_node **at, struct buf *why);
/* Once the journal is this daemon's. NULL with *why. */
struct seal_store *seal_store_open(const struct config *cfg, struct buf *why);
/* After all that seals, and the audit. */
void seal_store_close(struct seal_store **s);

#endif
