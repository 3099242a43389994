/* Prompts that are estimated instead of counted: which ones, what is reserved for them, and
 * that they are counted if the response contains no usage. */
#include "scenario/gate_stage.h"
#include "scenario/relay_policy.h"

#define ROOMY(more)                                                                            \
	"limits:\n  - {name: tokens, per: [identity.person], tokens: 1000000, window: 1m" more \
	"}\n"
#define MORE "output_default: 100\n"
#define READS                                                                                  \
	"rules:\n  - {name: long, when: 'prompt.tokens > 100000', deny: {}}\ndefault: "        \
	"permit\n"
#define COUNTED (RESERVED - 100) /* the prompt's tokens, if it is counted */

static const struct row {
	const char *name, *policy;
	int64_t in, out; /* usage in the response; -1: none */
	/* the prompt is estimated, once the worker knows what is left of the limit */
	bool by_bytes;
	int64_t each; /* the charge of each of two requests */
} rows[] = {
	{ "a response with usage", ROUTES RULES ROOMY("") MORE, 7, 20, true, 27 },
	{ "a response without usage: the prompt is counted", ROUTES RULES ROOMY("") MORE, -1,
		-1, true, RESERVED },
	{ "a rule reads prompt.tokens", ROUTES READS ROOMY("") MORE, -1, -1, false, RESERVED },
	{ "over a hundredth of the rest of the limit", POLICY, -1, -1, false, RESERVED },
	{ "over a hundredth of the distance to the warning",
		ROUTES RULES ROOMY(", soft: 1000") MORE, -1, -1, false, RESERVED },
	{ "over a hundredth of a message",
		ROUTES RULES ROOMY("") "  - {name: m, tokens_per_request: 1000}\n" MORE, -1, -1,
		false, RESERVED },
	{ "a limit of a shorter window that is nearly exhausted",
		ROUTES RULES ROOMY(", burst: {most: 1000, window: 5s}") MORE, -1, -1, false,
		RESERVED },
};

static void
prompt_is_counted_only_near_a_limit(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		struct stage s;
		stage_up(&s, row->policy);
		s.table->owner = &s.mail[0]; /* the worker that knows what is left */
		for (int64_t k = 0; k < 2; k++) {
			struct call c;
			struct pass p;
			call_do(&s, &hello, &c);
			size_t decision = disk_records - 1;
			bool by_bytes = !strcmp(
				stage_field(decision, "prompt.tokens_by_bytes"), "true");
			/* nothing is known before the first request */
			if (by_bytes != (k && row->by_bytes))
				fail_msg("%s: %lld: %s", row->name, (long long)k,
					stage_field(decision, "prompt"));
			assert_int_equal(pass_claim(&s, 0, &p, &c, LEN(HELLO)), 0);
			pass_finish(&p, END_COMPLETE, 200, row->in, row->out);
			stage_settle(&s);
			int64_t charged = stage_charged(&s, "tokens", "alice");
			if (charged != (k + 1) * row->each)
				fail_msg("%s: %lld: %lld", row->name, (long long)k,
					(long long)charged);
			if (row->in < 0)
				assert_int_equal(strtoll(stage_field(disk_records - 1,
								 "reserved_usage.input_tokens"),
							 NULL, 10),
					COUNTED);
		}
		stage_down(&s);
	}
}

/* The prompt is kept in the worker's own memory under the ticket and afterwards, because
 * HAProxy's frame is gone. */
static void
unsent_request_is_released_whole(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;

	(void)state;
	stage_up(&s, rows[0].policy);
	s.table->owner = &s.mail[0];
	for (int k = 0; k < 2; k++) {
		call_do(&s, &hello, &c);
		assert_int_equal(pass_claim(&s, 1, &p, &c, LEN(HELLO)), 0);
		pass_finish(&p, k ? END_NEVER_SENT : END_COMPLETE, k ? 0 : 200, k ? -1 : 1, 1);
		stage_settle(&s);
	}
	assert_int_equal(stage_charged(&s, "tokens", "alice"), 2);
	assert_int_equal(stage_charged(&s, "requests", "alice"), 0);
	stage_down(&s);
}

/* A deferred body counts as a body of its length, and its segments count as held bytes. */
static void
unsent_deferred_body_is_released_whole(void **state)
{
	struct stage s;

	(void)state;
	stage_up(&s, rows[1].policy);
	s.table->owner = &s.mail[0];
	for (int k = 0; k < 3; k++) {
		struct call c;
		struct pass p;
		call_do(&s, &deferred, &c);
		assert_int_equal(pass_claim(&s, 0, &p, &c, -1), 0);
		gate_body(p.x, SPAN_LIT(HELLO), pass_ruled, &p);
		stage_turn(&s); /* the quota store is asked */
		if (k == 2) /* no room for the segments, so the tokens are counted at once */
			s.shared->holds.cap_all = gate_held_bytes(s.shared);
		stage_settle(&s);
		assert_true(p.ruled && !p.denied);
		assert_string_equal(stage_field(disk_records - 1, "prompt.tokens_by_bytes"),
			k ? "true" : "");
		pass_finish(&p, END_COMPLETE, 200, -1, -1);
		stage_settle(&s);
		assert_int_equal(stage_charged(&s, "tokens", "alice"), (k + 1) * RESERVED);
	}
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prompt_is_counted_only_near_a_limit),
		cmocka_unit_test(unsent_request_is_released_whole),
		cmocka_unit_test(unsent_deferred_body_is_released_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
