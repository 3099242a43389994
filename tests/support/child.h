/* Ends a program that a test has started when the test ends, also if the test aborts. */
#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include <sys/types.h>

/* Call first in the child. `parent` is the value of getpid() before the fork. The kernel treats
 * the thread that forked as the parent; here that is the test's first thread. */
void ends_with(pid_t parent);

#endif
