/* Building and sharing snapshots. */
#include "gate/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "config/models.h"
#include "policy/own.h"
#include "store/keyfile.h"

enum { TOKEN_CACHE_ENTRIES = 4096 };

static void
destroy(struct snapshot *s)
{
	for (unsigned i = 0; i < s->nlocal; i++) {
		detect_scratch_free(&s->local[i].scratch);
		identity_cache_free(&s->local[i].cache);
		free(s->local[i].clean);
	}
	for (unsigned i = 0; i < CAP_HELPERS; i++) {
		detect_scratch_free(&s->helper[i].scratch);
		free(s->helper[i].clean);
	}
	free(s->local);
	identity_keys_free(&s->keys);
	encodings_close(&s->encodings);
	detect_used_free(&s->used);
	for (size_t i = 0; s->answers && i < s->policy->nroutes; i++)
		detect_used_free(&s->answers[i]);
	detect_free(&s->rules);
	arena_reset(&s->arena);
	explicit_bzero(s->hash_key, sizeof(s->hash_key));
	free(s);
}

/* Without a configuration (`decide`) hashes are made with a key that everybody knows:
 * they show the form, not what the daemon writes. */
static bool
load_hash_key(struct snapshot *s, struct diag *d)
{
	struct buf why;

	s->hash_key_set = !s->cfg;
	if (!s->cfg || !s->cfg->redact_key_file)
		return true;
	diag_reads(d, s->cfg->redact_key_file);
	buf_init(&why, 4096);
	s->hash_key_set = keyfile_load(s->cfg->redact_key_file, s->hash_key, &why) == 0;
	if (!s->hash_key_set)
		diag_at(d, s->cfg->redact_key_at, "redact.key_file: %.*s",
			SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	return s->hash_key_set;
}

/* Of the same rule set: what the first finds, both speak of. */
static bool
load_shadow(struct snapshot *s, struct diag *d)
{
	const char *file = s->cfg ? s->cfg->shadow_policy : NULL;
	size_t entities = detect_entity_count(s->rules);
	unsigned errors = d->errors;

	if (!file)
		return true;
	s->shadow_policy = policy_load(&s->arena, file, s->cfg, s->rules, d);
	if (s->shadow_policy && detect_entity_count(s->rules) != entities)
		diag_file(d, file,
			"as shadow_policy: detectors.external finds entities that the policy "
			"in force does not know");
	return s->shadow_policy && d->errors == errors;
}

static bool
load_tokens(struct snapshot *s, struct diag *d)
{
	return tokens_load(&s->arena, s->cfg, &s->models, &s->encodings, &s->no_ranks, d);
}

struct snapshot *
snapshot_load(const char *config_file, const char *policy_file, unsigned workers,
	struct keysets *sets, struct diag *d)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	arena_init(&s->arena, 0, false);
	atomic_init(&s->refs, 1);
	s->local = calloc(workers ? workers : 1, sizeof(*s->local));
	s->nlocal = s->local ? (workers ? workers : 1) : 0;
	if (!s->local)
		goto fail;
	if (config_file) {
		s->cfg = config_load(&s->arena, config_file, d);
		if (!s->cfg)
			goto fail;
		if (!policy_file)
			policy_file = s->cfg->policy;
	}
	if (!load_hash_key(s, d))
		goto fail;
	s->policy = policy_open(&s->arena, policy_file, s->cfg,
		s->cfg ? s->cfg->detectors : NULL, &s->rules, d);
	if (!s->policy)
		goto fail;
	if (!load_shadow(s, d))
		goto fail;
	if (!load_tokens(s, d))
		goto fail;
	s->keys = identity_keys_load(s->policy, config_file == NULL, sets, d);
	if (!s->keys)
		goto fail;
	snprintf(s->searched, sizeof(s->searched), "all");
	return s;
fail:
	destroy(s);
	return NULL;
}

struct snapshot *
snapshot_ref(struct snapshot *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
snapshot_unref(struct snapshot **s)
{
	struct snapshot *old = *s;

	*s = NULL;
	if (old && atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) == 1)
		destroy(old);
}

struct snapshot_local *
snapshot_mine(struct snapshot *s, unsigned worker)
{
	bool helps = worker >= SNAPSHOT_HELPER;

	INVARIANT(worker < s->nlocal || (helps && worker - SNAPSHOT_HELPER < CAP_HELPERS));
	struct snapshot_local *l =
		helps ? &s->helper[worker - SNAPSHOT_HELPER] : &s->local[worker];

	if (!l->scratch)
		l->scratch = detect_scratch_new(s->rules);
	if (!l->clean)
		l->clean = seen_new();
	if (!l->cache && !helps)
		l->cache = identity_cache_new(TOKEN_CACHE_ENTRIES);
	return l->scratch && l->clean && (l->cache || helps) ? l : NULL;
}
