/* Memory that a request borrows, and what becomes of requests when the daemon stops. */
#include "scenario/gate_stage.h"
#include "scenario/relay_policy.h"

/* Fields that point into the NOTIFY's frame are cleared when the frame is freed. */
static void
views_of_the_frame_are_cleared_with_it(void **state)
{
	static const struct note rows[] = {
		{ .person = "alice", .body = HELLO, .certificate = "DER" },
		{ .person = "alice",
			.body = HELLO,
			.no_length = true,
			.headers = { "transfer-encoding: chunked" },
			.certificate = "DER" },
	};
	struct stage s;

	(void)state;
	stage_up(&s, POLICY);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct call c;
		struct pass p;
		call_send(&s, 0, &rows[i], &c);
		assert_int_equal(c.r->in.certificate.n, 3);
		stage_settle(&s);
		assert_int_equal(pass_claim(&s, 0, &p, &c, i ? -1 : LEN(HELLO)), 0);
		assert_null(p.x->r->in.certificate.p);
		assert_null(p.x->r->in.body_raw.p);
		assert_null(p.x->r->in.raw.p);
		pass_finish(&p, END_CLIENT_ABORT, 0, -1, -1);
		stage_settle(&s);
	}
	stage_down(&s);
}

/* The daemon stops while each request waits for something else. Each leaves its record, its
 * reservation is released, and nothing is left. */
static void
each_waiting_request_is_recorded_if_the_daemon_stops(void **state)
{
	struct call c[4];
	struct pass p;
	struct stage s;

	(void)state;
	stage_up(&s, POLICY);
	call_send(&s, 0, &hello, &c[0]);
	call_do(&s, &hello, &c[1]); /* c[0] has its ticket by now */
	call_send(&s, 0, &deferred, &c[2]);
	stage_settle(&s);
	assert_int_equal(pass_claim(&s, 1, &p, &c[2], -1), 0);
	gate_body(p.x, SPAN_LIT(HELLO), pass_ruled, &p); /* waits for the classifier */
	stage_turn(&s);
	call_send(&s, 0, &hello, &c[3]); /* waits for the quota store */
	gate_forget(c[3].r);
	buf_free(&c[3].frame);
	pass_finish(&p, END_CLIENT_ABORT, 0, -1, -1);
	gate_abort(s.gate[0]);
	gate_abort(s.gate[1]);
	stage_settle(&s);
	assert_true(p.done);
	assert_int_equal(stage_charged(&s, "requests", "alice"), 0);
	assert_true(stage_records_hold("the relay did not take up the ticket in time"));
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(views_of_the_frame_are_cleared_with_it),
		cmocka_unit_test(each_waiting_request_is_recorded_if_the_daemon_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
