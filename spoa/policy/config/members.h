/* The other daemons of this machine that share a Redis (docs/operations.md, "Run two daemons").
 * Their configuration files are beside this daemon's. */
#ifndef POLICY_CONFIG_MEMBERS_H
#define POLICY_CONFIG_MEMBERS_H

#include <stddef.h>

#include "base/arena.h"

struct config;

/* the most daemons that are found; further ones are ignored */
enum { CONFIG_MEMBERS_MAX = 32 };

/* Stores the configurations of the other daemons in `out`, sorted by file name, and returns their
 * number. A daemon is found if its file NAME.yaml is in the folder of cfg->file, has the same
 * redis.url, and has a node and a journal of its own. A file that cannot be read or has mistakes
 * is skipped. The result lives in the arena. Reads files: not for the request path. */
size_t config_members(struct arena *a, const struct config *cfg,
	const struct config *out[static CONFIG_MEMBERS_MAX]);

#endif
