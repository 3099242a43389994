/* The list of credential headers and the shipped HAProxy files say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>

#include "base/buf.h"
#include "policy/credentials.h"

static void
names_are_compared_in_any_case(void **state)
{
	(void)state;
	assert_true(credential_header(SPAN_LIT("Authorization")));
	assert_true(credential_header(SPAN_LIT("X-API-KEY")));
	assert_false(credential_header(SPAN_LIT("x-api-key2")));
	assert_false(credential_header(SPAN_LIT("")));
	for (size_t i = 0; i < credential_header_count; i++)
		assert_non_null(credential_headers[i]);
	assert_null(credential_headers[credential_header_count]);
}

/* Every line of the shipped files that deletes request credentials deletes the
 * whole list and nothing else. */
static void
the_haproxy_files_delete_this_list(void **state)
{
	struct buf want;
	size_t lines = 0;
	DIR *d = opendir("haproxy");

	(void)state;
	if (!d) {
		print_message("SKIP: no haproxy/ here\n");
		skip();
	}
	buf_init(&want, 0);
	buf_str(&want, " ^(");
	for (size_t i = 0; i < credential_header_count; i++)
		buf_printf(&want, "%s%s", i ? "|" : "", credential_headers[i]);
	buf_str(&want, ")$ ");
	buf_putc(&want, 0);
	for (struct dirent *e; (e = readdir(d));) {
		char path[512], line[4096];
		const char *dot = strrchr(e->d_name, '.');
		if (!dot || strcmp(dot, ".cfg"))
			continue;
		snprintf(path, sizeof(path), "haproxy/%s", e->d_name);
		FILE *f = fopen(path, "r");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f)) {
			if (!strstr(line, "http-request del-header ^(authorization"))
				continue;
			lines++;
			if (!strstr(line, buf_view(&want).p))
				fail_msg("%s: %s does not hold %s", path, line,
					buf_view(&want).p);
		}
		fclose(f);
	}
	closedir(d);
	buf_free(&want);
	assert_true(lines > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_compared_in_any_case),
		cmocka_unit_test(the_haproxy_files_delete_this_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
