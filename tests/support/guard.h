/* Copies that end at an inaccessible page. A parser that reads one byte too far crashes at
 * once, in every build. */
#ifndef TESTS_SUPPORT_GUARD_H
#define TESTS_SUPPORT_GUARD_H

#include <stddef.h>

/* Returns a copy of n bytes from p. The last byte is directly before a PROT_NONE page. */
char *guard_dup(const void *p, size_t n);

/* n must be the length that guard_dup() was given. */
void guard_free(char *p, size_t n);

#endif
