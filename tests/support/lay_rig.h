/* Runs `tollgate init` under a root of its own and reads the result. */
#ifndef SUPPORT_LAY_RIG_H
#define SUPPORT_LAY_RIG_H

#include "support/lay_files.h"

static char *
whole(const char *name)
{
	static char text[3][1 << 16];
	static unsigned turn;
	char *p = text[turn++ % 3];

	cmd_slurp(name, p, sizeof(text[0]));
	return p;
}

/* Asserts that the lines of the result that begin with these words occur once each, in this
 * order. */
static void
in_order(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *p = strstr(text, words[i]);
		if (!p)
			fail_msg("no %s after the one before it in\n%s", words[i], text);
		text = p + 1;
	}
}

#endif
