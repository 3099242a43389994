/* Runs `tollgate init` on HAProxy files in the test's folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/lay_rig.h"

char *
whole(const char *name)
{
	static char text[3][1 << 16];
	static unsigned turn;
	char *p = text[turn++ % 3];

	cmd_slurp(name, p, sizeof(text[0]));
	return p;
}

void
in_order(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *p = strstr(text, words[i]);
		if (!p)
			fail_msg("no %s after the one before it in\n%s", words[i], text);
		text = p + 1;
	}
}
