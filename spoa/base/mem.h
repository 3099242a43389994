/* Blocks that hold text or secrets: what was in one is gone once it was put back. Small
 * blocks come from the heap and are zeroed; those of some kilobytes stay with the thread that
 * put them back, for its next request; large ones are mapped, go back to the kernel
 * as they are, which costs no writing of megabytes, and grow by moving pages, not bytes. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* As deep as a thread that looks at text goes, and more: so much of its stack is zeroed
 * (sodium_stackzero) once it is back at the bottom. */
#define MEM_STACK_BYTES (256u << 10)

/* n bytes, aligned for any object; NULL: out of memory. */
void *mem_get(size_t n);
void *mem_get_zeroed(size_t n);
/* p (NULL: none) of `size` bytes becomes n > size bytes, perhaps elsewhere: then nothing is
 * left where it was. NULL: out of memory, and p is as it was. */
void *mem_grow(void *p, size_t size, size_t n);
/* `size`: as it was asked for. p may be NULL. */
void mem_put(void *p, size_t size);
/* The same for a block of mem_get_zeroed of which bytes after the first `used` were never
 * written. */
void mem_put_used(void *p, size_t size, size_t used);

/* Room for n elements of `size` bytes in an array of malloc's that grows: `array` is the address
 * of its pointer, *room what it has room for. False: out of memory, and both are as they were. */
bool mem_room(void *array, size_t *room, size_t n, size_t size);

/* Before the first thread: what libraries and arrays that grow have of it in large blocks goes
 * back to the kernel when it is freed. glibc alone stops to map blocks of a size that was freed. */
void mem_begin(void);

/* Free pages of the heap go back to the kernel: a burst needed them, and glibc alone keeps
 * those that lie below one still in use. Threads that allocate meanwhile may wait for it. */
void mem_give_back(void);

#endif
