/* Runs a case through a guard and describes the result. The output is read again as a client
 * reads it, and the texts of one channel are joined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "support/answer_run.h"

static void
join(struct joined *j, const struct answer_document *d)
{
	for (size_t i = 0; i < d->ntexts; i++) {
		const struct answer_text *t = &d->texts[i];
		char name[32];
		size_t k = 0;
		/* A text beside the response text is listed only if it was replaced. */
		if (t->aside && span_chr(t->text, '<') == t->text.n)
			continue;
		snprintf(name, sizeof(name), "%s%s %u.%u",
			t->aside ? "aside" : answer_kinds[t->kind],
			t->copy && t->kind != KIND_OTHER && !t->deep ? "=" : "", t->slot[0],
			t->slot[1]);
		while (k < j->n && strcmp(j->v[k].name, name) != 0)
			k++;
		if (k == j->n) {
			assert_true(k < TEXTS);
			snprintf(j->v[j->n++].name, sizeof(name), "%s", name);
			buf_init(&j->v[k].text, 0);
		}
		buf_span(&j->v[k].text, t->text);
	}
}

void
read_out(const struct answer_case *r, struct span out, bool streamed, struct joined *j)
{
	const struct answer_format *f =
		answer_format_find(span_str(r->dialect), span_str(r->path));
	struct answer_document d;
	struct frames frames;
	struct frame frame;
	struct arena a;
	const char *why;
	enum frames_kind kind = !strcmp(r->type, "text/event-stream")  ? FRAMES_SSE
				: !strcmp(r->type, "application/json") ? FRAMES_ARRAY
								       : FRAMES_LINES;

	arena_init(&a, 0, false);
	if (!streamed) {
		if (answer_read(f, NULL, SPAN_LIT(""), out, &a, &d, &why) == 0)
			join(j, &d);
		arena_reset(&a);
		return;
	}
	frames_init(&frames, kind, 0);
	while (frames_next(&frames, &out, &frame) > 0) {
		if (!strcmp(r->type, CONVERSE))
			frame.type = span_next(&frame.data, ' ');
		if (frame.has_data &&
			answer_read(f, NULL, frame.type, frame.data, &a, &d, &why) == 0)
			join(j, &d);
	}
	frames_free(&frames);
	arena_reset(&a);
}

/* In NDJSON, held text is sent before the event that ends the response, because clients stop
 * reading there. */
static bool
goes_late(const struct answer_case *r, struct span out)
{
	static const char *const last[] = { "\"done\":true", "\"stop\":true",
		"\"is_finished\":true", "\"generated_text\":\"" };

	for (size_t i = 0; i < COUNT_OF(last); i++) {
		const char *in = strstr(r->in, last[i]);
		const char *at = in ? memmem(out.p, out.n, last[i], strlen(last[i])) : NULL;
		if (in && !strchr(in, '\n')[1] &&
			(!at || memchr(at, '\n', (size_t)(out.p + out.n - at)) !=
					out.p + out.n - 1))
			return true;
	}
	return false;
}

static void
tell(const struct answer_case *r, struct guard *g, enum guard_result got, struct span out,
	struct buf *say)
{
	const struct guard_report *rep = guard_report(g);
	struct joined j = { .n = 0 };
	size_t found = 0;

	if (span_is(out, r->in)) {
		buf_str(say, "same|");
		if (!strcmp(r->want, "same|"))
			goto out;
		buf_clear(say);
	}
	read_out(r, out, rep->streamed, &j);
	if (!j.n && out.n && !rep->streamed)
		buf_printf(say, "raw %.*s|", SPAN_ARG(out));
	for (size_t i = 0; i < j.n; i++)
		if (j.v[i].text.n)
			buf_printf(
				say, "%s %.*s|", j.v[i].name, SPAN_ARG(buf_view(&j.v[i].text)));
	if (got == GUARD_DENIED)
		buf_printf(say, "denied %s|", rep->verdict.ruled.reason);
	else if (got)
		buf_printf(say, "broken %s|", rep->why);
	if (rep->finish[0])
		buf_printf(say, "finish %s|", rep->finish);
	for (size_t i = 0; i < rep->nfound; i++)
		found += rep->found[i].n;
	if (found)
		buf_printf(say, "found %zu|", found);
	if (rep->redactions)
		buf_printf(say, "redacted %zu|", rep->redactions);
	for (size_t i = 0; i < rep->ntools; i++)
		buf_printf(say, "tool %s|", rep->tools[i]);
	if (rep->provider_error)
		buf_str(say, "error|");
	if (!got && rep->streamed && goes_late(r, out))
		buf_str(say, "late|");
	struct usage u = guard_usage(g);
	if (u.known)
		buf_printf(say, "usage %ld %ld|", (long)u.input_tokens, (long)u.output_tokens);
out:
	if (say->n && out.n && memmem(buf_view(say).p, say->n, "signed", 6) &&
		memmem(out.p, out.n, "SIG", 3))
		buf_str(say, "its signature went|");
	buf_putc(say, '\0');
	for (size_t i = 0; i < j.n; i++)
		buf_free(&j.v[i].text);
}

void
put_frames(struct span lines, bool typed, struct buf *out)
{
	struct frame_writer w;

	frame_writer_init(&w, FRAMES_EVENTSTREAM);
	w.wrap = !typed;
	while (lines.n) {
		struct span line = span_next(&lines, '\n');
		struct span type = typed ? span_next(&line, ' ') : SPAN_LIT("chunk");
		if (line.n)
			assert_int_equal(frame_write(&w, type, line, out), 0);
	}
}

/* The reverse of put_frames(). */
static void
take_frames(struct buf *out, bool typed)
{
	struct span in = buf_view(out);
	struct frames frames;
	struct frame f;
	struct buf lines, event;

	buf_init(&lines, 0);
	buf_init(&event, 0);
	frames_init(&frames, FRAMES_EVENTSTREAM, 0);
	while (frames_next(&frames, &in, &f) > 0) {
		buf_clear(&event);
		if (typed) {
			buf_span(&lines, f.type);
			buf_putc(&lines, ' ');
		} else {
			assert_int_equal(frame_unwrap(&f, &event), 0);
			assert_true(span_is(f.type, "chunk"));
		}
		buf_span(&lines, f.data);
		buf_putc(&lines, '\n');
	}
	frames_free(&frames);
	buf_free(&event);
	buf_free(out);
	*out = lines;
}

void
answer_case_run(const struct answer_case *r, const struct policy *p,
	const struct answer_request *asked, struct detect_scratch *scratch,
	const struct vault *vault, size_t cut, size_t step, struct buf *out, struct buf *say)
{
	struct guard_plan plan = answer_plan(r, p, asked, scratch);
	struct guard_head head = { .status = 200, .content_type = span_str(r->type) };
	struct span in = span_str(r->in);
	struct buf framed;
	enum guard_result got = GUARD_PASS;

	plan.vault = vault;
	buf_init(&framed, 0);
	bool typed = !strcmp(r->type, CONVERSE);
	if (typed || !strcmp(r->type, FRAMES)) {
		put_frames(in, typed, &framed);
		in = buf_view(&framed);
	}
	struct guard *g = guard_new(&plan, &head);
	assert_non_null(g);
	for (size_t at = 0, to; at < in.n && !got; at = to) {
		to = step ? at + step : at < cut ? cut : in.n;
		got = guard_feed(g, span_cut(in, at, to), out);
	}
	if (!got)
		got = guard_end(g, out);
	if (framed.n)
		take_frames(out, typed);
	tell(r, g, got, buf_view(out), say);
	guard_drop(&g);
	buf_free(&framed);
}
