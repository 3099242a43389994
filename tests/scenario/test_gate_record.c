/* Contents of the record of a decision, and data that it must not contain. */
#include "scenario/gate_stage.h"

#include "scenario/gate_policy.h"

static void
record_has_the_decision_and_its_findings(void **state)
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

/* The record names the provider, also on a route that names only a backend. */
static void
record_names_the_provider_of_the_backend(void **state)
{
#define CHAT_TO(to, more)                                                                      \
	"providers:\n"                                                                         \
	"  eu: {backend: openai, dialect: openai, region: eu}\n" more "routes:\n"              \
	"  - {name: chat, match: {path: /v1/chat/completions}, dialect: openai" to "}\n" RULES
	static const struct {
		const char *policy, *target, *region;
	} rows[] = {
		{ CHAT_TO(", backend: openai", ""), "eu", "eu" },
		{ CHAT_TO(", backend: other", ""), "other", "" },
		{ CHAT_TO(", backend: openai",
			  "  us: {backend: openai, dialect: anthropic, region: us}\n"),
			"eu", "eu" },
		{ CHAT_TO(", backend: openai",
			  "  us: {backend: openai, dialect: openai, region: us}\n"),
			"openai", "" },
		{ CHAT_TO(", targets: [eu]", ""), "eu", "eu" },
		{ CHAT_TO("", ""), "", "" },
	};
	struct stage s;
	struct call c;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		stage_up(&s, rows[i].policy);
		call_do(&s, &(struct note){ .person = "alice", .body = HELLO }, &c);
		assert_string_equal(stage_field(0, "type"), "decision");
		assert_string_equal(stage_field(0, "target"), rows[i].target);
		assert_string_equal(stage_field(0, "region"), rows[i].region);
		stage_pass(&s, 31000000);
		stage_down(&s);
	}
}

/* A denial by the head has not read the body, so its record has no hash of one. */
static void
denial_by_the_head_has_no_body_hash(void **state)
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

/* A refusal before the rules leaves no text in the record or the log. The path is recorded only
 * if it was inspected and contains no finding. */
static void
refusal_before_the_rules_leaves_no_text(void **state)
{
#define MARK "jane.doe@example.com"
	/* clang-format off */
	static const struct {
		const char *name;
		struct note n;
		const char *status, *path; /* NULL: unchanged */
	} rows[] = {
		{ "401 with nothing in its path", { .path = "/api/x", .body = "{}", .headers = { "authorization: Bearer tg_a_b" } }, "401", NULL },
		{ "401 with an address in its path", { .path = "/api/" MARK, .body = "{}", .headers = { "authorization: Bearer tg_a_b" } }, "401", "<redacted>" },
		{ "401 with an address in its query", { .path = "/api/x", .query = "q=" MARK, .body = "{}", .headers = { "authorization: Bearer tg_a_b" } }, "401", "<redacted>" },
		{ "404 with nothing in its path", { .path = "/nowhere/x" }, "404", NULL },
		{ "404 with an address in its path", { .path = "/nowhere/" MARK }, "404", "<redacted>" },
		{ "404 with a path longer than a variable", { .path = "/nowhere/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/" MARK }, "404", "<redacted>" },
		{ "413 with nothing in its path", { .path = "/api/x", .body = "{}", .length = "99999999999" }, "413", NULL },
		{ "413 with an address in its path", { .path = "/api/" MARK, .body = "{}", .length = "99999999999" }, "413", "<redacted>" },
		{ "415 with nothing in its path", { .path = "/api/x", .body = "{}", .headers = { "content-encoding: zstd" } }, "415", NULL },
		{ "415 with an address in its path", { .path = "/api/" MARK, .body = "{}", .headers = { "content-encoding: zstd" } }, "415", "<redacted>" },
		{ "400, a dot segment", { .path = "/api/../" MARK }, "400", "<unread>" },
		{ "400, a broken escape in the query", { .path = "/api/" MARK, .query = "%" }, "400", "<unread>" },
		{ "400, two Hosts", { .path = "/api/" MARK, .headers = { "host: other" } }, "400", "<unread>" },
		{ "400, an invalid length", { .path = "/api/" MARK, .body = "{}", .length = "1x" }, "400", "<unread>" },
		{ "400, a method that contains text", { .path = "/api/x", .method = "jane.doe" }, "400", "<unread>" },
		{ "400, a method that is a key", { .path = "/nowhere", .method = "AKIAQ3EGRIXPFUSLKQLT" }, "400", "<unread>" },
		{ "501, TRACE", { .path = "/api/" MARK, .method = "TRACE" }, "501", "<unread>" },
		{ "501, Upgrade", { .path = "/api/" MARK, .headers = { "upgrade: h2c" } }, "501", "<unread>" },
	};
	/* clang-format on */
	struct stage s;
	struct call c;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *want = rows[i].path ? rows[i].path : rows[i].n.path;
		stage_up(&s, POLICY);
		call_do(&s, &rows[i].n, &c);
		const char *hash = stage_field(0, "request.path_hmac_sha256");
		if (strcmp(call_var(&c, "status"), rows[i].status))
			fail_msg("%s: status %s", rows[i].name, call_var(&c, "status"));
		if (strlen(hash) != (rows[i].path ? 64 : 0))
			fail_msg("%s: hash %s", rows[i].name, hash);
		if (strcmp(stage_field(0, "request.path"), want))
			fail_msg(
				"%s: record: %s", rows[i].name, stage_field(0, "request.path"));
		if (strcmp(call_var(&c, "path"), want))
			fail_msg("%s: log: %s", rows[i].name, call_var(&c, "path"));
		if (stage_records_hold("jane.doe") || stage_records_hold("AKIA"))
			fail_msg("%s: the record holds it", rows[i].name);
		stage_down(&s);
	}
#undef MARK
}

/* The host of a request that matched no route is chosen by the sender too. */
static void
finding_in_an_unmatched_host_is_not_recorded(void **state)
{
	static const struct {
		const char *host, *status, *want;
	} rows[] = {
		{ "gw.example", "404", "gw.example" },
		{ "gw.example:8443", "404", "gw.example" },
		{ "203.0.113.77", "404", "203.0.113.77" },
		{ "akiaq3egrixpfuslkqlt.example", "404", "akiaq3egrixpfuslkqlt.example" },
		{ "4111-1111-1111-1111.example", "404", "<redacted>" },
		{ "jane.doe@example.com", "400", "" },
		{ "user:hunter2@gw.example:80", "400", "" },
	};
	struct stage s;
	struct call c;
	char line[128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct note n = { .path = "/nowhere", .headers = { line }, .no_host = true };
		snprintf(line, sizeof(line), "host: %s", rows[i].host);
		stage_up(&s, POLICY);
		call_do(&s, &n, &c);
		assert_string_equal(call_var(&c, "status"), rows[i].status);
		if (strcmp(stage_field(0, "request.host"), rows[i].want))
			fail_msg("%s: %s", rows[i].host, stage_field(0, "request.host"));
		stage_down(&s);
	}
}

#define SIGNATURE                                                                              \
	"EgpkJn7Qw2fB9xZ0aLrT5vYc8HsU3mKdP1eXoGiNbR6tWq4jVhFyMzCl7OuSAkEgDpJ2Bn5w0xQrT9vZ8c"   \
	"LmY3fHsK6dP1aUeXoG"
#define GIF "data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs="

/* Uninspected content is counted and named, with a body and without one, and rules can read its
 * kinds. Content that the provider encrypted passes. */
static void
uninspected_content_is_counted_and_named(void **state)
{
	/* clang-format off */
	static const struct { const char *method, *query, *body; const char *fields[9][2]; } rows[] = {
		{ "POST", NULL, "{\"a\":\"see " GIF "\",\"input\":[{\"encrypted_content\":\"" SIGNATURE "\"}]}",
		  { { "decision", "permit" }, { "prompt.opaque_parts", "1" }, { "prompt.opaque_bytes", "70" },
		    { "prompt.media", "[\"image\",\"gif\"]" }, { "prompt.sealed_parts", "1" }, { "prompt.sealed_bytes", "100" },
		    { "tags", "[\"seen\"]" }, { "prompt.unreadable", "true" },
		    { "not_inspected", "[\"header values\",\"opaque parts\",\"sealed parts\"]" } } },
		{ "GET", "i=" GIF, NULL,
		  { { "decision", "permit" }, { "prompt.opaque_parts", "1" }, { "prompt.media", "[\"image\"]" },
		    { "tags", "[\"seen\"]" }, { "not_inspected", "[\"header values\",\"opaque parts\"]" } } },
		{ "POST", "i=" GIF, "{\"a\":\"" GIF "\"}",
		  { { "prompt.opaque_parts", "2" }, { "prompt.media", "[\"image\",\"image\",\"gif\"]" } } },
		{ "POST", NULL, "{\"input\":[{\"encrypted_content\":\"" SIGNATURE "\"}]}",
		  { { "prompt.opaque_parts", "0" }, { "prompt.sealed_parts", "1" }, { "tags", "" },
		    { "prompt.unreadable", "" }, { "not_inspected", "[\"header values\",\"sealed parts\"]" } } },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stage s;
		struct call c;
		stage_up(&s,
			"on_failure: {unreadable: permit}\n"
			"routes: [{name: r, match: {path_prefix: /}, dialect: rest, backend: "
			"b}]\n"
			"rules: [{name: m, when: '\"image\" in prompt.media', tag: seen}]\n"
			"default: permit\n");
		call_do(&s,
			&(struct note){ .person = "alice",
				.method = rows[i].method,
				.path = "/x",
				.query = rows[i].query,
				.body = rows[i].body },
			&c);
		for (size_t k = 0; k < 9 && rows[i].fields[k][0]; k++)
			if (strcmp(stage_field(0, rows[i].fields[k][0]), rows[i].fields[k][1]))
				fail_msg("row %zu, %s: %s", i, rows[i].fields[k][0],
					stage_field(0, rows[i].fields[k][0]));
		stage_down(&s);
	}
}

/* The model's name is text of the caller; findings in it are not recorded. */
static void
finding_in_a_model_name_is_not_recorded(void **state)
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

/* Obfuscation is a fact of its own in conditions, in the record and in a counter. */
static void
obfuscation_is_recorded_as_its_own_fact(void **state)
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

/* A text of tags is counted in conditions and in the record, the spelling of Persian is not. */
static void
invisible_characters_are_counted(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, ROUTES "rules: [{name: unseen, when: 'prompt.invisible > 2', deny: true}]\n"
			    "default: permit\n");
	call_do(&s,
		&(struct note){ .person = "alice",
			.body = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
				"\"hi\\udb40\\udc41\\udb40\\udc42\\udb40\\udc43\"}]}" },
		&c);
	assert_string_equal(call_var(&c, "status"), "403");
	assert_string_equal(call_var(&c, "rule"), "unseen");
	assert_string_equal(stage_field(0, "invisible"), "3");
	call_do(&s,
		&(struct note){ .person = "alice",
			.body = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
				"\"می\u200Cشود می\u200Cشود می\u200Cشود\"}]}" },
		&c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	assert_string_equal(stage_field(1, "invisible"), "");
	stage_down(&s);
}

/* A record always has a length that can be written, whatever the caller sends. */
static void
record_is_never_too_long_to_be_written(void **state)
{
	struct stage s;
	struct call c;
	struct buf b;

	(void)state;
	stage_up(&s,
		"routes: [{name: chat, match: {path: /v1/chat/completions}, dialect: openai, "
		"backend: openai}]\ndefault: permit\n");
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
	buf_free(&b);
	stage_down(&s);
}

#define USES_EMAIL                                                                             \
	ROUTES "  - {name: every, match: {path: /v1/every}, dialect: openai, backend: "        \
	       "openai, "                                                                      \
	       "record: {find: all}}\n"                                                        \
	       "rules:\n  - {name: mail, redact: {entities: [EMAIL_ADDRESS]}}\n"               \
	       "default: permit\n"

/* A record names the entities that were searched for, and with which detectors. */
static void
record_names_what_was_searched(void **state)
{
#define SAYS(model, text)                                                                      \
	"{\"model\":\"" model "\",\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]" \
	"}"
	static const struct {
		const char *name;
		struct note n;
		const char *ssn, *email, *model; /* values in the record */
	} rows[] = {
		{ "an entity that no rule names",
			{ .body = SAYS("gpt", "my ssn is 308-63-0237") }, "", "", "gpt" },
		{ "an unnamed entity beside a named one",
			{ .body = SAYS(
				  "gpt", "my ssn is 308-63-0237, write to al@example.com") },
			"", "1", "gpt" },
		{ "a route that searches for all entities",
			{ .path = "/v1/every",
				.body = SAYS("gpt", "my ssn is 308-63-0237, write to "
						    "al@example.com") },
			"1", "1", "gpt" },
		{ "a model's name that is a key",
			{ .body = SAYS("AKIAQ3EGRIXPFUSLKQLT", "hello") }, "", "",
			"<redacted>" },
		{ "a model's name that another text shows to be a key",
			{ .body = SAYS("308630237", "my ssn is 308630237") }, "1", "",
			"<redacted>" },
	};
	char list[32] = "";
	struct stage s;
	struct call c;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		stage_up(&s, USES_EMAIL);
		call_do(&s, &rows[i].n, &c);
		const char *searched = stage_field(0, "searched");
		if (rows[i].n.path)
			assert_string_equal(searched, "all");
		else
			assert_int_equal(strlen(searched), 16);
		if (!rows[i].n.path)
			snprintf(list, sizeof(list), "%s", searched);
		if (strcmp(stage_field(0, "entities.US_SSN.count"), rows[i].ssn))
			fail_msg("%s: US_SSN", rows[i].name);
		if (strcmp(stage_field(0, "entities.EMAIL_ADDRESS.count"), rows[i].email))
			fail_msg("%s: EMAIL_ADDRESS", rows[i].name);
		if (strcmp(stage_field(0, "model"), rows[i].model))
			fail_msg("%s: model %s", rows[i].name, stage_field(0, "model"));
		stage_pass(&s, 31000000);
		stage_down(&s);
	}
	stage_up(&s, USES_EMAIL);
	snapshot_announce(s.snap, &(struct announcement){ .text = NULL }, (struct audit *)&disk_queue);
	assert_string_equal(stage_field(0, "type"), "policy");
	assert_string_equal(stage_field(0, "searched"), list);
	assert_string_equal(stage_field(0, "entities"), "[\"EMAIL_ADDRESS\"]");
	disk_queue[0]->done(disk_queue[0], 0);
	disk_queued = 0;
	stage_down(&s);
}

/* The path is inspected for all entities, also for those that the policy does not use. */
static void
path_with_a_value_is_not_recorded(void **state)
{
	static const struct {
		const char *path, *body, *shown;
	} rows[] = {
		{ "/api/Tr0ub4dor-zebra93", "{\"password\":\"Tr0ub4dor-zebra93\"}",
			"<redacted>" },
		{ "/api/of-4820193.pdf", "{\"text\":\"medical record number: MRN 4820193\"}",
			"<redacted>" },
		{ "/api/4820193", "{\"text\":\"4,820,193 of them\"}", "/api/4820193" },
		{ "/api/x", "{\"password\":\"Tr0ub4dor-zebra93\"}", "/api/x" },
	};
	struct stage s;
	struct call c;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		stage_up(&s,
			ROUTES "rules: [{name: mail, redact: {entities: [EMAIL_ADDRESS]}}]\n"
			       "default: permit\n");
		call_do(&s,
			&(struct note){
				.person = "alice", .path = rows[i].path, .body = rows[i].body },
			&c);
		assert_string_equal(stage_field(0, "request.path"), rows[i].shown);
		stage_pass(&s, 31000000);
		stage_down(&s);
	}
}

/* A condition depends on an entity only if it names the entity in a literal. */
static void
condition_depends_on_entities_in_literals(void **state)
{
	static const struct {
		const char *when;
		bool all;
	} rows[] = {
		{ "\"US_SSN\" in prompt.entities", false },
		{ "!(\"pii\" in prompt.classes) || \"sec\" + \"ret\" in prompt.classes",
			false },
		{ "\"secret\" in prompt.classes", false },
		{ "model.name == \"x\"", false },
		{ "prompt.entities.size() > 2", true },
		{ "model.name in prompt.entities", true },
		{ "prompt.classes.exists(c, c == \"pii\")", true },
		{ "prompt.classes == [\"pii\"]", true },
		{ "has(prompt.entities)", true },
		{ "\"pii\" in prompt.classes && prompt.evasion", true },
	};
	char policy[1024];
	struct stage s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int limit = 0; limit < 2; limit++) {
			snprintf(policy, sizeof(policy),
				limit ? ROUTES
					"limits: [{name: r, when: '%s', requests: 5, window: "
					"1m}]\n"
				      : ROUTES "rules: [{name: r, when: '%s', deny: true}]\n",
				rows[i].when);
			stage_up(&s, policy);
			if (!strcmp(s.snap->searched, "all") != rows[i].all)
				fail_msg("%s: %s", rows[i].when, s.snap->searched);
			stage_down(&s);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_has_the_decision_and_its_findings),
		cmocka_unit_test(record_names_the_provider_of_the_backend),
		cmocka_unit_test(denial_by_the_head_has_no_body_hash),
		cmocka_unit_test(uninspected_content_is_counted_and_named),
		cmocka_unit_test(refusal_before_the_rules_leaves_no_text),
		cmocka_unit_test(finding_in_an_unmatched_host_is_not_recorded),
		cmocka_unit_test(finding_in_a_model_name_is_not_recorded),
		cmocka_unit_test(obfuscation_is_recorded_as_its_own_fact),
		cmocka_unit_test(invisible_characters_are_counted),
		cmocka_unit_test(record_is_never_too_long_to_be_written),
		cmocka_unit_test(record_names_what_was_searched),
		cmocka_unit_test(path_with_a_value_is_not_recorded),
		cmocka_unit_test(condition_depends_on_entities_in_literals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
