/* Placeholders over the turns of a conversation, through the gate: what the provider is sent,
 * and what the caller gets back of a response that repeats placeholders. */
#include "scenario/gate_stage.h"

#define POLICY                                                                                 \
	"providers:\n"                                                                         \
	"  o: {backend: openai, dialect: openai}\n"                                            \
	"  a: {backend: anthropic, dialect: anthropic}\n"                                      \
	"routes:\n"                                                                            \
	"  - {name: plain, match: {path: /v1/completions}, targets: [o], response: meter}\n"   \
	"  - {name: m, match: {path_prefix: /v1/messages}, targets: [a], response: restore}\n" \
	"  - {name: o, match: {path_prefix: /v1/}, targets: [o], response: restore}\n"         \
	"rules: [{name: r, redact: {classes: [pii, phi, secret]}}]\n"                          \
	"default: permit\n"

enum { TURNS = 8, TEXT_MAX = 4096 };

/* One request and its response. `sent` and `got` are parts of the body that the provider was
 * sent and of the response that the caller gets; NULL: any. */
struct turn_row {
	const char *person, *path, *body;
	const char *sent;
	const char *answer;
	const char *got;
};
struct talk {
	const char *name;
	struct turn_row turn[TURNS];
};

/* What happened in a turn. */
struct heard {
	char sent[TEXT_MAX], got[TEXT_MAX];
};

static void
keep_text(char *out, struct span s)
{
	snprintf(out, TEXT_MAX, "%.*s", SPAN_ARG(s));
}

/* Sends one request to worker `w`; its provider answers. */
static void
turn_do(struct stage *s, unsigned w, const struct turn_row *t, struct heard *h)
{
	struct call c;
	struct pass p;
	struct guard *g;
	struct buf out;
	struct note n = { .person = t->person ? t->person : "alice",
		.method = t->body ? "POST" : "GET",
		.path = t->path,
		.body = t->body };
	bool streamed = span_starts(span_str(t->answer), SPAN_LIT("event:")) ||
			span_starts(span_str(t->answer), SPAN_LIT("data:"));

	memset(h, 0, sizeof(*h));
	memset(&p, 0, sizeof(p));
	call_send(s, w, &n, &c);
	stage_settle(s);
	assert_true(c.answered);
	if (strcmp(call_var(&c, "via"), "relay")) {
		keep_text(h->sent, span_str(t->body ? t->body : ""));
		keep_text(h->got, span_str(t->answer));
		return;
	}
	pass_send(s, w, &p, call_var(&c, "ticket"), n.method,
		t->body ? (int64_t)strlen(t->body) : -1);
	stage_turn(s);
	assert_non_null(p.x);
	const struct exchange_plan *plan = gate_plan(p.x);
	keep_text(h->sent,
		plan->body_mode == BODY_SWAP ? plan->body : span_str(t->body ? t->body : ""));
	buf_init(&out, 0);
	assert_int_equal(
		gate_answer(p.x,
			&(struct guard_head){ .status = 200,
				.content_type = streamed ? SPAN_LIT("text/event-stream")
							 : SPAN_LIT("application/json") },
			&g),
		0);
	guard_feed(g, span_str(t->answer), &out);
	guard_end(g, &out);
	keep_text(h->got, buf_view(&out));
	buf_free(&out);
	pass_finish(&p, END_COMPLETE, 200, 10, 5);
	stage_settle(s);
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
each_spelling_comes_back_as_it_was_written(void **state)
{
	static const struct talk talks[] = {
		{ "where values are restored, each spelling has its own number",
			{ { NULL, CHAT,
				CHATS("call (415) 426-8562, i.e. 415-426-8562 or (415) 426-8562"),
				"call <PHONE_NUMBER_1>, i.e. <PHONE_NUMBER_2> or <PHONE_NUMBER_1>",
				CHATTED("<PHONE_NUMBER_2> <PHONE_NUMBER_1>"),
				"415-426-8562 (415) 426-8562" } } },
		{ "where nothing is restored, equal values have equal numbers",
			{ { NULL, "/v1/completions",
				"{\"model\":\"m\",\"prompt\":\"call (415) 426-8562, i.e. 415-426-8562\"}",
				"call <PHONE_NUMBER_1>, i.e. <PHONE_NUMBER_1>", "{}", NULL } } },
		{ "numbers stay while turns are appended",
			{ { NULL, CHAT,
				  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"(415) 426-8562\"}]}",
				  "<PHONE_NUMBER_1>", CHATTED("ok"), "ok" },
				{ NULL, CHAT,
					"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"(415) 426-8562\"},"
					"{\"role\":\"assistant\",\"content\":\"ok\"},"
					"{\"role\":\"user\",\"content\":\"415-426-8562 or (415) 426-8562\"}]}",
					"<PHONE_NUMBER_2> or <PHONE_NUMBER_1>",
					CHATTED("<PHONE_NUMBER_2>, <PHONE_NUMBER_1>"),
					"415-426-8562, (415) 426-8562" } } },
		{ "an address in other capitals is another spelling",
			{ { NULL, CHAT, CHATS("Jane.Roe@example.com, jane.roe@example.com"),
				"<EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_2>",
				CHATTED("<EMAIL_ADDRESS_2>, <EMAIL_ADDRESS_1>"),
				"jane.roe@example.com, Jane.Roe@example.com" } } },
		{ "so is a further mention that only repeats the value",
			{ { NULL, CHAT, CHATS("ssn 856-45-6789 then 856456789"),
				"ssn <US_SSN_1> then <US_SSN_2>", CHATTED("<US_SSN_1> <US_SSN_2>"),
				"856-45-6789 856456789" } } },
		{ "and a secret in base64",
			{ { NULL, CHAT, CHATS("my password is quuxel47-wobble, cXV1eGVsNDctd29iYmxl"),
				"my password is <GENERIC_SECRET_1>, <GENERIC_SECRET_2>",
				CHATTED("<GENERIC_SECRET_1>, <GENERIC_SECRET_2>"),
				"quuxel47-wobble, cXV1eGVsNDctd29iYmxl" } } },
		{ "and one that is escaped in a URL",
			{ { NULL, CHAT, CHATS("my password is quux+el47wo, or q=quux%2Bel47wo"),
				"my password is <GENERIC_SECRET_1>, or q=<GENERIC_SECRET_2>",
				CHATTED("<GENERIC_SECRET_2>; <GENERIC_SECRET_1>"),
				"quux%2Bel47wo; quux+el47wo" } } },
	};
	struct stage s;

	(void)state;
	stage_up(&s, POLICY);
	for (size_t i = 0; i < COUNT_OF(talks); i++)
		run_talk(&s, &talks[i]);
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_spelling_comes_back_as_it_was_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
