/* Responses in another form after the guard: values are put back in what was reasoned, findings in it are
 * replaced, and all that was said goes before an error. Rows are written with ' for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "answer/frame_write.h"
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
	const char *want; /* the texts of a chat: of reasoning, what it says, the error */
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
	/* what is held of a text, which may be the begin of a value, goes before the error */
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

/* The bytes of the row: with " for ', and of event streams a frame for each line. */
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

/* The texts of a chat, one after the other. */
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
check_row(size_t i, struct span in, const struct vault *v, size_t cut)
{
	static const char *const names[FORMS] = { [FORM_RESPONSES] = "/v1/responses",
		[FORM_MESSAGES] = "/v1/messages",
		[FORM_GENERATE] = "/v1beta/models/m:streamGenerateContent",
		[FORM_CONVERSE] = "/model/m/converse-stream" };
	const struct answer_case c = { .rules = REDACT,
		.dialect = dialect_name(form_dialect(rows[i].from)),
		.path = rows[i].from == FORM_CONVERSE && !strcmp(rows[i].type, JSON) ? "/model/m/converse" : names[rows[i].from],
		.type = rows[i].type };
	struct guard_rig r;
	struct buf say = { 0 };

	guard_rig_load(&r, &c);
	const struct translate_plan into = { .from = rows[i].from,
		.to = FORM_CHAT,
		.format = r.plan.format,
		.sent = form_dialect(rows[i].from),
		.asked = form_dialect(FORM_CHAT),
		.model = SPAN_LIT("m"),
		.id = SPAN_LIT("D1") };
	r.plan.translate = &into;
	r.plan.vault = v;
	guard_rig_begin(&r, &c);
	guard_rig_feed(&r, span_cut(in, 0, cut));
	guard_rig_feed(&r, span_cut(in, cut, in.n));
	guard_rig_end(&r);
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
what_the_guard_lets_go_is_translated(void **state)
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

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_the_guard_lets_go_is_translated) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
