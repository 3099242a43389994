/* Finds what may continue at the end of a text that a stream holds: runs, wrapped blobs and armored
 * blocks by their bytes alone, and words by their shapes. Everything that a stage of the scan joins
 * is one of these, or is shorter than the text that a window reads ahead.
 *
 * A word of unknown meaning opens a row. The row stays open until so many ordinary words have
 * followed its last such word that no stage of a scan would join anything across them
 * (ends_after). The work is linear in the held text.
 *
 * Example: in "call 555 0123 now please", the numbers open a row, which "now please" ends. */
#include "scan/detect/stream/stream_tail.h"

#include "base/among.h"
#include "base/ascii.h"
#include "base/bits.h"
#include "base/utf8.h"
#include "scan/detect/disguise/evade.h"
#include "scan/detect/engine.h"

/* ---- runs, blobs and armored blocks ---- */

/* The bytes: letters, digits and + / = _ . % ~ - \ & # ; : @ */
bool
stream_is_run(char c)
{
	static const uint64_t set[4] = { UINT64_C(0x2fffe86800000000),
		UINT64_C(0x47fffffe97ffffff) };

	return set_has(set, c);
}

size_t
stream_run_start(struct span t, size_t at)
{
	return span_back(t, at, 0, stream_is_run);
}

static size_t
run_end(struct span t, size_t at)
{
	return span_past(t, at, stream_is_run);
}

/* Returns where the line break before `at` begins, or `at` if there is none. */
static size_t
break_start(struct span t, size_t at)
{
	size_t i = span_back(t, at, at > BREAK_MAX ? at - BREAK_MAX : 0, is_space);

	return i < at && memchr(t.p + i, '\n', at - i) ? i : at;
}

static size_t
break_end(struct span t, size_t at)
{
	size_t i = span_past(span_cut(t, 0, at + BREAK_MAX), at, is_space);

	return i > at && memchr(t.p + at, '\n', i - at) ? i : at;
}

struct token_run
stream_run_around(struct span t, size_t at)
{
	struct token_run r = { .start = stream_run_start(t, at), .end = run_end(t, at) };
	size_t last = r.end - r.start, brk;

	while ((brk = break_start(t, r.start)) < r.start) {
		size_t from = stream_run_start(t, brk), n = brk - from;
		if (n < LINE_MIN || n < last || (r.width && n != r.width))
			break;
		r.start = from;
		r.width = n;
	}
	if (r.width == 0 && last >= LINE_MIN && r.end < t.n)
		r.width = last;
	while (last == r.width && last && (brk = break_end(t, r.end)) > r.end) {
		size_t end = run_end(t, brk);
		if (end - brk > r.width)
			break;
		last = end - brk;
		r.end = end;
	}
	return r;
}

/* Returns true if the text after an armor's first line is still inside the armor: lines without
 * spaces, or "Name: value". */
static bool
inside_armour(struct span t)
{
	while (t.n) {
		struct span line = span_trim(span_next(&t, '\n'), " \t\r>|*");
		size_t colon = span_chr(line, ':'), blank = span_chr(line, ' ');
		if (blank < line.n && colon > blank)
			return false;
	}
	return true;
}

/* A kind of armor. */
struct armour {
	struct span begins, ends, close; /* the beginning and the end of the first line; the
					  * beginning of the last line */
	size_t least; /* bytes after the first line that count as inside whatever they are,
		       * because the armor may be written in one line */
};

/* Returns true if the last line, whose beginning is before `rest`, has ended. */
static bool
is_closed(struct span rest, const struct armour *k)
{
	enum { LINE = 64 };
	size_t i = 0;

	if (k->ends.p[0] == '-')
		return rest.n > LINE || memmem(rest.p, rest.n, k->ends.p, k->ends.n);
	i = span_past(rest, i, is_space);
	return span_past(rest, i, stream_is_run) < rest.n;
}

/* Returns the first of the last few beginnings, after the last complete armor, whose inside
 * continues to the end of the text; t.n if there is none. Only a few beginnings are kept, so
 * that a text that consists of beginnings costs little. */
static size_t
open_of_kind(struct span t, size_t from, const struct armour *k)
{
	enum { FEW = 4 };
	const char *at = t.p + from, *end = t.p + t.n, *begins[FEW] = { NULL };
	size_t n = 0;

	for (const char *x = at; (x = memmem(x, (size_t)(end - x), k->close.p, k->close.n));) {
		x += k->close.n;
		if (!is_closed(span_of(x, (size_t)(end - x)), k))
			break;
		at = x;
	}
	for (; (at = memmem(at, (size_t)(end - at), k->begins.p, k->begins.n)); n++) {
		begins[n % FEW] = at;
		at += k->begins.n;
	}
	for (size_t i = n > FEW ? n - FEW : 0; i < n; i++) {
		const char *in = begins[i % FEW] + k->begins.n;
		const char *line = memmem(in, (size_t)(end - in), k->ends.p, k->ends.n);
		in = line ? line + k->ends.n : end;
		if ((size_t)(end - in) < k->least ||
			inside_armour(span_of(in, (size_t)(end - in))))
			return (size_t)(begins[i % FEW] - t.p);
	}
	return t.n;
}

/* Returns true if the text contains what every armor begins with: "----" or "PuTTY-". */
static bool
has_dashes(struct span t, size_t from)
{
	const char *p = t.p + from, *end = t.p + t.n;

	while (p < end && (p = memchr(p, '-', (size_t)(end - p)))) {
		if ((end - p >= 4 && !memcmp(p, "----", 4)) || (p > t.p && p[-1] == 'Y'))
			return true;
		p++;
	}
	return false;
}

size_t
stream_open_armour(struct span t, size_t from)
{
	static const struct armour kinds[] = {
		{ SPAN_LIT("-----BEGIN "), SPAN_LIT("-----"), SPAN_LIT("-----END "), 96 },
		{ SPAN_LIT("---- BEGIN "), SPAN_LIT("----"), SPAN_LIT("---- END "), 96 },
		{ SPAN_LIT("PuTTY-User-Key-File-"), SPAN_LIT(":"), SPAN_LIT("Private-MAC:"),
			512 },
	};
	size_t first = t.n;

	if (!has_dashes(t, from))
		return t.n;
	for (size_t k = 0; k < COUNT_OF(kinds); k++) {
		size_t at = open_of_kind(t, from, &kinds[k]);
		if (at < first)
			first = at;
	}
	return first;
}

size_t
stream_boundary(struct span t, size_t at, size_t least)
{
	for (size_t i = at; i > least && at - i < WORD_BACK; i--)
		if (is_space(t.p[i - 1]))
			return i;
	size_t begin = utf8_begin(t, at);
	return begin > least ? begin : at > least ? least : at;
}

/* ---- words ---- */

enum {
	LONG_WORD = 16, /* letters; a longer word may be a blob */
	CODE_MAX = 4,	/* bytes of 0x41 or Chr( */
};

/* The shape of a token, by its letters. */
enum shape {
	SHAPE_NONE,   /* no letter and no digit */
	SHAPE_WORD,   /* small letters */
	SHAPE_JOINT,  /* small letters, and joins capitalized words: of, and, van */
	SHAPE_BEGINS, /* a capitalized word that is in no list of names */
	SHAPE_NAME,   /* another capitalized word */
	SHAPE_OTHER,  /* a word of a script without capitals */
	SHAPE_SPELL,  /* one letter, a numeral, or a word such as "rue"; similar words may follow */
	SHAPE_SIGN,   /* "at" or "dot" in an address */
	SHAPE_OPEN,   /* anything else: a number, a token */
};

/* Number of ordinary words that end a row with such a shape. */
static const uint8_t ends_after[] = {
	[SHAPE_BEGINS] = 1,
	[SHAPE_NAME] = 1,
	[SHAPE_OTHER] = 1,
	[SHAPE_SPELL] = 1,
	[SHAPE_SIGN] = 2,
	[SHAPE_OPEN] = 2,
};

/* Returns true if a three-byte character at i belongs to a script that does not separate words:
 * Han, kana, Hangul, Thai, Lao, Burmese, Khmer. At the text's last byte only the first byte of
 * the character is known. */
static bool
is_wide(struct span t, size_t i)
{
	unsigned char a = (unsigned char)t.p[i],
		      b = i + 1 < t.n ? (unsigned char)t.p[i + 1] : 0;

	return (a >= 0xE3 && a <= 0xED) || (a == 0xE0 && b >= 0xB8 && b <= 0xBB) ||
	       (a == 0xE1 && ((b >= 0x80 && b <= 0x82) || b == 0x9E || b == 0x9F));
}

/* Returns true for – — ’ “ ” • … and similar marks, which hide nothing. */
static bool
is_print_mark(struct span t, size_t i)
{
	unsigned char last = i + 2 < t.n ? (unsigned char)t.p[i + 2] : 0;

	return last && !memcmp(t.p + i, "\xE2\x80", 2) &&
	       ((last >= 0x93 && last <= 0x9E) || last == 0xA2 || last == 0xA6);
}

/* Returns true for -----BEGIN and KEY----- */
static bool
is_armour(struct span t, size_t from, size_t to)
{
	return to - from > 2 &&
	       (!memcmp(t.p + from, "--", 2) || !memcmp(t.p + to - 2, "--", 2));
}

/* Removes the marks around a word from both ends of [*from, *to). Returns true if some of them
 * are not marks of sentences. */
static bool
trim_marks(struct span t, size_t *from, size_t *to)
{
	static const char sentence[] = ".:!?'-", markup[] = "*_`#~&/";
	bool markup_begins = *from < *to && t.p[*from] == '<';
	bool special = markup_begins || is_armour(t, *from, *to);

	*from += markup_begins;

	for (;;) {
		char c = *from < *to ? t.p[*from] : 0;
		if (is_print_mark(t, *from) && *from + 3 <= *to)
			*from += 3;
		else if (c && (is_one_of(c, sentence) || is_one_of(c, markup))) {
			special |= !is_one_of(c, sentence);
			++*from;
		} else
			break;
	}
	for (;;) {
		char c = *from < *to ? t.p[*to - 1] : 0;
		if (*to - *from >= 3 && is_print_mark(t, *to - 3))
			*to -= 3;
		else if (c && (is_one_of(c, sentence) || is_one_of(c, markup))) {
			special |= !is_one_of(c, sentence);
			--*to;
		} else
			break;
	}
	return special;
}

/* The letters of a word, counted. */
struct letters {
	size_t n, upper, parts; /* letters, capitals, parts that hyphens join */
	size_t inner;		/* capitals that do not begin a part */
	bool other;		/* letters of a script without capitals */
	bool strange;		/* characters other than letters, hyphens and apostrophes */
	bool number;		/* digits and no letter */
};

static struct letters
letters_of(struct span t, size_t from, size_t to)
{
	struct letters l = { .parts = 1 };
	bool begins = true;
	unsigned n;
	uint64_t folded;

	for (size_t i = from; i < to; i += n) {
		enum letter k = glyph_at_alpha(t, i, &n, &folded);
		if (k == LETTER_NONE) {
			bool mark = is_print_mark(t, i);
			n = mark ? 3 : 1;
			l.strange |= !mark && t.p[i] != '-' && t.p[i] != '\'';
			l.number |= is_digit(t.p[i]);
			l.parts += t.p[i] == '-';
			begins = true;
			continue;
		}
		l.n++;
		l.upper += k == LETTER_UPPER;
		l.inner += k == LETTER_UPPER && !begins;
		l.other |= k == LETTER_OTHER || k == LETTER_HAN;
		begins = false;
	}
	l.number &= l.n == 0;
	return l;
}

/* Returns true for two and twenty-one. */
static bool
has_numeral(struct span word)
{
	while (word.n)
		if (evade_is_numeral_word(span_next(&word, '-')))
			return true;
	return false;
}

/* Returns the shape of a word of letters. */
static enum shape
word_shape(struct span word, const struct letters *l, const struct stream_asked *asked)
{
	if (l->n == 1 && asked->values)
		return SHAPE_SPELL;
	if (asked->numbers && has_numeral(word))
		return SHAPE_SPELL;
	if (asked->addresses && evade_is_sign_word(word))
		return SHAPE_SIGN;
	if (l->inner && l->inner + l->parts < l->n && asked->values)
		return SHAPE_OPEN; /* camelCase */
	if (!asked->names)
		return SHAPE_WORD;
	if (l->other)
		return SHAPE_OTHER;
	/* A word in small letters: rue and calle belong to the name after them. */
	if (!l->upper) {
		uint32_t f = names_flags_small(asked->names, names_hash(word));
		return f & W_STREET_START			      ? SHAPE_SPELL
		       : f & W_PARTICLE || SPAN_IN(word, names_small) ? SHAPE_JOINT
								      : SHAPE_WORD;
	}
	uint32_t f = names_flags(asked->names, names_hash(word));
	/* An ordinary word begins no name of several words either. */
	bool common = f & W_COMMON && !(f & ~(uint32_t)(W_COMMON | W_NEVER));
	return common ? SHAPE_BEGINS : SHAPE_NAME;
}

static enum shape
shape_of(struct span t, size_t from, size_t to, const struct stream_asked *asked, bool *special)
{
	size_t end = to;
	bool tag = t.p[from] == '<' && end < t.n && t.p[end] == '>';

	*special |= trim_marks(t, &from, &to);
	if (from == to)
		return SHAPE_NONE;
	struct letters l = letters_of(t, from, to);
	*special |= l.strange && !l.number;
	if (l.strange && l.number ? asked->numbers
				  : (l.strange || l.n > LONG_WORD * l.parts) && asked->values)
		return SHAPE_OPEN;
	/* The word may be a piece of the token up to `end`: alice(at), "alice." +
	 * "w@example.org". */
	if (end < t.n && (is_one_of(t.p[end], "([{<|") || (end > to && t.p[end] == '"')) &&
		asked->values)
		return SHAPE_SPELL;
	enum shape shape = word_shape(span_cut(t, from, to), &l, asked);
	/* a tag between parts of a value is no word after the value */
	return tag && shape == SHAPE_WORD ? SHAPE_NONE : shape;
}

/* Returns the end of the token at `at`. *over is set if the token has ended. */
static size_t
token_end(struct span t, size_t at, bool *over)
{
	size_t i = at;

	if (is_wide(t, i)) {
		*over = t.n - i >= 3;
		return *over ? i + 3 : t.n;
	}
	while (i < t.n && !open_separates(t.p[i]) && !is_wide(t, i))
		i++;
	*over = i < t.n;
	return i;
}

/* Returns where the token around `at` begins, not before `from`. */
static size_t
token_start(struct span t, size_t at, size_t from)
{
	while (at > from && !open_separates(t.p[at - 1]) &&
		!(at - from >= 3 && is_wide(t, at - 3)))
		at--;
	return at;
}

bool
stream_word_ends(struct span t)
{
	return t.n && (open_separates(t.p[t.n - 1]) || (t.n >= 3 && is_wide(t, t.n - 3)));
}

/* A row of words that may form one value. */
struct row {
	bool open, named; /* `named`: the row contains more than numbers and tokens */
	bool codes;	  /* no word is longer than the code of a character */
	size_t start;
	unsigned need, after; /* ordinary words that end the row, and how many have followed */
};

static void
row_add(struct row *r, enum shape shape, size_t start, size_t bytes)
{
	bool ends = shape == SHAPE_WORD || shape == SHAPE_OTHER ||
		    (shape == SHAPE_JOINT && !r->named);

	if (ends)
		r->open &= ++r->after < r->need;
	if (shape > SHAPE_JOINT) {
		if (!r->open)
			*r = (struct row){ .open = true, .start = start, .codes = true };
		if (ends_after[shape] > r->need)
			r->need = ends_after[shape];
		r->after = 0;
		r->named |= shape != SHAPE_OPEN;
	}
	r->codes &= bytes <= CODE_MAX && shape != SHAPE_OTHER;
}

struct stream_words
stream_words(struct span t, size_t from, const struct stream_asked *asked)
{
	struct stream_words w = { .open = t.n, .plain = true };
	struct row row = { .open = false };
	size_t han = t.n;

	for (size_t i = from, start = from, end; i < t.n; i = end) {
		bool over, special = false;
		if (open_separates(t.p[i])) {
			end = i + 1;
			if (!is_one_of(t.p[i], "([{\""))
				start = end;
			continue;
		}
		end = token_end(t, i, &over);
		if (!over) {
			w.open = start;
			break;
		}
		if (is_wide(t, i)) {
			w.plain = false;
			if (han == t.n && t.n - i <= HAN_REACH)
				han = i;
			start = end;
			continue;
		}
		enum shape shape = shape_of(t, i, end, asked, &special);
		w.plain &= !special && shape <= SHAPE_BEGINS;
		row_add(&row, shape, start, end - i);
		start = end;
	}
	if (row.open && row.start < w.open) {
		w.open = row.start;
		size_t reach = row.codes ? CODES_REACH : WORDS_REACH;
		if (t.n - w.open > reach)
			w.open = token_start(t, t.n - reach, from);
	}
	if (han < w.open)
		w.open = han;
	return w;
}
