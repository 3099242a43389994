/* Random bytes for identifiers, tickets and keys. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>

/* Writes n bytes from the kernel's generator. Each thread fetches some in advance. Any thread. */
void random_bytes(void *out, size_t n);

#endif
