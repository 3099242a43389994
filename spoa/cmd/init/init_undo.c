/* tollgate init --undo: what init laid into HAProxy's files and into EXTRAOPTS is taken out. What
 * was there before is read from marks in the files and from the copies that init kept. */
#include <stdio.h>
#include <string.h>

#include "cmd/init/init.h"

/* A text that no init has changed. */
static bool
is_from_before(struct span text)
{
	static const char *const traces[] = { "engine tollgate", "tollgate-inner",
		OURS "tollgate.cfg", "(txn.tollgate.decision)" };

	for (size_t i = 0; i < COUNT_OF(traces); i++)
		if (text.n && memmem(text.p, text.n, traces[i], strlen(traces[i])))
			return false;
	return true;
}

/* The newest kept copy of a file as it was before init; false: there is none. */
static bool
text_before(struct init *in, const char *file, struct buf *out)
{
	for (unsigned i = INIT_KEPT_MAX; i-- > 1;) {
		const char *kept = kept_as(in, file, INIT_BEFORE, i);
		buf_clear(out);
		if (exists(in, kept) && buf_file(out, rooted(in, kept)) &&
			is_from_before(buf_view(out)))
			return true;
	}
	return false;
}

/* The value without each -f of a file under OURS; true: there was one. */
static bool
without_ours(struct span value, struct buf *out)
{
	bool any = false;

	while (value.n) {
		struct span word = span_next(&value, ' '), next = value;
		struct span file = span_next(&next, ' ');
		if (span_is(word, "-f") && span_starts(file, SPAN_LIT(OURS))) {
			any = true;
			value = next;
		} else if (word.n) {
			buf_printf(out, "%s%.*s", out->n ? " " : "", SPAN_ARG(word));
		}
	}
	return any;
}

static void
undo_extraopts(struct init *in)
{
	struct extraopts now, was = { .at = 0 };

	SCOPED_BUF(text, INIT_TEXT_BYTES);
	SCOPED_BUF(before, INIT_TEXT_BYTES);
	SCOPED_BUF(value, 8192);
	SCOPED_BUF(line, 8192);
	buf_file(&text, rooted(in, EXTRAOPTS));
	now = extraopts_of(buf_view(&text));
	if (!now.at || !without_ours(now.value, &value))
		return;
	bool kept = text_before(in, EXTRAOPTS, &before);
	if (kept)
		was = extraopts_of(buf_view(&before));
	if (was.at && span_eq(was.value, buf_view(&value)))
		buf_printf(&line, "%.*s\n", SPAN_ARG(was.line));
	else if (was.at || !kept || !span_is(buf_view(&value), EXTRAOPTS_DEBIAN))
		buf_printf(&line, "EXTRAOPTS=\"%.*s\"\n", SPAN_ARG(buf_view(&value)));
	lay_add(&in->lay, (struct lay_edit){ .file = EXTRAOPTS,
				  .after = now.at - 1,
				  .drop = true,
				  .text = buf_view(&line) });
}

static int
undo_plan(struct init *in, struct haproxy *before)
{
	const struct lay_undo asked = {
		.h = &in->h, .before = before, .keep_guards = in->keep_guards
	};

	for (size_t i = 0; i < in->nfile; i++) {
		SCOPED_BUF(text, INIT_TEXT_BYTES);
		buf_file(&text, rooted(in, in->file[i]));
		lay_undo(&in->lay, &asked, in->file[i], buf_view(&text));
	}
	undo_extraopts(in);
	if (arena_failed(&in->a))
		return cmd_fail("init", "out of memory");
	if (in->lay.choices.n) {
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&in->lay.choices)));
		cmd_fail("init", "nothing was written: correct these lines, then run this again");
		return EXIT_NO;
	}
	return EXIT_DONE;
}

/* HAProxy's files change first: HAProxy does not start with a stanza whose backends it is not
 * told of, and starts with those alone. */
int
init_undo(struct init *in)
{
	struct haproxy before;

	in->lay = (struct lay){ .arena = &in->a };
	buf_init(&in->lay.choices, 1 << 20);
	buf_init(&in->lay.notes, 1 << 20);
	haproxy_init(&before);
	for (size_t i = 0; i < in->nfile; i++) {
		SCOPED_BUF(text, INIT_TEXT_BYTES);
		if (text_before(in, in->file[i], &text))
			haproxy_read_text(&before, in->file[i], buf_view(&text));
	}
	haproxy_resolve(&before);
	in->code = undo_plan(in, &before);
	haproxy_free(&before);
	if (in->code == EXIT_DONE && in->lay.nedit)
		try_result(in);
	if (in->code == EXIT_DONE && in->write)
		each_edited(in, write_edited);
	edits_end(in);
	if (in->code != EXIT_DONE)
		return in->code;
	printf("%s%.*s", in->lay.notes.n ? "\n" : "", SPAN_ARG(buf_view(&in->lay.notes)));
	if (!in->lay.nedit)
		printf("Nothing to undo: HAProxy's files have no line of tollgate init.\n");
	else if (!in->write)
		printf("\nNothing was written. With --write it is.\n");
	else
		printf("\nNext: systemctl %s haproxy && systemctl disable --now tollgate%s\n",
			init_restarts(in) ? "restart" : "reload",
			init_restarts(in) ? "    # without its -f HAProxy needs a restart, once" : "");
	return in->code;
}
