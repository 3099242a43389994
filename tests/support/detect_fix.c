/* The shipped detectors for the tests of a program: loaded once, at the first call. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "support/detect_fix.h"

struct detect_fix *
detect_fix(void)
{
	static struct detect_fix f;
	struct buf errors;

	if (f.scratch)
		return &f;
	buf_init(&errors, 0);
	f.rules = detect_load(NULL, &errors);
	f.scratch = f.rules ? detect_scratch_new(f.rules) : NULL;
	if (!f.scratch) {
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&errors)));
		abort();
	}
	buf_free(&errors);
	arena_init(&f.arena, 0, true);
	return &f;
}

int
detect_setup(void **state)
{
	*state = detect_fix();
	return 0;
}

uint64_t
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int
detect_fix_scan(struct detect_fix *f, struct span text, const struct detect_options *opt,
	struct findings *out)
{
	char *copy = guard_dup(text.p, text.n);
	int err = detect_scan(f->rules, f->scratch, span_of(copy, text.n), opt, &f->arena, out);

	guard_free(copy, text.n);
	return err;
}
