/* The trainer of the injection model. It reads labeled texts, refuses near-copies, fits a
 * logistic regression, chooses thresholds on texts that the model was not fitted on, and
 * writes the model.
 *
 * The same texts give the same bytes on every machine. The order is fixed, no clock and no
 * random source is used, and the only arithmetic is + - * / and sqrt, compiled without
 * contraction. */
#ifndef CMD_MAKERS_TRAIN_H
#define CMD_MAKERS_TRAIN_H

#include "base/arena.h"
#include "scan/inject/inject_model.h"

enum { TRAIN_FOLDS = 5 };

enum train_use {
	TRAIN_DATA, /* a near-copy is an error */
	TRAIN_WITH, /* further texts; near-copies are omitted */
	/* The next two are not used for fitting; texts close to fitted texts are omitted. */
	TRAIN_CALIBRATE, /* harmless texts on which the thresholds are also chosen */
	TRAIN_TEST,
};

/* One text. Owned by the set's arena. */
struct train_doc {
	struct span text;
	const char *family; /* the kind of attack or of harmless text */
	const char *lang;
	const char *source; /* the file's name without folder and extension */
	const char *file;
	unsigned line;
	enum train_use use;
	bool attack, hard; /* hard: harmless, but no ordinary chat */
	bool added;	   /* an attack inside harmless text, made by the trainer */
	bool dropped;	   /* a near-copy that was omitted */
	const char *group; /* file and family; never on both sides of a test */
	unsigned fold;
	uint32_t block, nblocks; /* a range of the set's blocks */
	double margin;		 /* the score by a model that was not fitted on this text */
};

/* All texts and their features. */
struct train_set {
	struct arena *arena;
	struct train_doc *doc;
	size_t n, room;
	/* Features of all documents: block i has the features [start[i], start[i + 1]). */
	uint16_t *feature;
	size_t nfeatures, feature_room;
	uint32_t *start;
	size_t nblocks, block_room;
	uint32_t noise, nnoise; /* blocks of random features; see train_fit.c */
};

/* Returns true if the model is fitted on this text. */
static inline bool
train_is_fitted(const struct train_doc *d)
{
	return d->use < TRAIN_CALIBRATE;
}

/* Returns the next number of a fixed sequence (G. Marsaglia's xorshift), the same on every
 * machine. */
static inline uint32_t
train_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}
/* Compares doubles for qsort(), ascending. */
int train_rising(const void *pa, const void *pb);

/* Fits the model on the texts for fitting, except for those of the fold `without`
 * (TRAIN_FOLDS: on all), and quantizes the weights. Returns false if memory is exhausted. */
bool train_fit(const struct train_set *s, unsigned without, struct inject_model *m);
/* Returns the document's score, computed as the daemon computes it. */
double train_margin(
	const struct train_set *s, const struct inject_model *m, const struct train_doc *d);

#endif
