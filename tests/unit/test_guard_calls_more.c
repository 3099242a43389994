/* Other effects on a response from which rules with phase: tool remove a call: reports and
 * counters, limits, placeholders, and frames around frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "answer/frames.h"
#include "answer/vault.h"
#include "base/caps.h"
#include "support/answer_fix.h"

#define RULES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: no-rm, phase: tool, when: 'tool.name == \"rm\"', deny: {reason: not "      \
	"here}, tag: [seen]}\n"                                                                \
	"  - {name: small, phase: tool, when: 'tool.name == \"pay\" && "                       \
	"tool.arguments.amount > 100', deny: {reason: too much}}\n"                            \
	"  - {name: mail, phase: tool, when: 'tool.name == \"send\"', redact: {classes: "      \
	"[pii]}}\n"                                                                            \
	"  - {name: never, phase: response, when: 'response.tool_calls.exists(c, c.name == "   \
	"\"rm\")', deny: "                                                                     \
	"true}\n"
#define RM "The call of the tool rm was denied: not here"

#define SSE "text/event-stream"
#define DELTA(delta)                                                                           \
	"data: {\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":null}]}\n\n"
#define CALL(index, name, args)                                                                \
	DELTA("\"tool_calls\":[{\"index\":" index                                              \
	      ",\"id\":\"i\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" args        \
	      "\"}}]")
#define END                                                                                    \
	"data: "                                                                               \
	"{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"
#define USAGE                                                                                  \
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,"       \
	"\"total_tokens\":18}}\n\n"
#define DONE "data: [DONE]\n\n"

static const struct answer_case chat = { "chat", RULES, "openai", "/v1/chat/completions", SSE,
	"", "" };

static void
removed_calls_are_counted_and_reported(void **state)
{
	struct guard_rig r;

	(void)state;
	guard_rig_open(&r, &chat);
	guard_rig_feed(
		&r, SPAN_LIT(CALL("0", "rm", "{}") CALL("1", "list", "{}") END USAGE DONE));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	const struct guard_report *a = guard_report(r.g);
	struct usage u = guard_usage(r.g);
	assert_true(u.known);
	assert_int_equal(u.input_tokens, 11);
	assert_int_equal(u.output_tokens, 7);
	assert_string_equal(a->finish, "tool_calls");
	assert_true(a->content && a->ended);
	assert_int_equal(a->ntools, 2);
	assert_int_equal(a->ncalled, 2);
	assert_string_equal(a->called[0].name, "rm");
	assert_int_equal(a->called[0].ruled.effect, RULE_DENY);
	assert_string_equal(a->called[0].ruled.rule->name, "no-rm");
	assert_string_equal(a->called[1].name, "list");
	assert_int_equal(a->called[1].ruled.effect, RULE_PERMIT);
	assert_int_equal(a->sum.ruled.effect, RULE_REDACT);
	assert_string_equal(a->sum.ruled.rule->name, "no-rm");
	assert_int_equal(a->sum.ruled.ntags, 1);
	/* response rules read the remaining response */
	assert_int_equal(a->verdict.ruled.effect, RULE_PERMIT);
	guard_rig_close(&r);
}

/* The relay must not take a held response for silence. */
static void
held_calls_count_as_content(void **state)
{
	struct guard_rig r;

	(void)state;
	guard_rig_open(&r, &chat);
	guard_rig_feed(&r, SPAN_LIT(CALL("0", "list", "{")));
	assert_int_equal(r.out.n, 0);
	assert_true(guard_report(r.g)->content);
	assert_true(guard_held(r.g) >= strlen(CALL("0", "list", "{")));
	assert_false(guard_is_long(r.g, 1));
	for (unsigned i = 0; i < 64; i++)
		guard_rig_feed(&r, SPAN_LIT(CALL("0", "list", " ")));
	/* all of it may be forwarded with the next byte */
	assert_int_equal(r.out.n, 0);
	assert_true(guard_is_long(r.g, 1));
	guard_rig_close(&r);
}

static enum guard_result
long_call(const char *name, size_t pieces, const char *piece, struct buf *in, struct buf *out)
{
	struct guard_rig r;

	buf_clear(in);
	buf_printf(in, CALL("0", "%s", "{\\\"x\\\":\\\""), name);
	for (size_t i = 0; i < pieces; i++)
		buf_printf(in,
			DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
			      "\"%s\"}}]"),
			piece);
	buf_str(in, DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
			  "\"\\\"}\"}}]") END DONE);
	guard_rig_open(&r, &chat);
	guard_rig_feed(&r, buf_view(in));
	guard_rig_end(&r);
	buf_clear(out);
	buf_span(out, buf_view(&r.out));
	enum guard_result got = r.got;
	guard_rig_close(&r);
	return got;
}

static size_t
dots(const struct buf *b)
{
	struct span s = buf_view(b);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '.';
	return n;
}

static void
long_calls_are_limited(void **state)
{
	char piece[1025];
	struct buf in, out;

	(void)state;
	memset(piece, '.', sizeof(piece) - 1);
	piece[sizeof(piece) - 1] = '\0';
	buf_init(&in, 0);
	buf_init(&out, 0);
	assert_int_equal(long_call("list", 80, piece, &in, &out), GUARD_PASS);
	assert_int_equal(dots(&in), dots(&out));
	/* the arguments contain no amount */
	assert_int_equal(long_call("pay", 80, piece, &in, &out), GUARD_PASS);
	assert_non_null(memmem(out.p, out.n, "evaluated", 9));
	assert_null(memmem(out.p, out.n, "tool_calls", 10));
	/* text that waits behind the call is limited */
	assert_int_equal(
		long_call("list", CAP_CALL_ARGUMENTS / sizeof(piece) + 8, piece, &in, &out),
		GUARD_UNREAD);
	assert_int_equal(out.n, 0);
	buf_free(&in);
	buf_free(&out);
}

static void
number_of_calls_is_limited(void **state)
{
	struct guard_rig r;
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	for (unsigned i = 0; i < CAP_CALLS + 1; i++)
		buf_printf(&in, CALL("%u", "rm", "{}"), i);
	guard_rig_open(&r, &chat);
	guard_rig_feed(&r, buf_view(&in));
	assert_int_equal(r.got, GUARD_UNREAD);
	guard_rig_close(&r);
	buf_free(&in);
}

/* Events between the pieces of a call wait for its end. */
static void
events_that_wait_for_a_call_are_limited(void **state)
{
	struct guard_rig r;
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	buf_str(&in, "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"");
	for (unsigned i = 0; i < 1 << 20; i++)
		buf_putc(&in, '.');
	buf_str(&in, "\"}}]}\n\n");
	guard_rig_open(&r, &chat);
	guard_rig_feed(&r, SPAN_LIT(CALL("0", "list", "{")));
	/* a third of the limit is accepted, the whole is not, because each event needs further
	 * memory */
	for (size_t i = 0; i < CAP_CALLS_HELD / 3 / in.n; i++)
		guard_rig_feed(&r, buf_view(&in));
	assert_int_equal(r.got, GUARD_PASS);
	for (size_t i = 0; i < CAP_CALLS_HELD / in.n; i++)
		guard_rig_feed(&r, buf_view(&in));
	assert_int_equal(r.got, GUARD_UNREAD);
	assert_int_equal(r.out.n, 0);
	guard_rig_close(&r);
	buf_free(&in);
}

static void
number_of_choices_is_limited(void **state)
{
	struct guard_rig r;
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	guard_rig_open(&r, &chat);
	for (unsigned i = 0; i <= 128; i++) {
		assert_int_equal(r.got, GUARD_PASS);
		buf_clear(&in);
		buf_printf(&in, "data: {\"choices\":[{\"index\":%u,\"delta\":{}}]}\n\n", i);
		guard_rig_feed(&r, buf_view(&in));
	}
	assert_int_equal(r.got, GUARD_UNREAD);
	guard_rig_close(&r);
	buf_free(&in);
}

static void
placeholders_are_restored_in_permitted_calls(void **state)
{
	struct vault *v = vault_new();
	struct guard_rig r;

	(void)state;
	assert_int_equal(
		vault_add(v, SPAN_LIT("<EMAIL_ADDRESS_1>"), SPAN_LIT("jane@x.org")), 0);
	guard_rig_load(&r, &chat);
	r.plan.vault = v;
	guard_rig_begin(&r, &chat);
	guard_rig_feed(
		&r, SPAN_LIT(CALL("0", "rm", "{\\\"to\\\":\\\"<EMAIL_ADDRESS_1>\\\"}") CALL(
			    "1", "list", "{\\\"to\\\":\\\"<EMAIL_ADDRESS_1>\\\"}") END DONE));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	assert_true(span_is(buf_view(&r.out),
		DELTA("\"content\":\"The call of the tool rm was denied: not \"")
			DELTA("\"content\":\"here\"")
				CALL("0", "list", "{\\\"to\\\":\\\"jane@x.org\\\"}") END DONE));
	guard_rig_close(&r);
	vault_free(&v);
}

/* Claude's events within those of AWS (InvokeModelWithResponseStream). */
static void
wrapped_frames_are_edited(void **state)
{
	static const char *const in[] = { "{\"type\":\"content_block_start\",\"index\":0,"
					  "\"content_block\":{\"type\":\"tool_use\","
					  "\"id\":\"t\",\"name\":\"rm\",\"input\":{}}}",
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_"
		"json_delta\","
		"\"partial_json\":\"{}\"}}",
		"{\"type\":\"content_block_stop\",\"index\":0}",
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}",
		"{\"type\":\"message_stop\"}" };
	static const char want[] =
		"{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
		"\"text\","
		"\"text\":\"\"}}\n"
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_"
		"delta\","
		"\"text\":\"The call of the tool rm was denied: not \"}}\n"
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_"
		"delta\","
		"\"text\":\"here\"}}\n"
		"{\"type\":\"content_block_stop\",\"index\":0}\n"
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n"
		"{\"type\":\"message_stop\"}\n";
	static const struct answer_case c = { "invoke", RULES, "bedrock",
		"/model/claude/invoke-with-response-stream", FRAMES, "", "" };
	struct frame_writer w;
	struct frames frames;
	struct frame f;
	struct guard_rig r;
	struct buf bytes, said, inner;

	(void)state;
	buf_init(&bytes, 0);
	buf_init(&said, 0);
	buf_init(&inner, 0);
	frame_writer_init(&w, FRAMES_EVENTSTREAM);
	w.wrap = true;
	for (size_t i = 0; i < COUNT_OF(in); i++)
		assert_int_equal(
			frame_write(&w, SPAN_LIT("chunk"), span_str(in[i]), &bytes), 0);
	for (size_t step = 1; step < bytes.n; step += 97) {
		guard_rig_open(&r, &c);
		for (size_t at = 0; at < bytes.n; at += step)
			guard_rig_feed(&r, span_cut(buf_view(&bytes), at, at + step));
		guard_rig_end(&r);
		assert_int_equal(r.got, GUARD_PASS);
		struct span out = buf_view(&r.out);
		frames_init(&frames, FRAMES_EVENTSTREAM, 0);
		buf_clear(&said);
		while (frames_next(&frames, &out, &f) > 0) {
			buf_clear(&inner);
			assert_true(span_is(f.type, "chunk"));
			assert_int_equal(frame_unwrap(&f, &inner), 0);
			buf_span(&said, f.data);
			buf_putc(&said, '\n');
		}
		frames_free(&frames);
		if (!span_is(buf_view(&said), want))
			fail_msg("in steps of %zu:\n%.*s", step, SPAN_ARG(buf_view(&said)));
		guard_rig_close(&r);
	}
	buf_free(&bytes);
	buf_free(&said);
	buf_free(&inner);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removed_calls_are_counted_and_reported),
		cmocka_unit_test(held_calls_count_as_content),
		cmocka_unit_test(long_calls_are_limited),
		cmocka_unit_test(number_of_calls_is_limited),
		cmocka_unit_test(events_that_wait_for_a_call_are_limited),
		cmocka_unit_test(number_of_choices_is_limited),
		cmocka_unit_test(placeholders_are_restored_in_permitted_calls),
		cmocka_unit_test(wrapped_frames_are_edited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
