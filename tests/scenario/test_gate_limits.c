/* Limits of the policy on the stage: the effects of at_soft and at_limit, several limits while
 * the store does not answer, and the cost of a request with several models. */
#include "base/notice.h"
#include "scenario/gate_stage.h"

#define ROUTES                                                                                 \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {path: /v1/chat/completions}, dialect: openai, backend: "     \
	"openai, reserve: estimate}\n"                                                         \
	"default: permit\noutput_default: 100\n"
#define HELLO "{\"model\":\"large\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"

static const struct note hello = { .person = "alice", .body = HELLO };

/* Sends a request, ends it without known usage, and returns the model that was sent. */
static const char *
sent_model(struct stage *s, struct call *c)
{
	static char sent[200];
	struct pass p;

	call_do(s, &hello, c);
	snprintf(sent, sizeof(sent), "%s", HELLO);
	if (strcmp(call_var(c, "via"), "relay"))
		return sent;
	assert_int_equal(pass_claim(s, 0, &p, c, (int64_t)strlen(HELLO)), 0);
	snprintf(sent, sizeof(sent), "%.*s", SPAN_ARG(gate_plan(p.x)->body));
	pass_finish(&p, END_COMPLETE, 200, -1, -1);
	stage_settle(s);
	return sent;
}

/* A request that is moved to another model is reserved again. The first reservation is
 * released, so the limit admits its full number of requests. */
static void
request_moved_to_another_model_is_charged_once(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *limit; int small_from, refused_from; } rows[] = {
		{ "at_soft", "requests: 4, window: 1m, soft: 50%, at_soft: {model: small}", 2, 5 },
		{ "at_limit", "requests: 2, window: 1m, at_limit: {model: small, up_to: 4}", 3, 5 },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stage s;
		char policy[600];
		snprintf(policy, sizeof(policy),
			ROUTES "limits:\n  - {name: requests, per: [identity.person], %s}\n",
			rows[i].limit);
		stage_up(&s, policy);
		for (int n = 1; n <= rows[i].refused_from; n++) {
			struct call c;
			bool small = strstr(sent_model(&s, &c), "\"small\"") != NULL;
			bool refused = !strcmp(call_var(&c, "status"), "429");
			if (refused != (n >= rows[i].refused_from) ||
				(!refused && small != (n >= rows[i].small_from)))
				fail_msg("%s: request %d: status %s, small %d", rows[i].name, n,
					call_var(&c, "status"), small);
			assert_int_equal(
				stage_charged(&s, "requests", "alice"), refused ? n - 1 : n);
		}
		stage_down(&s);
	}
}

/* A rule denies the body with 403. A 429 therefore shows that the body was not read. */
static void
caller_known_to_be_over_is_refused_before_the_body(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *limit, *status; } rows[] = {
		{ "by the person", "per: [identity.person], requests: 2, window: 1m", "429" },
		{ "by a calendar day", "per: [identity.person], requests: 2, window: {calendar: day}", "429" },
		{ "by a burst", "requests: 9, window: 1h, burst: {most: 2, window: 1m}", "429" },
		{ "the model is in the body", "per: [model.name], requests: 2, window: 1m", "403" },
		{ "a condition reads the body", "when: 'prompt.bytes > 3', requests: 2, window: 1m", "403" },
		{ "the target is chosen later", "when: 'target.external || !target.external', requests: 2, window: 1m", "403" },
		{ "at_limit moves requests to another model", "requests: 1, window: 1m, at_limit: {model: small, up_to: 2}", "403" },
	};
	/* clang-format on */
	static const struct note secret = { .person = "alice",
		.body = "{\"model\":\"large\",\"messages\":[{\"role\":\"user\",\"content\":"
			"\"AKIAQ3EGRIXPFUSLKQLT\"}]}" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stage s;
		struct call c;
		char policy[900];
		snprintf(policy, sizeof(policy),
			ROUTES "rules:\n  - {name: keys, when: '\"secret\" in prompt.classes', "
			       "deny: true}\n"
			       "limits:\n  - {name: few, %s}\n",
			rows[i].limit);
		stage_up(&s, policy);
		for (int n = 0; n < 2; n++) {
			sent_model(&s, &c);
			assert_string_equal(call_var(&c, "status"), "");
		}
		call_do(&s, &secret, &c); /* nobody was refused yet, so the body is read */
		assert_string_equal(call_var(&c, "status"), "403");
		sent_model(&s, &c);
		assert_string_equal(call_var(&c, "status"), "429");
		call_do(&s, &secret, &c);
		if (strcmp(call_var(&c, "status"), rows[i].status))
			fail_msg("%s: %s", rows[i].name, call_var(&c, "status"));
		if (!strcmp(rows[i].status, "429"))
			assert_string_not_equal(call_var(&c, "retry_after"), "");
		stage_pass(&s, UINT64_C(25) * 3600 * 1000000);
		call_do(&s, &secret, &c);
		assert_string_equal(call_var(&c, "status"), "403");
		sent_model(&s, &c);
		assert_string_equal(call_var(&c, "status"), "");
		stage_pass(&s, 31000000);
		stage_down(&s);
	}
}

static void
no_wake(void *arg)
{
	(void)arg;
}
static void
count_notice(struct mail *m, void *n)
{
	notice_taken();
	++*(unsigned *)n;
	free(CONTAINER_OF(m, struct notice, mail));
}

/* The log is limited to ten such lines per second; the webhook reports each limit. */
static void
webhook_reports_each_of_many_near_limits(void **state)
{
	enum { LIMITS = 12 };
	static struct mailbox told;
	unsigned n = 0;
	struct stage s;
	struct call c;
	char policy[1600];
	size_t at = (size_t)snprintf(policy, sizeof(policy), ROUTES "limits:\n");

	(void)state;
	for (int i = 0; i < LIMITS; i++)
		at += (size_t)snprintf(policy + at, sizeof(policy) - at,
			"  - {name: few-%d, per: [identity.person], requests: 4, window: 1h, soft: 25%%}\n",
			i);
	stage_up(&s, policy);
	mailbox_init(&told, no_wake, NULL);
	notice_take(&told, 1u << NOTICE_BUDGET, count_notice);
	sent_model(&s, &c);
	notice_take(NULL, 0, NULL);
	mailbox_drain(&told, &n);
	assert_int_equal(n, LIMITS);
	stage_down(&s);
}

/* GET /limits/near lists a caller at 80 % or more of a rate. Only a limit with `soft` warns the
 * caller. */
static void
caller_near_a_rate_is_listed_and_not_warned(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *limit; int sent; unsigned rates, budgets; } rows[] = {
		{ "below 80 %", "requests: 5, window: 1m", 3, 0, 0 },
		{ "at 80 %", "requests: 5, window: 1m", 4, 1, 0 },
		{ "at 5 of 5, and refused", "requests: 5, window: 1m", 6, 2, 0 },
		{ "a rate with soft", "requests: 5, window: 1m, soft: 90%", 4, 0, 1 },
		{ "a budget of a day", "requests: 5, window: {calendar: day}", 4, 0, 1 },
		{ "requests in flight", "concurrent: 1", 1, 0, 0 },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stage s;
		struct call c;
		char policy[600];
		snprintf(policy, sizeof(policy),
			ROUTES "limits:\n  - {name: few, per: [identity.person], %s}\n",
			rows[i].limit);
		stage_up(&s, policy);
		for (int n = 0; n < rows[i].sent; n++)
			sent_model(&s, &c);
		const struct tallies *t = gate_tally(s.gate[0]);
		if (t->near_rates.total != rows[i].rates || t->near.total != rows[i].budgets)
			fail_msg("%s: %u of rates, %u of budgets", rows[i].name,
				(unsigned)t->near_rates.total, (unsigned)t->near.total);
		stage_down(&s);
	}
}

/* The store cannot count. The request is admitted only if all limits that apply say on_failure:
 * allow. */
static void
without_counts_all_limits_must_allow_the_request(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *first, *second, *status; } rows[] = {
		{ "neither allows",   "deny",  "deny",  "503" },
		{ "the first allows", "allow", "deny",  "503" },
		{ "the last allows",  "deny",  "allow", "503" },
		{ "both allow",        "allow", "allow", "" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stage s;
		struct call c;
		char policy[600];
		snprintf(policy, sizeof(policy),
			ROUTES "limits:\n"
			       "  - {name: a, requests: 9, window: 1m, away: %s}\n"
			       "  - {name: b, requests: 9, window: 1m, away: %s}\n",
			rows[i].first, rows[i].second);
		stage_up(&s, policy);
		s.table->n = SIZE_MAX; /* the table is full */
		call_do(&s, &hello, &c);
		if (strcmp(call_var(&c, "status"), rows[i].status))
			fail_msg("%s: %s", rows[i].name, call_var(&c, "status"));
		assert_string_equal(stage_field(0, "quota_unavailable"), "true");
		s.table->n = 0;
		stage_pass(&s, 31000000);
		stage_down(&s);
	}
}

/* A stage with a dollar limit on both routes. */
static void
stage_of_dollars(struct stage *s)
{
	char policy[900], cwd[500];

	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(policy, sizeof(policy),
		"prices: %s/tests/e2e/costs.prices.yaml\n"
		"providers:\n"
		"  them: {backend: anthropic, dialect: anthropic, prices: openai}\n"
		"  openai: {backend: openai, dialect: openai}\n"
		"routes:\n"
		"  - {name: b, match: {path: /v1/messages/batches}, targets: them}\n"
		"  - {name: c, match: {path: /v1/chat/completions}, targets: openai, response: "
		"[meter]}\n"
		"limits:\n  - {name: money, usd: 900, window: 1m}\n"
		"default: permit\n",
		cwd);
	stage_up(s, policy);
}

/* Returns what the only limit that applies charged, from this member of a record. */
static uint64_t
amount(size_t record, const char *member)
{
	const char *last = strrchr(stage_field(record, member), ',');
	uint64_t n = 0;

	assert_non_null(last);
	assert_int_equal(span_u64(span_of(last + 1, strspn(last + 1, "0123456789")), &n), 0);
	return n;
}

static uint64_t
reserved(const char *body)
{
	struct stage s;
	struct call c;

	stage_of_dollars(&s);
	call_do(&s,
		&(struct note){
			.person = "alice", .path = "/v1/messages/batches", .body = body },
		&c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	uint64_t n = amount(0, "reserved");
	stage_pass(&s, 31000000);
	stage_down(&s);
	return n;
}

/* Providers do not report in a uniform way which of several models answered. */
static void
body_with_several_models_costs_the_highest_price(void **state)
{
	(void)state;
	uint64_t cheap = reserved(BATCH("echo", "echo", "9")),
		 dear = reserved(BATCH("dear", "dear", "9"));

	assert_true(cheap > 0 && cheap < dear);
	assert_int_equal(reserved(BATCH("echo", "dear", "9")), dear);
	assert_int_equal(reserved(BATCH("dear", "echo", "9")), dear);
}

/* If a part of the response has no price, the reservation stays charged, or the known cost if
 * that is more. */
static void
usage_without_a_price_is_settled_at_its_reservation(void **state)
{
	static const char body[] = "{\"model\":\"echo\",\"max_tokens\":100,\"messages\":[]}";

	(void)state;
	for (int searches = 0; searches < 2; searches++)
		for (int64_t tokens = 1; tokens < 100000; tokens *= 1000) {
			struct stage s;
			struct call c;
			struct pass p;
			struct exchange_result res = { .end = END_COMPLETE,
				.status = 200,
				.output_begun = true,
				.usage = { .known = true,
					.input_tokens = 1,
					.output_tokens = tokens } };
			res.usage.details.n[PRICE_SEARCHES] = (uint64_t)searches;
			stage_of_dollars(&s);
			call_do(&s, &(struct note){ .person = "alice", .body = body }, &c);
			assert_int_equal(pass_claim(&s, 0, &p, &c, sizeof(body) - 1), 0);
			uint64_t held = amount(0, "reserved"),
				 known = 1000 + 10000 * (uint64_t)tokens;
			gate_finish(p.x, &res, pass_done, &p);
			stage_settle(&s);
			assert_int_equal(
				amount(1, "settled"), searches && held > known ? held : known);
			stage_down(&s);
		}
}

static uint64_t
reserved_tokens(const char *path, const char *body)
{
	struct stage s;
	struct call c;

	stage_up(&s,
		"providers:\n"
		"  openai: {backend: openai, dialect: openai}\n"
		"  cohere: {backend: cohere, dialect: cohere}\n"
		"routes:\n"
		"  - {name: r, match: {path: /rerank}, targets: openai, response: [meter]}\n"
		"  - {name: s, match: {path: /score}, targets: openai, response: [meter]}\n"
		"  - {name: c, match: {path: /v2/rerank}, targets: cohere, response: [meter]}\n"
		"limits:\n  - {name: tokens, tokens: 9000000, window: 1m}\n"
		"default: permit\n");
	call_do(&s, &(struct note){ .person = "alice", .path = path, .body = body }, &c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	uint64_t n = amount(0, "reserved");
	stage_pass(&s, 31000000);
	stage_down(&s);
	return n;
}

/* A reranker reads the query once with each document. */
static void
query_of_a_rerank_is_reserved_for_each_document(void **state)
{
#define LONG                                                                                   \
	"which of these towns on the river has a bridge that was built before the railway "    \
	"came and is still open for carts and people today"
	static const struct {
		const char *path, *once, *each;
	} rows[] = {
		{ "/rerank", "query", "documents" },
		{ "/v2/rerank", "query", "documents" },
		{ "/score", "text_1", "text_2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t n[3];
		for (size_t k = 0; k < 3; k++) {
			char body[1000];
			snprintf(body, sizeof(body), "{\"model\":\"m\",\"%s\":\"%s\",\"%s\":[%s]}",
				rows[i].once, k == 1 ? "x" : LONG, rows[i].each,
				k ? "\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"" : "\"a\"");
			n[k] = reserved_tokens(rows[i].path, body);
		}
		if (n[2] < 5 * n[0] || n[2] > 8 * n[0] || n[1] > n[0])
			fail_msg("%s: %llu for one document, %llu for six, %llu for a short query",
				rows[i].path, (unsigned long long)n[0], (unsigned long long)n[2],
				(unsigned long long)n[1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_moved_to_another_model_is_charged_once),
		cmocka_unit_test(caller_known_to_be_over_is_refused_before_the_body),
		cmocka_unit_test(webhook_reports_each_of_many_near_limits),
		cmocka_unit_test(caller_near_a_rate_is_listed_and_not_warned),
		cmocka_unit_test(without_counts_all_limits_must_allow_the_request),
		cmocka_unit_test(body_with_several_models_costs_the_highest_price),
		cmocka_unit_test(query_of_a_rerank_is_reserved_for_each_document),
		cmocka_unit_test(usage_without_a_price_is_settled_at_its_reservation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
