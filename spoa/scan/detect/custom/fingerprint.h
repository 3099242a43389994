/* Documents known again by their shingles: hashes of eight words in a row, of which
 * winnowing (Schleimer, Wilkerson, Aiken, SIGMOD 2003) keeps the least of each eight.
 * Words are letters and digits with their case folded, so that layout, punctuation and
 * comments' stars do not count. Not included outside detect/, but for fingerprint_make. */
#ifndef SCAN_DETECT_CUSTOM_FINGERPRINT_H
#define SCAN_DETECT_CUSTOM_FINGERPRINT_H

#include "base/codec/yaml.h"
#include "scan/detect/custom/custom_words.h"

enum {
	SHINGLE_WORDS = 8,
	SHINGLE_WINDOW = 8,	/* shingles of which one is kept: 15 words in a row share one */
	SHINGLE_VARIED = 4,	/* different words a shingle needs: rows of zeros have none */
	SHINGLES_MAX = 1000000, /* of a list */
	SHINGLES_FILE = 32 << 20, /* bytes of a list */
	RUN_GAP = 24,		  /* words without a known shingle that end a run */
	RUN_DISTINCT = 64,	  /* the most that a class may ask for */
};
#define FINGERPRINT_HEAD "# tollgate fingerprints 1"

/* Appends the shingles of a document as lines of 16 hexadecimal digits; their number. */
size_t fingerprint_make(struct span text, struct buf *out);

struct fingerprints;
/* Reads a list that fingerprint_make's lines make up, under FINGERPRINT_HEAD. NULL with
 * *diag filled. */
struct fingerprints *fingerprints_load(
	const char *file, const struct yaml_node *at, struct diag *diag);
void fingerprints_free(struct fingerprints **f);
size_t fingerprints_count(const struct fingerprints *f);
size_t fingerprints_bytes(const struct fingerprints *f);
/* A sum over all that does not depend on their order. */
uint64_t fingerprints_sum(const struct fingerprints *f, unsigned which);

/* The shingle that ends with each word, as a window over the text moves. */
struct shingler {
	uint64_t hash[SHINGLE_WORDS];
	size_t start[SHINGLE_WORDS]; /* of those words, in bytes */
	uint64_t rolling;
	size_t n; /* words so far */
};
/* After the next word: true where a shingle ends with it, of enough different words. */
bool shingle_next(struct shingler *s, const struct text_word *w, uint64_t *shingle);

/* A stretch of the text with known shingles in it. */
struct shingle_run {
	size_t start, end;  /* bytes */
	size_t first, last; /* words, last exclusive */
	size_t covered;	    /* words in known shingles */
	size_t shingles;    /* different ones, up to `least` */
	uint64_t seen[RUN_DISTINCT];
};
/* The shingle that ended with word number s->n - 1, at byte `end`: where it is known, the
 * run grows or begins. True where another run is over: it is in *over. */
bool fingerprints_look(const struct fingerprints *f, const struct shingler *s, uint64_t shingle,
	size_t end, size_t least, struct shingle_run *run, struct shingle_run *over);

#endif
