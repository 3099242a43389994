/* Which way an answer goes: as a stream, kept whole, or past. */
#include "guard/guard_private.h"

#include <stdlib.h>

#include "base/ascii.h"
#include "base/err.h"
#include "codec/http.h"
#include "codec/inflate.h"
#include "codec/utf8.h"
#include "text/media.h"

enum { INFLATE_RATIO = 100, BEGINNING = 8, RUN_MAX = 64 };

#define BLANKS " \t\r\n\xef\xbb\xbf" /* and a byte order mark */

/* ---- what it is ---- */

static const struct {
	const char *type;
	enum frames_kind kind;
} streams[] = {
	{ "text/event-stream", FRAMES_SSE },
	{ "application/stream+json", FRAMES_LINES }, /* Cohere's v1 */
	{ "application/vnd.amazon.eventstream", FRAMES_EVENTSTREAM },
};

static bool
stream_kind(const struct guard_plan *p, struct span type, enum frames_kind *kind)
{
	for (size_t i = 0; i < COUNT_OF(streams); i++)
		if (span_ieq(type, span_str(streams[i].type))) {
			*kind = streams[i].kind;
			return true;
		}
	if (media_is_lines(type)) {
		*kind = FRAMES_LINES;
		return true;
	}
	/* Gemini's stream without alt=sse. */
	*kind = FRAMES_ARRAY;
	return span_ieq(type, SPAN_LIT("application/json")) &&
	       span_ends(p->path, SPAN_LIT(":streamGenerateContent"));
}

/* Types whose bytes say nothing to a reader of text. */
static bool
is_opaque_type(struct span type)
{
	static const char *const opaque[] = { "audio/", "image/", "video/",
		"application/octet-stream", "application/pdf", "application/zip" };

	for (size_t i = 0; i < COUNT_OF(opaque); i++)
		if (span_istarts(type, span_str(opaque[i])))
			return true;
	return false;
}

static bool
is_encoded(struct span coding)
{
	return coding.n && !span_ieq(coding, SPAN_LIT("identity"));
}

static void
choose_way(struct guard *g, const struct guard_head *h)
{
	struct span type = http_media_type(h->content_type);
	struct span coding = span_trim(h->content_encoding, " \t");
	enum frames_kind kind;
	bool encoded = is_encoded(coding);

	if (encoded && coding.n < sizeof(g->coding))
		memcpy(g->coding, coding.p, coding.n);
	else if (encoded)
		memcpy(g->coding, "?", 2);
	if (stream_kind(&g->plan, type, &kind) && h->status / 100 == 2) {
		g->report.streamed = true;
		g->way = encoded ? WAY_OPAQUE : WAY_STREAM;
		frames_init(&g->frames, kind, 0);
		frame_writer_init(&g->writer, kind);
		g->writer.wrap =
			kind == FRAMES_EVENTSTREAM &&
			span_ends(g->plan.path, SPAN_LIT("/invoke-with-response-stream"));
	} else if (guard_reads(g)) {
		g->way = WAY_KEEP;
		g->unsure_way = is_opaque_type(type) && !encoded;
		g->type_media = answer_media_of(type);
		g->json_type = span_ieq(type, SPAN_LIT("application/json"));
		g->text_type = g->json_type || span_istarts(type, SPAN_LIT("text/"));
	} else {
		g->way = encoded ? WAY_OPAQUE : WAY_METER;
	}
	g->plan.usage_first &= span_ieq(type, SPAN_LIT("application/json"));
	buf_init(&g->body, g->way == WAY_METER ? CAP_USAGE_BODY_BYTES : CAP_ANSWER_BYTES);
}

struct guard *
guard_new(const struct guard_plan *plan, const struct guard_head *head)
{
	struct guard *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->plan = *plan;
	g->status = head->status;
	g->format = plan->format;
	LIST_INIT(&g->channels);
	LIST_INIT(&g->kept);
	LIST_INIT(&g->unnamed.growths);
	STAILQ_INIT(&g->unnamed.waiting);
	STAILQ_INIT(&g->said);
	buf_init(&g->heard, GUARD_HEARD_MAX);
	SLIST_INIT(&g->known);
	arena_init(&g->judged, 0, true);
	arena_init(&g->work, CAP_ANSWER_WORK, true);
	arena_init(&g->life, CAP_ANSWER_WORK, true);
	g->report.inspected = guard_inspects(g);
	g->report.verdict.effect = RULE_PERMIT;
	choose_way(g, head);
	return g;
}

void
guard_drop(struct guard **gp)
{
	struct guard *g = *gp;

	if (!g)
		return;
	*gp = NULL;
	guard_channels_free(g);
	guard_unnamed_free(g);
	guard_said_free(g);
	buf_free(&g->heard);
	while (!LIST_EMPTY(&g->kept)) {
		struct kept_text *k = LIST_FIRST(&g->kept);
		LIST_REMOVE(k, all);
		buf_free(&k->name);
		buf_free(&k->text);
		free(k);
	}
	if (g->way == WAY_STREAM || g->report.streamed)
		frames_free(&g->frames);
	buf_free(&g->body);
	buf_free(&g->unwrapped);
	arena_reset(&g->judged);
	arena_reset(&g->work);
	arena_reset(&g->life);
	free(g);
}

bool
guard_withholds(const struct guard *g)
{
	return g->way == WAY_KEEP ||
	       (g->way == WAY_METER && g->plan.usage_first && !g->body_over);
}

bool
guard_let_go(struct guard *g)
{
	g->plan.usage_first = false;
	return g->way == WAY_METER;
}

bool
guard_edits(const struct guard *g)
{
	return g->way == WAY_KEEP ||
	       (g->way == WAY_STREAM && (guard_reads(g) || g->plan.hide_usage));
}

const struct guard_report *
guard_report(const struct guard *g)
{
	return &g->report;
}

struct usage
guard_usage(const struct guard *g)
{
	const struct guard_report *a = &g->report;
	struct usage u = a->usage;

	/* images are counted by the piece, and have no tokens */
	if (a->output_bytes && !u.output_tokens && !u.details.n[PRICE_IMAGES])
		u.known = false;
	if (a->streamed && a->output_bytes > a->counted_bytes)
		u.known = false;
	return u;
}

/* ---- whole answers ---- */

static int
by_slot(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(((struct answer_seal *)NULL)->slot));
}

/* Texts under a signature are gone, by their `slots`: so is that. */
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

/* What a stream has in one channel, in two places of a whole answer. */
static bool
grows_with(const struct answer_text *a, const struct answer_text *b)
{
	return !a->copy && !b->copy && a->kind != KIND_OTHER && a->kind == b->kind &&
	       !memcmp(a->slot, b->slot, sizeof(a->slot));
}

/* Of all findings in `text` those between two places, cut there: a value over both is one in
 * each. */
static bool
cut_findings(struct guard *g, const struct findings *all, struct span text, size_t from,
	size_t to, struct findings *out, const struct span **wholes)
{
	size_t first = 0, n = 0;

	while (first < all->n && all->v[first].end <= from)
		first++;
	while (first + n < all->n && all->v[first + n].start < to)
		n++;
	*out = (struct findings){ .evasion = all->evasion };
	out->v = arena_array(&g->work, n + 1, sizeof(*out->v));
	struct span *whole = arena_array(&g->work, n + 1, sizeof(*whole));
	*wholes = whole;
	for (; out->v && whole && out->n < n; out->n++) {
		struct finding f = all->v[first + out->n];
		struct span value = span_cut(text, f.start, f.end);
		bool is_cut = f.start < from || f.end > to;
		whole[out->n] = !is_cut		 ? (struct span){ NULL, 0 }
				: f.start < from ? SPAN_LIT("")
						 : value;
		f.start = f.start > from ? f.start - from : 0;
		f.end = (f.end < to ? f.end : to) - from;
		out->v[out->n] = f;
	}
	return out->v && whole;
}

/* The text, with those after it that a client joins to it. */
static enum guard_result
scan_run(struct guard *g, const struct answer_document *d, size_t first, struct findings *found,
	const struct span **wholes, bool *done)
{
	struct answer_text all = d->texts[first];
	size_t at[RUN_MAX], n = 0, from = 0;
	struct findings joined;
	struct buf b;
	bool is_new;

	for (size_t i = first; i < d->ntexts && i < first + RUN_MAX; i++)
		if (i == first || (!done[i] && grows_with(&all, &d->texts[i])))
			done[at[n++] = i] = true;
	if (n == 1)
		return guard_scan(g, &all, &found[first], &is_new);
	buf_init(&b, 0);
	for (size_t i = 0; i < n; i++)
		buf_span(&b, d->texts[at[i]].text);
	all.text =
		buf_failed(&b) ? (struct span){ NULL, 0 } : arena_dup(&g->work, buf_view(&b));
	buf_free(&b);
	if (!all.text.p)
		return guard_no_memory(g);
	if (guard_scan(g, &all, &joined, &is_new))
		return g->failed;
	for (size_t i = 0; i < n; from += d->texts[at[i++]].text.n)
		if (!cut_findings(g, &joined, all.text, from, from + d->texts[at[i]].text.n,
			    &found[at[i]], &wholes[at[i]]))
			return guard_no_memory(g);
	return g->failed;
}

/* Scans all texts, asks the rules, and edits. */
static enum guard_result
edit_document(struct guard *g, struct span raw, struct answer_document *d, struct buf *out)
{
	struct findings *found = arena_array(&g->work, d->ntexts + 1, sizeof(*found));
	size_t room = d->ntexts + d->nwithheld + d->nseals + 1;
	uint32_t(*gone)[ANSWER_SLOTS] = arena_array(&g->work, d->ntexts + 1, sizeof(*gone));
	bool *done = arena_array(&g->work, d->ntexts + 1, sizeof(*done));
	const struct span **wholes = arena_array(&g->work, d->ntexts + 1, sizeof(*wholes));
	size_t n = 0, ngone = 0;

	if (!found || !gone || !done || !wholes)
		return guard_no_memory(g);
	for (size_t i = 0; i < d->ntexts; i++) {
		guard_keep(g, &d->texts[i], d->texts[i].text);
		guard_heard(g, &d->texts[i]);
		if (!done[i] && scan_run(g, d, i, found, wholes, done))
			return g->failed;
	}
	if (guard_judge(g, ANSWER_WHOLE))
		return g->failed;
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
	return splice_apply(raw, splices, n, out) ? guard_no_memory(g) : g->failed;
}

static bool
looks_like_json(struct span body)
{
	struct span s = span_trim(body, BLANKS);

	return s.n && (s.p[0] == '{' || s.p[0] == '[');
}

/* A field or a comment of an event stream. */
static bool
begins_events(struct span s)
{
	static const char *const fields[] = { "data:", "event:", "id:", "retry:", ":" };

	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (span_starts(s, span_str(fields[i])))
			return true;
	return false;
}

/* A caller that asked for a stream may read it as one, whatever its type says. */
static bool
looks_like_events(struct span body)
{
	struct span s = span_trim(body, BLANKS);

	return span_starts(s, SPAN_LIT("data:")) || span_starts(s, SPAN_LIT("event:")) ||
	       (begins_events(s) &&
		       (memmem(s.p, s.n, "\ndata:", 6) || memmem(s.p, s.n, "\rdata:", 6)));
}

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
	return err == ERR_NOMEM ? guard_no_memory(g)
				: guard_fail(g, GUARD_BROKEN, "the answer is no strict JSON");
}

static enum guard_result
whole_line(struct guard *g, struct span line, struct buf *out)
{
	struct answer_document d;
	const char *why;
	int err = answer_read(&answer_any, SPAN_LIT(""), line, &g->work, &d, &why);

	return err ? not_read(g, err) : edit_document(g, line, &d, out);
}

/* A document a line, each an answer of its own: what a batch came to, as a file. */
static enum guard_result
whole_lines(struct guard *g, struct span raw, struct buf *out)
{
	struct buf read;

	buf_init(&read, 0);
	while (raw.n && !g->failed) {
		bool ended = span_chr(raw, '\n') < raw.n;
		struct span line = span_next(&raw, '\n');
		if (span_trim(line, BLANKS).n)
			whole_line(g, line, &read);
		buf_str(&read, ended ? "\n" : "");
	}
	if (buf_failed(&read) && !g->failed)
		guard_no_memory(g);
	if (!g->failed)
		buf_span(out, buf_view(&read));
	buf_free(&read);
	return g->failed;
}

static enum guard_result
whole_json(struct guard *g, struct span raw, struct buf *out)
{
	struct answer_document d;
	const char *why;
	int err = answer_read(g->format, SPAN_LIT(""), raw, &g->work, &d, &why);

	if (err == ERR_SYNTAX && !g->json_type && span_chr(raw, '\n') < raw.n)
		return whole_lines(g, raw, out);
	if (err)
		return not_read(g, err);
	guard_note(g, &d);
	dialect_usage(g->plan.dialect, raw, &g->work, &g->report.usage);
	return edit_document(g, raw, &d, out);
}

/* Decoded within the caps; what cannot be is refused or passes as the policy says. */
static enum guard_result
decode(struct guard *g)
{
	struct buf plain;

	buf_init(&plain, CAP_ANSWER_BYTES);
	int err = inflate_all(span_str(g->coding), buf_view(&g->body), INFLATE_RATIO, &plain);
	if (err) {
		buf_free(&plain);
		return guard_fail(g, GUARD_BROKEN, "the answer's encoding cannot be undone");
	}
	buf_free(&g->body);
	g->body = plain;
	return g->failed;
}

static enum guard_result
read_whole(struct guard *g, struct buf *out)
{
	if (g->coding[0] && g->body.n && decode(g))
		return g->failed;
	if (guard_filter_list(g))
		return g->failed;
	struct span raw = buf_view(&g->body);
	if (!raw.n)
		return guard_judge(g, ANSWER_WHOLE);
	/* JSON has no byte order mark, and goes on without one (RFC 8259 8.1). */
	if (span_starts(raw, SPAN_LIT("\xef\xbb\xbf")) && looks_like_json(raw))
		raw = span_cut(raw, 3, raw.n);
	if (looks_like_json(raw) || (g->json_type && span_starts(raw, SPAN_LIT("\""))))
		return whole_json(g, raw, out);
	if (g->status / 100 == 2 && looks_like_events(raw) &&
		guard_unread(g, raw.n, "events under a type that is none of a stream"))
		return g->failed;
	if (utf8_valid(raw))
		return whole_text(g, raw, out);
	if (g->text_type && guard_unread(g, raw.n, "text that is no UTF-8"))
		return g->failed;
	g->report.opaque_bytes += raw.n;
	g->media |= 1u << g->type_media;
	if (guard_judge(g, ANSWER_WHOLE))
		return g->failed;
	buf_span(out, raw);
	return buf_failed(out) ? guard_no_memory(g) : g->failed;
}

/* Over its cap: unread, by the policy's leave. Encoded it cannot pass: its head no longer says
 * so. */
static enum guard_result
over(struct guard *g, struct span bytes, struct buf *out)
{
	g->way = WAY_OPAQUE;
	if (g->coding[0])
		return guard_fail(g, GUARD_BROKEN, "the answer's encoding cannot be undone");
	if (guard_unread(g, g->body.n + bytes.n, "the answer is over its cap"))
		return g->failed;
	buf_span(out, buf_view(&g->body));
	buf_free(&g->body);
	buf_span(out, bytes);
	return g->failed;
}

/* ---- in and out ---- */

/* A body whose type says that it is no text is that, unless it begins like JSON or like events:
 * clients read what they asked for. It is kept until enough of it is there to tell. */
static void
settle_way(struct guard *g, struct span bytes, struct buf *out)
{
	struct span kept = span_trim(buf_view(&g->body), BLANKS);
	struct span more = kept.n ? bytes : span_trim(bytes, BLANKS);
	char begins[BEGINNING];

	if (!g->unsure_way || kept.n + more.n < BEGINNING)
		return;
	more = span_cut(more, 0, BEGINNING - kept.n);
	if (kept.n)
		memcpy(begins, kept.p, kept.n);
	memcpy(begins + kept.n, more.p, more.n);
	g->unsure_way = false;
	if (looks_like_json(span_of(begins, BEGINNING)) ||
		begins_events(span_of(begins, BEGINNING)))
		return;
	g->way = WAY_OPAQUE;
	g->media |= 1u << g->type_media;
	g->report.opaque_bytes += g->body.n;
	buf_span(out, buf_view(&g->body));
	buf_free(&g->body);
}

/* Only metered: bytes pass as they come, whatever can be read of them. */
static void
listen_in(struct guard *g, struct span bytes)
{
	if (g->report.blind)
		return;
	g->report.blind = guard_events(g, bytes, &g->body) != GUARD_PASS;
	buf_clear(&g->body);
	g->failed = GUARD_PASS;
	g->report.why = NULL;
}

enum guard_result
guard_feed(struct guard *g, struct span bytes, struct buf *out)
{
	if (g->failed)
		return g->failed;
	settle_way(g, bytes, out);
	switch (g->way) {
	case WAY_STREAM:
		if (guard_edits(g)) {
			guard_events(g, bytes, out);
		} else {
			buf_span(out, bytes);
			listen_in(g, bytes);
		}
		break;
	case WAY_KEEP:
		if (g->body.n + bytes.n > CAP_ANSWER_BYTES)
			return over(g, bytes, out);
		buf_span(&g->body, bytes);
		if (buf_failed(&g->body))
			return guard_no_memory(g);
		break;
	case WAY_METER:
		buf_span(out, bytes);
		if (!g->body_over)
			buf_span(&g->body, bytes);
		if (buf_failed(&g->body)) {
			g->body_over = true;
			buf_free(&g->body);
		}
		break;
	case WAY_OPAQUE:
		g->report.opaque_bytes += bytes.n;
		if (g->report.streamed && g->coding[0] &&
			guard_unread(g, bytes.n, "an encoded stream"))
			return g->failed;
		buf_span(out, bytes);
		break;
	}
	if (buf_failed(out))
		return guard_no_memory(g);
	return g->failed;
}

static void
meter_whole(struct guard *g)
{
	struct answer_document d;
	struct span raw = buf_view(&g->body);
	const char *why;

	g->said_cut |= g->body_over;
	g->report.blind |= g->body_over;
	if (g->body_over || !raw.n)
		return;
	if (dialect_usage(g->plan.dialect, raw, &g->work, &g->report.usage) < 0)
		g->report.usage.known = false;
	arena_reset(&g->work);
	if (answer_read(g->format, SPAN_LIT(""), raw, &g->work, &d, &why) == 0)
		guard_note(g, &d);
	else
		g->report.blind = true;
	arena_reset(&g->work);
}

enum guard_result
guard_end(struct guard *g, struct buf *out)
{
	if (g->failed)
		return g->failed;
	switch (g->way) {
	case WAY_STREAM:
		if (guard_edits(g))
			guard_events_end(g, out);
		else if (!g->report.blind)
			guard_events_end(g, &g->body);
		if (!guard_edits(g))
			g->failed = GUARD_PASS;
		break;
	case WAY_KEEP: read_whole(g, out); break;
	case WAY_METER: meter_whole(g); break;
	case WAY_OPAQUE: guard_judge(g, ANSWER_WHOLE); break;
	}
	arena_reset(&g->work);
	return g->failed;
}
