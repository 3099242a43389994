/* What a boot record says, but for its tree. */
#ifndef RECORD_AUDIT_BOOT_H
#define RECORD_AUDIT_BOOT_H

#include "base/keyfile.h"
#include "policy/config/config.h"
#include "record/journal/recover.h"
#include "record/journal/signkey.h"

/* Appended to *b. `policy_version`: of the policy in force, NULL if it is not known. `key` signs;
 * `stream`: records go to the Redis Stream. */
void audit_boot(struct buf *b, const struct config *cfg, const char *policy_version,
	const struct hashkey *hash, const struct recovery *found, const struct signkey *key,
	bool stream);

#endif
