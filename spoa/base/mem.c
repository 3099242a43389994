/* What is freed is gone. Prompts and credentials pass through buffers of libcurl, OpenSSL,
 * zlib, brotli, jansson, hiredis and libmicrohttpd too, of which few can be told to zero them:
 * so free and realloc of the whole program, libraries included, are the ones below. glibc's own
 * M_PERTURB does not do: what goes into a thread's cache of small blocks stays as it was.
 * Sanitizers have a heap of their own; with them, and without glibc, only blocks of mem.h are
 * zeroed. */
#include "base/attr.h"
#include "base/mem.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* From here on mapping costs less than zeroing. */
#define MAPPED_BYTES   (512u << 10)
#define FREE_TOP_BYTES (4 << 20) /* the heap's end, which the next request may want */

#if defined(__GLIBC__) && !defined(TG_SANITIZE)
#define HEAP_ZEROES 1
#else
#define HEAP_ZEROES 0
#endif

#if HEAP_ZEROES

/* glibc's own, exported for who puts another in front of it. */
extern void __libc_free(void *p);

/* True for a large block for which malloc() called mmap(). Freeing it unmaps its pages, and the
 * kernel zeroes pages before it hands them out again; zeroing them here would touch pages that
 * were never used. Source: IS_MMAPPED in glibc's malloc/malloc.c. */
static bool
is_mapped_block(const void *p)
{
	return ((const size_t *)p)[-1] & 2;
}

void
free(void *p)
{
	int saved = errno; /* callers rely on it */

	if (p && !is_mapped_block(p))
		explicit_bzero(p, malloc_usable_size(p));
	__libc_free(p);
	errno = saved;
}

/* Not glibc's, which moves a block and leaves what was in it. One that shrinks to less than
 * half moves too. */
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

/* Blocks of some kilobytes that a thread put back, all zero, by their size in kilobytes:
 * each request takes the same few again. They stay with the thread, and it with the
 * program. */
enum { KEPT_UNIT = 1024, KEPT_KINDS = 20, KEPT_BYTES = 2 << 20 };

struct kept {
	struct kept *next;
};
static _Thread_local struct {
	struct kept *of[KEPT_KINDS + 1];
	size_t bytes; /* in all of them */
} kept;

/* Its kind; 0: not one that is kept. */
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
	/* Zero to its end: it comes back longer than it was asked for. */
	if (kind)
		return calloc(kind, KEPT_UNIT);
	return zeroed ? calloc(1, n) : malloc(n);
}

/* Its first `used` bytes may be other than zero. */
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

/* All its pages at once: who asks for so much writes it, and a fault each costs more than they.
 */
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
	memcpy(&v, array, sizeof(v)); /* a pointer of any type */
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
