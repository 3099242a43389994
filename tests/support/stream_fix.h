/* Shared parts of the tests of streams: the shipped rules, and two runs whose buffers are never
 * freed. */
#ifndef TESTS_STREAM_FIX_H
#define TESTS_STREAM_FIX_H

#include "support/detect_fix.h"
#include "support/stream_run.h"

extern struct detect_rules *rules;
extern struct detect_scratch *scratch;
extern struct stream_run one, two;

/* For cmocka: loads the shipped rules. */
int stream_setup(void **state);

/* For cmocka: frees the texts of both runs. */
int stream_teardown(void **state);

#endif
