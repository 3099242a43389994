/* Calls that a provider says in a way that is not its dialect's: none that a rule denies goes
 * to a client that reads it so, and none ends the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "answer/frame_write.h"
#include "support/answer_fix.h"

#define RULES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: no-rm, phase: tool, when: 'tool.name == \"rm\"', deny: true}\n"            \
	"  - {name: small, phase: tool, when: 'tool.name == \"pay\" && "                       \
	"tool.arguments.amount > 100', deny: true}\n"

#define CHAT   "openai", "/v1/chat/completions"
#define MSGS   "anthropic", "/v1/messages"
#define RESP   "openai", "/v1/responses"
#define GEM    "gemini", "/v1beta/models/g:streamGenerateContent"
#define AWS    "bedrock", "/model/m/converse-stream"
#define COHERE "cohere", "/v2/chat"
#define OLLAMA "ollama", "/api/chat"

/* Calls of `rm`, an event a line, each of which is denied and taken out. */
#define CHAT_RM                                                                                \
	"{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'id':'x','function':{"       \
	"'name':'rm','arguments':'{}'}}]},'finish_reason':'tool_calls'}]}\n"
#define MSGS_RM                                                                                \
	"{'type':'content_block_start','index':0,'content_block':{'type':'tool_use','id':'x'," \
	"'name':'rm','input':{}}}\n{'type':'content_block_stop','index':0}\n"
#define RESP_ITEM(name, arguments)                                                             \
	"{'type':'function_call','id':'fc_x','call_id':'x','name':'" name                      \
	"','arguments':'" arguments "'}"
#define RESP_RM                                                                                \
	"{'type':'response.created','response':{'store':false,'output':[]}}\n"                 \
	"{'type':'response.output_item.added','output_index':0,'item':" RESP_ITEM(             \
		"rm", "") "}\n{'type':'response.output_item.done','output_index':0,'item'"     \
			  ":" RESP_ITEM("rm", "{}") "}\n"
#define RESP_END "{'type':'response.completed','response':{'output':[]}}"
#define GEM_RM                                                                                 \
	"{'candidates':[{'content':{'parts':[{'functionCall':{'name':'rm','args':{}}}]}}]}\n"
#define AWS_RM                                                                                 \
	"{'contentBlockIndex':0,'start':{'toolUse':{'toolUseId':'x','name':'rm'}}}\n"          \
	"{'contentBlockIndex':0}\n"
#define COHERE_TOOL(name, arguments)                                                           \
	"'delta':{'message':{'tool_calls':{'id':'x','function':{'name':'" name                 \
	"','arguments':'" arguments "'}}}}"
#define COHERE_RM                                                                              \
	"{'type':'tool-call-start','index':0," COHERE_TOOL(                                    \
		"rm", "{}") "}\n{'type':'tool-call-end','index':0}\n"
#define OLLAMA_RM                                                                              \
	"{'message':{'content':'','tool_calls':[{'function':{'name':'rm','arguments':{}}}]}}"  \
	"\n"

static const struct row {
	const char *name, *dialect, *path;
	const char *in; /* ' for ", an event a line */
	enum guard_result got;
} rows[] = {
	/* ---- an error and a call in one event, after one was taken out ---- */
	{ "chat", CHAT,
		CHAT_RM "{'error':{'message':'x'},'choices':[{'index':0,'delta':{"
			"'tool_calls':[{'index':1,'id':'y','function':{'name':'rm','arguments':"
			"'{}'}}]}}]}",
		GUARD_BROKEN },
	{ "chat, of that type", CHAT,
		CHAT_RM "{'type':'error','choices':[{'index':0,'delta':{"
			"'tool_calls':[{'index':1,'id':'y','function':{'name':'rm','arguments':"
			"'{}'}}]}}]}",
		GUARD_BROKEN },
	{ "chat, the older one", CHAT,
		CHAT_RM "{'error':1,'choices':[{'index':0,'delta':{"
			"'function_call':{'name':'rm','arguments':'{}'}}}]}",
		GUARD_BROKEN },
	{ "chat, before any was", CHAT,
		"{'error':{},'choices':[{'index':0,'delta':{"
		"'tool_calls':[{'index':0,'id':'y','function':{'name':'rm','arguments':'{}'}}]}"
		"}]}",
		GUARD_BROKEN },
	{ "chat, the rest of one that was begun", CHAT,
		"{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'id':'x','function':{"
		"'name':'a','arguments':'{'}}]}}]}\n{'error':{'message':'x'}}\n"
		"{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'function':{"
		"'arguments':'}'}}]}}]}",
		GUARD_BROKEN },
	{ "responses, an item", RESP,
		RESP_RM "{'type':'error','output_index':1,'item':" RESP_ITEM("rm", "{}") "}",
		GUARD_BROKEN },
	{ "responses, an error member", RESP,
		RESP_RM "{'type':'response.output_item.done',"
			"'error':{},'output_index':1,'item':" RESP_ITEM("rm", "{}") "}",
		GUARD_BROKEN },
	{ "responses, a delta", RESP,
		RESP_RM
		"{'type':'response.function_call_arguments.delta','error':{},'output_index':0,"
		"'delta':''}",
		GUARD_BROKEN },
	{ "responses, a list", RESP,
		RESP_RM "{'type':'response.completed','error':{},"
			"'response':{'output':[" RESP_ITEM("rm", "{}") "]}}",
		GUARD_BROKEN },
	{ "Gemini", GEM,
		GEM_RM "{'error':{'code':500},'candidates':[{'content':{'parts':[{"
		       "'functionCall':{'name':'rm','args':{}}}]}}]}",
		GUARD_BROKEN },
	{ "Ollama", OLLAMA,
		OLLAMA_RM "{'error':'x','message':{'tool_calls':[{'function':{'name':"
			  "'rm','arguments':{}}}]}}",
		GUARD_BROKEN },
	{ "Anthropic", MSGS,
		MSGS_RM "{'type':'content_block_start','index':1,'error':{},"
			"'content_block':{'type':'tool_use','id':'y','name':'rm','input':{}}}",
		GUARD_BROKEN },
	{ "Converse", AWS,
		AWS_RM "{'contentBlockIndex':1,'error':{},'start':{'toolUse':{"
		       "'toolUseId':'y','name':'rm'}}}",
		GUARD_BROKEN },
	{ "Cohere", COHERE,
		COHERE_RM
		"{'type':'tool-call-start','error':{},'index':1," COHERE_TOOL("rm", "{}") "}",
		GUARD_BROKEN },
	/* ---- members of one event in another ---- */
	{ "a delta of Responses with a list of items", RESP,
		RESP_RM
		"{'type':'response.function_call_arguments.delta','output_index':0,'delta':'',"
		"'response':{'output':[" RESP_ITEM("rm", "{}") "]}}\n" RESP_END,
		0 },
	{ "a list and an item", RESP,
		RESP_RM
		"{'type':'response.output_item.added',"
		"'output_index':1,'item':" RESP_ITEM("a",
			"") ",'response':{'output':[" RESP_ITEM("rm", "{}") "]}}\n" RESP_END,
		0 },
};

static void
put_event(const struct row *row, struct frame_writer *w, struct span json, struct buf *out)
{
	struct span type = SPAN_LIT("");

	if (w->kind == FRAMES_EVENTSTREAM)
		type = memmem(json.p, json.n, "\"start\"", 7)	? SPAN_LIT("contentBlockStart")
		       : memmem(json.p, json.n, "\"delta\"", 7) ? SPAN_LIT("contentBlockDelta")
		       : memmem(json.p, json.n, "stopReason", 10)
			       ? SPAN_LIT("messageStop")
			       : SPAN_LIT("contentBlockStop");
	if (frame_write(w, type, json, out))
		fail_msg("%s: %.*s", row->name, SPAN_ARG(json));
}

static const char *
type_of(const struct row *row, enum frames_kind *kind)
{
	bool aws = !strcmp(row->dialect, "bedrock"), lines = !strcmp(row->dialect, "ollama");

	*kind = aws ? FRAMES_EVENTSTREAM : lines ? FRAMES_LINES : FRAMES_SSE;
	return aws     ? "application/vnd.amazon.eventstream"
	       : lines ? "application/x-ndjson"
		       : "text/event-stream";
}

/* Its events, framed. */
static void
frame_all(const struct row *row, enum frames_kind kind, struct buf *out)
{
	struct span rest = span_str(row->in);
	struct frame_writer w;
	struct buf one;

	frame_writer_init(&w, kind);
	buf_init(&one, 0);
	while (rest.n) {
		struct span line = span_cut(rest, 0, span_chr(rest, '\n'));
		rest = span_cut(rest, line.n + 1, rest.n);
		buf_clear(&one);
		for (size_t i = 0; i < line.n; i++)
			buf_putc(&one, line.p[i] == '\'' ? '"' : line.p[i]);
		put_event(row, &w, buf_view(&one), out);
	}
	buf_free(&one);
}

/* Whether it names a tool that rules deny, but in words of ours. */
static bool
is_in(struct span out, const char *name)
{
	char quoted[64];

	snprintf(quoted, sizeof(quoted), "\"%s\"", name);
	return memmem(out.p, out.n, quoted, strlen(quoted));
}

static size_t
run(const struct row *row)
{
	enum frames_kind kind;
	struct answer_case c = { row->name, RULES, row->dialect, row->path, type_of(row, &kind),
		"", "" };
	struct guard_rig r;
	struct buf in;

	buf_init(&in, 0);
	frame_all(row, kind, &in);
	guard_rig_open(&r, &c);
	guard_rig_feed(&r, buf_view(&in));
	guard_rig_end(&r);
	struct span out = buf_view(&r.out);
	bool bad = r.got != row->got || is_in(out, "rm") ||
		   is_in(out, "{\\\"amount\\\":500}") || (r.got && !guard_report(r.g)->why);
	if (bad)
		fprintf(stderr, "%s: %d (%s)\n got %.*s\n", row->name, r.got,
			r.got ? guard_report(r.g)->why : "", SPAN_ARG(out));
	guard_rig_close(&r);
	buf_free(&in);
	return bad;
}

static void
what_is_denied_does_not_go(void **state)
{
	size_t failures = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		failures += run(&rows[i]);
	assert_int_equal(failures, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_denied_does_not_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
