/* The step after a failed attempt, as a table without sockets or clock. A row has a plan, the
 * attempts so far, and the next step. Numbers of stories refer to published failures. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "base/codec/http.h"
#include "gate/targets/next.h"

#define S   1000000ull
#define MS  1000ull
#define NOW (100 * S)

enum {
	ALL = 1u << CAUSE_NEVER_SENT | 1u << CAUSE_THROTTLED | 1u << CAUSE_REFUSED_US |
	      1u << CAUSE_PERHAPS_BILLED
};
#define LEFT(p)                                                                                \
	{                                                                                      \
		.left = true, .place = (p), .budget = true                                     \
	}
#define TRIED(p)                                                                               \
	{                                                                                      \
		.place = (p), .budget = true                                                   \
	}
#define AT(t, c, ...)                                                                          \
	{                                                                                      \
		.target = (t), .cause = CAUSE_##c, ##__VA_ARGS__                               \
	}

struct row {
	const char *what;
	struct next_candidate c[4];
	size_t n;
	struct next_attempt tried[8];
	size_t ntried;
	unsigned attempts, on;	       /* 0: 3, all */
	uint64_t overall_us, deadline; /* the request began a second ago; absolute time */
	/* expected */
	int next;
	size_t target;
	uint64_t least_us, most_us; /* wait; at the end: Retry-After */
	int says;
	const char *why; /* NULL: any */
};

static const struct row rows[] = {
	/* another target, at once */
	{ "after a refused connection the next target, without sleep",
		{ TRIED(0), LEFT(1), LEFT(2) }, 3, { AT(0, NEVER_SENT) }, 1,
		.next = NEXT_TARGET, .target = 1, .says = NEXT_UNAVAILABLE },
	{ "the best-placed that is left, not the next in the list",
		{ TRIED(0), LEFT(2), LEFT(1) }, 3, { AT(0, THROTTLED, .status = 429) }, 1,
		.next = NEXT_TARGET, .target = 2 },
	{ "story 20: a 429 goes to the next target, not to the caller", { TRIED(0), LEFT(1) },
		2, { AT(0, THROTTLED, .status = 429, .asked_us = S) }, 1, .next = NEXT_TARGET,
		.target = 1 },
	{ "story 10: a target whose key failed is not drawn again while another is left",
		{ TRIED(0), LEFT(1) }, 2, { AT(0, REFUSED_US, .status = 401, .our_key = true) },
		1, .next = NEXT_TARGET, .target = 1, .says = NEXT_UNAVAILABLE },
	{ "story 11: a later group is next where the first has none left",
		{ TRIED(0), TRIED(1), LEFT(2) }, 3, { AT(0, NEVER_SENT), AT(1, NEVER_SENT) }, 2,
		.next = NEXT_TARGET, .target = 2, .says = NEXT_UNAVAILABLE },
	{ "story 13: too long for one, a larger window is left", { TRIED(0), LEFT(1) }, 2,
		{ AT(0, REFUSED_US, .status = 400) }, 1, .next = NEXT_TARGET, .target = 1 },
	{ "perhaps billed goes on where retry.on says so", { TRIED(0), LEFT(1) }, 2,
		{ AT(0, PERHAPS_BILLED, .status = 504) }, 1, .next = NEXT_TARGET, .target = 1 },
	{ "story 9: one whose budget is empty does not hide the next",
		{ TRIED(0), { .left = true, .place = 1 }, LEFT(2) }, 3, { AT(0, NEVER_SENT) },
		1, .next = NEXT_TARGET, .target = 2, .says = NEXT_UNAVAILABLE },

	/* the end: the response unchanged */
	{ "an answer is an answer", { TRIED(0), LEFT(1) }, 2, { AT(0, DONE, .status = 200) }, 1,
		.next = NEXT_END, .why = "final" },
	{ "the caller's own 4xx ends it", { TRIED(0), LEFT(1) }, 2,
		{ AT(0, FINAL, .status = 400) }, 1, .next = NEXT_END, .why = "final" },
	{ "a caller who went away ends it", { TRIED(0), LEFT(1) }, 2, { AT(0, ABORTED) }, 1,
		.next = NEXT_END },
	{ "story 19: perhaps billed is not repeated where retry.on has it not",
		{ TRIED(0), LEFT(1) }, 2, { AT(0, PERHAPS_BILLED, .status = 502) }, 1,
		.on = ALL & ~(1u << CAUSE_PERHAPS_BILLED), .next = NEXT_END,
		.why = "retry_on" },
	{ "nor is a pooled connection that broke", { TRIED(0), LEFT(1) }, 2,
		{ AT(0, PERHAPS_BILLED, .pooled_broke = true) }, 1,
		.on = ALL & ~(1u << CAUSE_PERHAPS_BILLED), .next = NEXT_END },
	{ "no attempt is left: the last answer", { TRIED(0), TRIED(1), LEFT(2) }, 3,
		{ AT(0, THROTTLED, .status = 529), AT(1, PERHAPS_BILLED, .status = 500) }, 2,
		.attempts = 2, .next = NEXT_END, .why = "attempts" },
	{ "story 16: an empty budget ends a burst with the last error",
		{ TRIED(0), { .left = true, .place = 1 } }, 2,
		{ AT(0, THROTTLED, .status = 429) }, 1, .next = NEXT_END, .why = "budget" },
	{ "the last target's 429 goes to the caller", { TRIED(0) }, 1,
		{ AT(0, THROTTLED, .status = 429, .asked_us = 60 * S) }, 1, .next = NEXT_END },
	{ "its time is over", { TRIED(0), LEFT(1) }, 2, { AT(0, THROTTLED, .status = 503) }, 1,
		.overall_us = S, .next = NEXT_END, .why = "deadline" },
	{ "the exchange's deadline is over", { TRIED(0), LEFT(1) }, 2,
		{ AT(0, THROTTLED, .status = 503) }, 1, .deadline = NOW, .next = NEXT_END,
		.why = "deadline" },
	{ "a model that the only target does not have: its answer", { TRIED(0) }, 1,
		{ AT(0, REFUSED_US, .status = 404) }, 1, .next = NEXT_END, .why = "none_left" },

	/* the end: 503 */
	{ "the last target's 401 is a 503", { TRIED(0) }, 1,
		{ AT(0, REFUSED_US, .status = 401, .our_key = true) }, 1, .next = NEXT_END,
		.says = NEXT_UNAVAILABLE },
	{ "so is its 403, whatever it names", { TRIED(0) }, 1,
		{ AT(0, REFUSED_US, .status = 403) }, 1, .next = NEXT_END,
		.says = NEXT_UNAVAILABLE },
	{ "story 4: and a 400 that says the credit is too low", { TRIED(0) }, 1,
		{ AT(0, REFUSED_US, .status = 400, .our_key = true) }, 1, .next = NEXT_END,
		.says = NEXT_UNAVAILABLE },
	{ "what was never sent ends as a 503", { TRIED(0), TRIED(1) }, 2,
		{ AT(0, THROTTLED, .status = 429, .asked_us = 30 * S), AT(1, NEVER_SENT) }, 2,
		.attempts = 2, .next = NEXT_END, .says = NEXT_UNAVAILABLE },
	{ "story 5: with the soonest Retry-After of all that are out",
		{ { .place = 0, .budget = true, .back_us = NOW + 30 * S },
			{ .place = 1, .budget = true, .back_us = NOW + 4 * S },
			{ .place = 2, .back_us = UINT64_MAX } },
		3, { AT(1, NEVER_SENT) }, 1, .attempts = 2, .next = NEXT_END,
		.says = NEXT_UNAVAILABLE, .least_us = 4 * S, .most_us = 4 * S },

	/* the same target again */
	{ "the same one only when no other is left, after a jittered wait", { TRIED(0) }, 1,
		{ AT(0, THROTTLED, .status = 503) }, 1, .next = NEXT_SAME, .target = 0,
		.most_us = 100 * MS },
	{ "story 17: the wait doubles each time", { TRIED(0) }, 1,
		{ AT(0, NEVER_SENT), AT(0, NEVER_SENT), AT(0, NEVER_SENT), AT(0, NEVER_SENT) },
		4, .attempts = 8, .next = NEXT_SAME, .target = 0, .most_us = 800 * MS,
		.says = NEXT_UNAVAILABLE },
	{ "up to five seconds", { TRIED(0) }, 1,
		{ AT(0, NEVER_SENT), AT(0, NEVER_SENT), AT(0, NEVER_SENT), AT(0, NEVER_SENT),
			AT(0, NEVER_SENT), AT(0, NEVER_SENT), AT(0, NEVER_SENT) },
		7, .attempts = 8, .next = NEXT_SAME, .target = 0, .most_us = 5 * S,
		.says = NEXT_UNAVAILABLE },
	{ "a Retry-After of two seconds is waited for, exactly", { TRIED(0) }, 1,
		{ AT(0, THROTTLED, .status = 429, .asked_us = 2 * S) }, 1, .next = NEXT_SAME,
		.target = 0, .least_us = 2 * S, .most_us = 2 * S },
	{ "story 18: retry after 86400 seconds is not", { TRIED(0) }, 1,
		{ AT(0, THROTTLED, .status = 429, .asked_us = 86400 * S) }, 1, .next = NEXT_END,
		.why = "none_left" },
	{ "nor one that ends after the deadline", { TRIED(0) }, 1,
		{ AT(0, THROTTLED, .status = 429, .asked_us = 2 * S) }, 1, .overall_us = 3 * S,
		.next = NEXT_END, .why = "deadline" },
	{ "of two the one that may be tried sooner", { TRIED(0), TRIED(1) }, 2,
		{ AT(0, THROTTLED, .status = 429, .asked_us = 2 * S),
			AT(1, THROTTLED, .status = 429, .asked_us = S) },
		2, .next = NEXT_SAME, .target = 1, .least_us = S, .most_us = S },
	{ "one whose breaker opened is not tried again",
		{ { .budget = true, .back_us = NOW + 5 * S } }, 1, { AT(0, NEVER_SENT) }, 1,
		.next = NEXT_END, .says = NEXT_UNAVAILABLE, .least_us = 5 * S,
		.most_us = 5 * S },
	{ "one whose key is refused neither", { TRIED(0), TRIED(1) }, 2,
		{ AT(0, REFUSED_US, .status = 401), AT(1, NEVER_SENT) }, 2, .next = NEXT_SAME,
		.target = 1, .most_us = 100 * MS, .says = NEXT_UNAVAILABLE },
	{ "without budget it is not repeated", { { .place = 0 } }, 1,
		{ AT(0, THROTTLED, .status = 503) }, 1, .next = NEXT_END },
	{ "story 15: repeats count as attempts: two of them, not more", { TRIED(0) }, 1,
		{ AT(0, NEVER_SENT), AT(0, NEVER_SENT) }, 2, .attempts = 2, .next = NEXT_END,
		.says = NEXT_UNAVAILABLE, .why = "attempts" },
	{ "one attempt is one attempt", { TRIED(0) }, 1,
		{ AT(0, PERHAPS_BILLED, .pooled_broke = true) }, 1, .attempts = 1,
		.next = NEXT_END },

	/* a pooled connection that broke */
	{ "a pooled connection that broke as the request went out: the same one, at once",
		{ TRIED(0), LEFT(1) }, 2, { AT(0, PERHAPS_BILLED, .pooled_broke = true) }, 1,
		.next = NEXT_SAME, .target = 0 },
	{ "but not where that opened its breaker",
		{ { .place = 0, .budget = true, .back_us = NOW + 5 * S }, LEFT(1) }, 2,
		{ AT(0, PERHAPS_BILLED, .pooled_broke = true) }, 1, .next = NEXT_TARGET,
		.target = 1 },
	{ "but only once in a request", { TRIED(0), LEFT(1) }, 2,
		{ AT(0, PERHAPS_BILLED, .pooled_broke = true),
			AT(0, PERHAPS_BILLED, .pooled_broke = true) },
		2, .next = NEXT_TARGET, .target = 1 },
	{ "and not without budget", { { .place = 0 }, LEFT(1) }, 2,
		{ AT(0, PERHAPS_BILLED, .pooled_broke = true) }, 1, .next = NEXT_TARGET,
		.target = 1 },
};

static struct next
next_of(const struct row *r, uint64_t random)
{
	const struct retry retry = { .attempts = r->attempts ? r->attempts : 3,
		.on = r->on ? r->on : ALL,
		.overall_us = r->overall_us };

	return targets_next(&(struct next_plan){ .retry = &retry,
		.candidate = r->c,
		.ncandidates = r->n,
		.tried = r->tried,
		.ntried = r->ntried,
		.began_us = NOW - S,
		.now_us = NOW,
		.deadline_us = r->deadline,
		.random = random });
}

static void
next_step_follows_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *r = &rows[i];
		for (uint64_t random = 0; random < 2000000000; random += 12345679) {
			struct next n = next_of(r, random);
			uint64_t us = n.what == NEXT_END ? n.retry_after_us : n.wait_us;
			if ((int)n.what != r->next || (int)n.says != r->says ||
				us < r->least_us || us > r->most_us ||
				(r->next != NEXT_END && n.target != r->target) ||
				(n.what == NEXT_END) != (n.why != NULL) ||
				(r->why && strcmp(r->why, n.why) != 0))
				fail_msg("%s: %d target %zu, %llu us, says %d, %s", r->what,
					n.what, n.target, (unsigned long long)us, n.says,
					n.why ? n.why : "");
		}
	}
}

/* Each value of the range is equally likely: full jitter, not half of it. */
static void
jitter_covers_the_whole_range(void **state)
{
	uint64_t most = 0, least = UINT64_MAX;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (uint64_t random = 0; strstr(rows[i].what, "doubles") && random < 900000;
			random += 7) {
			uint64_t us = next_of(&rows[i], random).wait_us;
			most = us > most ? us : most;
			least = us < least ? us : least;
		}
	assert_true(least < MS);
	assert_true(most > 799 * MS);
}

static void
requested_wait_is_read(void **state)
{
	static const struct {
		const char *name, *value;
		uint64_t us;
	} heads[] = {
		{ "retry-after", "7", 7 * S },
		{ "Retry-After", " 7 ", 7 * S },
		{ "retry-after", "1.5", 1500 * MS },
		{ "retry-after-ms", "250", 250 * MS },
		{ "retry-after-ms", "250.25", 250250 },
		{ "x-ms-retry-after-ms", "1200", 1200 * MS },
		{ "retry-after", "Sun, 06 Nov 1994 08:49:47 GMT", 10 * S },
		{ "retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", 0 }, /* now */
		{ "retry-after", "Sun, 06 Nov 1994 08:49:30 GMT", 0 }, /* in the past */
		{ "retry-after", "Sun, 06 Nov 2094 08:49:37 GMT", 86400000 * S },
		{ "retry-after", "99999999999999999", 86400000 * S },
		{ "retry-after", "99999999999999999999999", 0 },
		{ "retry-after", "0", 0 },
		{ "retry-after", "-3", 0 },
		{ "retry-after", "soon", 0 },
		{ "retry-after", "", 0 },
		{ "retry-after", "1.x", 0 },
		{ "retry-after", "Sun, 06 Nov 1994 08:49:47 XXX", 0 },
		{ "x-retry-after", "7", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		struct http_field f = { .name = span_str(heads[i].name),
			.value = span_str(heads[i].value) };
		struct http_head h = { .fields = &f, .nfields = 1 };
		if (next_asked_us(&h, 784111777) != heads[i].us)
			fail_msg("%s: %s", heads[i].name, heads[i].value);
	}
	struct http_field both[] = { { .name = SPAN_LIT("retry-after"),
					     .value = SPAN_LIT("2") },
		{ .name = SPAN_LIT("retry-after-ms"), .value = SPAN_LIT("1300") } };
	assert_int_equal(next_asked_us(&(struct http_head){ .fields = both, .nfields = 2 }, 0),
		1300 * MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_step_follows_the_table),
		cmocka_unit_test(jitter_covers_the_whole_range),
		cmocka_unit_test(requested_wait_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
