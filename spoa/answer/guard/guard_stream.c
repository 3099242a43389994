/* Reads streams. Each frame passes one_frame(): metadata is inspected, a wrapped event is
 * unwrapped, calls are decided (guard_calls.c), and events wait in guard_queue.c.
 * guard_event_read() parses an event, and guard_event_say() runs its texts through their
 * channels and sends it.
 *
 * An event whose text is held back completely is not sent. Its text is added to the channel's
 * next event, or to an event like it before the channel ends. */
#include "answer/guard/guard_stream.h"
#include "base/err.h"

static const char no_json[] = "an event of the stream is no JSON";

/* Handles data that is not JSON: a line of text, if the format is unknown; else the provider's
 * mistake. */
static enum guard_result
plain_event(struct guard *g, struct event *e, struct buf *out)
{
	const struct answer_text *t = e->d.texts;
	struct span now;

	guard_heard(g, t);
	if (guard_inspects(g) && !g->plan.messages.is ? guard_members_edit(g, e, t, &now)
						      : guard_edit_alone(g, t, &now))
		return g->failed;
	if (!span_eq(now, t->text))
		return frame_rewrite(&g->writer, &e->frame, now, out) ? guard_no_memory(g)
								      : g->failed;
	frame_pass(&g->writer, &e->frame, out);
	return g->failed;
}

/* A signature follows the text that it signs, so the text that is held back is sent first.
 * *drop: the text was cut off, so the signature is not sent. */
static enum guard_result
end_signed(struct guard *g, const struct answer_document *d, struct buf *out, bool *drop)
{
	struct channel *c;

	*drop = false;
	if (!d->nseals)
		return g->failed;
	LIST_FOREACH (c, &g->channels, all)
		if (c->of.kind == KIND_SIGNED &&
			!memcmp(c->of.slot, d->seals[0].slot,
				ANSWER_NUMBERS * sizeof(c->of.slot[0])))
			break;
	if (!c || guard_channel_finish(c) || guard_channel_say(c, out))
		return g->failed;
	*drop = c->cut;
	guard_channel_over(c);
	return g->failed;
}

enum guard_result
guard_event_read(struct guard *g, struct event *e, struct buf *out)
{
	struct answer_document *d = &e->d;
	const struct frame *f = &e->frame;
	const char *why;

	if (!f->has_data)
		return g->failed;
	e->type = f->wrapped.p ? SPAN_LIT("") : f->type;
	/* a stream may be silent for hours, so its template is made at the first event */
	if (!g->template) {
		g->template = arena_new(&g->life, struct event_template);
		if (!g->template)
			return guard_no_memory(g);
		event_template_init(g->template);
	}
	e->err = event_template_read(
		g->template, g->format, g->plan.dialect, e->type, f->data, &g->work, d, &why);
	/* a number or word alone may be a piece of plain text that looks like JSON */
	struct span said = span_trim(f->data, " \t\r\n");
	if (!e->err && g->format == &answer_any && said.n && !memchr("{[\"", said.p[0], 3))
		e->err = ERR_SYNTAX;
	if (e->err) {
		*d = (struct answer_document){ .texts = arena_new(&g->work, struct answer_text),
			.ntexts = 1 };
		if (e->err == ERR_NOMEM || !d->texts)
			return guard_no_memory(g);
		*d->texts = (struct answer_text){
			.kind = KIND_OTHER, .copy = true, .unnamed = true, .text = f->data
		};
		/* data that is no event ends the stream, after the events that wait */
		if (g->format == &answer_any || !guard_reads(g) || guard_message_is_none(g, f))
			return g->failed;
		guard_heard(g, d->texts);
		return guard_queue_end(g, out) ? g->failed
					       : guard_fail(g, GUARD_BROKEN, no_json);
	}
	guard_unsign(g, d);
	if (f->exception) /* like an error in a document: it ends all channels */
		d->error = d->marked = d->ends.any = d->ends.all = true;
	if (g->end.repeats && !d->error)
		d->ends = (struct answer_ends){ 0 };
	for (size_t i = 0; i < d->ntexts; i++)
		if (!text_grows(&d->texts[i]))
			guard_mend_halves(&d->texts[i]);
	return g->failed;
}

enum guard_result
guard_event_say(struct guard *g, struct event *ev, struct buf *out)
{
	struct answer_document *d = &ev->d;
	const struct frame *f = &ev->frame;
	struct edited e = { 0 };
	bool drop, counts = false;

	g->report.events += f->has_data;
	if (f->has_data && ev->err == ERR_DUPLICATE)
		usage_spoil(g->plan.dialect, &g->report.usage);
	if (f->has_data && ev->err && guard_reads(g))
		return plain_event(g, ev, out);
	if (!event_says(ev)) {
		g->report.content |= f->has_data && guard_end_is_unknown(g);
		frame_pass(&g->writer, f, out);
		return g->failed;
	}
	if (d->counts)
		counts = usage_event(
			d->usage, ev->type.n ? ev->type : d->type, &g->report.usage);
	if (g->end.repeats && !d->error)
		d->ends = (struct answer_ends){ 0 };
	guard_note(g, d);
	if (g->failed)
		return g->failed;
	/* the first events name the stream's response */
	if (g->plan.notes_made && (g->report.events < 4 || dialect_may_have_made(f->data)))
		guard_note_made(g, f->data);
	if (d->error)
		guard_note_error(g, f->data, f->type);
	guard_end_note(g, d);
	g->report.content |= !d->error && guard_end_is_unknown(g);
	if (counts)
		g->report.counted_bytes = g->report.output_bytes;
	if (!guard_reads(g))
		return guard_pass_edited(g, f, d, &e, out);
	if (g->plan.messages.is)
		return guard_message_say(g, ev, out);
	if (guard_turn_channels(g, d, out) || (d->ends.any && guard_end_channels(g, d, out)) ||
		end_signed(g, d, out, &drop) || guard_run_texts(g, ev, &e))
		return g->failed;
	/* its own text has been counted by now */
	if (counts)
		g->report.counted_bytes = g->report.output_bytes;
	if (d->ends.any) {
		guard_drop_ended(g, d);
		if (guard_judge(g, ANSWER_BLOCK))
			return g->failed;
	}
	if (drop || (e.said && e.silent && !e.once && !d->marked && !d->ends.any))
		return g->failed;
	return guard_pass_edited(g, f, d, &e, out);
}

/* Unwraps a frame of Bedrock's invoke. The inner event has a type of its own. */
static enum guard_result
unwrap(struct guard *g, struct frame *f)
{
	int err;

	if (!g->writer.wrap || !f->has_data || f->exception)
		return g->failed;
	buf_clear(&g->unwrapped);
	err = frame_unwrap(f, &g->unwrapped);
	if (err == ERR_NOMEM)
		return guard_no_memory(g);
	if (err == ERR_SYNTAX && guard_reads(g))
		return guard_fail(g, GUARD_BROKEN, "an event of the stream is no base64");
	return g->failed;
}

static enum guard_result
one_frame(struct guard *g, int r, struct frame *f, struct buf *out)
{
	/* `data:` alone is no event (WHATWG HTML 9.2.6); some providers send it to keep a
	 * connection open. */
	if (r != FRAME_OVER && g->frames.kind == FRAMES_SSE && !f->data.n)
		f->has_data = false;
	if (r != FRAME_OVER && (guard_metadata(g, f) || unwrap(g, f) ||
				       (g->plan.messages.is && guard_message_event(g, f))))
		return g->failed;
	if (r == FRAME_OVER) {
		if (guard_calls_cut(g, GUARD_UNREAD, "an event over its cap, in a call") ||
			guard_queue_end(g, out) || guard_message_unread(g) ||
			guard_unread(g, f->raw.n, "an event over its cap"))
			return g->failed;
		frame_pass(&g->writer, f, out);
	} else if (f->has_data ? span_is(span_trim(f->data, " \t\r\n"), "[DONE]")
			       : g->frames.kind == FRAMES_ARRAY &&
					 span_ends(f->raw, SPAN_LIT("]"))) {
		/* the end of some dialects, or of an array: nothing can follow */
		g->report.events += f->has_data;
		g->end.last = true;
		if (!guard_calls_end(g, out) && !guard_queue_end(g, out) &&
			!guard_end_channels(g, NULL, out))
			frame_pass(&g->writer, f, out);
	} else {
		guard_calls_pass(g, f, out);
	}
	arena_reset(&g->work);
	return buf_failed(out) ? guard_no_memory(g) : g->failed;
}

enum guard_result
guard_events(struct guard *g, struct span bytes, struct buf *out)
{
	struct frame f;
	int r;

	while ((r = frames_next(&g->frames, &bytes, &f)) > 0)
		if (guard_over(g) || one_frame(g, r, &f, out))
			return g->failed;
	if (r == ERR_NOMEM)
		return guard_no_memory(g);
	return r < 0 ? guard_fail(g, GUARD_BROKEN, "the stream's framing is malformed")
		     : g->failed;
}

enum guard_result
guard_events_end(struct guard *g, struct buf *out)
{
	struct frame f;
	int r;

	while ((r = frames_end(&g->frames, &f)) > 0)
		if (one_frame(g, r, &f, out))
			return g->failed;
	if (r == ERR_NOMEM)
		return guard_no_memory(g);
	if (r < 0 && guard_reads(g))
		return guard_fail(g, GUARD_BROKEN, "the stream ends inside an event");
	if (r < 0)
		frame_pass(&g->writer, &f, out);
	if ((g->stands_alone ? guard_calls_end(g, out) : guard_calls_stop(g, out)) ||
		guard_queue_end(g, out) ||
		guard_calls_cut(g, GUARD_CUT, "the stream ends inside a call"))
		return g->failed;
	if (guard_end_is_cut(g))
		return guard_fail(g, GUARD_CUT,
			"the stream ends without what its dialect has at the end");
	return guard_end_channels(g, NULL, out) ? g->failed : guard_judge(g, ANSWER_END);
}

void
guard_say_error(struct guard *g, const char *code, struct span message, struct span id,
	bool half, struct buf *out)
{
	if (g->translator && g->report.streamed) {
		translator_say_error(g->translator, code, message, id, out);
		return;
	}
	if (g->way != WAY_STREAM || g->frames.kind == FRAMES_SSE) {
		/* Ends an event that was cut. After a complete one an empty line has no meaning
		 * (WHATWG HTML 9.2.6). */
		buf_str(out, half ? "\n\n" : "\n");
		SCOPED_BUF(event, 0);
		if (g->plan.mcp)
			mcp_answer_refused(g->plan.mcp, code, message, id, true, out);
		else if (g->plan.rpc_ids.n)
			dialect_rpc_error(g->plan.rpc_ids, code, message, id, out);
		else
			dialect_stream_error(
				g->plan.dialect, g->plan.endpoint, code, message, id, &event);
		answer_number_error(buf_view(&event), g->report.events, out);
		return;
	}
	if (g->plan.mcp && g->frames.kind == FRAMES_LINES) {
		buf_str(out, half ? "\n" : "");
		mcp_answer_refused(g->plan.mcp, code, message, id, false, out);
		buf_putc(out, '\n');
		return;
	}
	SCOPED_BUF(document, 4 * CAP_ERROR_BYTES);
	dialect_line_error(g->plan.dialect, code, message, id, &document);
	if (!buf_failed(&document))
		frame_write_error(&g->writer, SPAN_LIT("modelStreamErrorException"),
			buf_view(&document), out);
	if (g->frames.kind == FRAMES_ARRAY && !g->writer.closed)
		buf_str(out, "]");
}
