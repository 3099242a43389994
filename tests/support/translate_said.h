/* Provider responses in the forms of chat completions and of messages. */
#ifndef TESTS_SUPPORT_TRANSLATE_SAID_H
#define TESTS_SUPPORT_TRANSLATE_SAID_H

#define EVENT(json) "data: " json "\n\n"
#define CHUNK(rest) EVENT("{\"id\":\"c1\",\"model\":\"gpt\",\"choices\":[" rest "]}")
#define DELTA(rest) CHUNK("{\"index\":0,\"delta\":{" rest "},\"finish_reason\":null}")
#define ROLE	    DELTA("\"role\":\"assistant\",\"content\":\"\"")
#define SAYS(text)  DELTA("\"content\":\"" text "\"")
#define PIECE(rest) DELTA("\"tool_calls\":[{" rest "}]")
#define BEGINS(i, id, name)                                                                    \
	PIECE("\"index\":" i ",\"id\":\"" id "\",\"type\":\"function\",\"function\":{"         \
	      "\"name\":\"" name "\",\"arguments\":\"\"}")
#define GROWS(i, text)	PIECE("\"index\":" i ",\"function\":{\"arguments\":\"" text "\"}")
#define FINISH(why)	CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"" why "\"}")
#define CHAT_USAGE(all) EVENT("{\"choices\":[],\"usage\":{" all "}}")
#define DONE		EVENT("[DONE]")
#define CHAT(rest)                                                                             \
	"{\"id\":\"c1\",\"object\":\"chat.completion\",\"model\":\"gpt\",\"choices\":[{"       \
	"\"index\":0,\"message\":{\"role\":\"assistant\"," rest

#define NAMED(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define START                                                                                  \
	NAMED("message_start",                                                                 \
		",\"message\":{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\","     \
		"\"model\":\"claude\",\"content\":[],\"stop_reason\":null,\"usage\":{"         \
		"\"input_tokens\":10,\"cache_read_input_tokens\":100,"                         \
		"\"cache_creation_input_tokens\":20,\"output_tokens\":1}}")
#define BLOCK(i, rest)                                                                         \
	NAMED("content_block_start", ",\"index\":" i ",\"content_block\":{" rest "}")
#define TEXT(i)	 BLOCK(i, "\"type\":\"text\",\"text\":\"\"")
#define THINK(i) BLOCK(i, "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
#define TOOL(i, id, name)                                                                      \
	BLOCK(i, "\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}")
#define MORE(i, type, member, text)                                                            \
	NAMED("content_block_delta", ",\"index\":" i ",\"delta\":{\"type\":\"" type            \
				     "\",\"" member "\":\"" text "\"}")
#define WORDS(i, text) MORE(i, "text_delta", "text", text)
#define INPUT(i, text) MORE(i, "input_json_delta", "partial_json", text)
#define STOP(i)	       NAMED("content_block_stop", ",\"index\":" i)
#define WHY(why)                                                                               \
	NAMED("message_delta", ",\"delta\":{\"stop_reason\":\"" why                            \
			       "\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":7}")
#define LAST NAMED("message_stop", "")
#define MESSAGE(content, why)                                                                  \
	"{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[" content     \
	"],\"model\":\"claude\",\"stop_reason\":\"" why                                        \
	"\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,"                            \
	"\"cache_read_input_tokens\":100,\"cache_creation_input_tokens\":20,"                  \
	"\"output_tokens\":7}}"

#endif
