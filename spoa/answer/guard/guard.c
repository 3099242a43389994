/* Chooses how a response passes, and feeds it.
 *
 * guard_new() chooses a way (enum guard_way) by the head: as a stream (guard_stream.c), kept
 * whole (guard_whole.c), metered, or uninspected. The first bytes may change the choice, if the
 * type states something else or nothing: clients read the type that they requested, so the
 * guard must read the same (guard_begins_json() and the functions after it, settle_way(),
 * settle_lines() and is_other_stream()). feed_way() takes bytes, end_way() ends, and a
 * translator, if any, converts what they release.
 *
 * Example: a chat completion with Content-Type text/event-stream takes WAY_STREAM. The same
 * response as application/json takes WAY_KEEP if rules inspect it, and WAY_METER if they do
 * not. */
#include <stdlib.h>

#include "answer/guard/guard_private.h"
#include "answer/guard/guard_stream.h"
#include "base/ascii.h"
#include "base/codec/eventstream.h"
#include "base/codec/http.h"
#include "base/codec/inflate.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "scan/dialect/usage_feed.h"
#include "scan/text/media.h"

/* A larger count of tokens is taken for a provider's mistake. */
#define HEAD_TOKENS_MAX (UINT64_C(1) << 32)

enum { BEGINNING = 64 };

/* ---- first bytes ---- */

bool
guard_begins_json(struct span body)
{
	struct span s = span_trim(body, GUARD_BLANKS);

	return s.n && (s.p[0] == '{' || s.p[0] == '[');
}

bool
guard_begins_events(struct span s)
{
	static const char *const fields[] = { "data:", "event:", "id:", "retry:", ":" };

	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (span_starts(s, span_str(fields[i])))
			return true;
	return false;
}

bool
guard_looks_like_events(const struct guard *g, struct span body)
{
	struct span s = span_trim(body, GUARD_BLANKS);

	return span_starts(s, SPAN_LIT("data:")) || span_starts(s, SPAN_LIT("event:")) ||
	       ((g->opaque_type || guard_begins_events(s)) &&
		       (memmem(s.p, s.n, "\ndata:", 6) || memmem(s.p, s.n, "\rdata:", 6)));
}

/* Writes the first characters of UTF-16 or UTF-32 text to `out` as ASCII. Returns their number;
 * 0: the bytes are not such text. */
static size_t
narrow(struct span s, char *out, size_t room)
{
	static const struct {
		size_t width, at;
	} forms[] = { { 4, 0 }, { 4, 3 }, { 2, 0 }, { 2, 1 } };

	for (size_t f = 0; f < COUNT_OF(forms); f++) {
		size_t n = 0;
		for (size_t i = 0; i + forms[f].width <= s.n && n < room; i++, n++) {
			struct span unit = span_cut(s, i, i + forms[f].width);
			char c = unit.p[forms[f].at];
			size_t zeros = 0;
			for (size_t k = 0; k < unit.n; k++)
				zeros += !unit.p[k];
			if (zeros != unit.n - 1 || !(is_space(c) || (c >= ' ' && c <= '~')))
				break;
			out[n] = c;
			i += forms[f].width - 1;
		}
		if (n >= 2)
			return n;
	}
	return 0;
}

static bool
is_wide(const struct guard *g, struct span s)
{
	static const struct span marks[] = { SPAN_LIT("\xff\xfe\0\0"), SPAN_LIT("\0\0\xfe\xff"),
		SPAN_LIT("\xff\xfe"), SPAN_LIT("\xfe\xff") };
	char begins[8];
	bool marked = false;

	for (size_t i = 0; i < COUNT_OF(marks) && !marked; i++)
		if ((marked = span_starts(s, marks[i])))
			s = span_cut(s, marks[i].n, s.n);
	size_t n = narrow(s, begins, sizeof(begins));
	if (!g->opaque_type)
		return n || marked;
	struct span text = span_of(begins, n);
	return n && (guard_begins_json(text) || guard_begins_events(text));
}

const char *
guard_hides(const struct guard *g, struct span s)
{
	size_t n;

	if (s.n >= EVENTSTREAM_PRELUDE &&
		!eventstream_prelude(span_cut(s, 0, EVENTSTREAM_PRELUDE), &n))
		return "the response has AWS event-stream frames, but its Content-Type names "
		       "another format";
	if (!g->packed_type && (span_starts(s, SPAN_LIT("\x1f\x8b\x08")) ||
				       span_starts(s, SPAN_LIT("\x28\xb5\x2f\xfd"))))
		return "the response is compressed, but no header states this";
	return is_wide(g, s) ? "the response is in UTF-16 or UTF-32" : NULL;
}

/* Returns true if a stream that begins with these bytes, and those before them, is not text:
 * AWS frames, compressed data or UTF-16. */
static bool
guard_is_no_text(struct guard *g, struct span bytes)
{
	INVARIANT(g->begun <= COUNT_OF(g->begins));
	for (size_t i = 0; i < bytes.n && g->begun < COUNT_OF(g->begins); i++) {
		unsigned char c = (unsigned char)bytes.p[i], first = g->begins[0];
		g->begins[g->begun++] = c;
		if (c == 0 || c >= 0xfe || (g->begun == 1 && c == 0x1f) ||
			(g->begun == 2 && first < 0x80 && (c & 0xc0) == 0x80))
			return true;
	}
	return false;
}

/* ---- the way by the head ---- */

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
	/* Gemini's stream without alt=sse */
	*kind = FRAMES_ARRAY;
	return span_ieq(type, SPAN_LIT("application/json")) &&
	       span_ends(p->path, SPAN_LIT(":streamGenerateContent"));
}

/* Media types whose bytes are not text. */
static const char *const opaque_types[] = { "audio/", "image/", "video/",
	"application/octet-stream", "application/pdf", "application/zip" };
/* Words in media types of compressed files. */
static const char *const packed_types[] = { "zip", "zstd", "x-tar", "compressed" };

static void
go_as_stream(struct guard *g, enum frames_kind kind, bool encoded)
{
	g->report.streamed = true;
	buf_init(&g->plain, GUARD_PLAIN_MAX);
	buf_init(&g->early, GUARD_EARLY_MAX);
	if (encoded && inflate_open(span_str(g->coding), INFLATE_RATIO, &g->inflate) == 0)
		g->coding[0] = '\0'; /* from here on it is a stream like any other */
	g->way = g->coding[0] ? WAY_OPAQUE : WAY_STREAM;
	/* an event of MCP is a whole response */
	frames_init(&g->frames, kind, g->plan.messages.is ? CAP_ANSWER_BYTES : 0);
	frame_writer_init(&g->writer, kind);
	g->writer.wrap = kind == FRAMES_EVENTSTREAM &&
			 span_ends(g->plan.path, SPAN_LIT("/invoke-with-response-stream"));
}

static void
choose_way(struct guard *g, const struct guard_head *h)
{
	struct span type = http_media_type(h->content_type);
	struct span coding = span_trim(h->content_encoding, " \t");
	enum frames_kind kind;
	bool encoded = coding.n && !span_ieq(coding, SPAN_LIT("identity"));
	bool translates = g->plan.translate && g->plan.translate->from;

	if (encoded && coding.n < sizeof(g->coding))
		memcpy(g->coding, coding.p, coding.n);
	else if (encoded)
		memcpy(g->coding, "?", 2);
	/* a list is filtered as a whole, whatever its type */
	if (!g->plan.may_use && stream_kind(&g->plan, type, &kind) && h->status / 100 == 2) {
		go_as_stream(g, kind, encoded);
	} else if (guard_reads(g) || (translates && encoded) ||
		   ((g->plan.alias || g->plan.lead) && !encoded && h->status / 100 == 2 &&
			   span_ieq(type, SPAN_LIT("application/json")))) {
		g->way = WAY_KEEP;
		for (size_t i = 0; i < COUNT_OF(opaque_types); i++)
			g->opaque_type |= span_istarts(type, span_str(opaque_types[i]));
		for (size_t i = 0; i < COUNT_OF(packed_types); i++)
			g->packed_type |= memmem(type.p, type.n, packed_types[i],
						  strlen(packed_types[i])) != NULL;
		g->unsure_way = g->opaque_type && !encoded && !g->plan.may_use;
		g->type_media = answer_media_of(type);
		g->json_type = span_ieq(type, SPAN_LIT("application/json"));
		g->text_type = g->json_type || span_istarts(type, SPAN_LIT("text/"));
	} else {
		g->way = encoded ? WAY_OPAQUE : WAY_METER;
	}
	g->plan.usage_first &= span_ieq(type, SPAN_LIT("application/json"));
	buf_init(&g->tapped, GUARD_TAPPED_MAX);
	buf_init(&g->copied, 2 * CAP_ANSWER_BYTES);
	g->plan.taps &= !encoded;
	buf_init(&g->body, g->way == WAY_METER ? CAP_USAGE_BODY_BYTES : CAP_ANSWER_BYTES);
}

/* Returns the tokens that a field of the head states, or -1. Only Bedrock's invoke has such
 * fields. */
static int64_t
head_tokens(const struct guard *g, struct span v)
{
	uint64_t n;

	return g->format == &answer_invoke && v.n && !span_u64(v, &n) && n <= HEAD_TOKENS_MAX
		       ? (int64_t)n
		       : -1;
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
	LIST_INIT(&g->members.followed);
	TAILQ_INIT(&g->runs.all);
	for (size_t i = 0; i < QUEUES; i++)
		STAILQ_INIT(&g->queues[i].events);
	STAILQ_INIT(&g->transcripts);
	buf_init(&g->heard, GUARD_HEARD_MAX);
	SLIST_INIT(&g->known);
	arena_init(&g->judged, 0, true);
	arena_init(&g->work, CAP_ANSWER_WORK, true);
	arena_init(&g->life, CAP_ANSWER_WORK, true);
	g->report.inspected = guard_inspects(g);
	g->report.blind = head->bodyless; /* its usage is not visible */
	g->head_input = head_tokens(g, head->input_tokens);
	g->head_output = head_tokens(g, head->output_tokens);
	g->head_service = price_service_of(head->service);
	g->report.verdict.ruled.effect = RULE_PERMIT;
	choose_way(g, head);
	if (guard_calls_new(g))
		guard_drop(&g);
	if (!g)
		return NULL;
	struct translate_plan into = { .from = FORM_NONE };
	if (plan->translate)
		into = *plan->translate;
	into.head_tokens = g->head_input;
	if (into.from && !(g->translator = translator_new(
				   &into, g->report.streamed, g->frames.kind, g->status))) {
		guard_drop(&g);
		return NULL;
	}
	if (plan->vault)
		g->places = arena_new(&g->life, struct places);
	if (arena_failed(&g->life))
		guard_drop(&g);
	return g;
}

void
guard_drop(struct guard **gp)
{
	struct guard *g = *gp;

	if (!g)
		return;
	*gp = NULL;
	if (g->plan.scratch)
		detect_scratch_wipe(g->plan.scratch);
	guard_channels_free(g);
	guard_members_free(g);
	guard_queue_free(g);
	guard_boundary_free(g);
	guard_transcripts_free(g);
	guard_called_free(g);
	guard_calls_free(g);
	buf_free(&g->heard);
	while (!LIST_EMPTY(&g->kept)) {
		struct kept_text *k = LIST_FIRST(&g->kept);
		LIST_REMOVE(k, all);
		buf_free(&k->name);
		buf_free(&k->text);
		free(k);
	}
	if (g->report.streamed)
		frames_free(&g->frames);
	if (g->template)
		event_template_free(g->template);
	translator_drop(&g->translator);
	buf_free(&g->let_go);
	inflate_close(&g->inflate);
	buf_free(&g->plain);
	buf_free(&g->early);
	buf_free(&g->tapped);
	buf_free(&g->copied);
	buf_free(&g->body);
	usage_feed_free(&g->feed);
	buf_free(&g->unwrapped);
	buf_free(&g->error);
	arena_reset(&g->judged);
	arena_reset(&g->work);
	arena_reset(&g->life);
	free(g);
}

bool
guard_withholds(const struct guard *g)
{
	return g->way == WAY_KEEP || (g->translator && !g->report.streamed) ||
	       (g->way == WAY_METER && g->plan.usage_first && !g->body_over);
}

bool
guard_let_go(struct guard *g)
{
	g->plan.usage_first = false;
	return g->way == WAY_METER && !g->translator;
}

/* Returns true if events are written again, and false if their bytes pass as they are. */
static bool
writes_events(const struct guard *g)
{
	return guard_reads(g) || g->translator || g->plan.hide_usage || g->plan.alias ||
	       g->plan.lead;
}

bool
guard_edits(const struct guard *g)
{
	return g->way == WAY_KEEP || g->translator || g->inflate ||
	       (g->way == WAY_STREAM && writes_events(g));
}

const char *
guard_media_type(const struct guard *g)
{
	return g->translator ? translator_media_type(g->translator) : NULL;
}

bool
guard_untapped(const struct guard *g)
{
	return !g->plan.taps || buf_failed(&g->tapped);
}

struct span
guard_tapped(const struct guard *g)
{
	return buf_failed(&g->tapped) ? SPAN_LIT("") : buf_view(&g->tapped);
}

struct span
guard_copied(const struct guard *g)
{
	return buf_view(&g->copied);
}

void
guard_copied_clear(struct guard *g)
{
	buf_clear(&g->copied);
}

unsigned char
guard_framing(const struct guard *g)
{
	return g->report.streamed ? (unsigned char)g->frames.kind : 0;
}

const struct guard_report *
guard_report(const struct guard *g)
{
	return &g->report;
}

/* Returns true if the endpoint returns vectors, scores or labels. Text in such a response
 * repeats the caller's. A model of Bedrock's invoke is recognized by its name in the path. */
static bool
writes_nothing(const struct guard *g)
{
	static const char *const endpoints[] = { "embed", "embeddings", "rerank", "classify" };
	static const char *const models[] = { "embed", "rerank" };

	if (g->plan.endpoint && SPAN_IN(span_str(g->plan.endpoint), endpoints))
		return true;
	for (size_t i = 0; g->format == &answer_invoke && i < COUNT_OF(models); i++)
		if (memmem(g->plan.path.p, g->plan.path.n, models[i], strlen(models[i])))
			return true;
	return false;
}

struct usage
guard_usage(const struct guard *g)
{
	const struct guard_report *a = &g->report;
	struct usage u = a->usage;
	bool writes = !writes_nothing(g);

	if (!u.known && !u.spoilt && g->head_input >= 0 && (g->head_output >= 0 || !writes)) {
		u.known = true;
		u.input_tokens = g->head_input;
		u.output_tokens = g->head_output > 0 ? g->head_output : 0;
	}
	/* a response with sound has no other usage */
	if (!u.known && !u.spoilt && g->plan.characters && g->status / 100 == 2) {
		u.known = true;
		u.details.n[PRICE_CHARACTERS] = g->plan.characters;
	}
	/* images, seconds, storage and characters have no tokens */
	if (writes && a->output_bytes && !u.output_tokens && !u.details.n[PRICE_IMAGES] &&
		!u.details.n[PRICE_SECONDS] && !u.details.n[PRICE_STORED] &&
		!u.details.n[PRICE_CHARACTERS])
		u.known = false;
	if (!u.details.service)
		u.details.service = g->head_service;
	if (a->streamed && a->output_bytes > a->counted_bytes)
		u.known = false;
	return u;
}

/* ---- threads ---- */

bool
guard_is_long(const struct guard *g, size_t n)
{
	switch (g->way) {
	case WAY_STREAM:
		return (guard_reads(g) || g->translator) &&
		       frames_kept(&g->frames) + n + (g->held ? calls_held(g->held) : 0) >
			       CAP_INLINE_EVENTS;
	case WAY_KEEP: return g->body.n + n > (g->coding[0] ? 0 : CAP_INLINE_ANSWER);
	case WAY_METER: return g->translator && g->body.n + n > CAP_INLINE_ANSWER;
	case WAY_OPAQUE: break;
	}
	return false;
}

void
guard_lend(struct guard *g, struct detect_scratch *scratch)
{
	INVARIANT(scratch);
	g->plan.scratch = scratch;
}

void
guard_stop(struct guard *g)
{
	atomic_store_explicit(&g->stopped, true, memory_order_relaxed);
}

bool
guard_is_stopped(const void *guard)
{
	const struct guard *g = guard;

	return atomic_load_explicit(&g->stopped, memory_order_relaxed);
}

size_t
guard_held(const struct guard *g)
{
	size_t translated = g->translator ? translator_held(g->translator) : 0;

	if (g->inflate)
		translated += inflate_held(g->inflate);
	return g->way != WAY_STREAM ? translated
				    : frames_kept(&g->frames) + guard_queue_held(g) +
					      translated + (g->held ? calls_held(g->held) : 0);
}

/* ---- input and output ---- */

/* The body is too long to be kept: passes what was kept to a reader of usage alone. */
static void
feed_usage_from_now(struct guard *g)
{
	g->feed = usage_feed_new(g->plan.dialect);
	if (g->feed)
		usage_feed(g->feed, buf_view(&g->body));
	g->body_over = true;
	buf_free(&g->body);
}

/* Handles a response over its limit: passes uninspected, if the policy permits. An encoded
 * response cannot pass, because its head no longer states the encoding. */
static enum guard_result
guard_ended(struct guard *g, struct span bytes, struct buf *out)
{
	g->way = WAY_OPAQUE;
	if (g->coding[0])
		return guard_fail(g, GUARD_BROKEN, guard_coded);
	if (g->plan.may_use && g->status / 100 == 2)
		return guard_fail(
			g, GUARD_BROKEN, "the list of models is longer than the gateway reads");
	if (guard_message_unread(g, guard_long_message) ||
		guard_unread(g, g->body.n + bytes.n,
			"the response is longer than the gateway reads"))
		return g->failed;
	buf_span(out, buf_view(&g->body));
	feed_usage_from_now(g);
	if (g->feed)
		usage_feed(g->feed, bytes);
	buf_span(out, bytes);
	return g->failed;
}

/* Removes leading spaces. Trailing ones stay, since more may follow. */
static struct span
after_blanks(struct span s)
{
	struct span text = span_trim(s, GUARD_BLANKS);

	return text.n ? span_cut(s, (size_t)(text.p - s.p), s.n) : text;
}

/* Decides about a body whose type is not text. If the body begins like JSON or events, it is
 * read as such, because clients read the type that they requested. The body is kept until
 * enough has arrived. */
static void
settle_way(struct guard *g, struct span bytes, struct buf *out)
{
	struct span kept = after_blanks(buf_view(&g->body));
	struct span more = kept.n ? bytes : after_blanks(bytes);
	char begins[BEGINNING];
	struct span s = span_of(begins, BEGINNING);

	if (!g->unsure_way || kept.n + more.n < BEGINNING)
		return;
	INVARIANT(kept.n < BEGINNING);
	more = span_cut(more, 0, BEGINNING - kept.n);
	if (kept.n)
		memcpy(begins, kept.p, kept.n);
	memcpy(begins + kept.n, more.p, more.n);
	g->unsure_way = false;
	if (g->plan.hears && g->status / 100 == 2)
		return; /* its sound is transcribed once it is whole */
	if (guard_begins_json(s) || guard_begins_events(s) || guard_looks_like_events(g, s))
		return;
	const char *hidden = guard_hides(g, s);
	g->way = WAY_OPAQUE;
	g->media |= 1u << g->type_media;
	if (guard_message_unread(g, guard_unread_list))
		return;
	if (hidden && guard_unread(g, g->body.n + bytes.n, hidden))
		return;
	g->report.opaque_bytes += g->body.n;
	buf_span(out, buf_view(&g->body));
	buf_free(&g->body);
}

/* Decides whether a JSON body has one MCP message per line, as some servers send. If the first
 * line is a whole object, and more has arrived or will (`listens`), the lines are read as a
 * stream: the server of a subscription sends its first message and then waits. */
static void
settle_lines(struct guard *g, size_t n, struct buf *out)
{
	struct span all = buf_view(&g->body), rest;
	size_t old = all.n - n;

	INVARIANT(n <= all.n && g->way == WAY_KEEP);
	if (!g->first_line)
		g->first_line = old + span_chr(span_cut(all, old, all.n), '\n');
	if (g->first_line == all.n) {
		g->first_line = 0;
		return;
	}
	struct span line = span_trim(span_cut(all, 0, g->first_line), GUARD_BLANKS);
	rest = span_trim(span_cut(all, g->first_line, all.n), GUARD_BLANKS);
	if (line.n && !(span_starts(line, SPAN_LIT("{")) && span_ends(line, SPAN_LIT("}")))) {
		g->settled = true; /* one message over several lines */
		return;
	}
	if (!line.n)
		g->first_line = 0;
	if (!line.n || (!rest.n && !g->plan.messages.listens))
		return;
	g->settled = true;
	struct json *j = json_open(&g->work, line);
	struct json_event ev;
	enum json_tok tok = JSON_ERROR;
	while (j && (tok = json_next(j, &ev)) > JSON_ERROR)
		;
	if (tok != JSON_END)
		return;
	struct buf said = g->body;
	buf_init(&g->body, CAP_ANSWER_BYTES);
	go_as_stream(g, FRAMES_LINES, false);
	guard_events(g, buf_view(&said), out);
	buf_free(&said);
}

/* Returns true for a JSON document under the type of an event stream. Some clients read it as a
 * document, with its calls. */
static bool
is_document(struct guard *g, struct span bytes)
{
	bool first = !g->begun_text;

	bytes = guard_past_mark(bytes);
	g->begun_text |= after_blanks(bytes).n > 0;
	return first && g->frames.kind == FRAMES_SSE && !g->plan.messages.is &&
	       guard_begins_json(bytes);
}

/* Returns true if a stream's first bytes show that it is not text. Then it passes uninspected
 * or ends. */
static bool
is_other_stream(struct guard *g, struct span bytes, struct buf *out)
{
	size_t before = g->begun;

	if (g->frames.kind == FRAMES_EVENTSTREAM ||
		!(guard_is_no_text(g, bytes) || is_document(g, bytes)))
		return false;
	g->way = WAY_OPAQUE;
	if (guard_message_unread(g, guard_unread_list) || guard_unread(g, before + bytes.n,
					       "the response is an event stream, but its "
					       "Content-Type names another format"))
		return true;
	buf_put(out, g->begins, before);
	buf_span(out, bytes);
	return true;
}

/* Takes bytes and appends what is released, in the provider's form. */
static enum guard_result
feed_way(struct guard *g, struct span bytes, struct buf *out)
{
	settle_way(g, bytes, out);
	if (g->failed)
		return g->failed;
	switch (g->way) {
	case WAY_STREAM:
		if (writes_events(g)) {
			if (!guard_reads(g) || !is_other_stream(g, bytes, out))
				guard_events(g, bytes, out);
		} else {
			buf_span(out, bytes);
			/* metered only: bytes pass as they came, readable or not */
			if (g->report.blind)
				break;
			g->report.blind = guard_events(g, bytes, &g->body) != GUARD_PASS;
			buf_clear(&g->body);
			g->failed = GUARD_PASS;
			g->report.why = NULL;
		}
		break;
	case WAY_KEEP:
		if (g->body.n + bytes.n > CAP_ANSWER_BYTES)
			return guard_ended(g, bytes, out);
		buf_span(&g->body, bytes);
		if (buf_failed(&g->body))
			return guard_no_memory(g);
		if (g->plan.messages.is && g->json_type && !g->settled && !g->coding[0] &&
			g->status / 100 == 2)
			settle_lines(g, bytes.n, out);
		break;
	case WAY_METER:
		buf_span(out, bytes);
		if (!g->body_over && g->body.n + bytes.n > CAP_USAGE_BODY_BYTES)
			feed_usage_from_now(g);
		if (!g->body_over)
			buf_span(&g->body, bytes);
		else if (g->feed)
			usage_feed(g->feed, bytes);
		if (buf_failed(&g->body)) {
			g->body_over = true;
			buf_free(&g->body);
		}
		break;
	case WAY_OPAQUE:
		if (g->translator && g->coding[0])
			return guard_fail(g, GUARD_BROKEN, guard_coded);
		g->report.opaque_bytes += bytes.n;
		if (g->feed)
			usage_feed(g->feed, bytes);
		if (guard_message_unread(g, guard_unread_list))
			return g->failed;
		if (g->report.streamed && g->coding[0] &&
			guard_unread(g, bytes.n, "the stream is compressed or encoded"))
			return g->failed;
		buf_span(out, bytes);
		break;
	}
	if (buf_failed(out))
		return guard_no_memory(g);
	return g->failed;
}

void
guard_note_made(struct guard *g, struct span json)
{
	if (g->plan.notes_made)
		dialect_made_things(json, &g->work, g->report.made, &g->report.nmade);
}

/* Meters a whole body. Returns false if the body was not read, or only its usage was. */
static bool
meter_whole(struct guard *g, struct answer_document *d)
{
	struct span raw = buf_view(&g->body);
	const char *why;

	g->transcript_cut |= g->body_over;
	g->report.blind |= g->body_over;
	if (g->feed)
		usage_feed_end(g->feed, &g->report.usage);
	if (g->body_over || !raw.n)
		return false;
	int err = answer_read(g->format, g->plan.dialect, SPAN_LIT(""), raw, &g->work, d, &why);
	g->report.blind |= err != 0;
	if (err == ERR_NOMEM) { /* more texts than are read; the usage counts anyway */
		arena_reset(&g->work);
		err = answer_read(NULL, g->plan.dialect, SPAN_LIT(""), raw, &g->work, d, &why);
	}
	if (err)
		return false;
	usage_whole(d->usage, &g->report.usage);
	guard_note_made(g, raw);
	if (!g->report.blind)
		guard_note(g, d);
	if (!g->report.blind && d->error)
		guard_note_error(g, raw, SPAN_LIT(""));
	return !g->report.blind;
}

/* Handles a body kept for its usage, its model's name and its URLs. If it cannot be read, it
 * passes unchanged. */
static void
rename_whole(struct guard *g, struct answer_document *d, struct buf *out)
{
	bool read = meter_whole(g, d);
	struct splice *v;
	size_t n = guard_lead(g, buf_view(&g->body), ANSWER_MODELS, &v);

	if (g->failed)
		return;
	n = read ? guard_rename(g, d, v, n) : n;
	int err = n ? splice_apply(buf_view(&g->body), v, n, out) : 0;

	if (!n)
		buf_move(out, &g->body);
	if (err || buf_failed(out))
		guard_no_memory(g);
}

/* Ends the response and appends the rest, as feed_way() does. */
static enum guard_result
end_way(struct guard *g, struct buf *out)
{
	struct answer_document d;

	switch (g->way) {
	case WAY_STREAM:
		if (writes_events(g))
			guard_events_end(g, out);
		else if (!g->report.blind)
			guard_events_end(g, &g->body);
		if (!writes_events(g) && g->failed != GUARD_CUT)
			g->failed = GUARD_PASS;
		break;
	case WAY_KEEP:
		if (g->coding[0] && g->body.n && guard_decode_whole(g))
			break;
		if (guard_reads(g))
			guard_whole(g, out);
		else if (!guard_filter_list(g))
			rename_whole(g, &d, out);
		break;
	case WAY_METER: meter_whole(g, &d); break;
	case WAY_OPAQUE:
		if (g->feed)
			usage_feed_end(g->feed, &g->report.usage);
		guard_judge(g, ANSWER_WHOLE);
		break;
	}
	arena_reset(&g->work);
	return g->failed;
}

/* Translates the released bytes to the caller's form. */
static enum guard_result
translate_let_go(struct guard *g, bool whole, struct buf *out)
{
	const char *why = NULL;
	int err = translator_feed(g->translator, buf_view(&g->let_go), out, &why);

	buf_clear(&g->let_go);
	if (!err && whole && !g->failed)
		err = translator_end(g->translator, out, &why);
	g->report.losses = translator_losses(g->translator);
	if (g->failed || !err)
		return g->failed;
	if (err == ERR_NOMEM)
		return guard_no_memory(g);
	return guard_fail(g, err == ERR_TRUNCATED ? GUARD_CUT : GUARD_BROKEN,
		why ? why : "the response cannot be translated");
}

/* Copies the bytes released since `from`, if the plan states it. */
static void
copy_went(struct guard *g, const struct buf *out, size_t from)
{
	if (g->plan.copies == GUARD_COPIES_WENT && out->n > from)
		buf_span(&g->copied, span_cut(buf_view(out), from, out->n));
}

/* Takes bytes of the response as they are without an encoding. */
static void
feed_plain(struct guard *g, struct span bytes, struct buf *to)
{
	if (g->plan.taps)
		buf_span(&g->tapped, bytes);
	/* an encoded body is copied when it is decoded (guard_decode_whole()) */
	if (g->plan.copies == GUARD_COPIES_CAME && !(g->coding[0] && g->way == WAY_KEEP))
		buf_span(&g->copied, bytes);
	if (!g->failed || g->translator)
		feed_way(g, bytes, to);
}

/* Decodes a piece of the stream, in steps of 64 KB. If no byte of a metered stream can be decoded,
 * its head names the wrong encoding, and the stream is taken as it is. An inspected stream fails. */
static void
feed_encoded(struct guard *g, struct span bytes, struct buf *to)
{
	int more = 1;

	if (!writes_events(g) && !inflate_began(g->inflate))
		buf_span(&g->early, bytes);
	while (more == 1 && !g->failed) {
		buf_clear(&g->plain);
		more = inflate_some(g->inflate, &bytes, &g->plain);
		if (more >= 0 && g->plain.n)
			feed_plain(g, buf_view(&g->plain), to);
	}
	bool early = !inflate_began(g->inflate) && !buf_failed(&g->early);
	g->misnamed = more == ERR_SYNTAX && early && !writes_events(g);
	if (g->misnamed)
		feed_plain(g, buf_view(&g->early), to);
	else if (more == ERR_NOMEM)
		guard_no_memory(g);
	else if (more < 0)
		guard_fail(g, GUARD_BROKEN, guard_coded);
}

enum guard_result
guard_feed(struct guard *g, struct span bytes, struct buf *out)
{
	struct buf *to = g->translator ? &g->let_go : out;
	size_t from = to->n;

	if (g->inflate && !g->misnamed && !g->failed)
		feed_encoded(g, bytes, to);
	else
		feed_plain(g, bytes, to);
	if (g->failed && !g->translator)
		return g->failed;
	copy_went(g, to, from);
	if (buf_failed(&g->copied))
		return guard_no_memory(g);
	return g->translator ? translate_let_go(g, false, out) : g->failed;
}

enum guard_result
guard_end(struct guard *g, struct buf *out)
{
	struct buf *to = g->translator ? &g->let_go : out;
	size_t from = to->n;

	if (g->failed && !g->translator)
		return g->failed;
	if (g->inflate && !g->misnamed && !inflate_whole(g->inflate) && !g->report.ended)
		guard_fail(g, GUARD_CUT, "the compressed stream ends before its end");
	else
		end_way(g, to);
	copy_went(g, to, from);
	if (buf_failed(&g->copied))
		return guard_no_memory(g);
	return g->translator ? translate_let_go(g, true, out) : g->failed;
}
