/* The shipped rules and two runs, which the tests of a program share. */
#include "support/stream_fix.h"

struct detect_rules *rules;

struct detect_scratch *scratch;

struct stream_run one, two;

int
stream_setup(void **state)
{
	(void)state;
	rules = detect_fix()->rules;
	scratch = detect_fix()->scratch;
	return 0;
}

int
stream_teardown(void **state)
{
	(void)state;
	buf_free(&one.text);
	buf_free(&one.out);
	buf_free(&two.text);
	buf_free(&two.out);
	return 0;
}
