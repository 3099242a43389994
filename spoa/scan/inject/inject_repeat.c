/* Walks a text without the words that repeat earlier ones, so that a sentence that is written
 * ten times has the features of one.
 *
 * A unit is a word, or a character that takes three or more bytes of UTF-8: most of these
 * belong to scripts that do not separate words. A unit is repeated if it is part of a sequence
 * that occurred before: SHORT_WORDS or SHORT_CHARACTERS among the last NEAR units, or LONG units
 * anywhere. A short sequence counts only near by, so that an attack stays if an attacker
 * spreads its pieces over a long text first. */
#include "base/ascii.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "scan/inject/inject_walk.h"

enum {
	SHORT_WORDS = 3,
	SHORT_CHARACTERS = 6,
	NEAR = 64,	   /* units */
	LONG = 16,	   /* units */
	REMEMBERED = 1024, /* long sequences, a power of 2; a newer one may replace an older one */
	UNIT_BYTES = 64,   /* compared of a unit */
};

#define STEP UINT64_C(0x9E3779B97F4A7C15)

struct repeats {
	struct inject_walk *walk;
	struct span text;
	size_t n; /* units so far */
	struct {
		size_t start; /* in bytes */
		uint64_t hash;
		bool repeated;
	} unit[LONG]; /* the last ones, which are not walked yet */
	uint64_t sequence; /* hash of the last LONG units: a sum of their hashes times powers */
	uint64_t power;	   /* of STEP: of the unit that leaves this sum */
	uint32_t near[NEAR];	     /* hashes of short sequences */
	uint64_t before[REMEMBERED]; /* hashes of long ones, at the place that each gives */
	size_t from, to;	     /* bytes to be walked next */
};

/* The length of the unit at p; 0: a separator. */
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

/* Of a unit, whatever its case in ASCII. */
static uint64_t
unit_hash(const char *p, size_t n)
{
	char low[UNIT_BYTES];

	n = n < sizeof(low) ? n : sizeof(low);
	for (size_t i = 0; i < n; i++)
		low[i] = (char)(is_upper(p[i]) ? p[i] | 0x20 : p[i]);
	return hash_words(1, span_of(low, n));
}

/* Of the last `len` units; 0: there are fewer. */
static uint32_t
short_hash(const struct repeats *r, size_t len)
{
	uint64_t h = len;

	if (r->n < len)
		return 0;
	for (size_t i = r->n - len; i < r->n; i++)
		h = (h ^ r->unit[i % LONG].hash) * STEP;
	return (uint32_t)(h >> 32) | 1;
}

static void
mark_repeated(struct repeats *r, size_t len)
{
	for (size_t i = r->n - len; i < r->n; i++)
		r->unit[i % LONG].repeated = true;
}

/* The last unit may end sequences that occurred before. */
static void
look_back(struct repeats *r, bool character)
{
	size_t len = character ? SHORT_CHARACTERS : SHORT_WORDS;
	uint32_t few = short_hash(r, len);
	uint64_t *same = &r->before[r->sequence * STEP >> 32 & (REMEMBERED - 1)];
	bool near = false;

	for (size_t i = 0; i < NEAR; i++)
		near |= r->near[i] == few;
	if (few && near)
		mark_repeated(r, len);
	r->near[r->n % NEAR] = few;
	if (r->n < LONG)
		return;
	if (*same == r->sequence)
		mark_repeated(r, LONG);
	*same = r->sequence;
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
	size_t len;

	for (size_t i = 0; i < LONG; i++)
		r.power *= STEP;

	for (size_t at = 0; at < text.n; at += len) {
		bool character = false;
		if ((len = unit_length(text.p + at, text.n - at, &character)) == 0) {
			len = 1;
			continue;
		}
		size_t place = r.n % LONG;
		if (r.n >= LONG)
			walk_unit(&r, place, r.unit[(r.n + 1) % LONG].start);
		uint64_t hash = unit_hash(text.p + at, len);
		r.sequence = r.sequence * STEP + hash - r.unit[place].hash * r.power;
		/* What stands before the first word is walked with it. */
		r.unit[place].start = r.n ? at : 0;
		r.unit[place].hash = hash;
		r.unit[place].repeated = false;
		r.n++;
		look_back(&r, character);
	}
	for (size_t i = r.n < LONG ? 0 : r.n - LONG; i < r.n; i++)
		walk_unit(&r, i % LONG, i + 1 < r.n ? r.unit[(i + 1) % LONG].start : text.n);
	inject_walk_text(w, span_cut(text, r.from, r.to));
}
