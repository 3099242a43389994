/* Reads addresses with their signs in words or brackets: alice [at] example [dot] com,
 * alice(at)example.com, alice at example dot com. Words such as "at" are frequent in prose, so
 * trust() decides how much evidence each form needs. */
#include "base/among.h"
#include "scan/detect/disguise/heuristics.h"

enum { LABEL_MAX = 63, LOCAL_MAX = 64, SIGNS_MAX = 12, LOCAL_SIGNS = 4 };

/* A sign of an address in the text, offsets include the spaces around it. */
struct sign {
	size_t from, to;
	bool worded; /* a word or in brackets instead of the sign itself */
	bool spaced; /* the sign itself with spaces next to it */
	bool half;   /* with a space on one side only */
	const char *with; /* the sign */
};

static size_t
past_blanks(const struct heuristic *l, size_t i)
{
	return span_past_set(span_cut(l->t, 0, i + 2), i, " _");
}

static bool
word_at(const struct heuristic *l, size_t i, const char *const *words, size_t *end)
{
	char c = (char)(byte_at(l, i) | 0x20);

	if ((unsigned char)c < 'a') /* no letter */
		return false;
	for (; *words; words++) {
		if (c != (char)(**words | 0x20))
			continue;
		size_t n = strlen(*words);
		if (span_ieq(span_cut(l->t, i, i + n), span_of(*words, n)) &&
			!is_alnum(byte_at(l, i + n))) {
			*end = i + n;
			return true;
		}
	}
	return false;
}

static char
closing_bracket(char c)
{
	static const char pairs[] = "()[]{}<>", alike[] = "-*|~\"'`#/=+:";

	for (size_t k = 0; k < sizeof(pairs) - 1; k += 2)
		if (c == pairs[k])
			return pairs[k + 1];
	return is_one_of(c, alike) ? c : 0;
}

/* Reads a sign at i: in brackets, as a word between spaces, or the sign itself, including the
 * spaces around it. `bare` lists the words that need no brackets. */
static bool
sign_at(const struct heuristic *l, size_t i, const char *const *words, const char *const *bare,
	char sign, struct sign *s)
{
	size_t k = past_blanks(l, i), to;
	char open = byte_at(l, k), close = closing_bracket(open);

	s->from = i;
	s->worded = true;
	s->spaced = s->half = false;
	if (close) {
		size_t in = past_blanks(l, k + 1);
		if (byte_at(l, in) == sign)
			to = in + 1;
		else if (!word_at(l, in, words, &to))
			return false;
		to = past_blanks(l, to);
		if (byte_at(l, to) != close)
			return false;
		s->to = past_blanks(l, to + 1);
		return true;
	}
	if (open == sign) {
		s->worded = false;
		s->to = sign == '@' || k > i ? past_blanks(l, k + 1) : k + 1;
		s->spaced = k > i || s->to > k + 1;
		s->half = s->spaced && (k == i || s->to == k + 1);
		return true;
	}
	if (k == i || !word_at(l, k, bare, &to))
		return false;
	s->to = past_blanks(l, to);
	return s->to > to;
}

/* Words for @ and for the dot. A word that has another meaning needs brackets; the bare lists
 * have words that do not. */
static const char *const at_words[] = { "at", "a", "arroba", "arobase", "\xC3\xA4t",
	"chiocciola", "apenstaartje", "klammeraffe", "malpa", "ma\xC5\x82pa", "kukac",
	"zavinac", "zavin\xC3\xA1\xC4\x8D", "\xD1\x81\xD0\xBE\xD0\xB1\xD0\xB0\xD0\xBA\xD0\xB0",
	NULL };
static const char *const bare_at[] = { "at", "arroba", "arobase", "apenstaartje", NULL };
static const char *const dot_words[] = { "dot", "d", "punto", "punkt", "ponto", "point", "d0t",
	"period", "punt", "kropka", "pont", "nokta", "tecka", "te\xC4\x8Dka",
	"\xD1\x82\xD0\xBE\xD1\x87\xD0\xBA\xD0\xB0", NULL };
static const char *const bare_dot[] = { "dot", "punto", "punkt", "ponto", NULL };
/* Words for other signs of an address, as people say them. */
static const char *const low_words[] = { "underscore", "unterstrich", "tiret bas", "soulign\xC3\xA9",
	"guion bajo", "gui\xC3\xB3n bajo", "underline", NULL };
static const char *const dash_words[] = { "dash", "hyphen", "minus", "bindestrich", "tiret",
	"trait d'union", "guion", "gui\xC3\xB3n", "h\xC3\xAD" "fen", NULL };
static const char *const plus_words[] = { "plus", "m\xC3\xA1s", NULL };
/* The signs that a local part and a domain can have. The dot is the first. */
static const struct spoken_sign {
	const char *const *words, *const *bare, *with;
	size_t longest; /* bytes of the longest bare word with its spaces */
} spoken_signs[] = { { dot_words, bare_dot, ".", 8 }, { low_words, low_words, "_", 13 },
	{ dash_words, dash_words, "-", 15 }, { plus_words, plus_words, "+", 6 } };
enum { SIGN_DOT, SIGN_LOW, SIGN_DASH };
/* Words for the dot after a foreign word for @; "at some point in" must not match. */
static const char *const foreign_dot[] = { "point", "punto", "ponto", "punt", "dot", NULL };
/* Words that are no domain: "look at the dot com" */
static const char *const no_domain[] = { "the", "this", "that", "a", "an", "our", "my", "your",
	"its", "all", "every", "each", NULL };
bool
evade_is_sign_word(struct span word)
{
	struct heuristic l = { .t = word };
	/* parts of signs of two words */
	static const char *const parts[] = { "bas", "bajo", "trait", "d'union", "union", NULL };
	size_t end;

	if ((word_at(&l, 0, at_words, &end) || word_at(&l, 0, parts, &end)) && end == word.n)
		return true;
	for (size_t i = 0; i < COUNT_OF(spoken_signs); i++)
		if (word_at(&l, 0, spoken_signs[i].words, &end) && end == word.n)
			return true;
	return false;
}

/* Frequent top-level domains. A guess with another one needs more evidence. */
static const char *const common_ends[] = { "com", "org", "net", "edu", "gov", "io", "co",
	"info", "biz", "me", "dev", "app", "ai", "de", "uk", "fr", "nl", "eu", "ch", "at", "it",
	"es", "pl", "pt", "be", "se", "no", "dk", "fi", "ie", "cz", "hu", "ro", "gr", "tr",
	"ru", "ua", "cn", "jp", "kr", "tw", "in", "us", "ca", "mx", "au", "nz", "za", "il",
	"br", "ar", "cl", "example", "test", NULL };
/* Providers of mailboxes. */
static const char *const providers[] = { "gmail", "googlemail", "outlook", "hotmail", "yahoo",
	"ymail", "icloud", "proton", "protonmail", "pm", "gmx", "web", "aol", "live", "msn",
	"mail", "yandex", "qq", "163", "zoho", "fastmail", "tutanota", "posteo", "t-online",
	"orange", "libero", "naver", NULL };

/* Words before "at gmail.com" that are no mailbox name. */
static const char *const no_user[] = { "account", "accounts", "address", "are", "available",
	"back", "check", "email", "found", "here", "hosted", "in", "inbox", "is", "it", "live",
	"log", "login", "look", "looked", "looking", "looks", "mail", "mailbox", "me", "on",
	"out", "people", "read", "sent", "sign", "stay", "that", "them", "there", "this", "up",
	"us", "users", "was", "were", "work", "worked", "working", "works", "you", NULL };

/* An address that was read. */
struct address {
	struct sign sign, dots[SIGNS_MAX]; /* dots: the signs between the labels */
	size_t n;
	struct sign said[LOCAL_SIGNS]; /* signs in words in the local part, the last one first */
	size_t nsaid;
	size_t local, last, end; /* begin of the local part; begin and end of the last label */
};

static bool
read_domain(const struct heuristic *l, size_t i, const char *const *bare, struct address *a)
{
	size_t dashes = 0;

	for (a->n = 0;;) {
		size_t k = i, alpha = 0;
		struct sign *dot = &a->dots[a->n];
		for (; k - i < LABEL_MAX && (is_alnum(byte_at(l, k)) || byte_at(l, k) == '-');
			k++) {
			if (byte_at(l, k) == '-' && k > i && a->n < SIGNS_MAX &&
				sign_at(l, k, dot_words, bare, '.', dot))
				break; /* example-dot-com */
			alpha += is_alpha(byte_at(l, k));
		}
		if (k == i)
			return false;
		a->last = i;
		a->end = k;
		const struct spoken_sign *dash = &spoken_signs[SIGN_DASH];
		bool is_dot = a->n < SIGNS_MAX && sign_at(l, k, dot_words, bare, '.', dot);
		bool is_dash = !is_dot && a->n < SIGNS_MAX && byte_at(l, k) == ' ' &&
			       sign_at(l, k, dash->words, dash->bare, '-', dot) && dot->worded;
		if (!(is_dot || is_dash) || !is_alnum(byte_at(l, dot->to)))
			return a->n > dashes && alpha >= 2 && alpha == k - i;
		dot->with = is_dash ? dash->with : ".";
		dashes += is_dash;
		i = dot->to;
		a->n++;
	}
}

/* Reads a sign in words that ends at i and follows a letter or digit. */
static bool
said_before(const struct heuristic *l, size_t i, struct sign *s)
{
	for (size_t k = 0; k < COUNT_OF(spoken_signs); k++)
		for (size_t back = 3; back <= spoken_signs[k].longest && i > back; back++) {
			const struct spoken_sign *w = &spoken_signs[k];
			if (!sign_at(l, i - back, w->words, w->bare, w->with[0], s) ||
				!s->worded || s->to != i || !is_alnum(byte_at(l, i - back - 1)))
				continue;
			s->with = w->with;
			return true;
		}
	return false;
}

/* Reads backwards from the sign: the beginning of the local part, and signs in words in it. */
static void
read_local_part(const struct heuristic *l, size_t end, struct address *a)
{
	size_t i = end;

	a->nsaid = 0;
	while (i > 0 && end - i < LOCAL_MAX &&
		(is_alnum(byte_at(l, i - 1)) || strchr("._+-", byte_at(l, i - 1))) &&
		byte_at(l, i - 1))
		i--;
	while (a->nsaid < LOCAL_SIGNS && said_before(l, i, &a->said[a->nsaid])) {
		for (i = a->said[a->nsaid++].from; i > 0 && is_alnum(byte_at(l, i - 1));)
			i--;
	}
	a->local = i;
}

/* Returns true for a mailbox name that is no plain word: ada.lovelace, ada_1, ada99 */
static bool
is_mailbox(struct span s)
{
	bool letter = false, sign = false;

	for (size_t i = 0; i < s.n; i++) {
		letter |= is_alpha(s.p[i]);
		sign |= is_digit(s.p[i]) || (i + 1 < s.n && i > 0 && strchr("._+", s.p[i]));
	}
	return letter && sign;
}

/* Returns true for first.last and first.last82 */
static bool
is_full_name(struct span s)
{
	size_t dot = span_chr(s, '.');

	s.n = span_back(s, s.n, 0, is_digit);
	for (size_t i = 0; i < s.n; i++)
		if (i != dot && !is_alpha(s.p[i]))
			return false;
	return dot > 1 && dot + 2 < s.n;
}

static bool
one_of(struct span s, const char *const *words)
{
	for (; s.n && *words; words++)
		if ((s.p[0] | 0x20) == (**words | 0x20) && span_ieq(s, span_str(*words)))
			return true;
	return false;
}

static bool
is_written_so(const struct address *a)
{
	for (size_t k = 0; k < a->n; k++)
		if (a->dots[k].worded || a->dots[k].spaced)
			return false;
	return !a->sign.worded && !a->sign.spaced && !a->nsaid;
}

/* Returns true if the sign belongs to a sentence or a list and stands between two complete
 * values: "a@b.com". "c@d.com" */
static bool
sign_separates(const struct heuristic *l, const struct sign *s)
{
	return heuristic_apart(l, s->from, s->to) &&
	       (!s->worded || is_quote(byte_at(l, past_blanks(l, s->from))));
}

/* Removes the parts of the address that a separating sign cuts off. Returns false if nothing is
 * left. */
static bool
cut_address(const struct heuristic *l, struct address *a)
{
	if (sign_separates(l, &a->sign))
		return false;
	for (size_t k = 0; k < a->nsaid; k++)
		if (sign_separates(l, &a->said[k])) {
			a->local = a->said[k].to;
			a->nsaid = k;
		}
	for (size_t k = 0; k < a->n; k++)
		if ((a->dots[k].worded || a->dots[k].spaced) &&
			sign_separates(l, &a->dots[k])) {
			a->end = a->dots[k].from;
			a->n = k;
		}
	return a->n > 0;
}

/* Returns the flags for an edit, by how far the guess may be trusted; -1: not at all. */
static int
trust(const struct heuristic *l, const struct address *a, bool bare)
{
	struct span label = span_cut(l->t, a->sign.to, a->dots[0].from);
	bool common = one_of(span_cut(l->t, a->last, a->end), common_ends), worded = false;
	struct span user = span_cut(l->t, a->local, a->sign.from);
	bool mailbox = is_mailbox(user), spaced = false;
	/* ada.lovelace AT example.org, ada.lovelace @ example.org */
	bool loud = a->sign.spaced || byte_at(l, past_blanks(l, a->sign.from)) == 'A';
	bool known = one_of(label, providers), sure = known || (loud && is_full_name(user));

	for (size_t k = 0; k < a->n; k++) {
		worded |= a->dots[k].worded;
		spaced |= a->dots[k].spaced;
	}
	if (bare && one_of(label, no_domain))
		return -1;
	if (!worded && spaced && a->sign.half) /* prose, perhaps around an address */
		return -1;
	if ((bare || !a->sign.worded) && (worded || (a->sign.spaced && spaced && common)))
		return common || loud ? 0 : EDIT_NAMED;
	if (bare || a->sign.spaced) { /* look at example.com, see us @ home.page */
		bool person = mailbox || (known && !one_of(user, no_user));
		if (!common || !(person || (a->sign.spaced && !a->sign.half)))
			return -1;
		return mailbox && sure ? 0 : EDIT_NAMED;
	}
	if (!a->sign.worded)
		return spaced && common ? EDIT_NAMED : -1;
	/* dyndns-at-home.com */
	return worded || a->sign.to - a->sign.from != 4 ||
			       !strchr("-/=", byte_at(l, a->sign.from))
		       ? 0
		       : EDIT_NAMED;
}

bool
heuristic_domain(const struct heuristic *l, size_t i)
{
	size_t last = i, k = i;

	for (; is_alnum(byte_at(l, k)) ||
		(k > i && (byte_at(l, k) == '-' || byte_at(l, k) == '.'));
		k++)
		if (byte_at(l, k) == '.' && is_alpha(byte_at(l, k + 1)))
			last = k + 1;
	return last > i && one_of(span_cut(l->t, last, k), common_ends);
}

/* Returns true if the text at i, after " at", may be a domain: a label, followed by a dot or
 * what is written for one. */
static bool
may_be_domain(const struct heuristic *l, size_t i)
{
	size_t end = past_blanks(l, i), from = end;

	while (end - from < LABEL_MAX && is_alnum(byte_at(l, end)))
		end++;
	size_t k = past_blanks(l, end);
	char c = byte_at(l, k), letter = (char)(c | 0x20);
	if (c == '.')
		return k > end || is_alnum(byte_at(l, k + 1));
	return closing_bracket(c) || (k > end && (letter == 'd' || letter == 'p'));
}

void
heuristic_address(struct heuristic *l, size_t i)
{
	struct address a;
	bool bare = byte_at(l, i) == ' ' || byte_at(l, i) == '_';
	bool foreign = bare && (byte_at(l, i + 2) | 0x20) != 't';

	/* " at " and " arroba " */
	if (bare &&
		((byte_at(l, i + 1) | 0x20) != 'a' || !memchr("tTrRpP", byte_at(l, i + 2), 6)))
		return;
	if (bare && !foreign && !may_be_domain(l, i + 3))
		return;
	while (i > l->at && byte_at(l, i) != '_' && byte_at(l, i - 1) == ' ')
		i--;
	if (i == 0 || !is_alnum(byte_at(l, i - 1)) ||
		!sign_at(l, i, at_words, bare_at, '@', &a.sign) ||
		!is_alnum(byte_at(l, a.sign.to)) ||
		!read_domain(l, a.sign.to, foreign ? foreign_dot : bare_dot, &a))
		return;
	read_local_part(l, i, &a);
	if (!cut_address(l, &a) || i - a.local < 2 || i - a.local >= LOCAL_MAX ||
		is_written_so(&a))
		return;
	int flags = trust(l, &a, bare);
	if (flags < 0)
		return;
	for (size_t k = a.nsaid; k-- > 0;)
		if (a.said[k].from >= l->at)
			heuristic_edit(l, a.said[k].from, a.said[k].to, a.said[k].with,
				(unsigned)flags);
	if (a.sign.worded || a.sign.spaced)
		heuristic_edit(l, a.sign.from, a.sign.to, "@", (unsigned)flags);
	for (size_t k = 0; k < a.n; k++)
		if (a.dots[k].worded || a.dots[k].spaced)
			heuristic_edit(l, a.dots[k].from, a.dots[k].to, a.dots[k].with,
				(unsigned)flags);
}
