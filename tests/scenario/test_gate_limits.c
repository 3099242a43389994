/* Limits of the policy on the stage: what at_soft and at_limit make of a request, what a store
 * that is silent makes of several limits, what a request of several models is worth. */
#include "scenario/gate_stage.h"

#define ROUTES                                                                                 \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {path: /v1/chat/completions}, dialect: openai, backend: "     \
	"openai, reserve: estimate}\n"                                                         \
	"default: permit\noutput_default: 100\n"
#define HELLO "{\"model\":\"large\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"

static const struct note hello = { .person = "alice", .body = HELLO };

/* Sends it, and ends it as one of which nothing is known. */
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

/* Moved to another model it is reserved for again: what was reserved first is given back, so
 * that as many go as the limit says. */
static void
what_is_moved_is_charged_once(void **state)
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

/* The store can count nothing: only where all limits that apply say so a request goes. */
static void
without_counts_all_limits_must_let_it_go(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *first, *second, *status; } rows[] = {
		{ "none says so",   "deny",  "deny",  "503" },
		{ "the first does", "allow", "deny",  "503" },
		{ "the last does",  "deny",  "allow", "503" },
		{ "both do",        "allow", "allow", "" },
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
		s.table->n = SIZE_MAX; /* full */
		call_do(&s, &hello, &c);
		if (strcmp(call_var(&c, "status"), rows[i].status))
			fail_msg("%s: %s", rows[i].name, call_var(&c, "status"));
		assert_string_equal(stage_field(0, "quota_unavailable"), "true");
		s.table->n = 0;
		stage_pass(&s, 31000000);
		stage_down(&s);
	}
}

/* What the only limit that applies was charged, by the record. */
static uint64_t
reserved(const char *body)
{
	struct stage s;
	struct call c;
	char policy[900], prices[500];
	uint64_t n = 0;

	assert_non_null(getcwd(prices, sizeof(prices)));
	snprintf(policy, sizeof(policy),
		"prices: %s/tests/e2e/costs.prices.yaml\n"
		"providers: {them: {backend: anthropic, dialect: anthropic, prices: openai}}\n"
		"routes:\n  - {name: b, match: {path: /v1/messages/batches}, targets: them}\n"
		"limits:\n  - {name: money, usd: 900, window: 1m}\n"
		"default: permit\n",
		prices);
	stage_up(&s, policy);
	call_do(&s,
		&(struct note){
			.person = "alice", .path = "/v1/messages/batches", .body = body },
		&c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	const char *text = stage_field(0, "reserved"), *last = strrchr(text, ',');
	assert_non_null(last);
	assert_int_equal(span_u64(span_of(last + 1, strspn(last + 1, "0123456789")), &n), 0);
	stage_pass(&s, 31000000);
	stage_down(&s);
	return n;
}

/* Nobody says in one way which of several models answered. */
static void
a_body_of_several_models_is_worth_the_dearest(void **state)
{
	(void)state;
	uint64_t cheap = reserved(BATCH("echo", "echo", "9")),
		 dear = reserved(BATCH("dear", "dear", "9"));

	assert_true(cheap > 0 && cheap < dear);
	assert_int_equal(reserved(BATCH("echo", "dear", "9")), dear);
	assert_int_equal(reserved(BATCH("dear", "echo", "9")), dear);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_moved_is_charged_once),
		cmocka_unit_test(without_counts_all_limits_must_let_it_go),
		cmocka_unit_test(a_body_of_several_models_is_worth_the_dearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
