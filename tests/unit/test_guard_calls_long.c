/* Long calls in pieces of four characters, like a coding agent's Write, the longest in larger
 * pieces. Permitted calls are unchanged and use few events in every dialect. Denied calls are
 * not forwarded. The held memory is limited. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "answer/calls/tree.h"
#include "answer/frames.h"
#include "base/caps.h"
#include "base/utf8.h"
#include "support/answer_fix.h"

#define READS                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: no-etc, phase: tool, when: 'tool.name == \"write\" && "                    \
	"tool.arguments.path.startsWith(\"/etc\")', deny: {reason: not there}}\n"              \
	"  - {name: mail, phase: tool, when: 'tool.name == \"send\"', redact: {classes: "      \
	"[pii]}}\n"
#define NAMES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: no-rm, phase: tool, when: 'tool.name == \"rm\"', deny: {reason: not "      \
	"there}}\n"

#define SSE "text/event-stream"

/* @N is the tool's name, @A the next piece, @W the whole text, @I the number of the event. Each
 * line is an event; for SSE, the type comes first. */
static const struct shape {
	const char *name, *dialect, *path, *type;
	const char *key; /* key of the strings that are pieces */
	const char *begin, *piece, *end;
} shapes[] = {
	{ "chat", "openai", "/v1/chat/completions", SSE, "arguments",
		" {\"id\":\"c1\",\"model\":\"m1\",\"choices\":[{\"index\":0,\"delta\":{"
		"\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,\"id\":"
		"\"t1\",\"type\":\"function\",\"function\":{\"name\":\"@N\",\"arguments\":\"\"}"
		"}]},\"finish_reason\":null}],\"obfuscation\":\"x\"}\n",
		" {\"id\":\"c1\",\"model\":\"m1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_"
		"calls\":[{\"index\":0,\"function\":{\"arguments\":\"@A\"}}]},\"finish_"
		"reason\":null}],\"obfuscation\":\"x@I\"}\n",
		" {\"id\":\"c1\",\"model\":\"m1\",\"choices\":[{\"index\":0,\"delta\":{},"
		"\"finish_reason\":\"tool_calls\"}]}\n [DONE]\n" },
	{ "chat of vLLM", "openai", "/v1/chat/completions", SSE, "arguments",
		" {\"id\":\"c1\",\"model\":\"m1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_"
		"calls\":[{\"index\":0,\"id\":\"t1\",\"type\":\"function\",\"function\":{"
		"\"name\":\"@N\"}}]},\"logprobs\":null,\"finish_reason\":null,\"token_ids\":"
		"null}]}\n",
		" {\"id\":\"c1\",\"model\":\"m1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_"
		"calls\":[{\"index\":0,\"function\":{\"arguments\":\"@A\"}}]},\"logprobs\":"
		"null,\"finish_reason\":null,\"token_ids\":null}],\"usage\":{\"prompt_tokens\":"
		"1,\"completion_tokens\":@I}}\n",
		" {\"id\":\"c1\",\"model\":\"m1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_"
		"calls\":[{\"index\":0,\"function\":{\"arguments\":\" "
		"\"}}]},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}]}\n [DONE]\n" },
	{ "a custom tool", "openai", "/v1/chat/completions", SSE, "input",
		" {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{"
		"\"index\":0,\"id\":\"t1\",\"type\":\"custom\",\"custom\":{\"name\":\"@N\","
		"\"input\":\"\"}}]}}]}\n",
		" {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{"
		"\"index\":0,\"custom\":{\"input\":\"@A\"}}]}}]}\n",
		" {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
		"\"tool_calls\"}]}\n [DONE]\n" },
	{ "messages", "anthropic", "/v1/messages", SSE, "partial_json",
		"message_start "
		"{\"type\":\"message_start\",\"message\":{\"id\":\"c1\",\"model\":\"m1\","
		"\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"usage\":{\"input_"
		"tokens\":1,\"output_tokens\":1}}}\n"
		"content_block_start "
		"{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
		"\"tool_use\",\"id\":\"t1\",\"name\":\"@N\",\"input\":{}}}\n",
		"content_block_delta "
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_"
		"json_delta\",\"partial_json\":\"@A\"}}\n",
		"content_block_stop {\"type\":\"content_block_stop\",\"index\":0}\n"
		"message_delta "
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},"
		"\"usage\":{\"output_tokens\":2}}\n"
		"message_stop {\"type\":\"message_stop\"}\n" },
	{ "messages in AWS' frames", "bedrock",
		"/model/anthropic.claude/invoke-with-response-stream", FRAMES, "partial_json",
		"chunk "
		"{\"type\":\"message_start\",\"message\":{\"id\":\"c1\",\"model\":\"m1\","
		"\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}}\n"
		"chunk "
		"{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
		"\"tool_use\",\"id\":\"t1\",\"name\":\"@N\",\"input\":{}}}\n",
		"chunk "
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_"
		"json_delta\",\"partial_json\":\"@A\"}}\n",
		"chunk {\"type\":\"content_block_stop\",\"index\":0}\n"
		"chunk {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}\n"
		"chunk {\"type\":\"message_stop\"}\n" },
	{ "responses", "openai", "/v1/responses", SSE, "delta",
		"response.created "
		"{\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":"
		"\"c1\",\"status\":\"in_progress\",\"store\":false,\"output\":[]}}\n"
		"response.output_item.added "
		"{\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_"
		"index\":0,\"item\":{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":"
		"\"t1\",\"name\":\"@N\",\"arguments\":\"\"}}\n",
		"response.function_call_arguments.delta "
		"{\"type\":\"response.function_call_arguments.delta\",\"sequence_number\":@I,"
		"\"item_id\":\"fc_1\",\"output_index\":0,\"delta\":\"@A\",\"obfuscation\":\"x@"
		"I\"}\n",
		"response.function_call_arguments.done "
		"{\"type\":\"response.function_call_arguments.done\",\"sequence_number\":@I,"
		"\"item_id\":\"fc_1\",\"output_index\":0,\"arguments\":\"@W\"}\n"
		"response.output_item.done "
		"{\"type\":\"response.output_item.done\",\"sequence_number\":@I,\"output_"
		"index\":0,\"item\":{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":"
		"\"t1\",\"name\":\"@N\",\"arguments\":\"@W\"}}\n"
		"response.completed "
		"{\"type\":\"response.completed\",\"sequence_number\":@I,\"response\":{\"id\":"
		"\"c1\",\"status\":\"completed\",\"store\":false,\"output\":[{\"type\":"
		"\"function_call\",\"id\":\"fc_1\",\"call_id\":\"t1\",\"name\":\"@N\","
		"\"arguments\":\"@W\"}]}}\n" },
	{ "Converse", "bedrock", "/model/m/converse-stream", FRAMES, "input",
		"messageStart {\"role\":\"assistant\",\"p\":\"a\"}\n"
		"contentBlockStart "
		"{\"contentBlockIndex\":0,\"start\":{\"toolUse\":{\"toolUseId\":\"t1\","
		"\"name\":\"@N\"}},\"p\":\"a\"}\n",
		"contentBlockDelta "
		"{\"contentBlockIndex\":0,\"delta\":{\"toolUse\":{\"input\":\"@A\"}},\"p\":"
		"\"ab@I\"}\n",
		"contentBlockStop {\"contentBlockIndex\":0,\"p\":\"ab\"}\n"
		"messageStop {\"stopReason\":\"tool_use\",\"p\":\"ab\"}\n" },
	{ "Cohere", "cohere", "/v2/chat", SSE, "arguments",
		"tool-call-start "
		"{\"type\":\"tool-call-start\",\"index\":0,\"delta\":{\"message\":{\"tool_"
		"calls\":{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"@N\","
		"\"arguments\":\"\"}}}}}\n",
		"tool-call-delta "
		"{\"type\":\"tool-call-delta\",\"index\":0,\"delta\":{\"message\":{\"tool_"
		"calls\":{\"function\":{\"arguments\":\"@A\"}}}}}\n",
		"tool-call-end {\"type\":\"tool-call-end\",\"index\":0}\n"
		"message-end "
		"{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"TOOL_CALL\"}}\n" },
	{ "interactions", "gemini", "/v1beta/interactions", SSE, "arguments",
		"step.start "
		"{\"event_type\":\"step.start\",\"index\":0,\"step\":{\"type\":\"function_"
		"call\",\"id\":\"t1\",\"name\":\"@N\",\"arguments\":{}}}\n",
		"step.delta "
		"{\"event_type\":\"step.delta\",\"index\":0,\"event_id\":\"e@I\",\"delta\":{"
		"\"type\":\"arguments_delta\",\"arguments\":\"@A\"}}\n",
		"step.stop {\"event_type\":\"step.stop\",\"index\":0}\n"
		"interaction.completed "
		"{\"event_type\":\"interaction.completed\",\"interaction\":{\"id\":\"v1\","
		"\"status\":\"done\"}}\n" },
	{ "conversations", "mistral", "/v1/conversations", SSE, "arguments", "",
		"function.call.delta "
		"{\"type\":\"function.call.delta\",\"created_at\":\"@I\",\"output_index\":0,"
		"\"id\":\"fc\",\"tool_call_id\":\"t1\",\"name\":\"@N\",\"arguments\":\"@A\"}\n",
		"conversation.response.done {\"type\":\"conversation.response.done\"}\n" },
	{ "Gemini's on Vertex", "gemini", "/v1beta/models/g:streamGenerateContent", SSE,
		"stringValue",
		" {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{"
		"\"functionCall\":{\"name\":\"@N\",\"willContinue\":true}}]}}]}\n",
		" {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{"
		"\"functionCall\":{\"partialArgs\":[{\"jsonPath\":\"$.path\",\"stringValue\":"
		"\"@A\",\"willContinue\":true}],\"willContinue\":true}}]}}],\"usageMetadata\":{"
		"\"totalTokenCount\":@I},\"responseId\":\"c1\"}\n",
		" {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{"
		"\"functionCall\":{\"partialArgs\":[{\"jsonPath\":\"$.path\",\"stringValue\":"
		"\"\"}]}}]}}]}\n"
		" {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]"
		"},\"finishReason\":\"STOP\"}]}\n" },
	/* shapes whose calls arrive whole */
	{ "Gemini", "gemini", "/v1beta/models/g:streamGenerateContent", SSE, NULL,
		" {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{"
		"\"functionCall\":{\"name\":\"@N\",\"args\":@R}}]}}]}\n",
		"",
		" {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]"
		"},\"finishReason\":\"STOP\"}]}\n" },
	{ "Ollama", "ollama", "/api/chat", "application/x-ndjson", NULL,
		" {\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{"
		"\"function\":{\"name\":\"@N\",\"arguments\":@R}}]},\"done\":false}\n",
		"",
		" {\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true}\n" },
};

static bool
span_has(struct span s, struct span what)
{
	return s.n && memmem(s.p, s.n, what.p, what.n);
}

/* ---- the input ---- */

struct stream {
	const struct shape *s;
	const char *tool;
	struct span arguments, piece; /* the whole text, and the current piece */
	struct guard_rig r;
	struct frame_writer w;
	struct buf in, line;
	size_t number, held; /* number of the next event; most bytes held */
};

static bool
is_wrapped(const struct shape *s)
{
	return strstr(s->path, "invoke-with");
}

/* The provider stores the response, so no call is removed. */
static bool
is_kept(const struct shape *s)
{
	return strstr(s->path, "interactions") || strstr(s->path, "conversations");
}

static bool
is_sse(const struct shape *s)
{
	return !strcmp(s->type, SSE);
}

static void
write_line(struct stream *m, struct span line)
{
	buf_clear(&m->line);
	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] != '@') {
			buf_putc(&m->line, line.p[i]);
			continue;
		}
		switch (line.p[++i]) {
		case 'N': buf_str(&m->line, m->tool); break;
		case 'A': buf_json(&m->line, m->piece); break;
		case 'W': buf_json(&m->line, m->arguments); break;
		case 'R': buf_span(&m->line, m->arguments); break;
		default: buf_printf(&m->line, "%zu", m->number);
		}
	}
	m->number++;
	struct span all = buf_view(&m->line);
	size_t blank = span_chr(all, ' ');
	struct span type = span_cut(all, 0, blank), data = span_cut(all, blank + 1, all.n);
	if (is_sse(m->s) && type.n)
		buf_printf(&m->in, "event: %.*s\n", SPAN_ARG(type));
	if (is_sse(m->s))
		buf_printf(&m->in, "data: %.*s\n\n", SPAN_ARG(data));
	else
		assert_int_equal(frame_write(&m->w, type, data, &m->in), 0);
}

static void
feed(struct stream *m)
{
	guard_rig_feed(&m->r, buf_view(&m->in));
	buf_clear(&m->in);
	if (m->r.g && guard_held(m->r.g) > m->held)
		m->held = guard_held(m->r.g);
}

static void
write_lines(struct stream *m, const char *lines)
{
	struct span all = span_str(lines);

	while (all.n) {
		size_t n = span_chr(all, '\n');
		write_line(m, span_cut(all, 0, n));
		all = span_cut(all, n + 1, all.n);
		if (m->in.n > 16384)
			feed(m);
	}
}

static void
run(struct stream *m, const struct shape *s, const char *rules, const char *tool,
	struct span arguments)
{
	struct answer_case c = { s->name, rules, s->dialect, s->path, s->type, "", "" };

	*m = (struct stream){ .s = s, .tool = tool, .arguments = arguments };
	buf_init(&m->in, 0);
	buf_init(&m->line, 0);
	frame_writer_init(&m->w, is_sse(s)		   ? FRAMES_SSE
				 : strcmp(s->type, FRAMES) ? FRAMES_LINES
							   : FRAMES_EVENTSTREAM);
	m->w.wrap = is_wrapped(s);
	guard_rig_open(&m->r, &c);
	write_lines(m, s->begin);
	int characters = arguments.n > 1 << 20 ? 40 : 4;
	for (struct span left = arguments; s->key && left.n && !m->r.got;) {
		size_t n = 0;
		for (int i = 0; i < characters && n < left.n; i++)
			n += utf8_step(left, n);
		m->piece = span_cut(left, 0, n);
		write_lines(m, s->piece);
		left = span_cut(left, n, left.n);
	}
	if (!m->r.got)
		write_lines(m, s->end);
	feed(m);
	guard_rig_end(&m->r);
}

static void
done(struct stream *m)
{
	guard_rig_close(&m->r);
	buf_free(&m->in);
	buf_free(&m->line);
}

/* ---- the output ---- */

struct went {
	struct buf text;
	size_t events, pieces, longest;
	bool denied, id;
	uint64_t number;
	bool odd; /* numbers decrease */
};

static void
collect(const struct tree *t, const struct node *n, const char *key, struct went *w)
{
	for (const struct node *c = n->first; c; c = c->next) {
		if (c->tok == JSON_STRING && span_is(c->key, key)) {
			struct span text = tree_text(t, c);
			buf_span(&w->text, text);
			w->pieces += text.n > 0;
			w->longest = text.n > w->longest ? text.n : w->longest;
		}
		collect(t, c, key, w);
	}
}

static void
look(struct stream *m, struct went *w)
{
	struct span out = buf_view(&m->r.out);
	struct frames frames;
	struct buf inner;
	struct arena a;
	struct frame f;
	struct tree t;

	*w = (struct went){ .events = 0 };
	buf_init(&w->text, 0);
	buf_init(&inner, 0);
	arena_init(&a, 0, true);
	frames_init(&frames, m->w.kind, CAP_CALL_EVENT);
	while (frames_next(&frames, &out, &f) > 0) {
		if (is_wrapped(m->s))
			assert_int_equal(frame_unwrap(&f, &inner), 0);
		w->events++;
		w->denied |= memmem(f.data.p, f.data.n, "was denied", 10) != NULL;
		if (tree_read(&t, &a, f.data) == 0) {
			const struct node *n = tree_member(t.root, "sequence_number");
			uint64_t number = tree_number(&t, n, 0);
			w->odd |= n && number < w->number;
			w->number = number;
			if (m->s->key)
				collect(&t, t.root, m->s->key, w);
		}
		buf_clear(&inner);
		arena_reset(&a);
	}
	frames_free(&frames);
	buf_free(&inner);
}

/* Makes arguments of about `size` bytes with all kinds of characters. */
static void
make(const char *path, size_t size, struct buf *out)
{
	static const char *const lines[] = { "\\tint x = 1;\\n", "say \\\"hi\\\" to them, ",
		"caf\xc3\xa9 \xf0\x9f\x98\x80 ", "a longer line of plain words. " };

	buf_clear(out);
	buf_printf(out, "{\"path\":\"%s\",\"text\":\"", path);
	for (size_t i = 0; out->n + 40 < size; i++)
		buf_str(out, lines[i % COUNT_OF(lines)]);
	buf_str(out, "\"}");
}

/* With a sanitizer, four megabytes of each take minutes. */
#ifdef TG_SANITIZE
static const size_t sizes[] = { 20 << 10, 100 << 10 };
#else
static const size_t sizes[] = { 20 << 10, 300 << 10, 3900 << 10 };
#endif

static void
goes(const struct shape *s, const char *rules, struct span arguments)
{
	struct stream m;
	struct went w;

	run(&m, s, rules, "write", arguments);
	look(&m, &w);
	struct span text = span_trim(buf_view(&w.text), " ");
	if (m.r.got || w.denied || w.odd || (s->key && !span_eq(text, arguments)) ||
		(!s->key && !span_has(buf_view(&m.r.out), arguments)))
		fail_msg("%s, %zu: %d, denied %d, odd %d, %zu of %zu", s->name, arguments.n,
			m.r.got, w.denied, w.odd, text.n, arguments.n);
	/* events of the input have at most 256 KB, and held bytes are in proportion */
	if (rules[0] == READS[0] && !strcmp(rules, READS) && s->key) {
		assert_true(w.longest <= (16 << 10) + 128);
		if (w.events > 3000 + arguments.n / (16 << 10))
			fail_msg("%s, %zu: %zu events", s->name, arguments.n, w.events);
	}
	if (!strcmp(rules, NAMES) && s->key && !strstr(s->end, "@W") && m.held > (160 << 10))
		fail_msg("%s: %zu held", s->name, m.held);
	/* an event that repeats all of them is held too */
	size_t copies = strstr(s->end, "@W") ? 8 : s->key ? 1 : 3;
	if (m.held > copies * arguments.n + (512 << 10))
		fail_msg("%s, %zu: %zu held", s->name, arguments.n, m.held);
	buf_free(&w.text);
	done(&m);
}

static void
long_permitted_calls_are_unchanged(void **state)
{
	struct buf arguments;

	(void)state;
	buf_init(&arguments, 0);
	for (size_t i = 0; i < COUNT_OF(shapes); i++)
		for (size_t k = 0; k < COUNT_OF(sizes); k++) {
			/* these wrap other shapes */
			if (sizes[k] > 1 << 20 && (is_wrapped(&shapes[i]) || i == 2))
				continue;
			make("/tmp/x", sizes[k], &arguments);
			/* rules cannot read values that are addressed by paths */
			if (!shapes[i].key || strcmp(shapes[i].key, "stringValue") != 0)
				goes(&shapes[i], READS, buf_view(&arguments));
			if (sizes[k] < 1 << 20)
				goes(&shapes[i], NAMES, buf_view(&arguments));
		}
	buf_free(&arguments);
}

static void
denied(const struct shape *s, const char *rules, const char *tool, struct span arguments)
{
	struct stream m;
	struct went w;

	run(&m, s, rules, tool, arguments);
	look(&m, &w);
	if (m.r.got != (is_kept(s) ? GUARD_DENIED : GUARD_PASS) || w.denied == is_kept(s) ||
		w.odd || w.text.n > 100 || span_has(buf_view(&m.r.out), SPAN_LIT("int x")))
		fail_msg("%s, %zu: %d, denied %d, odd %d, %zu", s->name, arguments.n, m.r.got,
			w.denied, w.odd, w.text.n);
	const struct guard_report *a = guard_report(m.r.g);
	assert_int_equal(a->called[0].ruled.effect, RULE_DENY);
	if (!is_kept(s) && a->called[0].bytes < arguments.n)
		fail_msg("%s: %zu bytes on record", s->name, (size_t)a->called[0].bytes);
	buf_free(&w.text);
	done(&m);
}

static void
long_denied_calls_are_not_forwarded(void **state)
{
	struct buf arguments;

	(void)state;
	buf_init(&arguments, 0);
	for (size_t i = 0; i < COUNT_OF(shapes); i++)
		for (size_t k = 0; k < 2; k++) {
			make("/etc/x", sizes[k], &arguments);
			denied(&shapes[i], READS, "write", buf_view(&arguments));
			denied(&shapes[i], NAMES, "rm", buf_view(&arguments));
		}
	buf_free(&arguments);
}

/* A key that some readers take for the one that the rule reads exists. A key that no rule reads
 * does not matter. */
static void
keys_that_differ_in_case_deny_the_call(void **state)
{
	const struct span odd = SPAN_LIT("{\"path\":\"/tmp\",\"text\":\"int x\","
					       "\"\\u0050ath\":\"/etc/x\"}"),
				 plain = SPAN_LIT("{\"path\":\"/tmp\",\"text\":{\"Id\":1,"
						 "\"id\":2},\"TEXT\":\"a\"}");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		bool unread = shapes[i].key && !strcmp(shapes[i].key, "stringValue");
		denied(&shapes[i], READS, "write", odd);
		if (!unread)
			goes(&shapes[i], READS, plain);
	}
}

static void
long_redacted_calls_are_sent_in_pieces(void **state)
{
	struct buf arguments;
	struct stream m;
	struct went w;

	(void)state;
	buf_init(&arguments, 0);
	make("jane.doe@example.org", 300 << 10, &arguments);
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		if (!shapes[i].key || !strcmp(shapes[i].key, "stringValue"))
			continue;
		run(&m, &shapes[i], READS, "send", buf_view(&arguments));
		look(&m, &w);
		struct span text = buf_view(&w.text), all = buf_view(&arguments);
		if (m.r.got || w.odd ||
			!span_starts(text, SPAN_LIT("{\"path\":\"<EMAIL_ADDRESS>\"")) ||
			!span_ends(span_trim(text, " "), span_cut(all, all.n - 1000, all.n)) ||
			w.longest > (16 << 10) + 256) /* and the text that was held before */
			fail_msg("%s: %d, odd %d, %zu of %zu, %zu: %.80s", shapes[i].name,
				m.r.got, w.odd, text.n, all.n, w.longest, text.p ? text.p : "");
		buf_free(&w.text);
		done(&m);
	}
	buf_free(&arguments);
}

/* As cut by a provider that writes UTF-16. */
static void
halves_of_a_character_are_joined(void **state)
{
	struct stream m;
	struct went w;

	(void)state;
	for (int reads = 0; reads < 2; reads++) {
		struct answer_case c = { "halves", reads ? READS : NAMES, "openai",
			"/v1/chat/completions", SSE, "", "" };
		m = (struct stream){ .s = &shapes[0], .tool = "write" };
		buf_init(&m.in, 0);
		buf_init(&m.line, 0);
		frame_writer_init(&m.w, FRAMES_SSE);
		guard_rig_open(&m.r, &c);
		write_lines(&m, shapes[0].begin);
		m.piece = SPAN_LIT("{\"path\":\"");
		write_lines(&m, shapes[0].piece);
		for (size_t i = 0; i < 40000; i++) {
			static const char *const halves[] = { "\\ud83d", "\\ude00" };
			buf_printf(&m.in,
				"data: "
				"{\"id\":\"c1\",\"model\":\"m1\",\"choices\":[{\"index\":0,"
				"\"delta\":"
				"{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"%"
				"s\"}}]},"
				"\"finish_reason\":null}],\"obfuscation\":\"x\"}\n\n",
				halves[i % 2]);
			if (i % 64 == 63)
				feed(&m);
		}
		m.piece = SPAN_LIT("\"}");
		write_lines(&m, shapes[0].piece);
		write_lines(&m, shapes[0].end);
		feed(&m);
		guard_rig_end(&m.r);
		look(&m, &w);
		assert_int_equal(m.r.got, GUARD_PASS);
		assert_false(w.denied);
		struct span text = buf_view(&w.text);
		assert_int_equal(text.n, strlen("{\"path\":\"\"}") + 4 * 20000);
		for (size_t i = 0; i < 20000; i++)
			assert_memory_equal(text.p + 9 + 4 * i, "\xf0\x9f\x98\x80", 4);
		buf_free(&w.text);
		done(&m);
	}
}

static void
response_ends_over_four_megabytes_of_arguments(void **state)
{
	struct buf arguments;
	struct stream m;

	(void)state;
	buf_init(&arguments, 0);
	make("/tmp/x", CAP_CALL_ARGUMENTS + 4096, &arguments);
	for (size_t i = 0; i < 1; i++) {
		run(&m, &shapes[i], READS, "write", buf_view(&arguments));
		assert_int_equal(m.r.got, GUARD_UNREAD);
		assert_int_equal(m.r.out.n, 0);
		assert_true(m.held < CAP_CALL_ARGUMENTS + (512 << 10));
		done(&m);
	}
	buf_free(&arguments);
}

/* Content that waits with a call is text or unknown, so its events are not merged. */
static void
possible_text_is_never_merged(void **state)
{
	static const struct answer_case c = { "text", READS, "openai", "/v1/chat/completions",
		SSE, "", "" };
	struct guard_rig r;
	struct buf in;
	size_t n = 0;

	(void)state;
	buf_init(&in, 0);
	buf_str(&in,
		"data: "
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":"
		"\"t\",\"function\":{\"name\":\"a\",\"arguments\":\"{\"}}]}}]}\n\n");
	for (size_t i = 0; i < 4000; i++)
		buf_str(&in, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"so "
			     "\",\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\" "
			     "\"}}]}}]}\n\n");
	buf_str(&in, "data: "
		     "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
		     "\"function\":{\"arguments\":\"}\"}}]},\"finish_reason\":\"tool_calls\"}]}"
		     "\n\ndata: [DONE]\n\n");
	guard_rig_open(&r, &c);
	guard_rig_feed(&r, buf_view(&in));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	for (struct span s = buf_view(&r.out); s.n > 3; s = span_cut(s, 1, s.n))
		n += span_starts(s, SPAN_LIT("so "));
	assert_int_equal(n, 4000);
	guard_rig_close(&r);
	buf_free(&in);
}

/* A client that joins the pieces would make another call than the one that was judged. */
static void
name_continued_after_arguments_ends_the_response(void **state)
{
	static const char in[] =
		"data: "
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":"
		"\"t\",\"function\":{\"name\":\"r\",\"arguments\":\"\"}}]}}]}\n\n"
		"data: "
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
		"\"function\":{\"arguments\":\"{}\"}}]}}]}\n\n"
		"data: "
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
		"\"function\":{\"name\":\"m\"}}]}}]}\n\n"
		"data: "
		"{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}"
		"\n\ndata: [DONE]\n\n";
	static const struct answer_case c = { "name", NAMES, "openai", "/v1/chat/completions",
		SSE, "", "" };
	struct guard_rig r;

	(void)state;
	guard_rig_open(&r, &c);
	guard_rig_feed(&r, span_str(in));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_BROKEN);
	assert_null(memmem(r.out.p, r.out.n, "\"m\"", 3));
	guard_rig_close(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_permitted_calls_are_unchanged),
		cmocka_unit_test(long_denied_calls_are_not_forwarded),
		cmocka_unit_test(keys_that_differ_in_case_deny_the_call),
		cmocka_unit_test(long_redacted_calls_are_sent_in_pieces),
		cmocka_unit_test(halves_of_a_character_are_joined),
		cmocka_unit_test(response_ends_over_four_megabytes_of_arguments),
		cmocka_unit_test(possible_text_is_never_merged),
		cmocka_unit_test(name_continued_after_arguments_ends_the_response),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
