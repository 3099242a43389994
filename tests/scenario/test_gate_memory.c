/* What requests and exchanges hold: for all, for their caller, and how long. */
#include "scenario/gate_stage.h"

#define ROUTES                                                                                 \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, dialect: "     \
	"openai, backend: openai, response: [meter]}\n"                                        \
	"  - {name: api, match: {path_prefix: /api/}, dialect: rest, backend: local}\n"
#define RULES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: no-anonymous, when: 'identity.method == \"none\"', deny: {status: 401}}\n" \
	"  - {name: no-secrets, when: '\"secret\" in prompt.classes', deny: {reason: it "      \
	"holds a secret}}\n"                                                                   \
	"  - {name: pii, when: '\"pii\" in prompt.classes', redact: {classes: [pii]}}\n"       \
	"default: permit\n"
#define LIMITS                                                                                 \
	"limits:\n"                                                                            \
	"  - {name: requests, per: [identity.person], requests: 5, window: 1m}\n"              \
	"  - {name: tokens, per: [identity.person], tokens: 1000, window: 1m}\n"               \
	"output_default: 100\n"
#define POLICY ROUTES RULES LIMITS

#define HELLO "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define EMAIL                                                                                  \
	"{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"write to "          \
	"alice@example.com now\"}]}"
#define SECRET                                                                                 \
	"{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"key "               \
	"AKIAQ3EGRIXPFUSLKQLT\"}]}"
#define LARGE	 "{\"model\":\"m\",\"max_tokens\":900,\"messages\":[]}"
#define LEN(s)	 ((int64_t)sizeof(s) - 1)
#define RESERVED (100 + (LEN(HELLO) + 2) / 3)

static const struct note hello = { .person = "alice", .body = HELLO };
static const struct note deferred = { .person = "alice",
	.body = HELLO,
	.no_length = true,
	.headers = { "transfer-encoding: chunked" } };

static void
test_hold(void **state)
{
	struct stage s;
	struct call c, d;
	struct pass p, q;

	(void)state;
	stage_up(&s, POLICY);
	call_do(&s, &deferred, &c);
	call_do(&s, &deferred, &d);
	assert_int_equal(pass_claim(&s, 1, &p, &c, -1), 0);
	assert_int_equal(pass_claim(&s, 1, &q, &d, -1), 0);
	size_t before = gate_held_bytes(s.shared);
	assert_true(gate_hold(p.x, 20 << 20));
	assert_false(gate_hold(p.x, 20 << 20)); /* over the caller's 32 MB */
	assert_int_equal(gate_held_bytes(s.shared), before + (20 << 20));
	assert_true(gate_hold(q.x, 1 << 20));
	pass_finish(&q, END_NEVER_SENT, 0, -1, -1);
	stage_settle(&s);
	/* Alone, it is bounded by what all may hold: 64 MB. */
	assert_true(gate_hold(p.x, 20 << 20));
	assert_false(gate_hold(p.x, 30 << 20));
	pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
	stage_settle(&s);
	assert_int_equal(gate_held_bytes(s.shared), 0);
	stage_down(&s);
}

/* The largest body that may come, full of escapes, is redacted with the default
 * caps: eight times what it would take to hold it, and twice for its caller. */
static void
test_hold_largest(void **state)
{
	enum { N = 4 << 20 };
	struct stage s;
	struct call c;
	struct pass p;
	struct buf b;

	(void)state;
	stage_up(&s, ROUTES RULES);
	s.cfg.body_bytes = N;
	s.shared->holds.cap_all = 8 * N;
	s.shared->holds.cap_slot = 2 * N;
	buf_init(&b, 0);
	buf_str(&b, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":"
		    "\"alice@example.com ");
	while (b.n < N - 10)
		buf_str(&b, "\\n words");
	b.n = N - 12;
	buf_str(&b, "        \"}]}");
	assert_int_equal(b.n, N);
	call_do(&s, &deferred, &c);
	assert_int_equal(pass_claim(&s, 1, &p, &c, -1), 0);
	assert_true(gate_hold(p.x, N));
	gate_body(p.x, buf_view(&b), pass_ruled, &p);
	stage_settle(&s);
	assert_true(p.ruled);
	if (p.denied)
		fail_msg("%s", p.denial_body);
	assert_true(gate_held_bytes(s.shared) < 2 * N + 65536);
	pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
	stage_settle(&s);
	buf_free(&b);
	stage_down(&s);
}

/* The segments of a body leave when it is decided; the body stays held. */
static void
test_hold_after_verdict(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct buf b;

	(void)state;
	stage_up(&s, ROUTES "default: permit\n");
	buf_init(&b, 0);
	buf_str(&b, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}");
	for (int i = 0; i < 5000; i++)
		buf_str(&b, ",{\"role\":\"user\",\"content\":\"\\u0061\"}");
	buf_str(&b, "]}");
	call_do(&s, &deferred, &c);
	assert_int_equal(pass_claim(&s, 1, &p, &c, -1), 0);
	assert_true(gate_hold(p.x, b.n));
	gate_body(p.x, buf_view(&b), pass_ruled, &p);
	stage_turn(&s);
	stage_turn(&s);
	assert_int_equal(disk_queued, 1);
	size_t waiting = gate_held_bytes(s.shared);
	assert_true(waiting > 2 * b.n);
	stage_settle(&s);
	assert_true(p.ruled && !p.denied);
	assert_true(gate_held_bytes(s.shared) < b.n + 65536);
	assert_true(span_eq(gate_plan(p.x)->body, buf_view(&b)));
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	stage_settle(&s);
	buf_free(&b);
	stage_down(&s);
}

static void
test_tickets_full(void **state)
{
	struct stage s;
	struct call c, over;

	(void)state;
	stage_up(&s, POLICY);
	s.gate[0]->tickets.cap = 1;
	call_do(&s, &hello, &c);
	assert_string_equal(call_var(&c, "via"), "relay");
	call_do(&s, &hello, &over);
	assert_string_equal(call_var(&over, "status"), "503");
	assert_string_equal(stage_field(1, "decision"), "deny");
	assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
	stage_pass(&s, 31000000);
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_hold_largest),
		cmocka_unit_test(test_hold_after_verdict),
		cmocka_unit_test(test_tickets_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
