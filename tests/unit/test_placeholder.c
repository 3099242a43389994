/* Numbering of placeholders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/caps.h"
#include "scan/text/placeholder.h"

static void
numbers_follow_the_first_occurrence_per_entity(void **state)
{
	static const struct {
		const char *entity, *value, *want;
		bool fold;
	} steps[] = {
		{ "EMAIL_ADDRESS", "a@x.org", "<EMAIL_ADDRESS_1>", false },
		{ "PHONE_NUMBER", "+1 212-555-0143", "<PHONE_NUMBER_1>", true },
		{ "EMAIL_ADDRESS", "b@x.org", "<EMAIL_ADDRESS_2>", false },
		{ "EMAIL_ADDRESS", "a@x.org", "<EMAIL_ADDRESS_1>", false },
		{ "EMAIL_ADDRESS", "A@x.org", "<EMAIL_ADDRESS_3>", false },
		{ "PHONE_NUMBER", "+1 (212) 555.0143", "<PHONE_NUMBER_1>", true },
		{ "PHONE_NUMBER", "212 555 0143", "<PHONE_NUMBER_2>", true },
		{ "IBAN_CODE", "GB82 WEST 1234", "<IBAN_CODE_1>", true },
		{ "IBAN_CODE", "gb82west1234", "<IBAN_CODE_1>", true },
		{ "IP_ADDRESS", "1.23.4.5", "<IP_ADDRESS_1>", false },
		{ "IP_ADDRESS", "12.3.4.5", "<IP_ADDRESS_2>", false },
		{ "X", "--", "<X_1>", true },
		{ "X", "..", "<X_2>", true },
	};
	struct arena a;

	(void)state;
	arena_init(&a, 0, true);
	struct placeholders *p = placeholders_new(&a);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct span got = placeholder_get(
			p, span_str(steps[i].entity), span_str(steps[i].value), steps[i].fold);
		if (!span_is(got, steps[i].want))
			fail_msg("%s: got %.*s", steps[i].value, SPAN_ARG(got));
	}
	arena_reset(&a);
}

static void
many_values_keep_their_numbers(void **state)
{
	struct arena a;
	char value[32], want[32];

	(void)state;
	arena_init(&a, 0, false);
	struct placeholders *p = placeholders_new(&a);
	for (int round = 0; round < 2; round++)
		for (int i = 1; i <= 100000; i++) {
			snprintf(value, sizeof(value), "v%d", i);
			snprintf(want, sizeof(want), "<E_%d>", i);
			assert_true(span_is(
				placeholder_get(p, SPAN_LIT("E"), span_str(value), false),
				want));
		}
	arena_reset(&a);
}

static void
full_arena_is_reported(void **state)
{
	struct arena a;
	struct placeholders *p;
	struct span got = SPAN_LIT("x");

	(void)state;
	arena_init(&a, 8192, false);
	p = placeholders_new(&a);
	assert_non_null(p);
	for (int i = 0; i < 10000 && got.p; i++) {
		char value[16];
		snprintf(value, sizeof(value), "%d", i);
		got = placeholder_get(p, SPAN_LIT("E"), span_str(value), false);
	}
	assert_null(got.p);
	assert_true(arena_failed(&a));
	arena_reset(&a);
}

/* In whatever spelling a caller writes a placeholder, its number is not assigned. Other texts
 * reserve no number. */
static void
placeholder_in_the_callers_text_reserves_its_number(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "<E_MAIL_1>", "<E_MAIL_2>" },
		{ "<e_mail_1>", "<E_MAIL_2>" },
		{ "&lt;E_MAIL_1&gt;", "<E_MAIL_2>" },
		{ "\\<E\\_MAIL\\_1\\>", "<E_MAIL_2>" },
		{ "%3cE_MAIL_1%3E", "<E_MAIL_2>" },
		{ "\\u003cE_MAIL_1\\u003e", "<E_MAIL_2>" },
		{ "<**E_MAIL_1**>", "<E_MAIL_2>" },
		{ "<__e mail 1__>", "<E_MAIL_2>" },
		{ "< E-MAIL-1 > <E_MAIL_2>", "<E_MAIL_3>" },
		{ "C:\\<E_MAIL_1>\\x", "<E_MAIL_2>" },
		{ "<<E_MAIL_1>>", "<E_MAIL_2>" },
		{ "E_MAIL_1 [E_MAIL_1] <E_MAIL_1", "<E_MAIL_1>" },
		{ "<E_MAIL_10>", "<E_MAIL_1>" },
		{ "<E_MAIL>", "<E_MAIL_1>" },
		{ "</E_MAIL_1>", "<E_MAIL_1>" },
		{ "<1_1><_1><1><___>", "<E_MAIL_1>" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a;
		arena_init(&a, 0, false);
		struct placeholders *p = placeholders_new(&a);
		placeholders_taken(p, span_str(rows[i].text));
		struct span got =
			placeholder_get(p, SPAN_LIT("E_MAIL"), SPAN_LIT("a@b.de"), false);
		if (!span_is(got, rows[i].want))
			fail_msg("%s: got %.*s", rows[i].text, SPAN_ARG(got));
		arena_reset(&a);
	}
}

static void
note(void *arg, struct span placeholder, struct span value)
{
	buf_printf(arg, "%.*s=%.*s;", SPAN_ARG(placeholder), SPAN_ARG(value));
}

static void
assigned_placeholders_are_listed_with_their_first_spelling(void **state)
{
	struct arena a;
	struct buf out;

	(void)state;
	arena_init(&a, 0, false);
	buf_init(&out, 0);
	struct placeholders *p = placeholders_new(&a);
	placeholders_taken(p, SPAN_LIT("<E_1> <phone-2> <OTHER_1>"));
	placeholders_each(p, note, &out);
	assert_int_equal(out.n, 0);
	placeholder_get(p, SPAN_LIT("PHONE"), SPAN_LIT("+1 212-555-0143"), true);
	placeholder_get(p, SPAN_LIT("E"), SPAN_LIT("a@b.de"), false);
	placeholder_get(p, SPAN_LIT("PHONE"), SPAN_LIT("+1 (212) 555.0143"), true);
	placeholder_get(p, SPAN_LIT("PHONE"), SPAN_LIT("--"), true);
	placeholder_get(p, SPAN_LIT("E"), SPAN_LIT("A@b.de"), false);
	placeholder_get(p, SPAN_LIT("E"), SPAN_LIT("a@b.de"), false);
	placeholder_get(p, SPAN_LIT("Z"), SPAN_LIT(""), false);
	placeholders_each(p, note, &out);
	assert_true(span_is(buf_view(&out),
		"<PHONE_1>=+1 212-555-0143;<E_2>=a@b.de;<PHONE_3>=--;<E_3>=A@b.de;<Z_1>=;"));
	/* Found too late to reserve another number, but it stands for no value. */
	placeholders_taken(p, SPAN_LIT("<phone 3> <E_3>"));
	buf_clear(&out);
	placeholders_each(p, note, &out);
	assert_true(span_is(buf_view(&out), "<PHONE_1>=+1 212-555-0143;<E_2>=a@b.de;<Z_1>=;"));
	buf_free(&out);
	arena_reset(&a);
}

/* ---- conversations ---- */

static void
keep(void *arg, struct span placeholder, struct span entity, struct span value)
{
	buf_printf(arg, "%.*s/%.*s=%.*s;", SPAN_ARG(placeholder), SPAN_ARG(entity),
		SPAN_ARG(value));
}

static struct span
given(struct placeholders *p, const char *entity, const char *value)
{
	return placeholder_get(p, span_str(entity), span_str(value), false);
}

static void
conversation_continues_with_assigned_placeholders(void **state)
{
	struct arena a;
	struct buf out;

	(void)state;
	arena_init(&a, 0, true);
	buf_init(&out, 0);
	struct placeholders *p = placeholders_new(&a);
	const struct span none = { NULL, 0 };
	assert_true(placeholders_add(p, SPAN_LIT("<E_1>"), SPAN_LIT("E"), SPAN_LIT("a@b.de")));
	assert_true(placeholders_add(p, SPAN_LIT("<E_4>"), SPAN_LIT("E"), SPAN_LIT("d@b.de")));
	assert_true(placeholders_add(p, SPAN_LIT("<E_5>"), none, none));
	assert_true(placeholders_add(p, SPAN_LIT("<E_2>"), SPAN_LIT("E"), SPAN_LIT("x")));
	assert_true(placeholders_add(p, SPAN_LIT("<E_2>"), SPAN_LIT("E"), SPAN_LIT("y")));
	assert_true(span_is(given(p, "E", "a@b.de"), "<E_1>"));
	assert_true(span_is(given(p, "E", "d@b.de"), "<E_4>"));
	assert_true(span_is(given(p, "E", "new"), "<E_6>"));
	/* the caller repeats them: one is known, the other stands for no value */
	placeholders_repeated(p, SPAN_LIT("<e_4> <E_7>"));
	assert_true(span_is(given(p, "E", "newer"), "<E_8>"));
	placeholders_each(p, note, &out);
	assert_true(
		span_is(buf_view(&out), "<E_1>=a@b.de;<E_4>=d@b.de;<E_6>=new;<E_8>=newer;"));
	buf_free(&out);
	arena_reset(&a);
}

static void
listed_placeholders_rebuild_the_map(void **state)
{
	struct arena a;
	struct buf out;

	(void)state;
	arena_init(&a, 0, true);
	buf_init(&out, 0);
	struct placeholders *p = placeholders_new(&a);
	placeholders_taken(p, SPAN_LIT("<E_2>"));
	given(p, "E", "a");
	given(p, "E", "b");
	placeholders_all(p, keep, &out);
	assert_true(span_is(buf_view(&out), "<E_1>/E=a;<E_3>/E=b;<E_2>/=;"));
	buf_free(&out);
	arena_reset(&a);
}

static void
tag_depends_on_value_and_key(void **state)
{
	static const unsigned char key[PLACEHOLDER_TAG_KEY] = { 1 },
				   other[PLACEHOLDER_TAG_KEY] = { 2 };
	struct arena a;

	(void)state;
	arena_init(&a, 0, true);
	struct placeholders *p = placeholders_new(&a), *q = placeholders_new(&a),
			    *r = placeholders_new(&a);
	given(p, "E", "before");
	placeholders_tag(p, key);
	placeholders_tag(q, key);
	placeholders_tag(r, other);
	assert_true(span_is(given(p, "E", "before"), "<E_1>"));
	struct span one = given(p, "E", "a");
	assert_int_equal(one.n, strlen("<E_12345678_1>"));
	assert_true(span_eq(given(p, "E", "a"), one));
	assert_true(span_eq(given(q, "E", "a"), one));
	assert_false(span_eq(given(q, "E", "A"), one));
	assert_false(span_eq(given(r, "E", "a"), one));
	/* if the caller's text contains it, the value gets another one */
	struct placeholders *s = placeholders_new(&a);
	placeholders_tag(s, key);
	placeholders_taken(s, one);
	struct span next = given(s, "E", "a");
	assert_false(span_eq(next, one));
	assert_true(span_ends(next, SPAN_LIT("_2>")));
	arena_reset(&a);
}

static void
separate_map_continues_and_is_limited(void **state)
{
	struct placeholders *p = placeholders_open();
	struct buf out;
	char value[32];

	(void)state;
	buf_init(&out, 0);
	assert_true(span_is(given(p, "E", "a"), "<E_1>"));
	placeholders_taken(p, SPAN_LIT("<E_1> <E_2>"));
	assert_true(span_is(given(p, "E", "b"), "<E_3>"));
	assert_true(span_is(given(p, "E", "a"), "<E_1>"));
	placeholders_each(p, note, &out);
	assert_true(span_is(buf_view(&out), "<E_1>=a;<E_3>=b;"));
	for (int i = 0; i < CAP_KEPT_VALUES; i++) {
		snprintf(value, sizeof(value), "v%d", i);
		given(p, "E", value);
	}
	assert_true(given(p, "E", "one more").n > strlen("<E_12345>"));
	assert_true(span_is(given(p, "E", "b"), "<E_3>"));
	buf_free(&out);
	placeholders_close(&p);
	assert_null(p);
	placeholders_close(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_follow_the_first_occurrence_per_entity),
		cmocka_unit_test(many_values_keep_their_numbers),
		cmocka_unit_test(full_arena_is_reported),
		cmocka_unit_test(placeholder_in_the_callers_text_reserves_its_number),
		cmocka_unit_test(assigned_placeholders_are_listed_with_their_first_spelling),
		cmocka_unit_test(conversation_continues_with_assigned_placeholders),
		cmocka_unit_test(listed_placeholders_rebuild_the_map),
		cmocka_unit_test(tag_depends_on_value_and_key),
		cmocka_unit_test(separate_map_continues_and_is_limited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
