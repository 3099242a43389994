/* The relay's side of the gate: tickets, bodies that arrive late or differ from the decided
 * one, and exchanges that end at every point. */
#include "scenario/gate_stage.h"
#include "scenario/relay_policy.h"

/* ---- tickets ---- */

enum { T_RIGHT, T_OTHER_BITS, T_GARBAGE, T_FAR_WORKER, T_EMPTY };

static const struct {
	const char *name;
	int ticket;
	const char *method;
	int64_t length;
	unsigned worker;
	uint64_t after_us;
	int err;
} claims[] = {
	{ "the right ticket, method and length", T_RIGHT, "POST", LEN(HELLO), 0, 0, 0 },
	{ "on another worker", T_RIGHT, "POST", LEN(HELLO), 1, 0, 0 },
	{ "just before the ticket expires", T_RIGHT, "POST", LEN(HELLO), 0, 29999999, 0 },
	{ "after the ticket expired", T_RIGHT, "POST", LEN(HELLO), 0, 30000000, ERR_AUTH },
	{ "another method", T_RIGHT, "PUT", LEN(HELLO), 0, 0, ERR_AUTH },
	{ "a method in other case", T_RIGHT, "post", LEN(HELLO), 0, 0, ERR_AUTH },
	{ "another length", T_RIGHT, "POST", LEN(HELLO) + 1, 0, 0, ERR_AUTH },
	{ "no length", T_RIGHT, "POST", -1, 0, 0, ERR_AUTH },
	{ "another length on another worker", T_RIGHT, "POST", 0, 1, 0, ERR_AUTH },
	{ "a ticket with other bits", T_OTHER_BITS, "POST", LEN(HELLO), 0, 0, ERR_AUTH },
	{ "no ticket at all", T_EMPTY, "POST", LEN(HELLO), 0, 0, ERR_AUTH },
	{ "a text that is no ticket", T_GARBAGE, "POST", LEN(HELLO), 0, 0, ERR_AUTH },
	{ "a worker that does not exist", T_FAR_WORKER, "POST", LEN(HELLO), 1, 0, ERR_AUTH },
};

static void
ticket_is_claimed_once_by_the_matching_request(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		struct stage s;
		struct call c;
		struct pass p, again;
		char ticket[64];
		stage_up(&s, POLICY);
		call_do(&s, &hello, &c);
		snprintf(ticket, sizeof(ticket), "%s", call_var(&c, "ticket"));
		assert_int_equal(strlen(ticket), TICKET_TEXT - 1);
		switch (claims[i].ticket) {
		case T_OTHER_BITS: ticket[20] = ticket[20] == '0' ? '1' : '0'; break;
		case T_GARBAGE: memset(ticket, 'z', TICKET_TEXT - 1); break;
		case T_FAR_WORKER: memcpy(ticket, "ffff", 4); break;
		case T_EMPTY: ticket[0] = '\0'; break;
		default: break;
		}
		fake_pass_us(claims[i].after_us);
		stage_turn(&s);
		pass_send(&s, claims[i].worker, &p, ticket, claims[i].method, claims[i].length);
		stage_turn(&s);
		stage_turn(&s);
		assert_true(p.claimed);
		if (p.err != claims[i].err)
			fail_msg("%s: %d", claims[i].name, p.err);
		assert_int_equal(p.x != NULL, p.err == 0);
		/* A ticket is valid once; a second claim fails for everyone. */
		if (claims[i].ticket == T_RIGHT) {
			assert_int_equal(pass_claim(&s, 0, &again, &c, LEN(HELLO)), ERR_AUTH);
			assert_null(again.x);
		}
		if (p.x)
			pass_finish(&p, END_COMPLETE, 200, 10, 20);
		stage_pass(&s, 31000000);
		stage_settle(&s);
		if (claims[i].err) {
			assert_int_equal(stage_charged(&s, "requests", "alice"), 0);
			assert_string_equal(
				stage_field(disk_records - 1, "outcome"), "abandoned");
		}
		stage_down(&s);
	}
}

/* ---- the head and body that are sent upstream ---- */

static bool
head_has(const struct http_head *h, const char *name, const char *value)
{
	for (size_t i = 0; i < h->nfields; i++)
		if (span_ieq(h->fields[i].name, span_str(name)))
			return !value || span_is(h->fields[i].value, value);
	return false;
}

static void
sent_head_has_the_gates_fields_and_no_credential(void **state)
{
	static const char *const gone[] = { "authorization", "cookie", "x-api-key",
		"x-tollgate-id2", "x-tollgate-backend2", "connection", "x-hop",
		"content-length", "transfer-encoding", "expect", "x_api_key", "X-Api_Key",
		"x_tollgate-id3", "apikey", "X-Access-Token", "sec-websocket-protocol", "x_api",
		"x-auth-request-email" };
	struct stage s;
	struct call c;
	struct pass p;

	(void)state;
	stage_up(&s, POLICY);
	call_do(&s,
		&(struct note){ .person = "alice",
			.query = "subscription-key=s&a=1;X-Goog-Api-Key=s&k%65y=secret&"
				 "token[]=s;auth_token&b=2",
			.body = HELLO,
			.headers = { "cookie: a=b", "x-api-key: abc", "X-Tollgate-Id2: x",
				"x-tollgate-backend2: evil", "connection: close, X-Hop",
				"x-hop: y", "expect: 100-continue", "accept-encoding: gzip",
				"x_api_key: abc", "X-Api_Key: abc", "x_tollgate-id3: x",
				"apikey: abc", "X-Access-Token: abc",
				"sec-websocket-protocol: openai-insecure-api-key.abc",
				"x_api: abc", "x-auth-request-email: c@example.com",
				"x-stainless-lang: kept" } },
		&c);
	assert_int_equal(pass_claim(&s, 0, &p, &c, LEN(HELLO)), 0);
	const struct exchange_plan *plan = gate_plan(p.x);
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		if (head_has(&plan->head, gone[i], NULL))
			fail_msg("%s goes upstream", gone[i]);
	assert_true(head_has(&plan->head, "x-stainless-lang", "kept"));
	assert_true(head_has(&plan->head, "accept-encoding", "identity"));
	assert_true(head_has(&plan->head, "x-tollgate-backend", "openai"));
	assert_true(head_has(&plan->head, "x-tollgate-id", call_var(&c, "id")));
	assert_true(head_has(&plan->head, "host", "gw.example"));
	assert_true(head_has(&plan->head, "content-type", "application/json"));
	assert_true(span_is(plan->head.path, CHAT));
	assert_true(span_is(plan->head.query, "a=1&b=2"));
	assert_int_equal(plan->body_mode, BODY_COPY);
	assert_int_equal(plan->content_length, LEN(HELLO));
	assert_true(plan->reads_answer);
	/* the ACK has set every variable, so no response field is left */
	assert_int_equal(gate_response_fields(p.x).n, 0);
	pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
	stage_down(&s);
}

/* ---- BODY_COPY, BODY_SWAP ---- */

static void
only_the_decided_body_is_copied(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *sent; int err; } rows[] = {
		{ "the body that was decided", HELLO, 0 },
		{ "one byte more", HELLO " ", ERR_AUTH },
		{ "one byte different", "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"hellO\"}]}", ERR_AUTH },
		{ "nothing", "", ERR_AUTH },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t step = 1; step < 80; step += 39) {
			struct stage s;
			struct call c;
			struct pass p;
			struct span rest = span_str(rows[i].sent);
			int err = 1;
			stage_up(&s, POLICY);
			call_do(&s, &hello, &c);
			assert_int_equal(pass_claim(&s, 1, &p, &c, LEN(HELLO)), 0);
			do {
				struct span part = span_cut(rest, 0, step);
				rest = span_cut(rest, part.n, rest.n);
				err = gate_body_bytes(p.x, part, rest.n == 0);
				assert_true(rest.n == 0 || err == 0);
			} while (rest.n);
			if (err != rows[i].err)
				fail_msg("%s: %d", rows[i].name, err);
			pass_finish(&p, err ? END_CLIENT_ABORT : END_COMPLETE, err ? 0 : 200,
				-1, -1);
			stage_settle(&s);
			assert_true(p.done);
			stage_down(&s);
		}
}

static void
redacted_body_replaces_the_original(void **state)
{
	static const char *const digests[] = { "content-digest", "repr-digest", "digest",
		"content-md5", "want-content-digest" };
	struct stage s;
	struct call c;
	struct pass p;

	(void)state;
	stage_up(&s, POLICY);
	call_do(&s,
		&(struct note){ .person = "alice",
			.body = EMAIL,
			.headers = { "content-digest: sha-256=:YQ==:",
				"Repr-Digest: sha-256=:YQ==:", "digest: sha-256=YQ==",
				"content-md5: YQ==", "want-content-digest: sha-256=1" } },
		&c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	assert_int_equal(pass_claim(&s, 0, &p, &c, LEN(EMAIL)), 0);
	const struct exchange_plan *plan = gate_plan(p.x);
	assert_int_equal(plan->body_mode, BODY_SWAP);
	/* Digests of the original body, which is not sent. */
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
		if (head_has(&plan->head, digests[i], NULL))
			fail_msg("%s goes upstream", digests[i]);
	assert_null(memmem(plan->body.p, plan->body.n, "alice@", 6));
	assert_non_null(
		memmem(plan->body.p, plan->body.n, "write to <EMAIL_ADDRESS_1> now", 30));
	pass_finish(&p, END_COMPLETE, 200, 5, 5);
	stage_settle(&s);
	assert_string_equal(stage_field(disk_records - 1, "outcome"), "complete");
	assert_false(stage_records_hold("alice@example.com"));
	stage_down(&s);
}

/* A body that consists only of removed parts is sent empty, never unchanged, whether it was in
 * the NOTIFY or deferred. */
static void
body_of_removed_parts_is_sent_empty(void **state)
{
	static const char mail[] = "alice@example.com";

	(void)state;
	for (int later = 0; later < 2; later++) {
		struct stage s;
		struct call c;
		struct pass p;
		struct note n = { .person = "alice",
			.path = "/api/x",
			.body = mail,
			.no_length = true,
			.headers = { "content-type: text/plain",
				later ? "transfer-encoding: chunked" : "content-length: 17" } };
		stage_up(&s,
			ROUTES "rules: [{name: gone, redact: {classes: [pii], with: remove}}]\n"
			       "default: permit\n");
		call_do(&s, &n, &c);
		assert_string_equal(call_var(&c, "decision"), later ? "defer" : "redact");
		assert_int_equal(pass_claim(&s, 0, &p, &c, later ? -1 : LEN(mail)), 0);
		if (later) {
			char *body = malloc(sizeof(mail));
			memcpy(body, mail, sizeof(mail));
			assert_true(gate_hold(p.x, sizeof(mail) - 1));
			gate_body(p.x, span_of(body, sizeof(mail) - 1), pass_ruled, &p);
			stage_settle(&s);
			assert_true(p.ruled && !p.denied);
			free(body);
		}
		const struct exchange_plan *plan = gate_plan(p.x);
		assert_int_equal(plan->body_mode, BODY_SWAP);
		assert_int_equal(plan->body.n, 0);
		pass_finish(&p, END_COMPLETE, 200, 5, 5);
		stage_settle(&s);
		assert_string_equal(stage_field(0, "decision"), "redact");
		assert_string_equal(stage_field(0, "entities.EMAIL_ADDRESS.with"), "remove");
		stage_down(&s);
	}
}

/* The relay may refuse a request that was permitted. The id then has one decision, which is
 * abandoned. */
static void
relay_may_refuse_a_permitted_request(void **state)
{
	const struct note *const notes[] = { &hello,
		&(struct note){ .person = "alice", .body = EMAIL },
		&(struct note){
			.person = "alice", .path = "/api/alice@example.com", .body = HELLO } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct stage s;
		struct call c;
		struct pass p;
		stage_up(&s, POLICY);
		call_do(&s, notes[i], &c);
		assert_int_equal(pass_claim(&s, 1, &p, &c, (int64_t)strlen(notes[i]->body)), 0);
		gate_refuse(
			p.x, 400, "malformed_body", "the framing is malformed", pass_ruled, &p);
		assert_false(p.ruled);
		stage_settle(&s);
		assert_true(p.denied);
		assert_int_equal(p.denial.status, 400);
		assert_int_equal(disk_records, 1);
		pass_finish(&p, END_DENIED, 0, -1, -1);
		stage_turn(&s);
		assert_false(p.done); /* the last byte waits for the completion */
		stage_settle(&s);
		assert_true(p.done);
		assert_int_equal(disk_records, 2);
		assert_string_equal(stage_field(1, "type"), "completion");
		assert_string_equal(stage_field(1, "outcome"), "abandoned");
		assert_string_equal(stage_field(1, "why"), "the framing is malformed");
		assert_false(stage_records_hold("alice@example.com"));
		assert_int_equal(stage_charged(&s, "requests", "alice"), 0);
		assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
		stage_down(&s);
	}
}

/* ---- BODY_DEFER ---- */

/* clang-format off */
static const struct {
	const char *name, *body;
	int status;           /* of the denial; 0: not denied */
	const char *decision; /* in the record */
	const char *sends;    /* part of the body that is sent */
	int64_t tokens;       /* charged while the request is in flight */
} bodies[] = {
	{ "a harmless body is unchanged", HELLO, 0, "permit", "hello", RESERVED },
	{ "personal data is redacted", EMAIL, 0, "redact", "<EMAIL_ADDRESS_1>", 100 + 20 + 5 + 3 },
	{ "a secret is denied", SECRET, 403, "deny", "", 0 },
	{ "broken JSON is a 400", "{", 400, "deny", "", 0 },
	{ "an empty body is not valid", "", 400, "deny", "", 0 },
	{ "a request above the whole limit is a 403",
	  "{\"model\":\"m\",\"max_tokens\":1001,\"messages\":[]}", 403, "deny", "", 0 },
};
/* clang-format on */

static void
deferred_body_is_decided_when_it_has_arrived(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct stage s;
		struct call c;
		struct pass p;
		stage_up(&s, POLICY);
		struct note n = deferred;
		if (*bodies[i].body == '\0') /* the Content-Type makes the empty body invalid */
			n.headers[1] = "content-type: application/json";
		call_do(&s, &n, &c);
		assert_string_equal(call_var(&c, "decision"), "defer");
		assert_int_equal(disk_records, 0);
		assert_int_equal(pass_claim(&s, i % 2, &p, &c, -1), 0);
		assert_int_equal(gate_plan(p.x)->body_mode, BODY_DEFER);
		size_t len = strlen(bodies[i].body);
		char *body = malloc(len + 1);
		memcpy(body, bodies[i].body, len);
		assert_true(gate_hold(p.x, len));
		gate_body(p.x, span_of(body, len), pass_ruled, &p);
		assert_false(p.ruled);
		stage_settle(&s);
		assert_true(p.ruled);
		if (p.denied != (bodies[i].status != 0) || disk_records != 1 ||
			strcmp(stage_field(0, "decision"), bodies[i].decision) ||
			(p.denied && p.denial.status != bodies[i].status))
			fail_msg("%s: denied %d with %d, %zu records", bodies[i].name, p.denied,
				p.denial.status, disk_records);
		assert_int_equal(stage_charged(&s, "tokens", "alice"), bodies[i].tokens);
		assert_string_equal(stage_field(0, "via"), p.denied ? "" : "relay");
		if (p.denied) {
			/* One JSON document in the dialect, with the public id. */
			json_t *o = json_loads(p.denial_body, 0, NULL);
			assert_non_null(json_object_get(o, "error"));
			json_decref(o);
			assert_non_null(strstr(p.denial_body, call_var(&c, "id")));
			assert_non_null(
				strstr(p.denial_fields, "x-tollgate-decision: deny\r\n"));
			assert_null(strstr(p.denial_body, "AKIA"));
			pass_finish(&p, END_DENIED, 0, -1, -1);
		} else {
			const struct exchange_plan *plan = gate_plan(p.x);
			struct span fields = gate_response_fields(p.x);
			assert_null(memmem(fields.p, fields.n, p.ticket + 5, 32));
			assert_non_null(
				memmem(fields.p, fields.n, "x-tollgate-decision: ", 21));
			assert_int_equal(plan->body_mode, BODY_SWAP);
			assert_non_null(memmem(plan->body.p, plan->body.n, bodies[i].sends,
				strlen(bodies[i].sends)));
			assert_true(head_has(&plan->head, "x-tollgate-backend", "openai"));
			assert_false(head_has(&plan->head, "authorization", NULL));
			pass_finish(&p, END_COMPLETE, 200, 10, 20);
		}
		stage_settle(&s);
		assert_true(p.done);
		assert_int_equal(p.done_err, 0);
		assert_int_equal(stage_charged(&s, "tokens", "alice"), p.denied ? 0 : 30);
		assert_int_equal(stage_charged(&s, "requests", "alice"), !p.denied);
		free(body);
		stage_down(&s);
	}
}

/* A body that takes a minute to arrive is charged to the minute in which it arrived, together
 * with what others used in that minute. */
static void
slow_body_is_charged_to_the_minute_of_its_arrival(void **state)
{
	struct stage s;
	struct call slow, c;
	struct pass p, q;

	(void)state;
	stage_up(&s, POLICY);
	call_do(&s, &deferred, &slow);
	assert_int_equal(pass_claim(&s, 0, &p, &slow, -1), 0);
	stage_pass(&s, 40000000);
	call_do(&s, &(struct note){ .person = "alice", .body = LARGE }, &c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	gate_body(p.x, SPAN_LIT(HELLO), pass_ruled, &p);
	stage_settle(&s);
	assert_true(p.denied);
	assert_int_equal(p.denial.status, 429);
	pass_finish(&p, END_DENIED, 0, -1, -1);
	assert_int_equal(pass_claim(&s, 0, &q, &c, LEN(LARGE)), 0);
	pass_finish(&q, END_COMPLETE, 200, 1, 1);
	stage_down(&s);
}

static void
missing_deferred_body_is_refused_by_the_relay(void **state)
{
	/* clang-format off */
	static const struct { int status; const char *code; } rows[] = {
		{ 413, "request_too_large" }, { 408, "request_timeout" }, { 503, "overloaded" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct stage s;
		struct call c;
		struct pass p;
		stage_up(&s, POLICY);
		call_do(&s, &deferred, &c);
		assert_int_equal(pass_claim(&s, 0, &p, &c, -1), 0);
		gate_refuse(p.x, rows[i].status, rows[i].code, "why", pass_ruled, &p);
		stage_settle(&s);
		assert_true(p.denied);
		assert_int_equal(p.denial.status, rows[i].status);
		assert_non_null(strstr(p.denial_body, rows[i].code));
		assert_int_equal(
			strstr(p.denial_fields, "x-tollgate-retry-after: 1\r\n") != NULL,
			rows[i].status == 503);
		assert_int_equal(disk_records, 1);
		assert_string_equal(stage_field(0, "code"), rows[i].code);
		assert_int_equal(stage_charged(&s, "requests", "alice"), 0);
		pass_finish(&p, END_DENIED, 0, -1, -1);
		stage_settle(&s);
		assert_true(p.done);
		assert_int_equal(disk_records, 1);
		stage_down(&s);
	}
}

/* ---- the end of an exchange, at every point ---- */

enum {
	AT_CLAIM,
	AT_MAIL,
	AT_QUOTA,
	AT_QUOTA_ANSWERED,
	AT_DISK,
	AT_DISK_ANSWERED,
	AT_VERDICT,
	AT_POINTS
};

static void
exchange_may_end_at_every_point(void **state)
{
	static const char *const bodies_sent[] = { HELLO, EMAIL, SECRET, "{" };

	(void)state;
	for (size_t b = 0; b < 4; b++)
		for (int disk_err = 0; disk_err < 2; disk_err++)
			for (int point = 0; point < AT_POINTS; point++) {
				struct stage s;
				struct call c;
				struct pass p;
				stage_up(&s, POLICY);
				call_do(&s, &deferred, &c);
				assert_int_equal(pass_claim(&s, 1, &p, &c, -1), 0);
				size_t n = strlen(bodies_sent[b]);
				char *body = malloc(n);
				memcpy(body, bodies_sent[b], n);
				if (point >= AT_MAIL)
					gate_body(p.x, span_of(body, n), pass_ruled, &p);
				if (point >= AT_QUOTA)
					stage_turn(&s);
				if (point == AT_QUOTA_ANSWERED)
					mailbox_drain(&s.table_mail, NULL);
				if (point >= AT_DISK)
					stage_quota(&s);
				if (point >= AT_DISK_ANSWERED && disk_queued)
					disk_answer_at(0, disk_err ? ERR_IO : 0);
				if (point >= AT_VERDICT)
					stage_turn(&s);
				assert_int_equal(p.ruled, point >= AT_VERDICT);
				bool ruled = p.ruled;
				pass_finish(&p, p.denied ? END_DENIED : END_CLIENT_ABORT, 0, -1,
					-1);
				for (int turn = 0; turn < 10; turn++) {
					stage_quota(&s);
					while (disk_queued)
						stage_disk(&s, disk_err ? ERR_IO : 0);
				}
				assert_true(p.done);
				/* Its callback no longer runs. */
				assert_int_equal(p.ruled, ruled);
				bool sent = ruled && !p.denied;
				assert_int_equal(stage_charged(&s, "requests", "alice"), sent);
				assert_int_equal(
					stage_charged(&s, "tokens", "alice") > 0, sent);
				assert_true(disk_records > 0);
				free(body);
				stage_down(&s);
			}
}

/* In the end, the charge equals the usage of the response. */
/* clang-format off */
static const struct {
	const char *name;
	enum exchange_end end;
	int status;
	int64_t in, out;   /* usage; -1: unknown */
	bool output_begun;
	int64_t requests, tokens;
	const char *outcome;
} settles[] = {
	{ "a response with known usage: the usage", END_COMPLETE, 200, 10, 20, true, 1, 30, "complete" },
	{ "more than reserved is added", END_COMPLETE, 200, 900, 500, true, 1, 1400, "complete" },
	{ "a response with unknown usage: the reservation", END_COMPLETE, 200, -1, -1, true, 1, RESERVED, "complete" },
	{ "a cut response with unknown usage: the reservation", END_PROVIDER_ABORT, 200, -1, -1, true, 1, RESERVED, "provider_abort" },
	{ "a response that the client aborted: the reservation", END_CLIENT_ABORT, 200, -1, -1, true, 1, RESERVED, "client_abort" },
	{ "no response to a sent request: the reservation", END_PROVIDER_ABORT, 0, -1, -1, false, 1, RESERVED, "provider_abort" },
	{ "an error of the provider: no tokens", END_COMPLETE, 500, -1, -1, false, 1, 0, "complete" },
	{ "a refusal of the provider: no tokens", END_COMPLETE, 429, -1, -1, false, 1, 0, "complete" },
	{ "never sent: nothing", END_NEVER_SENT, 0, -1, -1, false, 0, 0, "never_sent" },
};
/* clang-format on */

static void
tokens_are_settled_by_usage(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(settles) / sizeof(settles[0]); i++) {
		struct stage s;
		struct call c;
		struct pass p;
		stage_up(&s, POLICY);
		call_do(&s, &hello, &c);
		assert_int_equal(stage_charged(&s, "tokens", "alice"), RESERVED);
		assert_int_equal(pass_claim(&s, 1, &p, &c, LEN(HELLO)), 0);
		struct exchange_result res = { .end = settles[i].end,
			.status = settles[i].status,
			.output_begun = settles[i].output_begun };
		if (settles[i].in >= 0)
			res.usage = (struct usage){ .known = true,
				.input_tokens = settles[i].in,
				.output_tokens = settles[i].out };
		gate_finish(p.x, &res, pass_done, &p);
		stage_settle(&s);
		assert_true(p.done);
		if (stage_charged(&s, "tokens", "alice") != settles[i].tokens ||
			stage_charged(&s, "requests", "alice") != settles[i].requests)
			fail_msg("%s: %lld tokens, %lld requests", settles[i].name,
				(long long)stage_charged(&s, "tokens", "alice"),
				(long long)stage_charged(&s, "requests", "alice"));
		assert_string_equal(stage_field(1, "type"), "completion");
		assert_string_equal(stage_field(1, "outcome"), settles[i].outcome);
		assert_string_equal(stage_field(1, "id"), call_var(&c, "id"));
		assert_string_equal(stage_field(1, "identity.person"), "alice");
		stage_down(&s);
	}
}

/* The worker that claims the ticket counts its tokens, also per model. */
static void
decisions_and_tokens_are_counted_by_label(void **state)
{
#define LABELS "{route=\"chat\",provider=\"openai\",model=\"gpt\","
	struct stage s;
	struct call c;
	struct pass p;

	(void)state;
	stage_up(&s, POLICY);
	call_do(&s, &hello, &c);
	assert_int_equal(
		stage_series(&s, "route_decisions_total" LABELS "decision=\"permit\"}"), 1);
	assert_int_equal(stage_series(&s, "stage_seconds_count{stage=\"audit\"}"), 1);
	assert_int_equal(stage_series(&s, "stage_seconds_count{stage=\"total\"}"), 1);
	assert_int_equal(stage_series(&s, "stage_seconds_count{stage=\"outside\"}"), 0);
	assert_int_equal(pass_claim(&s, 1, &p, &c, LEN(HELLO)), 0);
	pass_finish(&p, END_COMPLETE, 200, 11, 22);
	stage_settle(&s);
	assert_int_equal(stage_series(&s, "route_tokens_total" LABELS "type=\"input\"}"), 11);
	assert_int_equal(stage_series(&s, "route_tokens_total" LABELS "type=\"output\"}"), 22);
	assert_int_equal(
		stage_series(&s, "route_decisions_total" LABELS "decision=\"permit\"}"), 1);
	assert_int_equal(gate_tally(s.gate[0])->series.nmodels, 1);
	assert_int_equal(gate_tally(s.gate[1])->series.nmodels, 1);
	stage_down(&s);
	/* the duration of a stage is its wait on the stage's clock */
	stage_up(&s, POLICY);
	call_send(&s, 0, &hello, &c);
	stage_quota(&s);
	fake_pass_us(20000);
	stage_settle(&s);
	assert_int_equal(
		stage_series(&s, "stage_seconds_bucket{stage=\"audit\",le=\"0.01\"}"), 0);
	assert_int_equal(
		stage_series(&s, "stage_seconds_bucket{stage=\"audit\",le=\"0.025\"}"), 1);
	assert_int_equal(
		stage_series(&s, "stage_seconds_bucket{stage=\"policy\",le=\"0.00001\"}"), 1);
	assert_int_equal(pass_claim(&s, 0, &p, &c, LEN(HELLO)), 0);
	pass_finish(&p, END_COMPLETE, 200, 1, 2);
	stage_settle(&s);
	stage_down(&s);
#undef LABELS
}

/* While the relay waits for the verdict, the deadline is agent.deadline. */
static void
deferred_verdict_has_the_agent_deadline(void **state)
{
	(void)state;
	for (int disk = 0; disk < 2; disk++) {
		struct stage s;
		struct call c;
		struct pass p;
		stage_up(&s, POLICY);
		call_do(&s, &deferred, &c);
		assert_int_equal(pass_claim(&s, 1, &p, &c, -1), 0);
		stage_pass(&s, 5000000);
		gate_body(p.x, SPAN_LIT(HELLO), pass_ruled, &p);
		stage_turn(&s);
		if (disk)
			stage_quota(&s);
		stage_pass(&s, 799000);
		assert_false(p.ruled);
		stage_pass(&s, 1000);
		assert_true(p.denied);
		assert_int_equal(p.denial.status, 503);
		assert_non_null(strstr(
			p.denial_body, disk ? "audit_unavailable" : "quota_unavailable"));
		pass_finish(&p, END_DENIED, 0, -1, -1);
		stage_settle(&s);
		assert_true(p.done);
		assert_int_equal(stage_charged(&s, "requests", "alice"), 0);
		assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
		assert_true(disk_records >= 1);
		stage_down(&s);
	}
}

/* ---- without an audit section ---- */

static void
exchange_ends_without_an_audit_section(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;

	(void)state;
	stage_up(&s, POLICY);
	s.shared->audit = NULL;
	call_do(&s, &hello, &c);
	assert_int_equal(pass_claim(&s, 1, &p, &c, LEN(HELLO)), 0);
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	stage_settle(&s);
	assert_true(p.done);
	/* An abandoned request. */
	call_do(&s, &hello, &c);
	stage_pass(&s, 31000000);
	/* A deferred request that is denied, and one whose client leaves while the quota store
	 * is asked. */
	call_do(&s, &deferred, &c);
	assert_int_equal(pass_claim(&s, 1, &p, &c, -1), 0);
	gate_body(p.x, SPAN_LIT(SECRET), pass_ruled, &p);
	stage_settle(&s);
	assert_true(p.denied);
	pass_finish(&p, END_DENIED, 0, -1, -1);
	stage_settle(&s);
	assert_true(p.done);
	call_do(&s, &deferred, &c);
	assert_int_equal(pass_claim(&s, 1, &p, &c, -1), 0);
	gate_body(p.x, SPAN_LIT(HELLO), pass_ruled, &p);
	stage_turn(&s);
	pass_finish(&p, END_CLIENT_ABORT, 0, -1, -1);
	stage_settle(&s);
	assert_true(p.done);
	assert_int_equal(disk_records, 0);
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticket_is_claimed_once_by_the_matching_request),
		cmocka_unit_test(sent_head_has_the_gates_fields_and_no_credential),
		cmocka_unit_test(only_the_decided_body_is_copied),
		cmocka_unit_test(redacted_body_replaces_the_original),
		cmocka_unit_test(body_of_removed_parts_is_sent_empty),
		cmocka_unit_test(relay_may_refuse_a_permitted_request),
		cmocka_unit_test(deferred_body_is_decided_when_it_has_arrived),
		cmocka_unit_test(slow_body_is_charged_to_the_minute_of_its_arrival),
		cmocka_unit_test(missing_deferred_body_is_refused_by_the_relay),
		cmocka_unit_test(exchange_may_end_at_every_point),
		cmocka_unit_test(tokens_are_settled_by_usage),
		cmocka_unit_test(decisions_and_tokens_are_counted_by_label),
		cmocka_unit_test(deferred_verdict_has_the_agent_deadline),
		cmocka_unit_test(exchange_ends_without_an_audit_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
