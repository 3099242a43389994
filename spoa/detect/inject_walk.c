/* Text to features; see inject_walk.h. One pass: characters to words, words to
 * features, features to blocks. */
#include "detect/inject_walk.h"

#include "codec/utf8.h"

enum {
	FEATURES_WORD = 5 * INJECT_WORD + 8, /* of one word, at most */
	BASE64_MIN = 24,		     /* characters */
	BASE64_LINE = 40,		     /* a run of so many may go on behind a line end */
	BASE64_PIECE = 3072,		     /* bytes decoded at once */
	BASE64_PROBE = 192,		     /* bytes that must read as text */
};

#define ALPHA UINT32_C(0x9E3779B1)
#define BETA  UINT32_C(0x85EBCA6B)
#define BETA5 (BETA * BETA * BETA * BETA * BETA)

static inline void
feature(struct inject_walk *w, uint32_t h)
{
	h ^= h >> 15;
	w->f[w->n++] = (uint16_t)((h * ALPHA) >> (32 - INJECT_BITS));
}

/* ---- blocks ---- */

static void
hand_over(struct inject_walk *w, bool end)
{
	w->take(w, end);
	w->n = 0;
	if (end)
		w->units = 0;
}

static void
make_room(struct inject_walk *w, unsigned units)
{
	if (w->units + units > INJECT_BLOCK_UNITS)
		hand_over(w, true);
	else if (w->n + FEATURES_WORD > INJECT_FEED)
		hand_over(w, false);
	w->units += units;
}

/* ---- characters ---- */

static inline void
push(struct inject_walk *w, uint32_t cp)
{
	w->last[++w->at & 7] = cp;
	w->five = w->five * BETA + cp - w->last[(w->at - 5) & 7] * BETA5;
}

static inline uint32_t
back(const struct inject_walk *w, unsigned n)
{
	return w->last[(w->at - n) & 7];
}

static inline uint32_t
gram(const struct inject_walk *w, unsigned n)
{
	uint32_t h = n;

	for (unsigned i = n; i-- > 0;)
		h = h * BETA + back(w, i);
	return h;
}

/* The runs of characters that end here. */
static inline void
characters(struct inject_walk *w, unsigned scripts)
{
	if (scripts & SCRIPT_SOLID) {
		for (unsigned n = 1; n <= 4; n++)
			feature(w, gram(w, n));
	} else if (scripts & SCRIPT_BLOCK) {
		feature(w, gram(w, 2));
		feature(w, gram(w, 3));
	} else if (scripts & SCRIPT_SHORT) {
		feature(w, gram(w, 4));
	} else {
		feature(w, 5 * BETA5 + w->five); /* gram(w, 5) */
	}
}

/* A word, or a character of a script that does not separate them, for whoever watches. */
static inline void
see(struct inject_walk *w, uint32_t hash)
{
	if (w->watch && (w->watch[hash % INJECT_WATCH / 64] >> (hash % 64) & 1))
		w->seen(w, hash);
	w->nwords++;
}

/* A character of a script that does not separate words. */
static void
solid(struct inject_walk *w, uint32_t cp)
{
	make_room(w, 1);
	push(w, cp);
	characters(w, SCRIPT_SOLID);
	w->h2 = w->h1;
	w->h1 = cp * ALPHA;
	see(w, w->h1);
}

/* ---- words ---- */

static uint32_t
letters(struct inject_walk *w, const uint32_t *v, size_t n, unsigned scripts)
{
	uint32_t h = 7;

	push(w, ' ');
	for (size_t i = 0; i < n; i++) {
		push(w, v[i]);
		h = h * BETA + v[i];
		characters(w, scripts);
	}
	return h;
}

/* The same where every character has its five: most text, so without a detour through
 * memory. */
static uint32_t
letters_five(struct inject_walk *w, const uint32_t *v, size_t n)
{
	uint32_t seq[6 + INJECT_WORD], h = 7, five = w->five;
	uint16_t *f = w->f + w->n;

	for (unsigned i = 0; i < 5; i++)
		seq[i] = back(w, 4 - i);
	seq[5] = ' ';
	five = five * BETA + ' ' - seq[0] * BETA5;
	for (size_t i = 0; i < n; i++) {
		seq[6 + i] = v[i];
		five = five * BETA + v[i] - seq[1 + i] * BETA5;
		h = h * BETA + v[i];
		uint32_t g = 5 * BETA5 + five;
		g ^= g >> 15;
		f[i] = (uint16_t)((g * ALPHA) >> (32 - INJECT_BITS));
	}
	w->n += n;
	w->five = five;
	w->at += 5;
	for (unsigned i = 0; i < 5; i++)
		w->last[(w->at - i) & 7] = seq[5 + n - i];
	return h;
}

static void
word(struct inject_walk *w, const uint32_t *v, size_t n, unsigned scripts)
{
	uint32_t h;

	make_room(w, 2);
	if (scripts & (SCRIPT_SHORT | SCRIPT_BLOCK))
		h = letters(w, v, n, scripts);
	else
		h = letters_five(w, v, n);
	h *= ALPHA;
	h ^= h >> 13;
	see(w, h);
	feature(w, h);
	feature(w, h + w->h1 * UINT32_C(0xC2B2AE35));
	feature(w, h + w->h1 * UINT32_C(0xC2B2AE35) + w->h2 * UINT32_C(0x27D4EB2F));
	feature(w, h + w->h2 * UINT32_C(0x165667B1));
	w->h2 = w->h1;
	w->h1 = h;
}

/* Single letters in a row are a word that was spread out: a wider gap than the first
 * ends it. */
static void
join_singles(struct inject_walk *w)
{
	uint32_t v[INJECT_WORD];
	size_t n = 0;

	if (w->nsingle < 3) {
		for (size_t i = 0; i < w->nsingle; i++)
			word(w, &w->single[i].cp, 1, SCRIPT_LATIN);
		w->nsingle = 0;
		return;
	}
	for (size_t i = 0; i < w->nsingle; i++) {
		if (n && w->single[i].gap > w->single[1].gap) {
			word(w, v, n, SCRIPT_LATIN);
			n = 0;
		}
		v[n++] = w->single[i].cp;
	}
	word(w, v, n, SCRIPT_LATIN);
	w->nsingle = 0;
}

/* 1gn0re is ignore; 24 is a number whatever it is. */
static void
digits(struct inject_walk *w)
{
	static const char letter[] = "oizeasgtbg";
	size_t n = 0, out = 0;

	for (size_t i = 0; i < w->word_n; i++)
		n += w->word[i] >= '0' && w->word[i] <= '9';
	if (2 * n > w->word_n) { /* runs of digits become one 0 */
		for (size_t i = 0; i < w->word_n; i++) {
			uint32_t c = w->word[i];
			c = c >= '0' && c <= '9' ? '0' : c;
			if (c != '0' || !out || w->word[out - 1] != '0')
				w->word[out++] = c;
		}
		w->word_n = out;
		return;
	}
	for (size_t i = 0; i < w->word_n; i++)
		if (w->word[i] >= '0' && w->word[i] <= '9')
			w->word[i] = (unsigned char)letter[w->word[i] - '0'];
}

static void
end_word(struct inject_walk *w)
{
	if (w->word_n == 0)
		return;
	if (w->scripts & SCRIPT_DIGIT)
		digits(w);
	if ((w->scripts & SCRIPT_LIKE) && (w->scripts & SCRIPT_LATIN))
		for (size_t i = 0; i < w->word_n; i++)
			w->word[i] = inject_look_alike(w->word[i]);
	if (w->word_n == 1 && (w->scripts & (SCRIPT_LATIN | SCRIPT_LIKE))) {
		if (w->nsingle == INJECT_WORD)
			join_singles(w);
		w->single[w->nsingle].cp = w->word[0];
		w->single[w->nsingle++].gap = w->gap;
	} else {
		if (w->nsingle)
			join_singles(w);
		word(w, w->word, w->word_n, w->scripts);
	}
	w->word_n = 0;
	w->scripts = 0;
	w->gap = 0;
}

static void
character(struct inject_walk *w, uint32_t cp)
{
	enum inject_script s = cp == ' ' ? SCRIPT_NONE : inject_fold(&cp);

	if (s == SCRIPT_GONE)
		return;
	if (s == SCRIPT_NONE || s == SCRIPT_SOLID) {
		end_word(w);
		if (s == SCRIPT_NONE) {
			w->gap += w->gap < 255;
			return;
		}
		if (w->nsingle)
			join_singles(w);
		solid(w, cp);
		return;
	}
	if (w->word_n == INJECT_WORD)
		end_word(w);
	w->word[w->word_n++] = cp;
	w->scripts |= s;
}

/* ---- base64 ---- */

/* Its value and one, in both alphabets (RFC 4648 sections 4 and 5); 0: none. */
/* clang-format off */
static const unsigned char sextets[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, ['+'] = 63, ['-'] = 63, ['/'] = 64, ['_'] = 64,
};
/* clang-format on */

static inline int
sextet(char c)
{
	return sextets[(unsigned char)c] - 1;
}

/* Length of the run of base64 at p, line ends inside it included. */
static size_t
run_length(const char *p, size_t n)
{
	size_t i = 0, line = 0, end = 0;

	while (i < n) {
		if (sextet(p[i]) >= 0) {
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

/* Up to `room` bytes; moves *at. */
static size_t
decode(const char *p, size_t n, size_t *at, char *out, size_t room)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t done = 0;

	while (*at < n && done + 3 <= room) {
		int v = sextet(p[(*at)++]);
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

/* UTF-8 without control characters, and a space or a letter beyond ASCII in it. */
static bool
reads_as_text(const char *p, size_t n)
{
	bool words = false;
	size_t good = utf8_prefix(span_of(p, n));

	if (good + 3 < n || good < BASE64_MIN / 2)
		return false;
	for (size_t i = 0; i < good; i++) {
		unsigned char c = (unsigned char)p[i];
		if (c == 0x7f || (c < 0x20 && c != '\n' && c != '\r' && c != '\t'))
			return false;
		words |= c == ' ' || c >= 0x80;
	}
	return words;
}

/* Decodes a run that reads as text in place; false: it is no base64. */
static bool
base64(struct inject_walk *w, const char *p, size_t n)
{
	char text[BASE64_PIECE];
	size_t at = 0, have = 0, got;

	got = decode(p, n, &at, text, BASE64_PROBE);
	if (!reads_as_text(text, got))
		return false;
	end_word(w);
	w->decoded = true;
	for (at = 0; (got = decode(p, n, &at, text + have, sizeof(text) - have)) > 0;) {
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

static uint32_t
code_point(const char *p, size_t len)
{
	static const unsigned char mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t cp = (unsigned char)p[0] & mask[len];

	for (size_t i = 1; i < len; i++)
		cp = cp << 6 | ((unsigned char)p[i] & 0x3fu);
	return cp;
}

/* Letters of ASCII, nearly all there is: how many went into the word. */
static inline size_t
latin_run(struct inject_walk *w, const char *p, size_t n)
{
	uint32_t *to = w->word + w->word_n;
	size_t room = INJECT_WORD - w->word_n, i = 0;

	if (n > room)
		n = room;
	for (; i < n; i++) {
		uint32_t c = (unsigned char)p[i] | 0x20u;
		if (c - 'a' >= 26)
			break;
		to[i] = c;
	}
	if (i) {
		w->word_n += i;
		w->scripts |= SCRIPT_LATIN;
	}
	return i;
}

void
inject_walk_begin(struct inject_walk *w, void (*take)(struct inject_walk *w, bool end))
{
	w->take = take;
	w->n = 0;
	w->units = 0;
	w->word_n = w->nsingle = 0;
	w->scripts = w->gap = 0;
	memset(w->last, 0, sizeof(w->last));
	w->at = 0;
	w->five = 0;
	w->h1 = w->h2 = 1;
	w->decoded = false;
	w->watch = NULL;
	w->nwords = 0;
}

void
inject_walk_text(struct inject_walk *w, struct span text)
{
	const char *p = text.p;
	size_t n = text.n, looked = 0; /* behind a run that was no base64 */

	for (size_t i = 0; i < n;) {
		if ((unsigned char)p[i] >= 0x80) {
			size_t len = utf8_sequence(p + i, n - i);
			character(w, len ? code_point(p + i, len) : ' ');
			i += len ? len : 1;
			continue;
		}
		if (w->word_n == 0 && !w->decoded && i >= looked && n - i >= BASE64_MIN &&
			sextet(p[i]) >= 0 && sextet(p[i + BASE64_MIN / 2]) >= 0 &&
			sextet(p[i + BASE64_MIN - 1]) >= 0) {
			size_t run = run_length(p + i, n - i);
			looked = i + run;
			if (run >= BASE64_MIN && base64(w, p + i, run)) {
				i += run;
				continue;
			}
		}
		size_t run = latin_run(w, p + i, n - i);
		i += run;
		if (run == 0)
			character(w, (unsigned char)p[i++]);
	}
}

void
inject_walk_end(struct inject_walk *w)
{
	end_word(w);
	if (w->nsingle)
		join_singles(w);
	if (w->units)
		hand_over(w, true);
}
