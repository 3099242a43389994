/* The text that a stream holds: only what may be the beginning of a searched value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>

#include "base/ascii.h"
#include "scan/detect/custom/custom.h"
#include "scan/detect/engine.h"
#include "support/stream_fix.h"

/* If no rule knows the words, everything before the current word is given out with its first
 * letter. Three or four letters and a space may be the beginning of a number: ABC 850101 XY1.
 */
static void
only_the_current_word_of_plain_text_is_held(void **state)
{
	static const char prose[] =
		"everything was packed in many parts, and nobody in the office knew why this "
		"had been done; it took several weeks until they understood how the whole "
		"tool was meant to work (the old way had been simple). where is it now? "
		"nothing was lost, everybody was happy, and the people who had asked for it "
		"got what they wanted, more or less.\n\nafter that, things went well again. ";
	struct detect_stream *s = detect_stream_new(rules, NULL);
	size_t word = 0;

	(void)state;
	one.n = one.unread = 0;
	buf_clear(&one.text);
	buf_clear(&one.out);
	for (size_t i = 0; prose[i]; i++) {
		char c = prose[i];
		detect_stream_feed(s, scratch, span_of(&c, 1), stream_run_take, &one);
		word = c >= 'a' && c <= 'z' ? word + 1 : is_one_of(c, ".;:?(") ? word + 1 : 0;
		if (detect_stream_held(s) > (word ? word : 5))
			fail_msg("%zu held after: %.*s", detect_stream_held(s), (int)i + 1,
				prose);
	}
	assert_int_equal(one.n, 0);
	detect_stream_free(&s);
}

/* Possible beginnings of entities that are not searched for are not held. */
static void
only_searched_entities_are_held(void **state)
{
	static const struct {
		const char *entity, *text;
		size_t held; /* after the whole text */
	} rows[] = {
		{ "EMAIL_ADDRESS", "the card is 4716 3791 4202 ", 0 },
		{ "EMAIL_ADDRESS", "John Smith and Anna Karenina ", 0 },
		{ "EMAIL_ADDRESS", "then ada@example.org ", 16 },
		{ "EMAIL_ADDRESS", "then ada.lovelace", 12 },
		{ "CREDIT_CARD", "the card is 4716 3791 4202 ", 15 },
		{ "CREDIT_CARD", "John Smith and Anna Karenina ", 0 },
		{ "PERSON", "the card is 4716 3791 4202 ", 0 },
		{ "PERSON", "then John Smith ", 11 },
		{ "GENERIC_SECRET", "the password is set. ", 17 },
		{ "GENERIC_SECRET", "the password is set. You can ", 0 },
		{ "GENERIC_SECRET", "my secret is out, everyone knows it now, and so ", 0 },
		{ "GENERIC_SECRET", "the API key is required for each call ", 0 },
		{ "GENERIC_SECRET", "your password was changed as you asked ", 0 },
		{ "GENERIC_SECRET", "secret: string value = ", 23 },
		{ "GENERIC_SECRET", "the password is 'some more words ", 29 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t set[DETECT_ENTITIES_MAX / 64] = { 0 };
		for (size_t e = 0; e < rules->nentities; e++)
			if (!strcmp(rules->entities[e].name, rows[i].entity))
				set[e / 64] |= UINT64_C(1) << (e % 64);
		struct detect_used *used = detect_used_new(rules, set, NULL);
		struct detect_options opt = { .used = used };
		struct detect_stream *s = detect_stream_new(rules, &opt);
		one.n = one.unread = 0;
		buf_clear(&one.text);
		detect_stream_feed(s, scratch, span_str(rows[i].text), stream_run_take, &one);
		if (detect_stream_held(s) != rows[i].held)
			fail_msg("%s: %zu of '%s' are held", rows[i].entity,
				detect_stream_held(s), rows[i].text);
		detect_stream_free(&s);
		detect_used_free(&used);
	}
}

/* Of a policy's own term, only a beginning of the term is held. */
static void
custom_term_is_held_while_it_may_continue(void **state)
{
	static const char yaml[] =
		"words: ['project nightingale and its sisters', 'blue moon']\n";
	static const struct {
		const char *text;
		size_t held;
	} rows[] = {
		{ "about the project ", 8 },
		{ "about the project was ", 0 },
		{ "about the project nightingale ", 20 },
		{ "about the project nightingale and its ", 28 },
		{ "about the project nightingale was ", 0 },
		{ "about the once blue ", 5 },
		{ "about the once blue sky ", 0 },
	};
	struct detect_own own = { .class = "own", .entity = "OWN", .threshold = 0.5f };
	struct detect_extra extra = { &own, 1 };
	uint64_t set[DETECT_ENTITIES_MAX / 64] = { 0 };
	struct buf errors;
	struct arena a;
	struct diag d;

	(void)state;
	buf_init(&errors, 0);
	arena_init(&a, 0, false);
	diag_init(&d);
	own.at = yaml_load(&a, "t", span_str(yaml), &d);
	own.words = yaml_get(own.at, "words");
	struct detect_rules *r = detect_load_with(NULL, &extra, &errors);
	assert_non_null(r);
	struct detect_scratch *s = detect_scratch_new(r);
	for (size_t e = 0; e < r->nentities; e++)
		if (r->entities[e].own)
			set[e / 64] |= UINT64_C(1) << (e % 64);
	struct detect_used *used = detect_used_new(r, set, NULL);
	struct detect_options opt = { .used = used };
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct detect_stream *in = detect_stream_new(r, &opt);
		detect_stream_feed(in, s, span_str(rows[i].text), stream_run_take, &one);
		if (detect_stream_held(in) != rows[i].held)
			fail_msg("%zu of '%s' are held", detect_stream_held(in), rows[i].text);
		detect_stream_free(&in);
	}
	/* Searched alone, in a text without the beginning of any other rule. */
	struct span whole =
		span_str("under a blue moon the project nightingale and its sisters "
			 "went on, as ever once in a blue moon");
	for (size_t each = 1; each <= whole.n; each++) {
		one.n = 0;
		assert_int_equal(stream_run(&one, r, s, &opt, whole, NULL, 0, each), 0);
		if (one.n != 3)
			fail_msg("%zu terms found, fed %zu bytes at a time", one.n, each);
	}
	detect_used_free(&used);
	detect_scratch_free(&s);
	detect_free(&r);
	diag_free(&d);
	arena_reset(&a);
	buf_free(&errors);
}

static void
stream_takes_less_than_12_kb(void **state)
{
	struct detect_stream *s = detect_stream_new(rules, NULL);

	(void)state;
	assert_true(malloc_usable_size(s) < 12 << 10);
	detect_stream_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_current_word_of_plain_text_is_held),
		cmocka_unit_test(only_searched_entities_are_held),
		cmocka_unit_test(custom_term_is_held_while_it_may_continue),
		cmocka_unit_test(stream_takes_less_than_12_kb),
	};
	return cmocka_run_group_tests(tests, stream_setup, stream_teardown);
}
