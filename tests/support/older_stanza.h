/* The stanza as an earlier version shipped it (tests/e2e/bolt-on/forms.lst), in the pieces that
 * belong in an operator's file. Include after cmocka.h. */
#ifndef SUPPORT_OLDER_STANZA_H
#define SUPPORT_OLDER_STANZA_H

#include "base/buf.h"

enum {
	FORM_0_1 = 14,
	FORM_LAST_UNDECIDED = 21, /* each of its lines tests `acl tollgate` */
	FORM_0_2 = 26,
	FORM_LAST_JOINT = 30, /* the second pass arrives at the operator's frontend */
	FORM_TODAY = 33,
};

/* Appends the piece of that version that begins after this mark. `tabs`: each line is indented
 * by a tab, as `tollgate init` writes it. */
static void
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

#endif
