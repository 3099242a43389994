/* The trainer of the injection model: reads labelled texts, refuses near-copies, fits a
 * logistic regression, chooses the thresholds on texts that the model at hand was not
 * trained on, and writes the model. Same texts, same bytes: fixed order, no clock, no
 * randomness, and no arithmetic but + - * / and sqrt, compiled without contraction. */
#ifndef CMD_MAKERS_TRAIN_H
#define CMD_MAKERS_TRAIN_H

#include "base/arena.h"
#include "scan/inject/inject_model.h"

enum { TRAIN_FOLDS = 5 };

enum train_use {
	TRAIN_DATA, /* a near-copy is a mistake */
	TRAIN_WITH, /* further texts: near-copies are left out */
	/* not trained on; what is near a text trained on is left out */
	TRAIN_CALIBRATE, /* harmless texts that the thresholds are chosen on, too */
	TRAIN_TEST,
};

struct train_doc {
	struct span text;
	const char *family; /* kind of attack or of harmless text */
	const char *lang;
	const char *source; /* name of the file, without folder and ending */
	const char *file;
	unsigned line;
	enum train_use use;
	bool attack, hard; /* hard: harmless, and no ordinary chat */
	bool added;	   /* an attack inside harmless text, made up by the trainer */
	bool dropped;	   /* a near-copy that was left out */
	const char *group; /* file and family: never on both sides of a test */
	unsigned fold;
	uint32_t block, nblocks; /* in the set's blocks */
	double margin;		 /* by a model that was not fitted on it */
};

struct train_set {
	struct arena *arena;
	struct train_doc *doc;
	size_t n, room;
	/* of all documents: block i has the features [start[i], start[i + 1]) */
	uint16_t *feature;
	size_t nfeatures, feature_room;
	uint32_t *start;
	size_t nblocks, block_room;
	uint32_t noise, nnoise; /* blocks of random features; see train_fit.c */
};

/* Reads a file, or every *.jsonl of a folder in the order of names. 0, or a negative error
 * with "file:line: why" in *errors. */
int train_read(struct train_set *s, const char *path, enum train_use use, struct buf *errors);

/* Marks every text as dropped whose set of five characters in a row overlaps an earlier
 * one's by more than 0.6 (Jaccard). Their number, SIZE_MAX out of memory; the first `room`
 * that are TRAIN_DATA go to v, `*faults` counts those. */
struct train_pair {
	const struct train_doc *later, *earlier;
	double overlap;
};
size_t train_near_copies(
	struct train_set *s, struct train_pair *v, size_t room, size_t *faults);

/* Whether the model is fitted on it. */
static inline bool
train_is_fitted(const struct train_doc *d)
{
	return d->use < TRAIN_CALIBRATE;
}

/* The next number of a fixed row (G. Marsaglia's xorshift): the same on every machine. */
static inline uint32_t
train_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}
/* Doubles for qsort(). */
int train_rising(const void *pa, const void *pb);
/* A new document at the end; NULL: out of memory. */
struct train_doc *train_new_doc(struct train_set *s);

/* Adds attacks inside harmless text, and gives groups to folds. */
bool train_prepare(struct train_set *s);
/* Fits on the texts that are for it and whose fold is not `without` (TRAIN_FOLDS: on all) and
 * quantises. */
bool train_fit(const struct train_set *s, unsigned without, struct inject_model *m);
/* The document's margin, as the daemon has it. */
double train_margin(
	const struct train_set *s, const struct inject_model *m, const struct train_doc *d);

/* ---- figures over the margins of a set: train_report.c ---- */

enum train_kind { TRAIN_ATTACK, TRAIN_INSIDE, TRAIN_ORDINARY, TRAIN_HARD, TRAIN_HARMLESS };
/* What is fitted and scored out of fold, and what is not fitted. */
enum train_part { TRAIN_FOLDED, TRAIN_CALIBRATION, TRAIN_TESTS };

struct margins {
	double *v; /* rising; the caller frees it */
	size_t n;
};

struct margins train_margins(
	const struct train_set *s, enum train_kind kind, enum train_part part);
/* The lowest margin that at most this share of them exceeds. */
double train_threshold(const struct margins *m, double rate);

/* To standard output: how many texts there are, how they score out of fold, and how what was
 * not fitted scores. */
void train_counts(const struct train_set *s);
void train_figures(const struct train_set *s, double suspect, double block);
void train_calibrated(const struct train_set *s, double suspect, double block);
void train_tests(const struct train_set *s, double suspect, double block);

#endif
