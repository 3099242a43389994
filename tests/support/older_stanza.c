/* Makes the stanza of an earlier version from the shipped one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/older_stanza.h"

void
put_older(struct buf *out, unsigned form, const char *mark, bool tabs)
{
	struct buf text;
	bool on = false;

	buf_init(&text, 1 << 20);
	assert_true(buf_file(&text, "tests/e2e/bolt-on/forms.lst"));
	for (struct span rest = buf_view(&text); rest.n;) {
		struct span line = span_next(&rest, '\n');
		uint64_t from = 0, to = 0;
		if (span_u64(span_next(&line, ' '), &from) != 0 || from > form ||
			span_u64(span_next(&line, ' '), &to) != 0 || to < form)
			continue;
		if (span_starts(line, SPAN_LIT("#---")))
			on = memmem(line.p, line.n, mark, strlen(mark)) != NULL;
		else if (on)
			buf_printf(out, "%s%.*s\n", tabs ? "\t" : "    ", SPAN_ARG(line));
	}
	buf_free(&text);
}
