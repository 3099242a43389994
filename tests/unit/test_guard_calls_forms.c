/* Calls in further forms. In a form that is not the dialect's, no denied call reaches a client
 * that accepts the form. If no call can be removed from a format, a denied call denies the
 * response before any of it was forwarded. Each item on which a client acts is a call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "answer/frames.h"
#include "support/answer_fix.h"

/* ---- forms that are not the dialect's ---- */

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
} odd[] = {
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
run_odd(const struct row *row, bool same)
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
	for (size_t i = 0; i < COUNT_OF(odd); i++)
		failures += run_odd(&odd[i], false);
	assert_int_equal(failures, 0);
}

static void
forms_of_real_providers_are_unchanged(void **state)
{
	size_t failures = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(honest); i++)
		failures += run_odd(&honest[i], true);
	assert_int_equal(failures, 0);
}

/* ---- formats from which no call can be removed ---- */

#define WHOLE_RULES                                                                            \
	"rules:\n"                                                                             \
	"  - {name: no-rm, phase: tool, when: 'tool.name == \"rm\"', deny: {reason: not "      \
	"here}}\n"                                                                             \
	"  - {name: small, phase: tool, when: 'tool.name == \"pay\" && "                       \
	"tool.arguments.amount > 100', deny: {reason: too much}}\n"
#define SSE  "text/event-stream"
#define JSON "application/json"

/* Three calls, of which each row contains one: X stands for its name, N for its amount. */
#define RUN                                                                                    \
	"{\"id\":\"run_1\",\"object\":\"thread.run\",\"status\":\"requires_action\","          \
	"\"required_action\":{\"type\":\"submit_tool_outputs\",\"submit_tool_outputs\":{"      \
	"\"tool_calls\":[{\"id\":\"c0\",\"type\":\"function\",\"function\":{\"name\":"         \
	"\"list\","                                                                            \
	"\"arguments\":\"{}\"}},{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":"  \
	"\"X\",\"arguments\":\"{\\\"amount\\\":N}\"}}]}}}"

#define STEP                                                                                   \
	"{\"id\":\"step_1\",\"object\":\"thread.run.step\",\"step_details\":{\"type\":"        \
	"\"tool_calls\",\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{"   \
	"\"name\":\"X\",\"arguments\":\"{\\\"amount\\\":N}\",\"output\":null}}]}}"
#define STEP_DELTA(call)                                                                       \
	"event: thread.run.step.delta\ndata: {\"id\":\"step_1\",\"object\":"                   \
	"\"thread.run.step.delta\",\"delta\":{\"step_details\":{\"type\":\"tool_calls\","      \
	"\"tool_calls\":[{\"index\":1," call "}]}}}\n\n"
#define CREATED                                                                                \
	"event: thread.run.created\ndata: {\"id\":\"run_1\",\"object\":\"thread.run\"}\n\n"
#define DONE "event: done\ndata: [DONE]\n\n"
#define V1(at)                                                                                 \
	"\"text\":\"I look.\",\"tool_calls\":[{\"name\":\"list\",\"parameters\":{}},{"         \
	"\"name\":\"X\",\"parameters\":{\"amount\":N}}]" at
#define NOVA                                                                                   \
	"{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":\"I "         \
	"look.\"},{"                                                                           \
	"\"toolUse\":{\"toolUseId\":\"a\",\"name\":\"list\",\"input\":{}}},{\"toolUse\":{"     \
	"\"toolUseId\":\"b\",\"name\":\"X\",\"input\":{\"amount\":N}}}]}},\"stopReason\":"     \
	"\"tool_use\",\"usage\":{\"inputTokens\":1,\"outputTokens\":1}}"

static const struct whole {
	const char *name, *dialect, *path, *type, *in;
} wholes[] = {
	{ "a run", "openai", "/v1/threads/t/runs/r", JSON, RUN },
	{ "a list of runs", "openai", "/v1/threads/t/runs", JSON,
		"{\"object\":\"list\",\"data\":[" RUN "]}" },
	{ "a step", "openai", "/v1/threads/t/runs/r/steps/s", JSON, STEP },
	{ "a list of steps", "openai", "/v1/threads/t/runs/r/steps", JSON,
		"{\"object\":\"list\",\"data\":[" STEP "]}" },
	{ "the event of a run", "openai", "/v1/threads/t/runs", SSE,
		CREATED "event: thread.run.requires_action\ndata: " RUN "\n\n" DONE },
	{ "a step that grows, then the run", "openai", "/v1/threads/runs", SSE,
		CREATED STEP_DELTA(
			"\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"X\","
			"\"arguments\":\"\"}") STEP_DELTA("\"function\":{\"arguments\":"
							  "\"{\\\"amount\\\":\"}")
			STEP_DELTA("\"function\":{\"arguments\":\"N}\"}") "event: "
									  "thread.run.requires_"
									  "action\ndata: " RUN
									  "\n\n" DONE },
	{ "Cohere's v1", "cohere", "/v1/chat", JSON,
		"{\"response_id\":\"r\"," V1(",\"finish_reason\":\"COMPLETE\"}") },
	{ "its stream", "cohere", "/v1/chat", SSE,
		"data: {\"is_finished\":false,\"event_type\":\"tool-calls-generation\"," V1(
			"}") "\n\n" },
	{ "the pieces of one", "cohere", "/v1/chat", SSE,
		"data: {\"is_finished\":false,\"event_type\":\"tool-calls-chunk\","
		"\"tool_call_delta\":{\"index\":0,\"name\":\"X\"}}\n\n"
		"data: {\"is_finished\":false,\"event_type\":\"tool-calls-chunk\","
		"\"tool_call_delta\":{\"index\":0,\"parameters\":\"{\\\"amount\\\":\"}}\n\n"
		"data: {\"is_finished\":false,\"event_type\":\"tool-calls-chunk\","
		"\"tool_call_delta\":{\"index\":0,\"parameters\":\"N}\"}}\n\n"
		"data: {\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":"
		"\"COMPLETE\"}\n\n" },
	{ "its stream's end", "cohere", "/v1/chat", SSE,
		"data: {\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":"
		"\"COMPLETE\",\"response\":{" V1("}}") "\n\n" },
	{ "Cohere's in Bedrock's invoke", "bedrock", "/model/cohere.command-r/invoke", JSON,
		"{\"response_id\":\"r\"," V1(",\"finish_reason\":\"COMPLETE\"}") },
	{ "that of its second version", "bedrock", "/model/cohere.command-a/invoke", JSON,
		"{\"id\":\"r\",\"message\":{\"role\":\"assistant\",\"tool_plan\":\"I look.\","
		"\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":"
		"\"X\",\"arguments\":\"{\\\"amount\\\":N}\"}}]},\"finish_reason\":"
		"\"TOOL_CALL\"}" },
	{ "Nova's", "bedrock", "/model/amazon.nova-pro/invoke", JSON, NOVA },
};

static const struct call {
	const char *name, *amount;
	enum guard_result got;
	const char *rule;
} named_calls[] = {
	{ "find", "500", GUARD_PASS, NULL },
	{ "pay", "50", GUARD_PASS, NULL },
	{ "rm", "1", GUARD_DENIED, "no-rm" },
	{ "pay", "500", GUARD_DENIED, "small" },
	{ "pay", "5,'Amount':500", GUARD_DENIED, "small" },
	{ "pay", "5,'x':500,'X':1", GUARD_PASS, NULL },
};

static const char *const makes[] = { "requires_action", "tool-calls-generation", "stream-end",
	"\"tool_use\"" };

/* Writes the response with this call's name and amount. */
static void
write_answer(const char *in, const struct call *c, struct buf *out)
{
	for (; *in; in++)
		if (!strncmp(in, "\"X\"", 3)) {
			buf_printf(out, "\"%s\"", c->name);
			in += 2;
		} else if (*in == 'N' && (in[1] == '}' || in[1] == '"')) {
			bool inside = in[-1] == '"' || in[-3] == '\\';
			for (const char *p = c->amount; *p; p++)
				buf_printf(out, *p != '\'' ? "%c" : inside ? "\\\"" : "\"", *p);
		} else {
			buf_putc(out, *in);
		}
}

static void
check_whole(const char *name, const struct answer_case *as, struct span in, size_t step,
	const struct call *c)
{
	struct guard_rig r;

	guard_rig_open(&r, as);
	for (size_t at = 0; at < in.n; at += step)
		guard_rig_feed(&r, span_cut(in, at, at + step));
	guard_rig_end(&r);
	struct span out = buf_view(&r.out);
	const struct guard_report *a = guard_report(r.g);
	if (r.got != c->got)
		fail_msg("%s, %s(%s) in steps of %zu: %d", name, c->name, c->amount, step,
			r.got);
	/* growing documents are cut differently, and AWS events are written again */
	if (r.got == GUARD_PASS && (strcmp(as->type, JSON) ? !out.n : !span_eq(in, out)))
		fail_msg("%s, %s in steps of %zu: %.*s", name, c->name, step, SPAN_ARG(out));
	if (r.got == GUARD_DENIED) {
		assert_non_null(a->sum.ruled.rule);
		assert_string_equal(a->sum.ruled.rule->name, c->rule);
		/* nothing from which a client makes the call */
		for (size_t i = 0; i < COUNT_OF(makes); i++)
			if (out.n && memmem(out.p, out.n, makes[i], strlen(makes[i])))
				fail_msg("%s, %s: %.*s", name, c->name, SPAN_ARG(out));
	}
	guard_rig_close(&r);
}

static void
denied_call_denies_the_response(void **state)
{
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	for (size_t i = 0; i < COUNT_OF(wholes); i++)
		for (size_t k = 0; k < COUNT_OF(named_calls); k++) {
			struct answer_case as = { wholes[i].name, WHOLE_RULES,
				wholes[i].dialect, wholes[i].path, wholes[i].type, "", "" };
			buf_clear(&in);
			write_answer(wholes[i].in, &named_calls[k], &in);
			check_whole(wholes[i].name, &as, buf_view(&in), SIZE_MAX / 2,
				&named_calls[k]);
			check_whole(wholes[i].name, &as, buf_view(&in), 7, &named_calls[k]);
		}
	buf_free(&in);
}

#define COHERE_PART(type, rest)                                                                \
	"{\"type\":\"tool-call-" type "\",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":" \
	"{" rest "}}}}"

/* In AWS frames. */
static const struct frame_stream {
	const char *name, *path, *events[8];
} frame_streams[] = {
	{ "Nova's stream", "/model/amazon.nova-pro/invoke-with-response-stream",
		{ "{\"messageStart\":{\"role\":\"assistant\"}}",
			"{\"contentBlockStart\":{\"start\":{\"toolUse\":{\"toolUseId\":\"b\","
			"\"name\":\"X\"}},\"contentBlockIndex\":0}}",
			"{\"contentBlockDelta\":{\"delta\":{\"toolUse\":{\"input\":\"{"
			"\\\"amount\\\":\"}},\"contentBlockIndex\":0}}",
			"{\"contentBlockDelta\":{\"delta\":{\"toolUse\":{\"input\":\"N}\"}},"
			"\"contentBlockIndex\":0}}",
			"{\"contentBlockStop\":{\"contentBlockIndex\":0}}",
			"{\"messageStop\":{\"stopReason\":\"tool_use\"}}",
			"{\"metadata\":{\"usage\":{\"inputTokens\":1,\"outputTokens\":1}}}" } },
	{ "Cohere's stream", "/model/cohere.command-r/invoke-with-response-stream",
		{ "{\"is_finished\":false,\"event_type\":\"tool-calls-chunk\","
		  "\"tool_call_delta\":{\"index\":0,\"name\":\"X\"}}",
			"{\"is_finished\":false,\"event_type\":\"tool-calls-chunk\","
			"\"tool_call_delta\":{\"index\":0,\"parameters\":\"{\\\"amount\\\":\"}"
			"}",
			"{\"is_finished\":false,\"event_type\":\"tool-calls-chunk\","
			"\"tool_call_delta\":{\"index\":0,\"parameters\":\"N}\"}}",
			"{\"is_finished\":true,\"event_type\":\"stream-end\","
			"\"finish_reason\":\"COMPLETE\"}" } },
	{ "and of its second version", "/model/cohere.command-a/invoke-with-response-stream",
		{ "{\"type\":\"message-start\",\"id\":\"r\"}",
			COHERE_PART("start", "\"id\":\"a\",\"type\":\"function\",\"function\":{"
					     "\"name\":\"X\",\"arguments\":\"\"}"),
			COHERE_PART(
				"delta", "\"function\":{\"arguments\":\"{\\\"amount\\\":\"}"),
			COHERE_PART("delta", "\"function\":{\"arguments\":\"N}\"}"),
			"{\"type\":\"tool-call-end\",\"index\":0}",
			"{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"TOOL_CALL\"}"
			"}" } },
};

static void
denied_call_denies_the_response_in_frames(void **state)
{
	struct frame_writer w;
	struct buf bytes, one;

	(void)state;
	buf_init(&bytes, 0);
	buf_init(&one, 0);
	for (size_t k = 0; k < COUNT_OF(named_calls) * COUNT_OF(frame_streams); k++) {
		const struct call *call = &named_calls[k % COUNT_OF(named_calls)];
		const struct frame_stream *s = &frame_streams[k / COUNT_OF(named_calls)];
		const struct answer_case as = { s->name, WHOLE_RULES, "bedrock", s->path,
			FRAMES, "", "" };
		frame_writer_init(&w, FRAMES_EVENTSTREAM);
		w.wrap = true;
		buf_clear(&bytes);
		for (size_t i = 0; i < COUNT_OF(s->events) && s->events[i]; i++) {
			buf_clear(&one);
			write_answer(s->events[i], call, &one);
			assert_int_equal(
				frame_write(&w, SPAN_LIT("chunk"), buf_view(&one), &bytes), 0);
		}
		check_whole(s->name, &as, buf_view(&bytes), SIZE_MAX / 2, call);
		check_whole(s->name, &as, buf_view(&bytes), 53, call);
	}
	buf_free(&bytes);
	buf_free(&one);
}

/* ---- items on which a client acts ---- */

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
run_item(const char *rules, const char *dialect, const char *path, bool stream, struct span in,
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
expect_item(const struct kind *k, enum way way, const char *rules, const char *text,
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
		run_item(rules, "openai", "/v1/responses", way != WHOLE, buf_view(&in), &out);
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
			expect_item(k, way, rules, "x", type, "was denied");
			expect_item(k, way,
				"rules: [{name: a, phase: tool, when: 'tool.name == \"g\"', "
				"deny: "
				"true}]\n",
				"x", NULL, NULL);
			expect_item(k, way,
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
			expect_item(k, way, rules, "bad", type, "was denied");
			expect_item(k, way, rules, "good", NULL, NULL);
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
			expect_item(&k, way, rules, "", NULL, NULL);
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
		assert_int_equal(
			run_item("rules: [{name: a, phase: tool, when: "
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
		assert_int_equal(run_item(text, "gemini",
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

/* A tool that calls another one: rules see the other tool's name and arguments. */
static void
tool_that_a_call_names_is_judged(void **state)
{
	static const char *const rules[] = {
		"tools: [{names: [tool_call], arguments: call}]\n"
		"rules: [{name: a, phase: tool, when: 'tool.name == \"rm\"', deny: true}]\n",
		"tools: [{names: [tool_call], arguments: call}]\n"
		"rules: [{name: a, phase: tool, when: 'tool.name == \"rm\" && tool.arguments.p == \"x\"', deny: true}]\n",
	};
	static const char *const inner[] = { "rm", "ls" };
	static const char *const forms[] = {
		"{\"content\":[{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"tool_call\",\"input\":{\"name\":\"%\",\"arguments\":{\"p\":\"x\"}}}],\"stop_reason\":\"tool_use\"}",
		"{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"tool_call\","
		"\"arguments\":\"{\\\"name\\\":\\\"%\\\",\\\"arguments\\\":{\\\"p\\\":\\\"x\\\"}}\"}}]},\"finish_reason\":\"tool_calls\"}]}",
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"tool_call\",\"arguments\":\"\"}}]}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"arguments\\\":{\\\"p\\\":\"}}]}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"x\\\"},\\\"name\\\":\\\"%\\\"}\"}}]}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
		/* a dialect whose calls are judged in their place */
		"{\"output\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"tool_call\",\"arguments\":\"{\\\"name\\\":\\\"%\\\",\\\"arguments\\\":{\\\"p\\\":\\\"x\\\"}}\"}],\"store\":false}",
	};
	static const char *const at[][2] = { { "anthropic", "/v1/messages" }, { "openai", "/v1/chat/completions" },
		{ "openai", "/v1/chat/completions" }, { "openai", "/v1/responses" } };
	struct buf in, out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules) * COUNT_OF(inner) * COUNT_OF(forms); i++) {
		size_t form = i % COUNT_OF(forms), name = i / COUNT_OF(forms) % 2;
		buf_init(&in, 0);
		buf_init(&out, 0);
		with(forms[form], inner[name], &in);
		enum guard_result got = run_item(rules[i / COUNT_OF(forms) / 2], at[form][0], at[form][1],
			forms[form][0] == 'd', buf_view(&in), &out);
		if ((got == GUARD_DENIED || has(&out, "was denied")) != !name)
			fail_msg("form %zu, %s: %d %.*s", form, inner[name], got, SPAN_ARG(buf_view(&out)));
		buf_free(&in);
		buf_free(&out);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(denied_call_in_an_odd_form_is_not_forwarded),
		cmocka_unit_test(forms_of_real_providers_are_unchanged),
		cmocka_unit_test(denied_call_denies_the_response),
		cmocka_unit_test(denied_call_denies_the_response_in_frames),
		cmocka_unit_test(call_is_unchanged_denied_or_redacted),
		cmocka_unit_test(tool_run_by_the_provider_is_no_call),
		cmocka_unit_test(copies_of_a_call_must_agree),
		cmocka_unit_test(code_written_by_gemini_is_a_call),
		cmocka_unit_test(tool_that_a_call_names_is_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
