/* The inside of a rule set: what load.c builds from YAML and scan.c runs. Not
 * included outside detect/. Everything lives in the rule set's arena and is
 * immutable once loaded. */
#ifndef DETECT_RULE_H
#define DETECT_RULE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "detect/check.h"
#include "detect/detect.h"
#include "detect/outline.h"
#include "detect/names.h"
#include "detect/near.h"

enum {
	DETECT_PATTERNS_MAX = 4096,
	LITERAL_MIN = 3,    /* bytes; the prefilter hashes the first three and a fourth */
	LITERAL_BITS = 13,  /* of its hash */
	CONTEXT_BYTES = 64, /* read on either side of a candidate */
};

/* Where a pattern is tried: only there, anchored. */
enum start_kind { START_ANYWHERE, START_LITERAL, START_DIGITS, START_BYTE };

struct pattern {
	const char *name, *regex;
	pcre2_code *code;
	uint16_t index, entity;
	bool jit;
	bool keyed; /* also tried on `before` + "=" + text */
	bool utf;   /* matches characters, not bytes: a policy's own may */
	bool near;  /* not tried where no context word is near and the score needs one */
	enum start_kind kind;
	uint32_t runs;	/* START_DIGITS: bit n: a run of n digits may begin a match */
	uint32_t alone; /* bit n: also where no letter or digit follows the run */
	bool clear;	/* no letter, digit or '_' stands before a match */
	struct outline_edges edges; /* what the regex says of the bytes before */
	uint8_t near_bit;	    /* in a near_set; NEAR_NONE */
	bool has_then; /* otherwise a byte of `then` follows the run, and a digit it */
	uint64_t then[4];
	uint16_t back_max;    /* bytes the match may begin before the start */
	uint64_t back_set[4]; /* which bytes those are */
	uint64_t first[4];    /* bytes a match can begin with */
	uint16_t lead; /* bytes between the match's beginning and the finding's, at most, */
	uint16_t lead_plain; /* and where no '<' stands between them */
	uint16_t digit; /* one of so many bytes from its start on is a digit; 0: not known */
	uint32_t group; /* the capture group that is the finding; 0: all */
	float score;
	const struct check *check;
};

struct literal {
	struct span text; /* lower case where caseless */
	bool caseless;
	bool name; /* no letter stands before it, but for homePhone */
	uint16_t pattern;
	struct literal *next; /* in the same hash slot */
};

/* The quick no to a literal. */
struct literal_head {
	uint64_t head, mask; /* of the first eight bytes, without case, as read from memory */
	const struct literal *literal;
	bool begins; /* only where a word begins, for its own sake or its pattern's */
	bool whole;  /* what the head and `begins` say is all there is */
};

/* Patterns whose starts are alike share an outline: digits alone, with letters behind,
 * with any bytes before them; words of letters and digits, walked from their first letter;
 * those of an entity that has many, the last such outline for the rest of them. Those of a
 * byte have one of its own. */
enum {
	OUTLINE_DIGITS,
	OUTLINE_LETTERS,
	OUTLINE_BACK,
	OUTLINE_WORD,
	OUTLINE_MANY,
	OUTLINES = OUTLINE_MANY + 3
};
struct word_link {
	uint16_t pair; /* a word's first two bytes; a blank where there is no second */
	uint16_t next; /* the next word whose first byte has these five bits, and one */
};

struct words {
	const struct word_link *links; /* of each word */
	uint16_t from[32];	       /* the first of them by the five bits, and one */
	const struct span *v; /* lower-case ASCII; a space stands for any run of separators */
	size_t n;
	uint64_t first[4];   /* first bytes, both cases: the quick no */
	uint32_t second[32]; /* second bytes' low five bits, by those of the first */
};

static inline uint16_t
words_pair(char first, char second)
{
	return (uint16_t)((unsigned)(unsigned char)first << 8 | (unsigned char)second);
}

struct example {
	const struct yaml_node *at;
	struct span text, find, before; /* find.p == NULL: nothing of this entity */
};

struct entity_rule {
	const char *name, *class;
	const char *source;
	bool own; /* a policy's: wins over others, and leaves what it does not cover */
	float threshold, boost, penalty;
	bool yields;	 /* to a value behind its own name */
	bool separators; /* 1111-2222 and 11112222 are one value */
	bool spreads;	 /* a value found once is looked for in all of the request */
	struct words context, against;
	const struct span *samples; /* folded: upper-case letters and digits */
	size_t nsamples;
	const struct example *examples;
	size_t nexamples;
};

struct detect_rules {
	struct arena arena;
	struct entity_rule *entities;
	size_t nentities;
	struct pattern *patterns;
	size_t npatterns;
	/* the prefilter */
	uint32_t fourth[1u << LITERAL_BITS]; /* by hash: bits of fourth bytes; 0: no literal */
	struct literal **literals;	     /* 1 << LITERAL_BITS slots, by hash */
	struct literal_head *heads; /* those of slot h: from slots[h] to slots[h + 1] */
	uint16_t *slots;
	uint64_t inner[(1u << LITERAL_BITS) /
		       64];	     /* slots with literals that begin inside words */
	uint8_t sieve_of[256];	     /* bits by byte: patterns, digit, upper, lower */
	uint8_t sieve_halves[2][16]; /* bytes with patterns, for sieve.c's vectors */
	struct outline outlines[OUTLINES];
	uint8_t outlines_of[RUN_BITS]; /* as bits, by a pattern's run_bit */
	struct run_set of_words;       /* the patterns in OUTLINE_WORD, by that */
	struct run_index runs;
	uint16_t *run_bit; /* of each pattern that begins at digits */
	struct outline *byte_outlines[256];
	size_t word_back_max; /* of the patterns in OUTLINE_WORD */
	uint16_t *byte_patterns[256];
	size_t nbyte_patterns[256];
	uint16_t *anywhere;
	size_t nanywhere;
	bool any_keyed;
	uint8_t near_bit[DETECT_ENTITIES_MAX]; /* NEAR_NONE: always tried */
	float near_score[DETECT_ENTITIES_MAX]; /* the best of patterns that need context */
	struct near_index near;
	size_t own_reach;      /* bytes that a find of the policy's own classes may have */
	struct custom *custom; /* a policy's own words; NULL: none */
	const struct names_table *names; /* NULL: no entity has a finder */
	struct names_table *names_own;	 /* where it is not the compiled-in one */
	uint16_t finders[FINDERS];	 /* the entity, and one; 0: none */
	char version[65];
};

/* A file of rules compiled into the program. */
struct detect_file {
	const char *name;
	const char *text;
	size_t n;
};
extern const struct detect_file detect_builtin[];
extern const size_t detect_builtin_count;

#define LITERAL_FACTOR UINT32_C(0x9E3779B1)

/* Slot of the first three of four bytes, the first lowest, letters without case. */
static inline uint32_t
literal_hash(uint32_t four)
{
	return ((four | 0x202020u) << 8) * LITERAL_FACTOR >> (32 - LITERAL_BITS);
}

/* The bit of a fourth byte, the 31st for the first of them: letters without case. */
static inline uint32_t
literal_fourth(uint32_t c)
{
	return UINT32_C(1) << (~c & 31);
}

static inline uint32_t
three_bytes(const char *p)
{
	return (uint32_t)(unsigned char)p[0] | (uint32_t)(unsigned char)p[1] << 8 |
	       (uint32_t)(unsigned char)p[2] << 16;
}

static inline bool
set_has(const uint64_t set[4], char c)
{
	return set[(unsigned char)c >> 6] >> ((unsigned char)c & 63) & 1;
}

/* Whether no such byte is ASCII but a letter or a digit. */
static inline bool
set_begins_alnum(const uint64_t first[4])
{
	return !(first[0] & ~(UINT64_C(0x3FF) << '0')) &&
	       !(first[1] & ~UINT64_C(0x07FFFFFE07FFFFFE));
}

static inline void
set_add(uint64_t set[4], unsigned char c)
{
	set[c >> 6] |= UINT64_C(1) << (c & 63);
}

/* ---- rules.c ---- */

/* After the last pattern: builds what the scan walks, and the version. 0 or
 * ERR_NOMEM. */
int rules_finish(struct detect_rules *r);

/* ---- pipeline.c ---- */

/* The same scan without the start conditions: every pattern is tried at every
 * byte. For tests: what it finds and detect_scan does not was lost silently. */
int detect_scan_everywhere(const struct detect_rules *r, struct detect_scratch *s,
	struct span text, const struct detect_options *opt, struct arena *a,
	struct findings *out);

/* ---- context.c ---- */

/* The score of a candidate after its context: words on both sides and in
 * `before`; the nearer of the two lists counts. */
float context_score(const struct entity_rule *e, struct span text, struct span before,
	size_t start, size_t end, float score);
struct column;
enum { CONTEXT_QUIET = 16 };
/* Where words of a list are known not to begin: zeroed before the first question about a
 * text; NULL: every question is answered by itself. */
struct context_memo {
	struct context_quiet {
		const struct words *of;
		size_t from, to;
	} v[CONTEXT_QUIET];
};
/* The same in two parts: 1 where a word speaks for it, -1 against, else 0; `col`, where
 * the text is a table, says what stands above. */
int context_verdict(const struct entity_rule *e, struct span text, struct span before,
	const struct column *col, size_t start, size_t end, struct context_memo *memo);
float context_apply(const struct entity_rule *e, int verdict, float score);

/* Whether a word begins there. */
bool context_word_begins(struct span t, size_t at);
/* Bytes of t at `at` that spell the word, a space in it standing for any run of
 * blanks, '_' and '-'; 0: they do not. */
size_t context_word_at(struct span t, size_t at, struct span word);
/* Whether they do, and a word ends behind them. */
bool context_word_matches(struct span t, size_t at, struct span word);
/* The same, except that a long word need not end there: a window may cut it off. */
bool context_word_may_match(struct span t, size_t at, struct span word);

/* ---- lead.c ---- */

enum { LEAD_MAX = 4096, LEAD_UNKNOWN = 512 };
/* Bytes between the beginning of a match and that of its group `value`, at most;
 * LEAD_MAX where it may be more, 0 where all of the match is the finding. */
uint16_t pattern_lead(const char *regex, uint16_t *plain);
/* Bytes from the beginning of any match up to its first digit, at most; 0 where it may have
 * none, or have it further behind. */
uint16_t pattern_digit(const struct outline_node *tree);

/* ---- custom.c ---- */

struct custom;
struct detect_own;
struct diag;
struct yaml_node;
/* An own class as the tree of a rule file, in the rules' arena; NULL: out of memory. */
const struct yaml_node *custom_rule(
	struct detect_rules *r, const struct detect_own *own, struct diag *d);
/* What no pattern says: its words and files, for the entity that its rule became. */
void custom_attach(
	struct detect_rules *r, const struct detect_own *own, uint16_t entity, struct diag *d);
/* After rules_finish: 0 or ERR_NOMEM. */
int custom_finish(struct detect_rules *r);
void custom_free(struct custom **c);

/* ---- overlap.c ---- */

/* Candidates to findings: sorted by start, overlaps removed: validated before
 * longer before higher score. A secret that loses keeps, as a finding of its own,
 * what the winner does not cover: nothing that was found is left readable. v has
 * n candidates and is reordered. 0, ERR_NOMEM, ERR_LIMIT. */
int overlap_resolve(const struct detect_rules *r, struct finding *v, size_t n, struct arena *a,
	struct findings *out);

#endif
