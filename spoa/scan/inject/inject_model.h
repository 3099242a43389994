/* The model as it is stored and as it is scored; for inject_score.c, the trainer and tests. */
#ifndef SCAN_INJECT_INJECT_MODEL_H
#define SCAN_INJECT_INJECT_MODEL_H

#include "base/buf.h"
#include "scan/inject/inject.h"
#include "scan/inject/inject_pattern.h"

struct inject_model {
	int8_t weight[INJECT_BUCKETS];
	double bias, scale; /* see inject_margin */
	double suspect[INJECT_ORIGINS]; /* margins that score 0.5 */
	double block[INJECT_ORIGINS];	/* and 0.9 */
	char version[65];
};

struct inject {
	struct inject_model model;
	struct inject_patterns patterns, mentions;
	uint64_t watch[INJECT_WATCH / 64]; /* of both */
	char version[65];
};

enum { INJECT_SOFT = 60 }; /* features: short texts weigh less */

/* The margin of a window whose n features weigh `sum`:
 * bias + scale * sum / sqrt(n + INJECT_SOFT). */
double inject_margin(const struct inject_model *m, int64_t sum, size_t n);
/* The margin of a text: its worst window's, less what the worst of so many windows scores
 * higher by chance. The thresholds are margins of texts. */
double inject_text_margin(double worst, size_t windows);
/* The file's bytes, and back: false where they are not such a file. */
void inject_model_write(const struct inject_model *m, struct buf *out);
bool inject_model_read(struct inject_model *m, struct span bytes);

#endif
