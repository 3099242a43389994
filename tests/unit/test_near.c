/* Callers near a limit, and effects of rules: the kept entries, their order, and entries
 * without room. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "budget/tally/tally.h"

static struct near near[2];
static struct rule_tally rules[2];

static int
fresh(void **state)
{
	(void)state;
	memset(near, 0, sizeof(near));
	memset(rules, 0, sizeof(rules));
	return 0;
}

static void
add(int worker, uint64_t caller, const char *person, uint64_t millionths, int64_t at,
	int64_t reset)
{
	const struct near_told t = { .caller = caller,
		.limit = SPAN_LIT("daily"),
		.person = span_str(person),
		.millionths = millionths,
		.at_ns = at,
		.reset_ns = reset };

	near_add(&near[worker], &t);
}

static json_t *
told(size_t from, size_t count, int64_t now)
{
	const struct near *const all[] = { &near[0], &near[1] };
	struct buf b;

	buf_init(&b, 0);
	near_json(&b, all, 2, from, count, now);
	json_t *o = json_loadb(buf_view(&b).p, b.n, 0, NULL);
	assert_non_null(o);
	buf_free(&b);
	return o;
}

static const char *
person(const json_t *o, size_t i)
{
	return json_string_value(json_object_get(
		json_array_get(json_object_get(o, "near"), i), "person"));
}

static json_int_t
total(const json_t *o)
{
	return json_integer_value(json_object_get(o, "total"));
}

static void
fullest_callers_are_listed_first_and_once(void **state)
{
	(void)state;
	add(0, 16, "alice", 800000, 1, 1000);
	add(1, 16, "alice", 900000, 2, 1000); /* the same caller later, in another worker */
	add(0, 32, "bob", 1000000, 3, 1000);
	add(1, 48, "carol", 810000, 4, 5);
	json_t *o = told(0, 10, 4);
	assert_int_equal(total(o), 3);
	assert_string_equal(person(o, 0), "bob");
	assert_string_equal(person(o, 1), "alice");
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(o, "near"), 1), "used_percent")),
		90);
	json_decref(o);
	o = told(0, 10, 5); /* carol's window is over */
	assert_int_equal(total(o), 2);
	json_decref(o);
	o = told(1, 1, 4);
	assert_int_equal(total(o), 3);
	assert_int_equal(json_array_size(json_object_get(o, "near")), 1);
	assert_string_equal(person(o, 0), "alice");
	json_decref(o);
	o = told(7, 10, 4);
	assert_int_equal(json_array_size(json_object_get(o, "near")), 0);
	json_decref(o);
}

static void
oldest_entry_is_dropped_and_names_are_cut(void **state)
{
	char name[100];

	(void)state;
	add(0, 16, "first", 999999, 1, 1000);
	for (unsigned i = 0; i < CAP_NEAR; i++) {
		snprintf(name, sizeof(name), "%090u", i);
		add(0, 32 + 16 * i, name, 800000, 2, 1000);
	}
	json_t *o = told(0, 1000, 3);
	assert_int_equal(total(o), CAP_NEAR);
	for (size_t i = 0; i < CAP_NEAR; i++)
		assert_true(strlen(person(o, i)) <= 48);
	json_decref(o);
	memset(near, 0, sizeof(near));
	add(0, 16, "\xff<b>", 1, 1, 1000);
	o = told(0, 1, 3);
	assert_string_equal(person(o, 0), "?");
	json_decref(o);
}

static struct rule_sum
sum(const char *name)
{
	const struct rule_tally *const all[] = { &rules[0], &rules[1] };
	struct rule_sum s;

	rule_tally_sum(all, 2, name, &s);
	return s;
}

static void
rule_effects_are_summed_over_workers(void **state)
{
	char same[] = "no-cards", here[] = "one";

	(void)state;
	rule_tally_add(&rules[0], NULL, RULE_DID_DENY, 1);
	rule_tally_add(&rules[0], "no-cards", RULE_DID_DENY, 5);
	rule_tally_add(&rules[0], same, RULE_DID_DENY, 6);
	rule_tally_add(&rules[1], "no-cards", RULE_DID_WOULD, 7);
	assert_int_equal(sum("no-cards").v[RULE_DID_DENY], 2);
	assert_int_equal(sum("no-cards").v[RULE_DID_WOULD], 1);
	assert_int_equal(sum("no-cards").last_ms, 7);
	assert_int_equal(sum("never").last_ms, 0);
	/* another name at the same address: a policy that was loaded later */
	rule_tally_add(&rules[0], here, RULE_DID_PERMIT, 8);
	memcpy(here, "two", 4);
	rule_tally_add(&rules[0], here, RULE_DID_PERMIT, 9);
	assert_int_equal(sum("one").v[RULE_DID_PERMIT], 1);
	assert_int_equal(sum("two").v[RULE_DID_PERMIT], 1);
}

static void
rules_without_room_count_as_other(void **state)
{
	static char name[RULE_NAMES + 9][16];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(name); i++) {
		snprintf(name[i], sizeof(name[i]), "rule-%zu", i);
		rule_tally_add(&rules[0], name[i], RULE_DID_DENY, 1);
		rule_tally_add(&rules[0], name[i], RULE_DID_DENY, 1);
	}
	assert_int_equal(sum("rule-0").v[RULE_DID_DENY], 2);
	assert_int_equal(sum("other").v[RULE_DID_DENY], 20);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup(f, fresh)
	const struct CMUnitTest tests[] = {
		T(fullest_callers_are_listed_first_and_once),
		T(oldest_entry_is_dropped_and_names_are_cut),
		T(rule_effects_are_summed_over_workers),
		T(rules_without_room_count_as_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
