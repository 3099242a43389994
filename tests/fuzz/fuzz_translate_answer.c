/* Translated responses: any cut gives the same bytes, and so does parsing each event by itself.
 * A strict client accepts them and finds no end after an error. The first byte selects the
 * provider, whether the response is whole, and whether the rest is the response itself or
 * selects events of a table, one byte each. Alternatively, the second byte names any two forms,
 * which may have several choices. */
#include <stdio.h>
#include <stdlib.h>

#include "support/fake_clock.h"
#include "support/translate_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	MESSAGES = 1,
	WHOLE = 2,
	PROGRAM = 4,
	REFUSED = 8,
	CHOICES = 16,
	PAIR = 64,
	EVENTS = 20,
	EVENTS_MOST = 64
};

#define CHUNK(rest)                                                                            \
	"data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0," rest "}]}\n\n"
#define DELTA(rest)	 CHUNK("\"delta\":{" rest "}")
#define PIECE(rest)	 DELTA("\"tool_calls\":[{" rest "}]")
#define TYPE(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define BLOCK(i, rest)                                                                         \
	TYPE("content_block_start", ",\"index\":" i ",\"content_block\":{" rest "}")
#define MORE(i, rest) TYPE("content_block_delta", ",\"index\":" i ",\"delta\":{" rest "}")

static const char *const events[2][EVENTS] = {
	{
		DELTA("\"role\":\"assistant\",\"content\":\"\""),
		DELTA("\"content\":\"a\""),
		DELTA("\"content\":\"\\ud83d\""),
		DELTA("\"content\":\"\\ude00\""),
		DELTA("\"reasoning_content\":\"r\""),
		DELTA("\"refusal\":\"n\""),
		PIECE("\"index\":0,\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":"
		      "\"\"}"),
		PIECE("\"index\":0,\"function\":{\"arguments\":\"{\"}"),
		PIECE("\"index\":0,\"function\":{\"arguments\":\"}\"}"),
		PIECE("\"index\":1,\"id\":\"y\",\"function\":{\"name\":\"g\",\"arguments\":\"{}"
		      "\"}"),
		PIECE("\"index\":1,\"function\":{\"arguments\":\" \"}"),
		PIECE("\"index\":0,\"id\":\"z\",\"function\":{\"name\":\"h\",\"arguments\":\"{}"
		      "\"}"),
		PIECE("\"function\":{\"arguments\":\"{}\"}"),
		DELTA("\"function_call\":{\"name\":\"o\",\"arguments\":\"{}\"}"),
		CHUNK("\"delta\":{},\"finish_reason\":\"stop\""),
		CHUNK("\"delta\":{},\"finish_reason\":\"tool_calls\""),
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,"
		"\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n",
		"data: {\"error\":{\"message\":\"e\",\"code\":\"c\"}}\n\n",
		": c\n\n",
		"data: [DONE]\n\n",
	},
	{
		TYPE("message_start",
			",\"message\":{\"id\":\"i\",\"model\":\"m\",\"content\":[],"
			"\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}"),
		TYPE("ping", ""),
		BLOCK("0", "\"type\":\"text\",\"text\":\"\""),
		MORE("0", "\"type\":\"text_delta\",\"text\":\"a\""),
		BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\""),
		MORE("0", "\"type\":\"thinking_delta\",\"thinking\":\"t\""),
		MORE("0", "\"type\":\"signature_delta\",\"signature\":\"c2ln\""),
		BLOCK("0", "\"type\":\"tool_use\",\"id\":\"x\",\"name\":\"f\",\"input\":{}"),
		MORE("0", "\"type\":\"input_json_delta\",\"partial_json\":\"{\""),
		MORE("0", "\"type\":\"input_json_delta\",\"partial_json\":\"}\""),
		TYPE("content_block_stop", ",\"index\":0"),
		BLOCK("1", "\"type\":\"tool_use\",\"id\":\"y\",\"name\":\"g\",\"input\":{}"),
		MORE("1", "\"type\":\"input_json_delta\",\"partial_json\":\"{}\""),
		MORE("1", "\"type\":\"text_delta\",\"text\":\"b\""),
		TYPE("content_block_stop", ",\"index\":1"),
		BLOCK("1", "\"type\":\"redacted_thinking\",\"data\":\"QUJD\""),
		TYPE("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{"
				      "\"output_tokens\":3}"),
		TYPE("message_delta", ",\"delta\":{\"stop_reason\":\"tool_use\"}"),
		TYPE("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"e\"}"),
		TYPE("message_stop", ""),
	},
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf in = { 0 }, one = { 0 }, two = { 0 }, say = { 0 };
	struct translate_client c = { 0 };
	const char *why, *other;

	if (size < 3)
		return 0;
	enum form from = data[0] & MESSAGES ? FORM_MESSAGES : FORM_CHAT;
	enum form to = data[0] & MESSAGES ? FORM_CHAT : FORM_MESSAGES;
	bool streamed = !(data[0] & WHOLE), pair = data[0] & PAIR;
	int status = data[0] & REFUSED ? 429 : 200;
	if (pair) {
		from = (enum form)(FORM_CHAT + data[1] % (FORMS_OF_TALK - 1));
		to = (enum form)(FORM_CHAT + data[1] / (FORMS_OF_TALK - 1) % (FORMS_OF_TALK - 1));
	}
	translate_choices = pair ? data[0] / CHOICES % 4 : 0;
	if (data[0] & PROGRAM && !pair)
		for (size_t i = 1; i < size && i < EVENTS_MOST; i++)
			buf_str(&in, events[data[0] & MESSAGES][data[i] % EVENTS]);
	else
		buf_put(&in, data + 1 + pair, size - 1 - pair);
	int a = translate_run_to(
		from, to, streamed, status, buf_view(&in), 0, SIZE_MAX, &one, &why);
	/* cut in two, in steps, and with each event parsed by itself */
	for (int i = 0; i < 3; i++) {
		size_t step = i == 1 ? 1 + size % 7 : 0;
		size_t cut = i == 0 ? size * 31 % in.n : SIZE_MAX;
		buf_clear(&two);
		translate_misses = i == 2 ? TRANSLATOR_MISSES : 0;
		int b = translate_run_to(
			from, to, streamed, status, buf_view(&in), step, cut, &two, &other);
		if (a != b || why != other || !span_eq(buf_view(&one), buf_view(&two)))
			abort();
	}
	/* a whole response that is invalid gives no bytes of the gateway */
	if (a && (!why || (!streamed && one.n)))
		abort();
	if ((to == FORM_CHAT || to == FORM_MESSAGES) && translate_choices < 2) {
		client_hears(to, streamed, buf_view(&one), &say, &c);
		if ((c.bad && (streamed || !a)) || (streamed && c.ended == c.failed))
			abort();
	}
	buf_free(&in);
	buf_free(&one);
	buf_free(&two);
	buf_free(&say);
	return 0;
}
