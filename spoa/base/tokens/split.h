/* Where a tokenizer cuts a text into pieces before it merges bytes: the published patterns as
 * functions, without a regular expression. Pure. */
#ifndef BASE_TOKENS_SPLIT_H
#define BASE_TOKENS_SPLIT_H

#include "base/span.h"

enum split_kind {
	SPLIT_GPT2,  /* 's and the like, " letters", " numbers", " signs" */
	SPLIT_PLAIN, /* cl100k_base: letters of either case, what is before them, up to 3 digits
		      */
	SPLIT_CASED, /* o200k_base: a word begins at a capital */
};

/* Differences within a kind are columns. */
struct split_pattern {
	const char *name; /* as rank files and `tollgate ranks pack` say it */
	enum split_kind kind;
	uint8_t digits;	    /* numbers a piece at most; 0: any */
	bool contractions;  /* 's, 't, 're, 've, 'm, 'll, 'd, of either case, are cut off or on
			     */
	const char *models; /* who is trained with it, for help */
};
extern const struct split_pattern split_patterns[]; /* ends with a name NULL */
/* NULL: none of that name. */
const struct split_pattern *split_find(struct span name);

/* The end of the piece that begins at `at` < text.n; always beyond `at`. Bytes that are no
 * UTF-8 are characters of their own that are neither letters nor space. Linear: a piece costs
 * what it is long, plus the white space or capitals after it once. */
size_t split_next(const struct split_pattern *p, struct span text, size_t at);

#endif
