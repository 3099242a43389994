/* Consistency of the project: the version is the same everywhere, and pages name existing make
 * targets. Runs in the root of the source tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <glob.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[256 << 10];

static void
read_file(const char *file)
{
	FILE *f = fopen(file, "r");

	if (!f)
		fail_msg("%s: cannot be read", file);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
}

/* Fails unless the digits and dots after `mark` are the version: after its first occurrence, or
 * after each one if `all` is set. The heading of unreleased changes does not count. */
static void
want_version(const char *file, const char *mark, bool all)
{
	size_t found = 0;

	read_file(file);
	for (const char *p = text; (p = strstr(p, mark)); found++) {
		p += strlen(mark);
		size_t n = strspn(p, "0123456789.");
		while (n && p[n - 1] == '.')
			n--;
		if (n != strlen(TG_VERSION) || memcmp(p, TG_VERSION, n) != 0)
			fail_msg("%s: \"%s%.*s\", the Makefile says %s", file, mark, (int)n, p,
				TG_VERSION);
		if (!all)
			return;
	}
	if (!found)
		fail_msg("%s: no \"%s\"", file, mark);
}

static void
version_is_the_same_in_all_places(void **state)
{
	(void)state;
	want_version("CHANGES.md", "\n## ", false);
	want_version("debian/changelog", "tollgate (", false);
	want_version("README.md", "Version ", false);
	want_version("docker/Dockerfile", "ARG VERSION=", true);
	want_version("docker/kubernetes.yaml", "image: tollgate:", true);
	want_version("docker/compose.yaml", "VERSION:-", true);
	want_version("docker/haproxy.Dockerfile", "ARG VERSION=", true);
}

/* `make NAME` in a page: the Makefile must have it, with a line of help. */
static void
make_targets_named_by_pages_exist(void **state)
{
	static const char *const pages[] = { "SECURITY.md", "CONTRIBUTING.md", "CHANGES.md",
		"README.md" };
	static const char *const makefiles[] = { "Makefile", "packaging/packaging.mk",
		"tests/support/tests.mk", "tests/bench/bench.mk" };
	static char make[128 << 10];
	size_t looked = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(makefiles) / sizeof(makefiles[0]); i++) {
		read_file(makefiles[i]);
		strncat(make, text, sizeof(make) - 1 - strlen(make));
	}
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		read_file(pages[i]);
		for (const char *p = text; (p = strstr(p, "`make ")); looked++) {
			char line[80];
			p += 6;
			int n = (int)strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789-");
			snprintf(line, sizeof(line), "\n%.*s:", n, p);
			if (n && p[n] != '/' && !strstr(make, line)) /* not a file */
				fail_msg("%s: make %.*s: no such target", pages[i], n, p);
		}
	}
	assert_true(looked > 8);
}

/* Each page has an example before its first heading, except pages that describe nothing to run.
 * tests/support/prose checks the sentence before it. */
static void
pages_begin_with_an_example(void **state)
{
	static const char *const without[] = { "docs/README.md", "docs/faq.md", "docs/glossary.md",
		"docs/limitations.md" };
	glob_t pages;

	(void)state;
	assert_int_equal(glob("docs/*.md", 0, NULL, &pages), 0);
	assert_true(pages.gl_pathc > 15);
	for (size_t i = 0; i < pages.gl_pathc; i++) {
		bool needed = true;
		for (size_t k = 0; k < sizeof(without) / sizeof(without[0]); k++)
			needed &= strcmp(pages.gl_pathv[i], without[k]) != 0;
		read_file(pages.gl_pathv[i]);
		char *end = strstr(text, "\n## ");
		if (end)
			*end = '\0';
		if (needed && !strstr(text, "\n\n    ") && !strstr(text, "\n\n```"))
			fail_msg("%s does not begin with an example", pages.gl_pathv[i]);
	}
	globfree(&pages);
}

/* The programs' list of components names each library that they were linked with. */
static void
bill_of_materials_is_complete(void **state)
{
	static const char *const libraries[] = { "jansson", "microhttpd", "sodium", "curl",
		"ssl", "pcre2", "hiredis", "libc6", "tollgate-extract", "seccomp" };
	size_t i;
	json_t *one;

	(void)state;
	if (system("command -v dpkg-query >/dev/null") != 0)
		skip();
	FILE *f = popen(
		"spoa/cmd/makers/sbom program build/tollgate build/tollgate-extract", "r");
	assert_non_null(f);
	json_t *bom = json_loadf(f, JSON_REJECT_DUPLICATES, NULL);
	assert_int_equal(pclose(f), 0);
	assert_non_null(bom);
	assert_string_equal(json_string_value(json_object_get(bom, "bomFormat")), "CycloneDX");
	assert_string_equal(
		json_string_value(json_object_get(
			json_object_get(json_object_get(bom, "metadata"), "component"),
			"version")),
		TG_VERSION);
	text[0] = '\0';
	json_array_foreach(json_object_get(bom, "components"), i, one)
	{
		const char *name = json_string_value(json_object_get(one, "name")),
			   *version = json_string_value(json_object_get(one, "version")),
			   *purl = json_string_value(json_object_get(one, "purl"));
		assert_true(name && name[0] && version && version[0]);
		assert_true(purl && strncmp(purl, "pkg:", 4) == 0);
		strncat(text, name, sizeof(text) - strlen(text) - 1);
		strncat(text, "\n", sizeof(text) - strlen(text) - 1);
	}
	for (i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
		if (!strstr(text, libraries[i]))
			fail_msg("%s is linked, and not in:\n%s", libraries[i], text);
	json_decref(bom);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_is_the_same_in_all_places),
		cmocka_unit_test(pages_begin_with_an_example),
		cmocka_unit_test(bill_of_materials_is_complete),
		cmocka_unit_test(make_targets_named_by_pages_exist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
