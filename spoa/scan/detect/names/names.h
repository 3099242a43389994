/* Names of people, places, organisations and streets: found by word lists, titles,
 * cue words, suffixes and the company that capitalised words keep; a regular
 * expression finds none of them. Not included outside detect/.
 *
 * The lists are data (policies/detectors/names/ *.txt), compiled into the program or
 * read from the folder names/ of a directory of rules. A rule file says `finder:
 * person` to bind an entity to a finder. */
#ifndef SCAN_DETECT_NAMES_NAMES_H
#define SCAN_DETECT_NAMES_NAMES_H

#include "base/codec/yaml.h"
#include "scan/detect/rules/finding.h"
#include "scan/detect/rules/rule.h"

/* What a word or a phrase is: a bit for the list it is in. */
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
	W_BEFORE = 1u << 11, /* comes before a place */
	W_STREET = 1u << 12,
	W_STREET_END = 1u << 13, /* the end of a word */
	W_STREET_START = 1u << 14,
	W_ORG = 1u << 15,
	W_FACILITY = 1u << 16,
	W_FACILITY_START = 1u << 17,
	W_NEVER = 1u << 18,
	W_EPONYM = 1u << 19,
	W_AFTER = 1u << 20,	/* comes after a person's name */
	W_HONORIFIC = 1u << 21, /* the same, without a blank */
	W_LAST = 1u << 22,	/* the last word of a cue */
	W_MORE = 1u << 23,	/* a longer term begins so */
	W_LABEL = 1u << 24,	/* announces a name without a colon: "Patient Maria Lopez" */
	W_NAME = W_GIVEN | W_SURNAME,
	W_PLACE = W_CITY | W_REGION | W_COUNTRY,
	W_BIG = W_NAME | W_PLACE | W_COMMON,
	W_LEAD = W_CUE | W_LABEL | W_BEFORE | W_TITLE | W_KEY | W_STREET_START,
	W_LEAD_DOT = W_TITLE | W_STREET_START,
	W_FOLLOWS = W_AFTER | W_EPONYM,
};

/* ---- letters (names_letters.c) ---- */

enum letter { LETTER_NONE, LETTER_LOWER, LETTER_UPPER, LETTER_OTHER, LETTER_HAN };
/* The character at `at` < t.n: its kind, its length in *n (1 where the bytes are no
 * UTF-8), and in *folded one or two characters without case and accents (the second
 * in the upper half). */
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

/* Characters of two bytes by their number: bits 0-15 and 16-23 what they are folded to,
 * from 24 on their kind. */
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

/* The same as glyph_at, at once for characters of two bytes and the scripts of India, */
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
/* and for most of Han, kana and Hangul. */
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

/* The flags of the term whose characters were hashed, blanks between words as one
 * ' '; 0: in no list. */
uint32_t names_flags(const struct names_table *t, uint64_t hash);
/* The same without people's names, places and ordinary words (W_BIG): a small table,
 * which stays in a processor's cache. */
uint32_t names_flags_small(const struct names_table *t, uint64_t hash);
/* Early reject of characters of Han, kana or Hangul: of one as a family name, as a given name
 * or as the beginning of what follows a name, and of two as the beginning of any term. */
enum han_set { HAN_SURNAME, HAN_GIVEN, HAN_HONOUR, HAN_TWO, HAN_SETS };
bool names_han(const struct names_table *t, enum han_set set, uint64_t hash);
/* Bytes of the longest small word inside names, at least those of "and". */
size_t names_particle_max(const struct names_table *t);
/* Small words that join others to a name, besides those of the list; in small letters. */
enum { NAMES_SMALL = 8 };
extern const char *const names_small[NAMES_SMALL];
/* The hash of t, as terms are hashed: letters folded, dots and apostrophes left out. */
uint64_t names_hash(struct span t);
/* Early reject of a word, by its last or first eight letters. Whether the last one of the text
 * may lead to a name: be a term of W_LEAD, or the end of one, or a W_PARTICLE; with a dot
 * after it, of W_LEAD_DOT. */
bool names_lead_ends(const struct names_table *t, struct span text, bool dot);
/* Whether the first word of the text may be a term of W_FOLLOWS, or a small word that joins
 * others to a name. */
bool names_after_begins(const struct names_table *t, struct span text);
bool names_particle_begins(const struct names_table *t, struct span text);
/* What a character that is no letter adds to a hash: itself, or 0 for nothing; NUL, which no
 * term has, adds another. */
unsigned names_hashed_mark(char c);
/* The longest ending of a street's name, or of a family name, that a word of the text has
 * after three other letters: how many bytes when folded, or 0. */
size_t names_street_end(const struct names_table *t, struct span word);
size_t names_surname_end(const struct names_table *t, struct span word);

/* The table of the compiled-in lists, never freed; any thread. NULL: no memory. */
const struct names_table *names_builtin(void);
/* The lists of a folder; mistakes go to d. */
struct names_table *names_load(const char *dir, struct arena *a, struct diag *d);
void names_free(struct names_table **t);
/* A table as bytes, for the program to hold (names_pack.c), and back: in the order of
 * this machine's memory, 8-byte aligned. An unpacked table is never freed and reads the
 * bytes where they are. */
void names_pack(const struct names_table *t, struct buf *out);
struct names_table *names_unpack(const uint64_t *packed);
/* What the lists mean, 32 bytes. */
const unsigned char *names_digest(const struct names_table *t);

/* ---- finders (names.c) ---- */

/* The finder of a name, or -1; names for messages. */
int finder_find(struct span name);
const char *finder_names(void);

struct detect_scratch;
/* The stage: 0 or negative. Costs nothing where no entity of a finder is asked for. */
int names_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt);

#endif
