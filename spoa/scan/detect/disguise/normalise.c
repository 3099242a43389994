/* Normalizes characters and escapes. These edits are certain, so a finding of the rules in the
 * view counts as if the text had been written plainly. */
#include "base/among.h"
#include "base/ascii.h"
#include "base/bits.h"
#include "base/codec/digits.h"
#include "base/utf8.h"
#include "base/effort.h"
#include "scan/detect/disguise/evade.h"
#include "scan/detect/disguise/fold.h"
#include "scan/detect/disguise/terminal.h"
#include "scan/detect/disguise/unescape.h"

enum { TOKEN_BACK = 128 };

/* A row of Unicode tag characters: hidden text, noise that breaks a word, or part of an emoji
 * flag. */
enum tags { TAGS_TEXT, TAGS_NOISE, TAGS_FLAG };

/* The state of normalizing one chunk. */
struct normaliser {
	struct span t;
	struct editor *ed;
	bool *signal;
	size_t at;	  /* the text before this offset was handled */
	size_t token_end; /* end of the token that was judged last */
	bool token_mixed;
	size_t word_end; /* end of the run of letters that was judged last */
	bool word;	 /* the run is a word of its script */
	size_t tags_end; /* end of the row of tags that was judged last */
	enum tags tags;
	size_t encoded_end; /* end of the encoded word of mail that was decoded last */
	bool string; /* the command string of a terminal sequence has begun */
	/* The row of dropped characters that ends at run_to, and whether a word precedes it. */
	size_t run_from, run_to;
	bool run_word;
};

static bool
is_graphic(char c)
{
	return c > ' ' && c < 0x7F;
}

static bool
prev_is(const struct normaliser *p, size_t at, bool (*is)(char))
{
	return at > 0 && is(p->t.p[at - 1]);
}

static bool
next_is(const struct normaliser *p, size_t at, bool (*is)(char))
{
	return at < p->t.n && is(p->t.p[at]);
}

static bool
in_token(char c)
{
	/* clang-format off */
	static const bool in[256] = {
		['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['-'] = 1, ['_'] = 1,
		['.'] = 1, ['@'] = 1, ['+'] = 1, ['/'] = 1, ['='] = 1, ['%'] = 1,
		[0x80 ... 0xFF] = 1,
	};
	/* clang-format on */

	return in[(unsigned char)c];
}

/* Returns true if the token around `at` mixes ASCII letters or digits with another script. */
static bool
mixed_scripts(struct normaliser *p, size_t at)
{
	size_t i = at;
	bool ascii = false;

	if (at < p->token_end)
		return p->token_mixed;
	while (i > 0 && at - i < TOKEN_BACK && in_token(p->t.p[i - 1]))
		ascii |= is_alnum(p->t.p[--i]) || p->t.p[i] == '@';
	for (i = at; i < p->t.n && i - at < 4 * TOKEN_BACK && in_token(p->t.p[i]); i++)
		ascii |= is_alnum(p->t.p[i]) || p->t.p[i] == '@';
	effort_add(i - at);
	p->token_end = i;
	p->token_mixed = ascii;
	return ascii;
}

static bool
is_foldable(const struct normaliser *p, size_t at)
{
	size_t n;
	bool valid;

	if (at >= p->t.n || !is_high(p->t.p[at]))
		return false;
	enum fold_kind k = fold_char(fold_decode(p->t.p + at, p->t.n - at, &n, &valid)).kind;
	return k == FOLD_ASCII || k == FOLD_DROP || k == FOLD_TAG;
}

/* Characters that may end a value or a word; begins_value() has those that may begin one. */
static bool
in_value(char c)
{
	return is_word(c) || is_high(c);
}

static bool
begins_value(char c)
{
	return in_value(c) || is_one_of(c, "$+(");
}

static void
note_joint(struct editor *ed, size_t from, size_t to)
{
	size_t n = ed->joints;

	if (n && ed->joint[n - 1].from == from)
		ed->joint[n - 1].to = to;
	else if (n < VIEW_PARTS)
		ed->joint[ed->joints++] = (struct view_part){ from, to };
}

/* Drops text[p->at, to), or writes `mark` in its place. In a row of dropped things only the last
 * can be followed by a word. Records places at which a word before and a word after are joined. */
static void
edit_drop(struct normaliser *p, size_t to, char mark, unsigned flags)
{
	struct editor *ed = p->ed;
	const struct view *out = ed->out;
	size_t at = p->at;

	if (at == 0 || at != p->run_to) {
		p->run_from = at;
		p->run_word = ed->open && ed->last == at
				      ? out->n && in_value(out->text[out->n - 1])
				      : prev_is(p, at, in_value);
	}
	p->run_to = to;
	ed->sequences = true;
	bool joins = !mark && p->run_word && next_is(p, to, begins_value);
	if (mark)
		p->run_word = false;
	if (joins && ed->joint)
		note_joint(ed, view_origin(ed, p->run_from), view_origin(ed, to));
	if (joins && ed->apart)
		view_edit(ed, at, to, "\t", 1, 0);
	else
		view_edit(ed, at, to, &mark, mark != 0, flags);
}

/* Returns true if the joiner at `at` stands between two letters of a script that is not folded.
 * There it is correct spelling: Persian, Hindi, emoji. */
static bool
is_spelling(const struct normaliser *p, size_t at, size_t to)
{
	if (p->ed->last == at || !prev_is(p, at, is_high) || !next_is(p, to, is_high))
		return false;
	return !is_foldable(p, utf8_before(p->t.p, at)) && !is_foldable(p, to);
}

static void
edit_as(struct normaliser *p, size_t to, struct folded f, unsigned flags)
{
	view_edit(p->ed, p->at, to, f.c, f.n, flags);
}

/* Interprets a byte that is not UTF-8 as Latin-1 or Windows-1252. */
static struct folded
stray_byte(unsigned char c)
{
	if (c == 0xA0)
		return (struct folded){ FOLD_SPACE, 1, " " };
	if (c == 0x96 || c == 0x97)
		return (struct folded){ FOLD_DASH, 1, "-" };
	return (struct folded){ FOLD_DROP, 0, "" };
}

/* Classifies the row of tags that begins at p->at. A flag of a country's region has at most six
 * tags. Three or fewer tags inside a word only break the word. */
static enum tags
judge_tags(struct normaliser *p)
{
	enum { FLAG_MOST = 6, NOISE_MOST = 3 };
	size_t at = p->at, end = at;

	while (end < p->t.n && p->t.n - end >= 4 && !memcmp(p->t.p + end, "\xF3\xA0", 2) &&
		((unsigned char)p->t.p[end + 2] & 0xFE) == 0x80)
		end += 4;
	p->tags_end = end;
	effort_add(end - at);
	if (at >= 4 && end - at <= 4 * FLAG_MOST &&
		!memcmp(p->t.p + at - 4, "\xF0\x9F\x8F\xB4", 4))
		return TAGS_FLAG;
	return end - at <= 4 * NOISE_MOST && prev_is(p, at, is_graphic) &&
			       next_is(p, end, is_graphic)
		       ? TAGS_NOISE
		       : TAGS_TEXT;
}

/* Edits a tag. Tags that are text are invisible text of their own, so spaces separate it from
 * the words next to it. */
static void
edit_tag(struct normaliser *p, size_t to, struct folded f)
{
	if (p->at >= p->tags_end) {
		p->tags = judge_tags(p);
		if (p->tags == TAGS_TEXT && prev_is(p, p->at, is_alnum))
			f = (struct folded){ FOLD_TAG, 2, { ' ', f.c[0] } };
	}
	if (p->tags == TAGS_FLAG)
		return;
	*p->signal = true;
	if (p->tags == TAGS_NOISE)
		f.n = 0;
	edit_as(p, to, f, EDIT_HIDE);
	if (p->tags == TAGS_TEXT && to >= p->tags_end && next_is(p, to, is_alnum))
		view_edit(p->ed, to, to, " ", 1, EDIT_HIDE);
}

/* Returns true if an address with a complete domain ends before `at`: a full stop after it ends a
 * sentence. */
static bool
ends_address(const struct normaliser *p, size_t at)
{
	enum { DOMAIN_MOST = 253 };
	size_t i = at, dot = 0;

	while (i > 0 && at - i < DOMAIN_MOST &&
		(is_alnum(p->t.p[i - 1]) || p->t.p[i - 1] == '.' || p->t.p[i - 1] == '-')) {
		i--;
		if (!dot && p->t.p[i] == '.')
			dot = i;
	}
	effort_add(at - i);
	return i > 0 && p->t.p[i - 1] == '@' && dot && at - dot > 2 &&
	       span_past(span_cut(p->t, dot + 1, at), 0, is_alpha) == at - dot - 1;
}

/* Returns true if the letter at `at` is in a word of another script that stands directly before or
 * after ASCII, as in "почтаjane@example.com". Obfuscating letters stand between ASCII, or all of
 * them look like ASCII. */
static bool
is_in_word(struct normaliser *p, size_t at)
{
	enum { WORD_MOST = 64 };
	size_t from = at, to = at;

	if (at < p->word_end)
		return p->word;
	while (from > 0 && at - from < WORD_MOST && is_high(p->t.p[from - 1]))
		from--;
	while (to < p->t.n && to - at < WORD_MOST && is_high(p->t.p[to]))
		to++;
	p->word_end = to;
	p->word = false;
	effort_add(16 * (to - from));
	if (prev_is(p, from, is_alnum) && next_is(p, to, is_alnum))
		return false;
	for (size_t i = from, n = 1; i < to && !p->word; i += n) {
		bool valid;
		uint32_t cp = fold_decode(p->t.p + i, to - i, &n, &valid);
		n = n ? n : 1;
		p->word = valid && fold_char(cp).kind == FOLD_NONE && cp >= 0x370 && cp < 0x600;
	}
	return p->word;
}

/* Returns true if a figure is on a side of a dash or a space that ends at `to`. The dashes of
 * sentences join figures, but are no part of a token. */
static bool
is_between_values(const struct normaliser *p, size_t at, size_t to)
{
	bool high = (next_is(p, to, is_high) && !is_foldable(p, to)) ||
		    (prev_is(p, at, is_high) && !is_foldable(p, utf8_before(p->t.p, at)));
	bool sentence = to - at == 3 && (!memcmp(p->t.p + at, "\xE2\x80\x93", 3) ||
						!memcmp(p->t.p + at, "\xE2\x80\x94", 3));
	bool spaced = prev_is(p, at, is_space) || next_is(p, to, is_space);

	return !high && !(sentence && !spaced &&
				(!(prev_is(p, at, is_digit) || prev_is(p, at, is_high)) ||
					!(next_is(p, to, is_digit) || next_is(p, to, is_high))));
}

/* Returns true for the first byte of U+3000 to U+DFFF in UTF-8: kana, Han and Hangul. */
static bool
begins_east_asian(char c)
{
	return (unsigned char)c >= 0xE3 && (unsigned char)c <= 0xED;
}

/* Returns true for a fullwidth sign in a sentence of Chinese, Japanese or Korean: 错误，请. Such a sign is no
 * obfuscation, and it is in each line of a catalog of messages. A colon or an equals sign may be before a value. */
static bool
is_of_a_sentence(const struct normaliser *p, size_t at, size_t to, char sign)
{
	if (is_alnum(sign) || is_one_of(sign, "@_-+/\\") || !at ||
		!begins_east_asian(p->t.p[utf8_before(p->t.p, at)]))
		return false;
	if (next_is(p, to, is_high))
		return begins_east_asian(p->t.p[to]);
	return !is_one_of(sign, ":=") && !next_is(p, to, is_alnum);
}

static void
dash_space_dot(struct normaliser *p, size_t to, struct folded f)
{
	size_t at = p->at;
	bool digits = prev_is(p, at, is_digit) || next_is(p, to, is_digit) ||
		      (f.kind == FOLD_DASH && at > 1 && p->t.p[at - 1] == ' ' &&
			      is_digit(p->t.p[at - 2]));
	bool around = (prev_is(p, at, is_alnum) || prev_is(p, at, is_high)) &&
		      (next_is(p, to, is_alnum) || next_is(p, to, is_high));
	bool spelled = f.kind == FOLD_SPACE && around &&
		       (at < 2 || !is_alnum(p->t.p[at - 2]) || to + 1 >= p->t.n ||
			       !is_alnum(p->t.p[to + 1]));

	if (f.kind == FOLD_DASH && !is_between_values(p, at, to))
		return;
	/* A full stop of another script between ASCII and that script ends a sentence. */
	if (f.kind == FOLD_DOT && prev_is(p, at, is_alnum) &&
		((next_is(p, to, is_high) && p->t.p[to] != '\xEF') || ends_address(p, at)))
		return;
	if (digits || (around && f.kind != FOLD_SPACE) || spelled ||
		(at > 0 && p->t.p[at - 1] == '@'))
		edit_as(p, to, f, EDIT_TYPO);
}

/* Skips a word in Greek, Cyrillic, Armenian or Hebrew if its token contains no ASCII. */
static bool
foreign_word(struct normaliser *p)
{
	size_t i = p->at;
	unsigned char c = (unsigned char)p->t.p[i];

	if (c < 0xCE || c > 0xD7 || mixed_scripts(p, i))
		return false;
	while (i + 1 < p->t.n && (unsigned char)p->t.p[i] >= 0xCE &&
		(unsigned char)p->t.p[i] <= 0xD7 && (p->t.p[i + 1] & 0xC0) == 0x80)
		i += 2;
	if (i == p->at)
		return false;
	p->at = i;
	return true;
}

/* ---- terminals ---- */

static void
edit_sequence(struct normaliser *p, struct terminal s)
{
	edit_drop(p, s.end, s.mark, EDIT_HIDE | EDIT_APART);

	p->string = s.mark == TERMINAL_STRING || (p->string && !s.mark);
	p->at = s.end;
}

/* Edits a control character, or one from U+0080 to U+009F, that ends at `to`. Returns false if
 * it needs no edit here. */
static bool
edit_control(struct normaliser *p, uint32_t cp, size_t to)
{
	size_t n = p->ed->over && cp == TERMINAL_STRING ? terminal_string(p->t, p->at) : 0;
	struct terminal s = { .end = n ? n : to, .mark = terminal_c1(cp) };

	if (cp == TERMINAL_ESCAPE)
		s = terminal_sequence(p->t, to);
	else if (cp == 0x9B)
		s = terminal_control(p->t, to);
	else if (cp == TERMINAL_BELL && p->string)
		s.mark = TERMINAL_PARTED;
	else if (!s.mark && !(p->ed->over && (cp == TERMINAL_STRING || cp == TERMINAL_PARTED)))
		return false;
	if (cp == TERMINAL_PARTED && p->string) { /* the next view needs the mark */
		p->string = false;
		p->at = to;
	} else if (s.end) {
		edit_sequence(p, s);
	}
	return s.end != 0;
}

/* Edits the marks of git diff --word-diff around a removed word: [-removed-]. Inside a word they are
 * dropped. */
static bool
edit_removed(struct normaliser *p)
{
	enum { WORD = 256 };
	size_t at = p->at;
	struct span rest = span_cut(p->t, at + 2, at + WORD);

	if (at + 2 >= p->t.n || p->t.p[at + 1] != '-' || !is_graphic(p->t.p[at + 2]))
		return false;
	const char *end = memmem(rest.p, rest.n, "-]", 2);
	effort_add(rest.n / 8);
	if (!end || end == rest.p || memchr(rest.p, '\n', (size_t)(end - rest.p)))
		return false;
	size_t close = (size_t)(end - p->t.p);
	bool before = prev_is(p, at, is_alnum), after = next_is(p, close + 2, is_alnum);
	unsigned flags = before || after ? EDIT_HIDE : 0;
	view_edit(p->ed, at, at + 2, " ", !before, flags);
	view_edit(p->ed, close, close + 2, " ", !after, flags);
	p->at = close + 2;
	return true;
}

/* Edits a CSI bracket whose escape is missing or written in an unusual way. */
static void
edit_bracket(struct normaliser *p)
{
	size_t from, at = p->at;

	effort_add(28);
	if (edit_removed(p))
		return;
	struct terminal s = terminal_bracket(p->t, at, p->ed->last == at, &from);

	p->at = s.end && from >= p->ed->last ? from : at + 1;
	if (p->at <= at && s.end)
		edit_sequence(p, s);
}

/* Edits a backspace between equal characters, or after an underscore: nroff and man print bold and
 * underlined text so. Returns false for any other backspace. */
static bool
edit_overstrike(struct normaliser *p)
{
	size_t at = p->at;
	char before = at > 0 ? p->t.p[at - 1] : 0, after = at + 1 < p->t.n ? p->t.p[at + 1] : 0;

	if (before < ' ' || after < ' ' || (before != after && before != '_'))
		return false;
	if (before == after) {
		view_edit(p->ed, at, at + 2, "", 0, EDIT_HIDE);
		p->at = at + 2;
		return true;
	}
	if (at - 1 < p->ed->last)
		return false;
	view_edit(p->ed, at - 1, at + 1, "", 0, EDIT_HIDE);
	p->at = at + 1;
	return true;
}

static void
edit_character(struct normaliser *p)
{
	bool valid;

	effort_add(16);
	if (foreign_word(p))
		return;
	size_t n, at = p->at;
	uint32_t cp = fold_decode(p->t.p + at, p->t.n - at, &n, &valid);
	size_t to = at + n;

	/* Dropping invalid bytes can make others out of the bytes next to them, so this ends
	 * after two passes. */
	if (!valid && p->ed->pass > 1) {
		p->at = to;
		return;
	}
	if ((cp < 0x20 || (cp >= 0x80 && cp < 0xA0)) && edit_control(p, cp, to))
		return;
	if (cp == '\b' && edit_overstrike(p))
		return;
	if (cp < 0x80 && n > 1) { /* an overlong form */
		edit_as(p, to, (struct folded){ FOLD_ASCII, 1, { (char)cp } }, EDIT_HIDE);
	} else if (cp < 0x80) { /* a control character */
		if (prev_is(p, at, is_alnum) || next_is(p, to, is_alnum) || p->ed->last == at)
			edit_drop(p, to, 0, EDIT_HIDE | EDIT_APART);
	} else {
		struct folded f = valid ? fold_char(cp) : stray_byte((unsigned char)p->t.p[at]);
		switch (f.kind) {
		case FOLD_NONE: break;
		case FOLD_ASCII:
			if (!is_of_a_sentence(p, at, to, f.c[0]))
				edit_as(p, to, f, cp < 0x100 ? EDIT_TYPO : EDIT_HIDE);
			break;
		case FOLD_BIDI:
			*p->signal = true;
			edit_drop(p, to, 0, EDIT_HIDE | EDIT_APART);
			break;
		case FOLD_DROP:
			if (is_spelling(p, at, to))
				break;
			/* A variation selector is part of the character before it. */
			if (!valid)
				edit_as(p, to, f, EDIT_HIDE);
			else
				edit_drop(p, to, 0,
					EDIT_HIDE | ((cp & ~0xFu) == 0xFE00 ? 0 : EDIT_APART));
			break;
		case FOLD_TAG: edit_tag(p, to, f); break;
		case FOLD_MARK:
			if (prev_is(p, at, is_graphic) || p->ed->last == at)
				edit_as(p, to, f,
					prev_is(p, at, is_digit) ? EDIT_HIDE : EDIT_TYPO);
			break;
		case FOLD_LIKE:
			if (mixed_scripts(p, at) && !is_in_word(p, at))
				edit_as(p, to, f, EDIT_HIDE);
			break;
		case FOLD_DASH:
		case FOLD_SPACE:
		case FOLD_DOT: dash_space_dot(p, to, f); break;
		}
	}
	p->at = to;
}

/* Decodes the text of an encoded word, in base64 or as quoted-printable text, to out. Returns the
 * number of bytes. */
static size_t
decode_word(struct span text, bool base64, char *out)
{
	uint32_t bits = 0;
	unsigned nbits = 0;
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		int v = base64 ? value64(text.p[i]) : 0;
		int pair = !base64 && text.p[i] == '=' ? span_hex(text, i + 1, 2) : -1;
		if (!base64) {
			out[n++] = (char)(pair >= 0 ? pair : text.p[i] == '_' ? ' ' : text.p[i]);
			i += pair >= 0 ? 2 : 0;
			continue;
		}
		if (v < 0)
			break; /* padding */
		bits = bits << 6 | (unsigned)v;
		if ((nbits += 6) >= 8)
			out[n++] = (char)(bits >> (nbits -= 8));
	}
	return n;
}

/* Decodes an encoded word of a mail's header at p->at (RFC 2047): =?utf-8?B?NDcxNg==?=. White space
 * between two such words is dropped (6.2). Returns false if there is none. */
static bool
edit_encoded_word(struct normaliser *p)
{
	enum { CHARSET = 24, WORD = 160, BETWEEN = 8 };
	size_t at = p->at, k = at + 2;
	struct span t = span_cut(p->t, 0, at + WORD);
	char out[WORD];

	if (k >= t.n || t.p[at + 1] != '?')
		return false;
	while (k < t.n && k - at < CHARSET && (is_word(t.p[k]) || t.p[k] == '-'))
		k++;
	effort_add(8);
	if (k + 3 >= t.n || k == at + 2 || t.p[k] != '?' || !is_one_of(to_lower(t.p[k + 1]), "bq") ||
		t.p[k + 2] != '?')
		return false;
	size_t text = k + 3, end = span_chr(span_cut(t, text, t.n), '?') + text;
	if (end + 1 >= t.n || t.p[end + 1] != '=' || end == text)
		return false;
	size_t n = decode_word(span_cut(t, text, end), to_lower(t.p[k + 1]) == 'b', out);
	size_t from = p->encoded_end && at - p->encoded_end <= BETWEEN &&
				      span_past_set(t, p->encoded_end, " \t\r\n") == at
			      ? p->encoded_end
			      : at;
	effort_add(end - at);
	view_edit(p->ed, from, end + 2, out, n, EDIT_TYPO);
	p->ed->escapes++;
	p->at = p->encoded_end = end + 2;
	return true;
}

static void
edit_escape(struct normaliser *p)
{
	if (p->t.p[p->at] == '=' && edit_encoded_word(p))
		return;
	struct unescaped u = unescape(p->t, p->at);

	effort_add(u.end ? 4 + (u.end - p->at) / 2 : 6);
	if (u.end) {
		p->ed->escapes++;
		struct terminal s = terminal_spelled(p->t, p->at, &u);
		if (s.end) {
			edit_sequence(p, s);
			return;
		}
		view_edit(p->ed, p->at, u.end, u.c, u.n, u.common ? 0 : EDIT_HIDE);
		p->at = u.end;
		return;
	}
	/* Skip a run of backslashes at once. */
	char c = p->t.p[p->at];
	do
		p->at++;
	while (c == '\\' && p->at < p->t.n && p->t.p[p->at] == '\\');
}

static bool
plain_ends(char c)
{
	switch (c) { /* a switch, because this is asked for each byte: a set search costs four
		      * times as much */
	case '\\':
	case '%':
	case '&':
	case '=':
	case '^':
	case '[': return true;
	default: return false;
	}
}

/* Returns the offset of the closing marks of emphasis that `marks` underscores open; its first
 * byte is at `from`. The closing marks end a word on the same line, and the text between is
 * written plainly. Returns t.n if there are none. */
static size_t
emphasis_end(struct span t, size_t from, size_t marks)
{
	enum { EMPHASIS_LEAST = 9, EMPHASIS_MOST = 256 };
	bool telling = false;
	size_t i = from;

	for (; i < t.n && i - from < EMPHASIS_MOST; i++) {
		char c = t.p[i];
		size_t end = i + marks;
		bool opens = c == '_' && t.p[i - 1] == ' ';
		if (opens || c < ' ' || c > '~' || plain_ends(c))
			break; /* other emphasis, or text that is not plain */
		telling |= is_digit(c) || c == '@';
		if (c != '_' || end > t.n || t.p[end - 1] != '_' ||
			(end < t.n && is_word(t.p[end])))
			continue;
		effort_add(i - from);
		return telling && i - from >= EMPHASIS_LEAST ? i : t.n;
	}
	effort_add(i - from);
	return t.n;
}

/* Removes the marks of _value_ or __value__ in Markdown. */
static void
edit_emphasis(struct normaliser *p)
{
	struct span t = p->t;
	size_t at = p->at, from = at;

	while (from < t.n && from - at < 4 && t.p[from] == '_')
		from++;
	p->at = from;
	size_t end = from - at < 4 && from < t.n && t.p[from] > ' '
			     ? emphasis_end(t, from, from - at)
			     : t.n;
	if (end == t.n)
		return;
	view_edit(p->ed, at, from, "", 0, 0);
	p->at = end + (from - at);
	view_edit(p->ed, end, p->at, "", 0, 0);
}

void
normalise_edit(const struct chunk *c, struct editor *ed, bool *signal)
{
	/* Read no further, so that a text that is one long escape is not read by each chunk. */
	enum { AHEAD = 64 << 10 };
	struct span t = span_cut(c->text, 0, c->to + AHEAD);
	struct normaliser p = { .t = t, .ed = ed, .signal = signal, .at = c->from };
	/* The previous chunk has read the character that the chunk begins in. */
	for (size_t i = 0; i < 3 && p.at && p.at < c->to && ((unsigned char)t.p[p.at] & 0xC0) == 0x80;
		i++)
		p.at++;
	/* a token continues from the previous chunk */
	bool before = c->from > 0 && in_token(t.p[c->from - 1]);

	for (size_t base = c->from, k = 0; base < c->to && !ed->err; base += BLOCK, k++) {
		const struct look *l = &c->look[k];
		uint64_t todo =
			l->hidden | BITS_WHERE(l->token & ~l->alnum & ~(l->token << 1 | before),
					    base, i, t.p[i] == '_');
		before = l->token >> 63;
		if (base && todo && effort_over())
			ed->err = effort_err();
		while (todo && !ed->err) {
			size_t at = base + (size_t)__builtin_ctzll(todo);
			if (at >= p.at) {
				p.at = at + fold_nothing(p.t.p + at, p.t.n - at);
				if (p.at > at)
					;
				else if (p.t.p[at] == '_')
					edit_emphasis(&p);
				else if (p.t.p[at] == '[')
					edit_bracket(&p);
				else if (is_graphic(p.t.p[at]))
					edit_escape(&p);
				else
					edit_character(&p);
			}
			if (p.at >= base + BLOCK)
				break;
			todo &= UINT64_MAX << (p.at - base);
		}
	}
}
