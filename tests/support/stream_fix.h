/* Shared parts of the tests of streams: the shipped rules, and two runs whose buffers are never
 * freed. */
#ifndef TESTS_STREAM_FIX_H
#define TESTS_STREAM_FIX_H

#include "support/detect_fix.h"
#include "support/stream_run.h"

static struct detect_rules *rules;
static struct detect_scratch *scratch;
static struct stream_run one, two;

static inline int
setup(void **state)
{
	(void)state;
	rules = detect_fix()->rules;
	scratch = detect_fix()->scratch;
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	buf_free(&one.text);
	buf_free(&one.out);
	buf_free(&two.text);
	buf_free(&two.out);
	return 0;
}

#endif
