/* The cost of choosing among five targets, and of reporting an attempt. Prints the figures, and
 * none makes it fail. */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "gate/targets/next.h"
#include "gate/targets/rank.h"

enum { ROUNDS = 7, TIMES = 200000, FIVE = 5 };

static struct target_table *table;
static struct target five[FIVE];
static volatile uint64_t sink;

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
choose_by(struct choose by, unsigned n)
{
	struct rank_target t[FIVE];
	struct policy_rank out[FIVE];

	for (unsigned k = 0; k < n; k++) {
		struct rank_ask ask = { .choose = by,
			.random = k * UINT64_C(0x9e3779b97f4a7c15),
			.sticky = by.sticky ? k + 1 : 0,
			.now_us = clock_mono_us() };
		for (size_t i = 0; i < FIVE; i++)
			t[i] = (struct rank_target){ .target = &five[i],
				.state = target_state_of(table, &five[i]),
				.price_nanousd = 1000 + i };
		targets_rank(&ask, t, FIVE, out);
		sink += out[0].place;
	}
}

static void
attempt(struct choose by, unsigned n)
{
	struct target_attempt a;

	(void)by;
	for (unsigned k = 0; k < n; k++) {
		uint64_t now = clock_mono_us();
		struct target_state *s = target_state_of(table, &five[k % FIVE]);
		target_begin(&a, s, &five[k % FIVE], NULL, now);
		target_first_content(&a, TARGET_SMALL, 1000, now);
		target_over(&a, &(struct target_end){ .cause = CAUSE_DONE }, now);
	}
}

static void
row(const char *what, void (*run)(struct choose by, unsigned n), struct choose by,
	const char *aim)
{
	double least = 1e18;

	for (int i = 0; i < ROUNDS; i++) {
		double from = now_us();
		run(by, TIMES);
		double us = (now_us() - from) / TIMES;
		least = us < least ? us : least;
	}
	printf("%-58s %10.3f   %s\n", what, least, aim);
}

int
main(void)
{
	static const char *const names[FIVE] = { "openai", "azure", "bedrock", "vertex",
		"local" };

	table = target_table_new();
	for (size_t i = 0; i < FIVE; i++)
		five[i] = (struct target){ .name = names[i],
			.model = "a-model-with-a-long-name-2026-01-31",
			.weight = (unsigned)i + 1,
			.priority = 1,
			.breaker = { .on = true, .failures = 5, .open_us = 5000000 } };
	printf("%-58s %10s\n", "targets", "us");
	attempt((struct choose){ 0 }, 100);
	row("choosing among five: order", choose_by,
		(struct choose){ CHOOSE_ORDER, STICKY_NONE }, "aim: at most 3");
	row("choosing among five: weight", choose_by,
		(struct choose){ CHOOSE_WEIGHT, STICKY_NONE }, "aim: at most 3");
	row("choosing among five: weight, sticky", choose_by,
		(struct choose){ CHOOSE_WEIGHT, STICKY_CONVERSATION }, "aim: at most 3");
	row("choosing among five: latency", choose_by,
		(struct choose){ CHOOSE_LATENCY, STICKY_NONE }, "aim: at most 3");
	row("choosing among five: price, once that is known", choose_by,
		(struct choose){ CHOOSE_PRICE, STICKY_NONE }, "aim: at most 3");
	row("an attempt: begun, first content, over", attempt, (struct choose){ 0 }, "");
	target_table_free(&table);
	return 0;
}
