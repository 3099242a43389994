/* Words and runs of words, as the finders of names see them. A run is what a name is
 * made of: capitalised words one blank apart, initials, and the small words between. */
#include "detect/names_run.h"

enum { WORD_MAX = 64, BACK_WORDS = 4, BACK_GAP = 8 };

/* Endings of family names, of words in no list. */
static const char *const surname_ends[] = { "ovic", "evic", "enko", "inski", "owski", "ewski",
	"inska", "owska", "ewska", "ovsky", "czyk", "wicz", "sson", "sdottir", "dottir",
	"shvili", "adze", "idze", "yan", "oglu", "poulos", "akis", "idis", "escu", "eanu",
	"inen", "auskas", "aite", "kova", "ovna", "ovich", "evich", "strom", "qvist", "quist",
	"gaard", "baum", "bauer", "mann", "huber", "ashvili", "wala", "murthy", "swamy", "raju",
	"pillai" };

static bool
is_mark(struct span t, size_t i, unsigned char last)
{
	return i + 2 < t.n && (unsigned char)t.p[i] == 0xe2 &&
	       (unsigned char)t.p[i + 1] == 0x80 && (unsigned char)t.p[i + 2] == last;
}

/* The bytes of an apostrophe at i, or 0. */
static unsigned
apostrophe(struct span t, size_t i)
{
	return t.p[i] == '\'' ? 1 : is_mark(t, i, 0x99) ? 3 : 0;
}

static bool
is_letter(struct span t, size_t i)
{
	unsigned n;
	uint64_t folded;

	return i < t.n && glyph_at(t, i, &n, &folded) != LETTER_NONE;
}

/* The 's behind a name. */
static bool
possessive_at(struct span t, size_t i, unsigned n)
{
	return i + n < t.n && (t.p[i + n] == 's' || t.p[i + n] == 'S') &&
	       !is_letter(t, i + n + 1);
}

/* What may stand inside a word at i: how many bytes, 0: nothing. */
static unsigned
joint(struct span t, size_t start, size_t i, size_t letters)
{
	unsigned n = apostrophe(t, i);

	if (n)
		return is_letter(t, i + n) && !possessive_at(t, i, n) ? n : 0;
	if (t.p[i] == '-' && is_letter(t, i + 1))
		return 1;
	/* S.p.A., e.V.: letters one by one */
	if (t.p[i] == '.' && letters == 1 && i == start + 1 && is_letter(t, i + 1) &&
		!is_letter(t, i + 2))
		return 1;
	return 0;
}

/* What a word in no list, or of two parts, is by its looks. */
static uint32_t
looks(const struct word *w, uint32_t parts)
{
	size_t n = strlen(w->tail);

	if (parts & W_NAME)
		return parts & W_NAME;
	for (size_t i = 0; i < sizeof(surname_ends) / sizeof(surname_ends[0]); i++) {
		struct span end = span_str(surname_ends[i]);
		if (n >= end.n + 3 && span_ends(span_of(w->tail, n), end))
			return W_SURNAME;
	}
	return 0;
}

struct reading {
	uint64_t hash, part; /* of the word, of what stands since a hyphen */
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

static void
add_tail(struct word *out, uint64_t folded)
{
	size_t n = strlen(out->tail);

	for (; folded & 0xff; folded >>= 32) {
		if (n + 1 == sizeof(out->tail)) {
			memmove(out->tail, out->tail + 1, n);
			n--;
		}
		out->tail[n++] = (folded & 0xffffffff) < 0x80 ? (char)folded : '?';
	}
	out->tail[n] = '\0';
}

static size_t
read_letters(const struct names_sweep *w, size_t at, struct word *out, struct reading *r)
{
	struct span t = w->text;
	size_t i = at;

	while (i < t.n && i - at < WORD_MAX) {
		unsigned n;
		uint64_t folded;
		enum letter k = glyph_at(t, i, &n, &folded);
		if (k == LETTER_HAN && out->first != LETTER_HAN)
			break;
		if (k == LETTER_NONE) {
			n = joint(t, at, i, r->letters);
			if (!n)
				break;
			if (t.p[i] == '-') {
				end_part(w, r);
				r->hash = hash_step(r->hash, '-');
			} else if (t.p[i] == '.') {
				r->letters--;
				at = i + 1; /* the next letter begins anew */
			}
			i += n;
			continue;
		}
		if (folded) {
			r->hash = hash_step(r->hash, folded);
			r->part = hash_step(r->part, folded);
			add_tail(out, folded);
		}
		r->letters++;
		r->upper += k == LETTER_UPPER;
		r->lower += k == LETTER_LOWER;
		i += n;
	}
	return i;
}

static bool
touches_code(struct span t, size_t start, size_t end)
{
	char b = start > 0 ? t.p[start - 1] : ' ', c = end < t.n ? t.p[end] : ' ';
	char d = end + 1 < t.n ? t.p[end + 1] : ' ';

	if (strchr("_/\\@#$%&~^`{+<", b) || is_digit(b) ||
		(b == '.' && start > 1 && t.p[start - 2] != '.' && t.p[start - 2] != ' ' &&
			!is_upper(t.p[start - 2])))
		return b != '\0';
	if (c == '.' && (is_alnum(d) || d == '_') && end - start > 1)
		return true;
	return c != '\0' &&
	       (strchr("_(\\@={[`+~^$%#", c) || is_digit(c) || (c == ':' && d == ':') ||
		       (c == '-' && d == '>') || (c == '/' && is_lower(d)));
}

bool
word_read(const struct names_sweep *w, size_t at, struct word *out)
{
	struct reading r = { .hash = HASH_SEED, .part = HASH_SEED };
	unsigned n;
	uint64_t folded;

	if (at >= w->text.n)
		return false;
	*out = (struct word){ .start = at, .first = glyph_at(w->text, at, &n, &folded) };
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
	if (!(out->flags & ~(uint32_t)W_MORE) && out->first == LETTER_UPPER)
		out->flags |= looks(out, 0);
	n = out->end < w->text.n ? apostrophe(w->text, out->end) : 0;
	out->possessive = n && possessive_at(w->text, out->end, n);
	out->dot = out->end < w->text.n && w->text.p[out->end] == '.';
	out->code = touches_code(w->text, out->start, out->end);
	if (r.upper > 1 && !out->caps && r.lower && r.upper > 2 + r.nparts)
		out->code = true; /* camelCase of many humps */
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
joins(const struct names_sweep *w, const struct word *word)
{
	static const char *const small[] = { "of", "and", "for", "the", "und", "et", "at",
		"&" };
	size_t n = word->end - word->start;

	if (word->flags & W_PARTICLE)
		return true;
	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++)
		if (span_is(span_of(w->text.p + word->start, n), small[i]))
			return true;
	return false;
}

/* The place of the next word of a run after `last`, 0: the run ends. */
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
			return is_letter(t, i) && last->initial ? i : 0;
	}
	if (i < t.n && t.p[i] == ',' && i + 1 < t.n && t.p[i + 1] == ' ') {
		last->comma = true;
		i++;
	}
	size_t from = i;
	while (i < t.n && i - from < 2 && t.p[i] == ' ')
		i++;
	return i > from ? i : 0;
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

void
run_read(const struct names_sweep *w, size_t at, struct run *run)
{
	size_t solid = 1; /* words up to the last capitalised one */

	run->n = 0;
	if (!word_read(w, at, &run->w[0]))
		return;
	run->n = 1;
	while (run->n < RUN_MAX) {
		struct word *last = &run->w[run->n - 1], *next = &run->w[run->n];
		size_t i = next_place(w, last);
		if (!i || last->code || !read_next(w, i, next) || next->code)
			break;
		if (word_stands_out(w, next))
			solid = run->n + 1;
		else if (last->comma || run->n - solid >= 2 || !joins(w, next))
			break;
		run->n++;
	}
	run->n = solid;
	run->w[run->n - 1].comma = false;
}

size_t
run_phrase(const struct names_sweep *w, const struct run *run, size_t i, uint32_t want,
	uint32_t *flags)
{
	uint64_t h = run->w[i].hash;
	uint32_t f = run->w[i].flags;
	size_t n = 1, best = f & want ? 1 : 0;

	*flags = f;
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
		n++;
		if (f & want) {
			best = n;
			*flags = f;
		}
	}
	return best;
}

/* ---- what stands around ---- */

static bool
is_gap(struct span t, size_t i, unsigned *n)
{
	*n = 1;
	if (strchr(" \t\r\n:\"'=,([*->.", t.p[i]) && t.p[i])
		return true;
	*n = 3; /* a full-width colon, seen from its last byte */
	return i >= 2 && !memcmp(t.p + i - 2, "\xef\xbc\x9a", 3);
}

/* The word that ends at `end`: where it begins. camelCase is two. */
static size_t
word_start(struct span t, size_t end)
{
	size_t i = end;
	enum letter last = LETTER_NONE;

	while (i > 0 && end - i < WORD_MAX) {
		size_t b = glyph_before(t, i);
		unsigned n;
		uint64_t folded;
		enum letter k = glyph_at(t, b, &n, &folded);
		if (k == LETTER_NONE &&
			!(t.p[b] == '\'' && i < end && b > 0 && is_letter(t, b - 1)))
			break;
		if (last == LETTER_UPPER && k == LETTER_LOWER)
			break;
		last = k;
		i = b;
	}
	return i;
}

/* The hash of words k-1 to 0, of which the last stands nearest. */
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

/* The words before `at`, at most BACK_WORDS. */
static size_t
read_back(struct span t, size_t at, size_t *from, size_t *to)
{
	size_t k = 0, i = at;

	while (k < BACK_WORDS && i > 0) {
		size_t b = word_start(t, i);
		if (b == i)
			break;
		from[k] = b;
		to[k++] = i;
		i = b;
		if (i > 0 && strchr(" _-\n.", t.p[i - 1]) && t.p[i - 1])
			i--;
		else if (i == 0 || !is_letter(t, glyph_before(t, i)))
			break;
		if (i > 1 && t.p[i - 1] == '.' && t.p[i] == ' ')
			i--; /* "Dr. med." */
	}
	return k;
}

uint32_t
words_before(const struct names_sweep *w, size_t at, uint32_t want, bool *label, size_t *start)
{
	struct span t = w->text;
	size_t i = at, from[BACK_WORDS], to[BACK_WORDS];
	bool dot = false;
	unsigned n;

	*label = false;
	while (i > 0 && at - i < BACK_GAP && is_gap(t, i - 1, &n)) {
		*label |= n == 3 || strchr(":=\"", t.p[i - 1]);
		dot |= t.p[i - 1] == '.';
		i -= n;
	}
	if (i == at || i == 0)
		return 0;
	if (dot)
		want &= W_TITLE | W_STREET_START;
	size_t k = read_back(t, i, from, to);
	if (k == 0 || !(names_flags(w->t, hash_back(t, from, to, 1)) & (want | W_LAST)))
		return 0;
	for (; k > 0; k--) {
		uint32_t f = names_flags(w->t, hash_back(t, from, to, k)) & want;
		*start = from[k - 1];
		if (f)
			return f;
	}
	return 0;
}

uint32_t
word_after(const struct names_sweep *w, size_t at)
{
	struct word next;
	struct span t = w->text;

	if (at < t.n && t.p[at] == ',')
		at++;
	if (at < t.n && t.p[at] == ' ')
		at++;
	return word_read(w, at, &next) ? next.flags : 0;
}

bool
sentence_begins(struct span t, size_t at)
{
	size_t i = at;

	while (i > 0 && (t.p[i - 1] == ' ' || t.p[i - 1] == '"' || t.p[i - 1] == '\t'))
		i--;
	return i == 0 || strchr(".!?\n*-#>|:", t.p[i - 1]);
}
