/* An event that is not inspected contains no text: no string has a space or a non-ASCII
 * character. The first byte selects the dialect of the events. */
#include <stdlib.h>

#include "base/ascii.h"
#include "base/codec/json.h"
#include "scan/dialect/live.h"
#include "scan/dialect/live_voice.h"

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

/* After the gateway's edit, a setup never lets the provider respond by itself, and the edit of an
 * edited setup changes nothing. */
static void
setup_is_judged(const struct endpoint *e, struct span message, struct arena *a)
{
	struct voice_client c = voice_client_read(e, message, true, a), again;
	struct buf once, twice;
	struct json_event ev;
	struct json *j = json_open(a, message);

	if (c.npieces > VOICE_PIECES || (c.format.rate && c.format.rate < 8000))
		abort();
	while (json_next(j, &ev) != JSON_END)
		if (ev.tok == JSON_ERROR)
			return;
	buf_init(&once, 0);
	buf_init(&twice, 0);
	if (c.setup && live_has_ids(e) && voice_put_judged(message, "m", a, &once)) {
		again = voice_client_read(e, buf_view(&once), true, a);
		if (!again.setup || again.detection == VOICE_PROVIDER ||
			!voice_put_judged(buf_view(&once), "m", a, &twice) ||
			!span_eq(buf_view(&once), buf_view(&twice)))
			abort();
	}
	buf_free(&once);
	buf_free(&twice);
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
	setup_is_judged(&e, message, &a);
	voice_provider_read(message, &a);
	arena_reset(&a);
	return 0;
}
