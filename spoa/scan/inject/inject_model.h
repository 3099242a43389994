/* The model in memory and in its file, and the quotations of a text; for inject_score.c, the
 * trainer and tests. */
#ifndef SCAN_INJECT_INJECT_MODEL_H
#define SCAN_INJECT_INJECT_MODEL_H

#include "base/buf.h"
#include "scan/inject/inject.h"
#include "scan/inject/inject_pattern.h"

/* The weights and calibration of a model. */
struct inject_model {
	int8_t weight[INJECT_BUCKETS];
	double bias, scale; /* see inject_margin() */
	double suspect[INJECT_ORIGINS]; /* margin that scores 0.5 */
	double block[INJECT_ORIGINS];	/* margin that scores 0.9 */
	char version[65];
};

/* A loaded model with its patterns. Owner: the arena of inject_load(). */
struct inject {
	struct inject_model model;
	struct inject_patterns patterns, mentions;
	uint64_t watch[INJECT_WATCH / 64]; /* bits of both pattern sets' words */
	char version[65];
};

enum { INJECT_SOFT = 60 }; /* added to the number of features, so that short texts weigh less */

/* Returns the margin of a window with n features of total weight `sum`: bias + scale * sum /
 * sqrt(n + INJECT_SOFT). */
double inject_margin(const struct inject_model *m, int64_t sum, size_t n);
/* Returns the margin of a text: its worst window's margin, less the amount by which the worst
 * of so many windows is higher by chance. The thresholds refer to margins of texts. */
double inject_text_margin(double worst, size_t windows);
/* Write and read a model's file. inject_model_read() returns false if the bytes are not a valid
 * file. */
void inject_model_write(const struct inject_model *m, struct buf *out);
bool inject_model_read(struct inject_model *m, struct span bytes);

/* ---- quotations ----
 *
 * Text between the quotation marks of any language, code in backquotes, lines after '>'. The
 * score examines the text around them. */

enum {
	QUOTE_MARKS = 20,
	QUOTE_MAX = 4096, /* bytes; a longer stretch is not a quotation */
};

/* The progress through a text. The caller owns both. */
struct inject_quotes {
	struct span text;
	size_t at;
	/* index: a mark; offset of its first closing mark at or after the place of the last
	 * search */
	size_t closer[QUOTE_MARKS];
	size_t n; /* number of quotations so far */
};

void inject_quotes_begin(struct inject_quotes *q, struct span text);
/* Returns the next piece outside quotations, a view of the text, perhaps empty. Returns false
 * after the last. Time for all pieces is linear in the text. */
bool inject_quotes_outside(struct inject_quotes *q, struct span *piece);

#endif
