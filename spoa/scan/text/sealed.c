/* Distinguishes texts that a provider sealed from texts that somebody can read.
 *
 * Sealed bytes look random. In random bytes, text of some length hardly occurs: a byte is printable
 * ASCII with a chance of 3/8, a character of a key or name with 1/4, and a digit with 1/21. A
 * character of two, three or four bytes begins with 1/34, 1/256 or 1/3300. The bounds below suit
 * 8 KB of random bytes, read in each of the four positions that a group of digits can have: fewer
 * than one text in a million reaches them. */
#include "scan/text/sealed.h"

#include <zlib.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/codec/digits.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "scan/text/opaque.h"

enum {
	/* Evidence that a character is text, in eighths of a bit: by how much likelier it is in a
	 * text of which 80, 10, 8 and 2 % of the characters have so many bytes. */
	BITS_ASCII = 8,
	BITS_TWO = 14,
	BITS_THREE = 35,
	BITS_FOUR = 48,
	BITS_TEXT = 272, /* 34 bits: 34 characters of ASCII, 8 of Chinese */
	RUN_TOKEN = 19,	 /* letters, digits and marks of keys and addresses */
	RUN_NUMBER = 10, /* digits with spaces, dots and hyphens */
	RUN_WIDE = 6,	 /* ASCII characters of UTF-16 */
	CASE_WINDOW = 48, /* digits of base64, among which both letter cases are */
	CASE_LEAST = 4,
	POSITIONS = 4,
	EDGE_LETTERS = 3, /* other bytes at an end of a text that may look like its letters */
	EDGE_BYTES = 256, /* bytes of a long text that are read again without them */
	ZLIB_BYTES = 256, /* bytes of a compressed text that are looked at */
	ZLIB_DISTINCT = 14,
};

/* ---- decoding ---- */

/* Decodes the digits after the first `skip` ones. Returns the number of bytes. */
static size_t
decode_sealed(struct span text, unsigned skip, char *out)
{
	uint32_t bits = 0;
	unsigned nbits = 0;
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		int v = value64(text.p[i]);
		if (v < 0)
			continue;
		if (skip) {
			skip--;
			continue;
		}
		bits = bits << 6 | (uint32_t)v;
		nbits += 6;
		if (nbits < 8)
			continue;
		nbits -= 8;
		out[n++] = (char)(bits >> nbits);
	}
	return n;
}

/* ---- texts in bytes ---- */

/* Returns the length of the text character at p, 0 if there is none, and adds its evidence. */
static size_t
text_character(const char *p, size_t n, unsigned *bits)
{
	static const unsigned evidence[] = { 0, BITS_ASCII, BITS_TWO, BITS_THREE, BITS_FOUR };
	unsigned char c = (unsigned char)*p;
	size_t len = c >= 0x80				    ? utf8_sequence(p, n)
		     : (c >= 0x20 && c < 0x7f) || strchr("\t\n\r", c) ? c != 0
								    : 0;

	*bits += evidence[len];
	return len;
}

/* Returns the length of the UTF-16 of ASCII characters at p, in either byte order. */
static size_t
wide_run(const char *p, size_t n)
{
	size_t first = p[0] ? 0 : 1, i = 0;

	while (i + 1 < n && !p[i + 1 - first] && p[i + first] >= ' ' && p[i + first] < 0x7f)
		i += 2;
	return i / 2 >= RUN_WIDE ? i : 0;
}

/* Returns the length of the readable text that begins at p, or 0. *past: the bytes after which the
 * next text may begin. */
static size_t
readable_run(const char *p, size_t n, size_t *past)
{
	size_t i = 0, len, token = 0, number = 0, tokens = 0, numbers = 0;
	unsigned bits = 0;

	for (; i < n && (len = text_character(p + i, n - i, &bits)); i += len) {
		char c = p[i];
		token = is_alnum(c) || strchr("_-.:/=+@", c) ? token + 1 : 0;
		number = is_digit(c) || c == ' ' || c == '-' || c == '.' ? number + 1 : 0;
		tokens = token > tokens ? token : tokens;
		numbers = number > numbers ? number : numbers;
	}
	*past = i ? i : 1;
	return bits >= BITS_TEXT || tokens >= RUN_TOKEN || numbers >= RUN_NUMBER ? i : 0;
}

/* Appends the text `run` of p with a line end. Other bytes may look like letters of a key that
 * begins or ends the run, so its beginning and end are appended again without a few of them. */
static void
put_run(const char *p, size_t n, struct span run, struct buf *out)
{
	size_t before = run.p > p ? EDGE_LETTERS : 0;
	size_t after = run.p + run.n < p + n ? EDGE_LETTERS : 0;

	buf_span(out, run);
	buf_putc(out, '\n');
	for (size_t i = 0; i <= before; i++)
		for (size_t k = 0; k <= after; k++) {
			if (i + k == 0 || i + k >= run.n || (i && k && run.n > EDGE_BYTES))
				continue;
			size_t from = i || run.n <= EDGE_BYTES ? i : run.n - EDGE_BYTES;
			size_t to = k || run.n <= EDGE_BYTES ? run.n - k : EDGE_BYTES;
			buf_span(out, span_cut(run, from, to));
			buf_putc(out, '\n');
		}
}

/* Appends the readable texts among the bytes. Returns the number of their bytes. */
static size_t
put_readable(const char *p, size_t n, struct buf *out)
{
	size_t all = 0, past;

	for (size_t i = 0; i < n; i += past) {
		size_t wide = wide_run(p + i, n - i), len = 0;
		if (wide)
			past = wide;
		else
			len = readable_run(p + i, n - i, &past);
		all += wide + len;
		for (size_t k = 0; out && k < wide; k++)
			if (p[i + k])
				buf_putc(out, p[i + k]);
		if (out && wide)
			buf_putc(out, '\n');
		if (out && len)
			put_run(p, n, span_of(p + i, len), out);
	}
	return all;
}

/* Returns the number of different bytes. */
static unsigned
distinct_bytes(const char *p, size_t n)
{
	bool seen[256] = { false };
	unsigned count = 0;

	for (size_t i = 0; i < n; i++) {
		count += !seen[(unsigned char)p[i]];
		seen[(unsigned char)p[i]] = true;
	}
	return count;
}

/* Returns true if the bytes are a text that zlib compressed (RFC 1950), or deflate alone. Random
 * bytes may be read as one letter that is repeated. */
static bool
inflates_to_text(const char *p, size_t n)
{
	static const int formats[] = { MAX_WBITS, -MAX_WBITS };
	char out[ZLIB_BYTES];
	bool text = false;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]) && !text; i++) {
		z_stream z = { .next_in = (Bytef *)(uintptr_t)p,
			.avail_in = (uInt)(n < UINT16_MAX ? n : UINT16_MAX),
			.next_out = (Bytef *)out,
			.avail_out = sizeof(out) };
		size_t past;
		if (inflateInit2(&z, formats[i]) != Z_OK)
			continue;
		inflate(&z, Z_SYNC_FLUSH);
		inflateEnd(&z);
		size_t got = sizeof(out) - z.avail_out;
		text = got && readable_run(out, got, &past) * 8 >= got * 7 &&
		       distinct_bytes(out, got) >= ZLIB_DISTINCT;
	}
	explicit_bzero(out, sizeof(out));
	return text;
}

/* ---- sealed texts ---- */

/* Returns true if the digits look like base64: one alphabet, and both letter cases everywhere. */
static bool
mixes_cases(struct span t)
{
	bool plain = span_chr(t, '+') < t.n || span_chr(t, '/') < t.n;
	bool url = span_chr(t, '-') < t.n || span_chr(t, '_') < t.n;

	if (plain && url)
		return false;
	for (size_t from = 0; from + CASE_WINDOW <= t.n; from += CASE_WINDOW) {
		unsigned upper = 0, lower = 0;
		for (size_t i = from; i < from + CASE_WINDOW; i++) {
			upper += is_upper(t.p[i]);
			lower += is_lower(t.p[i]);
		}
		if (upper < CASE_LEAST || lower < CASE_LEAST)
			return false;
	}
	return true;
}

bool
sealed_reads(struct span text, struct buf *readable)
{
	size_t all = 0, room = text.n / 4 * 3 + 3;
	bool sealed = true;

	if (!opaque_is_random(text) || !mixes_cases(text))
		return false;
	SCOPED_BUF(b, 0);
	char *bytes = buf_reserve(&b, room);
	for (unsigned skip = 0; bytes && sealed && skip < POSITIONS; skip++) {
		size_t n = decode_sealed(text, skip, bytes);
		all += put_readable(bytes, n, readable);
		sealed = all <= SEALED_READABLE &&
			 (skip || !inflates_to_text(bytes, n));
	}
	if (bytes)
		explicit_bzero(bytes, room);
	return bytes && sealed;
}

bool
sealed_is_coded(struct span text)
{
	size_t n = span_back_set(text, text.n, 0, "=");

	return n >= SEALED_LEAST && span_is_alnum(span_cut(text, 0, n), "+/-_");
}
