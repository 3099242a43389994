/* Finds opaque runs in a text, determines their kind and counts them. Nothing is removed from
 * the text: detectors still scan it, so a text that is wrongly taken for binary data is at least
 * scanned as it is written.
 *
 * The first sections find runs of base64, base32 and hexadecimal digits and decide whether they
 * decode to text. A run is found by PLAIN digits in a row. From there it is measured together
 * with everything that may be between digits: escapes, line breaks, quotes. To judge it, the run
 * is decoded in pieces. Binary data shows in the first piece, so a picture costs little more than
 * classifying its digits; text is examined to its end. */
#include "scan/text/opaque.h"

#include "base/among.h"
#include "base/caps.h"
#include "base/codec/digits.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/push.h"
#include "scan/media/media_file.h"
#include "scan/text/sealed.h"

enum {
	BLOB_WINDOW = 512, /* decoded bytes that are judged together */
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

/* Returns the byte that the character at `at` stands for, with percent and backslash escapes
 * resolved. Sets *n to the number of bytes that spell the character. */
static int
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

/* Finds the next run that begins at or after *at and is long enough to be examined (OPAQUE_FILE
 * digits). Moves *at past the run. Returns false if no such run begins before `end`; then *at is
 * `end`. */
static bool
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

/* Returns true if the run repeats one sequence of at most 256 characters: such a run is padding,
 * not an encoding. */
static bool
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

/* Returns true if at least seven eighths of the bytes (at most BLOB_WINDOW) are printable UTF-8.
 * If there are fewer than 64 bytes, all of them must be. */
static bool
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

/* Returns true if the run decodes to text that is scanned as such: UTF-8, or UTF-16 of ASCII
 * characters. Returns false if the decoded text contains another run that is opaque. `anywhere`:
 * the first digits may not belong to the encoding, so the decoder also tries to start at the
 * following digits. `depth`: how many encodings the text is inside already; beyond
 * CAP_DECODE_DEPTH the result is false. */
static bool
blob_reads(struct span text, const struct blob_run *r, bool form, bool anywhere, unsigned depth)
{
	unsigned places = !anywhere ? 1 : r->in == IN64 ? 4 : r->in == IN32 ? 8 : 2;

	for (unsigned skip = 0; depth <= CAP_DECODE_DEPTH && skip < places; skip++)
		if (reads_from(text, r, form, skip, depth))
			return true;
	return false;
}

enum {
	URI_NAME = 4,
	URI_HEAD = 256, /* characters of a media type with its parameters */
	URI_PLAIN = 64, /* characters of data in a URI without base64 that only its media type
			 * declares to be no text */
	EDGE_MAX = 64,	/* spaces and quotes around a string that counts as whole */
	MAGIC_BYTES = 16,
	CODED_BYTES = 1024,
	MAGIC_SURE = 3, /* bytes of a signature that random data does not begin with by chance */
	MAGIC_HEX = 4,	/* bytes of a signature that none of many digests begins with by chance */
};

/* ---- kinds ---- */

static const char *
kind_of_file(struct span text, const struct blob_run *r, bool form, size_t least)
{
	char head[MAGIC_BYTES];

	return file_magic_media(
		span_of(head, blob_head(text, r, form, head, sizeof(head))), least);
}

static bool
run_is_coded(struct span text, const struct blob_run *r, bool form)
{
	char head[CODED_BYTES];

	return file_is_coded(
		span_of(head, blob_head(text, r, form, head, sizeof(head))), false);
}

static const char *
kind_of_type(struct span type)
{
	return span_istarts(type, SPAN_LIT("image/"))	? "image"
	       : span_istarts(type, SPAN_LIT("audio/")) ? "audio"
	       : span_istarts(type, SPAN_LIT("video/")) ? "video"
							: "file";
}

const char *
opaque_kind(struct span type, struct span bytes)
{
	const char *kind = file_magic_media(bytes, MAGIC_SURE);

	return kind ? kind : kind_of_type(type);
}

/* Returns true for text/plain, image/svg+xml, application/x-yaml and the like. A missing type
 * means text/plain (RFC 2397). */
static bool
is_text_type(struct span type)
{
	static const char *const ends[] = { "json", "xml", "yaml", "javascript", "ecmascript",
		"x-www-form-urlencoded" };

	if (!type.n || span_istarts(type, SPAN_LIT("text/")))
		return true;
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		struct span end = span_str(ends[i]);
		if (type.n > end.n && strchr("/+-.", type.p[type.n - end.n - 1]) &&
			span_ieq(span_cut(type, type.n - end.n, type.n), end))
			return true;
	}
	return false;
}

/* ---- data URIs ---- */

/* The head of a data URI. */
struct uri_head {
	char room[URI_HEAD];
	struct span type;
	bool base64;
	size_t end; /* offset at which the data begin */
};

/* Parses dataurl = "data:" [ type "/" subtype ] *( ";" parameter ) [ ";base64" ] "," data (RFC
 * 2397), in any letter case, with spaces and escapes. Returns false if the text is no such URI. */
static bool
read_head(struct span t, size_t at, struct uri_head *h)
{
	size_t n = 0, step;
	int c = blob_char(t, at += URI_NAME, &step);

	for (at += step; at < t.n && n < URI_HEAD; at += step) {
		c = blob_char(t, at, &step);
		if (c == ',')
			break;
		if (c > 0 && c < 128 && strchr("\r\n\t", c))
			continue;
		if (c <= 0 || c > 127 || (!digits_in[c] && !strchr(" ;=.\"'*!#$&^~", c)))
			return false;
		h->room[n++] = (char)c;
	}
	if (c != ',' || at >= t.n || n == URI_HEAD)
		return false;
	h->end = at + step;
	struct span rest = span_of(h->room, n), last = { NULL, 0 };
	h->type = span_trim(span_next(&rest, ';'), " ");
	while (rest.n)
		last = span_trim(span_next(&rest, ';'), " ");
	h->base64 = span_ieq(last, SPAN_LIT("base64"));
	return h->base64 || span_chr(h->type, '/') < h->type.n;
}

/* Returns the end of data that are not base64, which is the end of the URI. */
static size_t
plain_end(struct span t, size_t at)
{
	while (at < t.n && (unsigned char)t.p[at] > ' ' && !strchr("\"'<>`\\", t.p[at]))
		at++;
	return at;
}

/* Returns true if the percent-encoded bytes are no text. */
static bool
is_plain_noise(struct span t, size_t at, size_t end)
{
	char window[BLOB_WINDOW];
	size_t all = 0, n, step;
	bool text = true;

	while (at < end && text) {
		for (n = 0; at < end && n < sizeof(window); at += step)
			window[n++] = (char)blob_char(t, at, &step);
		text = blob_is_text(span_of(window, n));
		all += n;
	}
	return !text && all >= OPAQUE_LEAST;
}

/* Reads the data URI at `at` and returns the end of its data. *kind is NULL if the data are
 * text. */
static size_t
read_uri(const struct opaque_reader *r, size_t at, const char **kind)
{
	struct uri_head h;
	struct span t = r->text;

	*kind = NULL;
	if (!read_head(t, at, &h))
		return at + URI_NAME;
	if (!h.base64) {
		size_t end = plain_end(t, h.end);
		if (is_plain_noise(t, h.end, end) ||
			(!is_text_type(h.type) && end - h.end >= URI_PLAIN))
			*kind = kind_of_type(h.type);
		return end;
	}
	while (h.end < t.n && strchr(" \t\r\n", t.p[h.end]))
		h.end++;
	struct blob_run run = blob_run_at(t, h.end, r->form);
	run.in = IN64;
	if (run.digits * 6 / 8 < OPAQUE_LEAST)
		return run.end;
	const char *file = kind_of_file(t, &run, r->form, 1);
	bool text = is_text_type(h.type);
	if (!text || run_is_coded(t, &run, r->form) ||
		!blob_reads(t, &run, r->form, false, r->depth))
		*kind = !text ? kind_of_type(h.type) : file ? file : "unknown";
	return run.end;
}

/* Returns the next place from `at` on where "data:" begins, or with the mark % "data%3A"; t.n if
 * there is none. */
static size_t
next_uri(struct span t, size_t at, char mark)
{
	for (size_t n, colon = at + URI_NAME; colon < t.n; colon++) {
		const char *p = memchr(t.p + colon, mark, t.n - colon);
		if (!p)
			break;
		colon = (size_t)(p - t.p);
		struct span name = span_cut(t, colon - URI_NAME, colon);
		if (span_ieq(name, SPAN_LIT("data")) && blob_char(t, colon, &n) == ':')
			return colon - URI_NAME;
	}
	return t.n;
}

/* ---- the reader ---- */

void
opaque_open(struct opaque_reader *r, struct span text, bool form, unsigned depth)
{
	struct span inner = span_trim(text, " \t\r\n");
	char first = inner.n ? inner.p[0] : 0, last = inner.n ? inner.p[inner.n - 1] : 0;

	*r = (struct opaque_reader){ .text = text, .form = form, .depth = depth };
	r->json = (first == '{' && last == '}') || (first == '[' && last == ']');
	r->colon = next_uri(text, 0, ':');
	r->percent = next_uri(text, 0, '%');
}

/* Returns true if text[from, to) has only spaces and quotes, at most EDGE_MAX bytes. */
static bool
is_edge(struct span t, size_t from, size_t to)
{
	size_t n;

	if (to - from > EDGE_MAX)
		return false;
	for (; from < to; from += n) {
		int c = blob_char(t, from, &n);
		if (c <= 0 || c > 127 || !strchr(" \t\r\n\"'`", c))
			return false;
	}
	return true;
}

static bool
is_whole_run(const struct opaque_reader *r, const struct blob_run *run)
{
	struct span t = r->text;
	size_t n;

	if (is_edge(t, 0, run->start) && is_edge(t, run->end, t.n))
		return true;
	return r->json && run->start && t.p[run->start - 1] == '"' && run->end < t.n &&
	       blob_char(t, run->end, &n) == '"';
}

static bool
run_is_opaque(const struct opaque_reader *r, const struct blob_run *run)
{
	if (run->digits < OPAQUE_INSIDE && !is_whole_run(r, run))
		return false;
	if (run->digits < OPAQUE_WHOLE &&
		!kind_of_file(r->text, run, r->form, run->in == IN16 ? MAGIC_HEX : MAGIC_SURE))
		return false;
	bool mixed = run->in == IN64 && run->any & IN_DECIMAL;
	if (!mixed && blob_repeats(r->text, run))
		return false;
	return run_is_coded(r->text, run, r->form) ||
	       !blob_reads(r->text, run, r->form, true, r->depth);
}

bool
opaque_next(struct opaque_reader *r, struct opaque *out)
{
	struct span t = r->text;
	struct blob_run run;

	while (r->at < t.n) {
		if (r->colon < r->at)
			r->colon = next_uri(t, r->at, ':');
		if (r->percent < r->at)
			r->percent = next_uri(t, r->at, '%');
		size_t uri = r->colon < r->percent ? r->colon : r->percent;
		while (blob_run_next(t, &r->at, uri, r->form, &run)) {
			if (!run_is_opaque(r, &run))
				continue;
			const char *file = kind_of_file(t, &run, r->form, 1);
			*out = (struct opaque){ run.start, run.end, false,
				file ? file : "unknown" };
			return true;
		}
		if (uri == t.n)
			break;
		r->at = read_uri(r, uri, &out->kind);
		if (out->kind) {
			out->start = uri;
			out->end = r->at;
			out->uri = true;
			return true;
		}
	}
	return false;
}

bool
opaque_is_random(struct span t)
{
	if (!t.n)
		return false;
	struct blob_run r = blob_run_at(t, 0, false);

	return r.digits >= SEALED_LEAST && r.end == t.n && r.in == IN64 &&
	       !kind_of_file(t, &r, false, MAGIC_SURE) && !blob_reads(t, &r, false, true, 0);
}

bool
opaque_is_noise(struct span t)
{
	struct blob_run r = blob_run_at(t, 0, false);

	r.in = IN64;
	return r.end < t.n || !blob_reads(t, &r, false, false, 0);
}

/* ---- counting ---- */

int
opaque_add(struct unread *u, struct arena *a, const struct media *m, size_t bytes)
{
	if (!ARENA_PUSH(a, u->media, u->nmedia, u->room, 8, *m))
		return ERR_NOMEM;
	u->bytes += bytes;
	return 0;
}

int
opaque_note(struct unread *u, struct arena *a, const char *kind, size_t bytes)
{
	return opaque_add(u, a,
		&(struct media){ .kind = span_str(kind), .segment = SEGMENT_NO_KEY }, bytes);
}

/* Adds one run of a segment's text. The data are known if they are a data URI or the whole text. */
static int
count_run(const struct segment *v, size_t i, const struct opaque *o, struct unread *u,
	struct arena *a)
{
	struct media m = { .kind = span_str(o->kind),
		.start = v[i].start,
		.end = v[i].end,
		.segment = (uint32_t)i };

	struct span all = span_trim(v[i].text, " \t\r\n");
	bool whole = v[i].text.p + o->start == all.p && o->end - o->start == all.n;
	if ((o->uri || whole) && v[i].form != SEG_FORM && v[i].role != ROLE_KEY) {
		m.data = span_cut(v[i].text, o->start, o->end);
		m.base64 = true;
	}
	return opaque_add(u, a, &m, o->end - o->start);
}

int
opaque_count(
	struct segment *v, size_t n, struct arena *a, struct unread *u, size_t *inspected)
{
	struct opaque_reader r;
	struct opaque o;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		struct segment *s = &v[i];
		s->random = s->sealed && sealed_reads(s->text, NULL);
		if (s->counted || s->form == SEG_NUMBER || s->text.n < OPAQUE_LEAST)
			continue;
		if (s->random) {
			u->sealed++;
			u->sealed_bytes += s->text.n;
			*inspected -= s->text.n;
			continue;
		}
		if (s->sealed && opaque_is_random(s->text)) {
			/* compressed, or text beside other bytes */
			struct opaque all = { 0, s->text.n, false, "unknown" };
			err = count_run(v, i, &all, u, a);
			*inspected -= s->text.n;
			continue;
		}
		opaque_open(&r, s->text, s->form == SEG_FORM, 0);
		while (!err && opaque_next(&r, &o)) {
			err = count_run(v, i, &o, u, a);
			*inspected -= o.end - o.start;
		}
	}
	return err;
}
