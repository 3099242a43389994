/* Addresses with their signs in words or brackets: alice [at] example [dot] com,
 * alice(at)example.com, alice at example dot com. */
#include "detect/loose.h"

enum { LABEL_MAX = 63, LOCAL_MAX = 64, SIGNS_MAX = 12 };

struct sign {
	size_t from, to;
	bool worded; /* not the sign itself */
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

	while (k - i < 2 && at(l, k) == ' ')
		k++;
	return k;
}

static bool
word_at(const struct loose *l, size_t i, const char *const *words, size_t *end)
{
	for (; *words; words++) {
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
		return k == i;
	}
	if (k == i || !word_at(l, k, bare, &to) || at(l, to) != ' ')
		return false;
	s->to = blanks(l, to);
	return true;
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

	dot->to = 0;
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

void
loose_address(struct loose *l, size_t i)
{
	struct sign sign, dot, dots[SIGNS_MAX];
	size_t n, end;
	bool bare = at(l, i) == ' ';

	/* " at " and " arroba " */
	if (bare && ((at(l, i + 1) | 0x20) != 'a' || !strchr("tTrR", at(l, i + 2))))
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
	size_t stop;
	if (bare && (!worded || word_at(l, sign.to, no_domain, &stop)))
		return;
	size_t from = local(l, i, &dot);
	if (from == i)
		return;
	if (dot.to && dot.from >= l->at)
		loose_take(l, dot.from, dot.to, ".", 0);
	loose_take(l, sign.from, sign.to, "@", 0);
	for (size_t k = 0; k < n; k++)
		if (dots[k].worded)
			loose_take(l, dots[k].from, dots[k].to, ".", 0);
}
