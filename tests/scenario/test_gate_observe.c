/* Requests during a cutover (`observe`) are decided and recorded, but the decision is not
 * enforced. Some requests are refused nevertheless. */
#include "scenario/gate_stage.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "policy/policy.h"
#include "scenario/gate_policy.h"

/* The clock of these scenarios begins at 2026-09-21T14:13:20Z. */
#define OBSERVE "observe: {hosts: gw.example, backend: old, until: 2026-10-21}\n"
#define THEIRS	"authorization: Bearer sk-proj-abc"

/* The rule that refuses callers without a key is the last one, so the other rules decide about
 * content. */
#define RULES_OBSERVED                                                                         \
	"rules:\n"                                                                             \
	"  - {name: secrets, when: '\"secret\" in prompt.classes', deny: true}\n"              \
	"  - {name: pii, when: '\"pii\" in prompt.classes', redact: {classes: [pii]}}\n"       \
	"default: permit\n"
#define OBSERVED OBSERVE ROUTES RULES_OBSERVED LIMITS

static int
set_wall_clock_of_test(void **state)
{
	(void)state;
	fake_wall = 1790000000ll * 1000000000;
	return 0;
}

/* clang-format off */
static const struct row {
	const char *name;
	struct note n;
	const char *would; /* the decision in the record */
	const char *route; /* NULL: chat */
} rows[] = {
	{ "a permitted request", { .body = HELLO },
		"{\"decision\":\"permit\",\"rule\":\"default\"}", NULL },
	{ "a redacted request", { .body = EMAIL },
		"{\"decision\":\"redact\",\"rule\":\"pii\"}", NULL },
	{ "a denied request", { .body = SECRET },
		"{\"decision\":\"deny\",\"status\":403,\"code\":\"content_policy_violation\",", NULL },
	{ "a body that is cut", { .body = EMAIL, .partial = true },
		"{\"decision\":\"unknown\"}", NULL },
	{ "a body of another length", { .body = HELLO, .length = "12" }, "{\"decision\":\"permit\"", NULL },
	{ "a chunked body that arrived whole", { .body = EMAIL, .no_length = true, .headers = { "transfer-encoding: chunked" }, .tail = "HTX_BLK_EOT" },
		"{\"decision\":\"redact\",\"rule\":\"pii\"}", NULL },
	{ "two members of one name", { .body = "{\"model\":\"m\",\"model\":\"n\"}" },
		"{\"decision\":\"deny\",\"status\":400,\"code\":\"duplicate_key\"", NULL },
	{ "a body that is not JSON", { .body = "{" }, "{\"decision\":\"deny\",\"status\":400,\"code\":\"invalid_json\"", NULL },
	{ "an unknown encoding", { .body = "x", .headers = { "content-encoding: snappy" } },
		"{\"decision\":\"deny\",\"status\":415", "" },
	{ "no route", { .path = "/nowhere", .body = "{}" },
		"{\"decision\":\"deny\",\"status\":404,\"code\":\"no_route\"", "" },
	{ "a path in another form", { .path = "//v1/chat/completions", .body = HELLO },
		"{\"decision\":\"deny\",\"status\":400,\"code\":\"ambiguous_path\"", "" },
	{ "two types", { .body = HELLO, .headers = { "content-type: text/plain" } },
		"{\"decision\":\"deny\",\"status\":400,\"code\":\"ambiguous_content_type\"", "" },
	{ "too large a body", { .body = HELLO, .partial = true, .length = "2000000" },
		"{\"decision\":\"deny\",\"status\":413", "" },
	{ "no body", { .method = "GET", .path = "/api/x" }, "{\"decision\":\"permit\"", "api" },
	{ "a foreign token", { .body = HELLO, .headers = { "authorization: Bearer a.b.c" } },
		"{\"decision\":\"permit\"", NULL },
	{ "the credential given twice", { .body = HELLO, .headers = { THEIRS, "Authorization: Bearer sk-other" } },
		"{\"decision\":\"permit\"", NULL },
	{ "uninspected audio", { .body = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"UklGR\"}}]}]}" },
		"{\"decision\":\"deny\",\"status\":403,\"code\":\"unreadable_content\"", NULL },
};
/* clang-format on */

static void
observed_request_passes_and_is_recorded(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, OBSERVED);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct note n = rows[i].n;
		size_t before = disk_records, k = 0;
		while (n.headers[k])
			k++;
		if (k == 0)
			n.headers[0] = THEIRS;
		call_do(&s, &n, &c);
		if (strcmp(call_var(&c, "decision"), "observed") ||
			strcmp(call_var(&c, "via"), "observe") ||
			strcmp(call_var(&c, "backend"), "old") || *call_var(&c, "status") ||
			*call_var(&c, "ticket") || *call_var(&c, "limit_requests"))
			fail_msg("%s: %s %s %s", rows[i].name, call_var(&c, "decision"),
				call_var(&c, "via"), call_var(&c, "code"));
		assert_int_equal(disk_records, before + 1);
		if (!strstr(stage_field(before, "would"), rows[i].would))
			fail_msg("%s: %s", rows[i].name, stage_field(before, "would"));
		assert_string_equal(stage_field(before, "decision"), "observed");
		assert_string_equal(stage_field(before, "observing"), "true");
		assert_string_equal(stage_field(before, "backend"), "old");
		assert_string_equal(stage_field(before, "target"), "");
		assert_string_equal(stage_field(before, "limits"), "");
		assert_string_equal(stage_field(before, "state"), "released to HAProxy");
		assert_string_equal(
			stage_field(before, "route"), rows[i].route ? rows[i].route : "chat");
	}
	assert_false(stage_records_hold("alice@example"));
	assert_int_equal(stage_count(&s, M_DECIDE_OBSERVED), sizeof(rows) / sizeof(rows[0]));
	assert_int_equal(stage_count(&s, M_VIA_OBSERVE), sizeof(rows) / sizeof(rows[0]));
	assert_int_equal(stage_count(&s, M_DECIDE_DENY), 0);
	assert_int_equal(stage_count(&s, M_OBSERVED_UNKNOWN), 1);
	assert_int_equal(stage_count(&s, M_OBSERVED_REDACT), 2);
	/* observed callers are not charged: the limit of five a minute is unused */
	assert_int_equal(stage_charged(&s, "requests", "service-account"), 0);
	stage_down(&s);
}

/* The part of a long body that arrived in the NOTIFY is searched and counted. The rest bypasses
 * the daemon. */
static void
first_part_of_a_long_body_is_searched(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, OBSERVED);
	call_do(&s, &(struct note){ .body = EMAIL, .partial = true, .length = "90000" }, &c);
	assert_string_equal(call_var(&c, "decision"), "observed");
	assert_string_equal(stage_field(0, "entities.EMAIL_ADDRESS.count"), "1");
	assert_string_equal(stage_field(0, "prompt.inspected_bytes"), "87");
	assert_string_equal(stage_field(0, "prompt.not_inspected_bytes"), "89913");
	assert_string_equal(stage_field(0, "prompt.not_read"), "");
	/* the part ends within a character; the whole characters are searched */
	call_do(&s,
		&(struct note){ .body = "alice@example.com \xc3\xa4 \xe2\x82",
			.partial = true,
			.length = "90000" },
		&c);
	assert_string_equal(stage_field(1, "prompt.inspected_bytes"), "21");
	/* no text, so nothing is read, and the length is unknown */
	call_do(&s,
		&(struct note){ .body = "\xff\xfe",
			.partial = true,
			.no_length = true,
			.headers = { "transfer-encoding: chunked" } },
		&c);
	assert_string_equal(stage_field(2, "prompt"), "{\"not_read\":true,\"head_only\":true}");
	assert_string_equal(
		stage_field(2, "not_inspected"), "[\"header values\",\"trailers\"]");
	stage_down(&s);
}

/* Requests to the same host that are not observed: callers with a key of the gateway, and
 * requests that HAProxy cannot frame. */
static void
other_requests_to_the_observed_host_are_enforced(void **state)
{
	/* clang-format off */
	static const struct { const char *name; struct note n; const char *decision, *status; } others[] = {
		{ "a key that verifies", { .person = "alice", .body = EMAIL }, "redact", "" },
		{ "a key that does not", { .body = HELLO, .headers = { "authorization: Bearer tg_a_b" } }, "deny", "401" },
		{ "a key in another field", { .body = HELLO, .headers = { THEIRS, "x-api-key: tg_a_b" } }, "deny", "403" },
		{ "another host", { .body = SECRET, .no_host = true, .headers = { "host: other.example", THEIRS } }, "deny", "403" },
		{ "two hosts", { .body = HELLO, .headers = { "host: gw.example" } }, "deny", "400" },
		{ "userinfo in the host", { .body = HELLO, .no_host = true, .headers = { "host: a:b@gw.example" } }, "deny", "400" },
		{ "Upgrade", { .body = HELLO, .headers = { "upgrade: websocket" } }, "deny", "501" },
		{ "CONNECT", { .method = "CONNECT" }, "deny", "501" },
		{ "two lengths", { .body = HELLO, .headers = { "content-length: 3" } }, "deny", "400" },
	};
	/* clang-format on */
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, OBSERVE ROUTES
		"rules:\n"
		"  - {name: key-in-a-field, when: 'identity.method == \"none\" && "
		"!(\"secret\" in prompt.classes)', deny: true}\n"
		"  - {name: secrets, when: '\"secret\" in prompt.classes', deny: true}\n"
		"  - {name: pii, when: '\"pii\" in prompt.classes', redact: {classes: [pii]}}\n"
		"default: permit\n");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		call_do(&s, &others[i].n, &c);
		if (strcmp(call_var(&c, "decision"), others[i].decision) ||
			strcmp(call_var(&c, "status"), others[i].status))
			fail_msg("%s: %s %s", others[i].name, call_var(&c, "decision"),
				call_var(&c, "status"));
	}
	assert_int_equal(stage_count(&s, M_DECIDE_OBSERVED), 0);
	stage_pass(&s, 31000000);
	stage_down(&s);
}

static void
observation_ends_at_its_end_date(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, OBSERVED);
	/* the last second, and the first one after the end */
	int64_t left = s.snap->policy->observe.until_ns - clock_wall_ns();
	stage_pass(&s, (uint64_t)left / 1000 - 1);
	call_do(&s, &(struct note){ .body = SECRET, .headers = { THEIRS } }, &c);
	assert_string_equal(call_var(&c, "decision"), "observed");
	stage_pass(&s, 2);
	call_do(&s, &(struct note){ .body = SECRET, .headers = { THEIRS } }, &c);
	assert_string_equal(call_var(&c, "decision"), "deny");
	assert_string_equal(stage_field(1, "observing"), "");
	stage_down(&s);
}

/* Rules 9 and 14 still apply: without a record or without memory the request gets 503. */
static void
observed_request_without_record_or_memory_gets_503(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, OBSERVED);
	call_send(&s, 0, &(struct note){ .body = HELLO, .headers = { THEIRS } }, &c);
	assert_false(c.answered); /* the disk is asked first */
	stage_disk(&s, ERR_IO);
	assert_true(c.answered);
	assert_string_equal(call_var(&c, "status"), "503");
	assert_string_equal(call_var(&c, "via"), "");
	/* the body arrives late, and takes more work to search than its length allows */
	struct buf dear;
	buf_init(&dear, 0);
	buf_str(&dear, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"");
	while (dear.n < 32 << 10)
		buf_str(&dear, "\\\\u0034token:\xEF\xBC\x94");
	buf_str(&dear, "\"}]}");
	const struct span bodies[] = { span_str(HELLO), buf_view(&dear) };
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		call_send(&s, 0,
			&(struct note){ .body = bodies[i].p,
				.body_n = bodies[i].n,
				.headers = { THEIRS } },
			&c);
		stage_pass(&s, 900000);
		assert_true(c.answered);
		assert_string_equal(call_var(&c, "status"), "503");
		stage_settle(&s);
	}
	buf_free(&dear);
	s.shared->holds.cap_all = 1000;
	call_do(&s, &(struct note){ .body = HELLO, .headers = { THEIRS } }, &c);
	assert_string_equal(call_var(&c, "status"), "503");
	s.shared->holds.cap_all = 64 << 20;
	stage_down(&s);

	stage_up(&s, OBSERVE "on_failure: {audit: permit}\n" ROUTES RULES_OBSERVED);
	call_send(&s, 0, &(struct note){ .body = HELLO, .headers = { THEIRS } }, &c);
	stage_disk(&s, ERR_IO);
	assert_string_equal(call_var(&c, "decision"), "observed");
	stage_down(&s);
}

/* ---- waits for data sources and the disk ---- */

/* Starts a server that accepts connections and never answers. */
static int
silent_server(char url[64])
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	snprintf(url, 64, "http://127.0.0.1:%d/", ntohs(at.sin_port));
	return fd;
}

static void
turn_until_idle(struct stage *s)
{
	for (int i = 0; i < 500 && stage_alive(s); i++) {
		ev_run(s->loop, EVRUN_NOWAIT);
		stage_turn(s);
		usleep(10000);
	}
}

/* Missing data refuses no observed request. At the deadline the request is recorded and
 * forwarded. Data that arrives afterwards changes nothing, in any order. */
static void
late_data_blocks_no_observed_request(void **state)
{
	char url[64], policy[4096];
	struct stage s;
	struct call c;

	(void)state;
	for (int data_first = 0; data_first < 2; data_first++) {
		int fd = silent_server(url);
		snprintf(policy, sizeof(policy),
			OBSERVE "data: {incident: {url: '%s', timeout: 10s}}\n" ROUTES
				"rules: [{name: calm, when: 'data.incident.level == \"high\"', "
				"deny: true}]\n"
				"default: permit\n",
			url);
		stage_up(&s, policy);
		call_send(&s, 0,
			&(struct note){
				.body = "{\"model\":\"al@example.com\",\"messages\":[]}",
				.headers = { THEIRS } },
			&c);
		for (int i = 0; i < 20; i++)
			ev_run(s.loop, EVRUN_NOWAIT);
		assert_false(c.answered);
		stage_pass(&s, 790000);
		assert_int_equal(disk_records, 0);
		stage_pass(&s, 20000);
		assert_false(c.answered); /* its record is written first */
		assert_int_equal(disk_records, 1);
		if (data_first) {
			close(fd);
			for (int i = 0; i < 30; i++) {
				ev_run(s.loop, EVRUN_NOWAIT);
				stage_turn(&s);
				usleep(2000);
			}
			assert_false(c.answered);
			assert_int_equal(disk_records, 1);
		}
		stage_disk(&s, 0);
		assert_true(c.answered);
		assert_string_equal(call_var(&c, "decision"), "observed");
		assert_non_null(strstr(stage_field(0, "would"),
			"{\"decision\":\"deny\",\"status\":503,\"code\":\"data_unavailable\""));
		assert_string_equal(stage_field(0, "model"), "<redacted>");
		assert_string_equal(call_var(&c, "model"), "<redacted>");
		if (!data_first)
			close(fd);
		turn_until_idle(&s);
		assert_int_equal(disk_records, 1);
		stage_down(&s);
	}
}

/* A slow disk does not add a second wait, because HAProxy waits for at most a second. */
static void
late_record_adds_no_second_wait(void **state)
{
	char url[64], policy[4096];
	struct stage s;
	struct call c;

	(void)state;
	int fd = silent_server(url);
	snprintf(policy, sizeof(policy),
		OBSERVE "data: {incident: {url: '%s', timeout: 10s}}\n" ROUTES
			"rules: [{name: calm, when: 'data.incident.level == \"high\"', deny: "
			"true}]\n"
			"default: permit\n",
		url);
	stage_up(&s, policy);
	call_send(&s, 0, &(struct note){ .body = HELLO, .headers = { THEIRS } }, &c);
	stage_pass(&s, 801000);
	assert_false(c.answered);
	stage_pass(&s, 199000);
	assert_false(c.answered);
	stage_pass(&s, 2000);
	assert_true(c.answered);
	assert_string_equal(call_var(&c, "status"), "503");
	close(fd);
	stage_settle(&s);
	assert_string_equal(stage_field(1, "outcome"), "abandoned");
	assert_string_equal(stage_field(1, "model"), "gpt");
	turn_until_idle(&s);
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			observed_request_passes_and_is_recorded, set_wall_clock_of_test),
		cmocka_unit_test_setup(
			first_part_of_a_long_body_is_searched, set_wall_clock_of_test),
		cmocka_unit_test_setup(other_requests_to_the_observed_host_are_enforced,
			set_wall_clock_of_test),
		cmocka_unit_test_setup(
			observation_ends_at_its_end_date, set_wall_clock_of_test),
		cmocka_unit_test_setup(observed_request_without_record_or_memory_gets_503,
			set_wall_clock_of_test),
		cmocka_unit_test_setup(
			late_data_blocks_no_observed_request, set_wall_clock_of_test),
		cmocka_unit_test_setup(late_record_adds_no_second_wait, set_wall_clock_of_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
