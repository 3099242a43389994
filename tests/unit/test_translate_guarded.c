/* Responses in another form after the guard: values are restored in reasoning, findings in it
 * are replaced, and all earlier text is sent before an error. Rows are written with ' for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "answer/frames.h"
#include "answer/vault.h"
#include "support/answer_fix.h"
#include "support/fake_clock.h"

#define SSE	    "text/event-stream"
#define JSON	    "application/json"
#define EVENT(json) "data: " json "\n\n"
#define DELTA(kind, member, text) \
	EVENT("{'type':'content_block_delta','index':0,'delta':{'type':'" kind "','" member "':'" text "'}}")
#define STARTS                                                                                 \
	EVENT("{'type':'message_start','message':{'id':'m','model':'c','content':[],'usage':{}}}")
#define THINKS EVENT("{'type':'content_block_start','index':0,'content_block':{'type':'thinking','thinking':''}}")
#define ENDS                                                                                   \
	EVENT("{'type':'content_block_stop','index':0}")                                       \
	EVENT("{'type':'message_delta','delta':{'stop_reason':'end_turn'}}") EVENT("{'type':'message_stop'}")
#define REASONS(text) "contentBlockDelta {'contentBlockIndex':0,'delta':{'reasoningContent':{'text':'" text "'}}}\n"
#define WORDS(text)   "contentBlockDelta {'contentBlockIndex':0,'delta':{'text':'" text "'}}\n"
#define STOPPED                                                                                \
	"contentBlockStop {'contentBlockIndex':0}\n"                                           \
	"messageStop {'stopReason':'end_turn'}\n"

/* clang-format off */
static const struct {
	const char *name;
	enum form from;
	const char *type, *in;
	const char *want; /* the texts of a chat completion: reasoning, content, the error */
} rows[] = {
	{ "reasoning of messages, a placeholder in two events", FORM_MESSAGES, SSE,
		STARTS THINKS DELTA("thinking_delta", "thinking", "ask <EMAIL_ADD") DELTA("thinking_delta", "thinking", "RESS_1> soon")
			DELTA("signature_delta", "signature", "c2ln") ENDS,
		"ask jane@x.org soon||" },
	{ "its end is a placeholder", FORM_MESSAGES, SSE,
		STARTS THINKS DELTA("thinking_delta", "thinking", "ask <EMAIL_ADDRESS_1>") DELTA("signature_delta", "signature", "c2ln") ENDS,
		"ask jane@x.org||" },
	{ "of a whole response", FORM_MESSAGES, JSON,
		"{'id':'m','model':'c','content':[{'type':'thinking','thinking':'ask <EMAIL_ADDRESS_1>','signature':'c2ln'},{'type':'text','text':'<EMAIL_ADDRESS_1>'}],'stop_reason':'end_turn','usage':{}}",
		"ask jane@x.org|jane@x.org|" },
	{ "a finding in it is replaced", FORM_MESSAGES, SSE,
		STARTS THINKS DELTA("thinking_delta", "thinking", "ask " MAIL " soon") DELTA("signature_delta", "signature", "c2ln") ENDS,
		"ask <EMAIL_ADDRESS> soon||" },
	{ "of a whole response, too", FORM_MESSAGES, JSON,
		"{'id':'m','model':'c','content':[{'type':'thinking','thinking':'ask " MAIL " soon','signature':'c2ln'},{'type':'text','text':'so'}],'stop_reason':'end_turn','usage':{}}",
		"ask <EMAIL_ADDRESS> soon|so|" },
	{ "reasoning of Bedrock's", FORM_CONVERSE, FRAMES, REASONS("ask <EMAIL_ADDRESS_1>") "contentBlockDelta {'contentBlockIndex':0,'delta':{'reasoningContent':{'signature':'c2ln'}}}\n" STOPPED,
		"ask jane@x.org||" },
	{ "of a whole response of Bedrock's", FORM_CONVERSE, JSON,
		"{'output':{'message':{'role':'assistant','content':[{'reasoningContent':{'reasoningText':{'text':'ask <EMAIL_ADDRESS_1>','signature':'c2ln'}}},{'text':'so'}]}},'stopReason':'end_turn','usage':{'inputTokens':1,'outputTokens':1}}",
		"ask jane@x.org|so|" },
	{ "thoughts of Gemini's", FORM_GENERATE, SSE,
		EVENT("{'candidates':[{'content':{'parts':[{'text':'ask <EMAIL_ADDRESS_1>','thought':true}]}}]}") EVENT("{'candidates':[{'content':{'parts':[{'text':'so'}]},'finishReason':'STOP'}]}"),
		"ask jane@x.org|so|" },
	{ "reasoning of responses", FORM_RESPONSES, JSON,
		"{'id':'r','model':'m','status':'completed','output':[{'type':'reasoning','summary':[{'type':'summary_text','text':'ask <EMAIL_ADDRESS_1>'}]},{'type':'message','role':'assistant','content':[{'type':'output_text','text':'so'}]}]}",
		"ask jane@x.org|so|" },
	/* held text, which may be the beginning of a value, is sent before the error */
	{ "the last word of a stream of Bedrock's that fails", FORM_CONVERSE, FRAMES, WORDS("it is jane.") WORDS("doe") "!throttlingException {'message':'slow'}\n",
		"|it is jane.doe|slow" },
	{ "the begin of a placeholder there", FORM_CONVERSE, FRAMES, WORDS("it is <EMAIL_ADD") "!modelStreamErrorException {'message':'no'}\n", "|it is <EMAIL_ADD|no" },
	{ "of messages", FORM_MESSAGES, SSE,
		STARTS EVENT("{'type':'content_block_start','index':0,'content_block':{'type':'text','text':''}}") DELTA("text_delta", "text", "it is jane.doe")
			EVENT("{'type':'error','error':{'type':'overloaded_error','message':'no'}}"),
		"|it is jane.doe|no" },
	{ "of Gemini's", FORM_GENERATE, SSE,
		EVENT("{'candidates':[{'content':{'parts':[{'text':'it is jane.doe'}]}}]}") EVENT("{'error':{'code':503,'status':'UNAVAILABLE','message':'no'}}"),
		"|it is jane.doe|no" },
	{ "of responses", FORM_RESPONSES, SSE,
		EVENT("{'type':'response.output_text.delta','output_index':0,'delta':'it is jane.doe'}") EVENT("{'type':'response.failed','response':{'status':'failed','error':{'code':'server_error','message':'no'}}}"),
		"|it is jane.doe|no" },
};
/* clang-format on */

/* Writes the bytes of the row: with " for ', and for event streams one frame for each line. */
static void
put_bytes(const char *type, const char *in, struct buf *out)
{
	struct buf text = { 0 };
	struct frame_writer w;

	for (const char *c = in; *c; c++)
		buf_putc(&text, *c == '\'' ? '"' : *c);
	struct span rest = buf_view(&text);
	frame_writer_init(&w, FRAMES_EVENTSTREAM);
	if (strcmp(type, FRAMES) != 0)
		buf_span(out, rest);
	while (!strcmp(type, FRAMES) && rest.n) {
		struct span line = span_next(&rest, '\n');
		bool fails = span_take(&line, '!');
		struct span of = span_next(&line, ' ');
		assert_int_equal((fails ? frame_write_error : frame_write)(&w, of, line, out), 0);
	}
	buf_free(&text);
}

/* Joins the texts of a chat completion. */
static void
hear_chat(struct span out, struct buf *say)
{
	static const char *const members[] = { "\"reasoning_content\":\"", "\"content\":\"", "\"message\":\"" };

	for (size_t i = 0; i < COUNT_OF(members); i++) {
		struct span rest = out;
		const char *at;
		buf_str(say, i ? "|" : "");
		while ((at = memmem(rest.p, rest.n, members[i], strlen(members[i])))) {
			rest = span_cut(rest, (size_t)(at - rest.p) + strlen(members[i]), rest.n);
			buf_span(say, span_cut(rest, 0, span_chr(rest, '"')));
		}
	}
}

static void
run_translated(enum form from, enum form to, const char *type, const struct vault *v, struct span in, size_t cut, struct guard_rig *r)
{
	static const char *const whole[FORMS] = { [FORM_GENERATE] = "/v1beta/models/m:generateContent", [FORM_CONVERSE] = "/model/m/converse" };
	static const char *const paths[FORMS] = { [FORM_CHAT] = "/v1/chat/completions",
		[FORM_RESPONSES] = "/v1/responses",
		[FORM_MESSAGES] = "/v1/messages",
		[FORM_GENERATE] = "/v1beta/models/m:streamGenerateContent",
		[FORM_CONVERSE] = "/model/m/converse-stream" };
	const struct answer_case c = { .rules = REDACT,
		.dialect = dialect_name(form_dialect(from)),
		.path = whole[from] && !strcmp(type, JSON) ? whole[from] : paths[from],
		.type = type };

	guard_rig_load(r, &c);
	const struct translate_plan into = { .from = from,
		.to = to,
		.format = r->plan.format,
		.sent = form_dialect(from),
		.asked = form_dialect(to),
		.model = SPAN_LIT("m"),
		.id = SPAN_LIT("D1") };
	r->plan.translate = &into;
	r->plan.vault = v;
	guard_rig_begin(r, &c);
	guard_rig_feed(r, span_cut(in, 0, cut));
	guard_rig_feed(r, span_cut(in, cut, in.n));
	guard_rig_end(r);
}

static void
check_row(size_t i, struct span in, const struct vault *v, size_t cut)
{
	struct guard_rig r;
	struct buf say = { 0 };

	run_translated(rows[i].from, FORM_CHAT, rows[i].type, v, in, cut, &r);
	hear_chat(buf_view(&r.out), &say);
	struct span got = buf_view(&say);
	const char *decision = memmem(got.p, got.n, " (decision D1)", 14);
	got = decision ? span_cut(got, 0, (size_t)(decision - got.p)) : got;
	if (!span_is(got, rows[i].want))
		fail_msg("%s, cut at %zu: %d %.*s\n%.*s", rows[i].name, cut, r.got, SPAN_ARG(got), SPAN_ARG(buf_view(&r.out)));
	buf_free(&say);
	guard_rig_close(&r);
}

static void
guarded_response_is_translated(void **state)
{
	struct vault *v = vault_new();

	(void)state;
	assert_int_equal(vault_add(v, SPAN_LIT("<EMAIL_ADDRESS_1>"), SPAN_LIT("jane@x.org")), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf in = { 0 };
		put_bytes(rows[i].type, rows[i].in, &in);
		for (size_t cut = 0; cut <= in.n; cut += in.n > 64 ? in.n / 13 : 1)
			check_row(i, buf_view(&in), v, cut);
		buf_free(&in);
	}
	vault_free(&v);
}

/* clang-format off */
#define CHAT_SAYS(rest) "{'id':'c','model':'m','choices':[{'index':0,'message':{'role':'assistant'," rest "]}"
#define CHAT_DELTA(rest) EVENT("{'id':'c','model':'m','choices':[{'index':0,'delta':{" rest "}]}")
#define MESSAGE(blocks, why) "{'id':'m','model':'c','content':[" blocks "],'stop_reason':'" why "','usage':{}}"
static const struct {
	const char *name;
	enum form from, to;
	const char *type, *in, *has, *lost; /* "": none */
} losses[] = {
	{ "citations of messages", FORM_MESSAGES, FORM_CHAT, JSON, MESSAGE("{'type':'text','text':'so','citations':[{'type':'page_location','cited_text':'x'}]}", "end_turn"), "'so'", "citations" },
	{ "no citations", FORM_MESSAGES, FORM_CHAT, JSON, MESSAGE("{'type':'text','text':'so','citations':[]},{'type':'text','text':'so','citations':null}", "end_turn"), "'soso'", "" },
	{ "citations in a stream", FORM_MESSAGES, FORM_CHAT, SSE,
		STARTS EVENT("{'type':'content_block_start','index':0,'content_block':{'type':'text','text':'','citations':[]}}") DELTA("text_delta", "text", "so")
			EVENT("{'type':'content_block_delta','index':0,'delta':{'type':'citations_delta','citation':{'type':'page_location','cited_text':'x'}}}") ENDS, "'so'", "citations" },
	{ "annotations of chat", FORM_CHAT, FORM_MESSAGES, JSON, CHAT_SAYS("'content':'so','annotations':[{'type':'url_citation','url_citation':{'url':'https://x'}}]},'finish_reason':'stop'}"), "'so'", "citations" },
	{ "in a stream", FORM_CHAT, FORM_MESSAGES, SSE, CHAT_DELTA("'content':'so','annotations':[{'type':'url_citation'}]},'finish_reason':null") CHAT_DELTA("},'finish_reason':'stop'") EVENT("[DONE]"), "'so'", "citations" },
	{ "beside the choices, as Perplexity has them", FORM_CHAT, FORM_GENERATE, JSON, "{'id':'c','model':'m','citations':['https://x'],'search_results':[{'title':'x'}],'choices':[{'index':0,'message':{'content':'so'},'finish_reason':'stop'}]}", "'so'",
		"citations grounding" },
	{ "annotations of responses", FORM_RESPONSES, FORM_CHAT, JSON, "{'id':'r','model':'m','status':'completed','output':[{'type':'message','role':'assistant','content':[{'type':'output_text','text':'so','annotations':[{'type':'file_citation'}]}]}]}", "'so'", "citations" },
	{ "in an event of their own", FORM_RESPONSES, FORM_CHAT, SSE,
		EVENT("{'type':'response.output_text.delta','output_index':0,'delta':'so'}") EVENT("{'type':'response.output_text.annotation.added','output_index':0,'annotation':{'type':'url_citation'}}")
			EVENT("{'type':'response.completed','response':{'status':'completed','output':[]}}"), "'so'", "citations" },
	{ "what Gemini searched", FORM_GENERATE, FORM_CHAT, JSON, "{'candidates':[{'content':{'parts':[{'text':'so'}]},'finishReason':'STOP','groundingMetadata':{'webSearchQueries':['x']},'citationMetadata':{'citationSources':[]}}]}", "'so'", "citations grounding" },
	{ "in a stream of Gemini's", FORM_GENERATE, FORM_CHAT, SSE, EVENT("{'candidates':[{'content':{'parts':[{'text':'so'}]}}]}") EVENT("{'candidates':[{'content':{'parts':[{'text':''}]},'finishReason':'STOP','groundingMetadata':{'webSearchQueries':['x']}}]}"), "'so'", "grounding" },
	{ "an empty one", FORM_GENERATE, FORM_CHAT, JSON, "{'candidates':[{'content':{'parts':[{'text':'so'}]},'finishReason':'STOP','groundingMetadata':{}}]}", "'so'", "" },
	{ "citations of Bedrock's", FORM_CONVERSE, FORM_CHAT, JSON,
		"{'output':{'message':{'role':'assistant','content':[{'citationsContent':{'content':[{'text':'so'}],'citations':[{'title':'x'}]}}]}},'stopReason':'end_turn','usage':{'inputTokens':1,'outputTokens':1}}", "'so'", "citations" },
	{ "in a stream of Bedrock's", FORM_CONVERSE, FORM_CHAT, FRAMES, WORDS("so") "contentBlockDelta {'contentBlockIndex':0,'delta':{'citation':{'title':'x'}}}\n" STOPPED, "'so'", "citations" },
	{ "a member of a call's arguments is none", FORM_MESSAGES, FORM_CHAT, JSON, MESSAGE("{'type':'tool_use','id':'a','name':'f','input':{'citations':[1]}}", "tool_use"), "'f'", "" },
	/* a call that the length limit cut: half of it can be sent as a string, but not as an
	 * object */
	{ "half a call", FORM_CHAT, FORM_MESSAGES, JSON, CHAT_SAYS("'content':'so','tool_calls':[{'id':'a','type':'function','function':{'name':'f','arguments':'{\\'x\\':'}}]},'finish_reason':'length'}"), "'stop_reason':'max_tokens'", "call" },
	{ "half a call for Bedrock's", FORM_CHAT, FORM_CONVERSE, JSON, CHAT_SAYS("'tool_calls':[{'id':'a','type':'function','function':{'name':'f','arguments':'{\\'x\\':'}}]},'finish_reason':'length'}"), "'stopReason':'max_tokens'", "call" },
	{ "half a call for Gemini's, in a stream", FORM_CHAT, FORM_GENERATE, SSE, CHAT_DELTA("'tool_calls':[{'index':0,'id':'a','function':{'name':'f','arguments':'{\\'x\\':'}}]},'finish_reason':null") CHAT_DELTA("},'finish_reason':'length'") EVENT("[DONE]"),
		"'finishReason':'MAX_TOKENS'", "call" },
	{ "half a call in a stream of messages", FORM_CHAT, FORM_MESSAGES, SSE, CHAT_DELTA("'tool_calls':[{'index':0,'id':'a','function':{'name':'f','arguments':'{\\'x\\':'}}]},'finish_reason':null") CHAT_DELTA("},'finish_reason':'length'") EVENT("[DONE]"),
		"'partial_json':'\\'x\\':'", "" },
	{ "half a call for responses", FORM_CHAT, FORM_RESPONSES, JSON, CHAT_SAYS("'tool_calls':[{'id':'a','type':'function','function':{'name':'f','arguments':'{\\'x\\':'}}]},'finish_reason':'length'}"),
		"'type':'function_call','status':'incomplete','call_id':'a','name':'f','arguments':'{\\'x\\':'", "" },
	{ "half a call for responses, in a stream", FORM_CHAT, FORM_RESPONSES, SSE, CHAT_DELTA("'tool_calls':[{'index':0,'id':'a','function':{'name':'f','arguments':'{\\'x\\':'}}]},'finish_reason':null") CHAT_DELTA("},'finish_reason':'length'") EVENT("[DONE]"),
		"'type':'function_call','status':'incomplete','call_id':'a','name':'f','arguments':'{\\'x\\':'", "" },
	{ "half a call for chat", FORM_RESPONSES, FORM_CHAT, JSON, "{'id':'r','model':'m','status':'incomplete','incomplete_details':{'reason':'max_output_tokens'},'output':[{'type':'function_call','call_id':'a','name':'f','arguments':'{\\'x\\':'}]}",
		"'arguments':'{\\'x\\':'", "" },
	{ "half a call that Bedrock calls malformed", FORM_CONVERSE, FORM_MESSAGES, FRAMES,
		WORDS("so") "contentBlockStop {'contentBlockIndex':0}\n" "contentBlockStart {'contentBlockIndex':1,'start':{'toolUse':{'toolUseId':'a','name':'f'}}}\n"
			"contentBlockDelta {'contentBlockIndex':1,'delta':{'toolUse':{'input':'{\\'x\\':'}}}\n" "contentBlockStop {'contentBlockIndex':1}\n" "messageStop {'stopReason':'malformed_tool_use'}\n"
			"metadata {'usage':{'inputTokens':1,'outputTokens':1}}\n", "'stop_reason':'end_turn'", "" },
	{ "reasoning that would stand in another order", FORM_MESSAGES, FORM_CHAT, JSON, MESSAGE("{'type':'text','text':'so'},{'type':'thinking','thinking':'hm','signature':'c2ln'}", "end_turn"), "'so'", "reasoning" },
};
/* clang-format on */

static void
parts_that_a_response_loses_are_reported(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(losses); i++) {
		struct buf in = { 0 }, has = { 0 }, lost = { 0 };
		struct guard_rig r;
		put_bytes(JSON, losses[i].has, &has);
		put_bytes(losses[i].type, losses[i].in, &in);
		run_translated(losses[i].from, losses[i].to, losses[i].type, NULL, buf_view(&in), 9, &r);
		unsigned bits = guard_report(r.g)->losses;
		for (size_t k = 0; k < LOSSES; k++)
			if (bits >> k & 1)
				buf_printf(&lost, "%s%s", lost.n ? " " : "", translate_losses[k]);
		if (r.got || !memmem(r.out.p, r.out.n, has.p, has.n) || !span_is(buf_view(&lost), losses[i].lost))
			fail_msg("%s: %d %s, lost: %.*s\n%.*s", losses[i].name, r.got, guard_report(r.g)->why, SPAN_ARG(buf_view(&lost)), SPAN_ARG(buf_view(&r.out)));
		guard_rig_close(&r);
		buf_free(&in);
		buf_free(&has);
		buf_free(&lost);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guarded_response_is_translated),
		cmocka_unit_test(parts_that_a_response_loses_are_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
