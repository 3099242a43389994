/* Analyzes a policy's own pattern before its first use: the places at which a match can begin,
 * the longest match, and the number of ways in which PCRE2 can try the pattern at one place. A
 * pattern that could take too long is refused. Private to detect/. */
#ifndef SCAN_DETECT_CUSTOM_CUSTOM_REGEX_H
#define SCAN_DETECT_CUSTOM_CUSTOM_REGEX_H

#include "base/arena.h"
#include "scan/detect/prefilter/pattern.h"

enum {
	REGEX_BYTES = 1000,  /* length of a pattern */
	REGEX_WIDTH = 4096,  /* bytes of the longest match */
	REGEX_WAYS = 1000,   /* ways to try the pattern at one place */
	REGEX_LITERALS = 16, /* alternative literals at the beginning of a match */
	REGEX_BACK = 8,	     /* bytes of a match before such a literal */
	REGEX_RUN = 30,	     /* digits of a run */
};

/* The result of regex_study(). Pointers are to the arena. */
struct regex_facts {
	const char *regex; /* the pattern, with open-ended repetitions bounded; NULL: refused */
	bool utf;	   /* the pattern contains characters outside ASCII */
	size_t width;	   /* bytes of the longest match */
	enum start_kind start;
	/* one of these is `back` bytes after the beginning of every match */
	struct span literals[REGEX_LITERALS];
	size_t nliterals;
	bool caseless; /* the literals match in any case */
	uint16_t back;
	/* the bytes that can occur between the beginning and the literal */
	uint64_t back_set[4];
	/* START_DIGITS: a match begins at a run of digits[0] to digits[1] digits */
	unsigned digits[2];
};

/* Analyzes a pattern that PCRE2 accepts. Returns false if the pattern is refused, with the
 * reason in `why` and its offset in *at. */
bool regex_study(
	struct arena *a, struct span regex, struct regex_facts *out, char why[200], size_t *at);

#endif
