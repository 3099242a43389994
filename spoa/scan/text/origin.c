/* Where values come from. A text is read once, into one keyed hash for each of its words. A
 * value is read in the same way, so that looking it up compares hashes of words.
 *
 * A word is a run of letters, digits and the signs that join an address, host or id. Its hash is
 * a polynomial modulo 2^61-1 at a random point (Karp and Rabin, IBM J. Res. Dev. 31.2), because
 * the hash of two words without the space between them then follows from both hashes. That finds
 * "GB29 NWBK 6016" for GB29NWBK6016. Nobody who does not know the point can make two words
 * collide: the chance is the length of the word divided by 2^61.
 *
 * Example: "Pay bob@example.com." has the words "pay" and "bob@example.com". */
#include "scan/text/origin.h"

#include "base/ascii.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/push.h"
#include "base/random.h"

enum {
	GLUED_MOST = 64,  /* symbols of a number that may be spelled with spaces */
	GLUED_LEAST = 8,  /* symbols, if the number has letters */
	DIGITS_LEAST = 4, /* digits of a number that is looked up */
	WHOLE_LEAST = 4,  /* words of a text that is compared as a whole */
};

/* A word of a text. */
struct word {
	uint64_t hash;
	uint32_t symbols; /* letters, digits and joining signs */
	bool digit;	  /* it has a digit */
	bool plain;	  /* it has only letters and digits */
	bool near;	  /* one space or sign separates it from the word before */
};

struct source {
	struct span name;
	size_t first; /* index of its first word */
	enum origin_kind kind;
	uint32_t message;
};

/* A text that was added as a whole. */
struct whole {
	uint64_t hash;
	size_t words;
	uint32_t source;
};

struct origins {
	struct arena *a;
	uint64_t point;
	struct word *words;
	size_t nwords, words_room;
	struct source *sources;
	size_t nsources, sources_room;
	struct whole *wholes;
	size_t nwholes, wholes_room;
};

#define PRIME (((uint64_t)1 << 61) - 1)

static uint64_t
mul61(uint64_t x, uint64_t y)
{
	unsigned __int128 p = (unsigned __int128)x * y;
	uint64_t r = (uint64_t)(p & PRIME) + (uint64_t)(p >> 61);

	return r >= PRIME ? r - PRIME : r;
}

static uint64_t
hash_symbol(uint64_t h, uint64_t point, unsigned char c)
{
	h = mul61(h, point) + c + 1;
	return h >= PRIME ? h - PRIME : h;
}

/* ---- words ---- */

static bool
is_joining(char c)
{
	return c == '.' || c == '@' || c == '-' || c == '_' || c == '+' || c == '%';
}

/* Returns the length of a sign or space outside ASCII that separates words: U+00A0 to U+00BF,
 * U+2000 to U+203F, U+3000 to U+303F. 0: none. */
static size_t
wide_separator(struct span t, size_t at)
{
	const unsigned char *p = (const unsigned char *)t.p + at;
	size_t left = t.n - at;

	if (left >= 2 && p[0] == 0xC2 && p[1] >= 0xA0)
		return 2;
	if (left >= 3 && ((p[0] == 0xE2 && p[1] == 0x80) || (p[0] == 0xE3 && p[1] == 0x80)))
		return 3;
	return 0;
}

/* Returns the length of the separator at this place, or 0 if a word has the byte. An escape such
 * as \n in JSON inside a text is one separator. */
static size_t
separator(struct span t, size_t at)
{
	char c = t.p[at];

	if (is_alnum(c) || is_joining(c))
		return 0;
	if ((unsigned char)c >= 0x80)
		return wide_separator(t, at);
	if (c == '\\' && at + 1 < t.n && memchr("nrtbf\"/\\", t.p[at + 1], 8))
		return 2;
	return 1;
}

/* Hashes the bytes of a word. If the word has no letter, its signs do not count, except the
 * point of a fraction: 415-555 equals 415555, and 12.50 does not equal 1250. */
static struct word
word_read(uint64_t point, struct span s)
{
	struct word w = { .plain = true };
	size_t points = 0;
	bool letter = false;

	for (size_t i = 0; i < s.n; i++) {
		w.digit |= is_digit(s.p[i]);
		letter |= is_alpha(s.p[i]) || (unsigned char)s.p[i] >= 0x80 ||
			  s.p[i] == '@' || s.p[i] == '_';
		points += s.p[i] == '.';
	}
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!letter && !is_digit(c) && (c != '.' || points != 1))
			continue;
		w.plain &= is_alnum(c);
		w.hash = hash_symbol(w.hash, point, (unsigned char)to_lower(c));
		w.symbols++;
	}
	return w;
}

/* Reads the next word from *at on. Returns false at the end of the text. */
static bool
word_next(uint64_t point, struct span t, size_t *at, struct word *w)
{
	while (*at < t.n) {
		size_t gap = 0, n, from;
		while (*at < t.n && ((n = separator(t, *at)) != 0 || is_joining(t.p[*at]))) {
			/* a sign at the edge of a word is not part of it, except _ and % */
			if (!n && (t.p[*at] == '_' || t.p[*at] == '%'))
				break;
			*at += n ? n : 1;
			gap++;
		}
		from = *at;
		while (*at < t.n && !separator(t, *at))
			++*at;
		size_t end = *at;
		while (end > from && (t.p[end - 1] == '.' || t.p[end - 1] == '-' ||
					     t.p[end - 1] == '@' || t.p[end - 1] == '+'))
			end--;
		if (end == from)
			continue;
		*w = word_read(point, span_cut(t, from, end));
		w->near = gap <= 2;
		if (w->symbols)
			return true;
	}
	return false;
}

/* ---- the index ---- */

struct origins *
origins_new(struct arena *a)
{
	struct origins *o = arena_new(a, struct origins);

	if (!o)
		return NULL;
	o->a = a;
	random_bytes(&o->point, sizeof(o->point));
	o->point = 256 + o->point % (PRIME - 512);
	return o;
}

int
origins_source(struct origins *o, enum origin_kind kind, struct span name, uint32_t message)
{
	struct source s = { name, o->nwords, kind, message };

	return ARENA_PUSH(o->a, o->sources, o->nsources, o->sources_room, 16, s) ? 0
										 : ERR_NOMEM;
}

/* Hashes all words of a text, without the separators. */
static struct whole
whole_read(const struct origins *o, struct span text)
{
	struct whole all = { 0 };
	struct word w;
	size_t at = 0;

	while (word_next(o->point, text, &at, &w)) {
		all.hash = hash_symbol(mul61(all.hash, o->point) ^ w.hash, o->point, ' ');
		all.words++;
	}
	return all;
}

int
origins_text(struct origins *o, struct span text)
{
	struct whole all = { .source = (uint32_t)o->nsources - 1 };
	struct word w;
	size_t at = 0;

	INVARIANT(o->nsources > 0);
	while (word_next(o->point, text, &at, &w)) {
		if (all.words++ == 0)
			w.near = false;
		all.hash = hash_symbol(mul61(all.hash, o->point) ^ w.hash, o->point, ' ');
		if (o->nwords == CAP_ORIGIN_WORDS)
			return ERR_LIMIT;
		if (!ARENA_PUSH(o->a, o->words, o->nwords, o->words_room, 256, w))
			return ERR_NOMEM;
	}
	if (all.words < WHOLE_LEAST || o->sources[all.source].kind == ORIGIN_USER)
		return 0;
	return ARENA_PUSH(o->a, o->wholes, o->nwholes, o->wholes_room, 16, all) ? 0 : ERR_NOMEM;
}

bool
origins_repeats(struct origins *o, struct span text, struct span *name)
{
	struct whole all = o->nwholes ? whole_read(o, text) : (struct whole){ 0 };

	for (size_t i = 0; all.words >= WHOLE_LEAST && i < o->nwholes; i++)
		if (o->wholes[i].hash == all.hash && o->wholes[i].words == all.words) {
			*name = o->sources[o->wholes[i].source].name;
			return true;
		}
	return false;
}

/* ---- values ---- */

/* A value while it is looked up. */
struct sought {
	struct origin_value *value;
	struct word *words;
	size_t nwords;
	/* a number that may be spelled with spaces: the hash and length of its symbols */
	bool glued;
	uint64_t hash;
	uint32_t symbols;
	struct sought *next; /* with the same slot */
};

struct search {
	const struct origins *o;
	struct sought **spaced; /* by the hash of the first word */
	struct sought **glued;	/* by the hash of all symbols */
	size_t mask;
	uint64_t lengths; /* bit N: a glued value has N + 1 symbols */
	uint64_t power[GLUED_MOST + 1];
	size_t steps;
	size_t source;	  /* index of the source of the word that is read */
	size_t last_user; /* index of the last source of the person; SIZE_MAX: none */
};

bool
origin_is_small(struct span text)
{
	size_t symbols = 0, digits = 0;

	for (size_t i = 0; i < text.n; i++) {
		bool digit = is_digit(text.p[i]);
		digits += digit;
		symbols += digit || is_alpha(text.p[i]) || (unsigned char)text.p[i] >= 0x80;
	}
	return symbols < 2 || (symbols == digits && digits < DIGITS_LEAST);
}

/* Reads the words of a value. Returns 0 or ERR_NOMEM. */
static int
sought_read(const struct origins *o, struct arena *a, struct sought *s)
{
	size_t at = 0, room = 0, digits = 0, letters = 0, others = 0;
	struct span t = s->value->text;
	struct word w;

	while (word_next(o->point, t, &at, &w))
		if (!ARENA_PUSH(a, s->words, s->nwords, room, 4, w))
			return ERR_NOMEM;
	if (t.n > 3 * (size_t)GLUED_MOST)
		return 0;
	for (size_t i = 0; i < t.n; i++) {
		digits += is_digit(t.p[i]);
		letters += is_alpha(t.p[i]);
		if (is_alnum(t.p[i])) {
			s->hash = hash_symbol(s->hash, o->point, (unsigned char)to_lower(t.p[i]));
			s->symbols++;
		} else {
			others += !memchr(" -()+", t.p[i], 5);
		}
	}
	s->glued = !others && s->symbols <= GLUED_MOST && digits >= DIGITS_LEAST &&
		   (!letters || (s->symbols >= GLUED_LEAST && 2 * digits >= s->symbols));
	return 0;
}

static void
hit(struct search *x, struct sought *s)
{
	const struct source *from = &x->o->sources[x->source];
	struct origin_value *v = s->value;

	if (from->kind == ORIGIN_USER && !v->user) {
		v->user = true;
		v->user_message = from->message;
	}
	if (!v->first.p) {
		v->first = from->name;
		v->message = from->message;
		v->kind = from->kind;
	}
	v->shown |= from->kind == ORIGIN_MODEL && x->last_user != SIZE_MAX &&
		    x->last_user > x->source;
}

/* Returns the number of words of the source that holds the word at `at`, from there on. */
static size_t
words_left(const struct search *x, size_t at)
{
	const struct origins *o = x->o;
	size_t end = x->source + 1 < o->nsources ? o->sources[x->source + 1].first : o->nwords;

	return end - at;
}

static void
match_spaced(struct search *x, size_t at)
{
	const struct word *w = &x->o->words[at];
	size_t left = words_left(x, at);

	for (struct sought *s = x->spaced[w->hash & x->mask]; s; s = s->next) {
		size_t i = 0;
		while (i < s->nwords && i < left && w[i].hash == s->words[i].hash &&
			w[i].symbols == s->words[i].symbols)
			i++;
		x->steps += i + 1;
		if (i == s->nwords)
			hit(x, s);
	}
}

static void
match_glued(struct search *x, size_t at)
{
	const struct word *w = &x->o->words[at];
	size_t left = words_left(x, at), symbols = 0;
	uint64_t h = 0;

	for (size_t i = 0; i < left && w[i].plain && (i == 0 || w[i].near); i++) {
		symbols += w[i].symbols;
		if (symbols > GLUED_MOST)
			return;
		x->steps++;
		h = mul61(h, x->power[w[i].symbols]) + w[i].hash;
		h = h >= PRIME ? h - PRIME : h;
		if (!(x->lengths >> (symbols - 1) & 1))
			continue;
		for (struct sought *s = x->glued[h & x->mask]; s; s = s->next, x->steps++)
			if (s->hash == h && s->symbols == symbols)
				hit(x, s);
	}
}

/* Puts the values into the tables. */
static int
search_begin(struct search *x, struct arena *a, struct origin_value *values, size_t n)
{
	size_t size = 16;

	while (size < 2 * n)
		size *= 2;
	x->mask = size - 1;
	x->spaced = arena_array(a, size, sizeof(struct sought *));
	x->glued = arena_array(a, size, sizeof(struct sought *));
	struct sought *s = arena_array(a, 2 * n, sizeof(*s));
	if (!x->spaced || !x->glued || !s)
		return ERR_NOMEM;
	x->power[0] = 1;
	for (size_t i = 1; i <= GLUED_MOST; i++)
		x->power[i] = mul61(x->power[i - 1], x->o->point);
	for (size_t i = 0; i < n; i++, s++) {
		s->value = &values[i];
		if (sought_read(x->o, a, s))
			return ERR_NOMEM;
		if (!s->nwords)
			continue;
		struct sought **slot = &x->spaced[s->words[0].hash & x->mask];
		s->next = *slot;
		*slot = s;
		if (!s->glued)
			continue;
		struct sought *twin = s + n;
		*twin = *s;
		slot = &x->glued[twin->hash & x->mask];
		twin->next = *slot;
		*slot = twin;
		x->lengths |= (uint64_t)1 << (twin->symbols - 1);
	}
	return 0;
}

int
origins_find(const struct origins *o, struct arena *a, struct origin_value *values, size_t n)
{
	struct search x = { .o = o, .last_user = SIZE_MAX };
	int err = n ? search_begin(&x, a, values, n) : 0;

	for (size_t i = 0; i < o->nsources; i++)
		if (o->sources[i].kind == ORIGIN_USER)
			x.last_user = i;
	for (size_t at = 0; !err && n && at < o->nwords; at++) {
		while (x.source + 1 < o->nsources && o->sources[x.source + 1].first <= at)
			x.source++;
		const struct word *w = &o->words[at];
		if (x.spaced[w->hash & x.mask])
			match_spaced(&x, at);
		if (x.lengths && w->plain)
			match_glued(&x, at);
		if (x.steps > CAP_ORIGIN_STEPS)
			err = ERR_LIMIT;
	}
	return err;
}

/* ---- URLs ---- */

struct span
origin_url(struct span text)
{
	static const char *const schemes[] = { "https://", "http://", "ftp://", "ws://", "wss://" };

	for (size_t i = 0; i < COUNT_OF(schemes); i++) {
		size_t n = strlen(schemes[i]);
		if (text.n > n && span_ieq(span_cut(text, 0, n), span_str(schemes[i])))
			return span_cut(text, n, text.n);
	}
	return (struct span){ NULL, 0 };
}

bool
origin_url_piece(struct span *rest, struct span *out)
{
	while (rest->n) {
		size_t n = 0;
		while (n < rest->n && !memchr("/?&=#;,", rest->p[n], 7))
			n++;
		*out = span_cut(*rest, 0, n);
		*rest = span_cut(*rest, n < rest->n ? n + 1 : n, rest->n);
		if (out->n)
			return true;
	}
	return false;
}
