/* Finds and decodes blobs.
 *
 * A run is tried at its beginning, in each of the positions that a group of digits can have
 * there. A few dozen decoded bytes distinguish text from a digest, a key or an image, which
 * decode to noise. If the run does not begin as text, it is tried again every STRIDE digits.
 * Decoded data are judged piece by piece, and within a piece stretch by stretch.
 *
 * Example: "xZ2hwXzEyMzQ1Njc4" is tried at offsets 0 to 3; at offset 1 it decodes to
 * "ghp_12345678". */
#include "scan/detect/disguise/decode.h"

#include "base/among.h"
#include "base/codec/digits.h"
#include "base/utf8.h"
#include "base/effort.h"
#include "scan/text/opaque.h"

enum {
	TRY_BYTES = 24, /* bytes decoded to decide whether they are text */
	TRY_LEAST = 8,
	STRIDE = 32,   /* digits between two places that are tried; a multiple of all group sizes */
	STRETCH = 9,   /* bytes of text between other bytes */
	LINE_MIN = 16, /* characters of a line that may be wrapped */
	CODES_MIN = 9,
};

/* Characters per group of whole bytes, so also the number of positions that a group can have. */
static const unsigned groups[] = {
	[BLOB_BASE64] = 4, [BLOB_BASE32] = 8, [BLOB_BASE32HEX] = 8, [BLOB_HEX] = 2
};
static const unsigned char alphabets[] = { [BLOB_BASE64] = IN64,
	[BLOB_BASE32] = IN32,
	[BLOB_BASE32HEX] = IN32HEX,
	[BLOB_HEX] = IN16 };

/* ---- text or noise ---- */

/* Returns true if byte i of n cannot be part of text. */
static inline bool
is_bad(const char *p, size_t i, size_t n)
{
	unsigned char c = (unsigned char)p[i];

	if (c < 0x80)
		return c == 0x7F || (c < 0x20 && c != '\n' && c != '\r' && c != '\t');
	if (c >= 0xC2)
		return c >= 0xF5 || i + 1 == n || (p[i + 1] & 0xC0) != 0x80;
	return c >= 0xC0 || i == 0 || (unsigned char)p[i - 1] < 0x80;
}

bool
decode_is_text(const char *p, size_t n)
{
	size_t bad = 0;

	for (size_t i = 0; i < n; i++) {
		bad += is_bad(p, i, n);
		if (bad && n < 48)
			return false;
	}
	return bad * 8 <= n;
}

bool
decode_stretch(const char *p, size_t n, size_t *at, size_t *start, size_t *len)
{
	while (*at < n) {
		size_t i = *at, from;
		while (i < n && is_bad(p, i, n))
			i++;
		for (from = i; i < n && !is_bad(p, i, n);)
			i++;
		effort_add(i - *at);
		*at = i;
		if (i - from >= STRETCH) {
			*start = from;
			*len = i - from;
			return true;
		}
	}
	return false;
}

/* Returns true if the bytes begin a text. Its last character may be cut off. */
static bool
reads_on(const char *p, size_t n)
{
	if (n > 0 && (unsigned char)p[n - 1] >= 0xC0)
		n--;
	return n >= TRY_LEAST && decode_is_text(p, n);
}

/* ---- decoding ---- */

void
decode_begin(struct decoding *d, struct span text, const struct blob *b)
{
	*d = (struct decoding){ .text = text, .b = *b, .at = b->from };
}

static size_t
decode_codes(struct decoding *d, char *out, uint32_t *where, size_t room)
{
	unsigned base = d->b.base;
	size_t n = 0;

	while (n < room && d->at < d->b.end) {
		const char *p = d->text.p;
		size_t i = d->at;
		unsigned v = 0;
		if (base == 16 && i + 1 < d->b.end && p[i] == '0' && (p[i + 1] | 0x20) == 'x')
			i += 2;
		size_t first = i;
		for (; i < d->b.end && (unsigned)hex_value(p[i]) < base; i++)
			v = v * base + (unsigned)hex_value(p[i]);
		if (i == first) {
			d->at = i + 1;
			continue;
		}
		where[n] = (uint32_t)d->at;
		out[n++] = (char)v;
		d->at = i;
	}
	return n;
}

/* Decodes reversed text, the last character first. All bytes are mapped to the blob's start,
 * because the blob is redacted as a whole. */
static size_t
decode_reversed(struct decoding *d, char *out, uint32_t *where, size_t room)
{
	size_t n = 0, i = d->b.end - (d->at - d->b.from);

	while (n + 4 <= room && i > d->b.from) {
		size_t to = i;
		i = d->b.from + utf8_before(d->text.p + d->b.from, i - d->b.from);
		for (size_t k = i; k < to; k++) {
			where[n] = (uint32_t)d->b.start;
			out[n++] = d->text.p[k];
		}
		d->at += to - i;
	}
	return n;
}

/* ---- dumps of bytes ---- */

enum { DUMP_ROW = 16 }; /* bytes in a line of a dump */

/* Returns the offset after the address that begins the line at `at`, or 0 if there is none. */
static size_t
dump_address(struct span t, size_t at)
{
	enum { LEAST = 4, MOST = 16 };
	size_t i = at;

	while (i < t.n && i - at <= MOST && hex_value(t.p[i]) >= 0)
		i++;
	if (i - at < LEAST || i - at > MOST)
		return 0;
	return i + (i < t.n && t.p[i] == ':');
}

/* Reads one cell of od -c at i: three spaces and a character, an escape, or an octal number.
 * Returns its byte, or -1 if there is no cell. */
static int
dump_cell(struct span t, size_t i)
{
	static const char names[] = "0abtnvfr", values[] = "\0\a\b\t\n\v\f\r";

	if (t.n - i < 4 || t.p[i] != ' ')
		return -1;
	if (t.p[i + 1] != ' ') {
		int v = 0;
		for (size_t k = i + 1; k < i + 4; k++) {
			if (t.p[k] < '0' || t.p[k] > '7')
				return -1;
			v = v * 8 + (t.p[k] - '0');
		}
		return v & 255;
	}
	if (t.p[i + 2] == ' ')
		return t.p[i + 3] == '\n' || t.p[i + 3] == '\r' ? -1 : (unsigned char)t.p[i + 3];
	const char *name = t.p[i + 2] == '\\' ? memchr(names, t.p[i + 3], 8) : NULL;
	return name ? (unsigned char)values[name - names] : -1;
}

/* Reads the bytes of the line at `at`, and sets place[k] to the offset of byte k. Returns their
 * number; 0 if the line is none of a dump. */
static size_t
dump_line(struct span t, size_t at, unsigned char out[DUMP_ROW], size_t place[DUMP_ROW])
{
	size_t i = dump_address(t, at), n = 0, blanks = 0;

	if (!i)
		return 0;
	for (int v; n < DUMP_ROW && (v = dump_cell(t, i)) >= 0; i += 4) {
		place[n] = i;
		out[n++] = (unsigned char)v;
	}
	if (n > 1)
		return n;
	for (n = 0, i = dump_address(t, at); n < DUMP_ROW; i += 2) {
		for (blanks = 0; i < t.n && t.p[i] == ' '; blanks++)
			i++;
		bool column = blanks > 2 || (blanks == 2 && n && n != DUMP_ROW / 2);
		if (t.n - i < 2 || hex_value(t.p[i]) < 0 || hex_value(t.p[i + 1]) < 0 || column ||
			(!blanks && n % 2 == 0))
			break;
		place[n] = i;
		out[n++] = (unsigned char)(hex_value(t.p[i]) << 4 | hex_value(t.p[i + 1]));
	}
	return n;
}

/* Returns the offset of the next line, or t.n. */
static size_t
dump_next(struct span t, size_t at)
{
	const char *end = at < t.n ? memchr(t.p + at, '\n', t.n - at) : NULL;

	return end ? (size_t)(end - t.p) + 1 : t.n;
}

static size_t
decode_dump(struct decoding *d, char *out, uint32_t *where, size_t room)
{
	unsigned char row[DUMP_ROW];
	size_t place[DUMP_ROW], n = 0;

	while (n + DUMP_ROW <= room && d->at < d->b.end) {
		size_t have = dump_line(d->text, d->at, row, place);
		for (size_t k = 0; k < have; k++) {
			where[n] = (uint32_t)place[k];
			out[n++] = (char)row[k];
		}
		d->at = dump_next(span_cut(d->text, 0, d->b.end), d->at);
	}
	return n;
}

bool
blob_dump(struct span text, size_t at, struct blob *b)
{
	unsigned char row[DUMP_ROW];
	size_t place[DUMP_ROW], end = at, n = 0;

	if (at > 0 && text.p[at - 1] != '\n')
		return false;
	for (size_t have = DUMP_ROW; have == DUMP_ROW && end < text.n && !effort_over();) {
		have = dump_line(text, end, row, place);
		if (have)
			end = dump_next(text, end);
		n += have;
		effort_add(8 * DUMP_ROW);
	}
	*b = (struct blob){ .kind = BLOB_DUMP, .start = at, .end = end, .from = at };
	return n >= BLOB_MIN / 2;
}

/* Decides how a group continues after a line break. Either the group continues in the next line,
 * or an unpadded blob ends there and another one begins. The reading that gives text is used; if
 * neither does, the group continues. */
static void
settle_break(struct decoding *d)
{
	char out[TRY_BYTES];
	uint32_t where[TRY_BYTES];
	struct decoding on = *d, anew = *d;

	on.trying = anew.trying = true;
	anew.bits = anew.nbits = 0;
	if (reads_on(out, decode_some(&on, out, where, sizeof(out))))
		return;
	if (reads_on(out, decode_some(&anew, out, where, sizeof(out))))
		d->bits = d->nbits = 0;
}

/* Inlined for each alphabet, where `value` is a constant. */
static inline __attribute__((always_inline)) size_t
decode_bits(struct decoding *d, char *out, uint32_t *where, size_t room, int (*value)(char),
	unsigned width)
{
	size_t n = 0;

	for (; n < room && d->at < d->b.end; d->at++) {
		int v = value(d->text.p[d->at]);
		if (v < 0) {
			if (d->nbits && !d->trying && is_one_of(d->text.p[d->at], "\n\r \\,"))
				settle_break(d);
			d->at += d->text.p[d->at] == '\\'; /* also skip the n of a written \n */
			continue;
		}
		if (d->nbits == 0)
			d->first = d->at;
		d->bits = d->bits << width | (uint32_t)v;
		d->nbits += width;
		if (d->nbits < 8)
			continue;
		d->nbits -= 8;
		size_t first = d->first;
		d->first = d->at; /* the character is shared with the next byte if bits are left */
		char c = (char)(d->bits >> d->nbits);
		if (d->b.utf16 && !c)
			continue;
		where[n] = (uint32_t)first;
		out[n++] = c;
	}
	return n;
}

size_t
decode_some(struct decoding *d, char *out, uint32_t *where, size_t room)
{
	size_t from = d->at, n = 0;

	switch (d->b.kind) {
	case BLOB_BASE64: n = decode_bits(d, out, where, room, value64, 6); break;
	case BLOB_BASE32: n = decode_bits(d, out, where, room, value32, 5); break;
	case BLOB_BASE32HEX: n = decode_bits(d, out, where, room, value32hex, 5); break;
	case BLOB_HEX: n = decode_bits(d, out, where, room, hex_value, 4); break;
	case BLOB_REVERSED: n = decode_reversed(d, out, where, room); break;
	case BLOB_CODES: n = decode_codes(d, out, where, room); break;
	case BLOB_DUMP: n = decode_dump(d, out, where, room); break;
	}
	effort_add(2 * (d->at - from));
	return n;
}

/* Returns true if three of four bytes are zero and one position of four is never zero. */
static bool
is_utf32(const char *p, size_t n)
{
	size_t zeros[4] = { 0 }, all = 0;

	for (size_t i = 0; i < n; i++) {
		zeros[i & 3] += p[i] == 0;
		all += p[i] == 0;
	}
	return n >= 16 && all * 5 >= n * 3 &&
	       (!zeros[0] || !zeros[1] || !zeros[2] || !zeros[3]);
}

/* ---- the place at which the text begins ---- */

/* Decodes the first six bytes of a blob. Returns false if one of the characters is no digit. */
static inline __attribute__((always_inline)) bool
six_of(struct span text, const struct blob *b, unsigned char out[6], int (*value)(char),
	unsigned width)
{
	unsigned n = (48 + width - 1) / width;
	uint64_t bits = 0;
	int bad = 0;

	if (b->end - b->from < n)
		return false;
	for (unsigned i = 0; i < n; i++) {
		int v = value(text.p[b->from + i]);
		bad |= v;
		bits = bits << width | (unsigned)(v & 63);
	}
	for (unsigned i = 0; i < 6; i++)
		out[i] = (unsigned char)(bits >> (n * width - 8 - 8 * i));
	return bad >= 0;
}

static bool
first_six(struct span text, const struct blob *b, unsigned char out[6])
{
	struct decoding d;
	uint32_t where[6];
	bool whole = b->kind == BLOB_BASE64	 ? six_of(text, b, out, value64, 6)
		     : b->kind == BLOB_BASE32	 ? six_of(text, b, out, value32, 5)
		     : b->kind == BLOB_BASE32HEX ? six_of(text, b, out, value32hex, 5)
						 : six_of(text, b, out, hex_value, 4);

	if (whole)
		return true;
	decode_begin(&d, text, b);
	return decode_some(&d, (char *)out, where, 6) == 6;
}

/* Returns true if the blob is noise: one of its first bytes cannot be part of text. Zero bytes
 * may belong to UTF-16, where at most every other byte is zero, or to UTF-32, where at least
 * half of the first bytes are. */
static bool
is_noise(struct span text, const struct blob *b)
{
	unsigned char out[6];
	bool bad = false, zeros[2] = { false, false };
	unsigned nzeros = 0;

	if (!first_six(text, b, out))
		return false;
	for (size_t i = 0; i < 6; i++) {
		zeros[i & 1] |= !out[i];
		nzeros += !out[i];
		bad |= i < 5 && is_bad((char *)out, i, 6);
	}
	return zeros[0] == zeros[1] && nzeros < 3 && bad;
}

/* Finds the group position at which the blob reads as text, and sets b->from. b->kind, start and
 * end are set. */
static bool
find_text(struct span text, struct blob *b)
{
	char out[TRY_BYTES];
	uint32_t where[TRY_BYTES];
	struct decoding d;

	for (unsigned k = 0; k < groups[b->kind] && b->start + k < b->end; k++) {
		effort_add(16);
		b->from = b->start + k;
		b->utf16 = false;
		if (is_noise(text, b))
			continue;
		decode_begin(&d, text, b);
		size_t n = decode_some(&d, out, where, sizeof(out));
		if (n < TRY_LEAST)
			break;
		b->utf16 = blob_is_utf16(span_of(out, n)) || is_utf32(out, n);
		if (b->utf16 || reads_on(out, n))
			return true;
	}
	b->from = b->start;
	b->utf16 = false;
	return false;
}

/* ---- runs and their lines ---- */

static size_t
run_of(struct span t, size_t at, enum blob_kind kind)
{
	size_t i = at;

	while (i < t.n && digits_in[(unsigned char)t.p[i]] & alphabets[kind])
		i++;
	effort_add(1 + (i - at) / 4);
	return i;
}

/* Returns the offset after the characters that separate pieces of a blob in a program or in
 * JSON: written \n and \r\n, commas and the like, and quotes and spaces around them. Returns 0
 * if there are none. */
static size_t
next_piece(struct span t, size_t at)
{
	enum { JOINT_MAX = 24 };
	size_t i = at;
	bool joint = false;

	for (; i < t.n && i - at < JOINT_MAX; i++) {
		char c = t.p[i], next = i + 1 < t.n ? t.p[i + 1] : '\0';
		if (c == '\\' && (next == 'n' || next == 'r'))
			i++;
		else if (!memchr("\"', \t\r\n;|", c, 10))
			break;
		joint |= c == '\\' || c == ',' || c == ';' || c == '|';
	}
	return joint ? i : 0;
}

/* Returns where the next line of a wrapped blob begins after the break at `at`, or 0 if there is
 * no break. A single space counts as a break; then *spaced is set. */
static size_t
next_line(struct span t, size_t at, bool *spaced)
{
	size_t i = at, piece;

	*spaced = false;
	if (i < t.n && memchr("\"',;|\\", t.p[i], 6) && (piece = next_piece(t, at)))
		return piece;
	*spaced = i < t.n && t.p[i] == ' ';
	if (*spaced)
		return i + 1;
	if (i < t.n && t.p[i] == '\r')
		i++;
	if (i >= t.n || t.p[i] != '\n')
		return 0;
	for (i++; i < t.n && i - at < 24 &&
		  (t.p[i] == ' ' || t.p[i] == '\t' || t.p[i] == '>' || t.p[i] == '|' ||
			  t.p[i] == '#');)
		i++;
	return i;
}

/* Returns which letter cases occur: 1 for upper case, 2 for lower case. */
static unsigned
case_bits(struct span t, size_t from, size_t to)
{
	unsigned in = 0;

	for (size_t i = from; i < to; i++)
		in |= is_upper(t.p[i]) ? 1 : is_lower(t.p[i]) ? 2 : 0;
	return in;
}

/* Base32 is written in one letter case. */
static bool
is_base32(enum blob_kind kind)
{
	return kind == BLOB_BASE32 || kind == BLOB_BASE32HEX;
}

/* Returns true if the characters [from, to) decode to text in one of the group positions. */
static bool
line_is_text(struct span t, size_t from, size_t to, enum blob_kind kind)
{
	char out[TRY_BYTES];
	uint32_t where[TRY_BYTES];

	for (size_t k = 0; k < groups[kind] && from + k < to; k++) {
		struct blob b = { .kind = kind, .start = from, .end = to, .from = from + k };
		struct decoding d;
		size_t bad = 0;
		decode_begin(&d, t, &b);
		size_t n = decode_some(&d, out, where, sizeof(out));
		for (size_t i = 0; i < n; i++)
			bad += out[i] && is_bad(out, i, n);
		if (!bad)
			return true;
	}
	return false;
}

/* Returns true for a number, or for a word in a usual letter case. */
static bool
is_common_word(struct span t, size_t from, size_t to)
{
	size_t small = span_past(t, from + is_upper(t.p[from]), is_lower);

	return span_past(t, from, is_digit) >= to || span_past(t, from, is_upper) >= to ||
	       small >= to;
}

/* Returns true if the digits [from, to) are the last line of a blob, not the first word of an
 * unrelated line. The blob's first line begins at `before` and has the given width. */
static bool
is_last_line(
	struct span t, size_t before, size_t width, size_t from, size_t to, enum blob_kind kind)
{
	enum { SURE = 12, WORD = 8 };
	size_t n = to - from, i = to;

	while (i < t.n && i - to < 6 && t.p[i] == '=')
		i++;
	size_t end = span_past_set(t, i, " \t");
	bool ends = end >= t.n || is_one_of(t.p[end], "\r\n\"'`,;|\\)]}<");
	if (end < t.n && (t.p[end] == ':' || t.p[end] == '=' || (i > to && is_alnum(t.p[i]))))
		return false;
	/* Encoders wrap at a few usual widths and write whole groups. Otherwise a short word is
	 * just a word. */
	bool usual =
		(width == 60 || width == 64 || width == 76) && n > 3 && n % groups[kind] == 0;
	if (n < WORD && i == to && !usual && is_common_word(t, from, to))
		return false;
	return (ends && n >= LINE_MIN && 2 * n >= width) ||
	       ((ends || n >= SURE) && line_is_text(t, from, to, kind) &&
		       !(is_base32(kind) && (case_bits(t, before, before + width) |
						    case_bits(t, from, to)) == 3));
}

/* Returns the end of the blob whose first line is [at, end): lines as long as the first, and a
 * last one that may be shorter. A word that begins the next unrelated line is not included. */
static size_t
wrapped(struct span t, size_t at, size_t end, enum blob_kind kind)
{
	size_t line = end - at, lines = 1;
	bool spaced;

	while (line >= LINE_MIN) {
		effort_add(40);
		size_t from = next_line(t, end, &spaced);
		size_t to = from ? run_of(t, from, kind) : 0;
		if (!from || to == from || to - from > line ||
			(spaced && lines == 1 && to - from < line) ||
			(!spaced && to - from < line &&
				!is_last_line(t, at, line, from, to, kind)))
			break;
		end = to;
		if (to - from < line)
			break;
		lines++;
	}
	return end;
}

/* Returns the first place from `at` on where a run of BLOB_MIN characters of the alphabet may
 * begin (base32: in one letter case), or `end`. A window is checked from its end, because a
 * character that rules out one place also rules out the places before it. */
static size_t
next_run(struct span t, size_t at, size_t end, enum blob_kind kind)
{
	while (end - at >= BLOB_MIN) {
		size_t k = at + BLOB_MIN;
		for (unsigned in = 0; k > at; k--) {
			char c = t.p[k - 1];
			if (!(digits_in[(unsigned char)c] & alphabets[kind]))
				break;
			if (is_base32(kind))
				in |= is_upper(c) ? 1 : is_lower(c) ? 2 : 0;
			if (in == 3)
				break;
		}
		effort_add(at + BLOB_MIN - k + 4);
		if (k == at)
			return at;
		at = k;
	}
	return end;
}

/* Looks for text that begins later in the blob, after a header, a picture or another line. The
 * text may begin between two tried places, so it is read from the previous place on. */
static bool
reads_later(struct span text, struct blob *b, size_t to)
{
	struct blob part = *b;
	unsigned char in = alphabets[b->kind];

	for (size_t last = b->start; part.start < to && !effort_over(); last = part.start) {
		for (size_t n = 0; n < STRIDE && part.start < b->end; part.start++)
			n += (digits_in[(unsigned char)text.p[part.start]] & in) != 0;
		if (!find_text(text, &part))
			continue;
		/* Begin as many digits later as the group that was found. */
		for (size_t late = part.from - part.start; late && last < b->end; last++)
			late -= (digits_in[(unsigned char)text.p[last]] & in) != 0;
		b->from = last;
		b->utf16 = part.utf16;
		return true;
	}
	return false;
}

/* Returns what is known about the lines that begin with [at, end), or *one if nothing is. If
 * some lines continue far, no lines of another width do. */
static struct blob_lines *
lines_from(struct span t, size_t at, size_t end, enum blob_kind kind, struct blob_lines *known,
	struct blob_lines *one)
{
	size_t width = end - at;

	if (at < known->end && width == known->width)
		return known;
	*one = (struct blob_lines){ wrapped(t, at, end, kind), width, false };
	if (one->end <= known->end)
		return one;
	*known = *one;
	return known;
}

/* The same as reads_later(), for a blob whose first line ends at `end`. */
static bool
lines_read_later(struct span text, struct blob *b, size_t end, struct blob_lines *lines)
{
	if (reads_later(text, b, lines->searched ? end : b->end))
		return true;
	lines->searched = true;
	return false;
}

/* ---- finding blobs ---- */

static bool
sub_run(struct span t, struct blob *b, enum blob_kind kind, size_t from, size_t end,
	struct blob_lines *lines)
{
	struct span head = span_cut(t, 0, end);

	for (size_t i, to; (i = next_run(t, from, end, kind)) < end; from = to) {
		/* next_run() also stops at a change of case; the run may begin before. */
		while (i > from && digits_in[(unsigned char)t.p[i - 1]] & alphabets[kind])
			i--;
		to = run_of(head, i, kind);
		unsigned cases = is_base32(kind) ? case_bits(t, i, to) : 1;
		if (cases == 0 || cases == 3 ||
			(i > 0 && is_alnum(t.p[i - 1]) && t.p[i - 1] != 'x'))
			continue;
		struct blob_lines one = { to, to - i, false }, *in = &one;
		if (to == end)
			in = lines_from(t, i, to, kind, &lines[kind], &one);
		*b = (struct blob){ .kind = kind, .start = i, .end = in->end };
		if (find_text(t, b) || lines_read_later(t, b, to, in))
			return true;
	}
	return false;
}

size_t
blob_run(struct span text, size_t at)
{
	size_t end = run_of(text, at, BLOB_BASE64);

	return end > at ? end : at + 1;
}

bool
blob_may_continue(char c)
{
	return digits_in[(unsigned char)c] || (c && strchr(" \r\n\t>|#=", c));
}

bool
blob_find(struct span text, size_t at, struct blob *b, struct blob_lines lines[BLOB_WRAPPED],
	size_t *end)
{
	size_t first = run_of(text, at, BLOB_BASE64);

	*end = first > at ? first : at + 1;
	if (first - at < BLOB_MIN)
		return false;
	if (sub_run(text, b, BLOB_HEX, at, first, lines)) {
		*end = b->end > first ? b->end : first;
		return true;
	}
	*b = (struct blob){ .kind = BLOB_BASE64, .start = at };
	struct blob_lines one,
		*in = lines_from(text, at, first, BLOB_BASE64, &lines[BLOB_BASE64], &one);
	b->end = in->end;
	bool found = find_text(text, b);
	if (!found) {
		struct blob other;
		if (sub_run(text, &other, BLOB_BASE32, at, first, lines) ||
			sub_run(text, &other, BLOB_BASE32HEX, at, first, lines)) {
			*b = other;
			found = true;
		}
	}
	/* A path or a name may precede the blob. */
	for (size_t i = at, tries = 0;
		!found && i + BLOB_MIN < first && i - at < 96 && tries < 4; i++) {
		if (is_alnum(text.p[i]))
			continue;
		b->start = i + 1;
		found = find_text(text, b);
		tries++;
	}
	if (!found) {
		b->start = b->from = at;
		found = lines_read_later(text, b, first, in);
	}
	for (int k = 0; k < 6 && b->end < text.n && text.p[b->end] == '='; k++)
		b->end++; /* base32 has up to six */
	if (b->end > *end)
		*end = b->end;
	return found;
}

const unsigned code_bases[CODE_BASES] = { 16, 10, 8, 2 };

/* ---- character codes ---- */

/* Returns the end of the number at `at`, or 0 if there is none. */
static size_t
code_end(struct span t, size_t at, unsigned base)
{
	size_t i = at, least = base == 2 ? 7 : 2, most = base == 16 ? 2 : base == 2 ? 8 : 3;
	unsigned v = 0;

	if (base == 16 && i + 1 < t.n && t.p[i] == '0' && (t.p[i + 1] | 0x20) == 'x')
		i += 2;
	size_t first = i;
	for (; i < t.n && i - first <= most && (unsigned)hex_value(t.p[i]) < base; i++)
		v = v * base + (unsigned)hex_value(t.p[i]);
	if (i - first < least || i - first > most || v > 255 || v < 9)
		return 0;
	return i < t.n && is_alnum(t.p[i]) ? 0 : i;
}

/* Returns the offset after the characters that separate two numbers, including a chr( call
 * around each. */
static size_t
code_gap(struct span t, size_t at)
{
	enum { GAP = 6, CHR = 4 };
	static const char gaps[] = " ,:\n\r\t;|-_./)+&";
	size_t i = at;

	while (i < t.n && i - at < GAP && memchr(gaps, t.p[i], sizeof(gaps) - 1))
		i++;
	if (t.n - i > CHR && span_ieq(span_cut(t, i, i + CHR), SPAN_LIT("chr(")))
		i += CHR;
	return i;
}

bool
blob_codes(struct span text, size_t at, unsigned base, struct blob *b, size_t *seen)
{
	size_t end = at, n = 0, gap = 0;
	char out[TRY_BYTES];
	uint32_t where[TRY_BYTES];
	struct decoding d;

	for (size_t i = at, to; (to = code_end(text, i, base)) > 0; n++) {
		end = to;
		i = code_gap(text, to);
		if (i == to || (n > 0 && text.p[to] != text.p[gap]))
			break;
		gap = to;
	}
	*seen = end > at ? end : at + 1;
	effort_add(end - at + 8);
	if (n < CODES_MIN - 1)
		return false;
	*b = (struct blob){
		.kind = BLOB_CODES, .base = base, .start = at, .end = end, .from = at
	};
	decode_begin(&d, text, b);
	return decode_is_text(out, decode_some(&d, out, where, sizeof(out)));
}

/* ---- reversed text ---- */

bool
blob_reversed(struct span text, size_t at, struct blob *b)
{
	enum { REVERSED_MIN = 7, REVERSED_MAX = 2 << 10 };
	size_t i = at + 3;

	for (; i < text.n && i - at < REVERSED_MAX && text.p[i] != '\n'; i++)
		if (text.n - i >= 3 && !memcmp(text.p + i, "\xE2\x80\xAC", 3))
			break;
	*b = (struct blob){ .kind = BLOB_REVERSED, .start = at, .end = i, .from = at + 3 };
	return i - b->from >= REVERSED_MIN;
}
