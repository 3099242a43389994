/* Streams: events are read one by one, their texts run through their channels
 * (guard_channel.c), and what comes out of those is put into the events that go on. An event
 * whose text is held whole is left out: its text joins the next one of its channel, or one like
 * it before the channel ends. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "guard/guard_private.h"

/* What becomes of an event. */
struct edited {
	struct splice *splices;
	size_t n;
	bool said, silent; /* it had text; none of it goes now */
};

/* ---- events of our own ---- */

static const struct splice *
splice_at(const struct edited *e, size_t start)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->splices[i].start == start)
			return &e->splices[i];
	return NULL;
}

/* The event for what this channel holds of it: without the texts of channels, which have been
 * said, and without what was replaced. */
static enum guard_result
remember_like(struct channel *c, const struct frame *f, const struct answer_document *d,
	const struct answer_text *own, const struct edited *e)
{
	struct guard *g = c->g;
	size_t n = 0, at = own->start;

	if (d->ends.any || own->number || (d->marked && c->like.n && !c->like_marked))
		return g->failed;
	struct splice *v = arena_array(&g->work, d->ntexts + d->nwithheld + 1, sizeof(*v));
	if (!v)
		return guard_no_memory(g);
	for (size_t i = 0; i < d->ntexts; i++) {
		const struct answer_text *t = &d->texts[i];
		bool grows = !t->copy && t->kind != KIND_OTHER;
		const struct splice *edit = splice_at(e, t->start);
		if (t->aside && edit)
			v[n++] = *edit;
		else if (grows || edit)
			v[n++] = (struct splice){ t->start, t->end,
				t->number ? SPAN_LIT("\"\"") : SPAN_LIT("") };
	}
	if (guard_inspects(g))
		n += guard_withhold(d, v + n);
	for (size_t i = 0; i < n; i++)
		if (v[i].start < own->start)
			at += v[i].with.n - (v[i].end - v[i].start);
	buf_clear(&c->like);
	buf_clear(&c->like_type);
	if (splice_apply(f->data, v, n, &c->like))
		buf_clear(&c->like);
	buf_span(&c->like_type, f->type);
	c->like_at = at;
	c->like_marked = d->marked;
	return g->failed;
}

/* Usage that only we asked for goes no further. 1: *data is what goes on; 2: nothing does. */
static int
hide_usage(struct guard *g, struct span *data)
{
	struct span edited;

	if (!g->plan.hide_usage)
		return 1;
	int edit = dialect_hide_usage(g->plan.dialect, *data, &g->work, &edited);
	if (edit == 1)
		*data = edited;
	return edit == 2 ? 2 : 1;
}

/* An event like the last one of the channel, with what has become of what was held. */
static enum guard_result
channel_say(struct channel *c, struct buf *out)
{
	struct guard *g = c->g;
	struct span like = buf_view(&c->like);
	struct buf b;

	if (!c->out.n)
		return g->failed;
	if (!like.n || buf_failed(&c->like))
		return guard_fail(g, GUARD_BROKEN, "an event is too long to be said again");
	buf_init(&b, 0);
	buf_span(&b, span_cut(like, 0, c->like_at));
	buf_json(&b, buf_view(&c->out));
	buf_span(&b, span_cut(like, c->like_at, like.n));
	struct span data = buf_view(&b);
	int err = buf_failed(&b) ? ERR_NOMEM : 0;
	if (!err && hide_usage(g, &data) == 1)
		err = frame_write(&g->writer, buf_view(&c->like_type), data, out);
	buf_free(&b);
	buf_clear(&c->out);
	return err ? guard_no_memory(g) : g->failed;
}

static bool
is_of(const struct channel *c, const struct answer_document *d)
{
	for (size_t i = 0; i < d->ntexts; i++)
		if (!d->texts[i].copy && d->texts[i].kind == c->kind &&
			!memcmp(d->texts[i].slot, c->slot, sizeof(c->slot)))
			return true;
	return false;
}

/* Channels that end with this event and of which it says nothing: what they hold goes first. */
static enum guard_result
end_channels(struct guard *g, const struct answer_document *d, struct buf *out)
{
	struct channel *c, *next;
	bool ended = false;

	for (c = LIST_FIRST(&g->channels); c && !g->failed; c = next) {
		next = LIST_NEXT(c, all);
		if (d && (!answer_ends(d, c->slot) || is_of(c, d)))
			continue;
		ended = true;
		if (guard_channel_finish(c) || channel_say(c, out))
			return g->failed;
		guard_channel_over(c);
	}
	return ended ? guard_judge(g, ANSWER_BLOCK) : g->failed;
}

/* ---- one event ---- */

/* What becomes of one of its texts. */
static enum guard_result
run_text(struct guard *g, const struct answer_document *d, const struct answer_text *t,
	struct span *now)
{
	bool grows = !t->copy && t->kind != KIND_OTHER;
	struct channel *c = grows ? guard_channel_of(g, t) : NULL;
	struct answer_text said = *t;

	*now = t->text;
	if (c && guard_channel_pair(c, &said))
		return g->failed;
	guard_keep(g, &said, t->copy ? SPAN_LIT("") : said.text);
	guard_heard(g, &said);
	if (t->unnamed && guard_inspects(g))
		return guard_unnamed_edit(g, t, now);
	if (!grows)
		return guard_edit_alone(g, t, now);
	if (!c || guard_channel_feed(c, said.text))
		return g->failed;
	if (answer_ends(d, t->slot) && guard_channel_finish(c))
		return g->failed;
	*now = c->out.n ? arena_dup(&g->work, buf_view(&c->out)) : SPAN_LIT("");
	if (!now->p)
		return guard_no_memory(g);
	buf_clear(&c->out);
	return g->failed;
}

/* Of each channel that this event leaves waiting. */
static enum guard_result
remember_likes(struct guard *g, const struct frame *f, const struct answer_document *d,
	const struct edited *e)
{
	for (size_t i = 0; i < d->ntexts; i++) {
		const struct answer_text *t = &d->texts[i];
		struct channel *c = NULL;
		if (!t->copy && t->kind != KIND_OTHER && t->text.n)
			c = guard_channel_of(g, t);
		if (c && guard_channel_held(c) && remember_like(c, f, d, t, e))
			return g->failed;
	}
	return g->failed;
}

static enum guard_result
run_texts(struct guard *g, const struct frame *f, const struct answer_document *d,
	struct edited *e)
{
	e->splices = arena_array(&g->work, d->ntexts + d->nwithheld + 1, sizeof(*e->splices));
	e->silent = true;
	guard_place_event(g);
	if (!e->splices)
		return guard_no_memory(g);
	for (size_t i = 0; i < d->ntexts; i++) {
		const struct answer_text *t = &d->texts[i];
		struct span now;
		if (run_text(g, d, t, &now))
			return g->failed;
		e->said |= !t->aside && t->text.n > 0;
		e->silent &= t->aside || !now.n;
		if (!span_eq(now, t->text) && !guard_splice(g, t, now, &e->splices[e->n++]))
			return guard_no_memory(g);
	}
	if (remember_likes(g, f, d, e))
		return g->failed;
	if (guard_inspects(g))
		e->n += guard_withhold(d, e->splices + e->n);
	return g->failed;
}

/* Its channels that ended in it are over. */
static void
drop_ended(struct guard *g, const struct answer_document *d)
{
	struct channel *c, *next;

	for (c = LIST_FIRST(&g->channels); c; c = next) {
		next = LIST_NEXT(c, all);
		if (answer_ends(d, c->slot))
			guard_channel_over(c);
	}
}

static enum guard_result
pass_edited(struct guard *g, const struct frame *f, struct span data, const struct edited *e,
	struct buf *out)
{
	struct buf b;
	int err = 0;

	buf_init(&b, 0);
	if (e->n)
		err = splice_apply(data, e->splices, e->n, &b);
	struct span now = e->n ? buf_view(&b) : data;
	if (!err && hide_usage(g, &now) == 1) {
		if (span_eq(now, data))
			frame_pass(&g->writer, f, out);
		else
			err = frame_rewrite(&g->writer, f, now, out);
	}
	buf_free(&b);
	return err ? guard_no_memory(g) : g->failed;
}

static bool
is_done(struct span data)
{
	return span_is(span_trim(data, " \t\r\n"), "[DONE]");
}

/* Of an event that is no JSON. */
static struct answer_text
plain_text(const struct frame *f)
{
	return (struct answer_text){
		.kind = KIND_OTHER, .copy = true, .unnamed = true, .text = f->data
	};
}

static const char no_json[] = "an event of the stream is no JSON";

/* Not JSON: a line of text, where any is possible; else the provider's mistake. */
static enum guard_result
plain_event(struct guard *g, const struct frame *f, struct buf *out)
{
	struct answer_text t = plain_text(f);
	struct span now;

	guard_heard(g, &t);
	if (g->format != &answer_any)
		return guard_fail(g, GUARD_BROKEN, no_json);
	if (guard_inspects(g) ? guard_unnamed_edit(g, &t, &now) : guard_edit_alone(g, &t, &now))
		return g->failed;
	if (span_eq(now, f->data)) {
		frame_pass(&g->writer, f, out);
		return g->failed;
	}
	return frame_rewrite(&g->writer, f, now, out) ? guard_no_memory(g) : g->failed;
}

/* A signature comes after all that it signs: what is held of that goes first, or, where it was
 * cut off, neither does. */
static enum guard_result
end_signed(struct guard *g, const struct answer_document *d, struct buf *out, bool *drop)
{
	struct channel *c;

	*drop = false;
	if (!d->nseals)
		return g->failed;
	LIST_FOREACH (c, &g->channels, all)
		if (c->kind == KIND_SIGNED &&
			!memcmp(c->slot, d->seals[0].slot, sizeof(c->slot)))
			break;
	if (!c || guard_channel_finish(c) || channel_say(c, out))
		return g->failed;
	*drop = c->cut;
	guard_channel_over(c);
	return g->failed;
}

/* An event as it was read: an error, or what it says. */
struct event {
	int err;
	struct span type;
	struct answer_document d;
};

/* A number or a word by itself: of a stream of plain text a piece that looks like JSON. */
static bool
is_bare(struct span data)
{
	data = span_trim(data, " \t\r\n");
	return data.n && !memchr("{[\"", data.p[0], 3);
}

static void
parse_event(struct guard *g, const struct frame *f, struct event *e)
{
	const char *why;

	e->type = f->wrapped.p ? SPAN_LIT("") : f->type;
	e->err = answer_read(g->format, e->type, f->data, &g->work, &e->d, &why);
	if (!e->err && g->format == &answer_any && is_bare(f->data))
		e->err = ERR_SYNTAX;
	e->d.error |= f->exception;
	for (size_t i = 0; !e->err && i < e->d.ntexts; i++)
		if (e->d.texts[i].copy || e->d.texts[i].kind == KIND_OTHER)
			guard_mend_halves(&e->d.texts[i]);
}

static enum guard_result
say_event(struct guard *g, const struct frame *f, const struct event *ev, struct buf *out)
{
	const struct answer_document *d = &ev->d;
	struct edited e = { 0 };
	bool drop, counts = false;

	g->report.events++;
	/* A key that is there twice may be a count. */
	if (d->counts || ev->err == ERR_DUPLICATE)
		counts = dialect_event_usage(g->plan.dialect,
			ev->err || ev->type.n ? ev->type : d->type, f->data, &g->work,
			&g->report.usage);
	if (ev->err && guard_reads(g))
		return plain_event(g, f, out);
	if (ev->err)
		return pass_edited(g, f, f->data, &e, out);
	guard_note(g, d);
	if (counts)
		g->report.counted_bytes = g->report.output_bytes;
	if (!guard_reads(g))
		return pass_edited(g, f, f->data, &e, out);
	if ((d->ends.any && end_channels(g, d, out)) || end_signed(g, d, out, &drop) ||
		run_texts(g, f, d, &e))
		return g->failed;
	/* its own text is heard by now, too */
	if (counts)
		g->report.counted_bytes = g->report.output_bytes;
	if (d->ends.any) {
		drop_ended(g, d);
		if (guard_judge(g, ANSWER_BLOCK))
			return g->failed;
	}
	if (drop || (e.said && e.silent && !d->marked && !d->ends.any))
		return g->failed;
	return pass_edited(g, f, f->data, &e, out);
}

/* Events that waited and need not any more. */
static enum guard_result
say_waiting(struct guard *g, struct buf *out)
{
	const struct frame *f;

	while (!g->failed && (f = guard_unnamed_next(g))) {
		struct event e;
		arena_reset(&g->work);
		if (!f->has_data) {
			frame_pass(&g->writer, f, out);
		} else {
			parse_event(g, f, &e);
			if (e.err == ERR_NOMEM)
				guard_no_memory(g);
			else
				say_event(g, f, &e, out);
		}
		guard_unnamed_done(g);
	}
	return g->failed;
}

/* All of them. */
static enum guard_result
end_waiting(struct guard *g, struct buf *out)
{
	return guard_unnamed_end(g) ? g->failed : say_waiting(g, out);
}

/* The end that some dialects write. What waits goes first, and takes the memory of the event.
 */
static enum guard_result
done_event(struct guard *g, const struct frame *f, struct buf *out)
{
	struct frame last = *f;
	struct buf raw;

	g->report.events++;
	buf_init(&raw, 0);
	buf_span(&raw, f->raw);
	last.raw = buf_view(&raw);
	if (buf_failed(&raw))
		guard_no_memory(g);
	if (!g->failed && !end_waiting(g, out) && !end_channels(g, NULL, out))
		frame_pass(&g->writer, &last, out);
	buf_free(&raw);
	return g->failed;
}

static enum guard_result
read_event(struct guard *g, const struct frame *f, struct buf *out)
{
	bool waits = false;
	struct event e;

	if (is_done(f->data))
		return done_event(g, f, out);
	parse_event(g, f, &e);
	if (e.err == ERR_NOMEM)
		return guard_no_memory(g);
	struct answer_text plain = plain_text(f);
	/* What is no event ends the stream; what came before it goes. */
	if (e.err && g->format != &answer_any && guard_reads(g)) {
		guard_heard(g, &plain);
		return end_waiting(g, out) ? g->failed : guard_fail(g, GUARD_BROKEN, no_json);
	}
	if (guard_inspects(g) && guard_unnamed_take(g, f, e.err ? &plain : e.d.texts,
					 e.err ? 1 : e.d.ntexts, e.err ? NULL : &e.d, &waits))
		return g->failed;
	if (waits)
		return say_waiting(g, out);
	say_event(g, f, &e, out);
	guard_unnamed_done(g);
	return g->failed;
}

/* Bedrock's invoke has the model's own events in its frames, and those have their types. */
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
	/* `data:` alone is no event (WHATWG HTML 9.2.6): some send it to keep a way open. */
	if (r != FRAME_OVER && g->frames.kind == FRAMES_SSE && !f->data.n)
		f->has_data = false;
	if (r != FRAME_OVER && (guard_beside(g, f) || unwrap(g, f)))
		return g->failed;
	if (r == FRAME_OVER) {
		if (end_waiting(g, out) || guard_unread(g, f->raw.n, "an event over its cap"))
			return g->failed;
		frame_pass(&g->writer, f, out);
	} else if (!f->has_data && guard_unnamed_waits(g)) {
		guard_unnamed_after(g, f);
		say_waiting(g, out);
	} else if (!f->has_data) {
		frame_pass(&g->writer, f, out);
	} else {
		read_event(g, f, out);
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
		if (one_frame(g, r, &f, out))
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
	if (end_waiting(g, out) || end_channels(g, NULL, out))
		return g->failed;
	return guard_judge(g, ANSWER_END);
}

void
guard_say_error(struct guard *g, const char *code, struct span message, struct span id,
	bool half, struct buf *out)
{
	struct buf document;

	if (g->way != WAY_STREAM || g->frames.kind == FRAMES_SSE) {
		/* An event that was cut short ends here; after a whole one an empty line means
		 * nothing (WHATWG HTML 9.2.6). */
		buf_str(out, half ? "\n\n" : "\n");
		dialect_stream_error(g->plan.dialect, g->plan.endpoint, code, message, id, out);
		return;
	}
	buf_init(&document, 4 * CAP_ERROR_BYTES);
	dialect_error(g->plan.dialect, 403, code, message, id, &document);
	if (!buf_failed(&document))
		frame_write_error(&g->writer, SPAN_LIT("modelStreamErrorException"),
			buf_view(&document), out);
	if (g->frames.kind == FRAMES_ARRAY)
		buf_str(out, "]");
	buf_free(&document);
}
