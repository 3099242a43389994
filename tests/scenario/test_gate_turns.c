/* Long bodies are classified in windows, one in each turn of the loop, while others are served.
 * A value across windows is found once, and the request may end at every turn. Also: disk
 * answers that arrive between a verdict and the end of the exchange. */
#include "scenario/gate_stage.h"

#define POLICY                                                                                 \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, dialect: "     \
	"openai, backend: openai}\n"                                                           \
	"  - {name: api, match: {path_prefix: /api/}, dialect: rest, backend: b}\n"            \
	"rules:\n"                                                                             \
	"  - {name: no-secrets, when: '\"secret\" in prompt.classes', deny: true}\n"           \
	"  - {name: pii, when: '\"pii\" in prompt.classes', redact: {classes: [pii]}}\n"       \
	"default: permit\n"                                                                    \
	"limits:\n"                                                                            \
	"  - {name: requests, per: [identity.person], requests: 5, window: 1m}\n"
#define HELLO "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define MAIL  "someone@example.com"

/* Turns the loops as often as needed, while every reading of the clock exceeds the time of a
 * turn. Returns the number of turns in which something waited. */
static size_t
turns(struct stage *s)
{
	size_t n = 0;

	while (s->gate[0]->turns || s->gate[1]->turns) {
		ev_run(s->loop, EVRUN_NOWAIT);
		for (unsigned i = 0; i < 2; i++)
			mailbox_drain(&s->mail[i], NULL);
		n++;
		assert_true(n < 1000);
	}
	return n;
}

/* Writes a text of n bytes with the address at each of these places. */
static void
put_long(struct buf *b, size_t n, const size_t *places, size_t nplaces)
{
	size_t mail = sizeof(MAIL) - 1, at = b->n;
	char *p = buf_reserve(b, n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = " word"[i % 5];
	for (size_t i = 0; i < nplaces; i++) {
		p[places[i] - 1] = ' ';
		memcpy(p + places[i], MAIL, mail);
		p[places[i] + mail] = ' ';
	}
	buf_commit(b, n);
	assert_int_equal(b->n, at + n);
}

static size_t
count_of(struct span s, const char *what)
{
	size_t n = 0;

	for (const char *p; (p = memmem(s.p, s.n, what, strlen(what))); n++)
		s = span_cut(s, (size_t)(p - s.p) + 1, s.n);
	return n;
}

/* An address at any place around the edge of a window is found exactly once. */
static void
address_across_windows_is_found_once(void **state)
{
	enum { N = 700000 };
	static const size_t edges[] = { 224 << 10, 240 << 10, 256 << 10, 448 << 10, 464 << 10,
		480 << 10 };

	(void)state;
	for (size_t e = 0; e < sizeof(edges) / sizeof(edges[0]); e++)
		for (size_t off = 0; off < 24; off += 3) {
			struct stage s;
			struct call c;
			struct pass p;
			struct buf b;
			size_t places[] = { 100, edges[e] - 20 + off, N - 100 };
			stage_up(&s, POLICY);
			buf_init(&b, 0);
			put_long(&b, N, places, 3);
			struct note n = { .person = "alice",
				.path = "/api/x",
				.headers = { "content-type: text/plain" },
				.body = buf_view(&b).p,
				.body_n = b.n,
				.no_length = true };
			char length[64];
			snprintf(length, sizeof(length), "content-length: %zu", b.n);
			n.headers[1] = length;
			fake_step_us = 11000;
			call_send(&s, 0, &n, &c);
			assert_true(turns(&s) >= 2);
			fake_step_us = 0;
			stage_settle(&s);
			assert_string_equal(call_var(&c, "decision"), "redact");
			assert_string_equal(
				stage_field(0, "entities.EMAIL_ADDRESS.count"), "3");
			assert_int_equal(pass_claim(&s, 0, &p, &c, (int64_t)b.n), 0);
			struct span body = gate_plan(p.x)->body;
			assert_int_equal(count_of(body, MAIL), 0);
			assert_int_equal(count_of(body, "<EMAIL_ADDRESS_1>"), 3);
			assert_int_equal(body.n, N - 3 * (sizeof(MAIL) - 18));
			pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
			buf_free(&b);
			stage_down(&s);
		}
}

/* Writes a private key of n bytes. All lines except the armor are equal. */
#define KEY_LINE "MIIEpAIBAAKCAQEAx4UbaDzY5xjW6hc9jwN0mX33XpTDVJmrJqK7Yw2Zb1HsVfTg\n"
static void
put_key(char *p, size_t n)
{
	static const char begin[] = "-----BEGIN PRIVATE KEY-----\n",
			  end[] = "-----END PRIVATE KEY-----\n";
	size_t at = sizeof(begin) - 1;

	memcpy(p, begin, at);
	for (; at + sizeof(KEY_LINE) + sizeof(end) < n; at += sizeof(KEY_LINE) - 1)
		memcpy(p + at, KEY_LINE, sizeof(KEY_LINE) - 1);
	memcpy(p + at, end, sizeof(end) - 1);
}

/* A value longer than the overlap of two windows is removed wherever it occurs. */
static void
value_longer_than_the_overlap_is_removed_whole(void **state)
{
	enum { N = 700000 };
	static const size_t sizes[] = { 17000, 30000, 60000 };
	static const size_t edges[] = { 224 << 10, 240 << 10, 256 << 10, 448 << 10 };

	(void)state;
	for (size_t k = 0; k < 3 * 4 * 4; k++) {
		size_t size = sizes[k % 3], edge = edges[k / 3 % 4];
		struct stage s;
		struct call c;
		struct pass p;
		struct buf b;
		stage_up(&s, "on_failure: {unreadable: permit}\n"
			     "routes: [{name: api, match: {path_prefix: /}, dialect: rest, "
			     "backend: b}]\n"
			     "rules: [{name: keys, redact: {classes: [pii, secret]}}]\n"
			     "default: permit\n"
			     "limits: []\n");
		buf_init(&b, 0);
		size_t at = edge - size + size * (k / 12) / 3,
		       places[] = { 100, at + size + 40 };
		put_long(&b, N, places, 2);
		put_key((char *)(uintptr_t)buf_view(&b).p + at, size);
		char length[64];
		snprintf(length, sizeof(length), "content-length: %zu", b.n);
		struct note n = { .person = "alice",
			.path = "/api/x",
			.headers = { "content-type: text/plain", length },
			.body = buf_view(&b).p,
			.body_n = b.n,
			.no_length = true };
		call_send(&s, 0, &n, &c);
		stage_settle(&s);
		assert_string_equal(call_var(&c, "decision"), "redact");
		assert_int_equal(pass_claim(&s, 0, &p, &c, (int64_t)b.n), 0);
		struct span body = gate_plan(p.x)->body;
		assert_int_equal(count_of(body, "MIIEpAIBAAKC"), 0);
		assert_int_equal(count_of(body, "KEY-----"), 0);
		assert_int_equal(count_of(body, "<EMAIL_ADDRESS_1>"), 2);
		assert_true(body.n > N - size - 200);
		pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
		buf_free(&b);
		stage_down(&s);
	}
}

/* Writes a table of n bytes whose rows are findings only because of the header: without it, no
 * 8-digit value and no word is one. */
static void
put_rows(struct buf *b, size_t n, const char *cut, const char *end)
{
	unsigned row = 0;

	buf_printf(b, "name%spassport number%spassword%snote%s", cut, cut, cut, end);
	for (size_t to = b->n + n; b->n < to; row++)
		buf_printf(b, "Ann%sX%08u%shunter%uq%sa note of some length without content%s",
			cut, 30000000 + row * 7919, cut, row * 31 % 100000, cut, end);
}

/* The header applies in the last window as in the first, for a text and for a JSON string. */
static void
table_header_applies_in_every_window(void **state)
{
	static const struct {
		const char *name, *type, *path, *before, *cut, *end, *after;
	} rows[] = {
		{ "CSV", "content-type: text/csv", "/api/x", "", ",", "\n", "" },
		{ "tabs in JSON", "content-type: application/json", "/v1/chat/completions",
			"{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"",
			"\\t", "\\n", "\"}]}" },
		{ "a JSON text in JSON", "content-type: application/json",
			"/v1/chat/completions",
			"{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"{"
			"\\\"rows\\\":\\\"\\\\n",
			";", "\\\\n", "\\\"}\"}]}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stage s;
		struct call c;
		struct pass p;
		struct buf b;
		stage_up(&s, "routes:\n"
			     "  - {name: chat, match: {path: /v1/chat/completions}, dialect: "
			     "openai, "
			     "backend: openai}\n"
			     "  - {name: api, match: {path_prefix: /api/}, dialect: rest, "
			     "backend: b}\n"
			     "rules: [{name: all, redact: {classes: [pii, secret]}}]\n"
			     "default: permit\n"
			     "limits: []\n");
		buf_init(&b, 0);
		buf_str(&b, rows[i].before);
		put_rows(&b, 600000, rows[i].cut, rows[i].end);
		buf_str(&b, rows[i].after);
		char length[64];
		snprintf(length, sizeof(length), "content-length: %zu", b.n);
		struct note n = { .person = "alice",
			.path = rows[i].path,
			.headers = { rows[i].type, length },
			.body = buf_view(&b).p,
			.body_n = b.n,
			.no_length = true };
		call_send(&s, 0, &n, &c);
		stage_settle(&s);
		if (strcmp(call_var(&c, "decision"), "redact") != 0)
			fail_msg("%s: %s, %s", rows[i].name, call_var(&c, "decision"),
				call_var(&c, "error"));
		assert_int_equal(pass_claim(&s, 0, &p, &c, (int64_t)b.n), 0);
		struct span body = gate_plan(p.x)->body;
		size_t passports = count_of(body, "X3"), passwords = count_of(body, "hunter");
		if (passports || passwords)
			fail_msg("%s: %zu passports and %zu passwords are left", rows[i].name,
				passports, passwords);
		pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
		buf_free(&b);
		stage_down(&s);
	}
}

/* A short request is decided between two turns of a long one. */
static void
short_request_is_decided_between_turns_of_a_long_one(void **state)
{
	struct stage s;
	struct call slow, quick;
	struct buf b;

	(void)state;
	stage_up(&s, POLICY);
	buf_init(&b, 0);
	put_long(&b, 900000, NULL, 0);
	char length[64];
	snprintf(length, sizeof(length), "content-length: %zu", b.n);
	fake_step_us = 11000;
	call_send(&s, 0,
		&(struct note){ .person = "alice",
			.path = "/api/x",
			.body = buf_view(&b).p,
			.body_n = b.n,
			.no_length = true,
			.headers = { "content-type: text/plain", length } },
		&slow);
	assert_non_null(s.gate[0]->turns);
	call_send(&s, 0, &(struct note){ .person = "bob", .body = HELLO }, &quick);
	fake_step_us = 0;
	stage_settle(&s);
	assert_true(quick.answered);
	assert_false(slow.answered);
	turns(&s);
	stage_settle(&s);
	assert_string_equal(call_var(&slow, "decision"), "permit");
	buf_free(&b);
	stage_down(&s);
}

/* Between two turns the client disconnects, the deadline expires, or the relay ends the
 * exchange. */
static void
request_may_end_between_two_turns(void **state)
{
	(void)state;
	for (int how = 0; how < 4; how++) {
		struct stage s;
		struct call c;
		struct pass p;
		struct buf b;
		size_t place = 800000;
		bool relay = how >= 2;
		stage_up(&s, POLICY);
		buf_init(&b, 0);
		put_long(&b, 900000, &place, 1);
		char length[64];
		snprintf(length, sizeof(length), "content-length: %zu", b.n);
		struct note n = { .person = "alice",
			.path = "/api/x",
			.body = buf_view(&b).p,
			.body_n = b.n,
			.no_length = true,
			.partial = relay,
			.headers = { "content-type: text/plain", length } };
		if (relay) {
			call_do(&s, &n, &c);
			assert_string_equal(call_var(&c, "decision"), "defer");
			assert_int_equal(pass_claim(&s, 1, &p, &c, (int64_t)b.n), 0);
			fake_step_us = 11000;
			gate_body(p.x, buf_view(&b), pass_ruled, &p);
			mailbox_drain(&s.mail[1], NULL);
		} else {
			fake_step_us = 11000;
			call_send(&s, 0, &n, &c);
		}
		assert_non_null(s.gate[relay]->turns);
		ev_run(s.loop, EVRUN_NOWAIT);
		fake_step_us = 0;
		assert_non_null(s.gate[relay]->turns);
		switch (how) {
		case 0: call_forget(&c); break;
		case 1:
			stage_pass(&s, 800000);
			assert_true(c.answered);
			assert_string_equal(call_var(&c, "status"), "503");
			break;
		case 2: pass_finish(&p, END_CLIENT_ABORT, 0, -1, -1); break;
		default:
			/* once the relay has delivered the body, the gate's own work has no
			 * deadline */
			stage_pass(&s, 800000);
			assert_int_equal(p.ruled, 0);
			turns(&s);
			stage_settle(&s);
			assert_int_equal(p.ruled, 1);
			pass_finish(&p, p.denied ? END_DENIED : END_NEVER_SENT, 0, -1, -1);
		}
		turns(&s);
		stage_settle(&s);
		if (relay) {
			assert_true(p.done);
			assert_int_equal(p.ruled, how == 3);
		}
		assert_int_equal(stage_charged(&s, "requests", "alice"), 0);
		assert_int_equal(disk_records > 0, how > 0);
		buf_free(&b);
		stage_down(&s);
	}
}

/* The record of a permit is written after the denial that its lateness caused, before or after
 * the relay ends the exchange. The denial waits for it no longer than HAProxy would. */
static void
late_record_of_a_permit_follows_its_denial(void **state)
{
	(void)state;
	for (int point = 0; point < 3; point++)
		for (int err = 0; err < 2; err++) {
			struct stage s;
			struct call c;
			struct pass p;
			stage_up(&s, POLICY);
			call_do(&s,
				&(struct note){ .person = "alice",
					.body = HELLO,
					.no_length = true,
					.headers = { "transfer-encoding: chunked" } },
				&c);
			assert_int_equal(pass_claim(&s, 1, &p, &c, -1), 0);
			gate_body(p.x, SPAN_LIT(HELLO), pass_ruled, &p);
			stage_turn(&s);
			stage_quota(&s);
			assert_int_equal(disk_queued, 1);
			stage_pass(&s, 800000);
			assert_true(p.denied);
			if (point == 0)
				disk_answer_at(0,
					err ? ERR_IO
					    : 0); /* and the gate has not received the answer */
			if (point == 1)
				stage_disk(&s, err ? ERR_IO : 0);
			pass_finish(&p, END_DENIED, 0, -1, -1);
			stage_turn(&s);
			assert_true(p.done);
			while (point == 2 && disk_queued)
				stage_disk(&s, err ? ERR_IO : 0);
			stage_settle(&s);
			assert_int_equal(stage_alive(&s), 0);
			assert_int_equal(disk_records, err ? 1 : 2);
			assert_string_equal(stage_field(0, "decision"), "permit");
			if (!err)
				assert_string_equal(stage_field(1, "outcome"), "abandoned");
			stage_down(&s);
		}
}

/* More limits than a request can hold give 503, whatever on_failure contains. */
static void
too_many_limits_for_a_request_give_503(void **state)
{
	struct stage s;
	struct call c;
	struct buf b;

	(void)state;
	for (int n = QUOTA_DIMS_MAX; n <= QUOTA_DIMS_MAX + 1; n++) {
		buf_init(&b, 0);
		buf_str(&b,
			"on_failure: {quota: permit}\nroutes: [{name: r, match: {path_prefix: "
			"/}, backend: b}]\ndefault: permit\nlimits:\n");
		for (int i = 0; i < n; i++)
			buf_printf(&b, "  - {name: l%d, requests: 10, window: 1m}\n", i);
		buf_putc(&b, '\0');
		stage_up(&s, buf_view(&b).p);
		call_do(&s, &(struct note){ .person = "alice", .method = "GET", .path = "/x" },
			&c);
		assert_string_equal(
			call_var(&c, "decision"), n > QUOTA_DIMS_MAX ? "deny" : "permit");
		buf_free(&b);
		stage_down(&s);
	}
}

/* Uninspected content that may pass counts tokens by its size. */
static void
uninspected_content_counts_tokens_by_its_size(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s,
		"on_failure: {unreadable: permit}\n"
		"routes: [{name: r, match: {path_prefix: /}, dialect: rest, backend: b}]\n"
		"default: permit\n"
		"limits: [{name: tokens, per: [identity.person], tokens: 100, window: 1m}]\n");
	char body[200], length[40];
	memset(body, 0x80, sizeof(body));
	snprintf(length, sizeof(length), "content-length: %zu", sizeof(body));
	struct note n = { .person = "alice",
		.path = "/x",
		.body = body,
		.body_n = sizeof(body),
		.no_length = true,
		.headers = { "content-type: application/octet-stream", length } };
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	assert_int_equal(stage_charged(&s, "tokens", "alice"), 67);
	assert_string_equal(stage_field(0, "prompt.unreadable"), "true");
	assert_string_equal(stage_field(0, "not_inspected"), "[\"header values\",\"body\"]");
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "status"), "429");
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_across_windows_is_found_once),
		cmocka_unit_test(value_longer_than_the_overlap_is_removed_whole),
		cmocka_unit_test(table_header_applies_in_every_window),
		cmocka_unit_test(short_request_is_decided_between_turns_of_a_long_one),
		cmocka_unit_test(request_may_end_between_two_turns),
		cmocka_unit_test(late_record_of_a_permit_follows_its_denial),
		cmocka_unit_test(too_many_limits_for_a_request_give_503),
		cmocka_unit_test(uninspected_content_counts_tokens_by_its_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
