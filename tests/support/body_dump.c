/* Writes the segments of a body as lines, in the order of the body. */
#include "support/body_dump.h"

void
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
