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

pid_t calm_fork(void);

#endif
