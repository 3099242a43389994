/* Counts what rules did, in a table by name. */
#include "budget/tally/rules.h"

#include <string.h>

#include "base/err.h"
#include "budget/tally/names.h"

void
rule_tally_add(struct rule_tally *t, const char *name, enum rule_did did, int64_t now_ms)
{
	if (!name)
		return;
	/* A rule's name keeps its address until a reload, so that most names are found by it.
	 */
	uint16_t *known = &t->known[((uintptr_t)name >> 3) % RULE_KNOWN];
	struct rule_entry *e = &t->entry[*known];
	if (strcmp(e->name, name) != 0) {
		e = names_entry(&(struct names){ &t->n, t->entry, sizeof(t->entry[0]),
					RULE_NAMES, RULE_NAME_BYTES },
			span_str(name));
		*known = (uint16_t)(e - t->entry);
	}
	INVARIANT(did < RULE_DIDS && *known < RULE_NAMES);
	tally_grow(&e->v[did], 1);
	atomic_store_explicit(&e->last_ms, (uint64_t)now_ms, memory_order_relaxed);
}

void
rule_tally_sum(
	const struct rule_tally *const *t, size_t n, const char *name, struct rule_sum *out)
{
	*out = (struct rule_sum){ .last_ms = 0 };
	for (size_t i = 0; i < n; i++) {
		size_t entries = atomic_load_explicit(&t[i]->n, memory_order_acquire);
		for (const struct rule_entry *e = t[i]->entry; e < t[i]->entry + entries; e++) {
			if (strcmp(e->name, name) != 0)
				continue;
			for (size_t d = 0; d < RULE_DIDS; d++)
				out->v[d] += tally_value(&e->v[d]);
			uint64_t last = tally_value(&e->last_ms);
			out->last_ms = last > out->last_ms ? last : out->last_ms;
		}
	}
}
