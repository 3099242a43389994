/* A pattern of a rule, and the literals with which its matches can begin. Private to
 * detect/. */
#ifndef SCAN_DETECT_PREFILTER_PATTERN_H
#define SCAN_DETECT_PREFILTER_PATTERN_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "scan/detect/prefilter/automaton.h"
#include "scan/detect/validate/check.h"

enum {
	/* minimum bytes of a literal; the prefilter hashes three bytes and checks a fourth */
	LITERAL_MIN = 3,
	LITERAL_BITS = 13,   /* bits of the hash */
	CONTEXT_LISTS = 256, /* lists of context words, one bit each; the last bit means none */
	CONTEXT_NONE = CONTEXT_LISTS - 1,
	/* Units of work of one try of a pattern (base/effort.h). A policy's own pattern costs
	 * also a quarter of its longest match. */
	WORK_MATCH = 44,
	/* A try also costs this fraction (1/n) of the expression's length: long expressions
	 * take 0.6 to 2 µs. The second value is for streams, whose held text is tried
	 * repeatedly. */
	TEXT_WORK_PART = 32,
	STREAM_WORK_PART = 8,
};

/* The places at which a pattern is tried, anchored there. */
enum start_kind { START_ANYWHERE, START_LITERAL, START_DIGITS, START_BYTE, START_SEED };

/* A compiled pattern. Owner: the rule set; at most DETECT_PATTERNS_MAX. */
struct pattern {
	const char *name, *regex;
	pcre2_code *code;
	uint16_t index, entity;
	bool jit;
	bool keyed; /* the pattern is also tried on `before` + "=" + text */
	/* the pattern matches characters instead of bytes; only a policy's own pattern can do
	 * this */
	bool utf;
	/* if its score needs a context word, the pattern is tried only near such a word */
	bool needs_context;
	enum start_kind kind;
	uint32_t runs;	/* START_DIGITS, bit n: a run of n digits can begin a match */
	uint32_t alone; /* bit n: also if no letter or digit follows the run */
	bool clear;	/* no letter, digit or '_' is directly before a match */
	struct automaton_edges edges; /* the regex's condition on the bytes before a match */
	/* bit of the context list of the pattern's entity; CONTEXT_NONE: none */
	uint8_t context_bit;
	bool has_then; /* if true, a byte of `then` and then a digit must follow the run */
	uint64_t then[4];
	uint16_t work;	      /* units of work of a try (base/effort.h) */
	uint16_t stream_work; /* units of work of a try in a text that continues */
	uint16_t back_max;    /* bytes of a match before the start condition */
	/* set of the bytes that can precede the start condition in a match */
	uint64_t back_set[4];
	bool needs_back; /* a byte of back_one is among these bytes */
	uint64_t back_one[4];
	uint64_t first[4]; /* set of bytes with which a match can begin */
	/* a digit is within this many bytes of the beginning; 0: unknown */
	uint16_t digit_offset;
	uint32_t group; /* capture group of the finding; 0: the whole match */
	float score;
	const struct check *check;
};

/* A literal with which matches of a pattern can begin. */
struct literal {
	struct span text; /* in lower case if caseless */
	bool caseless;
	/* the literal counts only if no letter precedes it; a lower-case letter may precede a
	 * capital, as in homePhone */
	bool name;
	uint16_t pattern;
	struct literal *next; /* next literal of the same hash slot; NULL: the last */
};

#define LITERAL_FACTOR UINT32_C(0x9E3779B1)

/* Returns the hash slot of the first three of four bytes, without case. The first byte is the
 * lowest. */
static inline uint32_t
literal_hash(uint32_t four)
{
	return ((four | 0x202020u) << 8) * LITERAL_FACTOR >> (32 - LITERAL_BITS);
}

/* Returns the bit of the fourth or fifth byte in a slot's mask, without case. A byte whose low
 * five bits are 0 has bit 31. */
static inline uint32_t
literal_byte(uint32_t c)
{
	return UINT32_C(1) << (~c & 31);
}

static inline uint32_t
three_bytes(const char *p)
{
	return (uint32_t)(unsigned char)p[0] | (uint32_t)(unsigned char)p[1] << 8 |
	       (uint32_t)(unsigned char)p[2] << 16;
}

#endif
