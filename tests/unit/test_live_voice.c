/* Sound in realtime sessions: the effects of messages, and the edits of setups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/attr.h"
#include "scan/dialect/live_voice.h"

#define LIVE "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

static struct endpoint
endpoint_at(bool gemini)
{
	return dialect_endpoint(dialect_find(gemini ? SPAN_LIT("gemini") : SPAN_LIT("openai")),
		SPAN_LIT("GET"), gemini ? SPAN_LIT(LIVE) : SPAN_LIT("/v1/realtime"));
}

/* "odd", "setup manual", "pieces 1 16000", "ends", "begins", "drops" or "". */
static void
told(bool gemini, bool plain, const char *message, char out[64])
{
	static const char *const detections[] = { "unset", "manual", "provider", "only-ends" };
	struct endpoint e = endpoint_at(gemini);
	struct arena a;

	arena_init(&a, 0, false);
	struct voice_client c = voice_client_read(&e, span_str(message), plain, &a);
	snprintf(out, 64, "%s", c.odd ? "odd" : c.ends ? "ends" : c.begins ? "begins" : c.drops ? "drops" : "");
	if (!c.odd && c.setup)
		snprintf(out, 64, "setup %s %u", detections[c.detection], c.format.rate);
	if (!c.odd && c.npieces)
		snprintf(out, 64, "pieces %zu %u", c.npieces, c.format.rate);
	arena_reset(&a);
}

static void
messages_of_clients(void **state UNUSED)
{
	/* clang-format off */
	static const struct {
		bool gemini, text;
		const char *message, *want;
	} rows[] = {
		{ false, false, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"AAAA\"}", "pieces 1 0" },
		{ false, true, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"AAAA\",\"x\":\"y\"}", "odd" },
		{ false, true, "{\"type\":\"input_audio_buffer\\u002eappend\",\"audio\":\"AAAA\"}", "odd" },
		{ false, false, "{\"type\":\"input_audio_buffer.commit\"}", "ends" },
		{ false, false, "{\"type\":\"input_audio_buffer.clear\"}", "drops" },
		{ false, true, "{\"type\":\"input_audio_buffer.new\"}", "odd" },
		{ false, true, "{\"type\":\"session.update\",\"session\":{\"turn_detection\":null}}", "setup manual 0" },
		{ false, true, "{\"type\":\"session.update\",\"session\":{\"turn_detection\":null,\"audio\":{\"input\":{\"turn_detection\":{}}}}}", "setup provider 0" },
		{ false, true, "{\"type\":\"session.update\",\"session\":{\"audio\":{\"input\":{\"turn_detection\":{\"create_response\":false}}}}}", "setup only-ends 0" },
		{ false, true, "{\"type\":\"session.update\",\"session\":{\"audio\":{\"input\":{\"turn_detection\":{\"create_response\":\"false\"}}}}}", "setup provider 0" },
		{ false, true, "{\"type\":\"session.update\",\"session\":{\"input_audio_format\":\"g711_ulaw\"}}", "setup unset 8000" },
		{ true, true, "{\"setup\":{}}", "setup provider 0" },
		{ true, true, "{\"setup\":{\"realtimeInputConfig\":{\"automaticActivityDetection\":{\"disabled\":true}}}}", "setup manual 0" },
		{ true, true, "{\"setup\":{\"realtime_input_config\":{\"automatic_activity_detection\":{\"disabled\":true}}}}", "setup manual 0" },
		{ true, true, "{\"setup\":{\"realtimeInputConfig\":{\"automaticActivityDetection\":{\"disabled\":true}},\"realtime_input_config\":{\"automatic_activity_detection\":{\"disabled\":false}}}}", "setup provider 0" },
		{ true, true, "{\"setup\":{\"realtimeInputConfig\":{\"automaticActivityDetection\":{\"disabled\":\"true\"}}}}", "setup provider 0" },
		{ true, false, "{\"realtimeInput\":{\"audio\":{\"data\":\"AAAA\",\"mimeType\":\"audio/pcm\"}}}", "pieces 1 16000" },
		{ true, false, "{\"realtimeInput\":{\"audio\":{\"data\":\"AAAA\",\"mimeType\":\"audio/pcm;rate=24000\"}}}", "pieces 1 24000" },
		{ true, false, "{\"realtimeInput\":{\"audio\":{\"data\":\"AAAA\",\"mimeType\":\"audio/pcm;rate=1\"}}}", "odd" },
		{ true, false, "{\"realtimeInput\":{\"audio\":{\"data\":\"AAAA\",\"mimeType\":\"audio/opus\"}}}", "odd" },
		{ true, false, "{\"realtimeInput\":{\"mediaChunks\":[{\"data\":\"AAAA\",\"mimeType\":\"image/png\"}]}}", "" },
		{ true, false, "{\"realtimeInput\":{\"mediaChunks\":[{\"data\":\"AAAA\",\"mimeType\":\"image/png\"},{\"data\":\"AAAA\",\"mimeType\":\"audio/pcm\"}]}}", "pieces 1 16000" },
		{ true, false, "{\"realtimeInput\":{\"video\":{\"data\":\"AAAA\",\"mimeType\":\"image/png\"},\"audio\":{\"data\":\"AAAA\",\"mimeType\":\"audio/pcm\"}}}", "odd" },
		{ true, true, "{\"realtimeInput\":{\"text\":\"hi\",\"audio\":{\"data\":\"AAAA\",\"mimeType\":\"audio/pcm\"}}}", "odd" },
		{ true, false, "{\"realtimeInput\":{\"activityEnd\":{},\"activityStart\":{}}}", "odd" },
		{ true, false, "{\"realtime_input\":{\"activity_end\":{}}}", "ends" },
	};
	/* clang-format on */
	char got[64];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		told(rows[i].gemini, !rows[i].text, rows[i].message, got);
		if (strcmp(got, rows[i].want))
			fail_msg("%s: %s, not %s", rows[i].message, got, rows[i].want);
	}
}

static void
setups_are_edited(void **state UNUSED)
{
	/* clang-format off */
	static const char *const rows[][2] = {
		{ "{\"session\":{\"turn_detection\":{}}}", "{\"session\":{\"turn_detection\":{\"create_response\":false}}}" },
		{ "{\"session\":{\"turn_detection\":{\"create_response\":\"yes\",\"a\":1}}}", "{\"session\":{\"turn_detection\":{\"create_response\":false,\"a\":1}}}" },
		{ "{\"session\":{\"turn_detection\":null,\"input_audio_transcription\":null}}", "{\"session\":{\"turn_detection\":null,\"input_audio_transcription\":{\"model\":\"m\"}}}" },
		{ "{\"session\":{\"audio\":{\"input\":{\"transcription\":{\"model\":\"x\"},\"turn_detection\":{\"a\":[{}]}}}}}",
			"{\"session\":{\"audio\":{\"input\":{\"transcription\":{\"model\":\"x\"},\"turn_detection\":{\"create_response\":false,\"a\":[{}]}}}}}" },
		{ "{\"session\":{}}", "{\"session\":{}}" },
	};
	/* clang-format on */

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena a;
		struct buf out;
		arena_init(&a, 0, false);
		buf_init(&out, 0);
		assert_true(voice_put_judged(span_str(rows[i][0]), "m", &a, &out));
		if (!span_is(buf_view(&out), rows[i][1]))
			fail_msg("%s: %.*s", rows[i][0], SPAN_ARG(buf_view(&out)));
		buf_free(&out);
		arena_reset(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_clients),
		cmocka_unit_test(setups_are_edited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
