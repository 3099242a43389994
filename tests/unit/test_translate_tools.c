/* Tools that have another name or kind at the target: the offered tool, and the call that the
 * caller gets. Rows are written with ' for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "answer/translate/request.h"
#include "support/fake_clock.h"
#include "support/translate_client.h"
#include "support/translate_said.h"

#define HI "'input':'hi','tools':["
#define CUSTOM "{'type':'custom','name':'patch'}"
#define LONG "a123456789012345678901234567890123456789012345678901234567890123456789"

/* clang-format off */
static const struct {
	const char *name;
	enum form from, to;
	const char *request, *offers; /* part of the request in the other form */
	const char *name_called, *arguments; /* of the model's call; NULL: as offered */
	const char *gets; /* whole and in the last event of a stream, except for the item's id */
} rows[] = {
	{ "a custom tool", FORM_RESPONSES, FORM_CHAT, "{" HI CUSTOM "]}", "'name':'patch'", "patch", "{\\'input\\':\\'a \\\\\\'b\\\\\\'\\\\n\\'}",
		"'type':'custom_tool_call','status':'completed','call_id':'a','name':'patch','input':'a \\'b\\'\\n'}" },
	{ "a custom tool whose model gives other arguments", FORM_RESPONSES, FORM_CHAT, "{" HI CUSTOM "]}", "'name':'patch'", "patch", "{\\'x\\':1}",
		"'type':'custom_tool_call','status':'completed','call_id':'a','name':'patch','input':'{\\'x\\':1}'}" },
	{ "a custom tool that is called without a text", FORM_RESPONSES, FORM_CHAT, "{" HI CUSTOM "]}", "'name':'patch'", "patch", "{\\'input\\':\\'\\'}",
		"'type':'custom_tool_call','status':'completed','call_id':'a','name':'patch','input':''}" },
	{ "a function beside it", FORM_RESPONSES, FORM_CHAT, "{" HI CUSTOM ",{'type':'function','name':'get'}]}", "'name':'get'", "get", "{\\'input\\':\\'x\\'}",
		"'type':'function_call','status':'completed','call_id':'a','name':'get','arguments':'{\\'input\\':\\'x\\'}'}" },
	{ "tools of Codex that stand in the turns", FORM_RESPONSES, FORM_CHAT,
		"{'input':[{'type':'additional_tools','id':'at_1','role':'developer','tools':[{'type':'namespace','name':'functions','description':'','tools':[{'type':'custom','name':'exec'}]},"
		"{'type':'namespace','name':'clock','description':'','tools':[{'type':'function','name':'sleep','parameters':{}}]}]},"
		"{'type':'message','role':'user','content':'hi'},{'type':'custom_tool_call','call_id':'x','namespace':'functions','name':'exec','input':'1'},"
		"{'type':'function_call','call_id':'y','namespace':'clock','name':'sleep','arguments':'{}'},"
		"{'type':'custom_tool_call_output','call_id':'x','output':[{'type':'input_text','text':'one'}]},{'type':'function_call_output','call_id':'y','output':'two'}]}",
		"'tool_calls':[{'id':'x','type':'function','function':{'name':'exec','arguments':'{\\'input\\':\\'1\\'}'}},{'id':'y','type':'function','function':{'name':'clock__sleep','arguments':'{}'}}]",
		"clock__sleep", "{}",
		"'type':'function_call','status':'completed','call_id':'a','name':'sleep','arguments':'{}','namespace':'clock'}" },
	{ "a custom tool in a namespace", FORM_RESPONSES, FORM_CHAT,
		"{" HI "{'type':'namespace','name':'functions','tools':[{'type':'custom','name':'exec'}]}]}", "'name':'exec'", "exec", "{\\'input\\':\\'1\\'}",
		"'type':'custom_tool_call','status':'completed','call_id':'a','name':'exec','input':'1','namespace':'functions'}" },
	{ "one of chat's", FORM_CHAT, FORM_MESSAGES, "{'messages':[{'role':'user','content':'hi'}],'tools':[{'type':'custom','custom':{'name':'patch'}}]}", "'name':'patch'", "patch",
		"{\\'input\\':\\'x\\'}", "'custom':{'name':'patch','input':'x'}" },
	{ "a name that is too long for the target", FORM_RESPONSES, FORM_CHAT, "{" HI "{'type':'function','name':'" LONG "'}],'tool_choice':{'type':'function','name':'" LONG "'}}",
		"'tool_choice':{'type':'function','function':{'name':'a1234567890123456789012345678901234567890123456_", NULL, "{}",
		"'type':'function_call','status':'completed','call_id':'a','name':'" LONG "','arguments':'{}'}" },
	{ "a name that begins with a digit, at Gemini", FORM_RESPONSES, FORM_GENERATE, "{" HI "{'type':'function','name':'3d'}],'tool_choice':{'type':'function','name':'3d'}}",
		"'allowedFunctionNames':['_3d']", "_3d", "{}", "'type':'function_call','status':'completed','call_id':'a','name':'3d','arguments':'{}'}" },
	{ "a name that is too long for OpenAI only", FORM_MESSAGES, FORM_CHAT, "{'max_tokens':9,'messages':[{'role':'user','content':'hi'}],'tools':[{'name':'" LONG "','input_schema':{'type':'object'}}]}",
		"'name':'a1234567890123456789012345678901234567890123456_", NULL, "{}", "'name':'" LONG "'" },
};
/* clang-format on */

static char *
double_quoted(const char *row)
{
	char *s = strdup(row);

	for (char *c = s; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return s;
}

/* Returns the first name of a tool in the sent body. */
static struct span
name_offered(struct span sent)
{
	const char *at = memmem(sent.p, sent.n, "\"tools\":[", 9);
	assert_non_null(at);
	struct span rest = span_cut(sent, (size_t)(at - sent.p), sent.n);
	at = memmem(rest.p, rest.n, "\"name\":\"", 8);
	assert_non_null(at);
	rest = span_cut(rest, (size_t)(at - rest.p) + 8, rest.n);
	return span_cut(rest, 0, span_chr(rest, '"'));
}

static void
put_provider_call(struct buf *in, enum form to, bool streamed, struct span name, const char *arguments)
{
	char text[2048];

	if (to == FORM_GENERATE)
		buf_printf(in, "%s{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"id\":\"a\",\"name\":\"%.*s\",\"args\":%s}}]},\"finishReason\":\"STOP\"}]}%s",
			streamed ? "data: " : "", SPAN_ARG(name), arguments, streamed ? "\n\n" : "");
	else if (to == FORM_CHAT && streamed)
		buf_printf(in, BEGINS("0", "a", "%.*s") GROWS("0", "%s") FINISH("tool_calls") DONE,
			SPAN_ARG(name), arguments);
	else if (to == FORM_CHAT)
		buf_printf(in,
			CHAT("\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{"
			     "\"name\":\"%.*s\",\"arguments\":\"%s\"}}]},\"finish_reason\":"
			     "\"tool_calls\"}]}"),
			SPAN_ARG(name), arguments);
	else if (streamed)
		buf_printf(in, START TOOL("0", "a", "%.*s") INPUT("0", "%s") STOP("0") WHY("tool_use") LAST,
			SPAN_ARG(name), arguments);
	else {
		size_t n = 0;
		for (const char *c = arguments; *c; c++)
			if (*c != '\\' || c[1] == '\\')
				text[n++] = *c;
		text[n] = '\0';
		buf_printf(in,
			MESSAGE("{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"%.*s\",\"input\":%s}",
				"tool_use"),
			SPAN_ARG(name), text);
	}
}

static void
call_is_returned_with_the_callers_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *body = double_quoted(rows[i].request), *offers = double_quoted(rows[i].offers),
		     *gets = double_quoted(rows[i].gets), *arguments = double_quoted(rows[i].arguments);
		struct translated_request made;
		struct arena a;
		struct buf sent;
		arena_init(&a, 0, false);
		buf_init(&sent, 0);
		const struct translate_ask ask = { .from = rows[i].from,
			.to = rows[i].to,
			.body = span_str(body),
			.model = SPAN_LIT("m"),
			.cap_tokens = 9 };
		int err = translate_request(&ask, &a, &sent, &made);
		if (err || !memmem(buf_view(&sent).p, sent.n, offers, strlen(offers)))
			fail_msg("%s: %d %.*s %s\n%.*s", rows[i].name, err, SPAN_ARG(made.refused),
				made.why, SPAN_ARG(buf_view(&sent)));
		struct span name = rows[i].name_called ? span_str(rows[i].name_called)
						       : name_offered(buf_view(&sent));
		assert_true(name.n <= 64);
		translate_aliases = made.aliases;
		for (int streamed = 0; streamed < 2; streamed++)
			for (size_t step = 0; step < 8; step += 7) {
				struct buf in, out;
				const char *why;
				buf_init(&in, 0);
				buf_init(&out, 0);
				put_provider_call(&in, rows[i].to, streamed, name, arguments);
				err = translate_run_to(rows[i].to, rows[i].from, streamed, 200,
					buf_view(&in), step, 0, &out, &why);
				struct span got = buf_view(&out);
				const char *want = gets;
				/* a stream of chat and messages has the name before the text */
				if (streamed && rows[i].from == FORM_CHAT)
					want = "\"custom\":{\"input\":\"x\"}";
				if (err || !memmem(got.p, got.n, want, strlen(want)))
					fail_msg("%s, %d: %s\n%.*s", rows[i].name, streamed, why, SPAN_ARG(got));
				buf_free(&in);
				buf_free(&out);
			}
		translate_aliases = NULL;
		buf_free(&sent);
		arena_reset(&a);
		free(body);
		free(offers);
		free(gets);
		free(arguments);
	}
}

/* Bodies with the tool's name at each ~: in the offer, the choice, the call and the result. */
static const struct {
	enum form form;
	size_t most; /* letters in a name */
	const char *body;
} named[] = {
	{ FORM_CHAT, 64,
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'a','type':'function','function':{'name':'~','arguments':'{}'}}]},"
		"{'role':'tool','tool_call_id':'a','name':'~','content':'1'}],'tools':[{'type':'function','function':{'name':'~'}}],'tool_choice':{'type':'function','function':{'name':'~'}}}" },
	{ FORM_RESPONSES, 128,
		"{'input':[{'role':'user','content':'hi'},{'type':'function_call','call_id':'a','name':'~','arguments':'{}'},{'type':'function_call_output','call_id':'a','output':'1'}],"
		"'tools':[{'type':'function','name':'~'}],'tool_choice':{'type':'function','name':'~'}}" },
	{ FORM_MESSAGES, 128,
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'~','input':{}}]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':'1'}]}],"
		"'tools':[{'name':'~','input_schema':{'type':'object'}}],'tool_choice':{'type':'tool','name':'~'}}" },
	{ FORM_GENERATE, 128, /* as Google's Python SDK sends it, without ids */
		"{'contents':[{'role':'user','parts':[{'text':'hi'}]},{'role':'model','parts':[{'functionCall':{'name':'~','args':{}}}]},{'role':'user','parts':[{'functionResponse':{'name':'~','response':{'output':'1'}}}]}],"
		"'tools':[{'functionDeclarations':[{'name':'~'}]}],'toolConfig':{'functionCallingConfig':{'mode':'ANY','allowedFunctionNames':['~']}}}" },
	{ FORM_CONVERSE, 64,
		"{'messages':[{'role':'user','content':[{'text':'hi'}]},{'role':'assistant','content':[{'toolUse':{'toolUseId':'a','name':'~','input':{}}}]},{'role':'user','content':[{'toolResult':{'toolUseId':'a','content':[{'text':'1'}]}}]}],"
		"'toolConfig':{'tools':[{'toolSpec':{'name':'~','inputSchema':{'json':{'type':'object'}}}}],'toolChoice':{'tool':{'name':'~'}}}}" },
};

static size_t
count_of(struct span in, const char *of)
{
	size_t n = 0;

	for (const char *at; (at = memmem(in.p, in.n, of, strlen(of))); n++)
		in = span_cut(in, (size_t)(at - in.p) + strlen(of), in.n);
	return n;
}

/* Writes the response of a target of this form: a call of the tool. */
static void
put_answer_of(struct buf *in, enum form to, bool streamed, struct span name)
{
	struct buf chat = { 0 };
	const char *why;

	put_provider_call(to == FORM_CHAT ? in : &chat, FORM_CHAT, streamed, name, "{}");
	if (to != FORM_CHAT && translate_run_to(FORM_CHAT, to, streamed, 200, buf_view(&chat), 0, 0, in, &why))
		fail_msg("%s: %s", form_name(to), why);
	buf_free(&chat);
}

static void
check_long_name(size_t from, size_t to, const char *name)
{
	struct buf body = { 0 }, sent = { 0 };
	struct translated_request made;
	struct arena a;

	for (const char *c = named[from].body; *c; c++)
		if (*c == '~')
			buf_str(&body, name);
		else
			buf_putc(&body, *c == '\'' ? '"' : *c);
	arena_init(&a, 0, false);
	const struct translate_ask ask = { .from = named[from].form,
		.to = named[to].form,
		.body = buf_view(&body),
		.model = SPAN_LIT("m"),
		.cap_tokens = 9 };
	if (translate_request(&ask, &a, &sent, &made))
		fail_msg("%s to %s: %.*s %s", form_name(ask.from), form_name(ask.to), SPAN_ARG(made.refused), made.why);
	struct span as = name_offered(buf_view(&sent));
	char known[129];
	snprintf(known, sizeof(known), "%.*s", SPAN_ARG(as));
	/* offered, chosen, called; for Gemini answered too */
	size_t places = ask.to == FORM_GENERATE ? 4 : 3;
	if (as.n > named[to].most || count_of(buf_view(&sent), known) != places ||
		(strlen(name) <= named[to].most) != span_is(as, name))
		fail_msg("%s to %s: %.*s", form_name(ask.from), form_name(ask.to), SPAN_ARG(buf_view(&sent)));
	for (int streamed = 0; streamed < 2; streamed++) {
		struct buf in = { 0 }, out = { 0 };
		const char *why;
		put_answer_of(&in, ask.to, streamed, as);
		translate_aliases = made.aliases;
		int err = translate_run_to(ask.to, ask.from, streamed, 200, buf_view(&in), 1, 0, &out, &why);
		translate_aliases = NULL;
		if (err || !count_of(buf_view(&out), name) || (!span_is(as, name) && count_of(buf_view(&out), known)))
			fail_msg("%s from %s, %d: %s %.*s", form_name(ask.from), form_name(ask.to), streamed, why, SPAN_ARG(buf_view(&out)));
		buf_free(&in);
		buf_free(&out);
	}
	buf_free(&body);
	buf_free(&sent);
	arena_reset(&a);
}

static void
long_name_is_translated_there_and_back(void **state)
{
	char name[129];

	(void)state;
	for (size_t from = 0; from < COUNT_OF(named); from++)
		for (size_t to = 0; to < COUNT_OF(named); to++)
			for (size_t n = 64; n <= 128 && from != to; n += n == 64 ? 1 : 63) {
				for (size_t i = 0; i < n; i++)
					name[i] = (char)('a' + i % 26);
				name[n] = '\0';
				check_long_name(from, to, name);
			}
}

/* The text of a custom call is in its own events, without its JSON. */
static void
custom_call_has_its_own_events(void **state)
{
	static const struct tool_alias as = {
		.sent = SPAN_LIT("patch"), .name = SPAN_LIT("patch"), .custom = true
	};
	static const char *const want[] = { "event: response.custom_tool_call_input.delta",
		"\"delta\":\"x\"", "event: response.custom_tool_call_input.done", "\"input\":\"x\"" };
	struct buf out = { 0 };
	const char *why;

	(void)state;
	translate_aliases = &as;
	assert_int_equal(translate_run_to(FORM_CHAT, FORM_RESPONSES, true, 200,
				 SPAN_LIT(BEGINS("0", "a", "patch") GROWS("0", "{\\\"input\\\":")
						 GROWS("0", "\\\"x\\\"}") FINISH("tool_calls") DONE),
				 0, 0, &out, &why),
		0);
	translate_aliases = NULL;
	struct span rest = buf_view(&out);
	for (size_t i = 0; i < COUNT_OF(want); i++) {
		const char *at = memmem(rest.p, rest.n, want[i], strlen(want[i]));
		if (!at)
			fail_msg("%s: %.*s", want[i], SPAN_ARG(buf_view(&out)));
		rest = span_cut(rest, (size_t)(at - rest.p), rest.n);
	}
	assert_null(memmem(out.p, out.n, "arguments", strlen("arguments")));
	buf_free(&out);
}

/* A client could not distinguish half of a text from all of it, and would run it. */
static void
half_of_a_custom_call_is_omitted(void **state)
{
	static const struct tool_alias as = {
		.sent = SPAN_LIT("patch"), .name = SPAN_LIT("patch"), .custom = true
	};
	static const char *const in[] = {
		CHAT("\"content\":\"so\",\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"patch\",\"arguments\":"
		     "\"{\\\"input\\\":\\\"rm -r \"}}]},\"finish_reason\":\"length\"}]}"),
		SAYS("so") BEGINS("0", "a", "patch") GROWS("0", "{\\\"input\\\":\\\"rm -r ") FINISH("length") DONE,
	};

	(void)state;
	for (int streamed = 0; streamed < 2; streamed++) {
		struct buf out = { 0 };
		const char *why;
		translate_aliases = &as;
		assert_int_equal(translate_run_to(FORM_CHAT, FORM_RESPONSES, streamed, 200, span_str(in[streamed]), 0, 0,
					 &out, &why), 0);
		translate_aliases = NULL;
		if (memmem(out.p, out.n, "rm -r", 5) || !memmem(out.p, out.n, "\"reason\":\"max_output_tokens\"", 28))
			fail_msg("%.*s", SPAN_ARG(buf_view(&out)));
		buf_free(&out);
	}
}

/* Bedrock requires a tool if the history has calls. The caller, who offered none, gets no call
 * of it. */
static void
call_of_an_unoffered_tool_is_omitted(void **state)
{
	static const char body[] =
		"{\"messages\":[{\"role\":\"user\",\"content\":\"go\"},{\"role\":\"assistant\",\"tool_calls\":[{"
		"\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
		"{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"1\"}]}";
	const struct translate_ask ask = { .from = FORM_CHAT,
		.to = FORM_CONVERSE,
		.body = span_str(body),
		.model = SPAN_LIT("m") };
	struct translated_request made;
	struct arena a;
	struct buf sent = { 0 };

	(void)state;
	arena_init(&a, 0, false);
	assert_int_equal(translate_request(&ask, &a, &sent, &made), 0);
	assert_non_null(memmem(sent.p, sent.n, "no_tool", 7));
	assert_non_null(made.aliases);
	translate_aliases = made.aliases;
	for (int streamed = 0; streamed < 2; streamed++) {
		static const char *const in[] = {
			MESSAGE("{\"type\":\"text\",\"text\":\"so\"},{\"type\":\"tool_use\",\"id\":\"a\",\"name\":"
				"\"no_tool\",\"input\":{}}", "tool_use"),
			START TEXT("0") WORDS("0", "so") STOP("0") TOOL("1", "a", "no_tool") INPUT("1", "{}")
				STOP("1") WHY("tool_use") LAST,
		};
		struct buf out = { 0 };
		const char *why;
		assert_int_equal(translate_run_to(FORM_MESSAGES, FORM_CHAT, streamed, 200, span_str(in[streamed]),
					 (size_t)streamed, 0, &out, &why), 0);
		if (!memmem(out.p, out.n, "\"finish_reason\":\"stop\"", 22) ||
			memmem(out.p, out.n, "no_tool", 7) || memmem(out.p, out.n, "tool_calls", 10))
			fail_msg("%.*s", SPAN_ARG(buf_view(&out)));
		buf_free(&out);
	}
	translate_aliases = NULL;
	buf_free(&sent);
	arena_reset(&a);
}

/* ---- custom tools for a model that supports them ---- */

#define ASKS_RESPONSES_MEMBERS "'input':[{'type':'message','role':'user','content':[{'type':'input_text','text':'hi'}]},{'type':'custom_tool_call','call_id':'x','name':'patch','input':'1 \\u0022'}," \
	"{'type':'custom_tool_call_output','call_id':'x','output':'2'}],'tools':[{'type':'custom','name':'patch','description':'d','format':{'type':'grammar','syntax':'lark','definition':'start: X'}}," \
	"{'type':'custom','name':'any'}],'tool_choice':{'type':'custom','name':'patch'},'store':false}"
#define ASKS_CHAT_MEMBERS "'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'x','type':'custom','custom':{'name':'patch','input':'1 \\u0022'}}],'content':null}," \
	"{'role':'tool','tool_call_id':'x','content':'2'}],'tools':[{'type':'custom','custom':{'name':'patch','description':'d','format':{'type':'grammar','grammar':{'syntax':'lark','definition':'start: X'}}}}," \
	"{'type':'custom','custom':{'name':'any'}}],'tool_choice':{'type':'custom','custom':{'name':'patch'}}}"
#define ASKS_CUSTOM	 "{" ASKS_RESPONSES_MEMBERS
#define ASKS_CHAT_CUSTOM "{" ASKS_CHAT_MEMBERS
#define CHAT_CUSTOM(input, why) "{'id':'c1','model':'gpt','choices':[{'index':0,'message':{'role':'assistant','content':null,'tool_calls':[{'id':'a','type':'custom','custom':{'name':'patch','input':'" input "'}}]},'finish_reason':'" why "'}]}"
#define PIECE_OF(delta) "data: {'id':'c1','model':'gpt','choices':[{'index':0,'delta':{'tool_calls':[{'index':0," delta "}]},'finish_reason':null}]}\n\n"
#define CHAT_PIECES(why) PIECE_OF("'id':'a','type':'custom','custom':{'name':'patch','input':''}") PIECE_OF("'custom':{'input':'{\\u0022input'}") PIECE_OF("'custom':{'input':'\\u0022:1}'}") \
	"data: {'id':'c1','model':'gpt','choices':[{'index':0,'delta':{},'finish_reason':'" why "'}]}\n\ndata: [DONE]\n\n"
#define CUSTOM_ITEM(input) "{'type':'custom_tool_call','id':'ctc','status':'completed','call_id':'a','name':'patch','input':'" input "'}"
#define RESPONSE(status, more, items) "{'id':'r1','object':'response','model':'gpt','status':'" status "'" more ",'output':[" items "]}"
#define SAYS_EVENT(type, rest) "event: " type "\ndata: {'type':'" type "'," rest "}\n\n"
#define RESPONSE_EVENTS(last, whole) \
	SAYS_EVENT("response.created", "'response':" RESPONSE("in_progress", "", "")) \
	SAYS_EVENT("response.output_item.added", "'output_index':0,'item':" CUSTOM_ITEM("")) \
	SAYS_EVENT("response.custom_tool_call_input.delta", "'output_index':0,'item_id':'ctc','delta':'{\\u0022input'") \
	SAYS_EVENT("response.custom_tool_call_input.delta", "'output_index':0,'item_id':'ctc','delta':'\\u0022:1}'") \
	SAYS_EVENT("response.custom_tool_call_input.done", "'output_index':0,'item_id':'ctc','input':'{\\u0022input\\u0022:1}'") \
	SAYS_EVENT("response.output_item.done", "'output_index':0,'item':" CUSTOM_ITEM("{\\u0022input\\u0022:1}")) \
	SAYS_EVENT(last, "'response':" whole)

/* clang-format off */
static const struct {
	const char *name;
	enum form from, to;
	const char *request, *responses[2], *gets[2]; /* whole, and streamed */
} customs[] = {
	{ "responses at chat", FORM_RESPONSES, FORM_CHAT, ASKS_CUSTOM, { CHAT_CUSTOM("{\\u0022input\\u0022:1}", "tool_calls"), CHAT_PIECES("tool_calls") },
		{ "'type':'custom_tool_call','status':'completed','call_id':'a','name':'patch','input':'{\\'input\\':1}'}", "'status':'completed','call_id':'a','name':'patch','input':'{\\'input\\':1}'}]" } },
	{ "chat at responses", FORM_CHAT, FORM_RESPONSES, ASKS_CHAT_CUSTOM, 
		{ RESPONSE("completed", "", CUSTOM_ITEM("{\\u0022input\\u0022:1}")), RESPONSE_EVENTS("response.completed", RESPONSE("completed", "", CUSTOM_ITEM("{\\u0022input\\u0022:1}"))) },
		{ "'tool_calls':[{'id':'a','type':'custom','custom':{'name':'patch','input':'{\\'input\\':1}'}}]},'finish_reason':'tool_calls'", "'tool_calls':[{'index':0,'custom':{'input':'{\\'input\\':1}'}}]" } },
	{ "a call that was cut", FORM_RESPONSES, FORM_CHAT, ASKS_CUSTOM, { CHAT_CUSTOM("rm -r ", "length"), CHAT_PIECES("length") }, { "'output':[]", "'output':[]" } },
	{ "a call that was cut, in responses", FORM_CHAT, FORM_RESPONSES, ASKS_CHAT_CUSTOM, 
		{ RESPONSE("incomplete", ",'incomplete_details':{'reason':'max_output_tokens'}", CUSTOM_ITEM("rm")),
			RESPONSE_EVENTS("response.incomplete", RESPONSE("incomplete", ",'incomplete_details':{'reason':'max_output_tokens'}", CUSTOM_ITEM("{\\u0022input\\u0022:1}"))) },
		{ "'message':{'role':'assistant','content':'','refusal':null},'finish_reason':'length'", "'finish_reason':'length'" } },
	{ "a model that calls it as a function", FORM_RESPONSES, FORM_CHAT, ASKS_CUSTOM,
		{ "{'id':'c1','model':'gpt','choices':[{'index':0,'message':{'role':'assistant','tool_calls':[{'id':'a','type':'function','function':{'name':'patch','arguments':'{\\u0022input\\u0022:\\u00221\\u0022}'}}]},'finish_reason':'tool_calls'}]}",
			PIECE_OF("'id':'a','type':'function','function':{'name':'patch','arguments':'{\\u0022input\\u0022:\\u00221\\u0022}'}") "data: {'id':'c1','model':'gpt','choices':[{'index':0,'delta':{},'finish_reason':'tool_calls'}]}\n\n" },
		{ "'name':'patch','input':'1'}", "'name':'patch','input':'1'}]" } },
};
/* clang-format on */

static void
custom_tool_stays_custom_if_the_model_supports_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(customs); i++) {
		char *body = double_quoted(customs[i].request);
		struct translate_ask ask = { .from = customs[i].from, .to = customs[i].to, .body = span_str(body), .model = SPAN_LIT("m"), .custom_tools = true };
		struct translated_request made;
		struct buf sent = { 0 };
		struct arena a;
		arena_init(&a, 0, false);
		if (translate_request(&ask, &a, &sent, &made))
			fail_msg("%s: %.*s %s", customs[i].name, SPAN_ARG(made.refused), made.why);
		assert_int_equal(made.ndropped, 0);
		char *want = double_quoted(ask.to == FORM_CHAT
						   ? "{'model':'m'," ASKS_CHAT_MEMBERS
						   : "{'model':'m'," ASKS_RESPONSES_MEMBERS);
		if (!span_is(buf_view(&sent), want))
			fail_msg("%s:\n got %.*s\nwant %s", customs[i].name, SPAN_ARG(buf_view(&sent)), want);
		translate_aliases = made.aliases;
		for (int streamed = 0; streamed < 2; streamed++)
			for (size_t step = 0; step < 8; step += 7) {
				char *in = double_quoted(customs[i].responses[streamed]), *gets = double_quoted(customs[i].gets[streamed]);
				struct buf out = { 0 };
				const char *why = NULL;
				int err = translate_run_to(ask.to, ask.from, streamed, 200, span_str(in), step, 0, &out, &why);
				bool half = strstr(customs[i].name, "was cut") && memmem(out.p, out.n, "patch", 5);
				if (err || half || !memmem(out.p, out.n, gets, strlen(gets)) || memmem(out.p, out.n, "rm", 2))
					fail_msg("%s, %d: %d %s\n%.*s", customs[i].name, streamed, err, why ? why : "", SPAN_ARG(buf_view(&out)));
				buf_free(&out);
				free(in);
				free(gets);
			}
		translate_aliases = NULL;
		buf_free(&sent);
		arena_reset(&a);
		free(body);
		free(want);
	}
}

/* A model without custom tools, or Mistral, is offered a function. */
static void
other_models_get_a_function(void **state)
{
	char *body = double_quoted(ASKS_CUSTOM);
	struct translate_ask asks[] = {
		{ .from = FORM_RESPONSES, .to = FORM_CHAT, .body = span_str(body), .model = SPAN_LIT("m") },
		{ .from = FORM_RESPONSES, .to = FORM_CHAT, .body = span_str(body), .model = SPAN_LIT("m"), .custom_tools = true, .dialect = dialect_find(SPAN_LIT("mistral")) },
		{ .from = FORM_RESPONSES, .to = FORM_MESSAGES, .body = span_str(body), .model = SPAN_LIT("m"), .custom_tools = true, .cap_tokens = 9 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(asks); i++) {
		struct translated_request made;
		struct buf sent = { 0 };
		struct arena a;
		arena_init(&a, 0, false);
		assert_int_equal(translate_request(&asks[i], &a, &sent, &made), 0);
		assert_string_equal(made.dropped[0], "*.definition");
		assert_null(memmem(sent.p, sent.n, "\"custom\"", 8));
		assert_non_null(memmem(sent.p, sent.n, "A text of this grammar", 22));
		buf_free(&sent);
		arena_reset(&a);
	}
	free(body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_is_returned_with_the_callers_name),
		cmocka_unit_test(long_name_is_translated_there_and_back),
		cmocka_unit_test(custom_call_has_its_own_events),
		cmocka_unit_test(half_of_a_custom_call_is_omitted),
		cmocka_unit_test(call_of_an_unoffered_tool_is_omitted),
		cmocka_unit_test(custom_tool_stays_custom_if_the_model_supports_it),
		cmocka_unit_test(other_models_get_a_function),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
