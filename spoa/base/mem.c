/* Memory that is zeroed when it is freed. Prompts and credentials also pass through buffers of
 * libcurl, OpenSSL, zlib, brotli, jansson, hiredis and libmicrohttpd, and few of these can be
 * configured to zero them. Therefore the functions below replace free and realloc of the whole
 * program, libraries included. glibc's M_PERTURB is not enough, because blocks that enter a
 * thread's cache of small blocks stay unchanged. Sanitizers have a heap of their own; with them,
 * and without glibc, only blocks of mem.h are zeroed. */
#include "base/attr.h"
#include "base/mem.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* From this size on, mapping costs less than zeroing. */
#define MAPPED_BYTES   (512u << 10)
#define FREE_TOP_BYTES (4 << 20) /* free bytes kept at the end of the heap for the next request */

#if defined(__GLIBC__) && !defined(TG_SANITIZE)
#define HEAP_ZEROES 1
#else
#define HEAP_ZEROES 0
#endif

#if HEAP_ZEROES

/* glibc's own free, exported for programs that replace it. */
extern void __libc_free(void *p);

/* Returns true for a large block for which malloc() called mmap(). Freeing it unmaps its pages,
 * and the kernel zeroes pages before it hands them out again. Zeroing them here would touch
 * pages that were never used. Source: IS_MMAPPED in glibc's malloc/malloc.c. */
static bool
is_mapped_block(const void *p)
{
	return ((const size_t *)p)[-1] & 2;
}

void
free(void *p)
{
	int saved = errno; /* callers rely on an unchanged errno */

	if (p && !is_mapped_block(p))
		explicit_bzero(p, malloc_usable_size(p));
	__libc_free(p);
	errno = saved;
}

/* Replaces glibc's realloc, which moves a block and leaves its contents behind. A block that
 * shrinks to less than half of its size moves too. */
void *
realloc(void *p, size_t n)
{
	size_t size = p ? malloc_usable_size(p) : 0;

	if (p && n == 0) {
		free(p);
		return NULL;
	}
	if (p && n <= size && n >= size / 2)
		return p;
	void *to = malloc(n);
	if (to && p) {
		memcpy(to, p, n < size ? n : size);
		free(p);
	}
	return to;
}

#endif

static bool
is_mapped(size_t n UNUSED)
{
#ifdef TG_SANITIZE
	return false;
#else
	return n >= MAPPED_BYTES;
#endif
}

/* Blocks of 1 to 20 KB that a thread returned, all zero, by their size in KB. Each request needs
 * the same few again. They stay with the thread until the program ends, up to KEPT_BYTES. */
enum { KEPT_UNIT = 1024, KEPT_KINDS = 20, KEPT_BYTES = 2 << 20 };

struct kept {
	struct kept *next;
};
static _Thread_local struct {
	struct kept *of[KEPT_KINDS + 1];
	size_t bytes; /* sum of the sizes of all kept blocks */
} kept;

/* Returns the size of a block in KB, rounded up, or 0 if blocks of this size are not kept. */
static size_t
kept_kind(size_t n)
{
	size_t kind = (n + KEPT_UNIT - 1) / KEPT_UNIT;

	return HEAP_ZEROES && n >= KEPT_UNIT && kind <= KEPT_KINDS ? kind : 0;
}

static void *
heap_get(size_t n, bool zeroed)
{
	size_t kind = kept_kind(n);
	struct kept *k = kept.of[kind];

	if (k) {
		kept.of[kind] = k->next;
		kept.bytes -= kind * KEPT_UNIT;
		k->next = NULL;
		return k;
	}
	/* The whole block is zeroed, because it may be used again for a longer request. */
	if (kind)
		return calloc(kind, KEPT_UNIT);
	return zeroed ? calloc(1, n) : malloc(n);
}

/* Frees or keeps a block, of which the first `used` bytes may be other than zero. */
static void
heap_put(void *p, size_t size, size_t used)
{
	size_t kind = kept_kind(size);
	struct kept *k = p;

	if (!kind || kept.bytes + kind * KEPT_UNIT > KEPT_BYTES) {
		if (!HEAP_ZEROES)
			explicit_bzero(p, used);
		free(p);
		return;
	}
	explicit_bzero(p, used);
	k->next = kept.of[kind];
	kept.of[kind] = k;
	kept.bytes += kind * KEPT_UNIT;
}

/* Maps n bytes and populates all pages at once: the caller will write them, and a page fault for
 * each costs more. */
static void *
map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void *
mem_get(size_t n)
{
	return is_mapped(n) ? map(n) : heap_get(n, false);
}

void *
mem_get_zeroed(size_t n)
{
	return is_mapped(n) ? map(n) : heap_get(n, true);
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
mem_put_used(void *p, size_t size, size_t used)
{
	if (p && is_mapped(size))
		munmap(p, size);
	else if (p)
		heap_put(p, size, used);
}

void
mem_put(void *p, size_t size)
{
	mem_put_used(p, size, size);
}

bool
mem_room(void *array, size_t *room, size_t n, size_t size)
{
	size_t more = 2 * *room > n ? 2 * *room : n < 32 ? 32 : n;
	void *v;

	if (n <= *room)
		return true;
	/* copied as bytes, because the array's pointer may have any type */
	memcpy(&v, array, sizeof(v));
	v = realloc(v, more * size);
	if (!v)
		return false;
	memcpy(array, &v, sizeof(v));
	*room = more;
	return true;
}

void
mem_begin(void)
{
#if HEAP_ZEROES
	mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
	mallopt(M_TRIM_THRESHOLD, FREE_TOP_BYTES);
#endif
}

void
mem_give_back(void)
{
#if HEAP_ZEROES
	malloc_trim(0);
#endif
}
