/* Everything that decides, as one immutable whole: configuration, rules, policy
 * and keys. Built aside by main, published by pointer; a request pins the one it
 * began with, so its policy version never changes under it. */
#ifndef GATE_SNAPSHOT_H
#define GATE_SNAPSHOT_H

#include <stdatomic.h>

#include "base/caps.h"
#include "base/seen.h"
#include "base/tokens/encodings.h"
#include "base/tokens/models.h"
#include "policy/identity/identity.h"

/* What one worker keeps next to a snapshot. owner: that worker. A helper thread (gate/offload.h)
 * has a part too, in which there is no cache: it verifies nobody. */
struct snapshot_local {
	struct detect_scratch *scratch;
	struct identity_cache *cache;
	struct seen *clean; /* texts that hold nothing, with their names */
};

/* The helper threads' places: after those of any worker. */
#define SNAPSHOT_HELPER (1u << 16)

struct snapshot {
	_Atomic unsigned refs;
	struct arena arena;
	const struct config *cfg; /* NULL for `decide` */
	struct detect_rules *rules;
	const struct policy *policy;
	const struct policy *shadow_policy; /* asked next to it, never obeyed; NULL: none */
	struct detect_used *used;	     /* what is searched of texts; NULL: all */
	struct detect_used **answers;	     /* likewise of answers, by route; NULL: all */
	char searched[17];		     /* its hash, or "all", as records say it */
	struct encodings *encodings;	   /* files of ranks; NULL: nothing counts tokens */
	const struct token_models *models; /* NULL likewise */
	const char *no_ranks;		   /* why tokens are estimated; NULL: they are not */
	struct identity_keys *keys;
	struct auth **auths; /* by index of cfg->credentials; NULL: none were opened */
	unsigned char hash_key[32]; /* of redact.key_file; without a configuration, zeros */
	bool hash_key_set;
	unsigned nlocal;
	struct snapshot_local *local; /* one a worker */
	struct snapshot_local helper[CAP_HELPERS];
};

/* Reads `policy_file` (NULL: the one cfg names) and all it names. `config_file`
 * NULL: no configuration. `sets`: as for identity_keys_load(). One reference is the caller's.
 * NULL with *d filled. */
struct snapshot *snapshot_load(const char *config_file, const char *policy_file,
	unsigned workers, struct keysets *sets, struct diag *d);
/* Opens the credentials that cfg names: their files are read. Before the snapshot is shared. 0,
 * or negative with every mistake in *d. */
struct auths;
int snapshot_credentials(struct snapshot *s, struct auths *auths, struct diag *d);
/* From here on texts are searched only for what the policy and the shadow policy can use.
 * Before the snapshot is shared. 0 or ERR_NOMEM. */
int snapshot_use(struct snapshot *s);
/* How a policy came into force, for its record. Each member may be NULL. */
struct announcement {
	const char *text;   /* SHA-256 of the kept text (record/archive/kept_policy.h) */
	const char *by;	    /* who ordered it, or which file changed */
	const char *why;    /* the reason given with the order */
	const char *before; /* version of the policy that was in force before */
};
/* Writes the record of a policy that comes into force, with what it searches for, before the
 * records of its decisions. */
struct audit;
void snapshot_announce(
	const struct snapshot *s, const struct announcement *a, struct audit *audit);
struct snapshot *snapshot_ref(struct snapshot *s);
/* Drops a reference; the last one frees. Clears *s. */
void snapshot_unref(struct snapshot **s);
/* The calling worker's own part, made at first use; SNAPSHOT_HELPER and its number for a
 * helper thread. NULL: out of memory. */
struct snapshot_local *snapshot_mine(struct snapshot *s, unsigned worker);

#endif
