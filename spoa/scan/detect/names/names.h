/* Finds names of people, places, organizations and streets by word lists, titles, cue words,
 * suffixes and the capitalized words next to them; a regular expression finds none of these. Not
 * included outside detect/.
 *
 * The lists are data (policies/detectors/names/, one .txt file for each). They are compiled into
 * the program, or read from the folder names/ of a directory of rules. A rule file binds an
 * entity to a finder with `finder: person`.
 * A table is constant once it is loaded, so any thread may use it. */
#ifndef SCAN_DETECT_NAMES_NAMES_H
#define SCAN_DETECT_NAMES_NAMES_H

#include "base/codec/yaml.h"
#include "scan/detect/rules/finding.h"
#include "scan/detect/rules/rule.h"

/* Flags of a word or phrase: a bit for each list that contains it. */
enum {
	W_GIVEN = 1u << 0,
	W_SURNAME = 1u << 1,
	W_CITY = 1u << 2,
	W_REGION = 1u << 3,
	W_COUNTRY = 1u << 4,
	W_NATION = 1u << 5,
	W_COMMON = 1u << 6, /* an ordinary word */
	W_TITLE = 1u << 7,
	W_CUE = 1u << 8,
	W_KEY = 1u << 9,
	W_PARTICLE = 1u << 10,
	W_BEFORE = 1u << 11, /* comes before a place: "in", "from" */
	W_STREET = 1u << 12,
	W_STREET_END = 1u << 13, /* an ending of a word: "straße" */
	W_STREET_START = 1u << 14,
	W_ORG = 1u << 15,
	W_FACILITY = 1u << 16,
	W_FACILITY_START = 1u << 17,
	W_NEVER = 1u << 18,
	W_EPONYM = 1u << 19,
	W_AFTER = 1u << 20,	/* comes after a person's name */
	W_HONORIFIC = 1u << 21, /* the same, without a space between */
	W_LAST = 1u << 22,	/* the last word of a cue */
	W_MORE = 1u << 23,	/* a longer term begins with these words */
	W_LABEL = 1u << 24,	/* announces a name without a colon: "Patient Maria Lopez" */
	W_WEAK = 1u << 25,	/* a label that may name something else than a person: "name" */
	W_BESIDE = 1u << 26,	/* a key that records of people have: "email" */
	W_COUNTED = 1u << 27,	/* counts, or is counted: "year", "chapter", "percent" */
	W_STREET_WEAK = 1u << 28, /* a W_STREET_START with other meanings, "am"; a W_STREET_END
				   * that is a word of its own, "Caddesi" */
	W_NAME = W_GIVEN | W_SURNAME,
	W_PLACE = W_CITY | W_REGION | W_COUNTRY,
	W_BIG = W_NAME | W_PLACE | W_COMMON,
	W_LEAD = W_CUE | W_LABEL | W_BEFORE | W_TITLE | W_KEY | W_STREET_START,
	W_LEAD_DOT = W_TITLE | W_STREET_START | W_STREET_WEAK,
	W_BEFORE_NAME = W_LEAD | W_BESIDE, /* terms that are read from their end */
	W_FOLLOWS = W_AFTER | W_EPONYM,
};

/* ---- letters (names_words.c) ---- */

enum letter { LETTER_NONE, LETTER_LOWER, LETTER_UPPER, LETTER_OTHER, LETTER_HAN };
/* Returns the kind of the character at `at` < t.n. *n is its length (1 if the bytes are no
 * UTF-8). *folded is one or two characters without case and accents; the second is in the upper
 * half. */
enum letter glyph_wide(struct span t, size_t at, unsigned *n, uint64_t *folded);
static inline enum letter
glyph_at(struct span t, size_t at, unsigned *n, uint64_t *folded)
{
	unsigned char b = (unsigned char)t.p[at];

	if (b >= 0x80)
		return glyph_wide(t, at, n, folded);
	*n = 1;
	*folded = b | 0x20u;
	if ((unsigned char)((b | 0x20u) - 'a') >= 26)
		return LETTER_NONE;
	return b & 0x20 ? LETTER_LOWER : LETTER_UPPER;
}

/* The characters of two bytes by code point: bits 0-15 and 16-23 are the folded characters, the
 * bits from 24 on the kind. Filled before main(). */
extern uint32_t glyph_two[0x800];
static inline bool
two_bytes(struct span t, size_t at)
{
	unsigned char b = (unsigned char)t.p[at];

	return b >= 0xc2 && b < 0xe0 && at + 1 < t.n && (t.p[at + 1] & 0xc0) == 0x80;
}
static inline uint32_t
entry_of_two(struct span t, size_t at)
{
	return glyph_two[((unsigned char)t.p[at] & 0x1fu) << 6 |
			 ((unsigned char)t.p[at + 1] & 0x3fu)];
}

/* The same as glyph_at(), but fast for two-byte characters and for the scripts of India. */
static inline enum letter
glyph_at_alpha(struct span t, size_t at, unsigned *n, uint64_t *folded)
{
	const unsigned char *p = (const unsigned char *)t.p + at;

	if (two_bytes(t, at)) {
		uint32_t v = entry_of_two(t, at);
		*n = 2;
		*folded = (v & 0xffff) | (uint64_t)(v >> 16 & 0xff) << 32;
		return (enum letter)(v >> 24);
	}
	if (p[0] != 0xe0 || t.n - at < 3 || p[1] < 0xa4 || p[1] > 0xb7 || (p[2] & 0xc0) != 0x80)
		return glyph_at(t, at, n, folded);
	uint32_t c = (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	*n = 3;
	*folded = c;
	return c >= 0x964 && c <= 0x96f ? LETTER_NONE : LETTER_OTHER; /* signs and digits */
}
/* The same as glyph_at(), but fast for most of Han, kana and Hangul. */
static inline enum letter
glyph_at_han(struct span t, size_t at, unsigned *n, uint64_t *folded)
{
	const unsigned char *p = (const unsigned char *)t.p + at;

	if (p[0] < 0xe3 || p[0] > 0xed || t.n - at < 3 || (p[1] & 0xc0) != 0x80 ||
		(p[2] & 0xc0) != 0x80)
		return glyph_at(t, at, n, folded);
	uint32_t c = (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	*n = 3;
	*folded = c;
	return (c >= 0x4e00 && c < 0xa000) || (c >= 0xac00 && c <= 0xd7a3) ||
			       (c >= 0x3041 && c < 0x30fb)
		       ? LETTER_HAN
		       : glyph_at(t, at, n, folded);
}

#define HASH_SEED UINT64_C(0x51ed270b8f2d3a49)
static inline uint64_t
hash_step(uint64_t h, uint64_t folded)
{
	h = (h ^ (folded & 0xffffffff)) * UINT64_C(0x9E3779B97F4A7C15);
	h ^= h >> 29;
	return folded >> 32 ? hash_step(h, folded >> 32) : h;
}

/* ---- words (names_words.c) ---- */

struct names_table;

/* Returns the flags of the term whose characters were hashed; 0 if no list contains it. Spaces
 * between words are hashed as one ' '. */
uint32_t names_flags(const struct names_table *t, uint64_t hash);
/* The same without people's names, places and ordinary words (W_BIG). This table is small and
 * stays in a processor's cache. */
uint32_t names_flags_small(const struct names_table *t, uint64_t hash);
/* Early reject of characters of Han, kana or Hangul. Returns false if no term has the hash: one
 * character as a family name, as a given name, or as the beginning of an honorific, or two
 * characters as the beginning of any term. True may be wrong. */
enum han_set { HAN_SURNAME, HAN_GIVEN, HAN_HONOUR, HAN_TWO, HAN_SETS };
bool names_han(const struct names_table *t, enum han_set set, uint64_t hash);
/* Returns the length in bytes of the longest small word inside names, at least that of "and". */
size_t names_particle_max(const struct names_table *t);
/* Small words in small letters that join others to a name, in addition to those of the list. */
enum { NAMES_SMALL = 8 };
extern const char *const names_small[NAMES_SMALL];
/* Returns the hash of t as terms are hashed: letters folded, dots and apostrophes left out. */
uint64_t names_hash(struct span t);
/* Early reject of a word by its last eight letters. Returns false if the last word of the text
 * cannot lead to a name: it is neither a term of W_LEAD or the end of one, nor a W_PARTICLE.
 * With a dot after the word, W_LEAD_DOT applies instead. */
bool names_lead_ends(const struct names_table *t, struct span text, bool dot);
/* The same for the first word of the text, by its first eight letters: as a term of W_FOLLOWS,
 * and as a small word that joins others to a name. */
bool names_after_begins(const struct names_table *t, struct span text);
bool names_particle_begins(const struct names_table *t, struct span text);
/* Returns what a character that is no letter adds to a hash: the character itself, or 0 for
 * nothing. NUL, which no term contains, adds a value of its own. */
unsigned names_hashed_mark(char c);
/* Returns the length in bytes, when folded, of the longest ending of a street's name or family
 * name that the word has after at least three other letters; 0 if it has none. */
size_t names_street_end(const struct names_table *t, struct span word);
size_t names_surname_end(const struct names_table *t, struct span word);

/* Returns the table of the compiled-in lists, or NULL if memory is exhausted. The table is never
 * freed. Any thread. */
const struct names_table *names_builtin(void);
/* Loads the lists of a folder. Mistakes in them are added to d. The caller owns the table and
 * frees it with names_free(). Returns NULL if memory is exhausted. */
struct names_table *names_load(const char *dir, struct arena *a, struct diag *d);
void names_free(struct names_table **t);
/* names_pack() writes a table as bytes that the program contains (cmd/makers/names_pack.c).
 * names_unpack() makes a table that reads those bytes in place, so they must stay valid, and the
 * table must not be freed. The bytes are in this machine's byte order and 8-byte aligned. */
void names_pack(const struct names_table *t, struct buf *out);
struct names_table *names_unpack(const uint64_t *packed);
/* Returns a SHA-256 digest of the lists' content, 32 bytes. */
const unsigned char *names_digest(const struct names_table *t);

/* ---- finders (names.c) ---- */

/* finder_find() returns the finder with that name, or -1. finder_names() returns all names, for
 * messages. */
int finder_find(struct span name);
const char *finder_names(void);

struct detect_scratch;
/* Returns flags of W_KEY, W_CUE, W_WEAK and W_BESIDE for the name of a key or column; 0: it is no
 * key of people. */
uint32_t names_key(const struct names_table *t, struct span key);
/* names_cell() finds a person's name in the cell at `start`, which stands below the header `name`.
 * If the header has other headers beside it, `name` is one of s->columns.name. After the last cell
 * of a text, names_column_end() must be called. Both functions return 0 or a negative error. */
int names_cell(const struct detect_rules *r, struct detect_scratch *s,
	const struct detect_options *opt, struct span name, struct span cell, size_t start);
int names_column_end(const struct detect_rules *r, struct detect_scratch *s);
/* Finds the names in a text and adds them to the scratch's candidates. Returns 0 or a negative
 * error. Costs almost nothing if no entity with a finder is asked for. */
int names_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt);

#endif
