/* A pattern of a rule, and the literals that it may begin with. Not included outside
 * detect/. */
#ifndef SCAN_DETECT_PREFILTER_PATTERN_H
#define SCAN_DETECT_PREFILTER_PATTERN_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "scan/detect/prefilter/automaton.h"
#include "scan/detect/validate/check.h"

enum {
	LITERAL_MIN = 3,     /* bytes; the prefilter hashes the first three and a fourth */
	LITERAL_BITS = 13,   /* of its hash */
	CONTEXT_LISTS = 256, /* lists of context words, as bits; all but the last: */
	CONTEXT_NONE = CONTEXT_LISTS - 1,
	WORK_MATCH = 44, /* units of work of a pattern's try (base/effort.h); a policy's own
			    also a quarter of what it may match */
	/* A try also counts this part of the expression's bytes: long expressions (a name, words
	 * after it, a value) take 0.6 to 2 us. The held text of a stream is tried again and again. */
	TEXT_WORK_PART = 32,
	STREAM_WORK_PART = 8,
};

/* Where a pattern is tried: only there, anchored. */
enum start_kind { START_ANYWHERE, START_LITERAL, START_DIGITS, START_BYTE };

struct pattern {
	const char *name, *regex;
	pcre2_code *code;
	uint16_t index, entity;
	bool jit;
	bool keyed;	    /* also tried on `before` + "=" + text */
	bool utf;	    /* matches characters, not bytes: a policy's own may */
	bool needs_context; /* not tried without a context word near, if the score needs it */
	enum start_kind kind;
	uint32_t runs;	/* START_DIGITS: bit n: a run of n digits may begin a match */
	uint32_t alone; /* bit n: also where no letter or digit follows the run */
	bool clear;	/* no letter, digit or '_' is before a match */
	struct automaton_edges edges; /* what the regex says of the bytes before */
	uint8_t context_bit;	      /* in a list_set; CONTEXT_NONE */
	bool has_then; /* otherwise a byte of `then` follows the run, and a digit it */
	uint64_t then[4];
	uint16_t work;	       /* units of a try (base/effort.h), */
	uint16_t stream_work;  /* and in a text that goes on */
	uint16_t back_max;     /* bytes the match may begin before the start */
	uint64_t back_set[4];  /* which bytes those are */
	uint64_t first[4];     /* bytes a match can begin with */
	uint16_t digit_offset; /* a digit is among so many bytes from its start; 0: not known */
	uint32_t group;	       /* the capture group that is the finding; 0: all */
	float score;
	const struct check *check;
};

struct literal {
	struct span text; /* lower case where caseless */
	bool caseless;
	bool name; /* no letter is before it, but for homePhone */
	uint16_t pattern;
	struct literal *next; /* in the same hash slot */
};

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

#endif
