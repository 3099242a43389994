/* Addresses with their signs in words or brackets: alice [at] example [dot] com,
 * alice(at)example.com, alice at example dot com. Numbers in English words, a digit each. */
#include "detect/loose.h"

enum { LABEL_MAX = 63, LOCAL_MAX = 64, SIGNS_MAX = 12 };

struct sign {
	size_t from, to;
	bool worded; /* not the sign itself */
	bool spaced; /* the sign, between blanks */
};

static char
at(const struct loose *l, size_t i)
{
	return i < l->t.n ? l->t.p[i] : 0;
}

static size_t
blanks(const struct loose *l, size_t i)
{
	size_t k = i;

	while (k - i < 2 && (at(l, k) == ' ' || at(l, k) == '_'))
		k++;
	return k;
}

static bool
word_at(const struct loose *l, size_t i, const char *const *words, size_t *end)
{
	for (char c = (char)(at(l, i) | 0x20); *words; words++) {
		if (c != (char)(**words | 0x20))
			continue;
		size_t n = strlen(*words);
		if (span_ieq(span_cut(l->t, i, i + n), span_of(*words, n)) &&
			!is_alnum(at(l, i + n))) {
			*end = i + n;
			return true;
		}
	}
	return false;
}

static char
closing(char c)
{
	return c == '(' ? ')' : c == '[' ? ']' : c == '{' ? '}' : c == '<' ? '>' : 0;
}

/* A sign in brackets, a word between blanks, or the sign: with the blanks around. */
static bool
sign_at(const struct loose *l, size_t i, const char *const *words, const char *const *bare,
	char sign, struct sign *s)
{
	size_t k = blanks(l, i), to;
	char open = at(l, k), close = closing(open);

	s->from = i;
	s->worded = true;
	s->spaced = false;
	if (close) {
		size_t in = blanks(l, k + 1);
		if (at(l, in) == sign)
			to = in + 1;
		else if (!word_at(l, in, words, &to))
			return false;
		to = blanks(l, to);
		if (at(l, to) != close)
			return false;
		s->to = blanks(l, to + 1);
		return true;
	}
	if (open == sign) {
		s->worded = false;
		s->to = k + 1;
		if (k == i)
			return true;
		s->spaced = true;
		s->to = blanks(l, k + 1);
		return s->to > k + 1;
	}
	if (k == i || !word_at(l, k, bare, &to))
		return false;
	s->to = blanks(l, to);
	return s->to > to;
}

/* In brackets, and bare: what is a word of its own needs brackets. */
static const char *const at_words[] = { "at", "a", "arroba", "arobase", "\xC3\xA4t",
	"chiocciola", NULL };
static const char *const bare_at[] = { "at", "arroba", "arobase", NULL };
static const char *const dot_words[] = { "dot", "punto", "punkt", "ponto", "point", "d0t",
	"period", NULL };
static const char *const bare_dot[] = { "dot", "punto", "punkt", "ponto", NULL };
/* "look at the dot com" */
static const char *const no_domain[] = { "the", "this", "that", "a", "an", "our", "my", "your",
	"its", "all", "every", "each", NULL };

static bool
domain(const struct loose *l, size_t i, struct sign *dots, size_t *n, size_t *end)
{
	*n = 0;
	for (;;) {
		size_t k = i, alpha = 0;
		for (; k - i < LABEL_MAX && (is_alnum(at(l, k)) || at(l, k) == '-'); k++)
			alpha += is_alpha(at(l, k));
		if (k == i)
			return false;
		*end = k;
		if (*n == SIGNS_MAX || !sign_at(l, k, dot_words, bare_dot, '.', &dots[*n]) ||
			!is_alnum(at(l, dots[*n].to)))
			return *n > 0 && alpha >= 2 && alpha == k - i;
		i = dots[(*n)++].to;
	}
}

/* Back from the sign: the local part's beginning, and a worded dot in it. */
static size_t
local(const struct loose *l, size_t end, struct sign *dot)
{
	size_t i = end;

	*dot = (struct sign){ 0 };
	while (i > 0 && end - i < LOCAL_MAX &&
		(is_alnum(at(l, i - 1)) || strchr("._+-", at(l, i - 1))) && at(l, i - 1))
		i--;
	for (size_t back = 3; back <= 8 && i > back; back++) {
		struct sign s;
		if (sign_at(l, i - back, dot_words, bare_dot, '.', &s) && s.worded &&
			s.to == i && is_alnum(at(l, i - back - 1))) {
			*dot = s;
			for (i -= back; i > 0 && is_alnum(at(l, i - 1));)
				i--;
			break;
		}
	}
	return i;
}

/* "see us @ home.page": between blanks, only what ends as most addresses do. */
static bool
common_end(const struct loose *l, size_t end)
{
	static const char *const ends[] = { ".com", ".org", ".net", ".edu", ".gov", ".io",
		".co", ".info", ".de", ".uk", ".fr", ".nl", ".eu", ".ch", ".at", ".it", ".es",
		".pl", ".ru", ".cn", ".jp", ".us", ".ca", ".au", ".br", ".app", ".example",
		".test" };
	struct span all = span_cut(l->t, 0, end);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct span e = span_str(ends[i]);
		if (all.n > e.n && span_ieq(span_cut(all, all.n - e.n, all.n), e))
			return true;
	}
	return false;
}

void
loose_address(struct loose *l, size_t i)
{
	struct sign sign, dot, dots[SIGNS_MAX];
	size_t n, end, stop;
	bool bare = at(l, i) == ' ' || at(l, i) == '_';

	/* " at " and " arroba " */
	if (bare && ((at(l, i + 1) | 0x20) != 'a' || !memchr("tTrR", at(l, i + 2), 4)))
		return;
	if (at(l, i) == '@' && at(l, i + 1) != ' ')
		return;
	while (i > l->at && !bare && at(l, i - 1) == ' ')
		i--;
	if (i == 0 || !is_alnum(at(l, i - 1)) ||
		!sign_at(l, i, at_words, bare_at, '@', &sign) || !is_alnum(at(l, sign.to)) ||
		!domain(l, sign.to, dots, &n, &end))
		return;
	/* "look at example.com": a bare "at" needs a worded dot. */
	bool worded = false;
	for (size_t k = 0; k < n; k++)
		worded |= dots[k].worded;
	if (bare && (!worded || word_at(l, sign.to, no_domain, &stop)))
		return;
	size_t from = local(l, i, &dot);
	if (i - from < 2 || (sign.spaced && !common_end(l, end)))
		return;
	unsigned flags = sign.spaced ? EDIT_NAMED : 0;
	if (dot.to && dot.from >= l->at)
		loose_take(l, dot.from, dot.to, ".", flags);
	loose_take(l, sign.from, sign.to, "@", flags);
	for (size_t k = 0; k < n; k++)
		if (dots[k].worded || dots[k].spaced)
			loose_take(l, dots[k].from, dots[k].to, ".", flags);
}

/* ---- numbers ---- */

static const char *const digit_words[] = { "zero", "one", "two", "three", "four", "five", "six",
	"seven", "eight", "nine", "oh", "o" };

enum { NUMBER_MAX = 40, NUMBER_MIN = 7 };

/* The word of a digit that begins at i: its length, and the digit. */
static size_t
digit_word(const struct loose *l, size_t i, char *digit)
{
	if (i > 0 && is_alnum(at(l, i - 1)))
		return 0;
	for (size_t k = 0; k < sizeof(digit_words) / sizeof(digit_words[0]); k++) {
		size_t n = strlen(digit_words[k]);
		if ((at(l, i) | 0x20) == digit_words[k][0] &&
			span_ieq(span_cut(l->t, i, i + n), span_of(digit_words[k], n)) &&
			!is_alnum(at(l, i + n))) {
			*digit = k < 10 ? (char)('0' + k) : '0';
			return n;
		}
	}
	return 0;
}

static bool
between_words(char c)
{
	return c == ' ' || c == '-' || c == ',' || c == '.' || c == '\n';
}

/* The beginning of the word before the one at i, if it is a digit. */
static size_t
word_before(const struct loose *l, size_t i, size_t floor)
{
	size_t k = i;
	char digit;

	while (k > floor && i - k < 3 && between_words(at(l, k - 1)))
		k--;
	size_t end = k;
	while (k > floor && end - k < 6 && is_alpha(at(l, k - 1)))
		k--;
	return k < end && digit_word(l, k, &digit) == end - k ? k : i;
}

void
loose_number(struct loose *l, size_t i)
{
	size_t from = i, start[NUMBER_MAX + 1], end[NUMBER_MAX], n = 0;
	char digit[NUMBER_MAX + 1][2] = { { 0 } };

	if (i < l->number_end)
		return;
	while (from > l->at && i - from < 4 && is_alpha(at(l, from - 1)))
		from--;
	if (!digit_word(l, from, digit[0]))
		return;
	for (size_t k = 0, before; k < NUMBER_MAX; k++, from = before) {
		before = word_before(l, from, l->at);
		if (before == from)
			break;
	}
	for (size_t k = from, len; n < NUMBER_MAX && (len = digit_word(l, k, digit[n])) > 0;
		n++) {
		start[n] = k;
		end[n] = k + len;
		for (k += len; k - end[n] < 3 && between_words(at(l, k));)
			k++;
	}
	if (n == 0)
		return;
	l->number_end = end[n - 1];
	if (n < NUMBER_MIN)
		return;
	unsigned flags = n < 13 || n > 19 ? EDIT_NAMED : 0;
	for (size_t k = 0; k < n; k++)
		loose_take(l, start[k], k + 1 < n ? start[k + 1] : end[k], digit[k], flags);
}
