/* Every item on which a client acts is a call with a name and arguments. The call is unchanged,
 * denied by its name or content, or redacted, whole and streamed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "support/answer_fix.h"

/* "%" in `item` stands for a text of its arguments. */
static const struct kind {
	const char *name;      /* the name that rules use */
	const char *arguments; /* the rule's expression for this text */
	const char *item, *type;
} kinds[] = {
	{ "f", "tool.arguments.x == \"%\"",
		"{\"type\":\"function_call\",\"id\":\"i\",\"call_id\":\"c\",\"name\":\"f\","
		"\"arguments\":\"{\\\"x\\\":\\\"%\\\"}\"}",
		"function_call" },
	{ "f", NULL,
		"{\"type\":\"custom_tool_call\",\"id\":\"i\",\"call_id\":\"c\",\"name\":\"f\","
		"\"input\":\"%\"}",
		"custom_tool_call" },
	{ "f", "tool.arguments.x == \"%\"",
		"{\"type\":\"mcp_approval_request\",\"id\":\"i\",\"server_label\":\"s\","
		"\"name\":\"f\",\"arguments\":\"{\\\"x\\\":\\\"%\\\"}\"}",
		"mcp_approval_request" },
	{ "local_shell", "tool.arguments.command.exists(c, c == \"%\")",
		"{\"type\":\"local_shell_call\",\"id\":\"i\",\"call_id\":\"c\",\"status\":"
		"\"completed\",\"action\":{\"type\":\"exec\",\"command\":[\"ls\",\"%\"],"
		"\"env\":{}"
		"}}",
		"local_shell_call" },
	{ "shell", "tool.arguments.commands.exists(c, c == \"%\")",
		"{\"type\":\"shell_call\",\"id\":\"i\",\"call_id\":\"c\",\"action\":{"
		"\"commands\":"
		"[\"%\"],\"timeout_ms\":1}}",
		"shell_call" },
	{ "apply_patch", "tool.arguments.path == \"%\"",
		"{\"type\":\"apply_patch_call\",\"id\":\"i\",\"call_id\":\"c\",\"operation\":{"
		"\"type\":\"delete_file\",\"path\":\"%\"}}",
		"apply_patch_call" },
	{ "computer", "tool.arguments.text == \"%\"",
		"{\"type\":\"computer_call\",\"id\":\"i\",\"call_id\":\"c\",\"action\":{"
		"\"type\":"
		"\"type\",\"text\":\"%\"}}",
		"computer_call" },
	{ "computer_use_preview", "tool.arguments[0].text == \"%\"",
		"{\"type\":\"computer_call\",\"id\":\"i\",\"call_id\":\"c\",\"actions\":[{"
		"\"type\":"
		"\"type\",\"text\":\"%\"}]}",
		"computer_call" },
	{ "tool_search", "tool.arguments.q == \"%\"",
		"{\"type\":\"tool_search_call\",\"id\":\"i\",\"call_id\":\"c\",\"execution\":"
		"\"client\",\"arguments\":{\"q\":\"%\"}}",
		"tool_search_call" },
	{ "of_tomorrow", "tool.arguments.go == \"%\"",
		"{\"type\":\"of_tomorrow_call\",\"id\":\"i\",\"call_id\":\"c\",\"go\":\"%\"}",
		"of_tomorrow_call" },
};
/* A tool that the provider has run is no call; its item is text. */
static const char *const others[] = {
	"{\"type\":\"web_search_call\",\"id\":\"i\",\"status\":\"completed\",\"action\":{"
	"\"type\":\"search\",\"query\":\"x\"}}",
	"{\"type\":\"tool_search_call\",\"id\":\"i\",\"execution\":\"server\",\"arguments\":{"
	"\"q\":\"x\"}}",
};

enum way { WHOLE, STREAM, ENDS, WAYS }; /* ENDS: only the last event contains it */

static void
with(const char *template, const char *text, struct buf *out)
{
	for (; *template; template ++)
		if (*template == '%')
			buf_str(out, text);
		else
			buf_putc(out, *template);
}

static void
answer_of(const char *item, enum way way, struct buf *out)
{
	if (way == WHOLE) {
		buf_printf(out,
			"{\"id\":\"r\",\"status\":\"completed\",\"store\":false,\"output\":[%s]"
			"}",
			item);
		return;
	}
	buf_str(out, "data: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{"
		     "\"store\":false,\"output\":[]}}\n\n");
	if (way == STREAM) {
		buf_printf(out,
			"data: {\"type\":\"response.output_item.added\",\"sequence_number\":1,"
			"\"output_index\":0,\"item\":%s}\n\n"
			"data: {\"type\":\"response.some_call.progress\",\"sequence_number\":2,"
			"\"output_index\":0}\n\n"
			"data: {\"type\":\"response.output_item.done\",\"sequence_number\":3,"
			"\"output_index\":0,\"item\":%s}\n\n",
			item, item);
	}
	buf_printf(out,
		"data: {\"type\":\"response.completed\",\"sequence_number\":4,\"response\":{"
		"\"id\":\"r\",\"store\":false,\"output\":[%s]}}\n\n",
		item);
}

static enum guard_result
run(const char *rules, const char *dialect, const char *path, bool stream, struct span in,
	struct buf *out)
{
	struct answer_case c = { "", rules, dialect, path,
		stream ? "text/event-stream" : "application/json", "", "" };
	enum guard_result got;
	struct guard_rig r;

	guard_rig_open(&r, &c);
	guard_rig_feed(&r, in);
	guard_rig_end(&r);
	got = r.got;
	buf_span(out, buf_view(&r.out));
	guard_rig_close(&r);
	return got;
}

static bool
has(const struct buf *b, const char *word)
{
	return memmem(b->p, b->n, word, strlen(word)) != NULL;
}

/* `gone`: a text that must be missing in the output; NULL: the output is unchanged. */
static void
expect(const struct kind *k, enum way way, const char *rules, const char *text,
	const char *gone, const char *there)
{
	struct buf item, in, out;
	char type[64];

	buf_init(&item, 0);
	buf_init(&in, 0);
	buf_init(&out, 0);
	with(k->item, text, &item);
	buf_putc(&item, '\0');
	answer_of(item.p, way, &in);
	enum guard_result got =
		run(rules, "openai", "/v1/responses", way != WHOLE, buf_view(&in), &out);
	snprintf(type, sizeof(type), "\"%s\"", k->type);
	bool ok = !got && (gone ? !has(&out, gone) && (!there || has(&out, there))
				: span_eq(buf_view(&in), buf_view(&out)));
	if (!ok)
		fail_msg("%s, %d, %s: %d\n%.*s", type, way, rules, got,
			SPAN_ARG(buf_view(&out)));
	buf_free(&item);
	buf_free(&in);
	buf_free(&out);
}

static void
call_is_unchanged_denied_or_redacted(void **state)
{
	char rules[512], type[64];
	struct buf when;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		for (enum way way = WHOLE; way < WAYS; way++) {
			const struct kind *k = &kinds[i];
			snprintf(type, sizeof(type), "\"%s\"", k->type);
			snprintf(rules, sizeof(rules),
				"rules: [{name: a, phase: tool, when: 'tool.name == \"%s\"', "
				"deny: "
				"true}]\n",
				k->name);
			expect(k, way, rules, "x", type, "was denied");
			expect(k, way,
				"rules: [{name: a, phase: tool, when: 'tool.name == \"g\"', "
				"deny: "
				"true}]\n",
				"x", NULL, NULL);
			expect(k, way,
				"rules: [{name: a, phase: tool, redact: {classes: [pii]}}]\n",
				MAIL, MAIL, type);
			if (!k->arguments)
				continue;
			buf_init(&when, 0);
			with(k->arguments, "bad", &when);
			snprintf(rules, sizeof(rules),
				"rules: [{name: a, phase: tool, when: '%.*s', deny: true}]\n",
				SPAN_ARG(buf_view(&when)));
			buf_free(&when);
			expect(k, way, rules, "bad", type, "was denied");
			expect(k, way, rules, "good", NULL, NULL);
		}
}

static void
tool_run_by_the_provider_is_no_call(void **state)
{
	static const char rules[] = "rules: [{name: a, phase: tool, deny: true}]\n";

	(void)state;
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		struct kind k = { "", NULL, others[i], "" };
		for (enum way way = WHOLE; way < WAYS; way++)
			expect(&k, way, rules, "", NULL, NULL);
	}
}

/* A call whose copy has another name or another kind. */
static void
copies_of_a_call_must_agree(void **state)
{
	static const char *const again[] = {
		"{\"type\":\"shell_call\",\"call_id\":\"c\",\"action\":{\"commands\":[\"rm\"]}"
		"}",
		"{\"type\":\"local_shell_call\",\"call_id\":\"c\",\"action\":{\"commands\":["
		"\"ls\"]"
		"}}",
		"{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"shell\","
		"\"arguments\":"
		"\"{}\"}",
	};
	struct buf in, out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(again); i++) {
		buf_init(&in, 0);
		buf_init(&out, 0);
		answer_of(again[i], ENDS, &in);
		struct span end =
			span_cut(buf_view(&in), span_chr(buf_view(&in), '\n') + 2, in.n);
		struct buf all;
		buf_init(&all, 0);
		buf_str(&all,
			"data: {\"type\":\"response.created\",\"response\":{\"store\":false,"
			"\"output\":[]}}\n\n"
			"data: "
			"{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{"
			"\"type\":\"shell_call\",\"call_id\":\"c\",\"action\":{\"commands\":["
			"\"ls\"]}}}\n\n");
		buf_span(&all, end);
		assert_int_equal(run("rules: [{name: a, phase: tool, when: "
				     "'tool.arguments.commands[0] == \"rm\"', deny: true}]\n",
					 "openai", "/v1/responses", true, buf_view(&all), &out),
			GUARD_BROKEN);
		buf_free(&all);
		buf_free(&in);
		buf_free(&out);
	}
}

static void
code_written_by_gemini_is_a_call(void **state)
{
	static const char rules[] =
		"rules: [{name: a, phase: tool, when: 'tool.name == \"%s\" && "
		"tool.arguments.code.contains(\"rm\")', deny: true}]\n";
	static const char *const names[] = { "code_execution", "codeExecution" };
	static const char *const members[] = { "executableCode", "executable_code" };
	struct buf in, out;
	char text[256];

	(void)state;
	for (size_t i = 0; i < 16; i++) {
		const char *code = i & 1 ? "rm -r" : "ls";
		bool stream = i & 2;
		buf_init(&in, 0);
		buf_init(&out, 0);
		buf_printf(&in,
			"%s{\"candidates\":[{\"content\":{\"parts\":[{\"%s\":{\"language\":"
			"\"PYTHON\",\"code\":\"%s\"}}]},\"finishReason\":\"STOP\"}]}%s",
			stream ? "data: " : "", members[i >> 2 & 1], code,
			stream ? "\n\n" : "");
		snprintf(text, sizeof(text), rules, names[i >> 3]);
		assert_int_equal(run(text, "gemini",
					 stream ? "/v1beta/models/g:streamGenerateContent"
						: "/v1beta/models/g:generateContent",
					 stream, buf_view(&in), &out),
			GUARD_PASS);
		assert_int_equal(has(&out, members[i >> 2 & 1]), !(i & 1));
		assert_int_equal(has(&out, "was denied"), i & 1);
		buf_free(&in);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_is_unchanged_denied_or_redacted),
		cmocka_unit_test(tool_run_by_the_provider_is_no_call),
		cmocka_unit_test(copies_of_a_call_must_agree),
		cmocka_unit_test(code_written_by_gemini_is_a_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
