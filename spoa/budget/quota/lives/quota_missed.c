/* Names of workers, and whether the workers that a new epoch misses have come.
 *
 * A name is a number of 64 bits: 32 are a hash of the node's name, 22 identify the process, and 10 are the
 * worker's place in that process. */
#include "base/err.h"
#include "budget/quota/lives/quota_lives_private.h"

enum { PLACE_BITS = 10, PROCESS_BITS = 22, NODE_SHIFT = PLACE_BITS + PROCESS_BITS };

#define PLACE_MASK ((UINT64_C(1) << PLACE_BITS) - 1)

uint64_t
worker_name(uint64_t node, uint64_t process, unsigned place)
{
	uint64_t low = (process << PLACE_BITS | (place & PLACE_MASK)) & UINT32_MAX;

	return node << NODE_SHIFT | low;
}

void
names_read(struct names *out, const struct span *pairs, size_t n)
{
	out->n = 0;
	for (size_t i = 0; i < n && out->n < NAMES_MAX; i++) {
		struct span s = pairs[2 * i];
		bool below = s.n && s.p[0] == '-';
		uint64_t id;
		if (below)
			s = span_of(s.p + 1, s.n - 1);
		if (span_u64(s, &id) == 0)
			out->id[out->n++] = below ? -id : id;
	}
}

size_t
names_nodes(const struct names *is)
{
	size_t nodes = 0;

	INVARIANT(is->n <= NAMES_MAX);
	for (size_t i = 0; i < is->n; i++) {
		size_t k = 0;
		while (k < i && is->id[k] >> NODE_SHIFT != is->id[i] >> NODE_SHIFT)
			k++;
		nodes += k == i;
	}
	return nodes;
}

static bool
holds_process(const struct names *is, uint64_t id)
{
	for (size_t i = 0; i < is->n; i++)
		if (is->id[i] >> PLACE_BITS == id >> PLACE_BITS)
			return true;
	return false;
}

bool
names_back(const struct names *missed, const struct names *is)
{
	for (size_t m = 0; m < missed->n; m++) {
		uint64_t id = missed->id[m];
		bool back = false;
		for (size_t i = 0; i < is->n && !back; i++)
			back = is->id[i] == id ||
			       (is->id[i] >> NODE_SHIFT == id >> NODE_SHIFT &&
				       !(is->id[i] & PLACE_MASK) &&
				       !holds_process(missed, is->id[i]));
		if (!back)
			return false;
	}
	return true;
}
