/* Finds runs of base64, base32 and hexadecimal digits in a text and decides whether they decode
 * to text.
 *
 * A run is found by PLAIN digits in a row. From there it is measured together with everything
 * that may be between digits: escapes, line breaks, quotes. To judge it, the run is decoded in
 * pieces. Binary data shows in the first piece, so a picture costs little more than classifying
 * its digits; text is examined to its end. */
#include "scan/text/blob.h"

#include "base/among.h"
#include "base/caps.h"
#include "base/codec/digits.h"
#include "base/utf8.h"
#include "base/err.h"
#include "scan/text/opaque.h"

enum {
	PLAIN = 24,	   /* digits in a row, or their escapes, that begin a run */
	LINE_MIN = 32,	   /* digits of a line that continues in the next line */
	GAP_MAX = 64,	   /* characters between two lines: indentation, quotes */
	BLANK_DIGITS = 24, /* if the run has at least this many digits per space, a space may be
			    * a + */
	PERIOD_MAX = 256,
	PERIOD_HEAD = 32,
	WINDOW_MIN = 64,
	PIECE = 16 << 10,
	PIECE_OVERLAP = 6 << 10, /* any run of OPAQUE_INSIDE digits lies completely in one piece */
};

/* ---- characters ---- */

/* Reads %41, and also %2541, which is %41 escaped once more. */
static int
percent_char(struct span t, size_t at, size_t *n)
{
	size_t i = at + 1;
	int c = '%';

	while (c == '%' && i + 2 <= t.n) {
		int high = hex_value(t.p[i]), low = hex_value(t.p[i + 1]);
		if (high < 0 || low < 0)
			break;
		c = high << 4 | low;
		i += 2;
	}
	*n = i - at;
	return c;
}

/* Reads \/, \n and \u002b. In a string inside another string the number of backslashes doubles
 * and one is added per level, so any number up to BACKSLASHES counts as one escape. */
enum { BACKSLASHES = 31 };

static int
backslash_char(struct span t, size_t at, size_t *n)
{
	size_t i = span_past_set(span_cut(t, 0, at + BACKSLASHES), at, "\\"), more = 0;
	int c = '\\';

	switch (i < t.n ? t.p[i] : 0) {
	case '/':
	case '"':
	case '\'':
	case '\n':
	case '\r': c = t.p[i]; break;
	case 'n': c = '\n'; break;
	case 'r': c = '\r'; break;
	case 't': c = '\t'; break;
	case 'u': more = 4; break;
	case 'x': more = 2; break;
	default: *n = i - at; return c;
	}
	if (more)
		c = span_hex(t, i + 1, more);
	bool known = c >= 0 && c < 128;
	*n = i + (known ? 1 + more : 0) - at;
	return known ? c : '\\';
}

int
blob_char(struct span t, size_t at, size_t *n)
{
	char c = t.p[at];

	*n = 1;
	if (c == '%')
		return percent_char(t, at, n);
	return c == '\\' ? backslash_char(t, at, n) : (unsigned char)c;
}

/* ---- runs ---- */

/* Encodings of a run's digits, as IN_… bits. */
struct classes {
	unsigned all, any; /* encodings that all digits belong to; that at least one digit
			    * belongs to */
};

/* Returns the end of the digits that begin at `at`, and adds them to *r and *k. */
static size_t
line_end(struct span t, size_t at, bool form, struct blob_run *r, struct classes *k)
{
	size_t i = at, n;

	for (;;) {
		size_t first = i;
		unsigned in, all = k->all, any = k->any;
		for (; i < t.n && (in = digits_in[(unsigned char)t.p[i]]); i++) {
			all &= in;
			any |= in;
		}
		k->all = all;
		k->any = any;
		r->digits += i - first;
		if (i == t.n)
			return i;
		int c = blob_char(t, i, &n);
		bool blank = form && c == ' ' && n == 1 && i > at && i + 1 < t.n &&
			     (digits_in[(unsigned char)t.p[i + 1]] || t.p[i + 1] == ' ');
		if (!blank && (n == 1 || !digits_in[c]))
			return i;
		r->blanks += blank;
		r->digits++;
		k->all &= blank ? IN64 : digits_in[c];
		k->any |= blank ? IN64 : digits_in[c];
		i += n;
	}
}

/* Returns where digits may continue after the characters between two lines: line breaks,
 * indentation, quote and comment marks, quotes, and operators that join strings. Returns 0 if
 * they do not continue. */
static size_t
gap_end(struct span t, size_t at)
{
	size_t i = at, n, quotes = 0, end = at + GAP_MAX < t.n ? at + GAP_MAX : t.n;
	bool line = false;

	while (i < end) {
		int c = blob_char(t, i, &n);
		line |= c == '\n' || c == '\r';
		quotes += is_quote((char)c);
		bool joint = quotes == 1 && (c == '+' || c == '.' || c == '&' || c == '_');
		if (!joint && !is_quote((char)c) &&
			(c == 0 || c > 127 || !strchr(" \t\r\n>|#*\\", c)))
			break;
		i += n;
	}
	bool blank = i == at + 1 && t.p[at] == ' ';
	return i < t.n && quotes % 2 == 0 && (line || quotes || blank) ? i : 0;
}

/* Returns the only encoding that the digits can belong to, or 0. A thousand digits of base64
 * contain both letter cases; hexadecimal and base32 have one letter case and decimal digits.
 * Sequences of amino acids, long numbers and ruled lines match none of these. */
static unsigned
encoding_of(const struct classes *k)
{
	bool upper = k->any & IN_UPPER, lower = k->any & IN_LOWER;

	if (upper && lower)
		return IN64;
	if (upper == lower || !(k->any & IN_DECIMAL))
		return 0;
	return k->all & IN16 ? IN16 : k->all & IN32 ? IN32 : 0;
}

/* Returns true for the line lengths of hexadecimal digests. Several such lines are a list of
 * digests, not an encoded file. */
static bool
is_digest(size_t line)
{
	return line == 32 || line == 40 || line == 56 || line == 64 || line == 96 ||
	       line == 128;
}

/* Returns true if an encoded text may end at `at`. The last line of a run may be shorter than
 * the others; a word of prose after a run is followed by other characters. */
static bool
ends_line(struct span t, size_t at)
{
	size_t n;
	int c = at < t.n ? blob_char(t, at, &n) : '\n';

	return c == '\n' || c == '\r' || c == '=' || c == '<' || c == ')' || is_quote((char)c);
}

struct blob_run
blob_run_at(struct span t, size_t at, bool form)
{
	struct blob_run r = { .start = at };
	struct classes k = { .all = IN64 | IN32 | IN16 };
	size_t n, line, longest, lines = 1;

	r.end = line_end(t, at, form, &r, &k);
	line = longest = r.digits;
	while (r.digits) {
		struct blob_run more = r;
		struct classes seen = k;
		size_t from = gap_end(t, r.end);
		if (!from)
			break;
		more.end = line_end(t, from, form, &more, &seen);
		size_t got = more.digits - r.digits;
		bool last = got < line;
		if (got == 0 || (got > line && lines > 1) || (last ? line : got) < LINE_MIN ||
			(last && !ends_line(t, more.end)))
			break;
		r = more;
		k = seen;
		longest = got > longest ? got : longest;
		line = got;
		lines++;
		if (last)
			break;
	}
	r.any = k.any;
	r.in = encoding_of(&k);
	if (r.in == IN16 && lines > 1 && is_digest(longest))
		r.in = 0;
	for (int i = 0; i < 6 && r.end < t.n && blob_char(t, r.end, &n) == '='; i++) {
		r.end += n;
		r.digits++;
	}
	return r;
}

/* Returns true for a digit and for a character that begins the escape of a digit. */
static bool
may_be_digit(char c)
{
	return digits_in[(unsigned char)c] || c == '\\' || c == '%';
}

/* Returns the first place from `at` on where PLAIN digits in a row begin, or `end` if there is
 * none. Checks each window from its end, so that most windows need one look. */
static size_t
next_plain(struct span t, size_t at, size_t end)
{
	while (end - at >= PLAIN) {
		size_t k = at + PLAIN;
		k = span_back(t, k, at, may_be_digit);
		if (k == at)
			return at;
		at = k;
	}
	return end;
}

bool
blob_run_next(struct span t, size_t *at, size_t end, bool form, struct blob_run *r)
{
	size_t n;

	while (*at < end) {
		size_t plain = next_plain(t, *at, end), from = plain;
		if (plain == end)
			break;
		while (from > *at &&
			(may_be_digit(t.p[from - 1]) || (form && t.p[from - 1] == ' ')))
			from--;
		do {
			*r = blob_run_at(t, from, form);
			blob_char(t, from, &n);
			from = r->digits ? r->end : from + n;
		} while (from < plain);
		*at = r->end > plain ? r->end : plain + 1;
		if (r->digits >= OPAQUE_FILE && r->in &&
			r->blanks * (size_t)BLANK_DIGITS <= r->digits)
			return true;
	}
	*at = end;
	return false;
}

bool
blob_repeats(struct span text, const struct blob_run *r)
{
	struct span s = span_cut(text, r->start, r->end);

	s.n = span_back_set(s, s.n, 0, "=");
	if (s.n < PERIOD_MAX + PERIOD_HEAD)
		return false;
	const char *again = memmem(s.p + 1, PERIOD_MAX + PERIOD_HEAD - 1, s.p, PERIOD_HEAD);
	if (!again)
		return false;
	size_t period = (size_t)(again - s.p);
	return !memcmp(s.p, again, s.n - period);
}

/* ---- decoding ---- */

/* The state of decoding one run. */
struct bits {
	struct span text;
	const struct blob_run *r;
	bool form, quoted;
	bool utf16; /* drop zero bytes, so that UTF-16 of ASCII becomes ASCII */
	size_t at;
	/* bits read that do not fill a byte yet, and their number */
	uint32_t bits;
	unsigned nbits;
};

static size_t
decode_bytes(struct bits *d, char *out, size_t room)
{
	unsigned in = d->r->in, width = in == IN64 ? 6 : in == IN32 ? 5 : 4;
	size_t done = 0, n = 1;

	for (; done < room && d->at < d->r->end; d->at += n) {
		char c = d->text.p[d->at];
		n = 1;
		if (!digits_in[(unsigned char)c]) {
			c = (char)blob_char(d->text, d->at, &n);
			d->quoted ^= is_quote(c);
			if (d->form && c == ' ')
				c = '+';
		}
		int v = d->quoted    ? -1
			: in == IN64 ? value64(c)
			: in == IN32 ? value32(c)
				     : hex_value(c);
		if (v < 0)
			continue;
		d->bits = d->bits << width | (uint32_t)v;
		d->nbits += width;
		if (d->nbits < 8)
			continue;
		d->nbits -= 8;
		c = (char)(d->bits >> d->nbits);
		if (c || !d->utf16)
			out[done++] = c;
	}
	INVARIANT(done <= room && d->nbits < 8);
	return done;
}

/* Begins to decode a run after its first `skip` digits. */
static struct bits
decode_from(struct span text, const struct blob_run *r, bool form, unsigned skip)
{
	struct bits d = { .text = text, .r = r, .form = form, .at = r->start };

	while (skip && d.at < r->end)
		skip -= digits_in[(unsigned char)text.p[d.at++]] != 0;
	return d;
}

size_t
blob_head(struct span text, const struct blob_run *r, bool form, char *out, size_t room)
{
	struct bits d = decode_from(text, r, form, 0);

	return decode_bytes(&d, out, room);
}

bool
blob_is_text(struct span s)
{
	size_t bad = 0, n;

	for (size_t i = 0; i < s.n; i += n) {
		unsigned char c = (unsigned char)s.p[i];
		n = c < 0x80 ? 1 : utf8_sequence(s.p + i, s.n - i);
		if (n == 0 && s.n - i < 4 && s.n == BLOB_WINDOW)
			break; /* the window ends within a character */
		bad += n == 0 || c == 0x7f || (c < 0x20 && (c < '\t' || c > '\r' || c == '\v'));
		n += n == 0;
	}
	return s.n < WINDOW_MIN ? bad == 0 : bad * 8 <= s.n;
}

static bool
all_text(struct span s)
{
	for (size_t i = 0; i < s.n; i += BLOB_WINDOW) {
		struct span window = span_cut(s, i, i + BLOB_WINDOW);
		if ((i == 0 || window.n >= WINDOW_MIN) && !blob_is_text(window))
			return false;
	}
	return true;
}

bool
blob_is_utf16(struct span s)
{
	size_t zeros[2] = { 0, 0 };

	for (size_t i = 0; i < s.n; i++)
		zeros[i & 1] += s.p[i] == 0;
	return s.n >= 8 && (zeros[0] + zeros[1]) * 5 >= s.n * 2 && (!zeros[0] || !zeros[1]);
}

static bool
piece_reads(struct span piece, unsigned depth)
{
	struct opaque_reader inner;
	struct opaque found;

	if (!all_text(piece))
		return false;
	opaque_open(&inner, piece, false, depth + 1);
	return !opaque_next(&inner, &found);
}

static bool
reads_from(struct span text, const struct blob_run *r, bool form, unsigned skip, unsigned depth)
{
	char piece[PIECE];
	struct bits d = decode_from(text, r, form, skip);
	size_t n = decode_bytes(&d, piece, WINDOW_MIN);
	bool utf16 = blob_is_utf16(span_of(piece, n));

	d = decode_from(text, r, form, skip);
	d.utf16 = utf16;
	n = decode_bytes(&d, piece, BLOB_WINDOW);
	bool ok = blob_is_text(span_of(piece, n));
	while (ok) {
		size_t more = decode_bytes(&d, piece + n, PIECE - n);
		n += more;
		INVARIANT(n <= PIECE);
		ok = piece_reads(span_of(piece, n), depth);
		if (n < PIECE)
			break;
		memmove(piece, piece + n - PIECE_OVERLAP, PIECE_OVERLAP);
		n = PIECE_OVERLAP;
	}
	explicit_bzero(piece, sizeof(piece));
	return ok;
}

bool
blob_reads(struct span text, const struct blob_run *r, bool form, bool anywhere, unsigned depth)
{
	unsigned places = !anywhere ? 1 : r->in == IN64 ? 4 : r->in == IN32 ? 8 : 2;

	for (unsigned skip = 0; depth <= CAP_DECODE_DEPTH && skip < places; skip++)
		if (reads_from(text, r, form, skip, depth))
			return true;
	return false;
}
