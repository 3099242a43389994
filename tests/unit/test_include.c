/* A policy in several files: the merged policy, errors with the place in their file, and a
 * version that does not depend on the layout of the files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "policy/config/include.h"
#include "policy/identity_entry.h"
#include "policy/rule.h"
#include "support/policy_fix.h"
#include "support/temp_dir.h"

static int
setup(void **state)
{
	return temp_dir_make(state) == 0 && mkdir(path("sub"), 0700) == 0 &&
			       mkdir(path("d"), 0700) == 0 && mkdir(path("e"), 0700) == 0
		       ? 0
		       : -1;
}

static const struct policy *
load(struct policy_fix *f, const char *file)
{
	arena_init(&f->a, 0, false);
	diag_init(&f->d);
	f->p = policy_open(&f->a, path(file), &fix_config, NULL, &f->own, &f->d);
	return f->p;
}

static const struct policy *
must_load(struct policy_fix *f, const char *file)
{
	if (!load(f, file))
		fail_msg("%.*s", SPAN_ARG(buf_view(&f->d.text)));
	return f->p;
}

/* Asserts one message at a file's line and column. */
static void
refused(const char *file, const char *at, const char *message)
{
	struct policy_fix f;
	char want[512];

	assert_null(load(&f, file));
	snprintf(want, sizeof(want), "%s/%s: %s\n", dir, at, message);
	struct span got = buf_view(&f.d.text);
	if (f.d.errors != 1 || !span_is(got, want))
		fail_msg("%u errors: %.*swanted: %s", f.d.errors, SPAN_ARG(got), want);
	fix_done(&f);
}

#define ROUTES                                                                                 \
	"routes:\n  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, "     \
	"backend: openai}\n"

static void
lists_are_joined_in_the_order_of_inclusion(void **state)
{
	struct policy_fix f;

	(void)state;
	put("p.yaml", "tollgate: 1\nname: t\ninclude: [sub/a.yaml, b.yaml]\n" ROUTES
		      "rules:\n  - {name: own, permit: true}\n"
		      "classes: {pii: [PERSON]}\ndetectors: {thresholds: {PERSON: 0.7}}\n");
	put("sub/a.yaml", "tollgate: 1\ninclude: deep.yaml\n"
			  "rules:\n  - {name: a1, deny: true}\n  - {name: a2, deny: true}\n"
			  "identity:\n  - api_key: {keys: k.yaml}\n"
			  "detectors: {thresholds: {US_SSN: 0.8}}\n");
	put("sub/deep.yaml", "rules: [{name: deep, deny: true}]\nclasses: {phi: [US_NPI]}\n");
	put("b.yaml", "rules: [{name: b, deny: true}]\nidentity:\n  - none: {}\n");
	const struct policy *p = must_load(&f, "p.yaml");
	static const char *const order[] = { "deep", "a1", "a2", "b", "own" };
	assert_int_equal(p->nrules, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(p->rules[i].name, order[i]);
	assert_int_equal(p->nidentities, 2);
	/* Paths are relative to the file that contains them. */
	assert_string_equal(p->identities[0].keys_file, path("sub/k.yaml"));
	int ssn = detect_entity_find(f.own, SPAN_LIT("US_SSN"));
	int person = detect_entity_find(f.own, SPAN_LIT("PERSON"));
	assert_true(p->thresholds[ssn] > 0.79f && p->thresholds[ssn] < 0.81f);
	assert_true(p->thresholds[person] > 0.69f && p->thresholds[person] < 0.71f);
	fix_done(&f);
}

static void
folder_stands_for_its_files_in_the_order_of_names(void **state)
{
	struct policy_fix f;

	(void)state;
	put("d/20-z.yaml", "rules: [{name: z, permit: true}]\n");
	put("d/10-a.yaml", "tollgate: 1\nname: t\n" ROUTES "rules: [{name: a, deny: true}]\n");
	put("d/.hidden.yaml", "nonsense: 1\n");
	put("d/README.md", "nonsense: 1\n");
	const struct policy *p = must_load(&f, "d");
	assert_int_equal(p->nrules, 2);
	assert_string_equal(p->rules[0].name, "a");
	assert_string_equal(p->rules[1].name, "z");
	fix_done(&f);
	/* If a folder has a policy.yaml, only that file is read. */
	put("d/policy.yaml", "include: 10-a.yaml\n");
	p = must_load(&f, "d");
	assert_int_equal(p->nrules, 1);
	fix_done(&f);
	unlink(path("d/policy.yaml"));
	refused("e", "e:1:1", "contains no policy: no file *.yaml");
}

static void
errors_name_their_file(void **state)
{
	(void)state;
	put("p.yaml", "tollgate: 1\nname: t\ninclude:\n  - inc.yaml\n" ROUTES
		      "rules: [{name: own, permit: true}]\nclasses: {pii: [PERSON]}\n");
	put("inc.yaml", "rules:\n  - {name: x, when: 'idenity.person == \"\"', deny: true}\n");
	struct policy_fix f;
	assert_null(load(&f, "p.yaml"));
	assert_int_equal(f.d.errors, 1);
	assert_non_null(strstr(buf_view(&f.d.text).p, path("inc.yaml:2:22: when:")));
	fix_done(&f);

	char want[256];
	put("inc.yaml", "\nrules:\n  - {name: own, deny: true}\n");
	snprintf(want, sizeof(want), "name: own is already used, at %s", path("inc.yaml:3:5"));
	refused("p.yaml", "p.yaml:7:16", want);
	put("inc.yaml", "name: u\n");
	snprintf(want, sizeof(want), "name: occurs twice, first at %s", path("inc.yaml:1:1"));
	refused("p.yaml", "p.yaml:2:1", want);
	put("inc.yaml", "classes:\n  pii: [PERSON]\n");
	snprintf(want, sizeof(want), "pii: occurs twice, first at %s", path("inc.yaml:2:3"));
	refused("p.yaml", "p.yaml:8:11", want);
	put("inc.yaml", "- 1\n");
	refused("p.yaml", "inc.yaml:1:1", "policy: a mapping is expected, found a list");
	put("inc.yaml", "rules: &a [*a]\n");
	refused("p.yaml", "inc.yaml:1:12", "the anchor &a contains itself");
	put("inc.yaml", "rules: 7\n");
	snprintf(
		want, sizeof(want), "rules: occurs twice, first at %s", path("inc.yaml:1:1"));
	refused("p.yaml", "p.yaml:7:1", want);
}

static void
include_cycles_and_bombs_are_refused(void **state)
{
	char text[CAP_INCLUDES * 16 + 64], want[256], name[32];
	size_t n = 0;

	(void)state;
	put("p.yaml", "tollgate: 1\nname: t\ninclude: p.yaml\n" ROUTES);
	snprintf(want, sizeof(want), "include: %s is already part of this policy",
		path("p.yaml"));
	refused("p.yaml", "p.yaml:3:10", want);
	put("p.yaml", "tollgate: 1\nname: t\ninclude: [a.yaml, b.yaml]\n" ROUTES);
	put("a.yaml", "include: [b.yaml]\n");
	put("b.yaml", "include: ./sub/../a.yaml\n");
	struct policy_fix f;
	assert_null(load(&f, "p.yaml"));
	assert_int_equal(f.d.errors, 2); /* b names a, which is being read; p names b again */
	snprintf(want, sizeof(want), "%s: include: %s is already included, at %s\n",
		path("b.yaml:1:10"), path("./sub/../a.yaml"), path("p.yaml:3:11"));
	assert_non_null(strstr(buf_view(&f.d.text).p, want));
	fix_done(&f);

	put("p.yaml", "tollgate: 1\nname: t\ninclude: nowhere.yaml\n" ROUTES);
	snprintf(want, sizeof(want), "include: %s cannot be opened: No such file or directory",
		path("nowhere.yaml"));
	refused("p.yaml", "p.yaml:3:10", want);
	put("p.yaml", "tollgate: 1\nname: t\ninclude: sub\n" ROUTES);
	snprintf(want, sizeof(want), "include: %s is not a regular file", path("sub"));
	refused("p.yaml", "p.yaml:3:10", want);

	for (unsigned i = 0; i < CAP_INCLUDE_DEPTH + 1; i++) {
		char inside[64];
		snprintf(name, sizeof(name), "c%u.yaml", i);
		snprintf(inside, sizeof(inside), "include: c%u.yaml\n", i + 1);
		put(name, inside);
	}
	put("p.yaml", "tollgate: 1\nname: t\ninclude: c0.yaml\n" ROUTES);
	refused("p.yaml", "c7.yaml:1:10", "include: nested deeper than 8 files");

	n = (size_t)snprintf(text, sizeof(text), "tollgate: 1\nname: t\n" ROUTES "include:\n");
	for (unsigned i = 0; i < CAP_INCLUDES; i++) {
		snprintf(name, sizeof(name), "m%u.yaml", i);
		put(name, "rules: []\n");
		n += (size_t)snprintf(text + n, sizeof(text) - n, "- m%u.yaml\n", i);
	}
	put("p.yaml", text);
	snprintf(want, sizeof(want),
		"include: %s is one file too many: a policy has at most 64 files", path("m63.yaml"));
	refused("p.yaml", "p.yaml:69:3", want);

	/* Each file is within the limits, but not both together. */
	char *big = malloc(1 << 20);
	assert_non_null(big);
	n = (size_t)sprintf(big, "rules: [");
	for (unsigned i = 0; i < 260000; i++)
		n += (size_t)sprintf(big + n, "1, ");
	sprintf(big + n, "1]\n");
	put("a.yaml", big);
	put("b.yaml", big);
	free(big);
	put("p.yaml", "tollgate: 1\nname: t\ninclude: [a.yaml, b.yaml]\n" ROUTES);
	snprintf(want, sizeof(want),
		"include: %s makes the policy too large: at most 500000 nodes in all files", path("b.yaml"));
	refused("p.yaml", "p.yaml:3:19", want);
}

static void
model_names_are_joined_and_must_be_unique(void **state)
{
	struct policy_fix f;

	(void)state;
	put("own.yaml", "tollgate: 1\nname: t\ninclude: [one.yaml]\nproviders: {p: {backend: "
			"openai}}\nroutes: [{name: r, match: {path: /}, targets: p}]\n"
			"models: {big: {targets: {provider: p, model: m2}}}\n");
	put("one.yaml", "models: {small: {targets: {provider: p, model: m1}}}\n");
	const struct policy *p = must_load(&f, "own.yaml");
	assert_int_equal(p->routes->naliases, 2);
	fix_done(&f);
	put("one.yaml", "models: {big: {targets: {provider: p, model: m1}}}\n");
	char want[256];
	snprintf(want, sizeof(want), "big: occurs twice, first at %s:1:10", path("one.yaml"));
	refused("own.yaml", "own.yaml:6:10", want);
}

/* ---- version ---- */

static void
version_of(const char *file, char out[65])
{
	struct policy_fix f;

	memcpy(out, must_load(&f, file)->version, 65);
	fix_done(&f);
}

static void
version_does_not_depend_on_the_layout_of_files(void **state)
{
	char whole[65], split[65], folder[65], other[65];

	(void)state;
	put("whole.yaml",
		"tollgate: 1\nname: t\ndefault: permit\n" ROUTES
		"classes: {pii: [PERSON, US_SSN], phi: [US_NPI]}\n"
		"rules:\n  - {name: a, when: 'identity.person == \"x\"', deny: {status: 403}}\n"
		"  - {name: b, redact: {classes: [pii]}}\n");
	put("split.yaml", "# whose routes are elsewhere\n\nname:   't'\ninclude:\n"
			  "  - ./sub/rules.yaml # the rules\n  - sub/more.yaml\n"
			  "default: permit\nrules: [{redact: {classes: [pii]}, name: b}]\n");
	put("sub/rules.yaml", "rules:\n- name: a\n  deny:\n    status: 403\n  when: |\n"
			      "    identity.person == \"x\"\n");
	put("sub/more.yaml", "tollgate: 1\ninclude: routes.yaml\nclasses:\n  phi: [US_NPI]\n");
	put("sub/routes.yaml", ROUTES "classes:\n  pii:\n  - PERSON\n  - US_SSN\n");
	version_of("whole.yaml", whole);
	version_of("split.yaml", split);
	assert_string_equal(whole, split);

	unlink(path("d/10-a.yaml"));
	unlink(path("d/20-z.yaml"));
	put("d/1.yaml", "tollgate: 1\ndefault: permit\nname: t\n" ROUTES);
	put("d/2.yaml",
		"classes: {phi: [US_NPI]}\n"
		"rules: [{name: a, when: 'identity.person == \"x\"', deny: {status: 403}}]\n");
	put("d/3.yaml", "rules: [{name: b, redact: {classes: [pii]}}]\n"
			"classes: {pii: [PERSON, US_SSN]}\n");
	version_of("d", folder);
	assert_string_equal(whole, folder);

	/* The order of rules matters, whichever file they are in. */
	assert_int_equal(rename(path("d/3.yaml"), path("d/0.yaml")), 0);
	version_of("d", other);
	assert_string_not_equal(whole, other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_joined_in_the_order_of_inclusion),
		cmocka_unit_test(folder_stands_for_its_files_in_the_order_of_names),
		cmocka_unit_test(errors_name_their_file),
		cmocka_unit_test(include_cycles_and_bombs_are_refused),
		cmocka_unit_test(model_names_are_joined_and_must_be_unique),
		cmocka_unit_test(version_does_not_depend_on_the_layout_of_files),
	};

	return cmocka_run_group_tests_name("include", tests, setup, temp_dir_remove);
}
