/* Models that a target does not have, as its provider says. One caller may be told so for what
 * else is in his request, so what he is told is so for him until another is told the same. */
#include "base/log.h"
#include "gate/targets/entry.h"

/* 0: it has no name that one may be kept by. */
static uint64_t
lack_key(const struct target_state *s, struct span model)
{
	size_t n;

	return s->shared || !model.n ? 0 : target_name_hash(s->provider->name, model, &n);
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

/* One whose time is over, or one more. */
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

void
target_lacks(struct target_table *t, const struct target_state *s, struct span model,
	uint32_t caller, uint64_t now_us)
{
	uint64_t key = lack_key(s, model);
	bool first;

	if (!key)
		return;
	pthread_mutex_lock(&t->making); /* seldom: once in five minutes a model */
	struct target_lack *l = find_lack(t, key);
	first = !l || atomic_load(&l->until_us) <= now_us;
	if (!l && (l = free_lack(t, now_us)))
		atomic_store(&l->key, key);
	if (l) {
		if (first || atomic_load(&l->caller) == caller)
			atomic_store(&l->caller, caller);
		else
			atomic_store(&l->caller, 0);
		atomic_store(&l->until_us, now_us + TARGET_LACKS_US);
	}
	pthread_mutex_unlock(&t->making);
	if (l && first)
		log_event(LOG_WARN, "target.lacks", LS("target", s->provider->name),
			LSP("model", model), LI("for_s", TARGET_LACKS_US / 1000000));
}

void
target_has(struct target_table *t, const struct target_state *s, struct span model)
{
	struct target_lack *l = atomic_load_explicit(&t->nlacks, memory_order_relaxed)
					? find_lack(t, lack_key(s, model))
					: NULL;

	if (l && atomic_load_explicit(&l->until_us, memory_order_relaxed))
		atomic_store(&l->until_us, 0);
}

void
target_lacks_forget(struct target_table *t)
{
	size_t n = atomic_load_explicit(&t->nlacks, memory_order_acquire);

	for (size_t i = 0; i < n; i++)
		atomic_store(&t->lack[i].until_us, 0);
}

bool
target_is_without(const struct target_table *t, const struct target_state *s, struct span model,
	uint32_t caller, uint64_t now_us)
{
	if (!atomic_load_explicit(&t->nlacks, memory_order_relaxed))
		return false;
	const struct target_lack *l = find_lack(t, lack_key(s, model));
	if (!l || atomic_load(&l->until_us) <= now_us)
		return false;
	uint32_t who = atomic_load(&l->caller);
	return !who || who == caller;
}
