/* Placeholders over the turns of a conversation, through the gate: the body that the provider
 * is sent, and the values that the caller receives if a response repeats placeholders. */
#include "scenario/kept_stage.h"

struct talk {
	const char *name;
	struct turn_row turn[TURNS];
};

/* Returns a field of the last record of this type in the journal, or "" if it has no such
 * field. */
static const char *
last_field(const char *type, const char *field)
{
	for (size_t i = disk_records; i-- > 0;)
		if (!strcmp(stage_field(i, "type"), type))
			return stage_field(i, field);
	return "";
}

static void
run_talk(struct stage *s, const struct talk *t)
{
	static struct heard h;

	for (size_t i = 0; i < TURNS && t->turn[i].path; i++) {
		const struct turn_row *row = &t->turn[i];
		turn_do(s, (unsigned)(i % 2), row, &h);
		if (row->sent && !strstr(h.sent, row->sent))
			fail_msg("%s: turn %zu: sent %s", t->name, i + 1, h.sent);
		if (row->got && !strstr(h.got, row->got))
			fail_msg("%s: turn %zu: got %s", t->name, i + 1, h.got);
	}
}

#define CHATS(text) "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]}"
#define CHATTED(text)                                                                          \
	"{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":"   \
	"{\"role\":\"assistant\",\"content\":\"" text "\"},\"finish_reason\":\"stop\"}]}"

/* ---- spellings ---- */

static void
each_spelling_is_restored_as_written(void **state)
{
	static const struct talk talks[] = {
		{ "with restore, each spelling has its own number",
			{ { NULL, CHAT,
				CHATS("call (415) 426-8562, i.e. 415-426-8562 or (415) "
				      "426-8562"),
				"call <PHONE_NUMBER_1>, i.e. <PHONE_NUMBER_2> or "
				"<PHONE_NUMBER_1>",
				CHATTED("<PHONE_NUMBER_2> <PHONE_NUMBER_1>"),
				"415-426-8562 (415) 426-8562" } } },
		{ "without restore, equal values have equal numbers",
			{ { NULL, "/v1/completions",
				"{\"model\":\"m\",\"prompt\":\"call (415) 426-8562, i.e. "
				"415-426-8562\"}",
				"call <PHONE_NUMBER_1>, i.e. <PHONE_NUMBER_1>", "{}",
				NULL } } },
		{ "numbers stay while turns are appended",
			{ { NULL, CHAT,
				  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
				  "\"content\":\"(415) 426-8562\"}]}",
				  "<PHONE_NUMBER_1>", CHATTED("ok"), "ok" },
				{ NULL, CHAT,
					"{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
					"\"content\":\"(415) 426-8562\"},"
					"{\"role\":\"assistant\",\"content\":\"ok\"},"
					"{\"role\":\"user\",\"content\":\"415-426-8562 or "
					"(415) 426-8562\"}]}",
					"<PHONE_NUMBER_2> or <PHONE_NUMBER_1>",
					CHATTED("<PHONE_NUMBER_2>, <PHONE_NUMBER_1>"),
					"415-426-8562, (415) 426-8562" } } },
		{ "an address in other capitals is another spelling",
			{ { NULL, CHAT, CHATS("Jane.Roe@example.com, jane.roe@example.com"),
				"<EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_2>",
				CHATTED("<EMAIL_ADDRESS_2>, <EMAIL_ADDRESS_1>"),
				"jane.roe@example.com, Jane.Roe@example.com" } } },
		{ "a further mention without punctuation is another spelling",
			{ { NULL, CHAT, CHATS("ssn 856-45-6789 then 856456789"),
				"ssn <US_SSN_1> then <US_SSN_2>",
				CHATTED("<US_SSN_1> <US_SSN_2>"), "856-45-6789 856456789" } } },
		{ "a secret in base64 is another spelling",
			{ { NULL, CHAT,
				CHATS("my password is quuxel47-wobble, cXV1eGVsNDctd29iYmxl"),
				"my password is <GENERIC_SECRET_1>, <GENERIC_SECRET_2>",
				CHATTED("<GENERIC_SECRET_1>, <GENERIC_SECRET_2>"),
				"quuxel47-wobble, cXV1eGVsNDctd29iYmxl" } } },
		{ "a value escaped in a URL is another spelling",
			{ { NULL, CHAT, CHATS("my password is quux+el47wo, or q=quux%2Bel47wo"),
				"my password is <GENERIC_SECRET_1>, or q=<GENERIC_SECRET_2>",
				CHATTED("<GENERIC_SECRET_2>; <GENERIC_SECRET_1>"),
				"quux%2Bel47wo; quux+el47wo" } } },
	};
	struct stage s;

	(void)state;
	stage_up(&s, KEPT_POLICY);
	for (size_t i = 0; i < COUNT_OF(talks); i++)
		run_talk(&s, &talks[i]);
	stage_down(&s);
}

/* ---- conversations that the provider stores ---- */

#define R	   "/v1/responses"
#define ASK(text)  "{\"model\":\"m\",\"input\":\"" text "\"}"
#define ON(id, text)                                                                           \
	"{\"model\":\"m\",\"previous_response_id\":\"" id "\",\"input\":\"" text "\"}"
#define IN(id, text)                                                                           \
	"{\"model\":\"m\",\"conversation\":\"" id "\",\"input\":\"" text "\"}"
#define SAYS(id, text)                                                                         \
	"{\"id\":\"" id "\",\"object\":\"response\",\"output\":[{\"type\":\"message\",\"id\":"    \
	"\"msg_" id "\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":"    \
	"\"" text "\"}]}]}"
#define CALLS(id, arguments)                                                                   \
	"{\"id\":\"" id "\",\"object\":\"response\",\"output\":[{\"type\":\"function_call\","     \
	"\"id\":\"fc_1\",\"call_id\":\"call_1\",\"name\":\"send_mail\",\"arguments\":\"" arguments \
	"\"}]}"
#define M	  "/v1/messages"
#define MSG(more) "{\"model\":\"m\",\"max_tokens\":9," more "}"
#define USER(text) "\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]"
#define REPLY(id, text)                                                                        \
	"{\"id\":\"" id "\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":"    \
	"\"text\",\"text\":\"" text "\"}]}"

static void
placeholder_means_one_value_in_a_kept_conversation(void **state)
{
	static const struct talk talks[] = {
		{ "turn two continues the numbers of turn one",
			{ { NULL, R, ASK("mail jane@example.com"), "mail <EMAIL_ADDRESS_1>",
				  SAYS("resp_1", "to <EMAIL_ADDRESS_1>"),
				  "to jane@example.com" },
				{ NULL, R, ON("resp_1", "and bob@example.com"),
					"and <EMAIL_ADDRESS_2>",
					SAYS("resp_2", "<EMAIL_ADDRESS_1> <EMAIL_ADDRESS_2>"),
					"jane@example.com bob@example.com" },
				{ NULL, R, ON("resp_2", "go on"), "go on",
					CALLS("resp_3",
						"{\\\"to\\\":\\\"<EMAIL_ADDRESS_1>\\\"}"),
					"{\\\"to\\\":\\\"jane@example.com\\\"}" } } },
		{ "a repeated value keeps its placeholder",
			{ { NULL, R, ASK("jane@example.com"), "<EMAIL_ADDRESS_1>",
				  SAYS("resp_1", "ok"), NULL },
				{ NULL, R,
					ON("resp_1", "bob@example.com then jane@example.com"),
					"<EMAIL_ADDRESS_2> then <EMAIL_ADDRESS_1>",
					SAYS("resp_2", "ok"), NULL } } },
		{ "a first turn without values is known",
			{ { NULL, R, ASK("hello"), "hello", SAYS("resp_1", "hi"), NULL },
				{ NULL, R, ON("resp_1", "jane@example.com"),
					"\"<EMAIL_ADDRESS_1>\"",
					SAYS("resp_2", "<EMAIL_ADDRESS_1>"),
					"jane@example.com" } } },
		{ "two continuations of one response are independent",
			{ { NULL, R, ASK("jane@example.com"), NULL, SAYS("resp_1", "ok"),
				  NULL },
				{ NULL, R, ON("resp_1", "bob@example.com"),
					"\"<EMAIL_ADDRESS_2>\"", SAYS("resp_2", "ok"), NULL },
				{ NULL, R, ON("resp_1", "carl@example.com"),
					"\"<EMAIL_ADDRESS_2>\"", SAYS("resp_3", "ok"), NULL },
				{ NULL, R, ON("resp_2", "go on"), NULL,
					SAYS("resp_4", "<EMAIL_ADDRESS_2>"),
					"bob@example.com" },
				{ NULL, R, ON("resp_3", "go on"), NULL,
					SAYS("resp_5", "<EMAIL_ADDRESS_2>"),
					"carl@example.com" } } },
		{ "a streamed turn is continued",
			{ { NULL, R, ASK("jane@example.com"), NULL,
				  "event: response.created\ndata: "
				  "{\"type\":\"response.created\",\"response\":"
				  "{\"id\":\"resp_1\",\"output\":[]}}\n\n"
				  "event: response.completed\ndata: "
				  "{\"type\":\"response.completed\","
				  "\"response\":{\"id\":\"resp_1\",\"output\":[]}}\n\n",
				  NULL },
				{ NULL, R, ON("resp_1", "bob@example.com"),
					"\"<EMAIL_ADDRESS_2>\"",
					SAYS("resp_2", "<EMAIL_ADDRESS_1>"),
					"jane@example.com" } } },
		{ "a response that is fetched later has its values",
			{ { NULL, R,
				  "{\"model\":\"m\",\"background\":true,\"input\":\"jane@"
				  "example.com\"}",
				  "<EMAIL_ADDRESS_1>",
				  "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":"
				  "\"queued\",\"output\":[]}",
				  NULL },
				{ NULL, R "/resp_1", NULL, NULL,
					SAYS("resp_1", "<EMAIL_ADDRESS_1>"),
					"jane@example.com" } } },
		{ "another caller's conversation is unknown",
			{ { NULL, R, ASK("jane@example.com"), NULL, SAYS("resp_1", "ok"),
				  NULL },
				{ "bob", R, ON("resp_1", "hello"), NULL,
					SAYS("resp_2", "<EMAIL_ADDRESS_1>"),
					"\"<EMAIL_ADDRESS_1>\"" } } },
		{ "if the table is lost, a number stays and new ones do not collide",
			{ { NULL, R, ON("resp_lost", "bob@example.com"), "\"<EMAIL_ADDRESS_",
				SAYS("resp_2", "<EMAIL_ADDRESS_1>"),
				"\"<EMAIL_ADDRESS_1>\"" } } },
		{ "a number in the caller's own text is never assigned",
			{ { NULL, R,
				  ASK("<EMAIL_ADDRESS_2> is what I wrote to jane@example.com"),
				  "<EMAIL_ADDRESS_2> is what I wrote to <EMAIL_ADDRESS_1>",
				  SAYS("resp_1", "ok"), NULL },
				{ NULL, R, ON("resp_1", "bob@example.com"),
					"\"<EMAIL_ADDRESS_3>\"",
					SAYS("resp_2", "<EMAIL_ADDRESS_2>"),
					"\"<EMAIL_ADDRESS_2>\"" } } },
		{ "a placeholder in a tool's result keeps its value",
			{ { NULL, R, ASK("jane@example.com"), NULL, SAYS("resp_1", "ok"),
				  NULL },
				{ NULL, R,
					"{\"model\":\"m\",\"previous_response_id\":\"resp_1\","
					"\"input\":[{\"type\":"
					"\"function_call_output\",\"call_id\":\"c\",\"output\":"
					"\"<EMAIL_ADDRESS_1>, bob@example.com\"}]}",
					"<EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_2>",
					SAYS("resp_2", "<EMAIL_ADDRESS_1>"),
					"jane@example.com" } } },
		{ "an unstored response leaves nothing",
			{ { NULL, R,
				  "{\"model\":\"m\",\"store\":false,\"input\":\"jane@example."
				  "com\"}",
				  "<EMAIL_ADDRESS_1>", SAYS("resp_1", "ok"), NULL },
				{ NULL, R, ON("resp_1", "hello"), NULL,
					SAYS("resp_2", "<EMAIL_ADDRESS_1>"),
					"\"<EMAIL_ADDRESS_1>\"" } } },
		{ "items that refer to an earlier response",
			{ { NULL, R, ASK("jane@example.com"), NULL,
				  SAYS("resp_1", "<EMAIL_ADDRESS_1>"), NULL },
				{ NULL, R,
					"{\"model\":\"m\",\"input\":[{\"role\":\"user\","
					"\"content\":\"bob@example.com\"},"
					"{\"type\":\"item_reference\",\"id\":\"msg_resp_1\"}]}",
					"\"<EMAIL_ADDRESS_2>\"",
					SAYS("resp_2", "<EMAIL_ADDRESS_1> <EMAIL_ADDRESS_2>"),
					"jane@example.com bob@example.com" } } },
		{ "a thread of messages",
			{ { NULL, M,
				  MSG("\"thread\":{\"type\":\"create\"}," USER(
					  "jane@example.com")),
				  "\"<EMAIL_ADDRESS_1>\"", REPLY("msg_1", "ok"), NULL },
				{ NULL, M,
					MSG("\"thread\":{\"type\":\"continue\",\"previous_"
					    "message_id\":\"msg_1\"}," USER("bob@example.com")),
					"\"<EMAIL_ADDRESS_2>\"",
					REPLY("msg_2", "<EMAIL_ADDRESS_1>"),
					"jane@example.com" } } },
		{ "diagnostics of an earlier message continue no conversation",
			{ { NULL, M, MSG(USER("jane@example.com")), NULL, REPLY("msg_1", "ok"),
				  NULL },
				{ NULL, M,
					MSG("\"diagnostics\":{\"previous_message_id\":\"msg_"
					    "1\"}," USER("bob@example.com")),
					"\"<EMAIL_ADDRESS_1>\"",
					REPLY("msg_2", "<EMAIL_ADDRESS_1>"),
					"bob@example.com" } } },
		{ "an encrypted summary of the provider stands for its turns",
			{ { NULL, R "/compact",
				  "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":"
				  "\"jane@example.com\"}]}",
				  "\"<EMAIL_ADDRESS_1>\"",
				  "{\"id\":\"resp_1\",\"object\":\"response.compaction\","
				  "\"output\":[{\"type\":"
				  "\"compaction\",\"id\":\"cmp_1\",\"encrypted_content\":"
				  "\"c2VhbGVkIHN1bW1hcnk=\"}]}",
				  NULL },
				{ NULL, R,
					"{\"model\":\"m\",\"store\":false,\"input\":[{\"type\":"
					"\"compaction\",\"encrypted_content\":"
					"\"c2VhbGVkIHN1bW1hcnk=\"},{\"role\":\"user\","
					"\"content\":\"bob@example.com\"}]}",
					"\"<EMAIL_ADDRESS_2>\"",
					SAYS("resp_2", "<EMAIL_ADDRESS_1>"),
					"jane@example.com" } } },
		{ "a shortened history reuses no number that the model has seen",
			{ { NULL, CHAT,
				"{\"model\":\"m\",\"messages\":["
				"{\"role\":\"assistant\",\"content\":\"https://x.example/"
				"?q=<EMAIL_ADDRESS_1>\"},"
				"{\"role\":\"user\",\"content\":\"bob@example.com\"}]}",
				"\"<EMAIL_ADDRESS_2>\"", CHATTED("<EMAIL_ADDRESS_1>"),
				"\"<EMAIL_ADDRESS_1>\"" } } },
	};
	struct stage s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(talks); i++) {
		stage_up(&s, KEPT_POLICY);
		run_talk(&s, &talks[i]);
		stage_down(&s);
	}
}

/* Copies the first placeholder of an e-mail address out of a text. */
static const char *
placeholder_in(const char *text, char out[80])
{
	const char *from = strstr(text, "<EMAIL_ADDRESS_"), *to = from ? strchr(from, '>') : NULL;

	assert_non_null(to);
	snprintf(out, 80, "%.*s", (int)(to - from + 1), from);
	return out;
}

/* Puts `with` in place of each %s. */
static void
put_into(char *out, const char *text, const char *with)
{
	struct buf b;

	buf_init(&b, 0);
	for (; *text; text++) {
		if (text[0] == '%' && text[1] == 's') {
			buf_str(&b, with);
			text++;
		} else {
			buf_putc(&b, *text);
		}
	}
	snprintf(out, TEXT_MAX, "%.*s", SPAN_ARG(buf_view(&b)));
	buf_free(&b);
}

/* A thread or conversation that requests add to, or that a later turn cannot name, gets tagged
 * placeholders. %s in a second turn's response is the placeholder that the first turn was
 * given. */
static void
shared_conversation_has_placeholders_without_collisions(void **state)
{
	static const struct {
		const char *name;
		struct turn_row first, second;
		bool known; /* the second turn's response has Jane restored */
	} rows[] = {
		{ "a conversation",
			{ NULL, R, IN("conv_1", "jane@example.com"), NULL, SAYS("resp_1", "%s"),
				NULL },
			{ NULL, R, IN("conv_1", "bob@example.com"), NULL, SAYS("resp_2", "%s"),
				NULL },
			true },
		{ "a conversation that is created with items",
			{ NULL, "/v1/conversations",
				"{\"items\":[{\"type\":\"message\",\"role\":\"user\","
				"\"content\":\"jane@example.com\"}]}",
				NULL, "{\"id\":\"conv_9\",\"object\":\"conversation\"}", NULL },
			{ NULL, R, IN("conv_9", "bob@example.com"), NULL, SAYS("resp_2", "%s"),
				NULL },
			true },
		{ "an assistant's thread",
			{ NULL, "/v1/threads/thread_1/messages",
				"{\"role\":\"user\",\"content\":\"jane@example.com\"}", NULL,
				"{\"id\":\"msg_9\",\"thread_id\":\"thread_1\"}", NULL },
			{ NULL, "/v1/threads/thread_1/messages",
				"{\"role\":\"user\",\"content\":\"bob@example.com\"}", NULL,
				"{\"id\":\"msg_8\",\"content\":[{\"type\":\"text\",\"text\":{"
				"\"value\":\"%s\"}}]}",
				NULL },
			true },
		{ "a cache that a later request names",
			{ NULL, "/v1beta/cachedContents",
				"{\"model\":\"models/"
				"g\",\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":"
				"\"jane@example.com\"}]}]}",
				NULL, "{\"name\":\"cachedContents/c1\",\"model\":\"models/g\"}",
				NULL },
			{ NULL, "/v1beta/models/g:generateContent",
				"{\"cachedContent\":\"cachedContents/"
				"c1\",\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":"
				"\"bob@example.com\"}]}]}",
				NULL,
				"{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{"
				"\"text\":\"%s\"}]}}]}",
				NULL },
			true },
		{ "a tool's server that asks in the middle of a call: the call knows its own "
		  "values",
			{ NULL, "/mcp",
				"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
				"call\",\"params\":{\"name\":\"t\",\"arguments\":{\"to\":"
				"\"jane@example.com\"}}}",
				NULL,
				"event: message\ndata: "
				"{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"elicitation/"
				"create\",\"params\":{\"message\":\"who "
				"else?\",\"requestedSchema\":{}}}\n\n",
				NULL },
			{ NULL, "/mcp",
				"{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"action\":"
				"\"accept\",\"content\":{\"also\":\"bob@example.com\"}}}",
				NULL,
				"event: message\ndata: "
				"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{"
				"\"type\":\"text\",\"text\":\"%s\"}]}}\n\n",
				NULL },
			true },
		{ "a file that a later request contains",
			{ NULL, "/v1/files",
				"{\"purpose\":\"user_data\",\"text\":\"jane@example.com\"}",
				NULL, "{\"id\":\"file-1\",\"object\":\"file\"}", NULL },
			{ NULL, R,
				"{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[{"
				"\"type\":\"input_file\","
				"\"file_id\":\"file-1\"},{\"type\":\"input_text\",\"text\":"
				"\"bob@example.com\"}]}]}",
				NULL, SAYS("resp_1", "%s"), NULL },
			true },
	};
	static struct heard h;
	static char answer[TEXT_MAX];
	char jane[80], bob[80];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stage s;
		struct turn_row t = rows[i].first;
		stage_up(&s, KEPT_POLICY);
		turn_do(&s, 0, &t, &h);
		placeholder_in(h.sent, jane);
		t = rows[i].second;
		put_into(answer, t.answer, jane);
		t.answer = answer;
		turn_do(&s, 1, &t, &h);
		placeholder_in(h.sent, bob);
		if (!strcmp(jane, bob))
			fail_msg("%s: %s is two persons", rows[i].name, jane);
		if (strstr(h.got, "bob@"))
			fail_msg("%s: got %s", rows[i].name, h.got);
		if ((strstr(h.got, "jane@example.com") != NULL) != rows[i].known)
			fail_msg("%s: got %s", rows[i].name, h.got);
		stage_down(&s);
	}
}

static void
unknown_placeholder_is_counted_and_recorded(void **state)
{
	static const struct {
		const char *name;
		struct turn_row turn[3];
		const char *placeholders, *unresolved;
	} rows[] = {
		{ "a first turn",
			{ { NULL, R, ASK("jane@example.com"), NULL,
				SAYS("r1", "<EMAIL_ADDRESS_1>"), NULL } },
			"", "" },
		{ "the next turn",
			{ { NULL, R, ASK("jane@example.com"), NULL, SAYS("r1", "ok"), NULL },
				{ NULL, R, ON("r1", "hi"), NULL,
					SAYS("r2", "<EMAIL_ADDRESS_1>"), NULL } },
			"continued", "" },
		{ "a number that was never assigned",
			{ { NULL, R, ASK("jane@example.com"), NULL, SAYS("r1", "ok"), NULL },
				{ NULL, R, ON("r1", "hi"), NULL,
					SAYS("r2", "<EMAIL_ADDRESS_7> <P_1> <b> "
						   "<EMAIL_ADDRESS_1>"),
					NULL } },
			"continued", "1" },
		{ "a lost table",
			{ { NULL, R, ON("r0", "hi"), NULL,
				SAYS("r2", "<EMAIL_ADDRESS_1> <PERSON_ABCDEFGH_1>"), NULL } },
			"lost", "2" },
		{ "a conversation",
			{ { NULL, R, IN("c", "hi"), NULL, SAYS("r2", "ok"), NULL } }, "tagged",
			"" },
	};
	static struct heard h;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stage s;
		stage_up(&s, KEPT_POLICY);
		for (size_t k = 0; k < 3 && rows[i].turn[k].path; k++)
			turn_do(&s, 0, &rows[i].turn[k], &h);
		if (strcmp(last_field("decision", "placeholders"), rows[i].placeholders))
			fail_msg(
				"%s: %s", rows[i].name, last_field("decision", "placeholders"));
		if (strcmp(last_field("completion", "answer.unresolved"), rows[i].unresolved))
			fail_msg("%s: %s", rows[i].name,
				last_field("completion", "answer.unresolved"));
		assert_int_equal(stage_count(&s, M_ANSWERS_UNRESOLVED),
			rows[i].unresolved[0] ? (uint64_t)atoi(rows[i].unresolved) : 0);
		stage_down(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(placeholder_means_one_value_in_a_kept_conversation),
		cmocka_unit_test(shared_conversation_has_placeholders_without_collisions),
		cmocka_unit_test(unknown_placeholder_is_counted_and_recorded),
		cmocka_unit_test(each_spelling_is_restored_as_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
