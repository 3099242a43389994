/* Writes the texts of a body as lines. */
#ifndef TESTS_BODY_DUMP_H
#define TESTS_BODY_DUMP_H

#include "scan/text/body.h"

/* Writes each value as role path=text. A star marks reserved values, a hash opaque values, and
 * a question mark values whose author is unknown. Keys are left out unless `keys` is set. */
static inline void
body_dump(struct buf *out, const struct body *b, struct span raw, struct arena *a, bool keys)
{
	struct path_reader *r = path_open(a, b, raw);

	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		if (s->role == ROLE_KEY && !keys)
			continue;
		buf_printf(out, "%s%s%s%s ", role_name(s->role), s->unattributed ? "?" : "",
			s->reserved ? "*" : "", s->opaque ? "#" : "");
		buf_span(out, path_at(r, i));
		buf_putc(out, '=');
		buf_span(out, s->text);
		buf_putc(out, '\n');
	}
}

#endif
