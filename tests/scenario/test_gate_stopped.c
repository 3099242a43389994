/* The charge for a stream that is stopped before its end: the part that was seen, a bound on the
 * tokens that the model may have generated unseen, or the reservation. */
#include "scenario/gate_stage.h"
#include "scenario/relay_policy.h"
#include "answer/guard/guard.h"

#define STOPPED                                                                                \
	"providers:\n"                                                                         \
	"  openai: {dialect: openai, backend: openai}\n"                                       \
	"  other: {dialect: openai, backend: openai, bills_after_close: true}\n"               \
	"  anthropic: {dialect: anthropic, backend: anthropic}\n"                              \
	"  mistral: {dialect: mistral, backend: local}\n"                                      \
	"  ends: {dialect: mistral, backend: local, bills_after_close: false}\n"               \
	"routes:\n"                                                                            \
	"  - {name: on, match: {path: /v1/chat/completions, host: on.test}, targets: "   \
	"[other], response: [meter], reserve: estimate}\n"                                     \
	"  - {name: mistral, match: {path: /v1/chat/completions, host: mistral.test}, "  \
	"targets: [mistral], response: [meter], reserve: estimate}\n"                          \
	"  - {name: ends, match: {path: /v1/chat/completions, host: ends.test}, "        \
	"targets: [ends], response: [meter], reserve: estimate}\n"                             \
	"  - {name: chat, match: {path: /v1/chat/completions}, targets: [openai], response: "  \
	"[meter], reserve: estimate}\n"                                                        \
	"  - {name: messages, match: {path: /v1/messages}, targets: [anthropic], response: "   \
	"[meter], reserve: estimate}\n" RULES                                                  \
	"limits:\n  - {name: tokens, per: [identity.person], tokens: 1000000, window: 1m}\n"   \
	"output_default: 9000\n"

#define ASK(model, more)                                                                       \
	"{\"model\":\"" model "\"," more "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define STREAM "\"stream\":true,"
#define CAP    "\"max_tokens\":32000,"
#define TEXT(t)                                                                                \
	"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" t "\"}}]}\n\n"
#define BEGINS(input)                                                                          \
	"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\","   \
	"\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"x\","         \
	"\"usage\":{" input ",\"output_tokens\":1}}}\n\n"                                      \
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"     \
	"\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"                             \
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"     \
	"\"delta\":{\"type\":\"text_delta\",\"text\":\"ten words\"}}\n\n"

enum { WHOLE = -1 }; /* the output is the whole reservation */

static const struct row {
	const char *name, *path, *to, *body;
	const char *answer; /* the bytes that arrived; NULL: none, not even a head */
	uint64_t ms;	    /* between the request and the end */
	enum exchange_end end;
	int64_t out;   /* output tokens charged */
	int64_t input; /* input tokens charged; 0: the reserved input */
} rows[] = {
	{ "a model that reasons: what was seen, and 400 tokens a second", CHAT, NULL,
		ASK("o9-new", STREAM CAP), TEXT("ten words"), 2000, END_CLIENT_ABORT,
		9 + 800 + 1, 0 },
	{ "the caller leaves before the head: the time alone", CHAT, NULL,
		ASK("o9-new", STREAM CAP), NULL, 3000, END_CLIENT_ABORT, 1200 + 1, 0 },
	{ "a rule denies the stream", CHAT, NULL, ASK("o9-new", STREAM CAP), TEXT("ten words"),
		1000, END_ANSWER_DENIED, 9 + 400 + 1, 0 },
	{ "never more than the cap", CHAT, NULL, ASK("o9-new", STREAM CAP), TEXT("ten words"),
		100000, END_CLIENT_ABORT, 32000, 0 },
	{ "without a cap never more than the reservation", CHAT, NULL, ASK("o9-new", STREAM),
		TEXT("ten words"), 100000, END_CLIENT_ABORT, 9000, 0 },
	{ "each choice is generated at that rate", CHAT, NULL,
		ASK("o9-new", STREAM CAP "\"n\":3,"), TEXT("ten words"), 1000, END_CLIENT_ABORT,
		9 + 1200 + 1, 0 },
	{ "a model with a rate of its own", CHAT, NULL, ASK("gpt-oss-120b", STREAM CAP),
		TEXT("ten words"), 1000, END_CLIENT_ABORT, 9 + 4000 + 1, 0 },
	{ "a model that does not reason: what was seen", CHAT, NULL, ASK("gpt-4.1", STREAM CAP),
		TEXT("ten words"), 2000, END_CLIENT_ABORT, 9, 0 },
	{ "not a stream: the provider does not stop", CHAT, NULL, ASK("o9-new", CAP), NULL,
		2000, END_CLIENT_ABORT, WHOLE, 0 },
	{ "a stream that the provider breaks off", CHAT, NULL, ASK("o9-new", STREAM CAP),
		TEXT("ten words"), 2000, END_PROVIDER_ABORT, WHOLE, 0 },
	{ "a stream that ends without usage", CHAT, NULL, ASK("o9-new", STREAM CAP),
		TEXT("ten words") "data: [DONE]\n\n", 2000, END_COMPLETE, WHOLE, 0 },
	{ "a provider that bills on", CHAT, "host: on.test", ASK("gpt-4.1", STREAM CAP),
		TEXT("ten words"), 2000, END_CLIENT_ABORT, WHOLE, 0 },
	{ "a dialect whose services bill on", CHAT, "host: mistral.test",
		ASK("mistral-large", STREAM CAP), TEXT("ten words"), 2000, END_CLIENT_ABORT,
		WHOLE, 0 },
	{ "a service of that dialect that stops", CHAT, "host: ends.test",
		ASK("mistral-think", STREAM CAP), TEXT("ten words"), 2000, END_CLIENT_ABORT,
		9 + 800 + 1, 0 },
	{ "the first event states the input", "/v1/messages", NULL,
		ASK("claude-opus-5", STREAM CAP), BEGINS("\"input_tokens\":3"), 500,
		END_CLIENT_ABORT, 9 + 200 + 1, 3 },
	{ "the first event states more than was reserved", "/v1/messages", NULL,
		ASK("claude-opus-5", STREAM CAP),
		BEGINS("\"input_tokens\":70,\"cache_read_input_tokens\":900"), 500,
		END_CLIENT_ABORT, 9 + 200 + 1, 970 },
	{ "a stated input of 0 is ignored", "/v1/messages", NULL,
		ASK("claude-opus-5", STREAM CAP), BEGINS("\"input_tokens\":0"), 500,
		END_CLIENT_ABORT, 9 + 200 + 1, 0 },
};

static int64_t
recorded(const char *kind, const char *member)
{
	char path[64];

	snprintf(path, sizeof(path), "%s.%s", kind, member);
	return strtoll(stage_field(disk_records - 1, path), NULL, 10);
}

static void
stopped_stream_is_charged_what_it_can_have_used(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		struct note n = { .person = "alice", .path = row->path, .body = row->body };
		struct exchange_result res = { .end = row->end };
		struct stage s;
		struct call c;
		struct pass p;
		struct guard *g;
		struct buf out;

		n.headers[0] = row->to;
		n.no_host = row->to;
		stage_up(&s, STOPPED);
		call_do(&s, &n, &c);
		int64_t all = stage_charged(&s, "tokens", "alice");
		int64_t cap = strstr(row->body, "max_tokens") ? 32000 : 9000;
		if (strstr(row->body, "\"n\":3"))
			cap *= 3;
		int64_t input = all - cap;
		if (input < 1 || input > 400)
			fail_msg("%s: %lld reserved", row->name, (long long)all);
		assert_int_equal(pass_claim(&s, 0, &p, &c, (int64_t)strlen(row->body)), 0);
		gate_sent(p.x);
		buf_init(&out, 0);
		if (row->answer) {
			const struct guard_head head = { .status = 200,
				.content_type = SPAN_LIT("text/event-stream") };
			assert_int_equal(gate_answer(p.x, &head, &g), 0);
			guard_feed(g, span_str(row->answer), &out);
			if (row->end == END_COMPLETE)
				guard_end(g, &out);
			res.status = 200;
			res.output_begun = true;
			res.usage = guard_report(g)->usage;
		}
		buf_free(&out);
		fake_pass_us(row->ms * 1000);
		gate_finish(p.x, &res, pass_done, &p);
		stage_settle(&s);
		assert_true(p.done);
		const char *kind = row->out == WHOLE ? "reserved_usage" : "estimated_usage";
		int64_t want = (row->input ? row->input : input) +
			       (row->out == WHOLE ? cap : row->out);
		int64_t got = recorded(kind, "input_tokens") + recorded(kind, "output_tokens");
		/* the limit's window is a minute: after that, only the record has the charge */
		bool counted = row->ms >= 60000 || stage_charged(&s, "tokens", "alice") == want;
		if (got != want || !counted)
			fail_msg("%s: %lld tokens, want %lld", row->name, (long long)got,
				(long long)want);
		stage_down(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stopped_stream_is_charged_what_it_can_have_used),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
