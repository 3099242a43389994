/* Which of a route's targets a request is sent to, through the gate: by the table of targets,
 * the price list and the conversation, before and after the rules. */
#include "scenario/gate_stage.h"

#include "gate/targets/state.h"

#define PROVIDERS                                                                              \
	"providers:\n"                                                                         \
	"  a: {backend: openai, dialect: openai}\n"                                            \
	"  b: {backend: azure, dialect: openai}\n"                                             \
	"  c: {backend: vllm, dialect: openai, external: false}\n"
#define ROUTE(more)                                                                            \
	PROVIDERS "routes:\n  - {name: chat, match: {methods: [POST], path: "                  \
		  "/v1/chat/completions}, " more "}\n"
#define THREE  "targets: [a, {provider: b, model: m-b}, c]"
#define PERMIT "default: permit\nrules: []\n"
#define BODY                                                                                   \
	"{\"model\":\"gpt\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":"   \
	"\"hello\"}]}"

/* Sends one request. Returns its target, or the status of its refusal. */
static const char *
goes(struct stage *s, struct call *c, const char *person, const char *body)
{
	call_do(s, &(struct note){ .person = person, .body = body }, c);
	return !strcmp(call_var(c, "decision"), "deny") ? call_var(c, "status")
							: call_var(c, "backend");
}

static void
end(struct stage *s)
{
	stage_pass(s, 31000000); /* nobody claims the tickets */
	stage_settle(s);
	stage_down(s);
}

static void
ends_once(struct stage *s, const char *provider, const char *model, uint32_t caller,
	const struct target_end *e)
{
	struct target t = { .name = provider,
		.model = model,
		.breaker = { .on = true, .failures = 5, .open_us = 5000000 } };
	struct target_attempt a;

	target_begin(&a, target_state_of(s->shared->targets, &t), &t,
		&(struct target_asks){ .caller = caller }, fake_mono);
	target_over(&a, e, fake_mono);
}

static void
fails(struct stage *s, const char *provider, const char *model, int times)
{
	while (times--)
		ends_once(s, provider, model, 7,
			&(struct target_end){ .cause = CAUSE_NEVER_SENT });
}

static void
unavailable_target_is_skipped_and_the_record_has_the_reason(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, ROUTE(THREE) PERMIT);
	assert_string_equal(goes(&s, &c, "alice", BODY), "openai");
	assert_string_equal(stage_field(0, "candidates"),
		"[{\"target\":\"a\",\"fate\":\"chosen\"},{\"target\":\"b\",\"model\":\"m-b\","
		"\"fate\":\"left\"},{\"target\":\"c\",\"fate\":\"left\"}]");
	fails(&s, "a", NULL, 5);
	assert_string_equal(goes(&s, &c, "alice", BODY), "azure");
	assert_string_equal(stage_field(1, "candidates"),
		"[{\"target\":\"a\",\"fate\":\"out\",\"out\":\"ejected\",\"state\":\"open\","
		"\"place\":2},{\"target\":\"b\",\"model\":\"m-b\",\"fate\":\"chosen\","
		"\"place\":0},{\"target\":\"c\","
		"\"fate\":\"left\",\"place\":1}]");
	/* the pause is over: the next request is the target's probe */
	fake_pass_us(6100000);
	assert_string_equal(goes(&s, &c, "alice", BODY), "openai");
	end(&s);
}

static void
all_targets_out_gives_503_with_the_soonest_retry_after(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, ROUTE("targets: [a, {provider: b, model: m-b}]") PERMIT);
	for (uint32_t who = 7; who <= 8; who++)
		ends_once(&s, "a", NULL, who,
			&(struct target_end){ .cause = CAUSE_THROTTLED, .asked_us = 9500000 });
	ends_once(&s, "b", "m-b", 7,
		&(struct target_end){
			.cause = CAUSE_REFUSED_US, .status = 401, .our_key = true });
	assert_string_equal(goes(&s, &c, "alice", BODY), "503");
	assert_non_null(strstr(call_var(&c, "error"), "provider_unavailable"));
	assert_string_equal(call_var(&c, "retry_after"), "10");
	fake_pass_us(3000000);
	assert_string_equal(goes(&s, &c, "alice", BODY), "503");
	assert_string_equal(call_var(&c, "retry_after"), "7");
	end(&s);
}

/* No other target is left, so one that failed is asked before its pause ends, one request at a
 * time. */
static void
with_all_targets_failed_the_likeliest_is_probed(void **state)
{
	struct stage s;
	struct call c[3];

	(void)state;
	stage_up(&s, ROUTE(THREE) PERMIT);
	target_eject(s.shared->targets, SPAN_LIT("c"));
	ends_once(
		&s, "b", "m-b", 7, &(struct target_end){ .cause = CAUSE_DONE, .status = 200 });
	fails(&s, "a", NULL, 5);
	fails(&s, "b", "m-b", 5);
	/* this target answered last */
	assert_string_equal(goes(&s, &c[0], "alice", BODY), "azure");
	call_send(&s, 0, &(struct note){ .person = "bob", .body = BODY }, &c[1]);
	stage_settle(&s);
	assert_false(c[1].answered); /* the second request waits for the result of the first */
	stage_pass(&s, 810000);
	stage_settle(&s);
	assert_true(c[1].answered);
	assert_string_equal(call_var(&c[1], "backend"), "openai");
	call_send(&s, 0, &(struct note){ .person = "carol", .body = BODY }, &c[2]);
	stage_pass(&s, 810000);
	stage_settle(&s);
	assert_true(c[2].answered);
	assert_string_equal(call_var(&c[2], "status"), "503");
	assert_in_range(atoi(call_var(&c[2], "retry_after")), 2, 5);
	end(&s);
}

/* A target that is down does not make a target acceptable that a rule forbids: 403 if none is
 * left, 503 if the permitted one is unavailable. */
static void
rule_stands_if_a_target_is_down(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s,
		ROUTE(THREE) "default: permit\nrules: [{name: house, when: 'target.external', "
			     "deny: true}]\n");
	assert_string_equal(goes(&s, &c, "alice", BODY), "vllm");
	target_eject(s.shared->targets, SPAN_LIT("c"));
	assert_string_equal(goes(&s, &c, "alice", BODY), "503");
	target_admit(s.shared->targets, SPAN_LIT("c"));
	fails(&s, "c", NULL, 5);
	assert_string_equal(goes(&s, &c, "alice", BODY), "vllm");
	end(&s);
}

static void
single_target_without_breaker_is_out_only_if_ejected(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, ROUTE("targets: [a]") PERMIT);
	fails(&s, "a", NULL, 20);
	assert_string_equal(goes(&s, &c, "alice", BODY), "openai");
	assert_string_equal(call_var(&c, "via"), "direct");
	assert_string_equal(stage_field(0, "candidates"), "");
	target_eject(s.shared->targets, SPAN_LIT("a"));
	assert_string_equal(goes(&s, &c, "alice", BODY), "503");
	target_admit(s.shared->targets, SPAN_LIT("a"));
	assert_string_equal(goes(&s, &c, "alice", BODY), "openai");
	end(&s);
}

/* A single target gets one attempt and is not part of the loop of attempts. */
static void
single_target_with_a_breaker_rests_as_long_as_it_asks(void **state)
{
	static const struct {
		uint64_t asked_us;
		enum target_condition is;
	} rows[] = { { 3000000, TARGET_THROTTLED }, { 0, TARGET_OPEN } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stage s;
		struct call c;
		struct pass p;
		struct exchange_result res = {
			.end = END_COMPLETE, .status = 429, .asked_us = rows[i].asked_us
		};
		uint64_t back_us;
		stage_up(&s, "providers:\n  a: {backend: openai, dialect: openai, breaker: "
			     "{failures: "
			     "1, open: 5s}}\n"
			     "routes:\n  - {name: chat, match: {path: /v1/chat/completions}, "
			     "targets: "
			     "[a], response: [meter]}\n" PERMIT);
		call_do(&s, &(struct note){ .person = "alice", .body = BODY }, &c);
		assert_string_equal(call_var(&c, "via"), "relay");
		assert_int_equal(pass_claim(&s, 0, &p, &c, sizeof(BODY) - 1), 0);
		assert_false(gate_plan(p.x)->asks);
		gate_finish(p.x, &res, pass_done, &p);
		stage_settle(&s);
		const struct target_state *t = target_state(s.shared->targets, "a", NULL);
		assert_int_equal(
			target_condition(t, true, fake_mono, &back_us, NULL), rows[i].is);
		if (rows[i].asked_us)
			assert_int_equal(back_us, fake_mono + rows[i].asked_us);
		stage_down(&s);
	}
}

static void
later_group_is_used_if_the_first_is_out(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s,
		ROUTE("targets: [{provider: a, priority: 2}, {provider: b, model: m-b}, c]")
			PERMIT);
	assert_string_equal(goes(&s, &c, "alice", BODY), "azure");
	fails(&s, "b", "m-b", 5);
	assert_string_equal(goes(&s, &c, "alice", BODY), "vllm");
	fails(&s, "c", NULL, 5);
	assert_string_equal(goes(&s, &c, "alice", BODY), "openai");
	end(&s);
}

static const char *lone_refusal; /* document of a 401; NULL: none */

/* Sends one attempt and returns its target. At a it ends with `status`, at another target it
 * succeeds. */
static const char *
attempt_ends(struct stage *s, const struct note *n, int status)
{
	struct call c;
	struct pass p;
	struct exchange_result res = { .end = END_COMPLETE };
	static char where[32];

	call_do(s, n, &c);
	snprintf(where, sizeof(where), "%s",
		strcmp(call_var(&c, "decision"), "deny") ? call_var(&c, "backend")
							 : call_var(&c, "status"));
	if (strcmp(call_var(&c, "decision"), "deny")) {
		res.status = !strcmp(where, "openai") ? status : 200;
		assert_int_equal(pass_claim(s, 0, &p, &c, sizeof(BODY) - 1), 0);
		if (status == 401 && lone_refusal)
			gate_failed(p.x, status, SPAN_LIT(""), SPAN_LIT(""), span_str(lone_refusal));
		gate_finish(p.x, &res, pass_done, &p);
	}
	stage_settle(s);
	return where;
}

/* Of one person, sixteen requests a second fail, by one key or by two; other callers send four
 * a second. */
static void
failures_of_one_caller_disable_no_target_for_others(void **state)
{
	(void)state;
	for (int keys = 1; keys <= 2; keys++) {
		struct stage s;
		stage_key_is_of[3] = keys == 2 ? "alice" : NULL; /* dave's key */
		stage_up(&s, ROUTE("targets: [a, b], retry: {attempts: 1}, response: [meter]")
				     PERMIT);
		for (int i = 0; i < 10 * 20; i++) {
			const struct note bad = {
				.person = i % 2 && keys == 2 ? "dave" : "alice", .body = BODY
			};
			const struct note good = { .person = "bob", .body = BODY };
			fake_pass_us(50000);
			const char *where =
				attempt_ends(&s, i % 5 ? &bad : &good, i % 5 ? 500 : 200);
			if (i % 5 == 0)
				assert_string_equal(where, "openai");
		}
		stage_down(&s);
	}
	stage_key_is_of[3] = NULL;
}

/* The error document counts without another attempt, too. */
static void
refusal_without_another_attempt_is_read(void **state)
{
	/* clang-format off */
	static const struct { const char *document, *next; } rows[] = {
		{ "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"invalid_api_key\"}}", "azure" },
		{ "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"missing_scope\"}}", "openai" },
		{ "", "openai" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct note other = { .person = "bob", .body = BODY };
		struct stage s;
		lone_refusal = rows[i].document;
		stage_up(&s, ROUTE("targets: [a, b], retry: {attempts: 1}, response: [meter]")
				     PERMIT);
		assert_string_equal(
			attempt_ends(&s, &(struct note){ .person = "alice", .body = BODY }, 401),
			"openai");
		const char *where = attempt_ends(&s, &other, 200);
		if (strcmp(where, rows[i].next))
			fail_msg("%s: %s", rows[i].document, where);
		stage_down(&s);
	}
	lone_refusal = NULL;
}

/* If all callers see failures, the target is failing. This includes a service account that is
 * the only caller. */
static void
failing_provider_is_not_used(void **state)
{
	static const char *const callers[][4] = { { "alice", "alice", "alice", "alice" },
		{ "alice", "bob", "carol", "alice" }, { "bob", "bob", "carol", "bob" } };

	(void)state;
	for (size_t k = 0; k < COUNT_OF(callers); k++) {
		struct stage s;
		int n = 0;
		stage_up(&s, ROUTE("targets: [a, b], retry: {attempts: 1}, response: [meter]")
				     PERMIT);
		for (int i = 0; i < 40; i++) {
			const struct note one = { .person = callers[k][i % 4], .body = BODY };
			fake_pass_us(400000);
			const char *where = attempt_ends(&s, &one, i < 20 ? 200 : 500);
			n += i >= 20 && !strcmp(where, "openai");
		}
		assert_in_range(n, 5, 8); /* and a probe */
		stage_down(&s);
	}
}

/* A route with models of which the first is expensive and the last is free. */
static void
stage_of_prices(struct stage *s, const char *more)
{
	char policy[2000], cwd[500];

	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(policy, sizeof(policy),
		"prices: %s/tests/e2e/costs.prices.yaml\n"
		"providers:\n"
		"  a: {backend: openai, dialect: openai, prices: openai}\n"
		"  b: {backend: azure, dialect: openai, prices: openai}\n"
		"  c: {backend: vllm, dialect: openai, prices: openai}\n"
		"routes:\n"
		"  - {name: chat, match: {path: /v1/chat/completions}, targets: [{provider: a, "
		"model: dear}, {provider: b, model: gpt-4o}, {provider: c, model: "
		"whisper-1}]%s",
		cwd, more);
	stage_up(s, policy);
}

static void
cheapest_target_for_the_prompt_is_chosen(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	stage_of_prices(&s, ", choose: {by: price}}\n" PERMIT);
	assert_string_equal(goes(&s, &c, "alice", BODY), "vllm");
	fails(&s, "c", "whisper-1", 5);
	assert_string_equal(goes(&s, &c, "alice", BODY), "azure");
	end(&s);
}

#define SAYS(text)                                                                             \
	"{\"model\":\"gpt\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":"   \
	"\"" text "\"}"
#define MORE                                                                                   \
	",{\"role\":\"assistant\",\"content\":\"yes\"},{\"role\":\"user\",\"content\":\"go "   \
	"on\"}"

static void
growing_conversation_stays_with_its_target(void **state)
{
	char first[32], text[256], longer[512];
	unsigned at[2] = { 0, 0 };
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s,
		ROUTE("targets: [a, b], choose: {by: weight, sticky: conversation}") PERMIT);
	for (int i = 0; i < 40; i++) {
		/* Nobody claims the tickets, and one caller has room for about a hundred. */
		const char *who = stage_people[i % STAGE_KEY_MAX];
		snprintf(text, sizeof(text), SAYS("talk %d") "]}", i);
		snprintf(longer, sizeof(longer), SAYS("talk %d") MORE "]}", i);
		snprintf(first, sizeof(first), "%s", goes(&s, &c, who, text));
		at[!strcmp(first, "azure")]++;
		assert_string_equal(goes(&s, &c, who, longer), first);
		assert_string_equal(goes(&s, &c, who, text), first);
		while (disk_queued)
			stage_disk(&s, 0);
	}
	assert_true(at[0] > 5 && at[1] > 5);
	end(&s);
}

static void
caller_stays_with_a_target(void **state)
{
	char first[32], text[256];
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s,
		ROUTE("targets: [a, b, c], choose: {by: latency, sticky: identity}") PERMIT);
	for (size_t k = 0; k < STAGE_KEY_MAX; k++)
		for (int i = 0; i < 10; i++) {
			snprintf(text, sizeof(text), SAYS("talk %d") "]}", i);
			const char *to = goes(&s, &c, stage_people[k], text);
			if (i == 0)
				snprintf(first, sizeof(first), "%s", to);
			assert_string_equal(to, first);
		}
	end(&s);
}

static void
conditions_and_record_have_the_targets_facts(void **state)
{
	struct stage s;
	struct call c;
	struct target_attempt a;

	(void)state;
	stage_of_prices(&s,
		"}\ndefault: permit\nrules:\n"
		"  - {name: dear, when: 'target.price > 0.004', deny: true}\n"
		"  - {name: slow, when: 'target.latency > 1.5', deny: true}\n"
		"  - {name: flaky, when: 'target.errors >= 0.5', deny: true}\n"
		"  - {name: other, when: 'target.model == \"gpt-4\"', deny: true}\n");
	assert_string_equal(goes(&s, &c, "alice", BODY), "azure");
	struct target b = { .name = "b", .model = "gpt-4o" };
	target_begin(&a, target_state_of(s.shared->targets, &b), &b, NULL, fake_mono);
	target_first_content(&a, TARGET_SMALL, 2500000, fake_mono);
	target_over(&a, &(struct target_end){ .cause = CAUSE_DONE }, fake_mono);
	assert_string_equal(goes(&s, &c, "alice", BODY), "vllm");
	assert_non_null(strstr(stage_field(1, "candidates"),
		"{\"target\":\"b\",\"model\":\"gpt-4o\",\"fate\":\"denied\",\"rule\":\"slow\","
		"\"price\":0.001"));
	assert_non_null(strstr(stage_field(1, "candidates"), "\"latency\":2.5"));
	fails(&s, "c", "whisper-1", 1);
	assert_string_equal(goes(&s, &c, "alice", BODY), "403");
	assert_non_null(strstr(stage_field(2, "candidates"), "\"errors\":1.0"));
	end(&s);
}

/* A provider with room for one request: as many requests wait, each for half a second here, and
 * for agent.deadline at most. */
static void
full_provider_has_a_short_queue(void **state)
{
	struct stage s;
	struct call first, second, third;

	(void)state;
	stage_up(&s, PROVIDERS "  d: {backend: tgi, dialect: openai, concurrent: 1}\n"
			       "routes:\n  - {name: chat, match: {path: /v1/chat/completions}, "
			       "targets: [d]}\n" PERMIT);
	struct target_state *d = target_state(s.shared->targets, "d", NULL);
	assert_string_equal(goes(&s, &first, "alice", BODY), "tgi");
	assert_string_equal(call_var(&first, "via"), "relay");
	assert_int_equal(target_under_way(d), 1);
	call_send(&s, 1, &(struct note){ .person = "bob", .body = BODY }, &second);
	stage_settle(&s);
	assert_false(second.answered);
	/* the queue is full */
	assert_string_equal(goes(&s, &third, "carol", BODY), "503");
	assert_string_equal(stage_field(1, "candidates"),
		"[{\"target\":\"d\",\"fate\":\"out\",\"out\":\"busy\"}]");
	/* the wait ends without a place */
	stage_pass(&s, 810000);
	stage_settle(&s);
	assert_true(second.answered);
	assert_string_equal(call_var(&second, "status"), "503");
	assert_int_equal(stage_count(&s, M_ROOM_FAILED), 1);
	/* the wait ends with a place */
	stage_pass(&s, 28900000);
	call_send(&s, 1, &(struct note){ .person = "bob", .body = BODY }, &second);
	stage_settle(&s);
	assert_false(second.answered);
	stage_pass(
		&s, 400000); /* the first request's ticket has expired, and its place is free */
	stage_settle(&s);
	stage_pass(&s, 10000);
	stage_settle(&s);
	assert_true(second.answered);
	assert_string_equal(call_var(&second, "backend"), "tgi");
	assert_int_equal(target_under_way(d), 1);
	end(&s);
}

/* Returns the time from now until the first of the targets may be asked again. */
static uint64_t
first_back(const struct stage *s)
{
	uint64_t a, b;

	target_condition(
		target_state(s->shared->targets, "a", NULL), true, fake_mono, &a, NULL);
	target_condition(
		target_state(s->shared->targets, "b", "m-b"), true, fake_mono, &b, NULL);
	assert_true(a > fake_mono && b > fake_mono);
	return (a < b ? a : b) - fake_mono;
}

static void
target_back_within_the_deadline_is_waited_for(void **state)
{
	struct stage s;
	struct call c[4];
	const struct note bob = { .person = "bob", .body = BODY };
	struct target b = { .name = "b", .model = "m-b" };

	(void)state;
	stage_up(&s, ROUTE(THREE) PERMIT);
	target_eject(s.shared->targets, SPAN_LIT("c"));
	fails(&s, "b", "m-b", 5);
	fails(&s, "a", NULL, 5);
	/* one request tries the first target that is back, the other waits for the result */
	stage_pass(&s, first_back(&s) - 500000);
	for (size_t i = 0; i < 2; i++)
		call_send(&s, 1, &bob, &c[i]);
	stage_settle(&s);
	assert_false(c[0].answered || c[1].answered);
	stage_pass(&s, 510000);
	stage_settle(&s);
	assert_true(c[0].answered != c[1].answered);
	struct call *first = c[0].answered ? &c[0] : &c[1], *second = &c[first == c];
	assert_non_null(strstr("openai azure", call_var(first, "backend")));
	assert_string_not_equal(call_var(first, "backend"), "");
	/* no result arrives */
	stage_pass(&s, 310000);
	stage_settle(&s);
	assert_true(second->answered);
	if (!strcmp(call_var(second, "status"), "503")) { /* or the other target was back too */
		assert_int_equal(stage_count(&s, M_ROOM_FAILED), 1);
		assert_non_null(strstr(call_var(second, "error"), "provider_unavailable"));
		assert_true(atoi(call_var(second, "retry_after")) >= 1);
	}
	/* no place is kept */
	for (size_t i = 0; i < CAP_TARGET_QUEUE; i++)
		assert_true(target_queue(target_state_of(s.shared->targets, &b), &b));
	for (size_t i = 0; i < CAP_TARGET_QUEUE; i++)
		target_unqueue(target_state_of(s.shared->targets, &b));
	end(&s);
}

/* A waiting request may be canceled. */
static void
queued_request_may_be_canceled(void **state)
{
	struct stage s;
	struct call first, second;

	(void)state;
	stage_up(&s, PROVIDERS "  d: {backend: tgi, dialect: openai, concurrent: 1}\n"
			       "routes:\n  - {name: chat, match: {path: /v1/chat/completions}, "
			       "targets: [d]}\n" PERMIT);
	struct target d = { .name = "d", .concurrent = 1 };
	struct target_state *t = target_state(s.shared->targets, "d", NULL);
	assert_string_equal(goes(&s, &first, "alice", BODY), "tgi");
	call_send(&s, 0, &(struct note){ .person = "bob", .body = BODY }, &second);
	stage_settle(&s);
	assert_false(target_may_queue(t, &d));
	call_forget(&second);
	stage_settle(&s);
	assert_true(target_may_queue(t, &d));
	stage_pass(&s, 31000000);
	stage_settle(&s);
	assert_int_equal(target_under_way(t), 0);
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unavailable_target_is_skipped_and_the_record_has_the_reason),
		cmocka_unit_test(all_targets_out_gives_503_with_the_soonest_retry_after),
		cmocka_unit_test(with_all_targets_failed_the_likeliest_is_probed),
		cmocka_unit_test(rule_stands_if_a_target_is_down),
		cmocka_unit_test(single_target_without_breaker_is_out_only_if_ejected),
		cmocka_unit_test(single_target_with_a_breaker_rests_as_long_as_it_asks),
		cmocka_unit_test(failures_of_one_caller_disable_no_target_for_others),
		cmocka_unit_test(refusal_without_another_attempt_is_read),
		cmocka_unit_test(failing_provider_is_not_used),
		cmocka_unit_test(later_group_is_used_if_the_first_is_out),
		cmocka_unit_test(cheapest_target_for_the_prompt_is_chosen),
		cmocka_unit_test(growing_conversation_stays_with_its_target),
		cmocka_unit_test(caller_stays_with_a_target),
		cmocka_unit_test(conditions_and_record_have_the_targets_facts),
		cmocka_unit_test(full_provider_has_a_short_queue),
		cmocka_unit_test(target_back_within_the_deadline_is_waited_for),
		cmocka_unit_test(queued_request_may_be_canceled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
