/* Divides a text into pieces as a tokenizer does before it merges bytes: the published patterns
 * as functions, without regular expressions. Pure. */
#ifndef BASE_TOKENS_SPLIT_H
#define BASE_TOKENS_SPLIT_H

#include "base/span.h"

enum split_kind {
	SPLIT_GPT2,  /* 's and other contractions, " letters", " numbers", " signs" */
	SPLIT_PLAIN, /* cl100k_base: letters of both cases with a preceding sign, up to 3 digits */
	SPLIT_CASED, /* o200k_base: a word begins at a capital */
};

/* A pattern. The members are the differences within a kind. */
struct split_pattern {
	const char *name; /* the name in rank files and for `tollgate ranks pack` */
	enum split_kind kind;
	uint8_t digits;	    /* numbers in a piece, at most; 0: no limit */
	/* the contractions 's, 't, 're, 've, 'm, 'll and 'd, in any case, are separate or end a
	 * word */
	bool contractions;
	const char *models; /* models trained with the pattern, for the help text */
};
extern const struct split_pattern split_patterns[]; /* ends with a NULL name */
/* Returns the pattern of that name, or NULL. */
const struct split_pattern *split_find(struct span name);

/* Returns the end of the piece that begins at `at` < text.n; always after `at`. Bytes that are
 * not UTF-8 count as characters that are neither letters nor space. Linear: a piece costs its
 * length, plus the white space or capitals after it once. */
size_t split_next(const struct split_pattern *p, struct span text, size_t at);

#endif
