/* Joins values that a line break cuts: a key that continues in the next lines, a number, an
 * address. Also joins streamed text in which each line of JSON holds a few characters after the
 * same key: {"delta":"47"}, {"delta":"16"}. */
#include "base/among.h"
#include "base/effort.h"
#include "scan/detect/disguise/heuristics.h"

/* clang-format off */
const struct heuristic_key heuristic_keys[] = {
	{ "AKIA", 20, false },
	{ "ASIA", 20, false },
	{ "ghp_", 40, false },
	{ "gho_", 40, false },
	{ "ghu_", 40, false },
	{ "ghs_", 40, false },
	{ "ghr_", 40, false },
	{ "github_pat_", 93, false },
	{ "glpat-", 26, false },
	{ "AIza", 39, false },
	{ "npm_", 40, false },
	{ "hf_", 37, false },
	{ "sk_live_", 32, true },
	{ "rk_live_", 32, true },
	{ "sk-", 51, true },
	{ "gsk_", 56, false },
	{ "xai-", 84, false },
	{ "xoxb-", 50, true },
	{ "xoxp-", 70, true },
	{ "SG.", 69, false },
	{ "pypi-", 80, true },
	{ "dop_v1_", 71, false },
	{ "dckr_pat_", 36, false },
	{ "dapi", 36, false },
	{ "eyJ", 60, true },
	{ "shpat_", 38, false },
	{ "nvapi-", 70, false },
	{ "hvs.", 95, true },
	{ "ya29.", 60, true },
	{ "key-", 36, false },
	{ "AGE-SECRET-KEY-", 74, false },
	{ "bc1", 42, false },
	{ "0x", 42, false },
	{ NULL, 0, false },
};
/* clang-format on */

/* ---- a token that continues ---- */

/* Returns the key that ends the piece, and sets *have to the number of its characters. */
static const struct heuristic_key *
key_in(struct span piece, size_t *have)
{
	/* clang-format off */
	static const bool first[256] = {
		['0'] = 1, ['A'] = 1, ['b'] = 1, ['S'] = 1, ['a'] = 1, ['d'] = 1, ['e'] = 1,
		['g'] = 1, ['h'] = 1, ['k'] = 1, ['n'] = 1, ['p'] = 1, ['r'] = 1, ['s'] = 1,
		['x'] = 1, ['y'] = 1,
	};
	/* clang-format on */

	/* Try the beginning of each word. */
	for (size_t i = 0; i < piece.n && i < 96; i++) {
		struct span rest = span_cut(piece, i, piece.n);
		*have = rest.n;
		for (const struct heuristic_key *k = heuristic_keys;
			first[(unsigned char)rest.p[0]] && k->prefix; k++)
			if (rest.p[0] == k->prefix[0] && rest.n > 1 &&
				rest.p[1] == k->prefix[1] &&
				span_starts(rest, span_str(k->prefix)))
				return k;
		i = span_past(piece, i, is_alnum);
	}
	return NULL;
}

/* The part of a line that may continue a token. */
struct rest {
	size_t n;    /* characters, at most PIECE_MAX; an `=` ends them */
	bool random; /* no word: digits among letters, or capitals after small letters */
	bool mixed;  /* the same, with both capitals and small letters */
	bool named;  /* the name of another value: `name=`, `name:` */
	bool alone;  /* nothing else is in the line */
};

enum { PIECE_MAX = 128 };

static struct rest
rest_at(const struct heuristic *l, size_t i)
{
	size_t digits = 0, upper = 0, lower = 0, turns = 0, k = i;

	for (; k - i < PIECE_MAX && heuristic_token(byte_at(l, k)) && byte_at(l, k) != '=';
		k++) {
		digits += is_digit(byte_at(l, k));
		upper += is_upper(byte_at(l, k));
		lower += is_lower(byte_at(l, k));
		turns += k > i && is_upper(byte_at(l, k)) && is_lower(byte_at(l, k - 1));
	}
	effort_add(k - i);
	struct rest r = { .n = k - i,
		.random = k - i >= 3 && ((digits && upper + lower) || turns > 1),
		.mixed = upper && lower && (digits || turns > 1) };
	if (r.n == PIECE_MAX) {
		r.alone = true;
		return r;
	}
	size_t end = span_past_set(span_cut(l->t, 0, k + 4), k, "=");
	size_t after = span_past_set(span_cut(l->t, 0, end + 8), end, " \t");
	char next = byte_at(l, after);
	r.alone = next == 0 || next == '\r' || next == '\n';
	r.named = next == ':' || next == '=' || (end > k && !(r.alone && r.random)) ||
		  byte_at(l, k) == ':';
	return r;
}

/* Returns true if a token of n characters that the rules find still continues. The next text
 * must be no word, and must either have as many characters as are missing or be a long line of
 * its own. */
static bool
goes_on_for_sure(const struct rest *r, size_t n, size_t missing)
{
	enum { LEAST = 16 };

	if (missing && r->alone && (r->n == n || (r->n == missing && r->n < LEAST)))
		return true;
	return r->mixed && ((missing && r->n >= missing) || (r->alone && r->n >= LEAST));
}

/* Returns true if a key of its own begins at `next`. The base64 beginning of JSON is not
 * counted, because it occurs again inside a JWT. */
static bool
key_begins(const struct heuristic *l, size_t next)
{
	enum { SURE = 4 };
	size_t have;
	struct span rest = span_cut(l->t, next, next + 16);
	const struct heuristic_key *key = key_in(rest, &have);

	if (!key || have != rest.n)
		return false;
	size_t n = strlen(key->prefix);
	return n >= SURE || !is_alnum(key->prefix[n - 1]);
}

static bool
is_digit_or_dash(char c)
{
	return is_digit(c) || c == '-';
}

bool
evade_key_begun(struct span value)
{
	size_t have;

	if (value.n == 0 || !is_digit_or_dash(value.p[value.n - 1]))
		return false;
	const struct heuristic_key *key = key_in(value, &have);
	return key && have == value.n && have < key->whole &&
	       span_all(span_cut(value, strlen(key->prefix), value.n), is_digit_or_dash);
}

/* Returns true if a key continues after the piece [from, to) in the text at `next`. A value that
 * is complete by itself ends with its line, and the name of the next value is no part of it. */
static bool
key_goes_on(struct heuristic *l, size_t from, size_t to, size_t next)
{
	enum { OPEN_LEAST = 40 };
	size_t n = to - from, have = 0;
	bool more = l->piece && from == l->piece; /* the key began in an earlier line */
	const struct heuristic_key *key = more ? NULL : key_in(span_cut(l->t, from, to), &have);

	if (!more && !key)
		return false;
	struct rest r = rest_at(l, next);
	if (r.named || heuristic_whole(l, next) || key_begins(l, next))
		return false;
	if (more) {
		bool full = n >= l->width;
		l->width = n;
		l->missing -= n < l->missing ? n : l->missing;
		return l->missing ? full || r.random : l->open && full && r.random && r.alone;
	}
	l->width = have;
	l->missing = have < key->whole ? key->whole - have : 0;
	l->open = key->open;
	if (heuristic_whole(l, to - 1))
		return (l->missing || key->open) && goes_on_for_sure(&r, have, l->missing);
	return l->missing || (key->open && have >= OPEN_LEAST && r.random);
}

/* Returns true if the piece is an address without its domain, or with half of it. */
static bool
half_address(struct span piece)
{
	size_t sign = span_chr(piece, '@');

	if (sign == 0 || sign >= piece.n)
		return false;
	struct span domain = span_cut(piece, sign + 1, piece.n);
	size_t dot = span_chr(domain, '.');
	return dot == domain.n || dot + 1 == domain.n;
}

/* Returns true for what may be the beginning of a date or a time. */
static bool
is_stamp(const struct heuristic *l, size_t i)
{
	size_t k = i;

	while (is_digit(byte_at(l, k)))
		k++;
	return (k - i == 4 || k - i == 2) && byte_at(l, k) != 0 &&
	       strchr("-/:.,", byte_at(l, k)) && is_digit(byte_at(l, k + 1)) &&
	       is_digit(byte_at(l, k + 2)) && !is_digit(byte_at(l, k + 3));
}

/* Returns the value of two digits that stand alone; 100 if there is something else. */
static unsigned
two_digits(const struct heuristic *l, size_t i)
{
	if (!is_digit(byte_at(l, i)) || !is_digit(byte_at(l, i + 1)) ||
		is_digit(byte_at(l, i + 2)))
		return 100;
	return (unsigned)(byte_at(l, i) - '0') * 10 + (unsigned)(byte_at(l, i + 1) - '0');
}

static bool
is_year(const struct heuristic *l, size_t i)
{
	bool century = (byte_at(l, i) == '1' && byte_at(l, i + 1) == '9') ||
		       (byte_at(l, i) == '2' && byte_at(l, i + 1) == '0');

	return century && two_digits(l, i + 2) < 100;
}

bool
heuristic_timestamp(const struct heuristic *l, size_t i)
{
	char sign = byte_at(l, i + 2), wide = byte_at(l, i + 4);
	unsigned first = two_digits(l, i);

	if (first < 24 && sign == ':')
		return two_digits(l, i + 3) < 60;
	if (first && first < 32 && sign && strchr("-/.", sign) && byte_at(l, i + 5) == sign)
		return two_digits(l, i + 3) - 1 < 31 && is_year(l, i + 6);
	return is_year(l, i) && wide && strchr("-/.", wide) && byte_at(l, i + 7) == wide &&
	       two_digits(l, i + 5) - 1 < 12 && two_digits(l, i + 8) - 1 < 31;
}

static bool
number_goes_on(const struct heuristic *l, struct span piece, size_t to)
{
	enum { LEAST = 6, LEAST_DASHED = 4, MOST = 32 };
	size_t first = span_past(piece, 0, is_alpha);

	if (piece.n > MOST || span_some(span_cut(piece, first, piece.n), is_alpha))
		return false; /* a token */
	size_t least = span_chr(piece, '-') < piece.n ? LEAST_DASHED : LEAST;

	return piece.n >= least && is_digit(piece.p[piece.n - 1]) && is_digit(byte_at(l, to)) &&
	       !is_stamp(l, to);
}

/* Returns true if both parts together have the groups of a social security number. Any rule for
 * numbers after a name finds a value in such a piece, so this check comes first. */
static bool
is_ssn(const struct heuristic *l, struct span piece, size_t to)
{
	enum { LENGTH = 11 };
	size_t n = span_past(l->t, to, is_digit) - to;

	if (piece.n < 8 || piece.n + n != LENGTH)
		return false;
	for (size_t i = 0; i < piece.n; i++)
		if (i == 3 || i == 6 ? piece.p[i] != '-' : !is_digit(piece.p[i]))
			return false;
	return true;
}

/* ---- a line break in printed text ---- */

/* Marks that boxes, editors and quotes draw at the edge of a line. */
static const struct span frames[] = { { "\xE2\x94\x82", 3 }, { "\xE2\x94\x83", 3 },
	{ "\xE2\x95\x91", 3 }, { "\xE2\x86\xAA", 3 }, { "\xE2\x86\xB5", 3 }, { "\xE2\x8F\x8E", 3 },
	{ "|", 1 } };

/* Returns the length of the frame that begins at i, or 0. */
static size_t
frame_at(const struct heuristic *l, size_t i)
{
	for (size_t k = 0; k < COUNT_OF(frames); k++)
		if (byte_at(l, i) == frames[k].p[0] &&
			span_starts(span_cut(l->t, i, i + frames[k].n), frames[k]))
			return frames[k].n;
	return 0;
}

/* Returns the length of the frame that ends before i, or 0. */
static size_t
frame_before(const struct heuristic *l, size_t i)
{
	for (size_t k = 0; k < COUNT_OF(frames); k++)
		if (i >= frames[k].n && frame_at(l, i - frames[k].n) == frames[k].n)
			return frames[k].n;
	return 0;
}

size_t
heuristic_line_end(const struct heuristic *l, size_t i)
{
	enum { BLANKS = 4 };
	size_t k = span_past_set(span_cut(l->t, 0, i + BLANKS), i, " \t");

	k += frame_at(l, k);
	k = span_past_set(span_cut(l->t, 0, k + BLANKS), k, " \t\\");
	if (byte_at(l, k) == '\r' && byte_at(l, k + 1) != '\n')
		return k > i ? k : 0; /* a shell that wraps its command line writes " \r" */
	k += byte_at(l, k) == '\r';
	return byte_at(l, k) == '\n' ? k : 0;
}

/* Returns true if the line that begins at i is an item of a list: its value ends with the line. */
static bool
is_list_item(const struct heuristic *l, size_t i)
{
	enum { BLANKS = 16 };
	size_t k = span_past_set(span_cut(l->t, 0, i + BLANKS), i, " \t");

	return byte_at(l, k) == '-' && byte_at(l, k + 1) == ' ' && byte_at(l, k + 2) != ' ';
}

/* Returns the length of what both lines begin with: the mark of a quote, a patch or a box, or the time
 * and name of a log. Digits are equal to each other, and so are the two tags of containerd's parts. */
static size_t
same_beginning(const struct heuristic *l, size_t one, size_t end, size_t two)
{
	enum { MOST = 96 };
	size_t n = 0, cut = 0;
	bool digits = false, time = false, mark = false;

	if (is_lower(byte_at(l, one)) || is_list_item(l, one))
		return 0;
	for (; n < MOST && one + n < end && two + n < l->t.n; n++) {
		char a = byte_at(l, one + n), b = byte_at(l, two + n);
		bool parts = a == 'P' && b == 'F' && byte_at(l, one + n + 1) == ' ';
		if (a != b && !parts && !(is_digit(a) && is_digit(b)))
			break;
		digits |= is_digit(a);
		mark |= !is_digit(a) && a != ' ' && a != '\t' && a != ',';
		time |= a == ':' && digits;
		if (a == ' ' || a == '\t' || (!digits && !is_alnum(a) && !is_high(a)) ||
			frame_before(l, one + n + 1))
			cut = n + 1;
	}
	effort_add(n);
	return !mark || (is_alpha(byte_at(l, one)) && !time) ? 0 : cut;
}

bool
heuristic_break(const struct heuristic *l, size_t i, struct printed_break *out)
{
	enum { BACK = 240, FULL = 56 };
	size_t least = i > BACK ? i - BACK : 0, left = i;
	size_t begin = least + span_behind(span_cut(l->t, least, i), '\n');

	left = span_back_set(l->t, left, left > 4 ? left - 4 : 0, "\r \t\\");
	left -= frame_before(l, left);
	left = span_back_set(l->t, left, left > 4 ? left - 4 : 0, " \t");
	size_t n = same_beginning(l, begin, left, i + 1), to = i + 1 + n;
	to = span_past_set(span_cut(l->t, 0, to + 8), to, n ? " " : " \t>");
	*out = (struct printed_break){ .left = left,
		.to = to,
		.framed = n > 0,
		.full = left - begin >= FULL || begin == least };
	return left > begin && out->to < l->t.n && heuristic_token(byte_at(l, out->to));
}

static const char ends_line[] = "\r \t\\^`", begins_line[] = " \t>#*|`\r\n";

/* Returns true if a backslash directly precedes the line break at i, so that the token continues
 * at the beginning of the next line. */
static bool
is_continued(const struct heuristic *l, size_t left, size_t i, size_t to)
{
	return byte_at(l, left) == '\\' && to == i + 1 &&
	       left + 1 + (byte_at(l, i - 1) == '\r') == i && heuristic_token(byte_at(l, to));
}

static void
token_end(struct heuristic *l, size_t i)
{
	size_t left = span_back_set(l->t, i, i > 4 ? i - 4 : 0, ends_line), from;

	size_t frame = frame_before(l, left);
	if (frame)
		left = span_back_set(l->t, left - frame, left - frame > 4 ? left - frame - 4 : 0, " \t");

	size_t least = left > 128 ? left - 128 : 0;
	bool word = true; /* the piece is a word of a language */
	for (from = left; from > least && heuristic_token(l->t.p[from - 1]); from--)
		word &= is_lower(l->t.p[from - 1]) || l->t.p[from - 1] == '.';
	effort_add(16 + 2 * (left - from));
	if (left - from < 3 || (word && from != l->piece && byte_at(l, i + 1) != '@'))
		return;
	size_t to = span_past_set(span_cut(l->t, 0, i + 16), i + 1, begins_line);
	struct printed_break cut = { .full = false };
	if (heuristic_break(l, i, &cut) && cut.to > to)
		to = cut.to;
	if (heuristic_timestamp(l, to))
		return;
	struct span piece = span_cut(l->t, from, left);
	if (is_continued(l, left, i, to) && heuristic_whole(l, left - 1)) {
		heuristic_edit(l, left, to, "", 0);
		return;
	}
	bool half = half_address(piece);
	if (half ? is_alnum(byte_at(l, to))
		 : heuristic_token(byte_at(l, to)) && key_goes_on(l, from, left, to)) {
		l->piece = to;
		if (byte_at(l, left - 1) == '-' && left - from > 5 &&
			is_alnum(byte_at(l, left - 2)))
			left--;
		heuristic_edit(l, left, to, "", 0);
	} else if (half && byte_at(l, to) == '.' && is_alpha(byte_at(l, to + 1))) {
		heuristic_edit(l, left, to, "", 0);
	} else if (heuristic_apart(l, left, to) && !is_ssn(l, piece, to)) {
		return;
	} else if (number_goes_on(l, piece, to) ||
		   (byte_at(l, to) == '@' && to == i + 1 && is_alnum(byte_at(l, left - 1)) &&
			   heuristic_domain(l, to + 1))) { /* a name ends the line and its domain
							    * begins the next */
		heuristic_edit(l, left, to, "", EDIT_NAMED);
	}
}

/* ---- streamed text ---- */

enum { CHUNK_LINE = 512, CHUNK_TEXT = 40 };

static size_t
line_end(const struct heuristic *l, size_t i)
{
	size_t end = i;

	while (end - i < CHUNK_LINE && end < l->t.n && l->t.p[end] != '\n')
		end++;
	return end;
}

/* Returns where the next chunk of a stream may begin after the line break at i, past empty lines
 * and event names. Returns i if there is none. */
static size_t
next_chunk(const struct heuristic *l, size_t i)
{
	enum { SKIPPED = 128 };
	size_t k = i;

	while (k - i < SKIPPED) {
		struct span rest = span_cut(l->t, k, k + 6);
		if (byte_at(l, k) == '\n' || byte_at(l, k) == '\r')
			k++;
		else if (span_starts(rest, SPAN_LIT("data:")) ||
			 span_starts(rest, SPAN_LIT("{\"")))
			return k;
		else if (span_starts(rest, SPAN_LIT("event:")) ||
			 span_starts(rest, SPAN_LIT("id:")))
			k = line_end(l, k);
		else
			break;
	}
	return i;
}

/* Returns true if the JSON string that begins after the quote at i - 1 is the text of a chunk. */
static bool
is_text(struct span line, size_t i)
{
	static const char *const names[] = { "content", "text", "delta", "partial_json",
		"arguments", "token", "completion", "response", "output", "value", "data",
		"chunk", "part", "message", "t", "c", "v", NULL };
	size_t end = i - 1;

	while (end > 0 && line.p[end - 1] == ' ')
		end--;
	if (end < 3 || line.p[end - 1] != ':' || line.p[end - 2] != '"')
		return false;
	end -= 2;
	for (const char *const *name = names; *name; name++) {
		struct span n = span_str(*name);
		if (end > n.n && line.p[end - n.n - 1] == '"' &&
			span_starts(span_cut(line, end - n.n, end), n))
			return true;
	}
	return false;
}

static size_t
string_end(struct span line, size_t i)
{
	while (i < line.n && line.p[i] != '"')
		i += line.p[i] == '\\' ? 2 : 1;
	return i < line.n ? i : line.n;
}

/* Compares two lines that differ only in numbers up to the text of a chunk. Returns true and the
 * beginnings of both texts if they do. */
static bool
same_text(struct span a, struct span b, size_t *text_a, size_t *text_b)
{
	bool found = false;

	for (size_t i = 0, k = 0; i < a.n && k < b.n; i++, k++) {
		if (is_digit(a.p[i]) && is_digit(b.p[k])) {
			while (i + 1 < a.n && is_digit(a.p[i + 1]))
				i++;
			while (k + 1 < b.n && is_digit(b.p[k + 1]))
				k++;
			continue;
		}
		if (a.p[i] != b.p[k])
			break;
		if (a.p[i] != '"' || !is_text(a, i + 1))
			continue;
		found = true;
		*text_a = i + 1;
		*text_b = k + 1;
		if (!span_eq(span_cut(a, i, string_end(a, i + 1)),
			    span_cut(b, k, string_end(b, k + 1))))
			break;
	}
	return found;
}

/* Joins the texts of the line that ends at i and of the next chunk, if the lines are alike
 * except for a short text. */
static bool
chunk_end(struct heuristic *l, size_t i)
{
	size_t least = i > CHUNK_LINE ? i - CHUNK_LINE : 0, text = 0, next = 0;
	size_t begin = least + span_behind(span_cut(l->t, least, i), '\n');

	if ((begin > 0 && begin == least) ||
		(byte_at(l, begin) != '{' && byte_at(l, begin) != 'd'))
		return false;
	size_t from = next_chunk(l, i);
	if (from == i || byte_at(l, begin) != byte_at(l, from))
		return false;
	struct span line = span_cut(l->t, begin, i);
	size_t end = line.n;
	effort_add(4 * line.n);
	if (same_text(line, span_cut(l->t, from, line_end(l, from)), &text, &next)) {
		end = string_end(line, text);
	} else if (span_starts(line, SPAN_LIT("data:")) && byte_at(l, begin + 6) != '{') {
		text = next = byte_at(l, begin + 5) == ' ' ? 6 : 5;
		end -= end > text && line.p[end - 1] == '\r';
	}
	if (!text || end - text > CHUNK_TEXT || begin + end < l->at ||
		heuristic_apart(l, begin + end, from + next))
		return false;
	heuristic_edit(l, begin + end, from + next, "", 0);
	return true;
}

void
heuristic_line(struct heuristic *l, size_t i)
{
	char next = byte_at(l, i + 1);

	if ((next == '{' || next == 'd' || next == 'e' || next == 'i' || next == '\n' ||
		    next == '\r') &&
		chunk_end(l, i))
		return;
	token_end(l, i);
}
