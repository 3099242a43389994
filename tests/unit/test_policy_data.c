/* `data:` in a policy: files and their rows, values in conditions, and errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/caps.h"
#include "policy/data.h"
#include "policy/rule.h"
#include "support/policy_fix.h"
#include "support/temp_dir.h"

static const struct policy *
load(struct policy_fix *f, const char *text)
{
	put("p.yaml", text);
	return fix_load_file(f, path("p.yaml"));
}

#define HEAD                                                                                   \
	POLICY_HEAD "data:\n  people: {file: people.yaml, key: identity.person}\n"             \
		    "  lists: {file: lists.json}\ndefault: permit\n"

/* Returns the rule that decided for a person; "": the default. */
static const char *
decided(const struct policy *p, const char *person, const struct cel_value *const *data)
{
	static struct arena a;
	struct identity id = { .method = "jwt", .person = span_str(person) };
	struct policy_facts f = {
		.identity = &id, .route = &p->routes[0], .whole = true, .data = data
	};
	struct policy_verdict v;

	arena_reset(&a);
	arena_init(&a, 0, false);
	assert_int_equal(policy_decide(p, &f, &a, &v), 0);
	assert_true(v.data_read && v.data_read < 4);
	return v.ruled.rule ? v.ruled.rule->name : "";
}

static void
row_of_a_file_belongs_to_the_person(void **state)
{
	struct policy_fix f;

	(void)state;
	put("people.yaml", "zoe: {leave: true}\nbob:\n  budget: 3\nalice: {leave: false, tags: "
			   "[a, b]}\n'7': {budget: 1.5}\n");
	put("lists.json", "{\"blocked\": [\"mallory\"],\n\t\"since\": null}");
	const struct policy *p =
		load(&f, HEAD "rules:\n"
			      "  - {name: blocked, when: 'identity.person in "
			      "data.lists.blocked', deny: true}\n"
			      "  - {name: stranger, when: '!has(data.people)', deny: true}\n"
			      "  - {name: away, when: 'has(data.people.leave) && "
			      "data.people.leave', deny: true}\n"
			      "  - {name: spent, when: 'has(data.people.budget) && "
			      "data.people.budget < 2', deny: true}\n"
			      "  - {name: b, when: 'has(data.people.tags) && \"b\" in "
			      "data.people.tags', deny: true}\n");
	if (!p)
		fail_msg("%.*s", SPAN_ARG(buf_view(&f.d.text)));
	assert_string_equal(decided(p, "mallory", NULL), "blocked");
	assert_string_equal(decided(p, "nobody", NULL), "stranger");
	assert_string_equal(decided(p, "zoe", NULL), "away");
	assert_string_equal(decided(p, "bob", NULL), "");
	assert_string_equal(decided(p, "7", NULL), "spent");
	assert_string_equal(decided(p, "alice", NULL), "b");
	/* A given row replaces the file, as in a replay. */
	struct cel_value pair[] = { cel_string(SPAN_LIT("leave")), cel_bool(true) };
	struct cel_value row = { .type = CEL_MAP, .list = { pair, 1 } };
	const struct cel_value *given[CAP_DATA] = { &row };
	assert_string_equal(decided(p, "bob", given), "away");
	/* The files that were read are watched for changes. */
	assert_non_null(memmem(buf_view(&f.d.files).p, f.d.files.n, "people.yaml", 12));
	fix_done(&f);
}

static void
missing_value_leads_to_the_rules_on_error(void **state)
{
	struct policy_fix f;

	(void)state;
	put("people.yaml", "bob: {x: 1}\n");
	put("lists.json", "{}");
	const struct policy *p =
		load(&f, HEAD "rules:\n"
			      "  - {name: skips, when: 'data.people.y == data.lists.y', deny: "
			      "true, on_error: skip}\n"
			      "  - {name: denies, when: 'data.people.y == 2', deny: true}\n");
	assert_non_null(p);
	assert_string_equal(decided(p, "bob", NULL), "denies");
	assert_true(p->data[0].read && p->data[1].read);
	fix_done(&f);
}

static void
errors_in_data_are_found_at_load(void **state)
{
	/* clang-format off */
	static const struct { const char *data, *rule, *want; } rows[] = {
	{ "d: {file: people.yaml, key: identity.persn}", "true", "p.yaml:5:36: key: a string that is known before the body, such as identity.person, is expected, found identity.persn, did you mean identity.person?" },
	{ "d: {file: people.yaml, key: model.name}", "true", "p.yaml:5:36: key: a string that is known before the body, such as identity.person, is expected, found model.name" },
	{ "d: {file: absent.yaml}", "true", "absent.yaml:1:1: cannot open: No such file or directory" },
	{ "d: {file: list.yaml}", "true", "list.yaml:1:1: d: a mapping is expected, found a list" },
	{ "d: {file: twice.yaml}", "true", "twice.yaml:2:1: a: given twice (first in line 1)" },
	{ "d: {}", "true", "p.yaml:5:11: d: one of file, redis, url is expected" },
	{ "d: {file: people.yaml, ttl: 5s}", "true", "p.yaml:5:31: ttl: unknown key; accepted: file, key" },
	{ "d: {redis: k, url: 'http://x/'}", "true", "p.yaml:5:11: d: one of file, redis, url is expected" },
	{ "d: {redis: k}", "true", "p.yaml:5:19: redis: tollgate.yaml has no redis.url" },
	{ "d: {url: 'ftp://x/'}", "true", "p.yaml:5:17: url: " },
	{ "d: {url: 'http://x/', on_failure: permit}", "true", "p.yaml:5:42: on_failure: one of deny, skip is expected, found permit" },
	{ "d: {url: 'http://x/', ttl: 0s}", "true", "p.yaml:5:35: ttl: a duration" },
	{ "d-e: {file: people.yaml}", "true", "p.yaml:5:8: d-e: a name of 1 to 64 letters" },
	{ "people: {file: people.yaml}", "data.peple.x == 1", "p.yaml:6:26: when: data.peple.x: no such field; did you mean data.people" },
	};
	/* clang-format on */

	(void)state;
	put("people.yaml", "bob: {x: 1}\n");
	put("list.yaml", "[1]\n");
	put("twice.yaml", "a: 1\na: 2\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_fix f;
		char text[1024], want[512];
		snprintf(text, sizeof(text),
			POLICY_HEAD "data: {%s}\nrules: [{name: r, when: '%s', deny: true}]\n",
			rows[i].data, rows[i].rule);
		assert_null(load(&f, text));
		snprintf(want, sizeof(want), "%s/%s", dir, rows[i].want);
		buf_putc(&f.d.text, 0);
		if (f.d.errors != 1 || strncmp(buf_view(&f.d.text).p, want, strlen(want)))
			fail_msg("row %zu: %u errors: %swanted: %s", i, f.d.errors,
				buf_view(&f.d.text).p, want);
		fix_done(&f);
	}
	struct policy_fix f;
	assert_null(
		load(&f, POLICY_HEAD "rules: [{name: r, when: 'data.x == 1', deny: true}]\n"));
	assert_non_null(strstr(
		buf_view(&f.d.text).p, "when: data: the policy has no data source of that name"));
	fix_done(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(row_of_a_file_belongs_to_the_person),
		cmocka_unit_test(missing_value_leads_to_the_rules_on_error),
		cmocka_unit_test(errors_in_data_are_found_at_load),
	};

	return cmocka_run_group_tests_name(
		"policy data", tests, temp_dir_make, temp_dir_remove);
}
