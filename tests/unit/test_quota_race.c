/* Sixteen processes at one limit of 40 requests, far more than it lets go, some of them killed:
 * no rolling window holds more, and nearly all of it is used. RACE_S: seconds (6); from 30 on
 * what is sustained must be what ten sub-buckets allow. */
#include <sys/mman.h>

#include "support/quota_rig.h"

enum { DAEMONS = 16, LIMIT = 40, WINDOW_S = 2, WINDOW_US = WINDOW_S * 1000000, FLIGHT = 4 };
enum { MAX = 1 << 16 };

struct admission {
	uint64_t sent_us, done_us; /* Redis counted it between them */
};

static struct shared {
	_Atomic size_t n;
	_Atomic unsigned failed;
	struct admission of[MAX];
} * all;

/* One daemon, until it is killed. */
static void
daemon_runs(const char *name, uint64_t until_us)
{
	static struct ask asks[FLIGHT];
	struct line l;

	loop = ev_loop_new(EVFLAG_AUTO);
	mailbox_init(&self, NULL, NULL);
	line_up(&l, 2000000);
	run_until_up(l.redis, 5000000);
	for (int i = 0; i < FLIGHT; i++)
		asks[i].done = true;
	while (clock_mono_us() < until_us) {
		for (int i = 0; i < FLIGHT; i++) {
			struct ask *a = &asks[i];
			if (!a->done)
				continue;
			if (a->q.ndims && a->q.result == QUOTA_ADMITTED) {
				size_t n = atomic_fetch_add(&all->n, 1);
				if (n < MAX)
					all->of[n] =
						(struct admission){ a->sent_us, a->done_us };
			} else if (a->q.ndims && a->q.result == QUOTA_FAILED) {
				atomic_fetch_add(&all->failed, 1);
			}
			*a = (struct ask){ .sent_us = clock_mono_us(),
				.q.ndims = 1,
				.q.done = asked,
				.q.arg = a };
			dim_set(&a->q.dim[0], name, LIMIT, WINDOW_S, 1);
			quota_reserve(l.quota, &a->q);
		}
		run_for(1000);
	}
	_exit(0);
}

static int
by_sent(const void *a, const void *b)
{
	uint64_t x = ((const struct admission *)a)->sent_us,
		 y = ((const struct admission *)b)->sent_us;

	return x < y ? -1 : x > y;
}

/* The most that was surely counted within one window: sent after it began, answered before
 * it ended. */
static size_t
worst_window(size_t n)
{
	size_t worst = 0;

	for (size_t i = 0; i < n; i++) {
		size_t sum = 0;
		for (size_t k = i; k < n && all->of[k].sent_us < all->of[i].sent_us + WINDOW_US;
			k++)
			sum += all->of[k].done_us < all->of[i].sent_us + WINDOW_US;
		worst = sum > worst ? sum : worst;
	}
	return worst;
}

static size_t
within(size_t n, uint64_t from_us, uint64_t to_us)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += all->of[i].done_us >= from_us && all->of[i].done_us < to_us;
	return sum;
}

/* `killed`: so many are killed at each half window, and begun anew. */
static void
race(const char *name, int killed)
{
	pid_t pid[DAEMONS];
	uint64_t seconds = getenv("RACE_S") ? strtoull(getenv("RACE_S"), NULL, 10) : 6,
		 until = clock_mono_us() + 500000 + seconds * 1000000;
	int next = 0;

	memset(all, 0, sizeof(*all));
	for (int i = 0; i < DAEMONS; i++)
		if ((pid[i] = fork()) == 0)
			daemon_runs(name, until);
	while (clock_mono_us() + WINDOW_US / 2 < until) {
		usleep(WINDOW_US / 2);
		for (int i = 0; i < killed; i++, next = (next + 1) % DAEMONS) {
			kill(pid[next], SIGKILL);
			waitpid(pid[next], NULL, 0);
			if ((pid[next] = fork()) == 0)
				daemon_runs(name, until);
		}
	}
	for (int i = 0; i < DAEMONS; i++)
		waitpid(pid[i], NULL, 0);
	size_t n = all->n;
	assert_true(n > 0 && n < MAX);
	qsort(all->of, n, sizeof(all->of[0]), by_sent);
	uint64_t first = UINT64_MAX;
	for (size_t i = 0; i < n; i++)
		first = all->of[i].done_us < first ? all->of[i].done_us : first;
	size_t worst = worst_window(n), begin = within(n, first, first + WINDOW_US);
	/* the limit over whole windows after the first one */
	uint64_t windows = (seconds * 1000000 - WINDOW_US) / WINDOW_US;
	double sustained =
		(double)within(n, first + WINDOW_US, first + WINDOW_US * (windows + 1)) /
		(double)(windows * LIMIT);
	print_message("%s: worst window %zu of %d, first %.2f, sustained %.3f, %u without an "
		      "answer\n",
		name, worst, LIMIT, (double)begin / LIMIT, sustained, all->failed);
	assert_true(worst <= LIMIT);
	assert_true((double)begin / LIMIT >= 0.95);
	assert_true(sustained >= (seconds >= 30 ? 0.88 : 0.75));
}

static void
sixteen_daemons_never_pass_a_limit_and_use_it(void **state)
{
	NEEDS_REDIS;
	race("race", 0);
}

/* What a killed one had counted and not answered is lost until it has rolled past. */
static void
nor_where_some_are_killed(void **state)
{
	NEEDS_REDIS;
	race("killed", 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sixteen_daemons_never_pass_a_limit_and_use_it),
		cmocka_unit_test(nor_where_some_are_killed),
	};

	all = mmap(
		NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, teardown);
}
