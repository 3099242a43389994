/* Calls in a form that is not the dialect's: no denied call reaches a client that accepts the
 * form, and none ends the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "answer/frames.h"
#include "support/answer_fix.h"

#define RULES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: no-rm, phase: tool, when: 'tool.name == \"rm\"', deny: true}\n"            \
	"  - {name: no-delete, phase: tool, when: 'tool.name == \"delete_all\"', deny: "       \
	"true}\n"                                                                              \
	"  - {name: no-bye, phase: tool, when: 'tool.name == \"byebye\"', deny: true}\n"       \
	"  - {name: small, phase: tool, when: 'tool.name == \"pay\" && "                       \
	"tool.arguments.amount > 100', deny: true}\n"

#define CHAT   "openai", "/v1/chat/completions"
#define MSGS   "anthropic", "/v1/messages"
#define RESP   "openai", "/v1/responses"
#define GEM    "gemini", "/v1beta/models/g:streamGenerateContent"
#define AWS    "bedrock", "/model/m/converse-stream"
#define COHERE "cohere", "/v2/chat"
#define OLLAMA "ollama", "/api/chat"

/* Calls of `rm`, one event per line, each of which is denied and removed. */
#define CHAT_RM                                                                                \
	"{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'id':'x','function':{"       \
	"'name':'rm','arguments':'{}'}}]},'finish_reason':'tool_calls'}]}\n"
#define CHAT_PIECE(index, function)                                                            \
	"{'choices':[{'index':0,'delta':{'tool_calls':[{'index':" index                        \
	",'function':{" function "}}]}}]}\n"
#define CHAT_PAIR(index)                                                                       \
	"{'choices':[{'index':0,'delta':{'tool_calls':[{'index':" index                        \
	",'id':'x','function':{'name':'pay','arguments':''}},{'index':" index                  \
	",'id':'y','function':{'name':'a','arguments':''}}]}}]}\n"
#define MSGS_USE(index, name)                                                                  \
	"{'type':'content_block_start','index':" index                                         \
	",'content_block':{'type':'tool_use','id':'x','name':'" name "','input':{}}}\n"
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
	const char *in; /* ' for ", one event per line */
	enum guard_result got;
} rows[] = {
	/* ---- an error and a call in one event, after a call was removed ---- */
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
	/* ---- names and arguments that are not strings ---- */
	{ "chat, a name in a list", CHAT,
		"{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'function':{'name':['"
		"rm'],'arguments':'{}'}}]}}]}",
		GUARD_BROKEN },
	{ "chat, arguments in a list", CHAT,
		"{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'function':{'name':'"
		"a','arguments':['{}']}}]}}]}",
		GUARD_BROKEN },
	{ "chat, the older one", CHAT,
		"{'choices':[{'index':0,'delta':{'function_call':{'name':['rm'],'arguments':'{}"
		"'}}}]}",
		GUARD_BROKEN },
	{ "chat, a custom tool", CHAT,
		"{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'custom':{'name':['"
		"rm'],'input':''}}]}}]}",
		GUARD_BROKEN },
	{ "chat, a function and a custom tool", CHAT,
		"{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'function':{'name':'"
		"a'},'custom':{'name':'b','input':'x'}}]}}]}",
		GUARD_BROKEN },
	{ "responses, a name in a list", RESP,
		"{'type':'response.output_item.done','output_index':0,'item':{'type':'function_"
		"call','call_id':'x','name':['rm'],'arguments':'{}'}}",
		GUARD_BROKEN },
	{ "Anthropic, a name in a list", MSGS,
		"{'type':'content_block_start','index':0,'content_block':{'type':'tool_use','"
		"id':'x','name':['rm'],'input':{}}}",
		GUARD_BROKEN },
	{ "Gemini, a name in a list", GEM,
		"{'candidates':[{'content':{'parts':[{'functionCall':{'name':['rm'],'args':{}}}"
		"]}}]}",
		GUARD_BROKEN },
	{ "Converse, a name in a list", AWS,
		"{'contentBlockIndex':0,'start':{'toolUse':{'toolUseId':'x','name':['rm']}}}",
		GUARD_BROKEN },
	{ "Cohere, a name in a list", COHERE,
		"{'type':'tool-call-start','index':0,'delta':{'message':{'tool_calls':{'id':'x'"
		",'function':{'name':['rm'],'arguments':'{}'}}}}}",
		GUARD_BROKEN },
	{ "Ollama, a name in a list", OLLAMA,
		"{'message':{'content':'','tool_calls':[{'function':{'name':['rm'],'arguments':"
		"{}}}]}}",
		GUARD_BROKEN },
	/* ---- invalid numbers ---- */
	{ "chat, an index that is a text", CHAT, CHAT_PIECE("'0'", "'name':'a','arguments':''"),
		GUARD_BROKEN },
	{ "chat, one below zero", CHAT, CHAT_PIECE("-1", "'name':'a','arguments':''"),
		GUARD_BROKEN },
	{ "chat, a choice's that is a text", CHAT,
		"{'choices':[{'index':'0','delta':{'tool_calls':[{'index':0,'function':{'name':"
		"'a','arguments':''}}]}}]}",
		GUARD_BROKEN },
	{ "chat, arguments swapped without one", CHAT,
		CHAT_PAIR("null") "{'choices':[{'index':0,'delta':{'tool_calls':[{'index':null,"
				  "'function':{'arguments':'{}'}},{'index':null,'function':{'"
				  "arguments':'{\\'amount\\':500}'}}]}}]}",
		GUARD_BROKEN },
	{ "chat, texts swapped", CHAT, CHAT_PAIR("'0'") "{'choices':[]}", GUARD_BROKEN },
	{ "Anthropic, an index that jumps", MSGS, MSGS_USE("7", "a") MSGS_USE("1", "a"),
		GUARD_BROKEN },
	{ "Anthropic, one that is there twice", MSGS, MSGS_USE("0", "a") MSGS_USE("0", "a"),
		GUARD_BROKEN },
	{ "Anthropic, one over 2^64", MSGS,
		MSGS_USE("0", "a") MSGS_USE("18446744073709551616", "a"), GUARD_BROKEN },
	{ "Anthropic, a text before it that jumps", MSGS,
		"{'type':'content_block_start','index':5,'content_block':{'type':'text','text':"
		"''}}\n" MSGS_USE(
			"0", "pay") "{'type':'content_block_delta','index':0,'delta':{'type':'"
				    "input_json_delta','partial_json':'{\\'amount\\':500}'}}",
		GUARD_BROKEN },
	{ "Anthropic, input from the end of the list", MSGS,
		MSGS_USE("0", "pay") "{'type':'content_block_delta','index':-1,'delta':{'type':"
				     "'input_json_delta','partial_json':'{\\'amount\\':500}'}}",
		GUARD_BROKEN },
	{ "Anthropic, input in another kind of piece", MSGS,
		MSGS_USE("0", "pay") "{'type':'content_block_delta','index':0,'delta':{'type':'"
				     "text_delta','partial_json':'{}'}}",
		GUARD_BROKEN },
	{ "Anthropic, input at its beginning and after it", MSGS,
		"{'type':'content_block_start','index':0,'content_block':{'type':'tool_use','"
		"id':'x','name':'pay','input':{'amount':5}}}\n{'type':'content_block_delta','"
		"index':0,'delta':{'type':'input_json_delta','partial_json':'{\\'amount\\':500}"
		"'}}",
		GUARD_BROKEN },
	{ "Anthropic, a block in another event", MSGS,
		"{'type':'ping','content_block':{'type':'tool_use','id':'x','name':'rm','input'"
		":{}}}",
		GUARD_BROKEN },
	{ "responses, an index that is a text", RESP,
		"{'type':'response.output_item.done','output_index':'0','item':" RESP_ITEM(
			"rm", "{}") "}",
		GUARD_BROKEN },
	{ "responses, another name for one call", RESP,
		"{'type':'response.output_item.added','output_index':0,'item':" RESP_ITEM(
			"a", "") "}\n{'type':'response.output_item.done','output_index':0,'"
				 "item':" RESP_ITEM("rm", "{}") "}",
		GUARD_BROKEN },
	{ "Converse, an index that is a text", AWS,
		"{'contentBlockIndex':'0','start':{'toolUse':{'toolUseId':'x','name':'rm'}}}",
		GUARD_BROKEN },
	{ "Converse, a beginning and input in one event", AWS,
		"{'contentBlockIndex':0,'start':{'toolUse':{'toolUseId':'x','name':'a'}},'"
		"delta':{'toolUse':{'input':'{}'}}}",
		GUARD_BROKEN },
	{ "Converse, input of one that another began after", AWS,
		"{'contentBlockIndex':0,'start':{'toolUse':{'toolUseId':'x','name':'a'}}}\n{'"
		"contentBlockIndex':1,'start':{'toolUse':{'toolUseId':'y','name':'pay'}}}\n{'"
		"contentBlockIndex':0,'delta':{'toolUse':{'input':'{\\'amount\\':500}'}}}",
		GUARD_BROKEN },
	{ "Gemini, a candidate's that is a text", GEM,
		"{'candidates':[{'index':'0','content':{'parts':[{'functionCall':{'name':'rm','"
		"args':{}}}]}}]}",
		GUARD_BROKEN },
	{ "Cohere, one below zero", COHERE,
		"{'type':'tool-call-start','index':-1," COHERE_TOOL("rm", "{}") "}",
		GUARD_BROKEN },
	/* ---- events of another dialect ---- */
	{ "Cohere, a piece in an event of no type that is known", COHERE,
		"{'type':'tool-call-start','index':0," COHERE_TOOL(
			"pay", "") "}\n{'type':'tool-call-more','index':0," COHERE_TOOL("",
			"{\\'amount\\':500}") "}",
		GUARD_BROKEN },
	{ "Cohere, a piece of no call", COHERE,
		"{'type':'tool-call-delta','index':0," COHERE_TOOL("rm", "{}") "}",
		GUARD_BROKEN },
	{ "Cohere, a call in the event that ends", COHERE,
		"{'type':'message-end'," COHERE_TOOL("rm", "{}") "}", GUARD_BROKEN },
	{ "chat, a message in a stream", CHAT,
		"{'choices':[{'index':0,'message':{'tool_calls':[{'index':0,'function':{'name':"
		"'rm','arguments':'{}'}}]}}]}",
		GUARD_BROKEN },
	{ "chat, choices by name", CHAT,
		"{'choices':{'0':{'index':0,'delta':{'tool_calls':[{'index':0,'function':{'"
		"name':'rm','arguments':'{}'}}]}}}}",
		GUARD_BROKEN },
	{ "Gemini, parts by name", GEM,
		"{'candidates':[{'content':{'parts':{'0':{'functionCall':{'name':'rm','args':{}"
		"}}}}}]}",
		GUARD_BROKEN },
	{ "Gemini, two spellings", GEM,
		"{'candidates':[{'content':{'parts':[{'functionCall':{'name':'a'},'function_"
		"call':{'name':'rm','args':{}}}]}}]}",
		GUARD_BROKEN },
	/* ---- readers that ignore case ---- */
	{ "chat, a list in capitals", CHAT,
		"{'choices':[{'index':0,'delta':{'Tool_Calls':[{'index':0,'function':{'name':'"
		"rm','arguments':'{}'}}]}}]}",
		GUARD_BROKEN },
	{ "chat, two names", CHAT,
		"{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'function':{'name':'"
		"a','Name':'rm','arguments':'{}'}}]}}]}",
		GUARD_BROKEN },
	{ "Ollama, with a long s", OLLAMA,
		"{'message':{'content':'','tool_call\xc5\xbf':[{'function':{'name':'rm','"
		"arguments':{}}}]}}",
		GUARD_BROKEN },
	/* ---- names in pieces ---- */
	{ "chat, a piece that is there twice", CHAT,
		CHAT_PIECE("0", "'name':'delete_a'") CHAT_PIECE("0", "'name':'l'")
			CHAT_PIECE("0", "'name':'l'") "{'choices':[{'index':0,'delta':{},'"
						      "finish_reason':'tool_calls'}]}\n[DONE]",
		0 },
	{ "chat, a piece that is there twice, and then another", CHAT,
		CHAT_PIECE("0", "'name':'a'") CHAT_PIECE("0", "'name':'a'")
			CHAT_PIECE("0", "'name':'_b'") "[DONE]",
		GUARD_BROKEN },
	{ "chat, a name that is denied only if repeated", CHAT,
		CHAT_PIECE("0", "'name':'bye'") CHAT_PIECE(
			"0", "'name':'bye'") "{'choices':[{'index':0,'delta':{},'finish_reason'"
					     ":'tool_calls'}]}\n[DONE]",
		0 },
	{ "a call that nothing is taken out of, a name in a list", "cohere", "/v1/chat",
		"{'tool_calls':[{'name':['rm'],'parameters':{}}]}", GUARD_BROKEN },
};

/* Forms that providers use: unchanged. */
static const struct row honest[] = {
	{ "Cohere begins with an empty list", COHERE,
		"{'type':'message-start','delta':{'message':{'content':[],'tool_calls':[]}}}\n"
		"{'type':'tool-call-start','index':0," COHERE_TOOL("a",
			"{}") "}\n{'type':'tool-call-end','index':0}\n"
			      "{'type':'message-end','delta':{'finish_reason':'TOOL_CALL'}}",
		0 },
	{ "chat with empty lists and nulls", CHAT,
		"{'choices':[{'index':0,'delta':{'role':'assistant','content':null,'tool_calls'"
		":[],'function_call':null}}]}\n" CHAT_PIECE("0", "'name':'a','arguments':''")
			CHAT_PIECE("0", "'name':null,'arguments':'{}'") CHAT_PIECE("0",
				"'name':'','arguments':''") "{'error':null,'choices':[{'index':"
							    "0,'delta':{},'finish_reason':'"
							    "tool_calls'}]}\n[DONE]",
		0 },
	{ "chat without indexes, one call", CHAT,
		"{'choices':[{'index':0,'delta':{'tool_calls':[{'id':'x','function':{'name':'a'"
		",'arguments':'{}'}}]}}]}\n"
		"{'choices':[{'index':0,'delta':{'tool_calls':[{'function':{'arguments':''}}]}}"
		"]}\n"
		"{'choices':[{'index':0,'delta':{},'finish_reason':'tool_calls'}]}\n[DONE]",
		0 },
	{ "Converse, a call and one that the provider runs", AWS,
		"{'contentBlockIndex':0,'start':{'toolUse':{'toolUseId':'x','name':'a'}}}\n{'"
		"contentBlockIndex':0,'delta':{'toolUse':{'input':'{}'}}}\n{'contentBlockIndex'"
		":0}\n"
		"{'contentBlockIndex':1,'start':{'toolUse':{'toolUseId':'y','name':'b','type':'"
		"server_tool_use'}}}\n{'contentBlockIndex':1,'delta':{'toolUse':{'input':'{}'}}"
		"}\n{'contentBlockIndex':1}\n"
		"{'stopReason':'tool_use'}",
		0 },
	{ "Anthropic, one that the provider runs and a call", MSGS,
		"{'type':'content_block_start','index':0,'content_block':{'type':'server_tool_"
		"use','id':'y','name':'b','input':{}}}\n"
		"{'type':'content_block_delta','index':0,'delta':{'type':'input_json_delta','"
		"partial_json':'{}'}}\n{'type':'content_block_stop','index':0}\n" MSGS_USE(
			"1", "a") "{'type':'content_block_delta','index':1,'delta':{'type':'"
				  "input_json_delta','partial_json':''}}\n"
				  "{'type':'content_block_delta','index':1,'delta':{'type':'"
				  "input_json_delta','partial_json':'{}'}}\n{'type':'content_"
				  "block_stop','index':1}\n"
				  "{'type':'message_delta','delta':{'stop_reason':'tool_use'}}"
				  "\n{'type':'message_stop'}",
		0 },
	{ "Gemini, an empty call after one that ended", GEM,
		"{'candidates':[{'index':0,'content':{'parts':[{'functionCall':{'name':'a','"
		"args':{}}}]}}]}\n"
		"{'candidates':[{'index':0,'content':{'parts':[{'text':''}]},'finishReason':'"
		"STOP'}]}",
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

/* Writes the events of a row, framed. */
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

/* Returns true if the output names a denied tool, except in the gateway's own text. */
static bool
is_in(struct span out, const char *name)
{
	char quoted[64];

	snprintf(quoted, sizeof(quoted), "\"%s\"", name);
	return out.n && memmem(out.p, out.n, quoted, strlen(quoted));
}

static size_t
run(const struct row *row, bool same)
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
	bool bad = r.got != row->got || is_in(out, "rm") || is_in(out, "delete_a") ||
		   is_in(out, "bye") || is_in(out, "{\\\"amount\\\":500}") ||
		   (r.got && !guard_report(r.g)->why) || (same && !span_eq(out, buf_view(&in)));
	if (bad)
		fprintf(stderr, "%s: %d (%s)\n got %.*s\n", row->name, r.got,
			r.got ? guard_report(r.g)->why : "", SPAN_ARG(out));
	guard_rig_close(&r);
	buf_free(&in);
	return bad;
}

static void
denied_call_in_an_odd_form_is_not_forwarded(void **state)
{
	size_t failures = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		failures += run(&rows[i], false);
	assert_int_equal(failures, 0);
}

static void
forms_of_real_providers_are_unchanged(void **state)
{
	size_t failures = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(honest); i++)
		failures += run(&honest[i], true);
	assert_int_equal(failures, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(denied_call_in_an_odd_form_is_not_forwarded),
		cmocka_unit_test(forms_of_real_providers_are_unchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
