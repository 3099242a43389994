/* Words and phrases to find, few or a hundred thousand: whole words, case folded, any
 * run of blanks, dashes and '_' alike. One table for all classes of a policy. Not
 * included outside detect/. */
#ifndef SCAN_DETECT_CUSTOM_DICTIONARY_H
#define SCAN_DETECT_CUSTOM_DICTIONARY_H

#include "base/codec/yaml.h"
#include "scan/detect/custom/custom_words.h"

enum {
	DICTIONARY_TERMS = 500000,  /* in all lists of a policy; more are refused */
	DICTIONARY_FILE = 32 << 20, /* bytes of a list */
	TERM_BYTES = 255,	    /* of a term */
	TERM_WORDS = 64,	    /* a scan looks no further ahead than this */
	TERM_SAME = 64,		    /* terms of the same words: C, C++, C# */
	DICTIONARY_MISTAKES = 20,   /* reported of one file */
};

struct dictionary;

/* NULL: out of memory. */
struct dictionary *dictionary_new(void);
void dictionary_free(struct dictionary **d);

/* A term of `owner`. 0; 1 it was there already; ERR_SYNTAX: no letter or digit is in it,
 * or it is one byte long; ERR_LIMIT: too long, or too many; ERR_NOMEM. */
int dictionary_add(struct dictionary *d, struct span term, uint16_t owner, bool exact_case);
/* What ERR_SYNTAX and ERR_LIMIT of dictionary_add mean. */
const char *dictionary_why(const struct dictionary *d, int err);
/* The terms of a file, one a line; what follows '#' at the beginning of a line is a
 * comment. Mistakes go to *diag, at their line, or at `at` where there is no file. */
void dictionary_file(struct dictionary *d, const char *file, const struct yaml_node *at,
	uint16_t owner, bool exact_case, struct diag *diag);
/* Once, after the last term: the table as it is scanned. 0 or ERR_NOMEM. */
int dictionary_finish(struct dictionary *d);

size_t dictionary_longest(const struct dictionary *d);
size_t dictionary_terms(const struct dictionary *d);
size_t dictionary_bytes(const struct dictionary *d);
/* A sum over all terms that does not depend on their order: 32 bytes. */
const unsigned char *dictionary_digest(const struct dictionary *d);

/* Early reject of a first word. */
struct hash_bits dictionary_first(const struct dictionary *d);

struct dictionary_hit {
	uint16_t owner;
	size_t start, end;
};
/* The terms that begin with the word w of the text; `second` is the word after it, NULL
 * where it is the last. found(arg, hit) for each, until it returns other than 0, which is
 * then the result. */
int dictionary_look(const struct dictionary *d, struct span text, const struct text_word *w,
	const struct text_word *second,
	int (*found)(void *arg, const struct dictionary_hit *hit), void *arg);
/* Whether a term may begin with the word w that the text's end, where the text goes on, cuts
 * off. */
bool dictionary_goes_on(
	const struct dictionary *d, struct span text, const struct text_word *w);

#endif
