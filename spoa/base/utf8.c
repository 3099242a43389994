/* Recognizes UTF-8 by the table of well-formed byte sequences (RFC 3629 section 4): only the
 * range of the second byte depends on the first. */
#include "base/utf8.h"

size_t
utf8_sequence(const char *p, size_t n)
{
	const unsigned char *b = (const unsigned char *)p;
	unsigned char lo = 0x80, hi = 0xbf;
	size_t len;

	if (b[0] < 0x80)
		return 1;
	if (b[0] < 0xc2)
		return 0;
	if (b[0] < 0xe0) {
		len = 2;
	} else if (b[0] < 0xf0) {
		len = 3;
		if (b[0] == 0xe0)
			lo = 0xa0;
		else if (b[0] == 0xed)
			hi = 0x9f;
	} else if (b[0] < 0xf5) {
		len = 4;
		if (b[0] == 0xf0)
			lo = 0x90;
		else if (b[0] == 0xf4)
			hi = 0x8f;
	} else {
		return 0;
	}
	if (n < len || b[1] < lo || b[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void
buf_json_utf8(struct buf *b, struct span s)
{
	size_t good = 0, i = 0;

	buf_putc(b, '"');
	while (i < s.n) {
		size_t len = utf8_sequence(s.p + i, s.n - i);
		i += len ? len : 1;
		if (len)
			continue;
		buf_json(b, span_cut(s, good, i - 1));
		buf_str(b, "\xef\xbf\xbd");
		good = i;
	}
	buf_json(b, span_cut(s, good, s.n));
	buf_putc(b, '"');
}
