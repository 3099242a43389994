/* Edits one event of a stream, and writes events like it for text that was held back.
 *
 * guard_run_texts() passes each text through its channel and collects edits.
 * guard_pass_edited() sends the event. keep_carriers() keeps, per channel, an event without
 * text, in which guard_channel_say() later sends the rest. guard_stream.c determines the order
 * of these steps. */
#include "answer/calls/tree.h"
#include "answer/guard/guard_stream.h"
#include "base/err.h"

enum { SAID_ONCE = 16 };

/* ---- events of ours ---- */

/* Adds an edit and removes the edits that overlap with it. Returns the number of edits. */
static size_t
put_over(const struct answer_range *at, struct span with, struct splice *v, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (v[i].end <= at->start || v[i].start >= at->end)
			v[kept++] = v[i];
	v[kept++] = (struct splice){ at->start, at->end, with };
	return kept;
}

/* Adds the edit that removes usage which only we requested. */
static size_t
hide_usage(const struct guard *g, const struct answer_document *d, struct splice *v, size_t n)
{
	const struct answer_range *at = &d->hidden.at;

	return g->plan.hide_usage && at->end > at->start ? put_over(at, SPAN_LIT(""), v, n) : n;
}

size_t
guard_rename(const struct guard *g, const struct answer_document *d, struct splice *v, size_t n)
{
	for (size_t i = 0; g->plan.alias && i < d->nmodels; i++)
		n = put_over(&d->models[i], span_str(g->plan.alias), v, n);
	return n;
}

/* Writes the edits that remove all channels' texts, which have been sent, and all that was
 * replaced. The event's edits are in the order of its texts. Returns the number of edits. */
static size_t
silence(struct guard *g, const struct answer_document *d, const struct edited *e,
	struct splice *v)
{
	size_t n = 0, k = 0;

	for (size_t i = 0; i < d->ntexts; i++) {
		const struct answer_text *t = &d->texts[i];
		bool grows = text_grows(t);
		const struct splice *edit =
			k < e->n && e->splices[k].start == t->start ? &e->splices[k++] : NULL;
		if (t->aside && edit)
			v[n++] = *edit;
		else if (grows || edit)
			v[n++] = (struct splice){ t->start, t->end,
				t->number ? SPAN_LIT("\"\"") : SPAN_LIT("") };
	}
	n += guard_inspects(g) ? guard_withhold(d, v + n) : 0;
	n = guard_rename(g, d, v, n);
	return !d->hidden.counts || d->hidden.no_choices ? hide_usage(g, d, v, n) : n;
}

/* Sets members of Gemini's events to null that must be sent only once: media and code in other
 * parts, and facts about the candidate, the turn or the session. */
static size_t
say_once(struct guard *g, struct span event, struct splice *v, size_t n)
{
	static const char *const once[] = { "finishReason", "finishMessage", "citationMetadata",
		"groundingMetadata", "urlContextMetadata", "safetyRatings", "logprobsResult",
		"inlineData", "inline_data", "fileData", "file_data", "executableCode",
		"executable_code", "codeExecutionResult", "code_execution_result",
		"grounding_metadata", "url_context_metadata", "interrupted",
		"generationComplete", "generation_complete", "sessionResumptionUpdate",
		"session_resumption_update" };
	size_t room = SAID_ONCE, past = 0;
	struct tree t;

	if (!g->format->repeats || tree_read(&t, &g->work, event))
		return n;
	for (const struct node *m = t.root; m && room; m = tree_next(m, t.root)) {
		if (m->start < past || !m->key.p || !SPAN_IN(m->key, once))
			continue;
		struct answer_range at = { m->start, m->end };
		n = put_over(&at, SPAN_LIT("null"), v, n);
		past = m->end;
		room--;
	}
	return n;
}

enum guard_result
guard_channel_say(struct channel *c, struct buf *out)
{
	struct guard *g = c->g;
	struct span carrier = buf_view(&c->carrier);

	if (!c->out.n)
		return g->failed;
	if (!carrier.n || buf_failed(&c->carrier))
		return guard_fail(g, GUARD_BROKEN, "an event is too long to be rewritten");
	SCOPED_BUF(b, 0);
	buf_span(&b, span_cut(carrier, 0, c->carrier_at));
	buf_json(&b, buf_view(&c->out));
	buf_span(&b, span_cut(carrier, c->carrier_at, carrier.n));
	int err = buf_failed(&b) ? ERR_NOMEM
				 : frame_write(&g->writer, buf_view(&c->carrier_type),
					   buf_view(&b), out);
	buf_clear(&c->out);
	return err ? guard_no_memory(g) : g->failed;
}

static bool
is_of(const struct channel *c, const struct answer_text *t)
{
	return !t->copy && t->text.n && t->kind == c->of.kind &&
	       !memcmp(t->slot, c->of.slot, sizeof(t->slot));
}

static bool
is_said(const struct channel *c, const struct answer_document *d)
{
	for (size_t i = 0; i < d->ntexts; i++)
		if (is_of(c, &d->texts[i]))
			return true;
	return false;
}

/* Returns true if the document has a call of the choice, or any call. */
static bool
has_call(const struct answer_document *d, uint32_t choice, bool any)
{
	for (size_t i = 0; i < d->ncalls; i++)
		if (any || d->calls[i].slot[0] == choice)
			return true;
	for (size_t i = 0; i < d->ninputs; i++)
		if (any || d->inputs[i].slot[0] == choice)
			return true;
	return false;
}

/* Returns true if another text of the same choice begins here: one of another kind, with
 * another number, or a call. */
static bool
another_begins(struct guard *g, const struct channel *c, const struct answer_document *d)
{
	/* blocks follow each other, and some have no end of their own */
	bool one_turn = g->format->blocks;

	if (has_call(d, c->of.slot[0], one_turn))
		return true;
	for (size_t i = 0; i < d->ntexts; i++) {
		const struct answer_text *t = &d->texts[i];
		if (!text_grows(t) || !t->text.n ||
			!(one_turn || t->slot[0] == c->of.slot[0]) ||
			(t->kind == c->of.kind && t->slot[0] == c->of.slot[0] &&
				t->slot[1] == c->of.slot[1]))
			continue;
		const struct run *o = guard_run_find(g, t->kind, 0, t->slot);
		if (!o || !o->channel || o->channel->last < c->last)
			return true;
	}
	return false;
}

/* Reasoning, and text before a call, may have no end of their own. Their rest is sent before
 * the text that begins now. */
enum guard_result
guard_turn_channels(struct guard *g, const struct answer_document *d, struct buf *out)
{
	struct channel *c;

	LIST_FOREACH (c, &g->channels, all) {
		bool shown = kind_is_shown(c->of.kind) ||
			     (c->of.kind == KIND_SIGNED && g->format->blocks);
		if (!shown || c->so_far.is || !guard_channel_held(c) || is_said(c, d) ||
			!another_begins(g, c, d))
			continue;
		if (guard_channel_let_go(c) || guard_channel_say(c, out))
			break;
	}
	return g->failed;
}

/* The channels' rest is sent before the event. The rest is not added to an empty text of the
 * event, which clients may not read. */
enum guard_result
guard_end_channels(struct guard *g, const struct answer_document *d, struct buf *out)
{
	struct channel *c, *next;
	bool ended = false;

	if (!d)
		guard_keep_ended(g, NULL);
	for (c = LIST_FIRST(&g->channels); c && !g->failed; c = next) {
		next = LIST_NEXT(c, all);
		if (d && (!answer_ends(d, c->of.slot) || is_said(c, d)))
			continue;
		ended = true;
		bool said = c->so_far.is && !guard_channel_held(c);
		if (guard_channel_finish(c) || (!said && guard_channel_say(c, out)))
			return g->failed;
		guard_channel_over(c);
	}
	return ended ? guard_judge(g, ANSWER_BLOCK) : g->failed;
}

/* ---- one event ---- */

/* Returns true if this is the channel's last text in an event with a call. Then nothing of it
 * is held back, since an event like this one would repeat the call. */
static bool
goes_with_call(
	const struct channel *c, const struct answer_document *d, const struct answer_text *t)
{
	if (!kind_is_shown(c->of.kind) || c->so_far.is || !has_call(d, t->slot[0], false))
		return false;
	while (++t < d->texts + d->ntexts)
		if (is_of(c, t))
			return false;
	return true;
}

/* Edits one text of the event. *now is the text to send. */
static enum guard_result
run_text(struct guard *g, struct event *e, const struct answer_text *t, struct span *now)
{
	bool grows = text_grows(t);
	struct channel *c = grows ? guard_channel_of(g, t) : NULL;
	struct answer_text said = *t, all = *t; /* the new part, and all of the text */

	*now = t->text;
	if (c)
		guard_channel_so_far(c, &said);
	if (c && guard_pair(g, &c->halved, &all))
		return g->failed;
	if (!c || !c->so_far.is)
		said = all;
	guard_keep(g, &said, t->copy ? SPAN_LIT("") : said.text);
	guard_heard(g, &said);
	if (t->unnamed && guard_inspects(g))
		return guard_members_edit(g, e, t, now);
	if (!grows)
		return guard_edit_alone(g, t, now);
	if (c && all.text.n)
		c->last = g->report.events;
	if (!c || guard_channel_feed(c, all.text))
		return g->failed;
	if ((t->last || answer_ends(&e->d, t->slot)) && guard_channel_finish(c))
		return g->failed;
	if (goes_with_call(c, &e->d, t) &&
		(guard_channel_let_go(c) || (guard_channel_held(c) && guard_channel_finish(c))))
		return g->failed;
	*now = c->out.n ? arena_dup(&g->work, buf_view(&c->out)) : SPAN_LIT("");
	if (!now->p)
		return guard_no_memory(g);
	if (!c->so_far.is)
		buf_clear(&c->out);
	return g->failed;
}

/* Keeps, for each channel that holds text back, an event to send the text in. The text's place
 * is the last one that a later event can have. */
static enum guard_result
keep_carriers(struct guard *g, const struct event *ev, struct edited *e)
{
	const struct answer_document *d = &ev->d;
	struct splice *v = NULL;
	struct channel *c;
	size_t n = 0;

	if (d->ends.any)
		return g->failed;
	LIST_FOREACH (c, &g->channels, all) {
		size_t own = d->ntexts;
		if (!guard_channel_held(c) || (d->marked && c->carrier.n && !c->carrier_marked))
			continue;
		while (own && (d->texts[own - 1].number || !is_of(c, &d->texts[own - 1])))
			own--;
		if (!own--)
			continue;
		if (!v) {
			v = arena_array(&g->work,
				d->ntexts + d->nwithheld + 1 + ANSWER_MODELS +
					(g->format->repeats ? SAID_ONCE : 0),
				sizeof(*v));
			if (!v)
				return guard_no_memory(g);
			n = silence(g, d, e, v);
			size_t all = say_once(g, ev->frame.data, v, n);
			e->once = all > n;
			n = all;
		}
		c->carrier_at = d->texts[own].start;
		for (size_t i = 0; i < n; i++)
			if (v[i].start < d->texts[own].start)
				c->carrier_at += v[i].with.n - (v[i].end - v[i].start);
		buf_clear(&c->carrier);
		buf_clear(&c->carrier_type);
		if (splice_apply(ev->frame.data, v, n, &c->carrier))
			buf_clear(&c->carrier);
		buf_span(&c->carrier_type, ev->frame.type);
		c->carrier_marked = d->marked;
	}
	return g->failed;
}

enum guard_result
guard_run_texts(struct guard *g, struct event *ev, struct edited *e)
{
	const struct answer_document *d = &ev->d;

	e->splices = arena_array(
		&g->work, d->ntexts + d->nwithheld + 1 + ANSWER_MODELS, sizeof(*e->splices));
	e->silent = true;
	guard_place_event(g);
	if (!e->splices)
		return guard_no_memory(g);
	for (size_t i = 0; i < d->ntexts; i++) {
		const struct answer_text *t = &d->texts[i];
		struct span now;
		if (guard_over(g) || run_text(g, ev, t, &now))
			return g->failed;
		e->said |= !t->aside && t->text.n > 0;
		e->silent &= t->aside || !now.n;
		if (!span_eq(now, t->text) && !guard_splice(g, t, now, &e->splices[e->n++]))
			return guard_no_memory(g);
	}
	if (keep_carriers(g, ev, e))
		return g->failed;
	if (guard_inspects(g))
		e->n += guard_withhold(d, e->splices + e->n);
	return g->failed;
}

void
guard_drop_ended(struct guard *g, const struct answer_document *d)
{
	struct channel *c, *next;

	for (c = LIST_FIRST(&g->channels); c; c = next) {
		next = LIST_NEXT(c, all);
		if (answer_ends(d, c->of.slot))
			guard_channel_over(c);
	}
	guard_keep_ended(g, d);
}

enum guard_result
guard_pass_edited(struct guard *g, const struct frame *f, const struct answer_document *d,
	const struct edited *e, struct buf *out)
{
	struct splice few[1 + ANSWER_MODELS], *v = e->n ? e->splices : few;
	size_t n = e->n;

	/* an event with usage alone is not sent; counts beside text were not requested by us */
	if (g->plan.hide_usage && d->hidden.counts && d->hidden.no_choices)
		return g->failed;
	n = guard_rename(g, d, v, n);
	if (!d->hidden.counts)
		n = hide_usage(g, d, v, n);
	SCOPED_BUF(b, 0);
	int err = n ? splice_apply(f->data, v, n, &b) : 0;
	struct span now = n ? buf_view(&b) : f->data;
	if (!err && span_eq(now, f->data))
		frame_pass(&g->writer, f, out);
	else if (!err)
		err = frame_rewrite(&g->writer, f, now, out);
	return err ? guard_no_memory(g) : g->failed;
}
