/* Base64 in scored texts (RFC 4648 sections 4 and 5): finds the end of a run, decodes it, and
 * checks whether the result is text; see inject_walk.h. */
#include "base/utf8.h"
#include "scan/inject/inject_walk.h"

enum { BASE64_LINE = 40 }; /* a line of at least this length can continue after a line end */

size_t
inject_base64_run(const char *p, size_t n)
{
	size_t i = 0, line = 0, end = 0;

	while (i < n) {
		if (value64(p[i]) >= 0) {
			line++;
			end = ++i;
		} else if ((p[i] == '\n' || p[i] == '\r') && line >= BASE64_LINE) {
			while (i < n && (p[i] == '\n' || p[i] == '\r'))
				i++;
			line = 0;
		} else {
			break;
		}
	}
	return end;
}

size_t
inject_base64_decode(const char *p, size_t n, size_t *at, char *out, size_t room)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t done = 0;

	while (*at < n && done + 3 <= room) {
		int v = value64(p[(*at)++]);
		if (v < 0)
			continue;
		bits = bits << 6 | (uint32_t)v;
		if (++have < 4)
			continue;
		out[done++] = (char)(bits >> 16);
		out[done++] = (char)(bits >> 8);
		out[done++] = (char)bits;
		have = 0;
	}
	if (have == 2)
		out[done++] = (char)(bits >> 4);
	if (have == 3) {
		out[done++] = (char)(bits >> 10);
		out[done++] = (char)(bits >> 2);
	}
	return done;
}

bool
inject_base64_text(const char *p, size_t n)
{
	bool words = false;
	size_t good = utf8_prefix(span_of(p, n));

	if (good + 3 < n || good < INJECT_BASE64_MIN / 2)
		return false;
	for (size_t i = 0; i < good; i++) {
		unsigned char c = (unsigned char)p[i];
		if (c == 0x7f || (c < 0x20 && c != '\n' && c != '\r' && c != '\t'))
			return false;
		words |= c == ' ' || c >= 0x80;
	}
	return words;
}
