/* The injection model on any bytes: scores must lie between 0 and 1 and be repeatable. The
 * number of features may grow only linearly with the text. The file of a model is accepted only
 * whole. The first byte selects the author of the text. */
#include <stdlib.h>

#include "scan/inject/inject_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct inject *inject;

static void
start(void)
{
	static struct arena arena;
	struct buf errors;

	arena_init(&arena, 0, false);
	buf_init(&errors, 0);
	inject = inject_load(&arena, NULL, &errors);
	buf_free(&errors);
	if (!inject)
		abort();
}

struct counting {
	struct inject_walk walk; /* first member: take() is given its address */
	uint64_t features;
};

static void
take(struct inject_walk *w, bool end)
{
	struct counting *c = (struct counting *)(void *)w;

	if (w->n > INJECT_FEED || w->units > INJECT_BLOCK_UNITS || (end && w->units == 0))
		abort();
	c->features += w->n;
}

static uint64_t
features(struct span a, struct span b)
{
	static struct counting c;

	c.features = 0;
	inject_walk_begin(&c.walk, take);
	inject_walk_text(&c.walk, a);
	inject_walk_text(&c.walk, b);
	inject_walk_end(&c.walk);
	return c.features;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inject_model *m;

	if (!inject)
		start();
	if (size == 0)
		return 0;
	enum inject_origin o = (enum inject_origin)(data[0] % INJECT_ORIGINS);
	struct span text = span_of(data + 1, size - 1);
	struct inject_result r = inject_score(inject, text, o, 0),
			     again = inject_score(inject, text, o, 0),
			     off = inject_score(inject, text, o, UINT64_MAX);
	if (!(r.score >= 0 && r.score <= 1) || r.score != again.score ||
		r.pattern != again.pattern || off.pattern || off.score > r.score ||
		(!r.pattern && off.score != r.score))
		abort();

	if (features(text, span_of("", 0)) > 5 * text.n + 64)
		abort();
	m = malloc(sizeof(*m));
	if (m && inject_model_read(m, text) && text.n < INJECT_BUCKETS)
		abort();
	free(m);
	return 0;
}
