/* Long bodies from the relay and long responses are processed by a helper thread. The worker
 * serves other requests meanwhile, and nothing is left behind if the client disconnects or the
 * daemon stops. */
#include "scenario/gate_stage.h"

#include <pthread.h>
#include <time.h>
#include <zlib.h>

#include "answer/guard/guard.h"

#define POLICY                                                                                 \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, dialect: "     \
	"openai, backend: openai}\n"                                                           \
	"rules:\n"                                                                             \
	"  - {name: no-secrets, when: '\"secret\" in prompt.classes', deny: true}\n"           \
	"  - {name: pii, when: '\"pii\" in prompt.classes', redact: {classes: [pii]}}\n"       \
	"default: permit\n"                                                                    \
	"limits:\n"                                                                            \
	"  - {name: requests, per: [identity.person], requests: 50, window: 1m}\n"
#define INSPECTS                                                                               \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, dialect: "     \
	"openai, backend: openai}\n"                                                           \
	"rules:\n"                                                                             \
	"  - {name: back, phase: response, redact: {classes: [pii]}}\n"                        \
	"default: permit\n"
#define HELLO "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define MAIL  "someone@example.com"

/* Writes a chat of about n bytes with the address at its end. */
static void
put_chat(struct buf *b, size_t n)
{
	buf_init(b, 0);
	buf_str(b, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"");
	while (b->n < n)
		buf_str(b, "words and words of which nothing is to be found ");
	buf_str(b, MAIL "\"}]}");
}

static void
put_gzip(struct buf *to, struct span text)
{
	z_stream z = { 0 };

	buf_init(to, 0);
	char *at = buf_reserve(to, text.n + 100);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)text.p;
	z.avail_in = (uInt)text.n;
	z.next_out = (Bytef *)at;
	z.avail_out = (uInt)text.n + 100;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_commit(to, z.total_out);
	deflateEnd(&z);
}

/* The relay claims a NOTIFY's ticket and delivers this body. */
static void
bring(struct stage *s, struct pass *p, const struct note *n, struct span body)
{
	struct call c;

	call_do(s, n, &c);
	assert_string_equal(call_var(&c, "decision"), "defer");
	assert_int_equal(pass_claim(s, 0, p, &c, n->no_length ? -1 : (int64_t)n->body_n), 0);
	gate_body(p->x, body, pass_ruled, p);
}

/* Worker 0 receives a body that is so long that a helper reads it. Its length was not
 * declared. */
static void
bring_long(struct stage *s, struct pass *p, struct span body)
{
	struct note n = {
		.person = "alice", .body = "x", .body_n = 1, .partial = true, .no_length = true
	};

	bring(s, p, &n, body);
	mailbox_drain(&s->mail[0], NULL);
}

static void
wait_for(struct stage *s, const bool *what)
{
	for (int i = 0; i < 20000 && !*what; i++) {
		stage_settle(s);
		usleep(500);
	}
	assert_true(*what);
}

/* Such a text blocks a worker, and more of them are likely to follow. */
static void
after_an_expensive_text_helpers_read_shorter_bodies(void **state)
{
	enum { MIDDLE = 40 << 10, SHORT = 20 << 10 };
	struct stage s;
	struct call c;
	struct pass p;
	struct buf middle, brief, dear;

	(void)state;
	stage_up(&s, POLICY);
	assert_int_equal(gate_helpers_start(s.shared), 0);
	put_chat(&middle, MIDDLE);
	put_chat(&brief, SHORT);
	buf_init(&dear, 0);
	buf_str(&dear, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"");
	while (dear.n < MIDDLE)
		buf_str(&dear, "\\\\u0034token:\xEF\xBC\x94");
	buf_str(&dear, "\"}]}");
	const struct note middle_note = {
		.person = "bob", .body = middle.p, .body_n = middle.n
	};
	call_do(&s, &middle_note, &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	call_do(&s, &(struct note){ .person = "alice", .body = dear.p, .body_n = dear.n }, &c);
	assert_string_equal(call_var(&c, "status"), "413");
	call_do(&s, &(struct note){ .person = "bob", .body = brief.p, .body_n = brief.n }, &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	bring(&s, &p, &middle_note, buf_view(&middle));
	mailbox_drain(&s.mail[0], NULL);
	assert_false(p.ruled); /* a helper has it */
	wait_for(&s, &p.ruled);
	assert_false(p.denied);
	pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
	wait_for(&s, &p.done);
	stage_pass(&s, 61000000);
	call_do(&s, &middle_note, &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	gate_helpers_stop(s.shared);
	stage_pass(&s, 31000000);
	stage_down(&s);
	buf_free(&middle);
	buf_free(&brief);
	buf_free(&dear);
}

static void
worker_serves_others_while_a_helper_reads(void **state)
{
	struct stage s;
	struct pass p;
	struct call c;
	struct buf body;

	(void)state;
	stage_up(&s, POLICY);
	assert_int_equal(gate_helpers_start(s.shared), 0);
	put_chat(&body, 900000);
	/* The worker passes the body to a helper and is free at once, however much time
	 * passes. */
	bring_long(&s, &p, buf_view(&body));
	assert_false(p.ruled);
	assert_null(s.gate[0]->turns);
	stage_pass(&s, 2000000);
	call_do(&s, &(struct note){ .person = "bob", .body = HELLO }, &c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	wait_for(&s, &p.ruled);
	assert_false(p.denied);
	struct span out = gate_plan(p.x)->body;
	assert_null(memmem(out.p, out.n, MAIL, sizeof(MAIL) - 1));
	assert_non_null(memmem(out.p, out.n, "<EMAIL_ADDRESS_1>", 17));
	pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
	wait_for(&s, &p.done);
	gate_helpers_stop(s.shared);
	stage_down(&s);
	buf_free(&body);
}

/* The worker itself decompresses a body if that takes little work. */
static void
body_that_takes_little_work_is_read_by_the_worker(void **state)
{
	static const struct {
		const char *name;
		bool packed;
		size_t n;
		const char *decision;
	} rows[] = {
		{ "a worker decides a short body at once", false, 45000, "redact" },
		{ "a helper decides a long body that arrives by the relay", false, 60000,
			"defer" },
		{ "a worker decides a body that decompresses to a short one", true, 45000, "redact" },
		{ "a helper decides a body that decompresses to a long one", true,
			900000, "defer" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stage s;
		struct call c;
		struct pass p;
		struct buf text, body;
		stage_up(&s, POLICY);
		assert_int_equal(gate_helpers_start(s.shared), 0);
		put_chat(&text, rows[i].n);
		if (rows[i].packed) {
			put_gzip(&body, buf_view(&text));
		} else {
			buf_init(&body, 0);
			buf_span(&body, buf_view(&text));
		}
		struct note n = { .person = "alice",
			.body = buf_view(&body).p,
			.body_n = body.n,
			.headers = { rows[i].packed ? "content-encoding: gzip" : NULL } };
		call_do(&s, &n, &c);
		if (strcmp(call_var(&c, "decision"), rows[i].decision))
			fail_msg("%s: %s", rows[i].name, call_var(&c, "decision"));
		assert_int_equal(pass_claim(&s, 0, &p, &c, (int64_t)body.n), 0);
		if (gate_plan(p.x)->body_mode == BODY_DEFER) {
			gate_body(p.x, buf_view(&body), pass_ruled, &p);
			wait_for(&s, &p.ruled);
			assert_false(p.denied);
		}
		struct span out = gate_plan(p.x)->body;
		assert_true(out.n > rows[i].n);
		assert_null(memmem(out.p, out.n, MAIL, sizeof(MAIL) - 1));
		pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
		wait_for(&s, &p.done);
		gate_helpers_stop(s.shared);
		stage_down(&s);
		buf_free(&text);
		buf_free(&body);
	}
}

/* The client disconnects at any moment: the helper is asked to stop, and the memory is kept
 * until it has returned. */
static void
client_may_disconnect_while_a_helper_reads(void **state)
{
	struct stage s;
	struct buf body;

	(void)state;
	stage_up(&s, POLICY);
	assert_int_equal(gate_helpers_start(s.shared), 0);
	put_chat(&body, 900000);
	for (useconds_t us = 0; us < 40000; us += 2000) {
		struct pass p;
		disk_records = 0;
		buf_clear(&disk_text);
		bring_long(&s, &p, buf_view(&body));
		usleep(us);
		pass_finish(&p, END_CLIENT_ABORT, 0, -1, -1);
		wait_for(&s, &p.done);
		assert_int_equal(stage_alive(&s), 0);
		assert_int_equal(gate_held_bytes(s.shared), 0);
	}
	gate_helpers_stop(s.shared);
	stage_down(&s);
	buf_free(&body);
}

static uint64_t
real_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The client disconnects at any step. A helper that stops between two messages of a long body
 * returns to the worker without a result. */
static void
client_may_disconnect_between_two_messages(void **state)
{
	struct buf body;

	(void)state;
	buf_init(&body, 0);
	buf_str(&body, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"");
	for (size_t k = 1; k <= 20; k++) {
		while (body.n < k * 45000)
			buf_str(&body, "words and words of which nothing is to be found ");
		buf_str(&body, k < 20 ? "\"},{\"role\":\"user\",\"content\":\"" : "\"}]}");
	}
	uint64_t whole_us = 0; /* the first client stays until the verdict */
	for (unsigned i = 0; i <= 40; i++) {
		struct stage s;
		struct pass p;
		stage_up(&s, POLICY);
		assert_int_equal(gate_helpers_start(s.shared), 0);
		uint64_t began_us = real_us();
		bring_long(&s, &p, buf_view(&body));
		while (!p.ruled && (i == 0 || real_us() - began_us < whole_us * i / 40)) {
			stage_settle(&s);
			usleep(50);
		}
		whole_us = i ? whole_us : real_us() - began_us;
		pass_finish(&p, END_CLIENT_ABORT, 0, -1, -1);
		wait_for(&s, &p.done);
		assert_int_equal(stage_alive(&s), 0);
		gate_helpers_stop(s.shared);
		stage_down(&s);
	}
	buf_free(&body);
}

/* The daemon stops: the helper ends early and returns what it had. */
static void
helper_ends_early_if_the_daemon_stops(void **state)
{
	struct stage s;
	struct pass p;
	struct buf body;

	(void)state;
	stage_up(&s, POLICY);
	assert_int_equal(gate_helpers_start(s.shared), 0);
	put_chat(&body, 900000);
	bring_long(&s, &p, buf_view(&body));
	pass_finish(&p, END_CLIENT_ABORT, 0, -1, -1);
	usleep(1000);
	gate_helpers_stop(s.shared);
	wait_for(&s, &p.done);
	stage_down(&s);
	buf_free(&body);
}

/* ---- responses ---- */

struct reading {
	struct guard *g;
	struct span in;
	struct buf out;
	enum guard_result got;
	pthread_t by;
	bool back;
};

static void
read_it(void *arg)
{
	struct reading *r = arg;

	r->by = pthread_self();
	r->got = guard_feed(r->g, r->in, &r->out);
}

static void
read_back(void *arg)
{
	((struct reading *)arg)->back = true;
}

/* The helper uses its own scratch memory, because the worker's is in use meanwhile. */
static void
helper_reads_a_long_response(void **state)
{
	static const struct guard_head head = { .status = 200,
		.content_type = SPAN_LIT("text/event-stream") };
	struct reading r = { .got = GUARD_BROKEN };
	struct stage s;
	struct pass p;
	struct buf body, event;

	(void)state;
	stage_up(&s, INSPECTS);
	put_chat(&body, 1000);
	bring_long(&s, &p, buf_view(&body));
	wait_for(&s, &p.ruled);
	assert_false(p.denied);
	assert_int_equal(gate_answer(p.x, &head, &r.g), 0);
	assert_non_null(r.g);
	assert_false(gate_aside(p.x, read_it, read_back, &r)); /* there are no helpers */
	assert_int_equal(gate_helpers_start(s.shared), 0);
	buf_init(&event, 0);
	buf_init(&r.out, 0);
	buf_str(&event, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" MAIL);
	while (event.n < 900000)
		buf_str(&event, " and words of which nothing is to be said");
	buf_str(&event, "\"}}]}\n\n");
	r.in = buf_view(&event);
	assert_true(guard_is_long(r.g, r.in.n));
	assert_true(gate_aside(p.x, read_it, read_back, &r));
	assert_false(r.back); /* the result arrives by mail */
	wait_for(&s, &r.back);
	assert_false(pthread_equal(r.by, pthread_self()));
	assert_int_equal(r.got, GUARD_PASS);
	assert_null(memmem(r.out.p, r.out.n, MAIL, sizeof(MAIL) - 1));
	assert_non_null(memmem(r.out.p, r.out.n, "<EMAIL_ADDRESS>", 15));
	/* The helper does not read a response that nobody waits for. */
	uint64_t events = guard_report(r.g)->events;
	guard_stop(r.g);
	r.back = false;
	assert_true(gate_aside(p.x, read_it, read_back, &r));
	wait_for(&s, &r.back);
	assert_int_equal(r.got, GUARD_STOPPED);
	assert_int_equal(guard_report(r.g)->events, events);
	pass_finish(&p, END_CLIENT_ABORT, 200, -1, -1);
	wait_for(&s, &p.done);
	gate_helpers_stop(s.shared);
	stage_down(&s);
	buf_free(&r.out);
	buf_free(&event);
	buf_free(&body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_an_expensive_text_helpers_read_shorter_bodies),
		cmocka_unit_test(worker_serves_others_while_a_helper_reads),
		cmocka_unit_test(body_that_takes_little_work_is_read_by_the_worker),
		cmocka_unit_test(client_may_disconnect_while_a_helper_reads),
		cmocka_unit_test(client_may_disconnect_between_two_messages),
		cmocka_unit_test(helper_ends_early_if_the_daemon_stops),
		cmocka_unit_test(helper_reads_a_long_response),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
