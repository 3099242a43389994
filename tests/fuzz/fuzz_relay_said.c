/* HAProxy's report on a response. The first line of the input is one field of the report, the
 * second its reason; an empty line is an absent field. A request counts as never sent only if
 * the report states so: the response is HAProxy's own, and there was no connection. */
#include <stdint.h>
#include <stdlib.h>

#include "net/relay_said.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of((const char *)data, size), said, why;

	said = rest.n ? span_next(&rest, '\n') : rest;
	why = rest.n ? span_next(&rest, '\n') : rest;
	said.p = said.n ? said.p : NULL;
	why.p = why.n ? why.p : NULL;
	enum relay_said is = relay_said(said, why);
	if ((is == SAID_NOTHING) != (!said.p && !why.p))
		abort();
	if (is == SAID_BY_PROVIDER && (why.p || !span_is(said, "provider")))
		abort();
	if (is == SAID_NEVER_SENT || is == SAID_BY_RULE) {
		span_next(&why, ' ');
		span_next(&why, ' ');
		if (said.p || !span_starts(why, SPAN_LIT("-")))
			abort();
	}
	if (is == SAID_INSTEAD) { /* there was a connection and a head */
		span_next(&why, ' ');
		span_next(&why, ' ');
		if (said.p || span_starts(span_next(&why, ' '), SPAN_LIT("-1")) ||
			span_starts(why, SPAN_LIT("-1")))
			abort();
	}
	return 0;
}
