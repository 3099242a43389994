/* Responses of Gemini Live: each message is an event. The event of a call is unchanged or not
 * forwarded. Texts are read as one until their turn is complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/scoped.h"
#include "support/answer_fix.h"

#define LIVE_PATH                                                                              \
	"/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
#define LIVE_RULES                                                                             \
	"rules: [{name: a, phase: tool, when: 'tool.name == \"wipe\" || (tool.name == "        \
	"\"pay\" && tool.arguments.amount > 100)', deny: true}, {name: b, phase: response, "   \
	"when: '\"US_SSN\" in response.entities', deny: {reason: no numbers}}]\n"

enum { LIVE_EVENTS = 6 };

/* clang-format off */
#define CALLED(name, args) "{\"id\":\"1\",\"name\":\"" name "\",\"args\":" args "}"
#define TOOLS(calls) "{\"toolCall\":{\"functionCalls\":[" calls "]}}"
#define LIVE_TEXT(text) "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"" text "\"}]}}"
#define USED ",\"usageMetadata\":{\"promptTokenCount\":10,\"responseTokenCount\":10,\"totalTokenCount\":20}}"
#define IS_OVER "{\"serverContent\":{\"turnComplete\":true}"

static const struct {
	const char *name, *events[LIVE_EVENTS];
	size_t goes;   /* number of events that are forwarded unchanged before the next one is read */
	bool denied;   /* the next event denies the response; else all are forwarded */
	bool in_text;  /* denied by a number across several events; earlier events may be forwarded */
} sessions[] = {
	{ "a call that is permitted", { TOOLS(CALLED("find", "{\"a\":1}")) }, 1, false, false },
	{ "two, and two", { TOOLS(CALLED("find", "{}") "," CALLED("pay", "{\"amount\": 5}")), TOOLS(CALLED("find", "{}")) }, 2, false, false },
	{ "one with its usage", { "{\"toolCall\":{\"functionCalls\":[" CALLED("find", "{}") "]}" USED }, 1, false, false },
	{ "of a part", { "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"functionCall\":" CALLED("find", "{}") "}]}}}" }, 1, false, false },
	{ "a call that is denied", { TOOLS(CALLED("wipe", "{}")) }, 0, true, false },
	{ "without arguments", { "{\"toolCall\":{\"functionCalls\":[{\"name\":\"wipe\"}]}}" }, 0, true, false },
	{ "by its arguments", { TOOLS(CALLED("pay", "{\"amount\":5000}")) }, 0, true, false },
	{ "the second of two", { TOOLS(CALLED("find", "{}") "," CALLED("wipe", "{}")) }, 0, true, false },
	{ "the first of two", { TOOLS(CALLED("wipe", "{}") "," CALLED("find", "{}")) }, 0, true, false },
	{ "after one that was permitted", { TOOLS(CALLED("find", "{}")), TOOLS(CALLED("wipe", "{}")) }, 1, true, false },
	{ "in the other spelling", { "{\"tool_call\":{\"function_calls\":[" CALLED("wipe", "{}") "]}}" }, 0, true, false },
	{ "in one of each", { "{\"toolCall\":{\"function_calls\":[" CALLED("wipe", "{}") "]}}" }, 0, true, false },
	{ "in the other one of each", { "{\"tool_call\":{\"functionCalls\":[" CALLED("wipe", "{}") "]}}" }, 0, true, false },
	{ "in a part", { "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"x\"},{\"functionCall\":" CALLED("wipe", "{}") "}]}}}" }, 0, true, false },
	{ "in a part, in the other spelling", { "{\"server_content\":{\"model_turn\":{\"parts\":[{\"function_call\":" CALLED("wipe", "{}") "}]}}}" }, 0, true, false },
	{ "in a part, in one of each", { "{\"serverContent\":{\"model_turn\":{\"parts\":[{\"functionCall\":" CALLED("wipe", "{}") "}]}}}" }, 0, true, false },
	{ "next to a text", { "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"x\"}]}},\"toolCall\":{\"functionCalls\":[" CALLED("wipe", "{}") "]}}" }, 0, true, false },
	{ "text of a turn is forwarded with its end", { LIVE_TEXT("hello ") "}", LIVE_TEXT("there") "}", IS_OVER "}" }, 3, false, false },
	{ "usage ends none", { LIVE_TEXT("my number is 536-90") USED, LIVE_TEXT("-4399 of social security") USED, IS_OVER USED }, 0, true, true },
	{ "nor does it alone", { LIVE_TEXT("my number is 536-90") "}", "{\"usageMetadata\":{\"totalTokenCount\":1}}", LIVE_TEXT("-4399 of social security") "}", IS_OVER USED }, 0, true, true },
};
/* clang-format on */

static void
live_events_are_unchanged_or_denied(void **state)
{
	static const struct answer_case as = { "", LIVE_RULES, "gemini", LIVE_PATH,
		"text/event-stream", "", "" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sessions); i++) {
		SCOPED_BUF(want, 0);
		struct guard_rig r;
		bool early = true;

		guard_rig_open(&r, &as);
		for (size_t k = 0; k < LIVE_EVENTS && sessions[i].events[k]; k++) {
			SCOPED_BUF(event, 0);
			buf_printf(&event, "data: %s\n\n", sessions[i].events[k]);
			early &= k != sessions[i].goes ||
				 span_eq(buf_view(&want), buf_view(&r.out));
			if (k < sessions[i].goes)
				buf_span(&want, buf_view(&event));
			guard_rig_feed(&r, buf_view(&event));
		}
		bool at_once = !sessions[i].denied || r.got == GUARD_DENIED;
		if (!sessions[i].denied)
			early &= span_eq(buf_view(&want), buf_view(&r.out));
		guard_rig_end(&r);
		bool same = sessions[i].in_text ? !memmem(r.out.p, r.out.n, "536", 3)
						: span_eq(buf_view(&want), buf_view(&r.out));
		if (!early || !at_once || !same ||
			(r.got == GUARD_DENIED) != sessions[i].denied)
			fail_msg("%s: %d (%d %d)\n%.*s", sessions[i].name, r.got, early,
				at_once, SPAN_ARG(buf_view(&r.out)));
		guard_rig_close(&r);
	}
}

/* The last count of a turn includes the earlier ones. */
static void
usage_of_a_live_turn_is_counted_once(void **state)
{
	static const struct answer_case as = { "", LIVE_RULES, "gemini", LIVE_PATH,
		"text/event-stream", "", "" };
	struct guard_rig r;

	(void)state;
	guard_rig_open(&r, &as);
	guard_rig_feed(&r, SPAN_LIT("data: " LIVE_TEXT("a ") USED "\n\n"));
	guard_rig_feed(&r,
		SPAN_LIT("data: " IS_OVER
			 ",\"usageMetadata\":{\"promptTokenCount\":20,\"responseTokenCount\":"
			 "20,\"totalTokenCount\":40}}\n\n"));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	struct usage u = guard_usage(r.g);
	assert_int_equal(u.input_tokens, 20);
	assert_int_equal(u.output_tokens, 20);
	guard_rig_close(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_events_are_unchanged_or_denied),
		cmocka_unit_test(usage_of_a_live_turn_is_counted_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
