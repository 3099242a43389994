/* The patterns of the published byte-pair tokenizers, each alternative in a few lines:
 *
 *   plain   (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,3}
 *           | ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
 *   cased   P?U*L+C? | P?U+L*C? | \p{N}{1,3} | ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+
 *           | \s+(?!\S) | \s+
 *           with P [^\r\n\p{L}\p{N}], U [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}],
 *           L [\p{Ll}\p{Lm}\p{Lo}\p{M}], C the contractions above
 *   gpt2    '(?:[sdmt]|ll|ve|re) | ?\p{L}+ | ?\p{N}+ | ?[^\s\p{L}\p{N}]+ | \s+(?!\S) | \s+
 *
 * Engines of regular expressions backtrack; comments below mark the places that depend on it. \s
 * is White_Space. */
#include "base/tokens/split.h"

enum split_class { OTHER, SPACE, NEWLINE, UPPER, LOWER, CASELESS, MARK, NUMBER };

#include "base/ascii.h"
#include "base/tokens/classes.inc"

/* Above the end of classes.txt, the only marks are the variation selectors. */
enum { VARIANTS = 0xE0100, VARIANTS_LAST = 0xE01EF };

#define BIT(c)	 (1u << (c))
#define LETTERS	 (BIT(UPPER) | BIT(LOWER) | BIT(CASELESS))
#define UPPERS	 (BIT(UPPER) | BIT(CASELESS) | BIT(MARK))
#define LOWERS	 (BIT(LOWER) | BIT(CASELESS) | BIT(MARK))
#define SPACES	 (BIT(SPACE) | BIT(NEWLINE))
#define SIGNS	 (BIT(OTHER) | BIT(MARK))
#define PREFIXES (BIT(OTHER) | BIT(SPACE) | BIT(MARK))

/* clang-format off */
const struct split_pattern split_patterns[] = {
	{ "cl100k", SPLIT_PLAIN, 3, true,  "GPT-4, GPT-3.5" },
	{ "o200k",  SPLIT_CASED, 3, true,  "GPT-4o and later, o1 and later, gpt-oss" },
	{ "llama3", SPLIT_PLAIN, 3, true,  "Llama 3" },
	{ "qwen",   SPLIT_PLAIN, 1, true,  "Qwen" },
	{ "tekken", SPLIT_CASED, 1, false, "Mistral with Tekken" },
	{ "gpt2",   SPLIT_GPT2,  0, true,  "GPT-2, GPT-3" },
	{ 0 },
};
/* clang-format on */

const struct split_pattern *
split_find(struct span name)
{
	for (const struct split_pattern *p = split_patterns; p->name; p++)
		if (span_is(name, p->name))
			return p;
	return NULL;
}

static inline unsigned
char_class_of(uint32_t cp)
{
	if (cp >= CLASSES_END)
		return cp >= VARIANTS && cp <= VARIANTS_LAST ? MARK : OTHER;
	unsigned block = class_index[cp >> 7],
		 pair = class_pairs[block * 64 + ((cp & 127) >> 1)];

	return cp & 1 ? pair >> 4 : pair & 15;
}

/* Reads a further byte of the sequence. If it is not one, or the text ends, the first byte is a
 * character of its own. */
#define NEXT(i)                                                                                \
	if (at + (i) >= s.n || (p[i] & 0xC0) != 0x80)                                          \
		return BIT(OTHER);                                                             \
	cp = cp << 6 | (p[i] & 0x3Fu)

/* Returns the bit of the class of the character at `at` < s.n, and its length in *len. */
static inline unsigned
class_at(struct span s, size_t at, size_t *len)
{
	const unsigned char *p = (const unsigned char *)s.p + at;
	uint32_t cp = p[0];

	*len = 1;
	if (cp < 0x80)
		return ascii_bits[cp];
	if (cp < 0xC2 || cp > 0xF4)
		return BIT(OTHER);
	size_t n = cp < 0xE0 ? 2 : cp < 0xF0 ? 3 : 4;
	cp &= 0x7Fu >> n;
	NEXT(1);
	if (n > 2) {
		NEXT(2);
	}
	if (n > 3) {
		NEXT(3);
	}
	if (cp > 0x10FFFF)
		return BIT(OTHER);
	*len = n;
	return BIT(char_class_of(cp));
}
#undef NEXT

/* Returns the end of the run of characters of `set` from `at`. */
static inline size_t
class_run(struct span s, size_t at, unsigned set)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t len;

	for (;; at += len) {
		while (at < s.n && (ascii_bits[p[at]] & set))
			at++;
		if (at == s.n || p[at] < 0x80 || !(class_at(s, at, &len) & set))
			return at;
	}
}

/* Returns the bytes of the contraction at `at`; 0: none. Without regard to case, the long s
 * (U+017F) counts as s. */
static size_t
contraction(struct span s, size_t at, bool anycase)
{
	const char *p = s.p + at;
	size_t n = s.n - at;

	if (n < 2 || p[0] != '\'')
		return 0;
	char a = anycase ? to_lower(p[1]) : p[1];
	char b = n < 3 ? '\0' : anycase ? to_lower(p[2]) : p[2];
	if (a == 's' || a == 't' || a == 'm' || a == 'd')
		return 2;
	if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
		return 3;
	return anycase && n > 2 && memcmp(p + 1, "\xC5\xBF", 2) == 0 ? 3 : 0;
}

static size_t
split_numbers(struct span s, size_t at, unsigned most)
{
	size_t len;

	for (unsigned n = 0; at < s.n && (!most || n < most); n++) {
		if (!(class_at(s, at, &len) & BIT(NUMBER)))
			break;
		at += len;
	}
	return at;
}

/* Matches " ?[^\s\p{L}\p{N}]+" and the line breaks after it. Returns `at` if it does not match. */
static size_t
signs(struct span s, size_t at, enum split_kind kind)
{
	size_t from = at + (s.p[at] == ' '), end = class_run(s, from, SIGNS);

	if (end == from)
		return at;
	while (kind != SPLIT_GPT2 && end < s.n &&
		(s.p[end] == '\r' || s.p[end] == '\n' ||
			(kind == SPLIT_CASED && s.p[end] == '/')))
		end++;
	return end;
}

/* Matches \s*[\r\n]+, \s+(?!\S) and \s+. Returns the end of the last line break in the run; at
 * the end of the text, the whole run; otherwise the run without its last character, which
 * belongs to the next word. */
static size_t
spaces(struct span s, size_t at, enum split_kind kind)
{
	size_t i = at, last = at, broken = 0, len;

	while (i < s.n) {
		unsigned c = class_at(s, i, &len);
		if (!(c & SPACES))
			break;
		last = i;
		i += len;
		if (c & BIT(NEWLINE))
			broken = i;
	}
	if (broken && kind != SPLIT_GPT2)
		return broken;
	return i == s.n || last == at ? i : last;
}

/* Matches P?U*L+C? and P?U+L*C?. Returns 0 if neither matches. */
static size_t
cased_word(struct span s, size_t at, unsigned first, size_t len, bool contractions)
{
	size_t from = first & PREFIXES ? at + len : at, i = from, both = 0, n, end;

	for (; i < s.n; i += n) {
		unsigned c = class_at(s, i, &n);
		if (!(c & UPPERS))
			break;
		if (c & (BIT(CASELESS) | BIT(MARK)))
			both = i + n;
	}
	end = class_run(s, i, LOWERS);
	/* No small letter follows the capitals. The pattern backtracks to a character that can
	 * be both or, at last, to a mark that was taken as the preceding sign. */
	if (end == i && both)
		end = both;
	else if (end == i && (first & BIT(MARK)))
		end = from;
	else if (end == from)
		return 0;
	return end + (contractions ? contraction(s, end, true) : 0);
}

static size_t
plain_word(struct span s, size_t at, unsigned first, size_t len)
{
	size_t from = first & PREFIXES ? at + len : at, end = class_run(s, from, LETTERS);

	return end > from ? end : 0;
}

static size_t
gpt2_next(struct span s, size_t at)
{
	size_t len, from = at + (s.p[at] == ' '), end = at + contraction(s, at, false);

	if (end > at)
		return end;
	if (from < s.n) {
		unsigned c = class_at(s, from, &len);
		if (c & LETTERS)
			return class_run(s, from, LETTERS);
		if (c & BIT(NUMBER))
			return class_run(s, from, BIT(NUMBER));
		if (c & SIGNS)
			return class_run(s, from, SIGNS);
	}
	return spaces(s, at, SPLIT_GPT2);
}

size_t
split_next(const struct split_pattern *p, struct span s, size_t at)
{
	size_t len, end = 0;

	if (p->kind == SPLIT_GPT2)
		return gpt2_next(s, at);
	unsigned first = class_at(s, at, &len);
	if (p->kind == SPLIT_PLAIN && p->contractions && (end = contraction(s, at, true)))
		return at + end;
	if (first & (LETTERS | PREFIXES)) {
		end = p->kind == SPLIT_CASED ? cased_word(s, at, first, len, p->contractions)
					     : plain_word(s, at, first, len);
		if (end)
			return end;
	}
	if (first & BIT(NUMBER))
		return split_numbers(s, at, p->digits);
	end = signs(s, at, p->kind);
	return end > at ? end : spaces(s, at, p->kind);
}
