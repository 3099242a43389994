/* Records contain the state of a route's targets, and each later attempt has a record of its
 * own: audit explain and policy replay decide both again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gate/engine/engine.h"
#include "support/replay.h"

#define HELLO                                                                                  \
	"{\"path\":\"/v1/chat/completions\",\"time\":\"2026-11-20T12:00:00Z\",\"headers\":"    \
	"{\"content-type\":\"application/json\"},\"body\":\"{\\\"model\\\":\\\"m\\\","         \
	"\\\"messages\\\":[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"hello\\\"}]}\"}"
#define TARGETS                                                                                \
	"tollgate: 1\nname: t\ndefault: permit\n"                                              \
	"identity: [{none: {person: nobody}}]\n"                                               \
	"providers: {a: {backend: a, dialect: openai}, b: {backend: b, dialect: openai}, "     \
	"c: {backend: c, dialect: openai}}\n"                                                  \
	"routes: [{name: chat, match: {path: /v1/chat/completions}, targets: ["

#define ALL "a, b, c]}]\nrules:\n"
#define READS                                                                                  \
	"  - {name: slow, when: 'target.latency > 1.0', deny: true}\n"                         \
	"  - {name: dear, when: 'target.price > 0.01', deny: true}\n"                          \
	"  - {name: bad, when: 'target.errors > 0.5', deny: true}\n"

static const struct policy_rank in_order[] = { { .place = 0 }, { .place = 1 }, { .place = 2 } };
static const struct policy_target_facts calm[] = { { .price = 0.001, .latency = 0.1 },
	{ .price = 0.002, .latency = 0.2 }, { .price = 0.003, .latency = 0.3 } };

static const struct target before = { .name = "a", .region = "" };

/* Evaluates the rules with these ranks and values, for the request or for attempt n. */
static void
record_choice(FILE *f, struct snapshot *snap, const struct policy_rank *ranks,
	const struct policy_target_facts *at, unsigned attempt)
{
	struct attempts tries = { .n = attempt - 1 };
	struct exchange x = { .tries = attempt > 1 ? &tries : NULL };
	struct policy_rank own[3];
	struct policy_facts facts;
	const char *why;
	json_t *in = json_loads(HELLO, 0, NULL);
	struct request *r = decide_run(snap, in, &why);

	assert_non_null(r);
	memcpy(own, ranks, sizeof(own));
	r->found.ranks = own;
	r->found.at = at;
	request_facts(r, &facts);
	assert_int_equal(policy_decide(snap->policy, &facts, &r->arena, &r->found.verdict), 0);
	if (r->found.verdict.ruled.effect == RULE_DENY)
		r->out.decision.kind = D_DENY;
	r->out.decision.via = VIA_RELAY;
	for (unsigned i = 0; i + 1 < attempt; i++)
		tries.v[i] = (struct attempt){ .to = &before, .target = "a" };
	r->x = attempt > 1 ? &x : NULL;
	record_one(f, r);
	r->x = NULL;
	request_free(&r);
	json_decref(in);
}

static void
decision_is_repeated_with_the_recorded_target_state(void **state)
{
	static const struct {
		const char *name;
		struct policy_rank ranks[3];
		struct policy_target_facts at[3];
		const char *target;	    /* at that time */
		const char *otherwise, *is; /* with these rules of another policy */
	} rows[] = {
		{ "places", { { .place = 2 }, { .place = 0 }, { .place = 1 } },
			{ { .price = 0.001 } }, "b",
			"  - {name: e, when: 'target.name == \"b\"', deny: true}\n",
			"target b → c" },
		{ "who is out", { { .out = TARGET_EJECTED }, { .place = 1 }, { .place = 2 } },
			{ { .price = 0.001 } }, "b",
			"  - {name: e, route: {targets: [a, c]}}\n", "target b → c" },
		{ "a latency", { { 0 }, { .place = 1 }, { .place = 2 } },
			{ { .latency = 1.5 }, { .latency = 0.9 } }, "b",
			"  - {name: slow, when: 'target.latency > 0.8', deny: true}\n",
			"target b → c" },
		{ "a price", { { 0 }, { .place = 1 }, { .place = 2 } },
			{ { .price = 0.010000001 }, { .price = 0.01 } }, "b",
			"  - {name: dear, when: 'target.price > 0.02', deny: true}\n",
			"target b → a" },
		{ "errors", { { 0 }, { .place = 1 }, { .place = 2 } },
			{ { .errors = 0.6 }, { .errors = 0.5 } }, "b",
			"  - {name: bad, when: 'target.errors >= 0.5', deny: true}\n",
			"target b → c" },
	};
	char policy[2048];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		put("p.yaml", TARGETS ALL READS);
		struct snapshot *snap = decide_load("test", NULL, path("p.yaml"));
		assert_non_null(snap);
		FILE *f = fopen(path("records.jsonl"), "w");
		assert_non_null(f);
		nids = 0;
		record_choice(f, snap, rows[i].ranks, rows[i].at, 1);
		fclose(f);
		snapshot_unref(&snap);
		cmd_slurp("records.jsonl", cmd_out, sizeof(cmd_out));
		snprintf(policy, sizeof(policy), "\"target\":\"%s\"", rows[i].target);
		holds(cmd_out, policy);
		if (replay("p.yaml", NULL, NULL) != 0)
			fail_msg("%s: %s%s", rows[i].name, cmd_out, cmd_err);
		assert_string_equal(cmd_out, "1 decisions: 1 the same, 0 different\n");
		snprintf(policy, sizeof(policy), TARGETS ALL "%s", rows[i].otherwise);
		put("q.yaml", policy);
		assert_int_equal(replay("q.yaml", NULL, NULL), 1);
		if (!strstr(cmd_out, rows[i].is))
			fail_msg("%s: %s%s", rows[i].name, cmd_out, cmd_err);
		assert_int_equal(explain("p.yaml", ids[0], NULL), 0);
	}
}

static void
later_attempts_are_decided_again(void **state)
{
	static const struct policy_rank second[] = { { .out = TARGET_TRIED }, { .place = 1 },
		{ .place = 2 } },
					third[] = { { .out = TARGET_TRIED },
						{ .place = 1, .out = TARGET_TRIED },
						{ .place = 2 } };

	(void)state;
	put("p.yaml", TARGETS ALL READS);
	struct snapshot *snap = decide_load("test", NULL, path("p.yaml"));
	assert_non_null(snap);
	FILE *f = fopen(path("records.jsonl"), "w");
	assert_non_null(f);
	nids = 0;
	record_choice(f, snap, in_order, calm, 1);
	record_choice(f, snap, second, calm, 2);
	record_choice(f, snap, third, calm, 3);
	fprintf(f,
		"{\"v\":1,\"type\":\"completion\",\"id\":\"%s\",\"status\":200,"
		"\"attempts\":[{\"target\":\"a\",\"cause\":\"perhaps_billed\",\"ms\":12,"
		"\"tokens\":30,\"cost\":1500,\"maybe_billed\":true},{\"target\":\"b\","
		"\"cause\":\"throttled\",\"ms\":1,\"status\":429},{\"target\":\"c\","
		"\"cause\":\"done\",\"ms\":2,\"status\":200,\"tokens\":7}]}\n",
		ids[0]);
	fclose(f);
	snapshot_unref(&snap);
	/* all of one request */
	cmd_slurp("records.jsonl", cmd_out, sizeof(cmd_out));
	for (size_t i = 1; i < 3; i++)
		memcpy(strstr(cmd_out, ids[i]), ids[0], strlen(ids[0]));
	put("records.jsonl", cmd_out);
	assert_int_equal(replay("p.yaml", NULL, NULL), 0);
	holds(cmd_out, "1 decisions: 1 the same, 0 different\n"
		       "2 later attempts: 2 the same, 0 different\n");
	assert_int_equal(explain("p.yaml", ids[0], NULL), 0);
	const char *two = strstr(cmd_out, "\nattempt 2 at b: permit"),
		   *three = strstr(cmd_out, "\nattempt 3 at c: permit"),
		   *ends = strstr(cmd_out,
			   "\nattempt 1: a: perhaps_billed, 12 ms, 30 tokens, "
			   "$0.000001500, perhaps billed\nattempt 2: b: "
			   "throttled, status 429, 1 ms, 0 tokens\nattempt 3: c: "
			   "done, status 200, 2 ms, 7 tokens\n");
	if (!two || !three || !ends || two > three || three > ends)
		fail_msg("%s", cmd_out);
	assert_int_equal(explain("p.yaml", ids[0], "--json"), 0);
	json_t *o = json_loads(cmd_out, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(o, "later_attempts")), 2);
	assert_int_equal(json_array_size(json_object_get(o, "attempts")), 3);
	json_decref(o);
	/* with rules that let the second attempt use another target */
	put("q.yaml", TARGETS ALL "  - {name: no, when: 'target.name == \"b\"', deny: true}\n");
	assert_int_equal(replay("q.yaml", NULL, NULL), 1);
	holds(cmd_out, "2 later attempts: 1 the same, 1 different\n  target       1\n");
	holds(cmd_out, " attempt 2: target b → c\n");
	assert_int_equal(replay("q.yaml", "--json", NULL), 1);
	holds(cmd_out, "\"attempts\": {\n    \"total\": 2");
	/* with other targets */
	put("q.yaml", TARGETS "a, c]}]\n");
	assert_int_equal(replay("q.yaml", NULL, NULL), 0);
	holds(cmd_out,
		"not compared 2: the route has other targets now, so their state at that time is unknown");
	/* a change of a later attempt's record is noticed */
	cmd_slurp("records.jsonl", cmd_out, sizeof(cmd_out));
	memcpy(strstr(strstr(cmd_out, "\"type\":\"attempt\""), "\"outcomes\":\"n"),
		"\"outcomes\":\"m", strlen("\"outcomes\":\"m"));
	put("records.jsonl", cmd_out);
	assert_int_equal(explain("p.yaml", ids[0], NULL), 1);
	holds(cmd_out, "rule slow has another result than recorded");
}

/* A request that every target refuses ends before its body is made for one. Its record has the
 * caller's model, whatever the target's model is. */
static void
request_refused_before_its_model_was_set_is_repeated(void **state)
{
	static const struct policy_rank none[] = { { .out = TARGET_TRIED },
		{ .place = 1, .out = TARGET_EJECTED }, { .place = 2, .out = TARGET_BUSY } };
	static const enum decision_kind kinds[] = { D_DENY, D_OBSERVED };

	(void)state;
	put("p.yaml", TARGETS "{provider: a, model: own}, b, c]}]\n");
	struct snapshot *snap = decide_load("test", NULL, path("p.yaml"));
	assert_non_null(snap);
	FILE *f = fopen(path("records.jsonl"), "w");
	assert_non_null(f);
	nids = 0;
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct attempts tries = { .n = 1, .v = { { .to = &before, .target = "a" } } };
		struct exchange x = { .tries = &tries };
		struct policy_rank ranks[3];
		struct policy_facts facts;
		const char *why;
		json_t *in = json_loads(HELLO, 0, NULL);
		struct request *r = decide_run(snap, in, &why);
		assert_non_null(r);
		memcpy(ranks, none, sizeof(ranks));
		r->found.ranks = ranks;
		r->in.asked_model = (struct span){ NULL, 0 };
		r->in.body.model = SPAN_LIT("m");
		request_facts(r, &facts);
		assert_int_equal(
			policy_decide(snap->policy, &facts, &r->arena, &r->found.verdict), 0);
		assert_true(r->found.verdict.none_in);
		r->out.decision.kind = kinds[i];
		r->out.decision.via = VIA_RELAY;
		r->x = &x;
		record_one(f, r);
		r->x = NULL;
		request_free(&r);
		json_decref(in);
	}
	fclose(f);
	snapshot_unref(&snap);
	int code = replay("p.yaml", NULL, NULL);
	assert_string_equal(cmd_out,
		"0 decisions: 0 the same, 0 different\n"
		"2 later attempts: 2 the same, 0 different\n"
		"  observed     1: the rules' decision was not enforced\n");
	assert_int_equal(code, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decision_is_repeated_with_the_recorded_target_state),
		cmocka_unit_test(later_attempts_are_decided_again),
		cmocka_unit_test(request_refused_before_its_model_was_set_is_repeated),
	};
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
