/* How much a text tries to override an assistant's instructions: a linear model over
 * hashed n-grams (inject_walk.h), scored over windows of 64 words, of which the worst
 * counts (in a long text less), and a few patterns of high precision; what a user only quotes
 * and talks about (mentions) does not count. The model is immutable and shared by all threads;
 * a score needs some forty kilobytes of stack whatever the text's size. */
#ifndef SCAN_INJECT_INJECT_H
#define SCAN_INJECT_INJECT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

/* Who wrote the text: each has thresholds of its own. */
enum inject_origin { INJECT_USER, INJECT_TOOL, INJECT_DOCUMENT, INJECT_ORIGINS };

#define INJECT_SUSPECT 0.5 /* at most one ordinary text in a hundred scores as high, */
#define INJECT_BLOCK   0.9 /* and about one in a thousand; docs/injection-model.md */

struct inject;

/* The model in `file` (NULL: the one compiled into the program) and the patterns. It lives in
 * the arena. On failure NULL and why in *errors. */
const struct inject *inject_load(struct arena *a, const char *file, struct buf *errors);
/* SHA-256 over model and patterns, 64 hex digits; part of a policy's version. */
const char *inject_version(const struct inject *j);

/* Pattern number i: a bit of `off` below; NULL after the last. */
const char *inject_pattern_id(const struct inject *j, size_t i);

struct inject_result {
	double score;	     /* 0.0 to 1.0, calibrated: see INJECT_SUSPECT */
	const char *pattern; /* the first that matched outside what is only talked about, where
				patterns have a say; NULL: none, or the score is the model's */
};
/* `off`: bits of patterns that are switched off. */
struct inject_result inject_score(
	const struct inject *j, struct span text, enum inject_origin o, uint64_t off);

#endif
