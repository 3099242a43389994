/* Walks a text without the words that repeat earlier ones, so that a sentence that is written
 * ten times has the features of one.
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
#include "base/ascii.h"
#include "base/utf8.h"
#include "scan/inject/inject_walk.h"

enum {
	SHORT_WORDS = 3,
	SHORT_CHARACTERS = 6,
	NEAR = 64,	   /* units */
	LONG = 16,	   /* units */
	REMEMBERED = 1024, /* long sequences, a power of 2; a newer one may replace an older one */
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
	size_t from, to;		    /* bytes to be walked next */
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
