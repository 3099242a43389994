/* Scores how much a text tries to override an assistant's instructions. The score comes from a
 * linear model over hashed n-grams (inject_walk.h) and from a few patterns of high precision.
 * The model scores windows of 64 words, and the worst window counts, less a correction for long
 * texts. Quotations that a user only talks about (mentions) do not count. The model is
 * immutable and shared by all threads. A score needs about 40 KB of stack for a text of any
 * size. */
#ifndef SCAN_INJECT_INJECT_H
#define SCAN_INJECT_INJECT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

/* The author of the text; each has its own thresholds. */
enum inject_origin { INJECT_USER, INJECT_TOOL, INJECT_DOCUMENT, INJECT_ORIGINS };

#define INJECT_SUSPECT 0.5 /* at most 1 in 100 ordinary texts scores as high */
#define INJECT_BLOCK   0.9 /* about 1 in 1,000 does; docs/injection-model.md */

struct inject;

/* Loads the model of `file` (NULL: the compiled-in one) and the patterns into the arena.
 * Returns NULL on failure, with the reason in *errors. */
const struct inject *inject_load(struct arena *a, const char *file, struct buf *errors);
/* Returns the SHA-256 of model and patterns, 64 hexadecimal digits. A policy's version includes
 * it. */
const char *inject_version(const struct inject *j);

/* Returns the id of pattern i, whose bit in `off` is 1 << i; NULL after the last. */
const char *inject_pattern_id(const struct inject *j, size_t i);

/* The score of one text. */
struct inject_result {
	double score; /* 0.0 to 1.0, calibrated: see INJECT_SUSPECT */
	/* the pattern that determined the score; NULL: the score is the model's */
	const char *pattern;
};
/* Scores a text. `off`: bits of disabled patterns. */
struct inject_result inject_score(
	const struct inject *j, struct span text, enum inject_origin o, uint64_t off);

#endif
