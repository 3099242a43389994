/* Reads words and runs of words for the finders of names. A name lies in a run: capitalized
 * words with one space between them, initials, and the small words between.
 *
 * Most capitalized words stand alone, and nothing next to them makes a name of them. The early
 * reject at the end of this file skips only words in which the finders would find nothing; all
 * others are read and passed to the finders. */
#include "scan/detect/names/names_run.h"

#include "base/among.h"
#include "base/ascii.h"
#include "base/utf8.h"

enum { WORD_MAX = 64, BACK_GAP = 8, TAGS_MAX = 36 };

/* Returns the length of the apostrophe at i in bytes, or 0. */
static unsigned
apostrophe(struct span t, size_t i)
{
	if (t.p[i] == '\'')
		return 1;
	/* the letters U+02BB and U+02BC of Hawaiian and Ukrainian */
	if (t.p[i] == '\xca' && i + 1 < t.n && (t.p[i + 1] == '\xbb' || t.p[i + 1] == '\xbc'))
		return 2;
	return i + 2 < t.n && t.p[i] == '\xe2' && t.p[i + 1] == '\x80' && t.p[i + 2] == '\x99'
		       ? 3
		       : 0;
}

static bool
letter_at(struct span t, size_t i)
{
	unsigned n;
	uint64_t folded;

	return i < t.n && glyph_at(t, i, &n, &folded) != LETTER_NONE;
}

/* Returns true if the apostrophe at i is that of a possessive 's. */
static bool
possessive_at(struct span t, size_t i, unsigned n)
{
	return i + n < t.n && (t.p[i + n] == 's' || t.p[i + n] == 'S') &&
	       !letter_at(t, i + n + 1);
}

/* Returns the length in bytes of a character at i that may be inside a word, or 0. */
static unsigned
word_joint(struct span t, size_t start, size_t i, size_t letters)
{
	unsigned n = apostrophe(t, i);

	if (n)
		return letter_at(t, i + n) && !possessive_at(t, i, n) ? n : 0;
	if (t.p[i] == '-' && letter_at(t, i + 1))
		return 1;
	/* S.p.A., e.V.: single letters with dots */
	if (t.p[i] == '.' && letters == 1 && i == start + 1 && letter_at(t, i + 1) &&
		!letter_at(t, i + 2))
		return 1;
	return 0;
}

/* The state of reading one word. */
struct reading {
	uint64_t hash, part; /* hash of the word, and of the part after the last hyphen */
	uint32_t parts;	     /* flags of the parts so far */
	size_t letters, upper, lower;
	unsigned nparts;
};

static void
end_part(const struct names_sweep *w, struct reading *r)
{
	uint32_t f = names_flags(w->t, r->part);

	r->parts = r->nparts ? (r->parts & f & W_GIVEN) | ((r->parts | f) & W_SURNAME) : f;
	r->nparts++;
	r->part = HASH_SEED;
}

/* Reads the letters that a word begins with, Han excepted, and returns their end. Most words
 * consist only of these. */
static size_t
read_plain(struct span t, size_t at, struct reading *r)
{
	size_t i = at, to = t.n - at < WORD_MAX ? t.n : at + WORD_MAX, upper = 0, lower = 0;
	uint64_t h = HASH_SEED, folded;
	unsigned n;

	for (; i < to; i++) {
		unsigned char small = (unsigned char)(t.p[i] | 0x20);
		if ((unsigned char)(small - 'a') >= 26)
			break;
		h = hash_step(h, small);
		upper += small != (unsigned char)t.p[i];
	}
	lower = i - at - upper;
	for (r->letters = i - at; i < to; i += n, r->letters++) {
		enum letter k = glyph_at_alpha(t, i, &n, &folded);
		if (k == LETTER_NONE || k == LETTER_HAN)
			break;
		h = folded ? hash_step(h, folded) : h;
		upper += k == LETTER_UPPER;
		lower += k == LETTER_LOWER;
	}
	r->hash = r->part = h;
	r->upper = upper;
	r->lower = lower;
	return i;
}

/* Returns true if neither a letter nor a character that may join letters is at i. */
static bool
word_ends(struct span t, size_t i)
{
	return i >= t.n || ((unsigned char)t.p[i] < 0x80 && !is_alpha(t.p[i]) &&
				   t.p[i] != '\'' && t.p[i] != '-' && t.p[i] != '.');
}

static size_t
read_letters(const struct names_sweep *w, size_t at, struct word *out, struct reading *r)
{
	struct span t = w->text;
	size_t i = read_plain(t, at, r);

	if (word_ends(t, i))
		return i;
	while (i < t.n && i - at < WORD_MAX) {
		unsigned n;
		uint64_t folded;
		enum letter k = glyph_at(t, i, &n, &folded);
		if (k == LETTER_HAN && out->first != LETTER_HAN)
			break;
		if (k == LETTER_NONE) {
			n = word_joint(t, at, i, r->letters);
			if (!n)
				break;
			if (t.p[i] == '-') {
				end_part(w, r);
				r->hash = hash_step(r->hash, '-');
			} else if (t.p[i] == '.') {
				r->letters--;
				at = i + 1; /* the next letter counts as the first again */
			}
			i += n;
			continue;
		}
		if (folded) {
			r->hash = hash_step(r->hash, folded);
			r->part = hash_step(r->part, folded);
		}
		r->letters++;
		r->upper += k == LETTER_UPPER;
		r->lower += k == LETTER_LOWER;
		i += n;
	}
	return i;
}

/* clang-format off */
/* The characters that are sufficient directly before or after a word to show that it is code. */
static const bool code_before[256] = {
	['_'] = 1, ['/'] = 1, ['\\'] = 1, ['@'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,
	['&'] = 1, ['~'] = 1, ['^'] = 1, ['`'] = 1, ['{'] = 1, ['+'] = 1, ['<'] = 1,
	['0' ... '9'] = 1,
};
static const bool code_after[256] = {
	['_'] = 1, ['('] = 1, ['\\'] = 1, ['@'] = 1, ['='] = 1, ['{'] = 1, ['['] = 1,
	['`'] = 1, ['+'] = 1, ['~'] = 1, ['^'] = 1, ['%'] = 1, ['$'] = 1, ['#'] = 1,
	['0' ... '9'] = 1,
};
/* clang-format on */

/* Returns true if characters of code touch the word: foo.Bar, Foo(), Foo::bar, a/Foo. */
static bool
touches_code(struct span t, size_t start, size_t end)
{
	char b = start > 0 ? t.p[start - 1] : ' ', c = end < t.n ? t.p[end] : ' ';
	char d = end + 1 < t.n ? t.p[end + 1] : ' ';

	if (b == ' ' && c == ' ')
		return false;
	/* A line that a diff adds, and {+new+} of a word diff, may mark any text. */
	if (b == '+' && (start == 1 || is_one_of(t.p[start - 2], "\n{")))
		b = ' ';
	if (c == '+' && d == '}')
		c = ' ';
	if (code_before[(unsigned char)b] || code_after[(unsigned char)c])
		return true;
	if (b == '.' && start > 1 && t.p[start - 2] != '.' && t.p[start - 2] != ' ' &&
		!is_upper(t.p[start - 2]))
		return true;
	if (c == '.')
		return (is_alnum(d) || d == '_') && end - start > 1;
	return (c == ':' && d == ':') || (c == '-' && d == '>') || (c == '/' && is_lower(d));
}

/* Returns true for ItemType and ClickHouse, but not for names such as McKee, MacDonald and
 * DeLuca. */
static bool
has_hump(struct span word)
{
	static const char *const parts[] = { "mc", "mac", "de", "del", "della", "di", "da",
		"dos", "du", "la", "le", "van", "von", "fitz", "ap", "al", "el", "ben", "ibn",
		"abu", "san", "st", "o", "te", "ter", "vander" };

	for (size_t i = 1; word.n > 5 && i < word.n; i++) {
		if (!is_upper(word.p[i]) || !is_lower(word.p[i - 1]))
			continue;
		return !SPAN_AMONG(span_cut(word, 0, i), parts, span_ieq);
	}
	return false;
}

bool
word_read(const struct names_sweep *w, size_t at, struct word *out)
{
	struct span t = w->text;
	struct reading r = { .parts = 0 };
	unsigned n;
	uint64_t folded;

	if (at >= t.n)
		return false;
	*out = (struct word){ .start = at, .first = glyph_at_alpha(t, at, &n, &folded) };
	if (out->first == LETTER_NONE)
		return false;
	out->end = read_letters(w, at, out, &r);
	out->hash = r.hash;
	out->initial = r.letters == 1 && out->first == LETTER_UPPER;
	out->caps = r.letters > 1 && r.upper == r.letters;
	out->flags = names_flags(w->t, r.hash);
	if (r.nparts && !(out->flags & ~(uint32_t)W_MORE)) {
		end_part(w, &r);
		out->flags |= r.parts & W_NAME;
	}
	if (!(out->flags & ~(uint32_t)W_MORE) && out->first == LETTER_UPPER &&
		names_surname_end(w->t, span_cut(t, at, out->end)))
		out->flags |= W_SURNAME;
	n = out->end < t.n ? apostrophe(t, out->end) : 0;
	out->possessive = n && n != 2 && possessive_at(t, out->end, n);
	out->dot = out->end < t.n && t.p[out->end] == '.';
	out->code = touches_code(t, out->start, out->end);
	if (r.upper > 1 && !out->caps && r.lower && r.upper > 2 + r.nparts)
		out->code = true; /* camelCase with many humps */
	out->hump = r.upper > 1 && !out->caps && r.lower && !(out->flags & W_NAME) &&
		    has_hump(span_cut(t, out->start, out->end));
	return true;
}

bool
word_stands_out(const struct names_sweep *w, const struct word *word)
{
	if (word->first == LETTER_UPPER || word->first == LETTER_OTHER ||
		(w->titled && word->start == w->titled))
		return true;
	return w->lower && word->first == LETTER_LOWER &&
	       word->flags & (W_NAME | W_PLACE | W_NATION) && !(word->flags & W_COMMON);
}

/* ---- runs ---- */

static bool
is_small(struct span s)
{
	return s.n < 4 && SPAN_IN(s, names_small);
}

/* Returns where the next word of a run after `last` begins, or 0 if the run ends. */
static size_t
next_place(const struct names_sweep *w, struct word *last)
{
	struct span t = w->text;
	size_t i = last->end;

	if (last->possessive || i >= t.n)
		return 0;
	if (last->dot &&
		(last->initial || last->flags & W_TITLE || last->end - last->start <= 2)) {
		i++;
		if (i < t.n && t.p[i] != ' ')
			return letter_at(t, i) && last->initial ? i : 0;
	}
	if (i < t.n && t.p[i] == ',' && i + 1 < t.n && t.p[i + 1] == ' ') {
		last->comma = true;
		i++;
	}
	size_t next = span_past_set(span_cut(t, 0, i + 2), i, " ");
	return next > i ? next : 0;
}

static bool
read_next(const struct names_sweep *w, size_t at, struct word *out)
{
	if (at < w->text.n && w->text.p[at] == '&') {
		*out = (struct word){ .start = at, .end = at + 1, .first = LETTER_NONE };
		out->hash = hash_step(HASH_SEED, '&');
		return true;
	}
	return word_read(w, at, out);
}

/* Returns the end of the word in small ASCII letters at `at`, or `at` if there is none or the
 * word has other characters. */
static size_t
small_word(struct span t, size_t at)
{
	size_t i = span_past(t, at, is_lower);

	return i < t.n && (is_letter(t.p[i]) || t.p[i] == '\'' || t.p[i] == '-' ||
				  (t.p[i] == '.' && i == at + 1))
		       ? at
		       : i;
}

static bool
small_joins(const struct names_sweep *w, struct span s)
{
	uint64_t h = HASH_SEED;

	if (is_small(s))
		return true;
	if (s.n > names_particle_max(w->t))
		return false;
	for (size_t i = 0; i < s.n; i++)
		h = hash_step(h, (unsigned char)s.p[i]);
	return names_flags_small(w->t, h) & W_PARTICLE;
}

/* Early reject of the text at `at` after a run. Returns true if at most `most` small words
 * follow and then none that belongs to the run. Returns false for anything that is not plain
 * small letters. */
static bool
run_ends(const struct names_sweep *w, size_t at, size_t most)
{
	struct span t = w->text;

	if (w->lower)
		return false;
	for (size_t k = 0; at < t.n && is_lower(t.p[at]); k++) {
		if (k == most || !names_particle_begins(w->t, span_of(t.p + at, t.n - at)))
			return true;
		size_t end = small_word(t, at);
		if (end == at)
			return false;
		if (!small_joins(w, span_of(t.p + at, end - at)))
			return true;
		at = end;
		if (at == t.n)
			return true;
		if (t.p[at] == ',' || t.p[at] == '.')
			return false;
		if (t.p[at] != ' ')
			return true;
		at += at + 1 < t.n && t.p[at + 1] == ' ' ? 2 : 1;
	}
	return false;
}

/* Looks up the terms of several words that begin at word i. */
static void
read_terms(const struct names_sweep *w, struct run *run, size_t i)
{
	uint64_t h = run->w[i].hash;
	uint32_t f = run->w[i].flags;
	size_t n = 1;

	while (f & W_MORE && i + n < run->n && !run->w[i + n - 1].comma) {
		struct span word = span_of(w->text.p + run->w[i + n].start,
			run->w[i + n].end - run->w[i + n].start);
		uint64_t folded;
		unsigned len;
		h = hash_step(h, ' ');
		for (size_t k = 0; k < word.n; k += len) {
			enum letter kind = glyph_at(word, k, &len, &folded);
			if (kind != LETTER_NONE && folded)
				h = hash_step(h, folded);
			else if (kind == LETTER_NONE && (word.p[k] == '-' || word.p[k] == '&'))
				h = hash_step(h, (unsigned char)word.p[k]);
		}
		f = names_flags(w->t, h);
		run->terms[i][n++ - 1] = f;
	}
	run->nterms[i] = (uint8_t)(n - 1);
}

/* Collects the flags of the run's words and terms. */
static void
sum_up(const struct names_sweep *w, struct run *run)
{
	run->any = 0;
	run->all = ~0u;
	run->initials = false;
	for (size_t i = 0; i < run->n; i++) {
		const struct word *x = &run->w[i];
		run->any |= x->flags;
		run->all &= x->flags;
		run->initials |= x->initial;
		run->nterms[i] = 0;
		if (x->flags & W_MORE)
			read_terms(w, run, i);
		for (size_t k = 0; k < run->nterms[i]; k++)
			run->any |= run->terms[i][k];
	}
	run->any &= ~(uint32_t)W_MORE;
}

void
run_read(const struct names_sweep *w, struct run *run)
{
	size_t solid = 1; /* number of words up to the last capitalized one */

	run->n = 1;
	while (run->n < RUN_MAX) {
		struct word *last = &run->w[run->n - 1], *next = &run->w[run->n];
		size_t i = next_place(w, last), small = run->n - solid;
		if (!i || last->code || run_ends(w, i, last->comma ? 0 : SMALL_WORDS - small) ||
			!read_next(w, i, next) || next->code)
			break;
		if (word_stands_out(w, next))
			solid = run->n + 1;
		else if (last->comma || small >= SMALL_WORDS ||
			 !(next->flags & W_PARTICLE ||
				 is_small(span_cut(w->text, next->start, next->end))))
			break;
		run->n++;
	}
	run->n = solid;
	run->w[run->n - 1].comma = false;
	sum_up(w, run);
}

size_t
run_terms(const struct run *run, size_t i, uint32_t want, uint32_t *flags)
{
	size_t best = run->w[i].flags & want ? 1 : 0;

	for (size_t n = 0; n < run->nterms[i]; n++)
		if (run->terms[i][n] & want) {
			best = n + 2;
			*flags = run->terms[i][n];
		}
	return best;
}

/* ---- words around a place ---- */

/* clang-format off */
static const bool gaps[256] = {
	[' '] = 1, ['\t'] = 1, ['\r'] = 1, ['\n'] = 1, [':'] = 1, ['"'] = 1, ['\''] = 1,
	['='] = 1, [','] = 1, ['('] = 1, ['['] = 1, ['*'] = 1, ['-'] = 1, ['>'] = 1, ['.'] = 1,
};
/* clang-format on */

/* Returns the length of the character that ends at i if it may stand between a cue and a name,
 * or 0. */
static inline unsigned
gap_at(struct span t, size_t i)
{
	if (gaps[(unsigned char)t.p[i]])
		return 1;
	/* a fullwidth colon */
	return t.p[i] == '\x9a' && i >= 2 && !memcmp(t.p + i - 2, "\xef\xbc\x9a", 3) ? 3 : 0;
}

/* Returns where the tag of markup that ends before i begins, or i: "Name:</b> Jane", and
 * "<td>Name</td><td>Jane</td>". A tag whose name leads to a person's name is none: "<name>Jane". */
static size_t
before_tag(const struct names_sweep *w, size_t i)
{
	enum { MOST = 12 };
	const struct span cdata = SPAN_LIT("<![CDATA[");
	struct span t = w->text;
	size_t from = i - 1;

	if (i > cdata.n && span_eq(span_cut(t, i - cdata.n, i), cdata))
		return i - cdata.n;

	while (from > 0 && i - from < MOST && is_alnum(t.p[from - 1]))
		from--;
	bool closes = from > 0 && t.p[from - 1] == '/';
	from -= closes;
	if (i - from < 2 || from < 2 || t.p[from - 1] != '<' ||
		(!closes && names_lead_ends(w->t, span_of(t.p, i - 1), false)))
		return i;
	return from - 1;
}

/* Returns where the word that ends at `end` begins. camelCase counts as two words. */
static size_t
word_start(struct span t, size_t end)
{
	size_t i = end;
	enum letter last = LETTER_NONE;

	while (i > 0 && end - i < WORD_MAX) {
		size_t b = utf8_before(t.p, i);
		unsigned n;
		uint64_t folded;
		enum letter k = glyph_at(t, b, &n, &folded);
		if (k == LETTER_NONE &&
			!(t.p[b] == '\'' && i < end && b > 0 && letter_at(t, b - 1)))
			break;
		if (last == LETTER_UPPER && k == LETTER_LOWER)
			break;
		last = k;
		i = b;
	}
	return i;
}

/* Returns the hash of the words k-1 to 0; word 0 is the last one in the text. */
static uint64_t
hash_back(struct span t, const size_t *from, const size_t *to, size_t k)
{
	uint64_t h = HASH_SEED;

	for (size_t i = k; i-- > 0;) {
		uint64_t folded;
		unsigned n;
		if (i + 1 < k)
			h = hash_step(h, ' ');
		for (size_t b = from[i]; b < to[i]; b += n)
			if (glyph_at(t, b, &n, &folded) != LETTER_NONE && folded)
				h = hash_step(h, folded);
	}
	return h;
}

/* Reads the words before `at`, at most `max`, from the last to the first. Returns their number. */
static size_t
read_back(struct span t, size_t at, size_t *from, size_t *to, size_t max)
{
	size_t k = 0, i = at;

	while (k < max && i > 0) {
		size_t b = word_start(t, i);
		if (b == i)
			break;
		from[k] = b;
		to[k++] = i;
		if (k == max)
			break;
		i = b;
		if (i > 0 && strchr(" _-\n.", t.p[i - 1]) && t.p[i - 1])
			i--;
		else if (i == 0 || !letter_at(t, utf8_before(t.p, i)))
			break;
		if (i > 1 && t.p[i - 1] == '.' && t.p[i] == ' ')
			i--; /* "Dr. med." */
	}
	return k;
}

/* Reads the words that end at `end` into the cache. Separate from words_before(), so that the
 * early reject there needs no stack frame. */
__attribute__((noinline)) static void
look_back(struct names_sweep *w, struct looked *l, size_t end)
{
	struct span t = w->text;
	size_t to[BACK_WORDS], k = read_back(t, end, l->from, to, 1);

	/* The end of a hexadecimal number is no word: "78ba". */
	if (k == 0 || (l->from[0] > 0 && is_digit(t.p[l->from[0] - 1])))
		return;
	l->flags[0] = names_flags_small(w->t, hash_back(t, l->from, to, 1));
	/* The end of a domain is no title: "x@example.fr". */
	if (l->from[0] > 0 && t.p[l->from[0] - 1] == '.' && is_lower(t.p[l->from[0]]) &&
		!l->dot)
		l->flags[0] &= ~(uint32_t)W_TITLE;
	l->n = 1;
	if (l->flags[0] & W_LAST && (k = read_back(t, end, l->from, to, BACK_WORDS)) > 1)
		for (; l->n < k; l->n++)
			l->flags[l->n] =
				names_flags_small(w->t, hash_back(t, l->from, to, l->n + 1));
}

uint32_t
words_before(struct names_sweep *w, size_t at, uint32_t want, bool *label, size_t *start)
{
	struct span t = w->text;
	struct looked *l = &w->back[at % BACKS];
	size_t i = at;
	unsigned n;

	if (l->at != at || at == 0) {
		bool mark = false, dot = false;
		size_t tags = 0; /* bytes of tags in the gap */
		for (; i > 0 && at - i - tags < BACK_GAP && (n = gap_at(t, i - 1)); i -= n) {
			char c = t.p[i - 1];
			size_t tag = c == '>' || c == '[' ? before_tag(w, i) : i;
			if (tag < i && tags < TAGS_MAX) {
				tags += i - tag;
				i = tag;
				n = 0;
				mark |= c == '>';
				continue;
			}
			mark |= n == 3 || c == ':' || c == '=' || c == '"';
			dot |= c == '.';
		}
		if (i == at || i == 0 || !names_lead_ends(w->t, span_of(t.p, i), dot))
			return 0;
		*l = (struct looked){ .at = at, .label = mark, .dot = dot };
		look_back(w, l, i);
	}
	*label = l->label;
	if (l->dot)
		want &= W_LEAD_DOT;
	for (size_t k = l->n; k > 0; k--) {
		*start = l->from[k - 1];
		if (l->flags[k - 1] & want)
			return l->flags[k - 1] & want;
	}
	return 0;
}

uint32_t
word_ending(const struct names_sweep *w, size_t end)
{
	size_t from, to;

	return read_back(w->text, end, &from, &to, 1)
		       ? names_flags_small(w->t, hash_back(w->text, &from, &to, 1))
		       : 0;
}

uint32_t
word_after(const struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	uint64_t folded, h = HASH_SEED;
	unsigned n;
	size_t from;

	if (at < t.n && t.p[at] == ',')
		at++;
	if (at < t.n && t.p[at] == ' ')
		at++;
	if (!names_after_begins(w->t, span_cut(t, at, t.n)))
		return 0;
	for (from = at; at < t.n && at - from < WORD_MAX; at += n) {
		if (glyph_at(t, at, &n, &folded) == LETTER_NONE)
			break;
		h = folded ? hash_step(h, folded) : h;
	}
	return at > from ? names_flags_small(w->t, h) : 0;
}

bool
sentence_begins(struct span t, size_t at)
{
	size_t i = span_back_set(t, at, 0, " \"\t");

	return i == 0 || strchr(".!?\n*-#>|:", t.p[i - 1]);
}

/* ---- the early reject ---- */

enum {
	LONG = 24, /* bytes of the longest word that is judged */
	ROOM = 32, /* bytes from the word's beginning on that must exist, because they may be
		    * read */
};

/* The highest score of a single word without a cue before it or a number next to it. */
#define WORTH_PERSON 0.25f /* an ordinary word that is also a name */
#define WORTH_PLACE  0.38f /* a region */
#define WORTH_NATION 0.40f

bool
words_rejectable(const struct names_sweep *w)
{
	return !w->lower && !w->key &&
	       w->threshold[FIND_PERSON] > WORTH_PERSON + 0.01f &&
	       w->threshold[FIND_PLACE] > WORTH_PLACE + 0.01f &&
	       w->threshold[FIND_NATION] > WORTH_NATION + 0.01f;
}

/* Returns true if no other word follows in a run. [at, end) contains only letters. */
static bool
alone(const struct names_sweep *w, size_t at, size_t end)
{
	const char *p = w->text.p + end;

	switch (p[0]) {
	case ' ': return run_ends(w, end + 1 + (p[1] == ' '), SMALL_WORDS);
	case ',': return p[1] != ' ' || run_ends(w, end + 2 + (p[2] == ' '), 0);
	case '.': return end - at > 2;
	case '-': return (unsigned char)p[1] < 0x80 && !is_alpha(p[1]);
	case '\'': return false;
	default: return (unsigned char)p[0] < 0x80 || memcmp(p, "\xe2\x80\x99", 3) != 0;
	}
}

/* Returns true if a word with these flags cannot be a name when it stands alone. */
static bool
is_little(const struct names_sweep *w, size_t at, size_t end, uint32_t flags)
{
	struct span word = span_of(w->text.p + at, end - at);
	bool initial = word.n == 1 || (word.n == 2 && is_high(word.p[0]));

	if (flags & (W_COUNTRY | W_STREET) || (flags & W_TITLE && w->text.p[end] == '.'))
		return false;
	if (flags & W_NAME && !(flags & W_COMMON) && !initial)
		return false;
	if (flags & W_PLACE && place_stands_out(w->text, at, end))
		return false;
	if (!(flags & ~(uint32_t)W_MORE) && names_surname_end(w->t, word))
		return false;
	return flags & (W_COMMON | W_GIVEN) || !names_street_end(w->t, word);
}

/* Returns the end of the letters of one word from `at` on, and sets *hash. Returns 0 if the word
 * is too long. */
static inline size_t
letters_from(struct span t, size_t at, uint64_t *hash)
{
	uint64_t h = HASH_SEED, folded;
	unsigned n;
	size_t i = at;

	for (; i - at < LONG; i++) {
		unsigned char c = (unsigned char)(t.p[i] | 0x20);
		if ((unsigned char)(c - 'a') >= 26)
			break;
		h = hash_step(h, c);
	}
	for (; is_letter(t.p[i]); i += n) {
		enum letter k = glyph_at_alpha(t, i, &n, &folded);
		if (k == LETTER_NONE || k == LETTER_HAN)
			break;
		if (i - at >= LONG)
			return 0;
		h = folded ? hash_step(h, folded) : h;
	}
	*hash = h;
	return i;
}

/* Returns true if a word before it leads to a name or to a street. */
static bool
is_led(struct names_sweep *w, size_t at)
{
	bool label;
	size_t start;

	return words_before(w, at, W_LEAD | W_PARTICLE, &label, &start) &&
	       (words_before(w, at, W_LEAD, &label, &start) || street_leads(w, at) ||
		       words_before(w, past_particles(w, at), W_LEAD, &label, &start));
}

size_t
word_rejected(struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	uint64_t h;
	size_t end = t.n - at < ROOM ? 0 : letters_from(t, at, &h);

	if (!end || !alone(w, at, end))
		return 0;
	if ((at > 0 && code_before[(unsigned char)t.p[at - 1]]) ||
		code_after[(unsigned char)t.p[end]])
		return end;
	if (is_little(w, at, end, names_flags(w->t, h)) && !is_led(w, at))
		return end;
	return touches_code(t, at, end) ? end : 0;
}

size_t
word_unknown(const struct names_sweep *w, size_t at)
{
	uint64_t h;
	size_t end = w->text.n - at < ROOM ? 0 : letters_from(w->text, at, &h);

	return end && word_ends(w->text, end) && !known_maybe(w, h) ? end : 0;
}
