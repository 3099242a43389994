/* Memory blocks and the heap: the content of a block is erased when it is freed, whoever
 * allocated it. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"

#define WORD "qzxvkjwpfghbqzxv"

static size_t
count(const char *p, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i + sizeof(WORD) - 1 <= n; i++)
		found += memcmp(p + i, WORD, sizeof(WORD) - 1) == 0;
	return found;
}

static void
fill(char *p, size_t n)
{
	for (size_t i = 0; i + sizeof(WORD) - 1 <= n; i += sizeof(WORD) - 1)
		memcpy(p + i, WORD, sizeof(WORD) - 1);
}

static void
blocks_grow_with_their_content(void **state)
{
	static const size_t sizes[] = { 1, 100, 4096, 100000, 524287, 524288, 524289, 1 << 20,
		5 << 20 };
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };

	(void)state;
	for (size_t i = 0; i < N; i++)
		for (size_t k = i + 1; k < N; k++) {
			char *p = mem_get_zeroed(sizes[i]);
			assert_non_null(p);
			for (size_t b = 0; b < sizes[i]; b++)
				assert_int_equal(p[b], 0);
			fill(p, sizes[i]);
			size_t before = count(p, sizes[i]);
			p = mem_grow(p, sizes[i], sizes[k]);
			assert_non_null(p);
			assert_int_equal(count(p, sizes[i]), before);
			memset(p + sizes[i], 1, sizes[k] - sizes[i]);
			mem_put(p, sizes[k]);
		}
	mem_put(NULL, 0);
	char *p = mem_grow(NULL, 0, 10);
	assert_non_null(p);
	mem_put(p, 10);
}

/* The heap writes its own lists and sizes into free memory, also after the requested bytes, in
 * the block that is kept. */
static void
kept_block_is_zero_to_its_end(void **state)
{
	enum { HOLES = 2000, KILO = 1024 };
	static void *held[HOLES];

	(void)state;
	srand(1);
	for (int i = 0; i < 100000; i++) {
		void **at = &held[rand() % HOLES];
		free(*at);
		*at = malloc(16 + (size_t)(rand() % 9000));
		if (i % 50)
			continue;
		size_t n = (size_t)(1 + rand() % 19) * KILO + 1, whole = n + KILO - 1;
		char *p = mem_get(n);
		assert_non_null(p);
		fill(p, n);
		mem_put(p, n);
		p = mem_get_zeroed(whole);
		assert_non_null(p);
		for (size_t b = 0; b < whole; b++)
			assert_int_equal(p[b], 0);
		if (i % 100)
			mem_put(p, whole);
		else
			free(p);
	}
	for (size_t i = 0; i < HOLES; i++) {
		free(held[i]);
		held[i] = NULL;
	}
}

static void
buffer_is_complete_however_it_grew(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 3 << 20);
	for (size_t i = 0; i < 180000; i++) {
		buf_printf(&b, "%08zu,", i);
		if (i % 3 == 0)
			buf_consume(&b, 9);
	}
	assert_false(buf_failed(&b));
	assert_int_equal(b.n, 120000 * 9);
	assert_memory_equal(buf_view(&b).p, "00060000,00060001,", 18);
	buf_free(&b);
	assert_null(b.p);
}

#ifndef TG_SANITIZE
/* Reads the place of a freed block: small blocks are not mapped or unmapped in between. */
static const char *
place_of(char *p)
{
	volatile uintptr_t at = (uintptr_t)p;

	return (const char *)at;
}

static void
heap_keeps_no_freed_content(void **state)
{
	static const size_t sizes[] = { 24, 200, 1000, 5000, 60000 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *p = malloc(sizes[i]), *guard = malloc(16);
		const char *was = place_of(p);
		fill(p, sizes[i]);
		errno = EDOM;
		free(p);
		assert_int_equal(errno, EDOM);
		assert_int_equal(count(was, sizes[i]), 0);
		p = malloc(sizes[i]);
		was = place_of(p);
		fill(p, sizes[i]);
		size_t before = count(p, sizes[i]);
		char *more = realloc(p, 4 * sizes[i]);
		assert_int_equal(count(more, sizes[i]), before);
		assert_true(more == was || count(was, sizes[i]) == 0);
		free(more);
		free(guard);
	}
}

/* Memory of a library: libc's own list of text that was written to a stream. */
static void
libraries_leave_no_content_in_the_heap(void **state)
{
	char *text = NULL;
	size_t n = 0;
	const char *was[64] = { 0 };
	size_t places = 0;

	(void)state;
	FILE *f = open_memstream(&text, &n);
	assert_non_null(f);
	for (int i = 0; i < 3000; i++) {
		fputs(WORD, f);
		fflush(f);
		if (places < 64 && (places == 0 || was[places - 1] != place_of(text)))
			was[places++] = place_of(text);
	}
	fclose(f);
	assert_int_equal(count(text, n), 3000);
	free(text);
	assert_true(places > 1);
	for (size_t i = 0; i < places; i++)
		assert_int_equal(count(was[i], 64), 0);
}

static void
realloc_behaves_like_realloc(void **state)
{
	(void)state;
	char *p = realloc(NULL, 100);
	assert_non_null(p);
	fill(p, 100);
	p = realloc(p, 40);
	assert_non_null(p);
	assert_int_equal(count(p, 40), 2);
	p = realloc(p, 200000);
	assert_int_equal(count(p, 40), 2);
	p = realloc(p, 32);
	assert_int_equal(count(p, 32), 2);
	volatile size_t none = 0, most = SIZE_MAX / 2;
	assert_null(realloc(p, none));
	/* A compiler may assume that an unused allocation succeeds. */
	void *volatile got = realloc(NULL, most);
	assert_null(got);
}
#endif

#ifndef TG_SANITIZE /* in sanitizer builds each piece is an allocation of its own */
static void
large_piece_of_an_arena_is_separate(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 0, true);
	char *before = arena_alloc(&a, 96);
	size_t small = a.used_bytes;
	char *large = arena_alloc(&a, 3 << 20);
	assert_non_null(large);
	fill(large, 3 << 20);
	assert_ptr_equal(arena_alloc(&a, 96), before + 96);
	assert_true(a.used_bytes == small + (3 << 20));
	/* later blocks do not become larger because of it */
	assert_non_null(arena_alloc(&a, small));
	assert_true(a.used_bytes <= 4 * small + (3 << 20));
	arena_reset(&a);
	assert_true(a.used_bytes == 0 && a.apart_bytes == 0);
	/* it is freed with the rest */
	before = arena_alloc(&a, 96);
	large = arena_alloc(&a, 9000);
	assert_true(before && large);
	fill(large, 9000);
	arena_reset(&a);
	char *again = mem_get_zeroed(9 << 10);
	assert_non_null(again);
	assert_int_equal(count(again, 9 << 10), 0);
	mem_put(again, 9 << 10);
}
#endif

#ifndef TG_SANITIZE
static size_t
resident(void)
{
	size_t all = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%zu %zu", &all, &pages), 2);
	fclose(f);
	return pages * 4096;
}

/* An array that grew, and a small block that was made meanwhile and stays. */
static void
freed_large_blocks_are_returned_to_the_system(void **state)
{
	enum { TIMES = 8, MOST = 16 << 20 };
	char *stays[TIMES][8] = { { NULL } };

	(void)state;
	mem_begin();
	size_t before = resident();
	for (size_t t = 0; t < TIMES; t++) {
		size_t room = 0, k = 0;
		char *array = NULL;
		for (size_t n = 256 << 10; n <= MOST; n *= 2) {
			assert_true(mem_room(&array, &room, n, 1));
			memset(array, 1, room);
			assert_non_null(stays[t][k++] = malloc(100));
		}
		free(array);
		size_t after = resident();
		if (after > before + (1 << 20))
			fail_msg("%zu, then %zu", before, after);
	}
	for (size_t t = 0; t < TIMES; t++)
		for (size_t k = 0; k < 8; k++)
			free(stays[t][k]);
}

/* Every 64th block stays: glibc alone returns nothing below the last of them. */
static void
memory_of_a_burst_is_returned_to_the_system(void **state)
{
	enum { BLOCKS = 8192, SIZE = 8000 };
	static char *block[BLOCKS];

	(void)state;
	for (size_t i = 0; i < BLOCKS; i++) {
		block[i] = malloc(SIZE);
		assert_non_null(block[i]);
		memset(block[i], 1, SIZE);
	}
	for (size_t i = 0; i < BLOCKS; i++)
		if (i % 64 != 63)
			free(block[i]);
	size_t before = resident();
	mem_give_back();
	size_t after = resident();
	for (size_t i = 63; i < BLOCKS; i += 64) {
		assert_int_equal(block[i][SIZE - 1], 1);
		free(block[i]);
	}
	if (before < after + (size_t)BLOCKS * SIZE / 2)
		fail_msg("%zu, then %zu", before, after);
}
#endif

#if defined(__GLIBC__) && !defined(TG_SANITIZE)
/* free() does not touch a large block that was never touched. */
static void
large_block_is_freed_without_touching_it(void **state)
{
	struct rusage before, after;

	(void)state;
	getrusage(RUSAGE_SELF, &before);
	for (int i = 0; i < 4; i++) {
		void *volatile p = calloc(1, 256 << 20);
		assert_non_null(p);
		free(p);
	}
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_minflt - before.ru_minflt < 10000); /* of 262,144 pages */
	assert_true(after.ru_maxrss - before.ru_maxrss < 64 << 10);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
#if defined(__GLIBC__) && !defined(TG_SANITIZE)
		cmocka_unit_test(large_block_is_freed_without_touching_it),
#endif
		cmocka_unit_test(blocks_grow_with_their_content),
		cmocka_unit_test(kept_block_is_zero_to_its_end),
#ifndef TG_SANITIZE
		cmocka_unit_test(large_piece_of_an_arena_is_separate),
#endif
		cmocka_unit_test(buffer_is_complete_however_it_grew),
#ifndef TG_SANITIZE
		cmocka_unit_test(heap_keeps_no_freed_content),
		cmocka_unit_test(libraries_leave_no_content_in_the_heap),
		cmocka_unit_test(realloc_behaves_like_realloc),
		cmocka_unit_test(memory_of_a_burst_is_returned_to_the_system),
		cmocka_unit_test(freed_large_blocks_are_returned_to_the_system),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
