/* Finds a name, else takes a place, else "other". */
#include "budget/tally/names.h"

void *
names_entry(const struct names *t, struct span name)
{
	size_t n = atomic_load_explicit(t->n, memory_order_relaxed);
	char *first = t->entries, *e = first + t->size;

	for (size_t i = 1; i < n; i++, e += t->size)
		if (name.n < t->name_bytes && !memcmp(e, name.p, name.n) && !e[name.n])
			return e;
	if (n == 0) {
		memcpy(first, "other", sizeof("other"));
		n = 1;
	}
	if (n < t->room && name.n < t->name_bytes)
		memcpy(first + n++ * t->size, name.p, name.n);
	else
		e = first;
	atomic_store_explicit(t->n, n, memory_order_release);
	return e;
}
