/* On malloc and mmap. Sanitizers watch the heap: with them all blocks come from there. */
#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* From here on mapping costs less than zeroing. */
#define MAPPED_BYTES (512u << 10)

static bool
is_mapped(size_t n)
{
#ifdef TG_SANITIZE
	(void)n;
	return false;
#else
	return n >= MAPPED_BYTES;
#endif
}

static void *
map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void *
mem_get(size_t n)
{
	return is_mapped(n) ? map(n) : malloc(n);
}

void *
mem_get_zeroed(size_t n)
{
	return is_mapped(n) ? map(n) : calloc(1, n);
}

void *
mem_grow(void *p, size_t size, size_t n)
{
	if (p && is_mapped(size)) {
		void *more = mremap(p, size, n, MREMAP_MAYMOVE);
		return more == MAP_FAILED ? NULL : more;
	}
	void *more = mem_get(n);
	if (more && p)
		memcpy(more, p, size);
	if (more)
		mem_put(p, size);
	return more;
}

void
mem_put(void *p, size_t size)
{
	if (p && is_mapped(size)) {
		munmap(p, size);
		return;
	}
	if (p)
		explicit_bzero(p, size);
	free(p);
}
