/* Reads a stream, edits its events and passes them to the caller in their order.
 *
 * Each frame passes one_frame(): metadata is inspected, a wrapped event is unwrapped, calls are
 * decided (guard_calls_pass()), and guard_queue_pass() parses the event once, with
 * guard_event_read(). Three stages may then keep the event until more has arrived:
 *
 *   QUEUE_MEMBERS   a member without a row may continue (guard_split.c)
 *   QUEUE_BOUNDARY  a value may cross the end of a block (guard_split.c)
 *   QUEUE_FINISH    a finish reason may not be the last one (guard_end_take())
 *
 * Each stage has a queue. An event that leaves one enters the next, and later events wait
 * behind it. A queue is bounded by QUEUE_MOST and QUEUE_HELD_MOST.
 *
 * guard_event_say() runs the texts of an event through their channels (guard_run_texts(),
 * guard_channel.c) and sends it with the edits (guard_pass_edited()). An event whose text is
 * held back completely is not sent. keep_carriers() keeps, per channel, an event without text.
 * The text that is held back is added to the channel's next event, or guard_channel_say() sends
 * it in the kept event before the channel ends. Later events get other sequence numbers then.
 *
 * A call is judged when it ends, by the rules with `phase: tool`, before its event is read, or
 * before a whole response is read (guard_calls_whole()). calls/ holds the calls and asks
 * judge_held_call(). A denied call is removed, with the reason in its place. If the rule states
 * `as: error`, or the rest would not be a valid response, the whole response is denied.
 * guard_judge() judges calls of dialects that calls/ does not know, in their place. */
#include "answer/guard/guard_stream.h"

#include <stdlib.h>

#include "answer/calls/tree.h"
#include "answer/wrapped.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "policy/route.h"
#include "policy/verdict/tool.h"
#include "scan/dialect/denial.h"

enum {
	SAID_ONCE = 16,
	/* edits beside those of texts: the models' names, hidden usage, the sequence number */
	OWN_EDITS = ANSWER_MODELS + 2,
};

/* The edits of an event. */
struct edited {
	struct splice *splices;
	size_t n;
	bool said, silent; /* the event had text; no text of it is sent now */
	bool once;	   /* the event has content that only this event may carry */
};

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

size_t
guard_lead(struct guard *g, struct span json, size_t more, struct splice **v)
{
	struct splice *led = NULL;
	int n = g->plan.lead ? url_lead_document(g->plan.lead, json, &g->work, &led) : 0;

	*v = n < 0 ? NULL : arena_array(&g->work, (size_t)n + more, sizeof(**v));
	if (!*v) {
		guard_no_memory(g);
		return 0;
	}
	if (n)
		memcpy(*v, led, (size_t)n * sizeof(*led));
	return (size_t)n;
}

size_t
guard_put_all(const struct splice *more, size_t nmore, struct splice *v, size_t n)
{
	for (size_t i = 0; i < nmore; i++) {
		struct answer_range at = { more[i].start, more[i].end };
		n = put_over(&at, more[i].with, v, n);
	}
	return n;
}

/* Replaces the findings in the arguments that the rules name. *edited: something was
 * replaced. */
static int
edit(struct guard *g, const struct call *c, const struct tool_verdict *v, struct buf *out,
	bool *edited)
{
	struct answer_text t = { .kind = c->any_text ? KIND_INPUT : KIND_ARGUMENTS,
		.text = c->arguments };
	size_t redactions = g->report.redactions;
	struct findings found;
	struct span now;

	if (guard_look(g, &t, &found) || guard_replace(g, &t, &found, &v->redact, &now))
		return (int)g->failed;
	*edited = g->report.redactions != redactions;
	for (size_t i = 0; *edited && i < found.n; i++)
		if (entity_in(&v->redact.of, found.v[i].entity))
			guard_found(g, found.v[i].entity, t.kind);
	buf_span(out, now);
	return (int)g->failed;
}

/* ---- sequence numbers ---- */

/* The events of OpenAI's Responses API are numbered without gaps, and clients may check that. If
 * an event is taken out or added, later events get the number after that of the event sent
 * before. The numbers stay in a stream that a client can resume at a number: one of a background
 * response, and one that is resumed, which does not begin with the response's creation. */

static bool
number_is_kept(const struct answer_document *d, struct span event, uint64_t number)
{
	static const struct span background[] = { SPAN_LIT("\"background\":true"),
		SPAN_LIT("\"background\": true") };

	if (!span_is(d->type, "response.created") && number)
		return true;
	return memmem(event.p, event.n, background[0].p, background[0].n) ||
	       memmem(event.p, event.n, background[1].p, background[1].n);
}

/* Reads the event's number. Returns false if it has none. */
static bool
read_event_number(struct guard *g, const struct answer_document *d, struct span event, uint64_t *is)
{
	const struct answer_range *at = &d->sequence;

	if (at->end == at->start || span_u64(span_cut(event, at->start, at->end), is))
		return false;
	if (!g->numbers.begun)
		g->numbers.kept = number_is_kept(d, event, *is);
	g->numbers.begun = true;
	if (!g->numbers.moved)
		g->numbers.next = *is;
	return true;
}

/* Adds the edit of the event's number, if it is sent with another one. Returns the number of
 * edits. */
static size_t
renumber(struct guard *g, const struct answer_document *d, struct span event, struct splice *v,
	size_t n)
{
	uint64_t is, to;

	if (!read_event_number(g, d, event, &is) || (to = g->numbers.next++) == is)
		return n;
	struct span with = arena_printf(&g->work, "%llu", (unsigned long long)to);
	return put_over(&d->sequence, with, v, n);
}

/* Notes that the event is not sent. */
static void
skip_number(struct guard *g, const struct answer_document *d, struct span event)
{
	uint64_t is;

	if (read_event_number(g, d, event, &is))
		g->numbers.moved |= !g->numbers.kept;
}

/* Returns the offset of a byte after the edits that precede it. */
static size_t
moved_by(const struct splice *v, size_t n, size_t at)
{
	size_t to = at;

	for (size_t i = 0; i < n; i++)
		if (v[i].start < at)
			to += v[i].with.n - (v[i].end - v[i].start);
	return to;
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

/* Sends held-back text in an event like the channel's last one. */
static enum guard_result
guard_channel_say(struct channel *c, struct buf *out)
{
	struct guard *g = c->g;
	struct span carrier = buf_view(&c->carrier);

	if (!c->out.n)
		return g->failed;
	if (!carrier.n || buf_failed(&c->carrier))
		return guard_fail(g, GUARD_BROKEN, "an event is too long to be rewritten");
	SCOPED_BUF(text, 0);
	SCOPED_BUF(number, 0);
	SCOPED_BUF(b, 0);
	struct splice v[2];
	size_t n = 0;
	buf_json(&text, buf_view(&c->out));
	v[n++] = (struct splice){ c->carrier_at, c->carrier_at, buf_view(&text) };
	const struct answer_range *at = &c->carrier_number;
	if (at->end > at->start && !g->numbers.kept) {
		g->numbers.moved = true;
		buf_printf(&number, "%llu", (unsigned long long)g->numbers.next++);
		v[n++] = (struct splice){ at->start, at->end, buf_view(&number) };
	}
	int err = buf_failed(&text) || buf_failed(&number) || splice_apply(carrier, v, n, &b)
			  ? ERR_NOMEM
			  : frame_write(&g->writer, buf_view(&c->carrier_type), buf_view(&b),
				    out);
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

/* If another text begins in a choice, first sends what is held back of the previous one.
 * Reasoning, and text before a call, may have no end of their own. Their rest is sent before
 * the text that begins now. */
static enum guard_result
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

static enum guard_result
ended(struct guard *g, int r)
{
	static const char *const why[] = {
		[CALLS_NO_JSON] = "an event next to a tool call is not JSON",
		[CALLS_AGAIN] = "a tool call continues after its end",
		[CALLS_OVER] =
			"the response has more or longer tool calls than the gateway holds",
		[CALLS_UNSOUND] =
			"the response has two conflicting descriptions of a tool call",
	};

	if (g->failed || !r)
		return g->failed;
	if (r == ERR_NOMEM)
		return guard_no_memory(g);
	return guard_fail(g, r == CALLS_OVER ? GUARD_UNREAD : GUARD_BROKEN,
		r > 0 ? why[r] : why[CALLS_NO_JSON]);
}

/* Ends channels that end with this event without text in it, and first sends what they hold
 * back. NULL: all channels. The channels' rest is sent before the event. The rest is not added
 * to an empty text of the event, which clients may not read. */
static enum guard_result
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
		c->carrier_at = moved_by(v, n, d->texts[own].start);
		c->carrier_number = (struct answer_range){ moved_by(v, n, d->sequence.start),
			moved_by(v, n, d->sequence.end) };
		buf_clear(&c->carrier);
		buf_clear(&c->carrier_type);
		if (splice_apply(ev->frame.data, v, n, &c->carrier))
			buf_clear(&c->carrier);
		buf_span(&c->carrier_type, ev->frame.type);
		c->carrier_marked = d->marked;
	}
	return g->failed;
}

/* Runs the event's texts through their channels and collects the edits. */
static enum guard_result
guard_run_texts(struct guard *g, struct event *ev, struct edited *e)
{
	const struct answer_document *d = &ev->d;

	e->splices = arena_array(
		&g->work, d->ntexts + d->nwithheld + OWN_EDITS, sizeof(*e->splices));
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

/* Frees the channels that ended in this event. */
static void
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

/* Sends the event with its edits. */
static enum guard_result
guard_pass_edited(struct guard *g, const struct frame *f, const struct answer_document *d,
	const struct edited *e, struct buf *out)
{
	struct splice few[OWN_EDITS], *v = e->n ? e->splices : few, *led;
	size_t n = e->n, nled;

	/* an event with usage alone is not sent; counts beside text were not requested by us */
	if (g->plan.hide_usage && d->hidden.counts && d->hidden.no_choices)
		return g->failed;
	if (g->plan.lead && (nled = guard_lead(g, f->data, n + OWN_EDITS, &led))) {
		n = guard_put_all(v, n, led, nled);
		v = led;
	}
	if (g->failed)
		return g->failed;
	n = guard_rename(g, d, v, n);
	if (!d->hidden.counts)
		n = hide_usage(g, d, v, n);
	n = renumber(g, d, f->data, v, n);
	SCOPED_BUF(b, 0);
	int err = n ? splice_apply(f->data, v, n, &b) : 0;
	struct span now = n ? buf_view(&b) : f->data;
	if (!err && span_eq(now, f->data))
		frame_pass(&g->writer, f, out);
	else if (!err)
		err = frame_rewrite(&g->writer, f, now, out);
	return err ? guard_no_memory(g) : g->failed;
}

/* ---- whether the stream is complete ---- */

static uint64_t
bit_of(uint32_t choice)
{
	return UINT64_C(1) << (choice < 63 ? choice : 63);
}

/* Notes what an event states about the stream's end. */
static void
guard_end_note(struct guard *g, const struct answer_document *d)
{
	if (g->format->last && !d->type.n)
		return;
	g->end.says |= g->format->last || d->model.n || d->ncalls || d->opaque_bytes;
	for (size_t i = 0; i < d->ntexts; i++) {
		g->end.says |= text_grows(&d->texts[i]);
		if (text_grows(&d->texts[i]) && d->texts[i].text.n)
			g->end.begun |= bit_of(d->texts[i].slot[0]);
	}
	for (size_t i = 0; i < d->ncalls; i++)
		g->end.begun |= bit_of(d->calls[i].slot[0]);
	g->end.done |= d->ends.all ? UINT64_MAX : d->ends.choices;
	g->end.last |= d->error;
	for (const char *const *type = g->format->last; type && *type; type++)
		g->end.last |= span_is(d->type, *type);
	g->report.ended = g->format->last ? g->end.last : g->end.done != 0;
}

/* Returns true if no table describes the end or the content: a file of lines, a service that is
 * no model. */
static bool
guard_end_is_unknown(const struct guard *g)
{
	return g->format == &answer_any ||
	       (g->frames.kind == FRAMES_LINES && !g->format->lines);
}

void
guard_stands_alone(struct guard *g)
{
	g->stands_alone = true;
}

/* Returns true if the dialect has an end of streams, and the end has not arrived. */
static bool
guard_end_is_cut(const struct guard *g)
{
	const struct answer_format *f = g->format;

	if (f->endless || g->stands_alone || !g->end.says || g->end.last ||
		guard_end_is_unknown(g))
		return false;
	return f->last || !g->end.done || (g->end.begun & ~g->end.done);
}

/* ---- the texts of an event, and its end ---- */

/* Handles data that is not JSON. If the format is unknown, the data is a line of text;
 * otherwise it is a mistake of the provider. */
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

static enum guard_result
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
	guard_restore_lists(g, d, f->data);
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
	/* the text of the event itself has been counted already */
	if (counts)
		g->report.counted_bytes = g->report.output_bytes;
	if (d->ends.any) {
		guard_drop_ended(g, d);
		if (guard_judge(g, ANSWER_BLOCK))
			return g->failed;
	}
	if (drop || (e.said && e.silent && !e.once && !d->marked && !d->ends.any)) {
		skip_number(g, d, f->data);
		return g->failed;
	}
	return guard_pass_edited(g, f, d, &e, out);
}

/* ---- finish reasons that may repeat ---- */

/* Vertex sends a finish reason in each event. Only the next event shows whether one was the
 * last, so the event waits for it. */

static bool
guard_end_may_go(const struct guard *g, const struct event *e)
{
	(void)e;
	return g->end.repeats;
}

static enum guard_result
guard_end_take(struct guard *g, struct event *e, bool *waits)
{
	const struct event_queue *q = &g->queues[QUEUE_FINISH];
	const struct answer_document *d = event_says(e);
	bool first = STAILQ_EMPTY(&q->events);

	if (!g->format->repeats || g->end.repeats || !guard_reads(g) ||
		(first && !(d && d->finish.n && !d->error)))
		return g->failed;
	*waits = true;
	g->end.repeats = queue_is_full(q, e) || (!first && d && d->ncalls);
	for (size_t i = 0; !first && d && i < d->ntexts; i++)
		g->end.repeats |= text_grows(&d->texts[i]) && d->texts[i].text.n;
	return g->failed;
}

/* ---- events that wait ---- */

static const struct stage {
	enum guard_result (*take)(struct guard *g, struct event *e, bool *waits);
	bool (*may_go)(const struct guard *g, const struct event *e);
	/* NULL: at the end of the stream all events leave */
	enum guard_result (*end)(struct guard *g);
} stages[QUEUES] = {
	[QUEUE_MEMBERS] = { guard_members_take, guard_members_may_go, guard_members_end },
	[QUEUE_BOUNDARY] = { guard_boundary_take, guard_boundary_may_go, guard_boundary_end },
	[QUEUE_FINISH] = { guard_end_take, guard_end_may_go, NULL },
};

/* Returns an event, reusing the last one. If it may wait, it is read from a copy in g->work,
 * which then becomes the event's own memory. NULL: out of memory. */
static struct event *
event_new(struct guard *g, const struct frame *f)
{
	struct event *e = g->spare ? g->spare : calloc(1, sizeof(*e));

	g->spare = NULL;
	if (!e)
		return NULL;
	/* event_free() has dropped the marks of the reused event */
	INVARIANT(!e->marks && !e->nmarks);
	e->frame = *f;
	e->waits = false;
	e->open = e->next = 0;
	e->bytes = f->raw.n;
	if (!guard_reads(g))
		return e;
	e->bytes = frame_copy(&e->frame, NULL);
	char *copy = arena_alloc(&g->work, e->bytes);
	if (copy)
		frame_copy(&e->frame, copy);
	return e;
}

static void
event_free(struct guard *g, struct event *e)
{
	event_unmark(e);
	if (e->waits)
		arena_reset(&e->work);
	if (g->spare)
		free(e);
	else
		g->spare = e;
}

static enum guard_result drain(struct guard *g, size_t queue, bool all, struct buf *out);

/* Passes an event through the stages from `from` on: it waits in one, or is sent. */
static enum guard_result
pass_event(struct guard *g, struct event *e, size_t from, struct buf *out)
{
	bool waits = false;

	INVARIANT(from <= QUEUES);
	for (size_t i = from; i < QUEUES && !g->failed; i++) {
		if (stages[i].take(g, e, &waits) || !waits)
			continue;
		if (!e->waits) {
			e->work = g->work;
			arena_init(&g->work, CAP_ANSWER_WORK, true);
		}
		e->waits = true;
		STAILQ_INSERT_TAIL(&g->queues[i].events, e, all);
		g->queues[i].bytes += e->bytes;
		g->queues[i].held_bytes += e->work.used_bytes;
		return drain(g, i, false, out);
	}
	if (!g->failed)
		guard_event_say(g, e, out);
	event_free(g, e);
	return g->failed;
}

/* Passes on the events that may leave a queue; `all`: every event. */
static enum guard_result
drain(struct guard *g, size_t queue, bool all, struct buf *out)
{
	struct event_queue *q = &g->queues[queue];
	struct event *e;

	while (!g->failed && (e = STAILQ_FIRST(&q->events)) &&
		(all || stages[queue].may_go(g, e))) {
		INVARIANT(e->waits && q->bytes >= e->bytes);
		INVARIANT(q->held_bytes >= e->work.used_bytes);
		STAILQ_REMOVE_HEAD(&q->events, all);
		q->bytes -= e->bytes;
		q->held_bytes -= e->work.used_bytes;
		pass_event(g, e, queue + 1, out);
	}
	return g->failed;
}

/* Sends all that waits, because no more input follows or none may be read. */
static enum guard_result
guard_queue_end(struct guard *g, struct buf *out)
{
	for (size_t i = 0; i < QUEUES && !g->failed; i++)
		if (!stages[i].end || !stages[i].end(g))
			drain(g, i, true, out);
	return g->failed;
}

size_t
guard_queue_held(const struct guard *g)
{
	size_t n = 0;

	for (size_t i = 0; i < QUEUES; i++)
		n += g->queues[i].held_bytes;
	return n;
}

void
guard_queue_free(struct guard *g)
{
	struct event *e;

	for (size_t i = 0; i < QUEUES; i++)
		while ((e = STAILQ_FIRST(&g->queues[i].events))) {
			STAILQ_REMOVE_HEAD(&g->queues[i].events, all);
			event_free(g, e);
		}
	free(g->spare);
}

/* ---- reading ---- */

static const char no_json[] = "an event of the stream is not JSON";

/* Reads the content of the frame into *e. Content that may not be read ends the stream, after
 * the events that wait. */
static enum guard_result
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
		/* data that is not an event ends the stream once the waiting events have been
		 * sent */
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

/* guard_stream.c: passes an event or frame through all stages, and sends it if nothing holds it
 * back. */
static enum guard_result
guard_queue_pass(struct guard *g, const struct frame *f, struct buf *out)
{
	struct event *e = event_new(g, f);

	if (!e || arena_failed(&g->work))
		guard_no_memory(g);
	if (e && (g->failed || guard_event_read(g, e, out)))
		event_free(g, e);
	/* each MCP message is complete, so none waits for the next one */
	return e && !g->failed ? pass_event(g, e, g->plan.messages.is ? QUEUES : 0, out)
			       : g->failed;
}

enum { NAME_SHOWN = 128 };

/* ---- calls: the reason of a denial ---- */

/* Writes the text in the call's place, for the agent to read. */
static void
put_tool_reason(struct span name, const char *reason, struct buf *out)
{
	buf_str(out, "The call of ");
	/* a plain name, which carries no other text */
	if (name.n && name.n <= NAME_SHOWN && span_is_alnum(name, "_-./:"))
		buf_printf(out, "the tool %.*s", SPAN_ARG(name));
	else
		buf_str(out, "a tool");
	buf_str(out, " was denied");
	if (reason && *reason)
		buf_printf(out, ": %s", reason);
}

/* ---- calls: the rules ---- */

/* Asks the rules about each name of the call. *out is the first denial, with all redactions. */
static int
ask_tool_rules(struct guard *g, const struct call *c, unsigned left, struct arena *a,
	struct tool_verdict *out)
{
	struct tool_verdict *one = arena_new(a, struct tool_verdict);

	for (size_t i = 0; i < c->nnames; i++) {
		struct answer_tool t = { .name = c->names[i],
			.arguments = c->arguments,
			.meant = guard_meant(g, c->arguments, a),
			.lost = c->lost,
			.left = left };
		if (!one || policy_called(g->plan.policy, g->plan.asked, &t, a, i ? one : out))
			return ERR_NOMEM;
		if (!i)
			continue;
		if (one->ruled.effect == RULE_DENY && out->ruled.effect != RULE_DENY) {
			struct tool_verdict first = *out;
			*out = *one;
			*one = first;
		}
		redactions_add(&out->redact, &one->redact, NULL);
	}
	return 0;
}

/* Asks the rules about the tool that the call's arguments name. If the arguments are longer than
 * what is kept, this tool is not known, and the call is denied. */
static int
ask_wrapped(struct guard *g, const struct call *c, unsigned left, struct arena *a,
	struct tool_verdict *out)
{
	struct wrapped_call inner;
	bool wraps = false;

	for (size_t i = 0; i < c->nnames; i++)
		wraps |= guard_wrapped(g, c->names[i]);
	if (!wraps || out->ruled.effect == RULE_DENY)
		return 0;
	if (c->lost) {
		out->ruled.effect = RULE_DENY;
		out->ruled.reason = "the arguments, which name another tool, are longer than the "
				    "gateway inspects";
		return 0;
	}
	if (!wrapped_call(c->arguments, a, &inner))
		return arena_failed(a) ? ERR_NOMEM : 0;
	const struct call named = { .names = &inner.name,
		.nnames = 1,
		.arguments = inner.arguments };
	struct tool_verdict *v = arena_new(a, struct tool_verdict);
	if (!v || ask_tool_rules(g, &named, left, a, v))
		return ERR_NOMEM;
	if (v->ruled.effect == RULE_DENY) {
		struct tool_verdict first = *out;
		*out = *v;
		*v = first;
	}
	redactions_add(&out->redact, &v->redact, NULL);
	return 0;
}

/* Asks about the repeated name, which is the call's name for clients that join pieces. It is
 * denied only if a rule names it: a rule that denies any unknown name does not count. */
static int
ask_repeated(struct guard *g, const struct call *c, unsigned left, struct arena *a,
	struct tool_verdict *out)
{
	struct tool_verdict *v = arena_array(a, 2, sizeof(*v));
	struct answer_tool t = { .name = c->repeated,
		.arguments = c->arguments,
		.meant = guard_meant(g, c->arguments, a),
		.lost = c->lost,
		.left = left };
	struct answer_tool nobodys = t;

	nobodys.name = SPAN_LIT("\001");
	if (!c->repeated.n || out->ruled.effect == RULE_DENY)
		return 0;
	if (!v || policy_called(g->plan.policy, g->plan.asked, &t, a, &v[0]) ||
		policy_called(g->plan.policy, g->plan.asked, &nobodys, a, &v[1]))
		return ERR_NOMEM;
	if (v[0].ruled.effect == RULE_DENY && v[1].ruled.effect != RULE_DENY)
		*out = v[0];
	return 0;
}

/* Denies the whole response because of this call. `limit`: the limit's reason; NULL: a rule
 * denied it. */
static int
deny_turn(struct guard *g, const struct call *c, unsigned left, const char *limit)
{
	struct guard_report *r = &g->report;

	g->denied_call = (struct answer_tool){ .name = c->names[0],
		.arguments = c->arguments,
		.meant = guard_meant(g, c->arguments, &g->asking),
		.lost = c->lost,
		.left = left };
	for (size_t i = 0; i < c->nnames && !g->failed; i++) {
		g->denied_call.name = c->names[i];
		guard_judge(g, ANSWER_BLOCK);
	}
	if (limit && !g->failed) { /* no rule is involved */
		r->verdict.ruled.effect = r->sum.ruled.effect = RULE_DENY;
		r->verdict.ruled.rule = r->sum.ruled.rule = NULL;
		r->verdict.ruled.status = 403;
		r->verdict.ruled.reason = limit;
		r->sum.any = true;
	}
	return (int)guard_fail(g, GUARD_DENIED,
		limit ? "a limit denies a tool call of the response"
		      : "a rule with phase: tool denies a tool call of the response");
}

/* Returns the reason of a limit against the call, or NULL. A tool that it calls by another one
 * counts too. */
static const char *
may_make(struct guard *g, const struct call *c)
{
	const char *limit = g->plan.may_call(g->plan.may_call_arg, c->names[0]);
	struct wrapped_call inner;

	if (!limit && guard_wrapped(g, c->names[0]) &&
		wrapped_call(c->arguments, &g->asking, &inner))
		limit = g->plan.may_call(g->plan.may_call_arg, inner.name);
	return limit;
}

static int
judge_held_call(void *arg, const struct call *c, struct call_answer *out)
{
	struct guard *g = arg;
	const char *limit = NULL;
	struct tool_verdict *v;
	bool edited = false;
	int r = 0;

	if (!c->names[0].n)
		return 0; /* a call without a name cannot be made */
	arena_reset(&g->asking);
	buf_clear(&g->call_text);
	size_t left[LEFT_REASONS];
	unsigned why = guard_left(g, c->names, c->nnames, c->arguments, left);
	v = arena_new(&g->asking, struct tool_verdict);
	if (!v || ask_tool_rules(g, c, why, &g->asking, v) ||
		ask_wrapped(g, c, why, &g->asking, v) || ask_repeated(g, c, why, &g->asking, v))
		return (int)guard_no_memory(g);
	if (c->goes_with_denied && v->ruled.effect != RULE_DENY) {
		v->ruled.effect = RULE_DENY;
		v->ruled.reason = "the call belongs to the same step as a denied call";
	}
	if (v->ruled.effect == RULE_DENY) {
		out->is = CALL_DENIED;
		put_tool_reason(c->names[0], v->ruled.reason, &g->call_text);
		if (v->because.n)
			buf_printf(&g->call_text, ". Why: %.*s.", SPAN_ARG(v->because));
	} else if (entities_any(&v->redact.of) && c->lost) {
		out->is = CALL_DENIED;
		put_tool_reason(c->names[0],
			"the arguments are longer than the gateway inspects", &g->call_text);
	} else if (entities_any(&v->redact.of)) {
		r = (int)edit(g, c, v, &g->call_text, &edited);
		out->is = edited ? CALL_EDITED : CALL_GOES;
	}
	if (!r && out->is != CALL_DENIED && g->plan.may_call)
		limit = may_make(g, c);
	if (limit) {
		v->ruled.effect = RULE_DENY;
		v->ruled.rule = NULL;
		out->is = CALL_DENIED;
		buf_clear(&g->call_text);
		put_tool_reason(c->names[0], limit, &g->call_text);
	}
	guard_sum_call(g, v, out->is);
	out->entry = guard_called_asked(g, c, v, out->is != CALL_DENIED,
		edited ? buf_view(&g->call_text) : c->arguments);
	if (out->is == CALL_DENIED && out->entry != SIZE_MAX)
		guard_called_denied(g, out->entry, left);
	if (!r && out->is == CALL_DENIED && (v->error || c->kept || g->plan.asked->keeps_turn))
		return deny_turn(g, c, why, limit);
	out->text = buf_view(&g->call_text);
	if (!r && buf_failed(&g->call_text))
		guard_no_memory(g);
	return r ? r : (int)g->failed;
}

/* Receives further arguments of a denied call, for the record. */
static int
more(void *arg, size_t entry, struct span arguments)
{
	struct guard *g = arg;

	guard_called_went_on(g, entry, arguments);
	return (int)g->failed;
}

/* ---- calls: how they are held and released ---- */

static int
pass_frame(void *arg, struct frame *f)
{
	struct guard *g = arg;

	guard_queue_pass(g, f, g->held_out);
	arena_reset(&g->work);
	return (int)g->failed;
}

int
guard_calls_new(struct guard *g)
{
	const struct guard_plan *p = &g->plan;
	struct calls_user user = { judge_held_call, more, pass_frame, g, .names_only = false };

	if (!p->inspects || !p->asked || !p->asked->route || !p->asked->route->uses.calls ||
		!calls_dialect_of(g->format))
		return 0;
	user.names_only = !p->asked->route->uses.arguments;
	for (size_t i = 0; i < p->ntools; i++)
		if (p->tools[i].arguments == ARGUMENTS_CALL)
			user.names_only = false; /* the arguments have a name, too */
	arena_init(&g->asking, 0, true);
	buf_init(&g->call_text, 0);
	if (g->way == WAY_STREAM)
		frames_init(&g->frames, g->frames.kind, CAP_CALL_EVENT);
	g->held = calls_new(g->format, g->frames.kind, g->writer.wrap, &user);
	g->report.holds_calls = true;
	return g->held ? 0 : ERR_NOMEM;
}

/* Sends the frame by guard_queue_pass() as soon as no undecided call waits. */
static enum guard_result
guard_calls_pass(struct guard *g, struct frame *f, struct buf *out)
{
	if (!g->held || !f->has_data)
		return guard_queue_pass(g, f, out);
	g->held_out = out;
	if (ended(g, calls_frame(g->held, f)) || !calls_held(g->held))
		return g->failed;
	/* content that is held counts as received */
	g->report.content = true;
	if (!g->report.first_text_us)
		g->report.first_text_us = clock_mono_us();
	return g->failed;
}

/* Called when the stream ended properly: all calls count as complete. */
static enum guard_result
guard_calls_end(struct guard *g, struct buf *out)
{
	g->held_out = out;
	return g->held ? ended(g, calls_finish(g->held)) : g->failed;
}

/* Called when the stream stopped without its end: calls that may be complete count as
 * complete. */
static enum guard_result
guard_calls_stop(struct guard *g, struct buf *out)
{
	g->held_out = out;
	return g->held ? ended(g, calls_stop(g->held)) : g->failed;
}

/* Called when the stream was cut. If a call still waits, the response fails with `how`. */
static enum guard_result
guard_calls_cut(struct guard *g, enum guard_result how, const char *why)
{
	return g->held && calls_held(g->held) ? guard_fail(g, how, why) : g->failed;
}

enum guard_result
guard_calls_whole(struct guard *g)
{
	struct span raw = guard_past_mark(buf_view(&g->body));
	struct buf out;
	bool changed;

	if (!g->held || !guard_begins_json(raw))
		return g->failed;
	buf_init(&out, 0);
	int r = calls_whole(g->held, raw, &out, &changed);
	if (r < 0 && r != ERR_NOMEM)
		r = 0; /* guard_whole() reports invalid JSON */
	if (!r && changed) {
		buf_free(&g->body);
		g->body = out;
	} else {
		buf_free(&out);
	}
	return ended(g, r);
}

void
guard_calls_free(struct guard *g)
{
	if (!g->held)
		return;
	calls_free(&g->held);
	arena_reset(&g->asking);
	buf_free(&g->call_text);
}

/* ---- frames ---- */

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
		return guard_fail(g, GUARD_BROKEN, "an event of the stream is not base64");
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
		if (guard_calls_cut(g, GUARD_UNREAD,
			    "an event with a tool call is longer than the gateway holds") ||
			guard_queue_end(g, out) || guard_message_unread(g, guard_long_message) ||
			guard_unread(g, f->raw.n, "an event is longer than the gateway holds"))
			return g->failed;
		g->numbers.next += f->over_begins; /* its own number stays */
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
		guard_calls_cut(g, GUARD_CUT, "the stream ends inside a tool call"))
		return g->failed;
	if (guard_end_is_cut(g))
		return guard_fail(
			g, GUARD_CUT, "the stream ends without the final event of its dialect");
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
	const struct denial d = { .dialect = g->plan.dialect,
		.endpoint = g->plan.endpoint,
		.code = code,
		.message = message,
		.id = id,
		.mcp = g->plan.mcp,
		.sent = true,
		.rpc_ids = g->plan.rpc_ids };
	if (g->way != WAY_STREAM || g->frames.kind == FRAMES_SSE) {
		/* Ends an event that was cut. After a complete one an empty line has no meaning
		 * (WHATWG HTML 9.2.6). */
		buf_str(out, half ? "\n\n" : "\n");
		SCOPED_BUF(event, 0);
		denial_event(&d, &event);
		answer_number_error(buf_view(&event),
			g->numbers.begun ? g->numbers.next : g->report.events, out);
		return;
	}
	if (g->plan.mcp && g->frames.kind == FRAMES_LINES) {
		buf_str(out, half ? "\n" : "");
		denial_line(&d, out);
		buf_putc(out, '\n');
		return;
	}
	SCOPED_BUF(document, 4 * CAP_ERROR_BYTES);
	denial_line(&d, &document);
	if (!buf_failed(&document))
		frame_write_error(&g->writer, SPAN_LIT("modelStreamErrorException"),
			buf_view(&document), out);
	if (g->frames.kind == FRAMES_ARRAY && !g->writer.closed)
		buf_str(out, "]");
}
