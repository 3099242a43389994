/* Recognizes documents by shingles: hashes of eight consecutive words. Winnowing (Schleimer,
 * Wilkerson, Aiken, SIGMOD 2003) keeps the smallest of each eight shingles. Words are letters
 * and digits without case, so layout, punctuation and the asterisks of comments do not matter.
 * Private to detect/, except fingerprint_make(). */
#ifndef SCAN_DETECT_CUSTOM_FINGERPRINT_H
#define SCAN_DETECT_CUSTOM_FINGERPRINT_H

#include "base/codec/yaml.h"
#include "scan/detect/custom/custom_words.h"

enum {
	SHINGLE_WORDS = 8,
	/* one of this many shingles is kept, so any 15 equal words share one */
	SHINGLE_WINDOW = 8,
	/* a shingle is kept only if it has this many different words, which excludes rows of
	 * zeros */
	SHINGLE_VARIED = 4,
	SHINGLES_MAX = 1000000,	  /* in a list */
	SHINGLES_FILE = 32 << 20, /* bytes of a list's file */
	RUN_GAP = 24,		  /* number of words without a known shingle that ends a run */
	RUN_DISTINCT = 64,	  /* maximum number of shingles that a class can require */
};
#define FINGERPRINT_HEAD "# tollgate fingerprints 1"

/* Appends the shingles of a document, one a line of 16 hexadecimal digits. Returns their
 * number. */
size_t fingerprint_make(struct span text, struct buf *out);

struct fingerprints;
/* Reads a list: FINGERPRINT_HEAD, then lines of fingerprint_make(). Returns NULL on error, with
 * the reason in *diag. The caller frees the list with fingerprints_free(). */
struct fingerprints *fingerprints_load(
	const char *file, const struct yaml_node *at, struct diag *diag);
void fingerprints_free(struct fingerprints **f);
size_t fingerprints_count(const struct fingerprints *f);
size_t fingerprints_bytes(const struct fingerprints *f);
/* Returns a sum over all shingles that does not depend on their order. `which`: 0 or 1, two
 * different sums. */
uint64_t fingerprints_sum(const struct fingerprints *f, unsigned which);

/* The last eight words of a text, from which each next word gives a shingle. All zero: the
 * beginning. */
struct shingler {
	uint64_t hash[SHINGLE_WORDS];
	size_t start[SHINGLE_WORDS]; /* byte offsets of these words */
	uint64_t rolling;
	size_t n; /* number of words so far */
};
/* Adds a word. Returns true and sets *shingle if at least eight words have been added. */
bool shingle_next(struct shingler *s, const struct text_word *w, uint64_t *shingle);

/* A part of the text that contains known shingles. shingles 0: no run. */
struct shingle_run {
	size_t start, end;  /* byte offsets; end exclusive */
	size_t first, last; /* word numbers; last exclusive */
	size_t covered;	    /* number of words in known shingles */
	size_t shingles;    /* number of different shingles, counted up to `least` */
	uint64_t seen[RUN_DISTINCT];
};
/* Processes the shingle that ended with word number s->n - 1, at byte `end`. A known shingle
 * extends or begins *run. Returns true if an earlier run ended; *over is this run. */
bool fingerprints_search(const struct fingerprints *f, const struct shingler *s, uint64_t shingle,
	size_t end, size_t least, struct shingle_run *run, struct shingle_run *over);

#endif
