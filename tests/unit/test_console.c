/* The console's files in the program: each file that the page requests exists under the
 * requested name, and no other name does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "operator/console/asset.h"

static struct console_asset
got(const char *path)
{
	struct console_asset a;

	if (!console_asset(path, &a))
		fail_msg("%s is not served", path);
	return a;
}

static void
page_and_its_files_have_their_types(void **state)
{
	(void)state;
	assert_string_equal(got("").type, "text/html; charset=utf-8");
	assert_ptr_equal(got("").text.p, got("index.html").text.p);
	assert_string_equal(got("app.js").type, "text/javascript; charset=utf-8");
	assert_string_equal(got("views/now.js").type, "text/javascript; charset=utf-8");
	assert_string_equal(got("style.css").type, "text/css; charset=utf-8");
	assert_string_equal(got("charts.css").type, "text/css; charset=utf-8");
	assert_string_equal(got("icon.svg").type, "image/svg+xml");
}

static void
unknown_name_is_not_found(void **state)
{
	static const char *const names[] = { "nothing.js", "views/", "views", "now.js",
		"/app.js", "../console/app.js", "./app.js", "app.js/", "APP.JS", "README.md",
		"asset.c", "spoa/operator/console/app.js", "build/charts/uplot.js" };
	struct console_asset a;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (console_asset(names[i], &a))
			fail_msg("%s is served", names[i]);
}

static void
other_bytes_have_another_etag(void **state)
{
	struct console_asset a = got("app.js"), b = got("api.js"), again = got("app.js");

	(void)state;
	assert_int_equal(strlen(a.etag), CONSOLE_ETAG_BYTES - 1);
	assert_true(a.etag[0] == '"' && a.etag[33] == '"');
	assert_string_not_equal(a.etag, b.etag);
	assert_string_equal(a.etag, again.etag);
}

/* Asserts that each NAME in `before`NAME' in the text, relative to the folder of `in`, is
 * served. Returns their number. */
static int
all_served(const char *in, struct span text, const char *before, char end)
{
	const char *slash = strrchr(in, '/');
	const size_t nb = strlen(before);
	char copy[128 << 10], name[300];
	int n = 0;

	assert_true(text.n < sizeof(copy));
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	for (const char *p = copy; (p = strstr(p, before)) != NULL;) {
		p += nb;
		if (end == '\'' && *p != '.')
			continue; /* words in a text */
		n++;
		const char *to = strchr(p, end);
		assert_non_null(to);
		int folder = slash ? (int)(slash - in) + 1 : 0;
		if (!strncmp(p, "../", 3))
			p += 3, folder = 0;
		else if (!strncmp(p, "./", 2))
			p += 2;
		snprintf(name, sizeof(name), "%.*s%.*s", folder, in, (int)(to - p), p);
		got(name);
	}
	return n;
}

static void
requested_files_are_served(void **state)
{
	int links = 0, imports = 0;

	(void)state;
	links += all_served("index.html", got("").text, "href=\"", '"');
	links += all_served("index.html", got("").text, "src=\"", '"');
	assert_true(links >= 4);
	for (size_t i = 0; i < console_files_count; i++) {
		const char *name = strstr(console_files[i].name, "console/");
		if (!name || !strstr(name, ".js"))
			continue;
		name += strlen("console/");
		imports += all_served(name, got(name).text, " from '", '\'');
	}
	assert_true(imports > 20);
}

/* Each file of spoa/operator/console/views/ that shows a view is a row of views.js. */
static void
each_view_is_in_the_table(void **state)
{
	struct span table = got("views.js").text;
	char line[300];
	int n = 0;

	(void)state;
	for (size_t i = 0; i < console_files_count; i++) {
		const char *name = strstr(console_files[i].name, "/views/");
		if (!name || !strstr(console_files[i].text, "show(page)"))
			continue;
		snprintf(line, sizeof(line), "from '.%s'", name);
		if (!memmem(table.p, table.n, line, strlen(line)))
			fail_msg("%s is in no row of views.js", name + 1);
		n++;
	}
	assert_true(n >= 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_and_its_files_have_their_types),
		cmocka_unit_test(unknown_name_is_not_found),
		cmocka_unit_test(other_bytes_have_another_etag),
		cmocka_unit_test(requested_files_are_served),
		cmocka_unit_test(each_view_is_in_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
