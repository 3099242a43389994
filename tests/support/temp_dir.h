/* A temporary folder of the test, and files in it. Include after cmocka's header. */
#ifndef SUPPORT_TEMP_DIR_H
#define SUPPORT_TEMP_DIR_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/span.h"

static char dir[64];

/* Returns a path in the folder, valid until the eighth call after this one. */
static inline const char *
path(const char *name)
{
	static char text[8][192];
	static unsigned turn;
	char *p = text[turn++ % 8];

	snprintf(p, sizeof(text[0]), "%s/%s", dir, name);
	return p;
}

static inline void
put_span(const char *name, struct span text)
{
	FILE *f = fopen(path(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	assert_int_equal(fclose(f), 0);
}

static inline void
put(const char *name, const char *text)
{
	put_span(name, span_str(text));
}

static inline int
temp_dir_make(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/tollgate_test.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

/* Removes the folder with its content. */
static inline int
temp_dir_remove(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd);
}

#endif
