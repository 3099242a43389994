/* An event that is not inspected contains no text: no string has a space or a non-ASCII
 * character. The first byte selects the dialect of the events. */
#include <stdlib.h>

#include "base/ascii.h"
#include "base/codec/json.h"
#include "scan/dialect/live.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIVE_PATH                                                                              \
	"/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

static void
holds_words_alone(struct span message, struct arena *a)
{
	struct json *j = json_open(a, message);
	struct json_event ev;

	for (enum json_tok t; (t = json_next(j, &ev)) != JSON_END;) {
		if (t == JSON_ERROR)
			abort();
		for (size_t i = ev.start; (t == JSON_KEY || t == JSON_STRING) && i < ev.end;
			i++)
			if (!is_visible(message.p[i]) || message.p[i] == '\\')
				abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct span message = span_of(data + 1, size - 1);
	bool gemini = data[0] & 1;
	struct endpoint e = dialect_endpoint(
		dialect_find(gemini ? SPAN_LIT("gemini") : SPAN_LIT("openai")), SPAN_LIT("GET"),
		gemini ? SPAN_LIT(LIVE_PATH) : SPAN_LIT("/v1/realtime"));
	struct arena a;
	arena_init(&a, 0, false);
	struct live_event got =
		data[0] & 2 ? live_client(&e, message, &a) : live_provider(&e, message, &a);
	if (got.is != LIVE_TEXT)
		holds_words_alone(message, &a);
	if (got.media_bytes > message.n)
		abort();
	arena_reset(&a);
	return 0;
}
