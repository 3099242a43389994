/* Splits a text into normalized words and converts them to hashed features; see inject_walk.h.
 *
 * The walk is one pass; ASCII letters and digits are processed eight bytes at a time. Words that
 * need no normalization take the short path short_word(). Letters of Unicode 15 are folded by
 * ranges, as in UTS #39 for the scripts of attack texts. Base64 (RFC 4648 sections 4 and 5) is
 * decoded if the result is text. Each word adds one feature for each of its characters (the
 * n-gram that ends there) and four for the word with its predecessors. Changing a fold changes
 * the features, so a model must be trained again.
 *
 * The last section walks a text without the words that repeat earlier ones. */
#include "scan/inject/inject_walk.h"

#include "base/ascii.h"
#include "base/codec/digits.h"
#include "base/codec/letters.h"
#include "base/utf8.h"

/* ---- base64 ---- */

enum {
	INJECT_BASE64_MIN = 24, /* minimum characters of base64 */
	BASE64_LINE = 40, /* a line of at least this length can continue after a line end */
};

/* Returns true if the n bytes at p may begin with a run of base64. Only some bytes are checked,
 * without branches, because each word calls this function. */
static inline bool
inject_base64_begins(const char *p, size_t n)
{
	const unsigned char *s = digits64, *b = (const unsigned char *)p;

	return n >= INJECT_BASE64_MIN &&
	       (s[b[0]] != 0) & (s[b[4]] != 0) & (s[b[8]] != 0) & (s[b[12]] != 0) &
		       (s[b[16]] != 0) & (s[b[20]] != 0) & (s[b[INJECT_BASE64_MIN - 1]] != 0);
}

/* Returns the length of the run of base64 at p, including line ends inside the run. */
static size_t
inject_base64_run(const char *p, size_t n)
{
	size_t i = 0, line = 0, end = 0;

	while (i < n) {
		if (value64(p[i]) >= 0) {
			line++;
			end = ++i;
		} else if ((p[i] == '\n' || p[i] == '\r') && line >= BASE64_LINE) {
			while (i < n && (p[i] == '\n' || p[i] == '\r'))
				i++;
			line = 0;
		} else {
			break;
		}
	}
	return end;
}

/* Decodes up to `room` bytes to `out`, and advances *at. Returns the number of bytes. */
static size_t
inject_base64_decode(const char *p, size_t n, size_t *at, char *out, size_t room)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t done = 0;

	while (*at < n && done + 3 <= room) {
		int v = value64(p[(*at)++]);
		if (v < 0)
			continue;
		bits = bits << 6 | (uint32_t)v;
		if (++have < 4)
			continue;
		out[done++] = (char)(bits >> 16);
		out[done++] = (char)(bits >> 8);
		out[done++] = (char)bits;
		have = 0;
	}
	if (have == 2)
		out[done++] = (char)(bits >> 4);
	if (have == 3) {
		out[done++] = (char)(bits >> 10);
		out[done++] = (char)(bits >> 2);
	}
	return done;
}

/* Returns true if the bytes are UTF-8 without control characters and contain a space or a
 * character outside ASCII. */
static bool
inject_base64_text(const char *p, size_t n)
{
	bool words = false;
	size_t good = utf8_prefix(span_of(p, n));

	if (good + 3 < n || good < INJECT_BASE64_MIN / 2)
		return false;
	for (size_t i = 0; i < good; i++) {
		unsigned char c = (unsigned char)p[i];
		if (c == 0x7f || (c < 0x20 && c != '\n' && c != '\r' && c != '\t'))
			return false;
		words |= c == ' ' || c >= 0x80;
	}
	return words;
}

/* ---- folded characters ---- */

/* clang-format off */
/* Ranges of letters and digits that resemble ASCII: the characters from `from` to `to` stand
 * for `n` characters that begin with `first`, repeated. */
static const struct dress {
	uint32_t from, to;
	char first;
	unsigned n;
} dresses[] = {
	{ 0x1D7CE, 0x1D7FF, '0', 10 }, { 0x1D400, 0x1D6A3, 'a', 26 },
	{ 0x1F110, 0x1F129, 'a', 26 }, { 0x1F130, 0x1F149, 'a', 26 },
	{ 0x1F150, 0x1F169, 'a', 26 }, { 0x1F170, 0x1F189, 'a', 26 },
	{ 0x1F1E6, 0x1F1FF, 'a', 26 }, { 0x1FBF0, 0x1FBF9, '0', 10 },
	{ 0x249C, 0x24B5, 'a', 26 },   { 0x24B6, 0x24E9, 'a', 26 },
	{ 0x2460, 0x2468, '1', 9 },    { 0x2080, 0x2089, '0', 10 },
};

static const struct pair {
	uint16_t from;
	char to;
} look_alikes[] = {
	{ 0x03B1, 'a' }, { 0x03B2, 'b' }, { 0x03B3, 'y' }, { 0x03B5, 'e' }, { 0x03B6, 'z' },
	{ 0x03B7, 'n' }, { 0x03B9, 'i' }, { 0x03BA, 'k' }, { 0x03BC, 'm' }, { 0x03BD, 'v' },
	{ 0x03BF, 'o' }, { 0x03C1, 'p' }, { 0x03C3, 'o' }, { 0x03C4, 't' }, { 0x03C5, 'u' },
	{ 0x03C7, 'x' }, { 0x03C9, 'w' }, { 0x03F2, 'c' }, { 0x0430, 'a' }, { 0x0432, 'b' },
	{ 0x0433, 'r' }, { 0x0435, 'e' }, { 0x0438, 'u' }, { 0x043A, 'k' }, { 0x043C, 'm' },
	{ 0x043D, 'h' }, { 0x043E, 'o' }, { 0x043F, 'n' }, { 0x0440, 'p' }, { 0x0441, 'c' },
	{ 0x0442, 't' }, { 0x0443, 'y' }, { 0x0445, 'x' }, { 0x044C, 'b' }, { 0x0451, 'e' },
	{ 0x0455, 's' }, { 0x0456, 'i' }, { 0x0457, 'i' }, { 0x0458, 'j' }, { 0x0475, 'v' },
	{ 0x04BB, 'h' }, { 0x04CF, 'l' }, { 0x0501, 'd' }, { 0x051B, 'q' }, { 0x051D, 'w' },
};
/* clang-format on */

/* Returns the Latin letter that a Cyrillic or Greek letter resembles, or the letter itself. */
static uint32_t
inject_look_alike(uint32_t cp)
{
	for (size_t i = 0; i < COUNT_OF(look_alikes); i++)
		if (look_alikes[i].from == cp)
			return (unsigned char)look_alikes[i].to;
	return cp;
}

static enum letters_script
fold_ascii(uint32_t *cp)
{
	uint32_t c = *cp | 0x20;

	if (c >= 'a' && c <= 'z') {
		*cp = c;
		return SCRIPT_LATIN;
	}
	if (*cp >= '0' && *cp <= '9')
		return SCRIPT_DIGIT;
	return *cp == '\'' ? SCRIPT_GONE : SCRIPT_NONE;
}

static bool
fold_latin(uint32_t *cp)
{
	/* ƀ Ɓ Ɖ Ɗ Ǝ Ə Ɠ Ƙ ƙ Ƴ ƴ ǝ Ǥ ǥ Ǿ ǿ ẟ Ỻ ỻ: the model was trained with these as letters of
	 * their own */
	static const uint16_t own[] = { 0x180, 0x181, 0x189, 0x18A, 0x18E, 0x18F, 0x193, 0x198,
		0x199, 0x1B3, 0x1B4, 0x1DD, 0x1E4, 0x1E5, 0x1FE, 0x1FF, 0x1E9F, 0x1EFA,
		0x1EFB };
	const char *base = letters_latin(*cp);

	if (!base)
		return false;
	for (size_t i = 0; *cp >= own[0] && i < COUNT_OF(own); i++)
		if (*cp == own[i])
			return true;
	if (is_alpha(base[0]) && to_lower(base[0]) != 'q')
		*cp = (unsigned char)to_lower(base[0]);
	return true;
}

static uint32_t
fold_lower(uint32_t cp)
{
	switch (cp) { /* the model was trained with these as letters of their own */
	case 0x0390:
	case 0x03AA:
	case 0x03AB:
	case 0x03B0:
	case 0x03CB: return cp;
	default: return cp >= 0x04C0 && cp < 0x04D0 ? cp : letters_plain(cp);
	}
}

enum letters_script
inject_fold(uint32_t *cp, const struct letters_block **near)
{
	if (*cp < 0x80)
		return fold_ascii(cp);
	if (fold_latin(cp))
		return SCRIPT_LATIN;
	if (*cp >= 0xFF01 && *cp <= 0xFF5E)
		*cp -= 0xFEE0;
	else if (*cp >= 0xE0020 && *cp <= 0xE007E)
		*cp -= 0xE0000;
	else if ((*cp >= 0x2080 && *cp < 0x2500) || *cp >= 0x1D400)
		for (size_t i = 0; i < COUNT_OF(dresses); i++)
			if (*cp >= dresses[i].from && *cp <= dresses[i].to) {
				*cp = (unsigned char)dresses[i].first +
				      (*cp - dresses[i].from) % dresses[i].n;
				break;
			}
	if (*cp < 0x80)
		return fold_ascii(cp);
	if (!*near || *cp < (*near)->from || *cp >= (*near)[1].from)
		*near = letters_block(*cp);
	enum letters_script script = (*near)->script;
	if (script == SCRIPT_DIGIT)
		*cp = '0';
	if (script == SCRIPT_LIKE)
		*cp = fold_lower(*cp);
	return script;
}

/* ---- features ---- */

/* Returns the character's byte in `word`. */
static inline unsigned char
inject_byte(uint32_t cp)
{
	return (unsigned char)(cp < 0x80 ? cp : 0x80 | cp);
}

/* upper bound of the features that one word writes, surplus ones included */
enum { FEATURES_WORD = 2 * INJECT_WORD + 16 };

#define ALPHA	     UINT32_C(0x9E3779B1)
#define BETA	     UINT32_C(0x85EBCA6B)
#define GAMMA	     UINT64_C(0xD6E8FEB86659FD93)
#define FOUR	     (UINT64_MAX << 32)
#define FIVE	     (UINT64_MAX << 24)
#define SPACE_BEFORE ((uint64_t)' ' << 56)

static inline uint16_t
bucket(uint32_t h)
{
	h ^= h >> 15;
	return (uint16_t)((h * ALPHA) >> (32 - INJECT_BITS));
}

static inline void
add_feature(struct inject_walk *w, uint32_t h)
{
	w->f[w->n++] = bucket(h);
}

static void
hand_over(struct inject_walk *w, bool end)
{
	w->take(w, end);
	w->n = 0;
	if (end)
		w->units = 0;
}

static inline void
make_room(struct inject_walk *w, unsigned units)
{
	if (w->units + units > INJECT_BLOCK_UNITS)
		hand_over(w, true);
	else if (w->n + FEATURES_WORD > INJECT_FEED ||
		 (w->units <= INJECT_HALF_UNITS && w->units + units > INJECT_HALF_UNITS))
		hand_over(w, false);
	w->units += units;
}

/* Reports a word, or a character of a script without spaces, to seen() if it is watched. */
static inline void
see_word(struct inject_walk *w, uint32_t hash)
{
	if (w->watch && (w->watch[hash % INJECT_WATCH / 64] >> (hash % 64) & 1))
		w->seen(w, hash);
	w->nwords++;
}

static inline uint32_t
gram_hash(const uint32_t *v, unsigned n)
{
	uint32_t h = n;

	for (unsigned i = 0; i < n; i++)
		h = h * BETA + v[i];
	return h;
}

/* Returns the eight characters that end with character k of x, preceded by those of
 * `before`. */
static inline uint64_t
eight_ending(uint64_t before, uint64_t x, unsigned k)
{
	return (uint64_t)(((unsigned __int128)x << 64 | before) >> (8 * k + 8));
}

/* Returns the last characters after a word that ends with the first n of x, followed by a
 * space. */
static inline uint64_t
and_space(uint64_t before, uint64_t x, size_t n)
{
	return eight_ending(before, x, (unsigned)n - 1) >> 8 | SPACE_BEFORE;
}

/* Adds a character of a script without spaces. */
static void
inject_solid(struct inject_walk *w, uint32_t cp)
{
	make_room(w, 1);
	memmove(w->solid, w->solid + 1, 3 * sizeof(w->solid[0]));
	w->solid[3] = cp;
	w->nsolid += w->nsolid < 4;
	for (unsigned n = 1; n <= w->nsolid; n++)
		add_feature(w, gram_hash(w->solid + 4 - n, n));
	w->before = and_space(w->before << 8, inject_byte(cp), 1);
	w->h2 = w->h1;
	w->h1 = cp * ALPHA;
	see_word(w, w->h1);
}

/* Adds pairs and triples of characters of the current word, for Hangul. */
static void
inject_syllables(struct inject_walk *w)
{
	uint32_t v[1 + INJECT_WORD] = { ' ' };

	make_room(w, 0);
	for (size_t i = 0; i < w->word_n; i++)
		v[1 + i] = w->word[i] < 0x80 ? w->word[i] : w->wide[i];
	for (size_t i = 1; i <= w->word_n; i++)
		add_feature(w, gram_hash(v + i - 1, 2));
	for (size_t i = 2; i <= w->word_n; i++)
		add_feature(w, gram_hash(v + i - 2, 3));
}

/* Writes the eight features of the n-grams that end at the characters of x; `mask` keeps the
 * last four or five characters. Always eight: surplus ones are overwritten later, and a loop of
 * constant length is faster than one that stops early. */
static inline void
in_a_row(uint16_t *f, uint64_t before, uint64_t x, uint64_t mask)
{
#pragma GCC unroll 8
	for (unsigned k = 0; k < 8; k++)
		f[k] = (uint16_t)((eight_ending(before, x, k) & mask) * GAMMA >>
				  (64 - INJECT_BITS));
}

/* Adds a word of n characters. x: the first eight; p: all of them if there are more. Bytes
 * after the word may have any value. */
static void
inject_word(
	struct inject_walk *w, uint64_t x, const unsigned char *p, size_t n, unsigned scripts)
{
	uint64_t hash = n * GAMMA, before = w->before;
	uint64_t mask = scripts & SCRIPT_SHORT ? FOUR : FIVE;

	make_room(w, 2);
	uint16_t *f = w->f + w->n;
	for (w->n += n; n > 8; n -= 8) {
		in_a_row(f, before, x, mask);
		hash = (hash ^ x) * GAMMA;
		hash ^= hash >> 29;
		before = x;
		x = inject_eight(p += 8);
		f += 8;
	}
	in_a_row(f, before, x, mask);
	w->before = and_space(before, x, n);
	hash = (hash ^ x << (64 - 8 * n)) * GAMMA;
	hash ^= hash >> 29;
	uint32_t h = (uint32_t)(hash * GAMMA >> 32);
	w->nsolid = 0;
	see_word(w, h);
	uint32_t one = h + w->h1 * UINT32_C(0xC2B2AE35), two = w->h2 * UINT32_C(0x27D4EB2F);
	f = w->f + w->n;
	f[0] = bucket(h);
	f[1] = bucket(one);
	f[2] = bucket(one + two);
	f[3] = bucket(h + w->h2 * UINT32_C(0x165667B1));
	w->n += 4;
	w->h2 = w->h1;
	w->h1 = h;
}

static void
inject_features_begin(struct inject_walk *w)
{
	w->n = 0;
	w->units = 0;
	w->before = SPACE_BEFORE;
	w->nsolid = 0;
	w->h1 = w->h2 = 1;
	w->nwords = 0;
}

static void
inject_features_end(struct inject_walk *w)
{
	if (w->units)
		hand_over(w, true);
}

enum {
	BASE64_PIECE = 3072, /* bytes decoded at once */
	BASE64_PROBE = 192,  /* bytes that must be text before a run is decoded */
};

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* ---- words ---- */

/* Joins single letters in a row, which are a word written with spaces: "i g n o r e". A gap
 * wider than the first gap ends the word. */
static void
join_singles(struct inject_walk *w)
{
	unsigned char v[INJECT_WORD + 8] = { 0 };
	size_t n = 0, singles = w->nsingle;

	w->nsingle = 0;
	if (singles < 3) {
		for (size_t i = 0; i < singles; i++)
			inject_word(w, w->single[i].letter, NULL, 1, SCRIPT_LATIN);
		return;
	}
	for (size_t i = 0; i < singles; i++) {
		if (n && w->single[i].gap > w->single[1].gap) {
			inject_word(w, inject_eight(v), v, n, SCRIPT_LATIN);
			n = 0;
		}
		v[n++] = w->single[i].letter;
	}
	inject_word(w, inject_eight(v), v, n, SCRIPT_LATIN);
}

/* Replaces digits inside a word by letters: 1gn0re becomes ignore. If most characters are
 * digits, each run of digits becomes one 0. */
static void
fold_leet(struct inject_walk *w)
{
	static const char letter[] = "oizeasgtbg";
	size_t n = 0, out = 0;

	for (size_t i = 0; i < w->word_n; i++)
		n += is_digit((char)w->word[i]);
	if (2 * n > w->word_n) { /* mostly digits */
		for (size_t i = 0; i < w->word_n; i++) {
			unsigned char c = w->word[i];
			c = c >= '0' && c <= '9' ? '0' : c;
			w->wide[out] = w->wide[i];
			w->word[out] = c;
			out += c != '0' || out == 0 || w->word[out - 1] != '0';
		}
		w->word_n = out;
		return;
	}
	for (size_t i = 0; i < w->word_n; i++)
		if (is_digit((char)w->word[i]))
			w->word[i] = (unsigned char)letter[w->word[i] - '0'];
}

static void
walk_single(struct inject_walk *w)
{
	if (w->nsingle == INJECT_WORD)
		join_singles(w);
	w->single[w->nsingle].letter = w->word[0];
	w->single[w->nsingle++].gap = (unsigned char)w->gap;
}

/* Normalizes a word that has more than ASCII letters. */
static void
fold_word(struct inject_walk *w)
{
	bool alike = (w->scripts & SCRIPT_LIKE) && (w->scripts & SCRIPT_LATIN);

	for (size_t i = 0; alike && i < w->word_n; i++)
		if (w->word[i] >= 0x80)
			w->word[i] = inject_byte(inject_look_alike(w->wide[i]));
	if (w->scripts & SCRIPT_DIGIT)
		fold_leet(w);
	if (w->scripts & SCRIPT_BLOCK)
		inject_syllables(w);
}

static inline void
end_word(struct inject_walk *w)
{
	if (w->word_n == 0)
		return;
	if (w->scripts & ~(unsigned)(SCRIPT_LATIN | SCRIPT_DIGIT) ||
		w->scripts == (SCRIPT_LATIN | SCRIPT_DIGIT))
		fold_word(w);
	if (w->word_n == 1 && (w->scripts & (SCRIPT_LATIN | SCRIPT_LIKE))) {
		walk_single(w);
	} else {
		if (w->nsingle)
			join_singles(w);
		if (w->scripts == SCRIPT_DIGIT)
			inject_word(w, '0', NULL, 1, SCRIPT_DIGIT);
		else
			inject_word(w, inject_eight(w->word), w->word, w->word_n, w->scripts);
	}
	w->word_n = 0;
	w->scripts = 0;
	w->gap = 0;
}

static inline void
walk_separator(struct inject_walk *w)
{
	end_word(w);
	w->gap += w->gap < 255;
}

/* Processes a character outside ASCII. */
static void
walk_character(struct inject_walk *w, uint32_t cp)
{
	enum letters_script s = inject_fold(&cp, &w->near);

	if (s == SCRIPT_GONE)
		return;
	if (s == SCRIPT_NONE) {
		walk_separator(w);
		return;
	}
	if (s == SCRIPT_SOLID) {
		end_word(w);
		if (w->nsingle)
			join_singles(w);
		inject_solid(w, cp);
		return;
	}
	if (w->word_n == INJECT_WORD)
		end_word(w);
	w->wide[w->word_n] = cp;
	w->word[w->word_n++] = inject_byte(cp);
	w->scripts |= s;
}

/* Walks a decoded run of base64 in place of the run. Returns false if it is not text. */
static bool
walk_blob(struct inject_walk *w, const char *p, size_t n)
{
	char text[BASE64_PIECE];
	size_t at = 0, have = 0, got;

	got = inject_base64_decode(p, n, &at, text, BASE64_PROBE);
	if (!inject_base64_text(text, got))
		return false;
	end_word(w);
	w->decoded = true;
	for (at = 0; (got = inject_base64_decode(p, n, &at, text + have, sizeof(text) - have)) >
		     0;) {
		size_t whole = have + got, keep = 0;
		while (at < n && keep < 3 && keep < whole &&
			((unsigned char)text[whole - keep - 1] & 0xc0) == 0x80)
			keep++;
		if (at < n && keep < whole && (unsigned char)text[whole - keep - 1] >= 0xc0)
			keep++;
		inject_walk_text(w, span_of(text, whole - keep));
		memmove(text, text + whole - keep, keep);
		have = keep;
	}
	w->decoded = false;
	end_word(w);
	return true;
}

/* ---- text ---- */

/* Sets the high bit of each byte from `low` to `high`. The bytes of x must be below 0x80. */
static inline uint64_t
walk_within(uint64_t x, unsigned low, unsigned high)
{
	return (x + (0x80 - low) * ONES) & ~(x + (0x7f - high) * ONES);
}

/* Loads the last bytes of a text, followed by zeros. */
static __attribute__((noinline)) uint64_t
last_bytes(const char *p, size_t n)
{
	char end[8] = { 0 };

	memcpy(end, p, n);
	return inject_eight(end);
}

/* The ASCII letters and digits at the beginning of eight bytes. */
struct plain {
	uint64_t lowered; /* the eight bytes, letters in lower case */
	size_t len;
	unsigned scripts;
};

static inline struct plain
plain_letters(uint64_t x)
{
	uint64_t low = x & ~HIGHS;
	uint64_t letters = walk_within(low | 0x20 * ONES, 'a', 'z') & ~x & HIGHS;
	uint64_t numbers = walk_within(low, '0', '9') & ~x & HIGHS;
	uint64_t rest = (letters | numbers) ^ HIGHS, in = (rest & -rest) - 1;

	return (struct plain){
		.lowered = x | letters >> 2,
		.len = rest ? (size_t)__builtin_ctzll(rest) / 8 : 8,
		.scripts =
			(letters & in ? SCRIPT_LATIN : 0u) | (numbers & in ? SCRIPT_DIGIT : 0u),
	};
}

/* Appends these characters to the current word. Returns how many were used. */
static size_t
go_on_walking(struct inject_walk *w, struct plain c)
{
	if (w->word_n == INJECT_WORD)
		end_word(w);
	size_t room = INJECT_WORD - w->word_n;
	if (c.len > room)
		c = plain_letters(c.lowered & UINT64_MAX >> (64 - 8 * room));
	uint64_t bytes = htole64(c.lowered);
	memcpy(w->word + w->word_n, &bytes, sizeof(bytes));
	w->word_n += c.len;
	w->scripts |= c.scripts;
	return c.len;
}

/* Processes a complete ASCII word of up to seven bytes that a separator follows, which most
 * words are. Returns false if the word needs the long path. */
static inline bool
short_word(struct inject_walk *w, struct plain c, const char *p, size_t n)
{
	unsigned char after = c.len < n ? (unsigned char)p[c.len] : 0x80;
	bool number = c.scripts == SCRIPT_DIGIT;

	if (w->word_n || c.len == 8 || !(number || (c.len > 1 && c.scripts == SCRIPT_LATIN)) ||
		after >= 0x80 || after == '\'')
		return false;
	if (digits64[after] && inject_base64_begins(p, n))
		return false;
	if (w->nsingle)
		join_singles(w);
	inject_word(w, number ? '0' : c.lowered, NULL, number ? 1 : c.len, c.scripts);
	w->gap = 1;
	return true;
}

void
inject_walk_begin(struct inject_walk *w, void (*take)(struct inject_walk *w, bool end))
{
	inject_features_begin(w);
	w->take = take;
	w->word_n = w->nsingle = 0;
	w->scripts = w->gap = 0;
	w->near = NULL;
	w->decoded = false;
	w->watch = NULL;
}

/* Processes characters outside ASCII. Returns the number of bytes. */
static size_t
beyond_ascii(struct inject_walk *w, const char *p, size_t n)
{
	size_t i = 0;

	for (size_t len; i < n && (unsigned char)p[i] >= 0x80; i += len ? len : 1) {
		len = utf8_sequence(p + i, n - i);
		if (len)
			walk_character(w, utf8_value(p + i, len));
		else
			walk_separator(w);
	}
	return i;
}

/* Processes punctuation and spaces. Returns the number of bytes. Stops before a character that
 * can begin base64. */
static size_t
walk_separators(struct inject_walk *w, const char *p, size_t n)
{
	size_t i = 0;

	if (*p == '\'')
		return 1;
	do
		walk_separator(w);
	while (++i < n && (unsigned char)p[i] < 0x80 && p[i] != '\'' &&
		!digits64[(unsigned char)p[i]]);
	return i;
}

void
inject_walk_text(struct inject_walk *w, struct span text)
{
	const char *p = text.p;
	size_t n = text.n, looked = 0; /* end of the last run that was not base64 */

	for (size_t i = 0, len; i < n; i += len) {
		if ((unsigned char)p[i] >= 0x80) {
			len = beyond_ascii(w, p + i, n - i);
			continue;
		}
		struct plain c = plain_letters(
			n - i < 8 ? last_bytes(p + i, n - i) : inject_eight(p + i));
		len = c.len;
		if (short_word(w, c, p + i, n - i)) {
			len++;
			continue;
		}
		if (w->word_n == 0 && i >= looked && !w->decoded &&
			inject_base64_begins(p + i, n - i)) {
			size_t run = inject_base64_run(p + i, n - i);
			looked = i + run;
			if (run >= INJECT_BASE64_MIN && walk_blob(w, p + i, run)) {
				len = run;
				continue;
			}
		}
		len = len ? go_on_walking(w, c) : walk_separators(w, p + i, n - i);
	}
}

void
inject_walk_end(struct inject_walk *w)
{
	end_word(w);
	if (w->nsingle)
		join_singles(w);
	inject_features_end(w);
}

/* ---- repeated words ----
 *
 * The words that repeat earlier ones are left out, so that a sentence that is written ten times
 * has the features of one.
 *
 * A unit is a word, or a character that takes three or more bytes of UTF-8: most of these
 * belong to scripts that do not separate words. A unit is repeated if it is part of a sequence
 * that occurred before: SHORT_WORDS or SHORT_CHARACTERS among the last NEAR units, or LONG
 * units among the REMEMBERED ones. A short sequence counts only near its earlier occurrence.
 * Otherwise an attacker could hide an attack by writing its pieces somewhere before in a long
 * text.
 *
 * A hash only finds candidates. The units themselves are then compared completely, because an
 * attacker can compute colliding hashes. */

enum {
	SHORT_WORDS = 3,
	SHORT_CHARACTERS = 6,
	NEAR = 64,	   /* units in which a short sequence must occur again */
	LONG = 16,	   /* units of a long sequence */
	/* number of long sequences that are remembered, a power of 2; a newer sequence may
	 * replace an older one */
	REMEMBERED = 1024,
};

#define STEP UINT64_C(0x9E3779B97F4A7C15)

/* A sequence of units that occurred earlier. */
struct sequence {
	uint64_t hash; /* 0: none */
	size_t start;  /* byte offset of its first unit */
};

struct repeats {
	struct inject_walk *walk;
	struct span text;
	size_t n; /* units so far */
	struct {
		size_t start; /* in bytes */
		uint64_t hash;
		bool repeated;
	} unit[LONG]; /* the last units, which have not been walked yet */
	/* hash of the last LONG units: the sum of their hashes times powers of STEP */
	uint64_t sum;
	uint64_t power; /* STEP^LONG, the factor of the unit that leaves the sum */
	/* the short sequences that end with each of the last units */
	struct sequence near[NEAR];
	struct sequence before[REMEMBERED]; /* long sequences, indexed by their hash */
	size_t from, to;		    /* the range of bytes that is walked next */
};

/* Returns the length of the unit at p, or 0 if p is at a separator. */
static size_t
unit_length(const char *p, size_t n, bool *character)
{
	size_t len = 0, c = 0;

	for (; len < n && (is_alnum(p[len]) || is_high(p[len])); len += c) {
		c = is_high(p[len]) ? utf8_sequence(p + len, n - len) : 1;
		*character = c > 2 && len == 0;
		if (c == 0 || c > 2)
			return len ? len : c;
	}
	return len;
}

/* Returns a hash of the unit, the same in small and in capital letters of ASCII; never 0. */
static uint64_t
unit_hash(struct span unit)
{
	uint64_t h = unit.n;

	for (size_t i = 0; i < unit.n; i++)
		h = (h ^ (unsigned char)to_lower(unit.p[i])) * STEP;
	return (h ^ h >> 32) | 1;
}

/* Returns the first unit at or after *at, and moves *at behind the unit. Empty: no unit is
 * left. */
static struct span
next_unit(struct span text, size_t *at, bool *character)
{
	while (*at < text.n) {
		size_t len = unit_length(text.p + *at, text.n - *at, character);
		*at += len ? len : 1;
		if (len)
			return span_cut(text, *at - len, *at);
	}
	return span_of(NULL, 0);
}

/* Returns true if the `count` units that begin at a and at b are the same. */
static bool
same_units(struct span text, size_t a, size_t b, size_t count)
{
	bool character;

	for (size_t i = 0; i < count; i++) {
		struct span one = next_unit(text, &a, &character);
		if (!one.n || !span_ieq(one, next_unit(text, &b, &character)))
			return false;
	}
	return true;
}

/* The sequence of the last `len` units; its hash is 0 if there are fewer. */
static struct sequence
last_units(const struct repeats *r, size_t len)
{
	struct sequence s = { 0, 0 };

	if (r->n < len)
		return s;
	s.start = r->unit[(r->n - len) % LONG].start;
	for (size_t i = r->n - len; i < r->n; i++)
		s.hash = (s.hash ^ r->unit[i % LONG].hash) * STEP;
	s.hash |= 1;
	return s;
}

static void
mark_repeated(struct repeats *r, size_t len)
{
	for (size_t i = r->n - len; i < r->n; i++)
		r->unit[i % LONG].repeated = true;
}

/* Marks the units of sequences that end with the last unit and occurred earlier. */
static void
look_back(struct repeats *r, bool character)
{
	size_t len = character ? SHORT_CHARACTERS : SHORT_WORDS;
	struct sequence few = last_units(r, len);
	const struct sequence *near = NULL;

	for (size_t i = 0; few.hash && i < NEAR; i++)
		if (r->near[i].hash == few.hash)
			near = &r->near[i];
	if (near && same_units(r->text, near->start, few.start, len))
		mark_repeated(r, len);
	r->near[r->n % NEAR] = few;
	if (r->n < LONG)
		return;
	struct sequence many = { r->sum, r->unit[r->n % LONG].start };
	struct sequence *same = &r->before[r->sum * STEP >> 32 & (REMEMBERED - 1)];
	if (same->hash == many.hash && same_units(r->text, same->start, many.start, LONG))
		mark_repeated(r, LONG);
	*same = many;
}

/* Walks the unit whose place in the ring is `at`, which ends before byte `end`. */
static void
walk_unit(struct repeats *r, size_t at, size_t end)
{
	size_t start = r->unit[at].start;

	if (r->unit[at].repeated)
		return;
	if (r->to != start) {
		inject_walk_text(r->walk, span_cut(r->text, r->from, r->to));
		r->from = start;
	}
	r->to = end;
}

void
inject_walk_once(struct inject_walk *w, struct span text)
{
	struct repeats r = { .walk = w, .text = text, .power = 1 };
	bool character;
	size_t at = 0;

	for (size_t i = 0; i < LONG; i++)
		r.power *= STEP;

	for (struct span unit; (unit = next_unit(text, &at, &character)).n;) {
		size_t place = r.n % LONG;
		if (r.n >= LONG)
			walk_unit(&r, place, r.unit[(r.n + 1) % LONG].start);
		uint64_t hash = unit_hash(unit);
		r.sum = r.sum * STEP + hash - r.unit[place].hash * r.power;
		/* separators before the first word are walked with the word */
		r.unit[place].start = r.n ? at - unit.n : 0;
		r.unit[place].hash = hash;
		r.unit[place].repeated = false;
		r.n++;
		look_back(&r, character);
	}
	for (size_t i = r.n < LONG ? 0 : r.n - LONG; i < r.n; i++)
		walk_unit(&r, i % LONG, i + 1 < r.n ? r.unit[(i + 1) % LONG].start : text.n);
	inject_walk_text(w, span_cut(text, r.from, r.to));
}
