/* What the record of a decision holds, and what it does not. */
#include "scenario/gate_stage.h"

#include "scenario/gate_policy.h"

static void
test_record_fields(void **state)
{
	/* clang-format off */
	static const struct { const char *path, *want; } fields[] = {
		{ "type", "decision" }, { "decision", "redact" }, { "rule", "pii" }, { "via", "relay" },
		{ "policy_version", NULL }, { "route", "chat" }, { "backend", "openai" }, { "model", "gpt" },
		{ "rules", "[{\"name\":\"pii\",\"fate\":\"matched\"}]" },
		{ "request.method", "POST" }, { "request.host", "gw.example" }, { "request.path", CHAT },
		{ "request.src", "10.1.2.3" }, { "request.content_length", NULL },
		{ "request.parameters", "{\"temperature\":0.5,\"stream\":false,\"service_tier\":\"flex\"}" },
		{ "identity.method", "api_key" }, { "identity.person", "alice" },
		{ "identity.roles", "[\"analyst\"]" }, { "identity.clearance", "0" }, { "identity.key", NULL },
		{ "classes", "[\"pii\"]" }, { "entities.EMAIL_ADDRESS.count", "1" },
		{ "entities.EMAIL_ADDRESS.with", "placeholder" },
		{ "prompt.hmac_sha256", NULL }, { "prompt.bytes", NULL }, { "prompt.inspected_bytes", NULL },
		{ "prompt.estimated_input_tokens", NULL }, { "prompt.reserved_output_tokens", "100" },
		{ "limits", NULL }, { "not_inspected", "[\"header values\"]" },
	};
	/* clang-format on */
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, POLICY);
	call_do(&s,
		&(struct note){ .person = "alice",
			.body = "{\"model\":\"gpt\",\"temperature\":0.5,\"stream\":false,"
				"\"user\":\"text\",\"service_tier\":\"flex\",\"alice\":1,"
				"\"messages\":[{\"role\":\"user\",\"content\":"
				"\"alice@example.com\"}]}" },
		&c);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *got = stage_field(0, fields[i].path);
		if (!*got || (fields[i].want && strcmp(got, fields[i].want)))
			fail_msg("%s: %s", fields[i].path, got);
	}
	stage_pass(&s, 31000000);
	stage_down(&s);
}

/* A denial from the head has read nothing: its record does not hash nothing. */
static void
test_record_unread(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, POLICY);
	call_do(&s,
		&(struct note){ .body = HELLO,
			.headers = { "authorization: Bearer tg_aaaaaaaa_bbbbbbbb" } },
		&c);
	assert_string_equal(call_var(&c, "status"), "401");
	assert_string_equal(stage_field(0, "prompt"), "{\"not_read\":true}");
	stage_down(&s);
}

/* The model's name is the caller's text: what was found in it stays out. */
static void
test_model_is_text(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s,
		ROUTES "rules: [{name: pii, when: '\"pii\" in prompt.classes', deny: true}]\n"
		       "default: permit\n");
	call_do(&s,
		&(struct note){ .person = "alice",
			.body = "{\"model\":\"alice@example.com\",\"messages\":[]}" },
		&c);
	assert_string_equal(call_var(&c, "status"), "403");
	assert_string_equal(call_var(&c, "model"), "<redacted>");
	assert_string_equal(stage_field(0, "model"), "<redacted>");
	assert_false(stage_records_hold("alice@example.com"));
	stage_down(&s);
}

/* What was written in disguise is a fact of its own: in conditions, in the record, in a
 * counter. */
static void
test_evasion(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, ROUTES "rules: [{name: hidden, when: prompt.evasion, deny: true}]\n"
			    "default: permit\n");
	call_do(&s,
		&(struct note){ .person = "alice",
			.body = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
				"\"YWxpY2VAZXhhbXBsZS5jb20=\"}]}" },
		&c);
	assert_string_equal(call_var(&c, "status"), "403");
	assert_string_equal(call_var(&c, "rule"), "hidden");
	assert_string_equal(stage_field(0, "evasion"), "true");
	call_do(&s,
		&(struct note){ .person = "alice",
			.body = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
				"\"alice@example.com\"}]}" },
		&c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	assert_string_equal(stage_field(1, "evasion"), "");
	stage_down(&s);
}

/* A record is never too long to be written, whatever the caller sends. */
static void
test_record_room(void **state)
{
	struct stage s;
	struct call c;
	struct buf b;

	(void)state;
	stage_up(&s,
		"routes: [{name: chat, match: {path: /v1/chat/completions}, dialect: openai, "
		"backend: openai, record: {prompt: redacted}}]\ndefault: permit\n");
	buf_init(&b, 0);
	buf_str(&b, "{\"model\":\"");
	for (int i = 0; i < 2000; i++)
		buf_str(&b, "\\u0001");
	buf_str(&b, "\",\"messages\":[{\"role\":\"user\",\"content\":\"");
	for (int i = 0; i < 60000; i++)
		buf_str(&b, "\\\\");
	buf_str(&b, "\"}]");
	for (int i = 0; i < 100; i++)
		buf_printf(&b,
			",\"\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001"
			"\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001"
			"\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001%d\":1",
			i);
	buf_str(&b, "}");
	buf_putc(&b, '\0');
	call_do(&s, &(struct note){ .person = "alice", .body = buf_view(&b).p }, &c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	assert_int_equal(disk_records, 1);
	assert_string_equal(stage_field(0, "prompt.text_cut"), "true");
	buf_free(&b);
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_fields),
		cmocka_unit_test(test_record_unread),
		cmocka_unit_test(test_model_is_text),
		cmocka_unit_test(test_evasion),
		cmocka_unit_test(test_record_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
