/* Documentation pages and sources as texts. Missing parts of a page are counted and printed. */
#ifndef TESTS_PAGES_H
#define TESTS_PAGES_H

#include <glob.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static unsigned missing;

static inline void
read_file(const char *file, char *to, size_t room)
{
	FILE *f = fopen(file, "r");

	if (!f)
		fail_msg("%s: cannot be read", file);
	size_t n = fread(to, 1, room - 1, f);
	fclose(f);
	to[n] = 0;
	assert_true(n > 0 && n < room - 1);
}

/* Returns true if `word` is a word of a macro line, because such lines contain the names. */
static inline bool
names(const char *page, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = page; (at = strstr(at, word)); at++) {
		const char *line = at;
		while (line > page && line[-1] != '\n')
			line--;
		char before = at == page ? ' ' : at[-1], after = at[n];
		bool alone = before == ' ' && (after == ' ' || after == '\n');
		if (alone && line[0] == '.')
			return true;
	}
	return false;
}

static inline void
want(const char *page, const char *which, const char *what, const char *word)
{
	if (names(page, word))
		return;
	print_error("docs/man/%s lacks the %s %s\n", which, what, word);
	missing++;
}

static inline void
none_missing(size_t looked_at, size_t at_least)
{
	unsigned n = missing;

	missing = 0;
	if (looked_at < at_least)
		fail_msg("only %zu found to look for: this test no longer finds its table",
			looked_at);
	assert_int_equal(n, 0);
}

static char source[256 << 10];

/* Reads each file that matches into `source` and calls `look`. */
static inline size_t
each_source(const char *pattern, size_t (*look)(void))
{
	glob_t g;
	size_t n = 0;

	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		read_file(g.gl_pathv[i], source, sizeof(source));
		n += look();
	}
	globfree(&g);
	return n;
}

#endif
