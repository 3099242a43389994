/* A bolt-on.cfg as a version of before shipped it, in the pieces that README had a person lay. Included
 * after cmocka.h. */
#ifndef SUPPORT_OLDER_STANZA_H
#define SUPPORT_OLDER_STANZA_H

#include "base/buf.h"

/* The piece that begins after this mark; `tabs`: each line after a tab, as init lays it. */
static void
put_older(struct buf *out, const char *mark, bool tabs)
{
	struct buf text;
	bool on = false;

	buf_init(&text, 1 << 20);
	assert_true(buf_file(&text, "tests/e2e/bolt-on/older.cfg"));
	for (struct span rest = buf_view(&text); rest.n;) {
		struct span line = span_next(&rest, '\n');
		if (span_starts(line, SPAN_LIT("#---")))
			on = memmem(line.p, line.n, mark, strlen(mark)) != NULL;
		else if (on)
			buf_printf(out, tabs ? "\t%.*s\n" : "%.*s\n",
				SPAN_ARG(tabs ? span_trim(line, " ") : line));
	}
	buf_free(&text);
}

#endif
