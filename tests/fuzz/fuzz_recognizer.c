/* Any bytes as the response of an external recognizer: refused with a reason, or every finding
 * lies within its text, on whole characters. The first byte selects the form. */
#include <stdint.h>

#include "base/utf8.h"
#include "base/err.h"
#include "scan/recognizer/recognizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct recognizer_label labels[] = { { "PERSON", 1 }, { "toxic", 2 },
	{ "violence", 3 } };

static void
check(const struct recognizer *r, struct span answer)
{
	const struct span texts[] = {
		SPAN_LIT("Ann \xf0\x9f\x98\x80 \xe6\x9d\x8e Rene\xcc\x81"), SPAN_LIT("x")
	};
	size_t n = r->batch ? 2 : 1;
	struct findings f[2];
	struct arena a;
	const char *why = NULL;

	arena_init(&a, 64 << 20, false);
	int err = recognizer_read(r, answer, texts, n, &a, f, NULL, &why);
	INVARIANT(err == 0 || (why && why[0]));
	for (size_t i = 0; i < n; i++) {
		INVARIANT(err == 0 || f[i].n == 0);
		for (size_t k = 0; k < f[i].n; k++) {
			const struct finding *g = &f[i].v[k];
			INVARIANT(g->start < g->end && g->end <= texts[i].n);
			INVARIANT(utf8_valid(span_cut(texts[i], g->start, g->end)));
			INVARIANT(g->score >= 0.0f && g->score <= 1.0f);
			INVARIANT(g->entity >= 1 && g->entity <= 4);
		}
	}
	arena_reset(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recognizer r = { .name = "f",
		.source = 1,
		.language = "en",
		.labels = labels,
		.nlabels = 3,
		.flagged = 4,
		.before = SPAN_LIT("["),
		.after = SPAN_LIT("]"),
		.results = "/r",
		.items = "",
		.label = "/label",
		.score = "/score" };

	if (size == 0)
		return 0;
	r.shape = (enum recognizer_shape)(data[0] % 3);
	r.batch = data[0] & 8;
	r.score_threshold = r.shape == SHAPE_MODERATION && !(data[0] & 16) ? -1 : 0.3;
	check(&r, span_of(data + 1, size - 1));
	return 0;
}
