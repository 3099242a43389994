/* Decides where a finding or run ends that is longer than a stream holds.
 *
 * The states are those of struct stream_long. Inside a line every run byte belongs to it. A gap
 * (a line break, quotes) makes the following bytes pending, until the next token shows whether
 * it continues. After a -----END marker, the bytes up to the end of the marker belong to it. */
#include "scan/detect/stream/stream_long.h"

#include "base/ascii.h"
#include "scan/detect/stream/stream_open.h"

enum { MARKER_MAX = 64 }; /* bytes of -----END … PRIVATE KEY----- */

static bool
joins_pieces(char c)
{
	return is_one_of(c, " \t\r\n\"'`,;\\>|#*");
}

struct stream_long
stream_long_begin(bool finding, struct span begun, size_t line, size_t width)
{
	struct stream_long s = { .unread = !finding, .line = line, .width = width };

	for (size_t i = 0; i < begun.n && !s.gaps; i++)
		s.gaps = joins_pieces(begun.p[i]);
	return s;
}

bool
stream_long_ends(const struct stream_long *s)
{
	return !s->unread && s->breaks && s->token;
}

/* Decides about a byte of the gap between two pieces, or of the piece after the gap. As in the
 * rule for truncated PEM keys, a piece of a finding is longer than any word, or is the short
 * last line. A blob continues in a line as wide as the lines before. */
static enum stream_next
behind_gap(struct stream_long *s, char c)
{
	if (s->token == 0 && (s->unread ? is_space(c) : joins_pieces(c))) {
		s->breaks |= c == '\n';
		return ++s->gap > BREAK_MAX ? LONG_OVER : LONG_MAYBE;
	}
	if (!stream_is_run(c))
		return !s->unread && s->breaks && s->token ? LONG_LAST : LONG_OVER;
	if (s->unread && !(s->breaks && s->line == s->width) && c != '-')
		return LONG_OVER;
	if (++s->token < STREAM_TOKEN_MIN && !s->unread && s->marker == 0)
		return LONG_MAYBE;
	s->line = s->token;
	s->gap = s->token = 0;
	return LONG_BELONGS;
}

enum stream_next
stream_long_next(struct stream_long *s, char c)
{
	static const uint64_t ends[] = { UINT64_C(0x2d2d2d2d2d454e44), /* -----END */
		UINT64_C(0x2d2d2d2d20454e44) };			       /* ---- END */
	size_t dashes = s->dashes;

	s->recent = s->recent << 8 | (unsigned char)c;
	s->dashes = c == '-' ? dashes + 1 : 0;
	if (s->marker) {
		bool closed = c != '-' && dashes >= 4;
		return closed || c == '\n' || ++s->marker > MARKER_MAX ? LONG_OVER
								       : LONG_BELONGS;
	}
	if (s->recent == ends[0] || s->recent == ends[1]) {
		s->marker = 1;
		s->dashes = 0;
	}
	if (s->gap)
		return s->token && c == ' ' && dashes == 4 ? LONG_MAYBE : behind_gap(s, c);
	if (stream_is_run(c) || (c == ' ' && dashes == 4)) {
		s->line++;
		return LONG_BELONGS;
	}
	s->breaks = c == '\n';
	s->gap = 1;
	return s->unread ? (c == '\n' || c == '\r' ? LONG_MAYBE : LONG_OVER)
			 : (s->gaps && joins_pieces(c) ? LONG_MAYBE : LONG_OVER);
}
