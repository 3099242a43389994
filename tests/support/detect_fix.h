/* The shipped detectors, scratch memory for them and an arena, for all tests of a program. Made
 * at the first call and kept until the program ends. Includes no cmocka header, because the
 * test does. */
#ifndef TESTS_SUPPORT_DETECT_FIX_H
#define TESTS_SUPPORT_DETECT_FIX_H

#include "scan/detect/detect.h"
#include "support/guard.h"

struct detect_fix {
	struct detect_rules *rules;
	struct detect_scratch *scratch;
	struct arena arena;
};

/* Returns the detectors, which are the same at each call. Ends the program if they cannot be
 * loaded. */
struct detect_fix *detect_fix(void);

/* For cmocka: *state becomes detect_fix(). */
int detect_setup(void **state);

/* Returns the CPU time of this thread, so that a busy machine makes no test of costs fail. */
uint64_t cpu_us(void);

/* Scans a copy that ends at an inaccessible page. The findings belong to the arena. */
int detect_fix_scan(struct detect_fix *f, struct span text, const struct detect_options *opt,
	struct findings *out);

#endif
