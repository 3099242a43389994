/* Request limits, for requests whose bodies arrive long after their heads. */
#include "scenario/gate_policy.h"
#include "scenario/gate_stage.h"

static const struct note deferred = { .person = "alice",
	.body = HELLO,
	.no_length = true,
	.headers = { "transfer-encoding: chunked" } };

/* Bodies that are held back over several windows are counted when they arrive. No window admits
 * more than the limit, and what was counted for their heads is released. */
static void
late_bodies_count_in_the_window_they_arrive_in(void **state)
{
	/* the limit is 5 requests per minute, in buckets of 6 s */
	static const struct {
		const char *name;
		unsigned windows,
			heads;	  /* `heads` heads are sent in each of `windows` windows */
		uint64_t then_us; /* time after the last of them */
		unsigned fresh;	  /* whole requests just before the bodies arrive */
		unsigned want;	  /* bodies that are admitted */
	} rows[] = {
		{ "bodies at once: all that were charged", 1, 5, 1000, 0, 5 },
		{ "bodies in the next bucket: all, each counted once", 1, 5, 7000000, 0, 5 },
		{ "bodies after a window: all", 1, 5, 70000000, 0, 5 },
		{ "bodies after a window, with other requests: the rest of the limit", 1, 5,
			70000000, 3, 2 },
		{ "bodies after a window, with the limit exhausted by others", 1, 5, 70000000,
			5, 0 },
		{ "heads of three windows at once: one window's limit", 3, 5, 1000, 0, 5 },
		{ "heads of three windows in the fourth, with other requests", 3, 5, 70000000,
			4, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct pass p[16];
		struct stage s;
		struct call c;
		size_t n = 0, sent = 0;
		stage_up(&s, ROUTES RULES "limits:\n"
					  "  - {name: requests, per: [identity.person], "
					  "requests: 5, window: 1m}\n");
		for (unsigned w = 0; w < rows[i].windows; w++) {
			if (w)
				stage_pass(&s, 70000000);
			for (unsigned k = 0; k < rows[i].heads; k++, n++) {
				call_do(&s, &deferred, &c);
				assert_string_equal(call_var(&c, "decision"), "defer");
				assert_int_equal(pass_claim(&s, k % 2, &p[n], &c, -1), 0);
			}
		}
		stage_pass(&s, rows[i].then_us);
		for (unsigned k = 0; k < rows[i].fresh; k++) {
			call_do(&s, &(struct note){ .person = "alice", .path = "/api/x" }, &c);
			assert_string_equal(call_var(&c, "decision"), "permit");
		}
		for (size_t k = 0; k < n; k++)
			gate_body(p[k].x, SPAN_LIT(HELLO), pass_ruled, &p[k]);
		stage_settle(&s);
		for (size_t k = 0; k < n; k++) {
			assert_true(p[k].ruled);
			sent += !p[k].denied;
			if (p[k].denied)
				assert_int_equal(p[k].denial.status, 429);
		}
		if (sent != rows[i].want)
			fail_msg("%s: %zu", rows[i].name, sent);
		assert_int_equal(stage_charged(&s, "requests", "alice"), sent + rows[i].fresh);
		for (size_t k = 0; k < n; k++)
			pass_finish(&p[k], p[k].denied ? END_DENIED : END_COMPLETE, 200, 1, 1);
		stage_settle(&s);
		assert_int_equal(stage_charged(&s, "requests", "alice"), sent + rows[i].fresh);
		stage_down(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_bodies_count_in_the_window_they_arrive_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
