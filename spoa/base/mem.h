/* Memory blocks for text and secrets: nothing of their contents remains after they are returned.
 * Small blocks come from the heap and are zeroed. Blocks of 1 to 20 KB stay with the thread that
 * returned them, for its next request. Blocks of 512 KB or more are mapped: they return to the
 * kernel without being zeroed first, and grow by moving pages instead of bytes. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* More stack than a thread that looks at text ever uses. This much is zeroed (sodium_stackzero)
 * when the thread has returned to the bottom of its stack. */
#define MEM_STACK_BYTES (256u << 10)

/* Returns n bytes, aligned for any object, or NULL if memory is exhausted. */
void *mem_get(size_t n);
void *mem_get_zeroed(size_t n);
/* Grows a block of `size` bytes (p NULL: none) to n > size bytes. The block may move; then its
 * old place is zeroed. Returns NULL, with p unchanged, if memory is exhausted. */
void *mem_grow(void *p, size_t size, size_t n);
/* Returns a block. `size` is the size that was requested. p may be NULL. */
void mem_put(void *p, size_t size);
/* As mem_put(), for a block of mem_get_zeroed() of which only the first `used` bytes were ever
 * written. */
void mem_put_used(void *p, size_t size, size_t used);

/* Makes room for n elements of `size` bytes in a growing array from malloc(). `array` is the
 * address of the array's pointer, *room the number of elements it has room for. Returns false,
 * with both unchanged, if memory is exhausted. */
bool mem_room(void *array, size_t *room, size_t n, size_t size);

/* Call this before the first thread starts. Makes large blocks of libraries and growing arrays
 * return to the kernel when they are freed; by default, glibc stops mapping blocks of a size
 * that was freed once. */
void mem_begin(void);

/* Returns free pages of the heap to the kernel after a burst. By default, glibc keeps the pages
 * below a block in use. Threads that allocate meanwhile may have to wait. */
void mem_give_back(void);

#endif
