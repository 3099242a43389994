/* Responses by way of each form: a chat completion that is written in the form and read from it
 * again has the same content. So each writer is checked with the reader that reads real
 * providers: whole, as a stream, and as a stream cut at each byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>

#include "answer/frames.h"
#include "answer/translate/answer.h"
#include "base/err.h"

#define CHUNK(delta, why)                                                                      \
	"data: {'id':'c','object':'chat.completion.chunk','created':1,'model':'gpt','choices':" \
	"[{'index':0,'delta':{" delta "},'finish_reason':" why "}]}\n\n"
#define PIECE(rest) CHUNK("'tool_calls':[{" rest "}]", "null")
#define USAGE                                                                                  \
	"data: {'choices':[],'usage':{'prompt_tokens':100,'completion_tokens':30,"             \
	"'total_tokens':130,'prompt_tokens_details':{'cached_tokens':40},"                     \
	"'completion_tokens_details':{'reasoning_tokens':9}}}\n\n"
#define DONE "data: [DONE]\n\n"
#define CALLS                                                                                  \
	PIECE("'index':0,'id':'a','type':'function','function':{'name':'get','arguments':''}") \
	PIECE("'index':0,'function':{'arguments':'{\\u0022x'}")                                \
	PIECE("'index':0,'function':{'arguments':'\\u0022:[1]}'}")                             \
	PIECE("'index':1,'id':'b','type':'function','function':{'name':'put','arguments':'{}'}")

/* One of several choices. */
#define ONE(index, delta, why) \
	"data: {'id':'c','model':'gpt','choices':[{'index':" index ",'delta':{" delta "},'finish_reason':" why "}]}\n\n"
#define ITEM(what, index, item) "data: {'type':'response.output_item." what "','output_index':" index ",'item':{" item "}}\n\n"
#define COMPLETED "data: {'type':'response.completed','response':{'status':'completed','output':[]}}\n\n"

/* clang-format off */
static const struct {
	const char *name, *stream, *want;
	unsigned choices; /* several choices are possible only in some forms */
} rows[] = {
	{ "a text", CHUNK("'role':'assistant','content':''", "null") CHUNK("'content':'Hel'", "null") CHUNK("'content':'lo \\ud83d\\ude00'", "null") CHUNK("", "'stop'") USAGE DONE,
		"content Hello \xf0\x9f\x98\x80|stop|100 30 40", 0 },
	{ "calls", CHUNK("'content':'look'", "null") CALLS CHUNK("", "'tool_calls'") USAGE DONE,
		"content look|a get {\"x\":[1]}|b put {}|tool_calls|100 30 40", 0 },
	{ "nothing but calls", CALLS CHUNK("", "'tool_calls'") USAGE DONE,
		"a get {\"x\":[1]}|b put {}|tool_calls|100 30 40", 0 },
	{ "arguments on several lines", CHUNK("'tool_calls':[{'index':0,'id':'a','function':{'name':'get','arguments':'{\\n\\u0022x\\u0022:\\r\\n\\n1}'}}]", "null") CHUNK("", "'tool_calls'") USAGE DONE,
		"a get {\"x\":1}|tool_calls|100 30 40", 0 },
	{ "what was reasoned", CHUNK("'reasoning_content':'hm'", "null") CHUNK("'content':'yes'", "null") CHUNK("", "'length'") USAGE DONE,
		"reasoning hm|content yes|length|100 30 40", 0 },
	{ "what was filtered", CHUNK("'content':'ye'", "null") CHUNK("", "'content_filter'") USAGE DONE,
		"content ye|content_filter|100 30 40", 0 },
	{ "a comment", ": still here\n\n" CHUNK("'content':'yes'", "null") ": still here\n\n" CHUNK("", "'stop'") USAGE DONE,
		"content yes|stop|100 30 40", 0 },
	{ "two choices by turns", ONE("0", "'content':'a'", "null") ONE("1", "'content':'x'", "null") ONE("0", "'content':'b'", "null") ONE("1", "'content':'y'", "null")
		ONE("0", "", "'stop'") ONE("1", "'content':'z'", "'length'") USAGE DONE, "content ab|stop & content xyz|length|100 30 40", 2 },
	{ "calls in two of three choices, and the last one first", ONE("2", "'tool_calls':[{'index':0,'id':'a','function':{'name':'get','arguments':'{'}}]", "null") ONE("1", "'content':'x'", "null")
		ONE("0", "'tool_calls':[{'index':0,'id':'a','function':{'name':'put','arguments':'{'}}]", "null") ONE("2", "'tool_calls':[{'index':0,'function':{'arguments':'}'}}]", "'tool_calls'")
		ONE("0", "'tool_calls':[{'index':0,'function':{'arguments':'}'}}]", "null") ONE("1", "", "'content_filter'") ONE("0", "", "'tool_calls'") USAGE DONE,
		"a put {}|tool_calls & content x|content_filter & a get {}|tool_calls|100 30 40", 3 },
	{ "fewer than were asked for", CHUNK("'content':'a'", "'stop'") USAGE DONE, "content a|stop|100 30 40", 1 },
	{ "nothing", CHUNK("'role':'assistant','content':''", "null") CHUNK("", "'stop'") USAGE DONE, "|stop|100 30 40", 0 },
};
/* clang-format on */

static char *
quoted(const char *s)
{
	char *q = strdup(s);

	for (char *p = q; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return q;
}

/* ---- one step ---- */

static const struct answer_format *
format_of(enum form f)
{
	char path[64];
	struct buf b;

	buf_init(&b, 0);
	form_target(f, SPAN_LIT("m"), true, &b);
	snprintf(path, sizeof(path), "%.*s", (int)span_chr(buf_view(&b), '?'), b.p + b.start);
	buf_free(&b);
	return answer_format_find(span_str(dialect_name(form_dialect(f))), span_str(path));
}

static enum frames_kind
kind_of(enum form f)
{
	return f == FORM_CONVERSE ? FRAMES_EVENTSTREAM : FRAMES_SSE;
}

static unsigned choices; /* number of requested choices */

/* `cut`: the end of the first of two pieces. */
static int
step(enum form from, enum form to, bool streamed, struct span in, size_t cut, struct buf *out,
	const char **why)
{
	struct translate_plan p = { .from = from,
		.to = to,
		.format = format_of(from),
		.sent = form_dialect(from),
		.asked = form_dialect(to),
		.wants_usage = true,
		.choices = choices,
		.model = SPAN_LIT("gpt"),
		.id = SPAN_LIT("D1") };
	struct translator *t = translator_new(&p, streamed, kind_of(from), 200);

	int err = translator_feed(t, span_cut(in, 0, cut), out, why);
	if (!err)
		err = translator_feed(t, span_cut(in, cut, in.n), out, why);
	if (!err)
		err = translator_end(t, out, why);
	translator_drop(&t);
	return err;
}

/* ---- what a client of chat completions reads ---- */

enum { HEARD = 3 }; /* choices */
struct heard {
	char content[256], reasoning[256], finish[32];
	struct {
		char id[64], name[32], arguments[128];
	} calls[4];
	size_t ncalls;
};
static char heard_usage[64];

static void
hear_text(char *to, size_t room, const json_t *text)
{
	size_t n = strlen(to);

	for (const char *p = json_string_value(text); p && *p && n + 1 < room; p++)
		if (*p != '\n' && *p != '\r') /* not between values in all forms */
			to[n++] = *p;
	to[n] = '\0';
}

static void
hear_message(struct heard *h, const json_t *m)
{
	size_t i;
	const json_t *c, *calls = json_object_get(m, "tool_calls");

	hear_text(h->content, sizeof(h->content), json_object_get(m, "content"));
	hear_text(h->reasoning, sizeof(h->reasoning), json_object_get(m, "reasoning_content"));
	json_array_foreach (calls, i, c) {
		const json_t *f = json_object_get(c, "function"),
			     *index = json_object_get(c, "index");
		size_t n = index ? (size_t)json_integer_value(index) : h->ncalls;
		assert_true(n < 4);
		h->ncalls = n >= h->ncalls ? n + 1 : h->ncalls;
		hear_text(h->calls[n].id, 64, json_object_get(c, "id"));
		hear_text(h->calls[n].name, 32, json_object_get(f, "name"));
		hear_text(h->calls[n].arguments, 128, json_object_get(f, "arguments"));
	}
}

static void
hear(struct heard heard[HEARD], const char *json)
{
	json_error_t e;
	json_t *doc = json_loads(json, 0, &e), *choice;
	size_t i;

	if (!doc)
		fail_msg("%s: %s", e.text, json);
	json_array_foreach (json_object_get(doc, "choices"), i, choice) {
		json_int_t index = json_integer_value(json_object_get(choice, "index"));
		const json_t *m = json_object_get(choice, "delta");
		assert_true(index >= 0 && index < HEARD);
		struct heard *h = &heard[index];
		hear_message(h, m ? m : json_object_get(choice, "message"));
		hear_text(h->finish, sizeof(h->finish),
			json_object_get(choice, "finish_reason"));
	}
	const json_t *u = json_object_get(doc, "usage");
	if (json_is_object(u))
		snprintf(heard_usage, sizeof(heard_usage), "%lld %lld %lld",
			json_integer_value(json_object_get(u, "prompt_tokens")),
			json_integer_value(json_object_get(u, "completion_tokens")),
			json_integer_value(json_object_get(
				json_object_get(u, "prompt_tokens_details"), "cached_tokens")));
	json_decref(doc);
}

static size_t
say_heard(const struct heard *h, char *out, size_t room)
{
	int n = snprintf(out, room, "%s%s%s%s%s|", *h->reasoning ? "reasoning " : "", h->reasoning,
		*h->reasoning ? "|" : "", *h->content ? "content " : "", h->content);

	if (!*h->content && (*h->reasoning || h->ncalls))
		n--;
	for (size_t i = 0; i < h->ncalls; i++)
		n += snprintf(out + n, room - (size_t)n, "%s %s %s|", h->calls[i].id,
			h->calls[i].name, h->calls[i].arguments);
	return (size_t)(n + snprintf(out + n, room - (size_t)n, "%s", h->finish));
}

static void
said(struct span bytes, bool streamed, char out[1024])
{
	struct heard heard[HEARD] = { 0 };
	char *copy = strndup(bytes.p ? bytes.p : "", bytes.n), *save = NULL;

	*heard_usage = '\0';

	if (!streamed)
		hear(heard, copy);
	for (char *l = streamed ? strtok_r(copy, "\n", &save) : NULL; l;
		l = strtok_r(NULL, "\n", &save))
		if (!strncmp(l, "data: {", 7))
			hear(heard, l + 6);
	free(copy);
	size_t n = say_heard(&heard[0], out, 1024);
	for (const struct heard *h = &heard[1]; h < heard + HEARD; h++)
		if (*h->content || h->ncalls || *h->finish) {
			n += (size_t)snprintf(out + n, 1024 - n, " & ");
			n += say_heard(h, out + n, 1024 - n);
		}
	snprintf(out + n, 1024 - n, "|%s", heard_usage);
}

/* ---- tests ---- */

static void
each_form_keeps_the_content(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (enum form by = FORM_RESPONSES; by < FORMS_OF_TALK; by++) {
			if (rows[i].choices > 1 && by != FORM_GENERATE)
				continue;
			char *in = quoted(rows[i].stream), got[1024];
			struct buf there, back;
			const char *why = NULL;
			choices = rows[i].choices;
			buf_init(&there, 0);
			buf_init(&back, 0);
			if (step(FORM_CHAT, by, true, span_str(in), 7, &there, &why))
				fail_msg("%s, to %s: %s", rows[i].name, form_name(by), why);
			for (size_t cut = 0; cut <= there.n; cut++) {
				buf_clear(&back);
				if (step(by, FORM_CHAT, true, buf_view(&there), cut, &back,
					    &why))
					fail_msg("%s, from %s: %s\n%.*s", rows[i].name,
						form_name(by), why, (int)there.n,
						there.p + there.start);
				said(buf_view(&back), true, got);
				if (strcmp(got, rows[i].want))
					fail_msg("%s, by %s: %s\nnot %s\n%.*s", rows[i].name,
						form_name(by), got, rows[i].want, (int)there.n,
						there.p + there.start);
			}
			/* everything that is cut is an error */
			for (size_t cut = 0; cut + 1 < there.n; cut++) {
				buf_clear(&back);
				int err = step(by, FORM_CHAT, true,
					span_cut(buf_view(&there), 0, cut), 0, &back, &why);
				said(buf_view(&back), true, got);
				if (!err && strncmp(got, rows[i].want, strlen(rows[i].want) - 9))
					fail_msg("%s, by %s cut at %zu: %s", rows[i].name,
						form_name(by), cut, got);
			}
			free(in);
			buf_free(&there);
			buf_free(&back);
		}
}

/* By way of each form that supports the choices. */
static void
whole_responses_keep_the_content(void **state)
{
#define WHOLE(rest) \
	"{'id':'c','object':'chat.completion','model':'gpt','choices':[" rest "],'usage':{'prompt_tokens':100," \
	"'completion_tokens':30,'total_tokens':130,'prompt_tokens_details':{'cached_tokens':40}}}"
#define CALLED                                                                                 \
	"{'index':0,'message':{'role':'assistant','reasoning_content':'hm','content':'look',"  \
	"'tool_calls':[{'id':'a','type':'function','function':{'name':'get','arguments':'{"    \
	"\\u0022x\\u0022:[1]}'}},{'id':'b','type':'function','function':{'name':'put',"        \
	"'arguments':''}}]},'finish_reason':'tool_calls'}"
#define SAID_CALLED "reasoning hm|content look|a get {\"x\":[1]}|b put {}|tool_calls"
	static const struct {
		const char *whole, *want;
	} wholes[] = {
		{ WHOLE(CALLED), SAID_CALLED "|100 30 40" },
		{ WHOLE(CALLED ",{'index':1,'message':{'content':'yes'},'finish_reason':"
			       "'length'}"),
			SAID_CALLED " & content yes|length|100 30 40" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wholes) / sizeof(*wholes); i++)
		for (enum form by = i ? FORM_GENERATE : FORM_RESPONSES;
			by < (i ? FORM_GENERATE + 1 : FORMS_OF_TALK); by++) {
			char *in = quoted(wholes[i].whole), got[1024];
			struct buf there, back;
			const char *why = NULL;
			choices = (unsigned)i + 1;
			buf_init(&there, 0);
			buf_init(&back, 0);
			if (step(FORM_CHAT, by, false, span_str(in), 7, &there, &why) ||
				step(by, FORM_CHAT, false, buf_view(&there), 3, &back, &why))
				fail_msg("%s: %s\n%.*s", form_name(by), why, (int)there.n,
					there.p + there.start);
			said(buf_view(&back), false, got);
			if (strcmp(got, wholes[i].want))
				fail_msg("by %s: %s\n%.*s", form_name(by), got, (int)there.n,
					there.p + there.start);
			buf_free(&there);
			buf_free(&back);
			free(in);
		}
	choices = 0;
}

/* Provider responses in forms that no writer of ours produces. */
static void
other_forms_of_providers_are_read(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name;
		enum form from;
		const char *stream, *want; /* NULL: an error */
	} others[] = {
		{ "a response of which only the end says it", FORM_RESPONSES,
			"data: {'type':'response.created','response':{'id':'c','status':'in_progress','model':'gpt','output':[]}}\n\n"
			"data: {'type':'response.completed','response':{'id':'c','status':'completed','output':[{'type':'message','role':'assistant','content':[{'type':'output_text','text':'hi'}]},"
			"{'type':'function_call','call_id':'a','name':'get','arguments':'{}'}]}}\n\n", "content hi|a get {}|tool_calls|" },
		{ "arguments that only done says", FORM_RESPONSES,
			"data: {'type':'response.output_item.added','output_index':0,'item':{'type':'function_call','call_id':'a','name':'get','arguments':''}}\n\n"
			"data: {'type':'response.function_call_arguments.done','output_index':0,'arguments':'{\\u0022x\\u0022:1}'}\n\n"
			"data: {'type':'response.output_item.done','output_index':0,'item':{'type':'function_call','call_id':'a','name':'get','arguments':'{\\u0022x\\u0022:1}'}}\n\n"
			"data: {'type':'response.completed','response':{'status':'completed','output':[{'type':'function_call','call_id':'a','name':'get','arguments':'{\\u0022x\\u0022:1}'}]}}\n\n", "a get {\"x\":1}|tool_calls|" },
		{ "a tool that the provider ran", FORM_RESPONSES,
			"data: {'type':'response.output_item.added','output_index':0,'item':{'type':'web_search_call','id':'w'}}\n\n", NULL },
		{ "a response that failed", FORM_RESPONSES,
			"data: {'type':'response.failed','response':{'status':'failed','error':{'code':'server_error','message':'no'}}}\n\n", "||" },
		{ "Gemini's, with a finish in each event", FORM_GENERATE,
			"data: {'candidates':[{'content':{'parts':[{'text':'a'}],'role':'model'},'finishReason':'STOP'}]}\n\n"
			"data: {'candidates':[{'content':{'parts':[{'text':'b'},{'thought':true,'text':'hm'},{'functionCall':{'name':'get','args':{'x':1}}},{'functionCall':{'name':'get','args':{}}}],'role':'model'},'finishReason':'STOP'}]}\n\n",
			"reasoning hm|content ab|call_D1_0 get {\"x\":1}|call_D1_1 get {}|tool_calls|" },
		{ "Gemini's refusal of a prompt", FORM_GENERATE, "data: {'promptFeedback':{'blockReason':'SAFETY'}}\n\n", "|content_filter|" },
		{ "a call that could not be read", FORM_GENERATE, "data: {'candidates':[{'finishReason':'MALFORMED_FUNCTION_CALL'}]}\n\n", "|stop|" },
		{ "a reason that no other form has", FORM_GENERATE, "data: {'candidates':[{'content':{'parts':[{'text':'so'}]},'finishReason':'OTHER'}]}\n\n", "content so|stop|" },
		{ "a response that may be continued", FORM_GENERATE, "data: {'candidates':[{'content':{'parts':[{'text':'so'}]},'finishReason':'CONTINUATION'}]}\n\n", "content so|length|" },
		{ "the end as some servers name it", FORM_CHAT, CHUNK("'content':'so'", "null") CHUNK("", "'eos'") DONE, "content so|stop|" },
		{ "a call of a tool that was not offered", FORM_GENERATE, "data: {'candidates':[{'content':{'parts':[{'text':'so'}]},'finishReason':'UNEXPECTED_TOOL_CALL','finishMessage':'x'}]}\n\n", "content so|stop|" },
		{ "a call that could not be read, after a text in an event before it", FORM_GENERATE, "data: {'candidates':[{'content':{'parts':[{'text':'so'}]}}]}\n\n"
			"data: {'candidates':[{'content':{},'finishReason':'MALFORMED_FUNCTION_CALL','finishMessage':'x'}]}\n\n", "content so|stop|" },
		{ "a picture", FORM_GENERATE, "data: {'candidates':[{'content':{'parts':[{'inlineData':{'mimeType':'image/png','data':'QUJD'}}]},'finishReason':'STOP'}]}\n\n", NULL },
		{ "arguments in pieces of their own", FORM_GENERATE, "data: {'candidates':[{'content':{'parts':[{'functionCall':{'name':'get','partialArgs':[{'jsonPath':'$.x','stringValue':'a'}],'willContinue':true}}]}}]}\n\n", NULL },
		{ "items that are done in another order, one without deltas", FORM_RESPONSES,
			ITEM("added", "0", "'type':'function_call','call_id':'a','name':'f','arguments':''") ITEM("added", "1", "'type':'function_call','call_id':'b','name':'g','arguments':''")
			"data: {'type':'response.function_call_arguments.delta','output_index':1,'delta':'{}'}\n\n" ITEM("done", "1", "'type':'function_call','call_id':'b','name':'g','arguments':'{}'")
			"data: {'type':'response.function_call_arguments.done','output_index':0,'arguments':'{\\u0022x\\u0022:1}'}\n\n" ITEM("done", "0", "'type':'function_call','call_id':'a','name':'f','arguments':'{\\u0022x\\u0022:1}'")
			COMPLETED, "a f {\"x\":1}|b g {}|tool_calls|" },
		{ "an item of two parts that only done says", FORM_RESPONSES,
			ITEM("done", "0", "'type':'message','content':[{'type':'output_text','text':'a'},{'type':'output_text','text':'b'}]") COMPLETED, "content ab|stop|" },
		{ "items without numbers", FORM_RESPONSES,
			"data: {'type':'response.output_item.added','item':{'type':'message','content':[]}}\n\ndata: {'type':'response.output_text.delta','delta':'hi'}\n\n"
			"data: {'type':'response.output_item.done','item':{'type':'message','content':[{'type':'output_text','text':'hi'}]}}\n\n"
			"data: {'type':'response.completed','response':{'status':'completed','output':[{'type':'reasoning','summary':[]},{'type':'message','content':[{'type':'output_text','text':'hi'}]}]}}\n\n", "content hi|stop|" },
		{ "what was reasoned, and said after the text", FORM_RESPONSES, "data: {'type':'response.output_text.delta','output_index':1,'delta':'hi'}\n\n"
			"data: {'type':'response.completed','response':{'status':'completed','output':[{'type':'reasoning','summary':[{'type':'summary_text','text':'hm'}]},{'type':'message','content':[{'type':'output_text','text':'hi'}]}]}}\n\n", NULL },
		{ "a text that only a part of is said to be done", FORM_RESPONSES, "data: {'type':'response.output_text.done','output_index':0,'text':'hi'}\n\n" COMPLETED, NULL },
		{ "a message in a chat's stream, and no delta", FORM_CHAT, "data: {'choices':[{'index':0,'message':{'content':'Hello'},'finish_reason':'stop'}]}\n\ndata: [DONE]\n\n", NULL },
		{ "two calls of one id", FORM_CHAT, CHUNK("'tool_calls':[{'index':0,'id':'a','function':{'name':'f','arguments':'{}'}}]", "null") CHUNK("'tool_calls':[{'index':1,'id':'a','function':{'name':'f','arguments':'{}'}}]", "'tool_calls'") DONE,
			"a f {}|call_D1_1 f {}|tool_calls|" },
		{ "a call that is cut by the length", FORM_CHAT, CHUNK("'tool_calls':[{'index':0,'id':'a','function':{'name':'f','arguments':'{'}}]", "null") CHUNK("", "'length'") DONE, "a f {|length|" },
		{ "empty pieces of calls", FORM_CHAT, CHUNK("'tool_calls':[{'index':0,'id':'a','function':{'name':'f','arguments':'{}'}}]", "null") CHUNK("'tool_calls':[{'index':0,'function':{'arguments':''}}]", "'tool_calls'")
			CHUNK("'tool_calls':[{'index':0,'function':{'arguments':''}}]", "null") DONE, "a f {}|tool_calls|" },
		{ "a prompt that is blocked, for whatever", FORM_GENERATE, "data: {'promptFeedback':{'blockReason':'OTHER'}}\n\n", "|content_filter|" },
		{ "code that it ran", FORM_GENERATE, "data: {'candidates':[{'content':{'parts':[{'executableCode':{'code':'x'}}]},'finishReason':'STOP'}]}\n\n", NULL },
		{ "a call in another spelling", FORM_GENERATE, "data: {'candidates':[{'content':{'parts':[{'function_call':{'name':'f'}}]},'finishReason':'STOP'}]}\n\n", NULL },
		{ "what only a chat's server says", FORM_CHAT, "data: {'choices':[{'index':0,'delta':{'video':{}}}]}\n\ndata: [DONE]\n\n", NULL },
		{ "a stream without its end", FORM_GENERATE, "data: {'candidates':[{'content':{'parts':[{'text':'a'}]}}]}\n\n", NULL },
		{ "two candidates where one was asked for", FORM_GENERATE, "data: {'candidates':[{'content':{'parts':[{'text':'a'}]},'finishReason':'STOP'},{'content':{'parts':[{'text':'b'}]},'index':1,'finishReason':'STOP'}]}\n\n", NULL },
		{ "an error", FORM_GENERATE, "data: {'error':{'code':503,'status':'UNAVAILABLE','message':'no'}}\n\n", "||" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		char *in = quoted(others[i].stream), got[1024];
		struct buf out;
		const char *why = NULL;
		buf_init(&out, 0);
		struct buf by;
		buf_init(&by, 0);
		/* a chat completion is translated by way of responses */
		bool chat = others[i].from == FORM_CHAT;
		int err = chat ? step(FORM_CHAT, FORM_RESPONSES, true, span_str(in), 9, &by, &why) : 0;
		if (!err)
			err = step(chat ? FORM_RESPONSES : others[i].from, FORM_CHAT, true,
				chat ? buf_view(&by) : span_str(in), 9, &out, &why);
		buf_free(&by);
		said(buf_view(&out), true, got);
		if (others[i].want ? err || strcmp(got, others[i].want) : !err)
			fail_msg("%s: %d %s, %s", others[i].name, err, why ? why : "", got);
		if (out.p && memmem(out.p, out.n, "[DONE]", 6) && (err || strstr(got, "||")))
			fail_msg("%s: an end after an error", others[i].name);
		buf_free(&out);
		free(in);
	}
}

/* For whole responses, in each form: the response has an end and its text. */
static void
finish_reasons_of_gemini_are_translated(void **state)
{
	static const char *const reasons[] = { "OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL",
		"TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "NO_IMAGE", "IMAGE_OTHER",
		"FINISH_REASON_UNSPECIFIED" };

	(void)state;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		for (enum form to = FORM_CHAT; to < FORMS_OF_TALK; to++) {
			struct buf in, out;
			const char *why = NULL;
			if (to == FORM_GENERATE)
				continue;
			buf_init(&in, 0);
			buf_init(&out, 0);
			buf_printf(&in,
				"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"so\"}],\"role\":\"model\"},"
				"\"finishReason\":\"%s\",\"finishMessage\":\"x\"}]}",
				reasons[i]);
			int err = step(FORM_GENERATE, to, false, buf_view(&in), 9, &out, &why);
			const char *word = to == FORM_CHAT	  ? "\"stop\""
					   : to == FORM_RESPONSES ? "\"completed\""
					   : to == FORM_CONVERSE && strstr(reasons[i], "MALFORMED")
						   ? "\"malformed_tool_use\""
						   : "\"end_turn\"";
			if (err || !memmem(out.p, out.n, "\"so\"", 4) || !memmem(out.p, out.n, word, strlen(word)))
				fail_msg("%s to %s: %s %.*s", reasons[i], form_name(to), why ? why : "", (int)out.n, out.p + out.start);
			buf_free(&in);
			buf_free(&out);
		}
}

/* A malformed call of the model: Bedrock and Gemini have reasons for it. */
static void
malformed_end_of_bedrock_is_translated(void **state)
{
	static const char *const reasons[] = { "malformed_tool_use", "malformed_model_output" };

	(void)state;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		for (enum form to = FORM_CHAT; to < FORM_CONVERSE; to++) {
			struct buf in, out;
			const char *why = NULL;
			buf_init(&in, 0);
			buf_init(&out, 0);
			buf_printf(&in, "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":\"so\"}]}},"
					"\"stopReason\":\"%s\"}", reasons[i]);
			int err = step(FORM_CONVERSE, to, false, buf_view(&in), 9, &out, &why);
			const char *word = to == FORM_CHAT	  ? "\"stop\""
					   : to == FORM_RESPONSES ? "\"completed\""
					   : to == FORM_MESSAGES  ? "\"end_turn\""
								  : "\"MALFORMED_FUNCTION_CALL\"";
			if (err || !memmem(out.p, out.n, "\"so\"", 4) || !memmem(out.p, out.n, word, strlen(word)))
				fail_msg("%s to %s: %s %.*s", reasons[i], form_name(to), why ? why : "", (int)out.n, out.p + out.start);
			buf_free(&in);
			buf_free(&out);
		}
}

/* An error event of responses has the number after the events before it. */
static void
error_event_is_numbered_after_earlier_events(void **state)
{
	static const char *const ends[] = { "data: {'error':{'message':'slow \\'sequence_number\\':0','code':429}}\n\n", "data: {]\n\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		for (unsigned before = 0; before < 3; before++) {
			struct translate_plan p = { .from = FORM_CHAT,
				.to = FORM_RESPONSES,
				.format = format_of(FORM_CHAT),
				.sent = form_dialect(FORM_CHAT),
				.asked = form_dialect(FORM_RESPONSES),
				.model = SPAN_LIT("gpt"),
				.id = SPAN_LIT("D1") };
			struct translator *t = translator_new(&p, true, FRAMES_SSE, 200);
			char *text = quoted(CHUNK("'content':'a'", "null")), *end = quoted(ends[i]);
			struct buf out;
			const char *why = NULL;
			long want = 0;
			buf_init(&out, 0);
			for (unsigned k = 0; k < before; k++)
				assert_int_equal(translator_feed(t, span_str(text), &out, &why), 0);
			if (translator_feed(
				    t, span_str(end), &out, &why)) /* as the guard writes it */
				translator_say_error(t, "provider_error", SPAN_LIT("no"), SPAN_LIT("D1"), &out);
			buf_putc(&out, '\0');
			for (const char *at = out.p + out.start; (at = strstr(at, "\"sequence_number\":")); want++)
				if (strtol(at += strlen("\"sequence_number\":"), NULL, 10) != want)
					fail_msg("%u before, not %ld: %s", before, want, out.p + out.start);
			/* two events for the begin, two for its item, one for each text */
			assert_int_equal(want, before ? before + 5 : 1);
			translator_drop(&t);
			buf_free(&out);
			free(text);
			free(end);
		}
}

/* A caller who requested two choices cannot distinguish a missing one from a cut stream. */
static void
stream_without_a_requested_choice_is_an_error(void **state)
{
	char *in = quoted(CHUNK("'content':'a'", "'stop'"));
	struct buf out;
	const char *why = NULL;

	(void)state;
	buf_init(&out, 0);
	choices = 2;
	assert_int_equal(
		step(FORM_CHAT, FORM_GENERATE, true, span_str(in), 7, &out, &why), ERR_TRUNCATED);
	choices = 1;
	assert_int_equal(step(FORM_CHAT, FORM_GENERATE, true, span_str(in), 7, &out, &why), 0);
	choices = 0;
	buf_free(&out);
	free(in);
}

/* ---- embeddings ---- */

static void
vectors_have_the_form_of_openai(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name;
		enum form from;
		size_t vectors;
		bool base64;
		const char *whole, *want; /* its data and tokens; NULL: an error */
	} answers[] = {
		{ "Gemini's", FORM_EMBED_GEMINI, 2, false, "{'embeddings':[{'values':[0.5, -0.25]},{'statistics':{'values':[1]},'values':[1e-3]}],'usageMetadata':{'promptTokenCount':7}}",
			"{'object':'embedding','index':0,'embedding':[0.5, -0.25]},{'object':'embedding','index':1,'embedding':[1e-3]} 7" },
		{ "one too few", FORM_EMBED_GEMINI, 3, false, "{'embeddings':[{'values':[0.5]},{'values':[1]}]}", NULL },
		{ "one too many", FORM_EMBED_GEMINI, 1, false, "{'embeddings':[{'values':[0.5]},{'values':[1]}]}", NULL },
		{ "none", FORM_EMBED_GEMINI, 1, false, "{'embeddings':[{'values':[]}]}", NULL },
		{ "Cohere's", FORM_EMBED_COHERE, 1, false, "{'id':'x','texts':['a'],'embeddings':{'int8':[[3]],'float':[[1,2]]},'meta':{'billed_units':{'input_tokens':4}}}",
			"{'object':'embedding','index':0,'embedding':[1,2]} 4" },
		{ "Cohere's at Bedrock, which counts in the head", FORM_EMBED_INVOKED, 1, false, "{'embeddings':{'float':[[1,2]]}}",
			"{'object':'embedding','index':0,'embedding':[1,2]} 11" },
		{ "Cohere's without types", FORM_EMBED_INVOKED, 2, false, "{'embeddings':[[1],[2]]}",
			"{'object':'embedding','index':0,'embedding':[1]},{'object':'embedding','index':1,'embedding':[2]} 11" },
		{ "Titan's, likewise", FORM_EMBED_TITAN, 1, false, "{'embedding':[1,-2],'embeddingsByType':{'float':[1,-2]},'inputTextTokenCount':3}",
			"{'object':'embedding','index':0,'embedding':[1,-2]} 11" },
		{ "as bytes", FORM_EMBED_TITAN, 1, true, "{'embedding':[1,-2.5],'inputTextTokenCount':3}",
			"{'object':'embedding','index':0,'embedding':'AACAPwAAIMA='} 11" },
		{ "a vector with a text in it", FORM_EMBED_TITAN, 1, false, "{'embedding':[1,'x']}", NULL },
		{ "a vector that is cut", FORM_EMBED_TITAN, 1, false, "{'embedding':[1,2", NULL },
		{ "no JSON", FORM_EMBED_COHERE, 1, false, "hello", NULL },
		{ "nothing", FORM_EMBED_COHERE, 1, false, "", NULL },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		char *in = quoted(answers[i].whole), want[512] = "";
		struct translate_plan p = { .from = answers[i].from,
			.to = FORM_EMBEDDINGS,
			.format = format_of(answers[i].from),
			.sent = form_dialect(answers[i].from),
			.asked = form_dialect(FORM_EMBEDDINGS),
			.vectors = answers[i].vectors,
			.base64 = answers[i].base64,
			.head_tokens = 11,
			.model = SPAN_LIT("m"),
			.id = SPAN_LIT("D1") };
		/* whatever its media type is */
		struct translator *t = translator_new(&p, i & 1, FRAMES_SSE, 200);
		struct buf out;
		const char *why = NULL;
		buf_init(&out, 0);
		assert_string_equal(translator_media_type(t), "application/json");
		int err = translator_feed(t, span_cut(span_str(in), 0, 9), &out, &why);
		if (!err)
			err = translator_feed(t, span_cut(span_str(in), 9, strlen(in)), &out, &why);
		if (!err)
			err = translator_end(t, &out, &why);
		if (answers[i].want) {
			char *row = quoted(answers[i].want), *tokens = strrchr(row, ' ');
			*tokens++ = '\0';
			snprintf(want, sizeof(want),
				"{\"object\":\"list\",\"data\":[%s],\"model\":\"m\",\"usage\":{"
				"\"prompt_tokens\":%s,\"total_tokens\":%s}}",
				row, tokens, tokens);
			free(row);
		}
		if (answers[i].want ? err || !span_is(buf_view(&out), want) : !err || out.n || !why)
			fail_msg("%s: %d %s %.*s", answers[i].name, err, why ? why : "", (int)out.n,
				out.p + out.start);
		translator_drop(&t);
		buf_free(&out);
		free(in);
	}
}

/* Vectors arrive whole: a stream of vectors is invalid. */
static void
stream_of_vectors_is_an_error(void **state)
{
	struct translate_plan p = { .from = FORM_EMBED_COHERE,
		.to = FORM_EMBEDDINGS,
		.format = &answer_any,
		.sent = form_dialect(FORM_EMBED_COHERE),
		.asked = form_dialect(FORM_EMBEDDINGS),
		.vectors = 1 };
	struct translator *t = translator_new(&p, true, FRAMES_SSE, 200);
	struct buf out;
	const char *why = NULL;

	(void)state;
	buf_init(&out, 0);
	assert_string_equal(translator_media_type(t), "application/json");
	assert_int_equal(translator_feed(t, SPAN_LIT("data: {}\n\n"), &out, &why), 0);
	assert_int_equal(translator_end(t, &out, &why), ERR_SYNTAX);
	translator_drop(&t);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_keeps_the_content),
		cmocka_unit_test(whole_responses_keep_the_content),
		cmocka_unit_test(stream_without_a_requested_choice_is_an_error),
		cmocka_unit_test(other_forms_of_providers_are_read),
		cmocka_unit_test(finish_reasons_of_gemini_are_translated),
		cmocka_unit_test(malformed_end_of_bedrock_is_translated),
		cmocka_unit_test(error_event_is_numbered_after_earlier_events),
		cmocka_unit_test(stream_of_vectors_is_an_error),
		cmocka_unit_test(vectors_have_the_form_of_openai),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
