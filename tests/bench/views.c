/* The cost of a view of the console on a journal of many records: each command as the admin
 * server runs it, in a separate process. `make bench ONLY=views` makes a stack with a million
 * records.
 *
 *   views PROGRAM CONFIG DAEMON-PID */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/span.h"

enum { RUNS = 7, WORDS = 12 };

static const struct {
	const char *name, *word[WORDS];
} views[] = {
	{ "search, the newest 50", { "audit", "search", "--limit=50", "--json" } },
	{ "search, who was denied",
		{ "audit", "search", "--limit=50", "--decision=deny", "--json" } },
	{ "search, one of 2,000 people",
		{ "audit", "search", "--limit=50", "--person=person-01234", "--json" } },
	{ "search, nobody", { "audit", "search", "--limit=50", "--person=nobody", "--json" } },
	{ "search, what failed in an hour",
		{ "audit", "search", "--limit=50", "--outcome=error",
			"--between=74 hours ago..73 hours ago", "--json" } },
	{ "show, one of ten days ago", { "audit", "show", "ID" } },
	{ "people, the dearest 50", { "usage", "--by=person,team", "--limit=50", "--json" } },
	{ "people, most denied this week", { "usage", "--by=person,team", "--sort=refused",
						   "--limit=50", "--since=7d", "--json" } },
	{ "teams", { "usage", "--by=team", "--limit=50", "--json" } },
	{ "models", { "usage", "--by=model", "--json" } },
	{ "routes", { "usage", "--by=route", "--json" } },
	{ "targets", { "usage", "--by=target", "--json" } },
	{ "tools", { "usage", "--by=tool", "--json" } },
	{ "tags", { "usage", "--by=tag", "--json" } },
	{ "days", { "usage", "--by=day", "--json" } },
};

struct run {
	double wall_ms, cpu_ms;
	long rss_kb;
};

/* Its output goes to /dev/null, or the start of it into `out`. */
static struct run
run(char *const *argv, char *out, size_t size)
{
	struct run r = { 0 };
	struct rusage use;
	int ends[2], status = 0;
	char drop[65536];
	ssize_t n;
	size_t got = 0;
	uint64_t from = clock_mono_us();

	INVARIANT(pipe(ends) == 0);
	pid_t pid = fork();
	INVARIANT(pid >= 0);
	if (!pid) {
		dup2(ends[1], 1);
		dup2(open("/dev/null", O_WRONLY), 2);
		close(ends[0]);
		execv(argv[0], argv);
		_exit(127);
	}
	close(ends[1]);
	while ((n = read(ends[0], drop, sizeof(drop))) > 0)
		for (ssize_t i = 0; out && i < n && got + 1 < size; i++)
			out[got++] = drop[i];
	if (out)
		out[got] = '\0';
	close(ends[0]);
	INVARIANT(wait4(pid, &status, 0, &use) == pid);
	r.wall_ms = (double)(clock_mono_us() - from) / 1e3;
	r.cpu_ms = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
		   (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
	r.rss_kb = use.ru_maxrss;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		r.rss_kb = -1;
	return r;
}

static int
by_wall(const void *a, const void *b)
{
	double x = ((const struct run *)a)->wall_ms, y = ((const struct run *)b)->wall_ms;

	return x < y ? -1 : x > y;
}

static long
rss_kb(const char *pid)
{
	char path[64], line[256];
	long kb = -1;

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmRSS: %ld", &kb);
	if (f)
		fclose(f);
	return kb;
}

int
main(int argc, char **argv)
{
	char found[8192], id[32] = "", config[600];
	double load[3] = { 0 };
	int failed = 0;

	if (argc != 4)
		return 2;
	snprintf(config, sizeof(config), "--config=%s", argv[2]);
	char *const words[] = { argv[1], (char[]){ "audit" }, (char[]){ "search" },
		(char[]){ "--limit=1" }, (char[]){ "--json" }, (char[]){ "--at=10 days ago" },
		config, NULL };
	run(words, found, sizeof(found));
	const char *at = strstr(found, "\"id\":\"");
	if (at)
		sscanf(at, "\"id\":\"%26[0-9A-Z]", id);
	printf("%-34s %8s %8s %8s %8s\n", "view", "ms", "worst", "CPU ms", "RSS MB");
	for (size_t v = 0; v < COUNT_OF(views); v++) {
		struct run r[RUNS];
		char *args[WORDS + 3] = { argv[1] };
		size_t n = 1;
		for (size_t i = 0; views[v].word[i]; i++)
			args[n++] = strcmp(views[v].word[i], "ID")
					    ? (char *)(uintptr_t)views[v].word[i]
					    : id;
		args[n++] = config;
		args[n] = NULL;
		for (size_t i = 0; i < RUNS; i++)
			r[i] = run(args, NULL, 0);
		for (size_t i = 0; i < RUNS; i++)
			failed += r[i].rss_kb < 0;
		qsort(r, RUNS, sizeof(*r), by_wall);
		printf("%-34s %8.0f %8.0f %8.0f %8.1f\n", views[v].name, r[RUNS / 2].wall_ms,
			r[RUNS - 1].wall_ms, r[RUNS / 2].cpu_ms,
			(double)r[RUNS / 2].rss_kb / 1024);
	}
	if (getloadavg(load, 3) < 1)
		load[0] = -1;
	printf("daemon: %.1f MB resident; load %.1f\n", (double)rss_kb(argv[3]) / 1024,
		load[0]);
	return failed ? 1 : 0;
}
