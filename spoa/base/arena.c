/* An allocator that hands out pieces of chunks one after the other. Each new chunk is about as
 * large as all before it, from 4 KB to 1 MB. A piece that is larger than the next chunk gets a
 * chunk of its own. In sanitizer builds every piece is a chunk of its own, so that
 * AddressSanitizer sees an overrun into a neighbor. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* payload bytes; how many of them were handed out */
	size_t used;
	alignas(max_align_t) char data[];
};

#define CHUNK_MIN (4096 - sizeof(struct arena_chunk))
#define CHUNK_MAX ((size_t)1 << 20)
#define ALIGN	  alignof(max_align_t)

void
arena_init(struct arena *a, size_t cap_bytes, bool wipe)
{
	*a = (struct arena){ .cap_bytes = cap_bytes, .wipe = wipe };
}

/* Notes how much of the newest chunk was handed out. */
static void
note_used(struct arena *a)
{
	if (a->chunks)
		a->chunks->used = (size_t)(a->at - a->chunks->data);
}

void
arena_reset(struct arena *a)
{
	struct arena_chunk *c = a->chunks;

	note_used(a);
	while (c) {
		struct arena_chunk *next = c->next;
		if (a->wipe)
			mem_put_used(c, sizeof(*c) + c->size, sizeof(*c) + c->used);
		else
			free(c);
		c = next;
	}
	arena_init(a, a->cap_bytes, a->wipe);
}

/* Returns the size of the next chunk for small pieces. It grows geometrically, so that a large
 * request needs few chunks. */
static size_t
chunk_size(const struct arena *a, size_t n)
{
#ifdef TG_SANITIZE
	(void)a;
	return n;
#else
	size_t small = a->used_bytes - a->apart_bytes;
	size_t want = small < CHUNK_MIN ? CHUNK_MIN : small > CHUNK_MAX ? CHUNK_MAX : small;

	return a->cap_bytes && a->used_bytes + want > a->cap_bytes ? n : want;
#endif
}

static void *
new_chunk(struct arena *a, size_t n)
{
	size_t want = chunk_size(a, n), size = n < want ? want : n;
	/* A piece that is larger than a chunk gets one of its own. Small pieces continue in the
	 * newest chunk. */
	bool apart = a->chunks && n > want;

	if (a->cap_bytes && (size > a->cap_bytes || a->used_bytes > a->cap_bytes - size)) {
		a->full = true;
		return NULL;
	}
	size_t all = sizeof(struct arena_chunk) + size;
	struct arena_chunk *c = a->wipe ? mem_get_zeroed(all) : calloc(1, all);
	if (!c)
		return NULL;
	c->size = size;
	a->used_bytes += size;
	INVARIANT(!a->cap_bytes || a->used_bytes <= a->cap_bytes);
	if (apart) {
		a->apart_bytes += size;
		c->used = size;
		c->next = a->chunks->next;
		a->chunks->next = c;
		return c->data;
	}
	note_used(a);
	c->next = a->chunks;
	a->chunks = c;
	a->at = c->data + n;
	a->end = c->data + size;
	return c->data;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	if (a->failed)
		return NULL;
	if (n > SIZE_MAX / 2) {
		a->failed = true;
		return NULL;
	}
	n = (n + ALIGN - 1) / ALIGN * ALIGN;
	if (n == 0)
		n = ALIGN;
#ifndef TG_SANITIZE
	if (a->at && (size_t)(a->end - a->at) >= n) {
		void *p = a->at;
		a->at += n;
		return p;
	}
#endif
	void *p = new_chunk(a, n);
	if (!p)
		a->failed = true;
	return p;
}

void *
arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n)) {
		a->failed = true;
		return NULL;
	}
	return arena_alloc(a, n);
}

void *
arena_grow(struct arena *a, void *v, size_t n, size_t *room, size_t size, size_t first)
{
	if (n < *room)
		return v;
	INVARIANT(*room ? n == *room : n < first);
	size_t more = *room ? 2 * *room : first;
	void *out = arena_array(a, more, size);
	if (!out)
		return NULL;
	if (n)
		memcpy(out, v, n * size);
	*room = more;
	return out;
}

struct span
arena_dup(struct arena *a, struct span s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (!p)
		return (struct span){ NULL, 0 };
	if (s.n)
		memcpy(p, s.p, s.n);
	return span_of(p, s.n);
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return (char *)arena_dup(a, span_of(s, strlen(s) + 1)).p;
}

struct span
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
	if (p)
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p ? span_of(p, (size_t)n) : (struct span){ NULL, 0 };
}
