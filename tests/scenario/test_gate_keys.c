/* An API key's own restrictions: the routes and models that it may use, and its expiry. */
#include "scenario/gate_stage.h"

#define POLICY                                                                                 \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {path: /v1/chat/completions}, dialect: openai, backend: "     \
	"openai}\n"                                                                            \
	"  - {name: answers, match: {path: /v1/responses}, dialect: openai, backend: openai}"  \
	"\n"                                                                                   \
	"  - {name: batches, match: {path: /v1/messages/batches}, dialect: anthropic, "        \
	"backend: anthropic}\n"                                                                \
	"  - {name: generate, match: {path_prefix: /v1beta/}, dialect: gemini, backend: "      \
	"gemini}\n"                                                                            \
	"  - {name: api, match: {path_prefix: /api/}, dialect: rest, backend: local}\n"        \
	"default: permit\n"

#define ASKS(model) "{\"model\":\"" model "\",\"messages\":[]}"
#define TOOL(a, b)                                                                             \
	"{\"model\":\"" a "\",\"input\":\"x\",\"tools\":[{\"type\":\"image_generation\","      \
	"\"model\":\"" b "\"}]}"

#define CONTENTS "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"x\"}]}]}"

static void
says(const char *alice, const char *bob, const char *carol)
{
	stage_key_says[0] = alice;
	stage_key_says[1] = bob;
	stage_key_says[2] = carol;
}

static const char *
status_of(struct stage *s, const struct note *n)
{
	static char status[8];
	struct call c;
	struct pass p;

	call_do(s, n, &c);
	snprintf(status, sizeof(status), "%s", call_var(&c, "status"));
	assert_true(*status || !strcmp(call_var(&c, "decision"), "permit"));
	/* such as a batch, whose response has URLs of the provider */
	if (!strcmp(call_var(&c, "via"), "relay")) {
		assert_int_equal(
			pass_claim(s, 0, &p, &c, n->body ? (int64_t)strlen(n->body) : -1), 0);
		pass_finish(&p, END_COMPLETE, 200, -1, -1);
	}
	return status;
}

static void
scoped_key_is_limited_to_its_routes(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *person, *path, *status; } rows[] = {
		{ "the route that the key names",            "alice", "/v1/chat/completions", "" },
		{ "another route",                      "alice", "/api/x",               "403" },
		{ "the first of two",                   "bob",   "/v1/chat/completions", "" },
		{ "the second of two",                  "bob",   "/api/x",               "" },
		{ "neither of two",                     "bob",   "/v1/responses",        "403" },
		{ "a name in other case is another route", "carol", "/v1/chat/completions", "403" },
		{ "a longer name is another route",             "carol", "/api/x",               "403" },
		{ "a key without scopes is for all routes",                    "dave",  "/api/x",               "" },
	};
	/* clang-format on */
	struct stage s;

	(void)state;
	says("scopes: [chat]", "scopes: [chat, api]", "scopes: [Chat, ap]");
	stage_up(&s, POLICY);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = status_of(&s, &(struct note){ .person = rows[i].person,
							.path = rows[i].path,
							.body = ASKS("m") });
		if (strcmp(got, rows[i].status))
			fail_msg("%s: %s", rows[i].name, got);
		if (*got)
			assert_string_equal(
				stage_field(disk_records - 1, "code"), "permission_denied");
	}
	stage_down(&s);
}

/* clang-format off */
static const struct {
	const char *name;
	struct note n;
	const char *status;
} models[] = {
	{ "a model that the key names", { .body = ASKS("echo") }, "" },
	{ "a model that the key's pattern matches", { .body = ASKS("gpt-4o-mini") }, "" },
	{ "another", { .body = ASKS("gpt-5") }, "403" },
	{ "a model whose name only begins so", { .body = ASKS("echo2") }, "403" },
	{ "a body without a model", { .body = "{\"messages\":[]}" }, "403" },
	{ "two models, both permitted", { .path = "/v1/messages/batches", .body = BATCH("echo", "gpt-4o", "9") }, "" },
	{ "two models, the second not permitted", { .path = "/v1/messages/batches", .body = BATCH("echo", "gpt-5", "9") }, "403" },
	{ "two models, the first not permitted", { .path = "/v1/messages/batches", .body = BATCH("gpt-5", "echo", "9") }, "403" },
	{ "a tool's model, permitted", { .path = "/v1/responses", .body = TOOL("echo", "gpt-4o") }, "" },
	{ "a tool's model, not permitted", { .path = "/v1/responses", .body = TOOL("echo", "gpt-5") }, "403" },
	{ "the query's model, not permitted", { .path = "/v1/responses", .query = "model=gpt-5", .body = TOOL("echo", "echo") }, "403" },
	{ "the path's model, permitted", { .path = "/v1beta/models/gpt-4o:generateContent", .body = CONTENTS }, "" },
	{ "the path's model, not permitted", { .path = "/v1beta/models/gpt-5:generateContent", .body = CONTENTS }, "403" },
	{ "a business API names no model", { .path = "/api/x", .body = "{\"n\":1}" }, "" },
	{ "a request without body names no model", { .method = "GET", .path = "/api/x" }, "" },
};
/* clang-format on */

static void
key_with_models_applies_to_each_model_of_a_request(void **state)
{
	struct stage s;

	(void)state;
	says("models: [echo, 'gpt-4o*']", "roles: [analyst]", NULL);
	stage_up(&s, POLICY);
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		struct note n = models[i].n;
		n.person = "alice";
		const char *got = status_of(&s, &n);
		if (strcmp(got, models[i].status))
			fail_msg("%s: %s", models[i].name, got);
		/* A caller whose key has no such list may use the model. */
		n.person = "bob";
		if (strcmp(models[i].status, "") && strcmp(status_of(&s, &n), ""))
			fail_msg("%s: bob is refused", models[i].name);
	}
	stage_down(&s);
}

/* The models of a deferred body are checked too. */
static void
models_of_a_deferred_body_are_checked(void **state)
{
	static const char body[] = BATCH("echo", "gpt-5", "9");
	struct stage s;
	struct call c;
	struct pass p;

	(void)state;
	says("models: [echo]", NULL, NULL);
	stage_up(&s, POLICY);
	call_do(&s,
		&(struct note){ .person = "alice",
			.path = "/v1/messages/batches",
			.body = body,
			.no_length = true,
			.headers = { "transfer-encoding: chunked" } },
		&c);
	assert_string_equal(call_var(&c, "decision"), "defer");
	assert_int_equal(pass_claim(&s, 0, &p, &c, -1), 0);
	assert_true(gate_hold(p.x, sizeof(body) - 1));
	gate_body(p.x, span_of(body, sizeof(body) - 1), pass_ruled, &p);
	stage_settle(&s);
	assert_true(p.denied);
	assert_int_equal(p.denial.status, 403);
	pass_finish(&p, END_DENIED, 0, -1, -1);
	stage_down(&s);
}

/* The daemon's clock may be behind the time of the revocation. */
static void
revoked_key_is_refused_at_any_time(void **state)
{
	struct stage s;

	(void)state;
	fake_wall = 1790000000ll * 1000000000;
	says("revoked: 2026-09-21T14:13:20Z", "revoked: 2026-09-30T00:00:00Z",
		"revoked: 2027-01-01T00:00:00Z, expires: 2028-01-01T00:00:00Z");
	stage_up(&s, POLICY);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(status_of(&s, &(struct note){ .person = stage_people[i],
							  .body = ASKS("m") }),
			"401");
	stage_down(&s);
}

static void
key_expires_at_its_second(void **state)
{
	struct stage s;

	(void)state;
	fake_wall = 1790000000ll * 1000000000 - 1; /* just before 2026-09-21T14:13:20Z */
	says("expires: 2026-09-21T14:13:20Z",
		"created: 2026-09-21T14:13:20Z, expires: 2026-09-21T14:13:20Z",
		"expires: 2026-09-21T14:13:21Z");
	stage_up(&s, POLICY);
	for (int over = 0; over < 2; over++, fake_wall++)
		for (size_t i = 0; i < 3; i++) {
			const char *got = status_of(&s,
				&(struct note){ .person = stage_people[i], .body = ASKS("m") });
			assert_string_equal(got, over && i < 2 ? "401" : "");
		}
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scoped_key_is_limited_to_its_routes),
		cmocka_unit_test(key_with_models_applies_to_each_model_of_a_request),
		cmocka_unit_test(models_of_a_deferred_body_are_checked),
		cmocka_unit_test(revoked_key_is_refused_at_any_time),
		cmocka_unit_test(key_expires_at_its_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
