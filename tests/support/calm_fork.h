/* fork() for a child that continues in this program. The fork waits until every other thread
 * sleeps: a lock that another thread holds would stay locked in the child, and a sanitizer's
 * allocator has locks that no handler of fork() takes. */
#ifndef TESTS_CALM_FORK_H
#define TESTS_CALM_FORK_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static inline bool
others_sleep(void)
{
	DIR *d = opendir("/proc/self/task");
	bool sleep = true;

	for (struct dirent *e; d && sleep && (e = readdir(d));) {
		char path[300], line[512] = "";
		if (e->d_name[0] == '.' || atoi(e->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", e->d_name);
		FILE *f = fopen(path, "r");
		const char *is = f && fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
		sleep = !is || is[2] == 'S';
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return sleep;
}

static inline pid_t
calm_fork(void)
{
	for (int i = 0; i < 2000 && !others_sleep(); i++)
		usleep(1000);
	return fork();
}

#endif
