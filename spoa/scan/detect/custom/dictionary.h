/* Finds words and phrases, from a few to 500,000: whole words, without case; any run of spaces,
 * dashes and '_' is equal. One table serves all classes of a policy. Adding is for one thread;
 * after dictionary_finish() any thread can search. Private to detect/. */
#ifndef SCAN_DETECT_CUSTOM_DICTIONARY_H
#define SCAN_DETECT_CUSTOM_DICTIONARY_H

#include "base/codec/yaml.h"
#include "scan/detect/custom/custom_words.h"

enum {
	DICTIONARY_TERMS = 500000,  /* in all lists of a policy; more are refused */
	DICTIONARY_FILE = 32 << 20, /* bytes of a list's file */
	TERM_BYTES = 255,	    /* length of a term in bytes */
	TERM_WORDS = 64,	    /* words of a term */
	/* terms that differ only by case and punctuation: C, C++, C# */
	TERM_SAME = 64,
	DICTIONARY_MISTAKES = 20, /* errors reported for one file */
};

struct dictionary;

/* Returns an empty dictionary, or NULL if memory is exhausted. */
struct dictionary *dictionary_new(void);
void dictionary_free(struct dictionary **d);

/* Adds a term of the entity `owner`. Returns 0, or 1 if the term is known. Errors: ERR_SYNTAX
 * if the term has no letter or digit, or only one byte; ERR_LIMIT if it is too long or there
 * are too many; ERR_NOMEM. */
int dictionary_add(struct dictionary *d, struct span term, uint16_t owner, bool exact_case);
/* Returns a description of the last error of dictionary_add(). */
const char *dictionary_error_text(const struct dictionary *d, int err);
/* Adds the terms of a file, one a line. Lines that begin with '#' are comments. Errors are
 * added to *diag at their line, or at `at` if the file cannot be read. */
void dictionary_file(struct dictionary *d, const char *file, const struct yaml_node *at,
	uint16_t owner, bool exact_case, struct diag *diag);
/* Builds the tables that searches use; call once after the last term. Returns 0 or
 * ERR_NOMEM. */
int dictionary_finish(struct dictionary *d);

size_t dictionary_longest(const struct dictionary *d);
size_t dictionary_terms(const struct dictionary *d);
size_t dictionary_bytes(const struct dictionary *d);
/* Returns 32 bytes that depend on all terms, but not on their order. */
const unsigned char *dictionary_digest(const struct dictionary *d);

/* Returns the bitmap of the terms' first words, for early rejection. */
struct hash_bits dictionary_first(const struct dictionary *d);

/* One occurrence of a term: its entity and byte offsets, end exclusive. */
struct dictionary_hit {
	uint16_t owner;
	size_t start, end;
};
/* Calls found(arg, hit) for each term that begins with word w of the text. `second` is the word
 * after w; NULL: w is the last. Stops at the first result other than 0 and returns the
 * result. */
int dictionary_search(const struct dictionary *d, struct span text, const struct text_word *w,
	const struct text_word *second,
	int (*found)(void *arg, const struct dictionary_hit *hit), void *arg);
/* Returns true if a term may begin with word w that the end of the text cuts off. */
bool dictionary_may_continue(
	const struct dictionary *d, struct span text, const struct text_word *w);

#endif
