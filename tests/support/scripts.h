/* Writing systems with everyday sentences, for tests of values between letters and signs of
 * other scripts. The sentences are spelled as their readers expect, with joiners, selectors and
 * soft hyphens where those belong. */
#ifndef TESTS_SUPPORT_SCRIPTS_H
#define TESTS_SUPPORT_SCRIPTS_H

#include "base/span.h"

enum { SCRIPTS = 24 };

struct script {
	const char *name;
	const char *before, *after; /* a word that may stand directly before or after a value */
	const char *comma, *stop;   /* the signs between values and after a sentence */
	const char *text;	    /* sentences without a value */
};

extern const struct script scripts[SCRIPTS];

#endif
