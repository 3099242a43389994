/* A search for some entities finds, in any text, what a search for all entities finds of
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/detect_texts.h"
#include "scan/detect/rules/rule.h"
#include "support/detect_fix.h"

enum { SUBSETS = 60, SETS_A_TEXT = 6, TEXT_BYTES = 6000 };

static struct detect_rules *rules;
static struct detect_used *used[SUBSETS];
static uint64_t wanted[SUBSETS][DETECT_ENTITIES_MAX / 64];
static uint64_t dice = 11;

static bool
in(const uint64_t *set, size_t e)
{
	return set[e / 64] >> (e % 64) & 1;
}

/* No entity, one, three, a dozen, half or nearly all of them. */
static void
choose(uint64_t *set, size_t kind)
{
	static const uint32_t percent[] = { 0, 0, 1, 4, 50, 97 };
	size_t n = detect_entity_count(rules);

	for (size_t e = 0; e < n; e++)
		if (text_random(&dice) % 100 < percent[kind % 6])
			set[e / 64] |= UINT64_C(1) << (e % 64);
	if (kind % 6) {
		size_t e = text_random(&dice) % n;
		set[e / 64] |= UINT64_C(1) << (e % 64);
	}
}

static int
setup(void **state)
{
	(void)state;
	rules = detect_fix()->rules;
	for (size_t i = 0; i < SUBSETS; i++) {
		choose(wanted[i], i);
		used[i] = detect_used_new(rules, wanted[i], NULL);
		assert_non_null(used[i]);
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < SUBSETS; i++)
		detect_used_free(&used[i]);
	return 0;
}

static void
same(struct span text, struct span before, size_t i)
{
	struct detect_fix *fix = detect_fix();
	struct detect_options opt = { .before = before };
	struct findings all, some;
	size_t n = 0;

	int err = detect_fix_scan(fix, text, &opt, &all);
	opt.used = used[i];
	int less = detect_fix_scan(fix, text, &opt, &some);
	/* An error of the full search may not occur here. */
	assert_true(less == 0 || less == err);
	for (size_t k = 0; err == 0 && k < all.n; k++) {
		const struct finding *f = &all.v[k];
		if (!in(wanted[i], f->entity))
			continue;
		assert_true(n < some.n);
		assert_memory_equal(&some.v[n], f, sizeof(*f));
		n++;
	}
	if (err == 0)
		assert_int_equal(n, some.n);
	for (size_t k = 0; k < some.n; k++)
		assert_true(in(wanted[i], some.v[k].entity));
	arena_reset(&fix->arena);
}

static void
same_in_some(struct span text, struct span before)
{
	for (size_t k = 0; k < SETS_A_TEXT; k++)
		same(text, before, text_random(&dice) % SUBSETS);
}

static void
partial_search_equals_a_full_search_in_generated_texts(void **state)
{
	static char text[TEXT_BYTES];

	(void)state;
	for (size_t k = 0; k < text_kinds_count + text_hostile_count; k++) {
		const struct text_kind *kind = k < text_kinds_count
						       ? &text_kinds[k]
						       : &text_hostile[k - text_kinds_count];
		kind->fill(kind, text, sizeof(text));
		for (size_t i = 0; i < SUBSETS; i++)
			same(span_of(text, sizeof(text)), SPAN_LIT(""), i);
	}
}

static void
partial_search_equals_a_full_search_in_examples(void **state)
{
	(void)state;
	for (size_t e = 0; e < rules->nentities; e++)
		for (size_t i = 0; i < rules->entities[e].nexamples; i++) {
			const struct example *x = &rules->entities[e].examples[i];
			same_in_some(x->text, x->before);
		}
}

/* Adjacent values compete. */
static void
partial_search_equals_a_full_search_in_adjacent_examples(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (size_t n = 0; n < 3000; n++) {
		buf_clear(&b);
		for (size_t k = 0; k < 4; k++) {
			const struct entity_rule *e =
				&rules->entities[text_random(&dice) % rules->nentities];
			if (e->nexamples)
				buf_span(&b,
					e->examples[text_random(&dice) % e->nexamples].text);
			buf_str(&b, k % 2 ? " " : "");
		}
		same_in_some(buf_view(&b), SPAN_LIT(""));
	}
	buf_free(&b);
}

static void
partial_search_equals_a_full_search_for_obfuscated_values(void **state)
{
	static const char *const parts[] = { "text", "before", "hidden", "after" };
	FILE *f = fopen("tests/data/evasion.jsonl", "r");
	struct buf b;

	(void)state;
	assert_non_null(f);
	buf_init(&b, 0);
	for (json_t *row; (row = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL));) {
		buf_clear(&b);
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
			json_t *part = json_object_get(row, parts[i]);
			buf_str(&b, part ? json_string_value(part) : "");
		}
		same_in_some(buf_view(&b), SPAN_LIT(""));
		json_decref(row);
	}
	fclose(f);
	buf_free(&b);
}

static void
partial_search_equals_a_full_search_in_clinical_notes(void **state)
{
	FILE *f = fopen("tests/data/clinical.txt", "r");
	char *line = NULL;
	size_t room = 0;

	(void)state;
	assert_non_null(f);
	for (ssize_t n; (n = getline(&line, &room, f)) > 0;)
		same_in_some(span_of(line, (size_t)n), SPAN_LIT(""));
	free(line);
	fclose(f);
}

static void
search_for_one_entity_equals_a_full_search(void **state)
{
	(void)state;
	for (size_t e = 0; e < rules->nentities; e++) {
		uint64_t *set = wanted[0];
		const struct entity_rule *of = &rules->entities[e];
		memset(set, 0, sizeof(wanted[0]));
		set[e / 64] |= UINT64_C(1) << (e % 64);
		detect_used_free(&used[0]);
		used[0] = detect_used_new(rules, set, NULL);
		assert_non_null(used[0]);
		for (size_t i = 0; i < of->nexamples; i++)
			same(of->examples[i].text, of->examples[i].before, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(partial_search_equals_a_full_search_in_generated_texts),
		cmocka_unit_test(partial_search_equals_a_full_search_in_examples),
		cmocka_unit_test(partial_search_equals_a_full_search_in_adjacent_examples),
		cmocka_unit_test(partial_search_equals_a_full_search_for_obfuscated_values),
		cmocka_unit_test(partial_search_equals_a_full_search_in_clinical_notes),
		cmocka_unit_test(search_for_one_entity_equals_a_full_search),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
