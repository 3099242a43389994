/* Handles responses that are not streams (JSON of the format, JSON lines, text, or other bytes),
 * and the messages of an MCP server, whole or as the events of a stream.
 *
 * guard_whole() recognizes which. guard_document() scans all texts, asks the rules once, and
 * then writes all edits. Lists of models, MCP lists and tool calls are handled before.
 *
 * Clients join some texts: parts, and blocks of one kind. guard_scan_all() scans these texts
 * joined too. scan_joined() cuts the findings of the joined text at the texts' borders, and
 * merges them with the findings of each text alone. So both a value over a border and a value
 * inside one text are found. Example: "alice@" and "example.org" in two parts give one finding
 * in each, of one value.
 *
 * Of an MCP message, filter() removes the entries that the caller may not use from lists of tools,
 * prompts and resources. The result of a message shows whether the message is a list. The request
 * does not show it, because a stream can have responses to several requests. Rules with `phase:
 * tool` may replace findings in the result of a call; guard_message_fits() then checks that
 * the result still matches the output schema of the tool. */
#include "answer/guard/guard_private.h"

#include <stdlib.h>

#include "answer/guard/guard_stream.h"
#include "base/codec/inflate.h"
#include "base/err.h"
#include "base/utf8.h"
#include "scan/mcp/output.h"

/* ---- which texts are joined ---- */

/* Compares two texts. Returns 0 if a client joins them. */
static int
apart(const struct guard *g, const struct answer_text *a, const struct answer_text *b)
{
	/* If a format has blocks only, texts are joined whatever their block; a call's
	 * arguments are not. */
	unsigned from = g->format->blocks && !kind_is_call(a->kind) ? ANSWER_SLOTS - 1 : 0;

	if (a->kind != b->kind || a->copy != b->copy)
		return (int)(a->kind * 2 + a->copy) - (int)(b->kind * 2 + b->copy);
	return memcmp(a->slot + from, b->slot + from, (ANSWER_SLOTS - from) * sizeof(*a->slot));
}

struct texts {
	const struct guard *g;
	const struct answer_text *v;
};

static int
joined_by_text(const void *x, const void *y, void *arg)
{
	const struct texts *t = arg;
	size_t i = *(const size_t *)x, j = *(const size_t *)y;
	int order = apart(t->g, &t->v[i], &t->v[j]);

	return order ? order : i < j ? -1 : i > j;
}

/* ---- findings of joined texts ---- */

/* The findings of one text. `whole` has the entry of guard.wholes for each finding. */
struct part {
	struct findings f;
	struct span *whole;
};

static bool
part_new(struct guard *g, size_t room, struct part *p)
{
	*p = (struct part){ .f.v = arena_array(&g->work, room + 1, sizeof(*p->f.v)),
		.whole = arena_array(&g->work, room + 1, sizeof(*p->whole)) };
	return p->f.v && p->whole;
}

static void
part_add(struct part *p, struct finding f, struct span whole)
{
	p->f.v[p->f.n] = f;
	p->whole[p->f.n++] = whole;
}

/* Cuts the joined text's findings at the borders of one text. *first: the first finding that
 * ends after `from`. Returns false if memory is out. */
static bool
cut_findings(struct guard *g, const struct findings *all, struct span text, size_t from,
	size_t to, size_t *first, struct part *out)
{
	size_t n = 0;

	while (*first < all->n && all->v[*first].end <= from)
		++*first;
	while (*first + n < all->n && all->v[*first + n].start < to)
		n++;
	if (!part_new(g, n, out))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct finding f = all->v[*first + i];
		struct span value = span_cut(text, f.start, f.end), whole = { NULL, 0 };
		if (f.start < from)
			whole = SPAN_LIT("");
		else if (f.end > to)
			whole = value;
		f.start = f.start > from ? f.start - from : 0;
		f.end = (f.end < to ? f.end : to) - from;
		part_add(out, f, whole);
	}
	return true;
}

/* Merges both lists in their order, without findings of the text alone that add nothing. */
static bool
merge(struct guard *g, enum answer_kind kind, const struct part *cut,
	const struct findings *alone, struct part *out)
{
	size_t i = 0, j = 0;

	if (!part_new(g, cut->f.n + alone->n, out))
		return false;
	while (i < cut->f.n || j < alone->n) {
		const struct finding *c = i ? &cut->f.v[i - 1] : NULL;
		const struct finding *x = j < alone->n ? &alone->v[j] : NULL;
		if (!x || (i < cut->f.n && cut->f.v[i].start <= x->start)) {
			part_add(out, cut->f.v[i], cut->whole[i]);
			i++;
			continue;
		}
		if (!c || c->entity != x->entity || c->end < x->end) {
			guard_found(g, x->entity, kind);
			part_add(out, *x, (struct span){ NULL, 0 });
		}
		j++;
	}
	out->f.evasion = cut->f.evasion | alone->evasion;
	return true;
}

/* Scans n texts that a client joins, whose indexes are in `at`. */
static enum guard_result
scan_joined(struct guard *g, const struct answer_document *d, const size_t *at, size_t n,
	struct findings *v, const struct span **wholes)
{
	struct findings joined, alone;
	struct part cut, both;
	struct answer_text all = d->texts[at[0]];
	size_t first = 0;
	struct buf b;
	bool is_new;

	INVARIANT(n > 0);
	if (n == 1)
		return guard_scan(g, &d->texts[at[0]], &v[at[0]], &is_new);
	buf_init(&b, 0);
	for (size_t i = 0; i < n; i++)
		buf_span(&b, d->texts[at[i]].text);
	if (guard_take(g, &b, &all.text) || guard_scan(g, &all, &joined, &is_new))
		return g->failed;
	for (size_t i = 0, from = 0, to; i < n; i++, from = to) {
		const struct answer_text *t = &d->texts[at[i]];
		to = from + t->text.n;
		if (guard_look(g, t, &alone))
			return g->failed;
		if (!cut_findings(g, &joined, all.text, from, to, &first, &cut) ||
			!merge(g, t->kind, &cut, &alone, &both))
			return guard_no_memory(g);
		v[at[i]] = both.f;
		wholes[at[i]] = both.whole;
	}
	return g->failed;
}

/* Scans all texts of a whole response, each alone and joined with the texts that clients join
 * it to. v[i] are the findings of text i. wholes[i] is guard.wholes for text i, or NULL. */
static enum guard_result
guard_scan_all(struct guard *g, const struct answer_document *d, struct findings *v,
	const struct span **wholes)
{
	struct texts texts = { g, d->texts };
	size_t *at = arena_array(&g->work, d->ntexts + 1, sizeof(*at)), n = 0;
	bool is_new;

	if (!at)
		return guard_no_memory(g);
	for (size_t i = 0; i < d->ntexts; i++) {
		const struct answer_text *t = &d->texts[i];
		if (t->kind != KIND_OTHER && !t->deep)
			at[n++] = i;
		else if (guard_scan(g, t, &v[i], &is_new))
			return g->failed;
	}
	qsort_r(at, n, sizeof(*at), joined_by_text, &texts);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && !apart(g, &d->texts[at[i]], &d->texts[at[end]]);
			end++)
			continue;
		if (scan_joined(g, d, at + i, end - i, v, wholes))
			return g->failed;
	}
	return g->failed;
}

/* ---- the edits of a document ---- */

static int
by_slot(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(((struct answer_seal *)NULL)->slot));
}

/* Writes the edits that remove the signatures of removed texts, whose numbers are in `slots`.
 * Returns their number. */
static size_t
drop_seals(const struct answer_document *d, uint32_t (*slots)[ANSWER_SLOTS], size_t n,
	struct splice *out)
{
	size_t dropped = 0;

	if (n > 1)
		qsort(slots, n, sizeof(*slots), by_slot);
	for (size_t i = 0; n && i < d->nseals; i++)
		if (bsearch(d->seals[i].slot, slots, n, sizeof(*slots), by_slot))
			out[dropped++] = (struct splice){ d->seals[i].at.start,
				d->seals[i].at.end, SPAN_LIT("") };
	return dropped;
}

/* An MCP result has its values twice, as text and as data, and the text around one of them may
 * reveal the value. So all values to replace are known before any text is edited. */
static void
know_all(struct guard *g, const struct answer_document *d, const struct findings *found)
{
	size_t redactions = g->report.redactions;
	struct span with;

	for (size_t i = 0; g->plan.messages.is && i < d->ntexts; i++)
		for (size_t k = 0; k < found[i].n; k++) {
			const struct finding *f = &found[i].v[k];
			guard_replacement(g, f->entity,
				span_cut(d->texts[i].text, f->start, f->end), false, &with);
		}
	g->report.redactions = redactions;
}

/* Applies the edits, unless the edited result would violate the output schema of its tool. */
static enum guard_result
guard_message_fits(
	struct guard *g, struct span raw, struct splice *v, size_t n, struct buf *out)
{
	SCOPED_BUF(now, 0);

	if (splice_apply(raw, v, n, &now))
		guard_no_memory(g);
	else if (!mcp_output_fits(g->plan.messages.tool, raw, buf_view(&now)))
		guard_deny(g, "the result with replaced values would not match the tool's "
			      "outputSchema");
	else
		buf_span(out, buf_view(&now));
	return g->failed ? g->failed : buf_failed(out) ? guard_no_memory(g) : g->failed;
}

/* Scans all texts of a document, asks the rules, and edits the document. */
static enum guard_result
guard_document(struct guard *g, struct span raw, struct answer_document *d,
	enum answer_when when, struct buf *out)
{
	struct findings *found = arena_array(&g->work, d->ntexts + 1, sizeof(*found));
	size_t room = d->ntexts + d->nwithheld + d->nseals + 1 + ANSWER_MODELS;
	uint32_t(*gone)[ANSWER_SLOTS] = arena_array(&g->work, d->ntexts + 1, sizeof(*gone));
	const struct span **wholes = arena_array(&g->work, d->ntexts + 1, sizeof(*wholes));
	struct splice *led = NULL;
	size_t n = 0, ngone = 0, nled = g->plan.lead ? guard_lead(g, raw, 1, &led) : 0;

	if (!found || !gone || !wholes)
		return guard_no_memory(g);
	for (size_t i = 0; i < d->ntexts; i++) {
		guard_mend_halves(&d->texts[i]);
		guard_keep(g, &d->texts[i], d->texts[i].text);
		guard_heard(g, &d->texts[i]);
	}
	if (guard_scan_all(g, d, found, wholes) || guard_judge(g, when))
		return g->failed;
	know_all(g, d, found);
	room += nled;
	for (size_t i = 0; i < d->ntexts; i++)
		room += found[i].n;
	struct splice *splices = arena_array(&g->work, room, sizeof(*splices));
	if (!splices)
		return guard_no_memory(g);
	for (size_t i = 0; i < d->ntexts; i++) {
		size_t made;
		bool is_gone;
		g->wholes = wholes[i];
		if (guard_edit_whole(
			    g, &d->texts[i], &found[i], raw, &splices[n], &made, &is_gone))
			return g->failed;
		if (d->texts[i].kind == KIND_SIGNED && is_gone)
			memcpy(gone[ngone++], d->texts[i].slot, sizeof(gone[0]));
		n += made;
	}
	g->wholes = NULL;
	n += drop_seals(d, gone, ngone, &splices[n]);
	if (guard_inspects(g))
		n += guard_withhold(d, splices + n);
	n = guard_put_all(led, nled, splices, n);
	n = guard_rename(g, d, splices, n);
	if (!n && raw.n == g->body.n) {
		buf_move(out, &g->body);
		return buf_failed(out) ? guard_no_memory(g) : g->failed;
	}
	if (n && g->plan.messages.tool.n)
		return guard_message_fits(g, raw, splices, n, out);
	return splice_apply(raw, splices, n, out) ? guard_no_memory(g) : g->failed;
}

static const char older[] = "the server uses the older HTTP+SSE transport (its stream begins "
			    "with an `endpoint` event), but this route is for streamable HTTP";
const char guard_unread_list[] =
	"the response cannot be read, so hidden tools could not be removed from a list in it";
const char guard_long_message[] = "the server's message has more than 8 MB, which is more than "
				  "the gateway reads";

enum guard_result
guard_message_unread(struct guard *g, const char *why)
{
	return g->plan.messages.filters && g->status / 100 == 2
		       ? guard_fail(g, GUARD_BROKEN, why)
		       : g->failed;
}

/* ---- messages of MCP: replacements by rules with `phase: tool` ---- */

static void
add_redacts(const struct guard *g, const struct tool_redacts *t, struct answer_verdict *v)
{
	bool any = t && redactions_add(&v->redact, &t->redact, &g->entities);

	if (any && v->ruled.effect == RULE_PERMIT) {
		v->ruled.effect = RULE_REDACT;
		v->ruled.rule = t->rule;
	}
}

void
guard_message_judged(struct guard *g, struct answer_verdict *v)
{
	const struct guard_messages *m = &g->plan.messages;

	if (v->ruled.effect == RULE_DENY)
		return;
	add_redacts(g, m->own, v);
	if (g->others_answered)
		add_redacts(g, m->others, v);
}

/* ---- messages of MCP: lists ---- */

/* Removes hidden entries. *out is in g->work, or is `raw` if nothing was removed. */
static enum guard_result
filter(struct guard *g, struct span raw, struct span *out)
{
	const struct guard_messages *m = &g->plan.messages;
	struct tool_filter f = { .judge =
					 tool_list_new(g->plan.policy, g->plan.asked, &g->work),
		.server = m->server,
		.state = m->state,
		.arg = m->arg };
	struct tool_cuts cuts;

	*out = raw;
	int err = f.judge ? tool_filter_list(&f, raw, &g->work, &cuts) : ERR_NOMEM;
	if (err)
		return err == ERR_NOMEM ? guard_no_memory(g)
					: guard_fail(g, GUARD_BROKEN,
						  "the server's message, or a list in it, is "
						  "not strict JSON");
	g->report.tools_hidden += cuts.hidden;
	/* After a response to another request, the whole response counts as any request's,
	 * because the rules of that request are not known here. */
	bool own = m->id.n && (!cuts.answers || span_eq(cuts.id, m->id));
	if (!g->others_answered && m->others && !own) {
		g->others_answered = true;
		if (g->report.judged)
			guard_judge(g, ANSWER_NEW);
	}
	return g->failed || !cuts.n ? g->failed : guard_spliced(g, raw, cuts.v, cuts.n, out);
}

/* Removes hidden entries of lists from a response of MCP that is whole in g->body. */
static enum guard_result
guard_message_whole(struct guard *g)
{
	struct span raw = buf_view(&g->body), now;

	if (!g->plan.messages.is || !raw.n)
		return g->failed;
	/* a server may explain in plain text why it does not respond */
	if (!guard_begins_json(raw) && !guard_looks_like_events(g, raw))
		return g->status / 100 != 2 || g->status == 202 || !g->plan.messages.awaited
			       ? g->failed
			       : guard_fail(g, GUARD_FOREIGN,
					 "the server sent a page or plain text instead of an "
					 "MCP message");
	if (!g->plan.messages.filters)
		return g->failed;
	raw = guard_past_mark(raw);
	if (filter(g, raw, &now) || now.p == raw.p)
		return g->failed;
	buf_clear(&g->body);
	buf_span(&g->body, now);
	return buf_failed(&g->body) ? guard_no_memory(g) : g->failed;
}

/* Events without a type count as `message`. */
bool
guard_message_is_none(const struct guard *g, const struct frame *f)
{
	return g->plan.messages.is && f->type.n && !span_is(f->type, "message") &&
	       !guard_begins_json(f->data);
}

/* A client that ignores a byte order mark, or ends lines differently, might read another line
 * as an event. Therefore a line other than data that has a brace is emptied. */
static enum guard_result
plain_line(struct guard *g, struct span line, struct span *now)
{
	if (!span_starts(line, SPAN_LIT("data:")) && span_chr(line, '{') < line.n)
		*now = SPAN_LIT(":");
	return g->failed;
}

enum guard_result
guard_message_event(struct guard *g, struct frame *f)
{
	struct frame_writer w;
	struct span now;
	struct buf b;

	if (!g->plan.messages.is)
		return g->failed;
	if (g->plan.messages.filters && g->frames.kind == FRAMES_SSE &&
		guard_edit_lines(g, f, plain_line))
		return g->failed;
	if (!f->has_data)
		return g->failed;
	if (span_is(f->type, "endpoint"))
		return guard_fail(g, GUARD_FOREIGN, older);
	if (!g->plan.messages.filters)
		return g->failed;
	if (g->frames.kind != FRAMES_SSE && g->frames.kind != FRAMES_LINES)
		return guard_message_unread(g, guard_unread_list);
	if (guard_message_is_none(g, f) || filter(g, f->data, &now) || now.p == f->data.p)
		return g->failed;
	buf_init(&b, 0);
	frame_writer_init(&w, g->frames.kind);
	if (frame_rewrite(&w, f, now, &b))
		guard_no_memory(g);
	f->data = now;
	return guard_take(g, &b, &f->raw);
}

enum guard_result
guard_message_say(struct guard *g, struct event *e, struct buf *out)
{
	const struct frame *f = &e->frame;
	SCOPED_BUF(b, 0);
	int err = 0;

	guard_place_event(g);
	if (!guard_document(g, f->data, &e->d, ANSWER_BLOCK, &b)) {
		if (span_eq(buf_view(&b), f->data))
			frame_pass(&g->writer, f, out);
		else
			err = frame_rewrite(&g->writer, f, buf_view(&b), out);
	}
	return err ? guard_no_memory(g) : g->failed;
}

/* ---- the ways of whole responses ---- */

static enum guard_result
whole_text(struct guard *g, struct span raw, struct buf *out)
{
	struct answer_text t = { .kind = KIND_OTHER, .text = raw };
	struct findings found;
	struct span now;
	bool is_new;

	guard_keep(g, &t, raw);
	guard_heard(g, &t);
	if (guard_scan(g, &t, &found, &is_new) || guard_judge(g, ANSWER_WHOLE) ||
		guard_edit(g, &t, &found, &now))
		return g->failed;
	buf_span(out, now);
	return buf_failed(out) ? guard_no_memory(g) : g->failed;
}

static enum guard_result
not_read(struct guard *g, int err)
{
	return err == ERR_NOMEM
		       ? guard_no_memory(g)
		       : guard_fail(g, GUARD_BROKEN, "the response is not strict JSON");
}

/* Reads one document per line, each a response, such as the results of a batch. */
static enum guard_result
whole_lines(struct guard *g, struct span raw, struct buf *out)
{
	struct answer_document d;
	const char *why;
	SCOPED_BUF(read, 0);

	while (raw.n && !g->failed) {
		bool ended = span_chr(raw, '\n') < raw.n;
		struct span line = span_next(&raw, '\n'), none = SPAN_LIT("");
		int err = 0;
		if (span_trim(line, GUARD_BLANKS).n)
			err = answer_read(&answer_any, NULL, none, line, &g->work, &d, &why);
		if (err)
			not_read(g, err);
		else if (span_trim(line, GUARD_BLANKS).n)
			guard_document(g, line, &d, ANSWER_WHOLE, &read);
		buf_str(&read, ended ? "\n" : "");
	}
	if (buf_failed(&read) && !g->failed)
		guard_no_memory(g);
	if (!g->failed)
		buf_span(out, buf_view(&read));
	return g->failed;
}

static enum guard_result
whole_json(struct guard *g, struct span raw, struct buf *out)
{
	struct answer_document d;
	const char *why;
	int err =
		answer_read(g->format, g->plan.dialect, SPAN_LIT(""), raw, &g->work, &d, &why);

	if (err == ERR_SYNTAX && !g->json_type && span_chr(raw, '\n') < raw.n)
		return whole_lines(g, raw, out);
	if (err)
		return not_read(g, err);
	guard_unsign(g, &d);
	guard_note(g, &d);
	guard_restore_lists(g, &d, raw);
	if (g->failed)
		return g->failed;
	if (d.error)
		guard_note_error(g, raw, SPAN_LIT(""));
	usage_whole(d.usage, &g->report.usage);
	guard_note_made(g, raw);
	return guard_document(g, raw, &d, ANSWER_WHOLE, out);
}

const char guard_coded[] = "the response has an encoding that the gateway cannot decode";

enum guard_result
guard_decode_whole(struct guard *g)
{
	struct buf plain;

	buf_init(&plain, CAP_ANSWER_BYTES);
	int err = inflate_all(span_str(g->coding), buf_view(&g->body), INFLATE_RATIO, &plain);
	if (g->plan.copies == GUARD_COPIES_CAME)
		buf_span(&g->copied, buf_view(err ? &g->body : &plain));
	/* a translated error needs no body */
	bool says_error = g->translator && g->status >= 400;
	if (err)
		buf_clear(&plain);
	if (err && !says_error) {
		buf_free(&plain);
		return guard_fail(g, GUARD_BROKEN, guard_coded);
	}
	buf_free(&g->body);
	g->body = plain;
	return g->failed;
}

static enum guard_result
whole_body(struct guard *g, struct buf *out)
{
	if (guard_filter_list(g) || guard_message_whole(g) || guard_calls_whole(g))
		return g->failed;
	struct span raw = buf_view(&g->body);
	if (!raw.n)
		return guard_judge(g, ANSWER_WHOLE);
	/* JSON has no byte order mark, so it is not sent (RFC 8259 8.1) */
	if (guard_begins_json(raw))
		raw = guard_past_mark(raw);
	if (guard_begins_json(raw) || (g->json_type && span_starts(raw, SPAN_LIT("\""))))
		return whole_json(g, raw, out);
	const char *hidden = guard_hides(g, raw);
	if (hidden && guard_unread(g, raw.n, hidden))
		return g->failed;
	if (g->status / 100 == 2 && guard_looks_like_events(g, raw) && !g->plan.may_use &&
		guard_unread(g, raw.n,
			"the response contains events, but its Content-Type names no stream"))
		return g->failed;
	if (!hidden && utf8_valid(raw))
		return whole_text(g, raw, out);
	if (!hidden && g->text_type && guard_unread(g, raw.n, "the response is not UTF-8"))
		return g->failed;
	g->report.opaque_bytes += raw.n;
	g->media |= 1u << g->type_media;
	if (guard_judge(g, ANSWER_WHOLE))
		return g->failed;
	buf_span(out, raw);
	return buf_failed(out) ? guard_no_memory(g) : g->failed;
}

enum guard_result
guard_whole(struct guard *g, struct buf *out)
{
	if (guard_speech_scan(g) || whole_body(g, out))
		return g->failed;
	return guard_speech_settle(g);
}
