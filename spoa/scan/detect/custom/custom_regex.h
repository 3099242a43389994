/* What can be known of a policy's own pattern before it runs: where it can begin, how
 * far it can look, and in how many ways it can be tried. Not included outside detect/. */
#ifndef SCAN_DETECT_CUSTOM_CUSTOM_REGEX_H
#define SCAN_DETECT_CUSTOM_CUSTOM_REGEX_H

#include "base/arena.h"
#include "scan/detect/prefilter/pattern.h"

enum {
	REGEX_BYTES = 1000,  /* of a pattern's text */
	REGEX_WIDTH = 4096,  /* bytes that a match may have */
	REGEX_WAYS = 1000,   /* to try it at one place */
	REGEX_LITERALS = 16, /* alternatives that a match begins with */
	REGEX_BACK = 8,	     /* bytes before such a literal */
	REGEX_RUN = 30,	     /* digits */
};

struct regex_facts {
	const char *regex; /* the pattern with open repetitions bounded */
	bool utf;	   /* it speaks of characters outside ASCII */
	size_t width;	   /* bytes of the longest match */
	enum start_kind start;
	struct span literals[REGEX_LITERALS]; /* one of them is `back` bytes after the
						 beginning of every match */
	size_t nliterals;
	bool caseless; /* any case of their letters */
	uint16_t back;
	uint64_t back_set[4]; /* bytes that may be there */
	unsigned digits[2];   /* a match begins where a run of so many digits does */
};

/* Reads a pattern that PCRE2 accepts. False where it is refused: why in `why`, at byte
 * *at of it. What the facts point to lives in the arena. */
bool regex_study(
	struct arena *a, struct span regex, struct regex_facts *out, char why[200], size_t *at);

#endif
