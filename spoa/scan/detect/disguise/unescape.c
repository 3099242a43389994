/* Resolves one escape at a time. Each branch is linear in the length of the escape, so a run of
 * ten thousand "25" after one percent sign costs one walk. */
#include "scan/detect/disguise/unescape.h"

#include "base/among.h"
#include "base/codec/digits.h"
#include "base/utf8.h"
#include "base/effort.h"
#include "scan/detect/disguise/terminal.h"

/* ---- digits and results ---- */

static int
hex_at(struct span t, size_t at)
{
	return at < t.n ? hex_value(t.p[at]) : -1;
}

/* Reads up to `most` hexadecimal digits into *v. Returns their number, or 0 if there are fewer
 * than `least`. */
static size_t
hex_digits(struct span t, size_t at, size_t least, size_t most, uint32_t *v)
{
	size_t n = 0;

	for (*v = 0; n < most && hex_at(t, at + n) >= 0; n++)
		*v = *v << 4 | (uint32_t)hex_at(t, at + n);
	return n < least ? 0 : n;
}

static struct unescaped
code_point(size_t end, uint32_t cp)
{
	struct unescaped u = { .end = end };

	if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000))
		return (struct unescaped){ 0 };
	u.n = utf8_encode(cp, u.c);
	return u;
}

static struct unescaped
one_byte(size_t end, int v)
{
	return (struct unescaped){ .end = end, .n = 1, .c = { (char)v } };
}

static struct unescaped
common_escape(size_t end, char c)
{
	return (struct unescaped){ .end = end, .n = 1, .c = { c }, .common = true };
}

static const struct unescaped no_escape;

/* ---- backslashes ---- */

static bool
goes_on(struct span t, size_t at)
{
	return at < t.n && (is_alnum(t.p[at]) || t.p[at] == '-' || t.p[at] == '+' ||
				   t.p[at] == '/' || t.p[at] == '\\');
}

/* Reads the second half of \uD83D\uDE00, which may have at most as many backslashes as the
 * first. */
static struct unescaped
unescape_utf16(struct span t, size_t at, size_t slashes, uint32_t high)
{
	uint32_t low = 0;
	size_t i = at;

	while (i < t.n && t.p[i] == '\\' && i - at < slashes)
		i++;
	if (i == at || i >= t.n || t.p[i] != 'u' || !hex_digits(t, i + 1, 4, 4, &low) ||
		low < 0xDC00 || low > 0xDFFF)
		return no_escape;
	return code_point(i + 5, 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
}

static struct unescaped
backslash_u(struct span t, size_t at, size_t slashes)
{
	uint32_t cp = 0;
	size_t n;

	if (at < t.n && t.p[at] == '{') {
		n = hex_digits(t, at + 1, 1, 6, &cp);
		return n && at + 1 + n < t.n && t.p[at + 1 + n] == '}'
			       ? code_point(at + n + 2, cp)
			       : no_escape;
	}
	if (!hex_digits(t, at, 4, 4, &cp))
		return no_escape;
	if (cp >= 0xD800 && cp < 0xDC00)
		return unescape_utf16(t, at + 4, slashes, cp);
	return code_point(at + 4, cp);
}

static struct unescaped
backslash_x(struct span t, size_t at)
{
	uint32_t cp = 0;

	if (at < t.n && t.p[at] == '{') {
		size_t n = hex_digits(t, at + 1, 1, 6, &cp);
		return n && at + 1 + n < t.n && t.p[at + 1 + n] == '}'
			       ? code_point(at + n + 2, cp)
			       : no_escape;
	}
	int v = span_hex(t, at, 2);
	return v < 0 ? no_escape : one_byte(at + 2, v);
}

/* Reads `least` to `most` octal digits as one byte. */
static struct unescaped
octal_digits(struct span t, size_t at, size_t least, size_t most)
{
	unsigned v = 0;
	size_t i = at;

	for (; i < t.n && i - at < most && t.p[i] >= '0' && t.p[i] <= '7'; i++)
		v = v * 8 + (unsigned)(t.p[i] - '0');
	bool terminal = v == TERMINAL_ESCAPE || v == TERMINAL_BELL;
	return i - at >= least && (v >= 0x20 || terminal) && v < 256 ? one_byte(i, (int)v)
								     : no_escape;
}

/* Returns true if t has an escape of three octal digits at `at`. */
static bool
has_octal(struct span t, size_t at)
{
	return at < t.n && t.p[at] == '\\' && octal_digits(t, at + 1, 3, 3).end;
}

/* Reads three octal digits. Two digits count only for a terminal's escape, or next to an escape
 * of three digits: a language that writes the shortest form uses two digits for digits and most
 * signs. */
static struct unescaped
unescape_octal(struct span t, size_t at)
{
	struct unescaped u = octal_digits(t, at, 3, 3);

	if (u.end)
		return u;
	u = octal_digits(t, at, 2, 2);
	if (u.c[0] == TERMINAL_ESCAPE)
		return u;
	bool beside = u.end && (has_octal(t, u.end) || (at >= 5 && has_octal(t, at - 5)));
	return beside ? u : no_escape;
}

/* Reads a line break after a backslash: the line continues after the next line's indentation.
 */
static struct unescaped
unescape_continued(struct span t, size_t at)
{
	size_t i = at;

	if (t.p[i] == '\r' && ++i >= t.n)
		return no_escape;
	if (t.p[i++] != '\n')
		return no_escape;
	for (size_t from = i; i < t.n && i - from < 32 && (t.p[i] == ' ' || t.p[i] == '\t');)
		i++;
	return (struct unescaped){ .end = i };
}

/* Returns true for a backslash and exactly two digits, as in \41\4b or \64\71. */
static bool
short_code(struct span t, size_t at)
{
	return at + 3 <= t.n && t.p[at] == '\\' && span_hex(t, at + 1, 2) >= 0x20 &&
	       (at + 3 == t.n || !is_alnum(t.p[at + 3]));
}

/* Returns the character of two octal digits at `at`; -1 if they are no octal digits. */
static int
short_octal(struct span t, size_t at)
{
	struct unescaped u = octal_digits(t, at, 2, 2);

	return u.end ? (unsigned char)u.c[0] : -1;
}

/* Reads an escape in a row of at least three such codes. The codes are octal if they spell a
 * number: digits, with at most one separator for each. Other rows are hexadecimal. */
static struct unescaped
short_codes(struct span t, size_t at)
{
	enum { ROW = 24, WIDTH = 3, LEAST = 3 };
	size_t from = at, to = at, most = ROW * WIDTH, digits = 0, separators = 0;

	while (from >= WIDTH && at - from < most && short_code(t, from - WIDTH))
		from -= WIDTH;
	for (; to - at < most && short_code(t, to); to += WIDTH)
		;
	size_t n = (to - from) / WIDTH;
	if (n < LEAST)
		return no_escape;
	for (size_t i = from; i < to; i += WIDTH) {
		int c = short_octal(t, i + 1);
		digits += c >= '0' && c <= '9';
		separators += c == ' ' || c == '-' || c == '.' || c == '/';
	}
	bool octal = digits + separators == n && separators <= digits;
	return one_byte(at + WIDTH, octal ? short_octal(t, at + 1) : span_hex(t, at + 1, 2));
}

/* Reads \41 \4b, \0041\004b or \000041\00004b of style sheets: hexadecimal digits, with zeros
 * before or a space after them. Several must be in a row, or the code is a sign of an address.
 */
static struct unescaped
style_sheet(struct span t, size_t at, size_t i)
{
	uint32_t cp = 0;
	size_t n = hex_digits(t, i, 2, 6, &cp), end = i + n;

	if (!n || cp < 0x20)
		return no_escape;
	if (n >= 4 && t.p[i] == '0' && t.p[i + 1] == '0' &&
		(end == t.n || !is_alnum(t.p[end])) &&
		((end < t.n && t.p[end] == '\\') || (at > n && t.p[at - n - 1] == '\\')))
		return code_point(end, cp);
	/* An address's sign alone, with a space after the code or with its full six digits. */
	if ((cp == '@' || cp == '.') && at > 0 && is_alnum(t.p[at - 1])) {
		size_t next = end < t.n && t.p[end] == ' ' ? end + 1 : end;
		if ((n == 6 || next > end) && next < t.n && is_alnum(t.p[next]))
			return code_point(next, cp);
	}
	struct unescaped u = n == 2 && short_code(t, at) ? short_codes(t, at) : no_escape;
	if (u.end)
		return u;
	if (end >= t.n || t.p[end] != ' ')
		return no_escape;
	bool before = at >= 4 && t.p[at - 1] == ' ' &&
		      (t.p[at - 4] == '\\' || (at >= 5 && t.p[at - 5] == '\\'));
	bool after = end + 1 < t.n && t.p[end + 1] == '\\';
	return before || after ? code_point(end + 1, cp) : no_escape;
}

/* Resolves a run of backslashes of any length and the character that it escapes. */
static struct unescaped
unescape_backslash(struct span t, size_t at)
{
	size_t i = at;
	uint32_t cp = 0;

	while (i < t.n && t.p[i] == '\\')
		i++;
	if (i >= t.n)
		return no_escape;
	char c = t.p[i];
	struct unescaped u = no_escape;
	switch (c) {
	case 'u': return backslash_u(t, i + 1, i - at);
	case 'U': return hex_digits(t, i + 1, 8, 8, &cp) ? code_point(i + 9, cp) : u;
	case 'x': return backslash_x(t, i + 1);
	case 'e': /* before the beginning of a sequence; C:\etc is a path */
	case 'E':
		if (i + 1 < t.n && is_one_of(t.p[i + 1], "[]()=>78M\\P_^X"))
			u = one_byte(i + 1, TERMINAL_ESCAPE);
		break;
	case 'n':
	case 'r': return goes_on(t, i + 1) ? common_escape(i + 1, '\n') : u;
	case 't': return goes_on(t, i + 1) ? common_escape(i + 1, '\t') : u;
	case '\r':
	case '\n': return unescape_continued(t, i);
	default: break;
	}
	if (is_digit(c))
		u = unescape_octal(t, i);
	if (!u.end && hex_at(t, i) >= 0)
		u = style_sheet(t, at, i);
	if (!u.end && c == '0') /* an escape of shells: \0101 */
		u = octal_digits(t, i, 4, 4);
	if (u.end)
		return u;
	/* Markdown and JSON escape the sign itself. */
	bool near_token =
		(at > 0 && is_alnum(t.p[at - 1])) || (i + 1 < t.n && is_alnum(t.p[i + 1]));
	if (c > ' ' && c < 0x7F && !is_alnum(c) && near_token)
		return c == '"' || c == '/' ? common_escape(i + 1, c) : one_byte(i + 1, c);
	return u;
}

/* ---- percent encoding ---- */

static struct unescaped
unescape_percent(struct span t, size_t at)
{
	size_t i = at + 1;

	while (i + 1 < t.n && t.p[i] == '2' && t.p[i + 1] == '5')
		i += 2;
	int v = span_hex(t, i, 2);
	if (v >= 0)
		return one_byte(i + 2, v);
	/* %u0040, from JavaScript's escape() */
	uint32_t cp = 0;
	if (i < t.n && (t.p[i] | 0x20) == 'u' && hex_digits(t, i + 1, 4, 4, &cp))
		return code_point(i + 5, cp);
	return i > at + 1 ? one_byte(i, '%') : no_escape;
}

/* clang-format off */
static const struct { const char *name; uint32_t cp; } references[] = {
	{ "quot", '"' }, { "apos", '\'' }, { "lt", '<' }, { "gt", '>' }, { "nbsp", ' ' }, { "commat", '@' },
	{ "period", '.' }, { "comma", ',' }, { "colon", ':' }, { "semi", ';' }, { "sol", '/' }, { "bsol", '\\' },
	{ "lowbar", '_' }, { "UnderBar", '_' }, { "hyphen", '-' }, { "dash", '-' }, { "minus", '-' }, { "ndash", '-' },
	{ "mdash", '-' }, { "horbar", '-' }, { "plus", '+' }, { "equals", '=' }, { "num", '#' }, { "excl", '!' },
	{ "percnt", '%' }, { "dollar", '$' }, { "ast", '*' }, { "midast", '*' }, { "lpar", '(' }, { "rpar", ')' },
	{ "lsqb", '[' }, { "lbrack", '[' }, { "rsqb", ']' }, { "rbrack", ']' }, { "lcub", '{' }, { "lbrace", '{' },
	{ "rcub", '}' }, { "rbrace", '}' }, { "grave", '`' }, { "verbar", '|' }, { "vert", '|' }, { "quest", '?' },
	{ "Tab", '\t' }, { "NewLine", '\n' }, { "ensp", ' ' }, { "emsp", ' ' }, { "thinsp", ' ' }, { "hairsp", ' ' },
	{ "numsp", ' ' }, { "puncsp", ' ' }, { "middot", '.' }, { "shy", 0xAD }, { "zwj", 0x200D }, { "zwnj", 0x200C },
	{ "lrm", 0x200E }, { "rlm", 0x200F }, { "ZeroWidthSpace", 0x200B }, { "NoBreak", 0x2060 }, { "NonBreakingSpace", ' ' },
};
/* clang-format on */

/* ---- HTML character references ---- */

static struct unescaped
numeric_reference(struct span t, size_t at)
{
	uint32_t cp = 0;
	size_t i = at;

	if (i < t.n && (t.p[i] | 0x20) == 'x') {
		for (i++; hex_at(t, i) >= 0 && cp < 0x110000; i++)
			cp = cp << 4 | (uint32_t)hex_at(t, i);
		if (i == at + 1)
			return no_escape;
	} else {
		for (; i < t.n && is_digit(t.p[i]) && cp < 0x110000; i++)
			cp = cp * 10 + (uint32_t)(t.p[i] - '0');
		if (i == at)
			return no_escape;
	}
	if (i < t.n && t.p[i] == ';')
		i++;
	return cp >= 9 || cp == TERMINAL_BELL ? code_point(i, cp) : no_escape;
}

/* Resolves a reference; `at` is after the '&'. */
static struct unescaped
named_reference(struct span t, size_t at)
{
	enum { NAME_MAX = 16 };
	size_t n = 0;

	if (at < t.n && t.p[at] == '#')
		return numeric_reference(t, at + 1);
	while (n <= NAME_MAX && at + n < t.n && is_alpha(t.p[at + n]))
		n++;
	if (n == 0 || at + n >= t.n || t.p[at + n] != ';')
		return no_escape;
	for (size_t i = 0; i < COUNT_OF(references); i++)
		if (span_is(span_of(t.p + at, n), references[i].name))
			return code_point(at + n + 1, references[i].cp);
	return no_escape;
}

/* Returns the length of "amp;", "#38;" or "#x26;" at `at`; 0 if there is none. */
static size_t
unescape_reference(struct span t, size_t at)
{
	static const char *const forms[] = { "amp;", "AMP;", "#38;", "#x26;", "#X26;",
		"#038;" };

	for (size_t i = 0; i < COUNT_OF(forms); i++)
		if (span_starts(span_cut(t, at, at + 5), span_str(forms[i])))
			return strlen(forms[i]);
	return 0;
}

static struct unescaped
unescape_entity(struct span t, size_t at)
{
	size_t i = at + 1;

	for (size_t n; (n = unescape_reference(t, i));)
		i += n;
	struct unescaped u = named_reference(t, i);
	return u.end || i == at + 1 ? u : one_byte(i, '&');
}

/* ---- quoted-printable ---- */

/* Returns true for "=XX" in upper case, as mail is written. */
static bool
pair_at(struct span t, size_t at)
{
	return at + 2 < t.n && t.p[at] == '=' && span_hex(t, at + 1, 2) >= 0x20 &&
	       t.p[at + 1] < 'a' && t.p[at + 2] < 'a';
}

static bool
is_assigned_char(char c)
{
	return is_alnum(c) || is_one_of(c, "_.-");
}

/* Returns the offset of the name on the line of `at`: behind spaces, a list's "-" and one word
 * such as "export". */
static size_t
name_on_line(struct span t, size_t at, size_t end)
{
	size_t from = span_past_set(span_cut(t, 0, end), at, " \t-");
	size_t word = span_past(span_cut(t, 0, end), from, is_alpha);

	return word > from && word < end && t.p[word] == ' ' ? word + 1 : from;
}

/* Returns true if the = before the line break at `at` is an assignment of nothing: a name alone
 * in its line precedes the sign, and the next line is an assignment, a section or a comment. */
static bool
assigns_nothing(struct span t, size_t at)
{
	enum { NAME = 64 };
	size_t least = at > NAME ? at - NAME : 0, line = span_back(t, at, least, is_in_line);
	size_t from = name_on_line(t, line, at);
	size_t next = span_past_set(span_cut(t, 0, at + 3), at + 1, "\r\n");

	effort_add((at - line) / 4);
	size_t end = span_past(span_cut(t, 0, at), from, is_assigned_char);
	if (end == from || end + (t.p[end] == ':') != at ||
		(line > 0 && t.p[line - 1] != '\n') || next >= t.n)
		return false;
	if (is_one_of(t.p[next], "[#;"))
		return true;
	struct span rest = span_cut(t, 0, next + NAME);
	next = name_on_line(t, next, rest.n);
	size_t sign = span_past(rest, next, is_assigned_char);
	bool is = sign > next && sign + 1 < t.n;
	sign += is && t.p[sign] == ':';
	return is && sign + 1 < t.n && t.p[sign] == '=' && t.p[sign + 1] > ' ';
}

static bool
is_base64(char c)
{
	return value64(c) >= 0;
}

/* Returns true if the line before the soft line break at `at` is as long as programs that write
 * mail make it. A value that such a break cuts was not hidden. */
static bool
is_long_line(struct span t, size_t at)
{
	enum { LONG = 64, WIDEST = 80 };

	effort_add(WIDEST / 8);
	return at - span_back(t, at, at > WIDEST ? at - WIDEST : 0, is_in_line) >= LONG;
}

/* Returns true if the = before the line break at `at` is base64's padding and no soft line
 * break. Either another = precedes it, or it completes the digits before it to whole groups, in
 * lines long enough for base64. Lines of quoted-printable have at most WIDEST characters, and
 * nearly as many if they are broken. */
static bool
is_padding(struct span t, size_t at)
{
	enum { KEY = 23, LEAST = 16, BROKEN = 72, WIDEST = 76 };
	size_t floor = at > WIDEST ? at - WIDEST : 0, from = span_back(t, at, floor, is_base64);
	size_t n = at - from;

	effort_add(n);
	if (n == WIDEST || t.p[at - 1] == '=')
		return true;
	/* Other text precedes the run in a full line. An encoded key may follow its name there.
	 */
	if (from > floor && is_in_line(t.p[from - 1]) && is_long_line(t, at) &&
		(n < KEY || (n + 1) % 4))
		return false;
	if ((n + 1) % 4)
		return false;
	if (n >= BROKEN) {
		size_t next = span_past_set(span_cut(t, 0, at + 3), at + 1, "\r\n");
		return span_past(span_cut(t, 0, next + LEAST), next, is_base64) < next + LEAST;
	}
	size_t above = span_back_set(t, from, from > 8 ? from - 8 : 0, " \t>|#\r\n");
	return n + 1 >= LEAST ||
	       (memchr(t.p + above, '\n', from - above) && above >= LEAST &&
		       span_back(t, above, above - LEAST, is_base64) == above - LEAST);
}

/* Returns true if "=40" is quoted-printable. Alone it may be an assignment, so there must be
 * another one next to it, a soft line break or one with a letter near it, or an address around
 * it. */
static bool
looks_quoted(struct span t, size_t at, size_t end, int v)
{
	enum { KEY_LEAST = 16, WORK_SIGN = 4 }; /* units of effort for each = nearby */
	size_t from = at > 96 ? at - 96 : 0, to = end + 96 < t.n ? end + 96 : t.n;

	/* An encoded space before a word, and the encoded = itself, are in most lines of
	 * quoted-printable. */
	if (at > 0 && t.p[at - 1] > ' ' && end < t.n && t.p[end] > ' ' &&
		(v == '=' || (v == ' ' && (is_alpha(t.p[end]) || !is_word(t.p[at - 1])))))
		return true;
	if (pair_at(t, end) || (at >= 3 && pair_at(t, at - 3)))
		return true;
	/* An underscore in a key: ghp=5FMade1Up2 */
	size_t rest = end;
	while (v == '_' && rest < to && is_alnum(t.p[rest]))
		rest++;
	if (rest - end >= KEY_LEAST && at > 0 && is_alpha(t.p[at - 1]))
		return true;
	effort_add((to - from) / 4);
	for (size_t i = from; i + 2 < to; i++) {
		const char *sign = memchr(t.p + i, '=', to - 2 - i);
		if (!sign)
			break;
		effort_add(WORK_SIGN);
		i = (size_t)(sign - t.p);
		bool breaks = t.p[i + 1] == '\n' || (t.p[i + 1] == '\r' && t.p[i + 2] == '\n');
		if ((breaks && i > 0 && !assigns_nothing(t, i) && !is_padding(t, i)) ||
			(i != at && pair_at(t, i) &&
				(is_alpha(t.p[i + 1]) || is_alpha(t.p[i + 2]))))
			return true;
	}
	if (v != '@' || at == 0 || !is_alnum(t.p[at - 1]))
		return false;
	for (size_t i = end; i + 1 < to && (is_alnum(t.p[i]) || t.p[i] == '.' || t.p[i] == '-');
		i++)
		if (t.p[i] == '.' && i > end && is_alpha(t.p[i + 1]))
			return true;
	return false;
}

/* Returns true if the text after "=3D" completes another escape, as in =3D40, and is no number
 * or word of its own, as in =3D4716 and =3DDE89. */
static bool
goes_into(struct span t, size_t at)
{
	int v = span_hex(t, at, 2);
	char next = at + 2 < t.n ? t.p[at + 2] : 0;

	return v >= 0x20 && (v < 0x80 || next == '=') && (!is_digit(next) || v == '=');
}

static struct unescaped
unescape_quoted(struct span t, size_t at)
{
	size_t i = at + 1;

	if (i < t.n && t.p[i] == '\r')
		i++;
	if (i < t.n && t.p[i] == '\n')
		return at > 0 && i + 1 < t.n && t.p[i + 1] > ' ' &&
				       (t.p[at - 1] > ' ' ||
					       (t.p[at - 1] == ' ' && is_long_line(t, at))) &&
				       !is_padding(t, at) && !assigns_nothing(t, at)
			       ? (struct unescaped){ .end = i + 1,
					 .common = is_long_line(t, at) }
			       : no_escape;
	for (i = at + 1;
		i + 2 < t.n && t.p[i] == '3' && t.p[i + 1] == 'D' && goes_into(t, i + 2);)
		i += 2;
	int v = span_hex(t, i, 2);
	if (v == TERMINAL_ESCAPE && i + 2 < t.n && is_one_of(t.p[i + 2], "[]("))
		return one_byte(i + 2, v);
	if (v < 0x20 || (i + 1 < t.n && (t.p[i] >= 'a' || t.p[i + 1] >= 'a')) ||
		!looks_quoted(t, at, i + 2, v))
		return no_escape;
	return one_byte(i + 2, v);
}

/* ---- all notations ---- */

struct unescaped
unescape(struct span text, size_t at)
{
	switch (text.p[at]) {
	case '\\': return unescape_backslash(text, at);
	case '%': return unescape_percent(text, at);
	case '&': return unescape_entity(text, at);
	case '^':
		return at + 1 < text.n && text.p[at + 1] == '['
			       ? one_byte(at + 2, TERMINAL_ESCAPE)
			       : no_escape;
	default: return unescape_quoted(text, at);
	}
}
