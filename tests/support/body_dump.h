/* The texts of a body as lines. */
#ifndef TESTS_BODY_DUMP_H
#define TESTS_BODY_DUMP_H

#include "scan/text/body.h"

/* Values as role path=text, one each; reserved ones with a star, opaque ones
 * with a hash, those of nobody knows whom with a question mark; keys are left out unless
 * `keys`. */
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
