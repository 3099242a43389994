/* The shipped detectors, scratch memory for them and an arena, for all tests of a program. Made
 * at the first call and kept until the program ends. Includes no cmocka header, because the
 * test does. */
#ifndef TESTS_SUPPORT_DETECT_FIX_H
#define TESTS_SUPPORT_DETECT_FIX_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "scan/detect/detect.h"
#include "support/guard.h"

struct detect_fix {
	struct detect_rules *rules;
	struct detect_scratch *scratch;
	struct arena arena;
};

static inline struct detect_fix *
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

static inline int
detect_setup(void **state)
{
	*state = detect_fix();
	return 0;
}

/* Returns the CPU time of this thread, so that a busy machine makes no test of costs fail. */
static inline uint64_t
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Scans a copy that ends at an inaccessible page. The findings belong to the arena. */
static inline int
detect_fix_scan(struct detect_fix *f, struct span text, const struct detect_options *opt,
	struct findings *out)
{
	char *copy = guard_dup(text.p, text.n);
	int err = detect_scan(f->rules, f->scratch, span_of(copy, text.n), opt, &f->arena, out);

	guard_free(copy, text.n);
	return err;
}

#endif
