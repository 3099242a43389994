/* Searches texts that are slow to search, each at two sizes, for tests/bench/effort-run:
 * callgrind counts the cost of each call of search_shape(). */
#include <stdlib.h>

#include "support/detect_fix.h"
#include "support/shapes.h"

enum { SMALL = 64 << 10, LARGE = 256 << 10 };

__attribute__((noinline)) void search_shape(struct detect_fix *f, struct span text);

void
search_shape(struct detect_fix *f, struct span text)
{
	struct findings v;

	detect_scan(f->rules, f->scratch, text, NULL, &f->arena, &v);
	arena_reset(&f->arena);
}

/* FIRST COUNT: the numbers of the shapes, repeated in a cycle; a line each. */
int
main(int argc, char **argv)
{
	struct detect_fix *f = detect_fix();
	char *room = malloc(LARGE);
	uint32_t first = argc > 2 ? (uint32_t)atol(argv[1]) : 0,
		 count = argc > 2 ? (uint32_t)atol(argv[2]) : 1;
	struct shape s;

	for (uint32_t i = 0; room && i < count; i++) {
		shape_make(f->rules, (first + i) % SHAPES, &s);
		shape_fill(&s, room, LARGE);
		search_shape(f, span_of(room, SMALL));
		search_shape(f, span_of(room, LARGE));
		printf("%u ", (first + i) % SHAPES);
		shape_print(stdout, &s);
		putchar('\n');
	}
	free(room);
	return !room;
}
