/* Everything that decides, as one immutable whole: configuration, detector rules, policy and
 * keys. Main builds a snapshot and publishes it by pointer. A request holds a reference to the
 * one with which it began, so its policy never changes while it runs. */
#ifndef GATE_SNAPSHOT_H
#define GATE_SNAPSHOT_H

#include <stdatomic.h>

#include "base/caps.h"
#include "base/seen.h"
#include "base/tokens/ranks.h"
#include "base/tokens/models.h"
#include "policy/identity/identity.h"

struct config;
struct diag;
struct policy;

/* One thread's own data for a snapshot. owner: that worker or helper thread. A helper
 * thread (engine/gate.c) has no cache of identities, because it verifies nobody. */
struct snapshot_local {
	struct detect_scratch *scratch;
	struct identity_cache *cache;
	struct seen *clean; /* segments known to have no finding, by hash */
};

/* Added to a helper thread's number in calls of snapshot_mine(): above any worker's. */
#define SNAPSHOT_HELPER (1u << 16)

/* owner: all threads, read only; only `refs`, `local` and `helper` change. */
struct snapshot {
	_Atomic unsigned refs;
	struct arena arena;
	const struct config *cfg; /* NULL in `tollgate decide` */
	struct detect_rules *rules;
	const struct policy *policy;
	/* evaluated beside the policy, never enforced; NULL: none */
	const struct policy *shadow_policy;
	/* detectors that requests are searched with; NULL: all */
	struct detect_used *used;
	/* detectors that responses are searched with, by route; NULL: all */
	struct detect_used **answers;
	char searched[17];		   /* hash of `used`, or "all", as records state it */
	struct encodings *encodings;	   /* vocabularies; NULL: tokens are estimated */
	const struct token_models *models; /* NULL: tokens are estimated */
	const char *no_ranks; /* why tokens are estimated; NULL: they are counted */
	struct identity_keys *keys;
	struct auth **auths;	    /* by index in cfg->credentials; NULL: none was opened */
	unsigned char hash_key[32]; /* key of redact.key_file; zeros without a configuration */
	bool hash_key_set;
	unsigned char memo_key[32]; /* random: key of the hashes in gate/memo.h */
	unsigned nlocal;
	struct snapshot_local *local; /* one for each worker */
	struct snapshot_local helper[CAP_HELPERS];
};

/* Reads `policy_file` (NULL: the one that cfg names) and all files it names. `config_file`
 * NULL: no configuration. `sets`: as for identity_keys_load(). The caller owns one reference.
 * Returns NULL with all mistakes in *d. */
struct snapshot *snapshot_load(const char *config_file, const char *policy_file,
	unsigned workers, struct keysets *sets, struct diag *d);
/* Opens the credentials that cfg names, from their files. Call before the snapshot is shared.
 * Returns 0, or a negative error with every mistake in *d. */
struct auths;
int snapshot_credentials(struct snapshot *s, struct auths *auths, struct diag *d);
/* Restricts searches to the detectors that the policy and the shadow policy use. Call before
 * the snapshot is shared. Returns 0 or ERR_NOMEM. */
int snapshot_use(struct snapshot *s);
/* How a policy came into force, for its record. Each member may be NULL. */
struct announcement {
	const char *text;   /* SHA-256 of the kept text (record/archive/kept_policy.h) */
	const char *by;	    /* the person who ordered it, or the file that changed */
	const char *why;    /* the reason given with the order */
	const char *before; /* version of the policy that was in force before */
};
/* Writes the record of a policy that comes into force, with the detectors it uses, before the
 * first record of a decision by it. */
struct audit;
void snapshot_announce(
	const struct snapshot *s, const struct announcement *a, struct audit *audit);
/* Takes another reference. Any thread. */
struct snapshot *snapshot_ref(struct snapshot *s);
/* Drops a reference and sets *s to NULL. The last one frees the snapshot. */
void snapshot_unref(struct snapshot **s);
/* Returns the calling thread's own part, made at the first use. `worker`: the worker's number,
 * or SNAPSHOT_HELPER plus a helper's. NULL: out of memory. */
struct snapshot_local *snapshot_mine(struct snapshot *s, unsigned worker);

#endif
