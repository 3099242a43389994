/* Objects that belong to one target, through the gate. A request that names such an object is
 * sent to that target, whatever the ranking. This does not apply to another caller, and a rule
 * overrides it. */
#include "gate/targets/state.h"
#include "scenario/gate_stage.h"

#define POLICY                                                                                 \
	"providers:\n"                                                                         \
	"  a: {backend: openai, dialect: openai}\n"                                            \
	"  b: {backend: azure, dialect: openai}\n"                                             \
	"  x: {backend: anthropic, dialect: anthropic}\n"                                      \
	"  y: {backend: vllm, dialect: anthropic}\n"                                           \
	"routes:\n"                                                                            \
	"  - {name: o, match: {path_prefix: /v1/responses}, targets: [a, b], response: "       \
	"meter, reserve: estimate}\n"                                                          \
	"  - {name: c, match: {path_prefix: /v1/chat/completions}, targets: [a, b], response: " \
	"meter, reserve: estimate}\n"                                                          \
	"  - {name: f, match: {path_prefix: /v1/files}, targets: [a, b], response: meter, "    \
	"reserve: estimate}\n"                                                                 \
	"  - {name: m, match: {path_prefix: /v1/messages}, targets: [x, y], response: meter, " \
	"reserve: estimate, %s}\n"                                                             \
	"rules:\n"                                                                             \
	"  - {name: first, when: 'request.service_tier == \"b\"', route: {targets: [b]}, "     \
	"on_error: skip}\n"                                                                    \
	"default: permit\noutput_default: 100\n"

static void
up(struct stage *s, const char *more)
{
	struct buf b;

	buf_init(&b, 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	buf_printf(&b, POLICY, more);
#pragma GCC diagnostic pop
	buf_putc(&b, '\0');
	stage_up(s, buf_view(&b).p);
	buf_free(&b);
}

/* Sends one request and its response. Returns the target, or "" for a refusal. */
static const char *
ask(struct stage *s, const char *person, const char *path, const char *body, const char *answer,
	bool streamed)
{
	static char target[64];
	struct call c;
	struct pass p;
	struct guard *g;
	struct buf out;
	struct note n = { .person = person, .path = path, .body = body };
	size_t before = disk_records;

	if (!body)
		n.method = "GET";
	call_do(s, &n, &c);
	snprintf(target, sizeof(target), "%s", stage_field(before, "target"));
	if (strcmp(call_var(&c, "via"), "relay"))
		return strcpy(target, "");
	memset(&p, 0, sizeof(p));
	pass_send(s, 0, &p, call_var(&c, "ticket"), body ? "POST" : "GET",
		body ? (int64_t)strlen(body) : -1);
	stage_turn(s);
	assert_non_null(p.x);
	buf_init(&out, 0);
	assert_int_equal(
		gate_answer(p.x,
			&(struct guard_head){ .status = 200,
				.content_type = streamed ? SPAN_LIT("text/event-stream")
							 : SPAN_LIT("application/json") },
			&g),
		0);
	guard_feed(g, span_str(answer), &out);
	guard_end(g, &out);
	buf_free(&out);
	pass_finish(&p, END_COMPLETE, 200, 10, 5);
	stage_settle(s);
	return target;
}

/* Ejects a target as the operator would, so that the other one is asked. */
static void
eject(struct stage *s, const char *provider)
{
	struct target_table *t = gate_targets(s->shared);

	target_state(t, provider, NULL);
	assert_true(target_eject(t, span_str(provider)));
}

static void
admit(struct stage *s, const char *provider)
{
	assert_true(target_admit(gate_targets(s->shared), span_str(provider)));
}

#define RESPONSE(id)                                                                           \
	"{\"id\":\"" id                                                                        \
	"\",\"object\":\"response\",\"output\":[],\"usage\":{\"input_tokens\":1,"              \
	"\"output_tokens\":1,\"total_tokens\":2}}"
#define AFTER(id) "{\"model\":\"m\",\"previous_response_id\":\"" id "\",\"input\":\"hi\"}"

static void
follow_up_request_goes_to_the_target_of_its_response(void **state)
{
	static const char first[] = "{\"model\":\"m\",\"input\":\"hi\"}";
	struct stage s;

	(void)state;
	up(&s, "show_cost: false");
	assert_string_equal(
		ask(&s, "alice", "/v1/responses", first, RESPONSE("resp_a"), false), "a");
	eject(&s, "a");
	assert_string_equal(
		ask(&s, "alice", "/v1/responses", first, RESPONSE("resp_b"), false), "b");
	admit(&s, "a");
	assert_string_equal(
		ask(&s, "alice", "/v1/responses", AFTER("resp_b"), RESPONSE("resp_c"), false),
		"b");
	assert_string_equal(stage_field(disk_records - 2, "candidates"),
		"[{\"target\":\"a\",\"fate\":\"out\",\"out\":\"pinned\",\"place\":1},"
		"{\"target\":\"b\",\"fate\":\"chosen\",\"place\":0}]");
	/* a later follow-up goes there too */
	assert_string_equal(
		ask(&s, "alice", "/v1/responses", AFTER("resp_c"), RESPONSE("resp_d"), false),
		"b");
	assert_string_equal(
		ask(&s, "alice", "/v1/responses", AFTER("resp_a"), RESPONSE("resp_e"), false),
		"a");
	/* for an unknown id, and for an id of another caller, the first available target is
	 * used */
	assert_string_equal(
		ask(&s, "alice", "/v1/responses", AFTER("resp_x"), RESPONSE("resp_f"), false),
		"a");
	assert_string_equal(
		ask(&s, "bob", "/v1/responses", AFTER("resp_b"), RESPONSE("resp_g"), false),
		"a");
	/* objects that a path names */
	assert_string_equal(
		ask(&s, "alice", "/v1/responses/resp_b", NULL, RESPONSE("resp_b"), false), "b");
	assert_string_equal(
		ask(&s, "alice", "/v1/responses/resp_a", NULL, RESPONSE("resp_a"), false), "a");
	/* a rule overrides the pin */
	assert_string_equal(ask(&s, "alice", "/v1/responses",
				    "{\"model\":\"m\",\"service_tier\":\"b\",\"previous_"
				    "response_id\":\"resp_a\",\"input\":\"hi\"}",
				    RESPONSE("resp_h"), false),
		"b");
	stage_down(&s);
}

/* In Redis, a key for each of these ids would be kept for 31 days, although no request could
 * use it. */
static void
unusable_id_is_not_remembered(void **state)
{
	static const struct {
		const char *name, *path, *body, *answer, *then, *with, *want;
	} rows[] = {
		{ "a response that is not stored", "/v1/responses",
			"{\"model\":\"m\",\"store\":false,\"input\":\"hi\"}",
			RESPONSE("resp_1"), "/v1/responses", AFTER("resp_1"), "a" },
		{ "a response that is stored", "/v1/responses",
			"{\"model\":\"m\",\"store\":true,\"input\":\"hi\"}", RESPONSE("resp_2"),
			"/v1/responses", AFTER("resp_2"), "b" },
		{ "a chat completion", "/v1/chat/completions",
			"{\"model\":\"m\",\"messages\":[]}", "{\"id\":\"chatcmpl-3\"}",
			"/v1/chat/completions/chatcmpl-3", NULL, "a" },
		{ "a chat completion that is stored", "/v1/chat/completions",
			"{\"model\":\"m\",\"store\":true,\"messages\":[]}",
			"{\"id\":\"chatcmpl-4\"}", "/v1/chat/completions/chatcmpl-4", NULL,
			"b" },
		{ "a container of a response that is not stored", "/v1/responses",
			"{\"model\":\"m\",\"store\":false,\"input\":\"hi\"}",
			"{\"id\":\"resp_5\",\"output\":[{\"type\":\"code_interpreter_call\","
			"\"id\":\"ci_5\",\"container_id\":\"cntr_5\"}]}",
			"/v1/responses",
			"{\"model\":\"m\",\"input\":\"hi\",\"tools\":[{\"type\":"
			"\"code_interpreter\",\"container\":\"cntr_5\"}]}",
			"b" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stage s;
		up(&s, "show_cost: false");
		eject(&s, "a");
		assert_string_equal(
			ask(&s, "alice", rows[i].path, rows[i].body, rows[i].answer, false),
			"b");
		admit(&s, "a");
		const char *to = ask(
			&s, "alice", rows[i].then, rows[i].with, RESPONSE("resp_9"), false);
		if (strcmp(to, rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].name, to);
		stage_down(&s);
	}
}

static void
request_for_an_unavailable_target_is_refused(void **state)
{
	struct stage s;
	struct call c;
	struct note n = { .person = "alice", .path = "/v1/responses", .body = AFTER("resp_b") };

	(void)state;
	up(&s, "show_cost: false");
	eject(&s, "a");
	ask(&s, "alice", "/v1/responses", "{\"model\":\"m\",\"input\":\"hi\"}",
		RESPONSE("resp_b"), false);
	admit(&s, "a");
	eject(&s, "b");
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "status"), "503");
	assert_non_null(strstr(call_var(&c, "error"), "provider_unavailable"));
	stage_down(&s);
}

static void
uploaded_file_and_stream_are_remembered(void **state)
{
	struct stage s;

	(void)state;
	up(&s, "show_cost: false");
	eject(&s, "a");
	assert_string_equal(ask(&s, "alice", "/v1/files", "{\"purpose\":\"user_data\"}",
				    "{\"id\":\"file-1\",\"object\":\"file\"}", false),
		"b");
	assert_string_equal(
		ask(&s, "alice", "/v1/responses",
			"{\"model\":\"m\",\"stream\":true,\"input\":\"hi\"}",
			"event: response.created\ndata: "
			"{\"type\":\"response.created\",\"response\":{\"id\":\"resp_s\","
			"\"output\":[]}}\n\n"
			"event: response.output_item.done\ndata: "
			"{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{"
			"\"type\":\"reasoning\",\"encrypted_content\":\"c2VhbGVkIHRleHQgb2YgYg="
			"=\",\"summary\":[]}}\n\n"
			"event: response.completed\ndata: "
			"{\"type\":\"response.completed\",\"response\":{\"id\":\"resp_s\","
			"\"output\":[],"
			"\"usage\":{\"input_tokens\":1,\"output_tokens\":1,\"total_tokens\":2}}"
			"}\n\n",
			true),
		"b");
	admit(&s, "a");
	assert_string_equal(
		ask(&s, "alice", "/v1/responses",
			"{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":"
			"\"input_file\",\"file_id\":\"file-1\"}]}]}",
			RESPONSE("resp_1"), false),
		"b");
	assert_string_equal(
		ask(&s, "alice", "/v1/responses", AFTER("resp_s"), RESPONSE("resp_2"), false),
		"b");
	assert_string_equal(
		ask(&s, "alice", "/v1/responses",
			"{\"model\":\"m\",\"input\":[{\"type\":\"reasoning\",\"encrypted_"
			"content\":\"c2VhbGVkIHRleHQgb2YgYg==\",\"summary\":[]},"
			"{\"role\":\"user\",\"content\":\"go on\"}]}",
			RESPONSE("resp_3"), false),
		"b");
	stage_down(&s);
}

#define SIGNED "c2lnbmVkIGJ5IHktLS0tLS0tLQ=="
#define THOUGHT                                                                                \
	"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":"      \
	"\"hi\"},"                                                                             \
	"{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"so\","     \
	"\"signature\":\"" SIGNED "\"},{\"type\":\"text\",\"text\":\"hello\"}]},"              \
	"{\"role\":\"user\",\"content\":\"go on\"}]}"

static void
signed_reasoning_goes_to_its_target_or_is_removed(void **state)
{
	static const struct {
		const char *policy;
		const char *target,
			*sent; /* after the target that signed it became unavailable */
	} rows[] = {
		{ "on_failure: {signed: deny}", "", NULL },
		{ "on_failure: {signed: drop}", "x",
			"\"content\":[{\"type\":\"text\",\"text\":\"hello\"}]}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stage s;
		struct call c;
		struct pass p;
		struct note n = { .person = "alice", .path = "/v1/messages", .body = THOUGHT };
		up(&s, rows[i].policy);
		eject(&s, "x");
		assert_string_equal(
			ask(&s, "alice", "/v1/messages",
				"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":"
				"\"user\",\"content\":\"hi\"}]}",
				"{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\","
				"\"content\":[{\"type\":\"thinking\","
				"\"thinking\":\"so\",\"signature\":\"" SIGNED
				"\"}],\"stop_reason\":\"end_turn\","
				"\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}",
				false),
			"y");
		admit(&s, "x");
		assert_string_equal(
			ask(&s, "alice", "/v1/messages", THOUGHT, "{}", false), "y");
		eject(&s, "y");
		call_do(&s, &n, &c);
		if (!rows[i].sent) {
			assert_string_equal(call_var(&c, "status"), "503");
		} else {
			assert_string_equal(call_var(&c, "via"), "relay");
			assert_int_equal(pass_claim(&s, 0, &p, &c, (int64_t)strlen(n.body)), 0);
			struct span sent = gate_plan(p.x)->body;
			if (!memmem(sent.p, sent.n, rows[i].sent, strlen(rows[i].sent)))
				fail_msg("%.*s", SPAN_ARG(sent));
			assert_string_equal(
				stage_field(disk_records - 1, "target"), rows[i].target);
			pass_finish(&p, END_COMPLETE, 200, -1, -1);
			stage_settle(&s);
		}
		stage_down(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follow_up_request_goes_to_the_target_of_its_response),
		cmocka_unit_test(unusable_id_is_not_remembered),
		cmocka_unit_test(request_for_an_unavailable_target_is_refused),
		cmocka_unit_test(uploaded_file_and_stream_are_remembered),
		cmocka_unit_test(signed_reasoning_goes_to_its_target_or_is_removed),
	};

	return cmocka_run_group_tests_name("gate_pins", tests, NULL, NULL);
}
