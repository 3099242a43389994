/* A temporary folder of the test, below /tmp, and files in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/temp_dir.h"

char dir[64];

const char *
path(const char *name)
{
	static char text[8][192];
	static unsigned turn;
	char *p = text[turn++ % 8];

	snprintf(p, sizeof(text[0]), "%s/%s", dir, name);
	return p;
}

void
put_span(const char *name, struct span text)
{
	FILE *f = fopen(path(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	assert_int_equal(fclose(f), 0);
}

void
put(const char *name, const char *text)
{
	put_span(name, span_str(text));
}

int
temp_dir_make(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/tollgate_test.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

int
temp_dir_remove(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd);
}
