/* Writes the texts of a body as lines. */
#ifndef TESTS_BODY_DUMP_H
#define TESTS_BODY_DUMP_H

#include "scan/text/body.h"

/* Writes each value as role path=text. A star marks reserved values, a hash opaque values, and
 * a question mark values whose author is unknown. Keys are left out unless `keys` is set. */
void body_dump(
	struct buf *out, const struct body *b, struct span raw, struct arena *a, bool keys);

#endif
