/* The engine compared with the naive scan of tests/support/naive.h: both must cover the same
 * bytes, on the rules' examples, on the development corpora if available, and on random texts
 * of pieces that rules look for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/detect_fix.h"
#include "support/naive.h"

struct fix {
	struct detect_rules *rules;
	struct detect_scratch *scratch;
	struct naive naive;
	uint64_t random;
};

static int
setup(void **state)
{
	static struct fix f;

	f.rules = detect_fix()->rules;
	f.scratch = detect_fix()->scratch;
	naive_init(&f.naive, f.rules);
	f.random = 7;
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fix *f = *state;

	naive_free(&f->naive);
	return 0;
}

static void
compare(struct fix *f, struct span text, struct span before)
{
	bool missed = false;
	size_t at = naive_differs(&f->naive, f->scratch, text, before, &missed);

	if (at < text.n)
		fail_msg("the %s alone covers byte %zu of \"%.*s\", key \"%.*s\"",
			missed ? "naive scan" : "engine", at, SPAN_ARG(text), SPAN_ARG(before));
}

static void
examples_are_covered_as_by_the_naive_scan(void **state)
{
	struct fix *f = *state;

	for (size_t i = 0; i < f->rules->nentities; i++)
		for (size_t k = 0; k < f->rules->entities[i].nexamples; k++) {
			const struct example *x = &f->rules->entities[i].examples[k];
			compare(f, x->text, x->before);
		}
}

static uint32_t
below(struct fix *f, uint32_t n)
{
	f->random = f->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(f->random >> 33) % n;
}

static struct span
some_literal(struct fix *f)
{
	for (uint32_t h = below(f, 1u << LITERAL_BITS);; h = (h + 1) % (1u << LITERAL_BITS))
		if (f->rules->prefilter.literals[h])
			return f->rules->prefilter.literals[h]->text;
}

/* Adds a piece that rules look for: digits, separators, literals, context words, parts of
 * examples. */
static void
add_piece(struct fix *f, struct buf *b)
{
	static const char glue[] = "    --..//,:;=+()@_'\"\n\t|<>&*#xXaAkK\xc2\xa0\xe2\x80\x91";
	const struct entity_rule *e =
		&f->rules->entities[below(f, (uint32_t)f->rules->nentities)];
	const struct example *x;
	uint32_t from;

	switch (below(f, 8)) {
	case 0:
	case 1:
		for (uint32_t n = 1 + below(f, below(f, 4) ? 5 : 16); n; n--)
			buf_putc(b, (char)('0' + below(f, 10)));
		break;
	case 2: buf_span(b, some_literal(f)); break;
	case 3:
		if (e->context.words.n)
			buf_span(b, e->context.words.v[below(f, (uint32_t)e->context.words.n)]);
		break;
	case 4:
		x = e->nexamples ? &e->examples[below(f, (uint32_t)e->nexamples)] : NULL;
		if (!x || !x->text.n)
			break;
		from = below(f, 3) ? 0 : below(f, (uint32_t)x->text.n);
		buf_span(b, span_cut(x->text, from, from + 1 + below(f, 80)));
		break;
	default:
		for (uint32_t n = 1 + below(f, 2); n; n--)
			buf_putc(b, glue[below(f, sizeof(glue) - 1)]);
	}
}

static void
random_texts_are_covered_as_by_the_naive_scan(void **state)
{
	enum { TEXTS = 4000 };
	struct fix *f = *state;

	for (int i = 0; i < TEXTS; i++) {
		struct buf b;
		buf_init(&b, 0);
		for (uint32_t n = 2 + below(f, 14); n; n--)
			add_piece(f, &b);
		struct span key = below(f, 4) ? SPAN_LIT("") : some_literal(f);
		compare(f, buf_view(&b), key);
		buf_free(&b);
	}
}

/* Raw lines, with the JSON around the texts, which adds other forms. */
static void
corpora_are_covered_as_by_the_naive_scan(void **state)
{
	static const char *const files[] = { "../shared/data/detect-dev/pii.jsonl",
		"../shared/data/detect-dev/secrets.jsonl" };
	struct fix *f = *state;

	for (size_t i = 0; i < 2; i++) {
		FILE *in = fopen(files[i], "r");
		char *line = NULL;
		size_t room = 0;
		ssize_t n;
		if (!in) {
			print_message("SKIPPED: %s is not here\n", files[i]);
			continue;
		}
		while ((n = getline(&line, &room, in)) > 0)
			if (n < 1500)
				compare(f, span_of(line, (size_t)n), SPAN_LIT(""));
		free(line);
		fclose(in);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_are_covered_as_by_the_naive_scan),
		cmocka_unit_test(random_texts_are_covered_as_by_the_naive_scan),
		cmocka_unit_test(corpora_are_covered_as_by_the_naive_scan),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
