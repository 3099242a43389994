/* Events that resemble the previous one: the result equals that of answer_read(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "answer/event_template.h"
#include "base/buf.h"
#include "support/guard.h"

static void
show_slots(const uint32_t slot[ANSWER_SLOTS], struct buf *out)
{
	for (size_t i = 0; i < ANSWER_SLOTS; i++)
		buf_printf(out, ".%u", slot[i]);
}

/* Writes all parts of the document. */
static void
show(int err, const char *why, const struct answer_document *d, struct buf *out)
{
	if (err) {
		buf_printf(out, "error %d %s", err, why);
		return;
	}
	buf_printf(out, "type %.*s finish %.*s model %.*s %d%d%d %d%d %llx %zu %zu %u",
		SPAN_ARG(d->type), SPAN_ARG(d->finish), SPAN_ARG(d->model), d->error, d->marked,
		d->counts, d->ends.any, d->ends.all, (unsigned long long)d->ends.choices,
		d->opaque_bytes, d->sealed_bytes, d->media);
	show_slots(d->ends.slot, out);
	buf_printf(out, " sequence %zu-%zu", d->sequence.start, d->sequence.end);
	for (size_t i = 0; i < ANSWER_SLOTS; i++)
		buf_printf(out, " %d", d->ends.numbered[i]);
	for (size_t i = 0; i < d->ntexts; i++) {
		const struct answer_text *t = &d->texts[i];
		buf_printf(out, "\ntext %d %d%d%d%d%d%d%d%d %llx %zu-%zu %.*s", t->kind,
			t->copy, t->number, t->key, t->deep, t->halves, t->aside, t->unnamed,
			t->worded, (unsigned long long)t->path, t->start, t->end,
			SPAN_ARG(t->text));
		show_slots(t->slot, out);
	}
	for (size_t i = 0; i < d->ncalls; i++)
		buf_printf(out, "\ncall %.*s", SPAN_ARG(d->calls[i].name));
	for (size_t i = 0; i < d->ninputs; i++)
		buf_printf(out, "\ninput %.*s", SPAN_ARG(d->inputs[i].json));
	for (size_t i = 0; i < d->nwithheld; i++)
		buf_printf(out, "\nwithheld %zu-%zu", d->withheld[i].start, d->withheld[i].end);
	for (size_t i = 0; i < d->nseals; i++)
		buf_printf(out, "\nseal %zu-%zu", d->seals[i].at.start, d->seals[i].at.end);
}

/* Reads the second event after the first one, and alone, and compares the results. */
static void
assert_read_alike(
	const struct answer_format *f, const char *type, struct span first, struct span second)
{
	struct event_template t;
	struct answer_document d;
	struct arena a;
	struct buf after, alone;
	const char *why = "";

	event_template_init(&t);
	arena_init(&a, 0, true);
	buf_init(&after, 0);
	buf_init(&alone, 0);
	event_template_read(&t, f, NULL, span_str(type), first, &a, &d, &why);
	/* the result of the second event must not point into the first one */
	char *copy = memcpy(malloc(second.n + 1), second.p, second.n);
	arena_reset(&a);
	int err = event_template_read(
		&t, f, NULL, span_str(type), span_of(copy, second.n), &a, &d, &why);
	show(err, why, &d, &after);
	err = answer_read(f, NULL, span_str(type), second, &a, &d, &why);
	show(err, why, &d, &alone);
	if (!span_eq(buf_view(&after), buf_view(&alone)))
		fail_msg("%.*s\nafter %.*s:\n got  %.*s\n want %.*s", SPAN_ARG(second),
			SPAN_ARG(first), SPAN_ARG(buf_view(&after)),
			SPAN_ARG(buf_view(&alone)));
	free(copy);
	buf_free(&after);
	buf_free(&alone);
	arena_reset(&a);
	event_template_free(&t);
}

static const struct {
	const char *dialect, *path, *type, *event;
} streams[] = {
	{ "openai", "/v1/chat/completions", "",
		"{\"id\":\"c1\",\"choices\":[{\"index\":1,\"delta\":{\"content\":\"text\"},"
		"\"finish_reason\":null}],\"model\":\"m\",\"usage\":null}" },
	{ "openai", "/v1/chat/completions", "",
		"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\",\"refusal\":\"b\"}}]"
		"}" },
	{ "openai", "/v1/chat/completions", "",
		"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":"
		"{\"arguments\":\"{}\"}}]}}],\"note\":\"\\u0061 word\",\"x\":12345678}" },
	{ "openai", "/v1/responses", "response.output_text.delta",
		"{\"type\":\"response.output_text.delta\",\"sequence_number\":7,"
		"\"item_id\":\"m\",\"output_index\":0,\"content_index\":2,\"delta\":\"In\"}" },
	{ "anthropic", "/v1/messages", "content_block_delta",
		"{\"type\":\"content_block_delta\",\"index\":3,"
		"\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}" },
	{ "anthropic", "/v1/messages", "",
		"{\"delta\":{\"text\":\"Hi\",\"type\":\"text_delta\"},\"index\":3,"
		"\"type\":\"content_block_delta\"}" },
	{ "gemini", "/v1beta/models/g:streamGenerateContent", "",
		"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]}}],"
		"\"usageMetadata\":{\"promptTokenCount\":1}}" },
	{ "ollama", "/api/chat", "",
		"{\"model\":\"m\",\"message\":{\"role\":\"a\",\"content\":\"x\"},\"done\":"
		"false}" },
	{ "ollama", "/api/chat", "",
		"{\"model\":\"m\",\"created_at\":\"2026-01-02T03:04:05.67Z\","
		"\"message\":{\"content\":\"x\"}}" },
	{ "openai", "/v1/responses", "",
		"{\"type\":\"response.output_text.delta\",\"sequence_number\":0,"
		"\"delta\":\"In\",\"logprobs\":[],\"obfuscation\":\"aB3x\"}" },
	{ "rest", "/x", "", "{\"a\":\"b\"}" },
	{ "rest", "/x", "", "{\"a\":\"b\",\"c\":[\"d\",7,\"e\"]}" },
};

static const struct answer_format *
format_of(size_t i)
{
	return answer_format_find(span_str(streams[i].dialect), span_str(streams[i].path));
}

/* Any other text between two bytes of the event. */
static void
changed_part_of_an_event_is_read_correctly(void **state)
{
	static const char *const parts[] = { "", "x", "\"", "\\", "\\n", "\\\"", "\\ud83d",
		"\\ud83d\\ude00", "\\ude00", "\\u00e9", "é", "\xff", "\xed\xa0\xbd", "\n", "}",
		"\",\"b\":\"c", "\",\"finish_reason\":\"stop", "[DONE]", "7", "null", "true" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(streams); i++) {
		struct span event = span_str(streams[i].event);
		for (size_t at = 0; at < event.n; at++)
			for (size_t k = 0; k < COUNT_OF(parts); k++) {
				/* in place of a byte, and before one */
				for (size_t gone = 0; gone < 2; gone++) {
					struct buf b;
					buf_init(&b, 0);
					buf_span(&b, span_cut(event, 0, at));
					buf_str(&b, parts[k]);
					buf_span(&b, span_cut(event, at + gone, event.n));
					assert_read_alike(format_of(i), streams[i].type, event,
						buf_view(&b));
					buf_free(&b);
				}
			}
	}
}

/* The same in reverse order: the changed event is first. */
static void
event_after_any_event_is_read_correctly(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(streams); i++)
		for (size_t k = 0; k < COUNT_OF(streams); k++)
			for (size_t cut = 0; cut < 2; cut++) {
				struct span second = span_str(streams[k].event);
				assert_read_alike(format_of(i), streams[i].type,
					span_str(streams[i].event),
					span_cut(second, 0, second.n - cut));
			}
}

/* The event type from the framing is part of the comparison. */
static void
event_of_another_type_is_parsed(void **state)
{
	struct event_template t;
	struct answer_document d;
	struct arena a;
	const char *why;

	(void)state;
	event_template_init(&t);
	arena_init(&a, 0, true);
	assert_int_equal(event_template_read(&t, &answer_openai, NULL, SPAN_LIT(""),
				 SPAN_LIT("{\"text\":\"a\"}"), &a, &d, &why),
		0);
	assert_false(d.texts[0].copy);
	assert_int_equal(
		event_template_read(&t, &answer_openai, NULL, SPAN_LIT("transcript.text.done"),
			SPAN_LIT("{\"text\":\"b\"}"), &a, &d, &why),
		0);
	assert_true(d.texts[0].copy && d.ends.any);
	arena_reset(&a);
	event_template_free(&t);
}

static const struct {
	const char *name, *dialect, *path, *first, *next[4];
} repeats[] = {
	{ "another text", "openai", "/v1/chat/completions",
		"{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}",
		{ "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"more\"}}]}",
			"{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]"
			"}",
			"{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
			"\" \\\"q\\\" \\ud83d\"}}]}" } },
	{ "another text and padding", "openai", "/v1/chat/completions",
		"{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"obfuscation\":\"x\"}",
		{ "{\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"obfuscation\":"
		  "\"yYz4\"}" } },
	{ "another text and number", "openai", "/v1/responses",
		"{\"type\":\"response.output_text.delta\",\"sequence_number\":9,\"delta\":"
		"\"a\"}",
		{ "{\"type\":\"response.output_text.delta\",\"sequence_number\":10,\"delta\":"
		  "\"bcd\"}",
			"{\"type\":\"response.output_text.delta\",\"sequence_number\":11,"
			"\"delta\":\"e\"}" } },
	{ "another time and text", "ollama", "/api/chat",
		"{\"created_at\":\"2026-01-02T03:04:05Z\",\"message\":{\"content\":\"x\"}}",
		{ "{\"created_at\":\"2026-01-02T03:04:05.1Z\",\"message\":{\"content\":\"y\"}"
		  "}" } },
	{ "two texts that no row names", "rest", "/x", "{\"a\":\"b\",\"c\":\"d\"}",
		{ "{\"a\":\"\",\"c\":\"a longer one\"}" } },
};

/* The purpose of the template: the parsed event stays the template of all later ones. */
static void
event_like_the_previous_one_is_not_parsed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(repeats); i++) {
		const struct answer_format *f = answer_format_find(
			span_str(repeats[i].dialect), span_str(repeats[i].path));
		struct span first = span_str(repeats[i].first);
		struct event_template t;
		struct answer_document d;
		struct arena a;
		const char *why;
		event_template_init(&t);
		arena_init(&a, 0, true);
		assert_int_equal(
			event_template_read(&t, f, NULL, SPAN_LIT(""), first, &a, &d, &why), 0);
		for (const char *const *next = repeats[i].next; *next; next++) {
			assert_read_alike(f, "", first, span_str(*next));
			assert_int_equal(event_template_read(&t, f, NULL, SPAN_LIT(""),
						 span_str(*next), &a, &d, &why),
				0);
			if (!t.event.n || !span_eq(t.json, first))
				fail_msg("%s: %s was parsed", repeats[i].name, *next);
		}
		arena_reset(&a);
		event_template_free(&t);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(changed_part_of_an_event_is_read_correctly),
		cmocka_unit_test(event_after_any_event_is_read_correctly),
		cmocka_unit_test(event_of_another_type_is_parsed),
		cmocka_unit_test(event_like_the_previous_one_is_not_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
