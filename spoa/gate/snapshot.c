/* Builds and shares snapshots. Also determines the detectors that a policy uses, and writes
 * them into the record of the policy: a later reader of the journal learns from it which
 * findings the decisions could not contain. */
#include "gate/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file_set.h"
#include "base/json_put.h"
#include "base/keyfile.h"
#include "base/random.h"
#include "base/scoped.h"
#include "gate/auth/auth.h"
#include "policy/config/models.h"
#include "policy/entities.h"
#include "policy/own.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "record/audit/audit.h"
#include "scan/detect/detect.h"

/* Verified tokens in a worker's cache of identities. */
enum { TOKEN_CACHE_ENTRIES = 4096 };

static void
snapshot_destroy(struct snapshot *s)
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
	for (size_t i = 0; s->auths && i < s->cfg->ncredentials; i++)
		auth_close(&s->auths[i]);
	encodings_close(&s->encodings);
	detect_used_free(&s->used);
	for (size_t i = 0; s->answers && i < s->policy->nroutes; i++)
		detect_used_free(&s->answers[i]);
	detect_free(&s->rules);
	arena_reset(&s->arena);
	explicit_bzero(s->hash_key, sizeof(s->hash_key));
	free(s);
}

/* Without a configuration (`decide`), hashes are made with a key of zeros: they show the
 * format, not the daemon's values. */
static bool
load_hash_key(struct snapshot *s, struct diag *d)
{
	s->hash_key_set = !s->cfg;
	if (!s->cfg || !s->cfg->redact_key_file)
		return true;
	diag_rotates(d, s->cfg->redact_key_file);
	SCOPED_BUF(why, 4096);
	s->hash_key_set = keyfile_load(s->cfg->redact_key_file, s->hash_key, &why) == 0;
	if (!s->hash_key_set)
		diag_at(d, config_at(s->cfg, "redact.key_file"), "redact.key_file: %.*s",
			SPAN_ARG(buf_view(&why)));
	return s->hash_key_set;
}

/* Loads the shadow policy with the same detectors, because both policies read the same
 * findings. */
static bool
load_shadow(struct snapshot *s, struct diag *d)
{
	const char *file = s->cfg ? s->cfg->shadow_policy : NULL;
	size_t entities = detect_entity_count(s->rules);
	unsigned errors = d->errors;

	if (!file)
		return true;
	file_set_shadow(true);
	s->shadow_policy = policy_load(&s->arena, file, s->cfg, s->rules, d);
	file_set_shadow(false);
	if (s->shadow_policy && detect_entity_count(s->rules) != entities)
		diag_file(d, file,
			"as shadow_policy: detectors.external finds entities that the policy "
			"in force does not know");
	return s->shadow_policy && d->errors == errors;
}

struct snapshot *
snapshot_load(const char *config_file, const char *policy_file, unsigned workers,
	struct keysets *sets, struct diag *d)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	arena_init(&s->arena, 0, false);
	random_bytes(s->memo_key, sizeof(s->memo_key));
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
	if (!s->policy || !load_shadow(s, d) ||
		!tokens_load(&s->arena, s->cfg, &s->models, &s->encodings, &s->no_ranks, d))
		goto fail;
	s->keys = identity_keys_load(s->policy, config_file == NULL, sets, d);
	if (!s->keys)
		goto fail;
	snprintf(s->searched, sizeof(s->searched), "all");
	return s;
fail:
	snapshot_destroy(s);
	return NULL;
}

int
snapshot_credentials(struct snapshot *s, struct auths *auths, struct diag *d)
{
	size_t n = s->cfg ? s->cfg->ncredentials : 0;
	unsigned errors = d->errors;

	if (!n)
		return 0;
	s->auths = arena_array(&s->arena, n, sizeof(*s->auths));
	if (!s->auths)
		diag_file(d, s->cfg->file, "out of memory");
	SCOPED_BUF(why, 4096);
	for (size_t i = 0; s->auths && i < n; i++) {
		s->auths[i] = auth_open(auths, &s->cfg->credentials[i], &why);
		if (!s->auths[i])
			diag_at(d, s->cfg->credentials[i].at, "credentials: %.*s",
				SPAN_ARG(buf_view(&why)));
		buf_clear(&why);
	}
	return d->errors == errors ? 0 : ERR_AUTH;
}

struct snapshot *
snapshot_ref(struct snapshot *s)
{
	size_t refs = atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);

	INVARIANT(refs > 0); /* the caller already has a reference */
	return s;
}

void
snapshot_unref(struct snapshot **s)
{
	struct snapshot *old = *s;

	*s = NULL;
	size_t refs = old ? atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) : 2;

	INVARIANT(refs > 0);
	if (refs == 1)
		snapshot_destroy(old);
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

/* ---- the detectors in use ---- */

/* Adds the entities that the policy and the shadow policy use. */
static void
used_of(const struct snapshot *s, struct entity_set *out)
{
	const struct policy *p = s->policy, *shadow = s->shadow_policy;

	for (size_t i = 0; i < COUNT_OF(out->bit); i++)
		out->bit[i] = p->used.bit[i] | (shadow ? shadow->used.bit[i] : 0);
}

/* Adds the entities that the shadow policy's rules on responses use. Returns false if they use
 * all. */
static bool
shadow_uses(const struct snapshot *s, struct entity_set *used)
{
	const struct policy *p = s->shadow_policy;

	*used = (struct entity_set){ { 0 } };
	for (size_t i = 0; p && i < p->nroutes; i++) {
		const struct answer_uses *u = &p->routes[i].uses;
		if (u->any && u->all)
			return false;
		for (size_t k = 0; u->any && k < COUNT_OF(used->bit); k++)
			used->bit[k] |= u->entities.bit[k];
	}
	return true;
}

/* Sets the detectors for each route's responses. A stream's bytes wait only for detectors that
 * a rule of its route uses. */
static int
use_in_answers(struct snapshot *s)
{
	const struct policy *p = s->policy;
	struct entity_set shadow, used;

	s->answers = arena_array(&s->arena, p->nroutes + 1, sizeof(*s->answers));
	if (!s->answers)
		return ERR_NOMEM;
	for (size_t i = 0; i < p->nroutes; i++) {
		const struct answer_uses *u = &p->routes[i].uses;
		if (!u->any || u->all || !shadow_uses(s, &shadow))
			continue;
		for (size_t k = 0; k < COUNT_OF(used.bit); k++)
			used.bit[k] = u->entities.bit[k] | shadow.bit[k];
		s->answers[i] = detect_used_new(s->rules, used.bit, p->thresholds);
		if (!s->answers[i])
			return ERR_NOMEM;
	}
	return 0;
}

int
snapshot_use(struct snapshot *s)
{
	struct entity_set used;

	if (use_in_answers(s))
		return ERR_NOMEM;
	if (s->policy->uses_all || (s->shadow_policy && s->shadow_policy->uses_all))
		return 0;
	used_of(s, &used);
	s->used = detect_used_new(s->rules, used.bit, s->policy->thresholds);
	if (!s->used)
		return ERR_NOMEM;
	policy_entities_hash(s->rules, &used, s->searched);
	return 0;
}

/* Writes the names of the set's entities as a list. */
static void
put_searched(
	const struct snapshot *s, const char *name, const struct entity_set *set, struct buf *b)
{
	json_put_open(b, name, '[');
	for (size_t e = 0; e < detect_entity_count(s->rules); e++)
		if (entity_in(set, e))
			json_put_str(b, NULL, detect_entity_name(s->rules, e));
	json_put_close(b, ']');
}

/* Writes the entities of each route's responses under their hash, which records of responses
 * contain. Each hash is written once. */
static void
put_answers(const struct snapshot *s, struct buf *b)
{
	const struct policy *p = s->policy;
	size_t n = 0;

	for (size_t i = 0; i < p->nroutes; i++) {
		const struct answer_uses *u = &p->routes[i].uses;
		bool said = !u->any || !strcmp(u->searched, "all");
		for (size_t k = 0; k < i && !said; k++)
			said = !strcmp(p->routes[k].uses.searched, u->searched);
		if (said)
			continue;
		if (n++ == 0)
			json_put_open(b, "answers", '{');
		put_searched(s, u->searched, &u->entities, b);
	}
	if (n)
		json_put_close(b, '}');
}

/* Writes the cutover's hosts and its end, because their records hold `observed`. */
static void
put_observe(const struct observe *o, struct buf *b)
{
	char when[CLOCK_RFC3339_LEN];

	if (!o->backend)
		return;
	clock_rfc3339(o->until_ns, when);
	json_put_open(b, "observe", '{');
	json_put_str(b, "until", when);
	json_put_str(b, "backend", o->backend);
	if (o->nhosts)
		json_put_open(b, "hosts", '[');
	for (size_t i = 0; i < o->nhosts; i++)
		json_put_str(b, NULL, o->hosts[i]);
	if (o->nhosts)
		json_put_close(b, ']');
	json_put_close(b, '}');
}

static void
announced(struct audit_entry *e, int err)
{
	(void)err;
	buf_free(&e->fields);
	free(e);
}

static void
put_announcement(const struct announcement *a, struct buf *b)
{
	const struct {
		const char *name, *value;
	} members[] = { { "text", a->text }, { "by", a->by }, { "why", a->why },
		{ "before", a->before } };

	for (size_t i = 0; i < COUNT_OF(members); i++)
		if (members[i].value)
			json_put_str(b, members[i].name, members[i].value);
}

void
snapshot_announce(const struct snapshot *s, const struct announcement *a, struct audit *audit)
{
	struct audit_entry *e = audit ? calloc(1, sizeof(*e)) : NULL;
	struct entity_set used;

	if (!e)
		return;
	buf_init(&e->fields, CAP_RECORD_BYTES);
	json_put_str(&e->fields, "type", "policy");
	json_put_str(&e->fields, "policy", s->policy->label);
	json_put_str(&e->fields, "policy_version", s->policy->version);
	put_announcement(a, &e->fields);
	json_put_str(&e->fields, "searched", s->searched);
	if (s->used) {
		used_of(s, &used);
		put_searched(s, "entities", &used, &e->fields);
	}
	put_answers(s, &e->fields);
	put_observe(&s->policy->observe, &e->fields);
	e->keep = true;
	e->done = announced;
	audit_append(audit, e);
}
