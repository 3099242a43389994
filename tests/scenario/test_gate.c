/* The agent's side of the gate. The test sends a NOTIFY, lets the quota store and the disk
 * answer in order, late, with errors or never, and compares the verdict. */
#include "scenario/gate_stage.h"

#include "scenario/gate_policy.h"

/* ---- one request; the store and the disk answer at once ---- */

/* clang-format off */
static const struct {
	const char *name;
	struct note n;
	const char *decision, *via, *status, *rule;
	size_t records;
} verdicts[] = {
	{ "a harmless request goes direct",
	  { .person = "alice", .body = HELLO }, "permit", "direct", "", "default", 1 },
	{ "personal data is redacted through the relay",
	  { .person = "alice", .body = EMAIL }, "redact", "relay", "", "pii", 1 },
	{ "a secret is denied",
	  { .person = "alice", .body = SECRET }, "deny", "", "403", "no-secrets", 1 },
	{ "a caller without a credential is denied by the rule for them",
	  { .body = HELLO }, "deny", "", "401", "no-anonymous", 1 },
	{ "a metered route takes the relay",
	  { .person = "alice", .path = "/v1/metered", .body = HELLO }, "permit", "relay", "", "default", 1 },
	{ "a request without a route is a 404",
	  { .person = "alice", .path = "/v1/other", .body = HELLO }, "deny", "", "404", "", 1 },
	{ "another method of a route is a 404",
	  { .method = "PUT", .person = "alice", .body = HELLO }, "deny", "", "404", "", 1 },
	{ "CONNECT is refused",
	  { .method = "CONNECT", .path = "/api/x", .person = "alice" }, "deny", "", "501", "", 1 },
	{ "TRACE is refused",
	  { .method = "TRACE", .path = "/api/x", .person = "alice" }, "deny", "", "501", "", 1 },
	{ "Upgrade is refused",
	  { .method = "GET", .path = "/api/x", .person = "alice", .headers = { "Upgrade: websocket" } },
	  "deny", "", "501", "", 1 },
	{ "an unknown key is a 401",
	  { .body = HELLO, .headers = { "authorization: Bearer tg_aaaaaaaa_bbbbbbbb" } }, "deny", "", "401", "", 1 },
	{ "a token on a route that accepts none is a 401",
	  { .body = HELLO, .headers = { "authorization: Bearer a.b.c" } }, "deny", "", "401", "", 1 },
	{ "a path that differs from its normal form is a 400",
	  { .person = "alice", .path = "/v1/./chat/completions", .body = HELLO }, "deny", "", "400", "", 1 },
	{ "sixty-five Connection options are a 400",
	  { .person = "alice", .body = HELLO, .headers = { "connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,"
	    "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a" } }, "deny", "", "400", "", 1 },
	{ "two Hosts are a 400",
	  { .person = "alice", .body = HELLO, .headers = { "host: other" } }, "deny", "", "400", "", 1 },
	{ "two Content-Types are a 400",
	  { .person = "alice", .body = HELLO, .headers = { "content-type: text/plain" } }, "deny", "", "400", "", 1 },
	{ "two Content-Lengths are a 400",
	  { .person = "alice", .body = HELLO, .headers = { "content-length: 5" } }, "deny", "", "400", "", 1 },
	{ "a Content-Length that is not a number is a 400",
	  { .person = "alice", .body = HELLO, .length = "+5" }, "deny", "", "400", "", 1 },
	{ "Content-Length with Transfer-Encoding is a 400",
	  { .person = "alice", .body = HELLO, .headers = { "transfer-encoding: chunked" } }, "deny", "", "400", "", 1 },
	{ "stacked encodings are a 415",
	  { .person = "alice", .body = HELLO, .headers = { "content-encoding: gzip, br" } }, "deny", "", "415", "", 1 },
	{ "an unknown encoding is a 415",
	  { .person = "alice", .body = HELLO, .headers = { "content-encoding: zstd" } }, "deny", "", "415", "", 1 },
	{ "invalid gzip is a 400",
	  { .person = "alice", .body = HELLO, .headers = { "content-encoding: gzip" } }, "deny", "", "400", "", 1 },
	{ "a declared length over the limit is a 413, by the head",
	  { .person = "alice", .body = HELLO, .length = "1048577", .partial = true }, "deny", "", "413", "", 1 },
	{ "a declared length equal to the limit is accepted",
	  { .person = "alice", .body = HELLO, .length = "1048576", .partial = true }, "defer", "relay", "", "", 0 },
	{ "broken JSON is a 400",
	  { .person = "alice", .body = "{\"model\":" }, "deny", "", "400", "", 1 },
	{ "duplicate keys are a 400",
	  { .person = "alice", .body = "{\"model\":\"a\",\"mod\\u0065l\":\"b\"}" }, "deny", "", "400", "", 1 },
	{ "an empty body of a JSON type is a 400",
	  { .person = "alice", .body = "" }, "deny", "", "400", "", 1 },
	{ "a body cut by HAProxy waits for the relay, without a record yet",
	  { .person = "alice", .body = HELLO, .length = "500" }, "defer", "relay", "", "", 0 },
	{ "a chunked body waits for the relay",
	  { .person = "alice", .body = HELLO, .no_length = true, .headers = { "transfer-encoding: chunked" } },
	  "defer", "relay", "", "", 0 },
	{ "an empty chunked body waits for the relay too",
	  { .person = "alice", .path = "/api/x", .headers = { "transfer-encoding: chunked" } },
	  "defer", "relay", "", "", 0 },
	{ "a body without length waits for the relay",
	  { .person = "alice", .body = HELLO, .no_length = true }, "defer", "relay", "", "", 0 },
	{ "a whole body without a seen end waits for the relay",
	  { .person = "alice", .body = HELLO, .partial = true }, "defer", "relay", "", "", 0 },
	{ "trailers after a whole body send it to the relay",
	  { .person = "alice", .body = HELLO, .tail = "HTX_BLK_EOT" }, "defer", "relay", "", "", 0 },
	{ "a body without length or seen end waits for the relay",
	  { .person = "alice", .method = "GET", .path = "/api/x", .partial = true }, "defer", "relay", "", "", 0 },
	{ "an anonymous caller is refused by the head",
	  { .body = HELLO, .length = "500" }, "deny", "", "401", "no-anonymous", 1 },
	{ "a request without body goes direct",
	  { .person = "alice", .method = "GET", .path = "/api/x" }, "permit", "direct", "", "default", 1 },
	{ "a JSON type without a body passes where the endpoint needs no body",
	  { .person = "alice", .path = "/api/x", .no_length = true,
	    .headers = { "content-type: application/json" } }, "permit", "direct", "", "default", 1 },
	{ "a POST with neither type nor body goes direct",
	  { .person = "alice", .path = "/api/x", .no_length = true }, "permit", "direct", "", "default", 1 },
	{ "an e-mail address in the query goes through the relay",
	  { .person = "alice", .method = "GET", .path = "/api/x", .query = "q=alice@example.com" },
	  "redact", "relay", "", "pii", 1 },
	{ "an e-mail address in the path goes through the relay",
	  { .person = "alice", .method = "POST", .path = "/api/alice@example.com" }, "redact", "relay", "", "pii", 1 },
	{ "a credential in the query takes the relay, which drops it",
	  { .person = "alice", .method = "GET", .path = "/api/x", .query = "key=abc" }, "permit", "relay", "", "default", 1 },
	{ "an e-mail address as a key is redacted",
	  { .person = "alice", .body = "{\"model\":\"gpt\",\"messages\":[],\"alice@example.com\":1}" },
	  "redact", "relay", "", "pii", 1 },
	{ "a card's number as a fraction is redacted",
	  { .person = "alice", .path = "/api/x", .body = "{\"n\":0.4111111111111111}" }, "redact", "relay", "", "pii", 1 },
	{ "a card's number before a decimal point is redacted",
	  { .person = "alice", .path = "/api/x", .body = "{\"n\":-4111111111111111.5}" }, "redact", "relay", "", "pii", 1 },
	{ "a card's number with an invalid exponent is redacted",
	  { .person = "alice", .path = "/api/x", .body = "{\"n\":4111111111111111e99999}" }, "redact", "relay", "", "pii", 1 },
	{ "a placeholder that is already a key is not used",
	  { .person = "alice",
	    .body = "{\"model\":\"gpt\",\"messages\":[],\"<EMAIL_ADDRESS_1>\":2,\"alice@example.com\":1}" },
	  "redact", "relay", "", "pii", 1 },
	{ "an e-mail address as the model is denied",
	  { .person = "alice", .body = "{\"model\":\"alice@example.com\",\"messages\":[]}" }, "deny", "", "403", "pii", 1 },
	{ "a request above the whole limit is a 403 and not retryable",
	  { .person = "alice", .body = "{\"model\":\"gpt\",\"max_tokens\":10001,\"messages\":[]}" },
	  "deny", "", "403", "tokens", 1 },
	{ "HAProxy deletes a credential's header, also with underscores: direct",
	  { .path = "/api/x", .method = "GET", .person = "alice", .headers = { "X_Api_Key: abc", "apikey: abc" } },
	  "permit", "direct", "", "default", 1 },
	{ "HAProxy does not delete a credential in the query: relayed",
	  { .path = "/api/x", .method = "GET", .person = "alice", .query = "a=1;%74oken[]=abc" },
	  "permit", "relay", "", "default", 1 },
	{ "userinfo in Host is a 400",
	  { .path = "/api/x", .method = "GET", .person = "alice", .no_host = true, .headers = { "host: a:b@gw.example" } },
	  "deny", "", "400", "", 1 },
	{ "audio cannot be inspected: denied",
	  { .person = "alice", .body = "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
	    "\"input_audio\",\"input_audio\":{\"data\":\"UklGR\"}}]}]}" }, "deny", "", "403", "", 1 },
	{ "an image at a URL is a reference",
	  { .person = "alice", .body = "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
	    "\"image_url\",\"image_url\":{\"url\":\"https://x.example/a.png\"}}]}]}" }, "permit", "direct", "", "default", 1 },
	{ "a data URI in a body without a dialect is uninspected",
	  { .person = "alice", .path = "/api/x", .body = "{\"images\":[\"data:image/gif;base64,R0lGODlhAQABAIAAAP\"]}" },
	  "deny", "", "403", "", 1 },
	{ "a data URI in the query is uninspected",
	  { .person = "alice", .method = "GET", .path = "/api/x", .query = "i=data:image/gif;base64,R0lGODlhAQABAIAAAP" },
	  "deny", "", "403", "", 1 },
	{ "a data URI in JSON in the query is uninspected",
	  { .person = "alice", .method = "GET", .path = "/api/x",
	    .query = "q=%7B%22a%22:%22data:image/gif;base64,R0lGODlhAQABAIAAAP%22%7D" }, "deny", "", "403", "", 1 },
};
/* clang-format on */

static void
each_request_gets_its_verdict_status_and_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		struct stage s;
		struct call c;
		stage_up(&s, POLICY);
		call_do(&s, &verdicts[i].n, &c);
		if (strcmp(call_var(&c, "decision"), verdicts[i].decision) ||
			strcmp(call_var(&c, "via"), verdicts[i].via) ||
			strcmp(call_var(&c, "status"), verdicts[i].status) ||
			strcmp(call_var(&c, "rule"), verdicts[i].rule) ||
			disk_records != verdicts[i].records)
			fail_msg("%s: decision %s via %s status %s rule %s, %zu records, error "
				 "%s",
				verdicts[i].name, call_var(&c, "decision"), call_var(&c, "via"),
				call_var(&c, "status"), call_var(&c, "rule"), disk_records,
				call_var(&c, "error"));
		assert_int_equal(strlen(call_var(&c, "id")), DECISION_ID_LEN);
		assert_int_equal(
			*call_var(&c, "ticket") != '\0', !strcmp(call_var(&c, "via"), "relay"));
		if (disk_records) {
			assert_string_equal(stage_field(0, "type"), "decision");
			assert_string_equal(stage_field(0, "id"), call_var(&c, "id"));
			assert_string_equal(
				stage_field(0, "decision"), call_var(&c, "decision"));
			assert_string_equal(stage_field(0, "policy"), call_var(&c, "policy"));
		}
		/* The ticket is never claimed and expires. */
		stage_pass(&s, 31000000);
		if (!strcmp(call_var(&c, "via"), "relay"))
			assert_string_equal(
				stage_field(disk_records - 1, "outcome"), "abandoned");
		for (size_t k = 0; k < STAGE_KEY_MAX; k++)
			assert_false(stage_records_hold(s.key[k]));
		if (*call_var(&c, "ticket"))
			assert_false(stage_records_hold(call_var(&c, "ticket") + 5));
		assert_false(stage_records_hold("alice@example.com"));
		assert_false(stage_records_hold("AKIAQ3EGRIXPFUSLKQLT"));
		assert_false(stage_records_hold("hello"));
		stage_down(&s);
	}
}

/* ---- late, failed and missing answers ---- */

enum { Q_OK, Q_NEVER };
enum { D_OK, D_ERROR, D_LATE, D_LATE_ERROR };

static const struct {
	const char *name, *policy;
	int quota, disk;
	const char *decision, *status, *code;
	size_t records;
	const char *last_outcome; /* outcome of the last record; "" for a decision */
	int64_t charged;	  /* requests counted in the end */
} faults[] = {
	{ "the store and the disk answer", POLICY, Q_OK, D_OK, "permit", "", "", 1, "", 1 },
	{ "the disk refuses: 503, and the reservation is released", POLICY, Q_OK, D_ERROR,
		"deny", "503", "audit_unavailable", 1, "", 0 },
	{ "the disk refuses and the policy permits", "on_failure: {audit: permit}\n" POLICY,
		Q_OK, D_ERROR, "permit", "", "", 1, "", 1 },
	{ "the disk is late: 503, then the recorded permit is abandoned", POLICY, Q_OK, D_LATE,
		"deny", "503", "audit_unavailable", 2, "abandoned", 0 },
	{ "the disk is late with an error: 503, and no record", POLICY, Q_OK, D_LATE_ERROR,
		"deny", "503", "audit_unavailable", 1, "", 0 },
	{ "the disk is late and the policy permits", "on_failure: {audit: permit}\n" POLICY,
		Q_OK, D_LATE, "permit", "", "", 1, "", 1 },
	{ "the quota store is silent: 503, on record", POLICY, Q_NEVER, D_OK, "deny", "503",
		"quota_unavailable", 1, "", 0 },
};

static void
failure_has_the_outcome_the_policy_declares(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct stage s;
		struct call c;
		stage_up(&s, faults[i].policy);
		call_send(&s, 0, &(struct note){ .person = "alice", .body = HELLO }, &c);
		assert_false(c.answered);
		if (faults[i].quota == Q_OK)
			stage_quota(&s);
		stage_turn(&s);
		if (faults[i].quota == Q_NEVER || faults[i].disk >= D_LATE) {
			stage_pass(&s, 799000);
			assert_false(c.answered);
			stage_pass(&s, 1000);
			assert_true(c.answered);
		}
		stage_quota(&s);
		if (disk_queued)
			stage_disk(
				&s, faults[i].disk == D_ERROR || faults[i].disk == D_LATE_ERROR
					    ? ERR_IO
					    : 0);
		assert_true(c.answered);
		stage_settle(&s);
		if (strcmp(call_var(&c, "decision"), faults[i].decision) ||
			strcmp(call_var(&c, "status"), faults[i].status) ||
			!strstr(call_var(&c, "error"), faults[i].code))
			fail_msg("%s: %s %s %s", faults[i].name, call_var(&c, "decision"),
				call_var(&c, "status"), call_var(&c, "error"));
		if (disk_records != faults[i].records)
			fail_msg("%s: %zu records", faults[i].name, disk_records);
		if (strcmp(stage_field(disk_records - 1, "outcome"), faults[i].last_outcome))
			fail_msg("%s: the last record's outcome is %s", faults[i].name,
				stage_field(disk_records - 1, "outcome"));
		if (stage_charged(&s, "requests", "alice") != faults[i].charged)
			fail_msg("%s: %lld requests charged", faults[i].name,
				(long long)stage_charged(&s, "requests", "alice"));
		if (*faults[i].status)
			assert_string_equal(call_var(&c, "retry_after"), "1");
		stage_down(&s);
	}
}

/* The deadline covers both waits together, as HAProxy's timeout does. */
static void
two_waits_share_one_deadline_of_the_agent(void **state)
{
	struct stage s;
	struct call slow, other;

	(void)state;
	stage_up(&s, POLICY);
	call_send(&s, 0, &(struct note){ .person = "alice", .body = HELLO }, &slow);
	stage_pass(&s, 500000);
	call_send(&s, 0, &(struct note){ .person = "bob", .body = HELLO }, &other);
	stage_pass(&s, 200000);
	stage_quota(&s); /* 700 ms: the store answers both, the disk does not */
	assert_int_equal(disk_queued, 2);
	stage_pass(&s, 99000);
	assert_false(slow.answered);
	stage_pass(&s, 1000);
	assert_true(slow.answered);
	assert_false(other.answered);
	stage_pass(&s, 500000);
	assert_true(other.answered);
	stage_down(&s);
}

/* HAProxy's connection closes at each point of a request. */
static void
connection_may_close_at_every_point(void **state)
{
	(void)state;
	for (int point = 0; point < 4; point++) {
		struct stage s;
		struct call c;
		stage_up(&s, POLICY);
		disk_ready = false; /* after a refused write, the ACK waits for the disk */
		call_send(&s, 0, &(struct note){ .person = "alice", .body = EMAIL }, &c);
		switch (point) {
		case 0: /* while the quota store is asked */ break;
		case 1: /* the quota store has answered, the gate has not received the answer */
			mailbox_drain(&s.table_mail, NULL);
			break;
		case 2: /* while the disk is asked */ stage_quota(&s); break;
		default: /* the disk has answered, the gate has not received the answer */
			stage_quota(&s);
			disk_answer_at(0, 0);
		}
		call_forget(&c);
		stage_settle(&s);
		assert_false(c.answered);
		assert_int_equal(stage_charged(&s, "requests", "alice"), 0);
		assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
		assert_int_equal(disk_records, point < 2 ? 0 : 2);
		if (disk_records)
			assert_string_equal(stage_field(1, "outcome"), "abandoned");
		stage_down(&s);
	}
}

static void
request_over_its_limit_is_refused_with_its_counts(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, POLICY);
	for (int i = 0; i < 5; i++) {
		call_do(&s, &(struct note){ .person = "alice", .body = HELLO }, &c);
		assert_string_equal(call_var(&c, "decision"), "permit");
		assert_int_equal(atoi(call_var(&c, "remaining_requests")), 4 - i);
		assert_string_equal(call_var(&c, "limit_requests"), "5");
	}
	call_do(&s, &(struct note){ .person = "alice", .body = HELLO }, &c);
	assert_string_equal(call_var(&c, "status"), "429");
	assert_string_equal(call_var(&c, "rule"), "requests");
	assert_string_equal(call_var(&c, "remaining_requests"), "0");
	assert_non_null(strstr(call_var(&c, "error"), "rate_limit_exceeded"));
	assert_string_equal(stage_field(5, "status"), "429");
	int wait = atoi(call_var(&c, "retry_after"));
	if (wait < 60 || wait > 66)
		fail_msg("Retry-After: %d", wait);
	/* A refusal is not counted, and other callers are not affected. */
	assert_int_equal(stage_charged(&s, "requests", "alice"), 5);
	call_do(&s, &(struct note){ .person = "bob", .body = HELLO }, &c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	/* One second before Retry-After is too early; at Retry-After the request succeeds. */
	stage_pass(&s, (uint64_t)(wait - 1) * 1000000);
	call_do(&s, &(struct note){ .person = "alice", .body = HELLO }, &c);
	assert_string_equal(call_var(&c, "status"), "429");
	stage_pass(&s, 1000000);
	call_do(&s, &(struct note){ .person = "alice", .body = HELLO }, &c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	stage_down(&s);
}

/* The reason is not a lack of memory: the operator has to configure the relay. */
static void
request_needing_a_missing_relay_is_refused_with_that_reason(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, POLICY);
	s.cfg.relay = false;
	call_do(&s, &(struct note){ .person = "alice", .body = EMAIL }, &c);
	assert_string_equal(call_var(&c, "status"), "503");
	assert_non_null(strstr(call_var(&c, "error"), "relay_missing"));
	assert_non_null(strstr(call_var(&c, "error"), "must be replaced"));
	assert_null(strstr(call_var(&c, "error"), "overloaded"));
	assert_string_equal(stage_field(0, "code"), "relay_missing");
	assert_string_equal(call_var(&c, "rule"), "pii");
	assert_int_equal(stage_charged(&s, "requests", "alice"), 0);
	s.cfg.relay = true;
	stage_down(&s);
}

/* The counters are not read, so the remaining amount is unknown and none is returned. */
static void
request_above_the_whole_limit_is_refused_without_counts(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, POLICY);
	call_do(&s,
		&(struct note){ .person = "alice",
			.body = "{\"model\":\"gpt\",\"max_tokens\":10001,\"messages\":[]}" },
		&c);
	assert_string_equal(call_var(&c, "status"), "403");
	assert_string_equal(call_var(&c, "limit_requests"), "5");
	assert_string_equal(call_var(&c, "limit_tokens"), "10000");
	assert_string_equal(call_var(&c, "remaining_requests"), "");
	assert_string_equal(call_var(&c, "remaining_tokens"), "");
	assert_string_equal(call_var(&c, "reset_requests"), "");
	assert_false(stage_records_hold("remaining"));
	stage_down(&s);
}

/* ---- memory ---- */

static void
held_bytes_of_all_callers_are_capped(void **state)
{
	struct stage s;
	struct call c[3];

	(void)state;
	stage_up(&s, POLICY);
	s.shared->holds.cap_all = 2 * (sizeof(struct request) + strlen(HELLO)) - 1;
	s.shared->holds.cap_slot = s.shared->holds.cap_all;
	for (size_t i = 0; i < 2; i++)
		call_send(&s, 0, &(struct note){ .person = "alice", .body = HELLO }, &c[i]);
	stage_settle(&s);
	assert_string_equal(call_var(&c[1], "status"), "503");
	assert_string_equal(call_var(&c[1], "retry_after"), "1");
	assert_true(stage_count(&s, M_HELD_REFUSED) > 0);
	stage_down(&s);
}

static void
held_bytes_of_one_caller_are_capped(void **state)
{
	struct stage s;
	struct call c[4];

	(void)state;
	stage_up(&s, POLICY);
	call_send(&s, 0, &(struct note){ .person = "alice", .body = HELLO }, &c[0]);
	size_t one = gate_held_bytes(s.shared);
	s.shared->holds.cap_slot = 3 * one - 1;
	call_send(&s, 0, &(struct note){ .person = "alice", .body = HELLO }, &c[1]);
	call_send(&s, 0, &(struct note){ .person = "alice", .body = HELLO }, &c[2]);
	call_send(&s, 0, &(struct note){ .person = "bob", .body = HELLO }, &c[3]);
	stage_settle(&s);
	assert_string_equal(call_var(&c[0], "decision"), "permit");
	assert_string_equal(call_var(&c[1], "decision"), "permit");
	assert_string_equal(call_var(&c[2], "status"), "503");
	assert_string_equal(call_var(&c[2], "retry_after"), "1");
	assert_string_equal(call_var(&c[3], "decision"), "permit");
	stage_down(&s);
}

/* The decompressed size of a small body counts as held while it waits. */
static void
decompressed_size_of_a_body_is_held(void **state)
{
	/* gzip of 200,000 spaces and {} */
	static const unsigned char head[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
	struct stage s;
	struct call c;
	struct buf gz;
	enum { PLAIN = 60000 };

	(void)state;
	/* One stored block: length, its complement and the bytes, followed by CRC and size. */
	buf_init(&gz, 0);
	buf_put(&gz, head, sizeof(head));
	unsigned char block[5] = { 1, PLAIN & 0xff, PLAIN >> 8, (unsigned char)~(PLAIN & 0xff),
		(unsigned char)~(PLAIN >> 8) };
	buf_put(&gz, block, 5);
	char *plain = malloc(PLAIN);
	memset(plain, ' ', PLAIN);
	memcpy(plain, HELLO, strlen(HELLO));
	buf_put(&gz, plain, PLAIN);
	uint32_t crc = 0xffffffff, size = PLAIN;
	for (size_t i = 0; i < PLAIN; i++) {
		crc ^= (unsigned char)plain[i];
		for (int k = 0; k < 8; k++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
	}
	crc = ~crc;
	buf_put(&gz, &crc, 4);
	buf_put(&gz, &size, 4);
	free(plain);
	stage_up(&s, ROUTES "default: permit\n");
	disk_ready = false;
	struct note n = { .person = "alice",
		.body = buf_view(&gz).p,
		.body_n = gz.n,
		.headers = { "content-encoding: gzip" } };
	call_send(&s, 0, &n, &c);
	assert_false(c.answered);
	assert_true(gate_held_bytes(s.shared) >= 2 * PLAIN);
	stage_settle(&s);
	assert_string_equal(call_var(&c, "decision"), "permit");
	assert_string_equal(call_var(&c, "via"), "relay");
	stage_pass(&s, 31000000);
	stage_settle(&s);
	s.shared->holds.cap_all = PLAIN + PLAIN / 2;
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "status"), "503");
	buf_free(&gz);
	stage_down(&s);
}

/* ---- the ACK ---- */

static void
ack_without_room_never_permits_a_request(void **state)
{
	(void)state;
	/* However little fits, the ACK never permits an uninspected request. */
	for (size_t room = 0; room < 700; room += 7) {
		struct stage s;
		struct call c;
		stage_up(&s, POLICY);
		call_do(&s,
			&(struct note){
				.person = "alice", .body = SECRET, .room = room ? room : 1 },
			&c);
		assert_string_equal(call_var(&c, "via"), "");
		assert_string_not_equal(call_var(&c, "decision"), "permit");
		stage_down(&s);
	}
}

static void
unknown_message_gets_an_empty_ack(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, POLICY);
	call_do(&s,
		&(struct note){ .person = "alice", .body = HELLO, .message = "tollgate-other" },
		&c);
	assert_int_equal(c.n, 0);
	stage_down(&s);
}

static void
headers_over_the_limit_are_refused(void **state)
{
	struct stage s;
	struct call c;
	struct buf b;
	struct spop_arg args[3];

	(void)state;
	for (size_t n = CAP_HEADERS; n <= CAP_HEADERS + 1; n++) {
		stage_up(&s, ROUTES "default: permit\n");
		memset(&c, 0, sizeof(c));
		buf_init(&b, 0);
		for (size_t i = 0; i < n; i++)
			put_field(&b, SPAN_LIT("x-a"), SPAN_LIT("b"));
		put_field(&b, SPAN_LIT(""), SPAN_LIT(""));
		args[0] = (struct spop_arg){ SPAN_LIT("method"), note_str(SPAN_LIT("GET")) };
		args[1] = (struct spop_arg){ SPAN_LIT("path"), note_str(SPAN_LIT("/api/x")) };
		args[2] = (struct spop_arg){ SPAN_LIT("hdrs"),
			{ .type = SPOP_BINARY, .s = buf_view(&b) } };
		struct spop_message m = { SPAN_LIT("tollgate-request"), args, 3 };
		gate_notify(s.gate[0], &m, 1, 16384, call_answered, &c);
		stage_settle(&s);
		assert_string_equal(call_var(&c, "status"), n > CAP_HEADERS ? "400" : "");
		stage_pass(&s, 31000000);
		buf_free(&b);
		stage_down(&s);
	}
}

/* Before a route is matched, the path determines the dialect of the error. */
static void
refusal_before_a_route_uses_the_paths_dialect(void **state)
{
	/* clang-format off */
	static const struct { const char *path, *type; } rows[] = {
		{ "/v1/messages", "{\"type\":\"error\"" }, { "/v1/chat/completions", "{\"error\":" },
		{ "/elsewhere", "{\"error\":" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct stage s;
		struct call c;
		stage_up(&s, "routes: [{name: r, match: {path: /x}, backend: b}]\n");
		call_do(&s, &(struct note){ .path = rows[i].path }, &c);
		assert_string_equal(call_var(&c, "status"), "404");
		assert_ptr_equal(
			strstr(call_var(&c, "error"), rows[i].type), call_var(&c, "error"));
		call_do(&s, &(struct note){ .path = rows[i].path, .headers = { "host: b" } },
			&c);
		assert_string_equal(call_var(&c, "status"), "400");
		assert_ptr_equal(
			strstr(call_var(&c, "error"), rows[i].type), call_var(&c, "error"));
		stage_down(&s);
	}
}

/* ---- shadow ---- */

static void
shadow_policy_is_recorded_and_not_enforced(void **state)
{
	/* clang-format off */
	static const struct { const char *name; struct note n; const char *decision, *status, *would; } rows[] = {
		{ "a denial by a rule is recorded, not enforced",
		  { .person = "alice", .body = SECRET }, "permit", "", "{\"decision\":\"deny\",\"rule\":\"no-secrets\"}" },
		{ "a redaction is recorded, not enforced",
		  { .person = "alice", .body = EMAIL }, "permit", "", "{\"decision\":\"redact\",\"rule\":\"pii\"}" },
		{ "a caller without identity is denied nevertheless", { .body = SECRET }, "deny", "401", "" },
		{ "an invalid credential is a 401 nevertheless",
		  { .body = HELLO, .headers = { "authorization: Bearer tg_x_y" } }, "deny", "401", "" },
		{ "an ambiguous request is a 400 nevertheless", { .person = "alice", .body = "{" }, "deny", "400", "" },
		{ "limits apply nevertheless",
		  { .person = "alice", .body = "{\"model\":\"m\",\"max_tokens\":10001,\"messages\":[]}" }, "deny", "403", "" },
		{ "uninspected content is denied nevertheless",
		  { .person = "alice", .body = "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
		    "\"input_audio\",\"input_audio\":{\"data\":\"UklGR\"}}]}]}" }, "deny", "403", "" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stage s;
		struct call c;
		stage_up(&s, "mode: shadow\n" POLICY);
		call_do(&s, &rows[i].n, &c);
		if (strcmp(call_var(&c, "decision"), rows[i].decision) ||
			strcmp(call_var(&c, "status"), rows[i].status) ||
			strcmp(stage_field(0, "would_be"), rows[i].would))
			fail_msg("%s: %s %s %s", rows[i].name, call_var(&c, "decision"),
				call_var(&c, "status"), stage_field(0, "would_be"));
		assert_string_equal(stage_field(0, "shadow"), "true");
		stage_down(&s);
	}
}

/* After a reload, each waiting request keeps the policy with which it began. */
static void
waiting_request_keeps_its_policy_after_reload(void **state)
{
	struct stage s;
	struct call before, after;
	struct diag d;

	(void)state;
	stage_up(&s, POLICY);
	call_send(&s, 0, &(struct note){ .person = "alice", .body = HELLO }, &before);
	stage_write(s.policy,
		"tollgate: 1\nname: second\nidentity: [api_key: {keys: keys.yaml}]\n"
		"routes: [{name: r, match: {path_prefix: /v1}, backend: b}]\n"
		"default: deny\n");
	diag_init(&d);
	struct snapshot *next = snapshot_load(NULL, s.policy, 2, NULL, &d), *mine = next;
	assert_non_null(next);
	diag_free(&d);
	gate_snapshot(s.gate[0], next);
	snapshot_unref(&mine);
	call_send(&s, 0, &(struct note){ .person = "alice", .body = HELLO }, &after);
	stage_settle(&s);
	assert_string_equal(call_var(&before, "decision"), "permit");
	assert_string_equal(call_var(&after, "decision"), "deny");
	assert_ptr_equal(
		strstr(call_var(&after, "policy"), "second@"), call_var(&after, "policy"));
	gate_snapshot(s.gate[0], s.snap);
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_request_gets_its_verdict_status_and_path),
		cmocka_unit_test(failure_has_the_outcome_the_policy_declares),
		cmocka_unit_test(two_waits_share_one_deadline_of_the_agent),
		cmocka_unit_test(connection_may_close_at_every_point),
		cmocka_unit_test(request_over_its_limit_is_refused_with_its_counts),
		cmocka_unit_test(request_above_the_whole_limit_is_refused_without_counts),
		cmocka_unit_test(request_needing_a_missing_relay_is_refused_with_that_reason),
		cmocka_unit_test(held_bytes_of_all_callers_are_capped),
		cmocka_unit_test(held_bytes_of_one_caller_are_capped),
		cmocka_unit_test(decompressed_size_of_a_body_is_held),
		cmocka_unit_test(ack_without_room_never_permits_a_request),
		cmocka_unit_test(unknown_message_gets_an_empty_ack),
		cmocka_unit_test(headers_over_the_limit_are_refused),
		cmocka_unit_test(refusal_before_a_route_uses_the_paths_dialect),
		cmocka_unit_test(shadow_policy_is_recorded_and_not_enforced),
		cmocka_unit_test(waiting_request_keeps_its_policy_after_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
