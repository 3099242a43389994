/* The field behind a label, a key or in a column: "Name: Jane Roe", {"name": "Jane Roe"}, a cell
 * below "Name". A field ends at the line's end, at a quote, at a separator of columns or at the
 * end of a sentence. If all of its words are written as those of names, the field as a whole is
 * the name, so that no part of it is left.
 *
 * A word such as "name" or "owner" may also name a step, a package or a company (key_weak.txt).
 * Behind it a field counts only if it looks like a person's name, or if a key of personal data
 * such as "email" is next to it (beside.txt). The rule is the same in every format. */
#include "base/among.h"
#include "base/ascii.h"
#include "base/effort.h"
#include "base/utf8.h"
#include "scan/detect/names/names_run.h"

enum { FIELD_WORDS = 8, BESIDE_BYTES = 320 };

/* ---- the end of a field ---- */

enum stop { STOP_NONE, STOP_END, STOP_CODE };

/* Returns what the character at i does to a field: it ends the field, it shows that the words are
 * no name, or neither. A word of the field ends at i. */
static enum stop
stop_at(struct span t, size_t i)
{
	if (i >= t.n)
		return STOP_END;
	char c = t.p[i], next = i + 1 < t.n ? t.p[i + 1] : '\n';
	if (c == ' ')
		return next == ' ' || is_digit(next) || !(is_letter(next) || next == '\'')
			       ? STOP_END
			       : STOP_NONE;
	if (c == '.')
		return is_space(next) || is_one_of(next, "\"'<*`") ? STOP_END : STOP_CODE;
	return is_alnum(c) || is_one_of(c, ":=/_@&#$%+~^-{[") ? STOP_CODE : STOP_END;
}

/* ---- the words of a field ---- */

static bool
is_capital_at(struct span t, size_t i)
{
	unsigned n;
	uint64_t folded;

	return i < t.n && glyph_at(t, i, &n, &folded) == LETTER_UPPER;
}

/* Returns the length of a small part of a name that is no word of letters: 't, a/l, d/o. */
static size_t
small_mark(struct span t, size_t i)
{
	if (i + 2 < t.n && t.p[i] == '\'' && is_lower(t.p[i + 1]) && t.p[i + 2] == ' ')
		return 2;
	return i + 3 < t.n && is_lower(t.p[i]) && t.p[i + 1] == '/' && is_lower(t.p[i + 2]) &&
			       t.p[i + 3] == ' '
		       ? 3
		       : 0;
}

/* Returns true for al-Zahra and d'Ormesson: at most three small letters, and a capital after a
 * hyphen or an apostrophe. */
static bool
has_small_prefix(struct span t, const struct word *x)
{
	enum { MOST = 3 };
	size_t i = span_past(span_cut(t, 0, x->start + MOST), x->start, is_lower);

	if (i == x->start || i >= t.n)
		return false;
	return is_capital_at(t, i + (t.p[i] == '\xe2' ? 3 : 1)) &&
	       (is_one_of(t.p[i], "-'") || t.p[i] == '\xe2');
}

static bool
is_suffix(struct span word)
{
	static const char *const suffixes[] = { "Jr", "Sr", "II", "III", "IV", "MD", "PhD", "Esq" };

	return SPAN_IN(word, suffixes);
}

/* Returns true if the word is written as a word of a name is, and counts it in *f. *small: the
 * word joins others. */
static bool
count_word(const struct names_sweep *w, const struct word *x, struct field *f, bool *small)
{
	bool weak = x->flags & W_NAME && x->flags & (W_COMMON | W_NEVER | W_NATION);

	*small = false;
	if (x->first == LETTER_LOWER && !word_stands_out(w, x)) {
		if (has_small_prefix(w->text, x)) {
			f->words++;
			f->unknown++;
			return true;
		}
		*small = true;
		return x->flags & W_PARTICLE;
	}
	if (f->words && is_suffix(span_cut(w->text, x->start, x->end)))
		return true;
	if (x->code || x->hump || x->possessive || x->first == LETTER_NONE ||
		x->first == LETTER_HAN || (x->flags & W_NEVER && !(x->flags & W_NAME)))
		return false;
	if (x->initial) {
		f->initials++;
		f->dotted |= x->dot;
		return true;
	}
	if (f->words && x->flags & W_PARTICLE && !(x->flags & W_NAME))
		return true; /* Mac, Ní, El */
	f->words++;
	if (!(x->flags & W_NAME)) {
		f->unknown++;
		f->ordinary += (x->flags & (W_COMMON | W_NEVER | W_NATION | W_COUNTRY | W_ORG |
						   W_FACILITY | W_STREET)) != 0;
		f->caps += x->caps;
	}
	f->weak += weak;
	f->given += !weak && x->flags & W_GIVEN;
	f->surname += !weak && x->flags & W_SURNAME;
	if (f->words == 1) {
		f->given_first = !weak && x->flags & W_GIVEN && !f->initials;
		f->given_alone = x->flags & W_GIVEN && !(x->flags & W_COMMON);
	}
	f->surname_last = x->flags & W_SURNAME;
	return true;
}

/* Reads words from *at on until the field ends or a word is none of a name. *at moves after the
 * last word. Returns true if the field ended. */
static bool
field_words(const struct names_sweep *w, size_t *at, struct field *f)
{
	struct span t = w->text;
	bool small = false;
	size_t i = *at;

	for (size_t n = 0; n < FIELD_WORDS; n++) {
		struct word x;
		size_t mark = small_mark(t, i);
		if (mark) {
			i += mark + 1;
			continue;
		}
		if (!word_read(w, i, &x))
			return false;
		bool initial = x.end - x.start <= 3 && x.dot;
		size_t end = x.end + initial;
		/* "J.R." and "Jr." may be followed by the next word without a space */
		bool joined = initial && x.initial && is_capital_at(t, end);
		x.code &= !joined;
		if (!count_word(w, &x, f, &small))
			return false;
		enum stop stop = joined ? STOP_NONE : stop_at(t, end);
		if (stop == STOP_CODE)
			return false;
		*at = x.dot && initial && !x.initial && stop == STOP_END ? x.end : end;
		if (stop == STOP_END)
			return !small;
		i = end + !joined;
	}
	return false;
}

/* Reads ", Jane" after a family name. Returns false if no given name follows the comma. */
static bool
read_given(const struct names_sweep *w, struct field *f)
{
	struct field g = { .from = f->end };
	struct span t = w->text;
	size_t at = f->end + 2;

	if (f->words > 3 || at >= t.n || t.p[f->end] != ',' || t.p[f->end + 1] != ' ' ||
		!is_letter(t.p[at]) || !field_words(w, &at, &g) || g.words > 3)
		return false;
	/* "Smith, Zyx": a given name, or one word on each side that is no known given name */
	if (!g.given_first && !(g.weak && f->surname_last) &&
		!(f->words == 1 && !f->given && g.words + g.initials <= 2 && !g.ordinary &&
			(at >= t.n || t.p[at] != ',')))
		return false;
	f->end = at;
	f->comma = true;
	f->words += g.words;
	f->initials += g.initials;
	f->dotted |= g.dotted;
	f->given += g.given;
	f->surname += g.surname;
	f->weak += g.weak;
	f->unknown += g.unknown;
	f->ordinary += g.ordinary;
	return true;
}

void
field_read(const struct names_sweep *w, size_t at, struct field *f)
{
	*f = (struct field){ .from = at, .end = at };
	f->whole = field_words(w, &f->end, f) && f->words > 0;
	if (f->whole)
		read_given(w, f);
	effort_add(4 * (f->end - at) + 16);
}

/* ---- keys next to a field ---- */

/* Returns true if a key of beside.txt ends before the colon, equals sign or tag's end at i. */
static bool
is_beside_key(struct names_sweep *w, size_t i)
{
	bool label;
	size_t start;

	return words_before(w, i + 1, W_BESIDE, &label, &start) &&
	       (label || (start > 0 && w->text.p[start - 1] == '<'));
}

static bool
is_item(struct span t, size_t line)
{
	size_t i = span_past_set(t, line, " \t");

	return i + 1 < t.n && t.p[i] == '-' && t.p[i + 1] == ' ';
}

/* Returns true if the record ends at i, looking forward (step 1) or backward. */
static bool
record_ends(struct span t, size_t i, bool back, int *depth)
{
	char c = t.p[i];

	if (c == '{' || c == '}')
		*depth += (c == '{') == back ? -1 : 1;
	if (*depth < 0)
		return true;
	if (c != '\n')
		return false;
	if (back)
		return i > 0 && t.p[i - 1] == '\n';
	return i + 1 >= t.n || t.p[i + 1] == '\n' || is_item(t, i + 1);
}

bool
field_beside(struct names_sweep *w, const struct field *f)
{
	struct span t = w->text;
	int depth = 0;
	size_t from = f->from > BESIDE_BYTES ? f->from - BESIDE_BYTES : 0;

	effort_add(BESIDE_BYTES);
	for (size_t i = f->end; i < t.n && i < f->end + BESIDE_BYTES; i++) {
		if (record_ends(t, i, false, &depth))
			break;
		if (is_one_of(t.p[i], ":=>") && is_beside_key(w, i))
			return true;
	}
	depth = 0;
	for (size_t i = f->from; i-- > from;) {
		if (record_ends(t, i, true, &depth))
			break;
		if (is_one_of(t.p[i], ":=>") && is_beside_key(w, i))
			return true;
		/* the first line of this item of a list was read */
		if (i > 0 && t.p[i - 1] == '\n' && is_item(t, i))
			break;
	}
	return false;
}

/* ---- the rule ---- */

bool
field_is_name(const struct field *f, enum field_lead lead, bool beside)
{
	size_t parts = f->words + f->initials;

	if (!f->whole || f->words > 6)
		return false;
	if (beside || lead == LEAD_SURE)
		return f->ordinary < f->words;
	size_t listed = f->given + f->surname + f->weak;
	if (f->comma)
		return listed > 1;
	if (lead == LEAD_LABEL)
		return parts == 1 ? f->given_alone : 2 * f->ordinary <= f->words && (listed || !f->caps);
	if (f->ordinary || parts == 1)
		return false;
	if (f->dotted)
		return true;
	return f->given_first ? f->caps < f->words : listed > 1 && f->given + f->surname > 0;
}
