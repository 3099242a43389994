/* The engine must cover the same bytes as the naive scan of every rule (tests/support/naive.h).
 * Findings must lie inside the text, sorted, without overlap and above their threshold. In
 * UTF-8 text they must cut no character. The first byte is the number of input bytes that
 * precede the text as its key. */
#include <stdlib.h>

#include "base/utf8.h"
#include "base/err.h"
#include "scan/detect/engine.h"
#include "support/detect_fix.h"
#include "support/naive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
inside_character(struct span t, size_t at)
{
	return at < t.n && (t.p[at] & 0xC0) == 0x80;
}

static void
compare(const struct detect_fix *f, struct span text, struct span before)
{
	static struct naive naive;
	bool missed;

	if (!naive.rules)
		naive_init(&naive, f->rules);
	if (text.n <= 1024 && naive_differs(&naive, f->scratch, text, before, &missed) < text.n)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct detect_fix *fix = detect_fix();
	const struct detect_rules *rules = fix->rules;
	struct findings f;
	struct arena a;

	if (size < 1)
		return 0;
	size_t key = data[0] < size - 1 ? data[0] : 0;
	struct detect_options opt = { .before = span_of(data + 1, key) };
	struct span text = span_of(data + 1 + key, size - 1 - key);
	arena_init(&a, 0, false);
	int err = detect_scan(rules, fix->scratch, text, &opt, &a, &f);
	if (err && err != ERR_LIMIT)
		abort();
	bool utf8 = utf8_valid(text);
	size_t last = 0;
	for (size_t i = 0; i < f.n; i++) {
		const struct finding *x = &f.v[i];
		if (x->start < last || x->end <= x->start || x->end > text.n)
			abort();
		if (x->entity >= detect_entity_count(rules) ||
			!(x->score > 0 && x->score <= 1) ||
			x->score < detect_entity_threshold(rules, x->entity))
			abort();
		if (utf8 &&
			(inside_character(text, x->start) || inside_character(text, x->end)))
			abort();
		last = x->end;
	}
	if (!err)
		compare(fix, text, opt.before);
	arena_reset(&a);
	return 0;
}
