/* Feeds a stream to frames.h in pieces and writes what was read as text. */
#include <stdlib.h>

#include "support/frames_run.h"

void
frames_run_init(struct frames_run *r, enum frames_kind kind, size_t cap)
{
	frames_init(&r->f, kind, cap);
	buf_init(&r->events, 0);
	buf_init(&r->raw, 0);
	r->frames = 0;
	r->err = 0;
}

void
frames_run_free(struct frames_run *r)
{
	frames_free(&r->f);
	buf_free(&r->events);
	buf_free(&r->raw);
}

static void
frames_run_note(struct frames_run *r, const struct frame *out)
{
	buf_span(&r->raw, out->raw);
	if (out->over_begins)
		buf_str(&r->events, "<");
	if (out->over)
		buf_str(&r->events, out->over_ends ? "over>" : "");
	if (!out->has_data)
		return;
	r->frames++;
	if (out->unended)
		buf_str(&r->events, "unended ");
	if (out->exception)
		buf_putc(&r->events, '!');
	buf_span(&r->events, out->type);
	buf_putc(&r->events, '|');
	buf_span(&r->events, out->data);
	if (out->said.n) {
		buf_putc(&r->events, '|');
		buf_span(&r->events, out->said);
	}
	buf_putc(&r->events, ';');
}

static void
frames_run_error(struct frames_run *r, int err)
{
	r->err = err;
	buf_str(&r->events, err_str(err));
}

void
frames_run_feed(struct frames_run *r, struct span in)
{
	struct frame out;
	int got = 0;

	while (!r->err && (got = frames_next(&r->f, &in, &out)) > 0)
		frames_run_note(r, &out);
	if (!r->err && got < 0)
		frames_run_error(r, got);
	else if (!r->err && in.n)
		abort();
	if (r->err && frames_next(&r->f, &in, &out) != r->err)
		abort(); /* after an error, the reader must keep returning it */
}

void
frames_run_end(struct frames_run *r)
{
	struct frame out;
	int got = 0;

	while (!r->err && (got = frames_end(&r->f, &out)) > 0)
		frames_run_note(r, &out);
	if (!r->err && got < 0)
		frames_run_error(r, got);
}
