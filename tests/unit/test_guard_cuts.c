/* Values across the cuts that a provider makes: output and findings are equal for a whole
 * response and its stream, for values across blocks, and for members that no row of a format
 * names. Most responses are random, with fixed seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "support/answer_fix.h"
#include "support/answer_run.h"

/* ---- a response whole and as a stream ---- */

enum { SEEDS = 24, PIECES = 7, BLOCKS = 3 };

/* The parts of the responses. Values are recognized without distant context. */
static const char *const corpus[] = {
	"Write to ada.lovelace@example.com, please. ",
	"(j.mueller@firma-beispiel.de)\n",
	"Meine IBAN ist DE89 3704 0044 0532 0130 00. ",
	"| Karte | 5555 5555 5555 4444 |\n|---|---|\n",
	"4111-1111-1111-1111; ",
	"\xe8\xbf\x9e\xe6\x8e\xa5zhang@example.org, ",
	"\xd0\x9f\xd0\xb8\xd1\x88\xd0\xb8\xd1\x82\xd0\xb5: oleg@example.ru. ",
	"\xd7\x94\xd7\xa4\xd7\x92\xd7\x99\xd7\xa9\xd7\x94 \xd7\x9e\xd7\x97\xd7\xa8. ",
	"\xe4\xbc\x9a\xe8\xad\xb0\xe3\x81\xaf\xe6\x98\x8e\xe6\x97\xa5. ",
	"Fine \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 \xf0\x9f\x8e\x89! ",
	"```sh\ncurl 'https://api.example.com/v1?to=first.last+tag@example.org&n=1'\n```\n",
	"{\"to\":\"x@example.com\",\"n\":[1,2.5,null]} ",
	"In 2026 we sold 12,345 units at $9.99 each.\n\n",
	"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk ",
	"\"quoted\" \\ backslash\ttab ",
};

static uint32_t
next_random(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % below;
}

/* Returns a place at the beginning of a character, at most `most` bytes further, but at least
 * one character. */
static size_t
cut_after(struct span s, size_t at, size_t most)
{
	size_t to = at + most;

	while (to < s.n && to > at && (s.p[to] & 0xC0) == 0x80)
		to--;
	for (to = to > at ? to : at + 1; to < s.n && (s.p[to] & 0xC0) == 0x80;)
		to++;
	return to < s.n ? to : s.n;
}

struct made {
	struct buf text, arguments;
	struct span blocks[BLOCKS];
};

static void
make(struct made *m, uint32_t seed)
{
	uint32_t state = seed * 2654435761u + 1;

	buf_init(&m->text, 0);
	buf_init(&m->arguments, 0);
	for (int i = 0; i < PIECES; i++)
		buf_str(&m->text, corpus[next_random(&state, COUNT_OF(corpus))]);
	struct span all = buf_view(&m->text);
	buf_str(&m->arguments, "{\"body\":");
	buf_json_str(&m->arguments, all);
	buf_str(&m->arguments, "}");
	for (size_t i = 0, at = 0; i < BLOCKS; i++) {
		size_t most = 1 + next_random(&state, (uint32_t)all.n / 2);
		size_t to = i + 1 == BLOCKS ? all.n : cut_after(all, at, most);
		m->blocks[i] = span_cut(all, at, to);
		at = to;
	}
}

static void
made_free(struct made *m)
{
	buf_free(&m->text);
	buf_free(&m->arguments);
}

/* ---- a chat ---- */

static void
chat_whole(const struct made *m, struct buf *out)
{
	buf_str(out, "{\"choices\":[{\"index\":0,\"message\":{\"content\":");
	buf_json_str(out, buf_view(&m->text));
	buf_str(out, ",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":");
	buf_json_str(out, buf_view(&m->arguments));
	buf_str(out, "}}]},\"finish_reason\":\"stop\"}]}");
}

static void
chat_pieces(struct span s, const char *before, const char *after, uint32_t seed, size_t most,
	struct buf *out)
{
	for (size_t at = 0, to; at < s.n; at = to) {
		to = cut_after(s, at, 1 + next_random(&seed, (uint32_t)most));
		buf_printf(out, "data: {\"choices\":[{\"index\":0,\"delta\":{%s", before);
		buf_json_str(out, span_cut(s, at, to));
		buf_printf(out, "%s}}]}\n\n", after);
	}
}

static void
chat_stream(const struct made *m, uint32_t seed, size_t most, struct buf *out)
{
	chat_pieces(buf_view(&m->text), "\"content\":", "", seed, most, out);
	buf_str(out, "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
		     "\"function\":{\"name\":\"f\"}}]}}]}\n\n");
	chat_pieces(buf_view(&m->arguments),
		"\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":", "}}]", seed, most,
		out);
	buf_str(out, STOP);
}

/* ---- blocks ---- */

static void
blocks_whole(const struct made *m, struct buf *out)
{
	buf_str(out, "{\"type\":\"message\",\"content\":[");
	for (size_t i = 0; i < BLOCKS; i++) {
		buf_printf(out, "%s{\"type\":\"text\",\"text\":", i ? "," : "");
		buf_json_str(out, m->blocks[i]);
		buf_str(out, "}");
	}
	buf_str(out, "],\"stop_reason\":\"end_turn\"}");
}

static void
blocks_stream(const struct made *m, uint32_t seed, size_t most, struct buf *out)
{
	for (unsigned b = 0; b < BLOCKS; b++) {
		struct span s = m->blocks[b];
		for (size_t at = 0, to; at < s.n; at = to) {
			to = cut_after(s, at, 1 + next_random(&seed, (uint32_t)most));
			buf_printf(out,
				"data: {\"type\":\"content_block_delta\",\"index\":%u,"
				"\"delta\":{\"type\":\"text_delta\",\"text\":",
				b);
			buf_json_str(out, span_cut(s, at, to));
			buf_str(out, "}}\n\n");
		}
		buf_printf(out, "data: {\"type\":\"content_block_stop\",\"index\":%u}\n\n", b);
	}
	buf_str(out, "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
		     "\"end_turn\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n");
}

/* ---- comparison ---- */

static const struct way {
	struct answer_case c;
	void (*whole)(const struct made *m, struct buf *out);
	void (*stream)(const struct made *m, uint32_t seed, size_t most, struct buf *out);
} ways[] = {
	{ { .name = "a chat",
		  .rules = REDACT,
		  .dialect = "openai",
		  .path = "/v1/chat/completions",
		  .want = "" },
		chat_whole, chat_stream },
	{ { .name = "blocks",
		  .rules = REDACT,
		  .dialect = "anthropic",
		  .path = "/v1/messages",
		  .want = "" },
		blocks_whole, blocks_stream },
};

struct tried {
	struct policy_fix f;
	struct arena a;
	struct answer_request asked;
	struct detect_scratch *scratch;
};

/* Describes the result, fed in pieces of `step` bytes; 0: in one piece. */
static void
told(struct tried *t, const struct way *w, const char *type, struct buf *in, size_t step,
	struct buf *say)
{
	struct answer_case c = w->c;
	struct buf out;

	buf_init(&out, 0);
	buf_putc(in, '\0');
	c.type = type;
	c.in = buf_view(in).p;
	answer_case_run(&c, t->f.p, &t->asked, t->scratch, NULL, 0, step ? step : SIZE_MAX / 2,
		&out, say);
	buf_free(&out);
}

static void
try_seed(struct tried *t, const struct way *w, uint32_t seed)
{
	static const size_t most[] = { 1, 6, 40, 4000 };
	struct buf in, whole, say;
	struct made m;

	make(&m, seed);
	buf_init(&in, 0);
	buf_init(&whole, 0);
	w->whole(&m, &in);
	told(t, w, "application/json", &in, 0, &whole);
	for (size_t i = 0; i < COUNT_OF(most); i++) {
		buf_clear(&in);
		buf_init(&say, 0);
		w->stream(&m, seed, most[i], &in);
		told(t, w, "text/event-stream", &in, i ? 0 : 11, &say);
		if (!span_eq(buf_view(&whole), buf_view(&say)))
			fail_msg("%s of seed %u, up to %zu bytes an event:\n whole  %s\n "
				 "stream %s",
				w->c.name, seed, most[i], buf_view(&whole).p, buf_view(&say).p);
		buf_free(&say);
	}
	buf_free(&in);
	buf_free(&whole);
	made_free(&m);
}

static void
whole_and_streamed_responses_are_equal(void **state)
{
	(void)state;
	struct tried t = { .scratch = detect_scratch_new(detect_fix()->rules) };

	answer_load(REDACT, &t.f, &t.a, &t.asked);
	for (uint32_t seed = 1; seed <= SEEDS; seed++)
		for (size_t w = 0; w < COUNT_OF(ways); w++)
			try_seed(&t, &ways[w], seed);
	detect_scratch_free(&t.scratch);
	arena_reset(&t.a);
	fix_done(&t.f);
}

/* ---- many short blocks ---- */

static void
put_delta(struct buf *in, unsigned i, const char *text)
{
	buf_printf(in,
		"data: {\"type\":\"content_block_delta\",\"index\":%u,\"delta\":{\"type\":"
		"\"text_delta\",\"text\":\"%s\"}}\n\n",
		i, text);
}

static void
put_block(struct buf *in, unsigned i, const char *text)
{
	put_delta(in, i, text);
	buf_printf(in, "data: {\"type\":\"content_block_stop\",\"index\":%u}\n\n", i);
}

/* Writes an item, and into `again` its copy in the last event. */
static void
put_item(struct buf *in, unsigned i, const char *text, struct buf *again)
{
	buf_printf(in,
		"data: {\"type\":\"response.output_text.delta\",\"output_index\":%u,"
		"\"delta\":\"%s\"}\n\n"
		"data: {\"type\":\"response.output_text.done\",\"output_index\":%u,"
		"\"text\":\"%s\"}\n\n",
		i, text, i, text);
	buf_printf(again,
		"%s{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":"
		"\"%s\"}]}",
		i ? "," : "", text);
}

/* Redacts byte by byte and in one piece. Asserts equal output without these texts. */
static void
assert_goes_without(const char *dialect, const char *path, struct buf *in,
	const char *const *gone, const char *goes)
{
	struct answer_case c = { "", REDACT, dialect, path, "text/event-stream", "", "" };
	struct span whole = buf_view(in);
	struct guard_rig r, bytes;

	guard_rig_open(&r, &c);
	guard_rig_feed(&r, whole);
	guard_rig_end(&r);
	guard_rig_open(&bytes, &c);
	for (size_t i = 0; i < whole.n; i++)
		guard_rig_feed(&bytes, span_cut(whole, i, i + 1));
	guard_rig_end(&bytes);
	struct span out = buf_view(&r.out);
	assert_true(span_eq(out, buf_view(&bytes.out)));
	for (; *gone; gone++)
		if (memmem(out.p, out.n, *gone, strlen(*gone)))
			fail_msg("%s goes out: %.*s", *gone, SPAN_ARG(out));
	if (!memmem(out.p, out.n, goes, strlen(goes)))
		fail_msg("%s: no %s in %.*s", path, goes, SPAN_ARG(out));
	guard_rig_close(&bytes);
	guard_rig_close(&r);
	buf_free(in);
}

static void
value_across_two_blocks_is_replaced_beside_other_text(void **state)
{
	static const char *const gone[] = { "4111", "1111", "@", NULL };
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	put_block(&in, 0, "to 4111 1111 1111 ");
	put_block(&in, 1,
		"1111 a@b.co c@b.co d@b.co e@b.co f@b.co g@b.co h@b.co i@b.co j@b.co k@b.co "
		"so it is and so on. ");
	assert_goes_without("anthropic", "/v1/messages", &in, gone, "<CREDIT_CARD>");
}

/* Events that providers add later have their texts in members of known events. No client adds them to
 * the answer, so they do not end a value. */
static void
new_event_in_the_middle_of_a_value_does_not_end_it(void **state)
{
	static const struct {
		const char *dialect, *path, *first, *between, *last, *end;
	} rows[] = {
		{ "openai", "/v1/responses",
			"{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"to jane.d\"}",
			"{\"type\":\"response.new.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"hm\"}",
			"{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"oe@example.org and so on. \"}",
			"{\"type\":\"response.completed\",\"response\":{\"output\":[]}}" },
		{ "openai", "/v1/realtime",
			"{\"type\":\"response.output_audio_transcript.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"to jane.d\"}",
			"{\"type\":\"response.new.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"hm\"}",
			"{\"type\":\"response.output_audio_transcript.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"oe@example.org and so on. \"}",
			"{\"type\":\"response.done\",\"response\":{\"output\":[]}}" },
		{ "anthropic", "/v1/messages",
			"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"to jane.d\"}}",
			"{\"type\":\"new_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hm\"}}",
			"{\"delta\":{\"text\":\"oe@example.org and so on. \",\"type\":\"text_delta\"},\"index\":0,\"type\":\"content_block_delta\"}",
			"{\"type\":\"message_stop\"}" },
		{ "cohere", "/v2/chat",
			"{\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"to jane.d\"}}}}",
			"{\"type\":\"new-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"hm\"}}}}",
			"{\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"oe@example.org and so on. \"}}}}",
			"{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\"}}" },
		{ "mistral", "/v1/conversations",
			"{\"type\":\"message.output.delta\",\"output_index\":0,\"content_index\":0,\"content\":\"to jane.d\"}",
			"{\"type\":\"new.delta\",\"output_index\":0,\"content_index\":0,\"content\":\"hm\"}",
			"{\"type\":\"message.output.delta\",\"output_index\":0,\"content_index\":0,\"content\":\"oe@example.org and so on. \"}",
			"{\"type\":\"conversation.response.done\"}" },
	};
	static const char *const gone[] = { "jane", "example.org", NULL };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf in;
		buf_init(&in, 0);
		buf_printf(&in, "data: %s\n\ndata: %s\n\ndata: %s\n\ndata: %s\n\n",
			rows[i].first, rows[i].between, rows[i].last, rows[i].end);
		assert_goes_without(rows[i].dialect, rows[i].path, &in, gone, "<EMAIL_ADDRESS>");
	}
}

static void
value_across_many_blocks_is_replaced(void **state)
{
	static const char *const gone[] = { "\"j\"", "\"@\"", NULL };
	static const char value[] = "jane.doe@example.org";
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	for (unsigned i = 0; value[i]; i++)
		put_block(&in, i, (char[]){ value[i], 0 });
	put_block(&in, sizeof(value), " and so on. ");
	assert_goes_without("anthropic", "/v1/messages", &in, gone, "<EMAIL_ADDRESS>");
}

/* An emoji in two events, as halves of a surrogate pair. */
static void
surrogate_half_does_not_end_a_value(void **state)
{
	static const char *const gone[] = { "jane", "jim", "exam", NULL };
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	put_block(&in, 0, "to jane.doe@exam");
	put_delta(&in, 1, "ple.org \\ud83d");
	put_delta(&in, 1, "\\ude00 and so on to jim@exam");
	put_block(&in, 1, "ple.net\\ud83d");
	put_delta(&in, 2, "\\ude00 for jim.doe@exam");
	put_block(&in, 2, "");
	put_block(&in, 3, "ple.com, and so on. ");
	assert_goes_without("anthropic", "/v1/messages", &in, gone, "<EMAIL_ADDRESS>");
}

static void
values_across_blocks_are_replaced_in_their_copies(void **state)
{
	static const char *const gone[] = { "jane", "exam", "ple.org", NULL };
	struct buf in, again;
	char text[64];

	(void)state;
	buf_init(&in, 0);
	buf_init(&again, 0);
	for (unsigned i = 0; i < 24; i += 2) {
		snprintf(text, sizeof(text), "to jane%c.doe@exam", 'a' + (char)(i / 2));
		put_item(&in, i, text, &again);
		put_item(&in, i + 1, "ple.org and so on. ", &again);
	}
	buf_str(&in, "data: {\"type\":\"response.completed\",\"response\":{\"output\":[");
	buf_span(&in, buf_view(&again));
	buf_str(&in, "]}}\n\n");
	buf_free(&again);
	assert_goes_without("openai", "/v1/responses", &in, gone, "response.completed");
}

/* A key that begins in one block and continues in more events than can be held. */
static void
value_across_too_many_blocks_is_uninspected(void **state)
{
	static const struct answer_case c = { "", REDACT, "anthropic", "/v1/messages",
		"text/event-stream", "", "" };
	struct guard_rig r;
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	put_block(&in, 0, "-----BEGIN RSA PRIVATE KEY-----\\nMIIEowIBAAKCAQEA");
	for (unsigned i = 0; i < 1000; i++)
		put_delta(&in, 1, i % 2 ? "x" : "7");
	guard_rig_open(&r, &c);
	guard_rig_feed(&r, buf_view(&in));
	assert_int_equal(r.got, GUARD_UNREAD);
	assert_int_equal(r.out.n, 0); /* nothing of it is forwarded */
	assert_true(guard_report(r.g)->unread_bytes > 0);
	guard_rig_close(&r);
	buf_free(&in);
}

/* Blocks of one word each: inspected text is forwarded while the last blocks wait. */
static void
blocks_wait_only_for_their_own_text(void **state)
{
	static const struct answer_case c = { "", REDACT, "anthropic", "/v1/messages",
		"text/event-stream", "", "" };
	struct guard_rig r;
	struct buf in;
	size_t stops = 0;

	(void)state;
	buf_init(&in, 0);
	for (unsigned i = 0; i < 100; i++)
		put_block(&in, i, "and ");
	guard_rig_open(&r, &c);
	guard_rig_feed(&r, buf_view(&in));
	struct span out = buf_view(&r.out);
	for (const char *at; (at = memmem(out.p, out.n, "_stop", 5)); stops++)
		out = span_cut(out, (size_t)(at - out.p) + 5, out.n);
	assert_true(stops > 90 && stops <= 100);
	guard_rig_close(&r);
	buf_free(&in);
}

/* ---- members that no row of a format names ---- */

static const struct answer_case openai = { "", REDACT, "openai", "/v1/chat/completions",
	"text/event-stream", "", "" };
static const struct answer_case unknown = { "", REDACT, "rest", "/x", "text/event-stream", "",
	"" };
static const struct answer_case denied = { "", DENY, "openai", "/v1/chat/completions",
	"text/event-stream", "", "" };

/* Joins the values of member `key` in all events of a stream. */
static void
joined(struct span out, const char *key, struct buf *text)
{
	char begin[64];
	int n = snprintf(begin, sizeof(begin), "\"%s\":\"", key);
	const char *at;

	while (out.n && (at = memmem(out.p, out.n, begin, (size_t)n))) {
		out = span_of(at + n, out.n - (size_t)(at + n - out.p));
		size_t end = span_chr(out, '"');
		buf_span(text, span_cut(out, 0, end));
		out = span_cut(out, end, out.n);
	}
}

static void
thoughts(struct buf *in, bool known, struct span text)
{
	if (known)
		buf_printf(in,
			"data: {\"id\":\"c\",\"provider\":\"Some One\",\"choices\":[{\"index\":"
			"0,\"delta\":{\"thoughts\":\"%.*s\"}}]}\n\n",
			SPAN_ARG(text));
	else
		buf_printf(in, "data: {\"output\":[{\"thoughts\":\"%.*s\"}],\"n\":1}\n\n",
			SPAN_ARG(text));
}

/* ---- every cut ---- */

static const struct {
	const char *text, *want;
} said[] = {
	{ "write to jane.doe@example.org now", "write to <EMAIL_ADDRESS> now" },
	{ "jane.doe@example.org it is", "<EMAIL_ADDRESS> it is" },
	{ "a card: 4111 1111 1111 1111 or 5555 5555 5555 4444",
		"a card: <CREDIT_CARD> or <CREDIT_CARD>" },
	{ "jane1985doe7@example.org it is", "<EMAIL_ADDRESS> it is" },
	{ "DE89370400440532013000 it is", "<IBAN_CODE> it is" },
	{ "the password is what she wrote, not bob@example.net.",
		"the password is what she wrote, not <EMAIL_ADDRESS>." },
};

static void
try_cut(const struct answer_case *c, const char *text, const char *want, size_t cut,
	size_t step)
{
	struct span s = span_str(text);
	struct buf in, now;
	struct guard_rig r;

	guard_rig_open(&r, c);
	buf_init(&in, 0);
	buf_init(&now, 0);
	for (size_t at = 0, to; at < s.n; at = to) {
		to = step ? at + step : at < cut ? cut : s.n;
		thoughts(&in, c == &openai, span_cut(s, at, to));
	}
	buf_str(&in, "data: [DONE]\n\n");
	guard_rig_feed(&r, buf_view(&in));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	joined(buf_view(&r.out), "thoughts", &now);
	if (!span_is(buf_view(&now), want))
		fail_msg("cut at %zu, each %zu:\n got  %.*s\n want %s\n%.*s", cut, step,
			SPAN_ARG(buf_view(&now)), want, SPAN_ARG(buf_view(&r.out)));
	buf_free(&in);
	buf_free(&now);
	guard_rig_close(&r);
}

static void
value_across_events_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(said); i++)
		for (int k = 0; k < 2; k++) {
			const struct answer_case *c = k ? &unknown : &openai;
			for (size_t cut = 1; cut <= strlen(said[i].text); cut++)
				try_cut(c, said[i].text, said[i].want, cut, 0);
			for (size_t step = 1; step < 12; step++)
				try_cut(c, said[i].text, said[i].want, 0, step);
		}
}

/* A stream of plain text: pieces that are numbers or JSON words are text like the others. */
static void
try_plain(const char *text, const char *want, size_t step)
{
	struct span s = span_str(text);
	struct buf in, now;
	struct guard_rig r;

	guard_rig_open(&r, &unknown);
	buf_init(&in, 0);
	buf_init(&now, 0);
	for (size_t at = 0; at < s.n; at += step)
		buf_printf(&in, "data: %.*s\n\n", SPAN_ARG(span_cut(s, at, at + step)));
	guard_rig_feed(&r, buf_view(&in));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	for (struct span out = buf_view(&r.out); out.n;) {
		size_t end = span_chr(out, '\n');
		if (span_starts(out, SPAN_LIT("data: ")))
			buf_span(&now, span_cut(out, 6, end));
		out = span_cut(out, end + 1, out.n);
	}
	if (!span_is(buf_view(&now), want))
		fail_msg("each %zu:\n got  %.*s\n want %s", step, SPAN_ARG(buf_view(&now)),
			want);
	buf_free(&in);
	buf_free(&now);
	guard_rig_close(&r);
}

static void
plain_text_with_numbers_is_inspected(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(said); i++)
		for (size_t step = 1; step < 12; step++)
			try_plain(said[i].text, said[i].want, step);
	for (size_t step = 1; step < 12; step++)
		try_plain("null, true: 4111 1111 1111 1111, false",
			"null, true: <CREDIT_CARD>, false", step);
}

/* Nothing of the value was forwarded before the denial. */
static void
value_across_events_is_denied(void **state)
{
	(void)state;
	static const char text[] = "my ssn is 536-22-1840.";
	for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
		struct buf in, now;
		struct guard_rig r;
		guard_rig_open(&r, &denied);
		buf_init(&in, 0);
		buf_init(&now, 0);
		thoughts(&in, true, span_of(text, cut));
		thoughts(&in, true, span_of(text + cut, sizeof(text) - 1 - cut));
		guard_rig_feed(&r, buf_view(&in));
		guard_rig_end(&r);
		assert_int_equal(r.got, GUARD_DENIED);
		joined(buf_view(&r.out), "thoughts", &now);
		if (now.n && memmem(buf_view(&now).p, now.n, "536", 3))
			fail_msg("cut at %zu: %.*s", cut, SPAN_ARG(buf_view(&now)));
		buf_free(&in);
		buf_free(&now);
		guard_rig_close(&r);
	}
}

/* ---- unchanged content ---- */

static const struct {
	const char *name, *events[5];
	bool at_once; /* each event except the first is forwarded before the next one arrives */
} same[] = {
	{ "ids, times and words in each event",
		{ "{\"x\":{\"id\":\"a1\",\"trace\":\"4f3a9c01\",\"kind\":\"start\","
		  "\"at\":\"2026-11-21T14:10:44.123Z\"}}",
			"{\"x\":{\"id\":\"a2\",\"trace\":\"4f3a9c02\",\"kind\":\"more\","
			"\"at\":\"2026-11-21T14:10:44.456Z\"}}",
			"{\"x\":{\"id\":\"a3\",\"trace\":\"4f3a9c03\",\"kind\":\"end\","
			"\"at\":\"2026-11-21T14:10:45.000Z\"}}" },
		true },
	{ "numbers that count, as strings: together they would be a card",
		{ "{\"n\":\"4111\"}", "{\"n\":\"1111\"}", "{\"n\":\"1112\"}",
			"{\"n\":\"1111\"}" },
		false },
	{ "a provider's name, which stays",
		{ "{\"by\":\"Deep Infra\"}", "{\"by\":\"Deep Infra\"}",
			"{\"by\":\"Deep Infra\"}" },
		false },
	{ "search results, the same in each event",
		{ "{\"r\":[{\"t\":\"A life of letters\",\"u\":\"https://a.example/?q=1\"},"
		  "{\"t\":\"4111 1111\",\"u\":\"https://b.example\"}]}",
			"{\"r\":[{\"t\":\"A life of letters\",\"u\":\"https://a.example/"
			"?q=1\"},{\"t\":\"4111 1111\",\"u\":\"https://b.example\"}]}" },
		false },
	{ "filters' words", { "{\"f\":{\"hate\":\"safe\"}}", "{\"f\":{\"hate\":\"safe\"}}" },
		false },
	{ "records, one after the other",
		{ "{\"zip\":\"10115\",\"city\":\"ground floor\"}",
			"{\"zip\":\"20095\",\"city\":\"the second floor\"}",
			"{\"zip\":\"80331\",\"city\":\"no floor\"}" },
		false },
};

static void
content_that_is_no_text_is_unchanged(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(same); i++) {
		struct buf in;
		struct guard_rig r;
		guard_rig_open(&r, &unknown);
		buf_init(&in, 0);
		for (size_t k = 0; k < COUNT_OF(same[i].events) && same[i].events[k]; k++) {
			struct buf event;
			buf_init(&event, 0);
			buf_printf(&event, "data: %s\n\n", same[i].events[k]);
			guard_rig_feed(&r, buf_view(&event));
			buf_span(&in, buf_view(&event));
			buf_free(&event);
			if (k && same[i].at_once && r.out.n != in.n)
				fail_msg("%s: event %zu waits", same[i].name, k);
		}
		guard_rig_end(&r);
		if (r.got || !span_eq(buf_view(&in), buf_view(&r.out)))
			fail_msg("%s:\n got  %.*s\n want %.*s", same[i].name,
				SPAN_ARG(buf_view(&r.out)), SPAN_ARG(buf_view(&in)));
		assert_int_equal(guard_report(r.g)->nfound, 0);
		buf_free(&in);
		guard_rig_close(&r);
	}
}

/* ---- ends and limits ---- */

/* Words that occur in one event are released by the next one. */
static void
words_are_held_for_one_event(void **state)
{
	(void)state;
	struct guard_rig r;

	guard_rig_open(&r, &openai);
	guard_rig_feed(&r, SPAN_LIT("data: {\"mode\":\"fast\"}\n\n"));
	assert_int_equal(r.out.n, 0);
	guard_rig_feed(&r, SPAN_LIT(": ping\n\n" CHUNK("It is so. ")));
	assert_true(span_is(buf_view(&r.out),
		"data: {\"mode\":\"fast\"}\n\n: ping\n\n" CHUNK("It is so. ")));
	guard_rig_close(&r);
}

/* Also under a key whose values are words. */
static void
value_that_begins_its_member_is_found(void **state)
{
	(void)state;
	static const char *const keys[] = { "kind", "trace_id", "x" };

	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		struct buf in, now;
		struct guard_rig r;
		guard_rig_open(&r, &unknown);
		buf_init(&in, 0);
		buf_init(&now, 0);
		buf_printf(&in, "data: {\"%s\":\"jane1985doe7\"}\n\n", keys[i]);
		buf_printf(&in, "data: {\"%s\":\"@example.org\"}\n\n", keys[i]);
		guard_rig_feed(&r, buf_view(&in));
		guard_rig_end(&r);
		assert_int_equal(r.got, GUARD_PASS);
		joined(buf_view(&r.out), keys[i], &now);
		if (!span_is(buf_view(&now), "<EMAIL_ADDRESS>"))
			fail_msg("%s: %.*s", keys[i], SPAN_ARG(buf_view(&r.out)));
		buf_free(&in);
		buf_free(&now);
		guard_rig_close(&r);
	}
}

/* The first words are held for one event, whatever is beside them. Of a value that continues
 * later, the rest is found. */
static void
single_text_is_held_for_one_event(void **state)
{
	(void)state;
	struct guard_rig r;

	guard_rig_open(&r, &openai);
	guard_rig_feed(&r, SPAN_LIT("data: {\"note\":\"to jane.doe@exam\"}\n\n"));
	assert_int_equal(r.out.n, 0);
	guard_rig_feed(&r, SPAN_LIT(CHUNK("it is so. ")));
	assert_true(span_is(buf_view(&r.out),
		"data: {\"note\":\"to jane.doe@exam\"}\n\n" CHUNK("it is so. ")));
	buf_clear(&r.out);
	guard_rig_feed(&r, SPAN_LIT("data: {\"note\":\"ple.org and on. \"}\n\n" STOP));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	assert_true(span_is(
		buf_view(&r.out), "data: {\"note\":\"<EMAIL_ADDRESS> and on. \"}\n\n" STOP));
	guard_rig_close(&r);
}

/* Findings in one text are kept, whatever is beside it. A value across events has all of
 * them. */
static void
findings_alone_and_across_events_are_kept(void **state)
{
	(void)state;
	struct buf now;
	struct guard_rig r;

	guard_rig_open(&r, &unknown);
	buf_init(&now, 0);
	guard_rig_feed(&r, SPAN_LIT("data: {\"t\":\"jane@x.org\"}\n\n"
				    "data: {\"t\":\"bob@y.org\"}\n\n"
				    "data: {\"t\":\"4111 1111 1111 1111\"}\n\n"
				    "data: {\"t\":\"5555 5555 5555 4444\"}\n\n"));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	if (memmem(buf_view(&r.out).p, r.out.n, "@", 1) ||
		memmem(buf_view(&r.out).p, r.out.n, "1111", 4) ||
		memmem(buf_view(&r.out).p, r.out.n, "4444", 4))
		fail_msg("%.*s", SPAN_ARG(buf_view(&r.out)));
	buf_free(&now);
	guard_rig_close(&r);
}

/* More members than are followed: each event is inspected alone, and the report states so. */
static void
too_many_members_are_inspected_alone(void **state)
{
	(void)state;
	struct buf in;
	struct guard_rig r;

	guard_rig_open(&r, &unknown);
	buf_init(&in, 0);
	for (int event = 0; event < 2; event++) {
		buf_str(&in, "data: {\"a\":1");
		for (int i = 0; i < 600; i++)
			buf_printf(&in, ",\"m%d\":\"to jane@x.org %d\"", i, event);
		buf_str(&in, "}\n\n");
	}
	guard_rig_feed(&r, buf_view(&in));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	assert_null(memmem(buf_view(&r.out).p, r.out.n, "jane", 4));
	assert_true(guard_report(r.g)->apart_bytes > 0);
	buf_free(&in);
	guard_rig_close(&r);
}

/* Held events are limited in memory, and a long text is processed in its own memory. */
static void
held_events_are_limited(void **state)
{
	(void)state;
	struct buf in;
	struct guard_rig r;

	guard_rig_open(&r, &openai);
	buf_init(&in, 0);
	buf_str(&in, "data: {\"t\":\"a note \",\"more\":\"");
	for (int i = 0; i < 20000; i++)
		buf_str(&in, "x y ");
	buf_str(&in, "to jane@\"}\n\ndata: {\"more\":\"example.org\"}\n\n");
	guard_rig_feed(&r, buf_view(&in));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	assert_true(r.out.n > 80000);
	buf_free(&in);
	guard_rig_close(&r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_across_two_blocks_is_replaced_beside_other_text),
		cmocka_unit_test(new_event_in_the_middle_of_a_value_does_not_end_it),
		cmocka_unit_test(value_across_many_blocks_is_replaced),
		cmocka_unit_test(surrogate_half_does_not_end_a_value),
		cmocka_unit_test(values_across_blocks_are_replaced_in_their_copies),
		cmocka_unit_test(value_across_too_many_blocks_is_uninspected),
		cmocka_unit_test(blocks_wait_only_for_their_own_text),
		cmocka_unit_test(whole_and_streamed_responses_are_equal),
		cmocka_unit_test(value_across_events_is_found),
		cmocka_unit_test(plain_text_with_numbers_is_inspected),
		cmocka_unit_test(value_across_events_is_denied),
		cmocka_unit_test(content_that_is_no_text_is_unchanged),
		cmocka_unit_test(words_are_held_for_one_event),
		cmocka_unit_test(value_that_begins_its_member_is_found),
		cmocka_unit_test(single_text_is_held_for_one_event),
		cmocka_unit_test(findings_alone_and_across_events_are_kept),
		cmocka_unit_test(too_many_members_are_inspected_alone),
		cmocka_unit_test(held_events_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
