/* The table of targets, and the models that targets lack. Entries are found by name without a
 * lock. Only creating an entry takes one, once for each target. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fnv.h"
#include "base/log.h"
#include "base/scoped.h"
#include "gate/targets/callers.h"

const char *const target_conditions[TARGET_CONDITIONS] = { "closed", "ramp", "half_open",
	"half_open", "open", "open", "throttled", "out", "ejected" };

struct target_table *
target_table_new(void)
{
	struct target_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	pthread_mutex_init(&t->making, NULL);
	memcpy(t->entry[0].name, "other", sizeof("other"));
	t->entry[0].shared = true;
	t->entry[0].provider = &t->entry[0];
	t->n = 1;
	return t;
}

void
target_table_free(struct target_table **t)
{
	if (*t)
		pthread_mutex_destroy(&(*t)->making);
	free(*t);
	*t = NULL;
}

const char *
target_name(const struct target_state *s)
{
	return s->name;
}

/* Returns the FNV-1a hash of "provider", or of "provider/model" if there is a model. *n is the
 * length of that name in bytes. */
static uint64_t
target_name_hash(const char *provider, struct span model, size_t *n)
{
	uint64_t h;

	*n = strlen(provider);
	h = fnv64_bytes(FNV64_BASIS, provider, *n);
	if (!model.n)
		return h;
	*n += 1 + model.n;
	return fnv64_bytes(fnv64_step(h, '/'), model.p, model.n);
}

static bool
is_named_target(const struct target_state *s, const char *provider, const char *model)
{
	size_t n = strlen(provider);

	if (n != s->provider_bytes || memcmp(s->name, provider, n) != 0)
		return false;
	return model[0] ? s->name[n] == '/' && !strcmp(s->name + n + 1, model) : !s->name[n];
}

/* Returns the entry, or NULL and in *free_at the free slot where the search ended. */
static struct target_state *
find_target(struct target_table *t, uint64_t hash, const char *provider, const char *model,
	size_t *free_at)
{
	size_t at = hash % COUNT_OF(t->slot), i;

	while ((i = atomic_load_explicit(&t->slot[at], memory_order_acquire)) != 0) {
		struct target_state *s = &t->entry[i - 1];
		if (s->hash == hash && is_named_target(s, provider, model))
			return s;
		at = (at + 1) % COUNT_OF(t->slot);
	}
	*free_at = at;
	return NULL;
}

struct target_state *
target_state(struct target_table *t, const char *provider, const char *model)
{
	size_t n, at, place;
	struct target_state *s, *of = NULL;

	model = model ? model : "";
	uint64_t hash = target_name_hash(provider, span_str(model), &n);
	if ((s = find_target(t, hash, provider, model, &at)))
		return s;
	if (n >= TARGET_NAME_BYTES)
		return &t->entry[0];
	if (model[0]) {
		of = target_state(t, provider, "");
		if (of->shared)
			return of;
	}
	SCOPED_LOCK(&t->making);
	s = find_target(t, hash, provider, model, &at);
	place = atomic_load_explicit(&t->n, memory_order_relaxed);
	if (!s && place <= CAP_TARGETS) {
		s = &t->entry[place];
		s->provider_bytes = strlen(provider);
		memcpy(s->name, provider, s->provider_bytes);
		if (model[0]) {
			s->name[s->provider_bytes] = '/';
			memcpy(s->name + s->provider_bytes + 1, model, strlen(model));
		}
		s->hash = hash;
		s->provider = of ? of : s;
		atomic_store_explicit(&t->n, place + 1, memory_order_release);
		atomic_store_explicit(
			&t->slot[at], (uint16_t)(place + 1), memory_order_release);
	}
	return s ? s : &t->entry[0];
}

const struct target_state *
target_at(const struct target_table *t, size_t i)
{
	return i + 1 < atomic_load_explicit(&t->n, memory_order_acquire) ? &t->entry[i + 1]
									 : NULL;
}

/* ---- by hand, and a reload ---- */

/* Splits a name into provider, in `out`, and model. Returns false if the name is too long or
 * has no provider. */
static bool
split_target_name(struct span name, char out[TARGET_NAME_BYTES], const char **model)
{
	if (!name.n || name.n >= TARGET_NAME_BYTES || memchr(name.p, 0, name.n))
		return false;
	memcpy(out, name.p, name.n);
	out[name.n] = 0;
	char *slash = strchr(out, '/');
	*model = slash ? slash + 1 : "";
	if (slash)
		*slash = 0;
	return out[0] != 0;
}

bool
target_by_hand(struct target_table *t, struct target_state *s, const uint64_t *was,
	bool ejected, uint64_t at_us)
{
	uint64_t old = was ? *was : atomic_load(&s->by_hand);

	while (!atomic_compare_exchange_strong(&s->by_hand, &old, at_us << 1 | ejected))
		if (was)
			return false;
	if ((old & 1) == ejected)
		return true;
	if (ejected) {
		atomic_store(&s->ejected_ns, clock_wall_ns());
		atomic_fetch_add(&t->ejected, 1);
	} else {
		atomic_fetch_sub(&t->ejected, 1);
	}
	return true;
}

bool
target_eject(struct target_table *t, struct span name)
{
	char text[TARGET_NAME_BYTES];
	const char *model;

	if (!split_target_name(name, text, &model))
		return false;
	struct target_state *s = target_state(t, text, model);
	if (s->shared)
		return false;
	target_by_hand(t, s, NULL, true, clock_mono_us());
	target_notice(s, NOTICED_HAND, false, "ejected by hand");
	return true;
}

/* Forgets everything that holds the target back, except an ejection. */
static void
target_clear(struct target_state *s)
{
	atomic_store(&s->open, 0);
	atomic_store(&s->probe_until, 0);
	atomic_store(&s->failures, 0);
	atomic_store(&s->successes, 0);
	atomic_store(&s->opens, 0);
	atomic_store(&s->throttled_until, 0);
	atomic_store(&s->early_us, 0);
	atomic_store(&s->key_probe, 0);
	target_notice(s, NOTICED_OPEN, true, "");
	target_notice(s, NOTICED_KEY, true, "");
	callers_forget(&s->callers);
	for (size_t i = 0; i < TARGET_WINDOW_S; i++)
		atomic_store(&s->tries.second[i], 0);
}

static void
admit_target(struct target_table *t, struct target_state *s)
{
	target_by_hand(t, s, NULL, false, clock_mono_us());
	target_clear(s);
	target_notice(s, NOTICED_HAND, true, "");
}

/* Called if an operator admitted a target or the configuration was read again: any model may
 * be available again. */
static void
target_lacks_forget(struct target_table *t)
{
	size_t n = atomic_load_explicit(&t->nlacks, memory_order_acquire);

	for (size_t i = 0; i < n; i++)
		atomic_store(&t->lack[i].until_us, 0);
}

bool
target_admit(struct target_table *t, struct span name)
{
	char text[TARGET_NAME_BYTES];
	const char *model;
	size_t n, at;
	struct target_state *s;

	if (!split_target_name(name, text, &model))
		return false;
	uint64_t hash = target_name_hash(text, span_str(model), &n);
	if (!(s = find_target(t, hash, text, model, &at)))
		return false;
	admit_target(t, s);
	target_lacks_forget(t);
	n = atomic_load_explicit(&t->n, memory_order_acquire);
	for (size_t i = 1; !model[0] && i < n; i++)
		if (t->entry[i].provider == s)
			admit_target(t, &t->entry[i]);
	return true;
}

bool
target_any_ejected(const struct target_table *t)
{
	return atomic_load_explicit(&t->ejected, memory_order_relaxed) != 0;
}

void
target_reloaded(struct target_table *t, const char *provider)
{
	size_t n = atomic_load_explicit(&t->n, memory_order_acquire);

	target_lacks_forget(t);
	for (size_t i = 1; i < n; i++)
		if (!provider || !strcmp(t->entry[i].provider->name, provider))
			atomic_store(&t->entry[i].key_probe, 0);
}

/* ---- all targets ---- */

void
target_named(struct target_state *s, bool keyless)
{
	atomic_store_explicit(&s->keyless, keyless, memory_order_relaxed);
	atomic_store_explicit(&s->named, true, memory_order_relaxed);
}

/* ---- what a target refuses ----
 *
 * A provider's error about a missing model, or about a key that may not do this, may have been
 * caused by the rest of the caller's request, or hold for one endpoint. Therefore it holds for
 * that caller at that endpoint, until another caller gets the same error there. */

/* Returns 0 if the name cannot be kept. */
static uint64_t
model_key(const struct target_state *s, struct span model)
{
	size_t n;

	return s->shared || !model.n ? 0 : target_name_hash(s->provider->name, model, &n);
}

/* A key belongs to all models of a target's entry. */
static uint64_t
access_key(const struct target_state *s)
{
	return s->shared ? 0 : target_mixed(s->hash);
}

static uint64_t
lack_key_at(uint64_t any, struct span endpoint)
{
	return any ? target_mixed(any ^ fnv64_bytes(FNV64_BASIS, endpoint.p, endpoint.n)) : 0;
}

static struct target_lack *
find_lack(const struct target_table *t, uint64_t key)
{
	size_t n = atomic_load_explicit(&t->nlacks, memory_order_acquire);

	for (size_t i = 0; i < n; i++)
		if (atomic_load_explicit(&t->lack[i].key, memory_order_relaxed) == key)
			return (struct target_lack *)(uintptr_t)&t->lack[i];
	return NULL;
}

/* Returns a place whose time is over, or an unused one, or NULL. */
static struct target_lack *
free_lack(struct target_table *t, uint64_t now_us)
{
	size_t n = atomic_load(&t->nlacks), i = 0;

	while (i < n && atomic_load(&t->lack[i].until_us) > now_us)
		i++;
	if (i == CAP_TARGET_LACKS)
		return NULL;
	if (i == n)
		atomic_store_explicit(&t->nlacks, n + 1, memory_order_release);
	return &t->lack[i];
}

/* Returns true if the note is the first one for its key. Call it with `making` held. */
static bool
note_lack(struct target_table *t, uint64_t any, const struct target_request *of,
	uint64_t for_us, uint64_t now_us)
{
	uint64_t key = lack_key_at(any, of->endpoint);
	struct target_lack *l = find_lack(t, key);
	bool first = !l || atomic_load(&l->until_us) <= now_us;

	if (!l && (l = free_lack(t, now_us))) {
		atomic_store(&l->any, any);
		atomic_store(&l->key, key);
	}
	if (!l)
		return false;
	if (first || atomic_load(&l->caller) == of->caller)
		atomic_store(&l->caller, of->caller);
	else
		atomic_store(&l->caller, 0);
	atomic_store(&l->until_us, now_us + for_us);
	return first;
}

void
target_lacks(struct target_table *t, const struct target_state *s,
	const struct target_request *of, uint64_t now_us)
{
	uint64_t any = model_key(s, of->model);
	bool first;

	if (!any)
		return;
	/* rare: at most once in five minutes for each model and endpoint */
	pthread_mutex_lock(&t->making);
	first = note_lack(t, any, of, TARGET_LACKS_US, now_us);
	pthread_mutex_unlock(&t->making);
	if (first)
		log_event(LOG_WARN, "target.lacks", LS("target", s->provider->name),
			LSP("model", of->model), LSP("endpoint", of->endpoint),
			LI("for_s", TARGET_LACKS_US / 1000000));
}

/* Returns true if another caller was refused at another endpoint since the target's last good
 * response. */
static bool
is_refused_elsewhere(const struct target_table *t, const struct target_state *s, uint64_t any,
	const struct target_request *of, uint64_t now_us)
{
	size_t n = atomic_load_explicit(&t->nlacks, memory_order_acquire);
	uint64_t here = lack_key_at(any, of->endpoint);

	for (size_t i = 0; i < n; i++) {
		const struct target_lack *l = &t->lack[i];
		uint64_t until = atomic_load(&l->until_us);
		if (atomic_load(&l->any) == any && atomic_load(&l->key) != here &&
			until > now_us && atomic_load(&l->caller) != of->caller &&
			target_second(until - TARGET_REFUSES_US) > atomic_load(&s->well_s))
			return true;
	}
	return false;
}

bool
target_refuses(struct target_table *t, const struct target_state *s,
	const struct target_request *of, int status, uint64_t now_us)
{
	uint64_t any = access_key(s);
	bool first, elsewhere;

	if (!any)
		return false;
	pthread_mutex_lock(&t->making);
	first = note_lack(t, any, of, TARGET_REFUSES_US, now_us);
	elsewhere = is_refused_elsewhere(t, s, any, of, now_us);
	pthread_mutex_unlock(&t->making);
	if (first)
		log_event(LOG_WARN, "target.no_access", LS("target", s->name),
			LSP("endpoint", of->endpoint), LI("status", status),
			LI("for_s", TARGET_REFUSES_US / 1000000));
	return elsewhere;
}

void
target_has(
	struct target_table *t, const struct target_state *s, const struct target_request *of)
{
	const uint64_t any[] = { model_key(s, of->model), access_key(s) };

	if (!atomic_load_explicit(&t->nlacks, memory_order_relaxed))
		return;
	for (size_t i = 0; i < COUNT_OF(any); i++) {
		struct target_lack *l =
			any[i] ? find_lack(t, lack_key_at(any[i], of->endpoint)) : NULL;
		if (l && atomic_load_explicit(&l->until_us, memory_order_relaxed))
			atomic_store(&l->until_us, 0);
	}
}

/* Returns true if a note with that key holds for the caller; `any`: at any endpoint. */
static bool
is_lacking(
	const struct target_table *t, uint64_t key, bool any, uint32_t caller, uint64_t now_us)
{
	size_t n = atomic_load_explicit(&t->nlacks, memory_order_acquire);

	for (size_t i = 0; key && i < n; i++) {
		const struct target_lack *l = &t->lack[i];
		if (atomic_load_explicit(any ? &l->any : &l->key, memory_order_relaxed) !=
				key ||
			atomic_load(&l->until_us) <= now_us)
			continue;
		uint32_t who = atomic_load(&l->caller);
		if (!who || who == caller)
			return true;
	}
	return false;
}

const char *
target_is_without(const struct target_table *t, const struct target_state *s,
	const struct target_request *of, uint64_t now_us)
{
	if (!atomic_load_explicit(&t->nlacks, memory_order_relaxed))
		return NULL;
	uint64_t model = model_key(s, of->model), access = access_key(s);
	if (!of->endpoint.n)
		return is_lacking(t, model, true, of->caller, now_us) ? "no_model" : NULL;
	if (is_lacking(t, lack_key_at(model, of->endpoint), false, of->caller, now_us))
		return "no_model";
	return is_lacking(t, lack_key_at(access, of->endpoint), false, of->caller, now_us)
		       ? "no_access"
		       : NULL;
}
