/* Random bytes for identifiers, tickets and keys. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>

/* From the kernel's generator, fetched ahead for each thread. Any thread. */
void random_bytes(void *out, size_t n);

#endif
