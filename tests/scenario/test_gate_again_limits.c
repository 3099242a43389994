/* Limits of a request that is sent to several targets. Requests and places count once. Tokens
 * and dollars count for each attempt, by its own target. */
#include "scenario/again_stage.h"

static void
attempt_over_its_limit_returns_the_last_error(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { 0 };

	(void)state;
	/* room for one attempt that may have been billed, and not for another */
	begin(&s, ROUTE("")
		"default: permit\nlimits:\n"
		"  - {name: requests, per: [identity.person], requests: 1, window: 1m}\n"
		"  - {name: tokens, per: [identity.person], tokens: 200, window: 1m}\n"
		"output_default: 100\n",
		&whole, &c, &p);
	again(&p, &a, ATTEMPT_CUT, 0);
	stage_settle(&s);
	assert_true(a.told && a.what == AGAIN_STAYS);
	assert_null(gate_plan(p.x)->body.p); /* the steps released the body */
	pass_finish(&p, END_PROVIDER_ABORT, 0, -1, -1);
	stage_settle(&s);
	assert_non_null(strstr(attempts(), "maybe_billed"));
	assert_null(strstr(attempts(), "two"));
	assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
	assert_true(stage_charged(&s, "tokens", "alice") > 100);
	ends(&s, &p, NULL);
}

static void
several_attempts_count_as_one_request(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { 0 };

	(void)state;
	begin(&s, ROUTE("")
		"default: permit\nlimits:\n"
		"  - {name: requests, per: [identity.person], requests: 1, window: 1m}\n"
		"  - {name: flight, per: [identity.person], concurrent: 1}\n",
		&whole, &c, &p);
	for (int i = 0; i < 2; i++) {
		again(&p, &a, ATTEMPT_ANSWERED, 503);
		stage_settle(&s);
		assert_true(a.told && a.what == AGAIN_GOES);
	}
	assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	stage_settle(&s);
	assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
	ends(&s, &p, NULL);
}

static void
request_that_reached_no_provider_is_not_counted(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { 0 };

	(void)state;
	begin(&s, POLICY, &whole, &c, &p);
	for (int i = 0; i < 3; i++) {
		again(&p, &a, ATTEMPT_NEVER_SENT, 0);
		stage_settle(&s);
		assert_true(a.told);
	}
	assert_int_equal(a.what, AGAIN_UNAVAILABLE);
	pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
	stage_settle(&s);
	assert_int_equal(stage_charged(&s, "requests", "alice"), 0);
	assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
	ends(&s, &p, NULL);
}

/* The prompt may be counted late. The cost of the recorded attempt then still equals the charge
 * to the limit. */
static void
recorded_cost_equals_the_charge(void **state)
{
	struct stage s;
	char policy[1500], cwd[500];

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(policy, sizeof(policy),
		"prices: %s/tests/e2e/costs.prices.yaml\n"
		"providers:\n"
		"  one: {backend: first, dialect: openai, prices: openai}\n"
		"  two: {backend: second, dialect: openai, prices: openai}\n"
		"routes:\n"
		"  - {name: chat, match: {path: /v1/chat/completions}, targets: [{provider: "
		"one, model: gpt-4o}, two], response: [meter]}\n"
		"default: permit\n"
		"limits: [{name: money, per: [identity.person], usd: 900, window: 1m}]\n"
		"output_default: 100\n",
		cwd);
	stage_up(&s, policy);
	s.table->owner = &s.mail[0]; /* the worker keeps what is left, once it was asked */
	for (int i = 0; i < 2; i++) {
		struct call c;
		struct pass p;
		char cost[64];
		call_do(&s, &whole, &c);
		assert_string_equal(stage_field(disk_records - 1, "prompt.tokens_by_bytes"),
			i ? "true" : "");
		assert_int_equal(pass_claim(&s, 0, &p, &c, LEN(HELLO)), 0);
		gate_stands(p.x, 0);
		pass_finish(&p, END_PROVIDER_ABORT, 200, -1, -1);
		stage_settle(&s);
		snprintf(cost, sizeof(cost), "\"cost\":%s}",
			stage_field(disk_records - 1, "reserved_usage.cost_nanousd"));
		if (strlen(cost) < 10 ||
			!strstr(stage_field(disk_records - 1, "attempts"), cost))
			fail_msg("%d: %s: %s", i, cost,
				stage_field(disk_records - 1, "attempts"));
	}
	stage_down(&s);
}

/* Each attempt costs what its own target costs: a prompt token 1,000 or 7,000 nano-dollars, a
 * completion token 10,000 or 70,000. */
static void
dollar_limit_sums_all_attempts(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { 0 };
	char prices[] = "/tmp/tg-prices-XXXXXX", policy[2048];
	int fd = mkstemp(prices);

	(void)state;
	assert_true(fd >= 0);
	dprintf(fd, "prices: 1\nproviders:\n  one: [{model: m1, input: 1, output: 10}]\n"
		    "  two: [{model: m2, input: 3, output: 30}]\n"
		    "  three: [{model: m, input: 7, output: 70}]\n");
	close(fd);
	snprintf(policy, sizeof(policy),
		"prices: %s\n" ROUTE("") "default: permit\noutput_default: 100\n"
					 "limits: [{name: money, per: [identity.person], "
					 "usd: 900, window: 1m}]\n",
		prices);
	begin(&s, policy, &whole, &c, &p);
	int64_t first = stage_charged(&s, "money", "alice");
	assert_true(first > 100 * 10000);
	again(&p, &a, ATTEMPT_CUT, 0); /* may have been billed: the amount stays charged */
	stage_settle(&s);
	assert_true(span_is(goes_to(&p), "second"));
	assert_true(stage_charged(&s, "money", "alice") > first + 100 * 30000);
	again(&p, &a, ATTEMPT_ANSWERED, 503); /* costs nothing */
	stage_settle(&s);
	assert_true(span_is(goes_to(&p), "third"));
	pass_finish(&p, END_COMPLETE, 200, 13, 17);
	stage_settle(&s);
	assert_int_equal(stage_charged(&s, "money", "alice"), first + 13 * 7000 + 17 * 70000);
	/* the record has the same sum */
	int64_t all = 0;
	for (const char *at = attempts(); (at = strstr(at, "\"cost\":")); at++)
		all += strtoll(at + strlen("\"cost\":"), NULL, 10);
	assert_int_equal(all, first + 13 * 7000 + 17 * 70000);
	ends(&s, &p, NULL);
	unlink(prices);
}

/* However a request with several attempts ends, its place is free afterwards, and not
 * before. */
static void
place_is_free_after_the_last_attempt(void **state)
{
#define FLIGHT                                                                                 \
	"default: permit\nlimits: [{name: flight, per: [identity.person], concurrent: 1}]\n"
	static const struct {
		const char *name, *policy;
		int fails;		/* number of attempts that fail */
		enum attempt_said said; /* how they fail */
		/* lets the stage answer before the end; else the end arrives in between, or in
		 * the pause */
		bool settles;
		enum exchange_end end;
	} rows[] = {
		{ "the first target answers", ROUTE("") FLIGHT, 0, 0, true, END_COMPLETE },
		{ "the second target answers", ROUTE("") FLIGHT, 1, ATTEMPT_ANSWERED, true,
			END_COMPLETE },
		{ "the third target answers", ROUTE("") FLIGHT, 2, ATTEMPT_CUT, true,
			END_COMPLETE },
		{ "none", ROUTE("") FLIGHT, 3, ATTEMPT_ANSWERED, true, END_COMPLETE },
		{ "never sent", ROUTE("") FLIGHT, 3, ATTEMPT_NEVER_SENT, true, END_NEVER_SENT },
		{ "cut", ROUTE("") FLIGHT, 1, ATTEMPT_CUT, true, END_PROVIDER_ABORT },
		{ "the caller leaves between two attempts", ROUTE("") FLIGHT, 1,
			ATTEMPT_ANSWERED, false, END_CLIENT_ABORT },
		{ "the caller leaves during the pause", ONE FLIGHT, 1, ATTEMPT_ANSWERED, false,
			END_CLIENT_ABORT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stage s;
		struct call c, other;
		struct pass p;
		struct asked a = { 0 };
		begin(&s, rows[i].policy, &whole, &c, &p);
		for (int n = 0; n < rows[i].fails; n++) {
			again(&p, &a, rows[i].said, 503);
			if (rows[i].settles)
				stage_settle(&s);
		}
		call_do(&s, &whole, &other);
		if (strcmp(call_var(&other, "status"), "429"))
			fail_msg("%s: two at once", rows[i].name);
		pass_finish(&p, rows[i].end, rows[i].end == END_COMPLETE ? 200 : 0, -1, -1);
		stage_settle(&s);
		assert_true(p.done);
		for (int n = 0; n < 2; n++) {
			call_do(&s, &whole, &other);
			if (strcmp(call_var(&other, "status"), n ? "429" : ""))
				fail_msg("%s: %d after it: %s", rows[i].name, n + 1,
					call_var(&other, "status"));
		}
		stage_pass(&s, 31000000); /* nobody claims the ticket */
		ends(&s, &p, NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attempt_over_its_limit_returns_the_last_error),
		cmocka_unit_test(several_attempts_count_as_one_request),
		cmocka_unit_test(request_that_reached_no_provider_is_not_counted),
		cmocka_unit_test(recorded_cost_equals_the_charge),
		cmocka_unit_test(dollar_limit_sums_all_attempts),
		cmocka_unit_test(place_is_free_after_the_last_attempt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
