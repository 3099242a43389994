/* Near-copies: texts whose sets of five characters in a row overlap by more than 0.6
 * (Jaccard). All pairs, exactly: of two such sets the rarest two fifths of the smaller
 * meet the rarest two fifths of the larger, so an index over those finds every pair. */
#include <stdlib.h>

#include "base/codec/utf8.h"
#include "cmd/makers/train.h"

enum { GRAM = 5, RARE_BITS = 20, SLOT_BITS = 20 };
static const double limit = 0.6;

struct grams {
	uint32_t *v; /* different ones, rarest first */
	size_t n;
};

struct entry {
	uint32_t gram, doc, next; /* next: index and one in the same slot */
};

static uint32_t *rarity; /* for the comparison */

static int
rarest_first(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
	uint32_t ra = rarity[a >> (32 - RARE_BITS)], rb = rarity[b >> (32 - RARE_BITS)];

	if (ra != rb)
		return ra < rb ? -1 : 1;
	return a < b ? -1 : a > b;
}

static int
by_value(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

/* The text's characters, folded, one space for what separates, in fives. */
static size_t
all_grams(struct span text, uint32_t *out)
{
	uint32_t last[GRAM] = { 0 };
	const struct letters_block *near = NULL;
	size_t n = 0, seen = 0;
	bool space = true;

	for (size_t i = 0; i < text.n;) {
		size_t len = utf8_sequence(text.p + i, text.n - i);
		uint32_t cp = utf8_value(text.p + i, len), h = 0;
		i += len ? len : 1;
		enum letters_script s = inject_fold(&cp, &near);
		if (s == SCRIPT_GONE || (s == SCRIPT_NONE && space))
			continue;
		space = s == SCRIPT_NONE;
		memmove(last, last + 1, (GRAM - 1) * sizeof(last[0]));
		last[GRAM - 1] = space ? ' ' : cp;
		if (++seen < GRAM)
			continue;
		for (int k = 0; k < GRAM; k++)
			h = (h ^ last[k]) * UINT32_C(0x9E3779B1) ^ h >> 15;
		out[n++] = h;
	}
	return n;
}

static bool
make_grams(struct train_set *s, struct grams *g)
{
	for (size_t i = 0; i < s->n; i++) {
		uint32_t *v = malloc((s->doc[i].text.n + 1) * sizeof(*v));
		if (!v)
			return false;
		size_t n = all_grams(s->doc[i].text, v), out = 0;
		qsort(v, n, sizeof(*v), by_value);
		for (size_t k = 0; k < n; k++)
			if (k == 0 || v[k] != v[out - 1])
				v[out++] = v[k];
		g[i] = (struct grams){ v, out };
		for (size_t k = 0; k < out; k++)
			rarity[v[k] >> (32 - RARE_BITS)]++;
	}
	for (size_t i = 0; i < s->n; i++)
		qsort(g[i].v, g[i].n, sizeof(uint32_t), rarest_first);
	return true;
}

static double
overlap(const struct grams *a, const struct grams *b)
{
	size_t i = 0, k = 0, both = 0;

	while (i < a->n && k < b->n) {
		int c = rarest_first(&a->v[i], &b->v[k]);
		both += c == 0;
		i += c <= 0;
		k += c >= 0;
	}
	return a->n + b->n == 0 ? 1 : (double)both / (double)(a->n + b->n - both);
}

/* How many of the rarest must be looked at. */
static size_t
rare_part(size_t n)
{
	return n - (size_t)(limit * (double)n) + (n > 0);
}

struct search {
	struct train_set *set;
	struct grams *g;
	uint32_t *slot, *seen;
	struct entry *entry;
	size_t nentries;
	struct train_pair *v;
	size_t n, faults, room;
};

static void
compare_docs(struct search *s, size_t doc, size_t other)
{
	const struct grams *a = &s->g[doc], *b = &s->g[other];
	double small = (double)(a->n < b->n ? a->n : b->n);

	if (small < limit * (double)(a->n < b->n ? b->n : a->n))
		return;
	double o = overlap(a, b);
	if (o <= limit)
		return;
	s->set->doc[doc].dropped = true;
	s->n++;
	if (s->set->doc[doc].use != TRAIN_DATA)
		return;
	if (s->faults < s->room)
		s->v[s->faults] =
			(struct train_pair){ &s->set->doc[doc], &s->set->doc[other], o };
	s->faults++;
}

static void
look_for_copies(struct search *s, size_t doc)
{
	size_t part = rare_part(s->g[doc].n);

	if (part > s->g[doc].n)
		part = s->g[doc].n;
	for (size_t i = 0; i < part; i++) {
		uint32_t h = s->g[doc].v[i];
		for (uint32_t e = s->slot[h >> (32 - SLOT_BITS)]; e; e = s->entry[e - 1].next) {
			const struct entry *x = &s->entry[e - 1];
			if (x->gram != h || s->seen[x->doc] == doc + 1)
				continue;
			s->seen[x->doc] = (uint32_t)doc + 1;
			if (!s->set->doc[doc].dropped)
				compare_docs(s, doc, x->doc);
		}
	}
	if (s->set->doc[doc].dropped) /* copies of it are copies of the earlier one, or near */
		return;
	for (size_t i = 0; i < part; i++) {
		uint32_t *slot = &s->slot[s->g[doc].v[i] >> (32 - SLOT_BITS)];
		s->entry[s->nentries] = (struct entry){ s->g[doc].v[i], (uint32_t)doc, *slot };
		*slot = (uint32_t)++s->nentries;
	}
}

size_t
train_near_copies(struct train_set *set, struct train_pair *v, size_t room, size_t *faults)
{
	struct search s = { .set = set, .v = v, .room = room };
	size_t total = 0;

	rarity = calloc(1u << RARE_BITS, sizeof(*rarity));
	s.g = calloc(set->n + 1, sizeof(*s.g));
	s.slot = calloc(1u << SLOT_BITS, sizeof(*s.slot));
	s.seen = calloc(set->n + 1, sizeof(*s.seen));
	bool good = rarity && s.g && s.slot && s.seen && make_grams(set, s.g);
	for (size_t i = 0; good && i < set->n; i++)
		total += rare_part(s.g[i].n);
	s.entry = malloc((total + 1) * sizeof(*s.entry));
	for (size_t i = 0; good && s.entry && i < set->n; i++)
		look_for_copies(&s, i);
	for (size_t i = 0; s.g && i < set->n; i++)
		free(s.g[i].v);
	free(s.g);
	free(s.slot);
	free(s.seen);
	free(rarity);
	if (!good || !s.entry)
		s.n = SIZE_MAX;
	free(s.entry);
	*faults = s.faults;
	return s.n;
}
