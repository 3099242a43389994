/* Splits a text into normalized words; see inject_walk.h. One pass; ASCII letters and digits
 * are processed eight bytes at a time. Words that need no normalization take the short path
 * short_word(). */
#include "scan/inject/inject_walk.h"

#include "base/ascii.h"
#include "base/utf8.h"

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
