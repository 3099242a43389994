/* fork() for a child that continues in this program. The fork waits until every other thread
 * sleeps: a lock that another thread holds would stay locked in the child, and a sanitizer's
 * allocator has locks that no handler of fork() takes. */
#ifndef TESTS_CALM_FORK_H
#define TESTS_CALM_FORK_H

#include <sys/types.h>

/* Like fork(). Waits at most about two seconds for the other threads. */
pid_t calm_fork(void);

#endif
