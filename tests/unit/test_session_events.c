/* Events of realtime sessions: their purpose, the texts in clients' events, and the places of
 * handles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/caps.h"
#include "scan/dialect/live.h"

#define LIVE_PATH                                                                              \
	"/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

static struct endpoint
endpoint(bool gemini)
{
	return dialect_endpoint(dialect_find(gemini ? SPAN_LIT("gemini") : SPAN_LIT("openai")),
		SPAN_LIT("GET"), gemini ? SPAN_LIT(LIVE_PATH) : SPAN_LIT("/v1/realtime"));
}

enum { TEXT, SIGNAL, MEDIA };

static const struct {
	const char *name, *message;
	bool gemini, provider;
	int is;
	const char *
		flags; /* a: request, b: begin, e: end, m: more, s: aside, u: usage, r: error */
} cases[] = {
	{ "audio", "{\"type\":\"input_audio_buffer.append\",\"audio\":\"AAEC/+==\"}", false,
		false, MEDIA, "" },
	{ "audio with an id",
		"{\"event_id\":\"event_1\",\"audio\":\"AAEC\",\"type\":\"input_audio_buffer."
		"append\"}",
		false, false, MEDIA, "" },
	{ "audio that is none",
		"{\"type\":\"input_audio_buffer.append\",\"audio\":\"call me maybe\"}", false,
		false, TEXT, "" },
	{ "audio with text beside it",
		"{\"type\":\"input_audio_buffer.append\",\"audio\":\"AAEC\",\"note\":\"x\"}",
		false, false, TEXT, "" },
	{ "audio with a number under a name that says something",
		"{\"type\":\"input_audio_buffer.append\",\"audio\":\"AAEC\",\"my name is "
		"Bob\":1}",
		false, false, TEXT, "" },
	{ "a text for an id",
		"{\"type\":\"input_audio_buffer.append\",\"audio\":\"AAEC\",\"event_id\":\"my "
		"name is Bob\"}",
		false, false, TEXT, "" },
	{ "the type twice",
		"{\"type\":\"input_audio_buffer.append\",\"audio\":\"AAEC\",\"type\":"
		"\"response.create\"}",
		false, false, TEXT, "" },
	{ "an escape in a key",
		"{\"type\":\"input_audio_buffer.append\",\"a\\u0075dio\":\"AAEC\"}", false,
		false, TEXT, "" },
	{ "a commit", "{\"type\":\"input_audio_buffer.commit\"}", false, false, SIGNAL, "" },
	{ "a truncation",
		"{\"type\":\"conversation.item.truncate\",\"item_id\":\"i_1\",\"content_"
		"index\":0,\"audio_end_ms\":150}",
		false, false, SIGNAL, "" },
	{ "words for an id",
		"{\"type\":\"input_audio_buffer.commit\",\"item_id\":[\"my\",\"name\",\"is\","
		"\"Bob\"]}",
		false, false, TEXT, "" },
	{ "an object for an id",
		"{\"type\":\"input_audio_buffer.commit\",\"item_id\":{\"item_id\":\"Bob\"}}",
		false, false, TEXT, "" },
	{ "an id that is as long as a text",
		"{\"type\":\"input_audio_buffer.commit\",\"event_id\":"
		"\"my-name-is-Bob-my-name-is-Bob-my-name-is-Bob-my-name-is-Bob-and-so\"}",
		false, false, TEXT, "" },
	{ "a number for an id",
		"{\"type\":\"input_audio_buffer.commit\",\"event_id\":\"4111-1111-1111-1111\"}",
		false, false, TEXT, "" },
	{ "a short one", "{\"type\":\"input_audio_buffer.commit\",\"event_id\":\"00000017\"}",
		false, false, SIGNAL, "" },
	{ "an id with what ids do not have",
		"{\"type\":\"input_audio_buffer.commit\",\"event_id\":\"a/b\"}", false, false,
		TEXT, "" },
	{ "a text for a number",
		"{\"type\":\"conversation.item.truncate\",\"item_id\":\"i_1\",\"content_"
		"index\":\"Bob\"}",
		false, false, TEXT, "" },
	{ "an answer is asked for", "{\"type\":\"response.create\"}", false, false, TEXT, "a" },
	{ "what no row knows", "{\"type\":\"session.shout\"}", false, false, TEXT, "" },
	{ "no JSON", "hello", false, false, TEXT, "" },
	{ "cut", "{\"type\":\"input_audio_buffer.commit\"", false, false, TEXT, "" },
	{ "a list", "[{\"type\":\"input_audio_buffer.commit\"}]", false, false, TEXT, "" },
	{ "an answer begins", "{\"type\":\"response.created\",\"response\":{}}", false, true,
		TEXT, "b" },
	{ "an answer ends", "{\"type\":\"response.done\",\"response\":{}}", false, true, TEXT,
		"e" },
	{ "an error", "{\"type\":\"error\",\"error\":{\"type\":\"x\"}}", false, true, TEXT,
		"r" },
	{ "audio of an answer",
		"{\"type\":\"response.output_audio.delta\",\"item_id\":\"i\",\"content_index\":"
		"0,\"delta\":\"AAEC\"}",
		false, true, MEDIA, "" },
	{ "text of an answer", "{\"type\":\"response.output_text.delta\",\"delta\":\"AAEC\"}",
		false, true, TEXT, "" },
	{ "what was heard is written",
		"{\"type\":\"conversation.item.input_audio_transcription.completed\","
		"\"transcript\":\"x\"}",
		false, true, TEXT, "bes" },
	{ "a piece of what was heard",
		"{\"type\":\"conversation.item.input_audio_transcription.delta\",\"item_id\":"
		"\"i\",\"delta\":\"x\"}",
		false, true, TEXT, "bs" },
	{ "what was heard cannot be written",
		"{\"type\":\"conversation.item.input_audio_transcription.failed\",\"item_id\":"
		"\"i\",\"error\":{}}",
		false, true, TEXT, "esr" },
	{ "Gemini: audio",
		"{\"realtimeInput\":{\"audio\":{\"data\":\"AAEC\",\"mimeType\":\"audio/"
		"pcm;rate=16000\"}}}",
		true, false, MEDIA, "" },
	{ "Gemini: audio, in the other spelling",
		"{\"realtime_input\":{\"media_chunks\":[{\"data\":\"AAEC\",\"mime_type\":"
		"\"audio/pcm\"}]}}",
		true, false, MEDIA, "" },
	{ "Gemini: two chunks, audio and a picture",
		"{\"realtimeInput\":{\"mediaChunks\":[{\"mimeType\":\"audio/pcm\",\"data\":"
		"\"AAEC\"},{\"data\":\"AAEC\",\"mimeType\":\"image/jpeg\"}]}}",
		true, false, MEDIA, "" },
	{ "Gemini: a text in base64",
		"{\"realtimeInput\":{\"mediaChunks\":[{\"mimeType\":\"text/plain\",\"data\":"
		"\"AAEC\"}]}}",
		true, false, TEXT, "" },
	{ "Gemini: one after a picture",
		"{\"realtimeInput\":{\"mediaChunks\":[{\"mimeType\":\"image/png\",\"data\":"
		"\"AAEC\"},{\"mimeType\":\"text/plain\",\"data\":\"AAEC\"}]}}",
		true, false, TEXT, "" },
	{ "Gemini: one as audio",
		"{\"realtimeInput\":{\"audio\":{\"mimeType\":\"application/pdf\",\"data\":"
		"\"AAEC\"}}}",
		true, false, TEXT, "" },
	{ "Gemini: a picture that is text",
		"{\"realtimeInput\":{\"video\":{\"mimeType\":\"image/svg+xml\",\"data\":"
		"\"AAEC\"}}}",
		true, false, TEXT, "" },
	{ "Gemini: of no type", "{\"realtimeInput\":{\"audio\":{\"data\":\"AAEC\"}}}", true,
		false, TEXT, "" },
	{ "Gemini: of another one's type",
		"{\"realtimeInput\":{\"mimeType\":\"audio/pcm\",\"audio\":{\"data\":"
		"\"AAEC\"}}}",
		true, false, TEXT, "" },
	{ "Gemini: with words in its type",
		"{\"realtimeInput\":{\"audio\":{\"mimeType\":\"audio/I am Bob\",\"data\":"
		"\"AAEC\"}}}",
		true, false, TEXT, "" },
	{ "Gemini: a word where a flag is", "{\"realtimeInput\":{\"activityStart\":\"hello\"}}",
		true, false, TEXT, "" },
	{ "Gemini: words where media are",
		"{\"realtimeInput\":{\"mediaChunks\":[\"hello\",\"there\"]}}", true, false,
		TEXT, "" },
	{ "Gemini: text in it", "{\"realtimeInput\":{\"text\":\"hello\"}}", true, false, TEXT,
		"" },
	{ "Gemini: the end of audio", "{\"realtimeInput\":{\"audioStreamEnd\":true}}", true,
		false, SIGNAL, "" },
	{ "Gemini: two members",
		"{\"realtimeInput\":{\"audioStreamEnd\":true},\"setup\":{\"model\":\"m\"}}",
		true, false, TEXT, "" },
	{ "Gemini: a turn", "{\"clientContent\":{\"turnComplete\":true}}", true, false, TEXT,
		"a" },
	{ "Gemini: more of it comes",
		"{\"clientContent\":{\"turns\":[],\"turnComplete\":false}}", true, false, TEXT,
		"" },
	{ "Gemini: it says nothing of that", "{\"client_content\":{\"turns\":[]}}", true, false,
		TEXT, "" },
	{ "Gemini: in the other spelling, with an escape",
		"{\"client_content\":{\"turn\\u005fcomplete\":true}}", true, false, TEXT, "a" },
	{ "Gemini: a turn that a text says is none",
		"{\"clientContent\":{\"turns\":[{\"turnComplete\":true}]}}", true, false, TEXT,
		"" },
	{ "Gemini: more of it comes, and a tool's result",
		"{\"clientContent\":{},\"toolResponse\":{}}", true, false, TEXT, "a" },
	{ "Gemini: turnComplete twice",
		"{\"clientContent\":{\"turnComplete\":false,\"turn_complete\":true}}", true,
		false, TEXT, "a" },
	{ "Gemini: an answer",
		"{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"turnComplete\"}]}}}",
		true, true, TEXT, "b" },
	{ "Gemini: it is over but for its usage", "{\"serverContent\":{\"turnComplete\":true}}",
		true, true, TEXT, "em" },
	{ "Gemini: in the other spelling", "{\"server_content\":{\"turn_complete\":true}}",
		true, true, TEXT, "em" },
	{ "Gemini: with its usage",
		"{\"serverContent\":{\"turnComplete\":true},\"usageMetadata\":{"
		"\"totalTokenCount\":1}}",
		true, true, TEXT, "eu" },
	{ "Gemini: its last words, too",
		"{\"serverContent\":{\"modelTurn\":{\"parts\":[]},\"turnComplete\":true},"
		"\"usageMetadata\":{\"totalTokenCount\":1}}",
		true, true, TEXT, "beu" },
	{ "Gemini: not yet", "{\"serverContent\":{\"turnComplete\":false}}", true, true, TEXT,
		"" },
	{ "Gemini: a word of it elsewhere",
		"{\"turnComplete\":true,\"serverContent\":{\"modelTurn\":{\"turnComplete\":"
		"true}}}",
		true, true, TEXT, "b" },
	{ "Gemini: interrupted, which turnComplete follows",
		"{\"serverContent\":{\"interrupted\":true},\"usageMetadata\":{"
		"\"totalTokenCount\":1}}",
		true, true, TEXT, "emu" },
	{ "Gemini: made, but not said yet", "{\"serverContent\":{\"generationComplete\":true}}",
		true, true, TEXT, "" },
	{ "Gemini: usage so far",
		"{\"serverContent\":{\"modelTurn\":{}},\"usageMetadata\":{"
		"\"totalTokenCount\":1}}",
		true, true, TEXT, "bu" },
	{ "Gemini: a call", "{\"tool_call\":{\"function_calls\":[]}}", true, true, TEXT, "b" },
	{ "Gemini: usage alone", "{\"usageMetadata\":{\"totalTokenCount\":1}}", true, true,
		TEXT, "u" },
	{ "Gemini: no usage", "{\"usageMetadata\":null}", true, true, TEXT, "" },
	{ "Gemini: ready", "{\"setupComplete\":{}}", true, true, SIGNAL, "" },
};

static void
events_have_the_purpose_of_their_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct endpoint e = endpoint(cases[i].gemini);
		struct span m = span_str(cases[i].message);
		struct arena a;
		char flags[8] = "";
		size_t n = 0;
		arena_init(&a, 0, false);
		struct live_event got =
			cases[i].provider ? live_provider(&e, m, &a) : live_client(&e, m, &a);
		const struct {
			bool is;
			char letter;
		} all[] = { { got.asks, 'a' }, { got.begins, 'b' }, { got.ends, 'e' },
			{ got.more, 'm' }, { got.aside, 's' }, { got.usage, 'u' },
			{ got.error, 'r' } };
		for (size_t k = 0; k < COUNT_OF(all); k++)
			if (all[k].is)
				flags[n++] = all[k].letter;
		if ((int)got.is != cases[i].is || strcmp(flags, cases[i].flags) != 0)
			fail_msg("%s: %d %s, not %d %s", cases[i].name, (int)got.is, flags,
				cases[i].is, cases[i].flags);
		assert_true(got.is != LIVE_MEDIA || got.media_bytes > 0);
		arena_reset(&a);
	}
}

static const struct {
	const char *name, *message;
	bool heard;
} transcripts[] = {
	{ "a piece of one",
		"{\"type\":\"response.output_audio_transcript.delta\",\"delta\":\"x\"}", true },
	{ "its type with an escape",
		"{\"type\":\"response.audio_tr\\u0061nscript.done\",\"x\":\"x\"}", true },
	{ "in an item of an answer",
		"{\"type\":\"response.done\",\"response\":{\"output\":[{\"content\":[{\"type\":"
		"\"output_audio\",\"transcript\":\"x\"}]}]}}",
		true },
	{ "Gemini: of what it says",
		"{\"serverContent\":{\"outputTranscription\":{\"text\":\"x\"}}}", true },
	{ "Gemini: in the other spelling",
		"{\"server_content\":{\"input_transcription\":{\"text\":\"x\"}}}", true },
	{ "a text about transcripts",
		"{\"type\":\"response.output_text.delta\",\"delta\":\"the transcript, "
		"\\\"transcript\\\":\"}",
		false },
	{ "an item of another type",
		"{\"type\":\"conversation.item.added\",\"item\":{\"type\":\"transcript\"}}",
		false },
	{ "how a session writes down",
		"{\"type\":\"session.updated\",\"session\":{\"audio\":{\"input\":{"
		"\"transcription\":{\"model\":\"m\"}}}}}",
		false },
	{ "no JSON", "transcript", false },
	{ "nothing", "", false },
};

static void
transcripts_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(transcripts); i++)
		if (live_is_heard(span_str(transcripts[i].message)) != transcripts[i].heard)
			fail_msg("%s: %d", transcripts[i].name, !transcripts[i].heard);
	assert_false(live_is_heard((struct span){ NULL, 0 }));
}

static const struct {
	const char *name, *message, *want;
} responses[] = {
	{ "of an object",
		"{\"type\":\"response.created\",\"response\":{\"object\":\"x\",\"output\":[{"
		"\"id\":\"item\"}],\"id\":\"r\\u0031\",\"metadata\":{\"id\":\"no\"}},\"id\":"
		"\"no\"}",
		"r1" },
	{ "by its name", "{\"response_id\":\"r2\",\"type\":\"response.output_text.delta\"}",
		"r2" },
	{ "of an event that no row knows", "{\"type\":\"response.new\",\"response_id\":\"r3\"}",
		"r3" },
	{ "no text", "{\"type\":\"response.done\",\"response\":{\"id\":7}}", "" },
	{ "null", "{\"type\":\"response.done\",\"response\":null}", "" },
	{ "of another thing",
		"{\"type\":\"conversation.item.created\",\"item\":{\"response_id\":\"r4\"}}",
		"" },
};

static void
events_name_their_response(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(responses); i++) {
		struct endpoint e = endpoint(false);
		struct arena a;
		arena_init(&a, 0, false);
		struct live_event got = live_provider(&e, span_str(responses[i].message), &a);
		if (!span_is(got.response, responses[i].want))
			fail_msg("%s: \"%.*s\"", responses[i].name, SPAN_ARG(got.response));
		arena_reset(&a);
	}
}

static const struct {
	const char *name, *message;
	bool gemini;
	const char *want; /* ROLE:TEXT, for texts that rules read */
} bodies[] = {
	{ "an item",
		"{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\","
		"\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"hello\"}]}"
		"}",
		false, "user:hello" },
	{ "a tool's result",
		"{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"function_call_"
		"output\",\"call_id\":\"c\",\"output\":\"found\"}}",
		false, "tool_result:found" },
	{ "instructions",
		"{\"type\":\"session.update\",\"session\":{\"instructions\":\"be kind\"}}",
		false, "system:be kind" },
	{ "input of an answer that is asked for",
		"{\"type\":\"response.create\",\"response\":{\"input\":[{\"type\":\"message\","
		"\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"hello\"}]}]"
		"}}",
		false, "user:hello" },
	{ "a text under a name that nobody knows",
		"{\"type\":\"session.shout\",\"what\":\"hello\"}", false, "other:hello" },
	{ "Gemini: turns",
		"{\"clientContent\":{\"turns\":[{\"role\":\"user\",\"parts\":[{\"text\":"
		"\"hello\"}]}],\"turnComplete\":true}}",
		true, "user:hello" },
	{ "Gemini: a system instruction",
		"{\"setup\":{\"model\":\"models/"
		"m\",\"systemInstruction\":{\"parts\":[{\"text\":\"be kind\"}]}}}",
		true, "system:be kind" },
	{ "Gemini: a tool's result",
		"{\"toolResponse\":{\"functionResponses\":[{\"id\":\"1\",\"name\":\"find\","
		"\"response\":{\"output\":\"found\"}}]}}",
		true, "tool_result:found" },
	{ "Gemini: text as it is typed", "{\"realtimeInput\":{\"text\":\"hello\"}}", true,
		"user:hello" },
};

static void
texts_of_events_have_their_roles(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		struct endpoint e = endpoint(bodies[i].gemini);
		struct body_refusal why = { 0 };
		struct body b;
		struct arena a;
		bool there = false;
		arena_init(&a, 0, false);
		if (body_read(e.table, SPAN_LIT(""), span_str(bodies[i].message), &a, &b, &why))
			fail_msg("%s: %s", bodies[i].name, why.code);
		struct span want = span_str(bodies[i].want), role = span_next(&want, ':');
		for (size_t k = 0; k < b.nsegments; k++)
			there |= span_eq(b.segments[k].text, want) &&
				 span_is(role, role_name(b.segments[k].role));
		if (!there)
			fail_msg("%s: no %s", bodies[i].name, bodies[i].want);
		arena_reset(&a);
	}
}

static const struct {
	const char *name, *message;
	bool provider;
	const char *want; /* of the message; NULL: none */
	bool odd;
} handles[] = {
	{ "a handle", "{\"setup\":{\"sessionResumption\":{\"handle\":\"abc\"}}}", false, "abc",
		false },
	{ "in the other spelling",
		"{\"setup\":{\"model\":\"m\",\"session_resumption\":{\"transparent\":true,"
		"\"handle\":\"abc\"}}}",
		false, "abc", false },
	{ "escapes in the key and in it",
		"{\"setup\":{\"sessionResumption\":{\"h\\u0061ndle\":\"\\u003d\"}}}", false,
		"=", false },
	{ "no handle yet", "{\"setup\":{\"sessionResumption\":{}}}", false, NULL, false },
	{ "null", "{\"setup\":{\"sessionResumption\":{\"handle\":null}}}", false, NULL, false },
	{ "empty", "{\"setup\":{\"sessionResumption\":{\"handle\":\"\"}}}", false, NULL,
		false },
	{ "a number", "{\"setup\":{\"sessionResumption\":{\"handle\":1}}}", false, NULL, true },
	{ "an object", "{\"setup\":{\"sessionResumption\":{\"handle\":{\"handle\":\"abc\"}}}}",
		false, NULL, true },
	{ "in both spellings",
		"{\"setup\":{\"sessionResumption\":{\"handle\":\"abc\"},\"session_resumption\":"
		"{"
		"\"handle\":\"abd\"}}}",
		false, "abd", true },
	{ "after an object that is skipped",
		"{\"setup\":{\"tools\":[{\"sessionResumption\":{}}],\"x\":{\"setup\":{}},"
		"\"sessionResumption\":{\"handle\":\"abc\"}}}",
		false, "abc", false },
	{ "of a tool", "{\"setup\":{\"tools\":[{\"handle\":\"abc\"}],\"handle\":\"abc\"}}",
		false, NULL, false },
	{ "outside of the setup", "{\"sessionResumption\":{\"handle\":\"abc\"}}", false, NULL,
		false },
	{ "cut", "{\"setup\":{\"sessionResumption\":{\"handle\":\"abc\"}}", false, NULL,
		false },
	{ "a new one",
		"{\"sessionResumptionUpdate\":{\"resumable\":true,\"newHandle\":\"abc\"}}",
		true, "abc", false },
	{ "next to an answer",
		"{\"serverContent\":{\"newHandle\":\"x\"},\"session_resumption_update\":{"
		"\"new_handle\":\"abc\"}}",
		true, "abc", false },
	{ "none that is new", "{\"sessionResumptionUpdate\":{\"resumable\":false}}", true, NULL,
		false },
};

static void
handles_are_found_only_in_their_places(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(handles); i++) {
		struct endpoint e = endpoint(true), other = endpoint(false);
		struct span m = span_str(handles[i].message);
		bool client = !handles[i].provider;
		struct arena a;
		arena_init(&a, 0, false);
		struct live_handle h = live_handle(&e, client, m, &a);
		bool there = h.text.n > 0;
		if (h.odd != handles[i].odd ||
			(!h.odd && (there != (handles[i].want != NULL) ||
					   (there && !span_is(h.text, handles[i].want)))))
			fail_msg("%s: \"%.*s\"%s", handles[i].name, SPAN_ARG(h.text),
				h.odd ? ", odd" : "");
		if (there)
			assert_int_equal(m.p[h.start - 1] + m.p[h.end], 2 * '"');
		h = live_handle(&other, client, m, &a);
		assert_false(h.odd || h.text.n);
		arena_reset(&a);
	}
}

/* By method and path. */
static void
ways_to_open_a_session_outside_the_gate_are_known(void **state)
{
	static const struct {
		const char *method, *path;
		bool gemini, beside, unseen;
	} rows[] = {
		{ "POST", "/v1/realtime", false, true, true },
		{ "POST", "/v1/realtime/client_secrets", false, true, true },
		{ "POST", "/v1/realtime/sessions", false, true, true },
		{ "POST", "/v1/realtime/transcription_sessions", false, true, true },
		{ "POST", "/v1/realtime/calls", false, true, true },
		{ "POST", "/x/y/realtime/calls", false, true, true },
		{ "POST", "/v1/realtime/calls/rtc_1/accept", false, true, true },
		{ "POST", "/v1/realtime/calls/rtc_1/refer", false, true, false },
		{ "POST", "/v1/realtime/calls/rtc_1/hangup", false, true, false },
		{ "POST", "/v1/realtime/calls/rtc_1/reject", false, true, false },
		{ "POST", "/v1/realtime/translations/client_secrets", false, true, true },
		{ "GET", "/v1/realtime/translations", false, true, false },
		{ "PUT", "/v1/realtime/what/comes/next", false, true, false },
		{ "POST", "/openai/v1/realtime/client_secrets", false, true, true },
		{ "POST", "/openai/v1/realtime/calls", false, true, true },
		{ "POST", "/openai/realtimeapi/sessions", false, true, true },
		{ "POST", "/v1/realtimertc", false, true, true },
		{ "GET", "/v1/realtime", false, false, false },
		{ "GET", "/openai/realtime", false, false, false },
		{ "POST", "/v1/chat/completions", false, false, false },
		{ "POST", "/v1alpha/auth_tokens", true, true, true },
		{ "POST", "/v1beta/authTokens", true, true, true },
		{ "GET", LIVE_PATH, true, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct endpoint e = dialect_endpoint(
			dialect_find(rows[i].gemini ? SPAN_LIT("gemini") : SPAN_LIT("openai")),
			span_str(rows[i].method), span_str(rows[i].path));
		if (e.beside != rows[i].beside || e.unseen != rows[i].unseen ||
			(e.beside && live_endpoint(&e)))
			fail_msg("%s %s", rows[i].method, rows[i].path);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ways_to_open_a_session_outside_the_gate_are_known),
		cmocka_unit_test(events_have_the_purpose_of_their_row),
		cmocka_unit_test(events_name_their_response),
		cmocka_unit_test(transcripts_are_read),
		cmocka_unit_test(texts_of_events_have_their_roles),
		cmocka_unit_test(handles_are_found_only_in_their_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
