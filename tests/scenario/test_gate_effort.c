/* A body that takes more work to search than its length allows gets the outcome that the policy
 * declares for the classifier. A denial has a status that clients do not retry. Work whose
 * result nobody waits for ends early. */
#include "scenario/gate_stage.h"

#include <time.h>

#define ROUTES(extra)                                                                          \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, dialect: "     \
	"openai, backend: openai}\n" extra "rules:\n"                                          \
	"  - {name: pii, when: '\"pii\" in prompt.classes', redact: {classes: [pii]}}\n"       \
	"  - {name: secrets, when: '\"secret\" in prompt.classes', deny: true}\n"              \
	"default: permit\n"
enum { DEAR = 48 << 10, LONG = 12 << 20 };
/* Looks like an obfuscated secret; repeated, it takes three times the work that its length
 * allows. */
#define OVER "\\\\u0034token:\xEF\xBC\x94"
/* Repeated, it takes almost all of the allowed work. */
#define NEAR "key="

static void
put_body(struct buf *b, const char *unit, size_t n)
{
	buf_init(b, 0);
	buf_str(b, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"");
	while (b->n < n)
		buf_str(b, unit);
	buf_str(b, "\"}]}");
}

static void
body_over_its_work_budget_gets_the_declared_outcome(void **state)
{
	static const struct {
		const char *name, *policy, *decision, *status;
	} rows[] = {
		{ "the request is denied with a status that is not retried", ROUTES(""), "deny",
			"413" },
		{ "the request passes if on_failure.classifier permits",
			ROUTES("on_failure: {classifier: permit}\n"), "permit", "" },
		{ "the text is redacted if on_failure.classifier redacts",
			ROUTES("on_failure: {classifier: redact}\n"), "redact", "" },
		{ "on_failure.unreadable does not permit the text",
			ROUTES("on_failure: {unreadable: permit}\n"), "deny", "413" },
	};
	struct buf body;

	(void)state;
	put_body(&body, OVER, DEAR);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stage s;
		struct pass p;
		struct call c;
		stage_up(&s, rows[i].policy);
		uint64_t counted = stage_count(&s, M_OVERWORKED);
		call_do(&s,
			&(struct note){ .person = "alice", .body = body.p, .body_n = body.n },
			&c);
		if (strcmp(call_var(&c, "decision"), rows[i].decision))
			fail_msg("%s: %s", rows[i].name, call_var(&c, "decision"));
		assert_string_equal(call_var(&c, "status"), rows[i].status);
		if (rows[i].status[0]) {
			assert_non_null(strstr(call_var(&c, "error"), "request_too_complex"));
			assert_string_equal(call_var(&c, "retry_after"), "");
		}
		assert_int_equal(stage_count(&s, M_OVERWORKED), counted + 1);
		if (!strcmp(rows[i].decision, "redact")) {
			assert_int_equal(pass_claim(&s, 0, &p, &c, (int64_t)body.n), 0);
			assert_non_null(memmem(gate_plan(p.x)->body.p, gate_plan(p.x)->body.n,
				"<UNCLASSIFIED_1>", 16));
			pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
		}
		stage_down(&s);
	}
	buf_free(&body);
}

#define FEW                                                                                    \
	"limits:\n  - {name: few, per: [identity.person], requests: 5, window: 1m}\n"          \
	"  - {name: tokens, per: [identity.person], tokens: 900000000, window: 1m}\n"

/* Sends the body in the NOTIFY or later through the relay, and returns the decision. */
static const char *
sent_dear(struct stage *s, struct span body, bool later, struct call *c)
{
	static char status[8];
	struct note n = { .person = "alice", .body = body.p, .body_n = body.n };
	struct pass p;

	if (later)
		n = (struct note){ .person = "alice",
			.body = "x",
			.body_n = 1,
			.partial = true,
			.no_length = true };
	call_do(s, &n, c);
	if (!later || strcmp(call_var(c, "decision"), "defer"))
		return call_var(c, "status");
	assert_int_equal(pass_claim(s, 0, &p, c, -1), 0);
	gate_body(p.x, body, pass_ruled, &p);
	for (int i = 0; i < 100 && !p.ruled; i++)
		stage_settle(s);
	assert_true(p.denied);
	snprintf(status, sizeof(status), "%d", p.denial.status);
	pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
	stage_settle(s);
	return status;
}

/* The denied request counts for the limit. Otherwise a caller who sends many of them would
 * never be stopped. The request also counts if a rule denies it for another text. */
static void
denied_text_counts_for_request_limits(void **state)
{
	enum { TWENTY = 20, LIMIT = 5 };
	struct buf body;

	(void)state;
	for (int row = 0; row < 4; row++) {
		bool later = row & 1, ruled = row & 2;
		put_body(&body, OVER, DEAR / 2);
		if (ruled) {
			body.n -= sizeof("]}") - 1;
			buf_str(&body, ",{\"role\":\"user\",\"content\":\"AKIAQ3EGRTZK7VXW2YUB\"}]}");
		}
		struct stage s;
		struct call c;
		stage_up(&s, ROUTES("") FEW);
		for (int n = 1; n <= TWENTY; n++) {
			const char *status = sent_dear(&s, buf_view(&body), later, &c);
			if (strcmp(status, n > LIMIT ? "429" : ruled ? "403" : "413"))
				fail_msg("%s: request %d: %s", later ? "later" : "with the NOTIFY",
					n, status);
			assert_int_equal(
				stage_charged(&s, "few", "alice"), n <= LIMIT ? n : LIMIT);
			assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
		}
		stage_down(&s);
		buf_free(&body);
	}
}

static void
denied_text_stays_denied_without_a_store(void **state)
{
	static const char *const aways[] = { "deny", "allow" };
	struct buf body;

	(void)state;
	put_body(&body, OVER, DEAR / 2);
	for (size_t i = 0; i < COUNT_OF(aways); i++) {
		struct stage s;
		struct call c;
		char policy[1200];
		snprintf(policy, sizeof(policy),
			"%slimits:\n  - {name: few, requests: 5, window: 1m, away: %s}\n",
			ROUTES(""), aways[i]);
		stage_up(&s, policy);
		s.table->n = SIZE_MAX; /* the table is full */
		assert_string_equal(sent_dear(&s, buf_view(&body), false, &c), "413");
		s.table->n = 0;
		stage_pass(&s, 31000000);
		stage_down(&s);
	}
	buf_free(&body);
}

/* ---- nobody waits for the result ---- */

static void
bring_long(struct stage *s, struct pass *p, struct span body)
{
	struct note n = {
		.person = "alice", .body = "x", .body_n = 1, .partial = true, .no_length = true
	};
	struct call c;

	call_do(s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "defer");
	assert_int_equal(pass_claim(s, 0, p, &c, -1), 0);
	gate_body(p->x, body, pass_ruled, p);
	mailbox_drain(&s->mail[0], NULL);
}

/* Waits until *what is true and returns the milliseconds that this took. */
static uint64_t
wait_ms(struct stage *s, const bool *what)
{
	struct timespec began, now;

	clock_gettime(CLOCK_MONOTONIC, &began); /* the stage's clock does not move */
	for (int i = 0; i < 60000 && !*what; i++) {
		stage_settle(s);
		usleep(500);
	}
	assert_true(*what);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - began.tv_sec) * 1000 +
			  (now.tv_nsec - began.tv_nsec) / 1000000);
}

/* A busy machine or a sanitizer takes a while; the whole work would take seconds. */
enum { SOON_MS = 700 };

static void
work_for_a_disconnected_client_ends(void **state)
{
	struct stage s;
	struct pass p;
	struct buf body;

	(void)state;
	stage_up(&s, ROUTES(""));
	assert_int_equal(gate_helpers_start(s.shared), 0);
	put_body(&body, NEAR, LONG);
	bring_long(&s, &p, buf_view(&body));
	usleep(300000);
	assert_false(p.ruled);
	pass_finish(&p, END_CLIENT_ABORT, 0, -1, -1);
	assert_in_range(wait_ms(&s, &p.done), 0, SOON_MS);
	gate_helpers_stop(s.shared);
	stage_down(&s);
	buf_free(&body);
}

/* The client still waits and is asked to retry. */
static void
work_of_a_stopping_daemon_ends(void **state)
{
	struct stage s;
	struct pass p;
	struct buf body;

	(void)state;
	stage_up(&s, ROUTES(""));
	assert_int_equal(gate_helpers_start(s.shared), 0);
	put_body(&body, NEAR, LONG);
	bring_long(&s, &p, buf_view(&body));
	usleep(300000);
	assert_false(p.ruled);
	gate_helpers_hurry(s.shared);
	usleep(100000);
	stage_settle(&s);
	assert_false(p.ruled); /* the work has a tenth of a second left */
	stage_pass(&s, 100001);
	assert_in_range(wait_ms(&s, &p.ruled), 0, SOON_MS);
	assert_true(p.denied);
	assert_int_equal(p.denial.status, 503);
	pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
	wait_ms(&s, &p.done);
	gate_helpers_stop(s.shared);
	stage_down(&s);
	buf_free(&body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(body_over_its_work_budget_gets_the_declared_outcome),
		cmocka_unit_test(denied_text_counts_for_request_limits),
		cmocka_unit_test(denied_text_stays_denied_without_a_store),
		cmocka_unit_test(work_for_a_disconnected_client_ends),
		cmocka_unit_test(work_of_a_stopping_daemon_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
