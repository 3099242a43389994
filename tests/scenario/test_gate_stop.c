/* What a request holds of others' memory, and what becomes of it when the daemon stops. */
#include "scenario/gate_stage.h"
#include "scenario/relay_policy.h"

/* What views the NOTIFY is forgotten with it. */
static void
what_views_the_frame_is_forgotten_with_it(void **state)
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

/* The daemon ends while each of them waits for something else: each leaves its record,
 * what it reserved is given back, and nothing is left. */
static void
at_the_daemons_end_each_wait_leaves_its_record(void **state)
{
	struct call c[4];
	struct pass p;
	struct stage s;

	(void)state;
	stage_up(&s, POLICY);
	call_send(&s, 0, &hello, &c[0]);
	call_do(&s, &hello, &c[1]); /* c[0] too has its ticket by now */
	call_send(&s, 0, &deferred, &c[2]);
	stage_settle(&s);
	assert_int_equal(pass_claim(&s, 1, &p, &c[2], -1), 0);
	gate_body(p.x, SPAN_LIT(HELLO), pass_ruled, &p); /* the classifier's turn */
	stage_turn(&s);
	call_send(&s, 0, &hello, &c[3]); /* the quota */
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
		cmocka_unit_test(what_views_the_frame_is_forgotten_with_it),
		cmocka_unit_test(at_the_daemons_end_each_wait_leaves_its_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
