/* One stream of each dialect with a value across two events. Streams with rules of their own
 * are rows of test_guard.c. */
#ifndef SUPPORT_ANSWER_STREAMS_H
#define SUPPORT_ANSWER_STREAMS_H

#include "support/answer_run.h"

static const struct answer_case answer_streams[] = {
	{ "Bedrock's converse-stream", REDACT, "bedrock", "/model/x/converse-stream", CONVERSE,
		"messageStart {\"role\":\"assistant\"}\n"
		"contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"to "
		"jane.doe@\"}}\n"
		"contentBlockDelta "
		"{\"contentBlockIndex\":0,\"delta\":{\"text\":\"example.org\"}}\n"
		"contentBlockStop {\"contentBlockIndex\":0}\n"
		"contentBlockDelta {\"contentBlockIndex\":1,\"delta\":{\"toolUse\":{\"input\":"
		"\"{\\\"to\\\":\\\"jane.doe@\"}}}\n"
		"contentBlockDelta {\"contentBlockIndex\":1,\"delta\":{\"toolUse\":{\"input\":"
		"\"example.org\\\"}\"}}}\n"
		"contentBlockStop {\"contentBlockIndex\":1}\n"
		"messageStop {\"stopReason\":\"tool_use\"}\n"
		"metadata "
		"{\"usage\":{\"inputTokens\":3,\"outputTokens\":4,\"totalTokens\":7}}\n",
		"text 0.0 to <EMAIL_ADDRESS>|arguments 1.0 "
		"{\"to\":\"<EMAIL_ADDRESS>\"}|finish tool_use|found 2|redacted 2|usage 3 4|" },
	{ "Cohere's chat", REDACT, "cohere", "/v2/chat", "text/event-stream",
		"data: {\"type\":\"content-start\",\"index\":0}\n\n"
		"data: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{"
		"\"content\":{\"text\":\"to jane.doe@\"}}}}\n\n"
		"data: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{"
		"\"content\":{\"text\":\"example.org\"}}}}\n\n"
		"data: {\"type\":\"content-end\",\"index\":0}\n\n"
		"data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\","
		"\"usage\":{\"tokens\":{\"input_tokens\":3,\"output_tokens\":4}}}}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish COMPLETE|found 1|redacted 1|usage 3 4|" },
	{ "TGI's stream", REDACT, "tgi", "/generate_stream", "text/event-stream",
		"data: {\"index\":1,\"token\":{\"id\":7,\"text\":\"to jane.doe@\"},"
		"\"generated_text\":null}\n\n"
		"data: {\"index\":2,\"token\":{\"id\":8,\"text\":\"example.org\"},"
		"\"generated_text\":\"to " MAIL "\",\"details\":{\"finish_reason\":\"length\","
		"\"generated_tokens\":2}}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|text= 0.0 to <EMAIL_ADDRESS>|finish length|found "
		"2|redacted 2|" },
	{ "Ollama's generate", REDACT, "ollama", "/api/generate", "application/x-ndjson",
		"{\"model\":\"l\",\"response\":\"to jane.doe@\",\"done\":false}\n"
		"{\"model\":\"l\",\"response\":\"example.org\",\"done\":false}\n"
		"{\"model\":\"l\",\"response\":\"\",\"done\":true,\"done_reason\":\"stop\","
		"\"prompt_eval_count\":3,\"eval_count\":2}\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|usage 3 2|" },
	{ "OpenAI's completions", REDACT, "openai", "/v1/completions", "text/event-stream",
		"data: {\"choices\":[{\"index\":0,\"text\":\"to jane.doe@\"}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"text\":\"example.org\",\"finish_reason\":"
		"\"stop\"}]}\n\n"
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}"
		"\n\ndata: [DONE]\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|usage 3 4|" },
	{ "a chat by Azure's path, with its filters", REDACT, "openai",
		"/openai/deployments/d/chat/completions", "text/event-stream",
		"data: {\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0,"
		"\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":"
		"\"safe\"}}}]}\n\n" CHUNK("to jane.doe@") CHUNK("example.org") STOP,
		"other 0.0 safe|text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "a transcription", REDACT, "openai", "/v1/audio/transcriptions", "text/event-stream",
		"data: {\"type\":\"transcript.text.delta\",\"delta\":\"to jane.doe@\"}\n\n"
		"data: {\"type\":\"transcript.text.delta\",\"delta\":\"example.org\"}\n\n"
		"data: {\"type\":\"transcript.text.done\",\"text\":\"to " MAIL "\",\"usage\":{"
		"\"type\":\"tokens\",\"input_tokens\":3,\"output_tokens\":4}}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|text= 0.0 to <EMAIL_ADDRESS>|other 0.0 "
		"tokens|found 2|redacted "
		"2|usage 3 4|" },
	{ "Mistral's transcription", REDACT, "mistral", "/v1/audio/transcriptions",
		"text/event-stream",
		"data: {\"type\":\"transcription.language\",\"audio_language\":\"en\"}\n\n"
		"data: {\"type\":\"transcription.text.delta\",\"text\":\"to jane.doe@\"}\n\n"
		"data: {\"type\":\"transcription.text.delta\",\"text\":\"example.org\"}\n\n"
		"data: {\"type\":\"transcription.done\",\"model\":\"m\",\"text\":\"to " MAIL
		"\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}"
		"\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|text= 0.0 to <EMAIL_ADDRESS>|found 2|redacted "
		"2|usage 3 4|" },
	{ "an image's events", REDACT, "openai", "/v1/images/generations", "text/event-stream",
		"data: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"QUJD\"}\n\n"
		"data: "
		"{\"type\":\"image_generation.completed\",\"b64_json\":\"QUJD\",\"usage\":{"
		"\"input_tokens\":3,\"output_tokens\":4}}\n\n",
		"same|" },
	{ "Gemini's last event, with text and the count", REDACT, "gemini",
		"/v1beta/models/g:streamGenerateContent", "text/event-stream",
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"to "
		"jane.doe@\"}]}}]}\n\n"
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"example.org\"}]},"
		"\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":3,"
		"\"candidatesTokenCount\":4,\"totalTokenCount\":7}}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish STOP|found 1|redacted 1|usage 3 4|" },
	{ "Mistral by Bedrock's invoke", REDACT, "bedrock", "/invoke-with-response-stream",
		FRAMES,
		"{\"outputs\":[{\"text\":\"to jane.doe@\",\"stop_reason\":null}]}\n"
		"{\"outputs\":[{\"text\":\"example.org\",\"stop_reason\":\"stop\"}]}\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "Cohere by it", REDACT, "bedrock", "/invoke-with-response-stream", FRAMES,
		"{\"event_type\":\"text-generation\",\"text\":\"to jane.doe@\"}\n"
		"{\"event_type\":\"text-generation\",\"text\":\"example.org\"}\n"
		"{\"event_type\":\"stream-end\",\"finish_reason\":\"COMPLETE\"}\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish COMPLETE|found 1|redacted 1|" },
	{ "what no table knows", REDACT, "rest", "/x", "text/event-stream",
		"data: {\"out\":{\"words\":\"to jane.doe@\"}}\n\n"
		"data: {\"out\":{\"words\":\"example.org now\"}}\n\n",
		"other 0.0 outwordsto <EMAIL_ADDRESS>outwords now|found 1|redacted 1|" },
	{ "lines of text that no table knows", REDACT, "rest", "/x", "text/event-stream",
		"data: to jane.doe@\n\ndata: example.org now\n\n", "found 1|redacted 1|" },
};

#endif
